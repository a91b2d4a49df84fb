//! Tied embeddings: the dense layer at the end has the embedding's vectors as its weights.

mod differences;
mod models;

use differences::{CELLS, Case, check, randomise, recurrent};
use gimbap::layer::*;
use gimbap::loss::RowTargets;
use gimbap::prelude::*;
use gimbap::quantize::Precision;
use gimbap::rng::{Rng, keyed};
use gimbap::{Arithmetic, Error};
use models::{assert_same_bits, distance};

const LOSS: Loss = Loss::SparseCategoricalCrossentropy;

/// `units` for the vectors and for the layer in front of the end, which gives every step or (`last`) one row.
fn layers(vocabulary: usize, units: usize, tied: bool, last: bool) -> Vec<LayerSpec> {
    vec![
        Embedding::new(units).tied(tied).into(),
        Lstm::new(units).return_sequences(!last).into(),
        Dense::new(vocabulary).activation(Activation::Softmax).into(),
    ]
}

fn model<R: Arithmetic>(vocabulary: usize, layers: Vec<LayerSpec>) -> Model<R> {
    let model = layers.into_iter().fold(Sequential::new(Input::ids(vocabulary)), Sequential::add);
    model.seed(3).build().unwrap().compile(Sgd::new(0.5), LOSS, []).unwrap()
}

/// Ragged sequences of tokens, with a target for every step or for every sequence.
fn data<R: Arithmetic>(vocabulary: usize, lengths: &[usize], last: bool, rng: &mut Rng) -> Dataset<R> {
    let mut tokens = |n: usize| (0..n).map(|_| rng.below(vocabulary as u64) as u32).collect::<Vec<_>>();
    let inputs: Vec<Vec<u32>> = lengths.iter().map(|&n| tokens(n)).collect();
    let targets = match last {
        true => Targets::per_sequence(RowTargets::Classes(tokens(lengths.len()))),
        false => Targets::per_step(RowTargets::Classes(tokens(lengths.iter().sum()))),
    };
    Dataset::new(Sequences::from(&inputs).allow_empty(), targets).unwrap()
}

fn place<R>(model: &Model<R>, name: &str) -> std::ops::Range<usize>
where
    R: Arithmetic,
{
    model.parameters().iter().find(|p| p.name == name).unwrap().range.clone()
}

/// A tied model, and the model with two matrices that computes the same.
fn pair<R: Arithmetic>(vocabulary: usize, units: usize, last: bool) -> (Model<R>, Model<R>) {
    let mut tied = model::<R>(vocabulary, layers(vocabulary, units, true, last));
    models::randomise(&mut tied, 5);
    let mut untied = model::<R>(vocabulary, layers(vocabulary, units, false, last));
    for parameter in tied.parameters() {
        untied.set_parameter(&parameter.name, &tied.values()[parameter.range.clone()]).unwrap();
    }
    let e = &tied.values()[place(&tied, "embedding.w")];
    let transposed: Vec<R> =
        (0..units * vocabulary).map(|at| e[at % vocabulary * units + at / vocabulary]).collect();
    untied.set_parameter("dense.w", &transposed).unwrap();
    (tied, untied)
}

/// Of one token's worth of units up to more than a dense layer packs at once.
const SIZES: [(usize, usize); 4] = [(2, 1), (11, 5), (100, 33), (1100, 20)];

#[test]
fn outputs_are_those_of_two_matrices_bit_for_bit() {
    fn check<R: Arithmetic>() {
        for (vocabulary, units) in SIZES {
            for last in [false, true] {
                let (tied, untied) = pair::<R>(vocabulary, units, last);
                let data = data::<R>(vocabulary, &[6, 0, 9, 1], last, &mut keyed(8, 0, 0, 0));
                let [a, b] = [&tied, &untied].map(|model| model.predict(data.inputs()).unwrap());
                assert_same_bits(&format!("{vocabulary} tokens, {units} units, last {last}"), &a, &b);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn the_gradient_is_the_sum_of_both_uses() {
    for (vocabulary, units) in SIZES {
        for last in [false, true] {
            let (tied, untied) = pair::<f64>(vocabulary, units, last);
            let data = data(vocabulary, &[6, 0, 9, 1], last, &mut keyed(8, 0, 0, 0));
            let [a, b] =
                [&tied, &untied].map(|model| model.gradients(&data, None, Bptt::Full, None).unwrap());
            assert_eq!(a.loss.to_bits(), b.loss.to_bits());
            for parameter in tied.parameters().iter().filter(|p| p.name != "embedding.w") {
                let of_untied = &b.parameters[place(&untied, &parameter.name)];
                assert_same_bits(&parameter.name, &a.parameters[parameter.range.clone()], of_untied);
            }
            let d_e = &a.parameters[place(&tied, "embedding.w")];
            let as_input = &b.parameters[place(&untied, "embedding.w")];
            let as_output = &b.parameters[place(&untied, "dense.w")];
            let sum: Vec<f64> = (0..d_e.len())
                .map(|at| as_input[at] + as_output[at % units * vocabulary + at / units])
                .collect();
            let apart = distance(d_e, &sum, 1e-3);
            assert!(apart < 1e-14, "{vocabulary} tokens, {units} units, last {last}: {apart:e}");
        }
    }
}

#[test]
fn gradients_by_differences() {
    let mut seed = 0;
    for cell in CELLS {
        for two in [false, true] {
            for (kind, last) in [("dense", false), ("ragged", false), ("reset", false), ("ragged", true)] {
                for steps in [1, 2, 7] {
                    seed += 1;
                    let mut rng = keyed(seed, 0, 0, 0);
                    let mut layers: Vec<LayerSpec> = vec![Embedding::new(3).tied(true).dropout(0.3).into()];
                    layers.extend(two.then(|| recurrent(cell, 2, true, 0.0)));
                    layers.push(recurrent(cell, 3, !last, 0.0));
                    layers.push(Dense::new(5).into());
                    let mut model = model::<f64>(5, layers);
                    randomise(&mut model, &mut rng);
                    let lengths = if kind == "ragged" { [steps / 2, steps, 0] } else { [steps; 3] };
                    let mut data = data(5, &lengths, last, &mut rng);
                    if kind == "reset" {
                        let marks = (0..3 * steps).map(|_| rng.bernoulli(0.4)).collect();
                        data = data.resets(marks).unwrap();
                    }
                    let name = format!("{cell}, two layers {two}, {kind}, last {last}, T {steps}");
                    check(&name, &Case { model, data, initial: None, dropout: Some(seed) });
                }
            }
        }
    }
}

#[test]
fn a_training_is_the_same_at_any_thread_count() {
    let train = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let (vocabulary, units) = (1100, 48);
            let mut model = model::<f32>(vocabulary, layers(vocabulary, units, true, false));
            let data = data(vocabulary, &[40, 30, 0, 25, 40, 12], false, &mut keyed(8, 0, 0, 0));
            let fit = Fit { epochs: 2, batch_size: 3, clip_norm: Some(1.0), ..Fit::default() };
            model.fit_data(&data, None, &fit).unwrap();
            model.values().to_vec()
        })
    };
    let one = train(1);
    for threads in [2, 4] {
        assert_same_bits("weights", &train(threads), &one);
    }
}

/// As an output every token learns, also one that no batch has.
#[test]
fn a_token_that_is_never_read_learns() {
    let mut model = model::<f32>(9, layers(9, 4, true, false));
    let before = model.parameter("embedding.w").unwrap().to_owned();
    let inputs = vec![vec![1u32, 2, 3, 4], vec![4, 3]];
    let targets = Targets::per_step(RowTargets::Classes(vec![2, 3, 4, 5, 3, 2]));
    let data = Dataset::new(&inputs, targets).unwrap();
    model.fit_data(&data, None, &Fit { epochs: 1, batch_size: 1, ..Fit::default() }).unwrap();
    let after = model.parameter("embedding.w").unwrap();
    for (token, (before, after)) in before.outer_iter().zip(after.outer_iter()).enumerate() {
        assert!(before.iter().zip(after).all(|(a, b)| a != b), "token {token} did not move");
    }
}

#[test]
fn checkpointed_gradients_are_the_full_ones() {
    let mut model = model::<f64>(7, layers(7, 4, true, false));
    models::randomise(&mut model, 5);
    let data = data(7, &[150, 70, 3], false, &mut keyed(8, 0, 0, 0));
    let gradients = |bptt| model.gradients(&data, None, bptt, None).unwrap().parameters;
    let full = gradients(Bptt::Full);
    // Not bit for bit: both uses add to one matrix, segment by segment.
    assert!(distance(&gradients(Bptt::Checkpointed), &full, 1e-3) < 1e-14);
}

#[test]
fn a_stream_and_a_file_keep_it_tied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut first = model::<f32>(11, layers(11, 5, true, false));
    models::randomise(&mut first, 5);
    for precision in [Precision::Full, Precision::Bf16, Precision::Int8] {
        let model =
            if precision == Precision::Full { first.clone() } else { first.quantized(precision).unwrap() };
        save(&model, &path).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(loaded, model);
        let names: Vec<&str> = loaded.parameters().iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["embedding.w", "lstm.w_x", "lstm.w_h", "lstm.b", "dense.b"]);
        let ids = vec![vec![3u32, 1, 4, 1, 5, 9, 2, 6]];
        let whole = model.predict(&ids).unwrap();
        let mut stream = loaded.stream().unwrap();
        for (t, &id) in ids[0].iter().enumerate() {
            let at = whole.slice(gimbap::ndarray::s![0, t, ..]);
            assert!(distance(stream.step(id), at, 1e-3) < 1e-5, "{precision:?}, step {t}");
        }
    }
}

#[test]
fn the_vectors_are_counted_once() {
    let (vocabulary, units) = (20, 8);
    let [tied, untied] =
        [true, false].map(|tied| model::<f32>(vocabulary, layers(vocabulary, units, tied, false)));
    assert_eq!(untied.values().len() - tied.values().len(), vocabulary * units);
    let last = tied.describe().unwrap().pop().unwrap();
    assert_eq!((last.0.as_str(), last.3), ("dense", vocabulary));
    let total = format!("Total params: {} ", tied.values().len());
    assert!(tied.summary().contains(&total), "{}", tied.summary());
}

#[test]
fn what_does_not_fit_is_named() {
    let embedding = || Embedding::new(4).tied(true);
    let lstm = |units| Lstm::new(units).return_sequences(true);
    let padded = embedding().padding_id(0);
    let cases: Vec<(Vec<LayerSpec>, &str, &[&str])> = vec![
        (vec![embedding().into(), lstm(6).into(), Dense::new(9).into()], "layer `dense`", &["6", "4 units"]),
        (vec![embedding().into(), lstm(4).into(), Dense::new(8).into()], "layer `dense`", &["8", "9 units"]),
        (vec![embedding().into(), lstm(4).into()], "layer `embedding`", &["Dense(9)"]),
        (vec![embedding().into(), Dense::new(9).into(), lstm(4).into()], "layer `embedding`", &["Dense(9)"]),
        (vec![padded.into(), Dense::new(9).into()], "layer `embedding`", &["padding_id"]),
        (vec![embedding().into(), Dense::new(9).l2(0.1).into()], "layer `dense`", &["l2", "`embedding`"]),
    ];
    for (layers, at, words) in cases {
        let model = layers.into_iter().fold(Sequential::new(Input::ids(9)), Sequential::add);
        match model.build::<f32>() {
            Err(Error::Config { place, message }) => {
                assert_eq!(place, at, "{message}");
                assert!(words.iter().all(|word| message.contains(word)), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Behind the last dense layer activations may follow, and a dense layer in front of it has weights of its own.
#[test]
fn the_last_dense_layer_is_the_tied_one() {
    let model = Sequential::new(Input::ids(9))
        .add(Embedding::new(4).tied(true))
        .add(Dense::new(9).activation(Activation::Tanh))
        .add(Dense::new(4))
        .add(Dense::new(9))
        .add(Activation::Softmax);
    let model = model.build::<f32>().unwrap();
    let names: Vec<&str> = model.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["embedding.w", "dense.w", "dense.b", "dense_1.w", "dense_1.b", "dense_2.b"]);
}
