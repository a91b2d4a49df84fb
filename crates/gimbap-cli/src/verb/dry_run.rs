//! `gimbap train --dry-run`: what a run would be like, without running it.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use gimbap::data::batch::{Batch, BatchSource};
use gimbap::model::Model;
use gimbap::train::{Event, Fit, Flow};
use serde_json::{Value, json};

use super::inspect::layers;
use super::train::{fit, takes};
use crate::config::Config;
use crate::interrupt;
use crate::output::{Out, Outcome, bytes, thousands};
use crate::task::{self, Work, line_of, number};

/// The first batches alone.
struct First<'a>(usize, &'a dyn BatchSource<f32>);

impl BatchSource<f32> for First<'_> {
    fn batches(&self, epoch: usize) -> usize {
        self.1.batches(epoch).min(self.0)
    }
    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<f32>>> {
        self.1.batch(epoch, index)
    }
    fn targets(&self) -> usize {
        self.1.targets()
    }
}

/// The steps that are not timed, as they prepare what the others find; then so many are, as long as there is time.
const WARM: usize = 2;
const TIMED: usize = 30;
const TIME: Duration = Duration::from_secs(3);

/// The seconds of an epoch, of which a few batches are trained on and thrown away; none where they could not be.
fn epoch_seconds(config: &Config, work: &dyn Work, model: &Model) -> Outcome<Option<f64>> {
    let (source, valid) = (work.train()?, work.valid()?);
    let mut model = model.clone();
    let began = Instant::now();
    let mut seen: Vec<Instant> = Vec::new();
    // Without an end: a small text's batches come again.
    let fit = Fit { epochs: usize::MAX, early_stopping: None, ..fit(config) };
    let trained = model.fit_on(&*source, None, &fit, &mut |event| {
        if let Event::Step { .. } = event {
            seen.push(Instant::now());
        }
        let enough = seen.len() > WARM + 1 && (seen.len() > WARM + TIMED || began.elapsed() > TIME);
        if enough || interrupt::asked() { Flow::Stop } else { Flow::Continue }
    });
    let (Ok(_), Some([first, .., last])) = (trained, seen.get(WARM..)) else { return Ok(None) };
    let step = (*last - *first).as_secs_f64() / (seen.len() - WARM - 1) as f64;
    let mut seconds = step * source.batches(0) as f64;
    if let Some(valid) = &valid {
        let few = First(3, &**valid);
        model.evaluate_on(&First(1, &**valid))?;
        let began = Instant::now();
        model.evaluate_on(&few)?;
        seconds += began.elapsed().as_secs_f64() / few.batches(0).max(1) as f64 * valid.batches(0) as f64;
    }
    Ok(Some(seconds))
}

/// Shows shapes, parameters, estimates of the time and of the memory, and the loss of one batch at the initial weights.
pub fn dry_run(config: &Config, work: &dyn Work, out: &Out) -> Outcome {
    work.notes().into_iter().for_each(|note| out.log(note));
    let (model, _) = task::initial(config, work, out)?;
    let source = work.train()?;
    let batch = source.batch(0, 0)?;
    let layout = &batch.layout;
    let (sequences, steps, rows) = (layout.batch(), layout.steps(), layout.rows());
    let slots = config.train.optimizer.slot_names().len();
    let parameters = model.values().len();
    let means = usize::from(config.train.average.is_some());
    let weights = 4 * parameters * (2 + slots + means);
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
    let evaluation = model.evaluate_on(&First(1, &*source))?;
    let figures = work.figures(&evaluation);
    let batches = match source.batches(0) {
        1 => "1 batch".into(),
        n => format!("{} batches", thousands(n)),
    };
    let epochs = config.train.epochs();
    let seconds = epoch_seconds(config, work, &model)?;
    let time = match seconds {
        Some(epoch) => takes(epoch, epochs, config.train.patience().is_some()),
        None => "not known: the first batches did not train".into(),
    };
    out.line(model.summary().trim_end())?;
    out.line(format!(
        "\nbatch          {sequences} sequences of at most {steps} steps, {} in all; {batches} an epoch\n\
         {:<14} {} an epoch\n\
         time           {time}\n\
         memory, about  {}: weights, gradients and {} {}, activations {}\n\
         first batch    {} (at the initial weights)\n\
         nothing was trained or written",
        thousands(rows),
        work.unit(),
        thousands(source.targets() / work.targets_of_unit()),
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
        work.unit(): source.targets() / work.targets_of_unit(),
        "first_batch": figures,
        "seconds": {
            "epoch": seconds.map_or(Value::Null, number),
            "total": seconds.map_or(Value::Null, |epoch| number(epoch * epochs as f64)),
        },
    }))
}
