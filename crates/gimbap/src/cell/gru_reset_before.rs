//! GRU that resets before its product: Cho et al. 2014 (arXiv:1406.1078v3), Keras with `reset_after=False`.
//!
//! ```text
//! r = sigmoid(W_xr x_t + W_hr h_{t-1} + b_r)      z alike
//! n =    tanh(W_xn x_t + W_hn (r * h_{t-1}) + b_n)
//! h_t = (1 - z) * n + z * h_{t-1}
//! ```
//!
//! Gate order `r, z, n`. Two stages: `q = r * h_{t-1}` is the second product's operand and has the fourth plane.
//! Kept for backward: `r, z, n, q`.

use gimbap_kernels::Lanes;

use super::{Cell, Product, Stage, d_sigmoid};

/// The equations of the GRU that resets before its product.
#[derive(Clone, Copy, Debug, Default)]
pub struct GruResetBefore;

impl Cell for GruResetBefore {
    type State<V: Lanes> = [V; 1];
    type Step<V: Lanes> = [V; 4];
    const GATES: usize = 3;
    const PRODUCTS: &'static [Product] = &[
        Product { stage: Stage::Hidden, first_gate: 0, gates: 2, plane: 0 },
        Product { stage: Stage::Operand { plane: 3 }, first_gate: 2, gates: 1, plane: 2 },
    ];

    #[inline(always)]
    fn operand<V: Lanes>(&self, [r, z, n, _]: [V; 4], [h_prev]: [V; 1]) -> [V; 4] {
        let r = r.sigmoid();
        [r, z.sigmoid(), n, r * h_prev]
    }

    #[inline(always)]
    fn forward<V: Lanes>(&self, [r, z, n, q]: [V; 4], [h_prev]: [V; 1]) -> ([V; 1], [V; 4]) {
        let n = n.tanh();
        ([z.mul_add(h_prev - n, n)], [r, z, n, q])
    }

    /// Leaves `r` in its plane: [`Cell::operand_backward`] needs it.
    #[inline(always)]
    fn backward<V: Lanes>(
        &self,
        [r, z, n, q]: [V; 4],
        [h_prev]: [V; 1],
        _: [V; 1],
        [d_h]: [V; 1],
    ) -> ([V; 4], [V; 1]) {
        let one = r.splat(1.0);
        let d_z = d_h * (h_prev - n);
        let d_n = d_h * (one - z) * (one - n * n);
        ([r, d_z * d_sigmoid(z), d_n, q], [d_h * z])
    }

    #[inline(always)]
    fn operand_backward<V: Lanes>(&self, [r, d_z, d_n, q]: [V; 4], [h_prev]: [V; 1], d_q: V) -> ([V; 4], V) {
        let d_r = d_q * h_prev;
        ([d_r * d_sigmoid(r), d_z, d_n, q], d_q * r)
    }
}
