//! Runs the command and reads what it says.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What one run of the command said.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The command, ready to start, with no terminal anywhere.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gimbap"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the command to its end.
pub fn gimbap(args: &[&str]) -> Run {
    finish(command(args), "")
}

/// Runs the command with a text on standard input.
pub fn gimbap_with(args: &[&str], stdin: &str) -> Run {
    let mut command = command(args);
    command.stdin(Stdio::piped());
    finish(command, stdin)
}

fn finish(mut command: Command, stdin: &str) -> Run {
    let mut child = command.spawn().unwrap();
    if let Some(mut pipe) = child.stdin.take() {
        // A command that stops before it has read everything closes the pipe: that is its right.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The one document on stdout.
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("not one JSON document ({e}): {text}"))
}

/// Every line of stdout as a document.
pub fn jsonl(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(json).collect()
}

/// A folder with small data of every kind, in which the command can be run.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        bench.write("text.txt", text(400));
        bench.write("reviews.csv", reviews(120));
        bench.write("flow.csv", flow(300));
        bench.write("gestures.csv", gestures(30));
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path as an argument.
    pub fn arg(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.arg(name)
    }

    /// Runs the command in the folder.
    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "")
    }

    /// Runs the command in the folder with a text on standard input.
    pub fn run_with(&self, args: &[&str], stdin: &str) -> Run {
        let mut command = command(args);
        command.current_dir(self.dir.path()).stdin(Stdio::piped());
        finish(command, stdin)
    }

    /// As [`Bench::run`], and it must succeed.
    pub fn ok(&self, args: &[&str]) -> Run {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "{args:?}: {}{}", run.stdout, run.stderr);
        run
    }

    /// Every file below the folder, to see that nothing was left.
    pub fn files(&self) -> Vec<PathBuf> {
        fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                files.push(path.clone());
                if path.is_dir() {
                    walk(&path, files);
                }
            }
        }
        let mut files = Vec::new();
        walk(self.dir.path(), &mut files);
        files.sort();
        files
    }
}

/// A small network, so that a test is quick.
pub const SMALL: &[&str] = &["--set", "layer.0.units=8", "--set", "layer.1.units=8"];

/// Whether the tests run once more for an instruction set: what is learned hangs on it in the last bits alone, and a whole
/// training on the slowest takes minutes.
pub fn one_training_is_enough() -> bool {
    std::env::var_os("GIMBAP_ISA").is_some()
}

/// A rate that does not follow from how long a run is.
pub const STEADY: &str = "train.schedule={type=\"constant\"}";

/// The arguments of a small language model of characters.
pub fn small_lm<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = ["train", "--task", "lm", "--data", "text.txt", "-o", out, "--set", "train.batch=4"];
    // A rate that falls over the run would be another with more epochs.
    let size = ["--set", "train.bptt=20", "--set", "layer.2.units=8", "--set", STEADY, "--epochs", "2"];
    [&base[..], &size, SMALL, more].concat()
}

fn text(lines: usize) -> String {
    let words = ["the cat", "a dog", "my bird"];
    let ends = ["sees the moon", "runs home", "sings in the rain", "sleeps"];
    (0..lines).map(|i| format!("{} {}\n", words[i % 3], ends[(i / 2) % 4])).collect()
}

fn reviews(rows: usize) -> String {
    let row = |i: usize| match i % 2 {
        0 => format!("\"a good, warm film number {i}\",pos\n"),
        _ => format!("a bad and dull film number {i},neg\n"),
    };
    "text,label\n".to_string() + &(0..rows).map(row).collect::<String>()
}

fn flow(rows: usize) -> String {
    let row =
        |i: usize| format!("{i},{:.3}\n", 50.0 + 30.0 * (i as f64 * std::f64::consts::TAU / 24.0).sin());
    "time,flow\n".to_string() + &(0..rows).map(row).collect::<String>()
}

/// Ragged sequences in long format: rising ones and falling ones.
fn gestures(n: usize) -> String {
    let mut csv = "id,time,x,y,label\n".to_string();
    for id in 0..n {
        for t in 0..3 + id % 4 {
            let x = if id % 2 == 0 { t as f64 } else { -(t as f64) };
            csv.push_str(&format!("s{id},{t},{x},0.5,{}\n", ["up", "down"][id % 2]));
        }
    }
    csv
}
