//! Language models: a text, its tokens, and the next token after each.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use gimbap::bptt::Bptt;
use gimbap::data::batch::{Batch, BatchSource, TokenStream};
use gimbap::data::dataset::{Dataset, Sequences, Targets};
use gimbap::data::source::TextSource;
use gimbap::data::text::{CLOSING_ID, UNKNOWN_ID, Unit, Vocabulary};
use gimbap::data::tokens::{Tokens, TokensWriter};
use gimbap::layer::Dense;
use gimbap::loss::{Loss, RowTargets};
use gimbap::metric::Metric;
use gimbap::model::{Evaluation, Input, Model};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Report, TRY, TaskDoc, Work, begin_at, card_of, data_path, figures, line_of, number, plain_figures,
    sequential, short, vocabulary,
};
use crate::args::Unknown;
use crate::config::{Config, Held};
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
    tokens: Tokens,
    /// Tokens of the text itself, without what was put before it.
    own: usize,
    /// Characters, as the model sees them.
    chars: u64,
    /// Tokens that are not in the vocabulary.
    unknown: usize,
    /// The loss of the training text's frequencies, if it was measured.
    order_0: Option<f64>,
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
    frequencies: Frequencies,
    /// What was left to the data.
    chosen: Option<String>,
}

impl Lm {
    /// Reads the texts; ids for which memory is too small go into `scratch`.
    pub fn open(config: &Config, scratch: &Path) -> Outcome<Self> {
        let path = data_path(config)?;
        let mut config = config.clone();
        let unit = *config.data.unit.get_or_insert(Unit::Char);
        let lines = config.data.lines.unwrap_or(false);
        let cut_at_lines = lines || matches!(unit, Unit::Word | Unit::Subword);
        let mut text = TextSource::open(path)?;
        let chars = text.chars();
        let of_text = |held: Option<Held>| held.and_then(|held| held.of_text(chars));
        (config.data.test, config.data.valid) = (of_text(config.data.test), of_text(config.data.valid));
        let mut held = |held: &Option<Held>| -> Outcome<Option<TextSource>> {
            Ok(match held {
                None | Some(Held::Auto) => None,
                Some(Held::Path(path)) => Some(TextSource::open(path)?),
                Some(Held::Fraction(fraction)) => Some(text.split_off(*fraction, cut_at_lines)?),
            })
        };
        // Off the end first what is tested last.
        let (test, valid) = (held(&config.data.test)?, held(&config.data.valid)?);
        config.settle_tokens(text.chars(), different(&text, unit)?);
        let vocabulary = vocabulary(&config, path, |counter| {
            let mut pieces = text.pieces();
            while let Some(piece) = pieces.next()? {
                counter.add(piece);
            }
            Ok(())
        })?;
        let held = |text: Option<TextSource>| {
            text.map(|text| Part::read(&vocabulary, &text, true, lines, scratch)).transpose()
        };
        let mut lm = Lm {
            train: Part::read(&vocabulary, &text, false, lines, scratch)?,
            valid: held(valid)?,
            test: held(test)?,
            card: card_of(path, text.hash()),
            vocabulary,
            frequencies: Frequencies { counts: Vec::new() },
            chosen: None,
            config,
        };
        lm.chosen = lm.config.settle_text(lm.train.tokens.len());
        lm.check_length(path)?;
        lm.frequencies = Frequencies::of(&lm.train.tokens, lm.vocabulary.len())?;
        for part in [&mut lm.valid, &mut lm.test].into_iter().flatten() {
            part.order_0 = Some(lm.frequencies.loss(&part.tokens)?);
        }
        Ok(lm)
    }

    fn check_length(&self, path: &Path) -> Outcome {
        let (k1, _) = segment(&self.config);
        let (n, batch) = (self.train.tokens.len(), self.config.train.batch());
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
            if part.as_ref().is_some_and(|part| part.own == 0) {
                let message = format!("{key}: has no token, so nothing can be predicted: give more");
                return Err(Failure::work("data", message));
            }
        }
        Ok(())
    }

    /// The batches of a part, in segments of so many steps.
    fn stream(&self, part: &Part, streams: usize, k1: usize, k2: usize) -> Outcome<TokenStream> {
        let stream = TokenStream::new(part.tokens.clone(), streams, k1, k2)?;
        Ok(if self.config.data.lines.unwrap_or(false) { stream.lines() } else { stream })
    }
}

impl Part {
    /// Encodes a text piece by piece: behind a closing mark if every token is to be predicted, and with one at its end if
    /// it is of lines.
    fn read(
        vocabulary: &Vocabulary,
        text: &TextSource,
        measured: bool,
        lines: bool,
        scratch: &Path,
    ) -> Outcome<Part> {
        let mut writer = TokensWriter::new(vocabulary.len(), scratch);
        let before = usize::from(measured);
        writer.push(&[CLOSING_ID][..before])?;
        let (mut encoder, mut pieces) = (vocabulary.encoder(), text.pieces());
        let (mut ids, mut unknown, mut last) = (Vec::new(), 0, CLOSING_ID);
        let mut take = |ids: &mut Vec<u32>| {
            unknown += Vocabulary::unknowns(ids);
            last = ids.last().copied().unwrap_or(last);
            let taken = writer.push(ids);
            ids.clear();
            taken
        };
        while let Some(piece) = pieces.next()? {
            encoder.push(piece, &mut ids);
            take(&mut ids)?;
        }
        let chars = encoder.chars();
        encoder.finish(&mut ids);
        take(&mut ids)?;
        if lines && last != CLOSING_ID {
            writer.push(&[CLOSING_ID])?;
        }
        let tokens = writer.finish()?;
        Ok(Part { own: tokens.len() - before, tokens, chars, unknown, order_0: None })
    }

    /// Figures of a mean loss in nats. What an unknown token was is not predicted, so where there is one, the characters
    /// are more than those that were.
    fn figures(&self, loss: f64) -> Map<String, Value> {
        let mut metrics = figures([("loss", loss), ("perplexity", loss.exp())]);
        if self.unknown == 0 {
            let bits = loss / std::f64::consts::LN_2 * self.own as f64 / self.chars.max(1) as f64;
            metrics.insert("bits_per_character".into(), number(bits));
        }
        metrics
    }

    /// What was measured beside.
    fn with_metrics(&self, evaluation: &Evaluation) -> Map<String, Value> {
        let mut metrics = self.figures(evaluation.loss);
        for (name, figure) in plain_figures(evaluation) {
            if name != "bits_per_character" {
                metrics.entry(name).or_insert(figure);
            }
        }
        metrics
    }
}

/// How many characters of a text differ, where it is to be cut into subwords, which begin with them.
fn different(text: &TextSource, unit: Unit) -> Outcome<usize> {
    let mut seen = HashSet::new();
    if unit == Unit::Subword {
        let mut pieces = text.pieces();
        while let Some(piece) = pieces.next()? {
            seen.extend(piece.chars());
        }
    }
    Ok(seen.len())
}

/// How frequent each token of a text is: the order-0 model, which every other should beat. Each counts once more than it was
/// seen, so that none is impossible.
#[derive(Debug)]
struct Frequencies {
    counts: Vec<u64>,
}

impl Frequencies {
    fn of(tokens: &Tokens, vocabulary: usize) -> Outcome<Self> {
        let mut counts = vec![0; vocabulary];
        each(tokens, 0, |id| counts[id as usize] += 1)?;
        Ok(Frequencies { counts })
    }

    /// The mean loss on a text behind its closing mark.
    fn loss(&self, tokens: &Tokens) -> Outcome<f64> {
        let all = (self.counts.iter().sum::<u64>() + self.counts.len() as u64) as f64;
        let logs: Vec<f64> = self.counts.iter().map(|&n| ((n + 1) as f64 / all).ln()).collect();
        let mut sum = 0.0;
        each(tokens, 1, |id| sum -= logs[id as usize])?;
        Ok(sum / tokens.len().saturating_sub(1).max(1) as f64)
    }
}

/// Walks through tokens from one on.
fn each(tokens: &Tokens, from: usize, mut visit: impl FnMut(u32)) -> Outcome {
    const AT_ONCE: usize = 1 << 16;
    let mut ids = Vec::new();
    for start in (from..tokens.len()).step_by(AT_ONCE) {
        ids.clear();
        tokens.read(start..(start + AT_ONCE).min(tokens.len()), &mut ids)?;
        ids.iter().for_each(|&id| visit(id));
    }
    Ok(())
}

/// Steps of a segment, and steps that a gradient flows back.
fn segment(config: &Config) -> (usize, usize) {
    match config.train.bptt.map(|back| back.0) {
        Some(Bptt::Truncated { k1, k2 }) => (k1, k2),
        _ => (MEASURED, MEASURED),
    }
}

/// What a model measures itself, so that the library's logs have it, and then what the config asks for.
pub fn metrics(config: &Config, unit: Unit) -> Vec<Metric> {
    let own = [Metric::Perplexity, Metric::BitsPerCharacter];
    let asked = config.train.metrics.iter().copied().filter(|metric| !own.contains(metric));
    // The library's bits are those of a token, which only among characters is one.
    own.into_iter().take(if unit == Unit::Char { 2 } else { 1 }).chain(asked).collect()
}

/// Streams in which a text of `tokens` is measured while a model learns: few, so that little of it is read without its
/// past.
fn streams_meanwhile(tokens: usize) -> usize {
    (tokens / 2000).clamp(1, 32)
}

/// Streams in which a text is measured at last: one, so that every token is predicted from all that stands before it; of
/// more than a million tokens one for each million, up to 32.
fn streams_at_last(tokens: usize) -> usize {
    tokens.div_ceil(1 << 20).clamp(1, 32)
}

/// Steps of a segment where a text is measured.
const MEASURED: usize = 100;

/// What a model sees where it should say `ids`: the closing mark, then all but the last.
pub fn shifted(ids: &[u32]) -> Vec<u32> {
    let before = ids.split_last().map_or(&[][..], |(_, before)| before);
    [&[CLOSING_ID], before].concat()
}

/// Lines as sequences of their own.
pub fn line_dataset(lines: &[Vec<u32>]) -> gimbap::Result<Dataset<f32>> {
    let inputs: Vec<Vec<u32>> = lines.iter().map(|ids| shifted(ids)).collect();
    let targets = Targets::per_step(RowTargets::Classes(lines.concat()));
    Dataset::new(Sequences::from(&inputs), targets)
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

/// Measures a model on a text, from the zero state on; one of lines anew in each line, as `gimbap score --total` does
/// (but for what streams of more than a million tokens cut). Tells the perplexity with and without
/// unknown tokens; the other figures are of the tokens that count.
pub fn evaluate(doc: &Doc, model: &Model, path: &Path, unknown: Unknown) -> Outcome<Report> {
    let text = TextSource::open(path)?;
    let scratch = std::env::current_dir().unwrap_or_else(|_| std::env::temp_dir());
    let part = Part::read(&doc.vocabulary, &text, true, doc.lines, &scratch)?;
    if part.own == 0 {
        let message = format!("{}: has no token, so nothing can be predicted", path.display());
        return Err(Failure::work("data", message));
    }
    let streams = streams_at_last(part.tokens.len());
    let stream = TokenStream::new(part.tokens.clone(), streams, MEASURED, MEASURED)?;
    let source = if doc.lines { stream.lines() } else { stream };
    let all = model.evaluate_on(&source)?;
    let without = match part.unknown {
        0 => all.clone(),
        _ => model.evaluate_on(&Known(source))?,
    };
    let mut metrics = match unknown {
        Unknown::Count => part.figures(all.loss),
        Unknown::Exclude if without.rows == 0 => {
            let message = format!("{}: no token to predict is in the vocabulary", path.display());
            return Err(Failure::work("data", message));
        }
        // How many characters the tokens that count have is not known.
        Unknown::Exclude => figures([("loss", without.loss), ("perplexity", without.loss.exp())]),
    };
    let rows = if unknown == Unknown::Count { all.rows } else { without.rows };
    metrics.insert("tokens".into(), rows.into());
    metrics.insert("unknown_tokens".into(), part.unknown.into());
    let mut text = line_of(&metrics);
    let of = |e: &Evaluation| if e.rows == 0 { Value::Null } else { number(e.loss.exp()) };
    metrics.insert("perplexity_with_unknown".into(), of(&all));
    metrics.insert("perplexity_without_unknown".into(), of(&without));
    if part.unknown > 0 {
        text = line_of(&metrics);
    }
    Ok(Report { metrics, text, ..Report::default() })
}

impl Work for Lm {
    fn config(&self) -> &Config {
        &self.config
    }

    fn model(&self) -> Outcome<Model> {
        let v = self.vocabulary.len();
        let layers = sequential(&self.config, Input::ids(v), Dense::new(v))?;
        let loss = Loss::SparseCategoricalCrossentropy;
        let metrics = metrics(&self.config, self.vocabulary.unit());
        let mut model = layers.compile(self.config.train.optimizer.clone(), loss, metrics)?;
        model = model.reduction(self.config.train.loss_reduction.unwrap_or_default());
        let doc = Doc { vocabulary: self.vocabulary.clone(), lines: self.config.data.lines.unwrap_or(false) };
        model.task = TaskDoc::Lm(doc).to_value()?;
        begin_at(&mut model, &self.config, &self.frequencies.counts)?;
        Ok(model)
    }

    fn train(&self) -> Outcome<Box<dyn BatchSource<f32> + '_>> {
        let (k1, k2) = segment(&self.config);
        let train = &self.config.train;
        let stream = self.stream(&self.train, train.batch(), k1, k2)?;
        Ok(Box::new(if train.jitter { stream.jitter(train.seed)? } else { stream }))
    }

    fn valid(&self) -> Outcome<Option<Box<dyn BatchSource<f32> + '_>>> {
        let Some(part) = &self.valid else { return Ok(None) };
        let streams = streams_meanwhile(part.tokens.len());
        Ok(Some(Box::new(self.stream(part, streams, MEASURED, MEASURED)?)))
    }

    fn unit(&self) -> &'static str {
        match self.vocabulary.unit() {
            Unit::Byte => "bytes",
            Unit::Char => "characters",
            _ => "tokens",
        }
    }

    fn figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        self.train.with_metrics(evaluation)
    }

    fn valid_figures(&self, evaluation: &Evaluation) -> Map<String, Value> {
        self.valid.as_ref().unwrap_or(&self.train).with_metrics(evaluation)
    }

    fn report(&self, model: &Model, _: &Out) -> Outcome<Report> {
        let mut report = Report::default();
        for (name, part) in [("validation", &self.valid), ("test", &self.test)] {
            let Some(part) = part else { continue };
            let streams = streams_at_last(part.tokens.len());
            let evaluation = model.evaluate_on(&self.stream(part, streams, MEASURED, MEASURED)?)?;
            let mut metrics = part.figures(evaluation.loss);
            metrics.insert("tokens".into(), evaluation.rows.into());
            metrics.insert("unknown_tokens".into(), part.unknown.into());
            let order_0 = part.order_0.unwrap_or(f64::NAN);
            metrics.insert("order_0_loss".into(), number(order_0));
            report.add(name, metrics);
            if name == "validation" && evaluation.loss > 0.99 * order_0 {
                report.doubt(&format!(
                    "the model is hardly better than the frequencies of the tokens, which know of no order (loss {}): {TRY}, or \
                     more text",
                    short(order_0)
                ));
            }
        }
        Ok(report)
    }

    fn notes(&self) -> Vec<String> {
        let parts = [
            ("training", Some(&self.train)),
            ("validation", self.valid.as_ref()),
            ("test", self.test.as_ref()),
        ];
        let with_unknown =
            parts.into_iter().filter_map(|(name, part)| Some((name, part.filter(|p| p.unknown > 0)?)));
        let note = |(name, part): (&str, &Part)| {
            let (unknown, all) = (part.unknown, part.own);
            let share = 100.0 * unknown as f64 / all as f64;
            let doubt = if unknown > all / 2 { ": is it this text's vocabulary?" } else { "" };
            let (unknown, all) = (thousands(unknown), thousands(all));
            format!("{name} text: {unknown} of {all} tokens ({share:.1} %) are `<unk>`{doubt}")
        };
        let order_0 = self.valid.as_ref().and_then(|part| part.order_0);
        let to_beat = order_0.map(|loss| {
            format!("to beat: loss {}, of the frequencies of the tokens alone (order 0)", short(loss))
        });
        self.chosen.iter().cloned().chain(with_unknown.map(note)).chain(to_beat).collect()
    }

    fn card(&self) -> Vec<(String, String)> {
        let mut card = self.card.clone();
        let amount = |tokens: usize, unknown: usize| match unknown {
            0 => thousands(tokens),
            n => format!("{}, {} of them unknown", thousands(tokens), thousands(n)),
        };
        let train = &self.train;
        card.push((format!("{} to train on", self.unit()), amount(train.own, train.unknown)));
        if let Some(valid) = &self.valid {
            card.push((format!("{} held out", self.unit()), amount(valid.own, valid.unknown)));
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
