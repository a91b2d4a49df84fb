//! Progress on stderr: a bar with rate and ETA on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Out;

/// Between two plain lines of one epoch.
const QUIET_SPELL: Duration = Duration::from_secs(10);

/// The progress of one stretch of work, such as an epoch.
#[derive(Debug)]
pub struct Progress {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Silent,
    Bar(ProgressBar),
    Lines { label: String, unit: &'static str, total: u64, done: u64, start: Instant, last: Instant },
}

impl Progress {
    /// `total` steps of `unit` (`tokens`, `sequences`), named by `label` (`epoch 2/10`).
    pub fn new(out: &Out, label: impl Into<String>, total: u64, unit: &'static str) -> Self {
        let label = label.into();
        let kind = if out.json || out.quiet {
            Kind::Silent
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let line =
                format!("{{prefix}} [{{bar:24}}] {{percent:>3}}% {{per_sec}} {unit}/s eta {{eta}} {{msg}}");
            let style = ProgressStyle::with_template(&line)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ")
                .with_key("per_sec", |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
                    let _ = write!(w, "{}", rate(state.per_sec()));
                });
            bar.set_style(style);
            bar.set_prefix(label);
            Kind::Bar(bar)
        } else {
            let now = Instant::now();
            Kind::Lines { label, unit, total, done: 0, start: now, last: now }
        };
        Progress { kind }
    }

    /// `done` units in all are done; `message` is the figure to show (`loss 1.234`).
    pub fn at(&mut self, done: u64, message: impl FnOnce() -> String) {
        match &mut self.kind {
            Kind::Silent => {}
            Kind::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(message());
            }
            Kind::Lines { label, unit, total, done: shown, start, last } => {
                *shown = done;
                if last.elapsed() >= QUIET_SPELL && done < *total {
                    *last = Instant::now();
                    let seconds = start.elapsed().as_secs_f64().max(1e-9);
                    let per_second = done as f64 / seconds;
                    let eta = (*total - done) as f64 / per_second.max(1e-9);
                    let _ = writeln!(
                        std::io::stderr().lock(),
                        "{label}  {:.0}%  {} {unit}/s  eta {eta:.0} s  {}",
                        100.0 * done as f64 / *total as f64,
                        rate(per_second),
                        message()
                    );
                }
            }
        }
    }

    /// Says something above the bar.
    pub fn above(&self, say: impl FnOnce()) {
        match &self.kind {
            Kind::Bar(bar) => bar.suspend(say),
            Kind::Silent | Kind::Lines { .. } => say(),
        }
    }

    /// Takes the bar away, so that the lines after it stand alone.
    pub fn finish(self) {
        if let Kind::Bar(bar) = self.kind {
            bar.finish_and_clear();
        }
    }
}

/// How long a training will take, told once its first batches show it.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the first step that is seen was done: what that one had to prepare does not count.
    first: Option<Instant>,
    steps: usize,
    told: bool,
}

/// Before it is told how long a training will take, it is looked at for so long.
const LOOK: Duration = Duration::from_secs(1);
/// The least time that is worth telling.
const LONG: f64 = 10.0;

impl Pace {
    /// After a step, of which `left` are to come: the seconds of a step, once, if those that are left take long.
    pub fn step(&mut self, left: usize) -> Option<f64> {
        let first = *self.first.get_or_insert_with(Instant::now);
        let (steps, elapsed) = (self.steps, first.elapsed());
        self.steps += 1;
        if self.told || steps < 3 || elapsed < LOOK {
            return None;
        }
        self.told = true;
        let each = elapsed.as_secs_f64() / steps as f64;
        (each * left as f64 > LONG).then_some(each)
    }
}

/// A rate in three figures: `79.6k`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        x if !x.is_finite() => "-".into(),
        x if x >= 1e6 => format!("{:.2}M", x / 1e6),
        x if x >= 1e3 => format!("{:.1}k", x / 1e3),
        x if x >= 10.0 => format!("{x:.0}"),
        x => format!("{x:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        assert_eq!(rate(79_600.0), "79.6k");
        assert_eq!(rate(1_234_567.0), "1.23M");
        assert_eq!(rate(12.3), "12");
        assert_eq!(rate(f64::NAN), "-");
    }

    #[test]
    fn json_and_quiet_show_nothing() {
        let mut progress = Progress::new(&Out { json: true, quiet: false }, "epoch 1/1", 10, "tokens");
        progress.at(5, || panic!("no message is made when none is shown"));
        progress.finish();
    }
}
