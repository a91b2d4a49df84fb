//! `gimbap explain`: a report for every kind of model, its numbers those of the other verbs.

mod common;

use common::{Bench, json, jsonl};

/// A language model of words on the small text, in little time.
fn language_model(bench: &Bench, layer: &str) -> String {
    let layers = format!("layer.1.type=\"{layer}\"");
    bench.ok(&[
        "train",
        "--task",
        "lm",
        "--data",
        "text.txt",
        "--set",
        "data.unit=word",
        "--set",
        "layer.0.units=8",
        "--set",
        &layers,
        "--set",
        "layer.1.units=6",
        "--set",
        "train.batch=4",
        "--set",
        "train.bptt=20",
        "--epochs",
        "1",
        "-q",
        "-o",
        layer,
        "--force",
    ]);
    bench.arg(&format!("{layer}/best.safetensors"))
}

/// The page is whole, refers to nothing outside, and has a picture for each figure.
fn check_page(page: &str, figures: usize) {
    assert_eq!(page.matches("<svg").count(), figures);
    assert_eq!(page.matches("</svg>").count(), figures);
    assert_eq!(page.matches("role=\"img\"").count(), figures);
    for outside in ["src=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let addresses = page.matches("http").count();
    assert_eq!(addresses, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    assert!(!page.contains("NaN") && !page.contains("inf\""), "a number is not finite");
}

#[test]
fn a_sentence_has_the_probability_that_score_says() {
    let bench = Bench::new();
    for layer in ["simple_rnn", "lstm"] {
        let model = language_model(&bench, layer);
        let text =
            std::fs::read_to_string(bench.path("text.txt")).unwrap().lines().next().unwrap().to_string();
        let run = bench.ok(&[
            "explain",
            &model,
            "--text",
            &text,
            "-o",
            "r.html",
            "--figures",
            "pictures",
            "--json",
        ]);
        let found = json(&run.stdout);
        let scored = bench.run_with(&["score", &model, "--json"], &format!("{text}\n"));
        let logprob = jsonl(&scored.stdout)[0]["logprob"].as_f64().unwrap();
        let loss = found["found"]["loss"].as_f64().unwrap();
        assert!((loss + logprob).abs() < 1e-4 * loss, "{loss} and {logprob}");
        let steps = found["steps"].as_array().unwrap().len();
        assert_eq!(found["targets"].as_array().unwrap().len(), steps);
        assert_eq!(found["found"]["memory"]["shares"].as_array().unwrap().len(), steps);
        let figures = found["figures"].as_array().unwrap();
        assert_eq!(figures.len(), 13);
        check_page(&std::fs::read_to_string(bench.path("r.html")).unwrap(), 13);
        let mut names: Vec<String> = std::fs::read_dir(bench.path("pictures"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 13);
        assert_eq!((&*names[0], &*names[12]), ("01-inputs.svg", "13-decisions.svg"));
        let picture = std::fs::read_to_string(bench.path("pictures").join(&names[10])).unwrap();
        assert!(picture.contains("<style>") && picture.contains("prefers-color-scheme"), "{picture}");
    }
}

#[test]
fn one_token_and_unknown_words_make_a_report() {
    let bench = Bench::new();
    let model = language_model(&bench, "gru");
    for (text, steps) in [("", 1), ("zzzz <&> zzzz", 4)] {
        let run = bench.ok(&["explain", &model, "--text", text, "-o", "r.html", "--json", "--lang", "ko"]);
        let found = json(&run.stdout);
        assert_eq!(found["steps"].as_array().unwrap().len(), steps, "{text}");
        let page = std::fs::read_to_string(bench.path("r.html")).unwrap();
        check_page(&page, found["figures"].as_array().unwrap().len());
        assert!(page.contains("<html lang=\"ko\">") && page.contains("그림 1."));
        assert_eq!(page.contains("class=\"note\""), steps == 4);
    }
}

#[test]
fn classifiers_and_forecasters() {
    let bench = Bench::new();
    bench.ok(&[
        "train",
        "--task",
        "classify",
        "--data",
        "reviews.csv",
        "--epochs",
        "1",
        "-q",
        "-o",
        "reviews",
        "--set",
        "layer.0.units=8",
    ]);
    let model = bench.arg("reviews/best.safetensors");
    let text = "a fine film";
    let predicted = json(bench.run_with(&["predict", &model, "--json"], text).stdout.trim());
    let found = json(&bench.ok(&["explain", &model, "--text", text, "-o", "r.html", "--json"]).stdout);
    assert_eq!(found["targets"][0], predicted["label"]);
    assert_eq!(found["guessed"], true);
    check_page(&std::fs::read_to_string(bench.path("r.html")).unwrap(), 13);
    let run = bench.run(&["explain", &model, "--text", text, "--label", "nonsense"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("there is no class `nonsense`"), "{}", run.stderr);

    bench.ok(&[
        "train",
        "--task",
        "forecast",
        "--data",
        "flow.csv",
        "--epochs",
        "1",
        "-q",
        "-o",
        "flow",
        "--set",
        "layer.0.units=6",
    ]);
    let model = bench.arg("flow/best.safetensors");
    let found = json(&bench.ok(&["explain", &model, "--input", "flow.csv", "-o", "f.html", "--json"]).stdout);
    assert_eq!(found["figures"].as_array().unwrap().len(), 12, "no map of words");
    check_page(&std::fs::read_to_string(bench.path("f.html")).unwrap(), 12);
    let run = bench.run(&["explain", &model, "--text", "a"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--input"), "{}", run.stderr);
}

#[test]
fn wrong_questions_are_told() {
    let bench = Bench::new();
    let model = language_model(&bench, "gru");
    for (args, told) in [
        (&["explain", &*model][..], "give one with --text"),
        (&["explain", &model, "--text", "no", "--step", "9"], "the sequence has 2 steps"),
        (&["explain", &model, "--text", "no", "--step", "0"], "must be at least 1"),
    ] {
        let run = bench.run(args);
        assert_eq!(run.code, Some(2), "{args:?}");
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    }
    let long = "no ".repeat(1200);
    let run = bench.run(&["explain", &model, "--text", &long, "-o", "r.html"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("too many") && !bench.path("r.html").exists(), "{}", run.stderr);
}
