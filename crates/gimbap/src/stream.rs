//! Streaming: one sequence, step by step, at the cost of one step each.
//!
//! A [`Stream`] shares its model's weights and owns its state: it costs a state and a little work space, may outlive the
//! model, and can be forked. The numbers are those of the whole sequence (to 1e-5 of the largest output, since products
//! are summed in another order). After the first step, [`Stream::step`] allocates nothing. [`Many`] runs several in one
//! batch.

mod many;
mod state;

use std::sync::{Arc, LazyLock};

pub use many::Many;
pub use state::StreamState;

use gimbap_kernels::Arithmetic;

use crate::data::layout::Layout;
use crate::layer::{Pass, Signal};
use crate::model::{Form, Input, Model, Values};
use crate::network::Network;
use crate::{Error, Result};

/// One row: a step of one sequence.
static ONE: LazyLock<Layout> = LazyLock::new(|| Layout::new(&[1]).0);

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

/// A sequence under way; see the [module](self).
///
/// ```
/// use gimbap::prelude::*;
/// use gimbap::stream::StreamState;
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
/// let mut fork = stream.fork();
/// fork.step(16);
/// let mut later = model.stream()?;
/// later.restore(&StreamState::from_bytes(&bytes)?)?;
/// assert_eq!(later.step(23), stream.step(23));
///
/// // A layer that needs the whole sequence cannot run step by step, and says so.
/// let model = Sequential::new(Input::features(1)).add(Bidirectional::new(Gru::new(4))).build::<f32>()?;
/// assert!(model.stream().unwrap_err().to_string().contains("bidirectional"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stream<R = f32> {
    /// Those that the model had: it may have been changed since.
    values: Values<R>,
    ready: Arc<Network<R>>,
    network: Network<R>,
    ids: bool,
    width: usize,
}

impl<R: Arithmetic> Stream<R> {
    pub(crate) fn new(model: &Model<R>) -> Result<Self> {
        let ready = Arc::clone(model.ready(Form::Steps)?);
        let mut network = ready.another();
        network.start(1, None);
        let (ids, width) = match model.input() {
            Input::Ids(vocabulary) => (true, vocabulary),
            Input::Features(i) => (false, i),
        };
        Ok(Stream { values: model.values.clone(), ready, network, ids, width })
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
            parameters: &self.values,
            layout: &ONE,
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
    pub fn state(&self) -> StreamState<R> {
        StreamState::new(&self.values, self.network.states(), self.network.memories())
    }

    /// Goes on from a saved state of the same model.
    ///
    /// # Errors
    /// [`Error::State`] if the state is one of another model, with other layers or other weights; the stream then stays
    /// where it was.
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
    pub fn fork(&self) -> Stream<R> {
        let mut network = self.ready.another();
        network.start(1, None);
        network.go_on_from(&self.network);
        Stream { values: self.values.clone(), ready: Arc::clone(&self.ready), network, ..*self }
    }
}
