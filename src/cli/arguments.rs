//! The command tree. Nothing here opens anything; a flag that a command does not use is not there.

mod bench;
mod cluster;
mod shared;
mod simulate;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand};

use crate::cli::{examples, values};
use crate::inspect::PayloadMode;
use crate::migrate::LossName;
use crate::model::{Code, Durability, EntryKind, Selection, TimeForm};
use crate::store::redb::schemas;
use crate::store::{Format, Level, RedbFormat};

pub use bench::Bench;
pub use cluster::{Compare, Runbook};
pub use shared::*;
pub use simulate::Simulate;

/// Shows, proves, backs up and converts Raft logs.
///
/// raftlog recognises a store by its content, never by its name. It never writes to a source, a
/// target appears whole or not at all, and whatever was copied was compared.
#[derive(Debug, Parser)]
#[command(name = "raftlog", version, disable_help_subcommand = true)]
#[command(arg_required_else_help = true, subcommand_required = true)]
#[command(after_long_help = examples::EXIT_CODES)]
pub struct Arguments {
    /// When to use colour (auto also obeys NO_COLOR and CLICOLOR_FORCE)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", display_order = 900)]
    pub color: ColorWhen,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A command with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what is in a store
    Inspect(Inspect),
    /// Prove that stores or backups are sound
    Verify(Verify),
    /// Copy a log into another format, and prove that nothing was lost
    Migrate(Migrate),
    /// Pack a store or a whole data directory into an archive, and read it back
    Backup(Backup),
    /// Verify an archive, then write its files into a new directory
    Restore(Restore),
    /// Compare two stores of any formats, entry by entry
    Diff(Diff),
    /// Show what a crash costs under each durability mode, tried on the shipped engine
    Simulate(Simulate),
    /// Compare the logs of a cluster's stopped nodes: where they part, who may lead
    Compare(Compare),
    /// Take everything that can still be proven out of a damaged store into a new one
    Repair(Repair),
    /// Print the script of a maintenance window: freeze, prove, convert, start, roll back
    Runbook(Runbook),
    /// Measure the jobs against what this machine can do
    Bench(Bench),
    /// List the formats that are recognised, read and written
    Formats(Formats),
    /// Say what a code, an exit name or a loss means and what to do
    Explain(Explain),
    /// Print the JSON Schema of what a command prints as JSON
    Schema(Schema),
    /// Print the completion script of a shell
    Completions(Completions),
    /// Write the manual pages into a directory
    Man(Man),
}

/// Where entries are not listed. The parser drops a requirement that conflicts with what is there,
/// so that requiring `--entries` alone would let these pass beside other selectors.
const NO_ENTRIES: [&str; 3] = ["records", "state", "stats"];

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::INSPECT)]
#[command(group = ArgGroup::new("selector").args(["entries", "state", "records", "stats"]))]
#[command(group = ArgGroup::new("stream").args(["entries", "records"]).multiple(true))]
pub struct Inspect {
    /// Store: a file, a store's directory, or a data directory
    pub path: PathBuf,
    /// List the entries, one a line
    #[arg(long)]
    pub entries: bool,
    /// Show HardState and every stable key, decoded and raw
    #[arg(long)]
    pub state: bool,
    /// List the records as they lie in the files, damaged and superseded ones included
    #[arg(long)]
    pub records: bool,
    /// Count entries by kind, term and size
    #[arg(long)]
    pub stats: bool,
    /// Which group.
    #[command(flatten)]
    pub group: GroupArgs,
    /// Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)
    #[arg(long, value_name = "RANGE", requires = "entries", conflicts_with_all = NO_ENTRIES)]
    pub index: Option<Selection>,
    /// Only these terms; ranges as for --index
    #[arg(long, value_name = "RANGE", requires = "entries", conflicts_with_all = NO_ENTRIES)]
    pub term: Option<Selection>,
    /// Only these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    #[arg(requires = "entries", conflicts_with_all = NO_ENTRIES)]
    #[arg(value_parser = values::words(&EntryKind::ALL, EntryKind::as_str))]
    pub kind: Vec<EntryKind>,
    /// At most this many lines
    #[arg(long, value_name = "N", requires = "stream", conflicts_with_all = ["state", "stats"])]
    pub limit: Option<u64>,
    /// Go on as a live process writes: entries once they are readable (fastlog, raft-wal, etcd-wal)
    #[arg(long, requires = "entries", conflicts_with_all = NO_ENTRIES)]
    pub follow: bool,
    /// How to show payloads [default: none]
    #[arg(long, value_name = "MODE", requires = "entries", conflicts_with_all = NO_ENTRIES)]
    #[arg(value_parser = values::words(&PayloadMode::ALL, PayloadMode::as_str))]
    pub payload: Option<PayloadMode>,
    /// Which log.
    #[command(flatten)]
    pub reading: ReadingArgs,
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

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::VERIFY)]
pub struct Verify {
    /// Stores, data directories or archives
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Which group.
    #[command(flatten)]
    pub group: GroupArgs,
    /// quick: structure and bounds. full: every checksum, entry and rule
    #[arg(long, value_name = "LEVEL", default_value = "full")]
    #[arg(value_parser = values::words(&values::LEVELS, values::level_word))]
    pub level: Level,
    /// Warnings count as findings: exit 1 instead of 3
    #[arg(long)]
    pub strict: bool,
    /// Leave out what lies beside the store: snapshots, leftovers, a second backend
    #[arg(long)]
    pub alone: bool,
    /// Which log.
    #[command(flatten)]
    pub reading: ReadingArgs,
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

/// Arguments of `migrate`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::MIGRATE)]
pub struct Migrate {
    /// Store to read; not with --group-of, which names what is read
    #[arg(value_name = "SRC", required_unless_present = "group_of")]
    pub source: Option<PathBuf>,
    /// Store to write; it must not exist yet
    #[arg(value_name = "DST", required_unless_present = "group_of")]
    pub target: Option<PathBuf>,
    /// Make each of these stores a group of DST, under the name in front of the first =
    #[arg(long, value_name = "NAME=PATH", num_args = 1..)]
    #[arg(conflicts_with_all = ["from", "group", "unnamed"])]
    pub group_of: Vec<OsString>,
    /// Format of SRC, instead of the one recognised
    #[arg(long, value_name = "FORMAT")]
    #[arg(value_parser = values::words(&Format::ALL, Format::as_str))]
    pub from: Option<Format>,
    /// Format of DST
    #[arg(long, value_name = "FORMAT")]
    #[arg(value_parser = values::words(&Format::ALL, Format::as_str))]
    pub to: Format,
    /// Which group.
    #[command(flatten)]
    pub group: GroupArgs,
    /// Check everything and print the plan, but write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Losses that are accepted
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    #[arg(value_parser = values::words(LossName::ALL, LossName::as_str))]
    pub allow_loss: Vec<LossName>,
    /// Broken rules that are accepted
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    #[arg(value_parser = values::words(&crate::migrate::ACCEPTABLE, Code::as_str))]
    pub accept: Vec<Code>,
    /// Level that a fastlog target opens with: -1 (low), 0 (mid), 1 (high)
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    #[arg(value_parser = values::durability())]
    pub durability: Option<Durability>,
    /// Schema of a redb target [default: the one that the log was read in, else raft-boltdb]. The
    /// other --redb-* flags say where the log lies in a redb source; where SRC is no redb file,
    /// --redb-schema means the target too
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = PossibleValuesParser::new(schemas::all().map(schemas::Schema::name)))]
    pub to_redb_schema: Option<String>,
    /// File format of a redb target: 2 for programs on redb 2, 3 for newer ones [default: as the
    /// log was read, else 3]
    #[arg(long, value_name = "VERSION")]
    #[arg(value_parser = values::words(&values::REDB_FORMATS, values::redb_format_word))]
    pub redb_format: Option<RedbFormat>,
    /// Form of the append times in a boltdb target: old for raft-boltdb 1 (Dkron) and Consul, new
    /// for Vault and OpenBao [default: as in the source]
    #[arg(long, value_name = "FORM")]
    #[arg(value_parser = values::words(&values::TIME_FORMS, values::time_form_word))]
    pub time_form: Option<TimeForm>,
    /// Replace what an interrupted run left behind, without asking
    #[arg(long)]
    pub yes: bool,
    /// Which log.
    #[command(flatten)]
    pub reading: ReadingArgs,
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

/// Arguments of `repair`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::REPAIR)]
pub struct Repair {
    /// Damaged store; it is only read
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// Store to write, of the same format; it must not exist yet
    #[arg(long, value_name = "NEW")]
    pub out: PathBuf,
    /// Say what would be in the result, but write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace what an interrupted run left behind, without asking
    #[arg(long)]
    pub yes: bool,
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

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::BACKUP)]
pub struct Backup {
    /// Store or data directory
    pub path: PathBuf,
    /// Archive to write; it must not exist yet. `-` for stdout
    pub dest: PathBuf,
    /// How hard to compress
    #[arg(long, value_name = "0..9", default_value_t = 6)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=9))]
    pub compression: u8,
    /// Check everything and print what would be packed, but write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace what an interrupted run left behind, without asking
    #[arg(long)]
    pub yes: bool,
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

/// Arguments of `restore`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::RESTORE)]
pub struct Restore {
    /// Archive to read. `-` for stdin
    pub archive: PathBuf,
    /// Directory to create
    pub dest: PathBuf,
    /// Verify the archive and print what would be written, but write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace what an interrupted run left behind, without asking
    #[arg(long)]
    pub yes: bool,
    /// Shape.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Stderr.
    #[command(flatten)]
    pub tell: TellArgs,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::DIFF)]
pub struct Diff {
    /// First store
    pub a: PathBuf,
    /// Second store
    pub b: PathBuf,
    /// Which group.
    #[command(flatten)]
    pub group: GroupArgs,
    /// Only these indexes: 100..200, ..200, 100.., 42, ~50 (the last 50)
    #[arg(long, value_name = "RANGE")]
    pub index: Option<Selection>,
    /// Fields to leave out: term, kind, payload, extensions, appended-at, snapshot, state,
    /// state:KEY
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Which log.
    #[command(flatten)]
    pub reading: ReadingArgs,
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

/// Arguments of `formats`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::FORMATS)]
pub struct Formats {
    /// Shape.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::EXPLAIN)]
pub struct Explain {
    /// A rule (R114), an exit name or number (locked, 11), or a loss (appended-at)
    #[arg(value_name = "CODE")]
    pub topic: String,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::SCHEMA)]
pub struct Schema {
    /// A command that prints JSON
    #[arg(value_name = "NAME", value_parser = crate::report::schema::NAMES)]
    pub name: String,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::COMPLETIONS)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    #[arg(value_parser = values::words(&Shell::ALL, Shell::as_str), action = ArgAction::Set)]
    pub shell: Shell,
}

/// A shell for which there are completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// elvish.
    Elvish,
    /// fish.
    Fish,
    /// PowerShell.
    Pwsh,
    /// zsh.
    Zsh,
}

impl Shell {
    /// Every shell.
    pub const ALL: [Shell; 5] = [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::Pwsh, Shell::Zsh];

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Shell::Bash => "bash",
            Shell::Elvish => "elvish",
            Shell::Fish => "fish",
            Shell::Pwsh => "powershell",
            Shell::Zsh => "zsh",
        }
    }
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(before_long_help = examples::MAN)]
pub struct Man {
    /// Directory; it is created if it does not exist
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}
