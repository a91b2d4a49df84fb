//! What `.ci/instructions.py` counts: each kernel is run once unmeasured, so that buffers exist, and once inside
//! [`measured`], whose instructions alone callgrind counts. `instructions KERNEL` runs one; without an argument, all.

use std::hint::black_box;

use gimbap::data::layout::Layout;
use gimbap::loss::{Loss, RowTargets};
use gimbap::prelude::{Dense, Input as ModelInput, Lstm as LstmLayer, Sequential};
use gimbap::sequence::{CellKind, Gradients, Input, Kept, Segment, State, Weights, recurrence};
use gimbap_kernels::outer::{Buffers, CHUNK, Left, Output, Sum, Term, add_outer_products};

/// `T, B, I, H` of the sequences.
const SHAPE: (usize, usize, usize, usize) = (32, 16, 32, 64);

const KERNELS: [(&str, fn()); 6] = [
    ("lstm-forward", || sequence(CellKind::Lstm, false)),
    ("lstm-backward", || sequence(CellKind::Lstm, true)),
    ("gru-forward", || sequence(CellKind::Gru, false)),
    ("weight-gradient", weight_gradient),
    ("lstm-stream", stream),
    ("softmax-crossentropy", softmax_crossentropy),
];

fn main() {
    // The calling thread is the pool's only one: nothing is counted on another, or lost there.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    assert!(pool.is_ok());
    // Cargo adds `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let chosen = KERNELS.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name));
    let mut ran = false;
    for (name, kernel) in chosen {
        kernel();
        println!("{name}");
        ran = true;
    }
    assert!(ran, "no such kernel: there are {:?}", KERNELS.map(|(name, _)| name));
}

/// The function whose instructions are counted, those that it calls included.
#[inline(never)]
fn measured(kernel: &mut dyn FnMut()) {
    kernel();
}

fn twice(mut kernel: impl FnMut()) {
    kernel();
    measured(&mut kernel);
}

/// The same numbers everywhere, from -0.5 to 0.5.
fn values(n: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

/// One layer over all steps with everything kept, or the pass back to every gradient.
fn sequence(cell: CellKind, backward: bool) {
    let (t, b, i, h) = SHAPE;
    let mut run = recurrence::<f32>(cell, i, h);
    let columns = run.gates() * h;
    let (w_x, w_h, bias) = (values(i * columns), values(h * columns), values(columns));
    let b_h = if run.recurrent_bias() { values(columns) } else { Vec::new() };
    let (layout, _) = Layout::new(&vec![t; b]);
    let (x, d_h) = (values(t * b * i), values(t * b * h));
    let weights = Weights { w_x: &w_x, w_h: &w_h, b: &bias, b_h: &b_h };
    let segment = Segment { weights, layout: &layout, x: Input::Dense(&x), h_mask: None, zone: None };
    let initial = State::zeros(run.states(), b, h);
    let (mut state, mut outputs, mut d_x) = (initial.clone(), Vec::new(), Vec::new());
    let mut d = [vec![0.0; w_x.len()], vec![0.0; w_h.len()], vec![0.0; columns], vec![0.0; b_h.len()]];
    run.pack(&weights);
    if !backward {
        return twice(|| {
            state.clone_from(&initial);
            run.forward(&segment, &mut state, &mut outputs, true);
            black_box(&outputs);
        });
    }
    // The pass back uses up what forward kept.
    let mut measure = |measured: fn(&mut dyn FnMut())| {
        run.forward(&segment, &mut state, &mut outputs, true);
        let mut d_state = State::zeros(run.states(), b, h);
        measured(&mut || {
            let kept = Kept { initial: &initial, h: &outputs };
            let [d_w_x, d_w_h, d_b, d_b_h] = d.each_mut().map(|d| &mut d[..]);
            let gradients = Gradients { d_w_x, d_w_h, d_b, d_b_h };
            run.backward(&segment, kept, Some(&d_h), &mut d_state, gradients, Some(&mut d_x));
            black_box(&d_x);
        });
    };
    measure(|kernel| kernel());
    measure(measured);
}

/// `dW_h += h^T d_planes` over a block of steps.
fn weight_gradient() {
    let (rows, hidden, columns) = (64 * 16, 64, 256);
    let (h, d_planes, mut d_w_h) =
        (values(rows * hidden), values(rows * columns), vec![0.0; hidden * columns]);
    let chunks: Vec<_> = (0..rows).step_by(CHUNK).map(|first| first..first + CHUNK).collect();
    let mut buffers = Buffers::default();
    twice(|| {
        let output = Output::new(&mut d_w_h, columns);
        let terms = vec![Term { left: Left::Matrix(&h), output: &output, column: 0 }];
        add_outer_products(
            &mut buffers,
            (&d_planes, columns),
            &chunks,
            &[Sum { columns: 0..columns, terms }],
        );
        black_box(&d_w_h);
    });
}

/// Steps of one sequence through an LSTM and what follows it.
fn stream() {
    let (steps, features, units) = (64, 32, 64);
    let network =
        Sequential::new(ModelInput::features(features)).add(LstmLayer::new(units)).add(Dense::new(4));
    let Ok(model) = network.build::<f32>() else { unreachable!("the network is sound") };
    let Ok(mut stream) = model.stream() else { unreachable!("an LSTM streams") };
    let x = values(steps * features);
    twice(|| {
        for x in x.chunks_exact(features) {
            black_box(stream.step(x));
        }
    });
}

/// The loss of rows of logits, and its gradient.
fn softmax_crossentropy() {
    let (rows, width) = (30, 1000);
    let logits = values(rows * width);
    let targets = RowTargets::Classes((0..rows as u32).map(|row| row * 31).collect());
    let (mut losses, mut d) = (vec![0.0; rows], vec![0.0; rows * width]);
    let scale = |_: usize| Some(1.0 / rows as f64);
    twice(|| {
        let loss = Loss::SparseCategoricalCrossentropy;
        loss.rows(&logits, width, &targets, 0, &scale, &mut losses, &mut d);
        black_box(&d);
    });
}
