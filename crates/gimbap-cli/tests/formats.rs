//! Files that people have, from the file as it comes to a prediction, and what was read of them.

mod common;

use common::{Bench, json, jsonl};

const CLASSIFY: &[&str] =
    &["train", "--task", "classify", "--epochs", "1", "--force", "-o", "runs/c", "--data"];
/// A small network of an embedding and a cell, and one of a cell alone.
const TEXTS: &[&str] = &["--set", "layer.0.units=4", "--set", "layer.1.units=4"];
const NUMBERS: &[&str] = &["--set", "layer.0.units=4"];

/// Trains, and gives back the line that says how the data was read.
fn told(bench: &Bench, args: &[&[&str]]) -> String {
    let run = bench.ok(&args.concat());
    let line = run.stderr.lines().find_map(|line| line.strip_prefix("read as: "));
    line.unwrap_or_default().to_owned()
}

/// What is predicted for a file: of each record this key.
fn predicted(bench: &Bench, file: &str, key: &str) -> Vec<String> {
    let lines = jsonl(&bench.ok(&["predict", "runs/c", file, "--json", "-q"]).stdout);
    lines.iter().map(|line| line[key].as_str().unwrap().to_owned()).collect()
}

fn count(bench: &Bench, file: &str) -> u64 {
    json(&bench.ok(&["eval", "runs/c", file, "--json", "-q"]).stdout)["sequences"].as_u64().unwrap()
}

#[test]
fn labelled_texts() {
    let bench = Bench::new();
    let pairs = |line: fn(&str, &str) -> String| -> String {
        (0..20)
            .map(|i| line(["pos", "neg"][i % 2], &format!("{} {i}", ["a good film", "a bad one"][i % 2])))
            .collect()
    };
    for (name, content, form) in [
        ("ft.train", pairs(|label, text| format!("__label__{label} {text}\n")), "fastText lines, 2 labels"),
        (
            "first.txt",
            pairs(|label, text| format!("{label} {text}\n")),
            "lines of a label and a text, 2 labels",
        ),
        (
            "o.jsonl",
            pairs(|label, text| format!("{{\"text\": \"{text}\", \"label\": \"{label}\"}}\n")),
            "JSON objects, 2 labels",
        ),
        (
            "bare.tsv",
            pairs(|label, text| format!("{text}\t{label}\n")),
            "a table without a header, texts in column 1, labels in column 2, 2 labels",
        ),
    ] {
        bench.write(name, content);
        assert_eq!(told(&bench, &[CLASSIFY, &[name], TEXTS]), form);
        assert_eq!(count(&bench, name), 20, "{name}: no example is lost");
        let texts = predicted(&bench, name, "text");
        assert_eq!(
            (texts.len(), texts[0].as_str(), texts[1].as_str()),
            (20, "a good film 0", "a bad one 1"),
            "{name}"
        );
    }
    // The last one trained on has no header, and says so in its config.
    let config = std::fs::read_to_string(bench.path("runs/c/config.toml")).unwrap();
    assert!(config.contains("header = false") && config.contains("text = \"1\""), "{config}");
    assert_eq!(bench.run_with(&["predict", "runs/c"], "a good film\n").stdout.lines().count(), 1);

    bench.write("three.csv", "3,Wall St.,bears\n1,Oil,up\n".repeat(10));
    let run = bench.run(&[CLASSIFY, &["three.csv"]].concat());
    assert!(run.code == Some(1) && run.stderr.contains("`data.header = false`"), "{}", run.stderr);
    let columns = ["--set", "data.header=false", "--set", "data.text=3", "--set", "data.label=1"];
    told(&bench, &[CLASSIFY, &["three.csv"], &columns, TEXTS]);
    assert_eq!(count(&bench, "three.csv"), 20);
}

#[test]
fn labelled_sequences() {
    let bench = Bench::new();
    let rows = |separator: &str, last: bool| -> String {
        let row = |i: usize| {
            let label = (1 + i % 2).to_string();
            let mut cells: Vec<String> =
                (0..6).map(|t| format!("{}", (i % 2 * 2) as f64 * t as f64 - 1.5)).collect();
            cells.insert(if last { cells.len() } else { 0 }, label);
            cells.join(separator) + "\n"
        };
        (0..20).map(row).collect()
    };
    let ts = "@problemName p\n@classLabel true 1 2\n@data\n".to_owned()
        + &rows(",", true)
            .lines()
            .map(|line| line.rsplit_once(',').unwrap())
            .map(|(x, y)| format!("{x}:{y}\n"))
            .collect::<String>();
    let arff = "@relation r\n@attribute a numeric\n@attribute y {1,2}\n@data\n".to_owned() + &rows(",", true);
    let wide = "label,a,b,c,d,e,f\n".to_owned() + &rows(",", false);
    for (name, content, form) in [
        ("u_TRAIN.tsv", rows("\t", false), "a sequence a row without a header, labels in column 1, 2 labels"),
        ("w.csv", wide, "a sequence a row, labels in column `label`, 2 labels"),
        ("p.ts", ts, ""),
        ("r.arff", arff, ""),
    ] {
        bench.write(name, content);
        assert_eq!(
            told(&bench, &[CLASSIFY, &[name], NUMBERS, &["--set", "layer.+={type=\"dropout\", rate=0.1}"]]),
            form,
            "{name}"
        );
        assert_eq!(count(&bench, name), 20, "{name}");
        assert_eq!(predicted(&bench, name, "id")[..2], ["1", "2"], "{name}");
    }
}

#[test]
fn one_sequence_and_standard_input_are_predicted() {
    let bench = Bench::new();
    let columns = ["--set", "data.id=id", "--set", "data.value=[\"x\", \"y\"]", "-q"];
    told(&bench, &[CLASSIFY, &["gestures.csv"], &columns, NUMBERS]);
    let one = "id,time,x,y\nonly,0,1,0.5\nonly,1,2,0.5\n";
    bench.write("one.csv", one);
    assert_eq!(predicted(&bench, "one.csv", "id"), ["only"]);
    let said = bench.run_with(&["predict", "runs/c"], one);
    assert_eq!((said.code, said.stdout.lines().count()), (Some(0), 1), "{}", said.stderr);
    assert_eq!(said.stdout, bench.ok(&["predict", "runs/c", "one.csv"]).stdout);
}

#[test]
fn a_text_needs_no_task_and_may_be_a_zip() {
    let bench = Bench::new();
    let size =
        ["--set", "layer.0.units=4", "--set", "layer.1.units=4", "--set", "layer.2.units=4", "--epochs", "1"];
    let form = told(&bench, &[&["train", "text.txt", "-o", "runs/t"], &size]);
    assert_eq!(form, "text.txt is a text for a language model");
    let run = bench.run(&["train", "reviews.csv"]);
    let words = "reviews.csv is data, where a config is expected: `gimbap train --task classify|forecast --data reviews.csv`";
    assert!(run.code == Some(2) && run.stderr.contains(words), "{}", run.stderr);
}

#[test]
fn tokens_of_conll_u_are_not_their_numbers() {
    let bench = Bench::new();
    let text = "# text = Ana saw\n1\tAna\tana\tPROPN\tNNP\t_\t2\tnsubj\t_\t_\n2\tsaw\tsee\tVERB\tVBD\t_\t0\troot\t_\tSpaceAfter=No\n\n";
    bench.write("u.conllu", text.repeat(20));
    let size = ["--set", "layer.0.units=4", "--set", "layer.2.layer.units=4"];
    let train = ["train", "--task", "tag", "--data", "u.conllu", "--epochs", "1", "-o", "runs/u", "--force"];
    let form =
        "CoNLL-U, tokens in column 2 (FORM), labels in column 4 (UPOS), comments passed over, 2 labels";
    assert_eq!(told(&bench, &[&train, &size]), form);
    bench.write("new.conllu", text);
    let tagged = json(&bench.ok(&["predict", "runs/u", "new.conllu", "--json"]).stdout);
    assert_eq!(tagged["tokens"], serde_json::json!(["Ana", "saw"]));
    told(&bench, &[&train, &size, &["--set", "data.label=xpos"]]);
    let eval = json(&bench.ok(&["eval", "runs/u", "new.conllu", "--json"]).stdout);
    assert_eq!(eval["classes"][0]["label"], "NNP", "the model keeps its column");
}

#[test]
fn a_report_of_many_classes_has_the_worst_and_the_best() {
    let bench = Bench::new();
    let rows: String = (0..240).map(|i| format!("word{},c{:02}\n", i % 60, i % 60)).collect();
    bench.write("many.csv", format!("text,label\n{rows}"));
    told(&bench, &[CLASSIFY, &["many.csv"], TEXTS, &["-q"]]);
    let eval =
        |more: &[&str]| json(&bench.ok(&[&["eval", "runs/c", "many.csv", "--json"], more].concat()).stdout);
    let short = eval(&[]);
    assert_eq!(
        (short["classes"].as_array().unwrap().len(), short["classes_in_all"].as_u64()),
        (20, Some(60))
    );
    assert!(short.get("confusion").is_none());
    let f1: Vec<f64> =
        short["classes"].as_array().unwrap().iter().map(|class| class["f1"].as_f64().unwrap()).collect();
    assert!(f1.is_sorted(), "{f1:?}");
    let full = eval(&["--full"]);
    assert_eq!(full["classes"].as_array().unwrap().len(), 60);
    let pairs = full["confusion"].as_array().unwrap();
    assert_eq!(pairs.iter().map(|pair| pair["count"].as_u64().unwrap()).sum::<u64>(), 240);
    assert!(bench.ok(&["eval", "runs/c", "many.csv"]).stdout.contains(".. 40 more (--full)"));
}

#[test]
fn a_folder_for_each_class_is_trained_measured_and_predicted() {
    let bench = Bench::new();
    for (class, word) in [("neg", "dull"), ("pos", "fine")] {
        std::fs::create_dir_all(bench.path("data").join(class)).unwrap();
        for i in 0..20 {
            bench.write(&format!("data/{class}/{i}.txt"), format!("a {word} film\nnumber {i}\n"));
        }
    }
    let small = ["--set", "layer.0.units=3", "--set", "layer.1.units=3", "--epochs", "1"];
    let train = ["train", "--task", "classify", "--data", "data", "-o", "r"];
    let told = bench.ok(&[&train[..], &small].concat()).stderr;
    assert!(told.contains("read as: a folder for each label, a text a file, 2 labels"), "{told}");
    let figures = json(&bench.ok(&["eval", "r", "data", "--json"]).stdout);
    assert_eq!(figures["sequences"], 40);
    assert_eq!(bench.ok(&["predict", "r", "data"]).stdout.lines().count(), 40);
    // Other files are another set of data, which a run is not resumed with.
    bench.write("data/neg/0.txt", "another film\n");
    let run = bench.run(&["train", "--resume", "-o", "r", "--epochs", "2"]);
    assert!(run.code != Some(0) && run.stderr.contains("data.path"), "{}", run.stderr);
    bench.write("none.json", "[]\n");
    let run = bench.run(&["train", "--task", "classify", "--data", "none.json", "-o", "q"]);
    assert!(run.code == Some(1) && run.stderr.contains("none.json: it holds no example"), "{}", run.stderr);
}
