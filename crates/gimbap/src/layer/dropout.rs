//! Dropout between layers, and the masks of all that drops.

use gimbap_kernels::Arithmetic;

use super::{Builder, Dropout, Layer, Pass, Shape, Signal};
use crate::Result;
use crate::rng::Rng;

/// Adds `count` draws to a mask: zero with probability `rate`, else what keeps the mean, `1 / (1 - rate)`.
pub(super) fn mask<R: Arithmetic>(rng: &mut Rng, count: usize, rate: f64, to: &mut Vec<R>) {
    let kept = R::from_f64(1.0 / (1.0 - rate));
    to.extend((0..count).map(|_| if rng.bernoulli(rate) { R::ZERO } else { kept }));
}

/// A mask `[B, width]`, drawn by sequence and laid out as the layout's rows.
pub(super) fn mask_by_sequence<R: Arithmetic>(
    mut rng: Rng,
    pass: &Pass<'_, R>,
    width: usize,
    rate: f64,
) -> Vec<R> {
    let mut by_sequence = Vec::with_capacity(pass.order.len() * width);
    mask(&mut rng, pass.order.len() * width, rate, &mut by_sequence);
    pass.order.iter().flat_map(|&b| &by_sequence[b * width..(b + 1) * width]).copied().collect()
}

#[derive(Clone, Debug)]
struct DropoutLayer<R> {
    rate: f64,
    variational: bool,
    input: Shape,
    stream: u64,
    mask: Vec<R>,
}

pub(super) fn build<R: Arithmetic>(
    spec: &Dropout,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    builder.features(input)?;
    builder.rate("rate", spec.rate)?;
    let Dropout { rate, variational } = *spec;
    let layer = DropoutLayer { rate, variational, input, stream: builder.stream(0), mask: Vec::new() };
    Ok((Box::new(layer), input))
}

impl<R: Arithmetic> DropoutLayer<R> {
    /// One random stream per time step, or one for all, so that a segment that is run again draws the same.
    fn draw(&mut self, pass: &Pass<'_, R>) {
        self.mask.clear();
        let Some(draw) = pass.draw.filter(|_| self.rate > 0.0) else { return };
        let width = self.input.width();
        let steps = if self.input.has_steps() { pass.layout.steps() } else { 1 };
        let rows = |t| if self.input.has_steps() { pass.layout.active(t) } else { pass.layout.batch() };
        if self.variational {
            let of_batch = mask_by_sequence(draw.rng(self.stream), pass, width, self.rate);
            (0..steps).for_each(|t| self.mask.extend_from_slice(&of_batch[..rows(t) * width]));
            return;
        }
        for t in 0..steps {
            let mut rng = draw.rng(self.stream | ((pass.layout.start() + t) as u64) << 32);
            mask(&mut rng, rows(t) * width, self.rate, &mut self.mask);
        }
    }
}

impl<R: Arithmetic> Layer<R> for DropoutLayer<R> {
    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        self.draw(pass);
        let output = output.values_mut();
        output.clear();
        output.extend_from_slice(input.values());
        output.iter_mut().zip(&self.mask).for_each(|(x, m)| *x *= *m);
    }

    fn backward(
        &mut self,
        _pass: &Pass<'_, R>,
        _input: &Signal<R>,
        _output: &Signal<R>,
        d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        _gradients: &mut [R],
    ) {
        if let Some(d_input) = d_input {
            d_output.iter_mut().zip(&self.mask).for_each(|(d, m)| *d *= *m);
            std::mem::swap(d_input, d_output);
        }
    }
}
