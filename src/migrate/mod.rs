//! Moving logs from one format to another.
