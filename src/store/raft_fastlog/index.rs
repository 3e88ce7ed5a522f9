//! Which entry counts under which index, without a word per entry.
//!
//! Entries that follow one another by index follow one another in the file, whatever other records
//! lie between. So a piece of up to 1,024 of them is remembered by the place of its
//! first; the others are found by following the file from there. What is overwritten or deleted
//! shortens or splits a piece.
//!
//! Memory: about 40 bytes for a piece, 60 at the worst, so for an entry that does not follow the
//! one before it in the file (a file that its library rewrote has its entries in no order) as much
//! as that, and next to nothing for all others. Pieces are never more than entries, of which each
//! has 25 bytes of the file at least: a file made to hurt takes two and a half times its size, one
//! that its library rewrote 40 bytes an entry, that is 40 MB for a million.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::store::raft_fastlog::format::Head;

/// Entries of a piece, at most.
const PIECE_ENTRIES: u16 = 1024;

/// Entries that follow one another by index, remembered by the place of the first of them, or of
/// one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where the entry lies from which to follow the file.
    pub base: u64,
    /// Entries from there to the first that counts.
    pub skip: u16,
    /// Entries that count.
    pub count: u16,
    /// Entries of the record at `base`, from that one on; more than a piece has need not be known.
    pub left: u16,
}

impl Piece {
    /// The index of its last entry, when the first has index `first`.
    pub fn last(&self, first: u64) -> u64 {
        first.saturating_add(u64::from(self.count.saturating_sub(1)))
    }

    /// The same without its first `entries`.
    fn after(&self, entries: u64) -> Piece {
        let entries = u16::try_from(entries).unwrap_or(u16::MAX);
        let skip = self.skip.saturating_add(entries);
        Piece { skip, count: self.count.saturating_sub(entries), ..*self }
    }

    /// Only its first `entries`.
    fn first(&self, entries: u64) -> Piece {
        Piece { count: u16::try_from(entries).unwrap_or(u16::MAX).min(self.count), ..*self }
    }
}

/// Pieces that do not overlap, by the index of their first entry.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    map: BTreeMap<u64, Piece>,
}

impl Pieces {
    /// Puts a piece in the place of everything that has one of its indexes.
    pub fn put(&mut self, first: u64, piece: Piece) {
        self.remove(first..=piece.last(first), |_, _| {});
        self.map.insert(first, piece);
    }

    /// Removes the indexes in `range`; `removed` gets what was there, ascending.
    pub fn remove(&mut self, range: RangeInclusive<u64>, mut removed: impl FnMut(u64, Piece)) {
        let (low, high) = (*range.start(), *range.end());
        if low > high {
            return;
        }
        let before = self.map.range(..low).next_back().map(|(first, piece)| (*first, *piece));
        if let Some((first, piece)) = before.filter(|(first, piece)| piece.last(*first) >= low) {
            self.map.insert(first, piece.first(low - first));
            self.cut(low, piece.after(low - first), high, &mut removed);
        }
        while let Some((&first, &piece)) = self.map.range(low..=high).next() {
            self.map.remove(&first);
            self.cut(first, piece, high, &mut removed);
        }
    }

    /// Gives away what of a piece lies up to `high`, and puts back what lies behind.
    fn cut(&mut self, first: u64, piece: Piece, high: u64, removed: &mut impl FnMut(u64, Piece)) {
        if piece.last(first) <= high {
            return removed(first, piece);
        }
        let gone = high.saturating_sub(first).saturating_add(1);
        removed(first, piece.first(gone));
        self.map.insert(high.saturating_add(1), piece.after(gone));
    }

    /// The piece that has `index`, with its first index.
    pub fn get(&self, index: u64) -> Option<(u64, Piece)> {
        let (first, piece) = self.map.range(..=index).next_back()?;
        (piece.last(*first) >= index).then_some((*first, *piece))
    }

    /// Every piece that has an index in `range`, ascending.
    pub fn within(
        &self,
        range: RangeInclusive<u64>,
    ) -> impl Iterator<Item = (u64, Piece)> + Send + use<'_> {
        let (low, high) = (*range.start(), *range.end());
        let first = self.get(low).filter(|(first, _)| *first < low);
        let rest = self.map.range(low..=high.max(low)).map(|(first, piece)| (*first, *piece));
        first.into_iter().chain(rest)
    }

    /// First and last index.
    pub fn bounds(&self) -> Option<(u64, u64)> {
        let (first, _) = self.map.first_key_value()?;
        let (last, piece) = self.map.last_key_value()?;
        Some((*first, piece.last(*last)))
    }

    /// Entries that count.
    pub fn entries(&self) -> u64 {
        self.map.values().map(|piece| u64::from(piece.count)).sum()
    }

    /// Everything that the other has too.
    pub fn put_all(&mut self, other: &Pieces) {
        for (first, piece) in &other.map {
            self.put(*first, *piece);
        }
    }
}

/// Makes pieces of entries as the file gives them. Two walks over one file make the same pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Growing {
    piece: Option<(u64, Piece)>,
}

impl Growing {
    /// Takes the next entry of the file, which is followed by `left - 1` others of its record;
    /// returns the piece that ended before it.
    pub fn entry(&mut self, head: &Head, left: u64) -> Option<(u64, Piece)> {
        if let Some((first, piece)) = &mut self.piece
            && piece.count < PIECE_ENTRIES
            && piece.last(*first).checked_add(1) == Some(head.index)
        {
            piece.count += 1;
            return None;
        }
        let left = u16::try_from(left).unwrap_or(u16::MAX);
        let begun = Piece { base: head.offset_bytes, skip: 0, count: 1, left };
        self.piece.replace((head.index, begun))
    }

    /// Ends the piece; nothing follows it any more.
    pub fn end(&mut self) -> Option<(u64, Piece)> {
        self.piece.take()
    }

    /// Where the piece begins to which the entry belongs that was taken last.
    pub fn base(&self) -> Option<u64> {
        self.piece.map(|(_, piece)| piece.base)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Deed {
        Put(u64, u16),
        Remove(u64, u64),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            (0..60u64, 1..20u16).prop_map(|(first, count)| Deed::Put(first, count)),
            (0..80u64, 0..80u64).prop_map(|(low, high)| Deed::Remove(low, high)),
        ];
        proptest::collection::vec(deed, 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Pieces say of every index what a plain map of indexes says.
        #[test]
        fn pieces_are_a_map_of_indexes(deeds in deeds()) {
            let (mut pieces, mut plain) = (Pieces::default(), BTreeMap::new());
            for (number, deed) in deeds.into_iter().enumerate() {
                let base = number as u64 * 1000;
                match deed {
                    Deed::Put(first, count) => {
                        pieces.put(first, Piece { base, skip: 0, count, left: 1 });
                        plain.extend((0..u64::from(count)).map(|n| (first + n, (base, n))));
                    }
                    Deed::Remove(low, high) => {
                        let mut gone = BTreeMap::new();
                        pieces.remove(low..=high, |first, piece| {
                            let each = (0..u64::from(piece.count))
                                .map(|n| (first + n, (piece.base, u64::from(piece.skip) + n)));
                            gone.extend(each);
                        });
                        let wanted: BTreeMap<_, _> = match low <= high {
                            true => plain.range(low..=high).map(|(k, v)| (*k, *v)).collect(),
                            false => BTreeMap::new(),
                        };
                        prop_assert_eq!(gone, wanted);
                        plain.retain(|index, _| !(low..=high).contains(index));
                    }
                }
            }
            prop_assert_eq!(pieces.entries(), plain.len() as u64);
            for index in 0..100 {
                let found = pieces.get(index).map(|(first, piece)| {
                    (piece.base, u64::from(piece.skip) + index - first)
                });
                prop_assert_eq!(found, plain.get(&index).copied());
            }
            let bounds = plain.keys().next().copied().zip(plain.keys().next_back().copied());
            prop_assert_eq!(pieces.bounds(), bounds);
            for low in [0, 7, 30] {
                let all = pieces.within(low..=40).flat_map(|(first, piece)| {
                    (first..=piece.last(first)).filter(move |index| (low..=40).contains(index))
                });
                let wanted: Vec<u64> = plain.range(low..=40).map(|(index, _)| *index).collect();
                prop_assert_eq!(all.collect::<Vec<_>>(), wanted);
            }
        }
    }
}
