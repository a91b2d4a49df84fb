//! `gimbap memory`: what it trains, what it leaves behind, and that each training can be had again alone.

mod common;

use common::{Bench, json, jsonl};
use serde_json::Value;

fn record(bench: &Bench, folder: &str) -> Value {
    json(&std::fs::read_to_string(bench.path(folder).join("memory.json")).unwrap())
}

#[test]
fn every_cell_on_every_problem_leaves_a_record() {
    let bench = Bench::new();
    let args = ["memory", "--steps", "40", "--units", "8", "--length", "4,6", "-o", "m", "--json"];
    let told = jsonl(&bench.ok(&args).stdout);
    // Five networks on the distances, four on each of two lengths of two problems.
    assert_eq!(told.len(), 5 + 4 * 2 * 2 + 1);
    assert_eq!(told.last().unwrap()["event"], "done");
    let record = record(&bench, "m");
    let trainings = record["trainings"].as_array().unwrap();
    assert_eq!(trainings.len(), 21);
    for (training, told) in trainings.iter().zip(&told) {
        assert_eq!(training, &told["found"]);
        assert!(training["seconds"].as_f64().unwrap() > 0.0 && training["seed"] == 1);
        let places = training["accuracy"].as_array().unwrap();
        assert_eq!(places.len(), if training["problem"] == "distance" { 8 } else { 1 });
        assert!(places.iter().all(|place| (0.0..=1.0).contains(&place[1].as_f64().unwrap())));
        assert!(bench.path("m").join(training["model"].as_str().unwrap()).exists(), "{training}");
        assert_eq!(training["curve"].as_array().unwrap().len(), 20);
    }
    for name in ["distance", "adding", "copying"] {
        let picture = std::fs::read_to_string(bench.path(&format!("m/{name}.svg"))).unwrap();
        assert!(picture.contains(">SimpleRNN</text>") && picture.contains("class=\"fourth\""), "{picture}");
        assert!(!picture.contains("NaN"), "{picture}");
    }
    let page = std::fs::read_to_string(bench.path("m/README.md")).unwrap();
    for part in
        ["5.3e-5", ".0197", "Le et al. 2015", "![", "| GRU | 6 |", "--problem copying --cell gru --length 6"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }

    // The command of one training gives the same model again, at any number of threads.
    let one = &trainings[trainings.len() - 1];
    let command = one["command"].as_str().unwrap();
    let again: Vec<&str> =
        command.split(' ').skip(1).chain(["-o", "again", "--threads", "1", "-q"]).collect();
    bench.ok(&again);
    let model =
        |folder: &str| std::fs::read(bench.path(folder).join(one["model"].as_str().unwrap())).unwrap();
    assert_eq!(model("m"), model("again"));

    // What was there is replaced whole, and nothing else is touched.
    bench.write("m/notes.txt", "mine");
    let args = [
        "memory",
        "--problem",
        "adding",
        "--length",
        "3,3",
        "--cell",
        "irnn",
        "--steps",
        "7",
        "--units",
        "4",
    ];
    bench.ok(&[&args[..], &["-o", "m", "--force", "-q"]].concat());
    let trainings = self::record(&bench, "m")["trainings"].clone();
    assert_eq!((trainings.as_array().unwrap().len(), trainings[0]["steps"].as_u64()), (1, Some(7)));
    let mut left: Vec<_> =
        std::fs::read_dir(bench.path("m")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["README.md", "adding-3", "adding.svg", "memory.json", "notes.txt"]);
    let loss = trainings[0]["loss"].as_f64().unwrap();
    assert!(loss > 0.0, "{trainings}");
}

#[test]
fn korean_is_korean_throughout() {
    let bench = Bench::new();
    let args =
        ["memory", "--problem", "adding", "--length", "3", "--cell", "irnn", "--steps", "7", "--units", "4"];
    let run = bench.ok(&[&args[..], &["--lang", "ko", "-o", "m"]].concat());
    let page = std::fs::read_to_string(bench.path("m/README.md")).unwrap();
    let picture = std::fs::read_to_string(bench.path("m/adding.svg")).unwrap();
    let title = "덧셈 문제: 표시된 두 수의 합을 오차 0.04 이내로 맞힌 비율";
    for text in [&run.stdout, &page, &picture] {
        assert!(text.contains(title) && text.contains("논문에 발표된 손실(길이 600)"), "{text}");
        assert!(!text.contains(" %"), "{text}");
    }
    assert!(page.starts_with("# 순환 신경망은") && page.contains("| 셀 | 길이 | 평균 제곱 오차 |"), "{page}");
    assert!(
        run.stdout.contains("학습 1회, ") && run.stderr.contains("덧셈 3, IRNN: 평균 제곱 오차 "),
        "{}",
        run.stderr
    );
    // What machines read stays as it is.
    assert_eq!(record(&bench, "m")["trainings"][0]["problem"], "adding");
}

#[test]
fn what_diverges_is_recorded_and_the_others_go_on() {
    let bench = Bench::new();
    let args = [
        "memory",
        "--problem",
        "adding",
        "--length",
        "60",
        "--units",
        "16",
        "--steps",
        "60",
        "--rate",
        "1e30",
    ];
    bench.ok(&[&args[..], &["--cell", "irnn", "--cell", "gru", "-o", "m", "-q"]].concat());
    let trainings = record(&bench, "m")["trainings"].clone();
    assert_eq!(trainings.as_array().unwrap().len(), 2);
    assert!(trainings[0]["loss"].is_null() && trainings[0]["model"].is_null(), "{trainings}");
    assert!(std::fs::read_to_string(bench.path("m/README.md")).unwrap().contains("| IRNN | 60 | diverged |"));
}

#[test]
fn what_is_learned_is_remembered() {
    let bench = Bench::new();
    bench.ok(&[
        "memory",
        "--problem",
        "adding",
        "--length",
        "5",
        "--cell",
        "gru",
        "--units",
        "24",
        "--steps",
        "1200",
        "-o",
        "a",
        "-q",
    ]);
    let one = record(&bench, "a")["trainings"][0].clone();
    let (loss, chance) = (one["loss"].as_f64().unwrap(), one["chance"].as_f64().unwrap());
    assert!((chance - 1.0 / 6.0).abs() < 1e-12);
    assert!(loss < chance / 20.0, "{one}");
    assert!(one["accuracy"][0][1].as_f64().unwrap() > 0.3, "{one}");
}

#[test]
fn order_is_nothing_to_a_mean() {
    let bench = Bench::new();
    // The words of a sentence in any order are the same to the network without recurrence, and not to the others.
    let distance = ["memory", "--problem", "distance", "--units", "8", "--steps", "60", "-o", "d", "-q"];
    bench.ok(&[&distance[..], &["--cell", "gru", "--cell", "feed_forward"]].concat());
    let (gru, flat) =
        (bench.arg("d/distance/gru.safetensors"), bench.arg("d/distance/feed_forward.safetensors"));
    let text = "mina grew up in korea and speaks korean";
    let run = bench.ok(&["explain", &gru, "--text", text, "--compare", &flat, "--swap", "1,5", "--json"]);
    let found = json(&run.stdout);
    let moved = |swap: &Value| (swap["after"].as_f64().unwrap() - swap["before"].as_f64().unwrap()).abs();
    assert!(moved(&found["swap"]) > 1e-4, "{}", found["swap"]);
    assert!(moved(&found["compare"][0]["swap"]) < 1e-6, "{}", found["compare"]);
    assert_eq!(found["compare"][0]["name"], "feed-forward");
    // Its probability of the closing mark is what it says as a classifier.
    let said = json(bench.run_with(&["predict", &flat, "--json"], text).stdout.trim());
    let end = said["probabilities"]["<eos>"].as_f64().unwrap();
    let before = found["compare"][0]["swap"]["before"].as_f64().unwrap();
    assert!((before.exp() - end).abs() < 1e-5, "{before} and {end}");
}

#[test]
fn what_cannot_be_trained_is_told_before_anything_is() {
    let bench = Bench::new();
    let check = |args: &[&str], told: &str| {
        let run = bench.run(&[&["memory", "-o", "x"], args].concat());
        assert!(run.code == Some(2) && run.stderr.contains(told), "{args:?}: {}", run.stderr);
        assert!(!bench.path("x").exists());
    };
    check(&["--problem", "adding", "--length", "1"], "give 2 at least");
    check(&["--problem", "adding", "--cell", "feed_forward"], "cannot add or copy");
    check(&["--problem", "distance", "--length", "5"], "--length is for adding and copying");
    check(
        &["--problem", "distance", "--problem", "distance", "--length", "5"],
        "--length is for adding and copying",
    );
    check(&["--length", "18446744073709551615"], "1048576 at most");
    check(&["--rate", "0"], "above 0");
    check(&["--problem", "sorting"], "distance, adding, copying");
    // What no network can be made of leaves no record that the next one would have to replace.
    let huge = ["memory", "--problem", "adding", "--length", "3", "--units", "300000000", "-o", "huge"];
    let run = bench.run(&huge);
    assert!(run.code == Some(2) && run.stderr.contains("at most 268435456"), "{}", run.stderr);
    assert_eq!(std::fs::read_dir(bench.path("huge")).unwrap().count(), 0);
    bench.write("full", "x");
    let run = bench.run(&["memory", "-o", "full"]);
    assert!(run.code == Some(2) && run.stderr.contains("is a file, not a folder"), "{}", run.stderr);
    // What is no record of this command is never replaced.
    std::fs::create_dir(bench.path("f")).unwrap();
    bench.write("f/README.md", "x");
    for force in [&[][..], &["--force"]] {
        let run = bench.run(&[&["memory", "-o", "f"], force].concat());
        assert!(run.code == Some(2) && run.stderr.contains("something else"), "{}", run.stderr);
    }
    assert_eq!(std::fs::read_to_string(bench.path("f/README.md")).unwrap(), "x");
    bench.write("f/memory.json", "{}");
    let run = bench.run(&["memory", "-o", "f"]);
    assert!(run.code == Some(2) && run.stderr.contains("--force"), "{}", run.stderr);
}

#[test]
fn force_deletes_nothing_outside_its_folder() {
    let bench = Bench::new();
    for folder in ["own", "own/adding5", "other"] {
        std::fs::create_dir(bench.path(folder)).unwrap();
    }
    let files =
        ["own/adding5/lstm.safetensors", "other/best.safetensors", "mine.safetensors", "own/notes.txt"];
    files.iter().for_each(|file| drop(bench.write(file, "x")));
    let absolute = bench.arg("other/best.safetensors");
    let mut names = vec!["adding5/lstm.safetensors", "../mine.safetensors", &absolute, "notes.txt", "..", ""];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(bench.path("other"), bench.path("own/out")).unwrap();
        names.push("out/best.safetensors");
    }
    let record = |name: &&str| serde_json::json!({"model": name});
    let record = serde_json::json!({"trainings": names.iter().map(record).collect::<Vec<_>>()});
    bench.write("own/memory.json", record.to_string());
    // Too large for a training, once the folder is taken.
    let huge =
        ["memory", "--problem", "adding", "--length", "3", "--units", "300000000", "-o", "own", "--force"];
    assert_eq!(bench.run(&huge).code, Some(2));
    let left = |file: &&str| bench.path(file).exists();
    assert_eq!(files.iter().map(left).collect::<Vec<_>>(), [false, true, true, true]);
    assert!(!bench.path("own/memory.json").exists());
}
