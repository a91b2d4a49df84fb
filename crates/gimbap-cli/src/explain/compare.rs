//! Models side by side on the same sequence: how far each reaches back, and whether it sees the order of the tokens.

use gimbap::explain::{Explanation, explain};
use gimbap::layer::{LayerSpec, Pool};
use gimbap::model::Model;
use ndarray::Axis;
use serde::Serialize;

use super::subject::{Kind, Question, Subject, subject};
use crate::model_file::Opened;
use crate::output::{Failure, Outcome};
use crate::task::TaskDoc;

/// Of one model.
#[derive(Debug)]
pub struct Beside {
    /// What it is called: its recurrent layers, or that it has none.
    pub name: String,
    /// What it does; None of a model without a recurrent layer.
    pub found: Option<Explanation>,
    /// Whether it knows the sequence by the mean of its vectors alone.
    pub mean: bool,
    /// How many parameters it has.
    pub parameters: usize,
    /// What a swap does to it; None where there is nothing to swap.
    pub swap: Option<Swap>,
}

/// What two tokens in each other's place do to the log-probability of what is wanted: by a language model, to that of the
/// last token, which has read all the others.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Swap {
    /// As they stand.
    pub before: f64,
    /// With the tokens swapped.
    pub after: f64,
}

/// Another model on the same sequence, towards the same label.
pub fn other(
    opened: &Opened,
    question: &Question<'_>,
    first: &Subject,
    places: Option<(usize, usize)>,
) -> Outcome<Beside> {
    let another = || {
        let message = format!("--compare: {} has another task than the model", opened.path.display());
        Failure::usage("usage", message)
    };
    let label = match (first.kind, &opened.task) {
        (Kind::Label, _) => Some(&first.targets[0]),
        // A network without recurrence that gives the last word when it has read the others (`gimbap memory`).
        (Kind::Next, Some(TaskDoc::Classify(doc))) => {
            let last = first.targets.last().filter(|last| doc.classes.contains(last));
            Some(last.filter(|_| !recurrent(&opened.model)).ok_or_else(another)?)
        }
        _ => None,
    };
    let own = subject(opened, &Question { label: label.map(String::as_str), ..*question })?;
    if own.kind != first.kind && (first.kind, own.kind) != (Kind::Next, Kind::Label) {
        return Err(another());
    }
    let read = |own: &Subject| match (first.kind, own.kind) {
        (Kind::Next, Kind::Label) => own.steps == first.steps[1..],
        _ => own.steps == first.steps,
    };
    // Other tokens, other places.
    beside(opened, &own, places.filter(|_| read(&own)))
}

fn recurrent(model: &Model) -> bool {
    model.layers().iter().any(|layer| layer.recurrent().is_some())
}

/// A model on its sequence.
pub fn beside(opened: &Opened, subject: &Subject, places: Option<(usize, usize)>) -> Outcome<Beside> {
    let model = &opened.model;
    let mut found = if recurrent(model) { Some(explain(model, &subject.data)?) } else { None };
    if let (Some(found), Kind::Label, 2) = (&mut found, subject.kind, subject.outputs.len())
        && found.outputs.ncols() == 1
    {
        // One output is the probability of the second label: the first has what is left.
        let yes = &found.outputs;
        found.outputs = ndarray::concatenate![Axis(1), yes.mapv(|p| 1.0 - p), yes.clone()];
    }
    let mut name: Vec<&str> =
        model.layers().iter().filter(|l| l.recurrent().is_some()).map(|l| l.kind()).collect();
    name.dedup();
    let name = if name.is_empty() { "feed-forward".to_string() } else { name.join(", ") };
    let swap = match places {
        None => None,
        Some(places) => {
            let loss = |places: (usize, usize)| -> Outcome<Option<f64>> {
                let Some(data) = subject.swapped(places)? else { return Ok(None) };
                let found = model.evaluate_data(&data, 1)?;
                Ok(Some(-found.loss * found.rows as f64))
            };
            loss((0, 0))?.zip(loss(places)?).map(|(before, after)| Swap { before, after })
        }
    };
    let losses =
        found.iter().map(|found| found.loss).chain(swap.iter().flat_map(|swap| [swap.before, swap.after]));
    if !{ losses }.all(f64::is_finite) {
        let message = "its loss is not a finite number: the weights have diverged, train with a smaller rate";
        return Err(Failure::work("not_finite", format!("{}: {message}", opened.path.display())));
    }
    let mean =
        found.is_none() && model.layers().iter().any(|layer| matches!(layer, LayerSpec::Pool(Pool::Mean)));
    Ok(Beside { name, found, mean, parameters: model.values().len(), swap })
}
