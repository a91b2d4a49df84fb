//! The tokens of a text, the most frequent first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use super::normal::normalise;
use super::unit::{BYTE_TOKENS, byte_tokens};
use super::{NormalForm, Tokenizer, UNKNOWN, Unit, hangul};
use crate::error::{Error, Result};

/// How a vocabulary is made of a text.
///
/// ```
/// use gimbap::data::text::{NormalForm, Options, Unit, Vocabulary};
///
/// # fn main() -> gimbap::Result<()> {
/// let options = Options { form: NormalForm::Nfkc, ..Options::new(Unit::Char) };
/// let vocabulary = Vocabulary::build_with("Ａ A", &options)?;
/// assert_eq!(vocabulary.tokens(), ["<unk>", "\n", "A", " "]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What one token is.
    pub unit: Unit,
    /// Whether every text is made lower case first.
    pub lowercase: bool,
    /// The normal form of every text.
    pub form: NormalForm,
    /// At most so many tokens, `<unk>` and the closing mark included (10,000 for the Penn Treebank). Of subwords
    /// 8,000 where no number is given.
    pub limit: Option<usize>,
    /// Tokens seen fewer times are left out; 0 and 1 keep all. Of subwords it is the characters that are left out,
    /// and pairs of byte-pair encoding that stay apart.
    pub min_count: usize,
    /// What cuts a text into subwords; for [`Unit::Subword`] alone, where none given is [`Tokenizer::Bpe`].
    pub tokenizer: Option<Tokenizer>,
}

impl Options {
    /// All tokens, in the unit's own normal form.
    pub fn new(unit: Unit) -> Options {
        Options {
            unit,
            lowercase: false,
            form: unit.normal_form(),
            limit: None,
            min_count: 1,
            tokenizer: None,
        }
    }

    /// Whether they go together.
    ///
    /// # Errors
    /// [`Error::Config`] if `limit` is below 3, or below 257 for bytes; for bytes if `min_count` is above 1, as they
    /// are all kept; for jamo if there is no normal form to compose them; if there is a tokenizer and no subwords, or
    /// one of a file and a `limit` or `min_count`: it has its own tokens.
    pub fn check(&self) -> Result<()> {
        let bad = |key: &str, message: String| Err(Error::config(format!("data.{key}"), message));
        let of_file = matches!(self.tokenizer, Some(Tokenizer::File(_)));
        if self.tokenizer.is_some() && self.unit != Unit::Subword {
            return bad(
                "tokenizer",
                "is for subwords: give data.unit = \"subword\", or leave it out".to_owned(),
            );
        }
        if let Some(limit) = self.limit.filter(|_| of_file) {
            return bad(
                "vocab",
                format!(
                    "is {limit}, but the file of data.tokenizer has its own tokens: leave one of them out"
                ),
            );
        }
        if of_file && self.min_count > 1 {
            return bad(
                "min_count",
                format!(
                    "is {}, but the file of data.tokenizer has no counts: give 1 or leave it out",
                    self.min_count
                ),
            );
        }
        match (self.unit, self.limit) {
            (Unit::Byte, Some(limit @ 0..BYTE_TOKENS)) => bad(
                "vocab",
                format!("is {limit}, but bytes are always {BYTE_TOKENS} tokens: give that or leave it out"),
            ),
            (unit, Some(limit @ 0..3)) => bad(
                "vocab",
                format!(
                    "is {limit}, which leaves no room for a token beside `{UNKNOWN}` and `{}`: give 3 or more",
                    unit.closing().escape_debug()
                ),
            ),
            (Unit::Byte, _) if self.min_count > 1 => bad(
                "min_count",
                format!(
                    "is {}, but bytes are all kept, however rare: give 1 or leave it out",
                    self.min_count
                ),
            ),
            _ => check_form(self.unit, self.form),
        }
    }
}

/// Jamo are put together again only where the text was composed.
pub(super) fn check_form(unit: Unit, form: NormalForm) -> Result<()> {
    match (unit, form) {
        (Unit::Jamo, NormalForm::None) => Err(Error::config(
            "data.normal_form",
            "is `none`, but jamo are taken from composed syllables: give `nfc` or `nfkc`",
        )),
        _ => Ok(()),
    }
}

/// The tokens of a text in the order of their ids.
pub(super) fn tokens(text: &str, options: &Options) -> Result<Vec<String>> {
    options.check()?;
    let unit = options.unit;
    let text = normalise(text, options.lowercase, options.form);
    let learned = match unit {
        Unit::Byte if text.bytes().any(|byte| byte != b'\n') => return Ok(byte_tokens()),
        Unit::Byte => Vec::new(),
        Unit::Char => ranked(text.chars().filter(|&c| c != '\n'), options)?,
        Unit::Jamo => ranked(text.chars().filter(|&c| c != '\n').flat_map(hangul::jamo), options)?,
        Unit::Word => {
            let words = text.split_whitespace().filter(|&word| word != UNKNOWN && word != unit.closing());
            ranked(words, options)?
        }
        Unit::Subword => unreachable!("subwords are a tokenizer's"),
    };
    if learned.is_empty() {
        return Err(Error::data("the text", "it holds no token to learn: give a text with more in it"));
    }
    Ok([UNKNOWN, unit.closing()].map(str::to_owned).into_iter().chain(learned).collect())
}

/// What comes often enough, by falling count, those of equal count in the order of their first appearance.
fn ranked<K: Eq + Hash + ToString>(items: impl Iterator<Item = K>, options: &Options) -> Result<Vec<String>> {
    // The count and the place of the first appearance.
    let mut seen: HashMap<K, (usize, usize)> = HashMap::new();
    for (place, item) in items.enumerate() {
        seen.entry(item).or_insert((0, place)).0 += 1;
    }
    let most = seen.values().map(|&(count, _)| count).max().unwrap_or(0);
    if most > 0 && most < options.min_count {
        let message =
            format!("no token appears {} times, the most frequent {most} times: lower it", options.min_count);
        return Err(Error::config("data.min_count", message));
    }
    let mut kept: Vec<_> = seen.into_iter().filter(|&(_, (count, _))| count >= options.min_count).collect();
    kept.sort_unstable_by_key(|&(_, (count, place))| (Reverse(count), place));
    kept.truncate(options.limit.map_or(usize::MAX, |limit| limit - 2));
    Ok(kept.into_iter().map(|(item, _)| item.to_string()).collect())
}
