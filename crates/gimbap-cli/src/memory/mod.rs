//! How far back networks remember: the same small network with each cell, on problems whose answer stands far behind.

pub mod picture;
pub mod published;

use std::borrow::Cow;
use std::time::Instant;

use gimbap::data::batch::{Batch, BatchSource, Shuffled};
use gimbap::data::corpus::{self, COUNTRIES, MAX_DISTANCE, Sentence};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::memory::{ADDING_CHANCE, COPIED, MARK, SYMBOLS, adding, copying, copying_chance};
use gimbap::data::text::{Unit, Vocabulary};
use gimbap::init::Initializer;
use gimbap::layer::LayerSpec;
use gimbap::loss::RowTargets;
use gimbap::metric::calibration::largest;
use gimbap::prelude::{
    Activation, Adam, Dense, EarlyStopping, Embedding, Fit, Gru, Input, Loss, Lstm, Model, OneHot, Pool,
    Schedule, Sequential, SimpleRnn,
};
use gimbap::rng::{Rng, keyed};
use gimbap::train::{Ended, Event, Flow};
use ndarray::Axis;
use serde::Serialize;

use crate::args::{Cell, Problem};
use crate::interrupt;
use crate::output::{Failure, Out, Outcome};
use crate::progress::Progress;
use crate::task::{TaskDoc, classify, lm};

/// The distances of the built-in corpus that are measured, and sentences for each.
pub const DISTANCES: [usize; 8] = [2, 4, 6, 8, 12, 16, 20, MAX_DISTANCE];
const PER_DISTANCE: usize = 200;
/// Examples of a step, of the choice of the best weights, and of a measurement.
const BATCH: usize = 32;
const VALID: usize = 500;
const TEST: usize = 400;
/// How often in a training the weights are looked at.
const EPOCHS: usize = 20;
/// The gradient's norm is scaled down to this.
const CLIP: f64 = 1.0;
/// How near a sum has to come (Hochreiter and Schmidhuber 1997).
const NEAR: f32 = 0.04;
/// The numbers of a word's vector.
const VECTOR: usize = 32;

impl Problem {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Problem::Distance => "distance",
            Problem::Adding => "adding",
            Problem::Copying => "copying",
        }
    }

    /// Its trainings, by the length of their sequences; the built-in corpus has sentences of all lengths.
    pub fn lengths(self, asked: &[usize]) -> Vec<Option<usize>> {
        let usual: &[usize] = match self {
            Problem::Distance => return vec![None],
            Problem::Adding => &[20, 50, 100, 200],
            Problem::Copying => &[1, 10, 30, 50],
        };
        let lengths = if asked.is_empty() { usual } else { asked };
        lengths.iter().map(|&length| Some(length)).collect()
    }

    /// What the loss is.
    pub fn loss(self) -> &'static str {
        match self {
            Problem::Adding => "mean squared error",
            Problem::Distance | Problem::Copying => "cross-entropy",
        }
    }

    /// What counts as right.
    pub fn right(self) -> &'static str {
        match self {
            Problem::Distance => "the language named",
            Problem::Adding => "sums within .04",
            Problem::Copying => "symbols named",
        }
    }

    /// What the accuracy is drawn over.
    pub fn axis(self) -> &'static str {
        match self {
            Problem::Distance => "words between country and language",
            Problem::Adding => "length of the sequence",
            Problem::Copying => "delay before the symbols are wanted",
        }
    }
}

impl Cell {
    /// All of them.
    pub const ALL: [Cell; 5] = [Cell::SimpleRnn, Cell::Irnn, Cell::Lstm, Cell::Gru, Cell::FeedForward];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Cell::SimpleRnn => "simple_rnn",
            Cell::Irnn => "irnn",
            Cell::Lstm => "lstm",
            Cell::Gru => "gru",
            Cell::FeedForward => "feed_forward",
        }
    }

    /// As people write it.
    pub fn title(self) -> &'static str {
        match self {
            Cell::SimpleRnn => "SimpleRNN",
            Cell::Irnn => "IRNN",
            Cell::Lstm => "LSTM",
            Cell::Gru => "GRU",
            Cell::FeedForward => "feed-forward",
        }
    }

    fn layers(self, units: usize, steps: bool) -> Vec<LayerSpec> {
        match self {
            Cell::SimpleRnn => vec![SimpleRnn::new(units).return_sequences(steps).into()],
            // The paper's start: the input's weights are small, the state's are the identity.
            Cell::Irnn => {
                let irnn = SimpleRnn::irnn(units).return_sequences(steps);
                vec![SimpleRnn { kernel_init: Initializer::Normal { scale: 0.001 }, ..irnn }.into()]
            }
            Cell::Lstm => vec![Lstm::new(units).return_sequences(steps).into()],
            Cell::Gru => vec![Gru::new(units).return_sequences(steps).into()],
            Cell::FeedForward => {
                vec![Pool::Mean.into(), Dense::new(units).activation(Activation::Tanh).into()]
            }
        }
    }
}

/// One training: a cell on a problem.
#[derive(Debug, Clone, Copy)]
pub struct Training {
    pub problem: Problem,
    pub cell: Cell,
    /// Of the sequences to add in, or the delay before copying.
    pub length: Option<usize>,
    pub units: usize,
    pub steps: usize,
    pub rate: f64,
    pub seed: u64,
}

/// What came of a training.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    pub problem: &'static str,
    pub cell: &'static str,
    pub length: Option<usize>,
    /// What trains and measures this one alone, to the same bits.
    pub command: String,
    pub seed: u64,
    pub steps: usize,
    pub parameters: usize,
    pub seconds: f64,
    /// On new examples.
    pub loss: f64,
    /// The loss of whoever knows everything but what had to be remembered.
    pub chance: f64,
    /// The part that is right, by distance or length.
    pub accuracy: Vec<(usize, f64)>,
    /// The loss on the examples that choose the weights, by the steps so far.
    pub curve: Vec<(usize, f64)>,
    /// The file in the folder.
    pub model: String,
}

impl Training {
    /// The file of its model within the folder.
    pub fn file(&self) -> String {
        let length = self.length.map(|length| format!("-{length}")).unwrap_or_default();
        format!("{}{length}/{}.safetensors", self.problem.name(), self.cell.name())
    }

    /// What is typed for this training alone.
    pub fn command(&self) -> String {
        let length = self.length.map(|length| format!(" --length {length}")).unwrap_or_default();
        let Training { problem, cell, units, steps, rate, seed, .. } = self;
        format!(
            "gimbap memory --problem {} --cell {}{length} --units {units} --steps {steps} --rate {rate} --seed {seed}",
            problem.name(),
            cell.name()
        )
    }

    /// What its progress is called.
    pub fn title(&self) -> String {
        let length = self.length.map(|length| format!(" {length}")).unwrap_or_default();
        format!("{}{length}, {}", self.problem.name(), self.cell.title())
    }

    /// Trains and measures.
    pub fn run(&self, out: &Out) -> Outcome<(Model, Found)> {
        let started = Instant::now();
        let world = World::new(self)?;
        let mut model = self.model(&world)?;
        let source = Endless { world: &world, seed: self.seed, batches: self.steps.div_ceil(EPOCHS) };
        let steps = source.batches * EPOCHS;
        let random = |part| keyed(self.seed, u64::MAX, part, self.length.unwrap_or(0) as u64);
        let (valid, _) = world.draw(VALID, &mut random(0))?;
        let fit = Fit {
            epochs: EPOCHS,
            seed: self.seed,
            clip_norm: Some(CLIP),
            schedule: Schedule::Cosine { warmup: steps as u64 / 15, total: steps as u64, floor: 0.05 },
            early_stopping: Some(EarlyStopping { patience: usize::MAX, ..EarlyStopping::default() }),
            ..Fit::default()
        };
        let mut bar = Progress::new(out, self.title(), steps as u64, "steps");
        let mut curve = Vec::new();
        let mut observe = |event: Event<'_>| {
            match event {
                Event::Step { epoch, batch, loss, .. } => {
                    bar.at((epoch * source.batches + batch) as u64, || format!("loss {loss:.4}"));
                }
                Event::Epoch(epoch) => {
                    let loss = epoch.valid.as_ref().map_or(f64::NAN, |valid| valid.loss);
                    curve.push(((epoch.epoch + 1) * source.batches, loss));
                }
            }
            if interrupt::asked() { Flow::Stop } else { Flow::Continue }
        };
        let valid = Shuffled::new(&valid, BATCH, None, false)?;
        let history = {
            let _graceful = interrupt::graceful();
            model.fit_on(&source, Some(&valid), &fit, &mut observe)?
        };
        bar.finish();
        if history.ended == Ended::Interrupted {
            return Err(Failure::interrupted("stopped"));
        }
        let (test, chance) = world.draw(TEST, &mut random(1))?;
        let found = Found {
            problem: self.problem.name(),
            cell: self.cell.name(),
            length: self.length,
            command: self.command(),
            seed: self.seed,
            steps,
            parameters: model.values().len(),
            seconds: started.elapsed().as_secs_f64(),
            loss: model.evaluate_data(&test, BATCH)?.loss,
            chance,
            accuracy: world.accuracy(&model, &test, self.seed)?,
            curve,
            model: self.file(),
        };
        Ok((model, found))
    }

    fn model(&self, world: &World) -> Outcome<Model> {
        let crossentropy = Loss::SparseCategoricalCrossentropy;
        let each = self.problem != Problem::Adding && self.cell != Cell::FeedForward;
        let (input, first, outputs, loss): (Input, Option<LayerSpec>, usize, Loss) = match world {
            World::Sentences(v) | World::Prefixes(v) => (
                Input::ids(v.len()),
                Some(Embedding::new(VECTOR).init(Initializer::Normal { scale: 1.0 }).into()),
                v.len(),
                crossentropy,
            ),
            World::Adding(_) => (Input::features(2), None, 1, Loss::Mse),
            World::Copying(_) => {
                (Input::ids(MARK as usize + 1), Some(OneHot.into()), SYMBOLS as usize + 1, crossentropy)
            }
        };
        let softmax = |head: Dense| match world {
            World::Prefixes(_) => head.activation(Activation::Softmax),
            _ => head,
        };
        let layers = first.into_iter().chain(self.cell.layers(self.units, each));
        let model = layers.fold(Sequential::new(input).seed(self.seed), Sequential::add);
        let mut model = model.add(softmax(Dense::new(outputs))).compile(Adam::new(self.rate), loss, [])?;
        match world {
            World::Sentences(vocabulary) => {
                let doc = lm::Doc { vocabulary: vocabulary.clone(), lines: true };
                model.task = TaskDoc::Lm(doc).to_value()?;
            }
            World::Prefixes(vocabulary) => {
                let doc = classify::Doc {
                    classes: vocabulary.tokens().to_vec(),
                    input: classify::Kind::Text { vocabulary: vocabulary.clone(), text: None },
                    label: None,
                    temperature: 1.0,
                };
                model.task = TaskDoc::Classify(doc).to_value()?;
            }
            World::Adding(_) | World::Copying(_) => {}
        }
        Ok(model)
    }
}

/// What examples are drawn from.
#[derive(Debug)]
enum World {
    /// Sentences of the built-in corpus, of which each next word is wanted.
    Sentences(Vocabulary),
    /// The same, every beginning of a sentence for itself: for a network that has one output after it has read all.
    Prefixes(Vocabulary),
    Adding(usize),
    Copying(usize),
}

impl World {
    fn new(training: &Training) -> Outcome<World> {
        // All words of the grammar are in so many sentences.
        let words =
            || Vocabulary::build(&corpus::text(&corpus::generate(0, 5000)), Unit::Word, true, None, 1);
        Ok(match (training.problem, training.length.unwrap_or(1)) {
            (Problem::Distance, _) if training.cell == Cell::FeedForward => World::Prefixes(words()?),
            (Problem::Distance, _) => World::Sentences(words()?),
            (Problem::Adding, length) => World::Adding(length),
            (Problem::Copying, delay) => World::Copying(delay),
        })
    }

    /// `n` new examples, and the loss of whoever knows everything but what had to be remembered.
    fn draw(&self, n: usize, rng: &mut Rng) -> gimbap::Result<(Dataset<f32>, f64)> {
        Ok(match self {
            World::Sentences(v) | World::Prefixes(v) => {
                let sentences = corpus::generate(rng.bits(), n);
                let lines: Vec<Vec<u32>> = sentences.iter().map(|s| v.encode_line(&s.text)).collect();
                let data = match self {
                    World::Prefixes(_) => prefixes(&lines)?,
                    _ => lm::line_dataset(&lines)?,
                };
                (data, forgetful(&sentences))
            }
            World::Adding(length) => (adding(*length, n, rng)?, ADDING_CHANCE),
            World::Copying(delay) => (copying(*delay, n, rng)?, copying_chance(*delay)),
        })
    }

    /// The part that a model gets right, by distance; of a problem with one length, for that.
    fn accuracy(&self, model: &Model, test: &Dataset<f32>, seed: u64) -> Outcome<Vec<(usize, f64)>> {
        match self {
            World::Sentences(vocabulary) | World::Prefixes(vocabulary) => {
                by_distance(model, vocabulary, seed)
            }
            World::Adding(length) => {
                let RowTargets::Values { values, .. } = test.targets() else { return Ok(Vec::new()) };
                let sums = model.predict(test.inputs())?;
                let right = sums.iter().zip(values).map(|(y, sum)| (y - sum).abs() < NEAR);
                Ok(vec![(*length, part(right))])
            }
            World::Copying(delay) => {
                let RowTargets::Classes(wanted) = test.targets() else { return Ok(Vec::new()) };
                let (steps, outputs) = (delay + 2 * COPIED, model.predict(test.inputs())?);
                let rows = outputs.rows().into_iter().zip(wanted).enumerate();
                let late = rows.filter(|(row, _)| row % steps >= steps - COPIED);
                Ok(vec![(*delay, part(late.map(|(_, (y, &class))| largest(&y.to_vec()) == class as usize)))])
            }
        }
    }
}

/// The part of languages that a model names right, by the number of words since the country: a model with an output for
/// each word, or one with an output after the last.
pub fn by_distance(model: &Model, vocabulary: &Vocabulary, seed: u64) -> Outcome<Vec<(usize, f64)>> {
    let accuracy = |&distance: &usize| -> Outcome<(usize, f64)> {
        let sentences = corpus::distance_sentences(seed.wrapping_add(1), distance, PER_DISTANCE)?;
        let (mut inputs, mut places, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for sentence in &sentences {
            let (ids, at) = (vocabulary.encode_line(&sentence.text), sentence.language_index.unwrap_or(0));
            places.push(at);
            wanted.push(ids[at] as usize);
            inputs.push(ids);
        }
        let each = model.describe()?.last().is_some_and(|(_, _, output, _)| output.has_steps());
        let inputs: Vec<Vec<u32>> = inputs
            .iter()
            .zip(&places)
            .map(|(ids, &at)| if each { lm::shifted(ids) } else { ids[..at].to_vec() })
            .collect();
        let outputs = model.predict(&inputs)?;
        let right = outputs.outer_iter().zip(&places).zip(&wanted).map(|((output, &at), &wanted)| {
            let row: Vec<f32> = match each {
                true => output.index_axis(Axis(0), at).iter().copied().collect(),
                false => output.iter().copied().collect(),
            };
            largest(&row) == wanted
        });
        Ok((distance, part(right)))
    };
    DISTANCES.iter().map(accuracy).collect()
}

/// Every beginning of a line, the empty one included, with the token that follows it.
fn prefixes(lines: &[Vec<u32>]) -> gimbap::Result<Dataset<f32>> {
    let inputs: Vec<Vec<u32>> =
        lines.iter().flat_map(|line| (0..line.len()).map(|n| line[..n].to_vec())).collect();
    let inputs: Sequences<f32> = Sequences::from(&inputs);
    Dataset::new(inputs, Targets::per_sequence(RowTargets::Classes(lines.concat())))
}

/// The loss a token of whoever knows the grammar, but guesses the language.
fn forgetful(sentences: &[Sentence]) -> f64 {
    let guess = (COUNTRIES.len() as f64).ln();
    let losses = sentences.iter().map(|s| if s.distance.is_some() { guess } else { 0.0 } - s.logprob);
    let tokens: usize = sentences.iter().map(Sentence::tokens).sum();
    losses.sum::<f64>() / tokens.max(1) as f64
}

fn part(right: impl Iterator<Item = bool>) -> f64 {
    let (n, k) = right.fold((0, 0), |(n, k), right| (n + 1, k + usize::from(right)));
    f64::from(k as u32) / f64::from(n.max(1) as u32)
}

/// New examples for every step, the same for the same seed.
struct Endless<'a> {
    world: &'a World,
    seed: u64,
    batches: usize,
}

impl BatchSource<f32> for Endless<'_> {
    fn batches(&self, _epoch: usize) -> usize {
        self.batches
    }

    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<f32>>> {
        let step = (epoch * self.batches + index) as u64;
        let (data, _) = self.world.draw(BATCH, &mut keyed(self.seed, u64::MAX, 2, step))?;
        Ok(Cow::Owned(Batch::of(&data, &(0..data.len()).collect::<Vec<_>>())))
    }

    fn targets(&self) -> usize {
        self.batches * BATCH
    }
}
