//! `gimbap eval MODEL DATA`: the figures of a model on data.

use std::path::Path;

use gimbap::model::Model;

use crate::args::{Eval, Unknown};
use crate::model_file::{self, Opened};
use crate::output::{Failure, Out, Outcome};
use crate::task::{Report, TaskDoc, arrays, classify, forecast, lm, tag};

/// Measures.
pub fn run(args: &Eval, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?.sound()?;
    let classifies = matches!(opened.task, Some(TaskDoc::Classify(_)));
    if args.target.is_some() && !classifies {
        let message = "--target is for the labels of a classifier's array: leave it out";
        return Err(Failure::usage("usage", message));
    }
    if args.full && !(classifies || matches!(opened.task, Some(TaskDoc::Tag(_)))) {
        let message = "--full is for the labels of a classifier or a tagger: leave it out";
        return Err(Failure::usage("usage", message));
    }
    let report = match (&opened.task, args.unknown) {
        (Some(TaskDoc::Lm(doc)), Some(unknown)) => lm::evaluate(doc, &opened.model, &args.data, unknown)?,
        (_, Some(_)) => {
            let message = "--unknown is for the tokens of a language model: leave it out";
            return Err(Failure::usage("usage", message));
        }
        (Some(TaskDoc::Classify(doc)), None) => {
            if let Some(form) = arrays::chosen(&args.data, arrays::Part::Test)? {
                out.log(format!("read as: {form}"));
            }
            classify::evaluate(doc, &opened.model, &args.data, args.target.as_deref(), args.full)?
        }
        (Some(TaskDoc::Tag(doc)), None) => tag::evaluate(doc, &opened.model, &args.data, args.full)?,
        (_, None) => measure(&opened, &opened.model, &args.data)?,
    };
    out.line(&report.text)?;
    if !report.tables.is_empty() {
        out.line(format!("\n{}", report.tables))?;
    }
    out.json(&report.metrics)
}

/// The figures of a model with the task of the one that was opened.
pub fn measure(opened: &Opened, model: &Model, data: &Path) -> Outcome<Report> {
    Ok(match &opened.task {
        Some(TaskDoc::Lm(doc)) => lm::evaluate(doc, model, data, Unknown::Count)?,
        Some(TaskDoc::Classify(doc)) => classify::evaluate(doc, model, data, None, false)?,
        Some(TaskDoc::Tag(doc)) => tag::evaluate(doc, model, data, false)?,
        Some(TaskDoc::Forecast(doc)) => forecast::evaluate(doc, model, data)?,
        None => {
            let message = format!("{} has no task: it is not known how to measure it", opened.path.display());
            return Err(Failure::work("task", message));
        }
    })
}
