//! A unigram language model of pieces, learned by the `tokenizers` crate in a way that gives the same each time.

use serde_json::{Value, json};
use tokenizers::AddedToken;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};

use super::Corpus;
use crate::data::text::{EOS, UNKNOWN};
use crate::error::{Error, Result};

/// More tokens than a text can teach.
const MOST: usize = 1 << 20;
/// Each character without a score of its own gets the lowest score and so much more than the one before.
const STEP: f64 = 0.0001;

/// The model of at most `limit` tokens.
pub(super) fn learn(corpus: &Corpus, limit: usize) -> Result<Value> {
    let failed =
        |message: String| Error::data("the text", format!("no unigram model comes of it: {message}"));
    let marks = [UNKNOWN, EOS].map(|mark| AddedToken::from(mark, true));
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(limit.min(MOST) as u32)
        .special_tokens(marks.to_vec())
        .unk_token(Some(UNKNOWN.into()))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    // Its sums follow the number of threads.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|e| failed(e.to_string()))?;
    let sentences = sentences(corpus);
    let mut model = Unigram::default();
    pool.install(|| trainer.do_train(sentences, &mut model)).map_err(|error| failed(error.to_string()))?;

    let mut pieces: Vec<(String, f64)> = model.iter().skip(marks.len()).cloned().collect();
    settle(&mut pieces);
    // All characters stay, and as many others as there is room for.
    let mut room = limit - marks.len() - pieces.iter().filter(|(piece, _)| is_character(piece)).count();
    pieces.retain(|(piece, _)| {
        let kept = is_character(piece) || room > 0;
        room -= usize::from(kept && !is_character(piece));
        kept
    });
    let marks = marks.map(|mark| (mark.content, 0.0));
    let vocab: Vec<(String, f64)> = marks.into_iter().chain(pieces).collect();
    Ok(json!({"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": false}))
}

/// The words with counts whose sum over all characters fits 31 bits, as the trainer adds in 32.
fn sentences(corpus: &Corpus) -> Vec<(String, u32)> {
    let characters = |(word, count): &(String, u64)| (word.chars().count() as u128) * u128::from(*count);
    let total: u128 = corpus.words.iter().map(characters).sum();
    let shift = (0..64).find(|shift| total >> shift < 1 << 31).unwrap_or(64);
    corpus.words.iter().map(|(word, count)| (word.clone(), ((count >> shift) as u32).max(1))).collect()
}

fn is_character(piece: &str) -> bool {
    piece.chars().nth(1).is_none()
}

/// Pieces by falling score. The trainer hands its characters without a score the lowest ones in an order that changes
/// from run to run: here they have them in the order of their codes.
fn settle(pieces: &mut [(String, f64)]) {
    let lowest = pieces.iter().map(|&(_, score)| score).fold(f64::INFINITY, f64::min);
    let (mut places, mut penalty) = (Vec::new(), 0.0);
    loop {
        let before = places.len();
        let score = lowest + penalty;
        places.extend((0..pieces.len()).filter(|&i| is_character(&pieces[i].0) && pieces[i].1 == score));
        if places.len() == before {
            break;
        }
        penalty += STEP;
    }
    // By rising score already.
    let scores: Vec<f64> = places.iter().map(|&i| pieces[i].1).collect();
    places.sort_by(|&a, &b| pieces[a].0.cmp(&pieces[b].0));
    places.into_iter().zip(scores).for_each(|(i, score)| pieces[i].1 = score);
    pieces.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_without_a_score_have_them_in_the_order_of_their_codes() {
        let low = -9.0;
        let orders = [["c", "a", "b"], ["b", "c", "a"], ["a", "b", "c"]];
        let settled = orders.map(|order| {
            let (mut penalty, mut pieces) = (0.0, vec![("▁ab".to_owned(), -1.0), ("x".to_owned(), -2.0)]);
            for character in order {
                pieces.push((character.to_owned(), low + penalty));
                penalty += STEP;
            }
            pieces.sort_by(|(_, a), (_, b)| b.total_cmp(a));
            settle(&mut pieces);
            pieces
        });
        assert_eq!(
            settled[0].iter().map(|(piece, _)| piece.as_str()).collect::<Vec<_>>(),
            ["▁ab", "x", "c", "b", "a"]
        );
        assert!(settled.iter().all(|pieces| *pieces == settled[0]));
    }

    #[test]
    fn counts_fit_the_trainer() {
        let words = vec![("▁the".to_owned(), u64::MAX / 8), ("▁rare".to_owned(), 1)];
        let corpus = Corpus { words, alphabet: "▁theras".chars().collect() };
        let found = sentences(&corpus);
        assert!(found[0].1 > 1 << 27 && found[0].1 < 1 << 29 && found[1].1 == 1, "{found:?}");
    }
}
