//! Where words begin and end, and how they are joined again.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::{EOS, UNKNOWN};

/// What a word is, for [`Unit::Word`](super::Unit::Word).
///
/// ```
/// use gimbap::data::text::{Options, Unit, Vocabulary, Words};
///
/// # fn main() -> gimbap::Result<()> {
/// let text = "To be, or not to be?";
/// let apart = Vocabulary::build(text, Unit::Word, true, None, 1)?;
/// assert_eq!(apart.pieces("Be?"), ["be", "?"]);
/// let space = Options { words: Words::Space, ..Options::new(Unit::Word) };
/// assert_eq!(Vocabulary::build_with(text, &space)?.pieces("be?"), ["be?"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Words {
    /// What Unicode's word boundaries (UAX 29) cut out of what stands between white space: `Hamlet?` is two tokens,
    /// `don't`, `3.14` and a Korean word with its particle one each, and Chinese and Japanese, which have no blanks,
    /// single characters. Words joined by one hyphen stay one.
    #[default]
    Punctuation,
    /// What stands between white space, for texts that are tokens already, such as the Penn Treebank's.
    Space,
}

impl Words {
    /// Whether it is the rule of a file that names none.
    pub(super) fn is_space(&self) -> bool {
        *self == Words::Space
    }

    /// For files of before there was a choice.
    pub(super) fn space() -> Words {
        Words::Space
    }

    /// The words of a text, in their order. A mark written out, `<unk>` or `<eos>`, is one.
    pub(super) fn each<'a>(self, text: &'a str, mut take: impl FnMut(&'a str)) {
        for chunk in text.split_whitespace() {
            let plain = chunk.bytes().all(|byte| byte.is_ascii_alphanumeric());
            match self {
                _ if plain || chunk == UNKNOWN || chunk == EOS => take(chunk),
                Words::Space => take(chunk),
                Words::Punctuation => apart(chunk, &mut take),
            }
        }
    }

    /// How many words a text has.
    pub(super) fn count(self, text: &str) -> usize {
        let mut words = 0;
        self.each(text, |_| words += 1);
        words
    }
}

/// The words of a text without white space.
fn apart<'a>(chunk: &'a str, take: &mut impl FnMut(&'a str)) {
    let ends_in_letter = |word: &str| word.chars().next_back().is_some_and(char::is_alphanumeric);
    let mut pieces = chunk.split_word_bound_indices().peekable();
    while let Some((start, piece)) = pieces.next() {
        let mut end = start + piece.len();
        // A hyphen between two words: both belong to this one.
        while ends_in_letter(&chunk[start..end]) && pieces.peek().is_some_and(|&(_, next)| next == "-") {
            let more = chunk[end + 1..].split_word_bounds().next();
            let Some(more) = more.filter(|more| more.starts_with(char::is_alphanumeric)) else { break };
            end += 1 + more.len();
            pieces.next();
            pieces.next();
        }
        take(&chunk[start..end]);
    }
}

/// What stands before the next word of a line, as far as the blank between them goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Join {
    before: Before,
    /// Whether a quotation mark waits for its other half.
    quoted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Before {
    /// Nothing, or a blank.
    #[default]
    Start,
    Word,
    /// An opening bracket or quotation mark.
    Opening,
    /// A character of a script that has no blanks.
    Unspaced,
}

impl Join {
    /// After `text`.
    pub(super) fn after(text: &str, words: Words) -> Join {
        let line = text.rsplit('\n').next().unwrap_or_default();
        let mut join = Join::default();
        words.each(line, |word| {
            join.blank_before(word, words);
        });
        if line.ends_with(char::is_whitespace) {
            join.before = Before::Start;
        }
        join
    }

    /// Whether a blank goes before `word`, which then is what stands before the next.
    pub(super) fn blank_before(&mut self, word: &str, words: Words) -> bool {
        let before = self.before;
        let first = word.chars().next().unwrap_or(' ');
        let single = word.chars().nth(1).is_none();
        if words == Words::Space {
            self.before = Before::Word;
            return before != Before::Start;
        }
        let quote = single && first == '"';
        let closing = single && (is_closing(first) || quote && self.quoted);
        self.before = match first {
            _ if single && (is_opening(first) || quote && !self.quoted) => Before::Opening,
            _ if is_unspaced(first) => Before::Unspaced,
            _ => Before::Word,
        };
        self.quoted ^= quote;
        match before {
            Before::Start | Before::Opening => false,
            Before::Unspaced if is_unspaced(first) => false,
            Before::Word | Before::Unspaced => !closing,
        }
    }
}

fn is_closing(c: char) -> bool {
    ".,?!;:)]}%…”’»、。，！？；：）」』】》".contains(c)
}

fn is_opening(c: char) -> bool {
    "([{“‘«¿¡$£€（「『【《".contains(c)
}

/// Chinese and Japanese characters, and their marks.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3001}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{ff01}'..='\u{ff60}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        Words::Punctuation.each(text, |word| found.push(word));
        found
    }

    fn joined(words: &[&str]) -> String {
        let (mut join, mut text) = (Join::default(), String::new());
        for word in words {
            text.extend(join.blank_before(word, Words::Punctuation).then_some(' '));
            text.push_str(word);
        }
        text
    }

    #[test]
    fn punctuation_stands_apart_and_words_stay_whole() {
        assert_eq!(words("No pain, no gain."), ["No", "pain", ",", "no", "gain", "."]);
        assert_eq!(words("What? don't 3.14 1,000"), ["What", "?", "don't", "3.14", "1,000"]);
        assert_eq!(
            words("twenty-one so--called e-mail- -5"),
            ["twenty-one", "so", "-", "-", "called", "e-mail", "-", "-", "5"]
        );
        assert_eq!(words("<unk> <eos> <unk>. ..."), ["<unk>", "<eos>", "<", "unk", ">", ".", ".", ".", "."]);
        assert_eq!(
            words("한국에서 자라, 한국어를 한다."),
            ["한국에서", "자라", ",", "한국어를", "한다", "."]
        );
        assert_eq!(words("吾輩は猫"), ["吾", "輩", "は", "猫"]);
        assert_eq!(words(" \t\n"), [""; 0]);
    }

    #[test]
    fn a_text_is_joined_as_it_was_cut() {
        for text in [
            "No pain, no gain.",
            "He said \"time flies\" (twice): what?",
            "twenty-one, don't!",
            "「吾輩は猫である。」",
            "\"a\" \"b\"",
            "한국에서 자라, 한국어를 한다.",
            "cost: $5, 20%",
        ] {
            assert_eq!(joined(&words(text)), text);
        }
        // What is on each side of a lone dash is not known.
        assert_eq!(joined(&words("so--called")), "so - - called");
    }

    #[test]
    fn a_text_goes_on_where_it_ended() {
        let next = |text: &str, word: &str| {
            Join::after(text, Words::Punctuation).blank_before(word, Words::Punctuation)
        };
        assert!(next("What time", "is"));
        assert!(!next("What time ", "is"));
        assert!(!next("What time is it", "?"));
        assert!(!next("he said \"", "no"));
        assert!(next("he said \"no\"", "and"));
        assert!(!next("a line\n", "?"));
        assert!(!next("", "a"));
        assert!(Join::after("it", Words::Space).blank_before("?", Words::Space));
    }
}
