//! Checking an archive without unpacking it.

use std::path::Path;
use std::sync::Arc;

use crate::archive::FileReader;
use crate::backup::progress::Progress;
use crate::backup::read::{Input, Nowhere, read_through};
use crate::backup::{Checked, Error};
use crate::event::{Observer, Phase};
use crate::model::IoError;
use crate::store::{Level, StoreError};
use crate::vfs::{FileKind, Fs, OpenMode};

/// Verifies the archive at `path` without unpacking it: structure, manifest, every size and CRC-32,
/// and with [`Level::Full`] every SHA-256. Damage is in [`Checked::findings`], not an error.
///
/// # Errors
/// [`Error::Store`] when there is no such file, [`Error::Io`] when it cannot be read,
/// [`Error::Unsupported`], [`Error::Cancelled`].
pub fn verify(
    fs: &Arc<dyn Fs>,
    path: &Path,
    level: Level,
    observer: &mut dyn Observer,
) -> Result<Checked, Error> {
    let input = file_input(fs.as_ref(), path)?;
    let archive_bytes = input.archive_bytes.unwrap_or_default();
    let progress = Progress::new(observer, Phase::Verifying);
    let whole = read_through(input, level, &mut Nowhere, progress)?;
    Ok(Checked {
        findings: whole.findings,
        manifest: whole.manifest,
        archive_bytes,
        sha256: whole.end.map(|end| end.sha256.to_string()),
        files: whole.files,
        checked_bytes: whole.bytes,
    })
}

/// The archive in the file `path`.
pub(super) fn file_input<'p>(fs: &dyn Fs, path: &'p Path) -> Result<Input<'p>, Error> {
    let not_there = |reason: &str| {
        Error::Store(StoreError::NotFound {
            path: path.to_owned(),
            reason: reason.to_owned(),
            seen: Vec::new(),
        })
    };
    let metadata = match fs.metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(not_there("no such file"));
        }
        Err(error) => return Err(IoError::new("look at", path, error).into()),
    };
    if metadata.kind != FileKind::File {
        return Err(not_there("an archive is a file"));
    }
    let open = |source| IoError::new("open", path, source);
    let file = fs.open(path, OpenMode::Read).map_err(open)?;
    let archive_bytes = Some(metadata.size_bytes);
    Ok(Input { source: Box::new(FileReader::new(file)), path, archive_bytes })
}
