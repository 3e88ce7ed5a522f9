//! Sets of pages.

use std::collections::BTreeMap;

use crate::store::bolt::format::PageId;

const CHUNK_PAGES: u64 = 1 << 15;

/// A set of pages, a bit for each. Grows with what is in it, not with the file.
#[derive(Default)]
pub struct PageSet {
    chunks: BTreeMap<u64, Box<[u64; 512]>>,
    len: u64,
}

fn bit_of(page: PageId) -> (u64, usize, u64) {
    let inside = page.0 % CHUNK_PAGES;
    (page.0 / CHUNK_PAGES, usize::try_from(inside >> 6).unwrap_or_default(), 1 << (inside & 63))
}

impl PageSet {
    /// Adds a page; `false` when it was there already.
    pub fn add(&mut self, page: PageId) -> bool {
        let (chunk, word, bit) = bit_of(page);
        let chunk = self.chunks.entry(chunk).or_insert_with(|| Box::new([0; 512]));
        match chunk.get_mut(word) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                self.len += 1;
                true
            }
            _ => false,
        }
    }

    /// Adds a page and so many behind it, up to the first that was there already, which is
    /// returned. So the work over a whole file is bounded by its pages, whatever it claims.
    pub fn add_run(&mut self, first: PageId, more: u32) -> Option<PageId> {
        let last = first.0.saturating_add(more.into());
        (first.0..=last).map(PageId).find(|page| !self.add(*page))
    }

    /// Whether a page is in the set.
    pub fn contains(&self, page: PageId) -> bool {
        let (chunk, word, bit) = bit_of(page);
        let word = self.chunks.get(&chunk).and_then(|chunk| chunk.get(word));
        word.is_some_and(|word| word & bit != 0)
    }

    /// How many pages are in it.
    pub fn len(&self) -> u64 {
        self.len
    }
}
