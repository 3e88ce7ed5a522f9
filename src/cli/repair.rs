//! `repair`.

use crate::cli::advice;
use crate::cli::arguments::Repair as Arguments;
use crate::cli::inspect::{recognised, watched};
use crate::cli::migrate::target;
use crate::cli::quote::quoted_path;
use crate::cli::session::{Answer, Session, is_locked, source_of, usage};
use crate::repair::{self, Job, Repair, Wholeness};
use crate::report::{Exit, Sources, repaired};
use crate::store::open::open_damaged;
use crate::store::{Damaged, OpenOptions};

/// Runs `repair`.
pub fn run(session: &Session, arguments: &Arguments) -> Exit {
    let shape = match arguments.output.single("repair") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let answer = answer(session, arguments);
    session.answer(answer, shape, Some(arguments.tell))
}

fn answer(session: &Session, arguments: &Arguments) -> Answer<Repair> {
    let path = &arguments.source;
    let context = session.context(path);
    let options = OpenOptions { redb: arguments.redb.told(), ..OpenOptions::default() };
    let damaged = session.patiently(arguments.lock, is_locked, |lock_timeout| {
        let options = OpenOptions { lock_timeout, ..options.clone() };
        watched(session, arguments.tell, |watch| {
            open_damaged(&session.fs, &session.clock, path, &options, watch)
        })
    });
    let damaged = match damaged {
        Ok(damaged) => damaged,
        Err(error) => {
            let failure = advice::of_store(error, &session.context(path));
            let source = recognised(session, path, &options);
            return Answer::failed("repair", Sources::One(source), failure);
        }
    };
    let source = source_of(&damaged.description);
    session.tell_evidence(arguments.tell, &source);
    let target = match target(session, &arguments.out, arguments.yes) {
        Ok(target) => target,
        Err(error) => {
            let about = session.context(&arguments.out);
            let failure = advice::of_target(error, &about, session.fs.as_ref());
            return Answer::failed("repair", Sources::One(source), failure);
        }
    };
    let Damaged { salvage, description, snapshots } = &damaged;
    let job = Job {
        salvage: salvage.as_ref(),
        snapshots: snapshots.as_ref(),
        target,
        dry_run: arguments.dry_run,
        redb: &options.redb,
        fs: &session.fs,
        clock: &session.clock,
    };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let done = repair::run(job, &description.store, &mut watch);
    watch.end();
    match done {
        Ok(repair) => {
            let mut answer = Answer::new("repair", Sources::One(source));
            answer.findings = repair::findings(salvage.as_ref());
            let (from, to) = (path.to_string_lossy(), arguments.out.to_string_lossy());
            answer.text = repaired::text(&from, &to, &repair, &answer.findings, session.out);
            answer.is_plan = arguments.dry_run;
            answer.exit = match repair.wholeness() {
                Wholeness::Whole if salvage.left_out().is_empty() => Exit::Ok,
                Wholeness::Whole | Wholeness::Noted => Exit::Warnings,
                Wholeness::Holes => Exit::Partial,
            };
            answer.next.push(match arguments.dry_run {
                true => context.for_real(),
                false => {
                    let told = arguments.redb.again();
                    format!("raftlog verify {}{told}", quoted_path(&arguments.out))
                }
            });
            answer.result = Some(repair);
            answer
        }
        Err(error) => {
            let failure = advice::of_repair(error, &context, session.interruption.exit());
            Answer::failed("repair", Sources::One(source), failure)
        }
    }
}
