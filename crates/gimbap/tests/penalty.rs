//! Activation regularisation: what it adds to the loss, its gradient, and that it changes nothing else.

mod differences;

use differences::{CELLS, Case, check, randomise, recurrent, states, uniform};
use gimbap::Error;
use gimbap::layer::*;
use gimbap::loss::RowTargets;
use gimbap::prelude::*;
use gimbap::rng::{Rng, keyed};
use gimbap::train::Flow;

const FEATURES: usize = 2;

/// Sequences of features with two targets at each step, some steps beginning anew.
fn data(lengths: &[usize], resets: bool, rng: &mut Rng) -> Dataset<f64> {
    let steps: usize = lengths.iter().sum();
    let x =
        Sequences::features(uniform(rng, steps * FEATURES, 1.0), FEATURES, lengths).unwrap().allow_empty();
    let y = RowTargets::Values { values: uniform(rng, steps * 2, 2.0), width: 2 };
    let data = Dataset::new(x, Targets::per_step(y)).unwrap();
    if !resets {
        return data;
    }
    data.resets((0..steps).map(|_| rng.bernoulli(0.4)).collect()).unwrap()
}

fn build(layers: Vec<LayerSpec>, rng: &mut Rng) -> Model<f64> {
    let layers = layers.into_iter().fold(Sequential::new(Input::features(FEATURES)), Sequential::add);
    let model = layers.add(Dense::new(2)).build::<f64>().unwrap();
    let mut model = model.compile(Adam::default(), Loss::Mse, []).unwrap();
    randomise(&mut model, rng);
    model
}

#[test]
fn gradients_of_every_cell_behind_it() {
    let mut seed = 0;
    for cell in CELLS {
        for (layers, bidirectional) in [(1, false), (2, false), (1, true)] {
            for (lengths, resets) in [([7, 7, 7], false), ([3, 7, 0], false), ([7, 5, 7], true)] {
                for most in [1, 2, 7] {
                    seed += 1;
                    let mut rng = keyed(seed, 0, 0, 0);
                    let lengths = lengths.map(|n: usize| n.min(most));
                    let name = format!("{cell}, {layers}, {bidirectional}, {lengths:?}, resets {resets}");
                    let layer = |units| match bidirectional {
                        true => Bidirectional::new(recurrent(cell, units, true, 0.0)).into(),
                        false => recurrent(cell, units, true, 0.0),
                    };
                    let mut specs: Vec<LayerSpec> =
                        vec![layer(3), Penalty::default().alpha(0.7).beta(1.9).into()];
                    if layers == 2 {
                        specs.extend([layer(2), Penalty::default().beta(0.4).into()]);
                    }
                    // As a language model has it: the one on what dropout leaves, the other on what it gets.
                    specs.extend([Dropout::new(0.3).into(), Penalty::default().alpha(1.3).into()]);
                    let model = build(specs, &mut rng);
                    let initial = Some(states(&model, 3, &mut rng));
                    let data = data(&lengths, resets, &mut rng);
                    check(&name, &Case { model, data, initial, dropout: Some(seed) });
                }
            }
        }
    }
}

/// The two means, from what the layer in front gives: a dense one, which knows no resets.
#[test]
fn the_loss_grows_by_the_two_means() {
    let mut rng = keyed(3, 0, 0, 0);
    let lengths = [4usize, 0, 6, 1];
    let marks: Vec<bool> = (0..11).map(|_| rng.bernoulli(0.4)).collect();
    let data = data(&lengths, false, &mut rng).resets(marks.clone()).unwrap();
    let dense = Dense::new(3).activation(Activation::Tanh);
    let plain = build(vec![dense.clone().into()], &mut rng);
    let without = plain.gradients(&data, None, Bptt::Full, None).unwrap().loss;
    let mut inner = Sequential::new(Input::features(FEATURES)).add(dense.clone()).build::<f64>().unwrap();
    let n = inner.values().len();
    inner.values_mut().copy_from_slice(&plain.values()[..n]);
    let h = inner.predict(data.inputs().clone()).unwrap();
    let (mut squares, mut changes, mut rows, mut pairs) = (0.0, 0.0, 0, 0);
    for (b, &length) in lengths.iter().enumerate() {
        for t in 0..length {
            let follows = t > 0 && !marks[rows];
            rows += 1;
            pairs += usize::from(follows);
            for j in 0..3 {
                squares += h[[b, t, j]].powi(2);
                changes += if follows { (h[[b, t, j]] - h[[b, t - 1, j]]).powi(2) } else { 0.0 };
            }
        }
    }
    assert!(rows == 11 && pairs > 2 && pairs < 8, "{pairs} pairs");
    let (ar, tar) = (squares / (3 * rows) as f64, changes / (3 * pairs) as f64);
    for (alpha, beta) in [(2.0, 0.0), (0.0, 1.0), (0.3, 1.7), (0.0, 0.0)] {
        let penalty = Penalty::default().alpha(alpha).beta(beta);
        let mut model = build(vec![dense.clone().into(), penalty.into()], &mut rng);
        model.values_mut().copy_from_slice(plain.values());
        let found = model.gradients(&data, None, Bptt::Full, None).unwrap().loss - without;
        let expected = alpha * ar + beta * tar;
        assert!((found - expected).abs() < 1e-14, "{alpha}, {beta}: {found} and {expected}");
        // Not what a model says or how it is judged.
        assert_eq!(
            model.predict(data.inputs().clone()).unwrap(),
            plain.predict(data.inputs().clone()).unwrap()
        );
        assert_eq!(model.evaluate_data(&data, 2).unwrap(), plain.evaluate_data(&data, 2).unwrap());
    }
}

#[test]
fn the_loss_that_a_training_tells_is_the_models_own() {
    let data = data(&[5; 6], false, &mut keyed(1, 0, 0, 0));
    let train = |penalty: Option<Penalty>| {
        let lstm = LayerSpec::from(Lstm::new(3).return_sequences(true));
        let layers = [lstm].into_iter().chain(penalty.map(LayerSpec::from)).collect();
        let mut model = build(layers, &mut keyed(2, 0, 0, 0));
        let history = model.fit_data(&data, None, &Fit { epochs: 2, ..Fit::default() }).unwrap();
        (history.loss(), model.values().to_vec())
    };
    let (plain, weights) = train(None);
    assert_eq!(train(Some(Penalty::default())), (plain.clone(), weights.clone()));
    let (penalised, moved) = train(Some(Penalty::default().alpha(2.0).beta(1.0)));
    assert_eq!(penalised[0], plain[0], "one batch an epoch: before the first step");
    assert_ne!((penalised[1], moved), (plain[1], weights));
}

#[test]
fn what_it_cannot_be_is_refused() {
    let build = |layers: Vec<LayerSpec>| {
        let layers = layers.into_iter().fold(Sequential::new(Input::features(FEATURES)), Sequential::add);
        layers.add(Dense::new(2)).build::<f64>()
    };
    let lstm = Lstm::new(3).return_sequences(true);
    for (penalty, wrong) in [
        (Penalty::default().alpha(-1.0), "`alpha` is -1"),
        (Penalty::default().beta(f64::NAN), "`beta` is NaN"),
        (Penalty::default().alpha(f64::INFINITY), "`alpha` is inf"),
    ] {
        let error = build(vec![lstm.clone().into(), penalty.into()]).unwrap_err().to_string();
        assert!(error.starts_with("layer `penalty`") && error.contains(wrong), "{error}");
    }
    let error = build(vec![Lstm::new(3).into(), Penalty::default().alpha(1.0).into()]).unwrap_err();
    assert!(error.to_string().contains("return_sequences"), "{error}");
    // Means over a batch are no sums over its segments.
    let data = data(&[70; 2], false, &mut keyed(1, 0, 0, 0));
    let model = build(vec![lstm.into(), Penalty::default().alpha(1.0).into()]).unwrap();
    let mut model = model.compile(Adam::default(), Loss::Mse, []).unwrap();
    for bptt in [Bptt::Checkpointed, Bptt::Truncated { k1: 5, k2: 10 }] {
        let fit = Fit { bptt, ..Fit::default() };
        let source = gimbap::data::batch::Shuffled::new(&data, 2, None, false).unwrap();
        let error = model.fit_on(&source, None, &fit, &mut |_| Flow::Continue).unwrap_err();
        assert!(matches!(&error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("full BPTT"), "{error}");
        assert!(model.gradients(&data, None, bptt, None).is_err());
    }
}

#[test]
fn it_is_written_down_and_read_back() {
    let read = |json: &str| serde_json::from_str::<LayerSpec>(json);
    let spec = Penalty::default().alpha(2.0).beta(1.0);
    assert_eq!(read(r#"{"type":"penalty","alpha":2.0,"beta":1.0}"#).unwrap(), spec.into());
    for spec in [spec, Penalty::default(), Penalty::default().beta(0.5)] {
        let written = serde_json::to_string(&LayerSpec::from(spec)).unwrap();
        assert_eq!(read(&written).unwrap(), spec.into(), "{written}");
    }
    let error = read(r#"{"type":"penalty"}"#).unwrap_err().to_string();
    assert!(error.contains("`alpha`") && error.contains("`beta`"), "{error}");
    assert!(read(r#"{"type":"penalty","rate":0.5}"#).is_err());
}
