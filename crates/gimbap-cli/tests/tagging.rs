//! Labels for tokens and for sequences: taggers from end to end; a classifier's report, its calibration, the weights of
//! its classes, its pools.

mod common;

use common::{Bench, SMALL, STEADY, json, jsonl};
use serde_json::Value;

/// A small tagger, so that a test is quick.
const SMALL_TAGGER: &[&str] = &[
    "--set",
    "layer.0.units=8",
    "--set",
    "layer.1.rate=0",
    "--set",
    "layer.2.layer.units=8",
    "--set",
    "train.optimizer.rate=0.03",
    "--set",
    "train.batch=8",
];

/// Names of people and places, told apart by the word that follows alone.
fn names(sentences: usize) -> String {
    let (names, ends) = (["Kim", "Park", "Lee"], [("sleeps", "PER"), ("burns", "LOC")]);
    let mut text = "-DOCSTART- -X- O\n\n".to_string();
    for i in 0..sentences {
        let (verb, kind) = ends[i % 2];
        let name = names[i / 2 % 3];
        let second = if i % 4 < 2 { "" } else { &format!("{name} NNP I-{kind}\n") };
        text.push_str(&format!("the DT O\nold JJ O\n{name} NNP B-{kind}\n{second}{verb} VBZ O\n. . O\n\n"));
    }
    text
}

fn train_tagger(bench: &Bench) -> Value {
    bench.write("names.conll", names(90));
    let args = ["train", "--task", "tag", "--data", "names.conll", "--epochs", "20", "--json"];
    jsonl(&bench.ok(&[&args[..], SMALL_TAGGER].concat()).stdout).pop().unwrap()
}

#[test]
fn tag_end_to_end() {
    let bench = Bench::new();
    let done = train_tagger(&bench);
    assert_eq!(done["model"], "runs/names/best.safetensors");
    for figure in ["accuracy", "entity_precision", "entity_recall", "entity_f1"] {
        assert_eq!(done["metrics"][figure], 1.0, "{done}");
    }
    let majority = done["metrics"]["majority_accuracy"].as_f64().unwrap();
    assert!((0.6..=0.8).contains(&majority), "always `O`: {majority}");
    let card = std::fs::read_to_string(bench.path("runs/names/README.md")).unwrap();
    assert!(card.contains("A tagger") && card.contains("B-LOC, B-PER, I-LOC, I-PER, O"), "{card}");

    // A sentence whose second entity is annotated otherwise.
    bench.write(
        "test.conll",
        "the O\nold O\nLee B-PER\nsleeps O\n. O\n\nthe O\nold O\nPark B-LOC\nPark B-LOC\nburns O\n. O\n",
    );
    let eval = json(&bench.ok(&["eval", "runs/names", "test.conll", "--json"]).stdout);
    let figure = |name: &str| eval[name].as_f64().unwrap();
    assert!((figure("entity_precision") - 0.5).abs() < 1e-9, "{eval}");
    assert!(
        (figure("entity_recall") - 1.0 / 3.0).abs() < 1e-9 && (figure("accuracy") - 10.0 / 11.0).abs() < 1e-9,
        "{eval}"
    );
    assert_eq!(
        (eval["entities"]["PER"]["f1"].as_f64(), eval["entities"]["LOC"]["support"].as_u64()),
        (Some(1.0), Some(2))
    );
    assert_eq!((eval["tokens"].as_u64(), eval["sentences"].as_u64()), (Some(11), Some(2)));
    assert_eq!(eval["confusion"][0], serde_json::json!([1, 0, 1, 0, 0]));
    assert_eq!(
        (eval["classes"][0]["label"].as_str(), eval["classes"][0]["recall"].as_f64()),
        (Some("B-LOC"), Some(0.5))
    );
    let text = bench.ok(&["eval", "runs/names", "test.conll"]).stdout;
    for words in
        ["entity f1 0.4", "\nentities  precision", "\nPER ", "\nmacro mean", "\nactual, taken for  B-LOC"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }

    let said = bench.run_with(&["predict", "runs/names"], "the old\tLee sleeps .\n\n  the old  Park burns\n");
    assert_eq!(
        said.stdout,
        "the\tO\nold\tO\nLee\tB-PER\nsleeps\tO\n.\tO\n\n\nthe\tO\nold\tO\nPark\tB-LOC\nburns\tO\n\n",
        "a blank line has no token, and each sentence ends in one"
    );
    let lines = jsonl(
        &bench
            .run_with(&["predict", "runs/names", "--json"], "the old Lee sleeps\n\nthe old Lee burns\n")
            .stdout,
    );
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["tokens"], serde_json::json!(["the", "old", "Lee", "sleeps"]));
    assert_eq!(
        (&lines[0]["tags"][2], &lines[1]["tags"], &lines[2]["tags"][2]),
        (&"B-PER".into(), &Value::Array(vec![]), &"B-LOC".into())
    );
    assert!(lines[0]["probabilities"].as_array().unwrap().iter().all(|p| p.as_f64().unwrap() > 0.5));

    bench.write("in.jsonl", "{\"tokens\": [\"the\", \"old\", \"Kim\", \"burns\"]}\n");
    bench.ok(&["predict", "runs/names", "in.jsonl", "-o", "out.csv"]);
    let csv = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    assert!(
        csv.starts_with("sentence,token,tag,probability\n1,the,O,") && csv.contains("\n1,Kim,B-LOC,0."),
        "{csv}"
    );
    bench.ok(&["predict", "runs/names", "in.jsonl", "-o", "out.conll", "-q"]);
    assert_eq!(
        std::fs::read_to_string(bench.path("out.conll")).unwrap(),
        "the\tO\nold\tO\nKim\tB-LOC\nburns\tO\n\n"
    );
    bench.ok(&["predict", "runs/names", "in.jsonl", "-o", "out.jsonl", "-q"]);
    // What it writes, it reads.
    let again = json(&bench.ok(&["eval", "runs/names", "out.jsonl", "--json"]).stdout);
    assert_eq!(again["accuracy"], 1.0);

    let inspect = json(&bench.ok(&["inspect", "runs/names", "--json"]).stdout);
    assert_eq!(inspect["task"], "tag");
    assert_eq!(bench.ok(&["neighbors", "runs/names", "Kim", "-n", "2", "--json"]).stdout.lines().count(), 2);
    let refused = bench.run(&["predict", "runs/names", "in.jsonl", "-o", "out.npy"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("tags are no numbers"), "{}", refused.stderr);
}

#[test]
fn labels_without_entities_and_long_sentences() {
    let bench = Bench::new();
    // Word spacing: whether a syllable begins a word. One sentence is longer than all the others together.
    let words = |n: usize| "나\tB\n는\tI\n밥\tB\n을\tI\n".repeat(n);
    let short: String = (0..60).map(|i| words(1 + i % 4) + "\n").collect();
    bench.write("spacing.tsv", &short);
    bench.write("long.tsv", format!("{}\n{short}", words(20_000)));
    let args = ["train", "--task", "tag", "--data", "spacing.tsv", "--epochs", "6", "-q"];
    bench.ok(&[&args[..], SMALL_TAGGER].concat());
    let eval = json(&bench.ok(&["eval", "runs/spacing", "long.tsv", "--json"]).stdout);
    assert_eq!((eval["tokens"].as_u64(), eval["sentences"].as_u64()), (Some(80_600), Some(61)), "{eval}");
    assert!(eval["entity_f1"].as_f64().unwrap() > 0.99, "{eval}");
    assert_eq!(eval["entities"], serde_json::json!({}), "words are of no type");

    // Parts of speech are no entities.
    bench.write("pos.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"DET\", \"NOUN\"]}\n".repeat(20));
    let args = ["train", "--task", "tag", "--data", "pos.jsonl", "--epochs", "1", "--json"];
    let done = jsonl(&bench.ok(&[&args[..], SMALL_TAGGER].concat()).stdout).pop().unwrap();
    assert!(done["metrics"]["accuracy"].is_f64() && done["metrics"].get("entity_f1").is_none(), "{done}");
}

#[test]
fn a_tagger_resumes_to_the_same_bits() {
    let bench = Bench::new();
    bench.write("names.conll", names(30));
    let train = [
        "train",
        "--task",
        "tag",
        "--data",
        "names.conll",
        "-q",
        "--set",
        "layer.0.units=6",
        "--set",
        STEADY,
    ];
    let run = |more: &[&str]| bench.ok(&[&train[..], more].concat());
    run(&["-o", "runs/a", "--epochs", "4"]);
    run(&["-o", "runs/b", "--epochs", "2"]);
    run(&["-o", "runs/b", "--epochs", "4", "--resume", "--threads", "1"]);
    let bytes = |run: &str| std::fs::read(bench.path(run).join("best.safetensors")).unwrap();
    assert!(bytes("runs/a") == bytes("runs/b"));
}

#[test]
fn what_a_tagger_refuses() {
    let bench = Bench::new();
    train_tagger(&bench);
    let check = |args: &[&str], code: i32, words: &str| {
        let run = bench.run(args);
        assert_eq!(run.code, Some(code), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
        let error = &json(&bench.run(&[args, &["--json"]].concat()).stdout)["error"];
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    };
    for verb in ["score", "generate"] {
        check(&[verb, "runs/names"], 1, &format!("is a tagger; `gimbap {verb}` needs a language model"));
    }
    bench.write("new.conll", "Lee B-PER\nhere O\n\nLee B-PEX\n");
    check(
        &["eval", "runs/names", "new.conll"],
        1,
        "new.conll, line 4: the label `B-PEX` is not a class of this model (did you mean",
    );
    bench.write("bare.conll", "Lee B-PER\nsleeps\n");
    check(&["eval", "runs/names", "bare.conll"], 1, "bare.conll, line 2: `sleeps` has no label");
    let train = ["train", "--task", "tag", "--data", "names.conll", "-o", "runs/x"];
    for (sets, words) in [
        (&["data.unit=char"][..], "`data.unit` is no key of a tagger"),
        (&["train.calibrate=true"], "`train.calibrate` is for classifiers alone"),
        (&["train.class_weights=balanced"], "`train.class_weights` is for classifiers alone"),
        (&["layer.1={type=\"pool\", pooling=\"max\"}"], "layer.1: `pool` gives one row for a whole sequence"),
        (&["layer.2.layer.return_sequences=false"], "layer.2: `bidirectional` gives one row"),
    ] {
        let mut args = train.to_vec();
        sets.iter().for_each(|set| args.extend(["--set", set]));
        check(&args, 2, words);
    }
}

/// Reviews of which every fifth is labelled wrongly, so that no model can be sure; one in four is good.
fn noisy(from: usize, rows: usize) -> String {
    let row = |i: usize| {
        let good = i.is_multiple_of(4);
        let label = if good != i.is_multiple_of(5) { "pos" } else { "neg" };
        format!("a {} film,{label}\n", if good { "good" } else { "bad" })
    };
    "text,label\n".to_string() + &(from..from + rows).map(row).collect::<String>()
}

fn train_noisy(bench: &Bench, out: &str, sets: &[&str]) -> Value {
    let mut args =
        vec!["train", "--task", "classify", "--data", "noisy.csv", "--valid", "held.csv", "--epochs", "3"];
    args.extend(["-o", out, "--json", "--set", "train.optimizer.rate=0.01"]);
    sets.iter().for_each(|set| args.extend(["--set", set]));
    jsonl(&bench.ok(&[&args[..], SMALL].concat()).stdout).pop().unwrap()
}

#[test]
fn probabilities_are_calibrated_on_what_is_held_out() {
    let bench = Bench::new();
    bench.write("noisy.csv", noisy(0, 200));
    bench.write("held.csv", noisy(3, 100));
    let done = train_noisy(&bench, "runs/on", &[]);
    let off = train_noisy(&bench, "runs/off", &["train.calibrate=false"]);
    let t = done["metrics"]["temperature"].as_f64().unwrap();
    assert!(t != 1.0 && off["metrics"].get("temperature").is_none(), "{done}");
    assert_eq!(done["metrics"]["ece_uncalibrated"], off["metrics"]["ece"]);
    let eval = |run: &str| json(&bench.ok(&["eval", run, "held.csv", "--json"]).stdout);
    let (on, off) = (eval("runs/on"), eval("runs/off"));
    assert_eq!((&on["accuracy"], &on["confusion"]), (&off["accuracy"], &off["confusion"]));
    assert!(on["loss"].as_f64() < off["loss"].as_f64(), "{on} {off}");
    assert_eq!(on["loss"], done["metrics"]["loss"], "it is measured as in training");

    let positive = |run: &str| {
        let line = json(&bench.run_with(&["predict", run, "--json"], "a good film\n").stdout);
        line["probabilities"]["pos"].as_f64().unwrap()
    };
    let p = positive("runs/off");
    let (yes, no) = (p.powf(1.0 / t), (1.0 - p).powf(1.0 / t));
    assert!((positive("runs/on") - yes / (yes + no)).abs() < 1e-6, "{t} {p}");
    // The network's own outputs stay as they are: arrays in, arrays out.
    bench.ok(&["predict", "runs/on", "held.csv", "-o", "text.npy", "-q"]);

    bench.write("only.csv", noisy(0, 40));
    let args = [
        "train",
        "--task",
        "classify",
        "--data",
        "only.csv",
        "--set",
        "train.calibrate=true",
        "-o",
        "runs/x",
    ];
    bench.write(
        "c.toml",
        "[task]\nkind = \"classify\"\n[data]\npath = \"only.csv\"\n[train]\nepochs = 1\ncalibrate = true\n",
    );
    let run = bench.run(&["train", "c.toml"]);
    assert!(
        run.code == Some(2) && run.stderr.contains("c.toml, line 7: `train.calibrate` is true, but nothing"),
        "{}",
        run.stderr
    );
    bench.ok(&[&args[..], &["--epochs", "1", "-q"]].concat());
}

#[test]
fn a_report_for_each_class() {
    let bench = Bench::new();
    bench.write("noisy.csv", noisy(0, 200));
    bench.write("held.csv", noisy(3, 100));
    train_noisy(&bench, "runs/a", &["train.metrics=[\"f1\"]"]);
    let eval = json(&bench.ok(&["eval", "runs/a", "held.csv", "--json"]).stdout);
    let confusion: Vec<Vec<u64>> = serde_json::from_value(eval["confusion"].clone()).unwrap();
    let right = (confusion[0][0] + confusion[1][1]) as f64;
    assert_eq!(eval["accuracy"].as_f64().unwrap(), right / 100.0);
    assert_eq!(confusion.iter().flatten().sum::<u64>(), 100);
    for (class, name) in ["neg", "pos"].iter().enumerate() {
        let report = &eval["classes"][class];
        let support: u64 = confusion[class].iter().sum();
        assert_eq!((report["label"].as_str(), report["support"].as_u64()), (Some(*name), Some(support)));
        let recall = confusion[class][class] as f64 / support as f64;
        assert!((report["recall"].as_f64().unwrap() - recall).abs() < 1e-12);
    }
    // Of two classes the metric is that of class 1.
    assert!((eval["f1"].as_f64().unwrap() - eval["classes"][1]["f1"].as_f64().unwrap()).abs() < 1e-12);
    assert!((eval["weighted"]["recall"].as_f64().unwrap() - right / 100.0).abs() < 1e-12);
    assert!(eval["ece"].is_f64() && eval["macro"]["f1"].is_f64());
    let text = bench.ok(&["eval", "runs/a", "held.csv"]).stdout;
    let (neg, pos) = (&confusion[0], &confusion[1]);
    assert!(text.contains("\nweighted mean") && text.contains("\nactual, taken for  neg  pos\n"), "{text}");
    let matrix: Vec<Vec<&str>> =
        text.lines().rev().take(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(matrix[1], ["neg", &neg[0].to_string(), &neg[1].to_string()]);
    assert_eq!(matrix[0], ["pos", &pos[0].to_string(), &pos[1].to_string()]);
}

#[test]
fn weights_of_classes() {
    let bench = Bench::new();
    bench.write("noisy.csv", noisy(0, 200));
    bench.write("held.csv", noisy(3, 100));
    let table = noisy(0, 200);
    let of = |label: &str| table.lines().filter(|line| line.ends_with(label)).count() as f64;
    let given = format!("train.class_weights={{ neg = {}, pos = {} }}", 100.0 / of("neg"), 100.0 / of("pos"));
    let loss = |out: &str, sets: &[&str]| {
        let recall =
            |done: Value| (done["metrics"]["loss"].clone(), done["metrics"]["recall"].as_f64().unwrap());
        recall(train_noisy(
            &bench,
            out,
            &[sets, &["train.calibrate=false", "train.metrics=[\"recall\"]"]].concat(),
        ))
    };
    let (plain, balanced) =
        (loss("runs/plain", &[]), loss("runs/balanced", &["train.class_weights=balanced"]));
    assert_eq!(loss("runs/given", &[&given]), balanced, "as many as the labels say");
    assert_ne!(plain.0, balanced.0);
    let heavy = loss("runs/heavy", &["train.class_weights.pos=50"]);
    assert_eq!(heavy.1, 1.0, "to miss the heavy class costs more than everything else");
    assert!(plain.1 < 1.0, "{plain:?}");
    let card = std::fs::read_to_string(bench.path("runs/heavy/README.md")).unwrap();
    assert!(card.contains("neg 1, pos 50"), "{card}");

    for (sets, words) in [
        (
            &["train.class_weights={ poz = 2.0 }"][..],
            "names `poz`, which is no class (did you mean `pos`?): there are `neg`, `pos`",
        ),
        (&["train.class_weights={ x = 2.0 }"], "names `x`, which is no class: there are"),
        (&["train.class_weights={ pos = 0 }"], "`train.class_weights.pos` is 0, but must be above 0"),
        (&["train.class_weights=balance"], "expected \"balanced\" or a table of classes"),
        (&["train.class_weights={ pos = \"two\" }"], "`train.class_weights.pos`: expected a number"),
    ] {
        let mut args = vec!["train", "--task", "classify", "--data", "noisy.csv", "-o", "runs/x"];
        sets.iter().for_each(|set| args.extend(["--set", set]));
        let run = bench.run(&args);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

/// The pool that the template shows, taken in, and each kind of it.
#[test]
fn documents_are_pooled_as_the_config_says() {
    let bench = Bench::new();
    let template = bench.ok(&["new", "classify"]).stdout;
    assert!(template.contains("#   pooling = \"max\""), "{template}");
    let shown = ["#   [[layer]]", "#   type = \"pool\"", "#   pooling = "];
    let pooled = shown.iter().fold(template.clone(), |text, line| text.replace(line, &line[4..]));
    let mut losses = vec![];
    for pooling in ["state", "max", "mean", "last"] {
        let config = match pooling {
            "state" => template.clone(),
            _ => pooled.replace("pooling = \"max\"", &format!("pooling = \"{pooling}\"")),
        };
        bench.write(&format!("{pooling}.toml"), config);
        let file = format!("{pooling}.toml");
        let args = [
            "train",
            &file,
            "--data",
            "reviews.csv",
            "-o",
            &format!("runs/{pooling}"),
            "--epochs",
            "1",
            "--json",
        ];
        let done = jsonl(&bench.ok(&[&args[..], SMALL].concat()).stdout).pop().unwrap();
        losses.push(done["metrics"]["loss"].as_f64().unwrap());
        let model = json(&bench.ok(&["inspect", &format!("runs/{pooling}"), "--json"]).stdout);
        let kinds: Vec<_> =
            model["layers"].as_array().unwrap().iter().map(|layer| layer["type"].clone()).collect();
        assert_eq!(kinds.contains(&"pool".into()), pooling != "state", "{kinds:?}");
    }
    assert!(losses[0] != losses[1] && losses[1] != losses[2] && losses[2] != losses[3], "{losses:?}");
}

#[test]
fn labels_may_end_lines_of_different_lengths() {
    let bench = Bench::new();
    let sentence = "Lee\tnoun\tB-PER\nsaw\tverb\tpast\tO\nSeoul\tB-LOC\n\n";
    bench.write("m.conll", sentence.repeat(20));
    let train = ["train", "--task", "tag", "--data", "m.conll", "--epochs", "1", "-o", "r"];
    let run = bench.run(&train);
    assert!(run.code == Some(1) && run.stderr.contains("data.label = \"last\""), "{}", run.stderr);
    let run = bench.ok(&[&train[..], &["--set", "data.label=last"]].concat());
    assert!(run.stderr.contains("labels in the last column"), "{}", run.stderr);
    let eval = json(&bench.ok(&["eval", "r", "m.conll", "--json"]).stdout);
    assert_eq!(eval["classes"].as_array().unwrap().len(), 3, "{eval}");
    assert_eq!(bench.ok(&["predict", "r", "m.conll"]).stdout.lines().next().unwrap().split('\t').count(), 2);
}
