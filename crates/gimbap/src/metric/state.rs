//! Adding up a metric over one pass.

use serde::{Deserialize, Serialize};

use super::{Metric, OutputKind, Target};
use crate::{Real, Result};

/// A metric being measured: made for one pass over the data, fed row by row, read by
/// [`finish`](MetricState::finish).
///
/// ```
/// use gimbap::metric::{Metric, MetricState, OutputKind, Target};
///
/// let mut accuracy = MetricState::new(Metric::Accuracy, OutputKind::Categorical)?;
/// accuracy.update(&[0.1f32, 0.7, 0.2], Target::Class(1), 1.0);
/// accuracy.update(&[0.6f32, 0.3, 0.1], Target::Class(2), 1.0);
/// assert_eq!(accuracy.finish(), 0.5);
/// # Ok::<(), gimbap::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricState {
    metric: Metric,
    kind: OutputKind,
    sums: Sums,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Sums {
    Mean(Mean),
    /// One entry per class; one alone where there is one positive class.
    Confusion(Vec<Confusion>),
    /// As `Confusion`: of each row its score and whether it is a positive, with its weight.
    Scores(Vec<Vec<Score>>),
    /// One entry per output.
    Fits(Vec<Fit>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: f64, weight: f64) {
        self.sum += weight * value;
        self.weight += weight;
    }

    /// 0 where nothing was added.
    fn finish(self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }
}

/// Weights of true positives, false positives and false negatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Confusion {
    hit: f64,
    false_alarm: f64,
    miss: f64,
}

impl Confusion {
    fn add(&mut self, predicted: bool, positive: bool, weight: f64) {
        match (predicted, positive) {
            (true, true) => self.hit += weight,
            (true, false) => self.false_alarm += weight,
            (false, true) => self.miss += weight,
            (false, false) => {}
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Score {
    score: f64,
    positive: bool,
    weight: f64,
}

/// Running weighted mean and squared deviations of a target (West 1979), and the squared errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Fit {
    weight: f64,
    mean: f64,
    deviations: f64,
    errors: f64,
}

impl Fit {
    fn add(&mut self, target: f64, output: f64, weight: f64) {
        self.weight += weight;
        let from_old_mean = target - self.mean;
        self.mean += from_old_mean * weight / self.weight;
        self.deviations += weight * from_old_mean * (target - self.mean);
        self.errors += weight * (target - output) * (target - output);
    }

    fn finish(self) -> f64 {
        if self.deviations > 0.0 {
            1.0 - self.errors / self.deviations
        } else {
            f64::from(self.errors == 0.0)
        }
    }
}

impl MetricState {
    /// An empty measurement.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) where this metric has no meaning for outputs of this kind
    /// ([`Metric::check`]).
    pub fn new(metric: Metric, kind: OutputKind) -> Result<Self> {
        metric.check(kind)?;
        let sums = match metric {
            Metric::Precision | Metric::Recall | Metric::F1 => Sums::Confusion(Vec::new()),
            Metric::Auc => Sums::Scores(Vec::new()),
            Metric::R2 => Sums::Fits(Vec::new()),
            _ => Sums::Mean(Mean::default()),
        };
        Ok(Self { metric, kind, sums })
    }

    /// The metric being measured.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Adds a row: probabilities or quantities (not logits), what they should have been, and how much the row
    /// counts. A row of weight 0 is not looked at. A metric that comes from the loss ignores rows.
    ///
    /// # Panics
    /// If a [`Target::Values`] has not one value for each output.
    pub fn update<R: Real>(&mut self, outputs: &[R], target: Target<'_, R>, weight: f64) {
        if weight == 0.0 || self.metric.is_from_loss() {
            return;
        }
        if let Target::Values(values) = target {
            assert_eq!(values.len(), outputs.len(), "one target value for each output");
        }
        let truth = |at: usize| match target {
            Target::Values(values) => values[at].to_f64(),
            Target::Class(class) if outputs.len() == 1 => f64::from(class),
            Target::Class(class) => f64::from(class as usize == at),
        };
        let class = || match target {
            Target::Class(class) => class as usize,
            Target::Values(values) => argmax(values),
        };
        let pairs = outputs.iter().enumerate().map(|(at, output)| (output.to_f64(), truth(at)));
        let binary = self.kind == OutputKind::Binary;
        match &mut self.sums {
            Sums::Mean(mean) => match self.metric {
                Metric::Mae => pairs.for_each(|(p, y)| mean.add((p - y).abs(), weight)),
                Metric::Mse | Metric::Rmse => pairs.for_each(|(p, y)| mean.add((p - y) * (p - y), weight)),
                Metric::TopK { k } => mean.add(f64::from(is_among_top(outputs, class(), k)), weight),
                _ if binary => {
                    pairs.for_each(|(p, y)| mean.add(f64::from((p > 0.5) == (y > 0.5)), weight));
                }
                _ => mean.add(f64::from(argmax(outputs) == class()), weight),
            },
            Sums::Confusion(classes) if binary => {
                pairs.for_each(|(p, y)| entry(classes, 0).add(p > 0.5, y > 0.5, weight));
            }
            Sums::Confusion(classes) => {
                let (predicted, class) = (argmax(outputs), class());
                if outputs.len() == 2 {
                    entry(classes, 0).add(predicted == 1, class == 1, weight);
                } else {
                    entry(classes, predicted).add(true, predicted == class, weight);
                    if predicted != class {
                        entry(classes, class).add(false, true, weight);
                    }
                }
            }
            Sums::Scores(classes) if binary => pairs.for_each(|(score, y)| {
                entry(classes, 0).push(Score { score, positive: y > 0.5, weight });
            }),
            Sums::Scores(classes) => {
                let class = class();
                let first = usize::from(outputs.len() == 2); // of two classes, 1 is the positive
                for (at, (score, _)) in pairs.enumerate().skip(first) {
                    entry(classes, at - first).push(Score { score, positive: class == at, weight });
                }
            }
            Sums::Fits(fits) => {
                pairs.enumerate().for_each(|(at, (p, y))| entry(fits, at).add(y, p, weight));
            }
        }
    }

    /// Adds a cross-entropy: the weighted sum over some rows, in nats, and their weights' sum. A metric that
    /// comes from rows ignores it.
    pub fn update_loss(&mut self, loss_sum: f64, weight: f64) {
        if let (true, Sums::Mean(mean)) = (self.metric.is_from_loss(), &mut self.sums) {
            mean.sum += loss_sum;
            mean.weight += weight;
        }
    }

    /// The figure for all that was added. It is not NaN unless an output, a target or a loss was. Nothing added
    /// gives 0, but perplexity 1 (that of a loss of 0) and `auc` 0.5.
    pub fn finish(&self) -> f64 {
        match &self.sums {
            Sums::Mean(mean) => match self.metric {
                Metric::Rmse => mean.finish().sqrt(),
                Metric::Perplexity => mean.finish().exp(),
                Metric::BitsPerCharacter => mean.finish() / std::f64::consts::LN_2,
                _ => mean.finish(),
            },
            Sums::Confusion(classes) => {
                let seen = classes.iter().filter(|c| c.hit + c.false_alarm + c.miss > 0.0);
                let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
                average(seen.map(|c| match self.metric {
                    Metric::Precision => ratio(c.hit, c.hit + c.false_alarm),
                    Metric::Recall => ratio(c.hit, c.hit + c.miss),
                    _ => ratio(2.0 * c.hit, 2.0 * c.hit + c.false_alarm + c.miss),
                }))
                .unwrap_or(0.0)
            }
            Sums::Scores(classes) => {
                average(classes.iter().filter_map(|scores| area_under_roc(scores))).unwrap_or(0.5)
            }
            Sums::Fits(fits) => average(fits.iter().map(|fit| fit.finish())).unwrap_or(0.0),
        }
    }
}

/// `entries[at]`, with empty entries up to it where there are none yet.
fn entry<T: Clone + Default>(entries: &mut Vec<T>, at: usize) -> &mut T {
    if at >= entries.len() {
        entries.resize(at + 1, T::default());
    }
    &mut entries[at]
}

fn average(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Where the largest value is, the first of equals; NaN is never the largest.
fn argmax<R: Real>(values: &[R]) -> usize {
    let mut best: Option<(usize, R)> = None;
    for (at, &value) in values.iter().enumerate() {
        if best.map_or(!value.to_f64().is_nan(), |(_, largest)| value > largest) {
            best = Some((at, value));
        }
    }
    best.map_or(0, |(at, _)| at)
}

fn is_among_top<R: Real>(outputs: &[R], class: usize, k: usize) -> bool {
    let Some(&right) = outputs.get(class) else { return false };
    !right.to_f64().is_nan() && outputs.iter().filter(|&&output| output > right).count() < k
}

/// By ranks: each positive beats the weight of the negatives below it and half of those beside it. None where
/// positives or negatives are missing. NaN where a score is.
fn area_under_roc(scores: &[Score]) -> Option<f64> {
    let weight_of = |scores: &[Score], positive| {
        scores.iter().filter(|s| s.positive == positive).map(|s| s.weight).sum::<f64>()
    };
    let pairs = weight_of(scores, true) * weight_of(scores, false);
    if pairs <= 0.0 {
        return None;
    }
    if scores.iter().any(|s| s.score.is_nan()) {
        return Some(f64::NAN);
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (mut below, mut won) = (0.0, 0.0);
    for equal in sorted.chunk_by(|a, b| a.score == b.score) {
        let (positive, negative) = (weight_of(equal, true), weight_of(equal, false));
        won += positive * (below + 0.5 * negative);
        below += negative;
    }
    Some(won / pairs)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
