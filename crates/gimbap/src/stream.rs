//! Streaming: one sequence, step by step, at the cost of one step each.
//!
//! A [`Stream`] borrows its model and owns its state; several may run side by side, and one can be forked. The
//! numbers are those of the whole sequence (to 1e-5 of the largest output, since products are summed in another
//! order). After the first step, [`Stream::step`] allocates nothing. [`Many`] runs several in one batch.

mod many;

pub use many::Many;

use gimbap_kernels::Arithmetic;

use crate::data::layout::Layout;
use crate::layer::{Pass, Signal};
use crate::model::{Input, Model};
use crate::network::{Network, States};
use crate::sequence::State;
use crate::{Error, Result};

/// What a step takes: the features of a model with features, the token of a model with token ids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frame<'a, R> {
    /// `[I]`.
    Features(&'a [R]),
    /// A token id.
    Id(u32),
}

impl<'a, R> From<&'a [R]> for Frame<'a, R> {
    fn from(x: &'a [R]) -> Self {
        Frame::Features(x)
    }
}

impl<'a, R, const N: usize> From<&'a [R; N]> for Frame<'a, R> {
    fn from(x: &'a [R; N]) -> Self {
        Frame::Features(x)
    }
}

impl<'a, R> From<&'a Vec<R>> for Frame<'a, R> {
    fn from(x: &'a Vec<R>) -> Self {
        Frame::Features(x)
    }
}

impl<R> From<u32> for Frame<'_, R> {
    fn from(id: u32) -> Self {
        Frame::Id(id)
    }
}

/// The state of a stream: what its model remembers of the steps so far.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamState<R> {
    states: States<R>,
    memories: Vec<Vec<f64>>,
}

impl<R: Arithmetic> StreamState<R> {
    fn values(&self) -> impl Iterator<Item = f64> {
        let states = self.states.iter().flatten().flat_map(|state| &state.0).flatten().map(|x| x.to_f64());
        states.chain(self.memories.iter().flatten().copied())
    }

    /// How many values there are, layer by layer: of each state, then of what each layer has beside.
    fn sizes(&self) -> (Vec<Vec<usize>>, Vec<usize>) {
        let layer = |states: &Vec<State<R>>| states.iter().flat_map(|state| &state.0).map(Vec::len).collect();
        (self.states.iter().map(layer).collect(), self.memories.iter().map(Vec::len).collect())
    }

    /// Checks that another state is one of the same model as this.
    fn check(&self, other: &StreamState<R>) -> Result<()> {
        let (expected, found) = (self.sizes(), other.sizes());
        if expected == found {
            return Ok(());
        }
        let told = |(states, memories): (Vec<Vec<usize>>, Vec<usize>)| {
            format!("states of {states:?} values, {memories:?} beside them")
        };
        Err(Error::Shape { place: "stream state".into(), expected: told(expected), found: told(found) })
    }

    /// As bytes: every value as a little-endian `f64` (which holds an `f32` exactly), the states layer by layer,
    /// then what the pools have so far.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values().flat_map(f64::to_le_bytes).collect()
    }

    /// A state of this one's model from [`StreamState::to_bytes`].
    ///
    /// # Errors
    /// If the bytes are not as many as this model's state has.
    pub fn from_bytes(&self, bytes: &[u8]) -> Result<Self> {
        let expected = self.values().count() * 8;
        if bytes.len() != expected {
            let (expected, found) =
                (format!("{expected} bytes, as this model's has"), bytes.len().to_string());
            return Err(Error::Shape { place: "stream state".into(), expected, found });
        }
        let mut values = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let mut next = || values.next().unwrap_or(0.0);
        let mut state = self.clone();
        for to in state.states.iter_mut().flatten().flat_map(|state| &mut state.0).flatten() {
            *to = R::from_f64(next());
        }
        state.memories.iter_mut().flatten().for_each(|to| *to = next());
        Ok(state)
    }
}

/// A sequence under way; see the [module](self).
///
/// ```
/// use gimbap::prelude::*;
///
/// # fn main() -> Result<()> {
/// let model = Sequential::new(Input::ids(50)).add(OneHot).add(Lstm::new(8)).add(Dense::new(3)).build::<f32>()?;
/// let mut stream = model.stream()?;
/// for id in [4, 8, 15] {
///     assert_eq!(stream.step(id).len(), 3);
/// }
///
/// // The state can be kept, and taken up by another stream of the same model; a fork leaves the original alone.
/// let bytes = stream.state().to_bytes();
/// let mut fork = stream.fork()?;
/// fork.step(16);
/// let mut later = model.stream()?;
/// let state = later.state().from_bytes(&bytes)?;
/// later.restore(&state)?;
/// assert_eq!(later.step(23), stream.step(23));
///
/// // A layer that needs the whole sequence cannot run step by step, and says so.
/// let model = Sequential::new(Input::features(1)).add(Bidirectional::new(Gru::new(4))).build::<f32>()?;
/// assert!(model.stream().unwrap_err().to_string().contains("bidirectional"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stream<'a, R = f32> {
    model: &'a Model<R>,
    network: Network<R>,
    layout: Layout,
    ids: bool,
    width: usize,
}

impl<'a, R: Arithmetic> Stream<'a, R> {
    pub(crate) fn new(model: &'a Model<R>) -> Result<Self> {
        let mut network = model.stepping_network()?;
        network.start(1, None);
        let (layout, _) = Layout::new(&[1]);
        let (ids, width) = match model.input() {
            Input::Ids(vocabulary) => (true, vocabulary),
            Input::Features(i) => (false, i),
        };
        Ok(Stream { model, network, layout, ids, width })
    }

    /// The output after one more step: of a model with one output per sequence, the one it would have if the
    /// sequence ended here.
    ///
    /// # Panics
    /// If the frame is not what the model takes; [`try_step`](Self::try_step) gives an error instead.
    pub fn step<'f>(&mut self, frame: impl Into<Frame<'f, R>>) -> &[R]
    where
        R: 'f,
    {
        match self.try_step(frame) {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`step`](Self::step). A frame that is refused leaves the state as it was.
    ///
    /// Values are not looked at: a NaN goes into the state, and every output from then on is NaN, until
    /// [`reset`](Self::reset) or [`restore`](Self::restore). Whoever reads a sensor looks at what comes from it first.
    ///
    /// # Errors
    /// [`Error::Shape`] if the frame is not what the model takes: an id where it takes features, another number of these, an
    /// id beyond the vocabulary.
    pub fn try_step<'f>(&mut self, frame: impl Into<Frame<'f, R>>) -> Result<&[R]>
    where
        R: 'f,
    {
        let frame = frame.into();
        let width = self.width;
        let fits = match frame {
            Frame::Features(x) => !self.ids && x.len() == width,
            Frame::Id(id) => self.ids && (id as usize) < width,
        };
        if !fits {
            let wanted = if self.ids { format!("an id below {width}") } else { format!("{width} features") };
            let came = match frame {
                Frame::Features(x) => format!("{} features", x.len()),
                Frame::Id(id) => format!("the id {id}"),
            };
            return Err(Error::shape("a step", wanted, came));
        }
        let pass = Pass {
            parameters: self.model.values(),
            layout: &self.layout,
            order: &[0],
            draw: None,
            keep: false,
            again: false,
        };
        Ok(self.network.step(&pass, |input| match (frame, input) {
            (Frame::Features(x), input) => {
                let input = input.values_mut();
                input.resize(x.len(), R::ZERO);
                input.copy_from_slice(x);
            }
            (Frame::Id(id), Signal::Ids(ids)) => {
                ids.clear();
                ids.push(id);
            }
            (Frame::Id(id), input) => *input = Signal::Ids(vec![id]),
        }))
    }

    /// The state, to save.
    pub fn state(&mut self) -> StreamState<R> {
        StreamState { states: self.network.states(), memories: self.network.memories() }
    }

    /// Goes on from a saved state of the same model.
    ///
    /// # Errors
    /// If the state is one of another model, with other layers or units; the stream then stays where it was.
    pub fn restore(&mut self, state: &StreamState<R>) -> Result<()> {
        self.state().check(state)?;
        self.network.set_states(&state.states);
        self.network.recall(&state.memories);
        Ok(())
    }

    /// Bytes of weights that the recurrent layers read at each step.
    pub fn weight_bytes(&self) -> usize {
        self.network.step_bytes()
    }

    /// Begins a new sequence.
    pub fn reset(&mut self) {
        self.network.start(1, None);
    }

    /// Another stream of the same model, from the present state on.
    ///
    /// # Errors
    /// None that [`Model::stream`] did not have.
    pub fn fork(&mut self) -> Result<Stream<'a, R>> {
        let mut other = Stream::new(self.model)?;
        other.restore(&self.state())?;
        Ok(other)
    }
}
