//! Labelled examples: texts with a class, and ragged sequences of features with a class.
//!
//! | on disk | read as |
//! |---|---|
//! | CSV or TSV with a text column and a label column | [`LabelledText`] |
//! | a folder with one file per class, an example a line | [`LabelledText`] |
//! | CSV or TSV with a row per time step: sequence id, time, features, label | [`LabelledSeries`] |
//!
//! Classes are numbered from 0: in numerical order if all their names are numbers, else in alphabetical order. A
//! reader given the classes of a trained model keeps their numbers and refuses a label that is not among them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::data::read::{list_files, plain_name, read_text};
use crate::data::series::NO_TIME;
use crate::data::sheet::{Sheet, nearest, shorten};
use crate::data::time::{Time, Times};
use crate::error::{Error, Result};

/// Texts and the class of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledText {
    /// The examples.
    pub texts: Vec<String>,
    /// The class of each, an index into `classes`.
    pub labels: Vec<u32>,
    /// The names of the classes.
    pub classes: Vec<String>,
}

/// The columns of a table of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextColumns {
    /// The text column; by default `text`, or `document` if there is no `text`.
    pub text: Option<String>,
    /// The label column; by default `label`.
    pub label: Option<String>,
}

impl TextColumns {
    fn text_in(&self, sheet: &Sheet) -> Result<usize> {
        let document = sheet.header.iter().any(|name| name == "document");
        let text = sheet.header.iter().any(|name| name == "text");
        let default = if document && !text { "document" } else { "text" };
        sheet.column(self.text.as_deref().unwrap_or(default), "data.text")
    }
}

impl LabelledText {
    /// Reads a CSV or TSV file, or a folder with one file per class ([`class_files`] says which).
    ///
    /// # Errors
    /// [`Error::Data`] for a missing column, a ragged row, an empty label, labels of one class only, an empty
    /// file; [`Error::Io`] if a file cannot be read.
    pub fn read(path: impl AsRef<Path>, columns: &TextColumns) -> Result<Self> {
        Self::read_as(path.as_ref(), columns, None)
    }

    /// As [`read`](Self::read), with the classes of a trained model: their numbers are kept, one class alone is
    /// allowed, and a label that is not among them is an error.
    pub fn read_with_classes(
        path: impl AsRef<Path>,
        columns: &TextColumns,
        classes: &[String],
    ) -> Result<Self> {
        Self::read_as(path.as_ref(), columns, Some(classes))
    }

    fn read_as(path: &Path, columns: &TextColumns, classes: Option<&[String]>) -> Result<Self> {
        let mut texts = Vec::new();
        let mut labels = Labels::default();
        if path.is_dir() {
            for (class, file) in class_files(path)? {
                let content = read_text(&file)?;
                for (index, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                    texts.push(line.trim_end().to_owned());
                    labels.push(&class, &file.display().to_string(), 1 + index as u64);
                }
            }
        } else {
            let sheet = Sheet::read(path)?;
            let text = columns.text_in(&sheet)?;
            let label = sheet.column(columns.label.as_deref().unwrap_or("label"), "data.label")?;
            for row in &sheet.rows {
                texts.push(row.text(text).to_owned());
                labels.push(label_cell(&sheet, row.line, row.text(label), label)?, &sheet.place, row.line);
            }
        }
        let (labels, classes) = labels.number(&path.display().to_string(), classes)?;
        Ok(LabelledText { texts, labels, classes })
    }

    /// The examples at these places, in this order.
    ///
    /// # Panics
    /// If an index is beyond the examples.
    pub fn select(&self, indices: &[usize]) -> Self {
        LabelledText {
            texts: indices.iter().map(|&index| self.texts[index].clone()).collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            classes: self.classes.clone(),
        }
    }
}

/// Texts without labels, to predict: the text column of a CSV or TSV file (one that ends in `.csv`, `.tsv` or
/// `.tab`, with or without `.gz`), the lines of any other.
///
/// # Errors
/// As [`LabelledText::read`].
pub fn read_texts(path: impl AsRef<Path>, columns: &TextColumns) -> Result<Vec<String>> {
    let path = path.as_ref();
    if !matches!(plain_name(path).rsplit_once('.'), Some((_, "csv" | "tsv" | "tab"))) {
        return Ok(read_text(path)?.lines().map(str::to_owned).collect());
    }
    let sheet = Sheet::read(path)?;
    let text = columns.text_in(&sheet)?;
    Ok(sheet.rows.iter().map(|row| row.text(text).to_owned()).collect())
}

/// The files of a folder that hold one class each, with the class's name, in the order of names.
///
/// If several files differ in their extension alone (`rt-polarity.neg`, `rt-polarity.pos`), these are the classes, by
/// their extensions, and any other file is passed over. Otherwise every `.txt` file is a class, by its name without
/// `.txt`; `README`, `LICENSE` and `SOURCE` are none. A final `.gz` does not count as an extension.
///
/// # Errors
/// [`Error::Data`] if fewer than two classes are found, or two groups of files differ in extension.
pub fn class_files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let place = folder.display().to_string();
    let mut by_stem: Vec<(String, Vec<(String, PathBuf)>)> = Vec::new();
    for file in list_files(folder)? {
        let name = plain_name(&file);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let entry = (extension.to_owned(), file);
        match by_stem.iter_mut().find(|group| group.0 == stem) {
            Some(group) => group.1.push(entry),
            None => by_stem.push((stem.to_owned(), vec![entry])),
        }
    }
    let groups: Vec<_> = by_stem.iter().filter(|group| group.1.len() > 1).collect();
    let classes: Vec<(String, PathBuf)> = match groups.as_slice() {
        [(_, files)] => files.clone(),
        [] => by_stem
            .into_iter()
            .filter(|(stem, files)| {
                let about = ["readme", "license", "source"].contains(&stem.to_lowercase().as_str());
                files[0].0 == "txt" && !about
            })
            .map(|(stem, files)| (stem, files.into_iter().next().unwrap_or_default().1))
            .collect(),
        [one, other, ..] => {
            return Err(Error::data(
                place,
                format!(
                    "both `{}` and `{}` come with several extensions, so it is not clear which are the classes: \
                     keep one group in the folder",
                    one.0, other.0
                ),
            ));
        }
    };
    if classes.len() < 2 {
        return Err(Error::data(
            place,
            format!(
                "{} file of a class found where two or more are needed: name them NAME.CLASS or CLASS.txt, one \
                 example a line",
                classes.len()
            ),
        ));
    }
    Ok(classes)
}

/// Ragged sequences of feature frames and the class of each.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledSeries {
    /// Each sequence's frames one after another: `lengths[i] * F` numbers.
    pub features: Vec<Vec<f32>>,
    /// The number of time steps of each sequence.
    pub lengths: Vec<usize>,
    /// The class of each, an index into `classes`.
    pub labels: Vec<u32>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The names of the F features.
    pub feature_names: Vec<String>,
    /// Each sequence's id, in the order of their first appearance.
    pub ids: Vec<String>,
}

/// The columns of a long table of sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceColumns {
    /// The sequence-id column; by default `id`.
    pub id: Option<String>,
    /// The time column; by default `time`. `none`: there is none.
    pub time: Option<String>,
    /// The label column; by default `label`.
    pub label: Option<String>,
    /// The feature columns; by default all others, which must then all be numbers.
    pub features: Vec<String>,
}

impl LabelledSeries {
    /// Reads a CSV or TSV file in long format, a row per time step.
    ///
    /// The rows of a sequence may stand anywhere in the file: they are put in the order of their time, numbers or dates as
    /// [`time`](crate::data::time) reads them. Without a time column they keep the order of the file.
    ///
    /// # Errors
    /// [`Error::Data`] for a missing column, a ragged row, a cell that is no number, a time that is none, two rows of a
    /// sequence at the same time, a sequence with two labels, labels of one class only, an empty file.
    pub fn read(path: impl AsRef<Path>, columns: &SequenceColumns) -> Result<Self> {
        Self::read_as(path.as_ref(), columns, None)
    }

    /// As [`read`](Self::read), with the classes of a trained model: their numbers are kept, one class alone is
    /// allowed, and a label that is not among them is an error.
    pub fn read_with_classes(
        path: impl AsRef<Path>,
        columns: &SequenceColumns,
        classes: &[String],
    ) -> Result<Self> {
        Self::read_as(path.as_ref(), columns, Some(classes))
    }

    fn read_as(path: &Path, columns: &SequenceColumns, classes: Option<&[String]>) -> Result<Self> {
        let sheet = Sheet::read(path)?;
        let id = sheet.column(columns.id.as_deref().unwrap_or("id"), "data.id")?;
        let time = match columns.time.as_deref() {
            Some(NO_TIME) => None,
            named => Some(sheet.column(named.unwrap_or("time"), "data.time")?),
        };
        let label = sheet.column(columns.label.as_deref().unwrap_or("label"), "data.label")?;
        let features: Vec<usize> = if columns.features.is_empty() {
            (0..sheet.header.len())
                .filter(|column| ![id, label].contains(column) && Some(*column) != time)
                .collect()
        } else {
            columns.features.iter().map(|name| sheet.column(name, "data.value")).collect::<Result<_>>()?
        };
        if features.is_empty() {
            return Err(Error::data(
                format!("{}, line 1", sheet.place),
                format!("no feature column beside `{}`: add at least one", sheet.header.join("`, `")),
            ));
        }

        // The rows of each sequence.
        let mut ids: Vec<String> = Vec::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (index, row) in sheet.rows.iter().enumerate() {
            let sequence = *known.entry(row.text(id).trim()).or_insert_with(|| {
                ids.push(row.text(id).trim().to_owned());
                members.push(Vec::new());
                ids.len() - 1
            });
            members[sequence].push(index);
        }

        let times = time.map(|column| times(&sheet, column)).transpose()?;
        let mut series = LabelledSeries {
            features: Vec::new(),
            lengths: Vec::new(),
            labels: Vec::new(),
            classes: Vec::new(),
            feature_names: features.iter().map(|&column| sheet.header[column].clone()).collect(),
            ids,
        };
        let mut labels = Labels::default();
        for (sequence, rows) in members.iter_mut().enumerate() {
            let first = &sheet.rows[rows[0]];
            let name = label_cell(&sheet, first.line, first.text(label), label)?;
            for row in rows.iter().map(|&row| &sheet.rows[row]) {
                let other = label_cell(&sheet, row.line, row.text(label), label)?;
                if other != name {
                    return Err(Error::data(
                        format!("{}, line {}", sheet.place, row.line),
                        format!(
                            "sequence `{}` has label `{other}` here and `{name}` on line {}: a sequence has one",
                            series.ids[sequence], first.line
                        ),
                    ));
                }
            }
            labels.push(name, &sheet.place, first.line);
            if let (Some(column), Some(times)) = (time, &times) {
                let order = |a: &usize, b: &usize| times[*a].at.total_cmp(&times[*b].at);
                rows.sort_by(order);
                if let Some(twice) = rows.windows(2).find(|pair| order(&pair[0], &pair[1]).is_eq()) {
                    let line = |row: usize| sheet.rows[row].line;
                    return Err(Error::data(
                        format!("{}, line {}", sheet.place, line(twice[1])),
                        format!(
                            "sequence `{}` has time `{}` already on line {}: give each of its rows another time",
                            series.ids[sequence],
                            sheet.rows[twice[1]].text(column).trim(),
                            line(twice[0])
                        ),
                    ));
                }
            }
            let mut frames = Vec::with_capacity(rows.len() * features.len());
            for row in rows.iter().map(|&row| &sheet.rows[row]) {
                for &column in &features {
                    frames.push(sheet.number(row, column)? as f32);
                }
            }
            series.lengths.push(rows.len());
            series.features.push(frames);
        }
        (series.labels, series.classes) = labels.number(&sheet.place, classes)?;
        Ok(series)
    }

    /// The sequences at these places, in this order.
    ///
    /// # Panics
    /// If an index is beyond the sequences.
    pub fn select(&self, indices: &[usize]) -> Self {
        LabelledSeries {
            features: indices.iter().map(|&index| self.features[index].clone()).collect(),
            lengths: indices.iter().map(|&index| self.lengths[index]).collect(),
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            classes: self.classes.clone(),
            feature_names: self.feature_names.clone(),
            ids: indices.iter().map(|&index| self.ids[index].clone()).collect(),
        }
    }
}

/// Two lists of places, `(kept, held out)`: of every class the same share `fraction` is held out (to the nearest
/// whole number), which ones decided by `seed` alone. Both lists are in ascending order.
///
/// # Errors
/// [`Error::Config`] unless `fraction` lies between 0 and 1 and both lists get an example.
pub fn hold_out(labels: &[u32], fraction: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>)> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::config(
            "data.valid",
            format!("{fraction} is not a part of the data: give a number between 0 and 1"),
        ));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for class in 0..=labels.iter().copied().max().unwrap_or(0) {
        let mut members: Vec<usize> = (0..labels.len()).filter(|&index| labels[index] == class).collect();
        // Fisher and Yates, from the top; the bias of the remainder is below 2^-32 for any list that fits.
        for top in (1..members.len()).rev() {
            members.swap(top, (rng.next_u64() % (top as u64 + 1)) as usize);
        }
        let share = (members.len() as f64 * fraction).round() as usize;
        held.extend_from_slice(&members[..share]);
        kept.extend_from_slice(&members[share..]);
    }
    if kept.is_empty() || held.is_empty() {
        return Err(Error::config(
            "data.valid",
            format!(
                "{fraction} of {} examples leaves {} to train on and {} held out: give more data or another part (0 holds nothing out)",
                labels.len(),
                kept.len(),
                held.len()
            ),
        ));
    }
    kept.sort_unstable();
    held.sort_unstable();
    Ok((kept, held))
}

/// The times of a column, all of which must be some.
fn times(sheet: &Sheet, column: usize) -> Result<Vec<Time>> {
    let times = Times::parse(sheet.rows.iter().map(|row| row.text(column)));
    times.map(|times| times.times).map_err(|row| {
        let row = &sheet.rows[row];
        Error::data(
            format!("{}, line {}, column `{}`", sheet.place, row.line, sheet.header[column]),
            format!(
                "`{}` is no time, a number or a date such as 2024-01-31 or 2024-01-31 23:50: number the steps, or keep the order \
                 of the file with data.time = \"none\"",
                shorten(row.text(column).trim())
            ),
        )
    })
}

fn label_cell<'a>(sheet: &Sheet, line: u64, cell: &'a str, column: usize) -> Result<&'a str> {
    match cell.trim() {
        "" => Err(Error::data(
            format!("{}, line {line}, column `{}`", sheet.place, sheet.header[column]),
            "the label is empty: fill it in or take the row out",
        )),
        label => Ok(label),
    }
}

/// Labels as they are read: class names in the order of appearance, and where each first appeared.
#[derive(Default)]
pub(crate) struct Labels {
    names: Vec<String>,
    places: Vec<String>,
    index: HashMap<String, u32>,
    labels: Vec<u32>,
}

impl Labels {
    pub fn push(&mut self, name: &str, place: &str, line: u64) {
        let id = match self.index.get(name) {
            Some(&id) => id,
            None => {
                let id = self.names.len() as u32;
                self.index.insert(name.to_owned(), id);
                self.names.push(name.to_owned());
                self.places.push(format!("{place}, line {line}"));
                id
            }
        };
        self.labels.push(id);
    }

    /// The labels by the numbers of their classes, sorted or as given, and the classes.
    pub fn number(self, place: &str, given: Option<&[String]>) -> Result<(Vec<u32>, Vec<String>)> {
        let classes = match given {
            Some(given) => given.to_vec(),
            None if self.names.len() == 1 => {
                return Err(Error::data(
                    place,
                    format!(
                        "all {} examples have the label `{}`: two classes or more are needed",
                        self.labels.len(),
                        shorten(&self.names[0])
                    ),
                ));
            }
            None => {
                let mut classes = self.names.clone();
                if classes.iter().all(|name| name.parse::<f64>().is_ok_and(f64::is_finite)) {
                    let value = |name: &String| name.parse::<f64>().unwrap_or(f64::NAN);
                    classes.sort_by(|a, b| value(a).total_cmp(&value(b)).then_with(|| a.cmp(b)));
                } else {
                    classes.sort();
                }
                classes
            }
        };
        let numbers: HashMap<&str, u32> =
            (0u32..).zip(&classes).map(|(id, name)| (name.as_str(), id)).collect();
        let mut renumbered = Vec::with_capacity(self.names.len());
        for (name, place) in self.names.iter().zip(&self.places) {
            let Some(&number) = numbers.get(name.as_str()) else {
                let near = nearest(name, &classes);
                let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
                return Err(Error::data(
                    place,
                    format!(
                        "the label `{}` is not a class of this model{near}: its classes are `{}`",
                        shorten(name),
                        classes.join("`, `")
                    ),
                ));
            };
            renumbered.push(number);
        }
        let labels = self.labels.iter().map(|&label| renumbered[label as usize]).collect();
        Ok((labels, classes))
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
