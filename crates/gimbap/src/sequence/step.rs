//! A cell's arithmetic over the rows of one step, vector by vector.

use std::ops::Range;

use gimbap_kernels::{Arithmetic, Kernel, Real, Token};

use crate::cell::{Cell, MAX_STATES, Planes};

/// A place in the rows of a step: row `row`, the units from `unit` to `end`, at most a vector of them.
#[derive(Clone, Copy)]
struct At {
    row: usize,
    unit: usize,
    end: usize,
    hidden: usize,
}

/// Every place of the rows, in vectors of `width` units.
struct Places {
    rows: usize,
    width: usize,
    next: At,
}

/// No closure here takes part in the arithmetic: one that is not inlined would be compiled without the instruction
/// set's features.
impl Iterator for Places {
    type Item = At;
    #[inline(always)]
    fn next(&mut self) -> Option<At> {
        let At { row, unit, hidden, .. } = self.next;
        if row == self.rows {
            return None;
        }
        let at = At { row, unit, end: (unit + self.width).min(hidden), hidden };
        self.next =
            if at.end == hidden { At { row: row + 1, unit: 0, ..at } } else { At { unit: at.end, ..at } };
        Some(at)
    }
}

impl At {
    #[inline(always)]
    fn each(rows: usize, hidden: usize, width: usize) -> Places {
        Places { rows, width, next: At { row: 0, unit: 0, end: 0, hidden } }
    }

    #[inline(always)]
    fn in_rows(self) -> Range<usize> {
        self.row * self.hidden + self.unit..self.row * self.hidden + self.end
    }

    #[inline(always)]
    fn load<T: Token, P: Planes<T::V>>(self, token: T, planes: &[T::Elem]) -> P {
        let row = &planes[self.row * P::COUNT * self.hidden..];
        let mut values = P::splat(token.splat(T::Elem::ZERO));
        for (p, value) in values.values_mut().iter_mut().enumerate() {
            *value = token.load(&row[p * self.hidden + self.unit..p * self.hidden + self.end]);
        }
        values
    }

    #[inline(always)]
    fn store<T: Token, P: Planes<T::V>>(self, token: T, planes: &mut [T::Elem], values: P) {
        let row = &mut planes[self.row * P::COUNT * self.hidden..];
        for (p, &value) in values.values().iter().enumerate() {
            token.store(&mut row[p * self.hidden + self.unit..p * self.hidden + self.end], value);
        }
    }

    #[inline(always)]
    fn load_state<T: Token, P: Planes<T::V>>(self, token: T, states: &[&[T::Elem]; MAX_STATES]) -> P {
        let mut values = P::splat(token.splat(T::Elem::ZERO));
        for (s, value) in values.values_mut().iter_mut().enumerate() {
            *value = token.load(&states[s][self.in_rows()]);
        }
        values
    }

    #[inline(always)]
    fn store_state<T: Token, P: Planes<T::V>>(
        self,
        token: T,
        states: &mut [&mut [T::Elem]; MAX_STATES],
        values: P,
    ) {
        for (state, &value) in states.iter_mut().zip(values.values()) {
            token.store(&mut state[self.in_rows()], value);
        }
    }
}

/// [`Cell::forward`] over the rows of a step.
pub(super) struct Forward<'a, R, C> {
    pub(super) cell: C,
    pub(super) hidden: usize,
    pub(super) planes: &'a mut [R],
    pub(super) prev: [&'a [R]; MAX_STATES],
    pub(super) next: [&'a mut [R]; MAX_STATES],
}

impl<R: Arithmetic, C: Cell> Kernel<R> for Forward<'_, R, C> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let Forward { cell, hidden, planes, prev, mut next } = self;
        let rows = next[0].len() / hidden;
        for at in At::each(rows, hidden, T::WIDTH) {
            let step = at.load::<T, C::Step<T::V>>(token, planes);
            let (state, step) = cell.forward(step, at.load_state(token, &prev));
            at.store(token, planes, step);
            at.store_state(token, &mut next, state);
        }
    }
}

/// [`Cell::operand`] over the rows of a step.
pub(super) struct Operand<'a, R, C> {
    pub(super) cell: C,
    pub(super) hidden: usize,
    pub(super) planes: &'a mut [R],
    pub(super) h_prev: &'a [R],
}

impl<R: Arithmetic, C: Cell> Kernel<R> for Operand<'_, R, C> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let Operand { cell, hidden, planes, h_prev } = self;
        let rows = planes.len() / (<C::Step<T::V> as Planes<T::V>>::COUNT * hidden);
        for at in At::each(rows, hidden, T::WIDTH) {
            let step = at.load::<T, C::Step<T::V>>(token, planes);
            let step = cell.operand(step, at.load_state(token, &[h_prev, h_prev]));
            at.store(token, planes, step);
        }
    }
}

/// [`Cell::backward`] over the rows of a step.
pub(super) struct Backward<'a, R, C> {
    pub(super) cell: C,
    pub(super) hidden: usize,
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
        let Backward { cell, hidden, planes, prev, next, d_output, mut d_state } = self;
        let rows = planes.len() / (<C::Step<T::V> as Planes<T::V>>::COUNT * hidden);
        for at in At::each(rows, hidden, T::WIDTH) {
            let step = at.load::<T, C::Step<T::V>>(token, planes);
            let mut d_next = C::State::<T::V>::splat(token.splat(R::ZERO));
            for (s, d) in d_next.values_mut().iter_mut().enumerate() {
                *d = token.load(&d_state[s][at.in_rows()]);
            }
            if let Some(d_output) = d_output {
                let d = token.load(&d_output[at.in_rows()]);
                d_next.values_mut()[0] = d_next.values()[0] + d;
            }
            let prev = at.load_state(token, &prev);
            let (step, d_prev) = cell.backward(step, prev, at.load_state(token, &next), d_next);
            at.store(token, planes, step);
            at.store_state(token, &mut d_state, d_prev);
        }
    }
}

/// [`Cell::operand_backward`] over the rows of a step.
pub(super) struct OperandBackward<'a, R, C> {
    pub(super) cell: C,
    pub(super) hidden: usize,
    pub(super) planes: &'a mut [R],
    pub(super) h_prev: &'a [R],
    pub(super) d_operand: &'a [R],
    pub(super) d_h_prev: &'a mut [R],
}

impl<R: Arithmetic, C: Cell> Kernel<R> for OperandBackward<'_, R, C> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, token: T) {
        let OperandBackward { cell, hidden, planes, h_prev, d_operand, d_h_prev } = self;
        let rows = planes.len() / (<C::Step<T::V> as Planes<T::V>>::COUNT * hidden);
        for at in At::each(rows, hidden, T::WIDTH) {
            let step = at.load::<T, C::Step<T::V>>(token, planes);
            let d_operand = token.load(&d_operand[at.in_rows()]);
            let (step, d) = cell.operand_backward(step, at.load_state(token, &[h_prev, h_prev]), d_operand);
            at.store(token, planes, step);
            let d = d + token.load(&d_h_prev[at.in_rows()]);
            token.store(&mut d_h_prev[at.in_rows()], d);
        }
    }
}
