use super::*;

fn words(text: &str) -> Vocabulary {
    Vocabulary::build(text, Unit::Word, false, None, 1).unwrap()
}

#[test]
fn order_is_by_count_then_first_appearance() {
    let vocabulary = words("zebra b a\nb a c <unk>\n");
    assert_eq!(vocabulary.tokens(), ["<unk>", "<eos>", "b", "a", "zebra", "c"]);
    let two = Vocabulary::build("zebra b a\nb a c", Unit::Word, false, None, 2).unwrap();
    assert_eq!(two.tokens(), ["<unk>", "<eos>", "b", "a"]);
    let limited = Vocabulary::build("zebra b a\nb a c", Unit::Word, false, Some(5), 0).unwrap();
    assert_eq!(limited.tokens(), ["<unk>", "<eos>", "b", "a", "zebra"]);
    let chars = Vocabulary::build("cab\nab", Unit::Char, false, None, 1).unwrap();
    assert_eq!(chars.tokens(), ["<unk>", "\n", "a", "b", "c"]);
}

#[test]
fn lines_of_words_end_in_eos() {
    let vocabulary = words("a b\nc\n");
    assert_eq!(vocabulary.encode("a b\n\nc x\n"), [2, 3, 1, 1, 4, 0, 1]);
    assert_eq!(vocabulary.encode("a b\n\nc x"), vocabulary.encode("a b\n\nc x\n"));
    assert_eq!(vocabulary.encode("a <unk> <eos>"), [2, 0, 1, 1]);
    assert_eq!(vocabulary.encode(""), [] as [u32; 0]);
    assert_eq!(vocabulary.encode_line("a b"), [2, 3, 1]);
    assert_eq!(vocabulary.encode_line("a b\r\n"), [2, 3, 1]);
    assert_eq!(vocabulary.encode_line(""), [1]);
    assert_eq!(vocabulary.encode_units("a\nb"), [2, 3]);
    assert_eq!(Vocabulary::unknowns(&vocabulary.encode("a x y")), 2);
}

#[test]
fn characters_keep_their_line_ends() {
    let vocabulary = Vocabulary::build("ab\nb", Unit::Char, false, None, 1).unwrap();
    assert_eq!(vocabulary.encode("ab\nx"), [3, 2, 1, 0]);
    assert_eq!(vocabulary.encode_line("ab"), [3, 2, 1]);
    assert_eq!(vocabulary.encode_line("ab\n"), [3, 2, 1]);
    assert_eq!(vocabulary.decode(&[3, 2, 1, 0, 99]), "ab\n\u{fffd}\u{fffd}");
    let no_line_end = Vocabulary::build("ab", Unit::Char, false, None, 1).unwrap();
    assert_eq!(no_line_end.encode_line("a"), [2, 1]);
}

#[test]
fn decoding_words_undoes_encoding() {
    let text = "a b\n\nc a\n";
    let vocabulary = words(text);
    assert_eq!(vocabulary.decode(&vocabulary.encode(text)), text);
    assert_eq!(vocabulary.decode(&[2, 99]), "a <unk>");
}

#[test]
fn composed_and_decomposed_are_one_token() {
    let vocabulary = Vocabulary::build("한 é", Unit::Char, false, None, 1).unwrap();
    assert_eq!(vocabulary.len(), 5);
    // Korean jamo and e with a combining accent.
    assert_eq!(vocabulary.encode("\u{1112}\u{1161}\u{11ab} e\u{301}"), vocabulary.encode("한 é"));
    assert_eq!(vocabulary.id("e\u{301}"), vocabulary.id("é"));
}

#[test]
fn lower_case_reaches_every_input() {
    let vocabulary = Vocabulary::build("No Pain ÉTÉ", Unit::Word, true, None, 1).unwrap();
    assert_eq!(vocabulary.tokens(), ["<unk>", "<eos>", "no", "pain", "été"]);
    assert_eq!(vocabulary.encode_line("NO pain ÉTE\u{301}"), [2, 3, 4, 1]);
    assert_eq!(vocabulary.id("NO"), Some(2));
    assert_eq!(words("no").id("NO"), None);
}

#[test]
fn json_keeps_everything_and_is_checked() {
    let vocabulary = Vocabulary::build("A b", Unit::Char, true, None, 1).unwrap();
    let json = serde_json::to_string(&vocabulary).unwrap();
    assert_eq!(json, r#"{"unit":"char","lowercase":true,"tokens":["<unk>","\n","a"," ","b"]}"#);
    assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), vocabulary);
    for (bad, why) in [
        (r#"{"unit":"word","lowercase":false,"tokens":["<unk>","<eos>","a","a"]}"#, "only once"),
        (r#"{"unit":"word","lowercase":false,"tokens":["<unk>","a"]}"#, "must be `<eos>`"),
        (r#"{"unit":"word","lowercase":false,"tokens":[]}"#, "found nothing"),
        (r#"{"unit":"sentence","lowercase":false,"tokens":[]}"#, "unknown variant"),
    ] {
        let message = serde_json::from_str::<Vocabulary>(bad).unwrap_err().to_string();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn impossible_vocabularies_are_refused() {
    let refuse = |text, limit, min_count| {
        Vocabulary::build(text, Unit::Word, false, limit, min_count).unwrap_err().to_string()
    };
    assert!(refuse(" \n", None, 1).contains("no token"));
    assert!(refuse("<unk> <eos>", None, 1).contains("no token"));
    assert!(refuse("a", Some(2), 1).contains("data.vocab: is 2, which leaves no room"));
    assert!(refuse("a a b", None, 3).contains("the most frequent 2 times"));
}
