//! The microscope against independent computations: central differences in f64, and the gradients of training.

mod differences;

use differences::{CELLS, randomise, recurrent, uniform};
use gimbap::explain::{Explanation, GateKind, explain};
use gimbap::layer::*;
use gimbap::loss::RowTargets;
use gimbap::model::LayerState;
use gimbap::ndarray::{Array2, Array3};
use gimbap::prelude::*;
use gimbap::rng;
use gimbap::train::Fit;

const STEPS: usize = 7;

fn compiled(model: Sequential, loss: Loss, seed: u64) -> Model<f64> {
    let model = model.build::<f64>().unwrap().compile(Sgd::new(0.1), loss, []).unwrap();
    let mut model = model.reduction(Reduction::SumTime);
    randomise(&mut model, &mut rng::keyed(seed, 0, 0, 1));
    model
}

/// Two layers of a cell over features, an output of two values at each step.
fn features(cell: &str, seed: u64) -> (Model<f64>, Array3<f64>, Vec<f64>) {
    let layers = Sequential::new(Input::features(3))
        .add(recurrent(cell, 4, true, 0.0))
        .add(LayerNorm::default())
        .add(recurrent(cell, 5, true, 0.0))
        .add(Dense::new(2));
    let mut rng = rng::keyed(seed, 0, 0, 2);
    let x = Array3::from_shape_vec((1, STEPS, 3), uniform(&mut rng, STEPS * 3, 1.0)).unwrap();
    (compiled(layers, Loss::Mse, seed), x, uniform(&mut rng, STEPS * 2, 1.0))
}

fn dataset(x: &Array3<f64>, y: &[f64]) -> Dataset<f64> {
    let targets = Targets::per_step(RowTargets::Values { values: y.to_vec(), width: 2 });
    Dataset::new(x, targets).unwrap()
}

fn near(what: &str, found: f64, expected: f64) {
    let close = (found - expected).abs() <= 2e-7 * (1.0 + expected.abs());
    assert!(close, "{what}: {found} instead of {expected}");
}

fn norm<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The derivative of what `of` finds, when step `k` of `x` is scaled.
fn scaled(x: &Array3<f64>, k: usize, of: impl Fn(&Array3<f64>) -> Vec<f64>) -> Vec<f64> {
    let by = 1e-5;
    let at = |factor: f64| {
        let mut x = x.clone();
        x.iter_mut().skip(3 * k).take(3).for_each(|value| *value *= factor);
        of(&x)
    };
    let (up, down) = (at(1.0 + by), at(1.0 - by));
    up.iter().zip(&down).map(|(up, down)| (up - down) / (2.0 * by)).collect()
}

#[test]
fn memory_is_a_derivative_and_erasing_a_difference() {
    for (seed, cell) in CELLS.into_iter().enumerate() {
        let (model, x, y) = features(cell, seed as u64);
        let found = explain(&model, &dataset(&x, &y)).unwrap();
        let run = |x: &Array3<f64>| explain(&model, &dataset(x, &y)).unwrap();
        let moved: Vec<Vec<f64>> =
            (0..STEPS).map(|k| scaled(&x, k, |x| run(x).layers[1].h.iter().copied().collect())).collect();
        for t in 0..STEPS {
            let norms: Vec<f64> = (0..=t).map(|k| norm(&moved[k][t * 5..(t + 1) * 5])).collect();
            for k in 0..STEPS {
                let share = norms.get(k).map_or(0.0, |x| x / norms.iter().sum::<f64>());
                near(&format!("{cell}, share of {k} in {t}"), found.memory.shares[[t, k]], share);
            }
            near(&format!("{cell}, shares of {t}"), found.memory.shares.row(t).sum(), 1.0);
        }
        for k in 0..STEPS {
            let mut without = x.clone();
            without.iter_mut().skip(3 * k).take(3).for_each(|value| *value = 0.0);
            for (t, loss) in run(&without).losses.iter().enumerate() {
                near(&format!("{cell}, {t} without {k}"), found.erased[[t, k]], loss - found.losses[t]);
            }
        }
    }
}

/// The states after step `t`, as `Model::run` takes them.
fn states(found: &Explanation, t: usize) -> Vec<LayerState<f64>> {
    let row = |m: &Array2<f64>| Array2::from_shape_vec((1, m.ncols()), m.row(t).to_vec()).unwrap();
    let direction = |layer: &gimbap::explain::LayerStates| gimbap::model::DirectionState {
        h: row(&layer.h),
        c: layer.c.as_ref().map(row),
    };
    let layers = found.layers.iter();
    layers.map(|layer| LayerState { layer: layer.name.clone(), directions: vec![direction(layer)] }).collect()
}

/// Steps `from..to` of the data; only the losses of `counted` count.
fn part(x: &Array3<f64>, y: &[f64], from: usize, to: usize, counted: impl Fn(usize) -> bool) -> Dataset<f64> {
    let values: Vec<f64> = x.iter().skip(from * 3).take((to - from) * 3).copied().collect();
    let x = Array3::from_shape_vec((1, to - from, 3), values).unwrap();
    dataset(&x, &y[from * 2..to * 2]).mask((from..to).map(counted).collect()).unwrap()
}

#[test]
fn arrows_and_the_horizon_are_gradients_of_states() {
    for (seed, cell) in CELLS.into_iter().enumerate() {
        let (model, x, y) = features(cell, seed as u64);
        let found = explain(&model, &dataset(&x, &y)).unwrap();
        let from = |t: usize, to: usize, counted: &dyn Fn(usize) -> bool| {
            let data = part(&x, &y, t + 1, to, counted);
            model.gradients(&data, Some(&states(&found, t)), Bptt::Full, None).unwrap().initial_states
        };
        for t in 0..STEPS - 1 {
            for (layer, d) in found.flow.layers.iter().zip(from(t, STEPS, &|_| true)) {
                near(&format!("{cell}, dL/dh of {t}"), layer.d_h[t], norm(&d.directions[0].h));
                if let (Some(d_c), Some(c)) = (&layer.d_c, &d.directions[0].c) {
                    near(&format!("{cell}, dL/dc of {t}"), d_c[t], norm(c));
                }
            }
        }
        assert!(found.flow.layers.iter().all(|layer| layer.d_h[STEPS - 1] == 0.0));
        assert_eq!(found.flow.layers[0].d_c.is_some(), cell == "lstm");
        for lag in 1..STEPS {
            let norms = (lag..STEPS).map(|t| {
                let d = from(t - lag, t + 1, &|step| step == t);
                let all =
                    d.iter().flat_map(|l| l.directions[0].h.iter().chain(l.directions[0].c.iter().flatten()));
                norm(all)
            });
            let mean = norms.sum::<f64>() / (STEPS - lag) as f64;
            near(&format!("{cell}, lag {lag}"), found.horizon.norms[lag], mean);
        }
        near(cell, found.horizon.norms[0], found.flow.d_output.iter().sum::<f64>() / STEPS as f64);
    }
}

#[test]
fn shares_and_cuts_agree_with_training() {
    for (seed, cell) in CELLS.into_iter().enumerate() {
        let (model, x, y) = features(cell, seed as u64);
        let data = dataset(&x, &y);
        let found = explain(&model, &data).unwrap();
        let full = model.gradients(&data, None, Bptt::Full, None).unwrap();
        near(cell, found.loss, full.loss);
        for t in 0..STEPS {
            let d_x = full.x.iter().skip(3 * t).take(3);
            near(&format!("{cell}, dL/dx of {t}"), found.flow.d_x[t], norm(d_x));
        }
        for layer in &found.flow.layers {
            near(cell, layer.share_w_x.iter().sum(), 1.0);
            near(cell, layer.share_w_h.iter().sum(), 1.0);
            assert_eq!(layer.d_w_h[0], 0.0, "{cell}: no state enters the first step");
        }
        let in_steps = |p: &&gimbap::layer::Parameter| !p.name.starts_with("dense");
        let of_steps = |values: &[f64]| -> Vec<f64> {
            let parts = model.parameters().iter().filter(in_steps);
            parts.flat_map(|p| values[p.range.clone()].to_vec()).collect()
        };
        let whole = of_steps(&full.parameters);
        for cut in &found.flow.cuts[..found.flow.cuts.len() - 1] {
            let bptt = Bptt::Truncated { k1: cut.steps, k2: cut.steps };
            let part = of_steps(&model.gradients(&data, None, bptt, None).unwrap().parameters);
            let dot: f64 = part.iter().zip(&whole).map(|(a, b)| a * b).sum();
            near(&format!("{cell}, {}", cut.steps), cut.norm_ratio, norm(&part) / norm(&whole));
            near(&format!("{cell}, {}", cut.steps), cut.cosine, dot / norm(&part) / norm(&whole));
        }
        assert_eq!(found.flow.cuts.iter().map(|cut| cut.steps).collect::<Vec<_>>(), [1, 2, 4, 7]);
    }
}

#[test]
fn gates_make_the_states() {
    for (seed, cell) in CELLS.into_iter().enumerate() {
        let (model, x, y) = features(cell, seed as u64);
        let found = explain(&model, &dataset(&x, &y)).unwrap();
        for layer in &found.layers {
            for t in 0..STEPS {
                for j in 0..layer.h.ncols() {
                    let gate = |name: &str| {
                        let gate = layer.gates.iter().find(|gate| gate.name == name).unwrap();
                        let sum = gate.from_x[[t, j]] + gate.from_h[[t, j]] + gate.bias[j];
                        near(cell, gate.z[[t, j]], sum);
                        near(cell, gate.value[[t, j]], gate.kind.value(sum));
                        gate.value[[t, j]]
                    };
                    let before = |m: &Array2<f64>| if t == 0 { 0.0 } else { m[[t - 1, j]] };
                    let h = match cell {
                        "lstm" => {
                            let c = gate("f") * before(layer.c.as_ref().unwrap()) + gate("i") * gate("g");
                            near(cell, layer.c.as_ref().unwrap()[[t, j]], c);
                            gate("o") * c.tanh()
                        }
                        "gru after" | "gru before" => {
                            (1.0 - gate("z")) * gate("n") + gate("z") * before(&layer.h)
                        }
                        _ => gate("h"),
                    };
                    near(&format!("{cell}, h of {t}"), layer.h[[t, j]], h);
                }
            }
        }
    }
    assert_eq!((GateKind::Sigmoid.derivative(0.5), GateKind::Tanh.derivative(0.0)), (0.25, 1.0));
}

/// Token models of every form, against the whole model: outputs, loss, and the effect of one token's vector.
#[test]
fn tokens_in_every_form() {
    let gru = |units: usize| Gru::new(units).return_sequences(true);
    let tied = Sequential::new(Input::ids(9))
        .add(Embedding::new(4).tied(true))
        .add(Dropout::new(0.5))
        .add(Lstm::new(4).return_sequences(true))
        .add(Dense::new(9).activation(Activation::Softmax));
    let one_hot = Sequential::new(Input::ids(9)).add(OneHot).add(gru(4)).add(gru(3)).add(Dense::new(9));
    let last = Sequential::new(Input::ids(9))
        .add(Embedding::new(4))
        .add(gru(3))
        .add(SimpleRnn::new(5))
        .add(Dense::new(4));
    let both = |merge: Merge, layer: Gru| Bidirectional { layer: Box::new(layer.into()), merge };
    let pooled = Sequential::new(Input::ids(9))
        .add(Embedding::new(4))
        .add(both(Merge::Concat, gru(3)))
        .add(Pool::Max)
        .add(Dense::new(4));
    let ends = Sequential::new(Input::ids(9))
        .add(Embedding::new(4))
        .add(both(Merge::Ave, Gru::new(3)))
        .add(Dense::new(4));
    let ids = [3u32, 7, 1, 8, 0];
    for (name, layers, per_step) in [
        ("tied", tied, true),
        ("one-hot", one_hot, true),
        ("last", last, false),
        ("pooled", pooled, false),
        ("ends", ends, false),
    ] {
        let model = compiled(layers, Loss::SparseCategoricalCrossentropy, 40);
        let x = Array2::from_shape_vec((1, 5), ids.to_vec()).unwrap();
        let targets = if per_step {
            Targets::per_step(RowTargets::Classes(vec![7, 1, 8, 0, 2]))
        } else {
            Targets::per_sequence(RowTargets::Classes(vec![2]))
        };
        let data = Dataset::new(&x, targets).unwrap();
        let found = explain(&model, &data).unwrap();
        near(name, found.loss, model.gradients(&data, None, Bptt::Full, None).unwrap().loss);
        let mut plain = model.clone();
        let width = found.outputs.ncols();
        let whole = model.predict(&x).unwrap();
        for (t, row) in whole.as_slice().unwrap().chunks_exact(width).enumerate() {
            // The tied model ends in a softmax, the others in its logits.
            let sum: f64 = if name == "tied" { 1.0 } else { row.iter().map(|x| x.exp()).sum() };
            for (j, value) in row.iter().enumerate() {
                let p = if name == "tied" { *value } else { value.exp() / sum };
                near(&format!("{name}, output {j} of {t}"), found.outputs[[t, j]], p);
            }
        }
        assert_eq!(found.forward_half, name == "pooled" || name == "ends");
        if name == "tied" {
            continue; // The vectors are the outputs' too.
        }
        // Token 1, at step 2, without its vector.
        let (first, width) = (model.parameters()[0].range.start, model.parameters()[0].shape[1]);
        plain.values_mut()[first + width..first + 2 * width].fill(0.0);
        let without = plain.gradients(&data, None, Bptt::Full, None).unwrap().loss;
        near(name, found.erased.column(2).sum(), without - found.loss);
    }
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let (model, x, y) = features("gru after", 1);
    let two = Dataset::new(
        &Array3::<f64>::zeros((2, 3, 3)),
        Targets::per_step(RowTargets::Values { values: vec![0.0; 12], width: 2 }),
    );
    let error = explain(&model, &two.unwrap()).unwrap_err().to_string();
    assert!(error.contains("one sequence"), "{error}");
    let layers =
        Sequential::new(Input::features(3)).add(Gru::new(4).return_sequences(true).go_backwards(true));
    let backwards = compiled(layers.add(Dense::new(2)), Loss::Mse, 3);
    let error = explain(&backwards, &dataset(&x, &y)).unwrap_err().to_string();
    assert!(error.contains("reads forward"), "{error}");
    // One step.
    let masked = explain(&model, &part(&x, &y, 0, 2, |_| true)).unwrap_err().to_string();
    assert!(masked.contains("masks"), "{masked}");
    let first = Array3::from_shape_vec((1, 1, 3), x.iter().take(3).copied().collect()).unwrap();
    let one = explain(&model, &dataset(&first, &y[..2])).unwrap();
    assert_eq!((one.memory.shares[[0, 0]], one.horizon.truncation, one.horizon.norms.len()), (1.0, None, 1));
}

/// What training tells of its network is what the microscope finds of its first validation sequence, and watching
/// changes nothing.
#[test]
fn a_watched_training_tells_the_same() {
    let model = |units: usize| {
        let layers = Sequential::new(Input::features(3)).add(Lstm::new(units).return_sequences(true));
        compiled(layers.add(Dense::new(2)), Loss::Mse, 5)
    };
    let mut rng = rng::keyed(8, 0, 0, 0);
    let x = Array3::from_shape_vec((4, 9, 3), uniform(&mut rng, 4 * 27, 1.0)).unwrap();
    let y = Array3::from_shape_vec((4, 9, 2), uniform(&mut rng, 4 * 18, 1.0)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.jsonl");
    let fit = Fit {
        epochs: 2,
        batch_size: 4,
        watch: true,
        log: Some(log.clone()),
        tensorboard: Some(folder.path().into()),
        ..Fit::default()
    };
    let mut watched = model(5);
    let before = watched.clone();
    let one = Fit { epochs: 1, ..fit.clone() };
    let data = Dataset::new(&x, &y).unwrap();
    let history = watched.fit_data(&data, Some(&data), &one).unwrap();
    let health = history.epochs[0].health.clone().unwrap();

    let moved: Vec<f64> = watched.values().iter().zip(before.values()).map(|(a, b)| a - b).collect();
    near("update", health.update_ratio, norm(&moved) / norm(before.values()));
    let first = explain(&watched, &data.select(&[0])).unwrap();
    assert_eq!(health.reach.len(), 9);
    for (a, b) in health.reach.iter().zip(&first.horizon.norms) {
        near("reach", *a, *b);
    }
    assert_eq!((health.half_life, health.verdict), (first.horizon.half_life, first.horizon.verdict));
    for (gate, found) in health.gates.iter().zip(&first.layers[0].gates) {
        assert_eq!((gate.name.clone(), gate.saturated), (format!("lstm.{}", found.name), found.saturated));
        assert_eq!(gate.open, (found.name != "g").then(|| found.value.mean().unwrap()));
    }
    let line = std::fs::read_to_string(&log).unwrap();
    let line: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    assert_eq!(line["health"]["update_ratio"].as_f64(), Some(health.update_ratio));
    let events: Vec<u8> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("tfevents"))
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect();
    for name in ["health/half_life", "health/saturated/lstm.g", "health/open/lstm.f"] {
        assert!(events.windows(name.len()).any(|w| w == name.as_bytes()), "{name}");
    }

    let (mut watched, mut alone) = (model(5), model(5));
    watched.fit_data(&data, Some(&data), &fit).unwrap();
    let history = alone.fit_data(&data, Some(&data), &Fit { watch: false, ..fit }).unwrap();
    assert_eq!(watched.values(), alone.values());
    assert!(
        history.epochs.iter().all(|epoch| epoch.health.is_none() && epoch.to_json().get("health").is_none())
    );
}

/// Penalties are no part of what a network says: with them the figures are the same.
#[test]
fn penalties_are_left_out() {
    let model = |penalty: bool| {
        let mut layers = Sequential::new(Input::features(3)).add(Lstm::new(4).return_sequences(true));
        let add =
            |layers: Sequential| if penalty { layers.add(Penalty { alpha: 2.0, beta: 1.0 }) } else { layers };
        layers = add(layers).add(Gru::new(5).return_sequences(true));
        compiled(add(layers).add(Dense::new(2)), Loss::Mse, 11)
    };
    let (_, x, y) = features("tanh", 3);
    let [with, without] = [true, false].map(|penalty| explain(&model(penalty), &dataset(&x, &y)).unwrap());
    assert_eq!(with.loss, without.loss);
    assert_eq!(with.flow.d_x, without.flow.d_x);
    assert_eq!(with.horizon.norms, without.horizon.norms);
    assert_eq!(with.memory.shares, without.memory.shares);
}

/// One SimpleRNN by hand, `h_t = tanh(x_t W_x + h_{t-1} W_h + b)`: each step's share of the weights' gradients,
/// `g_t = h_{t-1}ᵀ dz_t`, and how its Jacobians `diag(1 - h_t²) W_hᵀ` make a change grow.
#[test]
fn shares_and_growth_of_a_plain_network_are_those_by_hand() {
    let layers =
        Sequential::new(Input::features(3)).add(SimpleRnn::new(4).return_sequences(true)).add(Dense::new(2));
    let model = compiled(layers, Loss::Mse, 23);
    let mut rng = rng::keyed(23, 0, 0, 2);
    let x = Array3::from_shape_vec((1, STEPS, 3), uniform(&mut rng, STEPS * 3, 1.0)).unwrap();
    let y = uniform(&mut rng, STEPS * 2, 1.0);
    let found = explain(&model, &dataset(&x, &y)).unwrap();
    let values = |name: &str| {
        let parameter = model.parameters().iter().find(|p| p.name.ends_with(name)).unwrap();
        Array2::from_shape_vec(
            (parameter.shape[0], parameter.shape[1]),
            model.values()[parameter.range.clone()].to_vec(),
        )
        .unwrap()
    };
    let (w_h, w_o) = (values("rnn.w_h"), values("dense.w"));
    let h = &found.layers[0].h;
    let steep = |t: usize, i: usize| 1.0 - h[[t, i]] * h[[t, i]];
    // dL/dz_t, but for a factor that all steps have.
    let mut d_z = vec![vec![0.0; 4]; STEPS];
    for t in (0..STEPS).rev() {
        for i in 0..4 {
            let own: f64 = (0..2).map(|o| (found.outputs[[t, o]] - y[2 * t + o]) * w_o[[i, o]]).sum();
            let later: f64 = d_z.get(t + 1).map_or(0.0, |later| (0..4).map(|j| later[j] * w_h[[i, j]]).sum());
            d_z[t][i] = steep(t, i) * (own + later);
        }
    }
    let x = x.as_slice().unwrap();
    let input = |t: usize| x[3 * t..3 * t + 3].to_vec();
    let before = |t: usize| if t == 0 { vec![0.0; 4] } else { h.row(t - 1).to_vec() };
    for (of, norms, shares) in [
        (&input as &dyn Fn(usize) -> Vec<f64>, &found.flow.layers[0].d_w_x, &found.flow.layers[0].share_w_x),
        (&before, &found.flow.layers[0].d_w_h, &found.flow.layers[0].share_w_h),
    ] {
        let g =
            |t: usize| -> Vec<f64> { of(t).iter().flat_map(|a| d_z[t].iter().map(move |d| a * d)).collect() };
        let sum = (0..STEPS).map(g).reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect()).unwrap();
        let dot = |a: &[f64]| a.iter().zip(&sum).map(|(a, b)| a * b).sum::<f64>();
        for t in 0..STEPS {
            near("share", shares[t], dot(&g(t)) / dot(&sum));
            near("length", norms[t] / norms[STEPS - 1], norm(&g(t)) / norm(&g(STEPS - 1)));
        }
    }
    let mut change = vec![1.0; 4];
    for t in 0..STEPS {
        let grown: Vec<f64> =
            (0..4).map(|i| steep(t, i) * (0..4).map(|j| w_h[[j, i]] * change[j]).sum::<f64>()).collect();
        near("growth", found.horizon.growth[t], (norm(&grown) / norm(&change)).ln());
        change = grown;
    }
    near("rate", found.horizon.growth_rate, found.horizon.growth.iter().sum::<f64>() / STEPS as f64);
}
