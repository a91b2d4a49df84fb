//! The one-row product in every format, on every instruction set that the processor has, against naive loops.

use std::marker::PhantomData;

use gimbap_kernels::Arithmetic;
use gimbap_kernels::linear::{
    Bf16, Block, Engine, Exact, Format, Int8, RowBuffer, RowKernel, RowToken, Tape, bf16, int8_scale, to_int8,
};

/// Vectors in a block, and columns of the widest.
const N: usize = 3;
const COLUMNS: usize = 16 * N;

fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(next).collect()
}

/// Two blocks, so that the second is looked for where it lies.
struct Product<'a, F> {
    w: &'a [f32],
    x: &'a [f32],
    out: &'a mut Vec<f32>,
    format: PhantomData<F>,
}

impl<F: Format> RowKernel<f32> for Product<'_, F> {
    #[inline(always)]
    fn call<T: RowToken<Elem = f32>>(self, token: T) {
        let (k, width) = (self.x.len(), N * T::WIDTH);
        let of_block: Vec<f32> =
            self.w.chunks_exact(COLUMNS).flat_map(|row| row[..width].iter().copied()).collect();
        let mut tape = Tape::default();
        tape.write_block::<F, T>(Block { values: &vec![0.5; 3 * width], k: 3, width });
        tape.write_block::<F, T>(Block { values: &of_block, k, width });
        let mut buffers = [RowBuffer::default(), RowBuffer::default()];
        let [first, second] = &mut buffers;
        let mut reader = tape.read(0);
        let mut sums = [token.splat(0.0); N];
        reader.accumulate::<F, T, N>(token, F::row(token, &[0.0; 3], first), &mut sums);
        reader.accumulate::<F, T, N>(token, F::row(token, self.x, second), &mut sums);
        self.out.resize(width, 0.0);
        for (sum, out) in sums.into_iter().zip(self.out.chunks_exact_mut(T::WIDTH)) {
            token.store(out, sum);
        }
    }
}

fn check<F: Format>(same: impl Fn(&[f32], &[f32], usize, f32) -> bool) {
    for engine in Engine::available() {
        for k in [1, 2, 3, 4, 5, 7, 8, 13, 31, 64, 65, 130] {
            let (w, x) = (values(k * COLUMNS, k as u32), values(k, 99));
            let mut out = Vec::new();
            f32::run_row(engine, Product::<F> { w: &w, x: &x, out: &mut out, format: PhantomData });
            assert!(out.len() >= N && out.len().is_multiple_of(N));
            for (j, &y) in out.iter().enumerate() {
                let column: Vec<f32> = (0..k).map(|i| w[i * COLUMNS + j]).collect();
                assert!(same(&column, &x, j, y), "{engine:?}: {k} rows, column {j}: {y}");
            }
        }
    }
}

#[test]
fn exact_and_bf16_products_are_those_of_their_weights() {
    let close = |column: &[f32], x: &[f32], y: f32| {
        let exact: f64 = column.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
        (f64::from(y) - exact).abs() < 1e-6 * column.len() as f64
    };
    check::<Exact>(|column, x, _, y| close(column, x, y));
    check::<Bf16>(|column, x, _, y| {
        let rounded: Vec<f32> = column.iter().map(|w| f32::from_bits(u32::from(bf16(*w)) << 16)).collect();
        close(&rounded, x, y)
    });
}

#[test]
fn int8_products_have_the_bits_of_a_loop_over_integers() {
    check::<Int8>(|column, x, _, y| {
        let scale = int8_scale(column.iter().fold(0.0, |largest, w| w.abs().max(largest)));
        let largest = x.iter().fold(0.0f32, |largest, x| x.abs().max(largest));
        let integer = |x: f32| (x * (127.0 / largest)).round_ties_even() as i32;
        let sum: i32 = column.iter().zip(x).map(|(w, x)| i32::from(to_int8(*w, scale)) * integer(*x)).sum();
        y.to_bits() == (sum as f32 * (largest / 127.0 * scale)).to_bits()
    });
}

/// The largest products and sums that there can be: 16-bit sums in between must not saturate.
#[test]
fn int8_products_of_extremes_do_not_saturate() {
    for engine in Engine::available() {
        for (w, x) in [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)] {
            let mut out = Vec::new();
            let (w, x) = (vec![w; 64 * COLUMNS], vec![x; 64]);
            f32::run_row(engine, Product::<Int8> { w: &w, x: &x, out: &mut out, format: PhantomData });
            let scale = int8_scale(1.0);
            let expected = (64 * 127 * 127) as f32 * (1.0 / 127.0 * scale) * (w[0] * x[0]);
            assert!(out.iter().all(|y| y.to_bits() == expected.to_bits()), "{engine:?}: {out:?} {expected}");
        }
    }
}

#[test]
fn what_is_not_finite_stays_so_in_every_column() {
    for engine in Engine::available() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (w, mut x) = (values(20 * COLUMNS, 1), values(20, 2));
            x[11] = bad;
            let mut out = Vec::new();
            f32::run_row(engine, Product::<Int8> { w: &w, x: &x, out: &mut out, format: PhantomData });
            assert!(out.iter().all(|y| !y.is_finite()), "{engine:?} {bad}: {out:?}");
        }
    }
}

#[test]
fn rounding_again_changes_nothing() {
    for x in values(10_000, 5) {
        let once = f32::from_bits(u32::from(bf16(x)) << 16);
        assert_eq!(bf16(once), bf16(x));
        assert!((once - x).abs() <= x.abs() / 256.0);
        let largest = x.abs() * 3.7;
        let scale = int8_scale(largest);
        assert!(scale >= largest / 127.0 && scale <= largest / 127.0 * 1.0001);
        assert_eq!(to_int8(largest, scale), 127);
        assert_eq!(int8_scale(127.0 * scale), scale, "{largest}");
        for q in [-127i8, -64, -1, 0, 1, 3, 126, 127] {
            assert_eq!(to_int8(f32::from(q) * scale, scale), q);
        }
    }
    assert!(f32::from_bits(u32::from(bf16(f32::NAN)) << 16).is_nan());
    assert_eq!((int8_scale(0.0), to_int8(0.0, 0.0)), (0.0, 0));
}
