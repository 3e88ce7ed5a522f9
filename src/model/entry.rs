use crate::model::{IndexRange, LogId, LogIndex, Place, SharedBytes, Term};

/// What an entry is for, in words that all Raft libraries share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Application data: hashicorp's LogCommand, etcd's EntryNormal, openraft's Normal.
    Command,
    /// Nothing to apply; the first entry of a leadership. openraft's Blank.
    Noop,
    /// Hashicorp's barrier: nothing to apply, but waited for.
    Barrier,
    /// A complete membership.
    Configuration,
    /// Hashicorp's old full peer list after an addition.
    AddPeer,
    /// Hashicorp's old full peer list after a removal.
    RemovePeer,
    /// A change of membership, raftpb.ConfChange.
    ConfChange,
    /// A change of membership, raftpb.ConfChangeV2.
    ConfChangeV2,
    /// A number that no library of this format defines.
    Unknown,
}

impl EntryKind {
    /// Every kind, in the order of the enum.
    pub const ALL: [EntryKind; 9] = [
        EntryKind::Command,
        EntryKind::Noop,
        EntryKind::Barrier,
        EntryKind::Configuration,
        EntryKind::AddPeer,
        EntryKind::RemovePeer,
        EntryKind::ConfChange,
        EntryKind::ConfChangeV2,
        EntryKind::Unknown,
    ];

    /// The word that stands for this kind in every output and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryKind::Command => "command",
            EntryKind::Noop => "noop",
            EntryKind::Barrier => "barrier",
            EntryKind::Configuration => "configuration",
            EntryKind::AddPeer => "add-peer",
            EntryKind::RemovePeer => "remove-peer",
            EntryKind::ConfChange => "conf-change",
            EntryKind::ConfChangeV2 => "conf-change-v2",
            EntryKind::Unknown => "unknown",
        }
    }
}

/// How a source wrote an append time; programs read one of the two forms or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeForm {
    /// go-msgpack's old form: Go's binary time with the zone.
    Old,
    /// The msgpack timestamp payload, in UTC.
    New,
}

/// The zone of an append time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Marked as UTC (which Go tells apart from a zone whose offset is zero).
    Utc,
    /// Seconds east of UTC.
    East {
        /// Offset in seconds, negative for the west.
        seconds: i32,
    },
}

/// A moment with the form and zone in which the source recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AppendInstant {
    /// Seconds since 1970-01-01T00:00:00Z, negative before. Go's zero time is -62135596800.
    pub unix_seconds: i64,
    /// Nanoseconds of the second, 0 to 999,999,999.
    pub nanoseconds: u32,
    /// Form in the source.
    pub form: TimeForm,
    /// Zone in the source.
    pub zone: Zone,
}

impl AppendInstant {
    /// Unix seconds of Go's zero time, year 1.
    pub const ZERO_UNIX_SECONDS: i64 = -62_135_596_800;

    /// Whether this is Go's zero time, which means "not set".
    pub fn is_zero(&self) -> bool {
        self.unix_seconds == Self::ZERO_UNIX_SECONDS && self.nanoseconds == 0
    }
}

/// When a leader took an entry into its log, as far as the source says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AppendTime {
    /// The source has no such field.
    #[default]
    Absent,
    /// The field is there and nil.
    Nil,
    /// A time; may be Go's zero time.
    At(AppendInstant),
}

impl AppendTime {
    /// The moment, unless absent, nil or the zero time.
    pub fn instant(&self) -> Option<&AppendInstant> {
        match self {
            AppendTime::At(instant) if !instant.is_zero() => Some(instant),
            _ => None,
        }
    }
}

/// What an entry carries beside the Raft essentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryExtra {
    /// Hashicorp's Extensions; `None` is nil, which programs tell apart from empty.
    pub extensions: Option<SharedBytes>,
    /// When the leader took the entry.
    pub appended_at: AppendTime,
    /// What the source's format holds beyond this model (field count, unknown fields, bytes after
    /// the object, the leader's node id, ...), in that format's own encoding; opaque to others.
    /// Empty when there is nothing to note.
    pub note: SharedBytes,
}

/// One logical item of a Raft log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position in the log.
    pub index: LogIndex,
    /// Term in which it was proposed.
    pub term: Term,
    /// What it is for.
    pub kind: EntryKind,
    /// The number of the kind in the source, where it has one.
    pub kind_code: Option<u32>,
    /// Application bytes; `None` is nil, which some formats tell apart from empty.
    pub payload: Option<SharedBytes>,
    /// Everything else.
    pub extra: EntryExtra,
}

impl Entry {
    /// Identity inside the group.
    pub fn id(&self) -> LogId {
        LogId { index: self.index, term: self.term }
    }

    /// The entry without its contents, which lie at `place`.
    pub fn head(&self, place: Option<Place>) -> EntryHead {
        EntryHead {
            index: self.index,
            term: self.term,
            kind: self.kind,
            kind_code: self.kind_code,
            payload_len_bytes: self.payload_bytes().len() as u64,
            extensions_len_bytes: self.extensions_bytes().len() as u64,
            place,
        }
    }

    /// The payload's bytes, empty when nil.
    pub fn payload_bytes(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    /// The extensions' bytes, empty when nil.
    pub fn extensions_bytes(&self) -> &[u8] {
        self.extra.extensions.as_deref().unwrap_or_default()
    }
}

/// Consecutive entries of one term and one kind, without their contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadRun {
    /// Their indexes; each is there.
    pub range: IndexRange,
    /// Term in which they were proposed.
    pub term: Term,
    /// What they are for.
    pub kind: EntryKind,
    /// The number of the kind in the source, where it has one.
    pub kind_code: Option<u32>,
    /// Length of all payloads together.
    pub payload_bytes: u64,
    /// Length of the longest payload.
    pub payload_bytes_max: u64,
    /// Length of the encoded entries together.
    pub encoded_bytes: u64,
}

impl HeadRun {
    /// Takes in the run that follows, if that goes on with the same; returns whether it did.
    #[inline]
    pub fn join(&mut self, next: &HeadRun) -> bool {
        let follows = self.range.last().next() == Some(next.range.first());
        let alike =
            (self.term, self.kind, self.kind_code) == (next.term, next.kind, next.kind_code);
        let range = IndexRange::new(self.range.first(), next.range.last());
        let Some(range) = range.filter(|_| follows && alike) else { return false };
        self.range = range;
        self.payload_bytes = self.payload_bytes.saturating_add(next.payload_bytes);
        self.payload_bytes_max = self.payload_bytes_max.max(next.payload_bytes_max);
        self.encoded_bytes = self.encoded_bytes.saturating_add(next.encoded_bytes);
        true
    }

    /// What follows its first entry, whose payload has so many bytes. Only the length of all
    /// payloads is known then: those of the longest and of the encoded entries stay as they are.
    pub fn behind_first(&self, payload_bytes: u64) -> Option<HeadRun> {
        let range = IndexRange::new(self.range.first().next()?, self.range.last())?;
        let payload_bytes = self.payload_bytes.saturating_sub(payload_bytes);
        Some(HeadRun { range, payload_bytes, ..*self })
    }
}

/// An entry without its contents: what the Raft rules and listings need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// Position in the log.
    pub index: LogIndex,
    /// Term in which it was proposed.
    pub term: Term,
    /// What it is for.
    pub kind: EntryKind,
    /// The number of the kind in the source, where it has one.
    pub kind_code: Option<u32>,
    /// Length of the payload.
    pub payload_len_bytes: u64,
    /// Length of the extensions.
    pub extensions_len_bytes: u64,
    /// Where the entry lies in the file, where the format can say.
    pub place: Option<Place>,
}
