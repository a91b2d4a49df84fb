//! Learning rates over time.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the learning rate moves from its base. In a config: `{ type = "halve_after", epoch = 4 }`. Epochs
/// (`e`) and optimizer steps (`s`) are counted from 0 over the whole training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// `base`.
    #[default]
    Constant,
    /// `base * factor^floor(e / every)`.
    Step {
        /// Epochs between two reductions.
        every: usize,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// `base * factor^max(0, e + 1 - epoch)`: the first `epoch` epochs at the full rate, then reduced before
    /// each (Zaremba et al., arXiv:1409.2329v5: epoch 4 and 1/2 for the small model, 6 and 1/1.2 for the
    /// medium one, 14 and 1/1.15 for the large one).
    HalveAfter {
        /// Epochs at the full rate.
        epoch: usize,
        /// What the rate is multiplied by before each later epoch; 0.5 unless given.
        #[serde(default = "half")]
        factor: f64,
    },
    /// `base * decay^e`.
    Exponential {
        /// What the rate is multiplied by after each epoch.
        decay: f64,
    },
    /// By steps: `base * (s + 1) / warmup` while `s < warmup`, then
    /// `base * (floor + (1 - floor) * (1 + cos(pi p)) / 2)` with `p = (s - warmup) / (total - warmup)`, and
    /// `base * floor` from step `total` on (Loshchilov and Hutter, arXiv:1608.03983v5, without restarts).
    Cosine {
        /// Optimizer steps of linear warm-up.
        #[serde(default)]
        warmup: u64,
        /// Optimizer steps until the floor, warm-up included.
        total: u64,
        /// The last rate as a part of the base.
        #[serde(default)]
        floor: f64,
    },
    /// Multiplied by `factor` whenever the validation loss has not fallen by more than `min_delta` below its
    /// best for `patience` epochs (Keras's `ReduceLROnPlateau`, without cool-down). A loss that is NaN is no
    /// progress.
    Plateau {
        /// What the rate is multiplied by; 0.1 unless given.
        #[serde(default = "tenth")]
        factor: f64,
        /// Epochs without progress before a reduction; 10 unless given.
        #[serde(default = "ten")]
        patience: usize,
        /// The least fall of the loss that counts as progress; 1e-4 unless given.
        #[serde(default = "ten_thousandth")]
        min_delta: f64,
        /// The rate is not reduced below this.
        #[serde(default)]
        min_rate: f64,
        /// After the first reduction the rate is reduced at every epoch, whatever the loss (rnnlm's rule: Mikolov et
        /// al., Interspeech 2010; there with `factor` 1/2 and `patience` 1).
        #[serde(default)]
        keep: bool,
    },
}

fn half() -> f64 {
    0.5
}
fn tenth() -> f64 {
    0.1
}
fn ten() -> usize {
    10
}
fn ten_thousandth() -> f64 {
    1e-4
}

/// What a schedule remembers between epochs: save it with the trainer's state, and a resumed run goes on with
/// the same rates. Only [`Schedule::Plateau`] changes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// The lowest validation loss so far.
    pub best: Option<f64>,
    /// Epochs since then or since the last reduction.
    pub waited: usize,
    /// All reductions so far, multiplied.
    pub scale: f64,
}

impl Default for ScheduleState {
    fn default() -> Self {
        Self { best: None, waited: 0, scale: 1.0 }
    }
}

impl Schedule {
    /// The rate of step `step` in epoch `epoch`.
    pub fn rate(&self, base: f64, epoch: usize, step: u64, state: &ScheduleState) -> f64 {
        let power = |factor: f64, n: usize| factor.powi(n.min(i32::MAX as usize) as i32);
        match *self {
            Self::Constant => base,
            Self::Step { every, factor } => base * power(factor, epoch / every.max(1)),
            Self::HalveAfter { epoch: full, factor } => {
                base * power(factor, (epoch + 1).saturating_sub(full))
            }
            Self::Exponential { decay } => base * power(decay, epoch),
            Self::Cosine { warmup, .. } if step < warmup => base * (step + 1) as f64 / warmup as f64,
            Self::Cosine { total, floor, .. } if step >= total => base * floor,
            Self::Cosine { warmup, total, floor } => {
                let p = (step - warmup) as f64 / (total - warmup) as f64;
                base * (floor + (1.0 - floor) * 0.5 * (1.0 + (PI * p).cos()))
            }
            Self::Plateau { min_rate, .. } => (base * state.scale).max(min_rate.min(base)),
        }
    }

    /// Takes note of an epoch's validation loss (the training loss where there is no validation part).
    pub fn on_epoch_end(&self, state: &mut ScheduleState, validation_loss: f64) {
        let Self::Plateau { factor, patience, min_delta, keep, .. } = *self else { return };
        if keep && state.scale < 1.0 {
            state.scale *= factor;
            return;
        }
        if validation_loss < state.best.map_or(f64::INFINITY, |best| best - min_delta) {
            state.best = Some(validation_loss);
            state.waited = 0;
            return;
        }
        state.waited += 1;
        if state.waited >= patience {
            state.scale *= factor;
            state.waited = 0;
        }
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// [`Error::Config`] with the option, its value and what would be right.
    pub fn check(&self) -> Result<()> {
        let above_zero = |name: &str, value: f64| {
            if value > 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(Error::config(format!("schedule.{name}"), format!("is {value}; it must be above 0")))
        };
        match *self {
            Self::Constant => Ok(()),
            Self::Step { every, factor } => {
                above_zero("every", every as f64).and_then(|()| above_zero("factor", factor))
            }
            Self::HalveAfter { factor, .. } => above_zero("factor", factor),
            Self::Exponential { decay } => above_zero("decay", decay),
            Self::Cosine { warmup, total, floor } => {
                if total <= warmup {
                    let message = format!("is {total}; it must be above warmup, {warmup}");
                    return Err(Error::config("schedule.total", message));
                }
                if !(0.0..=1.0).contains(&floor) {
                    let message = format!("is {floor}; it is a part of the base rate, from 0 to 1");
                    return Err(Error::config("schedule.floor", message));
                }
                Ok(())
            }
            Self::Plateau { factor, min_delta, min_rate, .. } => {
                if !(factor > 0.0 && factor < 1.0) {
                    let message = format!("is {factor}; it must lie between 0 and 1");
                    return Err(Error::config("schedule.factor", message));
                }
                for (name, value) in [("min_delta", min_delta), ("min_rate", min_rate)] {
                    if !(value >= 0.0 && value.is_finite()) {
                        let message = format!("is {value}; it must be 0 or above");
                        return Err(Error::config(format!("schedule.{name}"), message));
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, base: f64, epochs: usize) -> Vec<f64> {
        (0..epochs).map(|e| schedule.rate(base, e, e as u64, &ScheduleState::default())).collect()
    }

    #[test]
    fn by_epoch() {
        assert_eq!(rates(Schedule::Constant, 0.3, 2), [0.3, 0.3]);
        assert_eq!(rates(Schedule::Step { every: 2, factor: 0.5 }, 1.0, 5), [1.0, 1.0, 0.5, 0.5, 0.25]);
        assert_eq!(rates(Schedule::Exponential { decay: 0.5 }, 2.0, 3), [2.0, 1.0, 0.5]);
    }

    #[test]
    fn zaremba_holds_four_epochs_and_then_halves() {
        let small = Schedule::HalveAfter { epoch: 4, factor: 0.5 };
        assert_eq!(rates(small, 1.0, 7), [1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.125]);
        assert_eq!(serde_json::from_str::<Schedule>(r#"{"type":"halve_after","epoch":4}"#).unwrap(), small);
    }

    #[test]
    fn cosine_warms_up_and_ends_on_its_floor() {
        let cosine = Schedule::Cosine { warmup: 4, total: 12, floor: 0.1 };
        let rates = rates(cosine, 2.0, 14);
        assert_eq!(rates[..5], [0.5, 1.0, 1.5, 2.0, 2.0]);
        assert!((rates[8] - 2.0 * 0.55).abs() < 1e-15, "halfway: {}", rates[8]);
        assert_eq!(rates[12..], [0.2, 0.2]);
    }

    #[test]
    fn plateau_waits_and_survives_a_save() {
        let plateau =
            Schedule::Plateau { factor: 0.5, patience: 2, min_delta: 0.1, min_rate: 0.3, keep: false };
        let mut state = ScheduleState::default();
        let mut seen = Vec::new();
        for loss in [1.0, 0.95, f64::NAN, 0.5, 0.6, 0.45, 0.45, 0.45] {
            plateau.on_epoch_end(&mut state, loss);
            let saved = serde_json::to_string(&state).unwrap();
            state = serde_json::from_str(&saved).unwrap();
            seen.push(plateau.rate(1.0, 0, 0, &state));
        }
        assert_eq!(seen, [1.0, 1.0, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]);
        assert_eq!(plateau.rate(0.2, 0, 0, &state), 0.2); // a floor does not raise the rate
    }

    #[test]
    fn a_plateau_that_keeps_on_halves_at_each_epoch_from_the_first() {
        let text = r#"{"type":"plateau","factor":0.5,"patience":1,"min_delta":0.1,"keep":true}"#;
        let plateau: Schedule = serde_json::from_str(text).unwrap();
        let mut state = ScheduleState::default();
        let mut seen = Vec::new();
        for loss in [3.0, 2.0, 1.95, 1.0, 0.5, 0.4] {
            plateau.on_epoch_end(&mut state, loss);
            seen.push(plateau.rate(1.0, 0, 0, &state));
        }
        assert_eq!(seen, [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625]);
    }

    #[test]
    fn senseless_values_are_refused() {
        for (schedule, place) in [
            (Schedule::Step { every: 0, factor: 0.5 }, "schedule.every"),
            (Schedule::HalveAfter { epoch: 1, factor: 0.0 }, "schedule.factor"),
            (Schedule::Exponential { decay: f64::NAN }, "schedule.decay"),
            (Schedule::Cosine { warmup: 5, total: 5, floor: 0.0 }, "schedule.total"),
            (Schedule::Cosine { warmup: 0, total: 5, floor: 1.5 }, "schedule.floor"),
            (
                Schedule::Plateau { factor: 1.0, patience: 1, min_delta: 0.0, min_rate: 0.0, keep: false },
                "schedule.factor",
            ),
        ] {
            let message = schedule.check().unwrap_err().to_string();
            assert!(message.starts_with(place), "{message}");
        }
        Schedule::Cosine { warmup: 0, total: 1, floor: 0.0 }.check().unwrap();
    }
}
