//! `gimbap embed TEXT -o FILE`: word vectors learned from a text by skip-gram.

use std::time::Instant;

use gimbap::data::read::read_text_or_folder;
use gimbap::vectors::{Format, SkipGram};
use serde_json::json;

use crate::args::Embed;
use crate::output::{Failure, Out, Outcome, thousands};
use crate::run_dir::write_atomic;

/// Learns and writes.
pub fn run(args: &Embed, out: &Out) -> Outcome {
    let Some(format) = Format::of(&args.out) else {
        let message = format!("{}: call it .txt or .vec for text, .bin for binary", args.out.display());
        return Err(Failure::usage("usage", message));
    };
    let text = read_text_or_folder(&args.text)?;
    let options = SkipGram {
        width: args.units,
        window: args.window,
        negative: args.negative,
        epochs: args.epochs,
        min_count: args.min_count,
        sample: args.sample,
        rate: args.rate,
        lowercase: args.lowercase,
        words: args.words.into(),
        seed: args.seed,
    };
    let started = Instant::now();
    let mut told = Ok(());
    let vectors = options.train(&text, |pass| {
        let (epoch, seconds) = (pass.epoch + 1, started.elapsed().as_secs_f64());
        let (loss, pairs) = (pass.loss, thousands(pass.pairs));
        out.log(format!("epoch {epoch}/{}  loss {loss:.4}  {pairs} pairs  {seconds:.1} s", args.epochs));
        let event =
            json!({"event": "epoch", "epoch": epoch, "loss": loss, "pairs": pass.pairs, "seconds": seconds});
        if told.is_ok() {
            told = out.json(&event);
        }
    })?;
    // What was learned is not lost because nobody reads along.
    write_atomic(&args.out, &vectors.to_bytes(format)?)?;
    told?;
    let (words, width) = (vectors.len(), vectors.width());
    out.line(format!("{}: {} words of {width} numbers", args.out.display(), thousands(words)))?;
    out.json(&json!({"event": "done", "vectors": args.out, "words": words, "width": width}))
}
