//! Gimbap: recurrent neural networks, unrolled.
#![forbid(unsafe_code)]

pub mod error;
pub mod init;
pub mod optim;
pub mod rng;

pub use error::{Error, Result};
pub use gimbap_kernels::Real;
