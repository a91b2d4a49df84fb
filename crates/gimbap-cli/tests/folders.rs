//! A run's folder: what it was trained on, who writes into it, what replaces what.

#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command};

use common::{Bench, SMALL, STEADY, small_lm};

/// The arguments of a small language model, without a number of epochs.
fn lm<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = small_lm(out, more);
    let at = args.iter().position(|arg| *arg == "--epochs").unwrap();
    args.drain(at..at + 2);
    args
}

/// Everything in a run's folder: names and contents.
fn contents(bench: &Bench, run: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(bench.path(run)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Resumes a run after each change of its data, which must be refused with that reason and touch nothing.
fn check_refused(bench: &Bench, run: &str, changes: &[(&str, String, &str)]) {
    let before = contents(bench, run);
    for (file, content, told) in changes {
        let own = std::fs::read(bench.path(file)).unwrap();
        bench.write(file, content);
        let resumed = bench.run(&["train", "--resume", "-o", run, "--epochs", "9", "-q"]);
        assert_eq!(resumed.code, Some(2), "{file}: {}", resumed.stderr);
        assert!(resumed.stderr.contains("the data is not that of the run"), "{}", resumed.stderr);
        assert!(resumed.stderr.contains(told), "{told}: {}", resumed.stderr);
        assert!(contents(bench, run) == before, "{file}: something was touched");
        bench.write(file, own);
    }
}

#[test]
fn a_classifier_is_not_resumed_with_other_labels() {
    let bench = Bench::new();
    let train = ["train", "--task", "classify", "--data", "reviews.csv", "-o", "run", "--epochs", "2", "-q"];
    bench.ok(&[&train[..], &["--set", STEADY], SMALL].concat());
    let own = std::fs::read_to_string(bench.path("reviews.csv")).unwrap();
    let turned = own.replace(",pos", ",unfavourable").replace(",neg", ",favourable");
    let changes = [
        ("reviews.csv", turned, "data.path, labels differ"),
        ("reviews.csv", format!("{own}one line more,pos\n"), "data.path"),
    ];
    check_refused(&bench, "run", &changes);
    bench.ok(&["train", "--resume", "-o", "run", "--epochs", "3", "-q"]);
}

#[test]
fn a_validation_file_is_part_of_a_run() {
    let bench = Bench::new();
    let own = std::fs::read_to_string(bench.path("reviews.csv")).unwrap();
    bench.write("valid.csv", &own);
    let train = ["train", "--task", "classify", "--data", "reviews.csv", "--valid", "valid.csv", "-o", "run"];
    bench.ok(&[&train[..], &["--epochs", "2", "-q", "--set", STEADY], SMALL].concat());
    let changes = [("valid.csv", own.replacen("warm", "cold", 1), "data.valid differs")];
    check_refused(&bench, "run", &changes);
}

#[test]
fn a_language_model_is_not_resumed_with_another_text() {
    let bench = Bench::new();
    bench.ok(&small_lm("run", &["-q"]));
    let own = std::fs::read_to_string(bench.path("text.txt")).unwrap();
    // As many batches as before, the same characters.
    let turned: String = own.lines().rev().map(|line| format!("{line}\n")).collect();
    check_refused(
        &bench,
        "run",
        &[
            ("text.txt", turned, "data.path"),
            ("text.txt", format!("{own}one line more\n"), "data.path"),
            ("text.txt", own.replace('z', "q").replace('m', "Q"), "vocabulary"),
        ],
    );
}

#[test]
fn a_forecaster_is_not_resumed_with_another_series() {
    let bench = Bench::new();
    let train = ["train", "--task", "forecast", "--data", "flow.csv", "-o", "run", "--epochs", "1", "-q"];
    bench.ok(&[&train[..], SMALL].concat());
    let own = std::fs::read_to_string(bench.path("flow.csv")).unwrap();
    check_refused(&bench, "run", &[("flow.csv", own.replacen("50.0", "59.0", 1), "scaler")]);
}

/// A training under way, past its first epoch.
fn under_way(bench: &Bench, args: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut command = common::command(&[args, &["--json", "--epochs", "100000"]].concat());
    let mut child = command.current_dir(bench.path(".")).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(common::json(&line)["event"], "epoch", "{line}");
    (child, stdout)
}

#[test]
fn one_training_at_a_time_writes_into_a_folder_and_a_kill_lets_it_go() {
    let bench = Bench::new();
    let (mut child, stdout) = under_way(&bench, &lm("run", &[]));
    let told = format!("another training, process {}, writes in run", child.id());
    for more in [&["--resume"][..], &["--force"], &[]] {
        let second = bench.run(&small_lm("run", more));
        assert!(second.code == Some(2) && second.stderr.contains(&told), "{more:?}: {}", second.stderr);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdout);
    let log = std::fs::read_to_string(bench.path("run/metrics.jsonl")).unwrap();
    let epochs = (log.lines().count() + 2).to_string();
    bench.ok(&["train", "--resume", "-o", "run", "--epochs", &epochs, "-q"]);
    // Nothing of the lock is left, nor of what the kill left half written.
    assert!(contents(&bench, "run").iter().all(|(name, _)| !name.starts_with('.')));
}

#[test]
fn force_keeps_the_run_that_is_there_until_the_first_epoch_is_whole() {
    let bench = Bench::new();
    bench.ok(&small_lm("run", &["-q"]));
    let before = contents(&bench, "run");
    // The first epoch fails.
    let high = ["--force", "-q", "--set", "train.optimizer={type=\"sgd\",rate=1e300}"];
    let failed = bench.run(&small_lm("run", &high));
    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert!(contents(&bench, "run") == before);

    // Ctrl-C before the first epoch is whole; a step takes long enough to press it.
    let slow = ["--set", "layer.1.units=200", "--set", "layer.2.units=200", "--force"];
    let args = small_lm("run", &slow);
    let mut child = common::command(&args).current_dir(bench.path(".")).spawn().unwrap();
    while !bench.path("run/.gimbap-new/config.toml").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(child.try_wait().unwrap().is_none(), "it should be at work");
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("as it was"), "{said}");
    assert!(contents(&bench, "run") == before);

    // The same run as in a folder of its own, and the old one is gone.
    bench.write("run/notes.txt", "mine");
    let train = |out, more: &[&'static str]| {
        bench.ok(&small_lm(out, &[&["-q", "--seed", "8", "--set", "layer.1.units=7"], more].concat()));
    };
    train("run", &["--force"]);
    train("other", &[]);
    for file in ["best.safetensors", "last.safetensors", "config.toml"] {
        let read = |run: &str| std::fs::read(bench.path(run).join(file)).unwrap();
        assert!(read("run") == read("other"), "{file}");
    }
    let names: Vec<String> = contents(&bench, "run").into_iter().map(|(name, _)| name).collect();
    assert!(
        names.contains(&"notes.txt".into()) && names.iter().all(|name| !name.starts_with('.')),
        "{names:?}"
    );
    let log = std::fs::read_to_string(bench.path("run/metrics.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 2);
}

#[test]
fn more_patience_goes_on_and_as_much_changes_nothing() {
    let bench = Bench::new();
    // At a rate of next to nothing no epoch is better than the first.
    let rate = ["--set", "train.optimizer={type=\"sgd\",rate=1e-30}", "--set", "train.patience=1", "-q"];
    bench.ok(&[&lm("run", &rate)[..], &["--epochs", "9"]].concat());
    let lines = || std::fs::read_to_string(bench.path("run/metrics.jsonl")).unwrap().lines().count();
    assert_eq!(lines(), 2, "the second epoch is no better, and one is the patience");
    let before = contents(&bench, "run").into_iter().filter(|(name, _)| !name.starts_with("events"));
    let before: Vec<_> = before.collect();
    let again = bench.ok(&["train", "--resume", "run", "--epochs", "20"]);
    assert!(again.stderr.contains("train.patience=N"), "{}", again.stderr);
    let after = contents(&bench, "run").into_iter().filter(|(name, _)| !name.starts_with("events"));
    assert!(after.collect::<Vec<_>>() == before);
    bench.ok(&["train", "--resume", "run", "--epochs", "20", "--set", "train.patience=4", "-q"]);
    assert_eq!(lines(), 5);
}

/// It killed the process without a word.
#[test]
fn a_limit_on_the_size_of_files_is_told_and_the_model_before_stays() {
    let bench = Bench::new();
    bench.ok(&lm("runs/a", &["--epochs", "1", "-q"]));
    let before = std::fs::read(bench.path("runs/a/best.safetensors")).unwrap();
    assert!(before.len() > 4096);
    let program = env!("CARGO_BIN_EXE_gimbap");
    let line = format!("ulimit -f 4 && exec {program} train --resume -o runs/a --epochs 3 -q");
    let run = Command::new("sh").args(["-c", &line]).current_dir(bench.path("")).output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.code() == Some(1) && told.contains("File too large"), "{:?} {told}", run.status);
    assert!(std::fs::read(bench.path("runs/a/best.safetensors")).unwrap() == before);
    bench.ok(&["train", "--resume", "-o", "runs/a", "--epochs", "3", "-q"]);
}
