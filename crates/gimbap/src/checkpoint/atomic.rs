//! Files that appear under their names whole or not at all.
//!
//! The bytes go into a file beside the final one, which is synced and renamed. While it is written it is locked, so that
//! whoever writes into the same folder later can tell one that a killed process has left, and remove it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// How the name of a file that is not whole yet begins and ends.
const PREFIX: &str = ".gimbap-";
const SUFFIX: &str = ".part";
/// The symbolic links that are followed one after another, as on Linux.
const LINKS: usize = 40;

/// The files that this process is writing.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a file whole or not at all: [`WholeFile`], of bytes that are there.
///
/// # Errors
/// If it cannot be written; what was there before stays.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(bytes).map_err(|error| Error::io(path, error))?;
    file.finish()
}

/// A file that is written piece by piece and appears under its name once it is whole; dropped before, it was never there.
///
/// A file that was there keeps its mode, and a new one has that which the process's umask gives it. Where the path is a
/// symbolic link, the file that it leads to is written. A device or a pipe is written straight.
///
/// ```
/// use std::io::Write;
///
/// use gimbap::checkpoint::WholeFile;
///
/// # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
/// let path = std::env::temp_dir().join(format!("gimbap-doctest-{}.txt", std::process::id()));
/// let mut file = WholeFile::create(&path)?;
/// writeln!(file, "the first line")?;
/// assert!(!path.exists());
/// file.finish()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "the first line\n");
/// # std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
pub struct WholeFile {
    path: PathBuf,
    place: Place,
}

/// Where the bytes go until the file is whole.
enum Place {
    /// Into the device or pipe itself.
    Straight(File),
    /// Into a file beside the one that it is to become.
    Beside { part: Part, target: PathBuf, mode: Option<fs::Permissions> },
}

impl WholeFile {
    /// Begins a file.
    ///
    /// # Errors
    /// If there is no place for it.
    pub fn create(path: &Path) -> Result<WholeFile> {
        let io = |error: io::Error| Error::io(path, error);
        let target = followed(path).map_err(io)?;
        let before = fs::metadata(path).ok();
        let special = before.as_ref().is_some_and(|found| !found.is_file() && !found.is_dir());
        let place = if target.starts_with("/proc") || special {
            Place::Straight(OpenOptions::new().write(true).open(path).map_err(io)?)
        } else {
            let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            remove_abandoned(folder);
            // The kind alone: the message would name the temporary file, which tells nobody anything.
            let part = Part::create(folder).map_err(|error| io(error.kind().into()))?;
            let mode = before.filter(fs::Metadata::is_file).map(|found| found.permissions());
            Place::Beside { part, target, mode }
        };
        Ok(WholeFile { path: path.to_owned(), place })
    }

    /// Whether it is a device or a pipe, in which nothing can be written anew.
    pub fn is_straight(&self) -> bool {
        matches!(self.place, Place::Straight(_))
    }

    /// Writes over the first bytes.
    ///
    /// # Errors
    /// If they cannot be written, as in a device or a pipe.
    pub fn write_at_start(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.file();
        let written =
            file.rewind().and_then(|()| file.write_all(bytes)).and_then(|()| file.seek(SeekFrom::End(0)));
        written.map(drop).map_err(|error| Error::io(&self.path, error))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// If that cannot be done; what was there before stays.
    pub fn finish(self) -> Result<()> {
        let io = |error: io::Error| Error::io(&self.path, error);
        let Place::Beside { mut part, target, mode } = self.place else { return Ok(()) };
        let file = part.file.as_file_mut();
        if let Some(mode) = mode {
            file.set_permissions(mode).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        part.file.persist(&target).map_err(|error| io(error.error))?;
        Ok(())
    }

    fn file(&mut self) -> &mut File {
        match &mut self.place {
            Place::Straight(file) => file,
            Place::Beside { part, .. } => part.file.as_file_mut(),
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

/// Removes what this process is still writing, and lets it begin no other file: for whoever ends the process at once.
pub fn remove_unfinished() {
    let unfinished = unfinished();
    for path in unfinished.iter() {
        let _ = fs::remove_file(path);
    }
    std::mem::forget(unfinished);
}

/// Where a path leads through symbolic links; there need be nothing.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(_) => return Ok(path),
        }
        if path.starts_with("/proc") {
            return Ok(path);
        }
    }
    Err(io::Error::other("too many symbolic links one after another"))
}

/// Removes what killed processes have left in a folder. That it cannot is no reason not to write.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_part = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_part)) {
        if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A file that is not whole yet.
struct Part {
    file: NamedTempFile,
    /// While it lives, [`remove_unfinished`] removes the file.
    _listed: Listed,
}

impl Part {
    fn create(folder: &Path) -> io::Result<Part> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // A temporary file is private; this one becomes a file like any other, less what the umask takes away.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        loop {
            let mut unfinished = unfinished();
            let file = builder.tempfile_in(folder)?;
            unfinished.push(file.path().to_path_buf());
            drop(unfinished);
            let listed = Listed(file.path().to_path_buf());
            // A file system without locks keeps what is left there.
            let _ = file.as_file().try_lock();
            // Before it was locked, somebody may have taken it for abandoned.
            if file.path().exists() {
                return Ok(Part { file, _listed: listed });
            }
        }
    }
}

/// A path among [`UNFINISHED`].
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        unfinished().retain(|path| *path != self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_write_left_is_removed_and_what_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (left, other) = (format!("{PREFIX}abc{SUFFIX}"), ".gimbap-notes");
        fs::write(folder.path().join(&left), "half a mod").unwrap();
        fs::write(folder.path().join(other), "mine").unwrap();
        let part = Part::create(folder.path()).unwrap();
        write_atomically(&folder.path().join("model"), b"whole").unwrap();
        let mut expected = vec![other.to_string(), "model".into()];
        expected.extend(part.file.path().file_name().map(|name| name.to_string_lossy().into_owned()));
        expected.sort();
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn a_failed_write_leaves_the_file_as_it_was_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write_atomically(&folder.path().join("taken"), b"x").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
        // Other tests write at the same time.
        assert!(!unfinished().iter().any(|path| path.starts_with(folder.path())));
    }

    #[test]
    fn a_file_of_pieces_is_there_once_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "before").unwrap();
        let begun = || {
            let mut file = WholeFile::create(&path).unwrap();
            file.write_all(b"??one").unwrap();
            file.write_at_start(b"1:").unwrap();
            file.write_all(b" two").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"before");
            file
        };
        drop(begun());
        assert_eq!(
            (names(folder.path()), fs::read(&path).unwrap()),
            (vec!["out".into()], b"before".to_vec())
        );
        begun().finish().unwrap();
        assert_eq!(
            (names(folder.path()), fs::read(&path).unwrap()),
            (vec!["out".into()], b"1:one two".to_vec())
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_mode_is_kept_a_link_is_followed_and_a_device_stays_one() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777;

        // A new file has the mode that any new file has here.
        fs::write(at("like this"), "").unwrap();
        write_atomically(&at("new"), b"1").unwrap();
        assert_eq!(mode("new"), mode("like this"));
        fs::set_permissions(at("new"), fs::Permissions::from_mode(0o640)).unwrap();
        write_atomically(&at("new"), b"2").unwrap();
        assert_eq!((mode("new"), fs::read(at("new")).unwrap()), (0o640, b"2".to_vec()));

        // Two links, the second of which is relative to its own folder; then one that leads to nothing yet.
        fs::create_dir(at("in")).unwrap();
        symlink("../new", at("in/second")).unwrap();
        symlink(at("in/second"), at("first")).unwrap();
        write_atomically(&at("first"), b"3").unwrap();
        assert!(fs::symlink_metadata(at("first")).unwrap().is_symlink());
        assert_eq!((mode("new"), fs::read(at("new")).unwrap()), (0o640, b"3".to_vec()));
        symlink("later", at("dangling")).unwrap();
        write_atomically(&at("dangling"), b"4").unwrap();
        assert_eq!(fs::read(at("later")).unwrap(), b"4");
        symlink("round", at("round")).unwrap();
        assert!(write_atomically(&at("round"), b"5").unwrap_err().to_string().contains("symbolic links"));

        write_atomically(Path::new("/dev/null"), b"6").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
