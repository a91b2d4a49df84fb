//! Word vectors as a verb finds them: in a file of vectors, or in a model's embedding.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use gimbap::data::text::{CLOSING_ID, UNKNOWN_ID, Vocabulary};
use gimbap::model::Model;
use gimbap::vectors::Vectors;

use crate::model_file::{self, Opened};
use crate::output::{Failure, Out, Outcome, thousands};
use crate::run_dir::model_path;
use crate::task::TaskDoc;

/// Vectors, and what they are called in messages.
#[derive(Debug)]
pub struct Words {
    /// The vectors.
    pub vectors: Vectors,
    /// A model's words are looked up as its texts are read.
    vocabulary: Option<Vocabulary>,
    name: String,
}

/// Opens a file of vectors, or a model's embedding without what is no word: `<unk>` and the closing mark.
pub fn open(argument: &Path, out: &Out) -> Outcome<Words> {
    without_marks(open_all(argument, out)?)
}

/// The words of a model's embedding, without the marks.
pub fn words(opened: &Opened) -> Outcome<Words> {
    let (vectors, vocabulary) = embedding(opened)?;
    let name = opened.path.display().to_string();
    without_marks(Words { vectors, vocabulary: Some(vocabulary), name })
}

fn without_marks(words: Words) -> Outcome<Words> {
    let Words { vectors, vocabulary: Some(_), .. } = &words else { return Ok(words) };
    let marks = [UNKNOWN_ID, CLOSING_ID].map(|id| id as usize);
    let rows = (0..vectors.len()).filter(|row| !marks.contains(row));
    let (names, values): (Vec<_>, Vec<_>) =
        rows.map(|row| (vectors.words()[row].clone(), vectors.row(row))).unzip();
    Ok(Words { vectors: Vectors::new(names, vectors.width(), values.concat())?, ..words })
}

/// Opens a file of vectors, or a model's embedding with all its rows; a file is taken for a model if it is safetensors.
pub fn open_all(argument: &Path, out: &Out) -> Outcome<Words> {
    let path = model_path(argument);
    let name = path.display().to_string();
    if is_model(&path) {
        let opened = model_file::open(argument)?;
        let (vectors, vocabulary) = embedding(&opened)?;
        return Ok(Words { vectors, vocabulary: Some(vocabulary), name });
    }
    let vectors = Vectors::read(&path)?;
    if vectors.repeated() > 0 {
        let repeated = thousands(vectors.repeated());
        out.log(format!("{name}: {repeated} rows have a word that came before; the first one counts"));
    }
    if vectors.passed_over() > 0 {
        let passed = thousands(vectors.passed_over());
        out.log(format!("{name}: lines without one word before their numbers, passed over: {passed}"));
    }
    Ok(Words { vectors, vocabulary: None, name })
}

/// Whether a file is called safetensors, or begins as they do, with the length of a JSON header and its brace.
fn is_model(path: &Path) -> bool {
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        return true;
    }
    // What has been read from a pipe is gone.
    if !path.is_file() {
        return false;
    }
    let mut start = [0; 9];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start).map(|()| file));
    let [length @ .., brace] = start;
    let length = u64::from_le_bytes(length);
    let fits = |file: File| file.metadata().is_ok_and(|data| length.saturating_add(8) <= data.len());
    brace == b'{' && read.is_ok_and(fits)
}

/// The rows of a model's embedding, and the vocabulary that names them.
pub fn embedding(opened: &Opened) -> Outcome<(Vectors, Vocabulary)> {
    let refuse = |message: &str| Failure::work("task", format!("{}: {message}", opened.path.display()));
    let Some(vocabulary) = opened.task.as_ref().and_then(TaskDoc::vocabulary) else {
        return Err(refuse("it has no vocabulary, so no word vectors: take a model of texts"));
    };
    let Some((width, values)) = table(&opened.model, vocabulary.len()) else {
        return Err(refuse(
            "it has no embedding, so no word vectors: train it with a [[layer]] of type = \"embedding\"",
        ));
    };
    let vectors = Vectors::new(vocabulary.tokens().to_vec(), width, values.to_vec())?;
    Ok((vectors, vocabulary.clone()))
}

/// The width and the values of the first embedding with a row for each of `v` tokens.
pub fn table(model: &Model, v: usize) -> Option<(usize, &[f32])> {
    let (width, range) = place(model, v)?;
    Some((width, &model.values()[range]))
}

/// The width of that embedding, and where its values lie.
fn place(model: &Model, v: usize) -> Option<(usize, Range<usize>)> {
    let fits = |name: &str, shape: &[usize]| {
        name.starts_with("embedding") && name.ends_with(".w") && shape.len() == 2 && shape[0] == v
    };
    let parameter = model.parameters().iter().find(|p| fits(&p.name, &p.shape))?;
    Some((parameter.shape[1], parameter.range.clone()))
}

/// Writes the vectors of a file over the rows of a model's embedding whose tokens the file has (`data.vectors`), and
/// tells of how many that was.
pub fn initialise(model: &mut Model, vocabulary: &Vocabulary, file: &Path, out: &Out) -> Outcome<String> {
    let key = |message: String| Err(Failure::usage("config", format!("data.vectors: {message}")));
    let words = open_all(file, out)?;
    let (name, vectors) = (&words.name, &words.vectors);
    let Some((width, place)) = place(model, vocabulary.len()) else {
        return key("there is no [[layer]] of type = \"embedding\" to begin with them".into());
    };
    if vectors.width() != width {
        return key(format!(
            "{name} has vectors of {} numbers, the embedding has {width}: set its `units` to {0}",
            vectors.width()
        ));
    }
    let rows = vectors.rows_of(vocabulary);
    let table = &mut model.values_mut()[place];
    for (values, row) in table.chunks_exact_mut(width).zip(&rows) {
        if let Some(row) = row {
            values.copy_from_slice(vectors.row(*row));
        }
    }
    let found = rows.iter().flatten().count();
    if found == 0 {
        return key(format!("{name} has none of the {} tokens of the data", thousands(rows.len())));
    }
    Ok(format!("{} of {} tokens found", thousands(found), thousands(rows.len())))
}

impl Words {
    /// The row of a word.
    pub fn row(&self, word: &str) -> Outcome<usize> {
        let known = match &self.vocabulary {
            Some(vocabulary) => self.vectors.find(&vocabulary.normalise(word)),
            None => self.vectors.find(word),
        };
        known.ok_or_else(|| {
            let hint = match nearest(word, self.vectors.words()) {
                Some(near) => format!("did you mean `{}`?", shown(near)),
                None => "take one that is".to_owned(),
            };
            let (count, name) = (thousands(self.vectors.len()), &self.name);
            Failure::work("data", format!("`{word}` is not among the {count} words of {name}; {hint}"))
        })
    }

    /// The row of a word that has a direction, so that there are words near to it.
    pub fn direction(&self, word: &str) -> Outcome<usize> {
        let row = self.row(word)?;
        if self.vectors.row(row).iter().all(|&x| x == 0.0) {
            let message = format!(
                "`{word}` has a vector of zeros in {}, which has no direction: no word is nearer to it than another",
                self.name
            );
            return Err(Failure::work("data", message));
        }
        Ok(row)
    }

    /// The rows of several words.
    pub fn rows<'a>(&self, words: impl IntoIterator<Item = &'a String>) -> Outcome<Vec<usize>> {
        words.into_iter().map(|word| self.row(word)).collect()
    }

    /// The word of a row.
    pub fn word(&self, row: usize) -> &str {
        &self.vectors.words()[row]
    }
}

/// A word for people: one that is empty or holds white space or a control character as a quoted string.
pub fn shown(word: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("{word:?}") }
}

/// The word that a slip of the fingers makes `word` from: the same in another case, else the fewest slips, at most one
/// for each three letters; of several the first.
fn nearest<'a>(word: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let letters = wanted.chars().count();
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let bound = best.map_or(letters / 3 + 1, |(slips, _)| slips);
        // A word of another length has at least so many slips.
        if candidate.chars().count().abs_diff(letters) >= bound {
            continue;
        }
        let slips = strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase());
        if slips < bound {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_shown_as_it_is_unless_that_would_not_show() {
        assert_eq!(["'s", "\"", "<unk>"].map(shown), ["'s", "\"", "<unk>"]);
        assert_eq!([" ", "\n", "", ". ."].map(shown), ["\" \"", "\"\\n\"", "\"\"", "\". .\""]);
    }

    #[test]
    fn the_nearest_spelling_is_found_and_nonsense_has_none() {
        let known = ["the", "queen", "King", "kind", "Zürich"].map(String::from);
        for (word, near) in [("qeen", Some("queen")), ("king", Some("King")), ("zurich", Some("Zürich"))] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
        assert_eq!(nearest("kinf", &known), Some("King"), "of equal ones the first");
        assert_eq!(nearest("A", &["a".into()]), Some("a"));
        for word in ["xylophone", "q", "th", "queenqueen"] {
            assert_eq!(nearest(word, &known), None, "{word}");
        }
    }
}
