//! What a trained language model can do with a line: go on with it, find its likeliest ends.
//!
//! Every line starts from the zero state after the closing mark (`<eos>`, or `\n` among characters).

use gimbap::data::text::{CLOSING_ID, UNKNOWN_ID};
use gimbap::model::Model;
use gimbap::rng::Rng;
use gimbap::stream::Stream;

use crate::output::Outcome;
use crate::sample::{Choice, log_softmax, order};

/// What a model sees where it should say `ids`: the closing mark, then all but the last.
pub fn shifted(ids: &[u32]) -> Vec<u32> {
    let before = ids.split_last().map_or(&[][..], |(_, before)| before);
    [&[CLOSING_ID], before].concat()
}

/// A token for people: one of whitespace in quotes, and what breaks lines or columns escaped.
pub fn shown(token: &str) -> String {
    match token.contains(char::is_whitespace) {
        true => format!("{token:?}"),
        false => token.escape_debug().to_string(),
    }
}

/// A text under way.
#[derive(Debug)]
pub struct Writer<'a> {
    stream: Stream<'a>,
    /// As in [`super::lm::Doc`]: what follows a line was learned from the zero state.
    lines: bool,
    scores: Vec<f32>,
}

impl<'a> Writer<'a> {
    /// Begins after a prompt; with `lines`, every line starts from the zero state.
    pub fn new(model: &'a Model, lines: bool, prompt: &[u32]) -> Outcome<Self> {
        let mut writer = Writer { stream: model.stream()?, lines, scores: Vec::new() };
        writer.read(CLOSING_ID);
        prompt.iter().for_each(|&id| writer.read(id));
        Ok(writer)
    }

    fn read(&mut self, id: u32) {
        if self.lines && id == CLOSING_ID {
            self.stream.reset();
        }
        self.scores.clear();
        self.scores.extend_from_slice(self.stream.step(id));
        // What stands for every unknown word is no word to say.
        self.scores[UNKNOWN_ID as usize] = f32::NEG_INFINITY;
    }

    /// The next token.
    pub fn next(&mut self, choice: &Choice, rng: &mut Rng) -> u32 {
        let id = choice.draw(&self.scores, rng) as u32;
        self.read(id);
        id
    }
}

/// A continuation and its probability.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its tokens.
    pub ids: Vec<u32>,
    /// The natural logarithm of its probability after the prompt.
    pub logprob: f64,
}

/// The `n` likeliest continuations of at most `length` tokens, or up to the end of the line, best first, by beam
/// search.
pub fn candidates(
    model: &Model,
    lines: bool,
    prompt: &[u32],
    length: usize,
    n: usize,
) -> Outcome<Vec<Candidate>> {
    let width = n.max(8);
    let mut writer = Writer::new(model, lines, prompt)?;
    let first = (Candidate { ids: Vec::new(), logprob: 0.0 }, writer.stream.state(), writer.scores.clone());
    let mut beam = vec![first];
    let mut done: Vec<Candidate> = Vec::new();
    for _ in 0..length {
        let mut next: Vec<(usize, u32, f64)> = Vec::new();
        for (from, (candidate, _, scores)) in beam.iter().enumerate() {
            let logprobs = log_softmax(scores);
            let likeliest = order(&logprobs);
            next.extend(
                likeliest.iter().take(width).map(|&id| (from, id as u32, candidate.logprob + logprobs[id])),
            );
        }
        next.retain(|(_, _, logprob)| logprob.is_finite());
        next.sort_by(|a, b| b.2.total_cmp(&a.2));
        next.truncate(width);
        let mut grown = Vec::new();
        for (from, id, logprob) in next {
            let (parent, state, _) = &beam[from];
            let candidate = Candidate { ids: [&parent.ids[..], &[id]].concat(), logprob };
            if id == CLOSING_ID {
                done.push(candidate);
                continue;
            }
            writer.stream.restore(state);
            writer.read(id);
            grown.push((candidate, writer.stream.state(), writer.scores.clone()));
        }
        done.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
        beam = grown;
        // Probabilities only fall: once n are done that are better than any under way, nothing can change.
        let best = beam.iter().map(|(candidate, ..)| candidate.logprob).fold(f64::NEG_INFINITY, f64::max);
        if beam.is_empty() || done.get(n - 1).is_some_and(|worst| worst.logprob >= best) {
            break;
        }
    }
    done.extend(beam.into_iter().map(|(candidate, ..)| candidate));
    done.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
    done.truncate(n);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gimbap::layer::{Dense, Lstm, OneHot};
    use gimbap::model::{Input, Sequential};

    #[test]
    fn whitespace_can_be_seen() {
        assert_eq!([" ", "\n", "a"].map(shown), ["\" \"", "\"\\n\"", "a"]);
    }

    #[test]
    fn after_a_line_a_model_of_lines_is_as_at_the_start() {
        let layers = Sequential::new(Input::ids(6)).add(OneHot);
        let model: Model =
            layers.add(Lstm::new(4).return_sequences(true)).add(Dense::new(6)).build().unwrap();
        let after = |lines, prompt: &[u32]| Writer::new(&model, lines, prompt).unwrap().scores;
        let prompt = [3, 4, CLOSING_ID, 5];
        assert_eq!(after(true, &prompt), after(true, &[5]));
        assert_ne!(after(false, &prompt), after(false, &[5]));
    }
}
