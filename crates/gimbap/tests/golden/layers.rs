//! Layers without a state, one at a time.

use gimbap::Arithmetic;
use gimbap::data::dataset::Sequences;
use gimbap::layer::{Activation, Dense, Embedding, LayerNorm, LayerSpec};
use gimbap::model::{Input, Sequential};
use gimbap::ndarray::Array2;
use gimbap::network::States;
use serde::Deserialize;

use crate::fixture::{Fixture, Golden};
use crate::network::{self, compare_parameters, gradient_name, set_parameters};

#[derive(Deserialize)]
#[serde(tag = "layer", rename_all = "snake_case", deny_unknown_fields)]
enum Case {
    Dense { activation: Activation, units: usize },
    LayerNorm { epsilon: f64 },
    Embedding { vocab: usize, units: usize, padding_id: Option<u32> },
}

/// The fixtures' names of a layer's parameters have no prefix, as there is only one.
fn alone(tensor: &str) -> String {
    tensor.trim_start_matches("layer.0.").into()
}

pub fn compare<R: Arithmetic>(fixture: &Fixture, golden: &mut Golden<'_>) {
    let shape = fixture.shape("x");
    let features = shape.get(2).copied().unwrap_or(0);
    let (input, spec): (Input, LayerSpec) = match fixture.case() {
        Case::Dense { activation, units } => {
            (Input::Features(features), Dense::new(units).activation(activation).into())
        }
        Case::LayerNorm { epsilon } => (Input::Features(features), LayerNorm { epsilon }.into()),
        Case::Embedding { vocab, units, padding_id } => {
            (Input::Ids(vocab), Embedding { padding_id, ..Embedding::new(units) }.into())
        }
    };
    let x: Sequences<R> = match input {
        Input::Features(_) => (&fixture.array3("x")).into(),
        Input::Ids(_) => (&Array2::from_shape_vec((shape[0], shape[1]), fixture.ids("x")).unwrap()).into(),
    };
    let mut model = Sequential::new(input).add(spec).build::<R>().unwrap();
    set_parameters(&mut model, fixture, alone);
    golden.compare("y", &model.predict(&x).unwrap());
    let passes = network::run(&model, &x, &States::new(), &fixture.values("d_y"), &States::new());
    golden.compare("y", &passes.y);
    compare_parameters(golden, &model, &passes.gradients, |tensor| gradient_name(&alone(tensor)));
    if let Input::Features(_) = input {
        golden.compare("d_x", &passes.d_x);
    }
}
