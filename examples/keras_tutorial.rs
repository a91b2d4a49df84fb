//! The program with which Keras tutorials introduce recurrent networks, line by line: ten random sequences of five
//! steps, a SimpleRNN of eight units, one sigmoid output, twenty epochs.
//!
//! `cargo run --release -p gimbap --example keras_tutorial`

use gimbap::ndarray::{Array2, Array3};
use gimbap::prelude::*;
use gimbap::rng;

fn main() -> Result<()> {
    // X = np.random.random((10, 5, 1)); y = np.random.randint(0, 2, (10, 1))
    let mut random = rng::keyed(0, 0, 0, 0);
    let x = Array3::from_shape_simple_fn((10, 5, 1), || random.unit() as f32);
    let y = Array2::from_shape_simple_fn((10, 1), || random.below(2) as f32);

    let mut model = Sequential::new(Input::features(1))
        .add(SimpleRnn::new(8))
        .add(Dense::new(1).activation(Activation::Sigmoid))
        .compile(Adam::default(), Loss::BinaryCrossentropy, [Metric::Accuracy])?;

    model.fit(&x, &y, &Fit { epochs: 20, verbose: 1, ..Fit::default() })?;
    println!("{}", model.predict(&x)?);
    Ok(())
}
