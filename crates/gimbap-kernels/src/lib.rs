//! Arithmetic on slices.

mod real;

pub use real::Real;
