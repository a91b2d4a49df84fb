//! The language models of papers, and what regularised training asks of a config.

mod common;

use common::{Bench, STEADY, gimbap, json, one_training_is_enough};

const PRESETS: [&str; 6] =
    ["zaremba-small", "zaremba-medium", "zaremba-large", "awd-lstm", "char-rnn", "mikolov"];

#[test]
fn every_preset_is_printed_and_runs_on_a_text() {
    if one_training_is_enough() {
        return;
    }
    let bench = Bench::new();
    for preset in PRESETS {
        let config = bench.ok(&["new", "lm", "--preset", preset]).stdout;
        assert!(config.starts_with("# ") && config.contains("# What differs: "), "{preset}");
        assert!(config.contains(&format!("gimbap train --preset {preset} --data ")), "{preset}");
        let said = json(&bench.ok(&["new", "lm", "--preset", preset, "--json"]).stdout);
        assert_eq!((said["preset"].as_str(), said["config"].as_str()), (Some(preset), Some(&config[..])));

        let train = ["train", "--preset", preset, "--data", "text.txt", "--dry-run", "--json"];
        // But for the time, which is measured.
        let dry = |args: &[&str]| {
            let mut told = json(&bench.ok(args).stdout);
            told.as_object_mut().unwrap().remove("seconds");
            told
        };
        let whole = dry(&train);
        assert!(whole["parameters"].as_u64() > Some(200 * 200), "{preset}: {whole}");
        if preset == "zaremba-small" {
            // Written out, it is the same.
            bench.write("preset.toml", &config);
            let from_file = ["train", "preset.toml", "--data", "text.txt", "--dry-run", "--json"];
            assert_eq!(dry(&from_file), whole);
        }
    }
    assert_eq!(json(&gimbap(&["new", "lm", "--json"]).stdout)["preset"], serde_json::Value::Null);
}

#[test]
fn a_preset_trains_under_its_datas_name_and_every_key_can_be_set() {
    let bench = Bench::new();
    let small = ["--set", "layer.0.units=6", "--set", "layer.1.units=6", "--set", "layer.2.units=6"];
    let base = ["train", "--preset", "zaremba-small", "--data", "text.txt", "--epochs", "2", "--set"];
    let run = bench.ok(&[&base[..], &["data.unit=char"], &small].concat());
    assert!(run.stdout.contains("bits per character"), "{}", run.stdout);
    let config = std::fs::read_to_string(bench.path("runs/text/config.toml")).unwrap();
    assert!(config.contains("unit = \"char\"") && config.contains("bptt = 20"), "{config}");
    // Resumed by the folder alone, or by the same arguments again.
    let again = [&base[..5], &["--epochs", "3", "--set", "data.unit=char", "--resume"], &small].concat();
    bench.ok(&again);
    let log = std::fs::read_to_string(bench.path("runs/text/metrics.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 3);
}

/// The loss of an epoch is below that of guessing, `ln V`.
#[test]
fn the_simple_recurrent_preset_does_not_diverge() {
    let bench = Bench::new();
    let run = bench.ok(&["train", "--preset", "mikolov", "--data", "text.txt", "--epochs", "1", "--json"]);
    let epoch = json(run.stdout.lines().next().unwrap());
    let whole = json(&bench.ok(&["inspect", "runs/text", "--json"]).stdout);
    let layers = whole["layers"].as_array().unwrap();
    let guessing = layers.last().unwrap()["shape"][2].as_f64().unwrap().ln();
    for part in ["train", "valid"] {
        let loss = epoch[part]["loss"].as_f64().unwrap();
        assert!(loss < guessing, "{part}: {loss}, guessing {guessing}");
    }
}

#[test]
fn a_preset_goes_with_no_config_and_no_other_task() {
    let bench = Bench::new();
    bench.write("lm.toml", gimbap(&["new", "lm"]).stdout);
    for (args, wrong) in [
        (&["new", "classify", "--preset", "mikolov"][..], "is a language model"),
        (&["new", "lm", "--preset", "gpt"], "possible values"),
        (&["train", "lm.toml", "--preset", "mikolov", "--data", "text.txt"], "--preset"),
        (&["train", "--task", "forecast", "--preset", "mikolov", "--data", "flow.csv"], "--task forecast"),
        (&["train", "--preset", "mikolov"], "--preset mikolov needs --data PATH"),
    ] {
        let run = bench.run(args);
        assert_eq!(run.code, Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(wrong), "{args:?}: {}", run.stderr);
    }
    bench.ok(&["train", "--task", "lm", "--preset", "mikolov", "--data", "text.txt", "--dry-run"]);
}

#[test]
fn what_a_training_cannot_mean_is_refused_by_its_key() {
    let bench = Bench::new();
    let lm = ["train", "--task", "lm", "--data", "text.txt", "--dry-run"];
    let rate = "layer.2={type=\"penalty\",rate=0.5}";
    let none = "layer.2={type=\"penalty\"}";
    let negative = "layer.2={type=\"penalty\",alpha=-1.0}";
    for (task, sets, wrong) in [
        (&lm[..], &["train.jitter=true", "train.bptt=[20,30]"][..], "`train.bptt` is [20, 30]"),
        (&["train", "--task", "classify", "--data", "reviews.csv"], &["train.jitter=true"], "`train.jitter`"),
        (
            &["train", "--data", "builtin:travellers", "--task", "lm"],
            &["train.jitter=true"],
            "`train.jitter`",
        ),
        (&lm, &["train.average=5"], "type = \"non_monotone\", after = 5"),
        (&lm, &["train.average={type=\"from_epoch\"}"], "epoch"),
        (&lm, &["train.average={type=\"polyak\"}"], "non_monotone"),
        (&lm, &["train.schedule={type=\"plateau\",kept=true}"], "keep"),
        (&lm, &[rate], "`rate`"),
        (&lm, &[none], "`alpha` or `beta`"),
        (&lm, &[negative], "`layer.2.alpha` is -1"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let run = bench.run(&[task, &sets].concat());
        assert_eq!(run.code, Some(2), "{sets:?}: {}", run.stderr);
        assert!(run.stderr.contains(wrong), "{sets:?}: {}", run.stderr);
    }
    // The means over a batch have no parts, which a classifier's segments would be.
    bench.write(
        "classify.toml",
        "[task]\nkind = \"classify\"\n[[layer]]\ntype = \"embedding\"\nunits = 4\n[[layer]]\ntype = \"lstm\"\nunits = 4\n\
         [[layer]]\ntype = \"penalty\"\nalpha = 1.0\n[[layer]]\ntype = \"pool\"\npooling = \"max\"\n",
    );
    let classify = ["train", "classify.toml", "--data", "reviews.csv", "-o", "runs/penalised"];
    let run = bench.run(&[&classify[..], &["--set", "train.bptt=\"checkpointed\""]].concat());
    assert!(run.code == Some(1) && run.stderr.contains("layer `penalty`"), "{:?}: {}", run.code, run.stderr);
}

#[test]
fn the_log_tells_of_the_mean_and_resumes_with_it() {
    let bench = Bench::new();
    let train = |out: &'static str, epochs: &'static str| {
        let sets = ["train.batch=4", "train.bptt=20", "train.jitter=true", "layer.2.dropout=0.2", STEADY];
        let average = "train.average={type=\"from_epoch\",epoch=1}";
        let small = ["layer.0.units=6", "layer.1.units=6", "layer.2.units=6"];
        let sets = sets.into_iter().chain([average]).chain(small).flat_map(|set| ["--set", set]);
        let base = ["train", "--task", "lm", "--data", "text.txt", "-o", out, "--epochs", epochs, "--json"];
        base.into_iter().chain(sets).collect::<Vec<&str>>()
    };
    let whole = bench.ok(&train("runs/whole", "4"));
    let averaged: Vec<u64> =
        common::jsonl(&whole.stdout).iter().filter_map(|line| line["averaged"].as_u64()).collect();
    assert!(averaged[0] == 0 && averaged[1] > 0 && averaged[3] > averaged[2], "{averaged:?}");
    let human = bench.ok(&[
        &train("runs/human", "2")[..9],
        &["--set", "train.average={type=\"from_epoch\",epoch=0}"],
    ]
    .concat());
    assert!(human.stderr.contains("(mean of "), "{}", human.stderr);

    bench.ok(&train("runs/parts", "2"));
    bench.ok(&[&train("runs/parts", "4")[..], &["--resume"]].concat());
    for file in ["best.safetensors", "last.safetensors"] {
        let read = |run: &str| std::fs::read(bench.path(run).join(file)).unwrap();
        assert!(read("runs/parts") == read("runs/whole"), "{file}");
    }
}
