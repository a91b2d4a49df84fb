//! `gimbap score`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::Unknown;

/// What lines are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The log-probability of the whole line
    Logprob,
    /// Its mean over the line's tokens: a longer line is not behind for its length
    Token,
}

/// `gimbap score MODEL [FILE or -]`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  printf 'no pain no gain\\nno pain spooky red\\n' | gimbap score runs/travellers/best.safetensors --rank\n  \
                  gimbap score runs/novel millions.txt.gz --json > scored.jsonl     in order, in little memory\n  \
                  gimbap score runs/novel test.txt --total                         the perplexity of a file of lines\n  \
                  gimbap score runs/novel recognised.tsv --nbest --weight 0.3 --best\n\n\
                  Every line is a sentence from the zero state, its end included; an empty line is its end alone. \
                  Records come as soon as their lines do.\n\
                  Words that the model does not know are named first. Where it knows none at all it refuses: of a \
                  file, or of what a pipe has within .3 s, in its first 4,096 lines.\n\
                  --rank orders by log-probability - penalty unknown, --nbest by (1 - weight) score + weight \
                  (log-probability - penalty unknown) + bonus tokens.",
    group = ArgGroup::new("ordered").args(["rank", "nbest"])
)]
pub struct Score {
    /// The model file, or a run's folder
    pub model: PathBuf,
    /// One sentence a line; `-` is standard input
    #[arg(default_value = "-")]
    pub input: PathBuf,
    /// The log-probability of every token too
    #[arg(long)]
    pub per_token: bool,
    /// Best first, with each line's part of the probability of all lines given, which are all held in memory; no blank lines
    #[arg(long)]
    pub rank: bool,
    /// What --rank goes by [default: logprob]
    #[arg(long, value_name = "WHAT", requires = "rank")]
    pub by: Option<By>,
    /// One record for all lines together. Each line is scored from the zero state: `gimbap eval` measures a file as the
    /// running text that a model learned
    #[arg(long, conflicts_with_all = ["per_token", "rank"])]
    pub total: bool,
    /// Whether tokens outside the vocabulary count in a line's log-probability
    #[arg(long, value_name = "WHICH", default_value = "count")]
    pub unknown: Unknown,
    /// Taken off in the order of --rank and --nbest, and in their probabilities, for every token outside the vocabulary:
    /// an unknown word is one of a great many, some 20,000 at the default; 0 takes `<unk>` as a word like any other
    /// [default: 10]
    #[arg(long, value_name = "NATS", requires = "ordered", allow_negative_numbers = true, value_parser = penalty)]
    pub unknown_penalty: Option<f64>,
    /// The lines are `id<TAB>score<TAB>hypothesis` of a recogniser (a natural logarithm, or whatever is larger for
    /// better), those of an id together: best first for each id, with the log-probability as a fourth column. The ids
    /// seen are kept, so that one that comes back is found: memory grows with their number
    #[arg(long, conflicts_with_all = ["per_token", "rank", "total"])]
    pub nbest: bool,
    /// The model's part in the order of --nbest: 0 is the recogniser's order, 1 the model's, but for what tokens add
    /// (--word-bonus) [default: 0.5]
    #[arg(long, value_name = "W", requires = "nbest", value_parser = part)]
    pub weight: Option<f64>,
    /// Added for every token of a hypothesis, against --nbest's liking for short ones [default: 0]
    #[arg(long, value_name = "B", requires = "nbest", allow_negative_numbers = true, value_parser = finite)]
    pub word_bonus: Option<f64>,
    /// Of each id only the best hypothesis: `id<TAB>hypothesis`
    #[arg(long, requires = "nbest")]
    pub best: bool,
}

impl Score {
    /// What an unknown token takes off in an order, in nats.
    pub fn penalty(&self) -> f64 {
        self.unknown_penalty.unwrap_or(10.0)
    }
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=1.0).contains(&x) => Ok(x),
        _ => Err("must be a number from 0 to 1".into()),
    }
}

fn penalty(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x >= 0.0 => Ok(x),
        _ => Err("must be a number of at least 0".into()),
    }
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => Err("must be a number".into()),
    }
}
