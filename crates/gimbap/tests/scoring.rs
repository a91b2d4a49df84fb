//! The scorer against the softmax of what a model predicts, in any company, in segments, and what it refuses.

mod models;

use gimbap::Arithmetic;
use gimbap::layer::LayerSpec;
use gimbap::ndarray::s;
use gimbap::prelude::*;
use gimbap::quantize::Precision;
use gimbap::rng::keyed;
use gimbap::score::Scorer;
use models::{CELLS, Cell, Options, assert_same_bits, layer, randomise};

/// Of two layers, with scores of `v` tokens, at random weights.
fn language_model<R: Arithmetic>(cell: Cell, first: impl Into<LayerSpec>, v: usize, last: Dense) -> Model<R> {
    let steps = Options { sequences: true, ..Options::default() };
    let layers = Sequential::new(Input::ids(v)).add(first).add(layer(cell, 9, steps));
    let mut model = layers.add(layer(cell, 6, steps)).add(last).build::<R>().unwrap();
    randomise(&mut model, 5);
    model
}

fn sequences(lengths: &[usize], v: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut rng = keyed(seed, 0, 0, 0);
    lengths.iter().map(|&n| (0..n).map(|_| rng.below(v as u64) as u32).collect()).collect()
}

/// What the model sees: the first token, then all but the last.
fn before(sequence: &[u32]) -> Vec<u32> {
    [&[1], &sequence[..sequence.len().saturating_sub(1)]].concat()
}

/// The log-probabilities that follow from the outputs of `predict`, in f64.
fn expected<R: Arithmetic>(model: &Model<R>, sequences: &[Vec<u32>]) -> Vec<Vec<f64>> {
    let inputs: Vec<Vec<u32>> = sequences.iter().map(|s| before(s)).collect();
    let scores = model.predict(&inputs).unwrap();
    let of = |(b, sequence): (usize, &Vec<u32>)| {
        let log_prob = |(t, &id): (usize, &u32)| {
            let row: Vec<f64> = scores.slice(s![b, t, ..]).iter().map(|x| x.to_f64()).collect();
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row[id as usize] - largest - row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
        };
        sequence.iter().enumerate().map(log_prob).collect()
    };
    sequences.iter().enumerate().map(of).collect()
}

fn assert_close<R: Arithmetic>(found: &[Vec<R>], expected: &[Vec<f64>], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (sequence, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "sequence {sequence}");
        for (t, (found, expected)) in found.iter().zip(expected).enumerate() {
            let apart = (found.to_f64() - expected).abs();
            assert!(apart <= tolerance, "sequence {sequence}, token {t}: {} and {expected}", found.to_f64());
        }
    }
}

#[test]
fn log_probabilities_are_the_softmax_of_what_is_predicted() {
    let v = 23;
    let ragged = sequences(&[5, 1, 0, 12, 3, 12, 7], v, 1);
    for cell in CELLS {
        let model = language_model::<f32>(cell, OneHot, v, Dense::new(v));
        assert_close(
            &Scorer::new(&model).unwrap().log_probs(1, &ragged).unwrap(),
            &expected(&model, &ragged),
            1e-5,
        );
        let model = language_model::<f64>(cell, Embedding::new(4), v, Dense::new(v));
        assert_close(
            &Scorer::new(&model).unwrap().log_probs(1, &ragged).unwrap(),
            &expected(&model, &ragged),
            1e-12,
        );
    }
    let model =
        language_model::<f32>(Cell::Lstm, OneHot, v, Dense::new(v)).quantized(Precision::Int8).unwrap();
    assert_close(
        &Scorer::new(&model).unwrap().log_probs(1, &ragged).unwrap(),
        &expected(&model, &ragged),
        1e-5,
    );
}

#[test]
fn a_model_with_a_softmax_is_scored_by_what_is_below_it() {
    let (plain, v) = (Dense::new(11), 11);
    let lines = sequences(&[4, 9], v, 2);
    let probs = |last: Dense| {
        let model = language_model::<f32>(Cell::GruAfter, OneHot, v, last);
        Scorer::new(&model).unwrap().log_probs(1, &lines).unwrap()
    };
    assert_eq!(probs(plain.clone()), probs(plain.activation(Activation::Softmax)));
}

/// More sequences than a group has, more rows than a segment has: none of it can be seen.
#[test]
fn a_sequence_has_the_same_bits_in_any_company() {
    let v = 4000;
    let lengths: Vec<usize> = (0..300).map(|i| i * 7 % 23).chain([400]).collect();
    let lines = sequences(&lengths, v, 3);
    for cell in [Cell::Tanh, Cell::Lstm, Cell::GruBefore] {
        let model = language_model::<f32>(cell, Embedding::new(5), v, Dense::new(v));
        let mut scorer = Scorer::new(&model).unwrap();
        let all = scorer.log_probs(1, &lines).unwrap();
        for some in [0, 3, 299, 300] {
            let alone = scorer.log_probs(1, &lines[some..=some]).unwrap();
            assert_same_bits(&format!("{cell:?}, sequence {some}"), &alone[0], &all[some]);
        }
        for threads in [1, 2, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let backwards: Vec<Vec<u32>> = lines.iter().rev().cloned().collect();
            let again = pool.install(|| scorer.log_probs(1, &backwards).unwrap());
            let (again, all) = (again.iter().rev().flatten(), all.iter().flatten());
            assert_same_bits(&format!("{cell:?} on {threads} threads"), again, all);
        }
    }
}

#[test]
fn a_million_tokens_in_segments_are_as_in_one_piece() {
    let v = 7;
    let line = sequences(&[1_000_000], v, 4);
    let model = language_model::<f32>(Cell::Lstm, OneHot, v, Dense::new(v));
    let found = Scorer::new(&model).unwrap().log_probs(1, &line).unwrap();
    let whole = expected(&model, &line);
    assert_close(&found, &whole, 1e-5);
    let (found, whole): (f64, f64) = (found[0].iter().map(|&x| f64::from(x)).sum(), whole[0].iter().sum());
    assert!((found - whole).abs() < 1e-4 * whole.abs(), "{found} and {whole}");
}

#[test]
fn next_is_the_distribution_after_each_sequence() {
    let v = 13;
    let lines = sequences(&[6, 0, 2, 6], v, 6);
    let model = language_model::<f32>(Cell::GruAfter, OneHot, v, Dense::new(v));
    let mut scorer = Scorer::new(&model).unwrap();
    let next = scorer.next(1, &lines).unwrap();
    for (line, next) in lines.iter().zip(&next) {
        let grown: Vec<Vec<u32>> = (0..v as u32).map(|id| [&line[..], &[id]].concat()).collect();
        let by_token = scorer.log_probs(1, &grown).unwrap();
        assert_eq!(*next, by_token.iter().map(|probs| probs[line.len()]).collect::<Vec<f32>>());
        assert!((next.iter().map(|&x| f64::from(x).exp()).sum::<f64>() - 1.0).abs() < 1e-5);
    }
    assert!(scorer.next(1, &[]).unwrap().is_empty() && scorer.log_probs(1, &[]).unwrap().is_empty());
}

#[test]
fn what_is_no_language_model_is_refused() {
    let ids = || Sequential::new(Input::ids(5)).add(OneHot);
    let gru = || Gru::new(3).return_sequences(true);
    for (layers, words) in [
        (Sequential::new(Input::features(5)).add(gru()).add(Dense::new(5)), "takes features"),
        (ids().add(Gru::new(3)).add(Dense::new(5)), "one output for a whole sequence"),
        (ids().add(gru()).add(Dense::new(4)), "expected 5 outputs at a step, one for each token, got 4"),
        (ids().add(gru()).add(Dense::new(5).activation(Activation::Sigmoid)), "sigmoid"),
        (ids().add(Bidirectional::new(gru())).add(Dense::new(5)), "bidirectional"),
    ] {
        let model = layers.build::<f32>().unwrap();
        let error = Scorer::new(&model).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let model = ids().add(gru()).add(Dense::new(5)).build::<f32>().unwrap();
    let mut scorer = Scorer::new(&model).unwrap();
    for (first, sequence) in [(1, vec![2, 5]), (5, vec![2])] {
        let error = scorer.log_probs(first, &[sequence]).unwrap_err().to_string();
        assert!(error.contains("token ids below 5, got 5"), "{error}");
    }
}
