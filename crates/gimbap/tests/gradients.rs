//! Gradients against central differences in f64, at random asymmetric weights; then f32 on every instruction set
//! against f64.

mod differences;

use differences::*;
use gimbap::Isa;
use gimbap::layer::*;
use gimbap::ndarray::{Array2, Array3};
use gimbap::prelude::*;
use gimbap::rng;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Batch {
    Dense,
    Ragged,
    Masked,
    Reset,
}

/// Every valid value of `x`, moved.
fn check_x(
    name: &str,
    case: &Case,
    x: &Array3<f64>,
    lengths: &[usize],
    make: impl Fn(&Array3<f64>) -> Dataset<f64>,
) {
    let gradients = case.gradients();
    for (b, &length) in lengths.iter().enumerate() {
        for t in 0..length {
            for j in 0..x.dim().2 {
                compare(name, format!("x[{b}, {t}, {j}]"), gradients.x[[b, t, j]], |by| {
                    let mut x = x.clone();
                    x[[b, t, j]] += by;
                    case.loss(&case.model, &make(&x), case.initial.as_deref())
                });
            }
        }
    }
}

/// Data with a target of two values per step, of one kind of batch.
fn data(kind: Batch, x: &Array3<f64>, lengths: &[usize], y: &[f64], seed: u64) -> Dataset<f64> {
    let inputs = Sequences::padded(x.view(), lengths).unwrap().allow_empty();
    let steps: usize = lengths.iter().sum();
    let mut rng = rng::keyed(seed, 0, 0, 9);
    let values = y[..steps * 2].to_vec();
    let targets = Targets::per_step(gimbap::loss::RowTargets::Values { values, width: 2 });
    let data = Dataset::new(inputs, targets).unwrap();
    let mut marks = || (0..steps).map(|_| rng.bernoulli(0.4)).collect::<Vec<_>>();
    match kind {
        Batch::Dense | Batch::Ragged => data,
        Batch::Masked => {
            let mut mask = marks();
            mask[0] = true;
            data.mask(mask).unwrap().weights((0..steps).map(|i| 0.5 + (i % 3) as f64).collect()).unwrap()
        }
        Batch::Reset => data.resets(marks()).unwrap(),
    }
}

#[test]
fn every_cell_in_every_arrangement() {
    let mut seed = 0;
    for cell in CELLS {
        for (layers, bidirectional) in [(1, false), (2, false), (1, true), (2, true)] {
            for kind in [Batch::Dense, Batch::Ragged, Batch::Masked, Batch::Reset] {
                for steps in [1, 2, 7] {
                    seed += 1;
                    let name = format!(
                        "{cell}, {layers} layers, bidirectional {bidirectional}, {kind:?}, T {steps}"
                    );
                    arrangement(&name, seed, (cell, layers, bidirectional), kind, steps);
                }
            }
        }
    }
}

fn arrangement(name: &str, seed: u64, network: (&str, usize, bool), kind: Batch, steps: usize) {
    let (cell, layers, bidirectional) = network;
    let mut rng = rng::keyed(seed, 0, 0, 0);
    let merges = [Merge::Concat, Merge::Sum, Merge::Mul, Merge::Ave];
    let layer = |units: usize| -> LayerSpec {
        let layer = recurrent(cell, units, true, 0.0);
        match bidirectional {
            true => Bidirectional::new(layer).merge(merges[seed as usize % 4]).into(),
            false => layer,
        }
    };
    let mut sequential = Sequential::new(Input::features(2)).add(layer(3));
    if layers == 2 {
        sequential = sequential.add(layer(2));
    }
    let model = sequential.add(Dense::new(2)).build::<f64>().unwrap();
    let mut model = model.compile(Adam::default(), Loss::Mse, []).unwrap();
    randomise(&mut model, &mut rng);
    let lengths = match kind {
        Batch::Ragged => vec![steps / 2, steps, 0],
        _ => vec![steps; 3],
    };
    let x = Array3::from_shape_vec((3, steps, 2), uniform(&mut rng, 6 * steps, 1.0)).unwrap();
    let y = uniform(&mut rng, 6 * steps, 2.0);
    let initial = Some(states(&model, 3, &mut rng));
    let make = |x: &Array3<f64>| data(kind, x, &lengths, &y, seed);
    let case = Case { data: make(&x), model, initial, dropout: None };
    check(name, &case);
    check_x(name, &case, &x, &lengths, make);
}

#[test]
fn dropout_with_fixed_masks() {
    for (seed, cell) in (100..).zip(CELLS) {
        for bidirectional in [false, true] {
            let name = format!("{cell} with dropout, bidirectional {bidirectional}");
            let mut rng = rng::keyed(seed, 0, 0, 0);
            let layer = |sequences| -> LayerSpec {
                let layer = recurrent(cell, 3, sequences, 0.4);
                if bidirectional { Bidirectional::new(layer).into() } else { layer }
            };
            let sequential = Sequential::new(Input::features(3)).add(layer(true)).add(Dropout::new(0.3));
            let model = sequential.add(layer(false)).add(Dense::new(2)).build::<f64>().unwrap();
            let mut model = model.compile(Adam::default(), Loss::Mse, []).unwrap();
            randomise(&mut model, &mut rng);
            let lengths = [4, 2, 3];
            let x = Array3::from_shape_vec((3, 4, 3), uniform(&mut rng, 36, 1.0)).unwrap();
            let y = Array2::from_shape_vec((3, 2), uniform(&mut rng, 6, 2.0)).unwrap();
            let make =
                |x: &Array3<f64>| Dataset::new(Sequences::padded(x.view(), &lengths).unwrap(), &y).unwrap();
            let initial = Some(states(&model, 3, &mut rng));
            let case = Case { data: make(&x), model, initial, dropout: Some(seed) };
            let without =
                case.model.gradients(&case.data, case.initial.as_deref(), Bptt::Full, None).unwrap();
            assert_ne!(without.loss, case.gradients().loss, "{name}: no mask was drawn");
            check(&name, &case);
            check_x(&name, &case, &x, &lengths, make);
        }
    }
}

/// A loss at every step, summed over time: sequences of several lengths, one of them none, with a mask and weights. The
/// sum is over the steps that count, the mean over all sequences.
#[test]
fn summed_over_time_ragged_and_masked() {
    for (seed, cell) in (300..).zip(CELLS) {
        for bidirectional in [false, true] {
            let name = format!("{cell}, summed over time, bidirectional {bidirectional}");
            let mut rng = rng::keyed(seed, 0, 0, 0);
            let layer = recurrent(cell, 3, true, 0.0);
            let layer = if bidirectional { Bidirectional::new(layer).into() } else { layer };
            let sequential = Sequential::new(Input::features(2)).add(layer).add(Dense::new(2));
            let model = sequential.build::<f64>().unwrap();
            let mut model = model.compile(Adam::default(), Loss::Mse, []).unwrap();
            randomise(&mut model, &mut rng);
            let lengths = [3, 0, 6, 1];
            let x = Array3::from_shape_vec((4, 6, 2), uniform(&mut rng, 48, 1.0)).unwrap();
            let y = uniform(&mut rng, 20, 2.0);
            let mask = [true, false, true, true, true, false, true, false, true, true];
            let initial = Some(states(&model, 4, &mut rng));
            let make = |x: &Array3<f64>| {
                let inputs = Sequences::padded(x.view(), &lengths).unwrap().allow_empty();
                let targets = gimbap::loss::RowTargets::Values { values: y.clone(), width: 2 };
                let data = Dataset::new(inputs, Targets::per_step(targets)).unwrap().mask(mask.to_vec());
                data.unwrap().weights((0..10).map(|i| 0.5 + (i % 3) as f64).collect()).unwrap()
            };
            let mean = model.gradients(&make(&x), initial.as_deref(), Bptt::Full, None).unwrap().loss;
            let model = model.reduction(Reduction::SumTime);
            let case = Case { data: make(&x), model, initial, dropout: None };
            let (sum, steps) = (case.gradients().loss, mask.iter().filter(|&&counts| counts).count() as f64);
            assert!((sum * 4.0 - mean * steps).abs() < 1e-12 * sum, "{name}: {sum}, the mean {mean}");
            check(&name, &case);
            check_x(&name, &case, &x, &lengths, make);
        }
    }
}

/// The other layers, and the losses, each at the end of a small recurrent network.
#[test]
fn every_other_layer_and_loss() {
    let ends: Vec<(&str, Vec<LayerSpec>)> = vec![
        ("last of lstm", vec![Lstm::new(3).into()]),
        ("go_backwards", vec![Gru::new(3).go_backwards(true).into()]),
        (
            "go_backwards, all",
            vec![Lstm::new(3).go_backwards(true).return_sequences(true).into(), Pool::Mean.into()],
        ),
        ("pool last", vec![Pool::Last.into()]),
        ("pool mean", vec![Pool::Mean.into()]),
        ("pool max", vec![Pool::Max.into()]),
        (
            "layer norm",
            vec![LayerNorm::default().into(), Pool::Mean.into(), LayerNorm { epsilon: 1e-2 }.into()],
        ),
        ("dense tanh", vec![Dense::new(3).activation(Activation::Tanh).into(), Pool::Mean.into()]),
        ("dense relu", vec![Pool::Mean.into(), Dense::new(5).activation(Activation::Relu).into()]),
        ("dense sigmoid", vec![Dense::new(3).activation(Activation::Sigmoid).into(), Pool::Max.into()]),
        ("dense softmax", vec![Dense::new(3).activation(Activation::Softmax).into(), Pool::Mean.into()]),
        ("activation", vec![Activation::Softmax.into(), Activation::Tanh.into(), Pool::Last.into()]),
        ("flatten", vec![Flatten::new(3).into()]),
    ];
    let losses = [
        Loss::Mse,
        Loss::Mae,
        Loss::Huber { delta: 0.3 },
        Loss::BinaryCrossentropy,
        Loss::CategoricalCrossentropy,
        Loss::SparseCategoricalCrossentropy,
    ];
    for (number, (name, end)) in ends.into_iter().enumerate() {
        for front in ["features", "embedding", "one hot", "one hot, dense"] {
            for loss in losses {
                let name = format!("{front}, {name}, {loss:?}");
                other(&name, 200 + number as u64, front, &end, loss);
            }
        }
    }
}

fn other(name: &str, seed: u64, front: &str, end: &[LayerSpec], loss: Loss) {
    let mut rng = rng::keyed(seed, 0, 0, 0);
    let (input, front): (Input, Vec<LayerSpec>) = match front {
        "features" => (Input::features(2), vec![]),
        "embedding" => (Input::ids(5), vec![Embedding::new(2).into()]),
        "one hot" => (Input::ids(5), vec![OneHot.into()]),
        _ => (Input::ids(5), vec![OneHot.into(), Dense::new(2).into()]),
    };
    let rnn = SimpleRnn::new(4).return_sequences(true);
    let layers = front.into_iter().chain([rnn.into()]).chain(end.to_vec());
    let sequential = layers.fold(Sequential::new(input), Sequential::add).add(Dense::new(3));
    let model = sequential.build::<f64>().unwrap().compile(Adam::default(), loss, []).unwrap();
    let mut model = model.reduction([Reduction::Mean, Reduction::SumTime][seed as usize % 2]);
    randomise(&mut model, &mut rng);
    let mut rows = |positive: bool| {
        let mut rows =
            Array2::from_shape_simple_fn((2, 3), || rng.uniform(if positive { 0.1 } else { -2.0 }, 2.0));
        if positive {
            rows.outer_iter_mut().for_each(|mut row| row /= row.sum());
        }
        rows
    };
    let targets = match loss {
        Loss::SparseCategoricalCrossentropy => Targets::from(&vec![2, 0]),
        Loss::CategoricalCrossentropy | Loss::BinaryCrossentropy => Targets::from(&rows(true)),
        _ => Targets::from(&rows(false)),
    };
    let inputs: Sequences<f64> = match input {
        Input::Ids(_) => (&vec![vec![0, 3, 1], vec![2, 2, 0]]).into(),
        Input::Features(_) => {
            (&Array3::from_shape_vec((2, 3, 2), uniform(&mut rng, 12, 1.0)).unwrap()).into()
        }
    };
    let data = Dataset::new(inputs, targets).unwrap().weights(vec![0.7, 1.9]).unwrap();
    check(name, &Case { model, data, initial: None, dropout: None });
}

/// f32 on every instruction set, H from 1 to 130, against f64: the equations are one text, the lanes differ.
#[test]
fn f32_on_every_instruction_set_agrees_with_f64() {
    for cell in CELLS {
        for units in [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 66, 100, 127, 128, 129, 130] {
            let mut rng = rng::keyed(units as u64, 0, 0, 0);
            let layer = recurrent(cell, units, true, 0.0);
            let sequential = Sequential::new(Input::features(3)).add(layer).add(Dense::new(2));
            let model = sequential.build::<f64>().unwrap();
            let mut model = model.compile(Adam::default(), Loss::Mse, []).unwrap();
            let scale = 1.0 / (units as f64).sqrt();
            model.values_mut().iter_mut().for_each(|w| *w = f64::from(rng.uniform(-scale, scale) as f32));
            let x = Array3::from_shape_simple_fn((7, 3, 3), || f64::from(rng.uniform(-1.0, 1.0) as f32));
            let y = Array3::from_shape_simple_fn((7, 3, 2), || f64::from(rng.uniform(-1.0, 1.0) as f32));
            let exact = model.gradients(&Dataset::new(&x, &y).unwrap(), None, Bptt::Full, None).unwrap();
            let mut single =
                sequential.build::<f32>().unwrap().compile(Adam::default(), Loss::Mse, []).unwrap();
            single.values_mut().iter_mut().zip(model.values()).for_each(|(to, w)| *to = *w as f32);
            let data = Dataset::new(&x.mapv(|x| x as f32), &y.mapv(|y| y as f32)).unwrap();
            for isa in Isa::available() {
                assert!(isa.select());
                let found = single.gradients(&data, None, Bptt::Full, None).unwrap();
                let agree = |name: &str, found: &mut dyn Iterator<Item = f32>, exact: &[f64]| {
                    let largest = exact.iter().fold(0f64, |largest, d| largest.max(d.abs()));
                    for (found, exact) in found.zip(exact) {
                        let error = (f64::from(found) - exact).abs();
                        assert!(
                            error <= 1e-5 * largest,
                            "{isa}, {cell}, H {units}: {name}: {found} for {exact}"
                        );
                    }
                };
                for parameter in model.parameters() {
                    let range = parameter.range.clone();
                    let values = &mut found.parameters[range.clone()].iter().copied();
                    agree(&parameter.name, values, &exact.parameters[range]);
                }
                agree("x", &mut found.x.iter().copied(), exact.x.as_slice().unwrap());
            }
        }
    }
}
