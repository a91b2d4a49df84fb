//! `gimbap generate`: what can be asked of a text.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{at_least_one, fraction};

/// What chooses tokens by chance, which a search for the likeliest does not.
const SAMPLING: [&str; 7] =
    ["temperature", "top_k", "top_p", "repetition_penalty", "repetition_window", "seed", "stop"];

/// `gimbap generate MODEL`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gimbap generate runs/lm/best.safetensors --prompt 'ROMEO:' -n 300 --temperature 0.8\n  \
                  gimbap generate runs/lm --top-p 0.9 --repetition-penalty 1.2 --stop JULIET --stop $'\\n\\n'\n  \
                  gimbap generate runs/lm --prompt 'mina grew up in' --beam 16 --length-penalty 0.6\n  \
                  gimbap generate runs/lm --prompt 'no pain' -n 5 --candidates 10\n  \
                  gimbap generate runs/lm --fill 'no pain ___ gain'",
    group = ArgGroup::new("search").args(["beam", "candidates"]).multiple(true)
)]
pub struct Generate {
    /// The model file, or a run's folder
    pub model: PathBuf,
    /// The text to continue
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// How many tokens to write [default: 200; with --fill up to 8, of words 1]
    #[arg(short, long = "tokens", value_name = "N")]
    pub n: Option<usize>,
    /// Below 1 bolder towards the likeliest, above 1 more varied; 0 takes the likeliest
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = not_negative)]
    pub temperature: f64,
    /// Choose among the K likeliest tokens only
    #[arg(long, value_name = "K", value_parser = at_least_one)]
    pub top_k: Option<usize>,
    /// Choose among the fewest tokens that have probability P together
    #[arg(long, value_name = "P", value_parser = fraction)]
    pub top_p: Option<f64>,
    /// Divide the scores of tokens that were there of late by X, 1 or more (negative ones are multiplied)
    #[arg(long, value_name = "X", value_parser = penalty)]
    pub repetition_penalty: Option<f64>,
    /// How many tokens count as of late, the prompt's among them
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one, requires = "repetition_penalty")]
    pub repetition_window: usize,
    /// The seed of the choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End before this text, as soon as it would come (again for more)
    #[arg(long, value_name = "TEXT", value_parser = some_text)]
    pub stop: Vec<String>,
    /// Search for the most probable text, with so many continuations side by side [default with --candidates: 8, or
    /// as many]
    #[arg(long, value_name = "WIDTH", value_parser = at_least_one, conflicts_with_all = SAMPLING)]
    pub beam: Option<usize>,
    /// Write N different continuations, the most probable first
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with_all = SAMPLING)]
    pub candidates: Option<usize>,
    /// Compare continuations by log-probability / ((5 + tokens) / 6)^A: above 0 longer ones are favoured
    #[arg(long, value_name = "A", value_parser = not_negative, requires = "search")]
    pub length_penalty: Option<f64>,
    /// What may stand in the place of ___ in a line, the most probable first: --candidates of them [10], out of --beam
    /// proposals of each length [32; of 1 token all, or of a vocabulary beyond 20,000 the likeliest 1,000]
    #[arg(long, value_name = "LINE", conflicts_with_all = SAMPLING, conflicts_with_all = ["prompt", "length_penalty"])]
    pub fill: Option<String>,
}

fn number(text: &str, least: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x >= least => Ok(x),
        _ => Err(format!("must be a number, {least} or more")),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, 0.0)
}

fn penalty(text: &str) -> Result<f64, String> {
    number(text, 1.0)
}

fn some_text(text: &str) -> Result<String, String> {
    match text {
        "" => Err("must not be empty".into()),
        text => Ok(text.into()),
    }
}
