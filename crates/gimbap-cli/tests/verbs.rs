//! Each task from data to predictions, and what scripts may rely on: the shape of every JSON answer.

mod common;

use std::io::{BufRead, BufReader};

use common::{Bench, SMALL, json, jsonl, small_lm};

fn keys(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn lm_end_to_end() {
    let bench = Bench::new();
    let run = bench.ok(&small_lm("runs/a", &["--json"]));
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    let lines = jsonl(&run.stdout);
    assert_eq!(lines.len(), 3);
    for (i, line) in lines[..2].iter().enumerate() {
        assert_eq!((line["event"].as_str(), line["epoch"].as_u64()), (Some("epoch"), Some(i as u64 + 1)));
        assert!(line["train"]["loss"].is_f64() && line["valid"]["perplexity"].is_f64());
        assert!(line["seconds"].is_f64());
    }
    assert_eq!(lines[2]["event"], "done");
    assert_eq!(lines[2]["model"], "runs/a/best.safetensors");
    assert!(lines[2]["metrics"]["bits_per_character"].is_f64());
    for file in [
        "config.toml",
        "best.safetensors",
        "last.safetensors",
        "trainer.safetensors",
        "metrics.jsonl",
        "README.md",
    ] {
        assert!(bench.path("runs/a").join(file).exists(), "{file}");
    }
    let log = jsonl(&std::fs::read_to_string(bench.path("runs/a/metrics.jsonl")).unwrap());
    assert_eq!(log.len(), 2);
    for part in ["train", "valid"] {
        for figure in ["perplexity", "bits_per_character"] {
            let (logged, told) = (&log[1][part][figure], &lines[1][part][figure]);
            let (logged, told) = (logged.as_f64().unwrap(), told.as_f64().unwrap());
            assert!((logged - told).abs() < 1e-6 * told, "{part} {figure}: {logged} {told}");
        }
    }

    let model = "runs/a/best.safetensors";
    let eval = json(&bench.ok(&["eval", model, "text.txt", "--json"]).stdout);
    assert!(eval["loss"].is_f64() && eval["perplexity"].is_f64());

    let inspect = json(&bench.ok(&["inspect", model, "--json"]).stdout);
    assert_eq!(inspect["format"], 1);
    let layers = inspect["layers"].as_array().unwrap();
    assert_eq!(keys(&layers[0]), ["name", "type", "shape", "parameters"]);
    let sum: u64 = layers.iter().map(|l| l["parameters"].as_u64().unwrap()).sum();
    assert_eq!(inspect["parameters"].as_u64(), Some(sum));

    let generate = ["generate", "runs/a", "-n", "30", "--seed", "7", "--prompt", "the ", "--json"];
    let text = json(&bench.ok(&generate).stdout);
    assert_eq!(keys(&text), ["text", "tokens", "seconds"]);
    assert_eq!(text["text"].as_str().unwrap().chars().count(), 34);
    assert_eq!(json(&bench.ok(&generate).stdout)["text"], text["text"], "the seed decides");
    let plain = bench.ok(&generate[..generate.len() - 1]);
    assert_eq!(plain.stdout, format!("{}\n", text["text"].as_str().unwrap()));

    let candidates =
        bench.ok(&["generate", "runs/a", "-n", "6", "--candidates", "3", "--prompt", "the ca", "--json"]);
    let candidates = jsonl(&candidates.stdout);
    assert!(candidates.iter().all(|c| c["text"].as_str().unwrap().starts_with("the ca")));
    let refused = bench.run(&["generate", "runs/a", "--candidates", "3", "--seed", "2"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let p: Vec<f64> = candidates.iter().map(|c| c["probability"].as_f64().unwrap()).collect();
    assert!(p.len() == 3 && p[0] >= p[1] && p[1] >= p[2] && p[0] <= 1.0, "{p:?}");

    let score = bench.run_with(
        &["score", "runs/a", "--json", "--rank", "--per-token"],
        "the cat sleeps\n\nzzz qqq xxx zzz qqq\n",
    );
    let lines = jsonl(&score.stdout);
    assert_eq!(lines[0]["text"], "the cat sleeps");
    assert_eq!(keys(&lines[0])[..4], ["text", "logprob", "tokens", "perplexity"]);
    assert_eq!(lines[0]["tokens"], 15);
    let tokens = lines[0]["per_token"].as_array().unwrap();
    let sum: f64 = tokens.iter().map(|t| t["logprob"].as_f64().unwrap()).sum();
    let logprob = lines[0]["logprob"].as_f64().unwrap();
    assert!((sum - logprob).abs() < 1e-9 && logprob < 0.0);
    assert!((lines[0]["perplexity"].as_f64().unwrap() - (-logprob / 15.0).exp()).abs() < 1e-9);
    let p: f64 = lines.iter().map(|l| l["among"].as_f64().unwrap()).sum();
    assert!((p - 1.0).abs() < 1e-9);

    let next = bench.run_with(&["predict", "runs/a", "--json"], "the ca\n");
    assert_eq!(json(&next.stdout)["text"], "the ca");
}

#[test]
fn one_token_candidates_are_the_models_distribution() {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &["-q"]));
    let run =
        bench.ok(&["generate", "runs/a", "-n", "1", "--candidates", "100", "--prompt", "the ", "--json"]);
    let p: f64 = jsonl(&run.stdout).iter().map(|c| c["probability"].as_f64().unwrap()).sum();
    assert!((p - 1.0).abs() < 1e-6, "{p}");
}

#[test]
fn words_with_unknown_ones() {
    let bench = Bench::new();
    let words = [
        "--set",
        "data.unit=word",
        "--set",
        "data.vocab=12",
        "--set",
        "train.optimizer={type=\"sgd\", rate=1.0}",
    ];
    let size = ["--set", "train.loss_reduction=sum_time", "--set", "train.bptt=[5,10]"];
    bench.ok(&small_lm("runs/w", &[&words[..], &size].concat()));
    let score = bench.run_with(&["score", "runs/w", "--json"], "the cat sleeps quietly\n");
    let line = json(&score.stdout);
    assert_eq!((line["tokens"].as_u64(), line["unknown"].as_u64()), (Some(5), Some(2)));
    let rank = bench.run_with(&["score", "runs/w", "--rank"], "the cat sleeps quietly\n").stdout;
    let columns = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let [header, row] = [0, 1].map(|line| columns(rank.lines().nth(line).unwrap()));
    assert_eq!(header[4..], ["unknown", "among", "these", "sentence"]);
    // `quietly` is nowhere in the text; of its eight words that come 100 times the vocabulary has room for the first four.
    assert_eq!(row[4..], ["2", "100.00", "%", "the", "cat", "sleeps", "quietly"]);
    let text = bench
        .ok(&["generate", "runs/w", "-n", "40", "--temperature", "0.9", "--top-k", "5", "--top-p", "0.9"])
        .stdout;
    assert!(!text.contains("<unk>") && !text.contains("<eos>"), "{text}");
}

#[test]
fn classify_texts_end_to_end() {
    let bench = Bench::new();
    let args = ["train", "--task", "classify", "--data", "reviews.csv", "--epochs", "6", "--json"];
    let run = bench.ok(&[&args[..], SMALL, &["--set", "train.optimizer.rate=0.03"]].concat());
    let done = jsonl(&run.stdout).pop().unwrap();
    assert_eq!(done["model"], "runs/reviews/best.safetensors");
    assert_eq!(done["metrics"]["accuracy"], 1.0);
    assert_eq!(done["metrics"]["majority_accuracy"], 0.5);

    let eval = json(&bench.ok(&["eval", "runs/reviews", "reviews.csv", "--json"]).stdout);
    assert!(eval["accuracy"].as_f64().unwrap() > 0.99);
    let run =
        bench.run_with(&["predict", "runs/reviews", "--json"], "a good, warm film\na bad and dull film\n\n");
    let lines = jsonl(&run.stdout);
    assert_eq!(lines.len(), 3, "an empty line is a sequence of no words");
    assert_eq!((lines[0]["label"].as_str(), lines[1]["label"].as_str()), (Some("pos"), Some("neg")));
    let p = &lines[0]["probabilities"];
    assert!((p["pos"].as_f64().unwrap() + p["neg"].as_f64().unwrap() - 1.0).abs() < 1e-6);

    bench.ok(&["predict", "runs/reviews", "reviews.csv", "-o", "out.csv"]);
    let csv = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    assert!(csv.starts_with("label,probability,text\npos,"));
    assert!(csv.contains("\"a good, warm film number 0\""));
    assert_eq!(csv.lines().count(), 121);
    bench.write("in.jsonl", "{\"text\": \"a good film\"}\n");
    let run = bench.ok(&["predict", "runs/reviews", "in.jsonl"]);
    assert!(run.stdout.starts_with("pos\t"));
}

#[test]
fn classify_ragged_sequences_end_to_end() {
    let bench = Bench::new();
    bench.write(
        "c.toml",
        "[task]\nkind = \"classify\"\n[data]\npath = \"gestures.csv\"\nid = \"id\"\nvalid = 0.2\n\
         [[layer]]\ntype = \"bidirectional\"\nlayer = { type = \"gru\", units = 6 }\n\
         [train]\nepochs = 15\nbatch = 8\noptimizer = { type = \"adam\", rate = 0.05 }\n",
    );
    let done = jsonl(&bench.ok(&["train", "c.toml", "--json"]).stdout).pop().unwrap();
    assert_eq!(done["metrics"]["accuracy"], 1.0, "{done}");
    let lines = jsonl(&bench.ok(&["predict", "runs/c", "gestures.csv", "--json"]).stdout);
    assert_eq!(lines.len(), 30);
    assert_eq!((lines[0]["id"].as_str(), lines[1]["label"].as_str()), (Some("s0"), Some("down")));
}

#[test]
fn forecast_end_to_end() {
    let bench = Bench::new();
    let args = [
        "train",
        "--task",
        "forecast",
        "--data",
        "flow.csv",
        "--epochs",
        "3",
        "--set",
        "data.horizon=2",
        "--json",
    ];
    let run = bench.ok(&[&args[..], SMALL].concat());
    let metrics = &jsonl(&run.stdout).pop().unwrap()["metrics"];
    assert!(metrics["mae"].is_f64() && metrics["last_value"]["rmse"].is_f64());
    // The series repeats after 24 rows, which the command finds out itself; that forecast is then exact.
    assert_eq!(metrics["seasonal_naive"]["season"], 24);
    assert!(metrics["seasonal_naive"]["mae"].as_f64().unwrap() < 1e-3);
    let run = bench.ok(&["predict", "runs/flow", "flow.csv", "--json"]);
    let lines = jsonl(&run.stdout);
    assert_eq!((lines.len(), lines[1]["step"].as_u64()), (2, Some(2)));
    assert!(bench.ok(&["predict", "runs/flow", "flow.csv"]).stdout.starts_with("step\ttime\tflow\n1\t300\t"));
    // In the data's own units, which lie between 20 and 80, not the scaled ones, which lie between -2 and 2.
    for line in &lines {
        let value = line["values"]["flow"].as_f64().unwrap();
        assert!((15.0..85.0).contains(&value), "{line}");
    }
    assert!(json(&bench.ok(&["eval", "runs/flow", "flow.csv", "--json"]).stdout)["r2"].is_f64());
}

#[test]
fn a_dry_run_shows_and_writes_nothing() {
    let bench = Bench::new();
    let before = bench.files();
    let run = bench.ok(&small_lm("runs/a", &["--dry-run"]));
    assert!(run.stdout.contains("memory, about") && run.stdout.contains("first batch"), "{}", run.stdout);
    let run = json(&bench.ok(&small_lm("runs/a", &["--dry-run", "--json"])).stdout);
    // Weights, their gradient and RMSprop's mean of squares; 4 sequences of 20 steps through an embedding, LSTMs and scores.
    let bytes = |key: &str| run["memory_bytes"][key].as_u64().unwrap();
    assert_eq!(bytes("weights"), 3 * 4 * run["parameters"].as_u64().unwrap());
    let kept = |layer: &serde_json::Value| match layer["type"].as_str().unwrap() {
        "lstm" => 7 * layer["shape"][2].as_u64().unwrap(),
        "embedding" | "dense" => 2 * layer["shape"][2].as_u64().unwrap(),
        "dropout" => 2 * 8,
        other => panic!("{other}"),
    };
    let layers = run["layers"].as_array().unwrap();
    assert!(layers.iter().any(|layer| layer["type"] == "lstm"));
    assert_eq!(bytes("activations"), 4 * 20 * 4 * layers.iter().map(kept).sum::<u64>());
    assert_eq!(bytes("total"), bytes("weights") + bytes("activations"));
    assert_eq!(run["batch"]["sequences"], 4);
    let seconds = |key: &str| run["seconds"][key].as_f64().unwrap();
    assert!(seconds("epoch") > 0.0 && (seconds("total") / seconds("epoch") - 2.0).abs() < 1e-9, "{run}");
    let shown = bench.ok(&small_lm("runs/a", &["--dry-run"])).stdout;
    assert!(shown.contains("time           about ") && shown.contains(" for 2 epochs"), "{shown}");
    assert_eq!(bench.files(), before);
}

#[test]
fn a_long_run_says_early_how_long_it_will_take() {
    let bench = Bench::new();
    let long = bench.ok(&small_lm("runs/a", &["--dry-run", "--json"]));
    // As many epochs as take a good while here, and a Ctrl-C once the line is there.
    let epoch = json(&long.stdout)["seconds"]["epoch"].as_f64().unwrap();
    let epochs = format!("train.epochs={}", (1000.0 / epoch).ceil());
    let never = ["--set", &epochs, "--set", "train.patience=100000000"];
    let mut command = common::command(&small_lm("runs/a", &never));
    let mut child = command.current_dir(bench.path(".")).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines.map(Result::unwrap).find(|line| line.contains(" an epoch, ")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.starts_with("about ") && told.contains(" s for ") || told.contains(" min"), "{told}");
    // A short one says nothing of it.
    let run = bench.ok(&small_lm("runs/b", &[]));
    assert!(!run.stderr.contains(" an epoch, "), "{}", run.stderr);
}

#[test]
fn an_untrained_model_is_there_to_compare_with() {
    let bench = Bench::new();
    // A schedule of the run's length would be another with other epochs.
    let schedule = "train.schedule={type=\"constant\"}";
    let run = bench.ok(&small_lm("runs/none", &["--set", "train.epochs=0", "--set", schedule]));
    assert!(run.stderr.contains("nothing was trained"), "{}", run.stderr);
    bench.ok(&small_lm("runs/some", &["-q", "--set", schedule]));
    let text = ["--text", "the cat sleeps", "-o", "report.html"];
    bench.ok(&[&["explain", "runs/some", "--compare", "runs/none"][..], &text].concat());
    // Gone on with, it is the run that began with training.
    bench.ok(&["train", "--resume", "-o", "runs/none", "--epochs", "2", "-q"]);
    for file in ["best.safetensors", "last.safetensors"] {
        let bytes = |run: &str| std::fs::read(bench.path(run).join(file)).unwrap();
        assert!(bytes("runs/none") == bytes("runs/some"), "{file}");
    }
    let train =
        ["train", "--task", "classify", "--data", "reviews.csv", "--epochs", "0", "-q", "-o", "runs/c"];
    bench.ok(&[&train[..], SMALL].concat());
    assert!(bench.ok(&["inspect", "runs/c"]).stdout.contains("a classifier"));
}

#[test]
fn layers_are_added_and_wrapped_from_the_command_line() {
    let bench = Bench::new();
    let train = ["train", "--task", "classify", "--data", "reviews.csv", "--epochs", "1", "-q", "--force"];
    let layers = |sets: &[&str]| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        bench.ok(&[&train[..], SMALL, &sets].concat());
        let told = json(&bench.ok(&["inspect", "runs/reviews", "--json"]).stdout);
        let kind = |layer: &serde_json::Value| layer["type"].as_str().unwrap().to_string();
        told["layers"].as_array().unwrap().iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(layers(&["layer.1.bidirectional=true"]), ["embedding", "bidirectional", "dense"]);
    assert_eq!(layers(&["layer.+={type=\"gru\", units=4}"]), ["embedding", "lstm", "gru", "dense"]);
    let both = ["layer.2={type=\"gru\", units=4}", "layer.2.bidirectional=true", "layer.2.units=5"];
    assert_eq!(layers(&both), ["embedding", "lstm", "bidirectional", "dense"]);
    let run = bench.run(&[&train[..], &["--set", "layer.7.units=3"]].concat());
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("`layer.+={type=\"lstm\", units=64}` adds one"), "{}", run.stderr);
    bench.write(
        "b.toml",
        "[task]\nkind = \"classify\"\n[[layer]]\ntype = \"lstm\"\nunits = 3\nbidirectional = true\n",
    );
    let run = bench.run(&["train", "b.toml", "--data", "reviews.csv"]);
    assert!(
        run.stderr.contains("line 6") && run.stderr.contains("type = \"bidirectional\""),
        "{}",
        run.stderr
    );
}

#[test]
fn threads_do_not_change_a_bit() {
    let bench = Bench::new();
    // So many products a batch that they are shared out: 80 rows of 64 times 256.
    let work = ["-q", "--set", "layer.1.units=64", "--set", "train.steps=20", "--threads"];
    let train = |threads: &'static str, out: &str| {
        bench.ok(&small_lm(out, &[&work[..], &[threads]].concat()));
        std::fs::read(bench.path(out).join("last.safetensors")).unwrap()
    };
    assert!(train("1", "one") == train("2", "two"));
}

#[test]
fn labelled_numbers_need_no_config() {
    let bench = Bench::new();
    let data = ["--data", "gestures.csv", "--set", "data.id=id", "--set", "data.value=[\"x\", \"y\"]"];
    bench.ok(&[&["train", "--task", "classify", "--epochs", "1", "-q"][..], &data].concat());
    assert!(bench.path("runs/gestures/best.safetensors").exists());
}
