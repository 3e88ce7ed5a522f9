//! Formats in memory, as both ends of a migration.

use super::*;

/// Holds neither holes nor times, extensions, notes, names, commit index nor snapshots.
pub(super) static LITTLE: LazyLock<Profile> = LazyLock::new(|| Profile {
    schema: "little",
    holds: Holds {
        many_groups: false,
        holes: false,
        appended_at: false,
        time_form_matters: false,
        extensions: false,
        notes: false,
        commit: false,
        vote: VoteForm::Bytes,
        snapshot_marker: false,
        stable_keys: false,
        ..EVERYTHING.holds
    },
    kinds: &[EntryKind::Command, EntryKind::Unknown],
    index_min: 1,
    entry_bytes_max: 1_000,
    ..EVERYTHING
});

pub(super) type Written = Arc<Mutex<MemoryStore>>;

/// Formats in memory, with a marker file under the partial name.
pub(super) struct MemoryEnds {
    pub(super) profile: &'static Profile,
    pub(super) written: Written,
    /// Done to what was written before it is opened again.
    pub(super) spoil: Box<dyn Fn(&mut MemoryStore)>,
    pub(super) batches: Arc<Mutex<Vec<usize>>>,
    /// Batches that the target's disk has room for.
    pub(super) full_after: Option<usize>,
}

struct MemorySink {
    target: Target,
    profile: &'static Profile,
    written: Written,
    group: GroupId,
    sealed: bool,
    batches: Arc<Mutex<Vec<usize>>>,
    full_after: Option<usize>,
}

impl Ends for MemoryEnds {
    fn profile(&self, _: &Options, _: &Path) -> Result<&'static Profile, StoreError> {
        Ok(self.profile)
    }

    fn room(&self, _: &Options) -> Room {
        Room::of(Format::FastLog, &SinkOptions::default())
    }

    fn notes(&self, _: &Options) -> Vec<String> {
        vec!["a note".to_owned()]
    }

    fn create(&self, _: &Options, target: Target) -> Result<Box<dyn LogSink>, StoreError> {
        let partial = target.begin()?;
        let file = target.fs().open(&partial, OpenMode::CreateNew).expect("created");
        file.write_at(0, b"partial").expect("written");
        *self.written.lock().expect("whole") =
            MemoryStore { profile: self.profile, ..MemoryStore::default() };
        Ok(Box::new(MemorySink {
            target,
            profile: self.profile,
            written: Arc::clone(&self.written),
            group: GroupId::Unnamed,
            sealed: false,
            batches: Arc::clone(&self.batches),
            full_after: self.full_after,
        }))
    }

    fn reopen(&self, _: &Options, partial: &Path) -> Result<Box<dyn Store>, StoreError> {
        assert!(partial.is_file(), "the sealed target is there");
        let mut store = self.written.lock().expect("whole").clone();
        (self.spoil)(&mut store);
        Ok(Box::new(store))
    }
}

impl LogSink for MemorySink {
    fn profile(&self) -> &'static Profile {
        self.profile
    }

    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError> {
        let mut store = self.written.lock().expect("whole");
        store.groups.insert(group.clone(), (state.clone(), Vec::new()));
        self.group = group.clone();
        Ok(())
    }

    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        let mut batches = self.batches.lock().expect("whole");
        if self.full_after.is_some_and(|most| batches.len() >= most) {
            let full = std::io::ErrorKind::StorageFull.into();
            return Err(crate::model::IoError::new("write", self.target.partial(), full).into());
        }
        batches.push(batch.len());
        drop(batches);
        let mut store = self.written.lock().expect("whole");
        let pieces = batch.iter().cloned().map(|entry| Ok(located(entry)));
        store.group(&self.group).1.extend(pieces);
        Ok(())
    }

    fn seal(mut self: Box<Self>) -> Result<crate::store::target::Sealed, StoreError> {
        self.sealed = true;
        Ok(self.target.clone().sealed(1, 7))
    }
}

impl Drop for MemorySink {
    fn drop(&mut self) {
        if !self.sealed {
            fs::remove_file(self.target.partial()).expect("the partial target");
        }
    }
}

/// A directory with a source file, and where the target shall be.
pub(super) struct Bench {
    pub(super) dir: tempfile::TempDir,
    pub(super) ends: MemoryEnds,
    pub(super) options: Options,
}

pub(super) fn bench(profile: &'static Profile) -> Bench {
    let dir = tempfile::tempdir().expect("directory");
    fs::write(dir.path().join("source"), b"source").expect("source");
    Bench {
        dir,
        ends: MemoryEnds {
            profile,
            written: Arc::default(),
            spoil: Box::new(|_| {}),
            batches: Arc::default(),
            full_after: None,
        },
        options: Options::to(profile.format),
    }
}

impl Bench {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn run(&self, source: &MemoryStore) -> Result<Outcome, Error> {
        self.observed(source, &mut Unobserved)
    }

    pub(super) fn observed(
        &self,
        source: &MemoryStore,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Error> {
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        let target = Target::check(fs, &self.path("target"), false)?;
        let path = self.path("source");
        let source = Source { store: source, path: &path, snapshots: None };
        run(source, target, &self.options, &self.ends, &OsClock, observer)
    }

    /// The names that are there, the source left out.
    pub(super) fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).expect("listed");
        let name = |found: fs::DirEntry| found.file_name().into_string().expect("UTF-8");
        let mut names: Vec<String> = names.map(|found| name(found.expect("listed"))).collect();
        names.retain(|name| name != "source");
        names.sort();
        names
    }

    pub(super) fn written(&self) -> MemoryStore {
        self.ends.written.lock().expect("whole").clone()
    }
}
