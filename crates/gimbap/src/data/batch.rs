//! The batches of an epoch: shuffled sequences, or long streams cut into segments with a carried state.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use super::dataset::{Dataset, Sequences, Steps};
use super::jitter::Jitter;
use super::layout::Layout;
use super::text::CLOSING_ID;
use super::tokens::Tokens;
use crate::layer::Signal;
use crate::loss::{Reduction, RowTargets};
use crate::{Arithmetic, Error, Result, rng};

/// Sequences in the order of their [`Layout`], with their targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<R> {
    /// Where the rows lie.
    pub layout: Layout,
    /// Row `b` of the layout is sequence `order[b]` of the batch.
    pub order: Vec<usize>,
    /// `[N, I]` or `[N]`.
    pub input: Signal<R>,
    /// One per row of the layout, or per sequence.
    pub targets: RowTargets<R>,
    /// Per target; None: all 1.
    pub weights: Option<Vec<R>>,
    /// Per target; None: all valid.
    pub mask: Option<Vec<bool>>,
    /// Losses of steps before this one do not count: the steps repeat what earlier batches had.
    pub loss_from: usize,
    /// The state after this many steps is the one with which the next batch begins; None: it begins anew.
    pub carry_at: Option<usize>,
    /// Begins with the state that the batch before left for it, instead of zeros.
    pub continues: bool,
    /// What a training multiplies the schedule's rate by for this batch; 1 unless its segments vary in length.
    pub rate_scale: f64,
}

impl<R: Arithmetic> Batch<R> {
    /// Of sequences of a dataset, in this order.
    pub fn of(data: &Dataset<R>, sequences: &[usize]) -> Batch<R> {
        let mut batch = Self::inputs(&data.inputs, sequences);
        let steps = step_order(&data.inputs, sequences, &batch);
        let rows: Vec<usize> =
            if data.per_step { steps.clone() } else { batch.order.iter().map(|&b| sequences[b]).collect() };
        batch.targets = data.targets.select(rows.iter().copied());
        batch.weights = data.weights.as_ref().map(|w| rows.iter().map(|&row| w[row]).collect());
        batch.mask = data.mask.as_ref().map(|m| rows.iter().map(|&row| m[row]).collect());
        if let Some(resets) = &data.resets {
            batch.layout = batch.layout.with_resets(steps.iter().map(|&step| resets[step]).collect());
        }
        batch
    }

    /// Of sequences without targets.
    pub fn inputs(data: &Sequences<R>, sequences: &[usize]) -> Batch<R> {
        let lengths: Vec<usize> = sequences.iter().map(|&b| data.length(b)).collect();
        let (layout, order) = Layout::new(&lengths);
        let mut batch = Batch {
            layout,
            order,
            input: Signal::Ids(Vec::new()),
            targets: RowTargets::Classes(Vec::new()),
            weights: None,
            mask: None,
            loss_from: 0,
            carry_at: None,
            continues: false,
            rate_scale: 1.0,
        };
        let steps = step_order(data, sequences, &batch);
        batch.input = match data.steps() {
            Steps::Ids(ids) => Signal::Ids(steps.iter().map(|&step| ids[step]).collect()),
            Steps::Features { values, width } => Signal::Values(
                steps.iter().flat_map(|&s| &values[s * width..(s + 1) * width]).copied().collect(),
            ),
        };
        batch
    }

    /// Features of an input row; 0 of ids.
    pub fn width(&self) -> usize {
        match &self.input {
            Signal::Ids(_) => 0,
            Signal::Values(values) => values.len() / self.layout.rows().max(1),
        }
    }

    /// The weight of a target.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row].to_f64())
    }

    /// Whether a target counts, of those that are rows of the layout or, for `per_sequence`, sequences.
    pub fn is_valid(&self, row: usize, per_sequence: bool) -> bool {
        (per_sequence || row >= self.layout.offsets()[self.loss_from.min(self.layout.steps())])
            && self.mask.as_ref().is_none_or(|mask| mask[row])
    }

    /// What the weighted sum of losses is divided by: the number of targets that count, or of sequences.
    pub fn divisor(&self, reduction: Reduction, per_sequence: bool) -> usize {
        let rows = if per_sequence { self.layout.batch() } else { self.layout.rows() };
        match reduction {
            Reduction::Mean => (0..rows).filter(|&row| self.is_valid(row, per_sequence)).count(),
            Reduction::SumTime => self.layout.batch(),
        }
    }

    /// What each target's loss is multiplied by in the reduced loss; None where it does not count.
    pub fn scale(&self, divisor: usize, per_sequence: bool) -> impl Fn(usize) -> Option<f64> + Sync + '_ {
        move |row| self.is_valid(row, per_sequence).then(|| self.weight(row) / divisor as f64)
    }
}

/// For each row of the batch's layout, its step among all steps of the data.
fn step_order<R: Arithmetic>(data: &Sequences<R>, sequences: &[usize], batch: &Batch<R>) -> Vec<usize> {
    let layout = &batch.layout;
    let rows = (0..layout.steps()).flat_map(|t| (0..layout.active(t)).map(move |b| (t, b)));
    rows.map(|(t, b)| data.offset(sequences[batch.order[b]]) + t).collect()
}

/// Where the batches of an epoch come from.
pub trait BatchSource<R: Arithmetic> {
    /// The number of batches in an epoch, which may differ from epoch to epoch.
    fn batches(&self, epoch: usize) -> usize;
    /// One of them.
    ///
    /// # Errors
    /// If the data cannot be read where it lies.
    fn batch(&self, epoch: usize, index: usize) -> Result<Cow<'_, Batch<R>>>;
    /// Steps (or sequences, of a model with one output each) in an epoch: for rates.
    fn targets(&self) -> usize;
}

/// Sequences of a dataset, shuffled anew each epoch.
#[derive(Debug)]
pub struct Shuffled<'a, R> {
    data: &'a Dataset<R>,
    batch: usize,
    /// None: in the order of the data.
    seed: Option<u64>,
    continues: bool,
    /// The last epoch asked for, and its order.
    drawn: RefCell<(usize, Vec<usize>)>,
}

impl<'a, R: Arithmetic> Shuffled<'a, R> {
    /// Batches of `batch` sequences. With `continues`, each carries on the states of the one before (Keras's
    /// `stateful`); then the number of sequences must be a multiple of the batch.
    ///
    /// # Errors
    /// If `batch` is 0, the data is empty, or `continues` does not fit.
    pub fn new(data: &'a Dataset<R>, batch: usize, seed: Option<u64>, continues: bool) -> Result<Self> {
        let seed = seed.filter(|_| !continues);
        let batches = Shuffled { seed, ..Shuffled::in_order(data, batch, continues)? };
        if continues && !data.len().is_multiple_of(batch) {
            let message = format!(
                "a stateful layer needs batches of one size: {} sequences are no multiple",
                data.len()
            );
            return Err(Error::config(format!("batch_size {batch}"), message));
        }
        batches.drawn.replace((0, order(data.len(), seed, 0)));
        Ok(batches)
    }

    /// In the order of the data, to measure: here the last batch may be smaller also where each continues the one before.
    pub(crate) fn in_order(data: &'a Dataset<R>, batch: usize, continues: bool) -> Result<Self> {
        if batch == 0 {
            return Err(Error::config("batch_size", "is 0; it must be at least 1"));
        }
        if data.is_empty() {
            return Err(Error::data("data", "has no sequence"));
        }
        Ok(Shuffled {
            data,
            batch,
            seed: None,
            continues,
            drawn: RefCell::new((0, order(data.len(), None, 0))),
        })
    }
}

/// The order of an epoch.
fn order(sequences: usize, seed: Option<u64>, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sequences).collect();
    if let Some(seed) = seed {
        rng::keyed(seed, epoch as u64, u64::MAX, 0).shuffle(&mut order);
    }
    order
}

impl<R: Arithmetic> BatchSource<R> for Shuffled<'_, R> {
    fn batches(&self, _epoch: usize) -> usize {
        self.data.len().div_ceil(self.batch)
    }

    fn batch(&self, epoch: usize, index: usize) -> Result<Cow<'_, Batch<R>>> {
        let mut drawn = self.drawn.borrow_mut();
        if drawn.0 != epoch {
            *drawn = (epoch, order(self.data.len(), self.seed, epoch));
        }
        let order = &drawn.1;
        let end = ((index + 1) * self.batch).min(order.len());
        let mut batch = Batch::of(self.data, &order[index * self.batch..end]);
        if self.continues {
            batch.continues = index > 0;
            batch.carry_at = Some(batch.layout.steps());
        }
        Ok(Cow::Owned(batch))
    }

    fn targets(&self) -> usize {
        self.data.targets.len()
    }
}

/// One long sequence of tokens as `streams` parallel streams, in segments: the language model's batches. The
/// target of each token is the next one. The state is carried from segment to segment.
///
/// ```
/// use gimbap::data::batch::{BatchSource, TokenStream};
///
/// # fn main() -> gimbap::Result<()> {
/// // 21 tokens in two streams of 10, in segments of 4: inputs 0..10 and 10..20, targets one further on.
/// let stream = TokenStream::new((0..21).collect::<Vec<u32>>(), 2, 4, 4)?;
/// assert_eq!(BatchSource::<f32>::batches(&stream, 0), 3);
/// let second = BatchSource::<f32>::batch(&stream, 0, 1)?;
/// assert_eq!(second.input.ids(), [4, 14, 5, 15, 6, 16, 7, 17]); // step by step, stream by stream
/// assert!(second.continues && second.carry_at == Some(4));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenStream {
    tokens: Tokens,
    lines: bool,
    streams: usize,
    length: usize,
    k1: usize,
    k2: usize,
    jitter: Option<Jitter>,
}

impl TokenStream {
    /// Cuts `tokens` into `streams` streams of equal length (what is left over at the end is not used), run in
    /// segments of `k1` steps, the last one of an epoch shorter. With `k2 > k1`, each segment is preceded by the
    /// `k2 - k1` steps before it, through which its losses flow back.
    ///
    /// # Errors
    /// If a number is 0, or there are fewer than two tokens for each stream.
    pub fn new(tokens: impl Into<Tokens>, streams: usize, k1: usize, k2: usize) -> Result<Self> {
        let tokens = tokens.into();
        if streams == 0 || k1 == 0 {
            let what = if streams == 0 { "batch" } else { "bptt" };
            return Err(Error::config(what, "is 0; it must be at least 1"));
        }
        crate::bptt::Bptt::Truncated { k1, k2 }.check()?;
        if tokens.len() <= streams {
            let message = format!(
                "has {} tokens, too few for {streams} streams of at least 2; lower `batch` or give more text",
                tokens.len()
            );
            return Err(Error::data("text", message));
        }
        let length = (tokens.len() - 1) / streams;
        Ok(TokenStream { tokens, lines: false, streams, length, k1, k2, jitter: None })
    }

    /// Cuts the streams elsewhere in each epoch: segments of about `k1` steps, now and then of half of that, drawn from
    /// (seed, epoch), each with a rate in proportion to its length (Merity et al., arXiv:1708.02182v1, section 5.1).
    ///
    /// # Errors
    /// If segments are preceded by steps before them, `k2 > k1`.
    pub fn jitter(self, seed: u64) -> Result<Self> {
        if self.k2 > self.k1 {
            let message = format!(
                "is [{}, {}], but segments of varying length take no steps before them: give one number",
                self.k1, self.k2
            );
            return Err(Error::config("bptt", message));
        }
        Ok(TokenStream { jitter: Some(Jitter::new(seed)), ..self })
    }

    /// Lines that stand for themselves: the state is zero wherever a closing mark is read.
    pub fn lines(self) -> Self {
        TokenStream { lines: true, ..self }
    }

    /// The steps of a segment, without those before it.
    fn segment(&self, epoch: usize, index: usize) -> Range<usize> {
        match &self.jitter {
            None => index * self.k1..((index + 1) * self.k1).min(self.length),
            Some(jitter) => jitter.segment((self.length, self.k1), epoch, index),
        }
    }

    /// The same segments without the steps before them: for evaluation, which has no backward pass.
    pub fn flat(self) -> Self {
        TokenStream { k2: self.k1, ..self }
    }
}

impl<R: Arithmetic> BatchSource<R> for TokenStream {
    fn batches(&self, epoch: usize) -> usize {
        match &self.jitter {
            None => self.length.div_ceil(self.k1),
            Some(jitter) => jitter.segments((self.length, self.k1), epoch),
        }
    }

    fn batch(&self, epoch: usize, index: usize) -> Result<Cow<'_, Batch<R>>> {
        let steps = self.segment(epoch, index);
        let before = self.k2 - self.k1;
        let (start, end) = (steps.start.saturating_sub(before), steps.end);
        let (layout, order) = Layout::new(&vec![end - start; self.streams]);
        // Of each stream one more than there are steps, one stream after another.
        let mut ids = Vec::with_capacity((end - start + 1) * self.streams);
        for b in 0..self.streams {
            self.tokens.read(b * self.length + start..b * self.length + end + 1, &mut ids)?;
        }
        let at = |offset: usize| -> Vec<u32> {
            let steps = offset..end - start + offset;
            steps.flat_map(|t| ids.iter().skip(t).step_by(end - start + 1).copied()).collect()
        };
        let input = at(0);
        let layout = match self.lines {
            true => layout.with_resets(input.iter().map(|&id| id == CLOSING_ID).collect()),
            false => layout,
        };
        Ok(Cow::Owned(Batch {
            layout,
            order,
            input: Signal::Ids(input),
            targets: RowTargets::Classes(at(1)),
            weights: None,
            mask: None,
            loss_from: steps.start - start,
            carry_at: (end < self.length).then(|| end.saturating_sub(before) - start),
            continues: index > 0,
            rate_scale: self.jitter.as_ref().map_or(1.0, |_| steps.len() as f64 / self.k1 as f64),
        }))
    }

    fn targets(&self) -> usize {
        self.streams * self.length
    }
}
