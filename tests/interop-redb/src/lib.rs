//! What the tests of the two projects share: raftlog as a program, the bundled files, and a log as
//! the project's own storage reads, writes and extends it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::{
    BasicNode, CommittedLeaderId, Entry, EntryPayload, LogId, Membership, RaftTypeConfig, Vote,
};
use serde_json::Value;

/// A directory to work in.
pub struct Room {
    dir: tempfile::TempDir,
}

impl Default for Room {
    fn default() -> Room {
        Room { dir: tempfile::tempdir().expect("a directory") }
    }
}

impl Room {
    /// A path in the room.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A bundled file, written by the project itself, as a copy that may be changed.
    pub fn fixture(&self, name: &str) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let packed = std::fs::File::open(root.join("fixtures/redb/redb-real.tar.gz"));
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed.expect("fixture")));
        let to = self.path(name);
        for member in tar.entries().expect("members") {
            let mut member = member.expect("member");
            let is_it = member.path().expect("name").file_name() == Some(name.as_ref());
            if is_it {
                member.unpack(&to).expect("unpack");
                return to;
            }
        }
        panic!("{name} is not in the archive");
    }

    /// The file after a migration to FastLog and another one back.
    pub fn there_and_back(&self, file: &Path) -> PathBuf {
        self.there_and_back_ending(0, file)
    }

    /// As [`Room::there_and_back`] where each migration ends with an exit code.
    pub fn there_and_back_ending(&self, code: i32, file: &Path) -> PathBuf {
        let (there, back) = (self.path("there.fastlog"), self.path("back.redb"));
        for path in [&there, &back] {
            if path.exists() {
                let removed = if path.is_dir() { std::fs::remove_dir_all } else { remove_file };
                removed(path).expect("remove");
            }
        }
        let to = |format| ["--to", format, "--quiet"];
        let migrate = |from, into, format| {
            raftlog_ending(code, &[&["migrate", text(from), text(into)], &to(format)[..]].concat());
        };
        migrate(file, &there, "fastlog");
        migrate(&there, &back, "redb");
        back
    }

    /// The file after a migration to redb itself that ends with an exit code.
    pub fn straight_ending(&self, code: i32, file: &Path) -> PathBuf {
        let straight = self.path("straight.redb");
        let paths = ["migrate", text(file), text(&straight)];
        raftlog_ending(code, &[&paths[..], &["--to", "redb", "--quiet"]].concat());
        straight
    }
}

fn remove_file(path: &PathBuf) -> std::io::Result<()> {
    std::fs::remove_file(path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Runs raftlog, which must find nothing wrong, and gives what it prints. It is the program that
/// `cargo build` leaves beside this package, or the one that `RAFTLOG` names.
pub fn raftlog(arguments: &[&str]) -> String {
    raftlog_ending(0, arguments)
}

/// Runs raftlog, which must end with an exit code.
fn raftlog_ending(code: i32, arguments: &[&str]) -> String {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/raftlog");
    let program = std::env::var_os("RAFTLOG").map_or(built, PathBuf::from);
    let out = Command::new(&program).args(arguments).output();
    let out = out.unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo build` in the root makes it", program.display())
    });
    let printed = String::from_utf8(out.stdout).expect("UTF-8");
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{arguments:?}\n{printed}{told}");
    printed
}

/// A log as a project's own storage reads it.
#[derive(Debug, PartialEq)]
pub struct Contents {
    pub purged: Option<LogId<u64>>,
    pub last: Option<LogId<u64>>,
    pub vote: Option<Vote<u64>>,
    pub committed: Option<LogId<u64>>,
    /// Each entry's id and its payload, as serde tells it.
    pub entries: Vec<(LogId<u64>, Value)>,
}

/// Reads everything through the project's storage.
pub async fn contents<C, S>(store: &mut S) -> Contents
where
    C: RaftTypeConfig<NodeId = u64, Node = BasicNode, Entry = Entry<C>>,
    S: RaftLogStorage<C>,
{
    let state = store.get_log_state().await.expect("log state");
    let entries = store.try_get_log_entries(0..).await;
    let told =
        |entry: &Entry<C>| (entry.log_id, serde_json::to_value(&entry.payload).expect("a payload"));
    Contents {
        purged: state.last_purged_log_id,
        last: state.last_log_id,
        vote: store.read_vote().await.expect("vote"),
        committed: store.read_committed().await.expect("committed"),
        entries: entries.expect("entries").iter().map(told).collect(),
    }
}

/// Holds what `inspect` prints of a file against what the project's storage read from it.
pub fn assert_inspect_agrees(file: &Path, read: &Contents) {
    let lines = raftlog(&["inspect", text(file), "--entries", "--format", "jsonl", "--quiet"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let shown: Vec<(u64, u64, String)> = lines
        .filter(|line| line["type"] == "entry")
        .map(|line| {
            let number = |name: &str| line[name].as_u64().expect("a number");
            (number("index"), number("term"), line["kind"].as_str().expect("kind").to_owned())
        })
        .collect();
    let kind = |payload: &Value| match payload {
        Value::String(_) => "noop",
        Value::Object(map) if map.contains_key("Membership") => "configuration",
        _ => "command",
    };
    let entries = read.entries.iter();
    let expected: Vec<(u64, u64, String)> = entries
        .map(|(id, payload)| (id.index, id.leader_id.term, kind(payload).to_owned()))
        .collect();
    assert_eq!(shown, expected);

    let whole = raftlog(&["inspect", text(file), "--format", "json", "--quiet"]);
    let whole: Value = serde_json::from_str(&whole).expect("JSON");
    let group = &whole["result"]["groups"][0];
    let hard = &group["hard_state"];
    let vote = read.vote.map(|vote| (vote.leader_id.term, vote.leader_id.voted_for()));
    assert_eq!(hard["vote"]["term"].as_u64(), vote.map(|(term, _)| term));
    let candidate = vote.and_then(|(_, node)| node).map(|node| node.to_string());
    assert_eq!(hard["vote"]["candidate"].as_str(), candidate.as_deref());
    assert_eq!(hard["commit"].as_u64(), read.committed.map(|id| id.index));
    assert_eq!(group["compacted"]["index"].as_u64(), read.purged.map(|id| id.index));
}

/// A bundled log of the project comes back from FastLog as its storage read it before, and is one
/// that the storage goes on with.
pub async fn assert_comes_back_and_goes_on<C, S>(
    fixture: &str,
    entries: usize,
    store: impl Fn(&Path) -> S,
    command: impl Fn(u64) -> C::D,
) where
    C: RaftTypeConfig<NodeId = u64, Node = BasicNode, Entry = Entry<C>>,
    S: RaftLogStorage<C>,
{
    let room = Room::default();
    let source = room.fixture(fixture);
    let back = room.there_and_back(&source);
    let original = contents(&mut store(&source)).await;
    assert_eq!(original.entries.len(), entries);
    let written = contents(&mut store(&back)).await;
    assert_eq!(written, original);
    Life::on(1, &written).live(&mut store(&back), 40, command).await;
    let longer = contents(&mut store(&back)).await;
    assert!(longer.last > written.last);
    assert_verified(&back);
    assert_inspect_agrees(&back, &longer);
}

/// Whatever the project's storage wrote in some lives is read alike, and comes back from FastLog.
pub async fn assert_lives_come_back<C, S>(
    store: impl Fn(&Path) -> S,
    command: impl Fn(u64) -> C::D + Copy,
) where
    C: RaftTypeConfig<NodeId = u64, Node = BasicNode, Entry = Entry<C>>,
    S: RaftLogStorage<C>,
{
    for seed in 0..12 {
        let room = Room::default();
        let file = room.path("log.redb");
        Life::new(seed).live(&mut store(&file), 30, command).await;
        let original = contents(&mut store(&file)).await;
        assert_inspect_agrees(&file, &original);
        assert_verified(&file);
        let back = room.there_and_back(&file);
        assert_eq!(contents(&mut store(&back)).await, original, "seed {seed}");
    }
}

/// `verify` finds nothing.
pub fn assert_verified(file: &Path) {
    raftlog(&["verify", text(file), "--quiet"]);
}

/// Numbers that look like chance, the same for the same seed.
pub struct Chance(pub u64);

impl Chance {
    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A node's life, seen from its log: terms, overwritten tails, commit, purged prefixes.
pub struct Life {
    chance: Chance,
    term: u64,
    ids: Vec<LogId<u64>>,
    committed: Option<LogId<u64>>,
    purged: Option<LogId<u64>>,
}

impl Life {
    /// A node that was never there before.
    pub fn new(seed: u64) -> Life {
        Life { chance: Chance(seed), term: 0, ids: vec![], committed: None, purged: None }
    }

    /// A node that goes on with a log.
    pub fn on(seed: u64, contents: &Contents) -> Life {
        Life {
            chance: Chance(seed),
            term: contents.vote.map_or(0, |vote| vote.leader_id.term),
            ids: contents.entries.iter().map(|(id, _)| *id).collect(),
            committed: contents.committed,
            purged: contents.purged,
        }
    }

    /// Does `steps` things to the storage.
    pub async fn live<C, S>(&mut self, store: &mut S, steps: u64, command: impl Fn(u64) -> C::D)
    where
        C: RaftTypeConfig<NodeId = u64, Node = BasicNode, Entry = Entry<C>>,
        S: RaftLogStorage<C>,
    {
        for _ in 0..steps {
            match self.chance.below(8) {
                0 => self.elect(store).await,
                1 => self.truncate(store).await,
                2 => self.commit(store).await,
                3 => self.purge(store).await,
                _ => self.append(store, &command).await,
            }
        }
    }

    fn next(&self) -> u64 {
        self.ids.last().or(self.purged.as_ref()).map_or(0, |id| id.index + 1)
    }

    async fn append<C, S>(&mut self, store: &mut S, command: &impl Fn(u64) -> C::D)
    where
        C: RaftTypeConfig<NodeId = u64, Node = BasicNode, Entry = Entry<C>>,
        S: RaftLogStorage<C>,
    {
        let count = 1 + self.chance.below(40);
        let mut entries: Vec<Entry<C>> = vec![];
        for index in self.next()..self.next() + count {
            // As `initialize` does it: the first membership has term 0.
            let leader = if index == 0 { (0, 0) } else { (self.term, 1) };
            let payload = match (index, self.chance.below(12)) {
                (0, _) | (_, 0) => EntryPayload::Membership(membership(index)),
                (_, 1) => EntryPayload::Blank,
                _ => EntryPayload::Normal(command(self.chance.below(300))),
            };
            let log_id = LogId::new(CommittedLeaderId::new(leader.0, leader.1), index);
            entries.push(Entry { log_id, payload });
        }
        self.ids.extend(entries.iter().map(|entry| entry.log_id));
        store.blocking_append(entries).await.expect("append");
    }

    async fn elect<C, S>(&mut self, store: &mut S)
    where
        C: RaftTypeConfig<NodeId = u64>,
        S: RaftLogStorage<C>,
    {
        self.term += 1 + self.chance.below(2);
        let mut vote = Vote::new(self.term, 1 + self.chance.below(3));
        vote.committed = self.chance.below(2) == 0;
        store.save_vote(&vote).await.expect("vote");
    }

    async fn truncate<C, S>(&mut self, store: &mut S)
    where
        C: RaftTypeConfig<NodeId = u64>,
        S: RaftLogStorage<C>,
    {
        let safe = self.committed.map_or(1, |id| id.index + 1);
        let Some(at) = self.ids.iter().position(|id| id.index >= safe) else { return };
        let at = at + self.chance.below((self.ids.len() - at) as u64) as usize;
        store.truncate(self.ids[at]).await.expect("truncate");
        self.ids.truncate(at);
    }

    async fn commit<C, S>(&mut self, store: &mut S)
    where
        C: RaftTypeConfig<NodeId = u64>,
        S: RaftLogStorage<C>,
    {
        let old = self.committed.map_or(0, |id| id.index);
        let Some(at) = self.ids.iter().position(|id| id.index >= old) else { return };
        let at = at + self.chance.below((self.ids.len() - at) as u64) as usize;
        self.committed = Some(self.ids[at]);
        store.save_committed(self.committed).await.expect("committed");
    }

    async fn purge<C, S>(&mut self, store: &mut S)
    where
        C: RaftTypeConfig<NodeId = u64>,
        S: RaftLogStorage<C>,
    {
        let Some(committed) = self.committed else { return };
        let Some(below) = self.ids.iter().position(|id| *id == committed) else { return };
        let at = self.chance.below(below as u64 + 1) as usize;
        self.purged = Some(self.ids[at]);
        store.purge(self.ids[at]).await.expect("purge");
        self.ids.drain(..=at);
    }
}

fn membership(index: u64) -> Membership<u64, BasicNode> {
    let nodes: BTreeMap<u64, BasicNode> =
        (1..=3).map(|id| (id, BasicNode::new(format!("10.0.0.{id}:2100")))).collect();
    let voters = |ids: &[u64]| BTreeSet::from_iter(ids.iter().copied());
    let configs = match index % 3 {
        0 => vec![voters(&[1])],
        1 => vec![voters(&[1]), voters(&[1, 2])],
        _ => vec![voters(&[1, 2, 3])],
    };
    Membership::new(configs, nodes)
}
