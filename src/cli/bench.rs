//! `bench`: each cell and each job runs as this same program in a fresh process.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::bench::cell::Cell;
use crate::bench::choice::{Choice, SECONDS};
use crate::bench::measure::{Outcome, measure};
use crate::bench::rounds::{CellsOptions, plan, run_cells};
use crate::bench::{self, BenchResult, JobsOptions, Launched, LogShape, Machine};
use crate::cli::advice;
use crate::cli::arguments::Bench;
use crate::cli::failure::{Failure, Kind};
use crate::cli::session::{Answer, Session, usage, write_out};
use crate::event::{Event, Observer};
use crate::model::IoError;
use crate::report::output::tell;
use crate::report::{Exit, Sources, measured, words};
use crate::store::StoreError;
use crate::store::target::Target;
use crate::vfs::os::{OsClock, OsFs, memory_bytes, peak_memory_bytes, processor};
use crate::vfs::{Clock, Fs, OpenMode};

/// How often a running process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Runs `bench`.
pub fn run(session: &Session, arguments: &Bench) -> Exit {
    let shape = match arguments.output.single("bench") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    if let Some(cell) = &arguments.cell {
        return one_cell(session, &arguments.dir, cell);
    }
    let answer = match arguments.jobs {
        true => jobs(session, arguments),
        false => match cells(session, arguments) {
            Ok(answer) => answer,
            Err(failure) => return usage(&failure, session.err),
        },
    };
    session.answer(answer, shape, Some(arguments.tell))
}

/// Measures one cell in this process and prints what came of it, for the process that asked.
fn one_cell(session: &Session, dir: &Path, cell: &Cell) -> Exit {
    let clock: Arc<dyn Clock> = Arc::new(OsClock);
    let measured = measure(&session.fs, &clock, dir, cell)
        .map(|outcome| Outcome { rss_bytes: peak_memory_bytes(std::process::id()), ..outcome });
    match measured {
        Ok(outcome) => {
            let line = serde_json::to_string(&outcome).unwrap_or_default();
            session.end(write_out(&format!("{line}\n")), Exit::Ok)
        }
        Err(error) => {
            let context = session.context(dir);
            let failure = advice::of_bench(error, &context, session.interruption.exit());
            tell(&failure.text(session.err));
            failure.kind.exit()
        }
    }
}

/// The workloads.
fn cells(session: &Session, arguments: &Bench) -> Result<Answer<BenchResult>, Box<Failure>> {
    if let Some(engine) = arguments.engine.iter().find(|engine| !engine.is_built_in()) {
        let message = format!("{} is not in this program", engine.as_str());
        let failure = Failure::new(Kind::Usage, message);
        return Err(Box::new(failure.hint("cargo build --release --features bench-peers")));
    }
    let choice = Choice {
        workloads: arguments.workload.clone(),
        engines: arguments.engine.clone(),
        values: arguments.value_size.clone(),
        durabilities: arguments.durability.clone(),
        strategies: arguments.strategy.clone(),
        opened: arguments.log.clone(),
        flushes: arguments.flush.clone().unwrap_or_default().0,
        seconds: arguments.seconds.unwrap_or(SECONDS),
    };
    let options = CellsOptions {
        dir: arguments.dir.clone(),
        rounds: arguments.rounds,
        cells: choice.cells(),
        machine: machine(&arguments.dir),
    };
    if options.cells.is_empty() {
        let message = "none of these engines is measured in these workloads at these levels";
        return Err(Box::new(Failure::new(Kind::Usage, message).hint("raftlog bench --help")));
    }
    let context = session.context(&arguments.dir);
    let failed = |error| advice::of_bench(error, &context, session.interruption.exit());
    let plan = match plan(session.fs.as_ref(), &options) {
        Ok(plan) => plan,
        Err(error) => return Ok(Answer::failed("bench", Sources::None, failed(error))),
    };
    let report = match arguments.report.as_deref().map(|path| report_at(session, path)) {
        Some(Err(failure)) => return Ok(Answer::failed("bench", Sources::None, *failure)),
        Some(Ok(report)) => Some(report),
        None => None,
    };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    // Whether it is to stop is asked again before the first cell.
    let _asked_again = watch.on(&Event::Noted { message: plan_words(&plan, arguments) });
    let mut launch = |cell: &Cell, dir: &Path| launch_cell(session, cell, dir);
    let done = run_cells(&session.fs, &options, plan, &mut launch, &mut watch);
    watch.end();
    let ended = done.ended.map_err(|error| Box::new(failed(error))).and_then(|()| match report {
        Some(target) => {
            let page = measured::html(&done.result, &context.again(""));
            write_report(session, target, &page)
        }
        None => Ok(()),
    });
    let mut answer = match ended {
        Ok(()) => Answer::new("bench", Sources::None),
        Err(failure) => Answer::failed("bench", Sources::None, *failure),
    };
    if !done.result.rows.is_empty() {
        answer.text = measured::text(&done.result, session.out);
        answer.result = Some(done.result);
    }
    Ok(answer)
}

/// A place for the page, looked at before anything is measured.
fn report_at(session: &Session, path: &Path) -> Result<Target, Box<Failure>> {
    let context = session.context(path);
    let target = Target::check(Arc::clone(&session.fs), path, true);
    target.map_err(|error| Box::new(advice::of_target(error, &context, session.fs.as_ref())))
}

/// Writes the page under another name, and gives it its own when it is whole.
fn write_report(session: &Session, target: Target, page: &str) -> Result<(), Box<Failure>> {
    let context = session.context(target.path());
    let written = target.begin().and_then(|partial| {
        let failed = |action| {
            let partial = partial.clone();
            move |source| StoreError::from(IoError::new(action, partial, source))
        };
        let file = session.fs.open(&partial, OpenMode::CreateNew).map_err(failed("create"))?;
        // From here on what is not finished is removed.
        let sealed = target.sealed(1, page.len() as u64);
        file.write_at(0, page.as_bytes()).map_err(failed("write"))?;
        file.sync().map_err(failed("sync"))?;
        sealed.publish().map(drop)
    });
    written.map_err(|error| Box::new(advice::of_target(error, &context, session.fs.as_ref())))
}

fn plan_words(plan: &bench::rounds::Plan, arguments: &Bench) -> String {
    let free = plan
        .space_free_bytes
        .map_or(String::new(), |bytes| format!(" ({} free)", words::size(bytes)));
    format!(
        "{}, {} of {} s each: about {}; takes up to {}{free} in {}",
        words::count(plan.cells, "measurement", "measurements"),
        words::count(arguments.rounds, "round", "rounds"),
        plan.seconds_per_cell,
        words::duration((plan.seconds * 1000.0) as u64),
        words::size(plan.space_needed_bytes),
        words::path(&arguments.dir),
    )
}

/// The jobs.
fn jobs(session: &Session, arguments: &Bench) -> Answer<BenchResult> {
    let logs = match arguments.log.as_slice() {
        [] => LogShape::FULL.to_vec(),
        chosen => chosen.to_vec(),
    };
    let options = JobsOptions {
        dir: arguments.dir.clone(),
        rounds: arguments.rounds,
        logs,
        machine: machine(&arguments.dir),
        go: arguments.go.clone(),
    };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let mut launch = |program: Option<&Path>, words: &[OsString]| launch(session, program, words);
    let done = bench::run_jobs(&session.fs, &session.clock, &options, &mut launch, &mut watch);
    watch.end();
    match done {
        Ok(result) => {
            let mut answer = Answer::new("bench", Sources::None);
            answer.text = measured::text(&result, session.out);
            answer.result = Some(result);
            answer
        }
        Err(error) => {
            let context = session.context(&arguments.dir);
            let failure = advice::of_bench(error, &context, session.interruption.exit());
            Answer::failed("bench", Sources::None, failure)
        }
    }
}

/// Measures `cell` in a fresh process; the error is what that said. A signal ends it.
fn launch_cell(session: &Session, cell: &Cell, dir: &Path) -> Result<Outcome, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(["bench", "--color=never", "--cell", &cell.to_string(), "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if session.interruption.exit().is_some() {
            // It may have ended just now.
            let _ended = child.kill();
            child.wait().map_err(|error| error.to_string())?;
            return Err("stopped".to_owned());
        }
        session.clock.sleep(LOOK_EVERY);
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    match output.status.code() {
        Some(0) => serde_json::from_slice(&output.stdout).map_err(|error| error.to_string()),
        _ => Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
    }
}

/// Runs a program, or raftlog itself, with `words`, its result thrown away; the error is what it
/// said.
fn launch(
    session: &Session,
    program: Option<&Path>,
    words: &[OsString],
) -> Result<Launched, String> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => std::env::current_exe().map_err(|error| error.to_string())?,
    };
    let start = session.clock.monotonic();
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let rss_bytes = peak_memory(session, &mut child)?;
    let elapsed = session.clock.monotonic().saturating_sub(start);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    match output.status.code() {
        Some(0 | 3) => Ok(Launched { elapsed, rss_bytes }),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Waits for the end of a process and returns the most memory it was seen with.
fn peak_memory(session: &Session, child: &mut Child) -> Result<Option<u64>, String> {
    let mut peak = None;
    loop {
        peak = peak.max(peak_memory_bytes(child.id()));
        match child.try_wait() {
            Ok(Some(_)) => return Ok(peak),
            Ok(None) => session.clock.sleep(LOOK_EVERY),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn machine(dir: &Path) -> Machine {
    Machine {
        cpus: std::thread::available_parallelism().map_or(0, |cpus| cpus.get() as u64),
        cpu_model: processor(),
        memory_bytes: memory_bytes(),
        free_bytes: OsFs.free_bytes(dir).ok().flatten(),
    }
}
