//! What recovery cut off does not come back, also not when the same bytes are written again.

use super::*;

fn unsynced(segment_bytes: u64) -> Options {
    Options {
        level: Some(Durability::Low),
        segment_bytes: Some(segment_bytes),
        fill: Fill::Ahead { step_bytes: 64 << 10 },
        ..options()
    }
}

/// Indexes that a log on this disk has after recovery.
fn recovered(fs: &SimFs, options: &Options) -> (FastLog, Vec<u64>) {
    let log = sim_log(fs, options).expect("recovers");
    let group = log.group(&GroupId::Unnamed).expect("there");
    let entries = log.entries(group, IndexRange::ALL);
    let indexes = entries.map(|entry| entry.expect("reads").entry.index.0).collect();
    (log, indexes)
}

/// Writes three entries of which the first alone is durable, and looks at what is recovered where
/// the second was lost, before and after it is written again.
fn cut_and_write_again(options: &Options) {
    let (fs, log, group) = fresh(options);
    log.write(appended(group, &[entry(1, 1, 9_000)])).expect("written");
    log.sync().expect("synced");
    for index in [2, 3] {
        log.write(appended(group, &[entry(index, 1, 9_000)])).expect("written");
    }
    let (mut cut, mut again) = (0, 0);
    for image in fs.disk().images(Tries::default()).distinct() {
        let fs = SimFs::on(image.disk);
        let (log, indexes) = recovered(&fs, options);
        if indexes != [1] {
            continue;
        }
        cut += 1;
        let group = log.group(&GroupId::Unnamed).expect("there");
        log.write(appended(group, &[entry(2, 1, 9_000)])).expect("written");
        for image in fs.disk().images(Tries { samples: 64, ..Tries::default() }).distinct() {
            let (_, indexes) = recovered(&SimFs::on(image.disk), options);
            assert!(indexes == [1] || indexes == [1, 2], "{indexes:?}");
            again += usize::from(indexes.len() == 2);
        }
    }
    assert!(cut > 3 && again > 3, "{cut} {again}");
}

#[test]
fn frames_that_were_cut_off_stay_away_when_the_same_are_written_again() {
    cut_and_write_again(&unsynced(256 << 10));
}

#[test]
fn segments_that_were_cut_off_stay_away_when_the_same_frames_are_written_again() {
    cut_and_write_again(&unsynced(32 << 10));
}
