//! Skip-gram with negative sampling: word vectors from plain text.
//!
//! Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality" (arXiv:1310.4546),
//! with the settings of `word2vec.c`. For a word `t` and a word `c` within its window,
//!
//! ```text
//! loss = -ln s(v_c u_t) - sum over k noise words n of ln s(-v_c u_n),    s(x) = 1 / (1 + e^-x)
//! d_u_w = g v_c,   d_v_c = sum over w of g u_w,    g = s(v_c u_w) - (1 if w = t else 0)
//! ```
//!
//! - `v` are the vectors that are kept, uniform in `[-0.5 / D, 0.5 / D)` at first; `u` are 0 at first.
//! - The window's reach is drawn from `1..=window` at each word.
//! - Noise words are drawn by `count^0.75`; one that is `t` is passed over.
//! - A word of frequency `f` stays with probability `(sqrt(f / sample) + 1) sample / f`, for each epoch anew.
//! - The rate falls in a line from `rate` to a ten-thousandth of it.
//!
//! It runs on one thread, so the result does not depend on their number.

use gimbap_kernels::{Arithmetic, Kernel, Token};

use super::Vectors;
use crate::data::text::{CLOSING_ID, Options, Unit, Vocabulary, Words};
use crate::rng::{Rng, keyed};
use crate::{Error, Result, room};

/// Words of a line that are read together at most.
const LONGEST: usize = 10_000;
/// Sums side by side in a product.
const LANES: usize = 16;

/// How vectors are learned; the defaults are those of `word2vec.c` where it has some.
#[derive(Clone, Debug, PartialEq)]
pub struct SkipGram {
    /// The numbers of a vector: D.
    pub width: usize,
    /// How far a window reaches to each side at most.
    pub window: usize,
    /// Noise words for each pair.
    pub negative: usize,
    /// Passes over the text.
    pub epochs: usize,
    /// Rarer words get no vector and are passed over.
    pub min_count: usize,
    /// Words more frequent than this are thinned out; 0 keeps all.
    pub sample: f64,
    /// The first learning rate.
    pub rate: f64,
    /// Whether the text is made lower case first.
    pub lowercase: bool,
    /// Where words end.
    pub words: Words,
    /// The seed of everything random.
    pub seed: u64,
}

impl Default for SkipGram {
    fn default() -> Self {
        SkipGram {
            width: 100,
            window: 5,
            negative: 5,
            epochs: 5,
            min_count: 5,
            sample: 1e-3,
            rate: 0.025,
            lowercase: false,
            words: Words::default(),
            seed: 1,
        }
    }
}

/// One epoch that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pass {
    /// Which one, from 0.
    pub epoch: usize,
    /// Pairs of words.
    pub pairs: usize,
    /// The mean loss of a pair, as it was learned, in nats.
    pub loss: f64,
}

impl SkipGram {
    /// Learns a vector for each word of `text`; a window does not reach over a line
    /// end. The words are in the order of falling counts. `watch` is told of each epoch.
    ///
    /// # Errors
    /// [`Error::Config`] for an option that is 0 or not a number and cannot be, or if no word reaches `min_count`;
    /// [`Error::Data`] if the text has no two words side by side.
    pub fn train(&self, text: &str, mut watch: impl FnMut(Pass)) -> Result<Vectors> {
        for (name, value) in [("width", self.width), ("window", self.window), ("epochs", self.epochs)] {
            if value == 0 {
                return Err(Error::config(name, "is 0: it must be at least 1"));
            }
        }
        if !self.rate.is_finite() || self.rate <= 0.0 {
            return Err(Error::config("rate", format!("is {}: it must be a number above 0", self.rate)));
        }
        if !self.sample.is_finite() || self.sample < 0.0 {
            return Err(Error::config(
                "sample",
                format!("is {}: it must be 0 or a number above it", self.sample),
            ));
        }
        let &SkipGram { lowercase, words, min_count, .. } = self;
        let options = Options { lowercase, words, min_count, ..Options::new(Unit::Word) };
        let vocabulary = Vocabulary::build_with(text, &options)?;
        let ids = vocabulary.encode(text);
        // The two marks in front have no vector.
        let words = vocabulary.tokens()[2..].to_vec();
        let mut sentences: Vec<Vec<usize>> = Vec::new();
        for line in ids.split(|&id| id == CLOSING_ID) {
            let known: Vec<usize> =
                line.iter().filter(|&&id| id > CLOSING_ID).map(|&id| id as usize - 2).collect();
            sentences.extend(known.chunks(LONGEST).map(<[usize]>::to_vec));
        }
        let mut counts = vec![0usize; words.len()];
        sentences.iter().flatten().for_each(|&word| counts[word] += 1);
        let total: usize = counts.iter().sum();
        let keep: Vec<f64> = counts.iter().map(|&count| self.kept(count as f64 / total as f64)).collect();
        // n^(3/4) from square roots, which round alike everywhere.
        let weights: Vec<f64> =
            counts.iter().map(|&n| (n as f64).sqrt() * (n as f64).sqrt().sqrt()).collect();
        let noise = Alias::new(&weights);

        let d = self.width;
        let numbers = words.len().checked_mul(d).and_then(|n| n.checked_mul(2));
        room::check("width", numbers.and_then(|n| n.checked_mul(size_of::<f32>())))?;
        let mut rng = keyed(self.seed, 0, 0, 0);
        let half = 0.5 / d as f64;
        let mut inputs: Vec<f32> = (0..words.len() * d).map(|_| rng.uniform(-half, half) as f32).collect();
        let mut outputs = vec![0.0f32; words.len() * d];
        let mut error = vec![0.0f32; d];
        let (mut targets, mut thinned) = (Vec::new(), Vec::new());
        let mut done = 0;
        for epoch in 0..self.epochs {
            let mut rng = keyed(self.seed, epoch as u64 + 1, 0, 0);
            let (mut pairs, mut loss) = (0, 0.0);
            for sentence in &sentences {
                let progress = done as f64 / (self.epochs * total) as f64;
                let rate = (self.rate * (1.0 - progress).max(1e-4)) as f32;
                done += sentence.len();
                thinned.clear();
                thinned.extend(
                    sentence.iter().copied().filter(|&word| keep[word] >= 1.0 || rng.unit() < keep[word]),
                );
                for (at, &word) in thinned.iter().enumerate() {
                    let reach = 1 + rng.below(self.window as u64) as usize;
                    for near in at.saturating_sub(reach)..(at + reach + 1).min(thinned.len()) {
                        if near == at {
                            continue;
                        }
                        targets.clear();
                        targets.push(word);
                        let drawn = (0..self.negative).map(|_| noise.draw(&mut rng));
                        targets.extend(drawn.filter(|&other| other != word));
                        let input = &mut inputs[thinned[near] * d..][..d];
                        let pair =
                            Pair { input, outputs: &mut outputs, error: &mut error, targets: &targets, rate };
                        loss += f32::run(pair);
                        pairs += 1;
                    }
                }
            }
            if pairs == 0 {
                let message = "it has no two words side by side: give a longer one, or a lower `min_count`";
                return Err(Error::data("the text", message));
            }
            watch(Pass { epoch, pairs, loss: loss / pairs as f64 });
        }
        Vectors::new(words, d, inputs)
    }

    /// The probability that a word of this frequency stays.
    fn kept(&self, frequency: f64) -> f64 {
        match self.sample {
            0.0 => 1.0,
            sample => ((frequency / sample).sqrt() + 1.0) * sample / frequency,
        }
    }
}

/// One pair: `input [D]` is `v_c`, `outputs [V, D]` are all `u`; `targets` are the word and its noise words. Gives the
/// loss before the update.
struct Pair<'a> {
    input: &'a mut [f32],
    outputs: &'a mut [f32],
    error: &'a mut [f32],
    targets: &'a [usize],
    rate: f32,
}

impl Kernel<f32> for Pair<'_> {
    type Output = f64;
    #[inline(always)]
    fn call<T: Token<Elem = f32>>(self, _: T) -> f64 {
        let Pair { input, outputs, error, targets, rate } = self;
        let d = input.len();
        error.fill(0.0);
        let mut probability = 1.0;
        for (i, &target) in targets.iter().enumerate() {
            let output = &mut outputs[target * d..target * d + d];
            let x = product(input, output);
            let e = f64::from(-x.abs()).exp();
            let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
            let (yes, no) = if x >= 0.0 { (large, small) } else { (small, large) };
            // A step against `g`.
            let step = rate * (if i == 0 { no } else { -yes }) as f32;
            probability *= f64::max(if i == 0 { yes } else { no }, 1e-30);
            for ((error, output), input) in error.iter_mut().zip(output).zip(input.iter()) {
                *error += step * *output;
                *output += step * *input;
            }
        }
        for (input, error) in input.iter_mut().zip(error.iter()) {
            *input += *error;
        }
        -probability.ln()
    }
}

/// The inner product, in [`LANES`] sums.
#[inline(always)]
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut sum = 0.0;
    for lane in sums {
        sum += lane;
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum += a * b;
    }
    sum
}

/// Draws `i` with a probability in proportion to its weight, in one step (Walker's alias method, as Vose has it).
struct Alias {
    own: Vec<f64>,
    other: Vec<usize>,
}

impl Alias {
    fn new(weights: &[f64]) -> Self {
        let n = weights.len();
        let sum: f64 = weights.iter().sum();
        let mut own: Vec<f64> = weights.iter().map(|weight| weight * n as f64 / sum).collect();
        let mut other: Vec<usize> = (0..n).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| own[i] < 1.0);
        while let (Some(&few), Some(&many)) = (small.last(), large.last()) {
            small.pop();
            other[few] = many;
            own[many] -= 1.0 - own[few];
            if own[many] < 1.0 {
                large.pop();
                small.push(many);
            }
        }
        // What rounding has left over is whole.
        small.into_iter().chain(large).for_each(|i| own[i] = 1.0);
        Alias { own, other }
    }

    fn draw(&self, rng: &mut Rng) -> usize {
        let i = rng.below(self.own.len() as u64) as usize;
        if rng.unit() < self.own[i] { i } else { self.other[i] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(input: &[f64], outputs: &[f64], targets: &[usize]) -> f64 {
        let d = input.len();
        let term = |(i, &target): (usize, &usize)| {
            let x: f64 = input.iter().zip(&outputs[target * d..]).map(|(a, b)| a * b).sum();
            (1.0 + (if i == 0 { -x } else { x }).exp()).ln()
        };
        targets.iter().enumerate().map(term).sum()
    }

    /// The step of a pair is the rate times the gradient, by central differences in f64.
    #[test]
    fn a_pair_goes_down_its_gradient() {
        let (d, v, rate) = (19, 4, 0.01f32);
        let mut rng = keyed(9, 0, 0, 0);
        let mut draw = |n: usize| (0..n).map(|_| rng.normal() as f32 * 0.5).collect::<Vec<f32>>();
        let (mut input, mut outputs) = (draw(d), draw(v * d));
        let targets = [2, 0, 3];
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        let (before_input, before_outputs) = (wide(&input), wide(&outputs));
        let mut error = vec![7.0; d];
        let (i, o) = (&mut input, &mut outputs);
        let told = f32::run(Pair { input: i, outputs: o, error: &mut error, targets: &targets, rate });
        assert!((told - loss(&before_input, &before_outputs, &targets)).abs() < 1e-5);
        let step = 1e-5;
        for at in 0..d + v * d {
            let moved = |by: f64| {
                let (mut input, mut outputs) = (before_input.clone(), before_outputs.clone());
                if at < d {
                    input[at] += by
                } else {
                    outputs[at - d] += by
                }
                loss(&input, &outputs, &targets)
            };
            let gradient = (moved(step) - moved(-step)) / (2.0 * step);
            let change = match at < d {
                true => f64::from(input[at]) - before_input[at],
                false => f64::from(outputs[at - d]) - before_outputs[at - d],
            };
            assert!((change + f64::from(rate) * gradient).abs() < 1e-6, "{at}: {change} {gradient}");
        }
    }

    #[test]
    fn noise_is_drawn_by_its_weights() {
        let weights = [5.0, 0.5, 1.0, 3.5];
        let alias = Alias::new(&weights);
        let mut rng = keyed(1, 0, 0, 0);
        let mut counts = [0; 4];
        (0..100_000).for_each(|_| counts[alias.draw(&mut rng)] += 1);
        for (count, weight) in counts.into_iter().zip(weights) {
            assert!((f64::from(count) - 10_000.0 * weight).abs() < 800.0, "{counts:?}");
        }
        let one = Alias::new(&[2.0]);
        assert_eq!(one.draw(&mut rng), 0);
    }
}
