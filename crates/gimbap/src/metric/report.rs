//! What is taken for what: the confusion matrix, and the figures of each class that follow from it.

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
    classes: usize,
    /// `[actual, predicted]`.
    counts: Vec<u64>,
}

impl Confusion {
    /// Of `classes` classes, with nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one row.
    ///
    /// # Panics
    /// If a class is beyond the number of classes.
    pub fn add(&mut self, actual: u32, predicted: u32) {
        let (actual, predicted) = (actual as usize, predicted as usize);
        assert!(actual < self.classes && predicted < self.classes, "a class of {}", self.classes);
        self.counts[actual * self.classes + predicted] += 1;
    }

    /// What the rows of a class were taken for: a count for each class.
    pub fn row(&self, actual: usize) -> &[u64] {
        &self.counts[actual * self.classes..(actual + 1) * self.classes]
    }

    /// The figures of one class.
    pub fn scores(&self, class: usize) -> Scores {
        let predicted = (0..self.classes).map(|actual| self.row(actual)[class]).sum();
        Scores::of(self.row(class)[class], predicted, self.row(class).iter().sum())
    }

    /// The means over the classes that occur, actual or predicted, each counting the same ("macro"). The support is
    /// the number of rows.
    pub fn macro_mean(&self) -> Scores {
        let occurs = |class: &usize| {
            let scores = self.scores(*class);
            scores.support > 0 || (0..self.classes).any(|actual| self.row(actual)[*class] > 0)
        };
        self.mean((0..self.classes).filter(occurs).map(|class| (class, 1)))
    }

    /// The means over the classes by their support ("weighted"). The support is the number of rows.
    pub fn weighted_mean(&self) -> Scores {
        self.mean((0..self.classes).map(|class| (class, self.scores(class).support)))
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
            support: self.counts.iter().sum(),
        }
    }
}
