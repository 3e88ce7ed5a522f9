use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::mem;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::bufread::GzDecoder;
use sha2::Digest as _;

use crate::archive::gzip::GZIP_HEADER;
use crate::archive::{BLOCK_BYTES, Error, Sha};
use crate::model::{Code, Fault, FaultKind, IoError, Place, Severity};

const SOURCE_BUFFER_BYTES: usize = 256 << 10;

/// Blocks that wait between the inflating thread and its reader.
const BLOCKS_WAITING: usize = 4;

/// No gzip member that we wrote is longer: deflate adds at most five bytes to each 16 KiB.
const MEMBER_BYTES_MAX: u64 = (BLOCK_BYTES + BLOCK_BYTES / 1024 + 64) as u64;

/// The end of an archive's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Size of the archive.
    pub archive_bytes: u64,
    /// Its SHA-256.
    pub sha256: Sha,
}

/// Bytes of an archive, compressed: first and number of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub offset_bytes: u64,
    pub len_bytes: u64,
}

enum Step {
    Block { bytes: Vec<u8>, from: Span },
    End(End),
    Failed(Error),
}

/// The content of a chain of gzip members, inflated by a thread of its own. Nothing is handed out
/// before the checksum of its gzip member was found to fit, if that holds one MiB or less.
pub(super) struct Inflated {
    steps: Receiver<Step>,
    spare: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    taken: usize,
    reached: Rc<Cell<Reached>>,
}

/// How far an archive was inflated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    /// The gzip member that the last bytes came from.
    pub span: Span,
    /// Whether that member holds less than a block, which only the last one of an archive does.
    pub last: bool,
    /// The end of the archive's bytes, once it was reached.
    pub end: Option<End>,
}

impl Inflated {
    /// Inflates `source`; faults name `path`.
    pub fn new(source: Box<dyn Read + Send>, path: &Path) -> io::Result<Inflated> {
        let (send, steps) = sync_channel(BLOCKS_WAITING);
        let (spare, empties) = sync_channel(BLOCKS_WAITING + 2);
        let worker = Worker { source: Source::new(source), path: path.to_owned(), send, empties };
        // Not joined: it ends with its source, or when nobody takes its blocks any more.
        thread::Builder::new().name("gunzip".to_owned()).spawn(move || worker.run())?;
        Ok(Inflated { steps, spare, block: Vec::new(), taken: 0, reached: Rc::default() })
    }

    /// How far this has come; stays current while a tar reader owns `self`.
    pub fn reached(&self) -> Rc<Cell<Reached>> {
        Rc::clone(&self.reached)
    }

    fn refill(&mut self) -> io::Result<()> {
        let used = mem::take(&mut self.block);
        self.taken = 0;
        // When the thread has ended or has enough buffers, this one is dropped.
        let _not_needed = self.spare.try_send(used);
        let reached = self.reached.get();
        match self.steps.recv() {
            Ok(Step::Block { bytes, from }) => {
                let last = bytes.len() < BLOCK_BYTES;
                self.block = bytes;
                self.reached.set(Reached { span: from, last, end: None });
                Ok(())
            }
            Ok(Step::End(end)) => {
                self.reached.set(Reached { end: Some(end), ..reached });
                Ok(())
            }
            Ok(Step::Failed(error)) => Err(io::Error::other(error)),
            Err(_) => Err(io::Error::other("the inflating thread ended")),
        }
    }
}

impl Read for Inflated {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() && self.reached.get().end.is_none() {
            self.refill()?;
        }
        let ready = self.block.get(self.taken..).unwrap_or_default();
        let count = ready.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}

/// The compressed bytes, counted and hashed as they are read.
struct Source {
    inner: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    read_bytes: u64,
    sha256: sha2::Sha256,
    failed: Option<io::Error>,
}

impl Source {
    fn new(inner: Box<dyn Read + Send>) -> Source {
        Source {
            inner,
            buffer: vec![0; SOURCE_BUFFER_BYTES],
            start: 0,
            filled: 0,
            read_bytes: 0,
            sha256: sha2::Sha256::new(),
            failed: None,
        }
    }

    /// What is ready, at least `count` bytes unless the end is nearer.
    fn fill_to(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.filled - self.start < count {
            self.buffer.copy_within(self.start..self.filled, 0);
            (self.start, self.filled) = (0, self.filled - self.start);
            while self.filled < count && self.read_more()? > 0 {}
        }
        Ok(self.buffer.get(self.start..self.filled).unwrap_or_default())
    }

    /// Reads behind what is ready; 0 at the end.
    fn read_more(&mut self) -> io::Result<usize> {
        let Some(room) = self.buffer.get_mut(self.filled..) else { return Ok(0) };
        loop {
            match self.inner.read(room) {
                Ok(count) => {
                    self.sha256.update(room.get(..count).unwrap_or_default());
                    self.filled += count;
                    self.read_bytes += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Kept apart, so that it is never taken for damage.
                    self.failed = Some(error);
                    return Err(io::ErrorKind::Other.into());
                }
            }
        }
    }

    fn offset(&self) -> u64 {
        self.read_bytes.saturating_sub((self.filled - self.start) as u64)
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.filled {
            (self.start, self.filled) = (0, 0);
            self.read_more()?;
        }
        Ok(self.buffer.get(self.start..self.filled).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.filled);
    }
}

/// The inflating thread.
struct Worker {
    source: Source,
    path: PathBuf,
    send: SyncSender<Step>,
    empties: Receiver<Vec<u8>>,
}

/// Why the thread stops: something to tell, or nobody listens.
enum Stop {
    Failed(Error),
    Unwanted,
}

impl Worker {
    fn run(mut self) {
        loop {
            let stop = match self.source.fill_to(GZIP_HEADER.len()) {
                Ok([]) => {
                    let end = End {
                        archive_bytes: self.source.read_bytes,
                        sha256: Sha(self.source.sha256.finalize().into()),
                    };
                    let _unwanted = self.send.send(Step::End(end));
                    return;
                }
                Ok(header) if header.starts_with(&GZIP_HEADER) => self.member().err(),
                Ok(header) => {
                    let cut = GZIP_HEADER.starts_with(header);
                    Some(Stop::Failed(self.no_header(cut)))
                }
                Err(error) => {
                    let offset = self.source.offset();
                    Some(Stop::Failed(self.explain(error, offset)))
                }
            };
            match stop {
                None => {}
                Some(Stop::Unwanted) => return,
                Some(Stop::Failed(error)) => {
                    let _unwanted = self.send.send(Step::Failed(error));
                    return;
                }
            }
        }
    }

    /// What stands here begins no gzip member of ours.
    fn no_header(&self, cut: bool) -> Error {
        let offset_bytes = self.source.offset();
        let len_bytes = (self.source.filled - self.source.start) as u64;
        if cut {
            return cut_off(&self.path, Span { offset_bytes, len_bytes }).into();
        }
        let kind = FaultKind::Field {
            what: "a gzip header",
            expected: "the one that raftlog writes".to_owned(),
            found: "another (recompressed, damaged, or no archive of raftlog)".to_owned(),
        };
        let len_bytes = GZIP_HEADER.len() as u64;
        Fault::new(Code::R115, kind).at(place(&self.path, Span { offset_bytes, len_bytes })).into()
    }

    /// Inflates one gzip member, block by block.
    fn member(&mut self) -> Result<(), Stop> {
        let start = self.source.offset();
        let mut content_bytes = 0u64;
        let mut ended = false;
        let mut failed = None;
        {
            let mut decoder = GzDecoder::new(&mut self.source);
            while !ended && failed.is_none() {
                let mut block = self.empties.try_recv().unwrap_or_default();
                block.resize(BLOCK_BYTES, 0);
                let filled = match fill(&mut decoder, &mut block) {
                    Ok(filled) => filled,
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                block.truncate(filled);
                content_bytes += filled as u64;
                // The end, where the checksum is looked at, is only seen by asking for more.
                let mut more = [0u8; 1];
                let extra = match decoder.read(&mut more) {
                    Ok(0) => None,
                    Ok(_) => Some(more),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                };
                ended = extra.is_none();
                block.extend_from_slice(extra.as_ref().map_or(&[], |more| more.as_slice()));
                content_bytes += u64::from(extra.is_some());
                let len_bytes = decoder.get_ref().offset().saturating_sub(start);
                let from = Span { offset_bytes: start, len_bytes };
                if filled > 0 && self.send.send(Step::Block { bytes: block, from }).is_err() {
                    return Err(Stop::Unwanted);
                }
            }
        }
        match failed {
            Some(error) => Err(Stop::Failed(self.explain(error, start))),
            None if content_bytes == 0 => {
                let found = "a gzip member without content".to_owned();
                Err(Stop::Failed(self.damage(start, found)))
            }
            None => Ok(()),
        }
    }

    /// What an error while inflating the member at `start` means.
    fn explain(&mut self, error: io::Error, start: u64) -> Error {
        let offset = self.source.offset();
        if let Some(failed) = self.source.failed.take() {
            return IoError::new("read", &self.path, failed).at(offset).into();
        }
        let at_end = matches!(self.source.fill_buf(), Ok([]));
        if at_end && error.kind() == io::ErrorKind::UnexpectedEof {
            let len_bytes = offset.saturating_sub(start);
            if len_bytes <= MEMBER_BYTES_MAX {
                return cut_off(&self.path, Span { offset_bytes: start, len_bytes }).into();
            }
            return self.damage(start, "a gzip member without an end".to_owned());
        }
        self.damage(start, error.to_string())
    }

    fn damage(&self, start: u64, found: String) -> Error {
        let len_bytes = self.source.offset().saturating_sub(start);
        let kind = FaultKind::Field {
            what: "compressed data",
            expected: "a gzip member that inflates and whose checksum fits".to_owned(),
            found,
        };
        Fault::new(Code::R115, kind)
            .at(place(&self.path, Span { offset_bytes: start, len_bytes }))
            .into()
    }
}

/// Reads until `block` is full or the member ends.
fn fill(decoder: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = block.get_mut(filled..)
        && !room.is_empty()
    {
        match decoder.read(room)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

pub(super) fn place(path: &Path, span: Span) -> Place {
    Place { file: Arc::from(path), offset_bytes: span.offset_bytes, len_bytes: span.len_bytes }
}

/// The fault of an archive that ends too early. Nothing before its last piece is damaged, as far as
/// was read; so it was cut off, in a download or by a full disk.
pub(super) fn cut_off(path: &Path, last: Span) -> Fault {
    let end = last.offset_bytes + last.len_bytes;
    let kind = FaultKind::Rule {
        expected: "an archive that ends with its closing member".to_owned(),
        found: format!("the archive is cut off at byte {end}"),
    };
    Fault::new(Code::R114, kind).as_severity(Severity::Error).at(place(path, last))
}
