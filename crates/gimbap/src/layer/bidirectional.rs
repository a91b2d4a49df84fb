//! Two directions over the same sequence, merged.

use gimbap_kernels::Arithmetic;

use super::recurrent::Direction;
use super::{Bidirectional, Builder, Carry, Layer, Merge, Pass, Shape, Signal};
use crate::quantize::Precision;
use crate::sequence::{Kept, State};
use crate::{Error, Result};

/// Both directions; states are those of the forward direction, then of the backward one.
#[derive(Clone, Debug)]
struct BidirectionalLayer<R: Arithmetic> {
    directions: [Direction<R>; 2],
    merge: Merge,
    sequences: bool,
    carry: Carry<R>,
    /// Outputs in the order in which each direction made them.
    h: [Vec<R>; 2],
    /// The backward direction's in the order of time.
    b_in_time: Vec<R>,
    d: [Vec<R>; 2],
    d_x: Vec<R>,
}

pub(super) fn build<R: Arithmetic>(
    spec: &Bidirectional,
    input: Shape,
    builder: &mut Builder,
) -> Result<(Box<dyn Layer<R>>, Shape)> {
    let sequences = spec.layer.recurrent().is_some_and(|layer| layer.return_sequences);
    if spec.layer.recurrent().is_some_and(|layer| layer.go_backwards) {
        return Err(Error::config(builder.place(), "reads in both directions: leave out `go_backwards`"));
    }
    let forward = Direction::new(&spec.layer, input, false, "forward.", builder)?;
    let backward = Direction::new(&spec.layer, input, true, "backward.", builder)?;
    let width = forward.units() * if spec.merge == Merge::Concat { 2 } else { 1 };
    let layer = BidirectionalLayer {
        directions: [forward, backward],
        merge: spec.merge,
        sequences,
        carry: Carry { state: vec![State::default(); 2], ..Carry::default() },
        h: Default::default(),
        b_in_time: Vec::new(),
        d: Default::default(),
        d_x: Vec::new(),
    };
    Ok((Box::new(layer), if sequences { Shape::Steps(width) } else { Shape::Flat(width) }))
}

/// `out = merge(a, b)` for rows of `units`.
fn merge_rows<R: Arithmetic>(merge: Merge, units: usize, a: &[R], b: &[R], out: &mut Vec<R>) {
    out.clear();
    let half = R::from_f64(0.5);
    let pairs = a.iter().zip(b);
    match merge {
        Merge::Concat => {
            for (a, b) in a.chunks_exact(units).zip(b.chunks_exact(units)) {
                out.extend_from_slice(a);
                out.extend_from_slice(b);
            }
        }
        Merge::Sum => out.extend(pairs.map(|(a, b)| *a + *b)),
        Merge::Mul => out.extend(pairs.map(|(a, b)| *a * *b)),
        Merge::Ave => out.extend(pairs.map(|(a, b)| (*a + *b) * half)),
    }
}

/// The gradients of `a` and `b`.
fn unmerge_rows<R: Arithmetic>(
    merge: Merge,
    units: usize,
    d: &[R],
    a: &[R],
    b: &[R],
    [d_a, d_b]: &mut [Vec<R>; 2],
) {
    d_a.clear();
    d_b.clear();
    let half = R::from_f64(0.5);
    match merge {
        Merge::Concat => {
            for row in d.chunks_exact(2 * units) {
                d_a.extend_from_slice(&row[..units]);
                d_b.extend_from_slice(&row[units..]);
            }
        }
        Merge::Sum => {
            d_a.extend_from_slice(d);
            d_b.extend_from_slice(d);
        }
        Merge::Mul => {
            d_a.extend(d.iter().zip(b).map(|(d, b)| *d * *b));
            d_b.extend(d.iter().zip(a).map(|(d, a)| *d * *a));
        }
        Merge::Ave => {
            d_a.extend(d.iter().map(|d| *d * half));
            d_b.extend_from_slice(d_a);
        }
    }
}

/// Moves rows to where `reversal` says.
fn reorder<R: Arithmetic>(rows: &[R], reversal: &[usize], units: usize, into: &mut Vec<R>) {
    into.clear();
    for &row in reversal {
        into.extend_from_slice(&rows[row * units..(row + 1) * units]);
    }
}

impl<R: Arithmetic> Layer<R> for BidirectionalLayer<R> {
    fn renew(&mut self) {
        self.directions.iter_mut().for_each(Direction::renew);
    }

    fn prepare_steps(&mut self, parameters: &[R], precision: Precision) {
        self.directions.iter_mut().for_each(|direction| direction.prepare_steps(parameters, precision));
    }

    fn forward(&mut self, pass: &Pass<'_, R>, input: &Signal<R>, output: &mut Signal<R>) {
        self.carry.initial.clone_from(&self.carry.state);
        for (d, direction) in self.directions.iter_mut().enumerate() {
            direction.forward(pass, input, &mut self.carry.state[d], &mut self.h[d]);
        }
        if self.sequences {
            let units = self.directions[0].units();
            reorder(&self.h[1], self.directions[1].reversal(), units, &mut self.b_in_time);
            merge_rows(self.merge, units, &self.h[0], &self.b_in_time, output.values_mut());
        }
    }

    fn backward(
        &mut self,
        pass: &Pass<'_, R>,
        input: &Signal<R>,
        _output: &Signal<R>,
        d_output: &mut Vec<R>,
        mut d_input: Option<&mut Vec<R>>,
        gradients: &mut [R],
    ) {
        let units = self.directions[0].units();
        if self.sequences {
            unmerge_rows(self.merge, units, d_output, &self.h[0], &self.b_in_time, &mut self.d);
            reorder(&self.d[1], self.directions[1].reversal(), units, &mut self.b_in_time);
            std::mem::swap(&mut self.b_in_time, &mut self.d[1]);
        }
        let Carry { initial, d_state, .. } = &mut self.carry;
        for (d, direction) in self.directions.iter_mut().enumerate() {
            let d_h = self.sequences.then_some(&self.d[d][..]);
            let d_x = match (&mut d_input, d) {
                (None, _) => None,
                (Some(d_input), 0) => Some(&mut **d_input),
                (Some(_), _) => Some(&mut self.d_x),
            };
            let kept = Kept { initial: &initial[d], h: &self.h[d] };
            direction.backward(pass, input, kept, d_h, &mut d_state[d], d_x, gradients);
        }
        if let Some(d_input) = d_input {
            gimbap_kernels::rows::add(d_input, &self.d_x);
        }
    }

    fn ends_time(&self) -> bool {
        !self.sequences
    }

    fn emit(&mut self, output: &mut Vec<R>) {
        let [a, b] = [&self.carry.state[0].0[0], &self.carry.state[1].0[0]];
        merge_rows(self.merge, self.directions[0].units(), a, b, output);
    }

    fn begin_backward(&mut self, d_output: &[R], _from: usize, _ends_here: &[bool]) {
        let [a, b] = [&self.carry.state[0].0[0], &self.carry.state[1].0[0]];
        unmerge_rows(self.merge, self.directions[0].units(), d_output, a, b, &mut self.d);
        for (d_state, d) in self.carry.d_state.iter_mut().zip(&self.d) {
            gimbap_kernels::rows::add(&mut d_state.0[0], d);
        }
    }

    fn inner_steps(&self) -> Option<(&[R], usize)> {
        (!self.sequences).then_some((&self.h[0], self.directions[0].units()))
    }

    fn carry(&self) -> Option<&Carry<R>> {
        Some(&self.carry)
    }

    fn carry_mut(&mut self) -> Option<&mut Carry<R>> {
        Some(&mut self.carry)
    }

    fn state_size(&self) -> (usize, usize) {
        (self.directions[0].states(), self.directions[0].units())
    }

    fn runs_in_segments(&self) -> std::result::Result<(), &'static str> {
        Err("is bidirectional and needs each sequence whole")
    }

    fn streams(&self) -> std::result::Result<(), &'static str> {
        self.runs_in_segments()
    }
}
