//! A stand-in for `gimbap::layer::LayerConfig`, until it lands.
#![allow(missing_docs)]

use gimbap::init::Initializer;
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
    pub kernel_init: Option<Initializer>,
    pub recurrent_init: Option<Initializer>,
    pub bias_init: Option<Initializer>,
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
