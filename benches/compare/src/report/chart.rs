//! Charts as SVG, which a page can hold without help from elsewhere.

use std::fmt::Write as _;

use crate::statistics::Spread;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Who.
    pub name: String,
    /// The class of its colour.
    pub class: &'static str,
    /// The median; none is drawn where it is not to be trusted.
    pub value: Option<f64>,
    /// The smallest and the largest.
    pub spread: (f64, f64),
    /// What is written behind it.
    pub label: String,
}

/// A line through points.
#[derive(Clone, Debug)]
pub struct Line {
    /// Who.
    pub name: String,
    /// The class of its colour.
    pub class: &'static str,
    /// From left to right; `y` above 0.
    pub points: Vec<(f64, f64)>,
}

const NAME_WIDTH: f64 = 130.0;
const BAR_WIDTH: f64 = 290.0;
const LABEL_WIDTH: f64 = 270.0;
/// Bars longer than so many times the middle one are cut, or the others could not be told apart.
const CUT: f64 = 4.0;
const BAR_HEIGHT: f64 = 20.0;

/// Bars from 0 to the right, with the spread as a thin line. Those that are cut end in a point.
#[must_use]
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let width = NAME_WIDTH + BAR_WIDTH + LABEL_WIDTH;
    let height = BAR_HEIGHT * bars.len() as f64 + 4.0;
    let values = || bars.iter().filter_map(|bar| bar.value);
    let limit = Spread::of(values()).map_or(0.0, |spread| spread.median * CUT);
    let shown = bars
        .iter()
        .filter(|bar| bar.value.is_some_and(|value| value <= limit));
    let max = shown
        .map(|bar| bar.spread.1.min(limit))
        .fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| NAME_WIDTH + BAR_WIDTH * (value / max).min(1.0);
    let mut svg = open(title, width, height);
    for (index, bar) in bars.iter().enumerate() {
        let top = BAR_HEIGHT * index as f64 + 2.0;
        let middle = top + BAR_HEIGHT / 2.0;
        let baseline = middle + 4.0;
        let name = escape(&bar.name);
        let edge = NAME_WIDTH - 6.0;
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"{edge}\" y=\"{baseline:.1}\">{name}</text>"
        );
        let mut end = NAME_WIDTH;
        if let Some(value) = bar.value {
            end = x(value.max(bar.spread.1));
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{NAME_WIDTH}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <path class=\"spread\" d=\"M{:.1} {middle:.1}H{:.1}\"/>",
                bar.class,
                top + 2.0,
                x(value) - NAME_WIDTH,
                BAR_HEIGHT - 4.0,
                x(bar.spread.0),
                x(bar.spread.1)
            );
            if value > max {
                let _ = write!(
                    svg,
                    "<path class=\"cut\" d=\"M{:.1} {top:.1}v{BAR_HEIGHT}l7 -{}z\"/>",
                    end - 12.0,
                    BAR_HEIGHT / 2.0
                );
            }
        }
        let label = escape(&bar.label);
        let after = end + 6.0;
        let _ = write!(
            svg,
            "<text x=\"{after:.1}\" y=\"{baseline:.1}\">{label}</text>"
        );
    }
    svg.push_str("</svg>");
    svg
}

const PLOT: (f64, f64) = (420.0, 260.0);
const MARGIN: (f64, f64) = (90.0, 34.0);
const LEGEND_WIDTH: f64 = 190.0;
/// Marks that are closer would run into each other.
const MARK_WIDTH: f64 = 56.0;

/// Where the values of a plot lie on the page.
struct Scales {
    left: f64,
    right: f64,
    /// Powers of ten.
    floor: f64,
    ceiling: f64,
}

impl Scales {
    fn of(lines: &[Line]) -> Option<Self> {
        let points = || lines.iter().flat_map(|line| line.points.iter().copied());
        let (x, y) = (
            Spread::of(points().map(|(x, _)| x))?,
            Spread::of(points().map(|(_, y)| y))?,
        );
        let floor = y.min.log10().floor();
        Some(Self {
            left: x.min,
            right: x.max,
            floor,
            ceiling: y.max.log10().ceil().max(floor + 1.0),
        })
    }

    fn x(&self, value: f64) -> f64 {
        let width = (self.right - self.left).max(f64::MIN_POSITIVE);
        MARGIN.0 + PLOT.0 * (value - self.left) / width
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value.log10() - self.floor) / (self.ceiling - self.floor);
        10.0 + PLOT.1 * (1.0 - share)
    }

    fn push_grid(&self, svg: &mut String, unit: &str) {
        for power in self.floor as i32..=self.ceiling as i32 {
            let value = 10_f64.powi(power);
            let (at, right_edge) = (self.y(value), MARGIN.0 + PLOT.0);
            let (label_at, base) = (MARGIN.0 - 6.0, at + 4.0);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{} {at:.1}H{right_edge}\"/>\
                 <text class=\"name\" x=\"{label_at}\" y=\"{base:.1}\">{} {unit}</text>",
                MARGIN.0,
                thousands(value)
            );
        }
    }

    fn push_marks(&self, svg: &mut String, lines: &[Line], x_of: impl Fn(f64) -> String) {
        let points = lines.iter().flat_map(|line| line.points.iter());
        let mut marks: Vec<f64> = points.map(|&(x, _)| x).collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        // Where they are many, the ends suffice.
        if marks.len() > 8 {
            marks = vec![self.left, self.right];
        }
        let mut free_from = f64::MIN;
        for mark in marks {
            let (at, base) = (self.x(mark), 10.0 + PLOT.1 + 18.0);
            if at < free_from {
                continue;
            }
            free_from = at + MARK_WIDTH;
            let text = escape(&x_of(mark));
            let _ = write!(
                svg,
                "<text class=\"mark\" x=\"{at:.1}\" y=\"{base:.1}\">{text}</text>"
            );
        }
    }
}

/// Lines over a vertical axis in powers of ten; `x_of` writes the marks below.
#[must_use]
pub fn lines(title: &str, lines: &[Line], x_of: impl Fn(f64) -> String, unit: &str) -> String {
    let width = MARGIN.0 + PLOT.0 + LEGEND_WIDTH;
    let height = (MARGIN.1 + PLOT.1 + 12.0).max(lines.len() as f64 * 17.0 + 24.0);
    let mut svg = open(title, width, height);
    if let Some(scales) = Scales::of(lines) {
        scales.push_grid(&mut svg, unit);
        scales.push_marks(&mut svg, lines, x_of);
        for (index, line) in lines.iter().enumerate() {
            push_line(&mut svg, &scales, index, line);
        }
    }
    svg.push_str("</svg>");
    svg
}

fn push_line(svg: &mut String, scales: &Scales, index: usize, line: &Line) {
    let at = |&(x, y): &(f64, f64)| format!("{:.1} {:.1}", scales.x(x), scales.y(y));
    let path: Vec<String> = line.points.iter().map(at).collect();
    let (legend_x, legend_y) = (MARGIN.0 + PLOT.0 + 16.0, 20.0 + index as f64 * 17.0);
    let dash = DASHES[index % DASHES.len()];
    let name = escape(&line.name);
    let _ = write!(
        svg,
        "<path class=\"line {class}\" stroke-dasharray=\"{dash}\" d=\"M{}\"/>\
         <path class=\"line {class}\" stroke-dasharray=\"{dash}\" \
         d=\"M{legend_x} {legend_y}h22\"/>\
         <text x=\"{}\" y=\"{}\">{name}</text>",
        path.join("L"),
        legend_x + 28.0,
        legend_y + 4.0,
        class = line.class
    );
}

/// Lines of one colour are told apart by these.
const DASHES: [&str; 4] = ["none", "6 3", "2 2", "8 2 2 2"];

fn open(title: &str, width: f64, height: f64) -> String {
    let title = escape(title);
    format!(
        "<svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\">"
    )
}

/// A number with spaces between its thousands.
#[must_use]
pub fn thousands(value: f64) -> String {
    if value < 1.0 {
        return format!("{value}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + 4);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            // Narrow, and no place to break a line.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// As text of HTML, also between quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        let bar = Bar {
            name: "<b>&\"".to_owned(),
            class: "keirin",
            value: Some(1.0),
            spread: (0.5, 2.0),
            label: "x".to_owned(),
        };
        let svg = bars("a \"title\"", &[bar]);
        assert!(svg.contains("&lt;b&gt;&amp;&quot;") && svg.contains("a &quot;title&quot;"));
    }

    #[test]
    fn what_is_not_to_be_trusted_has_no_bar() {
        let bar = |value| Bar {
            name: "a".to_owned(),
            class: "other",
            value,
            spread: (1.0, 1.0),
            label: "not proven".to_owned(),
        };
        assert!(bars("t", &[bar(Some(1.0))]).contains("<rect"));
        let without = bars("t", &[bar(None)]);
        assert!(!without.contains("<rect") && without.contains("not proven"));
    }

    #[test]
    fn the_largest_fills_the_width_and_a_line_its_plot() {
        let bar = |value: f64| Bar {
            name: "a".to_owned(),
            class: "other",
            value: Some(value),
            spread: (value, value),
            label: String::new(),
        };
        let svg = bars("t", &[bar(2.0), bar(4.0)]);
        assert!(
            svg.contains("width=\"145.0\"") && svg.contains("width=\"290.0\""),
            "{svg}"
        );
        let svg = bars("t", &[bar(2.0), bar(2.0), bar(100.0)]);
        assert_eq!(
            svg.matches("width=\"290.0\"").count(),
            3,
            "one of them cut: {svg}"
        );
        assert_eq!(svg.matches("class=\"cut\"").count(), 1, "{svg}");
        let line = Line {
            name: "a".to_owned(),
            class: "other",
            points: vec![(0.0, 10.0), (1.0, 1000.0)],
        };
        let svg = lines("t", &[line], |x| format!("{x}"), "us");
        assert!(svg.contains("M90.0 270.0L510.0 10.0"), "{svg}");
        assert!(lines("t", &[], |x| format!("{x}"), "us").ends_with("></svg>"));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(1_234_567.0), "1\u{202f}234\u{202f}567");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(0.1), "0.1");
    }
}
