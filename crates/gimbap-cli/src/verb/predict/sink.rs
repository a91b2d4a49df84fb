//! Where predictions go, as they come: to stdout, or into a file that appears once it is whole.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use serde_json::json;

use super::{Cell, Predictions, csv_line};
use crate::npy;
use crate::output::{Failure, Out, Outcome};
use crate::run_dir::write_atomic;

/// How a file is written, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Npy,
    Csv,
    Json,
    Lines,
}

/// Takes predictions.
pub(super) struct Sink<'a> {
    /// The file; None: stdout.
    path: Option<&'a Path>,
    form: Form,
    out: &'a Out,
    count: usize,
    /// The file's content so far; of a `.npy` its numbers and the shape of one prediction.
    bytes: Vec<u8>,
    numbers: Vec<f32>,
    shape: Vec<usize>,
}

impl<'a> Sink<'a> {
    /// Into a file, or to stdout.
    pub fn new(path: Option<&'a Path>, out: &'a Out) -> Self {
        let form = match path.and_then(|path| path.extension()?.to_str()) {
            Some("npy") => Form::Npy,
            Some("csv") => Form::Csv,
            Some("jsonl" | "json") => Form::Json,
            _ => Form::Lines,
        };
        Sink { path, form, out, count: 0, bytes: Vec::new(), numbers: Vec::new(), shape: Vec::new() }
    }

    /// Takes some, which follow those before.
    pub fn add(&mut self, predictions: Predictions) -> Outcome {
        let Predictions { header, titled, rows, numbers } = predictions;
        let first = self.count == 0;
        self.count += rows.len();
        if self.path.is_none() {
            if first && titled {
                self.out.line(header.join("\t"))?;
            }
            for row in &rows {
                self.out.line(row.line(Cell::rounded))?;
                self.out.json(&row.object)?;
            }
            return Ok(());
        }
        if first && self.form == Form::Csv {
            self.bytes.extend(csv_line(&header).into_bytes());
        }
        if self.form == Form::Npy {
            self.shape = numbers.shape()[1..].to_vec();
            self.numbers.extend(numbers.iter());
        }
        for row in &rows {
            let line = match self.form {
                Form::Npy => break,
                Form::Csv => csv_line(&row.cells.iter().map(Cell::exact).collect::<Vec<_>>()),
                Form::Json => format!("{}\n", row.object),
                Form::Lines => row.line(Cell::exact) + "\n",
            };
            self.bytes.extend(line.into_bytes());
        }
        Ok(())
    }

    /// Puts the file in its place.
    pub fn finish(mut self) -> Outcome {
        let Some(path) = self.path else { return Ok(()) };
        if self.form == Form::Npy {
            let shape = [&[self.count], &self.shape[..]].concat();
            let array = ArrayD::from_shape_vec(IxDyn(&shape), self.numbers)
                .map_err(|e| Failure::work("shape", e.to_string()))?;
            self.bytes = npy::to_bytes(&array);
        }
        write_atomic(path, &self.bytes)?;
        self.out.log(format!("{} predictions in {}", self.count, path.display()));
        self.out.json(&json!({"out": path, "predictions": self.count}))
    }
}
