//! Stand-ins for the library's own types, until they land: replaced by `gimbap::layer::LayerConfig`,
//! `gimbap::optim::{Optimizer, Schedule}` and `gimbap::init::Init`.
#![allow(missing_docs)]

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerConfig {
    #[serde(rename = "type")]
    pub kind: LayerKind,
    pub units: Option<usize>,
    pub vocab: Option<usize>,
    pub activation: Option<String>,
    pub return_sequences: Option<bool>,
    pub return_state: Option<bool>,
    pub go_backwards: Option<bool>,
    pub stateful: Option<bool>,
    pub dropout: Option<f64>,
    pub recurrent_dropout: Option<f64>,
    pub unit_forget_bias: Option<bool>,
    pub reset_after: Option<bool>,
    pub merge: Option<String>,
    pub layer: Option<Box<LayerConfig>>,
    pub rate: Option<f64>,
    pub kernel_init: Option<Init>,
    pub recurrent_init: Option<Init>,
    pub bias_init: Option<Init>,
    pub l2: Option<f64>,
    pub padding_id: Option<usize>,
    pub epsilon: Option<f64>,
    pub pooling: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    OneHot,
    Embedding,
    SimpleRnn,
    Lstm,
    Gru,
    Bidirectional,
    Dense,
    Activation,
    Dropout,
    LayerNorm,
    Flatten,
    Pooling,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    Sgd {
        rate: Option<f64>,
        momentum: Option<f64>,
        nesterov: Option<bool>,
    },
    Rmsprop {
        rate: Option<f64>,
        decay: Option<f64>,
        momentum: Option<f64>,
        epsilon: Option<f64>,
    },
    Adam {
        rate: Option<f64>,
        beta_1: Option<f64>,
        beta_2: Option<f64>,
        epsilon: Option<f64>,
    },
    Adamw {
        rate: Option<f64>,
        beta_1: Option<f64>,
        beta_2: Option<f64>,
        epsilon: Option<f64>,
        weight_decay: Option<f64>,
    },
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer::Adam { rate: None, beta_1: None, beta_2: None, epsilon: None }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    Step { every: usize, factor: f64 },
    Exponential { factor: f64 },
    HalveAfter { epoch: usize },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Init {
    GlorotUniform,
    Orthogonal,
    Zeros,
    Uniform { scale: f64 },
}
