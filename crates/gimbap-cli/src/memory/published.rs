//! What others found.

use crate::args::Problem;

/// A published figure.
#[derive(Debug)]
pub struct Published {
    pub problem: Problem,
    /// The length of its sequences, or the delay.
    pub length: usize,
    /// The loss of each cell.
    pub losses: &'static str,
    /// Where it stands.
    pub source: &'static str,
}

/// What is known of the problems; of Le et al. (arXiv:1504.00941v2), who show curves for lengths of 150 to 400, no figures.
pub const PUBLISHED: [Published; 2] = [
    Published {
        problem: Problem::Adding,
        length: 600,
        losses: "LSTM .164, GRU 5.3e-5, SimpleRNN .177",
        source: "Bai et al. 2018, arXiv:1803.01271v2",
    },
    Published {
        problem: Problem::Copying,
        length: 1000,
        losses: "LSTM .0204, GRU .0197, SimpleRNN .0202",
        source: "Bai et al. 2018, arXiv:1803.01271v2",
    },
];
