//! Which commit a file stands for: what redb would find if it opened the file now.
//!
//! A closed file is its primary slot. A file that was not closed is its primary slot when that was
//! a two-phase commit; else the newer of the two slots if everything it reaches verifies, otherwise
//! the other one. redb falls back without a word; here it is a finding.

use std::ops::ControlFlow;

use crate::model::{Code, Fault, FaultKind, Severity};
use crate::store::redb::format::{
    GOD_BYTE_AT, HEADER_BYTES, Header, MAGIC, PAGE_BYTES, PAGE_SIZE_AT, REGION_PAGES_MAX,
    SLOT_BYTES, SLOTS_AT, Slot,
};
use crate::store::redb::pages::Pages;
use crate::store::redb::schema::Roles;
use crate::store::redb::survey::survey;
use crate::store::{Level, StoreError};

/// The commit that a file stands for.
pub struct Chosen {
    /// Its slot.
    pub commit: Slot,
    /// What choosing it showed.
    pub faults: Vec<Fault>,
    /// A newer commit that does not verify, with the first thing that is wrong with it.
    pub newer: Option<(Slot, Box<Fault>)>,
    /// How the file was closed, one line.
    pub closing: String,
}

/// That the file's format is known and not read, with the way to upgrade.
pub fn refuse_version(header: &Header, pages: &Pages) -> Result<(), StoreError> {
    let (primary, other) = by_god_byte(header);
    let version = match (primary.fits(), other.fits()) {
        (true, _) => primary.version,
        (false, true) => other.version,
        // Nothing fits: only when both agree on another version it is that one, else it is damage.
        (false, false) if primary.version == other.version && primary.version != 0 => {
            primary.version
        }
        (false, false) => return Ok(()),
    };
    let way_out = match version {
        2 | 3 => return Ok(()),
        1 => {
            "read it with redb 1 (or the program that wrote it) and write it anew; \
             there is no upgrade in place"
        }
        121 => "it was written before redb 1.0: read it with that release and write it anew",
        _ => "use a newer raftlog, or write the database anew with redb 4",
    };
    Err(StoreError::Unsupported {
        path: pages.path().to_path_buf(),
        what: format!("redb file format {version} is not read (2 and 3 are)"),
        way_out: way_out.to_owned(),
    })
}

fn by_god_byte(header: &Header) -> (Slot, Slot) {
    let [first, second] = header.slots;
    if header.primary_is_second() { (second, first) } else { (first, second) }
}

fn slot_fault(pages: &Pages, second: bool, slot: &Slot) -> Fault {
    let [first_at, second_at] = SLOTS_AT;
    let at = if second { second_at } else { first_at };
    let kind = FaultKind::Checksum {
        what: if second { "commit slot 1" } else { "commit slot 0" },
        expected: format!("{:032x}", slot.stored),
        found: format!("{:032x}", slot.computed),
    };
    Fault::new(Code::R119, kind).at(pages.place(at as u64, SLOT_BYTES as u64))
}

/// What is wrong with the header's fields that no checksum covers.
pub fn header_faults(header: &Header, pages: &Pages) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut field = |what, expected: String, found: String, at: usize, len: usize| {
        let kind = FaultKind::Field { what, expected, found };
        faults.push(Fault::new(Code::R119, kind).at(pages.place(at as u64, len as u64)));
    };
    if header.magic != MAGIC {
        let words = |magic: &[u8]| magic.escape_ascii().to_string();
        field("magic number", words(&MAGIC), words(&header.magic), 0, MAGIC.len());
    }
    if u64::from(header.page_size) != PAGE_BYTES {
        let found = header.page_size.to_string();
        field("page size", PAGE_BYTES.to_string(), found, PAGE_SIZE_AT, 4);
    }
    let geometry = &header.geometry;
    for (what, pages, at, least) in [
        ("header pages of a region", geometry.region_header_pages, PAGE_SIZE_AT + 4, 0),
        ("data pages of a region", geometry.region_max_pages, PAGE_SIZE_AT + 8, 1),
    ] {
        if !(least..=REGION_PAGES_MAX).contains(&pages) {
            field(what, format!("{least} to {REGION_PAGES_MAX}"), pages.to_string(), at, 4);
        }
    }
    faults
}

/// What is wrong with the file's size. redb refuses a file that was cut, and one that was made
/// longer by something else than whole pages; longer by pages it takes.
fn size_fault(header: &Header, pages: &Pages) -> Option<Fault> {
    let found = pages.size_bytes();
    let recorded = header.geometry.recorded_bytes();
    let whole = found.is_multiple_of(PAGE_BYTES);
    if header.recovery_required() {
        let least = PAGE_BYTES * (u64::from(header.geometry.region_header_pages) + 2);
        if whole && found >= least {
            return None;
        }
        let kind = FaultKind::Field {
            what: "size of the file",
            expected: format!("whole pages, at least {least} bytes"),
            found: format!("{found} bytes"),
        };
        return Some(Fault::new(Code::R119, kind).at(pages.place(0, found)));
    }
    if found == recorded {
        return None;
    }
    if found < recorded {
        let kind = FaultKind::Short { what: "file", needed_bytes: recorded, found_bytes: found };
        return Some(Fault::new(Code::R119, kind).at(pages.place(found, recorded - found)));
    }
    let kind = FaultKind::Field {
        what: "size of the file",
        expected: format!("{recorded} bytes, as its header says"),
        found: format!("{found} bytes"),
    };
    let fault = Fault::new(Code::R119, kind).at(pages.place(recorded, found - recorded));
    Some(if whole { fault.as_severity(Severity::Warning) } else { fault })
}

/// Chooses the commit that the file stands for.
///
/// # Errors
/// `Fault` when neither slot fits, `Io` when the file cannot be read.
pub fn choose(header: &Header, pages: &Pages) -> Result<Chosen, StoreError> {
    let mut faults = header_faults(header, pages);
    let size = size_fault(header, pages);
    let as_closed = !header.recovery_required() && size.is_none();
    faults.extend(size);
    let (primary, other) = by_god_byte(header);
    let second = header.primary_is_second();
    let usable = |slot: &Slot| slot.fits() && (slot.version == 2 || slot.version == 3);
    let mut chosen = match (usable(&primary), usable(&other)) {
        (false, false) => return Err(slot_fault(pages, second, &primary).into()),
        (true, false) => {
            // The slot that a crash or a copy may have torn; redb does not look at it.
            let fault = slot_fault(pages, !second, &other).as_severity(Severity::Warning);
            only(primary, fault)
        }
        (false, true) => only(other, slot_fault(pages, second, &primary)),
        (true, true) if as_closed || header.two_phase() => {
            let mut chosen = Chosen::of(primary);
            if as_closed && other.transaction > primary.transaction {
                chosen.faults.push(older_primary(pages, &primary, &other));
            }
            chosen
        }
        (true, true) => {
            let newer_first = other.transaction > primary.transaction;
            let (newer, older) = if newer_first { (other, primary) } else { (primary, other) };
            newest_that_verifies(pages, newer, older)?
        }
    };
    faults.append(&mut chosen.faults);
    chosen.faults = faults;
    chosen.closing = closing_words(header, &chosen.commit);
    Ok(chosen)
}

impl Chosen {
    fn of(commit: Slot) -> Chosen {
        Chosen { commit, faults: Vec::new(), newer: None, closing: String::new() }
    }
}

fn only(commit: Slot, fault: Fault) -> Chosen {
    Chosen { faults: vec![fault], ..Chosen::of(commit) }
}

fn older_primary(pages: &Pages, primary: &Slot, other: &Slot) -> Fault {
    let kind = FaultKind::Field {
        what: "god byte of a closed file",
        expected: format!("the slot of transaction {}, the newest", other.transaction),
        found: format!("the slot of transaction {}", primary.transaction),
    };
    Fault::new(Code::R119, kind).at(pages.place(GOD_BYTE_AT as u64, 1))
}

fn closing_words(header: &Header, commit: &Slot) -> String {
    if header.recovery_required() {
        let how = "not closed: open elsewhere, copied while open, or its process died";
        format!("{how}; recovered in memory at transaction {}", commit.transaction)
    } else {
        format!("closed at transaction {}", commit.transaction)
    }
}

fn newest_that_verifies(pages: &Pages, newer: Slot, older: Slot) -> Result<Chosen, StoreError> {
    let Some(damage) = first_damage(pages, &newer)? else { return Ok(Chosen::of(newer)) };
    if first_damage(pages, &older)?.is_none() {
        return Ok(Chosen { newer: Some((newer, damage)), ..Chosen::of(older) });
    }
    let kind = FaultKind::Field {
        what: "commits of a file that was not closed",
        expected: "one that verifies as a whole".to_owned(),
        found: format!(
            "neither transaction {} nor {}, and redb refuses the file",
            newer.transaction, older.transaction
        ),
    };
    let fault = Fault::new(Code::R119, kind).at(pages.place(0, HEADER_BYTES as u64));
    Ok(only(newer, fault))
}

/// The first page that does not verify among those that a commit reaches.
///
/// # Errors
/// Only when the file cannot be read.
pub fn first_damage(pages: &Pages, commit: &Slot) -> Result<Option<Box<Fault>>, StoreError> {
    let mut going = |_| ControlFlow::Continue(());
    let found = survey(pages, (commit, &Roles::default()), (Level::Full, None), &mut going)?;
    let Some(found) = found.filter(|found| found.damaged) else { return Ok(None) };
    let page = found.faults.into_iter().find(|fault| fault.severity == Severity::Error);
    Ok(page.map(Box::new))
}
