//! Word vectors: a row of numbers for each word, from a file or from a trained embedding.
//!
//! `V` words, `D` numbers each; [`Vectors::values`] is `[V, D]`. Nearness is the cosine,
//! `cos(a, b) = a b / (|a| |b|)`, a product of unit vectors; a row of zeros has the cosine 0 with everything.
//!
//! | file | holds |
//! |---|---|
//! | `file` | [`Vectors::read`], [`Vectors::save`]: word2vec (text and binary), GloVe, fastText's `.vec` |
//! | `analogy` | [`Vectors::neighbors`], [`Vectors::analogy`], [`Vectors::evaluate`] |
//! | `pca` | [`Vectors::plane`]: words on the plane of the largest variance |
//! | `skipgram` | [`SkipGram`]: vectors learned from a text |
//!
//! ```
//! use gimbap::vectors::Vectors;
//!
//! # fn main() -> gimbap::Result<()> {
//! let words = ["king", "queen", "man", "woman", "child"].map(String::from).to_vec();
//! let values = vec![2.0, 0.1, 2.0, 2.1, 0.1, 0.2, 0.1, 2.0, -1.0, 0.5];
//! let vectors = Vectors::new(words, 2, values)?;
//!
//! let row = |word| vectors.find(word).unwrap();
//! let best = vectors.analogy(&[(row("king"), 1.0), (row("man"), -1.0), (row("woman"), 1.0)], 1)[0];
//! assert_eq!(vectors.words()[best.0], "queen");
//! # Ok(())
//! # }
//! ```

mod analogy;
mod file;
mod pca;
mod skipgram;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::OnceLock;

pub use analogy::{Case, Questions, Report, Section, Tally};
pub use file::Format;
pub use pca::Plane;
pub use skipgram::{Pass, SkipGram};

use crate::data::text::Vocabulary;
use crate::{Error, Result};

/// Words with a vector each, in the order of the file: in most files the frequent ones come first.
#[derive(Clone, Debug)]
pub struct Vectors {
    words: Vec<String>,
    index: HashMap<String, usize>,
    width: usize,
    /// `[V, D]`.
    values: Vec<f32>,
    repeated: usize,
    passed_over: usize,
    /// The same rows with length 1, made when first asked for.
    unit: OnceLock<Vec<f32>>,
}

impl Vectors {
    /// Vectors of `width` numbers: `values` is `[V, D]`, row by row in the order of `words`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not `V D` values; [`Error::Data`] if there is no word, `width` is 0, a word comes
    /// twice, or a value is not finite.
    pub fn new(words: Vec<String>, width: usize, values: Vec<f32>) -> Result<Self> {
        if words.is_empty() || width == 0 {
            let message = format!("{} words of {width} numbers: both must be at least 1", words.len());
            return Err(Error::data("vectors", message));
        }
        if Some(values.len()) != words.len().checked_mul(width) {
            let expected = format!("[{}, {width}]", words.len());
            return Err(Error::shape("vectors", expected, format!("{} values", values.len())));
        }
        let mut vectors = Vectors::empty(width);
        for (row, (word, values)) in words.iter().zip(values.chunks_exact(width)).enumerate() {
            let place = || format!("vectors, row {row} (`{}`)", word.escape_debug());
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(Error::data(place(), format!("{value} is not a finite number")));
            }
            if !vectors.add(word, values) {
                return Err(Error::data(place(), "the word is there already: a word may come only once"));
            }
        }
        Ok(vectors)
    }

    fn empty(width: usize) -> Self {
        let (words, values) = (Vec::new(), Vec::new());
        Vectors {
            words,
            index: HashMap::new(),
            width,
            values,
            repeated: 0,
            passed_over: 0,
            unit: OnceLock::new(),
        }
    }

    /// Appends a row; a word that is there already keeps its first, is counted, and gives `false`.
    fn add(&mut self, word: &str, row: &[f32]) -> bool {
        match self.index.entry(word.to_owned()) {
            Entry::Occupied(_) => {
                self.repeated += 1;
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(self.words.len());
                self.words.push(word.to_owned());
                self.values.extend_from_slice(row);
                true
            }
        }
    }

    /// The words, in the order of the rows.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How many words there are: V.
    #[allow(clippy::len_without_is_empty, reason = "there is always a word")]
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The numbers of a vector: D.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All vectors, `[V, D]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// One vector, `[D]`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }

    /// The row of a word, written exactly so.
    pub fn find(&self, word: &str) -> Option<usize> {
        self.index.get(word).copied()
    }

    /// The row of each of a vocabulary's tokens, if there is one: of the word that is written so, else of the first word
    /// that the vocabulary would read as this token (in lower case, in its normal form), else of the token in lower case.
    pub fn rows_of(&self, vocabulary: &Vocabulary) -> Vec<Option<usize>> {
        let mut read: HashMap<String, usize> = HashMap::new();
        for (row, word) in self.words.iter().enumerate() {
            let as_read = vocabulary.normalise(word);
            if as_read != *word {
                read.entry(as_read.into_owned()).or_insert(row);
            }
        }
        let find = |token: &String| {
            let lower = || self.find(&token.to_lowercase());
            self.find(token).or_else(|| read.get(token).copied()).or_else(lower)
        };
        vocabulary.tokens().iter().map(find).collect()
    }

    /// How many rows of the file were passed over because their word had come before.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// How many lines of the file were passed over because no word stands before their numbers, or nothing at all.
    pub fn passed_over(&self) -> usize {
        self.passed_over
    }

    /// The rows with length 1, `[V, D]`.
    fn unit(&self) -> &[f32] {
        self.unit.get_or_init(|| {
            let mut unit = self.values.clone();
            unit.chunks_exact_mut(self.width).for_each(normalise);
            unit
        })
    }
}

/// Gives a row the length 1, unless it is zero.
fn normalise(row: &mut [f32]) {
    let norm = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
}
