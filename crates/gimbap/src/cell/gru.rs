//! GRU that resets after its product: the form of cuDNN, PyTorch, and Keras with `reset_after=True` (Cho et al.
//! 2014, arXiv:1406.1078v3 describes resetting before, see [`super::gru_reset_before`]; v1 this one).
//!
//! ```text
//! r = sigmoid(W_xr x_t + b_r + W_hr h_{t-1} + b_hr)      z alike
//! n =    tanh(W_xn x_t + b_n + r * (W_hn h_{t-1} + b_hn))
//! h_t = (1 - z) * n + z * h_{t-1}
//! ```
//!
//! Gate order `r, z, n`. Planes: `r, z`, the input's part of `n`, the recurrent part of `n`. Kept for backward:
//! `r, z, n` and that recurrent part.

use gimbap_kernels::Lanes;

use super::{Cell, Product, Stage, d_sigmoid};

/// The equations of the GRU that resets after its product.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gru;

impl Cell for Gru {
    type State<V: Lanes> = [V; 1];
    type Step<V: Lanes> = [V; 4];
    const GATES: usize = 3;
    const PRODUCTS: &'static [Product] = &[
        Product { stage: Stage::Hidden, first_gate: 0, gates: 2, plane: 0 },
        Product { stage: Stage::Hidden, first_gate: 2, gates: 1, plane: 3 },
    ];
    const RECURRENT_BIAS: bool = true;

    #[inline(always)]
    fn forward<V: Lanes>(&self, [r, z, n_x, n_h]: [V; 4], [h_prev]: [V; 1]) -> ([V; 1], [V; 4]) {
        let (r, z) = (r.sigmoid(), z.sigmoid());
        let n = r.mul_add(n_h, n_x).tanh();
        ([z.mul_add(h_prev - n, n)], [r, z, n, n_h])
    }

    #[inline(always)]
    fn backward<V: Lanes>(
        &self,
        [r, z, n, n_h]: [V; 4],
        [h_prev]: [V; 1],
        _: [V; 1],
        [d_h]: [V; 1],
    ) -> ([V; 4], [V; 1]) {
        let one = r.splat(1.0);
        let d_z = d_h * (h_prev - n);
        let d_n_x = d_h * (one - z) * (one - n * n);
        let d_r = d_n_x * n_h;
        ([d_r * d_sigmoid(r), d_z * d_sigmoid(z), d_n_x, d_n_x * r], [d_h * z])
    }
}
