//! The three things that fill one sector each: segment header, sync slot, anchor slot.

use crate::fastlog::format::{
    ANCHOR_MAGIC, FORMAT_VERSION, LogUid, Masked, SECTOR_BYTES, SEGMENT_MAGIC, SYNC_MAGIC, Salt,
    SegmentNo, Sequence,
};
use crate::fastlog::policy::{Flush, Strategy};
use crate::model::Durability;
use std::time::Duration;

const VERSION_AT: usize = 8;
const FLAGS_AT: usize = 12;
const UID_AT: usize = 16;
const CHECKSUM_AT: usize = SECTOR_BYTES - 4;

const FLAG_RECYCLED: u32 = 1;
const FLAG_CLEAN: u32 = 1;

const CREATED_BY_AT: usize = 96;
const CREATED_BY_BYTES: usize = 64;

/// Why a sector is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectorError {
    /// Nothing but zeros: never written.
    Blank,
    /// It does not begin with its magic number; these are its first eight bytes.
    Magic([u8; 8]),
    /// The checksum does not fit.
    Checksum {
        /// As stored.
        stored: Masked,
        /// Over the bytes.
        computed: Masked,
    },
    /// Written by another version of the format.
    Version(u32),
    /// It verifies, but a field holds what version 1 never writes.
    Field {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
    },
}

/// The beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log it belongs to.
    pub uid: LogUid,
    /// Its own number.
    pub number: SegmentNo,
    /// Sequence of its first frame.
    pub first: Sequence,
    /// Highest sequence that was durable when the header was written.
    pub sync_point: Sequence,
    /// Checksum of the last frame before the segment, 0 when there was none.
    pub previous: Masked,
    /// Whether rests of an earlier segment may lie behind the last frame.
    pub recycled: bool,
}

/// A sync point inside a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncSlot {
    /// The log it belongs to.
    pub uid: LogUid,
    /// The segment it lies in.
    pub number: SegmentNo,
    /// Counts the slots written in this segment, from 1; its lowest bit chooses the sector.
    pub counter: u64,
    /// Highest sequence that was durable when the slot was written.
    pub sync_point: Sequence,
}

/// How a store opens when nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Durability level.
    pub level: Durability,
    /// Order of disk and memory.
    pub strategy: Strategy,
    /// When writes are flushed.
    pub flush: Flush,
    /// Size at which a segment is full.
    pub segment_bytes: u64,
}

/// What a store says about itself: the content of an anchor slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The log.
    pub uid: LogUid,
    /// Counts the slots written, from 1; its lowest bit chooses the page.
    pub counter: u64,
    /// Oldest segment that is needed; older files are ignored.
    pub oldest: SegmentNo,
    /// Newest segment in use; 0 before the first.
    pub newest: SegmentNo,
    /// Highest sequence that was durable when the slot was written.
    pub sync_point: Sequence,
    /// Whether the log ends at the sync point and nothing was written since.
    pub clean: bool,
    /// What the store opens with.
    pub settings: Settings,
    /// When the store was created, in milliseconds since 1970.
    pub created_unix_ms: u64,
    /// Program and version that created it.
    pub created_by: String,
}

impl SegmentHeader {
    /// The sector at the start of the segment.
    pub fn encode(&self) -> [u8; SECTOR_BYTES] {
        let flags = if self.recycled { FLAG_RECYCLED } else { 0 };
        let mut sector = Sector::new(SEGMENT_MAGIC, flags, self.uid);
        sector.put(32, &self.number.0.to_le_bytes());
        sector.put(40, &self.first.0.to_le_bytes());
        sector.put(48, &self.sync_point.0.to_le_bytes());
        sector.put(56, &self.previous.0.to_le_bytes());
        sector.seal(Salt::new(self.uid, self.number))
    }

    /// Reads and verifies the sector.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8; SECTOR_BYTES]) -> Result<SegmentHeader, SectorError> {
        let sector = Sector(*bytes);
        let number = SegmentNo(sector.u64_at(32));
        sector.verify(SEGMENT_MAGIC, number, FLAG_RECYCLED)?;
        let header = SegmentHeader {
            uid: sector.uid(),
            number,
            first: Sequence(sector.u64_at(40)),
            sync_point: Sequence(sector.u64_at(48)),
            previous: Masked(sector.u32_at(56)),
            recycled: sector.u32_at(FLAGS_AT) & FLAG_RECYCLED != 0,
        };
        if number.0 == 0 {
            return Err(SectorError::Field { what: "segment number", value: 0 });
        }
        if header.first.0 == 0 || header.sync_point >= header.first {
            return Err(SectorError::Field { what: "first sequence", value: header.first.0 });
        }
        Ok(header)
    }
}

impl SyncSlot {
    /// Offset of this slot's sector in the segment, in bytes.
    pub fn offset(&self) -> u64 {
        super::SYNC_PAGE_OFFSET + (self.counter & 1) * 512
    }

    /// The slot's sector.
    pub fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut sector = Sector::new(SYNC_MAGIC, 0, self.uid);
        sector.put(32, &self.number.0.to_le_bytes());
        sector.put(40, &self.counter.to_le_bytes());
        sector.put(48, &self.sync_point.0.to_le_bytes());
        sector.seal(Salt::new(self.uid, self.number))
    }

    /// Reads and verifies the sector that lies at `slot` (0 or 1) of the sync page.
    ///
    /// # Errors
    /// What is wrong with it; a counter that belongs into the other slot is a wrong field.
    pub fn decode(bytes: &[u8; SECTOR_BYTES], slot: u64) -> Result<SyncSlot, SectorError> {
        let sector = Sector(*bytes);
        let number = SegmentNo(sector.u64_at(32));
        sector.verify(SYNC_MAGIC, number, 0)?;
        let counter = sector.u64_at(40);
        check_counter(counter, slot)?;
        let sync_point = Sequence(sector.u64_at(48));
        Ok(SyncSlot { uid: sector.uid(), number, counter, sync_point })
    }
}

impl Anchor {
    /// Offset of this slot's page in the anchor file, in bytes.
    pub fn offset(&self) -> u64 {
        (self.counter & 1) * super::PAGE_BYTES
    }

    /// The slot's sector.
    pub fn encode(&self) -> [u8; SECTOR_BYTES] {
        let flags = if self.clean { FLAG_CLEAN } else { 0 };
        let mut sector = Sector::new(ANCHOR_MAGIC, flags, self.uid);
        sector.put(32, &self.counter.to_le_bytes());
        sector.put(40, &self.oldest.0.to_le_bytes());
        sector.put(48, &self.newest.0.to_le_bytes());
        sector.put(56, &self.sync_point.0.to_le_bytes());
        sector.put(64, &self.settings.segment_bytes.to_le_bytes());
        sector.put(72, &self.settings.level.as_i8().to_le_bytes());
        sector.put(73, &[strategy_number(self.settings.strategy)]);
        if let Flush::Batch { threshold_entries, interval } = self.settings.flush {
            let ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
            sector.put(74, &[1]);
            sector.put(76, &threshold_entries.to_le_bytes());
            sector.put(80, &ms.to_le_bytes());
        }
        sector.put(88, &self.created_unix_ms.to_le_bytes());
        let text = self.created_by.as_bytes();
        sector.put(CREATED_BY_AT, text.get(..CREATED_BY_BYTES).unwrap_or(text));
        sector.seal(Salt::new(self.uid, SegmentNo(0)))
    }

    /// Reads and verifies the sector at the start of page `slot` (0 or 1) of the anchor file.
    ///
    /// # Errors
    /// What is wrong with it; a counter that belongs into the other slot is a wrong field.
    pub fn decode(bytes: &[u8; SECTOR_BYTES], slot: u64) -> Result<Anchor, SectorError> {
        let sector = Sector(*bytes);
        sector.verify(ANCHOR_MAGIC, SegmentNo(0), FLAG_CLEAN)?;
        let counter = sector.u64_at(32);
        check_counter(counter, slot)?;
        let oldest = SegmentNo(sector.u64_at(40));
        if oldest.0 == 0 {
            return Err(SectorError::Field { what: "oldest segment needed", value: 0 });
        }
        Ok(Anchor {
            uid: sector.uid(),
            counter,
            oldest,
            newest: SegmentNo(sector.u64_at(48)),
            sync_point: Sequence(sector.u64_at(56)),
            clean: sector.u32_at(FLAGS_AT) & FLAG_CLEAN != 0,
            settings: sector.settings()?,
            created_unix_ms: sector.u64_at(88),
            created_by: sector.created_by(),
        })
    }
}

fn strategy_number(strategy: Strategy) -> u8 {
    match strategy {
        Strategy::DiskFirst => 0,
        Strategy::MemFirst => 1,
    }
}

fn check_counter(counter: u64, slot: u64) -> Result<(), SectorError> {
    if counter == 0 || counter & 1 != slot {
        return Err(SectorError::Field { what: "slot counter", value: counter });
    }
    Ok(())
}

/// Bytes of one sector; every version keeps magic, version and checksum where they are.
struct Sector([u8; SECTOR_BYTES]);

impl Sector {
    fn new(magic: [u8; 8], flags: u32, uid: LogUid) -> Sector {
        let mut sector = Sector([0; SECTOR_BYTES]);
        sector.put(0, &magic);
        sector.put(VERSION_AT, &FORMAT_VERSION.to_le_bytes());
        sector.put(FLAGS_AT, &flags.to_le_bytes());
        sector.put(UID_AT, &uid.0);
        sector
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.0.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    fn seal(mut self, salt: Salt) -> [u8; SECTOR_BYTES] {
        let checksum = salt.checksum(self.covered());
        self.put(CHECKSUM_AT, &checksum.0.to_le_bytes());
        self.0
    }

    fn covered(&self) -> &[u8] {
        self.0.get(..CHECKSUM_AT).unwrap_or_default()
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    fn u64_at(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    fn uid(&self) -> LogUid {
        LogUid(self.array(UID_AT))
    }

    fn verify(&self, magic: [u8; 8], number: SegmentNo, flags: u32) -> Result<(), SectorError> {
        let first: [u8; 8] = self.array(0);
        if first != magic {
            let blank = self.0 == [0; SECTOR_BYTES];
            return Err(if blank { SectorError::Blank } else { SectorError::Magic(first) });
        }
        let stored = Masked(self.u32_at(CHECKSUM_AT));
        let computed = Salt::new(self.uid(), number).checksum(self.covered());
        if stored != computed {
            return Err(SectorError::Checksum { stored, computed });
        }
        let version = self.u32_at(VERSION_AT);
        if version != FORMAT_VERSION {
            return Err(SectorError::Version(version));
        }
        let found = self.u32_at(FLAGS_AT);
        if found & !flags != 0 {
            return Err(SectorError::Field { what: "flags", value: u64::from(found) });
        }
        Ok(())
    }

    fn settings(&self) -> Result<Settings, SectorError> {
        let [level, strategy, flush, _] = self.array::<4>(72);
        let wrong = |what, value: u8| Err(SectorError::Field { what, value: u64::from(value) });
        let Some(level) = Durability::from_i8(level.cast_signed()) else {
            return wrong("durability level", level);
        };
        let strategy = match strategy {
            0 => Strategy::DiskFirst,
            1 => Strategy::MemFirst,
            other => return wrong("strategy", other),
        };
        let flush = match flush {
            0 => Flush::Immediate,
            1 => Flush::Batch {
                threshold_entries: self.u32_at(76),
                interval: Duration::from_millis(u64::from(self.u32_at(80))),
            },
            other => return wrong("flush policy", other),
        };
        Ok(Settings { level, strategy, flush, segment_bytes: self.u64_at(64) })
    }

    fn created_by(&self) -> String {
        let text: [u8; CREATED_BY_BYTES] = self.array(CREATED_BY_AT);
        String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            uid: LogUid(*b"0123456789abcdef"),
            number: SegmentNo(3),
            first: Sequence(41),
            sync_point: Sequence(40),
            previous: Masked(0xdead_beef),
            recycled: true,
        }
    }

    fn anchor() -> Anchor {
        Anchor {
            uid: LogUid(*b"0123456789abcdef"),
            counter: 9,
            oldest: SegmentNo(2),
            newest: SegmentNo(5),
            sync_point: Sequence(77),
            clean: true,
            settings: Settings {
                level: Durability::Low,
                strategy: Strategy::MemFirst,
                flush: Flush::Batch {
                    threshold_entries: 1000,
                    interval: Duration::from_millis(100),
                },
                segment_bytes: 64 << 20,
            },
            created_unix_ms: 1_764_000_000_000,
            created_by: "raftlog 0.1.0".to_owned(),
        }
    }

    #[test]
    fn every_sector_comes_back_as_it_was() {
        assert_eq!(SegmentHeader::decode(&header().encode()), Ok(header()));
        assert_eq!(Anchor::decode(&anchor().encode(), 1), Ok(anchor()));
        let slot = SyncSlot {
            uid: LogUid([1; 16]),
            number: SegmentNo(4),
            counter: 6,
            sync_point: Sequence(12),
        };
        assert_eq!(SyncSlot::decode(&slot.encode(), 0), Ok(slot));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let sound = anchor().encode();
        for at in 0..SECTOR_BYTES {
            for bit in 0..8 {
                let mut damaged = sound;
                damaged[at] ^= 1 << bit;
                assert!(Anchor::decode(&damaged, 1).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_slot_in_the_place_of_the_other_is_refused() {
        let copied = Anchor::decode(&anchor().encode(), 0);
        assert_eq!(copied, Err(SectorError::Field { what: "slot counter", value: 9 }));
    }

    #[test]
    fn another_version_is_named_and_damage_is_not_taken_for_one() {
        let mut sector = Sector(header().encode());
        sector.put(VERSION_AT, &2u32.to_le_bytes());
        assert!(matches!(SegmentHeader::decode(&sector.0), Err(SectorError::Checksum { .. })));
        let sealed = sector.seal(Salt::new(header().uid, header().number));
        assert_eq!(SegmentHeader::decode(&sealed), Err(SectorError::Version(2)));
        assert_eq!(SegmentHeader::decode(&[0; SECTOR_BYTES]), Err(SectorError::Blank));
        assert_eq!(
            SegmentHeader::decode(&[b'x'; SECTOR_BYTES]),
            Err(SectorError::Magic(*b"xxxxxxxx"))
        );
    }
}
