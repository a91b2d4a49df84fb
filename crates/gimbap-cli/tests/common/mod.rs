//! Runs the command and reads what it says.
#![allow(dead_code)]

use std::io::Write;
use std::process::{Command, Stdio};

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
