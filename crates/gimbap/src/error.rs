//! Everything that can go wrong, in one enum: what was wrong, where, and what would be right.

use std::path::PathBuf;

/// The result of every fallible call of this library.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. Every variant carries the place and the values, so that its message alone suffices.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array has another shape than the place it is given to.
    #[error("{place}: expected {expected}, got {found}")]
    Shape {
        /// Where: a layer, an argument.
        place: String,
        /// The shape that would be right.
        expected: String,
        /// The shape that came.
        found: String,
    },
    /// An option has a value that it cannot have, or two options contradict each other.
    #[error("{place}: {message}")]
    Config {
        /// The option or layer, as the user wrote it.
        place: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// Something asked for that this model or layer cannot do.
    #[error("{place} {message}")]
    Unsupported {
        /// The layer or operation.
        place: String,
        /// Why not, and what to do in its stead.
        message: String,
    },
    /// Data that cannot be used: an empty file, a missing column, labels of one class only.
    #[error("{place}: {message}")]
    Data {
        /// The file, with its line or byte where known: `reviews.csv, line 7`.
        place: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A model file that is damaged or from another version.
    #[error("{}: {message}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A tensor of a model file that is missing, superfluous, of the wrong shape or of the wrong type.
    #[error("{}: tensor `{tensor}`: {message}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong.
        message: String,
    },
    /// A stream's state that is damaged, or belongs to another model.
    #[error("the state {message}")]
    State {
        /// What is wrong.
        message: String,
    },
    /// A value became NaN or infinite during training. (The message counts batches and epochs from 1, as progress
    /// lines do.)
    #[error(
        "{what} became {value} in layer `{layer}`{} of batch {} in epoch {}; lower the learning rate or clip \
         the gradient",
        step.map(|step| format!(" at time step {step}")).unwrap_or_default(),
        batch + 1,
        epoch + 1
    )]
    NotFinite {
        /// `output`, `gradient`.
        what: &'static str,
        /// `NaN` or `inf`.
        value: f64,
        /// The first layer that shows it.
        layer: String,
        /// The first time step that shows it, where a step does.
        step: Option<usize>,
        /// The batch within the epoch, from 0.
        batch: usize,
        /// The epoch, from 0.
        epoch: usize,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// A stable word for the variant, for machines: `shape`, `config`, `unsupported`, `data`, `model_file`,
    /// `tensor`, `state`, `not_finite`, `io`.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Shape { .. } => "shape",
            Error::Config { .. } => "config",
            Error::Unsupported { .. } => "unsupported",
            Error::Data { .. } => "data",
            Error::ModelFile { .. } => "model_file",
            Error::Tensor { .. } => "tensor",
            Error::State { .. } => "state",
            Error::NotFinite { .. } => "not_finite",
            Error::Io { .. } => "io",
        }
    }

    pub(crate) fn shape(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Error::Shape { place: place.into(), expected: expected.into(), found: found.into() }
    }

    /// An [`Error::Config`] about `place`.
    pub fn config(place: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Config { place: place.into(), message: message.into() }
    }

    /// An [`Error::Unsupported`] about `place`.
    pub fn unsupported(place: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Unsupported { place: place.into(), message: message.into() }
    }

    /// An [`Error::Data`] about `place`.
    pub fn data(place: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Data { place: place.into(), message: message.into() }
    }

    /// An [`Error::Io`] about `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Error::Io { path: path.into(), source }
    }
}
