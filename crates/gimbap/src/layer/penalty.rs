//! Penalties on what a layer gives: adds to the loss and leaves the values as they are.

use gimbap_kernels::Arithmetic;

use super::{Builder, Layer, Pass, Penalty, Shape, Signal};
use crate::data::layout::Layout;
use crate::{Error, Result};

#[derive(Clone, Debug)]
struct PenaltyLayer {
    spec: Penalty,
    width: usize,
    /// Of the last forward call.
    value: f64,
}

pub(super) fn build<R: Arithmetic>(
    spec: &Penalty,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let width = builder.steps(input)?;
    for (name, value) in [("alpha", spec.alpha), ("beta", spec.beta)] {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Error::config(
                builder.place(),
                format!("`{name}` is {value}; it must be at least 0"),
            ));
        }
    }
    Ok((Box::new(PenaltyLayer { spec: *spec, width, value: 0.0 }), input))
}

/// The rows of neighbouring steps of a sequence, the earlier one first; none across a reset.
fn pairs(layout: &Layout) -> impl Iterator<Item = (usize, usize)> + '_ {
    (1..layout.steps()).flat_map(|t| {
        let (before, here, resets) = (layout.offsets()[t - 1], layout.offsets()[t], layout.resets(t));
        let follows = move |&b: &usize| resets.is_none_or(|marks| !marks[b]);
        (0..layout.active(t)).filter(follows).map(move |b| (before + b, here + b))
    })
}

impl PenaltyLayer {
    /// What the sums over rows and over pairs are multiplied by.
    fn scales(&self, layout: &Layout) -> (f64, f64) {
        let mean = |factor: f64, rows: usize| factor / (rows * self.width).max(1) as f64;
        let of_pairs = if self.spec.beta > 0.0 { mean(self.spec.beta, pairs(layout).count()) } else { 0.0 };
        (mean(self.spec.alpha, layout.rows()), of_pairs)
    }

    fn value<R: Arithmetic>(&self, layout: &Layout, x: &[R]) -> f64 {
        let (of_rows, of_pairs) = self.scales(layout);
        let row = |row: usize| &x[row * self.width..(row + 1) * self.width];
        let mut value = 0.0;
        if of_rows > 0.0 {
            value += of_rows * x.iter().map(|x| x.to_f64().powi(2)).sum::<f64>();
        }
        if of_pairs > 0.0 {
            let change = |(before, here): (usize, usize)| -> f64 {
                row(before).iter().zip(row(here)).map(|(x, y)| (*y - *x).to_f64().powi(2)).sum()
            };
            value += of_pairs * pairs(layout).map(change).sum::<f64>();
        }
        value
    }
}

impl<R: Arithmetic> Layer<R> for PenaltyLayer {
    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        let (x, output) = (input.values(), output.values_mut());
        output.clear();
        output.extend_from_slice(x);
        self.value = if pass.keep { self.value(pass.layout, x) } else { 0.0 };
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        _output: &Signal<R>,
        d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        _gradients: &mut [R],
    ) {
        let Some(d_x) = d_input else { return };
        std::mem::swap(d_x, d_output);
        let x = input.values();
        let (of_rows, of_pairs) = self.scales(pass.layout);
        if of_rows > 0.0 {
            let scale = R::from_f64(2.0 * of_rows);
            d_x.iter_mut().zip(x).for_each(|(d, x)| *d += scale * *x);
        }
        if of_pairs > 0.0 {
            let scale = R::from_f64(2.0 * of_pairs);
            for (before, here) in pairs(pass.layout) {
                for (before, here) in (before * self.width..).zip(here * self.width..(here + 1) * self.width)
                {
                    let d = scale * (x[here] - x[before]);
                    d_x[here] += d;
                    d_x[before] -= d;
                }
            }
        }
    }

    fn penalty(&self) -> f64 {
        self.value
    }

    fn runs_in_segments(&self) -> std::result::Result<(), &'static str> {
        Err("penalises the means over a whole batch, so it cannot run in segments: train with full BPTT")
    }
}
