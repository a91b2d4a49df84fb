//! The simple (Elman 1990) recurrent network:
//!
//! ```text
//! h_t = tanh(W_x x_t + W_h h_{t-1} + b)
//! ```
//!
//! With ReLU in place of tanh and `W_h` starting as the identity it is the IRNN (Le, Jaitly and Hinton 2015).
//! Kept for backward: nothing but `h_t` itself, since both derivatives follow from it.

use gimbap_kernels::Lanes;

use super::{Cell, Product, Stage};

const PRODUCTS: &[Product] = &[Product { stage: Stage::Hidden, first_gate: 0, gates: 1, plane: 0 }];

/// `h_t = tanh(...)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimpleRnn;

impl Cell for SimpleRnn {
    type State<V: Lanes> = [V; 1];
    type Step<V: Lanes> = [V; 1];
    const GATES: usize = 1;
    const PRODUCTS: &'static [Product] = PRODUCTS;

    #[inline(always)]
    fn forward<V: Lanes>(&self, [a]: [V; 1], _: [V; 1]) -> ([V; 1], [V; 1]) {
        ([a.tanh()], [a])
    }

    #[inline(always)]
    fn backward<V: Lanes>(&self, [a]: [V; 1], _: [V; 1], [h]: [V; 1], [d_h]: [V; 1]) -> ([V; 1], [V; 1]) {
        ([d_h * (a.splat(1.0) - h * h)], [a.splat(0.0)])
    }
}

/// `h_t = max(0, ...)`. At exactly zero the derivative is taken as zero, as everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReluRnn;

impl Cell for ReluRnn {
    type State<V: Lanes> = [V; 1];
    type Step<V: Lanes> = [V; 1];
    const GATES: usize = 1;
    const PRODUCTS: &'static [Product] = PRODUCTS;

    #[inline(always)]
    fn forward<V: Lanes>(&self, [a]: [V; 1], _: [V; 1]) -> ([V; 1], [V; 1]) {
        ([a.relu()], [a])
    }

    #[inline(always)]
    fn backward<V: Lanes>(&self, [a]: [V; 1], _: [V; 1], [h]: [V; 1], [d_h]: [V; 1]) -> ([V; 1], [V; 1]) {
        let zero = a.splat(0.0);
        ([h.select_positive(d_h, zero)], [zero])
    }
}
