//! Layers: what a user writes ([`spec`]), how it is written down ([`LayerConfig`]), and what runs ([`Layer`]).
//!
//! Between layers go [`Signal`]s: rows of features, time-major and packed ([`crate::data::batch`]), or token ids.
//! A layer either keeps the steps (every row of the layout in, every row out) or ends them
//! ([`Layer::ends_time`]: the last step, a pool, Flatten); behind that there is one row per sequence.
//!
//! A sequence may be run in segments: a layer with a state carries it in its [`Carry`] from one forward call to
//! the next, and the gradient of it from one backward call to the next (in reverse). That is all that
//! [`crate::bptt`] needs for truncation and for checkpoints.

mod bidirectional;
mod config;
mod dense;
mod dropout;
mod norm;
mod penalty;
mod pool;
mod recurrent;
pub mod spec;
mod token;
mod weight_drop;

pub use config::{KINDS, LayerConfig};
pub use spec::{
    Activation, Bidirectional, Dense, Dropout, Embedding, Flatten, Gru, GruOptions, LayerNorm, LayerSpec,
    Lstm, LstmOptions, Merge, OneHot, Penalty, Pool, Recurrent, RecurrentOptions, SimpleRnn,
    SimpleRnnOptions,
};

use std::ops::Range;

use gimbap_kernels::Arithmetic;

use crate::data::layout::Layout;
use crate::init::Initializer;
use crate::quantize::Precision;
use crate::rng::{self, Rng};
use crate::sequence::State;
use crate::{Error, Result};

/// What one sequence looks like between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[T]`: token ids below this number.
    Ids(usize),
    /// `[T, V]`: one-hot vectors, carried as ids.
    OneHot(usize),
    /// `[T, I]`: features at every step.
    Steps(usize),
    /// `[I]`: features of the whole sequence.
    Flat(usize),
}

impl Shape {
    /// The features of a row.
    pub fn width(self) -> usize {
        match self {
            Shape::Ids(width) | Shape::OneHot(width) | Shape::Steps(width) | Shape::Flat(width) => width,
        }
    }

    /// Whether there is a row for every step.
    pub fn has_steps(self) -> bool {
        !matches!(self, Shape::Flat(_))
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shape::Ids(v) => write!(f, "[B, T] ids below {v}"),
            Shape::OneHot(i) | Shape::Steps(i) => write!(f, "[B, T, {i}]"),
            Shape::Flat(i) => write!(f, "[B, {i}]"),
        }
    }
}

/// What goes from layer to layer, for all rows of a layout (or all sequences of it).
#[derive(Clone, Debug, PartialEq)]
pub enum Signal<R> {
    /// `[N, I]` or `[B, I]`.
    Values(Vec<R>),
    /// `[N]`: token ids, or the places of the ones in one-hot vectors.
    Ids(Vec<u32>),
}

impl<R> Default for Signal<R> {
    fn default() -> Self {
        Signal::Values(Vec::new())
    }
}

impl<R> Signal<R> {
    /// The values; of ids, none.
    pub fn values(&self) -> &[R] {
        match self {
            Signal::Values(values) => values,
            Signal::Ids(_) => &[],
        }
    }

    /// The ids; of values, none.
    pub fn ids(&self) -> &[u32] {
        match self {
            Signal::Values(_) => &[],
            Signal::Ids(ids) => ids,
        }
    }

    pub(crate) fn ids_mut(&mut self) -> &mut Vec<u32> {
        if matches!(self, Signal::Values(_)) {
            *self = Signal::Ids(Vec::new());
        }
        match self {
            Signal::Ids(ids) => ids,
            Signal::Values(_) => unreachable!("just replaced"),
        }
    }

    pub(crate) fn values_mut(&mut self) -> &mut Vec<R> {
        if matches!(self, Signal::Ids(_)) {
            *self = Signal::Values(Vec::new());
        }
        match self {
            Signal::Values(values) => values,
            Signal::Ids(_) => unreachable!("just replaced"),
        }
    }
}

/// Which draw of random numbers a pass belongs to; see [`crate::rng`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// The run's seed.
    pub seed: u64,
    /// The epoch.
    pub epoch: u64,
    /// The optimizer's step.
    pub step: u64,
}

impl Draw {
    pub(crate) fn rng(&self, stream: u64) -> Rng {
        rng::keyed(self.seed, self.epoch, self.step, stream)
    }
}

/// What every layer of one pass sees.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a, R> {
    /// All parameters of the model.
    pub parameters: &'a [R],
    /// The rows of this segment.
    pub layout: &'a Layout,
    /// Row `b` of the layout is sequence `order[b]` of the batch.
    pub order: &'a [usize],
    /// Dropout draws from here; None outside training.
    pub draw: Option<Draw>,
    /// Backward follows: keep what it needs.
    pub keep: bool,
    /// The segment was run before: what adds up over segments is not to be added again.
    pub again: bool,
}

/// The state that a layer carries from segment to segment, one [`State`] per direction, rows as in the layout.
#[derive(Clone, Debug, Default)]
pub struct Carry<R> {
    /// Before the last forward call.
    pub initial: Vec<State<R>>,
    /// After it.
    pub state: Vec<State<R>>,
    /// Backward takes the gradient of `state` here and leaves that of `initial`.
    pub d_state: Vec<State<R>>,
}

/// A layer that can be copied: [`Layer`] for every `Clone`.
pub trait Another<R> {
    /// Another one. What follows from the parameters is shared with it; states and buffers are its own.
    fn another(&self) -> Box<dyn Layer<R>>;
}

impl<R: Arithmetic, L: Layer<R> + Clone + 'static> Another<R> for L {
    fn another(&self) -> Box<dyn Layer<R>> {
        Box::new(self.clone())
    }
}

/// A layer that runs. What it makes of the parameters, it makes when it first needs it, and its copies have it too.
pub trait Layer<R>: Another<R> + Send + Sync + std::fmt::Debug
where
    R: Arithmetic,
{
    /// The parameters have changed.
    fn renew(&mut self) {}

    /// Called once before [`Layer::step`], and before [`Layer::forward`] with weights that are rounded: makes what steps
    /// need.
    fn prepare_steps(&mut self, _parameters: &[R], _precision: Precision) {}

    /// Bytes of weights that a recurrent layer reads at each [`Layer::step`].
    fn step_bytes(&self) -> usize {
        0
    }

    /// Runs a segment. A layer that ends time takes it in and writes nothing: see [`Layer::emit`].
    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>);

    /// The gradients of the last kept forward call: `d_output` is shaped like the output's rows, `d_input`, if
    /// wanted, receives that of the input's, and the parameters' are added to `gradients` (shaped as the model's
    /// parameters). `d_output` may be overwritten.
    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        output: &Signal<R>,
        d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        gradients: &mut [R],
    );

    /// What it adds to the reduced loss of the last kept forward call.
    fn penalty(&self) -> f64 {
        0.0
    }

    /// Whether it makes one row of a sequence of rows.
    fn ends_time(&self) -> bool {
        false
    }

    /// Of a layer that ends time: its output `[B, I]`, after all segments.
    fn emit(&mut self, _output: &mut Vec<R>) {}

    /// Of a layer that ends time: takes the gradient of [`Layer::emit`]'s output, for the steps from `from` on of
    /// the segments whose backward calls follow; `ends_here` marks the rows that end in them.
    fn begin_backward(&mut self, _d_output: &[R], _from: usize, _ends_here: &[bool]) {}

    /// The state that it carries, if it has one.
    fn carry(&self) -> Option<&Carry<R>> {
        None
    }

    /// [`Layer::carry`], to write.
    fn carry_mut(&mut self) -> Option<&mut Carry<R>> {
        None
    }

    /// The number of states per row that [`Layer::carry`] has in each direction, and the units: `(0, 0)` without.
    fn state_size(&self) -> (usize, usize) {
        (0, 0)
    }

    /// Begins new sequences: a carried state is set to zero, or to `initial`.
    fn start(&mut self, batch: usize, initial: Option<&[State<R>]>) {
        let (states, units) = self.state_size();
        if let Some(carry) = self.carry_mut() {
            for (index, state) in carry.state.iter_mut().enumerate() {
                *state = match initial {
                    Some(initial) => initial[index].clone(),
                    None => State::zeros(states, batch, units),
                };
            }
        }
    }

    /// The carried states as they were after step `t` of the last kept forward call.
    fn state_after(&self, _pass: &Pass<'_, R>, _t: usize, _output: &Signal<R>) -> Vec<State<R>> {
        Vec::new()
    }

    /// Whether it can run in segments; if not, why.
    fn runs_in_segments(&self) -> std::result::Result<(), &'static str> {
        Ok(())
    }

    /// One step of one sequence, without allocation after the first call.
    fn step(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        self.forward(pass, input, output);
    }

    /// What it must remember in a stream beside [`Layer::carry`]: a pool's steps and values so far. Always as many
    /// numbers.
    fn memory(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Takes back what [`Layer::memory`] gave.
    fn recall(&mut self, _memory: &[f64]) {}

    /// Of a layer that ends time: what it had at every step of the last forward call, rows as in the layout, and
    /// their width; None if there is no such thing.
    fn inner_steps(&self) -> Option<(&[R], usize)> {
        None
    }

    /// Whether it can run step by step; if not, why.
    fn streams(&self) -> std::result::Result<(), &'static str> {
        Ok(())
    }
}

/// A named array among the model's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// `LAYER.ARRAY`: `lstm.w_x`.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its place among the model's parameters.
    pub range: Range<usize>,
    /// Adds `l2 * sum(w^2)` to the loss.
    pub l2: f64,
    /// It has a row for each token of the model's input, and the gradients of a batch's loss are zero in the rows of
    /// tokens that the batch does not have.
    pub by_token: bool,
    /// Training moves it; if not, its gradient is zero.
    pub trainable: bool,
    init: Init,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Init {
    initializer: Initializer,
    fan_in: usize,
    fan_out: usize,
    /// This value is added to `[H..2 H]` (the forget gate's bias).
    forget_bias: Option<usize>,
    /// This row is zero.
    zero_row: Option<u32>,
}

impl Parameter {
    /// The initial values, from the random stream of the parameter's number.
    pub(crate) fn initial<R: Arithmetic>(&self, seed: u64, number: u64) -> Vec<R> {
        let columns = *self.shape.last().unwrap_or(&1);
        let rows = self.range.len() / columns.max(1);
        let mut rng = rng::keyed(seed, u64::MAX, 0, number);
        let Init { initializer, fan_in, fan_out, forget_bias, zero_row } = self.init;
        let mut values = initializer.sample((rows, columns), fan_in, fan_out, &mut rng);
        if let Some(units) = forget_bias {
            values[units..2 * units].iter_mut().for_each(|b| *b += 1.0);
        }
        if let Some(row) = zero_row {
            values[row as usize * columns..(row as usize + 1) * columns].fill(0.0);
        }
        values.into_iter().map(R::from_f64).collect()
    }
}

/// The largest dimension that an option may ask for: products of two are still numbers.
pub(crate) const LARGEST: usize = 1 << 28;

/// Collects the parameters while a model is built.
pub(crate) struct Builder {
    pub(crate) parameters: Vec<Parameter>,
    layer: String,
    number: u64,
    one_hot_stays: bool,
    ends: bool,
    tied: Option<Tied>,
}

/// The vectors `[V, units]` of an embedding, on their way to the dense layer at the model's end.
#[derive(Clone, Debug)]
struct Tied {
    /// The embedding.
    layer: String,
    vocabulary: usize,
    units: usize,
    parameters: Range<usize>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder {
            parameters: Vec::new(),
            layer: String::new(),
            number: 0,
            one_hot_stays: false,
            ends: false,
            tied: None,
        }
    }

    /// The layer that follows, number `number` of `specs` (random streams are keyed by it), and its name.
    pub(crate) fn enter(&mut self, layer: String, number: usize, specs: &[LayerSpec]) {
        let behind = &specs[number + 1..];
        (self.layer, self.number) = (layer, number as u64);
        self.one_hot_stays = behind.first().is_some_and(takes_one_hot);
        self.ends = behind.iter().all(|spec| matches!(spec, LayerSpec::Activation(_)));
    }

    /// The embedding whose vectors the layer has as its weights: if one is tied, and the model ends here but for
    /// activations.
    fn take_tied(&mut self) -> Option<Tied> {
        self.tied.take_if(|_| self.ends)
    }

    /// All layers are there.
    pub(crate) fn finish(self) -> Result<Vec<Parameter>> {
        match self.tied {
            None => Ok(self.parameters),
            Some(Tied { layer, vocabulary, .. }) => Err(Error::config(
                format!("layer `{layer}`"),
                format!(
                    "is `tied` to the dense layer at the model's end, and there is none: add Dense({vocabulary}) there"
                ),
            )),
        }
    }

    fn place(&self) -> String {
        format!("layer `{}`", self.layer)
    }

    /// A number for the layer's own random streams: `purpose` below 16.
    fn stream(&self, purpose: u64) -> u64 {
        self.number * 16 + purpose
    }

    fn add(
        &mut self,
        name: &str,
        shape: &[usize],
        l2: f64,
        initializer: Initializer,
        fans: (usize, usize),
    ) -> Range<usize> {
        let start = self.parameters.last().map_or(0, |p| p.range.end);
        let size = shape.iter().fold(1, |size: usize, n| size.saturating_mul(*n));
        let range = start..start.saturating_add(size);
        let (fan_in, fan_out) = fans;
        self.parameters.push(Parameter {
            name: format!("{}.{name}", self.layer),
            shape: shape.to_vec(),
            range: range.clone(),
            l2,
            by_token: false,
            trainable: true,
            init: Init { initializer, fan_in, fan_out, forget_bias: None, zero_row: None },
        });
        range
    }

    /// [`Builder::add`], with a row for each feature of a layer's input: for each token, if that is one-hot.
    fn add_kernel(
        &mut self,
        name: &str,
        (input, columns): (Shape, usize),
        l2: f64,
        initializer: Initializer,
        fans: (usize, usize),
    ) -> Range<usize> {
        let range = self.add(name, &[input.width(), columns], l2, initializer, fans);
        if let (Some(parameter), Shape::Ids(_) | Shape::OneHot(_)) = (self.parameters.last_mut(), input) {
            parameter.by_token = true;
        }
        range
    }

    fn last(&mut self) -> Option<&mut Parameter> {
        self.parameters.last_mut()
    }

    fn positive(&self, name: &str, value: usize) -> Result<()> {
        match value {
            0 => Err(Error::config(self.place(), format!("`{name}` is 0; it must be at least 1"))),
            1..=LARGEST => Ok(()),
            _ => {
                Err(Error::config(self.place(), format!("`{name}` is {value}; it must be at most {LARGEST}")))
            }
        }
    }

    fn penalty(&self, l2: f64) -> Result<()> {
        match l2 >= 0.0 {
            true => Ok(()),
            false => Err(Error::config(self.place(), format!("`l2` is {l2}; it must be at least 0"))),
        }
    }

    fn rate(&self, name: &str, rate: f64) -> Result<()> {
        match (0.0..1.0).contains(&rate) {
            true => Ok(()),
            false => Err(Error::config(self.place(), format!("`{name}` is {rate}; it must be in [0, 1)"))),
        }
    }

    fn steps(&self, input: Shape) -> Result<usize> {
        match input {
            Shape::Steps(width) | Shape::OneHot(width) => Ok(width),
            Shape::Ids(_) => Err(Error::config(
                self.place(),
                "takes features, but its input is token ids: put OneHot or Embedding in front of it",
            )),
            Shape::Flat(_) => Err(Error::config(
                self.place(),
                "takes an output for every step, but the layer in front of it gives only one per sequence: \
                 give that layer `return_sequences`",
            )),
        }
    }

    fn features(&self, input: Shape) -> Result<usize> {
        match input {
            Shape::Flat(width) => Ok(width),
            _ => self.steps(input),
        }
    }
}

/// Whether a layer takes one-hot vectors as ids.
fn takes_one_hot(spec: &LayerSpec) -> bool {
    spec.recurrent().is_some() || matches!(spec, LayerSpec::Dense(_))
}

/// Makes a layer for an input of a shape, and the shape of its output.
pub(crate) fn build<R: Arithmetic>(
    spec: &LayerSpec,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    match spec {
        LayerSpec::OneHot(_) => token::one_hot(input, builder),
        LayerSpec::Embedding(spec) => token::embedding(spec, input, builder),
        LayerSpec::SimpleRnn(_) | LayerSpec::Lstm(_) | LayerSpec::Gru(_) => {
            recurrent::build(spec, input, builder)
        }
        LayerSpec::Bidirectional(spec) => bidirectional::build(spec, input, builder),
        LayerSpec::Dense(spec) => dense::build(spec, input, builder),
        LayerSpec::Activation(activation) => dense::activation(*activation, input, builder),
        LayerSpec::Dropout(spec) => dropout::build(spec, input, builder),
        LayerSpec::LayerNorm(spec) => norm::build(spec, input, builder),
        LayerSpec::Penalty(spec) => penalty::build(spec, input, builder),
        LayerSpec::Flatten(spec) => pool::flatten(spec, input, builder),
        LayerSpec::Pool(pool) => pool::build(*pool, input, builder),
    }
}

/// Splits off the front of a parameter arena's part, array by array.
pub(crate) fn take<'a, R>(part: &mut &'a mut [R], n: usize) -> &'a mut [R] {
    let (front, rest) = std::mem::take(part).split_at_mut(n);
    *part = rest;
    front
}

/// The row ranges over which products are formed and gradients summed, in order: blocks of steps, the last first;
/// of an input without steps, all at once. (A large product's bits depend on the number of its rows, so the rows
/// of one call must be the same whether a sequence is run whole or in segments.)
pub(crate) fn blocks(layout: &Layout, has_steps: bool) -> impl Iterator<Item = Range<usize>> + '_ {
    let by_steps =
        has_steps.then(|| layout.blocks().map(|steps| layout.rows_of(steps)).filter(|rows| !rows.is_empty()));
    by_steps.into_iter().flatten().chain((!has_steps).then_some(0..layout.batch()))
}
