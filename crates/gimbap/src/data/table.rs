//! Labelled examples: texts and ragged sequences of features, each with a class, with several classes or with a number
//! ([`Label`]).
//!
//! | on disk | read as |
//! |---|---|
//! | CSV or TSV with a text column and a label column, named by a header or by number | [`LabelledText`] |
//! | `.jsonl`: objects with a text and a label | [`LabelledText`] |
//! | lines `__label__x text` (fastText), or a label and a text (TREC, SST) | [`LabelledText`] |
//! | `.json`: a list of such objects, or objects one after another | [`LabelledText`] |
//! | a folder with one file per class, an example a line, or a folder per class, an example a file | [`LabelledText`] |
//! | CSV or TSV with a row per time step: sequence id, time, features, label | [`LabelledSeries`] |
//! | a row per sequence: CSV or TSV, `.ts`, `.arff` ([`wide`](super::wide)) | [`LabelledSeries`] |
//!
//! Classes are numbered from 0: in numerical order if all their names are numbers, else in alphabetical order. A
//! reader given the classes of a trained model keeps their numbers and refuses a label that is not among them.

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::labels::Label;
use super::labels::cells::Cells;
use super::lined;
use crate::data::folder::Folder;
use crate::data::read::{plain_name, read_text};
use crate::data::series::NO_TIME;
use crate::data::sheet::{NO_HEADER, Sheet, begins_with_numbers, is_missing, shorten};
use crate::data::time::{Time, Times};
use crate::error::{Error, Result};

/// Texts and the label of each, by default a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledText<L = u32> {
    /// The examples.
    pub texts: Vec<String>,
    /// The label of each; a class is an index into `classes`.
    pub labels: Vec<L>,
    /// The names of the classes; none where labels are numbers.
    pub classes: Vec<String>,
    /// The columns that they were read from: those asked for, or those found in a table without a header.
    pub columns: TextColumns,
    /// How the file was read, in words, if that had to be found out.
    pub read_as: Option<String>,
}

/// The columns of a table of texts, each by its name or its number from 1; the keys of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextColumns {
    /// The text column; by default `text`, or `document` if there is no `text`.
    pub text: Option<String>,
    /// The label column; by default `label`.
    pub label: Option<String>,
    /// Whether the table has a line of names; by default what it looks like.
    pub header: Option<bool>,
    /// What stands between the labels of a text that may have several; by default a blank.
    pub separator: Option<String>,
}

impl TextColumns {
    fn text_in(&self, sheet: &Sheet) -> Result<usize> {
        let document = sheet.header.iter().any(|name| name == "document");
        let text = sheet.header.iter().any(|name| name == "text");
        let default = if document && !text { "document" } else { "text" };
        sheet.column(self.text.as_deref().unwrap_or(default), "data.text")
    }

    fn label_in(&self, sheet: &Sheet) -> Result<usize> {
        sheet.column(self.label.as_deref().unwrap_or("label"), "data.label")
    }
}

/// A table of texts, with the columns of the text and the label.
struct TextTable {
    sheet: Sheet,
    text: usize,
    label: usize,
    /// Whether it was found out that there is no header.
    headerless: bool,
}

impl TextTable {
    fn find(sheet: Sheet, columns: &TextColumns) -> Result<Self> {
        let open = columns.header.is_none() && sheet.header_line.is_some();
        if let (true, Some([text, label])) = (open, by_number(&sheet, [&columns.text, &columns.label])) {
            if is_label(&sheet, label) {
                return Ok(TextTable { sheet: sheet.without_header(), text, label, headerless: true });
            }
            if sheet.header_looks_like_data() {
                return Err(first_line_unclear(&sheet));
            }
        }
        match (columns.text_in(&sheet), columns.label_in(&sheet)) {
            (Ok(text), Ok(label)) => Ok(TextTable { sheet, text, label, headerless: false }),
            (text, label) => match label_of_two(&sheet, columns) {
                Some(label) => {
                    Ok(TextTable { sheet: sheet.without_header(), text: 1 - label, label, headerless: true })
                }
                None => {
                    let error = text.and(label).err().unwrap_or_else(|| unreadable(&sheet.place));
                    Err(of_numbers(&sheet).unwrap_or(error))
                }
            },
        }
    }
}

/// Why a table of numbers is no table of texts, if it is one.
fn of_numbers(sheet: &Sheet) -> Option<Error> {
    let number = |column: &usize| {
        let cells = || sheet.rows.iter().take(100).map(|row| row.text(*column).trim());
        cells().any(|cell| cell.parse::<f64>().is_ok())
            && cells().all(|cell| cell.parse::<f64>().is_ok() || is_missing(cell))
    };
    let width = sheet.header.len();
    let numbers = (0..width).filter(number).count();
    (width > 2 && 2 * numbers >= width).then(|| {
        let message = format!(
            "{numbers} of its {width} columns hold numbers: if a row is a sequence, name the column of its label with data.label; \
             if a row is a step of one, name the columns with data.id, data.time (or \"none\"), data.value and data.label; if \
             these are texts, name them with data.text"
        );
        Error::data(sheet.place.clone(), message)
    })
}

/// The columns, if all of them are given by their numbers.
fn by_number<const N: usize>(sheet: &Sheet, columns: [&Option<String>; N]) -> Option<[usize; N]> {
    let width = sheet.header.len();
    let number = |name: &Option<String>| name.as_ref()?.parse().ok().filter(|n| (1..=width).contains(n));
    let numbers: Option<Vec<usize>> = columns.into_iter().map(|name| number(name).map(|n| n - 1)).collect();
    numbers?.try_into().ok()
}

/// Whether the header's cell of a column is one of few values below it, as a label is and a name is not.
fn is_label(sheet: &Sheet, column: usize) -> bool {
    let name = sheet.header[column].as_str();
    let values: HashSet<&str> = sheet.rows.iter().map(|row| row.text(column).trim()).collect();
    !name.is_empty() && values.contains(name) && 2 * values.len() <= sheet.rows.len() + 1
}

/// The column of the label in a table of two columns that certainly has no header: the one that [`is_label`].
fn label_of_two(sheet: &Sheet, columns: &TextColumns) -> Option<usize> {
    let open = columns.header.is_none() && columns.text.is_none() && columns.label.is_none();
    let two = open && sheet.header_line.is_some() && sheet.header.len() == 2;
    match two.then(|| [is_label(sheet, 0), is_label(sheet, 1)])? {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}

fn first_line_unclear(sheet: &Sheet) -> Error {
    let message = format!(
        "the first line (`{}`) may be data or names: {NO_HEADER}; `data.header = true` if it has names",
        shorten(&sheet.header.join("`, `"))
    );
    Error::data(format!("{}, line 1", sheet.place), message)
}

fn unreadable(place: &str) -> Error {
    let message = format!(
        "it is no table with columns `text` and `label`, and its lines do not begin with a label: give one of these, \
         `__label__x text` a line, .jsonl with a text and a label, or a folder with a file per class ({NO_HEADER})"
    );
    Error::data(place, message)
}

impl LabelledText {
    /// Reads a file or a folder.
    ///
    /// # Errors
    /// [`Error::Data`] for a missing column, a ragged row, an empty label, labels of one class only, an empty
    /// file; [`Error::Io`] if a file cannot be read.
    pub fn read(path: impl AsRef<Path>, columns: &TextColumns) -> Result<Self> {
        Self::of(path, columns, None)
    }

    /// As [`read`](Self::read), with the classes of a trained model: their numbers are kept, one class alone is
    /// allowed, and a label that is not among them is an error.
    pub fn read_with_classes(
        path: impl AsRef<Path>,
        columns: &TextColumns,
        classes: &[String],
    ) -> Result<Self> {
        Self::of(path, columns, Some(classes))
    }
}

impl<L: Label> LabelledText<L> {
    /// Texts with labels of any kind. `classes` are those of a trained model, none where its labels are numbers.
    ///
    /// # Errors
    /// As [`LabelledText::read`]; for a label that is not of this kind; where all labels are one number and there is no
    /// trained model.
    pub fn of(path: impl AsRef<Path>, columns: &TextColumns, classes: Option<&[String]>) -> Result<Self> {
        let path = path.as_ref();
        let labels = Cells::between(columns.separator.as_deref());
        let mut examples = Examples::<L> {
            texts: Vec::new(),
            labels,
            columns: columns.clone(),
            read_as: None,
            kind: PhantomData,
        };
        match path.is_dir() {
            true if L::NUMBERS => {
                let message =
                    "the files of a folder are classes, and a number is wanted of each example: give a table";
                return Err(Error::data(path.display().to_string(), message));
            }
            true => examples.folder(path)?,
            false => examples.file(path, classes)?,
        }
        if examples.texts.is_empty() {
            return Err(Error::data(
                path.display().to_string(),
                "it holds no example: give some, each with a label",
            ));
        }
        let (labels, classes) = L::of(examples.labels, &path.display().to_string(), classes)?;
        let Examples { texts, columns, read_as, .. } = examples;
        Ok(LabelledText { texts, labels, classes, columns, read_as })
    }

    /// The examples at these places, in this order.
    ///
    /// # Panics
    /// If an index is beyond the examples.
    pub fn select(&self, indices: &[usize]) -> Self {
        LabelledText {
            texts: indices.iter().map(|&index| self.texts[index].clone()).collect(),
            labels: indices.iter().map(|&index| self.labels[index].clone()).collect(),
            classes: self.classes.clone(),
            columns: self.columns.clone(),
            read_as: self.read_as.clone(),
        }
    }
}

/// Labelled texts under way.
struct Examples<L> {
    texts: Vec<String>,
    labels: Cells,
    columns: TextColumns,
    read_as: Option<String>,
    kind: PhantomData<L>,
}

impl<L: Label> Examples<L> {
    fn push(&mut self, text: &str, label: &str, place: &str, line: u64) {
        self.texts.push(text.to_owned());
        self.labels.push(label, place, line);
    }

    fn folder(&mut self, folder: &Path) -> Result<()> {
        let folder = Folder::open(folder)?;
        self.read_as = folder.read_as();
        folder.texts(|class, text, file, line| self.push(text, class, file, line))
    }

    fn file(&mut self, path: &Path, classes: Option<&[String]>) -> Result<()> {
        let (text, place, name) = (read_text(path)?, path.display().to_string(), plain_name(path));
        if lined::holds_objects(&name) {
            return self.objects(&text, &name, &place);
        }
        if lined::is_fasttext(&text) {
            self.read_as = Some("fastText lines".into());
            let separator = L::SEVERAL.then(|| self.columns.separator.as_deref().unwrap_or(" "));
            self.lines(&lined::fasttext(&text, &place, separator)?, &place);
            return Ok(());
        }
        if self.columns == TextColumns::default() && !is_table(&name, &text) {
            let lines = match L::NUMBERS {
                true => lined::numbers_first(&text, &place)?,
                false => lined::labels_first(&text, classes),
            };
            let Some(lines) = lines else { return Err(unreadable(&place)) };
            let label = if L::NUMBERS { "number" } else { "label" };
            self.read_as = Some(format!("lines of a {label} and a text"));
            self.lines(&lines, &place);
            return Ok(());
        }
        let header = self.header(&text, &name);
        self.table(TextTable::find(Sheet::parse(&text, &name, place, header)?, &self.columns)?)
    }

    /// Whether a table has a header; of numbers alone in its first line it may be that it has none.
    fn header(&self, text: &str, name: &str) -> Option<bool> {
        let by_number = [&self.columns.text, &self.columns.label];
        let by_number = by_number.into_iter().flatten().all(|name| name.parse::<usize>().is_ok());
        let numbers = || by_number && self.columns.label.is_some() && begins_with_numbers(text, name);
        self.columns.header.or_else(|| numbers().then_some(false))
    }

    fn lines(&mut self, lines: &[lined::Line<'_>], place: &str) {
        lines.iter().for_each(|line| self.push(line.text, &line.label, place, line.line));
    }

    fn objects(&mut self, text: &str, name: &str, place: &str) -> Result<()> {
        let wanted = if L::SEVERAL { lined::Wanted::Labels } else { lined::Wanted::Label };
        lined::each_object(text, name, place, |object, line, at| {
            let (text, label) = lined::object(object, at, &self.columns, wanted)?;
            self.push(&text, &label, place, line);
            Ok(())
        })?;
        self.read_as = Some("JSON objects".into());
        Ok(())
    }

    fn table(&mut self, table: TextTable) -> Result<()> {
        let TextTable { sheet, text, label, headerless } = table;
        for row in &sheet.rows {
            let name = label_cell::<L>(&sheet, row.line, row.text(label), label)?;
            self.push(row.text(text), name, &sheet.place, row.line);
        }
        if headerless {
            let (text, label) = (text + 1, label + 1);
            self.read_as =
                Some(format!("a table without a header, texts in column {text}, labels in column {label}"));
            self.columns = TextColumns {
                text: Some(text.to_string()),
                label: Some(label.to_string()),
                header: Some(false),
                separator: self.columns.separator.clone(),
            };
        }
        Ok(())
    }
}

/// Whether a file is a table, by its plain name or the tabs or the column names of its first line.
fn is_table(name: &str, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let names =
        || first.split([',', ';', '|']).any(|name| ["label", "text", "document"].contains(&name.trim()));
    has_table_name(name) || first.contains('\t') || names()
}

fn has_table_name(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "csv" | "tsv" | "tab")))
}

/// Texts without labels, to predict: the text column of a CSV or TSV file (one that ends in `.csv`, `.tsv` or
/// `.tab`, with or without `.gz`), the texts of the objects of a `.jsonl` or `.json`, the lines of any other, without fastText's
/// labels; the texts of a folder of classes. A table without a header may have the text alone.
///
/// # Errors
/// As [`LabelledText::read`].
pub fn read_texts(path: impl AsRef<Path>, columns: &TextColumns) -> Result<Vec<String>> {
    let path = path.as_ref();
    if path.is_dir() {
        let mut texts = Vec::new();
        Folder::open(path)?.texts(|_, text, _, _| texts.push(text.to_owned()))?;
        return Ok(texts);
    }
    texts_in(&read_text(path)?, &plain_name(path), &path.display().to_string(), columns)
}

/// Tells the examples of a folder with a folder for each class from others; None of a folder with a file for each, which
/// [`TextSource`](super::source::TextSource) has a hash of.
///
/// # Errors
/// As [`LabelledText::read`].
pub fn hash_of_class_folders(path: impl AsRef<Path>) -> Result<Option<String>> {
    Folder::open(path.as_ref())?.hash()
}

/// Whether what has this plain name and first line is a table of texts with these columns: by its name, or by the names of
/// the columns in the line.
pub fn is_text_table(name: &str, first: &str, columns: &TextColumns) -> bool {
    let tabs = first.contains('\t');
    let cells = || {
        first
            .split(if tabs { &['\t'][..] } else { &[',', ';', '|'][..] })
            .map(|cell| cell.trim_matches(['"', ' ']))
    };
    let names = match &columns.text {
        Some(name) if name.parse::<usize>().is_err() => vec![name.as_str()],
        _ => vec!["text", "document"],
    };
    let headed = cells().count() > 1 && cells().any(|cell| names.contains(&cell));
    let numbered = columns.header == Some(false) && columns.text.is_some() && tabs;
    has_table_name(name) || columns.header != Some(false) && headed || numbered
}

/// As [`read_texts`], of what a file with this plain name holds; `place` is what errors call it.
///
/// # Errors
/// As there.
pub fn texts_in(text: &str, name: &str, place: &str, columns: &TextColumns) -> Result<Vec<String>> {
    if lined::holds_objects(name) {
        let mut texts = Vec::new();
        lined::each_object(text, name, place, |object, _, at| {
            texts.push(lined::object(object, at, columns, lined::Wanted::Text)?.0);
            Ok(())
        })?;
        return Ok(texts);
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if !is_text_table(name, first, columns) || lined::is_fasttext(text) {
        return Ok(text.lines().map(|line| text_of_line(line).to_owned()).collect());
    }
    let sheet = Sheet::parse(text, name, place.to_owned(), columns.header)?;
    let text = match (columns.header, sheet.header.len()) {
        (Some(false), 1) => 0,
        _ => columns.text_in(&sheet)?,
    };
    Ok(sheet.rows.iter().map(|row| row.text(text).to_owned()).collect())
}

/// The text of a line: without fastText's labels, if it begins with them.
pub fn text_of_line(line: &str) -> &str {
    lined::without_labels(line)
}

/// The text of a line that begins with one of these classes; None of any other line.
pub fn text_with_label<'a>(line: &'a str, classes: &[String]) -> Option<&'a str> {
    let (label, text) = lined::label_and_text(line)?;
    classes.iter().any(|class| class == label).then_some(text)
}

/// The text of a line that begins with a number; None of any other line.
pub fn text_with_number(line: &str) -> Option<&str> {
    let (label, text) = lined::label_and_text(line)?;
    label.parse::<f64>().is_ok().then_some(text)
}

/// The text of a JSON object; `at` is its place, for errors.
///
/// # Errors
/// [`Error::Data`] if it is no object with a text under the key of `columns`.
pub fn text_of_object(line: &str, at: impl Fn() -> String, columns: &TextColumns) -> Result<String> {
    let object = serde_json::from_str(line).map_err(|error| lined::no_object(at(), &error))?;
    lined::object(&object, at, columns, lined::Wanted::Text).map(|(text, _)| text)
}

/// Ragged sequences of feature frames and the label of each, by default a class.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledSeries<L = u32> {
    /// Each sequence's frames one after another: `lengths[i] * F` numbers.
    pub features: Vec<Vec<f32>>,
    /// The number of time steps of each sequence.
    pub lengths: Vec<usize>,
    /// The label of each; a class is an index into `classes`.
    pub labels: Vec<L>,
    /// The names of the classes; none where labels are numbers.
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
    /// Whether the table has a line of names; by default it has.
    pub header: Option<bool>,
    /// What stands between the labels of a sequence that may have several; by default a blank.
    pub separator: Option<String>,
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
        Self::of(path, columns, None)
    }

    /// As [`read`](Self::read), with the classes of a trained model: their numbers are kept, one class alone is
    /// allowed, and a label that is not among them is an error.
    pub fn read_with_classes(
        path: impl AsRef<Path>,
        columns: &SequenceColumns,
        classes: &[String],
    ) -> Result<Self> {
        Self::of(path, columns, Some(classes))
    }

    /// Sequences without labels, to predict: of a file or pipe with this text. One is enough, and a column of labels is
    /// not needed.
    ///
    /// # Errors
    /// As [`read`](Self::read), of all but labels.
    pub fn unlabelled(text: &str, path: &Path, columns: &SequenceColumns) -> Result<Self> {
        let sheet = Sheet::parse(text, &plain_name(path), path.display().to_string(), columns.header)?;
        Self::of_sheet(sheet, columns, Wanted::Nothing)
    }
}

impl<L: Label> LabelledSeries<L> {
    /// Sequences with labels of any kind. `classes` are those of a trained model, none where its labels are numbers.
    ///
    /// # Errors
    /// As [`LabelledSeries::read`]; for a label that is not of this kind; where all labels are one number and there is no
    /// trained model.
    pub fn of(path: impl AsRef<Path>, columns: &SequenceColumns, classes: Option<&[String]>) -> Result<Self> {
        Self::of_sheet(Sheet::read_with(path.as_ref(), columns.header)?, columns, Wanted::Labels(classes))
    }

    fn of_sheet(sheet: Sheet, columns: &SequenceColumns, wanted: Wanted<'_>) -> Result<Self> {
        let id = sheet.column(columns.id.as_deref().unwrap_or("id"), "data.id")?;
        let time = match columns.time.as_deref() {
            Some(NO_TIME) => None,
            Some(named) => Some(sheet.column(named, "data.time")?),
            None => Some(sheet.column("time", "data.time").map_err(|error| match error {
                Error::Data { place, message } => {
                    let order = "keeps the order of the file where there is none";
                    Error::data(place, format!("{message}; data.time = \"none\" {order}"))
                }
                other => other,
            })?),
        };
        let label = match wanted {
            Wanted::Labels(_) => {
                Some(sheet.column(columns.label.as_deref().unwrap_or("label"), "data.label")?)
            }
            Wanted::Nothing => None,
        };
        let features: Vec<usize> = if columns.features.is_empty() {
            (0..sheet.header.len())
                .filter(|&column| column != id && Some(column) != time && Some(column) != label)
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
            let id = sheet.id(row, id)?;
            let sequence = *known.entry(id).or_insert_with(|| {
                ids.push(id.to_owned());
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
        let mut labels = Cells::between(columns.separator.as_deref());
        for (sequence, rows) in members.iter_mut().enumerate() {
            if let Some(label) = label {
                let name = label_of::<L>(&sheet, label, &series.ids[sequence], rows)?;
                labels.push(name, &sheet.place, sheet.rows[rows[0]].line);
            }
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
        if let Wanted::Labels(classes) = wanted {
            (series.labels, series.classes) = L::of(labels, &sheet.place, classes)?;
        }
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
            labels: indices.iter().map(|&index| self.labels[index].clone()).collect(),
            classes: self.classes.clone(),
            feature_names: self.feature_names.clone(),
            ids: indices.iter().map(|&index| self.ids[index].clone()).collect(),
        }
    }
}

/// What is wanted of sequences beside their features.
enum Wanted<'a> {
    /// Their labels; those of a trained model, if there is one.
    Labels(Option<&'a [String]>),
    Nothing,
}

/// The label of the rows of a sequence, which all have the same.
fn label_of<'a, L: Label>(sheet: &'a Sheet, label: usize, id: &str, rows: &[usize]) -> Result<&'a str> {
    let first = &sheet.rows[rows[0]];
    let name = label_cell::<L>(sheet, first.line, first.text(label), label)?;
    for row in rows.iter().map(|&row| &sheet.rows[row]) {
        let other = label_cell::<L>(sheet, row.line, row.text(label), label)?;
        if other != name {
            return Err(Error::data(
                format!("{}, line {}", sheet.place, row.line),
                format!(
                    "sequence `{id}` has label `{other}` here and `{name}` on line {}: a sequence has one",
                    first.line
                ),
            ));
        }
    }
    Ok(name)
}

/// Two lists of places, `(kept, held out)`: the fraction of the whole is held out, dealt to the classes by their size (by
/// the largest remainder), and every class keeps an example at least. Which ones, `seed` alone decides. Both lists are in
/// ascending order.
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
    let mut classes = vec![Vec::new(); labels.iter().max().map_or(0, |&most| most as usize + 1)];
    (0..labels.len()).for_each(|index| classes[labels[index] as usize].push(index));
    classes.iter_mut().for_each(|members| shuffle(members, &mut rng));
    let total = (labels.len() as f64 * fraction).round() as usize;
    let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
    if labels.len() > 1 && sizes.iter().all(|&size| size <= 1) {
        let message = format!(
            "every one of the {} examples has a label of its own, so none can be held out, nor a label be learned of another \
             example: name the column of the labels with data.label; numbers are learned by `--task regress`",
            labels.len()
        );
        return Err(Error::config("data.label", message));
    }
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for (members, share) in classes.iter().zip(deal(&sizes, total, &mut rng)) {
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

/// Fisher and Yates, from the top; the bias of the remainder is below 2^-32 for any list that fits.
fn shuffle<T>(list: &mut [T], rng: &mut ChaCha8Rng) {
    for top in (1..list.len()).rev() {
        list.swap(top, (rng.next_u64() % (top as u64 + 1)) as usize);
    }
}

/// How many of each class are among `total` of all: as many as its size is of the whole, rounded down, and one more for
/// the largest remainders, equal ones in random order; of no class all.
fn deal(sizes: &[usize], total: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let all = sizes.iter().sum::<usize>().max(1) as u128;
    let quota = |class: usize| sizes[class] as u128 * total as u128;
    let most = |class: usize| sizes[class].saturating_sub(1);
    let mut shares: Vec<usize> =
        (0..sizes.len()).map(|class| ((quota(class) / all) as usize).min(most(class))).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    shuffle(&mut order, rng);
    order.sort_by_key(|&class| std::cmp::Reverse(quota(class) % all));
    let mut left = total.saturating_sub(shares.iter().sum());
    // What classes of one example cannot give, others do.
    while left > 0 && (0..sizes.len()).any(|class| shares[class] < most(class)) {
        for &class in &order {
            if left > 0 && shares[class] < most(class) {
                shares[class] += 1;
                left -= 1;
            }
        }
    }
    shares
}

fn label_cell<'a, L: Label>(sheet: &Sheet, line: u64, cell: &'a str, column: usize) -> Result<&'a str> {
    match cell.trim() {
        "" if !L::SEVERAL => Err(Error::data(
            format!("{}, line {line}, column `{}`", sheet.place, sheet.header[column]),
            "the label is empty: fill it in or take the row out",
        )),
        label => Ok(label),
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
