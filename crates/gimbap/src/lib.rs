//! Gimbap: recurrent neural networks, unrolled.
#![forbid(unsafe_code)]

pub mod cell;
pub mod data;
pub mod error;
pub mod sequence;

pub use error::{Error, Result};
pub use gimbap_kernels::Real;
