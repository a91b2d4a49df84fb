//! Words on a plane: the two principal components.

use super::Vectors;
use crate::rng::keyed;
use crate::{Error, Result};

/// Directions that are followed together: the two wanted ones come out as fast as the last of these falls behind.
const BLOCK: usize = 8;
/// Rounds at most.
const ROUNDS: usize = 2000;
/// What is left of `C u - l u`, where the trace of `C` is 1.
const PRECISION: f64 = 1e-13;

/// Words on the plane of their largest variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// A point for each word, in the order asked for. Their mean is 0.
    pub points: Vec<[f64; 2]>,
    /// The share of the words' variance that each coordinate has.
    pub shares: [f64; 2],
}

impl Vectors {
    /// The words of these rows on the plane of their largest variance: with `m` their mean, `x_i` a row and `u`, `v`
    /// the leading eigenvectors of `C = sum_i (x_i - m)(x_i - m)^T / n`, the points `((x_i - m) u, (x_i - m) v)`.
    /// The component of `u` and `v` with the largest size is positive. In `f64`, from a fixed start: the same input
    /// gives the same bits.
    ///
    /// # Errors
    /// [`Error::Data`] for fewer than two rows, or rows that are all the same.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn plane(&self, rows: &[usize]) -> Result<Plane> {
        let (n, d) = (rows.len(), self.width);
        if n < 2 {
            return Err(Error::data("the map", format!("it needs two words or more, found {n}")));
        }
        let mut mean = vec![0.0; d];
        for &row in rows {
            mean.iter_mut().zip(self.row(row)).for_each(|(m, &x)| *m += f64::from(x) / n as f64);
        }
        let centred = |&row: &usize| -> Vec<f64> {
            self.row(row).iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect()
        };
        let x: Vec<Vec<f64>> = rows.iter().map(centred).collect();
        let trace: f64 = x.iter().flatten().map(|x| x * x).sum();
        if trace == 0.0 {
            return Err(Error::data("the map", "all its words have the same vector: choose others"));
        }
        let mut c = vec![0.0; d * d];
        for x in &x {
            for (c, a) in c.chunks_exact_mut(d).zip(x) {
                c.iter_mut().zip(x).for_each(|(c, b)| *c += a * b / trace);
            }
        }
        let [first, second] = leading(&c, d);
        let points = x.iter().map(|x| [dot(x, &first.1), dot(x, &second.1)]).collect();
        Ok(Plane { points, shares: [first.0, second.0].map(|share| share.clamp(0.0, 1.0)) })
    }
}

/// The two largest eigenvalues of a symmetric matrix `c [d, d]`, with unit eigenvectors; for `d = 1` the second is zero.
/// Orthogonal iteration on a few vectors, turned to the eigenvectors within their span at every round.
fn leading(c: &[f64], d: usize) -> [(f64, Vec<f64>); 2] {
    let k = d.min(BLOCK);
    let mut rng = keyed(0, 0, 0, 0);
    let mut q: Vec<Vec<f64>> = (0..k).map(|_| (0..d).map(|_| rng.normal()).collect()).collect();
    orthonormalise(&mut q);
    let mut values = vec![0.0; k];
    for _ in 0..ROUNDS {
        let z: Vec<Vec<f64>> = q.iter().map(|q| c.chunks_exact(d).map(|row| dot(row, q)).collect()).collect();
        let small = q.iter().flat_map(|q| z.iter().map(move |z| dot(q, z))).collect();
        let (found, turns) = eigen(small, k);
        let turned = |from: &[Vec<f64>]| -> Vec<Vec<f64>> { turns.iter().map(|t| mix(from, t)).collect() };
        let (turned_q, turned_z) = (turned(&q), turned(&z));
        let left = |i: usize| -> f64 {
            let pairs = turned_z[i].iter().zip(&turned_q[i]);
            pairs.map(|(z, q)| (z - found[i] * q).powi(2)).sum::<f64>().sqrt()
        };
        let done = (0..k.min(2)).all(|i| left(i) <= PRECISION);
        values = found;
        q = turned_q;
        if done {
            break;
        }
        q = turned_z;
        orthonormalise(&mut q);
    }
    q.resize(k.max(2), vec![0.0; d]);
    values.resize(k.max(2), 0.0);
    let mut signed = |i: usize| {
        let mut v = std::mem::take(&mut q[i]);
        let largest = v.iter().copied().fold(0.0, |l: f64, x| if x.abs() > l.abs() { x } else { l });
        if largest < 0.0 {
            v.iter_mut().for_each(|x| *x = -*x);
        }
        (values[i], v)
    };
    [signed(0), signed(1)]
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `sum_j weights[j] vectors[j]`.
fn mix(vectors: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; vectors[0].len()];
    for (vector, weight) in vectors.iter().zip(weights) {
        sum.iter_mut().zip(vector).for_each(|(s, x)| *s += weight * x);
    }
    sum
}

/// Makes vectors orthogonal and of length 1, no more of them than they have components; one that lies in the span of
/// those before it gives way to an axis that does not.
fn orthonormalise(q: &mut [Vec<f64>]) {
    for i in 0..q.len() {
        let (done, rest) = q.split_at_mut(i);
        let v = &mut rest[0];
        let mut axes = 0..v.len();
        loop {
            let before = dot(v, v).sqrt();
            // Twice: what rounding left of the first time is taken off by the second.
            for u in done.iter().chain(done.iter()) {
                let along = dot(u, v);
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
            }
            let after = dot(v, v).sqrt();
            if after > 1e-10 * before {
                v.iter_mut().for_each(|v| *v /= after);
                break;
            }
            let Some(axis) = axes.next() else { break };
            v.fill(0.0);
            v[axis] = 1.0;
        }
    }
}

/// Eigenvalues of a small symmetric matrix, the largest first, and its eigenvectors, by Jacobi's rotations.
fn eigen(mut a: Vec<f64>, k: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    // Row i of `v` is the eigenvector that belongs to `a[i, i]` in the end.
    let mut v: Vec<Vec<f64>> = (0..k).map(|i| (0..k).map(|j| f64::from(i == j)).collect()).collect();
    for _ in 0..60 {
        let off: f64 =
            (0..k).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * k + j].powi(2)).sum();
        if off < 1e-40 {
            break;
        }
        for p in 0..k {
            for q in p + 1..k {
                let apq = a[p * k + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (a[q * k + q] - a[p * k + p]) / (2.0 * apq);
                let sign = if theta < 0.0 { -1.0 } else { 1.0 };
                let t = sign / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for i in 0..k {
                    let (x, y) = (a[i * k + p], a[i * k + q]);
                    (a[i * k + p], a[i * k + q]) = (c * x - s * y, s * x + c * y);
                }
                for i in 0..k {
                    let (x, y) = (a[p * k + i], a[q * k + i]);
                    (a[p * k + i], a[q * k + i]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (v[p][i], v[q][i]);
                    (v[p][i], v[q][i]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| a[j * k + j].total_cmp(&a[i * k + i]));
    (order.iter().map(|&i| a[i * k + i]).collect(), order.iter().map(|&i| v[i].clone()).collect())
}
