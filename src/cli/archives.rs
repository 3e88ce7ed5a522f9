//! `backup` and `restore`.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;

use crate::backup::{
    self, BackupOptions, BackupResult, Compression, Destination, RestoreOptions, RestoreResult,
    Verdict,
};
use crate::cli::advice;
use crate::cli::arguments::{Backup, Restore, Shape};
use crate::cli::failure::{Failure, Kind};
use crate::cli::quote::quoted_path;
use crate::cli::session::{Answer, Session, exit_of, is_locked, source_of, unknown_source, usage};
use crate::event::Observer;
use crate::model::IoError;
use crate::report::output::tell;
use crate::report::{Exit, Sources, archive};
use crate::store::{Level, OpenOptions, Opened, StoreError};
use crate::verify;
use crate::vfs::Clock;

/// Runs `backup`.
pub fn backup(session: &Session, arguments: &Backup) -> Exit {
    let is_stream = arguments.dest.as_os_str() == "-";
    let shape = match arguments.output.single("backup") {
        Ok(Shape::Json) if is_stream => {
            let message = "the archive itself goes to stdout, so JSON has nowhere to go";
            let failure = Failure::new(Kind::Usage, message)
                .hint("leave --json out; the digest is told on stderr");
            return usage(&failure, session.err);
        }
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let answer = if is_stream && std::io::stdout().is_terminal() {
        let message = "an archive is not written to a terminal";
        let failure = Failure::new(Kind::Refused, message)
            .hint(format!("raftlog backup {} - > archive.tar.gz", quoted_path(&arguments.path)))
            .docs(Exit::Refused.name());
        Answer::failed("backup", Sources::One(unknown_source(&arguments.path)), failure)
    } else {
        backup_answer(session, arguments, is_stream)
    };
    if is_stream {
        // The archive went to stdout; what is to be said goes to stderr.
        tell(&answer.text);
        let quiet = Answer { text: String::new(), ..answer };
        return session.answer(quiet, shape, Some(arguments.tell));
    }
    session.answer(answer, shape, Some(arguments.tell))
}

fn backup_answer(session: &Session, arguments: &Backup, is_stream: bool) -> Answer<BackupResult> {
    let path = &arguments.path;
    let unknown = || Sources::One(unknown_source(path));
    let options = created_unix_s(session).map(|created_unix_s| BackupOptions {
        open: OpenOptions { redb: arguments.redb.told(), ..OpenOptions::default() },
        compression: Compression::new(arguments.compression).unwrap_or_default(),
        created_unix_s,
        replace_partial: arguments.yes,
    });
    if arguments.dry_run {
        return plan_answer(session, arguments, options, is_stream);
    }
    let done = options.map(|mut options| {
        let done = pack(session, arguments, &options, is_stream);
        match done {
            Err(backup::Error::Store(error)) => match advice::leftover(&error, &arguments.dest) {
                Some(partial) if session.may_replace(&partial) => {
                    options.replace_partial = true;
                    pack(session, arguments, &options, is_stream)
                }
                _ => Err(error.into()),
            },
            done => done,
        }
    });
    let done = match done {
        Ok(done) => done,
        Err(failure) => return Answer::failed("backup", unknown(), *failure),
    };
    match done {
        Err(error) => {
            let failure = failed(session, error, path, &arguments.dest);
            Answer::failed("backup", unknown(), failure)
        }
        Ok(done) => {
            let source = source_of(&done.description);
            session.tell_evidence(arguments.tell, &source);
            let mut answer = Answer::new("backup", Sources::One(source));
            let path = path.to_string_lossy();
            answer.text = archive::backup_text(&path, &done, &done.findings, session.out);
            answer.exit = exit_of(&done.findings, false);
            if !is_stream {
                let archive = quoted_path(&arguments.dest);
                answer.next.push(format!("raftlog verify {archive}"));
            }
            answer.result = Some(done.result);
            answer.findings = done.findings;
            answer
        }
    }
}

/// The plan of a backup; the reading of locks, names and permissions is that of a real one.
fn plan_answer(
    session: &Session,
    arguments: &Backup,
    options: Result<BackupOptions, Box<Failure>>,
    is_stream: bool,
) -> Answer<BackupResult> {
    let path = &arguments.path;
    let dest = (!is_stream).then_some(arguments.dest.as_path());
    let planned = options.and_then(|options| {
        session
            .patiently(arguments.lock, is_locked_backup, |lock_timeout| {
                let mut options = options.clone();
                options.open.lock_timeout = lock_timeout;
                backup::plan(&session.fs, &session.clock, path, dest, &options)
            })
            .map_err(|error| Box::new(failed(session, error, path, &arguments.dest)))
    });
    match planned {
        Err(failure) => Answer::failed("backup", Sources::One(unknown_source(path)), *failure),
        Ok(plan) => {
            let source = source_of(&plan.description);
            session.tell_evidence(arguments.tell, &source);
            let mut answer = Answer::new("backup", Sources::One(source));
            answer.text = archive::plan_text(&path.to_string_lossy(), &plan, session.out);
            answer.is_plan = true;
            answer.exit = exit_of(&plan.findings, false);
            answer.next.push(session.context(path).for_real());
            answer.result = Some(plan.result);
            answer.findings = plan.findings;
            answer
        }
    }
}

fn is_locked_backup(error: &backup::Error) -> bool {
    matches!(error, backup::Error::Store(error) if is_locked(error))
}

fn pack(
    session: &Session,
    arguments: &Backup,
    options: &BackupOptions,
    is_stream: bool,
) -> Result<backup::Backup, backup::Error> {
    session.patiently(arguments.lock, is_locked_backup, |lock_timeout| {
        let mut options = options.clone();
        options.open.lock_timeout = lock_timeout;
        let time = session.time();
        let mut watch = session.watch(arguments.tell, &time);
        let mut stdout = std::io::stdout().lock();
        let destination = if is_stream {
            Destination::Stream(&mut stdout)
        } else {
            Destination::File(arguments.dest.clone())
        };
        backup::backup(
            &session.fs,
            &session.clock,
            &arguments.path,
            destination,
            &options,
            &mut judge,
            &mut watch,
        )
    })
}

/// What the rules say of the store, for the manifest.
fn judge(opened: &Opened, observer: &mut dyn Observer) -> ControlFlow<(), Verdict> {
    let options = verify::Options::default();
    ControlFlow::Continue(match verify::verify(opened.into(), &options, observer) {
        Ok(outcome) => Verdict::of(Level::Full, &outcome.findings),
        Err(verify::Error::Cancelled) => return ControlFlow::Break(()),
        Err(error) => Verdict::not_judged(&error.to_string()),
    })
}

/// Advice on what went wrong between `source` and `target`.
fn failed(session: &Session, error: backup::Error, source: &Path, target: &Path) -> Failure {
    let about = |path: &Path| session.context(path);
    match error {
        backup::Error::Store(error) if !is_locked(&error) && concerns(&error, target) => {
            advice::of_target(error, &about(target), session.fs.as_ref())
        }
        backup::Error::Io(error) if error.source.kind() == io::ErrorKind::BrokenPipe => {
            reader_left(&error, source)
        }
        error => advice::of_backup(error, &about(source), session.interruption.exit()),
    }
}

/// Whoever read the archive from stdout is gone, and with it the backup.
fn reader_left(error: &IoError, source: &Path) -> Failure {
    let message = "whoever read the archive from stdout went away before its end: there is no \
                   backup";
    let mut failure = Failure::new(Kind::Io, message);
    failure.causes.push(error.source.to_string());
    failure
        .hint("look why the command behind the pipe ended")
        .hint(format!("raftlog backup {} archive.tar.gz; then pass it on", quoted_path(source)))
        .docs(Exit::Io.name())
}

/// Whether the store room speaks of the target, or of what an interrupted run left of it.
fn concerns(error: &StoreError, target: &Path) -> bool {
    match error {
        StoreError::Refused { path, .. } | StoreError::NotFound { path, .. } => {
            path == target || advice::leftover(error, target).is_some()
        }
        _ => false,
    }
}

/// Now, or what `SOURCE_DATE_EPOCH` says.
fn created_unix_s(session: &Session) -> Result<u64, Box<Failure>> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => Ok(session.clock.wall().as_secs()),
        Ok(text) => text.parse().map_err(|_| {
            let message = format!("SOURCE_DATE_EPOCH is {text:?}, which is no number of seconds");
            Box::new(Failure::new(Kind::Usage, message).hint("unset SOURCE_DATE_EPOCH"))
        }),
    }
}

/// Runs `restore`.
pub fn restore(session: &Session, arguments: &Restore) -> Exit {
    let shape = match arguments.output.single("restore") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let answer = restore_answer(session, arguments);
    session.answer(answer, shape, Some(arguments.tell))
}

fn restore_answer(session: &Session, arguments: &Restore) -> Answer<RestoreResult> {
    let is_stream = arguments.archive.as_os_str() == "-";
    let mut source = unknown_source(&arguments.archive);
    source.format = Some("archive".to_owned());
    if is_stream && std::io::stdin().is_terminal() {
        let failure = Failure::new(Kind::Refused, "an archive is not read from a terminal")
            .hint(format!("raftlog restore - {} < archive.tar.gz", quoted_path(&arguments.dest)))
            .docs(Exit::Refused.name());
        return Answer::failed("restore", Sources::One(source), failure);
    }
    let mut done = unpack(session, arguments, arguments.yes);
    // What stdin held is read once; only a file can be tried again.
    if let (Err(backup::Error::Store(error)), false) = (&done, is_stream || arguments.dry_run)
        && let Some(partial) = advice::leftover(error, &arguments.dest)
        && session.may_replace(&partial)
    {
        done = unpack(session, arguments, true);
    }
    match done {
        Err(error) => {
            let failure = failed(session, error, &arguments.archive, &arguments.dest);
            Answer::failed("restore", Sources::One(source), failure)
        }
        Ok(restored) => {
            source.files = restored_source(session, &arguments.archive).unwrap_or_default();
            let mut answer = Answer::new("restore", Sources::One(source));
            let archive = arguments.archive.to_string_lossy();
            answer.text = archive::restore_text(&archive, &restored, session.out);
            answer.is_plan = restored.dry;
            answer.next.push(if restored.dry {
                session.context(&arguments.archive).for_real()
            } else {
                format!("raftlog inspect {}", quoted_path(&arguments.dest))
            });
            answer.result = Some(restored.result);
            answer
        }
    }
}

fn unpack(
    session: &Session,
    arguments: &Restore,
    replace_partial: bool,
) -> Result<backup::Restored, backup::Error> {
    let archive = if arguments.archive.as_os_str() == "-" {
        backup::Source::Stream(Box::new(std::io::stdin()))
    } else {
        backup::Source::File(arguments.archive.clone())
    };
    let options = RestoreOptions { dry_run: arguments.dry_run, replace_partial };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    backup::restore(&session.fs, archive, &arguments.dest, options, &mut watch)
}

/// The archive as a file of the source, where it is one.
fn restored_source(session: &Session, path: &Path) -> Option<Vec<crate::report::SourceFile>> {
    let metadata = session.fs.metadata(path).ok()?;
    let path = path.to_string_lossy().into_owned();
    Some(vec![crate::report::SourceFile { path, size_bytes: metadata.size_bytes }])
}
