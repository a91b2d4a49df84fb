//! Back through time, one step after the other: what flows over each arrow, and what each step adds to the gradient of
//! the weights.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};
use serde::Serialize;

use super::parts::Parts;
use crate::Result;
use crate::bptt::Truncation;
use crate::data::layout::Layout;
use crate::layer::{LayerSpec, Pass, Signal};
use crate::network::{self, Network};

/// The gradient of the loss, back through time.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// The recurrent layers, the one that reads `x` first.
    pub layers: Vec<LayerFlow>,
    /// `|dL/dx_t|`.
    pub d_x: Vec<f64>,
    /// `|D_t|`: what enters the top layer's `h_t` from the outputs.
    pub d_output: Vec<f64>,
    /// Truncated after 1, 2, 4, .. steps: how far that is from the full gradient of the recurrent layers' weights.
    pub cuts: Vec<Cut>,
}

/// Of one recurrent layer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LayerFlow {
    /// `|dL/dh_t|` on the arrow from step `t` to step `t + 1`: what the later steps want of `h_t`. Of the last step 0.
    pub d_h: Vec<f64>,
    /// The same of `c_t`, of an LSTM.
    pub d_c: Option<Vec<f64>>,
    /// `|g_t|` with `g_t` what step `t` adds to `dL/dW_x`.
    pub d_w_x: Vec<f64>,
    /// `<g_t, g> / <g, g>`: each step's share of `g = dL/dW_x`. They sum to one, and may be negative.
    pub share_w_x: Vec<f64>,
    /// As `d_w_x`, of `W_h`.
    pub d_w_h: Vec<f64>,
    /// As `share_w_x`, of `W_h`.
    pub share_w_h: Vec<f64>,
}

/// A truncation.
#[derive(Clone, Debug, Serialize)]
pub struct Cut {
    /// Every so many steps the gradient is cut.
    pub steps: usize,
    /// The cosine of the angle between the truncated gradient and the full one.
    pub cosine: f64,
    /// The truncated gradient's norm over the full one's.
    pub norm_ratio: f64,
}

/// The states of the recurrent layers before each step, and after the last.
pub(super) struct States {
    /// `T + 1`.
    pub all: Vec<network::States<f64>>,
}

impl States {
    pub fn of(parts: &Parts) -> Result<States> {
        let mut walk = Walk::new(parts, 1)?;
        let mut all = vec![walk.network.states()];
        for t in 0..parts.steps() {
            walk.forward(t..t + 1);
            all.push(walk.network.states());
        }
        Ok(States { all })
    }

    /// State `s` of layer `l` after each step, `[T, H]`.
    pub fn of_layer(&self, l: usize, s: usize) -> Vec<f64> {
        self.all[1..].iter().flat_map(|states| states[l][0].0[s].iter().copied()).collect()
    }

    /// The top layer's `h` `[T, H]`.
    pub fn top(&self) -> Vec<f64> {
        self.of_layer(self.all[0].len() - 1, 0)
    }
}

/// The recurrent layers over some steps of the sequence, for `batch` copies of it.
pub(super) struct Walk<'a> {
    parts: &'a Parts,
    pub network: Network<f64>,
    whole: Layout,
    order: Vec<usize>,
    segment: Layout,
    pub gradients: Vec<f64>,
}

impl<'a> Walk<'a> {
    pub fn new(parts: &'a Parts, batch: usize) -> Result<Self> {
        let gradients = vec![0.0; parts.steps.values.len()];
        Ok(Walk { gradients, ..Walk::without_gradients(parts, batch)? })
    }

    /// One whose backward passes make no gradients of weights, where all layers can do without.
    pub fn without_gradients(parts: &'a Parts, batch: usize) -> Result<Self> {
        let mut network = parts.steps.network(false)?;
        network.start(batch, None);
        let (whole, order) = Layout::new(&vec![parts.steps(); batch]);
        let plain = |spec: &LayerSpec| matches!(spec, LayerSpec::Dense(_) | LayerSpec::LayerNorm(_));
        let needed = parts.steps.layers.iter().any(plain);
        let gradients = vec![0.0; if needed { parts.steps.values.len() } else { 0 }];
        Ok(Walk { parts, network, segment: whole.clone(), whole, order, gradients })
    }

    /// Runs these steps from the states that are there.
    pub fn forward(&mut self, steps: Range<usize>) {
        self.segment = self.whole.segment(steps.clone());
        let (x, width, batch) = (&self.parts.x, self.parts.width, self.order.len());
        let mut rows = Vec::with_capacity(batch * steps.len() * width);
        for t in steps {
            (0..batch).for_each(|_| rows.extend_from_slice(&x[t * width..(t + 1) * width]));
        }
        let pass = pass(self.parts, &self.segment, &self.order);
        self.network.body(&pass, |input| *input = Signal::Values(rows));
    }

    /// Back through the steps of the last forward call, from the gradient of the top layer's `h`. Returns that of `x`.
    pub fn backward(&mut self, d_h: &[f64]) -> Vec<f64> {
        let (_, d) = self.network.output_and_gradient();
        d.clear();
        d.extend_from_slice(d_h);
        let mut d_x = Vec::new();
        let pass = pass(self.parts, &self.segment, &self.order);
        self.network.backward_body(&pass, Some(&mut d_x), &mut self.gradients);
        d_x
    }
}

fn pass<'a>(parts: &'a Parts, layout: &'a Layout, order: &'a [usize]) -> Pass<'a, f64> {
    Pass { parameters: &parts.steps.values, layout, order, draw: None, keep: true, again: false }
}

pub(super) fn flow(parts: &Parts, states: &States, d_h: &[f64]) -> Result<Flow> {
    let steps = parts.steps();
    let hidden = d_h.len() / steps;
    let mut walk = Walk::new(parts, 1)?;
    let places = places(parts)?;
    let mut layers: Vec<LayerFlow> = states.all[0]
        .iter()
        .map(|layer| LayerFlow {
            d_h: vec![0.0; steps],
            d_c: (!layer[0].0[1].is_empty()).then(|| vec![0.0; steps]),
            d_w_x: vec![0.0; steps],
            share_w_x: vec![0.0; steps],
            d_w_h: vec![0.0; steps],
            share_w_h: vec![0.0; steps],
        })
        .collect();
    let full = truncated(parts, states, d_h, steps)?;
    let mut d_x = vec![0.0; steps];
    walk.network.zero_d_states(1);
    for t in (0..steps).rev() {
        for (layer, d) in layers.iter_mut().zip(walk.network.d_states()) {
            layer.d_h[t] = norm(&d[0].0[0]);
            if let Some(d_c) = &mut layer.d_c {
                d_c[t] = norm(&d[0].0[1]);
            }
        }
        walk.network.set_states(&states.all[t]);
        walk.forward(t..t + 1);
        walk.gradients.fill(0.0);
        d_x[t] = norm(&walk.backward(&d_h[t * hidden..(t + 1) * hidden]));
        for (layer, [w_x, w_h]) in layers.iter_mut().zip(&places) {
            let part = |place: &Range<usize>| (&walk.gradients[place.clone()], &full[place.clone()]);
            let ((g_t, g), (r_t, r)) = (part(w_x), part(w_h));
            (layer.d_w_x[t], layer.share_w_x[t]) = (norm(g_t), share(g_t, g));
            (layer.d_w_h[t], layer.share_w_h[t]) = (norm(r_t), share(r_t, r));
        }
    }
    let lengths = std::iter::successors(Some(1), |k| Some(2 * k)).take_while(|&k| k < steps);
    let cuts = lengths.map(|k| {
        let cut = truncated(parts, states, d_h, k)?;
        let Truncation { cosine, norm_ratio, .. } = Truncation::between("all", &cut, &full);
        Ok(Cut { steps: k, cosine, norm_ratio })
    });
    let mut cuts = cuts.collect::<Result<Vec<Cut>>>()?;
    cuts.push(Cut { steps, cosine: 1.0, norm_ratio: 1.0 });
    let d_output = d_h.chunks_exact(hidden).map(norm).collect();
    Ok(Flow { layers, d_x, d_output, cuts })
}

/// The gradient of the recurrent layers' parameters, cut every `k` steps.
fn truncated(parts: &Parts, states: &States, d_h: &[f64], k: usize) -> Result<Vec<f64>> {
    let steps = parts.steps();
    let hidden = d_h.len() / steps;
    let mut walk = Walk::new(parts, 1)?;
    for start in (0..steps).step_by(k) {
        let end = (start + k).min(steps);
        walk.network.set_states(&states.all[start]);
        walk.forward(start..end);
        walk.network.zero_d_states(1);
        walk.backward(&d_h[start * hidden..end * hidden]);
    }
    Ok(walk.gradients)
}

/// Where each recurrent layer's `W_x` and `W_h` are among the parameters.
fn places(parts: &Parts) -> Result<Vec<[Range<usize>; 2]>> {
    let network = parts.steps.network(false)?;
    let nodes = network.nodes().iter().zip(&parts.steps.layers);
    let recurrent = nodes.filter(|(_, spec)| spec.recurrent().is_some());
    let place = |range: Range<usize>, which: usize| parts.steps.parameters[range.start + which].range.clone();
    Ok(recurrent.map(|(node, _)| [0, 1].map(|which| place(node.parameters.clone(), which))).collect())
}

pub(super) fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The part that `g_t` has in `g`, along `g`.
fn share(g_t: &[f64], g: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let all = dot(g, g);
    if all > 0.0 { dot(g_t, g) / all } else { 0.0 }
}

/// `[rows, columns]`.
pub(super) fn matrix(rows: usize, columns: usize, values: Vec<f64>) -> Array2<f64> {
    let count = values.len();
    Array2::from_shape_vec((rows, columns), values)
        .unwrap_or_else(|_| panic!("{count} values are not {rows} x {columns}"))
}

/// Some columns of a matrix.
pub(super) fn columns(matrix: &Array2<f64>, columns: Range<usize>) -> ArrayView2<'_, f64> {
    matrix.slice_axis(Axis(1), Slice::from(columns))
}

/// [`columns`], to write.
pub(super) fn columns_mut(matrix: &mut Array2<f64>, columns: Range<usize>) -> ArrayViewMut2<'_, f64> {
    matrix.slice_axis_mut(Axis(1), Slice::from(columns))
}
