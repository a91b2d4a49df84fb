//! Smaller weights: a step of a stream is bound by reading them, so a quarter of the bytes is a fraction of the time.
//!
//! [`Model::quantized`] rounds every matrix of a model (`w_x`, `w_h` of recurrent layers, `w` of dense layers and
//! embeddings); biases and normalisations stay as they are.
//!
//! | precision | a weight | the file |
//! |---|---|---|
//! | [`Precision::Bf16`] | the nearest number with 8 significant bits | `BF16` |
//! | [`Precision::Int8`] | `q s_j`, `q` in `-127..=127`, with a scale `s_j` for each column `j` | `I8`, and `NAME.scale` in `F32` |
//!
//! What then runs: the recurrent layers' products, in streams and in batches alike, read the small weights. With int8,
//! `x_t` and `h_{t-1}` are rounded at every step to 8 bits with one scale each, and their products with the weights
//! are of integers, exact, hence the same on every processor. Sums, gates and states are in the model's own numbers.
//! Dense layers and embeddings compute with the rounded weights in the model's own numbers.
//!
//! The state forgets old errors, so they do not add up: over 10,000 steps of noise through 128 units, `h_t` of an LSTM is
//! never further than 0.0009 (bf16) or 0.0032 (int8) from the full model's, of a GRU 0.0013 and 0.006, of a SimpleRNN
//! 0.0066 and 0.031 (`tests/quantized.rs`).
//!
//! A quantised model does not train, as its gradients are those of another model, and is not edited.

use gimbap_kernels::Arithmetic;
use gimbap_kernels::linear::{LONGEST, bf16, int8_scale, to_int8};
use serde::{Deserialize, Serialize};

use crate::layer::Parameter;
use crate::model::Model;
use crate::{Error, Result};

/// What the weights of a model are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// The model's own numbers.
    #[default]
    Full,
    /// 16 bits: the upper half of an `f32`.
    Bf16,
    /// 8 bits, with a scale for each column.
    Int8,
}

impl Precision {
    /// Whether weights are the model's own numbers.
    pub(crate) fn is_full(&self) -> bool {
        *self == Precision::Full
    }

    /// Refuses a recurrent layer's matrix with more rows than the sums of integers hold.
    pub(crate) fn check(self, parameters: &[Parameter]) -> Result<()> {
        let recurrent = |p: &&Parameter| p.name.ends_with(".w_x") || p.name.ends_with(".w_h");
        let too_long = |p: &&Parameter| self == Precision::Int8 && p.shape[0] > LONGEST;
        match parameters.iter().filter(recurrent).find(too_long) {
            None => Ok(()),
            Some(Parameter { name, shape, .. }) => {
                let what = format!("to int8 takes at most {LONGEST} rows; `{name}` has {}", shape[0]);
                Err(Error::unsupported("quantize", what))
            }
        }
    }

    /// Whether a parameter of a model of this precision is rounded.
    pub(crate) fn rounds(self, parameter: &Parameter) -> bool {
        self != Precision::Full && parameter.shape.len() == 2
    }
}

/// The scales of the columns of a matrix, `columns` wide.
pub(crate) fn scales<R: Arithmetic>(values: &[R], columns: usize) -> Vec<f32> {
    let mut largest = vec![0.0f32; columns];
    for row in values.chunks_exact(columns) {
        for (largest, w) in largest.iter_mut().zip(row) {
            *largest = largest.max((w.to_f64() as f32).abs());
        }
    }
    largest.into_iter().map(int8_scale).collect()
}

impl<R: Arithmetic> Model<R> {
    /// What its weights are.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// This model with smaller weights; see the [module](crate::quantize).
    ///
    /// ```
    /// use gimbap::prelude::*;
    /// use gimbap::quantize::Precision;
    ///
    /// # fn main() -> Result<()> {
    /// let model = Sequential::new(Input::features(8)).add(Lstm::new(64)).add(Dense::new(1)).build::<f32>()?;
    /// let small = model.quantized(Precision::Int8)?;
    /// let (mut exact, mut rounded) = (model.stream()?, small.stream()?);
    /// assert!(4 * rounded.weight_bytes() < 2 * exact.weight_bytes());
    /// for t in 0..100 {
    ///     let x = [(t as f32 / 7.0).sin(); 8];
    ///     assert!((exact.step(&x)[0] - rounded.step(&x)[0]).abs() < 0.02);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If it is quantised already, a weight is not finite, or a recurrent layer has more inputs than int8 can sum.
    pub fn quantized(&self, precision: Precision) -> Result<Model<R>> {
        if self.precision != Precision::Full {
            return Err(Error::unsupported(
                "quantize",
                format!("takes a model with full weights; this one's are {:?} already", self.precision),
            ));
        }
        precision.check(&self.parameters)?;
        let mut model = self.clone();
        (model.precision, model.kept) = (precision, None);
        // What was made for the full weights is not for these, whether any of them is rounded or not.
        model.values.edit();
        for parameter in self.parameters.iter().filter(|parameter| precision.rounds(parameter)) {
            let values = &mut model.values.edit()[parameter.range.clone()];
            if let Some(w) = values.iter().find(|w| !w.is_finite()) {
                let what = format!("takes finite weights; `{}` has {w}", parameter.name);
                return Err(Error::unsupported("quantize", what));
            }
            let columns = parameter.shape[1];
            match precision {
                Precision::Full => {}
                Precision::Bf16 => values.iter_mut().for_each(|w| *w = from_bf16(to_bf16(*w))),
                Precision::Int8 => {
                    let scales = scales(values, columns);
                    let quantized = to_int8s(values, &scales);
                    for ((w, q), scale) in values.iter_mut().zip(quantized).zip(scales.iter().cycle()) {
                        *w = R::from_f64((f32::from(q) * scale).into());
                    }
                }
            }
        }
        Ok(model)
    }

    /// Refuses to do this to a quantised model, whose values are rounded.
    pub(crate) fn check_full(&self, what: &'static str) -> Result<()> {
        match self.precision {
            Precision::Full => Ok(()),
            other => Err(Error::unsupported(
                what,
                format!(
                    "takes a model with full weights; this one's are {other:?}: take the one that it was made of"
                ),
            )),
        }
    }
}

pub(crate) fn to_bf16<R: Arithmetic>(w: R) -> u16 {
    bf16(w.to_f64() as f32)
}

pub(crate) fn from_bf16<R: Arithmetic>(bits: u16) -> R {
    R::from_f64(f32::from_bits(u32::from(bits) << 16).into())
}

/// A matrix with these scales of its columns, as integers.
pub(crate) fn to_int8s<R: Arithmetic>(values: &[R], scales: &[f32]) -> Vec<i8> {
    values.iter().zip(scales.iter().cycle()).map(|(w, &scale)| to_int8(w.to_f64() as f32, scale)).collect()
}
