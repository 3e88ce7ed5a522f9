//! openraft's own suite over a FastLog.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use openraft::storage::RaftStateMachine;
use openraft::testing::{StoreBuilder, Suite};
use openraft::{
    BasicNode, Entry, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};
use raftlog::fastlog::policy::Strategy;
use raftlog::fastlog::{FastLog, Options};
use raftlog::model::GroupId;
use raftlog::vfs::os::{OsClock, OsFs};
use raftlog_adapters::openraft_store::{LogStore, Types};
use serde::{Deserialize, Serialize};

type Failure = StorageError<u64>;

/// The suite wants a state machine too; this one is in memory, as it is not what is tested.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Machine {
    applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, BasicNode>,
    values: BTreeMap<u64, String>,
}

#[derive(Default)]
struct Kept {
    machine: Machine,
    snapshot: Option<(SnapshotMeta<u64, BasicNode>, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct StateMachine(Arc<Mutex<Kept>>);

impl StateMachine {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("not poisoned")
    }
}

fn snapshot(meta: SnapshotMeta<u64, BasicNode>, bytes: Vec<u8>) -> Snapshot<Types> {
    Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) }
}

impl RaftSnapshotBuilder<Types> for StateMachine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, Failure> {
        let mut kept = self.kept();
        let bytes = serde_json::to_vec(&kept.machine)
            .map_err(|error| StorageIOError::read_state_machine(&error))?;
        let meta = SnapshotMeta {
            last_log_id: kept.machine.applied,
            last_membership: kept.machine.membership.clone(),
            snapshot_id: format!("{:?}", kept.machine.applied),
        };
        kept.snapshot = Some((meta.clone(), bytes.clone()));
        Ok(snapshot(meta, bytes))
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = StateMachine;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, BasicNode>), Failure> {
        let kept = self.kept();
        Ok((kept.machine.applied, kept.machine.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<String>, Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut kept = self.kept();
        let mut answers = Vec::new();
        for entry in entries {
            kept.machine.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(value) => {
                    kept.machine.values.insert(entry.log_id.index, value);
                }
                EntryPayload::Membership(membership) => {
                    kept.machine.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
            }
            answers.push(String::new());
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> StateMachine {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, BasicNode>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failure> {
        let bytes = snapshot.into_inner();
        let machine = serde_json::from_slice(&bytes)
            .map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        *self.kept() = Kept { machine, snapshot: Some((meta.clone(), bytes)) };
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, Failure> {
        let kept = self.kept();
        Ok(kept.snapshot.clone().map(|(meta, bytes)| snapshot(meta, bytes)))
    }
}

fn open(dir: &Path) -> Arc<FastLog> {
    let options = Options {
        strategy: Some(Strategy::MemFirst),
        segment_bytes: Some(64 << 10),
        ..Options::default()
    };
    let opened = FastLog::open_or_create(Arc::new(OsFs), Arc::new(OsClock), dir, &options);
    Arc::new(opened.expect("opens"))
}

struct Builder;

impl StoreBuilder<Types, LogStore, StateMachine, tempfile::TempDir> for Builder {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, StateMachine), Failure> {
        let dir = tempfile::tempdir().expect("a directory");
        let log = open(&dir.path().join("log"));
        let store = LogStore::new(log, &GroupId::named("one")).expect("a group");
        Ok((dir, store, StateMachine::default()))
    }
}

#[test]
fn fastlog_passes_the_suite_of_openraft() {
    Suite::test_all(Builder).expect("passes");
}
