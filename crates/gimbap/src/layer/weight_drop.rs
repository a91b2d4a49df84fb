//! DropConnect on a recurrent layer's `W_h`: `h_{t-1} (W_h * m)`, `m` being 0 or `1 / (1 - rate)` for each weight, drawn
//! once for a step of the optimizer.

use gimbap_kernels::Arithmetic;

use super::Draw;
use super::dropout::mask;
use crate::sequence::{Run, Weights};

/// The weights of one direction as its passes see them.
#[derive(Debug)]
pub(super) struct WeightDrop<R> {
    rate: f64,
    stream: u64,
    /// The draw whose weights are packed (None: the whole weights); None if nothing is.
    packed: Option<Option<Draw>>,
    /// `m`; empty without a draw.
    mask: Vec<R>,
    /// `W_h * m`; empty without a draw.
    w_h: Vec<R>,
    /// The gradient of `W_h * m`.
    d_w_h: Vec<R>,
}

impl<R: Arithmetic> WeightDrop<R> {
    pub(super) fn new(rate: f64, stream: u64) -> Self {
        WeightDrop { rate, stream, packed: None, mask: Vec::new(), w_h: Vec::new(), d_w_h: Vec::new() }
    }

    /// The weights have changed.
    pub(super) fn prepare(&mut self) {
        self.packed = None;
    }

    /// Packs what the passes of a draw see, unless that is done, and gives it. Segments have the mask of their step.
    pub(super) fn pack<'a>(
        &'a mut self,
        run: &mut dyn Run<R>,
        weights: Weights<'a, R>,
        draw: Option<Draw>,
    ) -> Weights<'a, R> {
        let stale = self.packed.replace(draw) != Some(draw);
        if stale {
            self.mask.clear();
            self.w_h.clear();
            if let Some(draw) = draw {
                mask(&mut draw.rng(self.stream), weights.w_h.len(), self.rate, &mut self.mask);
                self.w_h.extend(weights.w_h.iter().zip(&self.mask).map(|(w, m)| *w * *m));
            }
        }
        let seen = if self.w_h.is_empty() { weights } else { Weights { w_h: &self.w_h, ..weights } };
        if stale {
            run.pack(&seen);
        }
        seen
    }

    /// Before a backward pass of a draw: what [`WeightDrop::pack`] gave, and zeros to which the gradient of its `W_h` is
    /// added.
    pub(super) fn begin_backward<'a>(&'a mut self, weights: Weights<'a, R>) -> (Weights<'a, R>, &'a mut [R]) {
        self.d_w_h.clear();
        self.d_w_h.resize(self.w_h.len(), R::ZERO);
        (Weights { w_h: &self.w_h, ..weights }, &mut self.d_w_h)
    }

    /// After it: adds the gradient of the whole weights.
    pub(super) fn end_backward(&self, d_w_h: &mut [R]) {
        for ((to, d), m) in d_w_h.iter_mut().zip(&self.d_w_h).zip(&self.mask) {
            *to += *d * *m;
        }
    }
}
