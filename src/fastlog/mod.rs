//! FastLog, the log engine.
