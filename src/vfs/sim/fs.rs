use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Attributes, CallNo, Disk, Ino};
use super::fault::{Fault, FaultPlan, ReadNo, Refusal};
use super::profile::Profile;
use super::trace::{Moment, Operation, TracedCall};
use crate::vfs::{
    FileKind, Fs, Held, Holder, LockError, LockMode, LockState, Metadata, OpenMode, Vfs, VfsFile,
    one_directory, too_many_names,
};

const EBADF: i32 = 9;

/// A file system on a simulated disk. Clones are the same file system.
///
/// Paths begin at the root `/`, which exists; a relative path means the same as an absolute one.
#[derive(Clone)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
}

type Watcher = Box<dyn FnMut(&Moment<'_>) + Send>;

struct State {
    disk: Disk,
    faults: FaultPlan,
    faults_hit: u64,
    next_read: ReadNo,
    trace: Option<Vec<TracedCall>>,
    watcher: Option<Watcher>,
    locks: HashMap<Ino, Lock>,
}

#[derive(Clone, Copy)]
enum Lock {
    Shared(u32),
    Exclusive,
}

impl SimFs {
    /// A file system on an empty disk.
    pub fn new(profile: Profile) -> SimFs {
        SimFs::on(Disk::new(profile))
    }

    /// A file system on `disk`, as after a start: nobody holds a lock, nothing fails.
    pub fn on(disk: Disk) -> SimFs {
        let state = State {
            disk,
            faults: FaultPlan::new(),
            faults_hit: 0,
            next_read: ReadNo(0),
            trace: None,
            watcher: None,
            locks: HashMap::new(),
        };
        SimFs { state: Arc::new(Mutex::new(state)) }
    }

    /// A copy of the disk as it is now, pending changes included.
    pub fn disk(&self) -> Disk {
        self.state().disk.clone()
    }

    /// How many mutating calls there have been on this disk.
    pub fn calls(&self) -> CallNo {
        self.state().disk.next_call()
    }

    /// Calls `watcher` before every mutating call, in the thread that makes it. The watcher must
    /// not use this file system; the disk is in the [`Moment`].
    pub fn watch(&self, watcher: impl FnMut(&Moment<'_>) + Send + 'static) {
        self.state().watcher = Some(Box::new(watcher));
    }

    /// Calls no watcher any more.
    pub fn unwatch(&self) {
        self.state().watcher = None;
    }

    /// Makes calls fail as planned, from now on.
    pub fn set_faults(&self, faults: FaultPlan) {
        self.state().faults = faults;
    }

    /// How many planned faults have come to pass.
    pub fn faults_hit(&self) -> u64 {
        self.state().faults_hit
    }

    /// Starts to write down all calls.
    pub fn start_trace(&self) {
        self.state().trace = Some(Vec::new());
    }

    /// Stops, and returns all calls since the start.
    pub fn take_trace(&self) -> Vec<TracedCall> {
        self.state().trace.take().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One mutating call that fails, if it is to, without effect.
    fn mutate<T>(
        &self,
        path: &Path,
        operation: Operation,
        act: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        let answer = match state.begin(path, &operation) {
            Some(Fault::Fails(refusal)) => Err(state.hit(refusal)),
            _ => act(&mut state.disk),
        };
        state.end(path, operation, &answer);
        answer
    }
}

impl State {
    /// Tells the watcher, and says whether the call is to fail.
    fn begin(&mut self, path: &Path, operation: &Operation) -> Option<Fault> {
        let call = self.disk.next_call;
        if let Some(watcher) = &mut self.watcher {
            watcher(&Moment { call, operation, path, disk: &self.disk });
        }
        self.faults.of_call(call)
    }

    fn hit(&mut self, refusal: Refusal) -> io::Error {
        self.faults_hit += 1;
        refusal.error()
    }

    fn end<T>(&mut self, path: &Path, operation: Operation, answer: &io::Result<T>) {
        let call = self.disk.next_call;
        self.disk.next_call = CallNo(call.0 + 1);
        self.note(Some(call), path, operation, answer);
    }

    fn note<T>(
        &mut self,
        call: Option<CallNo>,
        path: &Path,
        operation: Operation,
        answer: &io::Result<T>,
    ) {
        if let Some(trace) = &mut self.trace {
            let outcome = answer.as_ref().map(|_| ()).map_err(io::Error::kind);
            trace.push(TracedCall { call, operation, path: Arc::from(path), outcome });
        }
    }
}

impl Vfs for SimFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let ino = if mode == OpenMode::CreateNew {
            self.mutate(path, Operation::Open(mode), |disk| disk.create(path))?
        } else {
            let mut state = self.state();
            let found = state.disk.find(path);
            let found = found.and_then(|ino| state.disk.file(ino).map(|_| ino));
            state.note(None, path, Operation::Open(mode), &found);
            found?
        };
        Ok(Box::new(SimFile { fs: self.clone(), ino, path: Arc::from(path), mode }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        let answer = state.disk.list(dir);
        state.note(None, dir, Operation::List, &answer);
        answer
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.mutate(dir, Operation::CreateDir, |disk| disk.create_dir(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        one_directory(from, to)?;
        let operation = Operation::Rename { to: Arc::from(to) };
        self.mutate(from, operation, |disk| disk.rename(from, to, true))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.mutate(path, Operation::Remove, |disk| disk.remove(path))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.mutate(dir, Operation::RemoveDir, |disk| disk.remove_dir(dir))
    }

    fn lock(&self, path: &Path, mode: LockMode) -> Result<Box<dyn Held>, LockError> {
        let mut state = self.state();
        let ino = state.disk.find(path).map_err(LockError::Io)?;
        state.disk.file(ino).map_err(LockError::Io)?;
        let lock = match (state.locks.get(&ino), mode) {
            (None, LockMode::Exclusive) => Lock::Exclusive,
            (None, LockMode::Shared) => Lock::Shared(1),
            (Some(Lock::Shared(readers)), LockMode::Shared) => Lock::Shared(readers + 1),
            (Some(_), _) => return Err(LockError::Held(Holder::default())),
        };
        state.locks.insert(ino, lock);
        Ok(Box::new(SimLock { fs: self.clone(), ino }))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.mutate(dir, Operation::SyncDir, |disk| {
            let ino = disk.find(dir)?;
            disk.sync_dir(ino)
        })
    }
}

/// A lock on a simulated file; dropping it releases it.
struct SimLock {
    fs: SimFs,
    ino: Ino,
}

impl Held for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.fs.state();
        match state.locks.get(&self.ino) {
            Some(Lock::Shared(readers)) if *readers > 1 => {
                let left = Lock::Shared(readers - 1);
                state.locks.insert(self.ino, left);
            }
            _ => {
                state.locks.remove(&self.ino);
            }
        }
    }
}

struct SimFile {
    fs: SimFs,
    ino: Ino,
    path: Arc<Path>,
    mode: OpenMode,
}

impl SimFile {
    fn writable(&self) -> io::Result<()> {
        match self.mode {
            OpenMode::Read => Err(io::Error::from_raw_os_error(EBADF)),
            OpenMode::ReadWrite | OpenMode::CreateNew => Ok(()),
        }
    }

    fn sync_file(&self, operation: Operation, data_only: bool) -> io::Result<()> {
        let mut state = self.fs.state();
        let fault = state.begin(&self.path, &operation);
        let answer = match fault {
            Some(Fault::SyncFails { read_old }) => {
                let error = state.hit(Refusal::Eio);
                state.disk.lose_pages(self.ino, read_old).and(Err(error))
            }
            Some(Fault::Fails(refusal)) => {
                let error = state.hit(refusal);
                state.disk.lose_pages(self.ino, false).and(Err(error))
            }
            Some(Fault::WriteFails { .. }) | None => state.disk.sync_file(self.ino, data_only),
        };
        state.end(&self.path, operation, &answer);
        answer
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.fs.state();
        let read = state.next_read;
        state.next_read = ReadNo(read.0 + 1);
        let answer = if state.faults.of_read(read) {
            Err(state.hit(Refusal::Eio))
        } else {
            state.disk.file(self.ino).map(|file| file.current.read(offset, buf))
        };
        let operation = Operation::Read { offset_bytes: offset, len_bytes: buf.len() as u64 };
        state.note(None, &self.path, operation, &answer);
        answer
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.writable()?;
        let mut state = self.fs.state();
        let operation = Operation::Write { offset_bytes: offset, len_bytes: bytes.len() as u64 };
        let answer = match state.begin(&self.path, &operation) {
            Some(Fault::WriteFails { refusal, written_bytes }) => {
                let error = state.hit(refusal);
                let written = usize::try_from(written_bytes).unwrap_or(usize::MAX);
                let part = bytes.get(..written).unwrap_or(bytes);
                state.disk.write(self.ino, offset, part).and(Err(error))
            }
            Some(Fault::Fails(refusal)) => Err(state.hit(refusal)),
            Some(Fault::SyncFails { .. }) | None => state.disk.write(self.ino, offset, bytes),
        };
        state.end(&self.path, operation, &answer);
        answer
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        self.writable()?;
        let operation = Operation::Allocate { size_bytes: size };
        self.fs.mutate(&self.path, operation, |disk| disk.allocate(self.ino, size))
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        if self.mode == OpenMode::Read {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let operation = Operation::SetSize { size_bytes: size };
        self.fs.mutate(&self.path, operation, |disk| disk.set_size(self.ino, size))
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.fs.state();
        state.disk.file(self.ino).map(|file| file.current.size_bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_file(Operation::SyncData, true)
    }

    fn write_past_cache(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_synced_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_file(Operation::Sync, false)
    }
}

impl Fs for SimFs {
    fn as_vfs(&self) -> &dyn Vfs {
        self
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = self.state();
        state.disk.metadata(state.disk.find(path)?)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.symlink_metadata(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.state().disk.find(path)?;
        let mut whole = PathBuf::from("/");
        for component in path.components() {
            match component {
                Component::Normal(name) => whole.push(name),
                Component::ParentDir => {
                    whole.pop();
                }
                Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
            }
        }
        Ok(whole)
    }

    fn walk(&self, dir: &Path, limit: usize) -> io::Result<Vec<(PathBuf, Metadata)>> {
        let state = self.state();
        let mut waiting = state.disk.list(dir)?;
        let mut walked = Vec::new();
        while let Some(path) = waiting.pop() {
            if walked.len() == limit {
                return Err(too_many_names(dir, limit));
            }
            let found = state.disk.metadata(state.disk.find(&path)?)?;
            if found.kind == FileKind::Dir {
                waiting.extend(state.disk.list(&path)?);
            }
            walked.push((path, found));
        }
        walked.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(walked)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        one_directory(from, to)?;
        let operation = Operation::Rename { to: Arc::from(to) };
        self.mutate(from, operation, |disk| disk.rename(from, to, false))
    }

    fn set_attributes(&self, path: &Path, mode: u32, modified_unix_ns: i128) -> io::Result<()> {
        let mut state = self.state();
        let ino = state.disk.find(path)?;
        state.disk.set_attributes(ino, Attributes { mode: mode & 0o7777, modified_unix_ns })
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<Option<u64>> {
        self.state().disk.find(dir).map(|_| None)
    }

    fn probe_lock(&self, path: &Path) -> io::Result<LockState> {
        let state = self.state();
        let ino = state.disk.find(path)?;
        state.disk.file(ino)?;
        Ok(match state.locks.get(&ino) {
            Some(Lock::Exclusive) => LockState::Held(Holder::default()),
            Some(Lock::Shared(_)) | None => LockState::Free,
        })
    }
}
