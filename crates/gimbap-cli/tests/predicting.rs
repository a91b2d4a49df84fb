//! What `predict` writes: numbers in full where machines read them, one line for each record where people do.

mod common;

use common::{Bench, SMALL, json, jsonl, small_lm};
use serde_json::Value;

fn classifier() -> Bench {
    let bench = Bench::new();
    let args =
        ["train", "--task", "classify", "--data", "reviews.csv", "--epochs", "2", "-o", "runs/c", "-q"];
    bench.ok(&[&args[..], SMALL].concat());
    bench
}

fn read(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path(name)).unwrap()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

#[test]
fn probabilities_in_files_are_those_of_the_model() {
    let bench = classifier();
    bench.ok(&small_lm("runs/a", &["-q"]));
    bench.write("in.txt", "a good film\na bad film\na dull number\n");
    for run in ["runs/c", "runs/a"] {
        let exact: Vec<f64> = jsonl(&bench.ok(&["predict", run, "in.txt", "--json"]).stdout)
            .iter()
            .map(|line| line["probability"].as_f64().unwrap())
            .collect();
        bench.ok(&["predict", run, "in.txt", "-o", "out.csv", "-q"]);
        bench.ok(&["predict", run, "in.txt", "-o", "out.txt", "-q"]);
        for (name, mark, skip) in [("out.csv", ',', 1), ("out.txt", '\t', 0)] {
            let text = read(&bench, name);
            let column = |line: &str| number(line.split(mark).nth(1).unwrap());
            let found: Vec<f64> = text.lines().skip(skip).map(column).collect();
            assert_eq!(found, exact, "{run} {name}");
        }
        let said = bench.ok(&["predict", run, "in.txt"]).stdout;
        let rounded: Vec<String> = exact.iter().map(|p| format!("{p:.4}")).collect();
        let found: Vec<&str> = said.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
        assert_eq!(found, rounded, "people read four decimals");
    }
}

#[test]
fn values_in_files_are_those_of_the_model() {
    let bench = Bench::new();
    let data = ["--task", "forecast", "--data", "flow.csv", "-o", "runs/f", "--epochs", "1", "-q"];
    bench.ok(&[&["train"][..], &data, &["--set", "layer.0.units=4"]].concat());
    let exact: Vec<Value> = jsonl(&bench.ok(&["predict", "runs/f", "flow.csv", "--json"]).stdout);
    bench.ok(&["predict", "runs/f", "flow.csv", "-o", "out.csv", "-q"]);
    let text = read(&bench, "out.csv");
    let (header, lines) = text.split_once('\n').unwrap();
    let name = header.strip_prefix("step,time,").unwrap();
    assert_eq!(lines.lines().count(), exact.len());
    for (line, exact) in lines.lines().zip(&exact) {
        let [step, time, value] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!(
            (step, time, number(value)),
            (
                &*exact["step"].to_string(),
                exact["time"].as_str().unwrap(),
                exact["values"][name].as_f64().unwrap()
            )
        );
    }
}

#[test]
fn probabilities_of_tags_in_files_are_those_of_the_model() {
    let bench = Bench::new();
    bench.write(
        "names.conll",
        "the O\nold O\nLee B-PER\nsleeps O\n\nthe O\nPark B-LOC\nburns O\n\n".repeat(20),
    );
    let args = ["train", "--task", "tag", "--data", "names.conll", "--epochs", "1", "-o", "runs/t", "-q"];
    bench.ok(&[&args[..], &["--set", "layer.0.units=4", "--set", "layer.2.layer.units=4"]].concat());
    bench.write("in.txt", "the old Lee burns\n");
    let exact = json(&bench.ok(&["predict", "runs/t", "in.txt", "--json"]).stdout);
    bench.ok(&["predict", "runs/t", "in.txt", "-o", "out.csv", "-q"]);
    let text = read(&bench, "out.csv");
    let found: Vec<f32> =
        text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
    let probability = |p: &Value| p.as_f64().unwrap() as f32;
    let exact: Vec<f32> = exact["probabilities"].as_array().unwrap().iter().map(probability).collect();
    assert_eq!(found, exact);
}

#[test]
fn a_record_is_one_line_whatever_its_text_holds() {
    let bench = classifier();
    bench.write("in.jsonl", "{\"text\": \"a good,\\twarm\\r\\nfilm\"}\n{\"text\": \"a bad film\"}\n");
    let said = bench.ok(&["predict", "runs/c", "in.jsonl"]).stdout;
    bench.ok(&["predict", "runs/c", "in.jsonl", "-o", "out.txt", "-q"]);
    for text in [said, read(&bench, "out.txt")] {
        let rows: Vec<Vec<&str>> =
            text.split_terminator('\n').map(|line| line.split('\t').collect()).collect();
        assert!(rows.len() == 2 && rows.iter().all(|row| row.len() == 3), "{text:?}");
        assert_eq!((rows[0][2], rows[1][2]), ("a good, warm  film", "a bad film"));
    }
    // The forms that can hold it keep it.
    bench.ok(&["predict", "runs/c", "in.jsonl", "-o", "out.csv", "-q"]);
    assert!(read(&bench, "out.csv").contains("\"a good,\twarm\r\nfilm\""));
    let exact = jsonl(&bench.ok(&["predict", "runs/c", "in.jsonl", "--json"]).stdout);
    assert_eq!(exact[0]["text"], "a good,\twarm\r\nfilm");
}

#[test]
fn texts_of_unknown_words_alone_are_told_of() {
    let bench = classifier();
    bench.write("in.txt", "a bad film\nqq zz xx\na zz film\n\n");
    let run = bench.ok(&["predict", "runs/c", "in.txt"]);
    assert!(run.stderr.contains("2 of 4 records have no known token"), "{}", run.stderr);
    assert_eq!(bench.ok(&["predict", "runs/c", "in.txt", "-q"]).stderr, "");
    let lines = jsonl(&bench.ok(&["predict", "runs/c", "in.txt", "--json"]).stdout);
    let unknown: Vec<u64> = lines.iter().map(|line| line["unknown"].as_u64().unwrap()).collect();
    assert_eq!(unknown, [0, 3, 1, 0]);
    bench.write("known.txt", "a bad film\n");
    assert_eq!(bench.ok(&["predict", "runs/c", "known.txt"]).stderr, "");
    // Sequences of numbers have no tokens.
    let data =
        ["train", "--task", "classify", "--data", "gestures.csv", "--epochs", "1", "-o", "runs/g", "-q"];
    let columns = ["--set", "data.id=id", "--set", "data.value=[\"x\", \"y\"]"];
    bench.ok(&[&data[..], &columns].concat());
    let lines = jsonl(&bench.ok(&["predict", "runs/g", "gestures.csv", "--json"]).stdout);
    assert!(lines.iter().all(|line| line.get("unknown").is_none()), "{}", lines[0]);
}

/// The file was gathered in memory, and written at the end.
#[test]
fn a_file_is_written_as_it_comes_and_is_there_once_it_is_whole() {
    let bench = classifier();
    // More than are predicted together.
    let lines: String = (0..700).map(|i| format!("a good film {i}\n")).collect();
    bench.write("in.txt", &lines);
    bench.ok(&["predict", "runs/c", "in.txt", "-o", "out.npy", "-q"]);
    let bytes = std::fs::read(bench.path("out.npy")).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..128]).contains("'shape': (700, 2), "));
    assert_eq!(bytes.len(), 128 + 4 * 700 * 2);
    let numbers: Vec<f32> =
        bytes[128..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let told = jsonl(&bench.ok(&["predict", "runs/c", "in.txt", "--json"]).stdout);
    for (row, told) in numbers.chunks(2).zip(&told) {
        assert_eq!(f64::from(row[0]) as f32, told["probabilities"]["neg"].as_f64().unwrap() as f32);
    }
    for name in ["out.csv", "out.jsonl", "out.txt"] {
        bench.ok(&["predict", "runs/c", "in.txt", "-o", name, "-q"]);
        assert_eq!(read(&bench, name).lines().count(), 700 + usize::from(name == "out.csv"), "{name}");
    }
    let before = bench.files();
    bench.write("cut.txt", [lines.as_bytes(), b"\xff\n"].concat());
    for name in ["out.npy", "out.csv", "new.csv"] {
        let kept = std::fs::read(bench.path(name)).ok();
        let run = bench.run(&["predict", "runs/c", "cut.txt", "-o", name]);
        assert!(run.code == Some(1) && run.stderr.contains("line 701"), "{}", run.stderr);
        assert_eq!(std::fs::read(bench.path(name)).ok(), kept, "{name}");
    }
    assert_eq!(bench.files().len(), before.len() + 1, "nothing is left beside the input");
    let run = bench.run(&["predict", "runs/c", "in.txt", "-o", "no/such/out.csv"]);
    assert!(run.code == Some(1) && run.stderr.contains("no/such/out.csv"), "{}", run.stderr);
}

/// Of a table by another name, the line of names was a text, and labels were words.
#[test]
fn a_table_is_one_whatever_its_name() {
    let bench = Bench::new();
    let rows = |i: usize| format!("{i}\t{}\t{}\n", ["a fine film", "a dull film"][i % 2], i % 2);
    let table = "id\tdocument\tlabel\n".to_owned() + &(0..40).map(rows).collect::<String>();
    bench.write("train.txt", &table);
    bench.write("same.tsv", &table);
    let small = ["--set", "layer.0.units=3", "--set", "layer.1.units=3", "-q"];
    bench.ok(&[
        &["train", "--task", "classify", "--data", "train.txt", "-o", "r", "--epochs", "1"][..],
        &small,
    ]
    .concat());
    let expected = bench.ok(&["predict", "r", "same.tsv"]).stdout;
    assert_eq!(expected.lines().count(), 40);
    assert_eq!(bench.ok(&["predict", "r", "train.txt"]).stdout, expected);
    assert_eq!(bench.run_with(&["predict", "r"], &table).stdout, expected);
    // Lines are lines.
    let lines = bench.run_with(&["predict", "r", "-"], "a fine film\na film, and a document\n").stdout;
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn predictions_do_not_replace_what_is_read() {
    let bench = Bench::new();
    bench.write("x.csv", "text,label\na,x\nb,y\na,x\nb,y\na,x\nb,y\n");
    bench.ok(&["train", "--task", "classify", "--data", "x.csv", "-o", "r", "--epochs", "1", "-q"]);
    let before = std::fs::read(bench.path("x.csv")).unwrap();
    let run = bench.run(&["predict", "r", "x.csv", "-o", "./x.csv"]);
    assert!(run.code == Some(2) && run.stderr.contains("is what is read"), "{}", run.stderr);
    assert_eq!(std::fs::read(bench.path("x.csv")).unwrap(), before);
}

/// Only `.txt` was taken for a text; any other was a config with a mistake in it.
#[test]
fn what_is_no_config_is_a_text() {
    let bench = Bench::new();
    let text = "the sea is calm and the wind is low tonight .\n".repeat(40);
    for name in ["NOVEL.TXT", "novel.md", "novel", "novel.text"] {
        bench.write(name, &text);
        let run = bench.ok(&["train", name, "-o", "r", "--force", "--dry-run"]);
        assert!(run.stdout.contains("params"), "{name}: {} {}", run.stdout, run.stderr);
    }
    bench.write("a.toml", "novel");
    let run = bench.run(&["train", "a.toml"]);
    assert!(run.code == Some(2) && run.stderr.contains("a.toml"), "{}", run.stderr);
    bench.write("c.json", "[]");
    let run = bench.run(&["train", "c.json"]);
    assert!(run.stderr.contains("--task classify --data c.json"), "{}", run.stderr);
}
