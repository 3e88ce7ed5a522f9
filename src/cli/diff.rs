use crate::cli::arguments::Diff;
use crate::cli::inspect::{opened, recognised, unopened_failure};
use crate::cli::quote::{of_group, quoted_path};
use crate::cli::session::{Answer, Session, source_of, unknown_source, usage};
use crate::cli::{advice, failure};
use crate::compare::{self, Difference, Options};
use crate::model::Selection;
use crate::report::{Exit, Sources, difference};
use crate::store::OpenOptions;

/// Runs `diff`.
pub fn run(session: &Session, arguments: &Diff) -> Exit {
    let shape = match arguments.output.single("diff") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let answer = answer(session, arguments);
    match &answer.failure {
        // A field that does not exist is a mistake on the command line.
        Some(failure) if failure.kind.exit() == Exit::Usage => usage(failure, session.err),
        _ => session.answer(answer, shape, Some(arguments.tell)),
    }
}

fn answer(session: &Session, arguments: &Diff) -> Answer<Difference> {
    let mut sources = vec![unknown_source(&arguments.a), unknown_source(&arguments.b)];
    let mut stores = Vec::new();
    let (reading, redb) = (arguments.reading.reading, arguments.redb.told());
    let options = OpenOptions { reading, redb, ..OpenOptions::default() };
    for (path, source) in [&arguments.a, &arguments.b].into_iter().zip(&mut sources) {
        match opened(session, path, (arguments.lock, arguments.tell), &options) {
            Ok(opened) => {
                *source = source_of(&opened.description);
                session.tell_evidence(arguments.tell, source);
                stores.push(opened);
            }
            Err(error) => {
                let failure = unopened_failure(session, path, error);
                *source = recognised(session, path, &options);
                return Answer::failed("diff", Sources::Many(sources), failure);
            }
        }
    }
    let [a, b] = stores.as_slice() else {
        let failure = failure::Failure::new(failure::Kind::Internal, "two stores are not two");
        return Answer::failed("diff", Sources::Many(sources), failure);
    };
    let options = Options {
        group: arguments.group.chosen(),
        index: arguments.index.unwrap_or(Selection::ALL),
        ignore: arguments.ignore.clone(),
    };
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let compared = compare::diff(a.store.as_ref(), b.store.as_ref(), &options, &mut watch);
    watch.end();
    let outcome = match compared {
        Ok(outcome) => outcome,
        Err(error) => {
            let context = session.context(&arguments.a);
            let failure = advice::of_compare(error, &context, session.interruption.exit());
            return Answer::failed("diff", Sources::Many(sources), failure);
        }
    };
    let mut answer = Answer::new("diff", Sources::Many(sources));
    answer.findings = outcome.findings_a;
    answer.findings.merge(outcome.findings_b);
    let names = (arguments.a.to_string_lossy(), arguments.b.to_string_lossy());
    answer.text =
        difference::text(&names.0, &names.1, &outcome.difference, &answer.findings, session.out);
    answer.exit = if outcome.difference.identical { Exit::Ok } else { Exit::Findings };
    if let Some(first) = &outcome.difference.first_difference {
        let selector = match first.index {
            Some(index) => format!("--entries --index {index} --payload auto"),
            None => "--state".to_owned(),
        };
        let groups = &outcome.difference.groups;
        let several = groups.len() > 1 || arguments.group.chosen().is_some();
        let group = of_group(Some(&first.group).filter(|group| several || group.name().is_some()));
        for path in [&arguments.a, &arguments.b] {
            let path = quoted_path(path);
            let told = arguments.redb.again();
            answer.next.push(format!("raftlog inspect {path} {selector}{group}{told}"));
        }
    }
    answer.result = Some(outcome.difference);
    answer
}
