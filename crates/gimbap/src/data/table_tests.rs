//! Tests of labelled tables.

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
    let columns = TextColumns { text: Some("review".into()), label: Some("stars".into()) };
    assert_eq!(LabelledText::read(&path, &columns).unwrap().classes, ["1", "4"]);
    refused(
        LabelledText::read(&path, &TextColumns::default()),
        &["a.csv, line 1", "no column `text` among `review`, `stars`", "data.text"],
    );
    let near = TextColumns { text: Some("reviews".into()), label: None };
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
fn texts_to_predict_may_be_lines() {
    let (_folder, path) = folder(&[("a.txt", "one, two\n\nthree\n")]);
    assert_eq!(read_texts(path, &TextColumns::default()).unwrap(), ["one, two", "", "three"]);
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
    };
    assert_eq!(LabelledSeries::read(&path, &columns).unwrap().features, [vec![2.0, 1.0], vec![4.0, 3.0]]);
    let all = SequenceColumns { features: Vec::new(), ..columns };
    refused(LabelledSeries::read(&path, &all), &["line 2, column `note`: `hm` is not a number"]);
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
