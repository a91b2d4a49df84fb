//! candle: its LSTM on the CPU.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn::rnn::{LSTM, LSTMConfig, LSTMState, RNN};
use peer_common::{Answer, Data, Layer, Prepared, serve, transposed};

struct Lstm {
    layer: LSTM,
    /// `[B, T, I]`, batch first as candle has it.
    x: Tensor,
    /// `[B, I]` each, of a stream.
    frames: Option<Vec<Tensor>>,
    state: LSTMState,
    steps: usize,
}

impl Prepared for Lstm {
    fn call(&mut self) -> Answer<()> {
        match &self.frames {
            None => drop(self.layer.seq(&self.x)?),
            Some(frames) => {
                for x in frames {
                    self.state = self.layer.step(x, &self.state)?;
                }
            }
        }
        Ok(())
    }

    fn outputs(&mut self) -> Answer<Vec<f32>> {
        let states = match &self.frames {
            None => self.layer.seq(&self.x)?,
            Some(frames) => {
                let (mut state, mut states) = (self.layer.zero_state(1)?, Vec::new());
                for x in frames {
                    state = self.layer.step(x, &state)?;
                    states.push(state.clone());
                }
                states
            }
        };
        let rows = states.iter().map(|state| state.h().flatten_all()?.to_vec1::<f32>());
        Ok(rows.collect::<candle_core::Result<Vec<_>>>()?.concat())
    }

    fn steps(&self) -> usize {
        self.steps
    }
}

fn prepare(work: &Layer, data: Data) -> Answer<Option<Box<dyn Prepared>>> {
    let (device, columns) = (Device::Cpu, 4 * work.h);
    let matrix = |w: &[f32], rows| Tensor::from_vec(transposed(w, rows, columns), (columns, rows), &device);
    let weights = HashMap::from([
        ("weight_ih_l0".to_string(), matrix(&data.w_x, work.i)?),
        ("weight_hh_l0".to_string(), matrix(&data.w_h, work.h)?),
        ("bias_ih_l0".to_string(), Tensor::from_vec(data.b, columns, &device)?),
    ]);
    let config = LSTMConfig { b_hh_init: None, ..LSTMConfig::default() };
    let layer = LSTM::new(work.i, work.h, config, VarBuilder::from_tensors(weights, DType::F32, &device))?;
    let x = Tensor::from_vec(data.x, (work.t, work.b, work.i), &device)?;
    let streams = work.kind == "stream";
    let frames = if streams { Some((0..work.t).map(|t| x.get(t)).collect::<Result<_, _>>()?) } else { None };
    let state = layer.zero_state(work.b)?;
    let x = x.transpose(0, 1)?.contiguous()?;
    Ok(Some(Box::new(Lstm { layer, x, frames, state, steps: if streams { work.t } else { 1 } })))
}

fn main() -> Answer<()> {
    serve("candle", "0.11.1", prepare)
}
