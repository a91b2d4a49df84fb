//! `gimbap eval MODEL DATA`: the figures of a model on data.

use crate::args::Eval;
use crate::model_file;
use crate::output::{Failure, Out, Outcome};
use crate::task::{TaskDoc, classify, forecast, lm};

/// Measures.
pub fn run(args: &Eval, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?;
    let (model, data) = (&opened.model, args.data.as_path());
    let report = match &opened.task {
        Some(TaskDoc::Lm(doc)) => lm::evaluate(doc, model, data)?,
        Some(TaskDoc::Classify(doc)) => classify::evaluate(doc, model, data)?,
        Some(TaskDoc::Forecast(doc)) => forecast::evaluate(doc, model, data)?,
        None => {
            let message = format!("{} has no task: it is not known how to measure it", opened.path.display());
            return Err(Failure::work("task", message));
        }
    };
    out.line(&report.text)?;
    out.json(&report.metrics)
}
