//! Layers in a row: built from their specifications, run forward and backward over segments of a batch.
//!
//! Up to the layer that ends time (if there is one) the network works on steps and may run in segments: that is
//! its *body*. What follows works on one row per sequence: its *head*.

use std::ops::Range;
use std::sync::Arc;

use gimbap_kernels::Arithmetic;

use crate::data::layout::Layout;
use crate::layer::{self, Activation, Builder, Layer, LayerSpec, Parameter, Pass, Shape, Signal};
use crate::quantize::Precision;
use crate::sequence::State;
use crate::{Error, Result};

/// The carried states of all layers that have one: by layer, by direction.
pub type States<R> = Vec<Vec<State<R>>>;

/// A layer in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name: its kind, and a number from the second of a kind on.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it gives.
    pub output: Shape,
    /// Its parameters, as places in [`Network::parameters`].
    pub parameters: Range<usize>,
}

/// What is known of a network before it runs; its copies have the same.
#[derive(Debug)]
struct Plan {
    nodes: Vec<Node>,
    parameters: Vec<Parameter>,
    input_shape: Shape,
    ends_time: Option<usize>,
    link: Activation,
}

/// A network that runs. It holds work buffers and carried states; the parameters are elsewhere. What its layers make of
/// these, [`another`](Network::another) network has too.
#[derive(Debug)]
pub struct Network<R> {
    plan: Arc<Plan>,
    layers: Vec<Box<dyn Layer<R>>>,
    input: Signal<R>,
    signals: Vec<Signal<R>>,
    /// The gradient of the output, in a buffer of its own: it may be far larger than the others.
    d_output: Vec<R>,
    d: Vec<R>,
    d_next: Vec<R>,
}

impl<R: Arithmetic> Network<R> {
    /// Builds the layers for an input. With `logits`, a final sigmoid or softmax is left out and kept in
    /// [`Network::link`].
    pub fn build(input: Shape, specs: &[LayerSpec], logits: bool) -> Result<Network<R>> {
        if specs.is_empty() {
            return Err(Error::config("model", "has no layer: add at least one"));
        }
        let mut specs = specs.to_vec();
        let link = if logits { split_link(&mut specs) } else { Activation::Linear };
        let mut builder = Builder::new();
        let mut nodes = Vec::new();
        let mut layers: Vec<Box<dyn Layer<R>>> = Vec::new();
        let mut shape = input;
        for (number, spec) in specs.iter().enumerate() {
            let kind = spec.kind();
            let before = specs[..number].iter().filter(|other| other.kind() == kind).count();
            let name = if before == 0 { kind.to_string() } else { format!("{kind}_{before}") };
            let first = builder.parameters.len();
            builder.enter(name.clone(), number, &specs);
            let (layer, output) = layer::build(spec, shape, &mut builder)?;
            nodes.push(Node { name, kind, output, parameters: first..builder.parameters.len() });
            layers.push(layer);
            shape = output;
        }
        if let Shape::Ids(_) | Shape::OneHot(_) = shape {
            return Err(Error::config("model", "ends in token ids: add a recurrent or dense layer"));
        }
        let ends_time = layers.iter().position(|layer| layer.ends_time());
        let parameters = builder.finish()?;
        Ok(Self::of(Arc::new(Plan { nodes, parameters, input_shape: input, ends_time, link }), layers))
    }

    fn of(plan: Arc<Plan>, layers: Vec<Box<dyn Layer<R>>>) -> Self {
        Network {
            plan,
            signals: layers.iter().map(|_| Signal::default()).collect(),
            layers,
            input: Signal::default(),
            d_output: Vec::new(),
            d: Vec::new(),
            d_next: Vec::new(),
        }
    }

    /// Another network of the same layers, with what they have made of the parameters; with states and buffers of its
    /// own.
    pub fn another(&self) -> Self {
        Self::of(Arc::clone(&self.plan), self.layers.iter().map(|layer| layer.another()).collect())
    }

    /// The layers.
    pub fn nodes(&self) -> &[Node] {
        &self.plan.nodes
    }

    /// The parameters' names, shapes and places.
    pub fn parameters(&self) -> &[Parameter] {
        &self.plan.parameters
    }

    /// What it takes.
    pub fn input_shape(&self) -> Shape {
        self.plan.input_shape
    }

    /// What it gives.
    pub fn output_shape(&self) -> Shape {
        self.nodes().last().map_or(self.input_shape(), |node| node.output)
    }

    /// The final activation that was left out.
    pub fn link(&self) -> Activation {
        self.plan.link
    }

    /// Whether there is one output for a whole sequence.
    pub fn ends_time(&self) -> bool {
        self.plan.ends_time.is_some()
    }

    fn body_len(&self) -> usize {
        self.plan.ends_time.map_or(self.layers.len(), |end| end + 1)
    }

    /// Says which layer cannot run in segments, and why.
    pub fn runs_in_segments(&self) -> Result<()> {
        self.can(|layer| layer.runs_in_segments())
    }

    /// Says which layer cannot run step by step, and why.
    pub fn streams(&self) -> Result<()> {
        self.can(|layer| layer.streams())
    }

    fn can(&self, ask: impl Fn(&dyn Layer<R>) -> std::result::Result<(), &'static str>) -> Result<()> {
        for (node, layer) in self.nodes().iter().zip(&self.layers) {
            ask(&**layer).map_err(|why| Error::unsupported(format!("layer `{}`", node.name), why))?;
        }
        Ok(())
    }

    /// To be called after each change of the parameters, of a network that runs batches. Other networks keep what they have.
    pub fn renew(&mut self) {
        self.layers.iter_mut().for_each(|layer| layer.renew());
    }

    /// To be called once, before [`Network::step`], and before [`Network::body`] of a quantised model: such a network runs
    /// these parameters alone, and those of others run in a network that is built anew.
    ///
    /// # Panics
    /// If it was called before.
    pub fn prepare_steps(&mut self, parameters: &[R], precision: Precision) {
        self.layers.iter_mut().for_each(|layer| layer.prepare_steps(parameters, precision));
    }

    /// Bytes of weights that the recurrent layers read at each step.
    pub fn step_bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.step_bytes()).sum()
    }

    /// Begins new sequences, with these states if given.
    pub fn start(&mut self, batch: usize, initial: Option<&States<R>>) {
        let mut index = 0;
        for layer in &mut self.layers {
            let has_state = layer.carry().is_some();
            let given = initial.filter(|_| has_state).and_then(|states| states.get(index));
            layer.start(batch, given.map(|states| &states[..]));
            index += usize::from(has_state);
        }
    }

    /// The carried states.
    pub fn states(&self) -> States<R> {
        self.layers.iter().filter_map(|layer| layer.carry().map(|carry| carry.state.clone())).collect()
    }

    /// Carries these states.
    pub fn set_states(&mut self, states: &States<R>) {
        let carries = self.layers.iter_mut().filter_map(|layer| layer.carry_mut());
        carries.zip(states).for_each(|(carry, states)| carry.state.clone_from(states));
    }

    /// The number of states and units of each layer with a state, in each direction, and the layer's name.
    pub fn state_sizes(&self) -> Vec<(String, usize, usize, usize)> {
        let mut sizes = Vec::new();
        for (node, layer) in self.nodes().iter().zip(&self.layers) {
            let (states, units) = layer.state_size();
            if let Some(carry) = layer.carry() {
                sizes.push((node.name.clone(), carry.state.len(), states, units));
            }
        }
        sizes
    }

    /// The states as they were after step `t` of the last kept body call.
    pub fn states_after(&self, pass: &Pass<'_, R>, t: usize) -> States<R> {
        let with_state = self.layers.iter().zip(&self.signals).filter_map(|(layer, signal)| {
            layer.carry()?;
            Some(layer.state_after(pass, t, signal))
        });
        with_state.collect()
    }

    /// The gradients of the carried states.
    pub fn d_states(&self) -> States<R> {
        self.layers.iter().filter_map(|layer| layer.carry().map(|carry| carry.d_state.clone())).collect()
    }

    /// Begins backward with these gradients of the last states, as [`Network::zero_d_states`] does with zeros:
    /// for an objective that looks at the states as well as at the outputs. Rows are those of the layout.
    pub fn set_d_states(&mut self, d_states: &States<R>) {
        let carries = self.layers.iter_mut().filter_map(|layer| layer.carry_mut());
        carries.zip(d_states).for_each(|(carry, d_states)| carry.d_state.clone_from(d_states));
    }

    /// Sets the gradients of the carried states to zero.
    pub fn zero_d_states(&mut self, batch: usize) {
        for layer in &mut self.layers {
            let (states, units) = layer.state_size();
            if let Some(carry) = layer.carry_mut() {
                carry.d_state = carry.state.iter().map(|_| State::zeros(states, batch, units)).collect();
            }
        }
    }

    /// What the layers add to the reduced loss of the last kept body call; see [`Layer::penalty`].
    pub fn penalty(&self) -> f64 {
        self.layers.iter().map(|layer| layer.penalty()).sum()
    }

    /// Runs the body over a segment whose input is `fill`ed in.
    pub fn body(&mut self, pass: &Pass<'_, R>, fill: impl FnOnce(&mut Signal<R>)) {
        fill(&mut self.input);
        for index in 0..self.body_len() {
            let (before, rest) = self.signals.split_at_mut(index);
            let input = before.last().unwrap_or(&self.input);
            self.layers[index].forward(pass, input, &mut rest[0]);
        }
    }

    /// Runs the head, after the body over all segments. Nothing if no layer ends time.
    pub fn head(&mut self, pass: &Pass<'_, R>) {
        let Some(end) = self.plan.ends_time else { return };
        self.layers[end].emit(self.signals[end].values_mut());
        for index in end + 1..self.layers.len() {
            let (before, rest) = self.signals.split_at_mut(index);
            self.layers[index].forward(pass, &before[index - 1], &mut rest[0]);
        }
    }

    /// What layer `index` was given in the last body call.
    pub(crate) fn input_of(&self, index: usize) -> &Signal<R> {
        index.checked_sub(1).map_or(&self.input, |before| &self.signals[before])
    }

    /// The output: of the last body call, or of the head.
    pub fn output(&self) -> &[R] {
        self.signals.last().map_or(&[], |signal| signal.values())
    }

    /// The output, and where its gradient is to be written before backward.
    pub fn output_and_gradient(&mut self) -> (&[R], &mut Vec<R>) {
        (self.signals.last().map_or(&[], |signal| signal.values()), &mut self.d_output)
    }

    /// Backward through the head, from the output's gradient; leaves that of the body's end in [`Network::d_end`].
    pub fn backward_head(&mut self, pass: &Pass<'_, R>, gradients: &mut [R]) {
        let Some(end) = self.plan.ends_time else { return };
        for index in (end + 1..self.layers.len()).rev() {
            self.backward_node(index, pass, true, gradients);
        }
    }

    /// The gradient of the output of the layer that ends time, after [`Network::backward_head`].
    pub fn d_end(&self) -> &[R] {
        if self.body_len() == self.layers.len() { &self.d_output } else { &self.d }
    }

    /// Takes the gradient of the end of time for the steps from `from` on of the segment that follows, of the
    /// rows that end there.
    pub fn begin_backward(&mut self, d_end: &[R], from: usize, ends_here: &[bool]) {
        if let Some(end) = self.plan.ends_time {
            self.layers[end].begin_backward(d_end, from, ends_here);
        }
    }

    /// Backward through the body's last kept call, from the gradient of its output's rows or, if a layer ends time,
    /// from what [`Network::begin_backward`] took. `d_input`, if given, receives the gradient of the input; otherwise
    /// it ends at the first layer with parameters to train.
    pub fn backward_body(&mut self, pass: &Pass<'_, R>, d_input: Option<&mut Vec<R>>, gradients: &mut [R]) {
        let trains = |node: &Node| self.parameters()[node.parameters.clone()].iter().any(|p| p.trainable);
        let first_trained = self.nodes().iter().position(trains).unwrap_or(self.layers.len());
        let first = if d_input.is_some() { 0 } else { first_trained };
        for index in (first..self.body_len()).rev() {
            let wanted = index > first || d_input.is_some();
            self.backward_node(index, pass, wanted, gradients);
        }
        if let Some(d_input) = d_input {
            std::mem::swap(d_input, &mut self.d);
        }
    }

    /// One layer backward: `self.d` (of the last layer `self.d_output`) is the gradient of its output, and then
    /// `self.d` that of its input.
    fn backward_node(&mut self, index: usize, pass: &Pass<'_, R>, wanted: bool, gradients: &mut [R]) {
        let (before, rest) = self.signals.split_at(index);
        let input = before.last().unwrap_or(&self.input);
        let d_input = wanted.then_some(&mut self.d_next);
        let d_output = if index + 1 == self.layers.len() { &mut self.d_output } else { &mut self.d };
        self.layers[index].backward(pass, input, &rest[0], d_output, d_input, gradients);
        if wanted {
            std::mem::swap(&mut self.d, &mut self.d_next);
        }
    }

    /// One step of one sequence: see [`crate::stream`].
    pub fn step(&mut self, pass: &Pass<'_, R>, fill: impl FnOnce(&mut Signal<R>)) -> &[R] {
        fill(&mut self.input);
        for index in 0..self.layers.len() {
            let (before, rest) = self.signals.split_at_mut(index);
            let input = before.last().unwrap_or(&self.input);
            self.layers[index].step(pass, input, &mut rest[0]);
        }
        self.signals.last().map_or(&[], |signal| signal.values())
    }

    /// The first layer with an output that is not finite, its first time step that shows it (where steps do), and
    /// the value: after [`Network::body`] and [`Network::head`] over all steps.
    pub fn first_not_finite(&self, layout: &Layout) -> Option<(String, Option<usize>, R)> {
        let step = |row: usize| layout.offsets().partition_point(|&first| first <= row) - 1;
        self.nodes().iter().zip(&self.layers).zip(&self.signals).find_map(|((node, layer), signal)| {
            if let Some((values, width)) = layer.inner_steps()
                && let Some(place) = values.iter().position(|x| !x.is_finite())
            {
                return Some((node.name.clone(), Some(step(place / width)), values[place]));
            }
            let place = signal.values().iter().position(|x| !x.is_finite())?;
            let step = node.output.has_steps().then(|| step(place / node.output.width()));
            Some((node.name.clone(), step, signal.values()[place]))
        })
    }

    /// Goes on from where another network of the same layers is.
    pub fn go_on_from(&mut self, other: &Network<R>) {
        for (layer, from) in self.layers.iter_mut().zip(&other.layers) {
            if let (Some(to), Some(from)) = (layer.carry_mut(), from.carry()) {
                to.state.clone_from(&from.state);
            }
            layer.recall(&from.memory());
        }
    }

    /// What the layers keep in a stream beside their states, layer by layer; see [`Layer::memory`].
    pub fn memories(&self) -> Vec<Vec<f64>> {
        self.layers.iter().map(|layer| layer.memory()).collect()
    }

    /// Takes [`Network::memories`] back.
    pub fn recall(&mut self, memories: &[Vec<f64>]) {
        self.layers.iter_mut().zip(memories).for_each(|(layer, memory)| layer.recall(memory));
    }
}

/// Takes a final sigmoid or softmax off.
fn split_link(specs: &mut Vec<LayerSpec>) -> Activation {
    let link = final_activation(specs);
    if !matches!(link, Activation::Sigmoid | Activation::Softmax) {
        return Activation::Linear;
    }
    if let Some(LayerSpec::Dense(dense)) = specs.last_mut() {
        dense.activation = Activation::Linear;
    } else if specs.len() > 1 {
        specs.pop();
    } else {
        return Activation::Linear;
    }
    link
}

/// The final activation of these layers.
pub(crate) fn final_activation(specs: &[LayerSpec]) -> Activation {
    match specs.last() {
        Some(LayerSpec::Dense(dense)) => dense.activation,
        Some(LayerSpec::Activation(activation)) => *activation,
        _ => Activation::Linear,
    }
}
