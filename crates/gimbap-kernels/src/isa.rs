//! The instruction sets, found at run time.
//!
//! The best one is used unless the environment variable `GIMBAP_ISA` (`scalar`, `avx2`, `avx512`, `neon`) or
//! [`Isa::select`] names another. A value of `GIMBAP_ISA` that cannot be followed is as if it were not there: who
//! wants it refused asks [`Isa::requested`].

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use pulp::{Simd, WithSimd};

use crate::lanes::{ScalarF64, Token, VectorF32};

/// An instruction set that our kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Isa {
    /// Plain Rust, on every processor.
    Scalar = 1,
    /// x86-64 with AVX2 and FMA: 8 lanes.
    Avx2 = 2,
    /// x86-64 with AVX-512 (F, BW, CD, DQ, VL): 16 lanes.
    Avx512 = 3,
    /// 64-bit Arm: 4 lanes.
    Neon = 4,
}

static SELECTED: AtomicU8 = AtomicU8::new(0);

impl Isa {
    const ALL: [Isa; 4] = [Isa::Scalar, Isa::Avx2, Isa::Avx512, Isa::Neon];

    /// Those that this processor has, the best last.
    pub fn available() -> Vec<Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => pulp::aarch64::Neon::try_new().is_some(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// The one in use.
    pub fn active() -> Isa {
        match SELECTED.load(Ordering::Relaxed) {
            1 => Isa::Scalar,
            2 => Isa::Avx2,
            3 => Isa::Avx512,
            4 => Isa::Neon,
            _ => Isa::choose(),
        }
    }

    #[cold]
    fn choose() -> Isa {
        let best = || Isa::available().pop().unwrap_or(Isa::Scalar);
        let isa = Isa::requested().ok().flatten().unwrap_or_else(best);
        SELECTED.store(isa as u8, Ordering::Relaxed);
        isa
    }

    /// What `GIMBAP_ISA` asks for; None where it is not set, or empty.
    ///
    /// # Errors
    /// A message for whoever set it, where it names none of those that this processor has.
    pub fn requested() -> Result<Option<Isa>, String> {
        let Some(name) = std::env::var_os("GIMBAP_ISA").filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let available = Isa::available();
        if let Some(isa) = available.iter().find(|isa| name == isa.to_string().as_str()) {
            return Ok(Some(*isa));
        }
        let names: Vec<String> = available.iter().map(|isa| format!("`{isa}`")).collect();
        let known = Isa::ALL.iter().any(|isa| name == isa.to_string().as_str());
        let fault = if known { "which this processor lacks" } else { "which is no instruction set" };
        let name = name.to_string_lossy();
        Err(format!("GIMBAP_ISA is `{name}`, {fault}; here there are {}", names.join(", ")))
    }

    /// Uses this one from now on, in the whole process; false where the processor lacks it.
    ///
    /// A model packs its weights for the set that is in use when it is run. A network or stream that was begun before keeps the
    /// form of the old one, and its next product panics, if the two differ in their lanes: not while anything computes.
    pub fn select(self) -> bool {
        let available = self.is_available();
        if available {
            SELECTED.store(self as u8, Ordering::Relaxed);
        }
        available
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::Scalar => "scalar",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Neon => "neon",
        })
    }
}

/// Code that is generic over the instruction set; run it by [`crate::Arithmetic::run`].
/// Mark `call` `#[inline(always)]`, or the compiler leaves it without the instruction set's features.
pub trait Kernel<R> {
    /// What it returns.
    type Output;
    /// The code.
    fn call<T: Token<Elem = R>>(self, token: T) -> Self::Output;
}

/// The columns of a panel.
pub(crate) struct Panel;

impl<R: crate::Real> Kernel<R> for Panel {
    type Output = usize;
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, _: T) -> usize {
        T::PANEL * T::WIDTH
    }
}

struct OnF32<K>(K);

impl<K: Kernel<f32>> WithSimd for OnF32<K> {
    type Output = K::Output;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> K::Output {
        self.0.call(VectorF32(simd))
    }
}

/// Runs `kernel` on `f32` vectors of the active instruction set.
pub(crate) fn run_f32<K: Kernel<f32>>(kernel: K) -> K::Output {
    let kernel = OnF32(kernel);
    match Isa::active() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => match pulp::x86::V4::try_new() {
            Some(simd) => Simd::vectorize(simd, kernel),
            None => Simd::vectorize(pulp::Scalar, kernel),
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => match pulp::x86::V3::try_new() {
            Some(simd) => Simd::vectorize(simd, kernel),
            None => Simd::vectorize(pulp::Scalar, kernel),
        },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => match pulp::aarch64::Neon::try_new() {
            Some(simd) => Simd::vectorize(simd, kernel),
            None => Simd::vectorize(pulp::Scalar, kernel),
        },
        _ => Simd::vectorize(pulp::Scalar, kernel),
    }
}

/// Runs `kernel` on scalar `f64`.
pub(crate) fn run_f64<K: Kernel<f64>>(kernel: K) -> K::Output {
    kernel.call(ScalarF64)
}
