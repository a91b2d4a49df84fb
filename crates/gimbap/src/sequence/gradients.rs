//! What is summed over time after the backward pass: `dW_x`, `dW_h`, `db`; and `dx`, a product over all rows.
//!
//! Rows are added block by block of [`BLOCK`](crate::data::layout::BLOCK) steps, the last first, so that a sequence
//! that was run in segments of whole blocks gives the same bits.

use std::ops::Range;

use gimbap_kernels::Arithmetic;
use gimbap_kernels::outer::{CHUNK, Left, Outer, Piece, Span, add_outer_products};
use gimbap_kernels::packed::{Onto, Packed, multiply};
use rayon::prelude::*;

use super::{Gradients, Input, Kept, Recurrence, Segment};
use crate::cell::{Cell, Product, Stage};
use crate::data::layout::Layout;

/// Rows of `dx` that are one task.
const ROWS: usize = 96;

impl<R: Arithmetic, C: Cell> Recurrence<R, C> {
    /// Adds the gradients of all parameters, from the gradients `planes` `[N, P H]` of the pre-activations.
    pub(super) fn add_gradients(
        &self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        planes: &[R],
        gradients: Gradients<'_, R>,
    ) {
        let Segment { layout, x, h_mask, .. } = *segment;
        let Gradients { d_w_x, d_w_h, d_b, d_b_h } = gradients;
        let (hidden, stride, columns) = (self.hidden, Self::PLANES * self.hidden, C::GATES * self.hidden);
        let all: Vec<_> = layout.blocks().map(|steps| layout.rows_of(steps)).collect();
        self.add_operand_gradients(segment, &all, planes, d_w_h);
        let outer = |output, row_stride, left, spans| Outer {
            output,
            row_stride,
            left,
            right: planes,
            right_stride: stride,
            spans,
        };

        let mut products = Vec::new();
        let mut x_chunks = Chunks::new(self.input);
        let left = match x {
            Input::Dense(x) => {
                for rows in &all {
                    x_chunks.begin_block();
                    x_chunks.push(x, rows.start, rows.clone());
                }
                Left::Dense(x_chunks.finish())
            }
            Input::OneHot { ids, scale } => Left::OneHot { ids, scale, chunks: &all },
        };
        let gates = [Span { from: 0, to: 0, columns }];
        products.push(outer(d_w_x, columns, left, &gates));

        let masked = h_mask.map(|mask| mask_previous(layout, kept, mask, hidden));
        let mut h_chunks = Chunks::new(hidden);
        previous_rows(layout, kept, masked.as_deref(), &mut h_chunks);
        let h_chunks = h_chunks.finish();
        let hidden_products = C::PRODUCTS.iter().filter(|product| product.stage == Stage::Hidden);
        let spans: Vec<_> = hidden_products.map(|product| span_of(product, hidden)).collect();
        products.push(outer(d_w_h, columns, Left::Dense(h_chunks), &spans));

        // A bias is the weight of an input that is always one.
        let ones = vec![R::ONE; CHUNK];
        let mut one_chunks = Chunks::new(1);
        for rows in &all {
            one_chunks.begin_block();
            for start in rows.clone().step_by(CHUNK) {
                let rows = start..(start + CHUNK).min(rows.end);
                one_chunks.push(&ones, 0, rows);
            }
        }
        let one_chunks = one_chunks.finish();
        let share = columns.div_ceil(rayon::current_num_threads()).next_multiple_of(64);
        let bias_spans: Vec<_> = (0..columns)
            .step_by(share)
            .map(|first| [Span { from: first, to: 0, columns: share.min(columns - first) }])
            .collect();
        for (d_b, span) in d_b.chunks_mut(share).zip(&bias_spans) {
            let width = d_b.len();
            products.push(outer(d_b, width, Left::Dense(one_chunks), span));
        }
        if C::RECURRENT_BIAS {
            products.push(outer(d_b_h, columns, Left::Dense(one_chunks), &spans));
        }
        add_outer_products(products);
    }

    /// `dW_h` of the products that a cell makes of an operand of its own.
    fn add_operand_gradients(
        &self,
        segment: &Segment<'_, R>,
        blocks: &[Range<usize>],
        planes: &[R],
        d_w_h: &mut [R],
    ) {
        let (hidden, stride) = (self.hidden, Self::PLANES * self.hidden);
        for product in C::PRODUCTS {
            let Stage::Operand { plane } = product.stage else { continue };
            let operand =
                gather_plane(segment.layout, planes, (stride, plane * hidden), hidden, segment.h_mask);
            let mut chunks = Chunks::new(hidden);
            for rows in blocks {
                chunks.begin_block();
                chunks.push(&operand, rows.start, rows.clone());
            }
            add_outer_products(vec![Outer {
                output: &mut *d_w_h,
                row_stride: C::GATES * hidden,
                left: Left::Dense(chunks.finish()),
                right: planes,
                right_stride: stride,
                spans: &[span_of(product, hidden)],
            }]);
        }
    }

    /// `d_x = d_planes W_x^T`, `[N, I]`.
    pub(super) fn input_gradient(&self, w_x: &Packed<R>, planes: &[R], d_x: &mut [R]) {
        let stride = Self::PLANES * self.hidden;
        let rows = |(index, d_x): (usize, &mut [R])| {
            let planes = &planes[index * ROWS * stride..];
            multiply(w_x, d_x.len() / self.input, (planes, stride), (d_x, self.input), Onto::Zero);
        };
        if d_x.len() <= ROWS * self.input {
            rows((0, d_x));
        } else {
            d_x.par_chunks_mut(ROWS * self.input).enumerate().for_each(rows);
        }
    }
}

/// Where the columns of `W_h` that a product uses meet the planes that it feeds.
fn span_of(product: &Product, hidden: usize) -> Span {
    let (from, to) = (product.plane * hidden, product.first_gate * hidden);
    Span { from, to, columns: product.gates * hidden }
}

/// The rows `h_{t-1}` of every step as they entered the product with `W_h`; rows that began anew had none. `masked` is
/// `[N, H]`.
fn previous_rows<'a, R: Arithmetic>(
    layout: &Layout,
    kept: Kept<'a, R>,
    masked: Option<&'a [R]>,
    chunks: &mut Chunks<'a, R>,
) {
    for steps in layout.blocks() {
        chunks.begin_block();
        for t in steps {
            let first = layout.offsets()[t];
            let (source, at) = match (masked, t) {
                (Some(masked), _) => (masked, first),
                (None, 0) => (&kept.initial.0[0][..], 0),
                (None, _) => (kept.h, layout.offsets()[t - 1]),
            };
            let mut row = 0;
            for (b, _) in layout.resets(t).unwrap_or(&[]).iter().enumerate().filter(|(_, mark)| **mark) {
                chunks.push(source, at + row, first + row..first + b);
                row = b + 1;
            }
            chunks.push(source, at + row, first + row..first + layout.active(t));
        }
    }
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
    (stride, start): (usize, usize),
    hidden: usize,
    mask: Option<&[R]>,
) -> Vec<R> {
    let mut rows = Vec::with_capacity(layout.rows() * hidden);
    for row in planes.chunks_exact(stride).take(layout.rows()) {
        rows.extend_from_slice(&row[start..start + hidden]);
    }
    if let Some(mask) = mask {
        for t in 0..layout.steps() {
            let at = layout.rows_of(t..t + 1);
            rows[at.start * hidden..at.end * hidden].iter_mut().zip(mask).for_each(|(x, m)| *x *= *m);
        }
    }
    rows
}

/// Collects the pieces of a left operand: chunks of at most [`CHUNK`] rows, none across two blocks.
struct Chunks<'a, R> {
    width: usize,
    chunks: Vec<Vec<Piece<'a, R>>>,
    rows: usize,
    /// The last piece's source and its first row there.
    last: Option<(&'a [R], usize)>,
}

impl<'a, R: Arithmetic> Chunks<'a, R> {
    fn new(width: usize) -> Self {
        Chunks { width, chunks: Vec::new(), rows: CHUNK, last: None }
    }

    fn begin_block(&mut self) {
        self.rows = CHUNK;
    }

    /// Rows of `source` from `at` on, for the rows `rows` of the right operand.
    fn push(&mut self, source: &'a [R], mut at: usize, rows: Range<usize>) {
        let mut first = rows.start;
        while first < rows.end {
            if self.rows == CHUNK {
                self.chunks.push(Vec::new());
                (self.rows, self.last) = (0, None);
            }
            let count = (rows.end - first).min(CHUNK - self.rows);
            let Some(chunk) = self.chunks.last_mut() else { return };
            let place = |from: usize, rows: usize| &source[from * self.width..(from + rows) * self.width];
            match (chunk.last_mut(), self.last) {
                (Some(piece), Some((before, from)))
                    if std::ptr::eq(before, source)
                        && from + piece.rows == at
                        && piece.first + piece.rows == first =>
                {
                    piece.rows += count;
                    piece.left = place(from, piece.rows);
                }
                _ => {
                    chunk.push(Piece { left: place(at, count), first, rows: count });
                    self.last = Some((source, at));
                }
            }
            self.rows += count;
            (at, first) = (at + count, first + count);
        }
    }

    fn finish(&self) -> &[Vec<Piece<'a, R>>] {
        &self.chunks
    }
}
