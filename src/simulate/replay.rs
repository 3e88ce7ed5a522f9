//! One case again, with everything that can be said about it.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::simulate::case::Case;
use crate::simulate::check::Check;
use crate::simulate::driver::Record;
use crate::simulate::engine;
use crate::simulate::explore::tries;
use crate::simulate::figures::findings_of;
use crate::simulate::oracle::{OpNumber, Standing, Wrong};
use crate::simulate::outcome::Finding;
use crate::simulate::raft_fastlog;
use crate::simulate::recover::{out_of_reach, recover};
use crate::simulate::run::{Engine, Error, Job, Options, Recording, recorded};
use crate::simulate::tally::Tally;
use crate::simulate::trial::{
    IN_PLACE_END, LIFE_END, Life, live, moments_of_recovery, second_tries,
};
use crate::vfs::sim::{Choice, Decision, Disk, ImageNo, Operation, SimFs, TracedCall, Tries};
use crate::vfs::{OpenMode, Vfs};

/// Calls shown at most, the last ones before the cut.
const CALLS_SHOWN: usize = 40;
/// Bytes shown of a tail that is cut.
const BAD_BYTES: usize = 64;

/// A case that was tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Replayed {
    /// The case.
    pub case: String,
    /// The mode, as the flags that choose it.
    pub mode: String,
    /// What the file system may do.
    pub profile: &'static str,
    /// What was about to happen.
    pub before: String,
    /// Operations accepted.
    pub accepted: u64,
    /// Operations that must be there.
    pub promised: u64,
    /// Operations that are there; null where the law is broken.
    pub recovered: Option<u64>,
    /// The last calls that change the disk, oldest first.
    pub calls: Vec<String>,
    /// What became of everything that could have gone another way.
    pub decisions: Vec<String>,
    /// What recovery said: clean, what was cut, or why it refused.
    pub verdict: String,
    /// Where the cut tail begins; null where nothing was cut.
    pub first_bad: Option<FirstBad>,
}

/// The first bytes of a tail that recovery cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FirstBad {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset_bytes: u64,
    /// What stands there, in hexadecimal.
    pub hex: String,
}

/// What trying a case again showed.
pub struct Found {
    /// The case.
    pub replayed: Replayed,
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// What the last crash left, before it was recovered.
    pub image: Disk,
}

/// Tries one case again, in the first mode and profile of `options`.
///
/// # Errors
/// When the run has no such moment, or the moment no such image.
pub fn replay(options: &Options, case: &Case) -> Result<Found, Error> {
    let missing = |what: &str| Error::NoSuchCase { what: what.to_owned() };
    let (Some(mode), Some(profile)) = (options.modes.first(), options.profiles.first()) else {
        return Err(missing("no mode"));
    };
    let job = Job { mode: *mode, profile: *profile };
    let options = &Options { seed: case.seed, ..options.clone() };
    let steps = options.plan();
    let Recording { record, trace } = recorded(options, job, &steps, true);
    let point = record
        .points
        .get(case.point)
        .ok_or_else(|| missing(&format!("the run has {} moments", record.points.len())))?;
    let standing = if case.image.is_some() { &point.power } else { &point.kill };
    let (disk, decisions) = match case.image {
        None => (point.disk.clone(), vec!["everything that was issued is there".to_owned()]),
        Some(no) => {
            let tries = tries(options.tries(), case.seed, case.point);
            let (disk, decided) = chosen(&point.disk, tries, no)
                .ok_or_else(|| missing("the moment has fewer images"))?;
            (disk, decided.iter().map(|decision| told(decision, &trace)).collect())
        }
    };
    let (image, (kept, verdict, wrongs)) = match options.engine {
        Engine::Fastlog => judged(options, &record, case, disk)?,
        Engine::RaftFastlog => (disk.clone(), loaded(&record, standing, disk)),
    };
    let engine_options = engine::options(mode, options.shape.segment_bytes);
    let first_bad = match options.engine {
        Engine::Fastlog => first_bad(&image, &engine_options),
        Engine::RaftFastlog => None,
    };
    let mut tally = Tally::default();
    for wrong in wrongs {
        tally.broken(wrong, Some(case), Some(&point.before));
    }
    let made = point.disk.next_call();
    let before_cut = trace.iter().filter(|traced| traced.call.is_some_and(|call| call < made));
    let calls: Vec<String> = before_cut.map(call_text).collect();
    let replayed = Replayed {
        case: case.to_string(),
        mode: job.mode.flags(),
        profile: job.profile.as_str(),
        before: point.before.to_string(),
        accepted: standing.accepted.0 as u64,
        promised: standing.promised().0 as u64,
        recovered: kept.map(|kept| kept.0 as u64),
        calls: calls.split_at(calls.len().saturating_sub(CALLS_SHOWN)).1.to_vec(),
        decisions,
        verdict,
        first_bad,
    };
    Ok(Found { replayed, findings: findings_of(options, job, &tally), image })
}

/// What stands where recovery cuts.
fn first_bad(image: &Disk, engine_options: &crate::fastlog::Options) -> Option<FirstBad> {
    let recovered = recover(image.clone(), engine_options, &mut Vec::new()).ok()?;
    let place = recovered.log.recovery().torn.as_ref()?.place.clone();
    let file = SimFs::on(image.clone()).open(&place.file, OpenMode::Read).ok()?;
    let mut bytes = [0; BAD_BYTES];
    let read = file.read_at(place.offset_bytes, &mut bytes).ok()?;
    let hex = bytes.iter().take(read).map(|byte| format!("{byte:02x}")).collect();
    Some(FirstBad { file: name(&place.file), offset_bytes: place.offset_bytes, hex })
}

fn chosen(disk: &Disk, tries: Tries, no: ImageNo) -> Option<(Disk, Vec<Decision>)> {
    let mut images = disk.images(tries);
    if no.0 >= images.len() {
        return None;
    }
    let mut choice = Choice::default();
    images.choose(no, &mut choice);
    Some((images.build(&choice), images.decisions(&choice)))
}

type Judged = (Option<OpNumber>, String, Vec<Wrong>);

/// What the loader of raft-fastlog makes of an image.
fn loaded(record: &Record, standing: &Standing, image: Disk) -> Judged {
    let read = match raft_fastlog::read(image) {
        Ok(read) => read,
        Err(wrong) => return (None, wrong.message.clone(), out_of_reach(wrong, standing)),
    };
    let mut wrongs: Vec<Wrong> = read.ghosts().into_iter().collect();
    let kept = read.judged(&record.history, standing);
    let kept = kept.map_err(|more| wrongs.extend(more)).ok();
    (kept, read.verdict(), wrongs)
}

/// What recovery makes of the image of a case, through every crash that it names.
fn judged(
    options: &Options,
    record: &Record,
    case: &Case,
    mut disk: Disk,
) -> Result<(Disk, Judged), Error> {
    let missing = |what: &str| Error::NoSuchCase { what: what.to_owned() };
    let mode = options.modes.first().copied().unwrap_or_default();
    let engine_options = engine::options(&mode, options.shape.segment_bytes);
    let point = record.points.get(case.point).ok_or_else(|| missing("no such moment"))?;
    let standing = if case.image.is_some() { point.power } else { point.kill };
    let mut buffer = Vec::new();
    let mut lived = None;
    for (number, no) in &case.then {
        let inner = if *number == LIFE_END || *number == IN_PLACE_END {
            let recovered = match recover(disk.clone(), &engine_options, &mut buffer) {
                Ok(recovered) => recovered,
                Err(wrong) => return Ok((disk, (None, wrong.message.clone(), vec![wrong]))),
            };
            let kept = match recovered.judged(&record.history, &standing) {
                Ok(kept) => kept,
                Err(wrongs) => return Ok((disk, (None, "the law is broken".to_owned(), wrongs))),
            };
            let life = match *number {
                IN_PLACE_END => Life::in_place(&record.history, kept)
                    .ok_or_else(|| missing("nothing was lost that could be replaced"))?,
                _ => Life::after(&record.history, kept),
            };
            let alive = live(&recovered.log, &life.operations);
            if let Err(error) = alive {
                let message = format!("cannot be written after recovery: {error}");
                let wrong = Wrong::new(Check::S14, message.clone());
                return Ok((disk, (None, message, vec![wrong])));
            }
            lived = Some((life.digest, kept));
            recovered.fs.disk()
        } else {
            let moments = moments_of_recovery(disk, &engine_options);
            let inner = moments.into_iter().nth(*number);
            inner.ok_or_else(|| missing("the recovery has fewer moments"))?.disk
        };
        let tries = second_tries(case.seed, *number);
        disk = chosen(&inner, tries, *no).ok_or_else(|| missing("fewer images"))?.0;
    }
    let recovered = match recover(disk.clone(), &engine_options, &mut buffer) {
        Ok(recovered) => recovered,
        Err(wrong) => {
            return Ok((disk, (None, wrong.message.clone(), out_of_reach(wrong, &standing))));
        }
    };
    let verdict = verdict_of(&recovered.log);
    if let Some((digest, kept)) = lived {
        // What it held before it lived on, and that still holds.
        let judged = match recovered.digest == digest {
            true => (Some(kept), verdict, Vec::new()),
            false => (None, verdict, vec![Wrong::lost_life()]),
        };
        return Ok((disk, judged));
    }
    let judged = match recovered.judged(&record.history, &standing) {
        Ok(kept) => (Some(kept), verdict, Vec::new()),
        Err(wrongs) => (None, verdict, wrongs),
    };
    Ok((disk, judged))
}

fn verdict_of(log: &crate::fastlog::FastLog) -> String {
    let report = log.recovery();
    match &report.torn {
        Some(torn) => format!(
            "torn tail cut: {}, last good sequence {}, {} frames and {} segments behind it",
            torn.place, torn.last.0, torn.frames_behind, torn.segments_behind
        ),
        None if report.clean => "closed properly, nothing to do".to_owned(),
        None => format!("opened, {} frames replayed, nothing cut", report.frames),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn told(decision: &Decision, trace: &[TracedCall]) -> String {
    match decision {
        Decision::Name { call, kept } => {
            let what = trace.iter().find(|traced| traced.call == Some(*call));
            let what = what.map_or_else(|| format!("call {}", call.0), call_text);
            format!("{}: {what}", if *kept { "kept" } else { "dropped" })
        }
        Decision::Size { path, size_bytes } => format!("size: {} is {size_bytes}", name(path)),
        Decision::Page { path, page, version, versions, torn } => format!(
            "page {page} of {}: version {} of {versions}{}",
            name(path),
            version + 1,
            if *torn { ", torn with another" } else { "" }
        ),
    }
}

fn call_text(traced: &TracedCall) -> String {
    let number = traced.call.map_or_else(String::new, |call| format!("{} ", call.0));
    let file = name(&traced.path);
    let text = match &traced.operation {
        Operation::Open(_) => format!("create({file})"),
        Operation::Read { offset_bytes, len_bytes } => {
            format!("read_at({file}, {offset_bytes}, {len_bytes})")
        }
        Operation::Write { offset_bytes, len_bytes } => {
            format!("write_at({file}, {offset_bytes}, {len_bytes})")
        }
        Operation::Allocate { size_bytes } => format!("allocate({file}, {size_bytes})"),
        Operation::SetSize { size_bytes } => format!("set_size({file}, {size_bytes})"),
        Operation::SyncData => format!("sync_data({file})"),
        Operation::Sync => format!("sync({file})"),
        Operation::List => format!("list({file})"),
        Operation::CreateDir => format!("create_dir({file})"),
        Operation::Rename { to } => format!("rename({file}, {})", name(to)),
        Operation::Remove => format!("remove({file})"),
        Operation::RemoveDir => format!("remove_dir({file})"),
        Operation::SyncDir => format!("sync_dir({file})"),
    };
    format!("{number}{text}")
}
