//! A model taken apart at its recurrence: the vectors that enter it, the recurrent layers, and the rest.

use gimbap_kernels::Arithmetic;
use ndarray::{Array2, ArrayD};

use crate::bptt::{Bptt, Job, Objective};
use crate::data::batch::Batch;
use crate::data::dataset::{Dataset, Sequences, Steps, Targets};
use crate::layer::{Activation, LayerSpec, Merge, Pool};
use crate::loss::{Loss, Reduction};
use crate::model::{Form, Input, Model, Sequential};
use crate::network::Network;
use crate::{Error, Result};

/// Outputs that are made at once.
const MOST_VALUES: usize = 1 << 21;

/// A model around one sequence, in `f64`.
pub(super) struct Parts {
    /// `[T, I]`.
    pub x: Vec<f64>,
    /// `I`.
    pub width: usize,
    /// `[T, I]` to every step's top `h`.
    pub steps: Model<f64>,
    /// The names that its recurrent layers have in the whole model.
    pub names: Vec<String>,
    /// It is the forward half of a bidirectional layer.
    pub forward_half: bool,
    /// What the top `h` is to the rest, if not its input.
    upper: Upper,
    /// From the top `h` of all steps to the outputs.
    rest: Model<f64>,
    /// From `x` to the outputs.
    whole: Model<f64>,
    loss: Loss,
}

/// What the rest of a model is given.
enum Upper {
    /// The top `h` of each step.
    Own,
    /// The outputs of the bidirectional layer `[T, W]`, of which `h` is a part.
    Both { y: Vec<f64>, width: usize, merge: Merge, last: bool },
}

/// What the rest of a model makes of the states.
pub(super) struct Ends {
    /// Of each step, or one.
    pub losses: Vec<f64>,
    /// After the activation that the loss has in it.
    pub outputs: Array2<f64>,
    /// `[T, H]`: `D_t`.
    pub d_h: Vec<f64>,
}

impl Parts {
    pub fn of<R: Arithmetic>(model: &Model<R>, data: &Dataset<f64>) -> Result<Parts> {
        let training = model.trained_for()?.clone();
        let model = precise(model)?;
        model.check_data(data)?;
        let network = model.ready(Form::Batch)?;
        let (token, taken) = match model.layers.first() {
            Some(LayerSpec::OneHot(_) | LayerSpec::Embedding(_)) => (true, 1),
            _ => (false, 0),
        };
        let (x, width, ids) = if token { vectors(&model, data)? } else { features(data)? };

        let recurrent = |spec: &LayerSpec| spec.recurrent();
        let both = |spec: &LayerSpec| matches!(spec, LayerSpec::Bidirectional(_));
        let reads_back =
            |spec: &LayerSpec| both(spec) || recurrent(spec).is_some_and(|layer| layer.go_backwards);
        let forward_until = model.layers.iter().position(reads_back).unwrap_or(model.layers.len());
        let top = model.layers[..forward_until].iter().rposition(|spec| recurrent(spec).is_some());
        let (end, forward_half) = match (top, model.layers.get(forward_until)) {
            (Some(top), _) => (top + 1, false),
            (None, Some(spec)) if both(spec) => (forward_until + 1, true),
            _ => {
                let why = "needs a recurrent layer that reads forward, or in both directions";
                return Err(Error::unsupported("explain", why));
            }
        };

        let mut specs: Vec<LayerSpec> = model.layers[taken..end].to_vec();
        specs.iter_mut().for_each(gives_sequences);
        let mut prefix = build(Input::features(width), &specs)?;
        fill(&mut prefix, 0, &model, network, taken, ids.as_deref())?;
        let original = &model.layers[end - 1];
        let last = !original.recurrent().is_some_and(|layer| layer.return_sequences);
        let (steps, upper, out) = if forward_half {
            let LayerSpec::Bidirectional(layer) = original else { unreachable!("it reads both ways") };
            if layer.merge == Merge::Mul {
                return Err(Error::unsupported("explain", "bidirectional layers that multiply their halves"));
            }
            let all = prefix.predict(one(&x, width)?)?;
            let whole = if last { ends_alone(&prefix, original, &x, width)? } else { all };
            let out = *whole.shape().last().unwrap_or(&0);
            let mut half = specs.clone();
            if let Some(end) = half.last_mut() {
                *end = (*layer.layer).clone();
                gives_sequences(end);
            }
            let mut steps = build(Input::features(width), &half)?;
            let shared = steps.values.len();
            steps.values.edit().copy_from_slice(&prefix.values[..shared]);
            let y = whole.into_raw_vec_and_offset().0;
            (steps, Upper::Both { y, width: out, merge: layer.merge, last }, out)
        } else {
            let out = prefix.network(false)?.output_shape().width();
            (prefix, Upper::Own, out)
        };

        let mut behind: Vec<LayerSpec> = if last { vec![LayerSpec::Pool(Pool::Last)] } else { Vec::new() };
        behind.extend(model.layers[end..].iter().cloned());
        if behind.is_empty() {
            behind.push(LayerSpec::Activation(Activation::Linear));
        }
        let mut rest = build(Input::features(out), &behind)?;
        fill(&mut rest, usize::from(last), &model, network, end, None)?;
        rest.training = Some(crate::model::Training { reduction: Reduction::SumTime, ..training.clone() });
        let mut whole = build(Input::features(width), &model.layers[taken..])?;
        fill(&mut whole, 0, &model, network, taken, ids.as_deref())?;
        whole.training.clone_from(&rest.training);
        let names = network.nodes()[taken..end].iter().zip(&model.layers[taken..end]);
        let names = names.filter(|(_, spec)| spec.recurrent().is_some()).map(|(node, _)| node.name.clone());
        let (names, loss) = (names.collect(), training.loss);
        Ok(Parts { x, width, steps, names, forward_half, upper, rest, whole, loss })
    }

    /// `T`.
    pub fn steps(&self) -> usize {
        self.x.len() / self.width.max(1)
    }

    /// The outputs, the losses and `D_t` for the top layer's `h` `[T, H]`.
    pub fn judge(&self, h: &[f64], data: &Dataset<f64>) -> Result<Ends> {
        let t = self.steps();
        let hidden = h.len() / t;
        let (y, width) = match &self.upper {
            Upper::Own => (h, hidden),
            Upper::Both { y, width, .. } => (&y[..], *width),
        };
        let inputs = Sequences::features(y.to_vec(), width, &[y.len() / width])?;
        let targets = data.targets.clone();
        let targets = if data.per_step { Targets::per_step(targets) } else { Targets::per_sequence(targets) };
        let seen = Dataset::new(inputs, targets)?;
        let batch = Batch::of(&seen, &[0]);
        let mut network = self.rest.network(true)?;
        network.start(1, None);
        let out = network.output_shape().width();
        let mut logits: Vec<f64> = Vec::new();
        let mut see = |_: std::ops::Range<usize>, rows: &[f64]| logits.extend_from_slice(rows);
        let job = Job {
            network: &mut network,
            parameters: &self.rest.values,
            batch: &batch,
            objective: Objective { loss: self.loss, reduction: Reduction::SumTime },
            draw: None,
            observe: Some(&mut see),
        };
        let mut unused = vec![0.0; self.rest.values.len()];
        let mut d_y = Vec::new();
        job.gradient(Bptt::Full, &mut unused, Some(&mut d_y))?;
        let rows = logits.len() / out;
        let (mut losses, mut d) = (vec![0.0; rows], vec![0.0; logits.len()]);
        self.loss.rows(&logits, out, &batch.targets, 0, &|_| Some(1.0), &mut losses, &mut d);
        self.loss.link().unwrap_or_default().apply(&mut logits, out);
        let outputs = Array2::from_shape_vec((rows, out), logits)
            .map_err(|e| Error::unsupported("explain", e.to_string()))?;
        Ok(Ends { losses, outputs, d_h: self.d_h(&d_y, t, hidden) })
    }

    /// `[L, T]`, with `L` the number of losses: by how much each is larger when the vector of a step is zero, as the whole
    /// model has it.
    pub fn erased(&self, losses: &[f64], data: &Dataset<f64>) -> Result<Array2<f64>> {
        let (t, n) = (self.steps(), losses.len());
        let mut network = self.whole.network(true)?;
        let out = network.output_shape().width();
        let at_once = (MOST_VALUES / (t * out)).clamp(1, t);
        let mut found = Array2::zeros((n, t));
        for first in (0..t).step_by(at_once) {
            let copies = at_once.min(t - first);
            let mut x = self.x.repeat(copies);
            for (copy, x) in x.chunks_exact_mut(self.x.len()).enumerate() {
                x[(first + copy) * self.width..][..self.width].fill(0.0);
            }
            let inputs = Sequences::features(x, self.width, &vec![t; copies])?;
            let targets = data.targets.select((0..copies).flat_map(|_| 0..n));
            let targets =
                if data.per_step { Targets::per_step(targets) } else { Targets::per_sequence(targets) };
            let all: Vec<usize> = (0..copies).collect();
            let batch = Batch::of(&Dataset::new(inputs, targets)?, &all);
            network.start(copies, None);
            let mut values = vec![0.0; n * copies];
            let (loss, rows) = (self.loss, &mut values);
            let mut see = |place: std::ops::Range<usize>, logits: &[f64]| {
                let mut d = vec![0.0; logits.len()];
                loss.rows(logits, out, &batch.targets, place.start, &|_| Some(1.0), &mut rows[place], &mut d);
            };
            let objective = Objective { loss, reduction: Reduction::SumTime };
            let parameters = &self.whole.values;
            let draw = None;
            let job = Job {
                network: &mut network,
                parameters,
                batch: &batch,
                objective,
                draw,
                observe: Some(&mut see),
            };
            job.evaluate();
            // The copies are equally long: row `b` of a step is the sequence `b`.
            for (place, value) in values.iter().enumerate() {
                found[[place / copies, first + place % copies]] = value - losses[place / copies];
            }
        }
        Ok(found)
    }

    /// Of the gradient of what the rest is given, the part of `h`.
    fn d_h(&self, d_y: &[f64], t: usize, hidden: usize) -> Vec<f64> {
        let Upper::Both { width, merge, last, .. } = &self.upper else { return d_y.to_vec() };
        let mut d_h = vec![0.0; t * hidden];
        let first = if *last { t - 1 } else { 0 };
        let scale = if *merge == Merge::Ave { 0.5 } else { 1.0 };
        for (to, from) in d_h[first * hidden..].chunks_exact_mut(hidden).zip(d_y.chunks_exact(*width)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = scale * from);
        }
        d_h
    }
}

/// The output of a bidirectional layer that gives its last states alone.
fn ends_alone(prefix: &Model<f64>, original: &LayerSpec, x: &[f64], width: usize) -> Result<ArrayD<f64>> {
    let mut specs = prefix.layers.clone();
    if let Some(end) = specs.last_mut() {
        *end = original.clone();
    }
    let mut model = build(Input::features(width), &specs)?;
    model.values.edit().copy_from_slice(&prefix.values);
    model.predict(one(x, width)?)
}

/// A sequence of vectors, which are not finite where the model's are not.
fn one(x: &[f64], width: usize) -> Result<Sequences<f64>> {
    Ok(Sequences::features(x.to_vec(), width, &[x.len() / width])?.allow_not_finite())
}

/// The same model in `f64`, without the penalties, which are no part of what it says.
fn precise<R: Arithmetic>(model: &Model<R>) -> Result<Model<f64>> {
    let plain = |spec: &LayerSpec| match spec {
        LayerSpec::Penalty(_) => LayerSpec::Activation(Activation::Linear),
        other => other.clone(),
    };
    let mut exact = build(model.input, &model.layers.iter().map(plain).collect::<Vec<_>>())?;
    exact.training = model.training.clone();
    exact.values = model.values.iter().map(|value| value.to_f64()).collect::<Vec<_>>().into();
    Ok(exact)
}

fn build(input: Input, specs: &[LayerSpec]) -> Result<Model<f64>> {
    let sequential = specs.iter().cloned().fold(Sequential::new(input), Sequential::add);
    sequential.build_without_values()
}

fn gives_sequences(spec: &mut LayerSpec) {
    match spec {
        LayerSpec::SimpleRnn(layer) => layer.return_sequences = true,
        LayerSpec::Lstm(layer) => layer.return_sequences = true,
        LayerSpec::Gru(layer) => layer.return_sequences = true,
        LayerSpec::Bidirectional(layer) => gives_sequences(&mut layer.layer),
        _ => {}
    }
}

fn features(data: &Dataset<f64>) -> Result<(Vec<f64>, usize, Option<Vec<u32>>)> {
    match data.inputs().steps() {
        Steps::Features { values, width } => Ok((values.clone(), *width, None)),
        Steps::Ids(_) => Err(Error::unsupported("explain", "token ids need an embedding or one-hot vectors")),
    }
}

/// What the token layer makes of the sequence: embeddings, or one-hot vectors over the sequence's own tokens, which come
/// back in their order.
fn vectors(model: &Model<f64>, data: &Dataset<f64>) -> Result<(Vec<f64>, usize, Option<Vec<u32>>)> {
    let Steps::Ids(ids) = data.inputs().steps() else {
        return Err(Error::unsupported("explain", "features do not fit a layer of tokens"));
    };
    if let Some(LayerSpec::Embedding(layer)) = model.layers.first() {
        let w = &model.values[model.parameters[0].range.clone()];
        let row = |&id: &u32| w[id as usize * layer.units..][..layer.units].iter().copied();
        return Ok((ids.iter().flat_map(row).collect(), layer.units, None));
    }
    let mut own: Vec<u32> = ids.clone();
    own.sort_unstable();
    own.dedup();
    let mut x = vec![0.0; ids.len() * own.len()];
    for (row, id) in x.chunks_exact_mut(own.len()).zip(ids) {
        row[own.binary_search(id).unwrap_or(0)] = 1.0;
    }
    let width = own.len();
    Ok((x, width, Some(own)))
}

/// Copies the parameters of `from`'s layers from `first` on to those of `to`, of which the first `extra` have none and are
/// not in `from`. Of a layer that takes one-hot vectors, the rows of the tokens that are left (`own`). A dense layer that
/// is tied to the embedding gets weights of its own.
fn fill(
    to: &mut Model<f64>,
    extra: usize,
    from: &Model<f64>,
    network: &Network<f64>,
    first: usize,
    own: Option<&[u32]>,
) -> Result<()> {
    let built = to.network(false)?;
    for (node, old) in built.nodes().iter().skip(extra).zip(network.nodes().iter().skip(first)) {
        let old = &from.parameters[old.parameters.clone()];
        let mut new = &to.parameters[node.parameters.clone()];
        if let ([w, b], [_]) = (new, old) {
            let (i, units) = (w.shape[0], w.shape[1]);
            let vectors = &from.values[from.parameters[0].range.clone()];
            let w = &mut to.values.edit()[w.range.clone()];
            for (j, column) in vectors.chunks_exact(i).enumerate() {
                column.iter().enumerate().for_each(|(k, value)| w[k * units + j] = *value);
            }
            new = std::slice::from_ref(b);
        }
        for (new, old) in new.iter().zip(old) {
            let values = &from.values[old.range.clone()];
            let to = &mut to.values.edit()[new.range.clone()];
            if let (Some(own), true) = (own, old.by_token) {
                let columns = values.len() / old.shape[0];
                for (to, &id) in to.chunks_exact_mut(columns).zip(own) {
                    to.copy_from_slice(&values[id as usize * columns..][..columns]);
                }
            } else if values.len() == to.len() {
                to.copy_from_slice(values);
            } else {
                let why = format!("layer `{}` reads one-hot vectors in a way that is not known", node.name);
                return Err(Error::unsupported("explain", why));
            }
        }
    }
    Ok(())
}
