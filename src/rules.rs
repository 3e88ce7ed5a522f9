//! Raft rules over a log.
