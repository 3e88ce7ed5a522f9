//! What the shipped recovery makes of an image, and whether the law allows it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fastlog::{Error, FastLog, Options};
use crate::simulate::check::Check;
use crate::simulate::engine;
use crate::simulate::oracle::{History, OpNumber, Standing, Wrong, diagnose};
use crate::vfs::sim::{Disk, SimClock, SimFs};

/// What recovery made of an image.
pub struct Recovered {
    /// The log, open.
    pub log: FastLog,
    /// The disk it is on.
    pub fs: SimFs,
    /// Stands for what the log holds.
    pub digest: u128,
}

/// Recovers what is on `disk`.
///
/// # Errors
/// S01 or S17 when it does not open, S05 when it opens and cannot be read.
pub fn recover(disk: Disk, options: &Options, buffer: &mut Vec<u8>) -> Result<Recovered, Wrong> {
    recover_on(SimFs::on(disk), options, buffer)
}

/// As [`recover`], on a file system that somebody watches.
pub fn recover_on(fs: SimFs, options: &Options, buffer: &mut Vec<u8>) -> Result<Recovered, Wrong> {
    let opened = catch_unwind(AssertUnwindSafe(|| engine::open(&fs, &SimClock::new(), options)));
    let log = match opened {
        Ok(Ok(log)) => log,
        Ok(Err(error)) => return Err(refused(&error)),
        Err(_) => return Err(Wrong::new(Check::S01, "recovery panics")),
    };
    match engine::digest_of(&log, buffer) {
        Ok(digest) => Ok(Recovered { log, fs, digest }),
        Err(error) => {
            let message = format!("what was recovered cannot be read: {error}");
            Err(Wrong::new(Check::S05, message))
        }
    }
}

/// What a refusal means where `standing` holds: what was promised is out of reach as well.
pub fn out_of_reach(wrong: Wrong, standing: &Standing) -> Vec<Wrong> {
    let promised = standing.promised();
    let mut wrongs = Vec::new();
    if promised > OpNumber(0) && matches!(wrong.check, Check::S01 | Check::S17) {
        let message = format!("{} promised operations are out of reach", promised.0);
        wrongs.push(Wrong::new(Check::S02, message));
    }
    if wrong.check == Check::S17 {
        // A refusal after a crash alone is a recovery that did not end well, whatever it is called.
        wrongs.push(Wrong { check: Check::S01, ..wrong.clone() });
    }
    wrongs.push(wrong);
    wrongs
}

/// No crash alone may be refused.
fn refused(error: &Error) -> Wrong {
    match error {
        Error::Fault(fault) => {
            let place = fault.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
            let message = format!("a legal crash is called corrupt: {} {fault}{place}", fault.code);
            Wrong::new(Check::S17, message)
        }
        error => Wrong::new(Check::S01, format!("does not open: {error}")),
    }
}

impl Recovered {
    /// How many operations are there, or what is wrong with what is there.
    pub fn judged(&self, history: &History, standing: &Standing) -> Result<OpNumber, Vec<Wrong>> {
        let (least, most) = (standing.promised(), standing.accepted);
        if let Some(kept) = history.fitting(self.digest, least, most) {
            return Ok(kept);
        }
        match engine::state_of(&self.log) {
            Ok(state) => Err(diagnose(history, standing, &state)),
            Err(error) => Err(vec![Wrong::new(Check::S05, error.to_string())]),
        }
    }
}
