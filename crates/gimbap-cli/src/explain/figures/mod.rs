//! The figures of a report, each from the model's own numbers.

mod back;
mod cell;
mod forward;
mod remember;
mod words;

pub use forward::likeliest;

use gimbap::explain::Explanation;
use gimbap::model::Model;
use ndarray::Array2;
use serde::Serialize;
use serde_json::Value;

use super::compare::Beside;
use super::subject::{Kind, Subject};
use crate::canvas::{Anchor, Canvas};

pub use crate::args::Language as Lang;

/// A figure with its words.
#[derive(Debug)]
pub struct Figure {
    /// Its number in the report, and the name of its file.
    pub number: usize,
    /// The name of its file, without `.svg`.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// As it stands in a page.
    pub svg: String,
    /// Its numbers, where they are not among those of the [`Explanation`].
    pub numbers: Option<Value>,
}

/// What all figures are drawn from.
#[derive(Debug)]
pub struct View<'a> {
    pub lang: Lang,
    pub model: &'a Model,
    pub subject: &'a Subject,
    pub found: &'a Explanation,
    /// The step whose cell is looked into.
    pub step: usize,
    /// Whether that step was asked for: then its output is the one that is explained.
    pub asked: bool,
    /// This model, and those that it is compared with.
    pub beside: &'a [Beside],
    /// The tokens of the text that are swapped.
    pub places: Option<(usize, usize)>,
    /// For the map of word vectors.
    pub analogies: &'a [Analogy],
}

/// `words[0]` is to `words[1]` as `words[2]` is to `words[3]`, which is the answer.
#[derive(Debug, Serialize)]
pub struct Analogy {
    pub words: [String; 4],
    /// Of the answer and `words[1] - words[0] + words[2]`.
    pub cosine: f32,
}

impl View<'_> {
    /// `T`.
    pub fn steps(&self) -> usize {
        self.subject.steps.len()
    }

    /// What the steps are together.
    pub fn whole(&self) -> &'static str {
        match self.subject.tokens.is_empty() {
            true => self.lang.say("sequence", "수열"),
            false => self.lang.say("sentence", "문장"),
        }
    }

    /// The width of a step, so that a row of them can be read.
    pub fn column(&self) -> f64 {
        match self.steps() {
            0..=12 => 84.0,
            13..=40 => 48.0,
            _ => 18.0,
        }
    }

    /// The width of all steps.
    pub fn width(&self) -> f64 {
        self.column() * self.steps() as f64
    }

    /// Writes the steps' names below `y`, from `x` on: upright where they fit, else climbing.
    pub fn names(&self, canvas: &mut Canvas, x: f64, y: f64) {
        let column = self.column();
        for (t, name) in self.subject.steps.iter().enumerate() {
            let middle = x + (t as f64 + 0.5) * column;
            match self.fits() {
                true => canvas.text((middle, y + 14.0), Anchor::Middle, "ink", &cut(name, 12)),
                false => canvas.climbing((middle + 4.0, y + 10.0), "ink", &cut(name, 10)),
            }
        }
    }

    /// The height of [`View::names`].
    pub fn names_height(&self) -> f64 {
        if self.fits() { 22.0 } else { 64.0 }
    }

    fn fits(&self) -> bool {
        let wide = |c: char| if c.is_ascii() { 7.5 } else { 13.0 };
        let width = |name: &String| cut(name, 12).chars().map(wide).sum::<f64>();
        self.subject.steps.iter().map(width).fold(0.0, f64::max) < self.column()
    }

    /// Whether every step has an output.
    pub fn per_step(&self) -> bool {
        matches!(self.subject.kind, Kind::Next | Kind::Labels)
    }
}

/// A Korean word with the particle that its last sound asks for: `("강", "과", "와")` is 강과; where the sound is not known,
/// both, as in 42와(과).
pub fn particle(word: &str, closed: &str, open: &str) -> String {
    match word.chars().next_back() {
        Some(last @ '가'..='힣') if !(last as u32 - '가' as u32).is_multiple_of(28) => {
            format!("{word}{closed}")
        }
        Some('가'..='힣') => format!("{word}{open}"),
        _ => format!("{word}{open}({closed})"),
    }
}

/// At most `n` characters of a text.
pub fn cut(text: &str, n: usize) -> String {
    match text.char_indices().nth(n) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    }
}

/// A number in three digits.
pub fn digits(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        a if !(1e-3..1e5).contains(&a) => format!("{x:.1e}"),
        a if a < 10.0 => format!("{x:.3}"),
        a if a < 100.0 => format!("{x:.1}"),
        _ => format!("{x:.0}"),
    }
}

/// The columns of a matrix as rows of a picture, the first `most` of them: steps go to the right.
pub fn upright(matrix: &Array2<f64>, most: usize) -> Vec<Vec<f64>> {
    (0..matrix.ncols().min(most)).map(|j| matrix.column(j).to_vec()).collect()
}

/// All figures that this model and sequence have.
pub fn all(view: &View<'_>) -> Vec<Figure> {
    let drawn = [
        Some(forward::inputs(view)),
        words::map(view),
        Some(forward::folded(view)),
        Some(forward::unfolded(view)),
        Some(cell::inside(view)),
        Some(cell::nonlinearities(view)),
        Some(forward::outputs(view)),
        Some(back::arrows(view)),
        Some(back::shares(view)),
        Some(back::truncation(view)),
        Some(remember::memory(view)),
        Some(back::horizon(view)),
        Some(remember::decisions(view)),
    ];
    drawn.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn particles_follow_the_last_sound() {
        assert_eq!(particle("강", "과", "와"), "강과");
        assert_eq!(particle("바다", "과", "와"), "바다와");
        assert_eq!(particle("korea", "을", "를"), "korea를(을)");
    }
}
