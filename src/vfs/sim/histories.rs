//! Short histories with every image that each profile allows, listed by hand.

use std::path::Path;

use super::*;
use crate::vfs::{FileKind, Fs, OpenMode, Vfs, VfsFile};

/// The whole file system in one line: directories as `d/`, files as `a=` and runs of equal bytes,
/// `A100` being a hundred letters A, and a dot a zero.
pub(super) fn seen(fs: &dyn Fs, root: &Path) -> String {
    let mut words = Vec::new();
    for (path, about) in fs.walk(root, 1000).expect("walked") {
        let name = path.strip_prefix(root).expect("below").display().to_string();
        if about.kind == FileKind::Dir {
            words.push(format!("{name}/"));
            continue;
        }
        let file = fs.open(&path, OpenMode::Read).expect("opened");
        let mut bytes = vec![0; usize::try_from(about.size_bytes).expect("small")];
        assert_eq!(file.read_at(0, &mut bytes).expect("read"), bytes.len());
        let runs: Vec<String> = bytes
            .chunk_by(|a, b| a == b)
            .map(|run| match run[0] {
                0 => format!(".{}", run.len()),
                letter => format!("{}{}", char::from(letter), run.len()),
            })
            .collect();
        words.push(format!("{name}={}", runs.join(",")));
    }
    words.join(" ")
}

fn images(disk: &Disk) -> Vec<String> {
    let images = disk.images(Tries::default());
    assert!(images.is_exhaustive());
    let mut seen: Vec<String> =
        images.distinct().map(|image| seen(&SimFs::on(image.disk), Path::new("/"))).collect();
    seen.sort();
    let len = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), len, "equal images have equal digests");
    seen
}

/// The calls of a history, on one file system.
struct Calls<'a>(&'a SimFs);

impl Calls<'_> {
    fn file(&self, name: &str) -> Box<dyn VfsFile> {
        self.0.open(Path::new(name), OpenMode::ReadWrite).expect("opened")
    }

    fn create(&self, name: &str) {
        self.0.open(Path::new(name), OpenMode::CreateNew).expect("created");
    }

    fn create_dir(&self, name: &str) {
        self.0.create_dir(Path::new(name)).expect("created");
    }

    fn write(&self, name: &str, offset: u64, letter: char, len: usize) {
        let bytes = vec![u8::try_from(letter).expect("ASCII"); len];
        self.file(name).write_at(offset, &bytes).expect("written");
    }

    fn set_size(&self, name: &str, size: u64) {
        self.file(name).set_size(size).expect("set");
    }

    fn allocate(&self, name: &str, size: u64) {
        self.file(name).allocate(size).expect("allocated");
    }

    fn sync_data(&self, name: &str) {
        self.file(name).sync_data().expect("synced");
    }

    fn sync(&self, name: &str) {
        self.file(name).sync().expect("synced");
    }

    fn sync_dir(&self, name: &str) {
        self.0.sync_dir(Path::new(name)).expect("synced");
    }

    fn rename(&self, from: &str, to: &str) {
        self.0.rename(Path::new(from), Path::new(to)).expect("renamed");
    }

    fn remove(&self, name: &str) {
        self.0.remove(Path::new(name)).expect("removed");
    }

    /// A durable file of equal letters.
    fn durable(&self, name: &str, letter: char, len: usize) {
        self.create(name);
        if len > 0 {
            self.write(name, 0, letter, len);
        }
        self.sync(name);
        self.sync_dir("/");
    }
}

/// Runs `history` after `given` under each profile and compares all images with those listed.
fn allows(given: fn(&Calls), history: fn(&Calls), lists: &[(&[Profile], &[&str])]) {
    for profile in Profile::ALL {
        let fs = SimFs::new(profile);
        given(&Calls(&fs));
        let before = fs.calls();
        history(&Calls(&fs));
        assert!(fs.calls().0 - before.0 <= 6, "at most six calls");
        let list = lists.iter().find(|(profiles, _)| profiles.contains(&profile));
        let mut expected = list.unwrap_or_else(|| panic!("a list for {profile}")).1.to_vec();
        expected.sort_unstable();
        assert_eq!(images(&fs.disk()), expected, "{profile}");
    }
}

const STRICT: &[Profile] = &[Profile::StrictPosix];
const EXT4: &[Profile] = &[Profile::Ext4Ordered];
const XFS: &[Profile] = &[Profile::Xfs];
const IN_ORDER: &[Profile] = &[Profile::NoReorder];
const KILL: &[Profile] = &[Profile::Kill];
const DROP: &[Profile] = &[Profile::Drop];

fn nothing(_: &Calls) {}

#[test]
fn a_new_file_and_its_first_bytes() {
    let history = |on: &Calls| {
        on.create("a");
        on.write("a", 0, 'A', 5000);
    };
    allows(
        nothing,
        history,
        &[
            (STRICT, &["", "a=", "a=.5000", "a=A4096,.904", "a=.4096,A904", "a=A5000"]),
            (EXT4, &["", "a=", "a=A4096", "a=A5000"]),
            (
                XFS,
                &[
                    "",
                    "a=",
                    "a=.4096",
                    "a=A4096",
                    "a=.5000",
                    "a=A4096,.904",
                    "a=.4096,A904",
                    "a=A5000",
                ],
            ),
            (IN_ORDER, &["", "a=", "a=A4096", "a=A5000"]),
            (KILL, &["a=A5000"]),
            (DROP, &[""]),
        ],
    );
}

#[test]
fn a_synced_file_without_a_synced_name() {
    let history = |on: &Calls| {
        on.create("a");
        on.write("a", 0, 'A', 100);
        on.sync_data("a");
    };
    let journal = [Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder, Profile::Kill];
    allows(nothing, history, &[(STRICT, &["", "a=A100"]), (&journal, &["a=A100"]), (DROP, &[""])]);
}

#[test]
fn a_synced_name_without_a_synced_file() {
    let history = |on: &Calls| {
        on.create("a");
        on.write("a", 0, 'A', 100);
        on.sync_dir("/");
    };
    allows(
        nothing,
        history,
        &[
            (STRICT, &["a=", "a=.100", "a=A100"]),
            (EXT4, &["a=", "a=A100"]),
            (XFS, &["a=", "a=.100", "a=A100"]),
            (&[Profile::NoReorder, Profile::Kill], &["a=A100"]),
            (DROP, &["a="]),
        ],
    );
}

#[test]
fn replacing_a_file_by_a_synced_one() {
    let given = |on: &Calls| on.durable("a", 'A', 100);
    let history = |on: &Calls| {
        on.create("b");
        on.write("b", 0, 'B', 100);
        on.sync("b");
        on.rename("b", "a");
    };
    let journal = [Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder];
    allows(
        given,
        history,
        &[
            (STRICT, &["a=A100", "a=A100 b=B100", "a=B100"]),
            (&journal, &["a=A100 b=B100", "a=B100"]),
            (KILL, &["a=B100"]),
            (DROP, &["a=A100"]),
        ],
    );
}

#[test]
fn replacing_a_file_by_one_that_nobody_synced() {
    let given = |on: &Calls| on.durable("a", 'A', 100);
    let history = |on: &Calls| {
        on.create("b");
        on.write("b", 0, 'B', 100);
        on.rename("b", "a");
    };
    let any = ["a=A100", "a=A100 b=", "a=A100 b=.100", "a=A100 b=B100", "a=", "a=.100", "a=B100"];
    allows(
        given,
        history,
        &[
            (&[Profile::StrictPosix, Profile::Xfs], &any),
            (EXT4, &["a=A100", "a=A100 b=", "a=A100 b=B100", "a=", "a=B100"]),
            (IN_ORDER, &["a=A100", "a=A100 b=", "a=A100 b=B100", "a=B100"]),
            (KILL, &["a=B100"]),
            (DROP, &["a=A100"]),
        ],
    );
}

#[test]
fn a_name_removed_and_made_again() {
    let given = |on: &Calls| on.durable("a", 'A', 100);
    let history = |on: &Calls| {
        on.remove("a");
        on.create("a");
        on.write("a", 0, 'B', 10);
    };
    allows(
        given,
        history,
        &[
            (&[Profile::StrictPosix, Profile::Xfs], &["a=A100", "", "a=", "a=.10", "a=B10"]),
            (&[Profile::Ext4Ordered, Profile::NoReorder], &["a=A100", "", "a=", "a=B10"]),
            (KILL, &["a=B10"]),
            (DROP, &["a=A100"]),
        ],
    );
}

#[test]
fn overwriting_pages() {
    let given = |on: &Calls| on.durable("a", 'A', 8192);
    let history = |on: &Calls| {
        on.write("a", 0, 'B', 8192);
        on.write("a", 4096, 'C', 4096);
    };
    let any =
        ["a=A8192", "a=A4096,B4096", "a=A4096,C4096", "a=B4096,A4096", "a=B8192", "a=B4096,C4096"];
    allows(
        given,
        history,
        &[
            (&[Profile::StrictPosix, Profile::Ext4Ordered, Profile::Xfs], &any),
            (IN_ORDER, &["a=A8192", "a=B4096,A4096", "a=B8192", "a=B4096,C4096"]),
            (KILL, &["a=B4096,C4096"]),
            (DROP, &["a=A8192"]),
        ],
    );
}

#[test]
fn growing_into_a_page_that_is_there() {
    let given = |on: &Calls| on.durable("a", 'A', 100);
    let history = |on: &Calls| {
        on.write("a", 100, 'B', 50);
        on.write("a", 150, 'C', 10);
    };
    allows(
        given,
        history,
        &[
            (
                &[Profile::StrictPosix, Profile::Ext4Ordered, Profile::Xfs],
                &[
                    "a=A100",
                    "a=A100,.50",
                    "a=A100,B50",
                    "a=A100,.60",
                    "a=A100,B50,.10",
                    "a=A100,B50,C10",
                ],
            ),
            (IN_ORDER, &["a=A100", "a=A100,B50", "a=A100,B50,C10"]),
            (KILL, &["a=A100,B50,C10"]),
            (DROP, &["a=A100"]),
        ],
    );
}

#[test]
fn cutting_a_tail_and_writing_a_new_one() {
    let given = |on: &Calls| on.durable("a", 'A', 8192);
    let history = |on: &Calls| {
        on.set_size("a", 100);
        on.write("a", 50, 'B', 100);
    };
    // Without the cut, what was written later is there at most up to the cut.
    let any = ["a=A8192", "a=A50,B50,A8092", "a=A100", "a=A50,B50", "a=A100,.50", "a=A50,B100"];
    allows(
        given,
        history,
        &[
            (&[Profile::StrictPosix, Profile::Ext4Ordered, Profile::Xfs], &any),
            (IN_ORDER, &["a=A8192", "a=A100", "a=A50,B100"]),
            (KILL, &["a=A50,B100"]),
            (DROP, &["a=A8192"]),
        ],
    );
}

#[test]
fn cutting_everything_and_growing_again() {
    let given = |on: &Calls| on.durable("a", 'A', 4096);
    let history = |on: &Calls| {
        on.set_size("a", 0);
        on.set_size("a", 4096);
        on.write("a", 0, 'B', 10);
    };
    let any = ["a=A4096", "a=", "a=.4096", "a=B10,.4086"];
    allows(
        given,
        history,
        &[
            (&[Profile::StrictPosix, Profile::Ext4Ordered, Profile::Xfs], &any),
            (IN_ORDER, &any),
            (KILL, &["a=B10,.4086"]),
            (DROP, &["a=A4096"]),
        ],
    );
}

#[test]
fn writing_into_allocated_space() {
    let given = |on: &Calls| on.durable("a", 'A', 0);
    let history = |on: &Calls| {
        on.allocate("a", 8192);
        on.write("a", 0, 'B', 4096);
    };
    let any = ["a=", "a=.8192", "a=B4096,.4096"];
    let all = [Profile::StrictPosix, Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder];
    allows(given, history, &[(&all, &any), (KILL, &["a=B4096,.4096"]), (DROP, &["a="])]);
}

#[test]
fn data_sync_leaves_the_journal_alone_unless_the_size_changed() {
    let given = |on: &Calls| on.durable("a", 'A', 100);
    let history = |on: &Calls| {
        on.create("b");
        on.write("a", 0, 'B', 100);
        on.sync_data("a");
    };
    let journal = [Profile::StrictPosix, Profile::Ext4Ordered, Profile::Xfs];
    allows(
        given,
        history,
        &[
            (&journal, &["a=B100", "a=B100 b="]),
            (&[Profile::NoReorder, Profile::Kill], &["a=B100 b="]),
            (DROP, &["a=B100"]),
        ],
    );
    let history = |on: &Calls| {
        on.create("b");
        on.write("a", 0, 'B', 101);
        on.sync_data("a");
    };
    allows(
        given,
        history,
        &[
            (STRICT, &["a=B101", "a=B101 b="]),
            (&[Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder], &["a=B101 b="]),
            (KILL, &["a=B101 b="]),
            (DROP, &["a=B101"]),
        ],
    );
}

#[test]
fn a_sync_of_one_file_commits_the_cut_of_another() {
    let given = |on: &Calls| {
        on.durable("a", 'A', 8192);
        on.durable("b", 'B', 10);
    };
    let history = |on: &Calls| {
        on.write("a", 0, 'C', 10);
        on.set_size("a", 4096);
        on.sync("b");
    };
    let cut = ["a=A4096 b=B10", "a=C10,A4086 b=B10"];
    allows(
        given,
        history,
        &[
            (STRICT, &["a=A8192 b=B10", "a=C10,A8182 b=B10", cut[0], cut[1]]),
            (&[Profile::Ext4Ordered, Profile::Xfs], &cut),
            (&[Profile::NoReorder, Profile::Kill], &["a=C10,A4086 b=B10"]),
            (DROP, &["a=A8192 b=B10"]),
        ],
    );
}

#[test]
fn a_directory_needs_a_durable_name_too() {
    let history = |on: &Calls| {
        on.create_dir("d");
        on.create("d/x");
        on.sync_dir("d");
    };
    let journal = [Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder, Profile::Kill];
    allows(
        nothing,
        history,
        &[(STRICT, &["", "d/ d/x="]), (&journal, &["d/ d/x="]), (DROP, &[""])],
    );

    let history = |on: &Calls| {
        on.create_dir("d");
        on.create("d/x");
        on.sync_dir("/");
    };
    allows(
        nothing,
        history,
        &[(STRICT, &["d/", "d/ d/x="]), (&journal, &["d/ d/x="]), (DROP, &["d/"])],
    );
}

#[test]
fn two_files_are_created_and_one_is_removed() {
    let given = |on: &Calls| on.durable("old", 'O', 1);
    let history = |on: &Calls| {
        on.create("new");
        on.remove("old");
    };
    allows(
        given,
        history,
        &[
            (STRICT, &["old=O1", "new= old=O1", "", "new="]),
            (
                &[Profile::Ext4Ordered, Profile::Xfs, Profile::NoReorder],
                &["old=O1", "new= old=O1", "new="],
            ),
            (KILL, &["new="]),
            (DROP, &["old=O1"]),
        ],
    );
}

#[test]
fn a_sparse_write_shows_what_lies_before_it() {
    let given = |on: &Calls| on.durable("a", 'A', 0);
    let history = |on: &Calls| on.write("a", 4096, 'B', 10);
    allows(
        given,
        history,
        &[
            (STRICT, &["a=", "a=.4106", "a=.4096,B10"]),
            (EXT4, &["a=", "a=.4096", "a=.4096,B10"]),
            (XFS, &["a=", "a=.4106", "a=.4096,B10"]),
            (IN_ORDER, &["a=", "a=.4096,B10"]),
            (KILL, &["a=.4096,B10"]),
            (DROP, &["a="]),
        ],
    );
}
