//! The tasks: from data to datasets, to a model, to figures that mean something.
//!
//! [`Work`] is what training needs of a task; [`TaskDoc`] is what a trained model keeps of it.

pub mod arrays;
pub mod builtin;
pub mod classify;
pub mod examples;
pub mod forecast;
mod identity;
mod labels;
pub mod limited;
pub mod lm;
pub mod multi_label;
pub mod regress;
pub mod tag;
mod units;

use std::path::Path;

use gimbap::data::batch::BatchSource;
use gimbap::data::read;
use gimbap::data::source::TextSource;
use gimbap::data::table::hash_of_class_folders;
use gimbap::data::text::{Counter, Tokenizer, Vocabulary};
use gimbap::init::Initializer;
use gimbap::layer::{Activation, Dense, LayerConfig, LayerSpec, Parameter};
use gimbap::loss::Loss;
use gimbap::model::{Evaluation, Input, Model, Sequential};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::examples::Reading;
pub use self::identity::{identity, is_file};
use crate::args::Language;
use crate::config::{Config, OutputBias, TaskKind, Tokens};
use crate::output::{Failure, Out, Outcome, thousands};
use crate::{model_file, vectors};

/// What a model file tells of its task: all that is needed to feed it and to read its outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TaskDoc {
    /// A language model.
    Lm(lm::Doc),
    /// A classifier.
    Classify(classify::Doc),
    /// A classifier that gives any number of labels.
    MultiLabel(multi_label::Doc),
    /// A regression.
    Regress(regress::Doc),
    /// A tagger.
    Tag(tag::Doc),
    /// A forecaster.
    Forecast(forecast::Doc),
}

impl TaskDoc {
    /// The task in words.
    pub fn name(&self) -> &'static str {
        match self {
            TaskDoc::Lm(_) => "a language model",
            TaskDoc::Classify(_) => "a classifier",
            TaskDoc::MultiLabel(_) => "a classifier of several labels",
            TaskDoc::Regress(_) => "a regression",
            TaskDoc::Tag(_) => "a tagger",
            TaskDoc::Forecast(_) => "a forecaster",
        }
    }

    /// The tokens, of a task on texts.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match self {
            TaskDoc::Lm(doc) => Some(&doc.vocabulary),
            TaskDoc::Tag(doc) => Some(&doc.vocabulary),
            _ => self.reading().and_then(Reading::vocabulary),
        }
    }

    /// How the examples are read, of a task with a label for each.
    pub fn reading(&self) -> Option<&Reading> {
        match self {
            TaskDoc::Classify(doc) => Some(&doc.reading),
            TaskDoc::MultiLabel(doc) => Some(&doc.reading),
            TaskDoc::Regress(doc) => Some(&doc.reading),
            TaskDoc::Lm(_) | TaskDoc::Tag(_) | TaskDoc::Forecast(_) => None,
        }
    }

    /// For [`Model::task`].
    pub fn to_value(&self) -> Outcome<Value> {
        serde_json::to_value(self)
            .map_err(|e| Failure::work("model_file", format!("the task cannot be stored: {e}")))
    }
}

/// A task with its data, ready to train.
pub trait Work {
    /// The config, with numbers wherever it left them to the data.
    fn config(&self) -> &Config;
    /// A compiled model with its initial weights.
    fn model(&self) -> Outcome<Model>;
    /// The batches of an epoch.
    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>>;
    /// The batches that choose the best model, if any were held out.
    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>>;
    /// What is counted where [`BatchSource::targets`] is told.
    fn unit(&self) -> &'static str;
    /// How many targets one of these has.
    fn targets_of_unit(&self) -> usize {
        1
    }
    /// The figures of one pass over the training data.
    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value>;
    /// Those of the validation data.
    fn valid_figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        self.figures(evaluation)
    }
    /// What is left to do once the weights are chosen; whether it changed the model.
    fn finish(&mut self, _model: &mut Model) -> Outcome<bool> {
        Ok(false)
    }
    /// The figures of a trained model, beside the trivial ones.
    fn report(&self, model: &Model, out: &Out) -> Outcome<Report>;
    /// What is worth telling of the data before a model learns it.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    /// The language in which the training is told.
    fn lang(&self) -> Language {
        Language::En
    }
    /// What a model card tells of the data.
    fn card(&self) -> Vec<(String, String)>;
    /// What to type next, given how the program and the model are called.
    fn next(&self, gimbap: &str, model: &str) -> Vec<String>;
}

/// The figures of a trained model.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// For machines: `metrics` of the last object.
    pub metrics: Map<String, Value>,
    /// Beside `metrics` in the last object.
    pub beside: Map<String, Value>,
    /// For people.
    pub text: String,
    /// For people, below the text where there is room.
    pub tables: String,
}

impl Report {
    /// Adds the figures of a part: the first one's stand alone, a later one's under its name.
    pub fn add(&mut self, name: &str, metrics: Map<String, Value>) {
        let text = format!("{name}: {}", line_of(&metrics));
        self.add_as(name, metrics, &text);
    }

    /// Tells of a model that is not worth its name.
    pub fn doubt(&mut self, message: &str) {
        self.text.push_str(&format!("\n{message}"));
    }

    /// As [`Report::add`], in these words.
    pub fn add_as(&mut self, name: &str, metrics: Map<String, Value>, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        match self.metrics.is_empty() {
            true => self.metrics = metrics,
            false => drop(self.metrics.insert(name.into(), Value::Object(metrics))),
        }
    }
}

/// What may help a model that learned nothing.
const TRY: &str = "try more epochs (--epochs), another train.optimizer.rate";

/// Reads the data that a config names; what memory is too small for goes into `scratch`, an existing folder.
pub fn open(config: &Config, scratch: &Path) -> Outcome<Box<dyn Work>> {
    Ok(match config.task.kind {
        _ if config.is_builtin() => Box::new(builtin::Builtin::open(config)?),
        TaskKind::Lm => Box::new(lm::Lm::open(config, scratch)?),
        TaskKind::Classify if config.data.separator.is_some() => {
            Box::new(multi_label::MultiLabel::open(config)?)
        }
        TaskKind::Classify => Box::new(classify::Classify::open(config)?),
        TaskKind::Regress => Box::new(regress::Regress::open(config)?),
        TaskKind::Tag => Box::new(tag::Tag::open(config)?),
        TaskKind::Forecast => Box::new(forecast::Forecast::open(config)?),
    })
}

/// `data.path`, which most tasks cannot do without.
pub fn data_path(config: &Config) -> Outcome<&Path> {
    config.data.path.as_deref().filter(|p| !p.as_os_str().is_empty()).ok_or_else(|| {
        Failure::usage("config", "no data: give --data PATH, or `path = \"..\"` under [data] in the config")
    })
}

/// The vocabulary that a config asks for: of the training text, which stands in `path` and is counted by `feed`, of a
/// list, or of a tokenizer.
pub fn vocabulary(
    config: &Config,
    path: &Path,
    feed: impl FnOnce(&mut Counter) -> Outcome,
) -> Outcome<Vocabulary> {
    if let Some(Tokens::List(list)) = &config.data.vocab {
        return Ok(Vocabulary::read(list, &config.vocabulary())?);
    }
    let mut counter = Counter::new(config.vocabulary())?;
    // A tokenizer made elsewhere is learned of nothing.
    if !matches!(config.vocabulary().tokenizer, Some(Tokenizer::File(_))) {
        feed(&mut counter)?;
    }
    counter.finish().map_err(|error| match error {
        // An error about "the text" names the file.
        gimbap::Error::Data { place, message } if place == "the text" => {
            gimbap::Error::data(path.display().to_string(), message).into()
        }
        other => other.into(),
    })
}

/// A task's model with its initial weights, those of `data.vectors` among them, of which the second value tells.
pub fn initial(config: &Config, work: &dyn Work, out: &Out) -> Outcome<(Model, Option<String>)> {
    let mut model = work.model()?;
    let Some(file) = &config.data.vectors else { return Ok((model, None)) };
    let doc = model_file::task_of(&model, file)?;
    let Some(vocabulary) = doc.as_ref().and_then(TaskDoc::vocabulary) else {
        let message = "data.vectors: is for texts, and this task has none";
        return Err(Failure::usage("config", message));
    };
    let found = vectors::initialise(&mut model, vocabulary, file, out)?;
    Ok((model, Some(found)))
}

/// What a model card calls the data's hash.
const HASH: &str = "hash (FNV-1a 128)";

/// The rows of a model card about a file or folder: its name alone, for cards are shown around.
pub fn card_of(path: &Path, hash: &str) -> Vec<(String, String)> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    vec![("data".into(), name), (HASH.into(), hash.into())]
}

/// The hash of a file's bytes, unpacked, or of a folder's text.
pub fn hash_of(path: &Path) -> Outcome<String> {
    Ok(match path.is_dir() {
        true => match hash_of_class_folders(path)? {
            Some(hash) => hash,
            None => TextSource::open(path)?.hash().to_owned(),
        },
        // An archive of arrays is no text that is packed.
        false if arrays::is_archive(path) => {
            read::data_hash(&std::fs::read(path).map_err(|e| Failure::io(path, &e))?)
        }
        false => read::data_hash(&read::read_bytes(path)?),
    })
}

/// An initial model: the config's layers, then the task's output layer, if the last of them is not that already.
pub fn sequential(config: &Config, input: Input, head: Dense) -> Outcome<Sequential> {
    let head = config.train.init.into_iter().fold(head, Dense::init);
    let given = gives_outputs(config, &head)?;
    let specs = specs(config)?;
    let layers = specs.into_iter().fold(Sequential::new(input).seed(config.train.seed), Sequential::add);
    Ok(if given { layers } else { layers.add(head) })
}

/// Whether the config's last layer is the output layer: a dense one with its activation, which is one of probabilities.
fn gives_outputs(config: &Config, head: &Dense) -> Outcome<bool> {
    let probabilities = [Activation::Softmax, Activation::Sigmoid].contains(&head.activation);
    let Some(last) = config.layer.last().filter(|last| last.kind == "dense" && probabilities) else {
        return Ok(false);
    };
    if last.activation != Some(head.activation) {
        return Ok(false);
    }
    match last.units {
        Some(units) if units != head.units => {
            let message = format!(
                "layer.{}.units: is {units}, but the output layer of this task has {}: set it to that, or leave the layer \
                 out, and it follows by itself",
                config.layer.len() - 1,
                head.units
            );
            Err(Failure::usage("config", message))
        }
        _ => Ok(true),
    }
}

/// The config's layers, with what follows from the task filled in: which layers give every step, and `train.init`.
fn specs(config: &Config) -> Outcome<Vec<LayerSpec>> {
    let lm = config.task.kind == TaskKind::Lm;
    let ahead = config.task.kind == TaskKind::Forecast && config.data.knows_ahead();
    let each = lm || config.task.kind == TaskKind::Tag || ahead;
    let last = config.layer.iter().rposition(is_recurrent);
    let mut specs = Vec::with_capacity(config.layer.len());
    for (i, layer) in config.layer.iter().enumerate() {
        let mut layer = layer.clone();
        let kind = layer.kind.clone();
        let ends_later = config.layer[i + 1..].iter().any(|l| l.kind == "pool" || l.kind == "flatten");
        let steps = each || Some(i) != last || ends_later;
        let inner = layer.layer.as_deref().unwrap_or(&layer);
        let ends = ["pool", "flatten"].contains(&kind.as_str()) || inner.return_sequences == Some(false);
        if each && ends {
            let wants = if ahead { "step of what is known ahead" } else { "token" };
            let message = format!(
                "layer.{i}: `{kind}` gives one row for a whole sequence, but each {wants} wants its own"
            );
            return Err(Failure::usage("config", message));
        }
        if lm && (kind == "bidirectional" || layer.go_backwards == Some(true)) {
            return Err(Failure::usage(
                "config",
                format!("layer.{i}: a language model cannot read from the right, where the answer stands"),
            ));
        }
        match layer.layer.as_deref_mut() {
            Some(inner) => fill(inner, steps, config.train.init),
            None => fill(&mut layer, steps, config.train.init),
        }
        specs.push(LayerSpec::try_from(layer)?);
    }
    Ok(specs)
}

fn is_recurrent(layer: &LayerConfig) -> bool {
    ["simple_rnn", "lstm", "gru", "bidirectional"].contains(&layer.kind.as_str())
}

fn fill(layer: &mut LayerConfig, steps: bool, init: Option<Initializer>) {
    if is_recurrent(layer) {
        layer.return_sequences.get_or_insert(steps);
    }
    if is_recurrent(layer) || layer.kind == "embedding" || layer.kind == "dense" {
        layer.init = layer.init.or(init);
    }
}

/// Lets the biases of the output layer begin at the logarithms of how often each output was counted, once more than it was,
/// if the config wants it so.
pub fn begin_at(model: &mut Model, config: &Config, counts: &[u64]) -> Outcome {
    let Some(OutputBias::Frequencies) = config.train.output_bias else { return Ok(()) };
    let of_output = |p: &&Parameter| p.name.ends_with(".b") && p.range.len() == counts.len();
    let Some(name) = model.parameters().iter().rfind(of_output).map(|p| p.name.clone()) else {
        return Ok(());
    };
    let all = counts.iter().map(|n| n + 1).sum::<u64>() as f64;
    let logs: Vec<f32> = counts.iter().map(|&n| ((n + 1) as f64 / all).ln() as f32).collect();
    Ok(model.set_parameter(&name, &logs)?)
}

/// The loss of outputs that are quantities.
fn loss_of_numbers(config: &Config) -> Loss {
    match config.train.loss.as_deref() {
        Some("mae") => Loss::Mae,
        Some("huber") => Loss::Huber { delta: 1.0 },
        _ => Loss::Mse,
    }
}

/// A figure for JSON, whose numbers are finite: an infinite one is the text `inf` or `-inf`, NaN is null.
pub fn number(x: f64) -> Value {
    match serde_json::Number::from_f64(x) {
        Some(number) => Value::Number(number),
        None if x.is_nan() => Value::Null,
        None => Value::String(short(x)),
    }
}

/// Figures in the order given.
pub fn figures<'a>(pairs: impl IntoIterator<Item = (&'a str, f64)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, x)| (name.to_string(), number(x))).collect()
}

/// The loss and the metrics of a pass.
pub fn plain_figures(evaluation: &Evaluation) -> Map<String, Value> {
    let metrics = evaluation.metrics.iter().map(|(metric, x)| (metric.to_string(), number(*x)));
    [("loss".to_string(), number(evaluation.loss))].into_iter().chain(metrics).collect()
}

/// Figures on one line: `loss 1.2345  perplexity 3.44`.
pub fn line_of(figures: &Map<String, Value>) -> String {
    let shown = figures
        .iter()
        .filter_map(|(name, value)| Some(format!("{} {}", name.replace('_', " "), figure(value)?)));
    shown.collect::<Vec<_>>().join("  ")
}

/// A figure of JSON for people; none of what is not a figure.
pub fn figure(value: &Value) -> Option<String> {
    match value {
        Value::Number(count) if count.is_u64() => Some(thousands(count.as_u64()? as usize)),
        Value::Number(x) => Some(short(x.as_f64()?)),
        Value::String(text) if text.ends_with("inf") => Some(text.clone()),
        Value::Null => Some(short(f64::NAN)),
        _ => None,
    }
}

/// A figure in about five digits, six at most: `inf`, `-inf` and `nan` are called by their names.
pub fn short(x: f64) -> String {
    match x.abs() {
        a if a.is_nan() => "nan".into(),
        a if a.is_infinite() => format!("{x}"),
        // What rounds to a million has seven digits.
        a if a >= 999_999.5 => plain_exponent(format!("{x:.4e}")),
        _ if x.fract() == 0.0 => format!("{x}"),
        a if a >= 99_999.95 => format!("{x:.0}"),
        a if a >= 999.9995 => format!("{x:.1}"),
        a if a >= 10.0 => format!("{x:.3}"),
        a if a >= 1e-3 => format!("{x:.4}"),
        _ => format!("{x:.3e}"),
    }
}

/// A probability in six significant digits, given its logarithm: `0.00812`, and `1.2e-8` where it is small, also where
/// no `f64` is as small.
pub fn probability(logprob: f64) -> String {
    let p = logprob.exp();
    if logprob.is_nan() {
        return "nan".into();
    }
    if p >= 1e-4 {
        let digits = 6usize.saturating_add_signed(-1 - p.log10().floor() as isize);
        let text = format!("{p:.digits$}");
        return match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').into(),
            false => text,
        };
    }
    if logprob == f64::NEG_INFINITY {
        return "0".into();
    }
    let places = logprob / std::f64::consts::LN_10;
    let text = format!("{:.5}", 10f64.powf(places - places.floor()));
    // 9.999999 rounds to 10.
    let (text, exponent) = match text.starts_with("10") {
        true => ("1.00000".to_string(), places.floor() + 1.0),
        false => (text, places.floor()),
    };
    plain_exponent(format!("{text}e{exponent}"))
}

/// `1.2000e-8` as `1.2e-8`.
fn plain_exponent(text: String) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => {
            format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_figure_has_at_most_six_digits() {
        for (x, shown) in [
            (0.0, "0"),
            (20.0, "20"),
            (0.123456, "0.1235"),
            (-99.9996, "-100.000"),
            (1234.56, "1234.6"),
            (123_456.7, "123457"),
            (99_999.96, "100000"),
            (999_999.4, "999999"),
            (1_234_567.0, "1.2346e6"),
            (1e15, "1e15"),
            (2.5e54, "2.5e54"),
            (1.234e-8, "1.234e-8"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(short(x), shown);
        }
        // Of any size.
        for exponent in -30..60 {
            for digits in [1.0, 1.2345678, 5.5555555, 9.9999999] {
                let text = short(digits * 10f64.powi(exponent));
                let mantissa = text.split('e').next().unwrap_or_default();
                let count =
                    mantissa.trim_start_matches(['0', '.']).chars().filter(char::is_ascii_digit).count();
                assert!(count <= 6, "{text}");
            }
        }
    }

    #[test]
    fn a_loss_that_is_infinite_is_told() {
        let figures = figures([("loss", f64::INFINITY), ("r2", f64::NAN), ("mae", 0.5)]);
        assert_eq!(line_of(&figures), "loss inf  r2 nan  mae 0.5000");
        let text = serde_json::to_string(&figures).unwrap();
        assert_eq!(text, r#"{"loss":"inf","r2":null,"mae":0.5}"#);
        let counts = json!({"tokens": 1_115_394, "classes": ["a"], "name": "x"});
        assert_eq!(line_of(counts.as_object().unwrap()), "tokens 1,115,394");
    }

    #[test]
    fn a_probability_has_six_significant_digits_however_small() {
        for (p, shown) in [
            (1.0, "1"),
            (0.5, "0.5"),
            (0.98765432, "0.987654"),
            (0.00812345678, "0.00812346"),
            (1.2e-8, "1.2e-8"),
            (3.456789e-5, "3.45679e-5"),
        ] {
            assert_eq!(probability(f64::ln(p)), shown);
        }
        assert_eq!(probability(-1000.0), "5.07596e-435");
        assert_eq!(probability(f64::NEG_INFINITY), "0");
    }
}
