//! Opening a source and creating a target without naming a format.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Dialect, Durability, GroupId, LogState, Memberships, SharedBytes};
use crate::store::boltdb::{BoltDbSalvage, BoltDbSink, BoltDbStore, PROFILE as BOLTDB_PROFILE};
use crate::store::codec::ValueCodec;
use crate::store::detect::{Description, Detected, detect, product_by_content};
use crate::store::etcd_wal::{EtcdWalSalvage, EtcdWalStore, segment_paths};
use crate::store::fastlog::{ANCHOR_FILE, FastLogSink, FastLogStore, PROFILE as FASTLOG_PROFILE};
use crate::store::raft_fastlog::{
    PROFILE as RAFT_FASTLOG_PROFILE, RaftFastlogSink, RaftFastlogStore, Reading,
};
use crate::store::raft_wal::{
    META_FILE, PROFILE as RAFT_WAL_PROFILE, RaftWalSalvage, RaftWalSink, RaftWalStore,
};
use crate::store::redb::schemas;
use crate::store::redb::{
    Beside, Names, RedbDirectory, RedbDirectorySalvage, RedbDirectorySink, RedbSalvage, RedbSink,
    RedbStore, note_in_target as redb_note, refuse_group as refuse_redb_group,
};
use crate::store::salvage::Salvage;
use crate::store::target::Target;
use crate::store::{
    Format, LogSink, OpeningWatch, Profile, Room, Snapshots, Store, StoreError, StoreFile,
    io_error, unwatched,
};
use crate::vfs::{Clock, Fs, Held, LockError, LockMode, LockState, Writers};

/// How often a lock is tried while waiting for it.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// How a source is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// The format that the operator named, instead of the one recognised.
    pub format: Option<Format>,
    /// How long to wait for a lock that another process holds.
    pub lock_timeout: Duration,
    /// Whether to leave out what lies beside the store.
    pub alone: bool,
    /// Whether a live process may go on writing: its lock is neither looked at nor taken. Only
    /// formats to which a writer appends can be read so.
    pub live: bool,
    /// Which log is meant, where a file stands for two; other formats have one reading.
    pub reading: Reading,
    /// Where the log lies in a redb file, as far as the operator told; else it is found by proof.
    pub redb: RedbSchema,
}

/// Which tables of a redb file are a Raft log, and how its entries are encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedbSchema {
    /// Name of a schema.
    pub schema: Option<String>,
    /// Name of the table with the entries.
    pub logs_table: Option<String>,
    /// Name of the table with what lies beside them; `{}` stands for the group.
    pub conf_table: Option<String>,
    /// Encoding of the entries.
    pub codec: Option<ValueCodec>,
    /// Name of the tables with the entries of each group, `{}` standing for the group.
    pub group_pattern: Option<String>,
    /// Name of the files of a directory, one a group, `{}` standing for the group.
    pub file_pattern: Option<String>,
}

/// An opened source.
pub struct Opened {
    /// The store.
    pub store: Box<dyn Store>,
    /// What it is and how it was recognised.
    pub description: Description,
    /// The snapshots beside it; none where there is no place for any, or it was opened alone.
    pub snapshots: Option<Snapshots>,
}

/// Recognises and opens the store at `path` for reading.
///
/// # Errors
/// As [`detect`]; `Locked` when a live process uses the store, `Unsupported` for a format, version
/// or feature that is not read, `Fault` for damage that leaves nothing to open.
pub fn open(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    options: &OpenOptions,
) -> Result<Opened, StoreError> {
    open_watched(fs, clock, path, options, &mut unwatched)
}

/// As [`open`]; `watch` hears how far it is where a large store is read whole, and may stop it.
///
/// # Errors
/// As [`open`], and `Stopped`.
pub fn open_watched(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    options: &OpenOptions,
    watch: &mut OpeningWatch<'_>,
) -> Result<Opened, StoreError> {
    match detect(fs, path, options)? {
        Detected::Store(mut description) => {
            let store = open_described(fs, clock, &mut description, options, watch)?;
            if let (Some(layout), false) = (&mut description.layout, options.alone) {
                let path = &description.store;
                let told = product_by_content(fs.as_ref(), path, store.as_ref(), layout.product);
                layout.product = told;
            }
            let mut snapshots = match options.alone {
                true => None,
                false => Snapshots::beside(fs, &description)?,
            };
            if let Some(snapshots) = &mut snapshots {
                snapshots.retain_known(|id| store.starts_from(id));
            }
            Ok(Opened { store, description: *description, snapshots })
        }
        Detected::Archive { .. } => Err(StoreError::Unsupported {
            path: path.to_owned(),
            what: "this is an archive, not a store".to_owned(),
            way_out: "verify it as it is, or restore it to look inside".to_owned(),
        }),
    }
}

/// A damaged source, opened for what can still be proven.
pub struct Damaged {
    /// What is left of the store.
    pub salvage: Box<dyn Salvage>,
    /// What it is and how it was recognised.
    pub description: Description,
    /// The snapshots beside it.
    pub snapshots: Option<Snapshots>,
}

/// Recognises the store at `path` and opens it for everything that can still be proven, however
/// damaged it is.
///
/// # Errors
/// As [`open_watched`], but damage is none; `Unsupported` for a format that is not salvaged.
pub fn open_damaged(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    options: &OpenOptions,
    watch: &mut OpeningWatch<'_>,
) -> Result<Damaged, StoreError> {
    let unsupported = |what: String| StoreError::Unsupported {
        path: path.to_owned(),
        what,
        way_out: "restore it from a backup, or let the node take its log from a peer".to_owned(),
    };
    let mut description = match detect(fs, path, options)? {
        Detected::Store(description) => *description,
        Detected::Archive { .. } => {
            return Err(unsupported("an archive is not repaired".to_owned()));
        }
    };
    let salvage: Box<dyn Salvage> = match description.format {
        Format::BoltDb => {
            let lock = lock_shared(fs.as_ref(), clock, &description.store, options.lock_timeout)?;
            Box::new(BoltDbSalvage::open(fs.as_ref(), &description.store, lock)?)
        }
        Format::EtcdWal => {
            let path = &description.store;
            let lock = no_etcd(fs.as_ref(), clock, path, options.lock_timeout)?;
            Box::new(EtcdWalSalvage::open(fs, path, lock, watch)?)
        }
        Format::Redb if is_redb_directory(&description) => {
            let files = redb_files(fs.as_ref(), clock, &description, options)?;
            let faults = std::mem::take(&mut description.faults);
            let beside = Beside::new(fs.as_ref(), faults, &options.redb)?;
            Box::new(RedbDirectorySalvage::open(fs.as_ref(), files, &options.redb, beside)?)
        }
        Format::Redb => {
            let path = &description.store;
            let lock = lock_shared(fs.as_ref(), clock, path, options.lock_timeout)?;
            Box::new(RedbSalvage::open(fs.as_ref(), path, &options.redb, lock)?)
        }
        Format::RaftWal => {
            let meta = description.store.join(META_FILE);
            let lock = lock_shared(fs.as_ref(), clock, &meta, options.lock_timeout)?;
            Box::new(RaftWalSalvage::open(fs, &description.store, lock)?)
        }
        other => {
            let what = format!("{other} is not repaired by this version");
            return Err(match other {
                Format::RaftFastlog => StoreError::Unsupported {
                    path: path.to_owned(),
                    what,
                    way_out: "migrate it --to raft-fastlog: that leaves out a torn tail and ghosts"
                        .to_owned(),
                },
                _ => unsupported(what),
            });
        }
    };
    let snapshots = Snapshots::beside(fs, &description)?;
    Ok(Damaged { salvage, description, snapshots })
}

/// Whether stores of `format` are read, not only recognised.
pub fn reads(format: Format) -> bool {
    Format::ALL.contains(&format)
}

/// Whether [`open_damaged`] salvages what is left of a damaged store of `format`.
pub fn salvages(format: Format) -> bool {
    matches!(format, Format::BoltDb | Format::Redb | Format::RaftWal | Format::EtcdWal)
}

fn open_described(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    description: &mut Description,
    options: &OpenOptions,
    watch: &mut OpeningWatch<'_>,
) -> Result<Box<dyn Store>, StoreError> {
    refuse_unfollowed(description, options)?;
    match description.format {
        Format::Redb => {
            if is_redb_directory(description) {
                return open_redb_files(fs, clock, description, options);
            }
            let lock = lock_shared(fs.as_ref(), clock, &description.store, options.lock_timeout)?;
            let store = RedbStore::open(fs.as_ref(), &description.store, &options.redb, lock)?;
            description.evidence.extend_from_slice(store.evidence());
            Ok(Box::new(store))
        }
        Format::FastLog => {
            let anchor = description.store.join(ANCHOR_FILE);
            // Waits for a writer to end; the store then keeps writers out by a lock of its own.
            let waited = match fs.symlink_metadata(&anchor) {
                Ok(_) if !options.live => {
                    lock_shared(fs.as_ref(), clock, &anchor, options.lock_timeout)?
                }
                _ => None,
            };
            let store = match options.live {
                true => FastLogStore::open_live(fs, &description.store)?,
                false => FastLogStore::open(fs, &description.store)?,
            };
            drop(waited);
            description.evidence.extend(store.evidence());
            Ok(Box::new(store))
        }
        Format::BoltDb => {
            let lock = lock_shared(fs.as_ref(), clock, &description.store, options.lock_timeout)?;
            let store = BoltDbStore::open(fs.as_ref(), &description.store, lock)?;
            description.evidence.extend(store.evidence());
            Ok(Box::new(store))
        }
        Format::RaftFastlog => {
            let path = &description.store;
            let writers = no_writer(fs.as_ref(), clock, path, options.lock_timeout)?;
            let store = RaftFastlogStore::open(fs.as_ref(), path, options.reading, &writers)?;
            description.evidence.extend(store.evidence());
            Ok(Box::new(store))
        }
        Format::RaftWal => {
            let meta = description.store.join(META_FILE);
            let store = match options.live {
                true => RaftWalStore::open_live(fs, &description.store)?,
                false => {
                    let lock = lock_shared(fs.as_ref(), clock, &meta, options.lock_timeout)?;
                    RaftWalStore::open(fs, &description.store, lock)?
                }
            };
            description.evidence.extend(store.evidence());
            Ok(Box::new(store))
        }
        Format::EtcdWal => {
            let path = &description.store;
            let store = open_etcd(fs, clock, path, options, watch)?;
            description.evidence.extend(store.evidence());
            Ok(Box::new(store))
        }
    }
}

/// Opens a directory with a redb file for each group.
fn open_redb_files(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    description: &mut Description,
    options: &OpenOptions,
) -> Result<Box<dyn Store>, StoreError> {
    let files = redb_files(fs.as_ref(), clock, description, options)?;
    let mut store = RedbDirectory::open(fs.as_ref(), &description.store, files, &options.redb)?;
    // Whoever reads the directory as one store is told of its other files with it.
    let beside = std::mem::take(&mut description.faults);
    store.set_beside(Beside::new(fs.as_ref(), beside, &options.redb)?);
    description.evidence.extend(store.evidence());
    Ok(Box::new(store))
}

/// A file with its lock, where the file system has locks.
type LockedFile = (StoreFile, Option<Box<dyn Held>>);

/// The files of a directory with a redb file for each group, each with its lock.
fn redb_files(
    fs: &dyn Fs,
    clock: &dyn Clock,
    description: &Description,
    options: &OpenOptions,
) -> Result<Vec<LockedFile>, StoreError> {
    let locked = |file: &StoreFile| {
        let lock = lock_shared(fs, clock, &file.path, options.lock_timeout)?;
        Ok((file.clone(), lock))
    };
    description.files.iter().map(locked).collect()
}

/// Whether a store of redb is a directory with a file for each group.
fn is_redb_directory(description: &Description) -> bool {
    description.files.iter().any(|file| file.path != description.store)
}

/// Whether the program that wrote a log, wherever it lies now, really writes entries of lower terms
/// behind higher ones, so that one is worth a word and no damage.
pub fn terms_may_fall(state: &LogState) -> bool {
    let schema = state.schema.as_deref().and_then(schemas::named);
    schema.is_some_and(|schema| schema.terms_may_fall)
}

/// How the memberships of a log are encoded, wherever it lies now: as in the schema it was read in,
/// else as in the stores of `profile`.
pub fn memberships(state: &LogState, profile: &Profile) -> Memberships {
    match state.schema.as_deref().and_then(schemas::named) {
        Some(schema) => {
            Memberships { must: schema.profile.memberships, dialect: schema.codec.memberships() }
        }
        None => Memberships { must: profile.memberships, dialect: Dialect::Any },
    }
}

/// Waits until no etcd holds a segment of the log in `dir`, then keeps those out that take `flock`.
/// etcd locks its segments by OFD locks, from the one with its newest snapshot on.
fn no_etcd(
    fs: &dyn Fs,
    clock: &dyn Clock,
    dir: &Path,
    timeout: Duration,
) -> Result<Option<Box<dyn Held>>, StoreError> {
    let mut newest = None;
    for (_, path) in segment_paths(fs, dir)? {
        newest = lock_shared(fs, clock, &path, timeout)?;
    }
    Ok(newest)
}

/// Opens a log of etcd, without a look at its locks where it is followed.
fn open_etcd(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    options: &OpenOptions,
    watch: &mut OpeningWatch<'_>,
) -> Result<EtcdWalStore, StoreError> {
    if options.live {
        return EtcdWalStore::open_live(fs, path, options.alone, watch);
    }
    let lock = no_etcd(fs.as_ref(), clock, path, options.lock_timeout)?;
    EtcdWalStore::open(fs, path, options.alone, lock, watch)
}

/// Refuses to read beside a live process what that does not only append to.
fn refuse_unfollowed(description: &Description, options: &OpenOptions) -> Result<(), StoreError> {
    let grows = [Format::FastLog, Format::RaftWal, Format::EtcdWal];
    if grows.contains(&description.format) || !options.live {
        return Ok(());
    }
    Err(StoreError::Unsupported {
        path: description.store.clone(),
        what: format!("{} is not followed", description.format),
        way_out: "logs that a server only appends to are: fastlog, raft-wal and etcd-wal"
            .to_owned(),
    })
}

/// Waits until no process is seen that has `path` open for writing, where its owner takes no lock;
/// what could be found out then.
fn no_writer(
    fs: &dyn Fs,
    clock: &dyn Clock,
    path: &Path,
    timeout: Duration,
) -> Result<Writers, StoreError> {
    let start = clock.monotonic();
    loop {
        let holder = match fs.writers(path).map_err(io_error("look for users of", path))? {
            Writers::Seen(holder) => holder,
            found => return Ok(found),
        };
        let waited = clock.monotonic().saturating_sub(start);
        let Some(left) = timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return Err(StoreError::Locked { path: path.to_owned(), holder });
        };
        clock.sleep(left.min(LOCK_RETRY));
    }
}

/// Waits until nobody writes `path`, then keeps writers out. `None` where the file system has no
/// locks.
pub(crate) fn lock_shared(
    fs: &dyn Fs,
    clock: &dyn Clock,
    path: &Path,
    timeout: Duration,
) -> Result<Option<Box<dyn Held>>, StoreError> {
    let start = clock.monotonic();
    loop {
        let holder = match fs.probe_lock(path).map_err(io_error("probe the lock of", path))? {
            LockState::Held(holder) => holder,
            LockState::Free => match fs.lock(path, LockMode::Shared) {
                Ok(held) => return Ok(Some(held)),
                Err(LockError::Held(holder)) => holder,
                Err(LockError::Io(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    return Ok(None);
                }
                Err(LockError::Io(error)) => return Err(io_error("lock", path)(error)),
            },
        };
        let waited = clock.monotonic().saturating_sub(start);
        let Some(left) = timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return Err(StoreError::Locked { path: path.to_owned(), holder });
        };
        clock.sleep(left.min(LOCK_RETRY));
    }
}

/// File format of a redb target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedbFormat {
    /// For programs on redb 2.
    V2,
    /// For programs on redb 3 and newer.
    #[default]
    V3,
}

impl RedbFormat {
    /// The number that redb has for it.
    pub fn number(self) -> u8 {
        match self {
            RedbFormat::V2 => 2,
            RedbFormat::V3 => 3,
        }
    }

    /// The format of a number.
    pub fn of_number(number: u8) -> Option<RedbFormat> {
        [RedbFormat::V2, RedbFormat::V3].into_iter().find(|format| format.number() == number)
    }
}

/// What a target shall be like, beyond its format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkOptions {
    /// File format, where the target is redb; the newer one without.
    pub redb_format: Option<RedbFormat>,
    /// Name of the schema, where the target is redb; the default without.
    pub redb_schema: Option<String>,
    /// Names of the files, where the target is a directory with a redb file for each group.
    pub redb_files: Option<Names>,
    /// How the target is read again, where the target is redb and not found by proof.
    pub redb: RedbSchema,
    /// Level with which the target's engine opens it when nothing else is said; fastlog only.
    pub durability: Option<Durability>,
    /// Bytes of a page, where the target is boltdb; 4096 without.
    pub page_bytes: Option<u64>,
    /// Bytes of a segment, where the target is raft-wal; 64 MiB without.
    pub segment_bytes: Option<u64>,
}

/// What a target of `format` can hold, before anything is created.
///
/// # Errors
/// `Unsupported` for a format that is not written.
pub fn target_profile(
    format: Format,
    options: &SinkOptions,
    target: &Path,
) -> Result<&'static Profile, StoreError> {
    match format {
        Format::Redb => {
            let schema = schemas::of_target(options);
            Ok(match options.redb_files {
                Some(_) => schemas::profile_of_files(schema),
                None => &schema.profile,
            })
        }
        Format::FastLog => Ok(&FASTLOG_PROFILE),
        Format::BoltDb => Ok(&BOLTDB_PROFILE),
        Format::RaftFastlog => Ok(&RAFT_FASTLOG_PROFILE),
        Format::RaftWal => Ok(&RAFT_WAL_PROFILE),
        Format::EtcdWal => Err(unwritten(format, target)),
    }
}

/// What the target will say of the redb file that a log of `state` was read in.
pub fn note_in_target(format: Format, options: &SinkOptions, state: &LogState) -> SharedBytes {
    redb_note(format, options, state)
}

/// Refuses a group that a target of `format` cannot be given, before anything is created.
///
/// # Errors
/// `Refused`, as [`LogSink::begin_group`] would be.
pub fn refuse_group(
    format: Format,
    options: &SinkOptions,
    target: &Path,
    group: (&GroupId, &LogState),
) -> Result<(), StoreError> {
    match format {
        Format::Redb => {
            let schema = (schemas::of_target(options), options.redb_files.as_ref());
            refuse_redb_group(schema, target, group)
        }
        _ => Ok(()),
    }
}

/// How much room a target of `format` takes.
pub fn target_room(format: Format, options: &SinkOptions) -> Room {
    Room::of(format, options)
}

/// What an operator must know about a target of `format` before it is written, one line each.
pub fn target_notes(format: Format, options: &SinkOptions) -> Vec<String> {
    let schema = schemas::of_target(options);
    let in_schema = (schema.name() != schemas::default().name())
        .then(|| format!("schema {}: {}", schema.name(), schema.project));
    let files = options.redb_files.as_ref();
    let files = files.map(|files| format!("a directory, a file a group: {}", files.pattern()));
    match (format, options.redb_format.unwrap_or_default()) {
        (Format::Redb, _) if files.is_some() && options.redb_format.is_none() => {
            let note = "each file in the file format, 2 or 3, in which its group was read";
            [note.to_owned()].into_iter().chain(in_schema).chain(files).collect()
        }
        (Format::Redb, RedbFormat::V3) => {
            let note = "file format 3: needs redb 3.0 or newer; redb 2 panics on it";
            [note.to_owned()].into_iter().chain(in_schema).chain(files).collect()
        }
        (Format::Redb, RedbFormat::V2) => {
            let note = "file format 2: for programs on redb 2; newer ones refuse it";
            [note.to_owned()].into_iter().chain(in_schema).chain(files).collect()
        }
        (Format::RaftFastlog, _) => vec![
            "opens with tidwall/raft-fastlog 0.1.0; no deletions, so both readings agree"
                .to_owned(),
            "its server keeps the whole log in memory, and rewrites the file above 64 MiB, which \
             takes as much room again"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}

/// Creates an empty target of `format` under the partial name.
///
/// # Errors
/// `Unsupported` for a format that is not written, `Io` when the system refused.
pub fn create_sink(
    format: Format,
    target: Target,
    options: &SinkOptions,
) -> Result<Box<dyn LogSink>, StoreError> {
    match format {
        Format::Redb => {
            let (schema, format) = (schemas::of_target(options), options.redb_format);
            match &options.redb_files {
                Some(names) => {
                    let files = (names.clone(), format);
                    Ok(Box::new(RedbDirectorySink::create(target, schema, files)?))
                }
                None => Ok(Box::new(RedbSink::create(target, schema, format.unwrap_or_default())?)),
            }
        }
        Format::FastLog => Ok(Box::new(FastLogSink::create(target, options.durability)?)),
        Format::BoltDb => Ok(Box::new(BoltDbSink::create(target, options.page_bytes)?)),
        Format::RaftFastlog => Ok(Box::new(RaftFastlogSink::create(target)?)),
        Format::RaftWal => Ok(Box::new(RaftWalSink::create(target, options.segment_bytes)?)),
        Format::EtcdWal => Err(unwritten(format, target.path())),
    }
}

fn unwritten(format: Format, target: &Path) -> StoreError {
    StoreError::Unsupported {
        path: target.to_owned(),
        what: format!("{format} is not written"),
        way_out: "raftlog formats lists what is read and written".to_owned(),
    }
}
