//! Value codecs that several formats share.
