//! What an image of a raft-fastlog file is: to who meant it, and to the library that loads it.

use crate::model::{Code, Entry, GroupId, IndexRange, LogState, StableValue};
use crate::simulate::case::Case;
use crate::simulate::check::Check;
use crate::simulate::driver::Point;
use crate::simulate::engine;
use crate::simulate::explore::Trial;
use crate::simulate::oracle::{
    GroupTag, Held, History, OpNumber, Standing, State, Wrong, diagnose, entry_mark, state_mark,
};
use crate::simulate::raft_fastlog::FILE;
use crate::simulate::recover::out_of_reach;
use crate::simulate::tally::Tally;
use crate::store::raft_fastlog::{RaftFastlogStore, Reading};
use crate::store::{LogSource, Store, StoreError};
use crate::vfs::sim::{Disk, SimFs};
use crate::vfs::{OpenMode, Vfs, Writers};

/// What a file says.
pub struct Read {
    /// As it was meant.
    state: State,
    /// Entries that were deleted, and that the library's loader brings back.
    ghosts: Vec<Entry>,
}

/// Reads the file on `disk`.
///
/// # Errors
/// S01, with the place, when the library's loader does not take it.
pub fn read(disk: Disk) -> Result<Read, Wrong> {
    let fs = SimFs::on(disk);
    let path = engine::dir().join(FILE);
    let size = fs.open(&path, OpenMode::Read).and_then(|file| file.size());
    if size.unwrap_or_default() == 0 {
        // No file, or an empty one: the library begins a new log.
        let state = State::from([(GroupId::Unnamed, Held::default())]);
        return Ok(Read { state, ghosts: Vec::new() });
    }
    let opened = |reading| RaftFastlogStore::open(&fs, &path, reading, &Writers::Unknown);
    let unread = |error: StoreError| Wrong::new(Check::S01, format!("does not open: {error}"));
    let meant = opened(Reading::Meant).map_err(unread)?;
    let refuses = |code: Code| matches!(code, Code::R114 | Code::R115 | Code::R116);
    if let Some(fault) = meant.opening_faults().iter().find(|fault| refuses(fault.code)) {
        let place = fault.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
        let message = format!("does not load: {fault}{place}");
        return Err(Wrong::new(Check::S01, message));
    }
    let has_ghosts = meant.opening_faults().iter().any(|fault| fault.code == Code::R104);
    let held = held_of(&meant).map_err(unread)?;
    let mut ghosts = Vec::new();
    if has_ghosts {
        let loaded = held_of(&opened(Reading::Loader).map_err(unread)?).map_err(unread)?;
        let is_held = |entry: &Entry| {
            held.entries.binary_search_by_key(&entry.index, |entry| entry.index).is_ok()
        };
        ghosts = loaded.entries.into_iter().filter(|entry| !is_held(entry)).collect();
    }
    Ok(Read { state: State::from([(GroupId::Unnamed, held)]), ghosts })
}

/// What the format holds, in the words of the oracle, without what the reader adds of its own.
fn held_of(store: &RaftFastlogStore) -> Result<Held, StoreError> {
    let state = store.state(&GroupId::Unnamed)?;
    let mut entries = Vec::new();
    for located in store.entries(&GroupId::Unnamed, IndexRange::ALL)? {
        entries.push(Entry { kind_code: None, ..located?.entry });
    }
    let plain = |value: StableValue| StableValue { integer: None, ..value };
    let stable = state.stable.into_iter().map(|(key, value)| (key, plain(value))).collect();
    Ok(Held { state: LogState { stable, bounds: state.bounds, ..LogState::default() }, entries })
}

impl Read {
    /// How many operations are there, or what is wrong with what is there.
    ///
    /// # Errors
    /// The checks that are broken.
    pub fn judged(&self, history: &History, standing: &Standing) -> Result<OpNumber, Vec<Wrong>> {
        let digest = self.digest();
        history
            .fitting(digest, standing.promised(), standing.accepted)
            .ok_or_else(|| diagnose(history, standing, &self.state))
    }

    fn digest(&self) -> u128 {
        let mut buffer = Vec::new();
        let mut digest = 0u128;
        for (id, held) in &self.state {
            let tag = GroupTag::of(id);
            digest = digest.wrapping_add(state_mark(tag, &held.state, &mut buffer));
            for entry in &held.entries {
                digest = digest.wrapping_add(entry_mark(tag, entry, &mut buffer));
            }
        }
        digest
    }

    /// What the loader brings back: S07 for the end of a compaction, S06 for a truncation's.
    pub fn ghosts(&self) -> Option<Wrong> {
        let ghost = self.ghosts.first()?;
        let held = self.state.get(&GroupId::Unnamed)?;
        let first = held.entries.first().map(|entry| entry.index);
        let (check, by) = match first.is_some_and(|first| ghost.index < first) {
            true => (Check::S07, "a compaction"),
            false => (Check::S06, "a truncation"),
        };
        let message =
            format!("its own loader brings entry {} back, which {by} removed", ghost.index);
        Some(Wrong::new(check, message).at(ghost.index, Some(ghost.term)))
    }

    /// In a few words.
    pub fn verdict(&self) -> String {
        match self.ghosts.len() {
            0 => "loads".to_owned(),
            count => format!("loads, with {count} entries that had been deleted"),
        }
    }
}

/// Loads images as the library would.
pub struct LoaderTrial<'a> {
    history: &'a History,
}

impl<'a> LoaderTrial<'a> {
    /// Of a run with this history.
    pub fn new(history: &'a History) -> LoaderTrial<'a> {
        LoaderTrial { history }
    }

    fn judged(
        &self,
        tally: &mut Tally,
        (case, point): (&Case, &Point),
        standing: &Standing,
        disk: Disk,
    ) -> Option<OpNumber> {
        let read = match read(disk) {
            Ok(read) => read,
            Err(wrong) => {
                tally.refused += 1;
                tally.all_broken(out_of_reach(wrong, standing), case, point);
                return None;
            }
        };
        if let Some(wrong) = read.ghosts() {
            tally.resurrected += 1;
            tally.all_broken(vec![wrong], case, point);
        }
        match read.judged(self.history, standing) {
            Ok(kept) => Some(kept),
            Err(wrongs) => {
                tally.all_broken(wrongs, case, point);
                None
            }
        }
    }
}

impl Trial for LoaderTrial<'_> {
    fn image(
        &mut self,
        tally: &mut Tally,
        case: &Case,
        point: &Point,
        disk: Disk,
    ) -> Option<OpNumber> {
        let kept = self.judged(tally, (case, point), &point.power, disk)?;
        let loss = self.history.loss(kept, &point.power);
        tally.lost(self.history, &loss);
        Some(kept)
    }

    fn killed(&mut self, tally: &mut Tally, case: &Case, point: &Point) {
        // A kill is told by what it breaks; the counts are those of power cuts.
        let mut told = Tally::default();
        let disk = point.disk.clone();
        let _counted_for_power_cuts = self.judged(&mut told, (case, point), &point.kill, disk);
        tally.merge_violations(told);
    }
}
