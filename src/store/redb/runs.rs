//! What verifying the pages of a log showed of its entries, so that their heads need no second
//! reading: consecutive ones that are alike together.

use std::collections::BTreeMap;

use crate::model::{GroupId, HeadRun, IndexRange};
use crate::store::redb::page::Leaf;
use crate::store::redb::schema::{Assigned, Logs};

/// Entries of a run, at most: whoever takes runs one by one sees how far they are.
const RUN_ENTRIES_MAX: u64 = 4_096;
/// Runs that are remembered, of all logs together.
const RUNS_MAX: usize = 64 << 10;

/// The entries of whole logs.
pub type Known = BTreeMap<GroupId, Vec<HeadRun>>;

/// Takes leaves of logs in the order of their keys.
pub struct Runs<'a> {
    /// The logs that have a table each, by its name.
    logs: BTreeMap<&'a str, (&'a GroupId, &'a Logs)>,
    known: Known,
    runs: usize,
    now: Option<Log<'a>>,
}

/// The log whose pages are met.
struct Log<'a> {
    group: &'a GroupId,
    logs: &'a Logs,
    runs: Vec<HeadRun>,
}

impl<'a> Runs<'a> {
    /// Begins without any.
    pub fn new(assigned: &'a Assigned) -> Runs<'a> {
        let own = assigned.logs().filter(|(_, logs)| logs.within.is_none());
        let logs = own.map(|(group, logs)| (logs.table.name.as_str(), (group, logs)));
        Runs { logs: logs.collect(), known: Known::new(), runs: 0, now: None }
    }

    /// Pages of this table follow.
    pub fn begin(&mut self, table: &str) {
        let log = self.logs.get(table).filter(|_| self.runs < RUNS_MAX);
        self.now = log.map(|(group, logs)| Log { group, logs, runs: Vec::new() });
    }

    /// Takes the next leaf of the table.
    pub fn leaf(&mut self, leaf: &Leaf) {
        let left = RUNS_MAX - self.runs;
        let usual = self.now.as_mut().is_none_or(|log| log.leaf(leaf, left));
        if !usual {
            self.forget();
        }
    }

    /// Leaves the log to be read again: something of it is not as usual.
    pub fn forget(&mut self) {
        self.now = None;
    }

    /// The table ended, and all of it verified.
    pub fn end(&mut self) {
        let Some(log) = self.now.take() else { return };
        self.runs += log.runs.len();
        self.known.insert(log.group.clone(), log.runs);
    }

    /// All logs that were met whole.
    pub fn into_known(self) -> Known {
        self.known
    }
}

impl Log<'_> {
    /// Takes a leaf; returns whether nothing is to be said of any entry, nor too much of them.
    fn leaf(&mut self, leaf: &Leaf, runs_max: usize) -> bool {
        (0..leaf.rows()).all(|row| {
            let Some(run) = one(self.logs, leaf, row) else { return false };
            if let Some(last) = self.runs.last_mut()
                && last.range.count() < RUN_ENTRIES_MAX
                && last.join(&run)
            {
                return true;
            }
            self.runs.push(run);
            self.runs.len() < runs_max
        })
    }
}

/// The entry of a row, if it has no fault.
fn one(logs: &Logs, leaf: &Leaf, row: usize) -> Option<HeadRun> {
    let index = logs.key.index(leaf.key(row))?;
    let value = logs.value_range(leaf, row)?;
    let encoded_bytes = value.len() as u64;
    let decoded = logs.codec.head_in(leaf.buffer(), value, index).ok()?;
    let usual = decoded.index_inside == index
        && decoded.trailing_bytes == 0
        && index >= logs.index_usual_min;
    let head = decoded.head;
    usual.then_some(HeadRun {
        range: IndexRange::new(index, index)?,
        term: head.term,
        kind: head.kind,
        kind_code: head.kind_code,
        payload_bytes: head.payload_len_bytes,
        payload_bytes_max: head.payload_len_bytes,
        encoded_bytes,
    })
}
