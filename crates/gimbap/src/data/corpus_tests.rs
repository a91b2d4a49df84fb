//! Tests of the built-in corpus.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::*;

/// Every state that can be reached, with its choices.
fn reachable() -> HashMap<State, Vec<Choice>> {
    let mut seen = HashMap::new();
    let mut open = vec![State::Start];
    while let Some(state) = open.pop() {
        seen.entry(state).or_insert_with(|| {
            let choices = state.choices();
            open.extend(choices.iter().map(|choice| choice.2));
            choices
        });
    }
    seen
}

#[test]
fn every_state_is_unambiguous_and_sums_to_one() {
    let states = reachable();
    assert!(states.len() > 1000);
    for (state, choices) in &states {
        let words: HashSet<_> = choices.iter().map(|choice| choice.0).collect();
        assert_eq!(words.len(), choices.len(), "{state:?} has a word twice");
        assert!(choices.iter().all(|choice| choice.1 > 0.0), "{state:?}");
        let sum: f64 = choices.iter().map(|choice| choice.1).sum();
        assert!(*state == State::End || (sum - 1.0).abs() < 1e-12, "{state:?} sums to {sum}");
        assert!(choices.iter().all(|&(word, _, next)| (word == EOS) == (next == State::End)), "{state:?}");
    }
    let words: BTreeSet<_> = states.values().flatten().map(|choice| choice.0).collect();
    assert!((80..=190).contains(&words.len()), "{} words", words.len());
    for word in ["no", "pain", "gain", "spooky", "red", EOS] {
        assert!(words.contains(word), "{word}");
    }
}

#[test]
fn a_sentence_has_the_product_of_its_words_conditionals() {
    for sentence in generate(3, 300) {
        let words: Vec<&str> = sentence.text.split(' ').collect();
        let mut product = 1.0;
        for at in 0..=words.len() {
            let wanted = words.get(at).copied().unwrap_or(EOS);
            let next = next_distribution(&words[..at]).unwrap();
            product *= next.iter().find(|(word, _)| *word == wanted).unwrap().1;
        }
        assert!((product.ln() - sentence.logprob).abs() < 1e-9, "{sentence:?}");
        assert!((logprob(&sentence.text).unwrap() - sentence.logprob).abs() < 1e-9);
    }
}

#[test]
fn all_sentences_together_have_probability_one() {
    // Forward through the automaton: the mass that has reached the end once no sentence can go on.
    let states = reachable();
    let mut mass = HashMap::from([(State::Start, 1.0)]);
    for _ in 0..40 {
        let mut next = HashMap::new();
        for (state, p) in mass {
            if state == State::End {
                *next.entry(state).or_insert(0.0) += p;
            }
            for &(_, q, to) in &states[&state] {
                *next.entry(to).or_insert(0.0) += p * q;
            }
        }
        mass = next;
    }
    assert_eq!(mass.len(), 1);
    assert!((mass[&State::End] - 1.0).abs() < 1e-12);
}

#[test]
fn frequencies_are_the_probabilities() {
    let n = 20_000;
    let sentences = generate(5, n);
    for wanted in PROVERBS {
        let share = sentences.iter().filter(|s| s.text == wanted).count() as f64 / n as f64;
        let p = logprob(wanted).unwrap().exp();
        assert!((p - 0.1 / PROVERBS.len() as f64).abs() < 1e-12, "{wanted} has {p}");
        let deviation = (p * (1.0 - p) / n as f64).sqrt();
        assert!((share - p).abs() < 5.0 * deviation, "{wanted}: {share} for {p}");
    }
}

#[test]
fn the_perplexity_is_in_its_range() {
    let sentences = generate(7, 5_000);
    let perplexity = perplexity(&sentences);
    assert!((5.0..9.0).contains(&perplexity), "{perplexity}");
    let longest = sentences.iter().map(Sentence::tokens).max().unwrap();
    assert!((20..=36).contains(&longest), "{longest}");
    assert_eq!(super::perplexity(&[]), 1.0);
}

#[test]
fn only_the_country_decides_the_language_and_leaks_nowhere_else() {
    for sentence in generate(11, 2_000) {
        let Some(at) = sentence.language_index else { continue };
        let words: Vec<&str> = sentence.text.split(' ').collect();
        let country = at - sentence.distance.unwrap() - 1;
        assert!(COUNTRIES.contains(&(words[country], words[at])), "{}", sentence.text);
        // Another country with its language makes a sentence just as likely; with this language, none at all.
        for (other, language) in COUNTRIES {
            let mut changed = words.clone();
            changed[country] = other;
            if other != words[country] {
                assert_eq!(logprob(&changed.join(" ")), None);
            }
            changed[at] = language;
            assert!((logprob(&changed.join(" ")).unwrap() - sentence.logprob).abs() < 1e-9);
        }
        let named = words.iter().filter(|w| COUNTRIES.iter().any(|(c, l)| c == *w || l == *w)).count();
        assert_eq!(named, 2, "{}", sentence.text);
    }
}

#[test]
fn distances_are_kept() {
    for distance in [2, 4, 5, 8, 12, 16, 20, MAX_DISTANCE] {
        let sentences = distance_sentences(1, distance, 20).unwrap();
        assert_eq!(sentences.len(), 20);
        for sentence in &sentences {
            let words: Vec<&str> = sentence.text.split(' ').collect();
            let at = sentence.language_index.unwrap();
            assert_eq!(sentence.distance, Some(distance));
            assert!(COUNTRIES.contains(&(words[at - distance - 1], words[at])), "{}", sentence.text);
        }
    }
    for distance in [0, 1, 3, MAX_DISTANCE + 1] {
        let message = distance_sentences(1, distance, 1).unwrap_err().to_string();
        assert!(message.contains("give 2 or 4 to 23"), "{message}");
    }
    let far = reachable().into_keys().filter_map(|state| match state {
        State::Journey { since, spot: Spot::Speaks, .. } => Some(usize::from(since)),
        _ => None,
    });
    assert_eq!(far.collect::<BTreeSet<_>>(), BTreeSet::from_iter([2].into_iter().chain(4..=MAX_DISTANCE)));
}

#[test]
fn seeds_decide() {
    assert_eq!(generate(1, 50), generate(1, 100)[..50]);
    assert_ne!(generate(1, 50), generate(2, 50));
    assert_eq!(text(&generate(1, 3)).lines().count(), 3);
    // Pinned: another machine or release must draw the same corpus.
    let hash = crate::data::read::data_hash(text(&generate(1, 100)).as_bytes());
    assert_eq!(hash, "2fec62456fc94d4b163d388c443cd645");
}

#[test]
fn what_the_grammar_cannot_say() {
    assert_eq!(logprob("no pain spooky red"), None);
    assert_eq!(logprob(""), None);
    assert_eq!(next_distribution(&["time", "flies", EOS]), Some(Vec::new()));
    assert!(logprob("a red kite flew over the harbour").is_some());
    assert!(logprob("the spooky house by the sea is empty").is_some());
}
