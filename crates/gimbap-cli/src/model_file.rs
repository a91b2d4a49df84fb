//! Opening a trained model: the file, and what it is for.

use std::path::{Path, PathBuf};

use gimbap::model::Model;

use crate::output::{Failure, Outcome};
use crate::run_dir::model_path;
use crate::task::{TaskDoc, lm};

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
    serde_json::from_value(model.task.clone()).map(Some).map_err(|e| {
        let message = format!("{}: its task is not one that this version knows: {e}", path.display());
        Failure::work("model_file", message)
    })
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
