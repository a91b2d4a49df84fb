//! Word vectors: files of every kind and what is wrong with them, neighbours, analogies, the plane.

use std::io::Write;

use gimbap::vectors::{Case, Format, Questions, Vectors};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

fn parse(bytes: impl AsRef<[u8]>) -> Vectors {
    Vectors::parse(bytes.as_ref(), "file").unwrap()
}

fn bits(vectors: &Vectors) -> Vec<u32> {
    vectors.values().iter().map(|x| x.to_bits()).collect()
}

/// Two words of three numbers, in every kind of file.
fn check_two(vectors: &Vectors) {
    assert_eq!(vectors.words(), ["the", "é"]);
    assert_eq!((vectors.len(), vectors.width()), (2, 3));
    assert_eq!(vectors.values(), [1.0, -2.5, 0.125, 1e-3, 0.0, 300.0]);
    assert_eq!(vectors.row(1), [1e-3, 0.0, 300.0]);
    assert_eq!((vectors.find("é"), vectors.find("e")), (Some(1), None));
}

/// A binary file, with or without a line end behind each row.
fn binary(header: &str, rows: &[(&[u8], &[f32])], end: &[u8]) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    for (word, numbers) in rows {
        bytes.extend_from_slice(word);
        bytes.push(b' ');
        bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        bytes.extend_from_slice(end);
    }
    bytes
}

const TWO: [(&[u8], &[f32]); 2] = [(b"the", &[1.0, -2.5, 0.125]), ("é".as_bytes(), &[1e-3, 0.0, 300.0])];

#[test]
fn every_kind_of_file_is_known_by_its_content() {
    let glove = "the 1 -2.5 0.125\né 1e-3 0 300\n";
    let word2vec = "2 3\nthe 1 -2.5 .125 \né 0.001 0 3e2 \n";
    for text in [glove, word2vec, glove.trim_end(), word2vec.trim_end()] {
        check_two(&parse(text));
        check_two(&parse(text.replace('\n', "\r\n")));
        check_two(&parse(format!("\u{feff}{text}\n \n")));
        check_two(&parse(text.replace(' ', "\t")));
    }
    for end in [&b"\n"[..], b""] {
        check_two(&parse(binary("2 3\n", &TWO, end)));
    }
    let one = parse("a 0.5\nb 2\n");
    assert_eq!((one.width(), one.values()), (1, &[0.5, 2.0][..]));
    assert_eq!(parse("1 1\na 7").values(), [7.0]);
}

#[test]
fn gzip_is_unpacked_whatever_the_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in
        [("a.txt", b"the 1 -2.5 0.125\n\xc3\xa9 1e-3 0 300\n".to_vec()), ("b", binary("2 3\n", &TWO, b""))]
    {
        let path = folder.path().join(name);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(&content).unwrap();
        std::fs::write(&path, packed.finish().unwrap()).unwrap();
        check_two(&Vectors::read(&path).unwrap());
    }
    assert_eq!(Vectors::read(folder.path().join("none")).unwrap_err().kind(), "io");
}

#[test]
fn words_of_glove_may_hold_blanks_and_be_numbers() {
    let vectors = parse(". . . 1 2\n2008 3 4\nat name@domain.com 5 6\n1\u{a0}1/2 7 8\n");
    assert_eq!(vectors.words(), [". . .", "2008", "at name@domain.com", "1\u{a0}1/2"]);
    assert_eq!(vectors.row(2), [5.0, 6.0]);
    let refused = vectors.to_bytes(Format::Text).unwrap_err().to_string();
    assert!(refused.contains("`. . .`") && refused.contains("white space"), "{refused}");
}

#[test]
fn of_a_word_that_comes_twice_the_first_counts() {
    let text = parse("3 2\na 1 2\nb 3 4\na 5 6\n");
    let rows: [(&[u8], &[f32]); 3] = [(b"a", &[1.0, 2.0]), (b"b", &[3.0, 4.0]), (b"a", &[5.0, 6.0])];
    for vectors in [text, parse(binary("3 2\n", &rows, b"\n"))] {
        assert_eq!((vectors.words(), vectors.repeated()), (&words(&["a", "b"])[..], 1));
        assert_eq!(vectors.values(), [1.0, 2.0, 3.0, 4.0]);
    }
}

/// One such line made a whole file unusable.
#[test]
fn lines_without_a_word_are_passed_over_and_counted() {
    let nameless: [(&[u8], &[f32]); 3] = [(b"a", &[1.0, 2.0]), (b"", &[9.0, 9.0]), (b"b", &[3.0, 4.0])];
    for (vectors, passed) in [
        (parse("3 2\na 1 2\n\t 9 9\nb 3 4\n"), 1),
        (parse("2 2\na 1 2\n\nb 3 4\n"), 1),
        (parse("a 1 2\n 9 9\n\nb 3 4\n"), 2),
        (parse("3 2\na 1 2\nroom 5 9 9\nb 3 4\n"), 1),
        (parse(binary("3 2\n", &nameless, b"\n")), 1),
    ] {
        assert_eq!((vectors.words(), vectors.passed_over()), (&words(&["a", "b"])[..], passed));
        assert_eq!(vectors.values(), [1.0, 2.0, 3.0, 4.0]);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    let nan: [(&[u8], &[f32]); 2] = [(b"a", &[1.0, 2.0]), (b"b", &[f32::NAN, 4.0])];
    let fine: [(&[u8], &[f32]); 2] = [(b"a", &[1.0, 2.0]), (b"b", &[3.0, 4.0])];
    let nameless: [(&[u8], &[f32]); 2] = [(b"a", &[1.0, 2.0]), (b"", &[3.0, 4.0])];
    let latin1: [(&[u8], &[f32]); 2] = [(b"a", &[1.0, 2.0]), (b"caf\xe9", &[3.0, 4.0])];
    let whole = binary("2 2\n", &fine, b"\n");
    let cases: Vec<(Vec<u8>, &[&str])> = vec![
        (b"a 1 2\nb 1\n".into(), &["line 2", "2 numbers expected, found 1"]),
        (b"a 1 2\nb 1 2 3\n".into(), &["line 2", "found at least 3"]),
        (b"a 1 2\nb 1 x\n".into(), &["line 2", "`x` is no number"]),
        (b"a 1 2\nb 1 nan\n".into(), &["line 2", "`nan` is not a finite number"]),
        (b"2 2\na nan 1\nb 1 2\n".into(), &["line 2", "`nan` is not a finite number"]),
        (b"1 2\na 1 -inf\n".into(), &["line 2", "`-inf` is not a finite number"]),
        (b"a 1 2\nb 1e99 2\n".into(), &["line 2", "`1e99`"]),
        (b"a 1 2\n 1 2\n 3 4\n".into(), &["line 2", "no word stands before the 2 numbers here, nor on most"]),
        (b"a 1 2\ncaf\xe9 1 2\n".into(), &["byte 9 (line 2)", "UTF-8"]),
        (b"only words here\n".into(), &["line 1", "neither a header"]),
        (b"\n".into(), &["line 1", "neither a header"]),
        (b"3 2\na 1 2\nb 3 4\n".into(), &["says 3 words, but 2 follow"]),
        (b"1 2\na 1 2\nb 3 4\n".into(), &["says 1 words, but 2 follow"]),
        (b"3 4\nword 1 2\nother 3 4\nthird 5 6\n".into(), &["line 2", "4 numbers expected, found 2"]),
        (b"2 9\nwords are read as text here\nb 3\n".into(), &["line 2", "`here` is no number"]),
        (b"0 2\n".into(), &["line 1", "0 words"]),
        (b"2 0\na\nb\n".into(), &["line 1", "0 numbers"]),
        (b"2 2\n".into(), &["nothing follows"]),
        (b"2 2".into(), &["nothing follows"]),
        (whole[..whole.len() - 3].into(), &["byte 15 (word 2 of 2)", "cut off within the 2 numbers of `b`"]),
        (whole[..15].into(), &["byte 15 (word 2 of 2)", "cut off"]),
        (binary("2 2\n", &nan, b""), &["word 2 of 2", "`b` has the number NaN"]),
        (binary("3 2\n", &[nameless, nameless].concat()[1..], b"\n"), &["no word stands before"]),
        (binary("2 2\n", &latin1, b"\n"), &["word 2 of 2", "UTF-8"]),
        (binary("1 2\n", &fine, b"\n"), &["byte 15", "more follows the 1 words"]),
        (binary("2 18446744073709551615\n", &fine, b""), &["word 1 of 2", "cut off"]),
    ];
    for (bytes, expected) in cases {
        let error = Vectors::parse(&bytes, "v.txt").expect_err(&String::from_utf8_lossy(&bytes));
        let message = error.to_string();
        assert_eq!(error.kind(), "data");
        assert!(message.starts_with("v.txt"), "{message}");
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

#[test]
fn vectors_are_checked_when_they_are_made() {
    let make = |list: &[&str], width, values: &[f32]| {
        let made = Vectors::new(words(list), width, values.to_vec());
        made.map(|v| v.len()).map_err(|error| error.to_string())
    };
    assert_eq!(make(&["a", "b"], 1, &[1.0, 2.0]), Ok(2));
    for (made, why) in [
        (make(&[], 1, &[]), "at least 1"),
        (make(&["a"], 0, &[]), "at least 1"),
        (make(&["a", "b"], 2, &[1.0, 2.0, 3.0]), "expected [2, 2], got 3"),
        (make(&["a", "a"], 1, &[1.0, 2.0]), "only once"),
        (make(&["a", "b"], 1, &[1.0, f32::INFINITY]), "row 1 (`b`): inf"),
    ] {
        assert!(made.as_ref().is_err_and(|message| message.contains(why)), "{made:?}");
    }
}

/// Vectors of 1 to 6 words of 1 to 9 numbers, any finite bits.
fn any_vectors() -> impl Strategy<Value = Vectors> {
    let word = "[a-z0-9é가.'<>/-]{1,6}";
    let number = any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite());
    (prop::collection::btree_set(word, 1..=6), 1..=9usize).prop_flat_map(move |(words, width)| {
        let count = words.len() * width;
        let words: Vec<String> = words.into_iter().collect();
        prop::collection::vec(number.clone(), count)
            .prop_map(move |values| Vectors::new(words.clone(), width, values).unwrap())
    })
}

#[test]
fn what_is_written_reads_back_to_the_same_bits() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        TestRunner::new_with_rng(Config { cases: 200, failure_persistence: None, ..Config::default() }, rng);
    let property = |vectors: Vectors| {
        for format in [Format::Text, Format::Binary] {
            let again = Vectors::parse(&vectors.to_bytes(format).unwrap(), "file").unwrap();
            prop_assert_eq!(again.words(), vectors.words());
            prop_assert_eq!(again.width(), vectors.width());
            prop_assert_eq!(bits(&again), bits(&vectors));
        }
        Ok(())
    };
    runner.run(&any_vectors(), property).unwrap();
}

#[test]
fn the_name_of_a_file_decides_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = parse("a 1 -0.5\nb 1e-9 3\n");
    let content = |name: &str| {
        let path = folder.path().join(name);
        vectors.save(&path).unwrap();
        assert_eq!(bits(&Vectors::read(&path).unwrap()), bits(&vectors));
        std::fs::read(path).unwrap()
    };
    assert_eq!(content("v.txt"), b"2 2\na 1.0 -0.5\nb 1e-9 3.0\n");
    assert_eq!(content("v.vec"), content("v.txt"));
    let rows: [(&[u8], &[f32]); 2] = [(b"a", &[1.0, -0.5]), (b"b", &[1e-9, 3.0])];
    assert_eq!(content("v.bin"), binary("2 2\n", &rows, b"\n"));
}

#[test]
fn neighbours_come_by_cosine_and_equal_ones_in_order() {
    let vectors = parse("a 3 0\nb 0 0\nc 0 -9\nd 1 1\ne 2 2\nf -1 0\n");
    let near = vectors.neighbors(0, 10);
    let order: Vec<&str> = near.iter().map(|&(row, _)| vectors.words()[row].as_str()).collect();
    assert_eq!(order, ["d", "e", "b", "c", "f"], "a row of zeros has the cosine 0");
    for (&(_, cosine), expected) in near.iter().zip([0.5f32.sqrt(), 0.5f32.sqrt(), 0.0, 0.0, -1.0]) {
        assert!((cosine - expected).abs() < 1e-6, "{near:?}");
    }
    assert_eq!(vectors.neighbors(0, 2), near[..2]);
    assert_eq!(vectors.neighbors(0, 0), []);
}

/// `count` words of `width` numbers; word `i` is near word `i + count / 2`.
fn many(count: usize, width: usize) -> Vectors {
    let mut rng = gimbap::rng::keyed(3, 0, 0, 0);
    let mut values: Vec<f32> = (0..count * width).map(|_| rng.normal() as f32).collect();
    let half = count / 2 * width;
    for i in 0..half {
        values[half + i] = values[i] + 0.05 * values[half + i];
    }
    Vectors::new((0..count).map(|i| format!("w{i}")).collect(), width, values).unwrap()
}

/// More words than a part has and more questions than a block, against one analogy at a time.
#[test]
fn many_questions_get_the_answers_of_single_ones() {
    for (count, width) in [(2300, 7), (64, 1), (10, 3)] {
        let vectors = many(count, width);
        let mut rng = gimbap::rng::keyed(4, 0, 0, 0);
        let mut row = || rng.below(count as u64) as usize;
        let mut text = ": mine\n".to_owned();
        let (mut right, mut asked) = (0, 0);
        for number in 0..300 {
            let (a, b, c) = (row(), row(), row());
            let near = vectors.analogy(&[(b, 1.0), (a, -1.0), (c, 1.0)], 2);
            if near[0].1 - near[1].1 < 1e-5 {
                continue; // Rounding may choose either.
            }
            let answer = if number % 3 == 0 { near[1].0 } else { near[0].0 };
            right += usize::from(number % 3 != 0);
            asked += 1;
            text += &format!("w{a} w{b} w{c} w{answer}\n");
        }
        if asked == 0 {
            assert_eq!(width, 1, "of one number all cosines are 1, 0 or -1");
            continue;
        }
        let questions = Questions::parse(&text, "questions").unwrap();
        for case in [Case::Keep, Case::Fold] {
            let report = vectors.evaluate(&questions, case);
            assert_eq!((report.total.right, report.total.asked, report.total.skipped), (right, asked, 0));
        }
    }
}

const GRID: &str =
    "king 2 -1 0\nQueen 2 1 0\nman 0.5 -1 0\nwoman 0.5 1 0\nKing 2 1.1 0\ncastle 1 0 3\nhut -1 0 3\n";
const QUESTIONS: &str = "\
: family
man woman king queen
Man Woman KING Queen
man woman boy girl
: gram1-none
hut castle man queen

: gram2-one
hut castle man king
";

#[test]
fn questions_are_counted_section_by_section() {
    let vectors = parse(GRID);
    let questions = Questions::parse(QUESTIONS, "q").unwrap();
    assert_eq!(questions.len(), 5);
    // `King`, which would be nearer than `Queen`, is the same word as `king`.
    let report = vectors.evaluate(&questions, Case::Fold);
    let tallies: Vec<_> =
        report.sections.iter().map(|s| (s.tally.right, s.tally.asked, s.tally.skipped)).collect();
    assert_eq!(tallies, [(2, 2, 1), (0, 1, 0), (1, 1, 0)]);
    assert_eq!(report.sections[0].name, "family");
    assert_eq!(report.semantic.accuracy(), Some(1.0));
    assert_eq!(report.syntactic.accuracy(), Some(0.5));
    assert_eq!(report.total.accuracy(), Some(0.75));
    let kept = vectors.evaluate(&questions, Case::Keep);
    assert_eq!((kept.semantic.accuracy(), kept.semantic.skipped), (None, 3));
    let exact = Questions::parse(": x\nman woman king Queen\n", "q").unwrap();
    assert_eq!(vectors.evaluate(&exact, Case::Keep).total.right, 0);
}

#[test]
fn wrong_questions_are_errors_with_their_line() {
    for (text, why) in [
        (": a\nx y z\n", "q, line 2: a question is four words, found 3"),
        ("x y z w\n", "q, line 1: a question before any section"),
        (": a\n: b\n", "q: holds no question"),
    ] {
        let message = Questions::parse(text, "q").unwrap_err().to_string();
        assert!(message.starts_with(why), "{message}");
    }
}

fn near(found: &[[f64; 2]], expected: &[[f64; 2]]) {
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
}

#[test]
fn the_plane_is_that_of_the_largest_variance() {
    // On the axes around (10, 20): variances 4 and 1 along y and x.
    let vectors = parse("a 10 24\nb 10 16\nc 12 20\nd 8 20\n");
    let plane = vectors.plane(&[0, 1, 2, 3]).unwrap();
    near(&plane.points, &[[4.0, 0.0], [-4.0, 0.0], [0.0, 2.0], [0.0, -2.0]]);
    near(&[plane.shares], &[[0.8, 0.2]]);

    // 2 (2, 3, 6) and (3, -6, 2), lengths 14 and 7, one across the other; the largest component is made positive.
    let vectors = parse("a 4 6 12\nb -4 -6 -12\nc 3 -6 2\nd -3 6 -2\n");
    let plane = vectors.plane(&[0, 1, 2, 3]).unwrap();
    near(&plane.points, &[[14.0, 0.0], [-14.0, 0.0], [0.0, -7.0], [0.0, 7.0]]);
    near(&[plane.shares], &[[0.8, 0.2]]);
    let some = vectors.plane(&[3, 2]).unwrap();
    near(&some.points, &[[7.0, 0.0], [-7.0, 0.0]]);
    near(&[some.shares], &[[1.0, 0.0]]);

    let line = parse("a 1\nb 3\n").plane(&[0, 1]).unwrap();
    near(&line.points, &[[-1.0, 0.0], [1.0, 0.0]]);
    near(&[line.shares], &[[1.0, 0.0]]);
}

#[test]
fn the_plane_of_many_words_is_uncorrelated_and_always_the_same() {
    let vectors = many(500, 40);
    let rows: Vec<usize> = (0..500).collect();
    let plane = vectors.plane(&rows).unwrap();
    let sum = |f: &dyn Fn(&[f64; 2]) -> f64| plane.points.iter().map(f).sum::<f64>() / 500.0;
    assert!(sum(&|p| p[0]).abs() < 1e-9 && sum(&|p| p[1]).abs() < 1e-9 && sum(&|p| p[0] * p[1]).abs() < 1e-8);
    let [first, second] = [sum(&|p| p[0] * p[0]), sum(&|p| p[1] * p[1])];
    assert!((first / second - plane.shares[0] / plane.shares[1]).abs() < 1e-9);
    // Of a direction at random the variance is smaller.
    assert!(plane.shares[0] > plane.shares[1] && plane.shares[1] > 1.0 / 40.0);
    assert_eq!(plane, many(500, 40).plane(&rows).unwrap());
}

#[test]
fn a_plane_needs_two_different_words() {
    let vectors = parse("a 1 2\nb 1 2\n");
    for (rows, why) in [(&[0][..], "two words"), (&[], "two words"), (&[0, 1], "same vector")] {
        let message = vectors.plane(rows).unwrap_err().to_string();
        assert!(message.contains(why), "{message}");
    }
}
