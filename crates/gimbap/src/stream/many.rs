//! Several streams of one model, side by side.

use gimbap_kernels::Arithmetic;

use super::StreamState;
use crate::data::layout::Layout;
use crate::layer::Pass;
use crate::model::{Form, Input, Model, Values};
use crate::network::{Network, States};
use crate::sequence::State;
use crate::{Error, Result};

/// Several streams of one model of token ids, step by step in one batch: what a beam search runs, where a stream often
/// goes on from another one's state.
///
/// An output has the same bits whatever runs beside it, and agrees with that of a [`Stream`](super::Stream) as that
/// with the whole sequence. States can be handed from one to the other.
///
/// ```
/// use gimbap::prelude::*;
/// use gimbap::stream::Many;
///
/// # fn main() -> Result<()> {
/// let layers = Sequential::new(Input::ids(50)).add(OneHot).add(Lstm::new(8).return_sequences(true));
/// let model = layers.add(Dense::new(50)).build::<f32>()?;
/// let mut streams = Many::new(&model, 2)?;
/// let outputs = streams.step(&[4, 8]).to_vec(); // [2, 50]
///
/// // The second forks twice, and the first ends.
/// streams.reorder(&[1, 1, 1]);
/// assert_eq!(streams.step(&[15, 16, 23]).len(), 3 * 50);
///
/// streams.start(1);
/// assert_eq!(streams.step(&[8]), &outputs[50..]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Many<R = f32> {
    values: Values<R>,
    network: Network<R>,
    layout: Layout,
    order: Vec<usize>,
    vocabulary: usize,
}

impl<R: Arithmetic> Many<R> {
    /// So many streams, all at the start of a sequence.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the model takes features, has one output for a whole sequence, or a layer that cannot
    /// run step by step.
    ///
    /// # Panics
    /// If there is to be none.
    pub fn new(model: &Model<R>, streams: usize) -> Result<Self> {
        let Input::Ids(vocabulary) = model.input() else {
            let message = "takes features; streams side by side are for models of token ids";
            return Err(Error::unsupported("the model", message));
        };
        let network = model.ready(Form::Batch)?.another();
        network.streams()?;
        if network.ends_time() {
            let message = "has one output for a whole sequence; streams side by side need one at every step";
            return Err(Error::unsupported("the model", message));
        }
        let (layout, order) = Layout::new(&[]);
        let mut many = Many { values: model.values.clone(), network, layout, order, vocabulary };
        many.start(streams);
        Ok(many)
    }

    /// How many streams there are: `B`.
    pub fn streams(&self) -> usize {
        self.order.len()
    }

    /// Begins so many new sequences in place of those under way.
    ///
    /// # Panics
    /// If there is to be none.
    pub fn start(&mut self, streams: usize) {
        self.resize(streams);
        self.network.start(streams, None);
    }

    fn resize(&mut self, streams: usize) {
        assert!(streams > 0, "at least one stream");
        if streams != self.streams() {
            (self.layout, self.order) = Layout::new(&vec![1; streams]);
        }
    }

    /// The outputs `[B, V]` after one more step of every stream: `ids[b]` is what stream `b` reads.
    ///
    /// # Panics
    /// If there is not an id for each stream, or one is beyond the vocabulary.
    pub fn step(&mut self, ids: &[u32]) -> &[R] {
        assert_eq!(ids.len(), self.streams(), "an id for each stream");
        assert!(
            ids.iter().all(|&id| (id as usize) < self.vocabulary),
            "a step takes ids below {}",
            self.vocabulary
        );
        let pass = Pass {
            parameters: &self.values,
            layout: &self.layout,
            order: &self.order,
            draw: None,
            keep: false,
            again: false,
        };
        self.network.body(&pass, |input| {
            let input = input.ids_mut();
            input.clear();
            input.extend_from_slice(ids);
        });
        self.network.output()
    }

    /// From now on there are `from.len()` streams, and stream `b` goes on from where stream `from[b]` was.
    ///
    /// # Panics
    /// If `from` is empty, or names a stream that there is not.
    pub fn reorder(&mut self, from: &[usize]) {
        let states = self.rows(from);
        self.resize(from.len());
        self.network.set_states(&states);
    }

    /// The state of one stream, to save.
    ///
    /// # Panics
    /// If there is no such stream.
    pub fn state(&self, stream: usize) -> StreamState<R> {
        StreamState::new(&self.values, self.rows(&[stream]), self.network.memories())
    }

    /// Goes on with so many streams, each from this saved state of the same model, in place of those under way.
    ///
    /// # Errors
    /// [`Error::State`] if the state is one of another model; the streams then stay where they were.
    ///
    /// # Panics
    /// If there is to be none.
    pub fn restore(&mut self, state: &StreamState<R>, streams: usize) -> Result<()> {
        self.state(0).check(state)?;
        let one_row = |plane: &Vec<R>| plane.repeat(streams);
        self.resize(streams);
        self.network.set_states(&each_plane(&state.states, one_row));
        Ok(())
    }

    /// The states of these streams.
    fn rows(&self, streams: &[usize]) -> States<R> {
        let all = self.streams();
        assert!(streams.iter().all(|&stream| stream < all), "there are {all} streams");
        each_plane(&self.network.states(), |plane| {
            let units = plane.len() / all;
            streams.iter().flat_map(|&stream| &plane[stream * units..(stream + 1) * units]).copied().collect()
        })
    }
}

/// Every plane `[B, H]` of the states made anew.
fn each_plane<R>(states: &States<R>, make: impl Fn(&Vec<R>) -> Vec<R>) -> States<R> {
    let state = |state: &State<R>| State(state.0.each_ref().map(&make));
    states.iter().map(|layer| layer.iter().map(state).collect()).collect()
}
