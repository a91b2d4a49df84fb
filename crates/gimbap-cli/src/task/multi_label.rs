//! Several labels at once: labelled texts, or labelled sequences of numbers, and for each label whether it is one of the
//! sequence's.

use std::collections::HashMap;
use std::path::Path;

use gimbap::data::batch::BatchSource;
use gimbap::data::dataset::Sequences;
use gimbap::layer::{Activation, Dense};
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::calibration::log;
use gimbap::metric::{Metric, MetricState, OutputKind, Scores, Target};
use gimbap::model::{Evaluation, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::examples::{self, Corpus, Examples, Part, Reading};
use super::labels::{self, listed, object_of, row_of, scores_table};
use super::{Report, TRY, TaskDoc, Work, figures, line_of, number, plain_figures, sequential, short};
use crate::config::Config;
use crate::output::{Failure, Out, Outcome};

/// A label is given from this probability on.
const GIVEN: f64 = 0.5;

/// What a model of several labels keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// The labels, in the order of the outputs.
    pub classes: Vec<String>,
    /// How its examples were read.
    #[serde(flatten)]
    pub reading: Reading,
    /// The labels that most examples of the training data have together: what is to beat.
    pub usual: Vec<u32>,
}

/// The work of such a model.
#[derive(Debug)]
pub struct MultiLabel {
    config: Config,
    doc: Doc,
    train: Part<Vec<u32>>,
    valid: Option<Part<Vec<u32>>>,
    test: Option<Part<Vec<u32>>>,
    card: Vec<(String, String)>,
    chosen: Vec<String>,
}

/// How often a label was given and how often it was right.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    given: u64,
    there: u64,
    both: u64,
}

impl Count {
    fn add(&mut self, given: bool, there: bool) {
        self.given += u64::from(given);
        self.there += u64::from(there);
        self.both += u64::from(given && there);
    }

    fn sum(counts: &[Count]) -> Count {
        counts.iter().fold(Count::default(), |sum, count| Count {
            given: sum.given + count.given,
            there: sum.there + count.there,
            both: sum.both + count.both,
        })
    }

    fn scores(self) -> Scores {
        let part = |of: u64| if of == 0 { 0.0 } else { self.both as f64 / of as f64 };
        let sum = self.given + self.there;
        let f1 = if sum == 0 { 0.0 } else { 2.0 * self.both as f64 / sum as f64 };
        Scores { precision: part(self.given), recall: part(self.there), f1, support: self.there }
    }
}

/// What was given to the sequences of a part, added up.
struct Judged {
    counts: Vec<Count>,
    exact: usize,
    rows: usize,
}

impl Judged {
    fn new(labels: usize) -> Judged {
        Judged { counts: vec![Count::default(); labels], exact: 0, rows: 0 }
    }

    fn add(&mut self, given: &[u32], there: &[u32]) {
        for (label, count) in (0u32..).zip(&mut self.counts) {
            count.add(given.contains(&label), there.contains(&label));
        }
        self.exact += usize::from(given == there);
        self.rows += 1;
    }

    fn exact(&self) -> f64 {
        self.exact as f64 / self.rows.max(1) as f64
    }

    /// Of the labels that occur.
    fn macro_f1(&self) -> f64 {
        let of = |count: &&Count| count.given + count.there > 0;
        let all: Vec<f64> = self.counts.iter().filter(of).map(|count| count.scores().f1).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    }
}

impl Doc {
    /// So many sequences at once that their outputs are bounded.
    pub fn group(&self) -> usize {
        examples::group(self.classes.len())
    }

    /// The probability of each label, a row for each sequence.
    pub fn probabilities(&self, model: &Model, inputs: &Sequences<f32>) -> Outcome<Vec<Vec<f64>>> {
        let mut rows = Vec::with_capacity(inputs.len());
        examples::each(model, inputs, self.group(), |_, row| {
            rows.push(row.iter().map(|&p| f64::from(p)).collect());
            Ok(())
        })?;
        Ok(rows)
    }

    /// The labels that these probabilities give.
    pub fn given(&self, probabilities: &[f64]) -> Vec<u32> {
        (0u32..).zip(probabilities).filter(|(_, p)| **p >= GIVEN).map(|(label, _)| label).collect()
    }

    fn part(&self, examples: Examples<Vec<u32>>) -> Outcome<Part<Vec<u32>>> {
        let width = self.classes.len();
        let mut values = vec![0.0; width * examples.labels.len()];
        for (row, labels) in values.chunks_exact_mut(width).zip(&examples.labels) {
            labels.iter().for_each(|&label| row[label as usize] = 1.0);
        }
        Part::new(examples, RowTargets::Values { values, width })
    }

    /// The figures on a part, beside those of always giving the usual labels.
    fn judge(&self, model: &Model, part: &Part<Vec<u32>>) -> Outcome<(Map<String, Value>, Judged)> {
        let width = self.classes.len();
        let (mut own, mut usual) = (Judged::new(width), Judged::new(width));
        let training = model.training().map(|training| training.metrics.clone()).unwrap_or_default();
        let of = |metric: Metric| MetricState::new(metric, OutputKind::Binary);
        let mut states = training.into_iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let mut loss = 0.0;
        examples::each(model, part.data.inputs(), self.group(), |i, row| {
            let there = &part.labels[i];
            let p: Vec<f64> = row.iter().map(|&p| f64::from(p)).collect();
            own.add(&self.given(&p), there);
            usual.add(&self.usual, there);
            let wanted: Vec<f64> =
                (0..width as u32).map(|label| f64::from(u8::from(there.contains(&label)))).collect();
            let of_row = p.iter().zip(&wanted).map(|(&p, &y)| -log(if y > 0.0 { p } else { 1.0 - p }));
            let of_row = of_row.sum::<f64>() / width as f64;
            loss += of_row;
            for state in &mut states {
                match state.metric().is_from_loss() {
                    true => state.update_loss(of_row, 1.0),
                    false => state.update(&p, Target::Values(&wanted), 1.0),
                }
            }
            Ok(())
        })?;
        let mut metrics = figures([("loss", loss / own.rows.max(1) as f64)]);
        metrics.extend(states.iter().map(|state| (state.metric().to_string(), number(state.finish()))));
        metrics.extend(figures([("exact", own.exact()), ("macro_f1", own.macro_f1())]));
        let usual = [("exact", usual.exact()), ("f1", Count::sum(&usual.counts).scores().f1)];
        metrics.insert("usual".into(), Value::Object(figures(usual)));
        metrics.insert("sequences".into(), own.rows.into());
        Ok((metrics, own))
    }

    /// The labels in a text, as one stands in the data.
    pub fn labels(&self, text: &str) -> Outcome<Vec<u32>> {
        let separator = self.reading.separator.as_deref().unwrap_or(" ");
        let names = text.split(separator).map(str::trim).filter(|name| !name.is_empty());
        let number = |name: &str| {
            let place = self.classes.iter().position(|class| class == name);
            place.map(|label| label as u32).ok_or_else(|| {
                let message =
                    format!("--label: there is no label `{name}`, there are {}", listed(&self.classes));
                Failure::usage("usage", message)
            })
        };
        let mut labels = names.map(number).collect::<Outcome<Vec<u32>>>()?;
        labels.sort_unstable();
        labels.dedup();
        Ok(labels)
    }

    /// Labels by name, with the separator between them.
    pub fn named(&self, labels: &[u32]) -> String {
        let names: Vec<&str> = labels.iter().map(|&label| self.classes[label as usize].as_str()).collect();
        names.join(self.reading.separator.as_deref().unwrap_or(" "))
    }

    /// What is to beat, in words.
    fn always(&self) -> String {
        match self.usual[..] {
            [] => "giving no label".into(),
            _ => format!("giving `{}`", self.named(&self.usual)),
        }
    }

    /// The figures in words.
    fn told(&self, metrics: &Map<String, Value>) -> String {
        let usual = metrics.get("usual").and_then(Value::as_object).map(line_of).unwrap_or_default();
        format!("{}\nalways {}: {usual}", line_of(metrics), self.always())
    }
}

/// What is told of a model that is no better than always giving the usual labels, if it is not.
fn doubt(metrics: &Map<String, Value>, always: &str) -> Option<String> {
    let of = |figures: &Map<String, Value>, name: &str| figures.get(name).and_then(Value::as_f64);
    let trivial = metrics.get("usual")?.as_object()?;
    let no_better = |name: &str| Some(of(metrics, name)? <= of(trivial, name)?);
    (no_better("exact")? && no_better("f1")?)
        .then(|| format!("the model is no better than always {always}: {TRY}, or more data"))
}

/// The labels that most examples have together, the first such of equals.
fn usual(labels: &[Vec<u32>]) -> Vec<u32> {
    let mut counts: HashMap<&[u32], usize> = HashMap::new();
    labels.iter().for_each(|set| *counts.entry(set).or_default() += 1);
    let most = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
    most.map(|(set, _)| set.to_vec()).unwrap_or_default()
}

impl MultiLabel {
    /// Reads the examples.
    pub fn open(config: &Config) -> Outcome<Self> {
        let Corpus { config, reading, classes, train, valid, test, mut card, mut chosen } =
            Corpus::open(config)?;
        let usual = usual(&train.labels);
        let doc = Doc { classes, reading, usual };
        let part = |examples| doc.part(examples);
        let (train, test) = (part(train)?, test.map(part).transpose()?);
        let valid = valid.map(part).transpose()?;
        card.push(("labels, several of an example".into(), listed(&doc.classes)));
        if let Some(valid) = &valid {
            let mut judged = Judged::new(doc.classes.len());
            valid.labels.iter().for_each(|there| judged.add(&doc.usual, there));
            let f1 = Count::sum(&judged.counts).scores().f1;
            let (exact, always) = (short(judged.exact()), doc.always());
            chosen.push(format!("to beat: exact {exact}, f1 {}, of always {always}", short(f1)));
        }
        Ok(MultiLabel { config, doc, train, valid, test, card, chosen })
    }
}

/// Measures a model on labelled data; the labels of an array are in `target`. A `full` report has every one of many labels.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path, target: Option<&Path>, full: bool) -> Outcome<Report> {
    let part = doc.part(doc.reading.examples(path, target, &doc.classes)?)?;
    let (mut metrics, judged) = doc.judge(model, &part)?;
    let text = doc.told(&metrics);
    let scores = |label: usize| judged.counts[label].scores();
    let (json, mut rows) = labels::each(&doc.classes, scores, full);
    metrics.insert("classes".into(), json);
    let micro = Count::sum(&judged.counts).scores();
    metrics.insert("micro".into(), object_of(&micro));
    rows.push(row_of("all together", &micro));
    Ok(Report { metrics, text, tables: scores_table("", &rows), ..Report::default() })
}

impl Work for MultiLabel {
    fn config(&self) -> &Config {
        &self.config
    }

    fn notes(&self) -> Vec<String> {
        self.chosen.clone()
    }

    fn model(&self) -> Outcome<Model> {
        let head = Dense::new(self.doc.classes.len()).activation(Activation::Sigmoid);
        let layers = sequential(&self.config, self.doc.reading.takes(), head)?;
        let own = [Metric::F1, Metric::Accuracy];
        let more = self.config.train.metrics.iter().copied().filter(|metric| !own.contains(metric));
        let metrics: Vec<Metric> = own.into_iter().chain(more).collect();
        let optimizer = self.config.train.optimizer.clone();
        let mut model = layers.compile(optimizer, Loss::BinaryCrossentropy, metrics)?;
        model.task = TaskDoc::MultiLabel(self.doc.clone()).to_value()?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        self.train.batches(&self.config, train.shuffle.then_some(train.seed))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        self.valid.as_ref().map(|valid| valid.batches(&self.config, None)).transpose()
    }

    fn unit(&self) -> &'static str {
        "sequences"
    }

    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        plain_figures(evaluation)
    }

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let mut report = Report::default();
        for (name, part) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(part) = part else { continue };
            let metrics = self.doc.judge(model, part)?.0;
            let doubt = doubt(&metrics, &self.doc.always());
            let text = format!("{name}: {}", self.doc.told(&metrics));
            report.add_as(name, metrics, &text);
            doubt.filter(|_| name == "validation").into_iter().for_each(|doubt| report.doubt(&doubt));
        }
        Ok(report)
    }

    fn card(&self) -> Vec<(String, String)> {
        self.card.clone()
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        self.doc.reading.next(&self.config, gimbap, model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_several_labels() {
        let mut judged = Judged::new(3);
        judged.add(&[0, 1], &[0, 1]);
        judged.add(&[0], &[1]);
        judged.add(&[], &[0]);
        assert!((judged.exact() - 1.0 / 3.0).abs() < 1e-12);
        // Given 3 times, there 4 times, right 2 times.
        assert!((Count::sum(&judged.counts).scores().f1 - 4.0 / 7.0).abs() < 1e-12);
        // Label 0: given 2, there 2, right 1; label 1: given 1, there 2, right 1; label 2 does not occur.
        assert!((judged.macro_f1() - (0.5 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn the_usual_labels_are_those_of_most_examples() {
        assert_eq!(usual(&[vec![1], vec![0, 1], vec![1]]), [1]);
        assert_eq!(usual(&[vec![1], vec![0]]), [0]);
        assert_eq!(usual(&[vec![], vec![0], vec![]]), [0u32; 0]);
    }
}
