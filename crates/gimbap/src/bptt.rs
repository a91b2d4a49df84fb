//! Backpropagation through time over a batch: full, truncated, or exact with checkpoints.
//!
//! All three are schedules of segments. A segment is run forward from the state carried into it, then backward
//! with the gradient carried into it from the later side:
//!
//! - **full**: one segment, everything kept.
//! - **truncated `(k1, k2)`**: every `k1` steps the newest `k1` losses flow back through at most `k2 >= k1` steps.
//!   The segments are windows of `k2` steps that end every `k1` steps; the gradient carried into each is zero. Each
//!   loss counts once, and the forward pass is not cut.
//! - **checkpointed**: the forward pass keeps only the states between segments of about `sqrt(T)` steps; backward
//!   runs each segment again. The gradient is that of full BPTT, bit for bit, since segments are whole numbers of
//!   the [`BLOCK`]s over which gradients are summed.

use std::ops::Range;

use gimbap_kernels::Arithmetic;
use serde::{Deserialize, Serialize};

use crate::data::batch::Batch;
use crate::data::layout::{BLOCK, Layout};
use crate::layer::{Draw, Pass, Signal};
use crate::loss::{Loss, Reduction};
use crate::network::{Network, States};
use crate::{Error, Result};

/// How far and how the gradient goes back.
///
/// ```
/// use gimbap::prelude::*;
///
/// // Every 10 steps, the newest 10 losses flow back through at most 30 steps.
/// let fit = Fit { bptt: Bptt::Truncated { k1: 10, k2: 30 }, ..Fit::default() };
/// assert!(fit.bptt.check().is_ok());
/// assert!(Bptt::Truncated { k1: 10, k2: 5 }.check().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bptt {
    /// Through all steps, everything kept.
    #[default]
    Full,
    /// The newest `k1` losses through at most `k2` steps.
    Truncated {
        /// Steps between backward passes.
        k1: usize,
        /// Steps that a backward pass covers, at least `k1`.
        k2: usize,
    },
    /// Through all steps, with memory that grows with the square root of `T` (above [`BLOCK`] squared, since a
    /// segment is at least one block), at the price of a second forward pass.
    Checkpointed,
}

impl Bptt {
    /// Checks the numbers.
    pub fn check(self) -> Result<()> {
        match self {
            Bptt::Truncated { k1: 0, .. } => Err(Error::config("bptt", "k1 is 0; it must be at least 1")),
            Bptt::Truncated { k1, k2 } if k2 < k1 => Err(Error::config(
                "bptt",
                format!(
                    "k2 = {k2} is below k1 = {k1}: the losses of {k1} steps need at least as many to flow back"
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// What is made small: a loss, and how it is reduced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The loss of a row.
    pub loss: Loss,
    /// How rows become one number.
    pub reduction: Reduction,
}

/// The losses of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// The reduced loss, whose gradient was taken, with what layers add to it ([`crate::layer::Penalty`]).
    pub value: f64,
    /// The weighted sum over valid rows.
    pub sum: f64,
    /// The number of valid rows.
    pub rows: usize,
    /// Their summed weight.
    pub weight: f64,
}

/// Sees a range of rows and their outputs.
pub type Observe<'a, R> = &'a mut dyn FnMut(Range<usize>, &[R]);

/// One batch, to be run through a network.
pub struct Job<'a, R> {
    /// The network, started.
    pub network: &'a mut Network<R>,
    /// Its parameters.
    pub parameters: &'a [R],
    /// The batch.
    pub batch: &'a Batch<R>,
    /// What is made small.
    pub objective: Objective,
    /// Where dropout draws from; None outside training.
    pub draw: Option<Draw>,
    /// Sees the outputs (logits, where a final activation was left out) of every valid range of rows, in the
    /// rows' order except under [`Bptt::Checkpointed`].
    pub observe: Option<Observe<'a, R>>,
}

/// The loss of each target, and what their weighted sum is divided by.
struct RowLosses {
    losses: Vec<f64>,
    divisor: usize,
}

/// What the passes of a job have in common.
struct Shared<'a, R> {
    parameters: &'a [R],
    order: &'a [usize],
    draw: Option<Draw>,
}

impl<'a, R> Shared<'a, R> {
    fn pass<'b>(&'b self, layout: &'b Layout, keep: bool, again: bool) -> Pass<'b, R> {
        Pass { parameters: self.parameters, layout, order: self.order, draw: self.draw, keep, again }
    }
}

impl<'a, R: Arithmetic> Job<'a, R> {
    fn shared(&self) -> Shared<'a, R> {
        Shared { parameters: self.parameters, order: &self.batch.order, draw: self.draw }
    }

    fn run_body(&mut self, layout: &Layout, steps: Range<usize>, keep: bool, again: bool) {
        let (batch, rows) = (self.batch, self.batch.layout.rows_of(steps));
        let shared = self.shared();
        self.network.body(&shared.pass(layout, keep, again), |input| match (&batch.input, input) {
            (Signal::Ids(ids), Signal::Ids(to)) => {
                to.clear();
                to.extend_from_slice(&ids[rows]);
            }
            (Signal::Ids(ids), to) => *to = Signal::Ids(ids[rows].to_vec()),
            (Signal::Values(values), to) => {
                let width = batch.width();
                let to = to.values_mut();
                to.clear();
                to.extend_from_slice(&values[rows.start * width..rows.end * width]);
            }
        });
    }

    fn run_head(&mut self) {
        let shared = self.shared();
        self.network.head(&shared.pass(&self.batch.layout, true, false));
    }

    /// The losses of the output's rows, which are the rows `rows` of the targets, and their gradient in the network.
    /// Those of the first `old` rows count no more.
    fn losses(&mut self, rows: Range<usize>, old: usize, to: &mut RowLosses) {
        let (batch, width) = (self.batch, self.network.output_shape().width());
        let scale = batch.scale(to.divisor, self.network.ends_time());
        let new = rows.start + old..rows.end;
        let (outputs, d) = self.network.output_and_gradient();
        d.resize(outputs.len(), R::ZERO);
        let (d_old, d) = d.split_at_mut(old * width);
        d_old.fill(R::ZERO);
        let outputs = &outputs[old * width..];
        let losses = &mut to.losses[new.clone()];
        self.objective.loss.rows(outputs, width, &batch.targets, new.start, &scale, losses, d);
        if let Some(observe) = &mut self.observe {
            observe(new, outputs);
        }
    }

    fn reduce(&self, rows: &RowLosses) -> Losses {
        let mut losses = Losses { value: self.network.penalty(), ..Losses::default() };
        let scale = self.batch.scale(rows.divisor, self.network.ends_time());
        for (row, loss) in rows.losses.iter().enumerate() {
            if let Some(scale) = scale(row) {
                let weight = self.batch.weight(row);
                losses.value += scale * loss;
                losses.sum += weight * loss;
                losses.rows += 1;
                losses.weight += weight;
            }
        }
        losses
    }

    fn row_losses(&self) -> RowLosses {
        let divisor = self.batch.divisor(self.objective.reduction, self.network.ends_time());
        RowLosses { losses: vec![0.0; self.target_rows()], divisor }
    }

    fn target_rows(&self) -> usize {
        if self.network.ends_time() { self.batch.layout.batch() } else { self.batch.layout.rows() }
    }

    /// Forward alone: the losses.
    pub fn evaluate(mut self) -> Losses {
        let layout = &self.batch.layout;
        self.run_body(layout, 0..layout.steps(), false, false);
        self.run_head();
        let mut row_losses = self.row_losses();
        self.losses(0..self.target_rows(), 0, &mut row_losses);
        self.reduce(&row_losses)
    }

    /// Forward alone: the first layer with an output that is not finite, the first time step that shows it (where
    /// steps do), and the value.
    pub fn first_not_finite(mut self) -> Option<(String, Option<usize>, R)> {
        let layout = &self.batch.layout;
        self.run_body(layout, 0..layout.steps(), false, false);
        self.run_head();
        self.network.first_not_finite(layout)
    }

    /// Adds the gradient of the loss to `gradients`. `d_input`, if given, receives that of the input's rows.
    /// Afterwards the network carries the states after the last step.
    ///
    /// # Errors
    /// If a layer cannot run in segments, and `bptt` needs that.
    pub fn gradient(self, bptt: Bptt, gradients: &mut [R], d_input: Option<&mut Vec<R>>) -> Result<Losses> {
        bptt.check()?;
        let steps = self.batch.layout.steps();
        match bptt {
            Bptt::Truncated { k1, k2 } if k1 < steps => {
                self.network.runs_in_segments()?;
                Ok(self.truncated(k1, k2, gradients, d_input))
            }
            Bptt::Checkpointed if steps > BLOCK => {
                self.network.runs_in_segments()?;
                let segment = (steps as f64).sqrt().ceil() as usize;
                Ok(self.exact(segment.next_multiple_of(BLOCK), gradients, d_input))
            }
            _ => Ok(self.exact(steps.max(1), gradients, d_input)),
        }
    }

    /// Exact, in segments of `segment` steps: all at once if that is everything.
    fn exact(mut self, segment: usize, gradients: &mut [R], mut d_input: Option<&mut Vec<R>>) -> Losses {
        let (batch, shared) = (self.batch, self.shared());
        let layout = &batch.layout;
        let (steps, width) = (layout.steps(), batch.width());
        let mut segments: Vec<Range<usize>> =
            (0..steps).step_by(segment).map(|start| start..(start + segment).min(steps)).collect();
        if segments.is_empty() {
            segments.push(0..0);
        }
        let last = segments.len() - 1;
        let mut row_losses = self.row_losses();
        let mut checkpoints: Vec<States<R>> = Vec::new();
        for (index, steps) in segments.iter().enumerate() {
            checkpoints.push(if last > 0 { self.network.states() } else { States::new() });
            self.run_body(&layout.segment(steps.clone()), steps.clone(), index == last, false);
        }
        let after = if last > 0 { self.network.states() } else { States::new() };
        self.network.zero_d_states(layout.batch());
        if self.network.ends_time() {
            self.run_head();
            self.losses(0..layout.batch(), 0, &mut row_losses);
            self.network.backward_head(&shared.pass(layout, true, false), gradients);
            let d_end = self.network.d_end().to_vec();
            self.network.begin_backward(&d_end, 0, &vec![true; layout.batch()]);
        }
        if let Some(d_input) = &mut d_input {
            d_input.clear();
            d_input.resize(layout.rows() * width, R::ZERO);
        }
        let mut d_segment = Vec::new();
        for (index, steps) in segments.iter().enumerate().rev() {
            let part = layout.segment(steps.clone());
            let rows = layout.rows_of(steps.clone());
            if index < last {
                self.network.set_states(&checkpoints[index]);
                self.run_body(&part, steps.clone(), true, true);
            }
            if !self.network.ends_time() {
                self.losses(rows.clone(), 0, &mut row_losses);
            }
            let pass = shared.pass(&part, true, true);
            let wanted = d_input.is_some().then_some(&mut d_segment);
            self.network.backward_body(&pass, wanted, gradients);
            if let Some(d_input) = &mut d_input {
                d_input[rows.start * width..rows.end * width].copy_from_slice(&d_segment);
            }
        }
        if last > 0 {
            self.network.set_states(&after);
        }
        self.reduce(&row_losses)
    }

    /// Windows of `k2` steps that end every `k1` steps.
    fn truncated(
        mut self,
        k1: usize,
        k2: usize,
        gradients: &mut [R],
        mut d_input: Option<&mut Vec<R>>,
    ) -> Losses {
        let (batch, shared) = (self.batch, self.shared());
        let layout = &batch.layout;
        let (steps, width, lengths) = (layout.steps(), batch.width(), layout.lengths());
        let mut row_losses = self.row_losses();
        // (first step, first step whose loss is new, end)
        let windows: Vec<(usize, usize, usize)> = (0..steps)
            .step_by(k1)
            .map(|new| ((new + k1).saturating_sub(k2).min(new), new, (new + k1).min(steps)))
            .collect();
        let mut starts: Vec<States<R>> = Vec::new();
        let mut d_end = Vec::new();
        if self.network.ends_time() {
            // The loss is known at the end alone: run through all steps first, noting the states to return to.
            for (index, (start, _, _)) in windows.iter().enumerate() {
                starts.push(self.network.states());
                let until = windows.get(index + 1).map_or(steps, |next| next.0);
                self.run_body(&layout.segment(*start..until), *start..until, false, false);
            }
            self.run_head();
            self.losses(0..layout.batch(), 0, &mut row_losses);
            self.network.backward_head(&shared.pass(layout, true, false), gradients);
            d_end = self.network.d_end().to_vec();
        }
        if let Some(d_input) = &mut d_input {
            d_input.clear();
            d_input.resize(layout.rows() * width, R::ZERO);
        }
        let mut at = self.network.states();
        let mut d_segment = Vec::new();
        for (index, &(start, new, end)) in windows.iter().enumerate() {
            let part = layout.segment(start..end);
            let rows = layout.rows_of(start..end);
            self.network.set_states(starts.get(index).unwrap_or(&at));
            self.run_body(&part, start..end, true, true);
            let pass = shared.pass(&part, true, true);
            if self.network.ends_time() {
                let ends_here: Vec<bool> =
                    lengths.iter().map(|&n| n <= end && (n > new || new == 0)).collect();
                self.network.zero_d_states(layout.batch());
                self.network.begin_backward(&d_end, new - start, &ends_here);
            } else {
                if let Some(next) = windows.get(index + 1).filter(|next| next.0 > start) {
                    at = self.network.states_after(&pass, next.0 - start - 1);
                }
                self.network.zero_d_states(layout.batch());
                let old = layout.rows_of(start..new).len();
                self.losses(rows.clone(), old, &mut row_losses);
            }
            let wanted = d_input.is_some().then_some(&mut d_segment);
            self.network.backward_body(&pass, wanted, gradients);
            if let Some(d_input) = &mut d_input {
                gimbap_kernels::rows::add(&mut d_input[rows.start * width..rows.end * width], &d_segment);
            }
        }
        self.reduce(&row_losses)
    }
}

/// How far a truncated gradient is from the full one, at the same weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truncation {
    /// The parameter, or `all`.
    pub parameter: String,
    /// The cosine of the angle between them; 1 is the same direction.
    pub cosine: f64,
    /// The truncated gradient's norm over the full one's.
    pub norm_ratio: f64,
}

impl Truncation {
    pub(crate) fn between<R: Arithmetic>(parameter: &str, truncated: &[R], full: &[R]) -> Truncation {
        let dot = |a: &[R], b: &[R]| -> f64 { a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum() };
        let (t, f) = (dot(truncated, truncated).sqrt(), dot(full, full).sqrt());
        let cosine = if t * f > 0.0 { dot(truncated, full) / (t * f) } else { f64::from(u8::from(t == f)) };
        let norm_ratio = if f > 0.0 { t / f } else { f64::from(u8::from(t == f)) };
        Truncation { parameter: parameter.into(), cosine, norm_ratio }
    }
}
