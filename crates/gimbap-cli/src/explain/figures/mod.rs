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

/// Vectors of at most so many values have them written into their cells.
const WRITTEN: usize = 8;

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
            true => self.lang.say("sequence", "시퀀스"),
            false => self.lang.say("sentence", "문장"),
        }
    }

    /// The number of a step, as `--step` counts it: of a language model the words from 1, the mark before them 0.
    pub fn number(&self, t: usize) -> usize {
        t + self.subject.first_step()
    }

    /// Whether the values of vectors with so many can be written into their cells.
    pub fn written(&self, values: usize) -> bool {
        values <= WRITTEN && self.column() > 40.0
    }

    /// The width of a step, so that a row of them can be read.
    pub fn column(&self) -> f64 {
        match self.steps() {
            0..=8 => 84.0,
            // These fit on a page.
            9..=12 => 64.0,
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
        let wide = |c: char| if c.is_ascii() { 6.8 } else { 13.0 };
        let width = |name: &String| cut(name, 12).chars().map(wide).sum::<f64>();
        self.subject.steps.iter().map(width).fold(0.0, f64::max) < self.column()
    }

    /// Whether every step has an output.
    pub fn per_step(&self) -> bool {
        matches!(self.subject.kind, Kind::Next | Kind::Labels)
    }
}

/// A share in whole percents.
pub fn percent(lang: Lang, share: f64) -> String {
    // No negative zero.
    let share = (100.0 * share).round() + 0.0;
    lang.say(format!("{share:.0} %"), format!("{share:.0}%"))
}

/// A number in a cell of a matrix.
pub fn in_cell(x: f64) -> String {
    let text = match x.abs() {
        a if a < 9.995 => format!("{x:.2}"),
        a if a < 99.95 => format!("{x:.1}"),
        _ => format!("{x:.0}"),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
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
    fn a_share_is_written_as_each_language_does() {
        assert_eq!((percent(Lang::En, 0.126), percent(Lang::Ko, 0.126)), ("13 %".into(), "13%".into()));
        assert_eq!(percent(Lang::En, -0.001), "0 %");
    }

    #[test]
    fn a_number_in_a_cell_is_short() {
        let all = [0.0, -0.004, 0.126, -1.0, 12.34, -123.4].map(in_cell);
        assert_eq!(all, ["0", "0", "0.13", "-1", "12.3", "-123"]);
    }
}
