//! What a layer is, as its user writes it: one plain struct per kind, with Keras's words and defaults.

use serde::{Deserialize, Serialize};

use crate::init::Initializer;

/// An elementwise function, or softmax over the features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `x`.
    #[default]
    Linear,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `max(x, 0)`.
    Relu,
    /// `e^x_j / sum_k e^x_k` over the features of a step.
    Softmax,
}

/// How the two directions of a [`Bidirectional`] become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Merge {
    /// Side by side: `2 H` features.
    #[default]
    Concat,
    /// `a + b`.
    Sum,
    /// `a * b`.
    Mul,
    /// `(a + b) / 2`.
    Ave,
}

/// What becomes of a sequence of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// The last valid step; of an empty sequence, zeros.
    Last,
    /// The mean over the valid steps; of an empty sequence, zeros.
    Mean,
    /// The largest value of each feature over the valid steps, the first of equals; of an empty sequence, zeros.
    Max,
}

/// Token ids `[B, T]` to one-hot vectors `[B, T, V]`. In front of a recurrent or dense layer nothing is written
/// out: their product with a one-hot vector is a row of their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OneHot;

/// Token ids `[B, T]` to learned vectors `[B, T, units]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Features of a vector.
    pub units: usize,
    /// The id whose vector is zero and stays so.
    pub padding_id: Option<u32>,
    /// How the vectors `[V, units]` begin (Keras: uniform ±0.05; PyTorch: standard normal).
    pub init: Initializer,
    /// Adds `l2 * sum(w^2)` to the loss.
    pub l2: f64,
    /// Lends its vectors `E` to the dense layer at the model's end, which becomes `y = activation(x E^T + b)` and has no
    /// `w` of its own (Press and Wolf, arXiv:1608.05859v3; Inan et al., arXiv:1611.01462v3). That layer has `V` units,
    /// the one in front of it as many as the embedding. `E` begins as `init` says.
    pub tied: bool,
    /// The part of the tokens dropped in training: for a batch all vectors of a dropped token are zero, the others are
    /// scaled by `1 / (1 - dropout)` (Gal and Ghahramani, arXiv:1512.05287v5). Not where the vectors are lent.
    pub dropout: f64,
    /// Whether training moves the vectors; those of a file may be meant to stay as they are. Vectors that stay have no
    /// gradient, and no penalty, weight decay or tied layer that would move them.
    pub trainable: bool,
}

impl Embedding {
    /// Vectors of this many features.
    pub fn new(units: usize) -> Self {
        let init = Initializer::Uniform { scale: 0.05 };
        Embedding { units, padding_id: None, init, l2: 0.0, tied: false, dropout: 0.0, trainable: true }
    }

    /// The id whose vector is zero and stays so.
    pub fn padding_id(mut self, id: u32) -> Self {
        self.padding_id = Some(id);
        self
    }

    /// How the vectors begin.
    pub fn init(mut self, init: Initializer) -> Self {
        self.init = init;
        self
    }

    /// Whether the dense layer at the model's end has the same weights.
    pub fn tied(mut self, on: bool) -> Self {
        self.tied = on;
        self
    }

    /// Drops this part of the tokens in training.
    pub fn dropout(mut self, rate: f64) -> Self {
        self.dropout = rate;
        self
    }

    /// Whether training moves the vectors.
    pub fn trainable(mut self, on: bool) -> Self {
        self.trainable = on;
        self
    }
}

/// A recurrent layer: the options of every cell, and those of one kind of cell in `cell`.
///
/// Parameters, for `I` inputs, `H` units and `G` gates: `w_x [I, G H]`, `w_h [H, G H]`, `b [G H]` (and `b_h [G H]`
/// for the GRU that resets after its product). Gate order: LSTM `i, f, g, o`; GRU `r, z, n`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrent<K> {
    /// `H`.
    pub units: usize,
    /// The options of this kind of cell.
    pub cell: K,
    /// Gives `[B, T, H]`, an output for every step, instead of `[B, H]`, the last one.
    pub return_sequences: bool,
    /// `Model::run` gives the layer's last states.
    pub return_state: bool,
    /// Reads each sequence from its end; the outputs come in that order, as in Keras.
    pub go_backwards: bool,
    /// Each batch of one call begins with the states in which the batch before ended (those of all layers, if one
    /// of them is stateful).
    pub stateful: bool,
    /// The part of the input features dropped in training: one mask per sequence, the same at every step.
    pub dropout: f64,
    /// The part of `h_{t-1}` dropped in training where it enters `W_h`: one mask per sequence.
    pub recurrent_dropout: f64,
    /// DropConnect (Wan et al. 2013; on `W_h` Merity et al., arXiv:1708.02182v1): the part of `W_h`'s weights that are
    /// zero in a step of training, in which the others are scaled by `1 / (1 - weight_drop)`. One mask for all gates,
    /// sequences and time steps.
    pub weight_drop: f64,
    /// Zoneout (Krueger et al., arXiv:1606.01305v4, equations 4 and 5): the part of the units that keep `h_{t-1}` at a
    /// step of training, drawn for each sequence and step. Otherwise `h_t` is the mean of that,
    /// `zoneout h_{t-1} + (1 - zoneout) h~_t` with the cell's own `h~_t`: in streams too.
    pub zoneout: f64,
    /// How `w_x` begins.
    pub kernel_init: Initializer,
    /// How `w_h` begins.
    pub recurrent_init: Initializer,
    /// How `b` and `b_h` begin.
    pub bias_init: Initializer,
    /// Adds `l2 * sum(w^2)` over `w_x` and `w_h` to the loss.
    pub l2: f64,
}

/// What [`SimpleRnn`] alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimpleRnnOptions {
    /// Tanh or ReLU.
    pub activation: Activation,
}

impl Default for SimpleRnnOptions {
    fn default() -> Self {
        SimpleRnnOptions { activation: Activation::Tanh }
    }
}

/// What [`Lstm`] alone has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LstmOptions {
    /// Adds 1 to the forget gate's bias at the start (Keras's default; PyTorch has no such thing).
    pub unit_forget_bias: bool,
    /// As [`Recurrent::zoneout`], of `c`. `h~_t` comes of the cell's own `c~_t`.
    pub zoneout_cell: f64,
}

impl Default for LstmOptions {
    fn default() -> Self {
        LstmOptions { unit_forget_bias: true, zoneout_cell: 0.0 }
    }
}

/// What [`Gru`] alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GruOptions {
    /// Resets after the product (cuDNN, PyTorch, Keras's default) instead of before it (the paper's later form).
    pub reset_after: bool,
}

impl Default for GruOptions {
    fn default() -> Self {
        GruOptions { reset_after: true }
    }
}

/// `h_t = tanh(W_x x_t + W_h h_{t-1} + b)`; see [`crate::cell::simple_rnn`].
pub type SimpleRnn = Recurrent<SimpleRnnOptions>;
/// Long short-term memory; see [`crate::cell::lstm`].
pub type Lstm = Recurrent<LstmOptions>;
/// Gated recurrent unit; see [`crate::cell::gru`] and [`crate::cell::gru_reset_before`].
pub type Gru = Recurrent<GruOptions>;

impl<K: Default> Recurrent<K> {
    /// `units` hidden units, everything else as Keras has it.
    pub fn new(units: usize) -> Self {
        Recurrent {
            units,
            cell: K::default(),
            return_sequences: false,
            return_state: false,
            go_backwards: false,
            stateful: false,
            dropout: 0.0,
            recurrent_dropout: 0.0,
            weight_drop: 0.0,
            zoneout: 0.0,
            kernel_init: Initializer::GlorotUniform,
            recurrent_init: Initializer::Orthogonal,
            bias_init: Initializer::Zeros,
            l2: 0.0,
        }
    }
}

impl<K> Recurrent<K> {
    /// An output for every step instead of the last one.
    pub fn return_sequences(mut self, on: bool) -> Self {
        self.return_sequences = on;
        self
    }

    /// `Model::run` gives the layer's last states.
    pub fn return_state(mut self, on: bool) -> Self {
        self.return_state = on;
        self
    }

    /// Reads each sequence from its end.
    pub fn go_backwards(mut self, on: bool) -> Self {
        self.go_backwards = on;
        self
    }

    /// Each batch of one call continues the batch before.
    pub fn stateful(mut self, on: bool) -> Self {
        self.stateful = on;
        self
    }

    /// Drops this part of the input features in training.
    pub fn dropout(mut self, rate: f64) -> Self {
        self.dropout = rate;
        self
    }

    /// Drops this part of `h_{t-1}` in training.
    pub fn recurrent_dropout(mut self, rate: f64) -> Self {
        self.recurrent_dropout = rate;
        self
    }

    /// Drops this part of `W_h`'s weights in training.
    pub fn weight_drop(mut self, rate: f64) -> Self {
        self.weight_drop = rate;
        self
    }

    /// The part of the units that keep `h_{t-1}` at a step.
    pub fn zoneout(mut self, rate: f64) -> Self {
        self.zoneout = rate;
        self
    }

    /// All of `w_x`, `w_h`, `b` begin so.
    pub fn init(mut self, init: Initializer) -> Self {
        (self.kernel_init, self.recurrent_init, self.bias_init) = (init, init, init);
        self
    }

    /// How `w_h` begins.
    pub fn recurrent_init(mut self, init: Initializer) -> Self {
        self.recurrent_init = init;
        self
    }

    /// Adds `l2 * sum(w^2)` over the weights to the loss.
    pub fn l2(mut self, l2: f64) -> Self {
        self.l2 = l2;
        self
    }
}

impl SimpleRnn {
    /// Tanh or ReLU.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.cell.activation = activation;
        self
    }

    /// The IRNN: ReLU, and `w_h` starting as the identity (Le, Jaitly and Hinton 2015).
    pub fn irnn(units: usize) -> Self {
        SimpleRnn::new(units).activation(Activation::Relu).recurrent_init(Initializer::Identity)
    }
}

impl Lstm {
    /// Whether the forget gate's bias starts 1 higher.
    pub fn unit_forget_bias(mut self, on: bool) -> Self {
        self.cell.unit_forget_bias = on;
        self
    }

    /// The part of the units that keep `c_{t-1}` at a step.
    pub fn zoneout_cell(mut self, rate: f64) -> Self {
        self.cell.zoneout_cell = rate;
        self
    }
}

impl Gru {
    /// Resets after the product (the default) or before it.
    pub fn reset_after(mut self, on: bool) -> Self {
        self.cell.reset_after = on;
        self
    }
}

/// A recurrent layer and its twin that reads from the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Bidirectional {
    /// The recurrent layer. [`Recurrent::return_sequences`] there says what both give.
    pub layer: Box<LayerSpec>,
    /// How the two outputs become one.
    pub merge: Merge,
}

impl Bidirectional {
    /// Both directions of a recurrent layer, side by side.
    pub fn new(layer: impl Into<LayerSpec>) -> Self {
        Bidirectional { layer: Box::new(layer.into()), merge: Merge::Concat }
    }

    /// How the two outputs become one.
    pub fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }
}

/// `y = activation(x W + b)`, on every time step if there are any. Parameters: `w [I, units]` (unless the model's
/// [`Embedding`] is [`tied`](Embedding::tied) to it), `b [units]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Features of the output.
    pub units: usize,
    /// What is applied to it.
    pub activation: Activation,
    /// How `w` begins; a tied one begins as the embedding does.
    pub kernel_init: Initializer,
    /// How `b` begins.
    pub bias_init: Initializer,
    /// Adds `l2 * sum(w^2)` to the loss.
    pub l2: f64,
}

impl Dense {
    /// This many outputs, linear.
    pub fn new(units: usize) -> Self {
        Dense {
            units,
            activation: Activation::Linear,
            kernel_init: Initializer::GlorotUniform,
            bias_init: Initializer::Zeros,
            l2: 0.0,
        }
    }

    /// What is applied to the output.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Both `w` and `b` begin so.
    pub fn init(mut self, init: Initializer) -> Self {
        (self.kernel_init, self.bias_init) = (init, init);
        self
    }

    /// Adds `l2 * sum(w^2)` to the loss.
    pub fn l2(mut self, l2: f64) -> Self {
        self.l2 = l2;
        self
    }
}

/// In training, sets this part of the values to zero and scales the rest by `1 / (1 - rate)`, anew at each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The part dropped, in `[0, 1)`.
    pub rate: f64,
    /// Drops the same features at all steps of a sequence in a batch (Gal and Ghahramani, arXiv:1512.05287v5).
    pub variational: bool,
}

impl Dropout {
    /// Drops this part.
    pub fn new(rate: f64) -> Self {
        Dropout { rate, variational: false }
    }

    /// Whether all steps of a sequence share one mask.
    pub fn variational(mut self, on: bool) -> Self {
        self.variational = on;
        self
    }
}

/// Layer normalisation (Ba, Kiros and Hinton 2016) over the features of each step:
/// `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Keras's 1e-3 (PyTorch has 1e-5).
    pub epsilon: f64,
}

impl Default for LayerNorm {
    fn default() -> Self {
        LayerNorm { epsilon: 1e-3 }
    }
}

/// Activation regularisation (Merity et al., arXiv:1708.01009v1): leaves the values as they are, and in training adds
///
/// ```text
/// alpha mean(x_t²) + beta mean((x_t - x_{t-1})²)
/// ```
///
/// to the reduced loss: means over the features of all steps of the batch, and of all pairs of neighbouring steps of a
/// sequence (none across a reset). The losses that a training tells are without it. In the AWD-LSTM (arXiv:1708.02182v1)
/// `alpha` stands behind the output's dropout and `beta` in front of it, so it has two of these layers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// What large values cost (AR).
    pub alpha: f64,
    /// What changes from step to step cost (temporal AR, TAR).
    pub beta: f64,
}

impl Penalty {
    /// What large values cost.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// What changes from step to step cost.
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }
}

/// `[B, T, I]` to `[B, T I]`, for sequences of `steps` steps: the way into a feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten {
    /// The length that every sequence must have.
    pub steps: usize,
}

impl Flatten {
    /// For sequences of this length.
    pub fn new(steps: usize) -> Self {
        Flatten { steps }
    }
}

/// One layer of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "super::LayerConfig", into = "super::LayerConfig")]
#[non_exhaustive]
pub enum LayerSpec {
    /// See [`OneHot`].
    OneHot(OneHot),
    /// See [`Embedding`].
    Embedding(Embedding),
    /// See [`SimpleRnn`].
    SimpleRnn(SimpleRnn),
    /// See [`Lstm`].
    Lstm(Lstm),
    /// See [`Gru`].
    Gru(Gru),
    /// See [`Bidirectional`].
    Bidirectional(Bidirectional),
    /// See [`Dense`].
    Dense(Dense),
    /// See [`Activation`].
    Activation(Activation),
    /// See [`Dropout`].
    Dropout(Dropout),
    /// See [`LayerNorm`].
    LayerNorm(LayerNorm),
    /// See [`Penalty`].
    Penalty(Penalty),
    /// See [`Flatten`].
    Flatten(Flatten),
    /// See [`Pool`].
    Pool(Pool),
}

macro_rules! into_spec {
    ($($kind:ident),*) => {
        $(impl From<$kind> for LayerSpec {
            fn from(layer: $kind) -> Self {
                LayerSpec::$kind(layer)
            }
        })*
    };
}
into_spec!(
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
    Penalty,
    Flatten,
    Pool
);

/// What all recurrent layers have, whatever their cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecurrentOptions {
    /// `H`.
    pub units: usize,
    /// See [`Recurrent::return_sequences`].
    pub return_sequences: bool,
    /// See [`Recurrent::return_state`].
    pub return_state: bool,
    /// See [`Recurrent::go_backwards`].
    pub go_backwards: bool,
    /// See [`Recurrent::stateful`].
    pub stateful: bool,
}

impl<K> From<&Recurrent<K>> for RecurrentOptions {
    fn from(layer: &Recurrent<K>) -> Self {
        let &Recurrent { units, return_sequences, return_state, go_backwards, stateful, .. } = layer;
        RecurrentOptions { units, return_sequences, return_state, go_backwards, stateful }
    }
}

impl LayerSpec {
    /// Of a recurrent layer, or of the one that a [`Bidirectional`] wraps, what all of them have.
    pub fn recurrent(&self) -> Option<RecurrentOptions> {
        match self {
            LayerSpec::SimpleRnn(layer) => Some(layer.into()),
            LayerSpec::Lstm(layer) => Some(layer.into()),
            LayerSpec::Gru(layer) => Some(layer.into()),
            LayerSpec::Bidirectional(layer) => layer.layer.recurrent(),
            LayerSpec::OneHot(_)
            | LayerSpec::Embedding(_)
            | LayerSpec::Dense(_)
            | LayerSpec::Activation(_)
            | LayerSpec::Dropout(_)
            | LayerSpec::LayerNorm(_)
            | LayerSpec::Penalty(_)
            | LayerSpec::Flatten(_)
            | LayerSpec::Pool(_) => None,
        }
    }

    /// The kind's name, as in a config: `lstm`, `dense`.
    pub fn kind(&self) -> &'static str {
        match self {
            LayerSpec::OneHot(_) => "one_hot",
            LayerSpec::Embedding(_) => "embedding",
            LayerSpec::SimpleRnn(_) => "simple_rnn",
            LayerSpec::Lstm(_) => "lstm",
            LayerSpec::Gru(_) => "gru",
            LayerSpec::Bidirectional(_) => "bidirectional",
            LayerSpec::Dense(_) => "dense",
            LayerSpec::Activation(_) => "activation",
            LayerSpec::Dropout(_) => "dropout",
            LayerSpec::LayerNorm(_) => "layer_norm",
            LayerSpec::Penalty(_) => "penalty",
            LayerSpec::Flatten(_) => "flatten",
            LayerSpec::Pool(_) => "pool",
        }
    }
}
