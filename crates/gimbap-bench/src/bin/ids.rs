//! `gimbap-ids`: texts as the ids that `gimbap train` makes of them, so that others learn from the same (`bench/defaults.py`).
//!
//! `gimbap-ids UNIT WORDS VOCAB MIN_COUNT LOWERCASE TRAIN FILE..` takes the vocabulary from TRAIN (0 as VOCAB: no limit) and
//! writes FILE.ids for each FILE: ids of 4 bytes, least first, each line closed as lines of a text are. With `lines:`
//! before the unit, TRAIN and FILE hold an example a line, which is not closed; `0xffffffff` ends each. On standard output
//! stands how many tokens there are.

use std::error::Error;
use std::fs;

use gimbap::data::text::{Counter, Options, Unit, Vocabulary};
use serde_json::json;

const END: u32 = u32::MAX;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [unit, words, vocab, min_count, lowercase, train, files @ ..] = &args[..] else {
        return Err("gimbap-ids [lines:]UNIT WORDS VOCAB MIN_COUNT LOWERCASE TRAIN FILE..".into());
    };
    let (lines, unit) = match unit.strip_prefix("lines:") {
        Some(unit) => (true, unit),
        None => (false, unit.as_str()),
    };
    let unit: Unit = serde_json::from_value(json!(unit))?;
    let limit: usize = vocab.parse()?;
    let mut options = Options::new(unit);
    options.words = serde_json::from_value(json!(words))?;
    options.limit = (limit > 0).then_some(limit);
    options.min_count = min_count.parse()?;
    options.lowercase = lowercase.parse()?;
    let mut counter = Counter::new(options)?;
    let text = fs::read_to_string(train)?;
    match lines {
        true => text.lines().for_each(|line| counter.add(line)),
        false => counter.add(&text),
    }
    let vocabulary = counter.finish()?;
    for file in files {
        let ids = ids_of(&vocabulary, &fs::read_to_string(file)?, lines);
        let bytes: Vec<u8> = ids.into_iter().flat_map(u32::to_le_bytes).collect();
        fs::write(format!("{file}.ids"), bytes)?;
    }
    println!("{}", vocabulary.len());
    Ok(())
}

fn ids_of(vocabulary: &Vocabulary, text: &str, lines: bool) -> Vec<u32> {
    match lines {
        true => text.lines().flat_map(|line| [vocabulary.encode_units(line), vec![END]].concat()).collect(),
        false => vocabulary.encode(text),
    }
}
