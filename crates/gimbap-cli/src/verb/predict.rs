//! `gimbap predict MODEL [INPUT]`: a prediction for every sequence.
//!
//! What comes in decides: arrays (`.npy`, `.npz`) are given to the network as they are, anything else is read as the
//! model's task reads it. Texts are read and predicted a group at a time.

mod series;
mod sink;
mod tags;
mod texts;

use std::path::Path;

use gimbap::data::dataset::Sequences;
use gimbap::data::table::TextColumns;
use gimbap::data::text::{CLOSING_ID, Vocabulary};
use gimbap::metric::calibration::largest;
use gimbap::model::{Input, Model};
use gimbap::score::Scorer;
use ndarray::{Array2, ArrayD, Axis, Ix2, Ix3, IxDyn};
use serde_json::{Map, Value, json};

use self::sink::Sink;
use self::texts::{Labels, Texts};
use crate::args::Predict;
use crate::lm::judge::shown;
use crate::lm::unknown::Strangers;
use crate::model_file::{self, Opened};
use crate::npy::Array;
use crate::output::{Failure, Out, Outcome, thousands};
use crate::task::arrays::{self, Arrays};
use crate::task::examples::{self, Kind, Reading};
use crate::task::{TaskDoc, classify, lm, multi_label, number, short};

/// A value of a prediction.
enum Cell {
    Text(String),
    Probability(f64),
    Number(f64),
    /// An output of the network.
    Output(f32),
}

impl Cell {
    /// For people: a probability in four decimals, a number in about five digits.
    fn rounded(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Probability(p) => format!("{p:.4}"),
            Cell::Number(x) => short(*x),
            Cell::Output(x) => short(f64::from(*x)),
        }
    }

    /// For files: the shortest decimals that read back to the same bits.
    fn exact(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Probability(x) | Cell::Number(x) => format!("{x:?}"),
            Cell::Output(x) => format!("{x:?}"),
        }
    }
}

/// A prediction: for people and for CSV, for machines.
struct Row {
    cells: Vec<Cell>,
    object: Value,
}

impl Row {
    /// One line, whatever the texts hold: a line end or a tab within one is a blank.
    fn line(&self, form: fn(&Cell) -> String) -> String {
        let cells: Vec<String> =
            self.cells.iter().map(|cell| form(cell).replace(['\n', '\r', '\t'], " ")).collect();
        cells.join("\t")
    }
}

/// Predictions, all or some, with the numbers for a `.npy`.
struct Predictions {
    header: Vec<String>,
    /// Whether lines need the header to be understood.
    titled: bool,
    rows: Vec<Row>,
    numbers: ArrayD<f32>,
}

/// Predicts.
pub fn run(args: &Predict, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?.sound()?;
    if !matches!(opened.task, Some(TaskDoc::Forecast(_))) && (args.every.is_some() || args.plot.is_some()) {
        let message =
            format!("--every and --plot are for forecasters, and {} is none", opened.path.display());
        return Err(Failure::usage("usage", message));
    }
    let real = |path: &Path| path.canonicalize().ok();
    if let Some(to) = args.out.as_deref().filter(|to| real(to).is_some() && real(to) == real(&args.input)) {
        let message = format!("--out: {} is what is read: give the predictions another name", to.display());
        return Err(Failure::usage("usage", message));
    }
    let mut sink = Sink::new(args.out.as_deref(), out);
    match &opened.task {
        _ if arrays::is_array(&args.input) => sink.add(arrays(args, &opened, out)?)?,
        _ if args.lengths.is_some() => {
            return Err(Failure::usage(
                "usage",
                "--lengths belongs to a .npy input; here every sequence has its own",
            ));
        }
        Some(TaskDoc::Lm(doc)) => next_tokens(doc, &opened.model, &args.input, out, &mut sink)?,
        Some(TaskDoc::Tag(doc)) => return tags::run(doc, &opened.model, args, out),
        Some(TaskDoc::Forecast(doc)) => sink.add(series::run(doc, &opened.model, args, out)?)?,
        Some(task) => {
            let reading = task.reading().ok_or_else(|| Failure::work("task", "it reads no examples"))?;
            each(task, reading, &opened.model, &args.input, out, &mut sink)?;
        }
        None => {
            let message = format!("{} has no task: give it arrays, X.npy", opened.path.display());
            return Err(Failure::work("task", message));
        }
    }
    sink.finish()
}

fn csv_line(cells: &[String]) -> String {
    let quoted = cells.iter().map(|cell| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| n.to_string()).collect()
}

/// What is told of each text or sequence, a group at a time.
fn each(
    task: &TaskDoc,
    reading: &Reading,
    model: &Model,
    path: &Path,
    out: &Out,
    sink: &mut Sink<'_>,
) -> Outcome {
    let (classes, group) = match task {
        TaskDoc::Classify(doc) => (&doc.classes[..], doc.group()),
        TaskDoc::MultiLabel(doc) => (&doc.classes[..], doc.group()),
        _ => (&[][..], examples::group(1)),
    };
    let Kind::Text { vocabulary, .. } = &reading.input else {
        let Kind::Series { scaler, .. } = &reading.input else { return Ok(()) };
        let series = reading.unlabelled(path, classes)?;
        let inputs = examples::scaled(&series, scaler)?;
        let all: Vec<usize> = (0..inputs.len()).collect();
        for some in all.chunks(group) {
            let names: Vec<String> = some.iter().map(|&sequence| series.ids[sequence].clone()).collect();
            sink.add(told(task, model, &Asked { key: "id", names, unknown: None }, &inputs.select(some))?)?;
        }
        return Ok(());
    };
    let columns = TextColumns { label: None, ..reading.text_columns() };
    let labels = match task {
        TaskDoc::Regress(_) => Labels::Numbers,
        _ => Labels::Classes(classes),
    };
    let mut texts = Texts::open(path, &columns, labels)?;
    let mut strangers = Strangers::default();
    let (mut strange, mut all) = (0, 0);
    loop {
        let some = texts.next(group)?;
        if some.is_empty() {
            break;
        }
        let ids: Vec<Vec<u32>> = some.iter().map(|text| vocabulary.encode_units(text)).collect();
        let unknown: Vec<usize> = ids.iter().map(|ids| Vocabulary::unknowns(ids)).collect();
        strange += ids.iter().zip(&unknown).filter(|(ids, unknown)| ids.len() == **unknown).count();
        all += ids.len();
        strangers.meet(vocabulary, some.iter().map(String::as_str).zip(ids.iter().map(Vec::as_slice)), out);
        let asked = Asked { key: "text", names: some, unknown: Some(unknown) };
        sink.add(told(task, model, &asked, &Sequences::from(&ids).allow_empty())?)?;
    }
    if let Some(form) = texts.read_as() {
        out.log(format!("read as: {form}"));
    }
    if strange > 0 {
        let (strange, all) = (thousands(strange), thousands(all));
        out.log(format!(
            "note: {strange} of {all} records have no known token: their words have no part in what is predicted"
        ));
    }
    Ok(())
}

/// Sequences of which something is asked: what each is called, under which name, and how many tokens of each are unknown.
struct Asked {
    key: &'static str,
    names: Vec<String>,
    unknown: Option<Vec<usize>>,
}

impl Asked {
    fn object(&self, sequence: usize) -> Value {
        json!({self.key: self.names[sequence]})
    }

    /// The columns of what is told, then the sequence's own.
    fn header(&self, names: &[&str]) -> Vec<String> {
        names.iter().chain([&self.key]).map(|name| name.to_string()).collect()
    }

    fn row(&self, sequence: usize, mut cells: Vec<Cell>, mut object: Value) -> Row {
        if let Some(unknown) = &self.unknown {
            object["unknown"] = unknown[sequence].into();
        }
        cells.push(Cell::Text(self.names[sequence].clone()));
        Row { cells, object }
    }
}

/// What a task tells of sequences.
fn told(task: &TaskDoc, model: &Model, asked: &Asked, inputs: &Sequences<f32>) -> Outcome<Predictions> {
    match task {
        TaskDoc::Classify(doc) => of_classes(doc, asked, &doc.probabilities(model, inputs)?),
        TaskDoc::MultiLabel(doc) => of_labels(doc, asked, &doc.probabilities(model, inputs)?),
        TaskDoc::Regress(doc) => of_numbers(asked, &doc.numbers(model, inputs)?),
        TaskDoc::Lm(_) | TaskDoc::Tag(_) | TaskDoc::Forecast(_) => {
            Err(Failure::work("task", format!("{} tells nothing of whole sequences", task.name())))
        }
    }
}

/// The probability of each class, by name.
fn by_name(classes: &[String], probabilities: &[f64]) -> Map<String, Value> {
    classes.iter().cloned().zip(probabilities.iter().map(|&p| number(p))).collect()
}

fn of_classes(doc: &classify::Doc, asked: &Asked, probabilities: &[Vec<f64>]) -> Outcome<Predictions> {
    let row = |(i, p): (usize, &Vec<f64>)| {
        let best = largest(p);
        let mut object = asked.object(i);
        object["label"] = doc.classes[best].as_str().into();
        object["probability"] = number(p[best]);
        object["probabilities"] = by_name(&doc.classes, p).into();
        asked.row(i, vec![Cell::Text(doc.classes[best].clone()), Cell::Probability(p[best])], object)
    };
    let rows = probabilities.iter().enumerate().map(row).collect();
    let numbers = to_array(&[probabilities.len(), doc.classes.len()], &probabilities.concat())?;
    Ok(Predictions { header: asked.header(&["label", "probability"]), titled: false, rows, numbers })
}

fn of_labels(doc: &multi_label::Doc, asked: &Asked, probabilities: &[Vec<f64>]) -> Outcome<Predictions> {
    let row = |(i, p): (usize, &Vec<f64>)| {
        let given = doc.given(p);
        let names: Vec<&str> = given.iter().map(|&label| doc.classes[label as usize].as_str()).collect();
        let mut object = asked.object(i);
        object["labels"] = names.into();
        object["probabilities"] = by_name(&doc.classes, p).into();
        asked.row(i, vec![Cell::Text(doc.named(&given))], object)
    };
    let rows = probabilities.iter().enumerate().map(row).collect();
    let numbers = to_array(&[probabilities.len(), doc.classes.len()], &probabilities.concat())?;
    Ok(Predictions { header: asked.header(&["labels"]), titled: false, rows, numbers })
}

fn of_numbers(asked: &Asked, values: &[f64]) -> Outcome<Predictions> {
    let row = |(i, &value): (usize, &f64)| {
        let mut object = asked.object(i);
        object["value"] = number(value);
        asked.row(i, vec![Cell::Number(value)], object)
    };
    let rows = values.iter().enumerate().map(row).collect();
    let numbers = to_array(&[values.len(), 1], values)?;
    Ok(Predictions { header: asked.header(&["value"]), titled: false, rows, numbers })
}

/// The likeliest token after each line, a group at a time.
fn next_tokens(doc: &lm::Doc, model: &Model, path: &Path, out: &Out, sink: &mut Sink<'_>) -> Outcome {
    const PROBABILITIES: usize = 1 << 18;
    let group = (PROBABILITIES / doc.vocabulary.len()).clamp(1, 256);
    let mut texts = Texts::open(path, &TextColumns::default(), Labels::Classes(&[]))?;
    let (mut strangers, mut scorer) = (Strangers::default(), Scorer::new(model)?);
    loop {
        let some = texts.next(group)?;
        if some.is_empty() {
            return Ok(());
        }
        let ids: Vec<Vec<u32>> = some.iter().map(|text| doc.vocabulary.encode_units(text)).collect();
        let pairs = some.iter().map(String::as_str).zip(ids.iter().map(Vec::as_slice));
        strangers.meet(&doc.vocabulary, pairs, out);
        let logprobs = scorer.next(CLOSING_ID, &ids)?;
        let (mut rows, mut numbers) = (Vec::new(), Vec::new());
        for (text, logprobs) in some.iter().zip(&logprobs) {
            let best = largest(logprobs);
            let (token, probability) = (doc.vocabulary.token(best as u32), f64::from(logprobs[best]).exp());
            rows.push(Row {
                cells: vec![
                    Cell::Text(shown(token)),
                    Cell::Probability(probability),
                    Cell::Text(text.clone()),
                ],
                object: json!({"text": text, "next": token, "probability": probability}),
            });
            numbers.extend(logprobs.iter().map(|&x| f64::from(x).exp()));
        }
        let numbers = to_array(&[some.len(), doc.vocabulary.len()], &numbers)?;
        let header = header(&["next", "probability", "text"]);
        sink.add(Predictions { header, titled: false, rows, numbers })?;
    }
}

fn to_array(shape: &[usize], values: &[f64]) -> Outcome<ArrayD<f32>> {
    ArrayD::from_shape_vec(IxDyn(shape), values.iter().map(|&x| x as f32).collect())
        .map_err(|e| Failure::work("shape", e.to_string()))
}

/// Arrays in, an array out.
fn arrays(args: &Predict, opened: &Opened, out: &Out) -> Outcome<Predictions> {
    let (path, model) = (&args.input, &opened.model);
    let wrong = |found: &[usize], expected: &str| {
        Failure::work("shape", format!("{}: expected {expected}, got {found:?}", path.display()))
    };
    if let Some(form) = arrays::chosen(path, arrays::Part::Test)? {
        out.log(format!("read as: {form}"));
    }
    let Arrays { x: array, lengths: own, .. } = arrays::read(path, arrays::Part::Test)?;
    let lengths = |shape: &[usize]| -> Outcome<Vec<usize>> {
        match (&args.lengths, own) {
            (Some(path), _) => arrays::lengths_in(path, arrays::read(path, arrays::Part::Test)?.x),
            (None, Some(own)) => Ok(own),
            (None, None) => Ok(vec![shape[1]; shape[0]]),
        }
    };
    let scaler = match &opened.task {
        Some(TaskDoc::Forecast(doc)) => Some(&doc.scaler),
        Some(task) => match task.reading().map(|reading| &reading.input) {
            Some(Kind::Series { scaler, .. }) => Some(scaler),
            _ => None,
        },
        None => None,
    };
    let inputs = match (model.input(), array) {
        (Input::Ids(_), Array::Integers(ids)) => {
            let shape = ids.shape().to_vec();
            let ids = ids.into_dimensionality::<Ix2>().map_err(|_| wrong(&shape, "integer ids [B, T]"))?;
            let lengths = lengths(&shape)?;
            // An id beyond the vocabulary is the model's to refuse; padding is not looked at.
            let ids: Array2<u32> = ids.mapv(|id| u32::try_from(id).unwrap_or(u32::MAX));
            Sequences::padded_ids(&ids, &lengths)?
        }
        (Input::Features(f), array) => {
            let mut x = arrays::features(path, array)?;
            let shape = x.shape().to_vec();
            let expected = format!("float32 [B, T, {f}]");
            if shape[2] != f {
                return Err(wrong(&shape, &expected));
            }
            let lengths = lengths(&shape)?;
            arrays::check_finite(path, &x, &lengths)?;
            if let Some(scaler) = scaler {
                let mut values: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
                scaler.transform(&mut values);
                x = to_array(&shape, &values)?;
            }
            let x = x.into_dimensionality::<Ix3>().map_err(|_| wrong(&shape, &expected))?;
            Sequences::padded(x.view(), &lengths)?
        }
        (Input::Ids(_), array) => return Err(wrong(array.shape(), "integer ids [B, T], no others")),
    };
    if let Some(task) = opened.task.as_ref().filter(|task| task.reading().is_some()) {
        let names = (0..inputs.len()).map(|sequence| sequence.to_string()).collect();
        let asked = Asked { key: "sequence", names, unknown: None };
        let mut told = told(task, model, &asked, &inputs)?;
        told.titled = true;
        if model.describe()?.last().is_some_and(|(_, _, output, _)| output.width() == 1) {
            // As many numbers of a sequence as the network has outputs: of one output, the probability of its yes.
            let last = told.numbers.len_of(Axis(1)) - 1;
            told.numbers = told.numbers.slice_axis(Axis(1), (last..).into()).to_owned();
        }
        return Ok(told);
    }
    let mut numbers = model.predict(&inputs)?;
    if let Some(TaskDoc::Forecast(doc)) = &opened.task {
        let mut values: Vec<f64> = numbers.iter().map(|&v| f64::from(v)).collect();
        doc.scaler.inverse(&mut values);
        numbers = to_array(&[inputs.len(), doc.horizon, doc.values.len()], &values)?;
    }
    let row = |y: ndarray::ArrayViewD<'_, f32>| {
        let cells = y.iter().map(|&v| Cell::Output(v)).collect();
        Row { cells, object: nested(&y) }
    };
    let rows: Vec<Row> = numbers.axis_iter(Axis(0)).map(row).collect();
    let width = rows.first().map_or(0, |row| row.cells.len());
    Ok(Predictions { header: (0..width).map(|i| format!("y{i}")).collect(), titled: false, rows, numbers })
}

/// An array as nested lists.
fn nested(y: &ndarray::ArrayViewD<'_, f32>) -> Value {
    match y.ndim() {
        0 => y.first().map_or(Value::Null, |&x| number(f64::from(x))),
        _ => Value::Array(y.axis_iter(Axis(0)).map(|y| nested(&y)).collect()),
    }
}
