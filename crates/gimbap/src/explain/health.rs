//! The health of a network in training: a few figures of the microscope after each epoch.

use gimbap_kernels::Arithmetic;
use serde::Serialize;

use super::flow::States;
use super::memory::{half_life, lags, verdict};
use super::parts::Parts;
use super::{GateKind, Verdict, gates};
use crate::data::batch::Batch;
use crate::data::dataset::{Dataset, Sequences, Targets};
use crate::layer::Signal;
use crate::loss::RowTargets;
use crate::model::Model;
use crate::{Error, Result};

/// No more steps of a sequence are looked at, of a model with an output at each.
const MOST_STEPS: usize = 32;

/// What one sequence shows of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// `|dL_t/ds_{t-k}|` by lag `k`: see [`super::Horizon::norms`].
    pub reach: Vec<f64>,
    /// After so many steps half of it is left; None if more is, to the sequence's end.
    pub half_life: Option<f64>,
    /// What becomes of the gradient.
    pub verdict: Verdict,
    /// Of each gate of each layer.
    pub gates: Vec<GateHealth>,
    /// `|w_after - w_before| / |w_before|` of the epoch's last step, over all weights.
    pub update_ratio: f64,
}

impl Health {
    /// What TensorBoard draws: a name and a number for each figure. A half-life beyond the sequence's end is its length.
    pub fn scalars(&self) -> Vec<(String, f64)> {
        let length = self.reach.len() as f64;
        let last = self.reach.last().copied().unwrap_or(0.0);
        let mut all = vec![
            ("health/half_life".to_string(), self.half_life.unwrap_or(length)),
            ("health/reach".to_string(), last / self.reach.first().copied().unwrap_or(1.0).max(1e-300)),
            ("health/update_ratio".to_string(), self.update_ratio),
        ];
        for gate in &self.gates {
            all.push((format!("health/saturated/{}", gate.name), gate.saturated));
            all.extend(gate.open.map(|open| (format!("health/open/{}", gate.name), open)));
        }
        all
    }
}

/// Of one gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateHealth {
    /// `LAYER.GATE`: `lstm.f`.
    pub name: String,
    /// The share of values where the derivative is below a tenth of its maximum.
    pub saturated: f64,
    /// The mean value of a sigmoid gate: how far it is open. None of the others.
    pub open: Option<f64>,
}

/// Looks at one sequence.
///
/// # Errors
/// As [`super::explain`].
pub fn health<R: Arithmetic>(model: &Model<R>, probe: &Dataset<f64>, update_ratio: f64) -> Result<Health> {
    let parts = Parts::of(model, probe)?;
    let states = States::of(&parts)?;
    let ends = parts.judge(&states.top(), probe)?;
    let reach = lags(&parts, &states, &ends.d_h)?;
    let layers = gates::layers(&parts, &states)?;
    let all = layers.iter().flat_map(|layer| layer.gates.iter().map(move |gate| (&layer.name, gate)));
    let gates = all.map(|(layer, gate)| GateHealth {
        name: format!("{layer}.{}", gate.name),
        saturated: gate.saturated,
        open: (gate.kind == GateKind::Sigmoid).then(|| gate.value.mean().unwrap_or(0.0)),
    });
    Ok(Health {
        half_life: half_life(&reach),
        verdict: verdict(&reach),
        gates: gates.collect(),
        reach,
        update_ratio,
    })
}

/// The sequence of a batch that is looked at: the longest one, of a model with an output per step its first
/// [`MOST_STEPS`] steps; else the longest of at most so many, or the shortest.
pub(crate) fn probe<R: Arithmetic>(batch: &Batch<R>, per_step: bool) -> Result<Dataset<f64>> {
    let lengths = batch.layout.lengths();
    let row = if per_step {
        0
    } else {
        lengths.iter().position(|&n| n <= MOST_STEPS).unwrap_or(lengths.len().max(1) - 1)
    };
    let length = lengths.get(row).copied().unwrap_or(0);
    if length == 0 {
        return Err(Error::unsupported("watch", "needs data with a sequence of at least one step"));
    }
    // Up to where another sequence begins, or a loss does not count.
    let ends = |t: usize| {
        let place = batch.layout.offsets()[t] + row;
        t > 0 && batch.layout.resets(t).is_some_and(|marks| marks[row]) || !batch.is_valid(place, false)
    };
    let length = match per_step {
        true => (0..length.min(MOST_STEPS)).find(|&t| ends(t)).unwrap_or(length.min(MOST_STEPS)),
        false => length,
    };
    if length == 0 {
        return Err(Error::unsupported("watch", "needs data whose first step has a loss"));
    }
    let places = (0..length).map(|t| batch.layout.offsets()[t] + row);
    let inputs = match &batch.input {
        Signal::Ids(ids) => {
            Sequences::from(&vec![places.clone().map(|place| ids[place]).collect::<Vec<u32>>()])
        }
        Signal::Values(values) => {
            let width = batch.width();
            let rows = places.clone().flat_map(|place| &values[place * width..(place + 1) * width]);
            Sequences::features(rows.map(|x| x.to_f64()).collect(), width, &[length])?.allow_not_finite()
        }
    };
    let targets =
        if per_step { batch.targets.select(places) } else { batch.targets.select(std::iter::once(row)) };
    let targets = match targets {
        RowTargets::Classes(classes) => RowTargets::Classes(classes),
        RowTargets::Values { values, width } => {
            RowTargets::Values { values: values.iter().map(|x| x.to_f64()).collect(), width }
        }
    };
    Dataset::new(inputs, if per_step { Targets::per_step(targets) } else { Targets::per_sequence(targets) })
}

/// `|after - before| / |before|`.
pub(crate) fn update_ratio<R: Arithmetic>(before: &[R], after: &[R]) -> f64 {
    let size: f64 = before.iter().map(|x| x.to_f64() * x.to_f64()).sum();
    let moved: f64 = before.iter().zip(after).map(|(a, b)| (b.to_f64() - a.to_f64()).powi(2)).sum();
    if size > 0.0 { (moved / size).sqrt() } else { 0.0 }
}
