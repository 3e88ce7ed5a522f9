use std::sync::{Arc, LazyLock, OnceLock};

use xxhash_rust::xxh3::xxh3_128;

/// Unit of write-back.
pub(super) const PAGE_BYTES: usize = 4096;
/// Unit of tearing.
pub(super) const SECTOR_BYTES: usize = 512;

/// Where a page lies in its file, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PageNo(pub(super) u64);

impl PageNo {
    /// The page that holds the byte at `offset_bytes`.
    pub(super) fn holding(offset_bytes: u64) -> PageNo {
        PageNo(offset_bytes / PAGE_BYTES as u64)
    }

    /// Offset of its first byte.
    pub(super) fn start_bytes(self) -> u64 {
        self.0.saturating_mul(PAGE_BYTES as u64)
    }

    /// Offset just behind its last byte.
    pub(super) fn end_bytes(self) -> u64 {
        self.start_bytes().saturating_add(PAGE_BYTES as u64)
    }

    /// How many of its bytes lie before `offset_bytes`.
    pub(super) fn bytes_before(self, offset_bytes: u64) -> usize {
        let inside = offset_bytes.saturating_sub(self.start_bytes());
        usize::try_from(inside).unwrap_or(PAGE_BYTES).min(PAGE_BYTES)
    }
}

/// The content of one page; never changes. Equal content has equal digests.
pub(super) struct PageData {
    bytes: [u8; PAGE_BYTES],
    digest: OnceLock<u128>,
}

/// A page, shared by everything that holds it.
pub(super) type Page = Arc<PageData>;

static ZERO: LazyLock<Page> = LazyLock::new(|| page_of([0; PAGE_BYTES]));

/// The page of zeros.
pub(super) fn zero_page() -> Page {
    Arc::clone(&ZERO)
}

pub(super) fn page_of(bytes: [u8; PAGE_BYTES]) -> Page {
    Arc::new(PageData { bytes, digest: OnceLock::new() })
}

impl PageData {
    pub(super) fn bytes(&self) -> &[u8; PAGE_BYTES] {
        &self.bytes
    }

    /// 128 bits that stand for the content.
    pub(super) fn digest(&self) -> u128 {
        *self.digest.get_or_init(|| xxh3_128(&self.bytes))
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digest() == ZERO.digest()
    }
}

/// The page that has the first `kept` bytes of `front` and the rest of `back`.
pub(super) fn joined(front: &Page, back: &Page, kept: usize) -> Page {
    if kept >= PAGE_BYTES || Arc::ptr_eq(front, back) {
        return Arc::clone(front);
    }
    let mut bytes = *back.bytes();
    if let (Some(into), Some(from)) = (bytes.get_mut(..kept), front.bytes().get(..kept)) {
        into.copy_from_slice(from);
    }
    page_of(bytes)
}

/// A page with zeros behind its first `kept` bytes; the page itself where they are zeros already.
pub(super) fn masked(page: &Page, kept: usize) -> Page {
    match page.bytes().get(kept..) {
        Some(tail) if tail.iter().any(|byte| *byte != 0) => joined(page, &ZERO, kept),
        _ => Arc::clone(page),
    }
}

/// The pages of a file, ascending; those that are missing are zeros.
#[derive(Clone, Default)]
pub(super) struct PageMap {
    pages: Vec<(PageNo, Page)>,
}

impl PageMap {
    pub(super) fn with_capacity(pages: usize) -> PageMap {
        PageMap { pages: Vec::with_capacity(pages) }
    }

    fn find(&self, no: PageNo) -> Result<usize, usize> {
        // Most files have all their pages, so that a page is where its number says.
        if let Ok(at) = usize::try_from(no.0) {
            match self.pages.get(at) {
                Some((found, _)) if *found == no => return Ok(at),
                None if self.pages.last().is_none_or(|(last, _)| *last < no) => {
                    return Err(self.pages.len());
                }
                _ => {}
            }
        }
        self.pages.binary_search_by_key(&no, |(found, _)| *found)
    }

    pub(super) fn get(&self, no: PageNo) -> Option<&Page> {
        self.find(no).ok().and_then(|at| self.pages.get(at)).map(|(_, page)| page)
    }

    pub(super) fn get_or_zero(&self, no: PageNo) -> Page {
        self.get(no).map_or_else(zero_page, Arc::clone)
    }

    pub(super) fn put(&mut self, no: PageNo, page: Page) {
        match self.find(no) {
            Ok(at) => {
                if let Some(slot) = self.pages.get_mut(at) {
                    slot.1 = page;
                }
            }
            Err(at) => self.pages.insert(at, (no, page)),
        }
    }

    /// Appends a page whose number is above all others.
    pub(super) fn push(&mut self, no: PageNo, page: Page) {
        debug_assert!(self.pages.last().is_none_or(|(last, _)| *last < no));
        self.pages.push((no, page));
    }

    /// Forgets everything behind the first `size_bytes` bytes.
    pub(super) fn cut(&mut self, size_bytes: u64) {
        let keep = self.pages.partition_point(|(no, _)| no.start_bytes() < size_bytes);
        self.pages.truncate(keep);
        if let Some((no, page)) = self.pages.last_mut() {
            *page = masked(page, no.bytes_before(size_bytes));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PageNo, &Page)> {
        self.pages.iter().map(|(no, page)| (*no, page))
    }
}

/// What is in a file. Bytes behind `size_bytes` are zeros in every page.
#[derive(Clone, Default)]
pub(super) struct Content {
    pub(super) size_bytes: u64,
    pub(super) pages: PageMap,
}

impl Content {
    /// Copies from `offset` into `buf`; short only at the end.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let left = self.size_bytes.saturating_sub(offset);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..len).filter(|rest| !rest.is_empty()) {
            let at = offset + done as u64;
            let no = PageNo::holding(at);
            let skip = no.bytes_before(at);
            let take = rest.len().min(PAGE_BYTES - skip);
            let Some(into) = rest.get_mut(..take) else { break };
            match self.pages.get(no).and_then(|page| page.bytes().get(skip..skip + take)) {
                Some(from) => into.copy_from_slice(from),
                None => into.fill(0),
            }
            done += take;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(byte: u8) -> Page {
        page_of([byte; PAGE_BYTES])
    }

    #[test]
    fn pages_are_found_whether_some_are_missing_or_not() {
        let mut map = PageMap::default();
        for no in [5, 0, 2, 1, 9, 5] {
            map.put(PageNo(no), filled(u8::try_from(no).expect("small")));
        }
        let found: Vec<u64> = map.iter().map(|(no, _)| no.0).collect();
        assert_eq!(found, [0, 1, 2, 5, 9]);
        for no in 0..12 {
            let expected = found.contains(&no).then(|| u8::try_from(no).expect("small"));
            assert_eq!(map.get(PageNo(no)).map(|page| page.bytes()[7]), expected, "page {no}");
        }
    }

    #[test]
    fn a_cut_leaves_zeros_behind_it() {
        let mut content = Content { size_bytes: 3 * 4096, pages: PageMap::default() };
        for no in 0..3 {
            content.pages.put(PageNo(no), filled(7));
        }
        content.pages.cut(5000);
        content.size_bytes = 9000;
        assert_eq!(content.pages.iter().count(), 2);
        let mut read = vec![1; 10_000];
        assert_eq!(content.read(0, &mut read), 9000);
        assert!(read[..5000].iter().all(|byte| *byte == 7));
        assert!(read[5000..9000].iter().all(|byte| *byte == 0));
        assert_eq!(content.read(9000, &mut read), 0);
        assert_eq!(content.read(u64::MAX, &mut read), 0);
        assert!(Arc::ptr_eq(
            &masked(&content.pages.get_or_zero(PageNo(0)), 4096),
            content.pages.get(PageNo(0)).expect("there")
        ));
    }
}
