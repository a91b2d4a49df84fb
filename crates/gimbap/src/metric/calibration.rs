//! Whether probabilities mean what they say: the calibration error, and the temperature that mends it.
//!
//! Temperature scaling divides the logits `z` by one number `T` for all classes and rows,
//! `softmax(z / T)_i = p_i^(1/T) / sum_j p_j^(1/T)` with `p = softmax(z)`, so that it needs no more than the
//! probabilities. `T` is what gives held-out rows the least mean `-ln p` (Guo, Pleiss, Sun and Weinberger 2017,
//! arXiv:1706.04599v2). The order of the classes stays, and with it the accuracy.

/// The bins of [`Reliability`], as many as Guo et al. have.
const BINS: usize = 15;
/// Where the temperature is looked for.
const RANGE: (f64, f64) = (0.05, 20.0);

/// How often the likeliest class is the right one, beside its probability: the expected calibration error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reliability {
    bins: [Bin; BINS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    confidence: f64,
    right: u64,
    rows: u64,
}

impl Reliability {
    /// Counts a row: the probability of the likeliest class, and whether that is the right one.
    pub fn add(&mut self, confidence: f64, right: bool) {
        let bin = (confidence * BINS as f64).ceil() as usize;
        let bin = &mut self.bins[bin.clamp(1, BINS) - 1];
        bin.confidence += confidence;
        bin.right += u64::from(right);
        bin.rows += 1;
    }

    /// `sum_m n_m / n |right_m / n_m - confidence_m / n_m|` over 15 bins of equal width, open below and closed above;
    /// 0 of no rows.
    pub fn error(&self) -> f64 {
        let rows: u64 = self.bins.iter().map(|bin| bin.rows).sum();
        self.bins.iter().map(|bin| (bin.right as f64 - bin.confidence).abs()).sum::<f64>()
            / rows.max(1) as f64
    }
}

/// The logarithm of a probability; one too small for an `f32` counts as the smallest.
pub fn log(probability: f64) -> f64 {
    probability.max(f64::from(f32::MIN_POSITIVE)).ln()
}

/// The index of the largest, the first of equals.
pub fn largest<R: PartialOrd + Copy>(values: &[R]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// A distribution at a temperature; at 1 it is unchanged.
///
/// ```
/// let p = gimbap::metric::calibration::at_temperature(&[0.9, 0.1], 2.0);
/// assert!((p[0] - 0.75).abs() < 1e-7); // 3 : 1, the roots of 9 : 1
/// ```
pub fn at_temperature(probabilities: &[f32], temperature: f64) -> Vec<f64> {
    if temperature == 1.0 {
        return probabilities.iter().map(|&p| f64::from(p)).collect();
    }
    let logs: Vec<f64> = probabilities.iter().map(|&p| log(f64::from(p)) / temperature).collect();
    let total = log_sum(logs.iter().copied());
    logs.iter().map(|log| (log - total).exp()).collect()
}

fn log_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    max + logs.map(|log| (log - max).exp()).sum::<f64>().ln()
}

/// The temperature from 0.05 to 20 that gives `classes` the least mean `-ln p`, by golden-section search (the mean is
/// convex in `1 / T`). `probabilities` is `[rows, width]`.
///
/// It is 1 where nothing is better; where every row is right already, as without a single mistake nothing is known of how
/// often there is one; and where the best is an end of the range, which is where the search stopped and not what the rows
/// say. A few rows say little: whoever has fewer than some tens had better keep the probabilities.
pub fn temperature(probabilities: &[f32], width: usize, classes: &[u32]) -> f64 {
    let rows = || probabilities.chunks_exact(width).zip(classes);
    if rows().all(|(p, &class)| largest(p) == class as usize) {
        return 1.0;
    }
    let logs: Vec<f64> = probabilities.iter().map(|&p| log(f64::from(p))).collect();
    let loss = |temperature: f64| {
        let row = |(logs, &class): (&[f64], &u32)| {
            log_sum(logs.iter().map(|log| log / temperature)) - logs[class as usize] / temperature
        };
        logs.chunks_exact(width).zip(classes).map(row).sum::<f64>()
    };
    let best = golden_section(RANGE.0.ln(), RANGE.1.ln(), |x| loss(x.exp())).exp();
    let inside = RANGE.0 * 1.01 < best && best < RANGE.1 / 1.01;
    if inside && loss(best) < loss(1.0) { best } else { 1.0 }
}

/// Where a function with one valley between `low` and `high` is lowest, to a hundred-millionth of their distance.
fn golden_section(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let share = (5f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (high - share * (high - low), low + share * (high - low));
    let (mut at_a, mut at_b) = (f(a), f(b));
    for _ in 0..40 {
        if at_a <= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - share * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + share * (high - low);
            at_b = f(b);
        }
    }
    0.5 * (low + high)
}
