//! Following every record of every segment once: the chain of checksums, and what the log holds.

use crate::bytes::crc32c_resumed;
use crate::model::{Code, Fault, FaultKind, SharedBytes};
use crate::store::StoreError;
use crate::store::etcd_wal::format::{
    CHECKSUM, ENTRY, EntryParts, METADATA, Marker, Metadata, SNAPSHOT, STATE, State,
};
use crate::store::etcd_wal::frames::{Frame, Frames, Step, Stop};
use crate::store::etcd_wal::index::{Head, Pieces};
use crate::store::etcd_wal::segments::{Segment, Spot};
use crate::store::etcd_wal::tail::{self, Verdict};

/// Faults that are told one by one.
const FAULTS_MAX: usize = 1_000;
/// Markers that are kept, the newest by index; etcd writes one in ten thousand entries.
const MARKERS_MAX: usize = 4_096;
/// Bytes of the frame with which each segment begins.
const CHECKSUM_FRAME_BYTES: u64 = 16;
/// Largest ConfState that is kept with a marker.
const MEMBERS_BYTES_MAX: usize = 64 << 10;

/// A snapshot's marker, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Last index that the snapshot covers.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The members then, as a ConfState; empty where it was left out.
    pub members: SharedBytes,
    /// Its frame.
    pub spot: Spot,
}

/// Records by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub records: u64,
    /// Entries, those that were replaced included.
    pub entries: u64,
    /// States.
    pub states: u64,
    /// Markers of snapshots.
    pub markers: u64,
    /// Bytes of all whole frames.
    pub frame_bytes: u64,
    /// Faults that are not told one by one.
    pub more_faults: u64,
}

/// Where the frames of a segment end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEnd {
    /// Behind the last frame that is read.
    pub at: u64,
    /// Whether what lies behind is a torn write.
    pub torn: bool,
    /// Whether what lies behind is damage.
    pub damaged: bool,
}

/// What following all records showed.
#[derive(Debug, Default)]
pub struct Replay {
    /// The entries that count, as far as no start point cuts them.
    pub pieces: Pieces,
    /// The newest state.
    pub state: Option<State>,
    /// Whose log it is.
    pub metadata: Option<Metadata>,
    /// The markers, ascending by index.
    pub markers: Vec<Marked>,
    /// One for each segment.
    pub ends: Vec<SegmentEnd>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Records by type.
    pub counts: Counts,
}

/// Follows all records.
///
/// # Errors
/// Only when the files cannot be read; damage is in [`Replay::faults`].
pub fn replay(segments: &[Segment]) -> Result<Replay, StoreError> {
    let mut following =
        Following { replay: Replay::default(), running: None, is_named: false, gave_up: false };
    for (at, segment) in segments.iter().enumerate() {
        following.segment(at, segment, at + 1 == segments.len())?;
    }
    following.replay.markers.sort_by_key(|marked| (marked.index, marked.term));
    Ok(following.replay)
}

/// The entries that a reader keeps that begins with the segment at `first` and passes over
/// everything up to `start`.
///
/// # Errors
/// As [`replay`].
pub fn replay_from(
    segments: &[Segment],
    ends: &[SegmentEnd],
    first: usize,
    start: u64,
) -> Result<Pieces, StoreError> {
    let mut pieces = Pieces::default();
    for (at, (segment, end)) in segments.iter().zip(ends).enumerate().skip(first) {
        let mut frames = Frames::new(&segment.source, 0);
        while frames.at() < end.at {
            let Step::Frame(frame) = frames.step()? else { break };
            if frame.kind != ENTRY {
                continue;
            }
            let Ok(parts) = EntryParts::read(frames.bytes(&frame.data)?) else { continue };
            if parts.index > start {
                pieces.add(&Head::of(at, &frame, &parts));
            }
        }
    }
    Ok(pieces)
}

struct Following {
    replay: Replay,
    /// The checksum so far; `None` where nothing is known of it.
    running: Option<u32>,
    /// Whether the segment said whose log it is, as each does.
    is_named: bool,
    /// Whether reading ended before the log did.
    gave_up: bool,
}

impl Following {
    fn segment(&mut self, at: usize, segment: &Segment, last: bool) -> Result<(), StoreError> {
        let mut frames = Frames::new(&segment.source, 0);
        self.is_named = false;
        loop {
            let begin = frames.at();
            match frames.step()? {
                Step::Frame(_) if self.replay.pieces.is_full() => {
                    return self.give_up(segment, begin);
                }
                Step::Frame(frame) => {
                    if self.frame(at, &mut frames, &frame, last)? {
                        let end = SegmentEnd { at: begin, torn: true, damaged: false };
                        self.replay.ends.push(end);
                        return Ok(());
                    }
                }
                Step::Stop(stop) => return self.stop(segment, begin, stop, last),
            }
        }
    }

    /// Ends reading where the log is in more pieces than are remembered: no etcd wrote that.
    fn give_up(&mut self, segment: &Segment, at: u64) -> Result<(), StoreError> {
        if !std::mem::replace(&mut self.gave_up, true) {
            let found = "so much is damaged or written again that nothing from here on is read";
            let kind = FaultKind::Note { found: found.to_owned() };
            let place = segment.source.place(at, segment.source.size_bytes.saturating_sub(at));
            // Never left out, however many there are before it.
            self.replay.faults.push(Fault::new(Code::R115, kind).at(place));
        }
        self.replay.ends.push(SegmentEnd { at, torn: false, damaged: true });
        Ok(())
    }

    /// Takes a frame; returns whether it is torn, and nothing behind it counts.
    fn frame(
        &mut self,
        at: usize,
        frames: &mut Frames<'_>,
        frame: &Frame,
        last: bool,
    ) -> Result<bool, StoreError> {
        if frame.kind == CHECKSUM {
            self.counted(frame);
            self.seed(frames, frame);
            return Ok(false);
        }
        let computed = match self.running {
            Some(running) => Some(crc32c_resumed(running, frames.bytes(&frame.data)?)),
            None => None,
        };
        if computed.is_some_and(|computed| computed != frame.crc) {
            let found = computed.unwrap_or_default();
            let verdict = tail::mismatch(frames, frame, found, last)?;
            self.running = Some(frame.crc);
            match verdict {
                Verdict::Torn(fault) => {
                    self.add(fault);
                    return Ok(true);
                }
                Verdict::Damaged(fault) => {
                    self.counted(frame);
                    self.damaged(fault);
                    return Ok(false);
                }
            }
        }
        self.running = Some(frame.crc);
        self.is_named |= frame.kind == METADATA;
        self.counted(frame);
        let taken = self.take(at, frame, frames.bytes(&frame.data)?);
        if let Err(kind) = taken {
            let place = frames.source().place(frame.at, frame.length.frame_bytes());
            self.damaged(Fault::new(Code::R115, kind).at(place));
        }
        Ok(false)
    }

    fn counted(&mut self, frame: &Frame) {
        self.replay.counts.records += 1;
        self.replay.counts.frame_bytes += frame.length.frame_bytes();
    }

    /// Takes what a record says whose checksum fits.
    #[inline]
    fn take(&mut self, segment: usize, frame: &Frame, data: &[u8]) -> Result<(), FaultKind> {
        let no_message = |what| FaultKind::Field {
            what,
            expected: "a message of this type".to_owned(),
            found: "other bytes".to_owned(),
        };
        match frame.kind {
            ENTRY => {
                let parts = EntryParts::read(data).map_err(|_| no_message("entry"))?;
                self.replay.counts.entries += 1;
                self.replay.pieces.add(&Head::of(segment, frame, &parts));
            }
            STATE => {
                let state = State::read(data).map_err(|_| no_message("state"))?;
                // An entry whose type was changed reads as a state, and what it says as its term
                // is its own type.
                let known = self.replay.state.map_or(0, |known| known.term);
                if state.term < known {
                    return Err(FaultKind::Field {
                        what: "term of a state",
                        expected: format!("{known} or more: terms only grow"),
                        found: state.term.to_string(),
                    });
                }
                self.replay.counts.states += 1;
                self.replay.state = Some(state);
            }
            METADATA => {
                // Other users of etcd's package may keep anything here.
                let Ok(metadata) = Metadata::read(data) else { return Ok(()) };
                let known = *self.replay.metadata.get_or_insert(metadata);
                if known != metadata {
                    let words = |one: &Metadata| {
                        format!("member {:016x} of cluster {:016x}", one.node, one.cluster)
                    };
                    return Err(FaultKind::Field {
                        what: "metadata, which is the same in all segments of a log,",
                        expected: words(&known),
                        found: words(&metadata),
                    });
                }
            }
            SNAPSHOT => {
                let marker = Marker::read(data).map_err(|_| no_message("marker of a snapshot"))?;
                self.replay.counts.markers += 1;
                self.marked(&marker, Spot { segment, offset_bytes: frame.at });
            }
            other => {
                return Err(FaultKind::Field {
                    what: "type of a record",
                    expected: "1 to 5".to_owned(),
                    found: other.to_string(),
                });
            }
        }
        Ok(())
    }

    fn marked(&mut self, marker: &Marker<'_>, spot: Spot) {
        let markers = &mut self.replay.markers;
        let members = marker.members.get(..MEMBERS_BYTES_MAX).map_or(marker.members, |_| &[]);
        let members = SharedBytes::from(members);
        let marked = Marked { index: marker.index, term: marker.term, members, spot };
        markers.push(marked);
        if markers.len() > MARKERS_MAX * 2 {
            markers.sort_by_key(|marked| (marked.index, marked.term));
            markers.drain(..MARKERS_MAX);
        }
    }

    /// A checksum record says where the chain stood; anything else is another log's segment.
    fn seed(&mut self, frames: &Frames<'_>, frame: &Frame) {
        // etcd takes any value while its own is still 0.
        let fits = self.running.is_none_or(|running| running == 0 || running == frame.crc);
        if !fits {
            let kind = FaultKind::Checksum {
                what: "all segments before this one",
                expected: format!("crc32c {:08x}", frame.crc),
                found: format!("crc32c {:08x}", self.running.unwrap_or_default()),
            };
            let place = frames.source().place(frame.at, frame.length.frame_bytes());
            self.damaged(Fault::new(Code::R116, kind).at(place));
        }
        self.running = Some(frame.crc);
    }

    /// Judges why a segment ends.
    fn stop(
        &mut self,
        segment: &Segment,
        at: u64,
        stop: Stop,
        last: bool,
    ) -> Result<(), StoreError> {
        let (mut torn, mut damaged) = (false, false);
        let whole = matches!(stop, Stop::End | Stop::Zero) && (at > CHECKSUM_FRAME_BYTES || !last);
        if whole && !self.is_named && self.replay.faults.is_empty() {
            let (what, name) = ("metadata in", segment.source.path.display().to_string());
            let place = segment.source.place(0, at);
            let kind = FaultKind::Missing { what, name };
            self.add(Fault::new(Code::R115, kind).at(place));
        }
        match tail::judge(&segment.source, at, stop, self.running, last)? {
            None => {}
            Some(Verdict::Torn(fault)) => {
                torn = stop != Stop::Zero;
                self.add(fault);
            }
            Some(Verdict::Damaged(fault)) => {
                damaged = true;
                self.damaged(fault);
                // What the chain would be behind the damage is not known.
                self.running = None;
            }
        }
        self.replay.ends.push(SegmentEnd { at, torn, damaged });
        Ok(())
    }

    fn damaged(&mut self, fault: Fault) {
        let at = self.add(fault);
        self.replay.pieces.damage(at);
    }

    /// Takes note of a fault; returns its position.
    fn add(&mut self, fault: Fault) -> usize {
        let faults = &mut self.replay.faults;
        if faults.len() < FAULTS_MAX {
            faults.push(fault);
        } else {
            self.replay.counts.more_faults += 1;
        }
        faults.len().saturating_sub(1)
    }
}
