//! Optimizers: five updates of two arrays that lie in one arena, one gradient large enough to be clipped.

use gimbap::Arithmetic;
use gimbap::optim::{Optimizer, clip};
use serde_json::{Map, Value};

use crate::fixture::{Fixture, Golden};

/// An optimizer from a fixture's options. They have the config's names but for the place of epsilon; what else is
/// unknown, the optimizer refuses.
pub fn from_options(mut options: Map<String, Value>) -> Optimizer {
    for place in ["epsilon_outside_root", "epsilon_after_correction"] {
        if let Some(as_torch) = options.remove(place) {
            let form = if as_torch == true { "torch" } else { "keras" };
            options.insert("form".into(), form.into());
        }
    }
    let optimizer: Optimizer = serde_json::from_value(Value::Object(options)).unwrap();
    optimizer.check().unwrap();
    optimizer
}

pub fn compare<R: Arithmetic>(fixture: &Fixture, golden: &mut Golden<'_>) {
    let mut options: Map<String, Value> = fixture.case();
    let limit = |option: Option<Value>| option.map(|limit| limit.as_f64().unwrap());
    let clip_value = limit(options.remove("clip_value"));
    let clip_norm = limit(options.remove("clip_norm"));
    let optimizer = from_options(options);
    let of_both = |tensor: &str| ["a", "b"].map(|n| fixture.values::<R>(&format!("{n}.{tensor}")));
    let start = of_both("w_0");
    let grads = of_both("grads");
    let sizes = start.each_ref().map(Vec::len);
    let mut values = start.concat();
    let mut state = optimizer.state(values.len());
    let mut history = [Vec::new(), Vec::new()];
    for step in 0..5 {
        let of_step = |n: usize| &grads[n][step * sizes[n]..(step + 1) * sizes[n]];
        let mut gradients = [of_step(0), of_step(1)].concat();
        if let Some(limit) = clip_value {
            clip::clip_value(&mut gradients, limit);
        }
        if let Some(limit) = clip_norm {
            clip::clip_global_norm(&mut gradients, limit);
        }
        optimizer.update(&mut state, optimizer.rate(), &mut values, &mut gradients);
        history[0].extend_from_slice(&values[..sizes[0]]);
        history[1].extend_from_slice(&values[sizes[0]..]);
    }
    golden.compare("a.w", &history[0]);
    golden.compare("b.w", &history[1]);
}
