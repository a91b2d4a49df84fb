//! Skip-gram: what a small text teaches, and what is refused.

use gimbap::vectors::{SkipGram, Vectors};

fn bits(vectors: &Vectors) -> Vec<u32> {
    vectors.values().iter().map(|x| x.to_bits()).collect()
}

/// Sentences in which animals share their neighbours, and fruits theirs.
fn menagerie() -> String {
    let mut rng = gimbap::rng::keyed(8, 0, 0, 0);
    let mut pick = |list: &[&str]| list[rng.below(list.len() as u64) as usize].to_owned();
    let line = |kind: usize| {
        let (names, deeds) = match kind {
            0 => (["cat", "dog", "horse"], ["runs", "sleeps", "barks"]),
            _ => (["apple", "pear", "plum"], ["ripens", "falls", "rots"]),
        };
        let (name, deed) = (pick(&names), pick(&deeds));
        format!("the {name} {deed} the {deed} {name}\n")
    };
    (0..2000).map(|i| i % 2).map(line).collect()
}

fn learn(epochs: usize) -> (Vectors, Vec<f64>) {
    let options = SkipGram { width: 16, window: 3, epochs, sample: 0.0, rate: 0.05, ..SkipGram::default() };
    let mut losses = Vec::new();
    let vectors = options.train(&menagerie(), |pass| losses.push(pass.loss)).unwrap();
    (vectors, losses)
}

#[test]
fn words_that_share_their_contexts_become_neighbours() {
    let (vectors, losses) = learn(6);
    assert_eq!((vectors.len(), vectors.width(), losses.len()), (13, 16, 6));
    assert_eq!(vectors.words()[0], "the", "the most frequent word comes first");
    assert!(losses.is_sorted_by(|a, b| a > b), "{losses:?}");
    let kind = |word: &str| match word {
        "cat" | "dog" | "horse" | "runs" | "sleeps" | "barks" => 0,
        _ => 1,
    };
    for word in ["cat", "dog", "horse", "apple", "pear", "plum"] {
        let near = vectors.neighbors(vectors.find(word).unwrap(), 3);
        let near: Vec<&str> = near.iter().map(|&(row, _)| vectors.words()[row].as_str()).collect();
        assert!(near.iter().all(|other| *other != "the" && kind(other) == kind(word)), "{word}: {near:?}");
    }
    assert_eq!(bits(&learn(6).0), bits(&vectors), "the same seed gives the same bits");
}

#[test]
fn skip_gram_refuses_what_it_cannot_do() {
    let train = |options: SkipGram, text: &str| options.train(text, |_| ()).unwrap_err().to_string();
    let base = SkipGram { min_count: 1, ..SkipGram::default() };
    for (message, why) in [
        (train(SkipGram { width: 0, ..base.clone() }, "a b"), "width: is 0"),
        (train(SkipGram { rate: f64::NAN, ..base.clone() }, "a b"), "rate: is NaN"),
        (train(SkipGram { rate: 0.0, ..base.clone() }, "a b"), "rate: is 0"),
        (train(SkipGram { min_count: 3, ..base.clone() }, "a b"), "no token appears 3 times"),
        (train(SkipGram { sample: 0.0, ..base.clone() }, "a\nb\n"), "no two words side by side"),
    ] {
        assert!(message.contains(why), "{message}");
    }
}
