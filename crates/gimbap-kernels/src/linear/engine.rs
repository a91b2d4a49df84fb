//! The instruction set, found once and kept: a step of a stream has no time to look for it.

use super::token::RowToken;
use crate::Isa;
use crate::lanes::{ScalarF64, VectorF32};

/// Code that is generic over the instruction set; run it by [`crate::Arithmetic::run_row`].
/// Mark `call` `#[inline(always)]`, as with [`crate::Kernel`].
pub trait RowKernel<R> {
    /// The code.
    fn call<T: RowToken<Elem = R>>(self, token: T);
}

/// An instruction set that the processor has.
#[derive(Clone, Copy, Debug)]
pub struct Engine(Set);

#[derive(Clone, Copy, Debug)]
enum Set {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "x86_64")]
    Vnni(super::token::Vnni),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
}

struct On<K, T>(K, T);

impl<K: RowKernel<f32>, T: RowToken<Elem = f32>> pulp::NullaryFnOnce for On<K, T> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        self.0.call(self.1);
    }
}

/// # Safety
/// The processor has these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni")]
#[target_feature(enable = "bmi1,bmi2,lzcnt,popcnt,fma")]
unsafe fn on_vnni<K: RowKernel<f32>>(kernel: K, token: super::token::Vnni) {
    kernel.call(token);
}

impl Engine {
    /// That of [`Isa::active`], for rows of `units` outputs: what fits half a vector takes the shorter one.
    pub fn active(units: usize) -> Engine {
        #[cfg(target_arch = "x86_64")]
        if Isa::active() == Isa::Avx512 {
            let short = pulp::x86::V3::try_new().filter(|_| units <= 8).map(Set::Avx2);
            let vnni = || super::token::Vnni::try_new().map(Set::Vnni);
            let long = || pulp::x86::V4::try_new().map(Set::Avx512);
            return Engine(short.or_else(vnni).or_else(long).unwrap_or(Set::Scalar));
        }
        let _ = units;
        Engine(match Isa::active() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => pulp::x86::V3::try_new().map_or(Set::Scalar, Set::Avx2),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => pulp::aarch64::Neon::try_new().map_or(Set::Scalar, Set::Neon),
            _ => Set::Scalar,
        })
    }

    /// Every one that this processor has.
    pub fn available() -> Vec<Engine> {
        let mut all = vec![Engine(Set::Scalar)];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V3::try_new().map(|simd| Engine(Set::Avx2(simd))));
            all.extend(pulp::x86::V4::try_new().map(|simd| Engine(Set::Avx512(simd))));
            all.extend(super::token::Vnni::try_new().map(|token| Engine(Set::Vnni(token))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(pulp::aarch64::Neon::try_new().map(|simd| Engine(Set::Neon(simd))));
        all
    }

    /// Runs `kernel` on `f32` vectors.
    #[inline]
    pub(crate) fn run_f32<K: RowKernel<f32>>(self, kernel: K) {
        match self.0 {
            Set::Scalar => kernel.call(VectorF32(pulp::Scalar)),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(simd) => simd.vectorize(On(kernel, VectorF32(simd))),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(simd) => simd.vectorize(On(kernel, VectorF32(simd))),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token proves these features.
            Set::Vnni(token) => unsafe { on_vnni(kernel, token) },
            #[cfg(target_arch = "aarch64")]
            Set::Neon(simd) => simd.vectorize(On(kernel, VectorF32(simd))),
        }
    }

    /// Runs `kernel` on scalar `f64`.
    #[inline]
    pub(crate) fn run_f64<K: RowKernel<f64>>(self, kernel: K) {
        kernel.call(ScalarF64);
    }
}
