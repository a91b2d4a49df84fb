//! Gimbap: recurrent neural networks, unrolled.
#![forbid(unsafe_code)]

pub mod bptt;
pub mod checkpoint;
pub mod cell;
pub mod data;
pub mod error;
pub mod init;
pub mod layer;
pub mod loss;
pub mod metric;
pub mod model;
pub mod network;
pub mod optim;
pub mod rng;
pub mod sequence;
pub mod stream;
pub mod tensorboard;
pub mod train;

pub use error::{Error, Result};
pub use gimbap_kernels::{Arithmetic, Isa, Real};
pub use ndarray;

/// What a program that trains and runs a model needs.
pub mod prelude {
    pub use crate::bptt::Bptt;
    pub use crate::checkpoint::{load, save};
    pub use crate::data::dataset::{Dataset, Sequences, Targets};
    pub use crate::layer::{
        Activation, Bidirectional, Dense, Dropout, Embedding, Flatten, Gru, LayerNorm, Lstm, Merge, OneHot, Pool,
        SimpleRnn,
    };
    pub use crate::loss::{Loss, Reduction};
    pub use crate::metric::Metric;
    pub use crate::model::{Input, Model, Sequential};
    pub use crate::optim::{Adam, AdamW, Optimizer, RmsProp, Schedule, Sgd};
    pub use crate::stream::Stream;
    pub use crate::train::{EarlyStopping, Fit, History};
    pub use crate::{Error, Result};
}
