//! Data directories of etcd, as it left them, and what its own etcd-dump-logs says of them.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{UNPACKING, fixtures};

/// The archives by their names in `fixtures/etcd/`.
pub const ALL: [&str; 6] = [BASIC, SNAP, OVERWRITE, INSTALLED, TORN, PACKAGE];

/// One member, stopped; no snapshot.
pub const BASIC: &str = "etcd34-basic";
/// One member, stopped, with three snapshots.
pub const SNAP: &str = "etcd34-snap";
/// A member whose entries 19 to 23 were overwritten by another leader.
pub const OVERWRITE: &str = "etcd34-3node-a1-overwrite";
/// A member that was sent a snapshot.
pub const INSTALLED: &str = "etcd34-3node-a3-snapinstall";
/// A member that was killed inside a large write.
pub const TORN: &str = "etcd34-kill9-torn";
/// What etcd's package writes without a server: three small segments.
pub const PACKAGE: &str = "etcd35-walpkg-3seg";

/// The directory of an unpacked archive. It is shared between tests: never write into it.
pub fn unpacked(archive: &str) -> PathBuf {
    let _one_at_a_time = UNPACKING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let around = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("fixtures-{}", std::process::id()))
        .join("etcd");
    let dir = around.join(archive);
    if !dir.is_dir() {
        let staging = around.join(format!("{archive}.unpacking"));
        unpack(archive, &staging);
        fs::rename(staging.join(archive), &dir).expect("finish unpacking");
    }
    dir
}

/// Unpacks an archive into `into`, reserved space as a hole in its file.
pub fn unpack(archive: &str, into: &Path) {
    let packed = fixtures().join("etcd").join(format!("{archive}.tar.gz"));
    let packed = fs::File::open(packed).expect("fixture archive");
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    for member in tar.entries().expect("members") {
        let mut member = member.expect("member");
        let path = into.join(member.path().expect("name"));
        if member.header().entry_type().is_dir() {
            fs::create_dir_all(&path).expect("directory");
            continue;
        }
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("member's bytes");
        write_sparse(&path, &bytes);
    }
}

/// Writes a file whose zeros at the end take no room.
pub fn write_sparse(path: &Path, bytes: &[u8]) {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    fs::write(path, &bytes[..used]).expect("written");
    let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
    file.set_len(bytes.len() as u64).expect("a hole");
}

/// The directory with the segments of an unpacked archive.
pub fn wal(archive: &str) -> PathBuf {
    let dir = unpacked(archive);
    let member = dir.join("member").join("wal");
    if member.is_dir() { member } else { dir.join("wal") }
}

/// An entry as etcd-dump-logs prints it.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub term: u64,
    pub index: u64,
    pub kind: String,
    pub data: String,
}

/// What etcd-dump-logs says: the lines before the entries, and the entries.
pub fn dump(name: &str) -> (Vec<String>, Vec<Line>) {
    let packed = fixtures().join("etcd").join(format!("dump-{name}.txt.gz"));
    let packed = fs::File::open(packed).expect("fixture dump");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("text");
    let (head, entries) = text.split_once("term\t     index\ttype\tdata\n").expect("a table");
    let entries = entries.split("\n\nEntry types").next().expect("entries").lines();
    let lines = entries.filter(|line| !line.is_empty()).map(|line| {
        let mut columns = line.splitn(4, '\t').map(str::trim_start);
        let mut column = || columns.next().expect("a column").to_owned();
        let (term, index, kind, data) = (column(), column(), column(), column());
        let number = |text: String| text.parse().expect("a number");
        Line { term: number(term), index: number(index), kind, data }
    });
    (head.lines().map(str::to_owned).collect(), lines.collect())
}

/// Every file below `dir` with its bytes, sorted.
pub fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("directory") {
        let path = entry.expect("entry").path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => found.push((path.clone(), fs::read(&path).expect("file"))),
        }
    }
    found.sort();
    found
}

/// A frame of a segment: where it begins and ends, type, data and where these begin.
pub struct Frame {
    pub at: usize,
    pub end: usize,
    pub kind: u8,
    pub data: Vec<u8>,
    pub data_at: usize,
}

/// The frames of a segment that etcd wrote, read here by rules of their own.
pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    let (mut at, mut found) = (0, Vec::new());
    while at + 8 <= bytes.len() {
        let word = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let len = (word & ((1 << 56) - 1)) as usize;
        if len == 0 {
            break;
        }
        // A torn log ends inside a frame.
        let Some(record) = bytes.get(at + 8..at + 8 + len) else { break };
        let padding = (8 - len % 8) % 8;
        let crc_bytes = record[3..].iter().position(|byte| byte & 0x80 == 0).expect("ends") + 1;
        let data = match record.get(3 + crc_bytes) {
            Some(0x1a) => {
                let len = &record[4 + crc_bytes..];
                let len_bytes = len.iter().position(|byte| byte & 0x80 == 0).expect("ends") + 1;
                len[len_bytes..].to_vec()
            }
            _ => Vec::new(),
        };
        let end = at + 8 + len + padding;
        let data_at = at + 8 + len - data.len();
        found.push(Frame { at, end, kind: record[1], data, data_at });
        at = end;
    }
    found
}

/// A number as messages write it.
pub fn varint_of(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A segment with these records, whatever they say; `crc` is the chain before it, and after.
pub fn segment(crc: &mut u32, records: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, data) in records {
        *crc = crc32c(*crc, data);
        let mut record = vec![8, *kind, 0x10];
        record.extend(varint_of(*crc));
        if *kind != 4 {
            record.extend([0x1a, data.len() as u8]);
            record.extend_from_slice(data);
        }
        let padding = (8 - record.len() % 8) % 8;
        let top = if padding > 0 { (0x80 | padding as u64) << 56 } else { 0 };
        out.extend((record.len() as u64 | top).to_le_bytes());
        out.extend(record);
        out.resize(out.len() + padding, 0);
    }
    out
}

/// CRC-32C, bit by bit.
pub fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!crc, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 }
        })
    })
}
