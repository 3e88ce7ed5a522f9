//! The jobs, their limits, and the rounds in which they take turns.

mod schemas;

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::bench::jobs::schemas::{SCHEMAS, schema_jobs};
use crate::bench::limits::{
    compressor, copy_and_sync, files_at, read_and_crc, settle, tar_and_compress,
};
use crate::bench::{BenchResult, JobRow, LogShape, Machine, Pace, Peer, Spread};
use crate::event::{Event, Observer};
use crate::model::IoError;
use crate::store::target::remove_tree;
use crate::store::{Format, StoreError};
use crate::vfs::{Clock, Fs};

/// Why measuring ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A log could not be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A job that is measured failed.
    #[error("`{job}` failed: {message}")]
    Job {
        /// The job.
        job: String,
        /// What it said.
        message: String,
    },
    /// An engine that is measured failed.
    #[error("{engine} failed: {message}")]
    Engine {
        /// The engine.
        engine: &'static str,
        /// What it said.
        message: String,
    },
    /// There is not room enough to measure.
    #[error("{} has not room enough to measure", path.display())]
    NoSpace {
        /// Where.
        path: PathBuf,
        /// Bytes that it may take.
        needed_bytes: u64,
        /// Bytes that are free.
        free_bytes: u64,
    },
    /// The operator stopped it.
    #[error("measuring was stopped")]
    Cancelled,
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct JobsOptions {
    /// Directory to work in; must exist. What is made there is removed at the end.
    pub dir: PathBuf,
    /// Rounds.
    pub rounds: u64,
    /// The logs.
    pub logs: Vec<LogShape>,
    /// The machine, as far as the caller knows it.
    pub machine: Machine,
    /// The program of `tests/interop`: what the Go libraries need for the same is measured too.
    pub go: Option<PathBuf>,
}

/// What one run of a command took.
#[derive(Clone, Debug, PartialEq)]
pub struct Launched {
    /// Wall time.
    pub elapsed: Duration,
    /// Peak memory of the process.
    pub rss_bytes: Option<u64>,
}

/// Runs a program (raftlog where none is named) with these arguments in a fresh process, its output
/// thrown away; the error is what it printed.
pub type Launch<'a> = dyn FnMut(Option<&Path>, &[OsString]) -> Result<Launched, String> + 'a;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    CopyAndSync,
    ReadAndCrc,
    TarAndCompress,
}

struct Job {
    name: &'static str,
    /// Who does it; raftlog where none is named.
    program: Option<PathBuf>,
    arguments: Vec<OsString>,
    source: PathBuf,
    target: Option<PathBuf>,
    limit: Limit,
    target_times_limit: Option<f64>,
    /// How many entries it must do in a second.
    target_entries_per_s: Option<f64>,
    /// The job of another program that does the same, and how many times as fast this one must be.
    peer: Option<(&'static str, Aim)>,
}

/// Largest payload for which it counts how many entries are done in a second.
const PACE_PAYLOAD_BYTES: usize = 128;

/// How many times as fast as its peer a job must be, with entries of 1 KiB or more, and smaller.
#[derive(Clone, Copy)]
struct Aim {
    large: f64,
    small: f64,
}

#[derive(Default)]
struct Measured {
    seconds: Vec<f64>,
    limit_seconds: Vec<f64>,
    rss_bytes: Option<u64>,
}

/// Makes each log, then measures every job and its limit once a round, in turn.
///
/// # Errors
/// When a log cannot be made, a job fails, or the observer breaks. What was made is removed.
pub fn run_jobs(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    options: &JobsOptions,
    launch: &mut Launch<'_>,
    observer: &mut dyn Observer,
) -> Result<BenchResult, Error> {
    let mut result = BenchResult {
        rounds: options.rounds,
        machine: options.machine.clone(),
        ..BenchResult::default()
    };
    for shape in &options.logs {
        let dir = options.dir.join("raftlog-bench");
        fs.create_dir(&dir).map_err(|source| IoError::new("create", &dir, source))?;
        let mut run = Run {
            fs,
            clock,
            dir: &dir,
            go: options.go.as_deref(),
            launch: &mut *launch,
            observer: &mut *observer,
        };
        let rows = run.measure(shape, options.rounds);
        remove_tree(fs.as_ref(), &dir)?;
        result.jobs.extend(rows?);
    }
    Ok(result)
}

struct Run<'a, 'l> {
    fs: &'a Arc<dyn Fs>,
    clock: &'a dyn Clock,
    dir: &'a Path,
    go: Option<&'a Path>,
    launch: &'a mut Launch<'l>,
    observer: &'a mut dyn Observer,
}

impl Run<'_, '_> {
    fn measure(&mut self, shape: &LogShape, rounds: u64) -> Result<Vec<JobRow>, Error> {
        self.tell(&Event::Noted { message: format!("making a log of {}", shape.words()) })?;
        shape.write(self.fs, Format::Redb, &self.dir.join("log.redb"))?;
        shape.write(self.fs, Format::FastLog, &self.dir.join("log.fastlog"))?;
        shape.write(self.fs, Format::BoltDb, &self.dir.join("log.boltdb"))?;
        shape.write(self.fs, Format::RaftWal, &self.dir.join("log.wal"))?;
        shape.write_etcd(self.fs, &self.dir.join("log.etcd"))?;
        for schema in SCHEMAS {
            shape.write_in(self.fs, schema.name, &schema.log(self.dir))?;
        }
        self.make_archive()?;
        let mut jobs = jobs_in(self.dir);
        jobs.extend(SCHEMAS.iter().flat_map(|schema| schema_jobs(schema, self.dir)));
        jobs.extend(boltdb_jobs(self.dir, self.go));
        jobs.extend(raft_wal_jobs(self.dir, self.go));
        jobs.extend(etcd_jobs(self.dir));
        let mut measured: Vec<Measured> = jobs.iter().map(|_| Measured::default()).collect();
        for round in 1..=rounds {
            for (job, measured) in jobs.iter().zip(&mut measured) {
                let message = format!("round {round} of {rounds}: {}", job.name);
                self.tell(&Event::Noted { message })?;
                self.once(job, measured)?;
            }
        }
        let peer_of = |job: &Job| {
            let (name, aim) = job.peer?;
            let at = jobs.iter().position(|other| other.name == name)?;
            let aim = if shape.payload_bytes < 1024 { aim.small } else { aim.large };
            Some((name, aim, measured.get(at)?))
        };
        jobs.iter()
            .zip(&measured)
            .map(|(job, own)| {
                let peer = peer_of(job).map(|(name, target, peer)| {
                    let times_faster = Spread::of_ratios(&peer.seconds, &own.seconds);
                    let met = times_faster.median >= target;
                    Peer { job: name.to_owned(), times_faster, target, met }
                });
                self.row(job, shape, own, peer)
            })
            .collect()
    }

    /// Makes what `restore` reads.
    fn make_archive(&mut self) -> Result<(), Error> {
        let (store, archive) = (self.dir.join("log.fastlog"), archive_in(self.dir));
        let arguments = ["backup".into(), store.into_os_string(), archive.into_os_string()];
        (self.launch)(None, &arguments)
            .map_err(|message| Error::Job { job: "backup".to_owned(), message })?;
        Ok(())
    }

    fn once(&mut self, job: &Job, measured: &mut Measured) -> Result<(), Error> {
        let scratch = self.dir.join("limit");
        let writing_bytes = match &job.target {
            Some(_) => files_at(self.fs.as_ref(), &job.source)?.iter().map(|(_, len)| len).sum(),
            None => 0,
        };
        settle(self.fs.as_ref(), &scratch, writing_bytes)?;
        if job.limit == Limit::ReadAndCrc {
            // Whoever reads first would read from the disk, and the other one from memory.
            std::hint::black_box(read_and_crc(self.fs.as_ref(), &job.source)?);
        }
        let launched = (self.launch)(job.program.as_deref(), &job.arguments)
            .map_err(|message| Error::Job { job: job.name.to_owned(), message })?;
        measured.seconds.push(launched.elapsed.as_secs_f64());
        measured.rss_bytes = measured.rss_bytes.max(launched.rss_bytes);
        if let Some(target) = &job.target {
            remove_tree(self.fs.as_ref(), target)?;
        }
        settle(self.fs.as_ref(), &scratch, writing_bytes)?;
        if job.limit == Limit::ReadAndCrc {
            // Whoever reads first would read from the disk, and the other one from memory.
            std::hint::black_box(read_and_crc(self.fs.as_ref(), &job.source)?);
        }
        let start = self.clock.monotonic();
        match job.limit {
            Limit::CopyAndSync => copy_and_sync(self.fs.as_ref(), &job.source, &scratch)?,
            Limit::ReadAndCrc => {
                std::hint::black_box(read_and_crc(self.fs.as_ref(), &job.source)?);
            }
            Limit::TarAndCompress => tar_and_compress(&job.source, &scratch, compressor())?,
        }
        let elapsed = self.clock.monotonic().saturating_sub(start);
        measured.limit_seconds.push(elapsed.as_secs_f64());
        remove_tree(self.fs.as_ref(), &scratch)?;
        Ok(())
    }

    fn row(
        &self,
        job: &Job,
        shape: &LogShape,
        measured: &Measured,
        peer: Option<Peer>,
    ) -> Result<JobRow, Error> {
        let times_limit = Spread::of_ratios(&measured.seconds, &measured.limit_seconds);
        let rounds = measured.seconds.len();
        let entries_per_s =
            Spread::of_ratios(&vec![shape.entries as f64; rounds], &measured.seconds);
        // How many larger ones are read in a second the disk decides.
        let small = shape.payload_bytes <= PACE_PAYLOAD_BYTES;
        let pace = job.target_entries_per_s.filter(|_| small).map(|target| {
            let met = entries_per_s.median >= target;
            Pace { entries_per_s, target, met }
        });
        let files = files_at(self.fs.as_ref(), &job.source)?;
        Ok(JobRow {
            job: job.name.to_owned(),
            log: shape.words(),
            entries: shape.entries,
            source_bytes: files.iter().map(|(_, size_bytes)| size_bytes).sum(),
            seconds: Spread::of(&measured.seconds),
            limit: limit_words(job),
            limit_seconds: Spread::of(&measured.limit_seconds),
            times_limit,
            target_times_limit: job.target_times_limit,
            met: job.target_times_limit.map(|target| times_limit.median <= target),
            pace,
            peer,
            rss_bytes: measured.rss_bytes,
        })
    }

    fn tell(&mut self, event: &Event) -> Result<(), Error> {
        match self.observer.on(event) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// What the limit does, and with the bytes of which file or directory.
fn limit_words(job: &Job) -> String {
    let name = job.source.file_name().unwrap_or_default().to_string_lossy();
    match job.limit {
        Limit::CopyAndSync => format!("copy and sync {name}"),
        Limit::ReadAndCrc => format!("read and CRC-32 {name}"),
        Limit::TarAndCompress => format!("tar {name} | {}", compressor()),
    }
}

fn archive_in(dir: &Path) -> PathBuf {
    dir.join("archive.tar.gz")
}

/// A job that only reads; the first path is its source.
fn job(name: &'static str, words: &[&str], paths: &[&Path], rest: &[&str]) -> Job {
    Job {
        name,
        program: None,
        arguments: words
            .iter()
            .map(OsString::from)
            .chain(paths.iter().map(|path| path.as_os_str().to_owned()))
            .chain(rest.iter().map(OsString::from))
            .collect(),
        source: paths.first().map(|path| path.to_path_buf()).unwrap_or_default(),
        target: None,
        limit: Limit::ReadAndCrc,
        target_times_limit: None,
        target_entries_per_s: None,
        peer: None,
    }
}

/// A job that writes `target`.
fn writes(job: Job, target: &Path, limit: Limit, target_times_limit: Option<f64>) -> Job {
    Job { target: Some(target.to_owned()), limit, target_times_limit, ..job }
}

/// The jobs and their limits.
fn jobs_in(dir: &Path) -> Vec<Job> {
    let redb = dir.join("log.redb");
    let fastlog = dir.join("log.fastlog");
    let archive = archive_in(dir);
    let scratch = dir.join("scratch");
    let entries = ["inspect", "--entries", "--format", "jsonl"];
    let verify = job("verify fastlog", &["verify"], &[&fastlog], &[]);
    let reopen = job("reopen fastlog with its index", &["inspect"], &[&fastlog], &[]);
    let forth =
        job("migrate redb to fastlog", &["migrate"], &[&redb, &scratch], &["--to", "fastlog"]);
    let back =
        job("migrate fastlog to redb", &["migrate"], &[&fastlog, &scratch], &["--to", "redb"]);
    let backup = job("backup fastlog", &["backup"], &[&fastlog, &scratch], &[]);
    let restore = job("restore fastlog", &["restore"], &[&archive, &scratch], &[]);
    vec![
        writes(forth, &scratch, Limit::CopyAndSync, Some(4.0)),
        writes(back, &scratch, Limit::CopyAndSync, None),
        job("verify redb", &["verify"], &[&redb], &[]),
        Job { target_times_limit: Some(1.0 / 0.7), ..verify },
        Job { target_times_limit: Some(2.0), ..reopen },
        job("inspect --entries redb", &entries, &[&redb], &[]),
        job("inspect --entries fastlog", &entries, &[&fastlog], &[]),
        writes(backup, &scratch, Limit::TarAndCompress, Some(1.0)),
        // Compared with copying what comes out of the archive, not the archive.
        Job { source: fastlog.clone(), ..writes(restore, &scratch, Limit::CopyAndSync, None) },
    ]
}

/// What is done with etcd's log: reading it is reading it once, with its checksums.
fn etcd_jobs(dir: &Path) -> Vec<Job> {
    let log = dir.join("log.etcd");
    let entries = ["inspect", "--entries", "--format", "jsonl"];
    let verify = job("verify etcd-wal", &["verify"], &[&log], &[]);
    vec![
        Job { target_times_limit: Some(1.0 / 0.7), ..verify },
        job("inspect --entries etcd-wal", &entries, &[&log], &[]),
    ]
}

/// What is done with a file of raft-boltdb, and what the Go libraries need for the same.
fn boltdb_jobs(dir: &Path, go: Option<&Path>) -> Vec<Job> {
    const GO_READ: &str = "Go: read boltdb";
    const GO_FAST: &str = "Go: boltdb to raft-fastlog";
    let log = dir.join("log.boltdb");
    let scratch = dir.join("scratch");
    let copies = |name, from: &Path, rest: &[&str]| {
        let migrate = job(name, &["migrate"], &[from, &scratch], rest);
        writes(migrate, &scratch, Limit::CopyAndSync, None)
    };
    let than = |peer, large, small, job| Job { peer: Some((peer, Aim { large, small })), ..job };
    let entries = ["inspect", "--entries", "--format", "jsonl"];
    let fast = ["--to", "raft-fastlog", "--allow-loss", "appended-at"];
    let mut jobs = vec![
        than(GO_READ, 4.0, 4.0, job("verify boltdb", &["verify"], &[&log], &[])),
        job("inspect --entries boltdb", &entries, &[&log], &[]),
        than(GO_FAST, 1.2, 2.5, copies("migrate boltdb to fastlog", &log, &["--to", "fastlog"])),
        than(GO_FAST, 1.2, 2.5, copies("migrate boltdb to raft-fastlog", &log, &fast)),
        copies("migrate boltdb to redb", &log, &["--to", "redb"]),
        copies("migrate redb to boltdb", &dir.join("log.redb"), &["--to", "boltdb"]),
    ];
    if let Some(go) = go {
        let read = job(GO_READ, &["read", "v2"], &[&log], &[]);
        let mut route = copies(GO_FAST, &log, &[]);
        route.arguments = ["route".into(), "v2".into(), log.clone().into_os_string()].into();
        route.arguments.extend(["fast-low".into(), scratch.clone().into_os_string()]);
        jobs.extend([read, route].map(|job| Job { program: Some(go.to_owned()), ..job }));
    }
    jobs
}

/// What is done with a directory of raft-wal, and what its library's own migration needs, which
/// compares nothing.
fn raft_wal_jobs(dir: &Path, go: Option<&Path>) -> Vec<Job> {
    const GO_WAL: &str = "Go: boltdb to raft-wal";
    let (bolt, wal) = (dir.join("log.boltdb"), dir.join("log.wal"));
    let scratch = dir.join("scratch");
    let copies = |name, from: &Path, to: &str| {
        let migrate = job(name, &["migrate"], &[from, &scratch], &["--to", to]);
        writes(migrate, &scratch, Limit::CopyAndSync, None)
    };
    let verify = job("verify raft-wal", &["verify"], &[&wal], &[]);
    let forth = copies("migrate boltdb to raft-wal", &bolt, "raft-wal");
    let entries = ["inspect", "--entries", "--format", "jsonl"];
    let mut jobs = vec![
        Job { target_times_limit: Some(1.0 / 0.7), ..verify },
        job("inspect --entries raft-wal", &entries, &[&wal], &[]),
        Job { peer: Some((GO_WAL, Aim { large: 1.2, small: 2.5 })), ..forth },
        copies("migrate raft-wal to boltdb", &wal, "boltdb"),
    ];
    if let Some(go) = go {
        let mut route = copies(GO_WAL, &bolt, "");
        route.arguments = ["migrate".into(), bolt.into_os_string()].into();
        route.arguments.push(scratch.into_os_string());
        jobs.push(Job { program: Some(go.to_owned()), ..route });
    }
    jobs
}
