//! What a one-row product asks of an instruction set beside [`Token`]: bf16 weights widened, int8 products summed.

use pulp::Simd;

use crate::lanes::{F32s, ScalarF64, Token, VectorF32};

/// Weights four by four, as int8 products read them.
pub(super) const QUAD: usize = 4;

/// A [`Token`] whose lanes can also work on quantised weights.
pub trait RowToken: Token {
    /// A 32-bit integer in every lane.
    type I: Copy;
    /// What is added to every activation before [`RowToken::dot`] sees it, so that its sums have this times the
    /// sum of the weights too much: 128 where the hardware takes unsigned activations.
    const OFFSET: i32;
    /// The bf16 numbers in the low and in the high halves of [`Token::WIDTH`] words.
    ///
    /// # Safety
    /// `from` is valid for reads of so many words.
    unsafe fn load_pair(self, from: *const u32) -> (Self::V, Self::V);
    /// [`Token::WIDTH`] integers.
    ///
    /// # Safety
    /// `from` is valid for reads of so many.
    unsafe fn load_i32(self, from: *const i32) -> Self::I;
    /// Adds to every lane the products of its four weights, in `-127..=127`, with the four activations of a word,
    /// in `-127..=127` and offset by [`RowToken::OFFSET`]: exact.
    ///
    /// # Safety
    /// `weights` is valid for reads of [`Token::WIDTH`] quads.
    unsafe fn dot(self, sums: Self::I, activations: u32, weights: *const [i8; QUAD]) -> Self::I;
    /// As real numbers.
    fn to_real(self, sums: Self::I) -> Self::V;
}

#[inline(always)]
fn widen<S: Simd>(simd: S, pairs: S::u32s) -> (F32s<S>, F32s<S>) {
    let low = simd.wrapping_dyn_shl_u32s(pairs, simd.splat_u32s(16));
    let high = simd.and_u32s(pairs, simd.splat_u32s(0xFFFF_0000));
    (F32s(simd, simd.transmute_f32s_u32s(low)), F32s(simd, simd.transmute_f32s_u32s(high)))
}

#[inline(always)]
fn dot_one(sum: i32, activations: u32, weights: [i8; QUAD]) -> i32 {
    let a = activations.to_le_bytes();
    let mut sum = sum;
    for i in 0..QUAD {
        sum = sum.wrapping_add(i32::from(a[i] as i8) * i32::from(weights[i]));
    }
    sum
}

impl RowToken for ScalarF64 {
    type I = i32;
    const OFFSET: i32 = 0;
    #[inline(always)]
    unsafe fn load_pair(self, from: *const u32) -> (f64, f64) {
        // SAFETY: the caller's promise.
        let pair = unsafe { *from };
        (f32::from_bits(pair << 16).into(), f32::from_bits(pair & 0xFFFF_0000).into())
    }
    #[inline(always)]
    unsafe fn load_i32(self, from: *const i32) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn dot(self, sum: i32, activations: u32, weights: *const [i8; QUAD]) -> i32 {
        // SAFETY: the caller's promise.
        dot_one(sum, activations, unsafe { *weights })
    }
    #[inline(always)]
    fn to_real(self, sum: i32) -> f64 {
        sum.into()
    }
}

impl RowToken for VectorF32<pulp::Scalar> {
    type I = i32;
    const OFFSET: i32 = 0;
    #[inline(always)]
    unsafe fn load_pair(self, from: *const u32) -> (Self::V, Self::V) {
        // SAFETY: the caller's promise.
        widen(self.0, unsafe { *from })
    }
    #[inline(always)]
    unsafe fn load_i32(self, from: *const i32) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn dot(self, sum: i32, activations: u32, weights: *const [i8; QUAD]) -> i32 {
        // SAFETY: the caller's promise.
        dot_one(sum, activations, unsafe { *weights })
    }
    #[inline(always)]
    fn to_real(self, sum: i32) -> Self::V {
        F32s(self.0, sum as f32)
    }
}

#[cfg(target_arch = "aarch64")]
impl RowToken for VectorF32<pulp::aarch64::Neon> {
    type I = [i32; 4];
    const OFFSET: i32 = 0;
    #[inline(always)]
    unsafe fn load_pair(self, from: *const u32) -> (Self::V, Self::V) {
        // SAFETY: the caller's promise; unaligned reads are allowed here.
        widen(self.0, unsafe { from.cast::<<pulp::aarch64::Neon as Simd>::u32s>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_i32(self, from: *const i32) -> [i32; 4] {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[i32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn dot(self, mut sums: [i32; 4], activations: u32, weights: *const [i8; QUAD]) -> [i32; 4] {
        for (lane, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *sum = dot_one(*sum, activations, unsafe { *weights.add(lane) });
        }
        sums
    }
    #[inline(always)]
    fn to_real(self, sums: [i32; 4]) -> Self::V {
        let real = [sums[0] as f32, sums[1] as f32, sums[2] as f32, sums[3] as f32];
        self.load(&real)
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::Vnni;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    use pulp::Simd;
    use pulp::x86::{V3, V4};

    use super::{QUAD, RowToken, widen};
    use crate::lanes::{F32s, Token, VectorF32};

    impl RowToken for VectorF32<V3> {
        type I = __m256i;
        const OFFSET: i32 = 0;
        #[inline(always)]
        unsafe fn load_pair(self, from: *const u32) -> (Self::V, Self::V) {
            // SAFETY: the caller's promise; unaligned reads are allowed here.
            widen(self.0, unsafe { from.cast::<<V3 as Simd>::u32s>().read_unaligned() })
        }
        #[inline(always)]
        unsafe fn load_i32(self, from: *const i32) -> __m256i {
            // SAFETY: the caller's promise; the token proves AVX2.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }
        /// Pairs are summed in 16 bits, which holds two products of 127 with 127.
        #[inline(always)]
        unsafe fn dot(self, sums: __m256i, activations: u32, weights: *const [i8; QUAD]) -> __m256i {
            // SAFETY: the caller's promise; the token proves AVX2.
            unsafe {
                let a = _mm256_set1_epi32(activations as i32);
                let w = _mm256_sign_epi8(_mm256_loadu_si256(weights.cast()), a);
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(a), w);
                _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
            }
        }
        #[inline(always)]
        fn to_real(self, sums: __m256i) -> Self::V {
            // SAFETY: the token proves AVX2; both are eight 32-bit lanes.
            F32s(self.0, unsafe { transmute::<__m256, <V3 as Simd>::f32s>(_mm256_cvtepi32_ps(sums)) })
        }
    }

    impl RowToken for VectorF32<V4> {
        type I = __m512i;
        const OFFSET: i32 = 0;
        #[inline(always)]
        unsafe fn load_pair(self, from: *const u32) -> (Self::V, Self::V) {
            // SAFETY: the caller's promise; unaligned reads are allowed here.
            widen(self.0, unsafe { from.cast::<<V4 as Simd>::u32s>().read_unaligned() })
        }
        #[inline(always)]
        unsafe fn load_i32(self, from: *const i32) -> __m512i {
            // SAFETY: the caller's promise; the token proves AVX-512 F.
            unsafe { _mm512_loadu_si512(from.cast()) }
        }
        /// As with AVX2; the signs by a mask.
        #[inline(always)]
        unsafe fn dot(self, sums: __m512i, activations: u32, weights: *const [i8; QUAD]) -> __m512i {
            // SAFETY: the caller's promise; the token proves AVX-512 F and BW.
            unsafe {
                let a = _mm512_set1_epi32(activations as i32);
                let w = _mm512_loadu_si512(weights.cast());
                let w = _mm512_mask_sub_epi8(w, _mm512_movepi8_mask(a), _mm512_setzero_si512(), w);
                let pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(a), w);
                _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
            }
        }
        #[inline(always)]
        fn to_real(self, sums: __m512i) -> Self::V {
            // SAFETY: the token proves AVX-512 F; both are sixteen 32-bit lanes.
            F32s(self.0, unsafe { transmute::<__m512, <V4 as Simd>::f32s>(_mm512_cvtepi32_ps(sums)) })
        }
    }

    /// The proof of AVX-512 with its dot products of bytes (VNNI).
    #[derive(Clone, Copy, Debug)]
    pub struct Vnni(VectorF32<V4>);

    impl Vnni {
        /// If the processor has it.
        pub fn try_new() -> Option<Vnni> {
            let simd = V4::try_new().filter(|_| is_x86_feature_detected!("avx512vnni"))?;
            Some(Vnni(VectorF32(simd)))
        }
    }

    impl Token for Vnni {
        type Elem = f32;
        type V = F32s<V4>;
        const PANEL: usize = <VectorF32<V4> as Token>::PANEL;
        const WIDTH: usize = <VectorF32<V4> as Token>::WIDTH;
        #[inline(always)]
        fn splat(self, x: f32) -> Self::V {
            self.0.splat(x)
        }
        #[inline(always)]
        fn load(self, from: &[f32]) -> Self::V {
            self.0.load(from)
        }
        #[inline(always)]
        fn store(self, to: &mut [f32], value: Self::V) {
            self.0.store(to, value);
        }
        #[inline(always)]
        fn sum(self, value: Self::V) -> f32 {
            self.0.sum(value)
        }
        #[inline(always)]
        fn largest(self, value: Self::V) -> f32 {
            self.0.largest(value)
        }
    }

    impl RowToken for Vnni {
        type I = __m512i;
        const OFFSET: i32 = 128;
        #[inline(always)]
        unsafe fn load_pair(self, from: *const u32) -> (Self::V, Self::V) {
            // SAFETY: the caller's promise.
            unsafe { self.0.load_pair(from) }
        }
        #[inline(always)]
        unsafe fn load_i32(self, from: *const i32) -> __m512i {
            // SAFETY: the caller's promise.
            unsafe { self.0.load_i32(from) }
        }
        #[inline(always)]
        unsafe fn dot(self, sums: __m512i, activations: u32, weights: *const [i8; QUAD]) -> __m512i {
            // SAFETY: the caller's promise; the token proves AVX-512 F and VNNI.
            unsafe {
                let a = _mm512_set1_epi32(activations as i32);
                _mm512_dpbusd_epi32(sums, a, _mm512_loadu_si512(weights.cast()))
            }
        }
        #[inline(always)]
        fn to_real(self, sums: __m512i) -> Self::V {
            self.0.to_real(sums)
        }
    }
}
