//! Files of word vectors, told apart by what they hold, whatever their names.
//!
//! | file | first line | then, for each word |
//! |---|---|---|
//! | word2vec, text; fastText's `.vec` | `V D` | the word, a blank, D numbers, `\n` |
//! | word2vec, binary | `V D` | the word, a blank, D little-endian f32, perhaps `\n` |
//! | GloVe | a word and D numbers | the same |
//!
//! Any of them may be gzip. Numbers are taken from a line's end, for words of GloVe may hold blanks. A word that comes
//! twice keeps its first vector ([`Vectors::repeated`]). A line without a word, a blank one, and below a header one whose
//! word ends in a number, are passed over and counted ([`Vectors::passed_over`]).

use std::fmt::Write;
use std::path::Path;

use super::Vectors;
use crate::checkpoint::write_atomically;
use crate::data::read::read_bytes;
use crate::{Error, Result};

/// What stands between the fields of a line.
const BLANKS: [char; 3] = [' ', '\t', '\r'];
/// As many bytes as tell text from numbers, whatever the bytes.
const ENOUGH: usize = 16;

/// How vectors are written; both are word2vec's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line a word, with numbers that read back to the same bits.
    Text,
    /// Little-endian f32 behind each word.
    Binary,
}

impl Format {
    /// The format that a file's name asks for: `.txt` and `.vec` text, `.bin` binary, nothing else any.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "txt" | "vec" => Some(Format::Text),
            "bin" => Some(Format::Binary),
            _ => None,
        }
    }
}

impl Vectors {
    /// Reads a file of vectors.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read; [`Error::Data`] with the line or byte if it is no such file, is cut off, or
    /// holds a line with too few or too many numbers or one that is not finite, or lines without a word for the most part.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Vectors::parse(&read_bytes(path)?, &path.display().to_string())
    }

    /// As [`Vectors::read`], from bytes that are not gzip; `place` is what errors call them.
    ///
    /// # Errors
    /// As [`Vectors::read`].
    pub fn parse(bytes: &[u8], place: &str) -> Result<Self> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
        let Some((words, width)) = header(&bytes[..end]) else {
            return text(bytes, place, None);
        };
        if words == 0 || width == 0 {
            let message = format!("says {words} words of {width} numbers: both must be at least 1");
            return Err(Error::data(format!("{place}, line 1"), message));
        }
        let body = bytes.get(end + 1..).unwrap_or_default();
        if body.is_empty() {
            let message = format!("the header says {words} words, but nothing follows: fetch the file anew");
            return Err(Error::data(place, message));
        }
        if is_text(body, width) {
            text(bytes, place, Some((words, width)))
        } else {
            binary(bytes, end + 1, place, (words, width))
        }
    }

    /// Writes a file whole or not at all; [`Format::of`] its name, or text.
    ///
    /// # Errors
    /// As [`Vectors::to_bytes`]; [`Error::Io`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_atomically(path, &self.to_bytes(Format::of(path).unwrap_or(Format::Text))?)
    }

    /// The content of a file of vectors, which [`Vectors::parse`] reads back to the same words and bits.
    ///
    /// # Errors
    /// [`Error::Data`] if a word is empty or holds a blank or a line end, which the format has no way to write.
    pub fn to_bytes(&self, format: Format) -> Result<Vec<u8>> {
        let unfit = |word: &&String| word.is_empty() || word.contains(BLANKS) || word.contains('\n');
        if let Some(word) = self.words.iter().find(unfit) {
            return Err(Error::data(
                format!("the word `{}`", word.escape_debug()),
                "a file of vectors has no place for white space in a word: leave it out, or take words as units",
            ));
        }
        let mut bytes = format!("{} {}\n", self.len(), self.width).into_bytes();
        let mut line = String::new();
        for (word, row) in self.words.iter().zip(self.values.chunks_exact(self.width)) {
            bytes.extend_from_slice(word.as_bytes());
            match format {
                Format::Text => {
                    line.clear();
                    for value in row {
                        // The shortest decimals that read back to the same bits.
                        let _ = write!(line, " {value:?}");
                    }
                    bytes.extend_from_slice(line.as_bytes());
                }
                Format::Binary => {
                    bytes.push(b' ');
                    bytes.extend(row.iter().flat_map(|value| value.to_le_bytes()));
                }
            }
            bytes.push(b'\n');
        }
        Ok(bytes)
    }
}

/// `V D`, if that is what a first line holds.
fn header(line: &[u8]) -> Option<(usize, usize)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split(BLANKS).filter(|field| !field.is_empty());
    let numbers = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    fields.next().is_none().then_some(numbers)
}

/// Whether what follows the header is text: its first line is a word and D numbers (`nan` and `inf` among them, for
/// which the line will be named), or at least what stands where a binary file has its first D numbers reads as text.
fn is_text(body: &[u8], width: usize) -> bool {
    let line = body.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if std::str::from_utf8(line).is_ok_and(|line| width_of(line) == width) {
        return true;
    }
    let blank = body.iter().position(|&byte| byte == b' ').map_or(body.len(), |at| at + 1);
    let sample = &body[blank..];
    let sample = &sample[..sample.len().min(width.saturating_mul(4).max(ENOUGH))];
    let whole = match std::str::from_utf8(sample) {
        Ok(sample) => sample,
        // A character that the sample's end cuts in two is no sign of anything.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&sample[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let plain = |c: char| !c.is_control() || c == '\t' || c == '\n' || c == '\r';
    let number = |c: char| c.is_ascii_digit() || "+-.eE \t\r\n".contains(c);
    if sample.len() >= ENOUGH { whole.chars().all(plain) } else { whole.chars().all(number) }
}

/// Takes `width` numbers from a line's end into `row` and gives the word before them, None if there is none, or what is
/// wrong. Whether the width is `known`, from a header, or that of the first line.
fn split<'a>(
    line: &'a str,
    (width, known): (usize, bool),
    row: &mut Vec<f32>,
) -> std::result::Result<Option<&'a str>, String> {
    row.clear();
    let mut rest = line.trim_end_matches(BLANKS);
    if rest.is_empty() {
        return Ok(None);
    }
    for found in 0..width {
        let at = rest.rfind(BLANKS).map_or(0, |at| at + 1);
        let field = &rest[at..];
        match field.parse::<f32>() {
            Ok(value) if (at > 0 || found + 1 == width) && value.is_finite() => row.push(value),
            Ok(_) if at > 0 => return Err(format!("`{field}` is not a finite number")),
            _ if at == 0 => {
                return Err(format!("a word and {width} numbers expected, found {found} numbers"));
            }
            _ => return Err(format!("a word and {width} numbers expected, but `{field}` is no number")),
        }
        rest = rest[..at].trim_end_matches(BLANKS);
    }
    row.reverse();
    let more = rest.rsplit(BLANKS).take_while(|field| field.parse::<f32>().is_ok()).count();
    match more > 0 && rest.contains(BLANKS) {
        true if known => Ok(None),
        true => Err(format!("a word and {width} numbers expected, found at least {} numbers", width + 1)),
        false => Ok((!rest.is_empty()).then_some(rest)),
    }
}

/// The numbers at the end of a first line of GloVe, at least one word before them.
fn width_of(line: &str) -> usize {
    let fields: Vec<&str> = line.split(BLANKS).filter(|field| !field.is_empty()).collect();
    fields.iter().skip(1).rev().take_while(|field| field.parse::<f32>().is_ok()).count()
}

/// Lines of text, below a header or without one.
fn text(bytes: &[u8], place: &str, header: Option<(usize, usize)>) -> Result<Vectors> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let line = 1 + bytes[..offset].iter().filter(|&&byte| byte == b'\n').count();
        let message = format!("byte 0x{:02x} is not valid UTF-8 here: save the file as UTF-8", bytes[offset]);
        Error::data(format!("{place}, byte {offset} (line {line})"), message)
    })?;
    let text = text.trim_end_matches(['\n', ' ', '\t', '\r']);
    let mut lines = text.split('\n').enumerate();
    let width = match header {
        Some((_, width)) => {
            lines.next();
            width
        }
        None => width_of(text.split('\n').next().unwrap_or_default()),
    };
    if width == 0 {
        return Err(Error::data(
            format!("{place}, line 1"),
            "neither a header `WORDS NUMBERS` nor a word and its numbers: give a file of word vectors",
        ));
    }
    let mut vectors = Vectors::empty(width);
    let mut row = Vec::new();
    let mut first_passed = 0;
    for (number, line) in lines {
        let at = || format!("{place}, line {}", number + 1);
        match split(line, (width, header.is_some()), &mut row)
            .map_err(|message| Error::data(at(), message))?
        {
            Some(word) => drop(vectors.add(word, &row)),
            None => {
                first_passed = if vectors.passed_over == 0 { number + 1 } else { first_passed };
                vectors.passed_over += 1;
            }
        }
    }
    let found = vectors.len() + vectors.repeated();
    if vectors.passed_over > found {
        return Err(no_words(format!("{place}, line {first_passed}"), width));
    }
    match header {
        Some((words, _)) if !(found..=found + vectors.passed_over).contains(&words) => Err(Error::data(
            place,
            format!("the header says {words} words, but {found} follow: correct it, or fetch the file anew"),
        )),
        _ => Ok(vectors),
    }
}

fn no_words(at: String, width: usize) -> Error {
    Error::data(
        at,
        format!(
            "no word stands before the {width} numbers here, nor on most lines: give a file of word vectors"
        ),
    )
}

/// Words with numbers in binary, from byte `at` on.
fn binary(bytes: &[u8], mut at: usize, place: &str, (words, width): (usize, usize)) -> Result<Vectors> {
    let mut vectors = Vectors::empty(width);
    let mut row = Vec::new();
    for number in 1..=words {
        at += bytes[at..].iter().take_while(|&&byte| byte == b'\n').count();
        let wrong = |message: &str| {
            Err(Error::data(format!("{place}, byte {at} (word {number} of {words})"), message))
        };
        let Some(blank) = bytes[at..].iter().position(|&byte| byte == b' ') else {
            return wrong("the file is cut off: fetch it anew");
        };
        let Ok(word) = std::str::from_utf8(&bytes[at..at + blank]) else {
            return wrong("no word in UTF-8 stands here: is the header's count of numbers right?");
        };
        let numbers = at + blank + 1;
        let end = width.checked_mul(4).and_then(|size| size.checked_add(numbers));
        let Some(numbers) = end.and_then(|end| bytes.get(numbers..end)) else {
            return wrong(&format!(
                "the file is cut off within the {width} numbers of `{word}`: fetch it anew"
            ));
        };
        row.clear();
        row.extend(numbers.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)));
        if let Some(value) = row.iter().find(|value| !value.is_finite()) {
            return wrong(&format!("`{word}` has the number {value}, which is not finite"));
        }
        match word {
            "" => vectors.passed_over += 1,
            word => drop(vectors.add(word, &row)),
        }
        at += blank + 1 + numbers.len();
    }
    if vectors.passed_over > vectors.len() + vectors.repeated() {
        return Err(no_words(place.to_owned(), width));
    }
    if let Some(more) = bytes[at..].iter().position(|byte| !byte.is_ascii_whitespace()) {
        let message = format!("more follows the {words} words that the header says: correct it");
        return Err(Error::data(format!("{place}, byte {}", at + more), message));
    }
    Ok(vectors)
}
