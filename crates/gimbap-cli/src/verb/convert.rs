//! `gimbap convert IN OUT --quantize PRECISION`: the same model with smaller weights, and what that costs.

use std::path::Path;

use gimbap::checkpoint::save;
use gimbap::model::Model;
use gimbap::quantize::Precision;
use serde_json::json;

use super::eval::measure;
use crate::args::{Convert, Quantize};
use crate::model_file;
use crate::output::{Failure, Out, Outcome, bytes};

/// Converts.
pub fn run(args: &Convert, out: &Out) -> Outcome {
    if args.out.exists() && !args.force {
        let message = format!("{} is there already: --force replaces it", args.out.display());
        return Err(Failure::usage("exists", message));
    }
    let (precision, name) = match args.quantize {
        Quantize::Int8 => (Precision::Int8, "int8"),
        Quantize::Bf16 => (Precision::Bf16, "bf16"),
    };
    let opened = model_file::open(&args.model)?;
    let before_bytes = size(&opened.path)?;
    let small = opened.model.quantized(precision)?;
    // Before anything is written: the data may be wrong.
    let measured = match &args.data {
        Some(data) => Some((measure(&opened, &opened.model, data)?, measure(&opened, &small, data)?)),
        None => None,
    };
    save(&small, &args.out)?;
    let after_bytes = size(&args.out)?;
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
