//! A training touches only the rows of the tokens that a batch has, and ends with the bits of one that goes over all.

mod models;

use std::borrow::Cow;

use gimbap::bptt::{Job, Objective};
use gimbap::data::batch::{Batch, BatchSource, Shuffled};
use gimbap::layer::{Draw, LayerSpec, Shape};
use gimbap::network::Network;
use gimbap::optim::{Gradients, Live, Optimizer, clip};
use gimbap::prelude::*;
use gimbap::rng::keyed;
use gimbap::train::Flow;
use models::assert_same_bits;

const VOCABULARY: usize = 90;
const CLASSES: usize = 3;
const BATCH: usize = 3;
const EPOCHS: usize = 2;

/// Ragged sequences, some of which have more steps than a checkpointed segment. A batch has few of the tokens.
fn data() -> Dataset<f32> {
    let mut rng = keyed(3, 1, 4, 1);
    let lengths = [70, 9, 5, 12, 1, 66, 30, 2, 7, 4, 11, 6];
    let of_length = |&n: &usize| {
        let first = rng.below(VOCABULARY as u64 - 8) as u32;
        (0..n).map(|_| first + rng.below(8) as u32).collect::<Vec<_>>()
    };
    let sequences: Vec<Vec<u32>> = lengths.iter().map(of_length).collect();
    let targets: Vec<u32> = (0..lengths.len() as u32).map(|b| b % CLASSES as u32).collect();
    Dataset::new(&sequences, &targets).unwrap()
}

/// Each has parameters with a row for each token: one, one, two, and one of one-value rows.
fn models(l2: f64) -> [(&'static str, Vec<LayerSpec>); 4] {
    let head = Dense::new(CLASSES).activation(Activation::Softmax);
    let mut embedding = Embedding::new(20).padding_id(5);
    embedding.l2 = l2;
    let both_ways = Bidirectional::new(Gru::new(6).dropout(0.1).l2(l2));
    let onto_dense = Dense::new(1).l2(l2);
    [
        ("embedding", vec![embedding.into(), Lstm::new(8).into(), head.clone().into()]),
        ("one-hot", vec![OneHot.into(), SimpleRnn::new(100).l2(l2).into(), head.clone().into()]),
        ("both ways", vec![OneHot.into(), both_ways.into(), head.clone().into()]),
        ("dense", vec![OneHot.into(), onto_dense.into(), Lstm::new(8).into(), head.into()]),
    ]
}

fn optimizers() -> [Optimizer; 9] {
    [
        Sgd::new(0.5).into(),
        Sgd::new(0.5).weight_decay(0.1).into(),
        Sgd::new(0.5).momentum(0.9).into(),
        Sgd::new(0.5).momentum(0.9).nesterov(true).into(),
        RmsProp::new(0.01).into(),
        RmsProp::torch(0.01).momentum(0.5).into(),
        Adam::new(0.01).into(),
        Adam::torch(0.01).into(),
        AdamW::new(0.01).into(),
    ]
}

fn compile(layers: &[LayerSpec], optimizer: &Optimizer) -> Model<f32> {
    let layers = layers.iter().cloned();
    let model = layers.fold(Sequential::new(Input::ids(VOCABULARY)), |model, layer| model.add(layer));
    model.seed(7).compile(optimizer.clone(), Loss::SparseCategoricalCrossentropy, []).unwrap()
}

/// The weights after the steps of a training, each over all parameters, with gradients of its own.
fn dense(
    model: &Model<f32>,
    layers: &[LayerSpec],
    optimizer: &Optimizer,
    source: &dyn BatchSource<f32>,
    fit: &Fit,
) -> Vec<f32> {
    let all_tokens: Vec<u32> = (0..VOCABULARY as u32).collect();
    let mut network = Network::build(Shape::Ids(VOCABULARY), layers, true).unwrap();
    let mut values = model.values().to_vec();
    let mut state = optimizer.state(values.len());
    let all = Live::of_batch(network.parameters(), &all_tokens);
    let batches = source.batches(0);
    for step in 0..EPOCHS * batches {
        let (epoch, index) = (step / batches, step % batches);
        let batch: Cow<'_, Batch<f32>> = source.batch(epoch, index).unwrap();
        network.renew();
        network.start(batch.layout.batch(), None);
        let mut gradients = vec![0.0; values.len()];
        let job = Job {
            network: &mut network,
            parameters: &values,
            batch: &batch,
            objective: Objective { loss: Loss::SparseCategoricalCrossentropy, reduction: Reduction::Mean },
            draw: Some(Draw { seed: fit.seed, epoch: epoch as u64, step: step as u64 }),
            observe: None,
        };
        job.gradient(fit.bptt, &mut gradients, None).unwrap();
        for p in network.parameters().iter().filter(|p| p.l2 > 0.0) {
            clip::add_l2_gradient(&mut gradients[p.range.clone()], &values[p.range.clone()], p.l2);
        }
        if let Some(limit) = fit.clip_value {
            clip::clip_value(&mut gradients, limit);
        }
        let norm = clip::norm_at(&gradients, &all);
        assert!((norm / clip::global_norm(&gradients) - 1.0).abs() < 1e-13);
        if let Some(limit) = fit.clip_norm {
            assert!(norm > limit, "norm {norm}: nothing is clipped");
        }
        let scale = fit.clip_norm.map_or(1.0, |limit| clip::scale_to_norm(norm, limit));
        let all = Live::all(values.len());
        let gradients = Gradients { values: &mut gradients, scale, live: &all };
        optimizer.update_at(&mut state, optimizer.rate(), &mut values, gradients);
    }
    values
}

#[test]
fn rows_of_absent_tokens_are_left_out_with_the_same_bits() {
    let data = data();
    let source = Shuffled::new(&data, BATCH, Some(11), false).unwrap();
    let fits = [
        Fit::default(),
        Fit { clip_norm: Some(1e-3), ..Fit::default() },
        Fit { clip_value: Some(1e-3), clip_norm: Some(1e-4), ..Fit::default() },
        Fit { clip_norm: Some(1e-3), bptt: Bptt::Truncated { k1: 3, k2: 5 }, ..Fit::default() },
        Fit { clip_norm: Some(1e-3), bptt: Bptt::Checkpointed, ..Fit::default() },
    ];
    for (name, layers) in models(0.0).into_iter().chain(models(0.01)) {
        for optimizer in optimizers() {
            // Both ways in time do not go in segments.
            for fit in fits.iter().filter(|fit| name != "both ways" || fit.bptt == Bptt::Full) {
                let fit = Fit { epochs: EPOCHS, seed: 5, ..fit.clone() };
                let mut model = compile(&layers, &optimizer);
                let expected = dense(&model, &layers, &optimizer, &source, &fit);
                let before = model.values().to_vec();
                model.fit_on(&source, None, &fit, &mut |_| Flow::Continue).unwrap();
                assert_same_bits(&format!("{name}, {optimizer:?}, {fit:?}"), model.values(), &expected);
                assert_ne!(model.values(), before);
            }
        }
    }
}

#[test]
fn a_batch_leaves_most_rows_out() {
    let data = data();
    let source = Shuffled::new(&data, BATCH, Some(11), false).unwrap();
    let batch = source.batch(0, 0).unwrap();
    let (_, layers) = &models(0.0)[1];
    let network = Network::<f32>::build(Shape::Ids(VOCABULARY), layers, true).unwrap();
    let kernel = &network.parameters()[0];
    assert!(kernel.by_token && kernel.name == "simple_rnn.w_x");
    let live = Live::of_batch(network.parameters(), batch.input.ids());
    let all = Live::all(network.parameters().last().unwrap().range.end);
    assert!(live.len() < all.len() - kernel.range.len() / 2, "{} of {}", live.len(), all.len());
}
