//! The recurrent product: a small matrix, packed once, times a few rows, many times. Dense layers use it too.
//!
//! The columns of `W [k, gates * units]` stand gate by gate. They are packed in *groups*: a few vectors of units,
//! with the columns of all gates for them side by side, `[units / group][k][gates * group]`. So the inner loop reads
//! the weights front to back, and what it has summed is all that a cell needs to go on with these units while they
//! are still in the cache. A matrix without gates is packed with `gates = 1`, one panel a group.
//!
//! A register tile of [`Token::ROWS`] rows by up to [`Token::PANEL`] vectors runs over `k`; every output is one chain
//! of multiply-adds in the order of `k`, so its bits depend neither on how many rows share the tile nor on how rows
//! are shared out to threads.

use std::array;
use std::ops::Range;

use crate::isa::Kernel;
use crate::lanes::{Lanes, Token};
use crate::{Arithmetic, Real};

/// Groups start on a cache line.
const ALIGNMENT: usize = 64;

/// A matrix `[k, gates * units]` in groups, for [`multiply`] and [`multiply_group`].
#[derive(Clone, Debug)]
pub struct Packed<R> {
    /// Lanes of the instruction set that it was packed for.
    lanes: usize,
    k: usize,
    gates: usize,
    units: usize,
    group: usize,
    start: usize,
    data: Vec<R>,
}

/// A matrix to be packed: entry `(i, gate, unit)` is
/// `values[i * row_stride + (gate * units + unit) * column_stride]`; one of the strides is 1.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, R> {
    /// Where the entries are.
    pub values: &'a [R],
    /// Rows.
    pub k: usize,
    /// Blocks of columns.
    pub gates: usize,
    /// Columns in a block.
    pub units: usize,
    /// From a row to the next.
    pub row_stride: usize,
    /// From a column to the next.
    pub column_stride: usize,
}

impl<R: Real> Packed<R> {
    /// The number of groups.
    pub fn groups(&self) -> usize {
        self.units.div_ceil(self.group)
    }

    /// The units of a group.
    pub fn units_of(&self, group: usize) -> Range<usize> {
        group * self.group..((group + 1) * self.group).min(self.units)
    }
}

/// An empty one, to be filled by [`Packed::pack`].
impl<R> Default for Packed<R> {
    fn default() -> Self {
        Packed { lanes: 1, k: 0, gates: 1, units: 0, group: 1, start: 0, data: Vec::new() }
    }
}

impl<R: Arithmetic> Packed<R> {
    /// Takes the matrix, in groups for a cell of `planes >= gates` planes: `planes` times the vectors of a group fit
    /// the register tile. The memory of an earlier matrix is used again.
    ///
    /// # Panics
    /// If an entry lies outside the matrix's values.
    pub fn pack(&mut self, matrix: Matrix<'_, R>, planes: usize) {
        R::pack(Pack { into: self, matrix, planes });
    }
}

#[doc(hidden)]
pub struct Pack<'a, R> {
    into: &'a mut Packed<R>,
    matrix: Matrix<'a, R>,
    planes: usize,
}

impl<R: Arithmetic> Kernel<R> for Pack<'_, R> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, _: T) {
        let Pack { into, matrix, planes } = self;
        let Matrix { values, k, gates, units, row_stride, column_stride } = matrix;
        assert!(gates <= planes && planes <= T::PANEL, "more gates than a tile has vectors");
        let group = T::PANEL / planes * T::WIDTH;
        let whole = units / group * group;
        let width = |units: usize| (gates * units).next_multiple_of(T::WIDTH);
        let slack = ALIGNMENT / size_of::<R>();
        // Everything is written below but the padding of the last group.
        into.data.resize(k * (gates * whole + width(units - whole)) + slack, R::ZERO);
        into.start = into.data.as_ptr().align_offset(ALIGNMENT).min(slack);
        (into.lanes, into.k, into.gates, into.units, into.group) = (T::WIDTH, k, gates, units, group);
        let mut at = into.start;
        for first in (0..units).step_by(group) {
            let count = group.min(units - first);
            let width = width(count);
            let rows = &mut into.data[at..at + k * width];
            at += rows.len();
            for row in rows.chunks_exact_mut(width) {
                row[gates * count..].fill(R::ZERO);
            }
            for gate in 0..gates {
                let columns = gate * units + first;
                if column_stride == 1 {
                    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                        row[gate * count..(gate + 1) * count]
                            .copy_from_slice(&values[i * row_stride + columns..][..count]);
                    }
                    continue;
                }
                assert_eq!(row_stride, 1, "rows or columns lie side by side");
                transpose(
                    &values[columns * column_stride..],
                    column_stride,
                    rows,
                    width,
                    gate * count,
                    count,
                );
            }
        }
    }
}

/// Values in a square that is transposed at once: a line of the cache.
const SQUARE: usize = 16;

/// Writes the `count` columns that begin `column_stride` apart side by side into rows of `width` values, from the
/// place `at` on.
fn transpose<R: Real>(
    columns: &[R],
    column_stride: usize,
    rows: &mut [R],
    width: usize,
    at: usize,
    count: usize,
) {
    let k = rows.len() / width;
    for first in (0..count).step_by(SQUARE) {
        let wide = SQUARE.min(count - first);
        for start in (0..k).step_by(SQUARE) {
            let high = SQUARE.min(k - start);
            let column = |j: usize| &columns[(first + j) * column_stride + start..][..high];
            let corner = start * width + at + first;
            if wide == SQUARE && high == SQUARE {
                // Copies: where columns are 4096 bytes apart, few of their lines fit the first cache together.
                let whole: [[R; SQUARE]; SQUARE] =
                    array::from_fn(|j| column(j).try_into().expect("a square"));
                for i in 0..SQUARE {
                    let row: [R; SQUARE] = array::from_fn(|j| whole[j][i]);
                    rows[corner + i * width..][..SQUARE].copy_from_slice(&row);
                }
                continue;
            }
            for j in 0..wide {
                for (i, &value) in column(j).iter().enumerate() {
                    rows[corner + i * width + j] = value;
                }
            }
        }
    }
}

/// What a product adds to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Onto<'a, R> {
    /// Nothing: the output is overwritten.
    Zero,
    /// What the output holds.
    Output,
    /// This row, the same for every row of the output, which is overwritten.
    Row(&'a [R]),
}

/// `output = onto + input W`, for the columns of one group and `rows` rows: row `i` of the input is
/// `input[i * input_stride..][..k]`; row `i` of the output is `output[i * output_stride..]`, with the group's units
/// gate after gate.
///
/// # Panics
/// If a row lies outside its slice, or the weights were packed for another instruction set.
pub fn multiply_group<R: Arithmetic>(
    weights: &Packed<R>,
    group: usize,
    rows: usize,
    input: (&[R], usize),
    output: (&mut [R], usize),
    onto: Onto<'_, R>,
) {
    R::multiply(Multiply { weights, group, rows, input, output, onto });
}

/// `output = onto + input W` for a matrix without gates, all of its columns.
///
/// # Panics
/// As [`multiply_group`]; if the matrix has gates.
pub fn multiply<R: Arithmetic>(
    weights: &Packed<R>,
    rows: usize,
    input: (&[R], usize),
    (output, output_stride): (&mut [R], usize),
    onto: Onto<'_, R>,
) {
    assert_eq!(weights.gates, 1, "a matrix with gates is multiplied group by group");
    if rows == 0 {
        return;
    }
    for group in 0..weights.groups() {
        let units = weights.units_of(group);
        let onto = if let Onto::Row(row) = onto { Onto::Row(&row[units.clone()]) } else { onto };
        let output = (&mut output[units.start..], output_stride);
        R::multiply(Multiply { weights, group, rows, input, output, onto });
    }
}

#[doc(hidden)]
pub struct Multiply<'a, R> {
    weights: &'a Packed<R>,
    group: usize,
    rows: usize,
    input: (&'a [R], usize),
    output: (&'a mut [R], usize),
    onto: Onto<'a, R>,
}

impl<R: Arithmetic> Kernel<R> for Multiply<'_, R> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let Multiply {
            weights,
            group,
            rows,
            input: (input, input_stride),
            output: (output, output_stride),
            onto,
        } = self;
        let Packed { k, gates, start, .. } = *weights;
        if rows == 0 {
            return;
        }
        assert_eq!(weights.lanes, T::WIDTH, "weights packed for another instruction set");
        let columns = gates * weights.units_of(group).len();
        let vectors = columns.div_ceil(T::WIDTH);
        assert!((rows - 1) * input_stride + k <= input.len(), "input rows outside the slice");
        assert!((rows - 1) * output_stride + columns <= output.len(), "output rows outside the slice");
        let first = start + group * k * gates * weights.group;
        let block = &weights.data[first..first + k * vectors * T::WIDTH];
        let mut row = 0;
        for tiles in (1..=rows.div_ceil(T::ROWS)).rev() {
            let count = (rows - row).div_ceil(tiles);
            let tile = Tile {
                block,
                k,
                input: &input[row * input_stride..],
                input_stride,
                output: &mut output[row * output_stride..],
                output_stride,
                columns,
                onto,
            };
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
}

struct Tile<'a, R> {
    block: &'a [R],
    k: usize,
    input: &'a [R],
    input_stride: usize,
    output: &'a mut [R],
    output_stride: usize,
    columns: usize,
    onto: Onto<'a, R>,
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
        for (i, row) in sums.iter_mut().enumerate() {
            let from = match onto {
                Onto::Zero => continue,
                Onto::Output => &output[i * output_stride..],
                Onto::Row(row) => row,
            };
            for (v, sum) in row.iter_mut().enumerate() {
                *sum = token.load(&from[v * T::WIDTH..columns]);
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
