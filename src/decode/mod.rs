//! Payloads of known programs as JSON.
