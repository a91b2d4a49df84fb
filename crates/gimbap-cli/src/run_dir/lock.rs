//! One training at a time in a folder.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::output::{Failure, Outcome};

/// The file that is locked; in it stands the process that has it.
const LOCK: &str = ".gimbap-lock";

/// A folder that nobody else writes to while this lives. The system gives it back when the process ends, however it does.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes a folder, which must be there. On a file system without locks everybody can.
    ///
    /// # Errors
    /// If another process has it, or the folder cannot be written to.
    pub fn take(folder: &Path) -> Outcome<Self> {
        let path = folder.join(LOCK);
        loop {
            let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
            let mut file = opened.map_err(|e| Failure::io(&path, &e))?;
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                return Err(taken(folder, &mut file));
            }
            // Whoever had it removes it as he ends, perhaps since it was opened here.
            if is_at(&file, &path) {
                // The number is for a message alone: on a full disk it is left out.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                return Ok(Lock { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn taken(folder: &Path, file: &mut File) -> Failure {
    let mut process = String::new();
    let named = file.read_to_string(&mut process).is_ok() && process.parse::<u32>().is_ok();
    let process = if named { format!(", process {process},") } else { String::new() };
    let message = format!(
        "another training{process} writes in {}: wait until it has ended, or take another folder with --out DIR",
        folder.display()
    );
    Failure::usage("run_dir", message)
}

/// Whether an open file is the one under a path.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |found: io::Result<fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
        place(file.metadata()).is_some_and(|here| place(fs::metadata(path)) == Some(here))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}
