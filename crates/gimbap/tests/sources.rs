//! What a training asks of a source of batches: an error that is passed on, a rate that goes with the batch, segments
//! that vary from epoch to epoch.

use std::borrow::Cow;

use gimbap::data::batch::{Batch, BatchSource, TokenStream};
use gimbap::loss::RowTargets;
use gimbap::prelude::*;
use gimbap::score::Scorer;
use gimbap::train::Flow;

const VOCABULARY: u32 = 11;

fn tokens(n: usize) -> Vec<u32> {
    (0..n as u64).map(|t| ((t * t / 3 + t) % u64::from(VOCABULARY)) as u32).collect()
}

fn build(rate: f64) -> Model<f32> {
    Sequential::new(Input::ids(VOCABULARY as usize))
        .add(OneHot)
        .add(Gru::new(5).return_sequences(true).dropout(0.2))
        .add(Dense::new(VOCABULARY as usize))
        .seed(3)
        .compile(Sgd::new(rate), Loss::SparseCategoricalCrossentropy, [])
        .unwrap()
}

/// A stream with another rate, that breaks off.
struct Changed {
    stream: TokenStream,
    rate_scale: f64,
    breaks_at: usize,
}

impl BatchSource<f32> for Changed {
    fn batches(&self, epoch: usize) -> usize {
        BatchSource::<f32>::batches(&self.stream, epoch)
    }

    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<f32>>> {
        if index == self.breaks_at {
            let gone = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(Error::io("tokens", gone));
        }
        let batch = BatchSource::<f32>::batch(&self.stream, epoch, index)?.into_owned();
        Ok(Cow::Owned(Batch { rate_scale: self.rate_scale, ..batch }))
    }

    fn targets(&self) -> usize {
        BatchSource::<f32>::targets(&self.stream)
    }
}

fn stream() -> TokenStream {
    TokenStream::new(tokens(2 * 30 + 1), 2, 6, 6).unwrap()
}

#[test]
fn a_batch_scales_the_rate_of_its_step() {
    let train = |rate: f64, rate_scale: f64| {
        let source = Changed { stream: stream(), rate_scale, breaks_at: usize::MAX };
        let mut model = build(rate);
        let fit = Fit { epochs: 2, ..Fit::default() };
        let history = model.fit_on(&source, None, &fit, &mut |_| Flow::Continue).unwrap();
        assert!(history.epochs.iter().all(|epoch| epoch.rate == rate), "the schedule's own");
        model.values().to_vec()
    };
    assert_eq!(train(0.5, 0.25), train(0.125, 1.0));
    assert_ne!(train(0.5, 0.25), train(0.5, 1.0));
}

#[test]
fn a_batch_that_cannot_be_read_ends_training_and_evaluation_with_its_error() {
    let source = Changed { stream: stream(), rate_scale: 1.0, breaks_at: 3 };
    let mut steps = 0;
    let mut observe = |_: gimbap::train::Event<'_>| {
        steps += 1;
        Flow::Continue
    };
    let error = build(0.1).fit_on(&source, None, &Fit::default(), &mut observe).unwrap_err();
    assert!(matches!(&error, Error::Io { .. }), "{error:?}");
    assert_eq!(steps, 3);
    let error = build(0.1).evaluate_on(&source).unwrap_err();
    assert!(matches!(&error, Error::Io { .. }), "{error:?}");
}

/// The inputs, targets and lengths of an epoch's batches.
fn epoch(source: &TokenStream, epoch: usize) -> (Vec<Vec<u32>>, Vec<Vec<u32>>, Vec<usize>) {
    let (mut inputs, mut targets, mut lengths) = (vec![Vec::new(); 2], vec![Vec::new(); 2], Vec::new());
    for index in 0..BatchSource::<f32>::batches(source, epoch) {
        let batch: Cow<'_, Batch<f32>> = source.batch(epoch, index).unwrap();
        let RowTargets::Classes(classes) = &batch.targets else { panic!("classes") };
        for (row, (&input, &target)) in batch.input.ids().iter().zip(classes).enumerate() {
            inputs[row % 2].push(input);
            targets[row % 2].push(target);
        }
        let steps = batch.layout.steps();
        assert_eq!(batch.continues, index > 0);
        let last = inputs[0].len() == source_length(source);
        assert_eq!(batch.carry_at, (!last).then_some(steps));
        assert_eq!((batch.loss_from, batch.rate_scale), (0, steps as f64 / 70.0));
        lengths.push(steps);
    }
    (inputs, targets, lengths)
}

fn source_length(source: &TokenStream) -> usize {
    BatchSource::<f32>::targets(source) / 2
}

#[test]
fn segments_vary_and_tile_the_streams_in_every_epoch() {
    let n = 200_000;
    let text = tokens(2 * n + 1);
    let stream = || TokenStream::new(text.clone(), 2, 70, 70).unwrap();
    let source = stream().jitter(5).unwrap();
    let (inputs, targets, lengths) = epoch(&source, 0);
    assert!(inputs == [&text[..n], &text[n..2 * n]] && targets == [&text[1..=n], &text[n + 1..]]);
    // The same by (seed, epoch), whatever was asked for in between; others else.
    let (.., second) = epoch(&source, 1);
    assert_eq!(epoch(&source, 0).2, lengths);
    assert_eq!(epoch(&stream().jitter(5).unwrap(), 1).2, second);
    assert_ne!(second, lengths);
    assert_ne!(epoch(&stream().jitter(6).unwrap(), 0).2, lengths);
    // One in twenty around half the length, all others around it, with a deviation of 5 (rounded down).
    let (short, long): (Vec<f64>, Vec<f64>) =
        lengths[..lengths.len() - 1].iter().map(|&n| n as f64).partition(|&n| n < 52.5);
    let moments = |x: &[f64]| {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        (mean, (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt())
    };
    let part = short.len() as f64 / (short.len() + long.len()) as f64;
    assert!((part - 0.05).abs() < 4.0 * (0.05f64 * 0.95 / 2900.0).sqrt(), "{part}");
    for (lengths, mean) in [(&short, 34.5), (&long, 69.5)] {
        let (found, deviation) = moments(lengths);
        let bound = 4.0 * 5.0 / (lengths.len() as f64).sqrt();
        assert!((found - mean).abs() < bound && (deviation - 5.0).abs() < bound, "{found}, {deviation}");
    }
}

#[test]
fn segments_are_never_shorter_than_five_steps_but_at_the_end() {
    let source = TokenStream::new(tokens(2 * 3000 + 1), 2, 8, 8).unwrap().jitter(1).unwrap();
    let lengths: Vec<usize> = (0..BatchSource::<f32>::batches(&source, 0))
        .map(|index| BatchSource::<f32>::batch(&source, 0, index).unwrap().layout.steps())
        .collect();
    assert_eq!(lengths.iter().sum::<usize>(), 3000);
    assert_eq!(lengths[..lengths.len() - 1].iter().min(), Some(&5));
}

#[test]
fn segments_that_vary_have_no_steps_before_them() {
    let error = TokenStream::new(tokens(100), 2, 6, 9).unwrap().jitter(1).unwrap_err();
    assert!(error.to_string().starts_with("bptt: is [6, 9]"), "{error}");
}

#[test]
fn lines_begin_anew_where_a_closing_mark_is_read() {
    let text = vec![1, 5, 3, 1, 1, 7, 2, 4, 1, 9, 6];
    let stream = TokenStream::new(text.clone(), 1, 4, 4).unwrap().lines();
    let model = build(0.1);
    for index in 0..BatchSource::<f32>::batches(&stream, 0) {
        let batch: Cow<'_, Batch<f32>> = stream.batch(0, index).unwrap();
        let marks: Vec<bool> =
            (0..batch.layout.steps()).map(|t| batch.layout.resets(t).is_some_and(|marks| marks[0])).collect();
        let read: Vec<bool> = batch.input.ids().iter().map(|&id| id == 1).collect();
        assert_eq!(marks, read);
    }
    // Each line from its mark on, run alone.
    let lines = [vec![5, 3, 1], vec![1], vec![7, 2, 4, 1], vec![9, 6]];
    let logprobs = Scorer::new(&model).unwrap().log_probs(1, &lines).unwrap();
    let sum: f64 = logprobs.iter().flatten().map(|&logprob| f64::from(-logprob)).sum();
    let loss = model.evaluate_on(&stream).unwrap().loss;
    assert!((loss - sum / 10.0).abs() < 1e-5, "{loss} {}", sum / 10.0);
    let running = model.evaluate_on(&TokenStream::new(text, 1, 4, 4).unwrap()).unwrap().loss;
    assert!((loss - running).abs() > 1e-4, "the same without marks");
}

#[test]
fn lines_begin_anew_in_every_stream_and_in_the_steps_before_a_segment() {
    let text: Vec<u32> = tokens(61).into_iter().map(|id| if id % 4 == 0 { 1 } else { id }).collect();
    let stream = TokenStream::new(text, 3, 4, 7).unwrap().lines();
    for index in 0..BatchSource::<f32>::batches(&stream, 0) {
        let batch: Cow<'_, Batch<f32>> = stream.batch(0, index).unwrap();
        let mut ids = batch.input.ids().iter();
        for t in 0..batch.layout.steps() {
            let read: Vec<bool> = ids.by_ref().take(3).map(|&id| id == 1).collect();
            assert_eq!(batch.layout.resets(t).map_or(vec![false; 3], <[bool]>::to_vec), read, "{index} {t}");
        }
    }
}
