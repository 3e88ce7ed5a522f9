//! What the machine can do with the same bytes: the figures that a job's time is divided by.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::model::IoError;
use crate::vfs::{FileKind, Fs, OpenMode, parent_of};

/// Bytes per read and write.
const CHUNK_BYTES: usize = 1 << 20;
/// Names below a store's directory; far more than any store has.
const NAMES_MAX: usize = 1_000_000;

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> IoError {
    let path = path.to_owned();
    move |source| IoError::new(action, path, source)
}

/// The regular files at `path`: itself, or everything below it.
pub fn files_at(fs: &dyn Fs, path: &Path) -> Result<Vec<(PathBuf, u64)>, IoError> {
    let found = fs.metadata(path).map_err(failed("look at", path))?;
    if found.kind == FileKind::File {
        return Ok(vec![(path.to_owned(), found.size_bytes)]);
    }
    let below = fs.walk(path, NAMES_MAX).map_err(failed("list", path))?;
    Ok(below
        .into_iter()
        .filter(|(_, metadata)| metadata.kind == FileKind::File)
        .map(|(path, metadata)| (path, metadata.size_bytes))
        .collect())
}

/// Takes the next bytes.
type Take<'a> = dyn FnMut(&[u8]) -> Result<(), IoError> + 'a;

/// Reads every byte of the files at `path` in order, handing each chunk to `each`.
fn read_all(fs: &dyn Fs, path: &Path, each: &mut Take<'_>) -> Result<(), IoError> {
    let mut buffer = vec![0u8; CHUNK_BYTES];
    for (file_path, _) in files_at(fs, path)? {
        let file = fs.open(&file_path, OpenMode::Read).map_err(failed("open", &file_path))?;
        let mut offset = 0u64;
        loop {
            let read = file.read_at(offset, &mut buffer).map_err(failed("read", &file_path))?;
            let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
            each(chunk)?;
            offset += read as u64;
        }
    }
    Ok(())
}

/// Lets nobody pay for what was done before: has the file system of `scratch` written out whatever
/// waits, and, before something of `writing_bytes` is written, touches so much memory.
///
/// A virtual machine gives memory back to its host some seconds after it was freed, and whoever
/// takes it again waits for every page: several seconds for a GiB, by chance for the job or for its
/// limit. Writing a file and removing it before it reaches the disk leaves that memory in reach.
pub fn settle(fs: &dyn Fs, scratch: &Path, writing_bytes: u64) -> Result<(), IoError> {
    if writing_bytes > 0 {
        let file = fs.open(scratch, OpenMode::CreateNew).map_err(failed("create", scratch))?;
        let zeros = vec![0u8; CHUNK_BYTES];
        let mut written = 0;
        while written < writing_bytes {
            file.write_at(written, &zeros).map_err(failed("write", scratch))?;
            written += CHUNK_BYTES as u64;
        }
        drop(file);
        fs.remove(scratch).map_err(failed("remove", scratch))?;
    }
    let dir = parent_of(scratch);
    fs.sync_file_system(dir).map_err(failed("sync the file system of", dir))
}

/// Copies the files at `path`, byte for byte and one behind the other, into one new file `to`,
/// which is synced with its directory.
pub fn copy_and_sync(fs: &dyn Fs, path: &Path, to: &Path) -> Result<(), IoError> {
    let target = fs.open(to, OpenMode::CreateNew).map_err(failed("create", to))?;
    let mut written = 0u64;
    read_all(fs, path, &mut |chunk| {
        target.write_at(written, chunk).map_err(failed("write", to))?;
        written += chunk.len() as u64;
        Ok(())
    })?;
    target.sync_data().map_err(failed("sync", to))?;
    let parent = parent_of(to);
    fs.sync_dir(parent).map_err(failed("sync", parent))
}

/// Reads the files at `path` and takes the CRC-32 of every byte, which it returns so that the work
/// counts.
pub fn read_and_crc(fs: &dyn Fs, path: &Path) -> Result<u32, IoError> {
    let mut hasher = crc32fast::Hasher::new();
    read_all(fs, path, &mut |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok(hasher.finalize())
}

/// The compressor that `tar_and_compress` would pipe into: pigz where it is installed, else gzip.
pub fn compressor() -> &'static str {
    let there = Command::new("pigz")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if there { "pigz" } else { "gzip" }
}

/// Packs what stands at `path` with the system's `tar` piped into `compressor`, into `to`.
pub fn tar_and_compress(path: &Path, to: &Path, compressor: &str) -> Result<(), IoError> {
    let parent = parent_of(path);
    let name = path.file_name().unwrap_or(path.as_os_str());
    let script = format!("tar -C \"$1\" -cf - \"$2\" | {compressor} -6 > \"$3\" && sync \"$3\"");
    let status = Command::new("sh")
        .args(["-c", &script, "sh"])
        .args([parent.as_os_str(), name, to.as_os_str()])
        .status()
        .map_err(failed("run tar for", path))?;
    if status.success() {
        return Ok(());
    }
    Err(IoError::new("pack with tar", path, std::io::Error::other(status.to_string())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use std::fs;

    use super::*;
    use crate::vfs::os::OsFs;

    fn names(dir: &Path) -> Vec<PathBuf> {
        OsFs.walk(dir, 10).expect("listed").into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn a_copy_holds_every_byte_of_every_file_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let source = dir.path().join("source");
        fs::create_dir(&source).expect("created");
        let large = vec![7; CHUNK_BYTES + 5];
        fs::write(source.join("a"), &large).expect("written");
        fs::write(source.join("b"), b"behind").expect("written");
        let copy = dir.path().join("copy");
        copy_and_sync(&OsFs, &source, &copy).expect("copied");
        assert_eq!(fs::read(&copy).expect("there"), [large.as_slice(), b"behind"].concat());
        assert!(copy_and_sync(&OsFs, &source, &copy).is_err(), "a copy is never onto another");
        let whole = crc32fast::hash(&fs::read(&copy).expect("there"));
        assert_eq!(read_and_crc(&OsFs, &source).expect("read"), whole);
    }

    #[test]
    fn settling_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        for writing_bytes in [0, 1, 3 * CHUNK_BYTES as u64] {
            settle(&OsFs, &dir.path().join("scratch"), writing_bytes).expect("settled");
            assert!(names(dir.path()).is_empty(), "something is left");
        }
    }
}
