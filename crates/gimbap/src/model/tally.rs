//! The losses and metrics of a pass over many batches.

use gimbap_kernels::Arithmetic;

use super::{Evaluation, Training};
use crate::Result;
use crate::bptt::{Job, Losses, Objective};
use crate::data::batch::Batch;
use crate::layer::{Activation, Draw};
use crate::metric::MetricState;
use crate::network::Network;

/// Adds up losses and metrics over the batches of a pass.
pub(crate) struct Tally {
    objective: Objective,
    pub(crate) metrics: Vec<MetricState>,
    link: Activation,
    width: usize,
    per_sequence: bool,
    pub(crate) sum: f64,
    pub(crate) rows: usize,
    draw: Option<Draw>,
}

impl Tally {
    pub(crate) fn new<R: Arithmetic>(training: &Training, network: &Network<R>) -> Result<Self> {
        let kind = training.loss.output_kind();
        Ok(Tally {
            objective: Objective { loss: training.loss, reduction: training.reduction },
            metrics: training
                .metrics
                .iter()
                .map(|&metric| MetricState::new(metric, kind))
                .collect::<Result<_>>()?,
            link: training.loss.link().unwrap_or_default(),
            width: network.output_shape().width(),
            per_sequence: network.ends_time(),
            sum: 0.0,
            rows: 0,
            draw: None,
        })
    }

    pub(crate) fn draw(mut self, draw: Draw) -> Self {
        self.draw = Some(draw);
        self
    }

    /// A job on a batch that no metric sees.
    pub(crate) fn job<'a, R>(
        &self,
        network: &'a mut Network<R>,
        parameters: &'a [R],
        batch: &'a Batch<R>,
    ) -> Job<'a, R> {
        Job { network, parameters, batch, objective: self.objective, draw: self.draw, observe: None }
    }

    /// Runs a job on a batch, its outputs seen by the metrics.
    pub(crate) fn run<R: Arithmetic>(
        &mut self,
        network: &mut Network<R>,
        parameters: &[R],
        batch: &Batch<R>,
        run: impl FnOnce(Job<'_, R>) -> Result<Losses>,
    ) -> Result<Losses> {
        let (objective, draw) = (self.objective, self.draw);
        if self.metrics.iter().all(|m| m.metric().is_from_loss()) {
            return run(self.job(network, parameters, batch));
        }
        let (link, width, per_sequence, metrics) =
            (self.link, self.width, self.per_sequence, &mut self.metrics);
        let mut probabilities = Vec::new();
        let mut observe = |rows: std::ops::Range<usize>, outputs: &[R]| {
            probabilities.clear();
            probabilities.extend_from_slice(outputs);
            link.apply(&mut probabilities, width);
            for (row, output) in rows.zip(probabilities.chunks_exact(width)) {
                if batch.is_valid(row, per_sequence) {
                    for metric in metrics.iter_mut().filter(|m| !m.metric().is_from_loss()) {
                        metric.update(output, batch.targets.row(row), batch.weight(row));
                    }
                }
            }
        };
        run(Job { network, parameters, batch, objective, draw, observe: Some(&mut observe) })
    }

    pub(crate) fn add(&mut self, losses: &Losses) {
        self.sum += losses.sum;
        self.rows += losses.rows;
        for metric in self.metrics.iter_mut().filter(|m| m.metric().is_from_loss()) {
            metric.update_loss(losses.sum, losses.weight);
        }
    }

    pub(crate) fn finish(&self) -> Evaluation {
        Evaluation {
            loss: if self.rows > 0 { self.sum / self.rows as f64 } else { 0.0 },
            metrics: self.metrics.iter().map(|metric| (metric.metric(), metric.finish())).collect(),
            rows: self.rows,
        }
    }
}
