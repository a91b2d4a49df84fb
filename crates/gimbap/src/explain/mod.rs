//! What a recurrent network does with one sequence: its states and gates, how the loss flows back, what it remembers.
//!
//! A model is taken apart at its recurrence (`parts`): `x_t`, the vectors that the recurrent layers are given; the
//! recurrent layers themselves, with all that lies between them; and what makes outputs and a loss of their `h_t`. With
//! `s_t` the full state (every layer's `h`, and `c` where it has one),
//!
//! ```text
//! s_t = F(s_{t-1}, x_t)      D_t = dL/dh_t as far as it does not come through s_{t+1}
//! J_t = ds_t/ds_{t-1}        dL/ds_{t-1} = (D_t + dL/ds_t) J_t
//! ```
//!
//! everything here is computed in `f64` by the very steps, forward and backward, that training runs:
//!
//! | module | gives |
//! |---|---|
//! | `gates` | pre-activations and gates of every unit at every step |
//! | `flow` | the gradient on each arrow back through time, each step's share of `dL/dW`, truncation |
//! | `memory` | `ds_t/dx_k . x_k` for all `k <= t`, the horizon of the gradient |
//! | [`health`](self::health()) | a few of these figures after each epoch of a training ([`crate::train::Fit::watch`]) |
//!
//! and what decided each output by taking a step's vector away. Of a bidirectional layer the forward half is looked at;
//! everything else of the network is in `D_t`.

mod flow;
mod gates;
mod health;
mod memory;
mod parts;

use gimbap_kernels::Arithmetic;
use ndarray::Array2;
use serde::{Serialize, Serializer};

use crate::data::dataset::Dataset;
use crate::model::Model;
use crate::{Error, Result};

pub use flow::{Cut, Flow, LayerFlow};
pub use gates::{Gate, GateKind};
pub use health::{GateHealth, Health, health};
pub(crate) use health::{probe, update_ratio};
pub use memory::{Horizon, Memory, Verdict};
use parts::Parts;

/// All that [`explain`] finds out about one sequence of `T` steps.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The loss, summed over the steps: for a language model `-ln p(sequence)`.
    pub loss: f64,
    /// Of each step, or the one of the whole sequence.
    pub losses: Vec<f64>,
    /// `[T, I]`: what the first recurrent layer is given.
    #[serde(serialize_with = "rows")]
    pub x: Array2<f64>,
    /// `[T, O]`, or `[1, O]` of a model with one output for a sequence, probabilities where the loss is a cross-entropy.
    /// Not among what is serialised: with a large vocabulary it is larger than all else together.
    #[serde(skip)]
    pub outputs: Array2<f64>,
    /// The recurrent layers, the one that reads `x` first.
    pub layers: Vec<LayerStates>,
    /// Whether only the forward half of a bidirectional layer is looked at.
    pub forward_half: bool,
    /// The gradient, back through time.
    pub flow: Flow,
    /// What the states hold of earlier steps.
    pub memory: Memory,
    /// `[T, T]`, or `[1, T]` of a model with one output for a sequence: by how much the loss of an output is larger when the
    /// vector of a step is zero. What decided the output is large; what spoke against it is negative. Of the whole model,
    /// both halves of a bidirectional layer.
    #[serde(serialize_with = "rows")]
    pub erased: Array2<f64>,
    /// How far the gradient reaches.
    pub horizon: Horizon,
}

/// One recurrent layer over the sequence.
#[derive(Clone, Debug, Serialize)]
pub struct LayerStates {
    /// Its name in the model.
    pub name: String,
    /// `simple_rnn`, `lstm` or `gru`.
    pub kind: &'static str,
    /// `[T, H]`.
    #[serde(serialize_with = "rows")]
    pub h: Array2<f64>,
    /// `[T, H]`, of an LSTM.
    #[serde(serialize_with = "optional_rows")]
    pub c: Option<Array2<f64>>,
    /// In the order of the parameters.
    pub gates: Vec<Gate>,
}

/// Looks at what a model does with the one sequence of `data`, towards its targets. A quantised model is looked at with
/// the values of its rounded weights.
///
/// ```
/// use gimbap::explain::explain;
/// use gimbap::ndarray::Array2;
/// use gimbap::prelude::*;
///
/// # fn main() -> Result<()> {
/// let model = Sequential::new(Input::ids(5))
///     .add(Embedding::new(3))
///     .add(SimpleRnn::new(4).return_sequences(true))
///     .add(Dense::new(5))
///     .compile(Sgd::new(0.1), Loss::SparseCategoricalCrossentropy, [])?;
/// let (x, y) = (Array2::from_shape_vec((1, 3), vec![0, 1, 2]).unwrap(), vec![1, 2, 3]);
/// let targets = Targets::per_step(gimbap::loss::RowTargets::Classes(y));
/// let found = explain(&model, &Dataset::new(&x, targets)?)?;
///
/// // The loss is that of the sentence, the sum over its steps.
/// assert!((found.losses.iter().sum::<f64>() - found.loss).abs() < 1e-12);
/// // Each state's memory is shared out among the steps up to it.
/// assert!((found.memory.shares[[2, 0]] + found.memory.shares[[2, 1]] + found.memory.shares[[2, 2]] - 1.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If `data` is not one sequence of at least one step, or has weights, a mask or reset marks, the model is not compiled or does not fit it, or it has no
/// recurrent layer that reads forward.
pub fn explain<R: Arithmetic>(model: &Model<R>, data: &Dataset<f64>) -> Result<Explanation> {
    if data.len() != 1 || data.inputs().length(0) == 0 {
        return Err(Error::unsupported("explain", "looks at one sequence, of at least one step"));
    }
    if data.weights.is_some() || data.mask.is_some() || data.resets.is_some() {
        return Err(Error::unsupported("explain", "weights, masks and reset marks"));
    }
    let parts = Parts::of(model, data)?;
    let states = flow::States::of(&parts)?;
    let ends = parts.judge(&states.top(), data)?;
    let flow = flow::flow(&parts, &states, &ends.d_h)?;
    let (memory, growth) = memory::memory(&parts, &states)?;
    let horizon = memory::horizon(&parts, &states, &ends.d_h, growth, &flow)?;
    Ok(Explanation {
        erased: parts.erased(&ends.losses, data)?,
        loss: ends.losses.iter().sum(),
        losses: ends.losses,
        layers: gates::layers(&parts, &states)?,
        x: Array2::from_shape_vec((parts.steps(), parts.width), parts.x.clone())
            .map_err(|e| Error::unsupported("explain", e.to_string()))?,
        outputs: ends.outputs,
        forward_half: parts.forward_half,
        flow,
        memory,
        horizon,
    })
}

/// A matrix as a list of its rows.
fn rows<S: Serializer>(matrix: &Array2<f64>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(matrix.rows().into_iter().map(|row| row.to_vec()))
}

/// [`rows`] of a matrix that need not be there.
fn optional_rows<S: Serializer>(
    matrix: &Option<Array2<f64>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match matrix {
        Some(matrix) => rows(matrix, serializer),
        None => serializer.serialize_none(),
    }
}
