//! How long the simulated disk takes: like a kind of disk, or like the one that is there.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::model::IoError;
use crate::simulate::driver::DiskTimes;
use crate::simulate::outcome::DiskShape;
use crate::vfs::{Clock, OpenMode, Vfs, VfsFile};

/// Bytes of a write that is timed, and writes and syncs that are.
const BLOCK: [u8; 4096] = [0x5a; 4096];
const WRITES: u64 = 256;
const SYNCS: u64 = 64;

/// A kind of disk, by how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskModel {
    /// A local NVMe drive.
    #[default]
    Nvme,
    /// A SATA drive or a network volume.
    Ssd,
    /// A drive that turns.
    Hdd,
    /// One that was measured: microseconds of a write into written blocks, and of a sync.
    Measured {
        /// A call that writes 4 KiB.
        write_us: u64,
        /// A sync of one such write.
        sync_us: u64,
    },
}

impl DiskModel {
    pub(super) fn shape(self) -> DiskShape {
        let (model, write_us, sync_us) = match self {
            DiskModel::Nvme => ("nvme", 2, 94),
            DiskModel::Ssd => ("ssd", 10, 600),
            DiskModel::Hdd => ("hdd", 20, 8_300),
            DiskModel::Measured { write_us, sync_us } => ("measured", write_us, sync_us),
        };
        DiskShape { model, write_us, sync_us }
    }

    pub(super) fn times(self) -> DiskTimes {
        let shape = self.shape();
        DiskTimes {
            write: Duration::from_micros(shape.write_us),
            sync: Duration::from_micros(shape.sync_us),
        }
    }
}

/// What `--disk` takes, so that a case is of the same times on another machine: `nvme`, `212,3`.
impl fmt::Display for DiskModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskModel::Measured { write_us, sync_us } => write!(f, "{write_us},{sync_us}"),
            kind => f.write_str(kind.shape().model),
        }
    }
}

impl FromStr for DiskModel {
    type Err = String;

    fn from_str(text: &str) -> Result<DiskModel, String> {
        let kinds = [DiskModel::Nvme, DiskModel::Ssd, DiskModel::Hdd];
        if let Some(kind) = kinds.into_iter().find(|kind| kind.shape().model == text) {
            return Ok(kind);
        }
        // An hour is more than any disk takes, and the modelled time cannot overflow.
        let micros = |text: &str| text.parse().ok().filter(|micros| *micros <= 3_600_000_000u64);
        let parsed = text.split_once(',').and_then(|(write, sync)| {
            let (write_us, sync_us) = (micros(write)?, micros(sync)?);
            Some(DiskModel::Measured { write_us, sync_us })
        });
        parsed.ok_or_else(|| {
            "write nvme, ssd, hdd, measured, or WRITE_US,SYNC_US as in 3,212".to_owned()
        })
    }
}

/// Measures the disk under `dir`: the medians of writes and of syncs, of a file of its own that is
/// gone afterwards.
///
/// # Errors
/// When the file cannot be made, written, synced or removed.
pub fn measured(fs: &dyn Vfs, clock: &dyn Clock, dir: &Path) -> Result<DiskModel, IoError> {
    let path = dir.join(format!("raftlog-simulate.{}.tmp", std::process::id()));
    let error = |action: &'static str| {
        let path = path.clone();
        move |error| IoError::new(action, path, error)
    };
    let file = fs.open(&path, OpenMode::CreateNew).map_err(error("create"))?;
    let medians = medians(file.as_ref(), clock).map_err(error("measure with"));
    drop(file);
    let removed = fs.remove(&path).map_err(error("remove"));
    let (write_us, sync_us) = medians?;
    removed?;
    Ok(DiskModel::Measured { write_us, sync_us })
}

fn medians(file: &dyn VfsFile, clock: &dyn Clock) -> io::Result<(u64, u64)> {
    let offset = |number: u64| number * BLOCK.len() as u64;
    for number in 0..WRITES {
        file.write_at(offset(number), &BLOCK)?;
    }
    file.sync()?;
    let mut writes = Vec::new();
    for number in 0..WRITES {
        writes.push(timed(clock, || file.write_at(offset(number), &BLOCK))?);
    }
    let mut syncs = Vec::new();
    for number in 0..SYNCS {
        file.write_at(offset(number), &BLOCK)?;
        syncs.push(timed(clock, || file.sync_data())?);
    }
    Ok((median(&mut writes), median(&mut syncs)))
}

/// Microseconds that a call took.
fn timed(clock: &dyn Clock, call: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
    let began = clock.monotonic();
    call()?;
    let took = clock.monotonic().saturating_sub(began);
    Ok(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}

/// At least one microsecond: a call that takes no time would make two moments one.
fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::sim::{Profile, SimClock, SimFs};

    #[test]
    fn disks_are_read_as_they_are_printed() {
        let measured = DiskModel::Measured { write_us: 3, sync_us: 212 };
        for disk in [DiskModel::Nvme, DiskModel::Ssd, DiskModel::Hdd, measured] {
            assert_eq!(disk.to_string().parse(), Ok(disk));
        }
        for wrong in ["", "floppy", "3", "3,", ",3", "3,x", "-1,2", "1,2,3", "1,3600000001"] {
            assert!(wrong.parse::<DiskModel>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_disk_is_measured_by_its_calls_and_nothing_is_left() {
        let (fs, clock) = (SimFs::new(Profile::Kill), SimClock::new());
        let disk_clock = clock.clone();
        fs.watch(move |moment| {
            let micros = if moment.operation.is_sync() { 700 } else { 9 };
            disk_clock.advance(Duration::from_micros(micros));
        });
        let found = measured(&fs, &clock, Path::new("/")).expect("measured");
        assert_eq!(found, DiskModel::Measured { write_us: 9, sync_us: 700 });
        assert!(fs.list(Path::new("/")).expect("listed").is_empty());
        measured(&fs, &clock, Path::new("/nowhere")).expect_err("there is no such directory");
    }
}
