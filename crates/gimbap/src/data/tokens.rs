//! The ids of a text, each in as few bytes as the vocabulary needs; those of a long text lie in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Error, Result};

/// Bytes that stay in memory; of more, all go to the file.
const IN_MEMORY: usize = 1 << 26;
/// Bytes that are written to the file together.
const TOGETHER: usize = 1 << 20;

/// Ids that can be read anywhere. A clone shares them.
#[derive(Clone, Debug)]
pub struct Tokens {
    store: Arc<Store>,
    /// Bytes of an id: 1, 2 or 4.
    width: usize,
    len: usize,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<u8>),
    /// It has no name, and is gone with the last who reads it.
    File(Mutex<File>, PathBuf),
}

impl Tokens {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds the ids at these places to `ids`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file that they lie in cannot be read.
    ///
    /// # Panics
    /// If the range goes beyond the end.
    pub fn read(&self, range: Range<usize>, ids: &mut Vec<u32>) -> Result<()> {
        assert!(range.end <= self.len, "ids {range:?} of {}", self.len);
        let bytes = range.start * self.width..range.end * self.width;
        match &*self.store {
            Store::Memory(all) => unpack(&all[bytes], self.width, ids),
            Store::File(file, folder) => {
                let mut read = vec![0; bytes.len()];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(bytes.start as u64))
                    .and_then(|_| file.read_exact(&mut read))
                    .map_err(|source| Error::io(folder, source))?;
                unpack(&read, self.width, ids);
            }
        }
        Ok(())
    }
}

impl From<Vec<u32>> for Tokens {
    fn from(ids: Vec<u32>) -> Self {
        let width = width_of(ids.iter().max().map_or(0, |&id| id as usize + 1));
        let mut bytes = Vec::with_capacity(ids.len() * width);
        pack(&ids, width, &mut bytes);
        Tokens { store: Arc::new(Store::Memory(bytes)), width, len: ids.len() }
    }
}

/// Bytes that ids below `vocabulary` take.
fn width_of(vocabulary: usize) -> usize {
    match vocabulary {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

fn pack(ids: &[u32], width: usize, bytes: &mut Vec<u8>) {
    match width {
        1 => bytes.extend(ids.iter().map(|&id| id as u8)),
        2 => bytes.extend(ids.iter().flat_map(|&id| (id as u16).to_le_bytes())),
        _ => bytes.extend(ids.iter().flat_map(|&id| id.to_le_bytes())),
    }
}

fn unpack(bytes: &[u8], width: usize, ids: &mut Vec<u32>) {
    match width {
        1 => ids.extend(bytes.iter().map(|&byte| u32::from(byte))),
        2 => ids.extend(bytes.as_chunks::<2>().0.iter().map(|&two| u32::from(u16::from_le_bytes(two)))),
        _ => ids.extend(bytes.as_chunks::<4>().0.iter().map(|&four| u32::from_le_bytes(four))),
    }
}

/// Takes ids one after another.
#[derive(Debug)]
pub struct TokensWriter {
    width: usize,
    len: usize,
    /// What is not in the file.
    bytes: Vec<u8>,
    file: Option<File>,
    folder: PathBuf,
    in_memory: usize,
}

impl TokensWriter {
    /// For ids below `vocabulary`. Above 64 MiB they go into a file in `folder`, which on Unix has no name, and is gone
    /// when the program ends, however it ends.
    pub fn new(vocabulary: usize, folder: impl Into<PathBuf>) -> Self {
        let (width, folder) = (width_of(vocabulary), folder.into());
        TokensWriter { width, len: 0, bytes: Vec::new(), file: None, folder, in_memory: IN_MEMORY }
    }

    /// Adds ids.
    ///
    /// # Errors
    /// [`Error::Io`] with the folder if the file cannot be made or has no room.
    ///
    /// # Panics
    /// In debug builds, if an id is not below the vocabulary's size.
    pub fn push(&mut self, ids: &[u32]) -> Result<()> {
        debug_assert!(ids.iter().all(|&id| self.width == 4 || id < 1 << (8 * self.width)));
        pack(ids, self.width, &mut self.bytes);
        self.len += ids.len();
        let most = if self.file.is_some() { TOGETHER } else { self.in_memory };
        if self.bytes.len() > most { self.spill() } else { Ok(()) }
    }

    /// All of them.
    ///
    /// # Errors
    /// As [`TokensWriter::push`].
    pub fn finish(mut self) -> Result<Tokens> {
        if self.file.is_some() {
            self.spill()?;
        }
        let (width, len) = (self.width, self.len);
        let store = match self.file {
            Some(file) => Store::File(Mutex::new(file), self.folder),
            None => Store::Memory(self.bytes),
        };
        Ok(Tokens { store: Arc::new(store), width, len })
    }

    fn spill(&mut self) -> Result<()> {
        let place = |folder: &Path, source: io::Error| {
            let bytes = self.len * self.width;
            let message = format!("{source}; the ids of the text, {bytes} bytes so far, are kept there");
            Error::io(folder, io::Error::new(source.kind(), message))
        };
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let new = tempfile::tempfile_in(&self.folder).map_err(|e| place(&self.folder, e))?;
                none.insert(new)
            }
        };
        file.write_all(&self.bytes).map_err(|e| place(&self.folder, e))?;
        // Once, after the first large part: its memory is not wanted any more.
        self.bytes = Vec::with_capacity(TOGETHER);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(ids: &[u32], vocabulary: usize, in_memory: usize, parts: usize) -> Tokens {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TokensWriter { in_memory, ..TokensWriter::new(vocabulary, folder.path()) };
        ids.chunks(parts).for_each(|part| writer.push(part).unwrap());
        let tokens = writer.finish().unwrap();
        #[cfg(unix)]
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file with a name");
        tokens
    }

    proptest! {
        #[test]
        fn ids_are_the_same_in_memory_and_in_a_file(
            ids in prop::collection::vec(0u32..70_000, 1..400),
            vocabulary in prop::sample::select(vec![256usize, 257, 65_536, 65_537]),
            in_memory in 0usize..900,
            parts in 1usize..50,
            places in (0usize..400, 0usize..400),
        ) {
            let ids: Vec<u32> = ids.into_iter().map(|id| id % vocabulary as u32).collect();
            let tokens = written(&ids, vocabulary, in_memory, parts);
            prop_assert_eq!(tokens.len(), ids.len());
            let from = places.0 % ids.len();
            let to = from + places.1 % (ids.len() - from + 1);
            for tokens in [tokens, Tokens::from(ids.clone())] {
                let mut read = vec![7];
                tokens.read(from..to, &mut read).unwrap();
                prop_assert_eq!(&read[1..], &ids[from..to]);
            }
        }
    }

    #[test]
    fn a_large_text_lies_in_a_file() {
        let in_file = |tokens: Tokens| matches!(&*tokens.store, Store::File(..));
        assert!(in_file(written(&[1; 100], 10, 99, 7)));
        assert!(!in_file(written(&[1; 100], 10, 100, 7)));
    }

    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        let mut writer = TokensWriter { in_memory: 3, ..TokensWriter::new(10, "/nowhere/at/all") };
        let error = writer.push(&[1; 5]).unwrap_err();
        assert_eq!(error.kind(), "io");
        let text = error.to_string();
        assert!(text.contains("/nowhere/at/all") && text.contains("5 bytes so far"), "{text}");
    }
}
