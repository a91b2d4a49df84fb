//! A layer's weights, input and output gradient: the same for everyone who is measured.
//!
//! In a file: little-endian `f32`, one array after the other, in the order of [`LayerData`]'s fields.

use std::io;
use std::path::Path;

use crate::workload::{CellKind, Shape};

/// The arrays, time first: row `t B + b` of a sequence's array is step `t` of sequence `b`.
#[derive(Clone, Debug)]
pub struct LayerData {
    /// `[T, B, I]`, within ±1.
    pub x: Vec<f32>,
    /// `[I, G H]`, within ±1/sqrt(H) as the weights below.
    pub w_x: Vec<f32>,
    /// `[H, G H]`.
    pub w_h: Vec<f32>,
    /// `[G H]`.
    pub b: Vec<f32>,
    /// `[G H]` of a GRU, else empty.
    pub b_h: Vec<f32>,
    /// `[T, B, H]`: the gradient of the outputs, within ±1.
    pub d_h: Vec<f32>,
}

impl LayerData {
    /// The same numbers whenever it is made.
    pub fn new(cell: CellKind, shape: Shape) -> LayerData {
        let Shape { b, t, i, h } = shape;
        let columns = cell.gates() * h;
        let (mut numbers, scale) = (Numbers(0x9e37_79b9_7f4a_7c15), 1.0 / (h as f32).sqrt());
        LayerData {
            x: numbers.take(t * b * i, 1.0),
            w_x: numbers.take(i * columns, scale),
            w_h: numbers.take(h * columns, scale),
            b: numbers.take(columns, scale),
            b_h: numbers.take(if cell == CellKind::Gru { columns } else { 0 }, scale),
            d_h: numbers.take(t * b * h, 1.0),
        }
    }

    /// Writes them for the others.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let LayerData { x, w_x, w_h, b, b_h, d_h } = self;
        write_arrays(path, &[x, w_x, w_h, b, b_h, d_h])
    }
}

/// Writes arrays one after the other.
///
/// # Errors
/// If the file cannot be written.
pub fn write_arrays(path: &Path, arrays: &[&[f32]]) -> io::Result<()> {
    let bytes: Vec<u8> = arrays.iter().flat_map(|a| a.iter()).flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(path, bytes)
}

/// All values of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read_values(path: &Path) -> io::Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// Numbers without a pattern that matters here: xorshift64* (Vigna 2016, arXiv:1402.6246v5).
struct Numbers(u64);

impl Numbers {
    /// Uniform within ±`scale`.
    fn take(&mut self, count: usize, scale: f32) -> Vec<f32> {
        let mut next = || {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
            (bits as f32 / (1 << 23) as f32 - 1.0) * scale
        };
        (0..count).map(|_| next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_out_and_repeat() {
        let numbers = Numbers(7).take(10_000, 0.5);
        let mean = numbers.iter().sum::<f32>() / 1e4;
        let square = numbers.iter().map(|x| x * x).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.01 && (square - 0.25 / 3.0).abs() < 0.003, "{mean} {square}");
        assert!(numbers.iter().all(|x| x.abs() <= 0.5));
        assert_eq!(numbers, Numbers(7).take(10_000, 0.5));
    }
}
