//! What can be typed: the verbs, their flags, and an example under every `--help`.

mod explain;
mod generate;
mod memory;
mod score;
mod vectors;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
pub use explain::{Explain, Language};
pub use generate::Generate;
pub use memory::{Cell, Memory, Problem};
pub use score::{By, Score};
pub use vectors::{Analogy, Embed, Map, Neighbors, with_signs_apart};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "gimbap",
    version,
    about = "Recurrent neural networks, unrolled: train, measure and stream SimpleRNN, LSTM and GRU",
    after_help = "Examples:\n  gimbap train                              train on the built-in corpus\n  \
                  gimbap new lm > lm.toml                   a commented config to edit\n  \
                  gimbap train lm.toml --data novel.txt     train with it\n  \
                  gimbap generate runs/lm/best.safetensors  text from what it learned",
    disable_help_subcommand = true,
    propagate_version = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// What every verb takes.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// One JSON document or JSONL on stdout and nothing else there; errors too
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// No progress, no log lines
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// Threads to compute with (the result does not depend on it) [default: all cores]
    #[arg(long, global = true, value_name = "N", help_heading = "Everywhere", value_parser = at_least_one)]
    pub threads: Option<usize>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print a complete commented config for a task
    New(New),
    /// Train a model; with no argument, on the built-in corpus
    Train(Train),
    /// Measure a model on data
    Eval(Eval),
    /// A prediction for every sequence
    Predict(Predict),
    /// Let a language model write
    Generate(Generate),
    /// Log-probabilities and perplexity of sentences
    Score(Score),
    /// The words nearest to a word
    Neighbors(Neighbors),
    /// Sums of word vectors: king - man + woman
    Analogy(Analogy),
    /// A picture of word vectors
    Map(Map),
    /// Learn word vectors from a text
    Embed(Embed),
    /// See what the network does with your own sentence
    Explain(Explain),
    /// How far back SimpleRNN, IRNN, LSTM and GRU remember
    Memory(Memory),
    /// Make a model's weights smaller, or write its word vectors
    Convert(Convert),
    /// Layers, shapes, parameters, memory and operations per step
    Inspect(Inspect),
    /// What this machine reaches: training, inference, streaming
    Bench(Bench),
    /// Print the completion script of a shell
    Completions(Completions),
}

/// The tasks a model can be trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Task {
    /// Language model: the next character or word of a text
    Lm,
    /// One label for every sequence, or several
    Classify,
    /// A number for every sequence
    Regress,
    /// A label for every token of a sentence
    Tag,
    /// The next values of a series
    Forecast,
}

impl Task {
    /// The name in a config's `task.kind`.
    pub fn name(self) -> &'static str {
        match self {
            Task::Lm => "lm",
            Task::Classify => "classify",
            Task::Regress => "regress",
            Task::Tag => "tag",
            Task::Forecast => "forecast",
        }
    }
}

/// Language models of papers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 2 x 200 LSTM on words, Zaremba et al. 2014: 114.5 on the Penn Treebank
    ZarembaSmall,
    /// 2 x 650 LSTM with dropout, Zaremba et al. 2014: 82.7
    ZarembaMedium,
    /// 2 x 1500 LSTM with dropout, Zaremba et al. 2014: 78.4
    ZarembaLarge,
    /// 3 LSTMs with tied embeddings, dropped weights and the mean of them, Merity et al. 2017: 58.8
    AwdLstm,
    /// 2 x 128 LSTM on characters, Karpathy 2015
    CharRnn,
    /// 200 simple recurrent units on words, Mikolov et al. 2010: 124.7
    Mikolov,
}

impl Preset {
    /// The name, as it is typed.
    pub fn name(self) -> String {
        typed(self)
    }
}

/// `gimbap new TASK`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gimbap new classify > reviews.toml\n  gimbap train reviews.toml --data reviews.csv\n  \
                  gimbap new tag > names.toml\n  \
                  gimbap new lm --preset zaremba-medium > medium.toml"
)]
pub struct New {
    /// The task
    pub task: Task,
    /// The config of a paper's language model in place of the task's
    #[arg(long, value_name = "NAME")]
    pub preset: Option<Preset>,
}

/// `gimbap train [CONFIG.toml]`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  gimbap train\n  gimbap train --lang ko\n  gimbap train novel.txt\n  gimbap train lm.toml --set train.epochs=2 --set layer.0.units=64\n  \
                  gimbap train --task forecast --data flow.csv --set data.value=flow -o runs/flow\n  \
                  gimbap train --task classify --data x.npy --set data.target=y.npy\n  \
                  gimbap train --preset zaremba-small --data ptb.train.txt --valid ptb.valid.txt\n  \
                  gimbap train --resume -o runs/flow\n\n\
                  Ctrl-C finishes the step, saves, and says how to resume; a second one stops at once."
)]
pub struct Train {
    /// The config; without it the task's defaults (`gimbap new TASK` shows them); a .txt is a text for a language model;
    /// with --resume also the run's folder
    #[arg(value_name = "CONFIG.toml")]
    pub config: Option<PathBuf>,
    /// The task, in place of a config
    #[arg(long, conflicts_with = "config")]
    pub task: Option<Task>,
    /// A paper's language model, in place of a config (`gimbap new lm --preset NAME` shows it)
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<Preset>,
    /// The data to train on (data.path)
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// The validation data, a path or a fraction of the training data; 0 holds nothing out (data.valid)
    #[arg(long, value_name = "PATH|FRACTION")]
    pub valid: Option<String>,
    /// Change a key of the config: train.epochs=2, layer.0.units=64 (again for more). Layers too:
    /// 'layer.+={type="gru", units=64}' adds one, layer.1.bidirectional=true makes one read both ways, and
    /// 'layer=[{..}, {..}]' is all of them
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How many passes over the data in all; 0 gives the model as it begins, untrained (train.epochs)
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// The seed of everything random (train.seed)
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The run's folder [default: runs/NAME]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue the run in the folder with its own data, to the same bits as if it had not stopped; --epochs and
    /// --set train.patience=N make it longer
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Replace the run in the folder, once the first epoch of the new one is whole
    #[arg(long)]
    pub force: bool,
    /// After each epoch say how far the gradient reaches, which gates are saturated or open, and how far a step moves the
    /// weights: in the terminal, in metrics.jsonl and for TensorBoard
    #[arg(long)]
    pub watch: bool,
    /// Without data: which built-in corpus, and the language of what is printed
    #[arg(long, value_name = "LANG", conflicts_with_all = ["config", "task", "preset"])]
    pub lang: Option<Language>,
    /// Show shapes, parameters, memory, one batch, and about how long an epoch and the whole would take; train nothing,
    /// write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `gimbap eval MODEL DATA`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gimbap eval runs/reviews/best.safetensors test.csv\n  gimbap eval runs/names/best.safetensors test.conll --json\n  \
                  gimbap eval runs/x x_test.npy --target y_test.npy"
)]
pub struct Eval {
    /// The model file, or a run's folder
    pub model: PathBuf,
    /// The data, with labels, as in training (an array .npy: with --target)
    pub data: PathBuf,
    /// The labels of DATA, where that is an array: [B], [B, 1] or one-hot [B, C]
    #[arg(long, value_name = "Y.npy")]
    pub target: Option<PathBuf>,
    /// Of a language model: whether tokens outside the vocabulary count in the loss [default: count]
    #[arg(long, value_name = "WHICH")]
    pub unknown: Option<Unknown>,
    /// Of more than 50 labels: every one, not the worst and the best alone, and under --json which are taken for which
    #[arg(long)]
    pub full: bool,
}

/// `gimbap predict MODEL [INPUT or -]`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  echo 'a fine film' | gimbap predict runs/reviews/best.safetensors\n  \
                  gimbap predict runs/names/best.safetensors sentences.txt -o tagged.conll\n  \
                  gimbap predict model.safetensors x.npy --lengths lengths.npy -o y.npy")]
pub struct Predict {
    /// The model file, or a run's folder
    pub model: PathBuf,
    /// What the model was trained on, or lines of text; `-` is standard input, of lines or a table. A tagger takes lines of
    /// tokens, .conll, .conllu or .jsonl
    #[arg(default_value = "-")]
    pub input: PathBuf,
    /// The length of each sequence of a .npy input (integers, one for each)
    #[arg(long, value_name = "L.npy")]
    pub lengths: Option<PathBuf>,
    /// Write here: .npy, .csv, .jsonl, or lines
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Of a forecaster: forecast from every N-th row that has a whole window before it, beside what came
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub every: Option<usize>,
    /// Of a forecaster: draw the forecasts here, behind and over what was seen
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// What becomes of tokens outside the vocabulary, in a mean over tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unknown {
    /// They count as `<unk>`, which is easy to guess where it is frequent
    Count,
    /// They are read, but not counted
    Exclude,
}

/// What weights can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Quantize {
    /// 8 bits with a scale for each column: a quarter of the bytes, steps at least 2.5 times as fast from 128 units on
    Int8,
    /// 16 bits: half the bytes, closer to the model
    Bf16,
}

/// `gimbap convert IN OUT`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gimbap convert runs/lm/best.safetensors small.safetensors --quantize int8 --data test.txt\n  \
                  gimbap convert runs/lm/best.safetensors vectors.txt          the word vectors of its embedding\n  \
                  gimbap convert glove.txt.gz vectors.bin                      another format"
)]
pub struct Convert {
    /// The model file, or a run's folder; for vectors also a file of vectors
    #[arg(value_name = "IN")]
    pub model: PathBuf,
    /// Write here; without --quantize, word vectors: as text (.txt, .vec) or binary (.bin), as word2vec does
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// What the weights become
    #[arg(long, value_name = "PRECISION")]
    pub quantize: Option<Quantize>,
    /// Measure both models on this data, with labels, as in training
    #[arg(long, value_name = "PATH", requires = "quantize")]
    pub data: Option<PathBuf>,
    /// Replace OUT if it is there
    #[arg(long)]
    pub force: bool,
}

/// `gimbap inspect MODEL`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gimbap inspect runs/lm/best.safetensors --json")]
pub struct Inspect {
    /// The model file, or a run's folder
    pub model: PathBuf,
}

/// `gimbap bench [FILTER]...`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gimbap bench\n  gimbap bench train,infer lstm H128,H256 --threads 1\n  \
                        gimbap bench stream --quick --json\n\n\
                        GFLOP/s count the matrix products alone; their share is of the fastest product that the same \
                        threads reach in the same run. GIMBAP_ISA=avx2 measures another instruction set."
)]
pub struct Bench {
    /// Only what has each of these in its name: train, infer, stream, stream-int8; rnn, lstm, gru; H128 (commas: either)
    #[arg(value_name = "FILTER")]
    pub only: Vec<String>,
    /// A few repetitions of each
    #[arg(long)]
    pub quick: bool,
}

/// `gimbap completions SHELL`
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  gimbap completions bash > ~/.local/share/bash-completion/completions/gimbap"
)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// A value as it is typed.
pub fn typed(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("is not a whole number".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => Ok(x),
        _ => Err("must be a number above 0".into()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x > 0.0 && x <= 1.0 => Ok(x),
        _ => Err("must be a number above 0 and at most 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        for verb in Cli::command().get_subcommands() {
            let help = verb.get_after_help().map(|h| h.to_string()).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no example", verb.get_name());
        }
    }
}
