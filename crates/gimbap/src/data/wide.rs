//! Labelled sequences of numbers, one a row.
//!
//! | file | a row |
//! |---|---|
//! | CSV, TSV, or numbers between blanks | a sequence of one feature: its steps, a label in a column of its own, perhaps an id. Of the UCR archive (no header) the label is the first cell |
//! | `.ts` (sktime, aeon, the UEA archive) | features between `:`, steps between `,`; the label last |
//! | `.arff` | steps between `,`, the label last; of several features a quoted cell, with `\n` between them |
//!
//! Cells that are missing at the end of a row make a shorter sequence; elsewhere they are errors.

use std::collections::HashSet;
use std::path::Path;

use super::labels::Label;
use super::labels::cells::Cells;
use super::read::{plain_name, read_text};
use super::sheet::{Sheet, begins_with_numbers, counting, is_missing, shorten};
use super::table::LabelledSeries;
use crate::error::{Error, Result};

/// The columns of a table with a sequence a row; what is left are the steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WideColumns {
    /// The label, by its name or its number from 1; by default `label`, `class` or `target`, without a header the first.
    pub label: Option<String>,
    /// What a sequence is called; by default `id` if there is such a column, else the row's number from 1.
    pub id: Option<String>,
    /// Whether there is a line of names; by default whether the first line is not all numbers.
    pub header: Option<bool>,
    /// What stands between the labels of a sequence that may have several; by default a blank.
    pub separator: Option<String>,
}

/// Names of the label's column.
const LABELS: [&str; 3] = ["label", "class", "target"];
/// A table of fewer steps is taken for something else, unless it is said to be wide.
const LEAST: usize = 5;

/// A sequence as it was read: the values of each feature.
struct Row {
    line: u64,
    id: Option<String>,
    label: Option<String>,
    features: Vec<Vec<f32>>,
}

/// Whether a file has a sequence a row by its name: `.ts` or `.arff`.
pub fn is_sequence_file(path: &Path) -> bool {
    matches!(plain_name(path).rsplit_once('.'), Some((_, "ts" | "arff")))
}

/// Whether a table certainly has a sequence a row: a column of labels, perhaps one of ids, and numbers alone in all
/// others, which are at least five; where labels are `numbers` too, only if their column has a name. What was found is told
/// in words.
pub fn looks_wide(path: &Path, columns: &WideColumns, numbers: bool) -> Option<String> {
    let sheet = sheet(path, &read_text(path).ok()?, columns).ok()?;
    let place = Place::find(&sheet, columns).ok()?;
    let steps = place.steps(&sheet);
    let number = |cell: &str| is_missing(cell) || cell.trim().parse::<f64>().is_ok();
    let values = sheet.rows.iter().all(|row| steps.iter().all(|&column| number(row.text(column))));
    let label = place.label?;
    let labels: HashSet<&str> = sheet.rows.iter().map(|row| row.text(label).trim()).collect();
    let whole = labels.iter().all(|label| label.parse::<f64>().is_ok_and(|label| label.fract() == 0.0));
    let few = match numbers {
        true => sheet.header_line.is_some() && labels.iter().all(|label| label.parse::<f64>().is_ok()),
        false => 2 * labels.len() <= sheet.rows.len() && (sheet.header_line.is_some() || whole),
    };
    let long = ["time", "text", "document"].iter().any(|name| sheet.header.iter().any(|known| known == name));
    let counted = counting(&sheet, |_| true).map_or(String::new(), |column| {
        format!("; column {} counts the rows and is passed over", column + 1)
    });
    (values && few && !long && steps.len() >= LEAST).then(|| match sheet.header_line {
        Some(_) => format!("a sequence a row, labels in column `{}`{counted}", sheet.header[label]),
        None => format!("a sequence a row without a header, labels in column {}", label + 1),
    })
}

impl LabelledSeries {
    /// Reads a file with a sequence a row; `classes` are those of a trained model, if there is one, as
    /// [`read_with_classes`](Self::read_with_classes) takes them.
    ///
    /// # Errors
    /// [`Error::Data`] for a value that is missing or no finite number, features of different lengths, targets that are
    /// no classes, labels of one class only, an empty file; [`Error::Io`] if it cannot be read.
    pub fn read_wide(
        path: impl AsRef<Path>,
        columns: &WideColumns,
        classes: Option<&[String]>,
    ) -> Result<Self> {
        Self::of_wide(path, columns, classes)
    }

    /// The sequences alone, to predict. A first column without a name that holds none but these classes is their labels.
    ///
    /// # Errors
    /// As [`read_wide`](Self::read_wide).
    pub fn read_wide_unlabelled(
        path: impl AsRef<Path>,
        columns: &WideColumns,
        classes: &[String],
    ) -> Result<Self> {
        let path = path.as_ref();
        if is_sequence_file(path) {
            return collect(rows(path, columns)?.rows, &path.display().to_string());
        }
        let sheet = sheet(path, &read_text(path)?, columns)?;
        let mut place = Place::find(&sheet, columns)
            .or_else(|_| Place::find(&sheet, &WideColumns { label: None, ..columns.clone() }))?;
        place.label = place.label.filter(|&label| {
            let known = |row: &super::sheet::Row| classes.iter().any(|class| class == row.text(label).trim());
            sheet.header_line.is_some() || sheet.rows.iter().all(known)
        });
        collect(table(&sheet, &place)?, &sheet.place)
    }
}

impl<L: Label> LabelledSeries<L> {
    /// As [`LabelledSeries::read_wide`], with labels of any kind.
    ///
    /// # Errors
    /// As there; for a label that is not of this kind; where all labels are one number and there is no trained model.
    pub fn of_wide(
        path: impl AsRef<Path>,
        columns: &WideColumns,
        classes: Option<&[String]>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let Read { rows, numbers, first } = rows(path, columns)?;
        if let Some(line) = numbers.filter(|_| !L::NUMBERS) {
            let message =
                "its targets are numbers, and a classifier gives classes: `--task regress` learns numbers";
            return Err(Error::data(format!("{place}, line {line}"), message));
        }
        let mut labels = Cells::between(columns.separator.as_deref());
        for row in &rows {
            match row.label.as_deref().map(str::trim) {
                Some(label) if !label.is_empty() || L::SEVERAL => labels.push(label, &place, row.line),
                None if is_sequence_file(path) => {
                    let message = "it has no labels (`@classLabel false`): give one that has, or `--task forecast` for a series";
                    return Err(Error::data(place, message));
                }
                _ => {
                    let message = "the sequence has no label: name its column with data.label, or fill it in";
                    return Err(Error::data(format!("{place}, line {}", row.line), message));
                }
            }
        }
        let mut series = collect(rows, &place)?;
        (series.labels, series.classes) = L::of(labels, &place, classes).map_err(|error| match (first, error) {
            (Some(width), Error::Data { place, message }) => {
                let remedy = format!("without a header the first column is taken for the labels: data.label = {width} is the last");
                Error::data(place, format!("{message} ({remedy})"))
            }
            (_, error) => error,
        })?;
        Ok(series)
    }
}

/// What a file holds.
struct Read {
    rows: Vec<Row>,
    /// The line that says that the labels are numbers, if one does.
    numbers: Option<u64>,
    /// The columns of a table of which the first was taken for the labels, as nothing says where they are.
    first: Option<usize>,
}

fn rows(path: &Path, columns: &WideColumns) -> Result<Read> {
    let (text, place) = (read_text(path)?, path.display().to_string());
    match plain_name(path).rsplit_once('.') {
        Some((_, "ts")) => ts(&text, &place),
        Some((_, "arff")) => arff(&text, &place),
        _ => {
            let sheet = sheet(path, &text, columns)?;
            let open = sheet.header_line.is_none() && columns.label.is_none();
            let first = open.then_some(sheet.header.len());
            Ok(Read { rows: table(&sheet, &Place::find(&sheet, columns)?)?, numbers: None, first })
        }
    }
}

/// Sequences without labels. They must have the same features, and the features of each the same length.
fn collect<L>(rows: Vec<Row>, place: &str) -> Result<LabelledSeries<L>> {
    let Some(width) = rows.first().map(|row| row.features.len()) else {
        return Err(Error::data(place, "it holds no sequence: give rows of numbers"));
    };
    let mut series = LabelledSeries {
        features: Vec::new(),
        lengths: Vec::new(),
        labels: Vec::new(),
        classes: Vec::new(),
        feature_names: match width {
            1 => vec!["x".into()],
            _ => (0..width).map(|feature| format!("x{feature}")).collect(),
        },
        ids: Vec::new(),
    };
    for (number, Row { line, id, features, .. }) in (1..).zip(rows) {
        let wrong = |message: String| Err(Error::data(format!("{place}, line {line}"), message));
        if features.len() != width {
            return wrong(format!("{} features, the sequences before have {width}", features.len()));
        }
        let length = features.first().map_or(0, Vec::len);
        if let Some(other) = features.iter().find(|values| values.len() != length) {
            return wrong(format!(
                "a feature has {} steps, another {length}: give each as many",
                other.len()
            ));
        }
        if length == 0 {
            return wrong("the sequence has no step: take the row out".to_owned());
        }
        series
            .features
            .push((0..length).flat_map(|step| features.iter().map(move |values| values[step])).collect());
        series.lengths.push(length);
        series.ids.push(id.unwrap_or_else(|| number.to_string()));
    }
    Ok(series)
}

/// Where the label and the id are in a table.
struct Place {
    label: Option<usize>,
    id: Option<usize>,
}

impl Place {
    fn find(sheet: &Sheet, columns: &WideColumns) -> Result<Place> {
        let named =
            |names: &[&str]| (0..sheet.header.len()).find(|&c| names.contains(&sheet.header[c].as_str()));
        let label = match (&columns.label, sheet.header_line) {
            (Some(name), _) => Some(sheet.column(name, "data.label")?),
            (None, Some(_)) => named(&LABELS),
            (None, None) => Some(0),
        };
        let id = match &columns.id {
            Some(name) => Some(sheet.column(name, "data.id")?),
            None => named(&["id"]),
        };
        Ok(Place { label, id })
    }

    /// All other columns, but for one that counts the rows, as `pandas` writes it.
    fn steps(&self, sheet: &Sheet) -> Vec<usize> {
        let taken = [self.label, self.id, counting(sheet, |_| true)];
        (0..sheet.header.len()).filter(|&column| !taken.contains(&Some(column))).collect()
    }
}

/// A table, of which the first line is names unless it is all numbers. Numbers between blanks are a table too.
fn sheet(path: &Path, text: &str, columns: &WideColumns) -> Result<Sheet> {
    let first = text.lines().next().unwrap_or_default();
    let blanks = !first.contains([',', '\t', ';', '|']) && first.split_whitespace().count() > 1;
    let cells = |line: &str| line.split_whitespace().collect::<Vec<_>>().join("\t");
    let (text, name) = match blanks {
        true => (text.lines().map(cells).collect::<Vec<_>>().join("\n"), "blanks.tsv".to_owned()),
        false => (text.to_owned(), plain_name(path)),
    };
    let header = columns.header.or(begins_with_numbers(&text, &name).then_some(false));
    Sheet::parse(&text, &name, path.display().to_string(), header)
}

fn table(sheet: &Sheet, place: &Place) -> Result<Vec<Row>> {
    let steps = place.steps(sheet);
    let row = |row: &super::sheet::Row| {
        let cell = |column: usize| row.text(column).trim().to_owned();
        let end = steps.iter().rposition(|&column| !is_missing(row.text(column))).map_or(0, |last| last + 1);
        let values = steps[..end].iter().map(|&column| Ok(sheet.number(row, column)? as f32));
        Ok(Row {
            line: row.line,
            id: place.id.map(cell),
            label: place.label.map(cell),
            features: vec![values.collect::<Result<_>>()?],
        })
    };
    sheet.rows.iter().map(row).collect()
}

/// Numbers between commas; those missing at the end are left out.
fn values(cells: &str, place: &str, line: u64) -> Result<Vec<f32>> {
    let cells: Vec<&str> = cells.split(',').map(str::trim).collect();
    let end = cells.iter().rposition(|cell| !is_missing(cell)).map_or(0, |last| last + 1);
    let number = |cell: &&str| match cell.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(Error::data(
            format!("{place}, line {line}"),
            format!("`{}` is not a finite number: fill it in or take the sequence out", shorten(cell)),
        )),
    };
    cells[..end].iter().map(number).collect()
}

/// sktime's and aeon's format.
fn ts(text: &str, place: &str) -> Result<Read> {
    let (mut rows, mut numbers, mut labelled, mut data) = (Vec::new(), None, false, false);
    let mut classes = Classes::default();
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        let wrong = |message: &str| Err(Error::data(format!("{place}, line {line}"), message));
        if content.is_empty() || content.starts_with(['#', '%']) {
            continue;
        }
        if data {
            let mut features: Vec<&str> = content.split(':').collect();
            let label = if labelled { features.pop().map(|label| label.trim().to_owned()) } else { None };
            classes.check(label.as_deref(), place, line)?;
            let features = features.into_iter().map(|cells| values(cells, place, line));
            rows.push(Row { line, id: None, label, features: features.collect::<Result<_>>()? });
            continue;
        }
        let lower = content.to_lowercase();
        let mut words = lower.split_whitespace();
        let (key, value) = (words.next().unwrap_or_default(), words.next());
        match (key, value) {
            ("@data", _) => data = true,
            ("@classlabel", value) => {
                labelled = value == Some("true");
                classes = Classes::new(line, content.split_whitespace().skip(2).map(str::to_owned).collect());
            }
            ("@targetlabel", Some("true")) => (labelled, numbers) = (true, Some(line)),
            ("@timestamps", Some("true")) => {
                return wrong("its values have time stamps: write them without, at even times");
            }
            (key, _) if key.starts_with('@') => {}
            _ => return wrong("a line before `@data` begins with `@`, `#` or `%`: is it a .ts file?"),
        }
    }
    Ok(Read { rows, numbers, first: None })
}

/// Weka's format, as the UCR and UEA archives have it.
fn arff(text: &str, place: &str) -> Result<Read> {
    let (mut rows, mut numbers, mut data, mut last) = (Vec::new(), None, false, (0, ""));
    let mut classes = Classes::default();
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        let wrong = |message: &str| Err(Error::data(format!("{place}, line {line}"), message));
        if content.is_empty() || content.starts_with('%') {
            continue;
        }
        let lower = content.to_lowercase();
        if data {
            if content.starts_with('{') {
                return wrong("sparse rows are not read: write every value");
            }
            let row = arff_row(content, place, line)?;
            classes.check(row.label.as_deref(), place, line)?;
            rows.push(row);
        } else if lower.starts_with("@data") {
            data = true;
            let kind = last.1.rsplit([' ', '\t', '}']).next().unwrap_or_default().to_lowercase();
            if ["numeric", "real", "integer"].contains(&&*kind) {
                numbers = Some(last.0);
            }
            let set = last.1.split_once('{').and_then(|(_, set)| set.rsplit_once('}'));
            classes = Classes::new(last.0, set.map(|(set, _)| names_in(set)).unwrap_or_default());
        } else if lower.starts_with("@attribute") {
            last = (line, content);
        } else if !lower.starts_with("@relation") && !lower.starts_with("@end") {
            return wrong("a line before `@data` begins with `@` or `%`: is it an .arff file?");
        }
    }
    Ok(Read { rows, numbers, first: None })
}

/// The classes that the head of a file says there are, and its line; none if it says none.
#[derive(Default)]
struct Classes {
    line: u64,
    names: Vec<String>,
}

impl Classes {
    fn new(line: u64, names: Vec<String>) -> Self {
        Classes { line, names }
    }

    fn check(&self, label: Option<&str>, place: &str, line: u64) -> Result<()> {
        match label {
            Some(label) if !self.names.is_empty() && !self.names.iter().any(|name| name == label) => {
                Err(Error::data(
                    format!("{place}, line {line}"),
                    format!(
                        "the class `{}` is not among those of line {}, `{}`: mend one of them",
                        shorten(label),
                        self.line,
                        shorten(&self.names.join("`, `"))
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

/// The names between commas that no quotes are around, without their quotes.
fn names_in(set: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = set;
    loop {
        let (before, name) = match last_comma(rest) {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        names.push(unquoted(name.trim()).unwrap_or(name.trim()).to_owned());
        match before {
            Some(before) => rest = before,
            None => {
                names.reverse();
                return names;
            }
        }
    }
}

/// What stands between two quotes of a kind.
fn unquoted(cell: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| cell.strip_prefix(quote)?.strip_suffix(quote))
}

fn arff_row(content: &str, place: &str, line: u64) -> Result<Row> {
    let wrong = || {
        Error::data(format!("{place}, line {line}"), "expected values and, behind the last comma, a label")
    };
    let (features, label) = content.split_at(last_comma(content).ok_or_else(wrong)?);
    let features = features.trim();
    let features: Vec<Vec<f32>> = match unquoted(features) {
        Some(relation) => {
            relation.split("\\n").map(|cells| values(cells, place, line)).collect::<Result<_>>()?
        }
        None => vec![values(features, place, line)?],
    };
    let label = label[1..].trim();
    let label = unquoted(label).unwrap_or(label).to_owned();
    Ok(Row { line, id: None, label: Some(label), features })
}

/// Where the last comma stands that no quotes are around.
fn last_comma(content: &str) -> Option<usize> {
    let (mut open, mut last) = (None, None);
    for (at, c) in content.char_indices() {
        match (open, c) {
            (Some(quote), c) if c == quote => open = None,
            (None, '\'' | '"') => open = Some(c),
            (None, ',') => last = Some(at),
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn read(name: &str, text: &str) -> Result<LabelledSeries> {
        let (_folder, path) = file(name, text);
        LabelledSeries::read_wide(path, &WideColumns::default(), None)
    }

    fn told(name: &str, text: &str) -> Option<String> {
        let (_folder, path) = file(name, text);
        looks_wide(&path, &WideColumns::default(), false)
    }

    #[track_caller]
    fn refused(name: &str, text: &str, words: &str) {
        let message = read(name, text).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }

    #[test]
    fn ucr_tables_have_the_label_first() {
        let text = "2\t1\t2\t3\t4\t5\n-1\t6\t7\t8\tNaN\tNaN\n2\t0\t0\t0\t0\t1\n-1\t0\t0\t0\t0\t1\n";
        let blanks = text.replace('\t', "  ").replace("2  1  2", "  2.0000000e+00   1.0e+00  2");
        let series = read("A_TRAIN.tsv", text).unwrap();
        assert_eq!((&series.lengths[..2], &series.features[1]), (&[5, 3][..], &vec![6.0, 7.0, 8.0]));
        assert_eq!((series.labels, series.classes), (vec![1, 0, 1, 0], vec!["-1".into(), "2".into()]));
        assert_eq!(
            (series.feature_names, series.ids.last().map(String::as_str)),
            (vec!["x".into()], Some("4"))
        );
        assert_eq!(read("A.txt", &blanks).unwrap().features, series.features);
        let form = "a sequence a row without a header, labels in column 1";
        assert_eq!(told("A_TRAIN.tsv", text).as_deref(), Some(form));
        assert_eq!(told("A.csv", &text.replace('\t', ",")).as_deref(), Some(form));
        refused("A.tsv", &text.replace("\t7\t", "\t?\t"), "line 2, column `3`: the value is missing");
        refused("A.tsv", "1\tNaN\n2\t1\n", "line 1: the sequence has no step");
        refused(
            "A.csv",
            "0,1,2,7\n0,3,4,8\n",
            "have the label `0`: two classes or more are needed (without a header the first",
        );
    }

    #[test]
    fn wide_tables_with_names() {
        let text =
            "id,label,t0,t1,t2,t3,t4\na,up,1,2,3,4,5\nb,down,5,4,3,,\nc,up,1,1,1,1,2\nd,down,5,4,3,2,1\n";
        let series = read("w.csv", text).unwrap();
        assert_eq!((&series.ids[..2], &series.lengths[..2]), (&["a".into(), "b".into()][..], &[5, 3][..]));
        assert_eq!(told("w.csv", text).as_deref(), Some("a sequence a row, labels in column `label`"));
        // What `pandas` writes in front of the rows is no step.
        let indexed: String = text
            .lines()
            .enumerate()
            .map(|(i, line)| match i {
                0 => format!(",{line}\n"),
                i => format!("{},{line}\n", i - 1),
            })
            .collect();
        assert_eq!(read("w.csv", &indexed).unwrap().features, series.features);
        let words = "a sequence a row, labels in column `label`; column 1 counts the rows and is passed over";
        assert_eq!(told("w.csv", &indexed).as_deref(), Some(words));
        // Long tables, tables of texts and those with words among the steps are no such.
        assert_eq!(told("w.csv", &text.replace("t0", "time")), None);
        assert_eq!(told("w.csv", &text.replace("t0", "text")), None);
        assert_eq!(told("w.csv", &text.replace(",3,", ",x,")), None);
        assert_eq!(told("w.csv", "label,a,b\nup,1,2\nup,1,2\ndown,1,2\ndown,3,4\n"), None);
        let (_folder, path) = file("w.csv", "id,t0,t1\na,1,2\n");
        let columns = WideColumns { label: Some("label".into()), ..WideColumns::default() };
        let classes = ["down", "up"].map(String::from);
        let one = LabelledSeries::read_wide_unlabelled(path, &columns, &classes).unwrap();
        assert_eq!((one.features, one.ids), (vec![vec![1.0, 2.0]], vec!["a".into()]));
        let (_folder, path) = file("u.tsv", "1\t2\t3\n4\t5\t6\n");
        let of = |classes: [&str; 2]| {
            let classes = classes.map(String::from);
            LabelledSeries::read_wide_unlabelled(&path, &WideColumns::default(), &classes).unwrap().features
                [0]
            .len()
        };
        assert_eq!((of(["1", "4"]), of(["1", "2"])), (2, 3), "labels are left out, values are not");
    }

    #[test]
    fn ts_files() {
        let head = "# a comment\n% another\n@problemName P\n@timeStamps false\n@univariate false\n@classLabel true up down\n@data\n";
        let series = read("p.ts", &format!("{head}1,2,3:4,5,6:up\n7,8:9,10:down\n")).unwrap();
        assert_eq!(series.features, [vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0], vec![7.0, 9.0, 8.0, 10.0]]);
        assert_eq!((series.lengths, series.labels), (vec![3, 2], vec![1, 0]));
        assert_eq!(series.feature_names, ["x0", "x1"]);
        refused("p.ts", &format!("{head}1,2:3:up\n"), "line 8: a feature has 1 steps, another 2");
        refused("p.ts", &format!("{head}1,?,2:3,4,5:up\n"), "line 8: `?` is not a finite number");
        refused("p.ts", &format!("{head}1:2:up\n1:up\n"), "line 9: 1 features, the sequences before have 2");
        refused(
            "p.ts",
            &head.replace("@timeStamps false", "@timeStamps true"),
            "line 4: its values have time stamps",
        );
        refused("p.ts", "@targetLabel true\n@data\n1:2\n", "line 1: its targets are numbers");
        refused("p.ts", head, "it holds no sequence");
        refused(
            "p.ts",
            &format!("{head}1,2:3,4:sideways\n"),
            "line 8: the class `sideways` is not among those of line 6, `up`, `down`",
        );
        refused("p.ts", "@classLabel false\n@data\n1,2\n", "it has no labels (`@classLabel false`)");
        refused("p.ts", "1,2:up\n", "line 1: a line before `@data`");
    }

    #[test]
    fn arff_files() {
        let text = "% about\n@RELATION r\n@attribute att0 numeric\n@attribute att1 numeric\n@attribute target {1,2}\n\n@DATA\n0.5,1,1\n2,3,2\n4,?,'1'\n";
        let series = read("r.arff", text).unwrap();
        assert_eq!(series.features, [vec![0.5, 1.0], vec![2.0, 3.0], vec![4.0]]);
        assert_eq!(series.labels, [0, 1, 0]);
        let text = "@relation r\n@attribute m relational\n@attribute t0 numeric\n@end m\n@attribute activity {Standing,Running}\n@data\n'1,2\\n3,4',Standing\n\"5,6\\n7,8\",Running\n";
        let series = read("m.arff", text).unwrap();
        assert_eq!(series.features, [vec![1.0, 3.0, 2.0, 4.0], vec![5.0, 7.0, 6.0, 8.0]]);
        assert_eq!(series.classes, ["Running", "Standing"]);
        let text = "@relation r\n@attribute a real\n@attribute y {'one, or 1', \"it's\"}\n@data\n1,2,'one, or 1'\n3,4,\"it's\"\n";
        let series = read("q.arff", text).unwrap();
        assert_eq!(
            (series.features, series.classes.as_slice()),
            (vec![vec![1.0, 2.0], vec![3.0, 4.0]], &["it's".into(), "one, or 1".into()][..])
        );
        refused(
            "r.arff",
            "@relation r\n@attribute a real\n@attribute y real\n@data\n1,2\n",
            "line 3: its targets are numbers",
        );
        refused("r.arff", "@relation r\n@attribute y {a,b}\n@data\n{1 2}\n", "line 4: sparse rows");
        let classes = "@relation r\n@attribute x real\n@attribute y {a, 'b c'}\n@data\n1,a\n2,'b c'\n3,b\n";
        refused("r.arff", classes, "line 7: the class `b` is not among those of line 3, `a`, `b c`");
    }
}
