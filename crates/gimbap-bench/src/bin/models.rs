//! `gimbap-models`: what it costs to ask a whole model something, for `bench/models.py`. Every figure is a line of JSON.
//!
//! `gimbap-models --threads N` times predictions, forks and steps; `gimbap-models sessions N` opens so many streams of one
//! model and tells how far its resident memory grew.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use gimbap::prelude::{Dense, Gru, Input, Lstm, Model, Sequences, Sequential};
use gimbap_bench::timing::{Budget, repeat_short};
use serde_json::json;

type Answer<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Answer {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sessions", n] => sessions(n.parse()?),
        ["--threads", n] => {
            gimbap::set_threads(n.parse()?)?;
            times()
        }
        _ => Err("gimbap-models --threads N | sessions N".into()),
    }
}

/// `layers` LSTMs of `h` units over `i` features, and a dense layer of `o` behind the last step.
fn model(i: usize, layers: usize, h: usize, o: usize) -> Answer<Model> {
    let mut model = Sequential::new(Input::features(i));
    for layer in 1..=layers {
        model = model.add(Lstm::new(h).return_sequences(layer < layers));
    }
    Ok(model.add(Dense::new(o)).build()?)
}

fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.37).sin()).collect()
}

fn tell(name: &str, what: &str, seconds: &mut [f64]) {
    seconds.sort_by(f64::total_cmp);
    println!(
        "{}",
        json!({"name": name, "what": what, "seconds": seconds[seconds.len() / 2], "best": seconds[0]})
    );
}

fn times() -> Answer {
    for (b, t, i, layers, h, o) in [
        (1, 10, 256, 2, 256, 4),
        (1024, 50, 65, 1, 128, 65),
        (256, 100, 64, 1, 256, 64),
        (4096, 24, 8, 1, 64, 1),
    ] {
        let model = model(i, layers, h, o)?;
        let x = wave(b * t * i);
        let lengths = vec![t; b];
        let x = Sequences::features(x, i, &lengths)?;
        model.predict(x.clone())?;
        let mut seconds = repeat_short(Budget::new(2.0, 5), || drop(black_box(model.predict(x.clone()))));
        tell("predict", &format!("B{b} T{t} I{i} {layers}xLSTM {h} Dense {o}"), &mut seconds);
    }
    for h in [32, 512] {
        let model = model(8, 1, h, 1)?;
        let mut stream = model.stream()?;
        stream.step(&wave(8));
        let mut seconds = repeat_short(Budget::new(1.0, 5), || drop(black_box(stream.fork())));
        tell("fork", &format!("LSTM {h}"), &mut seconds);
    }
    // A musician's model: a number in, a number out.
    for h in [8, 12, 16, 20, 24, 32, 40, 64] {
        let lstm = Sequential::new(Input::features(1)).add(Lstm::new(h)).add(Dense::new(1));
        let gru = Sequential::new(Input::features(1)).add(Gru::new(h)).add(Dense::new(1));
        for (cell, layers) in [("LSTM", lstm), ("GRU", gru)] {
            let mut stream = layers.build::<f32>()?.stream()?;
            let mut x = 0.1;
            let mut seconds = repeat_short(Budget::new(0.3, 9), || x = black_box(stream.step(&[x]))[0]);
            tell("whole-stream", &format!("1 -> {cell} {h} -> 1"), &mut seconds);
        }
    }
    Ok(())
}

/// Bytes.
fn resident() -> Answer<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: usize = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib * 1024)
}

/// Two layers of 512 units: 10 MB and more of weights.
fn sessions(n: usize) -> Answer {
    let model = model(128, 2, 512, 8)?;
    let x = wave(128);
    let mut first = model.stream()?;
    first.step(&x);
    let before = resident()?;
    let started = Instant::now();
    let mut streams = Vec::with_capacity(n);
    for _ in 0..n {
        let mut stream = model.stream()?;
        black_box(stream.step(&x));
        streams.push(stream);
    }
    let seconds = started.elapsed().as_secs_f64();
    let each = (resident()? - before) / n;
    let states = 4 * 2 * 2 * 512;
    println!(
        "{}",
        json!({"name": "sessions", "sessions": n, "model_bytes": 4 * model.values().len(), "resident_before": before,
               "bytes_each": each, "states_each": states, "seconds": seconds})
    );
    Ok(())
}
