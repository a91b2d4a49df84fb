//! Gradient clipping and the L2 penalty: what happens to a gradient before the optimizer sees it.

use gimbap_kernels::{Arithmetic, Kernel, Token};

use super::Live;
use crate::Real;

/// Sets every gradient to the nearest value in `[-limit, limit]` (Keras's `clipvalue`). NaN stays.
pub fn clip_value<R: Arithmetic>(gradients: &mut [R], limit: f64) {
    let live = Live::all(gradients.len());
    clip_value_at(gradients, limit, &live);
}

/// [`clip_value`] of gradients that are zero outside of `live`.
pub fn clip_value_at<R: Arithmetic>(gradients: &mut [R], limit: f64, live: &Live) {
    let limit = R::from_f64(limit);
    live.for_each([gradients], |[gradients]| {
        for g in gradients {
            if *g > limit {
                *g = limit;
            } else if *g < -limit {
                *g = -limit;
            }
        }
    });
}

/// What gradients of this norm are multiplied by so that it is at most `limit`: `limit / norm` where the norm is above
/// it, else 1. A norm that is not finite gives 1, so that the offending values can still be found.
pub fn scale_to_norm(norm: f64, limit: f64) -> f64 {
    if norm > limit && norm.is_finite() { limit / norm } else { 1.0 }
}

/// Scales the gradients by [`scale_to_norm`] of their Euclidean norm over all parameters together (Keras's
/// `global_clipnorm`; Pascanu et al., arXiv:1211.5063v2, algorithm 1). Returns the norm before clipping.
/// PyTorch's `clip_grad_norm_` divides by `norm + 1e-6` in its stead.
pub fn clip_global_norm<R: Arithmetic>(gradients: &mut [R], limit: f64) -> f64 {
    let norm = global_norm(gradients);
    let scale = scale_to_norm(norm, limit);
    if scale != 1.0 {
        let scale = R::from_f64(scale);
        gradients.iter_mut().for_each(|g| *g *= scale);
    }
    norm
}

/// The Euclidean norm, `sqrt(sum g²)`.
pub fn global_norm<R: Arithmetic>(gradients: &[R]) -> f64 {
    norm_at(gradients, &Live::all(gradients.len()))
}

/// [`global_norm`] of gradients that are zero outside of `live`.
pub fn norm_at<R: Arithmetic>(gradients: &[R], live: &Live) -> f64 {
    sum_of_squares(gradients, live).sqrt()
}

/// The L2 penalty of one parameter, `coefficient * sum w²` (Keras's `regularizers.L2`, without a factor 1/2),
/// which is added to the loss.
pub fn l2_loss<R: Arithmetic>(weights: &[R], coefficient: f64) -> f64 {
    coefficient * sum_of_squares(weights, &Live::all(weights.len()))
}

/// Adds the gradient of [`l2_loss`], `2 * coefficient * w`, to `gradients`. It comes before clipping, as in
/// Keras, where the penalty is part of the loss.
///
/// # Panics
/// If the lengths differ.
pub fn add_l2_gradient<R: Real>(gradients: &mut [R], weights: &[R], coefficient: f64) {
    assert_eq!(gradients.len(), weights.len(), "one gradient for each weight");
    let slope = R::from_f64(2.0 * coefficient);
    gradients.iter_mut().zip(weights).for_each(|(g, &w)| *g += slope * w);
}

/// In f64 over each chunk, then chunk by chunk in order: a fixed order, so the same bits at any thread count.
fn sum_of_squares<R: Arithmetic>(values: &[R], live: &Live) -> f64 {
    live.sum(values, |chunk| R::run(SumOfSquares(chunk)))
}

/// In sixteen partial sums, an order that no instruction set changes.
struct SumOfSquares<'a, R>(&'a [R]);

impl<R: Arithmetic> Kernel<R> for SumOfSquares<'_, R> {
    type Output = f64;
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, _: T) -> f64 {
        let mut sums = [0.0; 16];
        let sixteens = self.0.chunks_exact(16);
        let tail = sixteens.remainder();
        for sixteen in sixteens {
            for (sum, v) in sums.iter_mut().zip(sixteen) {
                *sum += v.to_f64() * v.to_f64();
            }
        }
        for (sum, v) in sums.iter_mut().zip(tail) {
            *sum += v.to_f64() * v.to_f64();
        }
        let mut total = 0.0;
        for sum in sums {
            total += sum;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::PARALLEL;
    use crate::optim::live::CHUNK;
    use crate::optim::tests::at_thread_counts;
    use crate::rng::keyed;

    #[test]
    fn values_are_clipped_on_both_sides() {
        let mut g = [-3.0, -0.5, 0.0, 0.5, 3.0, f32::INFINITY, f32::NAN];
        clip_value(&mut g, 1.0);
        assert_eq!(g[..6], [-1.0, -0.5, 0.0, 0.5, 1.0, 1.0]);
        assert!(g[6].is_nan());
    }

    #[test]
    fn a_norm_above_the_limit_is_scaled_to_it() {
        let mut g = [3.0f32, 0.0, -4.0];
        assert_eq!(clip_global_norm(&mut g, 5.0), 5.0);
        assert_eq!(g, [3.0, 0.0, -4.0]);
        assert_eq!(clip_global_norm(&mut g, 2.5), 5.0);
        assert_eq!(g, [1.5, 0.0, -2.0]);
        assert_eq!(clip_global_norm::<f32>(&mut [], 1.0), 0.0);
    }

    #[test]
    fn a_norm_that_is_not_finite_scales_nothing() {
        let mut g = [1.0f32, f32::INFINITY];
        assert_eq!(clip_global_norm(&mut g, 1.0), f64::INFINITY);
        assert_eq!(g, [1.0, f32::INFINITY]);
        assert!(clip_global_norm(&mut [1.0, f32::NAN], 1.0).is_nan());
    }

    #[test]
    fn the_norm_has_the_same_bits_at_any_thread_count() {
        let mut rng = keyed(1, 0, 0, 0);
        for n in [1000, PARALLEL, PARALLEL + 1, 3 * PARALLEL + 77] {
            let g: Vec<f32> = (0..n).map(|_| rng.normal() as f32).collect();
            let exact = g.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
            let norms = at_thread_counts(|| global_norm(&g));
            assert!(norms.iter().all(|norm| norm.to_bits() == norms[0].to_bits()), "{norms:?}");
            assert!((norms[0] / exact - 1.0).abs() < 1e-13);
            // ... and by the serial way as well, which is taken below the threshold
            let serial = g.chunks(CHUNK).map(|chunk| f32::run(SumOfSquares(chunk))).sum::<f64>().sqrt();
            assert_eq!(norms[0].to_bits(), serial.to_bits());
        }
    }

    #[test]
    fn l2_is_the_derivative_of_its_loss() {
        let w = [0.5f64, -2.0, 3.0];
        assert_eq!(l2_loss(&w, 0.1), 0.1 * 13.25);
        let mut g = [1.0; 3];
        add_l2_gradient(&mut g, &w, 0.1);
        assert_eq!(g, [1.0 + 0.2 * 0.5, 1.0 - 0.2 * 2.0, 1.0 + 0.2 * 3.0]);
    }
}
