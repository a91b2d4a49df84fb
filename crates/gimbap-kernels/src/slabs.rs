//! A buffer of slabs, shared out by rows: every part gets the same range of rows of every slab.

use std::marker::PhantomData;

/// A part of a buffer `[rows, width]` that is cut into slabs: the rows `first..last` of each slab, as far as the
/// slab has them. Parts of one buffer are disjoint and may go to different threads.
pub struct Part<'a, R> {
    data: *mut R,
    width: usize,
    offsets: &'a [usize],
    first: usize,
    last: usize,
    lifetime: PhantomData<&'a mut [R]>,
}

// SAFETY: a part is an exclusive borrow of its own rows, disjoint from every other part's (see `split`).
unsafe impl<R: Send> Send for Part<'_, R> {}

/// Cuts `data` into parts at the rows `cuts` (the first 0, ascending): part `p` has the rows
/// `cuts[p]..cuts[p + 1]` of every slab; slab `s` is the rows `offsets[s]..offsets[s + 1]` of the buffer.
///
/// # Panics
/// If offsets or cuts descend, or the offsets reach outside `data`.
pub fn split<'a, R>(
    data: &'a mut [R],
    width: usize,
    offsets: &'a [usize],
    cuts: &[usize],
) -> Vec<Part<'a, R>> {
    assert!(offsets.is_sorted() && cuts.is_sorted(), "offsets and cuts ascend");
    assert!(offsets.last().copied().unwrap_or(0) * width <= data.len(), "slabs outside the buffer");
    let data = data.as_mut_ptr();
    cuts.windows(2)
        .map(|cut| Part { data, width, offsets, first: cut[0], last: cut[1], lifetime: PhantomData })
        .collect()
}

impl<R> Part<'_, R> {
    fn range(&self, slab: usize) -> (usize, usize) {
        let (start, end) = (self.offsets[slab], self.offsets[slab + 1]);
        let first = (start + self.first).min(end);
        (first, (start + self.last).min(end) - first)
    }

    /// This part's rows of a slab.
    pub fn slab(&self, slab: usize) -> &[R] {
        let (row, count) = self.range(slab);
        // SAFETY: the rows lie in the buffer (`split` checked the offsets) and in this part alone.
        unsafe { std::slice::from_raw_parts(self.data.add(row * self.width), count * self.width) }
    }

    /// This part's rows of a slab, to write.
    pub fn slab_mut(&mut self, slab: usize) -> &mut [R] {
        let (row, count) = self.range(slab);
        // SAFETY: as in `slab`; `&mut self` keeps it the only borrow of this part.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.width), count * self.width) }
    }

    /// Two different slabs at once: the first to read, the second to write.
    ///
    /// # Panics
    /// If they are the same.
    pub fn pair_mut(&mut self, read: usize, write: usize) -> (&[R], &mut [R]) {
        assert_ne!(read, write, "two different slabs");
        let (row, count) = self.range(read);
        // SAFETY: different slabs are different rows, since offsets ascend; otherwise as in `slab`.
        let read = unsafe { std::slice::from_raw_parts(self.data.add(row * self.width), count * self.width) };
        (read, self.slab_mut(write))
    }
}
