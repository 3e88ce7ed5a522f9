//! raft-rs's storage over one group of a FastLog that several groups share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protobuf::{Message as _, ProtobufEnum as _};
use raft::eraftpb::{ConfState, Entry, EntryType, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError, util};
use raftlog::fastlog::format::GroupNo;
use raftlog::fastlog::{AppliedAndSynced, Batch, FastLog, Refusal};
use raftlog::model::{
    Candidate, EntryExtra, EntryKind, HardState as KeptState, IndexRange, LogIndex, LogState,
    SharedBytes, SnapshotNote, Term, Vote,
};

/// One group of a log. The snapshot is the caller's: the log keeps index and term of it.
#[derive(Clone)]
pub struct GroupStore {
    log: Arc<FastLog>,
    group: GroupNo,
    voters: Vec<u64>,
    snapshot: Arc<Mutex<Snapshot>>,
}

impl GroupStore {
    /// The group `group` of `log`, with a fixed set of voters.
    pub fn new(log: Arc<FastLog>, group: GroupNo, voters: Vec<u64>) -> GroupStore {
        GroupStore { log, group, voters, snapshot: Arc::default() }
    }

    fn state(&self) -> LogState {
        self.log.state(self.group).unwrap_or_default()
    }

    fn kept(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the newest snapshot of the state machine, to be sent to whoever is too far behind.
    pub fn keep_snapshot(&self, data: Vec<u8>, index: u64, term: u64) {
        let mut kept = self.kept();
        kept.set_data(data.into());
        let metadata = kept.mut_metadata();
        metadata.set_conf_state(conf_state(&self.voters));
        (metadata.index, metadata.term) = (index, term);
    }

    /// Puts a snapshot that was received, installed and synced: everything before is replaced.
    ///
    /// # Errors
    /// As the batch refuses it.
    pub fn put_snapshot(&self, batch: &mut Batch, snapshot: &Snapshot) -> Result<(), Refusal> {
        let metadata = snapshot.get_metadata();
        if let Some(bounds) = self.state().bounds {
            batch.truncate(self.group, bounds.first());
        }
        let (index, term) = (LogIndex(metadata.index), Term(metadata.term));
        let note = SnapshotNote { index, term, id: None, note: SharedBytes::default() };
        batch.snapshot_marker(self.group, &note, AppliedAndSynced::through(index))
    }

    /// Puts what a Ready wants to be persistent: entries and hard state.
    ///
    /// # Errors
    /// As the batch refuses it.
    pub fn put(
        &self,
        batch: &mut Batch,
        entries: &[Entry],
        hard: Option<&HardState>,
    ) -> Result<(), Refusal> {
        let entries: Vec<_> = entries.iter().map(kept_entry).collect();
        batch.append(self.group, &entries)?;
        if let Some(hard) = hard {
            let candidate = Some(hard.vote).filter(|vote| *vote != 0).map(Candidate::Id);
            let term = Some(Term(hard.term));
            let vote = candidate.map(|id| Vote { term, candidate: Some(id) });
            let commit = Some(LogIndex(hard.commit));
            batch.hard_state(self.group, &KeptState { term, vote, commit })?;
        }
        Ok(())
    }

    /// Puts that everything through `index` goes; the state machine holds it, synced.
    pub fn put_compaction(&self, batch: &mut Batch, index: u64, term: u64) {
        let through = raftlog::model::LogId { index: LogIndex(index), term: Term(term) };
        batch.compact(self.group, through, AppliedAndSynced::through(LogIndex(index)));
    }
}

fn conf_state(voters: &[u64]) -> ConfState {
    ConfState::from((voters.to_vec(), Vec::new()))
}

fn kept_entry(entry: &Entry) -> raftlog::model::Entry {
    let kind = match entry.get_entry_type() {
        EntryType::EntryNormal => EntryKind::Command,
        EntryType::EntryConfChange => EntryKind::ConfChange,
        EntryType::EntryConfChangeV2 => EntryKind::ConfChangeV2,
    };
    let context = Some(entry.get_context()).filter(|context| !context.is_empty());
    raftlog::model::Entry {
        index: LogIndex(entry.index),
        term: Term(entry.term),
        kind,
        kind_code: u32::try_from(entry.get_entry_type().value()).ok(),
        payload: Some(SharedBytes::from(entry.get_data())),
        extra: EntryExtra { extensions: context.map(SharedBytes::from), ..EntryExtra::default() },
    }
}

fn entry_of(kept: &raftlog::model::Entry) -> Entry {
    let mut entry = Entry::default();
    (entry.index, entry.term) = (kept.index.0, kept.term.0);
    entry.set_entry_type(match kept.kind {
        EntryKind::ConfChange => EntryType::EntryConfChange,
        EntryKind::ConfChangeV2 => EntryType::EntryConfChangeV2,
        _ => EntryType::EntryNormal,
    });
    entry.set_data(kept.payload_bytes().to_vec().into());
    entry.set_context(kept.extensions_bytes().to_vec().into());
    entry
}

fn other(error: raftlog::fastlog::Error) -> raft::Error {
    raft::Error::Store(StorageError::Other(Box::new(error)))
}

impl Storage for GroupStore {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let hard = self.state().hard;
        let mut state = HardState::default();
        state.term = hard.term.map_or(0, |term| term.0);
        state.commit = hard.commit.map_or(0, |commit| commit.0);
        if let Some(Vote { candidate: Some(Candidate::Id(id)), .. }) = hard.vote {
            state.vote = id;
        }
        Ok(RaftState::new(state, conf_state(&self.voters)))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first_index()? {
            return Err(raft::Error::Store(StorageError::Compacted));
        }
        if high > self.last_index()? + 1 {
            return Err(raft::Error::Store(StorageError::Unavailable));
        }
        let Some(range) = IndexRange::new(LogIndex(low), LogIndex(high.saturating_sub(1))) else {
            return Ok(Vec::new());
        };
        let (limit, mut size) = (max_size.into().unwrap_or(u64::MAX), 0);
        let mut found: Vec<Entry> = Vec::new();
        for placed in self.log.entries(self.group, range) {
            let entry = entry_of(&placed.map_err(other)?.entry);
            size += u64::from(entry.compute_size());
            if !found.is_empty() && size > limit {
                break;
            }
            found.push(entry);
        }
        util::limit_size(&mut found, Some(limit));
        Ok(found)
    }

    fn term(&self, idx: u64) -> raft::Result<u64> {
        let compacted = self.state().compacted;
        match compacted {
            Some(compacted) if idx == compacted.index.0 => return Ok(compacted.term.0),
            Some(compacted) if idx < compacted.index.0 => {
                return Err(raft::Error::Store(StorageError::Compacted));
            }
            None if idx == 0 => return Ok(0),
            _ => {}
        }
        let entry = self.log.read(self.group, LogIndex(idx)).map_err(other)?;
        entry.map(|entry| entry.term.0).ok_or(raft::Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.state().compacted.map_or(1, |compacted| compacted.index.0 + 1))
    }

    fn last_index(&self) -> raft::Result<u64> {
        let state = self.state();
        let compacted = state.compacted.map(|compacted| compacted.index);
        Ok(state.bounds.map(IndexRange::last).or(compacted).map_or(0, |last| last.0))
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        let kept = self.kept();
        let index = kept.get_metadata().index;
        if index == 0 || index < request_index {
            return Err(raft::Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(kept.clone())
    }
}
