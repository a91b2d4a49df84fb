//! Forecasts: windows of a series, the rows that follow them, and the trivial forecasts to beat.

use std::ops::SubAssign;
use std::path::Path;

use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::dataset::{Dataset, Sequences, Steps, Targets};
use gimbap::data::series::{Scaler, Series, SeriesColumns, Windows, guess_period};
use gimbap::layer::Dense;
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::{Metric, MetricState, OutputKind, Target};
use gimbap::model::{Evaluation, Input, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Report, TRY, TaskDoc, Work, card_of, data_path, hash_of, number, plain_figures, sequential, short,
};
use crate::config::{Config, Held, Names};
use crate::output::{Failure, Out, Outcome, table, thousands};

/// What a forecaster keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// The column of the time.
    pub time: Option<String>,
    /// The columns of the values.
    pub values: Vec<String>,
    /// How they are scaled.
    pub scaler: Scaler,
    /// Rows seen.
    pub window: usize,
    /// Rows forecast.
    pub horizon: usize,
    /// Rows of a season, for the seasonal-naive forecast.
    pub season: Option<usize>,
    /// Whether the network says how far the next values lie from the last one, and not where.
    #[serde(default)]
    pub change: bool,
}

/// A part of the series, cut into windows.
#[derive(Debug)]
struct Part {
    series: Series,
    windows: Dataset<f32>,
}

/// A forecaster's work.
#[derive(Debug)]
pub struct Forecast {
    config: Config,
    doc: Doc,
    train: Part,
    valid: Option<Part>,
    test: Option<Part>,
    card: Vec<(String, String)>,
    /// What was left to the data.
    chosen: Option<String>,
}

impl Doc {
    fn columns(&self) -> SeriesColumns {
        SeriesColumns { time: self.time.clone(), values: self.values.clone() }
    }

    /// Reads a series with this model's columns.
    pub fn read(&self, path: &Path) -> Outcome<Series> {
        Ok(Series::read(path, &self.columns())?)
    }

    fn cut(&self, series: &Series, place: &str) -> Outcome<Dataset<f32>> {
        let mut values = series.values.clone();
        self.scaler.transform(&mut values);
        let windows = Windows::new(self.window, self.horizon)?;
        let f = series.features();
        let set = windows.cut(&values, f).map_err(|e| match e {
            gimbap::Error::Data { message, .. } => gimbap::Error::data(place, message),
            other => other,
        })?;
        let mut targets = set.targets;
        let windows =
            set.inputs.chunks_exact(self.window * f).zip(targets.chunks_exact_mut(self.horizon * f));
        windows.for_each(|(window, targets)| self.aim(window, targets));
        let inputs = Sequences::features(set.inputs, f, &vec![self.window; set.count])?;
        let targets = RowTargets::Values { values: targets, width: self.horizon * f };
        Ok(Dataset::new(inputs, Targets::per_sequence(targets))?)
    }

    /// What the network is to say of the scaled rows behind a window: they themselves, or how far they lie from its last one.
    pub fn aim<T: Copy + SubAssign>(&self, window: &[T], rows: &mut [T]) {
        if self.change {
            let f = self.values.len();
            let last = &window[window.len() - f..];
            rows.chunks_exact_mut(f).flatten().zip(last.iter().cycle()).for_each(|(x, &last)| *x -= last);
        }
    }

    /// A model's forecasts for windows of scaled inputs, in the data's units: `[B, horizon, F]`, row-major.
    pub fn forecast(&self, model: &Model, inputs: &Sequences<f32>) -> Outcome<Vec<f64>> {
        let mut values: Vec<f64> = model.predict(inputs)?.iter().map(|&x| f64::from(x)).collect();
        if let (true, Steps::Features { values: seen, width }) = (self.change, inputs.steps()) {
            let windows =
                seen.chunks_exact(self.window * width).zip(values.chunks_exact_mut(self.horizon * width));
            for (window, rows) in windows {
                let last = &window[(self.window - 1) * width..];
                for row in rows.chunks_exact_mut(*width) {
                    row.iter_mut().zip(last).for_each(|(x, &last)| *x += f64::from(last));
                }
            }
        }
        self.scaler.inverse(&mut values);
        Ok(values)
    }
}

impl Forecast {
    /// Reads the series.
    pub fn open(config: &Config) -> Outcome<Self> {
        let path = data_path(config)?;
        let mut config = config.clone();
        let window = *config.data.window.get_or_insert(24);
        let values = config.data.value.clone().map(|Names(names)| names).unwrap_or_default();
        let columns = SeriesColumns { time: config.data.time.clone(), values };
        let mut train = Series::read(path, &columns)?;
        let rows = train.len();
        let of_series = |held: Option<Held>| held.and_then(|held| held.of_series(rows, window));
        (config.data.test, config.data.valid) = (of_series(config.data.test), of_series(config.data.valid));
        let data = &config.data;
        let columns = SeriesColumns { values: train.names.clone(), ..columns };
        let mut held = |held: &Option<Held>| -> Outcome<Option<Series>> {
            Ok(match held {
                None | Some(Held::Auto) => None,
                Some(Held::Path(path)) => Some(Series::read(path, &columns)?),
                Some(Held::Fraction(fraction)) => {
                    let keep = (train.len() as f64 * (1.0 - fraction)).round() as usize;
                    let (head, tail) = train.split_at(keep.min(train.len()));
                    train = head;
                    Some(tail)
                }
            })
        };
        let (test, valid) = (held(&data.test)?, held(&data.valid)?);
        let f = train.features();
        let doc = Doc {
            time: data.time.clone(),
            values: train.names.clone(),
            scaler: Scaler::fit(data.scaler.unwrap_or_default(), &train.values, f)?,
            window,
            horizon: data.horizon.unwrap_or(1),
            season: data.season.or_else(|| guess_period(&train.values, f)),
            change: data.change.unwrap_or(false),
        };
        let part = |series: Series, name: &str| -> Outcome<Part> {
            let windows = doc.cut(&series, &format!("{}, {name} part", path.display()))?;
            Ok(Part { series, windows })
        };
        let train = part(train, "training")?;
        let chosen = config.settle_sequences(train.windows.len());
        Ok(Forecast {
            train,
            valid: valid.map(|series| part(series, "validation")).transpose()?,
            test: test.map(|series| part(series, "test")).transpose()?,
            card: card_of(path, &hash_of(path)?),
            doc,
            chosen,
            config,
        })
    }
}

/// Errors in the data's units: MAE, RMSE and R2 over all windows, steps and columns.
fn errors(forecast: &[f64], truth: &[f64], width: usize) -> Outcome<Map<String, Value>> {
    let mut figures = Map::new();
    for metric in [Metric::Mae, Metric::Rmse, Metric::R2] {
        let mut state = MetricState::new(metric, OutputKind::Regression)?;
        for (y, t) in forecast.chunks_exact(width).zip(truth.chunks_exact(width)) {
            state.update(y, Target::Values(t), 1.0);
        }
        figures.insert(metric.to_string(), number(state.finish()));
    }
    Ok(figures)
}

/// The figures of a model on a part, beside those of the trivial forecasts, and a table of them.
fn compare(
    doc: &Doc,
    model: &Model,
    series: &Series,
    windows: &Dataset<f32>,
) -> Outcome<(Map<String, Value>, String)> {
    let f = series.features();
    let cut = Windows::new(doc.window, doc.horizon)?;
    let truth = cut.targets(&series.values, f);
    let width = doc.horizon * f;
    let mut metrics = errors(&doc.forecast(model, windows.inputs())?, &truth, width)?;
    let mut rows = vec![row("model", &metrics)];
    let last = errors(&cut.last_value(&series.values, f), &truth, width)?;
    rows.push(row("last value", &last));
    metrics.insert("last_value".into(), Value::Object(last));
    if let Some(season) = doc.season {
        let mut naive = errors(&cut.seasonal_naive(&series.values, f, season)?, &truth, width)?;
        rows.push(row(&format!("seasonal naive ({season})"), &naive));
        naive.insert("season".into(), season.into());
        metrics.insert("seasonal_naive".into(), Value::Object(naive));
    }
    metrics.insert("windows".into(), windows.len().into());
    Ok((metrics, table(&["", "MAE", "RMSE", "R2"], &rows)))
}

/// What is told of a model that is no better than a trivial forecast, if it is not.
fn doubt(metrics: &Map<String, Value>) -> Option<String> {
    let rmse = |figures: &Map<String, Value>| figures.get("rmse").and_then(Value::as_f64);
    let model = rmse(metrics)?;
    let named = [("last_value", "repeating the last value"), ("seasonal_naive", "repeating the last season")];
    let trivial =
        named.into_iter().filter_map(|(key, name)| Some((rmse(metrics.get(key)?.as_object()?)?, name)));
    let (best, name) = trivial.min_by(|a, b| a.0.total_cmp(&b.0))?;
    (model >= best).then(|| {
        let best = short(best);
        format!("the model is no better than {name} (RMSE {best}): {TRY}, or another data.window")
    })
}

fn row(name: &str, figures: &Map<String, Value>) -> Vec<String> {
    let cell = |key: &str| figures[key].as_f64().map_or("-".into(), short);
    vec![name.into(), cell("mae"), cell("rmse"), cell("r2")]
}

/// Measures a model on a series.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path) -> Outcome<Report> {
    let series = doc.read(path)?;
    let windows = doc.cut(&series, &path.display().to_string())?;
    let (metrics, text) = compare(doc, model, &series, &windows)?;
    Ok(Report { metrics, text, ..Report::default() })
}

impl Work for Forecast {
    fn config(&self) -> &Config {
        &self.config
    }

    fn notes(&self) -> Vec<String> {
        self.chosen.iter().cloned().collect()
    }

    fn model(&self) -> Outcome<Model> {
        let f = self.doc.values.len();
        let loss = match self.config.train.loss.as_deref() {
            Some("mae") => Loss::Mae,
            Some("huber") => Loss::Huber { delta: 1.0 },
            _ => Loss::Mse,
        };
        let layers = sequential(&self.config, Input::features(f), Dense::new(self.doc.horizon * f))?;
        let metrics = self.config.train.metrics.iter().copied();
        let mut model = layers.compile(self.config.train.optimizer.clone(), loss, metrics)?;
        model.task = TaskDoc::Forecast(self.doc.clone()).to_value()?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        let seed = train.shuffle.then_some(train.seed);
        Ok(Box::new(Shuffled::new(&self.train.windows, train.batch(), seed, false)?))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        let Some(valid) = &self.valid else { return Ok(None) };
        Ok(Some(Box::new(Shuffled::new(&valid.windows, self.config.train.batch(), None, false)?)))
    }

    fn unit(&self) -> &'static str {
        "windows"
    }

    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        plain_figures(evaluation)
    }

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let mut report = Report::default();
        for (name, part) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(part) = part else { continue };
            let (metrics, table) = compare(&self.doc, model, &part.series, &part.windows)?;
            let text = format!("{name}, in the data's units\n{table}");
            let doubt = doubt(&metrics);
            report.add_as(name, metrics, &text);
            doubt.filter(|_| name == "validation").into_iter().for_each(|doubt| report.doubt(&doubt));
        }
        Ok(report)
    }

    fn card(&self) -> Vec<(String, String)> {
        let mut card = self.card.clone();
        card.push(("rows to train on".into(), thousands(self.train.series.len())));
        if let Some(valid) = &self.valid {
            card.push(("rows held out".into(), thousands(valid.series.len())));
        }
        card.push(("columns".into(), self.doc.values.join(", ")));
        card.push(("window, horizon".into(), format!("{}, {}", self.doc.window, self.doc.horizon)));
        card
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        vec![format!("{gimbap} predict {model} series.csv"), format!("{gimbap} eval {model} later.csv")]
    }
}

/// The forecast that follows a series: `[horizon, F]`, in the data's units.
pub fn after(doc: &Doc, model: &Model, series: &Series, place: &str) -> Outcome<Vec<f64>> {
    let f = series.features();
    if series.len() < doc.window {
        return Err(Failure::work(
            "data",
            format!("{place}: has {} rows; the model sees {} before it forecasts", series.len(), doc.window),
        ));
    }
    let mut values = series.values[(series.len() - doc.window) * f..].to_vec();
    doc.scaler.transform(&mut values);
    let values = values.into_iter().map(|x| x as f32).collect();
    doc.forecast(model, &Sequences::features(values, f, &[doc.window])?)
}
