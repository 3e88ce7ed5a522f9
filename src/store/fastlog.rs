//! Our own segments as a store.

use std::io;
use std::path::Path;

use crate::fastlog::format::{
    ANCHOR_FILE, ANCHOR_MAGIC, PAGE_BYTES, SEGMENT_MAGIC, SEGMENT_SUFFIX,
};
use crate::store::{StoreError, io_error};
use crate::vfs::{Fs, OpenMode};

/// Segments that are looked at when the anchor is missing.
const SEGMENTS_LOOKED_AT: usize = 8;

/// Why the directory `dir` is a FastLog store, one line each; `None` when it is none.
///
/// # Errors
/// When it cannot be listed, or one of its files not be read.
pub fn recognise(fs: &dyn Fs, dir: &Path) -> Result<Option<Vec<String>>, StoreError> {
    let mut evidence = Vec::new();
    let anchor = dir.join(ANCHOR_FILE);
    for (slot, offset) in [(0, 0), (1, PAGE_BYTES)] {
        if begins_with(fs, &anchor, offset, &ANCHOR_MAGIC)? {
            evidence.push(format!("magic of a FastLog anchor in slot {slot} of {ANCHOR_FILE}"));
            break;
        }
    }
    let names = fs.list(dir).map_err(io_error("list", dir))?;
    let is_segment = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SEGMENT_SUFFIX))
    };
    for path in names.iter().filter(is_segment).take(SEGMENTS_LOOKED_AT) {
        if begins_with(fs, path, 0, &SEGMENT_MAGIC)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            evidence.push(format!("magic of a FastLog segment in {name}"));
            break;
        }
    }
    Ok((!evidence.is_empty()).then_some(evidence))
}

/// Whether a file that begins with `head` is one of a FastLog directory.
pub fn is_part(head: &[u8]) -> bool {
    head.starts_with(&ANCHOR_MAGIC) || head.starts_with(&SEGMENT_MAGIC)
}

fn begins_with(fs: &dyn Fs, path: &Path, offset: u64, magic: &[u8; 8]) -> Result<bool, StoreError> {
    let file = match fs.open(path, OpenMode::Read) {
        Ok(file) => file,
        // Whatever bears the name is no regular file, or is not there.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(io_error("open", path)(error)),
    };
    let mut found = [0; 8];
    let read = file.read_at(offset, &mut found).map_err(io_error("read", path))?;
    Ok(read == found.len() && found == *magic)
}
