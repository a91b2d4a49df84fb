//! NumPy arrays as labelled sequences: `x [B, T, I]`, or `[B, T]` of one feature, and `y [B]`, `[B, 1]`, or one-hot
//! `[B, C]`. Both may be in one `.npz`.

use std::path::Path;

use gimbap::data::table::LabelledSeries;
use gimbap::data::zip::Archive;
use ndarray::{ArrayD, Axis};

use super::labels::listed;
use crate::npy::{self, Array};
use crate::output::{Failure, Outcome, thousands};

/// Whether a file is an array or holds some, by its name.
pub fn is_array(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy")) || is_archive(path)
}

/// Whether a file is NumPy's archive of arrays, by its name.
pub fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// What arrays of an archive are for, by the ends of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `x_train`, or else `x`.
    Train,
    /// `x_test`, or else `x`.
    Test,
}

/// What the features and the labels are called in an archive, in any case.
const FEATURES: [&str; 5] = ["x", "data", "features", "inputs", "sequences"];
const TARGETS: [&str; 5] = ["y", "label", "labels", "target", "targets"];

/// The arrays of an archive with features and, if they are there, with labels, by name.
fn choose(path: &Path, names: &[String], part: Part) -> Outcome<(String, Option<String>)> {
    let suffix = if part == Part::Train { "_train" } else { "_test" };
    let find = |bases: &[&str], suffix: &str| {
        let fits = |name: &&String| bases.iter().any(|base| name.to_lowercase() == format!("{base}{suffix}"));
        names.iter().find(fits).cloned()
    };
    for suffix in [suffix, ""] {
        if let Some(x) = find(&FEATURES, suffix) {
            return Ok((x, find(&TARGETS, suffix)));
        }
    }
    // A single array has no need of a name.
    match names {
        [name] => Ok((name.clone(), None)),
        _ => Err(Failure::work(
            "data",
            format!(
                "{}: holds {}, where `x` or `x{suffix}`, and `y` or `y{suffix}`, are looked for: save them by these \
                 names, np.savez(\"{}\", x=.., y=..)",
                path.display(),
                names.join(", "),
                path.file_name().unwrap_or_default().to_string_lossy()
            ),
        )),
    }
}

/// The arrays of a file.
#[derive(Debug)]
pub struct Arrays {
    /// Features, or ids.
    pub x: Array,
    /// Labels, which an archive may hold.
    pub y: Option<Array>,
}

/// Reads an array, or those of an archive that are for this.
pub fn read(path: &Path, part: Part) -> Outcome<Arrays> {
    if !is_archive(path) {
        let bytes = std::fs::read(path).map_err(|e| Failure::io(path, &e))?;
        return Ok(Arrays { x: npy::parse(path, &bytes)?, y: None });
    }
    let archive = archive(path)?;
    let array = |name: &str| {
        let bytes = archive.read(&format!("{name}.npy")).transpose().map_err(|e| damaged(path, &e))?;
        npy::parse(&path.join(name), &bytes.unwrap_or_default())
    };
    let (x, y) = choose(path, &names(&archive), part)?;
    Ok(Arrays { x: array(&x)?, y: y.as_deref().map(array).transpose()? })
}

/// Which arrays of an archive are read for this; None of a single array.
pub fn chosen(path: &Path, part: Part) -> Outcome<Option<String>> {
    if !is_archive(path) {
        return Ok(None);
    }
    let (x, y) = choose(path, &names(&archive(path)?), part)?;
    Ok(Some(match y {
        Some(y) => format!("the arrays `{x}` and `{y}`"),
        None => format!("the array `{x}`"),
    }))
}

fn archive(path: &Path) -> Outcome<Archive> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io(path, &e))?;
    Archive::new(bytes).map_err(|e| damaged(path, &e))
}

fn names(archive: &Archive) -> Vec<String> {
    archive.names().filter_map(|name| name.strip_suffix(".npy").map(str::to_owned)).collect()
}

fn damaged(path: &Path, error: &std::io::Error) -> Failure {
    Failure::work("data", format!("{}: {error}", path.display()))
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

/// Sequences and their classes, of a pair of files or of an archive that holds both. The classes are numbers from 0: those of a trained model, or as many as there are.
pub fn labelled(
    x: &Path,
    y: Option<&Path>,
    classes: Option<&[String]>,
    part: Part,
) -> Outcome<LabelledSeries> {
    let wrong =
        |path: &Path, message: String| Failure::work("data", format!("{}: {message}", path.display()));
    if let Some(other) = [Some(x), y].into_iter().flatten().find(|path| !is_array(path)) {
        let message =
            "expected an array, NAME.npy: data.path and data.target (--target) are a pair of arrays";
        return Err(wrong(other, message.into()));
    }
    let Arrays { x: features, y: own } = read(x, part)?;
    let Some(y) = y.or(own.as_ref().map(|_| x)) else {
        let message = "an array has no labels in it: give the array of them too, with `--set data.target=Y.npy` where a \
                       model is trained and `--target Y.npy` where it is measured";
        return Err(wrong(x, message.into()));
    };
    let labels = match own {
        Some(labels) if y == x => labels,
        _ => read(y, part)?.x,
    };
    let (features, labels) = (self::features(x, features)?, self::labels(y, labels)?);
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
            let message = format!("has the label {}, but the model's are {}", count - 1, listed(classes));
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
            let message = format!("--label: there is no class `{label}`, there are {}", listed(classes));
            Failure::usage("usage", message)
        })?),
    };
    let features = features(x, read(x, Part::Test)?.x)?;
    series(x, &features, class.into_iter().map(|class| class as u32).collect(), classes.to_vec())
}

/// Refuses features `[B, T, I]` with a value within the length of its sequence that is no finite number.
pub fn check_finite(path: &Path, features: &ArrayD<f32>, lengths: &[usize]) -> Outcome {
    for (sequence, (steps, &length)) in features.outer_iter().zip(lengths).enumerate() {
        for (step, values) in steps.outer_iter().take(length).enumerate() {
            if let Some(feature) = values.iter().position(|value| !value.is_finite()) {
                let message = format!(
                    "{}: the value at [{sequence}, {step}, {feature}] is no finite number",
                    path.display()
                );
                return Err(Failure::work("data", message));
            }
        }
    }
    Ok(())
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
    check_finite(path, features, &vec![steps; count])?;
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
