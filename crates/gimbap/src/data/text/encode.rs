//! From text to ids, piece by piece.

use super::{CLOSING_ID, EOS, Unit, Vocabulary};

/// A text under way: pieces go in, and their ids come out. All ids together are [`Vocabulary::encode`] of all pieces.
///
/// A piece ends behind a line, or within one where [`Pieces`](crate::data::source::Pieces) cut it: a word that is itself cut,
/// which is longer than 4 MiB, becomes two.
///
/// ```
/// use gimbap::data::text::{Unit, Vocabulary};
///
/// # fn main() -> gimbap::Result<()> {
/// let vocabulary = Vocabulary::build("no pain no gain", Unit::Word, false, None, 1)?;
/// let (mut encoder, mut ids) = (vocabulary.encoder(), Vec::new());
/// encoder.push("no pain\nno ", &mut ids);
/// encoder.push("gain", &mut ids);
/// encoder.finish(&mut ids);
/// assert_eq!(ids, vocabulary.encode("no pain\nno gain"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Encoder<'a> {
    vocabulary: &'a Vocabulary,
    /// Whether a line has begun and not ended.
    open: bool,
    chars: u64,
    /// Of subwords: the blank at the end of the last piece, with which the next word begins.
    held: Option<char>,
}

impl Vocabulary {
    /// An encoder at the start of a text.
    pub fn encoder(&self) -> Encoder<'_> {
        Encoder { vocabulary: self, open: false, chars: 0, held: None }
    }
}

impl Encoder<'_> {
    /// Adds the ids of a piece.
    pub fn push(&mut self, piece: &str, ids: &mut Vec<u32>) {
        if piece.is_empty() {
            return;
        }
        self.open = !piece.ends_with('\n');
        let text = self.vocabulary.normalise(piece);
        self.chars += text.chars().count() as u64;
        match (self.vocabulary.unit, &self.vocabulary.subword) {
            (Unit::Subword, Some(subword)) => {
                let mut text: String = self.held.take().into_iter().chain(text.chars()).collect();
                if self.open && text.ends_with(char::is_whitespace) {
                    self.held = text.pop();
                }
                return subword.encode_lines(&text, ids);
            }
            (Unit::Word, _) => {}
            _ => return self.vocabulary.lookup(&text, ids),
        }
        for line in text.split_inclusive('\n') {
            self.vocabulary.lookup(line, ids);
            ids.extend(line.ends_with('\n').then_some(CLOSING_ID));
        }
    }

    /// How many characters the pieces so far have, once they are normalised.
    pub fn chars(&self) -> u64 {
        self.chars
    }

    /// Adds what the end of the text does: the `<eos>` of a last line without an end.
    pub fn finish(self, ids: &mut Vec<u32>) {
        if let (Some(blank), Some(subword)) = (self.held, &self.vocabulary.subword) {
            subword.encode(blank.encode_utf8(&mut [0; 4]), ids);
        }
        ids.extend((self.open && self.vocabulary.unit.closing() == EOS).then_some(CLOSING_ID));
    }
}
