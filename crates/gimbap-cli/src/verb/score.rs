//! `gimbap score MODEL`: how probable sentences are.

use serde_json::{Value, json};

use crate::args::Score;
use crate::input::lines;
use crate::model_file::open_lm;
use crate::output::{Failure, Out, Outcome, table};
use crate::task::short;
use crate::task::speak::{Scored, score, shown};

/// Judges every line that is not blank.
pub fn run(args: &Score, out: &Out) -> Outcome {
    let (model, doc) = open_lm(&args.model, "score")?;
    let lines: Vec<String> = lines(&args.input)?.into_iter().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return Err(Failure::work("data", format!("{}: holds no sentence to score", args.input.display())));
    }
    let mut scored = score(&doc.vocabulary, &model, &lines)?;
    if args.rank {
        scored.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
    }
    let best = scored.iter().map(|s| s.logprob).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scored.iter().map(|s| (s.logprob - best).exp()).sum();
    let probability = |s: &Scored| (s.logprob - best).exp() / sum;
    let strange = scored.iter().any(|s| s.unknown > 0);
    let mut header = vec!["sentence", "log-probability", "tokens", "perplexity"];
    header.extend(strange.then_some("unknown"));
    header.extend(args.rank.then_some("among these"));

    let mut rows = Vec::new();
    for s in &scored {
        let mut object = json!({
            "text": s.text,
            "logprob": s.logprob,
            "tokens": s.tokens.len(),
            "perplexity": s.perplexity(),
            "unknown": s.unknown,
        });
        if args.rank {
            object["probability"] = probability(s).into();
        }
        if args.per_token {
            let token = |(token, logprob): &(String, f64)| json!({"token": token, "logprob": logprob});
            object["per_token"] = Value::Array(s.tokens.iter().map(token).collect());
        }
        out.json(&object)?;
        let mut row =
            vec![s.text.clone(), short(s.logprob), s.tokens.len().to_string(), short(s.perplexity())];
        if strange {
            row.push(s.unknown.to_string());
        }
        if args.rank {
            row.push(format!("{:.2} %", 100.0 * probability(s)));
        }
        rows.push(row);
        if args.per_token {
            rows.extend(s.tokens.iter().map(|(token, logprob)| {
                let mut row = vec![format!("  {}", shown(token)), short(*logprob)];
                row.resize(header.len(), String::new());
                row
            }));
        }
    }
    out.line(table(&header, &rows))
}
