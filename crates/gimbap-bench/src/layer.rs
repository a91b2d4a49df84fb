//! One recurrent layer over a batch, at the level of [`gimbap::sequence`].

use gimbap::data::layout::Layout;
use gimbap::sequence::{self, Gradients, Input, Kept, Run, Segment, State, Weights, recurrence};

use crate::data::LayerData;
use crate::workload::{CellKind, Shape};

/// A layer with its data and everything that it computes.
#[derive(Debug)]
pub struct Layer {
    run: Box<dyn Run<f32>>,
    data: LayerData,
    layout: Layout,
    initial: State<f32>,
    last: State<f32>,
    d_state: State<f32>,
    h: Vec<f32>,
    d_x: Vec<f32>,
    d_weights: [Vec<f32>; 4],
}

impl Layer {
    /// With zero initial states and packed weights.
    pub fn new(cell: CellKind, shape: Shape) -> Layer {
        let Shape { b, t, i, h } = shape;
        let cell_over_time = match cell {
            CellKind::Rnn => sequence::CellKind::SimpleRnn,
            CellKind::Lstm => sequence::CellKind::Lstm,
            CellKind::Gru => sequence::CellKind::Gru,
        };
        let mut run = recurrence(cell_over_time, i, h);
        let data = LayerData::new(cell, shape);
        run.pack(&weights(&data));
        let initial = State::zeros(run.states(), b, h);
        let d_weights = [&data.w_x, &data.w_h, &data.b, &data.b_h].map(|w| vec![0.0; w.len()]);
        let (layout, _) = Layout::new(&vec![t; b]);
        let (last, d_state) = (initial.clone(), initial.clone());
        Layer { run, data, layout, initial, last, d_state, h: Vec::new(), d_x: Vec::new(), d_weights }
    }

    /// The forward pass, with weights that were packed before, as an inference session has them.
    pub fn infer(&mut self) {
        self.forward(false);
    }

    /// A training step of the layer: weights packed, as they change with every step; forward; backward.
    pub fn train(&mut self) {
        self.run.pack(&weights(&self.data));
        self.forward(true);
        self.d_state.0.iter_mut().for_each(|state| state.fill(0.0));
        self.d_weights.iter_mut().for_each(|d| d.fill(0.0));
        let [d_w_x, d_w_h, d_b, d_b_h] = &mut self.d_weights;
        self.run.backward(
            &segment(&self.data, &self.layout),
            Kept { initial: &self.initial, h: &self.h },
            Some(&self.data.d_h),
            &mut self.d_state,
            Gradients { d_w_x, d_w_h, d_b, d_b_h },
            Some(&mut self.d_x),
        );
    }

    fn forward(&mut self, keep: bool) {
        self.last.clone_from(&self.initial);
        self.run.forward(&segment(&self.data, &self.layout), &mut self.last, &mut self.h, keep);
    }

    /// `h` `[T, B, H]`; after [`Layer::train`] also `d_x, d_h0, d_c0, d_w_x, d_w_h, d_b, d_b_h`, shaped as what they
    /// are gradients of; what a cell does not have is empty.
    pub fn results(&self) -> [(&'static str, &[f32]); 8] {
        let ([d_h0, d_c0], [d_w_x, d_w_h, d_b, d_b_h]) = (&self.d_state.0, &self.d_weights);
        [
            ("h", &self.h),
            ("d_x", &self.d_x),
            ("d_h0", d_h0),
            ("d_c0", d_c0),
            ("d_w_x", d_w_x),
            ("d_w_h", d_w_h),
            ("d_b", d_b),
            ("d_b_h", d_b_h),
        ]
    }

    /// Its data.
    pub fn data(&self) -> &LayerData {
        &self.data
    }
}

fn weights(data: &LayerData) -> Weights<'_, f32> {
    Weights { w_x: &data.w_x, w_h: &data.w_h, b: &data.b, b_h: &data.b_h }
}

fn segment<'a>(data: &'a LayerData, layout: &'a Layout) -> Segment<'a, f32> {
    Segment { weights: weights(data), layout, x: Input::Dense(&data.x), h_mask: None, zone: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { b: 3, t: 5, i: 2, h: 4 };

    #[test]
    fn training_and_inference_see_the_same_outputs() {
        for cell in CellKind::ALL {
            let (mut trained, mut inferred) = (Layer::new(cell, SHAPE), Layer::new(cell, SHAPE));
            trained.train();
            inferred.infer();
            assert_eq!(trained.results()[0], inferred.results()[0]);
            assert_eq!(trained.results()[0].1.len(), 3 * 5 * 4);
        }
    }

    #[test]
    fn a_second_step_gives_the_gradients_of_the_first() {
        for cell in CellKind::ALL {
            let mut layer = Layer::new(cell, SHAPE);
            layer.train();
            let first = layer.results().map(|(_, values)| values.to_vec());
            assert!(first.iter().filter(|values| !values.is_empty()).all(|v| v.iter().any(|x| *x != 0.0)));
            layer.train();
            assert_eq!(layer.results().map(|(_, values)| values.to_vec()), first);
        }
    }
}
