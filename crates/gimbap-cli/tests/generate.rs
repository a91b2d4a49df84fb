//! `gimbap generate`: drawing, stopping, searching, filling blanks, and what is refused.

mod common;

use common::{Bench, SMALL, json, jsonl, small_lm};
use serde_json::Value;

/// A folder with a small model of characters in `runs/a`.
fn characters() -> Bench {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &["-q"]));
    bench
}

/// A folder with a small model of words in `runs/w`.
fn words() -> Bench {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/w", &["-q", "--set", "data.unit=word"]));
    bench
}

fn f64_of(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key}: {object}"))
}

fn str_of<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_else(|| panic!("{key}: {object}"))
}

#[test]
fn a_text_ends_before_its_stop() {
    for (bench, model, stops) in [
        (characters(), "runs/a", &["sees", "in the", "e"][..]),
        (words(), "runs/w", &["the", "bird sings", "\n"]),
    ] {
        let base = ["generate", model, "--seed", "3", "-n", "300", "--prompt", "the ", "--json"];
        let free = json(&bench.ok(&base).stdout);
        let free = &str_of(&free, "text")["the ".len()..];
        for stop in stops {
            let args = [&base[..], &["--stop", "never said", "--stop", stop]].concat();
            let told = json(&bench.ok(&args).stdout);
            let text = &str_of(&told, "text")["the ".len()..];
            match free.split_once(stop) {
                Some((before, _)) => {
                    assert_eq!((text, str_of(&told, "stopped")), (before, *stop));
                    assert!(told["tokens"].as_u64().unwrap() < 300);
                }
                None => assert_eq!((text, &told["stopped"]), (free, &Value::Null)),
            }
            let streamed: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--json").collect();
            assert_eq!(bench.ok(&streamed).stdout, format!("{}\n", str_of(&told, "text")));
        }
        assert!(stops.iter().any(|stop| free.contains(stop)), "one of them must have ended the text: {free}");
    }
}

#[test]
fn a_stop_is_read_as_the_model_reads() {
    let bench = Bench::new();
    // One syllable and the line end, again and again, whatever the unit.
    bench.write("han.txt", "한\n".repeat(400));
    for unit in ["jamo", "byte", "char"] {
        let out = format!("runs/{unit}");
        let args = ["train", "-q", "--task", "lm", "--data", "han.txt", "-o", &out, "--epochs", "15"];
        let unit = format!("data.unit={unit}");
        let sets = ["--set", &unit, "--set", "train.batch=4", "--set", "train.bptt=10", "--set"];
        let size = ["train.optimizer.rate=0.05", "--set", "layer.2.units=8"];
        bench.ok(&[&args[..], &sets, &size, SMALL].concat());
        let run = |more: &[&str]| {
            let base = ["generate", &out, "--temperature", "0", "-n", "24", "--json"];
            json(&bench.ok(&[&base[..], more].concat()).stdout)
        };
        let free = run(&[]);
        assert!(str_of(&free, "text").starts_with("한\n한\n"), "{free}");
        // The syllable taken apart, as it may be typed; but bytes are taken as they stand.
        let told = run(&["--stop", "\u{1112}\u{1161}\u{11ab}\n\u{1112}\u{1161}\u{11ab}"]);
        assert_eq!(told["text"].as_str() == Some(""), unit != "data.unit=byte", "{told}");
        let told = run(&["--prompt", "한\n", "--stop", "\n한"]);
        assert_eq!((str_of(&told, "text"), str_of(&told, "stopped")), ("한\n한", "\n한"));
        // The prompt's own last syllable ends nothing.
        let told = run(&["--prompt", "한", "--stop", "한"]);
        assert_eq!(str_of(&told, "text"), "한\n");
    }
}

#[test]
fn a_penalty_ends_repetitions() {
    let bench = characters();
    let most = |more: &[&str]| {
        let base = ["generate", "runs/a", "--temperature", "0", "-n", "40", "--json"];
        let told = json(&bench.ok(&[&base[..], more].concat()).stdout);
        let text: Vec<char> = str_of(&told, "text").chars().collect();
        text.iter().map(|c| text.iter().filter(|other| *other == c).count()).max().unwrap()
    };
    let free = most(&[]);
    assert_eq!(most(&["--repetition-penalty", "1"]), free);
    assert_eq!(most(&["--repetition-penalty", "1", "--repetition-window", "9"]), free);
    assert!(most(&["--repetition-penalty", "3"]) < free);
}

#[test]
fn searches_find_the_likeliest_and_say_how_likely() {
    let bench = words();
    let run = |more: &[&str]| {
        let base = ["generate", "runs/w", "--prompt", "the cat", "-n", "6"];
        (
            bench.ok(&[&base[..], more].concat()).stdout,
            jsonl(&bench.ok(&[&base[..], more, &["--json"]].concat()).stdout),
        )
    };
    let (_, list) = run(&["--candidates", "5"]);
    let (text, best) = run(&["--beam", "8"]);
    assert_eq!((best.len(), &best[0]["text"]), (1, &list[0]["text"]));
    assert_eq!(text, format!("{}\n", str_of(&best[0], "text")));
    for candidate in &list {
        let p = f64_of(candidate, "probability");
        assert!((p - f64_of(candidate, "logprob").exp()).abs() < 1e-12 && p <= 1.0);
        assert!(candidate["score"].is_null() && candidate["seconds"].is_f64());
    }
    assert!(list.windows(2).all(|w| f64_of(&w[0], "logprob") >= f64_of(&w[1], "logprob")));

    // What a search says of a line is what `score` says of it.
    let line = list.iter().find(|c| str_of(c, "text").ends_with('\n')).expect("a line that ends");
    let of = |text: &str| {
        let told = json(&bench.run_with(&["score", "runs/w", "--per-token", "--json"], text).stdout);
        let tokens = told["per_token"].as_array().unwrap().clone();
        tokens.iter().skip(2).map(|token| f64_of(token, "logprob")).sum::<f64>()
    };
    // (But for the unknown token, whose probability a search gives to the others.)
    let more = f64_of(line, "logprob") - of(str_of(line, "text"));
    assert!(more > -1e-4 && more < 0.5, "{more}");

    let (_, long) = run(&["--candidates", "5", "--length-penalty", "3"]);
    assert!(long.windows(2).all(|w| f64_of(&w[0], "score") >= f64_of(&w[1], "score")));
    for candidate in &long {
        let n = f64_of(candidate, "tokens");
        let score = f64_of(candidate, "logprob") / ((5.0 + n) / 6.0).powi(3);
        assert!((score - f64_of(candidate, "score")).abs() < 1e-9);
    }
    let mean = |list: &[Value]| list.iter().map(|c| f64_of(c, "tokens")).sum::<f64>();
    assert!(mean(&long) > mean(&list), "longer ones are favoured");

    let (text, list) = run(&["--candidates", "3", "--beam", "2"]);
    assert_eq!((text.lines().count(), list.len()), (3, 3), "as many side by side as are wanted");
}

#[test]
fn a_blank_is_filled_with_what_makes_the_line_likeliest() {
    let bench = words();
    let fill = |line: &str, more: &[&str]| {
        jsonl(&bench.ok(&[&["generate", "runs/w", "--fill", line, "--json"], more].concat()).stdout)
    };
    let list = fill("the ___ sees the moon", &["--candidates", "100"]);
    let sum: f64 = list.iter().map(|filled| f64_of(filled, "probability")).sum();
    assert!((sum - 1.0).abs() < 1e-9, "all words but the marks are proposals");
    assert!(list.windows(2).all(|w| f64_of(&w[0], "logprob") >= f64_of(&w[1], "logprob")));
    for filled in &list[..3] {
        let text = str_of(filled, "text");
        assert_eq!(text, format!("the {} sees the moon", str_of(filled, "fill")));
        let told = json(&bench.run_with(&["score", "runs/w", "--json"], text).stdout);
        assert!((f64_of(&told, "logprob") - f64_of(filled, "logprob")).abs() < 1e-4, "{told} {filled}");
        assert_eq!(filled["tokens"], 1);
    }
    let texts = |list: &[Value]| list.iter().map(|filled| filled["text"].clone()).collect::<Vec<_>>();
    assert_eq!(texts(&fill("the ___ sees the moon", &[])), texts(&list[..10]));
    assert_eq!(fill("the ___ sees", &["--beam", "4", "--candidates", "9"]).len(), 4);
    let two = fill("a dog runs ___", &["-n", "2", "--candidates", "60"]);
    assert!(two.iter().any(|x| x["tokens"] == 1) && two.iter().any(|x| x["tokens"] == 2));
    assert_eq!(str_of(&fill("___home", &[])[0], "text").matches(" home").count(), 1);
    let people = bench.ok(&["generate", "runs/w", "--fill", "a dog ___ home", "--candidates", "2"]).stdout;
    assert!(people.lines().count() == 2 && people.lines().all(|x| x.contains(" %  a dog ")), "{people}");

    let bench = characters();
    let run =
        bench.ok(&["generate", "runs/a", "--fill", "the c__________ sees the moon", "--json", "-n", "3"]);
    let filled = jsonl(&run.stdout);
    assert_eq!(filled.len(), 10);
    for filled in &filled {
        let (text, inside) = (str_of(filled, "text"), str_of(filled, "fill"));
        assert_eq!(text, format!("the c{inside} sees the moon"));
        assert_eq!(inside.chars().count() as u64, filled["tokens"].as_u64().unwrap());
        assert!(!inside.contains('\n'));
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let bench = characters();
    let long = "1000000000";
    for (args, words) in [
        (&["--temperature=-1"][..], "must be a number, 0 or more"),
        (&["--temperature", "warm"], "must be a number, 0 or more"),
        (&["--top-k", "0"], "must be at least 1"),
        (&["--top-p", "0"], "must be a number above 0 and at most 1"),
        (&["--top-p", "1.5"], "must be a number above 0 and at most 1"),
        (&["--repetition-penalty", "0.9"], "must be a number, 1 or more"),
        (&["--repetition-penalty", "inf"], "must be a number, 1 or more"),
        (&["--repetition-window", "9"], "--repetition-penalty <X>"),
        (&["--repetition-penalty", "2", "--repetition-window", "0"], "must be at least 1"),
        (&["--stop", ""], "must not be empty"),
        (&["--beam", "0"], "must be at least 1"),
        (&["--beam", "2", "--temperature", "0.5"], "cannot be used with"),
        (&["--beam", "2", "--top-k", "5"], "cannot be used with"),
        (&["--beam", "2", "--stop", "a"], "cannot be used with"),
        (&["--candidates", "2", "--repetition-penalty", "2"], "cannot be used with"),
        (&["--candidates", "2", "--seed", "2"], "cannot be used with"),
        (&["--beam", long], "side by side"),
        (&["--candidates", long], "side by side"),
        (&["--length-penalty", "1"], "--beam <WIDTH>"),
        (&["--beam", "2", "--length-penalty=-1"], "must be a number, 0 or more"),
        (&["--fill", "no blank"], "--fill: no blank is in the text"),
        (&["--fill", "___ and ___"], "--fill: more than one blank"),
        (&["--fill", "the\n___"], "--fill: a line end"),
        (&["--fill", "the ___", "-n", "0"], "fill no blank"),
        (&["--fill", "the ___", "--prompt", "the"], "cannot be used with"),
        (&["--fill", "the ___", "--top-p", "0.5"], "cannot be used with"),
        (&["--fill", "the ___", "--beam", "4", "--length-penalty", "1"], "cannot be used with"),
        (&["--fill", "the ___", "--beam", long], "side by side"),
        (&["-n", "many"], "invalid digit"),
    ] {
        let run = bench.run(&[&["generate", "runs/a"], args].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
        let run = bench.run(&[&["generate", "runs/a", "--json"], args].concat());
        assert_eq!(json(&run.stdout)["error"]["kind"], "usage", "{args:?}");
    }
    let run = bench.run(&["generate", "runs/a", "--fill", "___ЖЖ"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("--fill: the model knows none of its characters (Ж)"), "{}", run.stderr);
    let run = bench.ok(&["generate", "runs/a", "--fill", "the ___Ж", "-n", "1"]);
    assert_eq!(run.stderr, "not in the model's vocabulary, read as <unk>: Ж\n");
}
