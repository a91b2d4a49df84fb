//! Operations on slices and rows that are bound by memory or by `exp`.

use crate::isa::Kernel;
use crate::lanes::{Lanes, Token};
use crate::{Arithmetic, Real};

/// Lanes of the widest vector there is: AVX-512's of `f32`.
const WIDEST: usize = 16;

/// Replaces `row` by its softmax `e^(x_j - m) / sum_j e^(x_j - m)`, `m` the largest `x_j`, and returns the
/// logarithm of the sum of exponentials, `m + ln sum_j e^(x_j - m)`.
///
/// # Panics
/// If `row` is empty.
pub fn softmax<R: Arithmetic>(row: &mut [R]) -> R {
    softmax_times(row, R::ONE)
}

/// As [`softmax`], but `row` becomes its softmax times `scale`.
///
/// # Panics
/// If `row` is empty.
pub fn softmax_times<R: Arithmetic>(row: &mut [R], scale: R) -> R {
    assert!(!row.is_empty(), "softmax of nothing");
    R::softmax(Softmax { row, scale })
}

#[doc(hidden)]
pub struct Softmax<'a, R> {
    row: &'a mut [R],
    scale: R,
}

impl<R: Arithmetic> Kernel<R> for Softmax<'_, R> {
    type Output = R;
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) -> R {
        let Softmax { row, scale } = self;
        let whole = row.len() / T::WIDTH * T::WIDTH;
        let largest = largest(token, row);
        let shift = token.splat(largest);
        let mut sums = token.splat(R::ZERO);
        for chunk in row[..whole].chunks_exact_mut(T::WIDTH) {
            let e = (token.load(chunk) - shift).exp();
            sums = sums + e;
            token.store(chunk, e);
        }
        let mut sum = token.sum(sums);
        let rest = &mut row[whole..];
        if !rest.is_empty() {
            token.store(rest, (token.load(rest) - shift).exp());
            sum += rest.iter().copied().sum();
        }
        let scale = token.splat(scale / sum);
        for chunk in row.chunks_mut(T::WIDTH) {
            token.store(chunk, token.load(chunk) * scale);
        }
        largest + R::from_f64(sum.to_f64().ln())
    }
}

/// The largest value of a row that is not empty.
#[inline(always)]
fn largest<R: Arithmetic, T: Token<Elem = R>>(token: T, row: &[R]) -> R {
    let whole = row.len() / T::WIDTH * T::WIDTH;
    let mut largest = row[0];
    if whole > 0 {
        // Four at a time, since each comparison waits for the one before it.
        let mut vectors = [token.load(row); 4];
        let mut fours = row[..whole].chunks_exact(4 * T::WIDTH);
        for four in &mut fours {
            for (vector, chunk) in vectors.iter_mut().zip(four.chunks_exact(T::WIDTH)) {
                *vector = token.load(chunk).larger(*vector);
            }
        }
        for chunk in fours.remainder().chunks_exact(T::WIDTH) {
            vectors[0] = token.load(chunk).larger(vectors[0]);
        }
        let [a, b, c, d] = vectors;
        largest = token.largest(a.larger(b).larger(c.larger(d)));
    }
    for &x in &row[whole..] {
        largest = largest.max(x);
    }
    largest
}

/// The logarithm of the sum of exponentials, `m + ln sum_j e^(x_j - m)`, `m` the largest `x_j`: the same bits as
/// [`softmax`] returns, without writing.
///
/// # Panics
/// If `row` is empty.
pub fn log_sum_exp<R: Arithmetic>(row: &[R]) -> R {
    assert!(!row.is_empty(), "the sum of nothing");
    R::log_sum_exp(row)
}

#[doc(hidden)]
pub struct LogSumExp<'a, R>(pub(crate) &'a [R]);

impl<R: Arithmetic> Kernel<R> for LogSumExp<'_, R> {
    type Output = R;
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) -> R {
        let row = self.0;
        let largest = largest(token, row);
        let shift = token.splat(largest);
        let chunks = row.chunks_exact(T::WIDTH);
        let rest = chunks.remainder();
        let mut sums = token.splat(R::ZERO);
        for chunk in chunks {
            sums = sums + (token.load(chunk) - shift).exp();
        }
        let mut sum = token.sum(sums);
        if !rest.is_empty() {
            // The lanes behind the rest are none of the row's.
            let mut last = [R::ZERO; WIDEST];
            token.store(&mut last[..rest.len()], (token.load(rest) - shift).exp());
            sum += last[..rest.len()].iter().copied().sum();
        }
        largest + R::from_f64(sum.to_f64().ln())
    }
}

/// An elementwise function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `e^x`.
    Exp,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `max(x, 0)`.
    Relu,
}

/// Replaces every value by the function of it.
pub fn apply<R: Arithmetic>(function: Function, values: &mut [R]) {
    R::apply(function, values);
}

#[doc(hidden)]
pub struct Apply<'a, R>(pub(crate) Function, pub(crate) &'a mut [R]);

impl<R: Arithmetic> Kernel<R> for Apply<'_, R> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        for chunk in self.1.chunks_mut(T::WIDTH) {
            let x = token.load(chunk);
            let y = match self.0 {
                Function::Exp => x.exp(),
                Function::Tanh => x.tanh(),
                Function::Sigmoid => x.sigmoid(),
                Function::Relu => x.relu(),
            };
            token.store(chunk, y);
        }
    }
}

/// `to[j] += from[j]`.
///
/// # Panics
/// If the lengths differ.
pub fn add<R: Real>(to: &mut [R], from: &[R]) {
    assert_eq!(to.len(), from.len());
    for (to, from) in to.iter_mut().zip(from) {
        *to += *from;
    }
}
