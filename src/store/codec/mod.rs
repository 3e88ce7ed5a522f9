//! How Raft libraries encode an entry inside a container's value.

mod append_time;
mod located;
mod msgpack;
mod note;
mod peers;
mod raft_log;
mod raft_log_write;
mod stable;
mod time_form;
mod usual;

pub use located::{INDEX_USUAL_MIN, entry_faults};
pub use peers::peer_list;
pub use raft_log::{DecodedLog, decode, decode_in, kind_of};
pub use raft_log_write::{encode, kind_code};
pub use stable::{hard_state, odd_integer, stable_to_store, stable_value};
pub use time_form::{in_time_form, time_in_form};

#[cfg(test)]
mod tests;
