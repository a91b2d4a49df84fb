//! Classifiers: labelled texts, or labelled sequences of numbers, and a probability for every class, calibrated where
//! there is data to do it on.

use std::path::Path;

use gimbap::data::batch::BatchSource;
use gimbap::data::dataset::Sequences;
use gimbap::layer::{Activation, Dense};
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::Metric;
use gimbap::metric::calibration::{Reliability, at_temperature, largest, temperature};
use gimbap::model::{Evaluation, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::examples::{self, Corpus, Examples, Part, Reading};
use super::labels::{Judged, counts, doubt, listed, majority, to_beat, usual};
use super::{Report, TaskDoc, Work, begin_at, line_of, number, plain_figures, sequential, short};
use crate::config::{BINARY, Config};
use crate::output::{Failure, Out, Outcome};

/// What a classifier keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// The classes, in the order of the outputs.
    pub classes: Vec<String>,
    /// How its examples were read.
    #[serde(flatten)]
    pub reading: Reading,
    /// By which the logits are divided, so that probabilities are what they say.
    #[serde(default = "no_temperature")]
    pub temperature: f64,
    /// The class most frequent in the training data.
    #[serde(default)]
    pub usual: Option<u32>,
}

/// The fewest rows on which probabilities are calibrated: of fewer, a mistake more or less would move them anywhere.
const CALIBRATED: usize = 50;

fn no_temperature() -> f64 {
    1.0
}

/// A classifier's work.
#[derive(Debug)]
pub struct Classify {
    config: Config,
    doc: Doc,
    train: Part<u32>,
    valid: Option<Part<u32>>,
    test: Option<Part<u32>>,
    card: Vec<(String, String)>,
    /// What was left to the data.
    chosen: Vec<String>,
}

fn part(examples: Examples<u32>) -> Outcome<Part<u32>> {
    let targets = RowTargets::Classes(examples.labels.clone());
    Part::new(examples, targets)
}

impl Classify {
    /// Reads the examples.
    pub fn open(config: &Config) -> Outcome<Self> {
        let Corpus { config, reading, classes, train, valid, test, mut card, chosen } = Corpus::open(config)?;
        let usual = usual(&counts(&train.labels, classes.len()));
        let doc = Doc { classes, reading, temperature: 1.0, usual: Some(usual) };
        let mut train = part(train)?;
        card.push(("classes".into(), listed(&doc.classes)));
        if let Some(weights) = weights(&config, &doc.classes, &train.labels)? {
            let each = train.labels.iter().map(|&label| weights[label as usize] as f32);
            train.data = train.data.weights(each.collect())?;
            let shown = doc.classes.iter().zip(&weights).map(|(class, &x)| format!("{class} {}", short(x)));
            card.push(("class weights".into(), shown.collect::<Vec<_>>().join(", ")));
        }
        let (valid, test) = (valid.map(part).transpose()?, test.map(part).transpose()?);
        Ok(Classify { config, doc, train, valid, test, card, chosen })
    }
}

/// Whether one output, the probability of the second of two classes, stands for both: the config says so by its loss, or
/// by an output layer of one sigmoid.
fn binary(config: &Config, classes: &[String]) -> Outcome<bool> {
    let one = config.layer.last().is_some_and(|last| {
        last.kind == "dense" && last.units == Some(1) && last.activation == Some(Activation::Sigmoid)
    });
    let binary = config.train.loss.as_deref().map_or(one, |loss| loss == BINARY);
    if binary && classes.len() != 2 {
        let message = format!(
            "`{BINARY}`, one sigmoid, is for two classes, and there are {}: {}; leave train.loss and the output layer \
             out, and what suits them follows by itself",
            classes.len(),
            listed(classes)
        );
        return Err(Failure::usage("config", message));
    }
    Ok(binary)
}

/// The weight of each class, if the config has them.
fn weights(config: &Config, classes: &[String], labels: &[u32]) -> Outcome<Option<Vec<f64>>> {
    let Some(weights) = &config.train.class_weights else { return Ok(None) };
    weights.of(classes, &counts(labels, classes.len())).map(Some).map_err(|(name, near)| {
        let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        let known: Vec<String> = classes.iter().map(|class| format!("`{class}`")).collect();
        let known = listed(&known);
        let message =
            format!("`train.class_weights` names `{name}`, which is no class{near}: there are {known}");
        Failure::usage("config", message)
    })
}

impl Doc {
    /// So many sequences at once that their outputs are bounded.
    pub fn group(&self) -> usize {
        examples::group(self.classes.len())
    }

    /// Runs sequences in groups and hands each one's probabilities on, in order: first those of the network.
    fn each(
        &self,
        model: &Model,
        inputs: &Sequences<f32>,
        mut each: impl FnMut(usize, &[f32]) -> Outcome,
    ) -> Outcome {
        examples::each(model, inputs, self.group(), |i, row| match *row {
            [yes] if self.classes.len() == 2 => each(i, &[1.0 - yes, yes]),
            _ => each(i, row),
        })
    }

    /// The probabilities of the classes for each sequence, calibrated.
    pub fn probabilities(&self, model: &Model, inputs: &Sequences<f32>) -> Outcome<Vec<Vec<f64>>> {
        let outputs = self.distributions(model, inputs)?;
        let rows = outputs.chunks_exact(self.classes.len());
        Ok(rows.map(|row| at_temperature(row, self.temperature)).collect())
    }

    /// The probabilities that the network gives the classes, a row for each sequence. A single output is the probability of
    /// the second class, and what is left that of the first.
    fn distributions(&self, model: &Model, inputs: &Sequences<f32>) -> Outcome<Vec<f32>> {
        let outputs: Vec<f32> = model.predict(inputs)?.iter().copied().collect();
        Ok(match self.classes.len() == 2 && outputs.len() == inputs.len() {
            true => outputs.iter().flat_map(|&p| [1.0 - p, p]).collect(),
            false => outputs,
        })
    }

    /// The figures of a model on a part, beside that of always naming the class most frequent in the training data, and
    /// what they were made of.
    fn judge(&self, model: &Model, part: &Part<u32>) -> Outcome<(Map<String, Value>, Judged)> {
        let mut judged = Judged::new(model, self.classes.len())?;
        let (mut before, mut after) = (Reliability::default(), Reliability::default());
        self.each(model, part.data.inputs(), |sequence, row| {
            let label = part.labels[sequence];
            let probabilities = at_temperature(row, self.temperature);
            let predicted = judged.add(&probabilities, label);
            after.add(probabilities[predicted as usize], predicted == label);
            before.add(f64::from(row[largest(row)]), predicted == label);
            Ok(())
        })?;
        let mut metrics = judged.figures();
        metrics.insert("ece".into(), number(after.error()));
        if self.temperature != 1.0 {
            metrics.insert("ece_uncalibrated".into(), number(before.error()));
            metrics.insert("temperature".into(), number(self.temperature));
        }
        let counts = counts(&part.labels, self.classes.len());
        metrics.insert("majority_accuracy".into(), number(majority(&counts, self.usual)));
        metrics.insert("sequences".into(), part.labels.len().into());
        Ok((metrics, judged))
    }
}

/// Measures a model on labelled data; the labels of an array are in `target`. A `full` report has every one of many
/// classes.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path, target: Option<&Path>, full: bool) -> Outcome<Report> {
    let part = part(doc.reading.examples(path, target, &doc.classes)?)?;
    let (mut metrics, judged) = doc.judge(model, &part)?;
    let text = line_of(&metrics);
    let tables = judged.report(&doc.classes, &mut metrics, full);
    Ok(Report { metrics, text, tables, ..Report::default() })
}

impl Work for Classify {
    fn config(&self) -> &Config {
        &self.config
    }

    fn notes(&self) -> Vec<String> {
        let to_beat = self.valid.as_ref().map(|valid| {
            let counts = counts(&valid.labels, self.doc.classes.len());
            to_beat(&counts, &self.doc.classes, self.doc.usual)
        });
        self.chosen.iter().cloned().chain(to_beat).collect()
    }

    fn model(&self) -> Outcome<Model> {
        let (head, loss) = match binary(&self.config, &self.doc.classes)? {
            true => (Dense::new(1).activation(Activation::Sigmoid), Loss::BinaryCrossentropy),
            false => {
                let head = Dense::new(self.doc.classes.len()).activation(Activation::Softmax);
                (head, Loss::SparseCategoricalCrossentropy)
            }
        };
        let mut metrics = vec![Metric::Accuracy];
        metrics.extend(self.config.train.metrics.iter().copied().filter(|m| *m != Metric::Accuracy));
        let optimizer = self.config.train.optimizer.clone();
        let layers = sequential(&self.config, self.doc.reading.takes(), head)?;
        let mut model = layers.compile(optimizer, loss, metrics)?;
        model.task = TaskDoc::Classify(self.doc.clone()).to_value()?;
        let counts = counts(&self.train.labels, self.doc.classes.len());
        begin_at(&mut model, &self.config, &counts.iter().map(|&n| n as u64).collect::<Vec<_>>())?;
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

    fn finish(&mut self, model: &mut Model) -> Outcome<bool> {
        let Some(valid) = &self.valid else { return Ok(false) };
        let asked = self.config.train.calibrate;
        if !asked.unwrap_or(valid.labels.len() >= CALIBRATED) {
            return Ok(false);
        }
        let outputs = self.doc.distributions(model, valid.data.inputs())?;
        self.doc.temperature = temperature(&outputs, self.doc.classes.len(), &valid.labels);
        let temperature = number(self.doc.temperature);
        let changed = model.task["temperature"] != temperature;
        model.task["temperature"] = temperature;
        Ok(changed)
    }

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let mut report = Report::default();
        for (name, part) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(part) = part else { continue };
            let metrics = self.doc.judge(model, part)?.0;
            let doubt = doubt(&metrics, &self.doc.classes[self.doc.usual.unwrap_or(0) as usize]);
            report.add(name, metrics);
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
    use gimbap::data::series::{Scaler, Scaling};

    use super::super::examples::Kind;
    use super::*;

    #[test]
    fn a_model_from_before_calibration_has_none() {
        let scaler = Scaler::fit(Scaling::Standard, &[0.0, 1.0], 1).unwrap();
        let input = Kind::Series { features: vec!["x".into()], scaler, id: None, time: None, wide: false };
        let classes = vec!["a".into(), "b".into()];
        let reading = Reading { input, label: None, header: None, separator: None };
        let doc = Doc { classes, reading, temperature: 2.0, usual: Some(1) };
        let mut stored = serde_json::to_value(&doc).unwrap();
        assert_eq!(serde_json::from_value::<Doc>(stored.clone()).unwrap(), doc);
        stored.as_object_mut().unwrap().remove("temperature");
        assert_eq!(serde_json::from_value::<Doc>(stored).unwrap(), Doc { temperature: 1.0, ..doc });
    }
}
