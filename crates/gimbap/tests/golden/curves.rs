//! Loss curves: ten full-batch steps of a recurrent layer and Dense, by `fit`.

use gimbap::Arithmetic;
use gimbap::data::dataset::{Dataset, Targets};
use gimbap::layer::{Activation, Dense};
use gimbap::model::{Input, Sequential};
use gimbap::train::Fit;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fixture::{Fixture, Golden};
use crate::network::{compare_parameters, set_parameters};
use crate::{losses, optimizers, recurrent};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    cell: String,
    inputs: usize,
    units: usize,
    outputs: usize,
    activation: Activation,
    loss: String,
    return_sequences: bool,
    optimizer: Map<String, Value>,
}

pub fn compare<R: Arithmetic>(fixture: &Fixture, golden: &mut Golden<'_>) {
    let case: Case = fixture.case();
    let loss = losses::by_name(&case.loss, None);
    let mut model = Sequential::new(Input::features(case.inputs))
        .add(recurrent::layer(&case.cell, case.units, case.return_sequences, false))
        .add(Dense::new(case.outputs).activation(case.activation))
        .build::<R>()
        .unwrap()
        .compile(optimizers::from_options(case.optimizer), loss, [])
        .unwrap();
    set_parameters(&mut model, fixture, str::to_string);
    let x = fixture.array3::<R>("x");
    let rows = losses::targets(fixture, loss);
    let targets = if case.return_sequences { Targets::per_step(rows) } else { Targets::per_sequence(rows) };
    let data = Dataset::new(&x, &targets).unwrap();
    let fit = Fit { epochs: 10, batch_size: data.len(), shuffle: false, ..Fit::default() };
    let mut losses = model.fit_data(&data, None, &fit).unwrap().loss();
    losses.push(model.evaluate(&x, &targets).unwrap().loss);
    golden.compare("losses", &losses);
    compare_parameters(golden, &model, model.values(), |tensor| format!("final.{tensor}"));
}
