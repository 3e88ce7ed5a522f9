//! Logs of etcd with any content, record by record.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Segments as etcd writes them.
pub struct Made {
    crc: u32,
    /// Metadata of the segments that are begun.
    pub metadata: Vec<u8>,
    state: Option<Vec<u8>>,
    /// Names and bytes.
    pub segments: Vec<(String, Vec<u8>)>,
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A message of numbers.
pub fn numbers(fields: &[(u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in fields {
        varint(&mut out, number << 3);
        varint(&mut out, *value);
    }
    out
}

/// A field of bytes.
pub fn bytes(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, number << 3 | 2);
    varint(&mut out, bytes.len() as u64);
    out.extend_from_slice(bytes);
    out
}

impl Made {
    /// A log whose first segment begins as a new one does.
    pub fn new() -> Made {
        let metadata = numbers(&[(1, 0x1111), (2, 0x2222)]);
        let mut made = Made { crc: 0, metadata, state: None, segments: Vec::new() };
        made.cut_named(0);
        made.marker(0, 0);
        made
    }

    /// Entries 1 to `last` of one term, all of them committed.
    pub fn plain(last: u64, term: u64) -> Made {
        let mut made = Made::new();
        made.entries(1..=last, term);
        made.state(term, 7, last);
        made
    }

    /// Begins a segment whose name says that `index` comes next.
    pub fn cut_named(&mut self, index: u64) {
        let sequence = self.segments.len();
        self.segments.push((format!("{sequence:016x}-{index:016x}.wal"), Vec::new()));
        self.record(4, None);
        let (metadata, state) = (self.metadata.clone(), self.state.clone());
        self.checked(1, &metadata);
        if let Some(state) = state {
            self.checked(3, &state);
        }
    }

    /// Adds a record; its checksum is the one so far.
    fn record(&mut self, kind: u64, data: Option<&[u8]>) {
        let mut record = numbers(&[(1, kind), (2, self.crc.into())]);
        record.extend(data.map(|data| bytes(3, data)).unwrap_or_default());
        let padding = (8 - record.len() % 8) % 8;
        let top = if padding > 0 { (0x80 | padding as u64) << 56 } else { 0 };
        let out = &mut self.segments.last_mut().expect("a segment").1;
        out.extend((record.len() as u64 | top).to_le_bytes());
        out.extend(record);
        out.resize(out.len() + padding, 0);
    }

    /// Adds a record whose data are under the chain of checksums.
    pub fn checked(&mut self, kind: u64, data: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, data);
        self.record(kind, Some(data));
    }

    /// Adds an entry.
    pub fn entry(&mut self, index: u64, term: u64, contents: &[u8]) {
        let head = numbers(&[(1, 0), (2, term), (3, index)]);
        self.checked(2, &[head, bytes(4, contents)].concat());
    }

    /// Adds entries whose contents name them.
    pub fn entries(&mut self, indexes: std::ops::RangeInclusive<u64>, term: u64) {
        indexes.for_each(|at| self.entry(at, term, format!("entry {at} of {term}").as_bytes()));
    }

    /// Adds a state.
    pub fn state(&mut self, term: u64, vote: u64, commit: u64) {
        let state = numbers(&[(1, term), (2, vote), (3, commit)]);
        self.checked(3, &state);
        self.state = Some(state);
    }

    /// Adds the marker of a snapshot.
    pub fn marker(&mut self, index: u64, term: u64) {
        self.checked(5, &numbers(&[(1, index), (2, term)]));
    }

    /// Writes the segments into `member/wal` of a data directory that is made for them; returns
    /// that of the segments.
    pub fn write(&self, data_dir: &Path) -> PathBuf {
        let wal = data_dir.join("member").join("wal");
        fs::create_dir_all(&wal).expect("directory");
        for (name, bytes) in &self.segments {
            let mut options = fs::OpenOptions::new();
            // In place, as etcd writes.
            let options = options.create(true).truncate(false).write(true);
            let file = options.open(wal.join(name)).expect("opened");
            file.write_all_at(bytes, 0).expect("written");
            file.set_len(bytes.len() as u64).expect("cut");
        }
        wal
    }
}

/// Writes the `.snap` file of a snapshot into `member/snap`.
pub fn snap(data_dir: &Path, index: u64, term: u64) -> PathBuf {
    let members = bytes(1, &numbers(&[(1, 0x1111)]));
    let metadata = [members, numbers(&[(2, index), (3, term)])].concat();
    let data = [bytes(1, b"{\"Root\":{}}"), bytes(2, &metadata)].concat();
    let whole = [numbers(&[(1, crc32c::crc32c(&data).into())]), bytes(2, &data)].concat();
    let dir = data_dir.join("member").join("snap");
    fs::create_dir_all(&dir).expect("directory");
    let path = dir.join(format!("{term:016x}-{index:016x}.snap"));
    fs::write(&path, whole).expect("written");
    path
}
