//! The verbs, one file each.

pub mod analogy;
pub mod bench;
pub mod completions;
pub mod convert;
mod dry_run;
pub mod embed;
pub mod eval;
pub mod explain;
pub mod generate;
pub mod inspect;
pub mod map;
pub mod memory;
pub mod neighbors;
pub mod new;
pub mod predict;
pub mod score;
pub mod train;
