//! One row times a matrix, again and again: what a step of a stream is made of, and what bounds it is the reading of
//! the weights.
//!
//! A [`Tape`] holds weights in the very order in which they are read. [`Block`]s of `[k, N WIDTH]` values follow each
//! other, and [`Reader::accumulate`] runs through one with its `N` sums in registers; every sum is one chain in the
//! order of `k`. What a block is made of is its [`Format`]:
//!
//! | format | a weight | the product |
//! |---|---|---|
//! | [`Exact`] | as it is | in the weights' own type |
//! | [`Bf16`] | its upper 16 bits, rounded to nearest even | widened, then as above |
//! | [`Int8`] | an integer in `-127..=127` times its column's scale | of integers, the row rounded likewise; exact |
//!
//! Code over these is a [`RowKernel`], entered once per step through [`crate::Arithmetic::run_row`] with an
//! [`Engine`], the instruction set that was found when the tape was written.

mod engine;
mod format;
mod token;

pub use engine::{Engine, RowKernel};
pub use format::{Bf16, Exact, Format, Int8, LONGEST, Row, RowBuffer, bf16, int8_scale, to_int8};
pub use token::RowToken;

use crate::Real;
use crate::lanes::Token;

/// Weights in the order of reading, on cache lines.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    lines: Vec<Line>,
    /// Bytes written.
    len: usize,
}

/// Blocks are as many bytes as a multiple of this, for the widest number.
const ALIGNMENT: usize = 8;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl Tape {
    /// Its bytes: what a step reads.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes everything anew; the memory is used again.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.len = 0;
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let at = self.len % size_of::<Line>();
            if at == 0 {
                self.lines.push(Line([0; size_of::<Line>()]));
            }
            let (front, rest) = bytes.split_at(bytes.len().min(size_of::<Line>() - at));
            if let Some(Line(line)) = self.lines.last_mut() {
                line[at..at + front.len()].copy_from_slice(front);
            }
            self.len += front.len();
            bytes = rest;
        }
    }

    /// Writes values that [`Reader::load`] reads.
    pub fn write_values<R: Real>(&mut self, values: &[R]) {
        for value in values {
            match size_of::<R>() {
                4 => self.write(&(value.to_f64() as f32).to_ne_bytes()),
                _ => self.write(&value.to_f64().to_ne_bytes()),
            }
        }
    }

    /// Reads from byte `at` on.
    ///
    /// # Panics
    /// If it lies behind the end, or does not begin a value.
    #[inline(always)]
    pub fn read(&self, at: usize) -> Reader<'_> {
        assert!(at <= self.len && at.is_multiple_of(4), "a place on the tape");
        // SAFETY: the lines hold at least `len` bytes.
        let from = unsafe { self.lines.as_ptr().cast::<u8>().add(at) };
        Reader { from, left: self.len - at, lifetime: std::marker::PhantomData }
    }
}

/// A place on a [`Tape`].
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    from: *const u8,
    left: usize,
    lifetime: std::marker::PhantomData<&'a Tape>,
}

impl Reader<'_> {
    /// Goes on by so many bytes, which are there.
    #[inline(always)]
    fn take<E>(&mut self, bytes: usize) -> *const u8 {
        let from = self.from;
        assert!(
            bytes <= self.left && from.cast::<E>().is_aligned(),
            "what was written here is something else"
        );
        // SAFETY: the tape has that many bytes more.
        self.from = unsafe { from.add(bytes) };
        self.left -= bytes;
        from
    }

    /// The next [`Token::WIDTH`] values.
    #[inline(always)]
    pub fn load<T: Token>(&mut self, token: T) -> T::V {
        let from = self.take::<T::Elem>(T::WIDTH * size_of::<T::Elem>());
        // SAFETY: `take` found them there; every bit pattern is a number.
        token.load(unsafe { std::slice::from_raw_parts(from.cast::<T::Elem>(), T::WIDTH) })
    }

    /// Adds the product of `row` with the block here, which was written for its length, this format, token and `N`.
    #[inline(always)]
    pub fn accumulate<F: Format, T: RowToken, const N: usize>(
        &mut self,
        token: T,
        row: Row<'_, T::Elem>,
        sums: &mut [T::V; N],
    ) {
        let from = self.take::<T::Elem>(F::bytes::<T>(row.values.len(), N));
        // SAFETY: `take` found that many bytes there, aligned for numbers.
        unsafe { F::accumulate(token, from, row, sums) }
    }
}

/// A block of weights to be written: entry `(i, j)`, `j < N WIDTH`, is `values[i * width + j]`.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a, R> {
    /// `[k, N WIDTH]`.
    pub values: &'a [R],
    /// `k`.
    pub k: usize,
    /// `N WIDTH`.
    pub width: usize,
}

impl Tape {
    /// Writes a block for [`Reader::accumulate`].
    pub fn write_block<F: Format, T: RowToken>(&mut self, block: Block<'_, T::Elem>) {
        let end = self.len + F::bytes::<T>(block.k, block.width / T::WIDTH);
        F::write::<T>(block, self);
        // What follows is aligned again.
        self.write(&[0; ALIGNMENT][..end - self.len]);
    }
}
