//! How a language model judges lines, and how it writes: token by token, by beam search, into a blank.

pub mod beam;
pub mod fill;
pub mod judge;
pub mod stop;
pub mod unknown;
pub mod writer;

use crate::output::{Failure, Outcome};

/// Fails if a model's outputs are not numbers.
fn finite(scores: &[f32]) -> Outcome {
    // A score of minus infinity is a token that cannot come.
    if scores.iter().all(|&score| score < f32::INFINITY) {
        return Ok(());
    }
    let message = "the model's outputs are not numbers: its weights ran away in training; train again with a lower \
                   train.optimizer.rate, or with train.clip_norm";
    Err(Failure::work("not_finite", message))
}
