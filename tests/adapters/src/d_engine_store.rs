//! d-engine's storage engine over one group of a FastLog.

use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use d_engine_core::{Error, HardState, LogStore, MetaStore, StorageEngine, StorageError};
use d_engine_proto::common::{Entry, LogId};
use d_engine_proto::server::election::VotedFor;
use prost::Message;
use raftlog::fastlog::format::GroupNo;
use raftlog::fastlog::policy::Ack;
use raftlog::fastlog::{AppliedAndSynced, Batch, FastLog, Refusal};
use raftlog::model::{
    Candidate, EntryExtra, EntryKind, GroupId, HardState as KeptState, IndexRange, LogIndex,
    LogState, SharedBytes, SnapshotNote, StableValue, Term, Vote,
};

/// Says whether the vote was for a leader that is known to be one.
const COMMITTED: &[u8] = b"vote committed";

/// A group of a log as both stores of d-engine.
pub struct Engine(Arc<Group>);

/// The log in one group, term and vote in another, as the log can be reset without them.
pub struct Group {
    log: FastLog,
    id: GroupId,
    meta: GroupNo,
}

impl Engine {
    /// The group `name` of `log`, made if it is not there.
    ///
    /// # Errors
    /// Those of the log.
    pub fn new(log: FastLog, name: &str) -> Result<Engine, Error> {
        let id = GroupId::named(name);
        made(&log, &id)?;
        let meta = made(&log, &GroupId::named(&format!("{name} meta")))?;
        Ok(Engine(Arc::new(Group { log, id, meta })))
    }
}

fn made(log: &FastLog, id: &GroupId) -> Result<GroupNo, Error> {
    log.group(id).map_or_else(|| log.create_group(id).map_err(failed), Ok)
}

impl StorageEngine for Engine {
    type LogStore = Group;
    type MetaStore = Group;

    fn log_store(&self) -> Arc<Group> {
        Arc::clone(&self.0)
    }

    fn meta_store(&self) -> Arc<Group> {
        Arc::clone(&self.0)
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    StorageError::IoError(std::io::Error::other(error)).into()
}

impl Group {
    fn number(&self) -> Result<GroupNo, Error> {
        let missing = || StorageError::LogStorage("the group was removed".to_owned()).into();
        self.log.group(&self.id).ok_or_else(missing)
    }

    fn state(&self) -> Result<LogState, Error> {
        Ok(self.log.state(self.number()?).unwrap_or_default())
    }

    fn write(
        &self,
        group: GroupNo,
        fill: impl FnOnce(&mut Batch, GroupNo) -> Result<(), Refusal>,
    ) -> Result<(), Error> {
        let mut batch = Batch::new();
        fill(&mut batch, group).map_err(failed)?;
        if batch.is_empty() {
            return Ok(());
        }
        self.log.submit(batch).map_err(failed)?.wait_for(Ack::Durable).map_err(failed)
    }

    fn read(&self, range: RangeInclusive<u64>) -> Result<Vec<Entry>, Error> {
        let first = LogIndex(*range.start());
        let Some(range) = IndexRange::new(first, LogIndex(*range.end())) else {
            return Ok(Vec::new());
        };
        let found = self.log.entries(self.number()?, range);
        let decoded = found.map(|placed| {
            Entry::decode(placed.map_err(failed)?.entry.payload_bytes()).map_err(failed)
        });
        decoded.collect()
    }
}

fn entry_of(entry: &Entry) -> raftlog::model::Entry {
    raftlog::model::Entry {
        index: LogIndex(entry.index),
        term: Term(entry.term),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(entry.encode_to_vec())),
        extra: EntryExtra::default(),
    }
}

#[async_trait]
impl LogStore for Group {
    async fn persist_entries(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let entries: Vec<_> = entries.iter().map(entry_of).collect();
        self.write(self.number()?, |batch, group| batch.append(group, &entries))
    }

    async fn entry(&self, index: u64) -> Result<Option<Entry>, Error> {
        Ok(self.read(index..=index)?.pop())
    }

    fn get_entries(&self, range: RangeInclusive<u64>) -> Result<Vec<Entry>, Error> {
        self.read(range)
    }

    /// d-engine purges what a snapshot covers, which it has saved before.
    async fn purge(&self, cutoff_index: LogId) -> Result<(), Error> {
        let compacted = self.state()?.compacted.map_or(0, |compacted| compacted.index.0);
        if cutoff_index.index <= compacted {
            return Ok(());
        }
        let (index, term) = (LogIndex(cutoff_index.index), Term(cutoff_index.term));
        let snapshot = SnapshotNote { index, term, id: None, note: SharedBytes::default() };
        let applied = AppliedAndSynced::through(index);
        self.write(self.number()?, |batch, group| {
            batch.snapshot_marker(group, &snapshot, applied)
        })?;
        self.log.purge().map_err(failed)?;
        Ok(())
    }

    async fn truncate(&self, from_index: u64) -> Result<(), Error> {
        self.write(self.number()?, |batch, group| {
            batch.truncate(group, LogIndex(from_index));
            Ok(())
        })
    }

    /// One batch: after a crash the old entries are there or the new ones.
    async fn replace_range(&self, from_index: u64, new_entries: Vec<Entry>) -> Result<(), Error> {
        let entries: Vec<_> = new_entries.iter().map(entry_of).collect();
        self.write(self.number()?, |batch, group| {
            batch.truncate(group, LogIndex(from_index));
            batch.append(group, &entries)
        })
    }

    fn is_write_durable(&self) -> bool {
        true
    }

    /// The group begins anew. Should the process end in between, opening makes it.
    async fn reset(&self) -> Result<(), Error> {
        self.write(self.number()?, |batch, group| {
            batch.remove_group(group);
            Ok(())
        })?;
        made(&self.log, &self.id).map(|_| ())
    }

    fn last_index(&self) -> u64 {
        let state = self.state().unwrap_or_default();
        let compacted = state.compacted.map(|compacted| compacted.index);
        state.bounds.map(IndexRange::last).or(compacted).map_or(0, |last| last.0)
    }

    fn load_purge_boundary(&self) -> Result<Option<LogId>, Error> {
        let compacted = self.state()?.compacted;
        Ok(compacted.map(|id| LogId { index: id.index.0, term: id.term.0 }))
    }
}

#[async_trait]
impl MetaStore for Group {
    fn save_hard_state(&self, state: &HardState) -> Result<(), Error> {
        let vote = state.voted_for.as_ref().map(|vote| Vote {
            term: Some(Term(vote.voted_for_term)),
            candidate: Some(Candidate::Id(u64::from(vote.voted_for_id))),
        });
        let committed = state.voted_for.as_ref().is_some_and(|vote| vote.committed);
        let hard = KeptState { term: Some(Term(state.current_term)), vote, commit: None };
        self.write(self.meta, |batch, group| {
            batch.hard_state(group, &hard)?;
            batch.set_stable(group, COMMITTED, &StableValue::bytes(&[u8::from(committed)]))
        })
    }

    fn load_hard_state(&self) -> Result<Option<HardState>, Error> {
        let state = self.log.state(self.meta).unwrap_or_default();
        let Some(term) = state.hard.term else { return Ok(None) };
        let committed = state.stable.get(COMMITTED).is_some_and(|value| *value.bytes == [1]);
        let voted_for = match state.hard.vote {
            Some(Vote { term: Some(term), candidate: Some(Candidate::Id(id)) }) => {
                let voted_for_id = u32::try_from(id).map_err(failed)?;
                Some(VotedFor { voted_for_id, voted_for_term: term.0, committed })
            }
            _ => None,
        };
        Ok(Some(HardState { current_term: term.0, voted_for }))
    }
}
