//! The binary `gimbap`: this file is its map, one match over the verbs.

mod args;
mod canvas;
mod config;
mod explain;
mod input;
mod interrupt;
mod lm;
mod memory;
mod model_file;
mod npy;
mod output;
mod progress;
mod run_dir;
mod sample;
mod svg;
mod task;
mod vectors;
mod verb;

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::ExitCode;
use std::sync::Mutex;

use args::{Cli, Verb};
use clap::Parser;
use output::{Failure, Out, Outcome};

/// Where and why the program panicked first.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn main() -> ExitCode {
    let (out, outcome) = match Cli::try_parse_from(args::with_signs_apart(std::env::args_os())) {
        Ok(cli) => {
            let out = Out { json: cli.common.json, quiet: cli.common.quiet };
            let work =
                || setting(&cli, &out).and_then(|()| interrupt::install()).and_then(|()| run(&cli, &out));
            set_hook(Box::new(|panic| {
                PANIC.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(panic.to_string());
            }));
            (out, guarded(work))
        }
        Err(error) => match misuse(&error) {
            Some(answer) => answer,
            None => error.exit(),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// A panic is a failure like every other: one message, one exit code.
fn guarded(work: impl FnOnce() -> Outcome) -> Outcome {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let why = PANIC.lock().unwrap_or_else(|e| e.into_inner()).take().unwrap_or_default();
        Err(Failure::work(
            "internal",
            format!("a mistake in gimbap itself, please report it: {}", why.trim()),
        ))
    })
}

fn run(cli: &Cli, out: &Out) -> Outcome {
    match &cli.verb {
        Verb::New(args) => verb::new::run(args, out),
        Verb::Train(args) => verb::train::run(args, out),
        Verb::Eval(args) => verb::eval::run(args, out),
        Verb::Predict(args) => verb::predict::run(args, out),
        Verb::Generate(args) => verb::generate::run(args, out),
        Verb::Score(args) => verb::score::run(args, out),
        Verb::Neighbors(args) => verb::neighbors::run(args, out),
        Verb::Analogy(args) => verb::analogy::run(args, out),
        Verb::Map(args) => verb::map::run(args, out),
        Verb::Embed(args) => verb::embed::run(args, out),
        Verb::Explain(args) => verb::explain::run(args, out),
        Verb::Memory(args) => verb::memory::run(args, out),
        Verb::Convert(args) => verb::convert::run(args, out),
        Verb::Inspect(args) => verb::inspect::run(args, out),
        Verb::Bench(args) => verb::bench::run(args, out),
        Verb::Completions(args) => verb::completions::run(args, out),
    }
}

/// `GIMBAP_ISA` and `--threads N`; a system that refuses threads leaves one.
fn setting(cli: &Cli, out: &Out) -> Outcome {
    gimbap::Isa::requested().map_err(|message| Failure::usage("usage", message))?;
    if !gimbap::start_threads(cli.common.threads)? {
        out.log("the system refuses to start threads: everything runs on one");
    }
    Ok(())
}

/// Wrong usage under `--json` is an object like every other failure; otherwise clap speaks for itself.
fn misuse(error: &clap::Error) -> Option<(Out, Outcome)> {
    let json = std::env::args_os().skip(1).take_while(|a| a != "--").any(|a| a == "--json");
    if !json || !error.use_stderr() {
        return None;
    }
    let text = error.to_string();
    let message = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
    let message = message.split("\n\nUsage:").next().unwrap_or(message).trim();
    Some((Out { json: true, quiet: true }, Err(Failure::usage("usage", message))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_failure() {
        let failure = guarded(|| panic!("out of step")).unwrap_err();
        assert_eq!((failure.kind, failure.code), ("internal", output::FAILED));
        assert!(guarded(|| Ok(())).is_ok());
    }
}
