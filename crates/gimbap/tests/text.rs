//! Texts in every unit: to ids and back, in any script, in any pieces.

use gimbap::data::text::{
    Counter, Decoder, NormalForm, Options, UNKNOWN_ID, Unit, Vocabulary, Words, hangul,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use unicode_normalization::UnicodeNormalization;

const UNITS: [Unit; 4] = [Unit::Byte, Unit::Char, Unit::Jamo, Unit::Word];

fn vocabulary(text: &str, unit: Unit) -> Vocabulary {
    Vocabulary::build(text, unit, false, None, 1).unwrap()
}

fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// Characters that meet badly: jamo, modern and old, marks, syllables with and without a trailing consonant,
/// compatibility jamo, line ends, a joiner, an emoji.
fn characters() -> impl Strategy<Value = char> {
    prop_oneof![
        3 => proptest::char::range('\u{1100}', '\u{11ff}'),
        3 => proptest::char::range('가', '힣'),
        1 => proptest::char::range('\u{300}', '\u{36f}'),
        1 => proptest::char::range('\u{3131}', '\u{318e}'),
        1 => proptest::sample::select(vec!['한', '하', 'ᄒ', 'ᅡ', 'ᆫ', 'a', 'e', ' ', '\n', '\u{200d}', '👩']),
        1 => any::<char>(),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    proptest::collection::vec(characters(), 0..40).prop_map(|chars| chars.into_iter().collect())
}

/// Runs a property on random values, the same each time.
fn check<V: std::fmt::Debug>(values: impl Strategy<Value = V>, property: impl Fn(&V)) {
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let run = runner.run(&values, |value| {
        property(&value);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

/// All ids at once, and the same id by id.
fn pieces(vocabulary: &Vocabulary, ids: &[u32]) -> (String, String) {
    let mut decoder = vocabulary.decoder();
    let mut text: String = ids.iter().map(|&id| decoder.push(id)).collect();
    text.push_str(&decoder.finish());
    (vocabulary.decode(ids), text)
}

#[test]
fn every_syllable_is_taken_apart_as_unicode_says() {
    let syllables: Vec<char> = ('가'..='힣').collect();
    assert_eq!(syllables.len(), 11_172);
    for syllable in syllables {
        let text = syllable.to_string();
        let apart = hangul::decompose(&text);
        assert_eq!(apart, text.nfd().collect::<String>());
        assert_eq!(hangul::compose(&apart), text);
    }
}

#[test]
fn all_syllables_in_a_row_come_back() {
    let text: String = ('가'..='힣').collect();
    let vocabulary = vocabulary(&text, Unit::Jamo);
    assert_eq!(vocabulary.len(), 2 + 19 + 21 + 27);
    assert_eq!(vocabulary.decode(&vocabulary.encode(&text)), text);
}

#[test]
fn old_and_compatibility_jamo_are_characters_like_any_other() {
    let text = "ㅋㅋ 한\u{11f0} \u{1113}\u{1161} \u{1112}\u{1161}\u{302}\u{11ab}";
    assert_eq!(hangul::compose(&hangul::decompose(&nfc(text))), nfc(text));
    let vocabulary = vocabulary(text, Unit::Jamo);
    assert!(vocabulary.id("ㅋ").is_some() && vocabulary.id("한").is_none());
    assert_eq!(vocabulary.decode(&vocabulary.encode(text)), nfc(text));
}

#[test]
fn bytes_know_every_text() {
    let vocabulary = vocabulary("a", Unit::Byte);
    assert_eq!(vocabulary.len(), 257);
    assert_eq!(vocabulary.tokens()[..4], ["<unk>", "\n", "<0x00>", "<0x01>"]);
    assert_eq!((vocabulary.token(256), vocabulary.id("<0x41>")), ("<0xFF>", Some(66)));
    assert_eq!(vocabulary.encode("A\n"), [66, 1]);
    for text in ["", "👩‍👩‍👧‍👦 e\u{301} 한\r\n\0", "\u{feff}x\n\n", "\u{1112}\u{1161}"] {
        let ids = vocabulary.encode(text);
        assert_eq!(ids.len(), text.len());
        assert_eq!(Vocabulary::unknowns(&ids), 0);
        assert_eq!(vocabulary.decode(&ids), text);
    }
    assert_eq!(vocabulary.encode_line("A\r\n"), [66, 1]);
}

#[test]
fn what_is_not_utf_8_is_shown_and_not_lost_in_what_follows() {
    let vocabulary = vocabulary("a", Unit::Byte);
    let id = |byte: u8| vocabulary.id(&format!("<0x{byte:02X}>")).unwrap();
    for bytes in [
        &b"\xff\xfea"[..],
        b"\xed\x95",
        b"\xed\x95a",
        b"\xf0\x9f\x91",
        b"\xf0\x9f\xf0\x9f\x91\xa9",
        b"\xc0\x80\xed\xa0\x80",
        b"\xed\x95\x9c\xe2\x82",
    ] {
        let ids: Vec<u32> = bytes.iter().map(|&byte| id(byte)).collect();
        let expected = String::from_utf8_lossy(bytes);
        assert_eq!(pieces(&vocabulary, &ids), (expected.to_string(), expected.to_string()));
    }
    assert_eq!(vocabulary.decode(&[id(0xed), UNKNOWN_ID, id(b'a'), 999]), "\u{fffd}\u{fffd}a\u{fffd}");
}

#[test]
fn text_comes_out_once_it_is_whole() {
    let step = |decoder: &mut Decoder, ids: &[u32]| -> Vec<String> {
        ids.iter().map(|&id| decoder.push(id)).collect()
    };
    let bytes = vocabulary("a", Unit::Byte);
    let mut decoder = bytes.decoder();
    assert_eq!(step(&mut decoder, &bytes.encode("é한!")), ["", "é", "", "", "한", "!"]);
    let jamo = vocabulary("하한.", Unit::Jamo);
    let mut decoder = jamo.decoder();
    assert_eq!(step(&mut decoder, &jamo.encode("하하한.")), ["", "", "하", "", "하", "", "한", "."]);
    step(&mut decoder, &jamo.encode("하"));
    assert_eq!((decoder.finish(), decoder.finish()), ("하".into(), String::new()));
}

#[test]
fn a_prompt_grows_by_a_trailing_consonant() {
    let vocabulary = vocabulary("하한", Unit::Jamo);
    let nieun = vocabulary.id("\u{11ab}").unwrap();
    for (prompt, settled, next) in [
        ("거하", "거", "한"),
        ("거\u{1112}\u{1161}", "거", "한"),
        ("한", "한", "\u{11ab}"),
        ("\u{1112}\u{1161}\u{11ab}", "\u{1112}\u{1161}\u{11ab}", "\u{11ab}"),
        ("거\u{1112}", "거", "\u{1112}\u{11ab}"),
        ("a", "a", "\u{11ab}"),
        ("", "", "\u{11ab}"),
    ] {
        let (before, mut decoder) = vocabulary.decoder_after(prompt);
        assert_eq!((before, decoder.push(nieun).as_str()), (settled, next), "{prompt:?}");
    }
    let (before, mut decoder) = vocabulary.decoder_after("거하");
    assert_eq!((before, decoder.finish().as_str()), ("거", "하"));
}

#[test]
fn words_are_set_apart_from_a_prompt() {
    let vocabulary = vocabulary("a b", Unit::Word);
    for (prompt, text) in [("", "a b\nb"), ("x", "x a b\nb"), ("x ", "x a b\nb"), ("x\n", "x\na b\nb")] {
        let (settled, mut decoder) = vocabulary.decoder_after(prompt);
        let rest: String = [2, 3, 1, 3].into_iter().map(|id| decoder.push(id)).collect();
        assert_eq!(format!("{settled}{rest}"), text);
    }
}

#[test]
fn mixed_normal_forms_have_the_same_ids() {
    let composed = "한글 é ﬁ";
    let decomposed: String = composed.nfd().collect();
    for unit in [Unit::Char, Unit::Jamo, Unit::Word] {
        let vocabulary = vocabulary(composed, unit);
        assert_eq!(vocabulary.encode(&decomposed), vocabulary.encode(composed), "{unit:?}");
    }
    let with =
        |unit, form| Vocabulary::build_with(composed, &Options { form, ..Options::new(unit) }).unwrap();
    let kept = with(Unit::Char, NormalForm::None);
    assert!(Vocabulary::unknowns(&kept.encode(&decomposed)) > 0);
    let plain = with(Unit::Char, NormalForm::Nfkc);
    assert_eq!(plain.decode(&plain.encode(composed)), "한글 é fi");
    let bytes = vocabulary(composed, Unit::Byte);
    assert_ne!(bytes.encode(&decomposed), bytes.encode(composed));
    let bytes = with(Unit::Byte, NormalForm::Nfc);
    assert_eq!(bytes.encode(&decomposed), bytes.encode(composed));
}

#[test]
fn a_file_of_before_reads_and_is_written_the_same() {
    for old in [
        r#"{"unit":"char","lowercase":true,"tokens":["<unk>","\n","a"," ","한"]}"#,
        r#"{"unit":"word","lowercase":false,"tokens":["<unk>","<eos>","the","한"]}"#,
    ] {
        let vocabulary: Vocabulary = serde_json::from_str(old).unwrap();
        assert_eq!(vocabulary.normal_form(), NormalForm::Nfc);
        assert_eq!(serde_json::to_string(&vocabulary).unwrap(), old);
    }
}

#[test]
fn every_unit_and_form_comes_back_from_json() {
    for unit in UNITS {
        for form in [NormalForm::Nfc, NormalForm::Nfkc, NormalForm::None] {
            let options = Options { form, lowercase: true, ..Options::new(unit) };
            let Ok(made) = Vocabulary::build_with("The 한글\n", &options) else {
                assert_eq!((unit, form), (Unit::Jamo, NormalForm::None));
                continue;
            };
            let json = serde_json::to_string(&made).unwrap();
            assert_eq!(json.contains("normal_form"), form != NormalForm::Nfc, "{json}");
            let read: Vocabulary = serde_json::from_str(&json).unwrap();
            assert_eq!(read, made);
            assert_eq!(read.encode("THE 한글"), made.encode("the 한글"));
        }
    }
}

#[test]
fn damaged_vocabularies_are_refused() {
    let bytes = serde_json::to_string(&vocabulary("a", Unit::Byte)).unwrap();
    for (json, words) in [
        (bytes.replace("<0x41>", "<0x4a>"), "256 bytes in their order"),
        (bytes.replace(r#","<0xFF>""#, ""), "256 bytes in their order"),
        (
            r#"{"unit":"jamo","lowercase":false,"normal_form":"none","tokens":["<unk>","\n"]}"#.into(),
            "jamo are taken from composed syllables",
        ),
        (
            r#"{"unit":"char","lowercase":false,"normal_form":"nfd","tokens":["<unk>","\n"]}"#.into(),
            "unknown variant `nfd`",
        ),
    ] {
        let message = serde_json::from_str::<Vocabulary>(&json).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let refuse = |options: Options| Vocabulary::build_with("한글", &options).unwrap_err().to_string();
    let bytes = Options::new(Unit::Byte);
    assert!(refuse(Options { limit: Some(256), ..bytes.clone() }).contains("always 257 tokens"));
    assert!(refuse(Options { min_count: 2, ..bytes.clone() }).contains("bytes are all kept"));
    let same = Vocabulary::build_with("한", &Options { limit: Some(257), ..bytes.clone() }).unwrap();
    assert_eq!(same, Vocabulary::build_with("other", &bytes).unwrap());
    let none = Options { form: NormalForm::None, ..Options::new(Unit::Jamo) };
    assert!(refuse(none).starts_with("data.normal_form: is `none`"));
    for unit in [Unit::Byte, Unit::Char, Unit::Jamo] {
        let nothing = Vocabulary::build("\n\n", unit, false, None, 1).unwrap_err().to_string();
        assert!(nothing.contains("no token"), "{nothing}");
    }
}

#[test]
fn jamo_are_ranked_and_limited_like_characters() {
    let options = Options { limit: Some(4), ..Options::new(Unit::Jamo) };
    let vocabulary = Vocabulary::build_with("나나 난", &options).unwrap();
    assert_eq!(vocabulary.tokens(), ["<unk>", "\n", "\u{1102}", "\u{1161}"]);
    assert_eq!(vocabulary.encode("난"), [2, 3, UNKNOWN_ID]);
    assert_eq!(vocabulary.decode(&[2, 3, UNKNOWN_ID, 2]), "나\u{fffd}\u{1102}");
}

#[test]
fn taking_apart_and_putting_together_changes_nothing() {
    check(texts(), |text| {
        let text = nfc(text);
        assert_eq!(hangul::compose(&hangul::decompose(&text)), text);
    });
}

#[test]
fn every_unit_gives_back_what_it_was_given() {
    check(texts(), |text| {
        let bytes = vocabulary("a", Unit::Byte);
        assert_eq!(bytes.decode(&bytes.encode(text)), *text);
        // A vocabulary needs a token, which composes with nothing before it.
        for unit in [Unit::Char, Unit::Jamo] {
            let known = vocabulary(&format!("{text}a"), unit);
            assert_eq!(known.decode(&known.encode(text)), nfc(text), "{unit:?}");
        }
        // Of words cut at white space alone nothing else is lost.
        let options = Options { words: Words::Space, ..Options::new(Unit::Word) };
        let known = Vocabulary::build_with(&format!("{text} a"), &options).unwrap();
        let lines = nfc(text);
        let lines = lines.strip_suffix('\n').unwrap_or(&lines).split('\n');
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
        let expected = if text.is_empty() { String::new() } else { lines.map(line).collect() };
        assert_eq!(known.decode(&known.encode(text)), expected);
    });
}

#[test]
fn a_text_in_pieces_has_the_ids_of_the_whole() {
    check((texts(), prop::collection::vec(0usize..60, 0..4)), |(text, places)| {
        for unit in UNITS {
            let vocabulary = vocabulary("나는 밥 aé\u{301}", unit);
            // Cut behind white space.
            let ends: Vec<usize> = text
                .char_indices()
                .filter(|(_, c)| c.is_whitespace())
                .map(|(i, c)| i + c.len_utf8())
                .collect();
            let mut cuts: Vec<usize> =
                places.iter().filter_map(|place| ends.get(place % ends.len().max(1)).copied()).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let (mut encoder, mut ids) = (vocabulary.encoder(), Vec::new());
            cuts.windows(2).for_each(|cut| encoder.push(&text[cut[0]..cut[1]], &mut ids));
            assert_eq!(encoder.chars(), nfc_or_as_it_is(text, unit).chars().count() as u64);
            encoder.finish(&mut ids);
            assert_eq!(ids, vocabulary.encode(text), "{unit:?} {text:?} {cuts:?}");
        }
    });
}

fn nfc_or_as_it_is(text: &str, unit: Unit) -> String {
    if unit == Unit::Byte { text.to_owned() } else { nfc(text) }
}

#[test]
fn a_text_counted_in_pieces_has_the_vocabulary_of_the_whole() {
    let text = "나는 밥을\n먹고 나는\n\n간다 <unk> e\u{301} \u{e9}\n";
    for unit in UNITS {
        let mut counter = Counter::new(Options { limit: None, ..Options::new(unit) }).unwrap();
        text.split_inclusive('\n').for_each(|line| counter.add(line));
        assert_eq!(counter.finish().unwrap(), vocabulary(text, unit), "{unit:?}");
    }
    assert!(Counter::new(Options::new(Unit::Char)).unwrap().finish().is_err(), "nothing was counted");
}

#[test]
fn any_ids_one_by_one_are_the_ids_together() {
    check((texts(), proptest::collection::vec(0..80_u32, 0..60)), |(text, ids)| {
        for unit in UNITS {
            let (whole, parts) = pieces(&vocabulary(&format!("{text} a"), unit), ids);
            assert_eq!(whole, parts, "{unit:?}");
        }
    });
}

#[test]
fn any_bytes_are_decoded_as_the_standard_library_does() {
    let vocabulary = vocabulary("a", Unit::Byte);
    let id = |&byte: &u8| match byte {
        b'\n' => 1,
        _ => vocabulary.id(&format!("<0x{byte:02X}>")).unwrap(),
    };
    check(proptest::collection::vec(any::<u8>(), 0..24), |bytes| {
        let ids: Vec<u32> = bytes.iter().map(id).collect();
        let expected = String::from_utf8_lossy(bytes).to_string();
        assert_eq!(pieces(&vocabulary, &ids), (expected.clone(), expected));
    });
}

/// What becomes of a list of tokens.
fn list(content: &str, options: &Options) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.txt");
    std::fs::write(&path, content).unwrap();
    match Vocabulary::read(&path, options) {
        Ok(vocabulary) => Ok(vocabulary.tokens().to_vec()),
        Err(error) => Err(error.to_string().replace(&folder.path().display().to_string(), "")),
    }
}

#[test]
fn a_list_of_tokens_is_a_vocabulary_in_its_order() {
    let words = Options::new(Unit::Word);
    let expected = ["<unk>", "<eos>", "the", "a", "한글"];
    for content in [
        "the\na\n한글\n",
        "the\na\n한글",
        "<unk>\nthe\na\n한글\n",
        "<unk>\n<eos>\nthe\na\n한글\n",
        "<eos>\nthe\na\n한글\n",
        "\u{feff}the\r\na\r\n\u{1112}\u{1161}\u{11ab}글\r\n",
    ] {
        assert_eq!(list(content, &words).unwrap(), expected, "{content:?}");
    }
    let short = Options { limit: Some(3), lowercase: true, ..words.clone() };
    assert_eq!(list("THE\na\n", &short).unwrap(), ["<unk>", "<eos>", "the"]);
    assert_eq!(list("b\n \na\n", &Options::new(Unit::Char)).unwrap(), ["<unk>", "\n", "b", " ", "a"]);
    assert_eq!(list("\u{1112}\nㅋ\n", &Options::new(Unit::Jamo)).unwrap(), ["<unk>", "\n", "\u{1112}", "ㅋ"]);
}

#[test]
fn a_wrong_list_names_its_line() {
    let (words, chars, jamo) = (Options::new(Unit::Word), Options::new(Unit::Char), Options::new(Unit::Jamo));
    let lower = Options { lowercase: true, ..words.clone() };
    for (content, options, message) in [
        ("a\n\nb\n", &words, "line 2: the line is empty"),
        ("a\nb\na\n", &words, "line 3: `a` is on line 1 already"),
        ("NO\nno\n", &lower, "line 2: `no` is on line 1 already"),
        ("a\nb c\n", &words, "line 2: `b c` is not one word"),
        ("a \n", &words, "line 1: `a ` has a blank"),
        ("a\n<unk>\n", &words, "line 2: `<unk>` stands in front"),
        ("<unk>\na\n<eos>\n", &words, "line 3: `<eos>` stands in front"),
        ("<eos>\n<unk>\n", &words, "line 2: `<unk>` stands in front"),
        ("<unk>\n<unk>\n", &words, "line 2: `<unk>` is on line 1 already"),
        ("<unk>\n<eos>\n", &words, "it lists no token"),
        ("\n\n", &words, "white space alone"),
        ("", &words, "the file is empty"),
        ("ab\n", &chars, "line 1: `ab` is 2 characters"),
        ("a\n한\n", &jamo, "line 2: `한` is 3 jamo"),
        ("a\n", &Options::new(Unit::Byte), "data.vocab: is a file, but bytes"),
        ("a\n", &Options { min_count: 2, ..words.clone() }, "data.min_count: is 2, but a file"),
    ] {
        let found = list(content, options).unwrap_err();
        assert!(found.contains(message), "{found}");
    }
}
