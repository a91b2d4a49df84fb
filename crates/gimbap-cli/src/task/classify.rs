//! Classifiers: labelled texts, or labelled sequences of numbers, and a probability for every class.

use std::path::Path;

use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::series::{Scaler, Scaling};
use gimbap::data::table::{LabelledSeries, LabelledText, SequenceColumns, TextColumns, hold_out};
use gimbap::data::text::Vocabulary;
use gimbap::layer::{Activation, Dense};
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::Metric;
use gimbap::model::{Evaluation, Input, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Report, TaskDoc, Work, card_of, data_path, line_of, number, plain_figures, sequential, vocabulary,
};
use crate::config::{Config, Held, Names};
use crate::output::{Failure, Out, Outcome, thousands};

/// What a classifier keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// The classes, in the order of the outputs.
    pub classes: Vec<String>,
    /// What the sequences are made of.
    pub input: Kind,
    /// The column of the label.
    pub label: Option<String>,
}

/// What the sequences are made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Tokens.
    Text {
        /// The tokens.
        vocabulary: Vocabulary,
        /// The column of the text.
        text: Option<String>,
    },
    /// Numbers.
    Series {
        /// The columns of the features.
        features: Vec<String>,
        /// How they are scaled.
        scaler: Scaler,
        /// The column that says which sequence a row belongs to.
        id: Option<String>,
        /// The column of the time.
        time: Option<String>,
    },
}

/// Examples as the model takes them.
#[derive(Debug)]
pub struct Examples {
    /// The sequences.
    pub inputs: Sequences<f32>,
    /// The class of each.
    pub labels: Vec<u32>,
}

/// A classifier's work.
#[derive(Debug)]
pub struct Classify {
    config: Config,
    doc: Doc,
    train: Part,
    valid: Option<Part>,
    test: Option<Part>,
    card: Vec<(String, String)>,
}

/// Examples, and the class of each.
#[derive(Debug)]
struct Part {
    data: Dataset<f32>,
    labels: Vec<u32>,
}

impl Part {
    fn new(examples: Examples) -> Outcome<Part> {
        let targets = Targets::per_sequence(RowTargets::Classes(examples.labels.clone()));
        Ok(Part { data: Dataset::new(examples.inputs, targets)?, labels: examples.labels })
    }

    fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        self.labels.iter().for_each(|&label| counts[label as usize] += 1);
        counts
    }
}

/// Examples as they were read.
enum Raw {
    Text(LabelledText),
    Series(LabelledSeries),
}

impl Raw {
    fn read(config: &Config, path: &Path, classes: Option<&[String]>) -> Outcome<Raw> {
        let data = &config.data;
        let values = data.value.clone().map(|Names(names)| names).unwrap_or_default();
        if data.id.is_some() || !values.is_empty() {
            let columns = SequenceColumns {
                id: data.id.clone(),
                time: data.time.clone(),
                label: data.label.clone(),
                features: values,
            };
            return Ok(Raw::Series(match classes {
                Some(classes) => LabelledSeries::read_with_classes(path, &columns, classes)?,
                None => LabelledSeries::read(path, &columns)?,
            }));
        }
        let columns = TextColumns { text: data.text.clone(), label: data.label.clone() };
        Ok(Raw::Text(match classes {
            Some(classes) => LabelledText::read_with_classes(path, &columns, classes)?,
            None => LabelledText::read(path, &columns)?,
        }))
    }

    fn labels(&self) -> &[u32] {
        match self {
            Raw::Text(text) => &text.labels,
            Raw::Series(series) => &series.labels,
        }
    }

    fn classes(&self) -> &[String] {
        match self {
            Raw::Text(text) => &text.classes,
            Raw::Series(series) => &series.classes,
        }
    }

    /// Takes a fraction away.
    fn hold_out(&mut self, fraction: f64, seed: u64) -> Outcome<Raw> {
        let (kept, held) = hold_out(self.labels(), fraction, seed)?;
        Ok(match self {
            Raw::Text(text) => {
                let held = text.select(&held);
                *text = text.select(&kept);
                Raw::Text(held)
            }
            Raw::Series(series) => {
                let held = series.select(&held);
                *series = series.select(&kept);
                Raw::Series(held)
            }
        })
    }

    fn examples(self, kind: &Kind) -> Outcome<Examples> {
        match (self, kind) {
            (Raw::Text(text), Kind::Text { vocabulary, .. }) => {
                Ok(Examples { inputs: encode(vocabulary, &text.texts), labels: text.labels })
            }
            (Raw::Series(series), Kind::Series { scaler, .. }) => {
                Ok(Examples { inputs: scaled(&series, scaler)?, labels: series.labels })
            }
            _ => Err(Failure::work("data", "the data is not of the kind that the model was trained on")),
        }
    }
}

/// Texts as ids.
pub fn encode(vocabulary: &Vocabulary, texts: &[String]) -> Sequences<f32> {
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| vocabulary.encode_units(text)).collect();
    Sequences::from(&ids)
}

/// Sequences of numbers as the network sees them.
pub fn scaled(series: &LabelledSeries, scaler: &Scaler) -> Outcome<Sequences<f32>> {
    let mut values: Vec<f64> = series.features.iter().flatten().map(|&x| f64::from(x)).collect();
    scaler.transform(&mut values);
    let values = values.into_iter().map(|x| x as f32).collect();
    Ok(Sequences::features(values, series.feature_names.len(), &series.lengths)?)
}

impl Classify {
    /// Reads the examples.
    pub fn open(config: &Config) -> Outcome<Self> {
        let path = data_path(config)?;
        let mut raw = Raw::read(config, path, None)?;
        let classes = raw.classes().to_vec();
        let mut held = |held: &Option<Held>, seed: u64| -> Outcome<Option<Raw>> {
            Ok(match held {
                None => None,
                Some(Held::Path(path)) => Some(Raw::read(config, path, Some(&classes))?),
                Some(Held::Fraction(fraction)) => Some(raw.hold_out(*fraction, seed)?),
            })
        };
        let seed = config.train.seed;
        let test = held(&config.data.test, seed)?;
        let valid = held(&config.data.valid, seed.wrapping_add(1))?;
        let input = kind(config, &raw)?;
        let doc = Doc { classes, input, label: config.data.label.clone() };
        let dataset = |raw: Raw| -> Outcome<Part> { Part::new(raw.examples(&doc.input)?) };
        Ok(Classify {
            train: dataset(raw)?,
            valid: valid.map(dataset).transpose()?,
            test: test.map(dataset).transpose()?,
            card: card_of(path)?,
            doc,
            config: config.clone(),
        })
    }

    /// The accuracy of always naming the training part's most frequent class.
    fn majority(&self, part: &Part) -> f64 {
        let counts = self.train.counts(self.doc.classes.len());
        let most = (0..counts.len()).rev().max_by_key(|&class| counts[class]).unwrap_or(0);
        part.counts(counts.len())[most] as f64 / part.labels.len().max(1) as f64
    }
}

fn kind(config: &Config, raw: &Raw) -> Outcome<Kind> {
    let data = &config.data;
    Ok(match raw {
        Raw::Text(text) => Kind::Text {
            vocabulary: vocabulary(config, &text.texts.join("\n"), data_path(config)?)?,
            text: data.text.clone(),
        },
        Raw::Series(series) => {
            let values: Vec<f64> = series.features.iter().flatten().map(|&x| f64::from(x)).collect();
            let scaling = data.scaler.unwrap_or(Scaling::Standard);
            Kind::Series {
                features: series.feature_names.clone(),
                scaler: Scaler::fit(scaling, &values, series.feature_names.len())?,
                id: data.id.clone(),
                time: data.time.clone(),
            }
        }
    })
}

/// Reads labelled examples for a trained model.
pub fn read_labelled(doc: &Doc, path: &Path) -> Outcome<Examples> {
    let raw = match &doc.input {
        Kind::Text { text, .. } => {
            let columns = TextColumns { text: text.clone(), label: doc.label.clone() };
            Raw::Text(LabelledText::read_with_classes(path, &columns, &doc.classes)?)
        }
        Kind::Series { features, id, time, .. } => {
            let columns = SequenceColumns {
                id: id.clone(),
                time: time.clone(),
                label: doc.label.clone(),
                features: features.clone(),
            };
            Raw::Series(LabelledSeries::read_with_classes(path, &columns, &doc.classes)?)
        }
    };
    raw.examples(&doc.input)
}

/// Measures a model on labelled data.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path) -> Outcome<Report> {
    let part = Part::new(read_labelled(doc, path)?)?;
    let n = part.labels.len();
    let mut metrics = plain_figures(&model.evaluate_data(&part.data, 32)?);
    let most = part.counts(doc.classes.len()).into_iter().max().unwrap_or(0);
    metrics.insert("majority_accuracy".into(), number(most as f64 / n.max(1) as f64));
    metrics.insert("sequences".into(), n.into());
    let text = line_of(&metrics);
    Ok(Report { metrics, text, ..Report::default() })
}

impl Work for Classify {
    fn model(&self) -> Outcome<Model> {
        let input = match &self.doc.input {
            Kind::Text { vocabulary, .. } => Input::ids(vocabulary.len()),
            Kind::Series { features, .. } => Input::features(features.len()),
        };
        let head = Dense::new(self.doc.classes.len()).activation(Activation::Softmax);
        let mut metrics = vec![Metric::Accuracy];
        metrics.extend(self.config.train.metrics.iter().copied().filter(|m| *m != Metric::Accuracy));
        let optimizer = self.config.train.optimizer.clone();
        let layers = sequential(&self.config, input, head)?;
        let mut model = layers.compile(optimizer, Loss::SparseCategoricalCrossentropy, metrics)?;
        model.task = TaskDoc::Classify(self.doc.clone()).to_value()?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        Ok(Box::new(Shuffled::new(
            &self.train.data,
            train.batch,
            train.shuffle.then_some(train.seed),
            false,
        )?))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        let Some(valid) = &self.valid else { return Ok(None) };
        Ok(Some(Box::new(Shuffled::new(&valid.data, self.config.train.batch, None, false)?)))
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
            let mut metrics = plain_figures(&model.evaluate_data(&part.data, 32)?);
            metrics.insert("majority_accuracy".into(), number(self.majority(part)));
            metrics.insert("sequences".into(), part.labels.len().into());
            report.add(name, metrics);
        }
        Ok(report)
    }

    fn card(&self) -> Vec<(String, String)> {
        let mut card = self.card.clone();
        card.push(("sequences to train on".into(), thousands(self.train.labels.len())));
        if let Some(valid) = &self.valid {
            card.push(("sequences held out".into(), thousands(valid.labels.len())));
        }
        if let Kind::Text { vocabulary, .. } = &self.doc.input {
            card.push(("vocabulary".into(), thousands(vocabulary.len())));
        }
        card.push(("classes".into(), self.doc.classes.join(", ")));
        card
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        match &self.doc.input {
            Kind::Text { .. } => vec![
                format!("echo 'some text' | {gimbap} predict {model}"),
                format!("{gimbap} eval {model} labelled.csv"),
            ],
            Kind::Series { .. } => {
                vec![
                    format!("{gimbap} predict {model} sequences.csv"),
                    format!("{gimbap} eval {model} labelled.csv"),
                ]
            }
        }
    }
}
