use super::*;
use crate::bytes::Crc64;
use crate::model::Severity;
use crate::store::{Format, Layout};
use crate::vfs::os::OsFs;

/// A directory with snapshots beside a log.
struct Room {
    dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Room {
        let room = Room { dir: tempfile::tempdir().expect("directory") };
        std::fs::create_dir(room.dir.path().join("snapshots")).expect("directory");
        room
    }

    /// Writes a snapshot as hashicorp/raft does.
    fn snapshot(&self, id: &str, (term, index): (u64, u64), state: &[u8]) -> PathBuf {
        let mut crc = Crc64::new();
        crc.update(state);
        let crc = data_encoding::BASE64.encode(&crc.value().to_be_bytes());
        let dir = self.dir.path().join("snapshots").join(id);
        std::fs::create_dir(&dir).expect("directory");
        std::fs::write(dir.join("state.bin"), state).expect("state");
        let server = r#"{"Suffrage":0,"ID":"n1","Address":"127.0.0.1:8300"}"#;
        let meta = format!(
            r#"{{"Version":1,"ID":"{id}","Index":{index},"Term":{term},"Peers":"kA==",
            "Configuration":{{"Servers":[{server}]}},"ConfigurationIndex":1,
            "Size":{},"CRC":"{crc}"}}"#,
            state.len()
        );
        std::fs::write(dir.join("meta.json"), meta).expect("description");
        dir
    }

    fn beside(&self, product: Option<Product>) -> Option<Snapshots> {
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        let description = Description {
            path: self.dir.path().join("raft.db"),
            store: self.dir.path().join("raft.db"),
            format: Format::BoltDb,
            evidence: Vec::new(),
            layout: product.map(|product| Layout { product, node: None }),
            data_dir: Some(self.dir.path().to_owned()),
            files: Vec::new(),
            faults: Vec::new(),
        };
        Snapshots::beside(&fs, &description).expect("readable")
    }

    fn check(&self, level: Level) -> Checked {
        let snapshots = self.beside(None).expect("in view");
        snapshots.check(level, &mut |_| ControlFlow::Continue(())).expect("readable")
    }
}

fn codes(checked: &Checked) -> Vec<(Code, Severity)> {
    checked.faults.iter().map(|fault| (fault.code, fault.severity)).collect()
}

fn newest(checked: &Checked) -> Option<&str> {
    checked.newest.as_ref().map(|newest| newest.id.as_str())
}

const BAD: (Code, Severity) = (Code::R109, Severity::Error);
const PASSED_OVER: (Code, Severity) = (Code::R117, Severity::Warning);

#[test]
fn without_the_directory_nothing_is_in_view_and_with_it_none_is_a_fact() {
    let room = Room::new();
    let found = room.beside(None).expect("in view");
    assert_eq!(found.list().len(), 0);
    std::fs::remove_dir(room.dir.path().join("snapshots")).expect("removed");
    assert!(room.beside(None).is_none());
}

#[test]
fn a_membership_for_the_next_start_is_told_where_there_is_no_place_for_snapshots_too() {
    let room = Room::new();
    std::fs::remove_dir(room.dir.path().join("snapshots")).expect("removed");
    let peers = room.dir.path().join("peers.json");
    std::fs::write(&peers, r#"["10.0.0.1:8300"]"#).expect("membership");
    let checked = room.check(Level::Full);
    assert_eq!(codes(&checked), [(Code::R110, Severity::Info)]);
    // That there is no snapshot proves nothing there.
    assert!(!checked.in_view);
    std::fs::write(&peers, "{").expect("nonsense");
    assert_eq!(codes(&room.check(Level::Full)), [(Code::R110, Severity::Warning)]);
}

#[test]
fn the_newest_is_that_of_the_highest_term_and_then_index() {
    let room = Room::new();
    room.snapshot("2-20-1", (2, 20), b"a");
    room.snapshot("3-9-1", (3, 9), b"b");
    room.snapshot("3-8-9", (3, 8), b"c");
    let found = room.beside(None).expect("in view");
    let ids: Vec<_> = found.list().iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["3-9-1", "3-8-9", "2-20-1"]);
    let checked = room.check(Level::Full);
    assert_eq!((newest(&checked), codes(&checked)), (Some("3-9-1"), vec![]));
    assert_eq!((checked.count, checked.checked_bytes), (3, 3));
    let mut state = LogState::default();
    checked.complete(&mut state);
    let note = state.snapshot.as_ref().expect("known");
    assert_eq!((note.index, note.term), (LogIndex(9), Term(3)));
    assert!(checked.has_membership());
    // A log that knows a newer one by itself keeps it.
    let newer = SnapshotNote { index: LogIndex(99), ..note.clone() };
    state.snapshot = Some(newer.clone());
    checked.complete(&mut state);
    assert_eq!(state.snapshot, Some(newer));
}

#[test]
fn every_flipped_byte_of_a_state_is_found_and_the_older_snapshot_taken() {
    let room = Room::new();
    room.snapshot("2-5-1", (2, 5), b"older");
    let state = room.snapshot("2-10-1", (2, 10), b"state of the machine").join("state.bin");
    let whole = std::fs::read(&state).expect("state");
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x20;
        std::fs::write(&state, flipped).expect("state");
        let checked = room.check(Level::Full);
        assert_eq!((newest(&checked), codes(&checked)), (Some("2-5-1"), vec![BAD]), "at {at}");
    }
    // Its size is right, and that is all that the quick level looks at.
    assert_eq!(newest(&room.check(Level::Quick)), Some("2-10-1"));
    std::fs::write(&state, &whole[1..]).expect("state");
    assert_eq!(codes(&room.check(Level::Quick)), [BAD]);
    std::fs::remove_file(&state).expect("removed");
    assert_eq!(codes(&room.check(Level::Full)), [BAD]);
}

#[test]
fn a_state_of_several_pieces_is_proven_and_can_be_stopped() {
    let room = Room::new();
    let state: Vec<u8> = (0..2_500_000u32).flat_map(u32::to_le_bytes).take(2_500_000).collect();
    room.snapshot("1-1-1", (1, 1), &state);
    let checked = room.check(Level::Full);
    assert_eq!((codes(&checked), checked.checked_bytes), (vec![], 2_500_000));
    let snapshots = room.beside(None).expect("in view");
    let mut calls = 0;
    let mut stop = |_| {
        calls += 1;
        ControlFlow::Break(())
    };
    let stopped = snapshots.check(Level::Full, &mut stop).expect("readable");
    assert_eq!((calls, stopped.newest.is_none(), stopped.faults.len()), (1, true, 0));
}

#[test]
fn what_servers_pass_over_is_a_leftover_and_what_they_refuse_is_bad() {
    let room = Room::new();
    room.snapshot("4-4-1", (4, 4), b"x");
    std::fs::create_dir(room.dir.path().join("snapshots/5-5-1.tmp")).expect("directory");
    std::fs::create_dir(room.dir.path().join("snapshots/6-6-1")).expect("directory");
    std::fs::write(room.dir.path().join("snapshots/permTest"), "").expect("file");
    let broken = room.snapshot("7-7-1", (7, 7), b"x").join("meta.json");
    let text = std::fs::read_to_string(&broken).expect("text");
    std::fs::write(&broken, text.replacen("\"Version\":1", "\"Version\":9", 1)).expect("text");
    let checked = room.check(Level::Full);
    assert_eq!((newest(&checked), codes(&checked)), (Some("4-4-1"), vec![PASSED_OVER; 3]));
    // The library opens a snapshot by the ID in its description, and there is none of that name.
    std::fs::write(&broken, text.replacen("7-7-1", "7-7-2", 1)).expect("text");
    let checked = room.check(Level::Full);
    assert_eq!(codes(&checked), [PASSED_OVER, PASSED_OVER, BAD]);
    std::fs::write(&broken, text.replacen("\"CRC\":\"", "\"CRC\":null,\"x\":\"", 1)).expect("text");
    let checked = room.check(Level::Full);
    assert_eq!((newest(&checked), codes(&checked).pop()), (Some("4-4-1"), Some(BAD)));
}

#[test]
fn every_description_cut_or_flipped_is_read_or_passed_over() {
    let room = Room::new();
    let meta = room.snapshot("2-10-1", (2, 10), b"state").join("meta.json");
    let whole = std::fs::read(&meta).expect("text");
    for at in 0..whole.len() {
        std::fs::write(&meta, &whole[..at]).expect("text");
        assert_eq!(codes(&room.check(Level::Full)), [PASSED_OVER], "cut at {at}");
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&meta, flipped).expect("text");
        // What still reads is proven by its name and checksum, or says something else of index,
        // term and members, which nothing protects.
        room.check(Level::Full);
    }
}

#[test]
fn a_membership_that_waits_for_the_next_start_is_told() {
    let room = Room::new();
    let peers = room.dir.path().join("peers.json");
    let told = |product| {
        let snapshots = room.beside(product).expect("in view");
        let checked = snapshots.check(Level::Full, &mut |_| ControlFlow::Continue(()));
        let fault = checked.expect("readable").faults.pop().expect("one");
        (fault.code, fault.severity, fault.kind.to_string())
    };
    std::fs::write(&peers, r#"[{"id":"n1","address":"127.0.0.1:8300"}]"#).expect("file");
    let (code, severity, words) = told(Some(Product::Dkron));
    assert_eq!((code, severity), (Code::R110, Severity::Info));
    assert!(words.contains("takes its membership from peers.json (1 servers, 1"), "{words}");
    let (_, _, words) = told(Some(Product::Nomad));
    assert!(words.contains("deletes peers.json unused"), "{words}");
    std::fs::write(room.dir.path().join("peers.info"), "x").expect("file");
    let (_, _, words) = told(Some(Product::Nomad));
    assert!(words.contains("takes its membership"), "{words}");
    std::fs::write(&peers, "[]").expect("file");
    let (_, severity, words) = told(None);
    assert_eq!(severity, Severity::Warning);
    assert!(words.contains("no voter"), "{words}");
}
