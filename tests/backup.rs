//! Backup and restore through the library: what goes in comes out, and nothing appears half.
#![allow(clippy::disallowed_methods)]

mod support;

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use raftlog::archive::Sha;
use raftlog::backup::{
    self, Backup, BackupOptions, Compression, Destination, Error, RestoreOptions, Restored, Source,
    Verdict,
};
use raftlog::event::{Event, Observer, Phase, Unobserved};
use raftlog::model::{Code, Findings, Severity};
use raftlog::store::{Level, OpenOptions, StoreError};
use raftlog::vfs::Fs;
use raftlog::vfs::full::FullDisk;
use raftlog::vfs::os::{OsClock, OsFs};

fn os() -> Arc<dyn Fs> {
    Arc::new(OsFs)
}

fn options() -> BackupOptions {
    BackupOptions {
        open: OpenOptions::default(),
        compression: Compression::default(),
        created_unix_s: 1_763_721_600,
        replace_partial: false,
    }
}

fn back_up(path: &Path, archive: &Path) -> Result<Backup, Error> {
    back_up_with(path, Destination::File(archive.to_owned()), &options(), &mut Unobserved)
}

fn back_up_with(
    path: &Path,
    destination: Destination<'_>,
    options: &BackupOptions,
    observer: &mut dyn Observer,
) -> Result<Backup, Error> {
    let mut judge = |_: &raftlog::store::Opened, _: &mut dyn Observer| {
        ControlFlow::Continue(Verdict::of(Level::Full, &Findings::default()))
    };
    backup::backup(&os(), &OsClock, path, destination, options, &mut judge, observer)
}

fn restore(archive: &Path, target: &Path) -> Result<Restored, Error> {
    let options = RestoreOptions::default();
    backup::restore(&os(), Source::File(archive.to_owned()), target, options, &mut Unobserved)
}

/// A data directory with a redb log, an empty file and directory, odd modes, times and names.
fn data_dir(dir: &Path) -> PathBuf {
    let data = dir.join("node-1");
    fs::create_dir_all(data.join("raft/snapshots/1-8-1700000000000")).unwrap();
    fs::create_dir(data.join("empty")).unwrap();
    fs::copy(support::redb("redb-basic", "synth"), data.join("raft/raft.db")).unwrap();
    fs::write(data.join("raft/peers.json"), b"[\"127.0.0.1:6868\"]").unwrap();
    fs::write(data.join("raft/snapshots/1-8-1700000000000/state.bin"), noise(3 << 20)).unwrap();
    fs::write(data.join("raft/snapshots/1-8-1700000000000/meta.json"), b"{}").unwrap();
    fs::write(data.join("a name with spaces, \u{e4}\u{1f980}"), b"").unwrap();
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    fs::create_dir(data.join("d".repeat(90))).unwrap();
    fs::write(data.join(long), b"long").unwrap();
    set(&data.join("raft/peers.json"), 0o640, Duration::new(1_600_000_000, 123_456_789));
    set(&data.join("raft/raft.db"), 0o600, Duration::new(1_700_000_000, 1));
    set(&data.join("empty"), 0o750, Duration::new(1, 999_999_999));
    set(&data.join("raft"), 0o700, Duration::new(1_650_000_000, 5));
    set(&data, 0o755, Duration::new(1_660_000_000, 7));
    data
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7] & 0x1f
    })
    .take(bytes)
    .collect()
}

fn set(path: &Path, mode: u32, modified: Duration) {
    fs::File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + modified).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below `dir`, itself included: name, mode, time, content.
fn picture(dir: &Path) -> Vec<(String, u32, i64, i64, Option<Sha>)> {
    let mut paths = vec![dir.to_owned()];
    let mut seen = Vec::new();
    while let Some(path) = paths.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
        let content = if metadata.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()));
            None
        } else {
            Some(Sha::of(&[&fs::read(&path).unwrap()]))
        };
        seen.push((name, metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
    }
    seen.sort();
    seen
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_data_directory_comes_back_with_every_byte_mode_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let before = picture(&data);
    let archive = dir.path().join("node-1.tar.gz");
    let done = back_up(&data, &archive).unwrap();
    assert_eq!(picture(&data), before, "the source is untouched");
    assert_eq!(done.result.files, 6);
    assert_eq!(done.result.archive_bytes, Some(fs::metadata(&archive).unwrap().len()));
    assert_eq!(names_in(dir.path()), ["node-1", "node-1.tar.gz"]);

    let target = dir.path().join("restored");
    let restored = restore(&archive, &target).unwrap();
    assert_eq!(picture(&target), before);
    assert_eq!((restored.result.files, restored.result.bytes), (6, done.result.bytes));
    assert_eq!(names_in(dir.path()), ["node-1", "node-1.tar.gz", "restored"]);
}

#[test]
fn a_single_file_is_restored_below_the_target() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::redb("redb-basic", "synth");
    let archive = dir.path().join("a.tar.gz");
    let done = back_up(&store, &archive).unwrap();
    assert_eq!(done.result.files, 1);
    let restored = restore(&archive, &dir.path().join("r")).unwrap();
    assert_eq!(names_in(&dir.path().join("r")), ["synth.redb"]);
    assert!(fs::read(dir.path().join("r/synth.redb")).unwrap() == fs::read(&store).unwrap());
    assert_eq!(restored.manifest.groups, done.result.groups);
    assert!(!done.result.groups.is_empty() && done.result.groups[0].hard_state.term.is_some());
}

#[test]
fn equal_input_gives_equal_bytes_and_the_printed_digest() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let done = back_up(&data, &one).unwrap();
    back_up(&data, &two).unwrap();
    assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap());
    let mut streamed = Vec::new();
    let stream = Destination::Stream(&mut streamed);
    let on_stream = back_up_with(&data, stream, &options(), &mut Unobserved).unwrap();
    assert!(streamed == fs::read(&one).unwrap());
    assert_eq!(on_stream.result.sha256, done.result.sha256);
    assert!(done.result.sha256.is_some());
    assert_eq!(on_stream.result.archive, "-");
    let sum = Command::new("sha256sum").arg(&one).output().unwrap();
    assert!(String::from_utf8_lossy(&sum.stdout).starts_with(&done.result.sha256.unwrap()));
}

#[test]
fn tar_lists_and_unpacks_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let archive = dir.path().join("a.tar.gz");
    back_up(&data, &archive).unwrap();
    let listed = Command::new("tar").arg("tzf").arg(&archive).output().unwrap();
    assert!(listed.status.success() && listed.stderr.is_empty(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!((lines[0], lines[1]), ("MANIFEST.json", "data/"));
    assert_eq!(lines.last(), Some(&"END.json"));
    assert!(lines.contains(&"data/raft/raft.db") && lines.contains(&"data/empty/"));
    let by_tar = dir.path().join("by-tar");
    fs::create_dir(&by_tar).unwrap();
    let unpack =
        Command::new("tar").arg("xzpf").arg(&archive).arg("-C").arg(&by_tar).output().unwrap();
    assert!(unpack.status.success() && unpack.stderr.is_empty(), "{unpack:?}");
    let content = |(name, mode, seconds, _, content)| (name, mode, seconds, content);
    let ours: Vec<_> = picture(&data).into_iter().map(content).collect();
    let theirs: Vec<_> = picture(&by_tar.join("data")).into_iter().map(content).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn an_operator_can_check_the_manifest_with_sed_and_sha256sum() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar.gz");
    back_up(&support::redb("redb-basic", "synth"), &archive).unwrap();
    let script = "tar xzOf \"$0\" MANIFEST.json > m; \
        sed 's/\\(manifest_sha256\": \"\\)[0-9a-f]*/\\1'$(printf '0%.0s' $(seq 64))'/' m \
        | sha256sum; \
        grep -o 'manifest_sha256\": \"[0-9a-f]*' m";
    let told = Command::new("bash")
        .args(["-c", script])
        .arg(&archive)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let (digest, recorded) = told.split_once('\n').unwrap();
    assert_eq!(digest.split(' ').next(), recorded.trim().rsplit('"').next(), "{told}");
}

#[test]
fn every_compression_level_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let mut sizes = Vec::new();
    for level in 0..=9 {
        let archive = dir.path().join(format!("{level}.tar.gz"));
        let options = BackupOptions { compression: Compression::new(level).unwrap(), ..options() };
        let destination = Destination::File(archive.clone());
        let done = back_up_with(&data, destination, &options, &mut Unobserved).unwrap();
        sizes.push(done.result.archive_bytes);
        let checked = backup::verify(&os(), &archive, Level::Full, &mut Unobserved).unwrap();
        assert_eq!(checked.findings.total(), 0);
    }
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[9], "{sizes:?}");
    assert!(Compression::new(10).is_none());
}

#[test]
fn a_restore_without_room_is_refused_before_it_writes_dry_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let archive = dir.path().join("a.tar.gz");
    let needed = back_up(&data, &archive).unwrap().result.bytes;
    let before = names_in(dir.path());
    let target = dir.path().join("r");
    let attempt = |free_bytes: u64, dry_run: bool| {
        let disk: Arc<dyn Fs> = Arc::new(FullDisk::over(os(), free_bytes).telling());
        let options = RestoreOptions { dry_run, ..RestoreOptions::default() };
        let stream = Source::Stream(Box::new(fs::File::open(&archive).unwrap()));
        let mut refused = 0;
        for source in [Source::File(archive.clone()), stream] {
            if dry_run || matches!(source, Source::File(_)) {
                match backup::restore(&disk, source, &target, options, &mut Unobserved) {
                    Err(Error::NoSpace { needed_bytes, free_bytes: told, .. }) => {
                        assert_eq!((needed_bytes, told), (needed, free_bytes));
                        refused += 1;
                    }
                    done => assert!(done.is_ok(), "{done:?}"),
                }
            }
        }
        refused
    };
    assert_eq!((attempt(needed - 1, true), attempt(needed - 1, false)), (2, 1));
    assert_eq!(names_in(dir.path()), before, "nothing was begun");
    assert_eq!((attempt(needed, true), attempt(needed, false)), (0, 0));
    assert_eq!(picture(&target), picture(&data));
}

#[test]
fn checking_an_archive_reports_the_recorded_verdict_and_all_digests() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar.gz");
    let mut findings = Findings::default();
    findings.add(raftlog::model::Fault::new(
        Code::R102,
        raftlog::model::FaultKind::Note { found: "term 3 after term 4".to_owned() },
    ));
    let verdict = Verdict::of(Level::Full, &findings);
    let mut judge =
        |_: &raftlog::store::Opened, _: &mut dyn Observer| ControlFlow::Continue(verdict.clone());
    let store = support::redb("redb-basic", "synth");
    let destination = Destination::File(archive.clone());
    backup::backup(&os(), &OsClock, &store, destination, &options(), &mut judge, &mut Unobserved)
        .unwrap();
    for level in [Level::Quick, Level::Full] {
        let checked = backup::verify(&os(), &archive, level, &mut Unobserved).unwrap();
        assert_eq!(checked.findings.total(), 0);
        let manifest = checked.manifest.unwrap();
        assert_eq!(manifest.verdict, verdict);
        assert_eq!((manifest.verdict.sound, manifest.verdict.errors), (Some(false), 1));
        assert_eq!(
            (checked.files, checked.checked_bytes),
            (1, fs::metadata(&store).unwrap().len())
        );
    }
}

#[test]
fn a_damaged_store_is_packed_all_the_same_and_the_archive_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("torn.redb");
    let whole = fs::read(support::redb("redb-basic", "synth")).unwrap();
    fs::write(&store, &whole[..4096]).unwrap();
    let archive = dir.path().join("a.tar.gz");
    let done = back_up(&store, &archive).unwrap();
    assert!(done.verdict.not_judged.is_some(), "{:?}", done.verdict);
    assert_eq!((done.verdict.sound, done.verdict.errors), (Some(false), 1));
    assert_eq!(done.findings.total(), 0, "the backup itself is whole");
    restore(&archive, &dir.path().join("r")).unwrap();
    assert!(fs::read(dir.path().join("r/torn.redb")).unwrap() == whole[..4096]);
}

#[test]
fn links_and_pipes_are_named_and_not_packed() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    symlink("/etc/passwd", data.join("raft/link")).unwrap();
    Command::new("mkfifo").arg(data.join("pipe")).status().unwrap();
    let archive = dir.path().join("a.tar.gz");
    let done = back_up(&data, &archive).unwrap();
    let named: Vec<(Code, Severity, String)> = done
        .findings
        .kept()
        .map(|fault| (fault.code, fault.severity, fault.kind.to_string()))
        .collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(
        named
            .iter()
            .all(|(code, severity, _)| { (*code, *severity) == (Code::R117, Severity::Warning) })
    );
    let restored = restore(&archive, &dir.path().join("r")).unwrap();
    let left_out: Vec<(&str, &str)> = restored
        .manifest
        .not_packed
        .iter()
        .map(|left| (left.path.as_str(), left.kind.as_str()))
        .collect();
    assert_eq!(left_out, [("pipe", "other"), ("raft/link", "link")]);
    assert!(!dir.path().join("r/raft/link").exists());
    assert!(dir.path().join("r/raft/raft.db").exists());
}

#[test]
fn a_store_behind_a_link_is_refused_because_the_archive_would_lack_it() {
    for linked in ["raft", "raft/raft.db"] {
        let dir = tempfile::tempdir().unwrap();
        let data = data_dir(dir.path());
        fs::rename(data.join(linked), dir.path().join("elsewhere")).unwrap();
        symlink(dir.path().join("elsewhere"), data.join(linked)).unwrap();
        let error = back_up(&data, &dir.path().join("a.tar.gz")).unwrap_err();
        let refused =
            matches!(error, Error::Store(StoreError::Refused { .. } | StoreError::NotFound { .. }));
        assert!(refused, "{linked}: {error}");
        assert_eq!(names_in(dir.path()), ["elsewhere", "node-1"]);
    }
}

#[test]
fn a_source_that_is_named_by_a_link_is_what_the_link_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    symlink(&data, dir.path().join("link")).unwrap();
    let archive = dir.path().join("a.tar.gz");
    let done = back_up(&dir.path().join("link"), &archive).unwrap();
    assert_eq!(done.result.files, 6);
    assert_eq!(restore(&archive, &dir.path().join("r")).unwrap().manifest.source, "node-1");
    assert_eq!(picture(&dir.path().join("r")), picture(&data));
}

#[test]
fn names_that_are_no_text_or_hold_a_backslash_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    for name in [b"\xff\xfe".as_slice(), b"a\\b", b"a\nb"] {
        let dir = tempfile::tempdir().unwrap();
        let data = data_dir(dir.path());
        fs::write(data.join(OsStr::from_bytes(name)), b"x").unwrap();
        let error = back_up(&data, &dir.path().join("a.tar.gz")).unwrap_err();
        assert!(matches!(error, Error::Name { .. }), "{error}");
        assert_eq!(names_in(dir.path()), ["node-1"]);
    }
}

#[test]
fn an_archive_never_replaces_anything_and_never_lies_inside_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let inside = back_up(&data, &data.join("a.tar.gz")).unwrap_err();
    assert!(matches!(inside, Error::Store(StoreError::Refused { .. })), "{inside}");
    let there = dir.path().join("there");
    fs::write(&there, b"").unwrap();
    let exists = back_up(&data, &there).unwrap_err();
    assert!(matches!(exists, Error::Store(StoreError::Refused { .. })), "{exists}");
    let nowhere = back_up(&data, &dir.path().join("no/such/a.tar.gz")).unwrap_err();
    assert!(matches!(nowhere, Error::Store(StoreError::NotFound { .. })), "{nowhere}");
    assert_eq!(names_in(dir.path()), ["node-1", "there"]);
}

#[test]
fn a_restore_never_replaces_anything() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar.gz");
    back_up(&support::redb("redb-basic", "synth"), &archive).unwrap();
    fs::create_dir(dir.path().join("full")).unwrap();
    fs::write(dir.path().join("full/x"), b"x").unwrap();
    fs::write(dir.path().join("file"), b"").unwrap();
    for target in ["full", "file", "a.tar.gz"] {
        let error = restore(&archive, &dir.path().join(target)).unwrap_err();
        assert!(matches!(error, Error::Store(StoreError::Refused { .. })), "{target}: {error}");
    }
    fs::create_dir(dir.path().join("empty")).unwrap();
    restore(&archive, &dir.path().join("empty")).unwrap();
    assert_eq!(names_in(&dir.path().join("empty")), ["synth.redb"]);
}

#[test]
fn a_dry_restore_verifies_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar.gz");
    back_up(&support::redb("redb-basic", "synth"), &archive).unwrap();
    let options = RestoreOptions { dry_run: true, ..RestoreOptions::default() };
    let target = dir.path().join("r");
    for source in
        [Source::File(archive.clone()), Source::Stream(Box::new(fs::File::open(&archive).unwrap()))]
    {
        let plan = backup::restore(&os(), source, &target, options, &mut Unobserved).unwrap();
        assert!(plan.dry && plan.manifest.files.len() == 1);
        assert_eq!(names_in(dir.path()), ["a.tar.gz"]);
    }
}

#[test]
fn a_stream_is_restored_after_it_was_verified() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let archive = dir.path().join("a.tar.gz");
    back_up(&data, &archive).unwrap();
    let bytes = fs::read(&archive).unwrap();
    let target = dir.path().join("r");
    let source = Source::Stream(Box::new(std::io::Cursor::new(bytes.clone())));
    let options = RestoreOptions::default();
    backup::restore(&os(), source, &target, options, &mut Unobserved).unwrap();
    assert_eq!(picture(&target), picture(&data));

    let cut = bytes[..bytes.len() - 1].to_vec();
    let source = Source::Stream(Box::new(std::io::Cursor::new(cut)));
    let target = dir.path().join("cut");
    let error = backup::restore(&os(), source, &target, options, &mut Unobserved).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(names_in(dir.path()), ["a.tar.gz", "node-1", "r"]);
}

/// Stops a job at its n-th event.
struct StopAt(usize);

impl Observer for StopAt {
    fn on(&mut self, _: &Event) -> ControlFlow<()> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        }
    }
}

#[test]
fn stopping_at_any_event_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    let archive = dir.path().join("a.tar.gz");
    let mut stops = 0;
    loop {
        let destination = Destination::File(archive.clone());
        match back_up_with(&data, destination, &options(), &mut StopAt(stops)) {
            Err(Error::Cancelled) => assert_eq!(names_in(dir.path()), ["node-1"]),
            other => break other.map(|_| ()).unwrap(),
        }
        stops += 1;
    }
    assert!(stops > 10, "{stops}");
    stops = 0;
    let target = dir.path().join("r");
    loop {
        let source = Source::File(archive.clone());
        let mut stop = StopAt(stops);
        match backup::restore(&os(), source, &target, RestoreOptions::default(), &mut stop) {
            Err(Error::Cancelled) => assert_eq!(names_in(dir.path()), ["a.tar.gz", "node-1"]),
            other => break other.map(|_| ()).unwrap(),
        }
        stops += 1;
    }
    assert!(stops > 5, "{stops}");
    assert_eq!(picture(&target), picture(&data));
}

type Meddling = fn(&Path);

/// Changes the source while the archive is being packed.
struct Meddle<'m>(&'m dyn Fn(), bool);

impl Observer for Meddle<'_> {
    fn on(&mut self, event: &Event) -> ControlFlow<()> {
        if matches!(event, Event::Started { phase: Phase::Packing, .. }) && !self.1 {
            self.1 = true;
            self.0();
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn a_source_that_changes_while_it_is_packed_is_an_error() {
    let meddling: [(&str, Meddling); 5] = [
        ("grown", |data| append(&data.join("raft/peers.json"), b"x")),
        ("cut", |data| fs::write(data.join("raft/peers.json"), b"[").unwrap()),
        ("rewritten", |data| {
            let path = data.join("raft/peers.json");
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            fs::write(&path, b"[\"127.0.0.1:6869\"]").unwrap();
            fs::File::open(&path).unwrap().set_modified(modified).unwrap();
        }),
        ("created", |data| fs::write(data.join("raft/new"), b"").unwrap()),
        ("removed", |data| fs::remove_dir(data.join("empty")).unwrap()),
    ];
    for (what, meddle) in meddling {
        let dir = tempfile::tempdir().unwrap();
        let data = data_dir(dir.path());
        let destination = Destination::File(dir.path().join("a.tar.gz"));
        let mut observer = Meddle(&|| meddle(&data), false);
        let error =
            back_up_with(&data, destination, &options(), &mut observer).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{what}: {error}");
        assert_eq!(names_in(dir.path()), ["node-1"], "{what}");
    }
}

fn append(path: &Path, bytes: &[u8]) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_store_that_somebody_uses_is_not_packed() {
    let dir = tempfile::tempdir().unwrap();
    let data = data_dir(dir.path());
    for held in ["raft/raft.db", "raft/snapshots/1-8-1700000000000/state.bin"] {
        let mut holder = Command::new("flock")
            .arg(data.join(held))
            .args(["-c", "echo held; cat"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 5];
        std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut line).unwrap();
        let error = back_up(&data, &dir.path().join("a.tar.gz")).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Store(StoreError::Locked { .. })), "{held}: {error}");
        assert_eq!(names_in(dir.path()), ["node-1"]);
        drop(holder.stdin.take());
        holder.wait().unwrap();
    }
    back_up(&data, &dir.path().join("a.tar.gz")).unwrap();
}

#[test]
fn an_archive_is_no_more_readable_than_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("s.redb");
    fs::copy(support::redb("redb-basic", "synth"), &store).unwrap();
    for (mode, most) in [(0o600, 0o600), (0o640, 0o640), (0o444, 0o644)] {
        fs::set_permissions(&store, fs::Permissions::from_mode(mode)).unwrap();
        let archive = dir.path().join(format!("{mode:o}.tar.gz"));
        back_up(&store, &archive).unwrap();
        let found = fs::metadata(&archive).unwrap().mode() & 0o777;
        assert_eq!(found & !most, 0, "{found:o} of {mode:o}");
        assert_eq!(found & 0o600, 0o600);
    }
}

/// Does something at every event.
struct At<F>(F);

impl<F: FnMut(&Event)> Observer for At<F> {
    fn on(&mut self, event: &Event) -> ControlFlow<()> {
        (self.0)(event);
        ControlFlow::Continue(())
    }
}

fn damage(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"!", 100).unwrap();
}

#[test]
fn an_archive_that_does_not_read_back_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = support::redb("redb-basic", "synth");
    let partial = dir.path().join("a.tar.gz.partial");
    let mut written = At(|event: &Event| {
        if *event == (Event::Finished { phase: Phase::Packing }) {
            damage(&partial);
        }
    });
    let destination = Destination::File(dir.path().join("a.tar.gz"));
    let error = back_up_with(&store, destination, &options(), &mut written).unwrap_err();
    let Error::Mismatch { path, findings } = error else { panic!("{error}") };
    assert!(findings.errors() > 0);
    assert_eq!(path, dir.path().join("a.tar.gz.failed"));
    assert_eq!(names_in(dir.path()), ["a.tar.gz.failed"]);
}

#[test]
fn a_restored_file_that_does_not_read_back_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar.gz");
    back_up(&support::redb("redb-basic", "synth"), &archive).unwrap();
    let partial = dir.path().join("r.partial/synth.redb");
    let mut written = At(|event: &Event| {
        if matches!(event, Event::Advanced { phase: Phase::Unpacking, .. }) {
            damage(&partial);
        }
    });
    let source = Source::File(archive);
    let target = dir.path().join("r");
    let options = RestoreOptions::default();
    let error = backup::restore(&os(), source, &target, options, &mut written).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert_eq!(names_in(dir.path()), ["a.tar.gz", "r.failed"]);
}
