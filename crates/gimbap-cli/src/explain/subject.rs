//! What is looked at: a sequence as the model reads it, with names for its steps, its targets and its outputs.

use std::path::Path;

use gimbap::data::dataset::{Dataset, Sequences, Steps, Targets};
use gimbap::data::table::{LabelledSeries, SequenceColumns};
use gimbap::data::text::{CLOSING_ID, Vocabulary};
use gimbap::loss::RowTargets;
use gimbap::metric::calibration::largest;

use crate::lm::judge::shown;
use crate::model_file::Opened;
use crate::output::{Failure, Outcome};
use crate::task::{TaskDoc, classify, forecast, short};

/// More steps than these are not looked at: their pictures could not be read.
const MOST_STEPS: usize = 1000;

/// A sequence with its names.
#[derive(Debug)]
pub struct Subject {
    /// What kind of task its model has.
    pub kind: Kind,
    /// What is read at each step.
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
    /// How many tokens are not in the vocabulary.
    pub unknown: usize,
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
    /// Numbers.
    Numbers,
}

impl Subject {
    /// How many tokens can be swapped: those of the text itself.
    pub fn own(&self) -> usize {
        match self.kind {
            Kind::Next => self.steps.len() - 1,
            Kind::Labels | Kind::Label => self.steps.len(),
            Kind::Numbers => 0,
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
            Kind::Label | Kind::Numbers => ids.swap(a, b),
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
}

/// The sequence of a question, as this model reads it.
pub fn subject(opened: &Opened, question: &Question<'_>) -> Outcome<Subject> {
    if let (Some(_), Some(task)) = (question.label, &opened.task)
        && !matches!(task, TaskDoc::Classify(_))
    {
        let message = format!("--label: {} is {}, and has no classes", opened.path.display(), task.name());
        return Err(Failure::usage("usage", message));
    }
    let subject = match &opened.task {
        Some(TaskDoc::Lm(doc)) => sentence(&doc.vocabulary, text(question)?)?,
        Some(TaskDoc::Classify(doc)) => match &doc.input {
            classify::Kind::Text { vocabulary, .. } => document(doc, vocabulary, opened, question)?,
            classify::Kind::Series { features, scaler, id, time } => {
                let id = id.clone().unwrap_or_else(|| "id".into());
                let columns = SequenceColumns {
                    label: Some(doc.label.clone().unwrap_or_else(|| "label".into())),
                    id: Some(id),
                    time: time.clone(),
                    features: features.clone(),
                };
                let series = LabelledSeries::read_with_classes(input(question)?, &columns, &doc.classes)?;
                let all = classify::scaled(&series, scaler)?;
                let first = first_of(&all)?;
                let steps = (0..first.0.len() / first.1).map(|t| (t + 1).to_string()).collect();
                let label = series.labels.first().map(|&label| doc.classes[label as usize].clone());
                labelled(doc, opened, steps, Inputs::Features(first.0, first.1), label, 0)?
            }
        },
        Some(TaskDoc::Tag(doc)) => {
            let ids = doc.encode(text(question)?);
            let steps = names(&doc.vocabulary, &ids);
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
                unknown: Vocabulary::unknowns(&ids),
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
    let wanted = "this model reads texts: give one with --text";
    question.text.ok_or_else(|| Failure::usage("usage", wanted))
}

fn input<'a>(question: &Question<'a>) -> Outcome<&'a Path> {
    let wanted = "this model reads series: give a file with --input";
    question.input.ok_or_else(|| Failure::usage("usage", wanted))
}

fn tokens(vocabulary: &Vocabulary) -> Vec<String> {
    vocabulary.tokens().iter().map(|token| shown(token)).collect()
}

fn names(vocabulary: &Vocabulary, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|&id| shown(vocabulary.token(id))).collect()
}

/// A sentence between closing marks, each token with the next one as its target: as `gimbap score` reads it.
fn sentence(vocabulary: &Vocabulary, text: &str) -> Outcome<Subject> {
    let targets = vocabulary.encode_line(text);
    let mut ids = vec![CLOSING_ID];
    ids.extend_from_slice(&targets[..targets.len() - 1]);
    Ok(Subject {
        kind: Kind::Next,
        steps: names(vocabulary, &ids),
        targets: names(vocabulary, &targets),
        outputs: tokens(vocabulary),
        tokens: tokens(vocabulary),
        came: Vec::new(),
        guessed: false,
        unknown: Vocabulary::unknowns(&targets),
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
    let ids = vocabulary.encode_units(text(question)?);
    let unknown = Vocabulary::unknowns(&ids);
    let (steps, label) = (names(vocabulary, &ids), question.label.map(str::to_string));
    let subject = labelled(doc, opened, steps, Inputs::Ids(ids), label, unknown)?;
    Ok(Subject { tokens: tokens(vocabulary), ..subject })
}

/// A sequence before it is given to a model.
enum Inputs {
    Ids(Vec<u32>),
    Features(Vec<f32>, usize),
}

/// A sequence with a class: the one that is said, or the likeliest.
fn labelled(
    doc: &classify::Doc,
    opened: &Opened,
    steps: Vec<String>,
    inputs: Inputs,
    label: Option<String>,
    unknown: usize,
) -> Outcome<Subject> {
    if steps.is_empty() {
        return Err(Failure::work("data", "there is no token to look at: give a text that has one"));
    }
    let found = match &inputs {
        Inputs::Ids(ids) => doc.probabilities(&opened.model, &Sequences::from(&vec![ids.clone()]))?,
        Inputs::Features(x, width) => {
            doc.probabilities(&opened.model, &Sequences::features(x.clone(), *width, &[x.len() / width])?)?
        }
    };
    let class = match &label {
        None => largest(&found[0]),
        Some(label) => doc.classes.iter().position(|class| class == label).ok_or_else(|| {
            let message =
                format!("--label: there is no class `{label}`, there are {}", doc.classes.join(", "));
            Failure::usage("usage", message)
        })?,
    };
    let rows = RowTargets::Classes(vec![class as u32]);
    let data = match inputs {
        Inputs::Ids(ids) => Dataset::new(&vec![ids], Targets::per_sequence(rows))?,
        Inputs::Features(x, width) => {
            let x: Vec<f64> = x.into_iter().map(f64::from).collect();
            let steps = x.len() / width;
            Dataset::new(Sequences::features(x, width, &[steps])?, Targets::per_sequence(rows))?
        }
    };
    Ok(Subject {
        kind: Kind::Label,
        steps,
        targets: vec![doc.classes[class].clone()],
        wanted: Some(vec![class as u32]),
        outputs: doc.classes.clone(),
        came: Vec::new(),
        tokens: Vec::new(),
        guessed: label.is_none(),
        unknown,
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
    let series = doc.read(path)?;
    let (f, rows) = (series.features(), doc.window + doc.horizon);
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
    let own = &series.values[(series.len() - rows) * f..];
    let mut scaled = own.to_vec();
    doc.scaler.transform(&mut scaled);
    let (x, y) = scaled.split_at(doc.window * f);
    let named = |values: &[f64]| values.iter().map(|&x| short(x)).collect::<Vec<_>>().join(" ");
    let outputs = (1..=doc.horizon).flat_map(|h| doc.values.iter().map(move |name| format!("{name} +{h}")));
    let targets = RowTargets::Values { values: y.to_vec(), width: y.len() };
    Ok(Subject {
        kind: Kind::Numbers,
        steps: own[..doc.window * f].chunks_exact(f).map(named).collect(),
        targets: vec![named(&own[doc.window * f..])],
        wanted: None,
        outputs: outputs.collect(),
        came: y.to_vec(),
        tokens: Vec::new(),
        guessed: false,
        unknown: 0,
        data: Dataset::new(
            Sequences::features(x.to_vec(), f, &[doc.window])?,
            Targets::per_sequence(targets),
        )?,
    })
}
