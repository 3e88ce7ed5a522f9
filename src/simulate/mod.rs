//! What a crash costs under each durability mode, tried on the shipped engine.
//!
//! A workload runs on the simulated disk ([`crate::vfs::sim`]); at every moment at which a promise
//! may change, the images that a crash could leave are listed or sampled, recovered by the engine
//! itself, and judged by [`oracle`], which shares no code with the engine. One seed gives one
//! answer on every machine, as work is bounded by counts and the generator is our own.

mod case;
mod check;
mod driver;
mod engine;
mod explore;
mod figures;
mod mode;
pub mod oracle;
mod outcome;
mod recover;
mod replay;
mod run;
mod tally;
mod workload;

pub use case::Case;
pub use check::Check;
pub use driver::DiskTimes;
pub use mode::{Flushing, Mode, Order};
pub use outcome::{
    AckTimes, Bound, DiskShape, Finding, Flush, ModeResult, Promise, Quantiles, Simulated, Summary,
    Windows, WorkloadShape,
};
pub use replay::{Replayed, replay};
pub use run::{DiskModel, Error, IMAGES, Options, Outcome, simulate};
pub use workload::Shape;
