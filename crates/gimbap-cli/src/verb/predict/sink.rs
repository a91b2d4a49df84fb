//! Where predictions go, as they come: to stdout, or into a file that appears once it is whole.

use std::io::{BufWriter, Write};
use std::path::Path;

use gimbap::checkpoint::WholeFile;
use serde_json::json;

use super::{Cell, Predictions, csv_line};
use crate::npy;
use crate::output::{Failure, Out, Outcome};
use crate::run_dir::names_file;

/// How a file is written, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Npy,
    Csv,
    Json,
    Lines,
}

impl Form {
    /// That of a file with this name.
    pub fn of(path: &Path) -> Form {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Form::Npy,
            Some("csv") => Form::Csv,
            Some("jsonl" | "json") => Form::Json,
            _ => Form::Lines,
        }
    }
}

/// A file under way.
pub(super) struct Output<'a> {
    path: &'a Path,
    file: BufWriter<WholeFile>,
}

impl<'a> Output<'a> {
    /// Begins it.
    pub fn create(path: &'a Path) -> Outcome<Self> {
        names_file(path)?;
        Ok(Output { path, file: BufWriter::new(WholeFile::create(path)?) })
    }

    /// Writes on.
    pub fn write(&mut self, bytes: &[u8]) -> Outcome {
        self.file.write_all(bytes).map_err(|e| Failure::io(self.path, &e))
    }

    /// Puts it in its place, where there are so many of these, and tells of it.
    pub fn finish(self, first: Option<&[u8]>, count: usize, what: &str, out: &Out) -> Outcome {
        let mut file = self.file.into_inner().map_err(|e| Failure::io(self.path, e.error()))?;
        if let Some(first) = first {
            file.write_at_start(first)?;
        }
        file.finish()?;
        out.log(format!("{count} {what} in {}", self.path.display()));
        out.json(&json!({"out": self.path, "predictions": count}))
    }
}

/// Takes predictions.
pub(super) struct Sink<'a> {
    /// The file; None: stdout.
    path: Option<&'a Path>,
    form: Form,
    out: &'a Out,
    count: usize,
    /// The file, from the first prediction on.
    file: Option<Output<'a>>,
    /// Of a `.npy`: the shape of one prediction; its numbers, where the header cannot be written last.
    shape: Vec<usize>,
    kept: Option<Vec<u8>>,
}

impl<'a> Sink<'a> {
    /// Into a file, or to stdout.
    pub fn new(path: Option<&'a Path>, out: &'a Out) -> Self {
        let form = path.map_or(Form::Lines, Form::of);
        Sink { path, form, out, count: 0, file: None, shape: Vec::new(), kept: None }
    }

    /// Takes some, which follow those before.
    pub fn add(&mut self, predictions: Predictions) -> Outcome {
        let Predictions { header, titled, rows, numbers } = predictions;
        let first = self.count == 0;
        self.count += rows.len();
        let Some(path) = self.path else {
            if first && titled {
                self.out.line(header.join("\t"))?;
            }
            for row in &rows {
                self.out.line(row.line(Cell::rounded))?;
                self.out.json(&row.object)?;
            }
            return Ok(());
        };
        if self.file.is_none() {
            let file = Output::create(path)?;
            self.kept = (self.form == Form::Npy && file.file.get_ref().is_straight()).then(Vec::new);
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        match self.form {
            Form::Npy => {
                if first {
                    self.shape = numbers.shape()[1..].to_vec();
                }
                let bytes = npy::bytes_of(&numbers);
                match &mut self.kept {
                    Some(kept) => kept.extend(bytes),
                    None => {
                        if first {
                            file.write(&npy::header(&[&[0], &self.shape[..]].concat()))?;
                        }
                        file.write(&bytes)?;
                    }
                }
            }
            Form::Csv if first => file.write(csv_line(&header).as_bytes())?,
            _ => {}
        }
        for row in &rows {
            let line = match self.form {
                Form::Npy => break,
                Form::Csv => csv_line(&row.cells.iter().map(Cell::exact).collect::<Vec<_>>()),
                Form::Json => format!("{}\n", row.object),
                Form::Lines => row.line(Cell::exact) + "\n",
            };
            file.write(line.as_bytes())?;
        }
        Ok(())
    }

    /// Puts the file in its place.
    pub fn finish(self) -> Outcome {
        let Some(mut file) = self.file else { return Ok(()) };
        let header =
            (self.form == Form::Npy).then(|| npy::header(&[&[self.count], &self.shape[..]].concat()));
        if let (Some(header), Some(kept)) = (&header, &self.kept) {
            file.write(header)?;
            file.write(kept)?;
        }
        let first = header.filter(|_| self.kept.is_none());
        file.finish(first.as_deref(), self.count, "predictions", self.out)
    }
}
