//! The config: what a run is, in TOML.
//!
//! [`Config`] is what the keys mean, [`read`] turns text into it with errors that name the line, [`set`] is
//! `--set a.b=v`, [`check`] are the values that no run can have, [`auto`] is what is left to the data, [`template`] is
//! what `gimbap new` prints.

mod auto;
mod check;
mod read;
mod set;
pub mod template;
mod weights;

use std::path::{Path, PathBuf};

use gimbap::bptt::Bptt;
use gimbap::data::corpus::Grammar;
use gimbap::data::series::{Doubles, Fill, Scaling};
use gimbap::data::text::{NormalForm, Options, Tokenizer, Unit, Words};
use gimbap::data::time::Calendar;
use gimbap::init::Initializer;
use gimbap::layer::LayerConfig;
use gimbap::loss::Reduction;
use gimbap::metric::Metric;
use gimbap::optim::{Adam, Optimizer, Schedule};
use gimbap::train::Average;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value as Json;

pub use self::auto::Auto;
pub use self::read::{Source, load};
pub use self::weights::ClassWeights;
use crate::output::{Failure, Outcome};

/// What a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is learned.
    pub task: Task,
    /// From what.
    #[serde(default)]
    pub data: Data,
    /// By which layers; the output layer follows from the task and the data.
    #[serde(default)]
    pub layer: Vec<LayerConfig>,
    /// How.
    #[serde(default)]
    pub train: Train,
}

/// `[task]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The kind of task.
    pub kind: TaskKind,
}

/// `task.kind`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// The next token of a text.
    Lm,
    /// One label for a sequence, or several.
    Classify,
    /// A number for a sequence.
    Regress,
    /// A label for every token.
    Tag,
    /// The next values of a series.
    Forecast,
}

/// `data.path` of a corpus that the program makes itself.
pub fn path_of_builtin(grammar: Grammar) -> &'static str {
    match grammar {
        Grammar::English => "builtin:travellers",
        Grammar::Korean => "builtin:travellers-ko",
    }
}

/// `[data]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// A file or a folder; `builtin:travellers` and `builtin:travellers-ko` are the built-in corpora.
    pub path: Option<PathBuf>,
    /// Of an array of sequences: the array of what they should give.
    pub target: Option<PathBuf>,
    /// Held out to choose the best model.
    pub valid: Option<Held>,
    /// Held out to the end.
    pub test: Option<Held>,
    /// What a token is; None: what the task and the data suggest.
    #[serde(deserialize_with = "auto::unit")]
    pub unit: Option<Unit>,
    /// Which tokens there are; the rest becomes `<unk>`.
    pub vocab: Option<Tokens>,
    /// What cuts a text into subwords.
    pub tokenizer: Option<Tokenizer>,
    /// A token rarer than this becomes `<unk>`.
    pub min_count: Option<Auto<usize>>,
    /// Texts are put in lower case, in training and ever after.
    pub lowercase: Option<bool>,
    /// Where words end.
    pub words: Option<Words>,
    /// The Unicode normal form of texts.
    pub normal_form: Option<NormalForm>,
    /// Each line of a language model's text stands for itself, from the zero state on.
    pub lines: Option<bool>,
    /// A file of word vectors with which an embedding begins.
    pub vectors: Option<PathBuf>,
    /// Whether a table has a line of names; None: what its first line looks like.
    pub header: Option<bool>,
    /// The column of the text, by its name or its number from 1.
    #[serde(deserialize_with = "column")]
    pub text: Option<String>,
    /// The column of the label, likewise.
    #[serde(deserialize_with = "column")]
    pub label: Option<String>,
    /// What stands between the labels of an example; None: it has one.
    pub separator: Option<String>,
    /// The column of the time, likewise.
    #[serde(deserialize_with = "column")]
    pub time: Option<String>,
    /// The columns of the values.
    pub value: Option<Names>,
    /// The column that says which sequence a row belongs to.
    #[serde(deserialize_with = "column")]
    pub id: Option<String>,
    /// The columns that are known up to the present, beside those to forecast.
    pub past: Option<Names>,
    /// The columns that are known ahead.
    pub known: Option<Names>,
    /// Figures of the calendar, which are known ahead too.
    pub calendar: Option<Vec<Calendar>>,
    /// How far one row of a series is from the next.
    pub frequency: Option<String>,
    /// What is done about rows and cells that are missing.
    pub fill: Option<Fill>,
    /// What is done about rows of a series at one time.
    pub doubles: Option<Doubles>,
    /// Whether a row of a table is a whole sequence; None: what the table looks like.
    pub wide: Option<bool>,
    /// How many past steps a forecast sees.
    pub window: Option<usize>,
    /// How many steps ahead a forecast goes.
    pub horizon: Option<usize>,
    /// After how many steps the series repeats itself, for the seasonal-naive forecast.
    pub season: Option<usize>,
    /// How values are scaled.
    pub scaler: Option<Scaling>,
    /// Whether a forecast says how far the next values lie from the last one, and not where; None: what the data suggests.
    #[serde(deserialize_with = "auto::yes")]
    pub change: Option<bool>,
}

/// `train.loss` of a classifier with one output for two classes.
pub const BINARY: &str = "binary_crossentropy";

/// `data.valid` or `data.test` of nothing held out, as `0` is.
pub const NOTHING: &str = "none";

/// A part of the data held out: a path, or a fraction of the training data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Held {
    /// As much as there is to spare.
    #[serde(serialize_with = "as_auto")]
    Auto,
    /// That much of the training data.
    Fraction(f64),
    /// That file.
    Path(PathBuf),
}

impl Held {
    /// Whether nothing is held out, in so many words: `0` or `"none"`.
    fn is_nothing(&self) -> bool {
        match self {
            Held::Fraction(part) => *part == 0.0,
            Held::Path(path) => path.as_os_str() == NOTHING,
            Held::Auto => false,
        }
    }
}

/// The tokens that a vocabulary has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Tokens {
    /// As many as the texts suggest.
    #[serde(serialize_with = "as_auto")]
    Auto,
    /// At most so many, the most frequent of the data.
    Limit(usize),
    /// Those that a file lists, one a line.
    List(PathBuf),
}

/// One name or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Names(pub Vec<String>);

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the data; None: what its size suggests.
    #[serde(deserialize_with = "auto::number")]
    pub epochs: Option<usize>,
    /// At most so many updates, in the middle of an epoch too.
    pub steps: Option<usize>,
    /// Sequences in a batch; None: what the size of the data suggests.
    #[serde(deserialize_with = "auto::number")]
    pub batch: Option<usize>,
    /// How far gradients flow back in time; None: all the way, or what the size of a text suggests.
    #[serde(deserialize_with = "auto_back")]
    pub bptt: Option<Back>,
    /// The update rule.
    pub optimizer: Optimizer,
    /// The gradient's norm over all parameters is scaled down to this.
    pub clip_norm: Option<f64>,
    /// Each gradient is cut to ± this.
    pub clip_value: Option<f64>,
    /// The loss, where the task leaves a choice.
    pub loss: Option<String>,
    /// How the losses of the steps become one.
    pub loss_reduction: Option<Reduction>,
    /// All weights start from this in place of each layer's own.
    pub init: Option<Initializer>,
    /// What the biases of the output layer start from; if not said, what the other weights do.
    pub output_bias: Option<OutputBias>,
    /// How the rate changes.
    pub schedule: Option<Auto<Schedule>>,
    /// From when on the mean of the weights over the steps is kept in place of the last ones.
    pub average: Option<Average>,
    /// The seed of everything random.
    pub seed: u64,
    /// Sequences come in a new order every epoch.
    pub shuffle: bool,
    /// The segments of a language model's text vary in length, and the rate with them.
    pub jitter: bool,
    /// Figures beside the task's own.
    pub metrics: Vec<Metric>,
    /// How much a mistake on each class counts.
    pub class_weights: Option<ClassWeights>,
    /// Whether a classifier's probabilities are calibrated on the validation data; if there is some, they are.
    pub calibrate: Option<bool>,
    /// Stop after so many epochs without a better validation loss.
    pub patience: Option<Auto<usize>>,
}

impl Default for Train {
    /// What a config without `[train]` has.
    fn default() -> Self {
        Train {
            epochs: None,
            steps: None,
            batch: None,
            bptt: None,
            optimizer: Adam::new(0.003).into(),
            clip_norm: None,
            clip_value: None,
            loss: None,
            loss_reduction: None,
            init: None,
            output_bias: None,
            schedule: None,
            average: None,
            seed: 1,
            shuffle: true,
            jitter: false,
            metrics: Vec::new(),
            class_weights: None,
            calibrate: None,
            patience: None,
        }
    }
}

/// `train.output_bias`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputBias {
    /// The logarithms of how frequent the tokens or labels are, so that no update is spent on learning these.
    Frequencies,
}

/// `train.bptt`: a number, `[k1, k2]`, `"full"`, or `"checkpointed"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Back(pub Bptt);

impl Train {
    /// The epochs, once the data is known.
    pub fn epochs(&self) -> usize {
        self.epochs.unwrap_or(10)
    }

    /// The sequences in a batch, once the data is known.
    pub fn batch(&self) -> usize {
        self.batch.unwrap_or(32)
    }

    /// The rates, once the data is known.
    pub fn schedule(&self) -> Schedule {
        self.schedule.and_then(Auto::given).unwrap_or_default()
    }

    /// The epochs without a better validation loss after which a run stops, once the data is known.
    pub fn patience(&self) -> Option<usize> {
        self.patience.and_then(Auto::given)
    }
}

impl Config {
    /// The config as TOML, as it lies in the run's folder.
    pub fn to_toml(&self) -> Outcome<String> {
        toml::to_string(self)
            .map_err(|e| Failure::work("config", format!("the config cannot be written: {e}")))
    }

    /// The keys, such as `layer.0.units`, whose values are others in `other`.
    pub fn differs(&self, other: &Config) -> Outcome<Vec<String>> {
        let tree = |config: &Config| {
            serde_json::to_value(config)
                .map_err(|e| Failure::work("config", format!("the config cannot be compared: {e}")))
        };
        let mut keys = Vec::new();
        differing(&tree(self)?, &tree(other)?, "", &mut keys);
        Ok(keys)
    }

    /// The limit of the vocabulary, if `data.vocab` is one.
    pub fn limit(&self) -> Option<usize> {
        match self.data.vocab {
            Some(Tokens::Limit(limit)) => Some(limit),
            _ => None,
        }
    }

    /// How the vocabulary of a text is made.
    pub fn vocabulary(&self) -> Options {
        let usual = match self.task.kind {
            TaskKind::Classify | TaskKind::Regress | TaskKind::Tag => Unit::Word,
            TaskKind::Lm | TaskKind::Forecast => Unit::Char,
        };
        let data = &self.data;
        let unit = data.unit.unwrap_or(usual);
        Options {
            unit,
            lowercase: data.lowercase.unwrap_or(false),
            form: data.normal_form.unwrap_or(unit.normal_form()),
            words: match self.task.kind {
                // Its data has the tokens.
                TaskKind::Tag => Words::Space,
                _ => data.words.unwrap_or_default(),
            },
            limit: self.limit(),
            min_count: data.min_count.and_then(Auto::given).unwrap_or(1),
            tokenizer: data.tokenizer.clone(),
        }
    }

    /// The built-in corpus, if the data is one.
    pub fn builtin(&self) -> Option<Grammar> {
        self.data.path.as_deref().and_then(builtin)
    }

    /// Whether the data is a built-in corpus.
    pub fn is_builtin(&self) -> bool {
        self.builtin().is_some()
    }
}

impl Data {
    /// Whether anything is known ahead of a forecast.
    pub fn knows_ahead(&self) -> bool {
        self.known.is_some() || self.calendar.as_ref().is_some_and(|calendar| !calendar.is_empty())
    }
}

/// The built-in corpus that a path names.
pub fn builtin(path: &Path) -> Option<Grammar> {
    [Grammar::English, Grammar::Korean]
        .into_iter()
        .find(|&grammar| path.as_os_str() == path_of_builtin(grammar))
}

fn differing(a: &Json, b: &Json, at: &str, keys: &mut Vec<String>) {
    let under = |key: &str| if at.is_empty() { key.to_string() } else { format!("{at}.{key}") };
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => {
            let more = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(more) {
                let side = |map: &serde_json::Map<String, Json>| map.get(key).cloned().unwrap_or_default();
                differing(&side(a), &side(b), &under(key), keys);
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() && a.iter().all(Json::is_object) => {
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| differing(a, b, &under(&i.to_string()), keys));
        }
        _ if a != b => keys.push(at.to_string()),
        _ => {}
    }
}

impl<'de> Deserialize<'de> for Held {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Held;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a path, a fraction such as 0.1, 0 for nothing, or \"auto\"")
            }
            fn visit_f64<E: de::Error>(self, x: f64) -> Result<Held, E> {
                Ok(Held::Fraction(x))
            }
            fn visit_i64<E: de::Error>(self, x: i64) -> Result<Held, E> {
                Ok(Held::Fraction(x as f64))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Held, E> {
                Ok(if s == "auto" { Held::Auto } else { Held::Path(s.into()) })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Tokens;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number of tokens, the path of a file that lists them, or \"auto\"")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Tokens, E> {
                let limit = usize::try_from(n);
                limit.map(Tokens::Limit).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Tokens, E> {
                Ok(if s == "auto" { Tokens::Auto } else { Tokens::List(s.into()) })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Names;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a column's name, its number from 1, or a list of these")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Names, E> {
                Ok(Names(vec![n.to_string()]))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Names, E> {
                Ok(Names(vec![s.into()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(Column(name)) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A column's name, or its number.
struct Column(String);

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Column;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a column's name or its number from 1")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Column, E> {
                Ok(Column(n.to_string()))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Column, E> {
                Ok(Column(s.into()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn column<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Column::deserialize(deserializer).map(|Column(name)| Some(name))
}

fn as_auto<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("auto")
}

/// `train.bptt`; `"auto"` is the same as none.
fn auto_back<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Back>, D::Error> {
    const EXPECTED: &str = "a number of steps, two such as [10, 20], \"full\", \"checkpointed\" or \"auto\"";
    fn steps<E: de::Error>(n: i64) -> Result<usize, E> {
        usize::try_from(n).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &EXPECTED))
    }
    fn back<E>(bptt: Bptt) -> Result<Option<Back>, E> {
        Ok(Some(Back(bptt)))
    }
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Option<Back>;
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str(EXPECTED)
        }
        fn visit_i64<E: de::Error>(self, n: i64) -> Result<Self::Value, E> {
            let k = steps(n)?;
            back(Bptt::Truncated { k1: k, k2: k })
        }
        fn visit_str<E: de::Error>(self, s: &str) -> Result<Self::Value, E> {
            match s {
                "auto" => Ok(None),
                "full" => back(Bptt::Full),
                "checkpointed" => back(Bptt::Checkpointed),
                _ => Err(E::invalid_value(de::Unexpected::Str(s), &self)),
            }
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut ks = Vec::new();
            while let Some(k) = seq.next_element::<i64>()? {
                ks.push(steps(k)?);
            }
            match ks[..] {
                [k1, k2] => back(Bptt::Truncated { k1, k2 }),
                _ => Err(de::Error::invalid_length(ks.len(), &self)),
            }
        }
    }
    deserializer.deserialize_any(Visitor)
}

impl Serialize for Back {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Bptt::Full => serializer.serialize_str("full"),
            Bptt::Checkpointed => serializer.serialize_str("checkpointed"),
            Bptt::Truncated { k1, k2 } if k1 == k2 => serializer.serialize_u64(k1 as u64),
            Bptt::Truncated { k1, k2 } => [k1, k2].serialize(serializer),
        }
    }
}
