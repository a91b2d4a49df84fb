//! `gimbap explain`: a report for every kind of model, its numbers those of the other verbs.

mod common;

use common::{Bench, json, jsonl};

/// A language model of words on the small text, in little time.
fn language_model(bench: &Bench, layer: &str) -> String {
    let layers = format!("layer.1.type=\"{layer}\"");
    bench.ok(&[
        "train",
        "--task",
        "lm",
        "--data",
        "text.txt",
        "--set",
        "data.unit=word",
        "--set",
        "data.words=space",
        "--set",
        "layer.0.units=8",
        "--set",
        &layers,
        "--set",
        "layer.1.units=6",
        "--set",
        "train.batch=4",
        "--set",
        "train.bptt=20",
        "--epochs",
        "1",
        "-q",
        "-o",
        layer,
        "--force",
    ]);
    bench.arg(&format!("{layer}/best.safetensors"))
}

/// A classifier of reviews.
fn classifier(bench: &Bench) {
    bench.ok(&[
        "train",
        "--task",
        "classify",
        "--data",
        "reviews.csv",
        "--set",
        "data.unit=word",
        "--epochs",
        "1",
        "-q",
        "-o",
        "reviews",
    ]);
}

/// The config of a classifier without a recurrent layer, `mean.toml`.
fn mean_network(bench: &Bench) {
    bench.write(
        "mean.toml",
        "[task]\nkind = \"classify\"\n[data]\npath = \"reviews.csv\"\nunit = \"word\"\n[[layer]]\ntype = \"embedding\"\n\
         units = 8\n[[layer]]\ntype = \"pool\"\npooling = \"mean\"\n[train]\nepochs = 1\n",
    );
}

/// The page is whole, refers to nothing outside, and has a picture for each figure.
fn check_page(page: &str, figures: usize) {
    assert_eq!(page.matches("<svg").count(), figures);
    assert_eq!(page.matches("</svg>").count(), figures);
    assert_eq!(page.matches("role=\"img\"").count() + page.matches("role=\"button\"").count(), figures);
    for outside in ["src=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let addresses = page.matches("http").count();
    assert_eq!(addresses, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    for word in ["NaN", ">inf", " inf ", " inf.", " inf,", "\"inf", "-inf"] {
        assert!(!page.contains(word), "a number is not finite: {word}");
    }
    page.split("<svg").skip(1).for_each(check_picture);
}

/// The value of an attribute, from each place where it stands.
fn attributes<'a>(svg: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    svg.split(name).skip(1).filter_map(|rest| rest.split_once('"')).map(|(value, _)| value)
}

/// All of a picture lies within its frame: no text begins and no line or cell lies outside, where nobody sees it.
fn check_picture(svg: &str) {
    let svg = svg.split_once("</svg>").unwrap().0;
    let frame: Vec<f64> =
        attributes(svg, "viewBox=\"").next().unwrap().split(' ').map(|x| x.parse().unwrap()).collect();
    let within = |place: &[f64], what: &str| {
        let inside = |(x, size): (&f64, &f64)| (-1.0..size + 1.0).contains(x);
        assert!(place.iter().zip(&frame[2..]).all(inside), "{what} lies outside of {frame:?}");
    };
    let numbers = |text: &str| -> Vec<f64> {
        text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
            .filter_map(|number| number.parse().ok())
            .collect()
    };
    let mut drawn = 0;
    for (tag, keys) in
        [("<text", ["x=\"", "y=\""]), ("<rect", ["x=\"", "y=\""]), ("<circle", ["cx=\"", "cy=\""])]
    {
        for element in svg.split(tag).skip(1).map(|rest| rest.split_once('>').unwrap().0) {
            let place: Vec<f64> =
                keys.iter().filter_map(|key| attributes(element, key).next()?.parse().ok()).collect();
            within(&place, element);
            drawn += 1;
        }
    }
    for place in attributes(svg, "translate(").map(|rest| rest.split(')').next().unwrap()) {
        within(&numbers(place), place);
    }
    // Absolute starts; what follows may be relative.
    for path in attributes(svg, " d=\"") {
        for start in path.split('M').skip(1) {
            within(&numbers(start)[..2], start);
        }
        drawn += 1;
    }
    assert!(drawn > 3, "an empty picture");
}

#[test]
fn a_sentence_has_the_probability_that_score_says() {
    let bench = Bench::new();
    for layer in ["simple_rnn", "lstm"] {
        let model = language_model(&bench, layer);
        let text =
            std::fs::read_to_string(bench.path("text.txt")).unwrap().lines().next().unwrap().to_string();
        let run = bench.ok(&[
            "explain",
            &model,
            "--text",
            &text,
            "-o",
            "r.html",
            "--figures",
            "pictures",
            "--json",
        ]);
        let found = json(&run.stdout);
        let scored = bench.run_with(&["score", &model, "--json"], &format!("{text}\n"));
        let logprob = jsonl(&scored.stdout)[0]["logprob"].as_f64().unwrap();
        let loss = found["found"]["loss"].as_f64().unwrap();
        assert!((loss + logprob).abs() < 1e-4 * loss, "{loss} and {logprob}");
        let steps = found["steps"].as_array().unwrap().len();
        assert_eq!(found["targets"].as_array().unwrap().len(), steps);
        assert_eq!(found["found"]["memory"]["shares"].as_array().unwrap().len(), steps);
        let figures = found["figures"].as_array().unwrap();
        assert_eq!(figures.len(), 13);
        check_page(&std::fs::read_to_string(bench.path("r.html")).unwrap(), 13);
        let mut names: Vec<String> = std::fs::read_dir(bench.path("pictures"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 13);
        assert_eq!((&*names[0], &*names[12]), ("01-inputs.svg", "13-decisions.svg"));
        let picture = std::fs::read_to_string(bench.path("pictures").join(&names[10])).unwrap();
        assert!(picture.contains("<style>") && picture.contains("prefers-color-scheme"), "{picture}");
    }
}

#[test]
fn one_token_and_unknown_words_make_a_report() {
    let bench = Bench::new();
    let model = language_model(&bench, "gru");
    for (text, steps) in [("", 1), ("the zzzz <&> zzzz", 5)] {
        let run = bench.ok(&["explain", &model, "--text", text, "-o", "r.html", "--json", "--lang", "ko"]);
        let found = json(&run.stdout);
        assert_eq!(found["steps"].as_array().unwrap().len(), steps, "{text}");
        let page = std::fs::read_to_string(bench.path("r.html")).unwrap();
        check_page(&page, found["figures"].as_array().unwrap().len());
        assert!(page.contains("<html lang=\"ko\">") && page.contains("그림 1."));
        assert_eq!(page.contains("class=\"note\""), steps == 5);
    }
}

#[test]
fn unknown_words_are_named_first_and_drawn_as_typed() {
    let bench = Bench::new();
    let model = language_model(&bench, "gru");
    let text = "the zzzz <&> zzzz";
    let run = bench.ok(&["explain", &model, "--text", text, "-o", "r.html", "--figures", "p"]);
    assert_eq!(run.stderr, "not in the model's vocabulary, read as <unk>: zzzz, <&>\n");
    let told: Vec<&str> = run.stdout.lines().collect();
    assert!(
        told[0].starts_with("4 words after <eos>, loss ") && told[0].contains(", perplexity "),
        "{told:?}"
    );
    assert_eq!(told[1..], ["13 figures in r.html and p"]);
    let page = std::fs::read_to_string(bench.path("r.html")).unwrap();
    assert!(
        page.contains("3 of 4 words are not in the model&#x27;s vocabulary (zzzz, &lt;&amp;&gt;)"),
        "{page}"
    );
    for file in ["01-inputs", "07-outputs", "11-memory", "13-decisions"] {
        let picture = std::fs::read_to_string(bench.path(&format!("p/{file}.svg"))).unwrap();
        assert!(
            picture.contains("zzzz*</text>") && picture.contains("&lt;&amp;&gt;*</text>"),
            "{file}: {picture}"
        );
    }
    let found = json(&bench.ok(&["explain", &model, "--text", text, "--json"]).stdout);
    assert_eq!(found["steps"], serde_json::json!(["<eos>", "the", "zzzz", "<&>", "zzzz"]));
    assert_eq!(found["targets"], serde_json::json!(["the", "zzzz", "<&>", "zzzz", "<eos>"]));
    assert_eq!(
        (&found["unknown"], &found["unknown_words"]),
        (&3.into(), &serde_json::json!(["zzzz", "<&>"]))
    );
    // A text of nothing else has nothing to show.
    let run = bench.run(&["explain", &model, "--text", "zzzz <&>", "-o", "no.html"]);
    assert!(run.code == Some(1) && !bench.path("no.html").exists(), "{}", run.stdout);
    for told in [
        "--text: the model knows none of its words (zzzz, <&>)",
        "such as the",
        "train on a text like this one",
    ] {
        assert!(run.stderr.contains(told), "{told}: {}", run.stderr);
    }
    // In Korean too, and with a step that is not there.
    for (more, told) in [
        (&["--text", "zzzz <&>"][..], "모델이 아는 단어가 하나도 없어(zzzz, <&>)"),
        (&["--text", "the cat", "--step", "9"], "--step 9: 시점 번호는 0부터 2까지입니다"),
        (&[], "--text로 텍스트를 지정하세요"),
    ] {
        let run = bench.run(&[&["explain", &model, "-o", "no.html", "--lang", "ko"], more].concat());
        assert!(run.code != Some(0) && run.stderr.contains(told), "{told}: {}", run.stderr);
    }
}

#[test]
fn words_are_counted_from_one_and_the_mark_before_them_is_nought() {
    let bench = Bench::new();
    let model = language_model(&bench, "lstm");
    let explained = |step: &str| {
        json(&bench.ok(&["explain", &model, "--text", "the cat runs", "--step", step, "--json"]).stdout)
    };
    for (step, name) in [("0", "<eos>"), ("1", "the"), ("3", "runs")] {
        let found = explained(step);
        assert_eq!(found["first_step"], 0);
        let (cell, chain) = (&found["figures"][4]["caption"], &found["figures"][8]["caption"]);
        assert!(cell.as_str().unwrap().contains(&format!("at step {step} ({name})")), "{cell}");
        assert!(chain.as_str().unwrap().contains(&format!("Step {step} adds a gradient")), "{chain}");
    }
    // The output of step 0 has nothing but the mark to be decided by; that of step 2 has `the` alone before it.
    let decided = explained("2")["figures"][12]["caption"].as_str().unwrap().to_string();
    assert!(decided.contains("lstm: the (step 1)"), "{decided}");
    // Places that are swapped are those of the same count.
    let swap = ["explain", &model, "--text", "the cat runs", "--swap", "1,3", "--json"];
    let caption = json(&bench.ok(&swap).stdout)["figures"][2]["caption"].as_str().unwrap().to_string();
    assert!(caption.contains("With the and runs in each other's place"), "{caption}");
    // The table names the word that is read and the one that is wanted.
    bench.ok(&["explain", &model, "--text", "the cat runs", "-o", "r.html", "--figures", "p"]);
    let page = std::fs::read_to_string(bench.path("r.html")).unwrap();
    for row in ["<td>0</td><td>&lt;eos&gt;</td><td>the</td>", "<td>3</td><td>runs</td><td>&lt;eos&gt;</td>"] {
        assert!(page.contains(row), "{row}");
    }
    assert!(page.contains("as step 0: the sentence before has ended"), "the mark is explained");
    let states = std::fs::read_to_string(bench.path("p/11-memory.svg")).unwrap();
    assert!(states.contains(">h_0 &lt;eos&gt;</text>") && states.contains(">h_3 runs</text>"), "{states}");
    // Of other models the first step is 1.
    classifier(&bench);
    let run = bench.run(&["explain", "reviews", "--text", "a fine film", "--step", "0"]);
    assert!(run.code == Some(2) && run.stderr.contains("are 1 to 3"), "{}", run.stderr);
}

#[test]
fn small_networks_have_their_numbers_in_the_cells() {
    let bench = Bench::new();
    // 8 numbers of a word, 6 units.
    bench.write(
        "small.toml",
        "[task]\nkind = \"lm\"\n[data]\npath = \"text.txt\"\nunit = \"word\"\n[[layer]]\ntype = \"embedding\"\nunits = 8\n\
         [[layer]]\ntype = \"simple_rnn\"\nunits = 6\n[train]\nepochs = 1\nbatch = 4\nbptt = 20\n",
    );
    bench.ok(&["train", "small.toml", "-q", "-o", "small"]);
    let found =
        json(&bench.ok(&["explain", "small", "--text", "the cat runs", "--figures", "p", "--json"]).stdout);
    let picture = |name: &str| std::fs::read_to_string(bench.path(&format!("p/{name}.svg"))).unwrap();
    let numbers = |svg: &str| svg.matches(" figures\" text-anchor=\"middle\">").count();
    // One-hot vectors of 4 tokens, each a column, and the 8 values of each.
    let inputs = picture("01-inputs");
    assert_eq!(numbers(&inputs), 4 * 4 + 4 * 8, "{inputs}");
    assert_eq!(inputs.matches("text-anchor=\"middle\">1</text>").count(), 4, "{inputs}");
    let caption = found["figures"][0]["caption"].as_str().unwrap();
    assert!(caption.contains("`runs` is token") && caption.contains(", 0, 1, 0, "), "{caption}");
    assert_eq!(numbers(&picture("04-unfolded")), 4 * (8 + 6));
    // W_x x, W_h h, b, Z, tanh(Z), h.
    assert_eq!(numbers(&picture("05-cell")), 6 * 6);
    // A network without a sigmoid has it beside its tanh.
    assert!(picture("06-nonlinearities").contains(">sigmoid</text>"));
    let h = found["found"]["layers"][0]["h"][3][5].as_f64().unwrap();
    let written = format!("{h:.2}");
    let written = written.trim_end_matches('0');
    assert!(picture("05-cell").contains(&format!(">{written}</text>")), "{written}");
}

#[test]
fn tanh_and_sigmoid_stand_on_one_pair_of_axes_in_every_report() {
    let bench = Bench::new();
    for layer in ["simple_rnn", "gru"] {
        let model = language_model(&bench, layer);
        bench.ok(&["explain", &model, "--text", "the cat runs", "--figures", "p"]);
        let svg = std::fs::read_to_string(bench.path("p/06-nonlinearities.svg")).unwrap();
        for tick in ["-4", "4", "-1", "1", "0.5"] {
            assert!(svg.contains(&format!(">{tick}</text>")), "{layer}: {tick}");
        }
        // Two functions and two derivatives, the maxima of these marked; the same lines in the legend.
        for (class, count) in [("curve", 2), ("other", 2), ("curve dashed", 2), ("other dashed", 2)] {
            assert_eq!(svg.matches(&format!("class=\"{class}\"/>")).count(), count, "{layer}: {class}");
        }
        assert!(svg.contains("class=\"pos\">1</text>") && svg.contains("class=\"neg\">0.25</text>"), "{svg}");
        let gates =
            if layer == "gru" { ["gru: r (sigmoid)", "gru: n (tanh)"] } else { ["simple_rnn: h (tanh)"; 2] };
        gates.iter().for_each(|gate| assert!(svg.contains(gate), "{gate}"));
    }
}

#[test]
fn captions_tell_what_belongs_together_and_what_does_not() {
    let bench = Bench::new();
    let model = language_model(&bench, "lstm");
    let captions = |lang: &str| -> Vec<String> {
        let args = ["explain", &model, "--text", "the cat sees a dog", "--lang", lang, "--json"];
        let found = json(&bench.ok(&args).stdout);
        let figures = found["figures"].as_array().unwrap().clone();
        figures.iter().map(|figure| figure["caption"].as_str().unwrap().to_string()).collect()
    };
    let english = captions("en");
    for (figure, told) in [
        (7, "A good sentence has a small one too"),
        (9, "the weights are updated all the same"),
        (10, "no cure for a gradient that vanishes (figure 12)"),
        (11, "the gradient that vanishes, backward, is figure 12"),
        (11, "a share of the state is not yet influence on the answer"),
        (11, "The share of the, step by step: "),
        (12, "forward, is figure 11"),
    ] {
        assert!(english[figure - 1].contains(told), "{figure}: {}", english[figure - 1]);
    }
    // Korean as it is written: no doubled particles, no blank before %, none of the words that give a translation away.
    let korean = captions("ko").join("\n");
    for wrong in ["(을)", "(와)", "(가)", "(과)", " %", "단계", "파랑은", "그럴듯", "nats", "퍼플렉시티"]
    {
        assert!(!korean.contains(wrong), "{wrong}: {korean}");
    }
    for right in ["시점", "파란색", "주황색", "%", "퍼플렉서티", "'the'"] {
        assert!(korean.contains(right), "{right}: {korean}");
    }
}

#[test]
fn classifiers_and_forecasters() {
    let bench = Bench::new();
    classifier(&bench);
    let model = bench.arg("reviews/best.safetensors");
    let text = "a fine film";
    let predicted = json(bench.run_with(&["predict", &model, "--json"], text).stdout.trim());
    let found = json(&bench.ok(&["explain", &model, "--text", text, "-o", "r.html", "--json"]).stdout);
    assert_eq!(found["targets"][0], predicted["label"]);
    assert_eq!(found["guessed"], true);
    check_page(&std::fs::read_to_string(bench.path("r.html")).unwrap(), 13);
    let run = bench.run(&["explain", &model, "--text", text, "--label", "nonsense"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("there is no class `nonsense`"), "{}", run.stderr);

    bench.ok(&[
        "train",
        "--task",
        "forecast",
        "--data",
        "flow.csv",
        "--epochs",
        "1",
        "-q",
        "-o",
        "flow",
        "--set",
        "layer.0.units=6",
    ]);
    let model = bench.arg("flow/best.safetensors");
    let found = json(&bench.ok(&["explain", &model, "--input", "flow.csv", "-o", "f.html", "--json"]).stdout);
    assert_eq!(found["figures"].as_array().unwrap().len(), 12, "no map of words");
    check_page(&std::fs::read_to_string(bench.path("f.html")).unwrap(), 12);
    // Steps are named by their time.
    let flow = std::fs::read_to_string(bench.path("flow.csv")).unwrap();
    let times: Vec<&str> = flow.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let steps = found["steps"].as_array().unwrap();
    assert_eq!(steps.last().unwrap(), times[times.len() - 2]);
    assert_eq!(found["targets"][0], times[times.len() - 1]);
    let run = bench.run(&["explain", &model, "--text", "a"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--input"), "{}", run.stderr);
}

/// What the microscope is seldom pointed at: a tagger, one-hot vectors, small weights, what only training does, and
/// labelled sequences of numbers.
#[test]
fn every_kind_of_network_makes_a_report() {
    let bench = Bench::new();
    let report = |args: &[&str], figures: usize| {
        let found = json(&bench.ok(&[&["explain"], args, &["-o", "r.html", "--json"]].concat()).stdout);
        assert_eq!(found["figures"].as_array().unwrap().len(), figures, "{args:?}");
        check_page(&std::fs::read_to_string(bench.path("r.html")).unwrap(), figures);
        found
    };
    bench.write("pos.jsonl", "{\"tokens\": [\"a\", \"cat\"], \"tags\": [\"DET\", \"NOUN\"]}\n".repeat(20));
    bench.ok(&["train", "--task", "tag", "--data", "pos.jsonl", "--epochs", "1", "-q", "-o", "pos"]);
    let found = report(&["pos", "--text", "a cat cat"], 13);
    assert_eq!(found["targets"].as_array().unwrap().len(), 3);
    let folded = found["figures"][2]["caption"].as_str().unwrap();
    assert!(folded.contains("the log-probability of all labels"), "{folded}");

    let options = "[task]\nkind = \"lm\"\n[data]\npath = \"text.txt\"\nunit = \"word\"\n[[layer]]\ntype = \"one_hot\"\n[[layer]]\n\
                   type = \"lstm\"\nunits = 6\nzoneout = 0.2\nweight_drop = 0.3\n[train]\nepochs = 1\nbatch = 4\nbptt = 10\n";
    bench.write("one_hot.toml", options);
    bench.ok(&["train", "one_hot.toml", "-q", "-o", "hot"]);
    report(&["hot", "--text", "the cat sleeps", "--figures", "hot-figures"], 12);
    let inputs = std::fs::read_to_string(bench.path("hot-figures/01-inputs.svg")).unwrap();
    assert_eq!(inputs.matches(">sleeps</text>").count(), 2, "a row and a column: {inputs}");

    let model = language_model(&bench, "gru");
    bench.ok(&["convert", &model, "small.safetensors", "--quantize", "int8", "-q"]);
    let (whole, small) =
        (report(&[&model, "--text", "a dog"], 13), report(&["small.safetensors", "--text", "a dog"], 13));
    let loss = |found: &serde_json::Value| found["found"]["loss"].as_f64().unwrap();
    assert!((loss(&whole) / loss(&small) - 1.0).abs() < 0.05, "{} and {}", loss(&whole), loss(&small));

    let config = "[task]\nkind = \"classify\"\n[data]\npath = \"gestures.csv\"\nid = \"id\"\n[[layer]]\ntype = \"gru\"\nunits = 6\n\
                  [train]\nepochs = 1\nbatch = 8\n";
    bench.write("gestures.toml", config);
    bench.ok(&["train", "gestures.toml", "-q", "-o", "gestures"]);
    let found = report(&["gestures", "--input", "gestures.csv"], 12);
    let first = std::fs::read_to_string(bench.path("gestures.csv")).unwrap();
    let label = found["targets"][0].as_str().unwrap();
    assert!(first.lines().nth(1).unwrap().contains(label), "the label of the file: {label}");
    assert_eq!(found["guessed"], false);
    for figure in found["figures"].as_array().unwrap() {
        assert!(!figure["caption"].as_str().unwrap().contains("sentence"), "{figure}");
    }
}

#[test]
fn wrong_questions_are_told() {
    let bench = Bench::new();
    let model = language_model(&bench, "gru");
    for (args, told) in [
        (&["explain", &*model][..], "give one with --text"),
        (&["explain", &model, "--text", "cat", "--step", "9"], "the steps of this sentence are 0 to 1"),
        (&["explain", &model, "--text", "cat", "--label", "a"], "is a language model, and has no classes"),
        (&["explain", &model, "--text", "cat", "--analogy", "the,a"], "give three words"),
        (&["explain", &model, "--text", "a dog", "--swap", "1,1"], "name two places"),
    ] {
        let run = bench.run(args);
        assert_eq!(run.code, Some(2), "{args:?}");
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    }
    let run = bench.run(&["explain", &model, "--text", "cat", "--analogy", "the,a,zebra"]);
    assert!(run.code == Some(1) && run.stderr.contains("`zebra` is not among"), "{}", run.stderr);
    // Longer ones have a line for each output, no button, and a picture of each part all the same.
    let found = json(&bench.ok(&["explain", &model, "--text", &"a dog ".repeat(50), "--json"]).stdout);
    let caption = |n: usize| found["figures"][n]["caption"].as_str().unwrap().to_string();
    assert!(
        !caption(10).contains("play") && caption(3).contains("101 steps"),
        "{}{}",
        caption(10),
        caption(3)
    );
    let long = "a ".repeat(1200);
    let run = bench.run(&["explain", &model, "--text", &long, "-o", "r.html"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("too many") && !bench.path("r.html").exists(), "{}", run.stderr);
}

#[test]
fn models_side_by_side_and_two_tokens_swapped() {
    let bench = Bench::new();
    let (model, other) = (language_model(&bench, "lstm"), language_model(&bench, "simple_rnn"));
    // The last token, after all the others, is the closing mark.
    let text = "the cat sees a dog";
    let swapped = "the dog sees a cat";
    let args =
        ["explain", &model, "--text", text, "--swap", "2,5", "--compare", &other, "-o", "r.html", "--json"];
    let found = json(&bench.ok(&args).stdout);
    let scored = bench.run_with(&["score", &model, "--json", "--per-token"], &format!("{text}\n{swapped}\n"));
    let scored = jsonl(&scored.stdout);
    for (key, line) in [("before", &scored[0]), ("after", &scored[1])] {
        let tokens = line["per_token"].as_array().unwrap();
        let last = tokens.last().unwrap()["logprob"].as_f64().unwrap();
        let (ours, theirs) = (found["swap"][key].as_f64().unwrap(), last);
        assert!((ours - theirs).abs() < 1e-4 * theirs.abs(), "{key}: {ours} and {theirs}");
    }
    assert_eq!(found["compare"][0]["name"], "simple_rnn, lstm");
    // An analogy on the map is the one that `gimbap analogy` finds.
    let told = bench.ok(&["explain", &model, "--text", text, "--analogy", "the,cat,a", "--json"]);
    let best = bench.ok(&["analogy", &model, "cat", "-", "the", "+", "a", "-n", "1", "--json"]);
    let best = jsonl(&best.stdout)[0]["word"].as_str().unwrap().to_string();
    let map = json(&told.stdout)["figures"][1]["caption"].as_str().unwrap().to_string();
    assert!(map.contains(&format!("the is to cat as a is to {best},")), "{map}");
    let same = json(&bench.ok(&["explain", &model, "--text", text, "--compare", &model, "--json"]).stdout);
    assert_eq!(same["compare"][0]["name"], "lstm 2");
    // One that has learned nothing yet, and one that has, are told apart by their runs.
    let raw =
        ["--set", "layer.1.type=\"lstm\"", "--set", "layer.1.units=6", "--epochs", "0", "-q", "-o", "raw"];
    let data = [
        "train",
        "--task",
        "lm",
        "--data",
        "text.txt",
        "--set",
        "data.unit=word",
        "--set",
        "layer.0.units=8",
    ];
    let small = ["--set", "train.batch=4", "--set", "train.bptt=20"];
    bench.ok(&[&data[..], &small, &raw].concat());
    let run =
        bench.ok(&["explain", &model, "--text", text, "--compare", "raw", "--figures", "raw-p", "--json"]);
    assert_eq!(json(&run.stdout)["compare"][0]["name"], "lstm (raw)");
    let reach = std::fs::read_to_string(bench.path("raw-p/12-horizon.svg")).unwrap();
    assert!(reach.contains(">lstm (lstm)</text>") && reach.contains(">lstm (raw)</text>"), "{reach}");
    let page = std::fs::read_to_string(bench.path("r.html")).unwrap();
    check_page(&page, 13);
    assert!(page.matches(">simple_rnn, lstm</text>").count() >= 3, "in the figures 3, 12 and 13");

    // A network on the mean of the vectors does not see the order.
    mean_network(&bench);
    bench.ok(&["train", "mean.toml", "-q", "-o", "mean"]);
    classifier(&bench);
    let (recurrent, mean) = (bench.arg("reviews/best.safetensors"), bench.arg("mean/best.safetensors"));
    let args = ["explain", &*recurrent, "--text", "a fine long film", "--compare", &mean, "--json"];
    let found = json(&bench.ok(&args).stdout);
    let swap = |of: &serde_json::Value| (of["before"].as_f64().unwrap(), of["after"].as_f64().unwrap());
    let (before, after) = swap(&found["compare"][0]["swap"]);
    assert!((before - after).abs() < 1e-6 && found["compare"][0]["found"].is_null(), "{before} and {after}");
    let (before, after) = swap(&found["swap"]);
    assert!((before - after).abs() > 1e-6, "{before} and {after}");

    let run = bench.run(&["explain", &mean, "--text", "a film"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("no recurrent layer"), "{}", run.stderr);
    let run = bench.run(&["explain", &model, "--text", "a dog", "--compare", &mean]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("another task"), "{}", run.stderr);
    let run = bench.run(&["explain", &model, "--text", "a dog", "--swap", "1,3"]);
    assert!(run.code == Some(2) && run.stderr.contains("2 tokens"), "{}", run.stderr);
}

#[test]
fn a_watched_training_tells_its_health() {
    let bench = Bench::new();
    let args = [
        "train",
        "--task",
        "forecast",
        "--data",
        "flow.csv",
        "--epochs",
        "2",
        "--watch",
        "--set",
        "layer.0.units=6",
    ];
    let told = bench.ok(&[&args[..], &["-o", "a", "--json"]].concat());
    for epoch in jsonl(&told.stdout).iter().filter(|line| line["event"] == "epoch") {
        assert!(epoch["health"]["update_ratio"].as_f64().unwrap() > 0.0);
        assert_eq!(epoch["health"]["gates"][1]["name"], "lstm.f");
    }
    let told = bench.ok(&[&args[..], &["-o", "b"]].concat());
    assert_eq!(told.stderr.matches("a step moves the weights by").count(), 2, "{}", told.stderr);
    // A network without a recurrent layer has nothing to watch: said before anything is trained.
    mean_network(&bench);
    let run = bench.run(&["train", "mean.toml", "--watch", "-o", "c"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("recurrent layer that reads forward"), "{}", run.stderr);
}
