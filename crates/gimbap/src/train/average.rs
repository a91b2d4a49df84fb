//! The mean of the weights over the steps of a training, which is judged and kept in place of the last weights.

use gimbap_kernels::{Arithmetic, Kernel, Token};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::optim::PARALLEL;

/// From when on a training keeps the mean of its weights after each step. In a config:
/// `{ type = "non_monotone", after = 5 }`.
///
/// The steps themselves go on from the weights as they are; what is evaluated, saved and left in the model is the
/// mean (Polyak and Juditsky 1992, SIAM J. Control Optim. 30, 4). `torch.optim.ASGD` with `lambd = 0` and `t0 = -1` is
/// the same; with `t0 = 0` its mean leaves out the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Average {
    /// NT-ASGD: from the epoch on that follows one whose validation loss (without validation data, training loss) is
    /// above the smallest of the epochs before it, the last `after` of them left out (Merity et al.,
    /// arXiv:1708.02182v1, algorithm 1; `after` is 5 in the paper, whose code has
    /// `len(losses) > after and loss > min(losses[:-after])`).
    NonMonotone {
        /// Epochs before it that the loss is not compared with.
        after: usize,
    },
    /// After this many epochs.
    FromEpoch {
        /// Epochs without a mean.
        epoch: usize,
    },
}

impl Average {
    /// Whether the mean begins with this epoch, counted from 0, after epochs of these losses (None: not finite).
    pub(super) fn begins(self, epoch: usize, losses: &[Option<f64>]) -> bool {
        match self {
            Average::FromEpoch { epoch: first } => epoch >= first,
            Average::NonMonotone { after } => losses.split_last().is_some_and(|(&last, before)| {
                let compared = &before[..before.len().saturating_sub(after)];
                let bar = compared.iter().flatten().copied().reduce(f64::min);
                bar.zip(last).is_some_and(|(bar, last)| last > bar)
            }),
        }
    }
}

/// Values that a thread takes together.
const CHUNK: usize = 1 << 15;

/// `mean = mean + (w - mean) / k`, for `values` that are the `k`-th.
pub(super) fn take_in<R: Arithmetic>(mean: &mut [R], values: &[R], k: u64) {
    if k == 1 {
        return mean.copy_from_slice(values);
    }
    let rate = R::from_f64(1.0 / k as f64);
    let part = |(mean, values): (&mut [R], &[R])| R::run(TakeIn { mean, values, rate });
    if values.len() > PARALLEL {
        mean.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(part);
    } else {
        part((mean, values));
    }
}

struct TakeIn<'a, R> {
    mean: &'a mut [R],
    values: &'a [R],
    rate: R,
}

impl<R: Arithmetic> Kernel<R> for TakeIn<'_, R> {
    type Output = ();
    // Without fused operations: each instruction set gives the same bits.
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, _: T) {
        for (mean, w) in self.mean.iter_mut().zip(self.values) {
            *mean += (*w - *mean) * self.rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::tests::at_thread_counts;
    use crate::rng::keyed;

    #[test]
    fn the_mean_begins_where_the_papers_code_says() {
        // `len(losses) > after and loss > min(losses[:-after])`, with the losses before this one.
        let begins = |after: usize, losses: &[f64]| {
            let losses: Vec<_> = losses.iter().map(|&x| Some(x).filter(|x| x.is_finite())).collect();
            Average::NonMonotone { after }.begins(losses.len(), &losses)
        };
        assert!(!begins(2, &[]));
        assert!(!begins(2, &[5.0, 6.0, 7.0]), "two before: none to compare with");
        assert!(begins(2, &[5.0, 6.0, 7.0, 5.5]), "above the first");
        assert!(!begins(2, &[5.0, 3.0, 3.0, 4.5]), "the last two are not compared with");
        assert!(begins(2, &[5.0, 3.0, 4.0, 4.0, 3.5]));
        assert!(!begins(2, &[5.0, 3.0, 4.0, 4.0, 3.0]), "as good is not above");
        assert!(begins(0, &[5.0, 5.1]));
        assert!(!begins(0, &[5.0, f64::NAN]));
        assert!(begins(1, &[f64::NAN, 4.0, 3.0, 5.0]));
        for (epoch, begun) in [(0, false), (3, false), (4, true), (9, true)] {
            assert_eq!(Average::FromEpoch { epoch: 4 }.begins(epoch, &[]), begun);
        }
    }

    #[test]
    fn it_is_the_mean_with_the_same_bits_at_any_thread_count() {
        let n = 3 * PARALLEL + 5;
        let mut rng = keyed(4, 0, 0, 0);
        let steps: Vec<Vec<f32>> =
            (0..5).map(|_| (0..n).map(|_| 3.0 + rng.normal() as f32).collect()).collect();
        let mean = |n: usize| {
            let mut mean = vec![f32::NAN; n];
            for (step, values) in steps.iter().enumerate() {
                take_in(&mut mean, &values[..n], step as u64 + 1);
            }
            mean
        };
        let all = at_thread_counts(|| mean(n));
        assert!(all.iter().all(|mean| *mean == all[0]));
        assert_eq!(mean(1000), all[0][..1000]);
        for (i, mean) in all[0].iter().enumerate() {
            let expected = steps.iter().map(|values| f64::from(values[i])).sum::<f64>() / 5.0;
            assert!((f64::from(*mean) - expected).abs() < 1e-6, "{i}: {mean} and {expected}");
        }
    }
}
