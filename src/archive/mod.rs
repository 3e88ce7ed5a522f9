//! tar.gz archives as plain values.
