//! Gimbap: recurrent neural networks, unrolled.
#![forbid(unsafe_code)]

pub mod data;
pub mod error;

pub use error::{Error, Result};
pub use gimbap_kernels::Real;
