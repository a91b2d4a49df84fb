//! What is on disk: model files whole and broken, runs that stop and go on, logs, and errors that say where.

mod models;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gimbap::Error;
use gimbap::checkpoint::write_atomically;
use gimbap::prelude::*;
use models::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_model_comes_back_bit_for_bit() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    for (c, cell) in CELLS.into_iter().enumerate() {
        for (f, form) in FORMS.into_iter().enumerate() {
            let mut model = model::<f32>(cell, form, 5 + f, 7);
            // Numbers whose shortest decimal forms are long.
            let rate = 1e-3 / (3.0 + f as f64 + c as f64 / 7.0);
            let (loss, metrics) = model.training().map(|t| (t.loss, t.metrics.clone())).unwrap();
            model = model.compile(RmsProp::new(rate).rho(0.1 + 0.2), loss, metrics).unwrap();
            model.task =
                json!({"vocabulary": ["a", "낱말", "\u{0}\"\\"], "mean": 0.1 + 0.2, "scale": rate / 9.0});
            model.values_mut()[0] = f32::from_bits(1); // subnormal
            model.values_mut()[1] = -0.0;
            save(&model, &path).unwrap();
            let loaded = load(&path).unwrap();
            assert_eq!(loaded, model);
            assert_same_bits("weights", loaded.values(), model.values());
            let x = inputs::<f32>(form, &Sequence::many(&[3, 0, 5], 1));
            assert_same_bits("outputs", &loaded.predict(&x).unwrap(), &model.predict(&x).unwrap());
        }
    }
    let model = model::<f64>(Cell::Lstm, Form::Stack, 9, 1);
    save(&model, &path).unwrap();
    let loaded: Model<f64> = load_as(&path).unwrap();
    assert_same_bits("f64 weights", loaded.values(), model.values());
    let rounded = load(&path).unwrap();
    let expected: Vec<f32> = model.values().iter().map(|&w| w as f32).collect();
    assert_same_bits("weights of an f64 file as f32", rounded.values(), &expected);
    assert_eq!(names(folder.path()), ["model.safetensors"], "no temporary file is left");
}

#[test]
fn any_safetensors_reader_opens_a_model() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let model = model::<f32>(Cell::Lstm, Form::Stack, 4, 1);
    save(&model, &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), model.parameters().len());
    for parameter in model.parameters() {
        let tensor = file.tensor(&parameter.name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F32, &parameter.shape[..]));
        let values: Vec<u8> =
            model.values()[parameter.range.clone()].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(tensor.data(), values, "{}", parameter.name);
    }
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let document: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["gimbap"]).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["layers"][0]["type"], "lstm");
}

/// A model file, taken apart.
struct Parts {
    key: String,
    document: Value,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let document = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["gimbap"]).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let tensors = tensors.into_iter().map(|(n, t)| (n, t.dtype(), t.shape().to_vec(), t.data().to_vec()));
        Parts { key: "gimbap".into(), document, tensors: tensors.collect() }
    }

    fn write(&self, path: &Path) {
        let views = self.tensors.iter().map(|(name, dtype, shape, data)| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let metadata = HashMap::from([(self.key.clone(), self.document.to_string())]);
        std::fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    }

    fn tensor(&mut self, name: &str) -> &mut (String, Dtype, Vec<usize>, Vec<u8>) {
        self.tensors.iter_mut().find(|t| t.0 == name).unwrap()
    }
}

fn error_of(path: &Path) -> Error {
    match load(path) {
        Ok(_) => panic!("{} was loaded", path.display()),
        Err(error) => error,
    }
}

/// Saves a model of an LSTM and a dense layer, lets `change` do something to its parts, and loads it.
fn broken(change: impl FnOnce(&mut Parts)) -> Error {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    save(&model::<f32>(Cell::Lstm, Form::Last, 4, 1), &path).unwrap();
    let mut parts = Parts::of(&path);
    change(&mut parts);
    parts.write(&path);
    let error = error_of(&path);
    assert!(error.to_string().contains("model.safetensors"), "the file's name: {error}");
    error
}

#[track_caller]
fn assert_about_tensor(error: &Error, name: &str, what: &str) {
    let Error::Tensor { tensor, message, .. } = error else { panic!("{error:?}") };
    assert_eq!(tensor, name, "{error}");
    assert!(message.contains(what), "{error}");
}

#[track_caller]
fn assert_about_file(error: &Error, what: &str) {
    let Error::ModelFile { message, .. } = error else { panic!("{error:?}") };
    assert!(message.contains(what), "{error}");
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    save(&model::<f32>(Cell::Lstm, Form::Last, 4, 1), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for n in [0, 1, 7, 8, 9, header / 2, header - 1] {
        std::fs::write(&path, &bytes[..n]).unwrap();
        assert_about_file(&error_of(&path), "damaged");
    }
    // Behind the header the tensors lie one after the other: the first that is not whole is named.
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    for (name, info) in metadata.tensors() {
        let (start, end) = info.data_offsets;
        for n in [header + start, header + (start + end) / 2, header + end - 1] {
            std::fs::write(&path, &bytes[..n]).unwrap();
            assert_about_tensor(&error_of(&path), &name, "cut off");
        }
    }
    std::fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert_about_file(&error_of(&path), "damaged");
}

#[test]
fn what_is_no_model_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("a file");
    assert_eq!(error_of(&path).kind(), "io");
    assert_eq!(error_of(folder.path()).kind(), "io");
    for bytes in [&b"PK\x03\x04 an archive of something else"[..], &[0xff; 100], b"{\"layers\": []}"] {
        std::fs::write(&path, bytes).unwrap();
        assert_about_file(&error_of(&path), "no safetensors file");
    }
    let data = [0; 8];
    let tensors = [("weight", TensorView::new(Dtype::F32, vec![2], &data).unwrap())];
    for metadata in [None, Some(HashMap::from([("format".to_string(), "pt".to_string())]))] {
        std::fs::write(&path, safetensors::serialize(tensors.clone(), metadata).unwrap()).unwrap();
        assert_about_file(&error_of(&path), "not one of Gimbap's");
    }
}

#[test]
fn a_header_that_says_something_else_is_refused() {
    assert_about_file(
        &broken(|p| p.document["format"] = json!(4)),
        "format 4; this version reads formats 1 to 3",
    );
    assert_about_file(
        &broken(|p| p.document["format"] = json!(2)),
        "format 2, which has no weights that are Full",
    );
    assert_about_file(&broken(|p| p.document["precision"] = json!("int8")), "no weights that are Int8");
    assert_about_file(&broken(|p| p.document["precision"] = json!("int4")), "int4");
    assert_about_file(&broken(|p| p.document["format"] = json!("1")), "no format version");
    assert_about_file(
        &broken(|p| drop(p.document.as_object_mut().unwrap().remove("format"))),
        "no format version",
    );
    assert_about_file(&broken(|p| p.key = "other".into()), "not one of Gimbap's");
    assert_about_file(&broken(|p| p.document = json!([1, 2])), "no format version");
    assert_about_file(&broken(|p| drop(p.document.as_object_mut().unwrap().remove("layers"))), "layers");
    assert_about_file(&broken(|p| p.document["layers"][0]["type"] = json!("transformer")), "transformer");
    assert_about_file(&broken(|p| p.document["layers"][0]["unitz"] = json!(4)), "unitz");
    assert_about_file(&broken(|p| p.document["training"]["loss"] = json!("loss")), "header");
    assert_about_file(&broken(|p| p.document["layers"] = json!([])), "no layer");
    assert_about_file(&broken(|p| p.document["layers"][0]["units"] = json!(0)), "units");
    assert_about_file(&broken(|p| p.document["input"] = json!({"features": 0})), "size 0");
    assert_about_file(&broken(|p| p.document["input"] = json!({"features": 1u64 << 60})), "at most");
}

#[test]
fn tensors_that_do_not_fit_the_layers_are_named() {
    let missing = broken(|p| p.tensors.retain(|t| t.0 != "lstm.w_h"));
    assert_about_tensor(&missing, "lstm.w_h", "is missing; its shape should be [4, 16]");
    let more = broken(|p| p.tensors.push(("lstm.w_c".into(), Dtype::F32, vec![1], vec![0; 4])));
    assert_about_tensor(&more, "lstm.w_c", "belongs to no layer");
    let transposed = broken(|p| p.tensor("lstm.w_h").2 = vec![16, 4]);
    assert_about_tensor(&transposed, "lstm.w_h", "has shape [16, 4]; the layers say [4, 16]");
    let flat = broken(|p| p.tensor("dense.w").2 = vec![8]);
    assert_about_tensor(&flat, "dense.w", "has shape [8]; the layers say [4, 2]");
    let short = broken(|p| *p.tensor("dense.b") = ("dense.b".into(), Dtype::F32, vec![1], vec![0; 4]));
    assert_about_tensor(&short, "dense.b", "has shape [1]; the layers say [2]");
    for (dtype, size) in
        [(Dtype::F16, 2), (Dtype::BF16, 2), (Dtype::I32, 4), (Dtype::I64, 8), (Dtype::BOOL, 1)]
    {
        let typed = broken(|p| *p.tensor("dense.b") = ("dense.b".into(), dtype, vec![2], vec![0; 2 * size]));
        assert_about_tensor(&typed, "dense.b", &format!("{dtype:?}"));
    }
    // Layers far larger than the tensors are found out before memory is asked for.
    for units in [5u64, 1 << 20, 1 << 28] {
        let larger = broken(|p| p.document["layers"][0]["units"] = json!(units));
        assert_about_tensor(&larger, "lstm.w_x", "has shape [3, 16]");
    }
    for units in [1u64 << 29, 1 << 40, 1 << 62] {
        let larger = broken(|p| p.document["layers"][0]["units"] = json!(units));
        assert_about_file(&larger, "at most");
    }
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let folder = folder();
    let model = model::<f32>(Cell::Tanh, Form::Last, 4, 1);
    // No folder to write into.
    let error = save(&model, folder.path().join("none").join("model.safetensors")).unwrap_err();
    assert_eq!(error.kind(), "io");
    assert!(error.to_string().contains("none"), "{error}");
    // A folder where the file should go.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    assert_eq!(save(&model, &taken).unwrap_err().kind(), "io");
    assert_eq!(names(folder.path()), ["taken"]);
    // A bare name is a file in the present folder: only the path is looked at here.
    assert_eq!(write_atomically(Path::new(""), b"").unwrap_err().kind(), "io");
}

/// Runs only as the child of the test below: with its parent's limit on the size of files.
#[test]
fn child_that_writes_more_than_it_may() {
    let Some(path) = std::env::var_os("GIMBAP_TEST_FULL_DISK").map(PathBuf::from) else { return };
    let error = write_atomically(&path, &vec![7; 1 << 20]).unwrap_err();
    assert_eq!(error.kind(), "io");
    assert!(error.to_string().contains("model.safetensors"), "{error}");
    println!("the write failed: {error}");
}

#[test]
#[cfg(unix)]
fn a_full_disk_leaves_the_old_file_and_no_other() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, "the old file").unwrap();
    // Files of more than a few blocks fail to grow, as on a full disk.
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact child_that_writes_more_than_it_may --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("GIMBAP_TEST_FULL_DISK", &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("the write failed"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), b"the old file");
    assert_eq!(names(folder.path()), ["model.safetensors"]);
}
