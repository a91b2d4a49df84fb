//! What holds for every model, whatever its numbers: ways of running it that must agree, to the bit or to a stated
//! tolerance. Each property runs over every cell and every form of model, on random cases.

mod models;

use gimbap::Arithmetic;
use gimbap::model::{Gradients, LayerState};
use gimbap::ndarray::{Array2, ArrayD, ArrayViewD, Axis, Slice};
use gimbap::prelude::*;
use gimbap::rng::keyed;
use models::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[derive(Clone, Debug)]
struct Case {
    lengths: Vec<usize>,
    units: usize,
    seed: u64,
}

impl Case {
    fn sequences<R: Arithmetic>(&self) -> Vec<Sequence<R>> {
        Sequence::many(&self.lengths, self.seed)
    }

    fn steps(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }
}

/// Batches of 1 to 6 sequences of 0 to `steps` steps, and models of 1 to 20 units.
fn cases(steps: usize) -> impl Strategy<Value = Case> {
    (prop::collection::vec(0..=steps, 1..=6), 1..=20usize, 0..1000u64)
        .prop_map(|(lengths, units, seed)| Case { lengths, units, seed })
}

/// Runs a property on random cases for every cell and every form that it is about.
fn check<V: std::fmt::Debug>(
    cases: u32,
    about: impl Fn(Form) -> bool,
    values: impl Strategy<Value = V>,
    property: impl Fn(Cell, Form, &V),
) {
    for (c, cell) in CELLS.into_iter().enumerate() {
        for (f, form) in FORMS.into_iter().enumerate().filter(|(_, form)| about(*form)) {
            let config = Config { cases, failure_persistence: None, ..Config::default() };
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[(c * FORMS.len() + f) as u8; 32]);
            let mut runner = TestRunner::new_with_rng(config, rng);
            let run = runner.run(&values, |value| {
                property(cell, form, &value);
                Ok(())
            });
            run.unwrap_or_else(|error| panic!("{cell:?}, {form:?}: {error}"));
        }
    }
}

fn assert_close<'a, R: Arithmetic>(
    what: &str,
    a: impl IntoIterator<Item = &'a R>,
    b: impl IntoIterator<Item = &'a R>,
    tolerance: f64,
) {
    let distance = distance(a, b, 1e-3);
    assert!(distance <= tolerance, "{what} differ by {distance:e} of the largest");
}

fn state_values<R: Arithmetic>(states: &[LayerState<R>]) -> Vec<R> {
    let directions = states.iter().flat_map(|layer| &layer.directions);
    directions.flat_map(|d| d.h.iter().chain(d.c.iter().flatten())).copied().collect()
}

/// Everything of two gradients, the bits.
fn assert_same_gradients<R: Arithmetic>(a: &Gradients<R>, b: &Gradients<R>) {
    assert_same_bits("loss", &[a.loss], &[b.loss]);
    assert_same_bits("gradients of the parameters", &a.parameters, &b.parameters);
    assert_eq!(a.x.shape(), b.x.shape());
    assert_same_bits("gradients of the input", &a.x, &b.x);
    let (a, b) = (state_values(&a.initial_states), state_values(&b.initial_states));
    assert_same_bits("gradients of the initial states", &a, &b);
}

fn assert_near<R: Arithmetic>(a: &Gradients<R>, b: &Gradients<R>, tolerance: f64) {
    assert_close("losses", &[a.loss], &[b.loss], tolerance);
    assert_close("gradients of the parameters", &a.parameters, &b.parameters, tolerance);
    assert_close("gradients of the input", &a.x, &b.x, tolerance);
    let (a, b) = (state_values(&a.initial_states), state_values(&b.initial_states));
    assert_close("gradients of the initial states", &a, &b, tolerance);
}

/// Random states for a model and so many sequences.
fn random_states<R: Arithmetic>(model: &Model<R>, form: Form, batch: usize, seed: u64) -> Vec<LayerState<R>> {
    let nothing = Sequence::many(&vec![0; batch], 0);
    let mut states = model.run(inputs(form, &nothing), None).unwrap().states;
    let mut rng = keyed(seed, 3, 0, 0);
    for (_, array) in arrays(&mut states) {
        array.iter_mut().for_each(|x| *x = R::from_f64(0.5 * rng.normal()));
    }
    states
}

/// The states of these sequences alone, in this order.
fn select_states<R: Arithmetic>(states: &[LayerState<R>], sequences: &[usize]) -> Vec<LayerState<R>> {
    let mut states = states.to_vec();
    for direction in states.iter_mut().flat_map(|layer| &mut layer.directions) {
        direction.h = direction.h.select(Axis(0), sequences);
        direction.c = direction.c.as_ref().map(|c| c.select(Axis(0), sequences));
    }
    states
}

fn rows<R: Arithmetic>(y: &ArrayD<R>, sequence: usize, steps: std::ops::Range<usize>) -> Vec<R> {
    let y = y.index_axis(Axis(0), sequence);
    y.slice_axis(Axis(0), Slice::from(steps)).iter().copied().collect()
}

fn row<R: Arithmetic>(y: &ArrayD<R>, sequence: usize) -> Vec<R> {
    y.index_axis(Axis(0), sequence).iter().copied().collect()
}

#[test]
fn padding_changes_no_bit() {
    check(
        6,
        |_| true,
        (cases(9), 0..4usize),
        |cell, form, (case, more)| {
            let model = model::<f32>(cell, form, case.units, case.seed);
            let sequences = case.sequences();
            let ragged = dataset(form, &sequences);
            let expected = model.gradients(&ragged, None, Bptt::Full, Some(5)).unwrap();
            let y = model.predict(ragged.inputs()).unwrap();
            assert!(expected.loss.is_finite());
            for fill in [f32::NAN, 1e30] {
                let padded = padded(form, &sequences, case.steps() + more, fill);
                assert_same_gradients(
                    &model.gradients(&padded, None, Bptt::Full, Some(5)).unwrap(),
                    &expected,
                );
                assert_same_bits("outputs", &model.predict(padded.inputs()).unwrap(), &y);
                let (evaluation, other) =
                    (model.evaluate_data(&padded, 4).unwrap(), model.evaluate_data(&ragged, 4).unwrap());
                assert_eq!(evaluation.loss.to_bits(), other.loss.to_bits());
            }
        },
    );
}

#[test]
fn what_a_mask_hides_changes_no_bit() {
    let values = (cases(9), prop::collection::vec(any::<bool>(), 64));
    check(
        6,
        |form| !form.classifies(),
        values,
        |cell, form, (case, mask)| {
            let model = model::<f32>(cell, form, case.units, case.seed);
            let mut sequences = case.sequences();
            let rows = dataset(form, &sequences);
            let n = if form.per_step() { rows.inputs().total_steps() } else { rows.len() };
            let mask = &mask[..n];
            let mut results = Vec::new();
            for hidden in [0.25, f32::NAN, f32::INFINITY] {
                let mut mask = mask.iter();
                let mut weights = Vec::new();
                for sequence in &mut sequences {
                    let y = if form.per_step() { &mut sequence.y } else { &mut sequence.y_end };
                    for row in y.chunks_exact_mut(OUTPUTS) {
                        let counts = *mask.next().unwrap();
                        weights.push(if counts { 1.5 } else { hidden });
                        if !counts {
                            row.fill(hidden);
                        }
                    }
                }
                let mask: Vec<bool> = weights.iter().map(|w| *w == 1.5).collect();
                let data = dataset(form, &sequences).weights(weights).unwrap().mask(mask).unwrap();
                results.push(model.gradients(&data, None, Bptt::Full, Some(5)).unwrap());
            }
            assert!(results[0].loss.is_finite());
            assert_same_gradients(&results[1], &results[0]);
            assert_same_gradients(&results[2], &results[0]);
        },
    );
}

#[test]
fn masking_the_last_steps_is_leaving_them_out() {
    let about = |form: Form| form.per_step() && form.is_causal();
    check(6, about, (cases(9), prop::collection::vec(0..5usize, 6)), |cell, form, (case, more)| {
        let model = model::<f64>(cell, form, case.units, case.seed);
        let longer: Vec<usize> = case.lengths.iter().zip(more).map(|(n, more)| n + more).collect();
        let whole = Sequence::many(&longer, case.seed);
        let short: Vec<_> = whole.iter().zip(&case.lengths).map(|(s, &n)| s.slice(0, n)).collect();
        let mask = longer.iter().zip(&case.lengths).flat_map(|(&all, &n)| (0..all).map(move |t| t < n));
        let masked = dataset(form, &whole).mask(mask.collect()).unwrap();
        let masked = model.gradients(&masked, None, Bptt::Full, None).unwrap();
        let short = model.gradients(&dataset(form, &short), None, Bptt::Full, None).unwrap();
        assert_close("losses", &[masked.loss], &[short.loss], 1e-13);
        assert_close("gradients", &masked.parameters, &short.parameters, 1e-12);
    });
}

#[test]
fn the_order_of_a_batch_permutes_outputs_bit_for_bit() {
    let values = (cases(9), Just((0..6usize).collect::<Vec<_>>()).prop_shuffle());
    check(
        6,
        |_| true,
        values,
        |cell, form, (case, order)| {
            let model = model::<f32>(cell, form, case.units, case.seed);
            let sequences = case.sequences();
            let order: Vec<usize> = order.iter().copied().filter(|&b| b < sequences.len()).collect();
            let moved: Vec<_> = order.iter().map(|&b| sequences[b].clone()).collect();
            let states = random_states(&model, form, sequences.len(), case.seed);
            let moved_states = select_states(&states, &order);
            let before = model.run(inputs(form, &sequences), Some(&states)).unwrap();
            let after = model.run(inputs(form, &moved), Some(&moved_states)).unwrap();
            for (to, &from) in order.iter().enumerate() {
                assert_same_bits("outputs", &row(&after.y, to), &row(&before.y, from));
            }
            let expected = select_states(&before.states, &order);
            assert_same_bits("last states", &state_values(&after.states), &state_values(&expected));

            let gradients = |sequences: &[Sequence<f32>], states: &[LayerState<f32>]| {
                model.gradients(&dataset(form, sequences), Some(states), Bptt::Full, None).unwrap()
            };
            let (mut before, after) = (gradients(&sequences, &states), gradients(&moved, &moved_states));
            before.x = before.x.select(Axis(0), &order);
            before.initial_states = select_states(&before.initial_states, &order);
            assert_near(&after, &before, 2e-5);
        },
    );
}

#[test]
fn a_ragged_batch_is_its_sequences_one_by_one() {
    check(
        6,
        |_| true,
        cases(40),
        |cell, form, case| {
            let model = model::<f64>(cell, form, case.units, case.seed).reduction(Reduction::SumTime);
            let sequences = case.sequences();
            let states = random_states(&model, form, sequences.len(), case.seed);
            let together = model.run(inputs(form, &sequences), Some(&states)).unwrap();
            let gradients =
                model.gradients(&dataset(form, &sequences), Some(&states), Bptt::Full, None).unwrap();
            let (mut loss, mut parameters) = (0.0, vec![0.0; model.values().len()]);
            for (b, sequence) in sequences.iter().enumerate() {
                let (alone, state) = (std::slice::from_ref(sequence), select_states(&states, &[b]));
                let run = model.run(inputs(form, alone), Some(&state)).unwrap();
                let y = row(&run.y, 0);
                assert_close("outputs", &y, &row(&together.y, b)[..y.len()], 1e-12);
                assert!(row(&together.y, b)[y.len()..].iter().all(|&y| y == 0.0), "zero beyond the length");
                let last = select_states(&together.states, &[b]);
                assert_close("last states", &state_values(&run.states), &state_values(&last), 1e-12);
                let d = model.gradients(&dataset(form, alone), Some(&state), Bptt::Full, None).unwrap();
                loss += d.loss;
                parameters.iter_mut().zip(&d.parameters).for_each(|(sum, d)| *sum += d);
                let n = sequences.len() as f64;
                let d_x: Vec<f64> = row(&gradients.x, b).iter().map(|d| d * n).collect();
                assert_close("gradients of the input", &d_x[..d.x.len()], &d.x, 1e-11);
                assert!(d_x[d.x.len()..].iter().all(|&d| d == 0.0), "zero beyond the length");
                let d_state = select_states(&gradients.initial_states, &[b]);
                let d_state: Vec<f64> = state_values(&d_state).iter().map(|d| d * n).collect();
                assert_close("of the initial states", &d_state, &state_values(&d.initial_states), 1e-11);
            }
            let n = sequences.len() as f64;
            assert_close("losses", &[gradients.loss * n], &[loss], 1e-12);
            let sum: Vec<f64> = gradients.parameters.iter().map(|d| d * n).collect();
            assert_close("gradients of the parameters", &sum, &parameters, 1e-11);
        },
    );
}

#[test]
fn segments_with_carried_state_are_the_whole() {
    let about = |form: Form| form.is_causal() && !form.is_pooled();
    let values = (cases(12), prop::collection::vec(0..=12usize, 0..4));
    check(6, about, values, |cell, form, (case, cuts)| {
        let model = model::<f32>(cell, form, case.units, case.seed);
        let sequences = case.sequences();
        let whole = model.run(inputs(form, &sequences), None).unwrap();
        let mut cuts = cuts.clone();
        cuts.extend([0, 12]);
        cuts.sort_unstable();
        let mut states: Option<Vec<LayerState<f32>>> = None;
        for cut in cuts.windows(2) {
            let segment = slices(&sequences, cut[0], cut[1]);
            let run = model.run(inputs(form, &segment), states.as_deref()).unwrap();
            for (b, sequence) in segment.iter().enumerate().filter(|_| form.per_step()) {
                let here = rows(&run.y, b, 0..sequence.length);
                let start = cut[0].min(sequences[b].length);
                assert_close("outputs", &here, &rows(&whole.y, b, start..start + sequence.length), 1e-5);
            }
            if cut[1] == 12 && !form.per_step() {
                assert_close("outputs", &run.y, &whole.y, 1e-5);
            }
            states = Some(run.states);
        }
        assert_close("last states", &state_values(&states.unwrap()), &state_values(&whole.states), 1e-5);
    });
}

#[test]
fn steps_of_a_stream_are_the_whole() {
    check(6, Form::is_causal, cases(12), |cell, form, case| {
        let model = model::<f32>(cell, form, case.units, case.seed);
        let sequences = case.sequences();
        let whole = model.predict(inputs(form, &sequences)).unwrap();
        let mut stream = model.stream().unwrap();
        for (b, sequence) in sequences.iter().enumerate() {
            stream.reset();
            for t in 0..sequence.length {
                let y = match form.takes_ids() {
                    true => stream.step(sequence.ids[t]),
                    false => stream.step(&sequence.x[t * FEATURES..(t + 1) * FEATURES]),
                };
                if form.per_step() {
                    assert_close("outputs", y, &rows(&whole, b, t..t + 1), 1e-5);
                } else {
                    let so_far = model.predict(inputs(form, &[sequence.slice(0, t + 1)])).unwrap();
                    assert_close("outputs so far", y, &so_far, 1e-5);
                    if t + 1 == sequence.length {
                        assert_close("outputs", y, &row(&whole, b), 1e-5);
                    }
                }
            }
        }
    });
}

/// A sequence alone goes through code of its own.
#[test]
fn a_sequence_alone_has_the_bits_that_it_has_in_a_batch() {
    check(
        6,
        |_| true,
        cases(40),
        |cell, form, case| {
            let model = model::<f32>(cell, form, case.units, case.seed);
            let sequences = case.sequences();
            let states = random_states(&model, form, sequences.len(), case.seed);
            let together = model.run(inputs(form, &sequences), Some(&states)).unwrap();
            for (b, sequence) in sequences.iter().enumerate() {
                let state = select_states(&states, &[b]);
                let alone = model.run(inputs(form, std::slice::from_ref(sequence)), Some(&state)).unwrap();
                let expected = state_values(&select_states(&together.states, &[b]));
                assert_same_bits("last states", &state_values(&alone.states), &expected);
            }
        },
    );
}

/// Batches whose longest sequence has more steps than a block of 64.
fn long_cases() -> impl Strategy<Value = Case> {
    let longest = prop_oneof![65..=70usize, 120..=135usize, 65..=200usize];
    let others = prop::collection::vec(0..=1000usize, 0..=3);
    (longest, others, any::<prop::sample::Index>(), 1..=20usize, 0..1000u64).prop_map(
        |(longest, others, place, units, seed)| {
            let mut lengths: Vec<usize> = others.iter().map(|n| n % (longest + 1)).collect();
            lengths.insert(place.index(lengths.len() + 1), longest);
            Case { lengths, units, seed }
        },
    )
}

/// Reset marks at about every tenth step.
fn marks(steps: usize, seed: u64) -> Vec<bool> {
    let mut rng = keyed(seed, 4, 0, 0);
    (0..steps).map(|_| rng.bernoulli(0.1)).collect()
}

#[test]
fn checkpointed_gradients_are_the_full_ones_bit_for_bit() {
    check(5, Form::is_causal, (long_cases(), any::<bool>()), |cell, form, (case, resets)| {
        let model = model::<f32>(cell, form, case.units, case.seed);
        let sequences = case.sequences();
        let mut data = dataset(form, &sequences);
        if *resets {
            data = data.resets(marks(sequences.iter().map(|s| s.length).sum(), case.seed)).unwrap();
        }
        let states = random_states(&model, form, sequences.len(), case.seed);
        let run = |bptt| model.gradients(&data, Some(&states), bptt, Some(11)).unwrap();
        assert_same_gradients(&run(Bptt::Checkpointed), &run(Bptt::Full));
    });
}

#[test]
fn checkpointed_gradients_are_the_full_ones_beyond_64_segments_of_64() {
    for (form, lengths) in [(Form::Stack, vec![4100]), (Form::PoolMax, vec![3000, 4200, 4097])] {
        let model = model::<f32>(Cell::Lstm, form, 4, 1);
        let data = dataset(form, &Sequence::many(&lengths, 1));
        let run = |bptt| model.gradients(&data, None, bptt, Some(11)).unwrap();
        assert_same_gradients(&run(Bptt::Checkpointed), &run(Bptt::Full));
    }
}

#[test]
fn a_training_with_checkpoints_is_the_one_without_bit_for_bit() {
    for (cell, form) in
        [(Cell::Lstm, Form::Stack), (Cell::GruBefore, Form::Dropped), (Cell::GruAfter, Form::PoolMean)]
    {
        let data = dataset(form, &Sequence::many(&[65, 3, 130, 0, 70, 65, 128, 1, 90], 4));
        let train = |bptt| {
            let mut model = model::<f32>(cell, form, 6, 2);
            let fit = Fit { epochs: 2, batch_size: 2, bptt, validation_split: 0.3, ..Fit::default() };
            let history = model.fit_data(&data, None, &fit).unwrap();
            (bits(model.values()), history.loss(), history.val_loss())
        };
        assert_eq!(train(Bptt::Checkpointed), train(Bptt::Full), "{cell:?}, {form:?}");
    }
}

/// An LSTM with an output per step that carries its state from batch to batch, or not.
fn lstm(stateful: bool) -> Model<f64> {
    let lstm = Lstm::new(6).return_sequences(true).stateful(stateful);
    let sequential = Sequential::new(Input::features(FEATURES)).add(lstm).add(Dense::new(OUTPUTS));
    let mut model = sequential.build().unwrap().compile(Sgd::new(0.1), Loss::Mse, []).unwrap();
    randomise(&mut model, 3);
    model
}

#[test]
fn a_stateful_layer_continues_each_sequence_with_its_own_state() {
    // 64 ragged sequences in batches of 32, as `predict` has them: each of the second continues one of the first.
    let lengths: Vec<usize> = (0..64).map(|b| (b * 7 + b / 9) % 6).collect();
    let sequences = Sequence::many(&lengths, 8);
    let joined: Vec<Sequence<f64>> = (0..32)
        .map(|b| {
            let (first, second) = (&sequences[b], &sequences[b + 32]);
            Sequence {
                length: first.length + second.length,
                x: [&first.x[..], &second.x].concat(),
                ids: [&first.ids[..], &second.ids].concat(),
                y: [&first.y[..], &second.y].concat(),
                classes: [&first.classes[..], &second.classes].concat(),
                ..first.clone()
            }
        })
        .collect();
    let (stateful, plain) = (lstm(true), lstm(false));
    let y = stateful.predict(inputs(Form::Steps, &sequences)).unwrap();
    let expected = plain.predict(inputs(Form::Steps, &joined)).unwrap();
    for b in 0..32 {
        let (first, second) = (lengths[b], lengths[b + 32]);
        assert_close("outputs", &rows(&y, b, 0..first), &rows(&expected, b, 0..first), 1e-12);
        let continued = rows(&expected, b, first..first + second);
        assert_close("continued outputs", &rows(&y, b + 32, 0..second), &continued, 1e-12);
    }
    let some = stateful.predict(inputs(Form::Steps, &sequences[..40])).unwrap();
    for (b, &length) in lengths.iter().enumerate().take(40) {
        let steps = 0..length;
        assert_close("outputs of fewer", &rows(&some, b, steps.clone()), &rows(&y, b, steps), 1e-12);
    }
    let (data, joined) = (dataset(Form::Steps, &sequences), dataset(Form::Steps, &joined));
    let expected = plain.evaluate_data(&joined, 32).unwrap();
    let found = stateful.evaluate_data(&data, 32).unwrap();
    assert_eq!(found.rows, expected.rows);
    assert_close("losses", &[found.loss], &[expected.loss], 1e-12);
    let mut frozen = stateful.compile(Sgd::new(1e-300), Loss::Mse, []).unwrap();
    let history = frozen.fit_data(&data, None, &Fit::default()).unwrap();
    assert_close("losses in training", &history.loss(), &[expected.loss], 1e-12);
}

#[test]
fn a_stateful_training_with_checkpoints_is_the_one_without_bit_for_bit() {
    let data = dataset(Form::Steps, &Sequence::many(&[65, 3, 130, 0, 70, 65, 128, 1, 90], 4));
    let train = |bptt| {
        let mut model = lstm(true);
        let fit = Fit { epochs: 2, batch_size: 3, bptt, ..Fit::default() };
        let history = model.fit_data(&data, None, &fit).unwrap();
        (bits(model.values()), history.loss())
    };
    assert_eq!(train(Bptt::Checkpointed), train(Bptt::Full));
    // Truncated, the states are carried all the same: with frozen weights the losses are the same.
    let frozen = |bptt| {
        let mut model = lstm(true).compile(Sgd::new(1e-300), Loss::Mse, []).unwrap();
        let fit = Fit { batch_size: 3, bptt, ..Fit::default() };
        model.fit_data(&data, None, &fit).unwrap().loss()
    };
    assert_close("losses", &frozen(Bptt::Truncated { k1: 7, k2: 12 }), &frozen(Bptt::Full), 1e-12);
}

#[test]
fn a_recurrent_mask_belongs_to_a_place_in_the_batch_whatever_the_lengths() {
    for cell in CELLS {
        let options = Options { sequences: true, dropout: 0.4, recurrent_dropout: 0.4, ..Options::default() };
        let sequential = Sequential::new(Input::features(FEATURES)).add(layer(cell, 5, options));
        let mut model: Model<f64> = sequential
            .add(Dense::new(OUTPUTS))
            .build()
            .unwrap()
            .compile(Sgd::new(0.1), Loss::Mse, [])
            .unwrap();
        randomise(&mut model, 6);
        let model = model.reduction(Reduction::SumTime);
        let sequences = Sequence::many(&[4, 6, 5, 6], 2);
        let d_x = |sequences: &[Sequence<f64>]| {
            let data = dataset(Form::Steps, sequences);
            let d = model.gradients(&data, None, Bptt::Full, Some(9)).unwrap();
            assert!(d.x.iter().any(|d| *d == 0.0), "something is dropped");
            rows(&d.x, 0, 0..4)
        };
        let expected = d_x(&sequences);
        for others in [[1, 1, 1], [6, 3, 0], [4, 4, 4]] {
            let mut cut = sequences.clone();
            cut.iter_mut().skip(1).zip(others).for_each(|(s, n)| *s = s.slice(0, n));
            assert_close("gradients of the first sequence", &d_x(&cut), &expected, 1e-12);
        }
    }
}

#[test]
fn truncation_to_all_steps_is_none() {
    check(6, Form::is_causal, (cases(9), 0..3usize), |cell, form, (case, more)| {
        let model = model::<f32>(cell, form, case.units, case.seed);
        let data = dataset(form, &case.sequences());
        let states = random_states(&model, form, case.lengths.len(), case.seed);
        let k = case.steps().max(1) + more;
        let run = |bptt| model.gradients(&data, Some(&states), bptt, Some(3)).unwrap();
        assert_same_gradients(&run(Bptt::Truncated { k1: k, k2: k }), &run(Bptt::Full));
    });
}

/// `(first step, first step whose loss is new, end)`: every `k1` steps, the newest losses back through `k2` steps.
fn windows(steps: usize, k1: usize, k2: usize) -> Vec<(usize, usize, usize)> {
    let mut windows = Vec::new();
    let mut end = 0;
    while end < steps {
        let new = end;
        end += k1;
        windows.push((end.saturating_sub(k2), new, end));
    }
    windows
}

fn sum<R: Arithmetic>(to: &mut [R], from: &[R], scale: f64) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += R::from_f64(scale) * *from);
}

/// Gradients of a model with an output per step, window by window: the state before a window by a run over the
/// steps in front of it, then the full gradient of the window's steps with all but the newest losses masked. Losses
/// add up under [`Reduction::SumTime`].
fn by_windows(
    model: &Model<f64>,
    sequences: &[Sequence<f64>],
    data: impl Fn(&[Sequence<f64>]) -> Dataset<f64>,
    states: &[LayerState<f64>],
    (k1, k2): (usize, usize),
) -> (f64, Vec<f64>, ArrayD<f64>) {
    let steps = sequences.iter().map(|s| s.length).max().unwrap_or(0);
    let (mut loss, mut parameters) = (0.0, vec![0.0; model.values().len()]);
    let whole = data(sequences);
    let mut x = model.gradients(&whole, Some(states), Bptt::Full, None).unwrap().x * 0.0;
    for (start, new, end) in windows(steps, k1, k2) {
        let before = model.run(data(&slices(sequences, 0, start)).inputs(), Some(states)).unwrap().states;
        let window = slices(sequences, start, end);
        let mask = window.iter().flat_map(|s| (0..s.length).map(|t| start + t >= new)).collect();
        let window = data(&window).mask(mask).unwrap();
        let d = model.gradients(&window, Some(&before), Bptt::Full, None).unwrap();
        loss += d.loss;
        sum(&mut parameters, &d.parameters, 1.0);
        if !x.is_empty() {
            let steps = Slice::from(start..start + d.x.shape()[1]);
            let mut to = x.slice_axis_mut(Axis(1), steps);
            to += &d.x;
        }
    }
    (loss, parameters, x)
}

fn truncations() -> impl Strategy<Value = (Case, usize, usize)> {
    (cases(11), 1..=6usize, 0..=6usize).prop_map(|(case, k1, more)| (case, k1, k1 + more))
}

#[test]
fn truncated_gradients_are_those_of_the_windows() {
    let about = |form: Form| form.is_causal() && form.per_step();
    check(8, about, truncations(), |cell, form, &(ref case, k1, k2)| {
        let model = model::<f64>(cell, form, case.units, case.seed).reduction(Reduction::SumTime);
        let sequences = case.sequences();
        let states = random_states(&model, form, sequences.len(), case.seed);
        let data = |sequences: &[Sequence<f64>]| dataset(form, sequences);
        let (loss, parameters, x) = by_windows(&model, &sequences, data, &states, (k1, k2));
        let truncated = Bptt::Truncated { k1, k2 };
        let found = model.gradients(&data(&sequences), Some(&states), truncated, None).unwrap();
        assert_close("losses", &[found.loss], &[loss], 1e-12);
        assert_close("gradients of the parameters", &found.parameters, &parameters, 1e-11);
        assert_close("gradients of the input", &found.x, &x, 1e-11);
        // The mean is the same but for a factor, and the value of the loss is not touched by truncation.
        let mean = model.reduction(Reduction::Mean);
        let found = mean.gradients(&data(&sequences), Some(&states), truncated, None).unwrap();
        let rows = case.lengths.iter().sum::<usize>().max(1) as f64 / sequences.len() as f64;
        parameters.iter().zip(&found.parameters).for_each(|(a, b)| assert!((a / rows - b).abs() < 1e-10));
        let full = mean.gradients(&data(&sequences), Some(&states), Bptt::Full, None).unwrap();
        assert_close("losses", &[found.loss], &[full.loss], 1e-12);
    });
}

/// With one output per sequence the loss is known at the end alone; what flows back from there to each step is
/// computed here by hand and imposed on the recurrent layers, as targets of squared errors.
#[test]
fn truncated_gradients_of_one_output_per_sequence_are_those_of_the_windows() {
    let about = |form: Form| matches!(form, Form::Last | Form::StackLast) || form.is_pooled();
    check(8, about, truncations(), |cell, form, &(ref case, k1, k2)| {
        let model = model::<f64>(cell, form, case.units, case.seed);
        let sequences: Vec<Sequence<f64>> = case.sequences();
        let batch = sequences.len();
        let states = random_states(&model, form, batch, case.seed);

        let steps = Options { sequences: true, ..Options::default() };
        let mut body = Sequential::new(Input::features(FEATURES)).add(layer(cell, case.units, steps));
        let mut width = case.units;
        if form == Form::StackLast {
            width += 1;
            body = body.add(layer(cell, width, steps));
        }
        let body = body.build::<f64>().unwrap().compile(Adam::default(), Loss::Mse, []).unwrap();
        let mut body = body.reduction(Reduction::SumTime);
        let n = body.values().len();
        body.values_mut().copy_from_slice(&model.values()[..n]);
        let run = body.run(inputs(form, &sequences), Some(&states)).unwrap();
        let last = run.states.last().unwrap().directions[0].h.clone();

        // The end of time and the dense layer behind it, by hand.
        let h = |b: usize, t: usize, j: usize| run.y[[b, t, j]];
        let end = Array2::from_shape_fn((batch, width), |(b, j)| {
            let length = case.lengths[b];
            match form {
                Form::PoolMean => (0..length).map(|t| h(b, t, j)).sum::<f64>() / length.max(1) as f64,
                Form::PoolMax if length > 0 => (0..length).map(|t| h(b, t, j)).fold(f64::MIN, f64::max),
                Form::PoolLast if length > 0 => h(b, length - 1, j),
                Form::PoolMax | Form::PoolLast => 0.0,
                _ => last[[b, j]],
            }
        });
        let as_matrix =
            |a: ArrayViewD<f64>| a.to_owned().into_dimensionality::<gimbap::ndarray::Ix2>().unwrap();
        let w = as_matrix(model.parameter("dense.w").unwrap());
        let y_end = Array2::from_shape_fn((batch, OUTPUTS), |(b, j)| sequences[b].y_end[j]);
        let y = end.dot(&w) + model.parameter("dense.b").unwrap().to_owned();
        let d_y = as_matrix((&y - &y_end).view()) / batch as f64;
        let d_end = d_y.dot(&w.t());
        let loss = as_matrix((&y - &y_end).view()).mapv(|e| e * e).sum() / (batch * OUTPUTS) as f64;

        let mut parameters = vec![0.0; model.values().len()];
        let d_w = end.t().dot(&d_y);
        parameters[n..n + d_w.len()].copy_from_slice(&d_w.iter().copied().collect::<Vec<_>>());
        let d_b: Vec<f64> = d_y.sum_axis(Axis(0)).to_vec();
        parameters[n + d_w.len()..].copy_from_slice(&d_b);

        let imposed: Vec<Sequence<f64>> = sequences
            .iter()
            .enumerate()
            .map(|(b, sequence)| {
                let length = sequence.length;
                let d = |t: usize, j: usize| match form {
                    Form::PoolMean => d_end[[b, j]] / length as f64,
                    Form::PoolMax => {
                        let first = (0..length).find(|&t| h(b, t, j) == end[[b, j]]);
                        if first == Some(t) { d_end[[b, j]] } else { 0.0 }
                    }
                    _ => {
                        if t + 1 == length {
                            d_end[[b, j]]
                        } else {
                            0.0
                        }
                    }
                };
                // Squared errors summed over time, averaged over features and sequences: 2 (h - y) / (width batch).
                let half = (width * batch) as f64 / 2.0;
                let targets = (0..length).flat_map(|t| (0..width).map(move |j| (t, j)));
                let y = targets.map(|(t, j)| h(b, t, j) - half * d(t, j)).collect();
                Sequence { y, outputs: width, ..sequence.clone() }
            })
            .collect();
        let data = |slices: &[Sequence<f64>]| {
            let values = slices.iter().flat_map(|s| s.y.clone()).collect();
            let targets = Targets::per_step(gimbap::loss::RowTargets::Values { values, width });
            Dataset::new(inputs(form, slices), targets).unwrap()
        };
        let (_, of_body, x) = by_windows(&body, &imposed, data, &states, (k1, k2));
        parameters[..n].copy_from_slice(&of_body);

        let truncated = Bptt::Truncated { k1, k2 };
        let found = model.gradients(&dataset(form, &sequences), Some(&states), truncated, None).unwrap();
        assert_close("losses", &[found.loss], &[loss], 1e-12);
        assert_close("gradients of the parameters", &found.parameters, &parameters, 1e-10);
        assert_close("gradients of the input", &found.x, &x, 1e-10);
    });
}

#[test]
fn a_loss_without_a_valid_row_is_zero_and_so_is_its_gradient() {
    check(
        2,
        |_| true,
        cases(9),
        |cell, form, case| {
            for reduction in [Reduction::Mean, Reduction::SumTime] {
                let model = model::<f32>(cell, form, case.units, case.seed).reduction(reduction);
                let data = dataset(form, &case.sequences());
                let n = if form.per_step() { data.inputs().total_steps() } else { data.len() };
                let mut all = vec![data.mask(vec![false; n]).unwrap()];
                if form.per_step() {
                    all.push(dataset(form, &Sequence::many(&vec![0; case.lengths.len()], 0)));
                }
                for data in all {
                    let mut modes = vec![Bptt::Full];
                    if form.is_causal() {
                        modes.extend([Bptt::Checkpointed, Bptt::Truncated { k1: 2, k2: 3 }]);
                    }
                    for bptt in modes {
                        let d = model.gradients(&data, None, bptt, Some(1)).unwrap();
                        assert_eq!(d.loss.to_bits(), 0.0f64.to_bits());
                        assert!(d.parameters.iter().chain(&d.x).all(|d| *d == 0.0));
                        assert!(state_values(&d.initial_states).iter().all(|d| *d == 0.0));
                    }
                    let evaluation = model.evaluate_data(&data, 4).unwrap();
                    assert_eq!((evaluation.loss, evaluation.rows), (0.0, 0));
                }
            }
        },
    );
}

#[test]
fn a_sequence_without_steps_gives_its_initial_state_or_an_empty_pool() {
    let about =
        |form: Form| matches!(form, Form::Last | Form::BackwardsLast | Form::Embedding) || form.is_pooled();
    check(6, about, cases(4), |cell, form, case| {
        let model = model::<f64>(cell, form, case.units, case.seed);
        let mut lengths = case.lengths.clone();
        lengths.push(0);
        let b = lengths.len() - 1;
        let sequences = Sequence::many(&lengths, case.seed);
        let states = random_states(&model, form, lengths.len(), case.seed);
        let run = model.run(inputs(form, &sequences), Some(&states)).unwrap();
        let h = states[0].directions[0].h.row(b).to_owned();
        let w = model.parameter("dense.w").unwrap().into_dimensionality::<gimbap::ndarray::Ix2>().unwrap();
        let end = if form.is_pooled() { h * 0.0 } else { h };
        let expected = end.dot(&w) + model.parameter("dense.b").unwrap();
        assert_close("outputs", &row(&run.y, b), &expected, 1e-13);
        assert_eq!(select_states(&run.states, &[b]), select_states(&states, &[b]), "the state stays");

        let d = model.gradients(&dataset(form, &sequences), Some(&states), Bptt::Full, None).unwrap();
        let d_y: Vec<f64> = (0..OUTPUTS)
            .map(|j| (expected.as_slice().unwrap()[j] - sequences[b].y_end[j]) / lengths.len() as f64)
            .collect();
        let d_h = w.dot(&gimbap::ndarray::Array1::from(d_y));
        let d_h = if form.is_pooled() { d_h * 0.0 } else { d_h };
        assert_close("gradients of h_0", d.initial_states[0].directions[0].h.row(b), &d_h, 1e-12);
    });
}

/// A part of a sequence between reset marks.
struct Part {
    sequence: usize,
    start: usize,
    end: usize,
    /// Whether each direction begins with the state given, instead of zeros: the forward one, the backward one.
    given: [bool; 2],
}

#[test]
fn a_reset_mark_splits_a_sequence_in_two() {
    let about = |form: Form| match form {
        Form::Last | Form::StackLast | Form::BackwardsLast => true,
        Form::Backwards => false, // its outputs come from the end: other steps stand at their places
        form => form.per_step(),
    };
    let values = (cases(40), prop::collection::vec(0..=40usize, 6));
    check(8, about, values, |cell, form, (case, places)| {
        let model = model::<f64>(cell, form, case.units, case.seed).reduction(Reduction::SumTime);
        let sequences = case.sequences();
        let mut parts = Vec::new();
        for (sequence, (&length, &place)) in case.lengths.iter().zip(places).enumerate() {
            let part = |start, end, given| Part { sequence, start, end, given };
            if (1..length).contains(&place) {
                let (first, second) = (part(0, place, [true, false]), part(place, length, [false, true]));
                // One output per sequence: of the part that is read last.
                match form {
                    Form::BackwardsLast => parts.push(first),
                    Form::Last | Form::StackLast => parts.push(second),
                    _ => parts.extend([first, second]),
                }
            } else {
                parts.push(part(0, length, [place > 0 || length == 0, true]));
            }
        }
        let marks = case.lengths.iter().zip(places).flat_map(|(&n, &place)| (0..n).map(move |t| t == place));
        let states = random_states(&model, form, sequences.len(), case.seed);
        let marked = dataset(form, &sequences).resets(marks.collect()).unwrap();
        let marked = model.gradients(&marked, Some(&states), Bptt::Full, None).unwrap();

        let given = |part: &Part, direction: usize| {
            part.given[if form == Form::BackwardsLast { 1 } else { direction }]
        };
        let split: Vec<_> = parts.iter().map(|p| sequences[p.sequence].slice(p.start, p.end)).collect();
        let mut begin = select_states(&states, &parts.iter().map(|p| p.sequence).collect::<Vec<_>>());
        for (direction, array) in arrays(&mut begin) {
            for (mut row, part) in array.outer_iter_mut().zip(&parts) {
                if !given(part, direction) {
                    row.fill(0.0);
                }
            }
        }
        let mut split = model.gradients(&dataset(form, &split), Some(&begin), Bptt::Full, None).unwrap();

        let share = parts.len() as f64 / sequences.len() as f64;
        assert_close("losses", &[marked.loss], &[split.loss * share], 1e-12);
        split.parameters.iter_mut().for_each(|d| *d *= share);
        assert_close("gradients of the parameters", &marked.parameters, &split.parameters, 1e-11);
        let mut x = marked.x.clone() * 0.0;
        let features = x.shape()[2];
        for (i, part) in parts.iter().enumerate() {
            for t in part.start..part.end {
                for j in 0..features {
                    x[[part.sequence, t, j]] = split.x[[i, t - part.start, j]] * share;
                }
            }
        }
        assert_close("gradients of the input", &marked.x, &x, 1e-11);
        let mut expected = states.clone();
        let of_parts = arrays(&mut split.initial_states);
        for ((direction, to), (_, from)) in arrays(&mut expected).into_iter().zip(of_parts) {
            to.fill(0.0);
            for (i, part) in parts.iter().enumerate().filter(|(_, part)| given(part, direction)) {
                to.row_mut(part.sequence).assign(&(&from.row(i) * share));
            }
        }
        let (found, expected) = (state_values(&marked.initial_states), state_values(&expected));
        assert_close("gradients of the initial states", &found, &expected, 1e-11);
    });
}

/// Every array of states, with the number of its direction.
fn arrays<R>(states: &mut [LayerState<R>]) -> Vec<(usize, &mut Array2<R>)> {
    let directions = states.iter_mut().flat_map(|layer| layer.directions.iter_mut().enumerate());
    directions
        .flat_map(|(d, state)| [Some((d, &mut state.h)), state.c.as_mut().map(|c| (d, c))])
        .flatten()
        .collect()
}
