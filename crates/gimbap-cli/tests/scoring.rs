//! `gimbap score` as a stream: records in order and at once, in little memory; totals, ranks, n-best lists.

mod common;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};

use common::{Bench, Run, command, json, jsonl, small_lm};
use serde_json::Value;

/// A folder with a small language model of characters in `runs/a`.
fn characters() -> Bench {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/a", &["-q"]));
    bench
}

/// A folder with a small language model of twelve words in `runs/w`.
fn words() -> Bench {
    let bench = Bench::new();
    bench.ok(&small_lm("runs/w", &["-q", "--set", "data.unit=word", "--set", "data.vocab=12"]));
    bench
}

/// Runs `score` on bytes.
fn score_bytes(bench: &Bench, args: &[&str], stdin: &[u8]) -> Run {
    bench.write("stdin", stdin);
    let mut command = command(&[&["score"], args].concat());
    command.current_dir(bench.path(".")).stdin(std::fs::File::open(bench.path("stdin")).unwrap());
    let output = command.output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The records of lines, which must be scored.
fn score(bench: &Bench, args: &[&str], stdin: &str) -> Vec<Value> {
    let run = score_bytes(bench, &[args, &["--json"]].concat(), stdin.as_bytes());
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    jsonl(&run.stdout)
}

fn number(record: &Value, key: &str) -> f64 {
    record[key].as_f64().unwrap_or_else(|| panic!("{key}: {record}"))
}

fn texts(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["text"].as_str().unwrap()).collect()
}

#[test]
fn every_line_has_its_record_in_order_blank_ones_too() {
    let bench = characters();
    let input = "the cat sleeps\n\na dog runs home\n\n\nmy bird";
    let records = score(&bench, &["runs/a"], input);
    assert_eq!(texts(&records), input.split('\n').collect::<Vec<_>>());
    assert_eq!((records[1]["tokens"].as_u64(), &records[1]), (Some(1), &records[3]));
    for record in &records {
        let alone = score(&bench, &["runs/a"], &format!("{}\n", record["text"].as_str().unwrap()));
        assert_eq!(alone, std::slice::from_ref(record));
    }
    let windows = format!("\u{feff}{}", input.replace('\n', "\r\n"));
    assert_eq!(score(&bench, &["runs/a"], &windows), records);
    bench.write("lines.txt", &windows);
    assert_eq!(score(&bench, &["runs/a", "lines.txt"], ""), records);

    let plain = score_bytes(&bench, &["runs/a", "--per-token"], b"a\n\n").stdout;
    let rows: Vec<Vec<&str>> = plain.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["log-probability", "probability", "tokens", "perplexity", "unknown", "sentence"]);
    assert_eq!((rows.len(), rows[1].len(), rows[3][2], rows[4].len()), (6, 6, "\"\\n\"", 5));

    let ranked = score(&bench, &["runs/a", "--rank"], input);
    assert_eq!(ranked.len(), 3, "blank lines are no candidates");
    for (args, input) in
        [(&["runs/a"][..], ""), (&["runs/a", "--total"], ""), (&["runs/a", "--rank"], "\n \n")]
    {
        let run = score_bytes(&bench, args, input.as_bytes());
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains("standard input: holds no sentence to score"), "{}", run.stderr);
    }
}

#[test]
fn a_line_that_is_no_text_stops_after_the_records_before_it() {
    let bench = characters();
    let run = score_bytes(&bench, &["runs/a", "--json"], b"the cat\na dog\nmy \xff bird\nthe cat\n");
    let records = jsonl(&run.stdout);
    assert_eq!((run.code, texts(&records[..2])), (Some(1), vec!["the cat", "a dog"]));
    let message = records[2]["error"]["message"].as_str().unwrap();
    assert!(message.contains("standard input, byte 17 (line 3): byte 0xff"), "{message}");
    let run = score_bytes(&bench, &["runs/a"], b"\xff\xfea\0\n\0");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("UTF-16"), "{}", run.stderr);
}

/// A `score` that is being talked to.
struct Talk {
    child: std::process::Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Talk {
    fn begin(bench: &Bench, args: &[&str]) -> Talk {
        let mut command = command(&[&["score"], args, &["--json"]].concat());
        let mut child = command.current_dir(bench.path(".")).stdin(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Talk { child, stdin, stdout: BufReader::new(stdout) }
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }
}

#[test]
fn a_line_on_a_pipe_is_answered_at_once() {
    let bench = characters();
    let mut talk = Talk::begin(&bench, &["runs/a"]);
    for line in ["the cat", "", "a dog"] {
        writeln!(talk.stdin, "{line}").unwrap();
        assert_eq!(json(&talk.hear())["text"], line);
    }
    drop(talk.stdin);
    assert!(talk.child.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_lines() {
    let bench = words();
    let Talk { mut child, mut stdin, mut stdout } = Talk::begin(&bench, &["runs/w"]);
    let peak = |process: u32| -> usize {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let (first, all) = (20_000, 200_000);
    let writer = std::thread::spawn(move || {
        let block = "the cat sees the moon\n".repeat(1000);
        for _ in 0..all / 1000 {
            stdin.write_all(block.as_bytes()).unwrap();
        }
        // The pipe stays open until the last record is read.
        stdin
    });
    let mut read = |lines: usize| {
        let mut line = String::new();
        for _ in 0..lines {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0);
        }
    };
    read(first);
    let early = peak(child.id());
    read(all - first);
    let late = peak(child.id());
    drop(writer.join().unwrap());
    assert!(child.wait().unwrap().success());
    assert!(late <= early + 4096, "{early} KiB after {first} lines, {late} KiB after {all}");
}

#[test]
fn a_line_of_a_million_tokens() {
    let bench = characters();
    let line = "the cat sees the moon ".repeat(50_000);
    let record = &score(&bench, &["runs/a", "--total"], &line)[0];
    assert_eq!((record["tokens"].as_u64(), record["unknown"].as_u64()), (Some(1_100_001), Some(0)));
    let (short, long) = (score(&bench, &["runs/a"], &line[..22_000]), number(record, "perplexity"));
    assert!((number(&short[0], "perplexity") / long - 1.0).abs() < 0.01, "{} {record}", short[0]);
}

#[test]
fn the_total_is_that_of_the_records() {
    let bench = words();
    let input = "the cat sleeps\n\nmy unheard bird sings\n";
    let records = score(&bench, &["runs/w"], input);
    let sum = |key: &str| records.iter().map(|record| number(record, key)).sum::<f64>();
    for (unknown, tokens) in [("count", sum("tokens")), ("exclude", sum("tokens") - sum("unknown"))] {
        let total = &score(&bench, &["runs/w", "--total", "--unknown", unknown], input)[0];
        let keys: Vec<&String> = total.as_object().unwrap().keys().collect();
        assert_eq!(keys[..5], ["lines", "logprob", "tokens", "perplexity", "unknown"]);
        assert_eq!((number(total, "lines"), number(total, "tokens")), (3.0, tokens));
        assert_eq!(number(total, "unknown"), sum("unknown"));
        let perplexity = (-number(total, "logprob") / tokens).exp();
        assert!((number(total, "perplexity") - perplexity).abs() < 1e-9 * perplexity);
    }
    let total = &score(&bench, &["runs/w", "--total"], input)[0];
    assert!(sum("unknown") > 0.0 && (number(total, "logprob") - sum("logprob")).abs() < 1e-9);
    let plain = score_bytes(&bench, &["runs/w", "--total"], input.as_bytes()).stdout;
    assert!(plain.starts_with("3 lines  ") && plain.lines().count() == 1, "{plain}");
}

#[test]
fn a_total_of_lines_under_a_model_of_a_running_text_says_so() {
    let bench = characters();
    let told = |args: &[&str]| {
        let run = score_bytes(&bench, &[&["runs/a"], args].concat(), b"the cat\na dog\n");
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run.stderr
    };
    let note = told(&["--total"]);
    assert!(
        note.contains("each line is scored from the zero state") && note.contains("`gimbap eval`"),
        "{note}"
    );
    assert_eq!(
        (note.lines().count(), told(&["--total", "-q"]), told(&[])),
        (1, String::new(), String::new())
    );
    let path = bench.path("runs/a/best.safetensors");
    let mut model = gimbap::checkpoint::load(&path).unwrap();
    model.task["lines"] = true.into();
    gimbap::checkpoint::save(&model, &path).unwrap();
    assert_eq!(told(&["--total"]), "", "this model learned lines");
}

#[test]
fn ranks_by_the_line_or_by_the_token() {
    let bench = characters();
    let input = "the cat sleeps\nqq\nthe cat sees the moon\n";
    let rank = |more: &[&'static str]| {
        score(&bench, &[&["runs/a", "--rank", "--unknown-penalty", "0"], more].concat(), input)
    };
    let (by_line, by_token) = (rank(&[]), rank(&["--by", "token"]));
    assert_eq!(by_line, rank(&["--by", "logprob"]));
    let falls = |values: Vec<f64>| values.windows(2).all(|pair| pair[0] >= pair[1]);
    assert!(falls(by_line.iter().map(|record| number(record, "logprob")).collect()));
    let mean = |record: &Value| number(record, "logprob") / number(record, "tokens");
    assert!(falls(by_token.iter().map(mean).collect()));
    assert_ne!(texts(&by_line), texts(&by_token), "the short line is likelier, its tokens are not");
    let find = |records: &[Value]| records.iter().find(|record| record["text"] == "qq").cloned();
    assert_eq!(find(&by_line), find(&by_token), "the probability is that of the line");
}

#[test]
fn lines_full_of_unknown_words_are_not_ranked_first() {
    let bench = words();
    let input = "qq qq\nthe cat sees the moon\nmy qq runs\n";
    let plain = score(&bench, &["runs/w"], input);
    for (by, penalty) in [("logprob", 10.0), ("token", 10.0), ("logprob", 2.5), ("logprob", 0.0)] {
        let written = penalty.to_string();
        let mut args = vec!["runs/w", "--rank", "--by", by];
        if penalty != 10.0 {
            args.extend(["--unknown-penalty", &written]);
        }
        let ranked = score(&bench, &args, input);
        let with_penalty = |record: &Value| number(record, "logprob") - penalty * number(record, "unknown");
        let key = |record: &Value| match by {
            "token" => with_penalty(record) / number(record, "tokens"),
            _ => with_penalty(record),
        };
        assert!(ranked.windows(2).all(|pair| key(&pair[0]) >= key(&pair[1])), "{by} {penalty}: {ranked:?}");
        let sum: f64 = ranked.iter().map(|record| with_penalty(record).exp()).sum();
        for record in &ranked {
            let among = with_penalty(record).exp() / sum;
            assert!((number(record, "among") - among).abs() < 1e-9, "{by} {penalty}: {record}");
            let alone = plain.iter().find(|alone| alone["text"] == record["text"]).unwrap();
            for figure in ["logprob", "perplexity", "tokens", "unknown"] {
                assert_eq!(record[figure], alone[figure], "{figure} stays as it is");
            }
        }
        match penalty {
            0.0 => assert_eq!(ranked[0]["text"], "qq qq", "{ranked:?}"),
            10.0 => assert_eq!(ranked[0]["text"], "the cat sees the moon", "{by}: {ranked:?}"),
            _ => {}
        }
    }
}

#[test]
fn n_best_lists() {
    let bench = characters();
    let input = "u1\t-1.5\tthe cat sleeps\nu1\t-2\tthe qat zleeps\nu1\t-2\ta dog runs home\nu2\t0\tmy bird\nu3\t4\t\n";
    let args = |more: &[&'static str]| [&["runs/a", "--nbest"], more].concat();
    let records = score(&bench, &args(&["--weight", "0.3", "--word-bonus", "-0.5"]), input);
    assert_eq!(records.len(), 5);
    for record in &records {
        let alone = &score(&bench, &["runs/a"], &format!("{}\n", record["text"].as_str().unwrap()))[0];
        assert_eq!(record["logprob"], alone["logprob"]);
        assert_eq!((&record["tokens"], &record["unknown"]), (&alone["tokens"], &alone["unknown"]));
        let model = number(record, "logprob") - 10.0 * number(alone, "unknown");
        let total = 0.7 * number(record, "score") + 0.3 * model - 0.5 * number(alone, "tokens");
        assert!((number(record, "total") - total).abs() < 1e-9);
    }
    let sum: f64 = records[..3].iter().map(|record| number(record, "among")).sum();
    assert!((sum - 1.0).abs() < 1e-9 && number(&records[3], "among") == 1.0);
    let (a, b) = (&records[0], &records[1]);
    let ratio = (number(a, "total") - number(b, "total")).exp();
    assert!((number(a, "among") / number(b, "among") - ratio).abs() < 1e-9 * ratio && ratio >= 1.0);

    let by_score = score(&bench, &args(&["--weight", "0"]), input);
    let order = ["the cat sleeps", "the qat zleeps", "a dog runs home", "my bird", ""];
    assert_eq!(texts(&by_score), order, "equal scores stay as they were");
    let by_model = score(&bench, &args(&["--weight", "1"]), input);
    assert!(number(&by_model[0], "logprob") >= number(&by_model[1], "logprob"));
    assert_eq!(by_model[2]["text"], "the qat zleeps");

    let penalised = score(&bench, &args(&["--weight", "0.1", "--unknown-penalty", "1000"]), input);
    assert_eq!(penalised[2]["text"], "the qat zleeps");
    assert!(number(&penalised[2], "total") < -100.0 * number(&penalised[2], "unknown"));

    let plain = score_bytes(&bench, &args(&["--weight", "0"]), input.as_bytes()).stdout;
    let logprob = number(&by_score[0], "logprob");
    assert_eq!(plain.lines().next().unwrap(), format!("u1\t-1.5\tthe cat sleeps\t{logprob:.4}"));
    let best = score_bytes(&bench, &args(&["--weight", "0", "--best"]), input.as_bytes()).stdout;
    assert_eq!(best, "u1\tthe cat sleeps\nu2\tmy bird\nu3\t\n");
    assert_eq!(score(&bench, &args(&["--best"]), input).len(), 3);
}

#[test]
fn an_n_best_list_may_be_long_and_its_order_is_the_scores_without_a_weight() {
    let bench = words();
    // Scores fall within each list, and lists lie across whatever is read together.
    let mut input = String::new();
    for line in 0..9000 {
        let (id, place) = (line / 7, line % 7);
        let _ = writeln!(
            input,
            "utterance {id}\t{}\tthe {}",
            3.5 - f64::from(place),
            "cat ".repeat(place as usize)
        );
    }
    let run = score_bytes(&bench, &["runs/w", "--nbest", "--weight", "0"], input.as_bytes());
    let columns = |line: &str| line.rsplit_once('\t').unwrap().0.to_string();
    let told: Vec<String> = run.stdout.lines().map(columns).collect();
    assert_eq!(told, input.lines().collect::<Vec<_>>());
}

/// A blank line lost the list before it, and the mark of a sentence's end cost as an unknown word.
#[test]
fn blank_lines_and_sentence_marks_in_n_best_lists_are_no_words() {
    let bench = characters();
    let plain = score(&bench, &["runs/a", "--nbest"], "a\t1\tthe cat\nb\t1\ta dog\n");
    let marked = "a\t1\t<s> the cat </s>\n\nb\t1\ta dog </s>\n \n";
    let marked = score(&bench, &["runs/a", "--nbest"], marked);
    assert_eq!(texts(&marked), ["<s> the cat </s>", "a dog </s>"]);
    for (marked, plain) in marked.iter().zip(&plain) {
        assert_eq!(marked["logprob"], plain["logprob"]);
        assert_eq!(marked["unknown"], 0);
    }
}

#[test]
fn n_best_lists_that_are_none() {
    let bench = characters();
    let whole = "a\t1\tthe cat\nb\t1\ta dog\n";
    for (lines, words) in [
        ("a\t1\tmy bird\n", "line 3: `a` comes back after its lines from line 1 on"),
        ("b\tone\tmy bird\n", "line 3: the score `one` is no number"),
        ("b\tNaN\tmy bird\n", "line 3: the score `NaN` is not finite"),
        ("b\t-inf\tmy bird\n", "line 3: the score `-inf` is not finite"),
        ("b\t1\n", "line 3: 2 columns; a line is id<TAB>score<TAB>hypothesis"),
        ("b\t1\tmy\tbird\n", "line 3: 4 columns"),
    ] {
        let run = score_bytes(&bench, &["runs/a", "--nbest"], format!("{whole}{lines}").as_bytes());
        assert_eq!(run.code, Some(1));
        assert!(run.stderr.contains(&format!("standard input, {words}")), "{}", run.stderr);
        assert!(run.stdout.starts_with("a\t1\tthe cat\t"), "what is whole is told: {}", run.stdout);
    }
    let run = score_bytes(&bench, &["runs/a", "--nbest"], b"");
    assert!(run.code == Some(1) && run.stderr.contains("holds no sentence"), "{}", run.stderr);
    for (args, words) in [
        (&["--weight", "0.5"][..], "--nbest"),
        (&["--best"], "--nbest"),
        (&["--word-bonus", "1"], "--nbest"),
        (&["--nbest", "--weight", "1.5"], "from 0 to 1"),
        (&["--nbest", "--word-bonus", "inf"], "must be a number"),
        (&["--nbest", "--rank"], "cannot be used with"),
        (&["--nbest", "--total"], "cannot be used with"),
        (&["--total", "--rank"], "cannot be used with"),
        (&["--total", "--per-token"], "cannot be used with"),
        (&["--by", "token"], "--rank"),
        (&["--rank", "--by", "length"], "logprob"),
        (&["--unknown-penalty", "5"], "--rank|--nbest"),
        (&["--total", "--unknown-penalty", "5"], "--rank|--nbest"),
        (&["--rank", "--unknown-penalty", "-1"], "must be a number of at least 0"),
        (&["--nbest", "--unknown-penalty", "inf"], "must be a number of at least 0"),
        (&["--rank", "--unknown", "exclude"], "would cost nothing"),
        (&["--nbest", "--unknown", "exclude"], "--unknown-penalty"),
    ] {
        let run = score_bytes(&bench, &[&["runs/a"], args].concat(), whole.as_bytes());
        assert_eq!(run.code, Some(2), "{args:?}");
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_sentence_has_its_probability() {
    let bench = characters();
    let input = "the cat sleeps\nthe cat sees the moon\nt\n";
    for (record, line) in score(&bench, &["runs/a"], input).iter().zip(input.lines()) {
        let p = number(record, "logprob").exp();
        assert!((number(record, "probability") - p).abs() <= 1e-12 * p, "{record}");
        let plain = score_bytes(&bench, &["runs/a"], format!("{line}\n").as_bytes()).stdout;
        let row: Vec<&str> = plain.lines().nth(1).unwrap().split_whitespace().collect();
        let shown: f64 = row[1].parse().unwrap();
        assert!((shown / p - 1.0).abs() < 1e-5, "{plain} {p}");
        let mantissa = row[1].split('e').next().unwrap().trim_start_matches(['0', '.']);
        assert!(mantissa.chars().filter(char::is_ascii_digit).count() <= 6, "{plain}");
    }
}

#[test]
fn unknown_words_are_named_before_the_records() {
    let bench = words();
    let told =
        |args: &[&str], input: &str| score_bytes(&bench, &[&["runs/w"], args].concat(), input.as_bytes());
    let input = "the cat qqq\nthe zzz runs qqq\n";
    for args in [&[][..], &["--rank"], &["--total", "--quiet"], &["--per-token"]] {
        let run = told(args, input);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        match args.contains(&"--quiet") {
            true => assert_eq!(run.stderr, ""),
            false => {
                assert_eq!(
                    run.stderr, "not in the model's vocabulary, read as <unk>: qqq, zzz\n",
                    "{args:?}"
                );
            }
        }
    }
    let record = &score(&bench, &["runs/w"], "the zzz qqq\n")[0];
    assert_eq!(record["unknown_words"], json("[\"zzz\", \"qqq\"]"));
    assert!(score(&bench, &["runs/w"], "the cat\n")[0]["unknown_words"].is_null());
    // Of many, ten.
    let many: Vec<String> = (0..25).map(|i| format!("w{i}")).collect();
    let run = told(&[], &format!("the {}\n", many.join(" ")));
    assert!(
        run.stderr.starts_with("not in the model's vocabulary, read as <unk>: w0, w1, "),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("w9 and 15 more\nin all, 25 of 26 tokens were read as <unk>"),
        "{}",
        run.stderr
    );
    let run = told(&["--nbest"], "a\t1\tthe qqq\na\t2\tthe cat\n");
    assert_eq!((run.code, run.stderr.contains(": qqq")), (Some(0), true), "{}", run.stderr);
}

#[test]
fn what_the_model_knows_nothing_of_is_refused() {
    let bench = words();
    bench.write("lines.txt", "qqq zzz\n\nqqq\n");
    for (args, stdin) in [
        (&["runs/w"][..], "qqq zzz\nqqq"),
        (&["runs/w", "lines.txt"], ""),
        (&["runs/w", "--rank"], "qqq zzz\n"),
        (&["runs/w", "--total"], "qqq zzz\n"),
    ] {
        let run = score_bytes(&bench, args, stdin.as_bytes());
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains("knows none of its words (qqq"), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains("such as the, "), "words that it knows: {}", run.stderr);
    }
    // A line that says nothing among others is scored.
    assert_eq!(score(&bench, &["runs/w"], "qqq\nthe cat\n").len(), 2);
    // Whoever talks with it line by line has an answer.
    let mut talk = Talk::begin(&bench, &["runs/w"]);
    for line in ["qqq zzz", "the cat"] {
        writeln!(talk.stdin, "{line}").unwrap();
        assert_eq!(json(&talk.hear())["text"], line);
    }
    drop(talk.stdin);
    assert!(talk.child.wait().unwrap().success());
}

#[test]
fn a_vocabulary_that_does_not_fit_its_model() {
    let bench = characters();
    let path = bench.path("runs/a/best.safetensors");
    let mut model = gimbap::checkpoint::load(&path).unwrap();
    let tokens = model.task["vocabulary"]["tokens"].as_array_mut().unwrap();
    let (before, last) = (tokens.len(), tokens.pop().unwrap());
    gimbap::checkpoint::save(&model, &path).unwrap();
    let message = format!("its vocabulary has {} tokens, the model takes {before}", before - 1);
    for verb in ["score", "generate", "inspect"] {
        let run = bench.run(&[verb, "runs/a", "--json"]);
        let error = &json(&run.stdout)["error"];
        assert_eq!((run.code, error["kind"].as_str()), (Some(1), Some("model_file")));
        let told = error["message"].as_str().unwrap();
        assert!(told.contains("best.safetensors: ") && told.contains(&message), "{told}");
    }
    model.task["vocabulary"]["tokens"].as_array_mut().unwrap().push(last);
    gimbap::checkpoint::save(&model, &path).unwrap();
    bench.ok(&["inspect", "runs/a"]);
}
