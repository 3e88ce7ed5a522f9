use std::path::PathBuf;

use clap::Args;

use crate::bench::cell::{Cell, Engine, ValueBytes, Workload};
use crate::bench::{LogShape, Strategy};
use crate::cli::arguments::{OutputArgs, TellArgs};
use crate::cli::{examples, values};
use crate::model::Durability;

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::BENCH)]
pub struct Bench {
    /// Workloads [default: a tour of two minutes through all of them; who chooses gets all of it]
    #[arg(long, value_name = "W", value_delimiter = ',', conflicts_with = "jobs")]
    #[arg(value_parser = values::words(Workload::ALL, Workload::as_str))]
    pub workload: Vec<Workload>,
    /// Engines; limit and limit-direct are the machine itself [default: all that were built in]
    #[arg(long, value_name = "E", value_delimiter = ',', conflicts_with = "jobs")]
    #[arg(value_parser = values::words(Engine::ALL, Engine::as_str))]
    pub engine: Vec<Engine>,
    /// Sizes of a value: 128, 4KiB, 1MiB [default: as each workload has them]
    #[arg(long, value_name = "SIZE", value_delimiter = ',', conflicts_with = "jobs")]
    pub value_size: Vec<ValueBytes>,
    /// Levels: -1 (low), 0 (mid), 1 (high) [default: as each workload has them]
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', conflicts_with = "jobs")]
    #[arg(allow_hyphen_values = true, value_parser = values::durability())]
    pub durability: Vec<Durability>,
    /// Strategies of FastLog: disk-first, mem-first
    #[arg(long, value_name = "S", value_delimiter = ',', conflicts_with = "jobs")]
    #[arg(value_parser = values::words(&Strategy::ALL, Strategy::as_str))]
    pub strategy: Vec<Strategy>,
    /// Flush policies of FastLog: immediate, batch, batch:ENTRIES,MS
    #[arg(long, value_name = "P", conflicts_with = "jobs", value_parser = values::flushes)]
    pub flush: Option<values::Flushes>,
    /// Measure migrate, verify, inspect, backup and restore instead, each against its limit
    #[arg(long)]
    pub jobs: bool,
    /// Rounds; everything that is compared takes turns once a round
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100))]
    pub rounds: u64,
    /// Seconds that each engine is measured in each round [default: 0.15]
    #[arg(long, value_name = "S", conflicts_with = "jobs", value_parser = values::seconds)]
    pub seconds: Option<f64>,
    /// Logs that workload G opens and --jobs work on, as ENTRIESxSIZE [default: 1048576x1KiB, on
    /// the tour 262144x1KiB, with --jobs also 1000000x128]
    #[arg(long, value_name = "LOG", value_delimiter = ',')]
    pub log: Vec<LogShape>,
    /// With --jobs: the built program of tests/interop, to measure what the Go libraries need for
    /// the same
    #[arg(long, value_name = "PROGRAM", requires = "jobs")]
    pub go: Option<PathBuf>,
    /// Directory to work in; what is made there is removed
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Also write the result as a page with charts; FILE must not exist yet
    #[arg(long, value_name = "FILE", conflicts_with = "jobs")]
    pub report: Option<PathBuf>,
    /// Measure this one cell, in --dir, which must be empty: for the processes that bench starts,
    /// and to look at one of them with a profiler
    #[arg(long, value_name = "CELL", hide = true, conflicts_with_all = NOT_BESIDE_A_CELL)]
    pub cell: Option<Cell>,
    /// Shape.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Stderr.
    #[command(flatten)]
    pub tell: TellArgs,
}

/// What chooses cells, and is not said beside one.
const NOT_BESIDE_A_CELL: [&str; 9] = [
    "jobs",
    "workload",
    "engine",
    "value_size",
    "durability",
    "strategy",
    "flush",
    "seconds",
    "report",
];
