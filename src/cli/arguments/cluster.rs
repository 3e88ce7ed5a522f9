//! Commands about a whole cluster.

use std::path::PathBuf;

use clap::Args;

use crate::cli::arguments::{GroupArgs, LockArgs, OutputArgs, RedbArgs, TellArgs};
use crate::cli::{examples, values};
use crate::runbook;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::COMPARE)]
pub struct Compare {
    /// The nodes: stores or data directories, of any formats, every node once
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<PathBuf>,
    /// Which group.
    #[command(flatten)]
    pub group: GroupArgs,
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

/// Arguments of `runbook`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::RUNBOOK)]
pub struct Runbook {
    /// The procedure
    #[arg(value_name = "NAME")]
    #[arg(value_parser = values::words(&runbook::Name::ALL, runbook::Name::as_str))]
    pub name: runbook::Name,
    /// The nodes of the cluster, as NAME or NAME=DIR with the data directory [default: one node]
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub nodes: Vec<runbook::Node>,
    /// sh: the script. md: the script with its explanation [default: sh]
    #[arg(long, value_name = "SHAPE")]
    #[arg(value_parser = values::words(&runbook::Render::ALL, runbook::Render::as_str))]
    pub render: Option<runbook::Render>,
}
