//! Sequences with their targets, in memory: ragged, as they come.

use ndarray::{Array1, Array2, Array3, ArrayView3};
use rayon::prelude::*;

use crate::loss::RowTargets;
use crate::optim::PARALLEL;
use crate::{Arithmetic, Error, Result};

/// The steps of sequences, one sequence after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Steps<R> {
    /// `width` features per step.
    Features {
        /// `[sum of the lengths, width]`.
        values: Vec<R>,
        /// `I`.
        width: usize,
    },
    /// A token id per step.
    Ids(Vec<u32>),
}

/// Sequences of different lengths: of features, or of token ids. Made from padded arrays `[B, T, I]` or `[B, T]`,
/// from a list of sequences, or from a padded array and lengths.
///
/// What a model is given to predict, to evaluate or to be trained on has a step in every sequence and a finite number in
/// every feature; anything else is refused, unless it is allowed.
///
/// ```
/// use gimbap::ndarray::Array2;
/// use gimbap::prelude::*;
///
/// # fn main() -> Result<()> {
/// let model = Sequential::new(Input::features(2)).add(Gru::new(4)).build::<f32>()?;
/// let mut x: Vec<Array2<f32>> = [2, 0, 3].map(|t| Array2::ones((t, 2))).into();
/// x[2][[1, 0]] = f32::NAN;
///
/// let error = model.predict(&x).unwrap_err();
/// assert!(error.to_string().starts_with("input: sequence 1 has no step"));
/// let error = model.predict(Sequences::from(&x).allow_empty()).unwrap_err();
/// assert!(error.to_string().starts_with("input: sequence 2 has NaN at step 1, feature 0"));
///
/// let y = model.predict(Sequences::from(&x).allow_empty().allow_not_finite())?;
/// assert!(y[[0, 0]].is_finite() && y[[1, 0]] == 0.0 && y[[2, 0]].is_nan());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences<R> {
    steps: Steps<R>,
    /// The first step of each sequence, and the number of steps behind.
    offsets: Vec<usize>,
    allowed: Allowed,
}

/// What is a mistake more often than not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Allowed {
    empty: bool,
    not_finite: bool,
}

fn offsets(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut offsets = vec![0];
    offsets.extend(lengths.scan(0, |end, length| {
        *end += length;
        Some(*end)
    }));
    offsets
}

fn all_finite<R: Arithmetic>(values: &[R]) -> bool {
    /// Values that are looked at together, without a branch for each.
    const CHUNK: usize = 1 << 12;
    let finite = |chunk: &[R]| chunk.iter().map(|x| u32::from(!x.is_finite())).sum::<u32>() == 0;
    match values.len() > PARALLEL {
        true => values.par_chunks(CHUNK).all(finite),
        false => values.chunks(CHUNK).all(finite),
    }
}

impl<R: Arithmetic> Sequences<R> {
    fn new(steps: Steps<R>, lengths: impl Iterator<Item = usize>) -> Self {
        Sequences { steps, offsets: offsets(lengths), allowed: Allowed::default() }
    }

    /// Of features, all sequences in one array `[sum of the lengths, width]`.
    ///
    /// # Errors
    /// If `values` has another length.
    pub fn features(values: Vec<R>, width: usize, lengths: &[usize]) -> Result<Self> {
        let steps: usize = lengths.iter().sum();
        if width == 0 || values.len() != steps * width {
            return Err(Error::shape(
                "sequences",
                format!("{steps} steps of {width} features"),
                format!("{} values", values.len()),
            ));
        }
        Ok(Self::new(Steps::Features { values, width }, lengths.iter().copied()))
    }

    /// Of the first `lengths[b]` steps of each sequence of a padded array `[B, T, I]`; padding is not looked at.
    ///
    /// # Errors
    /// If there is not a length for each sequence, or one is above `T`.
    pub fn padded(x: ArrayView3<'_, R>, lengths: &[usize]) -> Result<Self> {
        let (b, t, width) = x.dim();
        check_lengths(lengths, b, t)?;
        let rows = x.outer_iter().zip(lengths).flat_map(|(x, &n)| (0..n).map(move |t| x.row(t).to_vec()));
        Self::features(rows.flatten().collect(), width, lengths)
    }

    /// The same of token ids `[B, T]`.
    ///
    /// # Errors
    /// If there is not a length for each sequence, or one is above `T`.
    pub fn padded_ids(x: &Array2<u32>, lengths: &[usize]) -> Result<Self> {
        check_lengths(lengths, x.nrows(), x.ncols())?;
        let ids = x.outer_iter().zip(lengths).flat_map(|(x, &n)| (0..n).map(move |t| x[t])).collect();
        Ok(Self::new(Steps::Ids(ids), lengths.iter().copied()))
    }

    /// Allows sequences without a step. A model answers from its initial state, zeros or what [`Model::run`] is given,
    /// and with the zeros of a pool of no step; where it has an output per step, there is none. A loss for each step has
    /// no part of them.
    ///
    /// [`Model::run`]: crate::model::Model::run
    pub fn allow_empty(mut self) -> Self {
        self.allowed.empty = true;
        self
    }

    /// Allows features that are NaN or infinite. A NaN goes into the state: from its step on (of a layer that reads
    /// backward, up to it) the sequence's outputs are NaN, and those of other sequences are as ever. An infinite value
    /// drives gates to their ends, or becomes NaN. A training on either fails with [`Error::NotFinite`].
    pub fn allow_not_finite(mut self) -> Self {
        self.allowed.not_finite = true;
        self
    }

    /// Refuses what is not allowed, naming the first such place.
    pub(crate) fn check(&self) -> Result<()> {
        let empty = || self.offsets.windows(2).position(|of| of[0] == of[1]);
        if let Some(sequence) = (!self.allowed.empty).then(empty).flatten() {
            let message = format!(
                "sequence {sequence} has no step (counted from 0); leave it out, or allow it: \
                 `Sequences::allow_empty`"
            );
            return Err(Error::data("input", message));
        }
        match &self.steps {
            Steps::Features { values, width } if !self.allowed.not_finite && !all_finite(values) => {
                Err(self.not_finite(values, *width))
            }
            _ => Ok(()),
        }
    }

    /// Says where the first value is that is no finite number.
    #[cold]
    fn not_finite(&self, values: &[R], width: usize) -> Error {
        let place = values.iter().position(|x| !x.is_finite()).unwrap_or(0);
        let sequence = self.offsets.partition_point(|&first| first <= place / width) - 1;
        let (step, feature) = (place / width - self.offset(sequence), place % width);
        let message = format!(
            "sequence {sequence} has {} at step {step}, feature {feature} (counted from 0); fill it in, or allow it: \
             `Sequences::allow_not_finite`",
            values[place]
        );
        Error::data("input", message)
    }

    /// The number of sequences.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The steps of all sequences together.
    pub fn total_steps(&self) -> usize {
        self.offsets[self.len()]
    }

    /// The length of a sequence.
    pub fn length(&self, sequence: usize) -> usize {
        self.offsets[sequence + 1] - self.offsets[sequence]
    }

    /// The lengths of all.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.len()).map(|b| self.length(b)).collect()
    }

    /// The first step of a sequence among all steps.
    pub fn offset(&self, sequence: usize) -> usize {
        self.offsets[sequence]
    }

    /// All steps.
    pub fn steps(&self) -> &Steps<R> {
        &self.steps
    }

    /// These sequences alone, in this order.
    ///
    /// # Panics
    /// If one is beyond the sequences.
    pub fn select(&self, sequences: &[usize]) -> Self {
        let steps = sequences.iter().flat_map(|&b| self.offset(b)..self.offset(b + 1));
        let steps = match &self.steps {
            Steps::Ids(ids) => Steps::Ids(steps.map(|s| ids[s]).collect()),
            Steps::Features { values, width } => Steps::Features {
                values: steps.flat_map(|s| &values[s * width..(s + 1) * width]).copied().collect(),
                width: *width,
            },
        };
        let offsets = offsets(sequences.iter().map(|&b| self.length(b)));
        Sequences { steps, offsets, allowed: self.allowed }
    }
}

fn check_lengths(lengths: &[usize], b: usize, t: usize) -> Result<()> {
    if lengths.len() != b {
        return Err(Error::shape("lengths", format!("{b}, one per sequence"), lengths.len().to_string()));
    }
    match lengths.iter().find(|&&n| n > t) {
        None => Ok(()),
        Some(n) => {
            Err(Error::shape("lengths", format!("at most {t}, the steps of the array"), n.to_string()))
        }
    }
}

impl<R: Arithmetic> From<&Array3<R>> for Sequences<R> {
    fn from(x: &Array3<R>) -> Self {
        let (b, t, width) = x.dim();
        let steps = Steps::Features { values: x.iter().copied().collect(), width };
        Self::new(steps, std::iter::repeat_n(t, b))
    }
}

impl<R: Arithmetic> From<&[Array2<R>]> for Sequences<R> {
    fn from(x: &[Array2<R>]) -> Self {
        let width = x.first().map_or(0, |x| x.ncols());
        assert!(x.iter().all(|x| x.ncols() == width), "all sequences have the same features");
        let values = x.iter().flat_map(|x| x.iter().copied()).collect();
        Self::new(Steps::Features { values, width }, x.iter().map(|x| x.nrows()))
    }
}

impl<R: Arithmetic> From<&Vec<Array2<R>>> for Sequences<R> {
    fn from(x: &Vec<Array2<R>>) -> Self {
        x[..].into()
    }
}

impl<R: Arithmetic> From<&Array2<u32>> for Sequences<R> {
    fn from(x: &Array2<u32>) -> Self {
        let steps = Steps::Ids(x.iter().copied().collect());
        Self::new(steps, std::iter::repeat_n(x.ncols(), x.nrows()))
    }
}

impl<R: Arithmetic> From<&[Vec<u32>]> for Sequences<R> {
    fn from(x: &[Vec<u32>]) -> Self {
        Self::new(Steps::Ids(x.concat()), x.iter().map(Vec::len))
    }
}

impl<R: Arithmetic> From<&Vec<Vec<u32>>> for Sequences<R> {
    fn from(x: &Vec<Vec<u32>>) -> Self {
        x[..].into()
    }
}

impl<R: Arithmetic> From<&Sequences<R>> for Sequences<R> {
    fn from(x: &Sequences<R>) -> Self {
        x.clone()
    }
}

/// What sequences should give: one target each, or one per step.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets<R> {
    pub(crate) rows: RowTargets<R>,
    /// `T` of the padded array that the rows came from; 0 for one target per sequence, None for exactly the
    /// valid steps.
    pub(crate) steps: Option<usize>,
}

impl<R: Arithmetic> Targets<R> {
    /// One per valid step: rows as in [`Sequences::steps`].
    pub fn per_step(rows: RowTargets<R>) -> Self {
        Targets { rows, steps: None }
    }

    /// One per sequence.
    pub fn per_sequence(rows: RowTargets<R>) -> Self {
        Targets { rows, steps: Some(0) }
    }

    /// `t` for each sequence, of which those of its valid steps count.
    fn padded(rows: RowTargets<R>, t: usize) -> Self {
        Targets { rows, steps: (t > 0).then_some(t) }
    }
}

macro_rules! targets_from_values {
    ($($real:ty),*) => {
        $(
            /// `[B, O]`: values for each sequence.
            impl From<&Array2<$real>> for Targets<$real> {
                fn from(y: &Array2<$real>) -> Self {
                    let values = y.iter().copied().collect();
                    Targets::per_sequence(RowTargets::Values { values, width: y.ncols() })
                }
            }

            /// `[B, T, O]`: values for each step.
            impl From<&Array3<$real>> for Targets<$real> {
                fn from(y: &Array3<$real>) -> Self {
                    let (_, t, width) = y.dim();
                    Targets::padded(RowTargets::Values { values: y.iter().copied().collect(), width }, t)
                }
            }
        )*
    };
}
targets_from_values!(f32, f64);

/// `[B]`: the class of each sequence.
impl<R: Arithmetic> From<&Array1<u32>> for Targets<R> {
    fn from(y: &Array1<u32>) -> Self {
        Targets::per_sequence(RowTargets::Classes(y.to_vec()))
    }
}

/// `[B]`: the class of each sequence.
impl<R: Arithmetic> From<&Vec<u32>> for Targets<R> {
    fn from(y: &Vec<u32>) -> Self {
        Targets::per_sequence(RowTargets::Classes(y.clone()))
    }
}

/// `[B, T]`: the class of each step.
impl<R: Arithmetic> From<&Array2<u32>> for Targets<R> {
    fn from(y: &Array2<u32>) -> Self {
        Targets::padded(RowTargets::Classes(y.iter().copied().collect()), y.ncols())
    }
}

impl<R: Arithmetic> From<&Targets<R>> for Targets<R> {
    fn from(y: &Targets<R>) -> Self {
        y.clone()
    }
}

/// Sequences and their targets, with what belongs to single steps or sequences: weights, masks, reset marks.
///
/// ```
/// use gimbap::ndarray::Array2;
/// use gimbap::prelude::*;
///
/// # fn main() -> Result<()> {
/// // Three sequences of 2, 0 and 3 steps of two features; a class for each.
/// let x: Vec<Array2<f32>> = [2, 0, 3].map(|t| Array2::ones((t, 2))).into();
/// let data = Dataset::new(&x, &vec![1, 0, 1])?.weights(vec![1.0, 1.0, 2.0])?;
/// assert_eq!((data.len(), data.inputs().total_steps()), (3, 5));
///
/// // The same from a padded array: what stands beyond a length is not looked at.
/// let padded = gimbap::ndarray::Array3::from_elem((3, 3, 2), f32::NAN);
/// let inputs = Sequences::padded(padded.view(), &[2, 0, 3])?;
/// assert_eq!(inputs.lengths(), [2, 0, 3]);
///
/// // One target too few.
/// let error = Dataset::<f32>::new(&x, &vec![1, 0]).unwrap_err();
/// assert_eq!(error.to_string(), "targets: expected 3, as there are sequences, got 2");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<R> {
    pub(crate) inputs: Sequences<R>,
    pub(crate) targets: RowTargets<R>,
    pub(crate) per_step: bool,
    pub(crate) weights: Option<Vec<R>>,
    pub(crate) mask: Option<Vec<bool>>,
    pub(crate) resets: Option<Vec<bool>>,
}

impl<R: Arithmetic> Dataset<R> {
    /// Inputs and targets. Targets of a padded array are cut to the inputs' lengths.
    ///
    /// # Errors
    /// If the targets do not fit the inputs.
    pub fn new(inputs: impl Into<Sequences<R>>, targets: impl Into<Targets<R>>) -> Result<Self> {
        let (inputs, Targets { rows, steps }) = (inputs.into(), targets.into());
        let per_step = steps != Some(0);
        let targets = match steps {
            Some(t) if t > 0 => {
                if rows.len() != inputs.len() * t {
                    let found = format!("{} sequences of {t} steps", rows.len() / t);
                    return Err(Error::shape("targets", format!("{} sequences", inputs.len()), found));
                }
                check_lengths(&inputs.lengths(), inputs.len(), t)?;
                let kept =
                    (0..inputs.len()).flat_map(|b| (0..inputs.length(b)).map(move |step| b * t + step));
                rows.select(kept)
            }
            _ => rows,
        };
        let expected = if per_step { inputs.total_steps() } else { inputs.len() };
        if targets.len() != expected {
            let what = if per_step { "steps" } else { "sequences" };
            return Err(Error::shape(
                "targets",
                format!("{expected}, as there are {what}"),
                targets.len().to_string(),
            ));
        }
        Ok(Dataset { inputs, targets, per_step, weights: None, mask: None, resets: None })
    }

    /// Weighs each sequence, or (of a model with an output per step) each valid step: `[B]` or
    /// `[sum of the lengths]`. The mean still divides by the number of valid rows, as Keras's does.
    ///
    /// # Errors
    /// If the number of weights is neither.
    pub fn weights(mut self, weights: Vec<R>) -> Result<Self> {
        self.weights = Some(self.per_row("weights", weights)?);
        Ok(self)
    }

    /// Marks the rows that count in the loss, `[B]` or `[sum of the lengths]`; what others hold is not looked at.
    ///
    /// # Errors
    /// If the number of marks is neither.
    pub fn mask(mut self, mask: Vec<bool>) -> Result<Self> {
        self.mask = Some(self.per_row("mask", mask)?);
        Ok(self)
    }

    /// Marks steps `[sum of the lengths]` at which a sequence begins anew: before them the state is set to zero.
    ///
    /// # Errors
    /// If there is not a mark for each step.
    pub fn resets(mut self, resets: Vec<bool>) -> Result<Self> {
        let steps = self.inputs.total_steps();
        if resets.len() != steps {
            return Err(Error::shape("resets", format!("{steps}, one per step"), resets.len().to_string()));
        }
        self.resets = Some(resets);
        Ok(self)
    }

    fn per_row<V: Clone>(&self, place: &str, values: Vec<V>) -> Result<Vec<V>> {
        let rows = self.targets.len();
        if values.len() == rows {
            return Ok(values);
        }
        if self.per_step && values.len() == self.inputs.len() {
            let spread = values.iter().enumerate().flat_map(|(b, v)| vec![v.clone(); self.inputs.length(b)]);
            return Ok(spread.collect());
        }
        Err(Error::shape(place, format!("{rows}, one per target"), values.len().to_string()))
    }

    /// The sequences.
    pub fn inputs(&self) -> &Sequences<R> {
        &self.inputs
    }

    /// What they should give: a row for each valid step, or for each sequence.
    pub fn targets(&self) -> &RowTargets<R> {
        &self.targets
    }

    /// The number of sequences.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These sequences alone, in this order.
    pub fn select(&self, sequences: &[usize]) -> Self {
        let steps: Vec<usize> =
            sequences.iter().flat_map(|&b| self.inputs.offset(b)..self.inputs.offset(b + 1)).collect();
        let rows: &[usize] = if self.per_step { &steps } else { sequences };
        Dataset {
            inputs: self.inputs.select(sequences),
            targets: self.targets.select(rows.iter().copied()),
            per_step: self.per_step,
            weights: self.weights.as_ref().map(|w| rows.iter().map(|&row| w[row]).collect()),
            mask: self.mask.as_ref().map(|m| rows.iter().map(|&row| m[row]).collect()),
            resets: self.resets.as_ref().map(|r| steps.iter().map(|&s| r[s]).collect()),
        }
    }

    /// Splits off the last part, before any shuffling, as Keras's `validation_split` does.
    ///
    /// # Errors
    /// If either part would be empty.
    pub fn split(&self, last: f64) -> Result<(Self, Self)> {
        let first = (self.len() as f64 * (1.0 - last)) as usize;
        if first == 0 || first >= self.len() {
            let message = format!("{last} of {} sequences leaves one part empty", self.len());
            return Err(Error::config("validation split", message));
        }
        let (a, b): (Vec<usize>, Vec<usize>) = ((0..first).collect(), (first..self.len()).collect());
        Ok((self.select(&a), self.select(&b)))
    }
}
