//! What others found.

use serde::Serialize;

use crate::args::{Language, Problem};

/// Published losses.
#[derive(Debug, Serialize)]
pub struct Published {
    pub problem: Problem,
    /// The length of its sequences, or the delay.
    pub length: &'static str,
    /// The loss of each cell.
    pub losses: &'static str,
    /// Where it stands.
    pub source: &'static str,
}

/// What is known of the problems. (Bai et al. go on with the mark while the symbols are wanted; ours is a single one.)
pub const PUBLISHED: [Published; 3] = [
    Published {
        problem: Problem::Adding,
        length: "600",
        losses: "LSTM 0.164, GRU 5.3e-5, SimpleRNN 0.177",
        source: "Bai et al. 2018",
    },
    Published {
        problem: Problem::Adding,
        length: "150-400",
        losses: "IRNN, LSTM (as curves)",
        source: "Le et al. 2015",
    },
    Published {
        problem: Problem::Copying,
        length: "1000",
        losses: "LSTM 0.0204, GRU 0.0197, SimpleRNN 0.0202",
        source: "Bai et al. 2018",
    },
];

/// One of them, on a line.
pub fn told(published: &Published, lang: Language) -> String {
    let Published { length, losses, source, .. } = published;
    match lang {
        Language::En => format!("published loss at {length}: {losses} ({source})"),
        Language::Ko => {
            format!("논문에 발표된 손실(길이 {length}): {} ({source})", losses.replace("as curves", "곡선"))
        }
    }
}
