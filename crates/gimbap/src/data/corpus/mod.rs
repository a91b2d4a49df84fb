//! The built-in corpora: a small English and a small Korean whose every probability is known.
//!
//! ```text
//! mina grew up in korea near the sea with two brothers and painted boats and speaks korean .
//! i worked in spain for many years and i speak spanish .
//! the queen guards her crown .
//! what time is it ?
//! no pain no gain .
//!
//! 민아는 한국에서 자라 조용한 강가에서 쉬었고 지금은 한국어를 한다 .
//! ```
//!
//! Most sentences are about travellers. A traveller's country, named early, decides the language, named late; nothing
//! else does: names, and the words in between, are drawn alike whatever the country. So the accuracy of the language
//! word, by the number of words in between, shows how far back a network remembers. The others are scenes, a royal family
//! beside a plain one, questions, and proverbs. Marks of punctuation are tokens of their own, and everything is in lower
//! case: a vocabulary that makes texts lower case reads `No pain no gain.` as the corpus has it.
//!
//! Each grammar is a deterministic automaton: in every state the possible next words are all different, each with its
//! probability and its one next state. So a prefix leads to one state, [`Grammar::next_distribution`] is exact, and a
//! sentence's probability is the product along its words. No model can have a lower perplexity, on average, than the
//! [`perplexity`] of the automaton itself.

use std::hash::Hash;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::data::text::EOS;
use crate::error::{Error, Result};

mod english;
mod korean;

/// A next word, its probability and where it leads.
type Choice<S> = (&'static str, f64, S);

/// A grammar as states.
trait Automaton: Copy + Eq + Hash + std::fmt::Debug {
    /// Before the first word.
    const START: Self;
    /// After the closing mark.
    const END: Self;

    /// Every possible next word, each once, with probabilities that sum to one.
    fn choices(self) -> Vec<Choice<Self>>;

    /// Where the language is the next word: how many words stand between it and the country.
    fn distance(self) -> Option<usize>;
}

/// `weight` shared equally among `words`, all leading to `next`.
fn any<S: Copy>(weight: f64, words: &[&'static str], next: S) -> Vec<Choice<S>> {
    words.iter().map(|&word| (word, weight / words.len() as f64, next)).collect()
}

/// What may follow the first `words` words of the phrase at `place`, `weight` in all. Phrases that begin alike share a
/// state until they part; `next` makes one.
fn phrase_choices<S: Automaton>(
    phrases: &[(&'static str, f64)],
    (place, words): (u8, u8),
    weight: f64,
    next: impl Fn(u8, u8) -> S,
) -> Vec<Choice<S>> {
    let known = usize::from(words);
    let begins_alike =
        |other: &str| other.split(' ').take(known).eq(phrases[usize::from(place)].0.split(' ').take(known));
    let alike: Vec<(u8, (&'static str, f64))> =
        (0u8..).zip(phrases.iter().copied()).filter(|&(_, (other, _))| begins_alike(other)).collect();
    let all: f64 = alike.iter().map(|&(_, (_, weight))| weight).sum();
    let mut choices: Vec<Choice<S>> = Vec::new();
    for &(_, (other, own)) in &alike {
        let share = weight * own / all;
        let word = other.split(' ').nth(known);
        match choices.iter_mut().find(|choice| choice.0 == word.unwrap_or(EOS)) {
            Some(choice) => choice.1 += share,
            None => {
                let same =
                    |&&(_, (phrase, _)): &&(u8, (&'static str, f64))| phrase.split(' ').nth(known) == word;
                let first = alike.iter().find(same).map_or(place, |found| found.0);
                choices.push(match word {
                    Some(word) => (word, share, next(first, words + 1)),
                    None => (EOS, share, S::END),
                });
            }
        }
    }
    choices
}

/// Which of the corpora.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grammar {
    /// Some 230 English words and marks.
    English,
    /// Some 190 Korean ones, each with its particle.
    Korean,
}

/// A sentence of the corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// Its words, a blank between, without the closing `<eos>`.
    pub text: String,
    /// The number of words between country and language, of a traveller's sentence.
    pub distance: Option<usize>,
    /// The place of the language among the words, from 0, of a traveller's sentence.
    pub language_index: Option<usize>,
    /// The natural logarithm of its probability, `<eos>` included.
    pub logprob: f64,
}

impl Sentence {
    /// The number of tokens, `<eos>` included.
    pub fn tokens(&self) -> usize {
        self.text.split(' ').count() + 1
    }
}

impl Grammar {
    /// The countries, each with its language, as they stand in sentences.
    pub fn countries(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Grammar::English => &english::COUNTRIES,
            Grammar::Korean => &korean::COUNTRIES,
        }
    }

    /// The proverbs, no one the beginning of another.
    pub fn proverbs(self) -> &'static [&'static str] {
        match self {
            Grammar::English => &english::PROVERBS,
            Grammar::Korean => &korean::PROVERBS,
        }
    }

    /// The greatest number of words between country and language.
    pub fn max_distance(self) -> usize {
        match self {
            Grammar::English => english::MAX_DISTANCE,
            Grammar::Korean => korean::MAX_DISTANCE,
        }
    }

    /// The numbers of words that there can be between country and language.
    pub fn distances(self) -> impl Iterator<Item = usize> {
        (2..=self.max_distance()).filter(move |&distance| self == Grammar::English || distance != 3)
    }

    /// `n` sentences. The same seed gives the same sentences on every machine, and fewer are the beginning of more: so
    /// hold out the last ones, or take another seed.
    pub fn generate(self, seed: u64, n: usize) -> Vec<Sentence> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| self.draw(&mut rng)).collect()
    }

    /// `n` travellers' sentences with exactly `distance` words between country and language, otherwise drawn as
    /// [`Grammar::generate`] draws (from random numbers of their own); `logprob` is that under the whole grammar.
    ///
    /// # Errors
    /// [`Error::Config`] for a distance that the grammar cannot make: it makes [`Grammar::distances`].
    pub fn distance_sentences(self, seed: u64, distance: usize, n: usize) -> Result<Vec<Sentence>> {
        if !self.distances().any(|other| other == distance) {
            let most = self.max_distance();
            let made = match self {
                Grammar::English => format!("2 to {most}"),
                Grammar::Korean => format!("2 or 4 to {most}"),
            };
            return Err(Error::config(
                "distance",
                format!("no sentence has {distance} words between country and language: give {made}"),
            ));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1 + distance as u64);
        let wanted = std::iter::repeat_with(|| self.draw(&mut rng)).filter(|s| s.distance == Some(distance));
        Ok(wanted.take(n).collect())
    }

    /// Every word that may come after `prefix`, with its exact probability; `<eos>` where the sentence may end, and
    /// nothing after it. `None` if no sentence begins with `prefix`.
    ///
    /// ```
    /// use gimbap::data::corpus::Grammar;
    /// assert_eq!(Grammar::English.next_distribution(&["no", "pain"]), Some(vec![("no", 1.0)]));
    /// assert_eq!(Grammar::English.next_distribution(&["no", "pain", "spooky"]), None);
    /// ```
    pub fn next_distribution(self, prefix: &[&str]) -> Option<Vec<(&'static str, f64)>> {
        match self {
            Grammar::English => next_distribution::<english::State>(prefix),
            Grammar::Korean => next_distribution::<korean::State>(prefix),
        }
    }

    /// The natural logarithm of each token's probability given those before it, the closing `<eos>` last. `None` if
    /// the grammar cannot make the sentence.
    pub fn token_logprobs(self, sentence: &str) -> Option<Vec<f64>> {
        match self {
            Grammar::English => token_logprobs::<english::State>(sentence),
            Grammar::Korean => token_logprobs::<korean::State>(sentence),
        }
    }

    /// The natural logarithm of a sentence's probability, the closing `<eos>` included. `None` if the grammar cannot
    /// make it.
    pub fn logprob(self, sentence: &str) -> Option<f64> {
        self.token_logprobs(sentence).map(|logprobs| logprobs.iter().sum())
    }

    fn draw(self, rng: &mut ChaCha8Rng) -> Sentence {
        match self {
            Grammar::English => draw::<english::State>(rng),
            Grammar::Korean => draw::<korean::State>(rng),
        }
    }
}

/// The sentences as a text, one a line.
pub fn text(sentences: &[Sentence]) -> String {
    sentences.iter().flat_map(|sentence| [sentence.text.as_str(), "\n"]).collect()
}

/// The generator's own perplexity on these sentences, `<eos>` counted: the best that any model can reach on average.
/// 1 if there are none.
pub fn perplexity(sentences: &[Sentence]) -> f64 {
    let tokens: usize = sentences.iter().map(Sentence::tokens).sum();
    let logprob: f64 = sentences.iter().map(|sentence| sentence.logprob).sum();
    (-logprob / tokens.max(1) as f64).exp()
}

fn next_distribution<S: Automaton>(prefix: &[&str]) -> Option<Vec<(&'static str, f64)>> {
    let mut state = S::START;
    for &word in prefix {
        state = state.choices().into_iter().find(|choice| choice.0 == word)?.2;
    }
    Some(state.choices().into_iter().map(|(word, p, _)| (word, p)).collect())
}

fn token_logprobs<S: Automaton>(sentence: &str) -> Option<Vec<f64>> {
    let mut state = S::START;
    let mut logprobs = Vec::new();
    for word in sentence.split_whitespace().chain([EOS]) {
        let (_, p, next) = state.choices().into_iter().find(|choice| choice.0 == word)?;
        logprobs.push(p.ln());
        state = next;
    }
    Some(logprobs)
}

/// One walk through the automaton.
fn draw<S: Automaton>(rng: &mut ChaCha8Rng) -> Sentence {
    let mut words: Vec<&str> = Vec::new();
    let mut sentence = Sentence { text: String::new(), distance: None, language_index: None, logprob: 0.0 };
    let mut state = S::START;
    loop {
        if let Some(distance) = state.distance() {
            sentence.distance = Some(distance);
            sentence.language_index = Some(words.len());
        }
        let choices = state.choices();
        // A uniform number in [0, 1) from the upper 53 bits.
        let mut left = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let chosen = choices.iter().position(|&(_, p, _)| {
            left -= p;
            left < 0.0
        });
        let (word, p, next) = choices[chosen.unwrap_or(choices.len() - 1)];
        sentence.logprob += p.ln();
        if next == S::END {
            sentence.text = words.join(" ");
            return sentence;
        }
        words.push(word);
        state = next;
    }
}

#[cfg(test)]
mod tests;
