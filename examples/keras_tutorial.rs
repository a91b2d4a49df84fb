//! The program with which Keras tutorials introduce recurrent networks, line by line: above each line of ours stands
//! Keras's. Ten random sequences of five steps, a SimpleRNN of eight units, one sigmoid output, twenty epochs.
//!
//! `cargo run --release --example keras_tutorial`; the same as a config for the command is
//! `examples/configs/keras_tutorial.toml`.

// import numpy as np
use gimbap::ndarray::{Array2, Array3};
// import keras
use gimbap::prelude::*;
use gimbap::rng;

fn main() -> Result<()> {
    // rng = np.random.default_rng(0)
    let mut random = rng::keyed(0, 0, 0, 0);
    // x = rng.random((10, 5, 1))                     10 sequences, 5 time steps, 1 feature
    let x = Array3::from_shape_simple_fn((10, 5, 1), || random.unit() as f32);
    // y = rng.integers(0, 2, (10, 1))                a label for each, 0 or 1
    let y = Array2::from_shape_simple_fn((10, 1), || random.below(2) as f32);

    // model = keras.Sequential([keras.Input((5, 1)),
    let mut model = Sequential::new(Input::features(1)) // a sequence may have any number of steps
        // keras.layers.SimpleRNN(8),                 1 x 8 + 8 x 8 + 8 = 80 parameters
        .add(SimpleRnn::new(8))
        // keras.layers.Dense(1, "sigmoid")])         8 + 1 = 9 parameters
        .add(Dense::new(1).activation(Activation::Sigmoid))
        // model.compile("adam", "binary_crossentropy", ["accuracy"])
        .compile(Adam::default(), Loss::BinaryCrossentropy, [Metric::Accuracy])?;

    // model.summary()
    println!("{}", model.summary());
    // model.fit(x, y, epochs=20, verbose=1)
    model.fit(&x, &y, &Fit { epochs: 20, verbose: 1, ..Fit::default() })?;
    // print(model.predict(x))
    println!("{}", model.predict(&x)?);
    Ok(())
}
