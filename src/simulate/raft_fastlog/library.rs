//! What tidwall/raft-fastlog does to its file, as its `store.go` says: everything is in memory,
//! each change is one record at the end, and a rewrite takes the place of a file that has grown.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{Durability, Entry, LogIndex};
use crate::simulate::engine;
use crate::simulate::raft_fastlog::FILE;
use crate::vfs::sim::SimFs;
use crate::vfs::{OpenMode, Vfs, VfsFile};

/// A running server's log.
pub struct Library {
    fs: SimFs,
    path: PathBuf,
    file: Box<dyn VfsFile>,
    end_bytes: u64,
    level: Durability,
    /// Whether anything was written since the last sync.
    is_dirty: bool,
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    entries: BTreeMap<LogIndex, Entry>,
    /// Size at which the file is rewritten.
    rewrite_bytes: u64,
    /// Least of those; the library's own is 64 MiB.
    rewrite_bytes_min: u64,
}

impl Library {
    /// A new log. The library never syncs a directory; as a log is old when the power goes, its
    /// name is taken to be on the disk, all the same.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(fs: &SimFs, level: Durability, rewrite_bytes: u64) -> io::Result<Library> {
        fs.create_dir(engine::dir())?;
        let path = engine::dir().join(FILE);
        let file = fs.open(&path, OpenMode::CreateNew)?;
        fs.sync_dir(engine::dir())?;
        fs.sync_dir(Path::new("/"))?;
        Ok(Library {
            fs: fs.clone(),
            path,
            file,
            end_bytes: 0,
            level,
            is_dirty: false,
            keys: BTreeMap::new(),
            entries: BTreeMap::new(),
            rewrite_bytes,
            rewrite_bytes_min: rewrite_bytes,
        })
    }

    /// Sets a key.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.keys.insert(key.to_vec(), value.to_vec());
        let mut record = Vec::new();
        put_set(&mut record, key, value);
        self.append(&record)
    }

    /// Stores entries, in place of those of their indexes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn store(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut record = Vec::new();
        put_entries(&mut record, entries);
        self.entries.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
        self.append(&record)
    }

    /// Deletes entries, the last one included; the loader will take it for excluded.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn delete_range(&mut self, first: LogIndex, last: LogIndex) -> io::Result<()> {
        self.entries.retain(|index, _| !(first..=last).contains(index));
        let mut record = vec![b']'];
        put_numbers(&mut record, &[first.0, last.0]);
        self.append(&record)
    }

    /// Index of the first and of the last entry.
    pub fn bounds(&self) -> Option<(LogIndex, LogIndex)> {
        Some((*self.entries.first_key_value()?.0, *self.entries.last_key_value()?.0))
    }

    /// What a thread of its own does once a second at level 0.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync_if_dirty(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_dirty) { self.file.sync() } else { Ok(()) }
    }

    fn append(&mut self, record: &[u8]) -> io::Result<()> {
        self.file.write_at(self.end_bytes, record)?;
        self.end_bytes += record.len() as u64;
        self.is_dirty = true;
        if self.level == Durability::High { self.sync_if_dirty() } else { Ok(()) }
    }

    /// Writes a smaller file and gives it the log's name, if the log has grown too large. Nothing
    /// of it is synced: neither the file before it gets the name, nor the name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn rewrite_if_large(&mut self) -> io::Result<()> {
        if self.end_bytes < self.rewrite_bytes {
            return Ok(());
        }
        let shrunk = self.path.with_extension("fastlog.shrink");
        let mut content = Vec::new();
        for (key, value) in &self.keys {
            put_set(&mut content, key, value);
        }
        // In no order; the last first is one.
        for entry in self.entries.values().rev() {
            put_entries(&mut content, std::slice::from_ref(entry));
        }
        let file = self.fs.open(&shrunk, OpenMode::CreateNew)?;
        file.write_at(0, &content)?;
        self.fs.rename(&shrunk, &self.path)?;
        self.file = file;
        self.end_bytes = content.len() as u64;
        self.is_dirty = true;
        self.rewrite_bytes = self.rewrite_bytes_min.max(self.end_bytes.saturating_mul(2));
        Ok(())
    }
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

fn put_set(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.push(b'(');
    for part in [key, value] {
        put_numbers(out, &[part.len() as u64]);
        out.extend_from_slice(part);
    }
}

/// One record; the workload has commands only, whose type is 0.
fn put_entries(out: &mut Vec<u8>, entries: &[Entry]) {
    out.push(b'[');
    put_numbers(out, &[entries.len() as u64]);
    for entry in entries {
        put_numbers(out, &[entry.index.0, entry.term.0]);
        out.push(0);
        put_numbers(out, &[entry.payload_bytes().len() as u64]);
        out.extend_from_slice(entry.payload_bytes());
    }
}
