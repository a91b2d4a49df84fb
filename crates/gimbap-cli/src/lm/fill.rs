//! What may stand in a blank.

use gimbap::data::text::{CLOSING_ID, UNKNOWN_ID};
use gimbap::model::Model;
use gimbap::score::Scorer;

use super::beam::{Beam, Candidate, Search};
use crate::output::Outcome;

/// A proposal has no closing mark: the line goes on behind it.
const NOT_INSIDE: &[u32] = &[UNKNOWN_ID, CLOSING_ID];

/// What may stand between `before` and `after` in a line, best first: each proposal with the log-probability of the whole
/// line, its closing mark included.
///
/// Proposals are what is under way in a beam behind `before`, at each length up to the greatest. Then each is judged with
/// all of the line.
pub fn fill(model: &Model, before: &[u32], after: &[u32], search: &Search) -> Outcome<Vec<Candidate>> {
    // Within a line no state is reset.
    let mut beam = Beam::after(model, false, before, NOT_INSIDE)?;
    let mut proposals: Vec<Vec<u32>> = Vec::new();
    for _ in 0..search.length {
        let grown = beam.grow(search.width)?;
        proposals.extend(grown.iter().map(|grown| grown.candidate.ids.clone()));
        beam.keep(grown);
    }
    let lines: Vec<Vec<u32>> =
        proposals.iter().map(|proposal| [before, proposal, after, &[CLOSING_ID]].concat()).collect();
    let judged = Scorer::new(model)?.log_probs(CLOSING_ID, &lines)?;
    let of_line = |line: &Vec<f32>| line.iter().map(|&x| f64::from(x)).sum();
    let mut filled: Vec<Candidate> = proposals
        .into_iter()
        .zip(&judged)
        .map(|(ids, line)| Candidate { ids, logprob: of_line(line) })
        .collect();
    filled.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::log_softmax;
    use gimbap::layer::{Dense, Lstm, OneHot};
    use gimbap::model::{Input, Sequential};
    use gimbap::rng::keyed;

    fn model() -> Model {
        let layers = Sequential::new(Input::ids(7)).add(OneHot).add(Lstm::new(5).return_sequences(true));
        let mut model: Model = layers.add(Dense::new(7)).build().unwrap();
        let mut rng = keyed(3, 0, 0, 0);
        model.values_mut().iter_mut().for_each(|w| *w = 1.5 * rng.normal() as f32);
        model
    }

    /// The log-probability of a line, token by token.
    fn judge(model: &Model, line: &[u32]) -> f64 {
        let mut stream = model.stream().unwrap();
        let (mut last, mut sum) = (CLOSING_ID, 0.0);
        for &id in line.iter().chain(&[CLOSING_ID]) {
            sum += log_softmax(stream.step(last))[id as usize];
            last = id;
        }
        sum
    }

    #[test]
    fn every_proposal_is_judged_with_the_whole_line() {
        let model = model();
        for (before, after) in [(&[2, 3][..], &[4, 5][..]), (&[], &[6, 0]), (&[5], &[]), (&[], &[])] {
            let words = 2..7u32;
            let one: Vec<Vec<u32>> = words.clone().map(|id| vec![id]).collect();
            let two = words.clone().flat_map(|a| words.clone().map(move |b| vec![a, b]));
            let mut expected: Vec<(f64, Vec<u32>)> = one
                .into_iter()
                .chain(two)
                .map(|ids| (judge(&model, &[before, &ids, after].concat()), ids))
                .collect();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0));
            let search = Search { width: 25, length: 2, wanted: 5, length_penalty: 0.0 };
            let found = fill(&model, before, after, &search).unwrap();
            assert_eq!(found.len(), 5 + 25);
            for (found, (logprob, ids)) in found.iter().zip(&expected) {
                assert!((found.logprob - logprob).abs() < 1e-4, "{found:?} {logprob}");
                assert_eq!(&found.ids, ids);
            }
            let narrow = fill(&model, before, after, &Search { width: 2, length: 1, ..search }).unwrap();
            assert_eq!(narrow.len(), 2, "those that are likeliest behind what stands before");
        }
    }

    #[test]
    fn what_comes_after_decides() {
        let model = model();
        let search = Search { width: 5, length: 1, wanted: 1, length_penalty: 0.0 };
        let best = |after: &[u32]| fill(&model, &[2], after, &search).unwrap()[0].ids[0];
        let ends: Vec<u32> = (2..7).map(|id| best(&[id])).collect();
        assert!(ends.iter().any(|&id| id != ends[0]), "{ends:?}");
    }
}
