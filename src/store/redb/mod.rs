//! BoltDB-style redb files.
