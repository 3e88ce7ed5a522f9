use tar::{EntryType, Header};

use crate::archive::{Error, NameFault};

/// Largest modification time that a ustar header holds; also what a later one is written as.
pub const MTIME_S_MAX: u64 = 0o77_777_777_777;

const NAME_BYTES_MAX: usize = 100;
const PREFIX_BYTES_MAX: usize = 155;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Relative path with slashes, without one at the end.
    pub name: String,
    /// What it is.
    pub kind: MemberKind,
    /// Bytes of a file; 0 for a directory.
    pub size_bytes: u64,
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    /// Modification time, whole seconds since 1970, [`MTIME_S_MAX`] at most.
    pub mtime_s: u64,
}

/// Checks that `name` may stand in an archive: relative, no part that is empty, `.` or `..`, no
/// backslash, no control character, no longer than a header holds.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.starts_with('/') {
        return Err(NameFault::Absolute);
    }
    if name.contains('\\') {
        return Err(NameFault::Backslash);
    }
    if name.chars().any(char::is_control) {
        return Err(NameFault::Control);
    }
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(NameFault::Climbs);
    }
    // A directory's name is written with a slash at its end, which needs a byte.
    split(name, 1).map(|_| ()).ok_or(NameFault::TooLong)
}

/// Splits `name` into ustar's prefix and name, leaving room for `more` bytes at the end.
fn split(name: &str, more: usize) -> Option<(&str, &str)> {
    if name.len() + more <= NAME_BYTES_MAX {
        return Some(("", name));
    }
    name.match_indices('/')
        .filter_map(|(slash, _)| Some((name.get(..slash)?, name.get(slash + 1..)?)))
        .find(|(prefix, rest)| {
            prefix.len() <= PREFIX_BYTES_MAX && rest.len() + more <= NAME_BYTES_MAX
        })
}

fn fill(field: &mut [u8], text: &str) {
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

/// The header of `member`, the only one that it can have.
pub(super) fn header_of(member: &Member) -> Result<Header, Error> {
    let refused = |reason| Error::Name { name: member.name.clone(), reason };
    check_name(&member.name).map_err(refused)?;
    let mut header = Header::new_ustar();
    if let Some(ustar) = header.as_ustar_mut() {
        let (prefix, name) = split(&member.name, 1).ok_or(refused(NameFault::TooLong))?;
        fill(&mut ustar.prefix, prefix);
        fill(&mut ustar.name, name);
        if member.kind == MemberKind::Directory
            && let Some(end) = ustar.name.get_mut(name.len())
        {
            *end = b'/';
        }
    }
    header.set_entry_type(match member.kind {
        MemberKind::File => EntryType::Regular,
        MemberKind::Directory => EntryType::Directory,
    });
    header.set_mode(member.mode & 0o7777);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(member.size_bytes);
    header.set_mtime(member.mtime_s.min(MTIME_S_MAX));
    header.set_cksum();
    Ok(header)
}

/// Why a header is not taken: what was looked at, what it must be, what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeaderFault {
    pub what: &'static str,
    pub expected: &'static str,
    pub found: String,
}

/// What `header` says, provided that it is exactly the header that this member would be given.
pub(super) fn member_of(header: &Header) -> Result<Member, HeaderFault> {
    let fault = |what, expected, found: String| HeaderFault { what, expected, found };
    let Some(ustar) = header.as_ustar() else {
        let found = if header.as_gnu().is_some() { "a GNU header" } else { "an old header" };
        return Err(fault("member header", "a ustar header", found.to_owned()));
    };
    let full = full_name(&ustar.prefix, &ustar.name);
    let shown = String::from_utf8_lossy(&full).into_owned();
    let kind = match ustar.typeflag {
        [b'0'] => MemberKind::File,
        [b'5'] => MemberKind::Directory,
        [other] => {
            let found = format!("{} ({shown:?})", type_words(other));
            return Err(fault("member type", "a regular file or a directory", found));
        }
    };
    let Ok(text) = String::from_utf8(full) else {
        return Err(fault("member name", "UTF-8", format!("{shown:?}")));
    };
    let name = match kind {
        MemberKind::File => text.as_str(),
        MemberKind::Directory => text.strip_suffix('/').unwrap_or(&text),
    };
    if let Err(reason) = check_name(name) {
        let found = format!("{name:?}, which {reason}");
        return Err(fault("member name", "a relative name that stays inside", found));
    }
    let number = |what| move |_| fault(what, "octal digits", "something else".to_owned());
    let member = Member {
        name: name.to_owned(),
        kind,
        size_bytes: header.entry_size().map_err(number("member size"))?,
        mode: header.mode().map_err(number("member mode"))?,
        mtime_s: header.mtime().map_err(number("member time"))?,
    };
    let own = header_of(&member).ok();
    if own.is_none_or(|own| own.as_bytes() != header.as_bytes()) {
        let found = format!("another header for {name:?}");
        return Err(fault("member header", "the header that raftlog writes", found));
    }
    Ok(member)
}

fn full_name(prefix: &[u8], name: &[u8]) -> Vec<u8> {
    let text =
        |field: &[u8]| -> Vec<u8> { field.iter().copied().take_while(|byte| *byte != 0).collect() };
    let (prefix, name) = (text(prefix), text(name));
    if prefix.is_empty() { name } else { [prefix.as_slice(), b"/", name.as_slice()].concat() }
}

fn type_words(flag: u8) -> &'static str {
    match flag {
        b'1' => "a hard link",
        b'2' => "a symbolic link",
        b'3' => "a character device",
        b'4' => "a block device",
        b'6' => "a named pipe",
        b'x' | b'g' => "a pax extension",
        b'L' | b'K' => "a GNU long name",
        b'S' => "a GNU sparse file",
        _ => "a member of unknown type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Member {
        Member {
            name: name.to_owned(),
            kind: MemberKind::File,
            size_bytes: 5,
            mode: 0o640,
            mtime_s: 1_700_000_000,
        }
    }

    #[test]
    fn a_header_reads_back_as_the_member_it_was_made_of() {
        let long = format!("{}/{}", "d".repeat(155), "f".repeat(99));
        let big = Member { size_bytes: 1 << 40, ..file("big") };
        let dir = Member { kind: MemberKind::Directory, size_bytes: 0, ..file("data/raft") };
        for member in [file("data/raft.db"), file(&long), big, dir] {
            assert_eq!(member_of(&header_of(&member).unwrap()), Ok(member));
        }
    }

    #[test]
    fn names_that_climb_or_trick_are_refused() {
        for (name, reason) in [
            ("", NameFault::Empty),
            ("/etc/passwd", NameFault::Absolute),
            ("..", NameFault::Climbs),
            ("a/../b", NameFault::Climbs),
            ("a//b", NameFault::Climbs),
            ("a/", NameFault::Climbs),
            ("./a", NameFault::Climbs),
            ("a\\..\\b", NameFault::Backslash),
            ("a\nb", NameFault::Control),
            ("a\0b", NameFault::Control),
        ] {
            assert_eq!(check_name(name), Err(reason), "{name:?}");
        }
        assert_eq!(check_name(&"x".repeat(100)), Err(NameFault::TooLong));
        assert_eq!(check_name(&"x".repeat(99)), Ok(()));
        let deep = format!("{}/{}", "d".repeat(156), "f".repeat(99));
        assert_eq!(check_name(&deep), Err(NameFault::TooLong));
        assert_eq!(check_name("..data/...x"), Ok(()));
    }

    #[test]
    fn every_flipped_bit_of_a_header_changes_the_member_or_is_refused() {
        let member = file("data/raft.db");
        let header = header_of(&member).unwrap();
        for bit in 0..512 * 8 {
            let mut flipped = header.clone();
            flipped.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(member_of(&flipped), Ok(member.clone()), "bit {bit}");
        }
    }
}
