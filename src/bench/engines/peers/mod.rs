//! Engines of other people, behind the feature `bench-peers`: so far as they append and, where they
//! are logs that read by index, read.

mod fjall;
mod okaywal;
mod raft_engine;
mod raft_log;

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::{Ground, Log, Opened};

/// Opens a peer in an empty directory.
pub(super) fn open(ground: &Ground<'_>) -> Opened<dyn Log> {
    Ok(Ok(match ground.cell.engine {
        Engine::Fjall => Box::new(fjall::Log::open(ground)?),
        Engine::OkayWal => Box::new(okaywal::Log::open(ground)?),
        Engine::RaftEngine => Box::new(raft_engine::Log::open(ground)?),
        Engine::RaftLog => Box::new(raft_log::Log::open(ground)?),
        engine => return Ok(Err(format!("{} is no peer", engine.as_str()))),
    }))
}

/// What stands at a group's number.
fn of_group<T>(all: &[T], group: u32, engine: Engine) -> Result<&T, Error> {
    let found = usize::try_from(group).ok().and_then(|at| all.get(at));
    found.ok_or_else(|| super::failed(engine)(&"no such group"))
}
