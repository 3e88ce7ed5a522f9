use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::store::open::open;
use crate::vfs::os::{OsClock, OsFs};

/// A directory of the test's own, and the file system it lies on.
struct Room {
    dir: tempfile::TempDir,
    fs: Arc<dyn Fs>,
}

impl Room {
    fn new() -> Room {
        Room { dir: tempfile::tempdir().expect("directory"), fs: Arc::new(OsFs) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("directories");
        std::fs::write(&path, bytes).expect("file");
        path
    }

    fn redb(&self, name: &str) -> PathBuf {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dkron/raft.redb");
        self.file(name, &std::fs::read(fixture).expect("fixture"))
    }

    fn detect(&self, name: &str) -> Result<Detected, StoreError> {
        detect(&self.fs, &self.path(name), &OpenOptions::default())
    }

    fn described(&self, name: &str) -> Description {
        match self.detect(name) {
            Ok(Detected::Store(description)) => *description,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn refused(&self, name: &str) -> String {
        match self.detect(name) {
            Err(StoreError::NotFound { reason, .. }) => reason,
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// A BoltDB file of three pages: a meta, its copy, and a root leaf with these buckets.
fn bolt(buckets: &[&str]) -> Vec<u8> {
    let mut meta = Vec::new();
    meta.extend(0xed0c_daedu32.to_le_bytes());
    meta.extend(2u32.to_le_bytes());
    meta.extend(1024u32.to_le_bytes());
    meta.extend(0u32.to_le_bytes());
    for number in [2u64, 0, u64::MAX, 3, 7] {
        meta.extend(number.to_le_bytes());
    }
    let sum = meta.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    meta.extend(sum.to_le_bytes());
    let mut file = vec![0; 3072];
    file[16..80].copy_from_slice(&meta);
    file[1040..1104].copy_from_slice(&meta);
    let root = &mut file[2048..];
    root[0] = 2;
    root[8] = 2;
    root[10] = buckets.len() as u8;
    // An empty bucket lies inline: sixteen zeros, then a leaf page's header.
    let mut empty = [0; 32];
    empty[24] = 2;
    let mut name_at = 16 + 16 * buckets.len();
    for (at, name) in buckets.iter().enumerate() {
        let element = 16 + 16 * at;
        root[element] = 1;
        root[element + 4..][..4].copy_from_slice(&((name_at - element) as u32).to_le_bytes());
        root[element + 8..][..4].copy_from_slice(&(name.len() as u32).to_le_bytes());
        root[element + 12] = 32;
        root[name_at..][..name.len()].copy_from_slice(name.as_bytes());
        root[name_at + name.len()..][..32].copy_from_slice(&empty);
        name_at += name.len() + 32;
    }
    file
}

fn raft_fastlog() -> Vec<u8> {
    let mut file = vec![b'('];
    for part in [&b"CurrentTerm"[..], &7u64.to_le_bytes()] {
        file.extend((part.len() as u64).to_le_bytes());
        file.extend(part);
    }
    file.push(b'[');
    for number in [1u64, 1, 3] {
        file.extend(number.to_le_bytes());
    }
    file.push(0);
    file.extend(1u64.to_le_bytes());
    file.push(b'd');
    file
}

const RAFT_WAL_HEADER: [u8; 32] = [
    0x0d, 0x6b, 0xeb, 0x58, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
    0, 0, 0, 0,
];
const ETCD_BEGINNING: [u8; 16] = [4, 0, 0, 0, 0, 0, 0, 0x84, 8, 4, 0x10, 0, 0, 0, 0, 0];

#[test]
fn every_format_is_recognised_by_content_under_any_name() {
    let room = Room::new();
    room.redb("notes.txt");
    room.file("a", &bolt(&["conf", "logs"]));
    room.file("b", &raft_fastlog());
    for (name, format) in
        [("notes.txt", Format::Redb), ("a", Format::BoltDb), ("b", Format::RaftFastlog)]
    {
        let found = room.described(name);
        assert_eq!(found.format, format);
        assert_eq!(found.store, room.path(name));
        assert!(!found.evidence.is_empty());
        assert_eq!(found.files[0].size_bytes, std::fs::metadata(&found.store).unwrap().len());
    }
    room.file("w/wal-meta.db", &bolt(&["stable", "wal-meta"]));
    room.file("w/00000000000000000001-0000000000000000.wal", &RAFT_WAL_HEADER);
    assert_eq!(room.described("w").format, Format::RaftWal);
    assert_eq!(room.described("w").files.len(), 2);
    room.file("e/0000000000000000-0000000000000000.wal", &ETCD_BEGINNING);
    assert_eq!(room.described("e").format, Format::EtcdWal);
    room.file("f/anchor.fastlog", b"FLOGANCH and more");
    assert_eq!(room.described("f").format, Format::FastLog);
    room.file("g/0000000001.seg", b"FLOGSEGM and more");
    assert_eq!(room.described("g").format, Format::FastLog);
}

#[test]
fn a_damaged_magic_number_does_not_hide_a_redb_file_but_a_name_alone_makes_none() {
    let room = Room::new();
    let path = room.redb("x");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(room.described("x").format, Format::Redb);
    room.file("raft.redb", b"redb is what the name says\n");
    assert!(room.refused("raft.redb").contains("text"));
}

#[test]
fn what_is_no_store_is_named() {
    let room = Room::new();
    room.file("zeros", &[0; 5000]);
    room.file("text", "Grüße\n".as_bytes());
    room.file("empty", &[]);
    room.file("noise", &[0xff, 0xfe, 1, 2, 3]);
    room.file("vault.db", &bolt(&["config", "data"]));
    room.file("other.db", &bolt(&["jobs"]));
    room.file("w/wal-meta.db", &bolt(&["stable", "wal-meta"]));
    std::fs::create_dir(room.path("nothing")).unwrap();
    for (name, words) in [
        ("zeros", "zeros"),
        ("text", "text"),
        ("empty", "an empty file"),
        ("noise", "no known format"),
        ("vault.db", "Vault"),
        ("other.db", "buckets jobs"),
        ("w/wal-meta.db", "raft-wal"),
        ("nothing", "no Raft log in this directory"),
        ("missing", "no such file"),
    ] {
        let reason = room.refused(name);
        assert!(reason.contains(words), "{name}: {reason}");
    }
    room.file("backup", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    assert!(matches!(room.detect("backup"), Ok(Detected::Archive { .. })));
}

#[test]
fn a_bolt_file_of_the_other_byte_order_is_unsupported() {
    let room = Room::new();
    let mut file = bolt(&["conf", "logs"]);
    file[16..20].reverse();
    room.file("a", &file);
    assert!(matches!(room.detect("a"), Err(StoreError::Unsupported { .. })));
}

#[test]
fn a_meta_page_that_was_lost_is_found_at_the_other_place() {
    let room = Room::new();
    let mut file = bolt(&["conf", "logs"]);
    file[30] ^= 1;
    room.file("a", &file);
    assert_eq!(room.described("a").format, Format::BoltDb);
    // With neither, it is still one, and damaged.
    file[1050] ^= 1;
    room.file("a", &file);
    assert_eq!(room.described("a").format, Format::BoltDb);
    let opened = open(&room.fs, &OsClock, &room.path("a"), &OpenOptions::default());
    assert!(matches!(opened, Err(StoreError::Fault(_))));
}

#[test]
fn a_data_dir_is_recognised_with_its_product_and_node() {
    let room = Room::new();
    room.redb("dkron/raft/raft.db");
    std::fs::create_dir(room.path("dkron/raft/snapshots")).unwrap();
    let found = room.described("dkron");
    assert_eq!(found.store, room.path("dkron/raft/raft.db"));
    assert_eq!(found.data_dir, Some(room.path("dkron")));
    let opened =
        open(&room.fs, &OsClock, &room.path("dkron"), &OpenOptions::default()).expect("opens");
    assert_eq!(opened.description.layout.unwrap().product, Product::Dkron);

    room.file("nomad/server/raft/raft.db", &bolt(&["conf", "logs"]));
    room.file("nomad/server/raft/version", b"3");
    room.file("nomad/server/node-id", b"838d735a\n");
    let layout = room.described("nomad").layout.unwrap();
    assert_eq!((layout.product, layout.node.as_deref()), (Product::Nomad, Some("838d735a")));

    room.file("consul/raft/raft.db", &bolt(&["conf", "logs"]));
    room.file("consul/raft/peers.info", b"text");
    room.file("consul/serf/local.snapshot", b"text");
    assert_eq!(room.described("consul").layout.unwrap().product, Product::Consul);

    room.file("vault/raft/raft.db", &bolt(&["conf", "logs"]));
    room.file("vault/vault.db", &bolt(&["config", "data"]));
    assert_eq!(room.described("vault").layout.unwrap().product, Product::Vault);

    room.file("etcd/member/wal/0000000000000000-0000000000000000.wal", &ETCD_BEGINNING);
    room.file("etcd/member/snap/db", &bolt(&["key", "meta"]));
    assert_eq!(room.described("etcd").layout.unwrap().product, Product::Etcd);

    room.file("ours/log/anchor.fastlog", b"FLOGANCH");
    assert_eq!(room.described("ours").layout.unwrap().product, Product::Raftlog);

    room.file("odd/raft/raft.db", &raft_fastlog());
    assert_eq!(room.described("odd").layout.unwrap().product, Product::Hashicorp);
    let inside = room.described("odd/raft/raft.db");
    assert_eq!(inside.data_dir, Some(room.path("odd")));
}

#[test]
fn two_backends_in_one_data_dir_are_for_the_operator_to_choose() {
    let room = Room::new();
    room.file("d/raft/raft.db", &bolt(&["conf", "logs"]));
    room.file("d/raft/wal/wal-meta.db", &bolt(&["stable", "wal-meta"]));
    room.file("d/raft/wal/1-0.wal", &RAFT_WAL_HEADER);
    let Err(StoreError::Ambiguous { candidates, .. }) = room.detect("d") else {
        panic!("ambiguous")
    };
    assert_eq!(candidates.len(), 2);
    assert!(candidates[0].contains("raft.db") && candidates[0].contains("Nomad refuses"));
    let one = OpenOptions { format: Some(Format::RaftWal), ..OpenOptions::default() };
    assert!(detect(&room.fs, &room.path("d"), &one).is_ok(), "--from decides");
    let named = room.described("d/raft/raft.db");
    assert_eq!(named.faults.len(), 1, "the other backend is a leftover");
    assert_eq!(named.faults[0].code, Code::R117);
}

#[test]
fn leftovers_are_reported_and_never_chosen() {
    let room = Room::new();
    room.file("d/raft/raft.db", &bolt(&["conf", "logs"]));
    room.redb("d/raft/raft.db.boltdb");
    room.redb("d/raft/raft.db.partial");
    room.redb("d/raft/raft.db.failed.2");
    let found = room.described("d");
    assert_eq!(found.store, room.path("d/raft/raft.db"));
    let codes: Vec<Code> = found.faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, [Code::R117; 3]);
    let alone = OpenOptions { alone: true, ..OpenOptions::default() };
    let Ok(Detected::Store(found)) = detect(&room.fs, &room.path("d"), &alone) else {
        panic!("a store")
    };
    assert!(found.faults.is_empty());
    // A file that no server opens is judged without its neighbours.
    assert!(room.described("d/raft/raft.db.boltdb").faults.is_empty());
    room.redb("e/only.redb.partial");
    room.refused("e");
}

#[test]
fn several_logs_in_one_directory_are_ambiguous() {
    let room = Room::new();
    room.redb("d/a.redb");
    room.redb("d/b.redb");
    let Err(StoreError::Ambiguous { candidates, .. }) = room.detect("d") else {
        panic!("ambiguous")
    };
    assert_eq!(candidates.len(), 2);
    assert!(room.described("d/a.redb").faults.is_empty());
}

#[test]
fn a_name_never_decides_between_two_logs_of_one_format() {
    let room = Room::new();
    room.redb("two/raft/raft.db");
    room.redb("two/raft/raft.redb");
    match room.detect("two") {
        Err(StoreError::Ambiguous { candidates, .. }) => assert_eq!(candidates.len(), 2),
        other => panic!("{other:?}"),
    }
}
