//! Subword units: tokenizers learned here and made elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use gimbap::data::text::{NormalForm, Options, Tokenizer, UNKNOWN_ID, Unit, Vocabulary};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use unicode_normalization::UnicodeNormalization;

const OURS: [Tokenizer; 2] = [Tokenizer::Bpe, Tokenizer::Unigram];

/// English and Korean words that share pieces, some more often than others, and rare characters.
fn corpus() -> String {
    let stems = ["walk", "talk", "train", "learn", "학교", "사람", "나라", "한글"];
    let ends = ["", "s", "ed", "ing", "er", "은", "에서", "을", "의", "까지"];
    let word = |i: usize| format!("{}{}", stems[i * i % 31 % 8], ends[i * 7 % 43 % 10]);
    let line = |i: usize| (0..3 + i % 5).map(|k| word(i * 5 + k)).collect::<Vec<_>>().join(" ");
    let rare: String = ('가'..='갛').flat_map(|c| [c, ' ']).collect();
    (0..200).map(|i| line(i) + "\n").collect::<String>() + &rare
}

fn options(tokenizer: &Tokenizer, limit: usize) -> Options {
    let tokenizer = Some(tokenizer.clone());
    Options { tokenizer, limit: Some(limit), ..Options::new(Unit::Subword) }
}

fn learned(tokenizer: &Tokenizer) -> Vocabulary {
    Vocabulary::build_with(&corpus(), &options(tokenizer, 150)).unwrap()
}

fn json_of(vocabulary: &Vocabulary) -> Value {
    serde_json::to_value(vocabulary).unwrap()
}

/// The vocabulary of a `tokenizer.json`, or what is wrong with it.
fn foreign(content: &str) -> Result<Vocabulary, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, content).unwrap();
    let tokenizer = Some(Tokenizer::File(path));
    let options = Options { tokenizer, ..Options::new(Unit::Subword) };
    Vocabulary::build_with("", &options)
        .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), ""))
}

fn document(model: Value, pre_tokenizer: Value, decoder: Value, added: &[(&str, u32)]) -> Value {
    let added = added.iter().map(|(content, id)| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        })
    });
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": null,
        "decoder": decoder,
        "model": model,
    })
}

/// The letters in which GPT-2 spells bytes.
fn letter(byte: u8) -> char {
    let printed = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    match printed(byte) {
        true => char::from(byte),
        false => char::from_u32(256 + (0..byte).filter(|&b| !printed(b)).count() as u32).unwrap(),
    }
}

/// As GPT-2's: all bytes, a few merges, one of which ends inside a character, and a mark at the end of its ids.
fn gpt2() -> Value {
    let mut tokens: Vec<String> = (0..=255).map(|byte| letter(byte).to_string()).collect();
    let mut merges = Vec::new();
    let spelt = |bytes: &[u8]| bytes.iter().map(|&byte| letter(byte)).collect::<String>();
    let han = "한".as_bytes();
    for (left, right) in [
        ("h".into(), "e".into()),
        ("l".into(), "l".into()),
        ("he".into(), "ll".into()),
        ("Ġ".into(), "hell".into()),
    ]
    .into_iter()
    .chain([(spelt(&han[..1]), spelt(&han[1..2])), ("Ġ".into(), spelt(&han[..2]))])
    {
        tokens.push(format!("{left}{right}"));
        merges.push(json!([left, right]));
    }
    tokens.push("<|endoftext|>".into());
    let last = tokens.len() as u32 - 1;
    let vocab: serde_json::Map<_, _> = tokens.into_iter().zip((0_u32..).map(Value::from)).collect();
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": false, "vocab": vocab, "merges": merges,
    });
    let level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    document(model, level.clone(), level, &[("<|endoftext|>", last)])
}

/// As BERT's.
fn wordpiece() -> Value {
    let tokens =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "walk", "##ed", "한", "##글", ",", "a"];
    let vocab: serde_json::Map<_, _> =
        tokens.iter().map(|token| token.to_string()).zip((0_u32..).map(Value::from)).collect();
    let model = json!({
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": vocab,
    });
    let decoder = json!({"type": "WordPiece", "prefix": "##", "cleanup": true});
    document(model, json!({"type": "BertPreTokenizer"}), decoder, &[("[PAD]", 0), ("[UNK]", 1), ("[SEP]", 3)])
}

/// As Llama 2's: characters, and bytes for those that it does not know.
fn fallback() -> Value {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
    tokens.extend((0..=255).map(|byte: u8| format!("<0x{byte:02X}>")));
    tokens.extend(["▁", "a", "b", "▁a", "ab"].map(str::to_owned));
    let vocab: serde_json::Map<_, _> = tokens.into_iter().zip((0_u32..).map(Value::from)).collect();
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
        "vocab": vocab, "merges": ["▁ a", "a b"],
    });
    let decoder = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]});
    let mut document = document(model, Value::Null, decoder, &[("<unk>", 0), ("<s>", 1), ("</s>", 2)]);
    document["normalizer"] = json!({"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    ]});
    document
}

fn every_vocabulary() -> Vec<Vocabulary> {
    let made = [gpt2(), wordpiece(), fallback()].map(|json| foreign(&json.to_string()).unwrap());
    OURS.iter().map(learned).chain(made).collect()
}

/// Runs a property on random values, the same each time.
fn check<V: std::fmt::Debug>(values: impl Strategy<Value = V>, property: impl Fn(&V)) {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let run = runner.run(&values, |value| {
        property(&value);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

/// The same ids one by one.
fn one_by_one(vocabulary: &Vocabulary, ids: &[u32]) -> (Vec<String>, String) {
    let mut decoder = vocabulary.decoder();
    let pieces = ids.iter().map(|&id| decoder.push(id)).collect();
    (pieces, decoder.finish())
}

/// What a text is when it has been to tokens and back: each line without its first blank.
fn back(text: &str) -> String {
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n");
    if text.is_empty() { String::new() } else { lines.collect() }
}

#[test]
fn what_is_in_the_alphabet_comes_back() {
    let known: Vec<char> = "walktrinesd학교사람나라한글은에서의까지  \n".chars().collect();
    let texts = proptest::collection::vec(proptest::sample::select(known), 0..60);
    let texts = texts.prop_map(|chars| chars.into_iter().collect::<String>());
    for tokenizer in &OURS {
        let vocabulary = learned(tokenizer);
        check(&texts, |text| {
            let ids = vocabulary.encode(text);
            assert_eq!(vocabulary.decode(&ids), back(text));
            assert_eq!(Vocabulary::unknowns(&ids), 0);
            assert_eq!(vocabulary.encode(&text.nfd().collect::<String>()), ids, "decomposed");
            let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
            let lines: Vec<u32> = lines.flat_map(|line| vocabulary.encode_line(line)).collect();
            assert_eq!(if text.is_empty() { vec![] } else { lines }, ids);
        });
        let text = corpus();
        assert_eq!(vocabulary.decode(&vocabulary.encode(&text)), text.clone() + "\n");
    }
}

#[test]
fn subwords_are_fewer_than_characters_and_more_than_words() {
    for tokenizer in &OURS {
        let vocabulary = learned(tokenizer);
        assert_eq!((vocabulary.unit(), vocabulary.normal_form()), (Unit::Subword, NormalForm::Nfc));
        assert_eq!(vocabulary.tokens()[..2], ["<unk>", "<eos>"]);
        assert!(vocabulary.len() <= 150, "{}", vocabulary.len());
        let text = corpus();
        let (tokens, words) = (vocabulary.encode(&text).len(), text.split_whitespace().count() + 201);
        assert!(words <= tokens && tokens < text.chars().count() / 2, "{tokens} {words}");
        let walk = vocabulary.id("▁walk").unwrap();
        assert_eq!(
            vocabulary.encode_units("walk walk\n  walk "),
            [vec![walk; 2], vocabulary.encode_units("  walk")].concat()
        );
        assert_eq!(vocabulary.encode(""), [] as [u32; 0]);
        assert_eq!(vocabulary.encode_line("walk\r\n"), [walk, 1]);
        assert_eq!(vocabulary.encode("walk\n\nwalk"), [walk, 1, 1, walk, 1]);
    }
}

#[test]
fn what_is_unknown_is_counted_and_shown() {
    for tokenizer in &OURS {
        let vocabulary = learned(tokenizer);
        let ids = vocabulary.encode_line("walk 봉 wa🦀lk");
        assert_eq!(Vocabulary::unknowns(&ids), 2, "{ids:?}");
        assert_eq!(vocabulary.decode(&ids), "walk \u{fffd} wa\u{fffd}lk\n");
        assert_eq!(Vocabulary::unknowns(&vocabulary.encode_line("봉🦀")), 1, "a run of them is one");
        // Marks written out are marks, other white space is a blank.
        let ids = vocabulary.encode_line("<unk> walk<eos>");
        assert_eq!(ids, [UNKNOWN_ID, vocabulary.id("▁walk").unwrap(), 1, 1]);
        let blanks = vocabulary.encode_line("a\tn\u{a0}a\u{3000}n");
        assert_eq!(blanks, vocabulary.encode_line("a n a n"));
        assert!(!vocabulary.tokens()[2..].iter().any(|token| token.contains('<')));
    }
}

#[test]
fn rare_characters_are_left_out_if_asked() {
    for tokenizer in &OURS {
        let options = Options { min_count: 2, ..options(tokenizer, 150) };
        let vocabulary = Vocabulary::build_with(&corpus(), &options).unwrap();
        assert_eq!((vocabulary.id("갚"), vocabulary.id("학").is_some()), (None, true));
        assert_eq!(Vocabulary::unknowns(&vocabulary.encode_units("갚 학교 갚")), 2);
    }
}

/// Run as a process of its own by the test below.
#[test]
#[ignore = "a part of another test"]
fn print_tokenizers() {
    for tokenizer in &OURS {
        println!("\ntokenizer {}", serde_json::to_string(&learned(tokenizer)).unwrap());
    }
}

#[test]
fn every_process_learns_the_same() {
    let run = || {
        let program = std::env::current_exe().unwrap();
        let output = Command::new(program)
            .args(["--exact", "print_tokenizers", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let lines = output.lines().filter_map(|line| line.strip_prefix("tokenizer "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let here = OURS.iter().map(|tokenizer| serde_json::to_string(&learned(tokenizer)).unwrap());
    let here: Vec<String> = here.collect();
    for _ in 0..3 {
        assert!(run() == here, "another process learns another tokenizer");
    }
    // Of a text some of whose characters stand in longer pieces alone and have no score of their own, which is where it
    // could differ.
    let model = serde_json::from_str::<Value>(&here[1]).unwrap()["tokenizer"]["model"].clone();
    let mut scores: Vec<f64> =
        model["vocab"].as_array().unwrap().iter().map(|piece| piece[1].as_f64().unwrap()).collect();
    scores.sort_by(f64::total_cmp);
    assert!((scores[4] - scores[1] - 0.0003).abs() < 1e-9, "{scores:?}");
}

#[test]
fn threads_change_nothing() {
    let text = corpus().repeat(20);
    for tokenizer in &OURS {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let vocabulary = learned(tokenizer);
                (vocabulary.encode(&text), json_of(&vocabulary))
            })
        };
        let alone = run(1);
        assert_eq!(alone.0.iter().filter(|&&id| id == 1).count(), 20 * 200 + 1);
        assert!(run(4) == alone);
    }
}

/// The crate that reads tokenizers can learn them too: another implementation of the same rule.
#[test]
fn merges_are_those_of_the_tokenizers_crate() {
    for (text, limit) in
        [(corpus(), 150), ("abbabaabbaababbabaababba ".repeat(3) + "aab babba abba abab", 30)]
    {
        let mut counts = BTreeMap::new();
        text.split_whitespace().for_each(|word| *counts.entry(format!("▁{word}")).or_insert(0_u64) += 1);
        let counts = counts.iter().map(|(word, count)| (word.as_str().into(), *count)).collect();
        let trainer =
            BpeTrainer::builder().show_progress(false).min_frequency(2).vocab_size(limit - 2).build();
        let mut model = BPE::default();
        trainer.do_train(&counts, &mut model).unwrap();
        let theirs = serde_json::to_value(&model).unwrap();
        let ours = Vocabulary::build_with(&text, &options(&Tokenizer::Bpe, limit)).unwrap();
        let ours = &json_of(&ours)["tokenizer"]["model"]["merges"];
        assert!(ours.as_array().unwrap().len() > 10);
        assert_eq!(*ours, theirs["merges"]);
    }
}

#[test]
fn every_tokenizer_comes_back_from_json() {
    for made in every_vocabulary() {
        let json = serde_json::to_string(&made).unwrap();
        let read: Vocabulary = serde_json::from_str(&json).unwrap();
        assert_eq!(read, made);
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let text = "walk 한글\nab hello";
        assert_eq!(read.encode(text), made.encode(text));
    }
    let [bpe, unigram] = [&OURS[0], &OURS[1]].map(learned);
    assert_ne!(bpe, unigram);
}

#[test]
fn damaged_vocabularies_are_refused() {
    let good = json_of(&learned(&Tokenizer::Bpe));
    let refuse = |change: &dyn Fn(&mut Value)| {
        let mut json = good.clone();
        change(&mut json);
        serde_json::from_value::<Vocabulary>(json).unwrap_err().to_string()
    };
    for (message, words) in [
        (refuse(&|json| _ = json.as_object_mut().unwrap().remove("tokenizer")), "it has none"),
        (refuse(&|json| json["tokens"].as_array_mut().unwrap().swap(5, 6)), "not those of the vocabulary"),
        (refuse(&|json| json["tokenizer"] = json!("bpe")), "that is an object"),
        (refuse(&|json| json["unit"] = "word".into()), "it is for subwords"),
    ] {
        assert!(message.contains(words), "{message}");
    }
    let list = vec!["<unk>".into(), "<eos>".into(), "a".into()];
    let message = Vocabulary::from_tokens(Unit::Subword, false, list).unwrap_err().to_string();
    assert!(message.contains("`tokenizer.json`"), "{message}");
}

#[test]
fn a_tokenizer_of_bytes_knows_every_text() {
    let vocabulary = foreign(&gpt2().to_string()).unwrap();
    // All its tokens but the mark, in its order, behind ours.
    assert_eq!(vocabulary.len(), 2 + 256 + 6);
    assert_eq!(vocabulary.tokens()[..4], ["<unk>", "<eos>", "Ā", "ā"]);
    assert_eq!(vocabulary.id("Ġhell"), Some(2 + 256 + 3));
    assert_eq!(vocabulary.encode("hello<|endoftext|>").last(), Some(&1));
    let ids = vocabulary.encode_line("hello hello 한");
    let tokens: Vec<&str> = ids.iter().map(|&id| vocabulary.token(id)).collect();
    assert_eq!(tokens, ["hell", "o", "Ġhell", "o", "ĠíķĿ".split_at(6).0, "ľ", "<eos>"]);
    let (pieces, rest) = one_by_one(&vocabulary, &ids);
    assert_eq!(
        (pieces, rest.as_str()),
        (["hell", "o", " hell", "o", " ", "한", "\n"].map(str::to_owned).to_vec(), "")
    );
    check("\\PC*", |text: &String| {
        let text: String = text.replace("<|endoftext|>", "").nfc().collect();
        let ids = vocabulary.encode(&text);
        let expected = if text.is_empty() { text.clone() } else { text.clone() + "\n" };
        assert_eq!(vocabulary.decode(&ids), expected);
        assert_eq!(Vocabulary::unknowns(&ids), 0);
    });
}

#[test]
fn word_pieces_are_joined_to_words() {
    let vocabulary = foreign(&wordpiece().to_string()).unwrap();
    assert_eq!(
        vocabulary.tokens(),
        ["<unk>", "<eos>", "[PAD]", "[CLS]", "un", "##aff", "##able", "walk", "##ed", "한", "##글", ",", "a"]
    );
    let ids = vocabulary.encode_line("walked,  unaffable zebra 한글");
    assert_eq!(ids, [7, 8, 11, 4, 5, 6, 0, 9, 10, 1]);
    assert_eq!(vocabulary.decode(&ids), "walked, unaffable \u{fffd} 한글\n");
    let (pieces, _) = one_by_one(&vocabulary, &ids);
    assert_eq!(pieces, ["walk", "ed", ",", " un", "aff", "able", " \u{fffd}", " 한", "글", "\n"]);
    let (settled, mut decoder) = vocabulary.decoder_after("walk");
    assert_eq!((settled, decoder.push(8), decoder.push(7)), ("walk", "ed".into(), " walk".into()));
}

#[test]
fn bytes_for_unknown_characters_come_out_whole() {
    let vocabulary = foreign(&fallback().to_string()).unwrap();
    assert_eq!(vocabulary.tokens()[..3], ["<unk>", "<eos>", "<s>"]);
    let ids = vocabulary.encode_line("ab 한a");
    assert_eq!(Vocabulary::unknowns(&ids), 0);
    assert_eq!(vocabulary.decode(&ids), "ab 한a\n");
    assert_eq!(one_by_one(&vocabulary, &ids).0, ["a", "b", " ", "", "", "한", "a", "\n"]);
}

#[test]
fn any_ids_one_by_one_are_the_ids_together() {
    for vocabulary in every_vocabulary() {
        let ids = proptest::collection::vec(0..vocabulary.len() as u32 + 2, 0..60);
        check(ids, |ids| {
            let (pieces, rest) = one_by_one(&vocabulary, ids);
            assert_eq!(pieces.concat() + &rest, vocabulary.decode(ids));
        });
    }
}

#[test]
fn lines_are_joined_as_the_tokenizer_itself_does() {
    for vocabulary in every_vocabulary() {
        let json = json_of(&vocabulary)["tokenizer"].to_string();
        let tokenizer: tokenizers::Tokenizer = json.parse().unwrap();
        let ids = proptest::collection::vec(2..vocabulary.len() as u32, 0..40);
        check(ids, |ids| {
            let own: Vec<u32> =
                ids.iter().map(|&id| tokenizer.token_to_id(vocabulary.token(id)).unwrap()).collect();
            let theirs = tokenizer.decode(&own, false).unwrap();
            // Where bytes are no character, each library shows it in its way.
            if !theirs.contains('\u{fffd}') {
                assert_eq!(vocabulary.decode(ids), theirs);
            }
        });
    }
}

#[test]
fn a_prompt_goes_on_in_its_word_or_the_next() {
    for tokenizer in &OURS {
        let vocabulary = learned(tokenizer);
        let (walk, s) = (vocabulary.id("▁walk").unwrap(), vocabulary.id("s").unwrap());
        for (prompt, text) in [
            ("", "walks walk\nwalk"),
            ("talk", "talk walks walk\nwalk"),
            ("talk ", "talk walks walk\nwalk"),
            ("talk\n", "talk\nwalks walk\nwalk"),
            ("talk\ntalk  ", "talk\ntalk walks walk\nwalk"),
        ] {
            let (settled, mut decoder) = vocabulary.decoder_after(prompt);
            let rest: String = [walk, s, walk, 1, walk].into_iter().map(|id| decoder.push(id)).collect();
            assert_eq!(format!("{settled}{rest}"), text, "{prompt:?}");
        }
        let (settled, mut decoder) = vocabulary.decoder_after("talk");
        assert_eq!((settled, decoder.push(s).as_str()), ("talk", "s"));
        // The blank at the end is no token, nor is the end of a line.
        assert_eq!(vocabulary.encode_units("talk "), vocabulary.encode_units("talk"));
    }
}

#[test]
fn files_that_are_no_tokenizer_are_refused() {
    let change = |document: Value, path: &str, value: Value| {
        let mut document = document;
        *document.pointer_mut(path).unwrap() = value;
        document.to_string()
    };
    let no_bytes = json!({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []});
    let unigram = json!({"type": "Unigram", "unk_id": null, "vocab": [["a", -1.0]]});
    let marks_alone = json!({"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "[SEP]": 1}});
    for (content, words) in [
        ("".to_owned(), "/tokenizer.json: the file is empty"),
        ("{\"model\":".to_owned(), "/tokenizer.json: it is no JSON (EOF"),
        ("[]".to_owned(), "that is an object"),
        ("{}".to_owned(), "/tokenizer.json: it is no `tokenizer.json`: it has no `model`"),
        (change(gpt2(), "/model", json!({"type": "BPE"})), "can be read"),
        (change(gpt2(), "/version", "9".into()), "can be read"),
        (change(gpt2(), "/model/dropout", 0.1.into()), "`dropout`"),
        (
            change(gpt2(), "/model/merges", json!([["h", "e"], ["h", "x"]])),
            "merge 1 of its model: `hx` is not in",
        ),
        (change(gpt2(), "/model/merges", json!(["h"])), "merge 0 of its model is not two tokens"),
        (change(gpt2(), "/model/continuing_subword_prefix", "##".into()), "does not begin with `##`"),
        (
            change(gpt2(), "/model/unk_token", "[UNK]".into()),
            "`unk_token`, `[UNK]`, is not in its vocabulary",
        ),
        (change(gpt2(), "/model/vocab/Ā", 4_000_000_000_u32.into()), "ids are below"),
        (change(gpt2(), "/model/vocab/Ā", 1.into()), "same id 1"),
        (change(gpt2(), "/model", no_bytes), "has no `unk_token`"),
        (change(gpt2(), "/model", unigram), "has no `unk_token`"),
        (document(marks_alone, Value::Null, Value::Null, &[]).to_string(), "no token beside the marks"),
    ] {
        let message = foreign(&content).unwrap_err();
        assert!(message.contains(words), "{words}: {message}");
        assert!(message.starts_with("/tokenizer.json: "), "{message}");
    }
    let missing =
        Options { tokenizer: Some(Tokenizer::File("no/bpee".into())), ..Options::new(Unit::Subword) };
    let message = Vocabulary::build_with("a", &missing).unwrap_err().to_string();
    assert_eq!(
        message,
        "no/bpee: there is no such file: data.tokenizer is `bpe`, `unigram` or the path of a `tokenizer.json`"
    );
}

#[test]
fn a_tokenizer_without_marks_gets_them() {
    let model = json!({"type": "WordLevel", "unk_token": "?", "vocab": {"b": 3, "?": 7, "a": 9}});
    let json = document(model, json!({"type": "Whitespace"}), Value::Null, &[]);
    let vocabulary = foreign(&json.to_string()).unwrap();
    assert_eq!(vocabulary.tokens(), ["<unk>", "<eos>", "b", "a"]);
    assert_eq!(vocabulary.encode("a b c d e\n"), [3, 2, 0, 0, 0, 1]);
    assert_eq!(vocabulary.decode(&[3, 2, 0, 1]), "a b \u{fffd}\n");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let file = Some(Tokenizer::File(PathBuf::from("tokenizer.json")));
    let subwords = Options::new(Unit::Subword);
    for (options, words) in [
        (
            Options { tokenizer: Some(Tokenizer::Bpe), ..Options::new(Unit::Word) },
            "data.tokenizer: is for subwords",
        ),
        (
            Options { tokenizer: file.clone(), limit: Some(9), ..subwords.clone() },
            "data.vocab: is 9, but the file",
        ),
        (Options { tokenizer: file, min_count: 2, ..subwords.clone() }, "data.min_count: is 2, but the file"),
        (Options { limit: Some(2), ..subwords.clone() }, "data.vocab: is 2, which leaves no room"),
        (Options { limit: Some(5), ..subwords.clone() }, "but the text has 3 different characters"),
        (Options { min_count: 4, ..subwords.clone() }, "the most frequent 3 times"),
    ] {
        let message = Vocabulary::build_with("aab ca", &options).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    let nothing = Vocabulary::build_with(" \n<unk> ▁", &subwords).unwrap_err().to_string();
    assert!(nothing.contains("no token to learn"), "{nothing}");
    let list = Vocabulary::read("tokens.txt", &subwords).unwrap_err().to_string();
    assert!(list.starts_with("data.vocab: is a file, but subwords"), "{list}");
    let six = Options { limit: Some(6), ..subwords };
    assert_eq!(
        Vocabulary::build_with("aab ca", &six).unwrap().tokens(),
        ["<unk>", "<eos>", "a", "b", "c", "▁"]
    );
}

/// However little there is to learn of.
#[test]
fn any_text_is_learned() {
    let texts = proptest::collection::vec(
        proptest::sample::select("aab한국 \n🦀".chars().collect::<Vec<_>>()),
        1..30,
    );
    check(texts, |chars| {
        let text: String = chars.iter().collect::<String>() + " a";
        for tokenizer in &OURS {
            let vocabulary = Vocabulary::build_with(&text, &options(tokenizer, 12)).unwrap();
            assert!(vocabulary.len() <= 12);
            assert_eq!(vocabulary.decode(&vocabulary.encode(&text)), back(&text), "{tokenizer:?}");
        }
    });
}
