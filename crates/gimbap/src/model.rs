//! A model: layers, their parameters, and what they are trained for.

mod states;
mod tally;
mod values;

use std::fmt::Write;
use std::sync::Arc;

use gimbap_kernels::Arithmetic;
use ndarray::{Array2, ArrayD, ArrayViewD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::bptt::{Bptt, Job, Objective, Truncation};
use crate::data::batch::{Batch, BatchSource, Shuffled};
use crate::data::dataset::{Dataset, Sequences, Steps, Targets};
use crate::layer::{Draw, LARGEST, LayerSpec, Parameter, Pass, Shape, Signal};
use crate::loss::{Loss, Reduction};
use crate::metric::Metric;
use crate::network::{Network, States, final_activation};
use crate::optim::Optimizer;
use crate::quantize::Precision;
use crate::stream::Stream;
use crate::train::Kept;
use crate::{Error, Result, room};

use states::StateCollector;
use states::carry_over;
pub(crate) use states::permute;
pub(crate) use tally::Tally;
pub(crate) use values::{Form, Values};

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// `[B, T, I]`: this many features at every step.
    Features(usize),
    /// `[B, T]`: token ids below this number.
    Ids(usize),
}

impl Input {
    /// `[B, T, I]`: `I` features at every step.
    pub fn features(i: usize) -> Input {
        Input::Features(i)
    }

    /// `[B, T]`: token ids below `vocabulary`.
    pub fn ids(vocabulary: usize) -> Input {
        Input::Ids(vocabulary)
    }

    fn shape(self) -> Result<Shape> {
        match self {
            Input::Features(0) | Input::Ids(0) => {
                Err(Error::config("input", "has size 0; it must be at least 1"))
            }
            Input::Features(n) | Input::Ids(n) if n > LARGEST => {
                Err(Error::config("input", format!("has size {n}; it must be at most {LARGEST}")))
            }
            Input::Features(i) => Ok(Shape::Steps(i)),
            Input::Ids(v) => Ok(Shape::Ids(v)),
        }
    }
}

/// Layers in a row, on the way to a [`Model`].
///
/// ```
/// use gimbap::prelude::*;
///
/// # fn main() -> Result<()> {
/// let model = Sequential::new(Input::ids(1000))
///     .add(Embedding::new(32))
///     .add(Bidirectional::new(Gru::new(16)))
///     .add(Dense::new(4).activation(Activation::Softmax))
///     .seed(7)
///     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])?;
/// assert_eq!(model.parameter("bidirectional.forward.w_x").unwrap().shape(), [32, 3 * 16]);
///
/// // A layer that does not fit says so when the model is built.
/// let error = Sequential::new(Input::features(3)).add(Lstm::new(8)).add(Lstm::new(8)).build::<f32>();
/// assert!(error.unwrap_err().to_string().contains("return_sequences"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sequential {
    input: Input,
    layers: Vec<LayerSpec>,
    seed: u64,
}

impl Sequential {
    /// Begins with what the model takes.
    pub fn new(input: Input) -> Self {
        Sequential { input, layers: Vec::new(), seed: 0 }
    }

    /// Adds a layer.
    #[allow(clippy::should_implement_trait)] // Keras's word
    pub fn add(mut self, layer: impl Into<LayerSpec>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// The seed of the initial weights; 0 unless said.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// A model with its initial weights, in `f32` or `f64`.
    ///
    /// # Errors
    /// If a layer's options are wrong, it does not fit the one in front of it, or memory has no room for the weights.
    pub fn build<R: Arithmetic>(&self) -> Result<Model<R>> {
        let mut model = self.build_without_values::<R>()?;
        let numbered = model.parameters.iter().enumerate();
        let values: Vec<R> =
            numbered.flat_map(|(number, p)| p.initial::<R>(self.seed, number as u64)).collect();
        model.values = values.into();
        Ok(model)
    }

    /// The parameters that its model would have.
    pub(crate) fn parameters<R: Arithmetic>(&self) -> Result<Vec<Parameter>> {
        Ok(Network::<R>::build(self.input.shape()?, &self.layers, false)?.parameters().to_vec())
    }

    /// A model whose parameters are all zero.
    pub(crate) fn build_without_values<R: Arithmetic>(&self) -> Result<Model<R>> {
        let parameters = self.parameters::<R>()?;
        let count = parameters.last().map_or(0, |p| p.range.end);
        room::check("model", count.checked_mul(size_of::<R>()))?;
        let mut values = Vec::new();
        let too_many =
            |_| Error::config("model", format!("has {count} parameters, more than memory has room for"));
        values.try_reserve_exact(count).map_err(too_many)?;
        values.resize(count, R::ZERO);
        Ok(Model {
            input: self.input,
            layers: self.layers.clone(),
            parameters,
            values: values.into(),
            training: None,
            reduction: Reduction::default(),
            precision: Precision::Full,
            kept: None,
            task: serde_json::Value::Null,
        })
    }

    /// A model in `f32`, ready for [`Model::fit`].
    ///
    /// # Errors
    /// As [`Sequential::build`] and [`Model::compile`].
    pub fn compile(
        &self,
        optimizer: impl Into<Optimizer>,
        loss: Loss,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> Result<Model<f32>> {
        self.build()?.compile(optimizer, loss, metrics)
    }
}

/// What a model is trained for, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// How a gradient becomes a step.
    pub optimizer: Optimizer,
    /// What is made small.
    pub loss: Loss,
    /// How rows become one number.
    pub reduction: Reduction,
    /// What is measured beside.
    pub metrics: Vec<Metric>,
}

impl Training {
    /// Checks the numbers of the optimizer and of the loss.
    pub(crate) fn check(&self) -> Result<()> {
        self.optimizer.check()?;
        self.loss.check_numbers()
    }
}

/// A model: layers, parameters, and (once compiled) its training. Models are equal if what [`save`](crate::checkpoint::save)
/// writes of them is; what their optimizers remember is not compared.
#[derive(Clone, Debug)]
pub struct Model<R = f32> {
    pub(crate) input: Input,
    pub(crate) layers: Vec<LayerSpec>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) values: Values<R>,
    pub(crate) training: Option<Training>,
    /// What [`Model::reduction`] asked for, for [`Model::compile`].
    pub(crate) reduction: Reduction,
    pub(crate) precision: Precision,
    /// Where its training stands.
    pub(crate) kept: Option<Kept<R>>,
    /// Whatever its user needs beside it (a vocabulary, a scaler): kept in the model file.
    pub task: serde_json::Value,
}

impl<R: PartialEq> PartialEq for Model<R> {
    fn eq(&self, other: &Self) -> bool {
        let Model { input, layers, parameters, values, training, reduction, precision, kept: _, task } = self;
        (input, layers, parameters, values) == (&other.input, &other.layers, &other.parameters, &other.values)
            && (training, reduction) == (&other.training, &other.reduction)
            && (precision, task) == (&other.precision, &other.task)
    }
}

/// What [`Model::evaluate`] finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// The mean loss of a valid row (for cross-entropies: nats).
    pub loss: f64,
    /// In the order in which they were asked for.
    pub metrics: Vec<(Metric, f64)>,
    /// Valid rows: sequences, or steps.
    pub rows: usize,
}

/// The states of one layer for the sequences of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerState<R> {
    /// The layer's name.
    pub layer: String,
    /// One per direction: forward, and (of a bidirectional layer) backward.
    pub directions: Vec<DirectionState<R>>,
}

/// The states of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectionState<R> {
    /// `[B, H]`.
    pub h: Array2<R>,
    /// `[B, H]`, of an LSTM.
    pub c: Option<Array2<R>>,
}

/// What [`Model::run`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Output<R> {
    /// As [`Model::predict`].
    pub y: ArrayD<R>,
    /// The last states of the layers that have `return_state`.
    pub states: Vec<LayerState<R>>,
}

/// What [`Model::gradients`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<R> {
    /// The reduced loss, without L2 terms.
    pub loss: f64,
    /// Shaped as [`Model::values`].
    pub parameters: Vec<R>,
    /// `[B, T, I]`, zero beyond each length; empty for token ids.
    pub x: ArrayD<R>,
    /// Of the initial states, in the order of [`Model::state_layers`].
    pub initial_states: Vec<LayerState<R>>,
}

impl<R: Arithmetic> Model<R> {
    /// Says what the model is trained for. The optimizer begins anew, also where it is the one that there was.
    ///
    /// # Errors
    /// If the loss does not fit the last activation, a metric not the loss, or a weight decay a layer that is not
    /// trained; or if a number of the optimizer or the loss cannot be meant.
    pub fn compile(
        mut self,
        optimizer: impl Into<Optimizer>,
        loss: Loss,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> Result<Self> {
        let (optimizer, metrics) = (optimizer.into(), metrics.into_iter().collect());
        let training = Training { optimizer, loss, reduction: self.reduction, metrics };
        training.check()?;
        let frozen = self.parameters.iter().find(|parameter| !parameter.trainable);
        if let (Some(frozen), true) = (frozen, training.optimizer.weight_decay() > 0.0) {
            return Err(Error::config(
                "optimizer.weight_decay",
                format!("would move `{}`, which is not `trainable`: set it to 0", frozen.name),
            ));
        }
        for metric in &training.metrics {
            metric.check(loss.output_kind())?;
        }
        let last = final_activation(&self.layers);
        let fits =
            last == crate::layer::Activation::Linear || loss.link() == Some(last) || loss.link().is_none();
        if !fits {
            return Err(Error::config(
                "loss",
                format!(
                    "{loss:?} takes logits: end the model in {:?} or in no activation, not {last:?}",
                    loss.link().unwrap_or_default()
                ),
            ));
        }
        (self.training, self.kept) = (Some(training), None);
        Ok(self)
    }

    /// How the losses of rows become one number; [`Reduction::Mean`] unless said. Before or after [`Model::compile`].
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        if let Some(training) = &mut self.training {
            training.reduction = reduction;
        }
        self
    }

    /// What it takes.
    pub fn input(&self) -> Input {
        self.input
    }

    /// Its layers.
    pub fn layers(&self) -> &[LayerSpec] {
        &self.layers
    }

    /// Whether a layer is `stateful`: then the batches of one call continue each other.
    pub(crate) fn is_stateful(&self) -> bool {
        self.layers.iter().filter_map(LayerSpec::recurrent).any(|layer| layer.stateful)
    }

    /// Its training, once compiled.
    pub fn training(&self) -> Option<&Training> {
        self.training.as_ref()
    }

    pub(crate) fn trained_for(&self) -> Result<&Training> {
        self.training
            .as_ref()
            .ok_or_else(|| Error::unsupported("model", "is not compiled: call `compile` first"))
    }

    /// The names, shapes and places of its parameters.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// All parameters, one after the other.
    pub fn values(&self) -> &[R] {
        &self.values
    }

    /// All parameters, to write. The optimizer begins anew.
    ///
    /// # Panics
    /// If the model is quantised: its values are rounded ones, and others would be lost when it is saved.
    pub fn values_mut(&mut self) -> &mut [R] {
        assert!(
            self.precision.is_full(),
            "a quantised model is not edited: edit the one that it was made of"
        );
        self.kept = None;
        self.values.edit()
    }

    /// One parameter by its name, `lstm.w_x`.
    pub fn parameter(&self, name: &str) -> Option<ArrayViewD<'_, R>> {
        let parameter = self.parameters.iter().find(|p| p.name == name)?;
        ArrayViewD::from_shape(IxDyn(&parameter.shape), &self.values[parameter.range.clone()]).ok()
    }

    /// Sets one parameter. The optimizer begins anew.
    ///
    /// # Errors
    /// If there is none of that name, it has another number of values, or the model is quantised.
    pub fn set_parameter(&mut self, name: &str, values: &[R]) -> Result<()> {
        self.check_full("to set a parameter")?;
        let names = || self.parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
        let Some(parameter) = self.parameters.iter().find(|p| p.name == name) else {
            return Err(Error::config(
                format!("parameter `{name}`"),
                format!("is not in this model; it has {}", names()),
            ));
        };
        if values.len() != parameter.range.len() {
            let expected = format!("{:?}", parameter.shape);
            return Err(Error::shape(
                format!("parameter `{name}`"),
                expected,
                format!("{} values", values.len()),
            ));
        }
        self.values.edit()[parameter.range.clone()].copy_from_slice(values);
        self.kept = None;
        Ok(())
    }

    /// The form of a network for the loss: with `logits`, its final sigmoid or softmax is left out if the loss is of
    /// what these are of.
    fn form(&self, logits: bool) -> Form {
        let links = self.training.as_ref().is_some_and(|training| training.loss.link().is_some());
        if logits && links { Form::Logits } else { Form::Batch }
    }

    /// A network of this form, with states and buffers of its own. With `logits` its final sigmoid or softmax is left out.
    pub(crate) fn network(&self, logits: bool) -> Result<Network<R>> {
        Ok(self.ready(self.form(logits))?.another())
    }

    /// The network that others of its form are copies of. What is packed for one is packed for all, until the values
    /// change.
    pub(crate) fn ready(&self, form: Form) -> Result<&Arc<Network<R>>> {
        let about = || serde_json::json!([self.input, self.layers, self.precision]).to_string();
        self.values.network(form, about, || {
            let mut network = Network::build(self.input.shape()?, &self.layers, form == Form::Logits)?;
            if form == Form::Steps {
                network.streams()?;
            }
            if form == Form::Steps || !self.precision.is_full() {
                network.prepare_steps(&self.values, self.precision);
            }
            Ok(network)
        })
    }

    /// The layers that have a state, in order.
    pub fn state_layers(&self) -> Result<Vec<String>> {
        Ok(self.ready(Form::Batch)?.state_sizes().into_iter().map(|(name, ..)| name).collect())
    }

    /// The outputs for sequences: `[B, O]`, or `[B, T, O]` of a model with an output per step, zero beyond each
    /// sequence's length.
    ///
    /// # Errors
    /// If the sequences have other features than the model, or ids beyond its vocabulary; or if one has no step, or a
    /// value that is NaN or infinite, unless that is [allowed](Sequences::allow_empty).
    pub fn predict(&self, x: impl Into<Sequences<R>>) -> Result<ArrayD<R>> {
        Ok(self.run(x, None)?.y)
    }

    /// [`Model::predict`] with given initial states, and with the last states of the layers that have
    /// `return_state`.
    ///
    /// ```
    /// use gimbap::ndarray::{Array3, s};
    /// use gimbap::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// let model = Sequential::new(Input::features(2)).add(Lstm::new(4).return_state(true)).build::<f32>()?;
    /// let x = Array3::from_shape_fn((3, 10, 2), |(b, t, i)| (b + t * i) as f32 / 10.0);
    ///
    /// // The first six steps, then the other four from the states in between: as all ten at once.
    /// let first = model.run(&x.slice(s![.., ..6, ..]).to_owned(), None)?;
    /// let rest = model.run(&x.slice(s![.., 6.., ..]).to_owned(), Some(&first.states))?;
    /// assert_eq!(rest.y, model.predict(&x)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Model::predict`]; or if the states do not fit.
    pub fn run(&self, x: impl Into<Sequences<R>>, initial: Option<&[LayerState<R>]>) -> Result<Output<R>> {
        let x = x.into();
        self.check_inputs(&x)?;
        let mut network = self.network(false)?;
        let ends_time = network.ends_time();
        let width = network.output_shape().width();
        let steps = x.lengths().into_iter().max().unwrap_or(0);
        let mut y = if ends_time {
            ArrayD::from_elem(IxDyn(&[x.len(), width]), R::ZERO)
        } else {
            ArrayD::from_elem(IxDyn(&[x.len(), steps, width]), R::ZERO)
        };
        let per_sequence = if ends_time { width } else { steps * width };
        let out = y.as_slice_mut().unwrap_or(&mut []);
        let stateful = self.is_stateful();
        let mut states = StateCollector::new(&network, initial, x.len())?;
        let all: Vec<usize> = (0..x.len()).collect();
        let mut carried = None;
        for group in all.chunks(PREDICT_BATCH) {
            let mut batch = Batch::inputs(&x, group);
            let rows = std::mem::take(&mut batch.input);
            let carried_over = carried
                .take()
                .filter(|_| stateful)
                .map(|states: States<R>| carry_over(states, PREDICT_BATCH, &batch.order));
            let first = states.initial(group, &batch).or(carried_over);
            network.start(group.len(), first.as_ref());
            let pass = Pass {
                parameters: &self.values,
                layout: &batch.layout,
                order: &batch.order,
                draw: None,
                keep: false,
                again: false,
            };
            network.body(&pass, |input| *input = rows);
            network.head(&pass);
            let rows = network.output();
            for (b, &sequence) in batch.order.iter().enumerate() {
                let to = &mut out[group[sequence] * per_sequence..][..per_sequence];
                if ends_time {
                    to.copy_from_slice(&rows[b * width..(b + 1) * width]);
                } else {
                    for t in 0..batch.layout.length(b) {
                        let row = batch.layout.offsets()[t] + b;
                        to[t * width..(t + 1) * width].copy_from_slice(&rows[row * width..(row + 1) * width]);
                    }
                }
            }
            let after = network.states();
            states.collect(&after, group, &batch);
            carried = (group.len() == PREDICT_BATCH).then(|| permute(&after, &batch.order, false));
        }
        let mut all_states = states.finish();
        let returned: Vec<bool> =
            self.layers.iter().filter_map(LayerSpec::recurrent).map(|layer| layer.return_state).collect();
        let mut kept = returned.into_iter();
        all_states.retain(|_| kept.next().unwrap_or(false));
        Ok(Output { y, states: all_states })
    }

    pub(crate) fn check_inputs(&self, x: &Sequences<R>) -> Result<()> {
        self.check_shape(x)?;
        x.check()
    }

    fn check_shape(&self, x: &Sequences<R>) -> Result<()> {
        match (self.input, x.steps()) {
            (Input::Features(i), Steps::Features { width, .. }) if i == *width => self.check_flatten(x),
            (Input::Ids(v), Steps::Ids(ids)) => match ids.iter().find(|&&id| id as usize >= v) {
                None => self.check_flatten(x),
                Some(id) => Err(Error::shape("input", format!("token ids below {v}"), id.to_string())),
            },
            (Input::Features(i), Steps::Features { width, .. }) => {
                Err(Error::shape("input", format!("{i} features per step"), width.to_string()))
            }
            (Input::Features(i), Steps::Ids(_)) => {
                Err(Error::shape("input", format!("{i} features per step"), "token ids"))
            }
            (Input::Ids(v), Steps::Features { .. }) => {
                Err(Error::shape("input", format!("token ids below {v}"), "features"))
            }
        }
    }

    fn check_flatten(&self, x: &Sequences<R>) -> Result<()> {
        let steps = self.layers.iter().find_map(|spec| match spec {
            LayerSpec::Flatten(flatten) => Some(flatten.steps),
            _ => None,
        });
        match steps.and_then(|steps| x.lengths().into_iter().find(|&n| n != steps).map(|n| (steps, n))) {
            None => Ok(()),
            Some((steps, n)) => Err(Error::shape(
                "layer `flatten`",
                format!("sequences of {steps} steps"),
                format!("one of {n}"),
            )),
        }
    }

    pub(crate) fn check_data(&self, data: &Dataset<R>) -> Result<()> {
        self.check_inputs(&data.inputs)?;
        let network = self.ready(Form::Batch)?;
        match (network.ends_time(), data.per_step) {
            (true, true) => {
                return Err(Error::shape(
                    "targets",
                    "one per sequence, as the model has outputs",
                    "one per step",
                ));
            }
            (false, false) => {
                return Err(Error::shape(
                    "targets",
                    "one per step, as the model has outputs",
                    "one per sequence",
                ));
            }
            _ => {}
        }
        self.trained_for()?.loss.check(network.output_shape().width(), &data.targets)
    }

    /// Loss and metrics on sequences with targets.
    ///
    /// # Errors
    /// If the model is not compiled, or the data does not fit it; or if it is such that [`Model::predict`] refuses it.
    pub fn evaluate(&self, x: impl Into<Sequences<R>>, y: impl Into<Targets<R>>) -> Result<Evaluation> {
        let data = Dataset::new(x, y)?;
        self.evaluate_data(&data, PREDICT_BATCH)
    }

    /// [`Model::evaluate`] on a dataset, in batches of this size; of a model with a stateful layer each continues the
    /// sequences of the one before, a smaller last one the first of them, as in [`Model::predict`].
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn evaluate_data(&self, data: &Dataset<R>, batch: usize) -> Result<Evaluation> {
        self.check_data(data)?;
        let stateful = self.is_stateful();
        self.evaluate_on(&Shuffled::in_order(data, batch, stateful)?)
    }

    /// [`Model::evaluate`] on any source of batches, whose values are not looked at first.
    ///
    /// # Errors
    /// If the model is not compiled.
    pub fn evaluate_on(&self, source: &dyn BatchSource<R>) -> Result<Evaluation> {
        let training = self.trained_for()?;
        let mut network = self.network(true)?;
        let mut tally = Tally::new(training, &network)?;
        let mut carried: Option<(States<R>, usize)> = None;
        for index in 0..source.batches(0) {
            let batch = source.batch(0, index)?;
            let initial = carried
                .take()
                .filter(|_| batch.continues)
                .map(|(states, before)| carry_over(states, before, &batch.order));
            network.start(batch.layout.batch(), initial.as_ref());
            if batch.loss_from > 0 {
                return Err(Error::unsupported(
                    "evaluate",
                    "takes segments that do not overlap: see `TokenStream::flat`",
                ));
            }
            let losses = tally.run(&mut network, &self.values, &batch, |job| Ok(job.evaluate()))?;
            tally.add(&losses);
            carried =
                batch.carry_at.map(|_| (permute(&network.states(), &batch.order, false), batch.order.len()));
        }
        Ok(tally.finish())
    }

    /// The loss on a dataset as one batch, and its gradient for every parameter, the input and the initial states.
    /// With a seed, dropout is on, with the masks of that seed.
    ///
    /// # Errors
    /// If the model is not compiled, the data or the states do not fit, or a layer cannot run as `bptt` wants; or if the
    /// data is such that [`Model::predict`] refuses it.
    pub fn gradients(
        &self,
        data: &Dataset<R>,
        initial: Option<&[LayerState<R>]>,
        bptt: Bptt,
        dropout: Option<u64>,
    ) -> Result<Gradients<R>> {
        self.check_full("training")?;
        self.check_data(data)?;
        let training = self.trained_for()?;
        let mut network = self.network(true)?;
        let all: Vec<usize> = (0..data.len()).collect();
        let batch = Batch::of(data, &all);
        let mut states = StateCollector::new(&network, initial, data.len())?;
        network.start(data.len(), states.initial(&all, &batch).as_ref());
        let objective = Objective { loss: training.loss, reduction: training.reduction };
        let mut parameters = vec![R::ZERO; self.values.len()];
        let mut d_input = Vec::new();
        let draw = dropout.map(|seed| Draw { seed, ..Draw::default() });
        let wanted = matches!(batch.input, Signal::Values(_)).then_some(&mut d_input);
        let job = Job {
            network: &mut network,
            parameters: &self.values,
            batch: &batch,
            objective,
            draw,
            observe: None,
        };
        let losses = job.gradient(bptt, &mut parameters, wanted)?;
        let width = batch.width();
        let mut x = ArrayD::from_elem(IxDyn(&[data.len(), batch.layout.steps(), width]), R::ZERO);
        for t in 0..batch.layout.steps() {
            for (b, row) in batch.layout.rows_of(t..t + 1).enumerate() {
                for j in 0..width {
                    x[[batch.order[b], t, j]] = d_input[row * width + j];
                }
            }
        }
        states.collect(&network.d_states(), &all, &batch);
        Ok(Gradients { loss: losses.value, parameters, x, initial_states: states.finish() })
    }

    /// How far truncated gradients are from full ones on this data, at the present weights: for each parameter,
    /// and for `all` together.
    ///
    /// ```
    /// use gimbap::ndarray::{Array2, Array3};
    /// use gimbap::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// let model = Sequential::new(Input::features(1))
    ///     .add(SimpleRnn::new(8))
    ///     .add(Dense::new(1))
    ///     .compile(Sgd::new(0.1), Loss::Mse, [])?;
    /// let x = Array3::from_shape_fn((4, 30, 1), |(b, t, _)| (b as f32 + t as f32).sin());
    /// let data = Dataset::new(&x, &Array2::from_elem((4, 1), 1.0f32))?;
    ///
    /// // The loss at the end flows back through the last 5 steps only; then through all 30.
    /// let all = model.truncation(&data, 5, 5)?.pop().unwrap();
    /// assert!(all.parameter == "all" && all.cosine < 1.0);
    /// let all = model.truncation(&data, 5, 30)?.pop().unwrap();
    /// assert!((all.cosine - 1.0).abs() < 1e-6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Model::gradients`].
    pub fn truncation(&self, data: &Dataset<R>, k1: usize, k2: usize) -> Result<Vec<Truncation>> {
        let full = self.gradients(data, None, Bptt::Full, None)?.parameters;
        let cut = self.gradients(data, None, Bptt::Truncated { k1, k2 }, None)?.parameters;
        let each = self
            .parameters
            .iter()
            .map(|p| Truncation::between(&p.name, &cut[p.range.clone()], &full[p.range.clone()]));
        Ok(each.chain([Truncation::between("all", &cut, &full)]).collect())
    }

    /// A stream: one sequence, step by step, with its own state.
    ///
    /// # Errors
    /// If a layer cannot run step by step.
    pub fn stream(&self) -> Result<Stream<R>> {
        Stream::new(self)
    }

    /// A table of the layers, their outputs and parameters, as Keras prints it.
    pub fn summary(&self) -> String {
        let Ok(network) = self.ready(Form::Batch) else { return String::new() };
        let rows: Vec<[String; 3]> = network
            .nodes()
            .iter()
            .map(|node| {
                let count: usize =
                    self.parameters[node.parameters.clone()].iter().map(|p| p.range.len()).sum();
                [format!("{} ({})", node.name, node.kind), node.output.to_string(), thousands(count)]
            })
            .collect();
        let head = ["Layer (type)", "Output shape", "Param #"].map(String::from);
        let width =
            |column: usize| rows.iter().chain([&head]).map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let mut text = String::new();
        for (index, [name, shape, count]) in [&head].into_iter().chain(&rows).enumerate() {
            let _ = writeln!(
                text,
                "{name:<a$}  {shape:<b$}  {count:>c$}",
                a = widths[0],
                b = widths[1],
                c = widths[2]
            );
            if index == 0 {
                let _ = writeln!(text, "{}", "-".repeat(widths.iter().sum::<usize>() + 4));
            }
        }
        let total = self.values.len();
        let _ = writeln!(
            text,
            "Total params: {} ({:.2} KB)",
            thousands(total),
            (total * size_of::<R>()) as f64 / 1024.0
        );
        let frozen: usize = self.parameters.iter().filter(|p| !p.trainable).map(|p| p.range.len()).sum();
        if frozen > 0 {
            let _ = writeln!(text, "Non-trainable params: {}", thousands(frozen));
        }
        text
    }

    /// For each layer: its name, kind, output shape and number of parameters.
    pub fn describe(&self) -> Result<Vec<(String, &'static str, Shape, usize)>> {
        let network = self.ready(Form::Batch)?;
        let count =
            |range: std::ops::Range<usize>| self.parameters[range].iter().map(|p| p.range.len()).sum();
        let nodes = network.nodes().iter();
        Ok(nodes
            .map(|node| (node.name.clone(), node.kind, node.output, count(node.parameters.clone())))
            .collect())
    }
}

/// Sequences at once in predict and evaluate: Keras's batch. More are no faster: what lies between the layers then leaves the
/// nearer caches.
const PREDICT_BATCH: usize = 32;

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or("")).collect();
    groups.join(",")
}
