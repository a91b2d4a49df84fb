//! NumPy arrays as labelled sequences: `x [B, T, I]`, or `[B, T]` of one feature, and `y`: classes `[B]`, `[B, 1]`, numbers
//! or names, or one-hot `[B, C]`; several classes each, zeros and ones `[B, C]`; numbers `[B]` or `[B, 1]`. Both may be in
//! one `.npz`, and beside them `lengths [B]`, the steps of each sequence that are no padding.

use std::collections::BTreeSet;
use std::path::Path;

use gimbap::data::labels::of_names;
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
    /// `x_valid` or `x_val`, if they are there.
    Valid,
}

/// What the features and the labels are called in an archive, in any case.
const FEATURES: [&str; 5] = ["x", "data", "features", "inputs", "sequences"];
const TARGETS: [&str; 5] = ["y", "label", "labels", "target", "targets"];

const LENGTHS: [&str; 5] = ["lengths", "length", "lens", "seq_lengths", "sequence_lengths"];

/// The names of arrays in an archive.
struct Chosen {
    x: String,
    y: Option<String>,
    lengths: Option<String>,
}

/// The arrays of an archive with features and, if they are there, with labels and lengths.
fn choose(path: &Path, names: &[String], part: Part) -> Outcome<Chosen> {
    let (suffix, rest): (&str, &[&str]) = match part {
        Part::Train => ("_train", &[""]),
        Part::Test => ("_test", &[""]),
        Part::Valid => ("_valid", &["_val", "_validation"]),
    };
    let find = |bases: &[&str], suffix: &str| {
        let fits = |name: &&String| bases.iter().any(|base| name.to_lowercase() == format!("{base}{suffix}"));
        names.iter().find(fits).cloned()
    };
    for suffix in std::iter::once(suffix).chain(rest.iter().copied()) {
        if let Some(x) = find(&FEATURES, suffix) {
            return Ok(Chosen { x, y: find(&TARGETS, suffix), lengths: find(&LENGTHS, suffix) });
        }
    }
    // A single array has no need of a name.
    match names {
        [name] => Ok(Chosen { x: name.clone(), y: None, lengths: None }),
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
    /// The steps of each sequence that are no padding, which an archive may hold.
    pub lengths: Option<Vec<usize>>,
}

/// Reads an array, or those of an archive that are for this.
pub fn read(path: &Path, part: Part) -> Outcome<Arrays> {
    if !is_archive(path) {
        let bytes = std::fs::read(path).map_err(|e| Failure::io(path, &e))?;
        return Ok(Arrays { x: npy::parse(path, &bytes)?, y: None, lengths: None });
    }
    let archive = archive(path)?;
    let array = |name: &str| {
        let bytes = archive.read(&format!("{name}.npy")).transpose().map_err(|e| damaged(path, &e))?;
        npy::parse(&path.join(name), &bytes.unwrap_or_default())
    };
    let Chosen { x, y, lengths } = choose(path, &names(&archive), part)?;
    let lengths = lengths.as_deref().map(|name| lengths_in(&path.join(name), array(name)?)).transpose()?;
    Ok(Arrays { x: array(&x)?, y: y.as_deref().map(array).transpose()?, lengths })
}

/// The numbers of steps in an array.
pub fn lengths_in(path: &Path, array: Array) -> Outcome<Vec<usize>> {
    let wrong = |what: String| Failure::work("shape", format!("{}: {what}", path.display()));
    let Array::Integers(lengths) = array else { return Err(wrong("lengths must be integers".into())) };
    let length = |&n: &i64| usize::try_from(n).map_err(|_| wrong(format!("a length of {n}")));
    lengths.iter().map(length).collect()
}

/// Which arrays of an archive are read for this; None of a single array.
pub fn chosen(path: &Path, part: Part) -> Outcome<Option<String>> {
    if !is_archive(path) {
        return Ok(None);
    }
    let Chosen { x, y, lengths } = choose(path, &names(&archive(path)?), part)?;
    let lengths = lengths.map_or(String::new(), |name| format!(", sequences as long as `{name}` says"));
    Ok(Some(match y {
        Some(y) => format!("the arrays `{x}` and `{y}`{lengths}"),
        None => format!("the array `{x}`{lengths}"),
    }))
}

/// Whether an archive has sequences with labels to choose the best model by.
pub fn has_valid(path: &Path) -> Outcome<bool> {
    Ok(is_archive(path)
        && matches!(choose(path, &names(&archive(path)?), Part::Valid), Ok(Chosen { y: Some(_), .. })))
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

fn floats(path: &Path, array: Array) -> Outcome<ArrayD<f32>> {
    match array {
        Array::Floats(x) => Ok(x),
        Array::Integers(x) => Ok(x.mapv(|x| x as f32)),
        Array::Texts(x) => {
            let first = x.first().map_or("", String::as_str);
            Err(wrong(path, format!("it holds texts (`{first}`) where numbers are wanted")))
        }
    }
}

/// The features of sequences `[B, T, I]`; `[B, T]` has one.
pub fn features(path: &Path, array: Array) -> Outcome<ArrayD<f32>> {
    let x = floats(path, array)?;
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

/// A label that arrays can hold.
pub trait ArrayLabel: Sized {
    /// The labels in an array, and the names of the classes: those of a trained model, or as many as there are.
    fn of_array(path: &Path, array: Array, classes: Option<&[String]>) -> Outcome<(Vec<Self>, Vec<String>)>;
    /// The groups among which a part that is held out is dealt.
    fn strata(labels: &[Self]) -> Vec<u32>;
}

impl ArrayLabel for u32 {
    fn of_array(path: &Path, array: Array, classes: Option<&[String]>) -> Outcome<(Vec<u32>, Vec<String>)> {
        if let Some(names) = names_of_classes(path, &array)? {
            return Ok(of_names(&names, &path.display().to_string(), classes)?);
        }
        let labels = labels(path, array)?;
        let count = labels.iter().max().map_or(0, |&most| most as usize + 1);
        let classes = match classes {
            None if count < 2 => {
                return Err(wrong(path, "all labels are 0: two classes or more are needed".into()));
            }
            None => numbered(count),
            Some(classes) if count > classes.len() => {
                let message = format!("has the label {}, but the model's are {}", count - 1, listed(classes));
                return Err(wrong(path, message));
            }
            Some(classes) => classes.to_vec(),
        };
        Ok((labels, classes))
    }

    fn strata(labels: &[u32]) -> Vec<u32> {
        labels.to_vec()
    }
}

impl ArrayLabel for Vec<u32> {
    fn of_array(
        path: &Path,
        array: Array,
        classes: Option<&[String]>,
    ) -> Outcome<(Vec<Vec<u32>>, Vec<String>)> {
        let y = floats(path, array)?;
        let &[_, count] = y.shape() else {
            let message =
                format!("expected [B, C], 1 where a sequence is of the class, else 0; got {:?}", y.shape());
            return Err(Failure::work("shape", format!("{}: {message}", path.display())));
        };
        if classes.map_or(count < 2, |classes| classes.len() != count) {
            let wanted = classes.map_or("two classes or more are needed".to_owned(), |classes| {
                format!("the model's classes are {}", listed(classes))
            });
            return Err(wrong(path, format!("has {count} columns: {wanted}")));
        }
        let set = |(row, y): (usize, ndarray::ArrayViewD<'_, f32>)| match y
            .iter()
            .find(|&&x| x != 0.0 && x != 1.0)
        {
            Some(x) => Err(wrong(path, format!("row {row} has the value {x}, and only 0 and 1 are wanted"))),
            None => Ok((0..count as u32).filter(|&class| y[class as usize] == 1.0).collect()),
        };
        let sets = y.outer_iter().enumerate().map(set).collect::<Outcome<_>>()?;
        Ok((sets, classes.map_or_else(|| numbered(count), <[String]>::to_vec)))
    }

    fn strata(labels: &[Vec<u32>]) -> Vec<u32> {
        vec![0; labels.len()]
    }
}

impl ArrayLabel for f64 {
    fn of_array(path: &Path, array: Array, _: Option<&[String]>) -> Outcome<(Vec<f64>, Vec<String>)> {
        let y = floats(path, array)?;
        let ((1, _) | (2, Some(1))) = (y.ndim(), y.shape().get(1)) else {
            let message = format!("expected a number for each sequence, [B] or [B, 1], got {:?}", y.shape());
            return Err(Failure::work("shape", format!("{}: {message}", path.display())));
        };
        if let Some(row) = y.iter().position(|value| !value.is_finite()) {
            return Err(wrong(path, format!("the value at [{row}] is no finite number")));
        }
        Ok((y.iter().map(|&value| f64::from(value)).collect(), Vec::new()))
    }

    fn strata(labels: &[f64]) -> Vec<u32> {
        vec![0; labels.len()]
    }
}

/// The class of each sequence by its name: of texts, and of whole numbers that are no numbers of classes, for some below the
/// largest are not there or one is negative, as in the UCR archive. None of other numbers.
fn names_of_classes(path: &Path, array: &Array) -> Outcome<Option<Vec<String>>> {
    let one_each = array.shape().len() == 1 || array.shape().get(1..) == Some(&[1]);
    let whole: Vec<i64> = match array {
        Array::Texts(names) if one_each => {
            return Ok(Some(names.iter().map(|name| name.trim().to_owned()).collect()));
        }
        Array::Texts(_) => {
            let message = format!("expected a name of a class each, [B] or [B, 1], got {:?}", array.shape());
            return Err(Failure::work("shape", format!("{}: {message}", path.display())));
        }
        Array::Integers(y) if one_each => y.iter().copied().collect(),
        Array::Floats(y) if one_each && y.iter().all(|x| x.fract() == 0.0 && x.abs() < 65_536.0) => {
            y.iter().map(|&x| x as i64).collect()
        }
        _ => return Ok(None),
    };
    let different: BTreeSet<i64> = whole.iter().copied().collect();
    let counts = different.iter().copied().eq(0..different.len() as i64);
    Ok((!counts).then(|| whole.iter().map(i64::to_string).collect()))
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

fn wrong(path: &Path, message: String) -> Failure {
    Failure::work("data", format!("{}: {message}", path.display()))
}

/// Sequences and their labels, of a pair of files or of an archive that holds both. Classes are numbers from 0: those of a
/// trained model, or as many as there are.
pub fn labelled<L: ArrayLabel>(
    x: &Path,
    y: Option<&Path>,
    classes: Option<&[String]>,
    part: Part,
) -> Outcome<LabelledSeries<L>> {
    if let Some(other) = [Some(x), y].into_iter().flatten().find(|path| !is_array(path)) {
        let message =
            "expected an array, NAME.npy: data.path and data.target (--target) are a pair of arrays";
        return Err(wrong(other, message.into()));
    }
    let Arrays { x: features, y: own, lengths } = read(x, part)?;
    let Some(y) = y.or(own.as_ref().map(|_| x)) else {
        let message = "an array has no labels in it: give the array of them too, with `--set data.target=Y.npy` where a \
                       model is trained and `--target Y.npy` where it is measured";
        return Err(wrong(x, message.into()));
    };
    let labels = match own {
        Some(labels) if y == x => labels,
        _ => read(y, part)?.x,
    };
    let features = self::features(x, features)?;
    if let Some(count) = labels.shape().first().copied().filter(|&count| count != features.len_of(Axis(0))) {
        let message = format!(
            "has {} labels, but {} has {} sequences",
            thousands(count),
            x.display(),
            thousands(features.len_of(Axis(0)))
        );
        return Err(wrong(y, message));
    }
    let (labels, classes) = L::of_array(y, labels, classes)?;
    series(x, &features, lengths, labels, classes)
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
    let Arrays { x: features, lengths, .. } = read(x, Part::Test)?;
    let features = self::features(x, features)?;
    series(x, &features, lengths, class.into_iter().map(|class| class as u32).collect(), classes.to_vec())
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

/// Features `[B, T, I]` as sequences of `T` steps, or of as many as their lengths say.
fn series<L>(
    path: &Path,
    features: &ArrayD<f32>,
    lengths: Option<Vec<usize>>,
    labels: Vec<L>,
    classes: Vec<String>,
) -> Outcome<LabelledSeries<L>> {
    let (count, steps, width) =
        (features.len_of(Axis(0)), features.len_of(Axis(1)), features.len_of(Axis(2)));
    if features.is_empty() {
        return Err(wrong(path, format!("has the shape {:?}, and no value in it", features.shape())));
    }
    let lengths = lengths.unwrap_or_else(|| vec![steps; count]);
    if lengths.len() != count {
        return Err(wrong(
            path,
            format!("has {} lengths for {count} sequences: give each one", lengths.len()),
        ));
    }
    if let Some(sequence) = lengths.iter().position(|&length| length == 0 || length > steps) {
        let message = format!(
            "sequence {sequence} has the length {}, and {steps} steps: give 1 to {steps}",
            lengths[sequence]
        );
        return Err(wrong(path, message));
    }
    check_finite(path, features, &lengths)?;
    let own = |(sequence, &length): (ndarray::ArrayViewD<'_, f32>, &usize)| {
        sequence.iter().take(length * width).copied().collect()
    };
    Ok(LabelledSeries {
        ids: (0..count).map(|sequence| sequence.to_string()).collect(),
        feature_names: (0..width).map(|feature| format!("x{feature}")).collect(),
        features: features.outer_iter().zip(&lengths).map(own).collect(),
        lengths,
        labels,
        classes,
    })
}

/// Classes from `[B]`, `[B, 1]`, or a one-hot `[B, C]`.
fn labels(path: &Path, array: Array) -> Outcome<Vec<u32>> {
    let y = floats(path, array)?;
    let wrong = |message: String| wrong(path, message);
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
