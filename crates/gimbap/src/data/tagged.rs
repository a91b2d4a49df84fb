//! Sentences with a label for every token.
//!
//! | on disk | a token and its label are |
//! |---|---|
//! | lines `token<tab>label` or `token label` (CoNLL) | the first and the last column of a line; a blank line ends a sentence, as does `-DOCSTART-` |
//! | `.jsonl`: a sentence a line, `{"tokens": [..], "tags": [..]}` | at the same place of both lists |
//!
//! Columns are separated by tabs where a line has one, else by blanks. A token holds neither. Labels are numbered as
//! classes are in [`table`](super::table).

use std::path::Path;

use serde::Deserialize;

use crate::data::read::{plain_name, read_text};
use crate::data::sheet::shorten;
use crate::data::table::Labels;
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
}

/// The tokens of a sentence: what stands between blanks and tabs.
pub fn tokens(sentence: &str) -> impl Iterator<Item = &str> {
    sentence.split(BLANKS).filter(|token| !token.is_empty())
}

const BLANKS: [char; 2] = [' ', '\t'];

/// A sentence as it lies in a `.jsonl`.
#[derive(Deserialize)]
struct Record {
    tokens: Vec<String>,
    tags: Option<Vec<String>>,
}

impl Record {
    fn parse(line: &str, place: &str, number: usize) -> Result<Self> {
        let at = || format!("{place}, line {number}");
        let record: Record = serde_json::from_str(line).map_err(|error| {
            Error::data(
                at(),
                format!(
                    "no sentence such as {{\"tokens\": [\"a\", \"b\"], \"tags\": [\"O\", \"O\"]}}: {error}"
                ),
            )
        })?;
        match record.tokens.iter().find(|token| token.is_empty() || token.contains(BLANKS)) {
            Some(token) => Err(Error::data(
                at(),
                format!("the token `{}` is empty or holds a blank: a token is one word", shorten(token)),
            )),
            None => Ok(record),
        }
    }
}

impl Tagged {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Data`] with the line for a token without a label, a token with a blank in it, lists of different
    /// lengths; for a file without a sentence, and for labels that are all the same; [`Error::Io`] if the file cannot be
    /// read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_as(path.as_ref(), None)
    }

    /// As [`read`](Self::read), with the labels of a trained model: their numbers are kept, one label alone is allowed,
    /// and one that is not among them is an error.
    pub fn read_with_labels(path: impl AsRef<Path>, labels: &[String]) -> Result<Self> {
        Self::read_as(path.as_ref(), Some(labels))
    }

    fn read_as(path: &Path, given: Option<&[String]>) -> Result<Self> {
        let text = read_text(path)?;
        let mut reading = Reading { place: path.display().to_string(), ..Reading::default() };
        let lines = (1..).zip(text.lines());
        match is_jsonl(path) {
            true => lines
                .filter(|(_, line)| !line.trim().is_empty())
                .try_for_each(|(n, l)| reading.object(l, n))?,
            false => lines.into_iter().try_for_each(|(n, line)| reading.line(line, n))?,
        }
        reading.end();
        let Reading { place, sentences, lengths, labels, .. } = reading;
        if sentences.is_empty() {
            return Err(Error::data(place, "it holds no sentence: give lines of a token and its label"));
        }
        let (flat, labels) = labels.number(&place, given)?;
        let mut rest = flat.as_slice();
        let tags = lengths.into_iter().map(|length| {
            let (tags, later) = rest.split_at(length);
            rest = later;
            tags.to_vec()
        });
        Ok(Tagged { tags: tags.collect(), sentences, labels })
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
        }
    }
}

/// Whether a file holds objects, not columns.
fn is_jsonl(path: &Path) -> bool {
    plain_name(path).ends_with(".jsonl")
}

/// Sentences without labels, to tag: of a `.jsonl` the `tokens` of each object, else each line, as it stands. A blank
/// line is a sentence without a token.
///
/// # Errors
/// [`Error::Data`] with the line for an object without tokens.
pub fn sentences(text: &str, path: &Path) -> Result<Vec<String>> {
    if !is_jsonl(path) {
        return Ok(text.lines().map(str::to_owned).collect());
    }
    let place = path.display().to_string();
    let objects = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    objects.map(|(n, line)| Ok(Record::parse(line, &place, n)?.tokens.join(" "))).collect()
}

/// A file under way.
#[derive(Default)]
struct Reading {
    place: String,
    sentences: Vec<String>,
    lengths: Vec<usize>,
    labels: Labels,
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

    fn line(&mut self, line: &str, number: usize) -> Result<()> {
        if line.trim().is_empty() || line.starts_with("-DOCSTART-") {
            self.end();
            return Ok(());
        }
        let (first, last) = match line.contains('\t') {
            true => {
                let mut columns = line.split('\t').map(|cell| cell.trim_matches(' '));
                (columns.next().unwrap_or_default(), columns.next_back().unwrap_or_default())
            }
            false => {
                let mut columns = tokens(line);
                (columns.next().unwrap_or_default(), columns.last().unwrap_or_default())
            }
        };
        let wrong = |message: String| Err(Error::data(format!("{}, line {number}", self.place), message));
        if first.is_empty() {
            return wrong("there is no token before the label: write `token label`".to_owned());
        }
        if last.is_empty() {
            return wrong(format!(
                "`{}` has no label: write `token label`, and a blank line after each sentence",
                shorten(first)
            ));
        }
        if first.contains(' ') {
            return wrong(format!("the token `{}` holds a blank: a token is one word", shorten(first)));
        }
        self.push(first, last, number as u64);
        Ok(())
    }

    fn object(&mut self, line: &str, number: usize) -> Result<()> {
        let Record { tokens, tags } = Record::parse(line, &self.place, number)?;
        let tags = tags.unwrap_or_default();
        let wrong = |message: String| Err(Error::data(format!("{}, line {number}", self.place), message));
        if tokens.len() != tags.len() {
            return wrong(format!("{} tokens and {} tags: give each token one", tokens.len(), tags.len()));
        }
        if tags.iter().any(|tag| tag.trim().is_empty()) {
            return wrong("a tag is empty: name it, `O` for a token outside of everything".to_owned());
        }
        for (token, tag) in tokens.iter().zip(&tags) {
            self.push(token, tag.trim(), number as u64);
        }
        self.end();
        Ok(())
    }
}
