//! Metrics: how good the predictions are, in figures that mean something.
//!
//! A [`Metric`] is a name; a [`MetricState`] adds up one pass over the data, row by row, where a row is one
//! prediction: of a sequence, or of one valid time step of it. Sums are in f64 and in the order of the rows.
//!
//! Beside them stand a report for each class ([`Confusion`]), entities in tags ([`Entities`]), and whether probabilities
//! are what they say ([`calibration`]).

pub mod calibration;
mod entities;
mod report;
mod state;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use entities::Entities;
pub use report::{Confusion, Scores};
pub use state::MetricState;

use crate::{Error, Result};

/// What is measured. As text (in configs, logs and JSON) each has the name given below; [`FromStr`] also
/// takes Keras's longer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Metric {
    /// `accuracy`: the part that is right. [`OutputKind::Binary`]: an output above 0.5 says 1, every output
    /// counts; [`OutputKind::Categorical`]: the largest output is the answer, the first of equals.
    Accuracy,
    /// `top_5_accuracy` (`k` 5): the part where fewer than `k` outputs are above the right one.
    TopK {
        /// How many guesses count, from 1.
        k: usize,
    },
    /// `precision`: true positives over predicted positives, 0 where nothing was predicted positive. The
    /// positive class is 1, of one output or of two; with more classes it is the mean over the classes that
    /// occur in targets or predictions ("macro", as in scikit-learn). Several binary outputs are pooled.
    Precision,
    /// `recall`: true positives over actual positives, 0 where there are none. Classes as in
    /// [`Metric::Precision`].
    Recall,
    /// `f1`: `2 tp / (2 tp + fp + fn)`, the harmonic mean of both. Classes as in [`Metric::Precision`].
    F1,
    /// `auc`: the probability that a positive row scores above a negative one, equal scores counting half: the
    /// area under the ROC curve, exact (Keras's is a sum over 200 thresholds). Rows of one class alone give 0.5,
    /// the value of a coin. With more than two classes the mean of each against the rest, over the classes with
    /// positives and negatives. It keeps every score: 24 bytes for each row and class.
    Auc,
    /// `perplexity`: `exp` of the mean cross-entropy in nats.
    Perplexity,
    /// `bits_per_character`: the mean cross-entropy in nats over `ln 2`.
    BitsPerCharacter,
    /// `mae`: mean absolute error, in the targets' unit.
    Mae,
    /// `mse`: mean squared error, in the targets' unit squared.
    Mse,
    /// `rmse`: its root, in the targets' unit.
    Rmse,
    /// `r2`: `1 - sum (y - p)² / sum (y - mean y)²` of each output, averaged over the outputs with equal weight
    /// (Keras's and scikit-learn's `uniform_average`). An output whose targets are all equal counts 1 where it
    /// is predicted exactly and 0 elsewhere, as in scikit-learn.
    R2,
}

/// What the rows are, which follows from the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// Each output is the probability of its own yes (binary cross-entropy).
    Binary,
    /// The outputs are one distribution over classes (categorical and sparse cross-entropy).
    Categorical,
    /// The outputs are quantities (MSE, MAE, Huber).
    Regression,
}

/// What a row should have been.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a, R> {
    /// The class, from 0; of a single output, 0 or 1.
    Class(u32),
    /// A value for every output: quantities, 0 and 1, or a one-hot distribution.
    Values(&'a [R]),
}

impl Metric {
    /// Whether it comes from the loss, by [`MetricState::update_loss`], and not from rows.
    pub fn is_from_loss(self) -> bool {
        matches!(self, Self::Perplexity | Self::BitsPerCharacter)
    }

    /// Whether more is better, as for accuracies; less is for errors, perplexity and bits.
    pub fn higher_is_better(self) -> bool {
        match self {
            Self::Accuracy | Self::TopK { .. } | Self::Precision | Self::Recall | Self::F1 | Self::Auc => {
                true
            }
            Self::Perplexity | Self::BitsPerCharacter | Self::Mae | Self::Mse | Self::Rmse => false,
            Self::R2 => true,
        }
    }

    /// Whether it can be measured on outputs of this kind. Errors can on all: on a distribution, class `c`
    /// stands for 1 at output `c` and 0 elsewhere.
    ///
    /// # Errors
    /// [`Error::Config`] which says what it needs.
    pub fn check(self, kind: OutputKind) -> Result<()> {
        let needs = |what: &str| Err(Error::config(format!("metric `{self}`"), format!("needs {what}")));
        match (self, kind) {
            (Self::TopK { k: 0 }, _) => needs("k of at least 1"),
            (Self::Mae | Self::Mse | Self::Rmse | Self::R2, _) => Ok(()),
            (_, OutputKind::Regression) => needs("class probabilities; the loss is one of quantities"),
            (Self::TopK { .. }, OutputKind::Binary) => needs("a distribution over classes"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TopK { k } => return write!(f, "top_{k}_accuracy"),
            Self::Accuracy => "accuracy",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::Auc => "auc",
            Self::Perplexity => "perplexity",
            Self::BitsPerCharacter => "bits_per_character",
            Self::Mae => "mae",
            Self::Mse => "mse",
            Self::Rmse => "rmse",
            Self::R2 => "r2",
        })
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "accuracy"
            | "acc"
            | "binary_accuracy"
            | "categorical_accuracy"
            | "sparse_categorical_accuracy" => Self::Accuracy,
            "top_k_categorical_accuracy" | "sparse_top_k_categorical_accuracy" => Self::TopK { k: 5 },
            "precision" => Self::Precision,
            "recall" => Self::Recall,
            "f1" | "f1_score" => Self::F1,
            "auc" => Self::Auc,
            "perplexity" => Self::Perplexity,
            "bits_per_character" | "bpc" => Self::BitsPerCharacter,
            "mae" | "mean_absolute_error" => Self::Mae,
            "mse" | "mean_squared_error" => Self::Mse,
            "rmse" | "root_mean_squared_error" => Self::Rmse,
            "r2" | "r2_score" => Self::R2,
            _ => {
                let k = name.strip_prefix("top_").and_then(|rest| rest.strip_suffix("_accuracy"));
                let k = k.and_then(|k| k.parse().ok()).filter(|&k| k > 0);
                return k.map(|k| Self::TopK { k }).ok_or_else(|| {
                    Error::config(
                        "metric",
                        format!(
                            "`{name}` is unknown; known are accuracy, top_5_accuracy (or another number), \
                             precision, recall, f1, auc, perplexity, bits_per_character, mae, mse, rmse, r2"
                        ),
                    )
                });
            }
        })
    }
}

impl TryFrom<String> for Metric {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}
