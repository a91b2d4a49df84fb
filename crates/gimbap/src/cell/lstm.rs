//! LSTM: Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000, the form of
//! Keras and PyTorch.
//!
//! ```text
//! i = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)      f, o alike
//! g =    tanh(W_xg x_t + W_hg h_{t-1} + b_g)
//! c_t = f * c_{t-1} + i * g
//! h_t = o * tanh(c_t)
//! ```
//!
//! Gate order `i, f, g, o`; states `h, c`. Kept for backward: the four gates; `tanh(c_t)` is computed again.

use gimbap_kernels::Lanes;

use super::{Cell, Product, Stage, d_sigmoid};

/// The LSTM's equations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lstm;

impl Cell for Lstm {
    type State<V: Lanes> = [V; 2];
    type Step<V: Lanes> = [V; 4];
    const GATES: usize = 4;
    const PRODUCTS: &'static [Product] =
        &[Product { stage: Stage::Hidden, first_gate: 0, gates: 4, plane: 0 }];

    #[inline(always)]
    fn forward<V: Lanes>(&self, [i, f, g, o]: [V; 4], [_, c_prev]: [V; 2]) -> ([V; 2], [V; 4]) {
        let (i, f, g, o) = (i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid());
        let c = f.mul_add(c_prev, i * g);
        ([o * c.tanh(), c], [i, f, g, o])
    }

    #[inline(always)]
    fn backward<V: Lanes>(
        &self,
        [i, f, g, o]: [V; 4],
        [_, c_prev]: [V; 2],
        [_, c]: [V; 2],
        [d_h, d_c]: [V; 2],
    ) -> ([V; 4], [V; 2]) {
        let one = i.splat(1.0);
        let tanh_c = c.tanh();
        let d_o = d_h * tanh_c;
        let d_c = (d_h * o).mul_add(one - tanh_c * tanh_c, d_c);
        let (d_i, d_f, d_g) = (d_c * g, d_c * c_prev, d_c * i);
        let d_step = [d_i * d_sigmoid(i), d_f * d_sigmoid(f), d_g * (one - g * g), d_o * d_sigmoid(o)];
        (d_step, [one.splat(0.0), d_c * f])
    }
}
