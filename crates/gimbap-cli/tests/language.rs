//! Language models of every unit, on Korean text, and texts as they come: marks, line ends, emoji, other scripts.

mod common;

use common::{Bench, SMALL, json, jsonl};
use unicode_normalization::UnicodeNormalization;

const UNITS: [&str; 4] = ["byte", "char", "jamo", "word"];

/// Syllables with and without a trailing consonant, compatibility jamo.
fn korean(lines: usize) -> String {
    let who = ["나는", "친구가", "우리 개는"];
    let what = ["밥을 먹고", "노래를 부르며", "물을 마시고"];
    let ends = ["학교에 간다", "집에서 잔다 ㅋㅋ", "산에 오른다", "바다로 떠난다"];
    (0..lines).map(|i| format!("{} {} {}\n", who[i % 3], what[(i / 3) % 3], ends[(i / 2) % 4])).collect()
}

/// A folder with `korean.txt`, and a small language model of it in `runs/UNIT`, made with these settings.
fn trained(unit: &str, sets: &[&str]) -> Bench {
    let bench = Bench::new();
    bench.write("korean.txt", korean(120));
    train(&bench, "korean.txt", unit, sets);
    bench
}

fn train(bench: &Bench, data: &str, unit: &str, sets: &[&str]) {
    let (out, unit) = (format!("runs/{unit}"), format!("data.unit={unit}"));
    let mut args = vec!["train", "--task", "lm", "--data", data, "-o", &out, "--epochs", "1", "-q"];
    let size = ["train.batch=4", "train.bptt=10", "layer.2.units=8", &unit];
    size.iter().chain(sets).for_each(|set| args.extend(["--set", set]));
    args.extend(SMALL);
    bench.ok(&args);
}

/// The one answer of `score`.
fn score(bench: &Bench, run: &str, line: &str) -> serde_json::Value {
    let run = bench.run_with(&["score", run, "--json", "--per-token"], line);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    json(&run.stdout)
}

#[test]
fn a_model_of_every_unit_scores_and_writes_korean() {
    let line = "나는 밥을 먹고 집에서 잔다 ㅋㅋ";
    for (unit, tokens) in UNITS.into_iter().zip([line.len(), 18, 35, 6]) {
        let bench = trained(unit, &[]);
        let run = format!("runs/{unit}");
        let scored = score(&bench, &run, line);
        assert_eq!(scored["tokens"].as_u64(), Some(tokens as u64 + 1), "{unit}");
        assert_eq!(scored["unknown"], 0);
        assert!(scored["logprob"].as_f64().unwrap() < 0.0);

        let eval = json(&bench.ok(&["eval", &run, "korean.txt", "--json"]).stdout);
        let tokens = eval["tokens"].as_f64().unwrap();
        let bits = eval["loss"].as_f64().unwrap() / std::f64::consts::LN_2 * tokens;
        let characters = korean(120).chars().count() as f64;
        let told = eval["bits_per_character"].as_f64().unwrap();
        assert!((bits / characters - told).abs() < 1e-6 * told, "{unit}: bits are those of a character");

        for prompt in ["", "나는 ", "우리 개"] {
            let prompted = ["generate", &run, "-n", "60", "--prompt", prompt, "--top-k", "5"];
            let text = json(&bench.ok(&[&prompted[..], &["--json"]].concat()).stdout);
            assert_eq!(text["tokens"], 60);
            let text = text["text"].as_str().unwrap();
            assert!(text.starts_with(prompt.trim_end_matches('개')), "{unit}: {text}");
            assert_eq!(
                bench.ok(&prompted).stdout,
                format!("{text}\n"),
                "{unit}: what streams is what is told"
            );
            if unit == "word" {
                let known = korean(120);
                let words = text[prompt.len()..].split_whitespace();
                assert!(words.clone().count() > 0 && words.into_iter().all(|word| known.contains(word)));
            }
        }
        let candidates =
            bench.ok(&["generate", &run, "-n", "4", "--candidates", "3", "--prompt", "나는", "--json"]);
        assert_eq!(jsonl(&candidates.stdout).len(), 3);
        let next = json(&bench.run_with(&["predict", &run, "--json"], "나는").stdout);
        assert!(next["next"].is_string());
    }
}

#[test]
fn jamo_join_the_prompts_last_syllable() {
    // After the vowel always the same trailing consonant.
    let bench = Bench::new();
    bench.write("han.txt", "한\n".repeat(400));
    train(&bench, "han.txt", "jamo", &["train.optimizer.rate=0.05"]);
    let text = bench.ok(&["generate", "runs/jamo", "--prompt", "하", "-n", "2", "--temperature", "0"]).stdout;
    assert_eq!(text, "한\n\n");
    let one =
        bench.ok(&["generate", "runs/jamo", "--prompt", "한\n하", "-n", "1", "--candidates", "1"]).stdout;
    assert!(one.ends_with("한\\n한\n"), "{one}");
}

#[test]
fn normal_forms_are_one_text_unless_kept_apart() {
    let (composed, decomposed) = ("나는 물을 마시고", "\u{1102}\u{1161}\u{1102}\u{1173}\u{11ab} 물을 마시고");
    for unit in ["char", "jamo"] {
        let bench = trained(unit, &[]);
        let run = format!("runs/{unit}");
        assert_eq!(score(&bench, &run, decomposed)["logprob"], score(&bench, &run, composed)["logprob"]);
    }
    let bench = trained("char", &["data.normal_form=none"]);
    assert_eq!(score(&bench, "runs/char", composed)["unknown"], 0);
    assert_eq!(score(&bench, "runs/char", decomposed)["unknown"], 5);
    let bench = trained("char", &["data.normal_form=nfkc"]);
    assert_eq!(score(&bench, "runs/char", "\u{3000}나는")["unknown"], 0, "a wide blank is a blank");
    let config = std::fs::read_to_string(bench.path("runs/char/config.toml")).unwrap();
    assert!(config.contains("normal_form = \"nfkc\""), "{config}");
}

#[test]
fn marks_line_ends_and_emoji() {
    let bench = trained("char", &[]);
    let plain = score(&bench, "runs/char", "나는 밥을 먹고\n");
    let marked = score(&bench, "runs/char", "\u{feff}나는 밥을 먹고\r\n");
    assert_eq!(marked["logprob"], plain["logprob"]);
    assert_eq!(score(&bench, "runs/char", "👩‍👩‍👧 나는")["unknown"], 5);

    let other = Bench::new();
    other.write("korean.txt", format!("\u{feff}{}", korean(120).replace('\n', "\r\n")));
    train(&other, "korean.txt", "char", &[]);
    assert_eq!(score(&other, "runs/char", "나는")["logprob"], score(&bench, "runs/char", "나는")["logprob"]);

    let bytes = trained("byte", &[]);
    let emoji = score(&bytes, "runs/byte", "👩‍👩‍👧");
    assert_eq!((emoji["unknown"].as_u64(), emoji["tokens"].as_u64()), (Some(0), Some(19)));
    let run = bytes.ok(&["generate", "runs/byte", "--prompt", "👩‍👩‍👧", "-n", "20", "--temperature", "3"]);
    assert!(run.stdout.starts_with("👩‍👩‍👧"), "{}", run.stdout);
}

#[test]
fn a_prompt_of_another_script_is_an_error() {
    for unit in ["char", "jamo", "word"] {
        let bench = trained(unit, &[]);
        let run = bench.run(&["generate", &format!("runs/{unit}"), "--prompt", "qqq", "-n", "5"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
        assert!(run.stderr.contains("--prompt: the model knows none of its"), "{}", run.stderr);
        let run = bench.run(&["generate", &format!("runs/{unit}"), "--prompt", "qqq 나는", "-n", "5"]);
        assert_eq!(run.code, Some(0), "a part of it will do");
    }
}

#[test]
fn options_of_units_that_no_run_can_have_are_refused() {
    let bench = Bench::new();
    for (task, sets, words) in [
        ("lm", &["data.unit=syllable"][..], "known: `auto`, `byte`, `char`, `jamo`, `word`"),
        ("lm", &["data.unit=bite"], "did you mean `byte`?"),
        ("lm", &["data.normal_form=nfd"], "`nfkc`"),
        ("lm", &["data.unit=jamo", "data.normal_form=none"], "`data.normal_form` is `none`, but jamo"),
        ("lm", &["data.unit=byte", "data.vocab=100"], "`data.vocab` is 100, but bytes are always 257 tokens"),
        ("lm", &["data.vocab=2"], "`data.vocab` is 2, which leaves no room"),
        (
            "classify",
            &["data.unit=byte", "data.min_count=2"],
            "`data.min_count` is 2, but bytes are all kept",
        ),
        ("forecast", &["data.normal_form=nfc"], "`data.normal_form` is no key of a forecast"),
    ] {
        let mut args = vec!["train", "--task", task, "--data", "text.txt", "-o", "runs/x"];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        let run = bench.run(&args);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    let run = bench.run(&["train", "--set", "data.unit=jamo", "-o", "runs/x"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("the built-in corpus is one of words"), "{}", run.stderr);
}

#[test]
fn classifiers_read_every_unit() {
    let bench = Bench::new();
    let row = |i: usize| match i % 2 {
        0 => format!("좋은 영화 {i},pos\n"),
        _ => format!("나쁜 영화 {i},neg\n"),
    };
    bench.write("films.csv", "text,label\n".to_string() + &(0..80).map(row).collect::<String>());
    for unit in UNITS {
        let (out, unit) = (format!("runs/{unit}"), format!("data.unit={unit}"));
        let args = ["train", "--task", "classify", "--data", "films.csv", "-o", &out, "--epochs", "4", "-q"];
        let sets = ["--set", &unit, "--set", "data.min_count=1", "--set", "train.optimizer.rate=0.03"];
        bench.ok(&[&args[..], &sets, SMALL].concat());
        let run = bench.run_with(&["predict", &out, "--json"], "좋은 영화\n나쁜 영화\n");
        let labels: Vec<_> = jsonl(&run.stdout).iter().map(|line| line["label"].clone()).collect();
        assert_eq!(labels, ["pos", "neg"], "{unit}");
    }
}

#[test]
fn a_vocabulary_may_be_a_list() {
    let bench = Bench::new();
    bench.write("korean.txt", korean(120));
    bench.write("words.txt", "\u{feff}나는\r\n밥을\r\n먹고\r\n");
    train(&bench, "korean.txt", "word", &["data.vocab=words.txt"]);
    let config = std::fs::read_to_string(bench.path("runs/word/config.toml")).unwrap();
    assert!(config.contains(&format!("vocab = \"{}\"", bench.arg("words.txt"))), "{config}");
    let scored = score(&bench, "runs/word", "나는 밥을 먹고 학교에 간다");
    assert_eq!((scored["tokens"].as_u64(), scored["unknown"].as_u64()), (Some(6), Some(2)));
    let text = bench.ok(&["generate", "runs/word", "-n", "30"]).stdout;
    assert!(text.split_whitespace().all(|word| ["나는", "밥을", "먹고"].contains(&word)), "{text}");

    bench.write("double.txt", "나는\n밥을\n나는\n");
    for (sets, code, words) in [
        (
            &["data.unit=word", "data.vocab=double.txt"][..],
            1,
            "double.txt, line 3: `나는` is on line 1 already",
        ),
        (&["data.unit=word", "data.vocab=absent.txt"], 1, "absent.txt: No such file"),
        (
            &["data.unit=word", "data.vocab=words.txt", "data.min_count=2"],
            2,
            "data.min_count: is 2, but a file",
        ),
        (&["data.unit=byte", "data.vocab=words.txt"], 2, "data.vocab: is a file, but bytes"),
        (&["data.vocab=words.txt"], 1, "words.txt, line 1: `나는` is 2 characters"),
        (&["data.vocab=-1"], 2, "expected a number of tokens, the path"),
        (&["data.vocab=true"], 2, "expected a number of tokens, the path"),
    ] {
        let mut args = vec!["train", "--task", "lm", "--data", "korean.txt", "-o", "runs/x"];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        let run = bench.run(&args);
        assert_eq!(run.code, Some(code), "{}", run.stderr);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    let run = bench.run(&["train", "--set", "data.vocab=words.txt", "-o", "runs/x"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("has its own words"), "{}", run.stderr);
}

#[test]
fn unknown_words_count_or_are_left_out() {
    let bench = trained("word", &["data.vocab=10"]);
    let line = "나는 모르는 밥을 먹고";
    let both = |run: &common::Run| {
        let told = json(&run.stdout);
        let figure = |key: &str| told[key].as_f64().unwrap_or_else(|| panic!("{key}: {told}"));
        let pair = (figure("perplexity_with_unknown"), figure("perplexity_without_unknown"));
        (figure("perplexity"), pair, told["tokens"].as_u64().unwrap(), told)
    };
    let score = |more: &[&str]| {
        both(&bench.run_with(&[&["score", "runs/word", "--json", "--per-token"], more].concat(), line))
    };
    let (counted, pair, tokens, told) = score(&[]);
    assert_eq!((counted, tokens, told["unknown"].as_u64()), (pair.0, 5, Some(1)));
    let logprobs: Vec<(bool, f64)> = told["per_token"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["token"] == "<unk>", token["logprob"].as_f64().unwrap()))
        .collect();
    let known: Vec<f64> = logprobs.iter().filter(|(unknown, _)| !unknown).map(|(_, x)| *x).collect();
    assert!((pair.1 - (-known.iter().sum::<f64>() / 4.0).exp()).abs() < 1e-9 * pair.1);
    let (excluded, same, tokens, _) = score(&["--unknown", "exclude"]);
    assert_eq!((excluded, same, tokens), (pair.1, pair, 4));

    let eval =
        |more: &[&str]| both(&bench.ok(&[&["eval", "runs/word", "korean.txt", "--json"], more].concat()));
    let (counted, pair, tokens, told) = eval(&[]);
    assert_eq!((counted, &told), (pair.0, &eval(&["--unknown", "count"]).3));
    let (excluded, same, fewer, told) = eval(&["--unknown", "exclude"]);
    assert_eq!((excluded, same), (pair.1, pair));
    assert!(pair.0 != pair.1 && told["bits_per_character"].is_null());
    let unknown = told["unknown_tokens"].as_u64().unwrap();
    assert!(
        unknown > 0 && tokens - fewer <= unknown && tokens - fewer + 1 >= unknown,
        "{tokens} {fewer} {unknown}"
    );

    bench.ok(&[
        "train",
        "-q",
        "--task",
        "classify",
        "--data",
        "reviews.csv",
        "--epochs",
        "1",
        "-o",
        "runs/c",
    ]);
    let run = bench.run(&["eval", "runs/c", "reviews.csv", "--unknown", "count"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--unknown is for"), "{}", run.stderr);
}

#[test]
fn lines_are_learned_and_measured_as_they_are_scored() {
    let bench = trained("char", &["data.lines=true"]);
    let eval = json(&bench.ok(&["eval", "runs/char", "korean.txt", "--json"]).stdout);
    let total = json(&bench.ok(&["score", "runs/char", "korean.txt", "--total", "--json"]).stdout);
    assert_eq!(eval["tokens"], total["tokens"]);
    let [eval, total] = [&eval, &total].map(|figures| figures["perplexity"].as_f64().unwrap());
    assert!((eval - total).abs() < 1e-5 * total, "{eval} {total}");
    // A last line without an end has one.
    bench.write("open.txt", "나는 밥을 먹고\n나는");
    let eval = json(&bench.ok(&["eval", "runs/char", "open.txt", "--json"]).stdout);
    let total = json(&bench.ok(&["score", "runs/char", "open.txt", "--total", "--json"]).stdout);
    assert_eq!((&eval["tokens"], eval["tokens"].as_u64()), (&total["tokens"], Some(12)));
    // One that has learned a running text is measured as one.
    train(&bench, "korean.txt", "word", &[]);
    let eval = json(&bench.ok(&["eval", "runs/word", "korean.txt", "--json"]).stdout);
    let total = json(&bench.ok(&["score", "runs/word", "korean.txt", "--total", "--json"]).stdout);
    assert_eq!(eval["tokens"], total["tokens"], "every token is predicted");
    for lines in [1500, 1501, 1503] {
        bench.write("long.txt", korean(lines));
        let long = json(&bench.ok(&["eval", "runs/word", "long.txt", "--json"]).stdout);
        let words = korean(lines).split_whitespace().count();
        assert_eq!(long["tokens"].as_u64(), Some((words + lines) as u64), "whatever the length");
    }
    let [eval, total] = [&eval, &total].map(|figures| figures["perplexity"].as_f64().unwrap());
    assert!((eval - total).abs() > 1e-4 * total, "{eval} {total}");
}

#[test]
fn bits_are_those_of_the_characters_that_the_model_sees() {
    let bench = trained("char", &[]);
    let apart: String = korean(120).nfd().collect();
    assert!(apart.chars().count() > 2 * korean(120).chars().count() - 2000);
    bench.write("apart.txt", apart);
    let eval = |data: &str| json(&bench.ok(&["eval", "runs/char", data, "--json"]).stdout);
    assert_eq!(eval("apart.txt"), eval("korean.txt"));
    // What an unknown token was is not predicted, so there are no bits of its characters.
    bench.write("other.txt", "나는 zzz\n");
    assert!(eval("other.txt")["bits_per_character"].is_null());
}

#[test]
fn a_vocabulary_of_another_text_is_told() {
    let bench = Bench::new();
    bench.write("korean.txt", korean(120));
    bench.write("other.tokens", "x\ny\n");
    let base = ["train", "--task", "lm", "--data", "korean.txt", "-o", "runs/a", "--epochs", "1"];
    let sets = ["--set", "data.unit=word", "--set", "data.vocab=\"other.tokens\"", "--set", "train.batch=4"];
    let size = ["--set", "train.bptt=10", "--set", "layer.2.units=8", "--set", "data.valid=0.1"];
    let run = bench.ok(&[&base[..], &sets, &size, SMALL].concat());
    assert!(run.stderr.contains("are `<unk>`: is it this text's vocabulary?"), "{}", run.stderr);
    let card = std::fs::read_to_string(bench.path("runs/a/README.md")).unwrap();
    assert!(card.contains("of them unknown") && card.contains("unknown_tokens"), "{card}");
}
