//! Losses: as a model's that gives its input as its output, so that the gradient of `x` is that of the predictions.

use gimbap::Arithmetic;
use gimbap::bptt::Bptt;
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::layer::Activation;
use gimbap::loss::{Loss, RowTargets};
use gimbap::model::{Input, Sequential};
use gimbap::optim::Sgd;
use serde::Deserialize;

use crate::fixture::{Fixture, Golden};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    loss: String,
    from_logits: bool,
    delta: Option<f64>,
}

impl Case {
    fn loss(&self) -> Loss {
        let loss = by_name(&self.loss, self.delta);
        assert_eq!(self.from_logits, loss.is_crossentropy());
        loss
    }
}

/// A loss by Keras's name.
pub fn by_name(name: &str, delta: Option<f64>) -> Loss {
    match (name, delta) {
        ("binary_crossentropy", None) => Loss::BinaryCrossentropy,
        ("categorical_crossentropy", None) => Loss::CategoricalCrossentropy,
        ("sparse_categorical_crossentropy", None) => Loss::SparseCategoricalCrossentropy,
        ("mse", None) => Loss::Mse,
        ("mae", None) => Loss::Mae,
        ("huber", Some(delta)) => Loss::Huber { delta },
        other => panic!("no loss {other:?}"),
    }
}

/// Targets as a loss takes them, one for each row.
pub fn targets<R: Arithmetic>(fixture: &Fixture, loss: Loss) -> RowTargets<R> {
    match loss {
        Loss::SparseCategoricalCrossentropy => RowTargets::Classes(fixture.ids("targets")),
        _ => {
            let width = fixture.shape("targets").last().copied().unwrap();
            RowTargets::Values { values: fixture.values("targets"), width }
        }
    }
}

pub fn compare<R: Arithmetic>(fixture: &Fixture, golden: &mut Golden<'_>) {
    let loss = fixture.case::<Case>().loss();
    let predicted = fixture.array3::<R>("predicted");
    let (batch, steps, width) = predicted.dim();
    let targets = targets::<R>(fixture, loss);

    let predictions = fixture.values("predicted");
    let (mut values, mut d) = (vec![0.0; batch * steps], vec![R::ZERO; predictions.len()]);
    loss.rows(&predictions, width, &targets, 0, &|_| Some(1.0), &mut values, &mut d);
    golden.compare("values", &values);

    let model = Sequential::new(Input::features(width)).add(Activation::Linear).build::<R>().unwrap();
    let model = model.compile(Sgd::default(), loss, []).unwrap();
    let mut check = |variant: &str, data: gimbap::Result<Dataset<R>>| {
        let gradients = model.gradients(&data.unwrap(), None, Bptt::Full, None).unwrap();
        golden.compare(&format!("{variant}.value"), &[gradients.loss]);
        golden.compare(&format!("{variant}.d_predicted"), &gradients.x);
    };
    let weights: Vec<R> = fixture.values("sample_weight");
    let mask: Vec<bool> = fixture.ids("mask").iter().map(|&m| m == 1).collect();
    let data = Dataset::new(&predicted, Targets::per_step(targets.clone())).unwrap();
    check("mean", Ok(data.clone()));
    check("weighted", data.clone().weights(weights.clone()));
    check("masked", data.clone().mask(mask.clone()));
    check("weighted_masked", data.weights(weights.clone()).unwrap().mask(mask.clone()));

    // The mask leaves out the ends of sequences, so shorter sequences are the same.
    let lengths: Vec<usize> = mask.chunks(steps).map(|mask| mask.iter().filter(|&&m| m).count()).collect();
    let valid: Vec<usize> = (0..mask.len()).filter(|&row| mask[row]).collect();
    let x = Sequences::padded(predicted.view(), &lengths).unwrap();
    let data = Dataset::new(x, Targets::per_step(targets.select(valid.iter().copied()))).unwrap();
    check("masked", Ok(data.clone()));
    check("weighted_masked", data.weights(valid.iter().map(|&row| weights[row]).collect()));
}
