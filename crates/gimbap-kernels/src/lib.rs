//! Arithmetic on slices for Gimbap: slices in, slices out. This crate knows no cell, no layer and no file; it is
//! the only one of the workspace with `unsafe`.
//!
//! - [`Real`]: the number types; [`Lanes`], [`Token`]: one vector type for every instruction set, with `exp`,
//!   `tanh` and `sigmoid`; [`Isa`]: which set runs.
//! - [`packed`]: the small product that a recurrence repeats at every step.
//! - [`linear`]: one row times packed weights, `f32`, bf16 or int8: the steps of a stream.
//! - [`outer`]: weight gradients, sums of outer products over all rows.
//! - `peer`, a feature: the product of the `gemm` crate, for the bench.
//! - [`rows`]: softmax, its logarithm and the like over rows.
//! - [`slabs`]: a buffer shared out to threads by rows; [`team`]: threads that take over within a step.

mod isa;
mod lanes;
pub mod linear;
pub mod outer;
pub mod packed;
#[cfg(feature = "peer")]
pub mod peer;
mod real;
pub mod rows;
pub mod slabs;
pub mod team;

pub use isa::{Isa, Kernel};
pub use lanes::{F32s, Lanes, ScalarF64, Token, VectorF32};
pub use real::Real;

/// A number type that kernels run on. The kernels themselves are methods, so that they are compiled once, here.
pub trait Arithmetic: Real {
    /// Runs a kernel on this type's vectors, on the active instruction set.
    fn run<K: Kernel<Self>>(kernel: K) -> K::Output;
    /// Runs a one-row kernel on this type's vectors, on a given instruction set.
    fn run_row<K: linear::RowKernel<Self>>(engine: linear::Engine, kernel: K);
    #[doc(hidden)]
    fn pack(pack: packed::Pack<'_, Self>);
    #[doc(hidden)]
    fn multiply(multiply: packed::Multiply<'_, Self>);
    #[doc(hidden)]
    fn outer(work: outer::Outer<'_, Self>);
    /// The columns of a panel on the active instruction set.
    #[doc(hidden)]
    fn panel() -> usize;
    #[doc(hidden)]
    fn softmax(softmax: rows::Softmax<'_, Self>) -> Self;
    #[doc(hidden)]
    fn log_sum_exp(row: &[Self]) -> Self;
    #[doc(hidden)]
    fn apply(function: rows::Function, values: &mut [Self]);
}

macro_rules! arithmetic {
    ($type:ty, $run:path, $run_row:path) => {
        impl Arithmetic for $type {
            #[inline]
            fn run<K: Kernel<$type>>(kernel: K) -> K::Output {
                $run(kernel)
            }
            #[inline]
            fn run_row<K: linear::RowKernel<$type>>(engine: linear::Engine, kernel: K) {
                $run_row(engine, kernel);
            }
            fn pack(pack: packed::Pack<'_, $type>) {
                $run(pack)
            }
            fn multiply(multiply: packed::Multiply<'_, $type>) {
                $run(multiply)
            }
            fn outer(work: outer::Outer<'_, $type>) {
                $run(work)
            }
            fn panel() -> usize {
                $run(isa::Panel)
            }
            fn softmax(softmax: rows::Softmax<'_, $type>) -> $type {
                $run(softmax)
            }
            fn log_sum_exp(row: &[$type]) -> $type {
                $run(rows::LogSumExp(row))
            }
            fn apply(function: rows::Function, values: &mut [$type]) {
                $run(rows::Apply(function, values))
            }
        }
    };
}
arithmetic!(f32, isa::run_f32, linear::Engine::run_f32);
arithmetic!(f64, isa::run_f64, linear::Engine::run_f64);
