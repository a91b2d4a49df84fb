use super::*;
use gimbap::rng::keyed;

const DRAWS: usize = 20_000;

fn sampler(choice: Choice) -> Sampler {
    Sampler::new(choice, keyed(1, 0, 0, 0), &[])
}

/// The share of each id among many draws.
fn shares(choice: Choice, scores: &[f32]) -> Vec<f64> {
    let mut sampler = sampler(choice);
    let mut counts = vec![0; scores.len()];
    (0..DRAWS).for_each(|_| counts[sampler.draw(scores) as usize] += 1);
    counts.into_iter().map(|n| n as f64 / DRAWS as f64).collect()
}

fn choice(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Choice {
    Choice { temperature, top_k, top_p, ..Choice::default() }
}

/// The probabilities of these scores, of the ids that `kept` lets stay.
fn softmax(scores: &[f32], temperature: f64, kept: impl Fn(usize) -> bool) -> Vec<f64> {
    let weight = |(id, &x): (usize, &f32)| if kept(id) { (f64::from(x) / temperature).exp() } else { 0.0 };
    let weights: Vec<f64> = scores.iter().enumerate().map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

/// Within five standard deviations of each share, and five draws where few are expected; never what cannot come.
fn agree(found: &[f64], expected: &[f64]) {
    for (id, (&found, &p)) in found.iter().zip(expected).enumerate() {
        let n = DRAWS as f64;
        let tolerance = if p > 0.0 { 5.0 * (p * (1.0 - p) / n).sqrt() + 5.0 / n } else { 0.0 };
        assert!((found - p).abs() <= tolerance, "{id}: {found} for {p}");
    }
}

/// More scores than a chunk has, the first of the unknown token.
fn many() -> Vec<f32> {
    let mut rng = keyed(2, 0, 0, 0);
    (0..700).map(|_| 3.0 * rng.normal() as f32).collect()
}

#[test]
fn probabilities_are_those_of_the_scores() {
    let scores = [0.0, 2.0f32.ln(), f32::NEG_INFINITY];
    let p: Vec<f64> = log_softmax(&scores).iter().map(|x| x.exp()).collect();
    assert!((p[0] - 1.0 / 3.0).abs() < 1e-7 && (p[1] - 2.0 / 3.0).abs() < 1e-7 && p[2] == 0.0);
}

#[test]
fn draws_follow_the_softmax_without_the_unknown_token() {
    for temperature in [1.0, 0.7, 2.5] {
        for scores in [&[9.0, 0.1, -0.4, 1.3, f32::NEG_INFINITY][..], &many()] {
            let expected = softmax(scores, temperature, |id| id != 0);
            agree(&shares(choice(temperature, None, None), scores), &expected);
        }
    }
}

#[test]
fn cuts_leave_the_likeliest_in_proportion() {
    let scores = many();
    let mut order: Vec<usize> = (1..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    for k in [2, 7, 100, 699] {
        let expected = softmax(&scores, 1.0, |id| order[..k].contains(&id));
        agree(&shares(choice(1.0, Some(k), None), &scores), &expected);
    }
    // As many as the vocabulary has, or more, are no cut: the same draws.
    let draws = |choice| {
        let mut sampler = sampler(choice);
        (0..50).map(|_| sampler.draw(&scores)).collect::<Vec<_>>()
    };
    assert_eq!(draws(choice(1.0, Some(1000), None)), draws(choice(1.0, None, None)));
    assert_eq!(draws(choice(1.0, None, Some(1.0))), draws(choice(1.0, None, None)));
    assert_eq!(draws(choice(1.0, Some(1000), Some(0.99))), draws(choice(1.0, None, Some(0.99))));

    // A flat distribution needs more than the first head.
    for (temperature, p) in [(1.0, 0.5), (1.0, 0.9), (4.0, 0.97), (0.5, 0.3)] {
        let all = softmax(&scores, temperature, |id| id != 0);
        let mut sum = 0.0;
        let enough = order.iter().position(|&id| {
            sum += all[id];
            sum >= p
        });
        let kept = &order[..=enough.unwrap()];
        let expected = softmax(&scores, temperature, |id| kept.contains(&id));
        agree(&shares(choice(temperature, None, Some(p)), &scores), &expected);
    }

    // Of both, the second is a part of what the first leaves.
    let scores = [9.0, 0.1f32.ln(), 0.4f32.ln(), 0.3f32.ln(), 0.2f32.ln()];
    let expected = softmax(&scores, 1.0, |id| id == 2);
    agree(&shares(choice(1.0, Some(2), Some(0.5)), &scores), &expected);
    agree(&shares(choice(1.0, None, Some(0.5)), &scores), &softmax(&scores, 1.0, |id| [2, 3].contains(&id)));
}

#[test]
fn the_narrowest_cuts_take_the_likeliest() {
    let scores = many();
    let best = (1..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as u32;
    for narrow in [
        choice(0.0, None, None),
        choice(1e-300, None, None),
        choice(1.0, Some(1), None),
        choice(1.0, None, Some(1e-300)),
        choice(5.0, Some(1), Some(1.0)),
        choice(0.0, Some(9), Some(0.9)),
    ] {
        let mut sampler = sampler(narrow);
        assert!((0..100).all(|_| sampler.draw(&scores) == best), "{narrow:?}");
    }
    // A temperature beyond all bounds leaves nothing of the differences, but what cannot come does not.
    let scores = [0.0, 5.0, f32::NEG_INFINITY, -5.0];
    agree(&shares(choice(1e300, None, None), &scores), &[0.0, 0.5, 0.0, 0.5]);
}

#[test]
fn of_equals_the_first_stay() {
    let scores = [0.0, 1.0, 2.0, 1.0, 2.0, 1.0, 1.0];
    assert_eq!(sampler(choice(0.0, None, None)).draw(&scores), 2);
    let kept = |choice| -> Vec<usize> {
        let shares = shares(choice, &scores);
        (0..scores.len()).filter(|&id| shares[id] > 0.0).collect()
    };
    assert_eq!(kept(choice(1.0, Some(1), None)), [2]);
    assert_eq!(kept(choice(1.0, Some(3), None)), [1, 2, 4]);
    assert_eq!(kept(choice(1.0, None, Some(1e-9))), [2]);
    let flat = vec![0.0; 1000];
    let mut head = Vec::new();
    largest(&vec![0.5; 1000], 100, &mut head);
    assert_eq!(head, (0..100).collect::<Vec<u32>>());
    let p = shares(choice(1.0, None, Some(0.1)), &flat);
    assert!(p[100] > 0.0 && p[101..].iter().all(|&p| p == 0.0), "the first hundred after the unknown token");
}

#[test]
fn the_largest_are_those_of_a_whole_sort() {
    let mut rng = keyed(3, 0, 0, 0);
    let mut head = Vec::new();
    for v in [1, 5, 64, 65, 1000] {
        // Few values, so that there are equal ones; falling, rising and mixed.
        let mut weights: Vec<f32> = (0..v).map(|_| rng.below(300) as f32).collect();
        for arrange in 0..3 {
            match arrange {
                1 => weights.sort_by(f32::total_cmp),
                2 => weights.reverse(),
                _ => {}
            }
            let mut sorted: Vec<u32> = (0..v as u32).filter(|&id| weights[id as usize] > 0.0).collect();
            sorted.sort_by(|&a, &b| weights[b as usize].total_cmp(&weights[a as usize]));
            for n in [1, 2, 31, 32, 33, 64, 200, v, 2 * v, usize::MAX] {
                largest(&weights, n, &mut head);
                assert_eq!(head, sorted[..n.min(sorted.len())], "{n} of {v}");
            }
        }
    }
}

#[test]
fn the_seed_decides() {
    let scores = many();
    let draws = |seed| {
        let mut sampler = Sampler::new(choice(0.9, Some(50), Some(0.9)), keyed(seed, 0, 0, 0), &[]);
        (0..40).map(|_| sampler.draw(&scores)).collect::<Vec<_>>()
    };
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
}

#[test]
fn what_was_said_of_late_is_less_likely() {
    let scores = [0.0, 2.0, -1.0, 1.5, 0.0];
    let drawn = |penalty, window, text: &[u32]| {
        let repetition = Some(Repetition { penalty, window });
        let choice = Choice { temperature: 0.0, repetition, ..Choice::default() };
        let mut sampler = Sampler::new(choice, keyed(1, 0, 0, 0), text);
        (0..3).map(|_| sampler.draw(&scores)).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1.0, 9, &[1, 3]), [1, 1, 1], "1 changes nothing");
    // 2.0 / 2 is less than 1.5; then 1.5 / 2 is less than 2.0 / 2.
    assert_eq!(drawn(2.0, 9, &[]), [1, 3, 1]);
    assert_eq!(drawn(2.0, 9, &[1]), [3, 1, 1], "the prompt counts");
    assert_eq!(drawn(2.0, 9, &[1, 1, 1, 1]), [3, 1, 1], "once, however often it came");
    assert_eq!(drawn(2.0, 1, &[1, 3]), [1, 3, 1], "what is longer ago than the window does not");
    assert_eq!(drawn(2.0, 9, &[0, 0]), [1, 3, 1], "the unknown token is never drawn");

    // The probabilities themselves: a negative score is multiplied.
    let repetition = Some(Repetition { penalty: 1.5, window: 2 });
    let choice = Choice { repetition, ..Choice::default() };
    let mut counts = [0.0; 5];
    for seed in 0..DRAWS as u64 {
        let mut sampler = Sampler::new(choice, keyed(seed, 0, 0, 0), &[1, 2]);
        counts[sampler.draw(&scores) as usize] += 1.0 / DRAWS as f64;
    }
    agree(&counts, &softmax(&[0.0, 2.0 / 1.5, -1.5, 1.5, 0.0], 1.0, |id| id != 0));
}
