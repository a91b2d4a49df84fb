//! rust-lstm: its LSTM cell, a step at a time, in its `f64`.

use ndarray::Array2;
use peer_common::{Answer, Data, Layer, Prepared, serve, transposed};
use rust_lstm::LSTMCell;

struct Lstm {
    cell: LSTMCell,
    /// `[I, B]` each, as the cell has them.
    frames: Vec<Array2<f64>>,
    zeros: Array2<f64>,
    state: (Array2<f64>, Array2<f64>),
    streams: bool,
}

impl Lstm {
    /// All frames; `each` sees every output `[H, B]`.
    fn run(&mut self, mut each: impl FnMut(&Array2<f64>)) {
        for x in &self.frames {
            let (h, c) = &self.state;
            self.state = self.cell.forward(x, h, c);
            each(&self.state.0);
        }
    }

    fn restart(&mut self) {
        self.state = (self.zeros.clone(), self.zeros.clone());
    }
}

impl Prepared for Lstm {
    fn call(&mut self) -> Answer<()> {
        if !self.streams {
            self.restart();
        }
        self.run(|_| ());
        Ok(())
    }

    fn outputs(&mut self) -> Answer<Vec<f32>> {
        let mut outputs = Vec::new();
        self.restart();
        self.run(|h| outputs.extend(h.t().iter().map(|x| *x as f32)));
        Ok(outputs)
    }

    fn steps(&self) -> usize {
        if self.streams { self.frames.len() } else { 1 }
    }
}

fn prepare(work: &Layer, data: Data) -> Answer<Option<Box<dyn Prepared>>> {
    let Layer { b, i, h, .. } = *work;
    let array = |values: Vec<f32>, rows: usize, columns: usize| {
        Array2::from_shape_vec((rows, columns), values.into_iter().map(f64::from).collect())
    };
    let mut cell = LSTMCell::new(i, h);
    cell.is_training = false;
    cell.w_ih = array(transposed(&data.w_x, i, 4 * h), 4 * h, i)?;
    cell.w_hh = array(transposed(&data.w_h, h, 4 * h), 4 * h, h)?;
    cell.b_ih = array(data.b, 4 * h, 1)?;
    let frames = data.x.chunks_exact(b * i).map(|x| array(transposed(x, b, i), i, b)).collect::<Result<_, _>>()?;
    let zeros = Array2::zeros((h, b));
    let state = (zeros.clone(), zeros.clone());
    Ok(Some(Box::new(Lstm { cell, frames, zeros, state, streams: work.kind == "stream" })))
}

fn main() -> Answer<()> {
    serve("rust-lstm", "0.10.0", prepare)
}
