//! The mean of the weights: of the steps that it says, in all places that judge or keep a model, and nowhere else.

use gimbap::data::batch::TokenStream;
use gimbap::loss::RowTargets;
use gimbap::prelude::*;
use gimbap::rng::keyed;
use gimbap::train::{Event, Flow};

const VOCABULARY: u32 = 7;

fn stream(tokens: usize, seed: u64) -> TokenStream {
    let mut rng = keyed(seed, 1, 2, 3);
    // Small ones come more often: something to learn before the rest is learnt by heart.
    let mut draw = || rng.below(u64::from(VOCABULARY)) as u32;
    let tokens: Vec<u32> = (0..tokens).map(|_| draw().min(draw())).collect();
    TokenStream::new(tokens, 2, 5, 5).unwrap()
}

fn build(optimizer: impl Into<Optimizer>) -> Model<f32> {
    Sequential::new(Input::ids(VOCABULARY as usize))
        .add(Embedding::new(4))
        .add(Lstm::new(5).return_sequences(true).dropout(0.2))
        .add(Dense::new(VOCABULARY as usize))
        .seed(3)
        .compile(optimizer, Loss::SparseCategoricalCrossentropy, [])
        .unwrap()
}

/// The weights after each step of a training without a mean, which stops at each.
fn steps(optimizer: &Optimizer, train: &TokenStream, fit: &Fit) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let fit = Fit { average: None, directory: Some(folder.path().into()), ..fit.clone() };
    let mut model = build(optimizer.clone());
    let mut stop = |event: Event<'_>| match event {
        Event::Step { .. } => Flow::Stop,
        Event::Epoch(_) => Flow::Continue,
    };
    let mut weights = Vec::new();
    model.fit_on(train, None, &fit, &mut stop).unwrap();
    weights.push(model.values().to_vec());
    loop {
        let mut stepped = false;
        let mut stop = |event: Event<'_>| {
            stepped |= matches!(event, Event::Step { .. });
            stop(event)
        };
        model.resume_on(train, None, &fit, &mut stop).unwrap();
        if !stepped {
            return weights;
        }
        weights.push(model.values().to_vec());
    }
}

#[test]
fn the_model_is_the_mean_of_the_steps_and_they_are_those_of_a_training_without_it() {
    let (train, valid) = (stream(2 * 23 + 1, 1), stream(2 * 9 + 1, 2));
    let optimizer: Optimizer = Sgd::new(0.7).momentum(0.5).into();
    let fit = Fit { epochs: 4, clip_norm: Some(1.0), seed: 9, ..Fit::default() };
    let weights = steps(&optimizer, &train, &fit);
    assert_eq!(weights.len(), 4 * 5);
    let plain = build(optimizer.clone()).fit_on(&train, Some(&valid), &fit, &mut |_| Flow::Continue).unwrap();
    for first in [0, 1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let fit = Fit {
            average: Some(Average::FromEpoch { epoch: first }),
            directory: Some(folder.path().into()),
            ..fit.clone()
        };
        let mut model = build(optimizer.clone());
        let history = model.fit_on(&train, Some(&valid), &fit, &mut |_| Flow::Continue).unwrap();
        let of = |epochs: usize| -> Vec<f32> {
            let mut mean = vec![0.0; model.values().len()];
            for (k, step) in weights[5 * first..5 * epochs].iter().enumerate() {
                let part = 1.0 / (k + 1) as f32;
                mean.iter_mut().zip(step).for_each(|(mean, w)| *mean += (w - *mean) * part);
            }
            mean
        };
        for (mean, expected) in model.values().iter().zip(of(4)) {
            assert!((mean - expected).abs() <= 1e-7 * expected.abs().max(1.0), "{mean} and {expected}");
        }
        assert_ne!(model.values(), &weights[19][..]);
        let last = load(folder.path().join("last.safetensors")).unwrap();
        assert_eq!(last.values(), model.values());
        assert_eq!(model.evaluate_on(&valid).unwrap().loss, history.val_loss()[3]);
        // The steps do not know of it.
        assert_eq!(history.loss(), plain.loss());
        for (epoch, (kept, plain)) in history.epochs.iter().zip(&plain.epochs).enumerate() {
            assert_eq!(kept.gradient_norm, plain.gradient_norm);
            assert_eq!(kept.averaged, 5 * (epoch + 1).saturating_sub(first) as u64);
            let same = kept.valid.as_ref().unwrap().loss == plain.valid.as_ref().unwrap().loss;
            assert_eq!(same, epoch < first, "epoch {epoch} of a mean from {first} on");
            assert_eq!(kept.to_json()["averaged"], kept.averaged);
        }
    }
}

#[test]
fn the_best_mean_is_kept_and_given_back() {
    let (train, valid) = (stream(2 * 23 + 1, 1), stream(2 * 9 + 1, 2));
    let folder = tempfile::tempdir().unwrap();
    let fit = Fit {
        epochs: 30,
        average: Some(Average::FromEpoch { epoch: 1 }),
        early_stopping: Some(EarlyStopping { patience: 30, ..EarlyStopping::default() }),
        directory: Some(folder.path().into()),
        ..Fit::default()
    };
    let mut model = build(Adam::new(0.05));
    let history = model.fit_on(&train, Some(&valid), &fit, &mut |_| Flow::Continue).unwrap();
    let (losses, best) = (history.val_loss(), history.best_epoch.unwrap());
    assert!(best > 1 && best < 29, "the best is in between: {losses:?}");
    assert_eq!(model.evaluate_on(&valid).unwrap().loss, losses[best]);
    let of = |file: &str| load(folder.path().join(file)).unwrap().evaluate_on(&valid).unwrap().loss;
    assert_eq!(of("best.safetensors"), losses[best]);
    assert_eq!(of("last.safetensors"), losses[29]);
}

#[test]
fn a_loss_that_rises_begins_the_mean() {
    // A rate so high that the loss soon goes up.
    let (train, valid) = (stream(2 * 23 + 1, 1), stream(2 * 9 + 1, 2));
    let run = |average| {
        let fit = Fit { epochs: 12, average, ..Fit::default() };
        build(Sgd::new(5.0)).fit_on(&train, Some(&valid), &fit, &mut |_| Flow::Continue).unwrap()
    };
    let plain = run(None).val_loss();
    for after in [0, 2] {
        let expected = (after + 1..12)
            .find(|&epoch| {
                let bar = plain[..epoch - after].iter().copied().fold(f64::INFINITY, f64::min);
                plain[epoch] > bar
            })
            .expect("the loss rises") as u64;
        let epochs = run(Some(Average::NonMonotone { after })).epochs;
        for (epoch, kept) in epochs.iter().enumerate() {
            assert_eq!(kept.averaged, 5 * (epoch as u64).saturating_sub(expected), "{after}: epoch {epoch}");
        }
        assert!(epochs[11].averaged > 0);
    }
}

#[test]
fn a_mean_goes_on_only_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let x = Sequences::features(vec![0.5f32; 12], 1, &[3; 4]).unwrap();
    let y = Targets::per_sequence(RowTargets::Values { values: vec![1.0; 4], width: 1 });
    let data = Dataset::new(x, y).unwrap();
    let model = Sequential::new(Input::features(1)).add(Lstm::new(2)).add(Dense::new(1));
    let mut model: Model<f32> = model.compile(Sgd::new(0.1), Loss::Mse, []).unwrap();
    let fit = Fit {
        average: Some(Average::FromEpoch { epoch: 0 }),
        directory: Some(folder.path().into()),
        ..Fit::default()
    };
    model.fit_data(&data, None, &fit).unwrap();
    let source = gimbap::data::batch::Shuffled::new(&data, 32, Some(0), false).unwrap();
    let without = Fit { average: None, epochs: 2, ..fit };
    let error = model.resume_on(&source, None, &without, &mut |_| Flow::Continue).unwrap_err();
    assert_eq!(error.kind(), "config");
    assert!(error.to_string().contains("its own `average`"), "{error}");
}
