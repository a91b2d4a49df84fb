//! Time: one cell run over all steps of a ragged batch, forward and backward. The only module that walks through
//! time, for every cell.
//!
//! The batch's rows are shared out to threads, and a thread carries its rows through all steps without waiting for
//! another. At a step it goes through the hidden units group by group: bias, `W_x x_t` and `W_h h_{t-1}` by the packed
//! product (weights packed once per change of them) into a tile, and then the cell's arithmetic on the tile, while
//! that is in the nearest cache. Backward likewise in reverse: the product that gives a group its `d_h` is followed by
//! the cell's backward arithmetic for these units. What is summed over time (`dW_x, dW_h, db`), and `dx`, is formed
//! afterwards over all rows.
//!
//! Buffers, with `N` the rows of the layout and `P` the cell's planes:
//!
//! | buffer | shape | holds |
//! |---|---|---|
//! | `planes` | `[N, P H]` | what backward needs, then gradients of pre-activations |
//! | `h` | `[N, H]` | the output sequence, owned by the caller |
//! | `c` | `[N, H]` | the second state, of cells that have one |
//! | `initial`, `last` | `[B, H]` each | the states before the first and after each row's last step |

mod backward;
mod forward;
mod gradients;
pub mod stepper;
mod units;
pub mod zone;

use std::any::{Any, TypeId};
use std::ops::Range;

use gimbap_kernels::linear::{Bf16, Exact, Int8};
use gimbap_kernels::outer::Buffers;
use gimbap_kernels::packed::{Matrix, Packed};
use gimbap_kernels::slabs::{self, Part};
use gimbap_kernels::{Arithmetic, team};

use crate::cell::{self, Cell, MAX_STATES, Planes};
use crate::data::layout::Layout;
use crate::derived::Derived;
use crate::quantize::Precision;
use stepper::{Step, Stepper};
use zone::Zone;

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

/// Where a recurrent layer's parameter gradients are added to, shaped as in [`Weights`]; all empty: they are not wanted.
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
    /// What is kept of the states from step to step.
    pub zone: Option<Zone<'a, R>>,
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

/// One cell over time: its packed weights, which its copies share, and work buffers.
#[derive(Clone, Debug)]
struct Recurrence<R, C: Copy> {
    cell: C,
    input: usize,
    hidden: usize,
    forward: Derived<ForwardWeights<R>>,
    /// `W_h` and `W_x` transposed, for the backward pass.
    w_h_back: Derived<Vec<Packed<R>>>,
    w_x_back: Derived<Packed<R>>,
    planes: Vec<R>,
    c: Vec<R>,
    /// `[N, H]`: the zoned states as the cell made them.
    raw: [Vec<R>; MAX_STATES],
    /// One for each part.
    work: Vec<forward::Work<R>>,
    buffers: Buffers<R>,
    /// Runs one sequence whose steps are not kept.
    alone: Stepper<R, C, Exact>,
}

/// The weights as a batch reads them.
#[derive(Debug)]
struct ForwardWeights<R> {
    w_x: Packed<R>,
    /// Of each of the cell's products.
    w_h: Vec<Packed<R>>,
    /// `[P H]`, in the order of the groups: plane after plane for the units of a group.
    bias: Vec<R>,
}

impl<R> Default for ForwardWeights<R> {
    fn default() -> Self {
        ForwardWeights { w_x: Packed::default(), w_h: Vec::new(), bias: Vec::new() }
    }
}

/// Calls below this many multiply-adds stay on the calling thread.
const PARALLEL_FROM: usize = 1 << 17;

/// The cells of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// [`cell::simple_rnn::SimpleRnn`].
    SimpleRnn,
    /// [`cell::simple_rnn::ReluRnn`].
    ReluRnn,
    /// [`cell::lstm::Lstm`].
    Lstm,
    /// [`cell::gru::Gru`].
    Gru,
    /// [`cell::gru_reset_before::GruResetBefore`].
    GruResetBefore,
}

/// A cell over time, for `input` features and `hidden` units. Its code is compiled
/// once for each number type, in this crate, and not again in every program.
pub fn recurrence<R: Arithmetic>(kind: CellKind, input: usize, hidden: usize) -> Box<dyn Run<R>> {
    let run: Box<dyn Any> = if TypeId::of::<R>() == TypeId::of::<f32>() {
        Box::new(recurrence_f32(kind, input, hidden))
    } else {
        Box::new(recurrence_f64(kind, input, hidden))
    };
    match run.downcast::<Box<dyn Run<R>>>() {
        Ok(run) => *run,
        Err(_) => unreachable!("numbers are f32 or f64"),
    }
}

fn recurrence_f32(kind: CellKind, input: usize, hidden: usize) -> Box<dyn Run<f32>> {
    recurrence_of(kind, input, hidden)
}

fn recurrence_f64(kind: CellKind, input: usize, hidden: usize) -> Box<dyn Run<f64>> {
    recurrence_of(kind, input, hidden)
}

fn recurrence_of<R: Arithmetic>(kind: CellKind, input: usize, hidden: usize) -> Box<dyn Run<R>> {
    match kind {
        CellKind::SimpleRnn => Box::new(Recurrence::new(cell::simple_rnn::SimpleRnn, input, hidden)),
        CellKind::ReluRnn => Box::new(Recurrence::new(cell::simple_rnn::ReluRnn, input, hidden)),
        CellKind::Lstm => Box::new(Recurrence::new(cell::lstm::Lstm, input, hidden)),
        CellKind::Gru => Box::new(Recurrence::new(cell::gru::Gru, input, hidden)),
        CellKind::GruResetBefore => {
            Box::new(Recurrence::new(cell::gru_reset_before::GruResetBefore, input, hidden))
        }
    }
}

/// One cell over time, with its packed weights and work buffers.
pub trait Run<R>: Send + Sync + std::fmt::Debug {
    /// Another one with the same packed weights.
    fn another(&self) -> Box<dyn Run<R>>;

    /// `G`.
    fn gates(&self) -> usize;
    /// 1 (`h`) or 2 (`h, c`).
    fn states(&self) -> usize;
    /// Whether `W_h`'s product has a bias of its own.
    fn recurrent_bias(&self) -> bool;

    /// The same cell, to run step by step with weights of a precision.
    fn stepper(&self, precision: Precision) -> Box<dyn Step<R>>;

    /// The weights have changed: those of the next pass are packed.
    fn renew(&mut self);

    /// Packs the weights for forward passes over batches, unless that is done.
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
}

impl<R: Arithmetic, C: Cell + std::fmt::Debug + 'static> Recurrence<R, C> {
    /// For `input` features and `hidden` units.
    pub fn new(cell: C, input: usize, hidden: usize) -> Self {
        Recurrence {
            cell,
            input,
            hidden,
            forward: Derived::default(),
            w_h_back: Derived::default(),
            w_x_back: Derived::default(),
            planes: Vec::new(),
            c: Vec::new(),
            raw: Default::default(),
            work: Vec::new(),
            buffers: Buffers::default(),
            alone: Stepper::new(cell, input, hidden),
        }
    }
}

impl<R: Arithmetic, C: Cell + std::fmt::Debug + 'static> Run<R> for Recurrence<R, C> {
    fn another(&self) -> Box<dyn Run<R>> {
        Box::new(self.clone())
    }

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

    fn renew(&mut self) {
        self.forward.renew();
        self.w_h_back.renew();
        self.w_x_back.renew();
        self.alone.renew();
    }

    fn pack(&mut self, weights: &Weights<'_, R>) {
        let (input, h) = (self.input, self.hidden);
        self.forward.make(|packed| Self::pack_forward(packed, weights, input, h));
    }

    fn forward(&mut self, segment: &Segment<'_, R>, state: &mut State<R>, h: &mut Vec<R>, keep: bool) {
        let layout = segment.layout;
        let masked = segment.h_mask.is_some()
            || segment.zone.is_some()
            || matches!(segment.x, Input::OneHot { scale: Some(_), .. });
        if layout.batch() == 1 && !keep && !masked {
            // The same bits: both make each sum as one chain, the bias first.
            let dense = matches!(segment.x, Input::Dense(_));
            self.alone.pack(&segment.weights, dense, stepper::SEQUENCE_SHARE);
            return self.alone.forward(segment, state, h);
        }
        self.pack(&segment.weights);
        let (n, stride) = (layout.rows(), Self::PLANES * self.hidden);
        h.resize(n * self.hidden, R::ZERO);
        if Self::STATES > 1 {
            self.c.resize(n * self.hidden, R::ZERO);
        }
        let mut planes = std::mem::take(&mut self.planes);
        planes.resize(if keep { n * stride } else { 0 }, R::ZERO);
        let mut c = std::mem::take(&mut self.c);
        let cuts = layout.cuts(self.threads(layout));
        let mut work = self.take_work(cuts.len() - 1);
        let widths = [self.hidden, if Self::STATES > 1 { self.hidden } else { 0 }];
        let mut raw = std::mem::take(&mut self.raw);
        let raw_widths = segment.zone.map_or([0; MAX_STATES], |zone| {
            zone.map(|m| if keep && !m.is_empty() { self.hidden } else { 0 })
        });
        raw.iter_mut().zip(raw_widths).for_each(|(raw, width)| raw.resize(n * width, R::ZERO));
        {
            let initial = &*state;
            let planes_parts =
                slabs::split(&mut planes, if keep { stride } else { 0 }, layout.offsets(), &cuts);
            let h_parts = slabs::split(h, widths[0], layout.offsets(), &cuts);
            let c_parts = slabs::split(&mut c, widths[1], layout.offsets(), &cuts);
            let [raw_h, raw_c] = &mut raw;
            let raw_h = slabs::split(raw_h, raw_widths[0], layout.offsets(), &cuts);
            let raw_c = slabs::split(raw_c, raw_widths[1], layout.offsets(), &cuts);
            let mut parts: Vec<_> = planes_parts
                .into_iter()
                .zip(h_parts.into_iter().zip(c_parts))
                .zip(raw_h.into_iter().zip(raw_c))
                .zip(cuts.windows(2))
                .zip(&mut work)
                .map(|((((planes, (h, c)), (raw_h, raw_c)), cut), work)| {
                    let rows = cut[0]..cut[1];
                    (Share { rows, planes, states: [h, c], work }, [raw_h, raw_c])
                })
                .collect();
            team::run(&mut parts, |(share, raw)| self.forward_part(segment, initial, keep, share, raw));
        }
        for (plane, values) in [&*h, &c].into_iter().enumerate().take(Self::STATES) {
            copy_last(layout, values, self.hidden, &mut state.0[plane]);
        }
        (self.planes, self.c, self.raw, self.work) = (planes, c, raw, work);
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
        let layout = segment.layout;
        let (hidden, stride) = (self.hidden, Self::PLANES * self.hidden);
        self.transpose(&segment.weights, d_x.is_some());
        let mut planes = std::mem::take(&mut self.planes);
        let cuts = layout.cuts(self.threads(layout));
        let mut work = self.take_work(cuts.len() - 1);
        let batch = [0, layout.batch()];
        {
            let widths = [hidden, if Self::STATES > 1 { hidden } else { 0 }];
            let [d_h_state, d_c_state] = &mut d_state.0;
            let mut parts: Vec<_> = slabs::split(&mut planes, stride, layout.offsets(), &cuts)
                .into_iter()
                .zip(slabs::split(d_h_state, widths[0], &batch, &cuts))
                .zip(slabs::split(d_c_state, widths[1], &batch, &cuts))
                .zip(cuts.windows(2))
                .zip(&mut work)
                .map(|((((planes, d_h), d_c), cut), work)| Share {
                    rows: cut[0]..cut[1],
                    planes,
                    states: [d_h, d_c],
                    work,
                })
                .collect();
            team::run(&mut parts, |share| self.backward_part(segment, kept, d_h, share));
        }
        if let Some(d_x) = d_x {
            d_x.resize(layout.rows() * self.input, R::ZERO);
            self.input_gradient(&planes, d_x);
        }
        if !gradients.d_w_h.is_empty() {
            let mut buffers = std::mem::take(&mut self.buffers);
            self.add_gradients(segment, kept, &planes, &mut buffers, gradients);
            self.buffers = buffers;
        }
        (self.planes, self.work) = (planes, work);
    }
}

impl<R: Arithmetic, C: Cell> Recurrence<R, C> {
    fn pack_forward(packed: &mut ForwardWeights<R>, weights: &Weights<'_, R>, input: usize, h: usize) {
        let columns = C::GATES * h;
        let ForwardWeights { w_x, w_h, bias } = packed;
        w_h.resize_with(C::PRODUCTS.len(), Packed::default);
        let matrix =
            |values, k, gates| Matrix { values, k, gates, units: h, row_stride: columns, column_stride: 1 };
        let mut tasks = vec![(&mut *w_x, matrix(weights.w_x, input, C::GATES), Self::PLANES)];
        for (product, w_h) in C::PRODUCTS.iter().zip(w_h) {
            tasks.push((w_h, matrix(&weights.w_h[product.first_gate * h..], h, product.gates), Self::PLANES));
        }
        pack_all(tasks);

        let mut planes = vec![R::ZERO; Self::PLANES * h];
        planes[..columns].copy_from_slice(weights.b);
        for product in C::PRODUCTS.iter().filter(|_| C::RECURRENT_BIAS) {
            let width = product.gates * h;
            let bias = planes[product.plane * h..][..width].iter_mut();
            bias.zip(&weights.b_h[product.first_gate * h..]).for_each(|(to, b)| *to += *b);
        }
        bias.clear();
        for units in (0..w_x.groups()).map(|group| w_x.units_of(group)) {
            for plane in planes.chunks_exact(h) {
                bias.extend_from_slice(&plane[units.clone()]);
            }
        }
    }

    /// Packs what the backward pass needs, once after each change of the weights.
    fn transpose(&mut self, weights: &Weights<'_, R>, input: bool) {
        let (h, width, columns) = (self.hidden, self.input, C::GATES * self.hidden);
        let matrix =
            |values, k, units| Matrix { values, k, gates: 1, units, row_stride: 1, column_stride: columns };
        self.w_h_back.make(|w_h| {
            w_h.resize_with(C::PRODUCTS.len(), Packed::default);
            let of = |product: &cell::Product| {
                matrix(&weights.w_h[product.first_gate * h..], product.gates * h, h)
            };
            pack_all(C::PRODUCTS.iter().zip(w_h).map(|(product, w_h)| (w_h, of(product), 1)).collect());
        });
        if input {
            self.w_x_back.make(|w_x| pack_all(vec![(w_x, matrix(weights.w_x, columns, width), 1)]));
        }
    }

    fn take_work(&mut self, parts: usize) -> Vec<forward::Work<R>> {
        team::prepare(parts);
        let mut work = std::mem::take(&mut self.work);
        work.resize_with(parts.max(work.len()), forward::Work::default);
        work
    }

    fn threads(&self, layout: &Layout) -> usize {
        threads(layout, C::GATES * self.hidden, self.input + self.hidden)
    }
}

/// A thread's rows of a batch, and its part of the buffers.
struct Share<'a, R> {
    rows: Range<usize>,
    planes: Part<'a, R>,
    /// The states of every step; backward, the gradients of the last ones, `[rows, H]` each.
    states: [Part<'a, R>; MAX_STATES],
    work: &'a mut forward::Work<R>,
}

/// Packs matrices into their places for cells of so many planes, on threads if they are large.
fn pack_all<R: Arithmetic>(mut tasks: Vec<(&mut Packed<R>, Matrix<'_, R>, usize)>) {
    let values: usize = tasks.iter().map(|(_, matrix, _)| matrix.k * matrix.gates * matrix.units).sum();
    let threads = if values < PARALLEL_FROM { 1 } else { rayon::current_num_threads() };
    team::each(threads, &mut tasks, |(packed, matrix, planes)| packed.pack(*matrix, *planes));
}

/// The threads that a batch's rows are shared out to, by [`Layout::cuts`], where every row is a product of `width`
/// values with `columns` columns: all of the current rayon pool, or one where that would cost more than it gives.
pub fn threads(layout: &Layout, columns: usize, width: usize) -> usize {
    let work = layout.rows() * columns * width;
    if work < PARALLEL_FROM || layout.batch() < 2 { 1 } else { rayon::current_num_threads() }
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

/// The states before a step, with rows that begin anew set to zero.
#[derive(Clone, Debug)]
struct Before<R> {
    copies: [Vec<R>; MAX_STATES],
}

impl<R> Default for Before<R> {
    fn default() -> Self {
        Before { copies: Default::default() }
    }
}

impl<R: Arithmetic> Before<R> {
    fn after_resets<'a>(
        &'a mut self,
        prev: [&'a [R]; MAX_STATES],
        marks: Option<&[bool]>,
        count: usize,
        hidden: usize,
    ) -> [&'a [R]; MAX_STATES] {
        let Some(marks) = marks.map(|marks| &marks[..count]).filter(|marks| marks.contains(&true)) else {
            return prev;
        };
        for (copy, prev) in self.copies.iter_mut().zip(prev).filter(|(_, prev)| !prev.is_empty()) {
            copy.clear();
            copy.extend_from_slice(&prev[..count * hidden]);
            for (b, _) in marks.iter().enumerate().filter(|(_, mark)| **mark) {
                copy[b * hidden..(b + 1) * hidden].fill(R::ZERO);
            }
        }
        self.copies.each_ref().map(|copy| &copy[..])
    }
}
