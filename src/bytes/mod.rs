//! Bounded reading of untrusted bytes, checksums and varints. No format knowledge.
