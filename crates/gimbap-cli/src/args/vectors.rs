//! The verbs on word vectors.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gimbap::data::text::Words;

use super::at_least_one;

/// `gimbap neighbors VECTORS WORD..`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gimbap neighbors runs/novel/best.safetensors winter\n  \
                        gimbap neighbors glove.6B.100d.txt.gz king queen -n 5 --json")]
pub struct Neighbors {
    /// A file of vectors (word2vec, GloVe, fastText's .vec), a model with an embedding, or a run's folder
    pub vectors: PathBuf,
    /// The words
    #[arg(value_name = "WORD", required = true)]
    pub words: Vec<String>,
    /// How many neighbours
    #[arg(short, long = "count", value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub n: usize,
}

/// `gimbap analogy VECTORS TERM..`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gimbap analogy vectors.bin king - man + woman\n  \
                        gimbap analogy vectors.bin king man woman          the same\n  \
                        gimbap analogy vectors.bin king -man +woman        the same\n  \
                        gimbap analogy vectors.bin --eval questions-words.txt\n\n\
                        The answer is the word with the largest cosine to the sum of unit vectors, the words \
                        given left out.")]
pub struct Analogy {
    /// A file of vectors (word2vec, GloVe, fastText's .vec), a model with an embedding, or a run's folder
    pub vectors: PathBuf,
    /// Words with + and - between them or right before them; three bare words A B C mean A - B + C. Short options stay
    /// options: of a word that looks like one (-q), the sign stands apart
    #[arg(value_name = "TERM", required_unless_present = "eval", conflicts_with = "eval")]
    pub terms: Vec<String>,
    /// How many answers
    #[arg(
        short, long = "count", value_name = "N", default_value_t = 10, value_parser = at_least_one,
        conflicts_with = "eval"
    )]
    pub n: usize,
    /// Answer a file of questions (`: SECTION`, then lines of four words) and say how many answers are right
    #[arg(long, value_name = "QUESTIONS")]
    pub eval: Option<PathBuf>,
    /// In --eval, words that differ in case alone are different words
    #[arg(long, requires = "eval")]
    pub case_sensitive: bool,
}

/// The command line with the sign of a word taken apart where it would be read as an option: `analogy VECTORS king -man`
/// becomes `analogy VECTORS king - man`.
pub fn with_signs_apart(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut apart: Vec<OsString> = Vec::new();
    // The verb and what stands behind it, without options.
    let mut words: Vec<String> = Vec::new();
    let mut raw = false;
    for arg in args {
        let text = arg.to_string_lossy().into_owned();
        let is_value = apart.is_empty() || apart.last().is_some_and(|before| before == "--threads");
        let sums = !raw && words.len() >= 2 && words[0] == "analogy";
        match text.strip_prefix('-') {
            Some(word) if sums && !is_option(word) => {
                apart.extend(["-".into(), word.into()]);
                continue;
            }
            Some(_) => raw |= text == "--",
            None if is_value => {}
            None => words.push(text),
        }
        apart.push(arg);
    }
    apart
}

/// Whether what follows a `-` is nothing, or what `analogy` takes there: `q`, `h`, `V`, `n` with or without a number.
fn is_option(word: &str) -> bool {
    let rest = word.trim_start_matches('q');
    let number = |n: &str| n.trim_start_matches('=').chars().all(|c| c.is_ascii_digit());
    word.starts_with('-') || matches!(rest, "" | "h" | "V") || rest.strip_prefix('n').is_some_and(number)
}

/// `gimbap map VECTORS -o MAP.svg`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gimbap map vectors.bin -o map.svg --first 300\n  \
                        gimbap map runs/novel/best.safetensors -o map.svg --words king,queen,man,woman\n\n\
                        The axes are the two principal components of the words shown.")]
pub struct Map {
    /// A file of vectors (word2vec, GloVe, fastText's .vec), a model with an embedding, or a run's folder
    pub vectors: PathBuf,
    /// Write the picture here
    #[arg(short, long, value_name = "MAP.svg")]
    pub out: PathBuf,
    /// These words, with commas between them
    #[arg(long, value_name = "A,B,..", value_delimiter = ',', conflicts_with = "first")]
    pub words: Vec<String>,
    /// The first N words, in most files the most frequent
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub first: usize,
}

/// `--words`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WordEnds {
    /// At white space, and punctuation stands apart
    Punctuation,
    /// At white space alone: for a text that is tokens already
    Space,
}

impl From<WordEnds> for Words {
    fn from(ends: WordEnds) -> Words {
        match ends {
            WordEnds::Punctuation => Words::Punctuation,
            WordEnds::Space => Words::Space,
        }
    }
}

/// `gimbap embed TEXT -o FILE`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  gimbap embed novel.txt -o vectors.txt --units 50 --lowercase\n  \
                        gimbap neighbors vectors.txt winter\n\n\
                        Skip-gram with negative sampling, on one thread: the same seed gives the same bits.")]
pub struct Embed {
    /// A text file, or a folder of them, lines apart
    pub text: PathBuf,
    /// Write the vectors here: .txt or .vec (text), .bin (binary)
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// The numbers of a vector
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub units: usize,
    /// How far a window reaches to each side at most
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub window: usize,
    /// Noise words for each pair
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub negative: usize,
    /// Passes over the text
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
    pub epochs: usize,
    /// Rarer words get no vector
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub min_count: usize,
    /// Words more frequent than this are thinned out; 0 keeps all
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    pub sample: f64,
    /// The first learning rate
    #[arg(long, value_name = "X", default_value_t = 0.025)]
    pub rate: f64,
    /// Make the text lower case first
    #[arg(long)]
    pub lowercase: bool,
    /// Where words end
    #[arg(long, value_enum, default_value_t = WordEnds::Punctuation)]
    pub words: WordEnds,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}
