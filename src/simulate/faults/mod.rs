//! Section 5 of the crash model: a device that fails while the engine writes, and one that changes
//! what lies on it.

mod rest;

use std::ops::ControlFlow;

use crate::fastlog::Error;
use crate::simulate::check::Check;
use crate::simulate::driver::{Before, Run};
use crate::simulate::engine;
use crate::simulate::mode::Mode;
use crate::simulate::oracle::Wrong;
use crate::simulate::outcome::FaultResult;
use crate::simulate::recover::{out_of_reach, recover};
use crate::simulate::run::Options;
use crate::simulate::tally::Tally;
use crate::simulate::workload::{Shape, Step, plan};
use crate::vfs::sim::{
    CallNo, Disk, Fault, FaultPlan, Profile, ReadNo, Refusal, SimClock, SimFs, Tries,
};

pub use rest::{damage_at_rest, foreign_blocks};

/// Steps of the run in which calls fail.
const STEPS: usize = 16;
/// Images of what a failed run leaves.
const IMAGES: u64 = 8;

/// What came of each kind of fault, and what is wrong.
#[derive(Default)]
pub struct Tried {
    /// A row each.
    pub rows: Vec<FaultResult>,
    /// Broken checks.
    pub tally: Tally,
}

impl Tried {
    fn row(&mut self, fault: &'static str) -> &mut FaultResult {
        let at = self.rows.iter().position(|row| row.fault == fault).unwrap_or_else(|| {
            self.rows.push(FaultResult { fault, ..FaultResult::default() });
            self.rows.len() - 1
        });
        // It was found or pushed just now.
        &mut self.rows[at]
    }

    /// The counts of both.
    pub fn with(mut self, other: Tried) -> Tried {
        for row in other.rows {
            let sum = self.row(row.fault);
            sum.tried += row.tried;
            sum.masked += row.masked;
            sum.refused += row.refused;
            sum.flagged += row.flagged;
            sum.ambiguous += row.ambiguous;
            sum.silent += row.silent;
        }
        for violation in other.tally.violations.into_values() {
            let (case, before) = (violation.case, violation.before);
            self.tally.broken(violation.wrong, case.as_ref(), before.as_ref());
        }
        self
    }

    fn silent(&mut self, fault: &'static str, wrongs: Vec<Wrong>, at: String) {
        self.row(fault).silent += 1;
        for wrong in wrongs {
            let message = format!("{fault}, {at}: {}", wrong.message);
            self.tally.broken(Wrong { message, ..wrong }, None, Some(&Before::End));
        }
    }
}

fn faults() -> [(&'static str, Fault); 6] {
    let write = |refusal, written_bytes| Fault::WriteFails { refusal, written_bytes };
    [
        ("sync fails, reads give what was written", Fault::SyncFails { read_old: false }),
        ("sync fails, reads give what was there", Fault::SyncFails { read_old: true }),
        ("write fails (EIO)", write(Refusal::Eio, 100)),
        ("write fails (ENOSPC)", write(Refusal::Enospc, 5000)),
        ("call fails (EIO)", Fault::Fails(Refusal::Eio)),
        ("call fails (ENOSPC)", Fault::Fails(Refusal::Enospc)),
    ]
}

/// Lets calls of a short run in `mode` fail, one at a time; of all calls every `stride`th.
pub fn failing_calls(
    options: &Options,
    mode: Mode,
    stride: u64,
    watch: &mut dyn FnMut() -> ControlFlow<()>,
) -> Tried {
    let mut tried = Tried::default();
    let shape = Shape { steps: STEPS, ..options.shape.clone() };
    let steps = plan(options.seed, &shape);
    let new_run =
        |fs: &SimFs| Run::new(fs.clone(), mode, shape.segment_bytes, options.disk.times());
    let fs = SimFs::new(Profile::StrictPosix);
    let mut sound = new_run(&fs);
    // What a sound run says is the business of those who try its moments.
    let _told_elsewhere = sound.steps(&steps);
    let calls = fs.calls().0;
    for call in (0..calls).step_by(usize::try_from(stride.max(1)).unwrap_or(1)) {
        for (name, fault) in faults() {
            let fs = SimFs::new(Profile::StrictPosix);
            fs.set_faults(FaultPlan::new().at(CallNo(call), fault));
            one_failure(&mut tried, new_run(&fs), &fs, &steps, (name, call), mode, &shape);
        }
        if watch().is_break() {
            break;
        }
    }
    tried
}

fn one_failure(
    tried: &mut Tried,
    mut run: Run,
    fs: &SimFs,
    steps: &[Step],
    (name, call): (&'static str, u64),
    mode: Mode,
    shape: &Shape,
) {
    let error = run.steps(steps).err();
    if fs.faults_hit() == 0 {
        return;
    }
    let failed = error.is_some();
    if let Some(error) = error {
        run.go_on_after_a_failure(&error);
    }
    let record = run.finish();
    tried.row(name).tried += 1;
    let mut wrongs = record.wrongs.clone();
    let engine_options = engine::options(&mode, shape.segment_bytes);
    let mut buffer = Vec::new();
    if let Some(end) = record.points.last() {
        let tries = Tries { samples: IMAGES, exhaustive_max: IMAGES, ..Tries::default() };
        let images = end.disk.images(tries).distinct().take(IMAGES as usize);
        let disks = images.map(|image| (image.disk, end.power));
        // What the end of a process leaves is what the system holds, and a failed sync made it
        // forget pages: then no more is promised than when the power goes.
        let rest = if name.starts_with("write fails") { end.kill } else { end.power };
        for (disk, standing) in disks.chain([(end.disk.clone(), rest)]) {
            let judged = recover(disk, &engine_options, &mut buffer)
                .map_err(|wrong| out_of_reach(wrong, &standing))
                .and_then(|recovered| recovered.judged(&record.history, &standing));
            wrongs.extend(judged.err().unwrap_or_default());
        }
    }
    if !wrongs.is_empty() {
        tried.silent(name, wrongs, format!("call {call}"));
    } else if failed {
        tried.row(name).refused += 1;
    } else {
        tried.row(name).masked += 1;
    }
}

/// Lets reads of a recovery fail, one at a time: the system's error, and nothing cut.
pub fn failing_reads(
    options: &Options,
    mode: Mode,
    watch: &mut dyn FnMut() -> ControlFlow<()>,
) -> Tried {
    let mut tried = Tried::default();
    let shape = Shape { steps: STEPS, ..options.shape.clone() };
    let fs = SimFs::new(Profile::StrictPosix);
    let mut run = Run::new(fs.clone(), mode, shape.segment_bytes, options.disk.times());
    if run.steps(&plan(options.seed, &shape)).is_err() {
        return tried;
    }
    let disk = run.finish().points.pop().map_or_else(|| fs.disk(), |end| end.disk);
    let engine_options = engine::options(&mode, shape.segment_bytes);
    let mut buffer = Vec::new();
    let Ok(sound) = recover(disk.clone(), &engine_options, &mut buffer) else { return tried };
    let mut read = ReadNo(0);
    while one_read(&mut tried, &disk, read, sound.digest, &engine_options) {
        read = ReadNo(read.0 + 1);
        if watch().is_break() {
            break;
        }
    }
    tried
}

/// Returns whether there was such a read.
fn one_read(
    tried: &mut Tried,
    disk: &Disk,
    read: ReadNo,
    wanted: u128,
    engine_options: &crate::fastlog::Options,
) -> bool {
    const NAME: &str = "read fails during recovery";
    let fs = SimFs::on(disk.clone());
    fs.set_faults(FaultPlan::new().at_read(read));
    let opened = engine::open(&fs, &SimClock::new(), engine_options);
    if fs.faults_hit() == 0 {
        return false;
    }
    tried.row(NAME).tried += 1;
    let refused = matches!(opened, Err(Error::Io(_) | Error::Poisoned { .. }));
    drop(opened);
    let after = recover(fs.disk(), engine_options, &mut Vec::new());
    let is_whole = after.is_ok_and(|after| after.digest == wanted);
    match (refused, is_whole) {
        (true, true) => tried.row(NAME).refused += 1,
        (false, true) => tried.row(NAME).masked += 1,
        (_, false) => {
            let message = "what could not be read is taken for the end of the log";
            tried.silent(NAME, vec![Wrong::new(Check::S12, message)], format!("read {}", read.0));
        }
    }
    true
}
