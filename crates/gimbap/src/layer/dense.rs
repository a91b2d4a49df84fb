//! Dense layers and activations, on every row.

use std::ops::Range;

use gimbap_kernels::outer::{Buffers, CHUNK, Left, Output, Sum, Term, add_outer_products};
use gimbap_kernels::packed::{Matrix, Onto, Packed, multiply};
use gimbap_kernels::rows::{self, Function};
use gimbap_kernels::{Arithmetic, team};

use super::{Activation, Builder, Dense, Layer, Pass, Shape, Signal, Tied, blocks};
use crate::derived::Derived;
use crate::{Error, Result};

impl Activation {
    /// Applies it to rows of `width` values.
    pub fn apply<R: Arithmetic>(self, values: &mut [R], width: usize) {
        match self {
            Activation::Linear => {}
            Activation::Tanh => rows::apply(Function::Tanh, values),
            Activation::Sigmoid => rows::apply(Function::Sigmoid, values),
            Activation::Relu => rows::apply(Function::Relu, values),
            Activation::Softmax => values.chunks_exact_mut(width).for_each(|row| {
                rows::softmax(row);
            }),
        }
    }

    /// Turns the gradient of its output `y` into that of its input, in place.
    pub fn backward<R: Arithmetic>(self, y: &[R], d: &mut [R], width: usize) {
        let pairs = d.iter_mut().zip(y);
        match self {
            Activation::Linear => {}
            Activation::Tanh => pairs.for_each(|(d, y)| *d *= R::ONE - *y * *y),
            Activation::Sigmoid => pairs.for_each(|(d, y)| *d *= *y * (R::ONE - *y)),
            Activation::Relu => pairs.for_each(|(d, y)| *d = if *y > R::ZERO { *d } else { R::ZERO }),
            Activation::Softmax => {
                for (d, y) in d.chunks_exact_mut(width).zip(y.chunks_exact(width)) {
                    let inner: R = d.iter().zip(y).map(|(d, y)| *d * *y).sum();
                    d.iter_mut().zip(y).for_each(|(d, y)| *d = *y * (*d - inner));
                }
            }
        }
    }
}

/// Units in a part of a packed matrix: parts are packed by several threads, and each stays in the cache while all rows
/// go by.
const UNITS_AT_ONCE: usize = 1024;
/// More multiply-adds than this are shared out to threads.
const PARALLEL_FROM: usize = 1 << 16;

#[derive(Clone, Debug)]
struct DenseLayer<R> {
    input: Shape,
    units: usize,
    activation: Activation,
    w: Range<usize>,
    b: Range<usize>,
    /// `w` is an embedding's `[units, I]`.
    tied: bool,
    forward: Parts<R>,
    backward: Parts<R>,
    buffers: Buffers<R>,
}

/// `W` `[I, units]`, or its transpose, packed in parts of [`UNITS_AT_ONCE`] units once after each change.
#[derive(Clone, Debug)]
struct Parts<R>(Derived<Vec<Packed<R>>>);

impl<R: Arithmetic> Parts<R> {
    /// Packs the matrix that `part` makes of some units, unless nothing has changed.
    fn pack<'a>(&mut self, units: usize, part: impl Fn(Range<usize>) -> Matrix<'a, R> + Sync) {
        self.0.make(|parts| {
            parts.resize_with(units.div_ceil(UNITS_AT_ONCE), Packed::default);
            let starts = (0..units).step_by(UNITS_AT_ONCE);
            let matrices = starts.map(|first| part(first..(first + UNITS_AT_ONCE).min(units)));
            let tasks = parts.iter_mut().zip(matrices);
            team::each(rayon::current_num_threads(), tasks, |(packed, matrix)| packed.pack(matrix, 1));
        });
    }

    /// `y = x W + b`: every output is one chain of multiply-adds in the order of the inputs.
    fn forward(&self, x: &[R], i: usize, b: &[R], y: &mut [R]) {
        let units = b.len();
        let threads = threads(y.len() * i);
        if y.len() == units {
            // One row: its units are shared out.
            let tasks = self.0.get().iter().zip(b.chunks(UNITS_AT_ONCE)).zip(y.chunks_mut(UNITS_AT_ONCE));
            return team::each(threads, tasks, |((packed, b), y)| {
                multiply(packed, 1, (x, i), (y, b.len()), Onto::Row(b));
            });
        }
        let at_once = (y.len() / units).div_ceil(threads).max(1);
        let tasks = y.chunks_mut(at_once * units).zip(x.chunks(at_once * i));
        team::each(threads, tasks, |(y, x)| {
            for (part, (packed, b)) in self.0.get().iter().zip(b.chunks(UNITS_AT_ONCE)).enumerate() {
                let y = &mut y[part * UNITS_AT_ONCE..];
                multiply(packed, x.len() / i, (x, i), (y, units), Onto::Row(b));
            }
        });
    }

    /// `d_x = d W^T`, part by part: every output is one chain of multiply-adds in the order of the units.
    fn backward(&self, d: &[R], units: usize, d_x: &mut [R], i: usize) {
        let threads = threads(d.len() * i);
        let at_once = (d_x.len() / i).div_ceil(threads).max(1);
        let tasks = d_x.chunks_mut(at_once * i).zip(d.chunks(at_once * units));
        team::each(threads, tasks, |(d_x, d)| {
            for (part, packed) in self.0.get().iter().enumerate() {
                let onto = if part == 0 { Onto::Zero } else { Onto::Output };
                multiply(packed, d_x.len() / i, (&d[part * UNITS_AT_ONCE..], units), (&mut *d_x, i), onto);
            }
        });
    }
}

/// Threads for so many multiply-adds.
fn threads(work: usize) -> usize {
    if work > PARALLEL_FROM { rayon::current_num_threads() } else { 1 }
}

pub(super) fn build<R: Arithmetic>(
    spec: &Dense,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let (i, units) = (builder.features(input)?, spec.units);
    builder.positive("units", units)?;
    builder.penalty(spec.l2)?;
    let tied = builder.take_tied();
    let w = match &tied {
        Some(embedding) => check_tied(embedding, spec, i, builder)?,
        None => builder.add_kernel("w", (input, units), spec.l2, spec.kernel_init, (i, units)),
    };
    let b = builder.add("b", &[units], 0.0, spec.bias_init, (i, units));
    let layer = DenseLayer {
        input,
        units,
        activation: spec.activation,
        w,
        b,
        tied: tied.is_some(),
        forward: Parts(Derived::default()),
        backward: Parts(Derived::default()),
        buffers: Buffers::default(),
    };
    Ok((Box::new(layer), if input.has_steps() { Shape::Steps(units) } else { Shape::Flat(units) }))
}

/// The place of an embedding's vectors, if they fit as the weights of a dense layer over `i` features.
fn check_tied(embedding: &Tied, spec: &Dense, i: usize, builder: &Builder) -> Result<Range<usize>> {
    let Tied { layer, vocabulary, units, parameters } = embedding;
    let message = if spec.units != *vocabulary {
        format!(
            "has {} units, but its weights are those of layer `{layer}` (`tied`), of {vocabulary} tokens: give it \
             {vocabulary} units",
            spec.units
        )
    } else if i != *units {
        format!(
            "takes {i} features, but its weights are the vectors of layer `{layer}` (`tied`), of {units}: give the \
             layer in front of it {units} units, or the vectors {i}"
        )
    } else if spec.l2 != 0.0 {
        format!("has an `l2`, but its weights are those of layer `{layer}` (`tied`): give `l2` to that layer")
    } else {
        return Ok(parameters.clone());
    };
    Err(Error::config(builder.place(), message))
}

impl<R: Arithmetic> DenseLayer<R> {
    /// Adds the gradients of `w` and `b`, over the rows of `chunks`.
    fn add_gradients(&mut self, x: Left<'_, R>, d: &[R], chunks: &[Range<usize>], gradients: &mut [R]) {
        let (i, units) = (self.input.width(), self.units);
        // The weights lie in front of the bias: the layer's own, or an embedding's.
        let (before, from_b) = gradients.split_at_mut(self.b.start);
        let d_w = Output::new(&mut before[self.w.clone()], if self.tied { i } else { units });
        let d_b = Output::new(&mut from_b[..units], units);
        let bias = Term { left: Left::One, output: &d_b, column: 0 };
        let mut terms = vec![bias];
        match x {
            Left::Matrix(x) if self.tied => {
                let terms = vec![Term { left: Left::Matrix(d), output: &d_w, column: 0 }];
                add_outer_products(&mut self.buffers, (x, i), chunks, &[Sum { columns: 0..i, terms }]);
            }
            x => terms.insert(0, Term { left: x, output: &d_w, column: 0 }),
        }
        add_outer_products(&mut self.buffers, (d, units), chunks, &[Sum { columns: 0..units, terms }]);
    }
}

impl<R: Arithmetic> Layer<R> for DenseLayer<R> {
    fn renew(&mut self) {
        self.forward.0.renew();
        self.backward.0.renew();
    }

    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        let (i, units) = (self.input.width(), self.units);
        let (w, b) = (&pass.parameters[self.w.clone()], &pass.parameters[self.b.clone()]);
        let output = output.values_mut();
        match input {
            Signal::Ids(ids) => {
                output.clear();
                for &id in ids {
                    let row = &w[id as usize * units..][..units];
                    output.extend(row.iter().zip(b).map(|(w, b)| *w + *b));
                }
            }
            Signal::Values(x) => {
                output.resize(x.len() / i * units, R::ZERO);
                let (row_stride, column_stride) = if self.tied { (1, i) } else { (units, 1) };
                self.forward.pack(units, |part| Matrix {
                    values: &w[part.start * column_stride..],
                    k: i,
                    gates: 1,
                    units: part.len(),
                    row_stride,
                    column_stride,
                });
                self.forward.forward(x, i, b, output);
            }
        }
        self.activation.apply(output, units);
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        output: &Signal<R>,
        d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        gradients: &mut [R],
    ) {
        let (i, units) = (self.input.width(), self.units);
        self.activation.backward(output.values(), d_output, units);
        let mut chunks = Vec::new();
        for rows in blocks(pass.layout, self.input.has_steps()) {
            chunks.extend(rows.clone().step_by(CHUNK).map(|first| first..(first + CHUNK).min(rows.end)));
        }
        let x = match input {
            Signal::Ids(ids) => Left::OneHot { ids, scale: None },
            Signal::Values(x) => Left::Matrix(x),
        };
        self.add_gradients(x, d_output, &chunks, gradients);
        if let Some(d_input) = d_input {
            d_input.resize(d_output.len() / units * i, R::ZERO);
            let w = &pass.parameters[self.w.clone()];
            let (row_stride, column_stride) = if self.tied { (i, 1) } else { (1, units) };
            self.backward.pack(units, |part| Matrix {
                values: &w[part.start * row_stride..],
                k: part.len(),
                gates: 1,
                units: i,
                row_stride,
                column_stride,
            });
            self.backward.backward(d_output, units, d_input, i);
        }
    }
}

#[derive(Clone, Debug)]
struct ActivationLayer {
    activation: Activation,
    width: usize,
}

pub(super) fn activation<R: Arithmetic>(
    activation: Activation,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let width = builder.features(input)?;
    if activation == Activation::Softmax && width < 2 {
        return Err(Error::config(builder.place(), "softmax over one feature is always 1: use sigmoid"));
    }
    Ok((Box::new(ActivationLayer { activation, width }), input))
}

impl<R: Arithmetic> Layer<R> for ActivationLayer {
    fn forward(&mut self, _pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        let output = output.values_mut();
        output.clear();
        output.extend_from_slice(input.values());
        self.activation.apply(output, self.width);
    }

    fn backward(
        &mut self,
        _pass: &Pass<'_, R>,
        _input: &Signal<R>,
        output: &Signal<R>,
        d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        _gradients: &mut [R],
    ) {
        if let Some(d_input) = d_input {
            self.activation.backward(output.values(), d_output, self.width);
            std::mem::swap(d_input, d_output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::layout::Layout;
    use crate::network::Network;
    use crate::rng::keyed;

    /// As many rows and units as make several parts and go to all threads.
    #[test]
    fn a_wide_layer_over_many_rows_is_two_plain_products() {
        let (n, i, units) = (39, 5, 2 * UNITS_AT_ONCE + 100);
        assert!(n * units > PARALLEL_FROM);
        let mut rng = keyed(1, 2, 3, 4);
        let mut draw = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        let (x, values, d_y) = (draw(n * i), draw((i + 1) * units), draw(n * units));
        let mut network = Network::build(Shape::Steps(i), &[Dense::new(units).into()], false).unwrap();
        let (layout, order) = Layout::new(&vec![1; n]);
        let pass = Pass {
            parameters: &values,
            layout: &layout,
            order: &order,
            draw: None,
            keep: true,
            again: false,
        };
        network.body(&pass, |input| *input = Signal::Values(x.clone()));
        network.output_and_gradient().1.clone_from(&d_y);
        let (mut d_x, mut gradients) = (Vec::new(), vec![0.0; values.len()]);
        network.backward_body(&pass, Some(&mut d_x), &mut gradients);

        let close = |what: &str, got: f32, terms: &dyn Fn(usize) -> (f32, f32), count: usize| {
            let products = (0..count).map(|k| f64::from(terms(k).0) * f64::from(terms(k).1));
            let expected: f64 = products.sum();
            assert!((f64::from(got) - expected).abs() < 1e-3, "{what}: {got} and {expected}");
        };
        let (w, b) = values.split_at(i * units);
        let (d_w, d_b) = gradients.split_at(i * units);
        let y = network.output();
        for j in 0..units {
            for row in 0..n {
                let before_bias = y[row * units + j] - b[j];
                close("y", before_bias, &|k| (x[row * i + k], w[k * units + j]), i);
            }
            for k in 0..i {
                close("d_w", d_w[k * units + j], &|row| (x[row * i + k], d_y[row * units + j]), n);
            }
            close("d_b", d_b[j], &|row| (1.0, d_y[row * units + j]), n);
        }
        for (place, d_x) in d_x.iter().enumerate() {
            let (row, k) = (place / i, place % i);
            close("d_x", *d_x, &|j| (d_y[row * units + j], w[k * units + j]), units);
        }
    }
}
