//! N-best lists: the hypotheses of a recogniser, ordered by its scores and the model's together.

use std::collections::HashMap;
use std::fmt::Write;

use gimbap::data::text::Vocabulary;
use serde_json::json;

use super::{AT_ONCE, among, nothing};
use crate::args::Score;
use crate::input;
use crate::lm::judge::{Judge, Judged, Sum};
use crate::lm::unknown::Strangers;
use crate::output::{Failure, Out, Outcome, write_stdout};
use crate::task::number;

/// A hypothesis, as it came.
struct Hypothesis {
    score: f64,
    /// The score as it was written.
    written: String,
    text: String,
}

/// The hypotheses of an id.
struct List {
    id: String,
    hypotheses: Vec<Hypothesis>,
}

/// Reorders every list.
pub fn run(args: &Score, vocabulary: &Vocabulary, mut judge: Judge<'_>, out: &Out) -> Outcome {
    let mut lines = input::stream(&args.input)?;
    let mut strangers = Strangers::default();
    let mut reader = Reader { place: input::name(&args.input), ..Reader::default() };
    let mut ended = false;
    while !ended {
        let first = lines.count() + 1;
        let some = lines.read(AT_ONCE)?;
        ended = some.is_empty();
        let mut outcome = (first..).zip(&some).try_for_each(|(number, line)| reader.add(number, line));
        if ended {
            reader.whole.extend(reader.open.take());
            if reader.first_lines.is_empty() {
                outcome = Err(nothing(args));
            }
        }
        tell(args, &mut judge, std::mem::take(&mut reader.whole), out, |judged| {
            let own = |line: &Judged| line.ids.len() - 1;
            strangers.meet(vocabulary, judged.iter().map(|l| (l.text.as_str(), &l.ids[..own(l)])), out);
        })?;
        outcome?;
    }
    strangers.sum_up(out);
    Ok(())
}

/// Lines become lists.
#[derive(Default)]
struct Reader {
    place: String,
    /// Of every id so far.
    first_lines: HashMap<String, usize>,
    /// The list whose lines are coming.
    open: Option<List>,
    /// Those that are whole.
    whole: Vec<List>,
}

impl Reader {
    /// Takes a line; a blank one is passed over.
    fn add(&mut self, number: usize, line: &str) -> Outcome {
        if line.trim().is_empty() {
            return Ok(());
        }
        let wrong = |what: String| {
            let message =
                format!("{}, line {number}: {what}; a line is id<TAB>score<TAB>hypothesis", self.place);
            Err(Failure::work("data", message))
        };
        let columns: Vec<&str> = line.split('\t').collect();
        let [id, written, text] = columns[..] else {
            return wrong(format!("{} columns", columns.len()));
        };
        let score = match written.trim().parse::<f64>() {
            Ok(score) if score.is_finite() => score,
            Ok(_) => return wrong(format!("the score `{written}` is not finite")),
            Err(_) => return wrong(format!("the score `{written}` is no number")),
        };
        if self.open.as_ref().is_none_or(|list| list.id != id) {
            if let Some(first) = self.first_lines.get(id) {
                return wrong(format!(
                    "`{id}` comes back after its lines from line {first} on: put them together"
                ));
            }
            self.first_lines.insert(id.into(), number);
            let list = List { id: id.into(), hypotheses: Vec::new() };
            self.whole.extend(self.open.replace(list));
        }
        if let Some(list) = &mut self.open {
            list.hypotheses.push(Hypothesis { score, written: written.into(), text: text.into() });
        }
        Ok(())
    }
}

/// A hypothesis without the marks that recognisers put around a sentence: its end is counted in any case.
fn words(text: &str) -> &str {
    let marked = text.trim();
    let begun = marked.strip_prefix("<s>").unwrap_or(marked);
    let ended = begun.strip_suffix("</s>").unwrap_or(begun);
    if ended.len() < marked.len() { ended.trim() } else { text }
}

/// Tells whole lists, each best first, once `meet` has seen their hypotheses.
fn tell(
    args: &Score,
    judge: &mut Judge<'_>,
    lists: Vec<List>,
    out: &Out,
    meet: impl FnOnce(&[Judged]),
) -> Outcome {
    let texts =
        lists.iter().flat_map(|list| &list.hypotheses).map(|hypothesis| words(&hypothesis.text).into());
    let judged = judge.judge(texts.collect())?;
    meet(&judged);
    let mut judged = judged.into_iter();
    let (weight, bonus) = (args.weight.unwrap_or(0.5), args.word_bonus.unwrap_or(0.0));
    let mut block = String::new();
    for List { id, hypotheses } in &lists {
        let sums: Vec<Sum> = judged.by_ref().take(hypotheses.len()).map(|line| line.sum()).collect();
        let total = |(hypothesis, sum): (&Hypothesis, &Sum)| {
            let model = sum.logprob - args.penalty() * sum.unknown as f64;
            (1.0 - weight) * hypothesis.score + weight * model + bonus * sum.tokens as f64
        };
        let totals: Vec<f64> = hypotheses.iter().zip(&sums).map(total).collect();
        let probabilities = among(&totals);
        let mut order: Vec<usize> = (0..totals.len()).collect();
        order.sort_by(|&a, &b| totals[b].total_cmp(&totals[a]));
        order.truncate(if args.best { 1 } else { order.len() });
        for i in order {
            let (Hypothesis { score, written, text }, sum) = (&hypotheses[i], &sums[i]);
            let _ = match (out.json, args.best) {
                (true, _) => {
                    let record = json!({
                        "id": id,
                        "text": text,
                        "score": number(*score),
                        "logprob": number(sum.logprob),
                        "tokens": sum.tokens,
                        "unknown": sum.unknown,
                        "total": number(totals[i]),
                        "among": number(probabilities[i]),
                    });
                    writeln!(block, "{record}")
                }
                (false, true) => writeln!(block, "{id}\t{text}"),
                (false, false) => writeln!(block, "{id}\t{written}\t{text}\t{:.4}", sum.logprob),
            };
        }
    }
    write_stdout(block.as_bytes(), false)
}
