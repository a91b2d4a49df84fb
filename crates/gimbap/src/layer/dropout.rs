//! Dropout between layers: a mask of its own for every value of every step.

use gimbap_kernels::Arithmetic;

use super::{Builder, Dropout, Layer, Pass, Shape, Signal};
use crate::Result;

#[derive(Debug)]
struct DropoutLayer<R> {
    rate: f64,
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
    let layer = DropoutLayer { rate: spec.rate, input, stream: builder.stream(0), mask: Vec::new() };
    Ok((Box::new(layer), input))
}

impl<R: Arithmetic> DropoutLayer<R> {
    /// One random stream per time step, so that a segment that is run again draws the same.
    fn draw(&mut self, pass: &Pass<'_, R>) {
        self.mask.clear();
        let Some(draw) = pass.draw.filter(|_| self.rate > 0.0) else { return };
        let kept = R::from_f64(1.0 / (1.0 - self.rate));
        let steps = if self.input.has_steps() { pass.layout.steps() } else { 1 };
        for t in 0..steps {
            let rows = if self.input.has_steps() { pass.layout.active(t) } else { pass.layout.batch() };
            let mut rng = draw.rng(self.stream | ((pass.layout.start() + t) as u64) << 32);
            let values = rows * self.input.width();
            self.mask.extend((0..values).map(|_| if rng.bernoulli(self.rate) { R::ZERO } else { kept }));
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
