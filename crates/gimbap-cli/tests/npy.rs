//! Arrays in, arrays out.

mod common;

use common::{Bench, json, jsonl, small_lm};

/// A `.npy` of numbers that are written as they are.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// The numbers of a `float32` file, and its header.
fn read(bytes: &[u8]) -> (String, Vec<f32>) {
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8(bytes[10..10 + length].to_vec()).unwrap();
    let values = bytes[10 + length..].as_chunks::<4>().0;
    (header, values.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

#[test]
fn features_in_data_units_with_lengths() {
    let bench = Bench::new();
    let config = ["--set", "data.id=id", "--set", "data.scaler=standard"];
    bench.write(
        "c.toml",
        "[task]\nkind = \"classify\"\n[data]\npath = \"gestures.csv\"\n[[layer]]\ntype = \"gru\"\nunits = 6\n[train]\nepochs = 2\n",
    );
    bench.ok(&[&["train", "c.toml"][..], &config].concat());
    // s0 is rising over three steps; behind them stands what must not be looked at.
    let nan = f32::NAN;
    let x = floats(&[0.0, 0.5, 1.0, 0.5, 2.0, 0.5, nan, nan]);
    bench.write("x.npy", npy("<f4", "(1, 4, 2)", &x));
    bench.write("lengths.npy", npy("<i8", "(1,)", &3i64.to_le_bytes()));
    bench.ok(&["predict", "runs/c", "x.npy", "--lengths", "lengths.npy", "-o", "y.npy"]);
    let (header, y) = read(&std::fs::read(bench.path("y.npy")).unwrap());
    assert!(header.contains("'<f4'") && header.contains("(1, 2)"), "{header}");
    let lines = jsonl(&bench.ok(&["predict", "runs/c", "gestures.csv", "--json"]).stdout);
    let expected = lines[0]["probabilities"]["down"].as_f64().unwrap();
    assert!((f64::from(y[0]) - expected).abs() < 1e-5, "{y:?} against {expected}");
    let answer =
        json(&bench.ok(&["predict", "runs/c", "x.npy", "--lengths", "lengths.npy", "--json"]).stdout);
    let names: Vec<&str> = answer["probabilities"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        (names, answer["sequence"].as_str()),
        (vec!["down", "up"], Some("0")),
        "classes have their names"
    );
    assert!((answer["probabilities"]["down"].as_f64().unwrap() - expected).abs() < 1e-5);
}

#[test]
fn ids_and_what_does_not_fit() {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &[]));
    let ids: Vec<u8> = [1u32, 2, 3, 4, 5, 6].iter().flat_map(|x| x.to_le_bytes()).collect();
    bench.write("ids.npy", npy("<u4", "(2, 3)", &ids));
    bench.ok(&["predict", "runs/a", "ids.npy", "-o", "y.npy"]);
    let (header, _) = read(&std::fs::read(bench.path("y.npy")).unwrap());
    assert!(header.contains("'shape': (2, 3, "), "{header}");

    bench.write("floats.npy", npy("<f4", "(1, 1, 2)", &floats(&[1.0, 2.0])));
    bench.write("beyond.npy", npy("<u4", "(1, 1)", &9999u32.to_le_bytes()));
    bench.write("cut.npy", &npy("<u4", "(1, 1)", &[])[..]);
    bench.write("no.npy", "id,text\n");
    for (file, word) in [
        ("floats.npy", "integer ids"),
        ("beyond.npy", "9999"),
        ("cut.npy", "promises"),
        ("no.npy", "not a .npy"),
    ] {
        let run = bench.run(&["predict", "runs/a", file]);
        assert_eq!(run.code, Some(1), "{file}");
        assert!(run.stderr.contains(word), "{file}: {}", run.stderr);
    }
}

/// The arrays of the tutorial's program: ten sequences of five numbers, and a label for each.
fn tutorial(bench: &Bench) {
    let x: Vec<f32> = (0..50).map(|i| ((i * 37 % 50) as f32) / 50.0).collect();
    let y: Vec<f32> = x.chunks(5).map(|x| f32::from(u8::from(x[4] > 0.5))).collect();
    bench.write("x.npy", npy("<f4", "(10, 5, 1)", &floats(&x)));
    bench.write("flat.npy", npy("<f4", "(10, 5)", &floats(&x)));
    bench.write("y.npy", npy("<f4", "(10, 1)", &floats(&y)));
    let one_hot: Vec<f32> = y.iter().flat_map(|&y| [1.0 - y, y]).collect();
    bench.write("one_hot.npy", npy("<f4", "(10, 2)", &floats(&one_hot)));
    let three: Vec<u8> = (0..10).map(|i| i % 3).collect();
    bench.write("three.npy", npy("|u1", "(10,)", &three));
}

const TUTORIAL: &str = include_str!("../../../examples/configs/keras_tutorial.toml");

#[test]
fn the_tutorial_s_program_is_a_command() {
    let bench = Bench::new();
    tutorial(&bench);
    bench.write("k.toml", TUTORIAL);
    let done = jsonl(&bench.ok(&["train", "k.toml", "-o", "runs/k", "--json"]).stdout).pop().unwrap();
    assert_eq!(done["metrics"], json("{}"), "nothing was held out");
    let layers = json(&bench.ok(&["inspect", "runs/k", "--json"]).stdout);
    assert_eq!(layers["parameters"], 89);
    let counts: Vec<u64> = layers["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["parameters"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [80, 9]);

    // Keras's output: one number for each sequence, the probability of its yes.
    bench.ok(&["predict", "runs/k", "x.npy", "-o", "p.npy"]);
    let (header, p) = read(&std::fs::read(bench.path("p.npy")).unwrap());
    assert!(header.contains("(10, 1)") && p.iter().all(|p| (0.0..1.0).contains(p)), "{header} {p:?}");
    let rows = jsonl(&bench.ok(&["predict", "runs/k", "flat.npy", "--json"]).stdout);
    for (row, &p) in rows.iter().zip(&p) {
        let yes = row["probabilities"]["1"].as_f64().unwrap();
        assert!(
            (yes - f64::from(p)).abs() < 1e-6 && row["label"] == if p > 0.5 { "1" } else { "0" },
            "{row}"
        );
    }

    // What `eval` says is Keras's binary cross-entropy and accuracy.
    let eval = json(&bench.ok(&["eval", "runs/k", "x.npy", "--target", "y.npy", "--json"]).stdout);
    let y = read(&std::fs::read(bench.path("y.npy")).unwrap()).1;
    let loss = |(p, y): (&f32, &f32)| -f64::from(if *y == 1.0 { *p } else { 1.0 - *p }).ln() / 10.0;
    let expected: f64 = p.iter().zip(&y).map(loss).sum();
    assert!((eval["loss"].as_f64().unwrap() - expected).abs() < 1e-5, "{eval} {expected}");
    let right = p.iter().zip(&y).filter(|(p, y)| (**p > 0.5) == (**y == 1.0)).count();
    assert_eq!(eval["accuracy"].as_f64(), Some(right as f64 / 10.0));
    let shown = bench.ok(&["eval", "runs/k", "x.npy", "--target", "one_hot.npy"]).stdout;
    assert!(shown.contains("actual, taken for"), "{shown}");
    bench.ok(&["explain", "runs/k", "--input", "x.npy", "-o", "report.html"]);
}

#[test]
fn the_tutorial_s_program_is_typed_without_a_config() {
    let bench = Bench::new();
    tutorial(&bench);
    let typed = [
        "train",
        "--task",
        "classify",
        "--data",
        "x.npy",
        "--set",
        "data.target=y.npy",
        "--valid",
        "0",
        "--set",
        "layer.0={type=\"simple_rnn\", units=8}",
        "--set",
        "layer.+={type=\"dense\", units=1, activation=\"sigmoid\"}",
        "--epochs",
        "2",
        "-q",
        "-o",
    ];
    bench.ok(&[&typed[..], &["runs/a"]].concat());
    assert_eq!(json(&bench.ok(&["inspect", "runs/a", "--json"]).stdout)["parameters"], 89);
    // The loss may be said, and the output layer then follows from it.
    let without: Vec<&str> = typed.iter().copied().filter(|a| !a.starts_with("layer.+")).collect();
    let at = without.iter().rposition(|a| *a == "--set").unwrap();
    let mut said = without.clone();
    said.insert(at + 1, "train.loss=binary_crossentropy");
    bench.ok(&[&said[..], &["runs/b"]].concat());
    assert_eq!(json(&bench.ok(&["inspect", "runs/b", "--json"]).stdout)["parameters"], 89);
    let weights = |run: &str| std::fs::read(bench.path(run).join("last.safetensors")).unwrap();
    assert_eq!(weights("runs/a").len(), weights("runs/b").len());

    // Two softmax outputs, held-out sequences, three classes.
    for (target, more) in [("y.npy", vec!["--valid", "0.2"]), ("three.npy", vec!["--valid", "none"])] {
        let target = format!("data.target={target}");
        let base =
            ["train", "--task", "classify", "--data", "flat.npy", "--set", &target, "--epochs", "1", "-q"];
        bench.ok(&[&base[..], &more, &["-o", "runs/c", "--force"]].concat());
        let told = bench.ok(&["predict", "runs/c", "flat.npy"]).stdout;
        assert!(told.starts_with("label\tprobability\tsequence\n"), "{told}");
    }
}

#[test]
fn pairs_of_arrays_that_are_none() {
    let bench = Bench::new();
    tutorial(&bench);
    bench.write("short.npy", npy("<f4", "(9,)", &floats(&[0.0; 9])));
    bench.write("zeros.npy", npy("<f4", "(10,)", &floats(&[0.0; 10])));
    bench.write("half.npy", npy("<f4", "(10,)", &floats(&[0.5; 10])));
    bench.write("rows.npy", npy("<f4", "(10, 2)", &floats(&[1.0; 20])));
    bench.write("nan.npy", npy("<f4", "(10, 1, 1)", &floats(&[f32::NAN; 10])));
    let train = |data: &str, sets: &[&str]| {
        let sets = &[&["data.valid=0"], sets].concat();
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let base = ["train", "--task", "classify", "--data", data, "-o", "runs/x"];
        bench.run(&[&base[..], &sets].concat())
    };
    let one = "layer.+={type=\"dense\", units=1, activation=\"sigmoid\"}";
    let four = "layer.+={type=\"dense\", units=4, activation=\"softmax\"}";
    for (data, sets, code, words) in [
        ("x.npy", &[][..], 1, "data.target=Y.npy"),
        ("x.npy", &["data.target=short.npy"], 1, "9 labels"),
        ("x.npy", &["data.target=zeros.npy"], 1, "two classes"),
        ("x.npy", &["data.target=half.npy"], 1, "label 0 is 0.5"),
        ("x.npy", &["data.target=rows.npy"], 1, "one-hot"),
        ("nan.npy", &["data.target=y.npy"], 1, "[0, 0, 0] is no finite number"),
        ("y.npy", &["data.target=reviews.csv"], 1, "expected an array"),
        ("reviews.csv", &["data.target=y.npy"], 1, "expected an array"),
        ("x.npy", &["data.target=three.npy", one], 2, "for two classes, and there are 3"),
        ("x.npy", &["data.target=three.npy", "train.loss=binary_crossentropy"], 2, "for two classes"),
        ("x.npy", &["data.target=three.npy", four], 2, "is 4, but the output layer of this task has 3"),
        ("x.npy", &["data.target=y.npy", "data.valid=flat.npy"], 2, "a fraction"),
        ("x.npy", &["data.target=y.npy", "data.valid=0.01"], 2, "0 holds nothing out"),
    ] {
        let run = train(data, sets);
        assert_eq!(run.code, Some(code), "{data} {sets:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{data} {sets:?}: {}", run.stderr);
        assert!(!bench.path("runs").exists(), "{data} {sets:?}");
    }
}

/// An archive of stored files, as `np.savez` writes it.
fn npz(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let crc = content.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ (0xedb8_8320 * (crc & 1)))
        });
        let size = (content.len() as u32).to_le_bytes();
        let mut head = [20u8, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
        head.extend([(!crc).to_le_bytes(), size, size].concat());
        head.extend((name.len() as u32).to_le_bytes());
        let offset = (bytes.len() as u32).to_le_bytes();
        bytes.extend([&b"PK\x03\x04"[..], &head[..], name.as_bytes(), content].concat());
        list.extend([&b"PK\x01\x02\x14\x00"[..], &head[..], &[0; 10], &offset, name.as_bytes()].concat());
    }
    let count = (files.len() as u16).to_le_bytes();
    let place = [(list.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
    bytes.extend(list);
    bytes.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &place, &[0, 0]].concat());
    bytes
}

#[test]
fn an_archive_holds_sequences_and_labels() {
    let bench = Bench::new();
    tutorial(&bench);
    let file = |name: &str| std::fs::read(bench.path(name)).unwrap();
    let [x, y] = ["x.npy", "y.npy"].map(file);
    bench.write(
        "d.npz",
        npz(&[("X_train.npy", x.clone()), ("y_train.npy", y.clone()), ("X_test.npy", x.clone())]),
    );
    bench.write("xy.npz", npz(&[("x.npy", x.clone()), ("y.npy", y)]));
    let train = [
        "train",
        "--task",
        "classify",
        "--epochs",
        "1",
        "--force",
        "-o",
        "runs/z",
        "--set",
        "layer.0.units=3",
    ];
    let run = bench.ok(&[&train[..], &["--data", "d.npz"]].concat());
    assert!(run.stderr.contains("read as: the arrays `X_train` and `y_train`, 2 labels"), "{}", run.stderr);
    let run = bench.ok(&["predict", "runs/z", "d.npz"]);
    assert!(run.stderr.contains("read as: the array `X_test`"), "{}", run.stderr);
    assert_eq!(run.stdout, bench.ok(&["predict", "runs/z", "x.npy"]).stdout);
    let eval = json(&bench.ok(&["eval", "runs/z", "xy.npz", "--json"]).stdout);
    assert_eq!(eval, json(&bench.ok(&["eval", "runs/z", "x.npy", "--target", "y.npy", "--json"]).stdout));
    let run = bench.run(&["eval", "runs/z", "d.npz"]);
    assert!(run.code == Some(1) && run.stderr.contains("has no labels in it"), "{}", run.stderr);
    // What is there to choose the best model by is used for that, in a run that is resumed too.
    let [x2, y2] = [["X_train.npy", "X_valid.npy"], ["y_train.npy", "y_valid.npy"]]
        .map(|names| names.map(|name| (name, file(if name.starts_with('X') { "x.npy" } else { "y.npy" }))));
    bench.write("v.npz", npz(&[x2, y2].concat()));
    let run = bench.ok(&[&train[..], &["--data", "v.npz"]].concat());
    let words = "to choose the best model: the arrays `X_valid` and `y_valid`";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let run = bench.ok(&["train", "--resume", "-o", "runs/z", "--epochs", "2", "--json"]);
    assert_eq!(jsonl(&run.stdout).pop().unwrap()["metrics"]["sequences"], 10);
    bench.write("ab.npz", npz(&[("a.npy", x.clone()), ("b.npy", x)]));
    let run = bench.run(&["predict", "runs/z", "ab.npz"]);
    assert!(run.stderr.contains("holds a, b, where `x` or `x_test`"), "{}", run.stderr);
}

/// Padding is no part of a sequence, and classes have names.
#[test]
fn an_archive_may_hold_lengths_and_names() {
    let bench = Bench::new();
    let (mut x, mut short, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..20u8 {
        let steps = [f32::from(i), f32::from(i % 3), f32::NAN];
        x.extend(floats(&steps));
        short.extend(floats(&steps[..2]));
        names.extend(if i % 2 == 0 { *b"up\0\0" } else { *b"down" });
    }
    let lengths = npy("<i4", "(20,)", &2i32.to_le_bytes().repeat(20));
    let (x, short) = (npy("<f4", "(20, 3)", &x), npy("<f4", "(20, 2)", &short));
    let y = npy("|S4", "(20,)", &names);
    let archive =
        |lengths: Vec<u8>| npz(&[("x.npy", x.clone()), ("y.npy", y.clone()), ("lengths.npy", lengths)]);
    bench.write("d.npz", archive(lengths.clone()));
    bench.write("short.npz", npz(&[("x.npy", short), ("y.npy", y.clone())]));
    let train =
        ["train", "--task", "classify", "--epochs", "1", "-o", "r", "--set", "layer.0.units=3", "--data"];
    let run = bench.ok(&[&train[..], &["d.npz"]].concat());
    let words = "read as: the arrays `x` and `y`, sequences as long as `lengths` says, 2 labels";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    let predicted = bench.ok(&["predict", "r", "d.npz"]).stdout;
    assert_eq!(predicted, bench.ok(&["predict", "r", "short.npz"]).stdout);
    let second = predicted.lines().nth(1).unwrap();
    assert!(second.starts_with("up\t") || second.starts_with("down\t"), "{predicted}");
    let eval = |file: &str| json(&bench.ok(&["eval", "r", file, "--json"]).stdout);
    assert_eq!(eval("d.npz"), eval("short.npz"));
    for (lengths, words) in [
        (npy("<i4", "(20,)", &4i32.to_le_bytes().repeat(20)), "sequence 0 has the length 4, and 3 steps"),
        (npy("<i4", "(19,)", &1i32.to_le_bytes().repeat(19)), "has 19 lengths for 20 sequences"),
        (npy("<f4", "(20,)", &floats(&[1.0; 20])), "lengths must be integers"),
    ] {
        bench.write("no.npz", archive(lengths));
        let run = bench.run(&[&train[..], &["no.npz", "--force"]].concat());
        assert!(run.code == Some(1) && run.stderr.contains(words), "{}", run.stderr);
    }
    bench.write("no.npz", npz(&[("x.npy", x), ("y.npy", npy("|S1", "(20,)", &b"a".repeat(20)))]));
    let run = bench.run(&["eval", "r", "no.npz"]);
    assert!(run.stderr.contains("element 0: the label `a`"), "{}", run.stderr);
}

/// Labels from 1 on had a class 0 that no example has.
#[test]
fn numbers_that_do_not_count_classes_name_them() {
    let bench = Bench::new();
    let x: Vec<f32> = (0..40).map(|i| (i % 7) as f32 / 7.0).collect();
    bench.write(
        "d.npz",
        npz(&[
            ("x.npy", npy("<f4", "(20, 2)", &floats(&x))),
            ("y.npy", npy("|i1", "(20,)", &[1, 255].repeat(10))),
        ]),
    );
    let run = bench.ok(&[
        "train",
        "--task",
        "classify",
        "--epochs",
        "1",
        "-o",
        "r",
        "--set",
        "layer.0.units=3",
        "--data",
        "d.npz",
    ]);
    assert!(run.stderr.contains("2 labels"), "{}", run.stderr);
    let first = jsonl(&bench.ok(&["predict", "r", "d.npz", "--json"]).stdout).remove(0);
    let names: Vec<&String> = first["probabilities"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["-1", "1"]);
    // A sequence of no steps has no label.
    bench.write("none.npy", npy("<f4", "(1, 0)", &[]));
    let run = bench.run(&["predict", "r", "none.npy"]);
    assert!(run.code == Some(1) && run.stderr.contains("has no step"), "{}", run.stderr);
}

/// Of bytes, cells were full at the first step.
#[test]
fn an_array_whose_values_lie_far_from_0_is_scaled() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..60u32).map(|i| (i * 37 % 256) as u8).collect();
    bench.write("x.npy", npy("|u1", "(20, 3)", &bytes));
    bench.write("y.npy", npy("|u1", "(20,)", &[0, 1].repeat(10)));
    let near: Vec<f32> = bytes.iter().map(|&x| f32::from(x) / 255.0).collect();
    bench.write("near.npy", npy("<f4", "(20, 3)", &floats(&near)));
    let train = |x: &str, more: &[&str]| {
        let base = [
            "train",
            "--task",
            "classify",
            "--epochs",
            "1",
            "--force",
            "-o",
            "r",
            "--set",
            "data.target=y.npy",
            "--data",
            x,
        ];
        let told = bench.ok(&[&base[..], &["--set", "layer.0.units=3"], more].concat()).stderr;
        let config = std::fs::read_to_string(bench.path("r/config.toml")).unwrap();
        (told.contains("scaled to mean 0"), config.contains("scaler = \"standard\""))
    };
    assert_eq!(train("x.npy", &[]), (true, true));
    let outputs = bench.ok(&["predict", "r", "x.npy", "--json"]).stdout;
    assert!(jsonl(&outputs).iter().all(|line| line["probability"].is_f64()));
    assert_eq!(train("near.npy", &[]), (false, false));
    assert_eq!(train("x.npy", &["--set", "data.scaler=none"]), (false, false));
}

/// They gave NaN and exit code 0.
#[test]
fn a_value_that_is_no_number_is_refused() {
    let bench = Bench::new();
    tutorial(&bench);
    bench.write("k.toml", TUTORIAL);
    bench.ok(&["train", "k.toml", "-o", "runs/k", "--epochs", "1", "-q"]);
    bench.write("nan.npy", npy("<f4", "(1, 2, 1)", &floats(&[1.0, f32::NAN])));
    let run = bench.run(&["predict", "runs/k", "nan.npy"]);
    let words = "nan.npy: the value at [0, 1, 0] is no finite number";
    assert!(run.code == Some(1) && run.stderr.contains(words), "{}", run.stderr);
}
