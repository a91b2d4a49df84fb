//! What is told of a model that gives labels, to sequences or to tokens: its figures, and a report for each label.

use gimbap::metric::calibration::{largest, log};
use gimbap::metric::{Confusion, MetricState, OutputKind, Scores, Target};
use gimbap::model::Model;
use serde_json::{Map, Value, json};

use super::{TRY, number, short};
use crate::output::{Failure, Outcome, table, thousands};

/// Of more labels than this, the worst and the best are told, so many of each.
const ALL: usize = 50;
const ENDS: usize = 10;

/// A table of what is taken for what is shown for so many labels; a wider one breaks its lines.
const SHOWN: usize = 12;

/// Adds up one pass over labelled rows.
pub struct Judged {
    loss: f64,
    rows: usize,
    metrics: Vec<MetricState>,
    /// What was taken for what.
    pub confusion: Confusion,
}

impl Judged {
    /// For a model with so many labels.
    pub fn new(model: &Model, labels: usize) -> Outcome<Self> {
        let Some(training) = model.training() else {
            return Err(Failure::work(
                "task",
                "the model was never compiled: it is not known what to measure",
            ));
        };
        // One output for two labels is told as the distribution over both.
        let kind = match training.loss.output_kind() {
            OutputKind::Binary => OutputKind::Categorical,
            kind => kind,
        };
        let metrics = training.metrics.iter().map(|&metric| MetricState::new(metric, kind));
        Ok(Judged {
            loss: 0.0,
            rows: 0,
            metrics: metrics.collect::<Result<_, _>>()?,
            confusion: Confusion::new(labels),
        })
    }

    /// Counts a row: its probabilities, and its label. Gives back what was predicted.
    pub fn add(&mut self, probabilities: &[f64], label: u32) -> u32 {
        let loss = -log(probabilities[label as usize]);
        self.loss += loss;
        self.rows += 1;
        for metric in &mut self.metrics {
            match metric.metric().is_from_loss() {
                true => metric.update_loss(loss, 1.0),
                false => metric.update(probabilities, Target::Class(label), 1.0),
            }
        }
        let predicted = largest(probabilities) as u32;
        self.confusion.add(label, predicted);
        predicted
    }

    /// The loss and the metrics.
    pub fn figures(&self) -> Map<String, Value> {
        let loss = ("loss".to_string(), number(self.loss / self.rows.max(1) as f64));
        let metrics = self.metrics.iter().map(|m| (m.metric().to_string(), number(m.finish())));
        [loss].into_iter().chain(metrics).collect()
    }

    /// Adds the report for each label to the figures; gives back the same as tables. Of many labels it has the worst and
    /// the best, unless it is to be full; then what is taken for what is a list of the pairs that occur.
    pub fn report(&self, labels: &[String], metrics: &mut Map<String, Value>, full: bool) -> String {
        let many = labels.len() > ALL;
        let (json, mut rows) = each(labels, |label| self.confusion.scores(label), full);
        let means = [("macro", self.confusion.macro_mean()), ("weighted", self.confusion.weighted_mean())];
        metrics.insert("classes".into(), json);
        if many {
            metrics.insert("classes_in_all".into(), labels.len().into());
        }
        for (name, scores) in &means {
            metrics.insert((*name).into(), object_of(scores));
        }
        let pair = |(actual, predicted, count)| json!({"actual": labels[actual], "predicted": labels[predicted], "count": count});
        let confusion = match (many, full) {
            (true, true) => Some(self.confusion.pairs().map(pair).collect()),
            (true, false) => None,
            (false, _) => {
                let rows = (0..labels.len()).map(|actual| self.confusion.row(actual));
                Some(json!(rows.collect::<Vec<_>>()))
            }
        };
        metrics.extend(confusion.map(|confusion| ("confusion".to_owned(), confusion)));

        rows.extend(means.iter().map(|(name, scores)| row_of(&format!("{name} mean"), scores)));
        let mut text = scores_table("", &rows);
        if labels.len() <= SHOWN {
            let row = |(actual, label): (usize, &String)| {
                let counts = self.confusion.row(actual).into_iter().map(|count| count.to_string());
                std::iter::once(label.clone()).chain(counts).collect()
            };
            let rows: Vec<Vec<String>> = labels.iter().enumerate().map(row).collect();
            let header: Vec<&str> =
                std::iter::once("actual, taken for").chain(labels.iter().map(String::as_str)).collect();
            text.push_str(&format!("\n\n{}", table(&header, &rows)));
        }
        text
    }
}

/// The figures of each label for JSON, and as rows of a table; of many labels, unless they are to be in full, of those that
/// occur with the lowest f1 and with the highest, from the worst to the best.
pub fn each(labels: &[String], scores: impl Fn(usize) -> Scores, full: bool) -> (Value, Vec<Vec<String>>) {
    let few = labels.len() <= ALL || full;
    let mut all: Vec<(usize, Scores)> = (0..labels.len()).map(|label| (label, scores(label))).collect();
    if !few {
        all.retain(|(_, scores)| scores.support > 0);
        all.sort_by(|a, b| a.1.f1.total_cmp(&b.1.f1).then(a.0.cmp(&b.0)));
        if all.len() > 2 * ENDS {
            all.drain(ENDS..all.len() - ENDS);
        }
    }
    let of = |(label, scores): &(usize, Scores)| {
        let mut object = json!({"label": labels[*label]});
        if let (Value::Object(object), Value::Object(scores)) = (&mut object, object_of(scores)) {
            object.extend(scores);
        }
        object
    };
    let mut rows: Vec<Vec<String>> =
        all.iter().map(|(label, scores)| row_of(&labels[*label], scores)).collect();
    if !few {
        let more = format!(".. {} more (--full)", thousands(labels.len() - all.len()));
        let row = std::iter::once(more).chain([const { String::new() }; 4]).collect();
        rows.insert(ENDS.min(rows.len()), row);
    }
    (all.iter().map(of).collect(), rows)
}

/// Labels by name: all of a few, the first of many.
pub fn listed(labels: &[String]) -> String {
    const NAMED: usize = 20;
    match labels.len().saturating_sub(NAMED) {
        0 => labels.join(", "),
        more => format!("{} and {} more", labels[..NAMED].join(", "), thousands(more)),
    }
}

/// Figures for JSON.
pub fn object_of(scores: &Scores) -> Value {
    json!({
        "precision": number(scores.precision),
        "recall": number(scores.recall),
        "f1": number(scores.f1),
        "support": scores.support,
    })
}

/// Figures as a row of a table.
pub fn row_of(name: &str, scores: &Scores) -> Vec<String> {
    let figures = [scores.precision, scores.recall, scores.f1].map(short);
    std::iter::once(name.to_owned()).chain(figures).chain([scores.support.to_string()]).collect()
}

/// The table of such rows.
pub fn scores_table(title: &str, rows: &[Vec<String>]) -> String {
    table(&[title, "precision", "recall", "f1", "support"], rows)
}

/// The label that occurs most often, the first of equals.
pub fn usual(counts: &[usize]) -> u32 {
    (0..counts.len()).rev().max_by_key(|&label| counts[label]).unwrap_or(0) as u32
}

/// The part of these labels that is the one most frequent in the training data: the accuracy of always giving that. A model
/// from before models kept it has the one most frequent here.
pub fn majority(counts: &[usize], of_training: Option<u32>) -> f64 {
    let most = of_training.unwrap_or_else(|| usual(counts)) as usize;
    counts.get(most).copied().unwrap_or(0) as f64 / counts.iter().sum::<usize>().max(1) as f64
}

/// What is told of a file whose form had to be found out.
pub fn read_as(form: &str, count: usize, what: &str) -> String {
    format!("read as: {form}, {} {what}", thousands(count))
}

/// What is told of the label most frequent in training before a model learns.
pub fn to_beat(counts: &[usize], labels: &[String], of_training: Option<u32>) -> String {
    let label = &labels[of_training.unwrap_or(0) as usize];
    format!("to beat: accuracy {}, of always saying `{label}`", short(majority(counts, of_training)))
}

/// What is told of a model that is no better than always giving the most frequent label, if it is not.
pub fn doubt(metrics: &Map<String, Value>, usual: &str) -> Option<String> {
    let of = |name: &str| metrics.get(name).and_then(Value::as_f64);
    let (model, majority) = (of("accuracy")?, of("majority_accuracy")?);
    (model <= majority).then(|| {
        let majority = short(majority);
        format!(
            "the model is no better than always saying `{usual}` (accuracy {majority}): {TRY}, or more data"
        )
    })
}

/// How often each label occurs.
pub fn counts<'a>(labels: impl IntoIterator<Item = &'a u32>, of: usize) -> Vec<usize> {
    let mut counts = vec![0; of];
    labels.into_iter().for_each(|&label| counts[label as usize] += 1);
    counts
}
