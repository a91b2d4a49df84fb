//! Entities in tags of the BIO scheme, counted as `conlleval` counts them.
//!
//! `B-PER` begins an entity of type `PER`, `I-PER` goes on with it, `O` is outside of any; bare `B` and `I` are of one
//! type without a name. An `I-` that follows `O` or another type begins an entity too, so that the tags of IOB1 read
//! the same. An entity is right if its first token, its last token and its type are (Tjong Kim Sang and De Meulder
//! 2003, CoNLL-2003 shared task; the program is that of CoNLL-2000).

use super::report::Scores;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Outside,
    /// Of a type.
    Begin(usize),
    Inside(usize),
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
    /// For tags that are indices into `labels`; None unless every label is `O`, `B`, `I`, `B-TYPE` or `I-TYPE`, and
    /// one of them begins or goes on with an entity.
    pub fn new(labels: &[String]) -> Option<Self> {
        let parts = labels.iter().map(|label| match label.split_once('-') {
            None if label == "O" => Some((label.as_str(), None)),
            None if label == "B" || label == "I" => Some((label.as_str(), Some(""))),
            Some((part @ ("B" | "I"), name)) => Some((part, Some(name))),
            _ => None,
        });
        let parts: Vec<(&str, Option<&str>)> = parts.collect::<Option<_>>()?;
        let mut types: Vec<String> = parts.iter().filter_map(|(_, name)| name.map(str::to_owned)).collect();
        types.sort();
        types.dedup();
        if types.is_empty() {
            return None;
        }
        let tag = |(part, name): (&str, Option<&str>)| {
            let index = name.and_then(|name| types.iter().position(|known| known == name));
            match index {
                None => Tag::Outside,
                Some(index) if part == "B" => Tag::Begin(index),
                Some(index) => Tag::Inside(index),
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
            open = match self.tags[tag as usize] {
                Tag::Outside => None,
                Tag::Inside(kind) if open == Some(kind) => open,
                Tag::Begin(kind) | Tag::Inside(kind) => {
                    spans.push((t, t, kind));
                    Some(kind)
                }
            };
            if let (Some(_), Some(last)) = (open, spans.last_mut()) {
                last.1 = t + 1;
            }
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

    /// The figures of each type, by name; the type of bare `B` and `I` is the empty one.
    pub fn types(&self) -> impl Iterator<Item = (&str, Scores)> {
        self.types.iter().map(String::as_str).zip(self.counts.iter().map(|count| count.scores()))
    }
}
