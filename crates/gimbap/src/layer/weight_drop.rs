//! DropConnect on a recurrent layer's `W_h`: `h_{t-1} (W_h * m)`, `m` being 0 or `1 / (1 - rate)` for each weight, drawn
//! once for a step of the optimizer.

use gimbap_kernels::Arithmetic;

use super::Draw;
use super::dropout::mask;
use crate::sequence::{Run, Weights};

/// The weights of one direction as its passes see them.
#[derive(Clone, Debug)]
pub(super) struct WeightDrop<R> {
    rate: f64,
    stream: u64,
    /// The draw whose weights the cell has packed, or packs next; None: the whole weights.
    drawn: Option<Draw>,
    /// `m`; empty without a draw.
    mask: Vec<R>,
    /// `W_h * m`; empty without a draw.
    w_h: Vec<R>,
    /// The gradient of `W_h * m`.
    d_w_h: Vec<R>,
}

impl<R: Arithmetic> WeightDrop<R> {
    pub(super) fn new(rate: f64, stream: u64) -> Self {
        WeightDrop { rate, stream, drawn: None, mask: Vec::new(), w_h: Vec::new(), d_w_h: Vec::new() }
    }

    /// The weights have changed, and the cell knows.
    pub(super) fn renew(&mut self) {
        self.drawn = None;
        self.mask.clear();
        self.w_h.clear();
    }

    /// What the passes of a draw see; the cell packs it next, unless that is done. Segments have the mask of their step.
    pub(super) fn weights<'a>(
        &'a mut self,
        run: &mut dyn Run<R>,
        weights: Weights<'a, R>,
        draw: Option<Draw>,
    ) -> Weights<'a, R> {
        if self.drawn != draw {
            run.renew();
            self.drawn = draw;
            self.mask.clear();
            self.w_h.clear();
            if let Some(draw) = draw {
                mask(&mut draw.rng(self.stream), weights.w_h.len(), self.rate, &mut self.mask);
                self.w_h.extend(weights.w_h.iter().zip(&self.mask).map(|(w, m)| *w * *m));
            }
        }
        if self.w_h.is_empty() { weights } else { Weights { w_h: &self.w_h, ..weights } }
    }

    /// Before a backward pass of a draw: what [`WeightDrop::weights`] gave, and zeros to which the gradient of its `W_h` is
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
