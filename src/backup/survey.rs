//! What a backup packs: every regular file and directory below its source.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use crate::archive::check_name;
use crate::backup::Error;
use crate::backup::manifest::{DATA_NAME, NAMES_MAX};
use crate::model::IoError;
use crate::vfs::{FileKind, Fs, Metadata};

/// Something below the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called in the archive.
    pub name: String,
    /// What the file system says of it.
    pub metadata: Metadata,
}

/// Everything below a source. Two of these are equal when nothing was changed in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Directories, parents before children; empty for a single file.
    pub directories: Vec<Found>,
    /// Regular files.
    pub files: Vec<Found>,
    /// Links, sockets, pipes, devices: not packed.
    pub others: Vec<(PathBuf, FileKind)>,
}

impl Survey {
    /// Looks at `root`, an absolute path without links, and everything below it. Mounted file
    /// systems are entered: whoever backs up a directory wants what is seen in it.
    pub fn of(fs: &dyn Fs, root: &Path) -> Result<Survey, Error> {
        let look = |source| IoError::new("look at", root, source);
        let metadata = fs.symlink_metadata(root).map_err(look)?;
        let mut survey = Survey::default();
        if metadata.kind == FileKind::File {
            let name = root.file_name().and_then(|name| name.to_str());
            let name = format!("{DATA_NAME}/{}", name.ok_or_else(|| not_text(root))?);
            survey.take(root.to_owned(), name, metadata)?;
            return Ok(survey);
        }
        survey.take(root.to_owned(), DATA_NAME.to_owned(), metadata)?;
        let mut mounts = vec![(root.to_owned(), metadata.identity.0)];
        while let Some((top, device)) = mounts.pop() {
            let walk = |source| IoError::new("list", &top, source);
            for (path, metadata) in fs.walk(&top, NAMES_MAX).map_err(walk)? {
                if metadata.kind == FileKind::Dir && metadata.identity.0 != device {
                    mounts.push((path.clone(), metadata.identity.0));
                }
                let name = name_below(root, &path)?;
                survey.take(path, name, metadata)?;
            }
        }
        survey.directories.sort_by(|a, b| a.path.cmp(&b.path));
        survey.files.sort_by(|a, b| a.path.cmp(&b.path));
        survey.others.sort_by(|a, b| a.0.cmp(&b.0));
        survey.check_limit(root)?;
        Ok(survey)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.metadata.size_bytes).sum()
    }

    /// The permission bits of reading and writing that everything in it has in common.
    pub fn common_mode(&self) -> u32 {
        let all = self.directories.iter().chain(&self.files);
        all.fold(0o666, |mode, found| mode & found.metadata.mode)
    }

    fn take(&mut self, path: PathBuf, name: String, metadata: Metadata) -> Result<(), Error> {
        let list = match metadata.kind {
            FileKind::File => &mut self.files,
            FileKind::Dir => &mut self.directories,
            FileKind::Link | FileKind::Other => {
                self.others.push((path, metadata.kind));
                return Ok(());
            }
        };
        check_name(&name)
            .map_err(|fault| Error::Name { path: path.clone(), reason: fault.to_string() })?;
        list.push(Found { path, name, metadata });
        Ok(())
    }

    fn check_limit(&self, root: &Path) -> Result<(), Error> {
        let names = self.directories.len() + self.files.len();
        if names <= NAMES_MAX {
            return Ok(());
        }
        Err(Error::TooLarge {
            path: root.to_owned(),
            what: "the number of names",
            value: names as u64,
            limit: NAMES_MAX as u64,
        })
    }

    /// The first difference to `later`, as path and one line.
    pub fn difference(&self, later: &Survey) -> Option<(PathBuf, String)> {
        difference(&self.directories, &later.directories)
            .or_else(|| difference(&self.files, &later.files))
    }
}

/// The first difference of two lists that are sorted by path.
fn difference(before: &[Found], after: &[Found]) -> Option<(PathBuf, String)> {
    let differing = before.iter().zip(after).find(|(one, two)| one != two);
    let rest = || match (before.get(after.len()), after.get(before.len())) {
        (Some(one), _) => Some((one.path.clone(), "it was removed".to_owned())),
        (_, Some(two)) => Some((two.path.clone(), "it was created".to_owned())),
        _ => None,
    };
    let Some((one, two)) = differing else { return rest() };
    Some(match one.path.cmp(&two.path) {
        Ordering::Less => (one.path.clone(), "it was removed".to_owned()),
        Ordering::Greater => (two.path.clone(), "it was created".to_owned()),
        Ordering::Equal => {
            (one.path.clone(), format!("{}, then {}", shown(&one.metadata), shown(&two.metadata)))
        }
    })
}

fn shown(metadata: &Metadata) -> String {
    format!(
        "{} bytes, mode {:04o}, modified at {} ns",
        metadata.size_bytes, metadata.mode, metadata.modified_unix_ns
    )
}

fn not_text(path: &Path) -> Error {
    Error::Name { path: path.to_owned(), reason: "the name is no UTF-8 text".to_owned() }
}

fn name_below(root: &Path, path: &Path) -> Result<String, Error> {
    let below = path.strip_prefix(root).map_err(|_| not_text(path))?;
    let mut name = DATA_NAME.to_owned();
    for part in below.components() {
        name.push('/');
        name.push_str(part.as_os_str().to_str().ok_or_else(|| not_text(path))?);
    }
    Ok(name)
}
