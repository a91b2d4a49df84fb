//! The texts of an input, some at a time: lines, the texts of JSON objects, a column of a table, or the files of a folder.

use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use gimbap::data::lines::Lines;
use gimbap::data::read::plain_name;
use gimbap::data::table::{
    TextColumns, is_text_table, read_texts, text_of_line, text_of_object, text_with_label, text_with_number,
    texts_in,
};

use crate::input::{is_stdin, name as name_of, stream};
use crate::output::{Failure, Outcome};

enum From {
    /// With what has been read of them already.
    Lines {
        lines: Lines<'static>,
        begun: Vec<String>,
    },
    Objects(Lines<'static>),
    Table(IntoIter<String>),
}

/// The labels of a model, which lines may begin with.
#[derive(Clone, Copy)]
pub(super) enum Labels<'a> {
    Classes(&'a [String]),
    Numbers,
}

impl Labels<'_> {
    /// The text behind the label of a line that begins with one.
    fn text_behind(self, line: &str) -> Option<String> {
        match self {
            Labels::Classes(classes) => text_with_label(line, classes),
            Labels::Numbers => text_with_number(line),
        }
        .map(str::to_owned)
    }
}

/// Texts under way.
pub(super) struct Texts<'a> {
    path: PathBuf,
    from: From,
    columns: TextColumns,
    labels: Labels<'a>,
    /// Whether lines begin with a label, once it is known.
    labelled: Option<bool>,
    count: usize,
}

impl<'a> Texts<'a> {
    /// The texts of a file or of standard input, for a model with these labels.
    pub fn open(path: &Path, columns: &TextColumns, labels: Labels<'a>) -> Outcome<Self> {
        let plain = plain_name(path);
        let from = match plain.rsplit_once('.') {
            Some((_, "jsonl" | "ndjson")) => From::Objects(stream(path)?),
            Some((_, "json")) => From::Table(read_texts(path, columns)?.into_iter()),
            _ if path.is_dir() => From::Table(read_texts(path, columns)?.into_iter()),
            _ => Self::lines_or_table(path, &plain, columns)?,
        };
        Ok(Texts {
            path: path.to_owned(),
            from,
            columns: columns.clone(),
            labels,
            labelled: is_stdin(path).then_some(false),
            count: 0,
        })
    }

    /// A table by its name or its first line; of standard input, what came with that is put in front of the rest.
    fn lines_or_table(path: &Path, plain: &str, columns: &TextColumns) -> Outcome<From> {
        let mut lines = stream(path)?;
        let mut begun = lines.read(1)?;
        let first = begun.first().map_or("", String::as_str);
        let name = if is_stdin(path) { "" } else { plain };
        if !is_text_table(name, first, columns) {
            return Ok(From::Lines { lines, begun });
        }
        if !is_stdin(path) {
            return Ok(From::Table(read_texts(path, columns)?.into_iter()));
        }
        loop {
            let more = lines.read(4096)?;
            if more.is_empty() {
                break;
            }
            begun.extend(more);
        }
        Ok(From::Table(texts_in(&begun.join("\n"), "", &name_of(path), columns)?.into_iter()))
    }

    /// The next texts, `most` at most; none at the end.
    pub fn next(&mut self, most: usize) -> Outcome<Vec<String>> {
        let texts = match &mut self.from {
            From::Table(texts) => texts.by_ref().take(most).collect(),
            From::Lines { lines, begun } => {
                let mut some = std::mem::take(begun);
                let first = lines.count() - some.len() + 1;
                // Whoever types the first line does not wait for the second.
                if some.is_empty() || !is_stdin(&self.path) {
                    some.extend(lines.read(most)?);
                }
                self.of_lines(first, some)?
            }
            From::Objects(lines) => objects(lines, most, &self.path, &self.columns)?,
        };
        if texts.is_empty() && self.count == 0 {
            let message = format!("{}: the file is empty: give one that holds texts", name_of(&self.path));
            return Err(Failure::work("data", message));
        }
        self.count += texts.len();
        Ok(texts)
    }

    /// What was found out of the lines, if something was.
    pub fn read_as(&self) -> Option<&'static str> {
        (self.labelled == Some(true)).then_some(match self.labels {
            Labels::Classes(_) => "lines of a label and a text, the labels left out",
            Labels::Numbers => "lines of a number and a text, the numbers left out",
        })
    }

    /// The texts of lines, without the labels before them: those of fastText, or, if every one of the first lines begins
    /// with one, the classes of the model.
    fn of_lines(&mut self, first: usize, lines: Vec<String>) -> Outcome<Vec<String>> {
        let labels = self.labels;
        let without = |line: &str| labels.text_behind(line);
        let blank = |line: &String| line.trim().is_empty();
        let labelled = *self.labelled.get_or_insert_with(|| {
            let mut filled = lines.iter().filter(|line| !blank(line)).peekable();
            lines.len() > 1 && filled.peek().is_some() && filled.all(|line| without(line).is_some())
        });
        let text = |(number, line): (usize, &String)| match labelled {
            false => Ok(text_of_line(line).to_owned()),
            true if blank(line) => Ok(String::new()),
            true => without(line).ok_or_else(|| {
                let label = match labels {
                    Labels::Classes(_) => "class of the model",
                    Labels::Numbers => "number",
                };
                let message =
                    format!("begins with no {label}, as the lines before do: give labels to all or to none");
                Failure::work("data", format!("{}, line {number}: {message}", self.path.display()))
            }),
        };
        (first..).zip(&lines).map(text).collect()
    }
}

/// The texts of the next objects; blank lines are passed over.
fn objects(lines: &mut Lines<'_>, most: usize, path: &Path, columns: &TextColumns) -> Outcome<Vec<String>> {
    loop {
        let first = lines.count() + 1;
        let some = lines.read(most)?;
        let filled = (first..).zip(&some).filter(|(_, line)| !line.trim().is_empty());
        let text = |(number, line): (usize, &String)| {
            text_of_object(line, || format!("{}, line {number}", path.display()), columns)
        };
        let texts: Vec<String> = filled.map(text).collect::<Result<_, _>>()?;
        if some.is_empty() || !texts.is_empty() {
            return Ok(texts);
        }
    }
}
