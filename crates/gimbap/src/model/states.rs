//! States of the sequences of a call, taken apart into batches and put together again.

use gimbap_kernels::Arithmetic;
use ndarray::Array2;

use super::{DirectionState, LayerState};
use crate::data::batch::Batch;
use crate::network::{Network, States};
use crate::sequence::State;
use crate::{Error, Result};

/// Rows of states from the batch's order to the layout's, or back.
pub(crate) fn permute<R: Arithmetic>(states: &States<R>, order: &[usize], to_layout: bool) -> States<R> {
    let plane = |values: &Vec<R>| {
        let units = values.len() / order.len().max(1);
        let mut moved = vec![R::ZERO; values.len()];
        for (row, &sequence) in order.iter().enumerate() {
            let (from, to) = if to_layout { (sequence, row) } else { (row, sequence) };
            moved[to * units..(to + 1) * units].copy_from_slice(&values[from * units..(from + 1) * units]);
        }
        moved
    };
    states
        .iter()
        .map(|layer| layer.iter().map(|state| State(state.0.each_ref().map(plane))).collect())
        .collect()
}

/// The states with which a batch of this order continues one of `before` sequences, whose states are in their callers'
/// order. It may be smaller: then it continues the first of them.
pub(crate) fn carry_over<R: Arithmetic>(mut states: States<R>, before: usize, order: &[usize]) -> States<R> {
    let planes = states.iter_mut().flatten().flat_map(|state| &mut state.0);
    planes.for_each(|plane| plane.truncate(plane.len() / before.max(1) * order.len()));
    permute(&states, order, true)
}

/// States of all sequences, taken apart into batches and put together again.
pub(super) struct StateCollector<R> {
    initial: Option<Vec<LayerState<R>>>,
    all: Vec<LayerState<R>>,
}

impl<R: Arithmetic> StateCollector<R> {
    pub(super) fn new(
        network: &Network<R>,
        initial: Option<&[LayerState<R>]>,
        sequences: usize,
    ) -> Result<Self> {
        let zeros = |units| Array2::from_elem((sequences, units), R::ZERO);
        let all: Vec<LayerState<R>> = network
            .state_sizes()
            .into_iter()
            .map(|(layer, directions, states, units)| {
                let direction = DirectionState { h: zeros(units), c: (states > 1).then(|| zeros(units)) };
                LayerState { layer, directions: vec![direction; directions] }
            })
            .collect();
        if let Some(initial) = initial {
            let shapes = |states: &[LayerState<R>]| -> Vec<_> {
                let direction = |d: &DirectionState<R>| (d.h.dim(), d.c.as_ref().map(|c| c.dim()));
                states
                    .iter()
                    .map(|s| (s.layer.clone(), s.directions.iter().map(direction).collect::<Vec<_>>()))
                    .collect()
            };
            let (found, expected) = (shapes(initial), shapes(&all));
            if found != expected {
                return Err(Error::shape("initial states", format!("{expected:?}"), format!("{found:?}")));
            }
        }
        Ok(StateCollector { initial: initial.map(<[_]>::to_vec), all })
    }

    pub(super) fn initial(&self, group: &[usize], batch: &Batch<R>) -> Option<States<R>> {
        let rows = |array: &Array2<R>| -> Vec<R> {
            batch.order.iter().flat_map(|&b| array.row(group[b]).to_vec()).collect()
        };
        let state = |d: &DirectionState<R>| State([rows(&d.h), d.c.as_ref().map(rows).unwrap_or_default()]);
        let initial = self.initial.as_ref()?;
        Some(initial.iter().map(|layer| layer.directions.iter().map(state).collect()).collect())
    }

    pub(super) fn collect(&mut self, states: &States<R>, group: &[usize], batch: &Batch<R>) {
        for (layer, states) in self.all.iter_mut().zip(states) {
            for (direction, State([h, c])) in layer.directions.iter_mut().zip(states) {
                let arrays =
                    [(&mut direction.h, h)].into_iter().chain(direction.c.as_mut().map(|to| (to, c)));
                for (array, values) in arrays {
                    let units = array.ncols();
                    for (row, &b) in batch.order.iter().enumerate() {
                        array
                            .row_mut(group[b])
                            .iter_mut()
                            .zip(&values[row * units..])
                            .for_each(|(to, v)| *to = *v);
                    }
                }
            }
        }
    }

    pub(super) fn finish(self) -> Vec<LayerState<R>> {
        self.all
    }
}
