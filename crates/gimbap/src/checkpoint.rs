//! The model file: safetensors, with one JSON document in its metadata.
//!
//! Every parameter is a tensor under its name (`lstm.w_x`), in `F32` or `F64`. The metadata key `gimbap` holds
//! `{"format": 1, "input": .., "layers": [..], "training": .., "task": ..}`. Files are written to a temporary name in
//! the same folder, synced and renamed: there is never half a file under the final name.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use gimbap_kernels::Arithmetic;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::layer::{LayerSpec, Parameter};
use crate::model::{Input, Model, Sequential, Training};
use crate::{Error, Result};

/// The version of the format that this library writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

const KEY: &str = "gimbap";

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    input: Input,
    layers: Vec<LayerSpec>,
    training: Option<Training>,
    #[serde(default)]
    task: serde_json::Value,
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

fn to_bytes<R: Arithmetic>(values: &[R]) -> Vec<u8> {
    match dtype::<R>() {
        Dtype::F32 => values.iter().flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect(),
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// If it cannot be written; what was there before stays.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let io = |error: std::io::Error| Error::io(path, error);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The kind alone: the message would name the temporary file, which tells nobody anything.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| io(error.kind().into()))?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private; the model is as readable as any file of its owner.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(io)?;
    }
    file.persist(path).map_err(|error| Error::io(path, error.error))?;
    Ok(())
}

/// Writes named tensors and one JSON document.
pub(crate) fn write_tensors<R: Arithmetic>(
    path: &Path,
    key: &str,
    document: &impl Serialize,
    tensors: &[Tensor<R>],
) -> Result<()> {
    let failed = |message: String| Error::ModelFile { path: path.into(), message };
    let document = serde_json::to_string(document).map_err(|error| failed(error.to_string()))?;
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|tensor| to_bytes(&tensor.values)).collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        TensorView::new(dtype::<R>(), tensor.shape.clone(), bytes).map(|view| (&tensor.name, view))
    });
    let views =
        views.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| failed(error.to_string()))?;
    let metadata = HashMap::from([(key.to_string(), document)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))?;
    write_atomically(path, &bytes)
}

/// Reads all tensors and the JSON document under `key`.
pub(crate) fn read_tensors<R: Arithmetic>(path: &Path, key: &str) -> Result<(String, Vec<Tensor<R>>)> {
    let failed = |message: String| Error::ModelFile { path: path.into(), message };
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let not_whole = |error| match cut_off(&bytes) {
        Some(tensor) => {
            Error::Tensor { path: path.into(), tensor, message: "is cut off: the file ends too early".into() }
        }
        None => failed(format!("is damaged or no safetensors file ({error})")),
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(not_whole)?;
    let document = metadata.metadata().as_ref().and_then(|m| m.get(key)).cloned();
    let document = document.ok_or_else(|| {
        failed(format!("is a safetensors file, but not one of Gimbap's (no `{key}` in its metadata)"))
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(not_whole)?;
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
            other => {
                let message = format!("has type {other:?}; F32 or F64 is read");
                return Err(Error::Tensor { path: path.into(), tensor: name, message });
            }
        };
        tensors.push(Tensor { name, shape: view.shape().to_vec(), values });
    }
    Ok((document, tensors))
}

/// Writes a model.
///
/// ```
/// use gimbap::prelude::*;
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let path = std::env::temp_dir().join(format!("gimbap-doctest-{}.safetensors", std::process::id()));
/// let mut model = Sequential::new(Input::features(1)).add(Lstm::new(4)).build::<f32>()?;
/// model.task = "whatever the model needs beside it".into();
/// save(&model, &path)?;
/// assert_eq!(load::<f32>(&path)?, model);
///
/// std::fs::write(&path, "half a file")?;
/// assert_eq!(load::<f32>(&path).unwrap_err().kind(), "model_file");
/// # std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the file cannot be written.
pub fn save<R: Arithmetic>(model: &Model<R>, path: impl AsRef<Path>) -> Result<()> {
    let document = Document {
        format: FORMAT,
        input: model.input,
        layers: model.layers.clone(),
        training: model.training.clone(),
        task: model.task.clone(),
    };
    write_tensors(path.as_ref(), KEY, &document, &tensors(model, &model.values))
}

/// The parameters as tensors, with these values.
pub(crate) fn tensors<R: Arithmetic>(model: &Model<R>, values: &[R]) -> Vec<Tensor<R>> {
    let each = model.parameters.iter();
    each.map(|p| Tensor {
        name: p.name.clone(),
        shape: p.shape.clone(),
        values: values[p.range.clone()].to_vec(),
    })
    .collect()
}

/// Reads a model.
///
/// # Errors
/// If the file cannot be read, is damaged, of a later format, or a tensor is missing, superfluous or of another
/// shape than the layers say.
pub fn load<R: Arithmetic>(path: impl AsRef<Path>) -> Result<Model<R>> {
    let path = path.as_ref();
    let failed = |message: String| Error::ModelFile { path: path.into(), message };
    let (document, tensors) = read_tensors::<R>(path, KEY)?;
    let value: serde_json::Value =
        serde_json::from_str(&document).map_err(|error| failed(format!("has a damaged header ({error})")))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            return Err(failed(format!(
                "has format {format}; this version reads format {FORMAT}: use the Gimbap that wrote it, or a newer one"
            )));
        }
        None => return Err(failed("has no format version in its header".into())),
    }
    let document: Document =
        serde_json::from_value(value).map_err(|error| failed(format!("has a wrong header: {error}")))?;
    let sequential = document.layers.into_iter().fold(Sequential::new(document.input), Sequential::add);
    let no_model = |error: Error| failed(format!("has a header that makes no model: {error}"));
    // Before memory is asked for: what the header says may be anything.
    check(&sequential.parameters::<R>().map_err(no_model)?, path, &tensors)?;
    let mut model = sequential.build_without_values::<R>()?;
    for parameter in &model.parameters {
        if let Some(tensor) = tensors.iter().find(|tensor| tensor.name == parameter.name) {
            model.values[parameter.range.clone()].copy_from_slice(&tensor.values);
        }
    }
    model.training = document.training;
    model.task = document.task;
    Ok(model)
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
