//! What the states hold of earlier steps, and how far the gradient reaches: by the Jacobians `J_t = ds_t/ds_{t-1}`.

use ndarray::{Array1, Array2};
use serde::Serialize;

use super::flow::{Flow, States, Walk, columns, columns_mut, matrix, norm};
use super::parts::Parts;
use crate::Result;
use crate::network;
use crate::sequence::State;

/// Losses go back together in batches of a multiple of this many.
const ROOM: usize = 32;

/// What the top layer's states hold of earlier steps.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// `[T, T]`: in row `t`, the share of `h_t` that stems from step `k`, `|dh_t/dx_k . x_k|` over its sum for all
    /// `k <= t`. Behind `t` zero.
    #[serde(serialize_with = "super::rows")]
    pub shares: Array2<f64>,
}

/// How far the gradient of a step's loss reaches back.
#[derive(Clone, Debug, Serialize)]
pub struct Horizon {
    /// `|dL_t/ds_{t-k}|` by lag `k`, over the full state, averaged over the steps that have a loss and such a past.
    pub norms: Vec<f64>,
    /// After so many steps it has fallen to half of its largest value for good; None if it has not within the sequence.
    pub half_life: Option<f64>,
    /// `ln(|J_t v| / |v|)` at each step, `v` carried along from a vector of ones: how much a change of the state grows.
    pub growth: Vec<f64>,
    /// Their mean: below zero, a change dies out; above, it explodes.
    pub growth_rate: f64,
    /// The gradient in words.
    pub verdict: Verdict,
    /// The shortest truncation that, with all longer ones, gives a gradient that points where the full one does (cosine at
    /// least 0.99, norm within 5 %); None if there is none, or no gradient.
    pub truncation: Option<usize>,
}

/// What becomes of the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It falls to a hundredth within the sequence.
    Vanishing,
    /// It grows tenfold within the sequence.
    Exploding,
    /// Neither.
    Carried,
}

/// The parts of a full state of all layers, `s`, in a row: its numbers of values by layer and state.
fn sizes(states: &network::States<f64>) -> Vec<[usize; 2]> {
    states.iter().map(|layer| [layer[0].0[0].len(), layer[0].0[1].len()]).collect()
}

/// Each row of `rows` as one full state of a batch.
fn spread(rows: &Array2<f64>, sizes: &[[usize; 2]]) -> network::States<f64> {
    let mut first = 0;
    let mut take = |width: usize| {
        let part = columns(rows, first..first + width).iter().copied().collect();
        first += width;
        part
    };
    sizes.iter().map(|&[h, c]| vec![State([take(h), take(c)])]).collect()
}

/// [`spread`] back.
fn gather(states: &network::States<f64>, sizes: &[[usize; 2]], batch: usize) -> Array2<f64> {
    let width: usize = sizes.iter().flatten().sum();
    let mut rows = Array2::zeros((batch, width));
    let mut first = 0;
    for (layer, sizes) in states.iter().zip(sizes) {
        for (plane, &size) in layer[0].0.iter().zip(sizes) {
            for (b, row) in plane.chunks_exact(size.max(1)).enumerate() {
                row.iter().enumerate().for_each(|(j, x)| rows[[b, first + j]] = *x);
            }
            first += size;
        }
    }
    rows
}

/// `batch` copies of one full state.
fn copies(states: &network::States<f64>, batch: usize) -> network::States<f64> {
    let copy = |plane: &Vec<f64>| plane.repeat(batch);
    states
        .iter()
        .map(|layer| layer.iter().map(|state| State(state.0.each_ref().map(copy))).collect())
        .collect()
}

/// The Jacobians, one step after the other: a backward pass through one step for as many copies of the sequence as the
/// state has values, each asking for one of them.
struct Jacobians<'a> {
    walk: Walk<'a>,
    sizes: Vec<[usize; 2]>,
    size: usize,
    hidden: usize,
}

impl<'a> Jacobians<'a> {
    fn new(parts: &'a Parts, states: &States) -> Result<Self> {
        let sizes = sizes(&states.all[0]);
        let size = sizes.iter().flatten().sum();
        let hidden = sizes.last().map_or(0, |&[h, _]| h);
        Ok(Jacobians { walk: Walk::without_gradients(parts, size)?, sizes, size, hidden })
    }

    /// `ds_t/ds_{t-1}` `[S, S]` and `ds_t/dx_t` `[S, I]`.
    fn at(&mut self, states: &States, t: usize) -> (Array2<f64>, Array2<f64>) {
        let n = self.size;
        self.walk.network.set_states(&copies(&states.all[t], n));
        self.walk.forward(t..t + 1);
        self.walk.network.zero_d_states(n);
        self.walk.network.set_d_states(&spread(&Array2::eye(n), &self.sizes));
        let d_x = self.walk.backward(&vec![0.0; n * self.hidden]);
        let j = gather(&self.walk.network.d_states(), &self.sizes, n);
        (j, matrix(n, d_x.len() / n, d_x))
    }
}

/// What the states hold, and how a change of them grows.
pub(super) fn memory(parts: &Parts, states: &States) -> Result<(Memory, Vec<f64>)> {
    let steps = parts.steps();
    let mut jacobians = Jacobians::new(parts, states)?;
    let (size, hidden) = (jacobians.size, jacobians.hidden);
    // The top layer's h within the full state.
    let top = jacobians.sizes[..jacobians.sizes.len() - 1].iter().flatten().sum::<usize>();
    let mut moved: Array2<f64> = Array2::zeros((size, steps));
    let mut change: Array1<f64> = Array1::ones(size);
    let mut shares = Array2::zeros((steps, steps));
    let mut growth = Vec::with_capacity(steps);
    for t in 0..steps {
        let (j, d_x) = jacobians.at(states, t);
        let before = columns(&moved, 0..t).to_owned();
        columns_mut(&mut moved, 0..t).assign(&j.dot(&before));
        let x = Array1::from(parts.x[t * parts.width..(t + 1) * parts.width].to_vec());
        moved.column_mut(t).assign(&d_x.dot(&x));
        for k in 0..=t {
            let h: Vec<f64> = moved.column(k).iter().skip(top).take(hidden).copied().collect();
            shares[[t, k]] = norm(&h);
        }
        let sum: f64 = shares.row(t).sum();
        if sum > 0.0 {
            shares.row_mut(t).mapv_inplace(|x: f64| x / sum);
        }
        let after = j.dot(&change);
        let (old, new) = (change.dot(&change).sqrt(), after.dot(&after).sqrt());
        growth.push((new / old).ln());
        change = if new > 0.0 { after / new } else { Array1::ones(size) };
    }
    Ok((Memory { shares }, growth))
}

/// How far the gradient of each step's loss reaches.
pub(super) fn horizon(
    parts: &Parts,
    states: &States,
    d_h: &[f64],
    growth: Vec<f64>,
    flow: &Flow,
) -> Result<Horizon> {
    let norms = lags(parts, states, d_h)?;
    let growth_rate = growth.iter().sum::<f64>() / growth.len() as f64;
    let good = |cut: &&super::Cut| cut.cosine >= 0.99 && (cut.norm_ratio - 1.0).abs() <= 0.05;
    let shorter = flow.cuts[..flow.cuts.len() - 1].iter().rev().take_while(good);
    let flows = norms.iter().any(|&x| x > 0.0);
    let truncation = shorter.last().map(|cut| cut.steps).filter(|_| flows);
    Ok(Horizon {
        half_life: half_life(&norms),
        verdict: verdict(&norms),
        norms,
        growth,
        growth_rate,
        truncation,
    })
}

/// `|dL_t/ds_{t-k}|` by lag `k`, averaged: the losses of all steps back together, a copy of the sequence for each.
pub(super) fn lags(parts: &Parts, states: &States, d_h: &[f64]) -> Result<Vec<f64>> {
    let steps = parts.steps();
    let hidden = d_h.len() / steps;
    let sizes = sizes(&states.all[0]);
    let has_loss: Vec<bool> = d_h.chunks_exact(hidden).map(|d| norm(d) > 0.0).collect();
    let (mut sums, mut counts) = (vec![0.0; steps], vec![0usize; steps]);
    let mut add = |lag: usize, x: f64| {
        sums[lag] += x;
        counts[lag] += 1;
    };
    // The steps whose losses are on their way back, and their gradients in the state that the walk has reached.
    let mut late: Vec<usize> = Vec::new();
    let mut d: Array2<f64> = Array2::zeros((0, sizes.iter().flatten().sum()));
    let mut walk = Walk::without_gradients(parts, 1)?;
    let mut room = 1;
    for t in (0..steps).rev() {
        let own = &d_h[t * hidden..(t + 1) * hidden];
        if has_loss[t] {
            add(0, norm(own));
            late.push(t);
        }
        if t == 0 || late.is_empty() {
            continue;
        }
        if late.len() > room {
            room = late.len().next_multiple_of(ROOM);
            walk = Walk::without_gradients(parts, room)?;
        }
        let mut rows = Array2::zeros((room, d.ncols()));
        rows.rows_mut().into_iter().zip(d.rows()).for_each(|(mut to, from)| to.assign(&from));
        let mut d_output = vec![0.0; room * hidden];
        if has_loss[t] {
            d_output[(late.len() - 1) * hidden..late.len() * hidden].copy_from_slice(own);
        }
        walk.network.set_states(&copies(&states.all[t], room));
        walk.forward(t..t + 1);
        walk.network.zero_d_states(room);
        walk.network.set_d_states(&spread(&rows, &sizes));
        walk.backward(&d_output);
        d = gather(&walk.network.d_states(), &sizes, room);
        for (&late, row) in late.iter().zip(d.rows()) {
            add(late - t + 1, row.dot(&row).sqrt());
        }
    }
    Ok(sums.iter().zip(&counts).map(|(sum, &n)| sum / n.max(1) as f64).collect())
}

/// Where the norms fall below half of the largest for good, between two lags by a straight line.
pub(super) fn half_life(norms: &[f64]) -> Option<f64> {
    let half = norms.iter().copied().fold(0.0, f64::max) / 2.0;
    let last = norms.iter().rposition(|&x| x >= half)?;
    let (above, below) = (norms[last], *norms.get(last + 1)?);
    Some(last as f64 + (above - half) / (above - below))
}

pub(super) fn verdict(norms: &[f64]) -> Verdict {
    let first = norms.first().copied().unwrap_or(0.0);
    match norms {
        _ if norms.iter().any(|&x| x > 10.0 * first) => Verdict::Exploding,
        _ if norms.iter().skip(1).any(|&x| x < first / 100.0) => Verdict::Vanishing,
        _ => Verdict::Carried,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_life_lies_between_two_lags() {
        assert_eq!(half_life(&[1.0, 0.75, 0.25]), Some(1.5));
        assert_eq!(half_life(&[1.0, 2.0, 0.5, 3.0, 0.0]), Some(3.5));
        assert_eq!(half_life(&[1.0, 0.9]), None);
        assert_eq!(half_life(&[1.0]), None);
    }

    #[test]
    fn words_for_a_gradient() {
        assert_eq!(verdict(&[1.0, 0.3, 0.005]), Verdict::Vanishing);
        assert_eq!(verdict(&[1.0, 3.0, 11.0]), Verdict::Exploding);
        assert_eq!(verdict(&[1.0, 2.0, 0.5]), Verdict::Carried);
        assert_eq!(verdict(&[1.0]), Verdict::Carried);
    }

    #[test]
    fn states_in_a_row_and_back() {
        let rows = Array2::from_shape_fn((3, 7), |(b, j)| (10 * b + j) as f64);
        let sizes = [[2, 2], [3, 0]];
        let states = spread(&rows, &sizes);
        assert_eq!(states[0][0].0[1], [2.0, 3.0, 12.0, 13.0, 22.0, 23.0]);
        assert_eq!(gather(&states, &sizes, 3), rows);
    }
}
