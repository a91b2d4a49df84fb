//! The English grammar.

use super::{Automaton, Choice, any, phrase_choices};
use crate::data::text::EOS;

/// The countries, each with its language.
pub(super) const COUNTRIES: [(&str, &str); 8] = [
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
pub(super) const PROVERBS: [&str; 13] = [
    "no pain no gain .",
    "no news is good news .",
    "no smoke without fire .",
    "time heals all wounds .",
    "time flies .",
    "knowledge is power .",
    "practice makes perfect .",
    "haste makes waste .",
    "better late than never .",
    "easy come , easy go .",
    "love is blind .",
    "look before you leap .",
    "still waters run deep .",
];

/// The questions, no one the beginning of another, each with its weight.
const QUESTIONS: [(&str, f64); 5] = [
    ("what time is it ?", 0.4),
    ("what is your name ?", 0.15),
    ("where is the harbour ?", 0.15),
    ("where is my hat ?", 0.15),
    ("who lives in the castle ?", 0.15),
];

/// From this many words after the country on, the next phrase is the last.
const LAST_PHRASE: u8 = 18;

/// The greatest number of words between country and language.
pub(super) const MAX_DISTANCE: usize = 24;

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
const SEASONS: [&str; 4] = ["springs", "summers", "autumns", "winters"];
const WEATHER: [&str; 4] = ["short", "long", "mild", "rainy"];
const FLYERS: [&str; 6] = ["kite", "bird", "leaf", "balloon", "owl", "feather"];
const STATES: [&str; 6] = ["dark", "cold", "closed", "empty", "asleep", "gone"];

/// A royal family and a plain one: of the bits of a place, the first is the sex, the second youth, the third rank.
const FAMILY: [&str; 8] = ["king", "queen", "prince", "princess", "man", "woman", "boy", "girl"];
/// What the grown do and what the young do.
const HABITS: [[&str; 3]; 2] = [["guards", "polishes", "repairs"], ["drops", "shakes", "hides"]];
const WHOSE: [&str; 2] = ["his", "her"];
/// What the royal have and what the others have.
const BELONGINGS: [[&str; 4]; 2] =
    [["crown", "throne", "palace", "sceptre"], ["spade", "cottage", "bench", "broom"]];

/// A kind of phrase between country and language. None follows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phrase {
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
pub(super) enum Spot {
    /// Between phrases; the last one, if any, has just ended.
    Between(Option<Phrase>),
    /// After `and`, where a deed may follow or the language.
    And,
    /// After `and`, where only the language may follow.
    AndLast,
    /// After `and i`.
    AndI,
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
    /// After `and speaks` or `and i speak`.
    Speaks,
}

/// Of whom a traveller's sentence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// `mina .. and speaks`
    Name,
    /// `i .. and i speak`
    I,
}

/// A state of the automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Start,
    /// After a name or `i`.
    Named(Who),
    /// After `grew`.
    Grew(Who),
    /// After `was`.
    Was(Who),
    /// Before `in`.
    Origin(Who),
    /// Before the country.
    Country(Who),
    /// `since` words after the country.
    Journey {
        who: Who,
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
    /// The same of a question.
    Question {
        question: u8,
        words: u8,
    },
    /// In a country's weather, by the words so far.
    Weather(u8),
    /// After the first `the`.
    The,
    /// A scene, by its words so far.
    Scene(u8),
    /// A sentence of the family, by its words so far.
    Family {
        member: u8,
        words: u8,
    },
    /// A scene that began with `a`, by its words so far.
    Flight(u8),
    /// Nothing but the full stop can follow.
    Stop,
    /// Nothing but the closing mark can follow.
    Close,
    /// After the closing mark.
    End,
}

impl Automaton for State {
    const START: State = State::Start;
    const END: State = State::End;

    fn distance(self) -> Option<usize> {
        match self {
            State::Journey { since, spot: Spot::Speaks, .. } => Some(usize::from(since)),
            _ => None,
        }
    }

    fn choices(self) -> Vec<Choice<State>> {
        match self {
            State::Start => [
                any(0.42, &NAMES, State::Named(Who::Name)),
                any(0.08, &COUNTRIES.map(|country| country.0), State::Weather(1)),
                any(0.12, &["i"], State::Named(Who::I)),
                any(0.16, &["the"], State::The),
                any(0.06, &["a"], State::Flight(1)),
                proverbs(0, 0, 0.1),
                questions(0, 0, 0.06),
            ]
            .concat(),
            State::Named(who) => {
                let asked = if who == Who::Name { 0.04 } else { 0.0 };
                let mut choices = [
                    any(0.3 - asked, &["grew"], State::Grew(who)),
                    any(0.1, &["was"], State::Was(who)),
                    any(0.6, &["lived", "worked", "studied", "taught"], State::Origin(who)),
                ]
                .concat();
                if who == Who::Name {
                    choices.extend(any(asked, &[","], State::Question { question: 0, words: 0 }));
                }
                choices
            }
            State::Grew(who) => any(1.0, &["up"], State::Origin(who)),
            State::Was(who) => any(1.0, &["born"], State::Origin(who)),
            State::Origin(who) => any(1.0, &["in"], State::Country(who)),
            State::Country(who) => (0u8..)
                .zip(COUNTRIES)
                .map(|(country, (name, _))| {
                    let next = State::Journey { who, country, since: 0, spot: Spot::Between(None) };
                    (name, 1.0 / COUNTRIES.len() as f64, next)
                })
                .collect(),
            State::Journey { who, country, since, spot } => journey(who, country, since, spot),
            State::Spoken => [
                any(0.7, &["."], State::Close),
                any(0.2, &["at"], State::AtHome),
                any(0.1, &["well"], State::Stop),
            ]
            .concat(),
            State::AtHome => any(1.0, &["home", "sea", "school", "night"], State::Stop),
            State::Proverb { proverb, words } => proverbs(proverb, words, 1.0),
            State::Question { question, words } => questions(question, words, 1.0),
            // korea has long winters .
            State::Weather(1) => any(1.0, &["has"], State::Weather(2)),
            State::Weather(2) => any(1.0, &WEATHER, State::Weather(3)),
            State::Weather(_) => any(1.0, &SEASONS, State::Stop),
            State::The => {
                let mut choices = any(0.35, &OLD, State::Scene(2));
                choices.extend((0u8..).zip(FAMILY).map(|(member, name)| {
                    (name, 0.65 / FAMILY.len() as f64, State::Family { member, words: 2 })
                }));
                choices
            }
            // the spooky house by the sea is empty .
            State::Scene(2) => any(1.0, &PLACES, State::Scene(3)),
            State::Scene(3) => any(1.0, &NEAR, State::Scene(4)),
            State::Scene(4) => any(1.0, &["the"], State::Scene(5)),
            State::Scene(5) => any(1.0, &PLACES, State::Scene(6)),
            State::Scene(6) => any(1.0, &["is"], State::Scene(7)),
            State::Scene(_) => any(1.0, &STATES, State::Stop),
            // the queen guards her crown .
            State::Family { member, words } => {
                let next = State::Family { member, words: words + 1 };
                match words {
                    2 => any(1.0, &HABITS[usize::from(member >> 1 & 1)], next),
                    3 => any(1.0, &[WHOSE[usize::from(member & 1)]], next),
                    _ => any(1.0, &BELONGINGS[usize::from(member >> 2)], State::Stop),
                }
            }
            // a red kite flew over the harbour .
            State::Flight(1) => any(1.0, &COLOURS, State::Flight(2)),
            State::Flight(2) => any(1.0, &FLYERS, State::Flight(3)),
            State::Flight(3) => any(1.0, &["flew", "drifted"], State::Flight(4)),
            State::Flight(4) => any(1.0, &["over", "across", "past"], State::Flight(5)),
            State::Flight(5) => any(1.0, &["the"], State::Flight(6)),
            State::Flight(_) => any(1.0, &PLACES, State::Stop),
            State::Stop => any(1.0, &["."], State::Close),
            State::Close => any(1.0, &[EOS], State::End),
            State::End => Vec::new(),
        }
    }
}

/// What may follow `since` words after the country.
fn journey(who: Who, country: u8, since: u8, spot: Spot) -> Vec<Choice<State>> {
    let to = |spot| State::Journey { who, country, since: since + 1, spot };
    let done = |phrase| to(Spot::Between(Some(phrase)));
    let (speaks, spoken) = match who {
        Who::Name => ("speaks", Spot::Speaks),
        Who::I => ("i", Spot::AndI),
    };
    match spot {
        Spot::Between(_) if since >= LAST_PHRASE => any(1.0, &["and"], to(Spot::AndLast)),
        Spot::Between(last) => {
            let mut choices = match last {
                Some(Phrase::Did) => any(0.15, &["and"], to(Spot::AndLast)),
                _ => any(0.35, &["and"], to(Spot::And)),
            };
            let rest = 1.0 - choices[0].1;
            let others: [(Phrase, &[&'static str], Spot); 3] = [
                (Phrase::Where, &NEAR, Spot::Near),
                (Phrase::With, &["with", "without"], Spot::With),
                (Phrase::For, &["for", "after", "within"], Spot::For),
            ];
            let allowed = others.into_iter().filter(|&(phrase, ..)| last != Some(phrase));
            let share = rest / allowed.clone().count() as f64;
            choices.extend(allowed.flat_map(|(_, words, spot)| any(share, words, to(spot))));
            choices
        }
        Spot::And => [any(0.45, &[speaks], to(spoken)), any(0.55, &DEEDS, to(Spot::Did))].concat(),
        Spot::AndLast => any(1.0, &[speaks], to(spoken)),
        Spot::AndI => any(1.0, &["speak"], to(Spot::Speaks)),
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

fn proverbs(proverb: u8, words: u8, weight: f64) -> Vec<Choice<State>> {
    let even = PROVERBS.map(|proverb| (proverb, 1.0));
    let next = |proverb, words| State::Proverb { proverb, words };
    phrase_choices(&even, (proverb, words), weight, next)
}

fn questions(question: u8, words: u8, weight: f64) -> Vec<Choice<State>> {
    let next = |question, words| State::Question { question, words };
    phrase_choices(&QUESTIONS, (question, words), weight, next)
}
