//! Gradient clipping and the L2 penalty: what happens to a gradient before the optimizer sees it.

use rayon::prelude::*;

use super::PARALLEL;
use crate::Real;

/// Numbers are summed in f64 over chunks of this many, then chunk by chunk in order: a fixed order, so the
/// same bits at any thread count.
const CHUNK: usize = 4096;

/// Sets every gradient to the nearest value in `[-limit, limit]` (Keras's `clipvalue`). NaN stays.
pub fn clip_value<R: Real>(gradients: &mut [R], limit: f64) {
    let limit = R::from_f64(limit);
    for g in gradients {
        if *g > limit {
            *g = limit;
        } else if *g < -limit {
            *g = -limit;
        }
    }
}

/// Scales the gradients by `limit / norm` where their Euclidean norm over all parameters together is above
/// `limit` (Keras's `global_clipnorm`; Pascanu et al., arXiv:1211.5063v2, algorithm 1). Returns the norm
/// before clipping; where it is not finite nothing is scaled, so that the offending values can still be found.
/// PyTorch's `clip_grad_norm_` divides by `norm + 1e-6` in its stead.
pub fn clip_global_norm<R: Real>(gradients: &mut [R], limit: f64) -> f64 {
    let norm = global_norm(gradients);
    if norm > limit && norm.is_finite() {
        let scale = R::from_f64(limit / norm);
        gradients.iter_mut().for_each(|g| *g *= scale);
    }
    norm
}

/// The Euclidean norm, `sqrt(sum g²)`.
pub fn global_norm<R: Real>(gradients: &[R]) -> f64 {
    sum_of_squares(gradients).sqrt()
}

/// The L2 penalty of one parameter, `coefficient * sum w²` (Keras's `regularizers.L2`, without a factor 1/2),
/// which is added to the loss.
pub fn l2_loss<R: Real>(weights: &[R], coefficient: f64) -> f64 {
    coefficient * sum_of_squares(weights)
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

fn sum_of_squares<R: Real>(values: &[R]) -> f64 {
    if values.len() > PARALLEL {
        let sums: Vec<f64> = values.par_chunks(CHUNK).map(chunk_sum_of_squares).collect();
        sums.iter().sum()
    } else {
        values.chunks(CHUNK).map(chunk_sum_of_squares).sum()
    }
}

/// In eight partial sums, a fixed order that the compiler can vectorise.
fn chunk_sum_of_squares<R: Real>(chunk: &[R]) -> f64 {
    let eights = chunk.chunks_exact(8);
    let tail: f64 = eights.remainder().iter().map(|v| v.to_f64() * v.to_f64()).sum();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, v) in sums.iter_mut().zip(eight) {
            *sum += v.to_f64() * v.to_f64();
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let serial = g.chunks(CHUNK).map(chunk_sum_of_squares).sum::<f64>().sqrt();
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
