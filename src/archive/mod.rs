//! `.tar.gz` out and in, as plain values: members, their bytes, their digests.
//!
//! What is written is the plainest archive there is: ustar headers without owners, independent gzip
//! members of 1 MiB input each, no times in gzip headers. Equal input gives equal bytes, whatever
//! the number of cores. What is read must look like that, byte for byte in every header: anything
//! else (links, devices, GNU and pax extensions, names that climb) is a fault with its place.
//! Nothing here touches the names of a file system; that is the caller's.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::host_endian_bytes
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

mod digest;
mod gzip;
mod header;
mod inflate;
mod pack;
mod stream;
mod unpack;

use crate::model::{Fault, IoError};

pub use digest::{Digest, Digester, Sha};
pub use header::{MTIME_S_MAX, Member, MemberKind, check_name};
pub use pack::Packer;
pub use stream::{FileReader, FileSink, HashingWriter};
pub use unpack::{Content, End, Unpacker, member_place};

/// Input bytes of one gzip member, and the unit in which archives are read and written.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive is not as it must be.
    #[error("{0}")]
    Fault(Box<Fault>),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A name that an archive cannot hold, or must not.
    #[error("{name:?} {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: NameFault,
    },
    /// A member got more or fewer bytes than its header promised.
    #[error("{name:?} was announced with {promised_bytes} bytes, {found_bytes} came")]
    Length {
        /// The member.
        name: String,
        /// Bytes in its header.
        promised_bytes: u64,
        /// Bytes that came.
        found_bytes: u64,
    },
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::Fault(Box::new(fault))
    }
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// Begins with a slash.
    #[error("is an absolute path")]
    Absolute,
    /// A part is `.`, `..` or empty.
    #[error("has a part that is empty, '.' or '..'")]
    Climbs,
    /// A backslash, which some systems take for a slash.
    #[error("holds a backslash")]
    Backslash,
    /// A NUL or another control character.
    #[error("holds a control character")]
    Control,
    /// Longer than a ustar header can hold: 100 bytes, or 155 and 100 around a slash.
    #[error("is longer than a ustar header holds")]
    TooLong,
}
