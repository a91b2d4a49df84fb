//! `gimbap completions SHELL`: the shell's completion script.

use clap::CommandFactory;
use serde_json::json;

use crate::args;
use crate::output::{Out, Outcome, write_stdout};

/// Prints the script.
pub fn run(args: &args::Completions, out: &Out) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::Cli::command(), "gimbap", &mut script);
    match out.json {
        true => {
            out.json(&json!({"shell": args.shell.to_string(), "script": String::from_utf8_lossy(&script)}))
        }
        false => write_stdout(&script, false),
    }
}
