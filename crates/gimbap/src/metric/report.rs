//! What is taken for what: the confusion matrix, and the figures of each class that follow from it.

use std::collections::BTreeMap;

/// How well one class, or one type of entity, is found. A figure whose denominator is 0 is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// The part of what was predicted that is right.
    pub precision: f64,
    /// The part of what is there that was found.
    pub recall: f64,
    /// The harmonic mean of both, `2 right / (predicted + actual)`.
    pub f1: f64,
    /// How many there are.
    pub support: u64,
}

impl Scores {
    /// Of `right` hits among `predicted` guesses at the `actual` ones.
    pub fn of(right: u64, predicted: u64, actual: u64) -> Self {
        let part = |x: u64, of: u64| if of > 0 { x as f64 / of as f64 } else { 0.0 };
        Scores {
            precision: part(right, predicted),
            recall: part(right, actual),
            f1: part(2 * right, predicted + actual),
            support: actual,
        }
    }
}

/// How often each class was taken for each.
///
/// ```
/// use gimbap::metric::Confusion;
///
/// let mut confusion = Confusion::new(2);
/// for (actual, predicted) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
///     confusion.add(actual, predicted);
/// }
/// assert_eq!(confusion.row(0), [1, 1]);
/// assert_eq!(confusion.scores(1).recall, 1.0);
/// assert_eq!(confusion.scores(1).precision, 2.0 / 3.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// Of each pair of an actual and a predicted class that occurs.
    counts: BTreeMap<(usize, usize), u64>,
    /// How often each class is actual, and predicted.
    actual: Vec<u64>,
    predicted: Vec<u64>,
}

impl Confusion {
    /// Of `classes` classes, with nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Confusion { counts: BTreeMap::new(), actual: vec![0; classes], predicted: vec![0; classes] }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.actual.len()
    }

    /// Counts one row.
    ///
    /// # Panics
    /// If a class is beyond the number of classes.
    pub fn add(&mut self, actual: u32, predicted: u32) {
        let (actual, predicted) = (actual as usize, predicted as usize);
        let classes = self.classes();
        assert!(actual < classes && predicted < classes, "a class of {classes}");
        *self.counts.entry((actual, predicted)).or_default() += 1;
        self.actual[actual] += 1;
        self.predicted[predicted] += 1;
    }

    /// What the rows of a class were taken for: a count for each class.
    pub fn row(&self, actual: usize) -> Vec<u64> {
        let mut row = vec![0; self.classes()];
        let counts = self.counts.range((actual, 0)..(actual + 1, 0));
        counts.for_each(|(&(_, predicted), &count)| row[predicted] = count);
        row
    }

    /// The pairs that occur, `(actual, predicted, count)`, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        self.counts.iter().map(|(&(actual, predicted), &count)| (actual, predicted, count))
    }

    /// The figures of one class.
    pub fn scores(&self, class: usize) -> Scores {
        let right = self.counts.get(&(class, class)).copied().unwrap_or(0);
        Scores::of(right, self.predicted[class], self.actual[class])
    }

    /// The means over the classes that occur, actual or predicted, each counting the same ("macro"). The support is
    /// the number of rows.
    pub fn macro_mean(&self) -> Scores {
        let occurs = |&class: &usize| self.actual[class] > 0 || self.predicted[class] > 0;
        self.mean((0..self.classes()).filter(occurs).map(|class| (class, 1)))
    }

    /// The means over the classes by their support ("weighted"). The support is the number of rows.
    pub fn weighted_mean(&self) -> Scores {
        self.mean((0..self.classes()).map(|class| (class, self.actual[class])))
    }

    fn mean(&self, weights: impl Iterator<Item = (usize, u64)>) -> Scores {
        let (mut sum, mut total) = (Scores::default(), 0.0);
        for (class, weight) in weights {
            let (scores, weight) = (self.scores(class), weight as f64);
            sum.precision += weight * scores.precision;
            sum.recall += weight * scores.recall;
            sum.f1 += weight * scores.f1;
            total += weight;
        }
        let total = if total > 0.0 { total } else { 1.0 };
        Scores {
            precision: sum.precision / total,
            recall: sum.recall / total,
            f1: sum.f1 / total,
            support: self.actual.iter().sum(),
        }
    }
}
