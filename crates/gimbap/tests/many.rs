//! Streams side by side: as a stream alone, whatever runs beside; reordered, kept and taken up again.

use gimbap::Arithmetic;
use gimbap::layer::LayerSpec;
use gimbap::prelude::*;
use gimbap::quantize::Precision;
use gimbap::rng::{Rng, keyed};
use gimbap::stream::Many;

const V: usize = 13;

/// Every cell, alone and stacked, behind ids as one-hot and as embedding.
fn models<R: Arithmetic>() -> Vec<(&'static str, Model<R>)> {
    let cells: [(&str, LayerSpec, LayerSpec); 5] = [
        ("simple_rnn", steps(SimpleRnn::new(17)), steps(SimpleRnn::new(9))),
        ("irnn", steps(SimpleRnn::irnn(17)), steps(SimpleRnn::irnn(9))),
        ("lstm", steps(Lstm::new(17)), steps(Lstm::new(9))),
        ("gru", steps(Gru::new(17)), steps(Gru::new(9))),
        ("gru, reset before", steps(Gru::new(17).reset_after(false)), steps(Gru::new(9).reset_after(false))),
    ];
    let ids = || Sequential::new(Input::ids(V));
    let mut all = Vec::new();
    for (name, one, two) in cells {
        let narrow = ids().add(Embedding::new(5)).add(one.clone());
        all.push((name, ids().add(OneHot).add(one).add(Dense::new(V))));
        all.push((name, narrow.add(LayerNorm::default()).add(Dropout::new(0.4)).add(two).add(Dense::new(V))));
    }
    let built = |(number, (name, sequential)): (usize, (&'static str, Sequential))| {
        let mut model: Model<R> = sequential.build().unwrap();
        let mut rng = keyed(number as u64, 0, 0, 0);
        model.values_mut().iter_mut().for_each(|w| *w = R::from_f64(0.4 * rng.normal()));
        (name, model)
    };
    all.into_iter().enumerate().map(built).collect()
}

fn steps<K>(layer: gimbap::layer::Recurrent<K>) -> LayerSpec
where
    LayerSpec: From<gimbap::layer::Recurrent<K>>,
{
    layer.return_sequences(true).into()
}

fn ids(rng: &mut Rng, n: usize) -> Vec<u32> {
    (0..n).map(|_| rng.below(V as u64) as u32).collect()
}

/// The output of a stream alone after these ids.
fn alone<R: Arithmetic>(model: &Model<R>, ids: &[u32]) -> Vec<R> {
    let mut stream = model.stream().unwrap();
    ids.iter().map(|&id| stream.step(id).to_vec()).last().unwrap()
}

fn close<R: Arithmetic>(name: &str, found: &[R], expected: &[R], tolerance: f64) {
    let largest = expected.iter().fold(1.0, |m: f64, x| m.max(x.to_f64().abs()));
    for (x, y) in found.iter().zip(expected) {
        assert!((x.to_f64() - y.to_f64()).abs() <= tolerance * largest, "{name}: {x:?} and {y:?}");
    }
    assert_eq!(found.len(), expected.len());
}

/// Streams that grow, end, fork and change places, each against a stream that reads the same ids alone.
fn as_alone<R: Arithmetic>(models: Vec<(&str, Model<R>)>, tolerance: f64) {
    for (name, model) in models {
        let mut rng = keyed(7, 0, 0, 0);
        let mut many = Many::new(&model, 3).unwrap();
        let mut read: Vec<Vec<u32>> = vec![Vec::new(); 3];
        for from in [&[0, 1, 2][..], &[2, 0, 0, 1, 2], &[4, 1], &[0], &[0; 7], &[6, 5, 4, 3, 2, 1, 0]] {
            many.reorder(from);
            read = from.iter().map(|&stream| read[stream].clone()).collect();
            assert_eq!(many.streams(), from.len());
            for _ in 0..2 {
                let next = ids(&mut rng, from.len());
                let outputs = many.step(&next);
                assert_eq!(outputs.len(), from.len() * V);
                for ((read, id), output) in read.iter_mut().zip(next).zip(outputs.chunks_exact(V)) {
                    read.push(id);
                    close(name, output, &alone(&model, read), tolerance);
                }
            }
        }
    }
}

#[test]
fn streams_side_by_side_are_streams() {
    as_alone(models::<f32>(), 1e-5);
    as_alone(models::<f64>(), 1e-13);
}

#[test]
fn rounded_weights_are_those_of_a_stream() {
    for precision in [Precision::Int8, Precision::Bf16] {
        as_alone(
            models::<f32>()
                .into_iter()
                .map(|(name, model)| (name, model.quantized(precision).unwrap()))
                .collect(),
            1e-5,
        );
    }
}

#[test]
fn what_runs_beside_changes_no_bit() {
    for (name, model) in models::<f32>() {
        let mut rng = keyed(8, 0, 0, 0);
        let rows: Vec<Vec<u32>> = (0..9).map(|_| ids(&mut rng, 11)).collect();
        let mut many = Many::new(&model, 11).unwrap();
        let mut two = Many::new(&model, 2).unwrap();
        let mut one = Many::new(&model, 1).unwrap();
        for row in rows {
            let all = many.step(&row).to_vec();
            assert_eq!(
                two.step(&[row[5], row[2]]),
                [&all[5 * V..6 * V], &all[2 * V..3 * V]].concat(),
                "{name}"
            );
            assert_eq!(one.step(&row[10..]), &all[10 * V..], "{name}");
        }
    }
}

#[test]
fn states_go_to_streams_and_back() {
    for (name, model) in models::<f32>() {
        let mut many = Many::new(&model, 2).unwrap();
        many.step(&[3, 4]);
        many.step(&[5, 6]);
        let state = many.state(1);
        let mut stream = model.stream().unwrap();
        stream.restore(&state).unwrap();
        let (bytes, expected) = (stream.state().to_bytes(), stream.step(7).to_vec());
        assert_eq!(bytes, state.to_bytes(), "{name}");
        close(name, &expected, &alone(&model, &[4, 6, 7]), 1e-5);
        many.restore(&state, 3).unwrap();
        for output in many.step(&[7, 7, 7]).chunks_exact(V) {
            close(name, output, &expected, 1e-5);
        }
        many.restore(&stream.state(), 1).unwrap();
        close(name, many.step(&[8]), &alone(&model, &[4, 6, 7, 8]), 1e-5);
        many.start(2);
        let outputs = many.step(&[1, 2]).to_vec();
        close(name, &outputs[V..], &alone(&model, &[2]), 1e-5);
    }
}

#[test]
fn the_bits_are_the_same_at_any_number_of_threads() {
    let large = Sequential::new(Input::ids(V)).add(Embedding::new(48)).add(steps(Lstm::new(64)));
    let model: Model<f32> = large.add(Dense::new(3000)).build().unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut many = Many::new(&model, 8).unwrap();
            many.step(&[1, 2, 3, 4, 5, 6, 7, 8]);
            many.reorder(&[7, 7, 0, 1]);
            many.step(&[9, 1, 2, 3]).to_vec()
        })
    };
    let expected = run(1);
    assert_eq!(run(2), expected);
    assert_eq!(run(4), expected);
}

#[test]
fn models_that_have_no_output_for_each_id_say_so() {
    let ids = || Sequential::new(Input::ids(V)).add(OneHot);
    let cases = [
        (Sequential::new(Input::features(V)).add(steps(Lstm::new(3))), "the model takes features"),
        (ids().add(Lstm::new(3)), "the model has one output for a whole sequence"),
        (ids().add(steps(Lstm::new(3))).add(Pool::Mean), "the model has one output for a whole sequence"),
        (ids().add(Bidirectional::new(Gru::new(3).return_sequences(true))), "needs each sequence whole"),
    ];
    for (sequential, why) in cases {
        let model: Model<f32> = sequential.build().unwrap();
        let error = Many::new(&model, 1).unwrap_err();
        assert_eq!(error.kind(), "unsupported");
        assert!(error.to_string().contains(why), "{error}");
    }
}

fn small() -> Model<f32> {
    Sequential::new(Input::ids(V)).add(OneHot).add(steps(Lstm::new(3))).build().unwrap()
}

#[test]
#[should_panic(expected = "an id for each stream")]
fn a_missing_id_panics() {
    Many::new(&small(), 2).unwrap().step(&[1]);
}

#[test]
#[should_panic(expected = "ids below 13")]
fn an_id_beyond_the_vocabulary_panics() {
    Many::new(&small(), 2).unwrap().step(&[1, 13]);
}

#[test]
#[should_panic(expected = "there are 2 streams")]
fn a_stream_that_is_not_there_panics() {
    Many::new(&small(), 2).unwrap().reorder(&[0, 2]);
}

#[test]
#[should_panic(expected = "at least one stream")]
fn no_stream_panics() {
    Many::new(&small(), 2).unwrap().reorder(&[]);
}
