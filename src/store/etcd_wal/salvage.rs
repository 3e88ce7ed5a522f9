//! The sound beginning of a damaged log, to be copied byte for byte.
//!
//! The records of a log hang on one chain of checksums and on their order, so nothing behind the
//! first break is taken: a torn write is cut off as etcd would do it, and at damage the log ends.
//! The bytes before are those that etcd wrote, so etcd opens the copy and appends to it, as to a
//! segment that its own repair cut.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogIndex, LogState};
use crate::store::etcd_wal::segments::{Segment, Spot, open_segments};
use crate::store::etcd_wal::source::EtcdWalStore;
use crate::store::salvage::{Salvage, Salvaged, StateTaken};
use crate::store::target::{Sealed, Target, remove_tree};
use crate::store::{Entries, Format, LogSource, Store, StoreError, StoreFile, io_error};
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
    /// `NotFound` without a segment; when the files cannot be read.
    pub fn open(
        fs: &Arc<dyn Fs>,
        dir: &Path,
        lock: Option<Box<dyn Held>>,
    ) -> Result<EtcdWalSalvage, StoreError> {
        let whole = EtcdWalStore::open(fs, dir, true, None)?;
        let files = whole.files().to_vec();
        let mut salvaged = Salvaged::default();
        let faults = whole.opening_faults().iter().cloned().chain(whole.holes());
        let broken = |fault: &Fault| matches!(fault.code, Code::R114 | Code::R115 | Code::R116);
        let faults: Vec<Fault> = faults.filter(broken).collect();
        let damage = faults.iter().filter(|fault| fault.code != Code::R114);
        // Those that are not told one by one lie behind those that are.
        let damaged = damage.filter_map(|fault| whole.spot_of(fault)).min();
        faults.into_iter().for_each(|fault| salvaged.drop_piece(fault));
        let end = whole.end();
        let cut = damaged.map_or(end, |spot| spot.min(end));
        drop(whole);
        let mut sound = through(fs, dir, cut, &mut salvaged)?;
        let unfinished = sound.as_ref().map(EtcdWalStore::unfinished).transpose()?.flatten();
        if let (Some(fault), Some(store)) = (unfinished, &sound) {
            let cut = store.spot_of(&fault).unwrap_or(cut);
            salvaged.drop_piece(fault);
            sound = through(fs, dir, cut, &mut Salvaged::default())?;
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

/// What of the log in `dir` lies before `cut`; `None` when nothing does.
fn through(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    cut: Spot,
    salvaged: &mut Salvaged,
) -> Result<Option<EtcdWalStore>, StoreError> {
    let segments = clipped(open_segments(fs, dir)?, cut, salvaged);
    Ok(match segments.is_empty() {
        true => None,
        false => Some(EtcdWalStore::over(fs.as_ref(), dir, segments, true, None)?),
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
            let found = "a segment behind the damage".to_owned();
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

    fn page_bytes(&self) -> Option<u64> {
        None
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
