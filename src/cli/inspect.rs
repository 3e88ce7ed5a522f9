use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;

use crate::cli::advice;
use crate::cli::arguments::{Inspect, LockArgs, ProgressWhen, Shape, TellArgs};
use crate::cli::failure::{Failure, Kind};
use crate::cli::quote::{of_group, quoted_path};
use crate::cli::session::{
    Answer, Session, exit_of, exit_of_severity, is_locked, source_of, unknown_source, usage,
};
use crate::event::{Meter, Phase, Stopped};
use crate::inspect::{self, Audience, EntryOptions, RecordOptions, Streamed};
use crate::model::{Findings, Place, Selection};
use crate::report::findings::explain_commands;
use crate::report::output::{Output, tell};
use crate::report::overview::{self, View};
use crate::report::stream::{Form, Items, Stream};
use crate::report::{Exit, Source, Sources, Summary, words};
use crate::store::{Detected, OpenOptions, Opened, OpeningWatch, StoreError, detect, open};
use crate::vfs::os::reader_has_left;

/// Runs `inspect`.
pub fn run(session: &Session, arguments: &Inspect) -> Exit {
    let is_stream = arguments.entries || arguments.records;
    let form = if is_stream { stream_form(arguments) } else { Ok(Form::Text) };
    let shape = if is_stream { Ok(Shape::Text) } else { single_shape(arguments) };
    match (form, shape) {
        (Err(failure), _) | (_, Err(failure)) => usage(&failure, session.err),
        (Ok(form), Ok(_)) if is_stream => stream(session, arguments, form),
        (_, Ok(shape)) => at_a_glance(session, arguments, shape),
    }
}

fn single_shape(arguments: &Inspect) -> Result<Shape, Box<Failure>> {
    arguments.output.single("inspect without --entries or --records")
}

fn stream_form(arguments: &Inspect) -> Result<Form, Box<Failure>> {
    match (arguments.output.json, arguments.output.format) {
        (true, _) | (_, Some(Shape::Jsonl)) => Ok(Form::Jsonl),
        (_, None | Some(Shape::Text)) => Ok(Form::Text),
        (_, Some(Shape::Csv)) => Ok(Form::Csv),
        (_, Some(Shape::Json)) => {
            let message = "a stream is not printed as one JSON object";
            Err(Box::new(Failure::new(Kind::Usage, message).hint("--format jsonl")))
        }
    }
}

/// What opening `path` said, with the commands that take it where it is no store but an archive.
pub(super) fn unopened_failure(session: &Session, path: &Path, error: StoreError) -> Failure {
    let is_unsupported = matches!(error, StoreError::Unsupported { .. });
    let mut failure = advice::of_store(error, &session.context(path));
    let options = OpenOptions::default();
    if is_unsupported
        && let Ok(Detected::Archive { .. }) = detect::detect(&session.fs, path, &options)
    {
        let path = quoted_path(path);
        failure.hints =
            vec![format!("raftlog verify {path}"), format!("raftlog restore {path} restored")];
    }
    failure
}

/// What a path that could not be opened is by its content: what recognising it alone says.
pub(super) fn recognised(session: &Session, path: &Path, options: &OpenOptions) -> Source {
    match detect::detect(&session.fs, path, options) {
        Ok(Detected::Store(description)) => source_of(&description),
        Ok(Detected::Archive { evidence }) => {
            Source { format: Some("archive".to_owned()), evidence, ..unknown_source(path) }
        }
        Err(_) => unknown_source(path),
    }
}

/// Opens the store at `path`, waiting for a lock as long as the operator said.
pub(super) fn opened(
    session: &Session,
    path: &Path,
    (lock, tell): (LockArgs, TellArgs),
    options: &OpenOptions,
) -> Result<Opened, StoreError> {
    session.patiently(lock, is_locked, |lock_timeout| {
        let options = OpenOptions { lock_timeout, ..options.clone() };
        watched(session, tell, |watch| {
            open::open_watched(&session.fs, &session.clock, path, &options, watch)
        })
    })
}

/// Opens something that may have to be read whole for that: shows how far it is, and stops when a
/// signal came.
pub(super) fn watched<T>(
    session: &Session,
    tell: TellArgs,
    open: impl FnOnce(&mut OpeningWatch<'_>) -> T,
) -> T {
    let time = session.time();
    let mut watch = session.watch(tell, &time);
    let mut meter = None;
    let opened = open(&mut |step| {
        let heard = match &mut meter {
            None => {
                let begun = Meter::start(Phase::Opening, Some(step.total_bytes), None, &mut watch);
                begun.map(|begun| meter = Some(begun))
            }
            Some(meter) => meter.reached(step.done_bytes, &mut watch),
        };
        match heard {
            Ok(()) => ControlFlow::Continue(()),
            Err(Stopped) => ControlFlow::Break(()),
        }
    });
    watch.end();
    opened
}

/// How the store is opened.
fn options(arguments: &Inspect) -> OpenOptions {
    let (reading, redb) = (arguments.reading.reading, arguments.redb.told());
    OpenOptions { reading, redb, live: arguments.follow, ..OpenOptions::default() }
}

fn at_a_glance(session: &Session, arguments: &Inspect, shape: Shape) -> Exit {
    let path = &arguments.path;
    let context = session.context(path);
    let options = options(arguments);
    let opened = match opened(session, path, (arguments.lock, arguments.tell), &options) {
        Ok(opened) => opened,
        Err(error) => {
            let failure = unopened_failure(session, path, error);
            let sources = Sources::One(recognised(session, path, &options));
            let answer = Answer::<inspect::Overview>::failed("inspect", sources, failure);
            return session.answer(answer, shape, Some(arguments.tell));
        }
    };
    let mut source = source_of(&opened.description);
    let view = match (arguments.state, arguments.stats) {
        (true, _) => View::State,
        (_, true) => View::Stats,
        _ => View::Overview,
    };
    if view != View::Overview {
        session.tell_evidence(arguments.tell, &source);
    }
    let time = session.time();
    let mut watch = session.watch(arguments.tell, &time);
    let group = arguments.group.chosen();
    let looked = match view {
        View::Stats => inspect::stats((&opened).into(), group.as_ref(), &mut watch),
        _ => inspect::overview((&opened).into(), group.as_ref(), &mut watch),
    };
    watch.end();
    let mut answer = match looked {
        Err(error) => {
            let failure = advice::of_inspect(error, &context, session.interruption.exit());
            Answer::failed("inspect", Sources::One(source), failure)
        }
        Ok(outcome) => {
            name_node(session, &mut source, &opened, &outcome.overview);
            let verbose = arguments.tell.verbose;
            let text = overview::text(
                view,
                &source,
                &outcome.overview,
                &outcome.findings,
                session.out,
                verbose,
            );
            let mut answer = Answer::new("inspect", Sources::One(source));
            answer.text = text;
            answer.exit = exit_of(&outcome.findings, false);
            answer.result = Some(outcome.overview);
            answer.findings = outcome.findings;
            answer
        }
    };
    if answer.failure.is_none() {
        let of_group = of_group(group.as_ref());
        let told = context.told();
        answer.next.push(format!("raftlog verify {}{of_group}{told}", quoted_path(path)));
        answer.next.extend(explain_commands(&answer.findings));
    }
    session.answer(answer, shape, Some(arguments.tell))
}

/// Names the node of a data directory that does not name it itself: the only member of its cluster,
/// or the one after which the data directory, or the directory that holds it, is called.
fn name_node(session: &Session, source: &mut Source, opened: &Opened, seen: &inspect::Overview) {
    let Some(layout) = source.layout.as_mut().filter(|layout| layout.node.is_none()) else {
        return;
    };
    let dir = opened.description.data_dir.as_deref();
    let whole = dir.and_then(|dir| session.fs.canonicalize(dir).ok()).unwrap_or_default();
    let names = whole.iter().rev().take(2).filter_map(|name| name.to_str());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if let Some((id, why)) = seen.own_server(&names) {
        layout.node = Some(id.to_owned());
        source.evidence.push(why);
    }
}

fn stream(session: &Session, arguments: &Inspect, form: Form) -> Exit {
    let path = &arguments.path;
    let items = if arguments.records {
        Items::Records
    } else {
        Items::Entries(arguments.payload.unwrap_or_default())
    };
    let options = options(arguments);
    let opened = opened(session, path, (arguments.lock, arguments.tell), &options)
        .and_then(|opened| opened.store.groups().map(|groups| (opened, groups)));
    let (opened, groups) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let failure = unopened_failure(session, path, error);
            let source = recognised(session, path, &options);
            return unopened(session, form, items, &source, &failure);
        }
    };
    let source = source_of(&opened.description);
    session.tell_evidence(arguments.tell, &source);
    if let Some(group) = arguments.group.chosen().filter(|group| !groups.contains(group)) {
        let error = inspect::Error::NoSuchGroup { group, present: groups };
        let failure = advice::of_inspect(error, &session.context(path), None);
        return unopened(session, form, items, &source, &failure);
    }
    let with_group = groups.iter().any(|group| group.name().is_some());
    let mut stream = Stream::new(Output::stdout(), form, items, with_group, session.out);
    match stream.begin(&source) {
        Ok(flow) if flow.is_break() => return end(session, stream, Streamed::default(), None),
        Ok(_) => {}
        Err(error) => {
            let mut failure = Failure::new(Kind::Io, "cannot start a thread");
            failure.causes.push(error.to_string());
            return end(session, stream, Streamed::default(), Some(failure));
        }
    }
    let streamed = match arguments.follow {
        true => follow(session, arguments, opened, &mut stream),
        false => visit(session, arguments, &opened, &mut stream),
    };
    let exit = match streamed {
        Ok(streamed) => {
            let cancelled = session.interruption.exit();
            let failure = cancelled.map(|exit| Failure::cancelled(Some(exit)));
            end(session, stream, streamed, failure)
        }
        Err(error) => {
            let failure =
                advice::of_inspect(error, &session.context(path), session.interruption.exit());
            let (items, findings) = (stream.shown(), stream.found().clone());
            let streamed = Streamed { items, findings, ..Streamed::default() };
            end(session, stream, streamed, Some(failure))
        }
    };
    if arguments.tell.verbose {
        tell(&format!("took {}\n", words::duration(session.elapsed_ms())));
    }
    exit
}

fn visit(
    session: &Session,
    arguments: &Inspect,
    opened: &Opened,
    stream: &mut Stream,
) -> Result<Streamed, inspect::Error> {
    let time = session.time();
    let mut tell = arguments.tell;
    if session.out.width.is_some() {
        // A bar between the lines of a stream would only disturb them.
        tell.progress = ProgressWhen::Never;
    }
    let mut watch = session.watch(tell, &time);
    let group = arguments.group.chosen();
    let store = opened.store.as_ref();
    if arguments.records {
        let options = RecordOptions { group, limit: arguments.limit };
        return inspect::records(store, &options, &mut |item| stream.record(&item), &mut watch);
    }
    let options = entry_options(arguments, opened);
    inspect::entries(store, &options, &mut |item| stream.entry(&item), &mut watch)
}

fn entry_options(arguments: &Inspect, opened: &Opened) -> EntryOptions {
    EntryOptions {
        group: arguments.group.chosen(),
        index: arguments.index.unwrap_or(Selection::ALL),
        term: arguments.term.unwrap_or(Selection::ALL),
        kinds: arguments.kind.clone(),
        limit: arguments.limit,
        payload: arguments.payload.unwrap_or_default(),
        product: opened.description.product(),
    }
}

/// Streams entries as a live process writes them, until nobody wants more.
fn follow(
    session: &Session,
    arguments: &Inspect,
    opened: Opened,
    stream: &mut Stream,
) -> Result<Streamed, inspect::Error> {
    let time = session.time();
    let silent = TellArgs { progress: ProgressWhen::Never, ..arguments.tell };
    let mut watch = session.watch(silent, &time);
    let how = entry_options(arguments, &opened);
    // That log and no other: what is put aside beside it is one too.
    let path = opened.description.store.clone();
    let options = OpenOptions { alone: true, ..options(arguments) };
    let mut first = Some(opened.store);
    let mut reopen = || match first.take() {
        Some(store) => Ok(store),
        None => {
            let (fs, clock) = (&session.fs, &session.clock);
            let mut stop = |_| match session.interruption.exit() {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            };
            open::open_watched(fs, clock, &path, &options, &mut stop).map(|opened| opened.store)
        }
    };
    let stream = RefCell::new(stream);
    let audience = Audience {
        visit: &mut |item| stream.borrow_mut().entry(&item),
        pause: &mut || {
            stream.borrow_mut().flush()?;
            match reader_has_left(std::io::stdout()) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        },
        unread: &mut |place| {
            if !arguments.tell.quiet {
                tell(&unread_words(place, &arguments.path));
            }
        },
        gone: &mut || {
            if !arguments.tell.quiet {
                let path = words::harmless(&arguments.path.to_string_lossy());
                tell(&format!("note: {path} is not there any more; waiting for it to come back\n"));
            }
        },
    };
    inspect::follow(&mut reopen, &session.clock, &how, audience, &mut watch)
}

/// That something behind the last entry has not become readable for a while.
fn unread_words(place: &Place, path: &Path) -> String {
    format!(
        "note: {} at {}: what was written behind the last entry cannot be read yet: a write that \
         goes on, or one that was torn; once its writer is stopped, `raftlog verify {}` tells\n",
        words::harmless(&place.file.to_string_lossy()),
        place.offset_bytes,
        quoted_path(path)
    )
}

/// Ends a stream that could not even begin: nothing on stdout, but for the two lines of JSON.
fn unopened(
    session: &Session,
    form: Form,
    items: Items,
    source: &Source,
    failure: &Failure,
) -> Exit {
    let exit = failure.kind.exit();
    let mut written = Ok(());
    if form == Form::Jsonl {
        let mut stream = Stream::new(Output::stdout(), form, items, false, session.out);
        let mut found = failure.findings.clone();
        found.extend(failure.told.clone());
        if stream.begin(source).is_ok_and(|flow| flow.is_continue()) {
            for fault in found.kept() {
                let _told_by_end = stream.entry(&inspect::EntryItem::Finding(fault));
            }
        }
        let summary = Summary::of(&found, session.elapsed_ms());
        written = stream.end(0, summary, Some(failure.note()), exit);
    }
    tell(&failure.text(session.err));
    session.end(written, exit)
}

fn end(session: &Session, stream: Stream, streamed: Streamed, failure: Option<Failure>) -> Exit {
    let worst = exit_of_severity(streamed.worst(), false);
    let exit = failure.as_ref().map_or(worst, |failure| failure.kind.exit());
    let Streamed { items, findings, .. } = streamed;
    let summary = Summary::of(&findings, session.elapsed_ms());
    let written = stream.end(items, summary, failure.as_ref().map(Failure::note), exit);
    // A reader that left wants to hear nothing more.
    if let (Some(failure), true) = (&failure, written.is_ok()) {
        tell(&failure.text(session.err));
    }
    if written.is_ok() {
        tell_counts(&findings);
    }
    session.end(written, exit)
}

fn tell_counts(findings: &Findings) {
    if let Some(counts) = crate::report::findings::counts(findings) {
        tell(&format!("found on the way: {counts}\n"));
    }
}
