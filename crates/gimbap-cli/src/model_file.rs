//! Opening a trained model: the file, and what it is for.

use std::path::{Path, PathBuf};

use gimbap::model::{Input, Model};

use crate::output::{Failure, Outcome};
use crate::run_dir::model_path;
use crate::task::{TaskDoc, classify, lm};

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
    let model: Model = gimbap::checkpoint::load(&path)?;
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
    match misfit(&task, model) {
        Some(misfit) => Err(wrong(misfit)),
        None => Ok(Some(task)),
    }
}

/// What is wrong between a task's vocabulary and the model it is with.
fn misfit(task: &TaskDoc, model: &Model) -> Option<String> {
    let (vocabulary, writes) = match task {
        TaskDoc::Lm(doc) => (&doc.vocabulary, true),
        TaskDoc::Tag(doc) => (&doc.vocabulary, false),
        TaskDoc::Classify(classify::Doc { input: classify::Kind::Text { vocabulary, .. }, .. }) => {
            (vocabulary, false)
        }
        TaskDoc::Classify(_) | TaskDoc::Forecast(_) => return None,
    };
    let tokens = vocabulary.len();
    let outputs = || model.describe().ok()?.last().map(|(_, _, output, _)| output.width());
    let (does, number) = match model.input() {
        Input::Features(_) => return Some("it has a vocabulary, but its model takes features".into()),
        Input::Ids(takes) if takes != tokens => ("takes", takes),
        Input::Ids(_) => ("gives scores of", outputs().filter(|&gives| writes && gives != tokens)?),
    };
    let remedy = "give the model file as training wrote it";
    Some(format!("its vocabulary has {tokens} tokens, the model {does} {number}: {remedy}"))
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
