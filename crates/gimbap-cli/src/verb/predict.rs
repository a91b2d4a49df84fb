//! `gimbap predict MODEL [INPUT]`: a prediction for every sequence.
//!
//! What comes in decides: arrays (`.npy`) are given to the network as they are, anything else is read as the model's
//! task reads it.

mod series;
mod tags;

use std::path::Path;

use gimbap::data::dataset::Sequences;
use gimbap::data::table::{LabelledSeries, SequenceColumns, TextColumns, read_texts};
use gimbap::data::text::{CLOSING_ID, Vocabulary};
use gimbap::metric::calibration::largest;
use gimbap::model::{Input, Model};
use gimbap::score::Scorer;
use ndarray::{Array2, ArrayD, Axis, Ix2, Ix3, IxDyn};
use serde_json::{Map, Value, json};

use crate::args::Predict;
use crate::input::{is_stdin, lines};
use crate::lm::judge::shown;
use crate::lm::unknown::Strangers;
use crate::model_file::{self, Opened};
use crate::npy::{self, Array};
use crate::output::{Failure, Out, Outcome, thousands};
use crate::run_dir::write_atomic;
use crate::task::{TaskDoc, arrays, classify, lm, number, short};

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

/// All predictions, with the numbers for a `.npy`.
struct Predictions {
    header: Vec<String>,
    /// Whether lines need the header to be understood.
    titled: bool,
    rows: Vec<Row>,
    numbers: ArrayD<f32>,
}

/// Predicts.
pub fn run(args: &Predict, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?;
    if !matches!(opened.task, Some(TaskDoc::Forecast(_))) && (args.every.is_some() || args.plot.is_some()) {
        let message =
            format!("--every and --plot are for forecasters, and {} is none", opened.path.display());
        return Err(Failure::usage("usage", message));
    }
    let predictions = match &opened.task {
        _ if has_extension(&args.input, "npy") => arrays(args, &opened)?,
        _ if args.lengths.is_some() => {
            return Err(Failure::usage(
                "usage",
                "--lengths belongs to a .npy input; here every sequence has its own",
            ));
        }
        Some(TaskDoc::Lm(doc)) => next_tokens(doc, &opened.model, &args.input, out)?,
        Some(TaskDoc::Classify(doc)) => classes(doc, &opened.model, &args.input, out)?,
        Some(TaskDoc::Tag(doc)) => return tags::run(doc, &opened.model, args, out),
        Some(TaskDoc::Forecast(doc)) => series::run(doc, &opened.model, args, out)?,
        None => {
            let message = format!("{} has no task: give it arrays, X.npy", opened.path.display());
            return Err(Failure::work("task", message));
        }
    };
    let Some(path) = &args.out else {
        if predictions.titled {
            out.line(predictions.header.join("\t"))?;
        }
        for row in &predictions.rows {
            out.line(row.line(Cell::rounded))?;
            out.json(&row.object)?;
        }
        return Ok(());
    };
    let bytes = match path.extension().and_then(|e| e.to_str()) {
        Some("npy") => npy::to_bytes(&predictions.numbers),
        Some("csv") => {
            let cells = |row: &Row| row.cells.iter().map(Cell::exact).collect::<Vec<_>>();
            let rows = predictions.rows.iter().map(|row| csv_line(&cells(row)));
            std::iter::once(csv_line(&predictions.header)).chain(rows).collect::<String>().into_bytes()
        }
        Some("jsonl" | "json") => {
            predictions.rows.iter().map(|row| format!("{}\n", row.object)).collect::<String>().into_bytes()
        }
        _ => {
            let lines = predictions.rows.iter().map(|row| row.line(Cell::exact) + "\n");
            lines.collect::<String>().into_bytes()
        }
    };
    write_atomic(path, &bytes)?;
    out.log(format!("{} predictions in {}", predictions.rows.len(), path.display()));
    out.json(&json!({"out": path, "predictions": predictions.rows.len()}))
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(wanted))
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

/// The texts of an input: a column of a table, `text` of JSONL objects, or lines.
fn texts(path: &Path, columns: &TextColumns) -> Outcome<Vec<String>> {
    if is_stdin(path) || has_extension(path, "jsonl") {
        let lines = lines(path)?;
        if !has_extension(path, "jsonl") {
            return Ok(lines);
        }
        let key = columns.text.as_deref().unwrap_or("text");
        let text = |(i, line): (usize, &String)| {
            let value: Value = serde_json::from_str(line).unwrap_or_default();
            value.get(key).and_then(Value::as_str).map(str::to_string).ok_or_else(|| {
                let message = format!("{}, line {}: no object with a text `{key}`", path.display(), i + 1);
                Failure::work("data", message)
            })
        };
        return lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(text).collect();
    }
    Ok(read_texts(path, columns)?)
}

fn classes(doc: &classify::Doc, model: &Model, path: &Path, out: &Out) -> Outcome<Predictions> {
    // Of each text, how many tokens are not in the vocabulary; sequences of numbers have none.
    let mut unknown: Option<Vec<usize>> = None;
    let (names, inputs, key) = match &doc.input {
        classify::Kind::Text { vocabulary, text } => {
            let texts = texts(path, &TextColumns { text: text.clone(), label: None })?;
            let ids: Vec<Vec<u32>> = texts.iter().map(|text| vocabulary.encode_units(text)).collect();
            unknown = Some(ids.iter().map(|ids| Vocabulary::unknowns(ids)).collect());
            let strange = ids.iter().filter(|ids| Vocabulary::unknowns(ids) == ids.len()).count();
            let pairs = texts.iter().map(String::as_str).zip(ids.iter().map(Vec::as_slice));
            Strangers::default().meet(vocabulary, pairs, out);
            if strange > 0 {
                let (strange, all) = (thousands(strange), thousands(texts.len()));
                out.log(format!(
                    "note: {strange} of {all} records have no known token: their words have no part in what is predicted"
                ));
            }
            (texts, Sequences::from(&ids), "text")
        }
        classify::Kind::Series { features, scaler, id, time } => {
            // The reader wants labels, which the input need not have: every sequence is taken as its own class.
            let id = id.clone().unwrap_or_else(|| "id".into());
            let columns = SequenceColumns {
                label: Some(id.clone()),
                id: Some(id),
                time: time.clone(),
                features: features.clone(),
            };
            let series = LabelledSeries::read(path, &columns)?;
            let inputs = classify::scaled(&series, scaler)?;
            (series.ids, inputs, "id")
        }
    };
    let probabilities = doc.probabilities(model, &inputs)?;
    let rows = named(doc, key, &names, &probabilities, unknown.as_deref());
    let numbers = to_array(&[names.len(), doc.classes.len()], &probabilities.concat())?;
    Ok(Predictions { header: header(&["label", "probability", key]), titled: false, rows, numbers })
}

/// Sequences, called by `key`, with their classes by name; of texts with the number of their unknown tokens.
fn named(
    doc: &classify::Doc,
    key: &str,
    names: &[String],
    probabilities: &[Vec<f64>],
    unknown: Option<&[usize]>,
) -> Vec<Row> {
    let row = |(i, (name, p)): (usize, (&String, &Vec<f64>))| {
        let best = largest(p);
        let each: Map<String, Value> =
            doc.classes.iter().cloned().zip(p.iter().map(|&x| number(x))).collect();
        let mut object = json!({
            key: name,
            "label": doc.classes[best],
            "probability": number(p[best]),
            "probabilities": each,
        });
        if let Some(unknown) = unknown {
            object["unknown"] = unknown[i].into();
        }
        let (label, name) = (doc.classes[best].clone(), name.clone());
        Row { cells: vec![Cell::Text(label), Cell::Probability(p[best]), Cell::Text(name)], object }
    };
    names.iter().zip(probabilities).enumerate().map(row).collect()
}

/// The likeliest token after each line.
fn next_tokens(doc: &lm::Doc, model: &Model, path: &Path, out: &Out) -> Outcome<Predictions> {
    let texts = texts(path, &TextColumns::default())?;
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| doc.vocabulary.encode_units(text)).collect();
    let pairs = texts.iter().map(String::as_str).zip(ids.iter().map(Vec::as_slice));
    Strangers::default().meet(&doc.vocabulary, pairs, out);
    let logprobs = Scorer::new(model)?.next(CLOSING_ID, &ids)?;
    let (mut rows, mut numbers) = (Vec::new(), Vec::new());
    for (text, logprobs) in texts.iter().zip(&logprobs) {
        let best = largest(logprobs);
        let (token, probability) = (doc.vocabulary.token(best as u32), f64::from(logprobs[best]).exp());
        rows.push(Row {
            cells: vec![Cell::Text(shown(token)), Cell::Probability(probability), Cell::Text(text.clone())],
            object: json!({"text": text, "next": token, "probability": probability}),
        });
        numbers.extend(logprobs.iter().map(|&x| f64::from(x).exp()));
    }
    let numbers = to_array(&[texts.len(), doc.vocabulary.len()], &numbers)?;
    Ok(Predictions { header: header(&["next", "probability", "text"]), titled: false, rows, numbers })
}

fn to_array(shape: &[usize], values: &[f64]) -> Outcome<ArrayD<f32>> {
    ArrayD::from_shape_vec(IxDyn(shape), values.iter().map(|&x| x as f32).collect())
        .map_err(|e| Failure::work("shape", e.to_string()))
}

/// Arrays in, an array out.
fn arrays(args: &Predict, opened: &Opened) -> Outcome<Predictions> {
    let (path, model) = (&args.input, &opened.model);
    let wrong = |found: &[usize], expected: &str| {
        Failure::work("shape", format!("{}: expected {expected}, got {found:?}", path.display()))
    };
    let array = arrays::read(path)?;
    let lengths = |shape: &[usize]| -> Outcome<Vec<usize>> {
        let Some(path) = &args.lengths else { return Ok(vec![shape[1]; shape[0]]) };
        let Array::Integers(lengths) = arrays::read(path)? else {
            return Err(Failure::work("shape", format!("{}: lengths must be integers", path.display())));
        };
        let length = |&n: &i64| {
            usize::try_from(n)
                .map_err(|_| Failure::work("shape", format!("{}: a length of {n}", path.display())))
        };
        lengths.iter().map(length).collect()
    };
    let scaler = match &opened.task {
        Some(TaskDoc::Forecast(doc)) => Some(&doc.scaler),
        Some(TaskDoc::Classify(classify::Doc { input: classify::Kind::Series { scaler, .. }, .. })) => {
            Some(scaler)
        }
        _ => None,
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
            if let Some(scaler) = scaler {
                let mut values: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
                scaler.transform(&mut values);
                x = to_array(&shape, &values)?;
            }
            let x = x.into_dimensionality::<Ix3>().map_err(|_| wrong(&shape, &expected))?;
            Sequences::padded(x.view(), &lengths)?
        }
        (Input::Ids(_), Array::Floats(x)) => return Err(wrong(x.shape(), "integer ids [B, T], not floats")),
    };
    let mut numbers = model.predict(&inputs)?;
    if let Some(TaskDoc::Forecast(doc)) = &opened.task {
        let mut values: Vec<f64> = numbers.iter().map(|&v| f64::from(v)).collect();
        doc.scaler.inverse(&mut values);
        numbers = to_array(&[inputs.len(), doc.horizon, doc.values.len()], &values)?;
    }
    if let Some(TaskDoc::Classify(doc)) = &opened.task {
        let probabilities = doc.probabilities(model, &inputs)?;
        let names: Vec<String> = (0..inputs.len()).map(|sequence| sequence.to_string()).collect();
        let rows = named(doc, "sequence", &names, &probabilities, None);
        // As many numbers of a sequence as the network has outputs: of one output, the probability of its yes.
        let outputs = numbers.len() / inputs.len().max(1);
        let own = probabilities.iter().flat_map(|p| &p[p.len() - outputs.min(p.len())..]).copied();
        let numbers = to_array(&[inputs.len(), outputs], &own.collect::<Vec<_>>())?;
        let header = header(&["label", "probability", "sequence"]);
        return Ok(Predictions { header, titled: true, rows, numbers });
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
