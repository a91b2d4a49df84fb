//! Text to token ids and back.
//!
//! Every text passes through one normalisation: lower case if the vocabulary says so, then a normal form of Unicode,
//! NFC if no other is asked for, so that an accent typed as a mark of its own and a Korean syllable typed as jamo
//! become what the training text had. Bytes are taken as they stand.
//!
//! | unit | a token is | a line ends in |
//! |---|---|---|
//! | [`Unit::Byte`] | a byte of UTF-8, whatever the text: nothing is unknown | `\n`, a byte like any other |
//! | [`Unit::Char`] | a Unicode scalar value | `\n`, a character like any other |
//! | [`Unit::Jamo`] | the same, Hangul syllables taken apart | `\n` |
//! | [`Unit::Word`] | a word, or a mark of punctuation: [`Words`] | `<eos>`, as in the Penn Treebank's language-model files |
//! | [`Unit::Subword`] | a piece of a word, as a [`Tokenizer`] cuts it | `<eos>` |
//!
//! Id 0 is always `<unk>`, and id 1 the closing mark (`\n` or `<eos>`).
//!
//! # Subwords
//!
//! A [`Tokenizer`] is learned of the text, by byte-pair encoding or as a unigram language model, or it is a
//! `tokenizer.json` made elsewhere. The model file keeps it, and each line is cut by itself.
//!
//! In ours a blank belongs to the token behind it and is written `▁`; a line begins with one, so that a word is the
//! same token there as elsewhere, and a first blank of its own is not kept. All white space is a blank, and so is a
//! `▁` of the text. What joins no other are single characters; those that the text learned of did not have are
//! unknown, a run of them within a word being one `<unk>`. It is learned of at most the 2^20 most frequent words, by
//! counts alone, and the same words give the same tokens in every process.
//!
//! One made elsewhere cuts as it always does: its own normalisation follows ours, and its tokens keep their order.
//! What it calls its unknown token is `<unk>`, and the first that it has of `</s>`, `<eos>`, `<|endoftext|>` and
//! `[SEP]` is `<eos>`; they are added where it has none.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::subword::Subword;
use self::table::Table;
use crate::error::{Error, Result};

mod count;
mod decode;
mod encode;
pub mod hangul;
mod list;
mod normal;
mod subword;
mod table;
mod unit;
mod words;

pub use self::count::{Counter, Options};
pub use self::decode::Decoder;
pub use self::encode::Encoder;
pub use self::normal::NormalForm;
pub use self::subword::Tokenizer;
pub use self::unit::Unit;
pub use self::words::Words;

/// The token that stands for everything outside the vocabulary.
pub const UNKNOWN: &str = "<unk>";
/// The token that closes a line of words or subwords.
pub const EOS: &str = "<eos>";
/// The id of [`UNKNOWN`] in every vocabulary.
pub const UNKNOWN_ID: u32 = 0;
/// The id of the closing mark in every vocabulary: `<eos>` among words and subwords, `\n` among all other units.
pub const CLOSING_ID: u32 = 1;

/// The tokens a model knows, in the order of their ids. Serialises to JSON; reading it back checks it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Vocabulary {
    unit: Unit,
    lowercase: bool,
    form: NormalForm,
    words: Words,
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    chars: Table,
    /// Of subwords.
    subword: Option<Arc<Subword>>,
}

/// What a vocabulary is in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    unit: Unit,
    lowercase: bool,
    #[serde(default, skip_serializing_if = "NormalForm::is_nfc")]
    normal_form: NormalForm,
    /// Of words; a file from before there was a choice has none.
    #[serde(default = "Words::space", skip_serializing_if = "Words::is_space")]
    words: Words,
    tokens: Vec<String>,
    /// Of subwords: the `tokenizer.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokenizer: Option<serde_json::Value>,
}

impl From<Vocabulary> for Stored {
    fn from(vocabulary: Vocabulary) -> Self {
        let Vocabulary { unit, lowercase, form, words, tokens, subword, .. } = vocabulary;
        let words = if unit == Unit::Word { words } else { Words::Space };
        let tokenizer = subword.map(|subword| subword.json().clone());
        Stored { unit, lowercase, normal_form: form, words, tokens, tokenizer }
    }
}

impl TryFrom<Stored> for Vocabulary {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let Stored { unit, lowercase, normal_form, words, tokens, tokenizer } = stored;
        let options = Options { lowercase, form: normal_form, words, ..Options::new(unit) };
        let Some(json) = tokenizer else { return Vocabulary::with(&options, tokens, None) };
        let wrong = |message: String| Error::data("vocabulary, tokenizer", message);
        if unit != Unit::Subword {
            return Err(wrong("it is for subwords, and the tokens are not".into()));
        }
        let (subword, own) = Subword::new(json).map_err(wrong)?;
        if own != tokens {
            return Err(wrong("its tokens are not those of the vocabulary".into()));
        }
        Vocabulary::with(&options, tokens, Some(subword))
    }
}

impl Vocabulary {
    /// The vocabulary of `text` in the unit's own normal form: [`Vocabulary::build_with`] in the most usual case.
    ///
    /// # Errors
    /// As [`Vocabulary::build_with`].
    pub fn build(
        text: &str,
        unit: Unit,
        lowercase: bool,
        limit: Option<usize>,
        min_count: usize,
    ) -> Result<Self> {
        Vocabulary::build_with(text, &Options { lowercase, limit, min_count, ..Options::new(unit) })
    }

    /// The vocabulary of `text`: `<unk>`, the closing mark, then the tokens by falling count, those of equal
    /// count in the order of their first appearance. That of bytes is the same for every text; that of subwords has
    /// the order of its tokenizer, and if that is a file's, `text` is not read. [`Counter`] does it piece by piece.
    ///
    /// A `<unk>` or `<eos>` written out in a text of words or subwords is that token.
    ///
    /// # Errors
    /// [`Error::Data`] if the text holds no token, or if a file is no tokenizer; [`Error::Config`] as
    /// [`Options::check`], or if nothing reaches `min_count`, or if more characters than `limit` has room for are to
    /// be tokens beside subwords; as [`read_text`](super::read::read_text) of a tokenizer's file.
    pub fn build_with(text: &str, options: &Options) -> Result<Self> {
        let mut counter = Counter::new(options.clone())?;
        counter.add(text);
        counter.finish()
    }

    /// A vocabulary with these tokens in this order, in the unit's own normal form: a list made elsewhere. Its words are
    /// what stands between white space ([`Words::Space`]).
    ///
    /// # Errors
    /// [`Error::Data`] unless the first two are `<unk>` and the unit's closing mark and no token comes twice; for
    /// bytes unless they are the 257 in order; for subwords, which a list alone does not make: [`Options::tokenizer`].
    pub fn from_tokens(unit: Unit, lowercase: bool, tokens: Vec<String>) -> Result<Self> {
        let options = Options { lowercase, words: Words::Space, ..Options::new(unit) };
        Vocabulary::with(&options, tokens, None)
    }

    fn with(options: &Options, tokens: Vec<String>, subword: Option<Subword>) -> Result<Self> {
        let Options { unit, lowercase, form, words, .. } = *options;
        let words = if unit == Unit::Word { words } else { Words::default() };
        count::check_form(unit, form)?;
        if unit == Unit::Subword && subword.is_none() {
            let message = "it has none, and subwords cannot be cut without one: make the vocabulary of a text or of a \
                           `tokenizer.json`";
            return Err(Error::data("vocabulary, tokenizer", message));
        }
        for (id, mark) in [UNKNOWN, unit.closing()].into_iter().enumerate() {
            if tokens.get(id).map(String::as_str) != Some(mark) {
                let found = tokens.get(id).map_or("nothing".to_owned(), |token| format!("`{token}`"));
                return Err(Error::data(
                    format!("vocabulary, token {id}"),
                    format!("it must be `{}`, found {found}", mark.escape_debug()),
                ));
            }
        }
        if unit == Unit::Byte && tokens != unit::byte_tokens() {
            let message = "it must hold the 256 bytes in their order, after `<unk>` and the line end";
            return Err(Error::data("vocabulary of bytes", message));
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
        let chars = Table::new(&tokens);
        Ok(Vocabulary { unit, lowercase, form, words, tokens, ids, chars, subword: subword.map(Arc::new) })
    }

    /// What one token is.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Whether every text is made lower case first.
    pub fn lowercase(&self) -> bool {
        self.lowercase
    }

    /// The normal form of every text.
    pub fn normal_form(&self) -> NormalForm {
        self.form
    }

    /// Where words end; of other units it says nothing.
    pub fn words(&self) -> Words {
        self.words
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

    /// The id of one token, after the same normalisation as a text; `None` if it is not in the vocabulary. A byte
    /// goes by its name, such as `<0x41>`.
    pub fn id(&self, token: &str) -> Option<u32> {
        match self.unit {
            Unit::Byte => self.ids.get(token).copied(),
            _ => self.ids.get(&*self.normalise(token)).copied(),
        }
    }

    /// The token with this id, `<unk>` for an id beyond the vocabulary.
    pub fn token(&self, id: u32) -> &str {
        self.tokens.get(id as usize).map_or(UNKNOWN, String::as_str)
    }

    /// `text` as this vocabulary sees it: lower case if it says so, then its normal form.
    pub fn normalise<'a>(&self, text: &'a str) -> Cow<'a, str> {
        normal::normalise(text, self.lowercase, self.form)
    }

    /// A running text: every line of words or subwords ends in `<eos>`, an empty line is an `<eos>` alone, and a last
    /// line gets its `<eos>` whether or not a line end follows. Other units are taken as they stand.
    /// [`Encoder`] does the same piece by piece.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let (mut encoder, mut ids) = (self.encoder(), Vec::new());
        encoder.push(text, &mut ids);
        encoder.finish(&mut ids);
        ids
    }

    /// One sentence with its closing mark. A line end at its end is not counted twice.
    pub fn encode_line(&self, line: &str) -> Vec<u32> {
        let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        let mut ids = Vec::new();
        self.lookup(&self.normalise(line), &mut ids);
        ids.push(CLOSING_ID);
        ids
    }

    /// The tokens of `text` without any mark: a text to classify, or a prompt that is to go on. Of subwords, a blank at
    /// its end is left out: it belongs to what follows.
    pub fn encode_units(&self, text: &str) -> Vec<u32> {
        let text = if self.unit == Unit::Subword { text.trim_end() } else { text };
        let mut ids = Vec::new();
        self.lookup(&self.normalise(text), &mut ids);
        ids
    }

    /// What `text` is cut into, as the vocabulary sees it, each piece the one that [`Vocabulary::encode_units`] has an id for,
    /// in the vocabulary or not. Of subwords they are tokens, what is unknown among them `<unk>`; of bytes their names.
    pub fn pieces(&self, text: &str) -> Vec<String> {
        let text = self.normalise(text);
        let mut pieces = Vec::new();
        match self.unit {
            Unit::Char => pieces.extend(text.chars().map(String::from)),
            Unit::Jamo => pieces.extend(text.chars().flat_map(hangul::jamo).map(String::from)),
            Unit::Word => self.words.each(&text, |word| pieces.push(word.to_owned())),
            Unit::Byte | Unit::Subword => {
                pieces.extend(self.encode_units(&text).into_iter().map(|id| self.token(id).to_owned()));
            }
        }
        pieces
    }

    /// The text of `ids`: words joined by blanks, but for marks of punctuation that stand apart ([`Words`]), with a line end at each `<eos>`; other units joined as they are,
    /// jamo to syllables, subwords by their tokenizer and with such line ends, an unknown one and bytes that are no
    /// UTF-8 shown as U+FFFD. [`Decoder`] does the same id by id.
    pub fn decode(&self, ids: &[u32]) -> String {
        let (mut decoder, mut text) = (self.decoder(), String::new());
        ids.iter().for_each(|&id| decoder.push_to(id, &mut text));
        decoder.finish_to(&mut text);
        text
    }

    /// How many of `ids` are `<unk>`.
    pub fn unknowns(ids: &[u32]) -> usize {
        ids.iter().filter(|&&id| id == UNKNOWN_ID).count()
    }

    /// Adds the ids of the units of a text already normalised.
    fn lookup(&self, text: &str, ids: &mut Vec<u32>) {
        match self.unit {
            Unit::Byte => ids.extend(text.bytes().map(unit::id_of)),
            Unit::Char => ids.extend(text.chars().map(|c| self.chars.id(c))),
            Unit::Jamo => ids.extend(text.chars().flat_map(hangul::jamo).map(|c| self.chars.id(c))),
            Unit::Word => {
                self.words.each(text, |word| ids.push(self.ids.get(word).copied().unwrap_or(UNKNOWN_ID)));
            }
            Unit::Subword => {
                let lines = text.split('\n').filter(|line| !line.is_empty());
                self.subword
                    .iter()
                    .for_each(|subword| lines.clone().for_each(|line| subword.encode(line, ids)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
