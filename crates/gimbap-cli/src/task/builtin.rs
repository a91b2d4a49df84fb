//! The built-in corpora: a language model whose best possible perplexity is known, and the long-term dependency made
//! visible.
//!
//! Its sentences stand for themselves, so each is a sequence of its own that starts from the zero state.

use gimbap::data::batch::{BatchSource, Shuffled};
use gimbap::data::corpus::{self, Grammar, Sentence};
use gimbap::data::dataset::Dataset;
use gimbap::data::text::{CLOSING_ID, Unit, Vocabulary};
use gimbap::layer::Dense;
use gimbap::loss::Loss;
use gimbap::metric::calibration::largest;
use gimbap::model::{Evaluation, Input, Model};
use gimbap::rng::keyed;
use ndarray::Axis;
use serde_json::{Map, Value, json};

use super::lm::shifted;
use super::{Report, TaskDoc, Work, figures, is_recurrent, lm, number, plain_figures, sequential};
use crate::args::Language;
use crate::config::{Config, Tokens};
use crate::lm::judge::Judge;
use crate::lm::writer::Writer;
use crate::output::{Failure, Out, Outcome, table, thousands};
use crate::sample::{Choice, Sampler};

/// Sentences to learn from, and to be measured on.
const SENTENCES: usize = 12_000;
const HELD_OUT: usize = 1_000;
/// The distances of the table, before the greatest, and sentences for each.
const DISTANCES: [usize; 7] = [2, 4, 6, 8, 12, 16, 20];
const PER_DISTANCE: usize = 200;
/// Sentences written at the end.
const SAMPLES: usize = 5;

/// The built-in corpus's work.
#[derive(Debug)]
pub struct Builtin {
    config: Config,
    grammar: Grammar,
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
        let grammar = config.builtin().unwrap_or(Grammar::English);
        let mut sentences = grammar.generate(config.train.seed, SENTENCES + HELD_OUT);
        let held_out = sentences.split_off(SENTENCES);
        let text = corpus::text(&sentences);
        let vocabulary = Vocabulary::build(&text, unit, true, config.limit(), 1)?;
        Ok(Builtin {
            train: dataset(&vocabulary, &sentences)?,
            valid: dataset(&vocabulary, &held_out)?,
            held_out,
            vocabulary,
            grammar,
            config: config.clone(),
        })
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
pub fn by_distance(
    model: &Model,
    grammar: Grammar,
    vocabulary: &Vocabulary,
    seed: u64,
) -> Outcome<Vec<(usize, f64)>> {
    let each = model.describe()?.last().is_some_and(|(_, _, output, _)| output.has_steps());
    let accuracy = |distance: usize| -> Outcome<(usize, f64)> {
        let sentences = grammar.distance_sentences(seed.wrapping_add(1), distance, PER_DISTANCE)?;
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
    DISTANCES.into_iter().chain([grammar.max_distance()]).map(accuracy).collect()
}

fn dataset(vocabulary: &Vocabulary, sentences: &[Sentence]) -> Outcome<Dataset<f32>> {
    let lines: Vec<Vec<u32>> = sentences.iter().map(|s| vocabulary.encode_line(&s.text)).collect();
    Ok(lm::line_dataset(&lines)?)
}

impl Work for Builtin {
    fn config(&self) -> &Config {
        &self.config
    }

    fn model(&self) -> Outcome<Model> {
        let (config, v) = (&self.config, self.vocabulary.len());
        let layers = sequential(config, Input::ids(v), Dense::new(v))?;
        let loss = Loss::SparseCategoricalCrossentropy;
        let metrics = lm::metrics(config, self.vocabulary.unit());
        let model = layers.compile(config.train.optimizer.clone(), loss, metrics)?;
        let mut model = model.reduction(config.train.loss_reduction.unwrap_or_default());
        model.task = TaskDoc::Lm(lm::Doc { vocabulary: self.vocabulary.clone(), lines: true }).to_value()?;
        Ok(model)
    }

    fn lang(&self) -> Language {
        match self.grammar {
            Grammar::English => Language::En,
            Grammar::Korean => Language::Ko,
        }
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let train = &self.config.train;
        Ok(Box::new(Shuffled::new(&self.train, train.batch(), train.shuffle.then_some(train.seed), false)?))
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

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let evaluation = model.evaluate_data(&self.valid, 32)?;
        let (perplexity, best) = (evaluation.loss.exp(), corpus::perplexity(&self.held_out));
        let lang = self.lang();

        let pair = pair(lang);
        let judged = Judge::new(&self.vocabulary, model)?.judge(pair.map(String::from).to_vec())?;
        let [said, unsaid] = [0, 1].map(|line| judged[line].sum().logprob);

        let found = by_distance(model, self.grammar, &self.vocabulary, self.config.train.seed)?;
        let header: Vec<String> = found.iter().map(|(distance, _)| distance.to_string()).collect();
        let header: Vec<&str> = [lang.say("words between", "사이의 단어 수")]
            .into_iter()
            .chain(header.iter().map(String::as_str))
            .collect();
        let percent = |(_, x): &(usize, f64)| format!("{:.0}%", 100.0 * x);
        let right = lang.say("right", "정답률").to_string();
        let row = [right].into_iter().chain(found.iter().map(percent)).collect();
        let cells: Map<String, Value> =
            found.iter().map(|(distance, x)| (distance.to_string(), number(*x))).collect();

        let samples: Vec<String> = self.samples(model)?.iter().map(|s| format!("  {s}")).collect();
        let (rows, samples) = (thousands(evaluation.rows), samples.join("\n"));
        let [first, second] = pair;
        let [p, q] = [said.exp(), unsaid.exp()];
        let times = significant((said - unsaid).exp());
        let distances = table(&header, &[row]);
        let text = match lang {
            Language::En => format!(
                "perplexity on {rows} held-out tokens: {perplexity:.3}; the best any model could reach: {best:.3}\n\n\
                 sentences it makes up:\n{samples}\n\n\
                 p(\"{first}\") = {p:.1e}, p(\"{second}\") = {q:.1e}: {times} times likelier\n\n\
                 how often the language is right, by the number of words since the country:\n{distances}"
            ),
            Language::Ko => format!(
                "검증용으로 따로 떼어 둔 토큰 {rows}개의 퍼플렉서티: {perplexity:.3} (이론상 최솟값: {best:.3})\n\n\
                 모델이 생성한 문장:\n{samples}\n\n\
                 p(\"{first}\") = {p:.1e}, p(\"{second}\") = {q:.1e}: 확률이 {times}배 높음\n\n\
                 나라와 언어 사이의 단어 수에 따른 정답률:\n{distances}"
            ),
        };
        let metrics = self.figures(&evaluation);
        let cell =
            self.config.layer.iter().rfind(|layer| is_recurrent(layer)).map_or("none", |layer| &layer.kind);
        let beside = json!({
            "perplexity": perplexity,
            "best_possible_perplexity": best,
            "distance_accuracy": {cell: cells},
            "logprob": {first: said, second: unsaid},
        });
        let Value::Object(beside) = beside else { unreachable!("an object was just made") };
        Ok(Report { metrics, beside, text, ..Report::default() })
    }

    fn card(&self) -> Vec<(String, String)> {
        let row = |k: &str, v: String| (k.to_string(), v);
        vec![
            row("corpus", "a built-in one, made from the seed".into()),
            row("sentences to train on", thousands(self.train.len())),
            row("sentences held out", thousands(self.valid.len())),
            row("vocabulary", thousands(self.vocabulary.len())),
        ]
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        let lang = self.lang();
        let [first, second] = pair(lang);
        let prompt = lang.say("mina grew up in", "민아는 한국에서");
        let wrong = lang.say("What time is it?", "지금 몇 시예요?");
        let flag = lang.say("", " --lang ko");
        let sum = lang.say("king - man + woman", "왕은 - 남자는 + 여자는");
        vec![
            format!("{gimbap} generate {model} --prompt '{prompt}' -n 20"),
            format!("printf '{first}\\n{second}\\n' | {gimbap} score {model} --rank"),
            format!("{gimbap} analogy {model} {sum}"),
            format!("{gimbap} explain {model} --text '{wrong}' -o report.html{flag}"),
            format!("{gimbap} memory --problem distance{flag}"),
        ]
    }
}

/// A proverb, and what nobody says.
fn pair(lang: Language) -> [&'static str; 2] {
    lang.say(
        ["No pain no gain.", "No pain spooky red."],
        ["고통 없이는 얻는 것도 없다.", "고통 없이는 으스스한 빨간."],
    )
}

/// A large number in words that can be read: with commas, or as a power of ten.
fn significant(x: f64) -> String {
    if x < 1e6 { thousands(x.round() as usize) } else { format!("{x:.1e}") }
}
