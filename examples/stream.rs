//! A network that runs as a stream: trained on whole sine waves, then fed one value at a time.
//!
//! A [`Stream`] owns its hidden state. It can be saved to bytes, restored, and forked to look ahead without
//! disturbing the original.
//!
//! `cargo run --release -p gimbap --example stream`

use gimbap::ndarray::Array3;
use gimbap::prelude::*;
use gimbap::stream::StreamState;

const WAVES: usize = 64;
const STEPS: usize = 60;

/// Wave `b` at time `t`: a period of 20 steps, and a phase of its own.
fn wave(b: usize, t: usize) -> f32 {
    (std::f32::consts::TAU * (t as f32 / 20.0 + b as f32 / WAVES as f32)).sin()
}

fn main() -> Result<()> {
    // At every step the target is the value of the next one.
    let x = Array3::from_shape_fn((WAVES, STEPS, 1), |(b, t, _)| wave(b, t));
    let y = Array3::from_shape_fn((WAVES, STEPS, 1), |(b, t, _)| wave(b, t + 1));
    let mut model = Sequential::new(Input::features(1))
        .add(Gru::new(32).return_sequences(true))
        .add(Dense::new(1))
        .compile(Adam::new(0.005), Loss::Mse, [Metric::Mae])?;
    let schedule = Schedule::Exponential { decay: 0.985 };
    let fit = Fit { epochs: 200, batch_size: 16, schedule, ..Fit::default() };
    let losses = model.fit(&x, &y, &fit)?.loss();
    println!("mean squared error: {:.4} after the first epoch, {:.6} after the last", losses[0], losses[199]);

    // Step by step it gives what the whole sequence gives.
    let whole = model.predict(&x)?;
    let mut stream = model.stream()?;
    let mut largest = 0.0f32;
    for t in 0..STEPS {
        let next = stream.step(&[wave(0, t)]);
        largest = largest.max((next[0] - whole[[0, t, 0]]).abs());
    }
    println!("largest difference between stream and whole sequence: {largest:.1e}");

    // The state is all that the stream remembers of those 60 steps.
    let saved = stream.state().to_bytes();
    println!("the state: {} bytes", saved.len());

    // A fork goes on with its own predictions: a forecast, without the wave.
    let mut ahead = stream.fork();
    let mut value = wave(0, STEPS);
    println!("\nsteps ahead   forecast   wave");
    for t in STEPS + 1..STEPS + 25 {
        value = ahead.step(&[value])[0];
        if (t - STEPS).is_multiple_of(4) {
            println!("{:11}   {value:8.3} {:6.3}", t - STEPS, wave(0, t));
        }
    }

    // A stream elsewhere, restored from the bytes, goes on where the first one stands: the fork moved neither.
    let mut elsewhere = model.stream()?;
    elsewhere.restore(&StreamState::from_bytes(&saved)?)?;
    let [here, there] = [stream.step(&[wave(0, STEPS)])[0], elsewhere.step(&[wave(0, STEPS)])[0]];
    assert_eq!(here, there);
    println!("\nthe first stream and the restored one agree: {here} and {there}");
    Ok(())
}
