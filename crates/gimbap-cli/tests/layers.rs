//! Options of layers in a config: what only training does, and weights that two layers share.

mod common;

use common::{Bench, json};

/// A small language model with every such option.
const CONFIG: &str = r#"
[task]
kind = "lm"
[data]
path = "text.txt"
unit = "word"
[[layer]]
type = "embedding"
units = 8
tied = true
dropout = 0.1
[[layer]]
type = "dropout"
rate = 0.2
variational = true
[[layer]]
type = "lstm"
units = 8
weight_drop = 0.3
zoneout = 0.1
zoneout_cell = 0.2
[train]
epochs = 3
batch = 4
bptt = 10
"#;

fn bench(config: &str) -> Bench {
    let bench = Bench::new();
    bench.write("lm.toml", config);
    bench
}

#[test]
fn a_model_with_every_option_trains_and_answers() {
    let bench = bench(CONFIG);
    bench.ok(&["train", "lm.toml", "-o", "runs/lm", "-q"]);
    let layers = json(&bench.ok(&["inspect", "runs/lm", "--json"]).stdout);
    let counts: Vec<u64> =
        layers["layers"].as_array().unwrap().iter().map(|l| l["parameters"].as_u64().unwrap()).collect();
    let vocabulary = counts[0] / 8;
    assert_eq!(counts[counts.len() - 1], vocabulary, "the layer at the end has biases of its own, no more");
    let figures =
        |model: &str| json(&bench.ok(&["eval", model, "text.txt", "--json"]).stdout)["loss"].clone();
    assert!(figures("runs/lm").as_f64().unwrap() < (vocabulary as f64).ln());
    bench.ok(&["generate", "runs/lm", "-n", "5", "--prompt", "the cat"]);
    // Stopped and gone on with, it draws what it would have drawn.
    bench.ok(&["train", "lm.toml", "-o", "runs/part", "-q", "--epochs", "1"]);
    bench.ok(&["train", "--resume", "-o", "runs/part", "-q", "--epochs", "3"]);
    assert_eq!(figures("runs/part"), figures("runs/lm"));
}

/// Refused before anything is written.
#[test]
fn what_cannot_be_is_named() {
    let with = |from: &str, to: &str| {
        assert!(CONFIG.contains(from));
        CONFIG.replacen(from, to, 1)
    };
    let lstm = "type = \"lstm\"\nunits = 8";
    for (config, words) in [
        (with(lstm, "type = \"lstm\"\nunits = 9"), &["`dense`", "9 features", "`embedding`", "8"][..]),
        (with("tied = true", "tied = true\ntrainable = false"), &["`embedding`", "`trainable`", "`tied`"]),
        (with("tied = true", "trainable = false\nl2 = 0.1"), &["`embedding`", "`trainable`", "`l2`"]),
        (with("dropout = 0.1", "dropout = 1.0"), &["layer.0.dropout", "below 1"]),
        (with("weight_drop = 0.3", "weight_drop = -0.1"), &["layer.2.weight_drop", "at least 0"]),
        (with("zoneout = 0.1", "zoneout = 1.5"), &["layer.2.zoneout", "below 1"]),
        (with("zoneout_cell = 0.2", "zoneout_cell = 1.5"), &["layer.2.zoneout_cell", "below 1"]),
        (with("\"lstm\"", "\"gru\""), &["layer.2", "no option `zoneout_cell`"]),
        (with("variational = true", "variationl = true"), &["did you mean `variational`"]),
        (with("variational = true", "variational = 1"), &["variational"]),
    ] {
        let bench = bench(&config);
        let before = bench.files();
        let run = bench.run(&["train", "lm.toml", "-o", "runs/lm"]);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(words.iter().all(|word| run.stderr.contains(word)), "{words:?}: {}", run.stderr);
        assert_eq!(bench.files(), before);
    }
    let decayed = with("tied = true", "trainable = false");
    let bench = bench(&decayed.replace("batch = 4", "batch = 4\noptimizer = { type = \"adamw\" }"));
    let run = bench.run(&["train", "lm.toml", "-o", "runs/lm"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("optimizer.weight_decay") && run.stderr.contains("`embedding.w`"),
        "{}",
        run.stderr
    );
}
