//! Reading `.zip`, in which data sets and NumPy's `.npz` come.
//!
//! By hand on `flate2`: the list of members at the file's end, and members that are stored or deflated. Encrypted members,
//! other methods and archives in several volumes are refused.

use std::io::{self, Cursor, Read};

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// How a zip begins.
pub(crate) const MAGIC: [u8; 4] = *b"PK\x03\x04";

const END: [u8; 4] = *b"PK\x05\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
/// What stands for a number that has no room in 32 bits.
const ELSEWHERE: u32 = u32::MAX;

/// A file in an archive.
#[derive(Clone, Debug)]
struct Member {
    name: String,
    method: u16,
    encrypted: bool,
    crc: u32,
    packed: usize,
    offset: usize,
}

/// An archive in memory.
#[derive(Debug)]
pub struct Archive {
    bytes: Vec<u8>,
    members: Vec<Member>,
}

impl Archive {
    /// Reads the list of members.
    ///
    /// # Errors
    /// If the bytes are no zip, or one that is cut off.
    pub fn new(bytes: Vec<u8>) -> io::Result<Self> {
        let cut = || damaged("the zip is damaged or cut off: fetch the file anew");
        let end = bytes.windows(4).rposition(|window| window == END).ok_or_else(cut)?;
        let count = number::<2>(&bytes, end + 10).ok_or_else(cut)?;
        let mut at = number::<4>(&bytes, end + 16).ok_or_else(cut)?;
        let mut members = Vec::new();
        for _ in 0..count {
            let (member, next) = Member::parse(&bytes, at).ok_or_else(cut)?;
            members.push(member);
            at = next;
        }
        members.retain(|member| !member.name.ends_with('/') && !member.name.starts_with("__MACOSX/"));
        Ok(Archive { bytes, members })
    }

    /// The names of its files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The bytes of a file; None if there is none of this name.
    ///
    /// # Errors
    /// If it is damaged, encrypted or packed by another method than deflate.
    pub fn read(&self, name: &str) -> Option<io::Result<Vec<u8>>> {
        let member = self.members.iter().find(|member| member.name == name)?;
        let read = || {
            let mut bytes = Vec::new();
            member.open(Cursor::new(&self.bytes[..]))?.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        Some(read())
    }

    /// The only file.
    ///
    /// # Errors
    /// If there is not one, or as [`Archive::read`].
    pub(crate) fn single(self) -> io::Result<impl Read + Send + use<>> {
        if self.names().any(|name| name == "[Content_Types].xml") {
            return Err(damaged(
                "it is an Office file, such as Excel's .xlsx, which is not read: export it as CSV",
            ));
        }
        match &self.members[..] {
            [member] => member.open(Cursor::new(self.bytes)),
            members => {
                let names: Vec<&str> = members.iter().take(5).map(|member| member.name.as_str()).collect();
                Err(damaged(&format!(
                    "the zip holds {} files ({}{}), and one is read: unpack it",
                    members.len(),
                    names.join(", "),
                    if members.len() > 5 { ", .." } else { "" }
                )))
            }
        }
    }
}

impl Member {
    /// The entry at this place of the list, and where the next one is.
    fn parse(bytes: &[u8], at: usize) -> Option<(Member, usize)> {
        if bytes.get(at..at + 4)? != ENTRY {
            return None;
        }
        let [name, extra, comment] =
            [number::<2>(bytes, at + 28)?, number::<2>(bytes, at + 30)?, number::<2>(bytes, at + 32)?];
        let after = at + 46 + name;
        let (packed, offset) = (number::<4>(bytes, at + 20)?, number::<4>(bytes, at + 42)?);
        // A size of 4 GiB or more stands in the extra field, which an archive that fits in memory seldom has.
        if [packed, offset].contains(&(ELSEWHERE as usize)) {
            return None;
        }
        let member = Member {
            name: String::from_utf8_lossy(bytes.get(at + 46..after)?).into_owned(),
            method: number::<2>(bytes, at + 10)? as u16,
            encrypted: number::<2>(bytes, at + 8)? & 1 == 1,
            crc: number::<4>(bytes, at + 16)? as u32,
            packed,
            offset,
        };
        Some((member, after + extra + comment))
    }

    /// Its bytes, unpacked and held against their checksum.
    fn open<'a, B: AsRef<[u8]> + Send + 'a>(&self, mut archive: Cursor<B>) -> io::Result<Checked<'a>> {
        let cut = || damaged(&format!("`{}` in the zip is damaged: fetch the file anew", self.name));
        if self.encrypted {
            return Err(damaged(&format!("`{}` in the zip is encrypted: unpack it", self.name)));
        }
        if ![0, 8].contains(&self.method) {
            let message = format!(
                "`{}` in the zip is packed by method {}, not deflate: unpack it",
                self.name, self.method
            );
            return Err(damaged(&message));
        }
        let bytes = archive.get_ref().as_ref();
        if bytes.get(self.offset..self.offset.saturating_add(4)) != Some(&MAGIC) {
            return Err(cut());
        }
        let at = |place: usize| number::<2>(bytes, self.offset + place).ok_or_else(cut);
        let start = self.offset + 30 + at(26)? + at(28)?;
        archive.set_position(start as u64);
        let packed = archive.take(self.packed as u64);
        let source: Box<dyn Read + Send + 'a> = match self.method {
            0 => Box::new(packed),
            _ => Box::new(DeflateDecoder::new(packed)),
        };
        Ok(Checked { source, crc: Crc::new(), expected: self.crc })
    }
}

/// A source whose checksum is known.
struct Checked<'a> {
    source: Box<dyn Read + Send + 'a>,
    crc: Crc,
    expected: u32,
}

impl Read for Checked<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let wrong = || damaged("what the zip holds is damaged: fetch the file anew");
        let read = self.source.read(to).map_err(|_| wrong())?;
        self.crc.update(&to[..read]);
        let ended = read == 0 && !to.is_empty();
        if ended && self.crc.sum() != self.expected { Err(wrong()) } else { Ok(read) }
    }
}

fn damaged(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// A little-endian number.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = bytes.get(at..at.checked_add(N)?)?;
    Some(digits.iter().rev().fold(0, |sum, &digit| sum << 8 | usize::from(digit)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;

    /// An archive of these files, deflated or stored, as Python's `zipfile` writes them.
    pub(crate) fn archive(files: &[(&str, &[u8])], deflate: bool) -> Vec<u8> {
        let (mut bytes, mut list) = (Vec::new(), Vec::new());
        for (name, content) in files {
            let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(content).unwrap();
            let packed = if deflate { packer.finish().unwrap() } else { content.to_vec() };
            let mut crc = Crc::new();
            crc.update(content);
            let offset = bytes.len() as u32;
            let method: u16 = if deflate { 8 } else { 0 };
            let mut head =
                [&[20u8, 0, 0, 0][..], &method.to_le_bytes(), &[0; 4], &crc.sum().to_le_bytes()].concat();
            head.extend((packed.len() as u32).to_le_bytes());
            head.extend((content.len() as u32).to_le_bytes());
            head.extend((name.len() as u16).to_le_bytes());
            head.extend([0, 0]);
            bytes.extend([&MAGIC[..], &head, name.as_bytes(), &packed].concat());
            let place = [&[0; 10][..], &offset.to_le_bytes()].concat();
            list.extend([&ENTRY[..], &[20, 0], &head, &place, name.as_bytes()].concat());
        }
        let (offset, count) = (bytes.len() as u32, files.len() as u16);
        let size = list.len() as u32;
        bytes.extend(list);
        bytes.extend([&END[..], &[0; 4], &count.to_le_bytes(), &count.to_le_bytes()].concat());
        bytes.extend([&size.to_le_bytes()[..], &offset.to_le_bytes(), &[0, 0]].concat());
        bytes
    }

    fn single(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Archive::new(bytes)?.single()?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn members_are_stored_or_deflated() {
        let text = b"a text, a text, a text".repeat(20);
        for deflate in [false, true] {
            let bytes = archive(&[("folder/", b""), ("a.txt", &text), ("__MACOSX/._a", b"x")], deflate);
            assert_eq!(single(bytes).unwrap(), text);
            let two = Archive::new(archive(&[("a", b"1"), ("b", &text)], deflate)).unwrap();
            assert_eq!(two.names().collect::<Vec<_>>(), ["a", "b"]);
            assert_eq!(two.read("b").unwrap().unwrap(), text);
            assert!(two.read("c").is_none());
            let message = two.single().map(|_| ()).unwrap_err().to_string();
            assert_eq!(message, "the zip holds 2 files (a, b), and one is read: unpack it");
        }
    }

    #[test]
    fn damaged_archives_are_errors() {
        let good = archive(&[("a.txt", &b"some text ".repeat(30))], true);
        for end in 0..good.len() - 2 {
            assert!(single(good[..end].to_vec()).is_err(), "cut at {end}");
        }
        let mut bytes = good.clone();
        bytes[40] ^= 1;
        assert!(single(bytes).unwrap_err().to_string().contains("damaged"));
        let mut encrypted = good.clone();
        let entry = good.windows(4).rposition(|window| window == ENTRY).unwrap();
        encrypted[entry + 8] = 1;
        assert!(single(encrypted).unwrap_err().to_string().contains("`a.txt` in the zip is encrypted"));
        let mut other = good;
        other[entry + 10] = 12;
        assert!(single(other).unwrap_err().to_string().contains("method 12, not deflate"));
    }
}
