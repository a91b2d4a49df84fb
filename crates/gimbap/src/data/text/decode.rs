//! From ids to text, one at a time.

use super::subword::Subword;
use super::words::Join;
use super::{CLOSING_ID, UNKNOWN_ID, Unit, Vocabulary, hangul, unit};

/// What stands for an unknown character, and for bytes that are none.
const REPLACEMENT: char = '\u{fffd}';
/// So many subwords a character may take to be whole; and so many of a prompt tell how the next one is joined to it.
const LONGEST: usize = 16;

/// A text under way: ids go in, and what they add to the text comes out as soon as it is settled.
///
/// | unit | comes out |
/// |---|---|
/// | bytes | once they are a whole character; what can never be one as U+FFFD |
/// | characters | at once; an unknown one as U+FFFD |
/// | jamo | once no more can join the syllable |
/// | words | at once, after a blank where one belongs; `<eos>` as a line end |
/// | subwords | once characters are whole, joined as the tokenizer does; an unknown one as U+FFFD; `<eos>` as words |
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
    /// Of words: what stands before the next.
    join: Join,
    /// Of bytes: the beginning of a character.
    bytes: Vec<u8>,
    /// Of jamo: a syllable, or its first consonant, that may still grow.
    open: Option<char>,
    /// Of subwords: the last of the line.
    line: Vec<u32>,
    /// How many of these have come out.
    out: usize,
    /// The text of those, taken by themselves.
    shown: String,
}

impl Vocabulary {
    /// A decoder at the start of a text.
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder {
            vocabulary: self,
            join: Join::default(),
            bytes: Vec::new(),
            open: None,
            line: Vec::new(),
            out: 0,
            shown: String::new(),
        }
    }

    /// A decoder that goes on with `text`, and the part of `text` that is settled: all of it, but for a last
    /// syllable that may still get a consonant, which comes with the next piece, and of subwords for a blank at the
    /// end, which the next piece brings.
    pub fn decoder_after<'t>(&self, text: &'t str) -> (&'t str, Decoder<'_>) {
        let mut decoder = self.decoder();
        match self.unit() {
            Unit::Byte | Unit::Char => (text, decoder),
            Unit::Jamo => {
                let (settled, open) = hangul::split_open(text);
                (settled, Decoder { open, ..decoder })
            }
            Unit::Word => (text, Decoder { join: Join::after(text, self.words), ..decoder }),
            Unit::Subword => {
                let settled = text.trim_end_matches(|c: char| c.is_whitespace() && c != '\n');
                let line = settled.rsplit('\n').next().unwrap_or_default();
                let ids = self.encode_units(line);
                decoder.line = ids[ids.len().saturating_sub(LONGEST)..].to_vec();
                decoder.out = decoder.line.len();
                decoder.shown = decoder.joined(&decoder.line);
                (settled, decoder)
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
            Unit::Word | Unit::Subword if id == CLOSING_ID => {
                self.finish_to(text);
                text.push('\n');
                self.join = Join::default();
            }
            Unit::Word => {
                text.extend(self.join.blank_before(token, self.vocabulary.words).then_some(' '));
                text.push_str(token);
            }
            Unit::Subword => match self.subword().and_then(|subword| subword.bytes(token)) {
                Some(bytes) if !unknown => {
                    self.bytes.extend(bytes);
                    self.settle(text);
                }
                Some(_) => {
                    self.finish_to(text);
                    text.push(REPLACEMENT);
                }
                None => self.join(id, unknown, text),
            },
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
        if self.out < self.line.len() {
            self.come_out(&self.joined(&self.line), text);
        }
        (self.line, self.out, self.shown) = Default::default();
    }

    fn subword(&self) -> Option<&Subword> {
        self.vocabulary.subword.as_deref()
    }

    /// The text of subwords as if they were a line's first.
    fn joined(&self, ids: &[u32]) -> String {
        let token = |&id: &u32| match id {
            UNKNOWN_ID => REPLACEMENT.to_string(),
            id if id as usize >= self.vocabulary.len() => REPLACEMENT.to_string(),
            id => self.vocabulary.token(id).to_owned(),
        };
        self.subword().map(|subword| subword.text(ids.iter().map(token).collect())).unwrap_or_default()
    }

    /// Adds a subword: what the text of the last ones is with it, beyond what it was without.
    fn join(&mut self, id: u32, unknown: bool, text: &mut String) {
        self.line.push(id);
        let whole = self.joined(&self.line);
        let open = whole.ends_with(REPLACEMENT) && !unknown;
        let more = whole.len() > self.shown.len() && whole.starts_with(&self.shown);
        if more && !open || self.line.len() - self.out == LONGEST {
            self.come_out(&whole, text);
        }
    }

    /// Writes what is new in the text of the last subwords. The newest stay, for how the next one is joined to them.
    fn come_out(&mut self, whole: &str, text: &mut String) {
        let same =
            whole.chars().zip(self.shown.chars()).take_while(|(a, b)| a == b).map(|(c, _)| c.len_utf8());
        text.push_str(&whole[same.sum()..]);
        self.line.drain(..self.out);
        self.out = self.line.len();
        self.shown = self.joined(&self.line);
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
