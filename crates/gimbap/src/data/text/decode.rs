//! From ids to text, one at a time.

use super::{CLOSING_ID, UNKNOWN_ID, Unit, Vocabulary, hangul, unit};

/// What stands for an unknown character, and for bytes that are none.
const REPLACEMENT: char = '\u{fffd}';

/// A text under way: ids go in, and what they add to the text comes out as soon as it is settled.
///
/// | unit | comes out |
/// |---|---|
/// | bytes | once they are a whole character; what can never be one as U+FFFD |
/// | characters | at once; an unknown one as U+FFFD |
/// | jamo | once no more can join the syllable |
/// | words | at once, each but a line's first after a blank; `<eos>` as a line end |
///
/// All pieces together are [`Vocabulary::decode`] of all ids.
///
/// ```
/// use gimbap::data::text::{Unit, Vocabulary};
///
/// # fn main() -> gimbap::Result<()> {
/// let vocabulary = Vocabulary::build("한글", Unit::Jamo, false, None, 1)?;
/// let mut decoder = vocabulary.decoder();
/// let pieces: Vec<String> = vocabulary.encode("한글").into_iter().map(|id| decoder.push(id)).collect();
/// assert_eq!(pieces, ["", "", "한", "", "", "글"]);
/// assert_eq!(decoder.finish(), "");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    vocabulary: &'a Vocabulary,
    /// Of words: a blank belongs before the next.
    blank: bool,
    /// Of bytes: the beginning of a character.
    bytes: Vec<u8>,
    /// Of jamo: a syllable, or its first consonant, that may still grow.
    open: Option<char>,
}

impl Vocabulary {
    /// A decoder at the start of a text.
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder { vocabulary: self, blank: false, bytes: Vec::new(), open: None }
    }

    /// A decoder that goes on with `text`, and the part of `text` that is settled: all of it, but for a last
    /// syllable that may still get a consonant, which comes with the next piece.
    pub fn decoder_after<'t>(&self, text: &'t str) -> (&'t str, Decoder<'_>) {
        let decoder = self.decoder();
        match self.unit() {
            Unit::Byte | Unit::Char => (text, decoder),
            Unit::Jamo => {
                let (settled, open) = hangul::split_open(text);
                (settled, Decoder { open, ..decoder })
            }
            Unit::Word => {
                let blank = !text.is_empty() && !text.ends_with(char::is_whitespace);
                (text, Decoder { blank, ..decoder })
            }
        }
    }
}

impl Decoder<'_> {
    /// What this id adds to the text.
    pub fn push(&mut self, id: u32) -> String {
        let mut piece = String::new();
        self.push_to(id, &mut piece);
        piece
    }

    /// What is left at the end of the text.
    pub fn finish(&mut self) -> String {
        let mut piece = String::new();
        self.finish_to(&mut piece);
        piece
    }

    pub(super) fn push_to(&mut self, id: u32, text: &mut String) {
        let token = self.vocabulary.token(id);
        let unknown = id == UNKNOWN_ID || id as usize >= self.vocabulary.len();
        match self.vocabulary.unit() {
            Unit::Word if id == CLOSING_ID => {
                text.push('\n');
                self.blank = false;
            }
            Unit::Word => {
                text.extend(std::mem::replace(&mut self.blank, true).then_some(' '));
                text.push_str(token);
            }
            _ if unknown => {
                self.finish_to(text);
                text.push(REPLACEMENT);
            }
            Unit::Char => text.push_str(token),
            Unit::Jamo => token.chars().for_each(|c| self.open = hangul::advance(self.open, c, text)),
            Unit::Byte => {
                self.bytes.extend(unit::byte_of(id));
                self.settle(text);
            }
        }
    }

    pub(super) fn finish_to(&mut self, text: &mut String) {
        text.extend(self.open.take());
        if !std::mem::take(&mut self.bytes).is_empty() {
            text.push(REPLACEMENT);
        }
    }

    /// Writes the bytes that are whole characters or never will be; at most three stay.
    fn settle(&mut self, text: &mut String) {
        while !self.bytes.is_empty() {
            let (valid, wrong) = match std::str::from_utf8(&self.bytes) {
                Ok(_) => (self.bytes.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            text.push_str(std::str::from_utf8(&self.bytes[..valid]).unwrap_or_default());
            text.extend(wrong.filter(|&n| n > 0).map(|_| REPLACEMENT));
            self.bytes.drain(..valid + wrong.unwrap_or(0));
            if wrong.is_none() {
                break;
            }
        }
    }
}
