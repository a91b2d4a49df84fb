//! What is measured: a kind of work, a cell, a shape.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The cells that every peer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// SimpleRNN with tanh.
    Rnn,
    /// LSTM.
    Lstm,
    /// GRU that resets after its product.
    Gru,
}

impl CellKind {
    /// In the order of the tables.
    pub const ALL: [CellKind; 3] = [CellKind::Rnn, CellKind::Lstm, CellKind::Gru];

    /// `G`.
    pub fn gates(self) -> usize {
        match self {
            CellKind::Rnn => 1,
            CellKind::Lstm => 4,
            CellKind::Gru => 3,
        }
    }
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CellKind::Rnn => "rnn",
            CellKind::Lstm => "lstm",
            CellKind::Gru => "gru",
        })
    }
}

/// Sizes of one layer's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Sequences.
    pub b: usize,
    /// Time steps.
    pub t: usize,
    /// Input features.
    pub i: usize,
    /// Hidden units.
    pub h: usize,
}

/// What is done with the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Forward, and backward to `dW, dh0, dx`.
    Train,
    /// Forward.
    Infer,
    /// Forward, one step at a time, batch 1.
    Stream,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// What is done.
    pub kind: Kind,
    /// With which cell.
    pub cell: CellKind,
    /// Of which sizes; for a stream `b` is 1 and `t` the number of different inputs that it goes through.
    #[serde(flatten)]
    pub shape: Shape,
}

/// The batches that are trained and inferred, `(B, T, I, H)`.
pub const BATCHES: [(usize, usize, usize, usize); 6] = [
    (32, 50, 8, 32),
    (50, 50, 65, 128),
    (20, 35, 200, 200),
    (32, 100, 128, 256),
    (64, 128, 64, 512),
    (128, 20, 256, 1024),
];

/// Single sequences that are inferred.
pub const SEQUENCES: [(usize, usize, usize, usize); 2] = [(1, 1000, 64, 128), (1, 1000, 64, 512)];

/// Hidden sizes of streams; `I = min(H, 64)`.
pub const STREAMS: [usize; 7] = [8, 16, 32, 64, 128, 256, 512];

/// Different inputs of a stream.
const FRAMES: usize = 64;

impl Workload {
    /// Everything, kind by kind and cell by cell.
    pub fn all() -> Vec<Workload> {
        let mut all = Vec::new();
        for kind in [Kind::Train, Kind::Infer, Kind::Stream] {
            for cell in CellKind::ALL {
                all.extend(shapes(kind).into_iter().map(|shape| Workload { kind, cell, shape }));
            }
        }
        all
    }

    /// Floating-point operations of the products in one call, or in one step of a stream: `2 B T G H (I + H)` for
    /// a forward pass, three times that with the backward pass.
    pub fn flop(&self) -> f64 {
        let Shape { b, t, i, h } = self.shape;
        let step = (2 * self.cell.gates() * h * (i + h)) as f64;
        match self.kind {
            Kind::Train => 3.0 * step * (b * t) as f64,
            Kind::Infer => step * (b * t) as f64,
            Kind::Stream => step,
        }
    }

    /// Values in `W_x`, `W_h` and the biases.
    pub fn weights(&self) -> usize {
        let columns = self.cell.gates() * self.shape.h;
        let biases = if self.cell == CellKind::Gru { 2 } else { 1 };
        columns * (self.shape.i + self.shape.h + biases)
    }
}

/// `train B32 T50 I8 H32`, `stream I64 H128`.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { b, t, i, h } = self.shape;
        match self.kind {
            Kind::Train => write!(f, "train B{b} T{t} I{i} H{h}"),
            Kind::Infer => write!(f, "infer B{b} T{t} I{i} H{h}"),
            Kind::Stream => write!(f, "stream I{i} H{h}"),
        }
    }
}

fn shapes(kind: Kind) -> Vec<Shape> {
    let shape = |&(b, t, i, h): &(usize, usize, usize, usize)| Shape { b, t, i, h };
    match kind {
        Kind::Train => BATCHES.iter().map(shape).collect(),
        Kind::Infer => BATCHES.iter().chain(&SEQUENCES).map(shape).collect(),
        Kind::Stream => STREAMS.iter().map(|&h| Shape { b: 1, t: FRAMES, i: h.min(64), h }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_operations() {
        let all = Workload::all();
        assert_eq!(all.len(), 18 + 24 + 21);
        let first = all[0];
        assert_eq!(
            (first.to_string().as_str(), first.cell.to_string().as_str()),
            ("train B32 T50 I8 H32", "rnn")
        );
        assert_eq!(first.flop(), 3.0 * 2.0 * (32 * 50 * 32 * 40) as f64);
        let last = all[all.len() - 1];
        assert_eq!(last.to_string(), "stream I64 H512");
        assert_eq!((last.flop(), last.weights()), ((2 * 3 * 512 * 576) as f64, 3 * 512 * 578));
    }
}
