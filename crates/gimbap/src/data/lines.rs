//! Lines as they come, from a file or a pipe, in memory that does not grow with their number.
//!
//! What [`super::read`] says of gzip, zip, byte-order marks, line ends and UTF-8 holds here too.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::read::{damaged, failed, invalid, refuse_utf16, unpacked};
use crate::{Error, Result};

/// Bytes of a line at most: longer ones are no lines of text, and a small packed file may hold gigabytes of one.
const LONGEST: u64 = 64 << 20;

/// The lines of a source, read on and on.
///
/// ```
/// use gimbap::data::lines::Lines;
///
/// # fn main() -> gimbap::Result<()> {
/// let mut lines = Lines::new(&b"no pain\r\n\r\nno gain"[..], "a slice")?;
/// assert_eq!(lines.read(2)?, ["no pain", ""]);
/// assert_eq!(lines.read(2)?, ["no gain"]);
/// assert!(lines.read(2)?.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct Lines<'a> {
    source: BufReader<Box<dyn Read + Send + 'a>>,
    /// Where they come from, for errors.
    place: String,
    packed: bool,
    /// Lines and bytes so far.
    line: usize,
    byte: usize,
    /// What is to be told once the lines before it are.
    failed: Option<Error>,
}

impl Lines<'static> {
    /// Of a file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened or read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::io(path, source))?;
        Lines::new(file, path.display().to_string())
    }
}

impl<'a> Lines<'a> {
    /// Of a source; `place` names it in errors. Waits for its first bytes.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub fn new(source: impl Read + Send + 'a, place: impl Into<String>) -> Result<Self> {
        let place = place.into();
        let (source, packed) = unpacked(source).map_err(|error| failed(&place, error))?;
        Ok(Lines { source, place, packed, line: 0, byte: 0, failed: None })
    }

    /// The next lines, without their ends: those that are there without waiting, but one at least and `most` at most.
    /// An empty list at the end.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`] if a line is not UTF-8 (with the offset of the first wrong byte and the line) or
    /// longer than 64 MiB, or gzip data is damaged. The lines before come first, by calls of their own.
    pub fn read(&mut self, most: usize) -> Result<Vec<String>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut lines = Vec::new();
        while lines.len() < most && (lines.is_empty() || self.source.buffer().contains(&b'\n')) {
            match self.next() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => break,
                Err(error) if lines.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(lines)
    }

    /// How many lines there were so far.
    pub fn count(&self) -> usize {
        self.line
    }

    fn next(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut source = (&mut self.source).take(LONGEST + 1);
        let read = source.read_until(b'\n', &mut bytes).map_err(|error| match self.packed {
            true => damaged(Path::new(&self.place), self.byte + bytes.len(), &error),
            false => failed(&self.place, error),
        })?;
        if read == 0 {
            return Ok(None);
        }
        if self.line == 0 {
            refuse_utf16(&bytes, &self.place)?;
        }
        if bytes.len() as u64 > LONGEST {
            let message =
                format!("is longer than {} MiB: is it a text, with an end of line in it?", LONGEST >> 20);
            return Err(Error::data(format!("{}, line {}", self.place, self.line + 1), message));
        }
        if bytes.ends_with(b"\n") {
            bytes.truncate(bytes.len() - if bytes.ends_with(b"\r\n") { 2 } else { 1 });
        }
        let mut text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            invalid(&self.place, self.byte + at, self.line + 1, error.as_bytes()[at])
        })?;
        if self.line == 0 && text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        self.line += 1;
        self.byte += read;
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes, "here").unwrap();
        let mut found = Vec::new();
        loop {
            let some = lines.read(3).unwrap();
            if some.is_empty() {
                return found;
            }
            found.extend(some);
        }
    }

    #[test]
    fn marks_and_line_ends_are_taken_off() {
        assert_eq!(all("\u{feff}one\r\n\r\ntwo\rthree\nfour".as_bytes()), ["one", "", "two\rthree", "four"]);
        assert_eq!(all(b"a\nb\nc\nd\n"), ["a", "b", "c", "d"]);
        assert_eq!(all(b"\n\n"), ["", ""]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn gzip_is_unpacked() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all("하나\n둘\n".as_bytes()).unwrap();
        let packed = packer.finish().unwrap();
        assert_eq!(all(&packed), ["하나", "둘"]);
        let mut cut = Lines::new(&packed[..packed.len() - 9], "cut.gz").unwrap();
        let error = (0..3).find_map(|_| cut.read(3).err()).unwrap();
        assert!(error.to_string().contains("cut.gz: the gzip data is damaged or cut off"), "{error}");
    }

    #[test]
    fn a_line_without_end_is_refused_before_memory_is_gone() {
        let endless = std::io::repeat(b'x').take(1 << 40);
        let mut lines = Lines::new((&b"one\n"[..]).chain(endless), "here").unwrap();
        assert_eq!(lines.read(1).unwrap(), ["one"]);
        let error = lines.read(1).unwrap_err().to_string();
        assert!(error.starts_with("here, line 2: is longer than 64 MiB"), "{error}");
        let longest = [vec![b'x'; LONGEST as usize - 1], b"\ntwo\n".to_vec()].concat();
        let mut lines = Lines::new(&longest[..], "here").unwrap();
        assert_eq!(lines.read(1).unwrap()[0].len(), LONGEST as usize - 1);
    }

    #[test]
    fn a_wrong_byte_is_told_after_the_lines_before_it() {
        let mut lines = Lines::new(&b"ab\ncd\ne\xff\nfg\n"[..], "here").unwrap();
        assert_eq!(lines.read(10).unwrap(), ["ab", "cd"]);
        let error = lines.read(10).unwrap_err().to_string();
        assert_eq!(error, "here, byte 7 (line 3): byte 0xff is not valid UTF-8 here: save it as UTF-8");
        let error = Lines::new(&b"\xff\xfea\0"[..], "here").unwrap().read(1).unwrap_err().to_string();
        assert!(error.contains("UTF-16"), "{error}");
    }

    /// Gives a byte at a time, and counts.
    struct Drops<'a>(&'a [u8], &'a AtomicUsize);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.read(&mut to[..1])
        }
    }

    #[test]
    fn a_line_is_given_as_soon_as_it_is_there() {
        let reads = AtomicUsize::new(0);
        let mut lines = Lines::new(Drops(b"ab\ncd\n", &reads), "here").unwrap();
        assert_eq!(lines.read(10).unwrap(), ["ab"]);
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }
}
