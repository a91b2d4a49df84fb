//! Streams: a step allocates nothing, a state can be kept and copied, and what cannot stream says so.
#![allow(unsafe_code)] // the allocator that counts

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use gimbap::layer::LayerSpec;
use gimbap::ndarray::Array3;
use gimbap::prelude::*;
use gimbap::rng::keyed;
use gimbap::stream::{Frame, StreamState};

/// The system's allocator, counting what each thread asks for.
struct Counting;

thread_local! {
    static REQUESTS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // Threads that are ending have no counter any more; none of them is measured.
    let _ = REQUESTS.try_with(|requests| requests.set(requests.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FEATURES: usize = 5;
const VOCABULARY: usize = 11;

fn features() -> Sequential {
    Sequential::new(Input::features(FEATURES))
}

fn ids() -> Sequential {
    Sequential::new(Input::ids(VOCABULARY))
}

/// Every layer kind that can stream, alone and in stacks, with one output per step and one per sequence.
fn models() -> Vec<(&'static str, Model<f32>)> {
    let cells = |units: usize, sequences: bool| -> Vec<(&'static str, LayerSpec)> {
        vec![
            ("simple_rnn", SimpleRnn::new(units).return_sequences(sequences).into()),
            ("irnn", SimpleRnn::irnn(units).return_sequences(sequences).into()),
            ("lstm", Lstm::new(units).return_sequences(sequences).dropout(0.2).recurrent_dropout(0.2).into()),
            ("gru", Gru::new(units).return_sequences(sequences).into()),
            ("gru, reset before", Gru::new(units).return_sequences(sequences).reset_after(false).into()),
        ]
    };
    let mut all = Vec::new();
    for (name, cell) in cells(17, true) {
        all.push((name, features().add(cell.clone())));
        all.push((name, ids().add(OneHot).add(cell.clone())));
        all.push((name, ids().add(Embedding::new(6)).add(cell.clone()).add(Dense::new(3))));
        let stack =
            features().add(cell).add(LayerNorm::default()).add(Activation::Tanh).add(Dropout::new(0.4));
        all.push((
            name,
            stack.add(cells(9, true).remove(2).1).add(Dense::new(40).activation(Activation::Softmax)),
        ));
    }
    for (name, cell) in cells(33, false) {
        let head = |s: Sequential| s.add(Dense::new(4).activation(Activation::Relu)).add(Dropout::new(0.1));
        all.push((name, head(features().add(cell.clone())).add(LayerNorm::default()).add(Dense::new(1))));
        all.push((
            name,
            features().add(Lstm::new(8).return_sequences(true)).add(cell).add(Activation::Sigmoid),
        ));
    }
    for pool in [Pool::Last, Pool::Mean, Pool::Max] {
        all.push(("pool", features().add(Gru::new(8).return_sequences(true)).add(pool).add(Dense::new(2))));
        all.push(("pool alone", features().add(pool)));
        all.push(("pool of one-hot vectors", ids().add(OneHot).add(pool)));
    }
    all.push(("one_hot", ids().add(OneHot).add(LayerNorm::default()).add(Dense::new(2))));
    all.push(("one_hot into dense", ids().add(OneHot).add(Dense::new(2))));
    all.push(("embedding", ids().add(Embedding::new(3).padding_id(0))));
    all.push(("dense", features().add(Dense::new(7).activation(Activation::Tanh))));
    let tied = ids().add(Embedding::new(5).tied(true).dropout(0.1)).add(Gru::new(5).return_sequences(true));
    all.push(("tied", tied.add(Dense::new(VOCABULARY))));
    let zoned = Lstm::new(9).return_sequences(true).zoneout(0.1).zoneout_cell(0.2).weight_drop(0.3);
    all.push(("zoneout", features().add(zoned).add(Dropout::new(0.5).variational(true))));
    all.push(("activation", features().add(Activation::Softmax)));
    all.push(("dropout", features().add(Dropout::new(0.5))));
    all.push(("layer_norm", features().add(LayerNorm::default())));
    all.push(("large", ids().add(Embedding::new(64)).add(Lstm::new(256)).add(Dense::new(2000))));
    let built = |(number, (name, sequential)): (usize, (&'static str, Sequential))| {
        let mut model: Model<f32> = sequential.build().unwrap();
        let mut rng = keyed(number as u64, 0, 0, 0);
        model.values_mut().iter_mut().for_each(|w| *w = 0.3 * rng.normal() as f32);
        (name, model)
    };
    all.into_iter().enumerate().map(built).collect()
}

/// The frame of a time, of a sequence of its own for each seed.
fn with_frame<T>(model: &Model<f32>, seed: u64, time: usize, run: impl FnOnce(Frame<'_, f32>) -> T) -> T {
    let mut rng = keyed(seed, 1, time as u64, 0);
    match model.input() {
        Input::Ids(v) => run(Frame::Id(rng.below(v as u64) as u32)),
        Input::Features(_) => {
            let x: [f32; FEATURES] = std::array::from_fn(|_| rng.normal() as f32);
            run(Frame::Features(&x))
        }
    }
}

fn step(stream: &mut Stream, model: &Model<f32>, seed: u64, time: usize) -> Vec<u32> {
    with_frame(model, seed, time, |frame| stream.step(frame).iter().map(|y| y.to_bits()).collect())
}

#[test]
fn a_step_allocates_nothing_after_the_first() {
    for (name, model) in models() {
        let mut stream = model.stream().unwrap();
        let mut sum = 0.0;
        for time in 0..50 {
            let requests = with_frame(&model, 1, time, |frame| {
                let before = REQUESTS.get();
                sum += stream.step(frame)[0];
                REQUESTS.get() - before
            });
            assert!(
                time == 0 || requests == 0,
                "{name}: {requests} allocations at step {time}\n{}",
                model.summary()
            );
        }
        assert!(sum.is_finite(), "{name}");
        stream.reset();
        with_frame(&model, 1, 0, |frame| {
            let before = REQUESTS.get();
            stream.step(frame);
            assert_eq!(REQUESTS.get() - before, 0, "{name}: after a reset");
        });
    }
}

#[test]
fn the_counter_counts() {
    let before = REQUESTS.get();
    let values = std::hint::black_box(vec![1u8; 3]);
    assert_eq!(REQUESTS.get() - before, 1);
    drop(values);
}

#[test]
fn a_state_goes_through_bytes_and_back() {
    for (name, model) in models() {
        let mut stream = model.stream().unwrap();
        for cut in [0, 1, 7] {
            stream.reset();
            (0..cut).for_each(|time| drop(step(&mut stream, &model, 2, time)));
            let bytes = stream.state().to_bytes();
            let expected: Vec<_> = (cut..20).map(|time| step(&mut stream, &model, 2, time)).collect();

            let mut other = model.stream().unwrap();
            (0..3).for_each(|time| drop(step(&mut other, &model, 3, time)));
            let state = StreamState::from_bytes(&bytes).unwrap();
            assert_eq!(state.to_bytes(), bytes, "{name}");
            other.restore(&state).unwrap();
            let found: Vec<_> = (cut..20).map(|time| step(&mut other, &model, 2, time)).collect();
            assert_eq!(found, expected, "{name}: restored after {cut} steps\n{}", model.summary());

            let mut again = model.stream().unwrap();
            again.restore(&state).unwrap();
            assert_eq!(step(&mut again, &model, 2, cut), expected[0], "{name}: restored at once");
        }
    }
}

#[test]
fn a_fork_goes_its_own_way() {
    for (name, model) in models() {
        let run = |seeds: &[(u64, std::ops::Range<usize>)]| {
            let mut stream = model.stream().unwrap();
            let mut last = Vec::new();
            for (seed, times) in seeds {
                times.clone().for_each(|time| last = step(&mut stream, &model, *seed, time));
            }
            last
        };
        let mut stream = model.stream().unwrap();
        (0..6).for_each(|time| drop(step(&mut stream, &model, 4, time)));
        let mut fork = stream.fork();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for time in 6..12 {
            one = step(&mut stream, &model, 4, time);
            two = step(&mut fork, &model, 5, time);
        }
        assert_eq!(one, run(&[(4, 0..12)]), "{name}: the stream that was forked\n{}", model.summary());
        assert_eq!(two, run(&[(4, 0..6), (5, 6..12)]), "{name}: the fork\n{}", model.summary());
        stream.reset();
        assert_eq!(step(&mut stream, &model, 6, 0), run(&[(6, 0..1)]), "{name}: after a reset");
    }
}

#[test]
fn a_state_that_is_damaged_is_refused() {
    let layers = features().add(Lstm::new(4).return_sequences(true)).add(Pool::Max);
    let mut stream = layers.build::<f32>().unwrap().stream().unwrap();
    stream.step(&[0.5, -0.5, 1.0, 0.0, 2.0]);
    let bytes = stream.state().to_bytes();
    let refused = |wrong: &[u8]| {
        let error = StreamState::<f32>::from_bytes(wrong).unwrap_err();
        assert_eq!(error.kind(), "state");
        error.to_string()
    };
    for end in 0..bytes.len() {
        refused(&bytes[..end]);
        let mut other = bytes.clone();
        other[end] ^= 1;
        refused(&other);
    }
    assert!(refused(&[&bytes[..], &[0]].concat()).contains("damaged or cut off"));
    assert!(refused(b"something else").contains("no state of a stream"));
    let error = StreamState::<f64>::from_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("32-bit numbers, and this one's have 64"), "{error}");
}

#[test]
fn a_state_of_another_model_is_refused() {
    let of = |cell: Lstm, seed| features().add(cell).seed(seed).build::<f32>().unwrap();
    let model = of(Lstm::new(4), 1);
    let mut stream = model.stream().unwrap();
    let expected = stream.step(&[0.5, -0.5, 1.0, 0.0, 2.0]).to_vec();
    let before = stream.state();
    let small = model.quantized(gimbap::quantize::Precision::Bf16).unwrap();
    let mut edited = model.clone();
    edited.values_mut()[3] += 1e-3;
    for other in [of(Lstm::new(4), 2), of(Lstm::new(4).zoneout(0.1), 1), of(Lstm::new(5), 1), small, edited] {
        let state = other.stream().unwrap().state();
        let error = stream.restore(&state).unwrap_err();
        assert_eq!(error.kind(), "state");
        assert!(error.to_string().contains("belongs to another model"), "{error}");
        assert_eq!(stream.state(), before, "the stream stays where it was");
    }
    // A copy is the same model.
    let mut other = model.clone().stream().unwrap();
    other.restore(&before).unwrap();
    other.reset();
    assert_eq!(other.step(&[0.5, -0.5, 1.0, 0.0, 2.0]), expected);
}

/// A sum can be made to fit: then the numbers of values tell.
#[test]
fn a_state_with_other_numbers_of_values_is_refused() {
    let model = features().add(Lstm::new(4)).build::<f32>().unwrap();
    let mut stream = model.stream().unwrap();
    let bytes = stream.state().to_bytes();
    // One layer with two planes of four values: a layer without planes, and planes of another length.
    let of = |counts: &[u32], values: usize| {
        let mut bytes = bytes[..28].to_vec();
        counts.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        bytes.extend(vec![0; 8 * values]);
        let sum = crc(&bytes);
        bytes.extend(sum.to_le_bytes());
        StreamState::<f32>::from_bytes(&bytes)
    };
    assert_eq!(of(&[1, 2, 4, 4, 1, 0], 8).unwrap(), stream.state(), "as it is");
    for (counts, values) in
        [(&[1, 0, 1, 0][..], 0), (&[1, 2, 3, 4, 1, 0], 7), (&[0, 1, 0], 0), (&[1, 2, 4, 4, 1, 2], 10)]
    {
        let error = stream.restore(&of(counts, values).unwrap()).unwrap_err();
        assert!(error.kind() == "state" && error.to_string().contains("damaged"), "{error}");
    }
    assert!(of(&[1, 1, 4, 1, 0], 4).is_err(), "half a state");
    stream.step(&[0.5, -0.5, 1.0, 0.0, 2.0]);
}

/// CRC-32C, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ (0x82f6_3b78 * (crc & 1)))
    })
}

#[test]
fn a_state_fits_its_model_once_that_is_saved_and_loaded() {
    use gimbap::quantize::Precision;
    let full = features().add(Lstm::new(4).dropout(0.1)).add(Dense::new(2)).build::<f32>().unwrap();
    let pool = features().add(Pool::Max).build::<f32>().unwrap();
    let small = |model: &Model, precision| model.quantized(precision).unwrap();
    drop(pool.stream().unwrap());
    let models =
        [small(&full, Precision::Bf16), small(&full, Precision::Int8), small(&pool, Precision::Int8), full];
    let folder = tempfile::tempdir().unwrap();
    for model in models {
        let mut stream = model.stream().unwrap();
        stream.step(&[0.5, -0.5, 1.0, 0.0, 2.0]);
        let path = folder.path().join("model.safetensors");
        save(&model, &path).unwrap();
        let mut other = load(&path).unwrap().stream().unwrap();
        other.restore(&StreamState::from_bytes(&stream.state().to_bytes()).unwrap()).unwrap();
        assert_eq!(other.step(&[1.0; 5]), stream.step(&[1.0; 5]));
    }
}

#[test]
fn a_model_may_be_run_where_panics_are_caught() {
    fn is<T: std::panic::RefUnwindSafe + std::panic::UnwindSafe + Send + Sync>() {}
    is::<Model<f32>>();
    is::<Model<f64>>();
}

#[test]
fn a_stream_outlives_its_model_and_keeps_its_weights() {
    let mut model = features().add(Gru::new(6)).build::<f32>().unwrap();
    let (mut stream, x) = (model.stream().unwrap(), [0.5, -0.5, 1.0, 0.0, 2.0]);
    let first = model.stream().unwrap().step(&x).to_vec();
    model.values_mut().fill(0.0);
    let zero = model.stream().unwrap().step(&x).to_vec();
    drop(model);
    assert_eq!(stream.step(&x), first);
    assert!(zero.iter().all(|&x| x == 0.0) && first.iter().any(|&x| x != 0.0));
    // It may be handed to another thread.
    let fork = stream.fork();
    let next = std::thread::spawn(move || fork.fork().step(&x).to_vec()).join().unwrap();
    assert_eq!(stream.step(&x), next);
}

#[test]
fn a_model_is_run_by_several_threads_at_once() {
    let model =
        features().add(Lstm::new(8).return_sequences(true)).add(Dense::new(2)).build::<f32>().unwrap();
    let x = Array3::from_shape_fn((3, 5, FEATURES), |(b, t, i)| (b + 2 * t + 3 * i) as f32 / 10.0);
    let expected = model.predict(&x).unwrap();
    let fresh =
        features().add(Lstm::new(8).return_sequences(true)).add(Dense::new(2)).build::<f32>().unwrap();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| fresh.predict(&x).unwrap())).collect();
        runs.into_iter().for_each(|run| assert_eq!(run.join().unwrap(), expected));
    });
}

#[test]
fn layers_that_cannot_stream_say_so() {
    let cases: [(LayerSpec, &str, &str); 4] = [
        (Bidirectional::new(Gru::new(3)).into(), "bidirectional", "needs each sequence whole"),
        (Lstm::new(3).go_backwards(true).into(), "lstm_1", "go_backwards"),
        (SimpleRnn::new(3).go_backwards(true).return_sequences(true).into(), "simple_rnn", "go_backwards"),
        (Flatten::new(4).into(), "flatten", "needs it whole"),
    ];
    for (layer, name, why) in cases {
        let sequential = features().add(Lstm::new(3).return_sequences(true)).add(layer).add(Dense::new(1));
        let model = sequential.compile(Adam::default(), Loss::Mse, []).unwrap();
        let Err(error) = model.stream() else { panic!("{name} streams") };
        assert_eq!(error.kind(), "unsupported");
        let message = error.to_string();
        assert!(message.contains(&format!("layer `{name}`")) && message.contains(why), "{message}");
        // What needs a sequence whole cannot run in segments either.
        let data =
            gimbap::data::dataset::Sequences::features(vec![0.0; 4 * FEATURES], FEATURES, &[4]).unwrap();
        let rows = gimbap::loss::RowTargets::Values { values: vec![0.0; 4], width: 1 };
        let targets = match sequential_is_per_step(&model) {
            true => Targets::per_step(rows),
            false => Targets::per_sequence(gimbap::loss::RowTargets::Values { values: vec![0.0], width: 1 }),
        };
        let data = Dataset::new(data, targets).unwrap();
        let error = model.gradients(&data, None, Bptt::Truncated { k1: 1, k2: 2 }, None).unwrap_err();
        assert_eq!(error.kind(), "unsupported");
    }
}

fn sequential_is_per_step(model: &Model<f32>) -> bool {
    model.describe().unwrap().last().is_some_and(|(.., shape, _)| shape.has_steps())
}

#[test]
#[should_panic(expected = "a step: expected 5 features, got")]
fn a_frame_of_another_width_panics() {
    let model = features().add(Lstm::new(4)).build::<f32>().unwrap();
    model.stream().unwrap().step(&[0.0; 4]);
}

#[test]
#[should_panic(expected = "a step: expected an id below 11, got the id")]
fn an_id_beyond_the_vocabulary_panics() {
    let model = ids().add(Embedding::new(4)).build::<f32>().unwrap();
    model.stream().unwrap().step(11);
}

#[test]
fn a_frame_that_is_refused_leaves_the_state_as_it_was() {
    let model = features().add(Lstm::new(4)).build::<f32>().unwrap();
    let (mut stream, mut other) = (model.stream().unwrap(), model.stream().unwrap());
    let frames = [[0.5f32; 5], [-1.0; 5]];
    stream.step(&frames[0]);
    other.step(&frames[0]);
    let refused = |result: Result<&[f32]>| result.unwrap_err().to_string();
    assert_eq!(refused(stream.try_step(&[0.0; 4])), "a step: expected 5 features, got 4 features");
    assert_eq!(refused(stream.try_step(7)), "a step: expected 5 features, got the id 7");
    assert_eq!(stream.try_step(&frames[1]).unwrap(), other.step(&frames[1]));
    let model = ids().add(Embedding::new(4)).build::<f32>().unwrap();
    let mut stream = model.stream().unwrap();
    assert_eq!(refused(stream.try_step(11)), "a step: expected an id below 11, got the id 11");
    assert_eq!(refused(stream.try_step(&[0.0; 4])), "a step: expected an id below 11, got 4 features");
}

#[test]
fn a_state_of_another_model_is_refused_and_the_stream_stays_where_it_was() {
    let of = |layer: gimbap::layer::LayerSpec| {
        Sequential::new(Input::ids(5)).add(OneHot).add(layer).seed(1).build::<f32>().unwrap()
    };
    let steps = |units| Lstm::new(units).return_sequences(true);
    let (lstm, larger) = (of(steps(4).into()), of(steps(5).into()));
    let gru = of(Gru::new(4).return_sequences(true).into());
    let mut stream = lstm.stream().unwrap();
    stream.step(2);
    let mut many = gimbap::stream::Many::new(&lstm, 2).unwrap();
    let before = stream.state();
    for other in [&larger, &gru] {
        let mut other = other.stream().unwrap();
        other.step(3);
        let state = other.state();
        assert_eq!(stream.restore(&state).unwrap_err().kind(), "state");
        assert_eq!(stream.state(), before);
        assert_eq!(many.restore(&state, 2).unwrap_err().kind(), "state");
    }
    let mut other = lstm.stream().unwrap();
    other.restore(&before).unwrap();
    assert_eq!(other.step(1), stream.step(1));
}
