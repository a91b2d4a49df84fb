//! The verbs, one file each.

pub mod completions;
pub mod new;
