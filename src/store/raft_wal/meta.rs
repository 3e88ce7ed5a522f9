//! `wal-meta.db`: bucket `wal-meta`, key `m`, the list of segments as JSON; bucket `stable`, the
//! stable keys.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Code, Fault, FaultKind, GroupId, Place, StableMap};
use crate::store::bolt::{Bucket, Metas, Pages, Root, Visit, Walk, buckets, read_metas};
use crate::store::boltdb::read_stable;
use crate::store::raft_wal::ORDER;
use crate::store::{StoreError, io_error};
use crate::vfs::{Fs, OpenMode};

/// The bucket of the list of segments.
pub const META: &[u8] = b"wal-meta";
/// Its only key.
pub const META_KEY: &[u8] = b"m";
/// The bucket of the stable keys.
pub const STABLE: &[u8] = b"stable";
/// When a segment was sealed that is not.
pub const NOT_SEALED: &str = "0001-01-01T00:00:00Z";

/// The list of segments, in the library's own names and order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// Number of the segment that will be created next.
    #[serde(rename = "NextSegmentID")]
    pub next_segment_id: u64,
    /// The segments, ascending; null stands for none.
    pub segments: Option<Vec<SegmentInfo>>,
}

/// A segment in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SegmentInfo {
    /// Its number.
    #[serde(rename = "ID")]
    pub id: u64,
    /// Index of the first entry in its file.
    pub base_index: u64,
    /// First index that was not deleted.
    pub min_index: u64,
    /// Last index that was not deleted; 0 while it is written.
    pub max_index: u64,
    /// Codec of its entries.
    pub codec: u64,
    /// Where the offsets in its index begin; 0 while it is written.
    pub index_start: u64,
    /// When it was created.
    pub create_time: String,
    /// When it was sealed; Go's zero time while it is written.
    pub seal_time: String,
    /// Size from which on it is sealed.
    pub size_limit: u32,
}

impl SegmentInfo {
    /// Whether nothing more is written into it.
    pub fn is_sealed(&self) -> bool {
        !self.seal_time.is_empty() && self.seal_time != NOT_SEALED
    }
}

/// An opened `wal-meta.db`.
pub struct MetaDb {
    pub pages: Pages,
    pub metas: Metas,
    pub state: State,
    pub stable: StableMap,
    /// Whether every stable key could be read.
    pub stable_is_whole: bool,
    /// Where the list of segments lies, where there is one.
    pub list_at: Option<Place>,
    pub faults: Vec<Fault>,
}

/// Reads the file at `path`.
///
/// # Errors
/// `NotFound` without the buckets of raft-wal, `Fault` (R119) for damage that leaves nothing to
/// read.
pub fn read_meta(fs: &dyn Fs, path: &Path) -> Result<MetaDb, StoreError> {
    let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
    let size_bytes = file.size().map_err(io_error("look at", path))?;
    let name: Arc<Path> = Arc::from(path);
    let metas = read_metas(file.as_ref(), &name, size_bytes)?;
    let pages = Pages::new(file, name, size_bytes, &metas.used);
    let (list, odd) = buckets(&pages, Root::Page(metas.used.root))?;
    let named = |name: &[u8]| list.iter().find(|bucket| bucket.name == name);
    let (Some(meta), Some(stable)) = (named(META), named(STABLE)) else {
        let words = |bucket: &Bucket| format!("bucket {}", bucket.name.escape_ascii());
        return Err(match odd.into_iter().next() {
            Some(fault) => fault.into(),
            None => StoreError::NotFound {
                path: path.to_owned(),
                reason: "a BoltDB file without the buckets stable and wal-meta".to_owned(),
                seen: list.iter().map(words).collect(),
            },
        });
    };
    let mut faults = metas.faults.clone();
    faults.extend(odd);
    let (stable, odd) = read_stable(&pages, &stable.root, ORDER)?;
    let stable_is_whole = odd.is_empty();
    faults.extend(odd);
    let (state, list_at) = match read_list(&pages, &meta.root)? {
        Some((state, place)) => (state, Some(place)),
        None => (State::default(), None),
    };
    Ok(MetaDb { pages, metas, state, stable, stable_is_whole, list_at, faults })
}

/// The list of segments, and where it lies; `None` in a directory that was never opened for
/// writing.
fn read_list(pages: &Pages, root: &Root) -> Result<Option<(State, Place)>, StoreError> {
    let mut walk = Walk::new(pages, root.clone());
    while let Some(visit) = walk.step() {
        let leaf = match visit? {
            Visit::Branch(_) => continue,
            Visit::Leaf(leaf) => leaf,
            Visit::Damaged(damaged) => {
                return Err(damaged.fault.as_ref().clone().in_group(&GroupId::Unnamed).into());
            }
        };
        for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
            if leaf.slice(&element.key) != META_KEY || element.is_bucket {
                continue;
            }
            let offset = leaf.offset_bytes.saturating_add(element.value.start as u64);
            let place = pages.place(offset, element.value.len() as u64);
            let state = serde_json::from_slice(leaf.slice(&element.value)).map_err(|error| {
                let kind = FaultKind::Field {
                    what: "list of segments",
                    expected: "JSON as raft-wal writes it".to_owned(),
                    found: format!("not that: {error}"),
                };
                Fault::new(Code::R119, kind).at(place.clone()).in_group(&GroupId::Unnamed)
            })?;
            return Ok(Some((state, place)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "{\"NextSegmentID\":2,\"Segments\":[{\"ID\":0,\"BaseIndex\":1,\
        \"MinIndex\":1,\"MaxIndex\":200,\"Codec\":1,\"IndexStart\":26608,\
        \"CreateTime\":\"2024-01-02T03:04:05.678901234Z\",\
        \"SealTime\":\"2024-01-02T03:04:05.678901234Z\",\"SizeLimit\":65536}]}";

    #[test]
    fn the_list_is_read_and_written_as_the_library_does() {
        let state: State = serde_json::from_str(WRITTEN).expect("a list");
        let [segment] = state.segments.as_deref().unwrap() else { panic!("one segment") };
        assert_eq!((segment.max_index, segment.index_start), (200, 26_608));
        assert!(segment.is_sealed());
        assert_eq!(serde_json::to_string(&state).expect("JSON"), WRITTEN);
        let none: State = serde_json::from_str("{\"NextSegmentID\":0,\"Segments\":null}").unwrap();
        assert_eq!(none, State::default());
        let tail = SegmentInfo { seal_time: NOT_SEALED.to_owned(), ..segment.clone() };
        assert!(!tail.is_sealed());
    }
}
