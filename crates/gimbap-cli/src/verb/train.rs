//! `gimbap train`: from a config to a run's folder with a trained model in it.

use std::path::{Path, PathBuf};

use gimbap::bptt::Bptt;
use gimbap::model::Model;
use gimbap::train::{EarlyStopping, Ended, Event, Fit, Flow};
use serde_json::{Value, json};
use toml_edit::Value as TomlValue;

use super::dry_run::dry_run;
use crate::args::Train;
use crate::config::{BUILTIN, Config, Source, TaskKind, load};
use crate::interrupt;
use crate::output::{Failure, Out, Outcome, program};
use crate::progress::{Progress, rate};
use crate::run_dir::{BEST, CARD, CONFIG, Card, Existing, LAST, METRICS, RunDir, default_dir};
use crate::task::{self, Report, Work, line_of};

/// Trains.
pub fn run(args: &Train, out: &Out) -> Outcome {
    let (config, dir) = plan(args)?;
    if args.dry_run {
        return dry_run(&config, &*task::open(&config)?, out);
    }
    let existing = match (args.resume, args.force) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Force,
        _ => Existing::Refuse,
    };
    let run = RunDir::check(&dir, existing)?;
    let work = task::open(&config)?;
    let mut model = work.model()?;
    out.log(model.summary().trim_end());
    run.create(&config.to_toml()?)?;

    train(&config, &*work, &mut model, &run, existing == Existing::Resume, out)?;

    let path = match run.file(BEST) {
        best if best.exists() => best,
        _ => run.file(LAST),
    };
    let model: Model = gimbap::checkpoint::load(&path)?;
    let report = work.report(&model, out)?;
    let shown = path.display().to_string();
    let name = dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    run.write(CARD, card(&config, &*work, &model, &report, &name, &shown).as_bytes())?;

    out.line("")?;
    match report.text.is_empty() {
        true => out.line("nothing was held out, so nothing was measured: --valid 0.1 holds out a tenth")?,
        false => out.line(&report.text)?,
    }
    out.line(format!("\nthe model is {shown}; next:"))?;
    for line in work.next(&program(), &shown) {
        out.line(format!("  {line}"))?;
    }
    let mut done = json!({"event": "done", "model": shown, "metrics": report.metrics});
    if let Value::Object(done) = &mut done {
        done.extend(report.beside);
    }
    out.json(&done)
}

/// The config that the arguments ask for, and the run's folder.
fn plan(args: &Train) -> Outcome<(Config, PathBuf)> {
    let travellers = || default_dir("travellers");
    let (source, name) = match (&args.config, args.task, &args.data) {
        (Some(path), ..) => (Source::file(path)?, path.file_stem()),
        (None, Some(task), data) => {
            if data.is_none()
                && !args.set.iter().any(|s| s.trim_start().starts_with("data.path"))
                && !args.resume
            {
                return Err(Failure::usage("usage", format!("--task {} needs --data PATH", task.name())));
            }
            (Source::template(task), data.as_deref().and_then(Path::file_stem))
        }
        (None, None, _) if args.resume => {
            let dir = args.out.clone().unwrap_or_else(travellers);
            RunDir::check(&dir, Existing::Resume)?;
            (Source::file(&dir.join(CONFIG))?, None)
        }
        (None, None, None) => (Source::builtin(), None),
        (None, None, Some(_)) => {
            return Err(Failure::usage("usage", "--data needs a config, or --task lm, classify or forecast"));
        }
    };
    let name = name.map(|n| n.to_string_lossy().into_owned());
    let dir = args.out.clone().unwrap_or_else(|| name.map_or_else(travellers, |name| default_dir(&name)));

    let absolute = |path: &Path| -> TomlValue {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        path.to_string_lossy().into_owned().into()
    };
    let mut flags: Vec<(&str, TomlValue)> = Vec::new();
    if let Some(data) = &args.data {
        flags.push(("data.path", if data.as_os_str() == BUILTIN { BUILTIN.into() } else { absolute(data) }));
    }
    if let Some(valid) = &args.valid {
        flags.push((
            "data.valid",
            valid.parse::<f64>().map_or_else(|_| absolute(Path::new(valid)), TomlValue::from),
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

/// The library's options for a run.
fn fit(config: &Config, run: &RunDir) -> Fit {
    let train = &config.train;
    // The text of a language model comes in segments already.
    let bptt = match config.task.kind {
        TaskKind::Lm if !config.is_builtin() => Bptt::Full,
        _ => train.bptt.map_or(Bptt::Full, |back| back.0),
    };
    Fit {
        epochs: train.epochs,
        batch_size: train.batch,
        shuffle: train.shuffle,
        seed: train.seed,
        bptt,
        clip_value: train.clip_value,
        clip_norm: train.clip_norm,
        schedule: train.schedule.unwrap_or_default(),
        early_stopping: train.patience.map(|patience| EarlyStopping { patience, ..EarlyStopping::default() }),
        directory: Some(run.path().to_path_buf()),
        log: Some(run.file(METRICS)),
        tensorboard: Some(run.path().to_path_buf()),
        ..Fit::default()
    }
}

fn train(
    config: &Config,
    work: &dyn Work,
    model: &mut Model,
    run: &RunDir,
    resume: bool,
    out: &Out,
) -> Outcome {
    let (source, valid) = (work.train()?, work.valid()?);
    let valid = valid.as_deref();
    let fit = fit(config, run);
    let total = source.targets() as u64;
    let mut bar: Option<Progress> = None;
    let mut told: Outcome = Ok(());
    let mut observe = |event: Event<'_>| {
        match event {
            Event::Step { epoch, batch, batches, loss, .. } => {
                let label = || format!("epoch {}/{}", epoch + 1, fit.epochs);
                let bar = bar.get_or_insert_with(|| Progress::new(out, label(), total, work.unit()));
                bar.at(total * batch as u64 / batches.max(1) as u64, || format!("loss {loss:.4}"));
            }
            Event::Epoch(epoch) => {
                if let Some(bar) = bar.take() {
                    bar.finish();
                }
                let train = work.figures(&epoch.train);
                let valid = epoch.valid.as_ref().map(|valid| work.figures(valid));
                let held =
                    valid.as_ref().map(|v| format!("  |  validation {}", line_of(v))).unwrap_or_default();
                out.log(format!(
                    "epoch {}/{}  {}{held}  |  {:.1} s, {} {}/s",
                    epoch.epoch + 1,
                    fit.epochs,
                    line_of(&train),
                    epoch.seconds,
                    rate(total as f64 / epoch.seconds.max(1e-9)),
                    work.unit(),
                ));
                told = out.json(&json!({
                    "event": "epoch",
                    "epoch": epoch.epoch + 1,
                    "train": train,
                    "valid": valid,
                    "rate": epoch.rate,
                    "gradient_norm": epoch.gradient_norm,
                    "seconds": epoch.seconds,
                }));
            }
        }
        // That nobody reads along is no reason to stop; a full disk is.
        let failed = told.as_ref().is_err_and(|failure| failure.kind != "pipe");
        if interrupt::asked() || failed { Flow::Stop } else { Flow::Continue }
    };
    let history = {
        let _graceful = interrupt::graceful();
        match resume {
            true => model.resume_on(&*source, valid, &fit, &mut observe)?,
            false => model.fit_on(&*source, valid, &fit, &mut observe)?,
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
        Ended::Interrupted => Err(Failure::interrupted(format!(
            "stopped; everything is saved in {dir}. Go on with: {} train --resume -o {dir}",
            program(),
            dir = run.path().display()
        ))),
        Ended::NoImprovement => {
            out.log("stopped early: the validation loss no longer gets better");
            Ok(())
        }
        Ended::Finished => {
            if resume && history.epochs.is_empty() {
                out.log(format!("all {} epochs are done already; --epochs N adds more", fit.epochs));
            }
            Ok(())
        }
    }
}

fn card(config: &Config, work: &dyn Work, model: &Model, report: &Report, name: &str, path: &str) -> String {
    let task = match config.task.kind {
        TaskKind::Lm => "A language model",
        TaskKind::Classify => "A classifier",
        TaskKind::Forecast => "A forecaster",
    };
    let figures: Vec<(String, String)> = report
        .metrics
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Number(n) => Some((name.clone(), n.as_f64().map_or(n.to_string(), task::short))),
            Value::Object(nested) => Some((name.clone(), line_of(nested))),
            _ => None,
        })
        .collect();
    Card {
        name,
        task,
        layers: &model.summary(),
        parameters: model.values().len(),
        data: &work.card(),
        seed: config.train.seed,
        figures: &figures,
        next: &work.next("gimbap", path),
    }
    .markdown()
}
