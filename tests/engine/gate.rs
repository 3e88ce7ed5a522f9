//! A file system whose syncs, or reads, wait at a gate, and that counts what is done to segments.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use raftlog::vfs::sim::{SimFs, Tries};
use raftlog::vfs::{Held, LockError, LockMode, OpenMode, Vfs, VfsFile};

/// Calls on segments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub writes: usize,
    pub syncs: usize,
}

#[derive(Default)]
struct State {
    closed: bool,
    waiting: usize,
    reads_closed: bool,
    reads_waiting: usize,
    counts: Counts,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Clone)]
pub struct Gated {
    fs: SimFs,
    gate: Arc<Gate>,
}

struct GatedFile {
    file: Box<dyn VfsFile>,
    gate: Arc<Gate>,
    counts: bool,
}

impl Gated {
    pub fn new(fs: SimFs) -> Gated {
        Gated { fs, gate: Arc::default() }
    }

    pub fn close_gate(&self) {
        self.gate.state.lock().expect("not poisoned").closed = true;
    }

    /// Lets reads of segments wait.
    pub fn close_gate_for_reads(&self) {
        self.gate.state.lock().expect("not poisoned").reads_closed = true;
    }

    pub fn open_gate(&self) {
        let mut state = self.gate.state.lock().expect("not poisoned");
        (state.closed, state.reads_closed) = (false, false);
        drop(state);
        self.gate.opened.notify_all();
    }

    /// The disk as a power cut leaves it that keeps nothing pending.
    pub fn kept_by_a_power_cut(&self) -> SimFs {
        let tries = Tries { samples: 1, exhaustive_max: 1, ..Tries::default() };
        let mut images = self.fs.disk().images(tries).distinct();
        SimFs::on(images.next().expect("one image").disk)
    }

    /// Syncs that wait now.
    pub fn waiting(&self) -> usize {
        self.gate.state.lock().expect("not poisoned").waiting
    }

    /// Reads that wait now.
    pub fn reads_waiting(&self) -> usize {
        self.gate.state.lock().expect("not poisoned").reads_waiting
    }

    pub fn counts(&self) -> Counts {
        self.gate.state.lock().expect("not poisoned").counts
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().expect("not poisoned");
        state.waiting += 1;
        while state.closed {
            state = self.opened.wait(state).expect("not poisoned");
        }
        state.waiting -= 1;
    }

    fn pass_reading(&self) {
        let mut state = self.state.lock().expect("not poisoned");
        state.reads_waiting += 1;
        while state.reads_closed {
            state = self.opened.wait(state).expect("not poisoned");
        }
        state.reads_waiting -= 1;
    }
}

impl Vfs for Gated {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let file = self.fs.open(path, mode)?;
        let counts = path.extension().is_some_and(|extension| extension == "seg");
        Ok(Box::new(GatedFile { file, gate: Arc::clone(&self.gate), counts }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.fs.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.fs.create_dir(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fs.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.fs.remove_dir(dir)
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError> {
        self.fs.lock(path, mode)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.fs.sync_dir(dir)
    }
}

impl GatedFile {
    fn count(&self, add: impl FnOnce(&mut Counts)) {
        if self.counts {
            add(&mut self.gate.state.lock().expect("not poisoned").counts);
        }
    }
}

impl VfsFile for GatedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        if self.counts {
            self.gate.pass_reading();
        }
        self.file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.count(|counts| counts.writes += 1);
        self.file.write_at(offset, bytes)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.file.allocate(size)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.count(|counts| counts.syncs += 1);
        self.gate.pass();
        self.file.sync_data()
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
