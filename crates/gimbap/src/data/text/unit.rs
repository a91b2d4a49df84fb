//! What one token is, and the fixed vocabulary of bytes.

use serde::{Deserialize, Serialize};

use super::{CLOSING_ID, EOS, NormalForm, UNKNOWN, UNKNOWN_ID};

/// What one token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// A byte of the text's UTF-8: 257 tokens whatever the text, none of them unknown.
    Byte,
    /// A Unicode scalar value after normalisation.
    Char,
    /// As [`Unit::Char`], but a Hangul syllable is its two or three jamo.
    Jamo,
    /// A run of characters without white space.
    Word,
    /// A piece of a word, or a whole one, as a tokenizer cuts them: [`Tokenizer`](super::Tokenizer).
    Subword,
}

impl Unit {
    /// The token at the end of a line.
    pub fn closing(self) -> &'static str {
        match self {
            Unit::Byte | Unit::Char | Unit::Jamo => "\n",
            Unit::Word | Unit::Subword => EOS,
        }
    }

    /// The normal form where none is asked for: bytes are taken as they stand, all else in NFC.
    pub fn normal_form(self) -> NormalForm {
        match self {
            Unit::Byte => NormalForm::None,
            Unit::Char | Unit::Jamo | Unit::Word | Unit::Subword => NormalForm::Nfc,
        }
    }
}

/// How many tokens a vocabulary of bytes has: 256, and `<unk>`.
pub(super) const BYTE_TOKENS: usize = 257;

/// The tokens of bytes: `<unk>`, the line end, then the other bytes in order, the letter A as `<0x41>`.
pub(super) fn byte_tokens() -> Vec<String> {
    let token = |id: u32| match byte_of(id) {
        Some(b'\n') => "\n".to_owned(),
        Some(byte) => format!("<0x{byte:02X}>"),
        None => UNKNOWN.to_owned(),
    };
    (0..BYTE_TOKENS as u32).map(token).collect()
}

/// The id of a byte.
pub(super) fn id_of(byte: u8) -> u32 {
    match byte {
        b'\n' => CLOSING_ID,
        0..b'\n' => u32::from(byte) + 2,
        _ => u32::from(byte) + 1,
    }
}

/// The byte with this id; None of `<unk>` and beyond the vocabulary.
pub(super) fn byte_of(id: u32) -> Option<u8> {
    let byte = match id {
        UNKNOWN_ID => return None,
        CLOSING_ID => u32::from(b'\n'),
        2..12 => id - 2,
        _ => id - 1,
    };
    u8::try_from(byte).ok()
}
