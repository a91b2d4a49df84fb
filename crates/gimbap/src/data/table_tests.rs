//! Tests of labelled tables.

use std::path::PathBuf;

use super::*;

/// Writes the files into a new folder; the path is that of the first.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let first = folder.path().join(files[0].0);
    (folder, first)
}

fn texts(name: &str, text: &str) -> Result<LabelledText> {
    let (_folder, path) = folder(&[(name, text)]);
    LabelledText::read(path, &TextColumns::default())
}

fn series(text: &str) -> Result<LabelledSeries> {
    let (_folder, path) = folder(&[("a.csv", text)]);
    LabelledSeries::read(path, &SequenceColumns::default())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), "data");
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
}

#[test]
fn csv_with_quotes() {
    let read = texts("a.csv", "text,label\n\"good, very\",pos\nbad,neg\n,pos\n").unwrap();
    assert_eq!(read.texts, ["good, very", "bad", ""]);
    assert_eq!(read.classes, ["neg", "pos"]);
    assert_eq!(read.labels, [1, 0, 1]);
}

#[test]
fn tsv_with_id_document_label() {
    let read = texts("ratings.txt", "id\tdocument\tlabel\n7\t\"좋다, 정말\t1\n8\t별로\t0\n").unwrap();
    assert_eq!(read.texts, ["\"좋다, 정말", "별로"]);
    assert_eq!((read.labels, read.classes), (vec![1, 0], vec!["0".to_owned(), "1".to_owned()]));
}

#[test]
fn numeric_classes_are_in_numerical_order() {
    let read = texts("a.csv", "label,text\n10,a\n9,b\n-1,c\n").unwrap();
    assert_eq!((read.classes, read.labels), (vec!["-1".into(), "9".into(), "10".into()], vec![2, 1, 0]));
}

#[test]
fn columns_by_name() {
    let (_folder, path) = folder(&[("a.csv", "review,stars\nfine,4\nawful,1\n")]);
    let columns = TextColumns {
        text: Some("review".into()),
        label: Some("stars".into()),
        header: None,
        separator: None,
    };
    assert_eq!(LabelledText::read(&path, &columns).unwrap().classes, ["1", "4"]);
    refused(
        LabelledText::read(&path, &TextColumns::default()),
        &["a.csv, line 1", "no column `text` among `review`, `stars`", "data.text"],
    );
    let near = TextColumns { text: Some("reviews".into()), ..TextColumns::default() };
    refused(LabelledText::read(&path, &near), &["did you mean `review`?"]);
    assert_eq!(read_texts(&path, &columns).unwrap(), ["fine", "awful"]);
}

#[test]
fn bad_tables_of_texts() {
    refused(texts("a.csv", "text,label\ngood,pos\nbad\n"), &["a.csv, line 3: 1 cell, the header has 2"]);
    refused(texts("a.csv", "text,label\ngood,pos\nbetter,pos\n"), &["all 2 examples have the label `pos`"]);
    refused(texts("a.csv", "text,label\ngood,pos\nbad, \n"), &["line 3, column `label`: the label is empty"]);
    refused(texts("a.csv", "text,label\n"), &["a header and no row"]);
    refused(texts("a.csv", ""), &["the file is empty"]);
}

#[test]
fn a_models_classes_are_kept() {
    let classes = ["neg".to_owned(), "neutral".to_owned(), "pos".to_owned()];
    let read = |text: &str| {
        let (_folder, path) = folder(&[("a.csv", text)]);
        LabelledText::read_with_classes(path, &TextColumns::default(), &classes)
    };
    let one_class = read("text,label\ngood,pos\n").unwrap();
    assert_eq!((one_class.labels, one_class.classes), (vec![2], classes.to_vec()));
    refused(
        read("text,label\ngood,pos\nwell,Pos\n"),
        &["a.csv, line 3: the label `Pos` is not", "did you mean `pos`?", "`neg`, `neutral`, `pos`"],
    );
}

#[test]
fn a_file_per_class_by_extension() {
    let (folder, _) =
        folder(&[("rt.neg", "dull .\n\nslow . \n"), ("rt.pos", "grand .\n"), ("SOURCE.txt", "x")]);
    let read = LabelledText::read(folder.path(), &TextColumns::default()).unwrap();
    assert_eq!(read.texts, ["dull .", "slow .", "grand ."]);
    assert_eq!((read.labels, read.classes), (vec![0, 0, 1], vec!["neg".into(), "pos".into()]));
}

#[test]
fn a_file_per_class_by_name() {
    let (dir, _) =
        folder(&[("sport.txt", "goal\n"), ("art.txt", "oil\n"), ("README.txt", "x"), ("n.csv", "")]);
    let read = LabelledText::read(dir.path(), &TextColumns::default()).unwrap();
    assert_eq!(
        (read.texts, read.classes),
        (vec!["oil".into(), "goal".into()], vec!["art".into(), "sport".into()])
    );
    let (one, _) = folder(&[("sport.txt", "goal\n")]);
    refused(LabelledText::read(one.path(), &TextColumns::default()), &["1 file of a class", "CLASS.txt"]);
    let (two, _) = folder(&[("a.x", "1"), ("a.y", "1"), ("b.x", "1"), ("b.y", "1")]);
    refused(LabelledText::read(two.path(), &TextColumns::default()), &["both `a` and `b`"]);
}

#[test]
fn a_folder_per_class() {
    let (dir, _) = folder(&[("about.txt", "x"), ("urls.txt", "y")]);
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("pos/1_9.txt", "grand .\nvery\n");
    write("pos/.hidden", "no");
    write("neg/2_1.txt", "dull .\n");
    write("neg/1_2", "slow .");
    write("unsup/0_0.txt", "none");
    let read = LabelledText::read(dir.path(), &TextColumns::default()).unwrap();
    assert_eq!(read.texts, ["slow .", "dull .", "grand .\nvery"]);
    assert_eq!((read.labels, read.classes), (vec![0, 0, 1], vec!["neg".into(), "pos".into()]));
    let told = "a folder for each label (`unsup` is passed over, for it has none), a text a file";
    assert_eq!(read.read_as.as_deref(), Some(told));
    let texts = read_texts(dir.path(), &TextColumns::default()).unwrap();
    assert_eq!(texts, ["slow .", "dull .", "grand .\nvery"]);
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    refused(LabelledText::read(dir.path(), &TextColumns::default()), &["empty: no file is in it"]);
    std::fs::rename(dir.path().join("empty"), dir.path().join("test")).unwrap();
    refused(
        LabelledText::read(dir.path(), &TextColumns::default()),
        &["the folder `test` in it looks like a part of the data and no class: give `"],
    );
}

#[test]
fn json_may_be_a_list_or_objects_one_after_another() {
    let list = "[{\"text\": \"a b\", \"label\": \"x\"},\n {\"text\": \"c\", \"label\": 2}]\n";
    let apart = "{\n  \"text\": \"a b\",\n  \"label\": \"x\"\n}\n{\"text\": \"c\",\n \"label\": 2}";
    for (name, text) in [("a.json", list), ("a.jsonl", list), ("a.json", apart)] {
        let (_folder, path) = folder(&[(name, text)]);
        let read = LabelledText::read(&path, &TextColumns::default()).unwrap();
        assert_eq!(
            (read.texts, read.classes),
            (vec!["a b".into(), "c".into()], vec!["2".into(), "x".into()])
        );
        assert_eq!(read_texts(path, &TextColumns::default()).unwrap(), ["a b", "c"]);
    }
    let wrong = |text: &str, words: &[&str]| {
        let (_folder, path) = folder(&[("a.json", text)]);
        refused(LabelledText::read(&path, &TextColumns::default()), words);
    };
    wrong(&list.replace("\"c\"", "7"), &["a.json, object 2", "no object with a text `text`"]);
    wrong(&apart.replace(" 2}", " 2"), &["a.json, line 5", "no JSON object"]);
    wrong("{\"data\": [1]}", &["a.json, line 1", "its keys: `data`"]);
}

#[test]
fn texts_to_predict_may_be_lines() {
    let (_folder, path) = folder(&[("a.txt", "one, two\n\nthree\n")]);
    assert_eq!(read_texts(path, &TextColumns::default()).unwrap(), ["one, two", "", "three"]);
}

/// What is told of a file, its labels by name, and its texts.
fn told(name: &str, text: &str) -> (String, Vec<String>, Vec<String>) {
    let read = texts(name, text).unwrap();
    let labels = read.labels.iter().map(|&label| read.classes[label as usize].clone()).collect();
    (read.read_as.unwrap_or_default(), labels, read.texts)
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(String::from).into()
}

#[test]
fn fasttext_lines() {
    let (form, labels, read) =
        told("cooking.train", "__label__a one, two\n\n__label__b three\n__label__a\tfour\n");
    assert_eq!(
        (form.as_str(), labels, read),
        ("fastText lines", strings(["a", "b", "a"]), strings(["one, two", "three", "four"]))
    );
    refused(texts("a.txt", "__label__a x\n__label__a __label__b y\n"), &["line 2: it has several labels"]);
    refused(
        texts("a.txt", "__label__ x\n__label__b y\n"),
        &["line 1: the label behind `__label__` is empty"],
    );
    let (_folder, path) = folder(&[("test.txt", "__label__a x y\n__label__a __label__b z\n")]);
    assert_eq!(read_texts(path, &TextColumns::default()).unwrap(), ["x y", "z"]);
}

#[test]
fn a_label_before_each_text() {
    let form = "lines of a label and a text";
    let trec = "DESC:manner How did it begin ?\nENTY:animal What animal, if any ?\nDESC:manner How ?\nENTY:animal What ?\n";
    let (read_as, labels, read) = told("train.label", trec);
    assert_eq!(
        (read_as.as_str(), &labels[1], &read[1]),
        (form, &"ENTY:animal".into(), &"What animal, if any ?".into())
    );
    let (read_as, labels, read) = told("sst.txt", "3 a fine film\n0 dull\n3 , warm\n0 no\n");
    assert_eq!((read_as.as_str(), labels, &read[2]), (form, strings(["3", "0", "3", "0"]), &", warm".into()));
    assert_eq!(told("r.txt", "pos a good one\nneg a bad one\npos well\nneg ill\n").1[0], "pos");
    // First words that are all over the place are no labels.
    refused(
        texts("a.txt", "the cat sat\na dog ran\nbirds sing\nthe end\n"),
        &["a.txt: it is no table", "__label__x"],
    );
    let classes = strings(["x", "y"]);
    let (_folder, path) = folder(&[("one.txt", "y a text\n")]);
    let one = LabelledText::read_with_classes(path, &TextColumns::default(), &classes).unwrap();
    assert_eq!((one.labels, one.texts), (vec![1], strings(["a text"])));
}

#[test]
fn objects_a_line() {
    let text = "{\"text\": \"a, b\", \"label\": \"x\"}\n\n{\"label\": 2, \"text\": \"c\"}\n{\"text\": \"d\", \"label\": true}\n";
    let (form, labels, read) = told("a.jsonl", text);
    assert_eq!(
        (form.as_str(), labels, read),
        ("JSON objects", strings(["x", "2", "true"]), strings(["a, b", "c", "d"]))
    );
    refused(
        texts("a.jsonl", "{\"text\": \"a\"}\n"),
        &["line 1: no object with a text `label` (its keys: `text`): data.label"],
    );
    refused(texts("a.jsonl", "{\"text\": \"a\", \"label\": [1]}\n"), &["line 1: `label` is a list"]);
    refused(texts("a.jsonl", "{\"text\": 1, \"label\": 1}\n"), &["line 1: no object with a text `text`"]);
    refused(texts("a.jsonl", "nothing\n"), &["line 1: no JSON object"]);
    let (_folder, path) = folder(&[(
        "a.jsonl",
        "{\"sentence\": \"a\", \"polarity\": 1}\n{\"sentence\": \"b\", \"polarity\": 0}\n",
    )]);
    let columns = TextColumns {
        text: Some("sentence".into()),
        label: Some("polarity".into()),
        header: None,
        separator: None,
    };
    assert_eq!(LabelledText::read(&path, &columns).unwrap().classes, ["0", "1"]);
    assert_eq!(read_texts(&path, &columns).unwrap(), ["a", "b"]);
}

#[test]
fn a_table_without_a_header_keeps_its_first_row() {
    let rows = "a fine film,pos\na dull one,neg\nso warm,pos\nso cold,neg\n";
    let (form, labels, read) = told("a.csv", rows);
    assert_eq!((labels[0].as_str(), read[0].as_str(), read.len()), ("pos", "a fine film", 4));
    assert_eq!(form, "a table without a header, texts in column 1, labels in column 2");
    let first = "1\tgood, \"very\n0\tbad\n1\twell\n0\till\n";
    for name in ["a.tsv", "a.txt"] {
        let read = texts(name, first).unwrap();
        assert_eq!((read.texts.len(), read.classes), (4, strings(["0", "1"])));
        let found = TextColumns {
            text: Some("2".into()),
            label: Some("1".into()),
            header: Some(false),
            separator: None,
        };
        assert_eq!(read.columns, found);
        let (_folder, path) = folder(&[("b.tsv", "0\tone\n1\ttwo\n"), ("c.tsv", "one\n")]);
        assert_eq!(read_texts(&path, &found).unwrap(), ["one", "two"]);
        assert_eq!(read_texts(path.with_file_name("c.tsv"), &found).unwrap(), ["one"], "the text alone");
    }
    // Of three columns it is not certain which is which.
    let three = "3,Wall St.,bears\n1,Oil,up\n3,Tech,down\n1,Peace,talks\n";
    refused(
        texts("ag.csv", three),
        &["no column `text`", "`data.header = false`", "by their numbers, from 1"],
    );
    let (_folder, path) = folder(&[("ag.csv", three)]);
    let columns =
        TextColumns { text: Some("3".into()), label: Some("1".into()), header: None, separator: None };
    let read = LabelledText::read(&path, &columns).unwrap();
    assert_eq!((read.texts.len(), read.texts[0].as_str(), read.classes), (4, "bears", strings(["1", "3"])));
    let given = TextColumns { header: Some(false), ..columns };
    assert_eq!(LabelledText::read(path, &given).unwrap().texts.len(), 4);
    // The first label does not come again: neither names nor data for certain.
    let (_folder, path) = folder(&[("r.csv", "7,x y z u v,a\n1,b,a\n2,c,a\n1,d,a\n")]);
    let columns =
        TextColumns { text: Some("2".into()), label: Some("1".into()), header: None, separator: None };
    refused(
        LabelledText::read(path, &columns),
        &["line 1: the first line", "may be data or names", "`data.header = false`"],
    );
}

#[test]
fn an_unknown_label_among_many_prints_a_short_line() {
    let classes: Vec<String> = (0..5000).map(|class| format!("c{class:04}")).collect();
    let (_folder, path) = folder(&[("a.csv", "text,label\nx,other\n")]);
    let error =
        LabelledText::read_with_classes(path, &TextColumns::default(), &classes).unwrap_err().to_string();
    assert!(error.len() < 400 && error.contains("`c0011` and 4988 more"), "{error}");
    let (_folder, path) = folder(&[("a.csv", "text,label\nx,9\n")]);
    let classes = strings(["0", "1"]);
    let error =
        LabelledText::read_with_classes(path, &TextColumns::default(), &classes).unwrap_err().to_string();
    assert!(error.contains("`9` is not a class") && !error.contains("mean"), "{error}");
}

#[test]
fn long_format_is_grouped_and_sorted_by_time() {
    let read = series("id,time,x,y,label\nb,10,5,6,up\na,0,1,2,down\nb,9,3,4,up\nb,-1,0.5,1e2,up\n").unwrap();
    assert_eq!(read.ids, ["b", "a"]);
    assert_eq!(read.lengths, [3, 1]);
    assert_eq!(read.features, [vec![0.5, 100.0, 3.0, 4.0, 5.0, 6.0], vec![1.0, 2.0]]);
    assert_eq!(
        (read.labels.as_slice(), read.classes.as_slice()),
        (&[1, 0][..], &["down".into(), "up".into()][..])
    );
    assert_eq!(read.feature_names, ["x", "y"]);
    let second = read.select(&[1]);
    assert_eq!((second.ids, second.lengths, second.labels), (vec!["a".to_owned()], vec![1], vec![0]));
}

#[test]
fn times_are_read_and_never_sorted_as_text() {
    let read =
        series("id,time,x,label\na,2020-01-01 10:30,2,u\na,2020-01-01 9:30,1,u\nb,2020-01-02,3,v\n").unwrap();
    assert_eq!(read.features, [vec![1.0, 2.0], vec![3.0]]);
    for (time, line) in [("day 10", 3), ("10:30", 3)] {
        let text = format!("id,time,x,label\nb,9,3,v\na,{time},2,u\na,day 2,1,u\n");
        refused(
            series(&text),
            &[&format!("line {line}, column `time`: `{time}` is no time"), "data.time = \"none\""],
        );
    }
    // The order of the file, on request; the column is then a feature unless features are named.
    let columns = SequenceColumns {
        time: Some("none".into()),
        features: vec!["x".into()],
        ..SequenceColumns::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "id,when,x,label\na,day 10,2,u\na,day 2,1,u\nb,day 1,3,v\n").unwrap();
    assert_eq!(LabelledSeries::read(&path, &columns).unwrap().features, [vec![2.0, 1.0], vec![3.0]]);
}

#[test]
fn features_by_name_leave_other_columns_alone() {
    let (_folder, path) = folder(&[("a.csv", "who,t,note,x,y,class\na,0,hm,1,2,u\nb,0,hm,3,4,v\n")]);
    let columns = SequenceColumns {
        id: Some("who".into()),
        time: Some("t".into()),
        label: Some("class".into()),
        features: vec!["y".into(), "x".into()],
        ..SequenceColumns::default()
    };
    assert_eq!(LabelledSeries::read(&path, &columns).unwrap().features, [vec![2.0, 1.0], vec![4.0, 3.0]]);
    let all = SequenceColumns { features: Vec::new(), ..columns };
    refused(LabelledSeries::read(&path, &all), &["line 2, column `note`: `hm` is not a number"]);
}

#[test]
fn sequences_to_predict_need_no_label_and_may_be_one() {
    let columns = SequenceColumns { features: vec!["x".into()], ..SequenceColumns::default() };
    let of = |text: &str, columns| LabelledSeries::unlabelled(text, Path::new("-"), columns);
    let one = of("id,time,x\na,1,5\na,0,4\n", &columns).unwrap();
    assert_eq!((one.ids, one.features, one.labels), (vec!["a".to_owned()], vec![vec![4.0, 5.0]], vec![]));
    assert_eq!(of("id\ttime\tx\na\t0\t4\n", &columns).unwrap().features, [[4.0]]);
    refused(of("id,time,y\na,0,4\n", &columns), &["-, line 1: no column `x`"]);
    let numbers = SequenceColumns {
        id: Some("1".into()),
        time: Some("2".into()),
        label: None,
        features: vec!["3".into()],
        header: Some(false),
        separator: None,
    };
    assert_eq!(
        of("a,1,5\na,0,4\n", &numbers).unwrap().features,
        [vec![4.0, 5.0]],
        "no row is lost to a header"
    );
}

#[test]
fn bad_tables_of_sequences() {
    refused(series("id,time,x,label\na,0,NaN,u\nb,0,1,v\n"), &["a.csv, line 2, column `x`: NaN is not"]);
    refused(series("id,time,x,label\na,0,1,u\nb,0,,v\n"), &["line 3, column `x`: the cell is empty"]);
    refused(series("id,time,x,label\na,0,1,u\nb,0,1,u\n"), &["all 2 examples have the label `u`"]);
    refused(
        series("id,time,x,label\na,0,1,u\na,1,1,v\n"),
        &["line 3: sequence `a` has label `v` here", "line 2"],
    );
    refused(
        series("id,time,x,label\na,1,1,u\nb,0,1,v\na,1.0,1,u\n"),
        &["line 4: sequence `a` has time `1.0` already on line 2"],
    );
    refused(series("id,time,label\na,1,u\nb,0,v\n"), &["no feature column beside"]);
    refused(series("id,tme,x,label\na,1,1,u\n"), &["no column `time`", "did you mean `tme`?", "data.time"]);
    refused(series("id,time,x,label\na,1,1,u\nb,1,1\n"), &["line 3: 3 cells, the header has 4"]);
    // Rows without an id were one more sequence.
    refused(series("id,time,x,label\na,1,1,u\n ,1,1,u\n"), &["line 3, column `id`: the id is empty"]);
    refused(series("id,x,label\na,1,u\n"), &["no column `time`", "data.time = \"none\" keeps the order"]);
}

#[test]
fn one_odd_line_does_not_make_another_file() {
    let lines: Vec<String> = (0..20).map(|i| format!("__label__{} text {i}", ["a", "b"][i % 2])).collect();
    let odd = [&lines.join("\n"), "\nno label here\n"].concat();
    refused(texts("a.txt", &odd), &["a.txt, line 21: it has no `__label__x` before its text"]);
    let (_folder, path) = folder(&[("a.txt", &odd)]);
    let columns = TextColumns { separator: Some(" ".into()), ..TextColumns::default() };
    let several = LabelledText::<Vec<u32>>::of(&path, &columns, None).unwrap();
    assert_eq!((several.labels[20].len(), several.texts[20].as_str()), (0, "no label here"));
    let numbers = |text: &str| {
        let (_folder, path) = folder(&[("n.txt", text)]);
        LabelledText::<f64>::of(&path, &TextColumns::default(), None)
    };
    refused(
        numbers("1 one\n2.5 two\nthree four\n"),
        &["n.txt, line 3: `three four` is no number and a text"],
    );
    // A line of names is no example.
    let lines = "label text\nx a b\ny c\nx d\ny e\nx f\ny g\n";
    assert_eq!(texts("l.txt", lines).unwrap().classes, ["x", "y"]);
    refused(texts("a.jsonl", "{\"text\": \"a\", \"label\": null}\n"), &["line 1: `label` is null"]);
}

#[test]
fn labels_that_are_all_different_are_no_classes() {
    let error = hold_out(&(0..80).collect::<Vec<_>>(), 0.2, 1).unwrap_err().to_string();
    assert!(error.contains("every one of the 80 examples has a label of its own"), "{error}");
    assert!(error.contains("data.label") && error.contains("--task regress"), "{error}");
    let numbers = "id,activity,x1,x2\n1,walk,3,4\n2,run,5,6\n";
    refused(texts("n.csv", numbers), &["3 of its 4 columns hold numbers", "data.label", "data.id"]);
}

#[test]
fn texts_to_predict_are_read_by_what_the_file_holds() {
    let (_folder, path) = folder(&[("a.txt", "id\ttext\tlabel\n1\tone, two\t0\n")]);
    assert_eq!(read_texts(&path, &TextColumns::default()).unwrap(), ["one, two"]);
    let (_folder, path) = folder(&[("b.txt", "one, two\t0\n")]);
    let columns = TextColumns { text: Some("1".into()), header: Some(false), ..TextColumns::default() };
    assert_eq!(read_texts(&path, &columns).unwrap(), ["one, two"]);
    assert_eq!(read_texts(&path, &TextColumns::default()).unwrap(), ["one, two\t0"]);
    assert_eq!(texts_in("text,label\na b,x\n", "", "here", &TextColumns::default()).unwrap(), ["a b"]);
}

/// Rounded class by class, the fraction was nothing of many small classes, or nearly half.
#[test]
fn a_fraction_is_that_of_the_whole() {
    let of = |sizes: &[usize]| -> Vec<u32> {
        (0..).zip(sizes).flat_map(|(class, &size)| std::iter::repeat_n(class, size)).collect()
    };
    for (sizes, fraction, wanted) in [
        (vec![4; 10], 0.1, 4),
        (vec![2; 5000], 0.1, 1000),
        ([vec![2; 400], vec![100]].concat(), 0.3, 270),
        (vec![1, 1, 1, 9], 0.5, 6),
    ] {
        let labels = of(&sizes);
        let (kept, held) = hold_out(&labels, fraction, 5).unwrap();
        assert_eq!((held.len(), kept.len()), (wanted, labels.len() - wanted));
        let classes: HashSet<u32> = kept.iter().map(|&index| labels[index]).collect();
        assert_eq!(classes.len(), sizes.len(), "each class has an example to train on");
    }
    let labels = of(&[2; 100]);
    let held = |seed| hold_out(&labels, 0.1, seed).unwrap().1;
    assert!(held(1) != held(2) && held(1).iter().any(|&index| index >= 100), "not the first classes alone");
}

#[test]
fn holding_out_keeps_the_classes_shares() {
    let labels: Vec<u32> = (0..1000).map(|index| u32::from(index % 4 == 0)).collect();
    let (kept, held) = hold_out(&labels, 0.1, 3).unwrap();
    assert_eq!((kept.len(), held.len()), (900, 100));
    assert_eq!(held.iter().filter(|&&index| labels[index] == 1).count(), 25);
    let mut all = [kept, held.clone()].concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..1000));
    assert_eq!(hold_out(&labels, 0.1, 3).unwrap().1, held);
    assert_ne!(hold_out(&labels, 0.1, 4).unwrap().1, held);
    for (labels, fraction) in
        [(&labels[..], 0.0), (&labels, 1.0), (&labels, f64::NAN), (&[0, 1], 0.1), (&[], 0.5)]
    {
        assert_eq!(hold_out(labels, fraction, 1).unwrap_err().kind(), "config");
    }
}

#[test]
fn several_labels_of_a_text() {
    let of = |name: &str, text: &str, separator: Option<&str>| {
        let (_folder, path) = folder(&[(name, text)]);
        let columns = TextColumns { separator: separator.map(String::from), ..TextColumns::default() };
        LabelledText::<Vec<u32>>::of(path, &columns, None)
    };
    let read = of("a.csv", "text,label\none,b; a\ntwo,\nthree,c;c;b\n", Some(";")).unwrap();
    assert_eq!(read.classes, strings(["a", "b", "c"]));
    assert_eq!(read.labels, [vec![0, 1], vec![], vec![1, 2]]);
    let lines = "__label__x __label__y a text\n__label__y another\n";
    let read = of("a.txt", lines, None).unwrap();
    assert_eq!((read.labels, read.texts), (vec![vec![0, 1], vec![1]], strings(["a text", "another"])));
    let objects = "{\"text\": \"a\", \"label\": [\"p q\", \"r\"]}\n{\"text\": \"b\", \"label\": []}\n{\"text\": \"c\", \"label\": null}\n";
    let read = of("a.jsonl", objects, Some("|")).unwrap();
    assert_eq!((read.classes, read.labels), (strings(["p q", "r"]), vec![vec![0, 1], vec![], vec![]]));
    let alone = of("a.csv", "text,label\none,a\ntwo,a;\n", Some(";")).unwrap_err().to_string();
    assert!(alone.contains("`a` is the only label"), "{alone}");
    let none = of("a.csv", "text,label\none,\n", Some(";")).unwrap_err().to_string();
    assert!(none.contains("no example has a label"), "{none}");
    let (_folder, path) = folder(&[("a.csv", "text,label\none,a;d\n")]);
    let columns = TextColumns { separator: Some(";".into()), ..TextColumns::default() };
    let classes = strings(["a", "b"]);
    let error = LabelledText::<Vec<u32>>::of(path, &columns, Some(&classes)).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("the label `d` is not a class"), "{error}");
}

#[test]
fn a_number_for_each_text_or_sequence() {
    let of = |name: &str, text: &str| {
        let (_folder, path) = folder(&[(name, text)]);
        LabelledText::<f64>::of(path, &TextColumns::default(), None)
    };
    assert_eq!(of("a.csv", "text,label\none,2.5\ntwo,-1e3\n").unwrap().labels, [2.5, -1000.0]);
    let read = of("a.txt", "4.5 a fine film\n1 dull\n").unwrap();
    assert_eq!((read.labels, read.texts), (vec![4.5, 1.0], strings(["a fine film", "dull"])));
    for (text, words) in [
        ("text,label\none,2\ntwo,three\n", &["line 3", "`three` is no finite number"][..]),
        ("text,label\none,2\ntwo,inf\n", &["line 3", "`inf` is no finite number"]),
        ("text,label\none,2\ntwo,2.0\n", &["all 2 examples have the number 2"]),
        ("text,label\none,2\ntwo,\n", &["line 3", "the label is empty"]),
    ] {
        let message = of("a.csv", text).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(message.contains(word), "{message}"));
    }
    let (folder, path) = folder(&[
        ("a.csv", "id,time,x,label\na,1,1,0.5\na,2,2,0.5\nb,1,3,7\n"),
        ("s.ts", "@targetLabel true\n@data\n1,2:3,4:0.5\n5,6:7,8:-2\n"),
    ]);
    let read = LabelledSeries::<f64>::of(&path, &SequenceColumns::default(), None).unwrap();
    assert_eq!((read.labels, read.lengths), (vec![0.5, 7.0], vec![2, 1]));
    let read = LabelledSeries::<f64>::of_wide(
        folder.path().join("s.ts"),
        &super::super::wide::WideColumns::default(),
        None,
    )
    .unwrap();
    assert_eq!((read.labels, &read.features[1]), (vec![0.5, -2.0], &vec![5.0, 7.0, 6.0, 8.0]));
    // One of them alone is enough for a trained model.
    let (_folder, path) = self::folder(&[("a.csv", "text,label\none,2\n")]);
    assert_eq!(LabelledText::<f64>::of(path, &TextColumns::default(), Some(&[])).unwrap().labels, [2.0]);
}
