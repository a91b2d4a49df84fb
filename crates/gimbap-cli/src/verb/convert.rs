//! `gimbap convert IN OUT --quantize PRECISION`: the same model with smaller weights, and what that costs.
//! `gimbap convert IN OUT.txt`: word vectors as a file that other programs read.

use std::path::Path;

use gimbap::checkpoint::to_bytes;
use gimbap::model::Model;
use gimbap::quantize::Precision;
use gimbap::vectors::Format;
use serde_json::json;

use super::eval::measure;
use crate::args::{Convert, Quantize};
use crate::model_file;
use crate::output::{Failure, Out, Outcome, bytes, thousands};
use crate::run_dir::write_atomic;
use crate::vectors;

/// Converts.
pub fn run(args: &Convert, out: &Out) -> Outcome {
    if args.out.exists() && !args.force {
        let message = format!("{} is there already: --force replaces it", args.out.display());
        return Err(Failure::usage("exists", message));
    }
    match (args.quantize, Format::of(&args.out)) {
        (Some(Quantize::Int8), _) => quantize(args, Precision::Int8, "int8", out),
        (Some(Quantize::Bf16), _) => quantize(args, Precision::Bf16, "bf16", out),
        (None, Some(format)) => write_vectors(args, format, out),
        (None, None) => Err(Failure::usage(
            "usage",
            "say what to write: --quantize int8 or bf16 for a smaller model, or an OUT that ends in .txt, .vec or \
             .bin for word vectors",
        )),
    }
}

/// Writes the vectors of a model's embedding, or of a file, in the format that OUT's name asks for.
fn write_vectors(args: &Convert, format: Format, out: &Out) -> Outcome {
    let words = vectors::open_all(&args.model, out)?;
    let content = words.vectors.to_bytes(format)?;
    write_atomic(&args.out, &content)?;
    let (count, width) = (words.vectors.len(), words.vectors.width());
    let name = match format {
        Format::Text => "text",
        Format::Binary => "binary",
    };
    out.line(format!("{} words of {width} numbers, {name}, {}", thousands(count), bytes(content.len())))?;
    out.json(&json!({
        "vectors": args.out,
        "format": name,
        "words": count,
        "width": width,
        "bytes": content.len(),
    }))
}

/// Writes a model with smaller weights.
fn quantize(args: &Convert, precision: Precision, name: &str, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?;
    let before_bytes = size(&opened.path)?;
    let small = opened.model.quantized(precision)?;
    // Before anything is written: the data may be wrong.
    let measured = match &args.data {
        Some(data) => Some((measure(&opened, &opened.model, data)?, measure(&opened, &small, data)?)),
        None => None,
    };
    let content = to_bytes(&small)?;
    write_atomic(&args.out, &content)?;
    let after_bytes = content.len();
    let (error, parameter) = largest_error(&opened.model, &small);

    if let Some((before, after)) = &measured {
        out.line(format!("f32     {}", before.text))?;
        out.line(format!("{name}    {}", after.text))?;
    }
    out.line(format!("file    {} -> {}", bytes(before_bytes), bytes(after_bytes)))?;
    out.line(format!("weights at most {error:.2e} off ({parameter})"))?;
    out.json(&json!({
        "model": args.out,
        "precision": precision,
        "bytes": {"before": before_bytes, "after": after_bytes},
        "weight_error": {"largest": error, "parameter": parameter},
        "before": measured.as_ref().map(|(before, _)| &before.metrics),
        "after": measured.as_ref().map(|(_, after)| &after.metrics),
    }))
}

fn size(path: &Path) -> Outcome<usize> {
    let file = std::fs::metadata(path).map_err(|error| Failure::io(path, &error))?;
    Ok(file.len() as usize)
}

/// The largest difference of a weight, and the parameter that has it.
fn largest_error<'a>(model: &'a Model, small: &Model) -> (f32, &'a str) {
    let mut largest = (0.0, "none");
    for parameter in model.parameters() {
        let pairs =
            model.values()[parameter.range.clone()].iter().zip(&small.values()[parameter.range.clone()]);
        let error = pairs.fold(0.0f32, |error, (a, b)| error.max((a - b).abs()));
        if error > largest.0 {
            largest = (error, &parameter.name);
        }
    }
    largest
}
