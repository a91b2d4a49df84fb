//! `gimbap eval MODEL DATA`: the figures of a model on data.

use std::path::Path;

use gimbap::model::Model;

use crate::args::{Eval, Unknown};
use crate::input::is_stdin;
use crate::model_file::{self, Opened};
use crate::output::{Failure, Out, Outcome};
use crate::task::{Report, TaskDoc, arrays, classify, forecast, lm, multi_label, regress, tag};

/// Measures.
pub fn run(args: &Eval, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?.sound()?;
    if is_stdin(&args.data) && !matches!(opened.task, Some(TaskDoc::Forecast(_))) {
        let message = "`-` is standard input, and what is measured here is a file: give its name";
        return Err(Failure::usage("usage", message));
    }
    let each = opened.task.as_ref().is_some_and(|task| task.reading().is_some());
    if args.target.is_some() && !each {
        let message = "--target is for the labels of an array of sequences: leave it out";
        return Err(Failure::usage("usage", message));
    }
    let labels = matches!(opened.task, Some(TaskDoc::Classify(_) | TaskDoc::MultiLabel(_) | TaskDoc::Tag(_)));
    if args.full && !labels {
        let message = "--full is for the labels of a classifier or a tagger: leave it out";
        return Err(Failure::usage("usage", message));
    }
    let report = match (&opened.task, args.unknown) {
        (Some(TaskDoc::Lm(doc)), Some(unknown)) => lm::evaluate(doc, &opened.model, &args.data, unknown)?,
        (_, Some(_)) => {
            let message = "--unknown is for the tokens of a language model: leave it out";
            return Err(Failure::usage("usage", message));
        }
        (Some(TaskDoc::Tag(doc)), None) => tag::evaluate(doc, &opened.model, &args.data, args.full)?,
        (Some(task), None) if task.reading().is_some() => {
            if let Some(form) = arrays::chosen(&args.data, arrays::Part::Test)? {
                out.log(format!("read as: {form}"));
            }
            of_examples(task, &opened.model, &args.data, args.target.as_deref(), args.full)?
        }
        (_, None) => measure(&opened, &opened.model, &args.data)?,
    };
    out.line(&report.text)?;
    if !report.tables.is_empty() {
        out.line(format!("\n{}", report.tables))?;
    }
    out.json(&report.metrics)
}

/// The figures of a task with a label for each example.
fn of_examples(
    task: &TaskDoc,
    model: &Model,
    data: &Path,
    target: Option<&Path>,
    full: bool,
) -> Outcome<Report> {
    match task {
        TaskDoc::Classify(doc) => classify::evaluate(doc, model, data, target, full),
        TaskDoc::MultiLabel(doc) => multi_label::evaluate(doc, model, data, target, full),
        TaskDoc::Regress(doc) => regress::evaluate(doc, model, data, target),
        TaskDoc::Lm(_) | TaskDoc::Tag(_) | TaskDoc::Forecast(_) => {
            Err(Failure::work("task", format!("{} has no examples with labels", task.name())))
        }
    }
}

/// The figures of a model with the task of the one that was opened.
pub fn measure(opened: &Opened, model: &Model, data: &Path) -> Outcome<Report> {
    Ok(match &opened.task {
        Some(TaskDoc::Lm(doc)) => lm::evaluate(doc, model, data, Unknown::Count)?,
        Some(task @ (TaskDoc::Classify(_) | TaskDoc::MultiLabel(_) | TaskDoc::Regress(_))) => {
            of_examples(task, model, data, None, false)?
        }
        Some(TaskDoc::Tag(doc)) => tag::evaluate(doc, model, data, false)?,
        Some(TaskDoc::Forecast(doc)) => forecast::evaluate(doc, model, data)?,
        None => {
            let message = format!("{} has no task: it is not known how to measure it", opened.path.display());
            return Err(Failure::work("task", message));
        }
    })
}
