//! Same seed, same bits, at any number of threads: whole trainings, with batches of which every thread gets rows.

mod models;

use std::hash::{DefaultHasher, Hash, Hasher};

use gimbap::data::batch::{BatchSource, Shuffled, TokenStream};
use gimbap::data::layout::Layout;
use gimbap::loss::{self, RowTargets};
use gimbap::ndarray::{Array3, Axis, s};
use gimbap::optim;
use gimbap::prelude::*;
use gimbap::rng::keyed;
use gimbap::sequence;
use gimbap::train::Flow;
use models::assert_same_bits;

/// A dense layer stays on one thread up to this many multiply-adds.
const DENSE_PARALLEL_FROM: usize = 1 << 16;

fn at_threads<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

/// Weights, and every figure of the history.
struct Outcome {
    weights: Vec<f32>,
    figures: Vec<f64>,
}

impl Outcome {
    fn new(model: &Model<f32>, history: &History) -> Self {
        let mut figures = Vec::new();
        for epoch in &history.epochs {
            figures.extend([epoch.train.loss, epoch.gradient_norm, epoch.rate]);
            let evaluations = [Some(&epoch.train), epoch.valid.as_ref()].into_iter().flatten();
            figures
                .extend(evaluations.flat_map(|e| e.metrics.iter().map(|(_, value)| *value).chain([e.loss])));
        }
        assert!(figures.iter().all(|x| x.is_finite()));
        Outcome { weights: model.values().to_vec(), figures }
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.weights.iter().for_each(|w| w.to_bits().hash(&mut hasher));
        self.figures.iter().for_each(|x| x.to_bits().hash(&mut hasher));
        hasher.finish()
    }
}

/// Trains at 1, 2 and 4 threads, twice at 4, and with another seed.
fn check(train: impl Fn(u64) -> Outcome + Sync) {
    let one = at_threads(1, || train(1));
    for threads in [2, 4, 4] {
        let more = at_threads(threads, || train(1));
        assert_same_bits("weights", &more.weights, &one.weights);
        assert_same_bits("history", &more.figures, &one.figures);
        assert_eq!(more.hash(), one.hash(), "{threads} threads");
    }
    assert_ne!(train(2).hash(), one.hash(), "the seed is used");
}

/// Four threads all get rows of a recurrence with `columns` gate columns over `width` inputs and units.
fn assert_shared_out(layout: &Layout, columns: usize, width: usize) {
    let threads = at_threads(4, || sequence::threads(layout, columns, width));
    assert_eq!(threads, 4, "{} rows of {columns} by {width} are work for one thread", layout.rows());
    let cuts = layout.cuts(4);
    assert_eq!(cuts.len(), 5, "{cuts:?}");
    let lengths = layout.lengths();
    for part in cuts.windows(2) {
        assert!(lengths[part[0]..part[1]].iter().sum::<usize>() > 0, "{cuts:?} of {lengths:?}");
    }
}

#[test]
fn a_language_model_is_the_same_at_any_thread_count() {
    let (vocabulary, embedding, units) = (1200, 32, 64);
    let mut rng = keyed(1, 2, 3, 4);
    let mut tokens = |n: usize| (0..n).map(|_| rng.below(vocabulary) as u32).collect::<Vec<_>>();
    let train = TokenStream::new(tokens(12 * 60 + 1), 12, 16, 24).unwrap();
    let valid = TokenStream::new(tokens(12 * 20 + 1), 12, 16, 16).unwrap();
    let build = |seed| {
        let dense = Dense::new(vocabulary as usize).activation(Activation::Softmax);
        let model = Sequential::new(Input::ids(vocabulary as usize))
            .add(Embedding::new(embedding).padding_id(0))
            .add(Lstm::new(units).return_sequences(true).dropout(0.2).recurrent_dropout(0.2))
            .add(Dropout::new(0.1))
            .add(Gru::new(units).return_sequences(true))
            .add(dense)
            .seed(seed)
            .compile(
                Adam::new(0.01),
                Loss::SparseCategoricalCrossentropy,
                [Metric::Accuracy, Metric::Perplexity],
            );
        model.unwrap().reduction(Reduction::SumTime)
    };
    for index in 0..4 {
        let batch = BatchSource::<f32>::batch(&train, 0, index).unwrap();
        assert_shared_out(&batch.layout, 4 * units, embedding + units);
        assert_shared_out(&batch.layout, 3 * units, 2 * units);
        let rows = batch.layout.rows();
        assert!(rows * vocabulary as usize >= loss::PARALLEL_FROM, "the losses of {rows} rows");
        assert!(rows * vocabulary as usize * units > DENSE_PARALLEL_FROM, "the dense layer's product");
    }
    assert!(build(1).values().len() > optim::PARALLEL, "the optimizer's pass");
    check(|seed| {
        let mut model = build(seed);
        let fit = Fit { epochs: 2, seed, clip_norm: Some(5.0), ..Fit::default() };
        let history = model.fit_on(&train, Some(&valid), &fit, &mut |_| Flow::Continue).unwrap();
        Outcome::new(&model, &history)
    });
}

#[test]
fn a_classifier_of_ragged_sequences_is_the_same_at_any_thread_count() {
    let (features, units) = (6, 48);
    let mut rng = keyed(5, 6, 7, 8);
    let lengths: Vec<usize> =
        (0..60).map(|b| if b % 13 == 0 { 0 } else { 4 + rng.below(30) as usize }).collect();
    let values = (0..lengths.iter().sum::<usize>() * features).map(|_| rng.normal() as f32).collect();
    let classes: Vec<u32> = (0..lengths.len()).map(|_| rng.below(3) as u32).collect();
    let x = Sequences::features(values, features, &lengths).unwrap();
    let data = Dataset::new(x.allow_empty(), &classes).unwrap();
    let marks = (0..data.inputs().total_steps()).map(|_| rng.bernoulli(0.05)).collect();
    let data = data.resets(marks).unwrap();
    let source = Shuffled::new(&data, 20, Some(1), false).unwrap();
    for epoch in 0..2 {
        for index in 0..3 {
            let layout = source.batch(epoch, index).unwrap().layout.clone();
            assert_shared_out(&layout, 3 * units, features + units);
            assert_shared_out(&layout, units, 3 * units);
        }
    }
    check(|seed| {
        let mut model = Sequential::new(Input::features(features))
            .add(Bidirectional::new(
                Gru::new(units).reset_after(false).return_sequences(true).dropout(0.2).recurrent_dropout(0.2),
            ))
            .add(LayerNorm::default())
            .add(SimpleRnn::irnn(units).recurrent_dropout(0.3))
            .add(Dropout::new(0.2))
            .add(Dense::new(3).activation(Activation::Softmax))
            .seed(seed)
            .compile(RmsProp::new(0.01), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .unwrap();
        let fit = Fit { epochs: 2, batch_size: 20, seed, ..Fit::default() };
        let history = model.fit_data(&data, Some(&data), &fit).unwrap();
        Outcome::new(&model, &history)
    });
}

#[test]
fn truncated_and_checkpointed_trainings_are_the_same_at_any_thread_count() {
    let (features, units, steps) = (4, 40, 150);
    let mut rng = keyed(9, 10, 11, 12);
    let lengths: Vec<usize> = (0..16).map(|_| steps - rng.below(60) as usize).collect();
    let rows: usize = lengths.iter().sum();
    let mut values = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<_>>();
    let x = Sequences::features(values(rows * features), features, &lengths).unwrap();
    let data =
        Dataset::new(x, Targets::per_step(RowTargets::Values { values: values(rows), width: 1 })).unwrap();
    let layout = Shuffled::new(&data, 16, None, false).unwrap().batch(0, 0).unwrap().layout.clone();
    assert_shared_out(&layout.segment(64..128), 4 * units, features + units);
    assert_shared_out(&layout.segment(60..80), 4 * units, features + units);
    for bptt in [Bptt::Checkpointed, Bptt::Truncated { k1: 10, k2: 20 }] {
        check(|seed| {
            let mut model = Sequential::new(Input::features(features))
                .add(Lstm::new(units).return_sequences(true).recurrent_dropout(0.1))
                .add(Gru::new(units).return_sequences(true))
                .add(Dense::new(1))
                .seed(seed)
                .compile(Sgd::new(0.01).momentum(0.9), Loss::Mae, [Metric::Rmse])
                .unwrap();
            let fit = Fit { epochs: 2, batch_size: 16, seed, bptt, clip_norm: Some(1.0), ..Fit::default() };
            let history = model.fit_data(&data, None, &fit).unwrap();
            Outcome::new(&model, &history)
        });
    }
}

/// Sequences alone, whose dense rows go one by one, and in a batch, whose rows share tiles and threads.
#[test]
fn a_sequence_has_the_same_outputs_in_any_batch() {
    let (sequences, steps, features, units) = (30, 9, 5, 1100);
    let model = Sequential::new(Input::features(features))
        .add(Gru::new(17).return_sequences(true))
        .add(Dense::new(units).activation(Activation::Tanh))
        .add(Dense::new(3))
        .compile(Sgd::new(0.1), Loss::Mse, [])
        .unwrap();
    let mut rng = keyed(1, 2, 3, 4);
    let x = Array3::from_shape_simple_fn((sequences, steps, features), || rng.normal() as f32);
    let together = at_threads(4, || model.predict(&x).unwrap());
    for b in 0..sequences {
        let alone = model.predict(&x.slice(s![b..=b, .., ..]).to_owned()).unwrap();
        let of_batch = together.index_axis(Axis(0), b);
        assert_same_bits("outputs", alone.as_slice().unwrap(), of_batch.as_slice().unwrap());
        let first = model.predict(&x.slice(s![b..=b, ..1, ..]).to_owned()).unwrap();
        assert_same_bits("first output", first.as_slice().unwrap(), &of_batch.as_slice().unwrap()[..3]);
    }
}
