//! The tokens of a text, the most frequent first.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use super::normal::normalise;
use super::unit::{BYTE_TOKENS, byte_tokens};
use super::{NormalForm, Tokenizer, UNKNOWN, Unit, Vocabulary, Words, hangul, subword};
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
    /// Where words end; for [`Unit::Word`] alone.
    pub words: Words,
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
            words: Words::default(),
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

/// Different tokens that are counted at a time.
const DISTINCT: usize = 1 << 21;

/// Counts the tokens of a text that comes piece by piece, for a [`Vocabulary`].
///
/// Of more than two million different tokens, the rarest are dropped and counted anew where they come again, as word2vec
/// does it: first those that have come once, then those that have come twice, and so on. What a vocabulary with a limit
/// keeps is hardly ever among them.
///
/// ```
/// use gimbap::data::text::{Counter, Options, Unit};
///
/// # fn main() -> gimbap::Result<()> {
/// let mut counter = Counter::new(Options::new(Unit::Word))?;
/// counter.add("no pain\n");
/// counter.add("no gain\n");
/// assert_eq!(counter.finish()?.tokens(), ["<unk>", "<eos>", "no", "pain", "gain"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Counter {
    options: Options,
    chars: Ranking<char>,
    words: Ranking<String>,
    /// Whether there was a byte that is no line end.
    bytes: bool,
}

impl Counter {
    /// Nothing counted.
    ///
    /// # Errors
    /// As [`Options::check`].
    pub fn new(options: Options) -> Result<Self> {
        options.check()?;
        Ok(Counter { options, chars: Ranking::default(), words: Ranking::default(), bytes: false })
    }

    /// Counts a piece: whole lines, or whole words of one.
    pub fn add(&mut self, piece: &str) {
        let Options { unit, lowercase, form, .. } = self.options;
        let text = normalise(piece, lowercase, form);
        match unit {
            Unit::Byte => self.bytes |= text.bytes().any(|byte| byte != b'\n'),
            Unit::Char => text.chars().filter(|&c| c != '\n').for_each(|c| self.chars.add(&c)),
            Unit::Jamo => {
                let jamo = text.chars().filter(|&c| c != '\n').flat_map(hangul::jamo);
                jamo.for_each(|c| self.chars.add(&c));
            }
            Unit::Word => {
                let mark = |word: &str| word == UNKNOWN || word == unit.closing();
                self.options.words.each(&text, |word| {
                    if !mark(word) {
                        self.words.add(word);
                    }
                });
            }
            Unit::Subword => text.split_whitespace().for_each(|word| self.words.add(word)),
        }
    }

    /// The vocabulary: `<unk>`, the closing mark, then the tokens by falling count, those of equal count in the order of
    /// their first appearance; of subwords, in the order of the tokenizer.
    ///
    /// # Errors
    /// As [`Vocabulary::build_with`].
    pub fn finish(self) -> Result<Vocabulary> {
        let options = &self.options;
        if options.unit == Unit::Subword {
            let (subword, tokens) = match &options.tokenizer {
                Some(Tokenizer::File(path)) => subword::read(path)?,
                _ => subword::train(self.words.counts(), options)?,
            };
            return Vocabulary::with(options, tokens, Some(subword));
        }
        let learned = match options.unit {
            Unit::Byte if self.bytes => byte_tokens().split_off(2),
            Unit::Byte => Vec::new(),
            Unit::Char | Unit::Jamo => self.chars.finish(options)?,
            Unit::Word | Unit::Subword => self.words.finish(options)?,
        };
        if learned.is_empty() {
            return Err(Error::data("the text", "it holds no token to learn: give a text with more in it"));
        }
        let marks = [UNKNOWN, options.unit.closing()].map(str::to_owned);
        let tokens = marks.into_iter().chain(learned).collect();
        Vocabulary::with(options, tokens, None)
    }
}

/// How often each came, and after how many others first.
#[derive(Clone, Debug)]
struct Ranking<K> {
    seen: HashMap<K, (u64, u64)>,
    total: u64,
    /// What came this often or less is dropped next.
    bar: u64,
    most: usize,
}

impl<K> Default for Ranking<K> {
    fn default() -> Self {
        Ranking { seen: HashMap::new(), total: 0, bar: 1, most: DISTINCT }
    }
}

impl<K: Eq + Hash + ToString> Ranking<K> {
    fn add<Q: Eq + Hash + ToOwned<Owned = K> + ?Sized>(&mut self, item: &Q)
    where
        K: Borrow<Q>,
    {
        match self.seen.get_mut(item) {
            Some((count, _)) => *count += 1,
            None => {
                if self.seen.len() == self.most {
                    self.drop_rarest();
                }
                self.seen.insert(item.to_owned(), (1, self.total));
            }
        }
        self.total += 1;
    }

    fn drop_rarest(&mut self) {
        while self.seen.len() == self.most {
            self.seen.retain(|_, &mut (count, _)| count > self.bar);
            self.bar += 1;
        }
    }

    /// Each with its count, in no order.
    fn counts(self) -> Vec<(K, u64)> {
        self.seen.into_iter().map(|(item, (count, _))| (item, count)).collect()
    }

    /// What came often enough.
    fn finish(self, options: &Options) -> Result<Vec<String>> {
        let least = options.min_count as u64;
        let most = self.seen.values().map(|&(count, _)| count).max().unwrap_or(0);
        if most > 0 && most < least {
            let message = format!("no token appears {least} times, the most frequent {most} times: lower it");
            return Err(Error::config("data.min_count", message));
        }
        let mut kept: Vec<_> = self.seen.into_iter().filter(|&(_, (count, _))| count >= least).collect();
        kept.sort_unstable_by_key(|&(_, (count, place))| (Reverse(count), place));
        kept.truncate(options.limit.map_or(usize::MAX, |limit| limit - 2));
        Ok(kept.into_iter().map(|(item, _)| item.to_string()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_are_dropped_where_there_are_too_many() {
        let mut words = Ranking { most: 4, ..Ranking::default() };
        for word in ["a", "b", "a", "c", "d", "e", "a", "f", "g", "h", "g"] {
            words.add(word);
        }
        // At `e` what had come once was dropped, at `h` what had come twice or less: `a` had come three times.
        let kept = words.finish(&Options::new(Unit::Word)).unwrap();
        assert_eq!(kept, ["a", "h", "g"]);
    }
}
