//! Large products, by the `gemm` crate, on views of slices.

use crate::{Arithmetic, Real};

/// A matrix inside a slice: entry `(i, j)` is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, R> {
    data: &'a [R],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, R: Real> View<'a, R> {
    /// The `[rows, columns]` matrix whose rows begin `row_stride` apart.
    ///
    /// # Panics
    /// If it reaches outside `data`.
    pub fn new(data: &'a [R], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || columns == 0 || (rows - 1) * row_stride + columns <= data.len());
        View { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// Rows and columns exchanged.
    pub fn transposed(self) -> Self {
        View {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Products below this many multiply-adds stay on the calling thread.
const PARALLEL_FROM: usize = 1 << 18;

/// `output = a b`, or `output += a b` with `accumulate`; row `i` of the output is
/// `output[i * row_stride..][..b.columns]`. On as many threads as the current rayon pool has; their number does
/// not change the bits.
///
/// # Panics
/// If the shapes do not fit each other or the output.
pub fn product<R: Arithmetic>(output: (&mut [R], usize), accumulate: bool, a: View<'_, R>, b: View<'_, R>) {
    let (output, row_stride) = output;
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * row_stride + n <= output.len() && row_stride >= n, "output too small");
    let threads = if m * n * k < PARALLEL_FROM { 1 } else { rayon::current_num_threads() };
    let parallelism = if threads == 1 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(threads) };
    // SAFETY: the views were checked on construction and the output just now; `output` is borrowed exclusively
    // and so overlaps neither operand; row_stride >= n keeps output rows apart.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            output.as_mut_ptr(),
            1,
            row_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            R::ONE,
            R::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}
