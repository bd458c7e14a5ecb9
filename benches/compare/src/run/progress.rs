//! How far a comparison is, and how long it will still take.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Prints a line for each step; on a terminal, over the last one.
#[derive(Debug)]
pub struct Progress {
    begin: Instant,
    /// Seconds that all steps were thought to take, and those that are over.
    planned_s: f64,
    done_s: f64,
    over_the_last: bool,
}

impl Progress {
    /// Of steps that are thought to take `planned` in all.
    #[must_use]
    pub fn new(planned: Duration) -> Self {
        Self {
            begin: Instant::now(),
            planned_s: planned.as_secs_f64(),
            done_s: 0.0,
            over_the_last: std::io::stderr().is_terminal(),
        }
    }

    /// Begins a step.
    pub fn begin(&self, what: &str) {
        let share = (self.done_s / self.planned_s.max(f64::MIN_POSITIVE)).min(1.0);
        let left = self.time_left();
        let (minutes, seconds) = (left.as_secs() / 60, left.as_secs() % 60);
        let line = format!(
            "{:3.0} %, {minutes}:{seconds:02} left: {what}",
            share * 100.0
        );
        let mut stderr = std::io::stderr();
        // Progress only: that it cannot be shown is no reason to stop.
        let _ = if self.over_the_last {
            write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{line}")
        };
    }

    /// Notes that a step is over which was thought to take `planned`.
    pub fn end(&mut self, planned: Duration) {
        self.done_s += planned.as_secs_f64();
    }

    /// By what the steps so far have taken.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let slower = if self.done_s > 0.0 {
            self.begin.elapsed().as_secs_f64() / self.done_s
        } else {
            1.0
        };
        Duration::from_secs_f64((self.planned_s - self.done_s).max(0.0) * slower)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.over_the_last {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_at_the_end() {
        let step = Duration::from_secs(10);
        let mut progress = Progress::new(step * 2);
        assert_eq!(progress.time_left(), step * 2);
        progress.end(step);
        progress.end(step);
        progress.end(step);
        assert_eq!(progress.time_left(), Duration::ZERO);
    }
}
