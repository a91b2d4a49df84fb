//! Inside the cells: every unit's pre-activation, and the gate that it becomes.

use ndarray::{Array2, Axis};
use serde::Serialize;

use super::LayerStates;
use super::flow::{States, Walk, columns, matrix};
use super::parts::Parts;
use crate::Result;
use crate::layer::{Activation, LayerSpec};

/// A gate of a layer over all steps: `value = kind(z)`, `z = from_x + from_h + bias`.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// LSTM `i`, `f`, `g`, `o`; GRU `r`, `z`, `n`; SimpleRNN `h`.
    pub name: &'static str,
    /// What makes it of its pre-activation.
    pub kind: GateKind,
    /// `W_x x_t`, `[T, H]`.
    #[serde(serialize_with = "super::rows")]
    pub from_x: Array2<f64>,
    /// `W_h h_{t-1}`, `[T, H]`; of a GRU's `n` as far as the reset gate lets it through, its bias `b_h` with it.
    #[serde(serialize_with = "super::rows")]
    pub from_h: Array2<f64>,
    /// `[H]`.
    pub bias: Vec<f64>,
    /// `[T, H]`.
    #[serde(serialize_with = "super::rows")]
    pub z: Array2<f64>,
    /// `[T, H]`.
    #[serde(serialize_with = "super::rows")]
    pub value: Array2<f64>,
    /// The share of all values where the derivative is below a tenth of its maximum.
    pub saturated: f64,
}

/// The nonlinearity of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GateKind {
    /// `1 / (1 + e^-z)`, its derivative at most 1/4.
    Sigmoid,
    /// The hyperbolic tangent, its derivative at most 1.
    Tanh,
    /// `max(z, 0)`.
    Relu,
}

impl GateKind {
    /// Of a pre-activation.
    pub fn value(self, z: f64) -> f64 {
        match self {
            GateKind::Sigmoid => 1.0 / (1.0 + (-z).exp()),
            GateKind::Tanh => z.tanh(),
            GateKind::Relu => z.max(0.0),
        }
    }

    /// The derivative where the value is `y`.
    pub fn derivative(self, y: f64) -> f64 {
        match self {
            GateKind::Sigmoid => y * (1.0 - y),
            GateKind::Tanh => 1.0 - y * y,
            GateKind::Relu => f64::from(u8::from(y > 0.0)),
        }
    }

    /// The largest derivative.
    pub fn steepest(self) -> f64 {
        if self == GateKind::Sigmoid { 0.25 } else { 1.0 }
    }
}

/// The recurrent layers, with their states and gates.
pub(super) fn layers(parts: &Parts, states: &States) -> Result<Vec<LayerStates>> {
    let steps = parts.steps();
    let mut walk = Walk::new(parts, 1)?;
    walk.forward(0..steps);
    let specs = parts.steps.layers.iter().enumerate().filter(|(_, spec)| spec.recurrent().is_some());
    let mut found = Vec::new();
    for (l, (index, spec)) in specs.enumerate() {
        let parameters = &parts.steps.parameters[walk.network.nodes()[index].parameters.clone()];
        let arrays: Vec<&[f64]> = parameters.iter().map(|p| &parts.steps.values[p.range.clone()]).collect();
        let x = walk.network.input_of(index).values().to_vec();
        let hidden = states.all[0][l][0].0[0].len();
        let before: Vec<f64> =
            states.all[..steps].iter().flat_map(|s| s[l][0].0[0].iter().copied()).collect();
        let cell = Inside {
            x: matrix(steps, x.len() / steps, x),
            h: matrix(steps, hidden, before),
            w_x: matrix(parameters[0].shape[0], parameters[0].shape[1], arrays[0].to_vec()),
            w_h: matrix(hidden, parameters[1].shape[1], arrays[1].to_vec()),
            b: arrays[2],
            b_h: arrays.get(3).copied(),
        };
        let (kind, gates) = match spec {
            LayerSpec::Lstm(_) => ("lstm", cell.lstm()),
            LayerSpec::Gru(layer) => ("gru", cell.gru(layer.cell.reset_after)),
            LayerSpec::SimpleRnn(layer) if layer.cell.activation == Activation::Relu => {
                ("simple_rnn", vec![cell.gate(0, "h", GateKind::Relu, None)])
            }
            _ => ("simple_rnn", vec![cell.gate(0, "h", GateKind::Tanh, None)]),
        };
        let c = (!states.all[0][l][0].0[1].is_empty()).then(|| matrix(steps, hidden, states.of_layer(l, 1)));
        let h = matrix(steps, hidden, states.of_layer(l, 0));
        found.push(LayerStates { name: parts.names[l].clone(), kind, h, c, gates });
    }
    Ok(found)
}

/// One layer's inputs, states before each step, and parameters.
struct Inside<'a> {
    x: Array2<f64>,
    h: Array2<f64>,
    w_x: Array2<f64>,
    w_h: Array2<f64>,
    b: &'a [f64],
    b_h: Option<&'a [f64]>,
}

impl Inside<'_> {
    /// Gate `g`, with its part of `h` if that is not the plain product.
    fn gate(&self, g: usize, name: &'static str, kind: GateKind, from_h: Option<Array2<f64>>) -> Gate {
        let hidden = self.h.ncols();
        let part = g * hidden..(g + 1) * hidden;
        let from_x = self.x.dot(&columns(&self.w_x, part.clone()));
        let plain = from_h.is_none();
        let from_h = from_h.unwrap_or_else(|| self.h.dot(&columns(&self.w_h, part.clone())));
        let mut bias = self.b[part.clone()].to_vec();
        if let (Some(b_h), true) = (self.b_h, plain) {
            bias.iter_mut().zip(&b_h[part]).for_each(|(b, more)| *b += more);
        }
        let mut z = &from_x + &from_h;
        z.axis_iter_mut(Axis(0)).for_each(|mut row| row.iter_mut().zip(&bias).for_each(|(z, b)| *z += b));
        let value = z.mapv(|z| kind.value(z));
        let flat = value.iter().filter(|&&y| kind.derivative(y) < kind.steepest() / 10.0).count();
        let saturated = flat as f64 / value.len().max(1) as f64;
        Gate { name, kind, from_x, from_h, bias, z, value, saturated }
    }

    fn lstm(&self) -> Vec<Gate> {
        let kinds = [GateKind::Sigmoid, GateKind::Sigmoid, GateKind::Tanh, GateKind::Sigmoid];
        let gates = ["i", "f", "g", "o"].into_iter().zip(kinds).enumerate();
        gates.map(|(g, (name, kind))| self.gate(g, name, kind, None)).collect()
    }

    fn gru(&self, reset_after: bool) -> Vec<Gate> {
        let r = self.gate(0, "r", GateKind::Sigmoid, None);
        let z = self.gate(1, "z", GateKind::Sigmoid, None);
        let hidden = self.h.ncols();
        let w_hn = columns(&self.w_h, 2 * hidden..3 * hidden);
        let from_h = if reset_after {
            let mut product = self.h.dot(&w_hn);
            if let Some(b_h) = self.b_h {
                let add = |mut row: ndarray::ArrayViewMut1<'_, f64>| {
                    row.iter_mut().zip(&b_h[2 * hidden..]).for_each(|(x, b)| *x += b);
                };
                product.axis_iter_mut(Axis(0)).for_each(add);
            }
            &r.value * &product
        } else {
            (&r.value * &self.h).dot(&w_hn)
        };
        let n = self.gate(2, "n", GateKind::Tanh, Some(from_h));
        vec![r, z, n]
    }
}
