//! Dense layers and activations, on every row.

use std::ops::Range;

use gimbap_kernels::packed::{Matrix, Onto, Packed, multiply};
use gimbap_kernels::rows::{self, Function};
use gimbap_kernels::{Arithmetic, View, product};

use super::{Activation, Builder, Dense, Layer, Pass, Shape, Signal, blocks, take};
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

/// Blocks of up to this many rows use the packed product, others the large one.
const FEW_ROWS: usize = 8;

#[derive(Debug)]
struct DenseLayer<R> {
    input: Shape,
    units: usize,
    activation: Activation,
    parameters: Range<usize>,
    packed: Packed<R>,
    stale: bool,
}

pub(super) fn build<R: Arithmetic>(
    spec: &Dense,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let (i, units) = (builder.features(input)?, spec.units);
    builder.positive("units", units)?;
    builder.penalty(spec.l2)?;
    let w = builder.add("w", &[i, units], spec.l2, spec.kernel_init, (i, units));
    let b = builder.add("b", &[units], 0.0, spec.bias_init, (i, units));
    let (activation, parameters) = (spec.activation, w.start..b.end);
    let layer = DenseLayer { input, units, activation, parameters, packed: Packed::new(), stale: true };
    Ok((Box::new(layer), if input.has_steps() { Shape::Steps(units) } else { Shape::Flat(units) }))
}

impl<R: Arithmetic> Layer<R> for DenseLayer<R> {
    fn prepare(&mut self, _parameters: &[R]) {
        self.stale = true;
    }

    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        let (i, units) = (self.input.width(), self.units);
        let (w, b) = pass.parameters[self.parameters.clone()].split_at(i * units);
        let output = output.values_mut();
        output.clear();
        match input {
            Signal::Ids(ids) => {
                for &id in ids {
                    let row = &w[id as usize * units..][..units];
                    output.extend(row.iter().zip(b).map(|(w, b)| *w + *b));
                }
            }
            Signal::Values(x) => {
                let n = x.len() / i;
                for _ in 0..n {
                    output.extend_from_slice(b);
                }
                for rows in blocks(pass.layout, self.input.has_steps()) {
                    let n = rows.len();
                    let (x, output) =
                        (&x[rows.start * i..rows.end * i], &mut output[rows.start * units..rows.end * units]);
                    if n <= FEW_ROWS {
                        if std::mem::take(&mut self.stale) {
                            let matrix = Matrix {
                                values: w,
                                k: i,
                                gates: 1,
                                units,
                                row_stride: units,
                                column_stride: 1,
                            };
                            self.packed.pack(matrix, 1);
                        }
                        multiply(&self.packed, n, (x, i), (output, units), Onto::Output);
                    } else {
                        product((output, units), true, View::new(x, n, i, i), View::new(w, i, units, units));
                    }
                }
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
        let mut part = &mut gradients[self.parameters.clone()];
        let (d_w, d_b) = (take(&mut part, i * units), part);
        for rows in blocks(pass.layout, self.input.has_steps()) {
            let n = rows.len();
            let d = &d_output[rows.start * units..rows.end * units];
            match input {
                Signal::Ids(ids) => {
                    for (&id, d) in ids[rows].iter().zip(d.chunks_exact(units)) {
                        gimbap_kernels::rows::add(&mut d_w[id as usize * units..][..units], d);
                    }
                }
                Signal::Values(x) => {
                    let x = View::new(&x[rows.start * i..rows.end * i], n, i, i);
                    product((d_w, units), true, x.transposed(), View::new(d, n, units, units));
                }
            }
            for d in d.chunks_exact(units) {
                gimbap_kernels::rows::add(d_b, d);
            }
        }
        if let Some(d_input) = d_input {
            d_input.resize(d_output.len() / units * i, R::ZERO);
            let w = &pass.parameters[self.parameters.start..][..i * units];
            let w = View::new(w, i, units, units).transposed();
            for rows in blocks(pass.layout, self.input.has_steps()) {
                let d = View::new(&d_output[rows.start * units..rows.end * units], rows.len(), units, units);
                product((&mut d_input[rows.start * i..rows.end * i], i), false, d, w);
            }
        }
    }
}

#[derive(Debug)]
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
