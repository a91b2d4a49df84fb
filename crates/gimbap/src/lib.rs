//! Gimbap: recurrent neural networks, unrolled.
//!
//! Train SimpleRNN, LSTM and GRU networks on sequences of any length, predict with them, and run them as streams,
//! one step at a time. The words and the defaults are Keras's.
//!
//! ```
//! use gimbap::ndarray::Array3;
//! use gimbap::prelude::*;
//!
//! # fn main() -> Result<()> {
//! // 64 sine waves of 40 steps, [B, T, I] = [64, 40, 1]. The target of a step is the value of the next.
//! let wave = |b: usize, t: usize| (0.3 * t as f32 + b as f32).sin();
//! let x = Array3::from_shape_fn((64, 40, 1), |(b, t, _)| wave(b, t));
//! let y = Array3::from_shape_fn((64, 40, 1), |(b, t, _)| wave(b, t + 1));
//!
//! let mut model = Sequential::new(Input::features(1))
//!     .add(Lstm::new(16).return_sequences(true))
//!     .add(Dense::new(1))
//!     .compile(Adam::new(0.01), Loss::Mse, [Metric::Mae])?;
//! let history = model.fit(&x, &y, &Fit { epochs: 10, ..Fit::default() })?;
//! assert!(history.loss()[9] < history.loss()[0] / 4.0);
//!
//! let whole = model.predict(&x)?; // [64, 40, 1]
//! let mut stream = model.stream()?; // its own hidden state, one sequence
//! for t in 0..40 {
//!     let next = stream.step(&[wave(0, t)]);
//!     assert!((next[0] - whole[[0, t, 0]]).abs() < 1e-5);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Notation
//! `T` time steps, `B` sequences in a batch, `I` input features, `H` hidden units, `G` gates, `V` vocabulary;
//! `N` rows of a batch, the sum of its sequences' lengths. Public arrays are batch first, `[B, T, I]`. Inside, a
//! batch is `[N, I]`, packed step by step without padding ([`data::layout`]). Gate order: LSTM `i, f, g, o`; GRU
//! `r, z, n`. `d_x` is the gradient of the loss with respect to `x`. A matrix multiplies from the right: `W_x` is
//! `[I, G H]`, `W_h` is `[H, G H]`. Losses are in nats.
//!
//! # Reading order
//! | module | what it holds | what it gives to the next |
//! |---|---|---|
//! | [`data`] | files, vocabularies, tables, series; sequences and targets; the packed batch | [`data::batch::Batch`] |
//! | [`cell`] | the equations of each cell, forward and backward | planes of a step |
//! | [`sequence`] | one cell over all time steps | `h` for every row, last states, gradients |
//! | [`layer`] | what a user writes ([`layer::spec`]) and what runs ([`layer::Layer`]) | signals between layers |
//! | [`network`] | layers in a row, run over segments of a batch | outputs |
//! | [`loss`], [`metric`] | how wrong, how good | a number and `d_output` |
//! | [`bptt`] | full, truncated and checkpointed schedules | gradients of all parameters |
//! | [`optim`] | clipping, learning rates, updates | new parameters |
//! | [`model`], [`train`] | [`Sequential`](model::Sequential), [`Model`](model::Model), [`Fit`](train::Fit) | a trained model |
//! | [`checkpoint`], [`tensorboard`] | the model file, the state of a run, event files | files |
//! | [`stream`] | one sequence, step by step | outputs as they come |
//! | [`score`] | how probable sequences of tokens are | log-probabilities |
//! | [`explain`] | what a network does with one sequence | states, gates, gradients through time, memory |
//! | [`vectors`] | word vectors: files, neighbours, analogies, a map | |
//! | [`init`], [`rng`], [`error`] | initial weights, keyed random streams, what can go wrong | |
//!
//! # Determinism
//! The same seed, data, build and processor model give the same bits, whatever the number of threads. Another
//! processor may round otherwise.
#![forbid(unsafe_code)]

pub mod bptt;
pub mod cell;
pub mod checkpoint;
pub mod data;
mod derived;
pub mod error;
pub mod explain;
pub mod init;
pub mod layer;
pub mod loss;
pub mod metric;
pub mod model;
pub mod network;
pub mod optim;
pub mod quantize;
pub mod rng;
mod room;
pub mod score;
pub mod sequence;
pub mod stream;
pub mod tensorboard;
pub mod train;
pub mod vectors;

// The programs in the READMEs are compiled and run with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeEnglish;
#[cfg(doctest)]
#[doc = include_str!("../../../README.ko.md")]
struct ReadmeKorean;

pub use error::{Error, Result};
pub use gimbap_kernels::{Arithmetic, Isa, Real};
pub use ndarray;

/// Computes with this many threads in the whole process, instead of one for each core, and with no more than there are
/// cores: work is cut into equal parts, so one core with two of them would be waited for. The results do not depend on
/// it. To be called before anything else: the threads start with the first work that needs them.
///
/// # Errors
/// If they have already started, or the system refuses them.
pub fn set_threads(threads: usize) -> Result<()> {
    let failed = |error: rayon::ThreadPoolBuildError| Error::config("threads", error.to_string());
    pool(Some(threads)).build_global().map_err(failed)
}

/// As [`set_threads`], for one thread for each core if there is no number; but where the system refuses them, this thread
/// does everything alone. Whether they started.
///
/// # Errors
/// If they have already started.
pub fn start_threads(threads: Option<usize>) -> Result<bool> {
    let failed = |error: rayon::ThreadPoolBuildError| Error::config("threads", error.to_string());
    // A pool of the whole process can be tried but once, so another is tried first.
    let started = pool(threads).build().is_ok();
    let pool = if started { pool(threads) } else { pool(Some(1)).use_current_thread() };
    pool.build_global().map_err(failed).map(|()| started)
}

fn pool(threads: Option<usize>) -> rayon::ThreadPoolBuilder {
    let builder = rayon::ThreadPoolBuilder::new();
    match threads {
        Some(threads) => {
            let cores = std::thread::available_parallelism().map_or(threads, usize::from);
            builder.num_threads(threads.min(cores))
        }
        None => builder,
    }
}

/// What a program that trains and runs a model needs.
pub mod prelude {
    pub use crate::bptt::Bptt;
    pub use crate::checkpoint::{load, load_as, save, save_with_optimizer};
    pub use crate::data::dataset::{Dataset, Sequences, Targets};
    pub use crate::data::series::{Scaler, Scaling, Series, SeriesColumns, SeriesTable, Windows};
    pub use crate::layer::{
        Activation, Bidirectional, Dense, Dropout, Embedding, Flatten, Gru, LayerNorm, Lstm, Merge, OneHot,
        Penalty, Pool, SimpleRnn,
    };
    pub use crate::loss::{Loss, Reduction, RowTargets};
    pub use crate::metric::Metric;
    pub use crate::model::{Input, Model, Sequential};
    pub use crate::optim::{Adam, AdamW, Optimizer, RmsProp, Schedule, Sgd};
    pub use crate::stream::Stream;
    pub use crate::train::{Average, EarlyStopping, Fit, History};
    pub use crate::{Error, Result};
}
