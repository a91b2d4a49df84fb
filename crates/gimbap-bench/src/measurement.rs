//! A workload measured.

use gimbap::{Isa, Result};
use serde::Serialize;

use crate::layer::Layer;
use crate::machine::Machine;
use crate::stream::Streamed;
use crate::timing::{Budget, median, repeat};
use crate::workload::{Kind, Workload};

/// One record of `gimbap bench --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The workload's name.
    pub workload: String,
    /// `rnn`, `lstm`, `gru`.
    pub cell: String,
    /// Threads that the workload had at its disposal.
    pub threads: usize,
    /// The instruction set of our kernels.
    pub isa: String,
    /// Seconds of a call, or of a step of a stream.
    pub seconds_median: f64,
    /// 1e9 floating-point operations of the products in a second.
    pub gflops: f64,
    /// `gflops` as a share of [`Machine::gflops`].
    pub product_share: f64,
    /// [`Machine::gflops`].
    pub machine_gflops: f64,
    /// Repetitions.
    pub repetitions: usize,
    /// Of streams: what reading the weights takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Reading>,
}

/// What a step's reading of the weights comes to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reading {
    /// Bytes of all weights.
    pub bytes: usize,
    /// 1e9 bytes of weights in a second.
    pub gbytes_per_second: f64,
    /// What one thread reads from the caches of level 1, 2 and 3 in the same run.
    pub caches_gbytes_per_second: [Option<f64>; 3],
}

impl Measurement {
    /// Measures one workload.
    ///
    /// # Errors
    /// As [`seconds`].
    pub fn of(workload: Workload, machine: &Machine, budget: Budget) -> Result<Measurement> {
        let seconds = seconds(workload, budget)?;
        let seconds_median = median(&seconds);
        let gflops = workload.flop() / seconds_median / 1e9;
        let bytes = workload.weight_bytes();
        let weights = workload.kind.streams().map(|_| Reading {
            bytes,
            gbytes_per_second: bytes as f64 / seconds_median / 1e9,
            caches_gbytes_per_second: machine.read,
        });
        Ok(Measurement {
            workload: workload.to_string(),
            cell: workload.cell.to_string(),
            threads: rayon::current_num_threads(),
            isa: Isa::active().to_string(),
            seconds_median,
            gflops,
            product_share: gflops / machine.gflops(),
            machine_gflops: machine.gflops(),
            repetitions: seconds.len(),
            weights,
        })
    }
}

/// Seconds of a call (of a step, for a stream), repetition by repetition, after a call to warm up.
///
/// # Errors
/// As [`Streamed::time`].
pub fn seconds(workload: Workload, budget: Budget) -> Result<Vec<f64>> {
    let Workload { kind, cell, shape } = workload;
    match kind.streams() {
        Some(precision) => Streamed::new(cell, shape, precision)?.time(budget),
        None if kind == Kind::Train => Ok(warm(Layer::new(cell, shape), Layer::train, budget)),
        None => Ok(warm(Layer::new(cell, shape), Layer::infer, budget)),
    }
}

fn warm(mut layer: Layer, work: fn(&mut Layer), budget: Budget) -> Vec<f64> {
    work(&mut layer);
    repeat(budget, || work(&mut layer))
}
