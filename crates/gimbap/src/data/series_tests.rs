//! Tests of series.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

fn read(text: &str, columns: &SeriesColumns) -> Result<Series> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, text).unwrap();
    Series::read(path, columns)
}

fn values(names: &[&str]) -> SeriesColumns {
    SeriesColumns { time: None, values: names.iter().map(|&name| name.to_owned()).collect() }
}

#[track_caller]
fn refused<T: std::fmt::Debug, E: std::fmt::Debug + std::fmt::Display>(
    result: std::result::Result<T, E>,
    parts: &[&str],
) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
}

#[test]
fn the_default_is_first_column_and_all_numbers() {
    let text = "\u{feff}5 Minutes,Flow (Veh/5 Minutes),wind,% Observed\r\n04/01/2016 0:00,12,NW,100\r\n04/01/2016 0:05, 1e1 ,SE,99\r\n";
    let series = read(text, &SeriesColumns::default()).unwrap();
    assert_eq!(series.times, ["04/01/2016 0:00", "04/01/2016 0:05"]);
    assert_eq!(series.names, ["Flow (Veh/5 Minutes)", "% Observed"]);
    assert_eq!(series.values, [12.0, 100.0, 10.0, 99.0]);
    let chosen = read(text, &values(&["% Observed"])).unwrap();
    assert_eq!((chosen.values, chosen.names), (vec![100.0, 99.0], vec!["% Observed".to_owned()]));
}

#[test]
fn the_time_column_by_name() {
    let columns = SeriesColumns { time: Some("day".into()), values: Vec::new() };
    let series = read("x,day\n1,mon\n2,tue\n", &columns).unwrap();
    assert_eq!((series.times, series.values), (vec!["mon".into(), "tue".into()], vec![1.0, 2.0]));
}

#[test]
fn bad_series() {
    let all = SeriesColumns::default();
    refused(read("t,x,y\n1,2,3\n2,2,NaN\n", &all), &["a.csv, line 3, column `y`: NaN is not a finite"]);
    refused(read("t,x,y\n1,2,NA\n2,2,3\n", &all), &["line 2, column `y`: the value is missing (`NA`)"]);
    refused(read("t,x,y\n1,,3\n2,2,3\n", &all), &["line 2, column `x`: the cell is empty"]);
    refused(read("t,x\n1,2\n2,2;5\n", &all), &["line 3, column `x`: `2;5` is not a number"]);
    refused(read("t,x\n1,2\n2\n", &all), &["line 3: 1 cell"]);
    refused(read("t,w\n1,calm\n", &all), &["no column of numbers beside the time column `t`", "`t`, `w`"]);
    refused(read("x\n1\n2\n", &all), &["no column of numbers beside the time column `x`"]);
    refused(read("t,flow\n1,2\n", &values(&["flaw"])), &["no column `flaw`", "did you mean `flow`?"]);
    refused(read("0.1,0.2\n0.3,0.4\n", &all), &["line 1: the first line holds numbers"]);
    refused(read("t,x\n", &all), &["a header and no row"]);
    refused(read("", &all), &["the file is empty"]);
}

#[test]
fn scalers_are_those_of_the_training_part() {
    let train = [1.0, 10.0, 3.0, 10.0, 5.0, 10.0];
    let standard = Scaler::fit(Scaling::Standard, &train, 2).unwrap();
    assert_eq!((standard.offset.as_slice(), standard.scale[1]), (&[3.0, 10.0][..], 1.0));
    assert!((standard.scale[0] - (8.0f64 / 3.0).sqrt()).abs() < 1e-15);
    let minmax = Scaler::fit(Scaling::Minmax, &train, 2).unwrap();
    let mut other = [5.0, 11.0, 9.0, 10.0];
    minmax.transform(&mut other);
    assert_eq!(other, [1.0, 1.0, 2.0, 0.0]);
    let none = Scaler::fit(Scaling::None, &train, 2).unwrap();
    for scaler in [standard, minmax, none] {
        let mut there_and_back = train;
        scaler.transform(&mut there_and_back);
        scaler.inverse(&mut there_and_back);
        assert!(there_and_back.iter().zip(train).all(|(a, b)| (a - b).abs() < 1e-12));
        let json = serde_json::to_string(&scaler).unwrap();
        assert_eq!(serde_json::from_str::<Scaler>(&json).unwrap(), scaler);
    }
    assert_eq!(Scaler::fit(Scaling::Standard, &[], 2).unwrap_err().kind(), "data");
    for bad in [
        r#"{"scaling":"minmax","offset":[0.0],"scale":[0.0]}"#,
        r#"{"scaling":"minmax","offset":[0.0],"scale":[]}"#,
    ] {
        refused(serde_json::from_str::<Scaler>(bad), &["scaler", "no scale 0"]);
    }
    // 0.1 summed and divided is not 0.1 again.
    let constant = Scaler::fit(Scaling::Standard, &[0.1; 7], 1).unwrap();
    assert_eq!(constant.scale, [1.0]);
}

#[test]
fn windows_and_their_targets() {
    let values: Vec<f64> = (0..6).flat_map(|row| [f64::from(row), f64::from(10 * row)]).collect();
    let set = Windows::new(2, 2).unwrap().cut(&values, 2).unwrap();
    assert_eq!(set.count, 3);
    assert_eq!(set.inputs[4..8], [1.0, 10.0, 2.0, 20.0]);
    assert_eq!(set.targets[4..8], [3.0, 30.0, 4.0, 40.0]);
    assert_eq!((set.inputs.len(), set.targets.len()), (12, 12));
    let targets = Windows { window: 2, horizon: 2 }.targets(&values, 2);
    assert!(targets.iter().zip(&set.targets).all(|(&a, &b)| a as f32 == b));
    // The last target is the last row: nothing is wasted, nothing lies beyond.
    assert_eq!(targets[8..], [4.0, 40.0, 5.0, 50.0]);
}

#[test]
fn as_many_windows_as_fit() {
    let windows = Windows::new(12, 1).unwrap();
    assert_eq!(
        (windows.count(7776), windows.count(13), windows.count(12), windows.count(0)),
        (7764, 1, 0, 0)
    );
    refused(windows.cut(&[0.0; 12], 1), &["12 rows are fewer than one window of 12 and a horizon of 1"]);
    refused(Windows::new(0, 1), &["data.window: 0 rows"]);
    refused(Windows::new(1, 0), &["data.horizon: 0 rows"]);
}

#[test]
fn parts_share_no_row() {
    let series = read("t,x\n1,1\n2,2\n3,3\n4,4\n5,5\n", &SeriesColumns::default()).unwrap();
    let (train, test) = series.split_at(3);
    assert_eq!((train.len(), test.len(), test.times[0].as_str()), (3, 2, "4"));
    assert_eq!(Windows::new(1, 1).unwrap().cut(&test.values, 1).unwrap().inputs, [4.0]);
}

#[test]
fn trivial_forecasts() {
    let values = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 100.0];
    let windows = Windows::new(2, 2).unwrap();
    assert_eq!(windows.targets(&values, 1), [3.0, 10.0, 10.0, 20.0, 20.0, 30.0, 30.0, 100.0]);
    assert_eq!(windows.last_value(&values, 1), [2.0, 2.0, 3.0, 3.0, 10.0, 10.0, 20.0, 20.0]);
    // Row 2 has no row -1, so the last value; row 3 has row 0, rows 4, 5 and 6 have 1, 2 and 3.
    let seasonal = windows.seasonal_naive(&values, 1, 3).unwrap();
    assert_eq!(seasonal, [2.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 10.0]);
    // A period shorter than the horizon takes the latest whole number of periods that has been seen.
    assert_eq!(windows.seasonal_naive(&values, 1, 1).unwrap(), windows.last_value(&values, 1));
    let two_columns = Windows::new(1, 1).unwrap().last_value(&[1.0, 2.0, 3.0, 4.0], 2);
    assert_eq!(two_columns, [1.0, 2.0]);
    refused(windows.seasonal_naive(&values, 1, 0), &["data.period"]);
}

#[test]
fn a_forecast_sees_no_future() {
    let windows = Windows::new(3, 4).unwrap();
    let values: Vec<f64> = (0..40).map(f64::from).collect();
    for period in 1..=9 {
        let forecast = windows.seasonal_naive(&values, 1, period).unwrap();
        for (window, steps) in forecast.chunks(4).enumerate() {
            assert!(steps.iter().all(|&row| row <= (window + 2) as f64), "period {period}, window {window}");
        }
    }
}

#[test]
fn seasons_are_found_where_there_are_any() {
    let wave = |period: f64, trend: f64, n: usize| -> Vec<f64> {
        (0..n).map(|i| trend * i as f64 + (i as f64 * std::f64::consts::TAU / period).sin()).collect()
    };
    assert_eq!(guess_period(&wave(12.0, 0.1, 144), 1), Some(12));
    assert_eq!(guess_period(&wave(24.0, 0.0, 500), 1), Some(24));
    let two: Vec<f64> = wave(7.0, 0.0, 100).into_iter().flat_map(|x| [x, 0.0]).collect();
    assert_eq!(guess_period(&two, 2), Some(7));
    let line: Vec<f64> = (0..50).map(f64::from).collect();
    assert_eq!(guess_period(&line, 1), None);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let noise: Vec<f64> = (0..300).map(|_| f64::from(rng.next_u32() >> 8)).collect();
    assert_eq!(guess_period(&noise, 1), None);
    assert_eq!(guess_period(&[5.0; 20], 1), None);
    assert_eq!(guess_period(&[1.0], 1), None);
    assert_eq!(guess_period(&[], 1), None);
}
