//! What a tokenizer is learned of.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::BLANK;
use crate::data::text::{EOS, UNKNOWN};
use crate::error::{Error, Result};

/// Words beyond the so many most frequent ones teach nothing.
const WORDS: usize = 1 << 20;
/// A longer word is learned of in parts.
const LENGTH: usize = 256;

/// Words as the tokenizer will see them, each with its count, in the order of their characters.
pub(super) struct Corpus {
    pub(super) words: Vec<(String, u64)>,
    /// The characters of the words, and the blank.
    pub(super) alphabet: BTreeSet<char>,
}

impl Corpus {
    /// Of counted words, the characters that are seen `least` times: `limit` tokens must have room for them.
    pub(super) fn new(mut counts: Vec<(String, u64)>, limit: usize, least: u64) -> Result<Corpus> {
        counts.sort_unstable_by(|(a, m), (b, n)| (Reverse(m), a).cmp(&(Reverse(n), b)));
        counts.truncate(WORDS);
        let parts: Vec<(String, u64)> = counts
            .iter()
            .flat_map(|(word, count)| parts(word).into_iter().map(move |part| (part, *count)))
            .collect();

        let mut seen: HashMap<char, u64> = HashMap::new();
        for (part, count) in &parts {
            part.chars().filter(|&c| c != BLANK).for_each(|c| *seen.entry(c).or_default() += count);
        }
        let Some(&most) = seen.values().max() else {
            return Err(Error::data("the text", "it holds no token to learn: give a text with more in it"));
        };
        if most < least {
            let message =
                format!("no character appears {least} times, the most frequent {most} times: lower it");
            return Err(Error::config("data.min_count", message));
        }
        let kept = seen.into_iter().filter(|&(_, count)| count >= least).map(|(c, _)| c);
        let alphabet: BTreeSet<char> = kept.chain([BLANK]).collect();
        // The marks are tokens too.
        let wanted = alphabet.len() + 2;
        if wanted > limit {
            let message = format!(
                "is {limit}, but the text has {} different characters, each of which is a token: give {wanted} or \
                 more, or a higher data.min_count, which leaves rare ones out",
                alphabet.len() - 1
            );
            return Err(Error::config("data.vocab", message));
        }

        let mut words = BTreeMap::new();
        for (part, count) in &parts {
            for run in part.split(|c| !alphabet.contains(&c)).filter(|run| !run.is_empty()) {
                let chars: Vec<char> = run.chars().collect();
                for chars in chars.chunks(LENGTH) {
                    *words.entry(chars.iter().collect::<String>()).or_default() += count;
                }
            }
        }
        Ok(Corpus { words: words.into_iter().collect(), alphabet })
    }
}

/// What the tokenizer makes of a word before it looks for tokens: a mark written out stands alone, and a `▁` is a blank.
fn parts(word: &str) -> Vec<String> {
    let runs = word.split(UNKNOWN).flat_map(|run| run.split(EOS)).enumerate();
    let texts =
        runs.flat_map(|(run, text)| text.split(BLANK).enumerate().map(move |(i, text)| (run, i, text)));
    let texts = texts.filter(|(.., text)| !text.is_empty());
    let part = |(run, i, text): (usize, usize, &str)| match run == 0 || i > 0 {
        true => format!("{BLANK}{text}"),
        false => text.to_owned(),
    };
    texts.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_as_the_tokenizer_takes_them() {
        assert_eq!(parts("word"), ["▁word"]);
        assert_eq!(parts("(<unk>)<eos>a"), ["▁(", ")", "a"]);
        assert_eq!(parts("a▁b▁"), ["▁a", "▁b"]);
        assert_eq!(parts("<unk>"), [""; 0]);
    }

    #[test]
    fn rare_characters_part_a_word() {
        let counts = vec![("axb".to_owned(), 1), ("ab".to_owned(), 2), ("b".to_owned(), 1)];
        let corpus = Corpus::new(counts, 100, 2).unwrap();
        assert_eq!(corpus.alphabet, BTreeSet::from(['a', 'b', BLANK]));
        let words: Vec<_> = corpus.words.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        assert_eq!(words, [("b", 1), ("▁a", 1), ("▁ab", 2), ("▁b", 1)]);
    }
}
