//! What a training tells epoch by epoch: a line of JSON, points of TensorBoard, Keras's line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Epoch, Fit};
use crate::model::Evaluation;
use crate::tensorboard::EventWriter;
use crate::{Error, Result};

/// The line that Keras prints for an epoch with `verbose=1`.
pub(super) fn keras_line(epoch: &Epoch, epochs: usize, batches: usize) -> String {
    let time = match epoch.seconds / batches.max(1) as f64 {
        step if step >= 1.0 => format!("{step:.0}s/step"),
        step if step >= 1e-3 => format!("{:.0}ms/step", step * 1e3),
        step => format!("{:.0}us/step", step * 1e6),
    };
    let list = |prefix: &str, evaluation: &Evaluation| {
        let mut figures: Vec<(String, f64)> =
            evaluation.metrics.iter().map(|(m, v)| (m.to_string(), *v)).collect();
        figures.push(("loss".into(), evaluation.loss));
        figures.into_iter().map(|(name, value)| format!(" - {prefix}{name}: {value:.4}")).collect::<String>()
    };
    format!(
        "Epoch {}/{epochs}\n{batches}/{batches} {} {:.0}s {time}{}{}",
        epoch.epoch + 1,
        "━".repeat(20),
        epoch.seconds,
        list("", &epoch.train),
        epoch.valid.as_ref().map(|valid| list("val_", valid)).unwrap_or_default()
    )
}

/// The files that take a line or a point per epoch.
pub(super) struct Logs {
    jsonl: Option<(PathBuf, File)>,
    events: Option<EventWriter>,
}

impl Logs {
    /// Opens them for a run whose last epoch, if it had one, was to leave the line `last`; where no epoch will follow,
    /// without a file of points, which would stay empty.
    pub(super) fn open(fit: &Fit, last: Option<&str>, trains: bool) -> Result<Logs> {
        if let Some(directory) = &fit.directory {
            std::fs::create_dir_all(directory).map_err(|error| Error::io(directory, error))?;
        }
        let open = |path: &PathBuf| match open_lines(path, last) {
            Ok(file) => Ok((path.clone(), file)),
            Err(error) => Err(Error::io(path, error)),
        };
        Ok(Logs {
            jsonl: fit.log.as_ref().map(open).transpose()?,
            events: fit.tensorboard.as_ref().filter(|_| trains).map(EventWriter::create).transpose()?,
        })
    }

    /// Adds an epoch: its line of JSON, its points.
    pub(super) fn write(&mut self, epoch: &Epoch, line: &str, step: u64) -> Result<()> {
        if let Some((path, file)) = &mut self.jsonl {
            add_line(file, line).map_err(|error| Error::io(&*path, error))?;
        }
        if let Some(events) = &mut self.events {
            write_events(events, epoch, step)?;
        }
        Ok(())
    }
}

/// A line in one write, so that a kill does not tear it.
fn add_line(file: &mut File, line: &str) -> io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())
}

/// Opens a file of lines of JSON to add to. A last line that a killed process has torn is cut off, and `last` is added if
/// it is not the last one.
fn open_lines(path: &Path, last: Option<&str>) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    // A pipe or a device has no past.
    if !file.metadata()?.is_file() {
        return Ok(file);
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let end = &text[whole..];
    let torn = end.starts_with(b"{") && serde_json::from_slice::<serde_json::Value>(end).is_err();
    if torn {
        // Whoever may only add to a file may not shorten it everywhere.
        OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
        text.truncate(whole);
    } else if !end.is_empty() {
        file.write_all(b"\n")?;
    }
    let found = text.trim_ascii_end().rsplit(|&byte| byte == b'\n').next();
    if let Some(last) = last.filter(|last| found != Some(last.as_bytes())) {
        add_line(&mut file, last)?;
    }
    Ok(file)
}

fn write_events(events: &mut EventWriter, epoch: &Epoch, step: u64) -> Result<()> {
    let parts = [("train", Some(&epoch.train)), ("valid", epoch.valid.as_ref())];
    for (part, evaluation) in parts.into_iter().filter_map(|(part, evaluation)| Some((part, evaluation?))) {
        events.scalar(&format!("loss/{part}"), step, evaluation.loss)?;
        for (metric, value) in &evaluation.metrics {
            events.scalar(&format!("{metric}/{part}"), step, *value)?;
        }
    }
    events.scalar("rate", step, epoch.rate)?;
    events.scalar("gradient_norm", step, epoch.gradient_norm)?;
    if let Some(health) = &epoch.health {
        for (name, value) in health.scalars() {
            events.scalar(&name, step, value)?;
        }
    }
    events.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a log after it was opened for a run with this last line.
    fn opened(before: &str, last: Option<&str>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, before).unwrap();
        open_lines(&path, last).unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn a_torn_line_is_cut_off_and_a_lost_one_is_added() {
        let (one, two) = ("{\"epoch\":1}", "{\"epoch\":2}");
        let both = format!("{one}\n{two}\n");
        assert_eq!(opened("", None), "");
        assert_eq!(opened("", Some(one)), format!("{one}\n"));
        assert_eq!(opened(&both, Some(two)), both);
        assert_eq!(opened(&format!("{one}\n"), Some(two)), both);
        assert_eq!(opened(&format!("{one}\n{{\"epo"), Some(two)), both);
        assert_eq!(opened("{\"epo", None), "");
        assert_eq!(opened("notes", None), "notes\n");
        // All of it but the end of the line.
        assert_eq!(opened(&format!("{one}\n{two}"), Some(two)), both);
    }
}
