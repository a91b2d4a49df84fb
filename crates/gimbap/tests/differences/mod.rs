//! Gradients against central differences, for the tests of gradients.
#![allow(dead_code)]

use gimbap::Arithmetic;
use gimbap::layer::*;
use gimbap::model::{DirectionState, LayerState};
use gimbap::ndarray::Array2;
use gimbap::prelude::*;
use gimbap::rng::Rng;

const EPSILON: f64 = 1e-6;
const ABSOLUTE: f64 = 1e-8;
const RELATIVE: f64 = 1e-6;

/// Every cell.
pub const CELLS: [&str; 5] = ["tanh", "relu", "lstm", "gru after", "gru before"];

/// A recurrent layer of a kind of cell.
pub fn recurrent(cell: &str, units: usize, sequences: bool, dropout: f64) -> LayerSpec {
    fn with<K>(layer: Recurrent<K>, sequences: bool, dropout: f64) -> Recurrent<K> {
        layer.return_sequences(sequences).dropout(dropout).recurrent_dropout(dropout)
    }
    match cell {
        "tanh" => with(SimpleRnn::new(units), sequences, dropout).into(),
        "relu" => with(SimpleRnn::new(units).activation(Activation::Relu), sequences, dropout).into(),
        "lstm" => with(Lstm::new(units), sequences, dropout).into(),
        "gru after" => with(Gru::new(units), sequences, dropout).into(),
        _ => with(Gru::new(units).reset_after(false), sequences, dropout).into(),
    }
}

/// `n` values within `scale` of zero.
pub fn uniform(rng: &mut Rng, n: usize, scale: f64) -> Vec<f64> {
    (0..n).map(|_| rng.uniform(-scale, scale)).collect()
}

/// A model with random weights, random initial states, and a dataset for it.
pub struct Case {
    pub model: Model<f64>,
    pub data: Dataset<f64>,
    pub initial: Option<Vec<LayerState<f64>>>,
    pub dropout: Option<u64>,
}

impl Case {
    pub fn gradients(&self) -> gimbap::model::Gradients<f64> {
        self.model.gradients(&self.data, self.initial.as_deref(), Bptt::Full, self.dropout).unwrap()
    }

    pub fn loss(&self, model: &Model<f64>, data: &Dataset<f64>, initial: Option<&[LayerState<f64>]>) -> f64 {
        model.gradients(data, initial, Bptt::Full, self.dropout).unwrap().loss
    }
}

/// Random asymmetric weights.
pub fn randomise(model: &mut Model<f64>, rng: &mut Rng) {
    for value in model.values_mut() {
        *value = rng.uniform(-0.7, 0.9);
    }
}

/// Random initial states for every layer that has one.
pub fn states<R: Arithmetic>(model: &Model<R>, batch: usize, rng: &mut Rng) -> Vec<LayerState<R>> {
    let mut layers = Vec::new();
    for layer in model.state_layers().unwrap() {
        let mine = |p: &&Parameter| p.name.starts_with(&format!("{layer}.")) && p.name.ends_with("w_h");
        let w_h = &model.parameters().iter().find(mine).unwrap().shape;
        let lstm = w_h[1] == 4 * w_h[0];
        let mut state =
            || Array2::from_shape_simple_fn((batch, w_h[0]), || R::from_f64(rng.uniform(-0.9, 0.9)));
        let count = if layer.starts_with("bidirectional") { 2 } else { 1 };
        let directions =
            (0..count).map(|_| DirectionState { h: state(), c: lstm.then(&mut state) }).collect();
        layers.push(LayerState { layer, directions });
    }
    layers
}

/// Compares a derivative with the difference of the losses at both sides.
pub fn compare(name: &str, what: String, found: f64, loss: impl Fn(f64) -> f64) {
    let exact = (loss(EPSILON) - loss(-EPSILON)) / (2.0 * EPSILON);
    let bound = ABSOLUTE + RELATIVE * exact.abs();
    assert!((found - exact).abs() <= bound, "{name}: {what}: {found:e}, by differences {exact:e}");
}

/// Every parameter and every initial state, moved; against the gradient that says how the loss moves.
pub fn check(name: &str, case: &Case) {
    let gradients = case.gradients();
    let mut largest: f64 = 0.0;
    for parameter in case.model.parameters() {
        for place in parameter.range.clone() {
            let found = gradients.parameters[place];
            largest = largest.max(found.abs());
            let what = format!("{}[{}]", parameter.name, place - parameter.range.start);
            compare(name, what, found, |by| {
                let mut model = case.model.clone();
                model.values_mut()[place] += by;
                case.loss(&model, &case.data, case.initial.as_deref())
            });
        }
    }
    assert!(largest > 1e-3, "{name}: all gradients vanish");
    let Some(initial) = &case.initial else { return };
    for (l, layer) in initial.iter().enumerate() {
        for (d, direction) in layer.directions.iter().enumerate() {
            for cell in [false, true] {
                if cell && direction.c.is_none() {
                    continue;
                }
                for at in gimbap::ndarray::indices(direction.h.dim()) {
                    let plane = |direction: &DirectionState<f64>| match cell {
                        true => direction.c.as_ref().unwrap()[at],
                        false => direction.h[at],
                    };
                    let found = plane(&gradients.initial_states[l].directions[d]);
                    let what = format!("{} direction {d}, c: {cell}, {at:?}", layer.layer);
                    compare(name, what, found, |by| {
                        let mut initial = initial.clone();
                        let direction = &mut initial[l].directions[d];
                        match cell {
                            true => direction.c.as_mut().unwrap()[at] += by,
                            false => direction.h[at] += by,
                        }
                        case.loss(&case.model, &case.data, Some(&initial))
                    });
                }
            }
        }
    }
}
