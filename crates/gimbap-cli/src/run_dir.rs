//! A run's folder: who may use it, what lies in it, and how its files are written.

mod lock;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use gimbap::train::{BEST, LAST, TRAINER};

pub use self::lock::Lock;

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

/// What is beside a run is called so while a training is under way.
const OURS: &str = ".gimbap-";
/// Where a run that is to replace another lies until its first epoch is whole, and then until its files are moved.
const NEW: &str = ".gimbap-new";
const WHOLE: &str = ".gimbap-whole";

/// A run's folder, into which no other training writes meanwhile.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    existing: Existing,
    /// The run that is to replace the one that is there.
    new: Option<New>,
    /// None as long as there is no folder.
    lock: Option<Lock>,
}

impl RunDir {
    /// Looks whether the folder can be taken, and changes nothing yet.
    pub fn check(path: &Path, existing: Existing) -> Outcome<Self> {
        let mut filled = filled(path)?;
        let lock = if path.is_dir() { Some(Lock::take(path)?) } else { None };
        if path.join(WHOLE).is_dir() {
            take_place(path)?;
            filled = true;
        }
        let run = RunDir { path: path.to_path_buf(), existing, new: None, lock };
        let shown = path.display();
        match existing {
            Existing::Refuse if filled => Err(run.refuse_filled()),
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

    fn refuse_filled(&self) -> Failure {
        let shown = self.path.display();
        let message = match self.file(TRAINER).exists() {
            true => format!(
                "{shown} is not empty: --resume continues the run in it, --force replaces it, --out DIR takes another folder"
            ),
            false => format!(
                "{shown} is not empty, but holds no run to go on with: --force trains in it all the same and keeps files \
                 that no run writes, --out DIR takes another folder"
            ),
        };
        Failure::usage("run_dir", message)
    }

    /// Makes the folder with its config. Under `--force` a run that is there stays until [`RunDir::replace`]. A folder that
    /// cannot take the config is not left behind.
    pub fn create(&mut self, config: &str) -> Outcome {
        self.claim().and_then(|()| write_atomic(&self.target().join(CONFIG), config.as_bytes())).inspect_err(
            |_| {
                (self.new, self.lock) = (None, None);
                // Removes it only if it is empty.
                let _ = fs::remove_dir(&self.path);
            },
        )
    }

    /// Makes the folder, if need be, and the one for the run that is to replace another.
    fn claim(&mut self) -> Outcome {
        fs::create_dir_all(&self.path).map_err(|e| Failure::io(&self.path, &e))?;
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&self.path)?);
            // Another training may have been here since it was looked at.
            if self.existing == Existing::Refuse && filled(&self.path)? {
                return Err(self.refuse_filled());
            }
        }
        if self.existing == Existing::Force && !of_run(&self.path)?.is_empty() {
            self.new = Some(New::create(&self.path)?);
        }
        Ok(())
    }

    /// The folder into which the run is written now: its own, or beside the run that it is to replace.
    pub fn target(&self) -> &Path {
        self.new.as_ref().map_or(&self.path, |new| &new.path)
    }

    /// Whether the run that is there goes on.
    pub fn is_resumed(&self) -> bool {
        self.existing == Existing::Resume
    }

    /// Whether the run is to replace one that still is there.
    pub fn replaces(&self) -> bool {
        self.new.is_some()
    }

    /// Puts the run that was begun, with all that it has so far, in the place of the one that is there.
    pub fn replace(&mut self) -> Outcome {
        let Some(new) = self.new.take() else { return Ok(()) };
        let old = of_run(&self.path)?;
        let whole = self.file(WHOLE);
        fs::rename(&new.path, &whole).map_err(|e| Failure::io(&new.path, &e))?;
        let moved = take_place(&self.path)?;
        for name in old.iter().filter(|name| !moved.contains(name)) {
            let path = self.file(name);
            fs::remove_file(&path).map_err(|e| Failure::io(&path, &e))?;
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

/// The folder of a run that is to replace another; what it has is gone with it.
#[derive(Debug)]
struct New {
    path: PathBuf,
}

impl New {
    /// In a run's folder. What a killed training had there is removed.
    fn create(folder: &Path) -> Outcome<New> {
        let path = folder.join(NEW);
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Failure::io(&path, &e)),
            _ => {}
        }
        fs::create_dir(&path).map_err(|e| Failure::io(&path, &e))?;
        Ok(New { path })
    }
}

impl Drop for New {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Moves a run that is whole to where it belongs; which files it had. One that was killed here is done by the next.
fn take_place(folder: &Path) -> Outcome<Vec<String>> {
    let whole = folder.join(WHOLE);
    let names = of_run(&whole)?;
    for name in &names {
        let from = whole.join(name);
        fs::rename(&from, folder.join(name)).map_err(|e| Failure::io(&from, &e))?;
    }
    fs::remove_dir_all(&whole).map_err(|e| Failure::io(&whole, &e))?;
    Ok(names)
}

/// The files in a folder that a run has written.
fn of_run(folder: &Path) -> Outcome<Vec<String>> {
    let ours = |name: &String| {
        [CONFIG, BEST, LAST, TRAINER, METRICS, CARD].contains(&name.as_str())
            || name.starts_with("events.out.tfevents.")
    };
    Ok(names(folder)?.into_iter().filter(ours).collect())
}

/// What lies in a folder.
fn names(folder: &Path) -> Outcome<Vec<String>> {
    let io = |e: io::Error| Failure::io(folder, &e);
    let name =
        |entry: io::Result<fs::DirEntry>| Ok(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    fs::read_dir(folder).map_err(io)?.map(name).collect()
}

/// Whether something lies in a folder, but for what trainings leave that were killed; one that is not there is empty.
pub fn filled(path: &Path) -> Outcome<bool> {
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Ok(found) if !found.is_dir() => Err(Failure::usage(
            "run_dir",
            format!("{} is a file, not a folder: choose another --out", path.display()),
        )),
        _ => Ok(names(path)?.iter().any(|name| !name.starts_with(OURS))),
    }
}

/// Writes whole or not at all. A device or a pipe (`/dev/stdout`) is written straight.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Outcome {
    names_file(path)?;
    Ok(gimbap::checkpoint::write_atomically(path, bytes)?)
}

/// Refuses a path such as `..`.
pub fn names_file(path: &Path) -> Outcome {
    match path.file_name() {
        Some(_) => Ok(()),
        None => Err(Failure::usage("usage", format!("{} names no file", path.display()))),
    }
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

    fn left(folder: &Path) -> Vec<String> {
        let mut left = names(folder).unwrap();
        left.sort();
        left
    }

    fn of(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn force_replaces_the_run_once_the_new_one_has_something_and_keeps_other_files() {
        let dir = tempfile::tempdir().unwrap();
        // In the order of their bytes.
        let old = [CARD, BEST, CONFIG, "events.out.tfevents.1", "notes.txt", TRAINER];
        old.iter().for_each(|name| fs::write(dir.path().join(name), "old").unwrap());
        let mut run = RunDir::check(dir.path(), Existing::Force).unwrap();
        run.create("# new").unwrap();
        assert!(run.replaces());
        assert!(old.iter().all(|name| of(dir.path(), name) == "old"));
        // Given up: as if nothing had been begun.
        drop(run);
        assert_eq!(left(dir.path()), old);

        let mut run = RunDir::check(dir.path(), Existing::Force).unwrap();
        run.create("# new").unwrap();
        [LAST, TRAINER].iter().for_each(|name| fs::write(run.target().join(name), "new").unwrap());
        run.replace().unwrap();
        assert_eq!(run.target(), dir.path());
        drop(run);
        assert_eq!(left(dir.path()), [CONFIG, LAST, "notes.txt", TRAINER]);
        assert_eq!([CONFIG, TRAINER, "notes.txt"].map(|name| of(dir.path(), name)), ["# new", "new", "old"]);
    }

    #[test]
    fn a_run_that_was_killed_as_it_replaced_another_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        [BEST, TRAINER].iter().for_each(|name| fs::write(dir.path().join(name), "old").unwrap());
        fs::create_dir(dir.path().join(WHOLE)).unwrap();
        fs::write(dir.path().join(WHOLE).join(TRAINER), "new").unwrap();
        drop(RunDir::check(dir.path(), Existing::Resume).unwrap());
        assert_eq!(
            (left(dir.path()), of(dir.path(), TRAINER)),
            (vec![BEST.into(), TRAINER.into()], "new".into())
        );
    }

    #[test]
    fn a_folder_is_taken_once_and_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let mut first = RunDir::check(&path, Existing::Refuse).unwrap();
        // Both see that there is nothing; one is first.
        let mut second = RunDir::check(&path, Existing::Refuse).unwrap();
        first.create("# one").unwrap();
        let told = format!("another training, process {}, writes in", std::process::id());
        assert!(second.create("# two").unwrap_err().message.contains(&told));
        for existing in [Existing::Refuse, Existing::Resume, Existing::Force] {
            assert!(RunDir::check(&path, existing).unwrap_err().message.contains(&told));
        }
        drop(first);
        assert_eq!((left(&path), of(&path, CONFIG)), (vec![CONFIG.to_string()], "# one".into()));
        assert!(second.create("# two").unwrap_err().message.contains("is not empty"));
        assert!(RunDir::check(&path, Existing::Force).is_ok());
        // What a kill leaves locks nobody out.
        fs::write(path.join(".gimbap-lock"), "1").unwrap();
        assert!(RunDir::check(&path, Existing::Force).is_ok());
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
