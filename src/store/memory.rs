//! A store in memory, for the tests of the jobs: whatever a format could hold, and any damage.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{
    AppendTime, Entry, EntryExtra, EntryKind, Fault, GroupId, HardState, IndexRange, IoError,
    LogIndex, LogState, Place, SharedBytes, Term,
};
use crate::store::{
    Checked, Entries, Format, HASHICORP_MEMBERSHIPS, Heads, Holds, Level, Located, LogSource,
    Profile, Record, RecordScan, Space, Store, StoreError, StoreFile, VoteForm,
};

/// Can hold everything.
pub static EVERYTHING: Profile = Profile {
    format: Format::FastLog,
    schema: "",
    holds: Holds {
        many_groups: true,
        holes: true,
        terms: true,
        appended_at: true,
        time_form_matters: false,
        extensions: true,
        notes: true,
        nil_payload: true,
        commit: true,
        vote: VoteForm::Both,
        stable_keys: true,
        snapshot_marker: true,
    },
    kinds: &EntryKind::ALL,
    index_min: 0,
    index_usual_min: 1,
    entry_bytes_max: 1 << 20,
    memberships: &HASHICORP_MEMBERSHIPS,
};

/// One piece of a log: an entry, or a damaged spot.
pub type Piece = Result<Located, Box<Fault>>;

/// A store in memory.
#[derive(Clone)]
pub struct MemoryStore {
    pub profile: &'static Profile,
    pub groups: BTreeMap<GroupId, (LogState, Vec<Piece>)>,
    pub opening: Vec<Fault>,
    pub checked: Checked,
    pub records: Vec<Record>,
    pub other: Vec<(String, u64)>,
    pub files: Vec<StoreFile>,
    /// Where the disk fails while entries are read.
    pub fails_at: Option<LogIndex>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore {
            profile: &EVERYTHING,
            groups: BTreeMap::new(),
            opening: Vec::new(),
            checked: Checked::default(),
            records: Vec::new(),
            other: Vec::new(),
            files: vec![StoreFile { path: PathBuf::from("memory"), size_bytes: 4_096 }],
            fails_at: None,
        }
    }
}

impl MemoryStore {
    /// A store whose unnamed group holds `pairs` of index and term, with a matching HardState.
    pub fn of(pairs: &[(u64, u64)]) -> MemoryStore {
        let mut store = MemoryStore::default();
        let term = pairs.iter().map(|(_, term)| Term(*term)).max();
        let hard = HardState { term, ..HardState::default() };
        let state = LogState { hard, ..LogState::default() };
        let pieces = pairs.iter().map(|(index, term)| Ok(located(entry(*index, *term)))).collect();
        store.groups.insert(GroupId::Unnamed, (state, pieces));
        store
    }

    /// State and log of a group that is there.
    pub fn group(&mut self, group: &GroupId) -> &mut (LogState, Vec<Piece>) {
        self.groups.get_mut(group).expect("a group of the test")
    }

    /// State of the unnamed group.
    pub fn unnamed_state(&mut self) -> &mut LogState {
        &mut self.group(&GroupId::Unnamed).0
    }

    /// The entry at a position of the unnamed group's log.
    pub fn unnamed_entry(&mut self, at: usize) -> &mut Entry {
        &mut self.group(&GroupId::Unnamed).1[at].as_mut().expect("no damaged piece").entry
    }
}

/// A command whose payload tells its index.
pub fn entry(index: u64, term: u64) -> Entry {
    Entry {
        index: LogIndex(index),
        term: Term(term),
        kind: EntryKind::Command,
        kind_code: Some(0),
        payload: Some(SharedBytes::from(format!("payload {index}").into_bytes())),
        extra: EntryExtra {
            extensions: None,
            appended_at: AppendTime::Absent,
            note: SharedBytes::default(),
        },
    }
}

/// The entry with a place that tells its index.
pub fn located(entry: Entry) -> Located {
    let place = place(entry.index.0 * 100);
    Located { entry, place: Some(place), faults: Vec::new() }
}

/// A place in the store's only file.
pub fn place(offset_bytes: u64) -> Place {
    Place { file: Arc::from(Path::new("memory")), offset_bytes, len_bytes: 10 }
}

impl LogSource for MemoryStore {
    fn profile(&self) -> &'static Profile {
        self.profile
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.groups.keys().cloned().collect())
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        let (state, pieces) = &self.groups[group];
        let indexes = || pieces.iter().flatten().map(|located| located.entry.index);
        let bounds = indexes().min().zip(indexes().max());
        let bounds = bounds.and_then(|(first, last)| IndexRange::new(first, last));
        Ok(LogState { bounds, ..state.clone() })
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        let pieces = self.groups[group].1.iter();
        let fails_at = self.fails_at;
        let mut failed = false;
        let items = pieces.filter_map(move |piece| match piece {
            Ok(located) if fails_at == Some(located.entry.index) => {
                let lost = std::io::ErrorKind::TimedOut.into();
                Some(Err(IoError::new("read", "memory", lost).into()))
            }
            Ok(located) if range.contains(located.entry.index) => Some(Ok(located.clone())),
            Ok(_) => None,
            Err(fault) => Some(Err(StoreError::Fault(fault.clone()))),
        });
        // Behind an error of the disk nothing comes.
        Ok(Box::new(items.take_while(move |item| {
            !std::mem::replace(&mut failed, matches!(item, Err(StoreError::Io(_))))
        })))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        let entries = self.entries(group, range)?;
        Ok(Box::new(entries.map(|located| located.map(Located::into_head))))
    }
}

impl RecordScan for MemoryStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        let _broken = self.records.iter().cloned().try_for_each(visit);
        Ok(())
    }
}

impl Store for MemoryStore {
    fn format(&self) -> Format {
        self.profile.format
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.opening
    }

    fn check(
        &self,
        _level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let _broken = progress(self.checked.checked_bytes);
        let mut checked = self.checked.clone();
        checked.faults.splice(0..0, self.opening.iter().cloned());
        Ok(checked)
    }

    fn space(&self) -> Result<Space, StoreError> {
        let file_bytes = self.files.iter().map(|file| file.size_bytes).sum();
        Ok(Space { file_bytes, live_bytes: file_bytes, free_bytes: None })
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        self.other.clone()
    }
}
