//! How probable sequences are to a language model: of every token, the logarithm of its probability after those
//! before it.
//!
//! A [`Scorer`] keeps its network from call to call, and shares its model's weights. Sequences are sorted by length and run in
//! groups, and a group in segments of steps with carried states, so that the memory does not grow with their number
//! or length. A sequence has the same bits in any company, alone (step by step, at the cost of a stream) or not.

use gimbap_kernels::rows::log_sum_exp;
use gimbap_kernels::{Arithmetic, team};

use crate::data::layout::Layout;
use crate::layer::{Activation, Pass};
use crate::loss::PARALLEL_FROM;
use crate::model::{Form, Input, Model, Values};
use crate::network::Network;
use crate::{Error, Result};

/// Sequences run at once.
const GROUP: usize = 256;
/// No layer has more output values in a segment than these (16 MiB of `f32`), where one step does with them.
const VALUES: usize = 1 << 22;

/// Judges sequences of tokens; see the [module](self).
///
/// ```
/// use gimbap::prelude::*;
/// use gimbap::score::Scorer;
///
/// # fn main() -> Result<()> {
/// let layers = Sequential::new(Input::ids(5)).add(OneHot).add(Gru::new(8).return_sequences(true));
/// let model = layers.add(Dense::new(5)).build::<f32>()?;
///
/// // Token 1 goes before every sequence.
/// let mut scorer = Scorer::new(&model)?;
/// let found = scorer.log_probs(1, &[vec![2, 4, 1], vec![3, 1]])?;
/// assert_eq!((found[0].len(), found[1].len()), (3, 2));
///
/// // What may come after them: the probabilities sum to one.
/// let next = scorer.next(1, &[vec![2, 4]])?;
/// assert_eq!(next[0][1], found[0][2]);
/// assert!((next[0].iter().map(|x| x.exp()).sum::<f32>() - 1.0).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Scorer<R = f32> {
    values: Values<R>,
    network: Network<R>,
    /// `V`.
    vocabulary: usize,
    /// Rows of a segment.
    rows: usize,
}

/// A row of a segment: a sequence, and its step in the whole.
type Place = (usize, usize);

impl<R: Arithmetic> Scorer<R> {
    /// Runs the model with the weights that it has now.
    ///
    /// # Errors
    /// If it is no language model: token ids in, a score for each of them out after every step, known from the steps
    /// up to it alone.
    pub fn new(model: &Model<R>) -> Result<Self> {
        let unfit = |why: &str| Error::unsupported("scoring", format!("needs a language model: {why}"));
        let Input::Ids(vocabulary) = model.input() else {
            return Err(unfit("this one takes features, not token ids"));
        };
        let network = model.ready(Form::Logits)?.another();
        network.runs_in_segments()?;
        if network.ends_time() {
            return Err(unfit("this one has one output for a whole sequence"));
        }
        if network.link() == Activation::Sigmoid {
            return Err(unfit("this one ends in a sigmoid, which is no distribution over tokens"));
        }
        let width = network.output_shape().width();
        if width != vocabulary {
            let expected = format!("{vocabulary} outputs at a step, one for each token");
            return Err(Error::shape("scoring", expected, width.to_string()));
        }
        let widest = network.nodes().iter().map(|node| node.output.width()).max().unwrap_or(1);
        Ok(Scorer { values: model.values.clone(), network, vocabulary, rows: (VALUES / widest).max(1) })
    }

    /// For every sequence its tokens' log-probabilities, `ln p(x_t | first, x_0 .. x_t-1)`, in the caller's order.
    ///
    /// # Errors
    /// If an id is beyond the model's vocabulary.
    pub fn log_probs(&mut self, first: u32, sequences: &[Vec<u32>]) -> Result<Vec<Vec<R>>> {
        self.check(first, sequences)?;
        let mut found: Vec<Vec<R>> = sequences.iter().map(|s| vec![R::ZERO; s.len()]).collect();
        let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
        let mut scores = Vec::new();
        self.run(first, sequences, &lengths, |places, outputs, v| {
            scores.resize(places.len(), R::ZERO);
            let threads = if outputs.len() < PARALLEL_FROM { 1 } else { rayon::current_num_threads() };
            let at_once = places.len().div_ceil(threads);
            let tasks = scores.chunks_mut(at_once).zip(places.chunks(at_once));
            team::each(threads, tasks.zip(outputs.chunks(at_once * v)), |((scores, places), outputs)| {
                let rows = scores.iter_mut().zip(places).zip(outputs.chunks_exact(v));
                rows.for_each(|((score, &(s, t)), row)| {
                    *score = row[sequences[s][t] as usize] - log_sum_exp(row);
                });
            });
            places.iter().zip(&scores).for_each(|(&(s, t), &score)| found[s][t] = score);
        });
        Ok(found)
    }

    /// For every sequence the log-probabilities `[V]` of all tokens that may come after it.
    ///
    /// # Errors
    /// As [`Scorer::log_probs`].
    pub fn next(&mut self, first: u32, sequences: &[Vec<u32>]) -> Result<Vec<Vec<R>>> {
        self.check(first, sequences)?;
        let mut found = vec![Vec::new(); sequences.len()];
        let lengths: Vec<usize> = sequences.iter().map(|s| s.len() + 1).collect();
        self.run(first, sequences, &lengths, |places, outputs, v| {
            for (&(s, t), row) in places.iter().zip(outputs.chunks_exact(v)) {
                if t == sequences[s].len() {
                    let log_sum = log_sum_exp(row);
                    found[s] = row.iter().map(|&x| x - log_sum).collect();
                }
            }
        });
        Ok(found)
    }

    fn check(&self, first: u32, sequences: &[Vec<u32>]) -> Result<()> {
        let mut ids = std::iter::once(&first).chain(sequences.iter().flatten());
        match ids.find(|&&id| id as usize >= self.vocabulary) {
            None => Ok(()),
            Some(id) => {
                Err(Error::shape("input", format!("token ids below {}", self.vocabulary), id.to_string()))
            }
        }
    }

    /// Runs `first` and the tokens of each sequence, so many steps in all. `see` gets the rows of every segment: their
    /// places, their outputs, and `V`.
    fn run(
        &mut self,
        first: u32,
        sequences: &[Vec<u32>],
        lengths: &[usize],
        mut see: impl FnMut(&[Place], &[R], usize),
    ) {
        let mut by_length: Vec<usize> = (0..sequences.len()).collect();
        by_length.sort_by_key(|&s| std::cmp::Reverse(lengths[s]));
        let mut places: Vec<Place> = Vec::new();
        for group in by_length.chunks(GROUP.min(self.rows)) {
            let (layout, order) = Layout::new(&group.iter().map(|&s| lengths[s]).collect::<Vec<_>>());
            self.network.start(group.len(), None);
            let (mut start, steps) = (0, layout.steps());
            while start < steps {
                let most = layout.offsets()[start] + self.rows;
                let end = layout.offsets().partition_point(|&rows| rows <= most) - 1;
                let segment = layout.segment(start..end);
                places.clear();
                let of_step = |t: usize| order[..layout.active(t)].iter().map(move |&b| (group[b], t));
                places.extend((start..end).flat_map(of_step));
                let pass = Pass {
                    parameters: &self.values,
                    layout: &segment,
                    order: &order,
                    draw: None,
                    keep: false,
                    again: false,
                };
                self.network.body(&pass, |input| {
                    let ids = input.ids_mut();
                    ids.clear();
                    ids.extend(places.iter().map(|&(s, t)| if t == 0 { first } else { sequences[s][t - 1] }));
                });
                see(&places, self.network.output(), self.vocabulary);
                start = end;
            }
        }
    }
}
