//! The flags that many commands have.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::cli::quote::quoted;
use crate::cli::values;
use crate::model::GroupId;
use crate::report::{Color, progress};
use crate::store::codec::ValueCodec;
use crate::store::redb::schemas::{self, Schema};
use crate::store::{Reading, RedbSchema};

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<ColorWhen> for Color {
    fn from(when: ColorWhen) -> Color {
        match when {
            ColorWhen::Auto => Color::Auto,
            ColorWhen::Always => Color::Always,
            ColorWhen::Never => Color::Never,
        }
    }
}

/// The shape of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// A JSON object a line (inspect --entries, --records)
    Jsonl,
    /// Comma-separated values (inspect --entries, --records)
    Csv,
}

/// When progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressWhen {
    /// Bars on a terminal, a line every 10 s elsewhere
    Auto,
    /// A line every 10 s
    Plain,
    /// Never
    Never,
}

impl From<ProgressWhen> for progress::Mode {
    fn from(when: ProgressWhen) -> progress::Mode {
        match when {
            ProgressWhen::Auto => progress::Mode::Auto,
            ProgressWhen::Plain => progress::Mode::Plain,
            ProgressWhen::Never => progress::Mode::Never,
        }
    }
}

/// In which shape the result is printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// Shape of the result on stdout [default: text]
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    pub format: Option<Shape>,
    /// Short for --format json, or jsonl where the result is a stream
    #[arg(long)]
    pub json: bool,
}

/// What is told on stderr.
#[derive(Clone, Copy, Debug, Args)]
pub struct TellArgs {
    /// How progress is shown on stderr
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub progress: ProgressWhen,
    /// Only errors on stderr: no progress, notes or next steps
    #[arg(short, long, conflicts_with_all = ["verbose", "progress"])]
    pub quiet: bool,
    /// Also tell why a format was recognised, and how long it took
    #[arg(short, long)]
    pub verbose: bool,
}

/// How long to wait for a store that is in use.
#[derive(Clone, Copy, Debug, Args)]
pub struct LockArgs {
    /// Wait this long for a store that a live process uses: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = values::duration)]
    pub lock_timeout: Duration,
}

/// Which of two logs a raft-fastlog file stands for.
#[derive(Clone, Copy, Debug, Args)]
pub struct ReadingArgs {
    /// How a raft-fastlog file is read. meant: what was deleted is deleted. loader: what its own
    /// loader brings back after a restart is there
    #[arg(long, value_name = "READING", default_value = "meant")]
    #[arg(value_parser = values::words(&Reading::ALL, Reading::as_str))]
    pub reading: Reading,
}

/// The flags of [`RedbArgs`], in its order.
pub const REDB_FLAGS: [&str; 6] = [
    "--redb-schema",
    "--redb-logs-table",
    "--redb-conf-table",
    "--redb-codec",
    "--redb-group-pattern",
    "--redb-file-pattern",
];

/// Where the log lies in a redb file whose tables are not found by proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct RedbArgs {
    /// Schema of a redb file instead of the one found by proof; `raftlog formats` lists them
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = PossibleValuesParser::new(schemas::all().map(Schema::name)))]
    pub redb_schema: Option<String>,
    /// Table with the entries
    #[arg(long, value_name = "TABLE", conflicts_with = "redb_group_pattern")]
    pub redb_logs_table: Option<String>,
    /// Table with vote, term and other state; {} stands for the group
    #[arg(long, value_name = "TABLE")]
    pub redb_conf_table: Option<String>,
    /// Encoding of the entries
    #[arg(long, value_name = "CODEC")]
    #[arg(value_parser = values::words(&ValueCodec::ALL, ValueCodec::as_str))]
    pub redb_codec: Option<ValueCodec>,
    /// Names of the tables with the entries of each group, {} standing for the group: log-{}
    #[arg(long, value_name = "PATTERN")]
    pub redb_group_pattern: Option<String>,
    /// Names of the files of a directory that are a group each, {} standing for the group:
    /// group-{}.redb
    #[arg(long, value_name = "PATTERN", value_parser = values::file_pattern)]
    pub redb_file_pattern: Option<String>,
}

impl RedbArgs {
    /// The same once more, to stand behind a path on a command line.
    pub fn again(&self) -> String {
        let codec = self.redb_codec.map(|codec| codec.as_str().to_owned());
        let all = [
            &self.redb_schema,
            &self.redb_logs_table,
            &self.redb_conf_table,
            &codec,
            &self.redb_group_pattern,
            &self.redb_file_pattern,
        ];
        let all = REDB_FLAGS.into_iter().zip(all);
        let given = all.filter_map(|(flag, value)| Some((flag, value.as_deref()?)));
        given.map(|(flag, value)| format!(" {flag} {}", quoted(value.as_ref()))).collect()
    }

    /// What the operator told.
    pub fn told(&self) -> RedbSchema {
        RedbSchema {
            schema: self.redb_schema.clone(),
            logs_table: self.redb_logs_table.clone(),
            conf_table: self.redb_conf_table.clone(),
            codec: self.redb_codec,
            group_pattern: self.redb_group_pattern.clone(),
            file_pattern: self.redb_file_pattern.clone(),
        }
    }
}

/// Which group.
#[derive(Clone, Debug, Args)]
pub struct GroupArgs {
    /// Only the group of this name
    #[arg(long, value_name = "NAME", conflicts_with = "unnamed")]
    pub group: Option<String>,
    /// Only the unnamed group, where named ones stand beside it
    #[arg(long)]
    pub unnamed: bool,
}

impl GroupArgs {
    /// The group asked for.
    pub fn chosen(&self) -> Option<GroupId> {
        match &self.group {
            Some(name) => Some(GroupId::named(name)),
            None => self.unnamed.then_some(GroupId::Unnamed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RedbArgs;
    use crate::store::codec::ValueCodec;

    #[test]
    fn where_a_log_lies_is_told_again_as_it_was_told() {
        let told = RedbArgs {
            redb_logs_table: Some("my log".to_owned()),
            redb_codec: Some(ValueCodec::Raw),
            ..RedbArgs::default()
        };
        assert_eq!(told.again(), " --redb-logs-table 'my log' --redb-codec raw");
        assert_eq!(RedbArgs::default().again(), "");
    }
}
