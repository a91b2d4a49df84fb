//! One long sequence through an LSTM whose last state is all that counts: what a step costs, and what is kept of it.

use gimbap::Result;
use gimbap::bptt::Bptt;
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::loss::{Loss, RowTargets};
use gimbap::model::{Input, Model, Sequential};
use gimbap::prelude::{Dense, Fit, Lstm, Sgd};
use serde::{Deserialize, Serialize};

use crate::data::LayerData;
use crate::workload::{CellKind, Shape};

/// How the sequence is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Trained, everything kept.
    Full,
    /// Trained, the same gradient from checkpoints.
    Checkpointed,
    /// Trained, the gradient through the last 128 steps, in windows of as many.
    Truncated,
    /// Forward alone.
    Forward,
}

/// A model, its sequences, and how they are run.
#[derive(Debug)]
pub struct Long {
    model: Model<f32>,
    data: Dataset<f32>,
    schedule: Schedule,
}

impl Long {
    /// `shape.b` sequences of `shape.t` steps, a target for each after its last step.
    ///
    /// # Errors
    /// None that a shape without a zero could have.
    pub fn new(schedule: Schedule, shape: Shape) -> Result<Long> {
        let Shape { b, t, i, h } = shape;
        let network = Sequential::new(Input::features(i)).add(Lstm::new(h)).add(Dense::new(1));
        let model = network.compile(Sgd::new(1e-6), Loss::Mse, [])?;
        let LayerData { x, .. } = LayerData::new(CellKind::Lstm, Shape { h: 1, ..shape });
        let inputs = Sequences::features(x, i, &vec![t; b])?;
        let targets = Targets::per_sequence(RowTargets::Values { values: vec![0.5; b], width: 1 });
        Ok(Long { model, data: Dataset::new(inputs, targets)?, schedule })
    }

    /// All steps once.
    ///
    /// # Errors
    /// As [`Model::fit`].
    pub fn run(&mut self) -> Result<()> {
        let bptt = match self.schedule {
            Schedule::Full => Bptt::Full,
            Schedule::Checkpointed => Bptt::Checkpointed,
            Schedule::Truncated => Bptt::Truncated { k1: 128, k2: 128 },
            Schedule::Forward => {
                std::hint::black_box(self.model.evaluate_data(&self.data, self.data.len())?);
                return Ok(());
            }
        };
        let fit = Fit { epochs: 1, batch_size: self.data.len(), shuffle: false, bptt, ..Fit::default() };
        self.model.fit_data(&self.data, None, &fit)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_runs_and_checkpoints_change_nothing() {
        let shape = Shape { b: 2, t: 200, i: 3, h: 5 };
        let trained = |schedule| {
            let mut long = Long::new(schedule, shape).unwrap();
            let before = long.model.values().to_vec();
            long.run().unwrap();
            (before, long.model.values().to_vec())
        };
        let (before, full) = trained(Schedule::Full);
        assert_ne!(before, full);
        assert_eq!(trained(Schedule::Checkpointed).1, full);
        assert_ne!(trained(Schedule::Truncated).1, before);
        assert_eq!(trained(Schedule::Forward).1, before);
    }
}
