//! FastLog as one of the two.

use crate::dual::{Action, Change, Failure, NodeLog};
use crate::fastlog::format::GroupNo;
use crate::fastlog::policy::Ack;
use crate::fastlog::{Batch, FastLog, Refusal};
use crate::model::{Entry, GroupId, IndexRange, LogState};

impl NodeLog for FastLog {
    fn groups(&self) -> Result<Vec<GroupId>, Failure> {
        Ok(FastLog::groups(self).into_iter().map(|(id, _)| id).collect())
    }

    fn state(&self, group: &GroupId) -> Result<Option<LogState>, Failure> {
        Ok(self.group(group).and_then(|number| FastLog::state(self, number)))
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Vec<Entry>, Failure> {
        let Some(number) = self.group(group) else { return Ok(Vec::new()) };
        let entries = FastLog::entries(self, number, range);
        Ok(entries.map(|placed| placed.map(|p| p.entry)).collect::<Result<_, _>>()?)
    }

    /// One batch, except that a group is created or removed by an operation of its own.
    fn write(&self, changes: &[Change]) -> Result<(), Failure> {
        let mut batch = Batch::new();
        for Change { group, action } in changes {
            match action {
                Action::Create => {
                    flush(self, &mut batch)?;
                    self.create_group(group)?;
                    if self.promise().ack != Ack::Durable {
                        self.sync()?;
                    }
                }
                Action::Remove => {
                    batch.remove_group(number_of(self, group)?);
                    flush(self, &mut batch)?;
                }
                action => put(&mut batch, number_of(self, group)?, action)?,
            }
        }
        flush(self, &mut batch)
    }
}

/// A change of a group that the log does not have.
#[derive(Debug, thiserror::Error)]
#[error("there is no group {group:?}")]
struct NoGroup {
    group: GroupId,
}

fn number_of(log: &FastLog, group: &GroupId) -> Result<GroupNo, NoGroup> {
    log.group(group).ok_or_else(|| NoGroup { group: group.clone() })
}

fn put(batch: &mut Batch, group: GroupNo, action: &Action) -> Result<(), Refusal> {
    match action {
        Action::Create | Action::Remove => {}
        Action::Append(entries) => batch.append(group, entries)?,
        Action::Truncate(first) => batch.truncate(group, *first),
        Action::Compact(through, applied) => batch.compact(group, *through, *applied),
        Action::StartAfter(dropped) => batch.start_after(group, *dropped),
        Action::Marker(snapshot, applied) => batch.snapshot_marker(group, snapshot, *applied)?,
        Action::Note(snapshot) => batch.snapshot_note(group, snapshot)?,
        Action::Hard(hard) => batch.hard_state(group, hard)?,
        Action::SetStable(key, value) => batch.set_stable(group, key, value)?,
        Action::RemoveStable(key) => batch.remove_stable(group, key)?,
    }
    Ok(())
}

/// Has what was put durable, in every mode.
fn flush(log: &FastLog, batch: &mut Batch) -> Result<(), Failure> {
    let batch = std::mem::take(batch);
    if !batch.is_empty() {
        log.submit(batch)?.wait_for(Ack::Durable)?;
    }
    Ok(())
}
