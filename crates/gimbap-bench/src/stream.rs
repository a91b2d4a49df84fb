//! One recurrent layer, batch 1, one step at a time, by the library's own streams.

use gimbap::Result;
use gimbap::model::{Input, Model, Sequential};
use gimbap::prelude::{Gru, Lstm, SimpleRnn, Stream};
use gimbap::quantize::Precision;

use crate::data::LayerData;
use crate::timing::{Budget, repeat_short};
use crate::workload::{CellKind, Shape};

/// A layer in a model of its own, to be streamed.
#[derive(Debug)]
pub struct Streamed {
    model: Model<f32>,
    data: LayerData,
    width: usize,
}

impl Streamed {
    /// With weights of this precision. A stream goes through the `shape.t` frames of the data again and again.
    ///
    /// # Errors
    /// None that a shape without a zero could have.
    pub fn new(cell: CellKind, shape: Shape, precision: Precision) -> Result<Streamed> {
        let empty = Sequential::new(Input::features(shape.i));
        let sequential = match cell {
            CellKind::Rnn => empty.add(SimpleRnn::new(shape.h)),
            CellKind::Lstm => empty.add(Lstm::new(shape.h)),
            CellKind::Gru => empty.add(Gru::new(shape.h)),
        };
        let mut model = sequential.build::<f32>()?;
        let data = LayerData::new(cell, shape);
        let LayerData { w_x, w_h, b, b_h, .. } = &data;
        model.values_mut().copy_from_slice(&[&w_x[..], w_h, b, b_h].concat());
        if precision != Precision::Full {
            model = model.quantized(precision)?;
        }
        Ok(Streamed { model, data, width: shape.i })
    }

    /// The outputs of all frames in order, `[T, H]`, from the zero state.
    ///
    /// # Errors
    /// As [`Model::stream`].
    pub fn outputs(&self) -> Result<Vec<f32>> {
        let mut stream = self.model.stream()?;
        Ok(self.data.x.chunks_exact(self.width).flat_map(|x| stream.step(x).to_vec()).collect())
    }

    /// Seconds of a step, repetition by repetition.
    ///
    /// # Errors
    /// As [`Model::stream`].
    pub fn time(&self, budget: Budget) -> Result<Vec<f64>> {
        let mut stream = self.model.stream()?;
        let mut seconds = repeat_short(budget, || self.pass(&mut stream));
        let frames = self.data.x.len() / self.width;
        seconds.iter_mut().for_each(|s| *s /= frames as f64);
        Ok(seconds)
    }

    fn pass(&self, stream: &mut Stream<f32>) {
        for x in self.data.x.chunks_exact(self.width) {
            std::hint::black_box(stream.step(x));
        }
    }

    /// Its data.
    pub fn data(&self) -> &LayerData {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Layer;

    #[test]
    fn a_stream_gives_what_the_layer_gives() {
        let precisions = [(Precision::Full, 1e-6), (Precision::Bf16, 1e-2), (Precision::Int8, 3e-2)];
        for (cell, (precision, tolerance)) in
            CellKind::ALL.into_iter().flat_map(|c| precisions.map(|p| (c, p)))
        {
            let shape = Shape { b: 1, t: 9, i: 3, h: 5 };
            let streamed = Streamed::new(cell, shape, precision).unwrap();
            let mut layer = Layer::new(cell, shape);
            layer.infer();
            let (steps, whole) = (streamed.outputs().unwrap(), layer.results()[0].1);
            assert_eq!(steps.len(), whole.len());
            let apart = steps.iter().zip(whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < tolerance, "{cell} {precision:?}: {apart}");
            assert_eq!(apart > 1e-6, precision != Precision::Full, "{cell} {precision:?}: {apart}");
        }
    }
}
