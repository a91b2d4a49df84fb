//! `gimbap inspect MODEL`: layers, shapes, parameters, memory, operations per step.

use gimbap::checkpoint::format_of;
use gimbap::layer::Parameter;
use gimbap::model::{Input, Model};
use gimbap::quantize::Precision;
use serde_json::{Value, json};

use crate::args::Inspect;
use crate::model_file;
use crate::output::{Out, Outcome, bytes, thousands};
use crate::task::{TaskDoc, short};

/// Inspects a model file.
pub fn run(args: &Inspect, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?;
    let model = &opened.model;
    let (parameters, flop) = (model.values().len(), flop_per_step(model)?);
    let task = opened.task.as_ref().map_or("none", TaskDoc::name);
    let format = format_of(model.precision(), model.optimizer_state().is_some());
    let about = opened.task.as_ref().map(about).unwrap_or_default();

    out.line(model.summary().trim_end())?;
    out.line(format!(
        "\nfile           {}, format {format}, weights {}\ntask           {task}{about}\ninput          {}\n\
         memory         {} of weights\nwork           about {} FLOP for a step of one sequence",
        opened.path.display(),
        precision_name(model.precision()),
        match model.input() {
            Input::Features(i) => format!("[B, T, {i}]"),
            Input::Ids(v) => format!("[B, T] token ids below {}", thousands(v)),
        },
        bytes(4 * parameters),
        thousands(flop),
    ))?;
    out.json(&json!({
        "format": format,
        "precision": model.precision(),
        "parameters": parameters,
        "layers": layers(model)?,
        "input": model.input(),
        "task": opened.task.as_ref().map(|task| match task {
            TaskDoc::Lm(_) => "lm",
            TaskDoc::Classify(_) => "classify",
            TaskDoc::MultiLabel(_) => "multi_label",
            TaskDoc::Regress(_) => "regress",
            TaskDoc::Tag(_) => "tag",
            TaskDoc::Forecast(_) => "forecast",
        }),
        "memory_bytes": 4 * parameters,
        "flop_per_step": flop,
        "tensors": model.parameters().iter().map(|p| json!({"name": p.name, "shape": p.shape})).collect::<Vec<_>>(),
    }))
}

/// The weights in a word.
fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::Full => "f32",
        Precision::Bf16 => "bf16",
        Precision::Int8 => "int8",
    }
}

fn about(task: &TaskDoc) -> String {
    match task {
        TaskDoc::Lm(doc) => format!(", {} tokens", thousands(doc.vocabulary.len())),
        TaskDoc::Classify(doc) => format!(", classes {}", doc.classes.join(", ")),
        TaskDoc::MultiLabel(doc) => format!(", labels {}", doc.classes.join(", ")),
        TaskDoc::Regress(doc) => format!(", a number for each sequence, {} in the mean", short(doc.mean)),
        TaskDoc::Tag(doc) => format!(", labels {}", doc.labels.join(", ")),
        TaskDoc::Forecast(doc) => {
            format!(", {} after {} rows of {}", doc.horizon, doc.window, doc.values.join(", "))
        }
    }
}

/// The layers for JSON; a shape's unknown sizes, `B` and `T`, are null.
pub fn layers(model: &Model) -> Outcome<Vec<Value>> {
    let layer = |(name, kind, shape, parameters): (String, &str, gimbap::layer::Shape, usize)| {
        let sizes = match shape.has_steps() {
            true => json!([null, null, shape.width()]),
            false => json!([null, shape.width()]),
        };
        json!({"name": name, "type": kind, "shape": sizes, "parameters": parameters})
    };
    Ok(model.describe()?.into_iter().map(layer).collect())
}

/// A multiplication and an addition for each weight of a product, of tied ones where they are multiplied. What is looked up
/// by a token costs nothing: the vectors of an embedding, and the weights behind one-hot vectors.
fn flop_per_step(model: &Model) -> Outcome<usize> {
    let (mut products, mut inputs) = (0, 0);
    for (name, kind, shape, _) in model.describe()? {
        let of_layer = |p: &&Parameter| p.shape.len() == 2 && p.name.split('.').next() == Some(&name);
        let matrices: Vec<&Parameter> = model.parameters().iter().filter(of_layer).collect();
        products += match kind {
            // Looked up; if they are tied, multiplied in the output layer.
            "embedding" => 0,
            "dense" if matrices.is_empty() => inputs * shape.width(),
            _ => matrices.iter().filter(|p| !p.by_token).map(|p| p.range.len()).sum(),
        };
        inputs = shape.width();
    }
    Ok(2 * products)
}

#[cfg(test)]
mod tests {
    use gimbap::prelude::*;

    use super::*;

    #[test]
    fn a_product_is_counted_where_it_is_made_and_what_is_looked_up_is_not() {
        let (v, e, h) = (50, 8, 8);
        let ids = || Sequential::new(Input::ids(v));
        let flop = |layers: Sequential| flop_per_step(&layers.build().unwrap()).unwrap();
        let last = Dense::new(v);
        let lstm = || Lstm::new(h).return_sequences(true);
        let all = 2 * (e * 4 * h + h * 4 * h + h * v);
        assert_eq!(flop(ids().add(Embedding::new(e)).add(lstm()).add(last.clone())), all);
        assert_eq!(flop(ids().add(Embedding::new(e).tied(true)).add(lstm()).add(last.clone())), all);
        assert_eq!(flop(ids().add(OneHot).add(lstm()).add(last.clone())), all - 2 * e * 4 * h);
        let both = ids().add(OneHot).add(Bidirectional::new(lstm())).add(last);
        assert_eq!(flop(both), 2 * (2 * h * 4 * h + 2 * h * v));
        let features = Sequential::new(Input::features(3)).add(Gru::new(h)).add(Dense::new(1));
        assert_eq!(flop(features), 2 * (3 * 3 * h + h * 3 * h + h));
    }
}
