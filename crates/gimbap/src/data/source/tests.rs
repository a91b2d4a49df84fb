use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::data::read::{data_hash, to_text};

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn pieces(source: &TextSource) -> Vec<String> {
    let (mut all, mut pieces) = (Vec::new(), source.pieces());
    while let Some(piece) = pieces.next().unwrap() {
        all.push(piece.to_owned());
    }
    all
}

fn whole(source: &TextSource) -> String {
    pieces(source).concat()
}

/// A text whose ends of lines and of characters lie on the seams of blocks, whatever their place within them.
fn across_seams(shift: usize) -> Vec<u8> {
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    bytes.resize(BLOCK - 2 - shift, b'x');
    bytes.extend("é\r\n\r\r\n한".as_bytes());
    bytes.resize(2 * BLOCK - 1 - shift, b' ');
    bytes.extend("\r\n끝\r".as_bytes());
    bytes
}

#[test]
fn what_lies_across_the_seam_of_two_blocks_is_read_as_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    for shift in 0..10 {
        let bytes = across_seams(shift);
        let plain = TextSource::open(file(folder.path(), "a.txt", &bytes)).unwrap();
        let text = to_text(bytes.clone(), "here").unwrap();
        assert_eq!(whole(&plain), text, "{shift}");
        assert_eq!((plain.bytes(), plain.chars()), (text.len() as u64, text.chars().count() as u64));
        assert_eq!(plain.hash(), data_hash(&bytes));
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&bytes).unwrap();
        let packed = TextSource::open(file(folder.path(), "b", &packer.finish().unwrap())).unwrap();
        assert_eq!((whole(&packed), packed.hash()), (text, plain.hash()));
    }
}

#[test]
fn pieces_are_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..300_000).map(|i| format!("line {i}\n")).collect();
    let pieces = pieces(&TextSource::open(file(folder.path(), "a", text.as_bytes())).unwrap());
    assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.ends_with('\n') && piece.len() < 2 * BLOCK));
    assert_eq!(pieces.concat(), text);
}

#[test]
fn a_line_without_end_is_cut_where_no_normal_form_joins() {
    let folder = tempfile::tempdir().unwrap();
    // Syllables as jamo and letters with their accents apart: cut between them alone.
    for unit in ["\u{1112}\u{1161}\u{11ab}", "e\u{301}\u{323}", "x ", "한"] {
        let text = unit.repeat(3 * LONGEST / unit.len());
        let pieces = pieces(&TextSource::open(file(folder.path(), "a", text.as_bytes())).unwrap());
        assert!(pieces.len() > 1, "{unit}");
        for piece in &pieces {
            assert!(
                piece.len() <= LONGEST + BLOCK && piece.starts_with(unit) && piece.ends_with(unit),
                "{unit}"
            );
        }
        assert_eq!(pieces.concat(), text);
    }
}

#[test]
fn a_folder_ends_every_file_with_a_line_end() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "b.txt", b"second\n");
    file(folder.path(), "a.txt", b"first");
    file(folder.path(), "c.txt", "x".repeat(LONGEST + BLOCK + 1).as_bytes());
    let source = TextSource::open(folder.path()).unwrap();
    let text = whole(&source);
    assert!(text.starts_with("first\nsecond\nxxx") && text.ends_with("x\n"));
    assert_eq!(source.hash(), data_hash(text.as_bytes()));
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let message = |bytes: &[u8]| TextSource::open(file(folder.path(), "a", bytes)).unwrap_err().to_string();
    let mut long = b"line\n".repeat(BLOCK / 4);
    let place = format!("byte {} (line {})", long.len(), BLOCK / 4 + 1);
    long.extend(b"\xe9 ");
    assert!(message(&long).contains(&place), "{}", message(&long));
    assert!(message("ab\nc한".as_bytes().split_last().unwrap().1).contains("byte 4 (line 2)"));
    assert!(message(b"\xff\xfea\0").contains("UTF-16"));
    assert!(message(b"").contains("the file is empty"));
    assert!(message("\u{feff} \r\n".as_bytes()).contains("white space alone"));
}

#[test]
fn a_text_that_changes_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a", "한글 글".as_bytes());
    let mut source = TextSource::open(&path).unwrap();
    let rest = source.split_off(0.5, false).unwrap();
    for now in ["x", "xy한글 글"] {
        std::fs::write(&path, now).unwrap();
        let mut pieces = rest.pieces();
        let error = std::iter::from_fn(|| pieces.next().map(|p| p.map(str::to_owned)).transpose())
            .find_map(std::result::Result::err);
        assert!(error.unwrap().to_string().contains("has changed"), "{now}");
    }
}

/// Where the last part begins, said again for a text in memory.
fn cut_of(text: &str, fraction: f64, lines: bool) -> usize {
    let keep = (text.chars().count() as f64 * (1.0 - fraction)).round() as usize;
    let at = text.char_indices().nth(keep).map_or(text.len(), |(i, _)| i);
    let behind = |mark: fn(char) -> bool| {
        let ends = text[at..].char_indices().map(|(i, c)| (c, at + i + c.len_utf8()));
        ends.filter(|&(c, end)| mark(c) && end < text.len()).map(|(_, end)| end).next()
    };
    match lines {
        false => at,
        true => behind(|c| c == '\n')
            .or_else(|| text[..at].rfind('\n').map(|i| i + 1))
            .or_else(|| behind(char::is_whitespace))
            .unwrap_or(at),
    }
}

proptest! {
    #[test]
    fn a_text_is_cut_as_one_in_memory(
        text in "[ab한\u{3000} \n]{1,40}x",
        fraction in 0.0f64..1.0,
        second in 0.0f64..1.0,
        lines: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut source = TextSource::open(file(folder.path(), "a", text.as_bytes())).unwrap();
        let rest = source.split_off(fraction, lines).unwrap();
        let at = cut_of(&text, fraction, lines);
        prop_assert_eq!((whole(&source), whole(&rest)), (text[..at].to_owned(), text[at..].to_owned()));
        // What is left can be cut again.
        let kept = &text[..at];
        let middle = source.split_off(second, lines).unwrap();
        let at = cut_of(kept, second, lines);
        prop_assert_eq!((whole(&source), whole(&middle)), (kept[..at].to_owned(), kept[at..].to_owned()));
        prop_assert_eq!(source.chars() + middle.chars(), kept.chars().count() as u64);
    }
}
