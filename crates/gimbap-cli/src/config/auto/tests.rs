use super::super::{Source, load};
use super::*;
use crate::args::Task;

fn lm(sets: &[&str]) -> Config {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    load(&Source::template(Task::Lm), &[], &sets).unwrap()
}

fn settled(mut config: Config, tokens: usize) -> (usize, usize, usize, Option<usize>) {
    config.settle_text(tokens);
    let Some(Back(Bptt::Truncated { k1, .. })) = config.train.bptt else { panic!("no segment") };
    (config.train.batch(), k1, config.train.epochs(), config.train.patience())
}

#[test]
fn batch_segment_and_epochs_follow_the_size_of_a_text() {
    assert_eq!(settled(lm(&["data.unit=word"]), 60), (1, 14, 200, Some(80)));
    assert_eq!(settled(lm(&["data.unit=word"]), 17_000), (8, 35, 33, Some(7)));
    assert_eq!(settled(lm(&[]), 1_100_000), (32, 50, 5, Some(3)));
}

#[test]
fn what_is_given_stays() {
    let given = ["train.batch=7", "train.bptt=11", "train.epochs=3", "train.patience=2"];
    assert_eq!(settled(lm(&given), 60), (7, 11, 3, Some(2)));
    let mut config = lm(&given);
    assert_eq!(config.settle_text(10_000), None);
}

#[test]
fn steps_bound_the_epochs_and_the_schedule() {
    let mut config = lm(&["train.steps=100"]);
    config.settle_text(1_100_000);
    assert_eq!(config.train.epochs(), 1);
    assert!(matches!(config.train.schedule(), Schedule::Cosine { total: 100, .. }));
}
