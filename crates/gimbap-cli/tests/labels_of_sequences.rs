//! A number for each text or sequence, and several labels at once: from the file as it comes to a prediction.

mod common;

use common::{Bench, STEADY, json, jsonl, one_training_is_enough};

fn refused(bench: &Bench, args: &[&str], words: &[&str]) {
    let run = bench.run(args);
    assert_ne!(run.code, Some(0), "{args:?}");
    words.iter().for_each(|word| assert!(run.stderr.contains(word), "{args:?}: {}", run.stderr));
}

/// Texts whose number is how many of their words are `up`, less those that are `down`.
fn counted(rows: usize) -> Vec<(String, i64)> {
    let row = |i: usize| {
        let word = |k: usize| match (i * 7 + k * 5 + i * k) % 3 {
            0 => ("up", 1),
            1 => ("down", -1),
            _ => ("on", 0),
        };
        let words: Vec<_> = (0..3 + i % 4).map(word).collect();
        let text: Vec<&str> = words.iter().map(|word| word.0).collect();
        (text.join(" "), words.iter().map(|word| word.1).sum())
    };
    (0..rows).map(row).collect()
}

#[test]
fn a_number_for_each_text() {
    let bench = Bench::new();
    let rows = counted(300);
    // Far from 0 and 1: what the network gives is put back into the data's units.
    let csv: String = rows.iter().map(|(text, n)| format!("{text},{}\n", 500 + 100 * n)).collect();
    bench.write("n.csv", format!("text,label\n{csv}"));
    let train = ["train", "--task", "regress", "--data", "n.csv", "-o", "r", "--set", STEADY];
    let size = ["--set", "layer.0.units=6", "--set", "layer.1.units=12", "--epochs"];
    let epochs = if one_training_is_enough() { "1" } else { "30" };
    let run = bench.ok(&[&train[..], &size, &[epochs, "--json"]].concat());
    let last = jsonl(&run.stdout).pop().unwrap();
    let metrics = &last["metrics"];
    if one_training_is_enough() {
        return;
    }
    let figure = |of: &serde_json::Value, key: &str| of[key].as_f64().unwrap();
    assert!(figure(&metrics["mean"], "rmse") > 100.0, "{metrics}");
    assert!(figure(metrics, "rmse") < 30.0 && figure(metrics, "r2") > 0.95, "{metrics}");
    assert!(figure(metrics, "mae") <= figure(metrics, "rmse"), "{metrics}");

    let (most, least) =
        (rows.iter().max_by_key(|row| row.1).unwrap(), rows.iter().min_by_key(|row| row.1).unwrap());
    let answers = bench.run_with(&["predict", "r", "--json", "-q"], &format!("{}\n{}\n", most.0, least.0));
    for (answer, (_, n)) in jsonl(&answers.stdout).iter().zip([most, least]) {
        let wanted = 500.0 + 100.0 * *n as f64;
        assert!((figure(answer, "value") - wanted).abs() < 60.0, "{answer}, {wanted}");
    }
    bench.ok(&["predict", "r", "n.csv", "-o", "out.csv", "-q"]);
    let out = std::fs::read_to_string(bench.path("out.csv")).unwrap();
    assert_eq!((out.lines().next(), out.lines().count()), (Some("value,text"), 301));

    // The numbers before texts are no part of these.
    bench.write("lines.txt", "7 up down\n-1.5 on\n");
    let run = bench.ok(&["predict", "r", "lines.txt"]);
    assert!(run.stderr.contains("read as: lines of a number and a text"), "{}", run.stderr);
    let texts = run.stdout.lines().map(|line| line.split('\t').nth(1).unwrap());
    assert_eq!(texts.collect::<Vec<_>>(), ["up down", "on"]);

    // The figures of `eval` are those of the predictions.
    let first: f64 = out.lines().nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    bench.write("one.csv", format!("text,label\n{},{}\n", rows[0].0, first + 7.0));
    let figures = json(&bench.ok(&["eval", "r", "one.csv", "--json", "-q"]).stdout);
    assert!((figure(&figures, "mae") - 7.0).abs() < 1e-3 && figures["r2"].is_null(), "{figures}");

    let page = bench.ok(&["explain", "r", "--text", "up down on", "-o", "r.html"]);
    assert!(page.stdout.contains("figures in"), "{}", page.stdout);
    let told = bench.ok(&["inspect", "r"]).stdout;
    assert!(told.contains("a regression, a number for each sequence"), "{told}");
    refused(&bench, &["explain", "r", "--text", "up", "--label", "x", "-o", "r.html"], &["`x` is no number"]);
    bench.write("w.csv", "text,label\na,1\nb,two\n");
    refused(&bench, &["eval", "r", "w.csv"], &["line 3", "`two` is no finite number"]);
    refused(
        &bench,
        &["train", "--task", "regress", "--data", "n.csv", "--set", "data.separator=;"],
        &["data.separator"],
    );
    refused(
        &bench,
        &["train", "--task", "regress", "--data", "reviews.csv", "-o", "q"],
        &["`pos` is no finite number", "--task classify"],
    );
}

#[test]
fn a_number_for_each_sequence() {
    let bench = Bench::new();
    // The mean of a sequence, of a table with a row per step, of one with a row per sequence, and of a file of aeon's.
    let sequence =
        |i: usize| -> Vec<f64> { (0..6).map(|t| ((i * 37 + t * 11) % 20) as f64 / 10.0).collect() };
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mut long, mut wide, mut ts) = (
        "id,time,x,label\n".to_owned(),
        "label,t0,t1,t2,t3,t4,t5\n".to_owned(),
        "@targetLabel true\n@data\n".to_owned(),
    );
    for i in 0..60 {
        let x = sequence(i);
        let cells: Vec<String> = x.iter().map(f64::to_string).collect();
        x.iter()
            .enumerate()
            .for_each(|(t, x)| long.push_str(&format!("s{i},{t},{x},{}\n", mean(&sequence(i)))));
        wide.push_str(&format!("{},{}\n", mean(&x), cells.join(",")));
        ts.push_str(&format!("{}:{}\n", cells.join(","), mean(&x)));
    }
    for (name, content, more) in
        [("long.csv", long, &["--set", "data.value=[\"x\"]"][..]), ("wide.csv", wide, &[]), ("s.ts", ts, &[])]
    {
        bench.write(name, content);
        let train =
            ["train", "--task", "regress", "--data", name, "-o", "r", "--force", "--epochs", "2", "-q"];
        bench.ok(&[&train[..], &["--set", "layer.0.units=4", "--json"], more].concat());
        let figures = json(&bench.ok(&["eval", "r", name, "--json", "-q"]).stdout);
        assert_eq!(figures["sequences"].as_u64(), Some(60), "{name}");
        let answers = jsonl(&bench.ok(&["predict", "r", name, "--json", "-q"]).stdout);
        assert!(answers.len() == 60 && answers.iter().all(|a| a["value"].is_f64()), "{name}");
    }
    refused(
        &bench,
        &["train", "--task", "classify", "--data", "s.ts", "-o", "c"],
        &["line 1", "--task regress"],
    );
}

#[test]
fn several_labels_of_a_text() {
    let bench = Bench::new();
    // Each of three words brings a label of its own, and they come together as they like.
    let names = ["sea", "mountain", "town"];
    let row = |i: usize| {
        let there: Vec<usize> = (0..3).filter(|k| (i * 5 + i / 7) >> k & 1 == 1).collect();
        let words: Vec<String> = there.iter().map(|&k| format!("a {} here", names[k])).collect();
        let labels: Vec<&str> = there.iter().map(|&k| ["blue", "high", "loud"][k]).collect();
        (format!("we saw {} today", words.join(" and ")), labels)
    };
    let rows: Vec<_> = (0..240).map(row).collect();
    let csv: String = rows.iter().map(|(text, labels)| format!("{text},{}\n", labels.join(";"))).collect();
    bench.write("m.csv", format!("text,label\n{csv}"));
    let some = rows.iter().filter(|(_, labels)| !labels.is_empty());
    let lines: String = some
        .map(|(text, labels)| {
            let labels: String = labels.iter().map(|label| format!("__label__{label} ")).collect();
            format!("{labels}{text}\n")
        })
        .collect();
    bench.write("m.txt", lines);
    let objects: String = rows
        .iter()
        .map(|(text, labels)| format!("{}\n", serde_json::json!({"text": text, "label": labels})))
        .collect();
    bench.write("m.jsonl", objects);
    let size =
        ["--set", "layer.0.units=6", "--set", "layer.1.units=12", "--set", STEADY, "--force", "-o", "m"];
    let train = |data: &'static str, separator: &'static str, epochs: &'static str| {
        let base =
            ["train", "--task", "classify", "--data", data, "--set", separator, "--epochs", epochs, "--json"];
        jsonl(&bench.ok(&[&base[..], &size].concat()).stdout).pop().unwrap()["metrics"].clone()
    };
    train("m.txt", "data.separator=\" \"", "1");
    let metrics = train("m.jsonl", "data.separator=|", "1");
    assert_eq!(metrics["sequences"].as_u64(), Some(48), "{metrics}");
    if one_training_is_enough() {
        return;
    }
    let metrics = train("m.csv", "data.separator=;", "25");
    let figure = |of: &serde_json::Value, key: &str| of[key].as_f64().unwrap();
    assert!(figure(&metrics["usual"], "exact") < 0.4, "{metrics}");
    assert!(figure(&metrics, "exact") > 0.9 && figure(&metrics, "f1") > 0.95, "{metrics}");

    let asked = "we saw a sea here and a town here today\nwe saw today\n";
    let answers = jsonl(&bench.run_with(&["predict", "m", "--json", "-q"], asked).stdout);
    assert_eq!(answers[0]["labels"], serde_json::json!(["blue", "loud"]));
    assert_eq!(answers[1]["labels"], serde_json::json!([]));
    let lines = bench.run_with(&["predict", "m", "-q"], asked).stdout;
    assert!(lines.starts_with("blue;loud\twe saw a sea"), "{lines}");
    let report = bench.ok(&["eval", "m", "m.csv", "--json", "-q"]);
    let report = json(&report.stdout);
    assert_eq!(report["classes"].as_array().unwrap().len(), 3);
    assert!(figure(&report["micro"], "f1") > 0.95, "{report}");
    bench.ok(&["explain", "m", "--text", "we saw a town here", "-o", "m.html"]);

    bench.write("w.csv", "text,label\na,blue;green\n");
    refused(&bench, &["eval", "m", "w.csv"], &["line 2", "the label `green` is not a class"]);
    refused(
        &bench,
        &["explain", "m", "--text", "sea", "--label", "green", "-o", "m.html"],
        &["no label `green`"],
    );
    let single = ["train", "--task", "classify", "--data", "m.txt", "-o", "s"];
    refused(&bench, &single, &["it has several labels", "data.separator"]);
    let weights = ["--set", "data.separator= ", "--set", "train.class_weights=balanced"];
    refused(&bench, &[&single[..], &weights].concat(), &["train.class_weights"]);
}
