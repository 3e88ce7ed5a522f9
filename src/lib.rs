//! raftlog recognises Raft log stores, shows what is in them, proves whether they are sound, backs
//! them up and moves them to another engine without losing anything silently.
//!
//! Inside is [`fastlog`], a log engine for many Raft groups. `src/README.md` says how the rooms
//! depend on each other.

pub mod archive;
pub mod backup;
pub mod bench;
pub mod bytes;
pub mod cli;
pub mod compare;
pub mod decode;
pub mod dual;
pub mod event;
pub mod fastlog;
pub mod inspect;
pub mod migrate;
pub mod model;
pub mod repair;
pub mod report;
pub mod rules;
pub mod runbook;
pub mod simulate;
pub mod store;
pub mod verify;
pub mod vfs;
