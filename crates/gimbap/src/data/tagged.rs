//! Sentences with a label for every token.
//!
//! | on disk | a token and its label are |
//! |---|---|
//! | lines `token<tab>label` or `token label`, or more columns (CoNLL, CoNLL-U) | in two columns of a line ([`TagColumns`]); a blank line ends a sentence, as does `-DOCSTART-`; comments are passed over |
//! | `.jsonl`: a sentence a line, `{"tokens": [..], "tags": [..]}`; `.json`: a list of these | at the same place of both lists |
//!
//! Columns are separated by tabs where a line has one, else by blanks. A token holds neither. Labels are numbered as
//! classes are in [`table`](super::table).

use std::path::Path;

use serde_json::Value;

pub use super::columns::TagColumns;
use super::columns::{Columns, is_columns};
use super::lined::{each_object, holds_objects};
use crate::data::labels::cells::{Cells, OfCells};
use crate::data::read::{plain_name, read_text};
use crate::data::sheet::shorten;
use crate::error::{Error, Result};

/// Sentences, and the label of each of their tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The sentences, their tokens separated by single blanks: [`tokens`] takes them apart.
    pub sentences: Vec<String>,
    /// The label of each token of each sentence, an index into `labels`.
    pub tags: Vec<Vec<u32>>,
    /// The names of the labels.
    pub labels: Vec<String>,
    /// How the file was read, in words, if that had to be found out.
    pub read_as: Option<String>,
}

/// The tokens of a sentence: what stands between blanks and tabs.
pub fn tokens(sentence: &str) -> impl Iterator<Item = &str> {
    sentence.split(BLANKS).filter(|token| !token.is_empty())
}

pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// A sentence as it lies in an object.
struct Record {
    tokens: Vec<String>,
    tags: Option<Vec<String>>,
}

impl Record {
    fn of(object: &Value, columns: &TagColumns, at: &dyn Fn() -> String) -> Result<Self> {
        let (tokens, tags) = keys(columns);
        let wrong = |what: String| {
            let message = format!(
                "no sentence such as {{\"{tokens}\": [\"a\", \"b\"], \"{tags}\": [\"O\", \"O\"]}}: {what}"
            );
            Error::data(at(), message)
        };
        let found = || object.as_object().into_iter().flatten().map(|(key, _)| format!("`{key}`"));
        let list = |key: &str| -> Result<Option<Vec<String>>> {
            let text = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
                _ => None,
            };
            match object.get(key) {
                None => Ok(None),
                Some(Value::Array(values)) => {
                    let texts: Option<Vec<String>> = values.iter().map(text).collect();
                    texts.map(Some).ok_or_else(|| wrong(format!("`{key}` holds more than texts and numbers")))
                }
                Some(_) => Err(wrong(format!("`{key}` is no list"))),
            }
        };
        let record = Record {
            tags: list(tags)?,
            tokens: list(tokens)?.ok_or_else(|| {
                let found = found().collect::<Vec<_>>().join(", ");
                wrong(format!("there is no `{tokens}` (its keys: {found}); data.text names the key"))
            })?,
        };
        match record.tokens.iter().find(|token| token.is_empty() || token.contains(BLANKS)) {
            Some(token) => Err(Error::data(
                at(),
                format!("the token `{}` is empty or holds a blank: a token is one word", shorten(token)),
            )),
            None => Ok(record),
        }
    }
}

/// The keys of an object's tokens and tags.
fn keys(columns: &TagColumns) -> (&str, &str) {
    (columns.text.as_deref().unwrap_or("tokens"), columns.label.as_deref().unwrap_or("tags"))
}

impl Tagged {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Data`] with the line for a token without a label, a token with a blank in it, lists of different
    /// lengths; for a file without a sentence, and for labels that are all the same; [`Error::Io`] if the file cannot be
    /// read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_columns(path, &TagColumns::default(), None)
    }

    /// As [`read`](Self::read), with the labels of a trained model: their numbers are kept, one label alone is allowed,
    /// and one that is not among them is an error.
    pub fn read_with_labels(path: impl AsRef<Path>, labels: &[String]) -> Result<Self> {
        Self::read_columns(path, &TagColumns::default(), Some(labels))
    }

    /// Reads a file whose tokens and labels lie in these columns; `given` are the labels of a trained model, if there
    /// is one, as [`read_with_labels`](Self::read_with_labels) takes them.
    ///
    /// # Errors
    /// As [`read`](Self::read); [`Error::Data`] if there is no such column, or lines differ in their number of columns.
    pub fn read_columns(
        path: impl AsRef<Path>,
        columns: &TagColumns,
        given: Option<&[String]>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let text = read_text(path)?;
        let mut reading = Reading { place: path.display().to_string(), ..Reading::default() };
        let name = plain_name(path);
        match holds_objects(&name) {
            true => {
                let place = reading.place.clone();
                each_object(&text, &name, &place, |object, line, at| {
                    reading.object(object, columns, line, at)
                })?;
            }
            false => reading.columns(&text, columns)?,
        }
        let Reading { place, sentences, lengths, labels, read_as, .. } = reading;
        if sentences.is_empty() {
            return Err(Error::data(place, "it holds no sentence: give lines of a token and its label"));
        }
        let (flat, labels) = u32::of(labels, &place, given)?;
        let mut rest = flat.as_slice();
        let tags = lengths.into_iter().map(|length| {
            let (tags, later) = rest.split_at(length);
            rest = later;
            tags.to_vec()
        });
        Ok(Tagged { tags: tags.collect(), sentences, labels, read_as })
    }

    /// The sentences at these places, in this order.
    ///
    /// # Panics
    /// If an index is beyond the sentences.
    pub fn select(&self, indices: &[usize]) -> Self {
        Tagged {
            sentences: indices.iter().map(|&index| self.sentences[index].clone()).collect(),
            tags: indices.iter().map(|&index| self.tags[index].clone()).collect(),
            labels: self.labels.clone(),
            read_as: self.read_as.clone(),
        }
    }
}

/// Sentences without labels, to tag: of a `.jsonl` or `.json` the tokens of each object, of a file of a token a line (`.conll`,
/// `.conllu`, `.bio` and the like, or one with the labels of a model behind its tokens) the tokens of its column, else
/// each line, as it stands. A blank line between sentences is a sentence without a token.
///
/// # Errors
/// [`Error::Data`] with the line for an object without tokens, and if there is no such column.
pub fn sentences(text: &str, path: &Path, columns: &TagColumns, labels: &[String]) -> Result<Vec<String>> {
    let place = path.display().to_string();
    let name = plain_name(path);
    if holds_objects(&name) {
        let mut sentences = Vec::new();
        each_object(text, &name, &place, |object, _, at| {
            sentences.push(Record::of(object, columns, at)?.tokens.join(" "));
            Ok(())
        })?;
        return Ok(sentences);
    }
    let table = Columns::parse(text, &place);
    if !is_columns(&name) && !has_labels(&table, columns, labels) {
        return Ok(text.lines().map(str::to_owned).collect());
    }
    let column = table.token(columns)?;
    let sentence = |rows: &Vec<_>| {
        let tokens: Result<Vec<String>> = rows.iter().map(|row| table.token_of(row, column)).collect();
        Ok(tokens?.join(" "))
    };
    table.sentences.iter().map(sentence).collect()
}

/// Whether all of several lines are a token and one of these labels, as no sentences are.
fn has_labels(table: &Columns<'_>, columns: &TagColumns, labels: &[String]) -> bool {
    let Ok((_, label)) = table.find(columns) else { return false };
    let mut rows = table.sentences.iter().flatten();
    let known = |row| table.label_of(row, label).is_ok_and(|label| labels.iter().any(|known| known == label));
    table.sentences.iter().map(Vec::len).sum::<usize>() > 1 && rows.all(known)
}

/// A file under way.
#[derive(Default)]
struct Reading {
    place: String,
    sentences: Vec<String>,
    lengths: Vec<usize>,
    labels: Cells,
    read_as: Option<String>,
    /// The sentence that has not ended, and its tokens.
    open: String,
    count: usize,
}

impl Reading {
    fn push(&mut self, token: &str, label: &str, line: u64) {
        if self.count > 0 {
            self.open.push(' ');
        }
        self.open.push_str(token);
        self.count += 1;
        self.labels.push(label, &self.place, line);
    }

    fn end(&mut self) {
        if self.count > 0 {
            self.sentences.push(std::mem::take(&mut self.open));
            self.lengths.push(std::mem::take(&mut self.count));
        }
    }

    fn columns(&mut self, text: &str, columns: &TagColumns) -> Result<()> {
        let table = Columns::parse(text, &self.place);
        if table.sentences.is_empty() {
            return Ok(());
        }
        let (token, label) = table.find(columns)?;
        for sentence in &table.sentences {
            for row in sentence {
                self.push(&table.token_of(row, token)?, table.label_of(row, label)?, row.line);
            }
            self.end();
        }
        self.read_as = table.told(token, label);
        Ok(())
    }

    fn object(
        &mut self,
        object: &Value,
        columns: &TagColumns,
        line: u64,
        at: &dyn Fn() -> String,
    ) -> Result<()> {
        let Record { tokens, tags } = Record::of(object, columns, at)?;
        let wrong = |message: String| Err(Error::data(at(), message));
        let Some(tags) = tags else {
            let found = object.as_object().into_iter().flatten().map(|(key, _)| format!("`{key}`"));
            let (key, found) = (keys(columns).1, found.collect::<Vec<_>>().join(", "));
            return wrong(format!(
                "there is no `{key}` (its keys: {found}): data.label names the key of the labels"
            ));
        };
        if tokens.len() != tags.len() {
            return wrong(format!("{} tokens and {} tags: give each token one", tokens.len(), tags.len()));
        }
        if tags.iter().any(|tag| tag.trim().is_empty()) {
            return wrong("a tag is empty: name it, `O` for a token outside of everything".to_owned());
        }
        for (token, tag) in tokens.iter().zip(&tags) {
            self.push(token, tag.trim(), line);
        }
        self.end();
        Ok(())
    }
}
