//! Reading an archive against its own manifest. Backup reads back, verify checks and restore
//! unpacks through this one door, so that what one of them accepts all of them accept.

use std::io::Read;
use std::iter;
use std::path::Path;

use crate::archive::{
    self, BLOCK_BYTES, Content, Digester, End, Member, MemberKind, Unpacker, member_place,
};
use crate::backup::Error;
use crate::backup::codec::{self, Line, Order, Refused};
use crate::backup::manifest::{
    DirectoryLine, END_NAME, FileLine, MANIFEST_BYTES_MAX, MANIFEST_NAME, MANIFEST_VERSION,
    Manifest,
};
use crate::backup::progress::Progress;
use crate::model::{Code, Fault, FaultKind, Findings, Place};
use crate::store::Level;

/// Deflate cannot make more than this out of one byte.
const INFLATION_MAX: u64 = 1032;

/// Takes what an archive holds, in the order of its manifest. Everything it gets was compared with
/// the manifest; the digests of a file are only known behind its content.
pub(super) trait Receiver {
    /// The manifest was read and is sound in itself.
    fn manifest(&mut self, _manifest: &Manifest) -> Result<(), Error> {
        Ok(())
    }

    /// A directory comes.
    fn directory(&mut self, _line: &DirectoryLine) -> Result<(), Error> {
        Ok(())
    }

    /// A file begins.
    fn file(&mut self, _line: &FileLine) -> Result<(), Error> {
        Ok(())
    }

    /// The next bytes of the file.
    fn content(&mut self, _bytes: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    /// The file is complete.
    fn file_end(&mut self, _line: &FileLine) -> Result<(), Error> {
        Ok(())
    }
}

/// Wants nothing of it: reading is all.
pub(super) struct Nowhere;

impl Receiver for Nowhere {}

/// What reading an archive showed.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// What is wrong. When empty, everything else is there and true.
    pub findings: Findings,
    /// The manifest, when it verified.
    pub manifest: Option<Manifest>,
    /// The end of the archive, when it was reached.
    pub end: Option<End>,
    /// Files whose digests fit.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
}

/// Where an archive's bytes come from.
pub(super) struct Input<'i> {
    /// The bytes.
    pub source: Box<dyn Read + Send>,
    /// What faults and errors call it.
    pub path: &'i Path,
    /// Its size, where that is known before the end.
    pub archive_bytes: Option<u64>,
}

/// Reads the archive in `input` to its end, or to the first thing that leaves no sense in going on.
pub(super) fn read_through(
    input: Input<'_>,
    level: Level,
    receiver: &mut dyn Receiver,
    progress: Progress<'_>,
) -> Result<Whole, Error> {
    let unpacker = match Unpacker::new(input.source, input.path) {
        Ok(unpacker) => unpacker,
        Err(error) => return Err(system_error(error)),
    };
    let mut reading = Reading {
        path: input.path,
        archive_bytes: input.archive_bytes,
        level,
        receiver,
        progress,
        whole: Whole::default(),
        end_bytes: Vec::new(),
        order: Order::default(),
        closed: false,
        buffer: vec![0; BLOCK_BYTES],
    };
    let end = unpacker.read(&mut |member, content| reading.member(member, content));
    let closed = end.and_then(|end| reading.check_closed().map(|()| end));
    match closed {
        Ok(end) => reading.whole.end = Some(end),
        Err(Halt::Fault(fault)) => reading.whole.findings.add(*fault),
        Err(Halt::Error(error)) => return Err(error),
    }
    reading.progress.finish()?;
    Ok(reading.whole)
}

/// Why reading stopped.
enum Halt {
    Fault(Box<Fault>),
    Error(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Error(error)
    }
}

impl From<archive::Error> for Halt {
    fn from(error: archive::Error) -> Self {
        match error {
            archive::Error::Fault(fault) => Halt::Fault(fault),
            error => Halt::Error(system_error(error)),
        }
    }
}

/// An error of the archive room that is no fault of the archive.
fn system_error(error: archive::Error) -> Error {
    match error {
        archive::Error::Io(error) => Error::Io(error),
        archive::Error::Fault(fault) => {
            let mut findings = Findings::default();
            let path = fault.place.as_ref().map(|place| place.file.to_path_buf());
            findings.add(*fault);
            Error::Damaged { path: path.unwrap_or_default(), findings }
        }
        archive::Error::Name { ref name, .. } | archive::Error::Length { ref name, .. } => {
            Error::Name { path: name.into(), reason: error.to_string() }
        }
    }
}

struct Reading<'r, 'o> {
    path: &'r Path,
    archive_bytes: Option<u64>,
    level: Level,
    receiver: &'r mut dyn Receiver,
    progress: Progress<'o>,
    whole: Whole,
    /// The closing member as it must be.
    end_bytes: Vec<u8>,
    order: Order,
    closed: bool,
    buffer: Vec<u8>,
}

impl Reading<'_, '_> {
    fn member(&mut self, member: &Member, content: &mut Content<'_>) -> Result<(), Halt> {
        let Some(manifest) = self.whole.manifest.take() else {
            return self.manifest(member, content);
        };
        let done = self.line(&manifest, member, content);
        self.whole.manifest = Some(manifest);
        done
    }

    fn manifest(&mut self, member: &Member, content: &mut Content<'_>) -> Result<(), Halt> {
        if member.name != MANIFEST_NAME || member.kind != MemberKind::File {
            return Err(self.unexpected(member, MANIFEST_NAME));
        }
        if member.size_bytes > MANIFEST_BYTES_MAX {
            let (value, limit) = (member.size_bytes, MANIFEST_BYTES_MAX);
            let kind = FaultKind::Bounds { what: "the size of the manifest", value, limit };
            return Err(self.fault(member, kind));
        }
        let bytes = content.read_all()?;
        let manifest = match codec::decode(&bytes) {
            Ok(manifest) => manifest,
            Err(Refused::Fault(kind)) => return Err(self.fault(member, kind)),
            Err(Refused::Version(found)) => {
                let path = self.path.to_owned();
                return Err(Error::Unsupported { path, found, known: MANIFEST_VERSION }.into());
            }
        };
        let total_bytes = manifest.total_bytes();
        let limit = self.archive_bytes.unwrap_or(u64::MAX).saturating_mul(INFLATION_MAX);
        if total_bytes > limit {
            let kind =
                FaultKind::Bounds { what: "the sum of all sizes", value: total_bytes, limit };
            return Err(self.fault(member, kind));
        }
        self.end_bytes =
            codec::encode_end(&bytes, &manifest).map_err(|kind| self.fault(member, kind))?;
        drop(bytes);
        self.progress.begin(Some(total_bytes))?;
        self.receiver.manifest(&manifest)?;
        self.whole.manifest = Some(manifest);
        Ok(())
    }

    /// A member behind the manifest: the one that its next line names, or the closing one.
    fn line(
        &mut self,
        manifest: &Manifest,
        member: &Member,
        content: &mut Content<'_>,
    ) -> Result<(), Halt> {
        match self.order.next(manifest) {
            Some(Line::Directory(line)) => {
                let promised = line.member().map_err(|kind| self.fault(member, kind))?;
                self.compare(manifest, member, &promised)?;
                return Ok(self.receiver.directory(line)?);
            }
            Some(Line::File(_, line)) => {
                let promised = line.member().map_err(|kind| self.fault(member, kind))?;
                self.compare(manifest, member, &promised)?;
                return self.file(line, content);
            }
            None => {}
        }
        if self.closed || member.name != END_NAME || member.kind != MemberKind::File {
            return Err(self.misplaced(manifest, member, "nothing more"));
        }
        self.closing(member, content)
    }

    fn compare(&self, manifest: &Manifest, member: &Member, promised: &Member) -> Result<(), Halt> {
        if member.name != promised.name || member.kind != promised.kind {
            return Err(self.misplaced(manifest, member, &promised.name));
        }
        let octal = |mode: u32| format!("{mode:04o}");
        let decimal = |number: u64| number.to_string();
        let differing = [
            ("a member's size", decimal(promised.size_bytes), decimal(member.size_bytes)),
            ("a member's mode", octal(promised.mode), octal(member.mode)),
            ("a member's time", decimal(promised.mtime_s), decimal(member.mtime_s)),
        ]
        .into_iter()
        .find(|(_, expected, found)| expected != found);
        match differing {
            Some((what, expected, found)) => {
                let expected = format!("{expected}, as in the manifest");
                let kind = FaultKind::Field { what, expected, found };
                Err(self.fault(member, kind))
            }
            None => Ok(()),
        }
    }

    fn file(&mut self, line: &FileLine, content: &mut Content<'_>) -> Result<(), Halt> {
        self.receiver.file(line)?;
        let mut digester = match self.level {
            Level::Quick => Digester::quick(),
            Level::Full => Digester::full(),
        };
        loop {
            let count = content.read(&mut self.buffer)?;
            if count == 0 {
                break;
            }
            let bytes = self.buffer.get(..count).unwrap_or_default();
            digester.update(bytes);
            self.receiver.content(bytes)?;
            self.progress.advance(count)?;
        }
        let found = digester.finish();
        let place = member_place(self.path, &line.path, line.size_bytes);
        let (crc32, sha256) = match line.digest() {
            Ok(digests) => digests,
            Err(kind) => return Err(Fault::new(Code::R115, kind).at(place).into()),
        };
        let checks = [
            ("a file's CRC-32", format!("{crc32:08x}"), Some(format!("{:08x}", found.crc32))),
            ("a file's SHA-256", sha256.to_string(), found.sha256.map(|sha| sha.to_string())),
        ];
        let mut sound = true;
        for (what, expected, found) in checks {
            if let Some(found) = found
                && found != expected
            {
                let kind = FaultKind::Checksum { what, expected, found };
                self.whole.findings.add(Fault::new(Code::R115, kind).at(place.clone()));
                sound = false;
            }
        }
        if sound {
            self.whole.files += 1;
            self.whole.bytes += line.size_bytes;
        }
        Ok(self.receiver.file_end(line)?)
    }

    fn closing(&mut self, member: &Member, content: &mut Content<'_>) -> Result<(), Halt> {
        let expected = self.end_bytes.len() as u64;
        let fits = member.size_bytes == expected && content.read_all()? == self.end_bytes;
        if fits {
            self.closed = true;
            return Ok(());
        }
        let kind = FaultKind::Field {
            what: "the closing member",
            expected: "the digest of everything before it".to_owned(),
            found: "something else".to_owned(),
        };
        Err(self.fault(member, kind))
    }

    fn check_closed(&self) -> Result<(), Halt> {
        if self.closed {
            return Ok(());
        }
        let mut order = self.order;
        let name = match &self.whole.manifest {
            None => MANIFEST_NAME,
            Some(manifest) => order.next(manifest).map_or(END_NAME, Line::name),
        };
        let place = Place { file: self.path.into(), offset_bytes: 0, len_bytes: 0 };
        let kind = FaultKind::Missing { what: "member", name: name.to_owned() };
        Err(Fault::new(Code::R115, kind).at(place).into())
    }

    /// A member that stands where another one must: says so, and whether it is there twice.
    fn misplaced(&self, manifest: &Manifest, member: &Member, expected: &str) -> Halt {
        let mut order = Order::default();
        let names = iter::from_fn(|| order.next(manifest).map(Line::name));
        let again = member.name == MANIFEST_NAME
            || (self.closed && member.name == END_NAME)
            || names.take_while(|name| *name != expected).any(|name| name == member.name);
        if !again {
            return self.unexpected(member, expected);
        }
        let kind = FaultKind::Field {
            what: "a member",
            expected: "every member once".to_owned(),
            found: format!("{:?} again", member.name),
        };
        self.fault(member, kind)
    }

    fn unexpected(&self, member: &Member, expected: &str) -> Halt {
        let kind = FaultKind::Field {
            what: "a member",
            expected: expected.to_owned(),
            found: format!("{:?}", member.name),
        };
        self.fault(member, kind)
    }

    fn fault(&self, member: &Member, kind: FaultKind) -> Halt {
        let place = member_place(self.path, &member.name, member.size_bytes);
        Fault::new(Code::R115, kind).at(place).into()
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Halt::Fault(Box::new(fault))
    }
}
