use std::path::PathBuf;

use crate::cli::advice;
use crate::cli::arguments::Compare;
use crate::cli::failure::{Failure, Kind};
use crate::cli::inspect::{opened, recognised, unopened_failure};
use crate::cli::quote::{of_group, quoted_path};
use crate::cli::session::{Answer, Session, exit_of, source_of, unknown_source, usage};
use crate::compare::nodes::{self, Cluster, Conflict, ConflictKind, Node};
use crate::report::{Exit, Sources, cluster};
use crate::store::{OpenOptions, Opened};

/// Runs `compare`.
pub fn run(session: &Session, arguments: &Compare) -> Exit {
    let shape = match arguments.output.single("compare") {
        Ok(shape) => shape,
        Err(failure) => return usage(&failure, session.err),
    };
    let answer = answer(session, arguments);
    match &answer.failure {
        // The same node twice is a mistake on the command line.
        Some(failure) if failure.kind.exit() == Exit::Usage => usage(failure, session.err),
        _ => session.answer(answer, shape, Some(arguments.tell)),
    }
}

fn answer(session: &Session, arguments: &Compare) -> Answer<Cluster> {
    let mut sources: Vec<_> = arguments.nodes.iter().map(|path| unknown_source(path)).collect();
    let mut stores: Vec<Opened> = Vec::new();
    let options = OpenOptions { redb: arguments.redb.told(), ..OpenOptions::default() };
    for (path, source) in arguments.nodes.iter().zip(&mut sources) {
        match opened(session, path, (arguments.lock, arguments.tell), &options) {
            Ok(opened) => {
                *source = source_of(&opened.description);
                session.tell_evidence(arguments.tell, source);
                stores.push(opened);
            }
            Err(error) => {
                let failure = unopened_failure(session, path, error);
                *source = recognised(session, path, &options);
                return Answer::failed("compare", Sources::Many(sources), failure);
            }
        }
    }
    if let Some(failure) = named_twice(session, &arguments.nodes, &stores) {
        return Answer::failed("compare", Sources::Many(sources), failure);
    }
    let names: Vec<_> = arguments.nodes.iter().map(|path| path.to_string_lossy()).collect();
    let nodes: Vec<Node<'_>> =
        names.iter().zip(&stores).map(|(name, opened)| Node::new(name, opened)).collect();
    let group = arguments.group.chosen();
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let compared = nodes::compare(&nodes, group.as_ref(), &mut watch);
    watch.end();
    let outcome = match compared {
        Ok(outcome) => outcome,
        Err(error) => {
            let path = arguments.nodes.first().cloned().unwrap_or_default();
            let context = session.context(&path);
            let failure = advice::of_compare(error, &context, session.interruption.exit());
            return Answer::failed("compare", Sources::Many(sources), failure);
        }
    };
    let mut answer = Answer::new("compare", Sources::Many(sources));
    answer.text = cluster::text(&outcome.cluster, &outcome.findings, session.out);
    answer.exit = match outcome.unreadable || outcome.cluster.conflict.is_some() {
        true => Exit::Findings,
        false => exit_of(&outcome.findings, false),
    };
    let paths: Vec<String> = arguments.nodes.iter().map(|path| quoted_path(path)).collect();
    answer.next = match &outcome.cluster.conflict {
        Some(conflict) => closer_look(conflict, &arguments.redb.again()),
        None => vec![format!("raftlog verify {}{}", paths.join(" "), arguments.redb.again())],
    };
    answer.findings = outcome.findings;
    answer.result = Some(outcome.cluster);
    answer
}

/// One store that was given twice would be its own majority.
fn named_twice(session: &Session, paths: &[PathBuf], stores: &[Opened]) -> Option<Failure> {
    let same_file = |opened: &Opened| session.fs.metadata(&opened.description.store).ok();
    let identities: Vec<_> =
        stores.iter().map(|opened| same_file(opened).map(|found| found.identity)).collect();
    for (at, identity) in identities.iter().enumerate() {
        let earlier = identities.iter().take(at);
        let twin = earlier.zip(paths).find(|(other, _)| other.is_some() && *other == identity);
        if let (Some((_, first)), Some(second)) = (twin, paths.get(at)) {
            let message = format!(
                "{} and {} are one node; it would be its own majority",
                first.display(),
                second.display()
            );
            return Some(
                Failure::new(Kind::Usage, message)
                    .hint("name every node once")
                    .docs(Exit::Usage.name()),
            );
        }
    }
    None
}

/// The commands that show where two nodes part.
fn closer_look(conflict: &Conflict, told: &str) -> Vec<String> {
    let index = conflict.index.0;
    let range = format!("{}..{}", index.saturating_sub(1), index.saturating_add(1));
    let group = of_group(Some(&conflict.group).filter(|group| group.name().is_some()));
    let paths = [&conflict.a.path, &conflict.b.path].map(|path| quoted_path(path.as_ref()));
    let mut next: Vec<String> = paths
        .iter()
        .map(|path| {
            let shown = format!("--entries --index {range} --payload auto{group}{told}");
            format!("raftlog inspect {path} {shown}")
        })
        .collect();
    if conflict.kind == ConflictKind::Impossible {
        next.push(format!("raftlog verify {}{told}", paths.join(" ")));
    }
    next
}
