//! Damage to what lies at rest: masked, refused with a place, or cut and said so; never silent.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::fastlog::LogView;
use crate::fastlog::format::{LogUid, SegmentNo, Sequence, SyncSlot};
use crate::model::{GroupId, LogIndex, SharedBytes, Term};
use crate::simulate::check::Check;
use crate::simulate::driver::{Record, Run};
use crate::simulate::engine;
use crate::simulate::faults::Tried;
use crate::simulate::mode::Mode;
use crate::simulate::oracle::{Action, Held, Wrong};
use crate::simulate::recover::recover;
use crate::simulate::run::Options;
use crate::simulate::workload::{Step, next_entry, plan};
use crate::vfs::sim::{Damage, Disk, Profile, SimFs, Tries};
use crate::vfs::{Fs, OpenMode, Vfs};

const PAGE_BYTES: u64 = 4096;
/// Earlier moments from which pages are taken that were written again since.
const EARLIER: usize = 6;

/// Changes what lies at rest, in each file of a closed log; of all bytes every `stride`th.
pub fn damage_at_rest(
    options: &Options,
    mode: Mode,
    stride: u64,
    watch: &mut dyn FnMut() -> ControlFlow<()>,
) -> Tried {
    let mut tried = Tried::default();
    let mut steps = plan(options.seed, &options.shape);
    steps.push(Step::Reopen { closing: true });
    let fs = SimFs::new(Profile::Drop);
    let times = options.disk.times();
    let mut run = Run::new(fs.clone(), mode, options.shape.segment_bytes, times);
    if run.steps(&steps).is_err() {
        return tried;
    }
    let record = run.finish();
    let wanted = record.history.model().digest();
    let Some(image) = fs.disk().images(Tries::default()).distinct().next() else { return tried };
    let at_rest = SimFs::on(image.disk);
    for path in at_rest.list(engine::dir()).unwrap_or_default() {
        let size = at_rest.metadata(&path).map_or(0, |found| found.size_bytes);
        let all = damages(size, stride).into_iter().chain(exchanged(&at_rest, &path, &record));
        for (name, damage) in all {
            let Ok(disk) = at_rest.disk().damaged(&path, &damage) else { continue };
            let place = format!("{} {damage:?}", path.display());
            one_damage(&mut tried, disk, (name, place), wanted, options, mode);
            if watch().is_break() {
                return tried;
            }
        }
    }
    tried
}

/// Every damage to a file of this size that is tried.
fn damages(size: u64, stride: u64) -> Vec<(&'static str, Damage)> {
    let every = |stride: u64| usize::try_from(stride.max(1)).unwrap_or(1);
    let mut damages = Vec::new();
    for offset_bytes in (0..size).step_by(every(stride)) {
        let bit = u8::try_from(offset_bytes % 8).unwrap_or_default();
        damages.push(("flipped bit", Damage::FlippedBit { offset_bytes, bit }));
    }
    damages
        .extend((0..size / 512).map(|sector| ("zeroed sector", Damage::ZeroedSector { sector })));
    damages.extend((0..size / 4096).map(|page| ("zeroed page", Damage::ZeroedPage { page })));
    for size_bytes in (0..size).step_by(every(stride.saturating_mul(16) + 1)) {
        damages.push(("short file", Damage::Shortened { size_bytes }));
    }
    damages.push(("missing file", Damage::Missing));
    damages
}

/// Pages that hold another page of the file, or what they held earlier.
fn exchanged(fs: &SimFs, path: &Path, record: &Record) -> Vec<(&'static str, Damage)> {
    let now = pages(fs, path);
    let mut damages = Vec::new();
    let mut add = |name, page: usize, bytes: &[u8]| {
        if now.get(page).is_some_and(|now| now != bytes) {
            damages.push((name, Damage::ForeignPage { page: page as u64, bytes: bytes.to_vec() }));
        }
    };
    for page in 0..now.len() {
        let next = (page + 1) % now.len();
        add("foreign page", page, now.get(next).map_or(&[][..], Vec::as_slice));
    }
    let step = (record.points.len() / EARLIER).max(1);
    for point in record.points.iter().step_by(step) {
        let earlier = pages(&SimFs::on(point.disk.clone()), path);
        for (page, bytes) in earlier.iter().enumerate() {
            add("lost write", page, bytes);
        }
    }
    damages
}

/// A file in pages, the last one with zeros behind it; none where there is no such file.
fn pages(fs: &SimFs, path: &Path) -> Vec<Vec<u8>> {
    let read = |page: u64| -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; PAGE_BYTES as usize];
        fs.open(path, OpenMode::Read)?.read_at(page * PAGE_BYTES, &mut bytes)?;
        Ok(bytes)
    };
    let size = fs.metadata(path).map_or(0, |found| found.size_bytes);
    (0..size.div_ceil(PAGE_BYTES)).filter_map(|page| read(page).ok()).collect()
}

/// Puts blocks that end in their own checksum in place of each other, inside entries: what the log
/// itself writes to its sync pages, as a payload that is a copy of a log would hold it.
pub fn foreign_blocks(options: &Options, mode: Mode) -> Tried {
    let mut tried = Tried::default();
    let id = GroupId::named("copies");
    let block = |number: u64| {
        let uid = LogUid(*b"simulated crash.");
        let sync_point = Sequence(7 * number);
        SyncSlot { uid, number: SegmentNo(1), counter: number, sync_point }.encode()
    };
    let blocks: Vec<_> = (1..=8).map(block).collect();
    let mut steps = vec![Step::Submit(vec![vec![(id.clone(), Action::Create)]])];
    for (at, block) in blocks.iter().enumerate() {
        let mut entry = next_entry(&Held::default());
        entry.index = LogIndex(1 + at as u64);
        entry.term = Term(1);
        entry.payload = Some(SharedBytes::from(&block[..]));
        steps.push(Step::Submit(vec![vec![(id.clone(), Action::Append(vec![entry]))]]));
    }
    steps.push(Step::Reopen { closing: true });
    let fs = SimFs::new(Profile::Drop);
    let mut run = Run::new(fs.clone(), mode, options.shape.segment_bytes, options.disk.times());
    if run.steps(&steps).is_err() {
        return tried;
    }
    let wanted = run.finish().history.model().digest();
    for path in fs.list(engine::dir()).unwrap_or_default() {
        for (page, bytes) in pages(&fs, &path).into_iter().enumerate() {
            for (at, found) in blocks.iter().enumerate() {
                let Some(offset) = bytes.windows(found.len()).position(|part| part == found) else {
                    continue;
                };
                let other = blocks.get(at ^ 1).unwrap_or(found);
                let mut bytes = bytes.clone();
                if let Some(room) = bytes.get_mut(offset..offset + other.len()) {
                    room.copy_from_slice(other);
                }
                let damage = Damage::ForeignPage { page: page as u64, bytes };
                let Ok(disk) = fs.disk().damaged(&path, &damage) else { continue };
                let place = format!("{}, page {page}, block {at}", path.display());
                one_damage(&mut tried, disk, ("foreign block", place), wanted, options, mode);
            }
        }
    }
    tried
}

fn one_damage(
    tried: &mut Tried,
    disk: Disk,
    (name, place): (&'static str, String),
    wanted: u128,
    options: &Options,
    mode: Mode,
) {
    tried.row(name).tried += 1;
    let view = LogView::open(Arc::new(SimFs::on(disk.clone())), engine::dir());
    let shown = view.map(|view| view.faults().len()).unwrap_or_default();
    let engine_options = engine::options(&mode, options.shape.segment_bytes);
    match recover(disk, &engine_options, &mut Vec::new()) {
        Ok(recovered) if recovered.digest == wanted => tried.row(name).masked += 1,
        Ok(recovered) => {
            let ambiguous =
                recovered.log.recovery().torn.as_ref().is_some_and(|torn| torn.ambiguous);
            if ambiguous {
                tried.row(name).ambiguous += 1;
            } else {
                let message = "damage to what was synced is taken for the end of the log";
                tried.silent(name, vec![Wrong::new(Check::S12, message)], place);
            }
        }
        // A refusal that nothing explains would be a riddle.
        Err(wrong) if wrong.check == Check::S17 && shown > 0 => tried.row(name).refused += 1,
        Err(wrong) => tried.silent(name, vec![Wrong { check: Check::S12, ..wrong }], place),
    }
}
