//! The judge: what was promised, what a log must hold after each operation, and what is wrong with
//! what came out. Written from the crash model, not from the engine: it knows the vocabulary of
//! [`crate::model`] and nothing else.

mod diagnosis;
mod digest;
mod history;
mod promise;
mod state;

pub use diagnosis::{Wrong, diagnose};
pub use digest::{GroupTag, entry_mark, state_mark};
pub use history::{History, Loss, OpNumber, Standing};
pub use promise::{Age, MayLose, Row, SYNC_INTERVAL, Waits, raft_fastlog_row, row};
pub use state::{Action, Actions, Held, Model, State};
