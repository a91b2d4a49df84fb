//! A run that was stopped and resumed ends with the same bytes as one that was not.

#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::Command;

use common::{Bench, STEADY, json, jsonl, small_lm};

const MODELS: [&str; 2] = ["best.safetensors", "last.safetensors"];

fn same_models(bench: &Bench, a: &str, b: &str) {
    for file in MODELS {
        let bytes = |run: &str| std::fs::read(bench.path(run).join(file)).unwrap();
        assert!(bytes(a) == bytes(b), "{file} of {a} and {b} differ");
    }
}

/// Starts a long training, and presses Ctrl-C after its first epoch.
fn interrupt(bench: &Bench, args: &[&str]) {
    let mut command = common::command(&[args, &["--json", "--epochs", "100000"]].concat());
    let mut child = command.current_dir(bench.path(".")).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(json(&line)["event"], "epoch");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let rest: Vec<String> = stdout.lines().map(|line| line.unwrap()).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let error = &json(rest.last().unwrap())["error"];
    assert_eq!(error["kind"], "interrupted");
    assert!(error["message"].as_str().unwrap().contains("gimbap train --resume -o"));
}

/// Ctrl-C, then `--resume` for two epochs more, against a run that went through.
fn check(train: &dyn Fn(&str) -> Vec<String>) {
    let bench = Bench::new();
    let stopped = train("runs/stopped");
    interrupt(&bench, &stopped.iter().map(String::as_str).collect::<Vec<_>>());
    let log = || std::fs::read_to_string(bench.path("runs/stopped/metrics.jsonl")).unwrap();
    let epochs = (log().lines().count() + 2).to_string();
    let done = bench.ok(&["train", "--resume", "-o", "runs/stopped", "--epochs", &epochs, "--json"]);
    assert_eq!(jsonl(&done.stdout).pop().unwrap()["event"], "done");

    let through = [train("runs/through"), strings(&["--epochs", &epochs, "-q"])].concat();
    bench.ok(&through.iter().map(String::as_str).collect::<Vec<_>>());
    same_models(&bench, "runs/through", "runs/stopped");
    let said: Vec<u64> = jsonl(&log()).iter().map(|line| line["epoch"].as_u64().unwrap()).collect();
    let all: Vec<u64> = (1..=epochs.parse().unwrap()).collect();
    assert_eq!(said, all, "every epoch is logged once");
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|s| s.to_string()).collect()
}

#[test]
fn lm_with_carried_state() {
    let more =
        ["--set", "layer.1.dropout=0.2", "--set", "train.bptt=[5,15]", "--set", "train.patience=10000"];
    check(&|out| {
        strings(&small_lm(out, &more)).into_iter().filter(|a| a != "--epochs" && a != "2").collect()
    });
}

#[test]
fn classify_with_shuffling_and_dropout() {
    let train = ["train", "--task", "classify", "--data", "reviews.csv", "-o"];
    let more = ["--set", "layer.1.recurrent_dropout=0.3", "--set", "train.patience=10000", "--set", STEADY];
    check(&|out| strings(&[&train[..], &[out], &more].concat()));
}

#[test]
fn more_epochs_are_the_longer_run() {
    let bench = Bench::new();
    let base = [
        "train",
        "--task",
        "forecast",
        "--data",
        "flow.csv",
        "-q",
        "--set",
        "train.patience=1000",
        "--set",
        STEADY,
        "-o",
    ];
    let run = |more: &[&str]| bench.ok(&[&base[..], more].concat());
    run(&["runs/long", "--epochs", "4"]);
    run(&["runs/short", "--epochs", "2"]);
    bench.ok(&["train", "--resume", "-o", "runs/short", "--epochs", "4", "-q"]);
    same_models(&bench, "runs/long", "runs/short");
    // Resumed once more, a finished run says its figures again and changes nothing.
    let again = bench.ok(&["train", "--resume", "-o", "runs/short"]);
    assert!(again.stderr.contains("done already"), "{}", again.stderr);
    same_models(&bench, "runs/long", "runs/short");
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let bench = Bench::new();
    for (out, seed) in [("runs/a", "3"), ("runs/b", "3"), ("runs/c", "4")] {
        bench.ok(&small_lm(out, &["--seed", seed, "-q"]));
    }
    same_models(&bench, "runs/a", "runs/b");
    let bytes = |run: &str| std::fs::read(bench.path(run).join("last.safetensors")).unwrap();
    assert!(bytes("runs/a") != bytes("runs/c"));
}

/// What cannot be resumed is said, and the run stays as it was.
#[test]
fn another_config_is_refused_and_a_failed_resume_changes_nothing() {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &["-q"]));
    let read = |name: &str| std::fs::read(bench.path("runs/a").join(name)).unwrap();
    let config = read("config.toml");
    let set = ["train", "--resume", "runs/a", "--epochs", "9", "--set", "train.batch=2", "--seed", "7"];
    let run = bench.run(&set);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("`train.batch`, `train.seed` differ from"), "{}", run.stderr);
    assert!(read("config.toml") == config);

    // A folder as the argument is the run; only the end may change.
    let run = bench.run(&["train", "runs/a"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("train --resume runs/a"), "{}", run.stderr);
    bench.ok(&["train", "--resume", "runs/a", "--epochs", "3", "--set", "train.patience=5", "-q"]);
    assert!(String::from_utf8(read("config.toml")).unwrap().contains("epochs = 3"));

    let config = read("config.toml");
    bench.write("runs/a/trainer.safetensors", "damaged");
    assert_eq!(bench.run(&["train", "--resume", "runs/a", "--epochs", "9"]).code, Some(1));
    assert!(read("config.toml") == config);
}
