//! burn: its LSTM on the ndarray backend.

use burn::backend::NdArray;
use burn::module::{Module, Param};
use burn::nn::{GateController, Lstm, LstmConfig, LstmState};
use burn::tensor::{Tensor, TensorData};
use peer_common::{Answer, Data, Layer, Prepared, serve};

type Backend = NdArray<f32>;

struct Run {
    layer: Lstm<Backend>,
    /// `[T, B, I]`; of a stream, each step's `[1, 1, I]`.
    frames: Vec<Tensor<Backend, 3>>,
    state: Option<LstmState<Backend, 2>>,
    streams: bool,
}

impl Run {
    /// All frames, with the state carried from one to the next.
    fn run(&mut self) -> Vec<Tensor<Backend, 3>> {
        let mut outputs = Vec::new();
        for x in &self.frames {
            let (h, state) = self.layer.forward(x.clone(), self.state.take());
            self.state = self.streams.then_some(state);
            outputs.push(h);
        }
        outputs
    }
}

impl Prepared for Run {
    fn call(&mut self) -> Answer<()> {
        self.run();
        Ok(())
    }

    fn outputs(&mut self) -> Answer<Vec<f32>> {
        self.state = None;
        let mut values = Vec::new();
        for h in self.run() {
            values.extend(h.into_data().to_vec::<f32>().map_err(|error| format!("{error:?}"))?);
        }
        Ok(values)
    }

    fn steps(&self) -> usize {
        if self.streams { self.frames.len() } else { 1 }
    }
}

/// Columns `gate H..(gate + 1) H` of a `[rows, 4 H]` matrix.
fn columns(values: &[f32], gate: usize, h: usize) -> Vec<f32> {
    values.chunks_exact(4 * h).flat_map(|row| row[gate * h..(gate + 1) * h].to_vec()).collect()
}

fn set(gate: &mut GateController<Backend>, number: usize, work: &Layer, data: &Data) {
    let (device, h) = (Default::default(), work.h);
    let matrix = |w: &[f32], rows: usize| {
        let values = TensorData::new(columns(w, number, h), [rows, h]);
        Param::from_tensor(Tensor::<Backend, 2>::from_data(values, &device))
    };
    let vector = |values: Vec<f32>| {
        Some(Param::from_tensor(Tensor::<Backend, 1>::from_data(TensorData::new(values, [h]), &device)))
    };
    gate.input_transform.weight = matrix(&data.w_x, work.i);
    gate.hidden_transform.weight = matrix(&data.w_h, h);
    gate.input_transform.bias = vector(columns(&data.b, number, h));
    gate.hidden_transform.bias = vector(vec![0.0; h]);
}

fn prepare(work: &Layer, data: Data) -> Answer<Option<Box<dyn Prepared>>> {
    let device = Default::default();
    let mut layer = LstmConfig::new(work.i, work.h, true).with_batch_first(false).init::<Backend>(&device);
    set(&mut layer.input_gate, 0, work, &data);
    set(&mut layer.forget_gate, 1, work, &data);
    set(&mut layer.cell_gate, 2, work, &data);
    set(&mut layer.output_gate, 3, work, &data);
    let streams = work.kind == "stream";
    let steps = if streams { 1 } else { work.t };
    let frame = |x: &[f32]| Tensor::from_data(TensorData::new(x.to_vec(), [steps, work.b, work.i]), &device);
    let frames = data.x.chunks_exact(steps * work.b * work.i).map(frame).collect();
    Ok(Some(Box::new(Run { layer: layer.no_grad(), frames, state: None, streams })))
}

fn main() -> Answer<()> {
    serve("burn", "0.21.0", prepare)
}
