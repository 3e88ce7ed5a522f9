//! What a log that was not closed means: the decision table of FORMAT.md, "Reading after a crash",
//! as labelled cases.

use crate::fastlog::behind::Behind;
use crate::fastlog::format::{Frame, SECTOR_BYTES, SegmentNo, Sequence};
use crate::fastlog::segment::FramePlace;
use crate::fastlog::walk::{Stop, Walk};
use crate::model::{Code, Fault, FaultKind, Place};

/// Everything that decides.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    /// Sequence of the frame that was expected; `None` when not one header could be read.
    pub(super) expected: Option<Sequence>,
    /// Largest sync point in anything that verifies.
    pub(super) proven: Sequence,
    /// Whether other bytes than zeros follow in the segment.
    pub(super) bytes_follow: bool,
    /// Whether a segment that the anchor names has no sound header.
    pub(super) header_lost: bool,
    /// Whether segments follow that do not go on from here.
    pub(super) segments_follow: bool,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Nothing follows, and nothing proves that something should.
    End,
    /// What follows was never proven to be durable.
    Torn,
    /// Nothing follows here, but later segments do that do not go on from here: the end of this
    /// one was lost before it was durable, or they were being made.
    Unborn,
    /// A frame that was durable does not verify any more.
    Damaged,
    /// The log ends before a frame that was durable.
    Missing,
    /// A segment that is in use has no header.
    HeaderLost,
}

impl Case {
    /// The row that fits.
    pub(super) fn of(evidence: &Evidence) -> Case {
        let Some(expected) = evidence.expected else {
            return if evidence.header_lost || evidence.proven > Sequence(0) {
                Case::HeaderLost
            } else if evidence.segments_follow {
                Case::Unborn
            } else {
                Case::End
            };
        };
        if evidence.header_lost && !evidence.bytes_follow {
            return Case::HeaderLost;
        }
        if expected <= evidence.proven {
            return if evidence.bytes_follow { Case::Damaged } else { Case::Missing };
        }
        if evidence.header_lost {
            return Case::HeaderLost;
        }
        match (evidence.bytes_follow, evidence.segments_follow) {
            (true, _) => Case::Torn,
            (false, true) => Case::Unborn,
            (false, false) => Case::End,
        }
    }

    /// Whether the log may be cut here.
    pub(super) fn is_end(self) -> bool {
        matches!(self, Case::End | Case::Torn | Case::Unborn)
    }
}

/// What was cut off the end of a log, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The bytes, in the last segment that counts.
    pub place: Place,
    /// Sequence of the last frame that counts.
    pub last: Sequence,
    /// Frames that verify although something before them does not; disks reorder.
    pub frames_behind: u64,
    /// Segments behind it that do not count.
    pub segments_behind: u64,
    /// Whether the log was in use when it ended, so that the damage could also concern what was
    /// acknowledged in the last moments.
    pub ambiguous: bool,
}

/// A stop, judged.
pub(super) struct Verdict {
    pub(super) case: Case,
    pub(super) stop: Stop,
    pub(super) behind: Behind,
    pub(super) proven: Sequence,
    /// As `proven`, but only by what lies before the stop and stays.
    pub(super) proven_before: Sequence,
    pub(super) expected: Sequence,
}

/// Judges the place where a walk stopped. `newest` is the newest segment that the anchor names.
pub(super) fn judge(
    walk: &mut Walk<'_>,
    stop: Stop,
    newest: SegmentNo,
) -> Result<Verdict, crate::fastlog::Error> {
    let proven_before = walk.proven;
    let behind = walk.look_behind(&stop, newest)?;
    let recycled = walk.walked.values().next_back().is_some_and(|last| last.header.recycled);
    let verifying_here = behind
        .first
        .is_some_and(|first| stop.place.is_some_and(|place| first.segment == place.segment));
    let begun_here = || stop.place.map_or(Ok(false), |place| walk.begins_the_next_frame(place));
    let bytes_follow = match recycled {
        true => verifying_here || begun_here()?,
        false => behind.bytes > 0,
    };
    let bytes_follow = stop.unfinished || bytes_follow;
    let evidence = Evidence {
        expected: stop.place.map(|_| walk.head.next),
        proven: walk.proven,
        bytes_follow,
        header_lost: behind.lost.is_some(),
        segments_follow: !walk.ahead.is_empty(),
    };
    let case = Case::of(&evidence);
    let (proven, expected) = (walk.proven, walk.head.next);
    Ok(Verdict { case, stop, behind, proven, proven_before, expected })
}

/// Judges a stop in a store of which damage is known and that has been looked through behind it.
/// `onward` is where the walk goes on: only what lies before it explains this stop.
pub(super) fn judge_damage(
    walk: &mut Walk<'_>,
    stop: Stop,
    newest: SegmentNo,
    onward: Option<&(FramePlace, Frame)>,
) -> Result<Verdict, crate::fastlog::Error> {
    let until = onward.map_or(newest, |(place, _)| place.segment.min(newest));
    let lost = walk.lost_header(&stop, until)?;
    let here = |at: FramePlace| {
        onward.filter(|(place, _)| place.segment == at.segment).map(|(place, _)| *place)
    };
    let recycled = walk.walked.values().next_back().is_some_and(|last| last.header.recycled);
    let bytes = match stop.place {
        None => 0,
        Some(at) => match here(at) {
            Some(next) => next.offset.saturating_sub(at.offset),
            None if recycled => 0,
            None => walk.bytes_behind(at)?,
        },
    };
    let mut evidence = Evidence {
        expected: stop.place.map(|_| walk.head.next),
        proven: walk.proven,
        bytes_follow: stop.unfinished || bytes > 0,
        header_lost: lost.is_some(),
        segments_follow: !walk.ahead.is_empty(),
    };
    let mut case = Case::of(&evidence);
    if case.is_end() {
        // Something verifies behind it, or it would have been judged as an end.
        evidence.proven = walk.head.next;
        case = Case::of(&evidence);
    }
    let expected = walk.head.next;
    let before_onward = onward.map(|(_, frame)| Sequence(frame.sequence.0.saturating_sub(1)));
    let proven = before_onward.unwrap_or(walk.proven).max(expected);
    let behind = Behind { bytes, lost, ..Behind::default() };
    Ok(Verdict { case, stop, behind, proven, proven_before: walk.proven, expected })
}

impl Verdict {
    /// The fault of a case that is no end, with its place.
    pub(super) fn fault(&self, place: impl Fn(SegmentNo, u64, u64) -> Place) -> Fault {
        let here = |len: u64| match self.stop.place {
            Some(at) => place(at.segment, at.offset, len),
            None => place(SegmentNo(1), 0, 0),
        };
        match self.case {
            Case::HeaderLost => {
                let (lost, reason) = match &self.behind.lost {
                    Some((lost, reason)) => (*lost, reason.clone()),
                    None => (SegmentNo(1), self.stop.reason.clone()),
                };
                Fault::new(Code::R116, reason).at(place(lost, 0, SECTOR_BYTES as u64))
            }
            Case::Missing => {
                let kind = FaultKind::Missing {
                    what: "frames",
                    name: format!("{} to {}", self.expected.0, self.proven.0),
                };
                Fault::new(Code::R115, kind).at(here(0))
            }
            Case::Damaged | Case::Torn | Case::Unborn | Case::End => {
                Fault::new(Code::R115, self.stop.reason.clone()).at(here(self.behind.bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing follows, nothing is proven, nothing is lost.
    fn quiet() -> Evidence {
        Evidence {
            expected: Some(Sequence(8)),
            proven: Sequence(7),
            bytes_follow: false,
            header_lost: false,
            segments_follow: false,
        }
    }

    #[test]
    fn zeros_behind_the_last_proven_frame_are_the_end() {
        assert_eq!(Case::of(&quiet()), Case::End);
    }

    #[test]
    fn bytes_behind_the_sync_point_are_torn_even_with_segments_behind() {
        let torn = Evidence { bytes_follow: true, ..quiet() };
        assert_eq!(Case::of(&torn), Case::Torn);
        assert_eq!(Case::of(&Evidence { segments_follow: true, ..torn }), Case::Torn);
    }

    #[test]
    fn bytes_at_or_before_the_sync_point_are_damage() {
        let damaged = Evidence { bytes_follow: true, proven: Sequence(8), ..quiet() };
        assert_eq!(Case::of(&damaged), Case::Damaged);
    }

    #[test]
    fn an_end_before_the_sync_point_is_missing_something() {
        assert_eq!(Case::of(&Evidence { proven: Sequence(8), ..quiet() }), Case::Missing);
    }

    #[test]
    fn a_segment_that_does_not_go_on_and_is_not_needed_is_unborn() {
        assert_eq!(Case::of(&Evidence { segments_follow: true, ..quiet() }), Case::Unborn);
    }

    #[test]
    fn a_lost_header_of_a_segment_in_use_is_corruption() {
        let lost = Evidence { header_lost: true, segments_follow: true, ..quiet() };
        assert_eq!(Case::of(&lost), Case::HeaderLost);
        let proven = Evidence { proven: Sequence(90), ..lost.clone() };
        assert_eq!(Case::of(&proven), Case::HeaderLost);
        let damaged = Evidence { bytes_follow: true, ..proven };
        assert_eq!(Case::of(&damaged), Case::Damaged);
        let torn_before = Evidence { bytes_follow: true, ..lost };
        assert_eq!(Case::of(&torn_before), Case::HeaderLost);
    }

    #[test]
    fn without_any_header_only_an_unproven_store_is_empty() {
        let nothing = Evidence { expected: None, proven: Sequence(0), ..quiet() };
        assert_eq!(Case::of(&nothing), Case::End);
        let begun = Evidence { segments_follow: true, ..nothing.clone() };
        assert_eq!(Case::of(&begun), Case::Unborn);
        assert_eq!(Case::of(&Evidence { proven: Sequence(1), ..nothing }), Case::HeaderLost);
        assert_eq!(Case::of(&Evidence { header_lost: true, ..begun }), Case::HeaderLost);
    }
}
