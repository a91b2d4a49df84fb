//! What only training does: masks over time, over tokens.

mod differences;
mod models;

use differences::{CELLS, Case, check, randomise, recurrent, states};
use gimbap::Arithmetic;
use gimbap::Error;
use gimbap::data::layout::Layout;
use gimbap::layer::*;
use gimbap::loss::RowTargets;
use gimbap::network::Network;
use gimbap::prelude::*;
use gimbap::rng::{Rng, keyed};
use models::assert_same_bits;

const VOCABULARY: usize = 6;
const LENGTHS: [usize; 4] = [5, 0, 3, 7];

/// Ragged sequences of tokens, with a class for every step.
fn data<R: Arithmetic>(lengths: &[usize], resets: bool, rng: &mut Rng) -> Dataset<R> {
    let mut tokens = |n: usize| (0..n).map(|_| rng.below(VOCABULARY as u64) as u32).collect::<Vec<_>>();
    let inputs: Vec<Vec<u32>> = lengths.iter().map(|&n| tokens(n)).collect();
    let steps = lengths.iter().sum();
    let targets = Targets::per_step(RowTargets::Classes(tokens(steps)));
    let data = Dataset::new(&inputs, targets).unwrap();
    let mut marks = || (0..steps).map(|_| rng.bernoulli(0.4)).collect();
    if resets { data.resets(marks()).unwrap() } else { data }
}

fn model<R: Arithmetic>(layers: Vec<LayerSpec>) -> Model<R> {
    let model = layers.into_iter().fold(Sequential::new(Input::ids(VOCABULARY)), Sequential::add);
    let model = model.add(Dense::new(VOCABULARY)).seed(3).build().unwrap();
    model.compile(Sgd::new(0.5), Loss::SparseCategoricalCrossentropy, []).unwrap()
}

/// What one layer makes of its input, for sequences of `LENGTHS` in an order, with the masks of a draw.
fn output(shape: Shape, layer: impl Into<LayerSpec>, input: &Signal<f64>, draw: Option<Draw>) -> Vec<f64> {
    let mut network = Network::<f64>::build(shape, &[layer.into()], false).unwrap();
    let parameters = vec![1.0; network.parameters().last().map_or(0, |p| p.range.end)];
    let (layout, order) = Layout::new(&LENGTHS);
    let pass =
        |layout| Pass { parameters: &parameters, layout, order: &order, draw, keep: true, again: false };
    network.prepare(&parameters);
    network.start(LENGTHS.len(), None);
    network.body(&pass(&layout), |to| to.clone_from(input));
    network.output().to_vec()
}

const DRAW: Option<Draw> = Some(Draw { seed: 4, epoch: 2, step: 9 });

#[test]
fn variational_dropout_drops_the_same_features_at_every_step() {
    let width = 40;
    let (layout, order) = Layout::new(&LENGTHS);
    let ones = Signal::Values(vec![1.0; layout.rows() * width]);
    let layer = Dropout::new(0.3).variational(true);
    let run = |layer: Dropout, draw| output(Shape::Steps(width), layer, &ones, draw);
    let dropped = run(layer, DRAW);
    let row = |values: &[f64], t: usize, b: usize| {
        let row = layout.offsets()[t] + b;
        values[row * width..(row + 1) * width].to_vec()
    };
    for (b, &sequence) in order.iter().enumerate() {
        for t in 0..LENGTHS[sequence] {
            assert_eq!(row(&dropped, t, b), row(&dropped, 0, b), "sequence {sequence}, step {t}");
        }
    }
    assert_ne!(row(&dropped, 0, 0), row(&dropped, 0, 1), "sequences have masks of their own");
    assert!(dropped.iter().all(|&x| x == 0.0 || x == 1.0 / 0.7));
    let zeros = dropped.iter().filter(|x| **x == 0.0).count() as f64 / dropped.len() as f64;
    // 120 draws: five standard deviations.
    assert!((zeros - 0.3).abs() < 0.21, "{zeros}");
    for other in [Draw { seed: 5, ..DRAW.unwrap() }, Draw { step: 10, ..DRAW.unwrap() }] {
        assert_ne!(run(layer, Some(other)), dropped, "{other:?}");
    }
    let of_steps = run(Dropout::new(0.3), DRAW);
    assert_ne!(row(&of_steps, 0, 0), row(&of_steps, 1, 0), "without it steps have masks of their own");
    let untouched = vec![1.0; layout.rows() * width];
    assert_eq!(run(layer, None), untouched);
    assert_eq!(run(Dropout::new(0.0).variational(true), DRAW), untouched);
}

#[test]
fn a_dropped_token_is_dropped_wherever_it_stands() {
    let vocabulary = 200;
    let (layout, _) = Layout::new(&LENGTHS);
    let ids: Vec<u32> = (0..layout.rows() as u32).map(|row| row * 7 % 5).collect();
    let layer = Embedding::new(3).dropout(0.4);
    let run =
        |ids: &[u32], draw| output(Shape::Ids(vocabulary), layer.clone(), &Signal::Ids(ids.to_vec()), draw);
    let dropped = run(&ids, DRAW);
    for (i, a) in dropped.chunks_exact(3).enumerate() {
        assert!(a == [0.0; 3] || a == [1.0 / 0.6; 3], "{a:?}");
        for (j, b) in dropped.chunks_exact(3).enumerate() {
            assert!(ids[i] != ids[j] || a == b, "token {} in rows {i} and {j}", ids[i]);
        }
    }
    assert_eq!(run(&ids, None), vec![1.0; ids.len() * 3]);
    // How many of all tokens are dropped: five standard deviations.
    let mut zeros = 0;
    for some in (0..vocabulary as u32).collect::<Vec<_>>().chunks_exact(10) {
        let rows: Vec<u32> = some.iter().cycle().copied().take(layout.rows()).collect();
        zeros += run(&rows, DRAW)[..10 * 3].chunks_exact(3).filter(|row| row[0] == 0.0).count();
    }
    assert!((zeros as f64 / 200.0 - 0.4).abs() < 0.17, "{zeros} of 200");
    assert_ne!(run(&ids, DRAW), run(&ids, Some(Draw { step: 8, ..DRAW.unwrap() })));
}

/// The layers of a language model that drops tokens and, over time, features.
fn dropping(cell: &str, two: bool, rate: f64) -> Vec<LayerSpec> {
    let between = || LayerSpec::from(Dropout::new(rate).variational(true));
    let mut layers = vec![Embedding::new(3).dropout(rate).into(), between()];
    if two {
        layers.extend([recurrent(cell, 2, true, 0.0), between()]);
    }
    layers.extend([recurrent(cell, 3, true, 0.0), between()]);
    layers
}

/// The gradient of `layers`, with the masks of a seed, by differences: ragged, with resets, of one to seven steps.
fn by_differences(name: &str, layers: impl Fn(&str, bool) -> Vec<LayerSpec>) {
    let mut seed = 0;
    for cell in CELLS {
        for two in [false, true] {
            for kind in ["dense", "ragged", "reset"] {
                for steps in [1, 2, 7] {
                    seed += 1;
                    let mut rng = keyed(seed, 0, 0, 0);
                    let mut model = model::<f64>(layers(cell, two));
                    randomise(&mut model, &mut rng);
                    let lengths = if kind == "ragged" { [steps / 2, steps, 0] } else { [steps; 3] };
                    let data = data(&lengths, kind == "reset", &mut rng);
                    let initial = Some(states(&model, 3, &mut rng));
                    let name = format!("{name}, {cell}, two layers {two}, {kind}, T {steps}");
                    check(&name, &Case { model, data, initial, dropout: Some(seed) });
                }
            }
        }
    }
}

#[test]
fn gradients_with_dropped_tokens_and_features() {
    by_differences("dropped", |cell, two| dropping(cell, two, 0.3));
}

/// One row per sequence, behind the end of time.
#[test]
fn gradients_behind_the_end_of_time() {
    let mut rng = keyed(1, 0, 0, 0);
    let layers =
        vec![OneHot.into(), recurrent("lstm", 3, false, 0.0), Dropout::new(0.4).variational(true).into()];
    let mut model = model::<f64>(layers);
    randomise(&mut model, &mut rng);
    let inputs = vec![vec![1u32, 2, 3], vec![], vec![5]];
    let data = Dataset::new(&inputs, &vec![3u32, 0, 4]).unwrap();
    check("flat", &Case { model, data, initial: None, dropout: Some(7) });
}

/// Segments draw the masks of the whole.
#[test]
fn checkpointed_gradients_have_the_same_bits() {
    for cell in CELLS {
        let mut model = model::<f32>(dropping(cell, true, 0.3));
        models::randomise(&mut model, 5);
        let data = data(&[150, 70, 3], true, &mut keyed(8, 0, 0, 0));
        let gradients = |bptt| model.gradients(&data, None, bptt, Some(3)).unwrap().parameters;
        assert_same_bits(cell, &gradients(Bptt::Checkpointed), &gradients(Bptt::Full));
    }
}

/// At rate 0, and outside of training at any rate, the bits are those of a model without.
#[test]
fn off_is_as_if_it_were_not_there() {
    for cell in CELLS {
        let without =
            vec![Embedding::new(3).into(), recurrent(cell, 2, true, 0.0), recurrent(cell, 3, true, 0.0)];
        let mut without = model::<f32>(without);
        models::randomise(&mut without, 5);
        let data = data(&LENGTHS, true, &mut keyed(8, 0, 0, 0));
        let with = |rate, seed| {
            let mut model = model::<f32>(dropping(cell, true, rate));
            model.values_mut().copy_from_slice(without.values());
            model.gradients(&data, None, Bptt::Full, seed).unwrap().parameters
        };
        let expected = without.gradients(&data, None, Bptt::Full, Some(1)).unwrap().parameters;
        assert_same_bits(cell, &with(0.0, Some(1)), &expected);
        assert_same_bits(cell, &with(0.3, None), &expected);
        assert_ne!(with(0.3, Some(1)), expected);
    }
}

#[test]
fn a_training_is_the_same_at_any_thread_count() {
    let train = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let between = || Dropout::new(0.2).variational(true);
            let layer = |units| Lstm::new(units).return_sequences(true);
            let mut model = model::<f32>(vec![
                Embedding::new(24).dropout(0.2).into(),
                between().into(),
                layer(64).into(),
                between().into(),
                layer(40).into(),
                between().into(),
            ]);
            let data = data(&[40, 30, 0, 25, 40, 12, 33, 20], true, &mut keyed(8, 0, 0, 0));
            let fit = Fit { epochs: 2, batch_size: 4, clip_norm: Some(1.0), ..Fit::default() };
            model.fit_data(&data, None, &fit).unwrap();
            model.values().to_vec()
        })
    };
    let one = train(1);
    for threads in [2, 4] {
        assert_same_bits("weights", &train(threads), &one);
    }
}

#[test]
fn options_come_back_from_their_written_form() {
    let layers: Vec<LayerSpec> = vec![
        Embedding::new(3).tied(true).dropout(0.1).into(),
        Dropout::new(0.3).variational(true).into(),
        Dropout::new(0.3).into(),
    ];
    let written = serde_json::to_value(&layers).unwrap();
    assert_eq!(written[0]["tied"], true);
    assert_eq!(written[1]["variational"], true);
    assert!(written[2].get("variational").is_none(), "what is off is not written");
    assert_eq!(serde_json::from_value::<Vec<LayerSpec>>(written).unwrap(), layers);
    let wrong = serde_json::from_str::<LayerSpec>(r#"{"type": "dense", "units": 3, "variational": true}"#);
    assert!(wrong.unwrap_err().to_string().contains("no option `variational`"));
}

#[test]
fn impossible_rates_are_named() {
    for rate in [-0.1, 1.0, f64::NAN] {
        let model = Sequential::new(Input::ids(5)).add(Embedding::new(3).dropout(rate)).add(Dense::new(2));
        match model.build::<f32>() {
            Err(Error::Config { place, message }) => {
                assert_eq!(place, "layer `embedding`");
                assert!(message.contains("`dropout` is") && message.contains("[0, 1)"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}
