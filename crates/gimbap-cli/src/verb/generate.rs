//! `gimbap generate MODEL`: a language model writes.

use std::time::Instant;

use gimbap::data::text::{Decoder, Unit, Vocabulary};
use gimbap::model::Model;
use gimbap::rng::keyed;
use serde_json::json;

use crate::args::{Generate, Language};
use crate::lm::beam::{Beam, Candidate, NO_WORD, Search};
use crate::lm::fill::fill;
use crate::lm::stop::Stops;
use crate::lm::unknown::{self, Strangers};
use crate::lm::writer::Writer;
use crate::model_file::open_lm;
use crate::output::{Failure, Out, Outcome};
use crate::sample::{Choice, Repetition, Sampler};
use crate::task::lm::Doc;

/// Tokens of a text, if nothing is said.
const TOKENS: usize = 200;
/// Tokens in a blank, where they are not words.
const TOKENS_IN_A_BLANK: usize = 8;
/// Continuations side by side, if nothing is said.
const WIDTH: usize = 8;
/// Proposals of each length for a blank; of a single token, and of one from a vocabulary that is tried whole.
const WIDTH_OF_A_BLANK: usize = 32;
const SINGLE_TOKENS: usize = 1_000;
const TRIED_WHOLE: usize = 20_000;
/// What fills a blank, the best of all proposals.
const PROPOSALS: usize = 10;
/// A blank.
const BLANK: &str = "___";

/// Writes, token by token as they come; or searches.
pub fn run(args: &Generate, out: &Out) -> Outcome {
    let (model, doc) = open_lm(&args.model, "generate")?;
    if let Some(line) = &args.fill {
        return fill_in(args, &model, &doc, line, out);
    }
    let prompt = doc.vocabulary.encode_units(&args.prompt);
    check_known("--prompt", &doc.vocabulary, &[&args.prompt], out)?;
    match (args.beam, args.candidates) {
        (None, None) => write(args, &model, &doc, &prompt, out),
        _ => search(args, &model, &doc, &prompt, out),
    }
}

/// Names the unknown words in what was given, and fails if there are no others.
fn check_known(flag: &str, vocabulary: &Vocabulary, texts: &[&str], out: &Out) -> Outcome {
    let texts = || texts.iter().copied();
    if unknown::say_nothing(vocabulary, texts()) {
        return Err(unknown::nothing_known(vocabulary, flag, texts(), Language::En));
    }
    let ids: Vec<Vec<u32>> = texts().map(|text| vocabulary.encode_units(text)).collect();
    Strangers::default().meet(vocabulary, texts().zip(ids.iter().map(Vec::as_slice)), out);
    Ok(())
}

fn write(args: &Generate, model: &Model, doc: &Doc, prompt: &[u32], out: &Out) -> Outcome {
    let started = Instant::now();
    let repetition =
        args.repetition_penalty.map(|penalty| Repetition { penalty, window: args.repetition_window });
    let choice = Choice { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p, repetition };
    let mut sampler = Sampler::new(choice, keyed(args.seed, 0, 0, 0), prompt);
    let mut writer = Writer::new(model, doc.lines, prompt)?;
    let (settled, mut decoder) = doc.vocabulary.decoder_after(&args.prompt);
    let seen = |text| doc.vocabulary.normalise(text);
    let stops = args.stop.iter().map(|text| seen(text).into()).collect();
    let mut stops = Stops::new(stops, &seen(&args.prompt[settled.len()..]));
    let (mut text, mut tokens) = (String::new(), 0);
    let mut say = |piece: &str| {
        text.push_str(piece);
        if piece.is_empty() { Ok(()) } else { out.piece(piece) }
    };
    say(settled)?;
    while tokens < args.n.unwrap_or(TOKENS) && stops.found().is_none() {
        say(&stops.push(&decoder.push(writer.next(&mut sampler)?)))?;
        tokens += 1;
    }
    if stops.found().is_none() {
        say(&stops.push(&decoder.finish()))?;
    }
    let stopped = stops.found();
    say(&stops.finish())?;
    out.line("")?;
    let mut object = json!({"text": text, "tokens": tokens, "seconds": started.elapsed().as_secs_f64()});
    if !args.stop.is_empty() {
        object["stopped"] = stopped.map(|stop| &*args.stop[stop]).into();
    }
    out.json(&object)
}

/// A probability in hundredths, however small.
fn percent(probability: f64) -> String {
    match 100.0 * probability {
        x if x > 0.0 && x < 0.001 => format!("{x:.3e}"),
        x => format!("{x:.4}"),
    }
}

/// A text with its probability, on one line: a line end is shown.
fn listed(probability: f64, text: &str) -> String {
    format!("{:>9} %  {}", percent(probability), text.replace('\n', "\\n"))
}

/// The text that begins as `settled` and goes on with these tokens.
fn text_of(settled: &str, decoder: &Decoder<'_>, ids: &[u32]) -> String {
    let (mut text, mut decoder) = (settled.to_owned(), decoder.clone());
    ids.iter().for_each(|&id| text.push_str(&decoder.push(id)));
    text + &decoder.finish()
}

fn search(args: &Generate, model: &Model, doc: &Doc, prompt: &[u32], out: &Out) -> Outcome {
    let started = Instant::now();
    let wanted = args.candidates.unwrap_or(1);
    let search = Search {
        width: args.beam.unwrap_or(WIDTH).max(wanted),
        length: args.n.unwrap_or(TOKENS),
        wanted,
        length_penalty: args.length_penalty.unwrap_or(0.0),
    };
    search.check(doc.vocabulary.len())?;
    let (settled, decoder) = doc.vocabulary.decoder_after(&args.prompt);
    for candidate in search.run(Beam::after(model, doc.lines, prompt, NO_WORD)?)? {
        let text = text_of(settled, &decoder, &candidate.ids);
        let probability = candidate.logprob.exp();
        match args.candidates {
            Some(_) => out.line(listed(probability, &text))?,
            None => out.line(&text)?,
        }
        let mut object = json!({
            "text": text,
            "tokens": candidate.ids.len(),
            "probability": probability,
            "logprob": candidate.logprob,
            "seconds": started.elapsed().as_secs_f64(),
        });
        if args.length_penalty.is_some() {
            object["score"] = search.score(&candidate).into();
        }
        out.json(&object)?;
    }
    Ok(())
}

/// What stands before a blank, and behind it.
fn split_at_blank(line: &str) -> Outcome<(&str, &str)> {
    let wrong = |why: &str| Err(Failure::usage("usage", format!("--fill: {why}")));
    if line.contains('\n') {
        return wrong("a line end is in the text: give one line");
    }
    let Some((before, rest)) = line.split_once(BLANK) else {
        return wrong("no blank is in the text: write ___ where something is to stand");
    };
    // A longer one is one blank too.
    let after = rest.trim_start_matches('_');
    if after.contains(BLANK) {
        return wrong("more than one blank is in the text: give a text for each");
    }
    Ok((before, after))
}

fn fill_in(args: &Generate, model: &Model, doc: &Doc, line: &str, out: &Out) -> Outcome {
    let started = Instant::now();
    let (before, after) = split_at_blank(line)?;
    let vocabulary = &doc.vocabulary;
    let (ids_before, ids_after) = (vocabulary.encode_units(before), vocabulary.encode_units(after));
    check_known("--fill", vocabulary, &[before, after], out)?;
    let words = vocabulary.unit() == Unit::Word;
    let length = args.n.unwrap_or(if words { 1 } else { TOKENS_IN_A_BLANK });
    if length == 0 {
        return Err(Failure::usage("usage", "-n: 0 tokens fill no blank: give at least 1"));
    }
    let width = args.beam.unwrap_or(match vocabulary.len() {
        v if length == 1 && v <= TRIED_WHOLE => v,
        _ if length == 1 => SINGLE_TOKENS,
        _ => WIDTH_OF_A_BLANK,
    });
    let search = Search { width, length, wanted: args.candidates.unwrap_or(PROPOSALS), length_penalty: 0.0 };
    search.check(vocabulary.len())?;
    let filled = fill(model, &ids_before, &ids_after, &search)?;

    let best = filled.first().map_or(0.0, |filled| filled.logprob);
    let whole: f64 = filled.iter().map(|filled| (filled.logprob - best).exp()).sum();
    let (settled, decoder) = vocabulary.decoder_after(before);
    // What follows a word stands apart, unless it is a mark; what follows a subword, if its first one begins a word.
    let apart = |text: &str, ids: &[u32]| match vocabulary.unit() {
        _ if after.is_empty() || after.starts_with(char::is_whitespace) => false,
        Unit::Subword | Unit::Word => {
            let more = [ids, &ids_after[..1.min(ids_after.len())]].concat();
            text_of(settled, &decoder, &more).get(text.len()..).is_some_and(|rest| rest.starts_with(' '))
        }
        _ => false,
    };
    for Candidate { ids, logprob } in filled.iter().take(search.wanted) {
        let text = text_of(settled, &decoder, ids);
        let blank = if apart(&text, ids) { " " } else { "" };
        let text = text + blank + after;
        let probability = (logprob - best).exp() / whole;
        out.line(listed(probability, &text))?;
        out.json(&json!({
            "text": text,
            "fill": vocabulary.decode(ids),
            "tokens": ids.len(),
            "probability": probability,
            "logprob": logprob,
            "seconds": started.elapsed().as_secs_f64(),
        }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_probability_is_shown_as_nothing() {
        assert_eq!([0.25, 1e-5, 4.2e-9].map(percent), ["25.0000", "0.0010", "4.200e-7"]);
    }

    #[test]
    fn a_line_has_one_blank() {
        assert_eq!(split_at_blank("no ___ gain").unwrap(), ("no ", " gain"));
        assert_eq!(split_at_blank("______").unwrap(), ("", ""));
        assert_eq!(split_at_blank("a_b____c__").unwrap(), ("a_b", "c__"));
        for (line, why) in [
            ("no gain", "no blank"),
            ("__", "no blank"),
            ("___ a ___", "more than one"),
            ("a\n___", "line end"),
        ] {
            let failure = split_at_blank(line).unwrap_err();
            assert!(failure.message.contains(why) && failure.code == 2, "{}", failure.message);
        }
    }
}
