//! One entry inside an entries record.

use std::ops::Range;

use crate::fastlog::format::ENTRY_CONTENT_MAX;
use crate::fastlog::format::usual::usual_head;
use crate::fastlog::format::wire::{Malformed, Wire, len_u64, put_varint, put_zigzag};
use crate::model::{
    AppendInstant, AppendTime, Entry, EntryExtra, EntryKind, LogIndex, SharedBytes, Term, TimeForm,
    Zone,
};

pub(super) const HAS_PAYLOAD: u8 = 1;
const HAS_EXTENSIONS: u8 = 1 << 1;
const HAS_NOTE: u8 = 1 << 2;
pub(super) const HAS_KIND_CODE: u8 = 1 << 3;
const TIME_NIL: u8 = 1 << 4;
pub(super) const TIME_AT: u8 = 2 << 4;
const TIME_MASK: u8 = 3 << 4;
pub(super) const SAME_TERM: u8 = 1 << 6;
const UNUSED: u8 = 1 << 7;

pub(super) const FORM_NEW: u8 = 1;
pub(super) const ZONE_EAST: u8 = 2;

pub(super) const NANOSECONDS_MAX: u64 = 999_999_999;

/// The number of a kind in the file.
fn kind_number(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::Unknown => 0,
        EntryKind::Command => 1,
        EntryKind::Noop => 2,
        EntryKind::Barrier => 3,
        EntryKind::Configuration => 4,
        EntryKind::AddPeer => 5,
        EntryKind::RemovePeer => 6,
        EntryKind::ConfChange => 7,
        EntryKind::ConfChangeV2 => 8,
    }
}

pub(super) fn kind_of(number: u8) -> Option<EntryKind> {
    Some(match number {
        0 => EntryKind::Unknown,
        1 => EntryKind::Command,
        2 => EntryKind::Noop,
        3 => EntryKind::Barrier,
        4 => EntryKind::Configuration,
        5 => EntryKind::AddPeer,
        6 => EntryKind::RemovePeer,
        7 => EntryKind::ConfChange,
        8 => EntryKind::ConfChangeV2,
        _ => return None,
    })
}

/// Bytes that an entry has beside its encoded fields; the sum is bounded by
/// [`ENTRY_CONTENT_MAX`].
pub(super) fn content_len(entry: &Entry) -> usize {
    entry
        .payload_bytes()
        .len()
        .saturating_add(entry.extensions_bytes().len())
        .saturating_add(entry.extra.note.len())
}

/// Appends an entry; `previous` is the term of the entry before it in the same record.
pub(super) fn put_entry(out: &mut Vec<u8>, entry: &Entry, previous: Option<Term>) {
    let extra = &entry.extra;
    let same_term = previous == Some(entry.term);
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let time = match extra.appended_at {
        AppendTime::Absent => 0,
        AppendTime::Nil => TIME_NIL,
        AppendTime::At(_) => TIME_AT,
    };
    out.push(
        flag(entry.payload.is_some(), HAS_PAYLOAD)
            | flag(extra.extensions.is_some(), HAS_EXTENSIONS)
            | flag(!extra.note.is_empty(), HAS_NOTE)
            | flag(entry.kind_code.is_some(), HAS_KIND_CODE)
            | flag(same_term, SAME_TERM)
            | time,
    );
    out.push(kind_number(entry.kind));
    if !same_term {
        put_varint(out, entry.term.0);
    }
    if let Some(code) = entry.kind_code {
        put_varint(out, u64::from(code));
    }
    if let AppendTime::At(instant) = extra.appended_at {
        put_time(out, instant);
    }
    let contents = [
        entry.payload.as_deref(),
        extra.extensions.as_deref(),
        Some(&*extra.note).filter(|note| !note.is_empty()),
    ];
    for part in contents.iter().flatten() {
        put_varint(out, len_u64(part.len()));
    }
    for part in contents.iter().flatten() {
        out.extend_from_slice(part);
    }
}

fn put_time(out: &mut Vec<u8>, instant: AppendInstant) {
    let form = if instant.form == TimeForm::New { FORM_NEW } else { 0 };
    put_zigzag(out, instant.unix_seconds);
    put_varint(out, u64::from(instant.nanoseconds));
    match instant.zone {
        Zone::Utc => out.push(form),
        Zone::East { seconds } => {
            out.push(form | ZONE_EAST);
            put_zigzag(out, i64::from(seconds));
        }
    }
}

#[inline(always)]
fn take_time(wire: &mut Wire<'_>) -> Result<AppendInstant, Malformed> {
    let unix_seconds = wire.zigzag("append time")?;
    let start = wire.malformed("nanoseconds");
    let nanoseconds = match wire.varint("nanoseconds")? {
        nanoseconds if nanoseconds <= NANOSECONDS_MAX => {
            u32::try_from(nanoseconds).map_err(|_| start)?
        }
        _ => return Err(start),
    };
    let start = wire.newer("form of the append time");
    let form = wire.u8("form of the append time")?;
    if form & !(FORM_NEW | ZONE_EAST) != 0 {
        return Err(start);
    }
    let zone = if form & ZONE_EAST == 0 {
        Zone::Utc
    } else {
        let start = wire.malformed("zone");
        let seconds = i32::try_from(wire.zigzag("zone")?).map_err(|_| start)?;
        Zone::East { seconds }
    };
    let form = if form & FORM_NEW == 0 { TimeForm::Old } else { TimeForm::New };
    Ok(AppendInstant { unix_seconds, nanoseconds, form, zone })
}

/// A decoded entry whose byte strings still lie in the frame's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryView {
    /// Index of the entry.
    pub index: LogIndex,
    /// Term of the entry.
    pub term: Term,
    /// What it is for.
    pub kind: EntryKind,
    /// The number of the kind in the source.
    pub kind_code: Option<u32>,
    /// When it was appended.
    pub appended_at: AppendTime,
    /// The encoded entry, as bytes of the frame's payload.
    pub span: Range<usize>,
    /// The payload, `None` for nil.
    pub payload: Option<Range<usize>>,
    /// The extensions, `None` for nil.
    pub extensions: Option<Range<usize>>,
    /// The note, empty where there is none.
    pub note: Range<usize>,
}

impl EntryView {
    /// The entry as a value that shares `frame_payload`, the payload that it was decoded from;
    /// `None` when that is shorter.
    pub fn to_entry(&self, frame_payload: &SharedBytes) -> Option<Entry> {
        let slice = |range: &Option<Range<usize>>| match range {
            None => Some(None),
            Some(range) => frame_payload.slice(range.clone()).map(Some),
        };
        let note = if self.note.is_empty() {
            SharedBytes::default()
        } else {
            frame_payload.slice(self.note.clone())?
        };
        Some(Entry {
            index: self.index,
            term: self.term,
            kind: self.kind,
            kind_code: self.kind_code,
            payload: slice(&self.payload)?,
            extra: EntryExtra {
                extensions: slice(&self.extensions)?,
                appended_at: self.appended_at,
                note,
            },
        })
    }

    /// Decodes the entry `index` that begins at byte `at` of a frame's payload; `previous` is the
    /// term of the entry before it in the record (any, where that is not the same).
    ///
    /// # Errors
    /// The first field that cannot be right.
    pub fn decode(
        frame_payload: &[u8],
        at: usize,
        index: LogIndex,
        previous: Option<Term>,
    ) -> Result<EntryView, Malformed> {
        take_entry(&mut Wire::starting(frame_payload, at), index, previous)
    }
}

/// What an index needs of an entry; decoded as carefully as an [`EntryView`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySizes {
    /// Index of the entry.
    pub index: LogIndex,
    /// Term of the entry.
    pub term: Term,
    /// What it is for.
    pub kind: EntryKind,
    /// The number of the kind in the source.
    pub kind_code: Option<u32>,
    /// Where the encoded entry begins in the frame's payload.
    pub at: usize,
    /// Length of the encoded entry, in bytes.
    pub len: usize,
    /// Length of the payload, in bytes.
    pub payload_len: usize,
    /// Length of the extensions, in bytes.
    pub extensions_len: usize,
}

/// Walks the entries of one record, in index order.
#[derive(Clone, Debug)]
pub struct EntryWalk<'a> {
    wire: Wire<'a>,
    next: Option<LogIndex>,
    left: u64,
    term: Option<Term>,
}

impl<'a> EntryWalk<'a> {
    pub(super) fn new(wire: Wire<'a>, first: LogIndex, count: u64) -> EntryWalk<'a> {
        EntryWalk { wire, next: Some(first), left: count, term: None }
    }

    /// One entry behind another with the term `before`.
    #[cfg(test)]
    pub(super) fn behind(wire: Wire<'a>, index: LogIndex, before: Term) -> EntryWalk<'a> {
        EntryWalk { wire, next: Some(index), left: 1, term: Some(before) }
    }

    /// The next entry, or `None` behind the last.
    ///
    /// # Errors
    /// The first field that cannot be right; the walk must not go on then.
    #[inline]
    pub fn next_entry(&mut self) -> Result<Option<EntryView>, Malformed> {
        if self.left == 0 {
            return if self.wire.left() == 0 {
                Ok(None)
            } else {
                Err(self.wire.malformed("bytes behind the last entry"))
            };
        }
        let Some(index) = self.next else { return Err(self.wire.malformed("entry index")) };
        let view = take_entry(&mut self.wire, index, self.term)?;
        self.stepped(index, view.term);
        Ok(Some(view))
    }

    /// As [`EntryWalk::next_entry`], for an index.
    ///
    /// # Errors
    /// As [`EntryWalk::next_entry`].
    #[inline(always)]
    pub fn next_sizes(&mut self) -> Result<Option<EntrySizes>, Malformed> {
        match self.next_usual() {
            Some(sizes) => Ok(Some(sizes)),
            None => self.next_sizes_by_field(),
        }
    }

    /// The next entry when it is one of the usual kind, and whole.
    #[inline(always)]
    fn next_usual(&mut self) -> Option<EntrySizes> {
        let (index, term) = (self.next?, self.term?);
        if self.left == 0 {
            return None;
        }
        let at = self.wire.at();
        let head = usual_head(self.wire.rest())?;
        let len = head.len + head.payload_len;
        self.wire.skip(len)?;
        self.stepped(index, term);
        Some(EntrySizes {
            index,
            term,
            kind: head.kind,
            kind_code: head.kind_code,
            at,
            len,
            payload_len: head.payload_len,
            extensions_len: 0,
        })
    }

    #[inline(never)]
    fn next_sizes_by_field(&mut self) -> Result<Option<EntrySizes>, Malformed> {
        if self.left == 0 {
            return self.next_entry().map(|_| None);
        }
        let Some(index) = self.next else { return Err(self.wire.malformed("entry index")) };
        let start = self.wire;
        let fields = take_fields(&mut self.wire, self.term)?;
        let [payload, extensions, note] =
            [fields.payload, fields.extensions, fields.note].map(Option::unwrap_or_default);
        if self.wire.skip(payload + extensions + note).is_none() {
            self.wire = start;
            return self.next_entry().map(|_| None);
        }
        self.stepped(index, fields.term);
        Ok(Some(EntrySizes {
            index,
            term: fields.term,
            kind: fields.kind,
            kind_code: fields.kind_code,
            at: start.at(),
            len: self.wire.at() - start.at(),
            payload_len: payload,
            extensions_len: extensions,
        }))
    }

    #[inline(always)]
    fn stepped(&mut self, index: LogIndex, term: Term) {
        self.left -= 1;
        self.next = index.next();
        self.term = Some(term);
    }
}

#[inline(always)]
fn take_len(wire: &mut Wire<'_>, flag: u8, what: &'static str) -> Result<Option<usize>, Malformed> {
    if flag == 0 { Ok(None) } else { wire.len(ENTRY_CONTENT_MAX, what).map(Some) }
}

/// An entry up to its byte strings.
struct Fields {
    term: Term,
    kind: EntryKind,
    kind_code: Option<u32>,
    appended_at: AppendTime,
    /// Lengths of the byte strings that are there; each alone is within what is left.
    payload: Option<usize>,
    extensions: Option<usize>,
    note: Option<usize>,
}

#[inline]
fn take_entry(
    wire: &mut Wire<'_>,
    index: LogIndex,
    previous: Option<Term>,
) -> Result<EntryView, Malformed> {
    let start = wire.at();
    let Fields { term, kind, kind_code, appended_at, payload, extensions, note } =
        take_fields(wire, previous)?;
    let mut range = |len: Option<usize>, what| match len {
        None => Ok(None),
        Some(len) => {
            let at = wire.at();
            wire.take(len, what).map(|_| Some(at..at + len))
        }
    };
    let payload = range(payload, "payload")?;
    let extensions = range(extensions, "extensions")?;
    let note = range(note, "note")?.unwrap_or(0..0);
    let span = start..wire.at();
    Ok(EntryView { index, term, kind, kind_code, appended_at, span, payload, extensions, note })
}

#[inline(always)]
fn take_fields(wire: &mut Wire<'_>, previous: Option<Term>) -> Result<Fields, Malformed> {
    let newer = wire.newer("entry flags");
    let flags = wire.u8("entry flags")?;
    if flags & UNUSED != 0 || flags & TIME_MASK == TIME_MASK {
        return Err(newer);
    }
    let newer = wire.newer("entry kind");
    let kind = kind_of(wire.u8("entry kind")?).ok_or(newer)?;
    let term = if flags & SAME_TERM == 0 {
        Term(wire.varint("term")?)
    } else {
        previous.ok_or(wire.malformed("term of the first entry"))?
    };
    let kind_code = if flags & HAS_KIND_CODE == 0 {
        None
    } else {
        let start = wire.malformed("kind number");
        Some(u32::try_from(wire.varint("kind number")?).map_err(|_| start)?)
    };
    let appended_at = match flags & TIME_MASK {
        0 => AppendTime::Absent,
        TIME_NIL => AppendTime::Nil,
        _ => AppendTime::At(take_time(wire)?),
    };
    let payload = take_len(wire, flags & HAS_PAYLOAD, "payload length")?;
    let extensions = take_len(wire, flags & HAS_EXTENSIONS, "extensions length")?;
    let note = take_len(wire, flags & HAS_NOTE, "note length")?;
    Ok(Fields { term, kind, kind_code, appended_at, payload, extensions, note })
}
