//! NumPy arrays as labelled sequences: `x [B, T, I]`, or `[B, T]` of one feature, and `y [B]`, `[B, 1]`, or one-hot
//! `[B, C]`.

use std::path::Path;

use gimbap::data::table::LabelledSeries;
use ndarray::{ArrayD, Axis};

use crate::npy::{self, Array};
use crate::output::{Failure, Outcome, thousands};

/// Whether a file is an array, by its name.
pub fn is_array(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

/// Reads an array.
pub fn read(path: &Path) -> Outcome<Array> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, &e))?;
    npy::parse(path, &bytes)
}

fn floats(array: Array) -> ArrayD<f32> {
    match array {
        Array::Floats(x) => x,
        Array::Integers(x) => x.mapv(|x| x as f32),
    }
}

/// The features of sequences `[B, T, I]`; `[B, T]` has one.
pub fn features(path: &Path, array: Array) -> Outcome<ArrayD<f32>> {
    let x = floats(array);
    match x.ndim() {
        2 => Ok(x.insert_axis(Axis(2))),
        3 => Ok(x),
        _ => Err(Failure::work(
            "shape",
            format!(
                "{}: expected [B, T, I] (sequences, steps, features) or [B, T] (one feature), got {:?}",
                path.display(),
                x.shape()
            ),
        )),
    }
}

/// Sequences and their classes. The classes are numbers from 0: those of a trained model, or as many as there are.
pub fn labelled(x: &Path, y: Option<&Path>, classes: Option<&[String]>) -> Outcome<LabelledSeries> {
    let wrong =
        |path: &Path, message: String| Failure::work("data", format!("{}: {message}", path.display()));
    let Some(y) = y else {
        let message = "an array has no labels in it: give the array of them too, with `--set data.target=Y.npy` where a \
                       model is trained and `--target Y.npy` where it is measured";
        return Err(wrong(x, message.into()));
    };
    if !is_array(x) || !is_array(y) {
        let other = if is_array(x) { y } else { x };
        let message =
            "expected an array, NAME.npy: data.path and data.target (--target) are a pair of arrays";
        return Err(wrong(other, message.into()));
    }
    let features = features(x, read(x)?)?;
    let labels = labels(y, read(y)?)?;
    if labels.len() != features.len_of(Axis(0)) {
        let message = format!(
            "has {} labels, but {} has {} sequences",
            thousands(labels.len()),
            x.display(),
            thousands(features.len_of(Axis(0)))
        );
        return Err(wrong(y, message));
    }
    let count = labels.iter().max().map_or(0, |&most| most as usize + 1);
    let classes = match classes {
        None if count < 2 => return Err(wrong(y, "all labels are 0: two classes or more are needed".into())),
        None => (0..count).map(|class| class.to_string()).collect(),
        Some(classes) if count > classes.len() => {
            let message = format!("has the label {}, but the model's are {}", count - 1, classes.join(", "));
            return Err(wrong(y, message));
        }
        Some(classes) => classes.to_vec(),
    };
    series(x, &features, labels, classes)
}

/// Sequences without labels, or of which the first has this one.
pub fn unlabelled(x: &Path, classes: &[String], label: Option<&str>) -> Outcome<LabelledSeries> {
    let class = match label {
        None => None,
        Some(label) => Some(classes.iter().position(|class| class == label).ok_or_else(|| {
            let message = format!("--label: there is no class `{label}`, there are {}", classes.join(", "));
            Failure::usage("usage", message)
        })?),
    };
    let features = features(x, read(x)?)?;
    series(x, &features, class.into_iter().map(|class| class as u32).collect(), classes.to_vec())
}

/// Features `[B, T, I]` as sequences of `T` steps.
fn series(
    path: &Path,
    features: &ArrayD<f32>,
    labels: Vec<u32>,
    classes: Vec<String>,
) -> Outcome<LabelledSeries> {
    let (count, steps, width) =
        (features.len_of(Axis(0)), features.len_of(Axis(1)), features.len_of(Axis(2)));
    let wrong = |message: String| Failure::work("data", format!("{}: {message}", path.display()));
    if features.is_empty() {
        return Err(wrong(format!("has the shape {:?}, and no value in it", features.shape())));
    }
    if let Some(bad) = features.iter().position(|value| !value.is_finite()) {
        let (sequence, step, feature) = (bad / (steps * width), bad / width % steps, bad % width);
        return Err(wrong(format!("the value at [{sequence}, {step}, {feature}] is no finite number")));
    }
    Ok(LabelledSeries {
        lengths: vec![steps; count],
        ids: (0..count).map(|sequence| sequence.to_string()).collect(),
        feature_names: (0..width).map(|feature| format!("x{feature}")).collect(),
        features: features.outer_iter().map(|sequence| sequence.iter().copied().collect()).collect(),
        labels,
        classes,
    })
}

/// Classes from `[B]`, `[B, 1]`, or a one-hot `[B, C]`.
fn labels(path: &Path, array: Array) -> Outcome<Vec<u32>> {
    let y = floats(array);
    let wrong = |message: String| Failure::work("data", format!("{}: {message}", path.display()));
    let class = |(row, &value): (usize, &f32)| match value {
        value if value >= 0.0 && value.fract() == 0.0 && value < 65_536.0 => Ok(value as u32),
        value => Err(wrong(format!("label {row} is {value}; classes are whole numbers from 0"))),
    };
    match *y.shape() {
        [_] | [_, 1] => y.iter().enumerate().map(class).collect(),
        [_, _] => {
            let one_hot = |(row, y): (usize, ndarray::ArrayViewD<'_, f32>)| {
                let ones: Vec<usize> = (0..y.len()).filter(|&class| y[class] == 1.0).collect();
                let zeros = y.iter().filter(|&&value| value == 0.0).count();
                match ones[..] {
                    [class] if zeros + 1 == y.len() => Ok(class as u32),
                    _ => Err(wrong(format!("row {row} is no one-hot row: a single 1 among zeros"))),
                }
            };
            y.outer_iter().enumerate().map(one_hot).collect()
        }
        ref shape => {
            Err(wrong(format!("expected [B] or [B, 1] (classes) or [B, C] (one-hot), got {shape:?}")))
        }
    }
}
