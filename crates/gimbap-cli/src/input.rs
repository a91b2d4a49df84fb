//! What a verb reads: a file, or standard input where `-` stands.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

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

/// Lines of which one can see whether more come soon, and not wait for ever.
pub struct Ahead {
    lines: Option<Lines<'static>>,
    at_once: usize,
    /// The lines that were not there in time, from a thread that goes on waiting for them.
    late: Option<Receiver<Late>>,
}

type Late = (Lines<'static>, gimbap::Result<Vec<String>>);

impl Ahead {
    /// Of an input, at most so many lines at once.
    pub fn open(path: &Path, at_once: usize) -> Outcome<Self> {
        Ok(Ahead { lines: Some(stream(path)?), at_once, late: None })
    }

    /// The next lines, as [`Lines::read`] gives them.
    pub fn read(&mut self) -> Outcome<Vec<String>> {
        if let Some(Ok((lines, some))) = self.late.take().map(|late| late.recv()) {
            self.lines = Some(lines);
            return Ok(some?);
        }
        match &mut self.lines {
            Some(lines) => Ok(lines.read(self.at_once)?),
            None => Ok(Vec::new()),
        }
    }

    /// The same, or nothing if none come in this time: then [`Ahead::read`] has them.
    pub fn read_within(&mut self, time: Duration) -> Option<Outcome<Vec<String>>> {
        if let Some(mut lines) = self.lines.take() {
            let (sender, receiver) = channel();
            let at_once = self.at_once;
            std::thread::spawn(move || {
                let some = lines.read(at_once);
                // Whoever waited may be gone.
                let _ = sender.send((lines, some));
            });
            self.late = Some(receiver);
        }
        let Ok((lines, some)) = self.late.as_ref()?.recv_timeout(time) else { return None };
        (self.lines, self.late) = (Some(lines), None);
        Some(some.map_err(Failure::from))
    }
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
