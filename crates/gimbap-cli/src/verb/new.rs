//! `gimbap new TASK`: a complete commented config.

use serde_json::json;

use crate::args;
use crate::config::template::{preset, template};
use crate::output::{Failure, Out, Outcome, write_stdout};

/// Prints the config.
pub fn run(args: &args::New, out: &Out) -> Outcome {
    let name = args.preset.map(args::Preset::name);
    let text = match (args.preset, args.task) {
        (None, task) => template(task),
        (Some(of), args::Task::Lm) => preset(of),
        (Some(of), task) => {
            let message =
                format!("--preset {} is a language model: `gimbap new lm`, not {}", of.name(), task.name());
            return Err(Failure::usage("usage", message));
        }
    };
    match out.json {
        true => out.json(&json!({"task": args.task.name(), "preset": name, "config": text})),
        false => write_stdout(text.as_bytes(), false),
    }
}
