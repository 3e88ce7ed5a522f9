//! The manifest's bytes: writing, its own checksum, reading, and what its lines must fulfil.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::archive::{MTIME_S_MAX, Member, MemberKind, Sha, check_name};
use crate::backup::manifest::{
    DATA_NAME, DirectoryLine, FileLine, MANIFEST_VERSION, Manifest, NAMES_MAX,
};
use crate::model::FaultKind;

/// Every manifest begins with these bytes, then 64 hexadecimal digits.
const OPENING: &[u8] = b"{\n  \"manifest_sha256\": \"";
const DIGITS: usize = 64;
const NO_DIGITS: &[u8; DIGITS] = &[b'0'; DIGITS];

const NANOSECONDS: i128 = 1_000_000_000;

/// Why the bytes of a manifest are not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// Damaged, or made by hand.
    Fault(FaultKind),
    /// A version that is not read.
    Version(u64),
}

impl From<FaultKind> for Refused {
    fn from(kind: FaultKind) -> Self {
        Refused::Fault(kind)
    }
}

fn field(what: &'static str, expected: &str, found: impl Into<String>) -> FaultKind {
    FaultKind::Field { what, expected: expected.to_owned(), found: found.into() }
}

/// The manifest's bytes, its own checksum filled in; also into `manifest`.
pub(super) fn encode(manifest: &mut Manifest) -> Result<Vec<u8>, FaultKind> {
    manifest.manifest_sha256 = "0".repeat(DIGITS);
    let mut bytes = serde_json::to_vec_pretty(manifest).map_err(|error| {
        field("the manifest", "something that can be written", error.to_string())
    })?;
    bytes.push(b'\n');
    let digits = Sha::of(&[&bytes]).to_string();
    if let Some(place) = bytes.get_mut(OPENING.len()..OPENING.len() + DIGITS) {
        place.copy_from_slice(digits.as_bytes());
    }
    manifest.manifest_sha256 = digits;
    Ok(bytes)
}

/// The manifest in `bytes`, its checksum, version and every line checked.
pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, Refused> {
    #[derive(Deserialize)]
    struct Version {
        manifest_version: u64,
    }
    check_own_digest(bytes)?;
    let json = |error: serde_json::Error| {
        Refused::Fault(field("the manifest", "the JSON that raftlog writes", error.to_string()))
    };
    let version: Version = serde_json::from_slice(bytes).map_err(json)?;
    if version.manifest_version != u64::from(MANIFEST_VERSION) {
        return Err(Refused::Version(version.manifest_version));
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(json)?;
    check_lines(&manifest)?;
    Ok(manifest)
}

fn check_own_digest(bytes: &[u8]) -> Result<(), FaultKind> {
    let opening_fault = || {
        let expected = "a manifest that begins with its own checksum";
        field("the manifest", expected, "something else")
    };
    let rest = bytes.strip_prefix(OPENING).ok_or_else(opening_fault)?;
    let (digits, rest) = rest.split_at_checked(DIGITS).ok_or_else(opening_fault)?;
    let found = Sha::of(&[OPENING, NO_DIGITS, rest]).to_string();
    if digits == found.as_bytes() {
        return Ok(());
    }
    let expected = String::from_utf8_lossy(digits).into_owned();
    Err(FaultKind::Checksum { what: "the manifest", expected, found })
}

/// Names in order, each once, inside `data`, below a directory that is listed; numbers in form.
fn check_lines(manifest: &Manifest) -> Result<(), FaultKind> {
    let names = manifest.directories.len() + manifest.files.len();
    if names > NAMES_MAX {
        let (value, limit) = (names as u64, NAMES_MAX as u64);
        return Err(FaultKind::Bounds { what: "the number of names", value, limit });
    }
    let mut directories = HashSet::new();
    if manifest.directories.is_empty() {
        // The backup of a single file.
        directories.insert(DATA_NAME);
    }
    let mut before = None;
    let mut total = 0u64;
    let mut order = Order::default();
    while let Some(line) = order.next(manifest) {
        let name = line.name();
        check_line_name(name)?;
        if let Some(before) = before
            && in_order(before, name) != Ordering::Less
        {
            let found = format!("{name:?} behind {before:?}");
            return Err(field("a name in the manifest", "every name once and in order", found));
        }
        before = Some(name);
        if name != DATA_NAME
            && !name.rsplit_once('/').is_some_and(|(parent, _)| directories.contains(parent))
        {
            let found = format!("{name:?}");
            return Err(field("a name in the manifest", "its directory listed before it", found));
        }
        match line {
            Line::Directory(line) => {
                line.member()?;
                line.modified_unix_ns()?;
                directories.insert(line.path.as_str());
            }
            Line::File(_, line) => {
                line.member()?;
                line.modified_unix_ns()?;
                line.digest()?;
                total = total.checked_add(line.size_bytes).ok_or(FaultKind::Bounds {
                    what: "the sum of all sizes",
                    value: line.size_bytes,
                    limit: u64::MAX - total,
                })?;
            }
        }
    }
    Ok(())
}

/// A line of a manifest, directory or file; of a file also its number among the files.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line<'m> {
    Directory(&'m DirectoryLine),
    File(usize, &'m FileLine),
}

impl<'m> Line<'m> {
    /// The member's name.
    pub fn name(self) -> &'m str {
        match self {
            Line::Directory(line) => &line.path,
            Line::File(_, line) => &line.path,
        }
    }
}

/// The order of members: by name, part by part, so that a directory comes right before what is in
/// it (`tar` then restores its time). Walks through the two lists of a manifest side by side.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    directories: usize,
    files: usize,
}

impl Order {
    /// The next line, or `None` behind the last.
    pub fn next<'m>(&mut self, manifest: &'m Manifest) -> Option<Line<'m>> {
        let directory = manifest.directories.get(self.directories);
        let file = manifest.files.get(self.files);
        match (directory, file) {
            (Some(directory), Some(file))
                if in_order(&directory.path, &file.path) == Ordering::Greater =>
            {
                self.files += 1;
                Some(Line::File(self.files - 1, file))
            }
            (Some(directory), _) => {
                self.directories += 1;
                Some(Line::Directory(directory))
            }
            (None, Some(file)) => {
                self.files += 1;
                Some(Line::File(self.files - 1, file))
            }
            (None, None) => None,
        }
    }
}

fn in_order(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

fn check_line_name(name: &str) -> Result<(), FaultKind> {
    let expected = "a relative name below data";
    let found = match check_name(name) {
        Ok(()) if name == DATA_NAME => return Ok(()),
        Ok(()) if name.strip_prefix(DATA_NAME).is_some_and(|rest| rest.starts_with('/')) => {
            return Ok(());
        }
        Ok(()) => format!("{name:?}, which lies outside of data"),
        Err(reason) => format!("{name:?}, which {reason}"),
    };
    Err(field("a name in the manifest", expected, found))
}

fn mode_bits(text: &str) -> Result<u32, FaultKind> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| field("a mode", "four octal digits", format!("{text:?}")))
}

/// A moment in nanoseconds since 1970, of the two numbers of a line.
fn moment(seconds: i64, nanoseconds: u32) -> Result<i128, FaultKind> {
    if i128::from(nanoseconds) >= NANOSECONDS {
        let (value, limit) = (u64::from(nanoseconds), 999_999_999);
        return Err(FaultKind::Bounds { what: "nanoseconds of a time", value, limit });
    }
    Ok(i128::from(seconds) * NANOSECONDS + i128::from(nanoseconds))
}

/// The two numbers of a line, of a moment in nanoseconds since 1970. What an `i64` of seconds does
/// not hold becomes the nearest that it holds.
pub(super) fn split_moment(unix_ns: i128) -> (i64, u32) {
    let seconds = unix_ns.div_euclid(NANOSECONDS);
    let nanoseconds = u32::try_from(unix_ns.rem_euclid(NANOSECONDS)).unwrap_or_default();
    let nearest = if seconds < 0 { i64::MIN } else { i64::MAX };
    (i64::try_from(seconds).unwrap_or(nearest), nanoseconds)
}

fn header_seconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).min(MTIME_S_MAX)
}

impl Manifest {
    /// Bytes of all files together.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, line| sum.saturating_add(line.size_bytes))
    }
}

impl DirectoryLine {
    /// The tar member that this line stands for.
    pub(super) fn member(&self) -> Result<Member, FaultKind> {
        Ok(Member {
            name: self.path.clone(),
            kind: MemberKind::Directory,
            size_bytes: 0,
            mode: mode_bits(&self.mode)?,
            mtime_s: header_seconds(self.mtime_s),
        })
    }

    /// Modification time in nanoseconds since 1970.
    pub(super) fn modified_unix_ns(&self) -> Result<i128, FaultKind> {
        moment(self.mtime_s, self.mtime_ns)
    }
}

impl FileLine {
    /// The tar member that this line stands for.
    pub(super) fn member(&self) -> Result<Member, FaultKind> {
        Ok(Member {
            name: self.path.clone(),
            kind: MemberKind::File,
            size_bytes: self.size_bytes,
            mode: mode_bits(&self.mode)?,
            mtime_s: header_seconds(self.mtime_s),
        })
    }

    /// Modification time in nanoseconds since 1970.
    pub(super) fn modified_unix_ns(&self) -> Result<i128, FaultKind> {
        moment(self.mtime_s, self.mtime_ns)
    }

    /// CRC-32 and SHA-256 of the content.
    pub(super) fn digest(&self) -> Result<(u32, Sha), FaultKind> {
        let crc32 = u32::from_str_radix(&self.crc32, 16)
            .ok()
            .filter(|_| self.crc32.len() == 8)
            .ok_or_else(|| field("a CRC-32", "8 hexadecimal digits", format!("{:?}", self.crc32)));
        let sha256 = data_encoding::HEXLOWER
            .decode(self.sha256.as_bytes())
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or_else(|| {
                field("a SHA-256", "64 hexadecimal digits", format!("{:?}", self.sha256))
            });
        Ok((crc32?, Sha(sha256?)))
    }
}

/// The bytes of the closing member: what came before it in one digest (the manifest's bytes, then
/// the SHA-256 of each file in order, 32 bytes each).
pub(super) fn encode_end(manifest_bytes: &[u8], manifest: &Manifest) -> Result<Vec<u8>, FaultKind> {
    #[derive(Serialize)]
    struct End {
        members: usize,
        sha256: String,
    }
    let files = manifest.files.iter().map(FileLine::digest).collect::<Result<Vec<_>, _>>()?;
    let mut parts: Vec<&[u8]> = vec![manifest_bytes];
    parts.extend(files.iter().map(|(_, sha)| sha.0.as_slice()));
    let members = 1 + manifest.directories.len() + manifest.files.len();
    let end = End { members, sha256: Sha::of(&parts).to_string() };
    let mut bytes = serde_json::to_vec_pretty(&end).map_err(|error| {
        field("the closing member", "something that can be written", error.to_string())
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}
