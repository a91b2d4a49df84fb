//! Opening a trained model: the file, and what it is for.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use gimbap::data::series::Scaler;
use gimbap::layer::Parameter;
use gimbap::model::{Input, Model};

use crate::output::{Failure, Outcome};
use crate::run_dir::model_path;
use crate::task::examples::{Kind, Reading};
use crate::task::{TaskDoc, classify, forecast, lm};

/// A model and where it came from.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub path: PathBuf,
    /// The model.
    pub model: Model,
    /// What it is for; none of a model that was not trained by this command.
    pub task: Option<TaskDoc>,
}

/// Opens a model file, or the best model of a run's folder.
pub fn open(argument: &Path) -> Outcome<Opened> {
    let path = model_path(argument);
    let model = gimbap::checkpoint::load(&path)?;
    let task = task_of(&model, &path)?;
    Ok(Opened { path, model, task })
}

/// What a model, of this file, is for.
pub fn task_of(model: &Model, path: &Path) -> Outcome<Option<TaskDoc>> {
    if model.task.is_null() {
        return Ok(None);
    }
    let wrong = |what: String| Failure::work("model_file", format!("{}: {what}", path.display()));
    let task: TaskDoc = serde_json::from_value(model.task.clone())
        .map_err(|e| wrong(format!("its task is not one that this version knows: {e}")))?;
    check(&task, model).map_err(|what| wrong(format!("{what}: give the model file as training wrote it")))?;
    Ok(Some(task))
}

/// Holds a task against the model that it is with: what is wrong, if something is.
fn check(task: &TaskDoc, model: &Model) -> Result<(), String> {
    let output = model.describe().map_err(|e| e.to_string())?.last().map(|(_, _, output, _)| *output);
    let (gives, each) = output.map_or((0, false), |output| (output.width(), output.has_steps()));
    if let Some(vocabulary) = task.vocabulary() {
        match model.input() {
            Input::Features(_) => return Err("it has a vocabulary, but its model takes features".into()),
            Input::Ids(takes) => {
                agree("its vocabulary has", vocabulary.len(), "tokens, the model takes", takes)?
            }
        }
    }
    match task {
        TaskDoc::Lm(doc) => {
            agree("its vocabulary has", doc.vocabulary.len(), "tokens, the model gives scores of", gives)
        }
        TaskDoc::Tag(doc) if !each => {
            Err(format!("its {} labels are for tokens, the model gives one output for all", doc.labels.len()))
        }
        TaskDoc::Tag(doc) => {
            agree("its task has", doc.labels.len(), "labels, the model gives scores of", gives)?;
            check_names(&doc.labels)?;
            check_usual(doc.usual, doc.labels.len())
        }
        TaskDoc::Classify(doc) => check_classifier(doc, model, gives, each),
        TaskDoc::MultiLabel(doc) => {
            agree("its task has", doc.classes.len(), "labels, the model gives probabilities of", gives)?;
            check_names(&doc.classes)?;
            doc.usual.iter().try_for_each(|&usual| check_usual(Some(usual), doc.classes.len()))?;
            check_reading(&doc.reading, model, each)
        }
        TaskDoc::Regress(doc) => {
            agree("its task has", 1, "number, the model gives", gives)?;
            agree("its task has", 1, "number, its scaler scales", doc.target.features())?;
            if !doc.mean.is_finite() {
                return Err(format!("the mean of its training data is {}", doc.mean));
            }
            check_reading(&doc.reading, model, each)
        }
        TaskDoc::Forecast(doc) => check_forecaster(doc, model, gives),
    }
}

/// What a task says and what the model does are the same number, and not 0.
fn agree(has: &str, says: usize, does: &str, number: usize) -> Result<(), String> {
    match says == number && says > 0 {
        true => Ok(()),
        false => Err(format!("{has} {says} {does} {number}")),
    }
}

/// No two labels have one name.
fn check_names(names: &[String]) -> Result<(), String> {
    let mut known = HashSet::new();
    match names.iter().find(|name| !known.insert(*name)) {
        Some(name) => Err(format!("two of its labels are called `{name}`")),
        None => Ok(()),
    }
}

/// The label most frequent in training is one of the labels.
fn check_usual(usual: Option<u32>, labels: usize) -> Result<(), String> {
    match usual.filter(|&usual| usual as usize >= labels) {
        Some(usual) => Err(format!("its most frequent label is number {usual} of {labels}, counted from 0")),
        None => Ok(()),
    }
}

fn check_classifier(doc: &classify::Doc, model: &Model, gives: usize, each: bool) -> Result<(), String> {
    let classes = doc.classes.len();
    // One output stands for two classes.
    if (gives, classes) != (1, 2) {
        agree("its task has", classes, "classes, the model gives probabilities of", gives)?;
    }
    check_names(&doc.classes)?;
    check_usual(doc.usual, classes)?;
    if !(doc.temperature > 0.0 && doc.temperature.is_finite()) {
        return Err(format!("its temperature is {}, which must be a number above 0", doc.temperature));
    }
    check_reading(&doc.reading, model, each)
}

/// A label of a whole sequence comes of one output, and of the columns that the model takes.
fn check_reading(reading: &Reading, model: &Model, each: bool) -> Result<(), String> {
    if each {
        return Err("its labels are for sequences, the model gives an output at every step".into());
    }
    match &reading.input {
        Kind::Text { .. } => Ok(()),
        Kind::Series { features, scaler, .. } => check_columns(features, scaler, model),
    }
}

fn check_forecaster(doc: &forecast::Doc, model: &Model, gives: usize) -> Result<(), String> {
    // Where something is known ahead, a step says whether it lies there, and has an output of its own.
    let ahead = !doc.known.is_empty() || !doc.calendar.is_empty();
    let (values, scaled) = (doc.values.len(), doc.scaler.features());
    check_takes("its scaler and steps have", scaled + usize::from(ahead), model)?;
    if values > scaled {
        return Err(format!("its task has {values} columns to forecast, its scaler scales {scaled}"));
    }
    for (name, rows) in [("window", Some(doc.window)), ("horizon", Some(doc.horizon)), ("season", doc.season)]
    {
        if rows == Some(0) {
            return Err(format!("its {name} has 0 rows"));
        }
    }
    for naive in
        std::iter::once(&doc.naive).filter(|naive| !naive.is_empty()).chain(doc.naive_by_series.values())
    {
        agree("its task has", values, "columns to forecast, and errors to compare with of", naive.len())?;
    }
    let wanted = if ahead { values } else { doc.horizon.saturating_mul(values) };
    agree("its forecast has", wanted, "numbers, the model gives", gives)
}

/// A task's columns are those that the model takes and the scaler scales.
fn check_columns(columns: &[String], scaler: &Scaler, model: &Model) -> Result<(), String> {
    check_takes("its task has", columns.len(), model)?;
    agree("its task has", columns.len(), "columns, its scaler scales", scaler.features())
}

/// The model takes so many columns of numbers.
fn check_takes(has: &str, columns: usize, model: &Model) -> Result<(), String> {
    match model.input() {
        Input::Ids(_) => Err("it has columns of numbers, but its model takes tokens".into()),
        Input::Features(takes) => agree(has, columns, "columns, the model takes", takes),
    }
}

impl Opened {
    /// The same, if its weights are numbers; with others every answer would be none.
    pub fn sound(self) -> Outcome<Opened> {
        let broken = |p: &&Parameter| self.model.values()[p.range.clone()].iter().any(|w| !w.is_finite());
        let Some(parameter) = self.model.parameters().iter().find(broken) else { return Ok(self) };
        let message = format!(
            "{}: `{}` has values that are no finite numbers, so nothing comes of the model: take one from before its \
             training went wrong",
            self.path.display(),
            parameter.name
        );
        Err(Failure::work("model_file", message))
    }
}

/// Opens a language model; `verb` is for the message about any other.
pub fn open_lm(argument: &Path, verb: &str) -> Outcome<(Model, lm::Doc)> {
    let opened = open(argument)?;
    match opened.task {
        Some(TaskDoc::Lm(doc)) => Ok((opened.model, doc)),
        other => Err(Failure::work(
            "task",
            format!(
                "{} is {}; `gimbap {verb}` needs a language model",
                opened.path.display(),
                other.as_ref().map_or("a model without a task", TaskDoc::name)
            ),
        )),
    }
}
