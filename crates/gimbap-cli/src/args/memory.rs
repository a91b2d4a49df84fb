//! How far back networks remember.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::at_least_one;
use super::explain::Language;

/// What has to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// The country named early decides the language named late, in sentences of the built-in corpus
    Distance,
    /// The sum of the two marked numbers of a sequence
    Adding,
    /// Ten symbols, repeated after a delay
    Copying,
}

/// What remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// The plain recurrent network, with tanh
    SimpleRnn,
    /// The same with ReLU, its recurrent weights starting as the identity (Le et al. 2015)
    Irnn,
    /// The LSTM
    Lstm,
    /// The GRU
    Gru,
    /// No recurrence: a layer on the mean of the words' vectors (for the distances alone)
    FeedForward,
}

/// `gimbap memory`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gimbap memory                                       all of it, some minutes\n  \
                  gimbap memory --problem distance --cell lstm\n  \
                  gimbap memory --problem adding --length 600 --units 128 --steps 10000 -o runs/adding-600\n  \
                  gimbap explain runs/memory/distance/lstm.safetensors --text 'mina grew up in korea and speaks' \
                  --compare runs/memory/distance/feed_forward.safetensors -o report.html\n\n\
                  The folder gets a picture of accuracy by distance for each problem, the trained models, memory.json with \
                  every training's command, seed, time and figures, and a README.md that shows them."
)]
pub struct Memory {
    /// What has to be remembered (again for more) [default: all]
    #[arg(long, value_name = "PROBLEM")]
    pub problem: Vec<Problem>,
    /// What remembers (again for more) [default: all]
    #[arg(long, value_name = "CELL")]
    pub cell: Vec<Cell>,
    /// The lengths of sequences to add in, and the delays before copying; a training for each [default: 20,50,100,200 to add in,
    /// 1,10,30,50 before copying]
    #[arg(long, value_name = "N,N..", value_delimiter = ',', value_parser = at_least_one)]
    pub length: Vec<usize>,
    /// Hidden units
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub units: usize,
    /// Steps of each training, of 32 new examples each
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = at_least_one)]
    pub steps: usize,
    /// Adam's rate, which falls as a cosine
    #[arg(long, value_name = "RATE", default_value_t = 0.005, value_parser = super::positive)]
    pub rate: f64,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The language of the pictures and of all that is told
    #[arg(long, value_name = "LANG", default_value = "en")]
    pub lang: Language,
    /// The folder of the results [default: runs/memory]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace the results of another `gimbap memory` in the folder
    #[arg(long)]
    pub force: bool,
}
