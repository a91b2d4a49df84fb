//! What the command says and how it ends: results on stdout, the rest on stderr, one exit code.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

/// The exit code after a failure of the work.
pub const FAILED: u8 = 1;
/// The exit code after wrong usage: a flag, a key of the config, a folder that holds another run.
pub const USAGE: u8 = 2;
/// The exit code after Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// The result of a verb.
pub type Outcome<T = ()> = std::result::Result<T, Failure>;

/// Why a verb could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// A stable word for machines: the library's error kinds, and `usage`, `run_dir`, `task`, `interrupted`,
    /// `pipe`, `internal`.
    pub kind: &'static str,
    /// What was wrong, where, and what would be right.
    pub message: String,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// A mistake in what was typed or in the config.
    pub fn usage(kind: &'static str, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), code: USAGE }
    }

    /// A failure of the work itself.
    pub fn work(kind: &'static str, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into(), code: FAILED }
    }

    /// A file that could not be read or written.
    pub fn io(path: &Path, error: &io::Error) -> Self {
        Failure::work("io", format!("{}: {error}{}", path.display(), remedy(error)))
    }

    /// Stopped by Ctrl-C; `message` says how to go on.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Failure { kind: "interrupted", message: message.into(), code: INTERRUPTED }
    }

    /// The reader of stdout has gone: nobody is left to tell.
    fn pipe() -> Self {
        Failure { kind: "pipe", message: String::new(), code: 0 }
    }

    fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::pipe(),
            _ => Failure::work("io", format!("standard output: {error}")),
        }
    }
}

/// What to do about an error of the operating system.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; check the path",
        io::ErrorKind::IsADirectory => "; give a file, not a folder",
        io::ErrorKind::NotADirectory => "; a part of the path is a file, not a folder",
        io::ErrorKind::PermissionDenied => "; check who may read and write there",
        io::ErrorKind::StorageFull => "; make room on the disk, or choose another place",
        io::ErrorKind::ReadOnlyFilesystem => "; choose a place that can be written",
        _ => "",
    }
}

impl From<gimbap::Error> for Failure {
    fn from(error: gimbap::Error) -> Self {
        if let gimbap::Error::Io { path, source } = &error {
            return Failure::io(path, source);
        }
        let code = if matches!(error, gimbap::Error::Config { .. }) { USAGE } else { FAILED };
        Failure { kind: error.kind(), message: error.to_string(), code }
    }
}

/// Where a verb's words go.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    /// Machines read stdout.
    pub json: bool,
    /// No log lines.
    pub quiet: bool,
}

impl Out {
    /// A part of the result, for people: one or more lines on stdout; nothing under `--json`.
    pub fn line(&self, text: impl AsRef<str>) -> Outcome {
        if self.json { Ok(()) } else { write_stdout(text.as_ref().as_bytes(), true) }
    }

    /// A part of the result without a line end, shown at once; nothing under `--json`.
    pub fn piece(&self, text: &str) -> Outcome {
        if self.json { Ok(()) } else { write_stdout(text.as_bytes(), false) }
    }

    /// A document or a JSONL record of the result; nothing without `--json`.
    pub fn json(&self, value: &impl Serialize) -> Outcome {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(value).map_err(|e| Failure::work("io", e.to_string()))?;
        write_stdout(text.as_bytes(), true)
    }

    /// A log line on stderr; nothing under `--json` or `--quiet`. That nobody reads it is no failure.
    pub fn log(&self, text: impl AsRef<str>) {
        if !self.json && !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// Tells of a failure in the form that the reader expects.
    pub fn failure(&self, failure: &Failure) {
        if failure.kind == "pipe" {
            return;
        }
        if self.json {
            let value = json!({"error": {"kind": failure.kind, "message": failure.message}});
            let told = write_stdout(value.to_string().as_bytes(), true);
            // A full disk takes no document; stderr may be elsewhere.
            if told.is_err_and(|error| error.kind != "pipe") {
                let _ = writeln!(io::stderr().lock(), "error: {}", failure.message);
            }
        } else if failure.code == INTERRUPTED {
            let _ = writeln!(io::stderr().lock(), "{}", failure.message);
        } else {
            let _ = writeln!(io::stderr().lock(), "error: {}", failure.message);
        }
    }
}

/// Writes bytes to stdout and flushes, so that a full disk or a closed pipe shows here.
pub fn write_stdout(bytes: &[u8], newline: bool) -> Outcome {
    let mut stdout = io::stdout().lock();
    let end: &[u8] = if newline { b"\n" } else { b"" };
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.write_all(end))
        .and_then(|()| stdout.flush())
        .map_err(|e| Failure::stdout(&e))
}

/// How this program is called from here: `gimbap` if the shell finds it, else its path.
pub fn program() -> String {
    let Ok(exe) = std::env::current_exe() else { return "gimbap".into() };
    let name = exe.file_name().unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| dir.join(name) == exe) {
        return name.to_string_lossy().into_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    exe.strip_prefix(&here).unwrap_or(&exe).display().to_string()
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A number of bytes in the unit that suits it.
pub fn bytes(n: usize) -> String {
    let x = n as f64;
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{:.1} KiB", x / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", x / 1_048_576.0),
        _ => format!("{:.2} GiB", x / 1_073_741_824.0),
    }
}

/// A stretch of time in the unit that suits it: `4 ms`, `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.0995 => format!("{:.0} ms", (1000.0 * s).max(1.0)),
        s if s < 9.95 => format!("{s:.1} s"),
        _ if whole < 60 => format!("{whole} s"),
        _ if whole < 600 => format!("{} min {} s", whole / 60, whole % 60),
        _ if whole < 3600 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Rows as aligned columns: the first to the left, the others to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|h| h.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let render = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (i, (cell, width)) in cells.zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.width());
            match i {
                0 => line.push_str(&format!("{cell}{pad}")),
                _ => line.push_str(&format!("  {pad}{cell}")),
            }
        }
        line.trim_end().to_string()
    };
    let mut lines = vec![render(&mut header.iter().copied())];
    lines.extend(rows.iter().map(|row| render(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_115_394), "1,115,394");
        assert_eq!(bytes(2048), "2.0 KiB");
    }

    #[test]
    fn a_time_is_told_in_the_unit_that_suits_it() {
        let told = [2e-5, 0.04, 9.94, 12.4, 59.6, 200.0, 3569.0, 7500.0].map(duration);
        assert_eq!(
            told,
            ["1 ms", "40 ms", "9.9 s", "12 s", "1 min 0 s", "3 min 20 s", "59 min", "2 h 5 min"]
        );
    }

    #[test]
    fn a_table_is_aligned() {
        let text = table(&["layer", "n"], &[vec!["lstm".into(), "12".into()], vec!["d".into(), "3".into()]]);
        assert_eq!(text, "layer   n\nlstm   12\nd       3");
    }

    #[test]
    fn an_error_of_the_system_says_what_to_do() {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        assert!(Failure::io(Path::new("a"), &missing()).message.ends_with("check the path"));
        let library = gimbap::Error::io("a", missing());
        assert!(Failure::from(library).message.ends_with("check the path"));
    }

    #[test]
    fn a_config_error_is_wrong_usage_and_a_data_error_is_not() {
        assert_eq!(Failure::from(gimbap::Error::config("train.batch", "is 0")).code, USAGE);
        assert_eq!(Failure::from(gimbap::Error::data("x.csv", "is empty")).code, FAILED);
    }
}
