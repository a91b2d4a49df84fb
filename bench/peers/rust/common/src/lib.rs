//! What the Rust peers share: the protocol, the data and the clock, as `bench/README.md` describes them.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

/// Whatever goes wrong, in words.
pub type Answer<T> = Result<T, Box<dyn Error>>;

/// A workload.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Work {
    /// A layer: `train`, `infer` or `stream`.
    Layer(Layer),
    /// Whole training steps.
    Recipe {
        /// Of which model.
        recipe: String,
    },
}

/// A layer's workload.
#[derive(Clone, Debug, Deserialize)]
pub struct Layer {
    /// `train`, `infer`, `stream`.
    pub kind: String,
    /// `rnn`, `lstm`, `gru`.
    pub cell: String,
    /// Sequences.
    pub b: usize,
    /// Steps.
    pub t: usize,
    /// Input features.
    pub i: usize,
    /// Hidden units.
    pub h: usize,
}

impl Layer {
    /// Whether it is a forward pass, or a stream, of an LSTM of a size that does not hold up everyone else.
    pub fn is_modest_lstm(&self) -> bool {
        let flop = 8 * self.b * self.t * self.h * (self.i + self.h);
        self.kind != "train" && self.cell == "lstm" && flop < 1_000_000_000
    }
}

/// An LSTM's data, time first, gate order i, f, g, o.
#[derive(Clone, Debug)]
pub struct Data {
    /// `[T, B, I]`.
    pub x: Vec<f32>,
    /// `[I, 4 H]`.
    pub w_x: Vec<f32>,
    /// `[H, 4 H]`.
    pub w_h: Vec<f32>,
    /// `[4 H]`.
    pub b: Vec<f32>,
}

impl Data {
    fn read(path: &str, work: &Layer) -> Answer<Data> {
        let bytes = std::fs::read(path)?;
        let mut values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
        let Layer { b, t, i, h, .. } = *work;
        let mut take = |count: usize| values.by_ref().take(count).collect::<Vec<f32>>();
        Ok(Data { x: take(t * b * i), w_x: take(i * 4 * h), w_h: take(h * 4 * h), b: take(4 * h) })
    }
}

/// The transpose of a `[rows, columns]` matrix.
pub fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

/// A workload ready to be timed.
pub trait Prepared {
    /// One call; of a stream, all its frames.
    fn call(&mut self) -> Answer<()>;
    /// `h`, `[T, B, H]`, from the zero state.
    fn outputs(&mut self) -> Answer<Vec<f32>>;
    /// What a call's time is divided by.
    fn steps(&self) -> usize;
}

/// Makes a workload ready; None: the peer has nothing for it.
pub type Prepare = fn(&Layer, Data) -> Answer<Option<Box<dyn Prepared>>>;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Request {
    Hello,
    Prepare { work: Work, data: String },
    Check { out: String },
    Time { seconds: f64, least: usize },
}

/// Answers requests until standard input ends.
pub fn serve(name: &str, version: &str, prepare: Prepare) -> Answer<()> {
    let mut prepared = None;
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Request::Hello => Ok(json!({"name": name, "version": version})),
            Request::Prepare { work, data } => ready(&work, &data, prepare).map(|made| {
                let unsupported = made.is_none();
                prepared = made;
                if unsupported { json!({"unsupported": "it is measured on small LSTMs, forward only"}) } else { json!({}) }
            }),
            Request::Check { out } => check(&mut prepared, Path::new(&out)),
            Request::Time { seconds, least } => time(&mut prepared, seconds, least),
        };
        let answer = answer.unwrap_or_else(|error| json!({"error": error.to_string()}));
        writeln!(io::stdout().lock(), "{answer}")?;
    }
    Ok(())
}

fn ready(work: &Work, data: &str, prepare: Prepare) -> Answer<Option<Box<dyn Prepared>>> {
    match work {
        Work::Layer(layer) if layer.is_modest_lstm() => prepare(layer, Data::read(data, layer)?),
        _ => Ok(None),
    }
}

fn check(prepared: &mut Option<Box<dyn Prepared>>, out: &Path) -> Answer<Value> {
    let outputs = prepared.as_mut().ok_or("nothing is prepared")?.outputs()?;
    std::fs::write(out, outputs.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(json!({"arrays": [["h", outputs.len()]]}))
}

fn time(prepared: &mut Option<Box<dyn Prepared>>, budget: f64, least: usize) -> Answer<Value> {
    let prepared = prepared.as_mut().ok_or("nothing is prepared")?;
    let (begin, mut seconds) = (Instant::now(), Vec::new());
    while seconds.len() < least || begin.elapsed().as_secs_f64() < budget {
        let start = Instant::now();
        prepared.call()?;
        seconds.push(start.elapsed().as_secs_f64() / prepared.steps() as f64);
    }
    Ok(json!({"seconds": seconds}))
}
