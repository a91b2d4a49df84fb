//! A forecaster that knows the calendar and the holidays ahead, saved and loaded with its scaler.
//!
//! The traffic of each hour hangs on the hour and on whether it is a holiday, and drifts: `y = level(hour, holiday) + e`, `e =
//! 0.9 e' + N(0, 3)`. So the best possible error is known: what the drift adds after the last hour that was seen. Forecasts
//! of a day ahead from the past alone cannot know tomorrow's holidays.
//!
//! `cargo run --release -p gimbap --example forecaster`

use std::fmt::Write;

use gimbap::data::time::Calendar;
use gimbap::prelude::*;
use gimbap::rng;

const WINDOW: usize = 48;
const HORIZON: usize = 24;
const DRIFT: f64 = 0.9;
const NOISE: f64 = 3.0;

/// A table of so many days: `time,flow,holiday`.
fn traffic(days: usize) -> String {
    let mut random = rng::keyed(1, 0, 0, 0);
    let mut table = String::from("time,flow,holiday\n");
    let mut drift = 0.0;
    for day in 0..days {
        let holiday = random.bernoulli(0.15);
        for hour in 0..24 {
            drift = DRIFT * drift + NOISE * random.normal();
            let swing = if holiday { 25.0 } else { 80.0 };
            let flow = 100.0 + swing * ((f64::from(hour) - 6.0) / 24.0 * std::f64::consts::TAU).sin() + drift;
            let (month, day) = (1 + day / 28, 1 + day % 28);
            let _ = writeln!(table, "2024-{month:02}-{day:02} {hour:02}:00,{flow:.3},{}", u8::from(holiday));
        }
    }
    table
}

/// The mean error of a forecast that knows everything but the drift to come: its deviation after `h` hours is `NOISE sqrt((1
/// - DRIFT^2h) / (1 - DRIFT^2))`, and a normal variable's mean size `sqrt(2 / pi)` of its deviation.
fn best_possible() -> f64 {
    let deviation = |h: usize| NOISE * ((1.0 - DRIFT.powi(2 * h as i32)) / (1.0 - DRIFT * DRIFT)).sqrt();
    (1..=HORIZON).map(deviation).sum::<f64>() / HORIZON as f64 * std::f64::consts::FRAC_2_PI.sqrt()
}

/// Trains on all but the last tenth and gives the model, its scaler and its mean error on that tenth.
fn train(table: &std::path::Path, columns: &SeriesColumns) -> Result<(Model<f32>, Scaler, f64)> {
    let series = SeriesTable::read(table, columns)?.series.remove(0);
    let roles = series.roles;
    let (mut past, mut rest) = series.split_at(series.len() * 9 / 10);
    // Fitted on what is trained on, or the last tenth would leak into it.
    let scaler = Scaler::fit(Scaling::Standard, &past.values, roles.features())?;
    scaler.transform(&mut past.values);
    scaler.transform(&mut rest.values);

    let windows = Windows::new(WINDOW, HORIZON)?;
    let (steps, width) = (windows.steps(&roles), windows.width(&roles));
    let data = |series: &Series| -> Result<Dataset<f32>> {
        let set = windows.cut(std::slice::from_ref(series), false)?;
        let inputs = Sequences::features(set.inputs, width, &vec![steps; set.starts.len()])?;
        if roles.known == 0 {
            // One row of 24 hours for each window.
            return Dataset::new(
                inputs,
                Targets::per_sequence(RowTargets::Values { values: set.targets, width: HORIZON }),
            );
        }
        // One value for each hour that is read ahead; the hours of the window have none.
        let values = set.targets.chunks(HORIZON).flat_map(|day| [&[0.0; WINDOW][..], day].concat()).collect();
        let counts = (0..set.starts.len() * steps).map(|step| step % steps >= WINDOW).collect();
        Dataset::new(inputs, Targets::per_step(RowTargets::Values { values, width: 1 }))?.mask(counts)
    };
    let ahead = roles.known > 0;
    let mut model = Sequential::new(Input::features(width))
        .add(Lstm::new(32).return_sequences(ahead))
        .add(Dense::new(if ahead { 1 } else { HORIZON }))
        .compile(Adam::new(0.01), Loss::Mse, [])?;
    model.fit_data(&data(&past)?, None, &Fit { epochs: 5, clip_norm: Some(1.0), ..Fit::default() })?;

    let test = data(&rest)?;
    let found = model.predict(test.inputs())?;
    let found = found.as_standard_layout();
    let each = found.len() / test.len();
    let days = found.as_slice().unwrap_or(&[]).chunks(each).flat_map(|day| &day[each - HORIZON..]);
    let wanted = windows.targets(&rest.wanted(), 1);
    let error: f64 =
        days.zip(&wanted).map(|(&y, t)| (f64::from(y) - t).abs()).sum::<f64>() / wanted.len() as f64;
    // In vehicles, not in deviations.
    let error = error * scaler.scale()[0];
    Ok((model, scaler, error))
}

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("gimbap-forecaster-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
    let table = folder.join("traffic.csv");
    std::fs::write(&table, traffic(140)).map_err(|source| Error::Io { path: table.clone(), source })?;

    let past = SeriesColumns { values: vec!["flow".into()], ..SeriesColumns::default() };
    let known =
        SeriesColumns { known: vec!["holiday".into()], calendar: vec![Calendar::Hour], ..past.clone() };
    let (_, _, from_past) = train(&table, &past)?;
    let (mut model, scaler, with_known) = train(&table, &known)?;
    println!("mean error of the next {HORIZON} hours");
    println!("  from the flow alone            {from_past:.2}");
    println!("  hour and holidays known ahead  {with_known:.2}");
    println!("  best possible                  {:.2}", best_possible());

    // The scaler travels with the model: what lies in `task` is saved and loaded with it.
    model.task = serde_json::to_value(&scaler).unwrap_or_default();
    let file = folder.join("model.safetensors");
    save(&model, &file)?;
    let again = load(&file)?;
    let scaler_again: Scaler = serde_json::from_value(again.task.clone()).unwrap_or_else(|_| scaler.clone());
    println!("loaded whole: {}", again.values() == model.values() && scaler_again == scaler);
    std::fs::remove_dir_all(&folder).map_err(|source| Error::Io { path: folder, source })
}
