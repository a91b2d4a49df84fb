//! Language models: a text, its tokens, and the next token after each.

use std::borrow::Cow;
use std::path::Path;

use gimbap::bptt::Bptt;
use gimbap::data::batch::{Batch, BatchSource, TokenStream};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::read::read_text_or_folder;
use gimbap::data::text::{CLOSING_ID, UNKNOWN_ID, Unit, Vocabulary};
use gimbap::layer::Dense;
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::Metric;
use gimbap::model::{Evaluation, Input, Model};
use gimbap::score::Scorer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Report, TaskDoc, Work, card_of, data_path, figures, line_of, number, plain_figures, sequential,
    vocabulary,
};
use crate::args::Unknown;
use crate::config::{Config, Held};
use crate::lm::judge::Sum;
use crate::output::{Failure, Out, Outcome, thousands};

/// What a language model keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Doc {
    /// Its tokens.
    pub vocabulary: Vocabulary,
    /// Whether it learned lines that stand for themselves, each from the zero state, and not a running text.
    #[serde(default)]
    pub lines: bool,
}

/// A text as ids.
#[derive(Debug)]
struct Part {
    ids: Vec<u32>,
    /// Characters per token.
    chars: f64,
}

/// A language model's work.
#[derive(Debug)]
pub struct Lm {
    config: Config,
    vocabulary: Vocabulary,
    train: Part,
    valid: Option<Part>,
    test: Option<Part>,
    card: Vec<(String, String)>,
}

/// The segment of a config without `train.bptt`.
const SEGMENT: usize = 35;

impl Lm {
    /// Reads the texts.
    pub fn open(config: &Config) -> Outcome<Self> {
        let path = data_path(config)?;
        let unit = config.vocabulary().unit;
        let mut text = read_text_or_folder(path)?;
        let mut held = |held: &Option<Held>| -> Outcome<Option<String>> {
            Ok(match held {
                None => None,
                Some(Held::Path(path)) => Some(read_text_or_folder(path)?),
                Some(Held::Fraction(fraction)) => Some(text.split_off(cut(&text, *fraction, unit))),
            })
        };
        // Off the end first what is tested last.
        let (test, valid) = (held(&config.data.test)?, held(&config.data.valid)?);
        let vocabulary = vocabulary(config, &text, path)?;
        let part = |text: String| Part::new(&vocabulary, &text);
        let lm = Lm {
            train: part(text),
            valid: valid.map(part),
            test: test.map(part),
            card: card_of(path)?,
            vocabulary,
            config: config.clone(),
        };
        lm.check_length(path)?;
        Ok(lm)
    }

    fn check_length(&self, path: &Path) -> Outcome {
        let (k1, _) = segment(&self.config);
        let (n, batch) = (self.train.ids.len(), self.config.train.batch);
        if n.saturating_sub(1) / batch < k1 {
            return Err(Failure::work(
                "data",
                format!(
                    "{}: the training part has {} tokens: {} for each of the {batch} streams of train.batch, fewer \
                     than one segment of {k1} (train.bptt): lower train.batch or train.bptt, or give more text",
                    path.display(),
                    thousands(n),
                    thousands(n.saturating_sub(1) / batch),
                ),
            ));
        }
        for (key, part) in [("data.valid", &self.valid), ("data.test", &self.test)] {
            if part.as_ref().is_some_and(|p| p.ids.len() < 2) {
                let message =
                    format!("{key}: has fewer than two tokens, so nothing can be predicted: give more");
                return Err(Failure::work("data", message));
            }
        }
        Ok(())
    }
}

impl Part {
    fn new(vocabulary: &Vocabulary, text: &str) -> Part {
        let ids = vocabulary.encode(text);
        let chars = text.chars().count() as f64 / ids.len().max(1) as f64;
        Part { ids, chars }
    }
}

/// Steps of a segment, and steps that a gradient flows back.
fn segment(config: &Config) -> (usize, usize) {
    match config.train.bptt.map(|back| back.0) {
        Some(Bptt::Truncated { k1, k2 }) => (k1, k2),
        _ => (SEGMENT, SEGMENT),
    }
}

/// Where the last `fraction` of a text begins: at a character, or among words and subwords at the start of a line if
/// there is one near.
fn cut(text: &str, fraction: f64, unit: Unit) -> usize {
    let n = text.chars().count();
    let keep = ((n as f64) * (1.0 - fraction)).round() as usize;
    let at = text.char_indices().nth(keep).map_or(text.len(), |(at, _)| at);
    if !matches!(unit, Unit::Word | Unit::Subword) {
        return at;
    }
    let after =
        |mark: fn(char) -> bool| text[at..].find(mark).map(|i| at + i + 1).filter(|&i| i < text.len());
    after(|c| c == '\n')
        .or_else(|| text[..at].rfind('\n').map(|i| i + 1))
        .or_else(|| after(char::is_whitespace))
        .unwrap_or(at)
}

/// Figures of a mean loss in nats.
fn from_loss(evaluation: &Evaluation, chars: f64) -> Map<String, Value> {
    let loss = evaluation.loss;
    figures([
        ("loss", loss),
        ("perplexity", loss.exp()),
        ("bits_per_character", loss / std::f64::consts::LN_2 / chars),
    ])
}

/// What a model measures itself, so that the library's logs have it, and then what the config asks for.
pub fn metrics(config: &Config, unit: Unit) -> Vec<Metric> {
    let own = [Metric::Perplexity, Metric::BitsPerCharacter];
    let asked = config.train.metrics.iter().copied().filter(|metric| !own.contains(metric));
    // The library's bits are those of a token, which only among characters is one.
    own.into_iter().take(if unit == Unit::Char { 2 } else { 1 }).chain(asked).collect()
}

/// The batches in which a text is measured: few streams, so that little of it is read without its past.
fn measuring(ids: &[u32]) -> Outcome<TokenStream> {
    let streams = (ids.len() / 2000).clamp(1, 32);
    Ok(TokenStream::new(ids.to_vec(), streams, 100, 100)?)
}

/// What a model sees where it should say `ids`: the closing mark, then all but the last.
pub fn shifted(ids: &[u32]) -> Vec<u32> {
    let before = ids.split_last().map_or(&[][..], |(_, before)| before);
    [&[CLOSING_ID], before].concat()
}

/// Lines as sequences of their own.
pub fn line_dataset(lines: &[Vec<u32>]) -> Outcome<Dataset<f32>> {
    let inputs: Vec<Vec<u32>> = lines.iter().map(|ids| shifted(ids)).collect();
    let targets = Targets::per_step(RowTargets::Classes(lines.concat()));
    Ok(Dataset::new(Sequences::from(&inputs), targets)?)
}

/// The batches of a text without the losses of its unknown tokens, which are read all the same.
struct Known(TokenStream);

/// Which tokens count.
fn known(ids: &[u32]) -> Vec<bool> {
    ids.iter().map(|&id| id != UNKNOWN_ID).collect()
}

impl BatchSource<f32> for Known {
    fn batches(&self, epoch: usize) -> usize {
        BatchSource::<f32>::batches(&self.0, epoch)
    }

    fn batch(&self, epoch: usize, index: usize) -> gimbap::Result<Cow<'_, Batch<f32>>> {
        let mut batch = self.0.batch(epoch, index)?.into_owned();
        if let RowTargets::Classes(ids) = &batch.targets {
            batch.mask = Some(known(ids));
        }
        Ok(Cow::Owned(batch))
    }

    fn targets(&self) -> usize {
        BatchSource::<f32>::targets(&self.0)
    }
}

/// Measures a model on a text: one of lines as `gimbap score --total` does. Tells the perplexity with and without
/// unknown tokens; the other figures are of the tokens that count.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path, unknown: Unknown) -> Outcome<Report> {
    let text = read_text_or_folder(path)?;
    let (all, without, chars, unknowns) = if doc.lines {
        let lines: Vec<&str> = text.lines().collect();
        let ids: Vec<Vec<u32>> = lines.iter().map(|line| doc.vocabulary.encode_line(line)).collect();
        let logprobs = Scorer::new(model)?.log_probs(CLOSING_ID, &ids)?;
        let sum = Sum::of(ids.iter().flatten().zip(logprobs.iter().flatten()));
        let mean = |(logprob, rows): (f64, usize)| Evaluation {
            loss: -logprob / rows as f64,
            rows,
            ..Evaluation::default()
        };
        let (all, without, unknowns) = (mean(sum.all()), mean(sum.known()), sum.unknown);
        // The closing mark stands for the line's end.
        let chars: usize = lines.iter().map(|line| line.chars().count() + 1).sum();
        let chars = chars as f64 / all.rows.max(1) as f64;
        (all, without, chars, unknowns)
    } else {
        let part = Part::new(&doc.vocabulary, &text);
        let source = measuring(&part.ids).map_err(|_| {
            Failure::work(
                "data",
                format!("{}: has fewer than two tokens, so nothing can be predicted", path.display()),
            )
        })?;
        let all = model.evaluate_on(&source)?;
        let unknowns = Vocabulary::unknowns(&part.ids);
        let without = match unknowns {
            0 => all.clone(),
            _ => model.evaluate_on(&Known(source))?,
        };
        (all, without, part.chars, unknowns)
    };
    let mut metrics = match unknown {
        Unknown::Count => from_loss(&all, chars),
        Unknown::Exclude if without.rows == 0 => {
            let message = format!("{}: no token to predict is in the vocabulary", path.display());
            return Err(Failure::work("data", message));
        }
        // How many characters the tokens that count have is not known.
        Unknown::Exclude => figures([("loss", without.loss), ("perplexity", without.loss.exp())]),
    };
    let rows = if unknown == Unknown::Count { all.rows } else { without.rows };
    metrics.insert("tokens".into(), rows.into());
    metrics.insert("unknown_tokens".into(), unknowns.into());
    let mut text = line_of(&metrics);
    let of = |e: &Evaluation| if e.rows == 0 { Value::Null } else { number(e.loss.exp()) };
    metrics.insert("perplexity_with_unknown".into(), of(&all));
    metrics.insert("perplexity_without_unknown".into(), of(&without));
    if unknowns > 0 {
        text = line_of(&metrics);
    }
    Ok(Report { metrics, text, ..Report::default() })
}

impl Work for Lm {
    fn model(&self) -> Outcome<Model> {
        let v = self.vocabulary.len();
        let layers = sequential(&self.config, Input::ids(v), Dense::new(v))?;
        let loss = Loss::SparseCategoricalCrossentropy;
        let metrics = metrics(&self.config, self.vocabulary.unit());
        let mut model = layers.compile(self.config.train.optimizer.clone(), loss, metrics)?;
        model = model.reduction(self.config.train.loss_reduction.unwrap_or_default());
        model.task = TaskDoc::Lm(Doc { vocabulary: self.vocabulary.clone(), lines: false }).to_value()?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let (k1, k2) = segment(&self.config);
        let train = &self.config.train;
        let stream = TokenStream::new(self.train.ids.clone(), train.batch, k1, k2)?;
        Ok(Box::new(if train.jitter { stream.jitter(train.seed)? } else { stream }))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        let Some(part) = &self.valid else { return Ok(None) };
        Ok(Some(Box::new(measuring(&part.ids)?)))
    }

    fn unit(&self) -> &'static str {
        match self.vocabulary.unit() {
            Unit::Byte => "bytes",
            Unit::Char => "characters",
            _ => "tokens",
        }
    }

    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        let mut metrics = from_loss(evaluation, self.train.chars);
        for (name, figure) in plain_figures(evaluation) {
            metrics.entry(name).or_insert(figure);
        }
        metrics
    }

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let measure = |part: &Part| -> Outcome<Map<String, Value>> {
            let evaluation = model.evaluate_on(&measuring(&part.ids)?)?;
            let mut metrics = from_loss(&evaluation, part.chars);
            metrics.insert("tokens".into(), evaluation.rows.into());
            Ok(metrics)
        };
        let mut report = Report::default();
        for (name, part) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(part) = part else { continue };
            report.add(name, measure(part)?);
        }
        Ok(report)
    }

    fn card(&self) -> Vec<(String, String)> {
        let mut card = self.card.clone();
        card.push((format!("{} to train on", self.unit()), thousands(self.train.ids.len())));
        if let Some(valid) = &self.valid {
            card.push((format!("{} held out", self.unit()), thousands(valid.ids.len())));
        }
        card.push(("vocabulary".into(), thousands(self.vocabulary.len())));
        card
    }

    fn next(&self, gimbap: &str, model: &str) -> Vec<String> {
        vec![
            format!("{gimbap} generate {model} -n 200 --temperature 0.8"),
            format!("{gimbap} eval {model} other.txt"),
            format!("{gimbap} score {model} sentences.txt --rank"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character_or_at_a_line() {
        for unit in [Unit::Byte, Unit::Char, Unit::Jamo] {
            assert_eq!(cut("한글로 쓴 글", 0.5, unit), "한글로".len() + 1);
        }
        for unit in [Unit::Word, Unit::Subword] {
            assert_eq!(cut("a b c\nd e f\ng h\n", 0.4, unit), "a b c\nd e f\n".len());
        }
        assert_eq!(cut("a b c d", 0.5, Unit::Word), 6);
        assert_eq!(cut("abcdefgh", 0.5, Unit::Word), 4);
    }
}
