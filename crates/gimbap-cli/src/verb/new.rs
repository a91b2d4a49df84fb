//! `gimbap new TASK`: a complete commented config.

use serde_json::json;

use crate::args;
use crate::config::template::template;
use crate::output::{Out, Outcome, write_stdout};

/// Prints the config.
pub fn run(args: &args::New, out: &Out) -> Outcome {
    let text = template(args.task);
    match out.json {
        true => out.json(&json!({"task": args.task.name(), "config": text})),
        false => write_stdout(text.as_bytes(), false),
    }
}
