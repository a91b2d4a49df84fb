//! The packed product against a loop, on every instruction set of this machine.

use gimbap_kernels::packed::{Matrix, Onto, Packed, multiply};
use gimbap_kernels::{Isa, slabs};

fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn by_loop(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], start: &[f32]) -> Vec<f64> {
    let mut c: Vec<f64> = start.iter().map(|&x| f64::from(x)).collect();
    for i in 0..m {
        for j in 0..n {
            for l in 0..k {
                c[i * n + j] += f64::from(a[i * k + l]) * f64::from(b[l * n + j]);
            }
        }
    }
    c
}

#[test]
fn packed_product_is_the_product_and_each_row_keeps_its_bits() {
    let shapes = [(1, 1, 1), (1, 3, 17), (8, 5, 22), (5, 8, 65), (7, 34, 136), (13, 130, 130), (25, 16, 64)];
    for isa in Isa::available() {
        assert!(isa.select());
        for (m, k, n) in shapes.into_iter().take(if cfg!(miri) { 3 } else { shapes.len() }) {
            let (a, b, c) = (values(m * k, 1), values(k * n, 2), values(m * n, 3));
            let mut packed = Packed::default();
            packed.pack(Matrix { values: &b, k, gates: 1, units: n, row_stride: n, column_stride: 1 }, 1);
            let mut transposed = vec![0.0; k * n];
            for i in 0..k {
                for j in 0..n {
                    transposed[j * k + i] = b[i * n + j];
                }
            }
            let mut packed_transposed = Packed::default();
            packed_transposed.pack(
                Matrix { values: &transposed, k, gates: 1, units: n, row_stride: 1, column_stride: k },
                1,
            );
            let mut out = c.clone();
            multiply(&packed, m, (&a, k), (&mut out, n), Onto::Output);
            for (y, exact) in out.iter().zip(by_loop(m, k, n, &a, &b, &c)) {
                assert!((f64::from(*y) - exact).abs() < 1e-5 * (k as f64), "{isa} {m}x{k}x{n}");
            }
            let mut again = c.clone();
            multiply(&packed_transposed, m, (&a, k), (&mut again, n), Onto::Output);
            assert_eq!(out, again, "{isa} {m}x{k}x{n}: packed from the transposed matrix");
            for row in 0..m {
                let mut alone = c[row * n..][..n].to_vec();
                multiply(&packed, 1, (&a[row * k..], k), (&mut alone, n), Onto::Output);
                assert_eq!(alone, out[row * n..][..n], "{isa} {m}x{k}x{n}: row {row} alone");
            }
            multiply(&packed, m, (&a, k), (&mut out, n), Onto::Zero);
            for (y, exact) in out.iter().zip(by_loop(m, k, n, &a, &b, &vec![0.0; m * n])) {
                assert!((f64::from(*y) - exact).abs() < 1e-5 * (k as f64), "{isa} {m}x{k}x{n} from zero");
            }
        }
    }
}

#[test]
fn parts_of_slabs_are_the_rows_asked_for() {
    let offsets = [0, 4, 7, 8];
    let mut data: Vec<usize> = (0..16).collect();
    let mut parts = slabs::split(&mut data, 2, &offsets, &[0, 2, 4]);
    assert_eq!(parts[0].slab(0), [0, 1, 2, 3]);
    assert_eq!(parts[1].slab(0), [4, 5, 6, 7]);
    assert_eq!(parts[1].slab(1), [12, 13]);
    assert_eq!(parts[1].slab(2), []);
    let (read, write) = parts[0].pair_mut(0, 1);
    write.copy_from_slice(read);
    drop(parts);
    assert_eq!(data[8..12], [0, 1, 2, 3]);
}
