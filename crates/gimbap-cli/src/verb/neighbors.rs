//! `gimbap neighbors VECTORS WORD..`: the words nearest to each, by cosine.

use serde_json::json;

use crate::args::Neighbors;
use crate::output::{Out, Outcome, table};
use crate::vectors::{self, shown};

/// Lists them, word by word.
pub fn run(args: &Neighbors, out: &Out) -> Outcome {
    let words = vectors::open(&args.vectors, out)?;
    let rows = args.words.iter().map(|word| words.direction(word)).collect::<Outcome<Vec<_>>>()?;
    for (i, row) in rows.into_iter().enumerate() {
        let mut lines = Vec::new();
        for (near, cosine) in words.vectors.neighbors(row, args.n) {
            out.json(&json!({"word": words.word(near), "cosine": cosine, "of": words.word(row)}))?;
            lines.push(vec![shown(words.word(near)), format!("{cosine:.4}")]);
        }
        if i > 0 {
            out.line("")?;
        }
        out.line(table(&[&shown(words.word(row)), "cosine"], &lines))?;
    }
    Ok(())
}
