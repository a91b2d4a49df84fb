//! Labelled examples, texts or sequences of numbers: how they are read, in training and ever after, whatever their labels
//! are. Classifiers, taggers of whole texts and regressions share it.

use std::collections::HashSet;
use std::path::Path;

use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::labels::Label;
use gimbap::data::read::plain_name;
use gimbap::data::series::{Scaler, Scaling};
use gimbap::data::table::{LabelledSeries, LabelledText, SequenceColumns, TextColumns, hold_out};
use gimbap::data::text::{Unit, Vocabulary};
use gimbap::data::wide::{WideColumns, is_sequence_file, looks_wide};
use gimbap::layer::LayerConfig;
use gimbap::loss::RowTargets;
use gimbap::model::{Input, Model};
use serde::{Deserialize, Serialize};

use super::arrays::{self, ArrayLabel};
use super::labels::read_as;
use super::{card_of, data_path, hash_of, units, vocabulary};
use crate::config::{Config, Held, Names};
use crate::input;
use crate::output::{Failure, Outcome, thousands};

/// What is kept of how the examples were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What the sequences are made of.
    pub input: Kind,
    /// The column of the label.
    pub label: Option<String>,
    /// Whether tables have a line of names; None: what their first line looks like.
    #[serde(default)]
    pub header: Option<bool>,
    /// What stands between the labels of an example that may have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
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
pub struct Examples<L> {
    /// The sequences.
    pub inputs: Sequences<f32>,
    /// The label of each.
    pub labels: Vec<L>,
}

/// Examples with their targets.
#[derive(Debug)]
pub struct Part<L> {
    /// For the model.
    pub data: Dataset<f32>,
    /// The label of each.
    pub labels: Vec<L>,
}

impl<L> Part<L> {
    /// With what the model should give for each.
    pub fn new(examples: Examples<L>, targets: RowTargets<f32>) -> Outcome<Self> {
        Ok(Part {
            data: Dataset::new(examples.inputs, Targets::per_sequence(targets))?,
            labels: examples.labels,
        })
    }

    /// Its batches: in a new order every epoch if there is a seed.
    pub fn batches(&self, config: &Config, seed: Option<u64>) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        Ok(Box::new(Shuffled::new(&self.data, config.train.batch(), seed, false)?))
    }
}

/// Examples as they were read.
enum Raw<L> {
    Text(LabelledText<L>),
    Series(LabelledSeries<L>),
}

impl<L: Label + ArrayLabel> Raw<L> {
    fn read(config: &Config, path: &Path, classes: Option<&[String]>) -> Outcome<Self> {
        let data = &config.data;
        if data.target.is_some() || arrays::is_array(path) {
            // What is held out has the classes of what is trained on.
            let part = if classes.is_none() { arrays::Part::Train } else { arrays::Part::Test };
            return Ok(Raw::Series(arrays::labelled(path, data.target.as_deref(), classes, part)?));
        }
        if is_wide(config, path) {
            return Ok(Raw::Series(LabelledSeries::of_wide(path, &wide_columns(config), classes)?));
        }
        let separator = data.separator.clone();
        let values = data.value.clone().map(|Names(names)| names).unwrap_or_default();
        if data.id.is_some() || !values.is_empty() {
            let columns = SequenceColumns {
                id: data.id.clone(),
                time: data.time.clone(),
                label: data.label.clone(),
                features: values,
                header: data.header,
                separator,
            };
            return Ok(Raw::Series(LabelledSeries::of(path, &columns, classes)?));
        }
        let (text, label) = (data.text.clone(), data.label.clone());
        let columns = TextColumns { text, label, header: data.header, separator };
        Ok(Raw::Text(LabelledText::of(path, &columns, classes)?))
    }

    fn labels(&self) -> &[L] {
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
    fn hold_out(&mut self, fraction: f64, seed: u64) -> Outcome<Self> {
        let (kept, held) = hold_out(&L::strata(self.labels()), fraction, seed)?;
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

    fn examples(self, kind: &Kind) -> Outcome<Examples<L>> {
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

    fn told(&self) -> &'static str {
        match (L::NUMBERS, self) {
            (false, _) => "labels",
            (true, Raw::Text(_)) => "texts",
            (true, Raw::Series(_)) => "sequences",
        }
    }
}

/// Texts as ids; one without a token is a sequence of none.
fn encode(vocabulary: &Vocabulary, texts: &[String]) -> Sequences<f32> {
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| vocabulary.encode_units(text)).collect();
    Sequences::from(&ids).allow_empty()
}

/// Sequences of numbers as the network sees them.
pub fn scaled<L>(series: &LabelledSeries<L>, scaler: &Scaler) -> Outcome<Sequences<f32>> {
    let mut values: Vec<f64> = series.features.iter().flatten().map(|&x| f64::from(x)).collect();
    scaler.transform(&mut values);
    let values = values.into_iter().map(|x| x as f32).collect();
    Ok(Sequences::features(values, series.feature_names.len(), &series.lengths)?)
}

/// Whether the rows of a file are sequences: it is such a file, or the config says so.
fn is_wide(config: &Config, path: &Path) -> bool {
    config.data.wide.unwrap_or_else(|| is_sequence_file(path))
}

fn wide_columns(config: &Config) -> WideColumns {
    let data = &config.data;
    WideColumns {
        label: data.label.clone(),
        id: data.id.clone(),
        header: data.header,
        separator: data.separator.clone(),
    }
}

/// Says in the config that a table has a sequence a row, if that is certain and not said; tells of it.
fn settle_wide(config: &mut Config, path: &Path, numbers: bool) -> Option<String> {
    let data = &config.data;
    let open = data.wide.is_none() && data.id.is_none() && data.value.is_none() && data.text.is_none();
    if !open || data.target.is_some() || path.is_dir() || arrays::is_array(path) || is_sequence_file(path) {
        return None;
    }
    let form = looks_wide(path, &wide_columns(config), numbers)?;
    config.data.wide = Some(true);
    Some(form)
}

/// Puts what was found out of the examples into the config; tells of it.
fn settle_form<L: Label + ArrayLabel>(
    config: &mut Config,
    raw: &Raw<L>,
    series: Option<String>,
) -> Vec<String> {
    let mut told = Vec::new();
    let form = match raw {
        Raw::Text(text) => {
            let TextColumns { text: column, label, header, .. } = text.columns.clone();
            (config.data.text, config.data.label, config.data.header) = (column, label, header);
            text.read_as.clone()
        }
        Raw::Series(_) => {
            let embedding = |layer: &LayerConfig| layer.kind == "embedding";
            if config.layer.first().is_some_and(embedding) {
                config.layer.remove(0);
                told.push("the sequences are of numbers: the embedding is left out".to_owned());
            }
            series
        }
    };
    let count = if L::NUMBERS { raw.labels().len() } else { raw.classes().len() };
    told.extend(form.map(|form| read_as(&form, count, raw.told())));
    told
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

/// Says in the config how sequences of numbers are scaled, if it does not; tells of arrays, which are as a network is to see
/// them unless their values lie far from 0.
fn settle_scaler<L>(config: &mut Config, raw: &Raw<L>) -> Outcome<Option<String>> {
    /// The deviation and the mean from which on they lie far.
    const FAR: f64 = 10.0;
    let array = config.data.target.is_some() || arrays::is_array(data_path(config)?);
    let Raw::Series(series) = raw else { return Ok(None) };
    if config.data.scaler.is_some() {
        return Ok(None);
    }
    let values = || series.features.iter().flatten().map(|&x| f64::from(x));
    let n = values().count().max(1) as f64;
    let mean = values().sum::<f64>() / n;
    let deviation = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let far = deviation > FAR || mean.abs() > FAR;
    config.data.scaler = Some(if array && !far { Scaling::None } else { Scaling::Standard });
    Ok((array && far).then(|| {
        "scaled to mean 0 and deviation 1, as the values lie far from 0 (--set data.scaler=none: as they are)".to_owned()
    }))
}

fn kind<L>(config: &Config, raw: &Raw<L>) -> Outcome<Kind> {
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
            let scaling = data.scaler.unwrap_or_default();
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

/// All that a task needs of its data.
pub struct Corpus<L> {
    /// The config, with numbers wherever it left them to the data.
    pub config: Config,
    /// How the examples were read.
    pub reading: Reading,
    /// The classes, in the order of their numbers; none where labels are numbers.
    pub classes: Vec<String>,
    /// To train on.
    pub train: Examples<L>,
    /// Held out to choose the best model.
    pub valid: Option<Examples<L>>,
    /// Held out to the end.
    pub test: Option<Examples<L>>,
    /// For the model card.
    pub card: Vec<(String, String)>,
    /// What was left to the data, in words.
    pub chosen: Vec<String>,
}

impl<L: Label + ArrayLabel> Corpus<L> {
    /// Reads the examples that a config names.
    pub fn open(config: &Config) -> Outcome<Self> {
        let path = data_path(config)?;
        let mut config = config.clone();
        let wide = settle_wide(&mut config, path, L::NUMBERS);
        let mut raw = Raw::<L>::read(&config, path, None)?;
        let series = wide.or(arrays::chosen(path, arrays::Part::Train)?);
        let mut chosen = settle_form(&mut config, &raw, series);
        let n = raw.labels().len();
        let of_sequences = |held: Option<Held>| held.and_then(|held| held.of_sequences(n));
        config.data.test = of_sequences(config.data.test);
        let classes = raw.classes().to_vec();
        let own = match config.data.valid {
            Some(Held::Auto) if arrays::has_valid(path)? => {
                let form = arrays::chosen(path, arrays::Part::Valid)?;
                chosen.extend(form.map(|form| format!("to choose the best model: {form}")));
                Some(Raw::Series(arrays::labelled(path, None, Some(&classes), arrays::Part::Valid)?))
            }
            _ => {
                config.data.valid = of_sequences(config.data.valid.take());
                None
            }
        };
        let mut held = |held: &Option<Held>, seed: u64| -> Outcome<Option<Raw<L>>> {
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
        let valid = own.or(held(&config.data.valid, seed.wrapping_add(1))?);
        if let Raw::Text(text) = &raw {
            chosen.extend(settle_unit(&mut config, &text.texts));
        }
        chosen.extend(settle_scaler(&mut config, &raw)?);
        chosen.extend(config.settle_sequences(raw.labels().len()));
        let input = kind(&config, &raw)?;
        let data = &config.data;
        let (label, header, separator) = (data.label.clone(), data.header, data.separator.clone());
        let reading = Reading { input, label, header, separator };
        let examples = |raw: Raw<L>| raw.examples(&reading.input);
        let mut corpus = Corpus {
            train: examples(raw)?,
            valid: valid.map(examples).transpose()?,
            test: test.map(examples).transpose()?,
            card: card_of(path, &hash_of(path)?),
            reading,
            classes,
            chosen,
            config,
        };
        corpus.card.push(("sequences to train on".into(), thousands(corpus.train.labels.len())));
        if let Some(valid) = &corpus.valid {
            corpus.card.push(("sequences held out".into(), thousands(valid.labels.len())));
        }
        if let Kind::Text { vocabulary, .. } = &corpus.reading.input {
            corpus.card.push(("vocabulary".into(), thousands(vocabulary.len())));
        }
        Ok(corpus)
    }
}

impl Reading {
    /// What its models take.
    pub fn takes(&self) -> Input {
        match &self.input {
            Kind::Text { vocabulary, .. } => Input::ids(vocabulary.len()),
            Kind::Series { features, .. } => Input::features(features.len()),
        }
    }

    /// The tokens, of texts.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match &self.input {
            Kind::Text { vocabulary, .. } => Some(vocabulary),
            Kind::Series { .. } => None,
        }
    }

    /// The columns of a table of texts.
    pub fn text_columns(&self) -> TextColumns {
        let text = match &self.input {
            Kind::Text { text, .. } => text.clone(),
            Kind::Series { .. } => None,
        };
        TextColumns {
            text,
            label: self.label.clone(),
            header: self.header,
            separator: self.separator.clone(),
        }
    }

    /// Labelled examples for a trained model with these classes; the labels of an array are in `target`.
    pub fn examples<L: Label + ArrayLabel>(
        &self,
        path: &Path,
        target: Option<&Path>,
        classes: &[String],
    ) -> Outcome<Examples<L>> {
        match &self.input {
            Kind::Text { .. } => Raw::Text(LabelledText::of(path, &self.text_columns(), Some(classes))?),
            Kind::Series { .. } => Raw::Series(self.series(path, target, classes)?),
        }
        .examples(&self.input)
    }

    /// Labelled sequences of numbers for a trained model with these classes; the labels of an array are in `target`.
    pub fn series<L: Label + ArrayLabel>(
        &self,
        path: &Path,
        target: Option<&Path>,
        classes: &[String],
    ) -> Outcome<LabelledSeries<L>> {
        let series = match self.long_columns(path) {
            _ if target.is_some() || arrays::is_array(path) => {
                arrays::labelled(path, target, Some(classes), arrays::Part::Test)?
            }
            Some(columns) => LabelledSeries::of(path, &columns, Some(classes))?,
            None => LabelledSeries::of_wide(path, &self.wide_columns(), Some(classes))?,
        };
        self.check_width(path, series)
    }

    /// Sequences of numbers without labels, of a file or of standard input, for a model with these classes.
    pub fn unlabelled(&self, path: &Path, classes: &[String]) -> Outcome<LabelledSeries> {
        let series = match self.long_columns(path) {
            Some(columns) => LabelledSeries::unlabelled(&input::text(path)?, path, &columns)?,
            None => LabelledSeries::read_wide_unlabelled(path, &self.wide_columns(), classes)?,
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
                    separator: self.separator.clone(),
                })
            }
            _ => None,
        }
    }

    fn wide_columns(&self) -> WideColumns {
        let id = match &self.input {
            Kind::Series { id, .. } => id.clone(),
            Kind::Text { .. } => None,
        };
        WideColumns { label: self.label.clone(), id, header: self.header, separator: self.separator.clone() }
    }

    fn check_width<L>(&self, path: &Path, series: LabelledSeries<L>) -> Outcome<LabelledSeries<L>> {
        let Kind::Series { features, .. } = &self.input else { return Ok(series) };
        let (found, wanted) = (series.feature_names.len(), features.len());
        if found != wanted {
            let message = format!("{}: has {found} features, the model takes {wanted}", path.display());
            return Err(Failure::work("shape", message));
        }
        Ok(series)
    }

    /// What to type next, for a model of this kind.
    pub fn next(&self, config: &Config, gimbap: &str, model: &str) -> Vec<String> {
        let eval = |rest: &str| format!("{gimbap} eval {model} {rest}");
        let path = config.data.path.as_deref();
        // A file of the kind that was read.
        let name = path.map(plain_name).unwrap_or_default();
        let ending = match name.rsplit_once('.') {
            Some((_, ending @ ("tsv" | "tab" | "jsonl" | "ndjson" | "json" | "ts" | "arff" | "txt"))) => {
                ending
            }
            _ => "csv",
        };
        let labelled = format!("labelled.{ending}");
        match &self.input {
            Kind::Text { .. } => {
                vec![format!("echo 'some text' | {gimbap} predict {model}"), eval(&labelled)]
            }
            Kind::Series { .. } if path.is_some_and(arrays::is_archive) => {
                vec![format!("{gimbap} predict {model} DATA.npz"), eval("DATA.npz")]
            }
            Kind::Series { .. } if config.data.target.is_some() => {
                vec![format!("{gimbap} predict {model} X.npy -o Y.npy"), eval("X.npy --target Y.npy")]
            }
            Kind::Series { .. } => {
                vec![format!("{gimbap} predict {model} sequences.{ending}"), eval(&labelled)]
            }
        }
    }
}

/// Runs sequences in groups of so many, and hands each one's outputs on, in order.
pub fn each(
    model: &Model,
    inputs: &Sequences<f32>,
    group: usize,
    mut each: impl FnMut(usize, &[f32]) -> Outcome,
) -> Outcome {
    let all: Vec<usize> = (0..inputs.len()).collect();
    for (first, some) in (0..).step_by(group).zip(all.chunks(group)) {
        let outputs = model.predict(inputs.select(some))?;
        let width = outputs.len() / some.len();
        let outputs: Vec<f32> = outputs.iter().copied().collect();
        outputs.chunks_exact(width).enumerate().try_for_each(|(i, row)| each(first + i, row))?;
    }
    Ok(())
}

/// So many sequences at once that outputs of this width are bounded.
pub fn group(width: usize) -> usize {
    const OUTPUTS: usize = 1 << 18;
    (OUTPUTS / width.max(1)).clamp(1, 256)
}
