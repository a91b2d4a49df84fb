//! Labelled texts that are no table: a label before each text (fastText, TREC, SST), and JSON objects, a line each or in a
//! list.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::sheet::shorten;
use super::table::TextColumns;
use crate::error::{Error, Result};

/// What stands before a label of fastText.
const MARK: &str = "__label__";

/// A label and a text, and the line of the file.
pub(super) struct Line<'a> {
    pub line: u64,
    pub label: Cow<'a, str>,
    pub text: &'a str,
}

fn filled(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty())
}

/// Whether half of the lines or more begin with a label of fastText.
pub(super) fn is_fasttext(text: &str) -> bool {
    let (mut marked, mut all) = (0, 0);
    for (_, line) in filled(text) {
        marked += usize::from(line.trim_start().starts_with(MARK));
        all += 1;
    }
    marked > 0 && 2 * marked >= all
}

/// A line of fastText without its labels.
pub(super) fn without_labels(mut line: &str) -> &str {
    while let Some(rest) = line.trim_start().strip_prefix(MARK) {
        line = rest.split_once([' ', '\t']).map_or("", |(_, rest)| rest);
    }
    line
}

/// The lines of a file of fastText, `__label__x text`; several labels of a line are put together by a separator.
///
/// # Errors
/// [`Error::Data`] if there is no separator and a line has several labels or none; for an empty label.
pub(super) fn fasttext<'a>(text: &'a str, place: &str, separator: Option<&str>) -> Result<Vec<Line<'a>>> {
    let parse = |(line, content): (u64, &'a str)| {
        let wrong = |message: String| Err(Error::data(format!("{place}, line {line}"), message));
        let (mut labels, mut text) = (Vec::new(), content.trim_start());
        while let Some(marked) = text.strip_prefix(MARK) {
            let (label, rest) = marked.split_once([' ', '\t']).unwrap_or((marked, ""));
            if label.trim().is_empty() {
                return wrong(format!("the label behind `{MARK}` is empty: name it"));
            }
            labels.push(label.trim());
            text = rest.trim_start();
        }
        let label = match (labels[..].as_ref(), separator) {
            ([], None) => {
                return wrong(format!(
                    "it has no `{MARK}x` before its text, as other lines have: give it one"
                ));
            }
            ([one], _) => Cow::Borrowed(*one),
            (several, Some(separator)) => Cow::Owned(several.join(separator)),
            _ => {
                return wrong(
                    "it has several labels: with `data.separator = \" \"` a model gives each text any number of them; or keep \
                     one a line"
                        .to_owned(),
                );
            }
        };
        Ok(Line { line, label, text: text.trim_end() })
    };
    filled(text).map(parse).collect()
}

/// The label before the first blank or tab of a line, and the text behind it.
pub(super) fn label_and_text(line: &str) -> Option<(&str, &str)> {
    let (label, text) = line.trim_start().split_once([' ', '\t'])?;
    (!text.trim().is_empty()).then_some((label, text.trim()))
}

/// The lines `label text` of a file, if it is certain that it has these: every first word is one of the `given` labels,
/// or there are few of them in many lines, or they are numbers or `COARSE:fine`.
pub(super) fn labels_first<'a>(text: &'a str, given: Option<&[String]>) -> Option<Vec<Line<'a>>> {
    let parse = |(line, content): (u64, &'a str)| {
        let (label, text) = label_and_text(content)?;
        Some(Line { line, label: Cow::Borrowed(label), text })
    };
    let names = |line: &str| {
        let (label, text) = line.trim().split_once([' ', '\t']).unwrap_or_default();
        let is =
            |names: &[&str], name: &str| names.iter().any(|known| name.trim().eq_ignore_ascii_case(known));
        is(&["label", "class", "category", "target"], label) && is(&["text", "sentence", "document"], text)
    };
    let header = usize::from(filled(text).next().is_some_and(|(_, line)| names(line)));
    let lines: Vec<Line<'a>> = filled(text).skip(header).map(parse).collect::<Option<_>>()?;
    let labels: HashSet<&str> = lines.iter().map(|line| &*line.label).collect();
    let (n, different) = (lines.len(), labels.len());
    let certain = match given {
        Some(given) => labels.iter().all(|label| given.iter().any(|known| known == label)),
        None if labels.iter().all(|label| is_number(label) || is_coarse_and_fine(label)) => {
            different * 2 <= n
        }
        None => different * different <= n,
    };
    (certain && (given.is_some() || different > 1)).then_some(lines)
}

/// The lines `number text` of a file in which most lines begin with a number.
///
/// # Errors
/// [`Error::Data`] with the line that does not.
pub(super) fn numbers_first<'a>(text: &'a str, place: &str) -> Result<Option<Vec<Line<'a>>>> {
    let parse = |(line, content): (u64, &'a str)| {
        let found = label_and_text(content).filter(|(label, _)| label.parse::<f64>().is_ok());
        found.map(|(label, text)| Line { line, label: Cow::Borrowed(label), text }).ok_or((line, content))
    };
    let (found, others): (Vec<_>, Vec<_>) = filled(text).map(parse).partition(|line| line.is_ok());
    match others.into_iter().next() {
        None => Ok(Some(found.into_iter().flatten().collect()).filter(|lines: &Vec<_>| !lines.is_empty())),
        Some(Err((line, content))) if found.len() > filled(text).count() / 2 => Err(Error::data(
            format!("{place}, line {line}"),
            format!(
                "`{}` is no number and a text, as most lines are: put its number in front of it",
                shorten(content.trim())
            ),
        )),
        Some(_) => Ok(None),
    }
}

fn is_number(label: &str) -> bool {
    label.parse::<i64>().is_ok()
}

/// Whether a label is one of TREC's, `DESC:manner`.
fn is_coarse_and_fine(label: &str) -> bool {
    label.split_once(':').is_some_and(|(coarse, fine)| {
        let capitals = !coarse.is_empty() && coarse.chars().all(|c| c.is_ascii_uppercase());
        capitals && !fine.is_empty() && fine.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Whether a file holds objects, by its plain name.
pub(super) fn holds_objects(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "jsonl" | "ndjson" | "json")))
}

/// What is wrong with a text that is no object.
pub(super) fn no_object(place: String, error: &serde_json::Error) -> Error {
    Error::data(place, format!("no JSON object: {error}"))
}

/// Calls `read` with each object of a text, the line on which it stands and what its place is called: a line each, or those
/// of a list, which are counted from 1; in a `.json` objects may also stand one after another and over several lines.
///
/// # Errors
/// [`Error::Data`] with the line if it is no JSON; what `read` returns.
pub(super) fn each_object(
    text: &str,
    name: &str,
    place: &str,
    mut read: impl FnMut(&Value, u64, &dyn Fn() -> String) -> Result<()>,
) -> Result<()> {
    let at = |line: u64| move || format!("{place}, line {line}");
    if !name.ends_with(".json") && !text.trim_start().starts_with('[') {
        return filled(text).try_for_each(|(line, content)| {
            let object = serde_json::from_str(content).map_err(|error| no_object(at(line)(), &error))?;
            read(&object, line, &at(line))
        });
    }
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let (mut line, mut before) = (1, 0);
    loop {
        // The stream stands behind the last object, and the next begins behind white space.
        let start = text.len() - text[objects.byte_offset()..].trim_start().len();
        line += text[before..start].matches('\n').count() as u64;
        before = start;
        match objects.next() {
            None => return Ok(()),
            Some(Err(error)) => return Err(no_object(at(line)(), &error)),
            Some(Ok(Value::Array(list))) => {
                for (number, object) in (1..).zip(&list) {
                    read(object, line, &|| format!("{place}, object {number}"))?;
                }
            }
            Some(Ok(object)) => read(&object, line, &at(line))?,
        }
    }
}

/// What is wanted of an object beside its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Text,
    Label,
    Labels,
}

/// The text of an object, and its label if one is wanted; several are put together by the separator of the columns.
///
/// # Errors
/// [`Error::Data`] with the line if it is no object with these keys.
pub(super) fn object(
    value: &Value,
    at: impl Fn() -> String,
    columns: &TextColumns,
    wanted: Wanted,
) -> Result<(String, String)> {
    let key = columns.text.as_deref().unwrap_or("text");
    let label_key = columns.label.as_deref().unwrap_or("label");
    let wrong = |message: String| Error::data(at(), message);
    let found = || value.as_object().into_iter().flatten().map(|(key, _)| format!("`{key}`"));
    let missing = |key: &str, option: &str| {
        let found = found().collect::<Vec<_>>().join(", ");
        wrong(format!("no object with a text `{key}` (its keys: {found}): {option} names the key"))
    };
    let text = value.get(key).and_then(Value::as_str).ok_or_else(|| missing(key, "data.text"))?.to_owned();
    let label = match value.get(label_key) {
        _ if wanted == Wanted::Text => String::new(),
        Some(Value::String(label)) => label.trim().to_owned(),
        Some(label @ (Value::Number(_) | Value::Bool(_))) => label.to_string(),
        Some(Value::Array(labels)) if wanted == Wanted::Labels => {
            let name = |label: &Value| label.as_str().map_or_else(|| label.to_string(), str::to_owned);
            labels.iter().map(name).collect::<Vec<_>>().join(columns.separator.as_deref().unwrap_or(" "))
        }
        Some(Value::Array(_)) => {
            return Err(wrong(format!(
                "`{label_key}` is a list: with data.separator (a text that is in no label) a model gives each text any number \
                 of labels; or keep one"
            )));
        }
        Some(Value::Null) if wanted == Wanted::Labels => String::new(),
        Some(Value::Null) => {
            return Err(wrong(format!("`{label_key}` is null: fill it in or take the object out")));
        }
        _ => return Err(missing(label_key, "data.label")),
    };
    match wanted == Wanted::Label && label.is_empty() {
        true => Err(wrong("the label is empty: fill it in or take the line out".to_owned())),
        false => Ok((text, label)),
    }
}
