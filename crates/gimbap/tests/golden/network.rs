//! A model's network run forward and backward with given gradients of its outputs and last states; and the way
//! between the fixtures' arrays, batch first and padded, and a layout's rows.

use gimbap::Arithmetic;
use gimbap::data::batch::Batch;
use gimbap::data::dataset::Sequences;
use gimbap::layer::{Pass, Shape};
use gimbap::model::{Input, Model};
use gimbap::network::{Network, States};
use gimbap::sequence::State;

use crate::fixture::{Fixture, Golden};

/// Sets every parameter to the tensor that `name` makes of its name in [`tensor_names`].
pub fn set_parameters<R: Arithmetic>(model: &mut Model<R>, fixture: &Fixture, name: impl Fn(&str) -> String) {
    for (tensor, parameter) in tensor_names(model) {
        let tensor = name(&tensor);
        assert_eq!(model.parameter(&parameter).unwrap().shape(), fixture.shape(&tensor), "{tensor}");
        model.set_parameter(&parameter, &fixture.values(&tensor)).unwrap();
    }
}

/// Each parameter's name as the fixtures have it, `layer.1.forward.w_x`, and its own,
/// `bidirectional_1.forward.w_x`.
pub fn tensor_names<R: Arithmetic>(model: &Model<R>) -> Vec<(String, String)> {
    let layers: Vec<String> = model.describe().unwrap().into_iter().map(|(name, ..)| name).collect();
    let names = model.parameters().iter().map(|p| {
        let (layer, array) = p.name.split_once('.').unwrap();
        let number = layers.iter().position(|name| name == layer).unwrap();
        (format!("layer.{number}.{array}"), p.name.clone())
    });
    names.collect()
}

/// `tensor` with `d_` in front of its last part: `layer.0.d_w_x`.
pub fn gradient_name(tensor: &str) -> String {
    match tensor.rsplit_once('.') {
        Some((prefix, array)) => format!("{prefix}.d_{array}"),
        None => format!("d_{tensor}"),
    }
}

/// Compares every parameter's values, or gradients, with the tensor that `name` makes of its name in
/// [`tensor_names`].
pub fn compare_parameters<R: Arithmetic>(
    golden: &mut Golden<'_>,
    model: &Model<R>,
    values: &[R],
    name: impl Fn(&str) -> String,
) {
    for ((tensor, _), parameter) in tensor_names(model).iter().zip(model.parameters()) {
        golden.compare(&name(tensor), &values[parameter.range.clone()]);
    }
}

/// What a forward and a backward pass give; sequences in the fixture's order, padded with zeros.
pub struct Passes<R> {
    /// `[B, T, H]`.
    pub y: Vec<R>,
    /// The last states.
    pub states: States<R>,
    /// Shaped as the model's parameters.
    pub gradients: Vec<R>,
    /// `[B, T, I]`; of ids, nothing.
    pub d_x: Vec<R>,
    /// Of the initial states.
    pub d_initial: States<R>,
}

/// Runs both passes. `initial`, `d_y` `[B, T, H]` and `d_states` are in the fixture's order.
pub fn run<R: Arithmetic>(
    model: &Model<R>,
    x: &Sequences<R>,
    initial: &States<R>,
    d_y: &[R],
    d_states: &States<R>,
) -> Passes<R> {
    let (shape, wants_d_x) = match model.input() {
        Input::Features(i) => (Shape::Steps(i), true),
        Input::Ids(v) => (Shape::Ids(v), false),
    };
    let mut network = Network::build(shape, model.layers(), false).unwrap();
    network.renew();
    let sequences: Vec<usize> = (0..x.len()).collect();
    let batch = Batch::inputs(x, &sequences);
    let (layout, order) = (&batch.layout, &batch.order[..]);
    network.start(x.len(), Some(&to_rows(initial, order)));
    let pass = Pass { parameters: model.values(), layout, order, draw: None, keep: true, again: false };
    network.body(&pass, |input| *input = batch.input.clone());
    let y = pad(&batch, network.output(), network.output_shape().width());
    let states = from_rows(&network.states(), order);
    network.set_d_states(&to_rows(d_states, order));
    let mut gradients = vec![R::ZERO; model.values().len()];
    let mut d_x = Vec::new();
    let d_y = pack(&batch, d_y, network.output_shape().width());
    network.output_and_gradient().1.clone_from(&d_y);
    network.backward_body(&pass, wants_d_x.then_some(&mut d_x), &mut gradients);
    let d_x = if wants_d_x { pad(&batch, &d_x, shape.width()) } else { Vec::new() };
    Passes { y, states, gradients, d_x, d_initial: from_rows(&network.d_states(), order) }
}

/// For every row of the layout, its place in a padded array `[B, T]`.
fn places<R: Arithmetic>(batch: &Batch<R>) -> impl Iterator<Item = usize> + '_ {
    let layout = &batch.layout;
    let row = move |(t, b): (usize, usize)| batch.order[b] * layout.steps() + t;
    (0..layout.steps()).flat_map(move |t| (0..layout.active(t)).map(move |b| (t, b))).map(row)
}

/// A layout's rows as a padded array.
fn pad<R: Arithmetic>(batch: &Batch<R>, rows: &[R], width: usize) -> Vec<R> {
    let mut padded = vec![R::ZERO; batch.layout.batch() * batch.layout.steps() * width];
    for (place, row) in places(batch).zip(rows.chunks_exact(width)) {
        padded[place * width..(place + 1) * width].copy_from_slice(row);
    }
    padded
}

/// A padded array as a layout's rows.
fn pack<R: Arithmetic>(batch: &Batch<R>, padded: &[R], width: usize) -> Vec<R> {
    places(batch).flat_map(|place| &padded[place * width..(place + 1) * width]).copied().collect()
}

fn to_rows<R: Arithmetic>(states: &States<R>, order: &[usize]) -> States<R> {
    each_plane(states, |plane| {
        let units = plane.len() / order.len();
        order.iter().flat_map(|&b| &plane[b * units..(b + 1) * units]).copied().collect()
    })
}

fn from_rows<R: Arithmetic>(states: &States<R>, order: &[usize]) -> States<R> {
    let mut rows: Vec<usize> = (0..order.len()).collect();
    rows.sort_by_key(|&row| order[row]);
    to_rows(states, &rows)
}

fn each_plane<R: Arithmetic>(states: &States<R>, change: impl Fn(&Vec<R>) -> Vec<R>) -> States<R> {
    let state = |state: &State<R>| State(state.0.each_ref().map(&change));
    states.iter().map(|layer| layer.iter().map(state).collect()).collect()
}
