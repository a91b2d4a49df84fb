//! The microscope.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gimbap::data::corpus::Grammar;

use super::at_least_one;

/// The language of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English
    En,
    /// Korean
    Ko,
}

impl Language {
    /// The built-in corpus in it.
    pub fn grammar(self) -> Grammar {
        self.say(Grammar::English, Grammar::Korean)
    }

    /// One of two wordings.
    pub fn say<T>(self, en: T, ko: T) -> T {
        match self {
            Language::En => en,
            Language::Ko => ko,
        }
    }
}

/// `gimbap explain MODEL`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gimbap explain runs/lm/best.safetensors --text 'No pain no gain' -o report.html\n  \
                  gimbap explain runs/reviews --text '정말 좋은 영화' --label 1 --lang ko -o report.html --figures pictures\n  \
                  gimbap explain runs/flow --input flow.csv -o report.html\n\n\
                  Everything is computed in 64 bits from the model itself: its states and gates, the gradient back \
                  through time, what each state holds of earlier steps. Where a target is needed it is the next token, \
                  the label, or the values behind the window.\n\n\
                  Steps are counted alike everywhere: the words of a sentence from 1, of a language model the mark <eos> that it reads \
                  before them is 0 (`first_step` under --json, whose `steps` and rows begin with it)."
)]
pub struct Explain {
    /// The model file, or a run's folder
    pub model: PathBuf,
    /// The sentence, for a model of texts
    #[arg(short, long, value_name = "TEXT")]
    pub text: Option<String>,
    /// The class whose loss is looked at [default: the likeliest]
    #[arg(long, value_name = "CLASS", conflicts_with = "input")]
    pub label: Option<String>,
    /// Another model of the same task, or of a language model the feed-forward one of `gimbap memory`, beside it (again for more): how far each reaches back, and what swapping two tokens
    /// does to it; one without a recurrent layer, on the mean of the vectors, does not see a swap at all
    #[arg(long, value_name = "MODEL")]
    pub compare: Vec<PathBuf>,
    /// The two tokens that are swapped, the first of the text being 1 [default: the first and the last]
    #[arg(long, value_name = "N,N", value_delimiter = ',', num_args = 1, value_parser = at_least_one)]
    pub swap: Vec<usize>,
    /// An analogy for the map of word vectors: A is to B as C is to which word? (again for more)
    #[arg(long, value_name = "A,B,C")]
    pub analogy: Vec<String>,
    /// The series, for a model of numbers: the last window of it that has its values behind it, or the first sequence
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub input: Option<PathBuf>,
    /// Write the report here, one HTML file
    #[arg(short, long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
    /// Write each figure as an SVG into this folder
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// The language of the report and of all that is told
    #[arg(long, value_name = "LANG", default_value = "en")]
    pub lang: Language,
    /// The step whose cell is looked into, and whose output is explained: 1 is the first word, or the first row of a series; 0, of
    /// a language model, the mark <eos> before the words [default: the last]
    #[arg(long, value_name = "N")]
    pub step: Option<usize>,
}
