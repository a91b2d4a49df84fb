//! What `gimbap train --task TASK` does when nothing else is said: it learns, on little data too, and says what it was up
//! against. Larger texts and tables, beside other libraries: `bench/defaults.py`.

mod common;

use common::{Bench, json, jsonl, one_training_is_enough};
use serde_json::Value;

/// So many sentences of a small grammar: the last word hangs on the third, the rest is drawn.
fn sentences(n: usize) -> String {
    let mut state = 7u32;
    let mut draw = |of: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % of
    };
    let (names, sides) =
        (["mina", "jun", "ana", "luc", "ken"], ["near the sea", "in the hills", "by a river"]);
    let tongues = [
        ("korea", "korean"),
        ("france", "french"),
        ("japan", "japanese"),
        ("spain", "spanish"),
        ("italy", "italian"),
    ];
    (0..n)
        .map(|_| {
            let (land, tongue) = tongues[draw(5)];
            format!("{} from {land} lives {} and speaks {tongue} .\n", names[draw(5)], sides[draw(3)])
        })
        .collect()
}

/// So many of 300 syllables, each of which four others may follow, in lines of 40.
fn chain(n: usize) -> String {
    let mut state = 7u32;
    let mut draw = |of: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % of
    };
    let next: Vec<[usize; 4]> = (0..300).map(|_| [0; 4].map(|_| draw(300))).collect();
    let mut at = 0;
    let syllable = |i: usize| {
        at = next[at][draw(4)];
        let syllable = char::from_u32(0xac00 + at as u32 * 28).unwrap();
        format!("{syllable}{}", if i % 40 == 39 { "\n" } else { "" })
    };
    (0..n).map(syllable).collect()
}

fn text_of(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path(name)).unwrap()
}

/// The last line of a training's `--json`.
fn done(bench: &Bench, args: &[&str]) -> Value {
    let run = bench.ok(&[&["train", "--json", "-q", "--threads", "1"][..], args].concat());
    jsonl(&run.stdout).pop().unwrap()
}

fn figure(done: &Value, name: &str) -> f64 {
    done["metrics"][name].as_f64().unwrap_or_else(|| panic!("no {name}: {done}"))
}

/// The loss after a hundred updates beside that of the tokens' frequencies.
fn after_a_hundred(bench: &Bench, unit: &str, sets: &[&str]) -> f64 {
    let unit = format!("data.unit={unit}");
    let mut args = vec!["--task", "lm", "--data", "text.txt", "-o", "runs/lm", "--force"];
    [&[unit.as_str(), "train.steps=100"], sets]
        .concat()
        .into_iter()
        .for_each(|set| args.extend(["--set", set]));
    let done = done(bench, &args);
    figure(&done, "loss") / figure(&done, "order_0_loss")
}

#[test]
fn a_hundred_updates_of_the_default_language_model_are_well_below_the_frequencies_of_tokens() {
    if one_training_is_enough() {
        return;
    }
    let bench = Bench::new();
    bench.write("text.txt", sentences(400));
    for unit in ["word", "char", "byte", "subword"] {
        let share = after_a_hundred(&bench, unit, &[]);
        assert!(share < 0.9, "{unit}: {share}");
    }
    bench.write("text.txt", chain(20_000));
    let share = after_a_hundred(&bench, "char", &[]);
    assert!(share < 0.9, "a chain of syllables: {share}");
    // As it was: gradients of a mean over 2,500 tokens lie below the root of this epsilon.
    bench.write("before.toml", BEFORE);
    let done = done(&bench, &["before.toml", "-o", "runs/before"]);
    let share = figure(&done, "loss") / figure(&done, "order_0_loss");
    assert!(share > 0.98, "what held a model back no longer does: {share}");
}

/// A recipe that is held back.
const BEFORE: &str = r#"
[task]
kind = "lm"

[data]
path = "text.txt"
valid = 0.05
unit = "char"

[[layer]]
type = "embedding"
units = 64

[[layer]]
type = "lstm"
units = 128

[[layer]]
type = "lstm"
units = 128

[train]
steps = 100
batch = 50
bptt = 50
optimizer = { type = "rmsprop", rate = 0.002 }
clip_norm = 5.0
"#;

#[test]
fn a_text_of_ten_sentences_trains_and_is_learned_whole() {
    if one_training_is_enough() {
        return;
    }
    let bench = Bench::new();
    bench.write("text.txt", sentences(10));
    for unit in ["word", "char", "subword"] {
        let unit = format!("data.unit={unit}");
        let run = bench.ok(&[
            "train",
            "--threads",
            "1",
            "--task",
            "lm",
            "--data",
            "text.txt",
            "-o",
            "runs/x",
            "--force",
            "--set",
            &unit,
        ]);
        assert!(run.stderr.contains("by the size of the data: "), "{}", run.stderr);
        let model = "runs/x/last.safetensors";
        let eval = json(&bench.ok(&["eval", model, "text.txt", "--json"]).stdout);
        assert!(eval["loss"].as_f64().unwrap() < 1.0, "{unit}: {eval}");
    }
}

#[test]
fn what_was_left_to_the_data_is_written_down_and_the_run_goes_on_with_it() {
    let bench = Bench::new();
    bench.write("text.txt", sentences(60));
    let args = [
        "train",
        "--threads",
        "1",
        "--task",
        "lm",
        "--data",
        "text.txt",
        "-o",
        "runs/x",
        "--epochs",
        "2",
        "-q",
    ];
    bench.ok(&args);
    let config = text_of(&bench, "runs/x/config.toml");
    for key in ["batch = ", "bptt = ", "epochs = 2", "patience = ", "type = \"cosine\""] {
        assert!(config.contains(key), "{key}: {config}");
    }
    assert!(!config.contains("auto"), "{config}");
    bench.ok(&["train", "--resume", "runs/x", "--epochs", "3", "-q"]);
    bench.ok(&[&args[..9], &["--epochs", "4", "--resume", "-q"]].concat());
}

#[test]
fn the_majority_is_that_of_the_training_data_in_train_and_in_eval() {
    let bench = Bench::new();
    let row = |i: usize, good: bool| {
        if good { format!("a fine film {i},pos\n") } else { format!("so dull {i},neg\n") }
    };
    let part = |n: usize, every: usize| {
        let rows: String = (0..n).map(|i| row(i, i % every == 0)).collect();
        format!("text,label\n{rows}")
    };
    // Two of three are `neg` where it learns, one of two where it is measured.
    bench.write("train.csv", part(60, 3));
    bench.write("test.csv", part(40, 2));
    let args =
        ["--task", "classify", "--data", "train.csv", "--valid", "test.csv", "-o", "runs/c", "--epochs", "1"];
    let done = done(&bench, &args);
    let eval = json(&bench.ok(&["eval", "runs/c/best.safetensors", "test.csv", "--json"]).stdout);
    assert_eq!(figure(&done, "majority_accuracy"), 0.5);
    assert_eq!(eval["majority_accuracy"], done["metrics"]["majority_accuracy"]);
}

#[test]
fn the_unit_of_texts_to_classify_follows_from_them_and_is_told() {
    let bench = Bench::new();
    let names = ["Yamamoto,jp", "Suzuki,jp", "Tanaka,jp", "Kowalski,pl", "Nowak,pl", "Mazur,pl"];
    bench.write(
        "names.csv",
        format!("text,label\n{}", names.map(|row| format!("{row}\n")).concat().repeat(6)),
    );
    let reviews = ["정말 재미있는 영화였다,1", "다시는 보고 싶지 않다,0"];
    bench.write(
        "korean.csv",
        format!("text,label\n{}", reviews.map(|row| format!("{row}\n")).concat().repeat(15)),
    );
    let english = ["a fine film,1", "so very dull,0"];
    bench.write(
        "english.csv",
        format!("text,label\n{}", english.map(|row| format!("{row}\n")).concat().repeat(15)),
    );
    for (data, unit, told) in
        [("names.csv", "char", true), ("korean.csv", "subword", true), ("english.csv", "word", false)]
    {
        let run = bench.ok(&[
            "train",
            "--threads",
            "1",
            "--task",
            "classify",
            "--data",
            data,
            "--epochs",
            "1",
            "-o",
            "runs/u",
            "--force",
        ]);
        assert_eq!(run.stderr.contains("unit: "), told, "{}", run.stderr);
        let config = text_of(&bench, "runs/u/config.toml");
        assert!(config.contains(&format!("unit = \"{unit}\"")), "{config}");
    }
    let given = ["--set", "data.unit=word", "--epochs", "1", "-o", "runs/w"];
    let run =
        bench
            .ok(&[&["train", "--threads", "1", "--task", "classify", "--data", "names.csv"][..], &given]
                .concat());
    assert!(!run.stderr.contains("unit: "), "{}", run.stderr);
}

/// Sixty short series of two kinds, one rising and one falling under noise.
fn series(n: usize) -> String {
    let mut state = 3u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0 - 0.5
    };
    let mut text = String::from("sequence,t,label,x\n");
    for i in 0..n {
        let (label, slope) = if i % 2 == 0 { ("up", 0.12) } else { ("down", -0.12) };
        for t in 0..10 {
            text.push_str(&format!("{i},{t},{label},{:.4}\n", slope * f64::from(t) + 1.5 * noise()));
        }
    }
    text
}

#[test]
fn sixty_series_are_learned_and_not_calibrated_on_a_handful() {
    let bench = Bench::new();
    bench.write("series.csv", series(60));
    bench.write("later.csv", series(400));
    let sets = ["--set", "data.id=sequence", "--set", "data.time=t", "--set", "data.label=label"];
    let done =
        done(&bench, &[&["--task", "classify", "--data", "series.csv", "-o", "runs/s"][..], &sets].concat());
    assert!(done["metrics"].get("temperature").is_none(), "{done}");
    let eval = json(&bench.ok(&["eval", "runs/s/best.safetensors", "later.csv", "--json"]).stdout);
    assert!(eval["accuracy"].as_f64().unwrap() > 0.85, "{eval}");
}

#[test]
fn a_model_that_is_no_better_than_what_costs_nothing_is_told_so() {
    let bench = Bench::new();
    bench.write("text.txt", sentences(200));
    let still = ["--set", "train.optimizer.rate=1e-9", "--epochs", "1"];
    let lm = ["train", "--threads", "1", "--task", "lm", "--data", "text.txt", "-o", "runs/l"];
    let run = bench.ok(&[&lm[..], &still].concat());
    assert!(run.stderr.contains("to beat: loss "), "{}", run.stderr);
    assert!(run.stdout.contains("hardly better than the frequencies of the tokens"), "{}", run.stdout);

    let values: String =
        (0..300).map(|i| format!("{i},{:.3}\n", f64::from(i) + f64::from(i * 7 % 5))).collect();
    bench.write("flow.csv", format!("time,flow\n{values}"));
    let forecast = ["train", "--threads", "1", "--task", "forecast", "--data", "flow.csv", "-o", "runs/f"];
    let run = bench.ok(&[&forecast[..], &still].concat());
    assert!(run.stdout.contains("no better than repeating the last value"), "{}", run.stdout);
}
