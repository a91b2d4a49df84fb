//! What is measured of Gimbap, and how. `gimbap bench` prints it for one machine; `bench/run.py` starts this crate's
//! binary `gimbap-worker` beside the same work done by other libraries.
//!
//! - [`workload`]: what is measured, with its name and its operations;
//! - [`data`]: a layer's weights, input and output gradient, the same for everyone;
//! - [`layer`], [`stream`]: one recurrent layer over a batch, and step by step;
//! - [`long`]: one long sequence, under each schedule of BPTT;
//! - [`recipe`]: whole training steps of language models;
//! - [`machine`]: what the machine reaches in a matrix product, and in reading its caches;
//! - [`timing`]: repetitions and their median;
//! - [`measurement`]: a workload measured, as `gimbap bench --json` tells it.
#![forbid(unsafe_code)]

pub mod data;
pub mod layer;
pub mod long;
pub mod machine;
pub mod measurement;
pub mod recipe;
pub mod stream;
pub mod timing;
pub mod workload;
