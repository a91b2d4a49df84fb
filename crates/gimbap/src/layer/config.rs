//! The written form of a layer, in configs and model files: one flat table with a `type`.

use serde::{Deserialize, Serialize};

use super::spec::*;
use crate::init::Initializer;
use crate::{Error, Result};

/// A layer as a flat table. An option that the `type` does not have is an error; one that is left out has Keras's
/// default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // the fields are those of the kinds in `layer`, under the same names
pub struct LayerConfig {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_sequences: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_state: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_backwards: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stateful: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrent_dropout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_drop: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zoneout_cell: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_forget_bias: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_after: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Box<LayerConfig>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_init: Option<Initializer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrent_init: Option<Initializer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias_init: Option<Initializer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<Initializer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l2: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trainable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variational: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pool>,
}

/// The kinds, as `type` names them.
pub const KINDS: [&str; 13] = [
    "one_hot",
    "embedding",
    "simple_rnn",
    "lstm",
    "gru",
    "bidirectional",
    "dense",
    "activation",
    "dropout",
    "layer_norm",
    "penalty",
    "flatten",
    "pool",
];

const RECURRENT: [&str; 14] = [
    "units",
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "dropout",
    "recurrent_dropout",
    "weight_drop",
    "zoneout",
    "kernel_init",
    "recurrent_init",
    "bias_init",
    "init",
    "l2",
];

impl LayerConfig {
    fn given(&self) -> Vec<&'static str> {
        let given = [
            ("units", self.units.is_some()),
            ("activation", self.activation.is_some()),
            ("return_sequences", self.return_sequences.is_some()),
            ("return_state", self.return_state.is_some()),
            ("go_backwards", self.go_backwards.is_some()),
            ("stateful", self.stateful.is_some()),
            ("dropout", self.dropout.is_some()),
            ("recurrent_dropout", self.recurrent_dropout.is_some()),
            ("weight_drop", self.weight_drop.is_some()),
            ("zoneout", self.zoneout.is_some()),
            ("zoneout_cell", self.zoneout_cell.is_some()),
            ("unit_forget_bias", self.unit_forget_bias.is_some()),
            ("reset_after", self.reset_after.is_some()),
            ("merge", self.merge.is_some()),
            ("layer", self.layer.is_some()),
            ("rate", self.rate.is_some()),
            ("kernel_init", self.kernel_init.is_some()),
            ("recurrent_init", self.recurrent_init.is_some()),
            ("bias_init", self.bias_init.is_some()),
            ("init", self.init.is_some()),
            ("l2", self.l2.is_some()),
            ("padding_id", self.padding_id.is_some()),
            ("tied", self.tied.is_some()),
            ("trainable", self.trainable.is_some()),
            ("variational", self.variational.is_some()),
            ("epsilon", self.epsilon.is_some()),
            ("alpha", self.alpha.is_some()),
            ("beta", self.beta.is_some()),
            ("steps", self.steps.is_some()),
            ("pooling", self.pooling.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    fn allow(&self, options: &[&str]) -> Result<()> {
        match self.given().into_iter().find(|name| !options.contains(name)) {
            None => Ok(()),
            Some(name) => Err(Error::config(
                format!("layer `{}`", self.kind),
                format!("has no option `{name}`; it has {}", options.join(", ")),
            )),
        }
    }

    fn needed<T: Copy>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| {
            Error::config(format!("layer `{}`", self.kind), format!("needs the option `{name}`"))
        })
    }

    fn recurrent<K: Default>(&self, cell: K) -> Result<Recurrent<K>> {
        let layer = Recurrent::<K>::new(self.needed("units", self.units)?);
        let layer = self.init.into_iter().fold(layer, Recurrent::init);
        Ok(Recurrent {
            units: layer.units,
            cell,
            return_sequences: self.return_sequences.unwrap_or(false),
            return_state: self.return_state.unwrap_or(false),
            go_backwards: self.go_backwards.unwrap_or(false),
            stateful: self.stateful.unwrap_or(false),
            dropout: self.dropout.unwrap_or(0.0),
            recurrent_dropout: self.recurrent_dropout.unwrap_or(0.0),
            weight_drop: self.weight_drop.unwrap_or(0.0),
            zoneout: self.zoneout.unwrap_or(0.0),
            kernel_init: self.kernel_init.unwrap_or(layer.kernel_init),
            recurrent_init: self.recurrent_init.unwrap_or(layer.recurrent_init),
            bias_init: self.bias_init.unwrap_or(layer.bias_init),
            l2: self.l2.unwrap_or(0.0),
        })
    }

    fn from_recurrent<K>(kind: &str, layer: Recurrent<K>) -> LayerConfig {
        let Recurrent { units, return_sequences, return_state, go_backwards, stateful, .. } = layer;
        let some = |on: bool| on.then_some(true);
        let rate = |rate: f64| (rate != 0.0).then_some(rate);
        LayerConfig {
            kind: kind.into(),
            units: Some(units),
            return_sequences: some(return_sequences),
            return_state: some(return_state),
            go_backwards: some(go_backwards),
            stateful: some(stateful),
            dropout: rate(layer.dropout),
            recurrent_dropout: rate(layer.recurrent_dropout),
            weight_drop: rate(layer.weight_drop),
            zoneout: rate(layer.zoneout),
            kernel_init: Some(layer.kernel_init),
            recurrent_init: Some(layer.recurrent_init),
            bias_init: Some(layer.bias_init),
            l2: rate(layer.l2),
            ..LayerConfig::default()
        }
    }
}

impl TryFrom<LayerConfig> for LayerSpec {
    type Error = Error;

    fn try_from(config: LayerConfig) -> Result<LayerSpec> {
        let with = |options: &[&'static str]| [&RECURRENT[..], options].concat();
        Ok(match config.kind.as_str() {
            "one_hot" => {
                config.allow(&[])?;
                OneHot.into()
            }
            "embedding" => {
                config.allow(&["units", "padding_id", "init", "l2", "tied", "dropout", "trainable"])?;
                let layer = Embedding::new(config.needed("units", config.units)?);
                Embedding {
                    units: layer.units,
                    padding_id: config.padding_id,
                    init: config.init.unwrap_or(layer.init),
                    l2: config.l2.unwrap_or(0.0),
                    tied: config.tied.unwrap_or(false),
                    dropout: config.dropout.unwrap_or(0.0),
                    trainable: config.trainable.unwrap_or(true),
                }
                .into()
            }
            "simple_rnn" => {
                config.allow(&with(&["activation"]))?;
                let activation = config.activation.unwrap_or(Activation::Tanh);
                config.recurrent(SimpleRnnOptions { activation })?.into()
            }
            "lstm" => {
                config.allow(&with(&["unit_forget_bias", "zoneout_cell"]))?;
                // An initialiser given for all weights is meant for the forget gate's bias too.
                let unit_forget_bias = config.unit_forget_bias.unwrap_or(config.init.is_none());
                let zoneout_cell = config.zoneout_cell.unwrap_or(0.0);
                config.recurrent(LstmOptions { unit_forget_bias, zoneout_cell })?.into()
            }
            "gru" => {
                config.allow(&with(&["reset_after"]))?;
                config.recurrent(GruOptions { reset_after: config.reset_after.unwrap_or(true) })?.into()
            }
            "bidirectional" => {
                config.allow(&["layer", "merge"])?;
                let Some(layer) = config.layer.clone() else {
                    return Err(Error::config(
                        "layer `bidirectional`",
                        "needs the option `layer`, a recurrent layer",
                    ));
                };
                let layer = Box::new(LayerSpec::try_from(*layer)?);
                Bidirectional { layer, merge: config.merge.unwrap_or_default() }.into()
            }
            "dense" => {
                config.allow(&["units", "activation", "kernel_init", "bias_init", "init", "l2"])?;
                let layer = Dense::new(config.needed("units", config.units)?);
                let layer = config.init.into_iter().fold(layer, Dense::init);
                Dense {
                    activation: config.activation.unwrap_or_default(),
                    kernel_init: config.kernel_init.unwrap_or(layer.kernel_init),
                    bias_init: config.bias_init.unwrap_or(layer.bias_init),
                    l2: config.l2.unwrap_or(0.0),
                    ..layer
                }
                .into()
            }
            "activation" => {
                config.allow(&["activation"])?;
                config.needed("activation", config.activation)?.into()
            }
            "dropout" => {
                config.allow(&["rate", "variational"])?;
                let layer = Dropout::new(config.needed("rate", config.rate)?);
                layer.variational(config.variational.unwrap_or(false)).into()
            }
            "layer_norm" => {
                config.allow(&["epsilon"])?;
                LayerNorm { epsilon: config.epsilon.unwrap_or(LayerNorm::default().epsilon) }.into()
            }
            "penalty" => {
                config.allow(&["alpha", "beta"])?;
                if config.alpha.or(config.beta).is_none() {
                    return Err(Error::config(
                        "layer `penalty`",
                        "needs the option `alpha` or `beta`, or both",
                    ));
                }
                Penalty { alpha: config.alpha.unwrap_or(0.0), beta: config.beta.unwrap_or(0.0) }.into()
            }
            "flatten" => {
                config.allow(&["steps"])?;
                Flatten::new(config.needed("steps", config.steps)?).into()
            }
            "pool" => {
                config.allow(&["pooling"])?;
                config.needed("pooling", config.pooling)?.into()
            }
            other => {
                return Err(Error::config(
                    "layer",
                    format!("there is no layer type `{other}`; there are {}", KINDS.join(", ")),
                ));
            }
        })
    }
}

impl From<LayerSpec> for LayerConfig {
    fn from(spec: LayerSpec) -> LayerConfig {
        let kind = spec.kind().to_string();
        let none = LayerConfig { kind, ..LayerConfig::default() };
        let some = |on: bool| on.then_some(true);
        let rate = |rate: f64| (rate != 0.0).then_some(rate);
        match spec {
            LayerSpec::OneHot(OneHot) => none,
            LayerSpec::Embedding(layer) => LayerConfig {
                units: Some(layer.units),
                padding_id: layer.padding_id,
                init: Some(layer.init),
                l2: rate(layer.l2),
                tied: some(layer.tied),
                dropout: rate(layer.dropout),
                trainable: (!layer.trainable).then_some(false),
                ..none
            },
            LayerSpec::SimpleRnn(layer) => LayerConfig {
                activation: Some(layer.cell.activation),
                ..LayerConfig::from_recurrent(&none.kind, layer)
            },
            LayerSpec::Lstm(layer) => LayerConfig {
                unit_forget_bias: Some(layer.cell.unit_forget_bias),
                zoneout_cell: rate(layer.cell.zoneout_cell),
                ..LayerConfig::from_recurrent(&none.kind, layer)
            },
            LayerSpec::Gru(layer) => LayerConfig {
                reset_after: Some(layer.cell.reset_after),
                ..LayerConfig::from_recurrent(&none.kind, layer)
            },
            LayerSpec::Bidirectional(Bidirectional { layer, merge }) => {
                LayerConfig { layer: Some(Box::new((*layer).into())), merge: Some(merge), ..none }
            }
            LayerSpec::Dense(Dense { units, activation, kernel_init, bias_init, l2 }) => LayerConfig {
                units: Some(units),
                activation: Some(activation),
                kernel_init: Some(kernel_init),
                bias_init: Some(bias_init),
                l2: rate(l2),
                ..none
            },
            LayerSpec::Activation(activation) => LayerConfig { activation: Some(activation), ..none },
            LayerSpec::Dropout(Dropout { rate, variational }) => {
                LayerConfig { rate: Some(rate), variational: some(variational), ..none }
            }
            LayerSpec::LayerNorm(LayerNorm { epsilon }) => LayerConfig { epsilon: Some(epsilon), ..none },
            LayerSpec::Penalty(Penalty { alpha, beta }) => {
                LayerConfig { alpha: Some(alpha), beta: Some(beta), ..none }
            }
            LayerSpec::Flatten(Flatten { steps }) => LayerConfig { steps: Some(steps), ..none },
            LayerSpec::Pool(pool) => LayerConfig { pooling: Some(pool), ..none },
        }
    }
}
