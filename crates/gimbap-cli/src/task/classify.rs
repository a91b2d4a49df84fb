//! Classifiers: labelled texts, or labelled sequences of numbers, and a probability for every class, calibrated where
//! there is data to do it on.

use std::collections::HashSet;
use std::path::Path;

use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::series::{Scaler, Scaling};
use gimbap::data::table::{LabelledSeries, LabelledText, SequenceColumns, TextColumns, hold_out};
use gimbap::data::text::{Unit, Vocabulary};
use gimbap::data::wide::{WideColumns, is_sequence_file, looks_wide};
use gimbap::layer::{Activation, Dense};
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::Metric;
use gimbap::metric::calibration::{Reliability, at_temperature, largest, temperature};
use gimbap::model::{Evaluation, Input, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::labels::{Judged, counts, doubt, listed, majority, read_as, to_beat, usual};
use super::units;
use super::{
    Report, TaskDoc, Work, arrays, begin_at, card_of, data_path, hash_of, line_of, number, plain_figures,
    sequential, short, vocabulary,
};
use crate::config::{BINARY, Config, Held, Names};
use crate::input;
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
    /// Whether tables have a line of names; None: what their first line looks like.
    #[serde(default)]
    pub header: Option<bool>,
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
        /// Whether a row is a whole sequence.
        #[serde(default)]
        wide: bool,
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
    /// What was left to the data.
    chosen: Vec<String>,
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
}

/// Examples as they were read.
enum Raw {
    Text(LabelledText),
    Series(LabelledSeries),
}

impl Raw {
    fn read(config: &Config, path: &Path, classes: Option<&[String]>) -> Outcome<Raw> {
        let data = &config.data;
        if data.target.is_some() || arrays::is_array(path) {
            // What is held out has the classes of what is trained on.
            let part = if classes.is_none() { arrays::Part::Train } else { arrays::Part::Test };
            return Ok(Raw::Series(arrays::labelled(path, data.target.as_deref(), classes, part)?));
        }
        if is_wide(config, path) {
            let columns = wide_columns(&data.label, &data.id, data.header);
            return Ok(Raw::Series(LabelledSeries::read_wide(path, &columns, classes)?));
        }
        let values = data.value.clone().map(|Names(names)| names).unwrap_or_default();
        if data.id.is_some() || !values.is_empty() {
            let columns = SequenceColumns {
                id: data.id.clone(),
                time: data.time.clone(),
                label: data.label.clone(),
                features: values,
                header: data.header,
            };
            return Ok(Raw::Series(match classes {
                Some(classes) => LabelledSeries::read_with_classes(path, &columns, classes)?,
                None => LabelledSeries::read(path, &columns)?,
            }));
        }
        let columns = TextColumns { text: data.text.clone(), label: data.label.clone(), header: data.header };
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

/// Whether the rows of a file are sequences: it is such a file, or the config says so.
fn is_wide(config: &Config, path: &Path) -> bool {
    config.data.wide.unwrap_or_else(|| is_sequence_file(path))
}

fn wide_columns(label: &Option<String>, id: &Option<String>, header: Option<bool>) -> WideColumns {
    WideColumns { label: label.clone(), id: id.clone(), header }
}

/// Says in the config that a table has a sequence a row, if that is certain and not said; tells of it.
fn settle_wide(config: &mut Config, path: &Path) -> Option<String> {
    let data = &config.data;
    let open = data.wide.is_none() && data.id.is_none() && data.value.is_none() && data.text.is_none();
    if !open || data.target.is_some() || path.is_dir() || arrays::is_array(path) || is_sequence_file(path) {
        return None;
    }
    let form = looks_wide(path, &wide_columns(&data.label, &data.id, data.header))?;
    config.data.wide = Some(true);
    Some(form)
}

/// Puts what was found out of the examples into the config; tells of it.
fn settle_form(config: &mut Config, raw: &Raw, series: Option<String>) -> Vec<String> {
    let mut told = Vec::new();
    let form = match raw {
        Raw::Text(text) => {
            let TextColumns { text: column, label, header } = text.columns.clone();
            (config.data.text, config.data.label, config.data.header) = (column, label, header);
            text.read_as.clone()
        }
        Raw::Series(_) => {
            let embedding = |layer: &gimbap::layer::LayerConfig| layer.kind == "embedding";
            if config.layer.first().is_some_and(embedding) {
                config.layer.remove(0);
                told.push("the sequences are of numbers: the embedding is left out".to_owned());
            }
            series
        }
    };
    told.extend(form.map(|form| read_as(&form, raw.classes().len())));
    told
}

impl Classify {
    /// Reads the examples.
    pub fn open(config: &Config) -> Outcome<Self> {
        let path = data_path(config)?;
        let mut config = config.clone();
        let wide = settle_wide(&mut config, path);
        let mut raw = Raw::read(&config, path, None)?;
        let series = wide.or(arrays::chosen(path, arrays::Part::Train)?);
        let mut chosen = settle_form(&mut config, &raw, series);
        let n = raw.labels().len();
        let of_sequences = |held: Option<Held>| held.and_then(|held| held.of_sequences(n));
        config.data.valid = of_sequences(config.data.valid);
        config.data.test = of_sequences(config.data.test);
        let classes = raw.classes().to_vec();
        let mut held = |held: &Option<Held>, seed: u64| -> Outcome<Option<Raw>> {
            Ok(match held {
                None | Some(Held::Auto) => None,
                Some(Held::Path(path)) if config.data.target.is_some() => {
                    let message = format!(
                        "{}: of a pair of arrays a part is held out: give a fraction such as 0.1 (0: nothing), and \
                         measure on other arrays with `gimbap eval MODEL X.npy --target Y.npy`",
                        path.display()
                    );
                    return Err(Failure::usage("config", message));
                }
                Some(Held::Path(path)) => Some(Raw::read(&config, path, Some(&classes))?),
                Some(Held::Fraction(fraction)) => Some(raw.hold_out(*fraction, seed)?),
            })
        };
        let seed = config.train.seed;
        let test = held(&config.data.test, seed)?;
        let valid = held(&config.data.valid, seed.wrapping_add(1))?;
        if let Raw::Text(text) = &raw {
            chosen.extend(settle_unit(&mut config, &text.texts));
        }
        chosen.extend(config.settle_sequences(raw.labels().len()));
        let config = config;
        let input = kind(&config, &raw)?;
        let usual = usual(&counts(raw.labels(), classes.len()));
        let label = config.data.label.clone();
        let header = config.data.header;
        let doc = Doc { classes, input, label, header, temperature: 1.0, usual: Some(usual) };
        let dataset = |raw: Raw| -> Outcome<Part> { Part::new(raw.examples(&doc.input)?) };
        let mut train = dataset(raw)?;
        let mut card = card_of(path, &hash_of(path)?);
        if let Some(weights) = weights(&config, &doc.classes, &train.labels)? {
            let each = train.labels.iter().map(|&label| weights[label as usize] as f32);
            train.data = train.data.weights(each.collect())?;
            let shown = doc.classes.iter().zip(&weights).map(|(class, &x)| format!("{class} {}", short(x)));
            card.push(("class weights".into(), shown.collect::<Vec<_>>().join(", ")));
        }
        Ok(Classify {
            train,
            valid: valid.map(dataset).transpose()?,
            test: test.map(dataset).transpose()?,
            card,
            doc,
            chosen,
            config,
        })
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
    /// Labelled sequences of numbers; the labels of an array are in `target`.
    pub fn series(&self, path: &Path, target: Option<&Path>) -> Outcome<LabelledSeries> {
        let series = match self.long_columns(path) {
            _ if target.is_some() || arrays::is_array(path) => {
                arrays::labelled(path, target, Some(&self.classes), arrays::Part::Test)?
            }
            Some(columns) => LabelledSeries::read_with_classes(path, &columns, &self.classes)?,
            None => LabelledSeries::read_wide(path, &self.wide_columns(), Some(&self.classes))?,
        };
        self.check_width(path, series)
    }

    /// Sequences of numbers without labels, of a file or of standard input.
    pub fn unlabelled(&self, path: &Path) -> Outcome<LabelledSeries> {
        let series = match self.long_columns(path) {
            Some(columns) => LabelledSeries::unlabelled(&input::text(path)?, path, &columns)?,
            None => LabelledSeries::read_wide_unlabelled(path, &self.wide_columns(), &self.classes)?,
        };
        self.check_width(path, series)
    }

    /// The columns of a table with a row for each step; None of one with a sequence a row.
    fn long_columns(&self, path: &Path) -> Option<SequenceColumns> {
        match &self.input {
            Kind::Series { features, id, time, wide, .. } if !wide && !is_sequence_file(path) => {
                Some(SequenceColumns {
                    id: id.clone(),
                    time: time.clone(),
                    label: self.label.clone(),
                    features: features.clone(),
                    header: self.header,
                })
            }
            _ => None,
        }
    }

    fn wide_columns(&self) -> WideColumns {
        let id = match &self.input {
            Kind::Series { id, .. } => id,
            Kind::Text { .. } => &None,
        };
        wide_columns(&self.label, id, self.header)
    }

    fn check_width(&self, path: &Path, series: LabelledSeries) -> Outcome<LabelledSeries> {
        let Kind::Series { features, .. } = &self.input else { return Ok(series) };
        let (found, wanted) = (series.feature_names.len(), features.len());
        if found != wanted {
            let message = format!("{}: has {found} features, the model takes {wanted}", path.display());
            return Err(Failure::work("shape", message));
        }
        Ok(series)
    }

    /// So many sequences at once that their outputs are bounded.
    pub fn group(&self) -> usize {
        const OUTPUTS: usize = 1 << 18;
        (OUTPUTS / self.classes.len().max(1)).clamp(1, 256)
    }

    /// Runs sequences in groups, so few that their outputs are bounded, and hands each one's probabilities on, in order:
    /// first those of the network.
    fn each(
        &self,
        model: &Model,
        inputs: &Sequences<f32>,
        mut each: impl FnMut(usize, &[f32]) -> Outcome,
    ) -> Outcome {
        let all: Vec<usize> = (0..inputs.len()).collect();
        for (first, some) in (0..).step_by(self.group()).zip(all.chunks(self.group())) {
            let outputs = self.distributions(model, &inputs.select(some))?;
            outputs
                .chunks_exact(self.classes.len())
                .enumerate()
                .try_for_each(|(i, row)| each(first + i, row))?;
        }
        Ok(())
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
    fn judge(&self, model: &Model, part: &Part) -> Outcome<(Map<String, Value>, Judged)> {
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

/// Puts the unit that fits the texts in the place of none, and what hangs on it; tells of it if that is not words.
fn settle_unit(config: &mut Config, texts: &[String]) -> Option<String> {
    let (unit, why) = units::fitting(texts);
    let told = config.data.unit.is_none() && unit != Unit::Word;
    let unit = *config.data.unit.get_or_insert(unit);
    let chars: usize = texts.iter().map(|text| text.chars().count()).sum();
    let different = match unit {
        Unit::Subword => texts.iter().flat_map(|text| text.chars()).collect::<HashSet<_>>().len(),
        _ => 0,
    };
    config.settle_tokens(chars as u64, different);
    told.then(|| why.to_owned())
}

fn kind(config: &Config, raw: &Raw) -> Outcome<Kind> {
    let data = &config.data;
    Ok(match raw {
        Raw::Text(text) => Kind::Text {
            vocabulary: vocabulary(config, data_path(config)?, |counter| {
                text.texts.iter().for_each(|text| counter.add(text));
                Ok(())
            })?,
            text: data.text.clone(),
        },
        Raw::Series(series) => {
            let values: Vec<f64> = series.features.iter().flatten().map(|&x| f64::from(x)).collect();
            // An array is what the network is to see.
            let array = data.target.is_some() || arrays::is_array(data_path(config)?);
            let usual = if array { Scaling::None } else { Scaling::Standard };
            let scaling = data.scaler.unwrap_or(usual);
            Kind::Series {
                features: series.feature_names.clone(),
                scaler: Scaler::fit(scaling, &values, series.feature_names.len())?,
                id: data.id.clone(),
                time: data.time.clone(),
                wide: data.wide.unwrap_or(false),
            }
        }
    })
}

/// Reads labelled examples for a trained model; those of an array are in `target`.
pub fn read_labelled(doc: &Doc, path: &Path, target: Option<&Path>) -> Outcome<Examples> {
    match &doc.input {
        Kind::Text { text, .. } => {
            let columns = TextColumns { text: text.clone(), label: doc.label.clone(), header: doc.header };
            Raw::Text(LabelledText::read_with_classes(path, &columns, &doc.classes)?)
        }
        Kind::Series { .. } => Raw::Series(doc.series(path, target)?),
    }
    .examples(&doc.input)
}

/// Measures a model on labelled data; the labels of an array are in `target`. A `full` report has every one of many
/// classes.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path, target: Option<&Path>, full: bool) -> Outcome<Report> {
    let part = Part::new(read_labelled(doc, path, target)?)?;
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
        let input = match &self.doc.input {
            Kind::Text { vocabulary, .. } => Input::ids(vocabulary.len()),
            Kind::Series { features, .. } => Input::features(features.len()),
        };
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
        let layers = sequential(&self.config, input, head)?;
        let mut model = layers.compile(optimizer, loss, metrics)?;
        model.task = TaskDoc::Classify(self.doc.clone()).to_value()?;
        let counts = counts(&self.train.labels, self.doc.classes.len());
        begin_at(&mut model, &self.config, &counts.iter().map(|&n| n as u64).collect::<Vec<_>>())?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        Ok(Box::new(Shuffled::new(
            &self.train.data,
            train.batch(),
            train.shuffle.then_some(train.seed),
            false,
        )?))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        let Some(valid) = &self.valid else { return Ok(None) };
        Ok(Some(Box::new(Shuffled::new(&valid.data, self.config.train.batch(), None, false)?)))
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
        let mut card = self.card.clone();
        card.push(("sequences to train on".into(), thousands(self.train.labels.len())));
        if let Some(valid) = &self.valid {
            card.push(("sequences held out".into(), thousands(valid.labels.len())));
        }
        if let Kind::Text { vocabulary, .. } = &self.doc.input {
            card.push(("vocabulary".into(), thousands(vocabulary.len())));
        }
        card.push(("classes".into(), listed(&self.doc.classes)));
        card
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        match &self.doc.input {
            Kind::Text { .. } => vec![
                format!("echo 'some text' | {gimbap} predict {model}"),
                format!("{gimbap} eval {model} labelled.csv"),
            ],
            Kind::Series { .. } if self.config.data.path.as_deref().is_some_and(arrays::is_archive) => {
                vec![format!("{gimbap} predict {model} DATA.npz"), format!("{gimbap} eval {model} DATA.npz")]
            }
            Kind::Series { .. } if self.config.data.target.is_some() => {
                vec![
                    format!("{gimbap} predict {model} X.npy -o Y.npy"),
                    format!("{gimbap} eval {model} X.npy --target Y.npy"),
                ]
            }
            Kind::Series { .. } => {
                vec![
                    format!("{gimbap} predict {model} sequences.csv"),
                    format!("{gimbap} eval {model} labelled.csv"),
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_from_before_calibration_has_none() {
        let scaler = Scaler::fit(Scaling::Standard, &[0.0, 1.0], 1).unwrap();
        let input = Kind::Series { features: vec!["x".into()], scaler, id: None, time: None, wide: false };
        let classes = vec!["a".into(), "b".into()];
        let doc = Doc { classes, input, label: None, header: None, temperature: 2.0, usual: Some(1) };
        let mut stored = serde_json::to_value(&doc).unwrap();
        assert_eq!(serde_json::from_value::<Doc>(stored.clone()).unwrap(), doc);
        stored.as_object_mut().unwrap().remove("temperature");
        assert_eq!(serde_json::from_value::<Doc>(stored).unwrap(), Doc { temperature: 1.0, ..doc });
    }
}
