//! A run's folder: who may use it, what lies in it, and how its files are written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use gimbap::train::{BEST, LAST, TRAINER};

use crate::output::{Failure, Outcome};

/// The resolved config.
pub const CONFIG: &str = "config.toml";
/// One line of figures per epoch.
pub const METRICS: &str = "metrics.jsonl";
/// The model card.
pub const CARD: &str = "README.md";

/// What to do with a folder that holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Say so and stop.
    Refuse,
    /// Continue the run in it.
    Resume,
    /// Replace the run in it; files that no run writes stay.
    Force,
}

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
    existing: Existing,
}

impl RunDir {
    /// Looks whether the folder can be taken, and changes nothing yet.
    pub fn check(path: &Path, existing: Existing) -> Outcome<Self> {
        let run = RunDir { path: path.to_path_buf(), existing };
        let shown = path.display();
        let filled = filled(path)?;
        match existing {
            Existing::Refuse if filled && run.file(TRAINER).exists() => Err(Failure::usage(
                "run_dir",
                format!(
                    "{shown} is not empty: --resume continues the run in it, --force replaces it, \
                     --out DIR takes another folder"
                ),
            )),
            Existing::Refuse if filled => Err(Failure::usage(
                "run_dir",
                format!(
                    "{shown} is not empty, but holds no run to go on with: --force trains in it all the same and \
                     keeps files that no run writes, --out DIR takes another folder"
                ),
            )),
            Existing::Resume if !run.file(TRAINER).exists() => Err(Failure::usage(
                "run_dir",
                format!(
                    "{shown} holds no run to resume ({TRAINER} is missing): {}",
                    if filled { "--force in place of --resume starts one" } else { "leave --resume out" }
                ),
            )),
            _ => Ok(run),
        }
    }

    /// Makes the folder with its config; under `--force`, removes the earlier run's files first. A folder that
    /// cannot take the config is not left behind.
    pub fn create(&self, config: &str) -> Outcome {
        let made = self.clear().and_then(|()| self.write(CONFIG, config.as_bytes()));
        made.inspect_err(|_| {
            // Removes it only if it is empty.
            let _ = fs::remove_dir(&self.path);
        })
    }

    fn clear(&self) -> Outcome {
        fs::create_dir_all(&self.path).map_err(|e| Failure::io(&self.path, &e))?;
        if self.existing == Existing::Force {
            for entry in fs::read_dir(&self.path).map_err(|e| Failure::io(&self.path, &e))? {
                let path = entry.map_err(|e| Failure::io(&self.path, &e))?.path();
                let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let ours = [CONFIG, BEST, LAST, TRAINER, METRICS, CARD].contains(&name.as_str());
                if ours || name.starts_with("events.out.tfevents.") {
                    fs::remove_file(&path).map_err(|e| Failure::io(&path, &e))?;
                }
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Outcome {
        write_atomic(&self.file(name), bytes)
    }
}

/// Whether something lies in a folder; one that is not there is empty.
pub fn filled(path: &Path) -> Outcome<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Err(Failure::usage(
            "run_dir",
            format!("{} is a file, not a folder: choose another --out", path.display()),
        )),
        Err(e) => Err(Failure::io(path, &e)),
    }
}

/// Writes whole or not at all. A device or a pipe (`/dev/stdout`) is written straight.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Outcome {
    if fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let written = File::options().write(true).open(path).and_then(|mut f| f.write_all(bytes));
        return written.map_err(|e| Failure::io(path, &e));
    }
    if path.file_name().is_none() {
        return Err(Failure::usage("usage", format!("{} names no file", path.display())));
    }
    Ok(gimbap::checkpoint::write_atomically(path, bytes)?)
}

/// A model argument: a file, or a run's folder, whose best model is meant.
pub fn model_path(argument: &Path) -> PathBuf {
    if !argument.is_dir() {
        return argument.to_path_buf();
    }
    let best = argument.join(BEST);
    let last = argument.join(LAST);
    if !best.exists() && last.exists() { last } else { best }
}

/// `runs/NAME`, named after what is trained.
pub fn default_dir(name: &str) -> PathBuf {
    let name: String =
        name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    let name = name.trim_matches(['-', '.']);
    Path::new("runs").join(if name.is_empty() { "run" } else { name })
}

/// What a model card tells.
#[derive(Debug)]
pub struct Card<'a> {
    /// The run's name.
    pub name: &'a str,
    /// The task, in words.
    pub task: &'a str,
    /// One line per layer.
    pub layers: &'a str,
    /// How many parameters.
    pub parameters: usize,
    /// The data: path, size, hash.
    pub data: &'a [(String, String)],
    /// The seed.
    pub seed: u64,
    /// The figures: name, value.
    pub figures: &'a [(String, String)],
    /// What to type next.
    pub next: &'a [String],
}

impl Card<'_> {
    /// The card as Markdown.
    pub fn markdown(&self) -> String {
        let rows = |rows: &[(String, String)]| {
            rows.iter().map(|(k, v)| format!("| {k} | {v} |\n")).collect::<String>()
        };
        format!(
            "# {}\n\n{}, trained by gimbap {}. `config.toml` beside this file is the whole configuration.\n\n\
             ## Figures\n\n| figure | value |\n|---|---|\n{}\n\
             ## Data\n\n| what | value |\n|---|---|\n{}| seed | {} |\n\n\
             ## Model\n\n{} parameters.\n\n```text\n{}\n```\n\n\
             ## Use\n\n```sh\n{}\n```\n",
            self.name,
            self.task,
            env!("CARGO_PKG_VERSION"),
            rows(self.figures),
            rows(self.data),
            self.seed,
            crate::output::thousands(self.parameters),
            self.layers.trim_end(),
            self.next.join("\n"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_folder_is_refused_and_the_message_says_what_to_type() {
        let dir = tempfile::tempdir().unwrap();
        assert!(RunDir::check(dir.path(), Existing::Refuse).is_ok());
        fs::write(dir.path().join("x"), "x").unwrap();
        let failure = RunDir::check(dir.path(), Existing::Refuse).unwrap_err();
        assert_eq!(failure.code, crate::output::USAGE);
        assert!(!failure.message.contains("--resume") && failure.message.contains("--force"));
        let failure = RunDir::check(dir.path(), Existing::Resume).unwrap_err();
        assert!(failure.message.contains("--force"));
        fs::write(dir.path().join(TRAINER), "x").unwrap();
        let failure = RunDir::check(dir.path(), Existing::Refuse).unwrap_err();
        assert!(failure.message.contains("--resume") && failure.message.contains("--force"));
        assert!(RunDir::check(dir.path(), Existing::Resume).is_ok());
    }

    #[test]
    fn force_removes_the_run_and_keeps_other_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in [BEST, TRAINER, "events.out.tfevents.1", "notes.txt"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        RunDir::check(dir.path(), Existing::Force).unwrap().create("# the config").unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [CONFIG, "notes.txt"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/folder/model.safetensors");
        assert!(write_atomic(&missing, b"x").unwrap_err().message.contains("model.safetensors"));
        let target = dir.path().join("a");
        fs::create_dir(&target).unwrap();
        assert!(write_atomic(&target, b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_become_folders() {
        assert_eq!(default_dir("my text"), Path::new("runs/my-text"));
        assert_eq!(default_dir(".."), Path::new("runs/run"));
    }
}
