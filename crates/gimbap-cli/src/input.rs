//! What a verb reads: a file, or standard input where `-` stands.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
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

/// Lines that a thread of their own reads, so that one can look for more of them and not wait for ever.
#[derive(Debug)]
pub struct Ahead(Receiver<Outcome<Vec<String>>>);

impl Ahead {
    /// Reads an input, at most so many lines at once.
    pub fn open(path: &Path, at_once: usize) -> Self {
        // What is read ahead is bounded: one piece that waits to be taken, and one that waits behind it.
        let (sender, receiver) = sync_channel(1);
        let path = path.to_path_buf();
        std::thread::spawn(move || {
            let mut lines = match stream(&path) {
                Ok(lines) => lines,
                Err(failure) => return drop(sender.send(Err(failure))),
            };
            loop {
                let some = lines.read(at_once).map_err(Failure::from);
                let last = some.as_ref().map_or(true, Vec::is_empty);
                if sender.send(some).is_err() || last {
                    return;
                }
            }
        });
        Ahead(receiver)
    }

    /// The next lines, as [`Lines::read`] gives them.
    pub fn read(&mut self) -> Outcome<Vec<String>> {
        self.0.recv().unwrap_or(Ok(Vec::new()))
    }

    /// The same, or nothing if none come in this time.
    pub fn read_within(&mut self, time: Duration) -> Option<Outcome<Vec<String>>> {
        match self.0.recv_timeout(time) {
            Ok(some) => Some(some),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Ok(Vec::new())),
        }
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

/// Its lines.
pub fn lines(path: &Path) -> Outcome<Vec<String>> {
    Ok(text(path)?.lines().map(str::to_string).collect())
}
