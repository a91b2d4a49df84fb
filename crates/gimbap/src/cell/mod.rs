//! A cell's equations, written once: forward, and backward right under it, per hidden unit, generic over the lane
//! type. Training, inference, streaming and the gradient check all run this one text.
//!
//! # The planes of a step
//! For every row of the batch a step has a few *planes* of `H` values. First they are pre-activations: the engine
//! ([`crate::sequence`]) makes them of the bias, `W_x x_t` and `W_h h_{t-1}`. Then [`Cell::forward`] makes what
//! backward needs of them, and [`Cell::backward`] replaces that by the gradients of the pre-activations.
//!
//! `W_x` is `[I, G H]` and always feeds the planes `0..G`. What `W_h`, `[H, G H]`, feeds, is the cell's
//! [`Cell::PRODUCTS`]: for a GRU that resets after its product, the candidate's recurrent part has a plane of its
//! own, because the reset gate scales only that part.
//!
//! A cell that needs a second product within the step (a GRU that resets before it) has a second [`Stage`]: its
//! operand is a plane that [`Cell::operand`] fills.

pub mod gru;
pub mod gru_reset_before;
pub mod lstm;
pub mod simple_rnn;

use gimbap_kernels::Lanes;

/// `N` values of one hidden unit (or a vector of hidden units).
pub trait Planes<V>: Copy {
    /// `N`.
    const COUNT: usize;
    /// All the same.
    fn splat(value: V) -> Self;
    /// The values.
    fn values(&self) -> &[V];
    /// The values, to write.
    fn values_mut(&mut self) -> &mut [V];
}

impl<V: Copy, const N: usize> Planes<V> for [V; N] {
    const COUNT: usize = N;
    #[inline(always)]
    fn splat(value: V) -> Self {
        [value; N]
    }
    #[inline(always)]
    fn values(&self) -> &[V] {
        self
    }
    #[inline(always)]
    fn values_mut(&mut self) -> &mut [V] {
        self
    }
}

/// The derivative of the logistic function where its value is `y`.
#[inline(always)]
pub(crate) fn d_sigmoid<V: Lanes>(y: V) -> V {
    y * (y.splat(1.0) - y)
}

/// When a product happens within a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before all arithmetic, of `h_{t-1}`.
    Hidden,
    /// After [`Cell::operand`], of the plane that it filled.
    Operand {
        /// That plane.
        plane: usize,
    },
}

/// A block of `W_h`'s columns and the planes that it feeds.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// When, and of what.
    pub stage: Stage,
    /// The first gate (its columns begin at `first_gate * H`).
    pub first_gate: usize,
    /// The number of gates.
    pub gates: usize,
    /// The plane that the first gate feeds; the others follow.
    pub plane: usize,
}

/// The equations of one recurrent cell. Everything about time, batches, threads and memory is elsewhere.
pub trait Cell: Copy + Send + Sync {
    /// `h`, or `h, c`.
    type State<V: Lanes>: Planes<V>;
    /// The planes of a step.
    type Step<V: Lanes>: Planes<V>;
    /// `G`: gates, hence columns of `W_x` and `W_h` in units of `H`.
    const GATES: usize;
    /// What `W_h` feeds.
    const PRODUCTS: &'static [Product];
    /// Whether `W_h`'s product has a bias of its own, `b_h`.
    const RECURRENT_BIAS: bool = false;

    /// From pre-activations and the state before, the state after, and what backward needs.
    fn forward<V: Lanes>(&self, step: Self::Step<V>, prev: Self::State<V>)
    -> (Self::State<V>, Self::Step<V>);

    /// From what forward kept, the states before and after and the gradient of the one after: the gradients of
    /// the pre-activations, and of the state before as far as it does not come through `W_h`.
    fn backward<V: Lanes>(
        &self,
        step: Self::Step<V>,
        prev: Self::State<V>,
        next: Self::State<V>,
        d_next: Self::State<V>,
    ) -> (Self::Step<V>, Self::State<V>);

    /// Two-stage cells: fills the second product's operand.
    #[inline(always)]
    fn operand<V: Lanes>(&self, step: Self::Step<V>, _prev: Self::State<V>) -> Self::Step<V> {
        step
    }

    /// Two-stage cells, after [`Cell::backward`]: from the operand's gradient, the remaining gradients of
    /// pre-activations, and what is to be added to the gradient of `h_{t-1}`.
    #[inline(always)]
    fn operand_backward<V: Lanes>(
        &self,
        step: Self::Step<V>,
        _prev: Self::State<V>,
        d_operand: V,
    ) -> (Self::Step<V>, V) {
        (step, d_operand.splat(0.0))
    }
}

/// The most states a cell has.
pub const MAX_STATES: usize = 2;
