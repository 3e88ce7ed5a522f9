use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    AppendInstant, AppendTime, Candidate, Entry, EntryExtra, EntryKind, GroupId, HardState,
    IndexRange, LogIndex, LogState, SharedBytes, StableValue, Term, TimeForm, Vote, Zone,
};
use crate::store::open::{create_sink, open};
use crate::store::target::Target;
use crate::store::{
    Format, HeadPiece, Level, LogSink, OpenOptions, Opened, RedbFormat, SinkOptions, Store,
    StoreError,
};
use crate::vfs::os::{OsClock, OsFs};
use crate::vfs::sim::{
    CallNo, Fault as Failure, FaultPlan, Profile, Refusal, SimClock, SimFs, Tries,
};
use crate::vfs::{Clock, Fs, LockMode, OpenMode, Vfs};

const TARGET: &str = "/copy.redb";

fn entry(index: u64, bytes: usize) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(1 + index / 50),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: Some(SharedBytes::from(vec![index.to_le_bytes()[0]; bytes])),
        extra: EntryExtra {
            appended_at: AppendTime::At(AppendInstant {
                unix_seconds: 1_700_000_000,
                nanoseconds: 5,
                form: TimeForm::Old,
                zone: Zone::East { seconds: 3600 },
            }),
            ..EntryExtra::default()
        },
    }
}

fn voted() -> LogState {
    let vote = Vote {
        term: Some(Term(7)),
        candidate: Some(Candidate::Bytes(SharedBytes::from(&b"10.0.0.1:8300"[..]))),
    };
    let hard = HardState { term: Some(Term(9)), vote: Some(vote), commit: None };
    LogState { hard, ..LogState::default() }
}

/// Size of the last entry of each group.
#[derive(Clone, Copy)]
enum Last {
    /// As the others.
    Small,
    /// Larger than a piece: it is written in the middle of the group.
    Large,
}

impl Last {
    fn entry(self) -> Entry {
        entry(61, if let Last::Small = self { 100 } else { 5 << 20 })
    }
}

/// Writes two groups of a few entries and publishes them.
fn write(fs: &Arc<dyn Fs>, format: RedbFormat, last: Last) -> Result<(), StoreError> {
    let target = Target::check(Arc::clone(fs), Path::new(TARGET), false)?;
    let options = SinkOptions { redb_format: Some(format), ..SinkOptions::default() };
    let mut sink = create_sink(Format::Redb, target, &options)?;
    for (group, state) in [(GroupId::Unnamed, voted()), (GroupId::named("b/c"), voted())] {
        sink.begin_group(&group, &state)?;
        for first in (1..60).step_by(20) {
            let batch: Vec<Entry> = (first..first + 20).map(|n| entry(n, 100)).collect();
            sink.append(&batch)?;
        }
        sink.append(&[last.entry()])?;
    }
    sink.seal()?.publish().map(|_| ())
}

fn opened(fs: &Arc<dyn Fs>, clock: &dyn Clock, path: &Path) -> Result<Opened, StoreError> {
    open(fs, clock, path, &OpenOptions::default())
}

fn assert_whole(store: &dyn Store, last: Last) {
    let groups = store.groups().expect("groups");
    assert_eq!(groups, [GroupId::Unnamed, GroupId::named("b/c")]);
    for group in groups {
        assert_eq!(store.state(&group).expect("state").hard, voted().hard);
        let entries = store.entries(&group, IndexRange::ALL).expect("entries");
        let entries: Vec<Entry> = entries.map(|e| e.expect("sound").entry).collect();
        assert_eq!(entries.len(), 61);
        assert_eq!(entries[41], entry(42, 100));
        assert_eq!(entries[60], last.entry());
    }
}

#[test]
fn whatever_call_fails_the_target_is_not_there_and_nothing_panics() {
    for format in [RedbFormat::V3, RedbFormat::V2] {
        let mut failing = 0;
        loop {
            let sim = SimFs::new(Profile::StrictPosix);
            let fault = match failing % 3 {
                0 => Failure::Fails(Refusal::Enospc),
                1 => Failure::Fails(Refusal::Eio),
                _ => Failure::WriteFails { refusal: Refusal::Enospc, written_bytes: 100 },
            };
            sim.set_faults(FaultPlan::new().at(CallNo(failing), fault));
            let fs: Arc<dyn Fs> = Arc::new(sim.clone());
            let written = write(&fs, format, Last::Small);
            if sim.faults_hit() == 0 && sim.calls() <= CallNo(failing) {
                written.expect("nothing failed");
                break;
            }
            match written {
                Ok(()) => {
                    let opened = opened(&fs, &SimClock::new(), Path::new(TARGET)).expect("opens");
                    assert_whole(opened.store.as_ref(), Last::Small);
                }
                Err(StoreError::Io(_)) => {}
                Err(other) => panic!("call {failing}: {other}"),
            }
            failing += 1;
        }
        assert!(failing > 20, "the calls were met: {failing}");
    }
}

#[test]
fn a_failed_run_leaves_nothing_behind() {
    let sim = SimFs::new(Profile::StrictPosix);
    sim.set_faults(FaultPlan::new().at(CallNo(15), Failure::Fails(Refusal::Enospc)));
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let Err(StoreError::Io(error)) = write(&fs, RedbFormat::V3, Last::Small) else {
        panic!("full")
    };
    assert_eq!(error.source.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(sim.list(Path::new("/")).expect("list"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_published_target_survives_every_crash() {
    let sim = SimFs::new(Profile::StrictPosix);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    write(&fs, RedbFormat::V3, Last::Large).expect("written");
    let mut images = 0;
    let tries = Tries { samples: 20, exhaustive_max: 20, ..Tries::default() };
    for image in sim.disk().images(tries).distinct() {
        let after: Arc<dyn Fs> = Arc::new(SimFs::on(image.disk));
        let opened = opened(&after, &SimClock::new(), Path::new(TARGET)).expect("opens");
        assert!(opened.store.opening_faults().is_empty());
        assert_whole(opened.store.as_ref(), Last::Large);
        images += 1;
    }
    assert!(images > 0);
}

#[test]
fn groups_and_indexes_that_do_not_ascend_are_refused() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(Profile::StrictPosix));
    let target = Target::check(fs, Path::new(TARGET), false).expect("target");
    let mut sink =
        super::RedbSink::create(target, super::schemas::default(), RedbFormat::V3).expect("sink");
    let refused = |result| matches!(result, Err(StoreError::Refused { .. }));
    assert!(refused(sink.append(&[entry(1, 1)])), "no group yet");
    sink.begin_group(&GroupId::named("b"), &LogState::default()).expect("begin");
    sink.append(&[entry(5, 1)]).expect("append");
    assert!(refused(sink.append(&[entry(5, 1)])));
    assert!(refused(sink.begin_group(&GroupId::named("a"), &LogState::default())));
}

#[test]
fn integers_of_the_other_byte_order_are_turned_and_keys_need_not_be_text() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(Profile::StrictPosix));
    let target = Target::check(Arc::clone(&fs), Path::new(TARGET), false).expect("target");
    let mut sink: Box<dyn LogSink> = Box::new(
        super::RedbSink::create(target, super::schemas::default(), RedbFormat::V3).expect("sink"),
    );
    let mut state = LogState::default();
    let little = StableValue {
        bytes: SharedBytes::from(&7u64.to_le_bytes()[..]),
        integer: Some(crate::model::ByteOrder::Little),
    };
    state.stable.insert(b"CurrentTerm".to_vec(), little);
    state.stable.insert(vec![0xff, 0], StableValue::bytes(b"odd"));
    sink.begin_group(&GroupId::Unnamed, &state).expect("begin");
    sink.seal().expect("seal").publish().expect("publish");
    let opened = opened(&fs, &SimClock::new(), Path::new(TARGET)).expect("opens");
    let found = opened.store.state(&GroupId::Unnamed).expect("state");
    assert_eq!(found.hard.term, Some(Term(7)));
    assert_eq!(&*found.stable[&b"CurrentTerm"[..]].bytes, 7u64.to_be_bytes());
    assert_eq!(&*found.stable[&[0xff, 0][..]].bytes, b"odd");
}

#[test]
fn a_locked_file_is_waited_for_and_then_refused() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(Profile::StrictPosix));
    write(&fs, RedbFormat::V3, Last::Small).expect("written");
    let clock = SimClock::new();
    let held = fs.lock(Path::new(TARGET), LockMode::Exclusive).expect("lock");
    let patient = OpenOptions { lock_timeout: Duration::from_secs(2), ..OpenOptions::default() };
    let start = clock.monotonic();
    let refused = open(&fs, &clock, Path::new(TARGET), &patient);
    assert!(matches!(refused, Err(StoreError::Locked { .. })));
    assert_eq!(clock.monotonic() - start, Duration::from_secs(2));
    drop(held);
    let reading = opened(&fs, &clock, Path::new(TARGET)).expect("free again");
    assert!(fs.lock(Path::new(TARGET), LockMode::Exclusive).is_err(), "writers are kept out");
    let other_reader = opened(&fs, &clock, Path::new(TARGET));
    assert!(other_reader.is_ok(), "readers are not");
    drop((reading, other_reader));
    assert!(fs.lock(Path::new(TARGET), LockMode::Exclusive).is_ok());
}

#[test]
fn a_file_that_redb_itself_has_open_is_locked() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("live.redb");
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let live = redb::Database::create(&path).expect("redb");
    assert!(matches!(opened(&fs, &OsClock, &path), Err(StoreError::Locked { .. })));
    drop(live);
    // Never committed: no table yet.
    assert!(matches!(opened(&fs, &OsClock, &path), Err(StoreError::NotFound { .. })));
    let live = redb2::Database::create(dir.path().join("live2.redb")).expect("redb 2");
    let refused = opened(&fs, &OsClock, &dir.path().join("live2.redb"));
    assert!(matches!(refused, Err(StoreError::Locked { .. })));
    drop(live);
}

/// Index, term and length of every entry from runs of heads; what could not be read as `None`.
fn outline(store: &dyn Store, group: &GroupId) -> (Vec<Option<(u64, u64)>>, u64, usize) {
    let (mut entries, mut bytes, mut pieces) = (Vec::new(), 0, 0);
    for piece in store.head_runs(group, IndexRange::ALL).expect("runs") {
        pieces += 1;
        match piece {
            Ok(HeadPiece::Run(run)) => {
                let indexes = run.range.first().0..=run.range.last().0;
                entries.extend(indexes.map(|index| Some((index, run.term.0))));
                bytes += run.payload_bytes;
            }
            Ok(HeadPiece::One(one)) => {
                entries.push(Some((one.head.index.0, one.head.term.0)));
                bytes += one.head.payload_len_bytes;
            }
            Err(_) => entries.push(None),
        }
    }
    (entries, bytes, pieces)
}

#[test]
fn heads_that_verifying_met_are_told_without_a_second_reading_unless_something_is_wrong() {
    let fs: Arc<dyn Fs> = Arc::new(SimFs::new(Profile::StrictPosix));
    write(&fs, RedbFormat::V3, Last::Large).expect("written");
    let groups = [GroupId::Unnamed, GroupId::named("b/c")];
    let check = |fs: &Arc<dyn Fs>| {
        let opened = opened(fs, &SimClock::default(), Path::new(TARGET)).expect("opened");
        let before = groups.each_ref().map(|group| outline(opened.store.as_ref(), group));
        let checked = opened.store.check(Level::Full, &mut |_| ControlFlow::Continue(()));
        let is_whole = checked.expect("checked").faults.is_empty();
        let after = groups.each_ref().map(|group| outline(opened.store.as_ref(), group));
        (before, after, is_whole)
    };
    let (before, after, is_whole) = check(&fs);
    assert!(is_whole);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.0, before.1), (&after.0, after.1));
        assert_eq!((before.2, after.2), (61, 2), "a run of each term");
    }
    // Nor are they decoded where nobody asks for them.
    let forgone = opened(&fs, &SimClock::default(), Path::new(TARGET)).expect("opened").store;
    forgone.forgo_heads();
    forgone.check(Level::Full, &mut |_| ControlFlow::Continue(())).expect("checked");
    assert_eq!(outline(forgone.as_ref(), &groups[0]).2, 61);
    drop(forgone);
    let file = fs.open(Path::new(TARGET), OpenMode::ReadWrite).expect("opened");
    let mut bytes = vec![0; 1 << 20];
    let read = file.read_at(0, &mut bytes).expect("read");
    let wanted = [0x19; 100];
    let at = bytes[..read].windows(100).position(|bytes| *bytes == wanted).expect("entry 25");
    file.write_at(at as u64, b"damaged").expect("written");
    let (before, after, is_whole) = check(&fs);
    assert!(!is_whole);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.0, before.1), (&after.0, after.1));
    }
    assert!(after.iter().any(|(entries, ..)| entries.contains(&None)));
}

#[test]
fn heads_of_a_log_are_not_believed_when_its_damage_is_not_named_any_more() {
    let sim = SimFs::new(Profile::StrictPosix);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    write(&fs, RedbFormat::V3, Last::Small).expect("written");
    let file = fs.open(Path::new(TARGET), OpenMode::ReadWrite).expect("opened");
    let mut bytes = vec![0; 1 << 20];
    let read = file.read_at(0, &mut bytes).expect("read");
    let at = bytes[..read].windows(100).position(|bytes| *bytes == [0x19; 100]).expect("entry 25");
    file.write_at(at as u64, b"damaged").expect("written");
    let header = super::format::Header::read(&bytes).expect("header");
    let size = file.size().expect("size");
    let pages = super::pages::Pages::new(file, Arc::from(Path::new(TARGET)), size, header.geometry);
    let commit = super::commit::choose(&header, &pages).expect("a commit").commit;
    let (tables, _) = super::tables::read_tables(&pages, commit.user).expect("tables");
    let schema = super::schemas::default();
    let assigned = super::schema::Assigned::new(schema, schema.layout.clone(), &tables);
    for named in [0, 9] {
        let mut runs = super::runs::Runs::new(&assigned);
        let roles = assigned.roles();
        let mut going = |_| ControlFlow::Continue(());
        let depth = (Level::Full, Some(&mut runs));
        let found =
            super::survey::survey_naming(named, &pages, (&commit, &roles), depth, &mut going);
        let found = found.expect("read").expect("all of it");
        assert!(found.damaged);
        assert_eq!(
            (found.unnamed_damage, found.faults.len()),
            if named == 0 { (1, 0) } else { (0, 1) }
        );
        assert_eq!(runs.into_known().len(), 1, "the other group's");
    }
}
