use std::path::PathBuf;

use clap::Args;

use crate::cli::arguments::{LockArgs, OutputArgs, RedbArgs, TellArgs};
use crate::cli::simulate::{Disk, FlushList, Points, seed};
use crate::cli::{examples, values};
use crate::model::Durability;
use crate::simulate::{Case, Engine, Order, StepList};
use crate::vfs::sim::{Profile, Seed, Torn};

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::SIMULATE)]
pub struct Simulate {
    /// A store whose groups, sizes and terms shape the workload; it is only read
    pub path: Option<PathBuf>,
    /// The log under test: ours, or tidwall/raft-fastlog's file under its own library's rules
    #[arg(long, value_name = "ENGINE", default_value = "fastlog")]
    #[arg(value_parser = values::words(&Engine::ALL, Engine::as_str))]
    pub engine: Engine,
    /// Levels to try: -1 (low), 0 (mid), 1 (high) [default: all]
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', allow_negative_numbers = true)]
    #[arg(allow_hyphen_values = true, value_parser = values::durability())]
    pub durability: Vec<Durability>,
    /// Strategies to try [default: both]
    #[arg(long, value_name = "STRATEGY", value_delimiter = ',')]
    #[arg(value_parser = values::words(&Order::ALL, Order::as_str))]
    pub strategy: Vec<Order>,
    /// Flush policies to try: immediate, batch:ENTRIES,MS [default: immediate,batch:8,20]
    #[arg(long, value_name = "POLICY")]
    pub flush: Option<FlushList>,
    /// What the workload is made from, hexadecimal
    #[arg(long, value_name = "HEX", default_value = "7f3a", value_parser = seed)]
    #[arg(conflicts_with = "replay")]
    pub seed: Seed,
    /// What the file system may do with unsynced writes [default: strict-posix]
    #[arg(long, value_name = "PROFILE", value_delimiter = ',')]
    #[arg(value_parser = values::words(&Profile::ALL, Profile::as_str))]
    pub profile: Vec<Profile>,
    /// How finely a crash may mix two versions of a page
    #[arg(long, value_name = "HOW", default_value = "sectors")]
    #[arg(value_parser = values::words(&values::TORN, Torn::as_str))]
    pub torn: Torn,
    /// How long the modelled disk takes: nvme, ssd, hdd, WRITE_US,SYNC_US, or measured, as that
    /// under --dir does [default there: the current directory]
    #[arg(long, value_name = "DISK", default_value = "nvme")]
    pub disk: Disk,
    /// Steps of the workload
    #[arg(long, value_name = "N", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u16).range(2..=10_000))]
    pub steps: u16,
    /// Moments tried of each mode, spread evenly: a number, or all
    #[arg(long, value_name = "N", default_value = "all")]
    pub points: Points,
    /// Images drawn of a moment that has more than eight times as many
    #[arg(long, value_name = "N", default_value_t = crate::simulate::IMAGES)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub images: u64,
    /// Do not take for granted that a write that is cut off leaves bytes outside its range alone;
    /// what breaks then is told and fails nothing
    #[arg(long)]
    pub no_psow: bool,
    /// Cut the power of N nodes with the same log at the same moment, too [default: 3]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "3")]
    #[arg(require_equals = true, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub cluster: Option<u32>,
    /// Leave steps of the workload out, by their numbers from 0: 3,7-9
    #[arg(long, value_name = "LIST")]
    pub without: Option<StepList>,
    /// Cut longer payloads to so many bytes
    #[arg(long, value_name = "BYTES")]
    pub payload_max: Option<u32>,
    /// Instead, kill N real processes that write to a directory
    #[arg(long, value_name = "N", requires = "dir", conflicts_with_all = ["replay", "report"])]
    #[arg(conflicts_with_all = ["path", "cluster"])]
    pub process: Option<u64>,
    /// The directory for them, which must be empty or not there; or that is measured
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The work of such a process, from an operation on
    #[arg(long, value_name = "N", hide = true, requires = "dir")]
    pub child: Option<usize>,
    /// Leave out calls that fail and damage at rest
    #[arg(long)]
    pub no_faults: bool,
    /// Write the result as a page into a new file as well
    #[arg(long, value_name = "FILE.html", conflicts_with = "replay")]
    pub report: Option<PathBuf>,
    /// Try one case again, with the flags that were printed with it
    #[arg(long, value_name = "CASE")]
    pub replay: Option<Case>,
    /// Write what the crash of the case left into a new directory, as real files
    #[arg(long, value_name = "DIR", requires = "replay")]
    pub keep: Option<PathBuf>,
    /// Hazards count as findings: exit 1
    #[arg(long)]
    pub strict: bool,
    /// Where the log lies in a redb file.
    #[command(flatten)]
    pub redb: RedbArgs,
    /// How long to wait.
    #[command(flatten)]
    pub lock: LockArgs,
    /// Shape.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Stderr.
    #[command(flatten)]
    pub tell: TellArgs,
}
