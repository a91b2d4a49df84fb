//! From a sequence to one row: pools over time, and Flatten.

use gimbap_kernels::Arithmetic;

use super::{Builder, Flatten, Layer, Pass, Pool, Shape, Signal};
use crate::Result;

#[derive(Clone, Debug)]
struct PoolLayer<R> {
    pool: Pool,
    width: usize,
    /// `[B, width]`: the last value, the sum or the largest so far.
    value: Vec<R>,
    /// `[B, width]`: the time of the largest.
    place: Vec<usize>,
    /// Steps so far, by row.
    steps: Vec<usize>,
    /// The gradient of the output, and the first step of the segment that it is for.
    d_value: Vec<R>,
    from: usize,
}

pub(super) fn build<R: Arithmetic>(
    pool: Pool,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let width = builder.steps(input)?;
    let layer = PoolLayer {
        pool,
        width,
        value: Vec::new(),
        place: Vec::new(),
        steps: Vec::new(),
        d_value: Vec::new(),
        from: 0,
    };
    Ok((Box::new(layer), Shape::Flat(width)))
}

impl<R: Arithmetic> PoolLayer<R> {
    fn absorb(&mut self, row: usize, time: usize, x: &[R]) {
        let width = self.width;
        let first = self.steps[row] == 0;
        self.steps[row] += 1;
        let value = &mut self.value[row * width..(row + 1) * width];
        match self.pool {
            Pool::Last => value.copy_from_slice(x),
            Pool::Mean => gimbap_kernels::rows::add(value, x),
            Pool::Max => {
                let places = &mut self.place[row * width..(row + 1) * width];
                for ((value, place), x) in value.iter_mut().zip(places).zip(x) {
                    if first || *x > *value {
                        (*value, *place) = (*x, time);
                    }
                }
            }
        }
    }
}

impl<R: Arithmetic> Layer<R> for PoolLayer<R> {
    fn start(&mut self, batch: usize, _initial: Option<&[crate::sequence::State<R>]>) {
        self.value.clear();
        self.value.resize(batch * self.width, R::ZERO);
        self.place.clear();
        self.place.resize(batch * self.width, 0);
        self.steps.clear();
        self.steps.resize(batch, 0);
    }

    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, _output: &mut Signal<R>) {
        if pass.again {
            return;
        }
        let x = input.values();
        for t in 0..pass.layout.steps() {
            let rows = pass.layout.rows_of(t..t + 1);
            for (b, row) in rows.enumerate() {
                self.absorb(b, pass.layout.start() + t, &x[row * self.width..(row + 1) * self.width]);
            }
        }
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        _input: &Signal<R>,
        _output: &Signal<R>,
        _d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        _gradients: &mut [R],
    ) {
        let Some(d_input) = d_input else { return };
        let width = self.width;
        d_input.clear();
        d_input.resize(pass.layout.rows() * width, R::ZERO);
        for t in self.from..pass.layout.steps() {
            let time = pass.layout.start() + t;
            for (b, row) in pass.layout.rows_of(t..t + 1).enumerate() {
                let d_x = &mut d_input[row * width..(row + 1) * width];
                let d = &self.d_value[b * width..(b + 1) * width];
                match self.pool {
                    Pool::Last if time + 1 == self.steps[b] => d_x.copy_from_slice(d),
                    Pool::Last => {}
                    Pool::Mean => {
                        let share = R::ONE / R::from_f64(self.steps[b] as f64);
                        d_x.iter_mut().zip(d).for_each(|(d_x, d)| *d_x = *d * share);
                    }
                    Pool::Max => {
                        let places = &self.place[b * width..(b + 1) * width];
                        for ((d_x, d), _) in d_x.iter_mut().zip(d).zip(places).filter(|(_, p)| **p == time) {
                            *d_x = *d;
                        }
                    }
                }
            }
        }
    }

    fn ends_time(&self) -> bool {
        true
    }

    fn emit(&mut self, output: &mut Vec<R>) {
        output.clone_from(&self.value);
        if self.pool == Pool::Mean {
            for (row, &steps) in output.chunks_exact_mut(self.width).zip(&self.steps) {
                let share = R::ONE / R::from_f64(steps.max(1) as f64);
                row.iter_mut().for_each(|x| *x *= share);
            }
        }
    }

    fn memory(&self) -> Vec<f64> {
        let steps = self.steps.first().map(|&steps| steps as f64);
        steps.into_iter().chain(self.value.iter().map(|x| x.to_f64())).collect()
    }

    fn recall(&mut self, memory: &[f64]) {
        if let [steps, values @ ..] = memory {
            self.steps[0] = *steps as usize;
            self.value.iter_mut().zip(values).for_each(|(to, x)| *to = R::from_f64(*x));
        }
    }

    fn begin_backward(&mut self, d_output: &[R], from: usize, _ends_here: &[bool]) {
        self.d_value.clear();
        self.d_value.extend_from_slice(d_output);
        self.from = from;
    }

    fn step(&mut self, _pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        self.absorb(0, 0, input.values());
        let output = output.values_mut();
        self.emit(output);
    }
}

#[derive(Clone, Debug)]
struct FlattenLayer<R> {
    steps: usize,
    width: usize,
    value: Vec<R>,
    d_value: Vec<R>,
}

pub(super) fn flatten<R: Arithmetic>(
    spec: &Flatten,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let width = builder.steps(input)?;
    builder.positive("steps", spec.steps)?;
    let layer = FlattenLayer { steps: spec.steps, width, value: Vec::new(), d_value: Vec::new() };
    Ok((Box::new(layer), Shape::Flat(spec.steps * width)))
}

impl<R: Arithmetic> FlattenLayer<R> {
    /// Where row `b` of step `t` of the layout begins in `[B, T I]`.
    fn at(&self, t: usize, b: usize) -> usize {
        (b * self.steps + t) * self.width
    }
}

impl<R: Arithmetic> Layer<R> for FlattenLayer<R> {
    fn start(&mut self, batch: usize, _initial: Option<&[crate::sequence::State<R>]>) {
        self.value.clear();
        self.value.resize(batch * self.steps * self.width, R::ZERO);
    }

    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, _output: &mut Signal<R>) {
        for t in 0..pass.layout.steps() {
            for (b, row) in pass.layout.rows_of(t..t + 1).enumerate() {
                let (at, width) = (self.at(t, b), self.width);
                self.value[at..at + width].copy_from_slice(&input.values()[row * width..(row + 1) * width]);
            }
        }
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        _input: &Signal<R>,
        _output: &Signal<R>,
        _d_output: &mut Vec<R>,
        d_input: Option<&mut Vec<R>>,
        _gradients: &mut [R],
    ) {
        let Some(d_input) = d_input else { return };
        d_input.clear();
        for t in 0..pass.layout.steps() {
            for b in 0..pass.layout.active(t) {
                let at = self.at(t, b);
                d_input.extend_from_slice(&self.d_value[at..at + self.width]);
            }
        }
    }

    fn ends_time(&self) -> bool {
        true
    }

    fn emit(&mut self, output: &mut Vec<R>) {
        output.clone_from(&self.value);
    }

    fn begin_backward(&mut self, d_output: &[R], _from: usize, _ends_here: &[bool]) {
        self.d_value.clear();
        self.d_value.extend_from_slice(d_output);
    }

    fn runs_in_segments(&self) -> std::result::Result<(), &'static str> {
        Err("flattens each sequence and needs it whole")
    }

    fn streams(&self) -> std::result::Result<(), &'static str> {
        self.runs_in_segments()
    }
}
