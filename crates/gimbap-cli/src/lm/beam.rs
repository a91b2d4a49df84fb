//! The likeliest continuations, by beam search.

use gimbap::data::text::{CLOSING_ID, UNKNOWN_ID};
use gimbap::layer::Activation;
use gimbap::model::Model;
use gimbap::stream::Many;

use super::finite;
use crate::output::{Failure, Outcome, bytes, thousands};
use crate::sample::largest;

/// What a beam asks of a model: streams side by side, as [`Many`].
pub trait Streams {
    /// The scores `[B, V]` after every stream has read its id.
    fn step(&mut self, ids: &[u32]) -> &[f32];
    /// Stream `b` goes on from where stream `from[b]` was.
    fn reorder(&mut self, from: &[usize]);
}

impl Streams for Many {
    fn step(&mut self, ids: &[u32]) -> &[f32] {
        Many::step(self, ids)
    }

    fn reorder(&mut self, from: &[usize]) {
        Many::reorder(self, from);
    }
}

/// A continuation and its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// The natural logarithm of its probability after the prompt.
    pub logprob: f64,
}

/// A continuation that has just got a token.
#[derive(Debug)]
pub struct Grown {
    /// Which of those under way it was.
    from: usize,
    /// What it is now.
    pub candidate: Candidate,
}

/// Continuations that grow side by side, token by token.
#[derive(Debug)]
pub struct Beam<S> {
    streams: S,
    /// Best first.
    under_way: Vec<Candidate>,
    /// Their last tokens, which the model has not read yet.
    last: Vec<u32>,
    /// Tokens that no continuation has; the probabilities are those of the others.
    barred: &'static [u32],
    probabilities: Vec<f32>,
    head: Vec<u32>,
}

/// Values in the outputs of a step (512 MiB).
const VALUES: usize = 1 << 27;

impl Beam<Many> {
    /// Begins after a prompt; with `lines`, every line of it starts from the zero state.
    pub fn after(model: &Model, lines: bool, prompt: &[u32], barred: &'static [u32]) -> Outcome<Self> {
        let mut many = Many::new(model, 1)?;
        let mut last = CLOSING_ID;
        for &id in prompt {
            many.step(&[last]);
            last = id;
            if lines && id == CLOSING_ID {
                many.start(1);
            }
        }
        Ok(Beam::new(many, last, barred))
    }
}

impl<S: Streams> Beam<S> {
    /// Begins with one stream that is to read `last` first.
    pub fn new(streams: S, last: u32, barred: &'static [u32]) -> Self {
        Beam {
            streams,
            under_way: vec![Candidate { ids: Vec::new(), logprob: 0.0 }],
            last: vec![last],
            barred,
            probabilities: Vec::new(),
            head: Vec::new(),
        }
    }

    /// The `width` likeliest of all continuations that have one token more than those under way, best first.
    pub fn grow(&mut self, width: usize) -> Outcome<Vec<Grown>> {
        let scores = self.streams.step(&self.last);
        finite(scores)?;
        self.probabilities.clear();
        self.probabilities.extend_from_slice(scores);
        let v = scores.len() / self.last.len();
        for row in self.probabilities.chunks_exact_mut(v) {
            self.barred.iter().for_each(|&id| row[id as usize] = f32::NEG_INFINITY);
        }
        Activation::Softmax.apply(&mut self.probabilities, v);
        let mut next: Vec<(usize, u32, f64)> = Vec::new();
        for (from, row) in self.probabilities.chunks_exact(v).enumerate() {
            largest(row, width, &mut self.head);
            let before = self.under_way[from].logprob;
            next.extend(self.head.iter().map(|&id| (from, id, before + f64::from(row[id as usize]).ln())));
        }
        next.sort_by(|a, b| b.2.total_cmp(&a.2));
        next.truncate(width);
        let grown = |(from, id, logprob): (usize, u32, f64)| {
            let ids = [&self.under_way[from].ids[..], &[id]].concat();
            Grown { from, candidate: Candidate { ids, logprob } }
        };
        Ok(next.into_iter().map(grown).collect())
    }

    /// Goes on with these alone.
    pub fn keep(&mut self, grown: Vec<Grown>) {
        self.last = grown.iter().filter_map(|grown| grown.candidate.ids.last().copied()).collect();
        if !grown.is_empty() {
            self.streams.reorder(&grown.iter().map(|grown| grown.from).collect::<Vec<_>>());
        }
        self.under_way = grown.into_iter().map(|grown| grown.candidate).collect();
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// How many continuations grow side by side.
    pub width: usize,
    /// Tokens of a continuation, if the line does not end before.
    pub length: usize,
    /// How many are wanted.
    pub wanted: usize,
    /// `a` in the length penalty `((5 + n) / 6)^a` of Wu et al. (arXiv:1609.08144v2, equation 14), by which the
    /// log-probability of `n` tokens is divided; 0 leaves it as it is.
    pub length_penalty: f64,
}

impl Search {
    /// Fails if the model's outputs for so many continuations at once would not fit in memory.
    pub fn check(&self, vocabulary: usize) -> Outcome {
        if self.length < 2 || self.width <= VALUES / vocabulary {
            return Ok(());
        }
        Err(Failure::usage(
            "usage",
            format!(
                "{} continuations side by side, with {} tokens to choose from, take {} at each step: ask for at most {}",
                thousands(self.width),
                thousands(vocabulary),
                bytes(self.width.saturating_mul(4 * vocabulary)),
                thousands(VALUES / vocabulary),
            ),
        ))
    }

    /// By what continuations are compared.
    pub fn score(&self, candidate: &Candidate) -> f64 {
        self.divided(candidate.logprob, candidate.ids.len())
    }

    fn divided(&self, logprob: f64, tokens: usize) -> f64 {
        logprob / ((5 + tokens) as f64 / 6.0).powf(self.length_penalty)
    }

    /// The continuations that it finds, best first: each up to the end of the line, or of the greatest length.
    pub fn run<S: Streams>(&self, mut beam: Beam<S>) -> Outcome<Vec<Candidate>> {
        let by_score = |a: &Candidate, b: &Candidate| self.score(b).total_cmp(&self.score(a));
        let mut done: Vec<Candidate> = Vec::new();
        for _ in 0..self.length {
            let (ended, others): (Vec<Grown>, Vec<Grown>) = beam
                .grow(self.width)?
                .into_iter()
                .partition(|grown| grown.candidate.ids.last() == Some(&CLOSING_ID));
            done.extend(ended.into_iter().map(|grown| grown.candidate));
            done.sort_by(by_score);
            beam.keep(others);
            // Probabilities only fall. Once enough are done that are better than any under way can become, nothing
            // can change.
            let Some(best) = beam.under_way.first() else { break };
            let reach = self.divided(best.logprob, self.length);
            if done.get(self.wanted - 1).is_some_and(|worst| self.score(worst) >= reach) {
                break;
            }
        }
        done.append(&mut beam.under_way);
        done.sort_by(by_score);
        done.truncate(self.wanted);
        Ok(done)
    }
}

/// What a continuation of a prompt may not have: the token that stands for every unknown word.
pub const NO_WORD: &[u32] = &[UNKNOWN_ID];

#[cfg(test)]
mod tests;
