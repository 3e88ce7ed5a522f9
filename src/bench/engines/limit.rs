//! What the machine can do: the bare calls that any log must make, and nothing else.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::{Ground, SYNC_INTERVAL, place_of};
use crate::bench::limits::read_and_crc;
use crate::model::{Durability, Entry, IndexRange, IoError, LogIndex};
use crate::vfs::{OpenMode, VfsFile};

/// Blocks that were written before, over and over which synced writes go.
const WRITTEN_BYTES: u64 = 64 << 20;
const CHUNK_BYTES: usize = 1 << 20;
/// Writes past the page cache are of whole blocks.
const BLOCK_BYTES: usize = 4_096;
const LOOK_EVERY: Duration = Duration::from_millis(20);

struct Target {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    next: AtomicU64,
    /// Where writing begins again; `None` goes on for ever.
    end: Option<u64>,
}

impl Target {
    /// Makes the file: of written blocks where they are written over, else empty.
    fn make(ground: &Ground<'_>, name: &str, over_written: bool) -> Result<Target, Error> {
        let path = ground.dir.join(name);
        let failed = |action, source| Error::Io(IoError::new(action, &path, source));
        let file = ground.fs.open(&path, OpenMode::CreateNew);
        let file: Arc<dyn VfsFile> = Arc::from(file.map_err(|error| failed("create", error))?);
        let end = over_written.then_some(WRITTEN_BYTES);
        if over_written {
            let zeros = vec![0u8; CHUNK_BYTES];
            for at in (0..WRITTEN_BYTES).step_by(CHUNK_BYTES) {
                file.write_at(at, &zeros).map_err(|error| failed("write", error))?;
            }
            file.sync().map_err(|error| failed("sync", error))?;
        }
        Ok(Target { path, file, next: AtomicU64::new(0), end })
    }

    /// Where the next `len` bytes go.
    fn place(&self, len: u64) -> u64 {
        let at = self.next.load(Ordering::Relaxed);
        let at = if self.end.is_some_and(|end| at.saturating_add(len) > end) { 0 } else { at };
        self.next.store(at.saturating_add(len), Ordering::Relaxed);
        at
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Io(IoError::new(action, &self.path, source))
    }
}

/// One write a call, and at level 1 one sync; at level 0 a thread syncs once a second.
pub(super) struct Buffered {
    target: Target,
    bytes: OnceLock<Vec<u8>>,
    value_bytes: usize,
    buffer: Mutex<Vec<u8>>,
    syncs: bool,
    background: Option<Background>,
}

struct Background {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    fn start(ground: &Ground<'_>, file: &Arc<dyn VfsFile>) -> Background {
        let ends = Arc::new(AtomicBool::new(false));
        let (file, clock, told) = (Arc::clone(file), Arc::clone(ground.clock), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let mut synced = clock.monotonic();
            while !told.load(Ordering::Relaxed) {
                clock.sleep(LOOK_EVERY);
                if clock.monotonic().saturating_sub(synced) >= SYNC_INTERVAL {
                    synced = clock.monotonic();
                    // A disk that cannot sync shows in the cells of level 1.
                    let _shows_elsewhere = file.sync_data();
                }
            }
        });
        Background { ends, thread: Some(thread) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Buffered {
    pub(super) fn open(ground: &Ground<'_>) -> Result<Buffered, Error> {
        Buffered::named(ground, "limit", ground.cell.durability)
    }

    /// As [`Buffered::open`], in a file of this name.
    pub(super) fn named(
        ground: &Ground<'_>,
        name: &str,
        durability: Durability,
    ) -> Result<Buffered, Error> {
        let target = Target::make(ground, name, durability == Durability::High)?;
        let background =
            (durability == Durability::Mid).then(|| Background::start(ground, &target.file));
        let syncs = durability == Durability::High;
        Ok(Buffered {
            target,
            bytes: OnceLock::new(),
            value_bytes: ground.cell.value.0,
            buffer: Mutex::default(),
            syncs,
            background,
        })
    }
}

impl Buffered {
    /// The least that any change costs: one write, synced as the level says.
    fn change(&self, bytes: &[u8]) -> Result<(), Error> {
        let at = self.target.place(bytes.len() as u64);
        self.target.file.write_at(at, bytes).map_err(self.target.failed("write"))?;
        if self.syncs {
            self.target.file.sync_data().map_err(self.target.failed("sync"))?;
        }
        Ok(())
    }
}

/// What the smallest change of a log writes.
const CHANGE: [u8; 32] = [0x5a; 32];

/// The payloads, one behind the other.
fn joined(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(Entry::payload_bytes).copied().collect()
}

impl super::Log for Buffered {
    fn append(&self, _group: u32, entries: &[Entry]) -> Result<(), Error> {
        // Every call of a cell has the same payloads; copying them together is no system call.
        self.change(self.bytes.get_or_init(|| joined(entries)))
    }

    fn truncate(&self, _first_removed: LogIndex) -> Result<(), Error> {
        self.change(&CHANGE)
    }

    fn compact(&self, _through: LogIndex) -> Result<(), Error> {
        self.change(&CHANGE)
    }

    /// One read of as many bytes as the values have, where they would lie.
    fn read(&self, range: IndexRange) -> Result<u64, Error> {
        let value_bytes = self.value_bytes as u64;
        let len = usize::try_from(range.count().saturating_mul(value_bytes)).unwrap_or(0);
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.resize(len, 0);
        let at = (range.first().0 - 1).saturating_mul(value_bytes);
        let read = self.target.file.read_at(at, &mut buffer);
        Ok(read.map_err(self.target.failed("read"))? as u64)
    }

    fn bounds(&self) -> Result<Option<IndexRange>, Error> {
        Ok(None)
    }

    fn set(&self, _key: &[u8], _value: &[u8]) -> Result<(), Error> {
        self.change(&CHANGE)
    }

    fn get(&self, _key: &[u8]) -> Result<u64, Error> {
        Ok(0)
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        drop(self.background.take());
    }
}

/// One write a call past the page cache, durable when it returns, in whole blocks.
pub(super) struct Direct {
    target: Target,
    bytes: OnceLock<Aligned>,
}

struct Aligned {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn of(bytes: &[u8]) -> Aligned {
        let len = bytes.len().next_multiple_of(BLOCK_BYTES);
        let mut buffer = vec![0u8; len + BLOCK_BYTES];
        let start = buffer.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
        if let Some(room) = buffer.get_mut(start..start + bytes.len()) {
            room.copy_from_slice(bytes);
        }
        Aligned { buffer, start, len }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

impl Direct {
    /// Opens written blocks for writing past the page cache; the inner error is why this file
    /// system does not do it.
    pub(super) fn open(ground: &Ground<'_>) -> Result<Result<Direct, String>, Error> {
        let target = Target::make(ground, "limit", true)?;
        let file = match crate::vfs::os::open_direct(&target.path) {
            Ok(file) => file,
            Err(error) => return Ok(Err(format!("no writes past the page cache here: {error}"))),
        };
        let target = Target { file: Arc::from(file), ..target };
        Ok(Ok(Direct { target, bytes: OnceLock::new() }))
    }
}

impl super::Log for Direct {
    fn append(&self, _group: u32, entries: &[Entry]) -> Result<(), Error> {
        let aligned = self.bytes.get_or_init(|| Aligned::of(&joined(entries)));
        let bytes = aligned.bytes();
        let at = self.target.place(bytes.len() as u64);
        self.target.file.write_synced_at(at, bytes).map_err(self.target.failed("write"))
    }
}

/// Every byte of the log read, and its CRC-32 taken.
pub(super) struct ReadPass {
    entries: u64,
}

/// Reads what a log that is opened has to read and to check.
pub(super) fn read_pass(ground: &Ground<'_>) -> Result<ReadPass, Error> {
    let path = place_of(Engine::Limit, ground.dir);
    std::hint::black_box(read_and_crc(ground.fs.as_ref(), &path)?);
    Ok(ReadPass { entries: ground.cell.extent })
}

impl super::Reopened for ReadPass {
    fn entries(&self) -> u64 {
        self.entries
    }
}
