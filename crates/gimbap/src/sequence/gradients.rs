//! What is summed over time after the backward pass: `dW_x`, `dW_h`, `db`; and `dx`, a product over all rows.
//!
//! Rows are added block by block of [`BLOCK`](crate::data::layout::BLOCK) steps, the last first, so that a sequence
//! that was run in segments of whole blocks gives the same bits.

use gimbap_kernels::outer::{Buffers, CHUNK, Left, Output, Sum, Term, add_outer_products};
use gimbap_kernels::packed::{Onto, multiply};
use gimbap_kernels::{Arithmetic, team};

use super::{Gradients, Input, Kept, Recurrence, Segment};
use crate::cell::{Cell, Stage};
use crate::data::layout::Layout;

/// Rows of `dx` in a task, at most.
const ROWS: usize = 96;

impl<R: Arithmetic, C: Cell> Recurrence<R, C> {
    /// Adds the gradients of all parameters, from the gradients `planes` `[N, P H]` of the pre-activations.
    pub(super) fn add_gradients(
        &self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        planes: &[R],
        buffers: &mut Buffers<R>,
        gradients: Gradients<'_, R>,
    ) {
        let Segment { layout, x, h_mask, .. } = *segment;
        let (hidden, stride, columns) = (self.hidden, Self::PLANES * self.hidden, C::GATES * self.hidden);
        let mut chunks = Vec::new();
        for rows in layout.blocks().map(|steps| layout.rows_of(steps)) {
            chunks.extend(rows.clone().step_by(CHUNK).map(|first| first..(first + CHUNK).min(rows.end)));
        }
        let x = match x {
            Input::Dense(x) => Left::Matrix(x),
            Input::OneHot { ids, scale } => Left::OneHot { ids, scale },
        };
        let masked = h_mask.map(|mask| mask_previous(layout, kept, mask, hidden));
        let previous = previous_rows(layout, kept, masked.as_deref(), hidden);
        let operand = C::PRODUCTS.iter().find_map(|product| match product.stage {
            Stage::Operand { plane } => Some(gather_plane(layout, planes, plane, hidden, h_mask)),
            Stage::Hidden => None,
        });

        let d_w_x = Output::new(gradients.d_w_x, columns);
        let d_w_h = Output::new(gradients.d_w_h, columns);
        let d_b = Output::new(gradients.d_b, columns);
        let d_b_h = Output::new(gradients.d_b_h, columns);
        // Plane by plane, what the plane is fed by; a bias is the weight of an input that is always one.
        let mut sums: Vec<Sum<'_, R>> = Vec::new();
        for plane in 0..Self::PLANES {
            let mut terms = Vec::new();
            if plane < C::GATES {
                terms.push(Term { left: x, output: &d_w_x, column: plane * hidden });
                terms.push(Term { left: Left::One, output: &d_b, column: plane * hidden });
            }
            for product in C::PRODUCTS {
                if !(product.plane..product.plane + product.gates).contains(&plane) {
                    continue;
                }
                let column = (product.first_gate + plane - product.plane) * hidden;
                let left = match (product.stage, &operand) {
                    (Stage::Operand { .. }, Some(operand)) => Left::Matrix(operand),
                    _ => Left::Rows(&previous),
                };
                terms.push(Term { left, output: &d_w_h, column });
                if C::RECURRENT_BIAS {
                    terms.push(Term { left: Left::One, output: &d_b_h, column });
                }
            }
            let columns = plane * hidden..(plane + 1) * hidden;
            match sums.last_mut() {
                // The planes of a product side by side, as long as they are fed alike.
                Some(before) if continues(before, &terms) => before.columns.end = columns.end,
                _ if terms.is_empty() => {}
                _ => sums.push(Sum { columns, terms }),
            }
        }
        add_outer_products(buffers, (planes, stride), &chunks, &sums);
    }

    /// `d_x = d_planes W_x^T`, `[N, I]`.
    pub(super) fn input_gradient(&self, planes: &[R], d_x: &mut [R]) {
        let w_x = self.w_x_back.get();
        let stride = Self::PLANES * self.hidden;
        if d_x.is_empty() {
            return;
        }
        let rows = d_x.len() / self.input;
        let threads = if rows > ROWS { rayon::current_num_threads() } else { 1 };
        let share = rows.div_ceil(threads * rows.div_ceil(threads * ROWS));
        team::each(threads, d_x.chunks_mut(share * self.input).enumerate(), |(index, d_x)| {
            let planes = &planes[index * share * stride..];
            multiply(w_x, d_x.len() / self.input, (planes, stride), (d_x, self.input), Onto::Zero);
        });
    }
}

/// Whether the terms are those of `before`, for the columns right behind it.
fn continues<R>(before: &Sum<'_, R>, terms: &[Term<'_, R>]) -> bool {
    let behind = |(term, last): (&Term<'_, R>, &Term<'_, R>)| {
        std::ptr::eq(term.output, last.output)
            && std::mem::discriminant(&term.left) == std::mem::discriminant(&last.left)
            && term.column == last.column + before.columns.len()
    };
    before.terms.len() == terms.len() && terms.iter().zip(&before.terms).all(behind)
}

/// The rows `h_{t-1}` of every step as they entered the product with `W_h`; rows that began anew had none. `masked` is
/// `[N, H]`.
fn previous_rows<'a, R>(
    layout: &Layout,
    kept: Kept<'a, R>,
    masked: Option<&'a [R]>,
    hidden: usize,
) -> Vec<&'a [R]> {
    let mut rows: Vec<&[R]> = Vec::with_capacity(layout.rows());
    for t in 0..layout.steps() {
        let from = match (masked, t) {
            (Some(masked), _) => &masked[layout.offsets()[t] * hidden..],
            (None, 0) => &kept.initial.0[0],
            (None, _) => &kept.h[layout.offsets()[t - 1] * hidden..],
        };
        rows.extend(from.chunks_exact(hidden).take(layout.active(t)));
        for (b, _) in layout.resets(t).unwrap_or(&[]).iter().enumerate().filter(|(_, mark)| **mark) {
            rows[layout.offsets()[t] + b] = &[];
        }
    }
    rows
}

/// `h_{t-1}` times the mask, for every row of the layout.
fn mask_previous<R: Arithmetic>(layout: &Layout, kept: Kept<'_, R>, mask: &[R], hidden: usize) -> Vec<R> {
    let mut masked = Vec::with_capacity(layout.rows() * hidden);
    for t in 0..layout.steps() {
        let from = if t == 0 { &kept.initial.0[0] } else { &kept.h[layout.offsets()[t - 1] * hidden..] };
        let count = layout.active(t) * hidden;
        masked.extend(from[..count].iter().zip(mask).map(|(h, m)| *h * *m));
    }
    masked
}

/// One plane of every row, times the mask.
fn gather_plane<R: Arithmetic>(
    layout: &Layout,
    planes: &[R],
    plane: usize,
    hidden: usize,
    mask: Option<&[R]>,
) -> Vec<R> {
    let stride = planes.len() / layout.rows().max(1);
    let mut rows = Vec::with_capacity(layout.rows() * hidden);
    for row in planes.chunks_exact(stride.max(1)) {
        rows.extend_from_slice(&row[plane * hidden..(plane + 1) * hidden]);
    }
    for t in 0..layout.steps() {
        let Some(mask) = mask else { break };
        let at = layout.rows_of(t..t + 1);
        rows[at.start * hidden..at.end * hidden].iter_mut().zip(mask).for_each(|(x, m)| *x *= *m);
    }
    rows
}
