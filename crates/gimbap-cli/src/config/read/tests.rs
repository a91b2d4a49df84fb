use gimbap::bptt::Bptt;
use gimbap::optim::Optimizer;

use super::super::{Back, Held};
use super::*;

const GOOD: &str = r#"[task]
kind = "lm"                     # lm, classify, tag, forecast

[data]
path = "ptb.train.txt"
valid = "ptb.valid.txt"         # or a fraction
unit = "word"
vocab = 10000

[[layer]]
type = "embedding"
units = 200

[[layer]]
type = "lstm"
units = 200

[train]
epochs = 13
batch = 20
bptt = 20
optimizer = { type = "sgd", rate = 1.0 }
clip_norm = 5.0
loss_reduction = "sum_time"
init = { type = "uniform", scale = 0.1 }
schedule = { type = "halve_after", epoch = 4 }
seed = 1
"#;

fn read(text: &str, sets: &[&str]) -> Result<Config, String> {
    let source = Source { text: text.into(), place: "config.toml".into(), base: "/base".into() };
    let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
    load(&source, &[], &sets).map_err(|f| {
        assert_eq!((f.kind, f.code), ("config", crate::output::USAGE));
        f.message
    })
}

fn message(text: &str, sets: &[&str]) -> String {
    read(text, sets).expect_err("must be refused")
}

#[test]
fn the_designs_example_reads_and_writes_back() {
    let config = read(GOOD, &[]).unwrap();
    assert_eq!(config.task.kind, TaskKind::Lm);
    assert_eq!(config.data.path.as_deref(), Some(Path::new("/base/ptb.train.txt")));
    assert_eq!(config.data.valid, Some(Held::Path("/base/ptb.valid.txt".into())));
    assert_eq!(config.layer[1].units, Some(200));
    assert_eq!(config.train.bptt, Some(Back(Bptt::Truncated { k1: 20, k2: 20 })));
    let text = config.to_toml().unwrap();
    assert_eq!(read(&text, &[]).unwrap(), config);
}

#[test]
fn sets_reach_everything() {
    let config = read(
        GOOD,
        &[
            "train.epochs=2",
            "layer.0.units=64",
            "train.bptt=[10,20]",
            "data.unit=char",
            "data.valid=0.1",
            "train.optimizer={type=\"adam\"}",
        ],
    )
    .unwrap();
    assert_eq!(config.train.epochs, Some(2));
    assert_eq!(config.layer[0].units, Some(64));
    assert_eq!(config.train.bptt, Some(Back(Bptt::Truncated { k1: 10, k2: 20 })));
    assert_eq!(config.data.valid, Some(Held::Fraction(0.1)));
    assert!(matches!(config.train.optimizer, Optimizer::Adam(_)));
    // Two edits that only make sense together.
    let two = ["train.optimizer.rate=0.1", "train.optimizer.type=adam"];
    assert!(read("[task]\nkind = \"lm\"\n", &two).is_ok());
}

#[test]
fn an_unknown_key_suggests_the_nearest_with_its_line() {
    let text = GOOD.replace("\"lstm\"\nunits", "\"lstm\"\nunitz");
    assert_eq!(message(&text, &[]), "config.toml, line 16: unknown key `unitz`; did you mean `units`?");
    let text = GOOD.replace("epochs", "epoch_count_of_training");
    assert!(message(&text, &[]).starts_with("config.toml, line 19: unknown key `epoch_count_of_training`"));
    let text = GOOD.replace("[train]", "[trian]");
    assert_eq!(message(&text, &[]), "config.toml, line 18: unknown key `trian`; did you mean `train`?");
    let text = GOOD.replace("rate = 1.0", "rat = 1.0");
    assert_eq!(message(&text, &[]), "config.toml, line 22: unknown key `rat`; did you mean `rate`?");
}

#[test]
fn an_unknown_key_in_a_set_names_the_flag() {
    assert_eq!(
        message(GOOD, &["train.seed=2", "train.epochz=2"]),
        "--set train.epochz=2: unknown key `epochz`; did you mean `epochs`?"
    );
    assert!(message(GOOD, &["trian.epochs=2"]).contains("did you mean `train`?"));
    assert!(message(GOOD, &["layer.7.units=2"]).contains("entries 0 to 1"));
    assert!(message(GOOD, &["train.epochs"]).contains("KEY=VALUE"));
}

#[test]
fn a_wrong_type_names_the_key_and_the_line() {
    let text = GOOD.replace("batch = 20", "batch = \"many\"");
    assert_eq!(
        message(&text, &[]),
        "config.toml, line 20: `train.batch`: expected a whole number, 0 or more, or \"auto\", found string \"many\""
    );
    let text = GOOD.replace("batch = 20", "batch = -1");
    assert!(
        message(&text, &[]).starts_with("config.toml, line 20: `train.batch`:"),
        "{}",
        message(&text, &[])
    );
    let text = GOOD.replace("bptt = 20", "bptt = [1, 2, 3]");
    assert!(
        message(&text, &[]).starts_with("config.toml, line 21: `train.bptt`:"),
        "{}",
        message(&text, &[])
    );
    assert!(message(GOOD, &["train.optimizer=adam"]).contains("a table such as { type = "));
    assert!(message(GOOD, &["train.seed=x"]).starts_with("--set train.seed=x: `train.seed`: expected"));
}

#[test]
fn an_unknown_value_suggests_the_nearest() {
    let text = GOOD.replace("\"lstm\"", "\"lstn\"");
    let m = message(&text, &[]);
    assert!(m.starts_with("config.toml, line 15:") && m.contains("did you mean `lstm`?"), "{m}");
}

#[test]
fn zeros_are_refused_by_key_and_line() {
    for (from, to, expected) in [
        ("batch = 20", "batch = 0", "config.toml, line 20: `train.batch` is 0, but must be at least 1"),
        ("bptt = 20", "bptt = 0", "config.toml, line 21: `train.bptt` has 0 time steps"),
        ("\"lstm\"\nunits = 200", "\"lstm\"\nunits = 0", "config.toml, line 16: `layer.1.units` is 0"),
        ("valid = \"ptb.valid.txt\"", "valid = 1.5", "config.toml, line 6: `data.valid` is 1.5"),
    ] {
        let m = message(&GOOD.replace(from, to), &[]);
        assert!(m.starts_with(expected), "{m}");
    }
    let m = message(&GOOD.replace("rate = 1.0", "rate = -1.0"), &[]);
    assert!(m.starts_with("config.toml, line 22: `train.optimizer.rate` is -1"), "{m}");
    assert!(message(GOOD, &["train.batch=0"]).starts_with("--set train.batch=0: `train.batch` is 0"));
    assert!(message(GOOD, &["train.bptt=[20,10]"]).contains("cannot be below the first"));
}

#[test]
fn broken_toml_and_missing_keys_name_the_line() {
    assert!(message("[task\nkind = 1", &[]).starts_with("config.toml, line 1:"));
    let m = message("[task]\n\n[train]\nseed = 1\n", &[]);
    assert!(m.contains("`kind` is missing"), "{m}");
    let m = message(&GOOD.replace("type = \"lstm\"", ""), &[]);
    assert!(m.starts_with("config.toml, line 14:") && m.contains("`type` is missing"), "{m}");
}

#[test]
fn a_config_without_layers_gets_its_tasks() {
    assert!(!read("[task]\nkind = \"lm\"\n", &[]).unwrap().layer.is_empty());
}

#[test]
fn a_key_of_another_task_is_refused() {
    let m = message(&GOOD.replace("vocab = 10000", "window = 3"), &[]);
    assert!(m.starts_with("config.toml, line 8: `data.window` is no key of a language model"), "{m}");
    let task = |kind: &str| format!("[task]\nkind = \"{kind}\"\n");
    for (kind, set) in [
        ("lm", "data.label=x"),
        ("lm", "data.scaler=none"),
        ("classify", "data.horizon=2"),
        ("classify", "train.loss_reduction=mean"),
        ("forecast", "data.lowercase=true"),
        ("forecast", "data.text=x"),
        ("classify", "data.past=x"),
    ] {
        let key = set.split_once('=').unwrap().0;
        let m = message(&task(kind), &[set]);
        assert!(m.starts_with(&format!("--set {set}: `{key}` is ")), "{m}");
    }
    for set in ["data.valid=0.1", "data.test=x", "data.lowercase=true", "task.kind=classify"] {
        let failure = load(&Source::builtin(), &[], &[set.to_string()]).unwrap_err();
        assert!(failure.message.contains("built-in corpus"), "{}", failure.message);
    }
}

#[test]
fn keys_of_a_layer_that_no_run_can_have_are_refused() {
    for (set, words) in [
        ("layer.1.stateful=true", "belongs to the library"),
        ("layer.1.return_state=true", "belongs to the library"),
        ("layer.1.l2=-0.1", "must be at least 0"),
        ("train.clip_norm=0.0", "must be above 0"),
        ("train.clip_value=-1.0", "must be above 0"),
        ("train.schedule={type=\"step\", every=0, factor=0.5}", "must be above 0"),
    ] {
        let m = message(GOOD, &[set]);
        assert!(m.contains(words) && m.contains(set.split_once('=').unwrap().0), "{m}");
    }
}

#[test]
fn numbers_have_no_embedding() {
    let kinds = |sets: &[&str]| -> Vec<String> {
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        let config = load(&Source::template(crate::args::Task::Classify), &[], &sets).unwrap();
        config.layer.into_iter().map(|layer| layer.kind).collect()
    };
    assert_eq!(kinds(&[]), ["embedding", "lstm"]);
    assert_eq!(kinds(&["data.id=id", "data.value=[\"x\"]", "layer.0.units=8"]), ["lstm"]);
}
