//! The command's own manners: help, usage errors, exit codes, `--json`, pipes.

mod common;

use common::{command, gimbap, json};

#[test]
fn every_verb_has_help_with_an_example() {
    for verb in [
        "new",
        "train",
        "eval",
        "predict",
        "generate",
        "score",
        "neighbors",
        "analogy",
        "map",
        "embed",
        "inspect",
        "bench",
        "completions",
    ] {
        let run = gimbap(&[verb, "--help"]);
        assert_eq!(run.code, Some(0), "{verb}");
        assert!(run.stdout.contains("Example"), "{verb}: {}", run.stdout);
    }
}

#[test]
fn wrong_usage_is_2_and_under_json_an_object() {
    for args in [&["train", "--no-such-flag"][..], &["generate"], &["fly"], &[]] {
        let run = gimbap(args);
        assert_eq!(run.code, Some(2), "{args:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{args:?}");
    }
    let run = gimbap(&["train", "--no-such-flag", "--json"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(json(&run.stdout)["error"]["kind"], "usage");
    assert!(run.stderr.is_empty());
    let run = gimbap(&["--json", "generate"]);
    assert_eq!((run.code, json(&run.stdout)["error"]["kind"].as_str()), (Some(2), Some("usage")));
}

#[test]
fn an_instruction_set_that_is_not_there_is_wrong_usage() {
    let run = |isa: &str, args: &[&str]| {
        let output = command(args).env("GIMBAP_ISA", isa).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    for (isa, why) in [("avx9", "no instruction set"), (foreign, "this processor lacks")] {
        let (code, stdout, stderr) = run(isa, &["new", "lm"]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert!(stderr.contains(why) && stderr.contains("`scalar`"), "{stderr}");
        let (code, stdout, _) = run(isa, &["new", "lm", "--json"]);
        assert_eq!((code, json(&stdout)["error"]["kind"].as_str()), (Some(2), Some("usage")));
    }
    for isa in ["scalar", ""] {
        assert_eq!(run(isa, &["new", "lm"]).0, Some(0));
    }
}

#[test]
fn new_prints_a_config_for_every_task() {
    for task in ["lm", "classify", "tag", "forecast"] {
        let run = gimbap(&["new", task]);
        assert_eq!(run.code, Some(0));
        assert!(run.stdout.contains(&format!("kind = \"{task}\"")));
        let run = gimbap(&["new", task, "--json"]);
        assert_eq!(json(&run.stdout)["task"], task);
    }
    assert_eq!(gimbap(&["new", "dance"]).code, Some(2));
}

#[test]
fn completions_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let run = gimbap(&["completions", shell]);
        assert_eq!(run.code, Some(0));
        assert!(run.stdout.contains("gimbap"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_on_stdout_is_a_failure_and_a_closed_pipe_is_not() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = command(&["new", "lm"]).stdout(full).output().unwrap();
    assert_eq!(child.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&child.stderr).contains("standard output"));
    // What should have been a document is told where there is room.
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = command(&["new", "lm", "--json"]).stdout(full()).output().unwrap();
    assert_eq!(child.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&child.stderr).contains("standard output"));
    let child = command(&["eval", "nowhere", "text.txt", "--json"]).stdout(full()).output().unwrap();
    assert!(String::from_utf8_lossy(&child.stderr).contains("nowhere"));

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = command(&["new", "lm"]).stdout(writer).output().unwrap();
    assert_eq!((child.status.code(), child.stderr.len()), (Some(0), 0));
}
