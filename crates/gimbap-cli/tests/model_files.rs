//! Model files whose task does not fit their layers, or whose weights are no numbers: refused by name, never answered.

mod common;

use common::Bench;
use gimbap::checkpoint::{load, save};
use gimbap::model::Model;
use serde_json::{Value, json};

/// A trained model of a task, and what it can be asked.
struct Asked {
    bench: Bench,
    predict: Vec<&'static str>,
    eval: Vec<&'static str>,
}

impl Asked {
    fn new(train: &[&str], predict: &[&'static str], eval: &[&'static str]) -> Self {
        let bench = Bench::new();
        bench.write("tagged.txt", "Ana\tB-PER\nsaw\tO\nOslo\tB-LOC\n\nBo\tB-PER\nleft\tO\n\n".repeat(10));
        let small = ["train", "-o", "run", "--epochs", "1", "-q", "--set", "layer.0.units=8"];
        bench.ok(&[&small, train].concat());
        Asked { bench, predict: predict.to_vec(), eval: eval.to_vec() }
    }

    fn check(&self, edit: impl Fn(&mut Model), told: &str) {
        let mut model = load(self.bench.path("run/best.safetensors")).unwrap();
        edit(&mut model);
        save(&model, self.bench.path("m.safetensors")).unwrap();
        for verb in [&self.predict, &self.eval] {
            let run = self.bench.run(verb);
            assert_eq!(run.code, Some(1), "{verb:?}: {}{}", run.stdout, run.stderr);
            assert!(
                run.stderr.contains(told) && run.stderr.contains("m.safetensors"),
                "{told}: {}",
                run.stderr
            );
            assert!(run.stdout.is_empty(), "{}", run.stdout);
        }
    }

    /// Puts a value in the place of another of the task.
    fn refuses(&self, place: &str, value: impl Fn(&Value) -> Value, told: &str) {
        self.check(
            |model| {
                let at = model.task.pointer_mut(place).unwrap();
                *at = value(at);
            },
            told,
        );
    }
}

/// A list without its last entry, or with it once more.
fn shorter(list: &Value) -> Value {
    json!(list.as_array().unwrap()[1..])
}

fn longer(list: &Value) -> Value {
    let list = list.as_array().unwrap();
    json!([&list[..], &list[..1]].concat())
}

#[test]
fn a_classifier_of_series() {
    let train = ["--task", "classify", "--data", "gestures.csv", "--set", "data.id=id"];
    let columns = ["--set", "data.value=[\"x\", \"y\"]"];
    let asked = Asked::new(
        &[&train[..], &columns].concat(),
        &["predict", "m.safetensors", "gestures.csv"],
        &["eval", "m.safetensors", "gestures.csv"],
    );
    asked.refuses("/classes", |_| json!([]), "its task has 0 classes, the model gives probabilities of 2");
    asked.refuses("/classes", longer, "its task has 3 classes, the model gives probabilities of 2");
    asked.refuses("/temperature", |_| json!(0.0), "temperature is 0");
    asked.refuses("/temperature", |_| json!(-1.0), "temperature is -1");
    asked.refuses("/usual", |_| json!(2), "most frequent label");
    asked.refuses("/input/series/features", longer, "its task has 3 columns, the model takes 2");
    let scaler = |_: &Value| json!({"scaling": "standard", "offset": [0.0], "scale": [1.0]});
    asked.refuses("/input/series/scaler", scaler, "2 columns, its scaler scales 1");
    asked.check(|model| model.values_mut().fill(f32::NAN), "no finite numbers");
    asked.check(|model| model.values_mut()[0] = f32::INFINITY, "`lstm.w_x` has values");
}

#[test]
fn a_classifier_of_texts() {
    let asked = Asked::new(
        &["--task", "classify", "--data", "reviews.csv"],
        &["predict", "m.safetensors", "reviews.csv"],
        &["eval", "m.safetensors", "reviews.csv"],
    );
    asked.refuses("/classes", shorter, "its task has 1 classes, the model gives probabilities of 2");
    asked.check(|model| model.values_mut().fill(f32::NAN), "no finite numbers");
}

#[test]
fn a_tagger() {
    let asked = Asked::new(
        &["--task", "tag", "--data", "tagged.txt", "--set", "data.min_count=1"],
        &["predict", "m.safetensors", "text.txt"],
        &["eval", "m.safetensors", "tagged.txt"],
    );
    asked.refuses("/labels", shorter, "its task has 2 labels, the model gives scores of 3");
    asked.refuses("/labels", longer, "its task has 4 labels, the model gives scores of 3");
    asked.check(|model| model.values_mut().fill(f32::NAN), "no finite numbers");
}

#[test]
fn a_forecaster() {
    let asked = Asked::new(
        &["--task", "forecast", "--data", "flow.csv"],
        &["predict", "m.safetensors", "flow.csv"],
        &["eval", "m.safetensors", "flow.csv"],
    );
    asked.refuses("/window", |_| json!(0), "its window has 0 rows");
    asked.refuses("/horizon", |_| json!(2), "its forecast has 2 numbers, the model gives 1");
    asked.check(|model| model.values_mut().fill(f32::NAN), "no finite numbers");
}
