//! The JSON that every command prints: one envelope, or a stream of lines.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Fault, Findings, GroupId, LogIndex, Place, Severity, Term};
use crate::report::{Exit, ExitNote};

/// The program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tool {
    /// `raftlog`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Tool {
    /// This program.
    pub const THIS: Tool = Tool { name: "raftlog", version: env!("CARGO_PKG_VERSION") };
}

/// What a command read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Source {
    /// The path as the operator gave it.
    pub path: String,
    /// Its format; null when it was not recognised.
    pub format: Option<String>,
    /// Why it is that format.
    pub evidence: Vec<String>,
    /// Whose data directory it is, or lies in.
    pub layout: Option<SourceLayout>,
    /// The files that belong to it.
    pub files: Vec<SourceFile>,
}

impl Source {
    /// A source of which nothing but the path is known.
    pub fn unknown(path: String) -> Source {
        Source { path, format: None, evidence: Vec::new(), layout: None, files: Vec::new() }
    }

    /// Size of all its files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size_bytes))
    }
}

/// A recognised data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceLayout {
    /// Whose.
    pub product: String,
    /// Which node's, where the directory says so, or a membership of one server.
    pub node: Option<String>,
    /// When its server opens this store; null where no known server does.
    pub opened: Option<String>,
}

/// A file of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceFile {
    /// Its path.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The rule, for `raftlog explain`.
    pub code: crate::model::Code,
    /// How grave it is here.
    pub severity: Severity,
    /// What is wrong, one line.
    pub message: String,
    /// The group's name; null for the unnamed one, and where none is concerned.
    pub group: Option<GroupId>,
    /// The index concerned.
    pub index: Option<LogIndex>,
    /// The term concerned.
    pub term: Option<Term>,
    /// Where in which file.
    pub place: Option<Place>,
    /// What should have been there.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// A command that says more.
    pub hint: Option<String>,
}

impl From<&Fault> for Finding {
    fn from(fault: &Fault) -> Finding {
        Finding {
            code: fault.code,
            severity: fault.severity,
            message: fault.kind.to_string(),
            group: fault.group.clone(),
            index: fault.index,
            term: fault.term,
            place: fault.place.clone(),
            expected: fault.kind.expected(),
            found: fault.kind.found(),
            hint: Some(format!("raftlog explain {}", fault.code)),
        }
    }
}

/// How many findings there were, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// All findings; at most 1,000 of each code are listed.
    pub findings_total: u64,
    /// Those that are errors.
    pub errors: u64,
    /// Those that are warnings.
    pub warnings: u64,
    /// Those that are only worth knowing.
    pub infos: u64,
    /// Time from the start of the program.
    pub elapsed_ms: u64,
}

impl Summary {
    /// The counts of `findings`.
    pub fn of(findings: &Findings, elapsed_ms: u64) -> Summary {
        Summary {
            findings_total: findings.total(),
            errors: findings.errors(),
            warnings: findings.warnings(),
            infos: findings.infos(),
            elapsed_ms,
        }
    }
}

/// Why a command could not finish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorNote {
    /// What kind of failure, in a word or two joined by dashes.
    pub kind: String,
    /// One line.
    pub message: String,
    /// What led to it, the nearest first.
    pub causes: Vec<String>,
    /// What was looked at, or may be chosen, a line each.
    pub seen: Vec<String>,
    /// What to do next; often a command.
    pub hint: Option<String>,
    /// Where in which file.
    pub place: Option<Place>,
}

/// What a command prints with `--format json`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Envelope<R, S = Summary, F = Finding> {
    /// `raftlog.<command>/<major>`: fields may be added inside a major, never renamed.
    pub schema: String,
    /// Who printed it.
    pub tool: Tool,
    /// The command.
    pub command: &'static str,
    /// What was read; null where there are several sources, or none.
    pub source: Option<Source>,
    /// What was read, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<Source>>,
    /// The answer; null when there is none.
    pub result: Option<R>,
    /// Counts.
    pub summary: S,
    /// What was found, sorted by file, offset, index.
    pub findings: Vec<F>,
    /// Why the command could not finish; null when it did.
    pub error: Option<ErrorNote>,
    /// How the program ends.
    #[serde(flatten)]
    pub exit: ExitNote,
}

/// What a command read: one thing, several, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sources {
    /// Nothing.
    #[default]
    None,
    /// One thing.
    One(Source),
    /// Several things.
    Many(Vec<Source>),
}

impl<R> Envelope<R> {
    /// The envelope of `command`.
    pub fn new(
        command: &'static str,
        sources: Sources,
        result: Option<R>,
        findings: Findings,
        error: Option<ErrorNote>,
        exit: Exit,
        elapsed_ms: u64,
    ) -> Envelope<R> {
        let summary = Summary::of(&findings, elapsed_ms);
        let (source, sources) = match sources {
            Sources::None => (None, None),
            Sources::One(source) => (Some(source), None),
            Sources::Many(sources) => (None, Some(sources)),
        };
        Envelope {
            schema: format!("raftlog.{command}/1"),
            tool: Tool::THIS,
            command,
            source,
            sources,
            result,
            summary,
            findings: findings.into_sorted().iter().map(Finding::from).collect(),
            error,
            exit: exit.into(),
        }
    }
}

/// First line of a stream.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "source")]
pub struct SourceLine {
    /// What is read.
    #[serde(flatten)]
    pub source: Source,
}

/// A finding as a line of a stream, at its place.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "finding")]
pub struct FindingLine {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Last line of a stream.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "summary")]
pub struct SummaryLine {
    /// Lines of entries or records.
    pub items: u64,
    /// Counts.
    #[serde(flatten)]
    pub summary: Summary,
    /// Why the command could not finish; null when it did.
    pub error: Option<ErrorNote>,
    /// How the program ends.
    #[serde(flatten)]
    pub exit: ExitNote,
}

/// A value as one line of JSON, newline included.
pub fn line<T: Serialize>(value: &T, buffer: &mut Vec<u8>) {
    let before = buffer.len();
    // Nothing that prints has a key that is not text, and a vector takes every byte.
    if serde_json::to_writer(&mut *buffer, value).is_err() {
        buffer.truncate(before);
        return;
    }
    buffer.push(b'\n');
}

/// A value as indented JSON, newline included.
pub fn document<T: Serialize>(value: &T) -> String {
    // As above: our own types always serialise.
    serde_json::to_string_pretty(value).map_or_else(|_| String::new(), |text| text + "\n")
}
