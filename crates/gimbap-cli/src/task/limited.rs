//! `train.steps`: so many updates of a source, and no more.

use std::borrow::Cow;

use gimbap::data::batch::{Batch, BatchSource};

/// The first batches of all epochs together.
pub struct Limited<'a> {
    source: Box<dyn BatchSource<f32> + 'a>,
    steps: Option<usize>,
}

impl<'a> Limited<'a> {
    /// So many batches; None: all.
    pub fn new(source: Box<dyn BatchSource<f32> + 'a>, steps: Option<usize>) -> Self {
        Limited { source, steps }
    }
}

impl BatchSource<f32> for Limited<'_> {
    fn batches(&self, epoch: usize) -> usize {
        let all = self.source.batches(epoch);
        self.steps.map_or(all, |steps| {
            let before: usize = (0..epoch).map(|epoch| self.source.batches(epoch)).sum();
            all.min(steps.saturating_sub(before))
        })
    }

    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<f32>>> {
        self.source.batch(epoch, index)
    }

    fn targets(&self) -> usize {
        let (all, some) = (self.source.batches(0), self.batches(0));
        if some == all { self.source.targets() } else { self.source.targets() * some / all.max(1) }
    }
}
