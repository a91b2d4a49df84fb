//! Gimbap: recurrent neural networks, unrolled.
#![forbid(unsafe_code)]

pub mod error;
pub mod init;
pub mod metric;
pub mod optim;
pub mod rng;
pub mod tensorboard;

pub use error::{Error, Result};
pub use gimbap_kernels::Real;
