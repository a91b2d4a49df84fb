//! The four optimizers: options, equations, and the elementwise pass right under them.
//!
//! In the equations `w` is a weight, `g` its gradient, `t` the step counted from 1, and every line assigns.
//! Names and defaults are Keras 3's (`keras.optimizers`).

use serde::{Deserialize, Serialize};

use super::{Arenas, Optimizer, Rule};
use crate::{Arithmetic, Error, Real, Result};

/// Where [`RmsProp`], [`Adam`] and [`AdamW`] add their `epsilon`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// As Keras has it.
    #[default]
    Keras,
    /// As PyTorch has it.
    Torch,
}

/// Stochastic gradient descent.
///
/// ```text
/// m = momentum m - rate g         (without momentum, w = w - rate g is all)
/// w = w + m                       (nesterov: w = w + momentum m - rate g)
/// ```
///
/// PyTorch keeps the momentum without the rate (`m = momentum m + g`, `w = w - rate m`): the same weights as
/// long as the rate does not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f64,
    /// The part of the last step that is taken again, in `[0, 1)`.
    pub momentum: f64,
    /// Looks ahead along the momentum (Sutskever et al. 2013).
    pub nesterov: bool,
    /// Decoupled weight decay: `w = w - rate weight_decay w` before the step.
    pub weight_decay: f64,
}

/// Steps divided by a running root mean square of the gradient (Tieleman and Hinton 2012, lecture 6.5).
///
/// ```text
/// v = rho v + (1 - rho) g²
/// u = rate g / sqrt(v + epsilon)          (Form::Torch: rate g / (sqrt(v) + epsilon))
/// w = w - u                               (momentum: m = momentum m + u, w = w - m)
/// ```
///
/// PyTorch's own defaults are [`RmsProp::torch`]; its momentum leaves out the rate, as [`Sgd`] explains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// Learning rate.
    pub rate: f64,
    /// How much of the running mean is kept at a step, in `[0, 1)`. PyTorch calls it `alpha`.
    pub rho: f64,
    /// Keeps the divisor from 0. Inside the root it matters as its square root: 1e-7 there is 3e-4 outside.
    pub epsilon: f64,
    /// The part of the last step that is taken again, in `[0, 1)`.
    pub momentum: f64,
    /// Decoupled weight decay: `w = w - rate weight_decay w` before the step.
    pub weight_decay: f64,
    /// Where `epsilon` is added.
    pub form: Form,
}

/// Adam (Kingma and Ba, arXiv:1412.6980v9, in the form that its section 2 ends with).
///
/// ```text
/// m = m + (1 - beta_1) (g - m)
/// v = v + (1 - beta_2) (g² - v)
/// w = w - rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)
/// ```
///
/// With [`Form::Torch`] `epsilon` is added to the corrected root, `sqrt(v / (1 - beta_2^t)) + epsilon`, as in
/// the paper's algorithm 1: the same as `epsilon sqrt(1 - beta_2^t)` above. PyTorch's own defaults are
/// [`Adam::torch`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Learning rate.
    pub rate: f64,
    /// How much of the mean of `g` is kept at a step, in `[0, 1)`.
    pub beta_1: f64,
    /// How much of the mean of `g²` is kept at a step, in `[0, 1)`.
    pub beta_2: f64,
    /// Keeps the divisor from 0.
    pub epsilon: f64,
    /// Decoupled weight decay: `w = w - rate weight_decay w` before the step.
    pub weight_decay: f64,
    /// Where `epsilon` is added.
    pub form: Form,
}

/// [`Adam`] with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101v3): before Adam's step
/// `w = w - rate weight_decay w`, for every parameter, biases too, as in Keras. PyTorch's own defaults are
/// [`AdamW::torch`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Learning rate.
    pub rate: f64,
    /// How much of the mean of `g` is kept at a step, in `[0, 1)`.
    pub beta_1: f64,
    /// How much of the mean of `g²` is kept at a step, in `[0, 1)`.
    pub beta_2: f64,
    /// Keeps the divisor from 0.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Where `epsilon` is added.
    pub form: Form,
}

impl Default for Sgd {
    fn default() -> Self {
        Self { rate: 0.01, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

impl Default for RmsProp {
    fn default() -> Self {
        Self { rate: 1e-3, rho: 0.9, epsilon: 1e-7, momentum: 0.0, weight_decay: 0.0, form: Form::Keras }
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self { rate: 1e-3, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, weight_decay: 0.0, form: Form::Keras }
    }
}

impl Default for AdamW {
    fn default() -> Self {
        let Adam { rate, beta_1, beta_2, epsilon, form, .. } = Adam::default();
        Self { rate, beta_1, beta_2, epsilon, weight_decay: 0.004, form }
    }
}

impl RmsProp {
    /// `torch.optim.RMSprop(lr=rate)`: `rho` 0.99, `epsilon` 1e-8 outside the root.
    pub fn torch(rate: f64) -> Self {
        Self { rho: 0.99, epsilon: 1e-8, form: Form::Torch, ..Self::new(rate) }
    }
}

impl Adam {
    /// `torch.optim.Adam(lr=rate)`: `epsilon` 1e-8, added to the corrected root.
    pub fn torch(rate: f64) -> Self {
        Self { epsilon: 1e-8, form: Form::Torch, ..Self::new(rate) }
    }
}

impl AdamW {
    /// `torch.optim.AdamW(lr=rate)`: `weight_decay` 0.01, `epsilon` 1e-8, added to the corrected root.
    pub fn torch(rate: f64) -> Self {
        Self { epsilon: 1e-8, weight_decay: 0.01, form: Form::Torch, ..Self::new(rate) }
    }
}

impl From<AdamW> for Adam {
    fn from(AdamW { rate, beta_1, beta_2, epsilon, weight_decay, form }: AdamW) -> Self {
        Self { rate, beta_1, beta_2, epsilon, weight_decay, form }
    }
}

/// `new(rate)`, one setter for each further option, and the way into [`Optimizer`].
macro_rules! options {
    ($kind:ident: $($option:ident: $type:ty),*) => {
        impl $kind {
            /// The defaults with this learning rate.
            pub fn new(rate: f64) -> Self {
                Self { rate, ..Self::default() }
            }
            $(
                #[doc = concat!("Sets [`", stringify!($option), "`](Self#structfield.", stringify!($option), ").")]
                pub fn $option(mut self, $option: $type) -> Self {
                    self.$option = $option;
                    self
                }
            )*
        }

        impl From<$kind> for Optimizer {
            fn from(options: $kind) -> Self {
                Self::$kind(options)
            }
        }
    };
}
options!(Sgd: momentum: f64, nesterov: bool, weight_decay: f64);
options!(RmsProp: rho: f64, epsilon: f64, momentum: f64, weight_decay: f64, form: Form);
options!(Adam: beta_1: f64, beta_2: f64, epsilon: f64, weight_decay: f64, form: Form);
options!(AdamW: beta_1: f64, beta_2: f64, epsilon: f64, weight_decay: f64, form: Form);

impl Sgd {
    pub(super) fn update<R: Arithmetic>(&self, rate: f64, arenas: Arenas<'_, R>) {
        let decay = rate * self.weight_decay;
        let [rate, momentum] = [rate, self.momentum].map(R::from_f64);
        if self.momentum == 0.0 {
            arenas.apply(decay, Descent { rate });
        } else {
            arenas.apply(decay, Momentum { rate, momentum, nesterov: self.nesterov });
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_rates(self.rate, self.weight_decay)?;
        if self.nesterov && self.momentum == 0.0 {
            return Err(Error::config("optimizer.nesterov", "needs a momentum above 0"));
        }
        check_part("momentum", self.momentum)
    }
}

#[derive(Clone, Copy)]
struct Descent<R> {
    rate: R,
}

impl<R: Real> Rule<R> for Descent<R> {
    const MOVES_ALL: bool = false;
    #[inline(always)]
    fn apply(self, values: &mut [R], gradients: &[R], _: [&mut [R]; 2]) {
        for (w, &g) in values.iter_mut().zip(gradients) {
            *w -= self.rate * g;
        }
    }
}

#[derive(Clone, Copy)]
struct Momentum<R> {
    rate: R,
    momentum: R,
    nesterov: bool,
}

impl<R: Real> Rule<R> for Momentum<R> {
    #[inline(always)]
    fn apply(self, values: &mut [R], gradients: &[R], [ms, _]: [&mut [R]; 2]) {
        let Momentum { rate, momentum, nesterov } = self;
        for ((w, &g), m) in values.iter_mut().zip(gradients).zip(ms) {
            *m = momentum * *m - rate * g;
            *w += if nesterov { momentum * *m - rate * g } else { *m };
        }
    }
}

impl RmsProp {
    pub(super) fn update<R: Arithmetic>(&self, rate: f64, arenas: Arenas<'_, R>) {
        let (inside, outside) = match self.form {
            Form::Keras => (self.epsilon, 0.0),
            Form::Torch => (0.0, self.epsilon),
        };
        let decay = rate * self.weight_decay;
        let [inside, outside] = [inside, outside].map(R::from_f64);
        let [rho, new, rate, momentum] = [self.rho, 1.0 - self.rho, rate, self.momentum].map(R::from_f64);
        arenas.apply(decay, RootMeanSquare { rate, rho, new, inside, outside, momentum });
    }

    pub(super) fn check(&self) -> Result<()> {
        check_rates(self.rate, self.weight_decay)?;
        check_part("rho", self.rho)?;
        check_part("momentum", self.momentum)?;
        check_epsilon(self.epsilon)
    }
}

#[derive(Clone, Copy)]
struct RootMeanSquare<R> {
    rate: R,
    rho: R,
    /// `1 - rho`
    new: R,
    /// Epsilon inside the root, and outside.
    inside: R,
    outside: R,
    momentum: R,
}

impl<R: Real> RootMeanSquare<R> {
    #[inline(always)]
    fn step(self, g: R, v: &mut R) -> R {
        *v = self.rho * *v + self.new * (g * g);
        self.rate * g / ((*v + self.inside).sqrt() + self.outside)
    }
}

impl<R: Real> Rule<R> for RootMeanSquare<R> {
    #[inline(always)]
    fn apply(self, values: &mut [R], gradients: &[R], [vs, ms]: [&mut [R]; 2]) {
        if self.momentum == R::ZERO {
            for ((w, &g), v) in values.iter_mut().zip(gradients).zip(vs) {
                *w -= self.step(g, v);
            }
        } else {
            for (((w, &g), v), m) in values.iter_mut().zip(gradients).zip(vs).zip(ms) {
                *m = self.momentum * *m + self.step(g, v);
                *w -= *m;
            }
        }
    }
}

impl Adam {
    pub(super) fn update<R: Arithmetic>(&self, rate: f64, t: i32, arenas: Arenas<'_, R>) {
        let root = (1.0 - self.beta_2.powi(t)).sqrt();
        let epsilon = R::from_f64(match self.form {
            Form::Keras => self.epsilon,
            Form::Torch => self.epsilon * root,
        });
        let alpha = R::from_f64(rate * root / (1.0 - self.beta_1.powi(t)));
        let [new_1, new_2] = [1.0 - self.beta_1, 1.0 - self.beta_2].map(R::from_f64);
        arenas.apply(rate * self.weight_decay, Moments { alpha, new_1, new_2, epsilon });
    }

    pub(super) fn check(&self) -> Result<()> {
        check_rates(self.rate, self.weight_decay)?;
        check_part("beta_1", self.beta_1)?;
        check_part("beta_2", self.beta_2)?;
        check_epsilon(self.epsilon)
    }
}

#[derive(Clone, Copy)]
struct Moments<R> {
    /// The corrected rate.
    alpha: R,
    /// `1 - beta_1`, `1 - beta_2`
    new_1: R,
    new_2: R,
    epsilon: R,
}

impl<R: Real> Rule<R> for Moments<R> {
    #[inline(always)]
    fn apply(self, values: &mut [R], gradients: &[R], [ms, vs]: [&mut [R]; 2]) {
        let Moments { alpha, new_1, new_2, epsilon } = self;
        for (((w, &g), m), v) in values.iter_mut().zip(gradients).zip(ms).zip(vs) {
            *m += (g - *m) * new_1;
            *v += (g * g - *v) * new_2;
            *w -= *m * alpha / (v.sqrt() + epsilon);
        }
    }
}

fn check_rates(rate: f64, weight_decay: f64) -> Result<()> {
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(Error::config("optimizer.rate", format!("is {rate}; it must be above 0")));
    }
    if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
        let message = format!("is {weight_decay}; it must be 0 or above");
        return Err(Error::config("optimizer.weight_decay", message));
    }
    Ok(())
}

fn check_part(name: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::config(format!("optimizer.{name}"), format!("is {value}; it must lie in [0, 1)")))
}

fn check_epsilon(epsilon: f64) -> Result<()> {
    if epsilon >= 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::config("optimizer.epsilon", format!("is {epsilon}; it must be 0 or above")))
}
