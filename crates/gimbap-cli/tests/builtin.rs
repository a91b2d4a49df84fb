//! `gimbap train` without an argument. Here for one epoch of a small network: what it says, not how well it learns.

mod common;

use common::{Bench, json, jsonl};

#[test]
fn the_built_in_corpus() {
    let bench = Bench::new();
    let run = bench.ok(&["train", "--epochs", "1", "--set", "layer.1.units=12", "--json"]);
    let done = jsonl(&run.stdout).pop().unwrap();
    assert_eq!(done["event"], "done");
    assert_eq!(done["model"], "runs/travellers/best.safetensors");
    let figure = |key: &str| done[key].as_f64().unwrap();
    let best = figure("best_possible_perplexity");
    assert!(best > 4.0 && best < figure("perplexity") && figure("perplexity") < 40.0, "{done}");
    for cell in ["simple_rnn", "lstm", "gru"] {
        let accuracy = done["distance_accuracy"][cell].as_object().unwrap();
        assert!(
            accuracy.contains_key("4")
                && accuracy.values().all(|x| (0.0..=1.0).contains(&x.as_f64().unwrap()))
        );
    }

    // The model applies its lower case to whatever it is given.
    let score = |text: &str| {
        let run = bench.run_with(&["score", "runs/travellers", "--json"], text);
        json(&run.stdout)["logprob"].as_f64().unwrap()
    };
    assert_eq!(score("NO PAIN NO GAIN\n"), score("no pain no gain\n"));

    // Sentences stand for themselves, to `eval` as to `score`, and an empty one is its end alone.
    bench.write("said.txt", "no pain no gain\n\nspooky red\nmina grew up in korea\n");
    let eval = json(&bench.ok(&["eval", "runs/travellers", "said.txt", "--json"]).stdout);
    let scored = jsonl(&bench.ok(&["score", "runs/travellers", "said.txt", "--json"]).stdout);
    let sum = |key: &str| scored.iter().map(|line| line[key].as_f64().unwrap()).sum::<f64>();
    assert_eq!(eval["tokens"].as_f64(), Some(sum("tokens")));
    let loss = -sum("logprob") / sum("tokens");
    assert!((eval["loss"].as_f64().unwrap() - loss).abs() < 1e-4 * loss, "{eval} {scored:?}");

    let refused = bench.run(&["train"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--resume"), "{}", refused.stderr);
}
