//! Backing up and restoring data directories.
