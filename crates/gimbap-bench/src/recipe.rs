//! Whole training steps of two language models: tokens in, embedding or one-hot, two LSTM layers, softmax over the
//! vocabulary, clipping, optimizer, the state carried from window to window.

use std::time::Instant;

use gimbap::data::batch::TokenStream;
use gimbap::prelude::*;
use gimbap::train::{Event, Flow};

use crate::timing::Budget;

/// One language model and how it is trained.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What it is called.
    pub name: &'static str,
    /// `V`.
    pub vocabulary: usize,
    /// Width of the embedding; None: tokens enter as one-hot vectors.
    pub embedding: Option<usize>,
    /// `H` of each of the two layers.
    pub hidden: usize,
    /// `B`.
    pub batch: usize,
    /// `T`, the steps of a window.
    pub steps: usize,
    /// How a gradient becomes a step.
    pub optimizer: Optimizer,
}

/// The gradient is scaled down to this norm.
const CLIP_NORM: f64 = 5.0;
/// Windows of an epoch, after which the state starts again from zero.
const WINDOWS: usize = 10;

impl Recipe {
    /// Zaremba's small model of Penn Treebank (arXiv:1409.2329v5), and the character model of char-rnn, on tokens
    /// without meaning.
    pub fn all() -> [Recipe; 2] {
        [
            Recipe {
                name: "ptb-small",
                vocabulary: 10_000,
                embedding: Some(200),
                hidden: 200,
                batch: 20,
                steps: 20,
                optimizer: Sgd::new(1.0).into(),
            },
            Recipe {
                name: "char-rnn",
                vocabulary: 65,
                embedding: None,
                hidden: 128,
                batch: 50,
                steps: 50,
                optimizer: RmsProp { rho: 0.95, ..RmsProp::torch(2e-3) }.into(),
            },
        ]
    }

    /// Tokens of a step.
    pub fn tokens_per_step(&self) -> usize {
        self.batch * self.steps
    }

    /// `B T WINDOWS + 1` token ids.
    pub fn tokens(&self) -> Vec<u32> {
        let spread = |i: usize| (i * i / 3 + 7919 * i) % self.vocabulary;
        (0..self.tokens_per_step() * WINDOWS + 1).map(|i| spread(i) as u32).collect()
    }

    /// The model with its initial weights.
    ///
    /// # Errors
    /// None that these recipes have.
    pub fn model(&self) -> Result<Model> {
        let empty = Sequential::new(Input::ids(self.vocabulary)).seed(1);
        let first = match self.embedding {
            Some(width) => empty.add(Embedding::new(width)),
            None => empty.add(OneHot),
        };
        first
            .add(Lstm::new(self.hidden).return_sequences(true))
            .add(Lstm::new(self.hidden).return_sequences(true))
            .add(Dense::new(self.vocabulary).activation(Activation::Softmax))
            .compile(self.optimizer.clone(), Loss::SparseCategoricalCrossentropy, [])
    }

    /// An epoch from the model's weights: after each window the mean loss so far, and the seconds it took. The first
    /// window's, in which buffers are made, is without seconds.
    ///
    /// # Errors
    /// If the loss is no longer finite.
    pub fn epoch(&self, model: &mut Model) -> Result<(Vec<f64>, Vec<f64>)> {
        let source = TokenStream::new(self.tokens(), self.batch, self.steps, self.steps)?;
        let fit = Fit { clip_norm: Some(CLIP_NORM), ..Fit::default() };
        let (mut losses, mut seconds, mut before) = (Vec::new(), Vec::new(), None);
        model.fit_on(&source, None, &fit, &mut |event| {
            if let Event::Step { loss: mean, .. } = event {
                let now = Instant::now();
                seconds.extend(before.map(|before: Instant| (now - before).as_secs_f64()));
                losses.push(mean);
                before = Some(now);
            }
            Flow::Continue
        })?;
        Ok((losses, seconds))
    }

    /// Seconds of a step, over whole epochs.
    ///
    /// # Errors
    /// As [`Recipe::epoch`].
    pub fn time(&self, model: &mut Model, budget: Budget) -> Result<Vec<f64>> {
        let begin = Instant::now();
        let mut seconds = Vec::new();
        while seconds.len() < budget.least || begin.elapsed() < budget.time {
            seconds.extend(self.epoch(model)?.1);
        }
        Ok(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_tells_every_window() {
        let recipe = Recipe { vocabulary: 11, hidden: 3, batch: 2, steps: 4, ..Recipe::all()[1].clone() };
        let (losses, seconds) = recipe.epoch(&mut recipe.model().unwrap()).unwrap();
        assert_eq!((losses.len(), seconds.len()), (WINDOWS, WINDOWS - 1));
        assert!((losses[0] - 11f64.ln()).abs() < 0.3, "{losses:?}");
        assert!(recipe.tokens().iter().all(|token| *token < 11));
    }
}
