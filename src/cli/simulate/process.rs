//! `simulate --process`: children that write to a real directory, and are killed.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::arguments::{Shape, Simulate};
use crate::cli::failure::{Failure, Kind};
use crate::cli::session::{Session, write_out};
use crate::cli::simulate::{exit_of, failed, tell_next};
use crate::cli::{advice, quote};
use crate::event::{Event, Observer, Phase};
use crate::model::IoError;
use crate::report::{Exit, document, simulation};
use crate::simulate::process::{self, Round, Rounds, Task, Told};
use crate::simulate::{Options, Outcome, Simulated};
use crate::vfs::os::{OsClock, OsFs};
use crate::vfs::{Clock, Vfs};

/// What a child does until it is killed.
pub(super) fn work(session: &Session, options: &Options, dir: &Path, from: usize) -> Exit {
    let mode = options.modes.first().copied().unwrap_or_default();
    let task = Task { mode, seed: options.seed, from };
    let mut pipe = std::io::stdout().lock();
    let mut tell = |told: Told| pipe.write_all(&told.encode()).and_then(|()| pipe.flush());
    let worked = process::work(Arc::new(OsFs), Arc::new(OsClock), dir, &task, &mut tell);
    match worked {
        Ok(()) => Exit::Ok,
        Err(error) => {
            let failure = Failure::new(Kind::Io, error.to_string());
            crate::report::output::tell(&failure.text(session.err));
            Exit::Io
        }
    }
}

/// Kills `count` children, one after the other, and judges what each of them left.
pub(super) fn run(
    session: &Session,
    arguments: &Simulate,
    options: &Options,
    (count, dir): (u64, &Path),
    shape: Shape,
) -> Exit {
    if let Err(failure) = empty(session, dir) {
        return failed(session, *failure, shape);
    }
    let mut rounds = Rounds::new(options.modes.clone(), options.seed);
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let (mut done, mut complete) = (0, true);
    let phase = Phase::Killing;
    let _first = watch.on(&Event::Started { phase, total_bytes: None, total_entries: Some(count) });
    while done < count {
        let round = rounds.next_round();
        let told = match killed(session, &round, dir) {
            Ok(Ended::Killed(told)) => told,
            Ok(Ended::ByItself(how)) => {
                rounds.ended_early(&round, &how);
                break;
            }
            Err(error) => {
                watch.end();
                return failed(session, advice::of_io(&error, &session.context(dir)), shape);
            }
        };
        let fs: Arc<dyn Vfs> = Arc::new(OsFs);
        done += 1;
        if !rounds.judge(&round, &told, fs, Arc::new(OsClock), dir) {
            break;
        }
        if watch.on(&Event::Advanced { phase, bytes: 0, entries: done }).is_break() {
            complete = done == count;
            break;
        }
    }
    watch.end();
    let (result, findings) = rounds.finish();
    let outcome = Outcome { result: Simulated::of_processes(options, result, complete), findings };
    let exit = exit_of(session, arguments, &outcome);
    let text = match shape {
        Shape::Json => document(&simulation::envelope(&outcome, None, exit, session.elapsed_ms())),
        _ => simulation::processes(&outcome, session.out),
    };
    let written = write_out(&text);
    tell_next(arguments, &outcome);
    session.end(written, exit)
}

/// Makes sure that `dir` is there and holds nothing.
fn empty(session: &Session, dir: &Path) -> Result<(), Box<Failure>> {
    let failure = |action: &'static str| {
        move |error| {
            let error = IoError::new(action, dir, error);
            Box::new(advice::of_io(&error, &session.context(dir)))
        }
    };
    match session.fs.list(dir) {
        Ok(names) if names.is_empty() => Ok(()),
        Ok(_) => {
            let message = format!("{} is not empty", quote::quoted_path(dir));
            let failure = Failure::new(Kind::Refused, message);
            Err(Box::new(failure.hint("name a new directory").docs(Exit::Refused.name())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            session.fs.create_dir(dir).map_err(failure("create"))
        }
        Err(error) => Err(failure("list")(error)),
    }
}

enum Ended {
    Killed(Vec<Told>),
    /// With what it said.
    ByItself(String),
}

/// One child, from its start to its end.
fn killed(session: &Session, round: &Round, dir: &Path) -> Result<Ended, IoError> {
    let program = std::env::current_exe().map_err(|error| IoError::new("find", dir, error))?;
    let failed = |action: &'static str| {
        let program = program.clone();
        move |error| IoError::new(action, program, error)
    };
    let Task { mode, seed, from } = round.task;
    let mut child = Command::new(&program)
        .arg("simulate")
        .args(mode.flags().split_whitespace())
        .args(["--seed", &format!("{:x}", seed.0), "--child", &from.to_string(), "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed("start"))?;
    // A child that has only begun shows nothing: its time counts from the first thing it does.
    let mut told = vec![0; process::TOLD_BYTES];
    let began = child.stdout.as_mut().is_some_and(|out| out.read_exact(&mut told).is_ok());
    if !began {
        told.clear();
    }
    session.clock.sleep(if began { round.after } else { Duration::ZERO });
    let ended = child.try_wait().map_err(failed("wait for"))?;
    child.kill().map_err(failed("kill"))?;
    if let Some(out) = child.stdout.as_mut() {
        out.read_to_end(&mut told).map_err(failed("listen to"))?;
    }
    let output = child.wait_with_output().map_err(failed("wait for"))?;
    Ok(match ended {
        Some(status) if !began || !status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            Ended::ByItself(format!("{status}, {}", said.trim()))
        }
        _ => Ended::Killed(Told::decode_all(&told)),
    })
}
