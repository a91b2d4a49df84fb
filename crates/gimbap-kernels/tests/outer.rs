//! Sums of outer products against a loop, on every instruction set of this machine.

use std::ops::Range;

use gimbap_kernels::Isa;
use gimbap_kernels::outer::{Buffers, CHUNK, Left, Output, Sum, Term, add_outer_products};

fn values(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
}

fn chunks(rows: usize, at_most: usize) -> Vec<Range<usize>> {
    (0..rows).step_by(at_most).map(|first| first..(first + at_most).min(rows)).collect()
}

/// Rows, width of the left operand, columns; more columns than a task takes at once, more rows than a block.
fn shapes() -> Vec<[usize; 3]> {
    if cfg!(miri) {
        return vec![[3, 2, 5]];
    }
    vec![[0, 3, 4], [1, 1, 1], [5, 7, 17], [300, 13, 70], [520, 40, 300], [70, 400, 33], [64, 25, 1030]]
}

/// One right operand, whose first columns are multiplied with a matrix and with one, and the others with rows of which
/// some are missing, and with one-hot rows.
#[test]
fn every_kind_of_left_operand_gives_its_sum_at_any_number_of_threads() {
    for isa in Isa::available() {
        assert!(isa.select());
        for [rows, m, columns] in shapes() {
            let stride = 2 * columns + 3;
            let (x, b) = (values(rows * m, 1), values(rows * stride, 2));
            let some: Vec<&[f32]> =
                x.chunks_exact(m).enumerate().map(|(i, row)| if i % 3 == 1 { &[] } else { row }).collect();
            let ids: Vec<u32> = (0..rows).map(|i| (i * 5 % (m + 1)) as u32).collect();
            let scale = values(rows, 3);
            let run = |threads: usize| {
                let compute = || {
                    let mut outputs = [
                        values(m * columns, 4),
                        values(columns, 5),
                        values(m * columns, 6),
                        values((m + 1) * columns, 7),
                    ];
                    let [a, ones, c, d] = &mut outputs;
                    let (a, ones) = (Output::new(a, columns), Output::new(ones, columns));
                    let (c, d) = (Output::new(c, columns), Output::new(d, columns));
                    let term = |left, output| Term { left, output, column: 0 };
                    let sums = [
                        Sum {
                            columns: 0..columns,
                            terms: vec![term(Left::Matrix(&x), &a), term(Left::One, &ones)],
                        },
                        Sum {
                            columns: columns + 1..2 * columns + 1,
                            terms: vec![
                                term(Left::Rows(&some), &c),
                                term(Left::OneHot { ids: &ids, scale: Some(&scale) }, &d),
                            ],
                        },
                    ];
                    add_outer_products(
                        &mut Buffers::default(),
                        (&b, stride),
                        &chunks(rows, CHUNK.min(100)),
                        &sums,
                    );
                    outputs
                };
                // So small a work does not ask for threads, and Miri cannot run a pool.
                if cfg!(miri) {
                    return compute();
                }
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(compute)
            };
            let outputs = run(1);
            let starts = [(m * columns, 4), (columns, 5), (m * columns, 6), ((m + 1) * columns, 7)];
            for (index, (output, (n, seed))) in outputs.iter().zip(starts).enumerate() {
                let start = values(n, seed);
                for place in 0..n {
                    let (i, j) = (place / columns, place % columns);
                    let at = |r: usize| {
                        if index < 2 { b[r * stride + j] } else { b[r * stride + columns + 1 + j] }
                    };
                    let left = |r: usize| match index {
                        0 => x[r * m + i],
                        1 => 1.0,
                        2 => some[r].get(i).copied().unwrap_or(0.0),
                        _ => {
                            if ids[r] as usize == i {
                                scale[r]
                            } else {
                                0.0
                            }
                        }
                    };
                    let terms: Vec<f64> = (0..rows).map(|r| f64::from(left(r)) * f64::from(at(r))).collect();
                    let exact = f64::from(start[place]) + terms.iter().sum::<f64>();
                    let error = (f64::from(output[place]) - exact).abs();
                    let size = 1.0 + terms.iter().map(|term| term.abs()).sum::<f64>();
                    assert!(
                        error < 3e-7 * size,
                        "{isa} {rows}x{m}x{columns}, output {index}, ({i}, {j}): {error}"
                    );
                }
            }
            if !cfg!(miri) {
                for threads in [2, 3] {
                    assert_eq!(run(threads), outputs, "{isa} {rows}x{m}x{columns} on {threads} threads");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "two terms for one place")]
fn two_terms_for_one_place_are_refused() {
    let (x, b, mut d) = ([1.0f32; 4], [1.0f32; 4], [0.0f32; 4]);
    let output = Output::new(&mut d, 4);
    let sum = |columns: Range<usize>, column| Sum {
        columns,
        terms: vec![Term { left: Left::Matrix(&x[..1]), output: &output, column }],
    };
    add_outer_products(&mut Buffers::default(), (&b, 4), &chunks(1, 1), &[sum(0..2, 0), sum(2..4, 1)]);
}
