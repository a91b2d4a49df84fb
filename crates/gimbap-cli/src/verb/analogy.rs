//! `gimbap analogy VECTORS king - man + woman`: sums of word vectors, and how often they come out right.

use std::path::Path;

use gimbap::vectors::{Case, Questions, Tally};
use serde_json::json;

use crate::args::Analogy;
use crate::output::{Failure, Out, Outcome, table, thousands};
use crate::vectors::{self, Words, shown};

/// Answers one question, or a file of them.
pub fn run(args: &Analogy, out: &Out) -> Outcome {
    if let Some(questions) = &args.eval {
        let questions_read = Questions::read(questions)?;
        let case = if args.case_sensitive { Case::Keep } else { Case::Fold };
        return measure(&vectors::open(&args.vectors, out)?, questions, &questions_read, case, out);
    }
    let terms = parse(&args.terms)?;
    let words = vectors::open(&args.vectors, out)?;
    let rows = terms.iter().map(|(word, sign)| Ok((words.direction(word)?, *sign)));
    let rows = rows.collect::<Outcome<Vec<_>>>()?;
    let mut lines = Vec::new();
    for (row, cosine) in words.vectors.analogy(&rows, args.n) {
        out.json(&json!({"word": words.word(row), "cosine": cosine}))?;
        lines.push(vec![shown(words.word(row)), format!("{cosine:.4}")]);
    }
    out.line(table(&["word", "cosine"], &lines))
}

/// The sign that a token begins with, and what follows it.
fn signed(token: &str) -> Option<(f32, &str)> {
    let plus = token.strip_prefix('+').map(|word| (1.0, word));
    plus.or_else(|| token.strip_prefix('-').map(|word| (-1.0, word)))
}

/// Words with their signs: `king - man + woman`, or `king -man +woman`, in one argument or several; three bare words are
/// the same. Right behind a sign that stands alone a word may begin with one.
fn parse(terms: &[String]) -> Outcome<Vec<(String, f32)>> {
    let tokens: Vec<&str> = terms.iter().flat_map(|term| term.split_whitespace()).collect();
    if let [a, b, c] = tokens[..]
        && [a, b, c].iter().all(|token| signed(token).is_none())
    {
        return Ok(vec![(a.into(), 1.0), (b.into(), -1.0), (c.into(), 1.0)]);
    }
    let wrong = |message: String| {
        let right = "write words with + and - between them, as in: king - man + woman";
        Err(Failure::usage("usage", format!("{message}; {right}")))
    };
    let mut sum: Vec<(String, f32)> = Vec::new();
    let mut next = None;
    for token in tokens {
        match (signed(token), next.take()) {
            (Some((_, "")), Some(_)) => return wrong(format!("`{token}` follows another sign")),
            (Some((sign, "")), None) => next = Some(sign),
            (Some((sign, word)), None) => sum.push((word.into(), sign)),
            (_, Some(sign)) => sum.push((token.into(), sign)),
            (None, None) if sum.is_empty() => sum.push((token.into(), 1.0)),
            (None, None) => return wrong(format!("no + or - stands before `{token}`")),
        }
    }
    match next.is_some() || sum.is_empty() {
        true => wrong("a word is missing at the end".into()),
        false => Ok(sum),
    }
}

fn measure(words: &Words, path: &Path, questions: &Questions, case: Case, out: &Out) -> Outcome {
    let report = words.vectors.evaluate(questions, case);
    if report.total.asked == 0 {
        let (count, path) = (thousands(questions.len()), path.display());
        let message = format!("each of the {count} questions of {path} has a word that has no vector");
        return Err(Failure::work("data", format!("{message}; take other vectors or other questions")));
    }
    let percent = |tally: &Tally| tally.accuracy().map_or("-".into(), |x| format!("{:.2} %", 100.0 * x));
    let line = |name: &str, tally: &Tally| {
        let counts = [tally.right, tally.asked, tally.skipped].map(thousands);
        [vec![shown_name(name), percent(tally)], counts.to_vec()].concat()
    };
    let mut lines: Vec<_> = report.sections.iter().map(|s| line(&s.name, &s.tally)).collect();
    lines.push(line("semantic", &report.semantic));
    lines.push(line("syntactic", &report.syntactic));
    lines.push(line("total", &report.total));
    out.line(table(&["section", "accuracy", "right", "asked", "skipped"], &lines))?;
    let figures = |tally: &Tally| {
        json!({
            "accuracy": tally.accuracy(),
            "right": tally.right,
            "asked": tally.asked,
            "skipped": tally.skipped,
        })
    };
    let sections = report.sections.iter().map(|section| {
        let mut object = figures(&section.tally);
        object["name"] = section.name.as_str().into();
        object
    });
    out.json(&json!({
        "semantic": report.semantic.accuracy(),
        "syntactic": report.syntactic.accuracy(),
        "total": report.total.accuracy(),
        "right": report.total.right,
        "asked": report.total.asked,
        "skipped": report.total.skipped,
        "sections": sections.collect::<Vec<_>>(),
    }))
}

/// A section's name, so that it shows even where it is empty.
fn shown_name(name: &str) -> String {
    if name.is_empty() { "(no name)".into() } else { shown(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(terms: &[&str]) -> Result<String, String> {
        let terms: Vec<String> = terms.iter().map(|term| term.to_string()).collect();
        let shown = |(word, sign): (String, f32)| format!("{}{word}", if sign < 0.0 { '-' } else { '+' });
        parse(&terms).map(|sum| sum.into_iter().map(shown).collect()).map_err(|failure| failure.message)
    }

    #[test]
    fn sums_are_read_however_they_are_typed() {
        let expected = Ok("+king-man+woman".to_string());
        assert_eq!(parsed(&["king", "-", "man", "+", "woman"]), expected);
        assert_eq!(parsed(&["king - man", "+ woman"]), expected);
        assert_eq!(parsed(&["king", "man", "woman"]), expected);
        assert_eq!(parsed(&["-", "man", "+", "king-size"]), Ok("-man+king-size".into()));
        assert_eq!(parsed(&["king"]), Ok("+king".into()));
        assert_eq!(parsed(&["king", "-man", "+woman"]), expected);
        assert_eq!(parsed(&["king -man", "+", "woman"]), expected);
        assert_eq!(parsed(&["-man", "+king-size"]), Ok("-man+king-size".into()));
        assert_eq!(parsed(&["king", "-", "-rrb-", "+", "+1"]), Ok("+king--rrb-++1".into()));
        for (wrong, why) in [
            (&["king", "man"][..], "before `man`"),
            (&["a", "b", "c", "d"], "before `b`"),
            (&["king", "-"], "missing"),
            (&["king", "-", "+", "man"], "another sign"),
            (&[" "], "missing"),
        ] {
            let message = parsed(wrong).unwrap_err();
            assert!(message.contains(why), "{message}");
        }
    }
}
