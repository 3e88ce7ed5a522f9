//! How Raft libraries encode an entry inside a container's value.

mod append_time;
mod envelopes;
mod framed;
mod json;
mod json_object;
mod located;
mod msgpack;
mod note;
mod openraft;
mod peers;
mod raft_log;
mod raft_log_write;
mod raft_protobuf;
mod stable;
mod time_form;
mod usual;
mod value;
mod wal_log;

pub use located::{INDEX_USUAL_MIN, entry_faults};
pub use openraft::{Encoding, Leader, VoteRead};
pub use peers::peer_list;
pub use raft_log::{DecodedHead, DecodedLog, HASHICORP_KINDS, decode, decode_in, kind_of};
pub use raft_log_write::{encode, kind_code};
pub use raft_protobuf::Flavor;
pub use stable::{hard_state, odd_integer, stable_to_store, stable_value};
pub use time_form::{in_time_form, time_in_form};
pub use value::ValueCodec;
pub use wal_log::{
    WAL_OVERHEAD_BYTES, WalBegin, WalHead, decode_wal, encode_wal, wal_begin, wal_extensions,
    wal_head, wal_time,
};

#[cfg(test)]
mod tests;
