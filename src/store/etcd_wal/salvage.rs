//! The sound beginning of a damaged log, to be copied byte for byte.
//!
//! The records of a log hang on one chain of checksums and on their order, so nothing behind the
//! first break is taken: a torn write is cut off as etcd would do it, and at damage the log ends.
//! The bytes before are those that etcd wrote, so etcd opens the copy and appends to it, as to a
//! segment that its own repair cut. Where a `.snap` file holds all of what is damaged, the segments
//! behind it are taken instead, up to the next damage if there is one: with these a node starts
//! from its snapshot, and what was written later is there.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogIndex, LogState};
use crate::store::etcd_wal::segments::{Segment, Spot, open_segments};
use crate::store::etcd_wal::source::{Beside, EtcdWalStore};
use crate::store::salvage::{Salvage, Salvaged, StateTaken};
use crate::store::target::{Sealed, Target, remove_tree};
use crate::store::{
    Entries, Format, LogSource, OpeningWatch, Store, StoreError, StoreFile, io_error,
};
use crate::vfs::{Fs, Held, OpenMode, VfsFile};

/// Bytes that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// A damaged log, opened for its sound beginning.
pub struct EtcdWalSalvage {
    files: Vec<StoreFile>,
    /// What is left, read as any log; `None` when nothing is.
    sound: Option<EtcdWalStore>,
    salvaged: Salvaged,
    /// Keeps writers out while this is read.
    _lock: Option<Box<dyn Held>>,
}

impl EtcdWalSalvage {
    /// Opens the log in `dir`, and finds where it breaks.
    ///
    /// # Errors
    /// `NotFound` without a segment, `Stopped` by `watch`; when the files cannot be read.
    pub fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        lock: Option<Box<dyn Held>>,
        watch: &mut OpeningWatch<'_>,
    ) -> Result<EtcdWalSalvage, StoreError> {
        let segments = open_segments(fs, dir)?;
        let whole = EtcdWalStore::over(fs, dir, (segments, Beside::Nothing), None, watch)?;
        let files = whole.files().to_vec();
        let mut salvaged = Salvaged::default();
        let faults = whole.opening_faults().iter().cloned().chain(whole.holes());
        let broken = |fault: &Fault| matches!(fault.code, Code::R114 | Code::R115 | Code::R116);
        let faults: Vec<Fault> = faults.filter(broken).collect();
        let damaged = whole.first_damage();
        faults.into_iter().for_each(|fault| salvaged.drop_piece(fault));
        let end = whole.end();
        drop(whole);
        let found = match damaged {
            Some(_) => from_snapshot((fs, dir), end, &mut salvaged, watch)?,
            None => None,
        };
        // Where the copy ends because of damage.
        let damaged = found.as_ref().map_or(damaged, |found| found.damaged);
        let first = found.as_ref().map_or(0, |found| found.first);
        let cut = damaged.map_or(end, |spot| spot.min(end));
        let mut sound = match found {
            Some(Behind { store, .. }) => Some(store),
            None => through((fs, dir), (first, cut), &mut salvaged, watch)?,
        };
        let unfinished = sound.as_ref().map(EtcdWalStore::unfinished).transpose()?.flatten();
        // Where there is no state at all yet, there is none to which it could be cut back.
        let has_state = |store: &EtcdWalStore| store.hard_term().is_some();
        if let (Some(fault), Some(store)) =
            (unfinished, sound.as_ref().filter(|one| has_state(one)))
        {
            let cut = store
                .spot_of(&fault)
                .map_or(cut, |spot| Spot { segment: spot.segment.saturating_add(first), ..spot });
            salvaged.drop_piece(fault);
            sound = through((fs, dir), (first, cut), &mut Salvaged::default(), watch)?;
        }
        let last = sound.as_ref().and_then(EtcdWalStore::last_entry);
        if damaged.is_some() {
            salvaged.open_end = Some(last);
            // The newest vote may have stood behind the damage.
            salvaged.state = StateTaken::CommitBefore;
        }
        if sound.is_none() || (damaged.is_some() && last.is_none()) {
            salvaged.state = StateTaken::Lost;
        }
        Ok(EtcdWalSalvage { files, sound, salvaged, _lock: lock })
    }

    fn write(&self, target: &Target, partial: &Path) -> Result<(u64, u64), StoreError> {
        let fs = target.fs();
        fs.create_dir(partial).map_err(io_error("create", partial))?;
        let (mut files, mut bytes) = (0, 0u64);
        for segment in self.sound.iter().flat_map(EtcdWalStore::segments) {
            let source = &segment.source;
            let name = source.path.file_name().unwrap_or_default();
            let path = partial.join(name);
            let file = fs.open(&path, OpenMode::CreateNew).map_err(io_error("create", &path))?;
            copy(segment, file.as_ref(), &path)?;
            file.sync().map_err(io_error("sync", &path))?;
            files += 1;
            bytes = bytes.saturating_add(source.size_bytes);
        }
        fs.sync_dir(partial).map_err(io_error("sync", partial))?;
        Ok((files, bytes))
    }
}

/// Where the log lies.
type Where<'w> = (&'w Arc<dyn Fs>, &'w Path);

/// What a node would read that starts from a snapshot.
struct Behind {
    /// Position of the first segment.
    first: usize,
    /// Where the next damage lies, at which it ends.
    damaged: Option<Spot>,
    store: EtcdWalStore,
}

/// What a node would read that starts from a snapshot, as etcd does: the segments from the one on
/// whose name is the last at or below its index, up to the next damage; from the newest snapshot
/// with which that goes. `None` where nothing proves such a start, or what it needs is damaged
/// itself: these segments are copied, and no record is written anew.
fn from_snapshot(
    (fs, dir): Where<'_>,
    end: Spot,
    salvaged: &mut Salvaged,
    watch: &mut OpeningWatch<'_>,
) -> Result<Option<Behind>, StoreError> {
    let seen =
        EtcdWalStore::over(fs, dir, (open_segments(fs, dir)?, Beside::Snapshots), None, watch)?;
    let starts = seen.proven_starts()?;
    let names: Vec<u64> = seen.segments().iter().map(|segment| segment.name.index).collect();
    drop(seen);
    for start in &starts {
        let first = names.iter().rposition(|index| *index <= start.0).unwrap_or_default();
        if let Some(behind) = behind((fs, dir), (first, *start), end, watch)? {
            let cut = behind.damaged.unwrap_or(end);
            tell_given_up(open_segments(fs, dir)?, (first, *start), cut, salvaged);
            salvaged.open_begin = true;
            return Ok(Some(behind));
        }
    }
    if let Some(start) = starts.first() {
        let found = format!(
            "the snapshot through {start} serves nothing here: from the beginning of the segment \
             in which a node would begin to read, up to an entry behind that snapshot and the \
             records that name it, something is damaged, and records are not written anew"
        );
        salvaged.drop_piece(Fault::new(Code::R115, FaultKind::Note { found }));
    }
    Ok(None)
}

/// What lies behind the snapshot through `start`, from the segment at `first` on.
fn behind(
    place: Where<'_>,
    (first, start): (usize, LogIndex),
    end: Spot,
    watch: &mut OpeningWatch<'_>,
) -> Result<Option<Behind>, StoreError> {
    let mut read = |cut| through(place, (first, cut), &mut Salvaged::default(), watch);
    let Some(store) = (if first > 0 { read(end)? } else { None }) else { return Ok(None) };
    if store.is_whole_behind(start) {
        return Ok(Some(Behind { first, damaged: None, store }));
    }
    let damaged = store.first_damage();
    drop(store);
    let Some(spot) = damaged else { return Ok(None) };
    let cut = Spot { segment: spot.segment.saturating_add(first), ..spot };
    let store = read(cut)?.filter(|store| store.is_whole_behind(start));
    let store = store.filter(|store| store.last_entry().is_some());
    Ok(store.map(|store| Behind { first, damaged: Some(cut), store }))
}

/// Says which segments are left out: those in front, all of which a snapshot holds, and those
/// behind `cut`.
fn tell_given_up(
    mut segments: Vec<Segment>,
    (first, start): (usize, LogIndex),
    cut: Spot,
    salvaged: &mut Salvaged,
) {
    for segment in segments.iter().take(first) {
        let place = segment.source.place(0, segment.source.size_bytes);
        let found = format!("a segment of which the snapshot through {start} holds all");
        salvaged.drop_piece(Fault::new(Code::R115, FaultKind::Note { found }).at(place));
    }
    // Of the one in which it is cut only the damage itself is told, which was.
    segments.drain(..segments.len().min(cut.segment));
    let _kept = clipped(segments, Spot { segment: 0, ..cut }, salvaged);
}

/// What of the log in `dir` lies before `cut`, from the segment at `first` on; `None` when nothing
/// does.
fn through(
    (fs, dir): Where<'_>,
    (first, cut): (usize, Spot),
    salvaged: &mut Salvaged,
    watch: &mut OpeningWatch<'_>,
) -> Result<Option<EtcdWalStore>, StoreError> {
    let mut segments = clipped(open_segments(fs, dir)?, cut, salvaged);
    segments.drain(..first.min(segments.len()));
    Ok(match segments.is_empty() {
        true => None,
        false => Some(EtcdWalStore::over(fs, dir, (segments, Beside::Nothing), None, watch)?),
    })
}

/// The segments up to `cut`, the last of them as long as it is sound there. A segment that would
/// hold nothing is left out.
fn clipped(segments: Vec<Segment>, cut: Spot, salvaged: &mut Salvaged) -> Vec<Segment> {
    let mut kept = Vec::new();
    for (at, mut segment) in segments.into_iter().enumerate() {
        if at == cut.segment && cut.offset_bytes > 0 {
            segment.source.size_bytes = cut.offset_bytes.min(segment.source.size_bytes);
        } else if at >= cut.segment {
            let place = segment.source.place(0, segment.source.size_bytes);
            let found = match at == cut.segment {
                true => "a segment that has nothing sound at its beginning",
                false => "a segment behind the damage",
            };
            let found = found.to_owned();
            salvaged.drop_piece(Fault::new(Code::R115, FaultKind::Note { found }).at(place));
            continue;
        }
        kept.push(segment);
    }
    kept
}

fn copy(segment: &Segment, to: &dyn VfsFile, path: &Path) -> Result<(), StoreError> {
    let source = &segment.source;
    let mut piece = vec![0; COPY_BYTES];
    let mut at = 0;
    while at < source.size_bytes {
        let left = source.size_bytes.saturating_sub(at).min(COPY_BYTES as u64);
        let wanted = piece.get_mut(..usize::try_from(left).unwrap_or(COPY_BYTES));
        let wanted = wanted.unwrap_or_default();
        let read = source.file.read_at(at, wanted).map_err(io_error("read", &source.path))?;
        let Some(bytes) = wanted.get(..read).filter(|bytes| !bytes.is_empty()) else {
            let error = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(io_error("read", &source.path)(error));
        };
        to.write_at(at, bytes).map_err(io_error("write", path))?;
        at = at.saturating_add(read as u64);
    }
    Ok(())
}

impl Salvage for EtcdWalSalvage {
    fn format(&self) -> Format {
        Format::EtcdWal
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn groups(&self) -> Vec<GroupId> {
        vec![GroupId::Unnamed]
    }

    fn state(&self, group: &GroupId) -> LogState {
        let state = self.sound.as_ref().map(|sound| sound.state(group));
        state.and_then(Result::ok).unwrap_or_default()
    }

    fn salvaged(&self, _group: &GroupId) -> &Salvaged {
        &self.salvaged
    }

    fn entries(&self, group: &GroupId) -> Result<Entries<'_>, StoreError> {
        match &self.sound {
            Some(sound) => sound.entries(group, IndexRange::ALL),
            None => Ok(Box::new(std::iter::empty())),
        }
    }

    fn is_copied(&self) -> bool {
        true
    }

    fn copy(&self, target: &Target) -> Result<Option<Sealed>, StoreError> {
        let partial = target.begin()?;
        match self.write(target, &partial) {
            Ok((files, bytes)) => Ok(Some(target.clone().sealed(files, bytes))),
            Err(error) => {
                // What could not be written whole is not kept.
                let _removed = remove_tree(target.fs().as_ref(), &partial);
                Err(error)
            }
        }
    }
}

impl EtcdWalStore {
    /// Index of the last entry.
    pub(super) fn last_entry(&self) -> Option<LogIndex> {
        self.bounds().map(|bounds| bounds.last())
    }
}
