//! What holds for every history, and what faults and damage do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::histories::seen;
use super::*;
use crate::vfs::contract::{Step, act, contents, step};
use crate::vfs::{OpenMode, Vfs, VfsFile};

const ROOT: &str = "/";
const CUT_OFF: [Profile; 4] =
    [Profile::StrictPosix, Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder];

fn digests(disk: &Disk, tries: Tries) -> BTreeSet<u128> {
    disk.images(tries).distinct().map(|image| image.digest).collect()
}

fn only_digest(disk: &Disk, profile: Profile) -> u128 {
    let images: Vec<_> =
        disk.clone().with_profile(profile).images(Tries::default()).distinct().collect();
    assert_eq!(images.len(), 1);
    images[0].digest
}

fn text(disk: &Disk) -> String {
    seen(&SimFs::on(disk.clone()), Path::new(ROOT))
}

fn texts(disk: &Disk) -> BTreeSet<String> {
    disk.images(Tries::default()).distinct().map(|image| text(&image.disk)).collect()
}

fn create(fs: &SimFs, name: &str) -> Box<dyn VfsFile> {
    fs.open(Path::new(name), OpenMode::CreateNew).expect("created")
}

/// A file system on which `/a` durably holds a page of the letter A, and `/a` open.
fn one_page(profile: Profile) -> (SimFs, Box<dyn VfsFile>) {
    let fs = SimFs::new(profile);
    let file = create(&fs, "/a");
    file.write_at(0, &[b'A'; 4096]).expect("written");
    file.sync().expect("synced");
    fs.sync_dir(Path::new(ROOT)).expect("synced");
    (fs, file)
}

fn is_sync(step: &Step) -> bool {
    matches!(step, Step::Sync(_) | Step::SyncDir(_))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_was_legal_stays_legal_until_a_sync(
        before in prop::collection::vec(step(), 0..12),
        after in prop::collection::vec(step(), 1..5),
    ) {
        for profile in CUT_OFF {
            let fs = SimFs::new(profile);
            for step in &before {
                let _done_or_refused = act(&fs, Path::new(ROOT), step);
            }
            let mut earlier = BTreeMap::new();
            for step in after.iter().filter(|step| !is_sync(step)) {
                let now = fs.disk();
                let images = now.images(Tries::default());
                if !images.is_exhaustive() {
                    break;
                }
                let all: BTreeMap<u128, ImageNo> =
                    images.distinct().map(|image| (image.digest, image.no)).collect();
                for (digest, no) in &earlier {
                    prop_assert!(all.contains_key(digest), "{} {:?} is gone", profile, no);
                }
                prop_assert!(all.contains_key(&only_digest(&now, Profile::Kill)), "{}", profile);
                prop_assert!(all.contains_key(&only_digest(&now, Profile::Drop)), "{}", profile);
                earlier = all;
                let _done_or_refused = act(&fs, Path::new(ROOT), step);
            }
        }
    }

    #[test]
    fn equal_digests_mean_equal_contents(
        steps in prop::collection::vec(step(), 1..14),
    ) {
        for profile in CUT_OFF {
            let fs = SimFs::new(profile);
            for step in &steps {
                let _done_or_refused = act(&fs, Path::new(ROOT), step);
            }
            let mut images = fs.disk().images(Tries { exhaustive_max: 300, ..Tries::default() });
            let mut by_digest = BTreeMap::new();
            let mut by_content = BTreeMap::new();
            let mut choice = Choice::default();
            for no in 0..images.len().min(300) {
                images.choose(ImageNo(no), &mut choice);
                let digest = images.digest(&choice);
                let content = contents(&SimFs::on(images.build(&choice)), Path::new(ROOT));
                let known = by_digest.entry(digest).or_insert_with(|| content.clone());
                prop_assert_eq!(known, &content);
                prop_assert_eq!(*by_content.entry(content).or_insert(digest), digest);
            }
        }
    }

    #[test]
    fn samples_without_tearing_are_legal_and_repeat(
        steps in prop::collection::vec(step(), 1..10),
        seed in any::<u64>(),
    ) {
        for profile in CUT_OFF {
            let fs = SimFs::new(profile);
            for step in &steps {
                let _done_or_refused = act(&fs, Path::new(ROOT), step);
            }
            let disk = fs.disk();
            let all = disk.images(Tries::default());
            if !all.is_exhaustive() {
                continue;
            }
            let all: BTreeSet<u128> = all.distinct().map(|image| image.digest).collect();
            let seed = Seed(seed);
            let sampling = sampled(seed);
            let samples = digests(&disk, sampling);
            prop_assert!(samples.is_subset(&all), "{}", profile);
            prop_assert!(samples.contains(&only_digest(&disk, Profile::Kill)), "{}", profile);
            prop_assert!(samples.contains(&only_digest(&disk, Profile::Drop)), "{}", profile);
            let torn = Tries { torn: Torn::Bytes, ..sampling };
            let once: Vec<u128> = disk.images(torn).distinct().map(|image| image.digest).collect();
            let twice: Vec<u128> = disk.images(torn).distinct().map(|image| image.digest).collect();
            prop_assert_eq!(once, twice, "one seed, one answer");
        }
    }

    #[test]
    fn an_image_is_at_rest(steps in prop::collection::vec(step(), 1..14)) {
        for profile in CUT_OFF {
            let fs = SimFs::new(profile);
            for step in &steps {
                let _done_or_refused = act(&fs, Path::new(ROOT), step);
            }
            let tries = Tries { exhaustive_max: 40, ..Tries::default() };
            for image in fs.disk().images(tries).distinct().take(40) {
                let alone = digests(&image.disk, Tries::default());
                prop_assert_eq!(alone, BTreeSet::from([image.digest]));
            }
        }
    }
}

/// A later write to an earlier page makes a file no shorter: the image that keeps all is drawn.
#[test]
fn of_the_growth_that_survives_the_largest_counts() {
    for profile in CUT_OFF {
        let fs = SimFs::new(profile);
        let file = create(&fs, "/a");
        file.write_at(6496, &[b'B'; 3000]).expect("written");
        file.write_at(0, &[b'C'; 1500]).expect("written");
        let seed = Seed(11_755_305_465_781_230);
        let sampling = sampled(seed);
        let samples = digests(&fs.disk(), sampling);
        for end in [Profile::Kill, Profile::Drop] {
            assert!(samples.contains(&only_digest(&fs.disk(), end)), "{profile}, {end}");
        }
        assert!(samples.is_subset(&digests(&fs.disk(), Tries::default())), "{profile}");
    }
}

/// A journal that is synced for another file's sake makes sizes durable whose pages are not. Under
/// another profile they stay so.
#[test]
fn a_size_that_the_journal_made_durable_stays_so_under_another_profile() {
    let grown: fn(&dyn VfsFile) = |file| file.allocate(9000).expect("allocated");
    let cut: fn(&dyn VfsFile) = |file| {
        file.write_at(4000, &[b'B'; 9000]).expect("written");
        file.set_size(5000).expect("cut");
    };
    let cut_twice: fn(&dyn VfsFile) = |file| {
        file.write_at(0, &[b'B'; 9000]).expect("written");
        file.set_size(100).expect("cut");
        file.write_at(200, &[b'C'; 5000]).expect("written");
        file.set_size(4500).expect("cut");
    };
    for profile in [Profile::Ext4Ordered, Profile::Xfs] {
        for (change, size) in [(grown, 9000), (cut, 5000), (cut_twice, 4500)] {
            let (fs, file) = one_page(profile);
            change(&*file);
            fs.sync_dir(Path::new(ROOT)).expect("the journal is synced");
            file.write_at(300, &[b'D'; 4000]).expect("written");
            let disk = fs.disk();
            let all = digests(&disk, Tries::default());
            let seed = Seed(11_755_305_465_781_230);
            let sampling = sampled(seed);
            let samples = digests(&disk, sampling);
            assert!(samples.is_subset(&all), "{profile}");
            for end in [Profile::Kill, Profile::Drop] {
                let only = only_digest(&disk, end);
                assert!(all.contains(&only) && samples.contains(&only), "{profile}, {end}, {size}");
            }
            let strict = texts(&disk.clone().with_profile(Profile::StrictPosix));
            let sizes = |text: &String| -> u64 {
                let (_, runs) = text.split_once('=').expect("a file");
                runs.split(',').map(|run| run[1..].parse::<u64>().expect("a length")).sum()
            };
            assert!(strict.iter().all(|text| sizes(text) >= size), "{profile}: {strict:?}");
        }
    }
}

#[test]
fn many_pending_changes_are_sampled_and_each_is_tried_alone() {
    let (fs, file) = one_page(Profile::StrictPosix);
    for page in 0..14 {
        file.write_at(page * 4096, &[b'B'; 4096]).expect("written");
    }
    let disk = fs.disk();
    let tries = Tries { torn: Torn::No, ..Tries::default() };
    let images = disk.images(tries);
    assert!(!images.is_exhaustive());
    assert_eq!(images.len(), 512);
    let seen: BTreeSet<String> = images.distinct().map(|image| text(&image.disk)).collect();
    assert!(seen.len() > 200, "{}", seen.len());
    assert!(seen.contains("a=A4096"), "nothing kept");
    assert!(seen.contains("a=B57344"), "all kept");
    assert!(seen.contains("a=B4096"), "the first write alone");
    assert!(seen.contains("a=A4096,.49152,B4096"), "the last write alone");
    assert!(seen.contains("a=B4096,.4096,B49152"), "all but the second");
    assert!(seen.contains("a=B53248"), "all but the last");
    let other = digests(&disk, Tries { seed: Seed(1), ..tries });
    assert_ne!(digests(&disk, tries), other, "another seed, other samples");
}

#[test]
fn torn_pages_mix_two_versions_by_sector_or_byte() {
    for (torn, finest) in [(Torn::No, 4096), (Torn::Sectors, 512), (Torn::Bytes, 1)] {
        let (fs, file) = one_page(Profile::StrictPosix);
        file.write_at(0, &[b'B'; 4096]).expect("written");
        let mut shortest = 4096;
        let tries = Tries { torn, exhaustive_max: 0, ..Tries::default() };
        for image in fs.disk().images(tries).distinct() {
            let fs = SimFs::on(image.disk);
            let mut bytes = [0; 4096];
            let file = fs.open(Path::new("/a"), OpenMode::Read).expect("there");
            assert_eq!(file.read_at(0, &mut bytes).expect("read"), 4096);
            assert!(bytes.iter().all(|byte| matches!(byte, b'A' | b'B')));
            let runs = bytes.chunk_by(|a, b| a == b).map(<[u8]>::len);
            shortest = runs.fold(shortest, usize::min);
        }
        match torn {
            Torn::Bytes => assert!(shortest < 512 && finest == 1),
            _ => assert_eq!(shortest, finest, "{}", torn.as_str()),
        }
    }
}

/// Samples whose pages are whole.
fn sampled(seed: Seed) -> Tries {
    Tries { torn: Torn::No, seed, exhaustive_max: 0, samples: 64, ..Tries::default() }
}

#[test]
fn only_without_powersafe_overwrite_a_sector_holds_what_nobody_wrote() {
    for psow in [true, false] {
        let (fs, file) = one_page(Profile::StrictPosix);
        // A few bytes of the third sector; the rest of the page stays as it is durable.
        file.write_at(1030, b"BBB").expect("written");
        let tries = Tries { exhaustive_max: 0, psow, ..Tries::default() };
        let mut strange = 0;
        for image in fs.disk().images(tries).distinct() {
            let fs = SimFs::on(image.disk);
            let mut bytes = [0; 4096];
            let file = fs.open(Path::new("/a"), OpenMode::Read).expect("there");
            file.read_at(0, &mut bytes).expect("read");
            let is_strange = |byte: &u8| !matches!(byte, b'A' | b'B');
            strange += usize::from(bytes.iter().any(is_strange));
            let (before, rest) = bytes.split_at(1024);
            assert!(!before.iter().chain(&rest[512..]).any(is_strange), "another sector");
        }
        assert_eq!(strange > 0, !psow, "{strange} images");
    }
}

#[test]
fn a_failed_sync_loses_its_pages_although_the_next_one_succeeds() {
    for read_old in [false, true] {
        let (fs, file) = one_page(Profile::StrictPosix);
        file.write_at(0, b"new").expect("written");
        let fault = Fault::SyncFails { read_old };
        fs.set_faults(FaultPlan::new().at(fs.calls(), fault));
        let error = file.sync_data().expect_err("planned");
        assert_eq!(error.raw_os_error(), Some(5));
        assert_eq!(fs.faults_hit(), 1);
        file.sync_data().expect("the pages are clean");
        let mut bytes = [0; 3];
        assert_eq!(file.read_at(0, &mut bytes).expect("read"), 3);
        assert_eq!(&bytes, if read_old { b"AAA" } else { b"new" });
        assert_eq!(texts(&fs.disk()), BTreeSet::from(["a=A4096".to_owned()]));
        // Writing the page again makes it dirty again, with all that the process saw of it.
        file.write_at(4, b"more").expect("written");
        file.sync_data().expect("synced");
        let front = if read_old { "a=A4," } else { "a=n1,e1,w1,A1," };
        let durable = texts(&fs.disk());
        assert!(durable.iter().all(|text| text.starts_with(front)), "{durable:?}");
    }
}

#[test]
fn a_failed_sync_loses_new_pages_below_a_size_that_later_lasts() {
    let (fs, file) = one_page(Profile::StrictPosix);
    file.write_at(4096, &[b'B'; 100]).expect("written");
    fs.set_faults(FaultPlan::new().at(fs.calls(), Fault::Fails(Refusal::Eio)));
    file.sync().expect_err("planned");
    file.sync().expect("the pages are clean");
    assert_eq!(texts(&fs.disk()), BTreeSet::from(["a=A4096,.100".to_owned()]));
}

#[test]
fn a_failed_write_leaves_any_part() {
    let (fs, file) = one_page(Profile::NoReorder);
    let fault = Fault::WriteFails { refusal: Refusal::Enospc, written_bytes: 5000 };
    fs.set_faults(FaultPlan::new().at(fs.calls(), fault));
    let error = file.write_at(0, &[b'B'; 9000]).expect_err("planned");
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(text(&fs.disk()), "a=B5000");
    file.write_at(5000, b"C").expect("only that call fails");
    let legal = ["a=A4096", "a=B4096", "a=B5000", "a=B5000,C1"].map(str::to_owned);
    assert_eq!(texts(&fs.disk()), BTreeSet::from(legal));
}

#[test]
fn every_other_call_can_fail_without_effect() {
    type Call = fn(&SimFs, &dyn VfsFile) -> std::io::Result<()>;
    let calls: [(&str, Call); 9] = [
        ("create", |fs, _| fs.open(Path::new("/b"), OpenMode::CreateNew).map(drop)),
        ("create_dir", |fs, _| fs.create_dir(Path::new("/d"))),
        ("rename", |fs, _| fs.rename(Path::new("/a"), Path::new("/b"))),
        ("remove", |fs, _| fs.remove(Path::new("/a"))),
        ("remove_dir", |fs, _| fs.remove_dir(Path::new("/e"))),
        ("sync_dir", |fs, _| fs.sync_dir(Path::new(ROOT))),
        ("set_size", |_, file| file.set_size(1)),
        ("allocate", |_, file| file.allocate(9000)),
        ("write_at", |_, file| file.write_at(0, b"x")),
    ];
    for (name, call) in calls {
        let (fs, file) = one_page(Profile::StrictPosix);
        fs.create_dir(Path::new("/e")).expect("created");
        fs.sync_dir(Path::new(ROOT)).expect("synced");
        create(&fs, "/pending");
        let before = texts(&fs.disk());
        fs.set_faults(FaultPlan::new().at(fs.calls(), Fault::Fails(Refusal::Enospc)));
        let error = call(&fs, &*file).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{name}");
        assert_eq!(texts(&fs.disk()), before, "{name}");
        call(&fs, &*file).expect(name);
        assert_ne!(texts(&fs.disk()), before, "{name} works the second time");
    }
}

#[test]
fn a_planned_read_fails_and_no_other() {
    let (fs, file) = one_page(Profile::Kill);
    fs.set_faults(FaultPlan::new().at_read(ReadNo(1)));
    let mut bytes = [0; 10];
    file.read_at(0, &mut bytes).expect("read 0");
    assert_eq!(file.read_at(0, &mut bytes).expect_err("read 1").raw_os_error(), Some(5));
    file.read_at(0, &mut bytes).expect("read 2");
    assert_eq!(fs.faults_hit(), 1);
}

#[test]
fn damage_at_rest_changes_what_it_names_and_nothing_else() {
    let (fs, file) = one_page(Profile::StrictPosix);
    file.write_at(4096, &[b'B'; 4000]).expect("written");
    file.sync().expect("synced");
    let foreign = Damage::ForeignPage { page: 0, bytes: vec![b'Z'; 10] };
    let cases = [
        (Damage::FlippedBit { offset_bytes: 1, bit: 1 }, "a=A1,C1,A4094,B4000"),
        (Damage::FlippedBit { offset_bytes: 8096, bit: 1 }, "a=A4096,B4000"),
        (Damage::ZeroedSector { sector: 1 }, "a=A512,.512,A3072,B4000"),
        (Damage::ZeroedPage { page: 1 }, "a=A4096,.4000"),
        (foreign, "a=Z10,.4086,B4000"),
        (Damage::Shortened { size_bytes: 4100 }, "a=A4096,B4"),
        (Damage::Shortened { size_bytes: 9000 }, "a=A4096,B4000"),
        (Damage::Missing, ""),
    ];
    for (damage, expected) in cases {
        let damaged = fs.disk().damaged(Path::new("/a"), &damage).expect("there");
        assert_eq!(text(&damaged), expected, "{damage:?}");
        assert_eq!(texts(&damaged), BTreeSet::from([expected.to_owned()]), "{damage:?}");
    }
    assert!(fs.disk().damaged(Path::new("/b"), &Damage::Missing).is_err());
}

#[test]
fn a_watcher_sees_each_mutating_call_before_it_happens() {
    let fs = SimFs::new(Profile::StrictPosix);
    let moments = Arc::new(Mutex::new(Vec::new()));
    let seen_by = Arc::clone(&moments);
    fs.watch(move |moment| {
        let images = moment.disk.images(Tries::default()).distinct().count();
        let sync = moment.operation.is_sync();
        seen_by.lock().expect("not poisoned").push((moment.call, sync, images));
    });
    fs.start_trace();
    let file = create(&fs, "/a");
    file.write_synced_at(0, b"x").expect("written");
    let mut byte = [0];
    file.read_at(0, &mut byte).expect("read");
    fs.sync_dir(Path::new(ROOT)).expect("synced");
    fs.unwatch();
    fs.remove(Path::new("/a")).expect("removed");
    assert_eq!(
        *moments.lock().expect("not poisoned"),
        [(CallNo(0), false, 1), (CallNo(1), false, 2), (CallNo(2), true, 4), (CallNo(3), true, 2)]
    );
    let trace = fs.take_trace();
    let calls: Vec<(Option<u64>, &Operation)> =
        trace.iter().map(|traced| (traced.call.map(|call| call.0), &traced.operation)).collect();
    assert_eq!(
        calls,
        [
            (Some(0), &Operation::Open(OpenMode::CreateNew)),
            (Some(1), &Operation::Write { offset_bytes: 0, len_bytes: 1 }),
            (Some(2), &Operation::SyncData),
            (None, &Operation::Read { offset_bytes: 0, len_bytes: 1 }),
            (Some(3), &Operation::SyncDir),
            (Some(4), &Operation::Remove),
        ]
    );
    assert!(trace.iter().all(|traced| traced.outcome == Ok(())));
    assert_eq!(&*trace[0].path, Path::new("/a"));
}

#[test]
fn a_copy_of_a_disk_stays_as_it_was() {
    let (fs, file) = one_page(Profile::StrictPosix);
    let copy = fs.disk();
    file.write_at(0, &[b'B'; 9000]).expect("written");
    fs.remove(Path::new("/a")).expect("removed");
    assert_eq!(text(&copy), "a=A4096");
    assert_eq!(texts(&copy).len(), 1);
}

#[test]
fn decisions_name_what_could_have_gone_another_way() {
    let (fs, file) = one_page(Profile::StrictPosix);
    create(&fs, "/b");
    file.write_at(0, &[b'B'; 4097]).expect("written");
    let mut images = fs.disk().images(Tries::default());
    let mut choice = Choice::default();
    let mut seen = BTreeSet::new();
    for no in 0..images.len() {
        images.choose(ImageNo(no), &mut choice);
        for decision in images.decisions(&choice) {
            seen.insert(format!("{decision:?}"));
        }
    }
    let create_call = fs.calls().0 - 2;
    for kept in [false, true] {
        let name = Decision::Name { call: CallNo(create_call), kept };
        assert!(seen.contains(&format!("{name:?}")), "{seen:?}");
    }
    for size_bytes in [4096, 4097] {
        let size = Decision::Size { path: Arc::from(Path::new("/a")), size_bytes };
        assert!(seen.contains(&format!("{size:?}")), "{seen:?}");
    }
    assert!(seen.iter().any(|decision| decision.contains("page: 1, version: 1, versions: 2")));
}
