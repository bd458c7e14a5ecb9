//! Medians, spreads, ties and slopes.

use serde::Serialize;

/// A median with the extremes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle value, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many values there are.
    pub count: usize,
}

impl Spread {
    /// Of `values`, or `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self {
            median,
            min,
            max,
            count: values.len(),
        })
    }

    /// Whether ratios of this spread are no difference: some say more and some say less, or there
    /// is only one.
    #[must_use]
    pub fn is_tie(self) -> bool {
        self.count < 2 || (self.min <= 1.0 && self.max >= 1.0)
    }

    /// The median and, in brackets, the extremes.
    #[must_use]
    pub fn show(self, decimals: usize) -> String {
        let Self {
            median, min, max, ..
        } = self;
        format!("{median:.decimals$} ({min:.decimals$}..{max:.decimals$})")
    }
}

/// How `values` of one server compare with those of another, taken round by round: what drifts on
/// the machine meets both.
#[must_use]
pub fn ratio(these: &[f64], those: &[f64]) -> Option<Spread> {
    Spread::of(these.iter().zip(those).map(|(this, that)| this / that))
}

/// By how much `y` grows with each `x`: least squares. `None` for fewer than two different `x`.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let along: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let across: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    (along > 0.0).then(|| across / along)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Spread::of([]), None);
        let expected = |count| {
            Some(Spread {
                median: 3.0,
                min: 1.0,
                max: 9.0,
                count,
            })
        };
        assert_eq!(Spread::of([3.0, 1.0, 9.0]), expected(3));
        assert_eq!(Spread::of([4.0, 1.0, 9.0, 2.0]), expected(4));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine was half as fast in the second round: the ratio of each is 1.5 all the same.
        let spread = ratio(&[6.0, 12.0], &[4.0, 8.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.5, 1.5, 1.5));
    }

    #[test]
    fn a_difference_that_not_every_round_saw_is_a_tie() {
        let is_tie = |values: &[f64]| Spread::of(values.iter().copied()).unwrap().is_tie();
        assert!(is_tie(&[0.9, 1.2, 1.3]));
        assert!(is_tie(&[1.0, 1.2]));
        assert!(!is_tie(&[1.01, 1.2]));
        assert!(!is_tie(&[0.8, 0.99]));
        assert!(is_tie(&[1.5]), "one round tells nothing of the spread");
    }

    #[test]
    fn a_slope_is_the_growth_of_each_step() {
        let line: Vec<_> = (0..10)
            .map(|x| (f64::from(x), f64::from(x) * 3.0 + 7.0))
            .collect();
        assert!((slope(&line).unwrap() - 3.0).abs() < 1e-9);
        assert!(slope(&[(1.0, 5.0), (2.0, 5.0)]).unwrap().abs() < 1e-9);
        assert_eq!(slope(&[(1.0, 5.0), (1.0, 7.0)]), None);
        assert_eq!(slope(&[]), None);
    }
}
