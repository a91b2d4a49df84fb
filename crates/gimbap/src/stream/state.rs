//! What a stream remembers, as a value.

use gimbap_kernels::Arithmetic;

use crate::model::Values;
use crate::network::States;
use crate::sequence::State;
use crate::{Error, Result};

/// The state of a stream: what its model remembers of the steps so far, and which model that is.
///
/// As bytes ([`to_bytes`](Self::to_bytes)), all numbers with the lowest byte first:
///
/// | bytes | hold |
/// |---|---|
/// | 8 | `gbstate1` |
/// | 16 | the model's fingerprint: of its layers, its weights and its precision |
/// | 4 | of how many bytes the model's numbers are |
/// | 4, and 4 each | how many layers have a state, and how many planes each has |
/// | 4 each | the length of every plane: `H` of an `h` or a `c`, 0 where a cell has none |
/// | 4, and 4 each | how many layers there are, and how many numbers each keeps beside: a pool's steps and values so far |
/// | 8 each | all numbers in this order, as `f64`, which holds an `f32` exactly |
/// | 4 | CRC-32C of all that comes before |
#[derive(Clone, Debug, PartialEq)]
pub struct StreamState<R> {
    model: u128,
    pub(super) states: States<R>,
    pub(super) memories: Vec<Vec<f64>>,
}

const MAGIC: &[u8] = b"gbstate1";

fn broken(message: impl Into<String>) -> Error {
    Error::State { message: message.into() }
}

impl<R: Arithmetic> StreamState<R> {
    pub(super) fn new(values: &Values<R>, states: States<R>, memories: Vec<Vec<f64>>) -> Self {
        StreamState { model: values.fingerprint(), states, memories }
    }

    /// Checks that another state is one of the same model as this, with as many numbers of each kind.
    pub(super) fn check(&self, other: &StreamState<R>) -> Result<()> {
        if self.model != other.model {
            return Err(broken(format!(
                "belongs to another model ({:032x}) than this one ({:032x}): layers, weights and precision must be the same",
                other.model, self.model
            )));
        }
        let sizes = |state: &StreamState<R>| {
            let layers: Vec<usize> = state.states.iter().map(Vec::len).collect();
            let planes: Vec<usize> = state.planes().map(Vec::len).collect();
            let memories: Vec<usize> = state.memories.iter().map(Vec::len).collect();
            (layers, planes, memories)
        };
        match sizes(self) == sizes(other) {
            true => Ok(()),
            false => Err(broken("has other numbers of values than this model's: it is damaged")),
        }
    }

    fn planes(&self) -> impl Iterator<Item = &Vec<R>> {
        self.states.iter().flatten().flat_map(|state| &state.0)
    }

    /// As bytes; see [above](Self).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [MAGIC, &self.model.to_le_bytes()].concat();
        let mut count = |n: usize| bytes.extend((n as u32).to_le_bytes());
        count(size_of::<R>());
        count(self.states.len());
        self.states.iter().for_each(|layer| count(layer.iter().map(|state| state.0.len()).sum()));
        self.planes().for_each(|plane| count(plane.len()));
        count(self.memories.len());
        self.memories.iter().for_each(|memory| count(memory.len()));
        let values = self.planes().flatten().map(|x| x.to_f64());
        bytes.extend(values.chain(self.memories.iter().flatten().copied()).flat_map(f64::to_le_bytes));
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// From what [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    /// [`Error::State`] if it is no state, it is damaged or cut off, or its model has other numbers (`f32`, `f64`).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(broken(
                "begins with other bytes than a saved state does: it is no state of a stream",
            ));
        };
        let damaged = || broken(format!("is damaged or cut off ({} bytes): save it anew", bytes.len()));
        let (rest, sum) = rest.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32c::crc32c(&bytes[..bytes.len() - 4]) != u32::from_le_bytes(*sum) {
            return Err(damaged());
        }
        let (model, mut rest) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let mut count = || -> Result<usize> {
            let (number, behind) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
            rest = behind;
            Ok(u32::from_le_bytes(*number) as usize)
        };
        let width = count()?;
        if width != size_of::<R>() {
            let (found, wanted) = (8 * width, 8 * size_of::<R>());
            return Err(broken(format!(
                "belongs to a model of {found}-bit numbers, and this one's have {wanted} bits"
            )));
        }
        let mut counts = |n: usize| (0..n).map(|_| count()).collect::<Result<Vec<usize>>>();
        let layers = counts(1)?[0];
        let planes = counts(layers)?;
        let lengths = counts(planes.iter().sum())?;
        let kept = counts(1)?[0];
        let memories = counts(kept)?;
        let each = State::<R>::default().0.len();
        if planes.iter().any(|count| count % each != 0) {
            return Err(damaged());
        }
        let (values, []) = rest.as_chunks::<8>() else { return Err(damaged()) };
        if values.len() != lengths.iter().chain(&memories).sum::<usize>() {
            return Err(damaged());
        }
        let mut values = values.iter().map(|bytes| f64::from_le_bytes(*bytes));
        let mut lengths = lengths.into_iter();
        let mut plane =
            || values.by_ref().take(lengths.next().unwrap_or(0)).map(R::from_f64).collect::<Vec<R>>();
        let state = |_| State(std::array::from_fn(|_| plane()));
        let mut layer = state;
        let states = planes.iter().map(|count| (0..count / each).map(&mut layer).collect()).collect();
        let memories = memories.iter().map(|&count| values.by_ref().take(count).collect()).collect();
        Ok(StreamState { model: u128::from_le_bytes(*model), states, memories })
    }
}
