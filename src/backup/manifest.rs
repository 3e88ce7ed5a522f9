//! `MANIFEST.json`, the first member of an archive; `MANIFEST.md` beside this file describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    Candidate, Code, Fault, Findings, GroupId, HardState, LogState, Severity, Term, Vote,
};
use crate::store::Level;

/// Version of the manifest and of the archive's structure that this raftlog writes and reads.
pub const MANIFEST_VERSION: u32 = 1;

/// Name of the first member.
pub const MANIFEST_NAME: &str = "MANIFEST.json";

/// Name of the last member.
pub const END_NAME: &str = "END.json";

/// The directory that holds everything that was backed up, so that no name in it can meet ours.
pub const DATA_NAME: &str = "data";

/// Largest manifest that is written or read.
pub const MANIFEST_BYTES_MAX: u64 = 32 << 20;

/// Most files and directories that an archive holds.
pub const NAMES_MAX: usize = 100_000;

/// Everything an archive says of itself. Field order is the order in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// SHA-256 of the manifest's bytes with these 64 digits taken as zeros. Always first.
    pub manifest_sha256: String,
    /// [`MANIFEST_VERSION`].
    pub manifest_version: u32,
    /// Who wrote the archive.
    pub tool: Tool,
    /// When, RFC 3339 in UTC.
    pub created_at: String,
    /// When, seconds since 1970.
    pub created_unix_s: u64,
    /// Name of the file or directory that was backed up, without the directories above it.
    pub source: String,
    /// The store's format id.
    pub format: String,
    /// Why it is that format.
    pub evidence: Vec<String>,
    /// Whose data directory it is, where one was recognised.
    pub layout: Option<LayoutNote>,
    /// The groups with bounds and HardState, as far as the store could be opened.
    pub groups: Vec<GroupNote>,
    /// What the rules said of the store.
    pub verdict: Verdict,
    /// Names in the source that are not in the archive.
    pub not_packed: Vec<NotPacked>,
    /// Directories, in order of name, part by part. Their names end without a slash.
    pub directories: Vec<DirectoryLine>,
    /// Files, in the same order.
    pub files: Vec<FileLine>,
}

/// The program that wrote an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `raftlog`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A recognised data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayoutNote {
    /// Whose.
    pub product: String,
    /// Which node's.
    pub node: Option<String>,
}

/// A name in the source that an archive does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotPacked {
    /// The name below the source, escaped where it is no text.
    pub path: String,
    /// `link` or `other` (a socket, pipe or device).
    pub kind: String,
}

/// A directory of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectoryLine {
    /// The member's name.
    pub path: String,
    /// Permission bits, octal digits.
    pub mode: String,
    /// Modification time: seconds since 1970, negative before.
    pub mtime_s: i64,
    /// Modification time: nanoseconds of that second.
    pub mtime_ns: u32,
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileLine {
    /// The member's name.
    pub path: String,
    /// Size.
    pub size_bytes: u64,
    /// Permission bits, octal digits.
    pub mode: String,
    /// Modification time: seconds since 1970, negative before.
    pub mtime_s: i64,
    /// Modification time: nanoseconds of that second.
    pub mtime_ns: u32,
    /// CRC-32 of the content, eight hexadecimal digits.
    pub crc32: String,
    /// SHA-256 of the content, 64 hexadecimal digits.
    pub sha256: String,
}

/// What the rules said of a store when it was backed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// `quick` or `full`; null when the store was not judged.
    pub level: Option<String>,
    /// No error and no warning; null when the store was not judged.
    pub sound: Option<bool>,
    /// Why it was not judged; with damage that kept it from being opened, `sound` is false too.
    pub not_judged: Option<String>,
    /// Findings that are errors.
    pub errors: u64,
    /// Findings that are warnings.
    pub warnings: u64,
    /// Findings that are informational.
    pub infos: u64,
    /// One line a code: the first finding of it.
    pub findings: Vec<VerdictFinding>,
}

/// All findings of one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictFinding {
    /// The rule.
    pub code: String,
    /// The gravest severity among them.
    pub severity: String,
    /// How many there were.
    pub count: u64,
    /// The first one in one line.
    pub message: String,
    /// Name of the group that the first one is about, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The index that the first one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Where the first one lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<VerdictPlace>,
}

/// Where a finding lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictPlace {
    /// The file: its name below the directory that was backed up, or the name of the file that was.
    pub file: String,
    /// First byte.
    pub offset_bytes: u64,
    /// Number of bytes.
    pub len_bytes: u64,
}

impl Verdict {
    /// The verdict of a store that was not judged, and why.
    pub fn not_judged(reason: &str) -> Verdict {
        Verdict { not_judged: Some(reason.to_owned()), ..Verdict::default() }
    }

    /// The verdict that everything `findings` holds amounts to.
    pub fn of(level: Level, findings: &Findings) -> Verdict {
        let level = match level {
            Level::Quick => "quick",
            Level::Full => "full",
        };
        let mut lines: Vec<(Code, Severity, VerdictFinding)> = Vec::new();
        for fault in findings.kept() {
            let line = || VerdictFinding::of(fault, findings.count(fault.code));
            match lines.iter_mut().find(|(code, ..)| *code == fault.code) {
                // What a line says is of the gravest that it stands for.
                Some((_, gravest, told)) if *gravest < fault.severity => {
                    (*gravest, *told) = (fault.severity, line());
                }
                Some(_) => {}
                None => lines.push((fault.code, fault.severity, line())),
            }
        }
        Verdict {
            level: Some(level.to_owned()),
            sound: Some(findings.is_sound()),
            not_judged: None,
            errors: findings.errors(),
            warnings: findings.warnings(),
            infos: findings.infos(),
            findings: lines.into_iter().map(|(_, _, line)| line).collect(),
        }
    }
}

impl VerdictFinding {
    /// The line of a finding that stands for `count` of its code.
    fn of(fault: &Fault, count: u64) -> VerdictFinding {
        VerdictFinding {
            code: fault.code.as_str().to_owned(),
            severity: fault.severity.as_str().to_owned(),
            count,
            message: fault.kind.to_string(),
            group: fault.group.as_ref().and_then(|group| group.name()).map(Into::into),
            index: fault.index.map(|index| index.0),
            place: fault.place.as_ref().map(|place| VerdictPlace {
                file: place.file.to_string_lossy().into_owned(),
                offset_bytes: place.offset_bytes,
                len_bytes: place.len_bytes,
            }),
        }
    }
}

/// A group in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupNote {
    /// Its name; null for the unnamed group.
    pub group: Option<String>,
    /// First index; null for an empty log.
    pub first_index: Option<u64>,
    /// Last index.
    pub last_index: Option<u64>,
    /// Term of the last entry, where it could be read.
    pub last_term: Option<u64>,
    /// Term, vote, commit index.
    pub hard_state: HardStateNote,
    /// Newest snapshot that the store knows of.
    pub snapshot: Option<SnapshotLine>,
}

/// What a node must not forget; null where the store does not record it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HardStateNote {
    /// Current term.
    pub term: Option<u64>,
    /// The vote.
    pub vote: Option<VoteNote>,
    /// Commit index.
    pub commit: Option<u64>,
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VoteNote {
    /// Term in which it was given.
    pub term: Option<u64>,
    /// Who got it, as text; a number in decimal; null where the bytes are no text.
    pub candidate: Option<String>,
    /// The bytes of it; those of a number are big-endian.
    pub candidate_hex: Option<String>,
}

/// The newest snapshot that a store knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotLine {
    /// Last index that it covers.
    pub index: u64,
    /// Term of that index.
    pub term: u64,
    /// Its name.
    pub id: Option<String>,
}

impl GroupNote {
    /// A group's state in short.
    pub fn new(group: &GroupId, state: &LogState, last_term: Option<Term>) -> GroupNote {
        GroupNote {
            group: group.name().map(str::to_owned),
            first_index: state.bounds.map(|bounds| bounds.first().0),
            last_index: state.bounds.map(|bounds| bounds.last().0),
            last_term: last_term.map(|term| term.0),
            hard_state: HardStateNote::new(&state.hard),
            snapshot: state.snapshot.as_ref().map(|snapshot| SnapshotLine {
                index: snapshot.index.0,
                term: snapshot.term.0,
                id: snapshot.id.clone(),
            }),
        }
    }
}

impl HardStateNote {
    fn new(hard: &HardState) -> HardStateNote {
        HardStateNote {
            term: hard.term.map(|term| term.0),
            vote: hard.vote.as_ref().map(VoteNote::new),
            commit: hard.commit.map(|index| index.0),
        }
    }
}

impl VoteNote {
    fn new(vote: &Vote) -> VoteNote {
        let (candidate, bytes) = match &vote.candidate {
            None => (None, None),
            Some(Candidate::Id(id)) => (Some(id.to_string()), Some(id.to_be_bytes().to_vec())),
            Some(Candidate::Bytes(bytes)) => {
                (String::from_utf8(bytes.to_vec()).ok(), Some(bytes.to_vec()))
            }
        };
        VoteNote {
            term: vote.term.map(|term| term.0),
            candidate,
            candidate_hex: bytes.map(|bytes| data_encoding::HEXLOWER.encode(&bytes)),
        }
    }
}
