//! Text, tables and series, and the batches made of them.

pub mod batch;
