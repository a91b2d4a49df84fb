//! Weight gradients: sums of outer products over all rows of a batch, `dW += sum_r a_r^T b_r`.
//!
//! The rows come in *chunks*. A chunk's sum is one chain of multiply-adds in the order of its rows, from zero, and is
//! then added to the output: the bits depend on the chunks alone, not on threads. Threads share the output's rows.

use rayon::prelude::*;

use crate::isa::Kernel;
use crate::lanes::{Lanes, Token};
use crate::{Arithmetic, Real};

/// Rows in a chunk, at most: so many of a panel's columns stay in the cache near the core.
pub const CHUNK: usize = 256;

/// Some rows of both operands, one after the other in memory.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a, R> {
    /// `[rows, m]`.
    pub left: &'a [R],
    /// The first row of the right operand.
    pub first: usize,
    /// How many.
    pub rows: usize,
}

/// The left operand's rows.
#[derive(Clone, Copy, Debug)]
pub enum Left<'a, R> {
    /// Chunks of pieces; no chunk has more than [`CHUNK`] rows.
    Dense(&'a [Vec<Piece<'a, R>>]),
    /// Row `i` is zero but for `scale[i]` (1 without it) at place `ids[i]`; the ranges are those of the chunks.
    OneHot {
        /// One for each row of the right operand.
        ids: &'a [u32],
        /// Likewise.
        scale: Option<&'a [R]>,
        /// Rows of the right operand, chunk by chunk.
        chunks: &'a [std::ops::Range<usize>],
    },
}

/// Columns of the right operand and the columns of the output that they make.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first column of the right operand.
    pub from: usize,
    /// The first column of the output.
    pub to: usize,
    /// How many.
    pub columns: usize,
}

/// One sum of outer products.
#[derive(Debug)]
pub struct Outer<'a, R> {
    /// `[m, row_stride]`.
    pub output: &'a mut [R],
    /// From a row of the output to the next.
    pub row_stride: usize,
    /// The left operand, `m` wide.
    pub left: Left<'a, R>,
    /// The right operand.
    pub right: &'a [R],
    /// From a row of the right operand to the next.
    pub right_stride: usize,
    /// Which columns.
    pub spans: &'a [Span],
}

/// Adds every sum to its output, on the current pool's threads.
///
/// # Panics
/// If a piece, an id or a span lies outside its slice.
pub fn add_outer_products<R: Arithmetic>(products: Vec<Outer<'_, R>>) {
    let threads = rayon::current_num_threads();
    let mut tasks = Vec::new();
    for product in products {
        let Outer { output, row_stride, left, right, right_stride, spans } = product;
        let m = output.len() / row_stride;
        // Whole tiles, about two shares for each thread.
        let share = m.div_ceil(threads).next_multiple_of(6).max(6);
        for (index, output) in output.chunks_mut(share * row_stride).enumerate() {
            tasks.push(Share {
                output,
                row_stride,
                first: index * share,
                m,
                left,
                right,
                right_stride,
                spans,
            });
        }
    }
    if threads == 1 {
        tasks.into_iter().for_each(R::outer);
    } else {
        tasks.into_par_iter().with_max_len(1).for_each(R::outer);
    }
}

/// The rows of an output from `first` on.
#[doc(hidden)]
pub struct Share<'a, R> {
    output: &'a mut [R],
    row_stride: usize,
    first: usize,
    m: usize,
    left: Left<'a, R>,
    right: &'a [R],
    right_stride: usize,
    spans: &'a [Span],
}

impl<R: Arithmetic> Kernel<R> for Share<'_, R> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(mut self, token: T) {
        match self.left {
            Left::Dense(chunks) => {
                let mut panel = vec![R::ZERO; CHUNK * T::PANEL * T::WIDTH];
                for chunk in chunks {
                    self.dense(token, chunk, &mut panel);
                }
            }
            Left::OneHot { ids, scale, chunks } => {
                for row in chunks.iter().cloned().flatten() {
                    self.one_hot(token, row, ids[row] as usize, scale.map_or(R::ONE, |scale| scale[row]));
                }
            }
        }
    }
}

impl<R: Arithmetic> Share<'_, R> {
    #[inline(always)]
    fn one_hot<T: Token<Elem = R>>(&mut self, token: T, row: usize, id: usize, scale: R) {
        assert!(id < self.m, "an id outside the output");
        if !(self.first..self.first + self.output.len() / self.row_stride).contains(&id) {
            return;
        }
        let output = &mut self.output[(id - self.first) * self.row_stride..];
        let right = &self.right[row * self.right_stride..];
        let scale = token.splat(scale);
        for &Span { from, to, columns } in self.spans {
            let to = output[to..to + columns].chunks_mut(T::WIDTH);
            for (to, from) in to.zip(right[from..from + columns].chunks(T::WIDTH)) {
                token.store(to, scale.mul_add(token.load(from), token.load(to)));
            }
        }
    }

    #[inline(always)]
    fn dense<T: Token<Elem = R>>(&mut self, token: T, chunk: &[Piece<'_, R>], panel: &mut [R]) {
        let count = self.output.len() / self.row_stride;
        for &Span { from, to, columns } in self.spans {
            for at in (0..columns).step_by(T::PANEL * T::WIDTH) {
                let width = (columns - at).min(T::PANEL * T::WIDTH);
                let vectors = width.div_ceil(T::WIDTH);
                self.fill(token, chunk, from + at, width, panel);
                let mut row = 0;
                for tiles in (1..=count.div_ceil(T::ROWS)).rev() {
                    let rows = (count - row).div_ceil(tiles);
                    let tile = Tile {
                        chunk,
                        column: self.first + row,
                        m: self.m,
                        panel,
                        output: &mut self.output[row * self.row_stride + to + at..],
                        row_stride: self.row_stride,
                        width,
                    };
                    match rows {
                        1 => tile.rows::<T, 1>(token, vectors),
                        2 => tile.rows::<T, 2>(token, vectors),
                        3 => tile.rows::<T, 3>(token, vectors),
                        4 if T::ROWS > 3 => tile.rows::<T, 4>(token, vectors),
                        5 if T::ROWS > 3 => tile.rows::<T, 5>(token, vectors),
                        _ if T::ROWS > 3 => tile.rows::<T, 6>(token, vectors),
                        _ => unreachable!("no more than T::ROWS rows"),
                    }
                    row += rows;
                }
            }
        }
    }

    /// Copies a panel's columns of the right operand, whole vectors of them, row after row.
    #[inline(always)]
    fn fill<T: Token<Elem = R>>(
        &self,
        token: T,
        chunk: &[Piece<'_, R>],
        column: usize,
        width: usize,
        panel: &mut [R],
    ) {
        let stride = width.next_multiple_of(T::WIDTH);
        let mut to = panel.chunks_exact_mut(stride);
        for piece in chunk {
            for row in piece.first..piece.first + piece.rows {
                let from = &self.right[row * self.right_stride + column..][..width];
                let Some(to) = to.next() else { panic!("more than {CHUNK} rows in a chunk") };
                for (to, from) in to.chunks_exact_mut(T::WIDTH).zip(from.chunks(T::WIDTH)) {
                    token.store(to, token.load(from));
                }
            }
        }
    }
}

struct Tile<'a, R> {
    chunk: &'a [Piece<'a, R>],
    column: usize,
    m: usize,
    panel: &'a [R],
    output: &'a mut [R],
    row_stride: usize,
    width: usize,
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
        let Tile { chunk, column, m, panel, output, row_stride, width } = self;
        let zero = token.splat(R::ZERO);
        let mut sums = [[zero; V]; M];
        let mut weights = panel.chunks_exact(V * T::WIDTH);
        for piece in chunk {
            let left = &piece.left[column..(piece.rows - 1) * m + column + M];
            for (i, weights) in (0..piece.rows).zip(&mut weights) {
                let mut w = [zero; V];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = token.load(&weights[v * T::WIDTH..]);
                }
                // SAFETY: `left` reaches to the M values of the piece's last row.
                let left = unsafe { left.get_unchecked(i * m..i * m + M) };
                for (sums, left) in sums.iter_mut().zip(left) {
                    let x = token.splat(*left);
                    for (sum, w) in sums.iter_mut().zip(w) {
                        *sum = x.mul_add(w, *sum);
                    }
                }
            }
        }
        for (i, row) in sums.into_iter().enumerate() {
            for (v, sum) in row.into_iter().enumerate() {
                let to = &mut output[i * row_stride + v * T::WIDTH..i * row_stride + width];
                token.store(to, token.load(to) + sum);
            }
        }
    }
}
