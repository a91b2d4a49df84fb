//! `gimbap explain MODEL --text TEXT -o REPORT.html`: what the network does with one sequence.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::args::Explain;
use crate::canvas::alone;
use crate::explain::compare::{self, Beside};
use crate::explain::figures::{self, Analogy, View, likeliest};
use crate::explain::page;
use crate::explain::subject::{Kind, Question, Subject, subject};
use crate::explain::told;
use crate::model_file::{self, Opened};
use crate::output::{Failure, Out, Outcome};
use crate::run_dir::write_atomic;
use crate::vectors;

/// Explains.
pub fn run(args: &Explain, out: &Out) -> Outcome {
    let opened = model_file::open(&args.model)?;
    let lang = args.lang;
    let question = Question {
        text: args.text.as_deref(),
        label: args.label.as_deref(),
        input: args.input.as_deref(),
        lang,
    };
    let subject = subject(&opened, &question)?;
    if let Some(told) = told::unknown(&subject, lang) {
        out.log(told);
    }
    let steps = subject.steps.len();
    let (first, last) = (subject.first_step(), steps - 1 + subject.first_step());
    let step = match args.step {
        None => steps - 1,
        Some(step) if (first..=last).contains(&step) => step - first,
        Some(step) => {
            let message = lang.say(
                format!("--step {step}: the steps of this {} are {first} to {last}", told::whole(&subject)),
                format!("--step {step}: 시점 번호는 {first}부터 {last}까지입니다"),
            );
            return Err(Failure::usage("usage", message));
        }
    };
    let places = places(args, &subject)?;
    let analogies = analogies(&args.analogy, &opened)?;
    let mut beside = vec![compare::beside(&opened, &subject, places)?];
    let mut paths = vec![opened.path.clone()];
    for path in &args.compare {
        let other = model_file::open(path)?;
        beside.push(compare::other(&other, &question, &subject, places)?);
        paths.push(other.path);
    }
    tell_apart(&mut beside, &paths);
    let Some(found) = &beside[0].found else {
        let message = format!("{}: has no recurrent layer to look at", opened.path.display());
        return Err(Failure::work("unsupported", message));
    };
    let view = View {
        lang,
        model: &opened.model,
        subject: &subject,
        found,
        step,
        asked: args.step.is_some(),
        beside: &beside,
        places,
        analogies: &analogies,
    };
    let drawn = figures::all(&view);
    if let Some(folder) = &args.figures {
        std::fs::create_dir_all(folder).map_err(|e| Failure::io(folder, &e))?;
        for figure in &drawn {
            let path = folder.join(format!("{:02}-{}.svg", figure.number, figure.name));
            write_atomic(&path, alone(&figure.svg).as_bytes())?;
        }
    }
    if let Some(path) = &args.out {
        let page = page(&view, &opened.path.display().to_string(), &drawn)?;
        write_atomic(path, page.as_bytes())?;
    }
    out.line(told::facts(&subject, found.loss, lang))?;
    let written: Vec<String> =
        [&args.out, &args.figures].into_iter().flatten().map(|path| path.display().to_string()).collect();
    match &written[..] {
        // What is written nowhere is told here.
        [] => drawn.iter().try_for_each(|figure| {
            out.line(format!("{:>2}  {}\n    {}", figure.number, figure.title, figure.caption))
        })?,
        places => out.line(told::figures(drawn.len(), places, lang))?,
    }
    if !out.json {
        return Ok(());
    }
    let said = |row: &[f64]| -> Value {
        let named = |&place: &usize| json!({"output": subject.outputs.get(place), "value": row[place]});
        likeliest(row, row.len().min(5)).iter().map(named).collect()
    };
    let outputs: Vec<Value> = found.outputs.rows().into_iter().map(|row| said(&row.to_vec())).collect();
    out.json(&json!({
        "model": opened.path,
        "first_step": first,
        "steps": subject.plain(&subject.steps),
        "targets": subject.plain(&subject.targets),
        "guessed": subject.guessed,
        "unknown": subject.unknown.len(),
        "unknown_words": subject.strangers(),
        "outputs": outputs,
        "swap": beside[0].swap,
        "analogies": analogies,
        "found": found,
        "compare": beside[1..].iter().zip(&args.compare).map(|(beside, path)| json!({
            "model": path, "name": beside.name, "parameters": beside.parameters, "swap": beside.swap, "found": beside.found,
        })).collect::<Vec<_>>(),
        "report": args.out,
        "figures": drawn.iter().map(|f| json!({
            "number": f.number, "name": f.name, "title": f.title, "caption": f.caption, "numbers": f.numbers,
        })).collect::<Vec<_>>(),
    }))
}

/// Gives models of one name the names of their runs, or numbers where these are the same too.
fn tell_apart(beside: &mut [Beside], paths: &[PathBuf]) {
    let run = |path: &PathBuf| -> Option<String> {
        let stem = path.file_stem()?.to_string_lossy().into_owned();
        match &*stem {
            "best" | "last" => Some(path.parent()?.file_name()?.to_string_lossy().into_owned()),
            _ => Some(stem),
        }
    };
    let runs: Vec<Option<String>> = paths.iter().map(run).collect();
    let names: Vec<String> = beside.iter().map(|beside| beside.name.clone()).collect();
    for (i, name) in names.iter().enumerate() {
        let mut others = (0..names.len()).filter(|&j| j != i && names[j] == *name).peekable();
        if let (Some(_), Some(run)) = (others.peek(), &runs[i])
            && others.all(|j| runs[j] != runs[i])
        {
            beside[i].name = format!("{name} ({run})");
        }
    }
    for i in 1..beside.len() {
        if beside[..i].iter().any(|other| other.name == beside[i].name) {
            beside[i].name = format!("{} {}", beside[i].name, i + 1);
        }
    }
}

/// The answers to analogies, among the words of the model's embedding.
fn analogies(asked: &[String], opened: &Opened) -> Outcome<Vec<Analogy>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let words = vectors::words(opened)?;
    let answer = |asked: &String| {
        let terms: Vec<&str> = asked.split(',').map(str::trim).collect();
        let [a, b, c] = terms[..] else {
            let message = format!("--analogy {asked}: give three words, as in man,king,woman");
            return Err(Failure::usage("usage", message));
        };
        let terms = [words.direction(b)?, words.direction(a)?, words.direction(c)?];
        let signed: Vec<(usize, f32)> = terms.into_iter().zip([1.0, -1.0, 1.0]).collect();
        let Some(&(best, cosine)) = words.vectors.analogy(&signed, 1).first() else {
            return Err(Failure::work("data", format!("--analogy {asked}: there is no other word")));
        };
        let [b, a, c] = terms;
        Ok(Analogy { words: [a, b, c, best].map(|row| words.word(row).to_string()), cosine })
    };
    asked.iter().map(answer).collect()
}

/// Which two tokens of the text are swapped; None if it has but one.
fn places(args: &Explain, subject: &Subject) -> Outcome<Option<(usize, usize)>> {
    let own = subject.own();
    match args.swap[..] {
        // The outermost two that differ.
        [] => {
            let name = |place: usize| &subject.steps[place + usize::from(subject.kind == Kind::Next)];
            Ok((1..own).rev().find(|&b| name(b) != name(0)).map(|b| (0, b)))
        }
        [a, b] if a == b => Err(Failure::usage("usage", format!("--swap {a},{b}: name two places"))),
        [a, b] if a.max(b) <= own => Ok(Some((a - 1, b - 1))),
        [_, _] => Err(Failure::usage("usage", format!("--swap: the text has {own} tokens"))),
        _ => Err(Failure::usage("usage", "--swap takes two places, as in --swap 1,3")),
    }
}
