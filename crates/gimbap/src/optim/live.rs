//! Where a gradient may differ from zero, in chunks.
//!
//! A parameter with a row for each token gets a gradient only in the rows of the batch's tokens: of a vocabulary of
//! 10,000 a batch of 400 tokens touches 4 % of an embedding. All other places of the gradient arena are zero, and
//! stay so from step to step; nothing clears, measures, clips or (where an optimizer does nothing there) updates them.
//!
//! The places come as chunks whose bounds depend on the model alone, so sums over chunks, added in order, have the
//! bits of the sum over all of them: the chunks left out would add zeros.

use std::ops::Range;

use rayon::prelude::*;

use super::PARALLEL;
use crate::Real;
use crate::layer::Parameter;

/// Parameters are handled in chunks of this many...
pub(super) const CHUNK: usize = 4096;
/// ... and those with a row for each token in chunks of whole rows, as many as fit in this, at least one.
const ROWS_CHUNK: usize = 256;

/// Chunks of the parameter arena, in ascending order, outside of which the gradient is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    chunks: Vec<Range<usize>>,
    /// How many parameters the chunks hold together.
    len: usize,
}

impl Live {
    /// All of `parameters` numbers.
    pub fn all(parameters: usize) -> Live {
        let mut live = Live { chunks: Vec::new(), len: 0 };
        live.push_dense(0..parameters);
        live
    }

    /// Of a batch with these tokens (none: the model takes features), in any order. A penalised parameter has a
    /// gradient everywhere.
    pub fn of_batch(parameters: &[Parameter], ids: &[u32]) -> Live {
        let mut live = Live { chunks: Vec::new(), len: 0 };
        let mut tokens = Vec::new();
        let mut dense = 0..0;
        for parameter in parameters {
            let range = parameter.range.clone();
            if !parameter.by_token || parameter.l2 > 0.0 {
                dense.end = range.end;
                continue;
            }
            live.push_dense(std::mem::replace(&mut dense, range.end..range.end));
            if !parameter.trainable {
                continue;
            }
            if tokens.is_empty() {
                tokens.extend_from_slice(ids);
                tokens.sort_unstable();
                tokens.dedup();
            }
            let rows = parameter.shape[0].max(1);
            let width = range.len() / rows;
            let at_once = (ROWS_CHUNK / width.max(1)).max(1);
            let mut chunks: Vec<usize> = tokens.iter().map(|&id| id as usize / at_once).collect();
            chunks.dedup();
            for chunk in chunks {
                let (first, end) = (chunk * at_once, ((chunk + 1) * at_once).min(rows));
                live.push(range.start + first * width..range.start + end * width);
            }
        }
        live.push_dense(dense);
        live
    }

    /// How many parameters it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, chunk: Range<usize>) {
        self.len += chunk.len();
        self.chunks.push(chunk);
    }

    fn push_dense(&mut self, range: Range<usize>) {
        for start in range.clone().step_by(CHUNK) {
            self.push(start..(start + CHUNK).min(range.end));
        }
    }

    /// Whether the work on it is shared out to threads.
    fn is_large(&self) -> bool {
        self.len > PARALLEL
    }

    /// The sum over the chunks, in order, of what `f` makes of each chunk's values.
    pub(super) fn sum<R: Real>(&self, values: &[R], f: impl Fn(&[R]) -> f64 + Sync) -> f64 {
        if self.is_large() {
            let of_chunk = |chunk: &Range<usize>| f(&values[chunk.clone()]);
            let sums: Vec<f64> = self.chunks.par_iter().with_min_len(AT_ONCE).map(of_chunk).collect();
            sums.iter().sum()
        } else {
            self.chunks.iter().map(|chunk| f(&values[chunk.clone()])).sum()
        }
    }

    /// Runs `f` on each chunk of arenas of one length, or empty.
    pub(super) fn for_each<R: Real, const N: usize>(
        &self,
        arenas: [&mut [R]; N],
        f: impl Fn([&mut [R]; N]) + Sync + Send,
    ) {
        let mut rest = arenas;
        let mut at = 0;
        let parts = self.chunks.iter().map(|chunk| {
            let skip = std::mem::replace(&mut at, chunk.end);
            rest.each_mut().map(|rest| {
                let arena = std::mem::take(rest);
                if arena.is_empty() {
                    return arena;
                }
                let (part, behind) = arena[chunk.start - skip..].split_at_mut(chunk.len());
                *rest = behind;
                part
            })
        });
        if self.is_large() {
            let parts: Vec<[&mut [R]; N]> = parts.collect();
            parts.into_par_iter().with_min_len(AT_ONCE).for_each(f);
        } else {
            parts.for_each(f);
        }
    }

    /// Whether `gradients` is zero outside of it.
    pub(crate) fn covers<R: Real>(&self, gradients: &[R]) -> bool {
        let ends = self.chunks.iter().map(|chunk| chunk.end);
        let starts = self.chunks.iter().map(|chunk| chunk.start);
        let gaps = std::iter::once(0).chain(ends).zip(starts.chain([gradients.len()]));
        gaps.into_iter().all(|(end, start)| gradients[end..start].iter().all(|g| *g == R::ZERO))
    }
}

/// Chunks that a thread takes together.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{Embedding, LayerSpec, Shape};
    use crate::network::Network;

    #[test]
    fn tokens_of_a_batch_make_chunks_of_whole_rows() {
        let build = |units: usize, l2: f64| {
            let mut embedding = Embedding::new(units);
            embedding.l2 = l2;
            let layers: Vec<LayerSpec> = vec![embedding.into(), crate::layer::Dense::new(3).into()];
            Network::<f32>::build(Shape::Ids(10), &layers, false).unwrap().parameters().to_vec()
        };
        // Rows of 300: each is a chunk; the dense layer behind has 903 parameters in one.
        let live = Live::of_batch(&build(300, 0.0), &[7, 2, 7]);
        assert_eq!(live.chunks, [600..900, 2100..2400, 3000..3903]);
        // Rows of 100: two to a chunk.
        let live = Live::of_batch(&build(100, 0.0), &[9, 1, 0]);
        assert_eq!(live.chunks, [0..200, 800..1000, 1000..1303]);
        // A penalty has a gradient in every row.
        assert_eq!(Live::of_batch(&build(300, 0.1), &[7]), Live::all(3903));
        // No token, no row.
        assert_eq!(Live::of_batch(&build(300, 0.0), &[]).chunks, std::slice::from_ref(&(3000..3903)));
    }

    #[test]
    fn what_lies_outside_is_seen() {
        let live = Live { chunks: vec![2..4, 6..7], len: 3 };
        assert!(live.covers(&[0.0f32, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0, 0.0]));
        for outside in [0, 1, 4, 5, 7] {
            let mut g = [0.0f32; 8];
            g[outside] = 1.0;
            assert!(!live.covers(&g), "{outside}");
        }
    }
}
