//! The `gemm` crate's product, to be measured beside ours; nothing computes with it.

/// `c = a b` for row-major `[n, n]` matrices, on as many threads as the current rayon pool has.
///
/// # Panics
/// If a slice does not hold `n * n` values.
pub fn square_product(n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let size = n.checked_mul(n).expect("a matrix that fits the memory");
    assert!([a.len(), b.len(), c.len()] == [size; 3], "{n} by {n} matrices");
    let stride = n as isize;
    let threads = gemm::Parallelism::Rayon(rayon::current_num_threads());
    // SAFETY: the three slices hold n rows of n values, and `c` is borrowed exclusively.
    unsafe {
        gemm::gemm(
            n,
            n,
            n,
            c.as_mut_ptr(),
            1,
            stride,
            false,
            a.as_ptr(),
            1,
            stride,
            b.as_ptr(),
            1,
            stride,
            0.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_a_product() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 9.0]);
        let mut c = [f32::NAN; 4];
        super::square_product(2, &a, &b, &mut c);
        assert_eq!(c, [19.0, 24.0, 43.0, 54.0]);
    }
}
