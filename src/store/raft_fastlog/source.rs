//! An opened raft-fastlog file as a source of entries.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::{
    Code, Fault, FaultKind, GroupId, IndexRange, LogIndex, LogState, Severity, StableMap,
};
use crate::store::codec::{hard_state, odd_integer, stable_value};
use crate::store::raft_fastlog::entries::{EntryWalk, HeadWalk, RunWalk};
use crate::store::raft_fastlog::index::Pieces;
use crate::store::raft_fastlog::replay::{Replay, replay};
use crate::store::raft_fastlog::{ORDER, PROFILE, Reading, ghosts, scan, tail};
use crate::store::window::Source;
use crate::store::{
    Checked, Entries, Format, HeadPiece, HeadRuns, Heads, Level, LogSource, Profile, Record,
    RecordScan, RecordStatus, SUPERSEDED_RECORDS, Space, Store, StoreError, StoreFile, io_error,
};
use crate::vfs::{Fs, OpenMode, Writers};

/// A raft-fastlog file, opened read-only. Nothing keeps its server from writing meanwhile: the
/// format has no lock.
pub struct RaftFastlogStore {
    source: Source,
    replay: Replay,
    reading: Reading,
    /// Entries that both readings have, and the ghosts; only for [`Reading::Loader`].
    seen_by_loader: Pieces,
    stable: StableMap,
    /// What is wrong with tail and state.
    faults: Vec<Fault>,
    /// As opening tells it: faults, and ghosts as something to know.
    opening: Vec<Fault>,
    ghosts: Vec<Fault>,
    /// What is known of a live server.
    watched: String,
    files: [StoreFile; 1],
}

impl RaftFastlogStore {
    /// Opens the file at `path` and follows all of its records. `writers` is what could be found
    /// out about processes that use it.
    ///
    /// # Errors
    /// `NotFound` for an empty file; otherwise only when the file cannot be read. Damage is found
    /// in [`Store::opening_faults`].
    pub fn open(
        fs: &dyn Fs,
        path: &Path,
        reading: Reading,
        writers: &Writers,
    ) -> Result<RaftFastlogStore, StoreError> {
        let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
        let size_bytes = file.size().map_err(io_error("look at", path))?;
        if size_bytes == 0 {
            return Err(StoreError::NotFound {
                path: path.to_owned(),
                reason: "an empty file".to_owned(),
                seen: Vec::new(),
            });
        }
        let source = Source { file: Box::new(file), path: Arc::from(path), size_bytes };
        let replay = replay(&source)?;
        let mut faults: Vec<Fault> = tail::judge(&source, &replay)?.into_iter().collect();
        faults.extend(replay.faults.iter().cloned());
        let mut stable = StableMap::new();
        for (key, kept) in &replay.stable {
            let place = source.place(kept.value_at, kept.value.len() as u64);
            let odd = odd_integer(key, &kept.value, ORDER, place);
            faults.extend(odd.map(|fault| fault.in_group(&GroupId::Unnamed)));
            stable.insert(key.clone(), stable_value(key, kept.value.clone(), ORDER));
        }
        let ghosts = ghosts::tell(&source, (&replay.meant, &replay.ghosts), reading)?;
        let known = |fault: &Fault| fault.clone().as_severity(Severity::Info);
        let opening = faults.iter().cloned().chain(ghosts.iter().map(known)).collect();
        let mut seen_by_loader = Pieces::default();
        if reading == Reading::Loader {
            seen_by_loader = replay.meant.clone();
            seen_by_loader.put_all(&replay.ghosts);
        }
        let files = [StoreFile { path: path.to_owned(), size_bytes }];
        let watched = watched(writers);
        Ok(RaftFastlogStore {
            source,
            replay,
            reading,
            seen_by_loader,
            stable,
            faults,
            opening,
            ghosts,
            watched,
            files,
        })
    }

    /// Which reading this is, and what cannot be known, one line each.
    pub fn evidence(&self) -> Vec<String> {
        let ghosts = self.replay.ghosts.entries();
        let reading = match (self.reading, ghosts) {
            (reading, 0) => format!("reading: {}; the loader sees the same", reading.as_str()),
            (Reading::Meant, _) => {
                format!("reading: meant; the loader would bring {ghosts} deleted entries back")
            }
            (Reading::Loader, _) => {
                format!("reading: loader, with {ghosts} entries that had been deleted")
            }
        };
        vec![reading, self.watched.clone()]
    }

    /// The entries of the reading that was asked for.
    fn pieces(&self) -> &Pieces {
        match self.reading {
            Reading::Meant => &self.replay.meant,
            Reading::Loader => &self.seen_by_loader,
        }
    }

    fn heads_of(&self, group: &GroupId, range: IndexRange) -> Result<HeadWalk<'_>, StoreError> {
        match group {
            GroupId::Unnamed => Ok(HeadWalk::new(&self.source, self.pieces(), range)),
            GroupId::Named(name) => Err(StoreError::NotFound {
                path: self.source.path.to_path_buf(),
                reason: format!("no group {}", name.escape_debug()),
                seen: vec!["the unnamed group".to_owned()],
            }),
        }
    }

    /// Bytes of whole records that nothing in the file vouches for.
    fn unchecked_bytes(&self) -> u64 {
        self.replay.end.saturating_sub(self.replay.counts.framing_bytes)
    }

    /// What the format lets nobody prove.
    fn unproven(&self) -> [Fault; 2] {
        let bytes = self.unchecked_bytes();
        let unchecked = format!(
            "this format has no checksums: the records follow one another to the end, but a \
             changed byte in {bytes} bytes of indexes, terms, data and values cannot be seen"
        );
        [unchecked, self.watched.clone()].map(|found| {
            let fault = Fault::new(Code::R128, FaultKind::Note { found });
            fault.in_group(&GroupId::Unnamed)
        })
    }
}

/// What is known of a live server, in words.
fn watched(writers: &Writers) -> String {
    let seen = match writers {
        Writers::Seen(_) => "a process has it open for writing".to_owned(),
        Writers::NoneSeen { hidden: 0 } => "no process here has it open for writing".to_owned(),
        Writers::NoneSeen { hidden: 1 } => {
            "no process that could be looked at has it open for writing, 1 could not".to_owned()
        }
        Writers::NoneSeen { hidden } => format!(
            "no process that could be looked at has it open for writing, {hidden} could not"
        ),
        Writers::Unknown => "whether a process has it open cannot be asked here".to_owned(),
    };
    format!("this format has no lock: {seen}; that no server uses it cannot be proven")
}

impl LogSource for RaftFastlogStore {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(vec![GroupId::Unnamed])
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        drop(self.heads_of(group, IndexRange::ALL)?);
        let bounds = self.pieces().bounds();
        Ok(LogState {
            hard: hard_state(&self.stable),
            stable: self.stable.clone(),
            bounds: bounds.and_then(|(low, high)| IndexRange::new(LogIndex(low), LogIndex(high))),
            schema: Some(PROFILE.schema.to_owned()),
            ..LogState::default()
        })
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        Ok(Box::new(EntryWalk(self.heads_of(group, range)?)))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        Ok(Box::new(self.heads_of(group, range)?))
    }

    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        Ok(Box::new(RunWalk::new(self.heads_of(group, range)?)))
    }
}

impl RecordScan for RaftFastlogStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        let damaged = self.faults.iter().any(|fault| fault.code == Code::R115);
        let torn = if damaged { RecordStatus::Damaged } else { RecordStatus::Torn };
        scan::scan(&self.source, &self.replay, self.pieces(), torn, visit)
    }
}

impl Store for RaftFastlogStore {
    fn format(&self) -> Format {
        Format::RaftFastlog
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.opening
    }

    /// Every record was followed on opening, and there is nothing more to check: so both levels
    /// report what was found then, ghosts as what they are to a server.
    fn check(
        &self,
        _level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let counts = self.replay.counts;
        let _asked_to_stop_at_the_end = progress(self.source.size_bytes);
        let live = self.pieces().entries();
        let superseded = counts.entries.saturating_sub(live)
            + counts.keys.saturating_sub(self.stable.len() as u64)
            + counts.deletions;
        let torn = self.faults.iter().any(|fault| fault.code == Code::R114);
        let torn_bytes = self.source.size_bytes.saturating_sub(self.replay.end);
        Ok(Checked {
            faults: self
                .faults
                .iter()
                .chain(&self.ghosts)
                .cloned()
                .chain(self.unproven())
                .collect(),
            checked_bytes: counts.framing_bytes,
            torn_bytes: if torn { torn_bytes } else { 0 },
            counts: vec![
                ("records", counts.records),
                ("stored entries", counts.entries),
                ("deleted ranges", counts.deletions),
                (SUPERSEDED_RECORDS, superseded),
                ("ghosts", self.replay.ghosts.entries()),
                ("unchecked bytes", self.unchecked_bytes()),
            ],
        })
    }

    fn space(&self) -> Result<Space, StoreError> {
        let mut live_bytes = 0u64;
        for piece in self.head_runs(&GroupId::Unnamed, IndexRange::ALL)? {
            if let HeadPiece::Run(run) = piece? {
                live_bytes = live_bytes.saturating_add(run.encoded_bytes);
            }
        }
        let keys = self.stable.iter().map(|(key, value)| (key.len() + value.bytes.len()) as u64);
        let live_bytes = live_bytes.saturating_add(keys.sum());
        Ok(Space { file_bytes: self.source.size_bytes, live_bytes, free_bytes: None })
    }
}
