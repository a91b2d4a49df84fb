//! The model file: safetensors, with one JSON document in its metadata.
//!
//! Every parameter is a tensor under its name (`lstm.w_x`), in `F32` or `F64`. The metadata key `gimbap` holds
//! `{"format": 1, "input": .., "layers": [..], "training": .., "task": ..}`. Of a quantised model
//! ([`crate::quantize`]) the format is 2, there is `"precision": "bf16"` or `"int8"`, and matrices are in `BF16`, or in
//! `I8` with the scales of their columns as another tensor, `lstm.w_x.scale`. With the optimizer's state
//! ([`save_with_optimizer`]) the format is 3, there is `"optimizer": {"step": .., "epochs": ..}`, and for each of its
//! moments a tensor of as many values as the model has, `optimizer.m`. Files are written to a temporary name in
//! the same folder, synced and renamed: there is never half a file under the final name.

mod atomic;

use std::collections::HashMap;
use std::path::Path;

use gimbap_kernels::Arithmetic;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

pub use self::atomic::{WholeFile, remove_unfinished, write_atomically};

use crate::layer::{LayerSpec, Parameter};
use crate::model::{Input, Model, Sequential, Training};
use crate::optim::Optimizer;
use crate::quantize::{self, Precision};
use crate::train::Kept;
use crate::{Error, Result};

/// The newest version of the format that this library reads.
pub const FORMAT: u32 = 3;

/// The version of the format that a model of this precision is written in, with its optimizer's state or without: the
/// oldest that has it.
pub fn format_of(precision: Precision, with_optimizer: bool) -> u32 {
    match precision {
        _ if with_optimizer => 3,
        Precision::Full => 1,
        Precision::Bf16 | Precision::Int8 => 2,
    }
}

const KEY: &str = "gimbap";
/// What the names of the tensors of the optimizer begin with; no layer has this name.
const SLOTS: &str = "optimizer.";

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    input: Input,
    layers: Vec<LayerSpec>,
    training: Option<Training>,
    #[serde(default, skip_serializing_if = "Precision::is_full")]
    precision: Precision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    optimizer: Option<Standing>,
    #[serde(default)]
    task: serde_json::Value,
}

/// Of [`Kept`], all but the moments.
#[derive(Serialize, Deserialize)]
struct Standing {
    step: u64,
    epochs: usize,
}

/// A named array on its way into or out of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<R> {
    /// Its name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<R>,
}

fn dtype<R>() -> Dtype {
    if size_of::<R>() == 4 { Dtype::F32 } else { Dtype::F64 }
}

fn values_to_bytes<R: Arithmetic>(values: &[R]) -> Vec<u8> {
    match dtype::<R>() {
        Dtype::F32 => values.iter().flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect(),
    }
}

/// A tensor as its bytes.
struct Raw {
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

impl Raw {
    fn of<R: Arithmetic>(name: &str, shape: &[usize], values: &[R]) -> Raw {
        Raw { name: name.into(), shape: shape.into(), dtype: dtype::<R>(), bytes: values_to_bytes(values) }
    }
}

/// Writes named tensors and one JSON document.
pub(crate) fn write_tensors<R: Arithmetic>(
    path: &Path,
    key: &str,
    document: &impl Serialize,
    tensors: &[Tensor<R>],
) -> Result<()> {
    let raw = tensors.iter().map(|tensor| Raw::of(&tensor.name, &tensor.shape, &tensor.values));
    write_raw(path, key, document, &raw.collect::<Vec<_>>())
}

fn write_raw(path: &Path, key: &str, document: &impl Serialize, tensors: &[Raw]) -> Result<()> {
    let failed = |message: String| Error::ModelFile { path: path.into(), message };
    write_atomically(path, &raw_bytes(key, document, tensors).map_err(failed)?)
}

/// The bytes of a file, or why there are none.
fn raw_bytes(key: &str, document: &impl Serialize, tensors: &[Raw]) -> std::result::Result<Vec<u8>, String> {
    let document = serde_json::to_string(document).map_err(|error| error.to_string())?;
    let views = tensors.iter().map(|tensor| {
        TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).map(|view| (&tensor.name, view))
    });
    let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let metadata = HashMap::from([(key.to_string(), document)]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| error.to_string())
}

/// Reads all tensors, of `F32` or `F64`, and the JSON document under `key`.
pub(crate) fn read_tensors<R: Arithmetic>(path: &Path, key: &str) -> Result<(String, Vec<Tensor<R>>)> {
    let (document, tensors) = read_typed(path, key)?;
    let plain = |(tensor, dtype): (Tensor<R>, Dtype)| match dtype {
        Dtype::F32 | Dtype::F64 => Ok(tensor),
        other => Err(wrong_type(path, tensor.name, other, "F32 or F64")),
    };
    Ok((document, tensors.into_iter().map(plain).collect::<Result<_>>()?))
}

fn wrong_type(path: &Path, tensor: String, found: Dtype, expected: &str) -> Error {
    Error::Tensor { path: path.into(), tensor, message: format!("has type {found:?}; {expected} is read") }
}

/// The JSON document under `key`, without the tensors.
pub(crate) fn read_document(path: &Path, key: &str) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    document_of(&bytes, path, key)
}

/// The JSON document under `key` of a file with this content.
fn document_of(bytes: &[u8], path: &Path, key: &str) -> Result<String> {
    let failed = |message: String| Error::ModelFile { path: path.into(), message };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| not_whole(bytes, path, &error))?;
    let document = metadata.metadata().as_ref().and_then(|m| m.get(key)).cloned();
    document.ok_or_else(|| {
        failed(format!("is a safetensors file, but not one of Gimbap's (no `{key}` in its metadata)"))
    })
}

fn not_whole(bytes: &[u8], path: &Path, error: &SafeTensorError) -> Error {
    match cut_off(bytes) {
        Some(tensor) => {
            Error::Tensor { path: path.into(), tensor, message: "is cut off: the file ends too early".into() }
        }
        None => {
            let message = format!("is damaged or no safetensors file ({error})");
            Error::ModelFile { path: path.into(), message }
        }
    }
}

/// The document, and the tensors with the types that they had; integers as they are.
type Typed<R> = (String, Vec<(Tensor<R>, Dtype)>);

fn read_typed<R: Arithmetic>(path: &Path, key: &str) -> Result<Typed<R>> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let document = document_of(&bytes, path, key)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| not_whole(&bytes, path, &error))?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => {
                data.as_chunks::<4>().0.iter().map(|b| R::from_f64(f32::from_le_bytes(*b).into())).collect()
            }
            Dtype::F64 => {
                data.as_chunks::<8>().0.iter().map(|b| R::from_f64(f64::from_le_bytes(*b))).collect()
            }
            Dtype::BF16 => {
                data.as_chunks::<2>().0.iter().map(|b| quantize::from_bf16(u16::from_le_bytes(*b))).collect()
            }
            Dtype::I8 => data.iter().map(|b| R::from_f64(b.cast_signed().into())).collect(),
            other => return Err(wrong_type(path, name, other, "F32, F64, BF16 or I8")),
        };
        tensors.push((Tensor { name, shape: view.shape().to_vec(), values }, view.dtype()));
    }
    Ok((document, tensors))
}

/// Writes a model, without what its optimizer remembers ([`save_with_optimizer`]).
///
/// ```
/// use gimbap::prelude::*;
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let path = std::env::temp_dir().join(format!("gimbap-doctest-{}.safetensors", std::process::id()));
/// let mut model = Sequential::new(Input::features(1)).add(Lstm::new(4)).build::<f32>()?;
/// model.task = "whatever the model needs beside it".into();
/// save(&model, &path)?;
/// assert_eq!(load(&path)?, model);
///
/// std::fs::write(&path, "half a file")?;
/// assert_eq!(load(&path).unwrap_err().kind(), "model_file");
/// # std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn save<R: Arithmetic>(model: &Model<R>, path: impl AsRef<Path>) -> Result<()> {
    write_atomically(path.as_ref(), &to_bytes(model)?)
}

/// Writes a model that is to be trained further: with its optimizer's moments and count of steps. After [`load`] a
/// [`Model::fit`] has the bits that it would have had without a file in between. Of Adam the file has three times the
/// size; a model that has not been trained since it was compiled or edited is written as by [`save`], as it has no such
/// state.
///
/// ```
/// use gimbap::ndarray::{Array2, Array3};
/// use gimbap::prelude::*;
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let x = Array3::from_shape_fn((8, 5, 1), |(b, t, _)| (b as f32 + t as f32).sin());
/// let y = Array2::from_shape_fn((8, 1), |(b, _)| (b as f32 + 5.0).sin());
/// let layers = Sequential::new(Input::features(1)).add(Lstm::new(4)).add(Dense::new(1));
/// let mut model = layers.compile(Adam::new(0.01), Loss::Mse, [])?;
/// let fit = Fit { epochs: 3, batch_size: 4, ..Fit::default() };
/// model.fit(&x, &y, &fit)?;
///
/// let path = std::env::temp_dir().join(format!("gimbap-doctest-{}-optimizer.safetensors", std::process::id()));
/// save_with_optimizer(&model, &path)?;
/// let mut loaded = load(&path)?;
/// assert_eq!(loaded.optimizer_state().map(|state| state.step), Some(6));
///
/// model.fit(&x, &y, &fit)?;
/// loaded.fit(&x, &y, &fit)?;
/// assert_eq!(loaded.values(), model.values());
/// # std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn save_with_optimizer<R: Arithmetic>(model: &Model<R>, path: impl AsRef<Path>) -> Result<()> {
    write_atomically(path.as_ref(), &bytes_of(model, model.kept.as_ref())?)
}

/// What [`save`] writes.
///
/// # Errors
/// If what the model keeps of its task cannot be written down.
pub fn to_bytes<R: Arithmetic>(model: &Model<R>) -> Result<Vec<u8>> {
    bytes_of(model, None)
}

fn bytes_of<R: Arithmetic>(model: &Model<R>, kept: Option<&Kept<R>>) -> Result<Vec<u8>> {
    let document = Document {
        format: format_of(model.precision, kept.is_some()),
        input: model.input,
        layers: model.layers.clone(),
        training: model.training.clone(),
        precision: model.precision,
        optimizer: kept.map(|kept| Standing { step: kept.optimizer.step, epochs: kept.epochs }),
        task: model.task.clone(),
    };
    let mut tensors = Vec::new();
    for parameter in &model.parameters {
        let values = &model.values[parameter.range.clone()];
        let (name, shape) = (&parameter.name, &parameter.shape);
        match model.precision {
            precision if !precision.rounds(parameter) => tensors.push(Raw::of(name, shape, values)),
            Precision::Int8 => {
                let scales = quantize::scales(values, shape[1]);
                let quantized = quantize::to_int8s(values, &scales);
                let bytes = quantized.into_iter().map(i8::cast_unsigned).collect();
                tensors.push(Raw { name: name.clone(), shape: shape.clone(), dtype: Dtype::I8, bytes });
                tensors.push(Raw::of(&scale_name(name), &shape[1..], &scales));
            }
            _ => {
                let bytes = values.iter().flat_map(|&w| quantize::to_bf16(w).to_le_bytes()).collect();
                tensors.push(Raw { name: name.clone(), shape: shape.clone(), dtype: Dtype::BF16, bytes });
            }
        }
    }
    let slots = kept.into_iter().flat_map(|kept| kept.optimizer.slots());
    tensors.extend(slots.map(|(name, slot)| Raw::of(&slot_name(name), &[slot.len()], slot)));
    raw_bytes(KEY, &document, &tensors)
        .map_err(|message| Error::ModelFile { path: "the model".into(), message })
}

/// The tensor that has the scales of an `I8` tensor's columns.
fn scale_name(tensor: &str) -> String {
    format!("{tensor}.scale")
}

/// The tensor that has one of the optimizer's moments.
fn slot_name(slot: &str) -> String {
    format!("{SLOTS}{slot}")
}

/// Reads a model in `f32`, with its optimizer's state if that was [saved with it](save_with_optimizer).
///
/// ```no_run
/// use gimbap::ndarray::Array3;
/// use gimbap::prelude::*;
///
/// # fn main() -> Result<()> {
/// let model = load("model.safetensors")?;
/// let y = model.predict(&Array3::zeros((1, 10, 3)))?;
/// # let _ = y;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the file cannot be read, is damaged, of a later format, or a tensor is missing, superfluous or of another
/// shape than the layers say.
pub fn load(path: impl AsRef<Path>) -> Result<Model> {
    load_as(path)
}

/// [`load`] in a type of one's choice: `load_as::<f64>(path)`. Whichever the file has, its values become numbers of that
/// type.
///
/// # Errors
/// As [`load`].
pub fn load_as<R: Arithmetic>(path: impl AsRef<Path>) -> Result<Model<R>> {
    let path = path.as_ref();
    let failed = |message: String| Error::ModelFile { path: path.into(), message };
    let (document, typed) = read_typed::<R>(path, KEY)?;
    let value: serde_json::Value =
        serde_json::from_str(&document).map_err(|error| failed(format!("has a damaged header ({error})")))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if (1..=u64::from(FORMAT)).contains(&format) => {}
        Some(format) => {
            return Err(failed(format!(
                "has format {format}; this version reads formats 1 to {FORMAT}: use the Gimbap that wrote it, or a newer one"
            )));
        }
        None => return Err(failed("has no format version in its header".into())),
    }
    let document: Document =
        serde_json::from_value(value).map_err(|error| failed(format!("has a wrong header: {error}")))?;
    let Document { format, precision, ref optimizer, .. } = document;
    if optimizer.is_some() != (format == format_of(precision, true)) {
        let found = if optimizer.is_some() { "an" } else { "no" };
        let message =
            format!("has format {format} and {found} optimizer's state, which is what format 3 has");
        return Err(failed(message));
    }
    if format != format_of(precision, optimizer.is_some()) || optimizer.is_some() && !precision.is_full() {
        return Err(failed(format!("has format {format}, which has no weights that are {precision:?}")));
    }
    let sequential = document.layers.into_iter().fold(Sequential::new(document.input), Sequential::add);
    let no_model = |error: Error| failed(format!("has a header that makes no model: {error}"));
    // Before memory is asked for: what the header says may be anything.
    let parameters = sequential.parameters::<R>().map_err(no_model)?;
    document.precision.check(&parameters).map_err(no_model)?;
    let tensors = full(document.precision, &parameters, path, typed)?;
    let is_slot = |tensor: &Tensor<R>| document.optimizer.is_some() && tensor.name.starts_with(SLOTS);
    let (slots, tensors): (Vec<_>, Vec<_>) = tensors.into_iter().partition(is_slot);
    check(&parameters, path, &tensors)?;
    let mut model = sequential.build_without_values::<R>()?;
    let values = model.values.edit();
    for parameter in &model.parameters {
        if let Some(tensor) = tensors.iter().find(|tensor| tensor.name == parameter.name) {
            values[parameter.range.clone()].copy_from_slice(&tensor.values);
        }
    }
    if let Some(training) = document.training {
        training.check().map_err(|error| failed(format!("has a training that cannot be: {error}")))?;
        model.reduction = training.reduction;
        model.training = Some(training);
    }
    if let Some(standing) = document.optimizer {
        let training = model.training.as_ref();
        let training = training.ok_or_else(|| failed("has an optimizer's state, and no optimizer".into()))?;
        model.kept = Some(kept(standing, &training.optimizer, model.values.len(), &slots, path)?);
    }
    model.precision = document.precision;
    model.task = document.task;
    Ok(model)
}

/// Where the training of a model of `n` values stands, from the tensors of this optimizer's moments.
fn kept<R: Arithmetic>(
    standing: Standing,
    optimizer: &Optimizer,
    n: usize,
    slots: &[Tensor<R>],
    path: &Path,
) -> Result<Kept<R>> {
    let failed = |tensor: String, message: String| Error::Tensor { path: path.into(), tensor, message };
    let names: Vec<String> = optimizer.slot_names().iter().map(|name| slot_name(name)).collect();
    if let Some(other) = slots.iter().find(|tensor| !names.contains(&tensor.name)) {
        return Err(failed(other.name.clone(), format!("is no moment of {}", optimizer.name())));
    }
    let mut state = optimizer.state(n);
    state.step = standing.step;
    for (name, (_, slot)) in names.into_iter().zip(state.slots_mut()) {
        let Some(tensor) = slots.iter().find(|tensor| tensor.name == name) else {
            return Err(failed(name, format!("is missing, a moment of {}", optimizer.name())));
        };
        if tensor.shape != [n] {
            return Err(failed(name, format!("has shape {:?}; the model has {n} values", tensor.shape)));
        }
        slot.copy_from_slice(&tensor.values);
    }
    Ok(Kept { optimizer: state, epochs: standing.epochs })
}

/// Checks the types of the tensors, and multiplies those of integers by the scales of their columns.
fn full<R: Arithmetic>(
    precision: Precision,
    parameters: &[Parameter],
    path: &Path,
    typed: Vec<(Tensor<R>, Dtype)>,
) -> Result<Vec<Tensor<R>>> {
    let (mut plain, mut integers) = (Vec::new(), Vec::new());
    for (tensor, dtype) in typed {
        let parameter = parameters.iter().find(|parameter| parameter.name == tensor.name);
        let rounded = parameter.is_some_and(|parameter| precision.rounds(parameter));
        match (precision, dtype) {
            (Precision::Bf16, Dtype::BF16) if rounded => plain.push(tensor),
            (Precision::Int8, Dtype::I8) if rounded => integers.push(tensor),
            (Precision::Bf16, other) if rounded => return Err(wrong_type(path, tensor.name, other, "BF16")),
            (Precision::Int8, other) if rounded => return Err(wrong_type(path, tensor.name, other, "I8")),
            (_, Dtype::F32 | Dtype::F64) => plain.push(tensor),
            (_, other) => return Err(wrong_type(path, tensor.name, other, "F32 or F64")),
        }
    }
    for mut tensor in integers {
        let failed = |tensor: String, message: &str| {
            Err(Error::Tensor { path: path.into(), tensor, message: message.into() })
        };
        let name = scale_name(&tensor.name);
        let Some(at) = plain.iter().position(|scale| scale.name == name) else {
            return failed(name, "is missing: there is one beside every tensor of I8");
        };
        let scale = plain.swap_remove(at);
        let columns = tensor.shape.last().copied().unwrap_or(0);
        if scale.shape != [columns] || columns == 0 {
            return failed(name, &format!("has shape {:?}; its tensor has {columns} columns", scale.shape));
        }
        for row in tensor.values.chunks_exact_mut(columns) {
            row.iter_mut().zip(&scale.values).for_each(|(q, scale)| *q *= *scale);
        }
        // So that what streams read is what the file says.
        let scales = quantize::scales(&tensor.values, columns);
        if scale.values.iter().zip(&scales).any(|(found, scale)| found.to_f64() != f64::from(*scale)) {
            return failed(name, "is not the scale of columns whose largest integers are 127");
        }
        plain.push(tensor);
    }
    Ok(plain)
}

/// Checks that there is a tensor for every parameter, of its shape, and no other.
fn check(parameters: &[Parameter], path: &Path, tensors: &[Tensor<impl Arithmetic>]) -> Result<()> {
    let failed =
        |tensor: &str, message: String| Error::Tensor { path: path.into(), tensor: tensor.into(), message };
    for parameter in parameters {
        let Some(tensor) = tensors.iter().find(|tensor| tensor.name == parameter.name) else {
            return Err(failed(
                &parameter.name,
                format!("is missing; its shape should be {:?}", parameter.shape),
            ));
        };
        if tensor.shape != parameter.shape {
            let message = format!("has shape {:?}; the layers say {:?}", tensor.shape, parameter.shape);
            return Err(failed(&tensor.name, message));
        }
    }
    match tensors.iter().find(|tensor| parameters.iter().all(|p| p.name != tensor.name)) {
        Some(tensor) => Err(failed(&tensor.name, "belongs to no layer of this model".into())),
        None => Ok(()),
    }
}

/// The first tensor that is not whole, of a file that ends too early but has its header.
fn cut_off(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let header: serde_json::Value = serde_json::from_slice(rest.get(..length)?).ok()?;
    let there = (rest.len() - length) as u64;
    let ends =
        header.as_object()?.iter().filter_map(|(name, info)| Some((info["data_offsets"][1].as_u64()?, name)));
    ends.filter(|(end, _)| *end > there).min().map(|(_, name)| name.clone())
}
