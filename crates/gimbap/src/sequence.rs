//! Time: one cell run over all steps of a ragged batch, forward and backward. The only module that walks through
//! time, for every cell.
//!
//! The batch's rows are shared out to threads, and a thread carries its rows through all steps without waiting for
//! another. Per step: the planes take the bias, then `W_x x_t` and `W_h h_{t-1}` by the packed product (weights
//! packed once per call), then the cell's arithmetic in place. Backward likewise in reverse; what is summed over
//! time (`dW_x, dW_h, db`), and `dx`, is formed afterwards by large products over fixed blocks of steps, last first.
//!
//! Buffers, with `N` the rows of the layout and `P` the cell's planes:
//!
//! | buffer | shape | holds |
//! |---|---|---|
//! | `planes` | `[N, P H]` | pre-activations, then what backward needs, then gradients of pre-activations |
//! | `h` | `[N, H]` | the output sequence, owned by the caller |
//! | `c` | `[N, H]` | the second state, of cells that have one |
//! | `initial`, `last` | `[B, H]` each | the states before the first and after each row's last step |

mod step;
pub mod stepper;

use std::ops::Range;

use gimbap_kernels::linear::{Bf16, Exact, Int8};
use gimbap_kernels::packed::{Onto, Packed, multiply};
use gimbap_kernels::slabs::{self, Part};
use gimbap_kernels::{Arithmetic, View, product};
use rayon::prelude::*;

use crate::cell::{Cell, MAX_STATES, Planes, Product, Stage};
use crate::data::layout::Layout;
use crate::quantize::Precision;
use step::{Backward, Forward, Operand, OperandBackward};
use stepper::{Step, Stepper};

/// A recurrent layer's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, R> {
    /// `[I, G H]`.
    pub w_x: &'a [R],
    /// `[H, G H]`.
    pub w_h: &'a [R],
    /// `[G H]`.
    pub b: &'a [R],
    /// `[G H]` for cells with [`Cell::RECURRENT_BIAS`], else empty.
    pub b_h: &'a [R],
}

impl<'a, R> Weights<'a, R> {
    /// Row `id` of `W_x`, `[G H]`: the product of a one-hot vector with it.
    pub fn row(&self, id: u32) -> &'a [R] {
        &self.w_x[id as usize * self.b.len()..][..self.b.len()]
    }
}

/// Where a recurrent layer's parameter gradients are added to, shaped as in [`Weights`].
#[derive(Debug)]
pub struct Gradients<'a, R> {
    /// `[I, G H]`.
    pub d_w_x: &'a mut [R],
    /// `[H, G H]`.
    pub d_w_h: &'a mut [R],
    /// `[G H]`.
    pub d_b: &'a mut [R],
    /// `[G H]` or empty.
    pub d_b_h: &'a mut [R],
}

/// The input sequence `x`, one row per row of the layout.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, R> {
    /// `[N, I]`.
    Dense(&'a [R]),
    /// Row `i` is zero but for `scale[i]` (1 without it) at place `ids[i]`: a product with it is a row of `W_x`.
    OneHot {
        /// `[N]`.
        ids: &'a [u32],
        /// `[N]`.
        scale: Option<&'a [R]>,
    },
}

/// What a run through a segment is given.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a, R> {
    /// The parameters, as they were packed.
    pub weights: Weights<'a, R>,
    /// Where the rows lie.
    pub layout: &'a Layout,
    /// The input.
    pub x: Input<'a, R>,
    /// `[B, H]`: multiplies `h_{t-1}` wherever it enters a product with `W_h`; one mask for all steps.
    pub h_mask: Option<&'a [R]>,
}

/// What a kept forward pass leaves with its caller for the backward pass.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a, R> {
    /// The states it began with.
    pub initial: &'a State<R>,
    /// Its outputs `[N, H]`.
    pub h: &'a [R],
}

/// The states of a layer for every sequence of a batch: `h`, and `c` where the cell has one, each `[B, H]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<R>(pub [Vec<R>; MAX_STATES]);

impl<R: Arithmetic> State<R> {
    /// All zeros, for `states` states.
    pub fn zeros(states: usize, batch: usize, hidden: usize) -> State<R> {
        State(std::array::from_fn(|s| if s < states { vec![R::ZERO; batch * hidden] } else { Vec::new() }))
    }
}

/// One cell over time, with its packed weights and work buffers.
#[derive(Debug)]
pub struct Recurrence<R, C> {
    cell: C,
    input: usize,
    hidden: usize,
    w_x: Packed<R>,
    w_h: Vec<Packed<R>>,
    w_h_transposed: Vec<Packed<R>>,
    bias: Vec<R>,
    planes: Vec<R>,
    c: Vec<R>,
    scratch: Vec<R>,
}

/// Calls below this many multiply-adds stay on the calling thread.
const PARALLEL_FROM: usize = 1 << 17;

/// A [`Recurrence`] of any cell.
pub trait Run<R>: Send + std::fmt::Debug {
    /// `G`.
    fn gates(&self) -> usize;
    /// 1 (`h`) or 2 (`h, c`).
    fn states(&self) -> usize;
    /// Whether `W_h`'s product has a bias of its own.
    fn recurrent_bias(&self) -> bool;

    /// The same cell, to run step by step with weights of a precision.
    fn stepper(&self, precision: Precision) -> Box<dyn Step<R>>;

    /// Packs the weights; once per change of them.
    fn pack(&mut self, weights: &Weights<'_, R>);

    /// Runs all steps. `h` receives `[N, H]`; `state` holds the initial states and receives the last ones.
    /// With `keep`, what [`Run::backward`] needs is kept.
    fn forward(&mut self, segment: &Segment<'_, R>, state: &mut State<R>, h: &mut Vec<R>, keep: bool);

    /// The states after step `t` of the last kept forward pass, for the rows that have that step or ended before
    /// it; rows without a step keep what `state` holds.
    fn state_after(&self, layout: &Layout, t: usize, h: &[R], state: &mut State<R>);

    /// Backpropagation through all steps of the last kept forward pass: `d_h` `[N, H]` is the gradient of the
    /// outputs (None: only the last states have one), `d_state` that of the last states and receives that of the
    /// initial ones. Gradients of parameters are added to `gradients`, those of the input written to `d_x` `[N, I]`.
    fn backward(
        &mut self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        d_h: Option<&[R]>,
        d_state: &mut State<R>,
        gradients: Gradients<'_, R>,
        d_x: Option<&mut Vec<R>>,
    );
}

impl<R: Arithmetic, C: Cell> Recurrence<R, C> {
    const STATES: usize = <C::State<f64> as Planes<f64>>::COUNT;
    const PLANES: usize = <C::Step<f64> as Planes<f64>>::COUNT;

    /// For `input` features and `hidden` units.
    pub fn new(cell: C, input: usize, hidden: usize) -> Self {
        Recurrence {
            cell,
            input,
            hidden,
            w_x: Packed::new(),
            w_h: C::PRODUCTS.iter().map(|_| Packed::new()).collect(),
            w_h_transposed: C::PRODUCTS.iter().map(|_| Packed::new()).collect(),
            bias: Vec::new(),
            planes: Vec::new(),
            c: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

impl<R: Arithmetic, C: Cell + std::fmt::Debug + 'static> Run<R> for Recurrence<R, C> {
    fn gates(&self) -> usize {
        C::GATES
    }

    fn states(&self) -> usize {
        Self::STATES
    }

    fn recurrent_bias(&self) -> bool {
        C::RECURRENT_BIAS
    }

    fn stepper(&self, precision: Precision) -> Box<dyn Step<R>> {
        let (cell, input, hidden) = (self.cell, self.input, self.hidden);
        match precision {
            Precision::Full => Box::new(Stepper::<R, C, Exact>::new(cell, input, hidden)),
            Precision::Bf16 => Box::new(Stepper::<R, C, Bf16>::new(cell, input, hidden)),
            Precision::Int8 => Box::new(Stepper::<R, C, Int8>::new(cell, input, hidden)),
        }
    }

    fn pack(&mut self, weights: &Weights<'_, R>) {
        let (h, columns) = (self.hidden, C::GATES * self.hidden);
        self.w_x.pack(weights.w_x, self.input, columns, columns, 1);
        self.bias.clear();
        self.bias.resize(Self::PLANES * h, R::ZERO);
        self.bias[..columns].copy_from_slice(weights.b);
        for (index, product) in C::PRODUCTS.iter().enumerate() {
            let (first, width) = (product.first_gate * h, product.gates * h);
            self.w_h[index].pack(&weights.w_h[first..], h, width, columns, 1);
            self.w_h_transposed[index].pack(&weights.w_h[first..], width, h, 1, columns);
            if C::RECURRENT_BIAS {
                let bias = &mut self.bias[product.plane * h..][..width];
                bias.iter_mut().zip(&weights.b_h[first..]).for_each(|(to, b)| *to += *b);
            }
        }
    }

    fn forward(&mut self, segment: &Segment<'_, R>, state: &mut State<R>, h: &mut Vec<R>, keep: bool) {
        let layout = segment.layout;
        let (n, stride) = (layout.rows(), Self::PLANES * self.hidden);
        h.resize(n * self.hidden, R::ZERO);
        if Self::STATES > 1 {
            self.c.resize(n * self.hidden, R::ZERO);
        }
        let mut planes = std::mem::take(&mut self.planes);
        planes.resize(if keep { n * stride } else { 0 }, R::ZERO);
        let mut c = std::mem::take(&mut self.c);
        let cuts = layout.cuts(self.threads(layout));
        let widths = [self.hidden, if Self::STATES > 1 { self.hidden } else { 0 }];
        {
            let initial = &*state;
            let planes_parts =
                slabs::split(&mut planes, if keep { stride } else { 0 }, layout.offsets(), &cuts);
            let h_parts = slabs::split(h, widths[0], layout.offsets(), &cuts);
            let c_parts = slabs::split(&mut c, widths[1], layout.offsets(), &cuts);
            let parts: Vec<_> = planes_parts
                .into_iter()
                .zip(h_parts.into_iter().zip(c_parts))
                .zip(cuts.windows(2))
                .map(|((planes, (h, c)), cut)| (cut[0]..cut[1], planes, [h, c]))
                .collect();
            let run = |(rows, planes, states)| {
                self.forward_part(segment, initial, rows, planes, states, keep);
            };
            for_each(parts, run);
        }
        for (plane, values) in [&*h, &c].into_iter().enumerate().take(Self::STATES) {
            copy_last(layout, values, self.hidden, &mut state.0[plane]);
        }
        self.planes = planes;
        self.c = c;
    }

    fn state_after(&self, layout: &Layout, t: usize, h: &[R], state: &mut State<R>) {
        let until = layout.segment(0..t + 1);
        copy_last(&until, h, self.hidden, &mut state.0[0]);
        if Self::STATES > 1 {
            copy_last(&until, &self.c, self.hidden, &mut state.0[1]);
        }
    }

    fn backward(
        &mut self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        d_h: Option<&[R]>,
        d_state: &mut State<R>,
        gradients: Gradients<'_, R>,
        d_x: Option<&mut Vec<R>>,
    ) {
        let Segment { weights, layout, .. } = *segment;
        let (hidden, stride) = (self.hidden, Self::PLANES * self.hidden);
        let mut planes = std::mem::take(&mut self.planes);
        let cuts = layout.cuts(self.threads(layout));
        let batch = [0, layout.batch()];
        {
            let widths = [hidden, if Self::STATES > 1 { hidden } else { 0 }];
            let [d_h_state, d_c_state] = &mut d_state.0;
            let parts: Vec<_> = slabs::split(&mut planes, stride, layout.offsets(), &cuts)
                .into_iter()
                .zip(slabs::split(d_h_state, widths[0], &batch, &cuts))
                .zip(slabs::split(d_c_state, widths[1], &batch, &cuts))
                .zip(cuts.windows(2))
                .map(|(((planes, d_h), d_c), cut)| (cut[0]..cut[1], planes, [d_h, d_c]))
                .collect();
            let run = |(rows, planes, d_state)| {
                self.backward_part(segment, kept, d_h, rows, planes, d_state);
            };
            for_each(parts, run);
        }
        let columns = C::GATES * hidden;
        if let Some(d_x) = d_x {
            d_x.resize(layout.rows() * self.input, R::ZERO);
            let w_x = View::new(weights.w_x, self.input, columns, columns).transposed();
            for rows in layout.blocks().map(|steps| layout.rows_of(steps)) {
                let d_planes =
                    View::new(&planes[rows.start * stride..rows.end * stride], rows.len(), columns, stride);
                product((&mut d_x[rows.start * self.input..], self.input), false, d_planes, w_x);
            }
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        self.sum_gradients(segment, kept, &planes, gradients, &mut scratch);
        self.scratch = scratch;
        self.planes = planes;
    }
}

impl<R: Arithmetic, C: Cell> Recurrence<R, C> {
    fn forward_part(
        &self,
        segment: &Segment<'_, R>,
        initial: &State<R>,
        rows: Range<usize>,
        mut planes: Part<'_, R>,
        mut states: [Part<'_, R>; MAX_STATES],
        keep: bool,
    ) {
        let Segment { weights, layout, x, h_mask } = *segment;
        let (hidden, stride) = (self.hidden, Self::PLANES * self.hidden);
        let mut before = Before::new(hidden, rows.len());
        let mut operand = vec![R::ZERO; rows.len() * hidden];
        let mut transient = vec![R::ZERO; if keep { 0 } else { rows.len() * stride }];
        for t in 0..layout.steps() {
            let count = layout.active(t).clamp(rows.start, rows.end) - rows.start;
            if count == 0 {
                break;
            }
            let [h_part, c_part] = &mut states;
            let (prev, next) = if t == 0 {
                let first = rows.start * hidden;
                let prev = std::array::from_fn(|s| initial.0[s].get(first..).unwrap_or(&[]));
                (prev, [h_part.slab_mut(0), c_part.slab_mut(0)])
            } else {
                let ((h_prev, h), (c_prev, c)) = (h_part.pair_mut(t - 1, t), c_part.pair_mut(t - 1, t));
                ([h_prev, c_prev], [h, c])
            };
            let marks = layout.resets(t).map(|marks| &marks[rows.start..]);
            let prev = before.after_resets(prev, marks, count);
            let planes = if keep { planes.slab_mut(t) } else { &mut transient[..count * stride] };
            for row in planes.chunks_exact_mut(stride) {
                row.copy_from_slice(&self.bias);
            }
            let first = layout.offsets()[t] + rows.start;
            self.add_input(&weights, x, first, count, planes);
            let mask = h_mask.map(|mask| &mask[rows.start * hidden..]);
            let masked = apply_mask(prev[0], mask, &mut operand, count * hidden);
            for (product, w) in C::PRODUCTS.iter().zip(&self.w_h) {
                if product.stage == Stage::Hidden {
                    multiply(
                        w,
                        count,
                        (masked, hidden),
                        (&mut planes[product.plane * hidden..], stride),
                        Onto::Output,
                    );
                }
            }
            if let Some((product, plane, w)) = self.second_product(&self.w_h) {
                R::run(Operand { cell: self.cell, hidden, planes, h_prev: prev[0] });
                gather_plane(planes, stride, plane * hidden, hidden, &mut operand);
                if let Some(mask) = mask {
                    operand.iter_mut().zip(mask).for_each(|(x, m)| *x *= *m);
                }
                multiply(
                    w,
                    count,
                    (&operand, hidden),
                    (&mut planes[product.plane * hidden..], stride),
                    Onto::Output,
                );
            }
            R::run(Forward { cell: self.cell, hidden, planes, prev, next });
        }
    }

    /// Adds `W_x x_t` for `count` rows from row `first` on.
    fn add_input(
        &self,
        weights: &Weights<'_, R>,
        x: Input<'_, R>,
        first: usize,
        count: usize,
        planes: &mut [R],
    ) {
        let (stride, columns) = (Self::PLANES * self.hidden, C::GATES * self.hidden);
        match x {
            Input::Dense(x) => {
                let x = &x[first * self.input..(first + count) * self.input];
                multiply(&self.w_x, count, (x, self.input), (planes, stride), Onto::Output);
            }
            Input::OneHot { ids, scale } => {
                for (i, planes) in planes.chunks_exact_mut(stride).enumerate() {
                    let w = &weights.w_x[ids[first + i] as usize * columns..][..columns];
                    match scale {
                        None => planes.iter_mut().zip(w).for_each(|(to, w)| *to += *w),
                        Some(scale) => {
                            let s = scale[first + i];
                            planes.iter_mut().zip(w).for_each(|(to, w)| *to += s * *w);
                        }
                    }
                }
            }
        }
    }

    fn second_product<'a>(
        &self,
        packed: &'a [Packed<R>],
    ) -> Option<(&'static Product, usize, &'a Packed<R>)> {
        C::PRODUCTS.iter().zip(packed).find_map(|(product, packed)| match product.stage {
            Stage::Operand { plane } => Some((product, plane, packed)),
            Stage::Hidden => None,
        })
    }

    fn backward_part(
        &self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        d_h: Option<&[R]>,
        rows: Range<usize>,
        mut planes: Part<'_, R>,
        mut d_state: [Part<'_, R>; MAX_STATES],
    ) {
        let Segment { layout, h_mask, .. } = *segment;
        let Kept { initial, h } = kept;
        let (hidden, stride) = (self.hidden, Self::PLANES * self.hidden);
        let mut before = Before::new(hidden, rows.len());
        let mut d_operand = vec![R::ZERO; rows.len() * hidden];
        let [d_h_state, d_c_state] = &mut d_state;
        let mut d_state = [d_h_state.slab_mut(0), d_c_state.slab_mut(0)];
        let states = [h, &self.c];
        for t in (0..layout.steps()).rev() {
            let count = layout.active(t).clamp(rows.start, rows.end) - rows.start;
            if count == 0 {
                continue;
            }
            let at = |t: usize| (layout.offsets()[t] + rows.start) * hidden;
            let next = std::array::from_fn(|s| states[s].get(at(t)..).unwrap_or(&[]));
            let prev = std::array::from_fn(|s| match t {
                0 => initial.0[s].get(rows.start * hidden..).unwrap_or(&[]),
                _ => states[s].get(at(t - 1)..).unwrap_or(&[]),
            });
            let marks = layout.resets(t).map(|marks| &marks[rows.start..]);
            let prev = before.after_resets(prev, marks, count);
            let planes = planes.slab_mut(t);
            let d_output = d_h.map(|d_h| &d_h[at(t)..at(t) + count * hidden]);
            let [d_h_state, d_c_state] = &mut d_state;
            let d_states = [&mut d_h_state[..], &mut d_c_state[..]];
            R::run(Backward { cell: self.cell, hidden, planes, prev, next, d_output, d_state: d_states });
            let mask = h_mask.map(|mask| &mask[rows.start * hidden..]);
            if let Some((product, _, w)) = self.second_product(&self.w_h_transposed) {
                let d_plane = &planes[product.plane * hidden..];
                multiply(w, count, (d_plane, stride), (&mut d_operand, hidden), Onto::Zero);
                if let Some(mask) = mask {
                    d_operand.iter_mut().zip(mask).for_each(|(d, m)| *d *= *m);
                }
                let d_h_prev = &mut d_state[0][..];
                R::run(OperandBackward {
                    cell: self.cell,
                    hidden,
                    planes,
                    h_prev: prev[0],
                    d_operand: &d_operand,
                    d_h_prev,
                });
            }
            let d_h_state = &mut d_state[0][..count * hidden];
            if mask.is_some() {
                d_operand.fill(R::ZERO);
            }
            let target = if mask.is_some() { &mut d_operand[..] } else { &mut d_h_state[..] };
            for (product, w) in C::PRODUCTS.iter().zip(&self.w_h_transposed) {
                if product.stage == Stage::Hidden {
                    multiply(
                        w,
                        count,
                        (&planes[product.plane * hidden..], stride),
                        (target, hidden),
                        Onto::Output,
                    );
                }
            }
            if let Some(mask) = mask {
                for ((d, d_masked), m) in d_h_state.iter_mut().zip(&d_operand).zip(mask) {
                    *d += *d_masked * *m;
                }
            }
            for (b, _) in marks.unwrap_or(&[]).iter().enumerate().take(count).filter(|(_, mark)| **mark) {
                for d in d_state.iter_mut().filter(|d| !d.is_empty()) {
                    d[b * hidden..(b + 1) * hidden].fill(R::ZERO);
                }
            }
        }
    }

    /// `dW_x`, `dW_h`, `db`, `db_h`, from the planes' gradients.
    fn sum_gradients(
        &self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        planes: &[R],
        gradients: Gradients<'_, R>,
        scratch: &mut Vec<R>,
    ) {
        let Segment { layout, x, h_mask, .. } = *segment;
        let Gradients { d_w_x, d_w_h, d_b, d_b_h } = gradients;
        let (hidden, stride, columns) = (self.hidden, Self::PLANES * self.hidden, C::GATES * self.hidden);
        for steps in layout.blocks() {
            let rows = layout.rows_of(steps.clone());
            let n = rows.len();
            if n == 0 {
                continue;
            }
            let planes = &planes[rows.start * stride..rows.end * stride];
            match x {
                Input::Dense(x) => {
                    let x = View::new(&x[rows.start * self.input..], n, self.input, self.input);
                    product((d_w_x, columns), true, x.transposed(), View::new(planes, n, columns, stride));
                }
                Input::OneHot { ids, scale } => {
                    for (i, d) in rows.clone().zip(planes.chunks_exact(stride)) {
                        let to = &mut d_w_x[ids[i] as usize * columns..][..columns];
                        let s = scale.map_or(R::ONE, |scale| scale[i]);
                        to.iter_mut().zip(d).for_each(|(to, d)| *to += s * *d);
                    }
                }
            }
            for d in planes.chunks_exact(stride) {
                d_b.iter_mut().zip(d).for_each(|(to, d)| *to += *d);
            }
            for product_of in C::PRODUCTS {
                let (first, width) = (product_of.first_gate * hidden, product_of.gates * hidden);
                match product_of.stage {
                    Stage::Hidden => self.gather_previous(segment, kept, steps.clone(), scratch),
                    Stage::Operand { plane } => {
                        scratch.resize(n * hidden, R::ZERO);
                        gather_plane(planes, stride, plane * hidden, hidden, scratch);
                        if let Some(mask) = h_mask {
                            mask_steps(layout, steps.clone(), mask, hidden, scratch);
                        }
                    }
                }
                let operand = View::new(scratch, n, hidden, hidden);
                let d_planes = View::new(&planes[product_of.plane * hidden..], n, width, stride);
                product((&mut d_w_h[first..], columns), true, operand.transposed(), d_planes);
                if C::RECURRENT_BIAS {
                    for d in planes.chunks_exact(stride) {
                        let d = &d[product_of.plane * hidden..][..width];
                        d_b_h[first..first + width].iter_mut().zip(d).for_each(|(to, d)| *to += *d);
                    }
                }
            }
        }
    }

    /// The rows of `h_{t-1}` as they entered the product with `W_h`, for the steps of a block.
    fn gather_previous(
        &self,
        segment: &Segment<'_, R>,
        kept: Kept<'_, R>,
        steps: Range<usize>,
        into: &mut Vec<R>,
    ) {
        let Segment { layout, h_mask, .. } = *segment;
        let Kept { initial, h } = kept;
        let hidden = self.hidden;
        into.clear();
        for t in steps.clone() {
            let count = layout.active(t) * hidden;
            let from = if t == 0 { &initial.0[0] } else { &h[layout.offsets()[t - 1] * hidden..] };
            let start = into.len();
            into.extend_from_slice(&from[..count]);
            for (b, _) in layout.resets(t).unwrap_or(&[]).iter().enumerate().filter(|(_, mark)| **mark) {
                into[start + b * hidden..start + (b + 1) * hidden].fill(R::ZERO);
            }
        }
        if let Some(mask) = h_mask {
            mask_steps(layout, steps, mask, hidden, into);
        }
    }

    fn threads(&self, layout: &Layout) -> usize {
        threads(layout, C::GATES * self.hidden, self.input + self.hidden)
    }
}

/// The threads that a batch's rows are shared out to, by [`Layout::cuts`], where every row is a product of `width`
/// values with `columns` columns: all of the current rayon pool, or one where that would cost more than it gives.
pub fn threads(layout: &Layout, columns: usize, width: usize) -> usize {
    let work = layout.rows() * columns * width;
    if work < PARALLEL_FROM || layout.batch() < 2 { 1 } else { rayon::current_num_threads() }
}

/// Runs every part, on threads if there is more than one.
fn for_each<P: Send>(mut parts: Vec<P>, run: impl Fn(P) + Send + Sync) {
    if parts.len() == 1 {
        parts.drain(..).for_each(run);
    } else {
        parts.into_par_iter().with_max_len(1).for_each(run);
    }
}

/// Copies each row's values at its last step; rows without a step keep what they have.
fn copy_last<R: Copy>(layout: &Layout, values: &[R], width: usize, last: &mut [R]) {
    for t in 0..layout.steps() {
        let still = if t + 1 < layout.steps() { layout.active(t + 1) } else { 0 };
        let from = layout.offsets()[t] * width;
        let (rows, end) = (still * width, layout.active(t) * width);
        last[rows..end].copy_from_slice(&values[from + rows..from + end]);
    }
}

fn gather_plane<R: Copy>(planes: &[R], stride: usize, start: usize, hidden: usize, into: &mut [R]) {
    for (row, into) in planes.chunks_exact(stride).zip(into.chunks_exact_mut(hidden)) {
        into.copy_from_slice(&row[start..start + hidden]);
    }
}

fn apply_mask<'a, R: Arithmetic>(h: &'a [R], mask: Option<&[R]>, into: &'a mut [R], n: usize) -> &'a [R] {
    match mask {
        None => &h[..n],
        Some(mask) => {
            for ((to, h), m) in into[..n].iter_mut().zip(h).zip(mask) {
                *to = *h * *m;
            }
            &into[..n]
        }
    }
}

fn mask_steps<R: Arithmetic>(
    layout: &Layout,
    steps: Range<usize>,
    mask: &[R],
    hidden: usize,
    rows: &mut [R],
) {
    let mut at = 0;
    for t in steps {
        let n = layout.active(t) * hidden;
        rows[at..at + n].iter_mut().zip(mask).for_each(|(x, m)| *x *= *m);
        at += n;
    }
}

/// The states before a step, with rows that begin anew set to zero.
struct Before<R> {
    hidden: usize,
    rows: usize,
    copies: [Vec<R>; MAX_STATES],
}

impl<R: Arithmetic> Before<R> {
    fn new(hidden: usize, rows: usize) -> Self {
        Before { hidden, rows, copies: Default::default() }
    }

    fn after_resets<'a>(
        &'a mut self,
        prev: [&'a [R]; MAX_STATES],
        marks: Option<&[bool]>,
        count: usize,
    ) -> [&'a [R]; MAX_STATES] {
        let Some(marks) = marks.map(|marks| &marks[..count]).filter(|marks| marks.contains(&true)) else {
            return prev;
        };
        let n = count * self.hidden;
        for (copy, prev) in self.copies.iter_mut().zip(prev).filter(|(_, prev)| !prev.is_empty()) {
            copy.resize(self.rows * self.hidden, R::ZERO);
            copy[..n].copy_from_slice(&prev[..n]);
            for (b, _) in marks.iter().enumerate().filter(|(_, mark)| **mark) {
                copy[b * self.hidden..(b + 1) * self.hidden].fill(R::ZERO);
            }
        }
        self.copies.each_ref().map(|copy| &copy[..])
    }
}
