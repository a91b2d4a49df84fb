//! Recurrent layers: alone, stacked, bidirectional, backwards, ragged, all from states that are not zero and with
//! gradients of every output and every last state.

use gimbap::Arithmetic;
use gimbap::data::dataset::Sequences;
use gimbap::layer::spec::Recurrent;
use gimbap::layer::{Activation, Bidirectional, Gru, LayerSpec, Lstm, Merge, SimpleRnn};
use gimbap::model::{DirectionState, Input, LayerState, Model, Sequential};
use gimbap::network::States;
use gimbap::sequence::State;
use serde::Deserialize;

use crate::fixture::{Fixture, Golden};
use crate::network::{self, compare_parameters, gradient_name, set_parameters};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    cell: String,
    inputs: usize,
    units: usize,
    batch: usize,
    steps: usize,
    layers: usize,
    merge: Option<Merge>,
    go_backwards: bool,
    lengths: Option<Vec<usize>>,
}

/// A recurrent layer by the fixtures' name of its cell.
pub fn layer(cell: &str, units: usize, return_sequences: bool, go_backwards: bool) -> LayerSpec {
    fn with<K>(layer: Recurrent<K>, sequences: bool, backwards: bool) -> Recurrent<K> {
        layer.return_sequences(sequences).return_state(true).go_backwards(backwards)
    }
    let (sequences, backwards) = (return_sequences, go_backwards);
    match cell {
        "simple_rnn_tanh" => with(SimpleRnn::new(units), sequences, backwards).into(),
        "simple_rnn_relu" => {
            with(SimpleRnn::new(units).activation(Activation::Relu), sequences, backwards).into()
        }
        "lstm" => with(Lstm::new(units), sequences, backwards).into(),
        "gru_reset_after" => with(Gru::new(units), sequences, backwards).into(),
        "gru_reset_before" => with(Gru::new(units).reset_after(false), sequences, backwards).into(),
        other => panic!("no cell {other}"),
    }
}

impl Case {
    fn model<R: Arithmetic>(&self) -> Model<R> {
        let layer = || -> LayerSpec {
            let layer = layer(&self.cell, self.units, true, self.go_backwards);
            self.merge.map_or(layer.clone(), |merge| Bidirectional::new(layer).merge(merge).into())
        };
        let input = Sequential::new(Input::features(self.inputs));
        (0..self.layers).fold(input, |model, _| model.add(layer())).build().unwrap()
    }

    /// The names' prefixes of each layer's directions.
    fn prefixes(&self) -> Vec<Vec<String>> {
        let directions = |k| match self.merge {
            None => vec![format!("layer.{k}")],
            Some(_) => vec![format!("layer.{k}.forward"), format!("layer.{k}.backward")],
        };
        (0..self.layers).map(directions).collect()
    }

    /// The tensors `PREFIX.[d_]h_{end}`, `c` alike where there is one, of every layer and direction.
    fn state_names(&self, d: &str, end: &str) -> Vec<Vec<Vec<String>>> {
        let states: &[&str] = if self.cell == "lstm" { &["h", "c"] } else { &["h"] };
        let names = |prefix: &String| states.iter().map(|s| format!("{prefix}.{d}{s}_{end}")).collect();
        self.prefixes().iter().map(|directions| directions.iter().map(names).collect()).collect()
    }

    fn states<R: Arithmetic>(&self, fixture: &Fixture, d: &str, end: &str) -> States<R> {
        let state = |names: &Vec<String>| {
            State(std::array::from_fn(|s| names.get(s).map(|name| fixture.values(name)).unwrap_or_default()))
        };
        self.state_names(d, end).iter().map(|layer| layer.iter().map(state).collect()).collect()
    }

    fn compare_states<R: Arithmetic>(&self, golden: &mut Golden<'_>, d: &str, end: &str, found: &States<R>) {
        let names = self.state_names(d, end);
        assert_eq!(names.len(), found.len(), "layers with a state");
        for (names, found) in names.iter().zip(found) {
            assert_eq!(names.len(), found.len(), "directions");
            for (names, State(found)) in names.iter().zip(found) {
                names.iter().zip(found).for_each(|(name, found)| golden.compare(name, found));
            }
        }
    }
}

pub fn compare<R: Arithmetic>(fixture: &Fixture, golden: &mut Golden<'_>) {
    let case: Case = fixture.case();
    let mut model = case.model::<R>();
    set_parameters(&mut model, fixture, str::to_string);
    let lengths = case.lengths.clone().unwrap_or(vec![case.steps; case.batch]);
    assert!(!fixture.has("lengths") || fixture.integers("lengths") == lengths);
    let x = Sequences::padded(fixture.array3::<R>("x").view(), &lengths).unwrap().allow_empty();

    // By the model, which keeps the order of the sequences.
    let direction = |names: &Vec<String>| DirectionState {
        h: fixture.array2(&names[0]),
        c: names.get(1).map(|name| fixture.array2(name)),
    };
    let layers = model.state_layers().unwrap().into_iter().zip(case.state_names("", "0"));
    let initial: Vec<LayerState<R>> = layers
        .map(|(layer, names)| LayerState { layer, directions: names.iter().map(direction).collect() })
        .collect();
    let output = model.run(&x, Some(&initial)).unwrap();
    golden.compare("y", &output.y);
    let planes = |d: &DirectionState<R>| {
        State([d.h.iter().copied().collect(), d.c.iter().flat_map(|c| c.iter().copied()).collect()])
    };
    let last = output.states.iter().map(|layer| layer.directions.iter().map(planes).collect()).collect();
    case.compare_states(golden, "", "n", &last);

    // By its network, with gradients of the outputs and of all last states.
    let (initial, d_last) = (case.states(fixture, "", "0"), case.states(fixture, "d_", "n"));
    let passes = network::run(&model, &x, &initial, &fixture.values("d_y"), &d_last);
    golden.compare("y", &passes.y);
    case.compare_states(golden, "", "n", &passes.states);
    compare_parameters(golden, &model, &passes.gradients, gradient_name);
    golden.compare("d_x", &passes.d_x);
    case.compare_states(golden, "d_", "0", &passes.d_initial);
}
