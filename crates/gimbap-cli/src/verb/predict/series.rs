//! Forecasts of a file: behind the last row of each of its series, or from every N-th row on, beside what came.

use gimbap::data::dataset::Sequences;
use gimbap::data::series::{Series, SeriesTable};
use gimbap::model::Model;
use serde_json::{Map, Value, json};

use super::{Cell, Predictions, Row, to_array};
use crate::args::Predict;
use crate::input::name;
use crate::output::{Failure, Out, Outcome};
use crate::run_dir::write_atomic;
use crate::task::forecast::Doc;
use crate::task::number;

mod plot;

/// The forecast from one place on.
struct Forecast<'a> {
    series: &'a Series,
    /// The first row that is forecast.
    row: usize,
    /// `[horizon, values]`
    values: Vec<f64>,
    /// The times of the rows.
    times: Vec<String>,
    /// What came, `[horizon, values]`, if it has.
    came: Option<Vec<f64>>,
}

pub fn run(doc: &Doc, model: &Model, args: &Predict, out: &Out) -> Outcome<Predictions> {
    let path = &args.input;
    let table = doc.read(path)?;
    table.notes.iter().for_each(|note| out.log(note));
    let mut forecasts = Vec::new();
    let (series, short) = doc.long_enough(&table.series);
    short.iter().for_each(|short| out.log(short));
    for series in series {
        match args.every {
            None => {
                let values = doc.after(model, &table, series, &name(path))?;
                let times = times_after(doc, &table, series);
                forecasts.push(Forecast { series, row: series.len(), values, times, came: None });
            }
            Some(every) => forecasts.extend(back_test(doc, model, series, every)?),
        }
    }
    if forecasts.is_empty() {
        let message = format!(
            "{}: no series has the {} rows of a window and a horizon",
            name(path),
            doc.window + doc.horizon
        );
        return Err(Failure::work("data", message));
    }
    if let Some(plot) = &args.plot {
        write_atomic(plot, plot::draw(doc, &forecasts).as_bytes())?;
        out.log(format!("picture: {}", plot.display()));
    }
    let rows = forecasts.iter().flat_map(|forecast| rows(doc, forecast)).collect();
    let all: Vec<f64> = forecasts.iter().flat_map(|forecast| &forecast.values).copied().collect();
    let shape: &[usize] = match forecasts.len() {
        1 => &[doc.horizon, doc.values.len()],
        n => &[n, doc.horizon, doc.values.len()],
    };
    Ok(Predictions {
        header: header(doc, &forecasts[0]),
        titled: true,
        rows,
        numbers: to_array(shape, &all)?,
    })
}

/// The forecasts from every `every`-th row that has a window before it and what was asked for behind it.
fn back_test<'a>(doc: &Doc, model: &Model, series: &'a Series, every: usize) -> Outcome<Vec<Forecast<'a>>> {
    /// Windows in memory at a time.
    const AT_ONCE: usize = 512;
    let windows = doc.windows()?;
    let roles = series.roles;
    let scaled = doc.scaled(std::slice::from_ref(series));
    let (f, v) = (series.features(), doc.values.len());
    let starts: Vec<usize> = (0..windows.count(series.len())).step_by(every).collect();
    let mut forecasts = Vec::with_capacity(starts.len());
    for starts in starts.chunks(AT_ONCE) {
        let mut inputs = Vec::new();
        starts.iter().for_each(|&start| windows.read_within(&scaled[0], start, &mut inputs));
        let lengths = vec![windows.steps(&roles); starts.len()];
        let found = doc.forecast(model, &Sequences::features(inputs, windows.width(&roles), &lengths)?)?;
        for (&start, values) in starts.iter().zip(found.chunks_exact(doc.horizon * v)) {
            let row = start + doc.window;
            let came =
                series.values[row * f..(row + doc.horizon) * f].chunks_exact(f).flat_map(|row| &row[..v]);
            forecasts.push(Forecast {
                series,
                row,
                values: values.to_vec(),
                times: series.times[row..row + doc.horizon].to_vec(),
                came: Some(came.copied().collect()),
            });
        }
    }
    Ok(forecasts)
}

/// The times of the rows behind the last one; none where the times could not be read.
fn times_after(doc: &Doc, table: &SeriesTable, series: &Series) -> Vec<String> {
    let (Some(style), Some(frequency), Some(last)) = (&table.style, table.frequency, series.clock.last())
    else {
        return Vec::new();
    };
    (1..=doc.horizon).map(|step| style.write(&frequency.after(last, step))).collect()
}

/// The columns of a line: the series, the last row seen, the step, the time, then each value and what came.
fn header(doc: &Doc, first: &Forecast<'_>) -> Vec<String> {
    let mut names = Vec::new();
    names.extend(first.series.id.as_ref().map(|_| doc.id.clone().unwrap_or_else(|| "id".into())));
    names.extend(first.came.as_ref().map(|_| "after".to_owned()));
    names.push("step".into());
    if !first.times.is_empty() {
        names.push("time".into());
    }
    for value in &doc.values {
        names.push(value.clone());
        if first.came.is_some() {
            names.push(format!("{value} (came)"));
        }
    }
    names
}

fn rows(doc: &Doc, forecast: &Forecast<'_>) -> Vec<Row> {
    let v = doc.values.len();
    let named = |values: &[f64]| -> Map<String, Value> {
        doc.values.iter().cloned().zip(values.iter().map(|&x| number(x))).collect()
    };
    let row = |(step, values): (usize, &[f64])| {
        let came = forecast.came.as_ref().map(|came| &came[step * v..(step + 1) * v]);
        let after = came.map(|_| forecast.series.times[forecast.row - 1].clone());
        let time = forecast.times.get(step).cloned();
        let mut cells: Vec<Cell> = forecast.series.id.iter().chain(&after).cloned().map(Cell::Text).collect();
        cells.push(Cell::Text((step + 1).to_string()));
        cells.extend(time.clone().map(Cell::Text));
        for (i, &x) in values.iter().enumerate() {
            cells.push(Cell::Number(x));
            cells.extend(came.map(|came| Cell::Number(came[i])));
        }
        let mut object = json!({"step": step + 1, "values": named(values)});
        for (key, value) in [("id", &forecast.series.id), ("after", &after), ("time", &time)] {
            if let Some(value) = value {
                object[key] = value.as_str().into();
            }
        }
        if let Some(came) = came {
            object["came"] = Value::Object(named(came));
        }
        Row { cells, object }
    };
    forecast.values.chunks_exact(v).enumerate().map(row).collect()
}
