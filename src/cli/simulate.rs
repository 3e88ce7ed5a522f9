//! `simulate`: flags to a simulation's options, rows as soon as they are known.

mod process;

use std::ops::ControlFlow;
use std::path::Path;

use crate::cli::advice;
use crate::cli::arguments::{ProgressWhen, Shape, Simulate};
use crate::cli::failure::{Failure, Kind};
use crate::cli::inspect::{opened, unopened_failure};
use crate::cli::quote::quoted_path;
use crate::cli::session::{Session, source_of, usage};
use crate::model::{IoError, Severity};
use crate::report::output::{Output, tell};
use crate::report::{Exit, Source, document, simulation};
use crate::simulate::{
    self, Case, DiskModel, Engine, Flushing, Mode, Options, Order, Outcome, Simulated,
};
use crate::store::OpenOptions;
use crate::vfs::OpenMode;
use crate::vfs::sim::{Profile, Seed};

/// Runs `simulate`.
pub fn run(session: &Session, arguments: &Simulate) -> Exit {
    let shape = match arguments.output.single("simulate") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    if let Some(failure) = unfit_for_engine(arguments) {
        return usage(&failure, session.err);
    }
    let mut options = options_of(arguments);
    match disk_of(session, arguments) {
        Ok(disk) => options.disk = disk,
        Err(failure) => return failed(session, *failure, shape),
    }
    if let (Some(from), Some(dir)) = (arguments.child, &arguments.dir) {
        return process::work(session, &options, dir, from);
    }
    if let (Some(count), Some(dir)) = (arguments.process, &arguments.dir) {
        return process::run(session, arguments, &options, (count, dir), shape);
    }
    let source = match take_shape(session, arguments, &mut options) {
        Ok(source) => source,
        Err(failure) => return failed(session, *failure, shape),
    };
    match &arguments.replay {
        Some(case) => replay(session, arguments, &options, (case, source), shape),
        None => simulate(session, arguments, &options, source, shape),
    }
}

/// How long the modelled disk takes; measured now, if that was asked for.
fn disk_of(session: &Session, arguments: &Simulate) -> Result<DiskModel, Box<Failure>> {
    let dir = arguments.dir.as_deref().unwrap_or(Path::new("."));
    match arguments.disk {
        Disk::Told(disk) => Ok(disk),
        Disk::Measured => simulate::measured(session.fs.as_vfs(), &session.clock, dir)
            .map_err(|error| Box::new(advice::of_io(&error, &session.context(dir)))),
    }
}

/// raft-fastlog has one way to write, and nothing of it is tried but power cuts.
fn unfit_for_engine(arguments: &Simulate) -> Option<Failure> {
    if arguments.engine == Engine::Fastlog {
        return None;
    }
    let flushings = arguments.flush.as_ref().map_or(&[][..], |list| &list.0);
    let flag = match arguments {
        Simulate { process: Some(_), .. } => "--process",
        given if given.strategy.contains(&Order::MemFirst) => "--strategy mem-first",
        _ if flushings.iter().any(|flushing| *flushing != Flushing::Immediate) => "--flush batch",
        _ => return None,
    };
    let message = format!("--engine raft-fastlog has no {flag}: it writes each change at once");
    let failure = Failure::new(Kind::Usage, message);
    let again = "raftlog simulate --engine raft-fastlog --durability -1,0,1";
    Some(failure.hint(again).docs(Exit::Usage.name()))
}

/// Takes the shape of the workload from the store that was named, if one was.
fn take_shape(
    session: &Session,
    arguments: &Simulate,
    options: &mut Options,
) -> Result<Option<Source>, Box<Failure>> {
    let Some(path) = &arguments.path else { return Ok(None) };
    let how = OpenOptions { redb: arguments.redb.told(), ..OpenOptions::default() };
    let opened = opened(session, path, (arguments.lock, arguments.tell), &how);
    let opened = opened.map_err(|error| Box::new(unopened_failure(session, path, error)))?;
    let shape = simulate::shape_of(opened.store.as_ref(), options.shape.steps);
    let shape = shape.map_err(|error| Box::new(advice::of_store(error, &session.context(path))))?;
    let (left_out, payload_max_bytes) =
        (options.shape.left_out.clone(), options.shape.payload_max_bytes);
    let groups = match options.engine {
        Engine::Fastlog => shape.groups.clone(),
        Engine::RaftFastlog => options.shape.groups.clone(),
    };
    options.shape = simulate::Shape { groups, left_out, payload_max_bytes, ..shape };
    options.source = Some(format!("{}{}", quoted_path(path), arguments.redb.again()));
    Ok(Some(source_of(&opened.description)))
}

fn options_of(arguments: &Simulate) -> Options {
    let or = |given: &[_], all: &[_]| if given.is_empty() { all.to_vec() } else { given.to_vec() };
    let flushings = match &arguments.flush {
        Some(list) => list.0.clone(),
        None => vec![Flushing::Immediate, Flushing::SMALL_BATCH],
    };
    let levels = match arguments.durability.as_slice() {
        [] => crate::model::Durability::ALL.to_vec(),
        given => given.to_vec(),
    };
    let orders: Vec<Order> = or(&arguments.strategy, &Order::ALL);
    let profiles = match arguments.profile.as_slice() {
        [] => vec![Profile::StrictPosix],
        given => given.to_vec(),
    };
    let options = Options {
        engine: arguments.engine,
        modes: Mode::grid(&levels, &orders, &flushings),
        profiles,
        torn: arguments.torn,
        seed: arguments.seed,
        shape: simulate::Shape {
            left_out: arguments.without.clone().unwrap_or_default(),
            payload_max_bytes: arguments.payload_max.and_then(|most| usize::try_from(most).ok()),
            ..simulate::Shape::usual(usize::from(arguments.steps))
        },
        points: arguments.points.0,
        images: arguments.images,
        faults: !arguments.no_faults,
        psow: !arguments.no_psow,
        cluster: arguments.cluster,
        ..Options::default()
    };
    match arguments.engine {
        Engine::Fastlog => options,
        Engine::RaftFastlog => options.of_raft_fastlog(),
    }
}

fn simulate(
    session: &Session,
    arguments: &Simulate,
    options: &Options,
    source: Option<Source>,
    shape: Shape,
) -> Exit {
    let mut output = Output::stdout();
    let mut rows = simulation::Rows::new(options);
    let groups = options.shape.groups.len() as u64;
    let streams = shape != Shape::Json;
    if streams {
        let _told_by_finish = output.write(&simulation::header(options, session.out));
        let _told_by_finish = output.write(&rows.heading(session.out));
        let _told_by_finish = output.flush();
    }
    let time = session.time();
    // A bar and rows on one terminal would tear each other apart.
    let mut tells = arguments.tell;
    if streams && session.out.width.is_some() && tells.progress == ProgressWhen::Auto {
        tells.progress = ProgressWhen::Plain;
    }
    let mut watch = session.watch(tells, &time);
    let mut closed = ControlFlow::Continue(());
    let outcome = simulate::simulate(options, &session.clock, &mut watch, &mut |mode| {
        if streams && closed.is_continue() {
            closed = output.write(&rows.row(mode, groups));
            closed = if closed.is_continue() { output.flush() } else { closed };
        }
    });
    watch.end();
    let exit = exit_of(session, arguments, &outcome);
    let rest = match shape {
        Shape::Json => {
            document(&simulation::envelope(&outcome, source, exit, session.elapsed_ms()))
        }
        _ => simulation::footer(&outcome, session.out),
    };
    let _told_by_finish = output.write(&rest);
    let written = output.finish();
    if let Some(path) = &arguments.report
        && let Err(error) = write_page(session, path, &outcome)
    {
        let failure = not_written(session, &error, path);
        tell(&failure.text(session.err));
        return failure.kind.exit();
    }
    tell_next(arguments, &outcome);
    session.end(written, exit)
}

/// Writes the page under a partial name first, so that it appears whole; a file that exists stays.
fn write_page(session: &Session, path: &Path, outcome: &Outcome) -> Result<(), IoError> {
    let page = simulation::page(outcome, &session.context(path).again(""));
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let error = |action: &'static str| move |error| IoError::new(action, path, error);
    let file = session.fs.open(partial, OpenMode::CreateNew).map_err(error("create"))?;
    let written = file.write_at(0, page.as_bytes()).and_then(|()| file.sync());
    let named = written.and_then(|()| session.fs.rename_new(partial, path));
    named.map_err(|cause| {
        let _the_first_error_counts = session.fs.remove(partial);
        error("write")(cause)
    })
}

/// How the program ends: a signal wins, then broken promises, then, if asked, hazards.
fn exit_of(session: &Session, arguments: &Simulate, outcome: &Outcome) -> Exit {
    let worst = outcome.findings.iter().map(|finding| finding.severity).max();
    match (session.interruption.exit(), worst) {
        (Some(exit), _) => exit,
        (None, Some(Severity::Error)) => Exit::Findings,
        (None, Some(Severity::Warning)) if arguments.strict => Exit::Findings,
        (None, _) => Exit::Ok,
    }
}

fn tell_next(arguments: &Simulate, outcome: &Outcome) {
    if arguments.tell.quiet {
        return;
    }
    let first = outcome.findings.first();
    if let Some(next) = first.map(|finding| format!("raftlog explain {}", finding.code)) {
        tell(&format!("next: {next}\n"));
    }
}

fn replay(
    session: &Session,
    arguments: &Simulate,
    options: &Options,
    (case, source): (&Case, Option<Source>),
    shape: Shape,
) -> Exit {
    if options.modes.len() != 1 || options.profiles.len() != 1 {
        let message = "a case is of one mode: its flags were printed with it";
        let failure = Failure::new(Kind::Usage, message)
            .hint("--durability 1 --strategy disk-first --flush immediate")
            .docs(Exit::Usage.name());
        return usage(&failure, session.err);
    }
    let options = Options { seed: case.seed, ..options.clone() };
    let simulate::Found { replayed, findings, image } = match simulate::replay(&options, case) {
        Ok(found) => found,
        Err(error) => return usage(&advice::of_simulation(error), session.err),
    };
    if let Some(dir) = &arguments.keep
        && let Err(error) = simulate::keep(&image, session.fs.as_vfs(), dir)
    {
        return failed(session, not_written(session, &error, dir), shape);
    }
    let text = simulation::replayed(&replayed, &findings, session.out);
    let result = Simulated::of_case(&options, replayed);
    let outcome = Outcome { result, findings };
    let exit = exit_of(session, arguments, &outcome);
    let text = match shape {
        Shape::Json => {
            document(&simulation::envelope(&outcome, source, exit, session.elapsed_ms()))
        }
        _ => text,
    };
    let written = crate::cli::session::write_out(&text);
    tell_next(arguments, &outcome);
    session.end(written, exit)
}

/// Why something new could not be written. What is there already is never replaced.
fn not_written(session: &Session, error: &IoError, path: &Path) -> Failure {
    if error.source.kind() != std::io::ErrorKind::AlreadyExists {
        return advice::of_io(error, &session.context(path));
    }
    let message = format!("{} exists, and nothing is replaced", path.display());
    let failure = Failure::new(Kind::Refused, message);
    failure.hint("take another name").docs(Exit::Refused.name())
}

/// Ends with a failure, which JSON has as an object of its own.
fn failed(session: &Session, failure: Failure, shape: Shape) -> Exit {
    let exit = failure.kind.exit();
    tell(&failure.text(session.err));
    let written = match shape {
        Shape::Json => {
            let envelope = simulation::failed(failure.note(), exit, session.elapsed_ms());
            crate::cli::session::write_out(&document(&envelope))
        }
        _ => Ok(()),
    };
    session.end(written, exit)
}

/// What `--disk` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// These times.
    Told(DiskModel),
    /// Those of the disk that is there.
    Measured,
}

impl std::str::FromStr for Disk {
    type Err = String;

    fn from_str(text: &str) -> Result<Disk, String> {
        match text {
            "measured" => Ok(Disk::Measured),
            _ => text.parse().map(Disk::Told),
        }
    }
}

/// What `--points` takes: a number, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points(pub Option<usize>);

impl std::str::FromStr for Points {
    type Err = String;

    fn from_str(text: &str) -> Result<Points, String> {
        match (text, text.parse::<usize>()) {
            ("all", _) => Ok(Points(None)),
            (_, Ok(number)) if number > 0 => Ok(Points(Some(number))),
            _ => Err("write a number, or all".to_owned()),
        }
    }
}

/// What `--flush` takes: policies with commas between them, although one may hold a comma itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlushList(pub Vec<Flushing>);

impl std::str::FromStr for FlushList {
    type Err = String;

    fn from_str(text: &str) -> Result<FlushList, String> {
        let mut list = Vec::new();
        let mut parts = text.split(',');
        while let Some(part) = parts.next() {
            let whole = match part.strip_prefix("batch:") {
                Some(_) => format!("{part},{}", parts.next().unwrap_or_default()),
                None => part.to_owned(),
            };
            list.push(whole.parse()?);
        }
        Ok(FlushList(list))
    }
}

/// A seed as hexadecimal digits, with or without `0x`.
pub fn seed(text: &str) -> Result<Seed, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u64::from_str_radix(digits, 16) {
        Ok(seed) if is_hex => Ok(Seed(seed)),
        _ => Err("write 1 to 16 hexadecimal digits: 7f3a".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flush_policies_come_in_lists_although_one_holds_a_comma() {
        let list: FlushList = "immediate,batch:8,20,batch:1000,100".parse().expect("a list");
        let shown: Vec<String> = list.0.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["immediate", "batch:8,20", "batch:1000,100"]);
        for wrong in ["", "batch:8", "immediate,", "batch:8,20,30"] {
            assert!(wrong.parse::<FlushList>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeds_are_hexadecimal_and_points_are_counted_or_all() {
        assert_eq!(seed("7f3a"), Ok(Seed(0x7f3a)));
        assert_eq!(seed("0xFF"), Ok(Seed(255)));
        for wrong in ["", "0x", "+1", "xyz", "12345678123456781"] {
            assert!(seed(wrong).is_err(), "{wrong}");
        }
        assert_eq!("all".parse(), Ok(Points(None)));
        assert_eq!("12".parse(), Ok(Points(Some(12))));
        assert!("0".parse::<Points>().is_err());
    }
}
