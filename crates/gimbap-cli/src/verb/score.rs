//! `gimbap score MODEL`: how probable sentences are.

mod nbest;

use std::fmt::Write;
use std::time::Duration;

use gimbap::data::text::Vocabulary;
use serde_json::{Value, json};

use crate::args::{By, Language, Score, Unknown};
use crate::input::{self, Ahead};
use crate::lm::judge::{Judge, Judged, Sum, perplexity, shown};
use crate::lm::unknown::{self, Strangers};
use crate::model_file::open_lm;
use crate::output::{Failure, Out, Outcome, thousands, write_stdout};
use crate::task::lm::Doc;
use crate::task::{number, probability, short};

/// Lines read and judged together, where so many are there.
const AT_ONCE: usize = 4096;
/// Before a text of unknown words is refused, or its first lines are answered, how long more is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Judges every line.
pub fn run(args: &Score, out: &Out) -> Outcome {
    if (args.rank || args.nbest) && args.unknown == Unknown::Exclude {
        let message = "--unknown exclude: with --rank or --nbest the tokens passed over would cost nothing, and lines \
                       full of them would come first: --unknown-penalty NATS says what each of them costs";
        return Err(Failure::usage("usage", message));
    }
    let (model, doc) = open_lm(&args.model, "score")?;
    let judge = Judge::new(&doc.vocabulary, &model)?;
    match args {
        Score { nbest: true, .. } => nbest::run(args, &doc.vocabulary, judge, out),
        Score { rank: true, .. } => rank(args, &doc, judge, out),
        Score { total: true, .. } => total(args, &doc, judge, out),
        _ => each(args, &doc, judge, out),
    }
}

/// Judges the lines of the input, as many at once as there are; `see` gets them in order, once their unknown words are
/// named. Nothing is judged where the model knows none of their words.
fn judged(
    args: &Score,
    vocabulary: &Vocabulary,
    mut judge: Judge<'_>,
    out: &Out,
    mut see: impl FnMut(Vec<Judged>) -> Outcome,
) -> Outcome {
    let mut lines = Ahead::open(&args.input, AT_ONCE)?;
    let mut strangers = Strangers::default();
    let mut some = lines.read()?;
    // Whoever talks with this program line by line waits for an answer: the rest is waited for a moment, no longer.
    while unknown::say_nothing(vocabulary, some.iter().map(String::as_str)) {
        let Some(more) = lines.read_within(PATIENCE) else { break };
        let more = more?;
        if more.is_empty() || some.len() >= AT_ONCE {
            let what = input::name(&args.input);
            return Err(unknown::nothing_known(
                vocabulary,
                &what,
                some.iter().map(String::as_str),
                Language::En,
            ));
        }
        some.extend(more);
    }
    while !some.is_empty() {
        let judged = judge.judge(some)?;
        let own = |line: &Judged| line.ids.len() - 1;
        strangers.meet(vocabulary, judged.iter().map(|l| (l.text.as_str(), &l.ids[..own(l)])), out);
        see(judged)?;
        some = lines.read()?;
    }
    strangers.sum_up(out);
    Ok(())
}

fn nothing(args: &Score) -> Failure {
    Failure::work("data", format!("{}: holds no sentence to score", input::name(&args.input)))
}

/// Every line as it comes, in memory that does not grow.
fn each(args: &Score, doc: &Doc, judge: Judge<'_>, out: &Out) -> Outcome {
    let mut records = Records::new(args, doc, out);
    judged(args, &doc.vocabulary, judge, out, |lines| {
        lines.iter().for_each(|line| records.add(line, None));
        records.tell()
    })?;
    if records.told { Ok(()) } else { Err(nothing(args)) }
}

/// All lines that are not blank, best first; what an unknown token costs counts in their order and their probabilities
/// alone.
fn rank(args: &Score, doc: &Doc, judge: Judge<'_>, out: &Out) -> Outcome {
    let mut all: Vec<(Judged, Sum)> = Vec::new();
    judged(args, &doc.vocabulary, judge, out, |lines| {
        all.extend(lines.into_iter().filter(|line| !line.text.trim().is_empty()).map(|line| {
            let sum = line.sum();
            (line, sum)
        }));
        Ok(())
    })?;
    let penalised = |(_, sum): &(Judged, Sum)| sum.logprob - args.penalty() * sum.unknown as f64;
    let logprobs: Vec<f64> = all.iter().map(penalised).collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    let probabilities = among(&logprobs);
    let key = |i: usize| match args.by {
        Some(By::Token) => logprobs[i] / all[i].1.tokens as f64,
        _ => logprobs[i],
    };
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    let mut records = Records::new(args, doc, out);
    order.iter().for_each(|&i| records.add(&all[i].0, Some(probabilities[i])));
    if all.is_empty() { Err(nothing(args)) } else { records.tell() }
}

/// The probabilities of some things of which these are the log-probabilities, if it is one of them.
fn among(logprobs: &[f64]) -> Vec<f64> {
    let best = logprobs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logprobs.iter().map(|x| (x - best).exp()).sum();
    logprobs.iter().map(|x| (x - best).exp() / sum).collect()
}

/// All lines together.
fn total(args: &Score, doc: &Doc, judge: Judge<'_>, out: &Out) -> Outcome {
    if !doc.lines {
        out.log(
            "note: each line is scored from the zero state; `gimbap eval` measures a file as the running text that \
             this model learned",
        );
    }
    let (mut lines, mut sum) = (0, Sum::default());
    judged(args, &doc.vocabulary, judge, out, |some| {
        lines += some.len();
        some.iter().for_each(|line| sum.add(line.sum()));
        Ok(())
    })?;
    if lines == 0 {
        return Err(nothing(args));
    }
    let (logprob, tokens) = sum.counted(args.unknown);
    out.line(format!(
        "{} lines  {} tokens  {} unknown  log-probability {}  perplexity {}",
        thousands(lines),
        thousands(tokens),
        thousands(sum.unknown),
        short(logprob),
        short(perplexity((logprob, tokens))),
    ))?;
    let mut record = json!({ "lines": lines });
    if let Value::Object(record) = &mut record {
        record.extend(sum.figures(args.unknown));
    }
    out.json(&record)
}

/// Records of lines, told together.
struct Records<'a> {
    args: &'a Score,
    doc: &'a Doc,
    out: &'a Out,
    text: String,
    /// Whether there was one.
    told: bool,
}

impl<'a> Records<'a> {
    fn new(args: &'a Score, doc: &'a Doc, out: &'a Out) -> Self {
        Records { args, doc, out, text: String::new(), told: false }
    }

    /// Adds a line, with its part of the probability of all that it is compared with.
    fn add(&mut self, line: &Judged, among: Option<f64>) {
        match self.out.json {
            true => self.add_json(line, among),
            false => self.add_row(line, among),
        }
        self.told = true;
    }

    /// A line's tokens and the logarithms of their probabilities, where they are asked for.
    fn tokens<'l>(&self, line: &'l Judged) -> impl Iterator<Item = (&'a str, f64)> + use<'a, 'l> {
        let count = if self.args.per_token { line.ids.len() } else { 0 };
        let vocabulary = &self.doc.vocabulary;
        let tokens = line.ids.iter().zip(&line.logprobs).take(count);
        tokens.map(|(&id, &logprob)| (vocabulary.token(id), f64::from(logprob)))
    }

    fn add_json(&mut self, line: &Judged, among: Option<f64>) {
        let mut record = json!({ "text": line.text });
        let sum = line.sum();
        if let Value::Object(record) = &mut record {
            record.extend(sum.figures(self.args.unknown));
        }
        record["probability"] = number(sum.counted(self.args.unknown).0.exp());
        if let Some(among) = among {
            record["among"] = among.into();
        }
        if sum.unknown > 0 {
            record["unknown_words"] = unknown::words_of(&self.doc.vocabulary, [line.text.as_str()]).into();
        }
        if self.args.per_token {
            let token = |(token, logprob)| json!({"token": token, "logprob": logprob});
            record["per_token"] = self.tokens(line).map(token).collect();
        }
        let _ = writeln!(self.text, "{record}");
    }

    /// Numbers first, in columns whose width no line decides.
    fn add_row(&mut self, line: &Judged, among: Option<f64>) {
        let row = |figures: [&str; 5], among: Option<&str>, text: &str| {
            let [logprob, probability, tokens, perplexity, unknown] = figures;
            let among = among.map(|among| format!("{among:>11}  ")).unwrap_or_default();
            format!(
                "{logprob:>15}  {probability:>12}  {tokens:>6}  {perplexity:>10}  {unknown:>7}  {among}{text}\n"
            )
        };
        if !self.told {
            let title = among.map(|_| "among these");
            let names = ["log-probability", "probability", "tokens", "perplexity", "unknown"];
            self.text += &row(names, title, "sentence");
        }
        let sum = line.sum();
        let counted = sum.counted(self.args.unknown);
        let percent = among.map(|p| format!("{:.2} %", 100.0 * p));
        let figures = [
            short(counted.0),
            probability(counted.0),
            counted.1.to_string(),
            short(perplexity(counted)),
            sum.unknown.to_string(),
        ];
        self.text += &row(figures.each_ref().map(String::as_str), percent.as_deref(), &line.text);
        for (token, logprob) in self.tokens(line) {
            let figures = [&*short(logprob), &probability(logprob), "", "", ""];
            self.text += &row(figures, among.map(|_| ""), &format!("  {}", shown(token)));
        }
    }

    /// Tells those that were added, in one piece.
    fn tell(&mut self) -> Outcome {
        let text = std::mem::take(&mut self.text);
        write_stdout(text.as_bytes(), false)
    }
}
