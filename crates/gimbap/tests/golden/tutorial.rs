//! The tutorial program: Keras's initial weights and the order in which its epochs took the sequences, so Keras's
//! figures after each epoch.

use std::borrow::Cow;

use gimbap::Arithmetic;
use gimbap::data::batch::{Batch, BatchSource};
use gimbap::data::dataset::{Dataset, Targets};
use gimbap::layer::{Activation, Dense, SimpleRnn};
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::Metric;
use gimbap::model::{Input, Sequential};
use gimbap::train::{Fit, Flow};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fixture::{Fixture, Golden};
use crate::network::{compare_parameters, set_parameters};
use crate::{F32, optimizers};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    batch_size: usize,
    epochs: usize,
    units: usize,
    optimizer: Map<String, Value>,
}

/// Batches in a recorded order, `[epochs, sequences]`.
struct Recorded<'a, R> {
    data: &'a Dataset<R>,
    order: Vec<usize>,
    batch: usize,
}

impl<R: Arithmetic> BatchSource<R> for Recorded<'_, R> {
    fn batches(&self, _epoch: usize) -> usize {
        self.data.len().div_ceil(self.batch)
    }

    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<R>>> {
        let order = self.order.chunks(self.data.len()).nth(epoch).unwrap();
        Ok(Cow::Owned(Batch::of(self.data, order.chunks(self.batch).nth(index).unwrap())))
    }

    fn targets(&self) -> usize {
        self.data.len()
    }
}

pub fn compare<R: Arithmetic>(fixture: &Fixture, golden: &mut Golden<'_>) {
    golden.bound = F32; // Keras ran in float32, so f64 comes no nearer
    let case: Case = fixture.case();
    let mut model = Sequential::new(Input::features(1))
        .add(SimpleRnn::new(case.units))
        .add(Dense::new(1).activation(Activation::Sigmoid))
        .build::<R>()
        .unwrap()
        .compile(optimizers::from_options(case.optimizer), Loss::BinaryCrossentropy, [Metric::Accuracy])
        .unwrap();
    set_parameters(&mut model, fixture, str::to_string);
    let x = fixture.array3::<R>("x");
    let y = RowTargets::Values { values: fixture.values("y"), width: 1 };
    let data = Dataset::new(&x, Targets::per_sequence(y)).unwrap();
    let source = Recorded { data: &data, order: fixture.integers("order"), batch: case.batch_size };
    let fit = Fit { epochs: case.epochs, ..Fit::default() };
    let history = model.fit_on(&source, None, &fit, &mut |_| Flow::Continue).unwrap();
    assert!(fixture.values::<f64>("loss").iter().all(|&loss| loss < 1.0), "the bound is below 1e-5");
    golden.compare("loss", &history.loss());
    golden.compare("accuracy", &history.metric(Metric::Accuracy));
    golden.compare("predictions", &model.predict(&x).unwrap());
    compare_parameters(golden, &model, model.values(), |tensor| format!("final.{tensor}"));
}
