//! Models of every kind and data for them, for the tests that compare one way of running a model with another.
#![allow(dead_code)] // each test file uses a part

use gimbap::Arithmetic;
use gimbap::layer::{LayerSpec, Recurrent};
use gimbap::loss::RowTargets;
use gimbap::ndarray::{Array2, Array3};
use gimbap::prelude::*;
use gimbap::rng::{Rng, keyed};

/// Features of an input step, tokens of a vocabulary, outputs of a model.
pub const FEATURES: usize = 3;
pub const VOCABULARY: usize = 7;
pub const OUTPUTS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Tanh,
    Relu,
    Lstm,
    GruAfter,
    GruBefore,
}

pub const CELLS: [Cell; 5] = [Cell::Tanh, Cell::Relu, Cell::Lstm, Cell::GruAfter, Cell::GruBefore];

/// What is built around a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Last,
    Steps,
    Stack,
    StackLast,
    PoolLast,
    PoolMean,
    PoolMax,
    Bidirectional(Merge),
    BidirectionalLast,
    Backwards,
    BackwardsLast,
    OneHot,
    OneHotWritten,
    Embedding,
    Dropped,
    DroppedLast,
    DroppedTokens,
}

pub const FORMS: [Form; 20] = [
    Form::Last,
    Form::Steps,
    Form::Stack,
    Form::StackLast,
    Form::PoolLast,
    Form::PoolMean,
    Form::PoolMax,
    Form::Bidirectional(Merge::Concat),
    Form::Bidirectional(Merge::Sum),
    Form::Bidirectional(Merge::Mul),
    Form::Bidirectional(Merge::Ave),
    Form::BidirectionalLast,
    Form::Backwards,
    Form::BackwardsLast,
    Form::OneHot,
    Form::OneHotWritten,
    Form::Embedding,
    Form::Dropped,
    Form::DroppedLast,
    Form::DroppedTokens,
];

impl Form {
    /// Token ids, or features.
    pub fn takes_ids(self) -> bool {
        matches!(self, Form::OneHot | Form::OneHotWritten | Form::Embedding | Form::DroppedTokens)
    }

    /// An output for every step, or for every sequence.
    pub fn per_step(self) -> bool {
        match self {
            Form::Last | Form::StackLast | Form::PoolLast | Form::PoolMean | Form::PoolMax => false,
            Form::BidirectionalLast | Form::BackwardsLast | Form::DroppedLast | Form::Embedding => false,
            Form::Steps | Form::Stack | Form::Bidirectional(_) | Form::Backwards => true,
            Form::OneHot | Form::OneHotWritten | Form::Dropped | Form::DroppedTokens => true,
        }
    }

    /// Needs nothing that comes later: can run in segments and step by step.
    pub fn is_causal(self) -> bool {
        !matches!(
            self,
            Form::Bidirectional(_) | Form::BidirectionalLast | Form::Backwards | Form::BackwardsLast
        )
    }

    pub fn is_pooled(self) -> bool {
        matches!(self, Form::PoolLast | Form::PoolMean | Form::PoolMax)
    }

    /// Classes under cross-entropy; values under squared errors otherwise.
    pub fn classifies(self) -> bool {
        matches!(self, Form::OneHot | Form::DroppedTokens)
    }
}

#[derive(Clone, Copy, Default)]
pub struct Options {
    pub sequences: bool,
    pub backwards: bool,
    pub dropout: f64,
    pub recurrent_dropout: f64,
}

/// A recurrent layer of a cell.
pub fn layer(cell: Cell, units: usize, options: Options) -> LayerSpec {
    fn with<K>(layer: Recurrent<K>, options: Options) -> Recurrent<K> {
        layer
            .return_state(true)
            .return_sequences(options.sequences)
            .go_backwards(options.backwards)
            .dropout(options.dropout)
            .recurrent_dropout(options.recurrent_dropout)
    }
    match cell {
        Cell::Tanh => with(SimpleRnn::new(units), options).into(),
        Cell::Relu => with(SimpleRnn::irnn(units), options).into(),
        Cell::Lstm => with(Lstm::new(units), options).into(),
        Cell::GruAfter => with(Gru::new(units), options).into(),
        Cell::GruBefore => with(Gru::new(units).reset_after(false), options).into(),
    }
}

/// A model of `units` hidden units, compiled, at random weights.
pub fn model<R: Arithmetic>(cell: Cell, form: Form, units: usize, seed: u64) -> Model<R> {
    let last = Options::default();
    let steps = Options { sequences: true, ..last };
    let input = if form.takes_ids() { Input::ids(VOCABULARY) } else { Input::features(FEATURES) };
    let dropped = |sequences| Options { sequences, dropout: 0.3, recurrent_dropout: 0.4, ..last };
    let s = Sequential::new(input);
    let body = match form {
        Form::Last => s.add(layer(cell, units, last)),
        Form::Steps => s.add(layer(cell, units, steps)),
        Form::Stack => s
            .add(layer(cell, units, steps))
            .add(LayerNorm::default())
            .add(Activation::Tanh)
            .add(Dropout::new(0.2))
            .add(layer(cell, units + 1, steps)),
        Form::StackLast => s.add(layer(cell, units, steps)).add(layer(cell, units + 1, last)),
        Form::PoolLast => s.add(layer(cell, units, steps)).add(Pool::Last),
        Form::PoolMean => s.add(layer(cell, units, steps)).add(Pool::Mean),
        Form::PoolMax => s.add(layer(cell, units, steps)).add(Pool::Max),
        Form::Bidirectional(merge) => s.add(Bidirectional::new(layer(cell, units, steps)).merge(merge)),
        Form::BidirectionalLast => s.add(Bidirectional::new(layer(cell, units, last))),
        Form::Backwards => s.add(layer(cell, units, Options { backwards: true, ..steps })),
        Form::BackwardsLast => s.add(layer(cell, units, Options { backwards: true, ..last })),
        Form::OneHot => s.add(OneHot).add(layer(cell, units, steps)),
        Form::OneHotWritten => s.add(OneHot).add(LayerNorm::default()).add(layer(cell, units, steps)),
        Form::Embedding => s.add(Embedding::new(4).padding_id(0)).add(layer(cell, units, last)),
        Form::Dropped => s.add(layer(cell, units, dropped(true))).add(Dropout::new(0.3)),
        Form::DroppedLast => s.add(layer(cell, units, dropped(false))).add(Dropout::new(0.3)),
        Form::DroppedTokens => s.add(OneHot).add(layer(cell, units, dropped(true))),
    };
    let (body, loss) = if form.classifies() {
        (
            body.add(Dense::new(VOCABULARY).activation(Activation::Softmax)),
            Loss::SparseCategoricalCrossentropy,
        )
    } else {
        (body.add(Dense::new(OUTPUTS)), Loss::Mse)
    };
    let mut model = body.build::<R>().unwrap().compile(Adam::default(), loss, []).unwrap();
    randomise(&mut model, seed);
    model
}

/// Random weights, asymmetric and away from their initial values; one embedding row stays zero.
pub fn randomise<R: Arithmetic>(model: &mut Model<R>, seed: u64) {
    let mut rng = keyed(seed, 1, 0, 0);
    let padding =
        model.layers().iter().any(|l| matches!(l, LayerSpec::Embedding(e) if e.padding_id.is_some()));
    for w in model.values_mut() {
        *w = R::from_f64(0.4 * rng.normal());
    }
    if padding {
        let width = model.parameters()[0].shape[1];
        model.values_mut()[..width].fill(R::ZERO);
    }
}

/// One sequence with targets of every kind: each model takes what it needs.
#[derive(Clone, Debug)]
pub struct Sequence<R> {
    pub length: usize,
    pub x: Vec<R>,
    pub ids: Vec<u32>,
    /// `[length, outputs]`.
    pub y: Vec<R>,
    pub outputs: usize,
    pub classes: Vec<u32>,
    pub y_end: Vec<R>,
}

impl<R: Arithmetic> Sequence<R> {
    pub fn random(length: usize, rng: &mut Rng) -> Self {
        let values = |n: usize, rng: &mut Rng| (0..n).map(|_| R::from_f64(rng.normal())).collect();
        let tokens = |rng: &mut Rng| (0..length).map(|_| rng.below(VOCABULARY as u64) as u32).collect();
        Sequence {
            length,
            x: values(length * FEATURES, rng),
            ids: tokens(rng),
            y: values(length * OUTPUTS, rng),
            outputs: OUTPUTS,
            classes: tokens(rng),
            y_end: values(OUTPUTS, rng),
        }
    }

    pub fn many(lengths: &[usize], seed: u64) -> Vec<Self> {
        let mut rng = keyed(seed, 2, 0, 0);
        lengths.iter().map(|&length| Self::random(length, &mut rng)).collect()
    }

    /// The steps from `start` to `end`, as far as it has them.
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let (start, end) = (start.min(self.length), end.min(self.length));
        Sequence {
            length: end - start,
            x: self.x[start * FEATURES..end * FEATURES].to_vec(),
            ids: self.ids[start..end].to_vec(),
            y: self.y[start * self.outputs..end * self.outputs].to_vec(),
            outputs: self.outputs,
            classes: self.classes[start..end].to_vec(),
            y_end: self.y_end.clone(),
        }
    }
}

/// The same steps of all sequences.
pub fn slices<R: Arithmetic>(sequences: &[Sequence<R>], start: usize, end: usize) -> Vec<Sequence<R>> {
    sequences.iter().map(|s| s.slice(start, end)).collect()
}

pub fn lengths<R>(sequences: &[Sequence<R>]) -> Vec<usize> {
    sequences.iter().map(|s| s.length).collect()
}

/// What a model of this form takes; sequences may be empty.
pub fn inputs<R: Arithmetic>(form: Form, sequences: &[Sequence<R>]) -> Sequences<R> {
    if form.takes_ids() {
        return Sequences::from(&sequences.iter().map(|s| s.ids.clone()).collect::<Vec<_>>()).allow_empty();
    }
    let x = sequences.iter().flat_map(|s| s.x.clone()).collect();
    Sequences::features(x, FEATURES, &lengths(sequences)).unwrap().allow_empty()
}

/// What a model of this form is trained on.
pub fn dataset<R: Arithmetic>(form: Form, sequences: &[Sequence<R>]) -> Dataset<R> {
    let rows = match (form.classifies(), form.per_step()) {
        (true, _) => RowTargets::Classes(sequences.iter().flat_map(|s| s.classes.clone()).collect()),
        (false, true) => RowTargets::Values {
            values: sequences.iter().flat_map(|s| s.y.clone()).collect(),
            width: OUTPUTS,
        },
        (false, false) => RowTargets::Values {
            values: sequences.iter().flat_map(|s| s.y_end.clone()).collect(),
            width: OUTPUTS,
        },
    };
    let targets = if form.per_step() { Targets::per_step(rows) } else { Targets::per_sequence(rows) };
    Dataset::new(inputs(form, sequences), targets).unwrap()
}

/// The same from padded arrays of `steps` steps. The padding holds `fill`, and of ids one beyond the vocabulary.
pub fn padded<R: Arithmetic>(form: Form, sequences: &[Sequence<R>], steps: usize, fill: R) -> Dataset<R>
where
    Targets<R>: for<'a> From<&'a Array3<R>>,
{
    let lengths = lengths(sequences);
    let batch = sequences.len();
    let beyond = VOCABULARY as u32 + 90;
    let id = |of: fn(&Sequence<R>) -> &[u32]| {
        Array2::from_shape_fn((batch, steps), |(b, t)| of(&sequences[b]).get(t).copied().unwrap_or(beyond))
    };
    let value = |of: fn(&Sequence<R>) -> &[R], width: usize| {
        Array3::from_shape_fn((batch, steps, width), |(b, t, j)| {
            of(&sequences[b]).get(t * width + j).copied().unwrap_or(fill)
        })
    };
    let x = if form.takes_ids() {
        Sequences::padded_ids(&id(|s| &s.ids), &lengths).unwrap()
    } else {
        Sequences::padded(value(|s| &s.x, FEATURES).view(), &lengths).unwrap()
    };
    let targets: Targets<R> = match (form.classifies(), form.per_step()) {
        (true, _) => (&id(|s| &s.classes)).into(),
        (false, true) => (&value(|s| &s.y, OUTPUTS)).into(),
        (false, false) => {
            let values = sequences.iter().flat_map(|s| s.y_end.clone()).collect();
            Targets::per_sequence(RowTargets::Values { values, width: OUTPUTS })
        }
    };
    Dataset::new(x.allow_empty(), targets).unwrap()
}

/// Bits, of either type.
pub fn bits<'a, R: Arithmetic>(values: impl IntoIterator<Item = &'a R>) -> Vec<u64> {
    values.into_iter().map(|x| x.to_f64().to_bits()).collect()
}

/// Fails where two arrays differ in a bit, naming the first place.
pub fn assert_same_bits<'a, R: Arithmetic>(
    what: &str,
    a: impl IntoIterator<Item = &'a R>,
    b: impl IntoIterator<Item = &'a R>,
) {
    let (a, b) = (bits(a), bits(b));
    assert_eq!(a.len(), b.len(), "{what}: arrays of different lengths");
    if let Some(place) = a.iter().zip(&b).position(|(a, b)| a != b) {
        let (x, y) = (f64::from_bits(a[place]), f64::from_bits(b[place]));
        let differ = a.iter().zip(&b).filter(|(a, b)| a != b).count();
        panic!("{what}: {x:e} and {y:e} at place {place}; {differ} of {} differ", a.len());
    }
}

/// The largest distance between two arrays, as a part of the largest value of the second (at least `floor`).
pub fn distance<'a, R: Arithmetic>(
    a: impl IntoIterator<Item = &'a R>,
    b: impl IntoIterator<Item = &'a R>,
    floor: f64,
) -> f64 {
    let (a, b): (Vec<f64>, Vec<f64>) =
        (a.into_iter().map(|x| x.to_f64()).collect(), b.into_iter().map(|x| x.to_f64()).collect());
    assert_eq!(a.len(), b.len(), "arrays of different lengths");
    let largest = b.iter().fold(floor, |m, x| m.max(x.abs()));
    let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, |m, d| if d.is_nan() { f64::INFINITY } else { m.max(d) }) / largest
}
