//! Zoneout: some units keep their state at a step. `s_t = m s_{t-1} + (1 - m) s~_t`, where `s~_t` is what the cell makes;
//! in training `m` is 1 for the units that keep, else 0, and otherwise the rate at which they do (Krueger et al.,
//! arXiv:1606.01305v4, equations 4 and 5).
//!
//! No cell knows of it: a step is blended once the cell has made it, and on the way back its gradient is shared out before
//! the cell sees it.

use std::ops::Range;

use gimbap_kernels::Arithmetic;

use super::Weights;
use super::stepper::{Moment, Step};
use crate::cell::MAX_STATES;

/// `m` for every row of the layout, `[N, H]` for each state; empty for one that is not zoned.
pub type Zone<'a, R> = [&'a [R]; MAX_STATES];

#[inline(always)]
fn blended<R: Arithmetic>(m: R, prev: R, made: R) -> R {
    m * prev + (R::ONE - m) * made
}

/// Blends a state as the cell made it; `raw`, unless it is empty, receives what that was.
pub(super) fn blend<R: Arithmetic>(m: &[R], prev: &[R], next: &mut [R], raw: &mut [R]) {
    if !raw.is_empty() {
        raw.copy_from_slice(next);
    }
    for ((next, prev), m) in next.iter_mut().zip(prev).zip(m) {
        *next = blended(*m, *prev, *next);
    }
}

/// Shares the gradient of a state out, for some units of `[rows, H]`: what goes to the cell into `d_state`, what goes past
/// it to the state before into `past`.
pub(super) fn share_out<R: Arithmetic>(
    m: &[R],
    (units, rows, hidden): (&Range<usize>, usize, usize),
    d_output: Option<&[R]>,
    d_state: &mut [R],
    past: &mut [R],
) {
    for row in 0..rows {
        for at in row * hidden + units.start..row * hidden + units.end {
            let d = d_output.map_or(d_state[at], |d_output| d_state[at] + d_output[at]);
            past[at] = m[at] * d;
            d_state[at] = (R::ONE - m[at]) * d;
        }
    }
}

/// Adds what went past the cell.
pub(super) fn rejoin<R: Arithmetic>(
    (units, rows, hidden): (&Range<usize>, usize, usize),
    past: &[R],
    d_state: &mut [R],
) {
    for row in 0..rows {
        let at = row * hidden + units.start..row * hidden + units.end;
        d_state[at.clone()].iter_mut().zip(&past[at]).for_each(|(d, past)| *d += *past);
    }
}

/// Steps of which each is blended with the rates of the states.
#[derive(Debug)]
pub struct Zoned<R> {
    step: Box<dyn Step<R>>,
    rates: [R; MAX_STATES],
    c_prev: Vec<R>,
}

impl<R: Arithmetic> Zoned<R> {
    /// Blends the steps of `step`.
    pub fn new(step: Box<dyn Step<R>>, rates: [f64; MAX_STATES]) -> Self {
        Zoned { step, rates: rates.map(R::from_f64), c_prev: Vec::new() }
    }
}

impl<R: Arithmetic> Step<R> for Zoned<R> {
    fn another(&self) -> Box<dyn Step<R>> {
        Box::new(Zoned { step: self.step.another(), rates: self.rates, c_prev: Vec::new() })
    }

    fn renew(&mut self) {
        self.step.renew();
    }

    fn pack(&mut self, weights: &Weights<'_, R>, dense: bool, share: usize) {
        self.step.pack(weights, dense, share);
    }

    fn step(&mut self, step: &mut Moment<'_, R>) {
        self.c_prev.clear();
        self.c_prev.extend_from_slice(step.c);
        self.step.step(step);
        let states = [(step.h, &mut *step.h_next), (&self.c_prev[..], &mut *step.c)];
        for ((prev, next), &rate) in states.into_iter().zip(&self.rates).filter(|(_, rate)| **rate > R::ZERO)
        {
            next.iter_mut().zip(prev).for_each(|(next, prev)| *next = blended(rate, *prev, *next));
        }
    }

    fn weight_bytes(&self) -> usize {
        self.step.weight_bytes()
    }
}
