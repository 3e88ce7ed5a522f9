//! The same cuts for the single-file log of tidwall/raft-fastlog, as Dkron Pro ran it: `library`
//! does to the disk what that library does, `run` drives it, and images are opened by our reader of
//! its format, in both readings. What the library's own loader refuses is refused here; what it
//! brings back although it was deleted is told as such.

mod library;
mod loader;
mod plan;
mod run;

pub use loader::{LoaderTrial, read};
pub use plan::{nothing, plan};
pub use run::recorded;

/// The file, in the directory that every simulated log lies in.
const FILE: &str = "raft.fastlog";
