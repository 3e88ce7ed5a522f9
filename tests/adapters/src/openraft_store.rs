//! openraft's log storage over one group of a FastLog.
//!
//! The log runs with the strategy memory first: what is appended can be read at once, as openraft
//! wants it, and its callback is called when the durable watermark has come there.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{Entry, LogId, OptionalSend, RaftLogReader, StorageError, StorageIOError, Vote};
use raftlog::fastlog::format::GroupNo;
use raftlog::fastlog::policy::Ack;
use raftlog::fastlog::{AppliedAndSynced, Batch, FastLog};
use raftlog::model::{
    EntryExtra, EntryKind, GroupId, IndexRange, LogIndex, SharedBytes, SnapshotNote, StableValue,
    Term,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

openraft::declare_raft_types!(
    /// Commands and answers are text.
    pub Types: D = String, R = String, SnapshotData = io::Cursor<Vec<u8>>
);

type Failure = StorageError<u64>;

const VOTE: &[u8] = b"vote";
const COMMITTED: &[u8] = b"committed";
/// A term does not say whose it was, which openraft wants to know of the last purged entry.
const PURGED: &[u8] = b"purged";

/// A group of a log.
#[derive(Clone)]
pub struct LogStore {
    log: Arc<FastLog>,
    group: GroupNo,
}

impl LogStore {
    /// The store of the group `id`, made if it is not there.
    ///
    /// # Errors
    /// Those of the log.
    pub fn new(log: Arc<FastLog>, id: &GroupId) -> Result<LogStore, raftlog::fastlog::Error> {
        let group = match log.group(id) {
            Some(group) => group,
            None => log.create_group(id)?,
        };
        Ok(LogStore { log, group })
    }

    fn durably(&self, batch: Batch) -> Result<(), Failure> {
        let ticket = self.log.submit(batch).map_err(|error| StorageIOError::write(&error))?;
        Ok(ticket.wait_for(Ack::Durable).map_err(|error| StorageIOError::write(&error))?)
    }

    fn put(&self, batch: &mut Batch, key: &[u8], value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_vec(value).map_err(|error| StorageIOError::write(&error))?;
        let put = batch.set_stable(self.group, key, &StableValue::bytes(&json));
        Ok(put.map_err(|error| StorageIOError::write(&error))?)
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Failure> {
        let state = self.log.state(self.group).unwrap_or_default();
        let value = state.stable.get(key).map(|value| serde_json::from_slice(&value.bytes));
        Ok(value.transpose().map_err(|error| StorageIOError::read(&error))?)
    }

    fn range(&self, range: IndexRange) -> Result<Vec<Entry<Types>>, Failure> {
        let mut found = Vec::new();
        for placed in self.log.entries(self.group, range) {
            let entry = placed.map_err(|error| StorageIOError::read_logs(&error))?.entry;
            let decoded = serde_json::from_slice(entry.payload_bytes());
            found.push(decoded.map_err(|error| StorageIOError::read_logs(&error))?);
        }
        Ok(found)
    }

    /// The highest index that was purged.
    fn purged(&self) -> Option<u64> {
        Some(self.log.state(self.group)?.compacted?.index.0)
    }

    fn last(&self) -> Option<LogIndex> {
        Some(self.log.state(self.group)?.bounds?.last())
    }
}

/// `range` with both ends inside; `None` when it is empty.
fn inside(range: &impl RangeBounds<u64>) -> Option<IndexRange> {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let last = match range.end_bound() {
        Bound::Included(last) => *last,
        Bound::Excluded(behind) => behind.checked_sub(1)?,
        Bound::Unbounded => u64::MAX,
    };
    IndexRange::new(LogIndex(first), LogIndex(last))
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<Types>>, Failure> {
        inside(&range).map_or(Ok(Vec::new()), |range| self.range(range))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, Failure> {
        let last_purged_log_id: Option<LogId<u64>> = self.get(PURGED)?;
        let last = self.last().and_then(|last| IndexRange::new(last, last));
        let last = last.map(|range| self.range(range)).transpose()?;
        let last = last.and_then(|entries| entries.first().map(|entry| entry.log_id));
        Ok(LogState { last_purged_log_id, last_log_id: last.or(last_purged_log_id) })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), Failure> {
        let mut batch = Batch::new();
        self.put(&mut batch, VOTE, vote)?;
        self.durably(batch)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, Failure> {
        self.get(VOTE)
    }

    async fn save_committed(&mut self, committed: Option<LogId<u64>>) -> Result<(), Failure> {
        let mut batch = Batch::new();
        self.put(&mut batch, COMMITTED, &committed)?;
        self.durably(batch)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<u64>>, Failure> {
        Ok(self.get::<Option<LogId<u64>>>(COMMITTED)?.flatten())
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut encoded = Vec::new();
        // What was purged is in the state machine; there is no place for it in the log.
        let purged = self.purged();
        for entry in entries {
            if purged.is_some_and(|purged| entry.log_id.index <= purged) {
                continue;
            }
            let json = serde_json::to_vec(&entry).map_err(|e| StorageIOError::write_logs(&e))?;
            encoded.push(raftlog::model::Entry {
                index: LogIndex(entry.log_id.index),
                term: Term(entry.log_id.leader_id.term),
                kind: EntryKind::Command,
                kind_code: None,
                payload: Some(SharedBytes::from(json)),
                extra: EntryExtra::default(),
            });
        }
        let mut batch = Batch::new();
        let appended = batch.append(self.group, &encoded);
        appended.map_err(|error| StorageIOError::write_logs(&error))?;
        if batch.is_empty() {
            callback.log_io_completed(Ok(()));
            return Ok(());
        }
        let ticket = self.log.submit(batch).map_err(|e| StorageIOError::write_logs(&e))?;
        ticket.when(Ack::Durable, move |result| {
            callback.log_io_completed(result.map_err(io::Error::other));
        });
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<(), Failure> {
        let mut batch = Batch::new();
        batch.truncate(self.group, LogIndex(log_id.index));
        self.durably(batch)
    }

    /// openraft purges only what its state machine or a snapshot holds.
    async fn purge(&mut self, log_id: LogId<u64>) -> Result<(), Failure> {
        let (index, term) = (LogIndex(log_id.index), Term(log_id.leader_id.term));
        if self.purged().is_some_and(|purged| index.0 <= purged) {
            return Ok(());
        }
        let id = None;
        let snapshot = SnapshotNote { index, term, id, note: SharedBytes::default() };
        let mut batch = Batch::new();
        let marked = batch.snapshot_marker(self.group, &snapshot, AppliedAndSynced::through(index));
        marked.map_err(|error| StorageIOError::write_logs(&error))?;
        self.put(&mut batch, PURGED, &log_id)?;
        self.durably(batch)?;
        self.log.purge().map_err(|error| StorageIOError::write_logs(&error))?;
        Ok(())
    }
}
