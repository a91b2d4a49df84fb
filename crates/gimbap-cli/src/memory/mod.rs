//! How far back networks remember: the same small network with each cell, on problems whose answer stands far behind.

pub mod picture;
pub mod published;
mod world;

use std::time::Instant;

use gimbap::data::batch::Shuffled;
use gimbap::data::corpus::Grammar;
use gimbap::data::memory::{MARK, SYMBOLS};
use gimbap::init::Initializer;
use gimbap::layer::LayerSpec;
use gimbap::prelude::{
    Activation, Adam, Dense, EarlyStopping, Embedding, Fit, Gru, Input, Loss, Lstm, Model, OneHot, Pool,
    Schedule, Sequential, SimpleRnn,
};
use gimbap::train::{Ended, Event, Flow};
use serde::Serialize;

use crate::args::{Cell, Language, Problem, typed};
use crate::interrupt;
use crate::output::{Failure, Out, Outcome};
use crate::progress::Progress;
use crate::task::examples::{Kind, Reading};
use crate::task::{TaskDoc, classify, lm};
use world::{BATCH, Endless, Part, World};

/// Examples for the choice of the best weights, and for a measurement.
const VALID: usize = 500;
const TEST: usize = 400;
/// At most so often in a training the weights are looked at.
const LOOKS: usize = 20;
/// The gradient's norm is scaled down to this.
const CLIP: f64 = 1.0;
/// The numbers of a word's vector.
const VECTOR: usize = 32;

impl Problem {
    /// As it is typed.
    pub fn name(self) -> String {
        typed(self)
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
    pub fn loss(self, lang: Language) -> &'static str {
        match self {
            Problem::Adding => lang.say("mean squared error", "평균 제곱 오차"),
            Problem::Copying => lang.say("cross-entropy", "교차 엔트로피"),
            Problem::Distance => lang.say("cross-entropy of the language", "언어 단어의 교차 엔트로피"),
        }
    }

    /// What it is called.
    pub fn title(self, lang: Language) -> &'static str {
        match self {
            Problem::Distance => lang.say("distance", "거리"),
            Problem::Adding => lang.say("adding", "덧셈"),
            Problem::Copying => lang.say("copying", "복사"),
        }
    }
}

impl Cell {
    /// As it is typed.
    pub fn name(self) -> String {
        typed(self)
    }

    /// As people write it.
    pub fn title(self, lang: Language) -> &'static str {
        match self {
            Cell::SimpleRnn => "SimpleRNN",
            Cell::Irnn => "IRNN",
            Cell::Lstm => "LSTM",
            Cell::Gru => "GRU",
            Cell::FeedForward => lang.say("feed-forward", "순방향 신경망"),
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Training {
    pub problem: Problem,
    pub cell: Cell,
    /// Whose sentences are read, where they are.
    pub grammar: Grammar,
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
    pub problem: Problem,
    pub cell: Cell,
    pub length: Option<usize>,
    /// What trains and measures this one alone, to the same bits.
    pub command: String,
    pub seed: u64,
    pub steps: usize,
    pub parameters: usize,
    pub seconds: f64,
    /// On new examples, of sentences that of the language word; None if the training diverged.
    pub loss: Option<f64>,
    /// On the same, that of whoever knows everything but what had to be remembered.
    pub chance: f64,
    /// The part that is right, by distance or length.
    pub accuracy: Vec<(usize, f64)>,
    /// The loss on the examples that choose the weights, by the steps so far.
    pub curve: Vec<(usize, f64)>,
    /// The file in the folder, of a training that did not diverge.
    pub model: Option<String>,
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
        let lang = match (problem, self.grammar) {
            (Problem::Distance, Grammar::Korean) => " --lang ko",
            _ => "",
        };
        format!(
            "gimbap memory --problem {} --cell {}{length} --units {units} --steps {steps} --rate {rate} --seed {seed}{lang}",
            problem.name(),
            cell.name()
        )
    }

    /// What its progress is called.
    pub fn title(&self, lang: Language) -> String {
        let length = self.length.map(|length| format!(" {length}")).unwrap_or_default();
        format!("{}{length}, {}", self.problem.title(lang), self.cell.title(lang))
    }

    /// Trains and measures. What diverges is recorded without a model.
    pub fn run(&self, lang: Language, out: &Out) -> Outcome<(Option<Model>, Found)> {
        let started = Instant::now();
        let world = World::new(self)?;
        let mut model = self.model(&world)?;
        // As many looks as divide the steps.
        let epochs = (1..=LOOKS).rev().find(|looks| self.steps.is_multiple_of(*looks)).unwrap_or(1);
        let source = Endless { world: &world, seed: self.seed, batches: self.steps / epochs };
        let stream = self.length.unwrap_or(0) as u64;
        let valid = world.draw(VALID, &mut Part::Valid.rng(self.seed, stream))?;
        let fit = Fit {
            epochs,
            seed: self.seed,
            clip_norm: Some(CLIP),
            schedule: Schedule::Cosine {
                warmup: self.steps as u64 / 15,
                total: self.steps as u64,
                floor: 0.05,
            },
            early_stopping: Some(EarlyStopping { patience: usize::MAX, ..EarlyStopping::default() }),
            ..Fit::default()
        };
        let mut bar = Progress::new(out, self.title(lang), self.steps as u64, lang.say("steps", "스텝"));
        let mut curve = Vec::new();
        let mut observe = |event: Event<'_>| {
            match event {
                Event::Step { epoch, batch, loss, .. } => {
                    bar.at((epoch * source.batches + batch) as u64, || {
                        format!("{} {loss:.4}", lang.say("loss", "손실"))
                    });
                }
                Event::Epoch(epoch) => {
                    let loss = epoch.valid.as_ref().map_or(f64::NAN, |valid| valid.loss);
                    curve.push(((epoch.epoch + 1) * source.batches, loss));
                }
            }
            if interrupt::asked() { Flow::Stop } else { Flow::Continue }
        };
        let valid = Shuffled::new(&valid, BATCH, None, false)?;
        let trained = {
            let _graceful = interrupt::graceful();
            model.fit_on(&source, Some(&valid), &fit, &mut observe)
        };
        bar.finish();
        let (test, chance) = world.measure(TEST, &mut Part::Test.rng(self.seed, stream))?;
        let mut found = Found {
            problem: self.problem,
            cell: self.cell,
            length: self.length,
            command: self.command(),
            seed: self.seed,
            steps: self.steps,
            parameters: model.values().len(),
            seconds: 0.0,
            loss: None,
            chance,
            accuracy: Vec::new(),
            curve,
            model: None,
        };
        match trained {
            Ok(history) if history.ended == Ended::Interrupted => {
                return Err(Failure::interrupted("stopped"));
            }
            Ok(_) => {
                found.loss = Some(model.evaluate_data(&test, BATCH)?.loss);
                found.accuracy = world.accuracy(&model, &test, self.seed)?;
                found.model = Some(self.file());
            }
            Err(gimbap::Error::NotFinite { .. }) => {}
            Err(other) => return Err(other.into()),
        }
        found.seconds = started.elapsed().as_secs_f64();
        Ok((found.model.is_some().then_some(model), found))
    }

    fn model(&self, world: &World) -> Outcome<Model> {
        let crossentropy = Loss::SparseCategoricalCrossentropy;
        let each = self.problem != Problem::Adding && self.cell != Cell::FeedForward;
        let (input, first, outputs, loss): (Input, Option<LayerSpec>, usize, Loss) = match world {
            World::Sentences(_, v) | World::Prefixes(_, v) => (
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
            World::Prefixes(..) => head.activation(Activation::Softmax),
            _ => head,
        };
        let layers = first.into_iter().chain(self.cell.layers(self.units, each));
        let model = layers.fold(Sequential::new(input).seed(self.seed), Sequential::add);
        let mut model = model.add(softmax(Dense::new(outputs))).compile(Adam::new(self.rate), loss, [])?;
        match world {
            World::Sentences(_, vocabulary) => {
                let doc = lm::Doc { vocabulary: vocabulary.clone(), lines: true };
                model.task = TaskDoc::Lm(doc).to_value()?;
            }
            World::Prefixes(_, vocabulary) => {
                let input = Kind::Text { vocabulary: vocabulary.clone(), text: None };
                let reading = Reading { input, label: None, header: None, separator: None };
                let classes = vocabulary.tokens().to_vec();
                let doc = classify::Doc { classes, reading, temperature: 1.0, usual: None };
                model.task = TaskDoc::Classify(doc).to_value()?;
            }
            World::Adding(_) | World::Copying(_) => {}
        }
        Ok(model)
    }
}
