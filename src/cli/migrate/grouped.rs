//! Many stores that become groups of one.

use std::path::{Path, PathBuf};

use crate::cli::advice;
use crate::cli::arguments::Migrate;
use crate::cli::failure::Failure;
use crate::cli::inspect::{opened, recognised, unopened_failure};
use crate::cli::migrate::{finished, stopped, target, target_schema};
use crate::cli::session::{Answer, Session, source_of, unknown_source};
use crate::migrate::{self, Doors, Migration, Options, Outcome};
use crate::model::GroupId;
use crate::report::{Source, Sources};
use crate::store::target::Target;
use crate::store::{Format, GroupedStore, OpenOptions, SinkOptions};

/// Copies every member into its group, and compares each.
pub(super) fn answer(
    session: &Session,
    arguments: &Migrate,
    members: &[(GroupId, PathBuf)],
    target_path: &Path,
) -> Answer<Migration> {
    let mut sources: Vec<_> = members.iter().map(|(_, path)| unknown_source(path)).collect();
    let mut notes = Vec::new();
    let opened = open(session, arguments, members, (&mut sources, &mut notes));
    let ready = opened.and_then(|(store, paths)| {
        Ok((store, checked_target(session, arguments, target_path, &paths)?))
    });
    let (store, target) = match ready {
        Ok(ready) => ready,
        Err(failure) => return Answer::failed("migrate", Sources::Many(sources), *failure),
    };
    let of_redb = store.formats().contains(&Format::Redb);
    let options = Options {
        to: arguments.to,
        sink: SinkOptions {
            redb_format: arguments.redb_format,
            redb_schema: target_schema(arguments, of_redb),
            durability: arguments.durability,
            ..SinkOptions::default()
        },
        group: None,
        allow_loss: arguments.allow_loss.clone(),
        accept: arguments.accept.clone(),
        dry_run: arguments.dry_run,
        time_form: arguments.time_form,
        product: None,
    };
    let doors = Doors { fs: &session.fs, clock: &session.clock };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let path = members.first().map_or(Path::new(""), |(_, path)| path.as_path());
    let source = migrate::Source { store: &store, path, snapshots: None };
    let done = migrate::run(source, target, &options, &doors, &session.clock, &mut watch);
    watch.end();
    let sources = Sources::Many(sources);
    let formats: Vec<&str> = store.formats().iter().map(|format| format.as_str()).collect();
    let complete = |outcome: &mut Outcome| {
        outcome.migration.plan.from = formats.join(", ");
        outcome.migration.plan.notes.extend(notes.iter().cloned());
    };
    match done {
        Ok(mut outcome) => {
            complete(&mut outcome);
            finished(session, arguments, (sources, target_path), outcome)
        }
        Err(error) => {
            let context = session.context(path);
            let stop = session.interruption.exit();
            let (failure, mut outcome) = advice::of_migrate(error, &context, stop);
            if let Some(outcome) = &mut outcome {
                complete(outcome);
            }
            stopped(session, arguments, sources, failure, outcome)
        }
    }
}

/// Opens every member; what it is goes into `sources`, and what becomes of its snapshots into the
/// notes.
fn open(
    session: &Session,
    arguments: &Migrate,
    members: &[(GroupId, PathBuf)],
    (sources, notes): (&mut [Source], &mut Vec<String>),
) -> Result<(GroupedStore, Vec<PathBuf>), Box<Failure>> {
    let (reading, redb) = (arguments.reading.reading, arguments.redb.told());
    let options = OpenOptions { reading, redb, ..OpenOptions::default() };
    let (mut stores, mut paths) = (Vec::new(), Vec::new());
    for ((group, path), source) in members.iter().zip(sources) {
        match opened(session, path, (arguments.lock, arguments.tell), &options) {
            Ok(opened) => {
                *source = source_of(&opened.description);
                session.tell_evidence(arguments.tell, source);
                let name = group.name().unwrap_or_default().escape_debug();
                let kept = opened.snapshots.as_ref().and_then(migrate::snapshots_kept);
                notes.extend(kept.map(|kept| format!("{name}: {kept}")));
                paths.push(opened.description.store.clone());
                stores.push((group.clone(), opened.store));
            }
            Err(error) => {
                *source = recognised(session, path, &options);
                return Err(Box::new(unopened_failure(session, path, error)));
            }
        }
    }
    match GroupedStore::new(stores) {
        Ok(store) => Ok((store, paths)),
        Err(error) => {
            let path = members.first().map_or(Path::new(""), |(_, path)| path.as_path());
            Err(Box::new(advice::of_store(error, &session.context(path))))
        }
    }
}

/// A target that may be written, and lies in none of the members.
fn checked_target(
    session: &Session,
    arguments: &Migrate,
    path: &Path,
    members: &[PathBuf],
) -> Result<Target, Box<Failure>> {
    let checked = target(session, path, arguments.yes).and_then(|target| {
        members.iter().try_for_each(|member| target.refuse_overlap(member))?;
        Ok(target)
    });
    checked.map_err(|error| {
        Box::new(advice::of_target(error, &session.context(path), session.fs.as_ref()))
    })
}
