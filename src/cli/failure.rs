//! Why a command could not do what it was asked, as an operator needs it: what, where, expected,
//! found, next. The matches over the rooms' errors are exhaustive, so that none lacks advice.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::quote::{quoted, quoted_path};
use crate::migrate::ACCEPTABLE;
use crate::model::{Fault, Findings, GroupId, IoError, Place, Severity};
use crate::report::{ErrorNote, Exit, Paint, explain, findings, words};
use crate::store::StoreError;
use crate::store::detect::NO_SUCH_PATH;
use crate::vfs::Fs;
use crate::{backup, bench, compare, inspect, migrate, verify};

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
    fn without(&self, flag: &str) -> String {
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

    /// A command about the path.
    pub fn on_path(&self, command: &str) -> String {
        format!("raftlog {command} {}", quoted_path(&self.path))
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

/// A system error.
pub fn of_io(error: &IoError, context: &Context) -> Failure {
    let kind = match error.source.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoSpace,
        _ => Kind::Io,
    };
    let mut failure = Failure::new(kind, error.to_string());
    failure.causes.extend(causes(error));
    // What could not be created is not there to look at.
    let existing = match error.action {
        "create" => quoted_path(parent(&error.path)),
        _ => quoted_path(&error.path),
    };
    let failure = match error.source.kind() {
        io::ErrorKind::NotFound => {
            failure.hint(format!("ls -la {}", quoted_path(parent(&error.path))))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failure.hint(format!("df -h {}", quoted_path(parent(&error.path))))
        }
        io::ErrorKind::ReadOnlyFilesystem => failure.hint(format!("findmnt -T {existing}")),
        io::ErrorKind::PermissionDenied => failure
            .hint(format!("ls -ld {existing}; run as the user that owns it"))
            .hint(format!("sudo {}", context.again(""))),
        _ => failure.hint("dmesg | tail; a failing disk says so there"),
    };
    failure.docs(kind.exit().name())
}

fn causes(error: &IoError) -> Vec<String> {
    let mut causes = vec![error.source.to_string()];
    let mut next = error.source.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Damage that left nothing to go on with.
pub fn of_fault(fault: Fault, context: &Context) -> Failure {
    let file = match &fault.place {
        Some(place) => place.file.display().to_string(),
        None => context.path.display().to_string(),
    };
    let mut failure = Failure::new(Kind::Damaged, format!("{file}: {}", fault.kind));
    failure.place = fault.place.clone();
    failure.facts.extend(fault.kind.expected().map(|expected| ("expected", expected)));
    failure.facts.extend(fault.kind.found().map(|found| ("found", found)));
    failure.facts.push(("meaning", explain::risk(fault.code).to_owned()));
    let code = fault.code.as_str();
    failure.told = Some(fault);
    failure.hint("restore a backup, or let the node fetch its log from a peer").docs(code)
}

/// What the store room said.
pub fn of_store(error: StoreError, context: &Context) -> Failure {
    match error {
        StoreError::Io(error) => of_io(&error, context),
        StoreError::Fault(fault) => of_fault(*fault, context),
        StoreError::Locked { .. } => {
            let message = error.to_string();
            Failure::new(Kind::Locked, message)
                .hint(context.again("--lock-timeout 30s"))
                .hint("or stop the server first")
                .docs(Exit::Locked.name())
        }
        StoreError::NotFound { path, reason, seen } => {
            let mut failure = Failure::new(Kind::NotFound, format!("{}: {reason}", path.display()));
            failure.seen = at_most_twenty(seen);
            let told = |argument: &std::ffi::OsString| {
                let text = argument.to_string_lossy();
                text == "--from" || text.starts_with("--from=")
            };
            let hint = match reason.as_str() {
                NO_SUCH_PATH => format!("ls -la {}", quoted_path(parent(&path))),
                _ if context.arguments.iter().any(told) => context.without("--from"),
                _ => "raftlog formats".to_owned(),
            };
            failure.hint(hint).docs(Exit::NotFound.name())
        }
        StoreError::Unsupported { path, what, way_out } => {
            Failure::new(Kind::Unsupported, format!("{}: {what}", path.display()))
                .hint(way_out)
                .docs(Exit::Unsupported.name())
        }
        StoreError::Ambiguous { path, what, candidates } => {
            let mut failure = Failure::new(Kind::Ambiguous, format!("{}: {what}", path.display()));
            failure.seen = at_most_twenty(candidates);
            failure.hint("give the path of the one you mean").docs(Exit::Refused.name())
        }
        StoreError::Refused { path, what, way_out } => {
            Failure::new(Kind::Refused, format!("{}: {what}", path.display()))
                .hint(way_out)
                .docs(Exit::Refused.name())
        }
    }
}

/// A list that still leaves the error on the screen.
fn at_most_twenty(mut lines: Vec<String>) -> Vec<String> {
    const SHOWN: usize = 20;
    let more = lines.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.truncate(SHOWN);
        lines.push(format!("and {} more", words::grouped(more as u64)));
    }
    lines
}

/// What the store room said of a target that was to be written at `context`'s path.
pub fn of_target(error: StoreError, context: &Context, fs: &dyn Fs) -> Failure {
    let is_leftover = leftover(&error, &context.path).is_some();
    let has_parent = fs.metadata(parent(&context.path)).is_ok();
    let mut failure = of_store(error, context);
    if is_leftover {
        failure.hints =
            vec![context.again("--yes"), "or look at it first, and remove it".to_owned()];
    } else if failure.kind == Kind::NotFound && !has_parent {
        failure.hints = vec![format!("mkdir -p {}", quoted_path(parent(&context.path)))];
    } else if failure.kind == Kind::NotFound {
        failure.hints = vec![format!("ls -ld {}", quoted_path(parent(&context.path)))];
    }
    failure
}

/// The partial target that an interrupted run left, when that is why `error` refused.
pub fn leftover(error: &StoreError, target: &Path) -> Option<PathBuf> {
    let mut partial = target.as_os_str().to_owned();
    partial.push(".partial");
    match error {
        StoreError::Refused { path, .. } if path.as_os_str() == partial => Some(path.clone()),
        _ => None,
    }
}

/// A group that is not there.
fn of_group(message: String, present: &[GroupId], context: &Context) -> Failure {
    let mut failure = Failure::new(Kind::NoSuchGroup, message);
    let present = present.iter().map(|group| format!("there is {}", words::group(group)));
    failure.seen = at_most_twenty(present.collect());
    failure.hint(context.on_path("inspect")).docs(Exit::NotFound.name())
}

/// What `inspect` said.
pub fn of_inspect(error: inspect::Error, context: &Context, stopped: Option<Exit>) -> Failure {
    let message = error.to_string();
    match error {
        inspect::Error::Store(error) => of_store(error, context),
        inspect::Error::NoSuchGroup { present, .. } => of_group(message, &present, context),
        inspect::Error::Cancelled => Failure::cancelled(stopped),
    }
}

/// What `verify` said.
pub fn of_verify(error: verify::Error, context: &Context, stopped: Option<Exit>) -> Failure {
    let message = error.to_string();
    match error {
        verify::Error::Store(error) => of_store(error, context),
        verify::Error::NoSuchGroup { present, .. } => of_group(message, &present, context),
        verify::Error::Cancelled => Failure::cancelled(stopped),
    }
}

/// What `diff` said.
pub fn of_compare(error: compare::Error, context: &Context, stopped: Option<Exit>) -> Failure {
    let message = error.to_string();
    match error {
        compare::Error::Store(error) => of_store(error, context),
        compare::Error::NoSuchGroup { present, .. } => of_group(message, &present, context),
        compare::Error::NoSuchField { .. } => Failure::new(Kind::Usage, message).hint(
            "fields are term, kind, payload, extensions, appended-at, snapshot, state, state:KEY",
        ),
        compare::Error::Cancelled => Failure::cancelled(stopped),
    }
}

/// What `migrate` said, and the plan where there is one.
pub fn of_migrate(
    error: migrate::Error,
    context: &Context,
    stopped: Option<Exit>,
) -> (Failure, Option<Box<migrate::Outcome>>) {
    let message = error.to_string();
    let failure = match error {
        migrate::Error::Store(store) => of_store(store, context),
        migrate::Error::NoSuchGroup { present, .. } => of_group(message, &present, context),
        migrate::Error::Findings { outcome } => {
            let codes = acceptable_codes(&outcome.findings);
            let failure = Failure::new(Kind::Damaged, message);
            let failure = match codes {
                Some(codes) => failure.hint(context.again(&format!("--accept {codes}"))),
                None => failure.hint("migrate a sound copy: a backup, or the log of a peer"),
            };
            let failure = failure.hint(context.on_path("verify")).docs(Exit::Findings.name());
            return (failure, Some(outcome));
        }
        migrate::Error::Unfit { outcome, .. } => {
            let failure = Failure::new(Kind::Refused, message)
                .hint("raftlog formats")
                .hint(context.on_path("verify"))
                .docs(Exit::Refused.name());
            return (failure, Some(outcome));
        }
        migrate::Error::Refused { outcome, .. } => {
            let open: Vec<&str> = outcome
                .migration
                .plan
                .losses
                .iter()
                .filter(|loss| !loss.accepted)
                .map(|loss| loss.name.as_str())
                .collect();
            let failure = Failure::new(Kind::Loss, message)
                .hint(context.again(&format!("--allow-loss {}", open.join(","))))
                .docs(open.first().map_or(Exit::Refused.name(), |name| *name));
            return (failure, Some(outcome));
        }
        migrate::Error::SourceChanged { .. } => Failure::new(Kind::Locked, message)
            .hint("stop whatever writes there, then try again")
            .docs(Exit::Locked.name()),
        migrate::Error::Space { path, outcome, .. } => {
            let failure = Failure::new(Kind::NoSpace, message)
                .hint(format!("df -h {}", quoted_path(parent(&path))))
                .docs(Exit::Io.name());
            return (failure, Some(outcome));
        }
        migrate::Error::Mismatch { set_aside, .. } => Failure::new(Kind::Mismatch, message)
            .hint(format!(
                "the target was kept for a look: {}; the source is untouched",
                quoted_path(&set_aside)
            ))
            .hint("try again on another disk, and report it")
            .docs(Exit::Mismatch.name()),
        migrate::Error::Cancelled => Failure::cancelled(stopped),
    };
    (failure, None)
}

/// The codes to accept, when every error is one that may be accepted.
fn acceptable_codes(found: &Findings) -> Option<String> {
    let mut codes: Vec<&str> = Vec::new();
    for fault in found.kept().filter(|fault| fault.severity == Severity::Error) {
        if !ACCEPTABLE.contains(&fault.code) {
            return None;
        }
        if !codes.contains(&fault.code.as_str()) {
            codes.push(fault.code.as_str());
        }
    }
    (!codes.is_empty()).then(|| codes.join(","))
}

/// A failure of `bench`.
pub fn of_bench(error: bench::Error, context: &Context, stopped: Option<Exit>) -> Failure {
    let message = error.to_string();
    match error {
        bench::Error::Io(error) => of_io(&error, context),
        bench::Error::Store(error) => of_store(error, context),
        bench::Error::Job { .. } => Failure::new(Kind::Io, message)
            .hint(format!("df -h {}", quoted_path(&context.path)))
            .docs(Exit::Io.name()),
        bench::Error::Cancelled => Failure::cancelled(stopped),
    }
}

/// What `backup`, `restore` and the check of an archive said.
pub fn of_backup(error: backup::Error, context: &Context, stopped: Option<Exit>) -> Failure {
    let message = error.to_string();
    match error {
        backup::Error::Store(error) => of_store(error, context),
        backup::Error::Io(error) => of_io(&error, context),
        backup::Error::Name { .. } => Failure::new(Kind::Unsupported, message)
            .hint("rename the file, or leave it out of the data directory")
            .docs(Exit::Unsupported.name()),
        backup::Error::Changed { .. } => Failure::new(Kind::Locked, message)
            .hint("stop whatever writes there, then try again")
            .docs(Exit::Locked.name()),
        backup::Error::TooLarge { .. } => Failure::new(Kind::Unsupported, message)
            .hint("back the store up by itself, without what lies around it")
            .docs(Exit::Unsupported.name()),
        backup::Error::NoSpace { path, .. } => Failure::new(Kind::NoSpace, message)
            .hint(format!("df -h {}", quoted_path(parent(&path))))
            .docs(Exit::Io.name()),
        backup::Error::Damaged { path, findings } => {
            let mut failure = Failure::new(
                Kind::Damaged,
                format!("{}: the archive is not whole; nothing was written", path.display()),
            );
            failure.findings = findings;
            failure.hint("take another copy of the archive").docs(Exit::Findings.name())
        }
        backup::Error::Unsupported { .. } => Failure::new(Kind::Unsupported, message)
            .hint("use the raftlog that wrote it, or a newer one")
            .docs(Exit::Unsupported.name()),
        backup::Error::Mismatch { path, findings } => {
            let mut failure = Failure::new(
                Kind::Mismatch,
                format!("{} does not read back as it was written", path.display()),
            );
            failure.findings = findings;
            failure
                .hint("it was set aside for a look; try again on another disk, and report it")
                .docs(Exit::Mismatch.name())
        }
        backup::Error::Cancelled => Failure::cancelled(stopped),
    }
}

/// A topic that nothing is known of.
pub fn of_topic(topic: &str) -> Failure {
    let mut failure = Failure::new(Kind::NoSuchTopic, format!("{topic:?} is nothing to explain"));
    failure.seen = explain::list().lines().map(str::to_owned).collect();
    failure
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
        };
        assert_eq!(context.again("--yes"), "raftlog migrate 'a b.redb' --dry-run x --yes");
        assert_eq!(context.for_real(), "raftlog migrate 'a b.redb' x");
        assert_eq!(context.on_path("verify"), "raftlog verify 'a b.redb'");
        let waited = Context {
            arguments: ["verify", "--lock-timeout", "1s", "x", "--lock-timeout=2s"]
                .map(Into::into)
                .to_vec(),
            path: "x".into(),
        };
        assert_eq!(waited.again("--lock-timeout 30s"), "raftlog verify x --lock-timeout 30s");
    }
}
