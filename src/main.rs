//! The `raftlog` command.

fn main() {}
