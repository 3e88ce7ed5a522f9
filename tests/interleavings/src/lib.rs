//! Nothing but tests: see `tests/group_commit.rs`.
