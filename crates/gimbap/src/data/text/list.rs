//! A vocabulary from a list of tokens, one a line.

use std::collections::HashMap;
use std::path::Path;

use super::normal::normalise;
use super::{EOS, Options, UNKNOWN, Unit, Vocabulary, hangul};
use crate::data::read::read_text;
use crate::error::{Error, Result};

impl Vocabulary {
    /// The vocabulary that a file lists, one token a line, in this order; of a limit, the first so many.
    ///
    /// `<unk>`, and among words `<eos>`, are put in front, unless they stand there already. Tokens are normalised as
    /// texts are.
    ///
    /// # Errors
    /// [`Error::Data`] with the line if it is empty, holds more than one token or one that is on a line before, or is
    /// a mark that stands elsewhere than in front; as [`read_text`]; [`Error::Config`] as [`Options::check`], for
    /// bytes, which have one vocabulary, for subwords, which are a tokenizer's, and if `min_count` is above 1: a
    /// list counts nothing.
    pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let path = path.as_ref();
        options.check()?;
        if options.unit == Unit::Byte {
            let message = "is a file, but bytes are always the same 257 tokens: leave it out";
            return Err(Error::config("data.vocab", message));
        }
        if options.unit == Unit::Subword {
            let message =
                "is a file, but subwords are a tokenizer's: give its `tokenizer.json` as data.tokenizer";
            return Err(Error::config("data.vocab", message));
        }
        if options.min_count > 1 {
            let message = format!(
                "is {}, but a file of tokens has no counts: give 1 or leave it out",
                options.min_count
            );
            return Err(Error::config("data.min_count", message));
        }
        let text = read_text(path)?;
        let mut tokens = vec![UNKNOWN.to_owned(), options.unit.closing().to_owned()];
        let mut seen = HashMap::new();
        for (number, line) in (1..).zip(text.strip_suffix('\n').unwrap_or(&text).split('\n')) {
            let token = normalise(line, options.lowercase, options.form).into_owned();
            let first = *seen.entry(token.clone()).or_insert(number);
            let wrong = match first < number {
                true => Some(format!(
                    "`{}` is on line {first} already: a token may come only once",
                    shown(&token)
                )),
                false => refusal(&token, options),
            };
            // `<eos>` is the first line, or the second after `<unk>`.
            let place = 1 + usize::from(token == EOS && seen.contains_key(UNKNOWN));
            let wrong = wrong.or_else(|| match is_mark(&token, options.unit) && number != place {
                true => {
                    Some(format!("`{token}` stands in front of all tokens: leave it out, or move it there"))
                }
                false => None,
            });
            if let Some(message) = wrong {
                return Err(Error::data(format!("{}, line {number}", path.display()), message));
            }
            if !is_mark(&token, options.unit) {
                tokens.push(token);
            }
        }
        if tokens.len() == 2 {
            return Err(Error::data(
                path.display().to_string(),
                "it lists no token beside the marks: give some",
            ));
        }
        tokens.truncate(options.limit.unwrap_or(usize::MAX));
        Vocabulary::with(options, tokens, None)
    }
}

fn is_mark(token: &str, unit: Unit) -> bool {
    token == UNKNOWN || unit == Unit::Word && token == EOS
}

fn shown(token: &str) -> String {
    token.escape_debug().to_string()
}

/// Why a line is not one token.
fn refusal(token: &str, options: &Options) -> Option<String> {
    let unit = options.unit;
    let pieces = match unit {
        _ if is_mark(token, unit) => 1,
        Unit::Byte | Unit::Char => token.chars().count(),
        Unit::Jamo => token.chars().flat_map(hangul::jamo).count(),
        Unit::Word | Unit::Subword => token.split_whitespace().count(),
    };
    match (unit, pieces) {
        _ if token.is_empty() => Some("the line is empty: give one token a line".into()),
        (Unit::Word, 1) if token.contains(char::is_whitespace) => {
            Some(format!("`{}` has a blank beside the word: take it off", shown(token)))
        }
        (Unit::Word, 1) if options.words.count(token) > 1 => Some(format!(
            "`{}` is several words where punctuation stands apart: take it out, or give data.words = \"space\"",
            shown(token)
        )),
        (_, 1) => None,
        (Unit::Word, _) => Some(format!("`{}` is not one word: give one a line", shown(token))),
        (Unit::Jamo, _) => {
            Some(format!("`{}` is {pieces} jamo or characters: give one a line", shown(token)))
        }
        (_, _) => Some(format!("`{}` is {pieces} characters: give one a line", shown(token))),
    }
}
