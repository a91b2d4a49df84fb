//! `gimbap score MODEL`: how probable sentences are.

use serde_json::{Value, json};

use crate::args::{Score, Unknown};
use crate::input::lines;
use crate::model_file::open_lm;
use crate::output::{Failure, Out, Outcome, table};
use crate::task::short;
use crate::task::speak::{Scored, score, shown};

/// `exp(-logprob / tokens)`.
fn perplexity((logprob, tokens): (f64, usize)) -> f64 {
    (-logprob / tokens as f64).exp()
}

/// Judges every line that is not blank.
pub fn run(args: &Score, out: &Out) -> Outcome {
    let (model, doc) = open_lm(&args.model, "score")?;
    let lines: Vec<String> = lines(&args.input)?.into_iter().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return Err(Failure::work("data", format!("{}: holds no sentence to score", args.input.display())));
    }
    let mut scored = score(&doc.vocabulary, &model, &lines)?;
    let all = |s: &Scored| (s.logprob, s.tokens.len());
    let counted = |s: &Scored| match args.unknown {
        Unknown::Count => all(s),
        Unknown::Exclude => s.known(),
    };
    if args.rank {
        scored.sort_by(|a, b| counted(b).0.total_cmp(&counted(a).0));
    }
    let best = scored.iter().map(|s| counted(s).0).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scored.iter().map(|s| (counted(s).0 - best).exp()).sum();
    let probability = |s: &Scored| (counted(s).0 - best).exp() / sum;
    let strange = scored.iter().any(|s| s.unknown > 0);
    let mut header = vec!["sentence", "log-probability", "tokens", "perplexity"];
    header.extend(strange.then_some("unknown"));
    header.extend(args.rank.then_some("among these"));

    let mut rows = Vec::new();
    for s in &scored {
        let (logprob, tokens) = counted(s);
        let of_counted = perplexity((logprob, tokens));
        let mut object = json!({
            "text": s.text,
            "logprob": logprob,
            "tokens": tokens,
            "perplexity": of_counted,
            "unknown": s.unknown,
            "perplexity_with_unknown": perplexity(all(s)),
            "perplexity_without_unknown": perplexity(s.known()),
        });
        if args.rank {
            object["probability"] = probability(s).into();
        }
        if args.per_token {
            let token = |(token, logprob): &(String, f64)| json!({"token": token, "logprob": logprob});
            object["per_token"] = Value::Array(s.tokens.iter().map(token).collect());
        }
        out.json(&object)?;
        let mut row = vec![s.text.clone(), short(logprob), tokens.to_string(), short(of_counted)];
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
