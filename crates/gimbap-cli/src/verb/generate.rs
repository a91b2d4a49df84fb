//! `gimbap generate MODEL`: a language model writes.

use std::time::Instant;

use gimbap::data::text::Vocabulary;
use gimbap::model::Model;
use gimbap::rng::keyed;
use serde_json::json;

use crate::args::Generate;
use crate::model_file::open_lm;
use crate::output::{Failure, Out, Outcome};
use crate::sample::Choice;
use crate::task::lm;
use crate::task::speak::{Writer, candidates};

/// Writes, token by token as they come.
pub fn run(args: &Generate, out: &Out) -> Outcome {
    let (model, doc) = open_lm(&args.model, "generate")?;
    let prompt = doc.vocabulary.encode_units(&args.prompt);
    let unknown = Vocabulary::unknowns(&prompt);
    if unknown > 0 && unknown == prompt.len() {
        let message = format!(
            "--prompt: none of its {unknown} tokens is in the vocabulary, so it says nothing to the model: give a text \
             like that of the training, or none"
        );
        return Err(Failure::work("data", message));
    }
    if unknown > 0 {
        out.log(format!("{unknown} of the prompt's {} tokens are not in the vocabulary", prompt.len()));
    }
    match args.candidates {
        Some(n) => list(args, &model, &doc, &prompt, n, out),
        None => write(args, &model, &doc, &prompt, out),
    }
}

fn write(args: &Generate, model: &Model, doc: &lm::Doc, prompt: &[u32], out: &Out) -> Outcome {
    let started = Instant::now();
    let choice = Choice { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p };
    let mut rng = keyed(args.seed, 0, 0, 0);
    let mut writer = Writer::new(model, doc.lines, prompt)?;
    let (settled, mut decoder) = doc.vocabulary.decoder_after(&args.prompt);
    let mut text = settled.to_owned();
    out.piece(&text)?;
    for _ in 0..args.n {
        let id = writer.next(&choice, &mut rng);
        let piece = decoder.push(id);
        out.piece(&piece)?;
        text.push_str(&piece);
    }
    let rest = decoder.finish();
    text.push_str(&rest);
    out.line(rest)?;
    out.json(&json!({"text": text, "tokens": args.n, "seconds": started.elapsed().as_secs_f64()}))
}

/// A probability in hundredths, however small.
fn percent(probability: f64) -> String {
    match 100.0 * probability {
        x if x > 0.0 && x < 0.001 => format!("{x:.3e}"),
        x => format!("{x:.4}"),
    }
}

fn list(args: &Generate, model: &Model, doc: &lm::Doc, prompt: &[u32], n: usize, out: &Out) -> Outcome {
    let started = Instant::now();
    let (settled, decoder) = doc.vocabulary.decoder_after(&args.prompt);
    for candidate in candidates(model, doc.lines, prompt, args.n, n)? {
        let (mut text, mut decoder) = (settled.to_owned(), decoder.clone());
        candidate.ids.iter().for_each(|&id| text.push_str(&decoder.push(id)));
        text.push_str(&decoder.finish());
        let probability = candidate.logprob.exp();
        // One line each: a line end is shown.
        out.line(format!("{:>9} %  {}", percent(probability), text.replace('\n', "\\n")))?;
        out.json(&json!({
            "text": text,
            "tokens": candidate.ids.len(),
            "probability": probability,
            "logprob": candidate.logprob,
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
}
