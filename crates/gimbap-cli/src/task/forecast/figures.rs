//! How far forecasts lie from what came: by column and by step of the horizon, in the data's units, beside the trivial
//! forecasts. Errors of different columns and of different series are put together only after each is divided by the scale
//! of its own column and series (MASE, Hyndman and Koehler 2006: by the mean error of the last value as a forecast of the
//! next one in the training part).

use std::ops::Range;

use gimbap::data::series::{Series, Windows};
use gimbap::metric::{Metric, MetricState, OutputKind, Target};
use gimbap::model::Model;
use serde_json::{Map, Value, json};

use super::{Doc, Part};
use crate::output::{Outcome, table};
use crate::task::{TRY, number, short};

/// Rows of a table at most.
const ROWS: usize = 12;

/// A forecast of everything that is asked for, `[windows, horizon, values]`.
struct Answer {
    /// In a table.
    name: String,
    /// In JSON.
    key: &'static str,
    values: Vec<f64>,
}

/// The errors of one column or step.
struct Errors {
    mae: f64,
    rmse: f64,
    r2: f64,
}

impl Errors {
    fn of(pairs: impl Iterator<Item = (f64, f64)>) -> Outcome<Self> {
        let mut states = [Metric::Mae, Metric::Rmse, Metric::R2]
            .into_iter()
            .map(|metric| MetricState::new(metric, OutputKind::Regression))
            .collect::<Result<Vec<_>, _>>()?;
        for (y, truth) in pairs {
            states.iter_mut().for_each(|state| state.update(&[y], Target::Values(&[truth]), 1.0));
        }
        let [mae, rmse, r2] = [0, 1, 2].map(|at| states[at].finish());
        Ok(Errors { mae, rmse, r2 })
    }

    fn json(&self) -> Map<String, Value> {
        [("mae", self.mae), ("rmse", self.rmse), ("r2", self.r2)]
            .map(|(key, x)| (key.to_owned(), number(x)))
            .into_iter()
            .collect()
    }
}

/// The rows of the windows that were cut, by a trivial rule for each series.
fn trivial(
    part: &Part,
    windows: &Windows,
    rule: impl Fn(&[f64], usize) -> Outcome<Vec<f64>>,
) -> Outcome<Vec<f64>> {
    let v = part.series[0].roles.values;
    let of_series =
        |(series, before): (&Series, &Vec<f64>)| rule(&[&before[..], &series.wanted()].concat(), v);
    let all = part.series.iter().zip(&part.before).map(of_series).collect::<Outcome<Vec<_>>>()?;
    let width = windows.horizon() * v;
    Ok(part
        .starts
        .iter()
        .flat_map(|&(n, start)| {
            let start = start + part.before[n].len() / v;
            &all[n][start * width..(start + 1) * width]
        })
        .copied()
        .collect())
}

/// The figures of a model on a part, beside those of the trivial forecasts, and tables of them.
pub fn compare(doc: &Doc, model: &Model, part: &Part) -> Outcome<(Map<String, Value>, String)> {
    let cut = doc.windows()?;
    let truth = trivial(part, &cut, |values, v| Ok(cut.targets(values, v)))?;
    let mut answers = vec![
        Answer { name: "model".into(), key: "model", values: doc.forecast(model, part.windows.inputs())? },
        Answer {
            name: "last value".into(),
            key: "last_value",
            values: trivial(part, &cut, |values, v| Ok(cut.last_value(values, v)))?,
        },
    ];
    // Where there is no season before a window, what would be repeated is the last value.
    let reaches = |&&(n, start): &&(usize, usize), season: usize| {
        part.before[n].len() / doc.values.len() + start + doc.window >= season
    };
    let told = doc.season.and_then(|season| {
        let reached = part.starts.iter().filter(|place| reaches(place, season)).count();
        (2 * reached < part.starts.len()).then(|| {
            format!("seasonal naive ({season}): left out, as most windows have fewer rows before what is asked for\n")
        })
    });
    if let Some(season) = doc.season.filter(|_| told.is_none()) {
        answers.push(Answer {
            name: format!("seasonal naive ({season})"),
            key: "seasonal_naive",
            values: trivial(part, &cut, |values, v| Ok(cut.seasonal_naive(values, v, season)?))?,
        });
    }
    let series = part.starts.iter().map(|&(n, _)| n).collect();
    let ids = part.series.iter().map(|series| series.id.as_deref()).collect();
    let figures = Figures { doc, truth, answers, v: doc.values.len(), series, ids };
    let columns = figures.columns()?;
    let mut metrics = figures.pooled(&columns);
    if figures.v > 1 {
        metrics.insert("columns".into(), figures.columns_json(&columns));
    }
    let steps = figures.steps();
    if doc.horizon > 1 {
        let json = |errors: &Vec<f64>| {
            let of = figures.answers.iter().zip(errors);
            Value::Object(of.map(|(answer, &mase)| (answer.key.to_owned(), number(mase))).collect())
        };
        metrics.insert("mase_by_step".into(), Value::Array(steps.iter().map(json).collect()));
    }
    if let Some(season) = doc.season
        && let Some(Value::Object(naive)) = metrics.get_mut("seasonal_naive")
    {
        naive.insert("season".into(), season.into());
    }
    metrics.insert("windows".into(), part.starts.len().into());
    let by_series = figures.by_series();
    if by_series.len() > 1 {
        metrics.insert("series".into(), Value::Object(by_series));
    }
    Ok((metrics, figures.text(&columns, &steps) + &told.unwrap_or_default()))
}

struct Figures<'a> {
    doc: &'a Doc,
    truth: Vec<f64>,
    answers: Vec<Answer>,
    /// Values of a row.
    v: usize,
    /// The series of each window, a place in `ids`.
    series: Vec<usize>,
    ids: Vec<Option<&'a str>>,
}

impl Figures<'_> {
    /// What the errors of a window and column are divided by: of a series that was not trained on, that of all.
    fn scale(&self, window: usize, column: usize) -> f64 {
        let own = self.ids[self.series[window]].and_then(|id| self.doc.naive_by_series.get(id));
        let scale = own.unwrap_or(&self.doc.naive).get(column).copied();
        scale.filter(|scale| *scale > 0.0).unwrap_or(f64::NAN)
    }

    /// The scaled absolute errors of some windows at some steps: their mean over each column, then over columns. What has no
    /// scale does not count.
    fn mase(&self, answer: &Answer, windows: impl IntoIterator<Item = usize>, steps: Range<usize>) -> f64 {
        let width = self.doc.horizon * self.v;
        let mut sums = vec![(0.0, 0usize); self.v];
        for window in windows {
            let rows = window * width..(window + 1) * width;
            let (y, truth) = (&answer.values[rows.clone()], &self.truth[rows]);
            for (column, (sum, n)) in sums.iter_mut().enumerate() {
                let scale = self.scale(window, column);
                if scale.is_nan() {
                    continue;
                }
                for at in steps.clone().map(|step| step * self.v + column) {
                    *sum += (y[at] - truth[at]).abs() / scale;
                    *n += 1;
                }
            }
        }
        mean(sums.into_iter().filter(|(_, n)| *n > 0).map(|(sum, n)| sum / n as f64))
    }

    /// That of all windows, over the whole horizon.
    fn whole(&self, answer: &Answer) -> f64 {
        self.mase(answer, 0..self.series.len(), 0..self.doc.horizon)
    }

    /// Of each series its MASE, and those of the trivial forecasts.
    fn by_series(&self) -> Map<String, Value> {
        let mut windows = vec![Vec::new(); self.ids.len()];
        self.series.iter().enumerate().for_each(|(window, &series)| windows[series].push(window));
        let series = self.ids.iter().zip(&windows).filter(|(_, windows)| !windows.is_empty());
        let of_series = |(id, windows): (&Option<&str>, &Vec<usize>)| {
            let mase = |answer: &Answer| self.mase(answer, windows.iter().copied(), 0..self.doc.horizon);
            let own = self.answers.iter().map(|answer| (answer.key.to_owned(), number(mase(answer))));
            Some(((*id)?.to_owned(), json!({"mase": Map::from_iter(own)})))
        };
        series.filter_map(of_series).collect()
    }

    /// Of each column, the errors of each answer.
    fn columns(&self) -> Outcome<Vec<Vec<Errors>>> {
        let of = |column: usize| {
            self.answers
                .iter()
                .map(|answer| {
                    let every = |values: &[f64]| {
                        values.iter().skip(column).step_by(self.v).copied().collect::<Vec<_>>()
                    };
                    Errors::of(every(&answer.values).into_iter().zip(every(&self.truth)))
                })
                .collect()
        };
        (0..self.v).map(of).collect()
    }

    /// MASE of each answer at each step of the horizon.
    fn steps(&self) -> Vec<Vec<f64>> {
        let of_step = |step: usize| {
            self.answers
                .iter()
                .map(|answer| self.mase(answer, 0..self.series.len(), step..step + 1))
                .collect()
        };
        (0..self.doc.horizon).map(of_step).collect()
    }

    /// Of one column its errors; of several only what is free of their units.
    fn pooled(&self, columns: &[Vec<Errors>]) -> Map<String, Value> {
        let mut all = Map::new();
        for (at, answer) in self.answers.iter().enumerate() {
            let mut own = match columns {
                [one] => one[at].json(),
                several => Map::from_iter([(
                    "r2".to_owned(),
                    number(mean(several.iter().map(|column| column[at].r2))),
                )]),
            };
            own.insert("mase".into(), number(self.whole(answer)));
            match at {
                0 => all = own,
                _ => drop(all.insert(answer.key.into(), Value::Object(own))),
            }
        }
        all
    }

    fn columns_json(&self, columns: &[Vec<Errors>]) -> Value {
        let of_column = |(errors, name): (&Vec<Errors>, &String)| {
            let mut own = errors[0].json();
            for (errors, answer) in errors.iter().zip(&self.answers).skip(1) {
                own.insert(answer.key.into(), Value::Object(errors.json()));
            }
            (name.clone(), Value::Object(own))
        };
        Value::Object(columns.iter().zip(&self.doc.values).map(of_column).collect())
    }

    fn text(&self, columns: &[Vec<Errors>], steps: &[Vec<f64>]) -> String {
        let names: Vec<&str> = self.answers.iter().map(|answer| answer.name.as_str()).collect();
        let mut text = match columns {
            [one] => {
                let rows: Vec<Vec<String>> = one
                    .iter()
                    .enumerate()
                    .map(|(at, e)| {
                        [names[at].to_owned()]
                            .into_iter()
                            .chain([e.mae, e.rmse, e.r2, self.whole(&self.answers[at])].map(shown))
                            .collect()
                    })
                    .collect();
                table(&["", "MAE", "RMSE", "R2", "MASE"], &rows)
            }
            several => {
                let head: Vec<String> =
                    names.iter().map(|name| format!("MAE, {name}")).chain(["R2".into()]).collect();
                let head: Vec<&str> = std::iter::once("").chain(head.iter().map(String::as_str)).collect();
                let row = |(errors, name): (&Vec<Errors>, &String)| -> Vec<String> {
                    let maes = errors.iter().map(|e| shown(e.mae));
                    [name.clone()].into_iter().chain(maes).chain([shown(errors[0].r2)]).collect()
                };
                let mut rows: Vec<Vec<String>> =
                    several.iter().zip(&self.doc.values).take(ROWS).map(row).collect();
                if several.len() > ROWS {
                    rows.push(vec![format!("and {} more (--json)", several.len() - ROWS)]);
                }
                let mase = self.answers.iter().map(|answer| shown(self.whole(answer)));
                let r2 = shown(mean(several.iter().map(|column| column[0].r2)));
                let mut all: Vec<String> = vec!["all columns: MASE, mean R2".into()];
                all.extend(mase);
                all.push(r2);
                rows.push(all);
                table(&head, &rows)
            }
        };
        if steps.len() > 1 {
            let head: Vec<&str> = std::iter::once("MASE at step").chain(names).collect();
            // Evenly spread, with the first and the last.
            let shown_steps = steps.len().min(ROWS);
            let rows: Vec<Vec<String>> = (0..shown_steps)
                .map(|i| i * (steps.len() - 1) / (shown_steps - 1).max(1))
                .map(|at| {
                    [(at + 1).to_string()].into_iter().chain(steps[at].iter().map(|&x| shown(x))).collect()
                })
                .collect();
            text += &format!("\n{}", table(&head, &rows));
        }
        text
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), x| (sum + x, n + 1));
    sum / n as f64
}

fn shown(x: f64) -> String {
    if x.is_nan() { "-".into() } else { short(x) }
}

/// What is told of a model that is no better than a trivial forecast, if it is not: by RMSE, which is what training lowers;
/// of several columns by MASE.
pub fn doubt(metrics: &Map<String, Value>) -> Option<String> {
    let (key, called) = if metrics.contains_key("rmse") { ("rmse", "RMSE") } else { ("mase", "MASE") };
    let figure = |figures: &Map<String, Value>| figures.get(key).and_then(Value::as_f64);
    let model = figure(metrics)?;
    let named = [("last_value", "repeating the last value"), ("seasonal_naive", "repeating the last season")];
    let trivial =
        named.into_iter().filter_map(|(key, name)| Some((figure(metrics.get(key)?.as_object()?)?, name)));
    let (best, name) = trivial.min_by(|a, b| a.0.total_cmp(&b.0))?;
    (model >= best).then(|| {
        let best = short(best);
        format!("the model is no better than {name} ({called} {best}): {TRY}, or another data.window")
    })
}
