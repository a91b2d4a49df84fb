//! What a config leaves to the data: `"auto"`, and the values that follow from how much data there is.
//!
//! The numbers were found by training: `bench/defaults.py`, docs/results.md.

use std::fmt;

use gimbap::bptt::Bptt;
use gimbap::data::text::{Tokenizer, Unit};
use gimbap::optim::Schedule;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Back, Config, Held, Tokens};
use crate::output::thousands;

/// A value, or `"auto"`: the one that follows from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auto<T> {
    /// Follows from the data.
    Auto,
    /// This one.
    Given(T),
}

impl<T> Auto<T> {
    /// The value, if there is one.
    pub fn given(self) -> Option<T> {
        match self {
            Auto::Auto => None,
            Auto::Given(value) => Some(value),
        }
    }
}

impl<T: Serialize> Serialize for Auto<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Auto::Auto => serializer.serialize_str("auto"),
            Auto::Given(value) => value.serialize(serializer),
        }
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = Auto<usize>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a whole number, 0 or more, or \"auto\"")
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Self::Value, E> {
        usize::try_from(n).map(Auto::Given).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
    }

    fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
        match s {
            "auto" => Ok(Auto::Auto),
            _ => Err(E::invalid_value(de::Unexpected::Str(s), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Auto<usize> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

impl<'de> Deserialize<'de> for Auto<Schedule> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rates;
        impl<'de> Visitor<'de> for Rates {
            type Value = Auto<Schedule>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("\"auto\" or a table such as { type = \"halve_after\", epoch = 4 }")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
                match s {
                    "auto" => Ok(Auto::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(s), &self)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Schedule::deserialize(MapAccessDeserializer::new(map)).map(Auto::Given)
            }
        }
        deserializer.deserialize_any(Rates)
    }
}

/// A number where `"auto"` is the same as none.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    Auto::<usize>::deserialize(deserializer).map(Auto::given)
}

/// A yes or a no where `"auto"` is the same as none.
pub(super) fn yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    struct Yes;
    impl Visitor<'_> for Yes {
        type Value = Option<bool>;
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("true, false or \"auto\"")
        }
        fn visit_bool<E: de::Error>(self, yes: bool) -> Result<Self::Value, E> {
            Ok(Some(yes))
        }
        fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
            match s {
                "auto" => Ok(None),
                _ => Err(E::invalid_value(de::Unexpected::Str(s), &self)),
            }
        }
    }
    deserializer.deserialize_any(Yes)
}

/// A unit where `"auto"` is the same as none.
pub(super) fn unit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Unit>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Known {
        Auto,
        Byte,
        Char,
        Jamo,
        Word,
        Subword,
    }
    Ok(match Known::deserialize(deserializer)? {
        Known::Auto => None,
        Known::Byte => Some(Unit::Byte),
        Known::Char => Some(Unit::Char),
        Known::Jamo => Some(Unit::Jamo),
        Known::Word => Some(Unit::Word),
        Known::Subword => Some(Unit::Subword),
    })
}

/// Updates for which a run has epochs, as far as the most and the least of them allow.
const UPDATES: usize = 2000;
/// Updates for which a run waits for a better validation loss, in whole epochs, and the fewest of these.
const PATIENCE: (usize, usize) = (400, 3);
/// Updates over which the rate rises, at most: of a language model and of anything else. An optimizer's first steps are its
/// largest, for its mean of squares begins at 0: without this, outputs that begin at the frequencies of tokens lose them at
/// once, and a classifier of series starts a thousand updates late.
const WARMUP: [u64; 2] = [30, 100];
/// ... and that part of a run.
const WARMUP_PART: u64 = 20;
/// Segments or sequences in a stream or of a batch: at least so many updates make an epoch, where the data is enough.
const SHARE: usize = 40;
/// The largest batch.
const BATCH: usize = 32;
/// Subwords at most, and characters of a text for each of them beyond its alphabet.
const SUBWORDS: (usize, u64) = (8000, 250);

/// The steps of a segment of text.
fn segment(unit: Unit) -> usize {
    match unit {
        Unit::Word | Unit::Subword => 35,
        _ => 50,
    }
}

/// The largest power of two up to `n`, from 1 to [`BATCH`].
fn batch(n: usize, least: usize) -> usize {
    let power = 1 << n.max(1).ilog2();
    power.clamp(least, BATCH)
}

impl Held {
    /// What is held out of a text of so many characters: a tenth, of 100,000 and more a twentieth, of one below 5,000
    /// nothing.
    pub fn of_text(self, chars: u64) -> Option<Held> {
        match (self, chars) {
            (Held::Auto, 0..5_000) => None,
            (Held::Auto, 5_000..100_000) => Some(Held::Fraction(0.1)),
            (Held::Auto, _) => Some(Held::Fraction(0.05)),
            (given, _) => Some(given),
        }
    }

    /// What is held out of so many sequences: a tenth, of fewer than 500 a fifth, of fewer than 20 nothing.
    pub fn of_sequences(self, n: usize) -> Option<Held> {
        match (self, n) {
            (Held::Auto, 0..20) => None,
            (Held::Auto, 20..500) => Some(Held::Fraction(0.2)),
            (Held::Auto, _) => Some(Held::Fraction(0.1)),
            (given, _) => Some(given),
        }
    }

    /// What is held out of a series of so many rows: a tenth, or as much more as makes 20 windows of `window` rows and the
    /// `horizon` behind them, but not more than a third.
    pub fn of_series(self, rows: usize, window: usize, horizon: usize) -> Option<Held> {
        if self != Held::Auto {
            return Some(self);
        }
        let least = window + horizon;
        let part = (least + 19) as f64 / rows.max(1) as f64;
        let part = (part.clamp(0.1, 1.0 / 3.0) * 100.0).ceil() / 100.0;
        (rows as f64 * part > least as f64).then_some(Held::Fraction(part))
    }
}

impl Config {
    /// Puts numbers in the place of `vocab` and `min_count`, for texts of so many characters, as many of them different.
    pub fn settle_tokens(&mut self, chars: u64, different: usize) {
        let lm = self.task.kind == super::TaskKind::Lm;
        let data = &mut self.data;
        let unit = data.unit.unwrap_or(Unit::Word);
        let foreign = matches!(data.tokenizer, Some(Tokenizer::File(_)));
        let auto = data.vocab == Some(Tokens::Auto);
        match unit {
            Unit::Subword if !foreign && (auto || data.vocab.is_none()) => {
                let (most, each) = SUBWORDS;
                let limit = (different + (chars / each) as usize + 2).min(most.max(different + 2));
                data.vocab = Some(Tokens::Limit(limit));
            }
            Unit::Word if auto => data.vocab = Some(Tokens::Limit(if lm { 10_000 } else { 20_000 })),
            _ if auto => data.vocab = None,
            _ => {}
        }
        if data.min_count == Some(Auto::Auto) {
            // A list of tokens has no counts.
            let listed = matches!(data.vocab, Some(Tokens::List(_)));
            let count = if unit == Unit::Word && !listed { 2 } else { 1 };
            data.min_count = Some(Auto::Given(count));
        }
    }

    /// Puts numbers in the place of `batch`, `bptt` and what [`Config::settle_sequences`] sets, for a text of so many tokens.
    pub fn settle_text(&mut self, tokens: usize) -> Option<String> {
        let own = segment(self.data.unit.unwrap_or(Unit::Char));
        let mut chosen = Vec::new();
        let given = self.train.bptt.map(|back| back.0);
        let steps = match given {
            Some(Bptt::Truncated { k1, .. }) => k1,
            _ => own.min((tokens.saturating_sub(1) / 4).max(1)),
        };
        let batch = self.train.batch.unwrap_or_else(|| batch(tokens / (SHARE * steps), 1));
        if self.train.batch.replace(batch).is_none() {
            chosen.push(format!("batch {batch}"));
        }
        if given.is_none() {
            self.train.bptt = Some(Back(Bptt::Truncated { k1: steps, k2: steps }));
            chosen.push(format!("bptt {steps}"));
        }
        self.settle(chosen, (tokens.saturating_sub(1) / batch).div_ceil(steps), 5)
    }

    /// Puts numbers in the place of `batch`, `epochs`, `patience` and `schedule`, for so many sequences. Tells what was chosen.
    pub fn settle_sequences(&mut self, n: usize) -> Option<String> {
        let mut chosen = Vec::new();
        let batch = self.train.batch.unwrap_or_else(|| batch(n / SHARE, 4));
        if self.train.batch.replace(batch).is_none() {
            chosen.push(format!("batch {batch}"));
        }
        self.settle(chosen, n.div_ceil(batch), 10)
    }

    fn settle(&mut self, mut chosen: Vec<String>, updates: usize, least: usize) -> Option<String> {
        let updates = updates.max(1);
        let warmup = WARMUP[usize::from(self.task.kind != super::TaskKind::Lm)];
        let train = &mut self.train;
        let most = train.steps.map(|steps| steps.div_ceil(updates));
        let epochs = match (train.epochs, most) {
            (Some(epochs), Some(most)) => epochs.min(most),
            (Some(epochs), None) => epochs,
            (None, Some(most)) => most,
            (None, None) => UPDATES.div_ceil(updates).clamp(least, 200),
        };
        if train.epochs.replace(epochs).is_none() {
            chosen.push(format!("epochs {epochs}"));
        }
        if train.patience == Some(Auto::Auto) {
            let patience = PATIENCE.0.div_ceil(updates).max(PATIENCE.1);
            train.patience = Some(Auto::Given(patience));
            chosen.push(format!("patience {patience}"));
        }
        if train.schedule == Some(Auto::Auto) {
            let total = (epochs * updates).min(train.steps.unwrap_or(usize::MAX)) as u64;
            train.schedule = Some(Auto::Given(match total {
                0..20 => Schedule::Constant,
                _ => Schedule::Cosine { warmup: (total / WARMUP_PART).min(warmup), total, floor: 0.05 },
            }));
        }
        let batches = thousands(updates);
        (!chosen.is_empty()).then(|| {
            format!("by the size of the data: {} (an epoch is {batches} updates)", chosen.join(", "))
        })
    }
}

#[cfg(test)]
mod tests;
