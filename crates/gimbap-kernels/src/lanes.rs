//! One numeric lane type for every width: the cells' equations are written over [`Lanes`] and run as scalar
//! `f64` (the gradient check), as scalar `f32`, and as `f32` vectors of every instruction set.
//!
//! A [`Token`] is the proof that the processor has an instruction set; it makes, loads and stores vectors.
//!
//! # Accuracy (f32; tested over a dense sweep against f64)
//! `exp`, `tanh` and `sigmoid` are within 3.5 ULP wherever the result is not subnormal. NaN gives NaN,
//! `tanh(±inf) = ±1`, `sigmoid(-inf) = 0`, `sigmoid(inf) = 1`, `exp(-inf) = 0`.
//!
//! All three share one range reduction: `x = n ln 2 + r`, `|r| <= ln(2)/2`, and
//! `expm1(r) = r + r^2 q(r)` with `q` the minimax polynomial of degree 4 (fitted for this file; relative error
//! 0.22 of 2^-24). Then `exp(x) = 2^n (expm1(r) + 1)`, and `tanh(x) = e / (e + 2)` with
//! `e = expm1(2|x|) = 2^n expm1(r) + (2^n - 1)`, which keeps its relative accuracy near zero.

use std::ops::{Add, Div, Mul, Neg, Sub};

use pulp::Simd;

use crate::Real;

/// A scalar or a vector of numbers, with the arithmetic that a cell needs.
pub trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// `x` in every lane (of the kind of `self`, whose values are not used).
    fn splat(self, x: f64) -> Self;
    /// `self * factor + term`, fused where the hardware fuses.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// Where `self > 0`, `yes`; elsewhere (NaN too) `no`.
    fn select_positive(self, yes: Self, no: Self) -> Self;
    /// `e^self`.
    fn exp(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The logistic function `1 / (1 + e^-self)`.
    fn sigmoid(self) -> Self;
    /// The larger of the two; NaN in `self` stays.
    fn larger(self, other: Self) -> Self {
        (other - self).select_positive(other, self)
    }
    /// `max(self, 0)`; NaN stays.
    fn relu(self) -> Self {
        (-self).select_positive(self.splat(0.0), self)
    }
}

/// The proof that the processor has an instruction set, and the way to its vectors.
pub trait Token: Copy {
    /// The number type in a lane.
    type Elem: Real;
    /// The vector.
    type V: Lanes;
    /// Vectors in a panel of packed weights: as many as leave registers for [`crate::TILE_ROWS`] rows.
    const PANEL: usize;
    /// Lanes in a vector.
    const WIDTH: usize;
    /// `x` in every lane.
    fn splat(self, x: Self::Elem) -> Self::V;
    /// The first [`Token::WIDTH`] values of `from`, or all of a shorter slice and zeros behind.
    fn load(self, from: &[Self::Elem]) -> Self::V;
    /// Writes the first `min(to.len(), WIDTH)` lanes.
    fn store(self, to: &mut [Self::Elem], value: Self::V);
    /// The sum of all lanes.
    fn sum(self, value: Self::V) -> Self::Elem;
    /// The largest of all lanes.
    fn largest(self, value: Self::V) -> Self::Elem;
}

impl Lanes for f64 {
    #[inline(always)]
    fn splat(self, x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
    #[inline(always)]
    fn select_positive(self, yes: Self, no: Self) -> Self {
        if self > 0.0 { yes } else { no }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + f64::exp(-self))
    }
}

/// Scalar `f64`: the reference instance.
#[derive(Clone, Copy, Debug)]
pub struct ScalarF64;

impl Token for ScalarF64 {
    type Elem = f64;
    type V = f64;
    const PANEL: usize = 4;
    const WIDTH: usize = 1;
    #[inline(always)]
    fn splat(self, x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn load(self, from: &[f64]) -> f64 {
        from[0]
    }
    #[inline(always)]
    fn store(self, to: &mut [f64], value: f64) {
        to[0] = value;
    }
    #[inline(always)]
    fn sum(self, value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn largest(self, value: f64) -> f64 {
        value
    }
}

/// `f32` vectors of the instruction set that `S` stands for.
#[derive(Clone, Copy, Debug)]
pub struct VectorF32<S: Simd>(pub S);

/// A vector of `f32`, with the instruction set that works on it.
#[derive(Clone, Copy, Debug)]
pub struct F32s<S: Simd>(pub(crate) S, pub(crate) S::f32s);

impl<S: Simd> Token for VectorF32<S> {
    type Elem = f32;
    type V = F32s<S>;
    const PANEL: usize = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
    const WIDTH: usize = S::F32_LANES;

    #[inline(always)]
    fn splat(self, x: f32) -> F32s<S> {
        F32s(self.0, self.0.splat_f32s(x))
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> F32s<S> {
        let vector = if from.len() >= Self::WIDTH {
            S::as_simd_f32s(&from[..Self::WIDTH]).0[0]
        } else {
            self.0.partial_load_f32s(from)
        };
        F32s(self.0, vector)
    }

    #[inline(always)]
    fn store(self, to: &mut [f32], value: F32s<S>) {
        if to.len() >= Self::WIDTH {
            S::as_mut_simd_f32s(&mut to[..Self::WIDTH]).0[0] = value.1;
        } else {
            self.0.partial_store_f32s(to, value.1);
        }
    }

    #[inline(always)]
    fn sum(self, value: F32s<S>) -> f32 {
        self.0.reduce_sum_f32s(value.1)
    }

    #[inline(always)]
    fn largest(self, value: F32s<S>) -> f32 {
        self.0.reduce_max_f32s(value.1)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $simd:ident) => {
        impl<S: Simd> $trait for F32s<S> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                F32s(self.0, self.0.$simd(self.1, other.1))
            }
        }
    };
}
operator!(Add, add, add_f32s);
operator!(Sub, sub, sub_f32s);
operator!(Mul, mul, mul_f32s);
operator!(Div, div, div_f32s);

impl<S: Simd> Neg for F32s<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        F32s(self.0, self.0.neg_f32s(self.1))
    }
}

/// Adding it to `|y| < 2^22` rounds `y` to an integer, held in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Beyond `±EXP_LIMIT`, `e^-x` leaves the normal numbers: there a sigmoid is 0 or 1.
const EXP_LIMIT: f32 = 87.34;

impl<S: Simd> F32s<S> {
    #[inline(always)]
    fn of(self, x: f32) -> Self {
        F32s(self.0, self.0.splat_f32s(x))
    }

    /// Where `self > limit`, `yes`; elsewhere (NaN too) `no`.
    #[inline(always)]
    fn where_above(self, limit: Self, yes: Self, no: Self) -> Self {
        let mask = self.0.greater_than_f32s(self.1, limit.1);
        F32s(self.0, self.0.select_f32s(mask, yes.1, no.1))
    }

    /// Between `low` and `high`; NaN stays NaN.
    #[inline(always)]
    fn clamp(self, low: f32, high: f32) -> Self {
        let (s, low, high) = (self.0, self.of(low), self.of(high));
        if S::F32_LANES == 1 {
            let below = self.where_above(high, high, self);
            return low.where_above(below, low, below);
        }
        // The vectors' minimum and maximum give their second argument where that is NaN; the scalars' do not.
        F32s(s, s.max_f32s(low.1, s.min_f32s(high.1, self.1)))
    }

    /// `2^n` for the integer `n` in `-127..=127` (zero at -127) that the low bits of `rounded` hold.
    #[inline(always)]
    fn power_of_two(rounded: Self) -> Self {
        let s = rounded.0;
        let bits = s.wrapping_dyn_shl_u32s(s.transmute_u32s_f32s(rounded.1), s.splat_u32s(23));
        F32s(s, s.transmute_f32s_u32s(s.add_u32s(bits, s.splat_u32s(0x3F80_0000))))
    }

    /// `(rounded, n, expm1(r))` of `self = n ln 2 + r`.
    #[inline(always)]
    fn reduce(self) -> (Self, Self, Self) {
        let rounded = self.mul_add(self.of(std::f32::consts::LOG2_E), self.of(ROUND));
        let n = rounded - self.of(ROUND);
        let r = (-n).mul_add(self.of(LN_2_HIGH), self);
        let r = (-n).mul_add(self.of(LN_2_LOW), r);
        let q = r.of(0.001_388_249_7).mul_add(r, r.of(0.008_366_647));
        let q = q.mul_add(r, r.of(0.041_667_204));
        let q = q.mul_add(r, r.of(0.166_665_43));
        let q = q.mul_add(r, r.of(0.499_999_98));
        (rounded, n, (r * r).mul_add(q, r))
    }
}

impl<S: Simd> Lanes for F32s<S> {
    #[inline(always)]
    fn splat(self, x: f64) -> Self {
        self.of(x as f32)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        F32s(self.0, self.0.mul_add_e_f32s(self.1, factor.1, term.1))
    }

    #[inline(always)]
    fn select_positive(self, yes: Self, no: Self) -> Self {
        self.where_above(self.of(0.0), yes, no)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        let x = self.clamp(-104.0, 89.0);
        let (_, n, p) = x.reduce();
        // In two factors, since 2^n alone would leave the normal numbers at both ends.
        let half = n.mul_add(x.of(0.5), x.of(ROUND));
        let rest = (n - (half - x.of(ROUND))) + x.of(ROUND);
        let first = Self::power_of_two(half);
        p.mul_add(first, first) * Self::power_of_two(rest)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        let x = self.clamp(-10.0, 10.0);
        let s = x.0;
        let magnitude = F32s(s, s.abs_f32s(x.1));
        let (rounded, _, p) = (magnitude + magnitude).reduce();
        let scale = Self::power_of_two(rounded);
        let e = p.mul_add(scale, scale - x.of(1.0));
        let t = e / (e + x.of(2.0));
        // `t` is not negative: it takes the sign of `x`.
        F32s(s, s.or_f32s(t.1, s.and_f32s(x.1, x.of(-0.0).1)))
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        let (rounded, _, p) = (-self).clamp(-EXP_LIMIT, EXP_LIMIT).reduce();
        let scale = Self::power_of_two(rounded);
        let one = self.of(1.0);
        let y = one / (p.mul_add(scale, scale) + one);
        (-self).where_above(self.of(EXP_LIMIT), self.of(0.0), y)
    }
}
