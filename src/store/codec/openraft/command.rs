//! Entries as openraft's users encode them, for logs that are made here: to measure with.

use crate::bytes::put_varint;
use crate::model::LogId;
use crate::store::codec::openraft::Encoding;

/// What stands before the value of a Normal entry, and the value: `text`. Of the leader, node 1.
pub(super) fn command(encoding: Encoding, id: LogId, text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    match encoding {
        Encoding::Msgpack => msgpack(id, text).ok(),
        Encoding::Json => {
            let before = format!(
                "{{\"log_id\":{{\"leader_id\":{{\"term\":{},\"node_id\":{NODE}}},\"index\":{}}},\
                 \"payload\":{{\"Normal\":",
                id.term, id.index
            );
            Some((before.into_bytes(), serde_json::to_vec(text).ok()?))
        }
        Encoding::Postcard => {
            let (mut before, mut value) = (Vec::new(), Vec::new());
            for number in [id.term.0, NODE, id.index.0, NORMAL] {
                put_varint(&mut before, number);
            }
            put_varint(&mut value, text.len() as u64);
            value.extend_from_slice(text.as_bytes());
            Some((before, value))
        }
        Encoding::Bincode => {
            let mut before = Vec::new();
            for number in [id.term.0, NODE, id.index.0] {
                before.extend_from_slice(&number.to_le_bytes());
            }
            before.extend_from_slice(&u32::try_from(NORMAL).ok()?.to_le_bytes());
            let mut value = (text.len() as u64).to_le_bytes().to_vec();
            value.extend_from_slice(text.as_bytes());
            Some((before, value))
        }
    }
}

const NODE: u64 = 1;
/// The variant's number.
const NORMAL: u64 = 1;

fn msgpack(id: LogId, text: &str) -> Result<(Vec<u8>, Vec<u8>), rmp::encode::ValueWriteError> {
    let (mut before, mut value) = (Vec::new(), Vec::new());
    for _ in ["entry", "log id", "leader id"] {
        rmp::encode::write_array_len(&mut before, 2)?;
    }
    for number in [id.term.0, NODE, id.index.0] {
        rmp::encode::write_uint(&mut before, number)?;
    }
    rmp::encode::write_map_len(&mut before, 1)?;
    rmp::encode::write_str(&mut before, "Normal")?;
    rmp::encode::write_str(&mut value, text)?;
    Ok((before, value))
}
