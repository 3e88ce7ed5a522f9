//! A file system that reads from another and keeps every write in memory.
