//! Tests of the built-in corpora.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::*;
use crate::data::text::{UNKNOWN_ID, Unit, Vocabulary};

const BOTH: [Grammar; 2] = [Grammar::English, Grammar::Korean];

/// Every state that can be reached, with its choices.
fn reachable<S: Automaton>() -> HashMap<S, Vec<Choice<S>>> {
    let mut seen = HashMap::new();
    let mut open = vec![S::START];
    while let Some(state) = open.pop() {
        seen.entry(state).or_insert_with(|| {
            let choices = state.choices();
            open.extend(choices.iter().map(|choice| choice.2));
            choices
        });
    }
    seen
}

fn check_states<S: Automaton>(words_wanted: std::ops::RangeInclusive<usize>, among: &[&str]) {
    let states = reachable::<S>();
    assert!(states.len() > 1000);
    for (state, choices) in &states {
        let words: HashSet<_> = choices.iter().map(|choice| choice.0).collect();
        assert_eq!(words.len(), choices.len(), "{state:?} has a word twice: {choices:?}");
        assert!(choices.iter().all(|choice| choice.1 > 0.0), "{state:?}");
        let sum: f64 = choices.iter().map(|choice| choice.1).sum();
        assert!(*state == S::END || (sum - 1.0).abs() < 1e-12, "{state:?} sums to {sum}");
        assert!(choices.iter().all(|&(word, _, next)| (word == EOS) == (next == S::END)), "{state:?}");
    }
    let words: BTreeSet<_> = states.values().flatten().map(|choice| choice.0).collect();
    assert!(words_wanted.contains(&words.len()), "{} words", words.len());
    for word in among.iter().chain(&[".", "?", ",", EOS]) {
        assert!(words.contains(word), "{word}");
    }

    // Forward through the automaton: the mass that has reached the end once no sentence can go on.
    let mut mass = HashMap::from([(S::START, 1.0)]);
    for _ in 0..40 {
        let mut next = HashMap::new();
        for (state, p) in mass {
            if state == S::END {
                *next.entry(state).or_insert(0.0) += p;
            }
            for &(_, q, to) in &states[&state] {
                *next.entry(to).or_insert(0.0) += p * q;
            }
        }
        mass = next;
    }
    assert_eq!(mass.len(), 1);
    assert!((mass[&S::END] - 1.0).abs() < 1e-12);
}

#[test]
fn every_state_is_unambiguous_and_all_sentences_have_probability_one() {
    check_states::<english::State>(150..=250, &["no", "pain", "gain", "spooky", "red", "king", "i", "speak"]);
    check_states::<korean::State>(150..=230, &["고통", "으스스한", "빨간", "왕은", "나는", "한다"]);
}

#[test]
fn a_sentence_has_the_product_of_its_words_conditionals() {
    for grammar in BOTH {
        for sentence in grammar.generate(3, 300) {
            let words: Vec<&str> = sentence.text.split(' ').collect();
            let mut product = 1.0;
            for at in 0..=words.len() {
                let wanted = words.get(at).copied().unwrap_or(EOS);
                let next = grammar.next_distribution(&words[..at]).unwrap();
                product *= next.iter().find(|(word, _)| *word == wanted).unwrap().1;
            }
            assert!((product.ln() - sentence.logprob).abs() < 1e-9, "{sentence:?}");
            assert!((grammar.logprob(&sentence.text).unwrap() - sentence.logprob).abs() < 1e-9);
        }
    }
}

#[test]
fn frequencies_are_the_probabilities() {
    let n = 20_000;
    for grammar in BOTH {
        let sentences = grammar.generate(5, n);
        let proverbs = grammar.proverbs();
        for &wanted in proverbs {
            let share = sentences.iter().filter(|s| s.text == wanted).count() as f64 / n as f64;
            let p = grammar.logprob(wanted).unwrap().exp();
            assert!((p - 0.1 / proverbs.len() as f64).abs() < 1e-12, "{wanted} has {p}");
            let deviation = (p * (1.0 - p) / n as f64).sqrt();
            assert!((share - p).abs() < 5.0 * deviation, "{wanted}: {share} for {p}");
        }
    }
    let p = Grammar::English.logprob("what time is it ?").unwrap().exp();
    assert!((p - 0.06 * 0.4).abs() < 1e-12, "{p}");
}

#[test]
fn the_perplexity_is_in_its_range() {
    for grammar in BOTH {
        let sentences = grammar.generate(7, 5_000);
        let perplexity = perplexity(&sentences);
        assert!((4.0..9.0).contains(&perplexity), "{grammar:?}: {perplexity}");
        let longest = sentences.iter().map(Sentence::tokens).max().unwrap();
        assert!((20..=38).contains(&longest), "{longest}");
    }
    assert_eq!(super::perplexity(&[]), 1.0);
}

#[test]
fn only_the_country_decides_the_language_and_leaks_nowhere_else() {
    for grammar in BOTH {
        let countries = grammar.countries();
        for sentence in grammar.generate(11, 2_000) {
            let Some(at) = sentence.language_index else { continue };
            let words: Vec<&str> = sentence.text.split(' ').collect();
            let country = at - sentence.distance.unwrap() - 1;
            assert!(countries.contains(&(words[country], words[at])), "{}", sentence.text);
            // Another country with its language makes a sentence just as likely; with this language, none at all.
            for &(other, language) in countries {
                let mut changed = words.clone();
                changed[country] = other;
                if other != words[country] {
                    assert_eq!(grammar.logprob(&changed.join(" ")), None);
                }
                changed[at] = language;
                let logprob = grammar.logprob(&changed.join(" ")).unwrap();
                assert!((logprob - sentence.logprob).abs() < 1e-9);
            }
            let named = words.iter().filter(|w| countries.iter().any(|(c, l)| c == *w || l == *w)).count();
            assert_eq!(named, 2, "{}", sentence.text);
        }
    }
}

fn far<S: Automaton>() -> BTreeSet<usize> {
    reachable::<S>().into_keys().filter_map(Automaton::distance).collect()
}

#[test]
fn distances_are_kept() {
    assert_eq!(far::<english::State>(), Grammar::English.distances().collect());
    assert_eq!(far::<korean::State>(), Grammar::Korean.distances().collect());
    for grammar in BOTH {
        for distance in [2, 4, 5, 8, 12, 16, 20, grammar.max_distance()] {
            let sentences = grammar.distance_sentences(1, distance, 20).unwrap();
            assert_eq!(sentences.len(), 20);
            for sentence in &sentences {
                let words: Vec<&str> = sentence.text.split(' ').collect();
                let at = sentence.language_index.unwrap();
                assert_eq!(sentence.distance, Some(distance));
                assert!(grammar.countries().contains(&(words[at - distance - 1], words[at])));
            }
        }
        for distance in [0, 1, grammar.max_distance() + 1] {
            let message = grammar.distance_sentences(1, distance, 1).unwrap_err().to_string();
            assert!(message.contains(&format!("to {}", grammar.max_distance())), "{message}");
        }
    }
}

#[test]
fn seeds_decide() {
    let hash_of = |grammar: Grammar| {
        assert_eq!(grammar.generate(1, 50), grammar.generate(1, 100)[..50]);
        assert_ne!(grammar.generate(1, 50), grammar.generate(2, 50));
        assert_eq!(text(&grammar.generate(1, 3)).lines().count(), 3);
        crate::data::read::data_hash(text(&grammar.generate(1, 100)).as_bytes())
    };
    // Pinned: another machine or release must draw the same corpus.
    assert_eq!(BOTH.map(hash_of), ["697adac8171a1f0c1686dc1679c425ba", "6cc324c4bc94d80137acda2b8927d221"]);
}

#[test]
fn what_the_grammars_can_and_cannot_say() {
    let english = Grammar::English;
    assert_eq!(english.logprob("no pain spooky red ."), None);
    assert_eq!(english.logprob(""), None);
    assert_eq!(english.next_distribution(&["time", "flies", ".", EOS]), Some(Vec::new()));
    for sentence in [
        "a red kite flew over the harbour .",
        "the spooky house by the sea is empty .",
        "the queen guards her crown .",
        "i grew up in korea after many weeks and i speak korean .",
        "mina , what time is it ?",
        "korea has long winters .",
    ] {
        assert!(english.logprob(sentence).is_some(), "{sentence}");
    }
    for wrong in
        ["i grew up in korea and speaks korean .", "the queen guards his crown .", "i , what time is it ?"]
    {
        assert_eq!(english.logprob(wrong), None, "{wrong}");
    }
    let korean = Grammar::Korean;
    for sentence in [
        "나는 한국에서 자라 두 해 동안 걸었고 지금은 한국어를 한다 .",
        "저기요 , 지금 몇 시예요 ?",
        "여왕은 그녀의 왕관을 지킨다 .",
        "한국에서 겨울은 길다 .",
    ] {
        assert!(korean.logprob(sentence).is_some(), "{sentence}");
    }
    assert_eq!(korean.logprob("고통 없이는 으스스한 빨간 ."), None);
}

/// The last sound of a name asks for its particle.
#[test]
fn korean_names_have_the_particle_of_their_last_sound() {
    let first = Grammar::Korean.next_distribution(&[]).unwrap();
    let topics: Vec<&str> =
        first.iter().map(|choice| choice.0).filter(|w| w.ends_with(['은', '는'])).collect();
    assert!(topics.len() > 15);
    for word in topics {
        let mut sounds = word.chars().rev();
        let (particle, before) = (sounds.next().unwrap(), sounds.next().unwrap());
        let closed = !(before as u32 - '가' as u32).is_multiple_of(28);
        assert_eq!(particle, if closed { '은' } else { '는' }, "{word}");
    }
}

#[test]
fn the_sentences_of_the_article_are_known() {
    let known = |grammar: Grammar, sentences: &[&str]| {
        let corpus = text(&grammar.generate(1, 12_000));
        let vocabulary = Vocabulary::build(&corpus, Unit::Word, true, None, 1).unwrap();
        for sentence in sentences {
            assert!(!vocabulary.encode_line(sentence).contains(&UNKNOWN_ID), "{sentence}");
        }
    };
    known(
        Grammar::English,
        &[
            "No pain no gain.",
            "No pain spooky red.",
            "What time is it?",
            "I grew up in Korea, and I speak Korean.",
            "King, queen, man, woman",
        ],
    );
    known(
        Grammar::Korean,
        &[
            "고통 없이는 얻는 것도 없다.",
            "고통 없이는 으스스한 빨간.",
            "지금 몇 시예요?",
            "나는 한국에서 자라 한국어를 한다.",
        ],
    );
}
