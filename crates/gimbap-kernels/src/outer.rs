//! Weight gradients: sums of outer products over all rows of a batch, `dW += sum_r a_r^T b_r`.
//!
//! The right operand `b` is the same for all of a layer's gradients, the left ones are its inputs, its states, and one
//! for the bias. Rows are taken in *chunks*: a chunk's columns of `b` are copied into panels, its left operands side by
//! side into rows, both small enough for the cache near the core. A chunk's sum is one chain of multiply-adds in the
//! order of its rows, from zero, and is then added to what is there (a one-hot row is added at once): the bits depend on
//! the chunks alone, not on how columns and rows of the outputs are shared out to threads.

use std::marker::PhantomData;
use std::ops::Range;

use crate::isa::Kernel;
use crate::lanes::{Lanes, Token};
use crate::{Arithmetic, Real, team};

/// Rows in a chunk, at most.
pub const CHUNK: usize = 256;

/// Panels of columns that a task takes: stretches of a row long enough to be fetched ahead.
const PANELS: usize = 4;

/// Rows of the outputs whose left operands are copied at once.
const BLOCK: usize = 384;

/// Calls below this many multiply-adds stay on the calling thread.
const PARALLEL_FROM: usize = 1 << 17;

/// The rows of a left operand, one for each row of the right one.
#[derive(Clone, Copy, Debug)]
pub enum Left<'a, R> {
    /// `[N, m]`.
    Matrix(&'a [R]),
    /// `N` rows `[m]`; an empty one is zero.
    Rows(&'a [&'a [R]]),
    /// Always one; `m` is 1.
    One,
    /// Row `i` is zero but for `scale[i]` (1 without it) at place `ids[i]`.
    OneHot {
        /// `[N]`.
        ids: &'a [u32],
        /// `[N]`.
        scale: Option<&'a [R]>,
    },
}

/// A matrix of gradients `[m, columns]`, which several sums may add to, each to columns of its own.
#[derive(Debug)]
pub struct Output<'a, R> {
    data: *mut R,
    m: usize,
    columns: usize,
    lifetime: PhantomData<&'a mut [R]>,
}

impl<'a, R> Output<'a, R> {
    /// The rows of `data`, each of `columns` values.
    pub fn new(data: &'a mut [R], columns: usize) -> Self {
        let m = data.len().checked_div(columns).unwrap_or(0);
        Output { data: data.as_mut_ptr(), m, columns, lifetime: PhantomData }
    }

    /// # Safety
    /// No other borrow of these columns of this row may be alive.
    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, row: usize, columns: Range<usize>) -> &mut [R] {
        assert!(row < self.m && columns.end <= self.columns, "outside the output");
        // SAFETY: inside the borrowed slice by the assertion; alone by the caller's promise.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.data.add(row * self.columns + columns.start),
                columns.end - columns.start,
            )
        }
    }
}

/// A left operand and where its products go: to the output's columns from `column` on.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a, R> {
    /// The left operand.
    pub left: Left<'a, R>,
    /// The gradients, as many rows as the left operand is wide.
    pub output: &'a Output<'a, R>,
    /// The output's first column.
    pub column: usize,
}

/// Some columns of the right operand, and all that they are multiplied with.
#[derive(Clone, Debug)]
pub struct Sum<'a, R> {
    /// Columns of the right operand.
    pub columns: Range<usize>,
    /// What they make.
    pub terms: Vec<Term<'a, R>>,
}

/// Adds every sum to its outputs, over the rows of `right` (rows begin `right_stride` apart) in the order of `chunks`.
/// `buffers` are for the threads; whoever keeps them saves making them again.
///
/// # Panics
/// If a chunk has more than [`CHUNK`] rows, two terms share columns of an output, or anything lies outside its slice.
pub fn add_outer_products<R: Arithmetic>(
    buffers: &mut Buffers<R>,
    (right, right_stride): (&[R], usize),
    chunks: &[Range<usize>],
    sums: &[Sum<'_, R>],
) {
    assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK), "a chunk has at most {CHUNK} rows");
    let mut places: Vec<_> = sums
        .iter()
        .flat_map(|sum| sum.terms.iter().map(|term| (term.output.data, term.column, sum.columns.len())))
        .collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        assert!(pair[0].0 != pair[1].0 || pair[0].1 + pair[0].2 <= pair[1].1, "two terms for one place");
    }

    let rows: usize = chunks.iter().map(Range::len).sum();
    let work: usize = sums.iter().map(|sum| rows * sum.work()).sum();
    let threads = if work < PARALLEL_FROM { 1 } else { rayon::current_num_threads() };
    // About two tasks for each thread: columns are cut into stretches no wider than the panels, and then the outputs'
    // rows are shared.
    let wanted = if threads == 1 { 1 } else { 2 * threads };
    let mut tasks = Vec::new();
    for sum in sums {
        let stretches = sum.columns.len().div_ceil(PANELS * R::panel());
        let width = sum.columns.len().div_ceil(stretches).next_multiple_of(R::panel() / 2);
        let shares =
            (rows * sum.work() * wanted).div_ceil(work.max(1)).div_ceil(stretches).min(sum.rows().max(1));
        for first in sum.columns.clone().step_by(width) {
            for share in 0..shares {
                let columns = first..(first + width).min(sum.columns.end);
                tasks.push(Task { right, right_stride, chunks, sum, columns, share: (share, shares) });
            }
        }
    }
    let buffers = &mut buffers.0;
    buffers.resize_with(threads.max(buffers.len()), Buffer::default);
    team::each_with(&mut buffers[..threads], tasks, |buffer, task| R::outer(Outer { task: &task, buffer }));
}

impl<R: Real> Sum<'_, R> {
    /// About the multiply-adds for a row of the right operand.
    fn work(&self) -> usize {
        self.columns.len() * (self.rows() + 3)
    }

    fn rows(&self) -> usize {
        self.terms.iter().map(Term::rows).sum()
    }
}

/// Some columns of a sum, and a share of its outputs' rows.
#[doc(hidden)]
pub struct Task<'a, R> {
    right: &'a [R],
    right_stride: usize,
    chunks: &'a [Range<usize>],
    sum: &'a Sum<'a, R>,
    columns: Range<usize>,
    share: (usize, usize),
}

// SAFETY: a task reads what it borrows, and writes only the places of its outputs that `add_outer_products`, which holds
// their one borrow, gave to it alone.
unsafe impl<R: Send + Sync> Send for Task<'_, R> {}

/// The memory of [`add_outer_products`].
#[derive(Clone, Debug, Default)]
pub struct Buffers<R>(Vec<Buffer<R>>);

/// Copies that lie well in the cache, and what has been summed.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Buffer<R> {
    /// `[CHUNK, stride]`.
    left: Vec<R>,
    /// Rows that lie apart by a power of two would share few lines of the cache.
    stride: usize,
    /// `[panels, CHUNK, panel]`.
    right: Vec<R>,
    /// `[panels, rows of the share, panel]`.
    sums: Vec<R>,
}

/// At least so many values, of an earlier use.
fn at_least<R: Real>(values: &mut Vec<R>, count: usize) {
    values.resize(count.max(values.len()), R::ZERO);
}

#[doc(hidden)]
pub struct Outer<'a, R> {
    task: &'a Task<'a, R>,
    buffer: &'a mut Buffer<R>,
}

impl<R: Arithmetic> Kernel<R> for Outer<'_, R> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        self.task.run(token, self.buffer);
    }
}

impl<R: Arithmetic> Task<'_, R> {
    #[inline(always)]
    fn run<T: Token<Elem = R>>(&self, token: T, buffer: &mut Buffer<R>) {
        let width = T::PANEL * T::WIDTH;
        let total = self.sum.rows();
        let (share, shares) = self.share;
        let rows = total * share / shares..total * (share + 1) / shares;
        let panels = self.columns.len().div_ceil(width);
        let stride = rows.len().min(BLOCK).next_multiple_of(16) + 16;
        buffer.stride = stride;
        at_least(&mut buffer.left, CHUNK * stride);
        at_least(&mut buffer.right, panels * CHUNK * width);
        at_least(&mut buffer.sums, panels * rows.len() * width);
        self.exchange(&rows, width, &mut buffer.sums, |output, sums| sums.copy_from_slice(output));
        for chunk in self.chunks {
            self.copy_right(token, chunk, &mut buffer.right);
            let mut done = 0;
            for first in rows.clone().step_by(BLOCK) {
                let block = first..(first + BLOCK).min(rows.end);
                self.copy_left(chunk, &block, buffer);
                for panel in 0..panels {
                    let vectors = (self.columns.len() - panel * width).min(width).div_ceil(T::WIDTH);
                    let right = &buffer.right[panel * CHUNK * width..];
                    let sums = &mut buffer.sums[(panel * rows.len() + done) * width..];
                    let left = (&buffer.left[..chunk.len() * stride], stride);
                    multiply(token, left, block.len(), (right, vectors), sums);
                }
                done += block.len();
            }
            if share == 0 {
                self.one_hot(token, chunk);
            }
        }
        self.exchange(&rows, width, &mut buffer.sums, |output, sums| output.copy_from_slice(sums));
    }
}

impl<R: Real> Term<'_, R> {
    /// The rows of the output, but of a one-hot operand, which is not copied.
    fn rows(&self) -> usize {
        if let Left::OneHot { .. } = self.left { 0 } else { self.output.m }
    }
}

impl<R: Real> Task<'_, R> {
    /// The terms that have some of the rows, with their rows and where these lie in `rows`.
    fn parts(&self, rows: &Range<usize>) -> impl Iterator<Item = (&Term<'_, R>, Range<usize>, usize)> {
        let mut before = 0;
        self.sum.terms.iter().filter_map(move |term| {
            let start = before;
            before += term.rows();
            let (first, last) = (rows.start.max(start), rows.end.min(before));
            (first < last).then(|| (term, first - start..last - start, first - rows.start))
        })
    }

    /// Hands the outputs' places and those of their sums to `copy`.
    fn exchange(&self, rows: &Range<usize>, width: usize, sums: &mut [R], copy: impl Fn(&mut [R], &mut [R])) {
        for (term, part, at) in self.parts(rows) {
            let column = term.column + self.columns.start - self.sum.columns.start;
            for (index, row) in part.enumerate() {
                // SAFETY: `add_outer_products` gave these columns and rows to this task alone.
                let output = unsafe { term.output.row(row, column..column + self.columns.len()) };
                for (panel, output) in output.chunks_mut(width).enumerate() {
                    let sums = &mut sums[(panel * rows.len() + at + index) * width..][..output.len()];
                    copy(output, sums);
                }
            }
        }
    }

    /// Copies the left operands of some of the outputs' rows side by side.
    fn copy_left(&self, chunk: &Range<usize>, rows: &Range<usize>, buffer: &mut Buffer<R>) {
        for (term, part, at) in self.parts(rows) {
            let m = term.output.m;
            let to = buffer.left.chunks_exact_mut(buffer.stride).map(|row| &mut row[at..at + part.len()]);
            match term.left {
                Left::Matrix(left) => {
                    for (to, from) in to.zip(left[chunk.start * m..chunk.end * m].chunks_exact(m)) {
                        to.copy_from_slice(&from[part.clone()]);
                    }
                }
                Left::Rows(left) => {
                    for (to, from) in to.zip(&left[chunk.clone()]) {
                        match from {
                            [] => to.fill(R::ZERO),
                            from => to.copy_from_slice(&from[part.clone()]),
                        }
                    }
                }
                Left::One => to.take(chunk.len()).for_each(|to| to.fill(R::ONE)),
                Left::OneHot { .. } => {}
            }
        }
    }

    /// Copies the columns of the right operand into panels, each of whole vectors, row after row.
    #[inline(always)]
    fn copy_right<T: Token<Elem = R>>(&self, token: T, chunk: &Range<usize>, panels: &mut [R]) {
        let width = T::PANEL * T::WIDTH;
        for (index, row) in chunk.clone().enumerate() {
            let from = &self.right[row * self.right_stride..][self.columns.clone()];
            for (to, from) in panels.chunks_exact_mut(CHUNK * width).zip(from.chunks(width)) {
                let stride = from.len().next_multiple_of(T::WIDTH);
                let to = to[index * stride..(index + 1) * stride].chunks_exact_mut(T::WIDTH);
                for (to, from) in to.zip(from.chunks(T::WIDTH)) {
                    token.store(to, token.load(from));
                }
            }
        }
    }

    /// Adds the rows of a one-hot operand's chunk, one after the other.
    #[inline(always)]
    fn one_hot<T: Token<Elem = R>>(&self, token: T, chunk: &Range<usize>) {
        for term in &self.sum.terms {
            let Left::OneHot { ids, scale } = term.left else { continue };
            let column = term.column + self.columns.start - self.sum.columns.start;
            for row in chunk.clone() {
                let from = &self.right[row * self.right_stride..][self.columns.clone()];
                let scale = token.splat(scale.map_or(R::ONE, |scale| scale[row]));
                // SAFETY: `add_outer_products` gave these columns to this task and its other shares, and of those only
                // the first comes here.
                let to = unsafe { term.output.row(ids[row] as usize, column..column + from.len()) };
                for (to, from) in to.chunks_mut(T::WIDTH).zip(from.chunks(T::WIDTH)) {
                    token.store(to, scale.mul_add(token.load(from), token.load(to)));
                }
            }
        }
    }
}

/// `sums [rows, panel] += left^T right`, for the rows of one chunk.
#[inline(always)]
fn multiply<T: Token>(
    token: T,
    (left, stride): (&[T::Elem], usize),
    rows: usize,
    (right, vectors): (&[T::Elem], usize),
    sums: &mut [T::Elem],
) {
    let mut row = 0;
    for tiles in (1..=rows.div_ceil(T::ROWS)).rev() {
        let count = (rows - row).div_ceil(tiles);
        let tile = Tile { left: &left[row..], stride, right, sums: &mut sums[row * T::PANEL * T::WIDTH..] };
        match count {
            1 => tile.rows::<T, 1>(token, vectors),
            2 => tile.rows::<T, 2>(token, vectors),
            3 => tile.rows::<T, 3>(token, vectors),
            4 if T::ROWS > 3 => tile.rows::<T, 4>(token, vectors),
            5 if T::ROWS > 3 => tile.rows::<T, 5>(token, vectors),
            _ if T::ROWS > 3 => tile.rows::<T, 6>(token, vectors),
            _ => unreachable!("no more than T::ROWS rows"),
        }
        row += count;
    }
}

/// Up to `T::ROWS` rows of a panel of the outputs.
struct Tile<'a, R> {
    left: &'a [R],
    stride: usize,
    right: &'a [R],
    sums: &'a mut [R],
}

impl<R: Real> Tile<'_, R> {
    #[inline(always)]
    fn rows<T: Token<Elem = R>, const M: usize>(self, token: T, vectors: usize) {
        match vectors {
            1 => self.run::<T, M, 1>(token),
            2 => self.run::<T, M, 2>(token),
            3 => self.run::<T, M, 3>(token),
            _ => self.run::<T, M, 4>(token),
        }
    }

    #[inline(always)]
    fn run<T: Token<Elem = R>, const M: usize, const V: usize>(self, token: T) {
        let zero = token.splat(R::ZERO);
        let mut sums = [[zero; V]; M];
        for (left, right) in self.left.chunks(self.stride).zip(self.right.chunks_exact(V * T::WIDTH)) {
            let mut w = [zero; V];
            for (v, w) in w.iter_mut().enumerate() {
                *w = token.load(&right[v * T::WIDTH..]);
            }
            for (sums, left) in sums.iter_mut().zip(&left[..M]) {
                let x = token.splat(*left);
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = x.mul_add(w, *sum);
                }
            }
        }
        for (row, to) in sums.into_iter().zip(self.sums.chunks_exact_mut(T::PANEL * T::WIDTH)) {
            for (sum, to) in row.into_iter().zip(to.chunks_exact_mut(T::WIDTH)) {
                token.store(to, token.load(to) + sum);
            }
        }
    }
}
