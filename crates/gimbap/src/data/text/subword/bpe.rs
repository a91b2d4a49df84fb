//! Byte-pair encoding: the most frequent pair of neighbours becomes one token, until there are enough.
//!
//! Counts are whole numbers and ties go to the pair that was known first, so the same words give the same tokens.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::Corpus;
use crate::data::text::{EOS, UNKNOWN};

type Pair = (u32, u32);

/// How often a pair stands side by side, and in which words: in others too that had it once.
#[derive(Default)]
struct Seen {
    count: i64,
    words: Vec<usize>,
}

/// Pairs by falling count. An entry may be out of date; none has a count below its pair's.
#[derive(Default)]
struct Pairs {
    seen: HashMap<Pair, Seen>,
    queue: BinaryHeap<(i64, Reverse<Pair>)>,
}

impl Pairs {
    fn add(&mut self, pair: Pair, count: i64) {
        let seen = self.seen.entry(pair).or_default();
        seen.count += count;
        if count > 0 {
            self.queue.push((seen.count, Reverse(pair)));
        }
    }

    /// The most frequent pair, of those the one with the lowest ids.
    fn pop(&mut self) -> Option<(i64, Pair)> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            match self.seen.get(&pair).map_or(0, |seen| seen.count) {
                now if now == count && now > 0 => return Some((count, pair)),
                now if now < count && now > 0 => self.queue.push((now, Reverse(pair))),
                _ => {}
            }
        }
        None
    }
}

/// The model of at most `limit` tokens; pairs seen fewer than `least` times, or once, stay apart.
pub(super) fn learn(corpus: &Corpus, limit: usize, least: u64) -> Value {
    let alphabet = corpus.alphabet.iter().map(char::to_string);
    let mut tokens: Vec<String> = [UNKNOWN, EOS].map(str::to_owned).into_iter().chain(alphabet).collect();
    let mut ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
    let letters: HashMap<char, u32> = corpus.alphabet.iter().copied().zip(2..).collect();
    let mut words: Vec<(Vec<u32>, i64)> = corpus
        .words
        .iter()
        .map(|(word, count)| (word.chars().map(|c| letters[&c]).collect(), *count as i64))
        .collect();

    let mut pairs = Pairs::default();
    let mut changes: HashMap<Pair, i64> = HashMap::new();
    for (place, (word, count)) in words.iter().enumerate() {
        for pair in neighbours(word) {
            *changes.entry(pair).or_default() += count;
            pairs.seen.entry(pair).or_default().words.push(place);
        }
    }
    changes.drain().for_each(|(pair, count)| pairs.add(pair, count));

    let (mut merges, mut merged) = (Vec::new(), HashSet::new());
    while tokens.len() < limit {
        let Some((count, pair)) = pairs.pop().filter(|&(count, _)| count >= (least as i64).max(2)) else {
            break;
        };
        let [left, right] = [pair.0, pair.1].map(|id| tokens[id as usize].clone());
        // Two pairs may spell the same.
        let next = tokens.len() as u32;
        let id = *ids.entry(format!("{left}{right}")).or_insert_with_key(|token| {
            tokens.push(token.clone());
            next
        });
        if merged.insert(pair) {
            merges.push(json!([left, right]));
        }
        let mut places =
            pairs.seen.get_mut(&pair).map(|seen| std::mem::take(&mut seen.words)).unwrap_or_default();
        places.sort_unstable();
        places.dedup();
        debug_assert!(count > 0 && !places.is_empty());
        for place in places {
            let (word, count) = &mut words[place];
            if !neighbours(word).any(|other| other == pair) {
                continue;
            }
            neighbours(word).for_each(|pair| *changes.entry(pair).or_default() -= *count);
            merge(word, pair, id);
            for pair in neighbours(word) {
                *changes.entry(pair).or_default() += *count;
                if pair.0 == id || pair.1 == id {
                    pairs.seen.entry(pair).or_default().words.push(place);
                }
            }
        }
        changes.drain().filter(|&(_, change)| change != 0).for_each(|(pair, change)| pairs.add(pair, change));
    }

    let vocab: Map<String, Value> = tokens.into_iter().zip((0..).map(|id: u32| id.into())).collect();
    json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": UNKNOWN,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": true,
        "byte_fallback": false,
        "ignore_merges": false,
        "vocab": vocab,
        "merges": merges,
    })
}

fn neighbours(word: &[u32]) -> impl Iterator<Item = Pair> {
    word.windows(2).map(|two| (two[0], two[1]))
}

/// Puts `id` in the place of each `pair`, from the left.
fn merge(word: &mut Vec<u32>, pair: Pair, id: u32) {
    let (mut from, mut to) = (0, 0);
    while from < word.len() {
        let found = word.get(from + 1).is_some_and(|&next| (word[from], next) == pair);
        word[to] = if found { id } else { word[from] };
        from += 1 + usize::from(found);
        to += 1;
    }
    word.truncate(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merges(counts: &[(&str, u64)], limit: usize, least: u64) -> Vec<String> {
        let counts = counts.iter().map(|&(word, count)| (word.to_owned(), count)).collect();
        let model = learn(&Corpus::new(counts, limit, least).unwrap(), limit, least);
        let pair = |pair: &Value| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        model["merges"].as_array().unwrap().iter().map(pair).collect()
    }

    #[test]
    fn the_most_frequent_pair_comes_first() {
        // Of the paper: `es` 9 times, then `est`; ties go to the lower ids.
        let counts = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
        let found = merges(&counts, 2 + 11 + 6, 1);
        assert_eq!(found, ["e s", "es t", "l o", "▁ lo", "▁lo w", "e w"]);
    }

    #[test]
    fn letters_in_a_row_are_merged_from_the_left() {
        assert_eq!(merges(&[("aaaa", 3), ("aaa", 1)], 100, 1), ["a a", "▁ aa", "▁aa aa"]);
    }

    #[test]
    fn rare_pairs_stay_apart() {
        assert_eq!(merges(&[("ab", 1), ("cd", 1)], 100, 1), [""; 0]);
        assert_eq!(merges(&[("ab", 3), ("cd", 2)], 100, 3), ["a b", "▁ ab"]);
    }
}
