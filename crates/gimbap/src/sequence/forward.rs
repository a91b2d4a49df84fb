//! The forward pass of some rows of the batch, on one thread.

use std::ops::Range;

use gimbap_kernels::Arithmetic;
use gimbap_kernels::packed::{Onto, multiply_group};
use gimbap_kernels::slabs::Part;

use super::units::{Forward, Operand};
use super::{Before, Input, Recurrence, Segment, Share, State, apply_mask, zone};
use crate::cell::{Cell, MAX_STATES, Stage};

/// With fewer rows a step than this, `W_x x` is made for several steps at once, or its weights would be read for too
/// little work.
const ROWS_AHEAD: usize = 24;

/// A thread's work space; it grows to what the largest batch needs.
#[derive(Clone, Debug)]
pub(super) struct Work<R> {
    /// Pre-activations `[steps ahead, rows, P H]`, group after group.
    tile: Vec<R>,
    /// `[rows, H]`: `h_{t-1}` masked, or the second product's operand.
    pub(super) operand: Vec<R>,
    /// `[rows, P H]`, of cells with two stages, where the planes are not kept.
    planes: Vec<R>,
    pub(super) before: Before<R>,
    /// `[rows, H]`: the gradients of zoned states that go past the cell.
    pub(super) past: [Vec<R>; MAX_STATES],
}

impl<R> Default for Work<R> {
    fn default() -> Self {
        Work {
            tile: Vec::new(),
            operand: Vec::new(),
            planes: Vec::new(),
            before: Before::default(),
            past: Default::default(),
        }
    }
}

/// `W_x` and what it multiplies.
type Source<'a, R> = (&'a [R], Input<'a, R>);

/// One step of some rows.
struct Step<'a, R> {
    rows: usize,
    prev: [&'a [R]; MAX_STATES],
    next: [&'a mut [R]; MAX_STATES],
    /// `[rows, P H]`, where they are kept.
    planes: Option<&'a mut [R]>,
    /// `[rows, H]`.
    mask: Option<&'a [R]>,
}

impl<R: Arithmetic, C: Cell> Recurrence<R, C> {
    pub(super) fn forward_part(
        &self,
        segment: &Segment<'_, R>,
        initial: &State<R>,
        keep: bool,
        share: &mut Share<'_, R>,
        raw: &mut [Part<'_, R>; MAX_STATES],
    ) {
        let Share { rows, planes, states, work } = share;
        let Segment { weights, layout, x, h_mask, zone } = *segment;
        let input = (weights.w_x, x);
        let hidden = self.hidden;
        let whole = rows.len() == layout.batch();
        let ahead = if whole { (ROWS_AHEAD / rows.len().max(1)).max(1) } else { 1 };
        let Work { tile, operand, planes: transient, before, .. } = &mut **work;
        let mut made = 0..0;
        for t in 0..layout.steps() {
            let count = layout.active(t).clamp(rows.start, rows.end) - rows.start;
            if count == 0 {
                break;
            }
            let [h_part, c_part] = &mut *states;
            let (prev, mut next) = if t == 0 {
                let first = rows.start * hidden;
                let prev = std::array::from_fn(|s| initial.0[s].get(first..).unwrap_or(&[]));
                (prev, [h_part.slab_mut(0), c_part.slab_mut(0)])
            } else {
                let ((h_prev, h), (c_prev, c)) = (h_part.pair_mut(t - 1, t), c_part.pair_mut(t - 1, t));
                ([h_prev, c_prev], [h, c])
            };
            let marks = layout.resets(t).map(|marks| &marks[rows.start..]);
            let prev = before.after_resets(prev, marks, count, hidden);
            let step = Step {
                rows: count,
                prev,
                next: next.each_mut().map(|next| &mut **next),
                planes: keep.then(|| planes.slab_mut(t)),
                mask: h_mask.map(|mask| &mask[rows.start * hidden..]),
            };
            // The input's part of this step, or of several of them.
            let first = layout.offsets()[t] + rows.start;
            if ahead > 1 {
                if t == made.end {
                    made = t..(t + ahead).min(layout.steps());
                    let total = layout.offsets()[made.end] - first;
                    tile.resize(total * Self::PLANES * hidden, R::ZERO);
                    for group in 0..self.forward.get().w_x.groups() {
                        let units = self.forward.get().w_x.units_of(group);
                        let tile = &mut tile[units.start * Self::PLANES * total..];
                        self.add_input(input, group, first..first + total, tile);
                    }
                }
                let start = layout.offsets()[made.start];
                let total = layout.offsets()[made.end] - start;
                self.advance(step, tile, (first - start, total), None, operand, transient);
            } else {
                tile.resize(count * Self::PLANES * hidden, R::ZERO);
                self.advance(step, tile, (0, count), Some((input, first)), operand, transient);
            }
            for (s, m) in zone.iter().flatten().enumerate().filter(|(_, m)| !m.is_empty()) {
                zone::blend(&m[first * hidden..], prev[s], next[s], raw[s].slab_mut(t));
            }
        }
    }

    /// One step. The pre-activations of a group are the rows `row..` of `total` in `tile`; with `input`, its part is
    /// made here, for the rows of the layout from there on.
    fn advance(
        &self,
        step: Step<'_, R>,
        tile: &mut [R],
        (row, total): (usize, usize),
        input: Option<(Source<'_, R>, usize)>,
        operand: &mut Vec<R>,
        transient: &mut Vec<R>,
    ) {
        let Step { rows, prev, next: [h, c], planes, mask } = step;
        let hidden = self.hidden;
        let second = C::PRODUCTS
            .iter()
            .zip(&self.forward.get().w_h)
            .find(|(product, _)| product.stage != Stage::Hidden);
        let mut planes = planes;
        if second.is_some() && planes.is_none() {
            transient.resize(rows * Self::PLANES * hidden, R::ZERO);
            planes = Some(transient);
        }
        operand.resize(rows * hidden, R::ZERO);
        let masked = apply_mask(prev[0], mask, operand, rows * hidden);
        for group in 0..self.forward.get().w_x.groups() {
            let units = self.forward.get().w_x.units_of(group);
            let stride = Self::PLANES * units.len();
            let tile = &mut tile[units.start * Self::PLANES * total + row * stride..][..rows * stride];
            if let Some((input, first)) = input {
                self.add_input(input, group, first..first + rows, tile);
            }
            for (product, w) in C::PRODUCTS.iter().zip(&self.forward.get().w_h) {
                if product.stage == Stage::Hidden {
                    let at = product.plane * units.len();
                    // A plane that the input does not feed begins with its bias.
                    let onto = if product.plane < C::GATES {
                        Onto::Output
                    } else {
                        Onto::Row(&self.bias_of(&units)[at..])
                    };
                    multiply_group(w, group, rows, (masked, hidden), (&mut tile[at..], stride), onto);
                }
            }
            match (&second, &mut planes) {
                (Some(_), Some(planes)) => {
                    R::run(Operand { cell: self.cell, rows, hidden, units, tile, h_prev: prev[0], planes })
                }
                _ => R::run(Forward {
                    cell: self.cell,
                    rows,
                    hidden,
                    units,
                    tile,
                    prev,
                    next: [&mut *h, &mut *c],
                    planes: planes.as_deref_mut(),
                }),
            }
        }
        let (Some((product, w)), Some(planes)) = (second, planes) else { return };
        let Stage::Operand { plane } = product.stage else { return };
        let width = Self::PLANES * hidden;
        for (row, to) in planes.chunks_exact(width).zip(operand.chunks_exact_mut(hidden)) {
            to.copy_from_slice(&row[plane * hidden..(plane + 1) * hidden]);
        }
        if let Some(mask) = mask {
            operand.iter_mut().zip(mask).for_each(|(x, m)| *x *= *m);
        }
        for group in 0..w.groups() {
            let units = self.forward.get().w_x.units_of(group);
            let stride = Self::PLANES * units.len();
            let tile = &mut tile[..rows * stride];
            for (row, to) in planes.chunks_exact(width).zip(tile.chunks_exact_mut(stride)) {
                for (plane, to) in row.chunks_exact(hidden).zip(to.chunks_exact_mut(units.len())) {
                    to.copy_from_slice(&plane[units.clone()]);
                }
            }
            let output = &mut tile[product.plane * units.len()..];
            multiply_group(w, group, rows, (operand, hidden), (output, stride), Onto::Output);
            R::run(Forward {
                cell: self.cell,
                rows,
                hidden,
                units,
                tile,
                prev,
                next: [&mut *h, &mut *c],
                planes: Some(&mut *planes),
            });
        }
    }

    /// Fills the planes that the input feeds with the bias and `W_x x`, for the layout's rows `rows` and the units of
    /// one group: `tile` is `[rows, P units]`.
    fn add_input(&self, (w_x, x): Source<'_, R>, group: usize, rows: Range<usize>, tile: &mut [R]) {
        let units = self.forward.get().w_x.units_of(group);
        let stride = Self::PLANES * units.len();
        let bias = self.bias_of(&units);
        match x {
            Input::Dense(x) => {
                let x = &x[rows.start * self.input..rows.end * self.input];
                multiply_group(
                    &self.forward.get().w_x,
                    group,
                    rows.len(),
                    (x, self.input),
                    (tile, stride),
                    Onto::Row(bias),
                );
            }
            Input::OneHot { ids, scale } => {
                let columns = C::GATES * self.hidden;
                for (row, tile) in rows.zip(tile.chunks_exact_mut(stride)) {
                    let w = &w_x[ids[row] as usize * columns..][..columns];
                    let s = scale.map_or(R::ONE, |scale| scale[row]);
                    let gates = tile.chunks_exact_mut(units.len()).zip(bias.chunks_exact(units.len()));
                    for ((to, bias), w) in gates.zip(w.chunks_exact(self.hidden)) {
                        for ((to, bias), w) in to.iter_mut().zip(bias).zip(&w[units.clone()]) {
                            *to = *bias + s * *w;
                        }
                    }
                }
            }
        }
    }

    /// The bias of some units, plane after plane, as in a row of their tile.
    fn bias_of(&self, units: &Range<usize>) -> &[R] {
        &self.forward.get().bias[Self::PLANES * units.start..Self::PLANES * units.end]
    }
}
