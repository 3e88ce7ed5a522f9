//! Following every record of every segment once: the chain of checksums, and what the log holds.

use std::cell::Cell;
use std::ops::ControlFlow::{self, Break, Continue};

use crate::bytes::crc32c_resumed;
use crate::model::{Code, Fault, FaultKind, SharedBytes, Term};
use crate::store::etcd_wal::format::{
    CHECKSUM, ENTRY, EntryParts, METADATA, Marker, Metadata, SNAPSHOT, STATE, State,
};
use crate::store::etcd_wal::frames::{Frame, Frames, Step, Stop};
use crate::store::etcd_wal::index::{Head, Pieces};
use crate::store::etcd_wal::segments::{Segment, Spot};
use crate::store::etcd_wal::tail::{self, Verdict};
use crate::store::parallel::{Pace, STEP_BYTES, each, threads_for};
use crate::store::{OpeningStep, OpeningWatch, StoreError};

mod sums;
#[cfg(test)]
mod tests;

use sums::turned;
pub use sums::{Counts, Reached};

/// Faults that are told one by one.
const FAULTS_MAX: usize = 1_000;
/// Markers that are kept, the newest by index; etcd writes one in ten thousand entries.
const MARKERS_MAX: usize = 4_096;
/// Bytes of the frame with which each segment begins.
const CHECKSUM_FRAME_BYTES: u64 = 16;
/// Markers of a segment that is followed by itself, at most; another one is followed in order.
const PLAIN_MARKERS_MAX: usize = 256;
/// Largest record of a segment that is followed by itself: with more, memory would grow with the
/// number of threads.
const PLAIN_RECORD_BYTES_MAX: u64 = 4 << 20;
/// Largest ConfState that is kept with a marker.
const MEMBERS_BYTES_MAX: usize = 64 << 10;
/// Bytes of all ConfStates that are kept.
const MEMBERS_TOTAL_BYTES_MAX: usize = 16 << 20;

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

/// Where the frames of a segment end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEnd {
    /// Behind the last frame that is read.
    pub at: u64,
    /// Whether what lies behind is a torn write.
    pub torn: bool,
    /// Whether what lies behind is damage.
    pub damaged: bool,
    /// The chain of checksums there; `None` where nothing is known of it.
    pub chain: Option<u32>,
    /// How far the log is there.
    pub reached: Reached,
}

/// What following all records showed.
#[derive(Debug, Default)]
pub struct Replay {
    /// The entries that count, as far as no start point cuts them.
    pub pieces: Pieces,
    /// The newest state.
    pub state: Option<State>,
    /// Its frame.
    pub state_at: Spot,
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

/// Follows all records; `watch` hears how far that is.
///
/// # Errors
/// When the files cannot be read, `Stopped` by `watch`; damage is found in the result.
pub fn replay(segments: &[Segment], watch: &mut OpeningWatch<'_>) -> Result<Replay, StoreError> {
    replay_on(threads_for(bytes_of(segments), segments.len()), segments, watch)
}

fn bytes_of(segments: &[Segment]) -> u64 {
    segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.source.size_bytes))
}

/// As [`replay`], on so many threads.
fn replay_on(
    threads: usize,
    segments: &[Segment],
    watch: &mut OpeningWatch<'_>,
) -> Result<Replay, StoreError> {
    let total_bytes = bytes_of(segments);
    let stopped = Cell::new(false);
    let mut reached = |done_bytes| {
        let flow = watch(OpeningStep { done_bytes, total_bytes });
        stopped.set(stopped.get() || flow.is_break());
        flow
    };
    let mut following = Following::default();
    let mut plain = plain_ones(threads, segments, &mut reached).into_iter();
    if stopped.get() {
        return Err(StoreError::Stopped);
    }
    let mut before = 0u64;
    for (at, segment) in segments.iter().enumerate() {
        let plain = plain.next().flatten();
        if plain.is_none_or(|plain| !following.joined(plain)) {
            let (last, mut told) = (at + 1 == segments.len(), 0);
            let flow = following.segment(at, segment, last, |_, here| {
                if here.saturating_sub(told) < STEP_BYTES {
                    return Continue(());
                }
                told = here;
                reached(before.saturating_add(here))
            })?;
            if flow.is_break() {
                return Err(StoreError::Stopped);
            }
        }
        before = before.saturating_add(segment.source.size_bytes);
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

/// Follows each segment by itself, on several threads if there are. Only what is as etcd
/// leaves it is kept, without very large records: then what comes before a segment shows in its
/// first records alone, and [`Following::joined`] compares those. Everything else is followed in
/// order, by one thread.
fn plain_ones(
    threads: usize,
    segments: &[Segment],
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Vec<Option<Following>> {
    if threads < 2 {
        return Vec::new();
    }
    let numbered: Vec<_> = segments.iter().enumerate().collect();
    let follow = |(at, segment): &(usize, &Segment), pace: &mut Pace<'_>| {
        let mut own = Following { alone: true, ..Following::default() };
        let last = at + 1 == segments.len();
        let followed = own.segment(*at, segment, last, |own, reached| match own.is_plain() {
            true => pace.reached(reached),
            false => Break(()),
        });
        // What could not be read is met again, and said to be so.
        followed.is_ok_and(|flow| flow.is_continue() && own.is_plain()).then_some(own)
    };
    let followed = each(threads, &numbered, follow, progress);
    followed.into_iter().map(Option::flatten).collect()
}

#[derive(Default)]
struct Following {
    replay: Replay,
    /// The checksum so far; `None` where nothing is known of it.
    running: Option<u32>,
    /// Whether a segment is followed by itself.
    alone: bool,
    /// Whether the segment said whose log it is, as each does.
    is_named: bool,
    /// What the first segment says of whose log it is: length and checksum, as others than etcd may
    /// keep anything there.
    named: Option<(u64, u32)>,
    /// Whether a segment says nothing of whose log it is.
    is_nameless: bool,
    reached: Reached,
    /// Whether reading ended before the log did.
    gave_up: bool,
    /// The checksum with which the first record began the chain, where it is such a record.
    seed: Option<u32>,
    /// The first state.
    first_state: Option<State>,
    /// Bytes of all ConfStates that are kept.
    members_bytes: usize,
}

impl Following {
    /// Whether everything so far is as etcd leaves it.
    #[inline]
    fn is_plain(&self) -> bool {
        let replay = &self.replay;
        let began = replay.counts.records == 0 || self.seed.is_some();
        let few = replay.markers.len() <= PLAIN_MARKERS_MAX
            && self.members_bytes <= MEMBERS_BYTES_MAX
            && !replay.pieces.is_full();
        let usual = began && few && !self.is_nameless;
        usual && replay.faults.is_empty() && replay.pieces.is_plain()
    }

    /// Takes what following the next segment by itself showed, if following it behind the ones
    /// before would have shown the same.
    fn joined(&mut self, next: Following) -> bool {
        let Following { replay: mut new, running, seed, first_state, named, reached, .. } = next;
        let own = &mut self.replay;
        let chained = seed.is_some() && self.running.is_none_or(|running| seed == Some(running));
        let same = !self.is_nameless
            && self.named.is_none_or(|known| named.is_none_or(|named| named == known));
        let follows = new.pieces.first().is_none_or(|index| own.pieces.goes_on_with(index));
        let grows = first_state.is_none_or(|first| {
            let known = own.state.unwrap_or_default();
            first.term >= known.term && turned(&known, &first).is_none()
        });
        let fits = chained && same && follows && grows;
        if !fits || self.gave_up || own.pieces.is_full() {
            return false;
        }
        own.pieces.append(new.pieces);
        if new.state.is_some() {
            (own.state, own.state_at) = (new.state, new.state_at);
        }
        own.metadata = own.metadata.or(new.metadata);
        self.named = self.named.or(named);
        self.reached = self.reached.then(reached);
        new.ends.iter_mut().for_each(|end| end.reached = self.reached);
        own.ends.extend(new.ends);
        own.counts.add(new.counts);
        for marked in new.markers {
            self.mark(marked);
        }
        self.running = running;
        true
    }

    /// Follows a segment, as long as `goes_on` says so, which gets the bytes followed before each
    /// record.
    fn segment(
        &mut self,
        at: usize,
        segment: &Segment,
        last: bool,
        mut goes_on: impl FnMut(&Following, u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut frames = Frames::new(&segment.source, 0);
        if self.alone {
            frames = frames.up_to(PLAIN_RECORD_BYTES_MAX);
        }
        self.is_named = false;
        loop {
            let (begin, chain) = (frames.at(), self.running);
            if goes_on(self, begin).is_break() {
                return Ok(Break(()));
            }
            match frames.step()? {
                Step::Frame(_) if self.replay.pieces.is_full() => {
                    self.give_up(segment, begin);
                    break;
                }
                Step::Frame(frame) => {
                    if self.frame(at, &mut frames, &frame, last)? {
                        self.end(begin, (true, false), chain);
                        break;
                    }
                }
                Step::Stop(Stop::TooLarge { .. }) if self.alone => return Ok(Break(())),
                Step::Stop(stop) => {
                    self.stop(segment, (begin, stop), last, &mut goes_on)?;
                    break;
                }
            }
        }
        Ok(Continue(()))
    }

    /// Ends reading where the log is in more pieces than are remembered: no etcd wrote that.
    fn give_up(&mut self, segment: &Segment, at: u64) {
        if !std::mem::replace(&mut self.gave_up, true) {
            let found = "so much is damaged or written again that nothing from here on is read";
            let kind = FaultKind::Note { found: found.to_owned() };
            let place = segment.source.place(at, segment.source.size_bytes.saturating_sub(at));
            // Never left out, however many there are before it.
            self.replay.faults.push(Fault::new(Code::R115, kind).at(place));
        }
        self.end(at, (false, true), self.running);
    }

    /// Takes note of where a segment ends.
    fn end(&mut self, at: u64, (torn, damaged): (bool, bool), chain: Option<u32>) {
        let reached = self.reached;
        self.replay.ends.push(SegmentEnd { at, torn, damaged, chain, reached });
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
        let before = self.replay.state.unwrap_or_default();
        let taken = self.take(at, frame, frames.bytes(&frame.data)?);
        let place = || frames.source().place(frame.at, frame.length.frame_bytes());
        match taken {
            Err(kind) => self.damaged(Fault::new(Code::R115, kind).at(place())),
            Ok(()) if frame.kind == STATE => {
                let now = self.replay.state.unwrap_or_default();
                if let Some(kind) = turned(&before, &now) {
                    let fault = Fault::new(Code::R106, kind).at(place()).at_term(Term(now.term));
                    self.add(fault);
                }
            }
            Ok(()) => {}
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
                self.reached.entry(parts.index);
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
                self.first_state.get_or_insert(state);
                self.replay.state = Some(state);
                self.replay.state_at = Spot { segment, offset_bytes: frame.at };
            }
            METADATA => {
                return self.metadata(data);
            }
            SNAPSHOT => {
                let marker = Marker::read(data).map_err(|_| no_message("marker of a snapshot"))?;
                self.replay.counts.markers += 1;
                self.reached.marker(marker.index);
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

    /// Takes what a segment says of whose log it is. etcd compares the bytes, and opens no log in
    /// which they differ; before it met any, it takes none for them.
    fn metadata(&mut self, data: &[u8]) -> Result<(), FaultKind> {
        // Other users of etcd's package may keep anything here.
        let metadata = Metadata::read(data).ok();
        let bytes = (data.len() as u64, crc32c_resumed(0, data));
        self.is_nameless |= data.is_empty();
        match self.named.filter(|known| *known != bytes) {
            Some(known) => {
                let words = |one: Option<Metadata>, (len, _): (u64, u32)| match one {
                    Some(one) => {
                        format!("member {:016x} of cluster {:016x}", one.node, one.cluster)
                    }
                    None => format!("{len} bytes"),
                };
                Err(FaultKind::Field {
                    what: "metadata, which is the same in all segments of a log,",
                    expected: words(self.replay.metadata, known),
                    found: words(metadata, bytes),
                })
            }
            None => {
                self.named = Some(bytes).filter(|(len, _)| *len > 0);
                self.replay.metadata = metadata;
                Ok(())
            }
        }
    }

    fn marked(&mut self, marker: &Marker<'_>, spot: Spot) {
        let members = marker.members.get(..MEMBERS_BYTES_MAX).map_or(marker.members, |_| &[]);
        let members = SharedBytes::from(members);
        self.mark(Marked { index: marker.index, term: marker.term, members, spot });
    }

    fn mark(&mut self, marked: Marked) {
        let markers = &mut self.replay.markers;
        self.members_bytes += marked.members.len();
        if self.members_bytes > MEMBERS_TOTAL_BYTES_MAX {
            // Those of older snapshots tell nothing that a newer one does not.
            markers.iter_mut().for_each(|older| older.members = SharedBytes::default());
            self.members_bytes = marked.members.len();
        }
        markers.push(marked);
        if markers.len() > MARKERS_MAX * 2 {
            markers.sort_by_key(|marked| (marked.index, marked.term));
            markers.drain(..MARKERS_MAX);
        }
    }

    /// A checksum record says where the chain stood; anything else is another log's segment.
    fn seed(&mut self, frames: &Frames<'_>, frame: &Frame) {
        if self.replay.counts.records == 1 {
            self.seed = Some(frame.crc);
        }
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
        (at, stop): (u64, Stop),
        last: bool,
        goes_on: &mut impl FnMut(&Following, u64) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (mut torn, mut damaged) = (false, false);
        let chain = self.running;
        let whole = matches!(stop, Stop::End | Stop::Zero) && (at > CHECKSUM_FRAME_BYTES || !last);
        if whole && !self.is_named && self.replay.faults.is_empty() {
            let (what, name) = ("metadata in", segment.source.path.display().to_string());
            let place = segment.source.place(0, at);
            let kind = FaultKind::Missing { what, name };
            self.add(Fault::new(Code::R115, kind).at(place));
        }
        let reached = &mut |at| goes_on(self, at);
        match tail::judge(&segment.source, (at, stop), self.running, last, reached)? {
            None if last && at == 0 => self.add_empty(segment),
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
        self.end(at, (torn, damaged), chain);
        Ok(())
    }

    /// The newest segment without a single record. etcd gives a segment its name when its first
    /// records are synced, so they were there; but it opens such a log and writes on from its
    /// beginning.
    fn add_empty(&mut self, segment: &Segment) {
        let found = "the newest segment holds no record at all: etcd opens the log and goes on in \
                     it, but it never leaves one so, and what it held is gone";
        let place = segment.source.place(0, segment.source.size_bytes);
        let kind = FaultKind::Note { found: found.to_owned() };
        self.add(Fault::new(Code::R114, kind).at(place));
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
