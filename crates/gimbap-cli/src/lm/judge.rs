//! How probable lines are to a language model.
//!
//! Every line starts from the zero state after the closing mark (`<eos>`, or `\n` among characters), and ends in it.

use gimbap::data::text::{CLOSING_ID, UNKNOWN_ID, Vocabulary};
use gimbap::model::Model;
use gimbap::score::Scorer;
use serde_json::{Map, Value};

use super::finite;
use crate::args::Unknown;
use crate::output::Outcome;
use crate::task::number;

/// A line and its probability.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The line.
    pub text: String,
    /// Its tokens, the closing mark last.
    pub ids: Vec<u32>,
    /// The natural logarithm of each token's probability.
    pub logprobs: Vec<f32>,
}

impl Judged {
    /// Its tokens together.
    pub fn sum(&self) -> Sum {
        Sum::of(self.ids.iter().zip(&self.logprobs))
    }
}

/// Judges lines.
#[derive(Debug)]
pub struct Judge<'a> {
    vocabulary: &'a Vocabulary,
    scorer: Scorer,
}

impl<'a> Judge<'a> {
    /// By a model.
    pub fn new(vocabulary: &'a Vocabulary, model: &Model) -> Outcome<Self> {
        Ok(Judge { vocabulary, scorer: Scorer::new(model)? })
    }

    /// Each line, in their order.
    pub fn judge(&mut self, lines: Vec<String>) -> Outcome<Vec<Judged>> {
        let ids: Vec<Vec<u32>> = lines.iter().map(|line| self.vocabulary.encode_line(line)).collect();
        let logprobs = self.scorer.log_probs(CLOSING_ID, &ids)?;
        logprobs.iter().try_for_each(|logprobs| finite(logprobs))?;
        let judged = lines.into_iter().zip(ids).zip(logprobs);
        Ok(judged.map(|((text, ids), logprobs)| Judged { text, ids, logprobs }).collect())
    }
}

/// The log-probability of tokens together: of a line, of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    /// The natural logarithm of the probability of all of them.
    pub logprob: f64,
    /// How many there are.
    pub tokens: usize,
    /// How many of them are not in the vocabulary.
    pub unknown: usize,
    /// `logprob` without theirs.
    known_logprob: f64,
}

impl Sum {
    /// Of tokens and the logarithms of their probabilities.
    pub fn of<'a>(tokens: impl Iterator<Item = (&'a u32, &'a f32)>) -> Sum {
        let mut sum = Sum::default();
        for (&id, &logprob) in tokens {
            let unknown = id == UNKNOWN_ID;
            let logprob = f64::from(logprob);
            sum.add(Sum {
                logprob,
                tokens: 1,
                unknown: usize::from(unknown),
                known_logprob: if unknown { 0.0 } else { logprob },
            });
        }
        sum
    }

    /// Adds those of another.
    pub fn add(&mut self, other: Sum) {
        self.logprob += other.logprob;
        self.tokens += other.tokens;
        self.unknown += other.unknown;
        self.known_logprob += other.known_logprob;
    }

    /// The log-probability and the number of all tokens.
    pub fn all(&self) -> (f64, usize) {
        (self.logprob, self.tokens)
    }

    /// Of those in the vocabulary.
    pub fn known(&self) -> (f64, usize) {
        (self.known_logprob, self.tokens - self.unknown)
    }

    /// Of those that count.
    pub fn counted(&self, unknown: Unknown) -> (f64, usize) {
        match unknown {
            Unknown::Count => self.all(),
            Unknown::Exclude => self.known(),
        }
    }

    /// For machines.
    pub fn figures(&self, unknown: Unknown) -> Map<String, Value> {
        let counted = self.counted(unknown);
        let figures = [
            ("logprob", number(counted.0)),
            ("tokens", counted.1.into()),
            ("perplexity", number(perplexity(counted))),
            ("unknown", self.unknown.into()),
            ("perplexity_with_unknown", number(perplexity(self.all()))),
            ("perplexity_without_unknown", number(perplexity(self.known()))),
        ];
        figures.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
    }
}

/// `exp(-logprob / tokens)`.
pub fn perplexity((logprob, tokens): (f64, usize)) -> f64 {
    (-logprob / tokens as f64).exp()
}

/// A token for people: one with white space in quotes; control characters and white space other than a blank escaped,
/// for they break lines and columns, all else as it is.
pub fn shown(token: &str) -> String {
    let mut plain = String::with_capacity(token.len());
    for c in token.chars() {
        match c.is_control() || c.is_whitespace() && c != ' ' {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    if token.contains(char::is_whitespace) { format!("\"{plain}\"") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_can_be_seen() {
        assert_eq!([" ", "\n", "a"].map(shown), ["\" \"", "\"\\n\"", "a"]);
        assert_eq!(["a b", "\t", "\u{a0}"].map(shown), ["\"a b\"", "\"\\t\"", "\"\\u{a0}\""]);
    }

    #[test]
    fn what_can_be_seen_is_shown_as_it_is() {
        for token in ["n't", "\"", "\\", "é", "e\u{301}", "말", "<0x41>"] {
            assert_eq!(shown(token), token);
        }
        assert_eq!(["\u{1b}", "a\0"].map(shown), ["\\u{1b}", "a\\u{0}"]);
    }

    #[test]
    fn unknown_tokens_can_be_left_out() {
        let mut sum = Sum::of([5, UNKNOWN_ID, 1].iter().zip(&[-1.0, -0.25, -2.0]));
        assert_eq!((sum.counted(Unknown::Count), sum.counted(Unknown::Exclude)), ((-3.25, 3), (-3.0, 2)));
        sum.add(sum);
        assert_eq!((sum.all(), sum.known(), sum.unknown), ((-6.5, 6), (-6.0, 4), 2));
        let figures = sum.figures(Unknown::Exclude);
        assert_eq!(figures["perplexity"], figures["perplexity_without_unknown"]);
        assert_eq!(figures["perplexity_with_unknown"].as_f64(), Some((6.5f64 / 6.0).exp()));
    }
}
