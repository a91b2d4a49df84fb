//! Folders of labelled texts: a file for each class with an example a line, or a folder for each class with an example a
//! file.
//!
//! | in the folder | the classes | the examples |
//! |---|---|---|
//! | two folders or more | their names; `unsup` and `unlabeled` are none | the files in each, whole |
//! | files that differ in their extension alone (`rt-polarity.neg`, `rt-polarity.pos`) | the extensions; any other file is passed over | their lines |
//! | any other | the names of all `.txt` without it, but for `README`, `LICENSE` and `SOURCE` | their lines |
//!
//! Hidden files and folders are passed over. A final `.gz` or `.zip` does not count as an extension.

use std::path::{Path, PathBuf};

use super::read::{Hash, list_files, list_folders, plain_name, read_text};
use crate::error::{Error, Result};

/// A folder of labelled texts.
pub(super) enum Folder {
    /// A file for each class, with an example a line.
    Files(Vec<(String, PathBuf)>),
    /// A folder for each class, with an example a file; folders of examples without a class.
    Folders { classes: Vec<(String, Vec<PathBuf>)>, without: Vec<String> },
}

/// Folders of examples without a label, as the reviews of IMDB have them.
const WITHOUT: [&str; 3] = ["unsup", "unlabeled", "unlabelled"];
/// Parts of a set of data, which are no classes.
const PARTS: [&str; 6] = ["train", "test", "valid", "validation", "val", "dev"];

impl Folder {
    /// Looks at what is in a folder.
    ///
    /// # Errors
    /// [`Error::Data`] if there are fewer than two classes, it holds the parts of a set of data, or two groups of files
    /// differ in extension; [`Error::Io`] if it cannot be read.
    pub fn open(folder: &Path) -> Result<Folder> {
        let folders = list_folders(folder)?;
        let place = || folder.display().to_string();
        if folders.len() < 2 {
            return class_files(folder).map(Folder::Files);
        }
        let (mut classes, mut without) = (Vec::new(), Vec::new());
        for path in folders {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match WITHOUT.contains(&name.to_lowercase().as_str()) {
                true => without.push(name),
                false => classes.push((name, path)),
            }
        }
        if let Some((name, path)) = classes.iter().find(|(name, _)| PARTS.contains(&name.as_str())) {
            let message = format!(
                "the folder `{name}` in it looks like a part of the data and no class: give `{}`, and hold others out with \
                 data.valid and data.test",
                path.display()
            );
            return Err(Error::data(place(), message));
        }
        let examples = |(name, path): (String, PathBuf)| -> Result<(String, Vec<PathBuf>)> {
            let files = list_files(&path)?;
            match files.is_empty() {
                true => Err(Error::data(
                    path.display().to_string(),
                    "no file is in it, and the folders beside each other are the classes: put an example a file into it, or \
                     take it away",
                )),
                false => Ok((name, files)),
            }
        };
        let classes: Vec<_> = classes.into_iter().map(examples).collect::<Result<_>>()?;
        match classes.len() {
            0 | 1 => Err(Error::data(place(), "it has one folder of a class where two or more are needed")),
            _ => Ok(Folder::Folders { classes, without }),
        }
    }

    /// A hash of the classes and of all files' names and bytes, of a folder of folders.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read.
    pub fn hash(&self) -> Result<Option<String>> {
        let Folder::Folders { classes, .. } = self else { return Ok(None) };
        let mut hash = Hash::default();
        for (class, files) in classes {
            for file in files {
                let bytes = std::fs::read(file).map_err(|source| Error::io(file, source))?;
                // Lengths keep what lies side by side apart.
                for part in [class.as_bytes(), plain_name(file).as_bytes(), &bytes] {
                    hash.add_word(part.len() as u64);
                    hash.add(part);
                }
            }
        }
        Ok(Some(hash.to_string()))
    }

    /// How it is read, in words, if that had to be found out.
    pub fn read_as(&self) -> Option<String> {
        let Folder::Folders { without, .. } = self else { return None };
        let passed = match &without[..] {
            [] => String::new(),
            without => format!(" (`{}` is passed over, for it has none)", without.join("`, `")),
        };
        Some(format!("a folder for each label{passed}, a text a file"))
    }

    /// Calls `read` with each example: its class, its text, its file and its line.
    ///
    /// # Errors
    /// As [`read_text`].
    pub fn texts(&self, mut read: impl FnMut(&str, &str, &str, u64)) -> Result<()> {
        match self {
            Folder::Files(classes) => {
                for (class, file) in classes {
                    let (content, place) = (read_text(file)?, file.display().to_string());
                    for (line, text) in (1..).zip(content.lines()).filter(|(_, line)| !line.trim().is_empty())
                    {
                        read(class, text.trim_end(), &place, line);
                    }
                }
            }
            Folder::Folders { classes, .. } => {
                for (class, files) in classes {
                    for file in files {
                        read(class, read_text(file)?.trim(), &file.display().to_string(), 1);
                    }
                }
            }
        }
        Ok(())
    }
}

fn named(files: &[(String, PathBuf)]) -> String {
    let name = |(_, path): &(String, PathBuf)| format!("`{}`", plain_name(path));
    files.iter().map(name).collect::<Vec<_>>().join(" and ")
}

/// The files of a folder that hold one class each, with the class's name, in the order of names.
fn class_files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let place = folder.display().to_string();
    let mut by_stem: Vec<(String, Vec<(String, PathBuf)>)> = Vec::new();
    for file in list_files(folder)? {
        let name = plain_name(&file);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let entry = (extension.to_owned(), file);
        match by_stem.iter_mut().find(|group| group.0 == stem) {
            Some(group) => group.1.push(entry),
            None => by_stem.push((stem.to_owned(), vec![entry])),
        }
    }
    let groups: Vec<_> = by_stem.iter().filter(|group| group.1.len() > 1).collect();
    let classes: Vec<(String, PathBuf)> = match groups.as_slice() {
        [(_, files)] => files.clone(),
        [] => by_stem
            .into_iter()
            .filter(|(stem, files)| {
                let about = ["readme", "license", "source"].contains(&stem.to_lowercase().as_str());
                files[0].0 == "txt" && !about
            })
            .map(|(stem, files)| (stem, files.into_iter().next().unwrap_or_default().1))
            .collect(),
        [one, other, ..] => {
            return Err(Error::data(
                place,
                format!(
                    "both `{}` and `{}` come with several extensions ({}, and {}), so it is not clear which are the \
                     classes: keep one group in the folder",
                    one.0,
                    other.0,
                    named(&one.1),
                    named(&other.1)
                ),
            ));
        }
    };
    if classes.len() < 2 {
        return Err(Error::data(
            place,
            format!(
                "{} file of a class found where two or more are needed: name them NAME.CLASS or CLASS.txt, one \
                 example a line, or give a folder for each class, an example a file",
                classes.len()
            ),
        ));
    }
    Ok(classes)
}
