//! What the machine itself reaches, with the threads that everything else is measured with.

use std::fs;

use gimbap_kernels::packed::{Matrix, Onto, Packed, multiply};
use gimbap_kernels::peer::square_product;
use gimbap_kernels::{Arithmetic, Kernel, Token};
use rayon::prelude::*;
use serde::Serialize;

use crate::timing::{Budget, median, repeat, repeat_short};

/// Rates in GFLOP/s and GB/s (1e9).
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Machine {
    /// `gemm`: `[2048, 2048]` times `[2048, 2048]`, f32, all threads.
    pub gemm_gflops: f64,
    /// Our packed product at the sizes of a recurrence, f32, each thread its own rows: the best of [`PACKED`].
    pub packed_gflops: f64,
    /// Reading from each cache level, one thread; no cache of a level: None.
    pub read: [Option<f64>; 3],
}

impl Machine {
    /// Measures it, `budget` for each figure.
    pub fn measure(budget: Budget) -> Machine {
        Machine {
            gemm_gflops: gemm(budget),
            packed_gflops: PACKED.iter().map(|&sizes| packed(budget, sizes)).fold(0.0, f64::max),
            read: caches().map(|size| size.map(|bytes| reading(budget, bytes))),
        }
    }

    /// The machine's matrix-product rate: the higher of the two.
    pub fn gflops(&self) -> f64 {
        self.gemm_gflops.max(self.packed_gflops)
    }
}

/// `(rows of each thread, k, n)`: the recurrent products of an LSTM with 128 and with 256 units.
pub const PACKED: [(usize, usize, usize); 2] = [(96, 128, 512), (96, 256, 1024)];

fn gemm(budget: Budget) -> f64 {
    const N: usize = 2048;
    let (a, b) = (values(N * N), values(N * N));
    let mut c = vec![0.0f32; N * N];
    let mut work = || square_product(N, &a, &b, &mut c);
    work();
    2.0 * (N * N * N) as f64 / median(&repeat(budget, work)) / 1e9
}

fn packed(budget: Budget, (rows, k, n): (usize, usize, usize)) -> f64 {
    // A recurrence stays in its thread for all its steps; so does this.
    const STEPS: usize = 100;
    let threads = rayon::current_num_threads();
    let (w, x) = (values(k * n), values(rows * k));
    let mut weights = Packed::default();
    weights.pack(Matrix { values: &w, k, gates: 1, units: n, row_stride: n, column_stride: 1 }, 1);
    let mut outputs = vec![vec![0.0f32; rows * n]; threads];
    let mut work = || {
        outputs.par_iter_mut().for_each(|output| {
            for _ in 0..STEPS {
                multiply(&weights, rows, (&x, k), (output, n), Onto::Zero);
            }
        });
    };
    work();
    2.0 * (threads * STEPS * rows * k * n) as f64 / median(&repeat(budget, work)) / 1e9
}

/// What to read of each level: half of it, and not more than eight times the level below, which it must not fit.
fn caches() -> [Option<usize>; 3] {
    let sizes = cache_sizes();
    let below = [None, sizes[0], sizes[1]];
    std::array::from_fn(|level| {
        let (size, below) = (sizes[level]?, below[level].unwrap_or(0));
        Some((size / 2).min(if level == 0 { usize::MAX } else { 8 * below }).max(2 * below))
    })
}

/// Bytes of the data caches of the first processor, where the system tells (Linux), else common ones.
fn cache_sizes() -> [Option<usize>; 3] {
    let mut sizes = [None; 3];
    for index in 0..8 {
        let read = |file: &str| {
            let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}");
            fs::read_to_string(path).map(|text| text.trim().to_string()).ok()
        };
        let (Some(level), Some(size), Some(kind)) = (read("level"), read("size"), read("type")) else {
            continue;
        };
        let bytes = size.strip_suffix('K').and_then(|k| k.parse::<usize>().ok()).map(|k| k * 1024);
        match level.parse::<usize>() {
            Ok(level @ 1..=3) if kind != "Instruction" => sizes[level - 1] = bytes,
            _ => {}
        }
    }
    if sizes == [None; 3] { [Some(32 << 10), Some(512 << 10), Some(8 << 20)] } else { sizes }
}

/// GB/s of reading `bytes` again and again.
fn reading(budget: Budget, bytes: usize) -> f64 {
    let values = values(bytes / 4);
    let mut sum = 0.0;
    let seconds = repeat_short(budget, || sum += f32::run(Sum(std::hint::black_box(&values))));
    std::hint::black_box(sum);
    4.0 * values.len() as f64 / median(&seconds) / 1e9
}

/// Reads a slice at the speed of its vectors.
struct Sum<'a>(&'a [f32]);

impl Kernel<f32> for Sum<'_> {
    type Output = f32;
    #[inline(always)]
    fn call<T: Token<Elem = f32>>(self, token: T) -> f32 {
        const VECTORS: usize = 16;
        let mut sums = [token.splat(0.0); VECTORS];
        for chunk in self.0.chunks_exact(VECTORS * T::WIDTH) {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = *sum + token.load(&chunk[v * T::WIDTH..]);
            }
        }
        let mut all = token.splat(0.0);
        for sum in sums {
            all = all + sum;
        }
        token.sum(all)
    }
}

/// Something to multiply; its numbers do not matter, but they are not denormal.
fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_reads_everything() {
        let values = vec![1.0f32; 1024];
        assert_eq!(f32::run(Sum(&values)), 1024.0);
    }

    #[test]
    fn each_level_is_read_from_beyond_the_level_below() {
        let sizes: Vec<usize> = caches().into_iter().flatten().collect();
        assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{sizes:?}");
    }
}
