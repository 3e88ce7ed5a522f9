//! Measuring jobs.
