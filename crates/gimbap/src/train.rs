//! Training: epochs over batches, with everything that goes on around the gradient.
//!
//! A step: the gradient by [`crate::bptt`], plus L2 terms; clipped; the schedule's rate; the optimizer's update. What
//! a run needs to go on exactly is in [`Progress`], which a checkpoint holds: a run that was interrupted and resumed
//! ends with the same bits as one that was not.

mod average;
mod identity;
mod log;
mod state;

use std::path::PathBuf;
use std::time::Instant;

use gimbap_kernels::Arithmetic;
use serde::{Deserialize, Serialize};

pub use self::average::Average;
pub use self::identity::Identity;
use self::log::{Logs, keras_line};
pub(crate) use self::state::Kept;
use self::state::Run;
pub use self::state::identity_of;

use crate::bptt::{Bptt, Job};
use crate::checkpoint;
use crate::data::batch::{BatchSource, Shuffled};
use crate::data::dataset::{Dataset, Sequences, Targets};
use crate::explain::{self, Health};
use crate::layer::Draw;
use crate::metric::{Metric, MetricState};
use crate::model::{Evaluation, Model, Tally, permute};
use crate::network::{Network, States};
use crate::optim::{Gradients, Live, Schedule, ScheduleState, clip};
use crate::{Error, Result, room};

/// How a model is trained. `Fit { epochs: 20, ..Fit::default() }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// What the answer depends on beside the model and these options: the data, its vocabulary, its labels. It is kept
    /// with the state of the run, and a run is resumed only with what it had.
    pub identity: Identity,
    /// Passes over the data; 1 unless said. 0 trains nothing: in [`Fit::directory`] lies the model as it is.
    pub epochs: usize,
    /// Sequences in a batch; 32 unless said.
    pub batch_size: usize,
    /// Whether sequences are shuffled anew each epoch; true unless said (never with a stateful layer).
    pub shuffle: bool,
    /// The seed of shuffling and dropout; 0 unless said.
    pub seed: u64,
    /// How far the gradient goes back; through all steps unless said.
    pub bptt: Bptt,
    /// Limits each value of the gradient to `±clip_value`; None, the default: does not.
    pub clip_value: Option<f64>,
    /// Scales the gradient down to this norm over all parameters; None, the default: does not.
    pub clip_norm: Option<f64>,
    /// How the learning rate changes; it does not unless said.
    pub schedule: Schedule,
    /// From when on the mean of the weights is kept; None, the default: never.
    pub average: Option<Average>,
    /// This last part of the data, before shuffling, is for validation; only where the data is a [`Dataset`] and no
    /// other is for validation. 0, the default: none.
    pub validation_split: f64,
    /// Stops when the validation loss (without validation data, the training loss) no longer improves; None, the default:
    /// never. With [`EarlyStopping::default`], at the first epoch that is not the best.
    pub early_stopping: Option<EarlyStopping>,
    /// A folder for `best.safetensors` (by validation loss), `last.safetensors` and the state of the run
    /// `trainer.safetensors`, written after each epoch; None, the default: nothing is written.
    pub directory: Option<PathBuf>,
    /// A file to which a line of JSON is added for each epoch, if there is one.
    pub log: Option<PathBuf>,
    /// A folder for TensorBoard's event files, if there is one: a file for each call that trains.
    pub tensorboard: Option<PathBuf>,
    /// Looks at one sequence of the validation data (or else the training data) after each epoch: [`Epoch::health`].
    pub watch: bool,
    /// 1 prints a line per epoch as Keras's `verbose=1` does (on standard output); 0, the default, nothing.
    pub verbose: u8,
}

impl Default for Fit {
    fn default() -> Self {
        Fit {
            identity: Identity::default(),
            epochs: 1,
            batch_size: 32,
            shuffle: true,
            seed: 0,
            bptt: Bptt::Full,
            clip_value: None,
            clip_norm: None,
            schedule: Schedule::default(),
            average: None,
            validation_split: 0.0,
            early_stopping: None,
            directory: None,
            log: None,
            tensorboard: None,
            watch: false,
            verbose: 0,
        }
    }
}

impl Fit {
    /// Checks the numbers; every training does.
    ///
    /// # Errors
    /// If one cannot be meant: a limit of 0 for the gradient, a `k2` below `k1`, a negative `min_delta`.
    pub fn check(&self) -> Result<()> {
        self.bptt.check()?;
        self.schedule.check()?;
        for (place, limit) in [("clip_value", self.clip_value), ("clip_norm", self.clip_norm)] {
            if let Some(limit) = limit.filter(|limit| limit.is_nan() || *limit <= 0.0) {
                return Err(Error::config(place, format!("is {limit}; it must be above 0")));
            }
        }
        match self.early_stopping {
            Some(EarlyStopping { min_delta, .. }) if !(min_delta >= 0.0 && min_delta.is_finite()) => {
                let message = format!("is {min_delta}; it is a number from 0 on");
                Err(Error::config("early_stopping.min_delta", message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to hold out a part of what comes in batches already.
    fn check_whole(&self) -> Result<()> {
        if self.validation_split == 0.0 {
            return Ok(());
        }
        let message = format!(
            "is {}, which is for a data set alone: here batches, or data for validation, are given; leave it at 0",
            self.validation_split
        );
        Err(Error::config("validation_split", message))
    }
}

/// Stops a training that no longer gets better: by default at the first epoch that is not better than the best before it
/// (Keras's default too), and with the weights of the best one (which Keras's is not).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without improvement, one after the other, after which it stops; 0 unless said, which is the same as 1: the
    /// first of them ends it.
    pub patience: usize,
    /// By how much more than this a loss must be below the best one to be an improvement; 0 unless said.
    pub min_delta: f64,
    /// Whether the model ends with the weights of its best epoch, also where all epochs are done; true unless said (Keras's
    /// default is false).
    pub restore_best: bool,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        EarlyStopping { patience: 0, min_delta: 0.0, restore_best: true }
    }
}

/// One epoch, in figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// From 0.
    pub epoch: usize,
    /// Over the epoch's batches, as the weights changed.
    pub train: Evaluation,
    /// After the epoch.
    pub valid: Option<Evaluation>,
    /// The schedule's learning rate at its last step.
    pub rate: f64,
    /// The mean norm of its gradients before clipping.
    pub gradient_norm: f64,
    /// The steps over which the weights are a mean, by [`Fit::average`]; 0: they are the last ones.
    pub averaged: u64,
    /// How far the gradient reaches, which gates are saturated: with [`Fit::watch`].
    pub health: Option<Health>,
    /// Wall time.
    pub seconds: f64,
}

fn figures(evaluation: &Evaluation) -> serde_json::Value {
    let metrics = evaluation.metrics.iter().map(|(metric, value)| (metric.to_string(), (*value).into()));
    serde_json::Value::Object(
        [("loss".to_string(), evaluation.loss.into())].into_iter().chain(metrics).collect(),
    )
}

impl Epoch {
    /// As JSON: `{"event":"epoch","epoch":1,"train":{"loss":..},"valid":{..},"rate":..,"seconds":..}`, epochs from 1.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::json!({
            "event": "epoch",
            "epoch": self.epoch + 1,
            "train": figures(&self.train),
            "valid": self.valid.as_ref().map(figures),
            "rate": self.rate,
            "gradient_norm": self.gradient_norm,
            "averaged": self.averaged,
            "seconds": self.seconds,
        });
        if let Some(health) = &self.health {
            object["health"] = serde_json::json!(health);
        }
        object
    }
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// By early stopping.
    NoImprovement,
    /// The observer said so; it can be resumed.
    Interrupted,
}

/// What a training was like.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The epochs of this call.
    pub epochs: Vec<Epoch>,
    /// The epoch with the smallest validation (or training) loss, from 0, of the whole run.
    pub best_epoch: Option<usize>,
    /// Why it ended.
    pub ended: Ended,
}

impl History {
    /// The training loss after each epoch.
    pub fn loss(&self) -> Vec<f64> {
        self.epochs.iter().map(|epoch| epoch.train.loss).collect()
    }

    /// The validation loss after each epoch that had one.
    pub fn val_loss(&self) -> Vec<f64> {
        self.epochs.iter().filter_map(|epoch| epoch.valid.as_ref().map(|valid| valid.loss)).collect()
    }

    /// A metric on the validation data after each epoch that had one.
    pub fn val_metric(&self, metric: Metric) -> Vec<f64> {
        let of =
            |epoch: &Epoch| epoch.valid.as_ref()?.metrics.iter().find(|(m, _)| *m == metric).map(|(_, v)| *v);
        self.epochs.iter().filter_map(of).collect()
    }

    /// A metric on the training data after each epoch.
    pub fn metric(&self, metric: Metric) -> Vec<f64> {
        let of =
            |epoch: &Epoch| epoch.train.metrics.iter().find(|(m, _)| *m == metric).map(|(_, value)| *value);
        self.epochs.iter().filter_map(of).collect()
    }
}

/// What the observer of a training sees.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// After a step.
    Step {
        /// From 0.
        epoch: usize,
        /// Batches done in this epoch.
        batch: usize,
        /// Batches of an epoch.
        batches: usize,
        /// Valid rows (steps, or sequences) of this batch.
        rows: usize,
        /// Mean loss of the epoch so far.
        loss: f64,
    },
    /// After an epoch.
    Epoch(&'a Epoch),
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Save and stop; after the last step of an epoch, once the epoch is evaluated.
    Stop,
}

/// Where a run stands: everything beside the weights that it needs to go on exactly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: usize,
    /// Batches done of the epoch under way.
    pub batch: usize,
    /// Steps done.
    pub step: u64,
    /// The smallest loss so far.
    pub best: Option<f64>,
    /// Its epoch, from 0.
    pub best_epoch: Option<usize>,
    /// Epochs since.
    pub waited: usize,
    /// Of the schedule.
    pub schedule: ScheduleState,
    /// Stopped early. A run that is resumed with more patience goes on all the same.
    pub stopped: bool,
    /// Steps in the mean of the weights.
    #[serde(default)]
    pub averaged: u64,
    /// Of the epochs done, by which [`Average`] goes; None: not finite.
    #[serde(default)]
    losses: Vec<Option<f64>>,
    /// Of the epoch under way, where the run was interrupted.
    #[serde(default)]
    metrics: Vec<MetricState>,
    /// What must be the same when the run is resumed: batches of an epoch, the seed.
    #[serde(default)]
    same: Option<(usize, u64)>,
    /// And this; None of a run from before it was kept.
    #[serde(default)]
    identity: Option<Identity>,
    /// The line of [`Fit::log`] of the last epoch.
    #[serde(default)]
    logged: Option<String>,
    /// Epochs that the model was trained before this run.
    #[serde(default, skip_serializing_if = "is_zero")]
    before: usize,
    sum: f64,
    rows: usize,
    norm: f64,
    seconds: f64,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Progress {
    /// The epoch whose batches and masks are drawn: the next of the model's life.
    fn drawn(&self) -> usize {
        self.before + self.epoch
    }

    /// Refuses a run with other batches, another seed or other data than it had; a new one takes these.
    fn be_of(&mut self, same: (usize, u64), identity: &Identity) -> Result<()> {
        if let Some(kept) = &self.identity {
            identity.check(kept)?;
        }
        if let Some((batches, seed)) = self.same.filter(|before| *before != same) {
            let message = format!(
                "the run had {batches} batches an epoch and seed {seed}, here are {} and {}: resume it with its own data \
                 and options",
                same.0, same.1
            );
            return Err(Error::config("resume", message));
        }
        (self.same, self.identity) = (Some(same), Some(identity.clone()));
        Ok(())
    }

    /// Stops, or no longer, by how many epochs did not get better.
    fn be_patient(&mut self, stopping: Option<EarlyStopping>) {
        self.stopped = stopping.is_some_and(|stopping| self.waited >= stopping.patience.max(1));
    }
}

/// The model of the best epoch, in [`Fit::directory`].
pub const BEST: &str = "best.safetensors";
/// The model as it is.
pub const LAST: &str = "last.safetensors";
/// What a run needs to go on exactly.
pub const TRAINER: &str = "trainer.safetensors";

impl<R: Arithmetic> Model<R> {
    /// Trains on sequences with targets.
    ///
    /// ```
    /// use gimbap::ndarray::Array3;
    /// use gimbap::prelude::*;
    ///
    /// # fn main() -> Result<()> {
    /// // Is the mean of a sequence positive?
    /// let x = Array3::from_shape_fn((40, 6, 1), |(b, t, _)| (b as f32).sin() + (t as f32).cos() / 3.0);
    /// let y: Vec<u32> = x.outer_iter().map(|x| u32::from(x.sum() > 0.0)).collect();
    ///
    /// let mut model = Sequential::new(Input::features(1))
    ///     .add(Gru::new(8))
    ///     .add(Dense::new(2).activation(Activation::Softmax))
    ///     .compile(Adam::new(0.02), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])?;
    /// let fit = Fit {
    ///     epochs: 60,
    ///     validation_split: 0.25,
    ///     early_stopping: Some(EarlyStopping { patience: 10, ..EarlyStopping::default() }),
    ///     ..Fit::default()
    /// };
    /// let history = model.fit(&x, &y, &fit)?;
    /// assert!(history.metric(Metric::Accuracy).last() > Some(&0.9));
    /// assert_eq!(history.val_loss().len(), history.epochs.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A second `fit` goes on where the first ended, as Keras's does: with the optimizer's moments and count of steps
    /// ([`Model::optimizer_state`]), and with the shuffling and the dropout of the epochs that follow. Two of 2 epochs are
    /// one of 4, to the bit; but the schedule, the mean of the weights and early stopping are of one call, and begin anew
    /// with each. Where a call ends with other weights than those of its last step (the best ones, a mean), the optimizer
    /// still is as that step left it. [`Model::compile`] begins anew.
    ///
    /// # Errors
    /// If the model is not compiled, the data does not fit it or is such that [`Model::predict`] refuses it, a value
    /// becomes NaN or infinite, or a file cannot be written.
    pub fn fit(
        &mut self,
        x: impl Into<Sequences<R>>,
        y: impl Into<Targets<R>>,
        fit: &Fit,
    ) -> Result<History> {
        self.fit_data(&Dataset::new(x, y)?, None, fit)
    }

    /// [`Model::fit`] on a dataset, with validation on another.
    ///
    /// # Errors
    /// As [`Model::fit`].
    pub fn fit_data(&mut self, data: &Dataset<R>, valid: Option<&Dataset<R>>, fit: &Fit) -> Result<History> {
        self.fit_observed(data, valid, fit, &mut |_| Flow::Continue)
    }

    /// [`Model::fit_data`], with an observer that may stop it.
    ///
    /// # Errors
    /// As [`Model::fit`].
    pub fn fit_observed(
        &mut self,
        data: &Dataset<R>,
        valid: Option<&Dataset<R>>,
        fit: &Fit,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<History> {
        self.check_data(data)?;
        let split = match valid {
            None if fit.validation_split > 0.0 => Some(data.split(fit.validation_split)?),
            _ => fit.check_whole().map(|()| None)?,
        };
        let (data, valid) = split.as_ref().map_or((data, valid), |(train, valid)| (train, Some(valid)));
        if let Some(valid) = valid {
            self.check_data(valid)?;
        }
        let stateful = self.is_stateful();
        let train = Shuffled::new(data, fit.batch_size, fit.shuffle.then_some(fit.seed), stateful)?;
        let valid = valid.map(|valid| Shuffled::in_order(valid, fit.batch_size, stateful)).transpose()?;
        let fit = &Fit { validation_split: 0.0, ..fit.clone() };
        self.fit_on(&train, valid.as_ref().map(|valid| valid as &dyn BatchSource<R>), fit, observe)
    }

    /// Trains on any source of batches, which has its own size and order of them: [`Fit::batch_size`] and
    /// [`Fit::shuffle`] are not looked at, nor are the batches' values.
    ///
    /// # Errors
    /// As [`Model::fit`]; or if there is a [`Fit::validation_split`].
    pub fn fit_on(
        &mut self,
        train: &dyn BatchSource<R>,
        valid: Option<&dyn BatchSource<R>>,
        fit: &Fit,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<History> {
        self.check_room(fit)?;
        let run = self.begin()?;
        self.go_on(run, train, valid, fit, observe)
    }

    /// Goes on with the run whose state is in `fit.directory`, exactly as if it had not stopped. The data and `fit`
    /// must be the same (more epochs are fine, and another patience: with more, a run that stopped early goes on).
    ///
    /// # Errors
    /// As [`Model::fit_on`]; or if there is no state, one of another model, or one of other data ([`Fit::identity`]).
    pub fn resume_on(
        &mut self,
        train: &dyn BatchSource<R>,
        valid: Option<&dyn BatchSource<R>>,
        fit: &Fit,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<History> {
        let directory = fit.directory.as_ref();
        let directory = directory.ok_or_else(|| Error::config("directory", "is needed to resume from"))?;
        self.check_room(fit)?;
        let run = self.load_run(&directory.join(TRAINER))?;
        self.go_on(run, train, valid, fit, observe)
    }

    /// Refuses a training for which memory has no room: as many numbers as there are weights for the gradient, for each slot
    /// of the optimizer, twice for the weights as the products read them, and for the weights that are kept beside.
    fn check_room(&self, fit: &Fit) -> Result<()> {
        let slots = self.trained_for()?.optimizer.slot_names().len();
        let kept = fit.early_stopping.iter().filter(|s| s.restore_best).count() + fit.average.iter().count();
        room::check("training", self.values.len().checked_mul((3 + slots + kept) * size_of::<R>()))
    }

    fn go_on(
        &mut self,
        mut run: Run<R>,
        train: &dyn BatchSource<R>,
        valid: Option<&dyn BatchSource<R>>,
        fit: &Fit,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<History> {
        let outcome = self.run_epochs(&mut run, train, valid, fit, observe);
        self.keep(run);
        outcome
    }

    fn run_epochs(
        &mut self,
        run: &mut Run<R>,
        train: &dyn BatchSource<R>,
        valid: Option<&dyn BatchSource<R>>,
        fit: &Fit,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<History> {
        fit.check()?;
        fit.check_whole()?;
        self.check_full("training")?;
        let mut network = self.network(true)?;
        if fit.bptt != Bptt::Full {
            network.runs_in_segments()?;
        }
        run.progress.be_of((train.batches(0), fit.seed), &fit.identity)?;
        run.progress.be_patient(fit.early_stopping);
        if run.other.is_some() && fit.average.is_none() {
            let message = "the run keeps the mean of its weights: resume it with its own `average`";
            return Err(Error::config("average", message));
        }
        let (epoch, batch) = (run.progress.drawn(), run.progress.batch);
        if let Some(states) = run.carried.as_ref().filter(|_| batch < train.batches(epoch)) {
            let rows = train.batch(epoch, batch)?.layout.batch();
            let sizes = network.state_sizes().into_iter().map(|(.., units)| rows * units);
            if !states.iter().zip(sizes).all(|(layer, n)| layer.iter().all(|state| state.0[0].len() == n)) {
                let message = format!("the states that the run carries are not those of {rows} sequences");
                return Err(Error::config("resume", message));
            }
        }
        let probe = match fit.watch {
            false => None,
            true => {
                let batch = valid.unwrap_or(train).batch(0, 0)?;
                let probe = explain::probe(&batch, !network.ends_time())?;
                explain::health(self, &probe, 0.0)?;
                Some(probe)
            }
        };
        let trains = run.progress.epoch < fit.epochs && !run.progress.stopped;
        let mut logs = Logs::open(fit, run.progress.logged.as_deref(), trains)?;
        // Zero between steps: an update clears what it has used.
        let mut gradients = vec![R::ZERO; self.values().len()];
        let mut history = History { epochs: Vec::new(), best_epoch: None, ended: Ended::Finished };
        if let (0, 0, Some(directory)) = (fit.epochs, run.progress.step, &fit.directory) {
            checkpoint::save(self, directory.join(BEST))?;
            self.save_run(run, directory)?;
        }
        while run.progress.epoch < fit.epochs && !run.progress.stopped {
            let started = Instant::now();
            let drawn = run.progress.drawn();
            let batches = train.batches(drawn);
            if run.other.is_some() {
                self.exchange(run);
                network.renew();
            } else if fit.average.is_some_and(|a| a.begins(run.progress.epoch, &run.progress.losses)) {
                run.other = Some(self.values.to_vec());
            }
            let training = self.trained_for()?.clone();
            let mut tally = Tally::new(&training, &network)?;
            (tally.sum, tally.rows) = (run.progress.sum, run.progress.rows);
            let metrics = std::mem::take(&mut run.progress.metrics);
            if metrics.iter().map(MetricState::metric).eq(tally.metrics.iter().map(MetricState::metric)) {
                tally.metrics = metrics;
            }
            let mut rate = training.optimizer.rate();
            let mut update_ratio = 0.0;
            let mut stop = false;
            while run.progress.batch < batches {
                let batch = train.batch(drawn, run.progress.batch)?;
                if fit.bptt != Bptt::Full && batch.carry_at.is_some_and(|steps| steps < batch.layout.steps())
                {
                    let message =
                        "segments that overlap (k2 > k1) are truncated already: use Bptt::Full within them";
                    return Err(Error::config("bptt", message));
                }
                let carried = run.carried.take().filter(|_| batch.continues);
                let initial = carried.as_ref().map(|s| permute(s, &batch.order, true));
                network.start(batch.layout.batch(), initial.as_ref());
                let progress = &mut run.progress;
                let draw = Draw { seed: fit.seed, epoch: drawn as u64, step: run.optimizer.step };
                tally = tally.draw(draw);
                let losses = tally.run(&mut network, &self.values, &batch, |job| {
                    job.gradient(fit.bptt, &mut gradients, None)
                })?;
                if !losses.value.is_finite() {
                    network.start(batch.layout.batch(), initial.as_ref());
                    let job = tally.job(&mut network, &self.values, &batch);
                    return Err(not_finite(job, progress, ("loss", losses.value, "loss".into())));
                }
                if let Some(steps) = batch.carry_at {
                    run.carried = Some(self.carried(&mut network, &batch, steps, carried));
                }
                let live = Live::of_batch(&self.parameters, batch.input.ids());
                debug_assert!(live.covers(&gradients), "a gradient of a token that the batch does not have");
                for parameter in self.parameters.iter().filter(|p| p.l2 > 0.0) {
                    let range = parameter.range.clone();
                    clip::add_l2_gradient(&mut gradients[range.clone()], &self.values[range], parameter.l2);
                }
                if let Some(limit) = fit.clip_value {
                    clip::clip_value_at(&mut gradients, limit, &live);
                }
                let norm = clip::norm_at(&gradients, &live);
                let scale = fit.clip_norm.map_or(1.0, |limit| clip::scale_to_norm(norm, limit));
                if !norm.is_finite() {
                    network.start(batch.layout.batch(), initial.as_ref());
                    let layer = self.first_not_finite(&gradients);
                    let job = tally.job(&mut network, &self.values, &batch);
                    return Err(not_finite(job, progress, ("gradient", norm, layer)));
                }
                rate = fit.schedule.rate(
                    training.optimizer.rate(),
                    progress.epoch,
                    progress.step,
                    &progress.schedule,
                );
                let gradients = Gradients { values: &mut gradients, scale, live: &live };
                let rate = rate * batch.rate_scale;
                let before = (probe.is_some() && progress.batch + 1 == batches).then(|| self.values.to_vec());
                training.optimizer.update_at(&mut run.optimizer, rate, self.values.edit(), gradients);
                if let Some(before) = before {
                    update_ratio = explain::update_ratio(&before, &self.values);
                }
                network.renew();
                if let Some(mean) = &mut run.other {
                    progress.averaged += 1;
                    average::take_in(mean, &self.values, progress.averaged);
                }
                tally.add(&losses);
                progress.step += 1;
                progress.batch += 1;
                progress.norm += norm;
                (progress.sum, progress.rows) = (tally.sum, tally.rows);
                let event = Event::Step {
                    epoch: progress.epoch,
                    batch: progress.batch,
                    batches,
                    rows: losses.rows,
                    loss: tally.sum / tally.rows.max(1) as f64,
                };
                stop = observe(event) == Flow::Stop;
                if stop && progress.batch < batches {
                    progress.seconds += started.elapsed().as_secs_f64();
                    progress.metrics.clone_from(&tally.metrics);
                    self.exchange(run);
                    if let Some(directory) = &fit.directory {
                        self.save_run(run, directory)?;
                    }
                    history.ended = Ended::Interrupted;
                    history.best_epoch = run.progress.best_epoch;
                    return Ok(history);
                }
            }
            self.exchange(run);
            let valid = valid.map(|valid| self.evaluate_on(valid)).transpose()?;
            let mut epoch = self.end_epoch(
                run,
                fit,
                tally.finish(),
                valid,
                rate,
                started.elapsed().as_secs_f64(),
                batches,
            );
            if let Some(probe) = &probe {
                epoch.health = Some(explain::health(self, probe, update_ratio)?);
            }
            let line = epoch.to_json().to_string();
            run.progress.logged = Some(line.clone());
            if let Some(directory) = &fit.directory {
                if run.progress.best_epoch == Some(epoch.epoch) {
                    checkpoint::save(self, directory.join(BEST))?;
                }
                self.save_run(run, directory)?;
            }
            logs.write(&epoch, &line, run.progress.step)?;
            if fit.verbose > 0 {
                println!("{}", keras_line(&epoch, fit.epochs, batches));
            }
            let flow = observe(Event::Epoch(&epoch));
            history.epochs.push(epoch);
            if (stop || flow == Flow::Stop) && run.progress.epoch < fit.epochs {
                history.ended = Ended::Interrupted;
                history.best_epoch = run.progress.best_epoch;
                return Ok(history);
            }
        }
        history.best_epoch = run.progress.best_epoch;
        if run.progress.stopped {
            history.ended = Ended::NoImprovement;
        }
        if let (Some(EarlyStopping { restore_best: true, .. }), Some(best)) = (fit.early_stopping, &run.best)
        {
            self.values.edit().copy_from_slice(best);
        }
        Ok(history)
    }

    /// The mean of the weights, if one is kept, in place of the weights, or back.
    fn exchange(&mut self, run: &mut Run<R>) {
        if let Some(other) = &mut run.other {
            std::mem::swap(other, self.values.edit());
        }
    }

    /// The state with which the next batch begins, in the order of the batch.
    fn carried(
        &self,
        network: &mut Network<R>,
        batch: &crate::data::batch::Batch<R>,
        steps: usize,
        initial: Option<States<R>>,
    ) -> States<R> {
        if steps == batch.layout.steps() {
            return permute(&network.states(), &batch.order, false);
        }
        if steps == 0 {
            // The window did not move on: it began with this state, or with zeros.
            return initial.unwrap_or_else(|| {
                network.start(batch.layout.batch(), None);
                network.states()
            });
        }
        let pass = crate::layer::Pass {
            parameters: &self.values,
            layout: &batch.layout,
            order: &batch.order,
            draw: None,
            keep: true,
            again: true,
        };
        permute(&network.states_after(&pass, steps - 1), &batch.order, false)
    }

    #[allow(clippy::too_many_arguments)]
    fn end_epoch(
        &self,
        run: &mut Run<R>,
        fit: &Fit,
        mut train: Evaluation,
        valid: Option<Evaluation>,
        rate: f64,
        seconds: f64,
        batches: usize,
    ) -> Epoch {
        let penalised = self.parameters.iter().filter(|p| p.l2 > 0.0);
        train.loss += penalised.map(|p| clip::l2_loss(&self.values[p.range.clone()], p.l2)).sum::<f64>();
        let progress = &mut run.progress;
        let loss = valid.as_ref().map_or(train.loss, |valid| valid.loss);
        fit.schedule.on_epoch_end(&mut progress.schedule, loss);
        progress.losses.push(Some(loss).filter(|loss| loss.is_finite()));
        let min_delta = fit.early_stopping.map_or(0.0, |stopping| stopping.min_delta);
        if !loss.is_nan() && progress.best.is_none_or(|best| loss < best - min_delta) {
            (progress.best, progress.best_epoch, progress.waited) = (Some(loss), Some(progress.epoch), 0);
            if fit.early_stopping.is_some_and(|stopping| stopping.restore_best) {
                run.best = Some(self.values.to_vec());
            }
        } else {
            progress.waited += 1;
            progress.be_patient(fit.early_stopping);
        }
        let epoch = Epoch {
            epoch: progress.epoch,
            train,
            valid,
            rate,
            gradient_norm: progress.norm / batches.max(1) as f64,
            averaged: progress.averaged,
            health: None,
            seconds: progress.seconds + seconds,
        };
        progress.epoch += 1;
        progress.batch = 0;
        (progress.sum, progress.rows, progress.norm, progress.seconds) = (0.0, 0, 0.0, 0.0);
        run.carried = None;
        epoch
    }

    /// The layer of the first parameter with a gradient that is not finite.
    fn first_not_finite(&self, gradients: &[R]) -> String {
        let broken = |p: &&crate::layer::Parameter| gradients[p.range.clone()].iter().any(|d| !d.is_finite());
        self.parameters
            .iter()
            .find(broken)
            .map_or("all", |p| &p.name)
            .split('.')
            .next()
            .unwrap_or_default()
            .to_string()
    }
}

/// Why a step failed: the first output that is not finite, found by running its job forward once more, or else
/// `(what, value, layer)`.
fn not_finite<R: Arithmetic>(
    job: Job<'_, R>,
    progress: &Progress,
    or_else: (&'static str, f64, String),
) -> Error {
    let (batch, epoch) = (progress.batch, progress.epoch);
    let (what, value, layer, step) = match job.first_not_finite() {
        Some((layer, step, value)) => ("output", value.to_f64(), layer, step),
        None => (or_else.0, or_else.1, or_else.2, None),
    };
    Error::NotFinite { what, value, layer, step, batch, epoch }
}
