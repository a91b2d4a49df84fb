//! Recurrent layers: one direction of one cell, with its masks and its carried state.

use std::ops::Range;

use gimbap_kernels::Arithmetic;

use super::dropout::mask_by_sequence;
use super::weight_drop::WeightDrop;
use super::{Activation, Builder, Carry, Layer, LayerSpec, Pass, Recurrent, Shape, Signal, take};
use crate::cell::MAX_STATES;
use crate::data::layout::Layout;
use crate::quantize::Precision;
use crate::sequence::stepper::{Entry, Moment, STREAM_SHARE, Step};
use crate::sequence::zone::Zoned;
use crate::sequence::{CellKind, Gradients, Input, Kept, Run, Segment, State, Weights, recurrence};
use crate::{Error, Result};

/// One direction: the cell over time, with what surrounds it.
#[derive(Debug)]
pub(super) struct Direction<R> {
    how: How<R>,
    states: usize,
    gates: usize,
    recurrent_bias: bool,
    input: Shape,
    units: usize,
    backwards: bool,
    dropout: f64,
    recurrent_dropout: f64,
    weight_drop: Option<WeightDrop<R>>,
    zoneout: [f64; MAX_STATES],
    stream: u64,
    zone_streams: [u64; MAX_STATES],
    parameters: Range<usize>,
    arranged: Arranged<R>,
    d_x: Vec<R>,
}

/// How a cell runs.
#[derive(Debug)]
enum How<R> {
    /// Over whole batches, and back.
    Batch(Box<dyn Run<R>>),
    /// Step by step, with weights of any precision.
    Steps(Box<dyn Step<R>>),
}

/// What the cell sees in place of the layer's input: reversed, masked, or as it is.
#[derive(Debug, Default)]
struct Arranged<R> {
    x: Vec<R>,
    ids: Vec<u32>,
    scale: Vec<R>,
    h_mask: Vec<R>,
    zone: [Vec<R>; MAX_STATES],
    reversal: Vec<usize>,
    layout: Option<Layout>,
}

impl<R: Arithmetic> Arranged<R> {
    fn segment<'a>(
        &'a self,
        weights: Weights<'a, R>,
        pass: &Pass<'a, R>,
        input: &'a Signal<R>,
    ) -> Segment<'a, R> {
        let x = match input {
            Signal::Ids(ids) => Input::OneHot {
                ids: if self.ids.is_empty() { ids } else { &self.ids },
                scale: (!self.scale.is_empty()).then_some(&self.scale[..]),
            },
            Signal::Values(values) => Input::Dense(if self.x.is_empty() { values } else { &self.x }),
        };
        let h_mask = (!self.h_mask.is_empty()).then_some(&self.h_mask[..]);
        let zoned = self.zone.iter().any(|m| !m.is_empty());
        let zone = zoned.then(|| self.zone.each_ref().map(|m| &m[..]));
        Segment { weights, layout: self.layout.as_ref().unwrap_or(pass.layout), x, h_mask, zone }
    }
}

/// Copies share what is packed.
impl<R: Arithmetic> Clone for Direction<R> {
    fn clone(&self) -> Self {
        Direction {
            how: match &self.how {
                How::Batch(run) => How::Batch(run.another()),
                How::Steps(stepper) => How::Steps(stepper.another()),
            },
            weight_drop: self.weight_drop.clone(),
            parameters: self.parameters.clone(),
            arranged: Arranged::default(),
            d_x: Vec::new(),
            ..*self
        }
    }
}

impl<R: Arithmetic> Direction<R> {
    pub(super) fn new(
        spec: &LayerSpec,
        input: Shape,
        backwards: bool,
        prefix: &str,
        builder: &mut Builder,
    ) -> Result<Self> {
        match spec {
            LayerSpec::SimpleRnn(layer) => match layer.cell.activation {
                Activation::Tanh => Self::of(CellKind::SimpleRnn, layer, input, backwards, prefix, builder),
                Activation::Relu => Self::of(CellKind::ReluRnn, layer, input, backwards, prefix, builder),
                other => {
                    Err(Error::config(builder.place(), format!("has activation tanh or relu, not {other:?}")))
                }
            },
            LayerSpec::Lstm(layer) => {
                builder.rate("zoneout_cell", layer.cell.zoneout_cell)?;
                let mut direction = Self::of(CellKind::Lstm, layer, input, backwards, prefix, builder)?;
                direction.zoneout[1] = layer.cell.zoneout_cell;
                if let (true, Some(bias)) = (layer.cell.unit_forget_bias, builder.last()) {
                    bias.init.forget_bias = Some(layer.units);
                }
                Ok(direction)
            }
            LayerSpec::Gru(layer) if layer.cell.reset_after => {
                Self::of(CellKind::Gru, layer, input, backwards, prefix, builder)
            }
            LayerSpec::Gru(layer) => {
                Self::of(CellKind::GruResetBefore, layer, input, backwards, prefix, builder)
            }
            other => Err(Error::config(
                builder.place(),
                format!("wraps a recurrent layer (simple_rnn, lstm, gru), not {}", other.kind()),
            )),
        }
    }

    fn of<K>(
        cell: CellKind,
        layer: &Recurrent<K>,
        input: Shape,
        backwards: bool,
        prefix: &str,
        builder: &mut Builder,
    ) -> Result<Self> {
        builder.positive("units", layer.units)?;
        let (i, h) = (builder.steps(input)?, layer.units);
        let run = recurrence(cell, i, h);
        let columns = run.gates() * h;
        builder.rate("dropout", layer.dropout)?;
        builder.rate("recurrent_dropout", layer.recurrent_dropout)?;
        builder.rate("weight_drop", layer.weight_drop)?;
        builder.rate("zoneout", layer.zoneout)?;
        builder.penalty(layer.l2)?;
        // PyTorch's initialiser goes by H for every array of the layer; Keras's by each array's own fans.
        let fans =
            |init, fan_in| if init == crate::init::Initializer::Torch { (h, h) } else { (fan_in, columns) };
        let name = |array: &str| format!("{prefix}{array}");
        let (kernel, recurrent, bias) = (layer.kernel_init, layer.recurrent_init, layer.bias_init);
        let first = builder.add_kernel(&name("w_x"), (input, columns), layer.l2, kernel, fans(kernel, i));
        builder.add(&name("w_h"), &[h, columns], layer.l2, recurrent, fans(recurrent, h));
        if run.recurrent_bias() {
            builder.add(&name("b"), &[columns], 0.0, bias, fans(bias, columns));
        }
        let last = if run.recurrent_bias() { "b_h" } else { "b" };
        let last = builder.add(&name(last), &[columns], 0.0, bias, fans(bias, columns));
        let stream = |purpose| builder.stream(purpose + u64::from(backwards));
        Ok(Direction {
            states: run.states(),
            gates: run.gates(),
            recurrent_bias: run.recurrent_bias(),
            how: How::Batch(run),
            input,
            units: h,
            backwards,
            dropout: layer.dropout,
            recurrent_dropout: layer.recurrent_dropout,
            weight_drop: (layer.weight_drop > 0.0).then(|| WeightDrop::new(layer.weight_drop, stream(4))),
            zoneout: [layer.zoneout, 0.0],
            stream: builder.stream(if backwards { 2 } else { 0 }),
            zone_streams: [stream(6), stream(8)],
            parameters: first.start..last.end,
            arranged: Arranged::default(),
            d_x: Vec::new(),
        })
    }

    pub(super) fn units(&self) -> usize {
        self.units
    }

    pub(super) fn states(&self) -> usize {
        self.states
    }

    fn sizes(&self) -> [usize; 4] {
        let columns = self.gates * self.units;
        let b_h = if self.recurrent_bias { columns } else { 0 };
        [self.input.width() * columns, self.units * columns, columns, b_h]
    }

    fn weights<'a>(&self, parameters: &'a [R]) -> Weights<'a, R> {
        let [w_x, w_h, b, b_h] = self.sizes();
        let part = &parameters[self.parameters.clone()];
        Weights {
            w_x: &part[..w_x],
            w_h: &part[w_x..w_x + w_h],
            b: &part[w_x + w_h..w_x + w_h + b],
            b_h: &part[w_x + w_h + b..w_x + w_h + b + b_h],
        }
    }

    pub(super) fn renew(&mut self) {
        match &mut self.how {
            How::Batch(run) => run.renew(),
            How::Steps(stepper) => stepper.renew(),
        }
        if let Some(drop) = &mut self.weight_drop {
            drop.renew();
        }
    }

    pub(super) fn prepare_steps(&mut self, parameters: &[R], precision: Precision) {
        let How::Batch(run) = &self.how else { unreachable!("a network is made to step once") };
        let mut stepper = run.stepper(precision);
        if self.zoneout.iter().any(|rate| *rate > 0.0) {
            stepper = Box::new(Zoned::new(stepper, self.zoneout));
        }
        stepper.pack(&self.weights(parameters), matches!(self.input, Shape::Steps(_)), STREAM_SHARE);
        self.how = How::Steps(stepper);
    }

    /// Reverses the rows and draws the masks.
    fn arrange(&mut self, pass: &Pass<'_, R>, input: &Signal<R>) {
        let (width, backwards) = (self.input.width(), self.backwards);
        let x_mask = self.x_mask(pass);
        let to = &mut self.arranged;
        to.h_mask = match pass.draw.filter(|_| self.recurrent_dropout > 0.0) {
            Some(draw) => {
                mask_by_sequence(draw.rng(self.stream + 1), pass, self.units, self.recurrent_dropout)
            }
            None => Vec::new(),
        };
        for ((m, rate), stream) in to.zone.iter_mut().zip(self.zoneout).zip(self.zone_streams) {
            zone(pass, self.units, rate, stream, m);
        }
        if backwards {
            to.reversal = pass.layout.reversal();
            to.layout = pass.layout.reversed_resets(&to.reversal);
        }
        to.ids.clear();
        to.scale.clear();
        to.x.clear();
        match input {
            Signal::Ids(ids) => {
                if backwards {
                    to.ids.extend(to.reversal.iter().map(|&row| ids[row]));
                }
                if !x_mask.is_empty() {
                    let seen = if backwards { &to.ids } else { ids };
                    let rows = (0..pass.layout.steps()).flat_map(|t| 0..pass.layout.active(t));
                    to.scale.extend(rows.zip(seen).map(|(b, &id)| x_mask[b * width + id as usize]));
                }
            }
            Signal::Values(values) => {
                if backwards {
                    for &row in &to.reversal {
                        to.x.extend_from_slice(&values[row * width..(row + 1) * width]);
                    }
                } else if !x_mask.is_empty() {
                    to.x.extend_from_slice(values);
                }
                multiply_rows(pass.layout, &x_mask, width, &mut to.x);
            }
        }
    }

    /// The mask `[B, I]` of the input, as the layout's rows; empty without dropout.
    fn x_mask(&self, pass: &Pass<'_, R>) -> Vec<R> {
        match pass.draw.filter(|_| self.dropout > 0.0) {
            Some(draw) => mask_by_sequence(draw.rng(self.stream), pass, self.input.width(), self.dropout),
            None => Vec::new(),
        }
    }

    /// Fills `h` with the outputs, in the order in which they were made.
    pub(super) fn forward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        state: &mut State<R>,
        h: &mut Vec<R>,
    ) {
        self.arrange(pass, input);
        let weights = self.weights(pass.parameters);
        let Direction { how, arranged, weight_drop, .. } = self;
        let run = match how {
            How::Steps(stepper) => return stepper.forward(&arranged.segment(weights, pass, input), state, h),
            How::Batch(run) => run,
        };
        let weights = match weight_drop {
            Some(drop) => drop.weights(&mut **run, weights, pass.draw),
            None => weights,
        };
        run.forward(&arranged.segment(weights, pass, input), state, h, pass.keep);
    }

    /// `d_h` is in the order of `h`; `d_x` in that of the layer's input. Without `gradients`, those of parameters are not
    /// made.
    #[allow(clippy::too_many_arguments)] // each is a buffer of its own, with an owner of its own
    pub(super) fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        kept: Kept<'_, R>,
        d_h: Option<&[R]>,
        d_state: &mut State<R>,
        d_x: Option<&mut Vec<R>>,
        gradients: &mut [R],
    ) {
        let weights = self.weights(pass.parameters);
        let wanted = !gradients.is_empty();
        let [w_x, w_h, b, b_h] = self.sizes().map(|size| if wanted { size } else { 0 });
        let mut part = if wanted { &mut gradients[self.parameters.clone()] } else { gradients };
        let d_w_x = take(&mut part, w_x);
        let d_w_h = take(&mut part, w_h);
        let (d_b, d_b_h) = (take(&mut part, b), take(&mut part, b_h));
        let Direction { how, arranged, weight_drop, d_x: d_seen, .. } = self;
        let How::Batch(run) = how else { unreachable!("a network of steps has no way back") };
        let d_wanted = d_x.is_some().then_some(&mut *d_seen);
        let mut drop = weight_drop.as_mut().filter(|_| pass.draw.is_some());
        let (weights, d_seen_w_h) = match &mut drop {
            Some(drop) => drop.begin_backward(weights),
            None => (weights, &mut *d_w_h),
        };
        let gradients = Gradients { d_w_x, d_w_h: d_seen_w_h, d_b, d_b_h };
        run.backward(&arranged.segment(weights, pass, input), kept, d_h, d_state, gradients, d_wanted);
        if let Some(drop) = drop {
            drop.end_backward(d_w_h);
        }
        let Some(d_x) = d_x else { return };
        multiply_rows(pass.layout, &self.x_mask(pass), self.input.width(), &mut self.d_x);
        if self.backwards {
            let width = self.input.width();
            d_x.resize(self.d_x.len(), R::ZERO);
            for (from, &row) in self.d_x.chunks_exact(width).zip(&self.arranged.reversal) {
                d_x[row * width..(row + 1) * width].copy_from_slice(from);
            }
        } else {
            std::mem::swap(d_x, &mut self.d_x);
        }
    }

    fn state_after(&self, pass: &Pass<'_, R>, t: usize, h: &[R], state: &mut State<R>) {
        let How::Batch(run) = &self.how else { unreachable!("a network of steps keeps none") };
        run.state_after(pass.layout, t, h, state);
    }

    pub(super) fn reversal(&self) -> &[usize] {
        &self.arranged.reversal
    }
}

/// What is kept of a state `[N, units]` from each step to the next: all or nothing in training, else the rate; nothing
/// at rate 0. Each step has a random stream of its own, so that a segment that is run again draws the same.
fn zone<R: Arithmetic>(pass: &Pass<'_, R>, units: usize, rate: f64, stream: u64, m: &mut Vec<R>) {
    m.clear();
    if rate == 0.0 {
        return;
    }
    let Some(draw) = pass.draw else {
        return m.resize(pass.layout.rows() * units, R::from_f64(rate));
    };
    for t in 0..pass.layout.steps() {
        let mut rng = draw.rng(stream | ((pass.layout.start() + t) as u64) << 32);
        let values = pass.layout.active(t) * units;
        m.extend((0..values).map(|_| if rng.bernoulli(rate) { R::ONE } else { R::ZERO }));
    }
}

fn multiply_rows<R: Arithmetic>(layout: &Layout, mask: &[R], width: usize, rows: &mut [R]) {
    if mask.is_empty() {
        return;
    }
    for t in 0..layout.steps() {
        let rows = &mut rows[layout.offsets()[t] * width..layout.offsets()[t + 1] * width];
        rows.iter_mut().zip(mask).for_each(|(x, m)| *x *= *m);
    }
}

/// A recurrent layer: every output, or the last.
#[derive(Clone, Debug)]
struct RecurrentLayer<R: Arithmetic> {
    direction: Direction<R>,
    sequences: bool,
    carry: Carry<R>,
    h: Vec<R>,
}

pub(super) fn build<R: Arithmetic>(
    spec: &LayerSpec,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let backwards = spec.recurrent().is_some_and(|layer| layer.go_backwards);
    let sequences = spec.recurrent().is_some_and(|layer| layer.return_sequences);
    let direction = Direction::new(spec, input, backwards, "", builder)?;
    let units = direction.units();
    let output = if sequences { Shape::Steps(units) } else { Shape::Flat(units) };
    let carry = Carry { state: vec![State::default()], ..Carry::default() };
    Ok((Box::new(RecurrentLayer { direction, sequences, carry, h: Vec::new() }), output))
}

impl<R: Arithmetic> Layer<R> for RecurrentLayer<R> {
    fn renew(&mut self) {
        self.direction.renew();
    }

    fn prepare_steps(&mut self, parameters: &[R], precision: Precision) {
        self.direction.prepare_steps(parameters, precision);
    }

    fn step_bytes(&self) -> usize {
        match &self.direction.how {
            How::Batch(_) => 0,
            How::Steps(stepper) => stepper.weight_bytes(),
        }
    }

    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        self.carry.initial.clone_from(&self.carry.state);
        let h = if self.sequences { output.values_mut() } else { &mut self.h };
        self.direction.forward(pass, input, &mut self.carry.state[0], h);
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        output: &Signal<R>,
        d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        gradients: &mut [R],
    ) {
        let (h, d_h) =
            if self.sequences { (output.values(), Some(&d_output[..])) } else { (&self.h[..], None) };
        let Carry { initial, d_state, .. } = &mut self.carry;
        let kept = Kept { initial: &initial[0], h };
        self.direction.backward(pass, input, kept, d_h, &mut d_state[0], d_input, gradients);
    }

    fn ends_time(&self) -> bool {
        !self.sequences
    }

    fn emit(&mut self, output: &mut Vec<R>) {
        output.clone_from(&self.carry.state[0].0[0]);
    }

    /// The last output is the last state: a row's gradient enters where its sequence ends.
    fn begin_backward(&mut self, d_output: &[R], _from: usize, ends_here: &[bool]) {
        let units = self.direction.units();
        let d_h = &mut self.carry.d_state[0].0[0];
        for (b, _) in ends_here.iter().enumerate().filter(|(_, ends)| **ends) {
            let row = b * units..(b + 1) * units;
            gimbap_kernels::rows::add(&mut d_h[row.clone()], &d_output[row]);
        }
    }

    fn inner_steps(&self) -> Option<(&[R], usize)> {
        (!self.sequences && !self.direction.backwards).then_some((&self.h, self.direction.units()))
    }

    fn carry(&self) -> Option<&Carry<R>> {
        Some(&self.carry)
    }

    fn carry_mut(&mut self) -> Option<&mut Carry<R>> {
        Some(&mut self.carry)
    }

    fn state_size(&self) -> (usize, usize) {
        (self.direction.states(), self.direction.units())
    }

    fn state_after(&self, pass: &Pass<'_, R>, t: usize, output: &Signal<R>) -> Vec<State<R>> {
        let mut state = self.carry.initial[0].clone();
        let h = if self.sequences { output.values() } else { &self.h };
        self.direction.state_after(pass, t, h, &mut state);
        vec![state]
    }

    fn runs_in_segments(&self) -> std::result::Result<(), &'static str> {
        match self.direction.backwards {
            true => Err("reads from the end (`go_backwards`)"),
            false => Ok(()),
        }
    }

    fn step(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        let [h, c] = &mut self.carry.state[0].0;
        let x = match input {
            Signal::Ids(ids) => Entry::Row(self.direction.weights(pass.parameters).row(ids[0])),
            Signal::Values(values) => Entry::Dense(values),
        };
        let output = output.values_mut();
        output.resize(h.len(), R::ZERO);
        let How::Steps(stepper) = &mut self.direction.how else {
            unreachable!("`prepare_steps` comes first")
        };
        stepper.step(&mut Moment { x, h, c, h_next: output });
        h.copy_from_slice(output);
    }

    fn streams(&self) -> std::result::Result<(), &'static str> {
        self.runs_in_segments()
    }
}
