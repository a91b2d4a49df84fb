//! A language model of the built-in corpus, whose every probability is known: so its perplexity can be compared
//! with the best that any model could reach.
//!
//! The text is one stream of words, cut into parallel streams and segments of 32 steps; the state is carried from
//! segment to segment, and the gradient flows back within a segment ([`TokenStream`], truncated BPTT).
//!
//! Four epochs are enough for the grammar. That the country named early decides the language named late takes
//! longer: the gap to the corpus's own perplexity is just that (`gimbap train` goes on for longer).
//!
//! `cargo run --release -p gimbap --example language_model`

use gimbap::data::batch::TokenStream;
use gimbap::data::corpus::{self, Grammar};
use gimbap::data::text::{CLOSING_ID, Unit, Vocabulary};
use gimbap::prelude::*;
use gimbap::rng;
use gimbap::train::{Event, Flow};

fn main() -> Result<()> {
    let sentences = Grammar::English.generate(1, 5_500);
    let (train, held_out) = sentences.split_at(5_000);
    let vocabulary = Vocabulary::build(&corpus::text(train), Unit::Word, true, None, 1)?;
    let tokens = |part| vocabulary.encode(&corpus::text(part));
    let (streams, steps) = (8, 32);
    let (train, valid) = (
        TokenStream::new(tokens(train), streams, steps, steps)?,
        TokenStream::new(tokens(held_out), streams, steps, steps)?,
    );

    let v = vocabulary.len();
    let mut model = Sequential::new(Input::ids(v))
        .add(Embedding::new(32))
        .add(Lstm::new(64).return_sequences(true))
        .add(Dense::new(v).activation(Activation::Softmax))
        .compile(Adam::new(0.01), Loss::SparseCategoricalCrossentropy, [Metric::Perplexity])?;
    println!("{}", model.summary());

    let fit = Fit { epochs: 4, clip_norm: Some(5.0), ..Fit::default() };
    model.fit_on(&train, Some(&valid), &fit, &mut |event| {
        if let Event::Epoch(epoch) = event {
            let perplexity = epoch.valid.as_ref().map_or(f64::NAN, |valid| valid.loss.exp());
            let seconds = epoch.seconds;
            println!(
                "epoch {}: perplexity {perplexity:.3} on held-out text, {seconds:.1} s",
                epoch.epoch + 1
            );
        }
        Flow::Continue
    })?;
    println!("the corpus's own: {:.3}\n", corpus::perplexity(held_out));

    // The model as a stream. It reads a few lines, then goes on by itself: each drawn word is the next input.
    let mut random = rng::keyed(1, 0, 0, 0);
    let mut stream = model.stream()?;
    let mut read = vocabulary.encode(&corpus::text(&held_out[..3]));
    read.pop(); // the last closing mark begins the first line of its own
    for id in read {
        stream.step(id);
    }
    for _ in 0..5 {
        let (mut id, mut line) = (CLOSING_ID, Vec::new());
        loop {
            let mut point = random.unit() as f32;
            let probabilities = stream.step(id);
            let drawn = probabilities.iter().position(|p| {
                point -= p;
                point < 0.0
            });
            id = drawn.unwrap_or(0) as u32;
            if id == CLOSING_ID || line.len() == 40 {
                break;
            }
            line.push(id);
        }
        println!("{}", vocabulary.decode(&line));
    }
    Ok(())
}
