//! The two metas: where the second one lies, which of them verify, which commit counts.
//!
//! Transaction T writes its meta to page T mod 2 after all its data, so the two metas are the two
//! newest commits, and where the newer one does not verify the older one is complete.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, Place, Severity};
use crate::store::bolt::format::{
    FIRST_PAGE, HEADER_BYTES, MAGIC, META, META_AT, META_BYTES, Meta, PAGE_BYTES_MAX,
    PAGE_BYTES_MIN, PageHeader, PageId,
};
use crate::store::bolt::write::PAGE_BYTES_USUAL;
use crate::store::{StoreError, io_error};
use crate::vfs::VfsFile;

/// Bytes of a page up to the end of its meta.
const SLOT_BYTES: usize = HEADER_BYTES + META_BYTES;

/// What stands where a meta must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// A meta that verifies.
    Sound(Meta),
    /// Something else: what is wrong, and the transaction that it claims to be of.
    Broken(FaultKind, Option<u64>),
}

/// A place for a meta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where the meta lies.
    pub place: Place,
    /// What is there.
    pub state: SlotState,
    header: Option<PageHeader>,
}

impl Slot {
    fn meta(&self) -> Option<&Meta> {
        match &self.state {
            SlotState::Sound(meta) => Some(meta),
            SlotState::Broken(..) => None,
        }
    }

    /// What is wrong with the header of a meta's page, which no checksum covers.
    fn odd_header(&self, id: PageId) -> Option<FaultKind> {
        let found = self.header?;
        let expected = PageHeader { id, flags: META, count: 0, overflow: 0 };
        let words = |header: &PageHeader| {
            let PageHeader { id, flags, count, overflow } = header;
            format!("id {id}, flags {flags:#x}, count {count}, overflow {overflow}")
        };
        (found != expected).then(|| FaultKind::Field {
            what: "header of a meta page",
            expected: words(&expected),
            found: words(&found),
        })
    }
}

/// The metas of a file of which at least one verifies.
#[derive(Clone, Debug)]
pub struct Metas {
    /// The commit that counts.
    pub used: Meta,
    /// Which of the slots it is.
    pub used_slot: usize,
    /// Both slots.
    pub slots: [Slot; 2],
    /// What is wrong with them.
    pub faults: Vec<Fault>,
}

/// Whether a file that begins with `head` claims to be BoltDB's: the magic number where the first
/// meta has it. `Some(false)` for one of the other byte order.
pub fn begins_like_bolt(head: &[u8]) -> Option<bool> {
    let mut swapped = MAGIC;
    swapped.reverse();
    match head.get(HEAD_MAGIC_AT..)?.first_chunk::<4>()? {
        found if *found == MAGIC => Some(true),
        found if *found == swapped => Some(false),
        _ => None,
    }
}

const HEAD_MAGIC_AT: usize = HEADER_BYTES;

/// Reads both metas of `file`, which is `size_bytes` long. Where the first one does not verify, the
/// second is looked for at every page size.
///
/// # Errors
/// `Fault` (R119) when neither verifies, `Io` when the file cannot be read.
pub fn read_metas(
    file: &dyn VfsFile,
    path: &Arc<Path>,
    size_bytes: u64,
) -> Result<Metas, StoreError> {
    let reader = Reader { file, path, size_bytes };
    let first = reader.slot(0)?;
    let page_bytes = match first.meta() {
        Some(meta) => Some(meta.page_bytes),
        None => reader.probe(&first)?,
    };
    let second = match page_bytes {
        Some(page_bytes) => reader.slot(page_bytes)?,
        None => return Err(reader.none(first)),
    };
    choose([first, second])
}

/// The page size of a file without a meta that verifies: that at which most of its first pages
/// call themselves by their numbers.
///
/// # Errors
/// When the file cannot be read.
pub fn likely_page_bytes(
    file: &dyn VfsFile,
    path: &Arc<Path>,
    size_bytes: u64,
) -> Result<u64, StoreError> {
    const PAGES_MAX: u64 = 256;
    let mut best = (0, PAGE_BYTES_USUAL);
    for page_bytes in (0..15).map(|power| PAGE_BYTES_MIN << power) {
        let mut named = 0u64;
        for page in FIRST_PAGE.0..PAGES_MAX.min(size_bytes / page_bytes) {
            let mut bytes = [0; HEADER_BYTES];
            let read = file.read_at(page.saturating_mul(page_bytes), &mut bytes);
            let read = read.map_err(io_error("read", path))?;
            let header = PageHeader::read(bytes.get(..read).unwrap_or_default());
            named += u64::from(header.is_some_and(|header| header.id.0 == page));
        }
        if named > best.0 {
            best = (named, page_bytes);
        }
    }
    Ok(best.1)
}

struct Reader<'a> {
    file: &'a dyn VfsFile,
    path: &'a Arc<Path>,
    size_bytes: u64,
}

impl Reader<'_> {
    /// Looks at the meta in the page at `offset_bytes`.
    fn slot(&self, offset_bytes: u64) -> Result<Slot, StoreError> {
        let mut bytes = [0; SLOT_BYTES];
        let read = self.file.read_at(offset_bytes, &mut bytes).map_err(io_error("read", self.path));
        let bytes = bytes.get(..read?).unwrap_or_default();
        let meta = bytes.get(HEAD_MAGIC_AT..).unwrap_or_default();
        let state = match Meta::read(meta) {
            Ok(meta) => SlotState::Sound(meta),
            Err(kind) => SlotState::Broken(kind, Meta::claims(meta).map(|(claim, _)| claim)),
        };
        let offset_bytes = offset_bytes.saturating_add(META_AT);
        let len_bytes = (META_BYTES as u64).min(self.size_bytes.saturating_sub(offset_bytes));
        let place = Place { file: Arc::clone(self.path), offset_bytes, len_bytes };
        Ok(Slot { place, state, header: PageHeader::read(bytes) })
    }

    /// The page size at which a second meta lies that agrees with it.
    fn probe(&self, first: &Slot) -> Result<Option<u64>, StoreError> {
        let mut sizes: Vec<u64> = (0..15).map(|power| PAGE_BYTES_MIN << power).collect();
        let mut bytes = [0; META_BYTES];
        let at = first.place.offset_bytes;
        let read = self.file.read_at(at, &mut bytes).map_err(io_error("read", self.path))?;
        let claimed = Meta::claims(bytes.get(..read).unwrap_or_default());
        sizes.extend(claimed.map(|(_, page_bytes)| page_bytes));
        for page_bytes in sizes {
            let fits = page_bytes.saturating_add(PAGE_BYTES_MIN) <= self.size_bytes;
            if !fits || page_bytes > PAGE_BYTES_MAX {
                continue;
            }
            let slot = self.slot(page_bytes)?;
            let header = slot.header.is_some_and(|found| found.id.0 == 1 && found.flags == META);
            if header && slot.meta().is_some_and(|meta| meta.page_bytes == page_bytes) {
                return Ok(Some(page_bytes));
            }
        }
        Ok(None)
    }

    fn none(&self, first: Slot) -> StoreError {
        let kind = match first.state {
            SlotState::Broken(kind, _) => kind,
            SlotState::Sound(_) => FaultKind::Note { found: "no second meta".to_owned() },
        };
        let found = format!("page 0: {kind}; no meta verifies behind it at any page size");
        let kind = FaultKind::Field {
            what: "metas of a BoltDB file",
            expected: "one that verifies".to_owned(),
            found,
        };
        Fault::new(Code::R119, kind).at(first.place).into()
    }
}

/// Chooses the newest commit that verifies, and says what is wrong with the other meta.
fn choose(slots: [Slot; 2]) -> Result<Metas, StoreError> {
    let [first, second] = &slots;
    let used_slot = match (first.meta(), second.meta()) {
        (Some(one), Some(other)) => usize::from(other.transaction > one.transaction),
        (Some(_), None) => 0,
        (None, _) => 1,
    };
    let (used, unused) = if used_slot == 0 { (first, second) } else { (second, first) };
    let Some(meta) = used.meta().copied() else {
        let kind = FaultKind::Note { found: "no meta verifies".to_owned() };
        return Err(Fault::new(Code::R119, kind).at(first.place.clone()).into());
    };
    let mut faults = Vec::new();
    match &unused.state {
        SlotState::Sound(other) => faults.extend(disagreement(&meta, other, unused)),
        SlotState::Broken(kind, claim) => faults.push(broken(&meta, kind, *claim, unused)),
    }
    faults.extend(odd_used(&meta, used_slot, used));
    for (id, slot) in [(0, first), (1, second)] {
        let severity = if slot == used { Severity::Error } else { Severity::Warning };
        let fault = |kind| Fault::new(Code::R119, kind).at(slot.place.clone());
        // A page that is no meta at all has its own finding.
        let odd = slot.odd_header(PageId(id)).filter(|_| slot.meta().is_some());
        faults.extend(odd.map(|kind| fault(kind).as_severity(severity)));
    }
    Ok(Metas { used: meta, used_slot, slots, faults })
}

/// The finding that one meta does not verify: the newer commit's, as far as that can be told.
fn broken(used: &Meta, kind: &FaultKind, claim: Option<u64>, slot: &Slot) -> Fault {
    let transaction = used.transaction;
    let older = claim.is_some_and(|claim| claim < transaction);
    let note = |found| FaultKind::Note { found };
    let fault = if older {
        let newest = format!("that of transaction {transaction}, the newest, does");
        let found = format!("the meta of the commit before does not verify ({kind}); {newest}");
        Fault::new(Code::R119, note(found)).as_severity(Severity::Warning)
    } else {
        let newer = match claim {
            Some(claim) => format!("the meta of transaction {claim}, the newest,"),
            None => "one meta, perhaps of the newest commit,".to_owned(),
        };
        let found = format!("{newer} does not verify ({kind}); transaction {transaction} was used");
        let expected = "that both metas verify".to_owned();
        Fault::new(Code::R123, FaultKind::Rule { expected, found })
    };
    fault.at(slot.place.clone())
}

/// What is odd about two metas that both verify.
fn disagreement(used: &Meta, other: &Meta, slot: &Slot) -> Option<Fault> {
    let (what, expected, found) = if used.page_bytes != other.page_bytes {
        ("page size in the other meta", used.page_bytes, other.page_bytes)
    } else if used.transaction == other.transaction {
        ("transaction in the other meta", used.transaction.saturating_sub(1), other.transaction)
    } else {
        return None;
    };
    let (expected, found) = (expected.to_string(), found.to_string());
    let kind = FaultKind::Field { what, expected, found };
    Some(Fault::new(Code::R119, kind).at(slot.place.clone()))
}

/// What is odd about the meta that counts although it verifies.
fn odd_used(meta: &Meta, slot_number: usize, slot: &Slot) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |code, kind| {
        let fault = Fault::new(code, kind).at(slot.place.clone());
        faults.push(fault.as_severity(Severity::Warning));
    };
    if !meta.has_checksum {
        let found = "a meta without a checksum, as very old libraries wrote it; bbolt refuses it \
                     from 1.3.7 on";
        add(Code::R121, FaultKind::Note { found: found.to_owned() });
    }
    if meta.transaction % 2 != slot_number as u64 {
        let expected = format!("page {}", meta.transaction % 2);
        let found = format!("page {slot_number}");
        let what = "page of the newest meta";
        add(Code::R119, FaultKind::Field { what, expected, found });
    }
    if !meta.page_bytes.is_power_of_two() {
        let found = meta.page_bytes.to_string();
        let expected = "a power of two".to_owned();
        add(Code::R119, FaultKind::Field { what: "page size", expected, found });
    }
    faults
}
