//! From files to token ids and feature frames: everything that comes before a batch.
//!
//! | module | from | to |
//! |---|---|---|
//! | [`read`] | a file, plain, `.gz` or `.zip`, or a folder | text, bytes, a fingerprint |
//! | [`zip`] | an archive | the files in it |
//! | [`source`] | the same, of any length | text, piece by piece |
//! | [`lines`] | a file or a pipe | its lines, as they come |
//! | [`text`] | text | token ids, by a [`Vocabulary`](text::Vocabulary) |
//! | [`tokens`] | the ids of a text of any length | ids anywhere in it |
//! | [`table`] | CSV, TSV, JSON, fastText, a file or a folder per class | labelled texts, labelled ragged sequences |
//! | [`wide`] | a sequence a row: CSV, TSV, `.ts`, `.arff` | labelled ragged sequences |
//! | [`tagged`] | a token a line with its label (CoNLL, CoNLL-U), JSONL | sentences with a label for every token |
//! | [`series`] | CSV with a time column | windows and targets, a scaler, the trivial forecasts |
//! | [`time`] | cells of a table | when rows are, and how far apart |
//! | [`corpus`] | a seed | the built-in corpus, whose every probability is known |
//! | [`memory`] | a length and random numbers | the adding and the copying problem |
//! | [`dataset`] | arrays, ragged or padded | sequences with targets, weights and marks |
//! | [`batch`] | a dataset, or a long stream of tokens | the batches of an epoch |
//! | [`layout`] | the lengths of a batch | where its rows lie |
//!
//! Nothing here runs a layer or knows a model. Every error names the file, the line or byte, and what
//! would be right.

pub mod batch;
mod columns;
pub mod corpus;
pub mod dataset;
mod folder;
mod jitter;
pub mod labels;
pub mod layout;
mod lined;
pub mod lines;
pub mod memory;
pub mod read;
pub mod series;
pub(crate) mod sheet;
pub mod source;
pub mod table;
pub mod tagged;
pub mod text;
pub mod time;
pub mod tokens;
pub mod wide;
pub mod zip;
