//! What a backup would do: everything that is checked before the first byte is written.

use std::path::Path;
use std::sync::Arc;

use crate::backup::pack::{Ready, ready};
use crate::backup::source::Quiet;
use crate::backup::{BackupOptions, BackupPlan, BackupResult, Error};
use crate::model::IoError;
use crate::vfs::{Clock, Fs, OpenMode};

/// Says what [`backup`](crate::backup::backup) would pack into `dest` (`None` for a stream), and
/// writes nothing.
///
/// Source and target are checked and locked as a backup does it, and every file is opened, so that
/// a plan fails where a backup would fail before it writes. Contents are not read and the rules are
/// not asked: neither decides whether a backup is taken.
///
/// # Errors
/// As [`backup`](crate::backup::backup) before its first write.
pub fn plan(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    dest: Option<&Path>,
    options: &BackupOptions,
) -> Result<BackupPlan, Error> {
    let Ready { quiet, .. } = ready(fs, clock, path, dest, options)?;
    for file in &quiet.survey.files {
        let open = |source| IoError::new("open", &file.path, source);
        fs.open(&file.path, OpenMode::Read).map_err(open)?;
    }
    let groups = quiet.groups()?;
    let not_judged = quiet.not_judged().map(str::to_owned);
    let Quiet { description, survey, findings, .. } = quiet;
    let bytes = survey.bytes();
    let named = |file: crate::backup::survey::Found| (file.name, file.metadata.size_bytes);
    let files: Vec<(String, u64)> = survey.files.into_iter().map(named).collect();
    let result = BackupResult {
        archive: dest.map_or_else(|| "-".to_owned(), |dest| dest.display().to_string()),
        archive_bytes: None,
        sha256: None,
        files: files.len() as u64,
        bytes,
        groups,
    };
    Ok(BackupPlan { result, description, not_judged, files, findings })
}
