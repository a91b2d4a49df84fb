//! The microscope: figures of what a network does with one sequence, and the report that holds them.

pub mod compare;
pub mod figures;
mod report;
pub mod subject;
pub mod told;

pub use report::page;
