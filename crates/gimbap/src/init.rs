//! Initial weights: Keras's initializers (Keras 3, `keras.initializers`), and PyTorch's.
//!
//! A matrix is `(rows, cols)`, row-major, and multiplies from the right: `y = x W`, so that `rows` are inputs
//! and `cols` outputs. Values are drawn in f64 and rounded by the caller, so f32 and f64 models start alike.

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

/// How a parameter starts. In a config: `{ type = "uniform", scale = 0.1 }`, `{ type = "orthogonal" }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Initializer {
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)): Keras's default for kernels (Glorot and Bengio 2010).
    GlorotUniform,
    /// Normal with variance `2 / fan_in`, cut off at two standard deviations and widened to keep the variance
    /// (He et al., arXiv:1502.01852v1; Keras's `he_normal`).
    HeNormal,
    /// A random matrix with orthonormal rows (or columns, whichever are fewer): Keras's default for recurrent
    /// kernels, over the whole `(H, G*H)` matrix and not gate by gate (Saxe et al., arXiv:1312.6120v3).
    /// `Q` of the QR factorisation of a standard normal matrix with `max(rows, cols)` rows, with the signs
    /// that make the diagonal of `R` positive, which makes `Q` uniform over the orthogonal matrices;
    /// transposed where `rows < cols`.
    Orthogonal,
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// 1 on the diagonal, 0 elsewhere: the recurrent kernel of the IRNN (Le et al., arXiv:1504.00941v2).
    Identity,
    /// Uniform in ±`scale`; Keras's `uniform` has `scale` 0.05, the default here.
    Uniform {
        /// The largest magnitude.
        #[serde(default = "default_scale")]
        scale: f64,
    },
    /// Normal with mean 0 and standard deviation `scale`, 0.05 by default as Keras's `random_normal`.
    Normal {
        /// The standard deviation.
        #[serde(default = "default_scale")]
        scale: f64,
    },
    /// Uniform in ±1/sqrt(fan_in), PyTorch's start for every weight and bias: of `nn.Linear` with its inputs as
    /// `fan_in`, of `nn.RNN`, `nn.LSTM` and `nn.GRU` with `fan_in = H` for all four tensors, the input kernel
    /// and the biases too. So a recurrent layer passes `H` as `fan_in` for this initializer.
    Torch,
}

fn default_scale() -> f64 {
    0.05
}

impl Initializer {
    /// A matrix of `shape = (rows, cols)`, row-major. A vector is `(1, n)`. `fan_in` and `fan_out` are the
    /// inputs and outputs of the unit that the matrix serves: `rows` and `cols` of a kernel.
    pub fn sample(&self, shape: (usize, usize), fan_in: usize, fan_out: usize, rng: &mut Rng) -> Vec<f64> {
        let (rows, cols) = shape;
        let n = rows * cols;
        let mut uniform = |limit: f64| (0..n).map(|_| rng.uniform(-limit, limit)).collect();
        match *self {
            Self::GlorotUniform => uniform((6.0 / (fan_in + fan_out).max(1) as f64).sqrt()),
            Self::Torch => uniform(1.0 / (fan_in.max(1) as f64).sqrt()),
            Self::Uniform { scale } => uniform(scale),
            Self::Normal { scale } => (0..n).map(|_| scale * rng.normal()).collect(),
            Self::HeNormal => {
                let scale = (2.0 / fan_in.max(1) as f64).sqrt() / TRUNCATED_DEVIATION;
                (0..n).map(|_| scale * truncated_normal(rng)).collect()
            }
            Self::Zeros => vec![0.0; n],
            Self::Ones => vec![1.0; n],
            Self::Identity => (0..n).map(|at| f64::from(at / cols == at % cols)).collect(),
            Self::Orthogonal => orthogonal(rows, cols, rng),
        }
    }
}

/// The standard deviation of a standard normal cut off at ±2.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

fn truncated_normal(rng: &mut Rng) -> f64 {
    loop {
        let x = rng.normal();
        if x.abs() < 2.0 {
            return x;
        }
    }
}

/// Gram and Schmidt's orthogonalisation, each vector twice over ("twice is enough"), which leaves `QᵀQ = I`
/// to rounding. Its `R` has a positive diagonal by construction: no sign is left to fix.
fn orthogonal(rows: usize, cols: usize, rng: &mut Rng) -> Vec<f64> {
    let (long, count) = (rows.max(cols), rows.min(cols));
    // `count` vectors of `long` numbers, one after the other: the columns of the (long, count) matrix.
    let mut q: Vec<f64> = (0..count * long).map(|_| rng.normal()).collect();
    for at in 0..count {
        let (done, rest) = q.split_at_mut(at * long);
        let v = &mut rest[..long];
        for _ in 0..2 {
            for u in done.chunks_exact(long) {
                let along = dot(u, v);
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
            }
        }
        let norm = dot(v, v).sqrt();
        v.iter_mut().for_each(|v| *v /= norm);
    }
    if rows <= cols {
        return q; // the vectors are the rows
    }
    (0..rows * cols).map(|at| q[at % cols * long + at / cols]).collect()
}

/// In eight partial sums, a fixed order that the compiler can vectorise.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; 8];
    for (a, b) in a8.zip(b8) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::keyed;

    fn draw(init: Initializer, rows: usize, cols: usize) -> Vec<f64> {
        init.sample((rows, cols), rows, cols, &mut keyed(1, 0, 0, 0))
    }

    fn variance(values: &[f64]) -> f64 {
        values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64
    }

    /// The largest deviation of the Gram matrix of `count` vectors from the identity.
    fn gram_error(count: usize, dot: impl Fn(usize, usize) -> f64) -> f64 {
        let pairs = (0..count).flat_map(|i| (0..count).map(move |j| (i, j)));
        pairs.map(|(i, j)| (dot(i, j) - f64::from(i == j)).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn orthogonal_over_the_whole_recurrent_kernel() {
        for (rows, cols) in [(1, 1), (1, 4), (17, 68), (32, 128), (33, 33)] {
            let w = draw(Initializer::Orthogonal, rows, cols);
            let row = |i: usize| &w[i * cols..][..cols];
            let error = gram_error(rows, |i, j| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum());
            assert!(error < 1e-14, "{rows} x {cols}: {error}");
        }
        let (rows, cols) = (40, 9);
        let w = draw(Initializer::Orthogonal, rows, cols);
        let error = gram_error(cols, |i, j| (0..rows).map(|r| w[r * cols + i] * w[r * cols + j]).sum());
        assert!(error < 1e-14, "columns: {error}");
    }

    /// Uniform over the orthogonal matrices: each entry of a (n, m) matrix has mean 0 and variance 1/m.
    #[test]
    fn orthogonal_has_no_preferred_sign() {
        let mut rng = keyed(2, 0, 0, 0);
        let corner: Vec<f64> =
            (0..4000).map(|_| Initializer::Orthogonal.sample((3, 5), 3, 5, &mut rng)[0]).collect();
        let mean = corner.iter().sum::<f64>() / 4000.0;
        assert!(mean.abs() < 5.0 * (0.2f64 / 4000.0).sqrt(), "mean {mean}");
        assert!((variance(&corner) - 0.2).abs() < 0.02, "variance {}", variance(&corner));
    }

    #[test]
    fn uniform_kinds_fill_their_bounds() {
        for (init, limit) in [
            (Initializer::GlorotUniform, (6.0f64 / 300.0).sqrt()),
            (Initializer::Torch, 0.1),
            (Initializer::Uniform { scale: 0.3 }, 0.3),
        ] {
            let w = draw(init, 100, 200);
            let largest = w.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            assert!(largest <= limit && largest > 0.999 * limit, "{init:?}: {largest}");
            assert!((variance(&w) / (limit * limit / 3.0) - 1.0).abs() < 0.03, "{init:?}");
        }
    }

    #[test]
    fn normal_kinds_have_their_variance() {
        let w = draw(Initializer::HeNormal, 100, 300);
        assert!((variance(&w) / 0.02 - 1.0).abs() < 0.03, "{}", variance(&w));
        let cut = 2.0 * 0.02f64.sqrt() / TRUNCATED_DEVIATION;
        assert!(w.iter().all(|v| v.abs() < cut));
        let w = draw(Initializer::Normal { scale: 0.05 }, 100, 300);
        assert!((variance(&w) / 0.0025 - 1.0).abs() < 0.04, "{}", variance(&w));
    }

    #[test]
    fn identity_of_a_rectangle() {
        assert_eq!(draw(Initializer::Identity, 2, 3), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(draw(Initializer::Ones, 1, 2), [1.0, 1.0]);
        assert_eq!(draw(Initializer::Zeros, 1, 2), [0.0, 0.0]);
    }

    #[test]
    fn reads_as_in_a_config() {
        let read = |json: &str| serde_json::from_str::<Initializer>(json);
        assert_eq!(read(r#"{"type":"glorot_uniform"}"#).unwrap(), Initializer::GlorotUniform);
        assert_eq!(read(r#"{"type":"uniform","scale":0.1}"#).unwrap(), Initializer::Uniform { scale: 0.1 });
        assert_eq!(read(r#"{"type":"uniform"}"#).unwrap(), Initializer::Uniform { scale: 0.05 });
        assert!(read(r#"{"type":"uniform","scal":0.1}"#).is_err());
    }
}
