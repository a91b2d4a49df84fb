//! Which token comes next: the model's scores, made probabilities, cut, and drawn from.

use std::collections::VecDeque;

use gimbap::data::text::UNKNOWN_ID;
use gimbap::layer::Activation;
use gimbap::rng::Rng;

/// How a token is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Scores are divided by this; 0 takes the likeliest.
    pub temperature: f64,
    /// Among so many of the likeliest.
    pub top_k: Option<usize>,
    /// Among the fewest with this much probability together.
    pub top_p: Option<f64>,
    /// What was said of late is made less likely.
    pub repetition: Option<Repetition>,
}

impl Default for Choice {
    /// As the model says.
    fn default() -> Self {
        Choice { temperature: 1.0, top_k: None, top_p: None, repetition: None }
    }
}

/// The penalised sampling of Keskar et al. (arXiv:1909.05858v2, section 4.1): the score of a token that stands among the
/// last `window` of the text is divided by `penalty`. A negative score is multiplied instead, since a division would
/// raise it.
#[derive(Debug, Clone, Copy)]
pub struct Repetition {
    /// 1 or more; 1 changes nothing.
    pub penalty: f64,
    /// Tokens that are looked back, those of the prompt among them.
    pub window: usize,
}

/// The natural logarithms of the probabilities that scores (logits) stand for: what the tests go by.
#[cfg(test)]
pub fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let max = scores.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(f64::from(x)));
    let sum: f64 = scores.iter().map(|&x| (f64::from(x) - max).exp()).sum();
    let log_sum = max + sum.ln();
    scores.iter().map(|&x| f64::from(x) - log_sum).collect()
}

/// The ids in falling order of `logprobs`, equal ones by id: what the tests go by.
#[cfg(test)]
pub fn order(logprobs: &[f64]) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..logprobs.len()).collect();
    ids.sort_by(|&a, &b| logprobs[b].total_cmp(&logprobs[a]).then(a.cmp(&b)));
    ids
}

/// Writes the ids of the `n` largest of `weights` into `head`, in falling order, equal ones by id. What has no weight is
/// not among them.
pub fn largest(weights: &[f32], n: usize, head: &mut Vec<u32>) {
    let falling = |&a: &u32, &b: &u32| weights[b as usize].total_cmp(&weights[a as usize]).then(a.cmp(&b));
    let cut = |head: &mut Vec<u32>| {
        if head.len() > n {
            head.select_nth_unstable_by(n - 1, falling);
            head.truncate(n);
        }
    };
    // Only what is above the smallest of `n` already seen can be among them.
    let (mut bar, room) = (0.0, n.saturating_mul(2).max(64));
    head.clear();
    for (id, &weight) in weights.iter().enumerate() {
        if weight > bar {
            head.push(id as u32);
            if head.len() == room {
                cut(head);
                bar = head.iter().map(|&id| weights[id as usize]).fold(f32::INFINITY, f32::min);
            }
        }
    }
    cut(head);
    head.sort_unstable_by(falling);
}

/// In several sums, since each addition waits for the one before it.
fn sum(weights: &[f32]) -> f64 {
    let (eights, rest) = weights.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x)).sum::<f64>()
}

/// In several maxima, for the same reason.
fn maximum(scores: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = scores.as_chunks::<16>();
    let mut maxima = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        maxima.iter_mut().zip(chunk).for_each(|(max, &x)| *max = larger(*max, x));
    }
    maxima.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger)
}

/// Weights that are summed before any of them is looked at.
const CHUNK: usize = 256;

/// A place, drawn with the probability of its weight.
fn pick(weights: &[f32], rng: &mut Rng) -> usize {
    let mut point = rng.unit() * sum(weights);
    for (number, chunk) in weights.chunks(CHUNK).enumerate() {
        let whole = sum(chunk);
        if point >= whole {
            point -= whole;
            continue;
        }
        for (place, &weight) in chunk.iter().enumerate() {
            if point < f64::from(weight) {
                return number * CHUNK + place;
            }
            point -= f64::from(weight);
        }
    }
    // The sums were rounded, and the point lay behind all of them.
    weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
}

/// The first number of tokens that is looked at for [`Choice::top_p`]; where it is too few, more.
const HEAD: usize = 64;

/// Draws token after token.
#[derive(Debug)]
pub struct Sampler {
    choice: Choice,
    rng: Rng,
    /// The last tokens, if they matter.
    recent: VecDeque<u32>,
    weights: Vec<f32>,
    head: Vec<u32>,
    of_head: Vec<f32>,
}

impl Sampler {
    /// Goes on with a text.
    pub fn new(choice: Choice, rng: Rng, text: &[u32]) -> Self {
        let mut sampler = Sampler {
            choice,
            rng,
            recent: VecDeque::new(),
            weights: Vec::new(),
            head: Vec::new(),
            of_head: Vec::new(),
        };
        text.iter().for_each(|&id| sampler.note(id));
        sampler
    }

    fn note(&mut self, id: u32) {
        if let Some(Repetition { window, .. }) = self.choice.repetition {
            if self.recent.len() == window {
                self.recent.pop_front();
            }
            self.recent.push_back(id);
        }
    }

    /// The next token, never the unknown one: it stands for many words and is none. The scores are logits.
    pub fn draw(&mut self, scores: &[f32]) -> u32 {
        let id = self.choose(scores);
        self.note(id);
        id
    }

    fn choose(&mut self, scores: &[f32]) -> u32 {
        let Sampler { choice, rng, recent, weights, head, of_head } = self;
        weights.clear();
        weights.extend_from_slice(scores);
        if let Some(Repetition { penalty, .. }) = choice.repetition {
            let penalty = penalty as f32;
            // From the score as it was: a token that comes twice is punished once.
            for &id in recent.iter() {
                let score = scores[id as usize];
                weights[id as usize] = if score > 0.0 { score / penalty } else { score * penalty };
            }
        }
        weights[UNKNOWN_ID as usize] = f32::NEG_INFINITY;
        if choice.temperature == 0.0 {
            let best = maximum(weights);
            return weights.iter().position(|&score| score == best).unwrap_or(0) as u32;
        }
        if choice.temperature != 1.0 {
            // The largest is taken off first, and the factor kept a number: no product is 0 times infinity.
            let best = maximum(weights);
            let factor = (1.0 / choice.temperature) as f32;
            let factor = factor.clamp(f32::MIN_POSITIVE, f32::MAX);
            weights.iter_mut().for_each(|score| *score = (*score - best) * factor);
        }
        let v = weights.len();
        Activation::Softmax.apply(weights, v);
        let (k, p) = (choice.top_k.filter(|&k| k < v), choice.top_p.filter(|&p| p < 1.0));
        let mut n = match (k, p) {
            (None, None) => return pick(weights, rng) as u32,
            (Some(k), _) => k,
            (None, Some(_)) => HEAD,
        };
        loop {
            largest(weights, n, head);
            of_head.clear();
            of_head.extend(head.iter().map(|&id| weights[id as usize]));
            let Some(p) = p else { break };
            let enough = p * sum(if k.is_some() { of_head } else { weights });
            let mut so_far = 0.0;
            let last = of_head.iter().position(|&weight| {
                so_far += f64::from(weight);
                so_far >= enough
            });
            if let Some(last) = last {
                of_head.truncate(last + 1);
                break;
            }
            if k.is_some() || n >= v {
                break;
            }
            n = n.saturating_mul(8);
        }
        head[pick(of_head, rng)]
    }
}

#[cfg(test)]
mod tests;
