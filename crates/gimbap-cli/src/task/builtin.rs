//! The built-in corpus: a language model whose best possible perplexity is known, and the long-term dependency made
//! visible.
//!
//! Its sentences stand for themselves, so each is a sequence of its own that starts from the zero state.

use gimbap::bptt::Bptt;
use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::corpus::{self, MAX_DISTANCE, Sentence};
use gimbap::data::dataset::Dataset;
use gimbap::data::text::{CLOSING_ID, Unit, Vocabulary};
use gimbap::layer::Dense;
use gimbap::loss::Loss;
use gimbap::metric::calibration::largest;
use gimbap::model::{Evaluation, Input, Model};
use gimbap::rng::keyed;
use gimbap::train::{EarlyStopping, Fit, Flow};
use ndarray::Axis;
use serde_json::{Map, Value, json};

use super::lm::shifted;
use super::{Report, TaskDoc, Work, figures, lm, number, plain_figures, sequential};
use crate::config::{Config, Tokens};
use crate::lm::judge::Judge;
use crate::lm::writer::Writer;
use crate::output::{Failure, Out, Outcome, table, thousands};
use crate::sample::{Choice, Sampler};

/// Sentences to learn from, and to be measured on.
const SENTENCES: usize = 12_000;
const HELD_OUT: usize = 1_000;
/// The distances of the table, and sentences for each.
const DISTANCES: [usize; 8] = [2, 4, 6, 8, 12, 16, 20, MAX_DISTANCE];
const PER_DISTANCE: usize = 200;
/// The cells of the table.
const CELLS: [(&str, &str); 3] = [("simple_rnn", "SimpleRNN"), ("lstm", "LSTM"), ("gru", "GRU")];
/// Sentences written at the end.
const SAMPLES: usize = 5;

/// The built-in corpus's work.
#[derive(Debug)]
pub struct Builtin {
    config: Config,
    vocabulary: Vocabulary,
    train: Dataset<f32>,
    valid: Dataset<f32>,
    held_out: Vec<Sentence>,
}

impl Builtin {
    /// Makes the sentences.
    pub fn open(config: &Config) -> Outcome<Self> {
        let unit = config.data.unit.unwrap_or(Unit::Word);
        if unit != Unit::Word {
            return Err(Failure::usage("config", "the built-in corpus is one of words: data.unit is `word`"));
        }
        if matches!(config.data.vocab, Some(Tokens::List(_))) {
            return Err(Failure::usage(
                "config",
                "the built-in corpus has its own words: data.vocab is a number",
            ));
        }
        let mut sentences = corpus::generate(config.train.seed, SENTENCES + HELD_OUT);
        let held_out = sentences.split_off(SENTENCES);
        let text = corpus::text(&sentences);
        let vocabulary = Vocabulary::build(&text, unit, true, config.limit(), 1)?;
        Ok(Builtin {
            train: dataset(&vocabulary, &sentences)?,
            valid: dataset(&vocabulary, &held_out)?,
            held_out,
            vocabulary,
            config: config.clone(),
        })
    }

    /// The same network with another cell.
    fn with_cell(&self, cell: &str) -> Config {
        let mut config = self.config.clone();
        let recurrent = |kind: &str| CELLS.iter().any(|(name, _)| *name == kind);
        config.layer.iter_mut().filter(|l| recurrent(&l.kind)).for_each(|l| l.kind = cell.into());
        config
    }

    fn model_of(&self, config: &Config) -> Outcome<Model> {
        let v = self.vocabulary.len();
        let layers = sequential(config, Input::ids(v), Dense::new(v))?;
        let loss = Loss::SparseCategoricalCrossentropy;
        let metrics = lm::metrics(config, self.vocabulary.unit());
        let model = layers.compile(config.train.optimizer.clone(), loss, metrics)?;
        let mut model = model.reduction(config.train.loss_reduction.unwrap_or_default());
        model.task = TaskDoc::Lm(lm::Doc { vocabulary: self.vocabulary.clone(), lines: true }).to_value()?;
        Ok(model)
    }

    fn samples(&self, model: &Model) -> Outcome<Vec<String>> {
        let rng = keyed(self.config.train.seed, 0, 0, 0);
        let mut sampler = Sampler::new(Choice::default(), rng, &[]);
        let mut samples = Vec::new();
        for _ in 0..SAMPLES {
            let mut writer = Writer::new(model, true, &[])?;
            let mut ids = Vec::new();
            while ids.len() < 60 {
                match writer.next(&mut sampler)? {
                    CLOSING_ID => break,
                    id => ids.push(id),
                }
            }
            samples.push(self.vocabulary.decode(&ids));
        }
        Ok(samples)
    }
}

/// The part of languages that a model names right, by the number of words since the country: a model with an output for
/// each word, or one with an output after the last.
pub fn by_distance(model: &Model, vocabulary: &Vocabulary, seed: u64) -> Outcome<Vec<(usize, f64)>> {
    let each = model.describe()?.last().is_some_and(|(_, _, output, _)| output.has_steps());
    let accuracy = |&distance: &usize| -> Outcome<(usize, f64)> {
        let sentences = corpus::distance_sentences(seed.wrapping_add(1), distance, PER_DISTANCE)?;
        let (mut inputs, mut places, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for sentence in &sentences {
            let (ids, at) = (vocabulary.encode_line(&sentence.text), sentence.language_index.unwrap_or(0));
            places.push(at);
            wanted.push(ids[at] as usize);
            inputs.push(ids);
        }
        let inputs: Vec<Vec<u32>> = inputs
            .iter()
            .zip(&places)
            .map(|(ids, &at)| if each { shifted(ids) } else { ids[..at].to_vec() })
            .collect();
        let outputs = model.predict(&inputs)?;
        let right = outputs.outer_iter().zip(&places).zip(&wanted).map(|((output, &at), &wanted)| {
            let row: Vec<f32> = match each {
                true => output.index_axis(Axis(0), at).iter().copied().collect(),
                false => output.iter().copied().collect(),
            };
            largest(&row) == wanted
        });
        Ok((distance, right.filter(|right| *right).count() as f64 / sentences.len() as f64))
    };
    DISTANCES.iter().map(accuracy).collect()
}

fn dataset(vocabulary: &Vocabulary, sentences: &[Sentence]) -> Outcome<Dataset<f32>> {
    let lines: Vec<Vec<u32>> = sentences.iter().map(|s| vocabulary.encode_line(&s.text)).collect();
    Ok(lm::line_dataset(&lines)?)
}

impl Work for Builtin {
    fn model(&self) -> Outcome<Model> {
        self.model_of(&self.config)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        Ok(Box::new(Shuffled::new(&self.train, train.batch, train.shuffle.then_some(train.seed), false)?))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        Ok(Some(Box::new(Shuffled::new(&self.valid, 32, None, false)?)))
    }

    fn unit(&self) -> &'static str {
        "tokens"
    }

    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        let mut metrics = figures([("loss", evaluation.loss), ("perplexity", evaluation.loss.exp())]);
        metrics.extend(plain_figures(evaluation));
        metrics
    }

    fn report(&self, model: &Model, out: &Out) -> Outcome<Report> {
        let evaluation = model.evaluate_data(&self.valid, 32)?;
        let (perplexity, best) = (evaluation.loss.exp(), corpus::perplexity(&self.held_out));

        let pair = ["no pain no gain", "no pain spooky red"];
        let judged = Judge::new(&self.vocabulary, model)?.judge(pair.map(String::from).to_vec())?;
        let [said, unsaid] = [0, 1].map(|line| judged[line].sum().logprob);

        out.log("training the other cells, for the table of distances");
        let mut accuracy = Map::new();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (cell, name) in CELLS {
            let config = self.with_cell(cell);
            let accuracies = |model: &Model| by_distance(model, &self.vocabulary, self.config.train.seed);
            let found = if config == self.config {
                accuracies(model)?
            } else {
                let mut other = self.model_of(&config)?;
                let (train, valid) = (self.train()?, self.valid()?);
                other.fit_on(&*train, valid.as_deref(), &fit(&config), &mut |_| Flow::Continue)?;
                accuracies(&other)?
            };
            let percent = |(_, x): &(usize, f64)| format!("{:.0} %", 100.0 * x);
            rows.push([name.to_string()].into_iter().chain(found.iter().map(percent)).collect());
            let cells = found.iter().map(|(distance, x)| (distance.to_string(), number(*x)));
            accuracy.insert(cell.into(), Value::Object(cells.collect()));
        }
        let header: Vec<String> = DISTANCES.iter().map(usize::to_string).collect();
        let header: Vec<&str> =
            ["words between"].into_iter().chain(header.iter().map(String::as_str)).collect();

        let text = format!(
            "perplexity on {} held-out tokens: {perplexity:.3}; the best any model could reach: {best:.3}\n\n\
             sentences it makes up:\n{}\n\n\
             p(\"{}\") = {:.1e}, p(\"{}\") = {:.1e}: {:.0} times likelier\n\n\
             how often the language is right, by the number of words since the country:\n{}",
            thousands(evaluation.rows),
            self.samples(model)?.iter().map(|s| format!("  {s}")).collect::<Vec<_>>().join("\n"),
            pair[0],
            said.exp(),
            pair[1],
            unsaid.exp(),
            (said - unsaid).exp(),
            table(&header, &rows),
        );
        let metrics = self.figures(&evaluation);
        let beside = json!({
            "perplexity": perplexity,
            "best_possible_perplexity": best,
            "distance_accuracy": accuracy,
            "logprob": {pair[0]: said, pair[1]: unsaid},
        });
        let Value::Object(beside) = beside else { unreachable!("an object was just made") };
        Ok(Report { metrics, beside, text, ..Report::default() })
    }

    fn card(&self) -> Vec<(String, String)> {
        let row = |k: &str, v: String| (k.to_string(), v);
        vec![
            row("corpus", "the built-in one, made from the seed".into()),
            row("sentences to train on", thousands(self.train.len())),
            row("sentences held out", thousands(self.valid.len())),
            row("vocabulary", thousands(self.vocabulary.len())),
        ]
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        vec![
            format!("{gimbap} generate {model} --prompt 'mina grew up in' -n 20"),
            format!("printf 'no pain no gain\\nno pain spooky red\\n' | {gimbap} score {model} --rank"),
            format!("{gimbap} new lm > lm.toml   # then: {gimbap} train lm.toml --data YOUR_TEXT"),
        ]
    }
}

/// How the other cells are trained: as the first, the best epoch's weights included, without a trace on disk.
fn fit(config: &Config) -> Fit {
    Fit {
        epochs: config.train.epochs,
        early_stopping: Some(EarlyStopping {
            patience: config.train.patience.unwrap_or(usize::MAX),
            ..EarlyStopping::default()
        }),
        seed: config.train.seed,
        bptt: config.train.bptt.map_or(Bptt::Full, |back| back.0),
        clip_norm: config.train.clip_norm,
        clip_value: config.train.clip_value,
        schedule: config.train.schedule.unwrap_or_default(),
        average: config.train.average,
        ..Fit::default()
    }
}
