//! Trainings that go on: a second `fit`, with a file in between or without, and what makes the optimizer begin anew.

mod models;

use std::collections::HashMap;
use std::path::Path;

use gimbap::data::batch::{BatchSource, TokenStream};
use gimbap::quantize::Precision;
use gimbap::rng::keyed;
use gimbap::train::{Ended, Event, Flow};
use gimbap::{Arithmetic, checkpoint};
use models::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

use gimbap::prelude::*;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn fit(epochs: usize) -> Fit {
    Fit { epochs, batch_size: 4, seed: 5, clip_norm: Some(1.0), ..Fit::default() }
}

fn optimizers() -> Vec<Optimizer> {
    vec![
        Adam::new(0.01).into(),
        AdamW::new(0.01).weight_decay(0.1).into(),
        RmsProp::new(0.01).momentum(0.5).into(),
        RmsProp::new(0.01).into(),
        Sgd::new(0.1).momentum(0.9).into(),
        Sgd::new(0.1).into(),
    ]
}

const LENGTHS: [usize; 10] = [3, 9, 5, 5, 7, 1, 2, 8, 4, 6];

/// With dropout, so that what is drawn shows.
fn start<R: Arithmetic>(optimizer: Optimizer) -> (Model<R>, Dataset<R>) {
    let form = Form::DroppedLast;
    let model = model::<R>(Cell::Lstm, form, 6, 1).compile(optimizer, Loss::Mse, []).unwrap();
    (model, dataset(form, &Sequence::many(&LENGTHS, 3)))
}

/// The model as another process would have it.
fn through_a_file<R: Arithmetic>(model: &Model<R>) -> Model<R> {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    checkpoint::save_with_optimizer(model, &path).unwrap();
    load_as(&path).unwrap()
}

fn check_goes_on<R: Arithmetic>(optimizer: &Optimizer) {
    let (mut once, data) = start::<R>(optimizer.clone());
    once.fit_data(&data, None, &fit(4)).unwrap();
    let (mut twice, _) = start::<R>(optimizer.clone());
    twice.fit_data(&data, None, &fit(2)).unwrap();
    let mut loaded = through_a_file(&twice);
    assert_eq!(loaded, twice);
    assert_eq!(loaded.optimizer_state(), twice.optimizer_state());
    for model in [&mut twice, &mut loaded] {
        let history = model.fit_data(&data, None, &fit(2)).unwrap();
        assert_eq!(history.epochs.iter().map(|epoch| epoch.epoch).collect::<Vec<_>>(), [0, 1]);
        assert_same_bits(&format!("{optimizer:?}"), model.values(), once.values());
        assert_eq!(model.optimizer_state(), once.optimizer_state());
    }
    assert_eq!(once.optimizer_state().unwrap().step, 12);
}

#[test]
fn two_trainings_are_one_with_a_file_in_between_or_without() {
    for optimizer in optimizers() {
        check_goes_on::<f32>(&optimizer);
    }
    check_goes_on::<f64>(&Adam::new(0.01).into());
}

#[test]
fn two_trainings_over_a_stream_of_tokens_are_one() {
    let mut rng = keyed(1, 1, 1, 3);
    let tokens: Vec<u32> = (0..3 * 60 + 2).map(|_| rng.below(VOCABULARY as u64) as u32).collect();
    // Of segments whose number differs from epoch to epoch.
    let stream = TokenStream::new(tokens, 3, 8, 8).unwrap().jitter(4).unwrap();
    assert_ne!(BatchSource::<f32>::batches(&stream, 0), BatchSource::<f32>::batches(&stream, 1));
    let train = |model: &mut Model, epochs| {
        model.fit_on(&stream, None, &fit(epochs), &mut |_| Flow::Continue).unwrap();
    };
    let build = || {
        let model = model::<f32>(Cell::Lstm, Form::DroppedTokens, 6, 1);
        model.compile(Adam::new(0.01), Loss::SparseCategoricalCrossentropy, []).unwrap()
    };
    let (mut once, mut twice) = (build(), build());
    train(&mut once, 3);
    train(&mut twice, 1);
    let mut loaded = through_a_file(&twice);
    train(&mut loaded, 2);
    assert_same_bits("tokens", loaded.values(), once.values());
}

/// In the first epoch after loading the loss was fifty times what it had been.
#[test]
fn a_loss_does_not_jump_after_loading() {
    let x =
        gimbap::ndarray::Array3::from_shape_fn((32, 12, 1), |(b, t, _)| (0.4 * t as f32 + b as f32).sin());
    let y = gimbap::ndarray::Array2::from_shape_fn((32, 1), |(b, _)| (0.4 * 12.0 + b as f32).sin());
    let layers = Sequential::new(Input::features(1)).add(Lstm::new(8)).add(Dense::new(1));
    let mut model = layers.compile(Adam::new(0.02), Loss::Mse, []).unwrap();
    let before = model.fit(&x, &y, &fit(150)).unwrap().loss()[149];
    let mut loaded = through_a_file(&model);
    let after = loaded.fit(&x, &y, &fit(1)).unwrap().loss()[0];
    let mut anew = model.clone().compile(Adam::new(0.02), Loss::Mse, []).unwrap();
    let jumped = anew.fit(&x, &y, &fit(1)).unwrap().loss()[0];
    assert!(after < 2.0 * before && jumped > 5.0 * before, "{before}, {after}, anew {jumped}");
}

#[test]
fn a_plain_file_has_no_more_than_the_weights() {
    let (mut model, data) = start::<f32>(Adam::new(0.01).into());
    model.fit_data(&data, None, &fit(2)).unwrap();
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    save(&model, &path).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded, model);
    assert!(loaded.optimizer_state().is_none());
    assert_eq!(checkpoint::to_bytes(&loaded).unwrap(), std::fs::read(&path).unwrap());
    assert_eq!(Parts::of(&path).document["format"], 1);
    assert!(Parts::of(&path).document.get("optimizer").is_none());
    // Nor has that of a model that does not know what its optimizer did.
    checkpoint::save_with_optimizer(&loaded, &path).unwrap();
    assert_eq!(checkpoint::to_bytes(&loaded).unwrap(), std::fs::read(&path).unwrap());
}

#[test]
fn other_weights_or_another_optimizer_begin_anew() {
    let (mut trained, data) = start::<f32>(Adam::new(0.01).into());
    trained.fit_data(&data, None, &fit(2)).unwrap();
    assert_eq!(trained.optimizer_state().unwrap().step, 6);
    let fresh = |model: &Model| {
        let training = model.training().unwrap().clone();
        model.clone().compile(training.optimizer, training.loss, training.metrics).unwrap()
    };
    let check = |what: &str, model: Model| {
        assert!(model.optimizer_state().is_none(), "{what}");
        let (mut model, mut expected) = (model.clone(), fresh(&model));
        model.fit_data(&data, None, &fit(1)).unwrap();
        expected.fit_data(&data, None, &fit(1)).unwrap();
        assert_same_bits(what, model.values(), expected.values());
    };
    let mut edited = trained.clone();
    edited.values_mut()[0] += 0.5;
    check("values_mut", edited);
    let mut edited = trained.clone();
    let b: Vec<f32> = trained.parameter("dense.b").unwrap().iter().map(|b| b + 0.5).collect();
    edited.set_parameter("dense.b", &b).unwrap();
    check("set_parameter", edited);
    check("compile", trained.clone().compile(Sgd::new(0.1).momentum(0.9), Loss::Mse, []).unwrap());
    // What is refused leaves it.
    let mut kept = trained.clone();
    assert!(kept.set_parameter("dense.c", &b).is_err());
    assert!(kept.fit_data(&data, None, &Fit { clip_norm: Some(0.0), ..fit(1) }).is_err());
    assert!(kept.fit_data(&data, None, &fit(0)).unwrap().epochs.is_empty());
    assert_eq!(kept.optimizer_state(), trained.optimizer_state());
    // A quantised model does not train.
    let small = trained.quantized(Precision::Int8).unwrap();
    assert!(small.optimizer_state().is_none());
    assert_eq!(through_a_file(&small), small);
}

/// The second training of a model, in a folder: stopped amid an epoch and resumed by a model that was built anew.
#[test]
fn a_second_training_resumes_bit_for_bit() {
    let (mut first, data) = start::<f32>(Adam::new(0.01).into());
    first.fit_data(&data, None, &fit(2)).unwrap();
    let mut expected = first.clone();
    expected.fit_data(&data, None, &fit(3)).unwrap();
    let folder = folder();
    let fit = Fit { directory: Some(folder.path().into()), ..fit(3) };
    let train = gimbap::data::batch::Shuffled::new(&data, 4, Some(5), false).unwrap();
    let mut steps = 0;
    let mut stop = |event: Event<'_>| {
        steps += usize::from(matches!(event, Event::Step { .. }));
        if steps == 4 { Flow::Stop } else { Flow::Continue }
    };
    let history = first.clone().fit_on(&train, None, &fit, &mut stop).unwrap();
    assert_eq!(history.ended, Ended::Interrupted);
    let (mut model, _) = start::<f32>(Adam::new(0.01).into());
    model.resume_on(&train, None, &fit, &mut |_| Flow::Continue).unwrap();
    assert_same_bits("resumed", model.values(), expected.values());
    assert_eq!(model.optimizer_state(), expected.optimizer_state());
    // And a third goes on from there.
    model.fit_data(&data, None, &Fit { directory: None, ..fit.clone() }).unwrap();
    expected.fit_data(&data, None, &Fit { directory: None, ..fit }).unwrap();
    assert_same_bits("a third", model.values(), expected.values());
}

/// The state of a run says nothing new of a model that was not trained before.
#[test]
fn a_first_runs_state_has_the_fields_that_it_had() {
    let (mut model, data) = start::<f32>(Adam::new(0.01).into());
    let folder = folder();
    model.fit_data(&data, None, &Fit { directory: Some(folder.path().into()), ..fit(1) }).unwrap();
    let bytes = std::fs::read(folder.path().join("trainer.safetensors")).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let document: Value =
        serde_json::from_str(&metadata.metadata().as_ref().unwrap()["gimbap_trainer"]).unwrap();
    let mut fields: Vec<&str> = document[2].as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = [
        "averaged",
        "batch",
        "best",
        "best_epoch",
        "epoch",
        "identity",
        "logged",
        "losses",
        "metrics",
        "norm",
        "rows",
        "same",
        "schedule",
        "seconds",
        "step",
        "stopped",
        "sum",
        "waited",
    ];
    assert_eq!(fields, expected);
}

/// A model file, taken apart.
struct Parts {
    document: Value,
    tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let document = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["gimbap"]).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let tensors = tensors.into_iter().map(|(n, t)| (n, t.shape().to_vec(), t.data().to_vec()));
        Parts { document, tensors: tensors.collect() }
    }

    fn write(&self, path: &Path) {
        let views = self.tensors.iter().map(|(name, shape, data)| {
            (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
        });
        let metadata = HashMap::from([("gimbap".to_string(), self.document.to_string())]);
        std::fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    }
}

#[test]
fn a_file_whose_optimizer_does_not_fit_is_refused() {
    let (mut model, data) = start::<f32>(Adam::new(0.01).into());
    model.fit_data(&data, None, &fit(1)).unwrap();
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    let broken = |change: &dyn Fn(&mut Parts)| {
        checkpoint::save_with_optimizer(&model, &path).unwrap();
        let mut parts = Parts::of(&path);
        change(&mut parts);
        parts.write(&path);
        load(&path).map(|_| ()).unwrap_err().to_string()
    };
    let n = model.values().len();
    let at = |name: &'static str| move |t: &(String, Vec<usize>, Vec<u8>)| t.0 == name;
    let check = |error: String, told: &str| assert!(error.contains(told), "{error}");
    check(
        broken(&|p| p.tensors.retain(|t| t.0 != "optimizer.v")),
        "`optimizer.v`: is missing, a moment of adam",
    );
    check(
        broken(&|p| {
            let m = p.tensors.iter_mut().find(|t| at("optimizer.m")(t)).unwrap();
            (m.1, m.2) = (vec![3], vec![0; 12]);
        }),
        &format!("`optimizer.m`: has shape [3]; the model has {n} values"),
    );
    check(
        broken(&|p| {
            p.document["training"]["optimizer"] = json!({"type": "sgd", "rate": 0.1, "momentum": 0.9})
        }),
        "`optimizer.v`: is no moment of sgd",
    );
    check(broken(&|p| p.document["training"] = Value::Null), "an optimizer's state, and no optimizer");
    check(broken(&|p| p.document["format"] = json!(1)), "format 1 and an optimizer's state");
    let none = broken(&|p| drop(p.document.as_object_mut().unwrap().remove("optimizer")));
    check(none, "format 3 and no optimizer's state");
    check(
        broken(&|p| p.document["precision"] = json!("int8")),
        "format 3, which has no weights that are Int8",
    );
    let plain = broken(&|p| {
        drop(p.document.as_object_mut().unwrap().remove("optimizer"));
        p.document["format"] = json!(1);
    });
    check(plain, "belongs to no layer");
}
