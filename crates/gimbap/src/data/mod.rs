//! From files to token ids and feature frames: everything that comes before a batch.
//!
//! | module | from | to |
//! |---|---|---|
//! | [`read`] | a file, plain or `.gz`, or a folder | text, bytes, a fingerprint |
//! | [`text`] | text | token ids, by a [`Vocabulary`](text::Vocabulary) |
//! | [`table`] | CSV, TSV, one file per class | labelled texts, labelled ragged sequences |
//! | [`series`] | CSV with a time column | windows and targets, a scaler, the trivial forecasts |
//! | [`corpus`] | a seed | the built-in corpus, whose every probability is known |
//!
//! Nothing here knows a layer, a batch or a model. Every error names the file, the line or byte, and what
//! would be right.

pub mod corpus;
pub mod read;
pub mod series;
pub(crate) mod sheet;
pub mod table;
pub mod text;
