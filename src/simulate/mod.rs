//! What a crash costs under each durability mode, tried on the shipped engine.
//!
//! A workload runs on the simulated disk ([`crate::vfs::sim`]); at every moment at which a promise
//! may change, the images that a crash could leave are listed or sampled, recovered by the engine
//! itself, and judged by [`oracle`], which shares no code with the engine. One seed gives one
//! answer on every machine, as work is bounded by counts and the generator is our own.

mod case;
mod check;
mod cluster;
mod disk;
mod driver;
mod engine;
mod explore;
mod faults;
mod figures;
mod keep;
mod mode;
pub mod oracle;
mod outcome;
pub mod process;
mod raft_fastlog;
mod recover;
mod replay;
mod run;
#[cfg(test)]
mod selfcheck;
mod shape;
mod shrink;
mod tally;
mod trial;
mod workload;

pub use case::Case;
pub use check::Check;
pub use cluster::ClusterResult;
pub use disk::{DiskModel, measured};
pub use driver::DiskTimes;
pub use keep::keep;
pub use mode::{Flushing, Mode, Order};
pub use outcome::{
    AckTimes, Bound, DiskShape, FaultResult, Finding, Flush, ModeResult, Promise, Quantiles,
    Simulated, Summary, Windows, WorkloadShape,
};
pub use replay::{FirstBad, Found, Replayed, replay};
pub use run::{Engine, Error, IMAGES, Options, Outcome, simulate};
pub use shape::shape_of;
pub use workload::{Shape, StepList};
