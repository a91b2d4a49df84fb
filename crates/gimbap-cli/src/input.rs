//! What a verb reads: a file, or standard input where `-` stands.

use std::io::Read;
use std::path::Path;

use gimbap::data::lines::Lines;
use gimbap::data::read::{read_text, to_text};

use crate::output::{Failure, Outcome};

const STDIN: &str = "standard input";

/// Whether standard input is meant.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What an input is called in messages.
pub fn name(path: &Path) -> String {
    if is_stdin(path) { STDIN.into() } else { path.display().to_string() }
}

/// Its lines, as they come.
pub fn stream(path: &Path) -> Outcome<Lines<'static>> {
    Ok(if is_stdin(path) { Lines::new(std::io::stdin(), STDIN)? } else { Lines::open(path)? })
}

/// A file's text, or all of standard input.
pub fn text(path: &Path) -> Outcome<String> {
    if !is_stdin(path) {
        return Ok(read_text(path)?);
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::work("io", format!("{STDIN}: {e}")))?;
    if bytes.is_empty() {
        return Err(Failure::work("data", format!("{STDIN}: it is empty")));
    }
    Ok(to_text(bytes, STDIN)?)
}

/// Its lines.
pub fn lines(path: &Path) -> Outcome<Vec<String>> {
    Ok(text(path)?.lines().map(str::to_string).collect())
}
