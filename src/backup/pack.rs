//! Packing a store or a data directory: survey, digests, archive, read-back, name.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::{
    self, BLOCK_BYTES, Digest, Digester, End, FileReader, FileSink, HashingWriter, Member,
    MemberKind, Packer,
};
use crate::backup::codec::{Line, Order};
use crate::backup::manifest::{
    DirectoryLine, END_NAME, FileLine, LayoutNote, MANIFEST_BYTES_MAX, MANIFEST_NAME,
    MANIFEST_VERSION, Manifest, NotPacked, Tool,
};
use crate::backup::progress::Progress;
use crate::backup::read::{Input, Nowhere, read_through};
use crate::backup::source::{self, Quiet};
use crate::backup::survey::Found;
use crate::backup::target::{Unfinished, refuse_existing};
use crate::backup::{Backup, BackupOptions, BackupResult, Destination, Error, Judge, codec};
use crate::event::{Observer, Phase};
use crate::model::{Code, Fault, FaultKind, Findings, IoError, Place};
use crate::store::Level;
use crate::store::target::{Sealed, Target};
use crate::vfs::{Clock, FileKind, Fs, OpenMode};

/// Packs the store or data directory at `path` into `destination`.
///
/// The store is locked (shared) until the archive is complete. A directory is packed with
/// everything in it, snapshots and peer lists included; a store's file is packed alone. `judge` is
/// asked once, with the store open; a store that cannot be opened because it is damaged, or because
/// its format is not read, is packed all the same.
///
/// # Errors
/// [`Error::Store`] as [`crate::store::open::open`] has them (locked, not found, refused);
/// [`Error::Changed`], [`Error::Name`], [`Error::TooLarge`], [`Error::Io`]; [`Error::Mismatch`]
/// when the archive does not read back; [`Error::Cancelled`]. Then nothing stands under
/// the final name.
pub fn backup(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    destination: Destination<'_>,
    options: &BackupOptions,
    judge: &mut Judge<'_>,
    observer: &mut dyn Observer,
) -> Result<Backup, Error> {
    let dest = match &destination {
        Destination::File(dest) => Some(dest.as_path()),
        Destination::Stream(_) => None,
    };
    let Ready { target, quiet } = ready(fs, clock, path, dest, options)?;
    let mut job = Job { fs: fs.as_ref(), quiet, level: options.compression.level(), observer };
    let verdict = job.quiet.verdict(fs.as_ref(), judge, job.observer)?;
    let mut manifest = job.manifest(path, options.created_unix_s)?;
    manifest.verdict = verdict;
    let manifest_bytes = encode(&mut manifest, path)?;
    let second_pass = if target.is_some() { Level::Quick } else { Level::Full };
    let plan = Plan { manifest: &manifest, manifest_bytes: &manifest_bytes, second_pass };
    let (name, end) = match (destination, target) {
        (Destination::File(dest), Some(target)) => {
            let end = job.write_file(target, &plan)?;
            (dest.display().to_string(), end)
        }
        (Destination::Stream(stream), _) => {
            ("-".to_owned(), job.write(stream, Path::new("-"), &plan)?.1)
        }
        (Destination::File(_), None) => return Err(Error::Cancelled),
    };
    let Quiet { description, findings, .. } = job.quiet;
    let result = BackupResult {
        archive: name,
        archive_bytes: Some(end.archive_bytes),
        sha256: Some(end.sha256.to_string()),
        files: manifest.files.len() as u64,
        bytes: manifest.total_bytes(),
        groups: manifest.groups,
    };
    Ok(Backup { result, description, verdict: manifest.verdict, findings })
}

/// What a backup begins with: checked, locked, surveyed, nothing written.
pub(super) struct Ready {
    /// Where the archive goes, unless it goes to a stream.
    pub target: Option<Target>,
    /// What is packed.
    pub quiet: Quiet,
}

/// All that is checked before anything is read for packing; `dest` is `None` for a stream.
pub(super) fn ready(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    dest: Option<&Path>,
    options: &BackupOptions,
) -> Result<Ready, Error> {
    let description = source::describe(fs, path, &options.open)?;
    let check = |dest| check_target(fs, dest, path, options.replace_partial);
    let target = dest.map(check).transpose()?;
    let quiet = source::quiet(fs, clock, path, description, &options.open)?;
    Ok(Ready { target, quiet })
}

fn check_target(
    fs: &Arc<dyn Fs>,
    dest: &Path,
    source: &Path,
    replace_partial: bool,
) -> Result<Target, Error> {
    refuse_existing(fs.as_ref(), dest)?;
    let target = Target::check(Arc::clone(fs), dest, replace_partial)?;
    target.refuse_overlap(source)?;
    Ok(target)
}

fn encode(manifest: &mut Manifest, path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = codec::encode(manifest).map_err(|kind| internal(path, kind))?;
    let value = bytes.len() as u64;
    if value > MANIFEST_BYTES_MAX {
        let (path, limit) = (path.to_owned(), MANIFEST_BYTES_MAX);
        return Err(Error::TooLarge { path, what: "the manifest", value, limit });
    }
    Ok(bytes)
}

fn internal(path: &Path, kind: FaultKind) -> Error {
    let mut findings = Findings::default();
    findings.add(Fault::new(Code::R115, kind));
    Error::Mismatch { path: path.to_owned(), findings }
}

/// What is to be written.
struct Plan<'p> {
    manifest: &'p Manifest,
    manifest_bytes: &'p [u8],
    /// What the second reading of a file is compared by. What is read back needs its CRC-32 only,
    /// for then the SHA-256 of every file is compared all the same.
    second_pass: Level,
}

/// A running backup.
struct Job<'j> {
    fs: &'j dyn Fs,
    quiet: Quiet,
    level: u8,
    observer: &'j mut dyn Observer,
}

impl Job<'_> {
    /// The first pass: reads every file for its digests.
    fn manifest(&mut self, path: &Path, created_unix_s: u64) -> Result<Manifest, Error> {
        let survey = &self.quiet.survey;
        let mut progress = Progress::new(self.observer, Phase::Reading);
        progress.begin(Some(survey.bytes()))?;
        let mut buffer = vec![0; BLOCK_BYTES];
        let mut files = Vec::new();
        for file in &survey.files {
            let mut digester = Digester::full();
            read_file(self.fs, file, &mut buffer, &mut |bytes| {
                digester.update(bytes);
                progress.advance(bytes.len())
            })?;
            files.push(file_line(file, digester.finish())?);
        }
        progress.finish()?;
        let description = &self.quiet.description;
        let root = self.quiet.root();
        Ok(Manifest {
            manifest_sha256: String::new(),
            manifest_version: MANIFEST_VERSION,
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            created_at: rfc3339(created_unix_s),
            created_unix_s,
            source: self.quiet.name(self.fs, path)?,
            format: description.format.as_str().to_owned(),
            evidence: description.evidence.clone(),
            layout: description.layout.as_ref().map(|layout| LayoutNote {
                product: layout.product.as_str().to_owned(),
                node: layout.node.clone(),
            }),
            groups: self.quiet.groups()?,
            verdict: Default::default(),
            not_packed: survey.others.iter().map(|other| not_packed(root, other)).collect(),
            directories: survey.directories.iter().map(directory_line).collect(),
            files,
        })
    }

    /// Writes the archive beside its final name, reads it back, and gives it the name.
    fn write_file(&mut self, target: Target, plan: &Plan<'_>) -> Result<End, Error> {
        let partial = target.begin()?;
        let io = |action| {
            let partial = partial.clone();
            move |source| IoError::new(action, partial, source)
        };
        let file = self.fs.open(&partial, OpenMode::CreateNew).map_err(io("create"))?;
        let unfinished = Unfinished::new(&target);
        self.restrict(&partial)?;
        let (_, written) = self.write(FileSink::new(file.as_ref()), target.path(), plan)?;
        file.sync().map_err(io("sync"))?;
        drop(file);
        let sealed = unfinished.sealed(1, written.archive_bytes);
        match self.read_back(&sealed, written, plan) {
            Ok(findings) if findings.total() == 0 => {}
            Ok(findings) => return Err(Error::Mismatch { path: sealed.set_aside()?, findings }),
            Err(error) => return Err(error),
        }
        sealed.publish()?;
        Ok(written)
    }

    /// Lets nobody read the archive who could not read every file in it.
    fn restrict(&self, partial: &Path) -> Result<(), Error> {
        let look = |source| IoError::new("look at", partial, source);
        let found = self.fs.symlink_metadata(partial).map_err(look)?;
        let mode = found.mode & (self.quiet.survey.common_mode() | 0o600);
        if mode != found.mode {
            let set = |source| IoError::new("set the mode of", partial, source);
            self.fs.set_attributes(partial, mode, found.modified_unix_ns).map_err(set)?;
        }
        Ok(())
    }

    /// The second pass: packs every file and compares it with the first. Errors of writing name
    /// `path`.
    fn write<W: Write>(
        &mut self,
        sink: W,
        path: &Path,
        plan: &Plan<'_>,
    ) -> Result<(W, End), Error> {
        let Plan { manifest, manifest_bytes, .. } = plan;
        let mut progress = Progress::new(self.observer, Phase::Packing);
        progress.begin(Some(manifest.total_bytes()))?;
        let mut packer =
            Packer::new(HashingWriter::new(sink), path, self.level).map_err(packing)?;
        let own = |name: &str, bytes: &[u8]| Member {
            name: name.to_owned(),
            kind: MemberKind::File,
            size_bytes: bytes.len() as u64,
            mode: 0o644,
            mtime_s: manifest.created_unix_s.min(archive::MTIME_S_MAX),
        };
        packer.begin(&own(MANIFEST_NAME, manifest_bytes)).map_err(packing)?;
        packer.content(manifest_bytes).map_err(packing)?;
        let mut order = Order::default();
        let mut buffer = vec![0; BLOCK_BYTES];
        while let Some(line) = order.next(manifest) {
            let (number, line) = match line {
                Line::File(number, line) => (number, line),
                Line::Directory(line) => {
                    let member = line.member().map_err(|kind| internal(path, kind))?;
                    packer.begin(&member).map_err(packing)?;
                    continue;
                }
            };
            let Some(file) = self.quiet.survey.files.get(number) else { continue };
            let member = line.member().map_err(|kind| internal(path, kind))?;
            packer.begin(&member).map_err(packing)?;
            let mut digester = match plan.second_pass {
                Level::Quick => Digester::quick(),
                Level::Full => Digester::full(),
            };
            read_file(self.fs, file, &mut buffer, &mut |bytes| {
                digester.update(bytes);
                packer.content(bytes).map_err(packing)?;
                progress.advance(bytes.len())
            })?;
            if !fits(line, digester.finish()) {
                return Err(changed(&file.path, "two readings of it differ"));
            }
        }
        self.quiet.check_unchanged(self.fs)?;
        let end_bytes =
            codec::encode_end(manifest_bytes, manifest).map_err(|kind| internal(path, kind))?;
        packer.begin(&own(END_NAME, &end_bytes)).map_err(packing)?;
        packer.content(&end_bytes).map_err(packing)?;
        let (mut sink, archive_bytes, sha256) = packer.finish().map_err(packing)?.finish();
        sink.flush().map_err(|source| IoError::new("write", path, source))?;
        progress.finish()?;
        Ok((sink, End { archive_bytes, sha256 }))
    }

    /// Reads the archive from disk and compares it with what was meant.
    fn read_back(
        &mut self,
        sealed: &Sealed,
        written: End,
        plan: &Plan<'_>,
    ) -> Result<Findings, Error> {
        let partial = sealed.partial();
        let open = |source| IoError::new("open", &partial, source);
        let file = self.fs.open(&partial, OpenMode::Read).map_err(open)?;
        let input = Input {
            source: Box::new(FileReader::new(file)),
            path: &partial,
            archive_bytes: Some(written.archive_bytes),
        };
        let progress = Progress::new(self.observer, Phase::ReadingBack);
        let mut whole = read_through(input, Level::Full, &mut Nowhere, progress)?;
        let same = whole.end == Some(written) && whole.manifest.as_ref() == Some(plan.manifest);
        if !same && whole.findings.total() == 0 {
            let found = "the archive on disk is not the one that was written".to_owned();
            let place =
                Place { file: partial.into(), offset_bytes: 0, len_bytes: written.archive_bytes };
            whole.findings.add(Fault::new(Code::R115, FaultKind::Note { found }).at(place));
        }
        Ok(whole.findings)
    }
}

fn packing(error: archive::Error) -> Error {
    match error {
        archive::Error::Io(error) => Error::Io(error),
        archive::Error::Fault(fault) => internal(Path::new("-"), fault.kind),
        archive::Error::Name { ref name, .. } => {
            Error::Name { path: PathBuf::from(name), reason: error.to_string() }
        }
        archive::Error::Length { ref name, .. } => {
            Error::Changed { path: PathBuf::from(name), what: error.to_string() }
        }
    }
}

fn changed(path: &Path, what: &str) -> Error {
    Error::Changed { path: path.to_owned(), what: what.to_owned() }
}

/// Reads all of `file`, which must have the size that the survey saw.
fn read_file(
    fs: &dyn Fs,
    file: &Found,
    buffer: &mut [u8],
    take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let path = &file.path;
    let open = |source| IoError::new("open", path, source);
    let opened = fs.open(path, OpenMode::Read).map_err(open)?;
    let mut offset = 0u64;
    loop {
        let read = |source: io::Error| IoError::new("read", path, source).at(offset);
        let count = opened.read_at(offset, buffer).map_err(read)?;
        if count == 0 {
            break;
        }
        offset += count as u64;
        if offset > file.metadata.size_bytes {
            return Err(changed(path, "it grew"));
        }
        take(buffer.get(..count).unwrap_or_default())?;
    }
    if offset == file.metadata.size_bytes { Ok(()) } else { Err(changed(path, "it shrank")) }
}

fn directory_line(found: &Found) -> DirectoryLine {
    let (mtime_s, mtime_ns) = codec::split_moment(found.metadata.modified_unix_ns);
    let mode = format!("{:04o}", found.metadata.mode & 0o7777);
    DirectoryLine { path: found.name.clone(), mode, mtime_s, mtime_ns }
}

fn file_line(found: &Found, digest: Digest) -> Result<FileLine, Error> {
    let (mtime_s, mtime_ns) = codec::split_moment(found.metadata.modified_unix_ns);
    let sha256 = digest.sha256.ok_or_else(|| changed(&found.path, "it has no digest"))?;
    Ok(FileLine {
        path: found.name.clone(),
        size_bytes: digest.bytes,
        mode: format!("{:04o}", found.metadata.mode & 0o7777),
        mtime_s,
        mtime_ns,
        crc32: format!("{:08x}", digest.crc32),
        sha256: sha256.to_string(),
    })
}

/// Whether a second reading found what the first one did.
fn fits(line: &FileLine, again: Digest) -> bool {
    line.size_bytes == again.bytes
        && line.crc32 == format!("{:08x}", again.crc32)
        && again.sha256.is_none_or(|sha| line.sha256 == sha.to_string())
}

fn not_packed(root: &Path, (path, kind): &(PathBuf, FileKind)) -> NotPacked {
    let path = path.strip_prefix(root).unwrap_or(path);
    let kind = if *kind == FileKind::Link { "link" } else { "other" };
    NotPacked { path: path.display().to_string(), kind: kind.to_owned() }
}

fn rfc3339(unix_s: u64) -> String {
    i64::try_from(unix_s)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| format!("{unix_s} s after 1970"), |time| time.to_string())
}
