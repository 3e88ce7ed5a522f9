//! Why a command could not do what it was asked, as an operator needs it: what, where, expected,
//! found, next.

use std::path::PathBuf;

use crate::cli::arguments::REDB_FLAGS;
use crate::cli::quote::{quoted, quoted_path};
use crate::model::{Fault, Findings, Place};
use crate::report::{ErrorNote, Exit, Paint, findings, words};

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Flags that do not go together.
    Usage,
    /// No such path, or nothing known there.
    NotFound,
    /// No such group in the store.
    NoSuchGroup,
    /// Nothing of this name can be explained.
    NoSuchTopic,
    /// A live process uses the store.
    Locked,
    /// More than one candidate.
    Ambiguous,
    /// A safeguard.
    Refused,
    /// Losses that were not accepted.
    Loss,
    /// Damage, or a broken rule.
    Damaged,
    /// What we wrote is not what we read.
    Mismatch,
    /// The system refused to read or write.
    Io,
    /// The disk is full.
    NoSpace,
    /// Version or feature not supported.
    Unsupported,
    /// A bug.
    Internal,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
}

impl Kind {
    /// Every kind.
    #[cfg(test)]
    pub const ALL: [Kind; 16] = [
        Kind::Usage,
        Kind::NotFound,
        Kind::NoSuchGroup,
        Kind::NoSuchTopic,
        Kind::Locked,
        Kind::Ambiguous,
        Kind::Refused,
        Kind::Loss,
        Kind::Damaged,
        Kind::Mismatch,
        Kind::Io,
        Kind::NoSpace,
        Kind::Unsupported,
        Kind::Internal,
        Kind::Interrupted,
        Kind::Terminated,
    ];

    /// How the program ends.
    pub fn exit(self) -> Exit {
        match self {
            Kind::Usage => Exit::Usage,
            Kind::NotFound | Kind::NoSuchGroup | Kind::NoSuchTopic => Exit::NotFound,
            Kind::Locked => Exit::Locked,
            Kind::Ambiguous | Kind::Refused | Kind::Loss => Exit::Refused,
            Kind::Damaged => Exit::Findings,
            Kind::Mismatch => Exit::Mismatch,
            Kind::Io | Kind::NoSpace => Exit::Io,
            Kind::Unsupported => Exit::Unsupported,
            Kind::Internal => Exit::Internal,
            Kind::Interrupted => Exit::Interrupted,
            Kind::Terminated => Exit::Terminated,
        }
    }

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::NotFound => "not-found",
            Kind::NoSuchGroup => "no-such-group",
            Kind::NoSuchTopic => "no-such-topic",
            Kind::Locked => "locked",
            Kind::Ambiguous => "ambiguous",
            Kind::Refused => "refused",
            Kind::Loss => "loss",
            Kind::Damaged => "damaged",
            Kind::Mismatch => "mismatch",
            Kind::Io => "io",
            Kind::NoSpace => "no-space",
            Kind::Unsupported => "unsupported",
            Kind::Internal => "internal",
            Kind::Interrupted => "interrupted",
            Kind::Terminated => "terminated",
        }
    }
}

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// One sentence.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
    /// `expected`, `found`, `meaning`, where they apply.
    pub facts: Vec<(&'static str, String)>,
    /// What led to it, the nearest first.
    pub causes: Vec<String>,
    /// What was looked at, or may be chosen: a line each.
    pub seen: Vec<String>,
    /// What to do next, the most useful first.
    pub hints: Vec<String>,
    /// For `raftlog explain`.
    pub docs: Option<String>,
    /// What was found in the data, as findings of their own.
    pub findings: Findings,
    /// The fault that the sentence tells already; JSON has it among the findings.
    pub told: Option<Fault>,
}

/// What a failure's advice is made of: the command line, and the path that it is about.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The arguments after `raftlog`.
    pub arguments: Vec<std::ffi::OsString>,
    /// The path that the command was given first.
    pub path: PathBuf,
    /// How the program ends, where it was told to stop by then.
    pub stopped: Option<Exit>,
}

impl Context {
    /// The command line again, with `more` at its end, and with one `--lock-timeout` at most. A
    /// dry run stays one: a hint never does more than was asked for.
    pub fn again(&self, more: &str) -> String {
        let line = match more.starts_with("--lock-timeout") {
            true => self.without("--lock-timeout"),
            false => self.without(""),
        };
        if more.is_empty() { line } else { format!("{line} {more}") }
    }

    /// The command line again, without its `--dry-run`.
    pub fn for_real(&self) -> String {
        let arguments = self.arguments.iter().filter(|argument| *argument != "--dry-run");
        Context { arguments: arguments.cloned().collect(), ..self.clone() }.without("")
    }

    /// The command line again, without `flag` and its value.
    pub fn without(&self, flag: &str) -> String {
        let mut line = String::from("raftlog");
        let mut arguments = self.arguments.iter();
        let with_value = format!("{flag}=");
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy();
            if !flag.is_empty() && text == flag {
                arguments.next();
            } else if flag.is_empty() || !text.starts_with(&with_value) {
                line.push(' ');
                line.push_str(&quoted(argument));
            }
        }
        line
    }

    /// A command about the path, with what was told of it.
    pub fn on_path(&self, command: &str) -> String {
        format!("raftlog {command} {}{}", quoted_path(&self.path), self.told())
    }

    /// What the command line tells of where a log lies in a redb file, to stand behind a path.
    pub fn told(&self) -> String {
        let mut told = String::new();
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy();
            let flag = text.split_once('=').map_or(&*text, |(flag, _)| flag);
            if !REDB_FLAGS.contains(&flag) {
                continue;
            }
            told.push_str(&format!(" {}", quoted(argument)));
            if flag == text {
                let value = arguments.next().map(|value| quoted(value));
                told.extend(value.map(|value| format!(" {value}")));
            }
        }
        told
    }
}

impl Failure {
    /// A failure with nothing but its sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure {
            kind,
            message: message.into(),
            place: None,
            facts: Vec::new(),
            causes: Vec::new(),
            seen: Vec::new(),
            hints: Vec::new(),
            docs: None,
            findings: Findings::default(),
            told: None,
        }
    }

    /// The same with advice.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// The same with what `explain` knows.
    pub fn docs(mut self, topic: impl Into<String>) -> Failure {
        self.docs = Some(topic.into());
        self
    }

    /// Stopped by a signal that ends with `exit`.
    pub fn cancelled(exit: Option<Exit>) -> Failure {
        let kind = match exit {
            Some(Exit::Terminated) => Kind::Terminated,
            _ => Kind::Interrupted,
        };
        Failure::new(kind, "stopped; nothing was changed, and nothing unfinished was left")
    }

    /// As JSON has it.
    pub fn note(&self) -> ErrorNote {
        ErrorNote {
            kind: self.kind.as_str().to_owned(),
            message: self.message.clone(),
            causes: self.causes.clone(),
            seen: self.seen.clone(),
            hint: self.hints.first().cloned(),
            place: self.place.clone(),
        }
    }

    /// As stderr has it.
    pub fn text(&self, paint: Paint) -> String {
        let mut text = format!("{} {}\n", paint.bad("error:"), words::harmless(&self.message));
        let mut fact = |label: &str, value: &str| {
            text.push_str(&format!("  {:<9} {}\n", format!("{label}:"), words::harmless(value)));
        };
        if let Some(place) = &self.place {
            let bytes = words::count(place.len_bytes, "byte", "bytes");
            fact("place", &format!("offset {}, {bytes}", words::grouped(place.offset_bytes)));
        }
        for (label, value) in &self.facts {
            fact(label, value);
        }
        for seen in &self.seen {
            text.push_str(&format!("  {}\n", words::harmless(seen)));
        }
        text.push_str(&findings::text(&self.findings, paint));
        for cause in &self.causes {
            text.push_str(&format!("cause: {}\n", words::harmless(cause)));
        }
        for hint in &self.hints {
            text.push_str(&format!("{} {}\n", paint.strong("hint:"), words::harmless(hint)));
        }
        if let Some(topic) = &self.docs {
            text.push_str(&format!("docs: raftlog explain {topic}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_word_and_a_frozen_exit() {
        let all: Vec<(&str, u8)> =
            Kind::ALL.iter().map(|kind| (kind.as_str(), kind.exit().code())).collect();
        assert_eq!(
            all,
            [
                ("usage", 2),
                ("not-found", 10),
                ("no-such-group", 10),
                ("no-such-topic", 10),
                ("locked", 11),
                ("ambiguous", 12),
                ("refused", 12),
                ("loss", 12),
                ("damaged", 1),
                ("mismatch", 13),
                ("io", 14),
                ("no-space", 14),
                ("unsupported", 15),
                ("internal", 70),
                ("interrupted", 130),
                ("terminated", 143),
            ]
        );
    }

    #[test]
    fn the_command_line_comes_back_quoted_and_a_dry_run_stays_one() {
        let context = Context {
            arguments: ["migrate", "a b.redb", "--dry-run", "x"].map(Into::into).to_vec(),
            path: "a b.redb".into(),
            ..Context::default()
        };
        assert_eq!(context.again("--yes"), "raftlog migrate 'a b.redb' --dry-run x --yes");
        assert_eq!(context.for_real(), "raftlog migrate 'a b.redb' x");
        assert_eq!(context.on_path("verify"), "raftlog verify 'a b.redb'");
        let told = Context {
            arguments: ["verify", "--redb-codec=raw", "x", "--redb-logs-table", "my log", "-q"]
                .map(Into::into)
                .to_vec(),
            path: "x".into(),
            ..Context::default()
        };
        let wanted = "raftlog inspect x --redb-codec=raw --redb-logs-table 'my log'";
        assert_eq!(told.on_path("inspect"), wanted);
        let waited = Context {
            arguments: ["verify", "--lock-timeout", "1s", "x", "--lock-timeout=2s"]
                .map(Into::into)
                .to_vec(),
            path: "x".into(),
            ..Context::default()
        };
        assert_eq!(waited.again("--lock-timeout 30s"), "raftlog verify x --lock-timeout 30s");
    }
}
