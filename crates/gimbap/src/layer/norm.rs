//! Layer normalisation over the features of each row.

use std::ops::Range;

use gimbap_kernels::Arithmetic;

use super::{Builder, Layer, LayerNorm, Pass, Shape, Signal, blocks, take};
use crate::init::Initializer;
use crate::{Error, Result};

#[derive(Clone, Debug)]
struct LayerNormLayer<R> {
    epsilon: R,
    input: Shape,
    parameters: Range<usize>,
    /// `1 / sqrt(variance + epsilon)` of each row.
    scale: Vec<R>,
    /// `(x - mean) * scale`.
    normal: Vec<R>,
}

pub(super) fn build<R: Arithmetic>(
    spec: &LayerNorm,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let width = builder.features(input)?;
    if spec.epsilon.is_nan() || spec.epsilon <= 0.0 {
        return Err(Error::config(
            builder.place(),
            format!("`epsilon` is {}; it must be above 0", spec.epsilon),
        ));
    }
    let gamma = builder.add("gamma", &[width], 0.0, Initializer::Ones, (width, width));
    let beta = builder.add("beta", &[width], 0.0, Initializer::Zeros, (width, width));
    let (epsilon, parameters) = (R::from_f64(spec.epsilon), gamma.start..beta.end);
    let layer = LayerNormLayer { epsilon, input, parameters, scale: Vec::new(), normal: Vec::new() };
    Ok((Box::new(layer), input))
}

fn mean<R: Arithmetic>(values: impl ExactSizeIterator<Item = R>) -> R {
    let n = R::from_f64(values.len() as f64);
    values.sum::<R>() / n
}

impl<R: Arithmetic> Layer<R> for LayerNormLayer<R> {
    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        let width = self.input.width();
        let (gamma, beta) = pass.parameters[self.parameters.clone()].split_at(width);
        let output = output.values_mut();
        output.clear();
        self.scale.clear();
        self.normal.clear();
        for row in input.values().chunks_exact(width) {
            let centre = mean(row.iter().copied());
            let variance = mean(row.iter().map(|x| (*x - centre) * (*x - centre)));
            let scale = R::ONE / (variance + self.epsilon).sqrt();
            self.scale.push(scale);
            for ((x, gamma), beta) in row.iter().zip(gamma).zip(beta) {
                let normal = (*x - centre) * scale;
                self.normal.push(normal);
                output.push(normal * *gamma + *beta);
            }
        }
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        _input: &Signal<R>,
        _output: &Signal<R>,
        d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        gradients: &mut [R],
    ) {
        let width = self.input.width();
        let mut part = &mut gradients[self.parameters.clone()];
        let (d_gamma, d_beta) = (take(&mut part, width), part);
        for rows in blocks(pass.layout, self.input.has_steps()) {
            let values = rows.start * width..rows.end * width;
            let normals = self.normal[values.clone()].chunks_exact(width);
            for (d, normal) in d_output[values].chunks_exact(width).zip(normals) {
                d_gamma.iter_mut().zip(d.iter().zip(normal)).for_each(|(to, (d, x))| *to += *d * *x);
                gimbap_kernels::rows::add(d_beta, d);
            }
        }
        let Some(d_input) = d_input else { return };
        let gamma = &pass.parameters[self.parameters.start..][..width];
        let rows = d_output.chunks_exact_mut(width).zip(self.normal.chunks_exact(width));
        for ((d, normal), scale) in rows.zip(&self.scale) {
            d.iter_mut().zip(gamma).for_each(|(d, gamma)| *d *= *gamma);
            let d_mean = mean(d.iter().copied());
            let d_spread = mean(d.iter().zip(normal).map(|(d, x)| *d * *x));
            d.iter_mut().zip(normal).for_each(|(d, x)| *d = (*d - d_mean - *x * d_spread) * *scale);
        }
        std::mem::swap(d_input, d_output);
    }
}
