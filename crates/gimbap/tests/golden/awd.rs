//! The training of an AWD-LSTM: three steps over a stream of tokens, all masks drawn as the library draws them.

use gimbap::Arithmetic;
use gimbap::data::batch::TokenStream;
use gimbap::layer::LayerSpec;
use gimbap::loss::Loss;
use gimbap::model::{Input, Sequential};
use gimbap::train::{Average, Event, Fit, Flow};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fixture::{Fixture, Golden};
use crate::network::{compare_parameters, set_parameters};
use crate::optimizers;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    vocabulary: usize,
    streams: usize,
    bptt: usize,
    seed: u64,
    layers: Vec<LayerSpec>,
    optimizer: Map<String, Value>,
    clip_norm: f64,
}

pub fn compare<R: Arithmetic>(fixture: &Fixture, golden: &mut Golden<'_>) {
    let case: Case = fixture.case();
    let train = TokenStream::new(fixture.ids("tokens"), case.streams, case.bptt, case.bptt).unwrap();
    for (average, weights) in [(None, "final"), (Some(Average::FromEpoch { epoch: 0 }), "average")] {
        let layers = case.layers.iter().cloned();
        let mut model = layers
            .fold(Sequential::new(Input::ids(case.vocabulary)), Sequential::add)
            .build::<R>()
            .unwrap()
            .compile(
                optimizers::from_options(case.optimizer.clone()),
                Loss::SparseCategoricalCrossentropy,
                [],
            )
            .unwrap();
        set_parameters(&mut model, fixture, str::to_string);
        let fit = Fit { seed: case.seed, clip_norm: Some(case.clip_norm), average, ..Fit::default() };
        // Of an event: the mean over the steps so far.
        let mut losses: Vec<f64> = Vec::new();
        let mut observe = |event: Event<'_>| {
            if let Event::Step { loss, batch, .. } = event {
                losses.push(loss * batch as f64 - losses.iter().sum::<f64>());
            }
            Flow::Continue
        };
        model.fit_on(&train, None, &fit, &mut observe).unwrap();
        golden.compare("losses", &losses);
        compare_parameters(golden, &model, model.values(), |tensor| format!("{weights}.{tensor}"));
    }
}
