//! The recurrent product: a small matrix, packed once, times a few rows, many times.
//!
//! `W [k, n]` is stored in panels `[n / panel][k][panel]`, a panel being `Token::PANEL` vectors wide, so that the
//! inner loop reads it front to back. A register tile of [`TILE_ROWS`] rows by one panel runs over `k`; every
//! output is one chain of multiply-adds in the order of `k`, so its bits depend neither on how many rows share
//! the tile nor on how rows are shared out to threads.

use crate::isa::Kernel;
use crate::lanes::{Lanes, Token};
use crate::{Arithmetic, Real};

/// Rows in a register tile.
pub const TILE_ROWS: usize = 6;

/// Panels start on a cache line.
const ALIGNMENT: usize = 64;

/// A matrix `[k, n]` in panels, for [`multiply`].
#[derive(Clone, Debug, Default)]
pub struct Packed<R> {
    k: usize,
    n: usize,
    panel: usize,
    start: usize,
    data: Vec<R>,
}

impl<R: Real> Packed<R> {
    /// Rows of the matrix.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of the matrix.
    pub fn n(&self) -> usize {
        self.n
    }
}

impl<R: Arithmetic> Packed<R> {
    /// An empty one, to be filled by [`Packed::pack`].
    pub fn new() -> Self {
        Packed { k: 0, n: 0, panel: 1, start: 0, data: Vec::new() }
    }

    /// Takes the `[k, n]` matrix whose entry `(i, j)` is `values[i * row_stride + j * column_stride]`. The memory
    /// of an earlier matrix is used again.
    ///
    /// # Panics
    /// If an entry lies outside `values`.
    pub fn pack(&mut self, values: &[R], k: usize, n: usize, row_stride: usize, column_stride: usize) {
        R::pack(Pack { into: self, values, k, n, row_stride, column_stride });
    }
}

#[doc(hidden)]
pub struct Pack<'a, R> {
    into: &'a mut Packed<R>,
    values: &'a [R],
    k: usize,
    n: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<R: Arithmetic> Kernel<R> for Pack<'_, R> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, _: T) {
        let Pack { into, values, k, n, row_stride, column_stride } = self;
        let panel = T::PANEL * T::WIDTH;
        let padded = n.next_multiple_of(T::WIDTH);
        let slack = ALIGNMENT / size_of::<R>();
        into.data.clear();
        into.data.resize(k * padded + slack, R::ZERO);
        into.start = into.data.as_ptr().align_offset(ALIGNMENT).min(slack);
        (into.k, into.n, into.panel) = (k, n, panel);
        let mut at = into.start;
        for first in (0..n).step_by(panel) {
            let width = panel.min(padded - first);
            let columns = panel.min(n - first);
            for i in 0..k {
                for j in 0..columns {
                    into.data[at + j] = values[i * row_stride + (first + j) * column_stride];
                }
                at += width;
            }
        }
    }
}

/// What a product adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Onto {
    /// Nothing: the output is overwritten.
    Zero,
    /// What the output holds.
    Output,
}

/// `output = input W` or `output += input W` for `rows` rows: row `i` of the input is
/// `input[i * input_stride..][..k]`, of the output `output[i * output_stride..][..n]`.
///
/// # Panics
/// If a row lies outside its slice.
pub fn multiply<R: Arithmetic>(
    weights: &Packed<R>,
    rows: usize,
    input: (&[R], usize),
    output: (&mut [R], usize),
    onto: Onto,
) {
    R::multiply(Multiply { weights, rows, input, output, onto });
}

#[doc(hidden)]
pub struct Multiply<'a, R> {
    weights: &'a Packed<R>,
    rows: usize,
    input: (&'a [R], usize),
    output: (&'a mut [R], usize),
    onto: Onto,
}

impl<R: Arithmetic> Kernel<R> for Multiply<'_, R> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let Multiply { weights, rows, input: (input, input_stride), output: (output, output_stride), onto } =
            self;
        let Packed { k, n, panel, start, ref data } = *weights;
        if rows == 0 || n == 0 {
            return;
        }
        assert_eq!(panel, T::PANEL * T::WIDTH, "weights packed for another instruction set");
        assert!((rows - 1) * input_stride + k <= input.len(), "input rows outside the slice");
        assert!((rows - 1) * output_stride + n <= output.len(), "output rows outside the slice");
        let mut at = start;
        for first in (0..n).step_by(panel) {
            let vectors = panel.min(n - first).div_ceil(T::WIDTH);
            let columns = panel.min(n - first);
            let block = &data[at..at + k * vectors * T::WIDTH];
            at += block.len();
            let mut row = 0;
            while row < rows {
                let count = TILE_ROWS.min(rows - row);
                let tile = Tile {
                    block,
                    k,
                    input: &input[row * input_stride..],
                    input_stride,
                    output: &mut output[row * output_stride + first..],
                    output_stride,
                    columns,
                    onto,
                };
                match count {
                    1 => tile.rows::<T, 1>(token, vectors),
                    2 => tile.rows::<T, 2>(token, vectors),
                    3 => tile.rows::<T, 3>(token, vectors),
                    4 => tile.rows::<T, 4>(token, vectors),
                    5 => tile.rows::<T, 5>(token, vectors),
                    _ => tile.rows::<T, 6>(token, vectors),
                }
                row += count;
            }
        }
    }
}

struct Tile<'a, R> {
    block: &'a [R],
    k: usize,
    input: &'a [R],
    input_stride: usize,
    output: &'a mut [R],
    output_stride: usize,
    columns: usize,
    onto: Onto,
}

impl<R: Arithmetic> Tile<'_, R> {
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
        let Tile { block, k, input, input_stride, output, output_stride, columns, onto } = self;
        let zero = token.splat(R::ZERO);
        let mut sums = [[zero; V]; M];
        if onto == Onto::Output {
            for (i, row) in sums.iter_mut().enumerate() {
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = token.load(&output[i * output_stride + v * T::WIDTH..i * output_stride + columns]);
                }
            }
        }
        // Plain loops, here and below: `array::from_fn` is not always inlined, and a call that is not leaves the
        // instruction set's features behind.
        let mut rows = [input; M];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = &input[i * input_stride..i * input_stride + k];
        }
        for (step, weights) in block.chunks_exact(V * T::WIDTH).enumerate() {
            let mut w = [zero; V];
            for (v, w) in w.iter_mut().enumerate() {
                *w = token.load(&weights[v * T::WIDTH..]);
            }
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: the block holds k chunks, so step < k, and every row slice is k long.
                let x = token.splat(unsafe { *row.get_unchecked(step) });
                for (sum, w) in sums.iter_mut().zip(w) {
                    *sum = x.mul_add(w, *sum);
                }
            }
        }
        for (i, row) in sums.into_iter().enumerate() {
            for (v, sum) in row.into_iter().enumerate() {
                token.store(&mut output[i * output_stride + v * T::WIDTH..i * output_stride + columns], sum);
            }
        }
    }
}
