//! A log as nodes keep it in redb today: a table of entries and one of states, a transaction each.

use std::path::Path;

use raftlog::dual::{Action, Change, Failure, NodeLog};
use raftlog::model::{
    Candidate, Entry, EntryExtra, EntryKind, GroupId, HardState, IndexRange, LogId, LogIndex,
    LogState, SharedBytes, Term, Vote,
};
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};

type Key = (&'static str, u64);
/// Term, and the payload.
const ENTRIES: TableDefinition<'_, Key, (u64, &[u8])> = TableDefinition::new("entries");
/// Term, candidate, commit index; index and term of the last dropped entry.
const STATES: TableDefinition<'_, &str, Kept> = TableDefinition::new("states");
/// Zeros stand for nothing.
type Kept = (u64, u64, u64, u64, u64);

pub struct RedbLog {
    db: Database,
}

impl RedbLog {
    pub fn create(path: &Path) -> RedbLog {
        let db = Database::create(path).expect("a database");
        let begun = db.begin_write().expect("a transaction");
        begun.open_table(ENTRIES).expect("a table");
        begun.open_table(STATES).expect("a table");
        begun.commit().expect("committed");
        RedbLog { db }
    }

    fn kept(&self, group: &str) -> Result<Option<Kept>, Failure> {
        let states = self.db.begin_read()?.open_table(STATES)?;
        Ok(states.get(group)?.map(|kept| kept.value()))
    }
}

fn name(group: &GroupId) -> &str {
    group.name().unwrap_or("")
}

fn entry(index: u64, (term, payload): (u64, &[u8])) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: None,
        payload: Some(SharedBytes::from(payload)),
        extra: EntryExtra::default(),
    }
}

fn some(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number > 0)
}

impl NodeLog for RedbLog {
    fn groups(&self) -> Result<Vec<GroupId>, Failure> {
        let states = self.db.begin_read()?.open_table(STATES)?;
        let named = |key: &str| if key.is_empty() { GroupId::Unnamed } else { GroupId::named(key) };
        Ok(states
            .iter()?
            .map(|row| row.map(|(key, _)| named(key.value())))
            .collect::<Result<_, _>>()?)
    }

    fn state(&self, group: &GroupId) -> Result<Option<LogState>, Failure> {
        let Some((term, voted, commit, dropped, dropped_term)) = self.kept(name(group))? else {
            return Ok(None);
        };
        let entries = self.db.begin_read()?.open_table(ENTRIES)?;
        let mut rows = entries.range((name(group), 0)..=(name(group), u64::MAX))?;
        let index = |row: Option<Result<(redb::AccessGuard<'_, Key>, _), redb::StorageError>>| {
            row.transpose().map(|row| {
                row.map(|(key, _): (_, redb::AccessGuard<'_, (u64, &[u8])>)| {
                    LogIndex(key.value().1)
                })
            })
        };
        let first = index(rows.next())?;
        let last = index(rows.next_back())?.or(first);
        let vote = some(voted)
            .map(|id| Vote { term: some(term).map(Term), candidate: Some(Candidate::Id(id)) });
        let commit = some(commit).map(LogIndex);
        Ok(Some(LogState {
            hard: HardState { term: some(term).map(Term), vote, commit },
            compacted: some(dropped)
                .map(|index| LogId { index: LogIndex(index), term: Term(dropped_term) }),
            bounds: first.zip(last).and_then(|(first, last)| IndexRange::new(first, last)),
            ..LogState::default()
        }))
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Vec<Entry>, Failure> {
        let entries = self.db.begin_read()?.open_table(ENTRIES)?;
        let keys = (name(group), range.first().0)..=(name(group), range.last().0);
        let rows = entries.range(keys)?;
        let found = rows.map(|row| row.map(|(key, value)| entry(key.value().1, value.value())));
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn write(&self, changes: &[Change]) -> Result<(), Failure> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        changes.iter().try_for_each(|change| put(&transaction, change))?;
        Ok(transaction.commit()?)
    }
}

fn put(transaction: &WriteTransaction, change: &Change) -> Result<(), Failure> {
    let group = name(&change.group);
    let mut entries = transaction.open_table(ENTRIES)?;
    let mut states = transaction.open_table(STATES)?;
    let known = states.get(group)?.map(|kept| kept.value());
    let mut kept = known.unwrap_or_default();
    match &change.action {
        Action::Create => {}
        Action::Remove => {
            remove(&mut entries, group, 0, u64::MAX)?;
            states.remove(group)?;
            return Ok(());
        }
        Action::Append(new) => {
            let first = new.first().map_or(u64::MAX, |entry| entry.index.0);
            remove(&mut entries, group, first, u64::MAX)?;
            for entry in new {
                entries.insert((group, entry.index.0), (entry.term.0, entry.payload_bytes()))?;
            }
        }
        Action::Truncate(first) => remove(&mut entries, group, first.0, u64::MAX)?,
        Action::Compact(through, _) | Action::StartAfter(through) => {
            remove(&mut entries, group, 0, through.index.0)?;
            (kept.3, kept.4) = (through.index.0, through.term.0);
        }
        Action::Hard(hard) => {
            let candidate = hard.vote.as_ref().and_then(|vote| vote.candidate.as_ref());
            kept.0 = hard.term.map_or(0, |term| term.0);
            kept.1 = match candidate {
                Some(Candidate::Id(id)) => *id,
                _ => 0,
            };
            kept.2 = hard.commit.map_or(0, |commit| commit.0);
        }
        other => return Err(format!("this old log knows nothing of {other:?}").into()),
    }
    states.insert(group, kept)?;
    Ok(())
}

fn remove(
    entries: &mut Table<'_, Key, (u64, &'static [u8])>,
    group: &str,
    first: u64,
    last: u64,
) -> Result<(), Failure> {
    let keys = entries.range((group, first)..=(group, last))?;
    let indexes =
        keys.map(|row| row.map(|(key, _)| key.value().1)).collect::<Result<Vec<_>, _>>()?;
    for index in indexes {
        entries.remove((group, index))?;
    }
    Ok(())
}
