//! Figures of labels against scikit-learn, seqeval and scipy (`conformance/labels.json`, made by `labels.py`), what must
//! hold for any probabilities, and the reading of sentences with a label for every token.

use std::path::PathBuf;

use gimbap::data::tagged::{TagColumns, Tagged, sentences, tokens};
use gimbap::metric::calibration::{Reliability, at_temperature, largest, log, temperature};
use gimbap::metric::{Confusion, Entities, Scores};
use proptest::prelude::*;
use serde_json::Value;

fn golden(part: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/labels.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    document[part].clone()
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn near(scores: Scores, expected: &[f64]) {
    let found = [scores.precision, scores.recall, scores.f1];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-14, "{scores:?} {expected:?}");
    }
    if let Some(support) = expected.get(3) {
        assert_eq!(scores.support as f64, *support);
    }
}

#[test]
fn entities_are_counted_as_conlleval_counts_them() {
    let golden = golden("entities");
    let mut entities = Entities::new(&list::<Vec<String>>(&golden["labels"])).unwrap();
    let sides: [Vec<Vec<u32>>; 2] = [list(&golden["gold"]), list(&golden["predicted"])];
    sides[0].iter().zip(&sides[1]).for_each(|(gold, predicted)| entities.add(gold, predicted));
    let [correct, found, actual]: [u64; 3] = list(&golden["counts"]);
    assert_eq!(entities.all(), Scores::of(correct, found, actual));
    near(entities.all(), &list::<Vec<f64>>(&golden["micro"]));
    assert_eq!(entities.types().count(), 3);
    for (name, scores) in entities.types() {
        near(scores, &list::<Vec<f64>>(&golden["types"][name]));
    }
}

/// The example in conlleval's documentation: 459 phrases, 539 found, 371 of them right.
#[test]
fn conllevals_published_example() {
    let percent = |x: f64| (1e4 * x).round() / 100.0;
    let scores = Scores::of(371, 539, 459);
    assert_eq!([scores.precision, scores.recall, scores.f1].map(percent), [68.83, 80.83, 74.35]);
}

#[test]
fn what_is_an_entity() {
    let labels = ["O", "B-A", "I-A", "B-B", "I-B"].map(String::from);
    let f1 = |gold: &[u32], predicted: &[u32]| {
        let mut entities = Entities::new(&labels).unwrap();
        entities.add(gold, predicted);
        entities.all().f1
    };
    assert_eq!(f1(&[1, 2, 2], &[2, 2, 2]), 1.0, "an I- without its B- begins one");
    assert_eq!(f1(&[1, 3], &[1, 4]), 1.0, "so does one of another type");
    assert_eq!(f1(&[1, 1], &[1, 2]), 0.0, "a B- ends the one before");
    assert_eq!(f1(&[1, 2, 0], &[1, 2, 2]), 0.0, "both ends count");
    assert_eq!(f1(&[1], &[3]), 0.0, "and the type");
    assert_eq!(f1(&[0, 0], &[0, 0]), 0.0, "nothing to find");

    let of = |labels: &[&str]| Entities::new(&labels.iter().map(|l| l.to_string()).collect::<Vec<_>>());
    assert!(of(&["NOUN", "VERB"]).is_none() && of(&["O"]).is_none() && of(&["O", "B-X", "Q-X"]).is_none());
    assert!(of(&["S", "M", "L"]).is_none() && of(&["B-X", "M-X", "L-X"]).is_none() && of(&["O-X"]).is_none());
    let mut words = of(&["B", "I"]).unwrap();
    words.add(&[0, 1, 0, 0, 1], &[0, 1, 0, 1, 1]);
    assert_eq!((words.all().precision, words.all().recall), (0.5, 1.0 / 3.0));
    assert_eq!(words.types().map(|(name, _)| name).collect::<Vec<_>>(), [""]);
    let mut hyphens = of(&["B-a-b", "I-a-b", "I-a"]).unwrap();
    hyphens.add(&[0, 1, 2], &[0, 1, 2]);
    assert_eq!(
        hyphens.types().map(|(name, s)| (name, s.support)).collect::<Vec<_>>(),
        [("a", 1), ("a-b", 1)]
    );
}

#[test]
fn entities_of_longer_schemes_are_those_of_bio() {
    // Two entities of two tokens side by side, one of a single token, one of three.
    let bio = ["B-A", "I-A", "B-A", "I-A", "O", "B-B", "O", "B-B", "I-B", "I-B"];
    let schemes = [
        ["B-A", "E-A", "B-A", "E-A", "O", "S-B", "O", "B-B", "I-B", "E-B"],
        ["B-A", "L-A", "B-A", "L-A", "O", "U-B", "O", "B-B", "I-B", "L-B"],
        ["B-A", "E-A", "B-A", "E-A", "O", "S-B", "O", "B-B", "M-B", "E-B"],
    ];
    // The first entity is found a token too long, the single one of another type, the rest right.
    let wrong = |tags: [&'static str; 10]| {
        let single = tags[5].replace('B', "A").replacen('A', "B", usize::from(tags[5].starts_with('B')));
        let mut tags: Vec<String> = tags.map(String::from).into();
        (tags[5], tags[2]) = (single, tags[3].clone());
        tags
    };
    let figures = |tags: [&'static str; 10]| {
        let mut labels: Vec<String> = tags.map(String::from).into();
        labels.extend(wrong(tags));
        labels.sort();
        labels.dedup();
        let id = |tag: &str| labels.iter().position(|label| label == tag).unwrap() as u32;
        let mut entities = Entities::new(&labels).unwrap();
        entities.add(&tags.map(id), &wrong(tags).iter().map(|tag| id(tag)).collect::<Vec<_>>());
        entities.all()
    };
    assert_eq!(figures(bio).support, 4);
    for tags in schemes {
        let scores = figures(tags);
        assert_eq!((scores.support, scores.recall), (4, 0.5), "{tags:?}");
    }
    let ends = ["E-A", "I-A", "S-A"].map(String::from);
    let mut entities = Entities::new(&ends).unwrap();
    // An end without a beginning is an entity, and what goes on behind it another.
    entities.add(&[0, 1, 0, 2], &[0, 1, 0, 2]);
    assert_eq!(entities.all().support, 3);
}

#[test]
fn classes_are_reported_as_scikit_learn_does() {
    let golden = golden("classes");
    let mut confusion = Confusion::new(4);
    let (actual, predicted): (Vec<u32>, Vec<u32>) = (list(&golden["actual"]), list(&golden["predicted"]));
    actual.iter().zip(&predicted).for_each(|(&actual, &predicted)| confusion.add(actual, predicted));
    let matrix: Vec<Vec<u64>> = list(&golden["matrix"]);
    let each: Vec<Vec<f64>> = list(&golden["each"]);
    for class in 0..4 {
        assert_eq!(confusion.row(class), matrix[class]);
        near(confusion.scores(class), &each[class]);
    }
    near(confusion.macro_mean(), &list::<Vec<f64>>(&golden["macro"]));
    near(confusion.weighted_mean(), &list::<Vec<f64>>(&golden["weighted"]));
    assert_eq!(confusion.macro_mean().support, 80);
}

#[test]
fn a_class_that_never_occurs_is_no_part_of_the_mean() {
    let mut confusion = Confusion::new(3);
    confusion.add(0, 0);
    assert_eq!((confusion.macro_mean().f1, confusion.scores(2).f1), (1.0, 0.0));
    assert_eq!(Confusion::new(2).macro_mean(), Scores::default());
}

fn mean_loss(probabilities: &[f32], width: usize, classes: &[u32], t: f64) -> f64 {
    let row = |(p, &class): (&[f32], &u32)| -log(at_temperature(p, t)[class as usize]);
    probabilities.chunks(width).zip(classes).map(row).sum::<f64>() / classes.len() as f64
}

#[test]
fn the_temperature_and_the_error_of_calibration() {
    let golden = golden("calibration");
    let probabilities = list::<Vec<Vec<f32>>>(&golden["probabilities"]).concat();
    let target: Vec<u32> = list(&golden["target"]);
    let t = temperature(&probabilities, 3, &target);
    let expected = golden["temperature"].as_f64().unwrap();
    assert!((t - expected).abs() < 1e-6 * expected, "{t} {expected}");
    let [before, after]: [f64; 2] = list(&golden["loss"]);
    assert!((mean_loss(&probabilities, 3, &target, 1.0) - before).abs() < 1e-6);
    assert!((mean_loss(&probabilities, 3, &target, t) - after).abs() < 1e-6);

    let mut reliability = Reliability::default();
    for (p, &target) in probabilities.chunks(3).zip(&target) {
        let best = largest(p);
        reliability.add(f64::from(p[best]), best == target as usize);
    }
    assert!((reliability.error() - golden["error"].as_f64().unwrap()).abs() < 1e-12);
}

#[test]
fn a_model_without_a_mistake_keeps_its_probabilities() {
    assert_eq!(temperature(&[0.9, 0.1, 0.4, 0.6], 2, &[0, 1]), 1.0);
    assert_eq!(temperature(&[], 2, &[]), 1.0);
    // Worse than guessing would be as flat as it gets: the end of the range is no answer.
    assert_eq!(temperature(&[0.9, 0.1, 0.9, 0.1], 2, &[1, 1]), 1.0);
    // A probability that an f32 cannot hold counts as the smallest, and stays a number.
    let p = at_temperature(&[1.0, 0.0], 20.0);
    assert!(p[1] > 0.0 && (p[0] + p[1] - 1.0).abs() < 1e-12);
    assert_eq!(Reliability::default().error(), 0.0);
    // 6/15 ends a bin: what lies above is in the next.
    let mut reliability = Reliability::default();
    reliability.add(0.4, true);
    reliability.add(0.41, false);
    assert!((reliability.error() - (0.6 + 0.41) / 2.0).abs() < 1e-12);
}

/// Rows of three probabilities, and the class of each.
fn rows() -> impl Strategy<Value = (Vec<f32>, Vec<u32>)> {
    let row = ([-9.0f64..9.0, -9.0..9.0, -9.0..9.0], 0u32..3);
    prop::collection::vec(row, 1..40).prop_map(|rows| {
        let softmax = |logits: &[f64; 3]| {
            let sum: f64 = logits.iter().map(|x| x.exp()).sum();
            logits.map(|x| (x.exp() / sum) as f32)
        };
        (
            rows.iter().flat_map(|(logits, _)| softmax(logits)).collect(),
            rows.iter().map(|(_, c)| *c).collect(),
        )
    })
}

proptest! {
    #[test]
    fn calibration_leaves_the_answers_and_does_no_harm((probabilities, classes) in rows()) {
        let t = temperature(&probabilities, 3, &classes);
        for p in probabilities.chunks(3) {
            let scaled = at_temperature(p, t);
            prop_assert_eq!(largest(&scaled), largest(p));
            prop_assert!((scaled.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        }
        let (before, after) = (mean_loss(&probabilities, 3, &classes, 1.0), mean_loss(&probabilities, 3, &classes, t));
        // At 1 the probabilities are as they are, an f32's rounding away from a sum of one.
        prop_assert!(after <= before + 1e-6, "{} {}", before, after);
    }
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn read(name: &str, text: &str) -> gimbap::Result<Tagged> {
    let (_folder, path) = file(name, text);
    Tagged::read(path)
}

#[test]
fn sentences_in_columns() {
    let text = "\u{feff}-DOCSTART- -X- -X- O\r\n\r\nEU NNP B-NP B-ORG\r\nrejects VBZ B-VP O\r\n\r\n\r\nPeter NNP B-NP B-PER\r\n";
    let read_text = read("a.conll", text).unwrap();
    assert_eq!(read_text.sentences, ["EU rejects", "Peter"]);
    assert_eq!(read_text.labels, ["B-ORG", "B-PER", "O"]);
    assert_eq!(read_text.tags, [vec![0, 2], vec![1]]);
    assert_eq!(read("a.txt", "나\tB\n는\tI\n\n밥\tB").unwrap().tags, [vec![0, 1], vec![0]]);
    assert_eq!(read("a.txt", "a\tx y\tB\n\tb \t I\n").unwrap_err().to_string().matches("line 2").count(), 1);
    let given = ["x", "O", "B"].map(String::from);
    let (_folder, path) = file("a.txt", "a O\n");
    assert_eq!(Tagged::read_with_labels(&path, &given).unwrap().tags, [[1]]);
    assert_eq!(read_text.select(&[1]).sentences, ["Peter"]);
}

#[test]
fn sentences_in_objects() {
    let text = "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"O\", \"B\"], \"id\": 7}\n\n{\"tokens\": [], \"tags\": []}\n";
    let tagged = read("a.jsonl", text).unwrap();
    assert_eq!((tagged.sentences, tagged.tags), (vec!["a b".to_string()], vec![vec![1, 0]]));
    let plain = |text: &str, path: &str| sentences(text, &PathBuf::from(path), &TagColumns::default(), &[]);
    assert_eq!(plain(text, "a.jsonl").unwrap(), ["a b", ""]);
    assert_eq!(plain("a  b\n\nc\n", "a.txt").unwrap(), ["a  b", "", "c"]);
    assert_eq!(tokens(" a\t b  c ").collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(
        plain("{\"text\": \"a\"}\n", "a.jsonl")
            .unwrap_err()
            .to_string()
            .contains("a.jsonl, line 1: no sentence such")
    );
}

#[test]
fn comments_and_numbered_tokens_are_no_words() {
    let text = "# sent_id = 1\n# text = Ana saw Oslo\nAna\tB-PER\nsaw\tO\nOslo\tB-LOC\n\n# sent_id = 2\nBo\tB-PER\nleft\tO\n\n";
    let tagged = read("c.conll", text).unwrap();
    assert_eq!(tagged.sentences, ["Ana saw Oslo", "Bo left"]);
    assert_eq!(tagged.labels, ["B-LOC", "B-PER", "O"]);
    assert_eq!(read("blank.conll", &text.replace('\t', " ")).unwrap().sentences, ["Ana saw Oslo", "Bo left"]);
    // A word that begins with the mark of a comment is a word.
    let tags = read("t.conll", "#oslo B\n# O\nnow O\n\n# O\n").unwrap();
    assert_eq!(tags.sentences, ["#oslo # now", "#"]);

    let text = "# global comment\n1-2\tZum\t_\t_\t_\t_\t_\t_\t_\t_\n1\tZu\tzu\tADP\tAPPR\t_\t2\tcase\t_\t_\n\
                2\t10 000\t10000\tNUM\tCD\t_\t0\troot\t_\tSpaceAfter=No\n2.1\tx\t_\tX\t_\t_\t_\t_\t_\t_\n\n";
    let tagged = read("u.conllu", text).unwrap();
    assert_eq!(
        (tagged.sentences, tagged.labels),
        (vec!["Zu 10_000".into()], vec!["ADP".into(), "NUM".into()])
    );
    let told = "CoNLL-U, tokens in column 2 (FORM), labels in column 4 (UPOS), comments passed over";
    assert_eq!(tagged.read_as.as_deref(), Some(told));

    let (_folder, path) = file("u.conllu", text);
    let columns = |text: Option<&str>, label: &str| TagColumns {
        text: text.map(str::to_owned),
        label: Some(label.to_owned()),
    };
    let of = |columns: &TagColumns| Tagged::read_columns(&path, columns, None);
    assert_eq!(of(&columns(None, "xpos")).unwrap().labels, ["APPR", "CD"]);
    let lemmas = of(&columns(Some("LEMMA"), "8")).unwrap();
    assert_eq!(
        (lemmas.sentences, lemmas.labels),
        (vec!["zu 10000".into()], vec!["case".into(), "root".into()])
    );
    let message = of(&columns(None, "ner")).unwrap_err().to_string();
    assert!(
        message.contains("data.label is `ner`, but a column here is a number from 1 to 10 or a name: `ID`"),
        "{message}"
    );
}

#[test]
fn sentences_to_tag_are_read_as_those_with_labels() {
    let labels = ["B", "O"].map(String::from);
    let read = |name: &str, text: &str| {
        sentences(text, &PathBuf::from(name), &TagColumns::default(), &labels).unwrap()
    };
    assert_eq!(read("a.conll", "# x = 1\na\tO\nb\tB\n\nc\tO\n"), ["a b", "c"]);
    assert_eq!(read("a.conllu", "1\ta\n2\tb\n\n1\tc\n"), ["a b", "c"]);
    assert_eq!(read("a.conll", "a\nb\n\nc\n"), ["a b", "c"]);
    assert_eq!(read("a.txt", "a O\nb B\n\nc O\n"), ["a b", "c"], "all lines end in a label of the model");
    assert_eq!(read("a.txt", "a O\nb is\n"), ["a O", "b is"]);
    assert_eq!(read("a.txt", "a O\n"), ["a O"], "one line tells nothing");
}

#[test]
fn sentences_that_cannot_be_read() {
    for (name, text, words) in [
        ("a.txt", "a O\nb\n", "a.txt, line 2: `b` has no label: write `token label`"),
        ("a.txt", "a\tO\nb\t\n", "line 2: `b` has no label"),
        ("a.txt", "a\tO\n\tO\n", "line 2: there is no token"),
        ("a.txt", "New York\tB\n", "line 1: the token `New York` holds a blank"),
        (
            "a.conll",
            "a x O\nb O\n",
            "line 2: 2 columns, the lines before have 3: a line is a token with as many",
        ),
        ("a.conll", "1 a\n2 b\n", "the tokens and the labels are both looked for in column 2 of 2"),
        ("a.txt", "a O\nb O\n", "all 2 examples have the label `O`: two classes or more are needed"),
        ("a.txt", "-DOCSTART- O\n\n", "holds no sentence"),
        ("a.txt", " \n", "white space alone"),
        ("a.jsonl", "{\"tokens\": [\"a\"], \"tags\": []}\n", "line 1: 1 tokens and 0 tags"),
        ("a.jsonl", "{\"tokens\": [\"a\"], \"ner\": [1]}\n", "line 1: there is no `tags` (its keys: `"),
        (
            "a.jsonl",
            "{\"tokens\": [\"a b\"], \"tags\": [\"O\"]}\n",
            "line 1: the token `a b` is empty or holds a blank",
        ),
        ("a.jsonl", "{\"tokens\": [\"a\"], \"tags\": [[1]]}\n", "line 1: no sentence such as"),
        ("a.jsonl", "{\"tokens\": [\"a\"], \"tags\": [\" \"]}\n", "line 1: a tag is empty"),
    ] {
        let message = read(name, text).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
    let turned: String = (0..30).map(|i| format!("{}\tw{i}\n", ["O", "B-PER"][i % 2])).collect();
    let message = read("a.conll", &turned).unwrap_err().to_string();
    assert!(
        message.contains("are they the other way round? Then say so with data.text = \"2\""),
        "{message}"
    );
    let named = read("a.conll", "token\ttag\nAna\tB-PER\nsaw\tO\n").unwrap();
    assert_eq!(
        (named.sentences, named.labels),
        (vec!["Ana saw".to_owned()], vec!["B-PER".into(), "O".into()])
    );
    let counted = read("a.conll", "0\tAna\tB\n1\tsaw\tO\n\n0\tBen\tB\n").unwrap();
    assert_eq!(counted.sentences, ["Ana saw", "Ben"]);
    let numbers = read("a.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [0, 1]}\n").unwrap();
    assert_eq!(numbers.labels, ["0", "1"]);
    let (_folder, path) = file("a.txt", "a O\nb B-PEX\n");
    let labels = ["B-PER", "O"].map(String::from);
    let message = Tagged::read_with_labels(&path, &labels).unwrap_err().to_string();
    assert!(
        message.contains("line 2: the label `B-PEX` is not a class of this model (did you mean `B-PER`?)"),
        "{message}"
    );
}
