//! What examples are drawn from: sentences of the built-in corpus, sums, copies.

use std::borrow::Cow;

use gimbap::data::batch::{Batch, BatchSource};
use gimbap::data::corpus::{self, Grammar};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::memory::{ADDING_CHANCE, COPIED, adding, copying, copying_chance};
use gimbap::data::text::{Unit, Vocabulary};
use gimbap::loss::RowTargets;
use gimbap::metric::calibration::largest;
use gimbap::model::Model;
use gimbap::rng::{Rng, keyed};

use super::Training;
use crate::args::{Cell, Problem};
use crate::output::Outcome;
use crate::task::builtin::by_distance;
use crate::task::lm;

/// Examples of a step.
pub const BATCH: usize = 32;
/// How near a sum has to come: half of what Hochreiter and Schmidhuber (1997) allow, whose target is half the sum.
const NEAR: f32 = 0.04;

/// The random streams of a training's examples; stream 0 of this epoch is that of the initial weights.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// To choose the weights.
    Valid = 3,
    /// To measure them.
    Test = 1,
    /// To learn from.
    Train = 2,
}

impl Part {
    /// A stream of it.
    pub fn rng(self, seed: u64, stream: u64) -> Rng {
        keyed(seed, u64::MAX, self as u64, stream)
    }
}

/// What examples are drawn from.
#[derive(Debug)]
pub enum World {
    /// Sentences of the built-in corpus, of which each next word is wanted.
    Sentences(Grammar, Vocabulary),
    /// The same, every beginning of a sentence for itself: for a network that has one output after it has read all.
    Prefixes(Grammar, Vocabulary),
    Adding(usize),
    Copying(usize),
}

impl World {
    /// Of a training.
    pub fn new(training: &Training) -> Outcome<World> {
        // All words of the grammar are in so many sentences.
        let grammar = training.grammar;
        let words =
            || Vocabulary::build(&corpus::text(&grammar.generate(0, 5000)), Unit::Word, true, None, 1);
        Ok(match (training.problem, training.length.unwrap_or(1)) {
            (Problem::Distance, _) if training.cell == Cell::FeedForward => {
                World::Prefixes(grammar, words()?)
            }
            (Problem::Distance, _) => World::Sentences(grammar, words()?),
            (Problem::Adding, length) => World::Adding(length),
            (Problem::Copying, delay) => World::Copying(delay),
        })
    }

    /// `n` new examples to learn from.
    pub fn draw(&self, n: usize, rng: &mut Rng) -> gimbap::Result<Dataset<f32>> {
        Ok(match self {
            World::Sentences(grammar, v) | World::Prefixes(grammar, v) => {
                let sentences = grammar.generate(rng.bits(), n);
                let lines: Vec<Vec<u32>> = sentences.iter().map(|s| v.encode_line(&s.text)).collect();
                match self {
                    World::Prefixes(..) => prefixes(&lines)?,
                    _ => lm::line_dataset(&lines)?,
                }
            }
            World::Adding(length) => adding(*length, n, rng)?,
            World::Copying(delay) => copying(*delay, n, rng)?,
        })
    }

    /// Examples to be measured on, drawn as those to learn from; and the loss of whoever knows everything but what had to
    /// be remembered. Of sentences what had to be remembered alone is measured, the language: the loss of all words tells
    /// more of the grammar than of memory, and someone who knew that by heart and guessed the language would have a lower one
    /// than a network that names every language.
    pub fn measure(&self, n: usize, rng: &mut Rng) -> gimbap::Result<(Dataset<f32>, f64)> {
        let (grammar, v) = match self {
            World::Adding(_) => return Ok((self.draw(n, rng)?, ADDING_CHANCE)),
            World::Copying(delay) => return Ok((self.draw(n, rng)?, copying_chance(*delay))),
            World::Sentences(grammar, v) | World::Prefixes(grammar, v) => (grammar, v),
        };
        let sentences = grammar.generate(rng.bits(), n);
        let told = sentences.iter().filter_map(|s| Some((v.encode_line(&s.text), s.language_index?)));
        let (lines, places): (Vec<Vec<u32>>, Vec<usize>) = told.unzip();
        let data = match self {
            World::Prefixes(..) => {
                let both = || lines.iter().zip(&places);
                let inputs: Vec<Vec<u32>> = both().map(|(line, &at)| line[..at].to_vec()).collect();
                let languages = both().map(|(line, &at)| line[at]).collect();
                let inputs: Sequences<f32> = Sequences::from(&inputs);
                Dataset::new(inputs, Targets::per_sequence(RowTargets::Classes(languages)))?
            }
            _ => {
                let counts =
                    lines.iter().zip(&places).flat_map(|(line, &at)| (0..line.len()).map(move |t| t == at));
                lm::line_dataset(&lines)?.mask(counts.collect())?
            }
        };
        Ok((data, (grammar.countries().len() as f64).ln()))
    }

    /// The part that a model gets right, by distance; of a problem with one length, for that.
    pub fn accuracy(&self, model: &Model, test: &Dataset<f32>, seed: u64) -> Outcome<Vec<(usize, f64)>> {
        match self {
            World::Sentences(grammar, vocabulary) | World::Prefixes(grammar, vocabulary) => {
                by_distance(model, *grammar, vocabulary, seed)
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

/// Every beginning of a line, the empty one included, with the token that follows it.
fn prefixes(lines: &[Vec<u32>]) -> gimbap::Result<Dataset<f32>> {
    let inputs: Vec<Vec<u32>> =
        lines.iter().flat_map(|line| (0..line.len()).map(|n| line[..n].to_vec())).collect();
    let inputs: Sequences<f32> = Sequences::from(&inputs).allow_empty();
    Dataset::new(inputs, Targets::per_sequence(RowTargets::Classes(lines.concat())))
}

fn part(right: impl Iterator<Item = bool>) -> f64 {
    let (n, k) = right.fold((0, 0), |(n, k), right| (n + 1, k + usize::from(right)));
    f64::from(k as u32) / f64::from(n.max(1) as u32)
}

/// New examples for every step, the same for the same seed.
#[derive(Debug)]
pub struct Endless<'a> {
    pub world: &'a World,
    pub seed: u64,
    /// Of an epoch.
    pub batches: usize,
}

impl BatchSource<f32> for Endless<'_> {
    fn batches(&self, _epoch: usize) -> usize {
        self.batches
    }

    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<f32>>> {
        let step = (epoch * self.batches + index) as u64;
        let data = self.world.draw(BATCH, &mut Part::Train.rng(self.seed, step))?;
        Ok(Cow::Owned(Batch::of(&data, &(0..data.len()).collect::<Vec<_>>())))
    }

    fn targets(&self) -> usize {
        self.batches * BATCH
    }
}

#[cfg(test)]
mod tests {
    use gimbap::prelude::{Adam, Dense, Input, Loss, OneHot, Pool, Sequential};

    use super::*;

    /// A network that says the same of everything: its last layer's bias.
    fn constant(input: Input, bias: &[f32], each: bool, loss: Loss) -> Model {
        let mut layers = Sequential::new(input);
        if matches!(input, Input::Ids(_)) {
            layers = layers.add(OneHot);
        }
        if !each {
            layers = layers.add(Pool::Last);
        }
        let mut model = layers.add(Dense::new(bias.len())).compile(Adam::new(0.1), loss, []).unwrap();
        let values = model.values_mut();
        values.fill(0.0);
        let at = values.len() - bias.len();
        values[at..].copy_from_slice(bias);
        model
    }

    #[test]
    fn only_the_symbols_count_in_copying() {
        let world = World::Copying(3);
        let (data, chance) = world.measure(50, &mut Part::Test.rng(1, 3)).unwrap();
        let RowTargets::Classes(wanted) = data.targets() else { panic!("classes") };
        let mut says = [0.0; 9];
        for class in [0, 5] {
            says.fill(0.0);
            says[class] = 1.0;
            let part = wanted.chunks_exact(23).flat_map(|w| &w[13..]).filter(|w| **w == class as u32).count();
            let model = constant(Input::ids(10), &says, true, Loss::Mse);
            let found = world.accuracy(&model, &data, 1).unwrap();
            assert_eq!(found, [(3, part as f64 / 500.0)]);
            assert_eq!(part == 0, class == 0);
        }
        assert!((chance - 10.0 * 8f64.ln() / 23.0).abs() < 1e-12);
    }

    #[test]
    fn sums_are_right_within_four_hundredths() {
        let world = World::Adding(4);
        let data = world.draw(300, &mut Part::Test.rng(1, 4)).unwrap();
        let RowTargets::Values { values, .. } = data.targets() else { panic!("values") };
        let near = values.iter().filter(|sum| (*sum - 1.0).abs() < 0.04).count();
        let found =
            world.accuracy(&constant(Input::features(2), &[1.0], false, Loss::Mse), &data, 1).unwrap();
        assert_eq!(found, [(4, near as f64 / 300.0)]);
        assert!(near > 0);
    }

    #[test]
    fn parts_have_random_numbers_of_their_own() {
        let first = |part: Part| part.rng(7, 1).bits();
        let weights = keyed(7, u64::MAX, 0, 1).bits();
        assert_ne!(first(Part::Valid), first(Part::Test));
        assert_ne!(first(Part::Test), first(Part::Train));
        assert_ne!(first(Part::Valid), weights);
    }

    #[test]
    fn whoever_guesses_the_language_has_the_loss_by_chance() {
        for grammar in [Grammar::English, Grammar::Korean] {
            let words = corpus::text(&grammar.generate(0, 5000));
            let words = || Vocabulary::build(&words, Unit::Word, true, None, 1).unwrap();
            // Languages are as likely as each other, and nothing else is said.
            let mut says = vec![-30.0; words().len()];
            for (_, language) in grammar.countries() {
                says[words().id(language).unwrap() as usize] = 0.0;
            }
            for (world, each) in
                [(World::Sentences(grammar, words()), true), (World::Prefixes(grammar, words()), false)]
            {
                let (data, chance) = world.measure(60, &mut Part::Test.rng(1, 0)).unwrap();
                let loss = Loss::SparseCategoricalCrossentropy;
                let model = constant(Input::ids(words().len()), &says, each, loss);
                let loss = model.evaluate_data(&data, 8).unwrap().loss;
                assert!((loss - chance).abs() < 1e-4, "{loss} and {chance}");
            }
        }
    }
}
