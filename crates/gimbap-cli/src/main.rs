//! The binary `gimbap`: this file is its map, one match over the verbs.

mod args;
mod config;
mod input;
mod interrupt;
mod model_file;
mod npy;
mod output;
mod progress;
mod run_dir;
mod sample;
mod task;
mod verb;

use std::process::{Command, ExitCode};

use args::{Cli, Verb};
use clap::Parser;
use output::{Failure, Out, Outcome};

fn main() -> ExitCode {
    let (out, outcome) = match Cli::try_parse() {
        Ok(cli) => {
            let out = Out { json: cli.common.json, quiet: cli.common.quiet };
            (out, threads(&cli).and_then(|()| interrupt::install()).and_then(|()| run(&cli, &out)))
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

fn run(cli: &Cli, out: &Out) -> Outcome {
    match &cli.verb {
        Verb::New(args) => verb::new::run(args, out),
        Verb::Train(args) => verb::train::run(args, out),
        Verb::Eval(args) => verb::eval::run(args, out),
        Verb::Predict(args) => verb::predict::run(args, out),
        Verb::Generate(args) => verb::generate::run(args, out),
        Verb::Score(args) => verb::score::run(args, out),
        Verb::Inspect(args) => verb::inspect::run(args, out),
        Verb::Completions(args) => verb::completions::run(args, out),
    }
}

/// `--threads N`: the pool of threads is made at its first use, with as many as the environment says; so the program
/// starts itself anew with that said.
fn threads(cli: &Cli) -> Outcome {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let Some(wanted) = cli.common.threads.map(|n| n.to_string()) else { return Ok(()) };
    if std::env::var(VARIABLE).is_ok_and(|set| set == wanted) {
        return Ok(());
    }
    let failed = |e: std::io::Error| Failure::work("io", format!("cannot start again with --threads: {e}"));
    let mut again = Command::new(std::env::current_exe().map_err(failed)?);
    again.args(std::env::args_os().skip(1)).env(VARIABLE, &wanted);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        Err(failed(again.exec()))
    }
    #[cfg(not(unix))]
    {
        let status = again.status().map_err(failed)?;
        std::process::exit(status.code().unwrap_or(1));
    }
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
