mod ends;
mod grouped;

use std::path::Path;

use crate::cli::advice;
use crate::cli::arguments::{Migrate, RedbArgs};
use crate::cli::failure::{Failure, Kind};
use crate::cli::inspect::{opened, recognised, unopened_failure};
use crate::cli::migrate::ends::Ends;
use crate::cli::quote::{of_group, quoted_path};
use crate::cli::session::{Answer, Session, source_of, usage};
use crate::migrate::{self, Doors, Migration, Options, Outcome};
use crate::model::{Code, Fault, Findings, GroupId, Severity};
use crate::report::{Exit, Sources, migration};
use crate::store::redb::{Names, family_of, origin, schemas};
use crate::store::target::Target;
use crate::store::{Format, OpenOptions, Opened, RedbSchema, SinkOptions, StoreError};

/// Runs `migrate`.
pub fn run(session: &Session, arguments: &Migrate) -> Exit {
    let (shape, ends) = match arguments.output.single("migrate").and_then(|shape| {
        check_flags(arguments)?;
        Ok((shape, Ends::of(arguments)?))
    }) {
        Ok(checked) => checked,
        Err(failure) => return usage(&failure, session.err),
    };
    let answer = match &ends {
        Ends::One { source, target } => answer(session, arguments, source, target),
        Ends::Many { members, target } => grouped::answer(session, arguments, members, target),
    };
    session.answer(answer, shape, Some(arguments.tell))
}

/// Refuses flags that the target's format has no use for.
fn check_flags(arguments: &Migrate) -> Result<(), Box<Failure>> {
    let only_for = |flag: &str, format: Format| {
        let message = format!("{flag} is for targets of format {format} only");
        let failure = Failure::new(Kind::Usage, message);
        Err(Box::new(failure.hint(format!("leave it out, or use --to {format}"))))
    };
    if arguments.durability.is_some() && arguments.to != Format::FastLog {
        return only_for("--durability", Format::FastLog);
    }
    if arguments.redb_format.is_some() && arguments.to != Format::Redb {
        return only_for("--redb-format", Format::Redb);
    }
    if arguments.to_redb_schema.is_some() && arguments.to != Format::Redb {
        return only_for("--to-redb-schema", Format::Redb);
    }
    if arguments.time_form.is_some() && arguments.to != Format::BoltDb {
        return only_for("--time-form", Format::BoltDb);
    }
    Ok(())
}

fn answer(
    session: &Session,
    arguments: &Migrate,
    path: &Path,
    target_path: &Path,
) -> Answer<Migration> {
    let context = session.context(path);
    let (reading, redb) = (arguments.reading.reading, arguments.redb.told());
    let open = OpenOptions { format: arguments.from, reading, redb, ..OpenOptions::default() };
    let opened = match opened(session, path, (arguments.lock, arguments.tell), &open) {
        Ok(opened) => opened,
        Err(error) => {
            let failure = unopened_failure(session, path, error);
            return Answer::failed(
                "migrate",
                Sources::One(recognised(session, path, &open)),
                failure,
            );
        }
    };
    let source = source_of(&opened.description);
    session.tell_evidence(arguments.tell, &source);
    let target = match target(session, target_path, arguments.yes) {
        Ok(target) => target,
        Err(error) => {
            let failure =
                advice::of_target(error, &session.context(target_path), session.fs.as_ref());
            return Answer::failed("migrate", Sources::One(source), failure);
        }
    };
    let options = match options(arguments, &opened) {
        Ok(options) => options,
        Err(error) => {
            let failure = advice::of_store(error, &context);
            return Answer::failed("migrate", Sources::One(source), failure);
        }
    };
    let doors = Doors { fs: &session.fs, clock: &session.clock };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let done = migrate::run(
        migrate::Source::from(&opened),
        target,
        &options,
        &doors,
        &session.clock,
        &mut watch,
    );
    watch.end();
    match done {
        Ok(outcome) => {
            let groups = outcome.migration.plan.groups.iter().map(|one| one.group.clone());
            let groups: Vec<GroupId> = groups.collect();
            let mut answer =
                finished(session, arguments, (Sources::One(source), target_path), outcome);
            if arguments.dry_run {
                answer.next = vec![context.for_real()];
            } else {
                let done = (&options.sink, groups.as_slice());
                answer.next = next(arguments, (path, target_path), done);
            }
            answer
        }
        Err(error) => {
            let (failure, outcome) =
                advice::of_migrate(error, &context, session.interruption.exit());
            stopped(session, arguments, Sources::One(source), failure, outcome)
        }
    }
}

/// How a redb target is written: in the schema that was told for it, else in the one the log was
/// read in. What was told of where a redb log lies means the source; where that is none of redb,
/// its schema means the target.
fn options(arguments: &Migrate, opened: &Opened) -> Result<Options, StoreError> {
    let is_redb = arguments.to == Format::Redb;
    let chosen = arguments.group.chosen();
    let own = match is_redb {
        true => origin(opened.store.as_ref(), chosen.as_ref())?,
        false => None,
    };
    let told = arguments.redb.told();
    let of_redb = opened.store.format() == Format::Redb;
    let schema = target_schema(arguments, of_redb);
    let schema = schema.or(own.as_ref().map(|own| own.schema.clone()));
    // Another schema has tables, a file format and files of its own.
    let own = own.filter(|own| Some(&own.schema) == schema.as_ref());
    let sink = SinkOptions {
        redb_format: arguments.redb_format.or(own.as_ref().and_then(|own| own.format)),
        redb_schema: schema,
        redb_files: own.as_ref().and_then(|own| own.files.clone()),
        redb: match own {
            Some(_) if of_redb && told != RedbSchema::default() => told,
            Some(own) => own.tables,
            None => RedbSchema::default(),
        },
        durability: arguments.durability,
        page_bytes: opened.store.page_bytes(),
        segment_bytes: opened.store.segment_bytes(),
    };
    Ok(Options {
        to: arguments.to,
        sink,
        group: chosen,
        allow_loss: arguments.allow_loss.clone(),
        accept: arguments.accept.clone(),
        dry_run: arguments.dry_run,
        time_form: arguments.time_form,
        product: opened.description.product(),
    })
}

/// The schema that was told for a redb target, of a source that is one `of_redb` or not.
pub(super) fn target_schema(arguments: &Migrate, of_redb: bool) -> Option<String> {
    let meant = arguments.redb.redb_schema.clone().filter(|_| !of_redb);
    arguments.to_redb_schema.clone().or(meant)
}

/// What to do with a target of so many groups that was just written.
fn next(
    arguments: &Migrate,
    (path, target): (&Path, &Path),
    done: (&SinkOptions, &[GroupId]),
) -> Vec<String> {
    let (source, target) = (quoted_path(path), quoted_path(target));
    let (sink, groups) = done;
    // A file alone does not show that it is one of several, nor do names without a number.
    let shown = |names: &&Names| {
        let numbered = |group: &GroupId| {
            let name = names.table(group);
            name.is_some_and(|name| family_of(Path::new(&name)).as_ref() == Some(*names))
        };
        let several = schemas::of_target(sink).file_a_group && groups.len() > 1;
        !(several && groups.iter().all(numbered))
    };
    let pattern = sink.redb_files.as_ref().filter(shown).map(Names::pattern);
    let told = match arguments.to {
        // The target lies where the source did, or where everybody looks.
        Format::Redb if sink.redb == arguments.redb.told() => arguments.redb.clone(),
        Format::Redb => RedbArgs::default(),
        _ => arguments.redb.clone(),
    };
    let alike = told == arguments.redb;
    let redb_file_pattern = pattern.or(told.redb_file_pattern.clone());
    let told = RedbArgs { redb_file_pattern, ..told }.again();
    let group = of_group(arguments.group.chosen().as_ref());
    let verify = match arguments.to {
        Format::Redb => format!("raftlog verify {target}{told}"),
        _ => format!("raftlog verify {target}"),
    };
    // What is told counts for both sides of a comparison.
    let diff = alike.then(|| format!("raftlog diff {source} {target}{group}{told}"));
    std::iter::once(verify).chain(diff).collect()
}

/// A target that may be written, after asking for what an interrupted run left.
pub(super) fn target(session: &Session, path: &Path, yes: bool) -> Result<Target, StoreError> {
    match Target::check(session.fs.clone(), path, yes) {
        Err(error) => match advice::leftover(&error, path) {
            Some(partial) if session.may_replace(&partial) => {
                Target::check(session.fs.clone(), path, true)
            }
            _ => Err(error),
        },
        target => target,
    }
}

fn finished(
    session: &Session,
    arguments: &Migrate,
    (sources, target): (Sources, &Path),
    outcome: Outcome,
) -> Answer<Migration> {
    let mut answer = Answer::new("migrate", sources);
    let Outcome { migration, findings } = outcome;
    answer.text = migration::done_text(&migration, &findings, session.out);
    answer.is_plan = arguments.dry_run;
    answer.next.push(match arguments.dry_run {
        true => session.context(target).for_real(),
        false => format!("raftlog verify {}", quoted_path(target)),
    });
    answer.exit = exit_of_source(&findings, &arguments.accept);
    answer.result = Some(migration);
    answer.findings = findings;
    answer
}

/// A finished migration is done. What was found in the source, did not stop it and was not accepted
/// by name is worth a look.
fn exit_of_source(findings: &Findings, accepted: &[Code]) -> Exit {
    let open = |fault: &Fault| fault.severity > Severity::Info && !accepted.contains(&fault.code);
    if findings.kept().any(open) { Exit::Warnings } else { Exit::Ok }
}

fn stopped(
    session: &Session,
    arguments: &Migrate,
    sources: Sources,
    failure: Failure,
    outcome: Option<Box<Outcome>>,
) -> Answer<Migration> {
    let mut answer = Answer::failed("migrate", sources, failure);
    let Some(outcome) = outcome else { return answer };
    let Outcome { migration, findings } = *outcome;
    if arguments.dry_run {
        answer.text = migration::plan_text(&migration.plan, &findings, session.out);
        answer.is_plan = true;
    } else if answer.exit == Exit::Findings {
        answer.text = crate::report::findings::text(&findings, session.out);
    } else {
        answer.text = migration::losses_text(&migration.plan, session.err);
    }
    answer.result = Some(migration);
    answer.findings = findings;
    answer
}
