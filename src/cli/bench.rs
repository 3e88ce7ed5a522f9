//! `bench --jobs`: each job runs as this same program in a fresh process.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::bench::{self, BenchResult, JobsOptions, Launched, LogShape, Machine};
use crate::cli::advice;
use crate::cli::arguments::Bench;
use crate::cli::session::{Answer, Session, usage};
use crate::report::{Exit, Sources, measured};
use crate::vfs::os::{OsFs, memory_bytes, peak_memory_bytes, processor};
use crate::vfs::{Clock, Fs};

/// How often a running job's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Runs `bench`.
pub fn run(session: &Session, arguments: &Bench) -> Exit {
    let shape = match arguments.output.single("bench") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let answer = answer(session, arguments);
    session.answer(answer, shape, Some(arguments.tell))
}

fn answer(session: &Session, arguments: &Bench) -> Answer<BenchResult> {
    let logs = match arguments.log.as_slice() {
        [] => LogShape::FULL.to_vec(),
        chosen => chosen.to_vec(),
    };
    let options = JobsOptions {
        dir: arguments.dir.clone(),
        rounds: arguments.rounds,
        logs,
        machine: machine(&arguments.dir),
    };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let mut launch = |words: &[OsString]| launch(session, words);
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

/// Runs raftlog with `words`, its result thrown away; the error is what it said.
fn launch(session: &Session, words: &[OsString]) -> Result<Launched, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
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
