//! `gimbap train`: from a config to a run's folder with a trained model in it.

use std::path::{Path, PathBuf};

use gimbap::bptt::Bptt;
use gimbap::data::batch::BatchSource;
use gimbap::data::read::{plain_name, read_text};
use gimbap::explain::{Health, Verdict};
use gimbap::model::Model;
use gimbap::train::{EarlyStopping, Ended, Event, Fit, Flow, History, Identity, identity_of};
use serde_json::{Map, Value, json};
use toml_edit::Value as TomlValue;

use super::dry_run::dry_run;
use crate::args::{Language, Task, Train};
use crate::config::{Auto, Config, NOTHING, Source, TaskKind, builtin, load, path_of_builtin};
use crate::interrupt;
use crate::output::{Failure, Out, Outcome, duration, program, thousands};
use crate::progress::{Pace, Progress, rate};
use crate::run_dir::{BEST, CARD, CONFIG, Card, Existing, LAST, METRICS, RunDir, default_dir, write_atomic};
use crate::task::limited::Limited;
use crate::task::{self, Report, Work, line_of, short};

/// Trains.
pub fn run(args: &Train, out: &Out) -> Outcome {
    let of_text = as_text(args)?;
    if let Some(Train { data: Some(data), .. }) = &of_text {
        out.log(format!("read as: {} is a text for a language model", data.display()));
    }
    let args = of_text.as_ref().unwrap_or(args);
    let (config, dir) = plan(args)?;
    if args.dry_run {
        let work = task::open(&config, &existing_above(&dir))?;
        return dry_run(work.config(), &*work, out);
    }
    let existing = match (args.resume, args.force) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Force,
        _ => Existing::Refuse,
    };
    let mut run = RunDir::check(&dir, existing)?;
    let mut work = task::open(&config, &existing_above(&dir))?;
    let left = config.train.schedule == Some(Auto::Auto);
    // From here on with numbers where it left them to the data.
    let mut config = work.config().clone();
    let (mut model, found) = task::initial(&config, &*work, out)?;
    let identity = task::identity(&*work, &model)?;
    if args.resume {
        let own = load(&Source::file(&run.file(CONFIG))?, &[], &[])?;
        if left {
            // A longer run does not change the rates of the one that it goes on with.
            config.train.schedule = own.train.schedule;
        }
        same_run((&config, &identity), &own, &run, out)?;
    }
    out.log(model.summary().trim_end());
    work.notes().into_iter().for_each(|note| out.log(note));
    if let Some(found) = &found {
        out.log(format!("word vectors: {found}"));
    }
    if !args.resume {
        run.create(&config.to_toml()?)?;
    }

    let fit = Fit { identity, watch: args.watch, ..fit(&config) };
    train(&config, &*work, &mut model, &mut run, fit, out)?;

    let path = match run.file(BEST) {
        best if best.exists() => best,
        _ => run.file(LAST),
    };
    let mut model = gimbap::checkpoint::load(&path)?;
    // An untrained model is left as it begins.
    if config.train.epochs() > 0 && work.finish(&mut model)? {
        gimbap::checkpoint::save(&model, &path)?;
    }
    let report = work.report(&model, out)?;
    let shown = path.display().to_string();
    let name = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut data = work.card();
    data.extend(found.map(|found| ("word vectors".into(), found)));
    run.write(CARD, card(&config, &data, &*work, &model, &report, &name, &shown).as_bytes())?;

    out.line("")?;
    match report.text.is_empty() {
        true => {
            out.line("nothing was held out, so nothing was measured (data.valid, as far as there is enough)")?
        }
        false => out.line(&report.text)?,
    }
    let next = work.lang().say("the model is {}; next:", "모델: {}\n다음에 해 볼 명령:");
    out.line(format!("\n{}", next.replace("{}", &shown)))?;
    for line in work.next(&program(), &shown) {
        out.line(format!("  {line}"))?;
    }
    let mut done = json!({"event": "done", "model": shown, "metrics": report.metrics});
    if let Value::Object(done) = &mut done {
        done.extend(report.beside);
    }
    out.json(&done)
}

/// Data in the place of the config: a text is one for a language model, as if `--task lm --data` stood before it.
fn as_text(args: &Train) -> Outcome<Option<Train>> {
    let Some(path) = args.config.as_ref().filter(|path| path.is_file() && args.data.is_none()) else {
        return Ok(None);
    };
    let name = plain_name(path);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    let text = || {
        let data = Some(path.clone());
        Ok(Some(Train { config: None, task: Some(Task::Lm), data, ..args.clone() }))
    };
    let task = match ending.as_deref() {
        Some("txt" | "text" | "md") => return text(),
        Some("csv" | "tsv" | "tab") => "classify|forecast",
        Some("conll" | "conllu" | "bio" | "iob") => "tag",
        Some("toml") => return Ok(None),
        Some("jsonl" | "ndjson" | "json" | "ts" | "arff" | "npy" | "npz") => "classify",
        // Of any other name, what is no config is a text.
        _ => {
            let config = read_text(path)?.parse::<toml::Table>().is_ok_and(|table| !table.is_empty());
            return if config { Ok(None) } else { text() };
        }
    };
    let path = path.display();
    let message =
        format!("{path} is data, where a config is expected: `gimbap train --task {task} --data {path}`");
    Err(Failure::usage("usage", message))
}

/// The config that the arguments ask for, and the run's folder.
fn plan(args: &Train) -> Outcome<(Config, PathBuf)> {
    let of_data = args.data.as_deref().and_then(builtin);
    if let (Some(_), Some(data), None) = (args.lang, &args.data, of_data) {
        let message =
            format!("--lang chooses a built-in corpus, and --data is {}: leave one out", data.display());
        return Err(Failure::usage("usage", message));
    }
    let grammar = of_data.unwrap_or(args.lang.unwrap_or(Language::En).grammar());
    let travellers = || default_dir(&name_of(Path::new(path_of_builtin(grammar))));
    // A folder in the config's place is the run to resume.
    let (folder, file) = match &args.config {
        Some(path) if path.is_dir() => (Some(path), None),
        file => (None, file.as_ref()),
    };
    let out = match (folder, &args.out) {
        (Some(folder), _) if !args.resume => {
            let shown = folder.display();
            return Err(Failure::usage(
                "usage",
                format!(
                    "{shown} is a folder, where a config file is expected: to continue the run in it, \
                     `train --resume {shown}`; to train on it, `--task TASK --data {shown}`"
                ),
            ));
        }
        (Some(folder), Some(out)) if folder != out => {
            let message =
                format!("{} and --out {} are two folders: name one", folder.display(), out.display());
            return Err(Failure::usage("usage", message));
        }
        (folder, out) => out.as_ref().or(folder),
    };
    let named = args.data.as_deref().map(name_of);
    let task = match (args.preset, args.task) {
        (Some(preset), Some(task)) if task != Task::Lm => {
            let message =
                format!("--preset {} is a language model, not what --task {} is", preset.name(), task.name());
            return Err(Failure::usage("usage", message));
        }
        (Some(_), _) => Some(Task::Lm),
        (None, task) => task,
    };
    let (source, name) = match (file, task, &args.data) {
        (Some(path), ..) => (Source::file(path)?, named.or_else(|| Some(name_of(path)))),
        (None, Some(Task::Lm), _) if of_data.is_some() && args.preset.is_none() => (Source::builtin(), None),
        (None, Some(task), data) => {
            if data.is_none()
                && !args.set.iter().any(|s| s.trim_start().starts_with("data.path"))
                && !args.resume
            {
                let given = match args.preset {
                    Some(preset) => format!("--preset {}", preset.name()),
                    None => format!("--task {}", task.name()),
                };
                return Err(Failure::usage("usage", format!("{given} needs --data PATH")));
            }
            (args.preset.map_or_else(|| Source::template(task), Source::preset), named)
        }
        (None, None, _) if args.resume => {
            let dir = out.cloned().unwrap_or_else(travellers);
            RunDir::check(&dir, Existing::Resume)?;
            (Source::file(&dir.join(CONFIG))?, None)
        }
        (None, None, None) => (Source::builtin(), None),
        (None, None, Some(_)) => {
            return Err(Failure::usage(
                "usage",
                "--data needs a config, --preset NAME, or --task lm, classify, tag or forecast",
            ));
        }
    };
    let dir = out.cloned().unwrap_or_else(|| name.map_or_else(travellers, |name| default_dir(&name)));

    let absolute = |path: &Path| -> Outcome<TomlValue> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        path.to_str().map(TomlValue::from).ok_or_else(|| {
            let message = format!(
                "{}: the name is not UTF-8, which {CONFIG} is written in and has to keep: rename it, or give a symbolic \
                 link to it",
                path.display()
            );
            Failure::usage("usage", message)
        })
    };
    let mut flags: Vec<(&str, TomlValue)> = Vec::new();
    match &args.data {
        Some(data) if of_data.is_none() => flags.push(("data.path", absolute(data)?)),
        None if args.lang.is_none() => {}
        _ => flags.push(("data.path", path_of_builtin(grammar).into())),
    }
    if let Some(valid) = &args.valid {
        flags.push((
            "data.valid",
            match valid.parse::<f64>() {
                Ok(part) => part.into(),
                Err(_) if valid == NOTHING => NOTHING.into(),
                Err(_) => absolute(Path::new(valid))?,
            },
        ));
    }
    if let Some(epochs) = args.epochs {
        flags.push(("train.epochs", TomlValue::from(epochs as i64)));
    }
    if let Some(seed) = args.seed {
        let seed = i64::try_from(seed)
            .map_err(|_| Failure::usage("usage", format!("--seed {seed} is above {}", i64::MAX)))?;
        flags.push(("train.seed", TomlValue::from(seed)));
    }
    Ok((load(&source, &flags, &args.set)?, dir))
}

/// The folder in which a run's own will lie: the nearest that is there already.
fn existing_above(dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new(".")).to_path_buf()
}

/// What a run on this file or folder is called.
fn name_of(path: &Path) -> String {
    if let Some(grammar) = builtin(path) {
        return path_of_builtin(grammar).replace("builtin:", "");
    }
    let name = plain_name(path);
    Path::new(&name).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Refuses to resume a run with another config or other data than its own: only when it ends may differ.
fn same_run((config, identity): (&Config, &Identity), own: &Config, run: &RunDir, out: &Out) -> Outcome {
    let of_run = identity_of(run.path())?;
    match &of_run {
        // What was left to the data then differs too, and is not the reason.
        Some(of_run) if identity.differing(of_run).iter().any(|name| task::is_file(name)) => {
            identity.check(of_run)?
        }
        Some(_) => {}
        None => out.log("the run does not say what data it was trained on: that it is this is not checked"),
    }
    same_config(config, own, run)?;
    Ok(of_run.map_or(Ok(()), |of_run| identity.check(&of_run))?)
}

fn same_config(config: &Config, own: &Config, run: &RunDir) -> Outcome {
    let differing = config.differs(own)?;
    let keys: Vec<String> = differing
        .into_iter()
        .filter(|key| key != "train.epochs" && key != "train.patience")
        .map(|key| format!("`{key}`"))
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} differ{} from {}: a resumed run keeps its config, but for train.epochs and train.patience; \
         --out DIR without --resume starts another run",
        keys.join(", "),
        if keys.len() == 1 { "s" } else { "" },
        run.file(CONFIG).display()
    );
    Err(Failure::usage("config", message))
}

/// How long some epochs take of which one takes so long.
pub(super) fn takes(epoch: f64, epochs: usize, may_stop: bool) -> String {
    let all = match epochs {
        0 | 1 => String::new(),
        n => format!(", {} for {} epochs", duration(epoch * n as f64), thousands(n)),
    };
    let less = if may_stop && epochs > 1 { " at most" } else { "" };
    format!("about {} an epoch{all}{less}", duration(epoch))
}

/// A network's health in a line.
fn words_of(health: &Health) -> String {
    let steps = health.reach.len();
    let half = match health.half_life {
        Some(half) => format!("half-life {half:.1} steps"),
        None => format!("more than half is left after {} steps", steps.saturating_sub(1)),
    };
    let what = match health.verdict {
        Verdict::Vanishing => "vanishes",
        Verdict::Exploding => "explodes",
        Verdict::Carried => "is carried",
    };
    let gates = health.gates.iter().map(|gate| {
        let open = gate.open.map(|open| format!(", {:.0} % open", 100.0 * open)).unwrap_or_default();
        format!("{} {:.0} % saturated{open}", gate.name, 100.0 * gate.saturated)
    });
    let gates = gates.collect::<Vec<_>>().join("; ");
    format!(
        "gradient {what} ({half})  |  {gates}  |  a step moves the weights by {:.1e}",
        health.update_ratio
    )
}

/// The library's options for a run, but for where it writes.
pub(super) fn fit(config: &Config) -> Fit {
    let train = &config.train;
    // The text of a language model comes in segments already.
    let bptt = match config.task.kind {
        TaskKind::Lm if !config.is_builtin() => Bptt::Full,
        _ => train.bptt.map_or(Bptt::Full, |back| back.0),
    };
    Fit {
        epochs: train.epochs(),
        batch_size: train.batch(),
        shuffle: train.shuffle,
        seed: train.seed,
        bptt,
        clip_value: train.clip_value,
        clip_norm: train.clip_norm,
        schedule: train.schedule(),
        average: train.average,
        early_stopping: train
            .patience()
            .map(|patience| EarlyStopping { patience, ..EarlyStopping::default() }),
        ..Fit::default()
    }
}

/// Figures on one line, in a language.
fn line_in(lang: Language, figures: &Map<String, Value>) -> String {
    let named = |name: &str| match name {
        "loss" => "손실".into(),
        "perplexity" => "퍼플렉서티".into(),
        other => other.to_owned(),
    };
    lang.say(
        line_of(figures),
        line_of(&figures.iter().map(|(name, value)| (named(name), value.clone())).collect()),
    )
}

fn train(
    config: &Config,
    work: &dyn Work,
    model: &mut Model,
    run: &mut RunDir,
    fit: Fit,
    out: &Out,
) -> Outcome {
    let lang = work.lang();
    let (source, valid) = (Limited::new(work.train()?, config.train.steps), work.valid()?);
    let valid = valid.as_deref();
    let resume = run.is_resumed();
    let total = (source.targets() / work.targets_of_unit()) as u64;
    // Of an epoch's time, the part that a forward pass over the validation data adds.
    let validation = valid.map_or(0.0, |valid| valid.targets() as f64 / source.targets().max(1) as f64 / 3.0);
    // The last epoch may be cut short.
    let of_epoch =
        |epoch: usize| total as f64 * source.batches(epoch) as f64 / source.batches(0).max(1) as f64;
    let mut bar: Option<Progress> = None;
    let mut pace = Pace::default();
    let mut told: Outcome = Ok(());
    // A resumed run's config is replaced once the trainer's state has loaded, which the first event tells.
    let (text, config_file) = (config.to_toml()?, run.file(CONFIG));
    let mut due = resume;
    let mut observe = |event: Event<'_>| {
        match event {
            Event::Step { epoch, batch, batches, loss, .. } => {
                let label = || format!("{} {}/{}", lang.say("epoch", "에폭"), epoch + 1, fit.epochs);
                let all = of_epoch(epoch) as u64;
                let bar = bar.get_or_insert_with(|| Progress::new(out, label(), all, work.unit()));
                bar.at(all * batch as u64 / batches.max(1) as u64, || {
                    format!("{} {}", lang.say("loss", "손실"), short(loss))
                });
                if let Some(step) = pace.step(batches * (fit.epochs - epoch) - batch) {
                    let one = step * batches as f64 * (1.0 + validation);
                    bar.above(|| out.log(takes(one, fit.epochs - epoch, fit.early_stopping.is_some())));
                }
            }
            Event::Epoch(epoch) => {
                if let Some(bar) = bar.take() {
                    bar.finish();
                }
                let train = work.figures(&epoch.train);
                let valid = epoch.valid.as_ref().map(|valid| work.valid_figures(valid));
                let held = valid
                    .as_ref()
                    .map(|v| format!("  |  {} {}", lang.say("validation", "검증"), line_in(lang, v)))
                    .unwrap_or_default();
                let mean = match epoch.averaged {
                    0 => String::new(),
                    steps => format!(" (mean of {} steps)", thousands(steps as usize)),
                };
                out.log(format!(
                    "{} {}/{}  {}{held}{mean}  |  {:.1} {}, {} {}",
                    lang.say("epoch", "에폭"),
                    epoch.epoch + 1,
                    fit.epochs,
                    line_in(lang, &train),
                    epoch.seconds,
                    lang.say("s", "초"),
                    rate(of_epoch(epoch.epoch) / epoch.seconds.max(1e-9)),
                    lang.say(format!("{}/s", work.unit()), "토큰/초".into()),
                ));
                if let Some(health) = &epoch.health {
                    out.log(format!("    {}", words_of(health)));
                }
                let mut object = json!({
                    "event": "epoch",
                    "epoch": epoch.epoch + 1,
                    "train": train,
                    "valid": valid,
                    "rate": epoch.rate,
                    "gradient_norm": epoch.gradient_norm,
                    "averaged": epoch.averaged,
                    "seconds": epoch.seconds,
                });
                if let Some(health) = &epoch.health {
                    object["health"] = json!(health);
                }
                told = out.json(&object);
            }
        }
        if std::mem::take(&mut due)
            && let Err(failure) = write_atomic(&config_file, text.as_bytes())
        {
            told = Err(failure);
        }
        // That nobody reads along is no reason to stop; a full disk is.
        let failed = told.as_ref().is_err_and(|failure| failure.kind != "pipe");
        if interrupt::asked() || failed { Flow::Stop } else { Flow::Continue }
    };
    let history = {
        let _graceful = interrupt::graceful();
        match resume {
            true => model.resume_on(&source, valid, &in_folder(&fit, run.path()), &mut observe)?,
            false => begin(model, (&source, valid), &fit, run, &mut observe)?,
        }
    };
    if let Some(bar) = bar.take() {
        bar.finish();
    }
    if let Err(failure) = told
        && failure.kind != "pipe"
    {
        return Err(failure);
    }
    match history.ended {
        Ended::Interrupted if run.replaces() => Err(Failure::interrupted(format!(
            "stopped before the first epoch was whole: the run that was in {} before is as it was",
            run.path().display()
        ))),
        Ended::Interrupted => Err(Failure::interrupted(format!(
            "stopped; everything is saved in {dir}. Go on with: {} train --resume -o {dir}",
            program(),
            dir = run.path().display()
        ))),
        Ended::NoImprovement => {
            out.log(lang.say(
                "stopped early: the validation loss no longer gets better",
                "조기 종료: 검증 손실이 더 낮아지지 않습니다",
            ));
            if resume && history.epochs.is_empty() {
                out.log("it had stopped before: --set train.patience=N, with a larger N, goes on");
            }
            Ok(())
        }
        Ended::Finished => {
            if fit.epochs == 0 {
                out.log("nothing was trained: this is the model as it begins");
            } else if resume && history.epochs.is_empty() {
                out.log(format!("all {} epochs are done already; --epochs N adds more", fit.epochs));
            }
            Ok(())
        }
    }
}

/// These options, for a run in this folder.
fn in_folder(fit: &Fit, folder: &Path) -> Fit {
    let path = || Some(folder.to_path_buf());
    Fit { directory: path(), log: Some(folder.join(METRICS)), tensorboard: path(), ..fit.clone() }
}

/// Begins a run. One that is to replace another takes its place after the first epoch, from which it is resumed, and that
/// changes no bit of it.
fn begin(
    model: &mut Model,
    (source, valid): (&Limited<'_>, Option<&dyn BatchSource<f32>>),
    fit: &Fit,
    run: &mut RunDir,
    observe: &mut dyn FnMut(Event<'_>) -> Flow,
) -> Outcome<History> {
    let first = in_folder(fit, run.target());
    if !run.replaces() {
        return Ok(model.fit_on(source, valid, &first, observe)?);
    }
    let mut flow = Flow::Continue;
    let history = model.fit_on(source, valid, &first, &mut |event| {
        flow = observe(event);
        if matches!(event, Event::Epoch(_)) { Flow::Stop } else { flow }
    })?;
    if history.epochs.is_empty() && fit.epochs > 0 {
        return Ok(history);
    }
    run.replace()?;
    match (history.ended, flow) {
        (Ended::Interrupted, Flow::Continue) => {
            Ok(model.resume_on(source, valid, &in_folder(fit, run.path()), observe)?)
        }
        _ => Ok(history),
    }
}

fn card(
    config: &Config,
    data: &[(String, String)],
    work: &dyn Work,
    model: &Model,
    report: &Report,
    name: &str,
    path: &str,
) -> String {
    let task = match config.task.kind {
        TaskKind::Lm => "A language model",
        TaskKind::Classify if config.data.separator.is_some() => "A classifier of several labels",
        TaskKind::Classify => "A classifier",
        TaskKind::Regress => "A regression",
        TaskKind::Tag => "A tagger",
        TaskKind::Forecast => "A forecaster",
    };
    let figures: Vec<(String, String)> = report
        .metrics
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Object(nested) => Some((name.clone(), line_of(nested))),
            value => Some((name.clone(), task::figure(value)?)),
        })
        .collect();
    Card {
        name,
        task,
        layers: &model.summary(),
        parameters: model.values().len(),
        data,
        seed: config.train.seed,
        figures: &figures,
        next: &work.next("gimbap", path),
    }
    .markdown()
}
