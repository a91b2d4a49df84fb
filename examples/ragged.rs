//! Sequences of different lengths in one batch: no padding reaches the arithmetic.
//!
//! Each sequence is noise with one marked bump in it; the class says whether the bump goes up or down. The bump
//! may stand anywhere, so the network reads in both directions. Weights make the rare class count more, and a
//! second model, with an output per step, leaves steps without a label out of its loss.
//!
//! `cargo run --release -p gimbap --example ragged`

use gimbap::ndarray::{Array2, ArrayD};
use gimbap::prelude::*;
use gimbap::{loss::RowTargets, rng};

/// A sequence `[T, 2]` (value, mark), its class, and the step of its bump.
fn sequence(random: &mut rng::Rng) -> (Array2<f32>, u32, usize) {
    let length = 5 + random.below(36) as usize;
    let up = random.bernoulli(0.2);
    let place = random.below(length as u64) as usize;
    let mut x = Array2::from_shape_simple_fn((length, 2), || random.normal() as f32);
    x.column_mut(1).fill(0.0);
    x[[place, 0]] = if up { 1.5 } else { -1.5 } + 0.3 * random.normal() as f32;
    x[[place, 1]] = 1.0;
    (x, u32::from(up), place)
}

fn main() -> Result<()> {
    let mut random = rng::keyed(3, 0, 0, 0);
    let (mut x, mut classes, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..600 {
        let (sequence, class, place) = sequence(&mut random);
        x.push(sequence);
        classes.push(class);
        places.push(place);
    }
    let lengths: Vec<usize> = x.iter().map(|x| x.nrows()).collect();
    let (shortest, longest) = (lengths.iter().min().unwrap_or(&0), lengths.iter().max().unwrap_or(&0));
    println!("{} sequences of {shortest} to {longest} steps", x.len());

    // One label per sequence. The rare class weighs four times as much.
    let weights = classes.iter().map(|&class| if class == 1 { 4.0 } else { 1.0 }).collect();
    let labels: Vec<f32> = classes.iter().map(|&class| class as f32).collect();
    let targets = Targets::per_sequence(RowTargets::Values { values: labels, width: 1 });
    let data = Dataset::new(&x, targets)?.weights(weights)?;
    let mut model = Sequential::new(Input::features(2))
        .add(Bidirectional::new(Lstm::new(16)))
        .add(Dense::new(1).activation(Activation::Sigmoid))
        .compile(Adam::new(0.01), Loss::BinaryCrossentropy, [Metric::Accuracy, Metric::Recall])?;
    let fit = Fit { epochs: 12, validation_split: 0.2, ..Fit::default() };
    let history = model.fit_data(&data, None, &fit)?;
    if let Some(valid) = history.epochs.last().and_then(|epoch| epoch.valid.as_ref()) {
        let figures: Vec<String> =
            valid.metrics.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
        println!("one label per sequence, on the last fifth: {}", figures.join(", "));
    }

    // The same sequence alone and among longer ones: the same answer.
    let alone: ArrayD<f32> = model.predict(&x[..1])?;
    let among = model.predict(&x)?;
    println!("sequence 0 alone {:.6}, among {} others {:.6}", alone[[0, 0]], x.len() - 1, among[[0, 0]]);

    // One label per step, of which only those up to four steps after the bump are known: the mask says which.
    let (mut steps, mut known) = (Vec::new(), Vec::new());
    for ((&class, &place), &length) in classes.iter().zip(&places).zip(&lengths) {
        steps.extend((0..length).map(|t| if t < place { 2 } else { class }));
        known.extend((0..length).map(|t| t < place + 5));
    }
    let data = Dataset::new(&x, Targets::per_step(RowTargets::Classes(steps)))?.mask(known)?;
    let mut tagger = Sequential::new(Input::features(2))
        .add(Gru::new(16).return_sequences(true))
        .add(Dense::new(3).activation(Activation::Softmax))
        .compile(Adam::new(0.01), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])?;
    let (train, test) = data.split(0.2)?;
    tagger.fit_data(&train, None, &Fit { epochs: 12, ..Fit::default() })?;
    let evaluation = tagger.evaluate_data(&test, 32)?;
    for (name, value) in &evaluation.metrics {
        println!("one label per step, on {} known steps: {name} {value:.3}", evaluation.rows);
    }
    Ok(())
}
