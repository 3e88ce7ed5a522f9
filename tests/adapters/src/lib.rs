//! FastLog under three Raft libraries, each through the library's own storage interface.
//!
//! Nothing here belongs to the product: it shows what an adapter looks like, and that the own
//! tests of the libraries pass. `.ci/run` runs it.

pub mod d_engine_store;
pub mod openraft_store;
pub mod raft_rs_store;
