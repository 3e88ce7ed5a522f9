//! Results as words, tables and JSON.
