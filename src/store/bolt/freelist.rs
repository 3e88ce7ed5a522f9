//! The freelist: which pages a server would write to next.

use crate::bytes::u64_at;
use crate::model::{Fault, FaultKind};
use crate::store::StoreError;
use crate::store::bolt::format::{
    COUNT_FOLLOWS, FIRST_PAGE, FREELIST, HEADER_BYTES, PageHeader, PageId,
};
use crate::store::bolt::page::Extent;
use crate::store::bolt::pages::Pages;
use crate::store::bolt::set::PageSet;

/// Bytes of page numbers that are read at a time.
const PIECE_BYTES: u64 = 64 * 1024;
const NUMBER_BYTES: u64 = 8;

/// A freelist whose header and count are in order.
pub struct Freelist {
    /// Where its pages lie.
    pub extent: Extent,
    /// Further pages that it owns.
    pub overflow: u32,
    /// Pages that it lists.
    pub count: u64,
    start: u64,
}

/// Reads the header of the freelist at `page`.
///
/// # Errors
/// `Fault` (R119) when it is none or counts more than it holds, `Io` when it cannot be read.
pub fn read_freelist(pages: &Pages, page: PageId) -> Result<Freelist, StoreError> {
    let header = pages.header(page)?;
    let fault = |kind| StoreError::from(pages.page_fault(page, kind));
    check_header(&header, page).map_err(fault)?;
    let extent = pages.locate(page, header.overflow).map_err(fault)?;
    let mut start = extent.offset_bytes.saturating_add(HEADER_BYTES as u64);
    let mut count = u64::from(header.count);
    if header.count == COUNT_FOLLOWS {
        let bytes = pages.read(start, NUMBER_BYTES)?;
        count = u64_at(&bytes, 0).unwrap_or_default();
        start = start.saturating_add(NUMBER_BYTES);
    }
    let limit = extent.offset_bytes.saturating_add(extent.len_bytes).saturating_sub(start);
    if count > limit / NUMBER_BYTES {
        let limit = limit / NUMBER_BYTES;
        let what = "count of the freelist";
        return Err(fault(FaultKind::Bounds { what, value: count, limit }));
    }
    Ok(Freelist { extent, overflow: header.overflow, count, start })
}

fn check_header(header: &PageHeader, page: PageId) -> Result<(), FaultKind> {
    let (what, expected, found) = if header.flags != FREELIST {
        let (expected, found) = (format!("{FREELIST:#x}"), format!("{:#x}", header.flags));
        ("type of the freelist page", expected, found)
    } else if header.id != page {
        ("number of the freelist page", page.to_string(), header.id.to_string())
    } else {
        return Ok(());
    };
    Err(FaultKind::Field { what, expected, found })
}

impl Freelist {
    /// Adds every listed page to `free`; `odd` gets what is wrong: pages that are none, listed
    /// twice, or in `reached`.
    ///
    /// # Errors
    /// Only when the file cannot be read.
    pub fn collect(
        &self,
        pages: &Pages,
        reached: &PageSet,
        free: &mut PageSet,
        odd: &mut dyn FnMut(Fault),
    ) -> Result<(), StoreError> {
        let mut done = 0;
        while done < self.count {
            let piece = (self.count - done).min(PIECE_BYTES / NUMBER_BYTES);
            let at = self.start.saturating_add(done * NUMBER_BYTES);
            let bytes = pages.read(at, piece * NUMBER_BYTES)?;
            for (n, number) in bytes.chunks_exact(8).enumerate() {
                let page = PageId(u64_at(number, 0).unwrap_or_default());
                let kind = if page < FIRST_PAGE || page >= pages.end() {
                    FaultKind::Field {
                        what: "page in the freelist",
                        expected: format!("{FIRST_PAGE} or more, below {}", pages.end()),
                        found: page.to_string(),
                    }
                } else if !free.add(page) {
                    FaultKind::Cycle { what: "entries of the freelist", page: page.0 }
                } else if reached.contains(page) {
                    FaultKind::Field {
                        what: "page in the freelist",
                        expected: "one that nothing refers to".to_owned(),
                        found: format!("{page}, which is in use"),
                    }
                } else {
                    continue;
                };
                let place = pages.place(at + n as u64 * NUMBER_BYTES, NUMBER_BYTES);
                odd(Fault::new(crate::model::Code::R119, kind).at(place));
            }
            done += piece;
        }
        Ok(())
    }
}
