//! Arithmetic on slices for Gimbap: slices in, slices out. This crate knows no cell, no layer and no file; it is
//! the only one of the workspace with `unsafe`.
//!
//! - [`Real`]: the number types; [`Lanes`], [`Token`]: one vector type for every instruction set, with `exp`,
//!   `tanh` and `sigmoid`; [`Isa`]: which set runs.
//! - [`packed`]: the small product that a recurrence repeats at every step.
//! - [`product`](product()): the large products over all steps at once.
//! - [`rows`]: softmax and the like over rows.
//! - [`slabs`]: a buffer shared out to threads by rows.

mod isa;
mod lanes;
pub mod packed;
mod product;
mod real;
pub mod rows;
pub mod slabs;

pub use isa::{Isa, Kernel};
pub use lanes::{F32s, Lanes, ScalarF64, Token, VectorF32};
pub use packed::TILE_ROWS;
pub use product::{View, product};
pub use real::Real;

/// A number type that kernels run on. The kernels themselves are methods, so that they are compiled once, here.
pub trait Arithmetic: Real {
    /// Runs a kernel on this type's vectors, on the active instruction set.
    fn run<K: Kernel<Self>>(kernel: K) -> K::Output;
    #[doc(hidden)]
    fn pack(pack: packed::Pack<'_, Self>);
    #[doc(hidden)]
    fn multiply(multiply: packed::Multiply<'_, Self>);
    #[doc(hidden)]
    fn softmax(softmax: rows::Softmax<'_, Self>) -> Self;
    #[doc(hidden)]
    fn add_rows(add: rows::AddRows<'_, Self>);
    #[doc(hidden)]
    fn apply(function: rows::Function, values: &mut [Self]);
}

macro_rules! arithmetic {
    ($type:ty, $run:path) => {
        impl Arithmetic for $type {
            #[inline]
            fn run<K: Kernel<$type>>(kernel: K) -> K::Output {
                $run(kernel)
            }
            fn pack(pack: packed::Pack<'_, $type>) {
                $run(pack)
            }
            fn multiply(multiply: packed::Multiply<'_, $type>) {
                $run(multiply)
            }
            fn softmax(softmax: rows::Softmax<'_, $type>) -> $type {
                $run(softmax)
            }
            fn add_rows(add: rows::AddRows<'_, $type>) {
                $run(add)
            }
            fn apply(function: rows::Function, values: &mut [$type]) {
                $run(rows::Apply(function, values))
            }
        }
    };
}
arithmetic!(f32, isa::run_f32);
arithmetic!(f64, isa::run_f64);
