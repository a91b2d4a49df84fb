//! Sequences with their targets, in memory: ragged, as they come.

use ndarray::{Array1, Array2, Array3, ArrayView3};

use crate::loss::RowTargets;
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
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences<R> {
    steps: Steps<R>,
    /// The first step of each sequence, and the number of steps behind.
    offsets: Vec<usize>,
}

fn offsets(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut offsets = vec![0];
    offsets.extend(lengths.scan(0, |end, length| {
        *end += length;
        Some(*end)
    }));
    offsets
}

impl<R: Arithmetic> Sequences<R> {
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
        Ok(Sequences { steps: Steps::Features { values, width }, offsets: offsets(lengths.iter().copied()) })
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
        Ok(Sequences { steps: Steps::Ids(ids), offsets: offsets(lengths.iter().copied()) })
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
        Sequences { steps, offsets: offsets(sequences.iter().map(|&b| self.length(b))) }
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
        Sequences { steps, offsets: offsets(std::iter::repeat_n(t, b)) }
    }
}

impl<R: Arithmetic> From<&[Array2<R>]> for Sequences<R> {
    fn from(x: &[Array2<R>]) -> Self {
        let width = x.first().map_or(0, |x| x.ncols());
        assert!(x.iter().all(|x| x.ncols() == width), "all sequences have the same features");
        let values = x.iter().flat_map(|x| x.iter().copied()).collect();
        Sequences { steps: Steps::Features { values, width }, offsets: offsets(x.iter().map(|x| x.nrows())) }
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
        Sequences { steps, offsets: offsets(std::iter::repeat_n(x.ncols(), x.nrows())) }
    }
}

impl<R: Arithmetic> From<&[Vec<u32>]> for Sequences<R> {
    fn from(x: &[Vec<u32>]) -> Self {
        Sequences { steps: Steps::Ids(x.concat()), offsets: offsets(x.iter().map(Vec::len)) }
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
