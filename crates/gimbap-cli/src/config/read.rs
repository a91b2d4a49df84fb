//! From TOML text to a [`Config`], with errors that name the file and the line and suggest the nearest key.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gimbap::data::text::Tokenizer;
use gimbap::data::wide::is_sequence_file;
use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::{Config, NOTHING, TaskKind, check, set, template};
use crate::output::{Failure, Outcome};
use crate::task::arrays::is_array;

/// A config's text and where it comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// TOML.
    pub text: String,
    /// What errors call it: a file's name.
    pub place: String,
    /// Relative paths in it start here.
    pub base: PathBuf,
}

impl Source {
    /// Reads a file.
    pub fn file(path: &Path) -> Outcome<Self> {
        let bytes =
            std::fs::read(path).map_err(|e| Failure::usage("config", Failure::io(path, &e).message))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Failure::usage("config", format!("{}: not UTF-8 at byte {at}", path.display()))
        })?;
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        Ok(Source { text, place: path.display().to_string(), base })
    }

    /// The task's own defaults.
    pub fn template(task: crate::args::Task) -> Self {
        let place = format!("the default {} config", task.name());
        Source { text: template::template(task).into(), place, base: PathBuf::new() }
    }

    /// A paper's language model.
    pub fn preset(preset: crate::args::Preset) -> Self {
        let place = format!("the preset {}", preset.name());
        Source { text: template::preset(preset).into(), place, base: PathBuf::new() }
    }

    /// The built-in corpus's config.
    pub fn builtin() -> Self {
        let place = "the built-in config".into();
        Source { text: template::BUILTIN_CONFIG.into(), place, base: PathBuf::new() }
    }
}

/// Reads a config: the source, then `flags` (key and value, from flags such as `--epochs`), then `sets`
/// (`a.b=v`). A config without layers gets its task's. Paths come out absolute.
pub fn load(source: &Source, flags: &[(&str, Value)], sets: &[String]) -> Outcome<Config> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let place = &source.place;
    let mut config = parse(text)
        .map_err(|m| Failure::usage("config", m.at(place, |line| format!("{place}, line {line}"))))?;

    let mut document = DocumentMut::from_str(text)
        .map_err(|e| Failure::usage("config", format!("{place}: {}", e.message())))?;
    absolute_paths(&mut document, &source.base);
    if config.layer.is_empty() {
        let default = DocumentMut::from_str(template::layers(config.task.kind))
            .map_err(|e| Failure::usage("config", e.to_string()))?;
        document["layer"] = default["layer"].clone();
    }

    let mut edits: Vec<(String, String, Value)> = Vec::new();
    for (key, value) in flags {
        edits.push((format!("--{}", key.rsplit('.').next().unwrap_or(key)), (*key).into(), value.clone()));
    }
    for text in sets {
        let name = format!("--set {text}");
        let (key, value) = set::parse(text).map_err(|m| Failure::usage("config", format!("{name}: {m}")))?;
        edits.push((name, key.into(), value));
    }
    // The template's embedding is for texts: numbers have none.
    let of_numbers = |key: &str| matches!(key, "data.id" | "data.value" | "data.target" | "data.wide");
    let path = edits.iter().rev().find(|(_, key, _)| key == "data.path");
    let path = path.and_then(|(.., value)| value.as_str().map(PathBuf::from)).or(config.data.path.clone());
    let numbers = path.is_some_and(|path| is_array(&path) || is_sequence_file(&path));
    let is_template = config.layer.is_empty() || [template::CLASSIFY, template::REGRESS].contains(&text);
    if [TaskKind::Classify, TaskKind::Regress].contains(&config.task.kind)
        && is_template
        && (config.data.id.is_some()
            || config.data.value.is_some()
            || config.data.target.is_some()
            || config.data.wide.is_some()
            || numbers
            || edits.iter().any(|(_, key, _)| of_numbers(key)))
        && let Some(layers) = document["layer"].as_array_of_tables_mut()
    {
        layers.retain(|layer| layer.get("type").and_then(Item::as_str) != Some("embedding"));
    }
    for (name, key, value) in &edits {
        set::put(&mut document, key, value.clone())
            .map_err(|m| Failure::usage("config", format!("{name}: {m}")))?;
    }
    absolute_paths(&mut document, Path::new(""));
    config = parse(&document.to_string()).map_err(|m| {
        Failure::usage("config", m.at(&blame(text, &edits, place), |_| blame(text, &edits, place)))
    })?;

    for held in [&mut config.data.valid, &mut config.data.test] {
        held.take_if(|held| held.is_nothing());
    }

    check::check(&config).map_err(|(key, message)| {
        let edited = edits.iter().rev().find(|(_, path, _)| reaches(path, &key)).map(|e| e.0.clone());
        let at = edited.unwrap_or_else(|| match line_of(text, &key) {
            Some(line) => format!("{place}, line {line}"),
            None => place.clone(),
        });
        Failure::usage("config", format!("{at}: `{key}` {message}"))
    })?;
    Ok(config)
}

/// Whether an edit of `path` can have changed `key`.
fn reaches(path: &str, key: &str) -> bool {
    let under = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('.'));
    under(path, key) || under(key, path)
}

/// The first edit after which the document no longer reads.
fn blame(text: &str, edits: &[(String, String, Value)], place: &str) -> String {
    let mut document = DocumentMut::from_str(text).unwrap_or_default();
    for (name, key, value) in edits {
        let _ = set::put(&mut document, key, value.clone());
        if parse(&document.to_string()).is_err() {
            return name.clone();
        }
    }
    place.to_string()
}

/// Relative `data.path`, `target`, `valid`, `test`, `vocab`, `tokenizer` and `vectors` made absolute, so that a run can be
/// resumed from anywhere. Names that are no paths stay.
fn absolute_paths(document: &mut DocumentMut, base: &Path) {
    let Some(data) = document.get_mut("data").and_then(Item::as_table_like_mut) else { return };
    for key in ["path", "target", "valid", "test", "vocab", "tokenizer", "vectors"] {
        let Some(value) = data.get_mut(key).and_then(Item::as_value_mut) else { continue };
        let Some(text) = value.as_str().filter(|text| is_path(key, text)) else { continue };
        if let Ok(path) = std::path::absolute(base.join(text)) {
            let decor = value.decor().clone();
            *value = Value::from(path.to_string_lossy().into_owned());
            *value.decor_mut() = decor;
        }
    }
}

/// Whether the value of this key of `[data]` is a path.
fn is_path(key: &str, text: &str) -> bool {
    match key {
        "tokenizer" => matches!(Tokenizer::from(text.to_owned()), Tokenizer::File(_)) && !text.is_empty(),
        "valid" | "test" if text == NOTHING || text == "auto" => false,
        "vocab" if text == "auto" => false,
        _ => super::builtin(Path::new(text)).is_none() && !text.is_empty(),
    }
}

/// Why a text is no config.
struct Unreadable {
    line: Option<usize>,
    message: String,
}

impl Unreadable {
    fn at(&self, place: &str, with_line: impl Fn(usize) -> String) -> String {
        match self.line {
            Some(line) => format!("{}: {}", with_line(line), self.message),
            None => format!("{place}: {}", self.message),
        }
    }
}

fn parse(text: &str) -> Result<Config, Unreadable> {
    toml::from_str(text).map_err(|mut error| {
        error.set_input(None);
        let key = error
            .to_string()
            .lines()
            .find_map(|l| l.strip_prefix("in `").and_then(|l| l.strip_suffix('`')).map(str::to_string));
        let message = explain(error.message(), key.as_deref());
        let unknown = error.message().starts_with("unknown field").then(|| quoted(error.message())).flatten();
        let line = error.span().map(|span| {
            let start = unknown.and_then(|u| key_start(text, span.start, u)).unwrap_or(span.start);
            text[..start.min(text.len())].matches('\n').count() + 1
        });
        Unreadable { line, message }
    })
}

/// Where the key itself starts: the span of an error inside an inline table is the whole table's.
fn key_start(text: &str, from: usize, key: &str) -> Option<usize> {
    let tail = text.get(from..)?;
    tail.match_indices(key).map(|(i, _)| from + i).find(|&i| {
        let before = text[..i].chars().next_back();
        let boundary = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '-'));
        boundary
            && text[i + key.len()..].trim_start_matches(['"', '\'', ' ', '\t']).starts_with(['=', '.', ']'])
    })
}

/// The first word of a message between backticks.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// Serde's message in the user's words.
fn explain(message: &str, key: Option<&str>) -> String {
    let at = key.map(|k| format!("`{k}`: ")).unwrap_or_default();
    let known: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
    let list = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    match (quoted(message), message) {
        (Some("bidirectional"), m) if m.starts_with("unknown field") => {
            "a layer is made bidirectional by `type = \"bidirectional\"` and `layer = { type = \"lstm\", units = 64 }`; on \
             the command line, `--set layer.1.bidirectional=true` does it".into()
        }
        (Some(word), m) if m.starts_with("unknown field") => match nearest(word, &known) {
            Some(near) => format!("unknown key `{word}`; did you mean `{near}`?"),
            None => format!("unknown key `{word}`; known here: {list}"),
        },
        (Some(word), m) if m.starts_with("unknown variant") => match nearest(word, &known) {
            Some(near) => format!("{at}unknown value `{word}`; did you mean `{near}`? (known: {list})"),
            None => format!("{at}unknown value `{word}`; known: {list}"),
        },
        (Some(word), m) if m.starts_with("missing field") => format!("{at}the key `{word}` is missing"),
        (_, m) => {
            let plain = m
                .strip_prefix("invalid type: ")
                .or_else(|| m.strip_prefix("invalid value: "))
                .and_then(|m| m.rsplit_once(", expected "));
            match plain {
                Some((found, "usize" | "u64" | "u32")) => {
                    format!("{at}expected a whole number, 0 or more, found {found}")
                }
                Some((found, "f64" | "f32")) => format!("{at}expected a number, found {found}"),
                Some((found, "internally tagged enum Initializer")) => {
                    format!(
                        "{at}expected a table such as {{ type = \"uniform\", scale = 0.1 }}, found {found}"
                    )
                }
                Some((found, "internally tagged enum Optimizer")) => {
                    format!("{at}expected a table such as {{ type = \"adam\", rate = 0.001 }}, found {found}")
                }
                Some((found, "internally tagged enum Average")) => {
                    format!(
                        "{at}expected a table such as {{ type = \"non_monotone\", after = 5 }}, found {found}"
                    )
                }
                Some((found, "internally tagged enum Schedule")) => {
                    format!(
                        "{at}expected a table such as {{ type = \"halve_after\", epoch = 4 }}, found {found}"
                    )
                }
                Some((found, expected)) => format!("{at}expected {expected}, found {found}"),
                None => format!("{at}{}", m.trim()),
            }
        }
    }
}

/// The known word that a slip of the fingers makes from `word`.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let score = |k: &str| strsim::damerau_levenshtein(&word.to_lowercase(), k);
    let near = known.iter().copied().min_by_key(|k| score(k))?;
    let close = score(near) <= (word.chars().count() / 3).max(1)
        || strsim::jaro_winkler(word, near) >= 0.88
        || (word.len() >= 3 && (near.starts_with(word) || word.starts_with(near)));
    close.then_some(near)
}

/// The line of a key such as `layer.0.units`, or of the nearest table around it.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = toml_edit::Document::parse(text).ok()?;
    let parts: Vec<&str> = key.split('.').collect();
    let span = span_of(document.as_table(), &parts, None)?;
    Some(text[..span.start].matches('\n').count() + 1)
}

fn span_of(table: &dyn TableLike, parts: &[&str], around: Option<Range<usize>>) -> Option<Range<usize>> {
    let [first, rest @ ..] = parts else { return around };
    let Some((key, item)) = table.get_key_value(first) else { return around };
    let around = key.span().or(around);
    match (item, rest) {
        (Item::ArrayOfTables(tables), [index, rest @ ..]) => {
            let Some(table) = index.parse().ok().and_then(|i: usize| tables.get(i)) else { return around };
            span_of(table, rest, table.span().or(around))
        }
        _ => match item.as_table_like() {
            Some(table) => span_of(table, rest, around),
            None => around,
        },
    }
}

#[cfg(test)]
mod tests;
