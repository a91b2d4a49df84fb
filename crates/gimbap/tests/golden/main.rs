//! Golden values: every fixture in `conformance/fixtures`, made by Keras and PyTorch, against the library. The
//! conventions, and what each kind of fixture holds, are in `conformance/README.md`.
//!
//! | kind | what is compared |
//! |---|---|
//! | [`recurrent`] | outputs, last states, gradients of every parameter, of `x` and of the initial states |
//! | [`layers`] | outputs and gradients of Dense, LayerNorm, Embedding |
//! | [`losses`] | values and gradients, weighted, masked and both |
//! | [`optimizers`] | the weights after each of five updates |
//! | [`curves`] | the losses of ten steps, and the weights after them |
//! | [`awd`] | the training of an AWD-LSTM, with every mask: losses, weights, their mean |
//! | [`tutorial`] | Keras's tutorial program, epoch by epoch |
//!
//! Each is computed in f64, and in f32 on every instruction set of this processor. A value may be off by
//! [`F64`] or [`F32`] of the largest in its tensor; a tensor of zeros must be met exactly. A test fails too if it
//! leaves a tensor of its fixture unread, or an option of it.
//! `cargo test -p gimbap --test golden -- --nocapture` prints the largest errors.

mod awd;
mod curves;
mod fixture;
mod layers;
mod losses;
mod network;
mod optimizers;
mod recurrent;
mod tutorial;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fixture::{Fixture, Golden, fixtures};
use gimbap::Isa;

/// How far from the peer's value one in f64 may be, as part of its tensor's maximum.
const F64: f64 = 1e-9;
/// The same in f32.
const F32: f64 = 1e-5;

/// The kinds of fixtures, and how many there are of each.
const KINDS: [(&str, usize); 7] = [
    ("recurrent", 95),
    ("layer", 8),
    ("loss", 10),
    ("optimizer", 15),
    ("curve", 14),
    ("awd", 1),
    ("tutorial", 2),
];

type Compare = fn(&Fixture, &mut Golden<'_>);

/// Every fixture of a kind, by `compare_f64` and `compare_f32`.
fn check(kind: &str, compare_f64: Compare, compare_f32: Compare) {
    // An instruction set is selected for the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let f32_runs =
        Isa::available().into_iter().map(|isa| (format!("f32 {isa}"), F32, compare_f32, Some(isa)));
    let runs: Vec<_> = [("f64".to_string(), F64, compare_f64, None)].into_iter().chain(f32_runs).collect();
    let mut failures = Vec::new();
    let mut worst: BTreeMap<&str, (f64, String)> = BTreeMap::new();
    for fixture in fixtures().iter().filter(|fixture| fixture.kind == kind) {
        for (precision, bound, compare, isa) in &runs {
            println!("{} {precision}", fixture.name); // shown if it panics
            assert!(isa.is_none_or(Isa::select), "{precision} is available");
            let mut golden = Golden::new(fixture, *bound);
            compare(fixture, &mut golden);
            golden.all_read();
            failures.extend(
                golden.failures.iter().map(|failure| format!("{} {precision}: {failure}", fixture.name)),
            );
            let worst = worst.entry(precision).or_insert((0.0, "none".into()));
            if golden.worst.0 > worst.0 {
                *worst = (golden.worst.0, format!("{}: {}", fixture.name, golden.worst.1));
            }
        }
    }
    for (precision, (error, place)) in &worst {
        println!("{kind}, {precision}: worst error {error:.1e} of the maximum, {place}");
    }
    assert!(failures.is_empty(), "{} values are off:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn no_fixture_is_left_out() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    fixtures().into_iter().for_each(|fixture| *found.entry(fixture.kind).or_default() += 1);
    let expected: BTreeMap<String, usize> = KINDS.map(|(kind, count)| (kind.to_string(), count)).into();
    assert_eq!(found, expected, "a fixture was added or lost: see KINDS");
}

#[test]
fn recurrent_layers_give_the_peers_outputs_states_and_gradients() {
    check("recurrent", recurrent::compare::<f64>, recurrent::compare::<f32>);
}

#[test]
fn other_layers_give_the_peers_outputs_and_gradients() {
    check("layer", layers::compare::<f64>, layers::compare::<f32>);
}

#[test]
fn losses_and_their_gradients_are_keras_s() {
    check("loss", losses::compare::<f64>, losses::compare::<f32>);
}

#[test]
fn optimizers_step_as_the_peers_do() {
    check("optimizer", optimizers::compare::<f64>, optimizers::compare::<f32>);
}

#[test]
fn ten_steps_of_training_give_the_peers_losses_and_weights() {
    check("curve", curves::compare::<f64>, curves::compare::<f32>);
}

#[test]
fn three_steps_of_an_awd_lstm_give_the_peers_losses_weights_and_mean() {
    check("awd", awd::compare::<f64>, awd::compare::<f32>);
}

#[test]
fn the_tutorial_program_gives_keras_s_loss_after_each_epoch() {
    check("tutorial", tutorial::compare::<f64>, tutorial::compare::<f32>);
}
