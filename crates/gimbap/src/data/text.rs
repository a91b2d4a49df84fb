//! Text to token ids and back.
//!
//! Every text passes through one normalisation: lower case if the vocabulary says so, then Unicode's NFC, so that
//! an accent typed as a mark of its own and a Korean syllable typed as jamo become what the training text had.
//!
//! | unit | a token is | a line ends in |
//! |---|---|---|
//! | [`Unit::Char`] | a Unicode scalar value | `\n`, a character like any other |
//! | [`Unit::Word`] | what stands between white space | `<eos>`, as in the Penn Treebank's language-model files |
//!
//! Id 0 is always `<unk>`, and id 1 the closing mark (`\n` or `<eos>`).

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// The token that stands for everything outside the vocabulary.
pub const UNKNOWN: &str = "<unk>";
/// The token that closes a line of words.
pub const EOS: &str = "<eos>";
/// The id of [`UNKNOWN`] in every vocabulary.
pub const UNKNOWN_ID: u32 = 0;
/// The id of the closing mark in every vocabulary: `<eos>` among words, `\n` among characters.
pub const CLOSING_ID: u32 = 1;

/// What one token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// A Unicode scalar value after NFC.
    Char,
    /// A run of characters without white space.
    Word,
}

impl Unit {
    /// The token at the end of a line.
    pub fn closing(self) -> &'static str {
        match self {
            Unit::Char => "\n",
            Unit::Word => EOS,
        }
    }
}

/// The tokens a model knows, in the order of their ids. Serialises to JSON; reading it back checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Vocabulary {
    unit: Unit,
    lowercase: bool,
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
}

/// What a vocabulary is in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    unit: Unit,
    lowercase: bool,
    tokens: Vec<String>,
}

impl From<Vocabulary> for Stored {
    fn from(vocabulary: Vocabulary) -> Self {
        Stored { unit: vocabulary.unit, lowercase: vocabulary.lowercase, tokens: vocabulary.tokens }
    }
}

impl TryFrom<Stored> for Vocabulary {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        Vocabulary::from_tokens(stored.unit, stored.lowercase, stored.tokens)
    }
}

impl Vocabulary {
    /// The vocabulary of `text`: `<unk>`, the closing mark, then the tokens by falling count, those of equal
    /// count in the order of their first appearance.
    ///
    /// `limit` bounds the size, `<unk>` and closing mark included (10,000 for the Penn Treebank); tokens seen fewer
    /// than `min_count` times are left out (0 and 1 keep all). A `<unk>` or `<eos>` written out in a text of
    /// words is that token.
    ///
    /// # Errors
    /// [`Error::Data`] if the text holds no token; [`Error::Config`] if `limit` is below 3 or nothing reaches
    /// `min_count`.
    pub fn build(
        text: &str,
        unit: Unit,
        lowercase: bool,
        limit: Option<usize>,
        min_count: usize,
    ) -> Result<Self> {
        if let Some(limit @ 0..3) = limit {
            let closing = unit.closing().escape_debug();
            return Err(Error::config(
                "data.vocab",
                format!(
                    "{limit} leaves no room for a token beside `{UNKNOWN}` and `{closing}`: give 3 or more"
                ),
            ));
        }
        let text = normalise(text, lowercase);
        // The count and the place of the first appearance, by token.
        let mut seen: HashMap<&str, (usize, usize)> = HashMap::new();
        for (place, token) in units(&text, unit).enumerate() {
            seen.entry(token).or_insert((0, place)).0 += 1;
        }
        seen.remove(UNKNOWN);
        seen.remove(unit.closing());
        if seen.is_empty() {
            return Err(Error::data("the text", "it holds no token to learn: give a text with more in it"));
        }
        let most = seen.values().map(|&(count, _)| count).max().unwrap_or(0);
        if most < min_count {
            return Err(Error::config(
                "data.min_count",
                format!("no token appears {min_count} times, the most frequent {most} times: lower it"),
            ));
        }
        let mut kept: Vec<_> = seen.into_iter().filter(|&(_, (count, _))| count >= min_count).collect();
        kept.sort_unstable_by_key(|&(_, (count, place))| (std::cmp::Reverse(count), place));
        kept.truncate(limit.map_or(usize::MAX, |limit| limit - 2));
        let mut tokens = vec![UNKNOWN.to_owned(), unit.closing().to_owned()];
        tokens.extend(kept.into_iter().map(|(token, _)| token.to_owned()));
        Vocabulary::from_tokens(unit, lowercase, tokens)
    }

    /// A vocabulary with these tokens in this order: for a model file, or a list made elsewhere.
    ///
    /// # Errors
    /// [`Error::Data`] unless the first two are `<unk>` and the unit's closing mark and no token comes twice.
    pub fn from_tokens(unit: Unit, lowercase: bool, tokens: Vec<String>) -> Result<Self> {
        for (id, mark) in [UNKNOWN, unit.closing()].into_iter().enumerate() {
            if tokens.get(id).map(String::as_str) != Some(mark) {
                let found = tokens.get(id).map_or("nothing".to_owned(), |token| format!("`{token}`"));
                return Err(Error::data(
                    format!("vocabulary, token {id}"),
                    format!("it must be `{}`, found {found}", mark.escape_debug()),
                ));
            }
        }
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            let id = u32::try_from(id).map_err(|_| Error::data("vocabulary", "more than 2^32 tokens"))?;
            if let Some(first) = ids.insert(token.clone(), id) {
                return Err(Error::data(
                    format!("vocabulary, token {id}"),
                    format!(
                        "`{}` is token {first} already: a token may come only once",
                        token.escape_debug()
                    ),
                ));
            }
        }
        Ok(Vocabulary { unit, lowercase, tokens, ids })
    }

    /// What one token is.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Whether every text is made lower case first.
    pub fn lowercase(&self) -> bool {
        self.lowercase
    }

    /// The tokens in the order of their ids.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// How many tokens there are: V.
    #[allow(clippy::len_without_is_empty, reason = "a vocabulary always holds its two marks")]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The id of one token, after the same normalisation as a text; `None` if it is not in the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(&*self.normalise(token)).copied()
    }

    /// The token with this id, `<unk>` for an id beyond the vocabulary.
    pub fn token(&self, id: u32) -> &str {
        self.tokens.get(id as usize).map_or(UNKNOWN, String::as_str)
    }

    /// `text` as this vocabulary sees it: lower case if it says so, then NFC.
    pub fn normalise<'a>(&self, text: &'a str) -> Cow<'a, str> {
        normalise(text, self.lowercase)
    }

    /// A running text: every line of words ends in `<eos>`, an empty line is an `<eos>` alone, and a last line
    /// gets its `<eos>` whether or not a line end follows. Characters are taken as they stand.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let text = self.normalise(text);
        if self.unit == Unit::Char {
            return self.lookup(&text).collect();
        }
        let mut ids = Vec::new();
        for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
            ids.extend(self.lookup(line));
            ids.push(CLOSING_ID);
        }
        if text.is_empty() { Vec::new() } else { ids }
    }

    /// One sentence with its closing mark. A line end at its end is not counted twice.
    pub fn encode_line(&self, line: &str) -> Vec<u32> {
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let mut ids = self.encode_units(line);
        ids.push(CLOSING_ID);
        ids
    }

    /// The tokens of `text` without any mark: a text to classify, or a prompt that is to go on.
    pub fn encode_units(&self, text: &str) -> Vec<u32> {
        self.lookup(&self.normalise(text)).collect()
    }

    /// The text of `ids`: words joined by blanks with a line end at each `<eos>`; characters joined as they are,
    /// an unknown one shown as U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        for &id in ids {
            match self.unit {
                Unit::Char if self.token(id) == UNKNOWN => text.push('\u{fffd}'),
                Unit::Char => text.push_str(self.token(id)),
                Unit::Word if id == CLOSING_ID => text.push('\n'),
                Unit::Word => {
                    if !text.is_empty() && !text.ends_with('\n') {
                        text.push(' ');
                    }
                    text.push_str(self.token(id));
                }
            }
        }
        text
    }

    /// How many of `ids` are `<unk>`.
    pub fn unknowns(ids: &[u32]) -> usize {
        ids.iter().filter(|&&id| id == UNKNOWN_ID).count()
    }

    /// The ids of the units of a text already normalised.
    fn lookup<'a>(&'a self, text: &'a str) -> impl Iterator<Item = u32> + 'a {
        units(text, self.unit).map(|token| self.ids.get(token).copied().unwrap_or(UNKNOWN_ID))
    }
}

/// The one place where texts are normalised.
fn normalise(text: &str, lowercase: bool) -> Cow<'_, str> {
    let text = if lowercase && text.chars().any(|c| !c.is_ascii() || c.is_ascii_uppercase()) {
        Cow::Owned(text.to_lowercase())
    } else {
        Cow::Borrowed(text)
    };
    if text.is_ascii() || unicode_normalization::is_nfc(&text) {
        text
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// The tokens of a text already normalised, as slices of it.
fn units(text: &str, unit: Unit) -> Box<dyn Iterator<Item = &str> + '_> {
    match unit {
        Unit::Char => Box::new(text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()])),
        Unit::Word => Box::new(text.split_whitespace()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vocabulary {
        Vocabulary::build(text, Unit::Word, false, None, 1).unwrap()
    }

    #[test]
    fn order_is_by_count_then_first_appearance() {
        let vocabulary = words("zebra b a\nb a c <unk>\n");
        assert_eq!(vocabulary.tokens(), ["<unk>", "<eos>", "b", "a", "zebra", "c"]);
        let two = Vocabulary::build("zebra b a\nb a c", Unit::Word, false, None, 2).unwrap();
        assert_eq!(two.tokens(), ["<unk>", "<eos>", "b", "a"]);
        let limited = Vocabulary::build("zebra b a\nb a c", Unit::Word, false, Some(5), 0).unwrap();
        assert_eq!(limited.tokens(), ["<unk>", "<eos>", "b", "a", "zebra"]);
        let chars = Vocabulary::build("cab\nab", Unit::Char, false, None, 1).unwrap();
        assert_eq!(chars.tokens(), ["<unk>", "\n", "a", "b", "c"]);
    }

    #[test]
    fn lines_of_words_end_in_eos() {
        let vocabulary = words("a b\nc\n");
        assert_eq!(vocabulary.encode("a b\n\nc x\n"), [2, 3, 1, 1, 4, 0, 1]);
        assert_eq!(vocabulary.encode("a b\n\nc x"), vocabulary.encode("a b\n\nc x\n"));
        assert_eq!(vocabulary.encode("a <unk> <eos>"), [2, 0, 1, 1]);
        assert_eq!(vocabulary.encode(""), [] as [u32; 0]);
        assert_eq!(vocabulary.encode_line("a b"), [2, 3, 1]);
        assert_eq!(vocabulary.encode_line("a b\r\n"), [2, 3, 1]);
        assert_eq!(vocabulary.encode_line(""), [1]);
        assert_eq!(vocabulary.encode_units("a\nb"), [2, 3]);
        assert_eq!(Vocabulary::unknowns(&vocabulary.encode("a x y")), 2);
    }

    #[test]
    fn characters_keep_their_line_ends() {
        let vocabulary = Vocabulary::build("ab\nb", Unit::Char, false, None, 1).unwrap();
        assert_eq!(vocabulary.encode("ab\nx"), [3, 2, 1, 0]);
        assert_eq!(vocabulary.encode_line("ab"), [3, 2, 1]);
        assert_eq!(vocabulary.encode_line("ab\n"), [3, 2, 1]);
        assert_eq!(vocabulary.decode(&[3, 2, 1, 0, 99]), "ab\n\u{fffd}\u{fffd}");
        let no_line_end = Vocabulary::build("ab", Unit::Char, false, None, 1).unwrap();
        assert_eq!(no_line_end.encode_line("a"), [2, 1]);
    }

    #[test]
    fn decoding_words_undoes_encoding() {
        let text = "a b\n\nc a\n";
        let vocabulary = words(text);
        assert_eq!(vocabulary.decode(&vocabulary.encode(text)), text);
        assert_eq!(vocabulary.decode(&[2, 99]), "a <unk>");
    }

    #[test]
    fn composed_and_decomposed_are_one_token() {
        let vocabulary = Vocabulary::build("한 é", Unit::Char, false, None, 1).unwrap();
        assert_eq!(vocabulary.len(), 5);
        // Korean jamo and e with a combining accent.
        assert_eq!(vocabulary.encode("\u{1112}\u{1161}\u{11ab} e\u{301}"), vocabulary.encode("한 é"));
        assert_eq!(vocabulary.id("e\u{301}"), vocabulary.id("é"));
    }

    #[test]
    fn lower_case_reaches_every_input() {
        let vocabulary = Vocabulary::build("No Pain ÉTÉ", Unit::Word, true, None, 1).unwrap();
        assert_eq!(vocabulary.tokens(), ["<unk>", "<eos>", "no", "pain", "été"]);
        assert_eq!(vocabulary.encode_line("NO pain ÉTE\u{301}"), [2, 3, 4, 1]);
        assert_eq!(vocabulary.id("NO"), Some(2));
        assert_eq!(words("no").id("NO"), None);
        // Lower case may itself decompose: it comes before NFC.
        assert_eq!(normalise("J\u{30c}", true), "\u{1f0}");
    }

    #[test]
    fn json_keeps_everything_and_is_checked() {
        let vocabulary = Vocabulary::build("A b", Unit::Char, true, None, 1).unwrap();
        let json = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(json, r#"{"unit":"char","lowercase":true,"tokens":["<unk>","\n","a"," ","b"]}"#);
        assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), vocabulary);
        for (bad, why) in [
            (r#"{"unit":"word","lowercase":false,"tokens":["<unk>","<eos>","a","a"]}"#, "only once"),
            (r#"{"unit":"word","lowercase":false,"tokens":["<unk>","a"]}"#, "must be `<eos>`"),
            (r#"{"unit":"word","lowercase":false,"tokens":[]}"#, "found nothing"),
            (r#"{"unit":"sentence","lowercase":false,"tokens":[]}"#, "unknown variant"),
        ] {
            let message = serde_json::from_str::<Vocabulary>(bad).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn impossible_vocabularies_are_refused() {
        let refuse = |text, limit, min_count| {
            Vocabulary::build(text, Unit::Word, false, limit, min_count).unwrap_err().to_string()
        };
        assert!(refuse(" \n", None, 1).contains("no token"));
        assert!(refuse("<unk> <eos>", None, 1).contains("no token"));
        assert!(refuse("a", Some(2), 1).contains("data.vocab: 2 leaves no room"));
        assert!(refuse("a a b", None, 3).contains("the most frequent 2 times"));
    }
}
