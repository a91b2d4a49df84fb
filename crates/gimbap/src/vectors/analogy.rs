//! Neighbours and analogies by cosine, and how often analogies come out right.
//!
//! An analogy "`a` is to `b` as `c` is to ?" is answered by the word `w`, other than the three, with the largest
//! `cos(w, b - a + c)`, where `a`, `b`, `c` stand for their unit vectors (3CosAdd; Mikolov, Yih and Zweig 2013).

use std::collections::HashMap;
use std::path::Path;

use gimbap_kernels::packed::{Matrix, Onto, Packed, multiply};
use rayon::prelude::*;

use super::{Vectors, normalise};
use crate::data::read::read_text;
use crate::{Error, Result};

/// Words in a part of the matrix: packed once, it stays in the cache while all questions go by.
const PART: usize = 1024;
/// Questions answered at once.
const BLOCK: usize = 128;

/// Whether words that differ in upper and lower case alone are one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Case {
    /// They are; of several rows the first counts, and the others are no answers.
    #[default]
    Fold,
    /// They are not.
    Keep,
}

/// Analogy questions in sections, as in word2vec's `questions-words.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Questions {
    sections: Vec<(String, Vec<[String; 4]>)>,
}

/// How many questions there were, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// Answered rightly.
    pub right: usize,
    /// Asked: all four words are known.
    pub asked: usize,
    /// Not asked, for one of the words is unknown.
    pub skipped: usize,
}

impl Tally {
    /// The share of right answers among the questions asked; none if none was asked.
    pub fn accuracy(&self) -> Option<f64> {
        (self.asked > 0).then(|| self.right as f64 / self.asked as f64)
    }

    fn add(&mut self, other: Tally) {
        self.right += other.right;
        self.asked += other.asked;
        self.skipped += other.skipped;
    }
}

/// The questions of one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name, behind the colon.
    pub name: String,
    /// Its questions.
    pub tally: Tally,
}

impl Section {
    /// Whether it asks for grammar: its name begins with `gram`.
    pub fn is_syntactic(&self) -> bool {
        self.name.starts_with("gram")
    }
}

/// What [`Vectors::evaluate`] found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Section by section, in the order of the file.
    pub sections: Vec<Section>,
    /// All sections but the syntactic ones.
    pub semantic: Tally,
    /// All sections whose name begins with `gram`.
    pub syntactic: Tally,
    /// All sections.
    pub total: Tally,
}

impl Questions {
    /// Reads questions: a line `: NAME` begins a section, every other line is four words.
    ///
    /// # Errors
    /// As [`read_text`]; [`Error::Data`] with the line if a question has no section or not four words, or if there is
    /// no question.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Questions::parse(&read_text(path)?, &path.display().to_string())
    }

    /// As [`Questions::read`], from a text; `place` is what errors call it.
    ///
    /// # Errors
    /// As [`Questions::read`].
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        let mut sections: Vec<(String, Vec<[String; 4]>)> = Vec::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |message: String| Err(Error::data(format!("{place}, line {}", number + 1), message));
            if let Some(name) = line.strip_prefix(':') {
                sections.push((name.trim().to_owned(), Vec::new()));
                continue;
            }
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let words: [String; 4] = match words.try_into() {
                Ok(words) => words,
                Err(words) => {
                    return wrong(format!("a question is four words, found {}", words.len()));
                }
            };
            match sections.last_mut() {
                Some((_, questions)) => questions.push(words),
                None => return wrong("a question before any section: begin with a line `: NAME`".into()),
            }
        }
        if sections.iter().all(|(_, questions)| questions.is_empty()) {
            return Err(Error::data(place, "holds no question: four words on a line, below a line `: NAME`"));
        }
        Ok(Questions { sections })
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always a question")]
    pub fn len(&self) -> usize {
        self.sections.iter().map(|(_, questions)| questions.len()).sum()
    }
}

impl Vectors {
    /// The `count` words nearest to a word, itself left out: rows with their cosine, the largest first, equal ones in
    /// the order of the rows.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn neighbors(&self, row: usize, count: usize) -> Vec<(usize, f32)> {
        self.analogy(&[(row, 1.0)], count)
    }

    /// The `count` words nearest to a weighted sum of unit vectors, the words of the sum left out: rows with their
    /// cosine, as [`Vectors::neighbors`]. King - man + woman is `[(king, 1.0), (man, -1.0), (woman, 1.0)]`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn analogy(&self, terms: &[(usize, f32)], count: usize) -> Vec<(usize, f32)> {
        let query = self.query(terms);
        let cosine = |row: &[f32]| {
            row.iter().zip(&query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32
        };
        let cosines: Vec<f32> = self.unit().par_chunks(self.width).map(cosine).collect();
        let given = |row: usize| terms.iter().any(|term| term.0 == row);
        let mut near: Vec<_> = cosines.into_iter().enumerate().filter(|&(row, _)| !given(row)).collect();
        let order = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if count < near.len() {
            near.select_nth_unstable_by(count, order);
            near.truncate(count);
        }
        near.sort_unstable_by(order);
        near
    }

    /// The sum of weighted unit vectors, with length 1: `[D]`.
    fn query(&self, terms: &[(usize, f32)]) -> Vec<f32> {
        let unit = self.unit();
        let mut sum = vec![0.0f32; self.width];
        for &(row, weight) in terms {
            let row = &unit[row * self.width..][..self.width];
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
        }
        normalise(&mut sum);
        sum
    }

    /// Answers all questions whose four words are known: of `a b c d` the answer to `b - a + c` is right if it is
    /// `d`. The bits of the answers do not depend on the number of threads.
    pub fn evaluate(&self, questions: &Questions, case: Case) -> Report {
        let folded = self.folded(case);
        let find = |word: &String| match &folded {
            Some((rows, _)) => rows.get(&word.to_lowercase()).copied(),
            None => self.find(word),
        };
        let known = |words: &[String; 4]| -> Option<[usize; 4]> {
            let [a, b, c, d] = words.each_ref().map(find);
            Some([a?, b?, c?, d?])
        };
        let mut report = Report::default();
        let mut asked = Vec::new();
        for (name, questions) in &questions.sections {
            let before = asked.len();
            asked.extend(questions.iter().filter_map(known));
            let count = asked.len() - before;
            let tally = Tally { right: 0, asked: count, skipped: questions.len() - count };
            report.sections.push(Section { name: name.clone(), tally });
        }
        let answers = self.answers(&asked, folded.as_ref().map(|(_, hidden)| hidden.as_slice()));
        let mut pairs = asked.iter().zip(answers);
        for section in &mut report.sections {
            let here = pairs.by_ref().take(section.tally.asked);
            section.tally.right = here.filter(|(question, answer)| question[3] == *answer).count();
            let kind = if section.is_syntactic() { &mut report.syntactic } else { &mut report.semantic };
            kind.add(section.tally);
            report.total.add(section.tally);
        }
        report
    }

    /// The first row of every word in lower case, and which rows are not the first.
    fn folded(&self, case: Case) -> Option<(HashMap<String, usize>, Vec<bool>)> {
        if case == Case::Keep {
            return None;
        }
        let mut rows = HashMap::with_capacity(self.len());
        let fold = |(row, word): (usize, &String)| *rows.entry(word.to_lowercase()).or_insert(row) != row;
        let hidden = self.words.iter().enumerate().map(fold).collect();
        Some((rows, hidden))
    }

    /// The row nearest to `b - a + c` for each question `a b c d`, the three and the hidden ones left out; of equal
    /// ones the first; `usize::MAX` where none is left. Part by part of the words, all questions in blocks.
    fn answers(&self, asked: &[[usize; 4]], hidden: Option<&[bool]>) -> Vec<usize> {
        let d = self.width;
        let query = |&[a, b, c, _]: &[usize; 4]| self.query(&[(b, 1.0), (a, -1.0), (c, 1.0)]);
        let queries = asked.par_iter().map(query).collect::<Vec<_>>().concat();
        let mut best = vec![(f32::NEG_INFINITY, usize::MAX); asked.len()];
        let mut packed = Packed::default();
        for (part, rows) in self.unit().chunks(PART * d).enumerate() {
            let (first, units) = (part * PART, rows.len() / d);
            // The rows are the columns of the matrix.
            let matrix = Matrix { values: rows, k: d, gates: 1, units, row_stride: 1, column_stride: d };
            packed.pack(matrix, 1);
            let blocks = best.par_chunks_mut(BLOCK).zip(asked.par_chunks(BLOCK));
            blocks.zip(queries.par_chunks(BLOCK * d)).for_each_init(
                || vec![0.0; BLOCK * PART],
                |scores, ((best, asked), queries)| {
                    let scores = &mut scores[..best.len() * units];
                    multiply(&packed, best.len(), (queries, d), (&mut *scores, units), Onto::Zero);
                    let lines = scores.chunks_exact(units);
                    for ((best, given), line) in best.iter_mut().zip(asked).zip(lines) {
                        for (row, &score) in (first..).zip(line) {
                            let out = |row| given[..3].contains(&row) || hidden.is_some_and(|h| h[row]);
                            if score > best.0 && !out(row) {
                                *best = (score, row);
                            }
                        }
                    }
                },
            );
        }
        best.into_iter().map(|(_, row)| row).collect()
    }
}
