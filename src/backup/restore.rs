//! Unpacking an archive: verified as a whole, written aside, read back, named.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::{BLOCK_BYTES, Digester, member_place};
use crate::backup::check::file_input;
use crate::backup::manifest::{DATA_NAME, DirectoryLine, FileLine, Manifest};
use crate::backup::progress::Progress;
use crate::backup::read::{Input, Nowhere, Receiver, Whole, read_through};
use crate::backup::target::Unfinished;
use crate::backup::{Error, RestoreOptions, RestoreResult, Restored, Source};
use crate::event::{Observer, Phase};
use crate::model::{Code, Fault, FaultKind, Findings, IoError};
use crate::store::target::Target;
use crate::store::{Level, StoreError};
use crate::vfs::{FileKind, Fs, OpenMode, VfsFile, parent_of};

/// Where a stream is kept, inside the partial target, until it has been verified. No member can
/// have this name: it holds a backslash.
const SPOOL_NAME: &str = ".raftlog\\spool";

/// What is kept of the permission bits of a file: a set-user-id program is no part of a store.
const FILE_MODE_MASK: u32 = 0o777;

/// What is kept of the permission bits of a directory.
const DIRECTORY_MODE_MASK: u32 = 0o3777;

/// Nobody else looks into a partial target.
const PRIVATE_MODE: u32 = 0o700;

/// Verifies the whole archive, then writes its files into the new directory `target`.
///
/// A single-file backup is restored as `target/<file name>`. Modes and modification times are
/// restored, set-user-id bits are not, owners are not recorded. A dry run checks all that a real
/// one checks before it writes, and ends as that one would.
///
/// # Errors
/// [`Error::Damaged`] when the archive is not whole (nothing was written); [`Error::Store`] when
/// the target is refused; [`Error::NoSpace`], [`Error::Io`]; [`Error::Mismatch`] when a file does
/// not read back as it was written; [`Error::Unsupported`]; [`Error::Cancelled`].
pub fn restore(
    fs: &Arc<dyn Fs>,
    archive: Source,
    target: &Path,
    options: RestoreOptions,
    observer: &mut dyn Observer,
) -> Result<Restored, Error> {
    refuse_file(fs.as_ref(), target)?;
    let place = Target::check(Arc::clone(fs), target, options.replace_partial)?;
    let name = match &archive {
        Source::File(path) => path.clone(),
        Source::Stream(_) => PathBuf::from("-"),
    };
    let job = Job { fs, name, place };
    let manifest = match archive {
        Source::File(path) => {
            job.place.refuse_overlap(&path)?;
            let manifest = job.verified(file_input(fs.as_ref(), &path)?, observer)?;
            job.check_space(&manifest)?;
            if !options.dry_run {
                let unfinished = job.begin()?;
                job.unpack(&path, &manifest, unfinished, None, observer)?;
            }
            manifest
        }
        Source::Stream(source) if options.dry_run => {
            let input = Input { source, path: &job.name, archive_bytes: None };
            let manifest = job.verified(input, observer)?;
            job.check_space(&manifest)?;
            manifest
        }
        Source::Stream(source) => {
            let unfinished = job.begin()?;
            let spool = job.place.partial().join(SPOOL_NAME);
            job.keep(source, &spool, observer)?;
            let input = Input { path: &job.name, ..file_input(fs.as_ref(), &spool)? };
            let manifest = job.verified(input, observer)?;
            job.check_space(&manifest)?;
            job.unpack(&spool, &manifest, unfinished, Some(&spool), observer)?;
            manifest
        }
    };
    let result = RestoreResult {
        target: target.display().to_string(),
        files: manifest.files.len() as u64,
        bytes: manifest.total_bytes(),
    };
    Ok(Restored { result, manifest, dry: options.dry_run })
}

fn refuse_file(fs: &dyn Fs, target: &Path) -> Result<(), Error> {
    match fs.symlink_metadata(target) {
        Ok(found) if found.kind != FileKind::Dir => Err(Error::Store(StoreError::Refused {
            path: target.to_owned(),
            what: "it exists and is no directory".to_owned(),
            way_out: "name a directory that does not exist yet".to_owned(),
        })),
        _ => Ok(()),
    }
}

/// A running restore.
struct Job<'j> {
    fs: &'j Arc<dyn Fs>,
    /// What faults and errors call the archive.
    name: PathBuf,
    place: Target,
}

impl Job<'_> {
    /// Reads the whole archive; it must be sound.
    fn verified(&self, input: Input<'_>, observer: &mut dyn Observer) -> Result<Manifest, Error> {
        let progress = Progress::new(observer, Phase::Verifying);
        let whole = read_through(input, Level::Full, &mut Nowhere, progress)?;
        self.sound(whole)
    }

    fn sound(&self, whole: Whole) -> Result<Manifest, Error> {
        match whole.manifest {
            Some(manifest) if whole.findings.total() == 0 => Ok(manifest),
            _ => Err(Error::Damaged { path: self.name.clone(), findings: whole.findings }),
        }
    }

    fn check_space(&self, manifest: &Manifest) -> Result<(), Error> {
        let path = self.place.path();
        let parent = parent_of(path);
        let look = |source| IoError::new("look at the free space of", parent, source);
        let needed_bytes = manifest.total_bytes();
        match self.fs.free_bytes(parent).map_err(look)? {
            Some(free_bytes) if free_bytes < needed_bytes => {
                Err(Error::NoSpace { path: path.to_owned(), needed_bytes, free_bytes })
            }
            _ => Ok(()),
        }
    }

    /// Creates the partial target, private.
    fn begin(&self) -> Result<Begun, Error> {
        let root = self.place.begin()?;
        let create = |source| IoError::new("create", &root, source);
        self.fs.create_dir(&root).map_err(create)?;
        let unfinished = Unfinished::new(&self.place);
        let look = |source| IoError::new("look at", &root, source);
        let found = self.fs.symlink_metadata(&root).map_err(look)?;
        set_attributes(self.fs.as_ref(), &root, PRIVATE_MODE, found.modified_unix_ns)?;
        Ok(Begun { unfinished, root, default_mode: found.mode })
    }

    /// Keeps a stream in a file.
    fn keep(
        &self,
        mut source: Box<dyn Read + Send>,
        spool: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let create = |source| IoError::new("create", spool, source);
        let file = self.fs.open(spool, OpenMode::CreateNew).map_err(create)?;
        let mut progress = Progress::new(observer, Phase::Reading);
        progress.begin(None)?;
        let mut buffer = vec![0; BLOCK_BYTES];
        let mut offset = 0u64;
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => return progress.finish(),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(IoError::new("read", &self.name, error).into()),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            let write = |source| IoError::new("write", spool, source).at(offset);
            file.write_at(offset, bytes).map_err(write)?;
            offset += count as u64;
            progress.advance(count)?;
        }
    }

    /// Writes everything under the partial name, and gives it the final one.
    fn unpack(
        &self,
        archive: &Path,
        verified: &Manifest,
        begun: Begun,
        spool: Option<&Path>,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let Begun { unfinished, root, default_mode } = begun;
        let mut writing = Writing {
            fs: self.fs.as_ref(),
            archive: &self.name,
            root: &root,
            open: None,
            buffer: vec![0; BLOCK_BYTES],
        };
        let input = Input { path: &self.name, ..file_input(self.fs.as_ref(), archive)? };
        let progress = Progress::new(observer, Phase::Unpacking);
        let written = match read_through(input, Level::Full, &mut writing, progress) {
            Err(Error::Mismatch { findings, .. }) => {
                let path = unfinished.sealed(0, 0).set_aside()?;
                return Err(Error::Mismatch { path, findings });
            }
            written => self.sound(written?)?,
        };
        if written != *verified {
            let what = "it is not the archive that was verified".to_owned();
            return Err(Error::Changed { path: self.name.clone(), what });
        }
        if let Some(spool) = spool {
            let remove = |source| IoError::new("remove", spool, source);
            self.fs.remove(spool).map_err(remove)?;
        }
        writing.finish_directories(&written, default_mode)?;
        unfinished.sealed(written.files.len() as u64, written.total_bytes()).publish()?;
        Ok(())
    }
}

/// The partial target, created.
struct Begun {
    unfinished: Unfinished,
    root: PathBuf,
    default_mode: u32,
}

/// Writes what an archive holds below a directory.
struct Writing<'w> {
    fs: &'w dyn Fs,
    archive: &'w Path,
    root: &'w Path,
    open: Option<OpenFile>,
    buffer: Vec<u8>,
}

struct OpenFile {
    file: Box<dyn VfsFile>,
    path: PathBuf,
    offset: u64,
}

impl Receiver for Writing<'_> {
    fn directory(&mut self, line: &DirectoryLine) -> Result<(), Error> {
        if line.path == DATA_NAME {
            return Ok(());
        }
        let path = path_below(self.root, &line.path);
        let create = |source| IoError::new("create", &path, source);
        Ok(self.fs.create_dir(&path).map_err(create)?)
    }

    fn file(&mut self, line: &FileLine) -> Result<(), Error> {
        let path = path_below(self.root, &line.path);
        let create = |source| IoError::new("create", &path, source);
        let file = self.fs.open(&path, OpenMode::CreateNew).map_err(create)?;
        self.open = Some(OpenFile { file, path, offset: 0 });
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let offset = open.offset;
        let write = |source| IoError::new("write", &open.path, source).at(offset);
        open.file.write_at(offset, bytes).map_err(write)?;
        open.offset += bytes.len() as u64;
        Ok(())
    }

    /// Attributes first, so that the sync covers them; then what is there is read back.
    fn file_end(&mut self, line: &FileLine) -> Result<(), Error> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let damaged = |kind| self.damaged(line, kind);
        let member = line.member().map_err(damaged)?;
        let modified = line.modified_unix_ns().map_err(damaged)?;
        let (crc32, sha256) = line.digest().map_err(damaged)?;
        set_attributes(self.fs, &open.path, member.mode & FILE_MODE_MASK, modified)?;
        let sync = |source| IoError::new("sync", &open.path, source);
        open.file.sync().map_err(sync)?;
        let mut digester = Digester::full();
        let mut offset = 0u64;
        loop {
            let read = |source: io::Error| IoError::new("read", &open.path, source).at(offset);
            let count = open.file.read_at(offset, &mut self.buffer).map_err(read)?;
            if count == 0 {
                break;
            }
            digester.update(self.buffer.get(..count).unwrap_or_default());
            offset += count as u64;
        }
        let found = digester.finish();
        if (found.crc32, found.sha256) == (crc32, Some(sha256)) {
            return Ok(());
        }
        let found = found.sha256.map(|sha| sha.to_string()).unwrap_or_default();
        let kind =
            FaultKind::Checksum { what: "a restored file", expected: sha256.to_string(), found };
        let mut findings = Findings::default();
        findings.add(Fault::new(Code::R115, kind).at(member_place(
            self.archive,
            &line.path,
            line.size_bytes,
        )));
        Err(Error::Mismatch { path: open.path, findings })
    }
}

impl Writing<'_> {
    /// Sets the attributes of every directory, children first, and syncs them.
    fn finish_directories(&self, manifest: &Manifest, default_mode: u32) -> Result<(), Error> {
        for line in manifest.directories.iter().rev() {
            let path = path_below(self.root, &line.path);
            let damaged = |kind| self.archive_damaged(kind);
            let mode = line.member().map_err(damaged)?.mode & DIRECTORY_MODE_MASK;
            let modified = line.modified_unix_ns().map_err(damaged)?;
            set_attributes(self.fs, &path, mode, modified)?;
            self.sync_dir(&path)?;
        }
        if manifest.directories.is_empty() {
            let look = |source| IoError::new("look at", self.root, source);
            let found = self.fs.symlink_metadata(self.root).map_err(look)?;
            set_attributes(self.fs, self.root, default_mode, found.modified_unix_ns)?;
            self.sync_dir(self.root)?;
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> Result<(), Error> {
        let sync = |source| IoError::new("sync", path, source);
        Ok(self.fs.sync_dir(path).map_err(sync)?)
    }

    fn damaged(&self, line: &FileLine, kind: FaultKind) -> Error {
        let place = member_place(self.archive, &line.path, line.size_bytes);
        let mut findings = Findings::default();
        findings.add(Fault::new(Code::R115, kind).at(place));
        Error::Damaged { path: self.archive.to_owned(), findings }
    }

    fn archive_damaged(&self, kind: FaultKind) -> Error {
        let mut findings = Findings::default();
        findings.add(Fault::new(Code::R115, kind));
        Error::Damaged { path: self.archive.to_owned(), findings }
    }
}

/// Where a member belongs; its name was checked, and begins with `data`.
fn path_below(root: &Path, name: &str) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(name.split('/').skip(1));
    path
}

fn set_attributes(
    fs: &dyn Fs,
    path: &Path,
    mode: u32,
    modified_unix_ns: i128,
) -> Result<(), Error> {
    let set = |source| IoError::new("set mode and time of", path, source);
    Ok(fs.set_attributes(path, mode, modified_unix_ns).map_err(set)?)
}
