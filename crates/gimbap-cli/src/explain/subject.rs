//! What is looked at: a sequence as the model reads it, with names for its steps, its targets and its outputs.

use std::path::Path;

use gimbap::data::dataset::{Dataset, Sequences, Steps, Targets};
use gimbap::data::text::{CLOSING_ID, UNKNOWN, UNKNOWN_ID, Unit, Vocabulary};
use gimbap::loss::RowTargets;
use gimbap::metric::calibration::largest;

use crate::args::Language;
use crate::lm::judge::shown;
use crate::lm::unknown::{nothing_known, words_of};
use crate::model_file::Opened;
use crate::output::{Failure, Outcome};
use crate::task::examples::{self, Reading};
use crate::task::{TaskDoc, arrays, classify, forecast, short};

/// More steps than these are not looked at: their pictures could not be read.
const MOST_STEPS: usize = 1000;
/// Stands behind a word that is not in the vocabulary.
const MARK: char = '*';

/// A sequence with its names.
#[derive(Debug)]
pub struct Subject {
    /// What kind of task its model has.
    pub kind: Kind,
    /// What is read at each step, as typed; behind a word that is not in the vocabulary stands a `*`.
    pub steps: Vec<String>,
    /// What is wanted of each output.
    pub targets: Vec<String>,
    /// The number of the wanted output, where outputs are a distribution.
    pub wanted: Option<Vec<u32>>,
    /// What the outputs are called.
    pub outputs: Vec<String>,
    /// All tokens of the model's vocabulary; none of a model of numbers.
    pub tokens: Vec<String>,
    /// The numbers that are wanted, as the model sees them; none of tokens and classes.
    pub came: Vec<f64>,
    /// Whether the targets are what the model itself finds likeliest.
    pub guessed: bool,
    /// The words of the text that are not in the vocabulary, each as often as it is there.
    pub unknown: Vec<String>,
    /// What a token is, of a model of texts.
    pub unit: Option<Unit>,
    /// For the model.
    pub data: Dataset<f64>,
}

/// What a model's outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The next token, at each step.
    Next,
    /// A label for each step.
    Labels,
    /// One label.
    Label,
    /// Numbers behind the sequence.
    Numbers,
    /// Numbers for the whole sequence.
    Values,
}

impl Subject {
    /// The number of the first step: of a language model 0, the mark before the words, which count from 1.
    pub fn first_step(&self) -> usize {
        usize::from(self.kind != Kind::Next)
    }

    /// The words that are not in the vocabulary, each once.
    pub fn strangers(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::new();
        for word in &self.unknown {
            if !words.contains(&word.as_str()) {
                words.push(word);
            }
        }
        words
    }

    /// Names of steps or targets without the mark behind an unknown word: for machines, beside [`Subject::unknown`].
    pub fn plain(&self, names: &[String]) -> Vec<String> {
        let plain = |name: &String| match name.strip_suffix(MARK) {
            Some(word) if self.unknown.iter().any(|unknown| unknown == word) => word.to_string(),
            _ => name.clone(),
        };
        names.iter().map(plain).collect()
    }

    /// How many tokens can be swapped: those of the text itself.
    pub fn own(&self) -> usize {
        match self.kind {
            Kind::Next => self.steps.len() - 1,
            Kind::Labels | Kind::Label => self.steps.len(),
            Kind::Numbers | Kind::Values => 0,
        }
    }

    /// The sequence with two tokens of its text in each other's place, both counted from 0, for the model; of next tokens
    /// only the last one counts.
    pub fn swapped(&self, (a, b): (usize, usize)) -> Outcome<Option<Dataset<f32>>> {
        let (Steps::Ids(ids), Some(wanted)) = (self.data.inputs().steps(), &self.wanted) else {
            return Ok(None);
        };
        let (mut ids, mut wanted) = (ids.clone(), wanted.clone());
        match self.kind {
            Kind::Next => ids.swap(a + 1, b + 1),
            Kind::Labels => {
                ids.swap(a, b);
                wanted.swap(a, b);
            }
            Kind::Label | Kind::Numbers | Kind::Values => ids.swap(a, b),
        }
        let rows = RowTargets::Classes(wanted);
        let steps = ids.len();
        let targets =
            if self.kind == Kind::Label { Targets::per_sequence(rows) } else { Targets::per_step(rows) };
        let data = Dataset::new(&vec![ids], targets)?;
        Ok(Some(match self.kind {
            Kind::Next => data.mask((0..steps).map(|t| t + 1 == steps).collect())?,
            _ => data,
        }))
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub text: Option<&'a str>,
    pub label: Option<&'a str>,
    pub input: Option<&'a Path>,
    /// In which language it is refused.
    pub lang: Language,
}

/// The sequence of a question, as this model reads it.
pub fn subject(opened: &Opened, question: &Question<'_>) -> Outcome<Subject> {
    if let (Some(_), Some(task)) = (question.label, &opened.task)
        && task.reading().is_none()
    {
        let message = format!("--label: {} is {}, and has no classes", opened.path.display(), task.name());
        return Err(Failure::usage("usage", message));
    }
    let subject = match &opened.task {
        Some(TaskDoc::Lm(doc)) => sentence(&doc.vocabulary, text(question)?, question.lang)?,
        Some(TaskDoc::Classify(doc)) => match &doc.reading.input {
            examples::Kind::Text { vocabulary, .. } => document(doc, vocabulary, opened, question)?,
            examples::Kind::Series { scaler, .. } => {
                let path = input(question)?;
                let series = match arrays::is_array(path) {
                    true => arrays::unlabelled(path, &doc.classes, question.label)?,
                    false => doc.reading.series(path, None, &doc.classes)?,
                };
                let all = examples::scaled(&series, scaler)?;
                let first = first_of(&all)?;
                let steps = (0..first.0.len() / first.1).map(|t| (t + 1).to_string()).collect();
                let label = series.labels.first().map(|&label| doc.classes[label as usize].clone());
                labelled(doc, opened, steps, Inputs::Features(first.0, first.1), label)?
            }
        },
        Some(TaskDoc::MultiLabel(doc)) => {
            let (inputs, names) = whole(&doc.reading, &doc.classes, question)?;
            let given = match question.label {
                Some(label) => doc.labels(label)?,
                None => doc.given(&doc.probabilities(&opened.model, &inputs.sequences()?)?.concat()),
            };
            let came = (0..doc.classes.len() as u32).map(|label| f64::from(u8::from(given.contains(&label))));
            let target = doc.named(&given);
            values(inputs, names, doc.classes.clone(), target, came.collect(), &doc.reading, question)?
        }
        Some(TaskDoc::Regress(doc)) => {
            let (inputs, names) = whole(&doc.reading, &[], question)?;
            let wanted = match question.label {
                None => doc.mean,
                Some(label) => label.parse().map_err(|_| {
                    Failure::usage(
                        "usage",
                        format!("--label: `{label}` is no number, and the model gives numbers"),
                    )
                })?,
            };
            let mut came = vec![wanted];
            doc.target.transform(&mut came);
            let output = doc.reading.label.clone().unwrap_or_else(|| "label".into());
            values(inputs, names, vec![output], short(wanted), came, &doc.reading, question)?
        }
        Some(TaskDoc::Tag(doc)) => {
            let text = text(question)?;
            let ids = doc.encode(text);
            let Names { all: steps, unknown } = names(&doc.vocabulary, text, &ids, question.lang)?;
            let found = opened.model.predict(Sequences::from(&vec![ids.clone()]))?;
            let width = doc.labels.len();
            let rows = found.as_slice().unwrap_or(&[]).chunks_exact(width).take(ids.len());
            let best: Vec<u32> = rows.map(|row| largest(row) as u32).collect();
            let targets = best.iter().map(|&label| doc.labels[label as usize].clone()).collect();
            Subject {
                kind: Kind::Labels,
                targets,
                outputs: doc.labels.clone(),
                tokens: tokens(&doc.vocabulary),
                came: Vec::new(),
                guessed: true,
                unknown,
                unit: Some(doc.vocabulary.unit()),
                data: Dataset::new(&vec![ids], Targets::per_step(RowTargets::Classes(best.clone())))?,
                wanted: Some(best),
                steps,
            }
        }
        Some(TaskDoc::Forecast(doc)) => window(doc, input(question)?)?,
        None => {
            let message =
                format!("{} has no task: nothing says how to read a sequence", opened.path.display());
            return Err(Failure::work("task", message));
        }
    };
    match subject.steps.len() {
        0 => Err(Failure::work("data", "there is no token to look at: give a text that has one")),
        n if n > MOST_STEPS => {
            let message = format!("{n} steps are too many to be looked at: give {MOST_STEPS} at most");
            Err(Failure::work("data", message))
        }
        _ => Ok(subject),
    }
}

fn text<'a>(question: &Question<'a>) -> Outcome<&'a str> {
    let wanted = question.lang.say(
        "this model reads texts: give one with --text",
        "이 모델은 텍스트를 읽습니다. --text로 텍스트를 지정하세요",
    );
    question.text.ok_or_else(|| Failure::usage("usage", wanted))
}

fn input<'a>(question: &Question<'a>) -> Outcome<&'a Path> {
    let wanted = question.lang.say(
        "this model reads series: give a file with --input",
        "이 모델은 시계열을 읽습니다. --input으로 파일을 지정하세요",
    );
    question.input.ok_or_else(|| Failure::usage("usage", wanted))
}

fn tokens(vocabulary: &Vocabulary) -> Vec<String> {
    vocabulary.tokens().iter().map(|token| shown(token)).collect()
}

/// What the tokens of a text are called.
struct Names {
    /// Each of them; behind an unknown one stands [`MARK`].
    all: Vec<String>,
    /// Those that are not in the vocabulary.
    unknown: Vec<String>,
}

/// The names of a text's tokens, those that the vocabulary lacks as they were typed. A text of nothing else is refused:
/// its figures would show one and the same word.
fn names(vocabulary: &Vocabulary, text: &str, ids: &[u32], lang: Language) -> Outcome<Names> {
    let typed = vocabulary.pieces(text);
    let mut unknown = Vec::new();
    let name = |(t, &id): (usize, &u32)| {
        let typed = typed.get(t).filter(|piece| id == UNKNOWN_ID && *piece != UNKNOWN);
        let Some(typed) = typed else { return shown(vocabulary.token(id)) };
        unknown.push(shown(typed));
        format!("{}{MARK}", shown(typed))
    };
    let all: Vec<String> = ids.iter().enumerate().map(name).collect();
    let told = |&id: &u32| id != UNKNOWN_ID && !vocabulary.token(id).trim().is_empty();
    if Vocabulary::unknowns(ids) > 0 && !ids.iter().any(told) {
        return Err(nothing_known(vocabulary, "--text", [text], lang));
    }
    // An unknown piece of a word has no name of its own, but the word that it is in has.
    if vocabulary.unit() == Unit::Subword {
        unknown = words_of(vocabulary, [text]).iter().map(|word| shown(word)).collect();
    }
    Ok(Names { all, unknown })
}

/// A sentence between closing marks, each token with the next one as its target: as `gimbap score` reads it.
fn sentence(vocabulary: &Vocabulary, text: &str, lang: Language) -> Outcome<Subject> {
    let targets = vocabulary.encode_line(text);
    let own = &targets[..targets.len() - 1];
    let mut ids = vec![CLOSING_ID];
    ids.extend_from_slice(own);
    let Names { all, unknown } = names(vocabulary, text, own, lang)?;
    let mark = vec![shown(vocabulary.token(CLOSING_ID))];
    Ok(Subject {
        kind: Kind::Next,
        steps: [&mark[..], &all].concat(),
        targets: [&all[..], &mark].concat(),
        outputs: tokens(vocabulary),
        tokens: tokens(vocabulary),
        came: Vec::new(),
        guessed: false,
        unknown,
        unit: Some(vocabulary.unit()),
        data: Dataset::new(&vec![ids], Targets::per_step(RowTargets::Classes(targets.clone())))?,
        wanted: Some(targets),
    })
}

fn document(
    doc: &classify::Doc,
    vocabulary: &Vocabulary,
    opened: &Opened,
    question: &Question<'_>,
) -> Outcome<Subject> {
    let text = text(question)?;
    let ids = vocabulary.encode_units(text);
    let label = question.label.map(str::to_string);
    let Names { all, unknown } = names(vocabulary, text, &ids, question.lang)?;
    let subject = labelled(doc, opened, all, Inputs::Ids(ids), label)?;
    Ok(Subject { tokens: tokens(vocabulary), unknown, unit: Some(vocabulary.unit()), ..subject })
}

/// A sequence before it is given to a model.
enum Inputs {
    Ids(Vec<u32>),
    Features(Vec<f32>, usize),
}

/// A whole sequence of a question, as a model reads it, and what its steps are called.
fn whole(reading: &Reading, classes: &[String], question: &Question<'_>) -> Outcome<(Inputs, Names)> {
    if let examples::Kind::Series { scaler, .. } = &reading.input {
        let path = input(question)?;
        let series = match arrays::is_array(path) {
            true => arrays::unlabelled(path, &[], None)?,
            false => reading.unlabelled(path, classes)?,
        };
        let (x, width) = first_of(&examples::scaled(&series, scaler)?)?;
        let all = (1..=x.len() / width).map(|t| t.to_string()).collect();
        return Ok((Inputs::Features(x, width), Names { all, unknown: Vec::new() }));
    }
    let vocabulary = reading.vocabulary().ok_or_else(|| Failure::work("task", "it has no vocabulary"))?;
    let text = text(question)?;
    let ids = vocabulary.encode_units(text);
    let names = names(vocabulary, text, &ids, question.lang)?;
    Ok((Inputs::Ids(ids), names))
}

/// A sequence with numbers for the whole of it.
fn values(
    inputs: Inputs,
    names: Names,
    outputs: Vec<String>,
    target: String,
    came: Vec<f64>,
    reading: &Reading,
    question: &Question<'_>,
) -> Outcome<Subject> {
    if names.all.is_empty() {
        return Err(Failure::work("data", "there is no token to look at: give a text that has one"));
    }
    let rows = RowTargets::Values { values: came.clone(), width: came.len() };
    Ok(Subject {
        kind: Kind::Values,
        steps: names.all,
        targets: vec![target],
        wanted: None,
        outputs,
        came,
        tokens: reading.vocabulary().map(tokens).unwrap_or_default(),
        guessed: question.label.is_none(),
        unknown: names.unknown,
        unit: reading.vocabulary().map(Vocabulary::unit),
        data: inputs.with(rows)?,
    })
}

impl Inputs {
    fn sequences(&self) -> Outcome<Sequences<f32>> {
        Ok(match self {
            Inputs::Ids(ids) => Sequences::from(&vec![ids.clone()]),
            Inputs::Features(x, width) => Sequences::features(x.clone(), *width, &[x.len() / width])?,
        })
    }

    /// With a target for the whole sequence.
    fn with(self, rows: RowTargets<f64>) -> Outcome<Dataset<f64>> {
        let targets = Targets::per_sequence(rows);
        Ok(match self {
            Inputs::Ids(ids) => Dataset::new(&vec![ids], targets)?,
            Inputs::Features(x, width) => {
                let x: Vec<f64> = x.into_iter().map(f64::from).collect();
                let steps = x.len() / width;
                Dataset::new(Sequences::features(x, width, &[steps])?, targets)?
            }
        })
    }
}

/// A sequence with a class: the one that is said, or the likeliest.
fn labelled(
    doc: &classify::Doc,
    opened: &Opened,
    steps: Vec<String>,
    inputs: Inputs,
    label: Option<String>,
) -> Outcome<Subject> {
    if steps.is_empty() {
        return Err(Failure::work("data", "there is no token to look at: give a text that has one"));
    }
    let found = doc.probabilities(&opened.model, &inputs.sequences()?)?;
    let class = match &label {
        None => largest(&found[0]),
        Some(label) => doc.classes.iter().position(|class| class == label).ok_or_else(|| {
            let message =
                format!("--label: there is no class `{label}`, there are {}", doc.classes.join(", "));
            Failure::usage("usage", message)
        })?,
    };
    let data = inputs.with(RowTargets::Classes(vec![class as u32]))?;
    Ok(Subject {
        kind: Kind::Label,
        steps,
        targets: vec![doc.classes[class].clone()],
        wanted: Some(vec![class as u32]),
        outputs: doc.classes.clone(),
        came: Vec::new(),
        tokens: Vec::new(),
        guessed: label.is_none(),
        unknown: Vec::new(),
        unit: None,
        data,
    })
}

fn first_of(all: &Sequences<f32>) -> Outcome<(Vec<f32>, usize)> {
    match all.steps() {
        Steps::Features { values, width } if !all.is_empty() => {
            Ok((values[..all.length(0) * width].to_vec(), *width))
        }
        _ => Err(Failure::work("data", "the file has no sequence to look at")),
    }
}

/// The last window of a series that has the values after it.
fn window(doc: &forecast::Doc, path: &Path) -> Outcome<Subject> {
    if !doc.known.is_empty() || !doc.calendar.is_empty() {
        let message = "a forecast that goes on through what is known ahead has no picture yet: look at one without data.known \
                       and data.calendar";
        return Err(Failure::work("unsupported", message));
    }
    let table = doc.read(path)?;
    let series = &table.series[0];
    let (f, v, rows) = (series.features(), doc.values.len(), doc.window + doc.horizon);
    if series.len() < rows {
        let message = format!(
            "{}: has {} rows; the model sees {} and is asked for the {} behind them",
            path.display(),
            series.len(),
            doc.window,
            doc.horizon
        );
        return Err(Failure::work("data", message));
    }
    let mut scaled = series.values[(series.len() - rows) * f..].to_vec();
    doc.scaler.transform(&mut scaled);
    let (x, behind) = scaled.split_at(doc.window * f);
    let mut y: Vec<f64> = behind.chunks_exact(f).flat_map(|row| &row[..v]).copied().collect();
    doc.aim(&x[x.len() - f..][..v], &mut y);
    let times = times(&series.times[series.len() - rows..], series.len() - rows);
    let (seen, behind) = times.split_at(doc.window);
    let target = match behind {
        [one] => one.clone(),
        more => [&*more[0], "…", &*more[more.len() - 1]].join(" "),
    };
    let outputs = (1..=doc.horizon).flat_map(|h| doc.values.iter().map(move |name| format!("{name} +{h}")));
    let targets = RowTargets::Values { values: y.clone(), width: y.len() };
    Ok(Subject {
        kind: Kind::Numbers,
        steps: seen.to_vec(),
        targets: vec![target],
        wanted: None,
        outputs: outputs.collect(),
        came: y,
        tokens: Vec::new(),
        guessed: false,
        unknown: Vec::new(),
        unit: None,
        data: Dataset::new(
            Sequences::features(x.to_vec(), f, &[doc.window])?,
            Targets::per_sequence(targets),
        )?,
    })
}

/// What rows of a series are called: by their time, without what all of them begin or end with where that makes them long;
/// by their number in the file where they have no time. `before` rows stand in front of them.
fn times(times: &[String], before: usize) -> Vec<String> {
    const LONG: usize = 10;
    let named: Vec<String> = times
        .iter()
        .enumerate()
        .map(|(i, time)| match time.trim() {
            "" => (before + i + 1).to_string(),
            // Neither quoted nor on two lines.
            time => time.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        })
        .collect();
    if named.len() < 2 || named.iter().all(|name| name.chars().count() <= LONG) {
        return named;
    }
    let common = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let first: Vec<char> = named[0].chars().collect();
    let same = named[1..].iter().map(|name| common(&named[0], name)).min().unwrap_or(0);
    // No number is cut in two.
    let begins = first[..same].iter().rposition(|c| !c.is_alphanumeric()).map_or(0, |at| at + 1);
    let seconds = [":00", ":00Z"]
        .into_iter()
        .find(|end| named.iter().all(|name| name.matches(':').count() > 1 && name.ends_with(end)));
    let short = |name: &String| {
        let name: String = name.chars().skip(begins).collect();
        seconds.and_then(|end| name.strip_suffix(end).map(str::to_string)).unwrap_or(name)
    };
    named.iter().map(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_by_what_tells_their_times_apart() {
        let named = |all: &[&str]| times(&all.iter().map(|time| time.to_string()).collect::<Vec<_>>(), 40);
        assert_eq!(named(&["2024-01-01", "2024-01-02"]), ["2024-01-01", "2024-01-02"]);
        assert_eq!(named(&["2024-01-01 23:00", "2024-01-02 00:00"]), ["01 23:00", "02 00:00"]);
        assert_eq!(named(&["2024-01-01T08:00:00", "2024-01-01T18:30:00"]), ["01T08:00", "01T18:30"]);
        assert_eq!(named(&["2024-01-01 08:00:00", "2024-02-01 08:00:00"]), ["01-01 08:00", "02-01 08:00"]);
        assert_eq!(named(&["", "7"]), ["41", "7"]);
        assert_eq!(named(&["the same long time"]), ["the same long time"]);
    }
}
