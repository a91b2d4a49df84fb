//! The two problems by which the memory of recurrent networks is measured in the literature: adding and copying.
//!
//! Both are drawn from random numbers, so there are as many examples as one likes, and both have a length that can be
//! stretched until a network no longer bridges it. The third such problem, of words, is the [`corpus`](super::corpus).

use super::dataset::{Dataset, Sequences, Targets};
use crate::loss::RowTargets;
use crate::rng::Rng;
use crate::{Error, Result};

/// The symbols that are copied, numbered from 1; 0 is the blank.
pub const SYMBOLS: u32 = 8;
/// What says that the symbols are wanted now.
pub const MARK: u32 = SYMBOLS + 1;
/// How many symbols are copied.
pub const COPIED: usize = 10;
/// The longest sequences and delays.
pub const LONGEST: usize = 1 << 20;

/// The mean squared error on the adding problem of the constant guess 1: the variance of the sum of two uniform numbers.
pub const ADDING_CHANCE: f64 = 1.0 / 6.0;

/// `n` examples of the adding problem (Hochreiter and Schmidhuber 1997, experiment 4, in the form of Le et al.,
/// arXiv:1504.00941v2, and Bai et al., arXiv:1803.01271v2): `length` steps of two features, the first uniform in
/// `[0, 1)`, the second 1 at two different steps and 0 elsewhere. The target `[1]` of a sequence is the sum of the two
/// marked numbers. Whoever always says 1 has a mean squared error of [`ADDING_CHANCE`].
///
/// # Errors
/// [`Error::Config`] for fewer than two steps, or more than [`LONGEST`].
pub fn adding(length: usize, n: usize, rng: &mut Rng) -> Result<Dataset<f32>> {
    if !(2..=LONGEST).contains(&length) {
        let message = format!("two numbers are marked among {length} steps: give 2 to {LONGEST}");
        return Err(Error::config("length", message));
    }
    let (mut values, mut sums) = (Vec::with_capacity(2 * length * n), Vec::with_capacity(n));
    for _ in 0..n {
        let first = rng.below(length as u64) as usize;
        let other = rng.below(length as u64 - 1) as usize;
        let second = other + usize::from(other >= first);
        let mut sum = 0.0;
        for t in 0..length {
            let (x, marked) = (rng.unit() as f32, t == first || t == second);
            values.extend([x, f32::from(u8::from(marked))]);
            sum += if marked { x } else { 0.0 };
        }
        sums.push(sum);
    }
    let targets = Targets::per_sequence(RowTargets::Values { values: sums, width: 1 });
    Dataset::new(Sequences::features(values, 2, &vec![length; n])?, targets)
}

/// `n` examples of the copying problem (Hochreiter and Schmidhuber 1997, in the form of Arjovsky et al.,
/// arXiv:1511.06464v4): sequences of `delay + 20` ids from 0 to [`MARK`]: ten symbols ([`COPIED`]) out of eight,
/// `delay - 1` blanks, a mark, ten blanks. (Bai et al., arXiv:1803.01271v2, go on with the mark where the last blanks are.)
/// The targets of the last ten steps are the ten symbols in their order, those of all others the blank. Whoever says
/// blanks and then guesses has a loss of [`copying_chance`].
///
/// # Errors
/// [`Error::Config`] for a delay of 0, or above [`LONGEST`].
pub fn copying(delay: usize, n: usize, rng: &mut Rng) -> Result<Dataset<f32>> {
    if !(1..=LONGEST).contains(&delay) {
        return Err(Error::config("delay", format!("is {delay}: give 1 to {LONGEST}")));
    }
    let length = delay + 2 * COPIED;
    let (mut inputs, mut targets) = (Vec::with_capacity(n), Vec::with_capacity(n * length));
    for _ in 0..n {
        let symbols: Vec<u32> = (0..COPIED).map(|_| 1 + rng.below(u64::from(SYMBOLS)) as u32).collect();
        let mut ids = symbols.clone();
        ids.resize(length, 0);
        ids[COPIED + delay - 1] = MARK;
        inputs.push(ids);
        targets.extend(std::iter::repeat_n(0, length - COPIED).chain(symbols));
    }
    Dataset::new(&inputs, Targets::per_step(RowTargets::Classes(targets)))
}

/// The cross-entropy a step of a network that knows when to answer, but not what: `10 ln 8 / (delay + 20)`.
pub fn copying_chance(delay: usize) -> f64 {
    COPIED as f64 * f64::from(SYMBOLS).ln() / (delay + 2 * COPIED) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::Steps;
    use crate::rng::keyed;

    #[test]
    fn a_sum_is_that_of_the_two_marked_numbers() {
        let data = adding(7, 2000, &mut keyed(1, 0, 0, 0)).unwrap();
        let (Steps::Features { values, width: 2 }, RowTargets::Values { values: sums, .. }) =
            (data.inputs().steps(), data.targets())
        else {
            panic!("features and values")
        };
        let mut marks = [0; 7];
        for (x, sum) in values.chunks_exact(14).zip(sums) {
            let marked: Vec<usize> = (0..7).filter(|t| x[2 * t + 1] == 1.0).collect();
            assert_eq!(marked.len(), 2);
            assert_eq!(x[2 * marked[0]] + x[2 * marked[1]], *sum);
            assert!((0..7).all(|t| x[2 * t + 1] == 1.0 || x[2 * t + 1] == 0.0));
            marked.iter().for_each(|&t| marks[t] += 1);
        }
        // Every step alike: 4,000 marks on 7 of them, deviation 20.
        assert!(marks.iter().all(|&n| (470..680).contains(&n)), "{marks:?}");
        let error: f64 = sums.iter().map(|&y| f64::from(y - 1.0).powi(2)).sum::<f64>() / 2000.0;
        assert!((error - ADDING_CHANCE).abs() < 0.015, "{error}");
        assert!(adding(1, 1, &mut keyed(1, 0, 0, 0)).is_err());
    }

    #[test]
    fn symbols_are_wanted_after_the_mark_and_nothing_before() {
        let data = copying(5, 3, &mut keyed(2, 0, 0, 0)).unwrap();
        let (Steps::Ids(ids), RowTargets::Classes(wanted)) = (data.inputs().steps(), data.targets()) else {
            panic!("ids and classes")
        };
        for (ids, wanted) in ids.chunks_exact(25).zip(wanted.chunks_exact(25)) {
            assert!(ids[..10].iter().all(|id| (1..=8).contains(id)));
            assert_eq!(ids[10..], [0, 0, 0, 0, MARK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(wanted[15..], ids[..10]);
            assert_eq!(wanted[..15], [0; 15]);
        }
        assert_ne!(ids[..10], ids[25..35]);
        assert!(copying(0, 1, &mut keyed(2, 0, 0, 0)).is_err());
        // Bai et al. have .0202 to .0204 at a delay of 1,000.
        assert!((copying_chance(1000) - 0.02039).abs() < 1e-5);
    }
}
