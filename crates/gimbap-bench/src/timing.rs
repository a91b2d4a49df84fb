//! Repetitions and their median.

use std::time::{Duration, Instant};

/// How long a measurement goes on: for `time`, and for `least` repetitions at least.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Wall time for all repetitions.
    pub time: Duration,
    /// Repetitions, however long they take.
    pub least: usize,
}

impl Budget {
    /// `seconds`, and `least` repetitions.
    pub fn new(seconds: f64, least: usize) -> Budget {
        Budget { time: Duration::from_secs_f64(seconds), least: least.max(1) }
    }
}

/// The seconds of each repetition of `work`, which is not warmed up here.
pub fn repeat(budget: Budget, mut work: impl FnMut()) -> Vec<f64> {
    let begin = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < budget.least || begin.elapsed() < budget.time {
        let start = Instant::now();
        work();
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds
}

/// The seconds of one call of `work`, over repetitions of so many calls that the clock does not matter.
pub fn repeat_short(budget: Budget, mut work: impl FnMut()) -> Vec<f64> {
    const REPETITION: f64 = 1e-3;
    let mut calls = 1;
    loop {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        if start.elapsed().as_secs_f64() >= REPETITION {
            break;
        }
        calls *= 2;
    }
    let mut seconds = repeat(budget, || (0..calls).for_each(|_| work()));
    seconds.iter_mut().for_each(|s| *s /= calls as f64);
    seconds
}

/// The middle one; the mean of the two in the middle of an even number; NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_least_repetitions_are_made_however_long_they_take() {
        assert_eq!(repeat(Budget::new(0.0, 3), || ()).len(), 3);
        let seconds = repeat_short(Budget::new(0.0, 2), || std::thread::sleep(Duration::from_micros(300)));
        assert_eq!(seconds.len(), 2);
        assert!(seconds.iter().all(|s| *s >= 300e-6 && *s < 0.1), "{seconds:?}");
    }
}
