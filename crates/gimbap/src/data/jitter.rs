//! Segments of varying length: which steps of a stream are cut together changes from epoch to epoch.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rng;

/// The lengths of an epoch's segments, as Merity et al. draw them (arXiv:1708.02182v1, section 5.1, and their code): a
/// base length of `k1`, or with probability 0.05 of its half, around which a length is normally distributed with a
/// deviation of 5; at least 5.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    seed: u64,
    /// Of the last epoch asked for.
    drawn: Arc<Mutex<Option<Drawn>>>,
}

/// An epoch, and where its segments end.
type Drawn = (usize, Vec<usize>);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Jitter { seed, drawn: Arc::default() }
    }

    /// The number of an epoch's segments.
    pub(super) fn segments(&self, (length, k1): (usize, usize), epoch: usize) -> usize {
        self.ends((length, k1), epoch, |ends| ends.len())
    }

    /// The steps of one of them.
    pub(super) fn segment(&self, (length, k1): (usize, usize), epoch: usize, index: usize) -> Range<usize> {
        self.ends((length, k1), epoch, |ends| {
            index.checked_sub(1).map_or(0, |before| ends[before])..ends[index]
        })
    }

    fn ends<T>(&self, (length, k1): (usize, usize), epoch: usize, see: impl FnOnce(&[usize]) -> T) -> T {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.as_ref().is_none_or(|drawn| drawn.0 != epoch) {
            *drawn = None;
        }
        let (_, ends) = drawn.get_or_insert_with(|| (epoch, draw(self.seed, epoch, length, k1)));
        see(ends)
    }
}

fn draw(seed: u64, epoch: usize, length: usize, k1: usize) -> Vec<usize> {
    let mut rng = rng::keyed(seed, epoch as u64, u64::MAX, 1);
    let mut ends = Vec::new();
    let mut at = 0;
    while at < length {
        let base = if rng.bernoulli(0.05) { k1 as f64 / 2.0 } else { k1 as f64 };
        at = (at + (base + 5.0 * rng.normal()).max(5.0) as usize).min(length);
        ends.push(at);
    }
    ends
}
