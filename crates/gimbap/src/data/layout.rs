//! The ragged batch: how sequences of different lengths lie in memory so that padding does not exist.
//!
//! Sequences are sorted by falling length and packed step by step: all rows of step 0, then those of step 1 whose
//! sequences are that long, and so on. The internal layout `[T, B, H]` thereby is `[N, H]` with
//! `N = sum of the lengths`; step `t` is the rows `offsets[t]..offsets[t + 1]`, and row `b` of a step belongs to
//! the same sequence at every step. Work done on a batch is exactly the work that its valid steps need.

use std::ops::Range;

/// Weight gradients are summed over blocks of this many time steps, in a fixed order, so that their bits depend
/// neither on threads nor on checkpoints.
pub const BLOCK: usize = 64;

/// Where the rows of a batch of sequences, or of a segment of it, lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    batch: usize,
    start: usize,
    offsets: Vec<usize>,
    resets: Option<Vec<bool>>,
}

impl Layout {
    /// The layout of sequences of these lengths, and the order in which they stand in it: row `b` of the layout
    /// is the sequence `order[b]`. Equal lengths keep their order.
    pub fn new(lengths: &[usize]) -> (Layout, Vec<usize>) {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&b| std::cmp::Reverse(lengths[b]));
        let steps = order.first().map_or(0, |&b| lengths[b]);
        let mut offsets = Vec::with_capacity(steps + 1);
        offsets.push(0);
        let mut active = lengths.len();
        for t in 0..steps {
            while lengths[order[active - 1]] <= t {
                active -= 1;
            }
            offsets.push(offsets[t] + active);
        }
        (Layout { batch: lengths.len(), start: 0, offsets, resets: None }, order)
    }

    /// The same with marks, one per row `[N]`: before a marked row's step its state is set to zero.
    pub fn with_resets(mut self, resets: Vec<bool>) -> Layout {
        assert_eq!(resets.len(), self.rows(), "one reset mark per row");
        self.resets = resets.contains(&true).then_some(resets);
        self
    }

    /// `B`, sequences of length zero included.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// `T`, the length of the longest sequence.
    pub fn steps(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The time of this layout's first step within the whole sequences.
    pub fn start(&self) -> usize {
        self.start
    }

    /// `N`, the number of valid steps of all sequences.
    pub fn rows(&self) -> usize {
        self.offsets[self.steps()]
    }

    /// The first row of each step, and `N` behind.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The number of sequences that step `t` has.
    pub fn active(&self, t: usize) -> usize {
        self.offsets[t + 1] - self.offsets[t]
    }

    /// The rows of the steps.
    pub fn rows_of(&self, steps: Range<usize>) -> Range<usize> {
        self.offsets[steps.start]..self.offsets[steps.end]
    }

    /// The length of the sequence in row `b`.
    pub fn length(&self, b: usize) -> usize {
        self.offsets.windows(2).position(|w| w[1] - w[0] <= b).unwrap_or(self.steps())
    }

    /// The lengths of all rows, falling.
    pub fn lengths(&self) -> Vec<usize> {
        let mut lengths = vec![0; self.batch];
        for t in 0..self.steps() {
            lengths[..self.active(t)].fill(t + 1);
        }
        lengths
    }

    /// The reset marks of step `t`, if the batch has any.
    pub fn resets(&self, t: usize) -> Option<&[bool]> {
        let marks = &self.resets.as_ref()?[self.rows_of(t..t + 1)];
        marks.contains(&true).then_some(marks)
    }

    /// The layout of the steps alone. Its rows are `self.rows_of(steps)`.
    pub fn segment(&self, steps: Range<usize>) -> Layout {
        let rows = self.rows_of(steps.clone());
        Layout {
            batch: self.batch,
            start: self.start + steps.start,
            offsets: self.offsets[steps.start..=steps.end].iter().map(|o| o - rows.start).collect(),
            resets: self.resets.as_ref().map(|marks| marks[rows].to_vec()),
        }
    }

    /// The blocks of [`BLOCK`] time steps, aligned in the time of the whole sequences, the last first.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (start, end) = (self.start, self.start + self.steps());
        let (first, last) = (start / BLOCK, end.div_ceil(BLOCK));
        (first..last)
            .rev()
            .map(move |block| (block * BLOCK).max(start) - start..((block + 1) * BLOCK).min(end) - start)
    }

    /// Cuts the rows into at most `parts` ranges of about equal work; see [`gimbap_kernels::slabs::split`].
    pub fn cuts(&self, parts: usize) -> Vec<usize> {
        let lengths = self.lengths();
        let parts = parts.clamp(1, self.batch.max(1));
        let mut cuts = vec![0];
        let (mut done, total) = (0, self.rows());
        for (b, length) in lengths.iter().enumerate() {
            done += length;
            // The cut that leaves each part closest to its share.
            let share_is_full = (2 * done - length) * parts >= 2 * total * cuts.len();
            if cuts.len() < parts && share_is_full && b > cuts[cuts.len() - 1] {
                cuts.push(b);
            }
        }
        cuts.push(self.batch);
        cuts
    }

    /// For every row, the row of the same sequence reversed in time: an involution.
    pub fn reversal(&self) -> Vec<usize> {
        let lengths = self.lengths();
        let mut reversal = vec![0; self.rows()];
        for t in 0..self.steps() {
            for b in 0..self.active(t) {
                reversal[self.offsets[t] + b] = self.offsets[lengths[b] - 1 - t] + b;
            }
        }
        reversal
    }
}

impl Layout {
    /// This layout for sequences that were reversed by `reversal`: a part that began at a mark now ends there,
    /// so the mark moves to the step that now comes after it. None without marks.
    pub fn reversed_resets(&self, reversal: &[usize]) -> Option<Layout> {
        let marks = self.resets.as_ref()?;
        let mut reversed = vec![false; marks.len()];
        for t in 1..self.steps() {
            for b in 0..self.active(t) {
                if marks[self.offsets[t] + b] {
                    reversed[reversal[self.offsets[t - 1] + b]] = true;
                }
            }
        }
        Some(Layout { resets: Some(reversed), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_packed_by_step_and_sorted_by_length() {
        let (layout, order) = Layout::new(&[2, 0, 3, 2]);
        assert_eq!(order, [2, 0, 3, 1]);
        assert_eq!((layout.batch(), layout.steps(), layout.rows()), (4, 3, 7));
        assert_eq!(layout.offsets(), [0, 3, 6, 7]);
        assert_eq!(layout.lengths(), [3, 2, 2, 0]);
        assert_eq!((0..4).map(|b| layout.length(b)).collect::<Vec<_>>(), [3, 2, 2, 0]);
        assert_eq!(layout.reversal(), [6, 4, 5, 3, 1, 2, 0]);
        let segment = layout.segment(1..3);
        assert_eq!((segment.start(), segment.rows(), segment.active(0)), (1, 4, 3));
    }

    #[test]
    fn blocks_are_aligned_in_absolute_time() {
        let (layout, _) = Layout::new(&[150]);
        assert_eq!(layout.blocks().collect::<Vec<_>>(), [128..150, 64..128, 0..64]);
        assert_eq!(layout.segment(64..150).blocks().collect::<Vec<_>>(), [64..86, 0..64]);
    }

    #[test]
    fn cuts_share_the_work() {
        let (layout, _) = Layout::new(&[8; 8]);
        assert_eq!(layout.cuts(2), [0, 4, 8]);
        assert_eq!(layout.cuts(3).len(), 4);
        let (layout, _) = Layout::new(&[12, 4, 4, 4]);
        assert_eq!(layout.cuts(2), [0, 1, 4]);
        let (layout, _) = Layout::new(&[0, 0]);
        assert_eq!(layout.cuts(2)[0], 0);
        assert_eq!(*layout.cuts(2).last().unwrap(), 2);
    }
}
