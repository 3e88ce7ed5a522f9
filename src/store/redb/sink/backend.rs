//! A VFS file as the storage of the redb packages.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::vfs::{VfsFile, read_exact_at};

/// The file that a database is written into, shared with whoever closes and syncs it.
pub struct Shared {
    file: Box<dyn VfsFile>,
    failure: Mutex<Option<(io::ErrorKind, Option<i32>, String)>>,
}

impl Shared {
    /// Shares `file`.
    pub fn new(file: Box<dyn VfsFile>) -> Shared {
        Shared { file, failure: Mutex::new(None) }
    }

    /// The file.
    pub fn file(&self) -> &dyn VfsFile {
        self.file.as_ref()
    }

    /// The first error that the file gave. A database that is dropped swallows its errors.
    pub fn first_failure(&self) -> Option<io::Error> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map(|(kind, code, words)| match code {
            Some(code) => io::Error::from_raw_os_error(*code),
            None => io::Error::new(*kind, words.clone()),
        })
    }

    fn watched<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert((error.kind(), error.raw_os_error(), error.to_string()));
        }
        result
    }
}

/// A handle for one database.
#[derive(Clone)]
pub struct Backend(pub Arc<Shared>);

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

impl Backend {
    fn size(&self) -> io::Result<u64> {
        self.0.watched(self.0.file.size())
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.watched(read_exact_at(self.0.file(), offset, out))
    }

    fn resize(&self, len: u64) -> io::Result<()> {
        self.0.watched(self.0.file.set_size(len))
    }

    fn write_all(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.watched(self.0.file.write_at(offset, data))
    }
}

// Syncing is left to the sink: nothing is promised before the file is complete.

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_into(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.resize(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all(offset, data)
    }
}

impl redb2::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.size()
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut out = vec![0; len];
        self.read_into(offset, &mut out)?;
        Ok(out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.resize(len)
    }

    fn sync_data(&self, _eventual: bool) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all(offset, data)
    }
}
