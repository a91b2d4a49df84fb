//! How a trained language model judges a line.
//!
//! Every line starts from the zero state after the closing mark (`<eos>`, or `\n` among characters).

use gimbap::data::text::{CLOSING_ID, UNKNOWN, Vocabulary};
use gimbap::model::Model;

use crate::output::Outcome;
use crate::sample::log_softmax;

/// A line and its probability.
#[derive(Debug, Clone)]
pub struct Scored {
    /// The line.
    pub text: String,
    /// The natural logarithm of its probability, the closing mark included.
    pub logprob: f64,
    /// Each token and the logarithm of its probability.
    pub tokens: Vec<(String, f64)>,
    /// How many tokens are not in the vocabulary.
    pub unknown: usize,
}

impl Scored {
    /// The logarithm of the probability of the tokens that are in the vocabulary, and how many there are.
    pub fn known(&self) -> (f64, usize) {
        let known = self.tokens.iter().filter(|(token, _)| token != UNKNOWN);
        known.fold((0.0, 0), |(sum, n), (_, logprob)| (sum + logprob, n + 1))
    }
}

/// Lines run at once: it bounds the memory of their outputs.
const AT_ONCE: usize = 16;

/// Judges lines.
pub fn score(vocabulary: &Vocabulary, model: &Model, lines: &[String]) -> Outcome<Vec<Scored>> {
    let mut scored = Vec::with_capacity(lines.len());
    for lines in lines.chunks(AT_ONCE) {
        let targets: Vec<Vec<u32>> = lines.iter().map(|line| vocabulary.encode_line(line)).collect();
        let inputs: Vec<Vec<u32>> = targets.iter().map(|ids| shifted(ids)).collect();
        let scores = model.predict(&inputs)?;
        for (b, (line, ids)) in lines.iter().zip(&targets).enumerate() {
            let token = |(t, &id): (usize, &u32)| {
                let row = scores.slice(ndarray::s![b, t, ..]);
                let logprobs = log_softmax(row.as_slice().unwrap_or(&[]));
                (vocabulary.token(id).to_string(), logprobs[id as usize])
            };
            let tokens: Vec<(String, f64)> = ids.iter().enumerate().map(token).collect();
            let logprob = tokens.iter().map(|(_, x)| x).sum();
            scored.push(Scored { text: line.clone(), logprob, tokens, unknown: Vocabulary::unknowns(ids) });
        }
    }
    Ok(scored)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_can_be_seen() {
        assert_eq!([" ", "\n", "a"].map(shown), ["\" \"", "\"\\n\"", "a"]);
    }
}
