//! Gimbap: recurrent neural networks, unrolled.
#![forbid(unsafe_code)]

pub mod bptt;
pub mod cell;
pub mod data;
pub mod error;
pub mod init;
pub mod layer;
pub mod loss;
pub mod metric;
pub mod network;
pub mod optim;
pub mod rng;
pub mod sequence;
pub mod tensorboard;

pub use error::{Error, Result};
pub use gimbap_kernels::{Arithmetic, Real};
