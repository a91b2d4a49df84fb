//! Language models and classifiers of subwords: learned tokenizers and a file, and configs that cannot be.

mod common;

use common::{Bench, SMALL, json, jsonl};

/// Words that share pieces.
fn text(lines: usize) -> String {
    let who = ["나는", "친구가", "the walker", "a talker"];
    let what = ["walked", "talked", "노래를 부르며", "밥을 먹고"];
    let ends = ["학교에 간다", "학교에서 온다", "talks and walks"];
    (0..lines).map(|i| format!("{} {} {}\n", who[i % 4], what[(i / 3) % 4], ends[(i / 2) % 3])).collect()
}

/// A folder with `text.txt`, and a small language model of it in `runs/lm`, made with these settings.
fn trained(sets: &[&str]) -> Bench {
    let bench = Bench::new();
    bench.write("text.txt", text(160));
    bench.ok(&arguments(sets));
    bench
}

fn arguments<'a>(sets: &[&'a str]) -> Vec<&'a str> {
    let mut args =
        vec!["train", "--task", "lm", "--data", "text.txt", "-o", "runs/lm", "--epochs", "1", "-q"];
    let size = ["train.batch=4", "train.bptt=10", "layer.2.units=8", "data.unit=subword"];
    size.iter().chain(sets).for_each(|set| args.extend(["--set", set]));
    args.extend(SMALL);
    args
}

/// What `gimbap train` says of impossible settings.
fn refused(sets: &[&str]) -> String {
    let bench = Bench::new();
    bench.write("text.txt", text(160));
    bench.write("bad.json", "{\"model\": {}");
    let run = bench.run(&arguments(sets));
    assert_ne!(run.code, Some(0), "{sets:?}");
    assert!(!bench.path("runs/lm").exists(), "{sets:?} left a run behind");
    run.stderr
}

/// Everything that a language model does.
fn works(bench: &Bench) {
    let line = "the walker talked 학교에 간다";
    let scored = bench.run_with(&["score", "runs/lm", "--json", "--per-token"], line);
    let scored = json(&scored.stdout);
    let tokens = scored["tokens"].as_u64().unwrap();
    assert!((6..25).contains(&tokens), "{scored}");
    assert_eq!(scored["unknown"], 0);

    let eval = json(&bench.ok(&["eval", "runs/lm", "text.txt", "--json"]).stdout);
    let bits = eval["loss"].as_f64().unwrap() / std::f64::consts::LN_2 * eval["tokens"].as_f64().unwrap();
    let told = eval["bits_per_character"].as_f64().unwrap() * text(160).chars().count() as f64;
    assert!((bits / told - 1.0).abs() < 1e-6, "bits are those of a character");

    for prompt in ["", "the walker ", "the walker", "나는 밥을"] {
        let prompted = ["generate", "runs/lm", "-n", "40", "--prompt", prompt, "--top-k", "5"];
        let told = json(&bench.ok(&[&prompted[..], &["--json"]].concat()).stdout);
        assert_eq!(told["tokens"], 40);
        let told = told["text"].as_str().unwrap();
        assert!(told.starts_with(prompt.trim_end()) && !told.contains(['▁', '\u{fffd}']), "{told}");
        assert_eq!(bench.ok(&prompted).stdout, format!("{told}\n"), "what streams is what is told");
    }
    let candidates = ["generate", "runs/lm", "-n", "4", "--candidates", "3", "--prompt", "나는", "--json"];
    assert_eq!(jsonl(&bench.ok(&candidates).stdout).len(), 3);
    for fill in ["the ___ walked", "the ___walked"] {
        let filled = bench.ok(&["generate", "runs/lm", "--fill", fill, "-n", "2", "--json"]);
        for filled in jsonl(&filled.stdout) {
            let text = filled["text"].as_str().unwrap();
            assert!(text.starts_with("the") && text.ends_with(" walked"), "{text}");
        }
    }
    let next = json(&bench.run_with(&["predict", "runs/lm", "--json"], "나는").stdout);
    assert!(next["next"].is_string());
    let unknown = bench.run_with(&["score", "runs/lm", "--json"], "the 🦀 walked");
    assert_eq!(json(&unknown.stdout)["unknown"], 1);
}

#[test]
fn models_of_learned_subwords_score_and_write() {
    for tokenizer in ["bpe", "unigram"] {
        let bench = trained(&[&format!("data.tokenizer={tokenizer}"), "data.vocab=90", "data.valid=0.1"]);
        works(&bench);
        let config = std::fs::read_to_string(bench.path("runs/lm/config.toml")).unwrap();
        assert!(config.contains(&format!("tokenizer = \"{tokenizer}\"")), "{config}");
        // A run goes on with the tokenizer that it learns again.
        bench.ok(&["train", "--resume", "runs/lm", "--epochs", "2", "-q"]);
        works(&bench);
        let near = bench.ok(&["neighbors", "runs/lm", "a", "--json"]);
        assert!(!near.stdout.is_empty());
    }
}

#[test]
fn byte_pairs_are_what_subwords_are_of() {
    let learned = |sets: &[&str]| std::fs::read(trained(sets).path("runs/lm/best.safetensors")).unwrap();
    assert!(learned(&[]) == learned(&["data.tokenizer=bpe"]));
    assert!(learned(&[]) != learned(&["data.tokenizer=unigram"]));
}

#[test]
fn a_tokenizer_of_a_file_is_kept_in_the_model() {
    let bench = Bench::new();
    bench.write("text.txt", text(160));
    let words =
        ["[UNK]", "[SEP]", "the", "walk", "##er", "##ed", "talk", "학교에", "간다", "나는", "밥을", "a"];
    let vocab: serde_json::Map<_, _> =
        words.iter().map(|word| word.to_string()).zip((0_u32..).map(Into::into)).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    });
    let path = bench.write("tokenizer.json", tokenizer.to_string());
    bench.ok(&arguments(&["data.tokenizer=tokenizer.json"]));
    std::fs::remove_file(path).unwrap();
    let scored = json(&bench.run_with(&["score", "runs/lm", "--json"], "the walker talked 노래를").stdout);
    assert_eq!((&scored["tokens"], &scored["unknown"]), (&7.into(), &1.into()));
    let text = bench.ok(&["generate", "runs/lm", "-n", "20", "--prompt", "the walk"]).stdout;
    assert!(text.starts_with("the walk") && !text.contains("##"), "{text}");
}

#[test]
fn a_classifier_reads_subwords() {
    let bench = Bench::new();
    let sets = ["data.unit=subword", "data.vocab=60", "data.min_count=1"];
    let mut args =
        vec!["train", "--task", "classify", "--data", "reviews.csv", "-o", "runs/c", "--epochs", "1", "-q"];
    sets.iter().for_each(|set| args.extend(["--set", set]));
    args.extend(SMALL);
    bench.ok(&args);
    let predicted = bench.run_with(&["predict", "runs/c", "--json"], "a fine film");
    assert_eq!(predicted.code, Some(0), "{}", predicted.stderr);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for (sets, words) in [
        (&["data.tokenizer=bad.json"][..], "bad.json: it is no JSON"),
        (&["data.tokenizer=bqe"], "bqe: there is no such file: data.tokenizer is `bpe`"),
        (&["data.tokenizer=bad.json", "data.vocab=100"], "is 100, but the file"),
        (&["data.tokenizer=bad.json", "data.min_count=2"], "is 2, but the file"),
        (&["data.vocab=20"], "is 20, but the text has"),
        (&["data.vocab=text.txt"], "is a file, but subwords"),
        (&["data.unit=word", "data.tokenizer=bpe"], "is for subwords"),
        (&["data.unit=subwords"], "subword"),
    ] {
        let message = refused(sets);
        assert!(message.contains(words), "{sets:?}: {message}");
    }
    let bench = Bench::new();
    bench.write("tags.txt", "a X\n\nb Y\n");
    for set in ["data.unit=subword", "data.tokenizer=bpe"] {
        let run = bench.run(&["train", "--task", "tag", "--data", "tags.txt", "-o", "runs/t", "--set", set]);
        assert!(run.code != Some(0) && run.stderr.contains("is no key of a tagger"), "{}", run.stderr);
    }
}
