//! A dry run ends as the real run would.

use super::*;
use crate::vfs::full::FullDisk;
use crate::vfs::sim::{Profile as Kept, SimFs};

/// How a run ends, with so much room, into redb through the real doors.
fn ended(free_bytes: u64, dry_run: bool) -> (Result<Outcome, Error>, Vec<PathBuf>) {
    let disk: Arc<dyn Fs> = Arc::new(SimFs::new(Kept::Kill));
    disk.create_dir(Path::new("/d")).expect("a directory");
    let source = disk.open(Path::new("/source"), OpenMode::CreateNew).expect("a source");
    drop(source);
    let full = FullDisk::over(Arc::clone(&disk), free_bytes).telling();
    let full: Arc<dyn Fs> = Arc::new(full);
    let path = Path::new("/d/target");
    let target = Target::check(Arc::clone(&full), path, false).expect("a target");
    let mut options = Options::to(Format::Redb);
    options.dry_run = dry_run;
    let store = sound();
    let source = Source { store: &store, path: Path::new("/source"), snapshots: None };
    let ended = run(
        source,
        target,
        &options,
        &Doors { fs: &full, clock: &OsClock },
        &OsClock,
        &mut Unobserved,
    );
    (ended, disk.list(Path::new("/d")).expect("listed"))
}

#[test]
fn a_disk_without_room_is_refused_before_anything_is_written_dry_or_not() {
    for dry_run in [true, false] {
        let (ended, left) = ended(100_000, dry_run);
        match ended {
            Err(Error::Space { needed_bytes, free_bytes, outcome, .. }) => {
                assert_eq!(free_bytes, 100_000);
                assert!(needed_bytes > 1 << 20, "a redb file has a MiB: {needed_bytes}");
                assert_eq!(outcome.migration.plan.space_needed_bytes, needed_bytes);
            }
            other => panic!("not refused: {other:?}"),
        }
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn what_is_said_to_be_needed_is_enough() {
    let (planned, _) = ended(u64::MAX, true);
    let needed_bytes = planned.expect("planned").migration.plan.space_needed_bytes;
    let (planned, _) = ended(needed_bytes, true);
    planned.expect("just enough");
    let (done, left) = ended(needed_bytes, false);
    done.expect("just enough");
    assert_eq!(left, [Path::new("/d/target")]);
    assert!(ended(needed_bytes - 1, false).0.is_err() && ended(needed_bytes - 1, true).0.is_err());
}
