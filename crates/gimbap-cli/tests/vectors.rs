//! Word vectors from end to end: `neighbors`, `analogy`, `map`, and `convert` to a file of vectors.

mod common;

use common::{Bench, json, jsonl, small_lm};

/// Kings and queens on a grid: the first number is the rank, the second the sex.
const COURT: &str = "king 2 -1 0\nqueen 2 1 0\nman 0.5 -1 0\nwoman 0.5 1 0\ncastle 1 0 3\nhut -1 0 3\n";

fn court() -> Bench {
    let bench = Bench::new();
    bench.write("court.txt", COURT);
    bench.write(
        "questions.txt",
        ": family\nMan Woman King Queen\nman woman boy girl\n: gram8-plural\nhut castle man queen\n",
    );
    bench
}

/// The command must fail with this code and kind and say all of these words, and leave no file behind.
fn refused(bench: &Bench, args: &[&str], code: i32, kind: &str, words: &[&str]) {
    let before = bench.files();
    let run = bench.run(&[args, &["--json"]].concat());
    let error = &json(&run.stdout)["error"];
    assert_eq!((run.code, error["kind"].as_str()), (Some(code), Some(kind)), "{args:?}: {error}");
    let message = error["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    let run = bench.run(args);
    assert!(run.stdout.is_empty() && run.stderr.contains("error: "), "{}{}", run.stdout, run.stderr);
    assert_eq!(bench.files(), before, "something was left");
}

fn lm_of_words<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    small_lm(out, &[&["--set", "data.unit=word", "-q"][..], more].concat())
}

#[test]
fn neighbors_of_words_in_a_file() {
    let bench = court();
    let near = jsonl(&bench.ok(&["neighbors", "court.txt", "king", "-n", "2", "--json"]).stdout);
    assert_eq!(near.len(), 2);
    assert_eq!((near[0]["word"].as_str(), near[0]["of"].as_str()), (Some("man"), Some("king")));
    // (2, -1) (0.5, -1) / (|..| |..|)
    let cosine = 2.0 / (5.0f64 * 1.25).sqrt();
    assert!((near[0]["cosine"].as_f64().unwrap() - cosine).abs() < 1e-6, "{}", near[0]);
    let both = bench.ok(&["neighbors", "court.txt", "king", "hut", "-n", "1"]).stdout;
    assert_eq!(both, "king  cosine\nman   0.8000\n\nhut     cosine\ncastle  0.8000\n");
    let all = jsonl(&bench.ok(&["neighbors", "court.txt", "king", "--json"]).stdout);
    assert_eq!(all.len(), 5, "every word but itself");
}

#[test]
fn analogies_of_words_in_a_file() {
    let bench = court();
    let answers: Vec<_> = [
        &["king", "-", "man", "+", "woman"][..],
        &["king - man + woman"],
        &["king", "man", "woman"],
        &["woman", "+", "king", "-", "man", "-n", "10"],
        &["king", "-man", "+woman"],
        &["king -man", "+woman"],
        &["-man", "+king", "+woman", "-n", "10"],
        &["-n10", "king", "-man", "--threads", "1", "+woman", "-q"],
    ]
    .iter()
    .map(|terms| bench.ok(&[&["analogy", "court.txt", "--json"][..], terms].concat()).stdout)
    .collect();
    let first = &jsonl(&answers[0])[0];
    assert_eq!(first["word"], "queen");
    assert!(first["cosine"].as_f64().unwrap() > 0.8);
    assert!(answers.iter().all(|answer| jsonl(answer)[0]["word"] == "queen"), "{answers:?}");
    assert_eq!(jsonl(&answers[0]).len(), 3, "the words given are left out");
    assert!(bench.ok(&["analogy", "court.txt", "king", "man", "woman"]).stdout.starts_with("word"));
}

#[test]
fn options_stay_options_among_words_with_a_sign() {
    let bench = court();
    let count = |args: &[&str]| jsonl(&bench.ok(&[&["analogy", "court.txt"], args].concat()).stdout).len();
    assert_eq!(count(&["king", "-man", "+woman", "-n", "2", "--json"]), 2);
    assert_eq!(count(&["king", "-n2", "-man", "--json", "+woman"]), 2);
    assert_eq!(count(&["--json", "-qn", "1", "king", "-man"]), 1);
    bench.write("signs.txt", "-rrb- 1 0\n+1 0 1\na 1 1\nb 2 1\n");
    let answer = |terms: &[&str]| bench.ok(&[&["analogy", "signs.txt", "--json"], terms].concat()).stdout;
    let bare = jsonl(&answer(&["a", "-", "--", "-rrb-", "+", "+1"]));
    assert_eq!((bare.len(), bare[0]["word"].as_str()), (1, Some("b")), "behind a sign a word is as it is");
    assert!(bench.run(&["analogy", "court.txt", "king", "--man"]).code == Some(2));
    assert!(bench.ok(&["analogy", "court.txt", "king", "-man", "-h"]).stdout.contains("Usage"));
}

#[test]
fn a_word_without_a_direction_has_no_neighbours() {
    let bench = court();
    bench.write("zero.txt", format!("{COURT}nil 0 0 0\n"));
    for args in [
        &["neighbors", "zero.txt", "king", "nil"][..],
        &["analogy", "zero.txt", "king", "-", "nil", "+", "woman"],
    ] {
        refused(&bench, args, 1, "data", &["`nil`", "no direction"]);
    }
    bench.ok(&["map", "zero.txt", "-o", "map.svg", "--words", "king,nil"]);
}

#[test]
fn the_marks_of_a_model_are_no_words() {
    let bench = court();
    bench.ok(&lm_of_words("runs/w", &[]));
    bench.ok(&["convert", "runs/w", "all.txt"]);
    let all = std::fs::read_to_string(bench.path("all.txt")).unwrap();
    let rows: Vec<&str> = all.lines().skip(1).map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(rows[..2], ["<unk>", "<eos>"], "every row is written");
    let mut words: Vec<&str> = rows[2..].to_vec();
    words.sort_unstable();
    let told = |values: &[serde_json::Value]| {
        let mut words: Vec<String> =
            values.iter().map(|value| value["word"].as_str().unwrap().to_owned()).collect();
        words.sort_unstable();
        words
    };
    let mut near = told(&jsonl(&bench.ok(&["neighbors", "runs/w", "cat", "-n", "99", "--json"]).stdout));
    near.push("cat".into());
    near.sort_unstable();
    assert_eq!(near, words);
    let map = json(&bench.ok(&["map", "runs/w", "-o", "map.svg", "--json"]).stdout);
    assert_eq!(told(map["points"].as_array().unwrap()), words);
    let sums = told(&jsonl(&bench.ok(&["analogy", "runs/w", "cat", "-n", "99", "--json"]).stdout));
    assert!(sums.len() == words.len() - 1 && !sums.contains(&"<eos>".into()), "{sums:?}");
    refused(&bench, &["neighbors", "runs/w", "<unk>"], 1, "data", &["`<unk>` is not among"]);
    // A file's rows are all words, whatever they are called.
    bench.ok(&["neighbors", "all.txt", "<unk>"]);
}

#[test]
fn questions_are_counted_by_section() {
    let bench = court();
    let eval = ["analogy", "court.txt", "--eval", "questions.txt"];
    let report = json(&bench.ok(&[&eval[..], &["--json"]].concat()).stdout);
    let share = |name: &str| report[name].as_f64();
    assert_eq!(["semantic", "syntactic", "total"].map(share), [Some(1.0), Some(0.0), Some(0.5)]);
    assert_eq!((report["asked"].as_u64(), report["skipped"].as_u64()), (Some(2), Some(1)));
    assert_eq!(report["sections"][0]["name"], "family");
    assert_eq!(report["sections"][0]["skipped"], 1);
    let table = bench.ok(&eval).stdout;
    assert!(table.contains("family") && table.contains("100.00 %") && table.contains("total"), "{table}");
    let kept = json(&bench.ok(&[&eval[..], &["--case-sensitive", "--json"]].concat()).stdout);
    assert_eq!((kept["semantic"].as_f64(), kept["skipped"].as_u64()), (None, Some(2)));
    bench.write("strange.txt", ": a\nx y z w\n");
    refused(
        &bench,
        &["analogy", "court.txt", "--eval", "strange.txt"],
        1,
        "data",
        &["1 questions", "strange.txt"],
    );
    refused(&bench, &["analogy", "court.txt", "--eval", "court.txt"], 1, "data", &["court.txt, line 1"]);
}

#[test]
fn a_models_embedding_is_read_and_written() {
    let bench = court();
    bench.ok(&lm_of_words("runs/w", &[]));
    let near = jsonl(&bench.ok(&["neighbors", "runs/w", "cat", "-n", "3", "--json"]).stdout);
    assert_eq!(near.len(), 3);
    for name in ["vectors.txt", "vectors.vec", "vectors.bin"] {
        let told = json(&bench.ok(&["convert", "runs/w/best.safetensors", name, "--json"]).stdout);
        let format = if name.ends_with("bin") { "binary" } else { "text" };
        assert_eq!((told["format"].as_str(), told["width"].as_u64()), (Some(format), Some(8)));
        assert_eq!(told["bytes"].as_u64(), Some(std::fs::metadata(bench.path(name)).unwrap().len()));
        let again = jsonl(&bench.ok(&["neighbors", name, "cat", "-n", "3", "--json"]).stdout);
        assert_eq!(again, near, "{name}: the same bits");
        let present = bench.run(&["convert", "runs/w", name]);
        assert!(present.code == Some(2) && present.stderr.contains("--force"), "{}", present.stderr);
    }
    bench.ok(&["convert", "vectors.bin", "again.txt"]);
    let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(read("again.txt"), read("vectors.txt"));
}

#[test]
fn a_models_words_are_looked_up_as_its_texts_are_read() {
    let bench = court();
    bench.ok(&lm_of_words("runs/w", &["--set", "data.lowercase=true"]));
    let near = |word| bench.ok(&["neighbors", "runs/w", word, "--json"]).stdout;
    assert_eq!(near("CAT"), near("cat"));
}

#[test]
fn a_map_is_drawn() {
    let bench = court();
    bench.write("odd.txt", "<b>&\"' 1 0\nplain 0 1\nthird -1 -3\n");
    let told = json(&bench.ok(&["map", "odd.txt", "-o", "map.svg", "--json"]).stdout);
    assert_eq!((told["words"].as_u64(), told["map"].as_str()), (Some(3), Some("map.svg")));
    let shares: f64 = told["shares"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "two numbers are all there is");
    assert_eq!(told["points"][1]["word"], "plain");
    let svg = std::fs::read_to_string(bench.path("map.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">&lt;b&gt;&amp;&quot;&apos;</text>") && !svg.contains("<b>"), "{svg}");
    bench.ok(&["map", "odd.txt", "-o", "again.svg"]);
    assert_eq!(svg, std::fs::read_to_string(bench.path("again.svg")).unwrap());
    let some = ["map", "court.txt", "-o", "some.svg", "--words", "king,queen,hut", "--json"];
    assert_eq!(json(&bench.ok(&some).stdout)["words"], 3);
    let first = ["map", "court.txt", "-o", "some.svg", "--first", "4", "--json"];
    assert_eq!(json(&bench.ok(&first).stdout)["words"], 4);
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let bench = court();
    bench.ok(&small_lm("runs/c", &["-q"]));
    bench.write(
        "hot.toml",
        "[task]\nkind = \"lm\"\n[data]\npath = \"text.txt\"\n[[layer]]\ntype = \"one_hot\"\n\
         [[layer]]\ntype = \"gru\"\nunits = 4\n[train]\nepochs = 1\nbatch = 4\nbptt = 10\n",
    );
    bench.ok(&["train", "hot.toml", "-q"]);
    let data = ["--task", "forecast", "--data", "flow.csv", "-o", "runs/f", "--epochs", "1", "-q"];
    bench.ok(&[&["train"][..], &data, &["--set", "layer.0.units=4"]].concat());

    for (word, near) in [("qeen", "`queen`"), ("King", "`king`"), ("xylophone", "take one that is")] {
        refused(&bench, &["neighbors", "court.txt", word], 1, "data", &[word, "6 words of court.txt", near]);
    }
    refused(&bench, &["neighbors", "court.txt", "king", "qeen"], 1, "data", &["`queen`"]);
    bench.write("short.txt", "to 1 0\na 0 1\n");
    refused(&bench, &["neighbors", "short.txt", "x"], 1, "data", &["`x`", "take one that is"]);
    refused(&bench, &["neighbors", "short.txt", "tx"], 1, "data", &["`tx`", "take one that is"]);
    bench.write("nan.txt", "2 2\na nan 1\nb 1 2\n");
    refused(&bench, &["neighbors", "nan.txt", "a"], 1, "data", &["nan.txt, line 2", "`nan` is not a finite"]);
    refused(&bench, &["analogy", "court.txt", "king", "-", "mann"], 1, "data", &["`man`"]);
    refused(&bench, &["analogy", "court.txt", "king", "man"], 2, "usage", &["king - man + woman"]);
    refused(&bench, &["analogy", "court.txt"], 2, "usage", &["TERM"]);
    refused(&bench, &["analogy", "court.txt", "king", "--eval", "questions.txt"], 2, "usage", &["--eval"]);
    refused(&bench, &["neighbors", "no.txt", "king"], 1, "io", &["no.txt", "check the path"]);
    refused(&bench, &["neighbors", "text.txt", "king"], 1, "data", &["text.txt, line 1"]);
    refused(&bench, &["neighbors", "runs/hot", "a"], 1, "task", &["no embedding", "type = \"embedding\""]);
    refused(&bench, &["map", "runs/f", "-o", "x.svg"], 1, "task", &["no vocabulary"]);
    for name in ["x.png", "x", "x.svg.gz"] {
        refused(&bench, &["map", "court.txt", "-o", name], 2, "usage", &[name, ".svg"]);
    }
    refused(&bench, &["map", "court.txt", "-o", "x.svg", "--words", "king"], 1, "data", &["two words"]);
    refused(&bench, &["convert", "runs/c", "x.txt"], 1, "data", &["white space"]);
    refused(&bench, &["convert", "runs/c", "x.safetensors"], 2, "usage", &["--quantize", ".vec"]);
    refused(&bench, &["convert", "runs/c", "x.txt", "--data", "text.txt"], 2, "usage", &["--quantize"]);
}

#[test]
fn vectors_are_learned_from_a_text() {
    let bench = court();
    let embed = ["embed", "text.txt", "--units", "8", "--epochs", "2", "--lowercase", "--sample", "0"];
    let lines = jsonl(&bench.ok(&[&embed[..], &["-o", "a.txt", "--json"]].concat()).stdout);
    assert_eq!(
        (lines.len(), lines[0]["event"].as_str(), lines[1]["epoch"].as_u64()),
        (3, Some("epoch"), Some(2))
    );
    assert!(lines[1]["loss"].as_f64().unwrap() < lines[0]["loss"].as_f64().unwrap());
    assert_eq!((lines[2]["event"].as_str(), lines[2]["width"].as_u64()), (Some("done"), Some(8)));
    let near = jsonl(&bench.ok(&["neighbors", "a.txt", "cat", "--json", "-n", "3"]).stdout);
    assert_eq!(near.len(), 3);
    let again = bench.ok(&[&embed[..], &["-o", "b.txt", "--threads", "2"]].concat());
    assert!(again.stderr.contains("epoch 2/2") && again.stdout.contains("b.txt"), "{}", again.stdout);
    let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(read("a.txt"), read("b.txt"), "the same bits");
    let wide = ["embed", "text.txt", "-o", "x.txt", "--min-count", "1", "--units", "1000000000000000"];
    refused(&bench, &wide, 2, "config", &["of memory", "make it smaller"]);
    refused(&bench, &["embed", "text.txt", "-o", "x.csv"], 2, "usage", &["x.csv", ".bin"]);
    refused(&bench, &["embed", "no.txt", "-o", "x.txt"], 1, "io", &["no.txt"]);
    refused(&bench, &["embed", "text.txt", "-o", "x.txt", "--rate", "0"], 2, "config", &["rate"]);
    refused(&bench, &["embed", "text.txt", "-o", "x.txt", "--min-count", "9999"], 2, "config", &["9999"]);
}

/// A config that trains next to nothing on words, with these layers and further keys of `[data]`.
fn config(bench: &Bench, layers: &str, data: &str) -> String {
    let text = format!(
        "layer = [{layers}]\n[task]\nkind = \"lm\"\n[data]\npath = \"words.txt\"\nunit = \"word\"\n{data}\n\
         [train]\nepochs = 1\nbptt = 5\nbatch = 4\noptimizer = {{ type = \"sgd\", rate = 1e-30 }}\n"
    );
    bench.write("words.txt", "the and\nThe film\nbut the end\n".repeat(40));
    bench.write("config.toml", text)
}

const EMBEDDING: &str = "{ type = \"embedding\", units = 4 }, { type = \"lstm\", units = 5 }";

#[test]
fn an_embedding_begins_with_the_vectors_of_a_file() {
    let bench = Bench::new();
    bench.write("vectors.txt", "the 1 2 3 4\nThe 5 6 7 8\nfilm -1 -2 -3 -4\nAnd 0.5 0.25 0.125 1\n");
    let rows = |out: &str, data: &str, found: &str, wanted: &[&str]| {
        let config = config(&bench, EMBEDDING, &format!("vectors = \"vectors.txt\"\n{data}"));
        let run = bench.run(&["train", &config, "-o", out]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stderr.contains(found), "{found} is not in {}", run.stderr);
        assert!(std::fs::read_to_string(bench.path(out).join("README.md")).unwrap().contains(found));
        let file = format!("{out}.txt");
        bench.ok(&["convert", out, &file]);
        let text = std::fs::read_to_string(bench.path(&file)).unwrap();
        for row in wanted {
            assert!(text.lines().any(|line| line == *row), "{row} is not in {text}");
        }
    };
    // No word that the vocabulary has is "And".
    rows(
        "run",
        "",
        "3 of 8 tokens found",
        &["the 1.0 2.0 3.0 4.0", "The 5.0 6.0 7.0 8.0", "film -1.0 -2.0 -3.0 -4.0"],
    );
    // In lower case, "And" is read as "and"; of "the" and "The" the one that is written so counts.
    rows(
        "lower",
        "lowercase = true",
        "3 of 7 tokens found",
        &["the 1.0 2.0 3.0 4.0", "and 0.5 0.25 0.125 1.0"],
    );
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let bench = court();
    let one_hot = "{ type = \"one_hot\" }, { type = \"lstm\", units = 5 }";
    bench.write("other.txt", "roi 1 2 3 4\n");
    for (vectors, layers, code, kind, words) in [
        ("court.txt", EMBEDDING, 2, "config", &["vectors of 3 numbers", "`units` to 3"][..]),
        ("court.txt", one_hot, 2, "config", &["no [[layer]]", "embedding"]),
        ("other.txt", EMBEDDING, 2, "config", &["has none of the 8 tokens"]),
        ("gone.txt", EMBEDDING, 1, "io", &["gone.txt"]),
    ] {
        let config = config(&bench, layers, &format!("vectors = \"{vectors}\""));
        refused(&bench, &["train", &config, "-o", "run"], code, kind, words);
    }
    let args = ["train", "--task", "forecast", "--data", "flow.csv", "--set", "data.vectors=court.txt"];
    refused(&bench, &args, 2, "config", &["data.vectors", "is no key of a forecast"]);
}

#[cfg(unix)]
#[test]
fn vectors_are_written_though_nobody_reads_along() {
    let bench = Bench::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let embed = ["embed", "text.txt", "-o", "x.txt", "--units", "4", "--epochs", "2", "--json"];
    let output = common::command(&embed).current_dir(bench.path(".")).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    assert!(bench.path("x.txt").exists());
}
