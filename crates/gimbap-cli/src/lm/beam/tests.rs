use super::*;
use crate::sample::{log_softmax, order};
use gimbap::data::corpus::Grammar;
use gimbap::data::text::EOS;
use gimbap::layer::{Dense, Gru, Lstm, OneHot};
use gimbap::model::{Input, Sequential};
use gimbap::rng::keyed;

fn model(v: usize, seed: u64) -> Model {
    let layers = Sequential::new(Input::ids(v)).add(OneHot).add(Lstm::new(5).return_sequences(true));
    let layers = layers.add(Gru::new(4).return_sequences(true)).add(Dense::new(v));
    let mut model: Model = layers.build().unwrap();
    let mut rng = keyed(seed, 0, 0, 0);
    model.values_mut().iter_mut().for_each(|w| *w = 1.5 * rng.normal() as f32);
    model
}

fn search(width: usize, length: usize, wanted: usize) -> Search {
    Search { width, length, wanted, length_penalty: 0.0 }
}

/// What may come after a prompt: the logarithms of all probabilities, in `f64`.
fn next(model: &Model, lines: bool, text: &[u32]) -> Vec<f64> {
    let mut stream = model.stream().unwrap();
    let mut scores = stream.step(CLOSING_ID).to_vec();
    for &id in text {
        if lines && id == CLOSING_ID {
            stream.reset();
        }
        scores = stream.step(id).to_vec();
    }
    scores[UNKNOWN_ID as usize] = f32::NEG_INFINITY;
    log_softmax(&scores)
}

/// Every continuation up to the closing mark or of this length.
fn all(next: &dyn Fn(&[u32]) -> Vec<f64>, length: usize) -> Vec<Candidate> {
    let mut whole = Vec::new();
    let mut open = vec![Candidate { ids: Vec::new(), logprob: 0.0 }];
    while let Some(Candidate { ids, logprob }) = open.pop() {
        if ids.len() == length || ids.last() == Some(&CLOSING_ID) {
            whole.push(Candidate { ids, logprob });
            continue;
        }
        let possible = next(&ids).into_iter().enumerate().filter(|(_, x)| x.is_finite());
        open.extend(possible.map(|(id, x)| {
            let ids = [&ids[..], &[id as u32]].concat();
            Candidate { ids, logprob: logprob + x }
        }));
    }
    whole
}

fn best(mut all: Vec<Candidate>, wanted: usize, score: impl Fn(&Candidate) -> f64) -> Vec<Candidate> {
    all.sort_by(|a, b| score(b).total_cmp(&score(a)));
    all.truncate(wanted);
    all
}

fn agree(found: &[Candidate], expected: &[Candidate]) {
    let ids = |all: &[Candidate]| all.iter().map(|c| c.ids.clone()).collect::<Vec<_>>();
    assert_eq!(ids(found), ids(expected));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.logprob - expected.logprob).abs() < 1e-4, "{found:?} {expected:?}");
    }
}

#[test]
fn a_beam_that_holds_everything_is_an_exhaustive_search() {
    for (seed, lines, prompt) in
        [(1, false, &[][..]), (2, true, &[2, 1, 3]), (3, false, &[5, 1]), (4, true, &[4, 1])]
    {
        let model = model(6, seed);
        let next = |ids: &[u32]| next(&model, lines, &[prompt, ids].concat());
        for length_penalty in [0.0, 0.7, 1.0, 2.5] {
            let search = Search { length_penalty, ..search(6usize.pow(4), 4, 40) };
            let found = search.run(Beam::after(&model, lines, prompt, NO_WORD).unwrap()).unwrap();
            agree(&found, &best(all(&next, 4), 40, |c| search.score(c)));
        }
    }
}

#[test]
fn a_beam_of_one_takes_the_likeliest_token_each_time() {
    let model = model(9, 5);
    let mut ids = Vec::new();
    while ids.len() < 12 && ids.last() != Some(&CLOSING_ID) {
        ids.push(order(&next(&model, false, &[&[3], &ids[..]].concat()))[0] as u32);
    }
    let found = search(1, 12, 1).run(Beam::after(&model, false, &[3], NO_WORD).unwrap()).unwrap();
    assert_eq!((found.len(), &found[0].ids), (1, &ids));
}

/// Beam search as it is usually written down: one state at a time, all of the vocabulary sorted.
fn plain(model: &Model, prompt: &[u32], search: &Search) -> Vec<Candidate> {
    let mut beam = vec![Candidate { ids: Vec::new(), logprob: 0.0 }];
    let mut done: Vec<Candidate> = Vec::new();
    for _ in 0..search.length {
        let mut grown = Vec::new();
        for parent in &beam {
            let logprobs = next(model, false, &[prompt, &parent.ids[..]].concat());
            for id in order(&logprobs).into_iter().filter(|&id| logprobs[id].is_finite()) {
                let ids = [&parent.ids[..], &[id as u32]].concat();
                grown.push(Candidate { ids, logprob: parent.logprob + logprobs[id] });
            }
        }
        grown = best(grown, search.width, |c| c.logprob);
        beam.clear();
        for candidate in grown {
            let ended = candidate.ids.last() == Some(&CLOSING_ID);
            if ended { done.push(candidate) } else { beam.push(candidate) }
        }
    }
    done.extend(beam);
    best(done, search.wanted, |c| search.score(c))
}

#[test]
fn streams_side_by_side_find_what_one_at_a_time_finds() {
    for seed in 10..16 {
        let model = model(12, seed);
        for (width, length, wanted, length_penalty) in
            [(3, 6, 3, 0.0), (4, 9, 2, 0.0), (8, 5, 8, 0.0), (5, 8, 3, 0.8), (2, 7, 1, 1.5)]
        {
            let search = Search { width, length, wanted, length_penalty };
            let found = search.run(Beam::after(&model, false, &[7, 2], NO_WORD).unwrap()).unwrap();
            agree(&found, &plain(&model, &[7, 2], &search));
        }
    }
}

/// The built-in corpus's own automaton: what a perfect model of it would say.
struct Automaton<'a> {
    words: &'a [&'static str],
    texts: Vec<Vec<&'static str>>,
    scores: Vec<f32>,
}

impl Streams for Automaton<'_> {
    fn step(&mut self, ids: &[u32]) -> &[f32] {
        self.scores.clear();
        for (text, &id) in self.texts.iter_mut().zip(ids) {
            // The first closing mark stands before the sentence.
            text.extend((id != CLOSING_ID).then(|| self.words[id as usize]));
            let next = Grammar::English.next_distribution(text).unwrap();
            let probability = |word| next.iter().find(|(other, _)| *other == word).map_or(0.0, |(_, p)| *p);
            self.scores.extend(self.words.iter().map(|&word| probability(word).ln() as f32));
        }
        &self.scores
    }

    fn reorder(&mut self, from: &[usize]) {
        self.texts = from.iter().map(|&stream| self.texts[stream].clone()).collect();
    }
}

#[test]
fn on_the_automaton_the_search_is_exact() {
    // Every word that can stand among the first four, by what comes after what.
    let mut words = vec!["<unk>", EOS];
    let mut open: Vec<Vec<&str>> = vec![Vec::new()];
    while let Some(text) = open.pop() {
        for (word, _) in Grammar::English.next_distribution(&text).unwrap() {
            if !words.contains(&word) {
                words.push(word);
            }
            if text.len() < 4 && word != EOS {
                open.push([&text[..], &[word]].concat());
            }
        }
    }
    let id = |word: &str| words.iter().position(|other| *other == word).unwrap() as u32;
    let after = |text: &[&'static str]| {
        let (last, before) = text.split_last().map_or((EOS, &[][..]), |(last, before)| (*last, before));
        let streams = Automaton { words: &words, texts: vec![before.to_vec()], scores: Vec::new() };
        Beam::new(streams, id(last), NO_WORD)
    };
    // A proverb has ends that can be counted.
    let found = search(8, 10, 8).run(after(&["no"])).unwrap();
    let sentence = |c: &Candidate| c.ids.iter().map(|&id| words[id as usize]).collect::<Vec<_>>().join(" ");
    let mut ends: Vec<String> = found.iter().map(sentence).collect();
    ends.sort();
    assert_eq!(ends, ["news is good news . <eos>", "pain no gain . <eos>", "smoke without fire . <eos>"]);
    let whole: f64 = found.iter().map(|c| c.logprob.exp()).sum();
    assert!((whole - 1.0).abs() < 1e-6);

    // Four words of any sentence: the beam is as wide as there are beginnings.
    let next = |ids: &[u32]| {
        let text: Vec<&str> = ids.iter().map(|&id| words[id as usize]).collect();
        let next = Grammar::English.next_distribution(&text).unwrap();
        let probability = |word| next.iter().find(|(other, _)| other == word).map_or(0.0, |(_, p)| *p);
        words.iter().map(|word| probability(word).ln()).collect()
    };
    let everything = all(&next, 4);
    let found = search(everything.len(), 4, everything.len()).run(after(&[])).unwrap();
    assert_eq!(found.len(), everything.len());
    let mut by_ids: Vec<&Candidate> = found.iter().collect();
    by_ids.sort_by(|a, b| a.ids.cmp(&b.ids));
    let mut expected = everything;
    expected.sort_by(|a, b| a.ids.cmp(&b.ids));
    agree(&by_ids.into_iter().cloned().collect::<Vec<_>>(), &expected);
    assert!(found.windows(2).all(|w| w[0].logprob >= w[1].logprob));
}

#[test]
fn nothing_more_than_the_prompt_and_too_much() {
    let model = model(6, 1);
    let found = search(8, 0, 3).run(Beam::after(&model, false, &[2], NO_WORD).unwrap()).unwrap();
    assert_eq!(found, [Candidate { ids: Vec::new(), logprob: 0.0 }]);
    assert!(search(1 << 27, 1, 1).check(10_000).is_ok(), "one token is one row");
    assert!(search(13_421, 2, 1).check(10_000).is_ok());
    let failure = search(13_422, 2, 1).check(10_000).unwrap_err();
    assert!(failure.message.ends_with("ask for at most 13,421"), "{}", failure.message);
    assert_eq!(failure.code, 2);
}

#[test]
fn weights_that_ran_away_are_an_error() {
    let mut model = model(6, 1);
    model.values_mut().fill(f32::NAN);
    let failure = search(8, 3, 3).run(Beam::after(&model, false, &[2], NO_WORD).unwrap()).unwrap_err();
    assert_eq!(failure.kind, "not_finite");
}

/// One word, or the end: of equal use at first, and then the word nearly always.
struct Talker;

impl Streams for Talker {
    fn step(&mut self, ids: &[u32]) -> &[f32] {
        assert_eq!(ids.len(), 1, "one of two tokens is the end");
        if ids == [CLOSING_ID] { &[0.0, 0.1, 0.0] } else { &[0.0, -7.0, 0.0] }
    }

    fn reorder(&mut self, _from: &[usize]) {}
}

#[test]
fn a_length_penalty_waits_for_what_may_become_better() {
    let found = |length_penalty| {
        let search = Search { length_penalty, ..search(4, 10, 1) };
        search.run(Beam::new(Talker, CLOSING_ID, NO_WORD)).unwrap().remove(0)
    };
    assert_eq!(found(0.0).ids, [CLOSING_ID]);
    assert_eq!(found(2.0).ids, [2; 10]);
    let score = |length_penalty| {
        let search = Search { length_penalty, ..search(4, 10, 1) };
        search.score(&Candidate { ids: vec![2; 7], logprob: -2.0 })
    };
    assert_eq!([0.0, 1.0, 2.0].map(score), [-2.0, -1.0, -0.5]);
}
