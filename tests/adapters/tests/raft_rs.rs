//! Three nodes of raft-rs in one process, each with several groups over one FastLog, restarted
//! under load: in the end all are equal.

#![allow(clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raft::eraftpb::{Entry, Message, MessageType, Snapshot};
use raft::{Config, RawNode, SnapshotStatus, StateRole, Storage};
use raftlog::fastlog::policy::{Ack, Flush, Strategy};
use raftlog::fastlog::{Batch, FastLog, Options, Ticket};
use raftlog::model::{Durability, Entry as KeptEntry, GroupId, IndexRange};
use raftlog::vfs::os::{OsClock, OsFs};
use raftlog_adapters::raft_rs_store::GroupStore;
use serde::{Deserialize, Serialize};

const NODES: u64 = 3;
const GROUPS: usize = 4;
/// Entries applied between two snapshots of a state machine.
const SNAPSHOT_EVERY: u64 = 40;

/// Numbers in sequence, so that a test is the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What commands add up to: everything that was applied, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Machine {
    applied: u64,
    term: u64,
    commands: u64,
    digest: u64,
}

impl Machine {
    fn apply(&mut self, entry: &Entry) {
        assert_eq!(entry.index, self.applied + 1, "applied in order, each once");
        (self.applied, self.term) = (entry.index, entry.term);
        if !entry.data.is_empty() {
            self.commands += 1;
            for byte in entry.data.iter() {
                self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
    }
}

struct Group {
    raw: RawNode<GroupStore>,
    store: GroupStore,
    machine: Machine,
    file: PathBuf,
    saved: u64,
}

impl Group {
    fn open(node: u64, number: usize, log: &Arc<FastLog>, dir: &Path) -> Group {
        let id = GroupId::named(&format!("group {number}"));
        let group = log.group(&id).unwrap_or_else(|| log.create_group(&id).expect("made"));
        let store = GroupStore::new(Arc::clone(log), group, (1..=NODES).collect());
        let file = dir.join(format!("machine-{number}"));
        let saved = std::fs::read(&file).ok();
        let machine: Machine =
            saved.map(|bytes| serde_json::from_slice(&bytes).expect("whole")).unwrap_or_default();
        if machine.applied > 0 {
            let bytes = serde_json::to_vec(&machine).expect("encoded");
            store.keep_snapshot(bytes, machine.applied, machine.term);
        }
        let config = Config {
            id: node,
            election_tick: 10,
            heartbeat_tick: 3,
            max_size_per_msg: 16 << 10,
            applied: machine.applied,
            ..Config::default()
        };
        let quiet = slog::Logger::root(slog::Discard, slog::o!());
        let raw = RawNode::new(&config, store.clone(), &quiet).expect("a node");
        Group { raw, store, saved: machine.applied, machine, file }
    }

    /// The state machine's own durable store.
    fn save(&mut self) {
        let bytes = serde_json::to_vec(&self.machine).expect("encoded");
        let new = self.file.with_extension("new");
        let mut file = File::create(&new).expect("created");
        file.write_all(&bytes).expect("written");
        file.sync_all().expect("synced");
        std::fs::rename(&new, &self.file).expect("renamed");
        File::open(self.file.parent().expect("a directory"))
            .expect("open")
            .sync_all()
            .expect("synced");
        self.store.keep_snapshot(bytes, self.machine.applied, self.machine.term);
        self.saved = self.machine.applied;
    }

    fn install(&mut self, snapshot: &Snapshot) {
        self.machine = serde_json::from_slice(snapshot.get_data()).expect("whole");
        assert_eq!(self.machine.applied, snapshot.get_metadata().index);
        self.save();
    }

    fn apply(&mut self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.machine.apply(entry));
    }

    /// Saves the state machine now and then, and compacts the log up to there.
    fn compact(&mut self, log: &FastLog) {
        if self.machine.applied < self.saved + SNAPSHOT_EVERY {
            return;
        }
        self.save();
        let mut batch = Batch::new();
        self.store.put_compaction(&mut batch, self.machine.applied, self.machine.term);
        log.write(batch).expect("compacted");
        log.purge().expect("purged");
    }
}

struct Node {
    id: u64,
    dir: PathBuf,
    options: Options,
    log: Arc<FastLog>,
    groups: Vec<Group>,
}

impl Node {
    fn open(id: u64, dir: PathBuf, options: Options) -> Node {
        let (fs, clock) = (Arc::new(OsFs), Arc::new(OsClock));
        let log = FastLog::open_or_create(fs, clock, &dir.join("log"), &options).expect("opens");
        let log = Arc::new(log);
        let groups = (0..GROUPS).map(|number| Group::open(id, number, &log, &dir)).collect();
        Node { id, dir, options, log, groups }
    }

    /// The process ends without a word; another one begins.
    fn restart(self) -> Node {
        let Node { id, dir, options, log, groups } = self;
        drop(groups);
        drop(Arc::into_inner(log).expect("nobody else has the log"));
        Node::open(id, dir, options)
    }

    /// All Readys of all groups: one batch a group, one wait for all, then the messages.
    fn work(&mut self, out: &mut VecDeque<(usize, Message)>) {
        let mut readys = Vec::new();
        for (number, group) in self.groups.iter_mut().enumerate() {
            if !group.raw.has_ready() {
                continue;
            }
            let mut ready = group.raw.ready();
            out.extend(ready.take_messages().into_iter().map(|message| (number, message)));
            let mut batch = Batch::new();
            if !ready.snapshot().is_empty() {
                group.install(ready.snapshot());
                group.store.put_snapshot(&mut batch, ready.snapshot()).expect("fits");
            }
            group.store.put(&mut batch, ready.entries(), ready.hs()).expect("fits");
            let submit = |batch| self.log.submit(batch).expect("accepted");
            let ticket: Option<Ticket> = (!batch.is_empty()).then(|| submit(batch));
            readys.push((number, ready, ticket));
        }
        for (_, _, ticket) in &readys {
            ticket.iter().for_each(|ticket| ticket.wait_for(Ack::Durable).expect("durable"));
        }
        for (number, mut ready, _) in readys {
            let Some(group) = self.groups.get_mut(number) else { continue };
            let persisted = ready.take_persisted_messages();
            out.extend(persisted.into_iter().map(|message| (number, message)));
            group.apply(&ready.take_committed_entries());
            let mut light = group.raw.advance(ready);
            out.extend(light.take_messages().into_iter().map(|message| (number, message)));
            group.apply(&light.take_committed_entries());
            if let Some(commit) = light.commit_index() {
                let mut hard = group.raw.raft.hard_state();
                hard.commit = commit;
                let mut batch = Batch::new();
                group.store.put(&mut batch, &[], Some(&hard)).expect("fits");
                self.log.submit(batch).expect("accepted");
            }
            group.raw.advance_apply();
            group.compact(&self.log);
        }
    }
}

struct Cluster {
    nodes: Vec<Node>,
    network: VecDeque<(usize, Message)>,
    dice: Dice,
    restarts: usize,
    installed: usize,
    proposed: u64,
}

impl Cluster {
    fn new(dir: &Path, options: Options) -> Cluster {
        let node = |id| {
            let dir = dir.join(format!("node-{id}"));
            std::fs::create_dir(&dir).expect("a directory");
            Node::open(id, dir, options)
        };
        let (network, dice) = (VecDeque::new(), Dice(88_172_645_463_325_252));
        let nodes = (1..=NODES).map(node).collect();
        Cluster { nodes, network, dice, restarts: 0, installed: 0, proposed: 0 }
    }

    fn deliver(&mut self) {
        let mut sent = std::mem::take(&mut self.network);
        while let Some((number, message)) = sent.pop_front() {
            let (from, to) = (message.from, message.to);
            let is_snapshot = message.get_msg_type() == MessageType::MsgSnapshot;
            let group = self.group(to, number).expect("a group");
            group.raw.step(message).ok();
            if is_snapshot {
                self.installed += 1;
                self.report(from, to, number, SnapshotStatus::Finish);
            }
        }
        for node in &mut self.nodes {
            node.work(&mut self.network);
        }
    }

    fn tick(&mut self) {
        for group in self.nodes.iter_mut().flat_map(|node| &mut node.groups) {
            group.raw.tick();
        }
        for _ in 0..3 {
            self.deliver();
        }
    }

    fn propose(&mut self) {
        for node in &mut self.nodes {
            for (number, group) in node.groups.iter_mut().enumerate() {
                if group.raw.raft.state != StateRole::Leader {
                    continue;
                }
                for _ in 0..self.dice.below(4) {
                    let len = self.dice.below(600) as usize;
                    let mut command = format!("{number}:{}:", self.proposed).into_bytes();
                    command.resize(command.len() + len, b'x');
                    if group.raw.propose(Vec::new(), command).is_ok() {
                        self.proposed += 1;
                    }
                }
            }
        }
    }

    fn restart(&mut self, at: usize) {
        let node = self.nodes.remove(at);
        let id = node.id;
        // What was under way to it and from it is lost.
        self.lose(|message| message.to == id || message.from == id);
        self.nodes.insert(at, node.restart());
        self.restarts += 1;
    }

    /// Loses messages.
    fn lose(&mut self, is_lost: impl Fn(&Message) -> bool) {
        let sent = std::mem::take(&mut self.network).into_iter();
        let (lost, kept): (VecDeque<_>, VecDeque<_>) =
            sent.partition(|(_, message)| is_lost(message));
        self.network = kept;
        for (number, message) in lost {
            if message.get_msg_type() == MessageType::MsgSnapshot {
                self.report(message.from, message.to, number, SnapshotStatus::Failure);
            }
        }
    }

    fn group(&mut self, node: u64, number: usize) -> Option<&mut Group> {
        let node = self.nodes.iter_mut().find(|known| known.id == node)?;
        node.groups.get_mut(number)
    }

    /// Tells whoever sent a snapshot what became of it, as a transport must: the answer may be
    /// lost, and without a word the sender would wait for ever.
    fn report(&mut self, from: u64, to: u64, number: usize, status: SnapshotStatus) {
        if let Some(group) = self.group(from, number) {
            group.raw.report_snapshot(to, status);
        }
    }

    fn is_settled(&self) -> bool {
        (0..GROUPS).all(|number| {
            let machines: Vec<&Machine> =
                self.nodes.iter().map(|node| &node.groups[number].machine).collect();
            machines.windows(2).all(|pair| pair[0] == pair[1])
        })
    }
}

fn run(options: Options) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut cluster = Cluster::new(dir.path(), options);
    for round in 0..300 {
        cluster.tick();
        cluster.propose();
        if round > 30 && cluster.dice.below(12) == 0 {
            let at = cluster.dice.below(NODES) as usize;
            cluster.restart(at);
        }
        if round % 75 == 50 {
            // One node misses much, so that it needs a snapshot.
            let away = cluster.nodes.remove(0);
            cluster.lose(|message| message.to == away.id);
            for _ in 0..60 {
                for group in cluster.nodes.iter_mut().flat_map(|node| &mut node.groups) {
                    group.raw.tick();
                }
                cluster.propose();
                for _ in 0..3 {
                    cluster.lose(|message| message.to == away.id);
                    cluster.deliver();
                }
            }
            cluster.lose(|message| message.to == away.id);
            cluster.nodes.insert(0, away.restart());
            cluster.restarts += 1;
        }
    }
    for _ in 0..200 {
        cluster.tick();
    }
    assert!(cluster.is_settled(), "the state machines are equal");
    assert!(cluster.restarts > 15, "{} restarts", cluster.restarts);
    assert!(cluster.installed > 0, "nobody ever needed a snapshot");
    for number in 0..GROUPS {
        let commands = cluster.nodes[0].groups[number].machine.commands;
        assert!(commands > 100, "group {number}: {commands}");
        logs_are_equal(&cluster, number);
    }
    // Once more, all of them: what they are is on the disk.
    let before: Vec<Machine> =
        cluster.nodes[0].groups.iter().map(|group| group.machine.clone()).collect();
    (0..NODES as usize).for_each(|at| cluster.restart(at));
    for _ in 0..100 {
        cluster.tick();
    }
    assert!(cluster.is_settled());
    for (group, before) in cluster.nodes[0].groups.iter().zip(before) {
        assert_eq!(
            (group.machine.commands, group.machine.digest),
            (before.commands, before.digest)
        );
    }
}

/// Wherever two logs have the same index, they have the same entry, as far as it is committed.
fn logs_are_equal(cluster: &Cluster, number: usize) {
    let read = |node: &Node| -> Vec<KeptEntry> {
        let group = node.log.group(&GroupId::named(&format!("group {number}"))).expect("there");
        node.log
            .entries(group, IndexRange::ALL)
            .map(|placed| placed.expect("reads").entry)
            .collect()
    };
    let commit = cluster.nodes[0].groups[number].machine.applied;
    let logs: Vec<Vec<KeptEntry>> = cluster.nodes.iter().map(read).collect();
    let mut compared = 0;
    for entry in logs[0].iter().filter(|entry| entry.index.0 <= commit) {
        for other in &logs[1..] {
            if let Some(same) = other.iter().find(|other| other.index == entry.index) {
                assert_eq!(same, entry);
                compared += 1;
            }
        }
    }
    let first = cluster.nodes[0].groups[number].store.first_index().expect("known");
    assert!(compared > 0 || first > commit, "nothing to compare in group {number}");
}

fn options() -> Options {
    Options { segment_bytes: Some(32 << 10), ..Options::default() }
}

#[test]
fn nodes_with_several_groups_over_one_log_are_restarted_under_load_and_end_equal() {
    run(options());
}

#[test]
fn the_same_with_memory_first_as_every_message_waits_for_the_durable_watermark() {
    let flush = Some(Flush::Immediate);
    run(Options { strategy: Some(Strategy::MemFirst), flush, ..options() });
}

#[test]
fn the_same_at_level_0() {
    run(Options { level: Some(Durability::Mid), ..options() });
}
