//! The verbs, one file each.

pub mod bench;
pub mod completions;
mod dry_run;
pub mod eval;
pub mod generate;
pub mod inspect;
pub mod new;
pub mod predict;
pub mod score;
pub mod train;
