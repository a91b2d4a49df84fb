//! Inputs that are a mistake more often than not: refused by name wherever arrays come in, unless they are allowed.

mod models;

use gimbap::data::dataset::Targets;
use gimbap::ndarray::Array3;
use gimbap::prelude::*;
use gimbap::{Arithmetic, Error};
use models::*;

/// What each way in says of inputs: of all that look at them.
fn refusals<R: Arithmetic>(
    form: Form,
    inputs: &Sequences<R>,
    sequences: &[Sequence<R>],
) -> Vec<Option<String>> {
    let mut model = model::<R>(Cell::Lstm, form, 4, 1);
    let good = dataset(form, sequences);
    let rows = good.targets().clone();
    let targets = if form.per_step() { Targets::per_step(rows) } else { Targets::per_sequence(rows) };
    let data = Dataset::new(inputs, targets.clone()).unwrap();
    let errors = [
        model.predict(inputs).err(),
        model.run(inputs, None).err(),
        model.evaluate(inputs, &targets).err(),
        model.evaluate_data(&data, 2).err(),
        model.gradients(&data, None, Bptt::Full, None).err(),
        model.fit(inputs, &targets, &Fit::default()).err(),
        model.fit_data(&good, Some(&data), &Fit::default()).err(),
    ];
    let told = |error: Error| {
        assert_eq!(error.kind(), "data", "{error}");
        error.to_string()
    };
    errors.into_iter().map(|error| error.map(told)).collect()
}

#[track_caller]
fn check(found: Vec<Option<String>>, told: Option<&str>) {
    for found in found {
        match (&found, told) {
            (Some(found), Some(told)) => assert!(found.starts_with(told), "{found}"),
            (found, told) => assert_eq!(found.as_deref(), told),
        }
    }
}

fn check_values<R: Arithmetic>(form: Form) {
    let lengths = [4, 1, 700, 3];
    for (bad, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        for (sequence, step, feature) in [(0, 0, 0), (1, 0, FEATURES - 1), (2, 699, 1), (3, 2, FEATURES - 1)]
        {
            let sequences: Vec<Sequence<R>> = Sequence::many(&lengths, 2);
            let mut spoilt = sequences.clone();
            spoilt[sequence].x[step * FEATURES + feature] = R::from_f64(bad);
            // A later one is not the first.
            *spoilt[3].x.last_mut().unwrap() = R::from_f64(bad);
            let told = format!(
                "input: sequence {sequence} has {name} at step {step}, feature {feature} (counted from 0)"
            );
            check(refusals(form, &inputs(form, &spoilt), &sequences), Some(&told));
        }
    }
    let sequences: Vec<Sequence<R>> = Sequence::many(&lengths, 2);
    check(refusals(form, &inputs(form, &sequences), &sequences), None);
}

#[test]
fn a_value_that_is_no_finite_number_is_named() {
    check_values::<f32>(Form::Steps);
    check_values::<f32>(Form::Last);
    check_values::<f64>(Form::Last);
}

#[test]
fn a_sequence_without_a_step_is_named() {
    for form in [Form::Steps, Form::Last, Form::OneHot] {
        let sequences: Vec<Sequence<f32>> = Sequence::many(&[2, 3, 0, 3, 0], 2);
        let allowed = inputs(form, &sequences);
        let data = Dataset::new(&allowed, {
            let rows = dataset(form, &sequences).targets().clone();
            if form.per_step() { Targets::per_step(rows) } else { Targets::per_sequence(rows) }
        });
        assert_eq!(data.unwrap(), dataset(form, &sequences));
        let refused = match allowed.steps() {
            gimbap::data::dataset::Steps::Ids(_) => {
                Sequences::from(&sequences.iter().map(|s| s.ids.clone()).collect::<Vec<_>>())
            }
            gimbap::data::dataset::Steps::Features { values, width } => {
                Sequences::features(values.clone(), *width, &allowed.lengths()).unwrap()
            }
        };
        check(refusals(form, &refused, &sequences), Some("input: sequence 2 has no step"));
        check(refusals(form, &refused.allow_empty(), &sequences), None);
    }
    // No steps of any is no sequences of steps; no sequences at all are nothing to refuse.
    let model = model::<f32>(Cell::Lstm, Form::Last, 4, 1);
    assert!(model.predict(&Array3::zeros((2, 0, FEATURES))).is_err());
    assert_eq!(model.predict(&Array3::zeros((0, 5, FEATURES))).unwrap().shape(), [0, OUTPUTS]);
}

#[test]
fn what_is_allowed_stays_allowed_in_a_part() {
    let mut sequences: Vec<Sequence<f32>> = Sequence::many(&[2, 0, 4], 2);
    sequences[2].x[0] = f32::INFINITY;
    let model = model::<f32>(Cell::Lstm, Form::Last, 4, 1);
    let all = inputs(Form::Last, &sequences).allow_not_finite();
    assert!(model.predict(all.select(&[2, 1])).is_ok());
}

/// Many values are looked at by several threads.
#[test]
fn one_value_among_many_is_found() {
    let model = Sequential::new(Input::features(64)).add(SimpleRnn::new(1)).build::<f32>().unwrap();
    let mut x = Array3::zeros((3, 700, 64));
    assert!(model.predict(&x).is_ok());
    for place in [[0, 0, 0], [1, 350, 63], [2, 699, 63]] {
        x[place] = f32::NAN;
        let [sequence, step, feature] = place;
        let told = format!("input: sequence {sequence} has NaN at step {step}, feature {feature} ");
        check(vec![model.predict(&x).err().map(|error| error.to_string())], Some(&told));
        x[place] = 0.0;
    }
}

/// A NaN is in the outputs of its sequence from its step on, and in no other.
#[test]
fn a_nan_that_is_allowed_stays_in_its_sequence() {
    let sequences: Vec<Sequence<f32>> = Sequence::many(&[5, 6, 4], 2);
    let mut spoilt = sequences.clone();
    spoilt[1].x[3 * FEATURES] = f32::NAN;
    for form in [Form::Steps, Form::Stack] {
        let model = model::<f32>(Cell::Lstm, form, 4, 1);
        let y = model.predict(inputs(form, &sequences)).unwrap();
        let found = model.predict(inputs(form, &spoilt).allow_not_finite()).unwrap();
        for (place, y) in y.indexed_iter() {
            match (place[0], place[1]) {
                (1, 3..) => assert!(found[&place].is_nan(), "{place:?}"),
                _ => assert_eq!(found[&place].to_bits(), y.to_bits(), "{place:?}"),
            }
        }
        // A stream does not look, and says so.
        let mut stream = model.stream().unwrap();
        assert!(stream.step(&[f32::NAN; FEATURES]).iter().all(|y| y.is_nan()));
        assert!(stream.step(&[0.5; FEATURES]).iter().all(|y| y.is_nan()));
        stream.reset();
        assert!(stream.step(&[0.5; FEATURES]).iter().all(|y| y.is_finite()));
    }
}
