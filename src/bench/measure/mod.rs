//! Measures one cell, in the process that was started for it.

mod appends;
mod growth;
mod open;
mod pair;
mod reads;
mod table;
mod timed;

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bench::Error;
use crate::bench::cell::{Cell, Workload};
use crate::bench::engines::{self, Ground, Log};
use crate::bench::histogram::Latency;
use crate::vfs::{Clock, Fs};

/// What one cell came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Entries that were handled, or calls where they handle none.
    pub operations: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// How long the calls took.
    pub latency_us: Latency,
    /// Peak memory of the process, where the system tells.
    pub rss_bytes: Option<u64>,
    /// Why it could not be measured here.
    pub not_measured: Option<String>,
}

impl Outcome {
    /// Nothing was measured, for this reason.
    fn refused(reason: String) -> Outcome {
        Outcome { not_measured: Some(reason), ..Outcome::default() }
    }
}

/// Measures a cell in an empty directory; one that opens a log, in the directory where the logs
/// are that [`crate::bench::rounds`] made.
///
/// # Errors
/// When the engine or the system refused.
pub fn measure(
    fs: &Arc<dyn Fs>,
    clock: &Arc<dyn Clock>,
    dir: &Path,
    cell: &Cell,
) -> Result<Outcome, Error> {
    let ground = Ground { fs, clock, dir, cell };
    let with_log = |measure: fn(&dyn Log, &Ground<'_>) -> Result<Outcome, Error>| {
        match engines::open(&ground)? {
            Ok(log) => measure(log.as_ref(), &ground),
            Err(reason) => Ok(Outcome::refused(reason)),
        }
    };
    match cell.workload {
        Workload::A | Workload::B | Workload::C | Workload::D => with_log(appends::side_by_side),
        Workload::E => with_log(appends::mixed),
        Workload::F => with_log(reads::reads),
        Workload::G => open::open(&ground),
        Workload::H => pair::pair(&ground),
        Workload::I => with_log(table::table),
        Workload::S => with_log(growth::growth),
    }
}
