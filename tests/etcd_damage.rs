//! etcd's logs cut, flipped, and with segments removed, swapped, doubled and renamed: never a
//! panic, never a step without bound, never another log that is called sound.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raftlog::event::Unobserved;
use raftlog::model::{Code, Entry, Findings, GroupId, IndexRange, LogState, Severity};
use raftlog::store::open::open;
use raftlog::store::{Format, OpenOptions, StoreError};
use raftlog::verify::{self, verify};
use raftlog::vfs::Fs;
use raftlog::vfs::os::{OsClock, OsFs};
use support::etcd::{
    BASIC, Frame, INSTALLED, OVERWRITE, PACKAGE, SNAP, TORN, contents, frames, wal,
};

/// Reserved space that is kept behind the data: the archives have 64 MB of it.
const RESERVED: usize = 16 << 10;

/// What is read out of a log.
struct Seen {
    entries: Vec<Entry>,
    state: LogState,
    findings: Findings,
}

impl Seen {
    fn has(&self, code: Code) -> bool {
        self.findings.count(code) > 0
    }

    fn is_sound(&self) -> bool {
        self.findings.worst().is_none_or(|worst| worst == Severity::Info)
    }
}

/// Reads everything of a log alone; `None` when there is no log any more by its content.
fn read(dir: &Path) -> Option<Seen> {
    read_with(dir, &OpenOptions { alone: true, ..OpenOptions::default() })
}

fn read_with(dir: &Path, options: &OpenOptions) -> Option<Seen> {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let opened = match open(&fs, &OsClock, dir, options) {
        Ok(opened) => opened,
        Err(StoreError::NotFound { .. }) => return None,
        Err(other) => panic!("{other}"),
    };
    let store = opened.store.as_ref();
    assert_eq!(store.format(), Format::EtcdWal);
    let mut records = 0u64;
    store
        .scan(&mut |_| {
            records += 1;
            std::ops::ControlFlow::Continue(())
        })
        .expect("scan");
    let bytes: u64 = store.files().iter().map(|file| file.size_bytes).sum();
    assert!(records <= bytes / 8 + 2, "{records} records in {bytes} bytes");
    store.space().expect("space");
    let entries = store.entries(&GroupId::Unnamed, IndexRange::ALL).expect("entries");
    let entries = entries.filter_map(|item| match item {
        Ok(located) => Some(located.entry),
        Err(StoreError::Fault(_)) => None,
        Err(other) => panic!("{other}"),
    });
    let entries = entries.collect();
    let state = store.state(&GroupId::Unnamed).expect("state");
    let options = verify::Options::default();
    let outcome =
        verify(verify::Source::from(&opened), &options, &mut Unobserved).expect("verified");
    Some(Seen { entries, state, findings: outcome.findings })
}

/// A copy to break: its segments and their bytes.
struct Copy {
    dir: tempfile::TempDir,
    segments: Vec<(PathBuf, Vec<u8>)>,
    sound: Seen,
    name: &'static str,
}

impl Copy {
    fn of(archive: &'static str) -> Copy {
        Copy::into(archive, tempfile::tempdir().expect("directory"), "")
    }

    /// A copy whose segments lie below a directory.
    fn into(archive: &'static str, dir: tempfile::TempDir, below: &str) -> Copy {
        let log = dir.path().join(below);
        let mut segments = Vec::new();
        let mut names: Vec<_> = fs::read_dir(wal(archive)).expect("log").collect();
        names.sort_by_key(|name| name.as_ref().expect("name").file_name());
        for name in names {
            let name = name.expect("name").path();
            if name.extension().is_none_or(|suffix| suffix != "wal") {
                continue;
            }
            let mut bytes = fs::read(&name).expect("segment");
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            let len = bytes.len().min(used.next_multiple_of(8) + RESERVED);
            // Zeros inside the last payload belong to it.
            let end = frames_end(&bytes);
            bytes.truncate(len.max(end));
            let path = log.join(name.file_name().expect("a name"));
            fs::write(&path, &bytes).expect("written");
            segments.push((path, bytes));
        }
        let sound = read(&log).expect("a log");
        Copy { dir, segments, sound, name: archive }
    }

    fn restore(&self) {
        for (path, bytes) in &self.segments {
            fs::write(path, bytes).expect("written");
        }
    }

    fn broken(&self, segment: usize, bytes: &[u8]) -> Option<Seen> {
        fs::write(&self.segments[segment].0, bytes).expect("written");
        let seen = read(self.dir.path());
        fs::write(&self.segments[segment].0, &self.segments[segment].1).expect("written");
        seen
    }

    /// What is seen of the log with a segment cut to each of these lengths.
    fn cut(&self, segment: usize, mut lens: Vec<usize>, mut see: impl FnMut(usize, Option<Seen>)) {
        let (path, bytes) = &self.segments[segment];
        // Large segments are not written again for each.
        lens.sort_unstable_by(|a, b| b.cmp(a));
        for len in lens {
            let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
            file.set_len(len as u64).expect("cut");
            see(len, read(self.dir.path()));
        }
        fs::write(path, bytes).expect("written");
    }

    /// What is seen with one bit of a segment changed.
    fn flipped(&self, segment: usize, byte: usize, bit: usize) -> Option<Seen> {
        let (path, bytes) = &self.segments[segment];
        let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
        file.write_all_at(&[bytes[byte] ^ (1 << bit)], byte as u64).expect("written");
        let seen = read(self.dir.path());
        file.write_all_at(&bytes[byte..=byte], byte as u64).expect("written");
        seen
    }

    /// Whatever is called sound is what it was.
    fn assert_honest(&self, seen: &Seen, what: &str) {
        if seen.is_sound() {
            assert_eq!(seen.entries.len(), self.sound.entries.len(), "{}: {what}", self.name);
            assert!(seen.entries == self.sound.entries, "{}: {what}", self.name);
            assert!(seen.state == self.sound.state, "{}: {what}: {:?}", self.name, seen.state);
        }
    }
}

/// Whether an entry at the end has a term above that of the last state before it.
fn is_unfinished(bytes: &[u8]) -> bool {
    let (mut term, mut last) = (0, 0);
    for frame in frames(bytes) {
        match frame.kind {
            // Type, term and index.
            2 => last = varint(&frame.data[3..]),
            3 => term = varint(&frame.data[1..]),
            _ => {}
        }
    }
    last > term
}

fn varint(bytes: &[u8]) -> u64 {
    let len = bytes.iter().position(|byte| byte & 0x80 == 0).expect("ends") + 1;
    bytes[..len].iter().rev().fold(0, |all, byte| all << 7 | u64::from(byte & 0x7f))
}

fn frames_end(bytes: &[u8]) -> usize {
    // The torn archive has a last frame of which only a part is there.
    frames(bytes).last().map_or(0, |frame| frame.end.min(bytes.len()))
}

/// A fixed sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        ((self.0 >> 33) % below as u64) as usize
    }
}

/// How much is tried of something: a sample, or with `RAFTLOG_DAMAGE=full` (`.ci/damage`) all.
fn amount(sample: usize, full: usize) -> usize {
    if is_full() { full } else { sample }
}

fn is_full() -> bool {
    std::env::var_os("RAFTLOG_DAMAGE").is_some_and(|word| word == "full")
}

/// The bundled logs; the one of 14 MB only where all is tried.
fn archives() -> impl Iterator<Item = &'static str> {
    SMALL.into_iter().chain([OVERWRITE]).chain(is_full().then_some(TORN))
}

const SMALL: [&str; 4] = [BASIC, SNAP, INSTALLED, PACKAGE];

#[test]
fn a_segment_cut_anywhere_shows_what_was_before_the_cut_and_is_torn_or_damaged() {
    let mut numbers = Numbers(1);
    for archive in archives() {
        let copy = Copy::of(archive);
        for (at, (_, bytes)) in copy.segments.iter().enumerate() {
            let newest = at + 1 == copy.segments.len();
            let used = frames_end(bytes);
            let borders: Vec<usize> = frames(bytes).iter().map(|frame| frame.end).collect();
            let last = (used.saturating_sub(amount(40, 600))..used).rev();
            let few = if archive == OVERWRITE { 10 } else { 60 };
            let seeded = (0..amount(few, 1000)).map(|_| numbers.next(used)).collect::<Vec<_>>();
            copy.cut(at, last.chain(seeded).collect(), |len, seen| {
                let what = format!("segment {at} cut at {len}");
                let Some(seen) = seen else {
                    assert!(len < 64, "{archive}: {what}");
                    return;
                };
                let border = len == 0 || borders.contains(&len);
                let [torn, damaged, chain] =
                    [Code::R114, Code::R115, Code::R116].map(|code| seen.has(code));
                if newest {
                    // Behind a whole entry whose term no state names yet, the write did not end.
                    let wanted = !border || is_unfinished(&bytes[..len]);
                    assert_eq!((torn, damaged, chain), (wanted, false, false), "{archive}: {what}");
                    assert!(!seen.has(Code::R106) && !seen.has(Code::R113), "{archive}: {what}");
                    return;
                }
                // Inside a record the segment ends too early; behind a whole one only the chain of
                // checksums shows it, and the missing metadata where not even those are left. What
                // the chain is before the first segment's metadata, nobody knows.
                let nameless = len <= borders[0];
                let linked = border && !(at == 0 && nameless);
                assert_eq!((torn, damaged), (false, !border || nameless), "{archive}: {what}");
                assert_eq!(chain, linked, "{archive}: {what}");
            });
        }
    }
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let mut numbers = Numbers(2);
    for archive in archives() {
        let copy = Copy::of(archive);
        for (at, (_, bytes)) in copy.segments.iter().enumerate() {
            let mut whole = frames(bytes);
            if archive == TORN {
                whole.pop();
            }
            for _ in 0..amount(150, 10_000) / copy.segments.len() {
                let (byte, bit) = (numbers.next(bytes.len()), numbers.next(8));
                let what = format!("segment {at}, bit {bit} of byte {byte}");
                let Some(seen) = copy.flipped(at, byte, bit) else {
                    panic!("{archive}: {what}: not recognised any more");
                };
                copy.assert_honest(&seen, &what);
                let inside = |frame: &Frame| {
                    (frame.data_at..frame.data_at + frame.data.len()).contains(&byte)
                };
                if whole.iter().any(inside) {
                    // No sector of it is zeros, or others follow: never a torn write.
                    assert!(seen.has(Code::R115), "{archive}: {what}: damaged");
                }
            }
        }
    }
}

#[test]
fn what_lies_beside_a_log_may_be_cut_and_flipped() {
    let mut numbers = Numbers(4);
    for archive in [SNAP, OVERWRITE, INSTALLED] {
        let dir = tempfile::tempdir().expect("directory");
        let member = dir.path().join("member");
        for below in ["wal", "snap"] {
            fs::create_dir_all(member.join(below)).expect("directory");
        }
        let copy = Copy::into(archive, dir, "member/wal");
        let mut beside = contents(&wal(archive).parent().expect("a member").join("snap"));
        for (path, bytes) in &mut beside {
            *path = member.join("snap").join(path.file_name().expect("a name"));
            fs::write(path, bytes).expect("written");
        }
        let sound = beside_damage(copy.dir.path());
        assert!(sound.is_sound(), "{archive}");
        let newest = beside.iter().rposition(|(path, _)| path.extension().is_some());
        for (at, (path, bytes)) in beside.iter().enumerate() {
            let file = fs::OpenOptions::new().write(true).open(path).expect("opened");
            let check = |what: String| {
                let seen = beside_damage(copy.dir.path());
                if Some(at) == newest {
                    assert!(seen.has(Code::R109), "{archive}: {what}");
                } else {
                    assert!(seen.entries == sound.entries, "{archive}: {what}");
                    assert!(seen.state == sound.state, "{archive}: {what}");
                }
            };
            let mut lens: Vec<usize> =
                (1..=amount(4, 600)).map(|less| bytes.len() - less).collect();
            lens.extend((0..amount(10, 1000)).map(|_| numbers.next(bytes.len())));
            lens.sort_unstable_by(|a, b| b.cmp(a));
            for len in lens {
                file.set_len(len as u64).expect("cut");
                check(format!("{} cut at {len}", path.display()));
            }
            file.write_all_at(bytes, 0).expect("written");
            for _ in 0..amount(30, 10_000 / beside.len()) {
                let (byte, bit) = (numbers.next(bytes.len()), numbers.next(8));
                file.write_all_at(&[bytes[byte] ^ (1 << bit)], byte as u64).expect("written");
                check(format!("{}, bit {bit} of byte {byte}", path.display()));
                file.write_all_at(&bytes[byte..=byte], byte as u64).expect("written");
            }
        }
    }
}

/// A data directory, with what lies beside its log.
fn beside_damage(dir: &Path) -> Seen {
    read_with(dir, &OpenOptions::default()).expect("a log")
}

#[test]
fn a_log_of_nothing_but_damage_takes_little_memory() {
    let dir = tempfile::tempdir().expect("directory");
    let wal = dir.path().join("wal");
    fs::create_dir(&wal).expect("directory");
    let name = wal.join("0000000000000000-0000000000000000.wal");
    let program = Path::new(env!("CARGO_BIN_EXE_raftlog"));
    // A checksum record as each segment has, then records whose checksum is always wrong: an entry,
    // by its type a state, a marker, a checksum or nothing.
    let begin = [4, 0, 0, 0, 0, 0, 0, 0x84, 8, 4, 0x10, 0, 0, 0, 0, 0];
    let entry = [0x0c, 0, 0, 0, 0, 0, 0, 0x84, 8, 2, 0x10, 1, 0x1a, 6, 8, 0, 0x10, 1, 0x18, 1];
    for kind in [2, 3, 5, 4, 9] {
        let mut bytes = begin.to_vec();
        for _ in 0..amount(40_000, 2_000_000) {
            let at = bytes.len();
            bytes.extend_from_slice(&entry);
            bytes[at + 9] = kind;
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        fs::write(&name, &bytes).expect("written");
        for words in [vec!["verify"], vec!["inspect", "--records", "--format", "csv"]] {
            let output = std::process::Command::new("sh")
                .args(["-c", "ulimit -v 300000 && exec \"$0\" \"$@\""])
                .arg(program)
                .args(&words)
                .arg(&wal)
                .output()
                .expect("sh");
            let (code, err) = (output.status.code(), String::from_utf8_lossy(&output.stderr));
            assert_eq!(code, Some(1), "{kind}, {words:?}: {err}");
        }
    }
}

#[test]
fn runs_of_zeros_and_of_noise_are_found() {
    let mut numbers = Numbers(3);
    for archive in SMALL {
        let copy = Copy::of(archive);
        for (at, (_, bytes)) in copy.segments.iter().enumerate() {
            let used = frames_end(bytes);
            let borders: Vec<usize> = frames(bytes).iter().map(|frame| frame.end).collect();
            for round in 0..amount(20, 500) {
                let mut broken = bytes.clone();
                let begin = 64 + numbers.next(bytes.len() - 64);
                let end = (begin + 1 + numbers.next(2000)).min(bytes.len());
                match round % 3 {
                    0 => broken[begin..end].fill(0),
                    1 => broken[begin..end]
                        .iter_mut()
                        .for_each(|byte| *byte = numbers.next(256) as u8),
                    _ => broken.copy_within(0..end - begin, begin),
                }
                // A log that is zero from the end of a record on was never longer.
                let changed = broken.iter().zip(bytes).position(|(now, before)| now != before);
                let Some(changed) = changed else { continue };
                let in_length = |border: &usize| (*border..border + 8).contains(&changed);
                if round % 3 == 0 && end >= used && borders.iter().any(in_length) {
                    continue;
                }
                let seen = copy.broken(at, &broken).expect("recognised");
                copy.assert_honest(&seen, &format!("segment {at}, {begin}..{end}, round {round}"));
            }
        }
    }
}

#[test]
fn segments_that_are_gone_swapped_doubled_or_renamed_break_the_chain() {
    let copy = Copy::of(PACKAGE);
    let path = |at: usize| copy.segments[at].0.clone();
    let bytes = |at: usize| copy.segments[at].1.clone();
    let seen = || read(copy.dir.path()).expect("a log");
    // Errors of damage, and of segments that do not follow one another.
    let broken = |seen: &Seen| [Code::R115, Code::R116].map(|code| seen.findings.errors_of(code));
    fs::remove_file(path(1)).expect("removed");
    assert_eq!(broken(&seen()), [0, 2], "the middle is gone: the names and the chain say it");
    copy.restore();
    fs::write(path(1), bytes(2)).expect("written");
    fs::write(path(2), bytes(1)).expect("written");
    // The newest one has reserved space, which one that others follow never has; behind that the
    // chain begins anew.
    assert_eq!(broken(&seen()), [1, 1], "swapped");
    copy.restore();
    let third = copy.dir.path().join("0000000000000003-00000000000000c8.wal");
    fs::write(&third, bytes(2)).expect("written");
    assert_eq!(broken(&seen()), [1, 0], "twice the same: the first has reserved space");
    let full = frames_end(&bytes(2));
    fs::write(path(2), &bytes(2)[..full]).expect("written");
    assert_eq!(broken(&seen()), [0, 1], "without reserved space the chain says it");
    fs::write(path(2), bytes(2)).expect("written");
    fs::remove_file(&third).expect("removed");
    let renamed = copy.dir.path().join("0000000000000007-00000000000000b5.wal");
    fs::rename(path(2), &renamed).expect("renamed");
    assert_eq!(broken(&seen()), [0, 1], "another number");
    fs::remove_file(&renamed).expect("removed");
    copy.restore();
    // The newest one gone shows in nothing but what was committed.
    fs::remove_file(path(2)).expect("removed");
    assert_eq!(broken(&seen()), [0, 0]);
    copy.restore();
    // Without the first one the log begins where nothing leads to.
    fs::remove_file(path(0)).expect("removed");
    assert!(!seen().entries.is_empty() && seen().has(Code::R126));
    copy.restore();
    assert!(seen().is_sound());
}

#[test]
fn another_members_segment_is_no_part_of_the_log() {
    let copy = Copy::of(BASIC);
    let other = Copy::of(INSTALLED);
    let second = copy.dir.path().join("0000000000000001-000000000000001d.wal");
    fs::write(&second, &other.segments[0].1).expect("written");
    let seen = read(copy.dir.path()).expect("a log");
    let damage: Vec<String> = seen
        .findings
        .kept()
        .filter(|fault| fault.code == Code::R115)
        .map(|fault| fault.to_string())
        .collect();
    assert_eq!(damage.len(), 3, "{damage:?}");
    assert!(damage.iter().any(|what| what.contains("zeros")), "the first has reserved space");
    assert!(damage.iter().any(|what| what.contains("metadata")), "the second names another member");
    assert!(damage.iter().any(|what| what.contains("term of a state")), "which begins in term 1");
    assert_eq!(seen.findings.errors_of(Code::R116), 0, "behind reserved space the chain is new");
}

#[test]
fn lengths_that_lie_are_compared_with_the_file() {
    let copy = Copy::of(BASIC);
    let bytes = &copy.segments[0].1;
    for frame in frames(bytes) {
        for word in [u64::MAX, 1 << 55, (1 << 56) - 1, 128 << 20, bytes.len() as u64, 1, 7, 1 << 63]
        {
            let mut broken = bytes.clone();
            broken[frame.at..frame.at + 8].copy_from_slice(&word.to_le_bytes());
            let Some(seen) = copy.broken(0, &broken) else { continue };
            copy.assert_honest(&seen, &format!("length {word:x} at {}", frame.at));
            assert!(!seen.is_sound(), "length {word:x} at {}", frame.at);
        }
    }
}

#[test]
fn the_torn_archive_is_torn_wherever_its_reserved_space_ends() {
    let source = wal(TORN).join("0000000000000000-0000000000000000.wal");
    let bytes = fs::read(source).expect("segment");
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("0000000000000000-0000000000000000.wal");
    for len in [14_001_530, 14_001_536, 15_000_000, 15_400_960, 15_401_584, 15_401_592, 15_500_000]
    {
        fs::write(&path, &bytes[..len]).expect("written");
        let seen = read(dir.path()).expect("a log");
        assert_eq!(seen.entries.len(), 14, "{len}");
        assert!(seen.has(Code::R114) && !seen.has(Code::R115), "{len}");
    }
}
