//! `gimbap convert --quantize`: a smaller model, what it costs, and what is refused.

mod common;

use common::{Bench, json, small_lm};

#[test]
fn a_converted_model_is_smaller_and_does_what_the_model_did() {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &["--quiet"]));
    for precision in ["int8", "bf16"] {
        let small = format!("{precision}.safetensors");
        let convert = ["convert", "runs/a", &small, "--quantize", precision, "--data", "text.txt"];
        let answer = json(&bench.ok(&[&convert[..], &["--json"]].concat()).stdout);
        assert_eq!(
            (answer["precision"].as_str(), answer["model"].as_str()),
            (Some(precision), Some(&small[..]))
        );
        let size = |when: &str| answer["bytes"][when].as_u64().unwrap();
        assert_eq!(size("after"), std::fs::metadata(bench.path(&small)).unwrap().len());
        assert!(size("after") < size("before"));
        assert!(answer["weight_error"]["largest"].as_f64().unwrap() > 0.0);
        let perplexity = |when: &str| answer[when]["perplexity"].as_f64().unwrap();
        assert!((perplexity("after") / perplexity("before") - 1.0).abs() < 0.05, "{answer}");

        // What it said is what the file does.
        let eval = json(&bench.ok(&["eval", &small, "text.txt", "--json"]).stdout);
        assert_eq!(eval["perplexity"], answer["after"]["perplexity"]);
        let inspect = json(&bench.ok(&["inspect", &small, "--json"]).stdout);
        assert_eq!((inspect["format"].as_u64(), inspect["precision"].as_str()), (Some(2), Some(precision)));
        assert_eq!(bench.ok(&["generate", &small, "-n", "20", "--quiet"]).code, Some(0));

        let again = bench.run(&["convert", "runs/a", &small, "--quantize", precision]);
        assert_eq!(again.code, Some(2));
        assert!(again.stderr.contains("--force"), "{}", again.stderr);
        let forced = bench.ok(&["convert", "runs/a", &small, "--quantize", precision, "--force"]);
        assert!(forced.stdout.contains("file") && !forced.stdout.contains("perplexity"), "{}", forced.stdout);
        let twice = bench.run(&["convert", &small, "twice.safetensors", "--quantize", "int8"]);
        assert_eq!(twice.code, Some(1));
        assert!(twice.stderr.contains("full weights"), "{}", twice.stderr);
    }
    let files = bench.files();
    let unknown = bench.run(&["convert", "runs/a", "x.safetensors", "--quantize", "int4"]);
    assert_eq!(unknown.code, Some(2));
    let no_data =
        bench.run(&["convert", "runs/a", "x.safetensors", "--quantize", "int8", "--data", "nowhere"]);
    assert_eq!(no_data.code, Some(1));
    assert_eq!(bench.files(), files, "nothing is written where something is wrong");
}

/// A pipe, or a device, is written to and stays what it is; a link is followed.
#[cfg(unix)]
#[test]
fn a_converted_model_goes_through_pipes_and_links() {
    use std::io::Read;
    use std::os::unix::fs::FileTypeExt;

    let bench = Bench::new();
    bench.ok(&small_lm("run", &["--quiet"]));
    bench.ok(&["convert", "run", "small.safetensors", "--quantize", "int8"]);
    let whole = std::fs::read(bench.path("small.safetensors")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap().success());
    let path = bench.path("pipe");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    });
    let told = bench.ok(&["convert", "run", "pipe", "--quantize", "int8", "--force", "--json"]);
    assert!(reader.join().unwrap() == whole);
    assert!(std::fs::symlink_metadata(bench.path("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(json(&told.stdout)["bytes"]["after"].as_u64(), Some(whole.len() as u64));

    bench.write("elsewhere", "old");
    std::os::unix::fs::symlink("elsewhere", bench.path("link")).unwrap();
    bench.ok(&["convert", "run", "link", "--quantize", "int8", "--force"]);
    assert!(std::fs::read(bench.path("elsewhere")).unwrap() == whole);
    assert!(std::fs::symlink_metadata(bench.path("link")).unwrap().is_symlink());
}
