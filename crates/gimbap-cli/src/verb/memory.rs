//! `gimbap memory`: how far back each cell remembers.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::args::{Cell, Memory, Problem};
use crate::memory::picture::picture;
use crate::memory::published::PUBLISHED;
use crate::memory::{Found, Training};
use crate::output::{Failure, INTERRUPTED, Out, Outcome, program, table, thousands};
use crate::run_dir::{default_dir, write_atomic};
use crate::task::short;

/// The record of a folder, and what it shows.
const RECORD: &str = "memory.json";
const PAGE: &str = "README.md";

/// Trains, measures, draws.
pub fn run(args: &Memory, out: &Out) -> Outcome {
    let folder = args.out.clone().unwrap_or_else(|| default_dir("memory"));
    let trainings = trainings(args)?;
    check(&folder, args.force)?;
    let started = Instant::now();
    let mut found: Vec<Found> = Vec::new();
    for training in &trainings {
        let (model, one) = training.run(out).map_err(|failure| match failure.code {
            INTERRUPTED => Failure::interrupted(format!(
                "stopped; the {} trainings that had ended are in {}",
                found.len(),
                folder.display()
            )),
            _ => failure,
        })?;
        let file = folder.join(&one.model);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).map_err(|e| Failure::io(parent, &e))?;
        }
        gimbap::checkpoint::save(&model, &file)?;
        out.log(format!(
            "{}: loss {} ({} forgetful), {}, {:.1} s",
            training.title(),
            short(one.loss),
            short(one.chance),
            accuracy(&one),
            one.seconds
        ));
        out.json(&json!({"event": "training", "found": one}))?;
        found.push(one);
        write(&folder, &found)?;
    }
    for problem in problems(&found) {
        let table = text_table(&of(problem, &found));
        out.line(format!("{}, right by {}:\n{table}\n", problem.right(), problem.axis()))?;
    }
    out.line(format!(
        "{} trainings in {:.0} s; {} has the pictures, {} the record; next:",
        found.len(),
        started.elapsed().as_secs_f64(),
        folder.join(PAGE).display(),
        folder.join(RECORD).display()
    ))?;
    if let Some(one) =
        found.iter().find(|f| f.problem == Problem::Distance.name() && f.cell != "feed_forward")
    {
        out.line(format!(
            "  {} explain {} --text 'mina grew up in korea near the sea and speaks' -o report.html",
            program(),
            folder.join(&one.model).display()
        ))?;
    }
    out.json(&json!({"event": "done", "folder": folder, "record": folder.join(RECORD)}))
}

/// Refuses a folder that holds something else than what is replaced.
fn check(folder: &Path, force: bool) -> Outcome {
    let filled = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(e) => return Err(Failure::io(folder, &e)),
    };
    if filled && !force {
        let shown = folder.display();
        let message =
            format!("{shown} is not empty: --force replaces what is in it, --out DIR takes another folder");
        return Err(Failure::usage("run_dir", message));
    }
    Ok(())
}

/// The trainings that were asked for, in order.
fn trainings(args: &Memory) -> Outcome<Vec<Training>> {
    let all = [Problem::Distance, Problem::Adding, Problem::Copying];
    let problems = if args.problem.is_empty() { &all[..] } else { &args.problem };
    let cells = if args.cell.is_empty() { &Cell::ALL[..] } else { &args.cell };
    if !args.length.is_empty() && problems == [Problem::Distance] {
        let message = "--length is for adding and copying: the built-in corpus has sentences of all lengths";
        return Err(Failure::usage("usage", message));
    }
    if problems.contains(&Problem::Adding) && args.length.contains(&1) {
        return Err(Failure::usage("usage", "--length 1: two numbers are added, give 2 at least"));
    }
    let mut trainings = Vec::new();
    for &problem in problems {
        for length in problem.lengths(&args.length) {
            // The order of words is all that a mean does not know; of numbers and places it knows nothing at all.
            let cells =
                cells.iter().filter(|&&cell| problem == Problem::Distance || cell != Cell::FeedForward);
            trainings.extend(cells.map(|&cell| Training {
                problem,
                cell,
                length,
                units: args.units,
                steps: args.steps,
                rate: args.rate,
                seed: args.seed,
            }));
        }
    }
    if trainings.is_empty() {
        let message = "--cell feed_forward is for --problem distance: it cannot add or copy";
        return Err(Failure::usage("usage", message));
    }
    Ok(trainings)
}

fn problems(found: &[Found]) -> impl Iterator<Item = Problem> {
    let all = [Problem::Distance, Problem::Adding, Problem::Copying];
    all.into_iter().filter(|problem| found.iter().any(|f| f.problem == problem.name()))
}

fn of(problem: Problem, found: &[Found]) -> Vec<&Found> {
    found.iter().filter(|f| f.problem == problem.name()).collect()
}

fn percent(part: f64) -> String {
    format!("{:.0} %", 100.0 * part)
}

fn accuracy(found: &Found) -> String {
    match found.accuracy[..] {
        [(_, part)] => format!("{} right", percent(part)),
        ref parts => {
            let said = parts.iter().map(|(place, part)| format!("{} at {place}", percent(*part)));
            said.collect::<Vec<_>>().join(", ")
        }
    }
}

/// A row for each cell, a column for each distance or length.
fn rows(found: &[&Found]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut places: Vec<usize> =
        found.iter().flat_map(|f| f.accuracy.iter().map(|(place, _)| *place)).collect();
    places.sort_unstable();
    places.dedup();
    let cells = Cell::ALL.into_iter().filter(|cell| found.iter().any(|f| f.cell == cell.name()));
    let rows = cells.map(|cell| {
        let parts: Vec<(usize, f64)> =
            found.iter().filter(|f| f.cell == cell.name()).flat_map(|f| f.accuracy.clone()).collect();
        let at =
            |place: &usize| parts.iter().find(|(p, _)| p == place).map_or(String::new(), |p| percent(p.1));
        [cell.title().to_string()].into_iter().chain(places.iter().map(at)).collect()
    });
    let rows = rows.collect();
    (places.iter().map(usize::to_string).collect(), rows)
}

fn text_table(found: &[&Found]) -> String {
    let (places, rows) = rows(found);
    let header: Vec<&str> = [""].into_iter().chain(places.iter().map(String::as_str)).collect();
    table(&header, &rows)
}

/// The record, a picture for each problem, and the page that shows them.
fn write(folder: &Path, found: &[Found]) -> Outcome {
    let record = serde_json::to_string_pretty(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "isa": gimbap::Isa::active().to_string(),
        "trainings": found,
    }))
    .map_err(|e| Failure::work("io", e.to_string()))?;
    write_atomic(&folder.join(RECORD), format!("{record}\n").as_bytes())?;
    let mut page = String::from("# How far back networks remember\n");
    for problem in problems(found) {
        let own = of(problem, found);
        let name = format!("{}.svg", problem.name());
        write_atomic(&folder.join(&name), picture(problem, &own).as_bytes())?;
        page += &section(problem, &own, &name);
    }
    write_atomic(&folder.join(PAGE), page.as_bytes())
}

fn section(problem: Problem, found: &[&Found], picture: &str) -> String {
    let (places, rows) = rows(found);
    let mut text = format!("\n## {}\n\n![{}]({picture})\n\n", problem.name(), problem.axis());
    let line =
        |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    text += &line(&mut [problem.right().to_string()].into_iter().chain(places.iter().cloned()));
    text += &line(&mut std::iter::repeat_n("---".to_string(), places.len() + 1));
    rows.iter().for_each(|row| text += &line(&mut row.iter().cloned()));
    text += &format!(
        "\n| {} | forgetful | parameters | seconds | command |\n|---|---|---|---|---|\n",
        problem.loss()
    );
    for one in found {
        let (loss, chance, parameters) = (short(one.loss), short(one.chance), thousands(one.parameters));
        text += &format!("| {loss} | {chance} | {parameters} | {:.1} | `{}` |\n", one.seconds, one.command);
    }
    for published in PUBLISHED.iter().filter(|p| p.problem == problem) {
        text +=
            &format!("\nPublished, at {}: {} ({}).\n", published.length, published.losses, published.source);
    }
    text
}
