//! `gimbap train` without an argument: what it says, and that the sentences, analogies and neighbours of the article that it
//! grew from come out right.

mod common;

use common::{Bench, json, jsonl, one_training_is_enough};
use serde_json::Value;

#[test]
fn the_built_in_corpus() {
    let bench = Bench::new();
    let run = bench.ok(&[
        "train",
        "--epochs",
        "1",
        "--set",
        "layer.0.units=12",
        "--set",
        "layer.1.units=12",
        "--json",
    ]);
    let done = jsonl(&run.stdout).pop().unwrap();
    assert_eq!(done["event"], "done");
    assert_eq!(done["model"], "runs/travellers/best.safetensors");
    let figure = |key: &str| done[key].as_f64().unwrap();
    let best = figure("best_possible_perplexity");
    assert!(best > 4.0 && best < figure("perplexity") && figure("perplexity") < 40.0, "{done}");
    let accuracy = done["distance_accuracy"]["lstm"].as_object().unwrap();
    assert!(
        accuracy.contains_key("4") && accuracy.values().all(|x| (0.0..=1.0).contains(&x.as_f64().unwrap()))
    );

    // The model applies its lower case to whatever it is given.
    let score = |text: &str| {
        let run = bench.run_with(&["score", "runs/travellers", "--json"], text);
        json(&run.stdout)["logprob"].as_f64().unwrap()
    };
    assert_eq!(score("NO PAIN NO GAIN\n"), score("no pain no gain\n"));

    // Sentences stand for themselves, to `eval` as to `score`, and an empty one is its end alone.
    bench.write("said.txt", "no pain no gain\n\nspooky red\nmina grew up in korea\n");
    let eval = json(&bench.ok(&["eval", "runs/travellers", "said.txt", "--json"]).stdout);
    let scored = jsonl(&bench.ok(&["score", "runs/travellers", "said.txt", "--json"]).stdout);
    let sum = |key: &str| scored.iter().map(|line| line[key].as_f64().unwrap()).sum::<f64>();
    assert_eq!(eval["tokens"].as_f64(), Some(sum("tokens")));
    let loss = -sum("logprob") / sum("tokens");
    assert!((eval["loss"].as_f64().unwrap() - loss).abs() < 1e-4 * loss, "{eval} {scored:?}");

    let refused = bench.run(&["train"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--resume"), "{}", refused.stderr);
}

/// The figures of `score --json`, a line each.
fn scores(bench: &Bench, run: &str, lines: &str) -> Vec<Value> {
    jsonl(&bench.run_with(&["score", run, "--json"], lines).stdout)
}

/// The words that `neighbors` and `analogy` name.
fn named(bench: &Bench, args: &[&str]) -> Vec<String> {
    let found = jsonl(&bench.ok(args).stdout);
    found.iter().map(|word| word["word"].as_str().unwrap().to_owned()).collect()
}

/// By each step the share of step `of` in the state.
fn shares(bench: &Bench, run: &str, text: &str, of: usize) -> Vec<f64> {
    let found = json(&bench.ok(&["explain", run, "--text", text, "--json"]).stdout);
    let rows = found["found"]["memory"]["shares"].as_array().unwrap().clone();
    rows.iter().skip(of).map(|row| row[of].as_f64().unwrap()).collect()
}

#[test]
fn the_sentences_of_the_article() {
    if one_training_is_enough() {
        return;
    }
    let bench = Bench::new();
    let done = jsonl(&bench.ok(&["train", "--json"]).stdout).pop().unwrap();
    let figure = |key: &str| done[key].as_f64().unwrap();
    assert!(figure("perplexity") < 1.03 * figure("best_possible_perplexity"), "{done}");
    assert!(done["distance_accuracy"]["lstm"]["24"].as_f64().unwrap() > 0.9, "{done}");
    let run = "runs/travellers";

    let sentences = "No pain no gain.\nNo pain spooky red.\nWhat time is it?\n\
                     I grew up in Korea after many weeks and I speak Korean.\nKing, queen, man, woman\n";
    let scored = scores(&bench, run, sentences);
    assert_eq!(scored.len(), 5);
    assert!(scored.iter().all(|line| line["unknown"] == 0), "{scored:?}");
    let logprob = |line: usize| scored[line]["logprob"].as_f64().unwrap();
    assert!(logprob(0) > logprob(1) + 10.0, "{scored:?}");

    let sum = ["analogy", run, "king", "-", "man", "+", "woman", "--json"];
    assert_eq!(named(&bench, &sum)[0], "queen");
    let names = ["tomas", "leila", "otto", "aiko", "ravi", "nora", "pablo", "greta", "hugo", "ines", "yusuf"];
    let near = named(&bench, &["neighbors", run, "mina", "-n", "5", "--json"]);
    assert!(near.iter().all(|word| names.contains(&word.as_str())), "{near:?}");
    let numbers = ["three", "four", "nine", "twelve", "many"];
    let near = named(&bench, &["neighbors", run, "two", "-n", "3", "--json"]);
    assert!(near.iter().all(|word| numbers.contains(&word.as_str())), "{near:?}");
    let countries = ["france", "spain", "japan", "poland", "turkey", "greece", "norway"];
    let near = named(&bench, &["neighbors", run, "korea", "-n", "5", "--json"]);
    assert!(near.iter().all(|word| countries.contains(&word.as_str())), "{near:?}");

    let what = shares(&bench, run, "What time is it?", 1);
    assert!(what.len() == 5 && what.windows(2).all(|pair| pair[1] < pair[0]), "{what:?}");
}

#[test]
fn the_korean_corpus() {
    if one_training_is_enough() {
        return;
    }
    let bench = Bench::new();
    let trained = bench.ok(&["train", "--lang", "ko"]);
    for told in ["에폭 8/8", "이론상 최솟값", "나라와 언어 사이의 단어 수에 따른 정답률", "다음에 해 볼 명령"]
    {
        assert!((trained.stdout.clone() + &trained.stderr).contains(told), "{told} in {}", trained.stdout);
    }
    assert!(!trained.stdout.contains("words between"), "{}", trained.stdout);
    let run = "runs/travellers-ko";
    let sentences = "고통 없이는 얻는 것도 없다.\n고통 없이는 으스스한 빨간.\n지금 몇 시예요?\n\
                     나는 한국에서 자라 두 해 동안 걸었고 이제 한국어를 한다.\n\
                     나는 한국에서 자라 두 해 동안 걸었고 이제 일본어를 한다.\n";
    let scored = scores(&bench, run, sentences);
    assert!(scored.len() == 5 && scored.iter().all(|line| line["unknown"] == 0), "{scored:?}");
    let logprob = |line: usize| scored[line]["logprob"].as_f64().unwrap();
    assert!(logprob(0) > logprob(1) + 10.0 && logprob(3) > logprob(4) + 3.0, "{scored:?}");
    let sum = ["analogy", run, "왕은", "-", "남자는", "+", "여자는", "--json"];
    assert_eq!(named(&bench, &sum)[0], "여왕은");

    // The run's own config says which corpus it was.
    let more = bench.ok(&["train", "--resume", run, "--epochs", "9"]);
    assert!((more.stdout.clone() + &more.stderr).contains("에폭 9/9"), "{}", more.stderr);
    bench.write("a.txt", "a b c\n");
    let refused = bench.run(&["train", "--lang", "ko", "--data", "a.txt"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("built-in corpus"), "{}", refused.stderr);
}
