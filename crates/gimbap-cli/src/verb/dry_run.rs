//! `gimbap train --dry-run`: what a run would be like, without running it.

use std::borrow::Cow;

use gimbap::data::batch::{Batch, BatchSource};
use serde_json::json;

use super::inspect::layers;
use crate::config::Config;
use crate::output::{Out, Outcome, bytes, thousands};
use crate::task::{self, Work, line_of};

/// The first batch alone.
struct First<'a>(&'a dyn BatchSource<f32>);

impl BatchSource<f32> for First<'_> {
    fn batches(&self, _epoch: usize) -> usize {
        1
    }
    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<f32>>> {
        self.0.batch(epoch, index)
    }
    fn targets(&self) -> usize {
        self.0.targets()
    }
}

/// Shows shapes, parameters, an estimate of the memory, and the loss of one batch at the initial weights.
pub fn dry_run(config: &Config, work: &dyn Work, out: &Out) -> Outcome {
    let (model, _) = task::initial(config, work, out)?;
    let source = work.train()?;
    let batch = source.batch(0, 0)?;
    let layout = &batch.layout;
    let (sequences, steps, rows) = (layout.batch(), layout.steps(), layout.rows());
    let slots = config.train.optimizer.slot_names().len();
    let parameters = model.values().len();
    let weights = 4 * parameters * (2 + slots);
    // What backward needs of each step: an LSTM keeps its gates, cells and outputs, about seven numbers a unit.
    let kept: usize = model
        .describe()?
        .iter()
        .map(|(_, kind, shape, _)| {
            let per_unit = match *kind {
                "lstm" => 7,
                "gru" | "bidirectional" => 6,
                "one_hot" => 0,
                _ => 2,
            };
            let n = if shape.has_steps() || matches!(*kind, "lstm" | "gru" | "simple_rnn") {
                rows
            } else {
                sequences
            };
            4 * per_unit * n * shape.width()
        })
        .sum();
    let evaluation = model.evaluate_on(&First(&*source))?;
    let figures = work.figures(&evaluation);
    out.line(model.summary().trim_end())?;
    out.line(format!(
        "\nbatch          {sequences} sequences of at most {steps} steps, {} in all; {} batches an epoch\n\
         {:<14} {} an epoch\n\
         memory, about  {}: weights, gradients and {} {}, activations {}\n\
         first batch    {} (at the initial weights)\n\
         nothing was trained or written",
        thousands(rows),
        thousands(source.batches(0)),
        work.unit(),
        thousands(source.targets()),
        bytes(weights + kept),
        config.train.optimizer.name(),
        bytes(weights),
        bytes(kept),
        line_of(&figures),
    ))?;
    out.json(&json!({
        "parameters": parameters,
        "layers": layers(&model)?,
        "memory_bytes": {"weights": weights, "activations": kept, "total": weights + kept},
        "batch": {"sequences": sequences, "steps": steps, "rows": rows},
        "batches": source.batches(0),
        work.unit(): source.targets(),
        "first_batch": figures,
    }))
}
