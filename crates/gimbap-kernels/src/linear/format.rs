//! What a weight is on a tape, and the product with it.

use super::token::{QUAD, RowToken};
use super::{ALIGNMENT, Block, Tape};
use crate::Real;
use crate::lanes::Lanes;

/// How weights are written and multiplied; see the [module](super).
pub trait Format: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Sums that are best kept at once: 4 or 8.
    const SUMS: usize;

    /// The values of a row: rounded where the format asks for it.
    fn row<'a, T: RowToken>(token: T, values: &'a [T::Elem], buffer: &'a mut RowBuffer) -> Row<'a, T::Elem>;

    /// The bytes of a block of `k` rows by `n` vectors.
    fn bytes<T: RowToken>(k: usize, n: usize) -> usize;

    /// Writes a block.
    fn write<T: RowToken>(block: Block<'_, T::Elem>, tape: &mut Tape);

    /// Adds to `sums` the product of `row` with the block at `from`.
    ///
    /// # Safety
    /// `from` is aligned for the numbers of `T`, and valid for reads of [`Format::bytes`] for the row's length and `N`.
    unsafe fn accumulate<T: RowToken, const N: usize>(
        token: T,
        from: *const u8,
        row: Row<'_, T::Elem>,
        sums: &mut [T::V; N],
    );
}

/// A row of activations as a [`Format`] wants it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a, R> {
    /// As they are.
    pub(super) values: &'a [R],
    /// Of [`Int8`]: as integers, four by four.
    words: &'a [u32],
    scale: R,
}

impl<'a, R: Real> Row<'a, R> {
    /// A row that no format rounds.
    #[inline(always)]
    fn plain(values: &'a [R]) -> Self {
        Row { values, words: &[], scale: R::ONE }
    }
}

/// Where a row is rounded to. It allocates when a row is longer than any before.
#[derive(Clone, Debug, Default)]
pub struct RowBuffer {
    words: Vec<u32>,
}

/// Weights as they are.
#[derive(Clone, Copy, Debug)]
pub struct Exact;

impl Format for Exact {
    const SUMS: usize = 4;

    #[inline(always)]
    fn row<'a, T: RowToken>(_: T, values: &'a [T::Elem], _: &'a mut RowBuffer) -> Row<'a, T::Elem> {
        Row::plain(values)
    }

    #[inline(always)]
    fn bytes<T: RowToken>(k: usize, n: usize) -> usize {
        k * n * T::WIDTH * size_of::<T::Elem>()
    }

    fn write<T: RowToken>(block: Block<'_, T::Elem>, tape: &mut Tape) {
        tape.write_values(block.values);
    }

    #[inline(always)]
    unsafe fn accumulate<T: RowToken, const N: usize>(
        token: T,
        from: *const u8,
        row: Row<'_, T::Elem>,
        sums: &mut [T::V; N],
    ) {
        let mut at = from.cast::<T::Elem>();
        let mut acc = *sums;
        for &x in row.values {
            let x = token.splat(x);
            for sum in acc.iter_mut() {
                // SAFETY: the block holds N vectors for each value of the row.
                let w = token.load(unsafe { std::slice::from_raw_parts(at, T::WIDTH) });
                *sum = x.mul_add(w, *sum);
                // SAFETY: at most one past the block's end.
                at = unsafe { at.add(T::WIDTH) };
            }
        }
        *sums = acc;
    }
}

/// Weights of 16 bits: the upper half of an `f32`.
#[derive(Clone, Copy, Debug)]
pub struct Bf16;

/// The bf16 nearest to `x` (ties to even; NaN stays NaN).
pub fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// In a block, rows come in pairs: a word of lane `j` holds row `i` in its low half and row `i + 1` in its high one.
/// A last row without a partner has a row of zeros, which is not multiplied.
impl Format for Bf16 {
    const SUMS: usize = 8;

    #[inline(always)]
    fn row<'a, T: RowToken>(_: T, values: &'a [T::Elem], _: &'a mut RowBuffer) -> Row<'a, T::Elem> {
        Row::plain(values)
    }

    #[inline(always)]
    fn bytes<T: RowToken>(k: usize, n: usize) -> usize {
        (k.div_ceil(2) * n * T::WIDTH * 4).next_multiple_of(ALIGNMENT)
    }

    fn write<T: RowToken>(block: Block<'_, T::Elem>, tape: &mut Tape) {
        let Block { values, k, width } = block;
        for i in (0..k).step_by(2) {
            for j in 0..width {
                let half = |i: usize| {
                    if i < k { u32::from(bf16(values[i * width + j].to_f64() as f32)) } else { 0 }
                };
                tape.write(&(half(i) | half(i + 1) << 16).to_ne_bytes());
            }
        }
    }

    #[inline(always)]
    unsafe fn accumulate<T: RowToken, const N: usize>(
        token: T,
        from: *const u8,
        row: Row<'_, T::Elem>,
        sums: &mut [T::V; N],
    ) {
        let mut at = from.cast::<u32>();
        let mut acc = *sums;
        let (pairs, last) = row.values.as_chunks::<2>();
        for &[x, y] in pairs {
            let (x, y) = (token.splat(x), token.splat(y));
            for sum in acc.iter_mut() {
                // SAFETY: the block holds N vectors of words for each pair of the row, and for the last value.
                let (low, high) = unsafe { token.load_pair(at) };
                *sum = y.mul_add(high, x.mul_add(low, *sum));
                // SAFETY: at most one past the block's end.
                at = unsafe { at.add(T::WIDTH) };
            }
        }
        for &x in last {
            let x = token.splat(x);
            for (n, sum) in acc.iter_mut().enumerate() {
                // SAFETY: as above.
                let (low, _) = unsafe { token.load_pair(at.add(n * T::WIDTH)) };
                *sum = x.mul_add(low, *sum);
            }
        }
        *sums = acc;
    }
}

/// Weights of 8 bits, with a scale for each column; the row is rounded to 8 bits with one scale.
#[derive(Clone, Copy, Debug)]
pub struct Int8;

/// The longest row that 32-bit sums of products of [`Int8`] hold.
pub const LONGEST: usize = 1 << 17;

/// The scale of a column whose largest magnitude is `largest`: at least `largest / 127`, with 16 significant bits, so
/// that an integer in `-127..=127` times it is an `f32` exactly, and rounding such values again changes nothing.
pub fn int8_scale(largest: f32) -> f32 {
    let scale = largest / 127.0;
    if !scale.is_finite() || scale == 0.0 {
        return scale;
    }
    f32::from_bits((scale.to_bits() + 0xFF) & !0xFF)
}

/// The integer in `-127..=127` nearest to `x / scale`.
pub fn to_int8(x: f32, scale: f32) -> i8 {
    if scale == 0.0 { 0 } else { (x / scale).round_ties_even().clamp(-127.0, 127.0) as i8 }
}

/// Adding it to a number of magnitude below `2^22` rounds that to an integer, which the sum's low bits hold.
const ROUND: f32 = 12_582_912.0;

/// A block begins with its columns' scales, then the sums from which they start, then quads: of lane `j` the rows
/// `i..i + 4` (zero beyond the last).
impl Format for Int8 {
    const SUMS: usize = 4;

    #[inline(always)]
    fn row<'a, T: RowToken>(token: T, values: &'a [T::Elem], buffer: &'a mut RowBuffer) -> Row<'a, T::Elem> {
        let zero = token.splat(T::Elem::ZERO);
        // What is not finite would be lost: times zero it is NaN, and so are then the scale and all outputs.
        let (mut largest, mut not_finite) = (zero, zero);
        for chunk in values.chunks(T::WIDTH) {
            let x = token.load(chunk);
            largest = x.larger(-x).larger(largest);
            not_finite = x.mul_add(zero, not_finite);
        }
        let largest = (token.largest(largest) + token.sum(not_finite)).to_f64() as f32;
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let words = &mut buffer.words;
        words.resize(values.len().div_ceil(QUAD), 0);
        let flip = T::OFFSET as u32;
        let byte = |x: T::Elem| (x.to_f64() as f32 * inverse + ROUND).to_bits() & 0xFF ^ flip;
        let (quads, rest) = values.as_chunks::<QUAD>();
        for (word, &[a, b, c, d]) in words.iter_mut().zip(quads) {
            *word = byte(a) | byte(b) << 8 | byte(c) << 16 | byte(d) << 24;
        }
        if let (false, Some(word)) = (rest.is_empty(), words.last_mut()) {
            *word = rest.iter().rev().fold(0, |word, &x| word << 8 | byte(x));
        }
        Row { values, words, scale: T::Elem::from_f64(f64::from(largest / 127.0)) }
    }

    #[inline(always)]
    fn bytes<T: RowToken>(k: usize, n: usize) -> usize {
        (n * T::WIDTH * (size_of::<T::Elem>() + 4 + k.div_ceil(QUAD) * QUAD)).next_multiple_of(ALIGNMENT)
    }

    fn write<T: RowToken>(block: Block<'_, T::Elem>, tape: &mut Tape) {
        let Block { values, k, width } = block;
        assert!(k <= LONGEST, "a row of at most {LONGEST} values, not {k}: sums are of 32 bits");
        let at = |i: usize, j: usize| values[i * width + j].to_f64() as f32;
        let scales: Vec<f32> = (0..width)
            .map(|j| int8_scale((0..k).fold(0.0, |largest: f32, i| largest.max(at(i, j).abs()))))
            .collect();
        let integer = |i: usize, j: usize| if i < k { to_int8(at(i, j), scales[j]) } else { 0 };
        let reals: Vec<T::Elem> = scales.iter().map(|&scale| T::Elem::from_f64(scale.into())).collect();
        tape.write_values(&reals);
        for j in 0..width {
            let sum: i32 = (0..k).map(|i| i32::from(integer(i, j))).sum();
            tape.write(&(-T::OFFSET * sum).to_ne_bytes());
        }
        for i in (0..k).step_by(QUAD) {
            for j in 0..width {
                for i in i..i + QUAD {
                    tape.write(&integer(i, j).to_ne_bytes());
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn accumulate<T: RowToken, const N: usize>(
        token: T,
        from: *const u8,
        row: Row<'_, T::Elem>,
        sums: &mut [T::V; N],
    ) {
        let scales = from.cast::<T::Elem>();
        // SAFETY: the block begins with N vectors of scales, then N of sums; the quads follow.
        let (starts, mut at) = unsafe {
            let starts = scales.add(N * T::WIDTH).cast::<i32>();
            (starts, starts.add(N * T::WIDTH).cast::<[i8; QUAD]>())
        };
        // SAFETY: as above.
        let mut integers = [unsafe { token.load_i32(starts) }; N];
        for (n, integer) in integers.iter_mut().enumerate() {
            // SAFETY: as above.
            *integer = unsafe { token.load_i32(starts.add(n * T::WIDTH)) };
        }
        for &word in row.words {
            for integer in integers.iter_mut() {
                // SAFETY: the block holds N vectors of quads for each word of the row; then at most one past its end.
                unsafe {
                    *integer = token.dot(*integer, word, at);
                    at = at.add(T::WIDTH);
                }
            }
        }
        let scale = token.splat(row.scale);
        for (n, sum) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let column = unsafe { std::slice::from_raw_parts(scales.add(n * T::WIDTH), T::WIDTH) };
            *sum = token.to_real(integers[n]).mul_add(scale * token.load(column), *sum);
        }
    }
}
