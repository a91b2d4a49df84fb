//! Tests of series.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

/// Series of one column of values.
fn series(values: &[f64]) -> Series {
    Series {
        id: None,
        times: (1..=values.len()).map(|row| row.to_string()).collect(),
        clock: Vec::new(),
        names: vec!["x".into()],
        values: values.to_vec(),
        observed: vec![true; values.len()],
        roles: Roles { values: 1, past: 0, known: 0 },
        ahead: Vec::new(),
    }
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
    // A value, one known up to the present, one known ahead.
    let rows: Vec<f64> = (0..6).map(f64::from).flat_map(|row| [row, 10.0 * row, 100.0 * row]).collect();
    let of = |roles, names: &[&str], width: usize| Series {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        values: rows.chunks(3).flat_map(|row| &row[..width]).copied().collect(),
        roles,
        ..series(&[0.0; 6])
    };
    let windows = Windows::new(2, 2).unwrap();
    let past = of(Roles { values: 1, past: 1, known: 0 }, &["a", "b"], 2);
    let set = windows.cut(std::slice::from_ref(&past), false).unwrap();
    assert_eq!(set.starts, [(0, 0), (0, 1), (0, 2)]);
    assert_eq!(set.inputs[4..8], [1.0, 10.0, 2.0, 20.0]);
    assert_eq!(set.targets, [2.0, 3.0, 3.0, 4.0, 4.0, 5.0]);
    assert_eq!((windows.steps(&past.roles), windows.width(&past.roles)), (2, 2));
    // The last target is the last row: nothing is wasted, nothing lies beyond.
    assert_eq!(windows.targets(&past.wanted(), 1)[4..], [4.0, 5.0]);

    let known = of(Roles { values: 1, past: 1, known: 1 }, &["a", "b", "c"], 3);
    let set = windows.cut(&[past.clone(), known.clone()][1..], false).unwrap();
    assert_eq!((windows.steps(&known.roles), windows.width(&known.roles)), (4, 4));
    // Of the rows asked for, what is known ahead and nothing else.
    assert_eq!(set.inputs[16..24], [1.0, 10.0, 100.0, 0.0, 2.0, 20.0, 200.0, 0.0]);
    assert_eq!(set.inputs[24..32], [0.0, 0.0, 300.0, 1.0, 0.0, 0.0, 400.0, 1.0]);
    assert_eq!(set.targets[2..4], [3.0, 4.0]);
}

#[test]
fn as_many_windows_as_fit() {
    let windows = Windows::new(12, 1).unwrap();
    assert_eq!(
        (windows.count(7776), windows.count(13), windows.count(12), windows.count(0)),
        (7764, 1, 0, 0)
    );
    refused(
        windows.cut(&[series(&[0.0; 12])], false),
        &["12 rows are fewer than one window of 12 and a horizon of 1"],
    );
    refused(Windows::new(0, 1), &["data.window: 0 rows"]);
    refused(Windows::new(1, 0), &["data.horizon: 0 rows"]);
}

#[test]
fn windows_stay_within_a_series_and_ask_for_what_was_observed() {
    let mut second = series(&[10.0, 11.0, 12.0, 13.0]);
    second.observed[2] = false;
    let all = [series(&[1.0, 2.0, 3.0]), second];
    let windows = Windows::new(1, 1).unwrap();
    let set = windows.cut(&all, false).unwrap();
    assert_eq!(set.targets, [2.0, 3.0, 11.0, 12.0, 13.0]);
    let set = windows.cut(&all, true).unwrap();
    assert_eq!((set.targets, set.starts), (vec![2.0, 3.0, 11.0, 13.0], vec![(0, 0), (0, 1), (1, 0), (1, 2)]));
}

#[test]
fn parts_share_no_row() {
    let (train, test) = series(&[1.0, 2.0, 3.0, 4.0, 5.0]).split_at(3);
    assert_eq!((train.len(), test.len(), test.times[0].as_str()), (3, 2, "4"));
    assert_eq!(Windows::new(1, 1).unwrap().cut(&[test], false).unwrap().inputs, [4.0]);
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
    // A short series: what is summed over fewer pairs at a longer lag is no less alike.
    assert_eq!(guess_period(&wave(48.0, 0.0, 170), 1), Some(48));
    let day_and_week: Vec<f64> = (0..1200)
        .map(|i| {
            (f64::from(i) * std::f64::consts::TAU / 24.0).sin() + if i / 24 % 7 > 4 { -1.5 } else { 0.0 }
        })
        .collect();
    assert_eq!(guess_period(&day_and_week, 1), Some(168));
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
