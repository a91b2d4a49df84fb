//! What others found.

use serde::Serialize;

use crate::args::Problem;

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
        losses: "LSTM .164, GRU 5.3e-5, SimpleRNN .177",
        source: "Bai et al. 2018",
    },
    Published {
        problem: Problem::Adding,
        length: "150 to 400",
        losses: "IRNN beside the LSTM, as curves",
        source: "Le et al. 2015",
    },
    Published {
        problem: Problem::Copying,
        length: "1000",
        losses: "LSTM .0204, GRU .0197, SimpleRNN .0202",
        source: "Bai et al. 2018",
    },
];
