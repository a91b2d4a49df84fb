//! Trainings: stopped and resumed to the bit, stopped early, broken by NaN, and what they leave in their folder.

mod models;

use std::path::Path;

use gimbap::Error;
use gimbap::data::batch::{BatchSource, Shuffled, TokenStream};
use gimbap::loss::RowTargets;
use gimbap::model::Evaluation;
use gimbap::optim::Schedule;
use gimbap::prelude::*;
use gimbap::rng::keyed;
use gimbap::train::{Ended, Epoch, Event, Flow, Identity};
use models::*;
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn go_on(_: Event<'_>) -> Flow {
    Flow::Continue
}

/// What two runs have in common if one is the other: all but the time they took.
fn figures(epochs: &[Epoch]) -> Vec<(usize, Vec<u64>)> {
    let evaluation = |e: &Evaluation| {
        let metrics = e.metrics.iter().map(|(_, value)| value.to_bits());
        [e.loss.to_bits(), e.rows as u64].into_iter().chain(metrics).collect::<Vec<_>>()
    };
    let epoch = |e: &Epoch| {
        let valid = e.valid.as_ref().map(evaluation).unwrap_or_default();
        let own = vec![e.rate.to_bits(), e.gradient_norm.to_bits(), e.averaged];
        (e.epoch, [own, evaluation(&e.train), valid].concat())
    };
    epochs.iter().map(epoch).collect()
}

/// Runs a training whole, and again with stops after the given numbers of steps (and, for 0, after an epoch),
/// resumed each time by a model that was built anew.
fn check_resume(
    build: impl Fn(u64) -> Model<f32>,
    train: &dyn BatchSource<f32>,
    valid: &dyn BatchSource<f32>,
    fit: &Fit,
    stops: &[&[usize]],
) {
    let whole = folder();
    let fit = |folder: &TempDir| Fit { directory: Some(folder.path().into()), ..fit.clone() };
    let mut expected = build(1);
    let history = expected.fit_on(train, Some(valid), &fit(&whole), &mut go_on).unwrap();
    for stops in stops {
        let stopped = folder();
        let fit = fit(&stopped);
        let mut model = build(1);
        let mut epochs = Vec::new();
        let mut last = None;
        for (index, stop) in stops.iter().map(Some).chain([None]).enumerate() {
            let mut steps = 0;
            let mut observe = |event: Event<'_>| {
                match event {
                    Event::Step { .. } => steps += 1,
                    Event::Epoch(_) => return if stop == Some(&0) { Flow::Stop } else { Flow::Continue },
                }
                if Some(&steps) == stop { Flow::Stop } else { Flow::Continue }
            };
            let history = if index == 0 {
                model.fit_on(train, Some(valid), &fit, &mut observe).unwrap()
            } else {
                model = build(90 + index as u64);
                model.resume_on(train, Some(valid), &fit, &mut observe).unwrap()
            };
            epochs.extend(history.epochs.clone());
            assert_eq!(history.ended == Ended::Interrupted, stop.is_some(), "{stops:?}: {:?}", history.ended);
            last = Some(history);
        }
        assert_same_bits(&format!("weights after stops at {stops:?}"), model.values(), expected.values());
        let last = last.unwrap();
        assert_eq!(figures(&epochs), figures(&history.epochs), "{stops:?}");
        assert_eq!((last.best_epoch, last.ended), (history.best_epoch, history.ended));
        for file in ["best.safetensors", "last.safetensors"] {
            let read = |folder: &TempDir| load(folder.path().join(file)).unwrap();
            assert_same_bits(file, read(&stopped).values(), read(&whole).values());
        }
    }
}

/// A rate that falls at nearly every epoch by a factor without an exact decimal form, and early stopping that keeps
/// the best weights.
fn restless() -> Fit {
    Fit {
        epochs: 6,
        batch_size: 4,
        seed: 5,
        clip_norm: Some(1.0),
        schedule: Schedule::Plateau {
            factor: 0.1 + 0.2,
            patience: 1,
            min_delta: 0.5,
            min_rate: 1e-6,
            keep: false,
        },
        early_stopping: Some(EarlyStopping { patience: 50, min_delta: 1e-3, restore_best: true }),
        ..Fit::default()
    }
}

const STOPS: [&[usize]; 6] = [&[1], &[2, 1, 1], &[4], &[0, 3], &[7, 0, 2, 2], &[1, 1, 1, 1, 1, 1, 1]];

#[test]
fn a_run_over_shuffled_sequences_resumes_bit_for_bit() {
    for (cell, form) in
        [(Cell::Lstm, Form::Dropped), (Cell::GruAfter, Form::DroppedLast), (Cell::Tanh, Form::Stack)]
    {
        let data = dataset(form, &Sequence::many(&[3, 9, 0, 5, 5, 7, 1, 2, 8, 4, 6, 5, 3, 9, 2, 4, 4, 1], 3));
        let train = Shuffled::new(&data, 4, Some(5), false).unwrap();
        let valid_data = dataset(form, &Sequence::many(&[4, 4, 2], 4));
        let valid = Shuffled::new(&valid_data, 2, None, false).unwrap();
        let build = |seed| {
            let model = model::<f32>(cell, form, 6, seed);
            model.compile(Adam::new(0.01), Loss::Huber { delta: 1.0 }, [Metric::Mae, Metric::R2]).unwrap()
        };
        check_resume(build, &train, &valid, &restless(), &STOPS);
    }
}

#[test]
fn a_run_over_a_stream_of_tokens_resumes_bit_for_bit() {
    let mut rng = keyed(1, 1, 1, 1);
    let mut tokens = |n: usize| (0..n).map(|_| rng.below(VOCABULARY as u64) as u32).collect::<Vec<_>>();
    let (text, valid) = (tokens(3 * 25 + 2), tokens(2 * 13 + 1));
    let valid = TokenStream::new(valid, 2, 4, 4).unwrap();
    // Segments of 6; each with the 3 steps before it; with more than a segment before it.
    for (cell, k1, k2) in [(Cell::Lstm, 6, 6), (Cell::GruBefore, 6, 9), (Cell::Lstm, 5, 13)] {
        let train = TokenStream::new(text.clone(), 3, k1, k2).unwrap();
        let build = |seed| {
            let model = model::<f32>(cell, Form::DroppedTokens, 6, seed);
            let metrics = [Metric::Accuracy, Metric::Perplexity, Metric::F1, Metric::Auc];
            model.compile(Adam::new(0.01), Loss::SparseCategoricalCrossentropy, metrics).unwrap()
        };
        check_resume(build, &train, &valid, &restless(), &STOPS);
    }
}

#[test]
fn a_run_with_the_mean_of_its_weights_resumes_bit_for_bit() {
    let mut rng = keyed(1, 1, 1, 3);
    let mut tokens = |n: usize| (0..n).map(|_| rng.below(VOCABULARY as u64) as u32).collect::<Vec<_>>();
    let train = TokenStream::new(tokens(3 * 25 + 2), 3, 6, 6).unwrap();
    let valid = TokenStream::new(tokens(2 * 13 + 1), 2, 4, 4).unwrap();
    let build = |seed| {
        let model = model::<f32>(Cell::Lstm, Form::DroppedTokens, 6, seed);
        model.compile(Sgd::new(2.0), Loss::SparseCategoricalCrossentropy, []).unwrap()
    };
    // Of segments whose number differs from epoch to epoch.
    let long = TokenStream::new(tokens(3 * 60 + 2), 3, 8, 8).unwrap().jitter(4).unwrap();
    assert_ne!(BatchSource::<f32>::batches(&long, 0), BatchSource::<f32>::batches(&long, 1));
    check_resume(build, &long, &valid, &restless(), &STOPS);
    for average in [Average::FromEpoch { epoch: 2 }, Average::NonMonotone { after: 1 }] {
        let fit = Fit { average: Some(average), ..restless() };
        let history = build(1).fit_on(&train, Some(&valid), &fit, &mut go_on).unwrap();
        let averaged: Vec<u64> = history.epochs.iter().map(|epoch| epoch.averaged).collect();
        assert!(averaged[1] == 0 && averaged[5] > 0, "{average:?}: {averaged:?}");
        check_resume(build, &train, &valid, &fit, &STOPS);
    }
}

#[test]
fn a_stateful_run_resumes_bit_for_bit() {
    let data = dataset(Form::Steps, &Sequence::many(&[5; 16], 3));
    let train = Shuffled::new(&data, 4, None, true).unwrap();
    let build = |seed| {
        let lstm = Lstm::new(5).return_sequences(true).stateful(true);
        let model = Sequential::new(Input::features(FEATURES)).add(lstm).add(Dense::new(OUTPUTS)).seed(seed);
        model.compile(Sgd::new(0.1).momentum(0.9), Loss::Mse, [Metric::Rmse]).unwrap()
    };
    check_resume(build, &train, &train, &restless(), &STOPS[..3]);
}

#[test]
fn early_stopping_resumes_where_it_waited() {
    let data = dataset(Form::Last, &Sequence::many(&[4; 12], 3));
    let train = Shuffled::new(&data, 4, Some(1), false).unwrap();
    let fit = Fit {
        epochs: 40,
        early_stopping: Some(EarlyStopping { patience: 3, min_delta: 0.05, restore_best: true }),
        ..Fit::default()
    };
    let build =
        |seed| model::<f32>(Cell::Lstm, Form::Last, 6, seed).compile(Adam::new(0.02), Loss::Mse, []).unwrap();
    check_resume(build, &train, &train, &fit, &[&[4, 0, 2], &[13], &[0, 0, 0, 0]]);
}

#[test]
fn a_stream_runs_on_as_one_sequence() {
    let mut rng = keyed(1, 1, 1, 2);
    let tokens: Vec<u32> = (0..2 * 23 + 1).map(|_| rng.below(VOCABULARY as u64) as u32).collect();
    let build = || model::<f32>(Cell::Lstm, Form::OneHot, 6, 1);
    let frozen = |mut model: Model<f32>, stream: &TokenStream| {
        let optimizer = Sgd::new(1e-30);
        model = model.compile(optimizer, Loss::SparseCategoricalCrossentropy, [Metric::Perplexity]).unwrap();
        model.fit_on(stream, None, &Fit::default(), &mut go_on).unwrap().epochs[0].train.clone()
    };
    let whole = frozen(build(), &TokenStream::new(tokens.clone(), 2, 23, 23).unwrap());
    assert_eq!(whole.rows, 46);
    for (k1, k2) in [(1, 1), (5, 5), (5, 8), (5, 12), (22, 23), (3, 23)] {
        let stream = TokenStream::new(tokens.clone(), 2, k1, k2).unwrap();
        let cut = frozen(build(), &stream);
        assert_eq!(cut.rows, 46, "each loss counts once");
        assert!((cut.loss - whole.loss).abs() < 1e-6, "{k1}, {k2}: {} and {}", cut.loss, whole.loss);
        let evaluated = build().compile(Sgd::new(1.0), Loss::SparseCategoricalCrossentropy, []).unwrap();
        let evaluated = evaluated.evaluate_on(&stream.flat()).unwrap();
        assert!((evaluated.loss - whole.loss).abs() < 1e-6, "{k1}, {k2}: evaluated {}", evaluated.loss);
    }
}

#[test]
fn overlapping_segments_go_with_full_bptt_alone() {
    let tokens: Vec<u32> = (0..400).map(|t| t % VOCABULARY as u32).collect();
    let train = TokenStream::new(tokens, 2, 70, 100).unwrap();
    for bptt in [Bptt::Checkpointed, Bptt::Truncated { k1: 5, k2: 10 }] {
        let mut model = model::<f32>(Cell::Lstm, Form::OneHot, 4, 1);
        let fit = Fit { bptt, ..Fit::default() };
        let error = model.fit_on(&train, None, &fit, &mut go_on).unwrap_err();
        assert_eq!(error.kind(), "config");
        assert!(error.to_string().contains("bptt"), "{error}");
    }
}

#[test]
fn a_run_of_another_model_is_not_resumed() {
    let folder = folder();
    let data = dataset(Form::Last, &Sequence::many(&[4; 6], 3));
    let train = Shuffled::new(&data, 3, Some(1), false).unwrap();
    let fit = Fit { directory: Some(folder.path().into()), ..Fit::default() };
    let small = || model::<f32>(Cell::Lstm, Form::Last, 6, 1);
    let error = small().resume_on(&train, None, &fit, &mut go_on).unwrap_err();
    assert_eq!(error.kind(), "io", "{error}");
    small().fit_on(&train, None, &fit, &mut go_on).unwrap();
    let error =
        model::<f32>(Cell::Lstm, Form::Last, 7, 1).resume_on(&train, None, &fit, &mut go_on).unwrap_err();
    assert!(matches!(&error, Error::Tensor { tensor, .. } if tensor == "values"), "{error:?}");
    let path = folder.path().join("trainer.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(small().resume_on(&train, None, &fit, &mut go_on).is_err());
    std::fs::copy(folder.path().join("last.safetensors"), &path).unwrap();
    let error = small().resume_on(&train, None, &fit, &mut go_on).unwrap_err();
    assert_eq!(error.kind(), "model_file", "{error}");
    let error = small().resume_on(&train, None, &Fit::default(), &mut go_on).unwrap_err();
    assert_eq!(error.kind(), "config", "{error}");
}

/// One output per step or per sequence, from a stack; `poison` spoils data or weights.
fn not_finite(
    form: Form,
    lengths: &[usize],
    fit: &Fit,
    poison: impl FnOnce(&mut Vec<Sequence<f32>>, &mut Model<f32>),
) -> (String, Option<usize>, usize, usize) {
    let mut sequences = Sequence::many(lengths, 2);
    let mut model = model::<f32>(Cell::Lstm, form, 4, 1);
    poison(&mut sequences, &mut model);
    let data = dataset(form, &sequences);
    let targets = if form.per_step() { Targets::per_step } else { Targets::per_sequence };
    let (inputs, targets) = (inputs(form, &sequences).allow_not_finite(), targets(data.targets().clone()));
    let error = model.fit_data(&Dataset::new(inputs, targets).unwrap(), None, fit).unwrap_err();
    let Error::NotFinite { layer, step, batch, epoch, .. } = &error else { panic!("{error:?}") };
    let message = error.to_string();
    assert!(
        message.contains(&format!("`{layer}`")) && message.contains(&format!("batch {}", batch + 1)),
        "{message}"
    );
    assert!(step.is_none_or(|step| message.contains(&format!("time step {step}"))), "{message}");
    (layer.clone(), *step, *batch, *epoch)
}

#[test]
fn a_nan_is_traced_to_layer_step_and_batch() {
    let fit = Fit { batch_size: 2, shuffle: false, ..Fit::default() };
    let x = |sequence: usize, step: usize| {
        move |s: &mut Vec<Sequence<f32>>, _: &mut Model<f32>| s[sequence].x[step * FEATURES + 1] = f32::NAN
    };
    let lengths = [3, 9, 6, 8, 7, 5];
    for form in [Form::Steps, Form::Stack, Form::PoolMean, Form::PoolMax, Form::Last, Form::StackLast] {
        for (sequence, step) in [(0, 0), (3, 4), (4, 6), (5, 2)] {
            let found = not_finite(form, &lengths, &fit, x(sequence, step));
            assert_eq!(found, ("lstm".into(), Some(step), sequence / 2, 0), "{form:?}, {sequence}, {step}");
        }
    }
    for bidirectional in [Form::Bidirectional(Merge::Concat), Form::BidirectionalLast] {
        let (layer, _, batch, _) = not_finite(bidirectional, &lengths, &fit, x(3, 4));
        assert_eq!((layer.as_str(), batch), ("bidirectional", 1));
    }
    // In segments, whichever of them shows it.
    let lengths = [150, 140, 160, 20];
    for bptt in [Bptt::Checkpointed, Bptt::Truncated { k1: 10, k2: 30 }] {
        let fit = Fit { bptt, ..fit.clone() };
        for form in [Form::Steps, Form::Stack, Form::PoolMean, Form::Last, Form::StackLast] {
            for (sequence, step) in [(0, 3), (1, 70), (2, 159), (3, 7)] {
                let found = not_finite(form, &lengths, &fit, x(sequence, step));
                assert_eq!(found, ("lstm".into(), Some(step), sequence / 2, 0), "{bptt:?}, {form:?}");
            }
        }
    }
}

#[test]
fn a_nan_of_the_weights_is_traced_to_its_layer() {
    let fit = Fit { batch_size: 2, ..Fit::default() };
    let weight = |name: &'static str| {
        move |_: &mut Vec<Sequence<f32>>, model: &mut Model<f32>| {
            let mut values: Vec<f32> = model.parameter(name).unwrap().iter().copied().collect();
            values[0] = f32::NAN;
            model.set_parameter(name, &values).unwrap();
        }
    };
    let stack = |name| not_finite(Form::Stack, &[4, 4], &fit, weight(name));
    assert_eq!(stack("lstm.w_h"), ("lstm".into(), Some(0), 0, 0));
    assert_eq!(stack("layer_norm.beta"), ("layer_norm".into(), Some(0), 0, 0));
    assert_eq!(stack("lstm_1.b"), ("lstm_1".into(), Some(0), 0, 0));
    assert_eq!(stack("dense.w"), ("dense".into(), Some(0), 0, 0));
    let last = |name| not_finite(Form::StackLast, &[4, 4], &fit, weight(name));
    assert_eq!(last("lstm_1.b"), ("lstm_1".into(), Some(0), 0, 0));
    assert_eq!(last("dense.b"), ("dense".into(), None, 0, 0));
    let pool = not_finite(Form::PoolMax, &[4, 4], &fit, weight("lstm.b"));
    assert_eq!(pool, ("lstm".into(), Some(0), 0, 0));
    let embedding = not_finite(Form::Embedding, &[4, 4], &fit, |sequences, model| {
        sequences[1].ids = vec![1, 2, 3, 3];
        sequences[0].ids = vec![1, 1, 1, 3];
        let mut values: Vec<f32> = model.parameter("embedding.w").unwrap().iter().copied().collect();
        values[3 * 4] = f32::INFINITY;
        model.set_parameter("embedding.w", &values).unwrap();
    });
    assert_eq!(embedding, ("embedding".into(), Some(2), 0, 0));
    // A rate far too high: the first step is fine, the second is not, and the model says so.
    let mut model =
        model::<f32>(Cell::Relu, Form::Steps, 4, 1).compile(Sgd::new(1e30), Loss::Mse, []).unwrap();
    let data = dataset(Form::Steps, &Sequence::many(&[5; 6], 1));
    let error = model.fit_data(&data, None, &fit).unwrap_err();
    let Error::NotFinite { batch, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*batch, 1);
    assert!(error.to_string().contains("lower the learning rate"), "{error}");
}

#[test]
fn a_nan_after_epochs_names_its_epoch() {
    let data = dataset(Form::Last, &Sequence::many(&[4; 6], 1));
    let mut model = model::<f32>(Cell::Tanh, Form::Last, 4, 1);
    let fit = Fit {
        epochs: 5,
        batch_size: 2,
        schedule: Schedule::Step { every: 1, factor: 1e20 },
        ..Fit::default()
    };
    let error = model.fit_data(&data, None, &fit).unwrap_err();
    let Error::NotFinite { epoch, .. } = &error else { panic!("{error:?}") };
    assert!(*epoch > 0, "{error}");
}

/// A validation part that gets worse as the training part is learnt by heart.
fn overfitting() -> (Dataset<f32>, Dataset<f32>, Model<f32>) {
    let (train, valid) = (Sequence::many(&[4; 8], 1), Sequence::many(&[4; 8], 2));
    let mut model = model::<f32>(Cell::Lstm, Form::Last, 12, 1);
    model = model.compile(Adam::new(0.03), Loss::Mse, [Metric::Mae]).unwrap();
    (dataset(Form::Last, &train), dataset(Form::Last, &valid), model)
}

#[test]
fn early_stopping_gives_the_best_weights_back() {
    let (data, valid, start) = overfitting();
    let stopping = EarlyStopping { patience: 3, min_delta: 0.0, restore_best: true };
    let run = |restore_best| {
        let mut model = start.clone();
        let early_stopping = Some(EarlyStopping { restore_best, ..stopping });
        let fit = Fit { epochs: 200, early_stopping, ..Fit::default() };
        let history = model.fit_data(&data, Some(&valid), &fit).unwrap();
        (model.evaluate_data(&valid, 32).unwrap().loss, history)
    };
    let (loss, history) = run(true);
    let losses = history.val_loss();
    let best = history.best_epoch.unwrap();
    assert_eq!(history.ended, Ended::NoImprovement);
    assert_eq!(losses.len(), best + 1 + 3, "three epochs of patience: {losses:?}");
    assert!(losses.iter().all(|l| *l >= losses[best]));
    assert_eq!(loss.to_bits(), losses[best].to_bits());
    let (loss, history) = run(false);
    assert_eq!(loss.to_bits(), history.val_loss().last().unwrap().to_bits());
}

#[test]
fn a_validation_loss_that_is_nan_is_never_the_best() {
    let (data, valid, mut model) = overfitting();
    let folder = folder();
    // NaN inputs of the validation part alone: its loss is NaN at every epoch.
    let broken = Sequences::features(vec![f32::NAN; 8 * 4 * FEATURES], FEATURES, &[4; 8]).unwrap();
    let broken = broken.allow_not_finite();
    let rows = RowTargets::Values { values: vec![0.0; 8 * OUTPUTS], width: OUTPUTS };
    let broken = Dataset::new(broken, Targets::per_sequence(rows)).unwrap();
    let fit = Fit {
        epochs: 9,
        early_stopping: Some(EarlyStopping { patience: 4, ..EarlyStopping::default() }),
        directory: Some(folder.path().into()),
        ..Fit::default()
    };
    let history = model.fit_data(&data, Some(&broken), &fit).unwrap();
    assert_eq!((history.best_epoch, history.epochs.len(), history.ended), (None, 4, Ended::NoImprovement));
    assert!(!folder.path().join("best.safetensors").exists());
    drop(valid);
}

#[test]
fn best_and_last_checkpoints_are_those_of_their_epochs() {
    let (data, valid, mut model) = overfitting();
    let folder = folder();
    let fit = Fit { epochs: 60, directory: Some(folder.path().into()), ..Fit::default() };
    let history = model.fit_data(&data, Some(&valid), &fit).unwrap();
    let losses = history.val_loss();
    let best = history.best_epoch.unwrap();
    assert!(best + 1 < losses.len(), "it overfits: {losses:?}");
    let loss = |file: &str| load(folder.path().join(file)).unwrap().evaluate_data(&valid, 32).unwrap().loss;
    assert_eq!(loss("best.safetensors").to_bits(), losses[best].to_bits());
    assert_eq!(loss("last.safetensors").to_bits(), losses.last().unwrap().to_bits());
    let last = load(folder.path().join("last.safetensors")).unwrap();
    assert_eq!(last, model);
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["best.safetensors", "last.safetensors", "trainer.safetensors"]);
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn logs_have_a_line_and_a_point_for_each_epoch() {
    let (data, valid, model) = overfitting();
    let folder = folder();
    let fit = Fit {
        epochs: 4,
        batch_size: 4,
        directory: Some(folder.path().join("run")),
        log: Some(folder.path().join("metrics.jsonl")),
        tensorboard: Some(folder.path().join("events")),
        ..Fit::default()
    };
    let mut steps = 0;
    let mut observe = |event: Event<'_>| {
        steps += usize::from(matches!(event, Event::Step { .. }));
        if steps == 5 { Flow::Stop } else { Flow::Continue }
    };
    let mut first = model.clone();
    let stopped = first.fit_observed(&data, Some(&valid), &fit, &mut observe).unwrap();
    assert_eq!((stopped.ended, stopped.epochs.len()), (Ended::Interrupted, 2));
    let train = Shuffled::new(&data, 4, Some(0), false).unwrap();
    let on = Shuffled::new(&valid, 4, None, false).unwrap();
    let rest = model.clone().resume_on(&train, Some(&on), &fit, &mut go_on).unwrap();
    let epochs: Vec<Epoch> = stopped.epochs.into_iter().chain(rest.epochs).collect();
    let lines = lines(&folder.path().join("metrics.jsonl"));
    assert_eq!(lines.len(), 4);
    for (number, (line, epoch)) in lines.iter().zip(&epochs).enumerate() {
        assert_eq!(
            (line["event"].as_str(), line["epoch"].as_u64()),
            (Some("epoch"), Some(number as u64 + 1))
        );
        assert_eq!(line["train"]["loss"].as_f64(), Some(epoch.train.loss));
        assert_eq!(line["train"]["mae"].as_f64(), Some(epoch.train.metrics[0].1));
        assert_eq!(line["valid"]["loss"].as_f64(), Some(epoch.valid.as_ref().unwrap().loss));
        assert_eq!(line["rate"].as_f64(), Some(epoch.rate));
        assert!(line["seconds"].as_f64().unwrap() >= 0.0 && line["gradient_norm"].as_f64().unwrap() > 0.0);
    }
    let events: Vec<_> =
        std::fs::read_dir(folder.path().join("events")).unwrap().map(|e| e.unwrap()).collect();
    assert!(!events.is_empty());
    for file in &events {
        assert!(file.file_name().to_string_lossy().starts_with("events.out.tfevents."), "{file:?}");
        assert!(file.metadata().unwrap().len() > 100, "{file:?}");
    }
}

#[test]
fn files_that_cannot_be_written_stop_the_run_with_their_name() {
    let (data, _, model) = overfitting();
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("below");
    let fits = [
        Fit { directory: Some(below.clone()), ..Fit::default() },
        Fit { log: Some(below.clone()), ..Fit::default() },
        Fit { tensorboard: Some(below.clone()), ..Fit::default() },
    ];
    for fit in fits {
        let error = model.clone().fit_data(&data, None, &fit).unwrap_err();
        assert_eq!(error.kind(), "io", "{error}");
        assert!(error.to_string().contains("below"), "{error}");
    }
}

/// A run of 16 streams, resumed as one of 18 (as many batches an epoch), used to read its states beyond their end.
#[test]
fn resume_refuses_another_batch_or_optimizer() {
    use gimbap::data::batch::TokenStream;
    use gimbap::prelude::*;
    use gimbap::train::Flow;

    let folder = tempfile::tempdir().unwrap();
    let tokens: Vec<u32> = (0..400).map(|i| i * i % 7).collect();
    let model = |optimizer: Optimizer| {
        let layers = Sequential::new(Input::ids(7))
            .add(OneHot)
            .add(Gru::new(5).return_sequences(true))
            .add(Dense::new(7));
        layers.compile(optimizer, Loss::SparseCategoricalCrossentropy, []).unwrap()
    };
    let fit = Fit { epochs: 2, directory: Some(folder.path().into()), ..Fit::default() };
    let streams = |n: usize| TokenStream::new(tokens.clone(), n, 3, 3).unwrap();
    let adam: Optimizer = Adam::default().into();
    model(adam.clone()).fit_on(&streams(16), None, &fit, &mut |_| Flow::Stop).unwrap();
    let resume = |optimizer: &Optimizer, n: usize, fit: &Fit| {
        model(optimizer.clone()).resume_on(&streams(n), None, fit, &mut |_| Flow::Continue).map(|_| ())
    };
    for (what, refused) in [
        ("streams", resume(&adam, 18, &fit)),
        ("batches", resume(&adam, 4, &fit)),
        ("optimizer", resume(&Sgd::new(0.1).momentum(0.9).into(), 16, &fit)),
        ("seed", resume(&adam, 16, &Fit { seed: 5, ..fit.clone() })),
    ] {
        assert!(matches!(refused, Err(Error::Config { .. })), "{what}: {refused:?}");
    }
    resume(&adam, 16, &fit).unwrap();
}

/// Everything in a folder: names and contents.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_run_is_resumed_with_its_own_data_alone() {
    let (data, valid, start) = overfitting();
    let folder = folder();
    let sources = |data| Shuffled::new(data, 4, Some(1), false).unwrap();
    let (train, valid) = (sources(&data), sources(&valid));
    let identity = |data: &str| Identity::default().with("data", data).with("labels", "a, b");
    let fit = |epochs, identity| Fit {
        epochs,
        identity,
        directory: Some(folder.path().into()),
        log: Some(folder.path().join("log")),
        ..Fit::default()
    };
    start.clone().fit_on(&train, Some(&valid), &fit(2, identity("1")), &mut go_on).unwrap();
    assert_eq!(gimbap::train::identity_of(folder.path()).unwrap(), Some(identity("1")));
    let before = contents(folder.path());
    let others = [
        (identity("2"), "data differs"),
        (identity("1").with("scaler", "x"), "scaler differs"),
        (Identity::default(), "data, labels differ"),
    ];
    for (other, told) in others {
        let error = start
            .clone()
            .resume_on(&train, Some(&valid), &fit(3, other), &mut go_on)
            .unwrap_err()
            .to_string();
        assert!(error.contains("not that of the run") && error.contains(told), "{error}");
        assert!(contents(folder.path()) == before);
    }
    let again = start.clone().resume_on(&train, Some(&valid), &fit(3, identity("1")), &mut go_on).unwrap();
    assert_eq!(again.epochs.len(), 1);
}

#[test]
fn more_patience_goes_on_with_a_run_that_had_stopped() {
    let (data, valid, start) = overfitting();
    let (train, valid) =
        (Shuffled::new(&data, 4, Some(1), false).unwrap(), Shuffled::new(&valid, 8, None, false).unwrap());
    let run = |folder: &TempDir, patience, resume| {
        let fit = Fit {
            epochs: 60,
            early_stopping: Some(EarlyStopping { patience, ..EarlyStopping::default() }),
            directory: Some(folder.path().into()),
            ..Fit::default()
        };
        let mut model = start.clone();
        let history = match resume {
            true => model.resume_on(&train, Some(&valid), &fit, &mut go_on).unwrap(),
            false => model.fit_on(&train, Some(&valid), &fit, &mut go_on).unwrap(),
        };
        (model, history)
    };
    let (whole, stopped) = (folder(), folder());
    let (expected, long) = run(&whole, 5, false);
    let (_, short) = run(&stopped, 2, false);
    assert_eq!(short.ended, Ended::NoImprovement);
    // With no more patience than it had, there is nothing to do; with more it is the run that always had it.
    assert!(run(&stopped, 2, true).1.epochs.is_empty());
    let (model, rest) = run(&stopped, 5, true);
    assert_eq!(rest.epochs.len(), long.epochs.len() - short.epochs.len());
    assert!(!rest.epochs.is_empty());
    assert_eq!((rest.best_epoch, rest.ended), (long.best_epoch, long.ended));
    assert_same_bits("more patience", model.values(), expected.values());
}

#[test]
fn a_line_that_a_kill_tore_or_kept_back_is_in_the_log_again() {
    let (data, _, start) = overfitting();
    let folder = folder();
    let train = Shuffled::new(&data, 4, Some(1), false).unwrap();
    let path = folder.path().join("metrics.jsonl");
    let fit = |epochs| Fit {
        epochs,
        directory: Some(folder.path().into()),
        log: Some(path.clone()),
        ..Fit::default()
    };
    let read = || std::fs::read_to_string(&path).unwrap();
    start.clone().fit_on(&train, None, &fit(2), &mut go_on).unwrap();
    let whole = read();
    let first = whole.find('\n').unwrap() + 1;
    // Killed between the state and the line; amid the line; amid one of an epoch that was not saved.
    for log in [&whole[..first], &whole[..first + 20], &format!("{whole}{}", &whole[..9])] {
        std::fs::write(&path, log).unwrap();
        start.clone().resume_on(&train, None, &fit(2), &mut go_on).unwrap();
        assert_eq!(read(), whole, "after {log:?}");
    }
    start.clone().resume_on(&train, None, &fit(3), &mut go_on).unwrap();
    let epochs: Vec<u64> = read()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["epoch"].as_u64().unwrap())
        .collect();
    assert_eq!(epochs, [1, 2, 3]);
}

/// Each resume left a file of points without a point.
#[test]
fn a_resume_that_trains_nothing_leaves_no_event_file() {
    let (data, valid, start) = overfitting();
    let folder = folder();
    let (train, valid) =
        (Shuffled::new(&data, 4, Some(1), false).unwrap(), Shuffled::new(&valid, 8, None, false).unwrap());
    let fit = |epochs, patience| Fit {
        epochs,
        early_stopping: Some(EarlyStopping { patience, ..EarlyStopping::default() }),
        directory: Some(folder.path().join("run")),
        tensorboard: Some(folder.path().join("events")),
        ..Fit::default()
    };
    let files = || contents(&folder.path().join("events")).len();
    start.clone().fit_on(&train, Some(&valid), &fit(2, 60), &mut go_on).unwrap();
    assert_eq!(files(), 1);
    let resume = |fit: &Fit| start.clone().resume_on(&train, Some(&valid), fit, &mut go_on).unwrap();
    assert!(resume(&fit(2, 60)).epochs.is_empty());
    assert_eq!(files(), 1, "all epochs are done");
    assert_eq!(resume(&fit(60, 2)).ended, Ended::NoImprovement);
    assert_eq!(files(), 2);
    assert!(resume(&fit(60, 2)).epochs.is_empty());
    assert_eq!(files(), 2, "it had stopped");
}

#[test]
fn options_that_cannot_be_meant_or_are_not_followed_are_refused() {
    let (data, valid, start) = overfitting();
    let train = Shuffled::new(&data, 4, Some(1), false).unwrap();
    let check = |outcome: gimbap::Result<gimbap::train::History>, place: &str| {
        let error = outcome.unwrap_err();
        assert!(error.kind() == "config" && error.to_string().contains(place), "{error}");
    };
    for min_delta in [-0.1, f64::NAN, f64::INFINITY] {
        let early_stopping = Some(EarlyStopping { min_delta, ..EarlyStopping::default() });
        check(
            start.clone().fit_data(&data, None, &Fit { early_stopping, ..Fit::default() }),
            "early_stopping.min_delta",
        );
    }
    // There is nothing left to hold out.
    let split = Fit { validation_split: 0.2, ..Fit::default() };
    check(start.clone().fit_data(&data, Some(&valid), &split), "validation_split");
    check(start.clone().fit_on(&train, None, &split, &mut go_on), "validation_split");
    assert_eq!(start.clone().fit_data(&data, None, &split).unwrap().val_loss().len(), 1);
    for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = start.clone().compile(Sgd::new(0.1), Loss::Huber { delta }, []).unwrap_err();
        assert!(error.to_string().contains("huber.delta"), "{error}");
    }
}

#[test]
fn a_reduction_that_was_asked_for_before_compile_is_kept() {
    let (data, _, start) = overfitting();
    let of = |model: Model<f32>| model.training().unwrap().reduction;
    let compile = |model: Model<f32>| model.compile(Sgd::new(0.1), Loss::Mse, []).unwrap();
    assert_eq!(of(compile(start.clone().reduction(Reduction::SumTime))), Reduction::SumTime);
    assert_eq!(of(compile(start.clone()).reduction(Reduction::SumTime)), Reduction::SumTime);
    assert_eq!(of(compile(start)), Reduction::Mean);
    drop(data);
}

#[test]
fn a_stateful_model_is_measured_on_any_number_of_sequences() {
    let model = Sequential::new(Input::features(1))
        .add(Lstm::new(3).stateful(true).return_sequences(true))
        .add(Dense::new(1))
        .seed(3)
        .compile(Sgd::new(0.1), Loss::Mae, [])
        .unwrap();
    let sequences =
        |n: usize| gimbap::ndarray::Array3::from_shape_fn((n, 4, 1), |(b, t, _)| ((b * 7 + t) as f32).sin());
    for n in [1, 31, 32, 45, 70] {
        let x = sequences(n);
        let y = gimbap::ndarray::Array3::<f32>::zeros((n, 4, 1));
        // Against nothing the mean absolute error is that of the outputs, which carry their states in the same way.
        let outputs = model.predict(&x).unwrap();
        let expected = outputs.iter().map(|y| f64::from(y.abs())).sum::<f64>() / outputs.len() as f64;
        let found = model.evaluate(&x, &y).unwrap().loss;
        assert!((found - expected).abs() < 1e-6, "{n}: {found}, {expected}");
    }
}
