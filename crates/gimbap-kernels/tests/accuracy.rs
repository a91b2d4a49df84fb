//! `exp`, `tanh`, `sigmoid` of f32 against f64, on every instruction set of this machine.

use gimbap_kernels::rows::{Function, apply, log_sum_exp, softmax, softmax_times};
use gimbap_kernels::{Arithmetic, Isa};

/// The distance of `y` from `exact` in units of the last place of f32 at `exact`.
fn ulp(y: f32, exact: f64) -> f64 {
    let near = exact as f32;
    let spacing = (f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs())).abs();
    (f64::from(y) - exact).abs() / spacing
}

/// Every 37th float from -110 to 110, the sign alternating; fewer where the processor is likely an emulated one.
fn sweep() -> Vec<f32> {
    let stride = if cfg!(miri) {
        10_000_019
    } else if cfg!(target_arch = "x86_64") {
        37
    } else {
        997
    };
    (0..110f32.to_bits())
        .step_by(stride)
        .flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)])
        .collect()
}

fn worst(function: Function, exact: impl Fn(f64) -> f64) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    let xs = sweep();
    let mut ys = xs.clone();
    apply(function, &mut ys);
    for (x, y) in xs.into_iter().zip(ys) {
        let exact = exact(f64::from(x));
        if exact.abs() < f64::from(f32::MIN_POSITIVE) || exact > f64::from(f32::MAX) {
            continue;
        }
        let error = ulp(y, exact);
        if error.is_nan() || error > worst.0 {
            worst = (error, x);
        }
    }
    worst
}

fn on_every_isa(check: impl Fn()) {
    for isa in Isa::available() {
        assert!(isa.select());
        println!("{isa}");
        check();
    }
}

/// One test, since the instruction set is chosen for the whole process.
#[test]
fn functions_are_within_3_5_ulp_and_right_at_the_edges() {
    on_every_isa(|| {
        for (name, function, exact) in [
            ("exp", Function::Exp, f64::exp as fn(f64) -> f64),
            ("tanh", Function::Tanh, f64::tanh),
            ("sigmoid", Function::Sigmoid, |x: f64| 1.0 / (1.0 + (-x).exp())),
        ] {
            let (error, x) = worst(function, exact);
            println!("{name}: {error:.2} ULP at {x:e}");
            assert!(error <= 3.5, "{name}: {error} ULP at {x:e}");
        }
        let at = |function, x: f32| {
            // Among others, and at the end of a part of a vector.
            let mut values = vec![0.5; 21];
            values[3] = x;
            values[20] = x;
            apply(function, &mut values);
            // A NaN's sign is not determined.
            assert!(values[3].is_nan() && values[20].is_nan() || values[3].to_bits() == values[20].to_bits());
            values[3]
        };
        for function in [Function::Exp, Function::Tanh, Function::Sigmoid, Function::Relu] {
            assert!(at(function, f32::NAN).is_nan(), "{function:?}(NaN)");
        }
        assert_eq!(at(Function::Exp, f32::NEG_INFINITY), 0.0);
        assert_eq!(at(Function::Exp, f32::INFINITY), f32::INFINITY);
        assert_eq!(at(Function::Tanh, f32::INFINITY), 1.0);
        assert_eq!(at(Function::Tanh, f32::NEG_INFINITY), -1.0);
        assert_eq!(at(Function::Sigmoid, f32::INFINITY), 1.0);
        assert_eq!(at(Function::Sigmoid, f32::NEG_INFINITY), 0.0);
        assert_eq!(at(Function::Tanh, -0.0), 0.0);
        assert_eq!(at(Function::Relu, -3.0), 0.0);
        softmax_agrees_with_f64::<f32>();
        softmax_finds_the_largest_anywhere();
    });
}

/// `e^500` alone is no number: the largest logit must be found wherever it is.
fn softmax_finds_the_largest_anywhere() {
    for n in [5usize, 16, 65, 150] {
        for place in 0..n {
            let mut row = vec![0.0f32; n];
            row[place] = 500.0;
            assert_eq!(log_sum_exp(&row), 500.0);
            let scale = 0.25;
            assert_eq!(softmax_times(&mut row, scale), 500.0);
            for (j, &y) in row.iter().enumerate() {
                assert_eq!(
                    y,
                    if j == place { scale } else { 0.0 },
                    "place {j} of {n}, the largest at {place}"
                );
            }
        }
    }
}

fn softmax_agrees_with_f64<R: Arithmetic>() {
    for n in [1usize, 2, 7, 16, 17, 33, 65, 1000] {
        let exact: Vec<f64> = (0..n).map(|i| ((i * 7919 % 31) as f64 - 15.0) / 3.0).collect();
        let mut row: Vec<R> = exact.iter().map(|&x| R::from_f64(x)).collect();
        let without_writing = log_sum_exp(&row);
        let log_sum = softmax(&mut row).to_f64();
        assert_eq!(without_writing.to_f64(), log_sum, "n = {n}");
        let sum: f64 = exact.iter().map(|x| x.exp()).sum();
        assert!((log_sum - sum.ln()).abs() < 1e-5, "log of the sum, n = {n}");
        for (y, x) in row.iter().zip(&exact) {
            assert!((y.to_f64() - x.exp() / sum).abs() < 2e-7, "n = {n}");
        }
    }
}
