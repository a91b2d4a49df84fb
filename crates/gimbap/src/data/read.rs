//! Reading files: gzip, zip, byte-order marks, line ends, UTF-8.
//!
//! | what the file has | what the caller sees |
//! |---|---|
//! | gzip (known by its first two bytes, whatever the name) | the unpacked bytes |
//! | zip (known by its first four bytes) with one file in it | that file's bytes |
//! | a UTF-8 byte-order mark | nothing: [`read_text`] takes it off |
//! | Windows line ends, `\r\n` | `\n`: [`read_text`] normalises them; a lone `\r` stays |
//! | bytes that are not UTF-8 | [`Error::Data`] with the byte offset and the line |
//! | nothing, or white space alone | [`Error::Data`] |
//! | xz, bzip2, zstd, 7z, Parquet, Arrow, HDF5, Excel, pickle | [`Error::Data`] that names it |

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::source::TextSource;
use super::zip::{self, Archive};
use crate::error::{Error, Result};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// How files begin that are not read, what they are, and the remedy.
const OTHERS: [(&[u8], &str, &str); 11] = [
    (b"\xfd7zXZ\0", "packed by xz", "unpack it with `xz -d FILE`"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "unpack it with `zstd -d FILE`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with `7z x FILE`"),
    (b"PAR1\x15", "a Parquet file", "export it as CSV"),
    (b"ARROW1\0\0", "an Arrow (Feather) file", "export it as CSV"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "export it as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file, such as Excel's .xls", "export it as CSV"),
    (b"\x80\x02", PICKLE, "export it as CSV"),
    (b"\x80\x03", PICKLE, "export it as CSV"),
    (b"\x80\x04", PICKLE, "export it as CSV"),
    (b"\x80\x05", PICKLE, "export it as CSV"),
];
const PICKLE: &str = "a pickle of Python";
/// Bytes read ahead.
const AHEAD: usize = 1 << 20;

/// A source of bytes, unpacked if it is gzip or zip, and whether it was gzip. Waits for the first of them; a zip, whose
/// list of members stands at its end, is read whole before it is unpacked.
pub(super) fn unpacked<'a>(
    source: impl Read + Send + 'a,
) -> io::Result<(BufReader<Box<dyn Read + Send + 'a>>, bool)> {
    let mut source = BufReader::with_capacity(AHEAD, source);
    let start = source.fill_buf()?;
    if let Some(message) = refusal(start) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let packed = start.starts_with(&GZIP_MAGIC);
    let source: Box<dyn Read + Send + 'a> = match packed {
        true => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        false if start.starts_with(&zip::MAGIC) => {
            let mut bytes = Vec::new();
            source.read_to_end(&mut bytes)?;
            Box::new(Archive::new(bytes)?.single()?)
        }
        false => Box::new(source),
    };
    Ok((BufReader::with_capacity(AHEAD, source), packed))
}

/// Why bytes that begin so are not read, if they are of a kind that is not.
fn refusal(start: &[u8]) -> Option<String> {
    // `BZh` and a digit alone may begin a text.
    if start.starts_with(b"BZh") && start.get(4..10) == Some(b"1AY&SY") {
        return Some("it is packed by bzip2, which is not read: unpack it with `bzip2 -d FILE`".to_owned());
    }
    let (_, what, remedy) = OTHERS.iter().find(|(magic, ..)| start.starts_with(magic))?;
    Some(format!("it is {what}, which is not read: {remedy}"))
}

/// An error of reading: of what a zip holds, or of the system.
pub(super) fn failed(path: impl AsRef<Path>, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => Error::data(path.as_ref().display().to_string(), error.to_string()),
        _ => Error::io(path.as_ref(), error),
    }
}

/// The bytes of a file, unpacked if it is gzip or zip.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read; [`Error::Data`] if it is empty, its gzip or zip data is damaged, a zip
/// holds more than one file, or it is packed otherwise or of a kind that is not read.
pub fn read_bytes(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let raw = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    if let Some(message) = refusal(&raw) {
        return Err(Error::data(path.display().to_string(), message));
    }
    let bytes = if raw.starts_with(&GZIP_MAGIC) {
        let mut unpacked = Vec::new();
        flate2::read::MultiGzDecoder::new(raw.as_slice())
            .read_to_end(&mut unpacked)
            .map_err(|source| damaged(path, unpacked.len(), &source))?;
        unpacked
    } else if raw.starts_with(&zip::MAGIC) {
        let mut unpacked = Vec::new();
        let mut file = Archive::new(raw).and_then(Archive::single).map_err(|error| failed(path, error))?;
        file.read_to_end(&mut unpacked).map_err(|error| failed(path, error))?;
        unpacked
    } else {
        raw
    };
    if bytes.is_empty() {
        return Err(empty(path));
    }
    Ok(bytes)
}

pub(super) fn empty(path: &Path) -> Error {
    Error::data(path.display().to_string(), "the file is empty: give one that holds data")
}

pub(super) fn damaged(path: &Path, done: usize, source: &std::io::Error) -> Error {
    let message = format!(
        "the gzip data is damaged or cut off after {done} unpacked bytes ({source}): fetch the file anew"
    );
    Error::data(path.display().to_string(), message)
}

/// The text of a file: UTF-8, without its byte-order mark, `\r\n` made `\n`, gzip unpacked.
///
/// # Errors
/// As [`read_bytes`]; [`Error::Data`] if the bytes are not UTF-8 (with the offset of the first wrong byte,
/// counted from 0 in the unpacked file) or hold white space alone.
pub fn read_text(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    to_text(read_bytes(path)?, &path.display().to_string())
}

/// The text that bytes are: UTF-8, without its byte-order mark, `\r\n` made `\n`. `place` is where they came from,
/// for errors.
///
/// # Errors
/// As [`read_text`].
pub fn to_text(bytes: Vec<u8>, place: &str) -> Result<String> {
    refuse_utf16(&bytes, place)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let line = 1 + bytes[..offset].iter().filter(|&&byte| byte == b'\n').count();
        invalid(place, offset, line, bytes[offset])
    })?;
    let body = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if body.trim().is_empty() {
        return Err(white_space_alone(place));
    }
    Ok(if body.contains("\r\n") { body.replace("\r\n", "\n") } else { body.to_owned() })
}

pub(super) fn white_space_alone(place: &str) -> Error {
    Error::data(place, "it holds white space alone: give some text")
}

pub(super) fn invalid(place: &str, offset: usize, line: usize, byte: u8) -> Error {
    Error::data(
        format!("{place}, byte {offset} (line {line})"),
        format!("byte 0x{byte:02x} is not valid UTF-8 here: save it as UTF-8"),
    )
}

pub(super) fn refuse_utf16(bytes: &[u8], place: &str) -> Result<()> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = "it begins with a UTF-16 byte-order mark: save it as UTF-8";
        return Err(Error::data(format!("{place}, byte 0"), message));
    }
    Ok(())
}

/// [`read_text`] of a file, or of all files of a folder one after another, as [`TextSource`] has them.
///
/// # Errors
/// As [`read_text`] and [`TextSource::open`].
pub fn read_text_or_folder(path: impl AsRef<Path>) -> Result<String> {
    if !path.as_ref().is_dir() {
        return read_text(path);
    }
    let source = TextSource::open(path)?;
    let (mut whole, mut pieces) = (String::new(), source.pieces());
    while let Some(piece) = pieces.next()? {
        whole.push_str(piece);
    }
    Ok(whole)
}

/// The files of a folder that are not hidden, by name.
pub(crate) fn list_files(folder: &Path) -> Result<Vec<PathBuf>> {
    list(folder, Path::is_file)
}

/// The folders in a folder that are not hidden, by name.
pub(super) fn list_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    list(folder, Path::is_dir)
}

fn list(folder: &Path, wanted: fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let entry = entry.map_err(|source| Error::io(folder, source))?;
        let path = entry.path();
        if wanted(&path) && !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A file's name without its folder and without a final `.gz` or `.zip`.
pub fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".gz").or(name.strip_suffix(".zip")).unwrap_or(&name).to_owned()
}

/// A 128-bit FNV-1a hash of `bytes` in 32 hexadecimal digits, for the model card: the same data has the same
/// hash on every machine. It tells versions of a file apart; it is no protection against forgery.
///
/// ```
/// assert_eq!(gimbap::data::read::data_hash(b"a"), "d228cb696f1a8caf78912b704e4a8964");
/// ```
pub fn data_hash(bytes: &[u8]) -> String {
    let mut hash = Hash::default();
    hash.add(bytes);
    hash.to_string()
}

/// [`data_hash`] of bytes that come one after another.
pub(crate) struct Hash(u128);

impl Default for Hash {
    fn default() -> Self {
        Hash(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Hash {
    pub(crate) fn value(&self) -> u128 {
        self.0
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.add_word(byte.into()));
    }

    pub(crate) fn add_word(&mut self, word: u64) {
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        self.0 = (self.0 ^ u128::from(word)).wrapping_mul(PRIME);
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn message(result: Result<impl std::fmt::Debug>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn mark_line_ends_and_gzip_are_taken_off() {
        let folder = tempfile::tempdir().unwrap();
        let raw = "\u{feff}één\r\ntwo\rthree\n".as_bytes();
        let plain = file(folder.path(), "a.txt", raw);
        let packed = file(folder.path(), "no_gz_in_the_name", &gzip(raw));
        assert_eq!(read_text(plain).unwrap(), "één\ntwo\rthree\n");
        assert_eq!(read_text(&packed).unwrap(), "één\ntwo\rthree\n");
        assert_eq!(read_bytes(packed).unwrap(), raw);
    }

    #[test]
    fn invalid_utf8_names_byte_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "latin1.txt", b"one\ncaf\xe9 two");
        let text = message(read_text(path));
        assert!(text.contains("latin1.txt, byte 7 (line 2)") && text.contains("0xe9"), "{text}");
        let cut = file(folder.path(), "cut.txt", b"ab\xc3");
        assert!(message(read_text(cut)).contains("byte 2 (line 1)"));
        let wide = file(folder.path(), "wide.txt", b"\xff\xfea\0");
        assert!(message(read_text(wide)).contains("UTF-16"));
    }

    #[test]
    fn nothing_to_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let empty = file(folder.path(), "empty.txt", b"");
        assert!(message(read_text(empty)).contains("empty.txt: the file is empty"));
        let blank = file(folder.path(), "blank.txt", b"\xef\xbb\xbf \r\n");
        assert!(message(read_text(blank)).contains("white space alone"));
        let packed = file(folder.path(), "empty.gz", &gzip(b""));
        assert!(message(read_bytes(packed)).contains("empty"));
        assert_eq!(read_text(folder.path().join("absent")).unwrap_err().kind(), "io");
    }

    #[test]
    fn damaged_gzip_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = gzip(&b"some text ".repeat(50));
        bytes.truncate(bytes.len() - 6);
        let path = file(folder.path(), "cut.txt.gz", &bytes);
        assert!(message(read_text(path)).contains("gzip data is damaged"));
    }

    #[test]
    fn a_zip_is_the_file_in_it() {
        use crate::data::zip::tests::archive;
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "a.txt.zip", &archive(&[("a.txt", "één\r\ntwo\n".as_bytes())], true));
        assert_eq!(read_text(&path).unwrap(), "één\ntwo\n");
        assert_eq!(read_text_or_folder(&path).unwrap(), "één\ntwo\n");
        assert_eq!(TextSource::open(&path).unwrap().chars(), 8);
        let lines = crate::data::lines::Lines::open(&path).unwrap().read(5).unwrap();
        assert_eq!((plain_name(&path).as_str(), &lines[0]), ("a.txt", &"één".to_owned()));
        let two = file(folder.path(), "b.zip", &archive(&[("x", b"1"), ("y", b"2")], true));
        let source = TextSource::open(&two).map(|_| ());
        for error in [read_bytes(&two).unwrap_err(), source.unwrap_err()] {
            assert_eq!(error.kind(), "data");
            assert!(
                error
                    .to_string()
                    .ends_with("b.zip: the zip holds 2 files (x, y), and one is read: unpack it")
            );
        }
    }

    #[test]
    fn files_that_are_not_read_are_named() {
        use crate::data::zip::tests::archive;
        let folder = tempfile::tempdir().unwrap();
        let excel = archive(&[("[Content_Types].xml", b"<a/>"), ("xl/workbook.xml", b"<b/>")], true);
        let files: [(&[u8], &str); 9] = [
            (b"\xfd7zXZ\0\0\x04", "it is packed by xz, which is not read: unpack it with `xz -d FILE`"),
            (b"BZh91AY&SYabc", "bzip2 -d FILE"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd -d FILE"),
            (b"7z\xbc\xaf\x27\x1c\0", "7z x FILE"),
            (b"PAR1\x15\x04", "it is a Parquet file, which is not read: export it as CSV"),
            (b"\x80\x04\x95\x01", "a pickle of Python"),
            (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel's .xls,"),
            (&excel, "Excel's .xlsx, which is not read: export it as CSV"),
        ];
        for (bytes, words) in files {
            let path = file(folder.path(), "a.csv", bytes);
            let lines = crate::data::lines::Lines::open(&path).map(|_| ()).unwrap_err();
            let source = TextSource::open(&path).map(|_| ()).unwrap_err();
            for error in [read_text(&path).unwrap_err(), source, lines] {
                assert!(error.to_string().contains(words), "{error}");
                assert_eq!(error.kind(), "data");
            }
        }
        for text in ["BZh9 is how bzip2 begins", "PAR1 and PAR2"] {
            assert_eq!(read_text(file(folder.path(), "a.txt", text.as_bytes())).unwrap(), text);
        }
    }

    #[test]
    fn a_folder_is_its_files_in_the_order_of_names() {
        let folder = tempfile::tempdir().unwrap();
        assert!(message(read_text_or_folder(folder.path())).contains("holds no file"));
        file(folder.path(), "b.txt", b"second\n");
        file(folder.path(), "a.txt", b"first");
        file(folder.path(), ".hidden", b"\xff");
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        assert_eq!(read_text_or_folder(folder.path()).unwrap(), "first\nsecond\n");
        file(folder.path(), "c.bin", b"\xff");
        assert!(message(read_text_or_folder(folder.path())).contains("c.bin, byte 0"));
    }

    #[test]
    fn the_hash_is_fnv1a_128() {
        assert_eq!(data_hash(b""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(data_hash(b"a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_ne!(data_hash(b"ab"), data_hash(b"ba"));
    }
}
