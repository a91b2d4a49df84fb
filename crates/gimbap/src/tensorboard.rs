//! TensorBoard event files: scalars that `tensorboard --logdir runs` draws.
//!
//! A file is a row of TFRecords, each `length: u64, crc(length): u32, data, crc(data): u32`, all little-endian.
//! The checksum is CRC-32C, rotated right by 15 bits plus a constant ("masked", so that a checksum of data
//! with checksums in it stays one). The data is an `Event` in protocol-buffer form, with the field numbers of
//! TensorFlow's `event.proto` and `summary.proto`. `conformance/check_tensorboard.py` reads a file back with
//! the `tensorboard` package.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::{Error, Result};

/// Writes one event file. What is written reaches the disk at [`flush`](Self::flush), or when the writer is
/// dropped.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path();
/// let mut events = gimbap::tensorboard::EventWriter::create(dir)?;
/// events.scalar("loss/train", 1, 0.69)?;
/// events.flush()?;
/// # Ok::<(), gimbap::Error>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventWriter {
    /// Starts a new file `events.out.tfevents.SECONDS.HOST` in the folder `dir`, which is created where it is
    /// missing. Where a file of this name exists already (a second writer within the second) a number follows.
    /// TensorBoard shows all files of a folder as one run, so a resumed training just starts another.
    ///
    /// # Errors
    /// [`Error::Io`] with the path.
    pub fn create(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        std::fs::create_dir_all(dir).map_err(|source| Error::io(dir, source))?;
        let name = format!("events.out.tfevents.{:010}.{}", now() as u64, host());
        let mut path = dir.join(&name);
        let mut number = 0;
        let file = loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    number += 1;
                    path = dir.join(format!("{name}.{number}"));
                }
                Err(source) => return Err(Error::io(path, source)),
            }
        };
        let mut writer = Self { path, file: BufWriter::new(file) };
        writer.write(&Event {
            wall_time: now(),
            file_version: Some("brain.Event:2".into()),
            ..Event::default()
        })?;
        Ok(writer)
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a point to the curve `tag` (`loss/train`: the part before the slash groups curves). The value is
    /// stored as an f32; TensorBoard shows NaN and infinities as such.
    ///
    /// # Errors
    /// [`Error::Io`] with the path: a full disk.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.write(&Event::scalar(now(), tag, step, value))
    }

    /// Hands everything written so far to the operating system, where TensorBoard finds it.
    ///
    /// # Errors
    /// [`Error::Io`] with the path: a full disk.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(|source| Error::io(&self.path, source))
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        self.file.write_all(&record(&event.encode_to_vec())).map_err(|source| Error::io(&self.path, source))
    }
}

/// The fields of TensorFlow's `Event` that a scalar needs.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, as a member of TensorFlow's `oneof`: a value of 0 is written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

impl Event {
    fn scalar(wall_time: f64, tag: &str, step: u64, value: f64) -> Self {
        let value = SummaryValue { tag: tag.into(), simple_value: Some(value as f32) };
        Self {
            wall_time,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            file_version: None,
            summary: Some(Summary { value: vec![value] }),
        }
    }
}

/// `data` framed as a TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_crc(data).to_le_bytes());
    record
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Seconds since 1970; 0 on a machine whose clock stands before it.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// This machine's name, as far as it can be had without asking the C library, in characters fit for a file.
fn host() -> String {
    let from_file = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_environment = || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = from_file().or_else(from_environment).unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect();
    if name.is_empty() { "localhost".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both records were made by the `tensorboard` package: `Event(wall_time=1.5,
    /// file_version="brain.Event:2")`, and one with step 300 and `loss` 0.25.
    #[test]
    fn records_are_tensorflows_bytes() {
        let version =
            Event { wall_time: 1.5, file_version: Some("brain.Event:2".into()), ..Event::default() };
        assert_eq!(
            hex(&record(&version.encode_to_vec())),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
        );
        let scalar = Event::scalar(2.5, "loss", 300, 0.25);
        assert_eq!(
            hex(&record(&scalar.encode_to_vec())),
            "1b000000000000001a0d9e1309000000000000044010ac022a0d0a0b0a046c6f7373150000803e205d3896"
        );
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn a_file_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = EventWriter::create(dir.path().join("new/folder")).unwrap();
        events.scalar("loss/train", 0, 0.0).unwrap();
        events.scalar("loss/valid", 7, f64::NAN).unwrap();
        events.flush().unwrap();
        let name = events.path().file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("events.out.tfevents."), "{name}");

        let read = read(&std::fs::read(events.path()).unwrap());
        assert_eq!(read[0].file_version.as_deref(), Some("brain.Event:2"));
        assert!(read[0].wall_time > 1.7e9);
        let points: Vec<_> = read[1..]
            .iter()
            .map(|event| {
                let value = &event.summary.as_ref().unwrap().value[0];
                (event.step, value.tag.as_str(), value.simple_value.unwrap())
            })
            .collect();
        assert_eq!(points[0], (0, "loss/train", 0.0));
        assert_eq!((points[1].0, points[1].1, points.len()), (7, "loss/valid", 2));
        assert!(points[1].2.is_nan());
    }

    #[test]
    fn two_writers_do_not_share_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let writers = [(); 3].map(|()| EventWriter::create(dir.path()).unwrap());
        assert_ne!(writers[0].path(), writers[1].path());
        assert_ne!(writers[1].path(), writers[2].path());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = EventWriter::create(file.path().join("runs")).unwrap_err();
        assert_eq!(error.kind(), "io");
        assert!(error.to_string().contains("runs"), "{error}");
    }

    /// Every record's event; checks the framing and both checksums.
    fn read(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let crc = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let data = &bytes[12..12 + length];
            assert_eq!(crc(8), masked_crc(&bytes[..8]));
            assert_eq!(crc(12 + length), masked_crc(data));
            events.push(Event::decode(data).unwrap());
            bytes = &bytes[16 + length..];
        }
        events
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
