//! Regression: labelled texts, or labelled sequences of numbers, and a number for each.

use std::path::Path;

use gimbap::data::batch::BatchSource;
use gimbap::data::dataset::Sequences;
use gimbap::data::series::{Scaler, Scaling};
use gimbap::layer::Dense;
use gimbap::loss::RowTargets;
use gimbap::model::{Evaluation, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::examples::{self, Corpus, Examples, Part, Reading};
use super::{Report, TRY, TaskDoc, Work, figures, loss_of_numbers, plain_figures, sequential, short};
use crate::config::Config;
use crate::output::{Out, Outcome, table};

/// What a regression keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// How its examples were read.
    #[serde(flatten)]
    pub reading: Reading,
    /// How the numbers that it gives are scaled for the network.
    pub target: Scaler,
    /// The mean of the numbers in the training data: what is to beat.
    pub mean: f64,
}

/// A regression's work.
#[derive(Debug)]
pub struct Regress {
    config: Config,
    doc: Doc,
    train: Part<f64>,
    valid: Option<Part<f64>>,
    test: Option<Part<f64>>,
    card: Vec<(String, String)>,
    chosen: Vec<String>,
}

/// How far answers are from the truth, in the data's units.
struct Errors {
    rmse: f64,
    mae: f64,
    r2: f64,
}

impl Errors {
    fn of(truth: &[f64], answers: &[f64]) -> Errors {
        let n = truth.len().max(1) as f64;
        let mean = truth.iter().sum::<f64>() / n;
        let each = || truth.iter().zip(answers).map(|(y, p)| y - p);
        let squares: f64 = each().map(|e| e * e).sum();
        let spread: f64 = truth.iter().map(|y| (y - mean).powi(2)).sum();
        Errors {
            rmse: (squares / n).sqrt(),
            mae: each().map(f64::abs).sum::<f64>() / n,
            r2: if spread > 0.0 { 1.0 - squares / spread } else { f64::NAN },
        }
    }

    fn json(&self) -> Map<String, Value> {
        figures([("rmse", self.rmse), ("mae", self.mae), ("r2", self.r2)])
    }

    fn row(&self, name: &str) -> Vec<String> {
        let figures = [self.rmse, self.mae, self.r2].map(short);
        std::iter::once(name.to_owned()).chain(figures).collect()
    }
}

impl Doc {
    /// The numbers for sequences, a group at a time, in the data's units.
    pub fn numbers(&self, model: &Model, inputs: &Sequences<f32>) -> Outcome<Vec<f64>> {
        let mut numbers = Vec::with_capacity(inputs.len());
        examples::each(model, inputs, examples::group(1), |_, row| {
            numbers.push(f64::from(row[0]));
            Ok(())
        })?;
        self.target.inverse(&mut numbers);
        Ok(numbers)
    }

    fn part(&self, examples: Examples<f64>) -> Outcome<Part<f64>> {
        let mut values = examples.labels.clone();
        self.target.transform(&mut values);
        let values = values.into_iter().map(|x| x as f32).collect();
        Part::new(examples, RowTargets::Values { values, width: 1 })
    }

    /// The figures on a part, beside those of always giving the mean of the training data, and a table of them.
    fn judge(&self, model: &Model, part: &Part<f64>) -> Outcome<(Map<String, Value>, String)> {
        let truth = &part.labels;
        let own = Errors::of(truth, &self.numbers(model, part.data.inputs())?);
        let mean = Errors::of(truth, &vec![self.mean; truth.len()]);
        let mut metrics = own.json();
        metrics.insert("mean".into(), Value::Object(mean.json()));
        metrics.insert("sequences".into(), truth.len().into());
        let always = format!("always {}, the mean", short(self.mean));
        let text = table(&["", "rmse", "mae", "r2"], &[own.row("model"), mean.row(&always)]);
        Ok((metrics, text))
    }
}

/// What is told of a model that is no better than the mean, if it is not: by RMSE, which is what training lowers.
fn doubt(metrics: &Map<String, Value>) -> Option<String> {
    let rmse = |figures: &Map<String, Value>| figures.get("rmse").and_then(Value::as_f64);
    let (model, mean) = (rmse(metrics)?, rmse(metrics.get("mean")?.as_object()?)?);
    (model >= mean).then(|| {
        let mean = short(mean);
        format!("the model is no better than always giving the mean of the training data (RMSE {mean}): {TRY}, or more data")
    })
}

impl Regress {
    /// Reads the examples.
    pub fn open(config: &Config) -> Outcome<Self> {
        let Corpus { config, reading, train, valid, test, card, mut chosen, .. } = Corpus::open(config)?;
        let target = Scaler::fit(Scaling::Standard, &train.labels, 1)?;
        let mean = train.labels.iter().sum::<f64>() / train.labels.len() as f64;
        let doc = Doc { reading, target, mean };
        let part = |examples| doc.part(examples);
        let (train, test) = (part(train)?, test.map(part).transpose()?);
        let valid = valid.map(part).transpose()?;
        if let Some(valid) = &valid {
            let Errors { rmse, mae, .. } = Errors::of(&valid.labels, &vec![mean; valid.labels.len()]);
            chosen.push(format!(
                "to beat: rmse {}, mae {}, of always giving {}, the mean",
                short(rmse),
                short(mae),
                short(mean)
            ));
        }
        Ok(Regress { config, doc, train, valid, test, card, chosen })
    }
}

/// Measures a model on labelled data; the numbers of an array are in `target`.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path, target: Option<&Path>) -> Outcome<Report> {
    let part = doc.part(doc.reading.examples(path, target, &[])?)?;
    let (metrics, text) = doc.judge(model, &part)?;
    Ok(Report { metrics, text: format!("in the data's units\n{text}"), ..Report::default() })
}

impl Work for Regress {
    fn config(&self) -> &Config {
        &self.config
    }

    fn notes(&self) -> Vec<String> {
        self.chosen.clone()
    }

    fn model(&self) -> Outcome<Model> {
        let loss = loss_of_numbers(&self.config);
        let layers = sequential(&self.config, self.doc.reading.takes(), Dense::new(1))?;
        let metrics = self.config.train.metrics.iter().copied();
        let mut model = layers.compile(self.config.train.optimizer.clone(), loss, metrics)?;
        model.task = TaskDoc::Regress(self.doc.clone()).to_value()?;
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
            let (metrics, table) = self.doc.judge(model, part)?;
            let doubt = doubt(&metrics);
            report.add_as(name, metrics, &format!("{name}, in the data's units\n{table}"));
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
    fn errors_are_those_of_the_definitions() {
        let Errors { rmse, mae, r2 } = Errors::of(&[1.0, 2.0, 6.0], &[2.0, 2.0, 4.0]);
        assert!((rmse - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((mae - 1.0).abs() < 1e-12);
        // The mean is 3, the squares about it are 4, 1 and 9.
        assert!((r2 - (1.0 - 5.0 / 14.0)).abs() < 1e-12);
        assert!(Errors::of(&[2.0, 2.0], &[1.0, 2.0]).r2.is_nan());
    }
}
