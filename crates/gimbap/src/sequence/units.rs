//! A cell's arithmetic over some units of the rows of one step, vector by vector.
//!
//! No closure here takes part in the arithmetic: one that is not inlined would be compiled without the instruction
//! set's features.

use std::ops::Range;

use gimbap_kernels::{Arithmetic, Kernel, Real, Token};

use crate::cell::{Cell, MAX_STATES, Planes};

/// Loads a value of each plane: `planes[p * stride..][..width]`.
#[inline(always)]
fn load<T: Token, P: Planes<T::V>>(token: T, planes: &[T::Elem], stride: usize, width: usize) -> P {
    let mut values = P::splat(token.splat(T::Elem::ZERO));
    for (p, value) in values.values_mut().iter_mut().enumerate() {
        *value = token.load(&planes[p * stride..p * stride + width]);
    }
    values
}

/// The reverse of [`load`].
#[inline(always)]
fn store<T: Token, P: Planes<T::V>>(
    token: T,
    planes: &mut [T::Elem],
    stride: usize,
    width: usize,
    values: P,
) {
    for (p, &value) in values.values().iter().enumerate() {
        token.store(&mut planes[p * stride..p * stride + width], value);
    }
}

/// Loads the states of the units `at`.
#[inline(always)]
fn load_state<T: Token, P: Planes<T::V>>(token: T, states: &[&[T::Elem]; MAX_STATES], at: Range<usize>) -> P {
    let mut values = P::splat(token.splat(T::Elem::ZERO));
    for (state, value) in states.iter().zip(values.values_mut()) {
        *value = token.load(&state[at.clone()]);
    }
    values
}

#[inline(always)]
fn store_state<T: Token, P: Planes<T::V>>(
    token: T,
    states: &mut [&mut [T::Elem]; MAX_STATES],
    at: Range<usize>,
    values: P,
) {
    for (state, &value) in states.iter_mut().zip(values.values()) {
        token.store(&mut state[at.clone()], value);
    }
}

/// [`Cell::forward`]: from a tile of pre-activations `[rows, P units]` to the states `[rows, H]`, and what backward
/// needs into the planes `[rows, P H]`, if they are asked for.
pub(super) struct Forward<'a, R, C> {
    pub(super) cell: C,
    pub(super) rows: usize,
    pub(super) hidden: usize,
    pub(super) units: Range<usize>,
    pub(super) tile: &'a [R],
    pub(super) prev: [&'a [R]; MAX_STATES],
    pub(super) next: [&'a mut [R]; MAX_STATES],
    pub(super) planes: Option<&'a mut [R]>,
}

impl<R: Arithmetic, C: Cell> Kernel<R> for Forward<'_, R, C> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let Forward { cell, rows, hidden, units, tile, prev, mut next, mut planes } = self;
        let count = <C::Step<T::V> as Planes<T::V>>::COUNT;
        let width = units.len();
        for row in 0..rows {
            let tile = &tile[row * count * width..(row + 1) * count * width];
            for unit in (0..width).step_by(T::WIDTH) {
                let lanes = T::WIDTH.min(width - unit);
                let first = row * hidden + units.start + unit;
                let at = first..first + lanes;
                let step = load::<T, C::Step<T::V>>(token, &tile[unit..], width, lanes);
                let (state, step) = cell.forward(step, load_state(token, &prev, at.clone()));
                store_state(token, &mut next, at, state);
                if let Some(planes) = &mut planes {
                    store(
                        token,
                        &mut planes[row * count * hidden + units.start + unit..],
                        hidden,
                        lanes,
                        step,
                    );
                }
            }
        }
    }
}

/// [`Cell::operand`]: from a tile of pre-activations to the planes `[rows, P H]`.
pub(super) struct Operand<'a, R, C> {
    pub(super) cell: C,
    pub(super) rows: usize,
    pub(super) hidden: usize,
    pub(super) units: Range<usize>,
    pub(super) tile: &'a [R],
    pub(super) h_prev: &'a [R],
    pub(super) planes: &'a mut [R],
}

impl<R: Arithmetic, C: Cell> Kernel<R> for Operand<'_, R, C> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let Operand { cell, rows, hidden, units, tile, h_prev, planes } = self;
        let count = <C::Step<T::V> as Planes<T::V>>::COUNT;
        let width = units.len();
        for row in 0..rows {
            let tile = &tile[row * count * width..(row + 1) * count * width];
            for unit in (0..width).step_by(T::WIDTH) {
                let lanes = T::WIDTH.min(width - unit);
                let first = row * hidden + units.start + unit;
                let step = load::<T, C::Step<T::V>>(token, &tile[unit..], width, lanes);
                let prev = load_state(token, &[h_prev, h_prev], first..first + lanes);
                let step = cell.operand(step, prev);
                store(token, &mut planes[row * count * hidden + units.start + unit..], hidden, lanes, step);
            }
        }
    }
}

/// [`Cell::backward`], in place on the planes `[rows, P H]` and on the states' gradients `[rows, H]`.
pub(super) struct Backward<'a, R, C> {
    pub(super) cell: C,
    pub(super) rows: usize,
    pub(super) hidden: usize,
    pub(super) units: Range<usize>,
    pub(super) planes: &'a mut [R],
    pub(super) prev: [&'a [R]; MAX_STATES],
    pub(super) next: [&'a [R]; MAX_STATES],
    pub(super) d_output: Option<&'a [R]>,
    pub(super) d_state: [&'a mut [R]; MAX_STATES],
}

impl<R: Arithmetic, C: Cell> Kernel<R> for Backward<'_, R, C> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let Backward { cell, rows, hidden, units, planes, prev, next, d_output, mut d_state } = self;
        let count = <C::Step<T::V> as Planes<T::V>>::COUNT;
        for row in 0..rows {
            for unit in units.clone().step_by(T::WIDTH) {
                let lanes = T::WIDTH.min(units.end - unit);
                let at = row * hidden + unit..row * hidden + unit + lanes;
                let planes = &mut planes[row * count * hidden + unit..];
                let step = load::<T, C::Step<T::V>>(token, planes, hidden, lanes);
                let mut d_next = C::State::<T::V>::splat(token.splat(R::ZERO));
                for (d_state, d) in d_state.iter().zip(d_next.values_mut()) {
                    *d = token.load(&d_state[at.clone()]);
                }
                if let Some(d_output) = d_output {
                    d_next.values_mut()[0] = d_next.values()[0] + token.load(&d_output[at.clone()]);
                }
                let prev = load_state(token, &prev, at.clone());
                let (step, d_prev) = cell.backward(step, prev, load_state(token, &next, at.clone()), d_next);
                store(token, planes, hidden, lanes, step);
                store_state(token, &mut d_state, at, d_prev);
            }
        }
    }
}

/// [`Cell::operand_backward`], in place on the planes `[rows, P H]`, from the operand's gradient `[rows, H]`.
pub(super) struct OperandBackward<'a, R, C> {
    pub(super) cell: C,
    pub(super) rows: usize,
    pub(super) hidden: usize,
    pub(super) units: Range<usize>,
    pub(super) planes: &'a mut [R],
    pub(super) h_prev: &'a [R],
    pub(super) d_operand: &'a [R],
    pub(super) d_h_prev: &'a mut [R],
}

impl<R: Arithmetic, C: Cell> Kernel<R> for OperandBackward<'_, R, C> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let OperandBackward { cell, rows, hidden, units, planes, h_prev, d_operand, d_h_prev } = self;
        let count = <C::Step<T::V> as Planes<T::V>>::COUNT;
        for row in 0..rows {
            for unit in units.clone().step_by(T::WIDTH) {
                let lanes = T::WIDTH.min(units.end - unit);
                let at = row * hidden + unit..row * hidden + unit + lanes;
                let planes = &mut planes[row * count * hidden + unit..];
                let step = load::<T, C::Step<T::V>>(token, planes, hidden, lanes);
                let prev = load_state(token, &[h_prev, h_prev], at.clone());
                let (step, d) = cell.operand_backward(step, prev, token.load(&d_operand[at.clone()]));
                store(token, planes, hidden, lanes, step);
                let d = d + token.load(&d_h_prev[at.clone()]);
                token.store(&mut d_h_prev[at], d);
            }
        }
    }
}
