//! What every error of the rooms means for an operator, and what to do next. The matches are
//! exhaustive, so that none lacks advice.

use std::error::Error as _;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::failure::{Context, Failure, Kind};
use crate::cli::quote::{quoted, quoted_path};
use crate::cli::values::time_form_word;
use crate::migrate::ACCEPTABLE;
use crate::model::{Code, Fault, Findings, GroupId, IoError, Severity};
use crate::report::{Exit, explain, words};
use crate::store::detect::NO_SUCH_PATH;
use crate::store::open::salvages;
use crate::store::{Choice, Format, StoreError};
use crate::vfs::{Fs, parent_of};
use crate::{backup, bench, compare, inspect, migrate, repair, simulate, verify};

/// What Linux says of a disk that cannot read or write.
const EIO: i32 = 5;

/// The directory of `path`, or the one in which it was to appear: what is partial is gone already.
fn outside_partial(path: &Path) -> &Path {
    let partial = path.ancestors().find(|above| above.extension().is_some_and(|e| e == "partial"));
    parent_of(partial.unwrap_or(path))
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
        "create" => quoted_path(parent_of(&error.path)),
        _ => quoted_path(&error.path),
    };
    let failure = match error.source.kind() {
        io::ErrorKind::NotFound => {
            failure.hint(format!("ls -la {}", quoted_path(outside_partial(&error.path))))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failure.hint(format!("df -h {}", quoted_path(outside_partial(&error.path))))
        }
        io::ErrorKind::ReadOnlyFilesystem => failure.hint(format!("findmnt -T {existing}")),
        io::ErrorKind::PermissionDenied => failure
            .hint(format!("ls -ld {existing}"))
            .hint("run as the user that owns it, or")
            .hint(format!("sudo {}", context.again(""))),
        _ if error.source.raw_os_error() == Some(EIO) => {
            failure.hint("dmesg | tail").hint("a failing disk says so there")
        }
        _ => failure.hint(format!("ls -ld {existing}")),
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

/// The command that takes out of a store what is left in it, where `findings` say that it is
/// damaged and its format is one that can be salvaged.
pub fn salvage_command(
    context: &Context,
    format: Option<&str>,
    findings: &Findings,
) -> Option<String> {
    let path = &context.path;
    let is_damage = |fault: &Fault| {
        let of_container = [Code::R115, Code::R116, Code::R119, Code::R120, Code::R122];
        of_container.contains(&fault.code) && fault.severity == Severity::Error
    };
    let mut formats = Format::ALL.into_iter().filter(|format| salvages(*format));
    if !formats.any(|can| Some(can.as_str()) == format) || !findings.kept().any(is_damage) {
        return None;
    }
    let mut out = path.as_os_str().to_owned();
    out.push(".repaired");
    let out = PathBuf::from(out);
    let (path, out) = (quoted_path(path), quoted_path(&out));
    Some(format!("raftlog repair {path} --out {out}{}", context.told()))
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
        StoreError::Stopped => Failure::cancelled(context.stopped),
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
                NO_SUCH_PATH => format!("ls -la {}", quoted_path(parent_of(&path))),
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
        StoreError::Ambiguous { path, what, candidates, by } => {
            let mut failure = Failure::new(Kind::Ambiguous, format!("{}: {what}", path.display()));
            failure.seen = at_most_twenty(candidates);
            let hint = match by {
                Choice::Table => context.again("--redb-logs-table TABLE"),
                Choice::Files(pattern) => {
                    context.again(&format!("--redb-file-pattern {}", quoted(OsStr::new(&pattern))))
                }
                Choice::Path => "give the path of the one you mean".to_owned(),
            };
            failure.hint(hint).docs(Exit::Refused.name())
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
    let has_parent = fs.metadata(parent_of(&context.path)).is_ok();
    let mut failure = of_store(error, context);
    if is_leftover {
        failure.hints =
            vec![context.again("--yes"), "or look at it first, and remove it".to_owned()];
    } else if failure.kind == Kind::NotFound && !has_parent {
        failure.hints = vec![format!("mkdir -p {}", quoted_path(parent_of(&context.path)))];
    } else if failure.kind == Kind::NotFound {
        failure.hints = vec![format!("ls -ld {}", quoted_path(parent_of(&context.path)))];
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

/// What `repair` said.
pub fn of_repair(error: repair::Error, context: &Context, stopped: Option<Exit>) -> Failure {
    let message = error.to_string();
    match error {
        repair::Error::Store(error) => of_store(error, context),
        repair::Error::Nothing { faults, format, .. } => {
            let mut failure = Failure::new(Kind::Damaged, message);
            failure.findings.extend(faults);
            if format == Format::EtcdWal {
                failure = failure.hint(
                    "etcd's data lie in member/snap/db: `etcdctl snapshot restore` with \
                     --skip-hash-check makes a new member of a copy of it",
                );
            }
            failure
                .hint("restore it from a backup, or let the node take its log from a peer")
                .docs(Exit::Findings.name())
        }
        repair::Error::Mismatch { set_aside, .. } => Failure::new(Kind::Mismatch, message)
            .hint(format!("what was written is kept in {}", quoted_path(&set_aside)))
            .docs(Exit::Mismatch.name()),
        repair::Error::Cancelled => Failure::cancelled(stopped),
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
            let from = outcome.migration.plan.from.as_str();
            let salvage = salvage_command(context, Some(from), &outcome.findings);
            let failure = salvage.into_iter().fold(failure, Failure::hint);
            let failure = failure.hint(context.on_path("verify")).docs(Exit::Findings.name());
            return (failure, Some(outcome));
        }
        migrate::Error::Unfit { outcome, .. } => {
            let failure = of_unfit(message, &outcome.migration.plan.groups, context);
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
        migrate::Error::TimeForm { wanted, outcome, .. } => {
            let flag = format!("--time-form {}", time_form_word(wanted));
            let failure = Failure::new(Kind::Refused, message).hint(context.again(&flag));
            return (failure.docs(Exit::Refused.name()), Some(outcome));
        }
        migrate::Error::SourceChanged { .. } => Failure::new(Kind::Locked, message)
            .hint("stop whatever writes there, then try again")
            .docs(Exit::Locked.name()),
        migrate::Error::Space { path, outcome, .. } => {
            let failure = Failure::new(Kind::NoSpace, message)
                .hint(format!("df -h {}", quoted_path(parent_of(&path))))
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

/// A log that the target cannot hold. One group may fit where several do not; which one is the
/// operator's to say.
fn of_unfit(message: String, groups: &[migrate::GroupPlan], context: &Context) -> Failure {
    let mut failure = Failure::new(Kind::Refused, message);
    if groups.len() > 1 {
        let each = groups.iter().map(|plan| format!("there is {}", words::group(&plan.group)));
        failure.seen = at_most_twenty(each.collect());
        failure = failure.hint(context.again("--group NAME"));
    }
    failure.hint("raftlog formats").hint(context.on_path("verify")).docs(Exit::Refused.name())
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
        bench::Error::NoSpace { needed_bytes, free_bytes, .. } => {
            let mut failure = Failure::new(Kind::NoSpace, message);
            failure.facts.push(("expected", format!("{} free", words::size(needed_bytes))));
            failure.facts.push(("found", words::size(free_bytes)));
            failure
                .hint("fewer --seconds, or another --dir")
                .hint(format!("df -h {}", quoted_path(&context.path)))
                .docs(Exit::Io.name())
        }
        bench::Error::Job { .. } | bench::Error::Engine { .. } => Failure::new(Kind::Io, message)
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
            .hint(format!("df -h {}", quoted_path(parent_of(&path))))
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

/// What `simulate` said.
pub fn of_simulation(error: simulate::Error) -> Failure {
    let message = error.to_string();
    match error {
        simulate::Error::NoSuchCase { .. } => Failure::new(Kind::Usage, message)
            .hint("repeat every flag that was printed with the case")
            .docs(Exit::Usage.name()),
    }
}

/// A topic that nothing is known of.
pub fn of_topic(topic: &str) -> Failure {
    let mut failure = Failure::new(Kind::NoSuchTopic, format!("{topic:?} is nothing to explain"));
    failure.seen = explain::list().lines().map(str::to_owned).collect();
    failure
}
