//! A text piece by piece: a file, or a folder of files, of any length in little memory.
//!
//! What [`super::read`] says of gzip, zip, byte-order marks, line ends, UTF-8 and empty files holds here too.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, is_nfkc_quick};

use super::read::{
    Hash, damaged, empty, failed, invalid, list_files, refuse_utf16, unpacked, white_space_alone,
};
use crate::{Error, Result};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;
/// A line longer than this is cut.
const LONGEST: usize = 1 << 22;

/// A text, or a part of one, that can be read again and again.
///
/// A folder is its files one after another in the order of their names, each ended by a line end; hidden files (a name
/// that starts with a dot) and folders within it are passed over.
#[derive(Clone, Debug)]
pub struct TextSource {
    path: PathBuf,
    folder: bool,
    files: Vec<PathBuf>,
    /// In bytes of the text as it is given out.
    range: Range<u64>,
    chars: u64,
    hash: String,
}

impl TextSource {
    /// The text in a file or folder. Reads it once, so that an error in it comes before anything is done.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read; [`Error::Data`] with the file if one is empty, white space alone, damaged
    /// gzip data or not UTF-8 (with byte and line), if a folder has no file, and of a pipe, which can be read but once.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let folder = path.is_dir();
        if !folder && path.exists() && !path.is_file() {
            let message = "it is a pipe or a device, and a text is read more than once: give a file";
            return Err(Error::data(path.display().to_string(), message));
        }
        let files = if folder { list_files(path)? } else { vec![path.to_owned()] };
        if files.is_empty() {
            return Err(Error::data(
                path.display().to_string(),
                "the folder holds no file: put text files into it",
            ));
        }
        let mut source = TextSource {
            path: path.to_owned(),
            folder,
            files,
            range: 0..u64::MAX,
            chars: 0,
            hash: String::new(),
        };
        // The hash is that of a file's own bytes, of a folder that of its text.
        let mut pieces = source.pieces();
        pieces.raw = (!folder).then(Hash::default);
        let (mut bytes, mut chars, mut hash) = (0, 0, Hash::default());
        while let Some(piece) = pieces.next()? {
            bytes += piece.len() as u64;
            chars += piece.chars().count() as u64;
            if folder {
                hash.add(piece.as_bytes());
            }
        }
        source.hash = pieces.raw.unwrap_or(hash).to_string();
        (source.range, source.chars) = (0..bytes, chars);
        Ok(source)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes of UTF-8 it has.
    pub fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// How many characters it has.
    pub fn chars(&self) -> u64 {
        self.chars
    }

    /// [`super::read::data_hash`] of the whole file's bytes, unpacked, or of the whole folder's text.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Takes the last `fraction` off: from a character on, or of a text in lines from the start of the next line, of the
    /// line before where there is no next one, or else behind the next white space.
    ///
    /// # Errors
    /// As [`TextSource::open`], if it has changed since.
    pub fn split_off(&mut self, fraction: f64, lines: bool) -> Result<TextSource> {
        let keep = (self.chars as f64 * (1.0 - fraction)).round() as u64;
        // Bytes and characters before each place where it could be cut.
        let (mut at, mut before, mut blank) = ((self.bytes(), self.chars), None, None);
        let (mut bytes, mut chars) = (0, 0);
        let mut pieces = self.pieces();
        'pieces: while let Some(piece) = pieces.next()? {
            let length = piece.chars().count() as u64;
            if chars + length <= keep {
                if lines && let Some(i) = piece.rfind('\n') {
                    before = Some((bytes + i as u64 + 1, chars + piece[..=i].chars().count() as u64));
                }
                (bytes, chars) = (bytes + piece.len() as u64, chars + length);
                continue;
            }
            for c in piece.chars() {
                if chars == keep {
                    at = (bytes, chars);
                    if !lines {
                        break 'pieces;
                    }
                }
                (bytes, chars) = (bytes + c.len_utf8() as u64, chars + 1);
                if c == '\n' && chars <= keep {
                    before = Some((bytes, chars));
                } else if c == '\n' && chars < self.chars {
                    at = (bytes, chars);
                    (before, blank) = (None, None);
                    break 'pieces;
                } else if c.is_whitespace() && chars > keep && chars < self.chars {
                    blank = blank.or(Some((bytes, chars)));
                }
            }
        }
        let (bytes, chars) = before.or(blank).filter(|_| lines).unwrap_or(at);
        let mut rest = self.clone();
        let middle = self.range.start + bytes;
        (rest.range.start, rest.chars) = (middle, self.chars - chars);
        (self.range.end, self.chars) = (middle, chars);
        Ok(rest)
    }

    /// The text from its start.
    pub fn pieces(&self) -> Pieces<'_> {
        Pieces {
            source: self,
            left: self.files.as_slice(),
            open: None,
            text: String::new(),
            given: 0,
            at: 0,
            line_open: false,
            raw: None,
        }
    }

    fn changed(&self) -> Error {
        let message = "it has changed while it was read: let it be, and begin again";
        Error::data(self.path.display().to_string(), message)
    }
}

/// A text under way. All pieces together are the text.
///
/// A piece ends behind a line, at the end of a file, or where the part that is read does. A line of more than 4 MiB is cut: behind a white space, or if it
/// has none, before a character that no normal form joins to the one before it.
pub struct Pieces<'a> {
    source: &'a TextSource,
    left: &'a [PathBuf],
    open: Option<Reader>,
    /// What has been read and not yet given out, behind what was given out last.
    text: String,
    given: usize,
    /// Where `text` begins in the whole.
    at: u64,
    /// Whether what was given out last ends within a line.
    line_open: bool,
    /// If it is asked for, the hash of the files' bytes.
    raw: Option<Hash>,
}

impl Pieces<'_> {
    /// The next piece; None at the end.
    ///
    /// # Errors
    /// As [`TextSource::open`].
    #[allow(clippy::should_implement_trait, reason = "a piece is lent, which an iterator cannot do")]
    pub fn next(&mut self) -> Result<Option<&str>> {
        let range = self.source.range.clone();
        loop {
            self.text.drain(..self.given);
            self.at += self.given as u64;
            self.given = 0;
            if self.at >= range.end {
                return Ok(None);
            }
            let Some(end) = self.read()? else {
                return if range.end == u64::MAX { Ok(None) } else { Err(self.source.changed()) };
            };
            self.line_open = !self.text[..end].ends_with('\n');
            self.given = end;
            let place = |at: u64| at.saturating_sub(self.at).min(end as u64) as usize;
            let within = place(range.start)..place(range.end);
            if !within.is_empty() {
                return self.text.get(within).map(Some).ok_or_else(|| self.source.changed());
            }
        }
    }

    /// Reads on until there is a piece; its end.
    fn read(&mut self) -> Result<Option<usize>> {
        loop {
            let Some(reader) = &mut self.open else {
                let Some((file, left)) = self.left.split_first() else { return Ok(None) };
                self.left = left;
                self.open = Some(Reader::open(file)?);
                continue;
            };
            let more = reader.read(&mut self.text, self.raw.as_mut())?;
            if !more {
                self.open = None;
                let open = if self.text.is_empty() { self.line_open } else { !self.text.ends_with('\n') };
                if open && self.source.folder {
                    self.text.push('\n');
                }
            }
            let end = if more { cut(&self.text) } else { self.text.len() };
            if end > 0 {
                return Ok(Some(end));
            }
        }
    }
}

/// Where a piece ends of a text that goes on; 0 if more of it must be read.
fn cut(text: &str) -> usize {
    if let Some(i) = text.rfind('\n') {
        return i + 1;
    }
    if text.len() <= LONGEST {
        return 0;
    }
    let blank = text.char_indices().rfind(|&(_, c)| c.is_whitespace()).map(|(i, c)| i + c.len_utf8());
    blank.or_else(|| text.char_indices().rfind(|&(_, c)| begins(c)).map(|(i, _)| i)).unwrap_or(0)
}

/// Whether no normal form joins a character to the one before it, or changes their order.
fn begins(c: char) -> bool {
    canonical_combining_class(c) == 0 && is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes
}

/// One file.
struct Reader {
    source: BufReader<Box<dyn Read + Send>>,
    path: PathBuf,
    packed: bool,
    /// The beginning of a character, whose rest is still to be read.
    bytes: Vec<u8>,
    /// Bytes and line ends before it.
    done: usize,
    lines: usize,
    /// Whether a `\r` was read last, of which it is not known whether a `\n` follows.
    carriage: bool,
    /// Whether there was nothing but white space.
    blank: bool,
}

impl Reader {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::io(path, source))?;
        let (source, packed) = unpacked(file).map_err(|error| failed(path, error))?;
        Ok(Reader {
            source,
            path: path.to_owned(),
            packed,
            bytes: Vec::new(),
            done: 0,
            lines: 0,
            carriage: false,
            blank: true,
        })
    }

    /// Adds a block to the text; false at the end of the file.
    fn read(&mut self, text: &mut String, hash: Option<&mut Hash>) -> Result<bool> {
        let kept = self.bytes.len();
        let result = (&mut self.source).take(BLOCK as u64).read_to_end(&mut self.bytes);
        result.map_err(|error| match self.packed {
            true => damaged(&self.path, self.done + self.bytes.len(), &error),
            false => failed(&self.path, error),
        })?;
        if let Some(hash) = hash {
            hash.add(&self.bytes[kept..]);
        }
        if self.bytes.len() == kept {
            self.end(text)?;
            return Ok(false);
        }
        let place = || self.path.display().to_string();
        if self.done == 0 {
            refuse_utf16(&self.bytes, &place())?;
        }
        let valid = self.bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let (length, left) = (valid.len(), &self.bytes[valid.len()..]);
        self.lines += valid.bytes().filter(|&byte| byte == b'\n').count();
        if let Err(error) = std::str::from_utf8(left)
            && error.error_len().is_some()
        {
            return Err(invalid(&place(), self.done + length, 1 + self.lines, left[0]));
        }
        let mut new = valid;
        if self.done == 0 {
            new = new.strip_prefix('\u{feff}').unwrap_or(new);
        }
        self.blank &= new.trim_start().is_empty();
        if self.carriage && !new.is_empty() && !new.starts_with('\n') {
            text.push('\r');
        }
        if !new.is_empty() {
            self.carriage = new.ends_with('\r');
            new = new.strip_suffix('\r').unwrap_or(new);
        }
        let mut lines = new.split("\r\n");
        text.push_str(lines.next().unwrap_or_default());
        for line in lines {
            text.push('\n');
            text.push_str(line);
        }
        self.done += length;
        self.bytes.drain(..length);
        Ok(true)
    }

    fn end(&mut self, text: &mut String) -> Result<()> {
        let place = self.path.display().to_string();
        if let Some(&byte) = self.bytes.first() {
            return Err(invalid(&place, self.done, 1 + self.lines, byte));
        }
        if self.done == 0 {
            return Err(empty(&self.path));
        }
        if self.blank {
            return Err(white_space_alone(&place));
        }
        text.extend(std::mem::take(&mut self.carriage).then_some('\r'));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
