//! A token a line, in columns: CoNLL in its many forms. Which lines are tokens, and which columns hold what.
//!
//! | in the file | what it is |
//! |---|---|
//! | a blank line, `-DOCSTART-` | the end of a sentence |
//! | a line that begins with `#` and has another number of cells, or is `# key = value`, `# newdoc`, `# newpar` or `#begin document` before a sentence's first token | a comment |
//! | a first column that counts 1, 2, 3 .. in every sentence | numbers of tokens: the token stands in the second column |
//! | numbers such as `1-2` and `8.1` in that column | words of several tokens and empty nodes, which have no label of their own: passed over |
//! | ten columns with such numbers, or `# global.columns = ID FORM ..` | CoNLL-U, whose columns have names |

use std::collections::HashSet;

use super::sheet::shorten;
use super::tagged::BLANKS;
use crate::error::{Error, Result};

/// Which columns hold the tokens and the labels: a number from 1, or a name that the file has. Of `.jsonl`, the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagColumns {
    /// The tokens; by default the first column, or the second if the first counts the tokens. The key `tokens`.
    pub text: Option<String>,
    /// The labels; by default the last column, in CoNLL-U `UPOS`. `last` is the last column of each line, where lines have
    /// different numbers of them. The key `tags`.
    pub label: Option<String>,
}

/// `data.label` of labels that end their lines, and where they are then said to be.
const LAST: &str = "last";
const END: usize = usize::MAX;

/// The names of CoNLL-U's columns.
const CONLL_U: [&str; 10] =
    ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"];

/// Endings of files that hold a token a line.
const ENDINGS: [&str; 7] = ["conll", "conllu", "conllx", "conllup", "bio", "iob", "iob2"];

/// Whether a file holds a token a line, by its plain name.
pub(super) fn is_columns(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending.to_lowercase().as_str()))
}

/// The cells of a line: between tabs where it has one, else between blanks.
fn cells(line: &str) -> Vec<&str> {
    match line.contains('\t') {
        true => line.split('\t').map(|cell| cell.trim_matches(' ')).collect(),
        false => line.split(BLANKS).filter(|cell| !cell.is_empty()).collect(),
    }
}

fn ends_sentence(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with("-DOCSTART-")
}

/// A line with a token.
pub(super) struct Row<'a> {
    /// The line of the file, from 1.
    pub line: u64,
    cells: Vec<&'a str>,
}

/// A file of a token a line.
pub(super) struct Columns<'a> {
    place: String,
    /// Sentences with at least one token.
    pub sentences: Vec<Vec<Row<'a>>>,
    width: usize,
    names: Vec<&'a str>,
    /// Whether the first column counts the tokens.
    numbered: bool,
    comments: bool,
}

impl<'a> Columns<'a> {
    /// Takes a text apart; `place` is the file, for errors.
    pub fn parse(text: &'a str, place: &str) -> Self {
        let first = |skip: &dyn Fn(&str) -> bool| {
            text.lines().find(|line| !ends_sentence(line) && !skip(line)).map(|line| cells(line).len())
        };
        let width = first(&|line| line.starts_with('#')).or_else(|| first(&|_| false)).unwrap_or(0);
        let mut columns = Columns {
            place: place.to_owned(),
            sentences: Vec::new(),
            width,
            names: Vec::new(),
            numbered: false,
            comments: false,
        };
        let mut open = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let cells = cells(text);
            if ends_sentence(text) {
                columns.sentences.extend((!open.is_empty()).then(|| std::mem::take(&mut open)));
            } else if is_comment(text, cells.len() != width, open.is_empty()) {
                columns.comments = true;
                if let Some(names) = text.trim_start_matches(['#', ' ']).strip_prefix("global.columns =") {
                    columns.names = names.split_whitespace().collect();
                }
            } else {
                open.push(Row { line, cells });
            }
        }
        columns.sentences.extend((!open.is_empty()).then_some(open));
        columns.numbered = width > 1 && columns.sentences.iter().all(|sentence| counts(sentence));
        if columns.numbered {
            for sentence in &mut columns.sentences {
                sentence.retain(|row| row.cells[0].parse::<usize>().is_ok());
            }
            columns.sentences.retain(|sentence| !sentence.is_empty());
        }
        if columns.names.is_empty() && columns.numbered && width == CONLL_U.len() {
            columns.names = CONLL_U.to_vec();
        }
        columns.take_header();
        columns
    }

    /// Takes a first line of names, `token tag`, off.
    fn take_header(&mut self) {
        let is = |cell: &str, names: &[&str]| names.iter().any(|name| cell.eq_ignore_ascii_case(name));
        let token = |cell: &&str| is(cell, &["token", "tokens", "word", "words", "form"]);
        let label =
            |cell: &&str| is(cell, &["tag", "tags", "label", "labels", "ner", "ner_tag", "pos", "upos"]);
        let Some(first) = self.sentences.first_mut().filter(|_| self.names.is_empty()) else { return };
        let Some(row) = first.first().filter(|row| row.cells.iter().any(token)) else { return };
        if row.cells.iter().any(label) {
            self.names = first.remove(0).cells;
            self.sentences.retain(|sentence| !sentence.is_empty());
        }
    }

    /// Refuses labels that are as many as words are, beside tokens that are as few as labels.
    fn check_sides(&self, token: usize, label: usize) -> Result<()> {
        let rows = || self.sentences.iter().flatten().filter(|row| row.cells.len() > token.max(label));
        let different = |column: usize| rows().map(|row| row.cells[column]).collect::<HashSet<_>>().len();
        let count = rows().count();
        if label == END || count < 20 {
            return Ok(());
        }
        let (tokens, labels) = (different(token), different(label));
        match 2 * labels > count && 4 * tokens < count {
            false => Ok(()),
            true => Err(Error::data(
                self.place.clone(),
                format!(
                    "column {} has {labels} different labels for {count} tokens, and column {} only {tokens} different tokens: \
                     are they the other way round? Then say so with data.text = \"{}\" and data.label = \"{}\"",
                    label + 1,
                    token + 1,
                    label + 1,
                    token + 1
                ),
            )),
        }
    }

    /// The columns of the tokens and of the labels, from 0.
    pub fn find(&self, wanted: &TagColumns) -> Result<(usize, usize)> {
        let token = self.token(wanted)?;
        let upos = self.names.iter().position(|&name| name == "UPOS");
        let label = match &wanted.label {
            Some(name) if name == LAST && !self.names.contains(&LAST) => END,
            Some(name) => self.column(name, "data.label")?,
            None => upos.unwrap_or(self.width.saturating_sub(1)),
        };
        if label == token {
            let message = match self.width {
                1 => match self.sentences.first().and_then(|sentence| sentence.first()) {
                    Some(row) => return Err(self.no_label(row)),
                    None => "it holds no sentence: give lines of a token and its label".to_owned(),
                },
                width => format!(
                    "the tokens and the labels are both looked for in column {} of {width}: name the columns with \
                     data.text and data.label",
                    token + 1
                ),
            };
            return Err(Error::data(self.place.clone(), message));
        }
        if wanted == &TagColumns::default() {
            self.check_sides(token, label)?;
        }
        Ok((token, label))
    }

    /// The column of the tokens, from 0.
    pub fn token(&self, wanted: &TagColumns) -> Result<usize> {
        match &wanted.text {
            Some(name) => self.column(name, "data.text"),
            None => Ok(usize::from(self.numbered)),
        }
    }

    fn column(&self, name: &str, option: &str) -> Result<usize> {
        let named = self.names.iter().position(|known| known.eq_ignore_ascii_case(name.trim()));
        let numbered = || name.trim().parse().ok().filter(|n| (1..=self.width).contains(n)).map(|n| n - 1);
        named.or_else(numbered).ok_or_else(|| {
            let names = match self.names.is_empty() {
                true => String::new(),
                false => format!(" or a name: `{}`", self.names.join("`, `")),
            };
            Error::data(
                self.place.clone(),
                format!(
                    "{option} is `{name}`, but a column here is a number from 1 to {}{names}",
                    self.width
                ),
            )
        })
    }

    /// A token's text, which has no blank in it: those within a numbered token become `_`.
    pub fn token_of(&self, row: &Row<'_>, column: usize) -> Result<String> {
        let token = row.cells.get(column).copied().unwrap_or_default();
        let wrong = |message: String| Err(self.error(row, message));
        match token {
            "" => wrong("there is no token before the label: write `token label`".to_owned()),
            _ if !token.contains(' ') => Ok(token.to_owned()),
            _ if self.numbered => Ok(token.replace(' ', "_")),
            _ => wrong(format!("the token `{}` holds a blank: a token is one word", shorten(token))),
        }
    }

    /// A token's label.
    pub fn label_of(&self, row: &Row<'a>, column: usize) -> Result<&'a str> {
        let column = match column {
            END if row.cells.len() > 1 => row.cells.len() - 1,
            END => return Err(self.no_label(row)),
            column => {
                self.check_width(row)?;
                column
            }
        };
        match row.cells[column] {
            "" => Err(self.no_label(row)),
            label => Ok(label),
        }
    }

    fn check_width(&self, row: &Row<'_>) -> Result<()> {
        match row.cells.len() {
            width if width == self.width => Ok(()),
            1 => Err(self.no_label(row)),
            width => Err(self.error(
                row,
                format!(
                    "{width} columns, the lines before have {}: a line is a token with as many columns as the others \
                     (data.label = \"last\" takes the last one of each, however many there are), a comment that begins with \
                     `#`, or blank",
                    self.width
                ),
            )),
        }
    }

    fn no_label(&self, row: &Row<'_>) -> Error {
        let message = format!(
            "`{}` has no label: write `token label`, and a blank line after each sentence",
            shorten(row.cells[0])
        );
        self.error(row, message)
    }

    fn error(&self, row: &Row<'_>, message: String) -> Error {
        Error::data(format!("{}, line {}", self.place, row.line), message)
    }

    /// How the file was read, if there was something to find out.
    pub fn told(&self, token: usize, label: usize) -> Option<String> {
        let named = |column: usize| match self.names.get(column) {
            _ if column == END => "the last column".to_owned(),
            Some(name) => format!("column {} ({name})", column + 1),
            None => format!("column {}", column + 1),
        };
        let form = if self.names == CONLL_U { "CoNLL-U" } else { "a token a line" };
        let comments = if self.comments { ", comments passed over" } else { "" };
        (self.width > 2 || self.comments || !self.names.is_empty())
            .then(|| format!("{form}, tokens in {}, labels in {}{comments}", named(token), named(label)))
    }
}

/// Whether a line is a comment: one of another width than the tokens', or a known one before a sentence's first token.
fn is_comment(line: &str, other_width: bool, before: bool) -> bool {
    let known = || {
        line.starts_with("#begin document")
            || line.starts_with("#end document")
            || line.strip_prefix("# ").is_some_and(|rest| {
                rest.contains(" = ") || rest.starts_with("newdoc") || rest.starts_with("newpar")
            })
    };
    line.starts_with('#') && (other_width || before && known())
}

/// Whether the first cells of a sentence's rows count 1, 2, 3 .., or from 0, with ranges and decimals between them.
fn counts(sentence: &[Row<'_>]) -> bool {
    let mut next = usize::from(sentence.first().is_some_and(|row| row.cells[0] != "0"));
    sentence.iter().all(|row| {
        let id = row.cells[0];
        if id.parse() == Ok(next) {
            next += 1;
            return true;
        }
        let parts = id.split_once(['-', '.']);
        parts.is_some_and(|(a, b)| a.parse::<usize>().is_ok() && b.parse::<usize>().is_ok())
    })
}
