//! Bounded reading of untrusted bytes, checksums and varints. No format knowledge.
//!
//! Nothing here panics on any input and nothing allocates by a length that came out of a file.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::host_endian_bytes
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod crc;
mod cursor;
mod error;
mod le;
mod protobuf;
mod varint;

pub use crc::{Crc32, Crc64, crc32, crc32c_resumed};
pub use cursor::Cursor;
pub use error::BytesError;
pub use le::{u16_at, u32_at, u64_at, u128_at};
pub use protobuf::{Field, Fields, NoMessage, fields};
pub use varint::{Overlong, VARINT_LEN_MAX, put_varint, varint_len_bytes};
