use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::model::Fault;
use crate::vfs::os::OsFs;
use crate::vfs::{OpenMode, Vfs};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Writes buckets with these pairs.
fn write(path: &Path, page_bytes: u64, buckets: &[(&str, &Pairs)]) {
    let file = OsFs.open(path, OpenMode::CreateNew).expect("create");
    let mut writer = Writer::new(file, page_bytes);
    let mut values = Vec::new();
    for (name, pairs) in buckets {
        for (key, value) in pairs.iter() {
            let put = |out: &mut Vec<u8>| {
                out.extend_from_slice(value);
                Ok::<(), io::Error>(())
            };
            writer.put(key, put).expect("put");
        }
        values.push((name.as_bytes(), writer.end_bucket().expect("bucket")));
    }
    let size = writer.finish(values).expect("finish");
    assert_eq!(size, std::fs::metadata(path).expect("file").len());
}

fn opened(path: &Path) -> (Pages, Metas) {
    let file = OsFs.open(path, OpenMode::Read).expect("open");
    let name: Arc<Path> = Arc::from(path);
    let size = file.size().expect("size");
    let metas = read_metas(file.as_ref(), &name, size).expect("metas");
    (Pages::new(file, name, size, &metas.used), metas)
}

/// Everything that is wrong with a file.
fn faults(path: &Path) -> Vec<Fault> {
    let (pages, metas) = opened(path);
    let found = survey(&pages, &metas.used, &mut |_| ControlFlow::Continue(())).expect("survey");
    let mut faults = metas.faults;
    faults.extend(found.expect("not broken off").faults);
    faults
}

/// What a file holds, bucket by bucket.
fn contents(path: &Path) -> Vec<(String, Pairs)> {
    let (pages, metas) = opened(path);
    let (list, odd) = buckets(&pages, Root::Page(metas.used.root)).expect("buckets");
    assert!(odd.is_empty(), "{odd:?}");
    list.iter().map(|bucket| (text(&bucket.name), pairs(&pages, &bucket.root))).collect()
}

fn text(name: &[u8]) -> String {
    String::from_utf8(name.to_vec()).expect("UTF-8")
}

fn pairs(pages: &Pages, root: &Root) -> Pairs {
    let mut pairs = Pairs::new();
    let mut walk = Walk::new(pages, root.clone());
    while let Some(visit) = walk.step() {
        match visit.expect("readable") {
            Visit::Branch(branch) => assert!(branch.children() >= 2, "a branch with one child"),
            Visit::Leaf(leaf) => {
                for element in (0..leaf.elements()).map(|n| leaf.element(n).expect("element")) {
                    let [key, value] = [&element.key, &element.value].map(|r| leaf.slice(r));
                    pairs.push((key.to_vec(), value.to_vec()));
                }
            }
            Visit::Damaged(damaged) => panic!("{damaged:?}"),
        }
    }
    pairs
}

/// Pairs under ascending numbers, with values of these sizes in turn.
fn numbered(count: u64, sizes: &[usize]) -> Pairs {
    let value = |n: u64| {
        let size = sizes[n as usize % sizes.len()];
        (0..size).map(|at| (at as u64).wrapping_mul(n + 1) as u8).collect()
    };
    (0..count).map(|n| ((n + 1).to_be_bytes().to_vec(), value(n))).collect()
}

#[test]
fn what_is_written_reads_back_at_every_page_size_and_depth() {
    let dir = tempfile::tempdir().expect("directory");
    let cases: [(u64, &[usize]); 9] = [
        (0, &[0]),
        (1, &[0]),
        (1, &[5_000_000]),
        (5, &[100]),
        (40, &[0, 900, 70_000]),
        (3_000, &[65, 300]),
        (3_000, &[1_000]),
        (20_000, &[1]),
        (2_000, &[0, 0, 0, 30_000]),
    ];
    for page_bytes in [1024, 4096, 16_384, 65_536] {
        for (number, (count, sizes)) in cases.iter().enumerate() {
            let path = dir.path().join(format!("{page_bytes}.{number}"));
            let logs = numbered(*count, sizes);
            let conf = vec![(b"CurrentTerm".to_vec(), vec![0, 0, 0, 0, 0, 0, 0, 7])];
            write(&path, page_bytes, &[("conf", &conf), ("logs", &logs)]);
            assert_eq!(faults(&path), [], "page size {page_bytes}, {count} of {sizes:?}");
            let wanted = [("conf".to_owned(), conf), ("logs".to_owned(), logs)];
            assert!(contents(&path) == wanted, "page size {page_bytes}, {count} of {sizes:?}");
            assert_eq!(opened(&path).0.page_bytes(), page_bytes);
        }
    }
}

#[test]
fn long_keys_and_many_buckets_make_branches_that_overflow() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("long");
    let long = |n: u32| {
        let mut key = format!("{n:04}").into_bytes();
        key.resize(20_000, b'k');
        key
    };
    let pairs: Pairs = (0..60).map(|n| (long(n), vec![1; 50])).collect();
    let names: Vec<String> = (0..400).map(|n| format!("bucket {n:03}")).collect();
    let mut all: Vec<(&str, &Pairs)> = names.iter().map(|name| (name.as_str(), &pairs)).collect();
    all.truncate(3);
    let none = Pairs::new();
    all.extend(names[3..].iter().map(|name| (name.as_str(), &none)));
    write(&path, 4096, &all);
    assert_eq!(faults(&path), []);
    let found = contents(&path);
    assert_eq!(found.len(), 400);
    assert!(found[2].1 == pairs && found[3].1.is_empty());
}

#[test]
fn a_file_is_byte_for_byte_the_one_that_both_libraries_took() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("example");
    let entry = data_encoding::HEXLOWER
        .decode(
            b"86aa417070656e6465644174af01000000000000000000000000ffffa444617461c0\
              aa457874656e73696f6e73c0a5496e64657801a45465726d01a45479706501",
        )
        .expect("hex");
    let logs = vec![(1u64.to_be_bytes().to_vec(), entry)];
    write(&path, 4096, &[("conf", &Pairs::new()), ("logs", &logs)]);
    let bytes = std::fs::read(&path).expect("file");
    let rows = [
        (0x0000, "00000000000000000400000000000000"),
        (0x0010, "edda0ced020000000010000000000000"),
        (0x0020, "02000000000000000000000000000000"),
        (0x0030, "03000000000000000400000000000000"),
        (0x0040, "0200000000000000ec1914e68d3f5041"),
        (0x1000, "01000000000000000400000000000000"),
        (0x1040, "01000000000000004ff8e106a994409e"),
        (0x2000, "02000000000000000200020000000000"),
        (0x2010, "01000000200000000400000020000000"),
        (0x2020, "01000000340000000400000079000000"),
        (0x2078, "00000000100000000800000041000000"),
        (0x2088, "000000000000000186aa417070656e64"),
        (0x3000, "03000000000000001000000000000000"),
    ];
    for (at, row) in rows {
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes[at..at + 16]), row, "at {at:#x}");
    }
    assert_eq!(bytes.len(), 0x4000);
}

/// Writes a file with a tree of three levels and changes it.
fn broken(page: u64, change: impl FnOnce(&mut [u8])) -> Vec<Fault> {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("broken");
    let logs = numbered(3_000, &[40]);
    write(&path, 1024, &[("conf", &Pairs::new()), ("logs", &logs)]);
    let mut bytes = std::fs::read(&path).expect("file");
    change(&mut bytes[page as usize * 1024..]);
    std::fs::write(&path, &bytes).expect("file");
    faults(&path)
}

fn words(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn each_kind_of_damage_has_its_words() {
    let put = |at: usize, new: &'static [u8]| {
        move |bytes: &mut [u8]| bytes[at..at + new.len()].copy_from_slice(new)
    };
    let said = |at: usize, new: &'static [u8]| words(&broken(5, put(at, new)));
    for (what, found, wanted) in [
        ("type", said(8, &[1, 1]), "type of a page is 0x101"),
        ("number", said(0, &[9]), "number of a page is 9"),
        ("count", said(10, &[0xff, 0xff]), "end of the elements of a page"),
        ("overflow", said(12, &[0xff; 4]), "page that another one names"),
        ("overlap", said(12, &[1]), "page 6 twice"),
        ("flags", said(16, &[2]), "flags of an element is 2"),
        ("distance", said(20, &[0xff; 4]), "end of an element"),
        ("key size", said(24, &[0; 4]), "size of a key is 0"),
        ("value size", said(28, &[0xff; 4]), "end of an element"),
        ("bucket", said(16, &[1]), "value of a bucket"),
    ] {
        assert!(found.contains(wanted), "{what}: {found}");
    }
}

#[test]
fn a_page_that_is_used_and_free_is_named_and_so_is_one_that_is_neither() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("free");
    write(&path, 1024, &[("conf", &Pairs::new()), ("logs", &numbered(300, &[40]))]);
    let mut bytes = std::fs::read(&path).expect("file");
    let last = bytes.len() - 1024;
    bytes[last + 10] = 2;
    bytes[last + 16] = 4;
    bytes[last + 24] = 4;
    std::fs::write(&path, &bytes).expect("file");
    let found = words(&faults(&path));
    assert!(found.contains("4, which is in use"), "{found}");
    assert!(found.contains("entries of the freelist meet page 4 twice"), "{found}");
    // A file that grew by a page that no one knows: both metas say so.
    let mut bytes = std::fs::read(&path).expect("file");
    bytes[last + 10] = 0;
    bytes.extend([0; 1024]);
    for at in [16, 1024 + 16] {
        let end = u64::from_le_bytes(bytes[at + 40..at + 48].try_into().expect("eight")) + 1;
        bytes[at + 40..at + 48].copy_from_slice(&end.to_le_bytes());
        let sum = format::fnv1a(&bytes[at..at + 56]);
        bytes[at + 56..at + 64].copy_from_slice(&sum.to_le_bytes());
    }
    std::fs::write(&path, &bytes).expect("file");
    let found = words(&faults(&path));
    assert!(found.contains("1 pages are neither in use nor free"), "{found}");
}
