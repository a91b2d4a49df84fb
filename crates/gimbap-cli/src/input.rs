//! What a verb reads: a file, or standard input where `-` stands.

use std::io::Read;
use std::path::Path;

use gimbap::data::read::read_text;

use crate::output::{Failure, Outcome};

/// Whether standard input is meant.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
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
        .map_err(|e| Failure::work("io", format!("standard input: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Failure::work("data", format!("standard input, byte {at}: not UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n");
    match text.trim().is_empty() {
        true => Err(Failure::work("data", "standard input: it is empty")),
        false => Ok(text),
    }
}

/// Its lines.
pub fn lines(path: &Path) -> Outcome<Vec<String>> {
    Ok(text(path)?.lines().map(str::to_string).collect())
}
