//! Entities in tags of the schemes BIO, BIOES, BILOU and BMES, counted as `conlleval` counts them.
//!
//! `B-PER` begins an entity of type `PER`, `I-PER` (`M-PER`) goes on with it, `E-PER` (`L-PER`) is its last token, `S-PER`
//! (`U-PER`) one of a single token, `O` is outside of any; bare letters are of one type without a name. An `I-` or `E-`
//! that follows `O`, an end or another type begins an entity too, so that the tags of IOB1 read the same. An entity is
//! right if its first token, its last token and its type are (Tjong Kim Sang and De Meulder 2003, CoNLL-2003 shared task;
//! the program is that of CoNLL-2000).

use super::report::Scores;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Outside,
    /// Of a type.
    Begin(usize),
    Inside(usize),
    End(usize),
    Single(usize),
}

/// The letters of each scheme beside `B` and `O`: within an entity, its last token, one of a single token.
const SCHEMES: [&[&str]; 4] = [&["I"], &["I", "E", "S"], &["I", "L", "U"], &["M", "E", "S"]];

/// Whether labels of these letters are of one scheme.
fn is_scheme(letters: &[&str]) -> bool {
    let of =
        |scheme: &[&str]| letters.iter().all(|letter| ["B", "O"].contains(letter) || scheme.contains(letter));
    SCHEMES.into_iter().any(of)
}

/// Right, predicted and actual entities of a type.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    right: u64,
    predicted: u64,
    actual: u64,
}

impl Count {
    fn scores(self) -> Scores {
        Scores::of(self.right, self.predicted, self.actual)
    }
}

/// Counts entities, sentence by sentence.
///
/// ```
/// use gimbap::metric::Entities;
///
/// let labels = ["O", "B-PER", "I-PER", "B-LOC"].map(String::from);
/// let mut entities = Entities::new(&labels).expect("they are BIO");
/// // Two persons and a place; the second person is found without its family name.
/// entities.add(&[1, 2, 0, 1, 2, 0, 3], &[1, 2, 0, 1, 0, 0, 3]);
/// assert_eq!(entities.all().recall, 2.0 / 3.0);
/// assert_eq!(entities.types().map(|(name, scores)| (name, scores.f1)).collect::<Vec<_>>(), [("LOC", 1.0), ("PER", 0.5)]);
/// ```
#[derive(Clone, Debug)]
pub struct Entities {
    /// What each label says.
    tags: Vec<Tag>,
    types: Vec<String>,
    counts: Vec<Count>,
}

impl Entities {
    /// For tags that are indices into `labels`; None unless every label is `O` or a letter of one of the schemes, bare or
    /// with `-TYPE`, and one of them belongs to an entity. Bare letters are a scheme's if `B` or `I` is among them.
    pub fn new(labels: &[String]) -> Option<Self> {
        let parts: Vec<(&str, Option<&str>)> = labels
            .iter()
            .map(|label| match label.split_once('-') {
                Some((letter, name)) => (letter, Some(name)),
                None if label == "O" => ("O", None),
                None => (label.as_str(), Some("")),
            })
            .collect();
        let letters: Vec<&str> = parts.iter().map(|&(letter, _)| letter).collect();
        let bare = parts.iter().any(|&(_, name)| name == Some(""));
        let outside = parts.iter().any(|&(letter, name)| letter == "O" && name.is_some());
        if !is_scheme(&letters) || outside || bare && !letters.iter().any(|&l| l == "B" || l == "I") {
            return None;
        }
        let mut types: Vec<String> = parts.iter().filter_map(|(_, name)| name.map(str::to_owned)).collect();
        types.sort();
        types.dedup();
        if types.is_empty() {
            return None;
        }
        let tag = |(letter, name): (&str, Option<&str>)| {
            let index = name.and_then(|name| types.iter().position(|known| known == name));
            match (index, letter) {
                (None, _) => Tag::Outside,
                (Some(index), "B") => Tag::Begin(index),
                (Some(index), "E" | "L") => Tag::End(index),
                (Some(index), "S" | "U") => Tag::Single(index),
                (Some(index), _) => Tag::Inside(index),
            }
        };
        let tags = parts.into_iter().map(tag).collect();
        Some(Entities { tags, counts: vec![Count::default(); types.len()], types })
    }

    /// Counts the entities of a sentence.
    ///
    /// # Panics
    /// If there is not a predicted tag for each actual one, or a tag is beyond the labels.
    pub fn add(&mut self, actual: &[u32], predicted: &[u32]) {
        assert_eq!(actual.len(), predicted.len(), "a predicted tag for each actual one");
        let (actual, predicted) = (self.spans(actual), self.spans(predicted));
        for span in &predicted {
            self.counts[span.2].predicted += 1;
        }
        for span in &actual {
            self.counts[span.2].actual += 1;
            self.counts[span.2].right += u64::from(predicted.binary_search(span).is_ok());
        }
    }

    /// First token, token after the last and type of each entity, in order.
    fn spans(&self, tags: &[u32]) -> Vec<(usize, usize, usize)> {
        let mut spans: Vec<(usize, usize, usize)> = Vec::new();
        let mut open = None;
        for (t, &tag) in tags.iter().enumerate() {
            let (kind, joins, ends) = match self.tags[tag as usize] {
                Tag::Outside => {
                    open = None;
                    continue;
                }
                Tag::Begin(kind) => (kind, false, false),
                Tag::Inside(kind) => (kind, true, false),
                Tag::End(kind) => (kind, true, true),
                Tag::Single(kind) => (kind, false, true),
            };
            match spans.last_mut() {
                Some(last) if joins && open == Some(kind) => last.1 = t + 1,
                _ => spans.push((t, t + 1, kind)),
            }
            open = (!ends).then_some(kind);
        }
        spans
    }

    /// The figures of all entities together ("micro").
    pub fn all(&self) -> Scores {
        let sum = |sum: Count, count: &Count| Count {
            right: sum.right + count.right,
            predicted: sum.predicted + count.predicted,
            actual: sum.actual + count.actual,
        };
        self.counts.iter().fold(Count::default(), sum).scores()
    }

    /// The figures of each type, by name; the type of bare letters is the empty one.
    pub fn types(&self) -> impl Iterator<Item = (&str, Scores)> {
        self.types.iter().map(String::as_str).zip(self.counts.iter().map(|count| count.scores()))
    }
}
