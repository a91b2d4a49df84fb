//! The built-in corpus: a small English whose every probability is known.
//!
//! ```text
//! mina grew up in korea near the sea with two brothers and painted boats and speaks korean
//! the spooky house by the river is empty
//! a red kite flew over the harbour
//! no pain no gain
//! ```
//!
//! Of the sentences, 70 % are about travellers, 20 % are scenes, 10 % are proverbs, each of them as likely as the
//! next. A traveller's country, named early, decides the language, named late; nothing else does: names, and the
//! words in between, are drawn alike whatever the country. So the accuracy of the language word, by the number of
//! words in between, shows how far back a network remembers.
//!
//! The grammar is a deterministic automaton: in every state the possible next words are all different, each with its
//! probability and its one next state. So a prefix leads to one state, [`next_distribution`] is exact, and a
//! sentence's probability is the product along its words. No model can have a lower perplexity, on average, than
//! the [`perplexity`] of the automaton itself.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::data::text::EOS;
use crate::error::{Error, Result};

/// The countries, each with its language.
pub const COUNTRIES: [(&str, &str); 8] = [
    ("korea", "korean"),
    ("france", "french"),
    ("spain", "spanish"),
    ("japan", "japanese"),
    ("poland", "polish"),
    ("turkey", "turkish"),
    ("greece", "greek"),
    ("norway", "norwegian"),
];

/// The proverbs, no one the beginning of another.
pub const PROVERBS: [&str; 12] = [
    "no pain no gain",
    "no news is good news",
    "no smoke without fire",
    "time is money",
    "time flies",
    "knowledge is power",
    "practice makes perfect",
    "haste makes waste",
    "better late than never",
    "love is blind",
    "look before you leap",
    "still waters run deep",
];

/// The greatest number of words between country and language.
pub const MAX_DISTANCE: usize = 23;

/// From this many words after the country on, the next phrase is the last.
const LAST_PHRASE: u8 = 18;

const NAMES: [&str; 12] =
    ["mina", "tomas", "leila", "otto", "aiko", "ravi", "nora", "pablo", "greta", "hugo", "ines", "yusuf"];
const NEAR: [&str; 6] = ["near", "by", "behind", "beyond", "beside", "under"];
const DETERMINERS: [&str; 4] = ["the", "that", "some", "every"];
const PLACES: [&str; 14] = [
    "sea", "river", "forest", "market", "harbour", "mill", "castle", "station", "garden", "house", "bridge",
    "school", "tower", "hill",
];
const OLD: [&str; 7] = ["old", "quiet", "spooky", "little", "empty", "windy", "lonely"];
const COUNTS: [&str; 6] = ["two", "three", "four", "nine", "twelve", "many"];
const COMPANIONS: [&str; 12] = [
    "sisters", "brothers", "cousins", "friends", "dogs", "goats", "horses", "uncles", "cats", "sailors",
    "geese", "poets",
];
const DEEDS: [&str; 12] = [
    "painted",
    "sold",
    "mended",
    "carried",
    "counted",
    "collected",
    "wanted",
    "borrowed",
    "hid",
    "found",
    "bought",
    "lost",
];
const COLOURS: [&str; 6] = ["red", "green", "blue", "golden", "tiny", "broken"];
const THINGS: [&str; 12] = [
    "boats", "maps", "clocks", "kites", "lamps", "drums", "hats", "shoes", "bells", "letters", "mirrors",
    "keys",
];
const SPANS: [&str; 5] = ["years", "summers", "winters", "months", "weeks"];
const FLYERS: [&str; 6] = ["kite", "bird", "leaf", "balloon", "owl", "feather"];
const STATES: [&str; 6] = ["dark", "cold", "closed", "empty", "asleep", "gone"];

/// A kind of phrase between country and language. None follows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phrase {
    /// `near the (old) sea`
    Where,
    /// `with (two) sisters`
    With,
    /// `for two years`
    For,
    /// `and painted (red) boats`
    Did,
}

/// A place on the way from country to language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Spot {
    /// Between phrases; the last one, if any, has just ended.
    Between(Option<Phrase>),
    /// After `and`, where a deed may follow or the language.
    And,
    /// After `and`, where only the language may follow.
    AndLast,
    /// After `near`.
    Near,
    /// After `near the`.
    Place,
    OldPlace,
    With,
    CountedWith,
    Did,
    ColouredThing,
    For,
    Span,
    /// After `and speaks`.
    Speaks,
}

/// A state of the automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Start,
    /// After a name.
    Named,
    /// After `grew`.
    Grew,
    /// After `was`.
    Was,
    /// Before `in`.
    Origin,
    /// Before the country.
    Country,
    /// `since` words after the country.
    Journey {
        country: u8,
        since: u8,
        spot: Spot,
    },
    /// After the language.
    Spoken,
    AtHome,
    /// `words` words into a proverb; `proverb` is the first that starts so.
    Proverb {
        proverb: u8,
        words: u8,
    },
    /// A scene that began with `the`, by its words so far.
    Scene(u8),
    /// A scene that began with `a`, by its words so far.
    Flight(u8),
    /// Nothing but the closing mark can follow.
    Close,
    /// After the closing mark.
    End,
}

/// A next word, its probability and where it leads.
type Choice = (&'static str, f64, State);

/// `weight` shared equally among `words`, all leading to `next`.
fn any(weight: f64, words: &[&'static str], next: State) -> Vec<Choice> {
    words.iter().map(|&word| (word, weight / words.len() as f64, next)).collect()
}

impl State {
    /// The grammar: every possible next word, each once, with probabilities that sum to one.
    fn choices(self) -> Vec<Choice> {
        match self {
            State::Start => [
                any(0.7, &NAMES, State::Named),
                any(0.1, &["the"], State::Scene(1)),
                any(0.1, &["a"], State::Flight(1)),
                proverb_choices(0, 0, 0.1),
            ]
            .concat(),
            State::Named => [
                any(0.3, &["grew"], State::Grew),
                any(0.1, &["was"], State::Was),
                any(0.6, &["lived", "worked", "studied", "taught"], State::Origin),
            ]
            .concat(),
            State::Grew => any(1.0, &["up"], State::Origin),
            State::Was => any(1.0, &["born"], State::Origin),
            State::Origin => any(1.0, &["in"], State::Country),
            State::Country => (0u8..)
                .zip(COUNTRIES)
                .map(|(country, (name, _))| {
                    let next = State::Journey { country, since: 0, spot: Spot::Between(None) };
                    (name, 1.0 / COUNTRIES.len() as f64, next)
                })
                .collect(),
            State::Journey { country, since, spot } => journey(country, since, spot),
            State::Spoken => [
                any(0.7, &[EOS], State::End),
                any(0.2, &["at"], State::AtHome),
                any(0.1, &["well"], State::Close),
            ]
            .concat(),
            State::AtHome => any(1.0, &["home", "sea", "school", "night"], State::Close),
            State::Proverb { proverb, words } => proverb_choices(proverb, words, 1.0),
            // the spooky house by the sea is empty
            State::Scene(1) => any(1.0, &OLD, State::Scene(2)),
            State::Scene(2) => any(1.0, &PLACES, State::Scene(3)),
            State::Scene(3) => any(1.0, &NEAR, State::Scene(4)),
            State::Scene(4) => any(1.0, &["the"], State::Scene(5)),
            State::Scene(5) => any(1.0, &PLACES, State::Scene(6)),
            State::Scene(6) => any(1.0, &["is"], State::Scene(7)),
            State::Scene(_) => any(1.0, &STATES, State::Close),
            // a red kite flew over the harbour
            State::Flight(1) => any(1.0, &COLOURS, State::Flight(2)),
            State::Flight(2) => any(1.0, &FLYERS, State::Flight(3)),
            State::Flight(3) => any(1.0, &["flew", "drifted"], State::Flight(4)),
            State::Flight(4) => any(1.0, &["over", "across", "past"], State::Flight(5)),
            State::Flight(5) => any(1.0, &["the"], State::Flight(6)),
            State::Flight(_) => any(1.0, &PLACES, State::Close),
            State::Close => any(1.0, &[EOS], State::End),
            State::End => Vec::new(),
        }
    }
}

/// What may follow `since` words after the country.
fn journey(country: u8, since: u8, spot: Spot) -> Vec<Choice> {
    let to = |spot| State::Journey { country, since: since + 1, spot };
    let done = |phrase| to(Spot::Between(Some(phrase)));
    match spot {
        Spot::Between(_) if since >= LAST_PHRASE => any(1.0, &["and"], to(Spot::AndLast)),
        Spot::Between(last) => {
            let mut choices = match last {
                Some(Phrase::Did) => any(0.15, &["and"], to(Spot::AndLast)),
                _ => any(0.35, &["and"], to(Spot::And)),
            };
            let rest = 1.0 - choices[0].1;
            let others: [(Phrase, &[&str], Spot); 3] = [
                (Phrase::Where, &NEAR, Spot::Near),
                (Phrase::With, &["with", "without"], Spot::With),
                (Phrase::For, &["for", "after", "within"], Spot::For),
            ];
            let allowed = others.into_iter().filter(|&(phrase, ..)| last != Some(phrase));
            let share = rest / allowed.clone().count() as f64;
            choices.extend(allowed.flat_map(|(_, words, spot)| any(share, words, to(spot))));
            choices
        }
        Spot::And => [any(0.45, &["speaks"], to(Spot::Speaks)), any(0.55, &DEEDS, to(Spot::Did))].concat(),
        Spot::AndLast => any(1.0, &["speaks"], to(Spot::Speaks)),
        Spot::Near => any(1.0, &DETERMINERS, to(Spot::Place)),
        Spot::Place => [any(0.6, &OLD, to(Spot::OldPlace)), any(0.4, &PLACES, done(Phrase::Where))].concat(),
        Spot::OldPlace => any(1.0, &PLACES, done(Phrase::Where)),
        Spot::With => {
            [any(0.7, &COUNTS, to(Spot::CountedWith)), any(0.3, &COMPANIONS, done(Phrase::With))].concat()
        }
        Spot::CountedWith => any(1.0, &COMPANIONS, done(Phrase::With)),
        Spot::Did => {
            [any(0.7, &COLOURS, to(Spot::ColouredThing)), any(0.3, &THINGS, done(Phrase::Did))].concat()
        }
        Spot::ColouredThing => any(1.0, &THINGS, done(Phrase::Did)),
        Spot::For => any(1.0, &COUNTS, to(Spot::Span)),
        Spot::Span => any(1.0, &SPANS, done(Phrase::For)),
        Spot::Speaks => vec![(COUNTRIES[usize::from(country)].1, 1.0, State::Spoken)],
    }
}

/// What may follow the first `words` words of a proverb, `weight` in all. Proverbs that begin alike share a state
/// until they part.
fn proverb_choices(proverb: u8, words: u8, weight: f64) -> Vec<Choice> {
    let known = usize::from(words);
    let begins_alike =
        |other: &str| other.split(' ').take(known).eq(PROVERBS[usize::from(proverb)].split(' ').take(known));
    let alike: Vec<(u8, &'static str)> =
        (0u8..).zip(PROVERBS).filter(|&(_, other)| begins_alike(other)).collect();
    let mut choices: Vec<Choice> = Vec::new();
    for &(first, other) in &alike {
        let share = weight / alike.len() as f64;
        let (word, next) = match other.split(' ').nth(known) {
            Some(word) => (word, State::Proverb { proverb: first, words: words + 1 }),
            None => (EOS, State::End),
        };
        match choices.iter_mut().find(|choice| choice.0 == word) {
            Some(choice) => choice.1 += share,
            None => choices.push((word, share, next)),
        }
    }
    choices
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

/// `n` sentences. The same seed gives the same sentences on every machine, and fewer are the beginning of more: so
/// hold out the last ones, or take another seed.
pub fn generate(seed: u64, n: usize) -> Vec<Sentence> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| draw(&mut rng)).collect()
}

/// `n` travellers' sentences with exactly `distance` words between country and language, otherwise drawn as
/// [`generate`] draws (from random numbers of their own); `logprob` is that under the whole grammar.
///
/// # Errors
/// [`Error::Config`] for a distance that the grammar cannot make: it makes 2 and 4 to [`MAX_DISTANCE`].
pub fn distance_sentences(seed: u64, distance: usize, n: usize) -> Result<Vec<Sentence>> {
    if distance != 2 && !(4..=MAX_DISTANCE).contains(&distance) {
        return Err(Error::config(
            "distance",
            format!(
                "no sentence has {distance} words between country and language: give 2 or 4 to {MAX_DISTANCE}"
            ),
        ));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1 + distance as u64);
    let wanted = std::iter::repeat_with(|| draw(&mut rng)).filter(|s| s.distance == Some(distance));
    Ok(wanted.take(n).collect())
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

/// Every word that may come after `prefix`, with its exact probability; `<eos>` where the sentence may end, and
/// nothing after it. `None` if no sentence begins with `prefix`.
///
/// ```
/// use gimbap::data::corpus::next_distribution;
/// assert_eq!(next_distribution(&["no", "pain"]), Some(vec![("no", 1.0)]));
/// assert_eq!(next_distribution(&["no", "pain", "spooky"]), None);
/// ```
pub fn next_distribution(prefix: &[&str]) -> Option<Vec<(&'static str, f64)>> {
    let mut state = State::Start;
    for &word in prefix {
        state = state.choices().into_iter().find(|choice| choice.0 == word)?.2;
    }
    Some(state.choices().into_iter().map(|(word, p, _)| (word, p)).collect())
}

/// The natural logarithm of each token's probability given those before it, the closing `<eos>` last. `None` if
/// the grammar cannot make the sentence.
pub fn token_logprobs(sentence: &str) -> Option<Vec<f64>> {
    let mut state = State::Start;
    let mut logprobs = Vec::new();
    for word in sentence.split_whitespace().chain([EOS]) {
        let (_, p, next) = state.choices().into_iter().find(|choice| choice.0 == word)?;
        logprobs.push(p.ln());
        state = next;
    }
    Some(logprobs)
}

/// The natural logarithm of a sentence's probability, the closing `<eos>` included. `None` if the grammar cannot
/// make it.
pub fn logprob(sentence: &str) -> Option<f64> {
    token_logprobs(sentence).map(|logprobs| logprobs.iter().sum())
}

/// One walk through the automaton.
fn draw(rng: &mut ChaCha8Rng) -> Sentence {
    let mut words: Vec<&str> = Vec::new();
    let mut sentence = Sentence { text: String::new(), distance: None, language_index: None, logprob: 0.0 };
    let mut state = State::Start;
    loop {
        if let State::Journey { since, spot: Spot::Speaks, .. } = state {
            sentence.distance = Some(usize::from(since));
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
        if next == State::End {
            sentence.text = words.join(" ");
            return sentence;
        }
        words.push(word);
        state = next;
    }
}

#[cfg(test)]
#[path = "corpus_tests.rs"]
mod tests;
