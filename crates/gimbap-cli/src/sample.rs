//! Which token comes next: the model's scores, made probabilities, cut, and drawn from.

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
}

/// The natural logarithms of the probabilities that scores (logits) stand for.
pub fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let max = scores.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(f64::from(x)));
    let sum: f64 = scores.iter().map(|&x| (f64::from(x) - max).exp()).sum();
    let log_sum = max + sum.ln();
    scores.iter().map(|&x| f64::from(x) - log_sum).collect()
}

/// The ids in falling order of `logprobs`, equal ones by id.
pub fn order(logprobs: &[f64]) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..logprobs.len()).collect();
    ids.sort_by(|&a, &b| logprobs[b].total_cmp(&logprobs[a]).then(a.cmp(&b)));
    ids
}

impl Choice {
    /// Draws an id.
    pub fn draw(&self, scores: &[f32], rng: &mut Rng) -> usize {
        let logprobs = log_softmax(scores);
        let mut ids = order(&logprobs);
        if self.temperature == 0.0 {
            return ids[0];
        }
        let best = logprobs[ids[0]];
        let mut weights: Vec<f64> =
            ids.iter().map(|&id| ((logprobs[id] - best) / self.temperature).exp()).collect();
        ids.truncate(self.top_k.unwrap_or(usize::MAX).max(1));
        weights.truncate(ids.len());
        if let Some(p) = self.top_p {
            let total: f64 = weights.iter().sum();
            let mut sum = 0.0;
            let keep = weights.iter().position(|w| {
                sum += w;
                sum >= p * total
            });
            weights.truncate(keep.map_or(weights.len(), |last| last + 1));
        }
        let mut point = rng.unit() * weights.iter().sum::<f64>();
        for (id, weight) in ids.iter().zip(&weights) {
            if point < *weight {
                return *id;
            }
            point -= weight;
        }
        ids[weights.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gimbap::rng::keyed;

    fn counts(choice: Choice, scores: &[f32]) -> Vec<usize> {
        let mut rng = keyed(1, 0, 0, 0);
        let mut counts = vec![0; scores.len()];
        for _ in 0..20_000 {
            counts[choice.draw(scores, &mut rng)] += 1;
        }
        counts
    }

    #[test]
    fn probabilities_are_those_of_the_scores() {
        let scores = [0.0, 2.0f32.ln(), f32::NEG_INFINITY];
        let p: Vec<f64> = log_softmax(&scores).iter().map(|x| x.exp()).collect();
        assert!((p[0] - 1.0 / 3.0).abs() < 1e-7 && (p[1] - 2.0 / 3.0).abs() < 1e-7 && p[2] == 0.0);
        let n = counts(Choice { temperature: 1.0, top_k: None, top_p: None }, &scores);
        assert!((n[1] as f64 / 20_000.0 - 2.0 / 3.0).abs() < 0.02 && n[2] == 0, "{n:?}");
    }

    #[test]
    fn cuts_leave_the_likeliest() {
        let scores = [0.1f32.ln(), 0.6f32.ln(), 0.3f32.ln()];
        let choice = |temperature, top_k, top_p| counts(Choice { temperature, top_k, top_p }, &scores);
        assert_eq!(choice(0.0, None, None), [0, 20_000, 0]);
        assert_eq!(choice(1.0, Some(1), None), [0, 20_000, 0]);
        assert_eq!(choice(1.0, Some(2), None)[0], 0);
        assert_eq!(choice(1.0, None, Some(0.5)), [0, 20_000, 0]);
        assert!(choice(1.0, None, Some(0.8))[2] > 0);
        assert_eq!(choice(1.0, None, Some(0.8))[0], 0);
    }
}
