//! Where a training stands: what a model keeps of it for the next one, and the state of a run in its folder.

use std::path::Path;

use gimbap_kernels::Arithmetic;

use super::{Identity, LAST, Progress, TRAINER};
use crate::checkpoint::{self, Tensor};
use crate::model::Model;
use crate::network::States;
use crate::optim::{Optimizer, OptimizerState};
use crate::{Error, Result};

const KEY: &str = "gimbap_trainer";

/// What the next training of a model goes on from, beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept<R> {
    /// After the last step.
    pub(crate) optimizer: OptimizerState<R>,
    /// Epochs begun, from whose number on shuffling and dropout are drawn.
    pub(crate) epochs: usize,
}

/// What the run in a folder was trained on ([`Fit::identity`](super::Fit::identity)); None of a run from before it was kept.
///
/// # Errors
/// If there is no run, or its state cannot be read.
pub fn identity_of(directory: &Path) -> Result<Option<Identity>> {
    let path = directory.join(TRAINER);
    let document = checkpoint::read_document(&path, KEY)?;
    Ok(progress_of(&document, &path)?.2.identity)
}

/// The steps done, the optimizer and the progress that a run's state tells of.
fn progress_of(document: &str, path: &Path) -> Result<(u64, Optimizer, Progress)> {
    serde_json::from_str(document).map_err(|error| Error::ModelFile {
        path: path.into(),
        message: format!("has a damaged header ({error})"),
    })
}

/// A run under way.
#[derive(Debug)]
pub(super) struct Run<R> {
    pub(super) progress: Progress,
    pub(super) optimizer: OptimizerState<R>,
    pub(super) carried: Option<States<R>>,
    pub(super) best: Option<Vec<R>>,
    /// Once the mean of the weights is kept: the mean while an epoch is under way, and otherwise the weights from which
    /// the next one goes on. The model has the other of the two.
    pub(super) other: Option<Vec<R>>,
}

impl<R: Arithmetic> Model<R> {
    /// What the optimizer remembers of the steps so far: the next [`Model::fit`] goes on from there, and
    /// [`save_with_optimizer`](checkpoint::save_with_optimizer) writes it down.
    ///
    /// None before the first step. [`Model::compile`] lets go of it, and so do [`Model::values_mut`] and
    /// [`Model::set_parameter`], since it belongs to the weights that it was made with; a
    /// [quantised](Model::quantized) model has none.
    pub fn optimizer_state(&self) -> Option<&OptimizerState<R>> {
        self.kept.as_ref().map(|kept| &kept.optimizer)
    }

    /// A new run from where the last one left the optimizer.
    pub(super) fn begin(&mut self) -> Result<Run<R>> {
        let new = |optimizer: &Optimizer| Kept { optimizer: optimizer.state(self.values.len()), epochs: 0 };
        let new = self.trained_for().map(|training| new(&training.optimizer))?;
        let Kept { optimizer, epochs } = self.kept.take().unwrap_or(new);
        let progress = Progress { before: epochs, ..Progress::default() };
        Ok(Run { progress, optimizer, carried: None, best: None, other: None })
    }

    /// Keeps where a run has left the optimizer.
    pub(super) fn keep(&mut self, run: Run<R>) {
        let Run { progress, optimizer, .. } = run;
        let epochs = progress.before + progress.epoch + usize::from(progress.batch > 0);
        self.kept = (optimizer.step > 0).then_some(Kept { optimizer, epochs });
    }

    pub(super) fn save_run(&self, run: &Run<R>, directory: &Path) -> Result<()> {
        checkpoint::save(self, directory.join(LAST))?;
        let flat =
            |name: String, values: &[R]| Tensor { name, shape: vec![values.len()], values: values.to_vec() };
        let (values, mean) = match &run.other {
            None => (&*self.values, None),
            Some(other) => (other, Some(&*self.values)),
        };
        let mut tensors = vec![flat("values".into(), values)];
        tensors.extend(mean.map(|mean| flat("average".into(), mean)));
        tensors.extend(run.optimizer.slots().map(|(name, slot)| flat(format!("optimizer.{name}"), slot)));
        tensors.extend(run.best.iter().map(|best| flat("best".into(), best)));
        for (l, layer) in run.carried.iter().flatten().enumerate() {
            for (d, state) in layer.iter().enumerate() {
                tensors.extend(
                    state.0.iter().enumerate().map(|(s, plane)| flat(format!("carried.{l}.{d}.{s}"), plane)),
                );
            }
        }
        checkpoint::write_tensors(
            &directory.join(TRAINER),
            KEY,
            &(run.optimizer.step, &self.trained_for()?.optimizer, &run.progress),
            &tensors,
        )
    }

    pub(super) fn load_run(&mut self, path: &Path) -> Result<Run<R>> {
        let (document, tensors) = checkpoint::read_tensors::<R>(path, KEY)?;
        let (step, optimizer, progress) = progress_of(&document, path)?;
        let present = &self.trained_for()?.optimizer;
        if optimizer != *present {
            let message =
                format!("the run had {optimizer:?}, here is {present:?}: resume it with its own options");
            return Err(Error::config("optimizer", message));
        }
        let n = self.values.len();
        let of_model = |name: &str| -> Result<Option<&Vec<R>>> {
            match tensors.iter().find(|tensor| tensor.name == name) {
                Some(tensor) if tensor.values.len() != n => Err(Error::Tensor {
                    path: path.into(),
                    tensor: name.into(),
                    message: format!(
                        "has {} values; this model has {n}: resume with the run's own config",
                        tensor.values.len()
                    ),
                }),
                found => Ok(found.map(|tensor| &tensor.values)),
            }
        };
        let missing = |name: &str| Error::Tensor {
            path: path.into(),
            tensor: name.into(),
            message: "is missing".into(),
        };
        let values = of_model("values")?.ok_or_else(|| missing("values"))?.clone();
        let mut optimizer = self.trained_for()?.optimizer.state(n);
        optimizer.step = step;
        for (name, slot) in optimizer.slots_mut() {
            let name = format!("optimizer.{name}");
            slot.copy_from_slice(of_model(&name)?.ok_or_else(|| missing(&name))?);
        }
        let best = of_model("best")?.cloned();
        let mut states = self.network(true)?.states();
        let mut found = false;
        for (l, layer) in states.iter_mut().enumerate() {
            for (d, state) in layer.iter_mut().enumerate() {
                for (s, plane) in state.0.iter_mut().enumerate() {
                    let name = format!("carried.{l}.{d}.{s}");
                    if let Some(tensor) = tensors.iter().find(|tensor| tensor.name == name) {
                        plane.clone_from(&tensor.values);
                        found = true;
                    }
                }
            }
        }
        let (values, other) = match of_model("average")? {
            None => (values, None),
            Some(mean) => (mean.clone(), Some(values)),
        };
        self.values = values.into();
        Ok(Run { progress, optimizer, carried: found.then_some(states), best, other })
    }
}
