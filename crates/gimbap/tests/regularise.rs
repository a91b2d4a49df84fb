//! What only training does: masks over time, over tokens, over weights, over states; and what it leaves as it is.

mod differences;
mod models;

use differences::{CELLS, Case, check, randomise, recurrent, states};
use gimbap::Arithmetic;
use gimbap::Error;
use gimbap::data::layout::Layout;
use gimbap::layer::*;
use gimbap::loss::RowTargets;
use gimbap::network::Network;
use gimbap::prelude::*;
use gimbap::quantize::Precision;
use gimbap::rng::{Rng, keyed};
use models::{assert_same_bits, distance};

const VOCABULARY: usize = 6;
const LENGTHS: [usize; 4] = [5, 0, 3, 7];

/// Ragged sequences of tokens, with a class for every step.
fn data<R: Arithmetic>(lengths: &[usize], resets: bool, rng: &mut Rng) -> Dataset<R> {
    let mut tokens = |n: usize| (0..n).map(|_| rng.below(VOCABULARY as u64) as u32).collect::<Vec<_>>();
    let inputs: Vec<Vec<u32>> = lengths.iter().map(|&n| tokens(n)).collect();
    let steps = lengths.iter().sum();
    let targets = Targets::per_step(RowTargets::Classes(tokens(steps)));
    let data = Dataset::new(Sequences::from(&inputs).allow_empty(), targets).unwrap();
    let mut marks = || (0..steps).map(|_| rng.bernoulli(0.4)).collect();
    if resets { data.resets(marks()).unwrap() } else { data }
}

fn model<R: Arithmetic>(layers: Vec<LayerSpec>) -> Model<R> {
    let model = layers.into_iter().fold(Sequential::new(Input::ids(VOCABULARY)), Sequential::add);
    let model = model.add(Dense::new(VOCABULARY)).seed(3).build().unwrap();
    model.compile(Sgd::new(0.5), Loss::SparseCategoricalCrossentropy, []).unwrap()
}

/// What one layer makes of its input, for sequences of `LENGTHS` in an order, with the masks of a draw.
fn output(shape: Shape, layer: impl Into<LayerSpec>, input: &Signal<f64>, draw: Option<Draw>) -> Vec<f64> {
    let mut network = Network::<f64>::build(shape, &[layer.into()], false).unwrap();
    let parameters = vec![1.0; network.parameters().last().map_or(0, |p| p.range.end)];
    let (layout, order) = Layout::new(&LENGTHS);
    let pass =
        |layout| Pass { parameters: &parameters, layout, order: &order, draw, keep: true, again: false };
    network.renew();
    network.start(LENGTHS.len(), None);
    network.body(&pass(&layout), |to| to.clone_from(input));
    network.output().to_vec()
}

const DRAW: Option<Draw> = Some(Draw { seed: 4, epoch: 2, step: 9 });

#[test]
fn variational_dropout_drops_the_same_features_at_every_step() {
    let width = 40;
    let (layout, order) = Layout::new(&LENGTHS);
    let ones = Signal::Values(vec![1.0; layout.rows() * width]);
    let layer = Dropout::new(0.3).variational(true);
    let run = |layer: Dropout, draw| output(Shape::Steps(width), layer, &ones, draw);
    let dropped = run(layer, DRAW);
    let row = |values: &[f64], t: usize, b: usize| {
        let row = layout.offsets()[t] + b;
        values[row * width..(row + 1) * width].to_vec()
    };
    for (b, &sequence) in order.iter().enumerate() {
        for t in 0..LENGTHS[sequence] {
            assert_eq!(row(&dropped, t, b), row(&dropped, 0, b), "sequence {sequence}, step {t}");
        }
    }
    assert_ne!(row(&dropped, 0, 0), row(&dropped, 0, 1), "sequences have masks of their own");
    assert!(dropped.iter().all(|&x| x == 0.0 || x == 1.0 / 0.7));
    let zeros = dropped.iter().filter(|x| **x == 0.0).count() as f64 / dropped.len() as f64;
    // 120 draws: five standard deviations.
    assert!((zeros - 0.3).abs() < 0.21, "{zeros}");
    for other in [Draw { seed: 5, ..DRAW.unwrap() }, Draw { step: 10, ..DRAW.unwrap() }] {
        assert_ne!(run(layer, Some(other)), dropped, "{other:?}");
    }
    let of_steps = run(Dropout::new(0.3), DRAW);
    assert_ne!(row(&of_steps, 0, 0), row(&of_steps, 1, 0), "without it steps have masks of their own");
    let untouched = vec![1.0; layout.rows() * width];
    assert_eq!(run(layer, None), untouched);
    assert_eq!(run(Dropout::new(0.0).variational(true), DRAW), untouched);
}

#[test]
fn a_dropped_token_is_dropped_wherever_it_stands() {
    let vocabulary = 200;
    let (layout, _) = Layout::new(&LENGTHS);
    let ids: Vec<u32> = (0..layout.rows() as u32).map(|row| row * 7 % 5).collect();
    let layer = Embedding::new(3).dropout(0.4);
    let run =
        |ids: &[u32], draw| output(Shape::Ids(vocabulary), layer.clone(), &Signal::Ids(ids.to_vec()), draw);
    let dropped = run(&ids, DRAW);
    for (i, a) in dropped.chunks_exact(3).enumerate() {
        assert!(a == [0.0; 3] || a == [1.0 / 0.6; 3], "{a:?}");
        for (j, b) in dropped.chunks_exact(3).enumerate() {
            assert!(ids[i] != ids[j] || a == b, "token {} in rows {i} and {j}", ids[i]);
        }
    }
    assert_eq!(run(&ids, None), vec![1.0; ids.len() * 3]);
    // How many of all tokens are dropped: five standard deviations.
    let mut zeros = 0;
    for some in (0..vocabulary as u32).collect::<Vec<_>>().chunks_exact(10) {
        let rows: Vec<u32> = some.iter().cycle().copied().take(layout.rows()).collect();
        zeros += run(&rows, DRAW)[..10 * 3].chunks_exact(3).filter(|row| row[0] == 0.0).count();
    }
    assert!((zeros as f64 / 200.0 - 0.4).abs() < 0.17, "{zeros} of 200");
    assert_ne!(run(&ids, DRAW), run(&ids, Some(Draw { step: 8, ..DRAW.unwrap() })));
}

/// The layers of a language model that drops tokens and, over time, features.
fn dropping(cell: &str, two: bool, rate: f64) -> Vec<LayerSpec> {
    let between = || LayerSpec::from(Dropout::new(rate).variational(true));
    let mut layers = vec![Embedding::new(3).dropout(rate).into(), between()];
    if two {
        layers.extend([recurrent(cell, 2, true, 0.0), between()]);
    }
    layers.extend([recurrent(cell, 3, true, 0.0), between()]);
    layers
}

/// The gradient of `layers`, with the masks of a seed, by differences: ragged, with resets, of one to seven steps.
fn by_differences(name: &str, layers: impl Fn(&str, bool) -> Vec<LayerSpec>) {
    let mut seed = 0;
    for cell in CELLS {
        for two in [false, true] {
            for kind in ["dense", "ragged", "reset"] {
                for steps in [1, 2, 7] {
                    seed += 1;
                    let mut rng = keyed(seed, 0, 0, 0);
                    let mut model = model::<f64>(layers(cell, two));
                    randomise(&mut model, &mut rng);
                    let lengths = if kind == "ragged" { [steps / 2, steps, 0] } else { [steps; 3] };
                    let data = data(&lengths, kind == "reset", &mut rng);
                    let initial = Some(states(&model, 3, &mut rng));
                    let name = format!("{name}, {cell}, two layers {two}, {kind}, T {steps}");
                    check(&name, &Case { model, data, initial, dropout: Some(seed) });
                }
            }
        }
    }
}

#[test]
fn gradients_with_dropped_tokens_and_features() {
    by_differences("dropped", |cell, two| dropping(cell, two, 0.3));
}

/// One row per sequence, behind the end of time.
#[test]
fn gradients_behind_the_end_of_time() {
    let mut rng = keyed(1, 0, 0, 0);
    let layers =
        vec![OneHot.into(), recurrent("lstm", 3, false, 0.0), Dropout::new(0.4).variational(true).into()];
    let mut model = model::<f64>(layers);
    randomise(&mut model, &mut rng);
    let inputs = vec![vec![1u32, 2, 3], vec![], vec![5]];
    let data = Dataset::new(Sequences::from(&inputs).allow_empty(), &vec![3u32, 0, 4]).unwrap();
    check("flat", &Case { model, data, initial: None, dropout: Some(7) });
}

/// Segments draw the masks of the whole.
#[test]
fn checkpointed_gradients_have_the_same_bits() {
    for cell in CELLS {
        let mut model = model::<f32>(dropping(cell, true, 0.3));
        models::randomise(&mut model, 5);
        let data = data(&[150, 70, 3], true, &mut keyed(8, 0, 0, 0));
        let gradients = |bptt| model.gradients(&data, None, bptt, Some(3)).unwrap().parameters;
        assert_same_bits(cell, &gradients(Bptt::Checkpointed), &gradients(Bptt::Full));
    }
}

/// At rate 0, and outside of training at any rate, the bits are those of a model without.
#[test]
fn off_is_as_if_it_were_not_there() {
    for cell in CELLS {
        let without =
            vec![Embedding::new(3).into(), recurrent(cell, 2, true, 0.0), recurrent(cell, 3, true, 0.0)];
        let mut without = model::<f32>(without);
        models::randomise(&mut without, 5);
        let data = data(&LENGTHS, true, &mut keyed(8, 0, 0, 0));
        let with = |rate, seed| {
            let mut model = model::<f32>(dropping(cell, true, rate));
            model.values_mut().copy_from_slice(without.values());
            model.gradients(&data, None, Bptt::Full, seed).unwrap().parameters
        };
        let expected = without.gradients(&data, None, Bptt::Full, Some(1)).unwrap().parameters;
        assert_same_bits(cell, &with(0.0, Some(1)), &expected);
        assert_same_bits(cell, &with(0.3, None), &expected);
        assert_ne!(with(0.3, Some(1)), expected);
    }
}

/// A recurrent layer with an option of its written form.
fn with(layer: LayerSpec, set: impl Fn(&mut LayerConfig)) -> LayerSpec {
    let mut config = LayerConfig::from(layer);
    set(&mut config);
    LayerSpec::try_from(config).unwrap()
}

/// The layers of a language model that drops weights.
fn weights_dropped(cell: &str, two: bool, rate: f64) -> Vec<LayerSpec> {
    let layer = |units| with(recurrent(cell, units, true, 0.0), |config| config.weight_drop = Some(rate));
    let mut layers = vec![Embedding::new(3).into()];
    layers.extend(two.then(|| layer(2)));
    layers.push(layer(3));
    layers
}

#[test]
fn gradients_with_dropped_weights() {
    by_differences("weights dropped", |cell, two| weights_dropped(cell, two, 0.4));
}

#[test]
fn gradients_with_dropped_weights_in_both_directions() {
    for (seed, cell) in (1..).zip(CELLS) {
        let mut rng = keyed(seed, 0, 0, 0);
        let both = Bidirectional::new(weights_dropped(cell, false, 0.4).pop().unwrap());
        let mut model = model::<f64>(vec![Embedding::new(3).into(), both.into()]);
        randomise(&mut model, &mut rng);
        let data = data(&[3, 0, 5], true, &mut rng);
        let initial = Some(states(&model, 3, &mut rng));
        check(cell, &Case { model, data, initial, dropout: Some(seed) });
    }
}

/// In a step of training the model is the one whose `W_h` is `W_h * m`, for all sequences and time steps, and nothing
/// else is dropped.
#[test]
fn a_step_with_dropped_weights_is_one_of_other_weights() {
    let rate = 0.4;
    for cell in CELLS {
        let mut dropping = model::<f32>(weights_dropped(cell, false, rate));
        models::randomise(&mut dropping, 5);
        if cell == "relu" {
            // No unit is off for good: all weights have gradients.
            dropping.values_mut().iter_mut().for_each(|w| *w = w.abs());
        }
        let data = data(&LENGTHS, true, &mut keyed(8, 0, 0, 0));
        let found = dropping.gradients(&data, None, Bptt::Full, Some(1)).unwrap();
        let w_h = dropping.parameters().iter().find(|p| p.name.ends_with("w_h")).unwrap().range.clone();
        // Where a weight is dropped there is no gradient.
        let kept = (1.0 / (1.0 - rate)) as f32;
        let mask: Vec<f32> =
            found.parameters[w_h.clone()].iter().map(|d| if *d == 0.0 { 0.0 } else { kept }).collect();
        let dropped = mask.iter().filter(|m| **m == 0.0).count();
        assert!((2..mask.len() - 2).contains(&dropped), "{cell}: {dropped} of {} dropped", mask.len());

        let mut other = model::<f32>(weights_dropped(cell, false, 0.0));
        other.values_mut().copy_from_slice(dropping.values());
        other.values_mut()[w_h.clone()].iter_mut().zip(&mask).for_each(|(w, m)| *w *= *m);
        let mut expected = other.gradients(&data, None, Bptt::Full, Some(1)).unwrap();
        assert_eq!(found.loss.to_bits(), expected.loss.to_bits(), "{cell}");
        expected.parameters[w_h].iter_mut().zip(&mask).for_each(|(d, m)| *d *= *m);
        let zero = |x: f32| if x == 0.0 { 0.0 } else { x }; // of either sign
        let [found_bits, expected] =
            [&found, &expected].map(|g| g.parameters.iter().map(|d| zero(*d)).collect::<Vec<_>>());
        assert_same_bits(cell, &found_bits, &expected);
        let again = dropping.gradients(&data, None, Bptt::Full, Some(2)).unwrap();
        assert_ne!(again.loss, found.loss, "another draw has another mask");
    }
}

/// The mask is that of the step. Where `1 / (1 - rate)` is a power of two, the sums over segments are too.
#[test]
fn segments_drop_the_same_weights() {
    for cell in CELLS {
        for lengths in [&[150, 70, 3][..], &[150]] {
            let data = data(lengths, true, &mut keyed(8, 0, 0, 0));
            let mut single = model::<f32>(weights_dropped(cell, true, 0.5));
            models::randomise(&mut single, 5);
            let gradients = |bptt| single.gradients(&data, None, bptt, Some(3)).unwrap().parameters;
            assert_same_bits(cell, &gradients(Bptt::Checkpointed), &gradients(Bptt::Full));
        }
        let data = data(&[150, 70, 3], true, &mut keyed(8, 0, 0, 0));
        let mut double = model::<f64>(weights_dropped(cell, true, 0.3));
        models::randomise(&mut double, 5);
        let gradients = |bptt| double.gradients(&data, None, bptt, Some(3)).unwrap().parameters;
        let apart = distance(&gradients(Bptt::Checkpointed), &gradients(Bptt::Full), 1e-3);
        assert!(apart < 1e-14, "{cell}: {apart:e}");
    }
}

/// Outside of training a model with `weight_drop` is the model without, also after a step of training in the same
/// network; at rate 0 it is so in training.
#[test]
fn whole_weights_outside_of_training() {
    for cell in CELLS {
        let mut without = model::<f32>(weights_dropped(cell, true, 0.0));
        models::randomise(&mut without, 5);
        let mut with = model::<f32>(weights_dropped(cell, true, 0.4));
        with.values_mut().copy_from_slice(without.values());
        for lengths in [&LENGTHS[..], &[4]] {
            let data = data::<f32>(lengths, false, &mut keyed(8, 0, 0, 0));
            let [a, b] = [&with, &without].map(|model| model.predict(data.inputs()).unwrap());
            assert_same_bits(cell, &a, &b);
            let [a, b] =
                [&with, &without].map(|model| model.gradients(&data, None, Bptt::Full, None).unwrap());
            assert_same_bits(cell, &a.parameters, &b.parameters);
        }
        let [mut a, mut b] = [&with, &without].map(|model| model.stream().unwrap());
        for id in [3, 1, 4, 1, 5] {
            assert_same_bits(cell, a.step(id), b.step(id));
        }

        let layers = weights_dropped(cell, true, 0.4);
        let mut network = Network::<f32>::build(Shape::Ids(VOCABULARY), &layers, false).unwrap();
        let (layout, order) = Layout::new(&LENGTHS);
        let ids: Vec<u32> = (0..layout.rows() as u32).map(|row| row % VOCABULARY as u32).collect();
        let parameters = with.values();
        network.renew();
        let mut run = |draw| {
            network.start(LENGTHS.len(), None);
            let pass = Pass { parameters, layout: &layout, order: &order, draw, keep: false, again: false };
            network.body(&pass, |to| *to = Signal::Ids(ids.clone()));
            network.output().to_vec()
        };
        let (before, in_training, after) = (run(None), run(DRAW), run(None));
        assert_ne!(before, in_training);
        assert_same_bits(cell, &before, &after);
    }
}

/// The layers of a language model whose units keep `h` and, of an LSTM, `c`.
fn zoned(cell: &str, two: bool, [h, c]: [f64; 2]) -> Vec<LayerSpec> {
    let layer = |units| {
        with(recurrent(cell, units, true, 0.0), |config| {
            config.zoneout = Some(h);
            config.zoneout_cell = (cell == "lstm").then_some(c);
        })
    };
    let mut layers = vec![Embedding::new(3).into()];
    layers.extend(two.then(|| layer(2)));
    layers.push(layer(3));
    layers
}

#[test]
fn gradients_with_zoneout() {
    by_differences("h and c", |cell, two| zoned(cell, two, [0.4, 0.3]));
    by_differences("c alone", |cell, two| zoned(cell, two, [0.0, 0.3]));
    by_differences("all", |cell, two| {
        let mut layers = dropping(cell, two, 0.3);
        for layer in layers.iter_mut().filter(|layer| layer.recurrent().is_some()) {
            *layer = with(layer.clone(), |config| {
                config.zoneout = Some(0.4);
                config.weight_drop = Some(0.3);
                config.recurrent_dropout = Some(0.2);
            });
        }
        layers
    });
}

#[test]
fn gradients_with_zoneout_in_both_directions_and_outside_of_training() {
    for (seed, cell) in (1..).zip(CELLS) {
        for dropout in [Some(seed), None] {
            let mut rng = keyed(seed, 0, 0, 0);
            let both = Bidirectional::new(zoned(cell, false, [0.4, 0.3]).pop().unwrap());
            let mut model = model::<f64>(vec![Embedding::new(3).into(), both.into()]);
            randomise(&mut model, &mut rng);
            let data = data(&[3, 0, 5], true, &mut rng);
            let initial = Some(states(&model, 3, &mut rng));
            check(cell, &Case { model, data, initial, dropout });
        }
    }
}

/// In training a unit keeps its state, to the bit, or is the cell's; which, is drawn for each sequence and step.
#[test]
fn zoned_units_keep_their_state() {
    let (units, rate) = (50, 0.3);
    let layer = || SimpleRnn::new(units).return_sequences(true);
    let (layout, order) = Layout::new(&LENGTHS);
    let mut rng = keyed(8, 0, 0, 0);
    let parameters: Vec<f64> = (0..units * (units + 3)).map(|_| 0.3 * rng.normal()).collect();
    let x: Vec<f64> = (0..layout.rows() * 2).map(|_| rng.normal()).collect();
    let run = |layer: SimpleRnn, draw| {
        let mut network = Network::<f64>::build(Shape::Steps(2), &[layer.into()], false).unwrap();
        network.renew();
        network.start(LENGTHS.len(), None);
        let pass =
            Pass { parameters: &parameters, layout: &layout, order: &order, draw, keep: true, again: false };
        network.body(&pass, |to| *to = Signal::Values(x.clone()));
        network.output().to_vec()
    };
    let h = run(layer().zoneout(rate), DRAW);
    let kept = |t: usize, b: usize| -> Vec<bool> {
        let at = |t: usize| (layout.offsets()[t] + b) * units;
        let before = if t == 0 { vec![0.0; units] } else { h[at(t - 1)..][..units].to_vec() };
        h[at(t)..][..units].iter().zip(before).map(|(h, before)| h.to_bits() == before.to_bits()).collect()
    };
    let steps = || (0..layout.steps()).flat_map(|t| (0..layout.active(t)).map(move |b| (t, b)));
    let all: Vec<bool> = steps().flat_map(|(t, b)| kept(t, b)).collect();
    let share = all.iter().filter(|kept| **kept).count() as f64 / all.len() as f64;
    // 750 draws: five standard deviations.
    assert!((share - rate).abs() < 0.084, "{share}");
    assert!(kept(0, 0) != kept(0, 1) && kept(0, 0) != kept(1, 0), "each has draws of its own");
    // Where nothing was kept before, what is not kept is the cell's.
    let free = run(layer(), DRAW);
    for (unit, kept) in kept(0, 0).into_iter().enumerate() {
        assert_eq!(h[unit].to_bits(), if kept { 0 } else { free[unit].to_bits() });
    }
    assert_ne!(run(layer().zoneout(rate), Some(Draw { step: 10, ..DRAW.unwrap() })), h);
    assert_same_bits("off", &run(layer().zoneout(0.0), DRAW), &free);
}

/// Krueger et al., equations 4 and 5, with the expectation in place of the masks, in plain loops.
#[test]
fn outside_of_training_it_is_the_mean() {
    let (units, steps, of_h, of_c) = (3, 6, 0.3, 0.2);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let layer = Lstm::new(units).return_sequences(true).zoneout(of_h).zoneout_cell(of_c);
    let mut model = Sequential::new(Input::features(1)).add(layer).build::<f64>().unwrap();
    models::randomise(&mut model, 5);
    let [w_x, w_h, b] = ["lstm.w_x", "lstm.w_h", "lstm.b"]
        .map(|name| model.parameter(name).unwrap().to_owned().into_raw_vec_and_offset().0);
    let x: Vec<f64> = (0..steps).map(|t| (t as f64).sin()).collect();
    let input = gimbap::ndarray::Array3::from_shape_vec((1, steps, 1), x.clone()).unwrap();
    let y = model.predict(&input).unwrap();
    let (mut h, mut c) = (vec![0.0; units], vec![0.0; units]);
    for (t, x) in x.into_iter().enumerate() {
        let before = h.clone();
        for unit in 0..units {
            let gate = |g: usize| {
                let column = g * units + unit;
                let recurrent: f64 = (0..units).map(|k| before[k] * w_h[k * 4 * units + column]).sum();
                x * w_x[column] + recurrent + b[column]
            };
            let (i, f, g, o) = (sigmoid(gate(0)), sigmoid(gate(1)), gate(2).tanh(), sigmoid(gate(3)));
            let made = f * c[unit] + i * g;
            c[unit] = of_c * c[unit] + (1.0 - of_c) * made;
            h[unit] = of_h * before[unit] + (1.0 - of_h) * (o * made.tanh());
            assert!((y[[0, t, unit]] - h[unit]).abs() < 1e-12, "step {t}, unit {unit}");
        }
    }
}

#[test]
fn zoneout_streams_as_it_predicts() {
    for cell in CELLS {
        let mut full = model::<f32>(zoned(cell, true, [0.4, 0.3]));
        models::randomise(&mut full, 5);
        let ids = vec![vec![3u32, 1, 4, 1, 5, 2, 0, 5, 3]];
        for precision in [Precision::Full, Precision::Bf16, Precision::Int8] {
            let model =
                if precision == Precision::Full { full.clone() } else { full.quantized(precision).unwrap() };
            let whole = model.predict(&ids).unwrap();
            let mut stream = model.stream().unwrap();
            let streamed: Vec<f32> = ids[0].iter().flat_map(|id| stream.step(*id).to_vec()).collect();
            let apart = distance(&streamed, &whole, 1e-3);
            assert!(apart < 1e-5, "{cell}, {precision:?}: {apart:e}");
        }
        // In two segments, from the state in between.
        let data = data::<f32>(&[150, 70, 3], true, &mut keyed(8, 0, 0, 0));
        let gradients = |bptt, seed| full.gradients(&data, None, bptt, seed).unwrap().parameters;
        for seed in [Some(3), None] {
            assert_same_bits(cell, &gradients(Bptt::Checkpointed, seed), &gradients(Bptt::Full, seed));
        }
    }
}

#[test]
fn frozen_vectors_stay() {
    let layers = |trainable| -> Vec<LayerSpec> {
        let embedding = Embedding::new(3).dropout(0.2).trainable(trainable);
        vec![embedding.into(), Lstm::new(4).return_sequences(true).into()]
    };
    let data = data::<f32>(&LENGTHS, false, &mut keyed(8, 0, 0, 0));
    let [frozen, trained] = [false, true].map(|trainable| {
        let mut model = model::<f32>(layers(trainable));
        models::randomise(&mut model, 5);
        model
    });
    let vectors = frozen.parameters()[0].range.clone();
    let [a, b] = [&frozen, &trained]
        .map(|model| model.gradients(&data, None, Bptt::Full, Some(1)).unwrap().parameters);
    assert!(a[vectors.clone()].iter().all(|d| *d == 0.0) && b[vectors.clone()].iter().any(|d| *d != 0.0));
    assert_same_bits("the others' gradients", &a[vectors.end..], &b[vectors.end..]);
    assert!(frozen.summary().ends_with("Non-trainable params: 18\n"), "{}", frozen.summary());
    assert!(!trained.summary().contains("Non-trainable"));

    let optimizers: [Optimizer; 4] = [
        Sgd::new(0.5).into(),
        Sgd::new(0.5).momentum(0.9).into(),
        RmsProp::new(0.01).into(),
        Adam::new(0.01).into(),
    ];
    for optimizer in optimizers {
        let compiled = |model: &Model<f32>| {
            model.clone().compile(optimizer.clone(), Loss::SparseCategoricalCrossentropy, []).unwrap()
        };
        let fit = Fit { epochs: 2, batch_size: 2, clip_norm: Some(0.1), ..Fit::default() };
        for (start, moves) in [(&frozen, false), (&trained, true)] {
            let mut model = compiled(start);
            model.fit_data(&data, None, &fit).unwrap();
            let (after, before) = (model.values(), start.values());
            assert_eq!(after[vectors.clone()] != before[vectors.clone()], moves, "{optimizer:?}");
            assert_ne!(after[vectors.end..], before[vectors.end..]);
        }
    }
}

#[test]
fn what_would_move_frozen_vectors_is_refused() {
    let frozen = || Embedding::new(3).trainable(false);
    let build = |embedding: Embedding| Sequential::new(Input::ids(5)).add(embedding).add(Dense::new(5));
    let mut penalised = frozen();
    penalised.l2 = 0.1;
    for (embedding, other) in [(frozen().tied(true), "`tied`"), (penalised, "`l2`")] {
        let message = build(embedding).build::<f32>().unwrap_err().to_string();
        let named = ["layer `embedding`", "`trainable`", other];
        assert!(named.iter().all(|word| message.contains(word)), "{message}");
    }
    let decayed = build(frozen()).compile(AdamW::new(0.1), Loss::SparseCategoricalCrossentropy, []);
    let message = decayed.unwrap_err().to_string();
    let named = ["optimizer.weight_decay", "`embedding.w`", "set it to 0"];
    assert!(named.iter().all(|word| message.contains(word)), "{message}");
    assert!(
        build(frozen())
            .compile(AdamW::new(0.1).weight_decay(0.0), Loss::SparseCategoricalCrossentropy, [])
            .is_ok()
    );
}

#[test]
fn a_training_is_the_same_at_any_thread_count() {
    let train = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let between = || Dropout::new(0.2).variational(true);
            let layer = |units| {
                Lstm::new(units).return_sequences(true).weight_drop(0.3).zoneout(0.1).zoneout_cell(0.2)
            };
            let mut model = model::<f32>(vec![
                Embedding::new(24).dropout(0.2).into(),
                between().into(),
                layer(64).into(),
                between().into(),
                layer(40).into(),
                between().into(),
            ]);
            let data = data(&[40, 30, 0, 25, 40, 12, 33, 20], true, &mut keyed(8, 0, 0, 0));
            let fit = Fit { epochs: 2, batch_size: 4, clip_norm: Some(1.0), ..Fit::default() };
            model.fit_data(&data, None, &fit).unwrap();
            model.values().to_vec()
        })
    };
    let one = train(1);
    for threads in [2, 4] {
        assert_same_bits("weights", &train(threads), &one);
    }
}

#[test]
fn options_come_back_from_their_written_form() {
    let layers: Vec<LayerSpec> = vec![
        Embedding::new(3).tied(true).dropout(0.1).into(),
        Dropout::new(0.3).variational(true).into(),
        Dropout::new(0.3).into(),
        Embedding::new(3).trainable(false).into(),
        Gru::new(3).weight_drop(0.4).zoneout(0.1).into(),
        Bidirectional::new(Lstm::new(3).zoneout_cell(0.4)).into(),
    ];
    let written = serde_json::to_value(&layers).unwrap();
    assert_eq!(written[0]["tied"], true);
    assert_eq!(written[1]["variational"], true);
    assert!(written[2].get("variational").is_none(), "what is off is not written");
    assert_eq!(written[3]["trainable"], false);
    assert_eq!((&written[4]["weight_drop"], &written[4]["zoneout"]), (&0.4.into(), &0.1.into()));
    assert_eq!(written[5]["layer"]["zoneout_cell"], 0.4);
    assert_eq!(serde_json::from_value::<Vec<LayerSpec>>(written).unwrap(), layers);
    for (kind, option) in [("dense", "variational"), ("gru", "zoneout_cell"), ("lstm", "tied")] {
        let mut wrong = serde_json::json!({"type": kind, "units": 3});
        wrong[option] = if option == "zoneout_cell" { 0.1.into() } else { true.into() };
        let message = serde_json::from_value::<LayerSpec>(wrong).unwrap_err().to_string();
        assert!(message.contains(&format!("no option `{option}`")), "{message}");
    }
}

#[test]
fn impossible_rates_are_named() {
    for rate in [-0.1, 1.0, f64::NAN] {
        let layers: [(LayerSpec, &str, &str); 4] = [
            (Embedding::new(3).dropout(rate).into(), "embedding", "dropout"),
            (Lstm::new(3).weight_drop(rate).into(), "lstm", "weight_drop"),
            (Gru::new(3).zoneout(rate).into(), "gru", "zoneout"),
            (Lstm::new(3).zoneout_cell(rate).into(), "lstm", "zoneout_cell"),
        ];
        for (layer, kind, option) in layers {
            let front = (kind != "embedding").then(|| LayerSpec::from(OneHot));
            let model =
                front.into_iter().chain([layer]).fold(Sequential::new(Input::ids(5)), Sequential::add);
            match model.add(Dense::new(2)).build::<f32>() {
                Err(Error::Config { place, message }) => {
                    assert_eq!(place, format!("layer `{kind}`"));
                    let words = [&format!("`{option}` is"), "[0, 1)"];
                    assert!(words.iter().all(|word| message.contains(*word)), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
