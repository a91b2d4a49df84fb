//! Smaller weights: streams and batches agree, files come back bit for bit, and the error stays where it was.

mod models;

use std::collections::HashMap;
use std::path::Path;

use gimbap::prelude::*;
use gimbap::quantize::Precision;
use gimbap::rng::keyed;
use models::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

const PRECISIONS: [Precision; 2] = [Precision::Bf16, Precision::Int8];

fn stream_of(model: &Model<f32>, form: Form, sequence: &Sequence<f32>) -> Vec<f32> {
    let mut stream = model.stream().unwrap();
    let step = |t: usize| match form.takes_ids() {
        true => stream.step(sequence.ids[t]).to_vec(),
        false => stream.step(&sequence.x[t * FEATURES..(t + 1) * FEATURES]).to_vec(),
    };
    (0..sequence.length).flat_map(step).collect()
}

#[test]
fn batches_give_what_streams_give() {
    for precision in PRECISIONS {
        for cell in CELLS {
            for form in [Form::Steps, Form::Stack, Form::OneHot, Form::Embedding] {
                let model = model::<f32>(cell, form, 17, 3).quantized(precision).unwrap();
                let sequences = Sequence::many(&[4, 0, 6, 4], 8);
                let y = model.predict(inputs::<f32>(form, &sequences)).unwrap();
                for (b, sequence) in sequences.iter().enumerate() {
                    let of_batch = y.index_axis(gimbap::ndarray::Axis(0), b);
                    let found: Vec<f32> = of_batch.iter().copied().collect();
                    let streamed = stream_of(&model, form, sequence);
                    if y.ndim() == 2 {
                        let last = streamed.chunks(found.len()).next_back().unwrap_or(&[]);
                        assert!(
                            sequence.length == 0 || close(&found, last),
                            "{precision:?} {cell:?} {form:?}"
                        );
                    } else {
                        assert!(
                            close(&found[..streamed.len()], &streamed),
                            "{precision:?} {cell:?} {form:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_model_in_f64_can_be_quantised_too() {
    for precision in PRECISIONS {
        for cell in CELLS {
            for units in 1..=9 {
                let model = model::<f64>(cell, Form::Steps, units, 3).quantized(precision).unwrap();
                let sequence = &Sequence::<f64>::many(&[5], 8)[0];
                let mut stream = model.stream().unwrap();
                let y = model.predict(inputs::<f64>(Form::Steps, std::slice::from_ref(sequence))).unwrap();
                let streamed: Vec<f64> =
                    sequence.x.chunks(FEATURES).flat_map(|x| stream.step(&x.to_vec()).to_vec()).collect();
                let place = format!("{precision:?} {cell:?}, {units} units");
                assert!(y.iter().zip(&streamed).all(|(a, b)| (a - b).abs() < 1e-9), "{place}");
            }
        }
    }
}

/// A dense layer behind may sum in another order.
fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5)
}

#[test]
fn a_step_has_the_same_bits_at_any_number_of_threads() {
    let cells: [fn(usize) -> gimbap::layer::LayerSpec; 4] = [
        |h| Lstm::new(h).into(),
        |h| Gru::new(h).into(),
        |h| Gru::new(h).reset_after(false).into(),
        |h| SimpleRnn::new(h).into(),
    ];
    for (number, cell) in cells.into_iter().enumerate() {
        for units in [320, 509] {
            let model =
                Sequential::new(Input::features(260)).add(cell(units)).seed(4).build::<f32>().unwrap();
            for precision in [Precision::Full, Precision::Bf16, Precision::Int8] {
                let model = match precision {
                    Precision::Full => model.clone(),
                    rounded => model.quantized(rounded).unwrap(),
                };
                let run = |threads: usize| -> Vec<u32> {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| {
                        let mut stream = model.stream().unwrap();
                        let mut rng = keyed(1, 0, 0, 0);
                        let mut last = Vec::new();
                        for _ in 0..20 {
                            let x: Vec<f32> = (0..260).map(|_| rng.normal() as f32).collect();
                            last = stream.step(&x).iter().map(|y| y.to_bits()).collect();
                        }
                        last
                    })
                };
                let one = run(1);
                for threads in [2, 3, 5] {
                    assert!(
                        run(threads) == one,
                        "cell {number}, {units} units, {precision:?}, {threads} threads"
                    );
                }
            }
        }
    }
}

/// The largest difference of an output from the full model's, over 10,000 steps: the state forgets old errors, so it
/// does not grow. `--nocapture` shows it.
#[test]
fn ten_thousand_steps_do_not_drift_away() {
    // The bounds are those of the module's documentation, bf16 and int8, and a quarter more: sums are in another order on
    // another instruction set.
    let cells: [(&str, gimbap::layer::LayerSpec, [f32; 2]); 3] = [
        ("simple_rnn", SimpleRnn::new(128).into(), [0.0066, 0.031]),
        ("lstm", Lstm::new(128).into(), [0.0009, 0.0032]),
        ("gru", Gru::new(128).into(), [0.0013, 0.006]),
    ];
    for (name, cell, bounds) in cells {
        let mut model = Sequential::new(Input::features(16)).add(cell).seed(2).build::<f32>().unwrap();
        // Recurrent weights at which a state neither dies out nor is chaotic.
        model.values_mut().iter_mut().for_each(|w| *w *= 0.9);
        for (precision, bound) in PRECISIONS.into_iter().zip(bounds.map(|bound| 1.25 * bound)) {
            let small = model.quantized(precision).unwrap();
            let (mut exact, mut rounded) = (model.stream().unwrap(), small.stream().unwrap());
            let mut rng = keyed(3, 0, 0, 0);
            let mut largest = [0.0f32; 2];
            for t in 0..10_000 {
                let x: [f32; 16] = std::array::from_fn(|_| rng.normal() as f32);
                let pairs = exact.step(&x).iter().zip(rounded.step(&x));
                let error = pairs.fold(0.0f32, |error, (a, b)| error.max((a - b).abs()));
                let half = &mut largest[t / 5000];
                *half = half.max(error);
            }
            println!(
                "{name} {precision:?}: {:.4} over the first 5,000 steps, {:.4} over the last",
                largest[0], largest[1]
            );
            assert!(largest[0] < bound && largest[1] < bound, "{name} {precision:?}: {largest:?}");
            assert!(largest[0] > 0.0, "{name} {precision:?} is not rounded");
        }
    }
}

#[test]
fn a_quantised_model_does_not_train_and_is_not_quantised_again() {
    let compiled = Sequential::new(Input::features(2)).add(Lstm::new(4)).add(Dense::new(1));
    let compiled = compiled.compile(Sgd::new(0.1), Loss::Mse, []).unwrap();
    let data = Dataset::new(
        &gimbap::ndarray::Array3::from_elem((2, 3, 2), 0.5f32),
        &gimbap::ndarray::Array2::from_elem((2, 1), 0.5f32),
    )
    .unwrap();
    for precision in PRECISIONS {
        let mut small = compiled.quantized(precision).unwrap();
        assert_eq!(small.precision(), precision);
        let errors = [
            small.quantized(Precision::Int8).unwrap_err(),
            small.gradients(&data, None, Bptt::Full, None).unwrap_err(),
            small.fit_data(&data, None, &Fit::default()).unwrap_err(),
        ];
        for error in errors {
            assert!(error.kind() == "unsupported" && error.to_string().contains("full weights"), "{error}");
        }
        assert!(small.evaluate_data(&data, 2).unwrap().loss.is_finite());
    }
    let mut broken = compiled.clone();
    broken.values_mut()[3] = f32::NAN;
    assert!(broken.quantized(Precision::Bf16).unwrap_err().to_string().contains("lstm.w_x"));
}

#[test]
fn a_quantised_model_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (full, path) = (folder.path().join("full.safetensors"), folder.path().join("small.safetensors"));
    for precision in PRECISIONS {
        for cell in CELLS {
            for form in [Form::Stack, Form::OneHot, Form::Embedding] {
                let model = model::<f32>(cell, form, 33, 7);
                save(&model, &full).unwrap();
                let small = model.quantized(precision).unwrap();
                save(&small, &path).unwrap();
                let loaded = load(&path).unwrap();
                assert_eq!(loaded, small);
                assert_same_bits("weights", loaded.values(), small.values());
                let sequence = &Sequence::many(&[9], 2)[0];
                assert_eq!(stream_of(&loaded, form, sequence), stream_of(&small, form, sequence));
                let size = |path: &Path| std::fs::metadata(path).unwrap().len();
                assert!(size(&path) < size(&full));
                let bytes = std::fs::read(&path).unwrap();
                let file = SafeTensors::deserialize(&bytes).unwrap();
                for parameter in small.parameters() {
                    let tensor = file.tensor(&parameter.name).unwrap();
                    assert_eq!(tensor.shape(), parameter.shape);
                    match (parameter.shape.len(), precision) {
                        (2, Precision::Int8) => {
                            assert_eq!(tensor.dtype(), Dtype::I8);
                            let scale = file.tensor(&format!("{}.scale", parameter.name)).unwrap();
                            assert_eq!((scale.dtype(), scale.shape()), (Dtype::F32, &parameter.shape[1..]));
                        }
                        (2, _) => assert_eq!(tensor.dtype(), Dtype::BF16),
                        _ => assert_eq!(tensor.dtype(), Dtype::F32),
                    }
                }
            }
        }
    }
}

type Part = (Dtype, Vec<usize>, Vec<u8>);

/// Saves an int8 model, lets `change` do something to its tensors, and loads it.
fn broken(change: impl FnOnce(&mut HashMap<String, Part>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&model::<f32>(Cell::GruAfter, Form::Last, 4, 1).quantized(Precision::Int8).unwrap(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let each = file.tensors().into_iter();
    let mut parts: HashMap<String, Part> =
        each.map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect();
    change(&mut parts);
    let views = parts.iter().map(|(name, (dtype, shape, data))| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    std::fs::write(&path, safetensors::serialize(views, metadata.metadata().clone()).unwrap()).unwrap();
    load(&path).unwrap_err().to_string()
}

#[test]
fn malformed_quantised_files_are_refused() {
    let missing = broken(|parts| drop(parts.remove("gru.w_h.scale")));
    assert!(missing.contains("gru.w_h.scale") && missing.contains("missing"), "{missing}");
    let short = broken(|parts| {
        let (_, shape, data) = parts.get_mut("gru.w_x.scale").unwrap();
        shape[0] -= 1;
        data.truncate(4 * shape[0]);
    });
    assert!(short.contains("gru.w_x.scale") && short.contains("12 columns"), "{short}");
    let wrong = broken(|parts| {
        parts.get_mut("gru.w_h.scale").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes())
    });
    assert!(wrong.contains("gru.w_h.scale") && wrong.contains("127"), "{wrong}");
    let beyond = broken(|parts| parts.get_mut("gru.w_h").unwrap().2[0] = 0x80);
    assert!(beyond.contains("gru.w_h.scale"), "-128: {beyond}");
    let full = broken(|parts| {
        let (dtype, shape, data) = parts.get_mut("gru.w_x").unwrap();
        *dtype = Dtype::F32;
        *data = vec![0; 4 * shape.iter().product::<usize>()];
    });
    assert!(full.contains("gru.w_x") && full.contains("I8 is read"), "{full}");
    let rounded = broken(|parts| {
        let (dtype, _, data) = parts.get_mut("gru.b").unwrap();
        *dtype = Dtype::BF16;
        data.truncate(data.len() / 2);
    });
    assert!(rounded.contains("gru.b") && rounded.contains("F32 or F64"), "{rounded}");
}

#[test]
fn a_quantised_model_is_not_edited() {
    let model = Sequential::new(Input::features(2)).add(Lstm::new(3)).build::<f32>().unwrap();
    for precision in [Precision::Bf16, Precision::Int8] {
        let mut small = model.quantized(precision).unwrap();
        let before = small.clone();
        let error = small.set_parameter("lstm.b", &[0.5; 12]).unwrap_err();
        assert!(error.kind() == "unsupported" && error.to_string().contains("set a parameter"), "{error}");
        let edited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| small.values_mut().fill(0.5)));
        assert!(edited.is_err() && small == before);
    }
}
