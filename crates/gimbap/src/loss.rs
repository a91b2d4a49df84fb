//! Losses: how wrong the outputs are, and the gradient of that.
//!
//! Cross-entropies are computed from logits, the values before the final sigmoid or softmax: a model that ends in
//! one of these is trained without it and predicts with it. With `x` logits, `t` targets:
//!
//! ```text
//! binary       mean_j( max(x_j, 0) - x_j t_j + ln(1 + e^-|x_j|) )
//! categorical  sum_j t_j (logsumexp(x) - x_j)
//! sparse       logsumexp(x) - x_t
//! mse          mean_j (x_j - t_j)^2          mae  mean_j |x_j - t_j|
//! huber        mean_j of e^2 / 2 where e = |x_j - t_j| <= delta, of delta (e - delta / 2) elsewhere
//! ```
//!
//! A row is one prediction: of a sequence or of a step. Rows that a mask excludes are not looked at.

use gimbap_kernels::{Arithmetic, rows};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::layer::Activation;
use crate::metric::{OutputKind, Target};
use crate::{Error, Result};

/// Which loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Each output is the logit of its own yes; targets 0 and 1.
    BinaryCrossentropy,
    /// Outputs are the logits of a distribution; targets are distributions.
    CategoricalCrossentropy,
    /// Outputs are the logits of a distribution; targets are classes.
    SparseCategoricalCrossentropy,
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
    /// Squared near zero, absolute beyond `delta`.
    Huber {
        /// Where one becomes the other; Keras has 1.
        delta: f64,
    },
}

/// How the rows' losses become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// `sum(weight * loss) / number of valid rows`: Keras's mean, of which masked steps are no part.
    #[default]
    Mean,
    /// Summed over time and averaged over the sequences of the batch: the language recipes' way.
    SumTime,
}

/// What the rows should be.
#[derive(Clone, Debug, PartialEq)]
pub enum RowTargets<R> {
    /// A class for each row.
    Classes(Vec<u32>),
    /// `width` values for each row.
    Values {
        /// `[rows, width]`.
        values: Vec<R>,
        /// Values of a row.
        width: usize,
    },
}

impl<R: Arithmetic> RowTargets<R> {
    /// The target of one row.
    pub fn row(&self, row: usize) -> Target<'_, R> {
        match self {
            RowTargets::Classes(classes) => Target::Class(classes[row]),
            RowTargets::Values { values, width } => Target::Values(&values[row * width..(row + 1) * width]),
        }
    }

    /// The rows picked, in that order.
    pub fn select(&self, rows: impl Iterator<Item = usize>) -> Self {
        match self {
            RowTargets::Classes(classes) => RowTargets::Classes(rows.map(|row| classes[row]).collect()),
            RowTargets::Values { values, width } => RowTargets::Values {
                values: rows.flat_map(|row| &values[row * width..(row + 1) * width]).copied().collect(),
                width: *width,
            },
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            RowTargets::Classes(classes) => classes.len(),
            RowTargets::Values { values, width } => values.len() / (*width).max(1),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// From this many output values on, the rows of a loss are shared out to threads.
pub const PARALLEL_FROM: usize = 1 << 15;
/// About as many values a thread takes together.
const VALUES_AT_ONCE: usize = 1 << 14;

impl Loss {
    /// What the model's outputs are.
    pub fn output_kind(self) -> OutputKind {
        match self {
            Loss::BinaryCrossentropy => OutputKind::Binary,
            Loss::CategoricalCrossentropy | Loss::SparseCategoricalCrossentropy => OutputKind::Categorical,
            Loss::Mse | Loss::Mae | Loss::Huber { .. } => OutputKind::Regression,
        }
    }

    /// Whether it is a cross-entropy in nats, of which perplexity and bits follow.
    pub fn is_crossentropy(self) -> bool {
        self.output_kind() != OutputKind::Regression
    }

    /// The activation that turns its logits into probabilities, if it takes logits.
    pub fn link(self) -> Option<Activation> {
        match self.output_kind() {
            OutputKind::Binary => Some(Activation::Sigmoid),
            OutputKind::Categorical => Some(Activation::Softmax),
            OutputKind::Regression => None,
        }
    }

    /// Checks Huber's `delta`.
    pub(crate) fn check_numbers(self) -> Result<()> {
        match self {
            Loss::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                Err(Error::config("loss.huber.delta", format!("is {delta}; it is a number above 0")))
            }
            _ => Ok(()),
        }
    }

    /// Checks that targets fit outputs of `width` values.
    pub fn check<R: Arithmetic>(self, width: usize, targets: &RowTargets<R>) -> Result<()> {
        let place = "targets";
        match (self, targets) {
            (Loss::SparseCategoricalCrossentropy, RowTargets::Classes(classes)) => {
                match classes.iter().find(|&&class| class as usize >= width) {
                    None => Ok(()),
                    Some(class) => Err(Error::shape(
                        place,
                        format!("classes below {width}, the model's outputs"),
                        class.to_string(),
                    )),
                }
            }
            (Loss::SparseCategoricalCrossentropy, RowTargets::Values { .. }) => Err(Error::shape(
                place,
                "classes (integers)",
                "values; for those use categorical_crossentropy",
            )),
            (Loss::BinaryCrossentropy, RowTargets::Classes(classes)) if width == 1 => {
                match classes.iter().find(|&&class| class > 1) {
                    None => Ok(()),
                    Some(class) => Err(Error::shape(place, "0 or 1", class.to_string())),
                }
            }
            (_, RowTargets::Classes(_)) => {
                Err(Error::shape(place, format!("{width} values per row"), "classes"))
            }
            (_, RowTargets::Values { width: found, .. }) if *found != width => Err(Error::shape(
                place,
                format!("{width} values per row, as the model has outputs"),
                found.to_string(),
            )),
            _ => Ok(()),
        }
    }

    /// The loss of each row of `outputs` `[rows, width]` against the targets from row `first` on, into `losses`
    /// (0 where `scale` is None: not valid), and its gradient times `scale(row)` into `d` `[rows, width]`.
    ///
    /// # Panics
    /// If `d` and `outputs` differ in length.
    #[allow(clippy::too_many_arguments)] // slices of one table each
    pub fn rows<R: Arithmetic>(
        self,
        outputs: &[R],
        width: usize,
        targets: &RowTargets<R>,
        first: usize,
        scale: &(impl Fn(usize) -> Option<f64> + Sync),
        losses: &mut [f64],
        d: &mut [R],
    ) {
        assert_eq!(d.len(), outputs.len(), "a gradient for each output");
        let at_once = (VALUES_AT_ONCE / width).max(1);
        let run = |(block, (d, losses)): (usize, (&mut [R], &mut [f64]))| {
            for (i, (d, loss)) in d.chunks_exact_mut(width).zip(losses).enumerate() {
                let row = block * at_once + i;
                let output = &outputs[row * width..(row + 1) * width];
                *loss = match scale(first + row) {
                    Some(scale) => {
                        d.copy_from_slice(output);
                        self.row(d, targets.row(first + row), R::from_f64(scale))
                    }
                    None => {
                        d.fill(R::ZERO);
                        0.0
                    }
                };
            }
        };
        if outputs.len() < PARALLEL_FROM {
            d.chunks_mut(at_once * width).zip(losses.chunks_mut(at_once)).enumerate().for_each(run);
        } else {
            d.par_chunks_mut(at_once * width).zip(losses.par_chunks_mut(at_once)).enumerate().for_each(run);
        }
    }

    /// The loss of one row, whose outputs become the gradient times `scale`.
    fn row<R: Arithmetic>(self, row: &mut [R], target: Target<'_, R>, scale: R) -> f64 {
        let n = row.len() as f64;
        match (self, target) {
            (Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy, Target::Class(class)) => {
                let logit = row[class as usize];
                let loss = rows::softmax_times(row, scale) - logit;
                row[class as usize] -= scale;
                loss.to_f64()
            }
            (Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy, Target::Values(target)) => {
                let (mut inner, mut total) = (0.0, 0.0);
                for (x, t) in row.iter().zip(target) {
                    inner += x.to_f64() * t.to_f64();
                    total += t.to_f64();
                }
                let log_sum = rows::softmax(row).to_f64();
                let mass = R::from_f64(total);
                row.iter_mut().zip(target).for_each(|(p, t)| *p = (*p * mass - *t) * scale);
                total * log_sum - inner
            }
            (_, target) => {
                let share = scale.to_f64() / n;
                let mut loss = 0.0;
                for (j, x) in row.iter_mut().enumerate() {
                    let t = match target {
                        Target::Class(class) => f64::from(class),
                        Target::Values(values) => values[j].to_f64(),
                    };
                    let (l, d) = self.value(x.to_f64(), t);
                    loss += l;
                    *x = R::from_f64(d * share);
                }
                loss / n
            }
        }
    }

    /// Loss and derivative of one value.
    fn value(self, x: f64, t: f64) -> (f64, f64) {
        let e = x - t;
        match self {
            Loss::BinaryCrossentropy => {
                let sigmoid = 1.0 / (1.0 + (-x).exp());
                (x.max(0.0) - x * t + (-x.abs()).exp().ln_1p(), sigmoid - t)
            }
            Loss::Mae => (e.abs(), if e == 0.0 { 0.0 } else { e.signum() }),
            Loss::Huber { delta } if e.abs() > delta => (delta * (e.abs() - 0.5 * delta), delta * e.signum()),
            Loss::Huber { .. } => (0.5 * e * e, e),
            _ => (e * e, 2.0 * e),
        }
    }
}
