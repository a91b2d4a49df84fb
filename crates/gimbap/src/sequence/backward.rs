//! The backward pass of some rows of the batch, on one thread.

use std::ops::Range;

use gimbap_kernels::Arithmetic;
use gimbap_kernels::packed::{Onto, Packed, multiply_group};

use super::forward::Work;
use super::units::{Backward, OperandBackward};
use super::{Kept, Recurrence, Segment, Share, zone};
use crate::cell::{Cell, MAX_STATES, Stage};

/// How the gradient of a step's states comes from the step after it.
struct Arriving<'a, R> {
    /// Rows that the step after has.
    rows: usize,
    /// `[rows, P H]`: its gradients of pre-activations.
    d_planes: &'a [R],
    /// `[rows, H]`: what multiplied `h` on its way there.
    mask: Option<&'a [R]>,
    /// Rows that began anew there, to which nothing comes.
    marks: Option<&'a [bool]>,
}

impl<R: Arithmetic, C: Cell> Recurrence<R, C> {
    pub(super) fn backward_part(
        &self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        d_h: Option<&[R]>,
        share: &mut Share<'_, R>,
    ) {
        let Share { rows, planes, states: d_state, work } = share;
        let Segment { layout, h_mask, zone, .. } = *segment;
        let transposed = self.w_h_back.get();
        let Kept { initial, h } = kept;
        let (hidden, stride) = (self.hidden, Self::PLANES * self.hidden);
        let Work { operand: d_operand, before, past, .. } = &mut **work;
        d_operand.resize(rows.len() * hidden, R::ZERO);
        let [d_h_state, d_c_state] = d_state;
        let mut d_state = [d_h_state.slab_mut(0), d_c_state.slab_mut(0)];
        let states = [h, &self.c];
        // The states as the cell made them.
        let mut made = states;
        let zoned = |s: usize| zone.map(|zone| zone[s]).filter(|m| !m.is_empty());
        for s in (0..MAX_STATES).filter(|s| zoned(*s).is_some()) {
            made[s] = &self.raw[s];
            past[s].resize(rows.len() * hidden, R::ZERO);
        }
        let mask = h_mask.map(|mask| &mask[rows.start * hidden..]);
        let active = |t: usize| layout.active(t).clamp(rows.start, rows.end) - rows.start;
        let marks = |t: usize| layout.resets(t).map(|marks| &marks[rows.start..]);
        let groups = transposed[0].groups();
        for t in (0..layout.steps()).rev() {
            let count = active(t);
            if count == 0 {
                continue;
            }
            let at = |t: usize| (layout.offsets()[t] + rows.start) * hidden;
            let next = std::array::from_fn(|s| made[s].get(at(t)..).unwrap_or(&[]));
            let prev = std::array::from_fn(|s| match t {
                0 => initial.0[s].get(rows.start * hidden..).unwrap_or(&[]),
                _ => states[s].get(at(t - 1)..).unwrap_or(&[]),
            });
            let prev = before.after_resets(prev, marks(t), count, hidden);
            let d_output = d_h.map(|d_h| &d_h[at(t)..at(t) + count * hidden]);
            let later = if t + 1 < layout.steps() { active(t + 1) } else { 0 };
            let (d_planes, planes) =
                if later > 0 { planes.pair_mut(t + 1, t) } else { (&[][..], planes.slab_mut(t)) };
            for group in 0..groups {
                let units = transposed[0].units_of(group);
                if later > 0 {
                    let arriving = Arriving { rows: later, d_planes, mask, marks: marks(t + 1) };
                    self.arrive(transposed, group, arriving, &mut d_state, d_operand);
                }
                let (mut d_output, zoned_units) = (d_output, units.clone());
                let place = (&zoned_units, count, hidden);
                for s in 0..MAX_STATES {
                    let Some(m) = zoned(s) else { continue };
                    let d_output = if s == 0 { d_output.take() } else { None };
                    zone::share_out(&m[at(t)..], place, d_output, d_state[s], &mut past[s]);
                }
                let [d_h, d_c] = &mut d_state;
                R::run(Backward {
                    cell: self.cell,
                    rows: count,
                    hidden,
                    units,
                    planes,
                    prev,
                    next,
                    d_output,
                    d_state: [&mut d_h[..], &mut d_c[..]],
                });
                for s in (0..MAX_STATES).filter(|s| zoned(*s).is_some()) {
                    zone::rejoin(place, &past[s], d_state[s]);
                }
            }
            let second =
                C::PRODUCTS.iter().zip(transposed).find(|(product, _)| product.stage != Stage::Hidden);
            let Some((product, w)) = second else { continue };
            for group in 0..groups {
                let units = w.units_of(group);
                let d_plane = (&planes[product.plane * hidden..], stride);
                multiply_group(w, group, count, d_plane, (&mut d_operand[units.start..], hidden), Onto::Zero);
                if let Some(mask) = mask {
                    multiply_units(&units, count, hidden, mask, d_operand);
                }
                R::run(OperandBackward {
                    cell: self.cell,
                    rows: count,
                    hidden,
                    units,
                    planes,
                    h_prev: prev[0],
                    d_operand,
                    d_h_prev: d_state[0],
                });
            }
        }
        let first = if layout.steps() > 0 { active(0) } else { 0 };
        for group in 0..if first > 0 { groups } else { 0 } {
            let arriving = Arriving { rows: first, d_planes: planes.slab(0), mask, marks: marks(0) };
            self.arrive(transposed, group, arriving, &mut d_state, d_operand);
        }
    }

    /// Adds `d_planes W_h^T` to `d_h`, for the units of one group, and clears what may not pass.
    fn arrive(
        &self,
        w_h: &[Packed<R>],
        group: usize,
        arriving: Arriving<'_, R>,
        d_state: &mut [&mut [R]; MAX_STATES],
        scratch: &mut [R],
    ) {
        let Arriving { rows, d_planes, mask, marks } = arriving;
        let (hidden, stride) = (self.hidden, Self::PLANES * self.hidden);
        let units = w_h[0].units_of(group);
        let mut first = mask.is_some();
        for (product, w) in C::PRODUCTS.iter().zip(w_h) {
            if product.stage != Stage::Hidden {
                continue;
            }
            let target = if mask.is_some() { &mut *scratch } else { &mut *d_state[0] };
            let onto = if std::mem::take(&mut first) { Onto::Zero } else { Onto::Output };
            let d_planes = (&d_planes[product.plane * hidden..], stride);
            multiply_group(w, group, rows, d_planes, (&mut target[units.start..], hidden), onto);
        }
        if let Some(mask) = mask {
            multiply_units(&units, rows, hidden, mask, scratch);
            for row in 0..rows {
                let at = row * hidden + units.start..row * hidden + units.end;
                d_state[0][at.clone()].iter_mut().zip(&scratch[at]).for_each(|(d, x)| *d += *x);
            }
        }
        for (row, _) in marks.unwrap_or(&[]).iter().enumerate().take(rows).filter(|(_, mark)| **mark) {
            for d in d_state.iter_mut().filter(|d| !d.is_empty()) {
                d[row * hidden + units.start..row * hidden + units.end].fill(R::ZERO);
            }
        }
    }
}

/// `values *= mask`, for some units of `[rows, H]`.
fn multiply_units<R: Arithmetic>(
    units: &Range<usize>,
    rows: usize,
    hidden: usize,
    mask: &[R],
    values: &mut [R],
) {
    for row in 0..rows {
        let at = row * hidden + units.start..row * hidden + units.end;
        values[at.clone()].iter_mut().zip(&mask[at]).for_each(|(x, m)| *x *= *m);
    }
}
