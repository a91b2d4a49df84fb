//! Input that cannot be used: each a clear error with its exit code, and nothing left behind.

mod common;

use common::{Bench, SMALL, json, small_lm};

/// Runs the command, which must fail with this code and say all of these words, also under `--json`, and leave no
/// file behind.
fn check(bench: &Bench, args: &[&str], code: i32, kind: &str, words: &[&str]) {
    let before = bench.files();
    let run = bench.run(args);
    assert_eq!(run.code, Some(code), "{args:?}: {}", run.stderr);
    let message = run.stderr.lines().last().unwrap_or_default();
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    assert!(message.starts_with("error: "), "{message}");
    let run = bench.run(&[args, &["--json"]].concat());
    let error = &json(&run.stdout)["error"];
    assert_eq!((run.code, error["kind"].as_str()), (Some(code), Some(kind)), "{error}");
    assert_eq!(format!("error: {}", error["message"].as_str().unwrap()), message);
    assert_eq!(bench.files(), before, "something was left");
}

fn classify<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--task", "classify", "--data", data, "-o", "runs/x"][..], more].concat()
}

fn forecast<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--task", "forecast", "--data", data, "-o", "runs/x"][..], more].concat()
}

fn lm<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "--task", "lm", "--data", data, "-o", "runs/x"][..], more].concat()
}

#[test]
fn an_empty_file() {
    let bench = Bench::new();
    bench.write("empty", "");
    bench.write("empty.csv", "");
    bench.write("blank.txt", " \n\n ");
    check(&bench, &lm("empty", &[]), 1, "data", &["empty", "is empty"]);
    check(&bench, &lm("blank.txt", &[]), 1, "data", &["blank.txt"]);
    check(&bench, &classify("empty.csv", &[]), 1, "data", &["empty.csv"]);
    check(&bench, &forecast("empty.csv", &[]), 1, "data", &["empty.csv"]);
}

#[test]
fn a_missing_file() {
    let bench = Bench::new();
    check(&bench, &lm("no.txt", &[]), 1, "io", &["no.txt", "No such file"]);
    check(&bench, &["train", "no.toml"], 2, "config", &["no.toml", "No such file"]);
    check(&bench, &["eval", "no.safetensors", "text.txt"], 1, "io", &["no.safetensors"]);
}

#[test]
fn a_one_line_file() {
    let bench = Bench::new();
    bench.write("one.txt", "a line\n");
    bench.write("one.csv", "text,label\n");
    bench.write("time.csv", "time,flow\n");
    // Left to the data, the segments are as short as it is.
    let segment = ["--set", "train.bptt=50"];
    check(&bench, &lm("one.txt", &segment), 1, "data", &["one.txt", "fewer than one segment"]);
    let words = [&segment[..], &["--set", "data.unit=word", "--set", "data.min_count=1"]].concat();
    check(&bench, &lm("one.txt", &words), 1, "data", &["one.txt", "fewer than one segment"]);
    check(&bench, &classify("one.csv", &[]), 1, "data", &["one.csv"]);
    check(&bench, &forecast("time.csv", &[]), 1, "data", &["time.csv"]);
}

#[test]
fn a_text_shorter_than_one_segment() {
    let bench = Bench::new();
    let args = lm("text.txt", &["--set", "train.bptt=400", "--set", "train.batch=50"]);
    check(&bench, &args, 1, "data", &["text.txt", "train.batch", "400", "train.bptt"]);
}

#[test]
fn a_series_shorter_than_one_window() {
    let bench = Bench::new();
    let args = forecast("flow.csv", &["--set", "data.window=1000"]);
    check(&bench, &args, 1, "data", &["flow.csv, training part", "1000"]);
}

#[test]
fn invalid_utf_8_with_the_byte_offset() {
    let bench = Bench::new();
    bench.write("bad.txt", b"hello \xff\xfe world\n");
    bench.write("bad.csv", b"text,label\nf\xffne,pos\nbad,neg\n");
    bench.write("bad.toml", b"[task]\n# \xff\n");
    check(&bench, &lm("bad.txt", &[]), 1, "data", &["bad.txt", "byte 6"]);
    check(&bench, &classify("bad.csv", &[]), 1, "data", &["bad.csv", "12"]);
    check(&bench, &["train", "bad.toml"], 2, "config", &["bad.toml", "byte 9"]);
}

#[test]
fn a_missing_column_suggests_the_nearest() {
    let bench = Bench::new();
    let args = classify("reviews.csv", &["--set", "data.text=texd"]);
    check(&bench, &args, 1, "data", &["reviews.csv", "texd", "text"]);
    let args = forecast("flow.csv", &["--set", "data.value=flaw"]);
    check(&bench, &args, 1, "data", &["flow.csv", "flaw", "flow"]);
}

#[test]
fn a_ragged_row_names_its_line() {
    let bench = Bench::new();
    bench.write("r.csv", "text,label\na,pos\nb\nc,neg\n");
    bench.write("f.csv", "time,flow\n0,1\n1,2,3\n");
    check(&bench, &classify("r.csv", &[]), 1, "data", &["r.csv", "line 3"]);
    check(&bench, &forecast("f.csv", &[]), 1, "data", &["f.csv", "line 3"]);
}

#[test]
fn a_nan_cell_names_its_line_and_column() {
    let bench = Bench::new();
    for cell in ["NaN", "", "inf", "x"] {
        bench.write("n.csv", format!("time,flow\n0,1\n1,{cell}\n2,3\n"));
        check(&bench, &forecast("n.csv", &[]), 1, "data", &["n.csv", "line 3", "flow"]);
    }
    bench.write("g.csv", "id,time,x,label\na,0,1,up\na,1,NaN,up\nb,0,1,down\n");
    check(&bench, &classify("g.csv", &["--set", "data.id=id"]), 1, "data", &["g.csv", "line 3", "x"]);
}

#[test]
fn labels_of_one_class_only() {
    let bench = Bench::new();
    bench.write("same.csv", "text,label\na,pos\nb,pos\nc,pos\n");
    check(&bench, &classify("same.csv", &[]), 1, "data", &["same.csv", "`pos`", "two classes"]);
}

#[test]
fn zeros_in_the_config() {
    let bench = Bench::new();
    for (set, key) in [
        ("train.batch=0", "train.batch"),
        ("train.bptt=0", "train.bptt"),
        ("train.bptt=[0,5]", "train.bptt"),
        ("layer.1.units=0", "layer.1.units"),
    ] {
        check(&bench, &lm("text.txt", &["--set", set]), 2, "config", &[set, key]);
    }
    check(&bench, &forecast("flow.csv", &["--set", "data.window=0"]), 2, "config", &["data.window"]);
    bench.write("z.toml", "[task]\nkind = \"lm\"\n[train]\nbatch = 0\n");
    check(
        &bench,
        &["train", "z.toml", "--data", "text.txt"],
        2,
        "config",
        &["z.toml, line 4", "train.batch"],
    );
}

#[test]
fn mistakes_in_the_config() {
    let bench = Bench::new();
    bench.write("u.toml", "[task]\nkind = \"lm\"\n[[layer]]\ntype = \"lstm\"\nunitz = 3\n");
    check(&bench, &["train", "u.toml"], 2, "config", &["u.toml, line 5", "`unitz`", "did you mean `units`"]);
    bench.write("k.toml", "[task]\nkind = \"lm\"\n[[layer]]\ntype = \"lstn\"\nunits = 3\n");
    check(&bench, &["train", "k.toml"], 2, "config", &["k.toml, line 4", "`lstn`", "did you mean `lstm`"]);
    let args = lm("text.txt", &["--set", "train.epoch=3"]);
    check(&bench, &args, 2, "config", &["--set train.epoch=3", "did you mean `epochs`"]);
    check(&bench, &["train", "--task", "lm"], 2, "usage", &["--data"]);
    bench.write(
        "b.toml",
        "[task]\nkind = \"lm\"\n[data]\npath = \"text.txt\"\n[[layer]]\ntype = \"lstm\"\nunits = 3\n",
    );
    check(&bench, &["train", "b.toml"], 2, "config", &["lstm", "OneHot"]);
    bench.write(
        "r.toml",
        "[task]\nkind = \"lm\"\n[data]\npath = \"text.txt\"\n[[layer]]\ntype = \"one_hot\"\n[[layer]]\n\
         type = \"bidirectional\"\nlayer = { type = \"lstm\", units = 3 }\n",
    );
    check(&bench, &["train", "r.toml"], 2, "config", &["layer.1", "cannot read from the right"]);
}

#[test]
fn a_model_for_another_task_and_a_damaged_one() {
    let bench = Bench::new();
    let train = classify("reviews.csv", &["-q", "--epochs", "1"]);
    bench.ok(&[&train[..], SMALL].concat());
    let model = "runs/x/best.safetensors";
    for verb in ["generate", "score"] {
        check(&bench, &[verb, model], 1, "task", &[model, "a classifier", verb, "a language model"]);
    }
    check(&bench, &["eval", model, "flow.csv"], 1, "data", &["flow.csv"]);

    let bytes = std::fs::read(bench.path(model)).unwrap();
    bench.write("cut.safetensors", &bytes[..bytes.len() / 2]);
    bench.write("text.safetensors", "this is no model, but a text");
    bench.write("empty.safetensors", "");
    check(&bench, &["inspect", "cut.safetensors"], 1, "tensor", &["cut.safetensors", "tensor `"]);
    for file in ["text.safetensors", "empty.safetensors"] {
        check(&bench, &["inspect", file], 1, "model_file", &[file]);
    }
    check(&bench, &["inspect", "."], 1, "io", &["best.safetensors"]);
}

#[test]
fn a_folder_that_is_taken() {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &["-q"]));
    check(&bench, &small_lm("runs/a", &[]), 2, "run_dir", &["runs/a", "--resume", "--force"]);
    check(&bench, &small_lm("text.txt", &[]), 2, "run_dir", &["text.txt", "not a folder"]);
    check(&bench, &["train", "--resume", "-o", "runs/b"], 2, "run_dir", &["runs/b", "no run to resume"]);
    bench.ok(&small_lm("runs/a", &["-q", "--force"]));
}

#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_folder() {
    let bench = Bench::new();
    // Nobody can write there, not even root.
    check(&bench, &small_lm("/proc/gimbap/run", &[]), 1, "io", &["/proc/gimbap"]);
    bench.ok(&small_lm("runs/a", &["-q"]));
    let args = ["predict", "runs/a", "text.txt", "-o", "/proc/out.csv"];
    check(&bench, &args, 1, "io", &["/proc/out.csv"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    use std::process::Command;

    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &["-q"]));
    check(
        &bench,
        &["predict", "runs/a", "text.txt", "-o", "/dev/full"],
        1,
        "io",
        &["/dev/full", "No space left"],
    );

    // A limit on the size of files stands for the disk: every write beyond it fails.
    let binary = env!("CARGO_BIN_EXE_gimbap");
    let args = small_lm("runs/full", &["-q", "--set", "layer.1.units=64"]);
    let args = args.iter().map(|arg| format!("'{arg}'")).collect::<Vec<_>>().join(" ");
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {binary} {args}");
    let output = Command::new("sh").args(["-c", &script]).current_dir(bench.path(".")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("safetensors"), "{said}");
    let left: Vec<String> = std::fs::read_dir(bench.path("runs/full"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".safetensors") || name.contains("tmp"))
        .collect();
    assert!(left.is_empty(), "half-written: {left:?}");
}

#[test]
fn a_model_that_memory_has_no_room_for_is_refused() {
    let bench = Bench::new();
    let huge = ["train", "--task", "lm", "--data", "text.txt", "-o", "run", "--set", "layer.1.units=1000000"];
    let run = bench.run(&huge);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("of memory") && run.stderr.contains("make it smaller"), "{}", run.stderr);
    assert!(!bench.path("run").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_a_config_cannot_hold_is_refused_for_that() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let bench = Bench::new();
    let name = OsStr::from_bytes(b"text-\xff.txt");
    std::fs::copy(bench.path("text.txt"), bench.path(".").join(name)).unwrap();
    let mut command = common::command(&["train", "--task", "lm", "--data"]);
    let output = command.arg(name).current_dir(bench.path(".")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("not UTF-8") && said.contains("link"), "{said}");
}
