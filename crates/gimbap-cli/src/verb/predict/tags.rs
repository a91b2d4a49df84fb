//! What a tagger says: a label for every token of every sentence.

use gimbap::data::tagged::{sentences, tokens};
use gimbap::metric::calibration::largest;
use gimbap::model::Model;
use serde_json::{Value, json};

use super::csv_line;
use super::sink::{Form, Output};
use crate::args::Predict;
use crate::input::text;
use crate::output::{Failure, Out, Outcome};
use crate::task::{number, tag};

/// A sentence with the label of each token, and that label's probability.
struct Sentence<'a> {
    tokens: Vec<&'a str>,
    tags: Vec<(&'a str, f64)>,
}

impl Sentence<'_> {
    fn pairs(&self) -> impl Iterator<Item = (&str, &(&str, f64))> {
        self.tokens.iter().copied().zip(&self.tags)
    }

    /// Columns, as in training.
    fn lines(&self) -> String {
        self.pairs().map(|(token, (tag, _))| format!("{token}\t{tag}\n")).collect()
    }

    fn object(&self) -> Value {
        json!({
            "tokens": self.tokens,
            "tags": self.tags.iter().map(|(tag, _)| tag).collect::<Vec<_>>(),
            "probabilities": self.tags.iter().map(|(_, p)| number(*p)).collect::<Vec<_>>(),
        })
    }

    fn csv(&self, number: usize) -> String {
        let row = |(token, (tag, p)): (&str, &(&str, f64))| {
            // The outputs are f32: the shortest decimals that read back to the same.
            let probability = format!("{:?}", *p as f32);
            csv_line(&[number.to_string(), token.to_owned(), (*tag).to_owned(), probability])
        };
        self.pairs().map(row).collect()
    }
}

/// Tags the sentences of an input, one after the other.
pub fn run(doc: &tag::Doc, model: &Model, args: &Predict, out: &Out) -> Outcome {
    if args.out.as_deref().map(Form::of) == Some(Form::Npy) {
        let message =
            "--out: tags are no numbers: write .csv, .jsonl or lines, or give the ids as a .npy input";
        return Err(Failure::usage("usage", message));
    }
    let sentences = sentences(&text(&args.input)?, &args.input, &doc.columns(), &doc.labels)?;
    let ids: Vec<Vec<u32>> = sentences.iter().map(|sentence| doc.encode(sentence)).collect();
    let tagged = |index: usize, outputs: &[f32]| {
        let label = |p: &[f32]| {
            let best = largest(p);
            (doc.labels[best].as_str(), f64::from(p[best]))
        };
        Sentence {
            tokens: tokens(&sentences[index]).collect(),
            tags: outputs.chunks_exact(doc.labels.len()).map(label).collect(),
        }
    };
    let Some(path) = &args.out else {
        return doc.run(model, &ids, |index, outputs| {
            let sentence = tagged(index, outputs);
            // A blank line ends a sentence.
            out.line(sentence.lines())?;
            out.json(&sentence.object())
        });
    };
    let form = Form::of(path);
    let mut file = Output::create(path)?;
    if form == Form::Csv {
        file.write(b"sentence,token,tag,probability\n")?;
    }
    doc.run(model, &ids, |index, outputs| {
        let sentence = tagged(index, outputs);
        let text = match form {
            Form::Csv => sentence.csv(index + 1),
            Form::Json => format!("{}\n", sentence.object()),
            Form::Npy | Form::Lines => sentence.lines() + "\n",
        };
        file.write(text.as_bytes())
    })?;
    file.finish(None, ids.len(), "sentences", out)
}
