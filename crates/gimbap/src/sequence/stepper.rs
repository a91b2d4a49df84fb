//! One step of one sequence: the product of `x_t` and `h_{t-1}` with the weights and the cell's arithmetic in one
//! pass through vector code.
//!
//! A step is bound by reading the weights, so these lie on a [`Tape`] in the order in which they are read: for each
//! tile of units the biases of its planes, then the columns of all its gates side by side, row by row of `W_x`, then
//! of `W_h`. The sums of a tile stay in registers until the cell has made the tile's new state of them. Tiles are
//! walked up on one step and down on the next, so that what the cache still holds is read first; no output depends on
//! another tile, so the direction changes no bit.
//!
//! A cell with many weights is shared out to a few threads ([`team`]), each with the tape of its own units, which stays
//! in its own cache. No output depends on another part either.
//!
//! What a weight is ([`Format`]) is the product's affair: a cell sees planes.

use std::marker::PhantomData;
use std::ops::Range;

use gimbap_kernels::linear::{Block, Engine, Format, Reader, Row, RowBuffer, RowKernel, RowToken, Tape};
use gimbap_kernels::{Arithmetic, team};

use super::{Input, Segment, State, Weights};
use crate::cell::{Cell, Planes, Product, Stage};
use crate::derived::Derived;
use crate::layer::take;

/// A [`Stepper`] of any cell and format.
pub trait Step<R>: Send + Sync + std::fmt::Debug {
    /// Another one with the same packed weights.
    fn another(&self) -> Box<dyn Step<R>>;

    /// The weights have changed: they are to be packed anew.
    fn renew(&mut self);

    /// Takes the weights, unless it has them. Steps have dense input if `dense`, else one-hot; they are shared out to
    /// threads that have `share` weights each, or more.
    fn pack(&mut self, weights: &Weights<'_, R>, dense: bool, share: usize);

    /// One step, after [`Step::pack`]. Allocates nothing after the first.
    fn step(&mut self, step: &mut Moment<'_, R>);

    /// Bytes of weights that a step reads.
    fn weight_bytes(&self) -> usize;

    /// All steps of a batch, sequence by sequence within each step; as [`super::Run::forward`], without masks.
    fn forward(&mut self, segment: &Segment<'_, R>, state: &mut State<R>, h: &mut Vec<R>)
    where
        R: Arithmetic,
    {
        let Segment { ref weights, layout, x, .. } = *segment;
        let [h_state, c_state] = &mut state.0;
        let hidden = h_state.len() / layout.batch().max(1);
        h.resize(layout.rows() * hidden, R::ZERO);
        for t in 0..layout.steps() {
            for (b, row) in layout.rows_of(t..t + 1).enumerate() {
                let units = b * hidden..(b + 1) * hidden;
                let h_prev = &mut h_state[units.clone()];
                let c = if c_state.is_empty() { &mut [] } else { &mut c_state[units] };
                if layout.resets(t).is_some_and(|marks| marks[b]) {
                    h_prev.fill(R::ZERO);
                    c.fill(R::ZERO);
                }
                let x = match x {
                    Input::Dense(x) => {
                        let width = x.len() / layout.rows();
                        Entry::Dense(&x[row * width..(row + 1) * width])
                    }
                    Input::OneHot { ids, .. } => Entry::Row(weights.row(ids[row])),
                };
                let h_next = &mut h[row * hidden..(row + 1) * hidden];
                self.step(&mut Moment { x, h: h_prev, c, h_next });
                h_prev.copy_from_slice(h_next);
            }
        }
    }
}

/// `x_t`.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a, R> {
    /// `[I]`.
    Dense(&'a [R]),
    /// Of one-hot input, its product: a row of `W_x`, `[G H]`.
    Row(&'a [R]),
}

/// What a step takes and gives.
#[derive(Debug)]
pub struct Moment<'a, R> {
    /// The input.
    pub x: Entry<'a, R>,
    /// `h_{t-1}` `[H]`.
    pub h: &'a [R],
    /// `c_{t-1}`, then `c_t` `[H]`; empty for cells without one.
    pub c: &'a mut [R],
    /// `h_t` `[H]`.
    pub h_next: &'a mut [R],
}

/// A cell that runs step by step, with weights in the format `F`; see the [module](self).
#[derive(Debug)]
pub struct Stepper<R, C, F> {
    cell: C,
    input: usize,
    hidden: usize,
    tapes: Derived<Tapes>,
    /// One for each part.
    work: Vec<Work<R>>,
    down: bool,
    /// Two-stage cells: the second product's operand `[H]`.
    operand: Vec<R>,
    format: PhantomData<F>,
}

impl<R, C: Copy, F> Clone for Stepper<R, C, F> {
    fn clone(&self) -> Self {
        Stepper {
            cell: self.cell,
            input: self.input,
            hidden: self.hidden,
            tapes: self.tapes.clone(),
            work: Vec::new(),
            down: false,
            operand: Vec::new(),
            format: PhantomData,
        }
    }
}

/// The weights of a cell, and the instruction set that they lie in order for.
#[derive(Debug, Default)]
struct Tapes {
    engine: Option<Engine>,
    /// One, or one for each thread that takes part.
    parts: Vec<Part>,
}

/// The units of one thread.
#[derive(Debug, Default)]
struct Part {
    units: Range<usize>,
    first: Tape,
    /// Where the tile of a vector begins on either tape.
    starts: Vec<[usize; 2]>,
    /// Two-stage cells: the blocks of the second product.
    second: Tape,
    /// Two-stage cells: the numbers in [`Work::planes`].
    planes: usize,
}

/// What a thread writes in a step.
#[derive(Debug)]
struct Work<R> {
    buffers: [RowBuffer; 2],
    /// Two-stage cells: what the first stage leaves for the second, all planes of a vector of units side by side.
    planes: Vec<R>,
}

/// The most threads that share a step.
const MOST_PARTS: usize = 4;

/// A thread's share of the weights in a stream, whose threads may sleep between two steps: fewer are read sooner than
/// another thread wakes up.
pub const STREAM_SHARE: usize = 1 << 17;

/// A thread's share of the weights in a sequence, whose threads stay awake.
pub const SEQUENCE_SHARE: usize = 1 << 15;

/// Units come in whole vectors of any instruction set.
const VECTOR: usize = 16;

/// A part and its share of a step.
struct Share<'a, R> {
    part: &'a Part,
    work: &'a mut Work<R>,
    moment: Moment<'a, R>,
    operand: &'a mut [R],
}

/// Shares a step out. `operand` may be empty.
fn shares<'a, R: Copy>(
    parts: &'a [Part],
    work: &'a mut [Work<R>],
    step: &'a mut Moment<'_, R>,
    mut operand: &'a mut [R],
) -> [Option<Share<'a, R>>; MOST_PARTS] {
    let Moment { x, h, c, h_next } = step;
    let (mut c, mut h_next) = (&mut c[..], &mut h_next[..]);
    let mut shares = [const { None }; MOST_PARTS];
    for ((share, part), work) in shares.iter_mut().zip(parts).zip(work) {
        let units = part.units.len();
        let front = |rest: &mut &'a mut [R]| take(rest, units.min(rest.len()));
        let moment = Moment { x: *x, h, c: front(&mut c), h_next: front(&mut h_next) };
        *share = Some(Share { moment, operand: front(&mut operand), part, work });
    }
    shares
}

/// Which columns of a product feed which planes.
struct Feed {
    gates: [usize; Self::MOST],
    planes: [usize; Self::MOST],
    len: usize,
}

impl Feed {
    const MOST: usize = 4;

    const fn input(gates: usize) -> Feed {
        let each = [0, 1, 2, 3];
        Feed { gates: each, planes: each, len: gates }
    }

    /// The products of the first or of the second stage.
    const fn hidden(products: &[Product], second: bool) -> Feed {
        let mut feed = Feed { gates: [0; Self::MOST], planes: [0; Self::MOST], len: 0 };
        let mut index = 0;
        while index < products.len() {
            let product = &products[index];
            let mut gate = 0;
            while matches!(product.stage, Stage::Operand { .. }) == second && gate < product.gates {
                feed.gates[feed.len] = product.first_gate + gate;
                feed.planes[feed.len] = product.plane + gate;
                feed.len += 1;
                gate += 1;
            }
            index += 1;
        }
        feed
    }

    /// The plane that the second stage is of.
    const fn operand(products: &[Product]) -> usize {
        let mut index = 0;
        while index < products.len() {
            if let Stage::Operand { plane } = products[index].stage {
                return plane;
            }
            index += 1;
        }
        0
    }
}

/// What is known of a cell before it runs.
struct Facts<C>(C);

impl<C: Cell> Facts<C> {
    const PLANES: usize = <C::Step<f64> as Planes<f64>>::COUNT;
    const STATES: usize = <C::State<f64> as Planes<f64>>::COUNT;
    const X: Feed = Feed::input(C::GATES);
    const FIRST: Feed = Feed::hidden(C::PRODUCTS, false);
    const SECOND: Feed = Feed::hidden(C::PRODUCTS, true);
    const OPERAND: usize = Feed::operand(C::PRODUCTS);
}

/// Vectors of units in a tile: as many sums at once as hide the latency of a multiply-add.
const fn tile_size<C: Cell, F: Format>() -> usize {
    match C::GATES {
        1 => F::SUMS,
        3 => 2,
        _ => F::SUMS / 4,
    }
}

impl<R: Arithmetic, C: Cell, F: Format> Stepper<R, C, F> {
    /// For `input` features and `hidden` units.
    pub fn new(cell: C, input: usize, hidden: usize) -> Self {
        Stepper {
            cell,
            input,
            hidden,
            tapes: Derived::default(),
            work: Vec::new(),
            down: false,
            operand: Vec::new(),
            format: PhantomData,
        }
    }
}

impl<R: Arithmetic, C: Cell + std::fmt::Debug + 'static, F: Format> Step<R> for Stepper<R, C, F> {
    fn another(&self) -> Box<dyn Step<R>> {
        Box::new(self.clone())
    }

    fn renew(&mut self) {
        self.tapes.renew();
    }

    fn pack(&mut self, weights: &Weights<'_, R>, dense: bool, share: usize) {
        let (hidden, input) = (self.hidden, if dense { self.input } else { 0 });
        self.tapes.make(|tapes| {
            let engine = Engine::active(hidden);
            let weighs = (input + hidden) * C::GATES * hidden;
            let vectors = hidden.div_ceil(VECTOR);
            let most = rayon::current_num_threads().min(MOST_PARTS).min(vectors);
            let parts = (weighs / share).clamp(1, most);
            let cut = |part: usize| (part * vectors / parts * VECTOR).min(hidden);
            tapes.engine = Some(engine);
            tapes.parts.resize_with(parts, Part::default);
            for (index, part) in tapes.parts.iter_mut().enumerate() {
                part.units = cut(index)..cut(index + 1);
                R::run_row(engine, Pack::<R, C, F> { part, weights, input, hidden, kind: PhantomData });
            }
        });
    }

    fn step(&mut self, step: &mut Moment<'_, R>) {
        self.down = !self.down;
        let Stepper { cell, hidden, tapes, work, operand, down, .. } = self;
        let (cell, down, format) = (*cell, *down, PhantomData::<F>);
        let Tapes { engine: Some(engine), parts } = tapes.get() else { return };
        let (engine, count) = (*engine, parts.len());
        let two_stages = Facts::<C>::SECOND.len > 0;
        if work.len() != count {
            let of = |part: &Part| Work { buffers: Default::default(), planes: vec![R::ZERO; part.planes] };
            *work = parts.iter().map(of).collect();
            operand.resize(if two_stages { *hidden } else { 0 }, R::ZERO);
            team::prepare(count);
        }
        if let ([part], [work]) = (&parts[..], &mut work[..]) {
            R::run_row(engine, &mut First { cell, part, work, step, operand, down, format });
            if two_stages {
                R::run_row(engine, &mut Second { cell, part, work, step, operand, down, format });
            }
            return;
        }
        team::run(&mut shares(parts, work, step, operand)[..count], |share| {
            if let Some(Share { part, work, moment, operand }) = share {
                R::run_row(engine, &mut First { cell, part, work, step: moment, operand, down, format });
            }
        });
        if two_stages {
            team::run(&mut shares(parts, work, step, &mut [])[..count], |share| {
                if let Some(Share { part, work, moment, .. }) = share {
                    R::run_row(engine, &mut Second { cell, part, work, step: moment, operand, down, format });
                }
            });
        }
    }

    fn weight_bytes(&self) -> usize {
        let parts = self.tapes.made().map_or(&[][..], |tapes| &tapes.parts);
        parts.iter().map(|part| part.first.len() + part.second.len()).sum()
    }
}

/// A vector of units in a tile, of a part's units.
#[derive(Clone, Copy)]
struct Tile {
    /// The number of the first vector.
    vector: usize,
    /// Vectors.
    count: usize,
}

/// The tiles of `vectors` vectors, `most` (a power of two) to a tile, the rest in smaller powers of two; up, or down
/// from the end.
struct Tiles {
    vectors: usize,
    most: usize,
    all: usize,
    done: usize,
    down: bool,
}

impl Tiles {
    #[inline(always)]
    fn new(vectors: usize, most: usize, down: bool) -> Tiles {
        let all = vectors / most + (vectors % most).count_ones() as usize;
        Tiles { vectors, most, all, done: 0, down }
    }
}

impl Iterator for Tiles {
    type Item = Tile;
    #[inline(always)]
    fn next(&mut self) -> Option<Tile> {
        if self.done == self.all {
            return None;
        }
        let number = if self.down { self.all - 1 - self.done } else { self.done };
        self.done += 1;
        let whole = self.vectors / self.most;
        let mut tile = Tile { vector: number.min(whole) * self.most, count: self.most };
        for _ in whole..=number {
            tile.vector += tile.count % self.most;
            tile.count = 1 << (self.vectors - tile.vector).ilog2();
        }
        Some(tile)
    }
}

/// Writes the tapes of a part.
struct Pack<'a, R, C, F> {
    part: &'a mut Part,
    weights: &'a Weights<'a, R>,
    /// 0 with one-hot input.
    input: usize,
    hidden: usize,
    kind: PhantomData<(C, F)>,
}

impl<R: Arithmetic, C: Cell, F: Format> RowKernel<R> for Pack<'_, R, C, F> {
    fn call<T: RowToken<Elem = R>>(self, _: T) {
        let Pack { part, weights, input, hidden, .. } = self;
        let vectors = part.units.len().div_ceil(T::WIDTH);
        let columns = C::GATES * hidden;
        let second = Facts::<C>::SECOND.len > 0;
        part.planes = if second { vectors * Facts::<C>::PLANES * T::WIDTH } else { 0 };
        part.first.clear();
        part.second.clear();
        part.starts.clear();
        part.starts.resize(vectors, [0; 2]);
        let mut values = Vec::new();
        for Tile { vector, count } in Tiles::new(vectors, const { tile_size::<C, F>() }, false) {
            part.starts[vector] = [part.first.len(), part.second.len()];
            let units = part.units.start + vector * T::WIDTH..;
            let lanes = || units.clone().take(count * T::WIDTH);
            let mut bias = vec![R::ZERO; count * Facts::<C>::PLANES * T::WIDTH];
            for (lane, unit) in lanes().enumerate().filter(|(_, unit)| part.units.contains(unit)) {
                let (vector, lane) = (lane / T::WIDTH, lane % T::WIDTH);
                let to = |plane: usize| (vector * Facts::<C>::PLANES + plane) * T::WIDTH + lane;
                for gate in 0..C::GATES {
                    bias[to(gate)] = weights.b[gate * hidden + unit];
                }
                if C::RECURRENT_BIAS {
                    let feed = Facts::<C>::FIRST;
                    for (gate, plane) in feed.gates.into_iter().zip(feed.planes).take(feed.len) {
                        bias[to(plane)] += weights.b_h[gate * hidden + unit];
                    }
                }
            }
            part.first.write_values(&bias);
            let mut block = |w: &[R], k: usize, feed: Feed, tape: &mut Tape| {
                values.clear();
                for row in w.chunks_exact(columns).take(k) {
                    for vector in 0..count {
                        for &gate in &feed.gates[..feed.len] {
                            for unit in units.clone().skip(vector * T::WIDTH).take(T::WIDTH) {
                                let inside = part.units.contains(&unit);
                                values.push(if inside { row[gate * hidden + unit] } else { R::ZERO });
                            }
                        }
                    }
                }
                let width = count * feed.len * T::WIDTH;
                tape.write_block::<F, T>(Block { values: &values, k, width });
            };
            if input > 0 {
                block(weights.w_x, input, Facts::<C>::X, &mut part.first);
            }
            block(weights.w_h, hidden, Facts::<C>::FIRST, &mut part.first);
            if second {
                block(weights.w_h, hidden, Facts::<C>::SECOND, &mut part.second);
            }
        }
    }
}

/// A step, or the first stage of one. `operand` is that of the part's units, as are the states of `step` but `h`.
struct First<'a, 's, R, C, F> {
    cell: C,
    part: &'a Part,
    work: &'a mut Work<R>,
    step: &'a mut Moment<'s, R>,
    operand: &'a mut [R],
    down: bool,
    format: PhantomData<F>,
}

impl<R: Arithmetic, C: Cell, F: Format> RowKernel<R> for &mut First<'_, '_, R, C, F> {
    #[inline(always)]
    fn call<T: RowToken<Elem = R>>(self, token: T) {
        let First { cell, part, work, step, operand, down, .. } = self;
        let Part { units, first: tape, starts, .. } = part;
        let Work { buffers: [x_buffer, h_buffer], planes } = work;
        let x = match step.x {
            Entry::Dense(x) => Ok(F::row(token, x, x_buffer)),
            Entry::Row(row) => Err(row),
        };
        let h = F::row(token, step.h, h_buffer);
        let vectors = units.len().div_ceil(T::WIDTH);
        for tile in Tiles::new(vectors, const { tile_size::<C, F>() }, *down) {
            let reader = tape.read(starts[tile.vector][0]);
            let place = Place { vector: tile.vector, units: units.clone() };
            macro_rules! run {
                ($u:literal) => {
                    place.first::<T, R, C, F, $u>(token, *cell, reader, (x, h), step, planes, operand)
                };
            }
            match tile.count {
                1 => run!(1),
                2 if const { tile_size::<C, F>() >= 2 } => run!(2),
                4 if const { tile_size::<C, F>() >= 4 } => run!(4),
                8 if const { tile_size::<C, F>() >= 8 } => run!(8),
                _ => unreachable!("a tile of another size"),
            }
        }
    }
}

/// The second stage.
struct Second<'a, 's, R, C, F> {
    cell: C,
    part: &'a Part,
    work: &'a mut Work<R>,
    /// `[H]`.
    operand: &'a [R],
    step: &'a mut Moment<'s, R>,
    down: bool,
    format: PhantomData<F>,
}

impl<R: Arithmetic, C: Cell, F: Format> RowKernel<R> for &mut Second<'_, '_, R, C, F> {
    #[inline(always)]
    fn call<T: RowToken<Elem = R>>(self, token: T) {
        let Second { cell, part, work, operand, step, down, .. } = self;
        let Part { units, second: tape, starts, .. } = part;
        let Work { buffers: [buffer, _], planes } = work;
        let q = F::row(token, operand, buffer);
        let vectors = units.len().div_ceil(T::WIDTH);
        for tile in Tiles::new(vectors, const { tile_size::<C, F>() }, *down) {
            let reader = tape.read(starts[tile.vector][1]);
            let place = Place { vector: tile.vector, units: units.clone() };
            macro_rules! run {
                ($u:literal) => {
                    place.second::<T, R, C, F, $u>(token, *cell, reader, q, step, planes)
                };
            }
            match tile.count {
                1 => run!(1),
                2 if const { tile_size::<C, F>() >= 2 } => run!(2),
                4 if const { tile_size::<C, F>() >= 4 } => run!(4),
                8 if const { tile_size::<C, F>() >= 8 } => run!(8),
                _ => unreachable!("a tile of another size"),
            }
        }
    }
}

/// Where a tile lies among the units of a part.
struct Place {
    vector: usize,
    units: Range<usize>,
}

impl Place {
    /// The units of the tile's vector `u`, counted from the part's first.
    #[inline(always)]
    fn lanes(&self, u: usize, width: usize) -> Range<usize> {
        let start = (self.vector + u) * width;
        start..(start + width).min(self.units.len())
    }

    /// The states before of the tile's vector `u`.
    #[inline(always)]
    fn before<T: RowToken<Elem = R>, R: Arithmetic, P: Planes<T::V>>(
        &self,
        token: T,
        u: usize,
        moment: &Moment<'_, R>,
    ) -> P {
        let Range { start, end } = self.lanes(u, T::WIDTH);
        let mut values = P::splat(token.load(&moment.h[self.units.start + start..self.units.start + end]));
        if P::COUNT > 1 {
            values.values_mut()[1] = token.load(&moment.c[start..end]);
        }
        values
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // each is a buffer of its own, with an owner of its own
    fn first<T: RowToken<Elem = R>, R: Arithmetic, C: Cell, F: Format, const U: usize>(
        &self,
        token: T,
        cell: C,
        mut reader: Reader<'_>,
        (x, h): (Result<Row<'_, R>, &[R]>, Row<'_, R>),
        moment: &mut Moment<'_, R>,
        planes: &mut [R],
        operand: &mut [R],
    ) {
        let mut sums = [C::Step::<T::V>::splat(token.splat(R::ZERO)); U];
        for sums in &mut sums {
            for sum in sums.values_mut() {
                *sum = reader.load(token);
            }
        }
        match x {
            Ok(x) => add::<T, C::Step<T::V>, F, U>(token, &mut reader, x, &Facts::<C>::X, &mut sums),
            Err(row) => {
                for (u, sums) in sums.iter_mut().enumerate() {
                    let Range { start, end } = self.lanes(u, T::WIDTH);
                    let hidden = row.len() / C::GATES;
                    for gate in 0..C::GATES {
                        let row = &row[gate * hidden + self.units.start..];
                        let sum = &mut sums.values_mut()[gate];
                        *sum = *sum + token.load(&row[start..end]);
                    }
                }
            }
        }
        add::<T, C::Step<T::V>, F, U>(token, &mut reader, h, &Facts::<C>::FIRST, &mut sums);
        if Facts::<C>::SECOND.len == 0 {
            return self.finish::<T, R, C, U>(token, cell, sums, moment);
        }
        for (u, step) in sums.into_iter().enumerate() {
            let step = cell.operand(step, self.before(token, u, moment));
            token.store(&mut operand[self.lanes(u, T::WIDTH)], step.values()[Facts::<C>::OPERAND]);
            let at = (self.vector + u) * Facts::<C>::PLANES;
            for (plane, &value) in step.values().iter().enumerate() {
                token.store(&mut planes[(at + plane) * T::WIDTH..][..T::WIDTH], value);
            }
        }
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)] // as above
    fn second<T: RowToken<Elem = R>, R: Arithmetic, C: Cell, F: Format, const U: usize>(
        &self,
        token: T,
        cell: C,
        mut reader: Reader<'_>,
        q: Row<'_, R>,
        moment: &mut Moment<'_, R>,
        planes: &[R],
    ) {
        let mut sums = [C::Step::<T::V>::splat(token.splat(R::ZERO)); U];
        for (u, sums) in sums.iter_mut().enumerate() {
            let at = (self.vector + u) * Facts::<C>::PLANES;
            for (plane, sum) in sums.values_mut().iter_mut().enumerate() {
                *sum = token.load(&planes[(at + plane) * T::WIDTH..][..T::WIDTH]);
            }
        }
        add::<T, C::Step<T::V>, F, U>(token, &mut reader, q, &Facts::<C>::SECOND, &mut sums);
        self.finish::<T, R, C, U>(token, cell, sums, moment);
    }

    /// The cell's arithmetic, and the states after.
    #[inline(always)]
    fn finish<T: RowToken<Elem = R>, R: Arithmetic, C: Cell, const U: usize>(
        &self,
        token: T,
        cell: C,
        sums: [C::Step<T::V>; U],
        moment: &mut Moment<'_, R>,
    ) {
        for (u, step) in sums.into_iter().enumerate() {
            let (state, _) = cell.forward(step, self.before(token, u, moment));
            let lanes = self.lanes(u, T::WIDTH);
            token.store(&mut moment.h_next[lanes.clone()], state.values()[0]);
            if Facts::<C>::STATES > 1 {
                token.store(&mut moment.c[lanes], state.values()[1]);
            }
        }
    }
}

/// Adds the product of `row` with the tape's next block to the planes that it feeds.
#[inline(always)]
fn add<T: RowToken, P: Planes<T::V>, F: Format, const U: usize>(
    token: T,
    reader: &mut Reader<'_>,
    row: Row<'_, T::Elem>,
    feed: &Feed,
    sums: &mut [P; U],
) {
    macro_rules! of {
        ($n:literal) => {{
            let mut flat = [token.splat(<T::Elem as gimbap_kernels::Real>::ZERO); $n];
            for u in 0..U {
                for gate in 0..feed.len {
                    flat[u * feed.len + gate] = sums[u].values()[feed.planes[gate]];
                }
            }
            reader.accumulate::<F, T, $n>(token, row, &mut flat);
            for u in 0..U {
                for gate in 0..feed.len {
                    sums[u].values_mut()[feed.planes[gate]] = flat[u * feed.len + gate];
                }
            }
        }};
    }
    match U * feed.len {
        1 => of!(1),
        2 => of!(2),
        3 => of!(3),
        4 => of!(4),
        6 => of!(6),
        _ => of!(8),
    }
}

#[cfg(test)]
mod tests {
    use super::Tiles;

    #[test]
    fn tiles_cover_all_vectors_up_and_down() {
        for most in [1, 2, 4, 8] {
            for vectors in 0..40 {
                let up: Vec<_> = Tiles::new(vectors, most, false).map(|t| (t.vector, t.count)).collect();
                let mut down: Vec<_> = Tiles::new(vectors, most, true).map(|t| (t.vector, t.count)).collect();
                down.reverse();
                assert_eq!(up, down);
                let mut next = 0;
                for (vector, count) in up {
                    assert!(vector == next && count <= most && count.is_power_of_two());
                    next += count;
                }
                assert_eq!(next, vectors);
            }
        }
    }
}
