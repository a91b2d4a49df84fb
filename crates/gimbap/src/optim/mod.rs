//! Optimizers: a gradient becomes a step of the weights.
//!
//! All parameters of a model lie in one flat arena, their gradients in another of the same length, and so do
//! the moments that an optimizer keeps. An update is one elementwise pass over them; its bits do not depend on
//! how it is shared out over threads. A training step is
//! [`clip::add_l2_gradient`] per regularised parameter, [`clip::clip_value_at`], [`clip::norm_at`],
//! [`Schedule::rate`], then [`Optimizer::update_at`], which scales, moves and clears in one pass. Where a batch leaves
//! most of an embedding's gradient at zero, they go by [`Live`] over the rest alone.

pub mod clip;
mod kinds;
mod live;
pub mod schedule;

pub use kinds::{Adam, AdamW, Form, RmsProp, Sgd};
pub use live::Live;
pub use schedule::{Schedule, ScheduleState};

use gimbap_kernels::{Arithmetic, Kernel, Token};
use serde::{Deserialize, Serialize};

use crate::{Real, Result};

/// Which optimizer, and its options. In a config: `{ type = "rmsprop", rate = 2e-3, rho = 0.95 }`.
///
/// ```
/// use gimbap::optim::{Adam, Optimizer, Sgd};
///
/// let optimizer = Optimizer::from(Adam::new(0.01));
/// let mut state = optimizer.state::<f32>(2);
/// let mut weights = [1.0, -1.0];
/// optimizer.update(&mut state, optimizer.rate(), &mut weights, &mut [0.5, 0.0]);
/// assert!((weights[0] - 0.99).abs() < 1e-6); // Adam's first step is the rate, whatever the gradient's size
/// assert_eq!(weights[1], -1.0);
/// # let _ = Sgd::new(1.0).momentum(0.9);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Optimizer {
    /// `sgd`: gradient descent, with momentum.
    Sgd(Sgd),
    /// `rmsprop`
    RmsProp(RmsProp),
    /// `adam`
    Adam(Adam),
    /// `adamw`: Adam with decoupled weight decay.
    AdamW(AdamW),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam(Adam::default())
    }
}

/// What an optimizer remembers between steps: with the same values in, a resumed run is the same run.
/// Made by [`Optimizer::state`].
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<R> {
    /// Updates made so far.
    pub step: u64,
    slots: Vec<(&'static str, Vec<R>)>,
}

impl<R> OptimizerState<R> {
    /// The moments by name, each as long as the parameter arena: `m` is a mean of gradients or a momentum, `v`
    /// a mean of squares.
    pub fn slots(&self) -> impl Iterator<Item = (&'static str, &[R])> {
        self.slots.iter().map(|(name, values)| (*name, values.as_slice()))
    }

    /// The same, to be filled from a file.
    pub fn slots_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut [R])> {
        self.slots.iter_mut().map(|(name, values)| (*name, values.as_mut_slice()))
    }
}

impl Optimizer {
    /// The base learning rate.
    pub fn rate(&self) -> f64 {
        match self {
            Self::Sgd(o) => o.rate,
            Self::RmsProp(o) => o.rate,
            Self::Adam(o) => o.rate,
            Self::AdamW(o) => o.rate,
        }
    }

    /// The decoupled weight decay.
    pub fn weight_decay(&self) -> f64 {
        match self {
            Self::Sgd(o) => o.weight_decay,
            Self::RmsProp(o) => o.weight_decay,
            Self::Adam(o) => o.weight_decay,
            Self::AdamW(o) => o.weight_decay,
        }
    }

    /// The name, as in a config: `sgd`, `rmsprop`, `adam`, `adamw`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd(_) => "sgd",
            Self::RmsProp(_) => "rmsprop",
            Self::Adam(_) => "adam",
            Self::AdamW(_) => "adamw",
        }
    }

    /// The names of the moments that this optimizer keeps, in the order of [`OptimizerState::slots`].
    pub fn slot_names(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd(o) if o.momentum == 0.0 => &[],
            Self::Sgd(_) => &["m"],
            Self::RmsProp(o) if o.momentum == 0.0 => &["v"],
            Self::RmsProp(_) => &["v", "m"],
            Self::Adam(_) | Self::AdamW(_) => &["m", "v"],
        }
    }

    /// The state before the first step, for `parameters` numbers: all moments 0.
    pub fn state<R: Real>(&self, parameters: usize) -> OptimizerState<R> {
        let slots = self.slot_names().iter().map(|&name| (name, vec![R::ZERO; parameters])).collect();
        OptimizerState { step: 0, slots }
    }

    /// One step: moves `values` against `gradients` at the learning rate `rate`, counts it in `state` and clears
    /// `gradients` for the next one.
    ///
    /// # Panics
    /// If `values`, `gradients` and `state` differ in length, or `state` is another optimizer's.
    pub fn update<R: Arithmetic>(
        &self,
        state: &mut OptimizerState<R>,
        rate: f64,
        values: &mut [R],
        gradients: &mut [R],
    ) {
        let live = Live::all(values.len());
        self.update_at(state, rate, values, Gradients { values: gradients, scale: 1.0, live: &live });
    }

    /// [`Optimizer::update`] for gradients that are zero outside of some places: with the bits of one over all of
    /// them.
    ///
    /// # Panics
    /// As [`Optimizer::update`].
    pub fn update_at<R: Arithmetic>(
        &self,
        state: &mut OptimizerState<R>,
        rate: f64,
        values: &mut [R],
        gradients: Gradients<'_, R>,
    ) {
        assert_eq!(gradients.values.len(), values.len(), "one gradient for each parameter");
        let names = self.slot_names();
        assert!(state.slots().map(|slot| slot.0).eq(names.iter().copied()), "a state of another optimizer");
        assert!(state.slots().all(|slot| slot.1.len() == values.len()), "a state of another model");
        state.step += 1;
        let t = state.step.min(i32::MAX as u64) as i32;
        let mut slots = state.slots_mut().map(|slot| slot.1);
        let slots = [slots.next().unwrap_or_default(), slots.next().unwrap_or_default()];
        let arenas = Arenas { values, gradients, slots };
        match self {
            Self::Sgd(o) => o.update(rate, arenas),
            Self::RmsProp(o) => o.update(rate, arenas),
            Self::Adam(o) => o.update(rate, t, arenas),
            Self::AdamW(o) => Adam::from(o.clone()).update(rate, t, arenas),
        }
    }

    /// Whether the options make sense.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) with the option, its value and what would be right.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Sgd(o) => o.check(),
            Self::RmsProp(o) => o.check(),
            Self::Adam(o) => o.check(),
            Self::AdamW(o) => Adam::from(o.clone()).check(),
        }
    }
}

/// Longer arenas are shared out over threads; shorter ones would only wait for them.
pub const PARALLEL: usize = 1 << 16;

/// The gradients of all parameters, of which [`Optimizer::update_at`] makes a step.
#[derive(Debug)]
pub struct Gradients<'a, R> {
    /// One for each parameter; they are cleared.
    pub values: &'a mut [R],
    /// They are multiplied by this first: [`clip::scale_to_norm`].
    pub scale: f64,
    /// They are zero elsewhere.
    pub live: &'a Live,
}

/// The numbers of one update, all of the same length but for slots that are not used, which are empty.
struct Arenas<'a, R> {
    values: &'a mut [R],
    gradients: Gradients<'a, R>,
    slots: [&'a mut [R]; 2],
}

/// An optimizer's arithmetic on some of the numbers.
trait Rule<R>: Copy + Send + Sync {
    /// Whether it changes a parameter or a slot whose gradient is zero.
    const MOVES_ALL: bool = true;
    /// Mark it `#[inline(always)]`, so that it is compiled for the instruction set. Without fused operations: each
    /// set gives the same bits.
    fn apply(self, values: &mut [R], gradients: &[R], slots: [&mut [R]; 2]);
}

impl<R: Arithmetic> Arenas<'_, R> {
    /// In chunks, `w = w - decay w`, then `rule`: over all of it, or where a gradient is.
    fn apply<U: Rule<R>>(self, decay: f64, rule: U) {
        let Arenas { values, gradients: Gradients { values: gradients, scale, live }, slots: [s, t] } = self;
        let all = (U::MOVES_ALL || decay != 0.0).then(|| Live::all(values.len()));
        let [scale, decay] = [scale, decay].map(R::from_f64);
        all.as_ref().unwrap_or(live).for_each([values, gradients, s, t], |[values, gradients, s, t]| {
            R::run(OnChunk { rule, scale, decay, values, gradients, slots: [s, t] });
        });
    }
}

struct OnChunk<'a, R, U> {
    rule: U,
    scale: R,
    decay: R,
    values: &'a mut [R],
    gradients: &'a mut [R],
    slots: [&'a mut [R]; 2],
}

impl<R: Arithmetic, U: Rule<R>> Kernel<R> for OnChunk<'_, R, U> {
    type Output = ();
    #[inline(always)]
    fn call<T: Token<Elem = R>>(self, _: T) {
        let OnChunk { rule, scale, decay, values, gradients, slots } = self;
        if scale != R::ONE {
            for g in gradients.iter_mut() {
                *g *= scale;
            }
        }
        if decay != R::ZERO {
            for w in values.iter_mut() {
                *w -= *w * decay;
            }
        }
        rule.apply(values, gradients, slots);
        gradients.fill(R::ZERO);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::rng::keyed;

    /// What `f` returns at 1, 2 and 4 threads.
    pub(crate) fn at_thread_counts<T: Send>(f: impl Fn() -> T + Send + Sync) -> Vec<T> {
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        [1, 2, 4].map(|threads| pool(threads).install(&f)).into()
    }

    /// Five steps from (1, -2, 0.5) in f64; the gradient at step `t` is `w_i - 0.1 t (i - 1)`, and the rate
    /// of the last two steps is half the base. The expected values are from `conformance/optimizers.py`.
    fn check(optimizer: impl Into<Optimizer>, expected: [f64; 3]) {
        let optimizer = optimizer.into();
        optimizer.check().unwrap();
        let mut state = optimizer.state(3);
        let mut w = [1.0f64, -2.0, 0.5];
        for t in 1..=5 {
            let mut g: Vec<f64> =
                w.iter().enumerate().map(|(i, w)| w - 0.1 * f64::from(t) * (i as f64 - 1.0)).collect();
            let rate = if t > 3 { optimizer.rate() / 2.0 } else { optimizer.rate() };
            optimizer.update(&mut state, rate, &mut w, &mut g);
        }
        for (w, e) in w.iter().zip(expected) {
            assert!((w - e).abs() < 1e-14, "{optimizer:?}: {w} against {e}");
        }
    }

    #[test]
    fn keras_3() {
        check(Sgd::new(0.1), [0.56329225, -1.3158450000000002, 0.4235915]);
        check(Sgd::new(0.1).momentum(0.9), [-0.19710650000000013, -0.05426999999999976, 0.237809]);
        check(
            Sgd::new(0.1).momentum(0.9).nesterov(true),
            [-0.3231264071225001, 0.10852881795000013, 0.24172979365999994],
        );
        check(
            Sgd::new(0.1).weight_decay(0.05),
            [0.5494732777632813, -1.2872341082796876, 0.41595230344648443],
        );
        check(
            RmsProp::new(0.01).epsilon(0.01),
            [0.9086427413077084, -1.911224192022245, 0.45094912013883476],
        );
        check(
            RmsProp::new(0.01).rho(0.95).momentum(0.5),
            [0.7739702496718794, -1.7820572525995766, 0.35788268088699554],
        );
        check(Adam::new(0.01), [0.9598748046950879, -1.9600131025909586, 0.46339925335563237]);
        check(
            Adam::new(0.1).beta_1(0.8).beta_2(0.9).epsilon(0.01),
            [0.6078356775553238, -1.6064074980658587, 0.2441206264938988],
        );
        check(AdamW::new(0.1), [0.5985693015441849, -1.5987671175598595, 0.21647170441705757]);
    }

    #[test]
    fn pytorch() {
        check(RmsProp::torch(0.01), [0.7194788330769686, -1.730177220266765, 0.3651759693830251]);
        check(
            RmsProp::torch(0.01).epsilon(0.1),
            [0.8258310058915399, -1.8020867203282154, 0.4434419015145633],
        );
        check(Adam::torch(0.1).epsilon(0.01), [0.6034878510197228, -1.6037508504777127, 0.22280967106902613]);
        check(AdamW::torch(0.1), [0.5965605297889638, -1.5943763531617894, 0.21589555785326542]);
    }

    #[test]
    fn same_bits_at_any_thread_count_and_for_any_split() {
        let n = 3 * PARALLEL + 77;
        let mut rng = keyed(1, 0, 0, 0);
        let values: Vec<f32> = (0..n).map(|_| rng.normal() as f32).collect();
        let gradients: Vec<f32> = (0..n).map(|_| rng.normal() as f32).collect();
        for optimizer in [
            Optimizer::from(Adam::default()),
            RmsProp::new(1e-3).momentum(0.9).into(),
            Sgd::new(0.1).momentum(0.9).into(),
        ] {
            let run = |len: usize| {
                let mut state = optimizer.state(len);
                let mut w = values[..len].to_vec();
                for _ in 0..3 {
                    optimizer.update(&mut state, 0.01, &mut w, &mut gradients[..len].to_vec());
                }
                w
            };
            let all = at_thread_counts(|| run(n));
            assert!(all.iter().all(|w| *w == all[0]), "{}", optimizer.name());
            assert_eq!(run(1000), all[0][..1000], "{}", optimizer.name());
        }
    }

    #[test]
    fn a_saved_state_goes_on_where_it_stopped() {
        let optimizer = Optimizer::from(Adam::default());
        let mut state = optimizer.state::<f32>(2);
        let mut w = [1.0, 2.0];
        optimizer.update(&mut state, 0.1, &mut w, &mut [0.3, -0.2]);
        let mut restored = optimizer.state::<f32>(2);
        restored.step = state.step;
        for ((name, to), (saved, from)) in restored.slots_mut().zip(state.slots()) {
            assert_eq!(name, saved);
            to.copy_from_slice(from);
        }
        assert_eq!(restored, state);
    }

    #[test]
    fn reads_as_in_a_config() {
        let read = |json: &str| serde_json::from_str::<Optimizer>(json);
        assert_eq!(read(r#"{"type":"sgd","rate":1.0}"#).unwrap(), Sgd::new(1.0).into());
        assert_eq!(
            read(r#"{"type":"rmsprop","rate":0.002,"rho":0.95}"#).unwrap(),
            RmsProp::new(2e-3).rho(0.95).into()
        );
        assert_eq!(read(r#"{"type":"adamw"}"#).unwrap(), AdamW::default().into());
        assert_eq!(
            read(r#"{"type":"adam","form":"torch","epsilon":1e-8}"#).unwrap(),
            Adam::torch(1e-3).into()
        );
        let unknown = read(r#"{"type":"adam","beta1":0.5}"#).unwrap_err().to_string();
        assert!(unknown.contains("beta1") && unknown.contains("beta_1"), "{unknown}");
        for optimizer in [Optimizer::default(), Sgd::default().into(), RmsProp::default().into()] {
            assert_eq!(read(&serde_json::to_string(&optimizer).unwrap()).unwrap(), optimizer);
        }
    }

    #[test]
    fn senseless_options_are_refused() {
        for (optimizer, place) in [
            (Optimizer::from(Sgd::new(-1.0)), "optimizer.rate"),
            (Sgd::new(1.0).momentum(1.0).into(), "optimizer.momentum"),
            (Sgd::new(1.0).nesterov(true).into(), "optimizer.nesterov"),
            (RmsProp::new(f64::NAN).into(), "optimizer.rate"),
            (RmsProp::new(1.0).rho(1.5).into(), "optimizer.rho"),
            (Adam::new(1.0).beta_2(1.0).into(), "optimizer.beta_2"),
            (Adam::new(1.0).epsilon(-1.0).into(), "optimizer.epsilon"),
            (AdamW::new(1.0).weight_decay(-1.0).into(), "optimizer.weight_decay"),
        ] {
            let message = optimizer.check().unwrap_err().to_string();
            assert!(message.starts_with(place), "{message}");
        }
    }
}
