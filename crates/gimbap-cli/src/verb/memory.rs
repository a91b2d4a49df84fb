//! `gimbap memory`: how far back each cell remembers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use gimbap::data::memory::LONGEST;
use serde_json::{Value, json};

use crate::args::{Cell, Language, Memory, Problem};
use crate::explain::figures::percent;
use crate::memory::picture::{axis, picture, title};
use crate::memory::published::{PUBLISHED, told};
use crate::memory::{Found, Training};
use crate::output::{Failure, INTERRUPTED, Out, Outcome, program, table, thousands};
use crate::run_dir::{Lock, default_dir, filled, write_atomic};
use crate::task::short;

/// The record of a folder, and what shows it.
const RECORD: &str = "memory.json";
const PAGE: &str = "README.md";

/// Trains, measures, draws.
pub fn run(args: &Memory, out: &Out) -> Outcome {
    let lang = args.lang;
    let folder = args.out.clone().unwrap_or_else(|| default_dir("memory"));
    let trainings = trainings(args)?;
    let _lock = take(&folder, args.force)?;
    let started = Instant::now();
    let mut found: Vec<Found> = Vec::new();
    for training in &trainings {
        let (model, one) = training.run(lang, out).map_err(|failure| match failure.code {
            INTERRUPTED => Failure::interrupted(format!(
                "stopped; the {} trainings that had ended are in {}",
                found.len(),
                folder.display()
            )),
            _ => Failure { message: format!("{}: {}", training.title(lang), failure.message), ..failure },
        })?;
        if let (Some(model), Some(file)) = (&model, &one.model) {
            let file = folder.join(file);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).map_err(|e| Failure::io(parent, &e))?;
            }
            gimbap::checkpoint::save(model, &file)?;
        }
        out.log(line(training, &one, lang));
        out.json(&json!({"event": "training", "found": one}))?;
        found.push(one);
        write(&folder, &found, lang)?;
    }
    for problem in problems(&found) {
        let (places, rows) = rows(&of(problem, &found), lang);
        let header: Vec<&str> = [""].into_iter().chain(places.iter().map(String::as_str)).collect();
        let (title, axis) = (title(problem, lang), axis(problem, lang));
        out.line(format!("{title} ({axis}):\n{}", table(&header, &rows)))?;
        published(problem, lang).try_for_each(|line| out.line(line))?;
        out.line("")?;
    }
    let (n, seconds) = (found.len(), started.elapsed().as_secs_f64());
    let (page, record) = (folder.join(PAGE), folder.join(RECORD));
    let (page, record) = (page.display(), record.display());
    out.line(lang.say(
        format!(
            "{n} training{} in {seconds:.0} s; {page} has the pictures, {record} the record",
            if n == 1 { "" } else { "s" }
        ),
        format!("학습 {n}회, {seconds:.0}초. 그림: {page}, 기록: {record}"),
    ))?;
    let sentences = found.iter().find(|f| f.problem == Problem::Distance && f.cell != Cell::FeedForward);
    if let Some(file) = sentences.and_then(|one| one.model.as_ref()) {
        out.line(format!(
            "{}\n  {} explain {} --text '{}' -o report.html{}",
            lang.say("next:", "이어서:"),
            program(),
            folder.join(file).display(),
            lang.say(
                "Mina grew up in Korea near the sea and speaks Korean.",
                "민아는 한국에서 자라 조용한 강가에서 쉬었고 지금은 한국어를 한다."
            ),
            lang.say("", " --lang ko")
        ))?;
    }
    out.json(&json!({"event": "done", "folder": folder, "record": folder.join(RECORD)}))
}

/// Takes a folder that is empty, or with `force` that of another `gimbap memory`, of which nothing stays.
fn take(folder: &Path, force: bool) -> Outcome<Lock> {
    let filled = filled(folder)?;
    fs::create_dir_all(folder).map_err(|e| Failure::io(folder, &e))?;
    let lock = Lock::take(folder)?;
    if !filled {
        return Ok(lock);
    }
    let (shown, record) = (folder.display(), folder.join(RECORD));
    let refuse = |message: String| Err(Failure::usage("run_dir", message));
    if !record.exists() {
        return refuse(format!(
            "{shown} holds something else than `gimbap memory` leaves: --out DIR takes another folder"
        ));
    }
    if !force {
        return refuse(format!(
            "{shown} is not empty: --force replaces what is in it, --out DIR takes another folder"
        ));
    }
    let text = fs::read_to_string(&record).map_err(|e| Failure::io(&record, &e))?;
    let old: Value = serde_json::from_str(&text).unwrap_or_default();
    let models = old["trainings"].as_array().into_iter().flatten().filter_map(|one| one["model"].as_str());
    let models = models.filter_map(|name| model_within(folder, name));
    let pictures = Problem::value_variants().iter().map(|problem| format!("{}.svg", problem.name()));
    let others = pictures.chain([PAGE.into(), RECORD.into()]).map(|name| folder.join(name));
    for path in models.chain(others) {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Failure::io(&path, &e)),
            _ => {}
        }
        // The folder of a problem goes with its last model.
        path.parent().filter(|parent| *parent != folder).map(fs::remove_dir);
    }
    Ok(lock)
}

/// The model file that a record names, unless it lies outside the folder: a record is a file, in which anything may stand.
fn model_within(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    let parent = path.parent()?.canonicalize().ok()?;
    let model = path.extension()? == "safetensors" && parent.starts_with(folder.canonicalize().ok()?);
    model.then_some(path)
}

/// The trainings that were asked for, in order, each once.
fn trainings(args: &Memory) -> Outcome<Vec<Training>> {
    let refuse = |message: String| Err(Failure::usage("usage", message));
    let problems = if args.problem.is_empty() { Problem::value_variants() } else { &args.problem };
    let cells = if args.cell.is_empty() { Cell::value_variants() } else { &args.cell };
    if !args.length.is_empty() && problems.iter().all(|&problem| problem == Problem::Distance) {
        return refuse(
            "--length is for adding and copying: the built-in corpus has sentences of all lengths".into(),
        );
    }
    if let Some(length) = args.length.iter().find(|&&length| length > LONGEST) {
        return refuse(format!("--length {length}: give {LONGEST} at most"));
    }
    if problems.contains(&Problem::Adding) && args.length.contains(&1) {
        return refuse("--length 1: two numbers are added, give 2 at least".into());
    }
    let mut trainings: Vec<Training> = Vec::new();
    for &problem in problems {
        for length in problem.lengths(&args.length) {
            // A mean does not know where in a sequence a number or a symbol stood.
            for &cell in
                cells.iter().filter(|&&cell| problem == Problem::Distance || cell != Cell::FeedForward)
            {
                let Memory { units, steps, rate, seed, .. } = *args;
                let grammar = args.lang.grammar();
                let training = Training { problem, cell, grammar, length, units, steps, rate, seed };
                if !trainings.contains(&training) {
                    trainings.push(training);
                }
            }
        }
    }
    match trainings.is_empty() {
        true => refuse("--cell feed_forward is for --problem distance: it cannot add or copy".into()),
        false => Ok(trainings),
    }
}

/// What came of a training, in a line.
fn line(training: &Training, found: &Found, lang: Language) -> String {
    let title = training.title(lang);
    let Some(loss) = found.loss else {
        return format!("{title}: {}", lang.say("diverged", "발산함"));
    };
    let accuracy = match found.accuracy[..] {
        [(_, part)] => {
            lang.say(format!("{} right", percent(lang, part)), format!("정답률 {}", percent(lang, part)))
        }
        ref parts => {
            let said = parts.iter().map(|(place, part)| match lang {
                Language::En => format!("{} at {place}", percent(lang, *part)),
                Language::Ko => format!("{place}: {}", percent(lang, *part)),
            });
            said.collect::<Vec<_>>().join(", ")
        }
    };
    let (name, loss, chance) = (training.problem.loss(lang), short(loss), short(found.chance));
    match lang {
        Language::En => {
            format!("{title}: {name} {loss} ({chance} by chance), {accuracy}, {:.1} s", found.seconds)
        }
        Language::Ko => {
            format!("{title}: {name} {loss} (무작위 추측 {chance}), {accuracy}, {:.1}초", found.seconds)
        }
    }
}

fn problems(found: &[Found]) -> impl Iterator<Item = Problem> {
    Problem::value_variants().iter().copied().filter(|problem| found.iter().any(|f| f.problem == *problem))
}

fn of(problem: Problem, found: &[Found]) -> Vec<&Found> {
    found.iter().filter(|f| f.problem == problem).collect()
}

/// What others found on a problem, a line each.
fn published(problem: Problem, lang: Language) -> impl Iterator<Item = String> {
    let own = PUBLISHED.iter().filter(move |published| published.problem == problem);
    own.map(move |published| told(published, lang))
}

/// The distances or lengths, and a row of accuracies for each cell.
fn rows(found: &[&Found], lang: Language) -> (Vec<String>, Vec<Vec<String>>) {
    let mut places: Vec<usize> =
        found.iter().flat_map(|f| f.accuracy.iter().map(|(place, _)| *place)).collect();
    places.sort_unstable();
    places.dedup();
    let cells = Cell::value_variants().iter().filter(|cell| found.iter().any(|f| f.cell == **cell));
    let rows = cells.map(|cell| {
        let parts: Vec<(usize, f64)> =
            found.iter().filter(|f| f.cell == *cell).flat_map(|f| f.accuracy.clone()).collect();
        let at = |place: &usize| {
            parts.iter().find(|(p, _)| p == place).map_or(String::new(), |p| percent(lang, p.1))
        };
        [cell.title(lang).to_string()].into_iter().chain(places.iter().map(at)).collect()
    });
    let rows = rows.collect();
    (places.iter().map(usize::to_string).collect(), rows)
}

/// The record, a picture for each problem, and the page that shows them.
fn write(folder: &Path, found: &[Found], lang: Language) -> Outcome {
    let record = serde_json::to_string_pretty(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "isa": gimbap::Isa::active().to_string(),
        "trainings": found,
        "published": PUBLISHED,
    }))
    .map_err(|e| Failure::work("io", e.to_string()))?;
    write_atomic(&folder.join(RECORD), format!("{record}\n").as_bytes())?;
    let mut page = lang
        .say("# How far back networks remember\n", "# 순환 신경망은 얼마나 먼 과거까지 기억하는가\n")
        .to_string();
    for problem in problems(found) {
        let own = of(problem, found);
        let name = format!("{}.svg", problem.name());
        write_atomic(&folder.join(&name), picture(problem, &own, lang).as_bytes())?;
        page += &section(problem, &own, &name, lang);
    }
    write_atomic(&folder.join(PAGE), page.as_bytes())
}

fn section(problem: Problem, found: &[&Found], picture: &str, lang: Language) -> String {
    let (places, rows) = rows(found, lang);
    let (title, axis) = (title(problem, lang), axis(problem, lang));
    let mut text = format!("\n## {title}\n\n![{title}]({picture})\n\n");
    let line =
        |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    text += &line(&mut [axis.to_string()].into_iter().chain(places.iter().cloned()));
    text += &line(&mut std::iter::repeat_n("---".to_string(), places.len() + 1));
    rows.iter().for_each(|row| text += &line(&mut row.iter().cloned()));
    let loss = problem.loss(lang);
    let head = lang.say(
        format!("cell | length | {loss} | by chance | parameters | seconds | command"),
        format!("셀 | 길이 | {loss} | 무작위 추측의 손실 | 매개변수 | 초 | 명령"),
    );
    text += &format!("\n| {head} |\n|---|---|---|---|---|---|---|\n");
    for one in found {
        let diverged = || lang.say("diverged", "발산함").to_string();
        let (loss, chance) = (one.loss.map_or_else(diverged, short), short(one.chance));
        let length = one.length.map_or(String::new(), |length| length.to_string());
        let (cell, parameters) = (one.cell.title(lang), thousands(one.parameters));
        text += &format!(
            "| {cell} | {length} | {loss} | {chance} | {parameters} | {:.1} | `{}` |\n",
            one.seconds, one.command
        );
    }
    published(problem, lang).for_each(|line| text += &format!("\n{line}\n"));
    text
}
