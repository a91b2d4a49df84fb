//! Arithmetic on slices.
