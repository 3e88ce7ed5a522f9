//! What every command has at hand: the file system, the clock, signals, and how to answer.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::cli::arguments::{LockArgs, OutputArgs, Shape, TellArgs};
use crate::cli::failure::{Context, Failure, Kind};
use crate::cli::interruption::Interruption;
use crate::event::{Event, Observer};
use crate::model::{Findings, Severity};
use crate::report::output::{Output, Stopped, tell};
use crate::report::{
    Color, Envelope, ErrorNote, Exit, Paint, Progress, Source, SourceFile, SourceLayout, Sources,
    Stream, document, words,
};
use crate::store::{Description, StoreError};
use crate::vfs::os::{OsClock, OsFs};
use crate::vfs::{Clock, Fs};

/// How often a lock is tried again; between two tries a signal is noticed.
const LOCK_SLICE: Duration = Duration::from_millis(200);

/// What every command has at hand.
pub struct Session {
    /// The real file system.
    pub fs: Arc<dyn Fs>,
    /// The real clock.
    pub clock: OsClock,
    /// Signals.
    pub interruption: Interruption,
    /// How text looks on stdout.
    pub out: Paint,
    /// How text looks on stderr.
    pub err: Paint,
    arguments: Vec<OsString>,
    started: Duration,
}

/// What a command answers when it does not stream.
pub struct Answer<R> {
    /// The command.
    pub command: &'static str,
    /// What it read.
    pub sources: Sources,
    /// Its result.
    pub result: Option<R>,
    /// What it found.
    pub findings: Findings,
    /// Why it could not finish.
    pub failure: Option<Failure>,
    /// How the program ends.
    pub exit: Exit,
    /// The result as text.
    pub text: String,
    /// Whether the text is a plan, which goes to stdout whatever the exit.
    pub is_plan: bool,
    /// Commands worth running next.
    pub next: Vec<String>,
}

impl<R> Answer<R> {
    /// An answer that went well so far.
    pub fn new(command: &'static str, sources: Sources) -> Answer<R> {
        Answer {
            command,
            sources,
            result: None,
            findings: Findings::default(),
            failure: None,
            exit: Exit::Ok,
            text: String::new(),
            is_plan: false,
            next: Vec::new(),
        }
    }

    /// The answer of a command that could not finish.
    pub fn failed(command: &'static str, sources: Sources, failure: Failure) -> Answer<R> {
        Answer {
            exit: failure.kind.exit(),
            failure: Some(failure),
            ..Answer::new(command, sources)
        }
    }
}

impl Session {
    /// A session that begins now.
    pub fn new(interruption: Interruption, arguments: Vec<OsString>, color: Color) -> Session {
        let clock = OsClock;
        let started = clock.monotonic();
        Session {
            fs: Arc::new(OsFs),
            clock,
            interruption,
            out: Paint::of(Stream::Stdout, color),
            err: Paint::of(Stream::Stderr, color),
            arguments,
            started,
        }
    }

    /// What failures about `path` are made of.
    pub fn context(&self, path: &Path) -> Context {
        Context {
            arguments: self.arguments.clone(),
            path: path.to_owned(),
            stopped: self.interruption.exit(),
        }
    }

    /// Milliseconds since the session began.
    pub fn elapsed_ms(&self) -> u64 {
        let elapsed = self.clock.monotonic().saturating_sub(self.started);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// An observer that shows progress and stops the job when a signal came.
    pub fn watch<'s>(&'s self, tell: TellArgs, time: &'s dyn Fn() -> Duration) -> Watch<'s> {
        let mode =
            if tell.quiet { crate::report::progress::Mode::Never } else { tell.progress.into() };
        Watch {
            progress: Progress::new(mode, !tell.quiet, time),
            interruption: self.interruption.clone(),
        }
    }

    /// The time that progress is measured by.
    pub fn time(&self) -> impl Fn() -> Duration + '_ {
        || self.clock.monotonic()
    }

    /// Tries `attempt` until it is not refused for a lock, or the operator's patience ends. The
    /// attempt gets the time that it may wait itself.
    pub fn patiently<T, E>(
        &self,
        lock: LockArgs,
        is_locked: impl Fn(&E) -> bool,
        mut attempt: impl FnMut(Duration) -> Result<T, E>,
    ) -> Result<T, E> {
        let began = self.clock.monotonic();
        loop {
            let waited = self.clock.monotonic().saturating_sub(began);
            let left = lock.lock_timeout.saturating_sub(waited);
            match attempt(left.min(LOCK_SLICE)) {
                Err(error)
                    if is_locked(&error)
                        && left > LOCK_SLICE
                        && self.interruption.exit().is_none() => {}
                done => return done,
            }
        }
    }

    /// Asks whether what an interrupted run left at `path` may be replaced. Without a terminal the
    /// answer is no.
    pub fn may_replace(&self, path: &Path) -> bool {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return false;
        }
        tell(&format!("{} was left by an interrupted run. Replace it? [y/N] ", words::path(path)));
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(_) => matches!(answer.trim(), "y" | "Y" | "yes"),
            Err(_) => false,
        }
    }

    /// Tells on stderr why the source was recognised, with `--verbose`.
    pub fn tell_evidence(&self, arguments: TellArgs, source: &Source) {
        if arguments.verbose {
            for evidence in &source.evidence {
                tell(&format!(
                    "{}: {}\n",
                    words::harmless(&source.path),
                    words::harmless(evidence)
                ));
            }
        }
    }

    /// Prints an answer and returns how the program ends.
    pub fn answer<R: Serialize>(
        &self,
        answer: Answer<R>,
        shape: Shape,
        arguments: Option<TellArgs>,
    ) -> Exit {
        let exit = answer.exit;
        let error = answer.failure.as_ref().map(Failure::note);
        let stays_empty = exit.is_operational() && !answer.is_plan;
        let stdout = match shape {
            Shape::Json => self.envelope(&answer, error),
            _ if stays_empty => String::new(),
            _ => answer.text.clone(),
        };
        let written = write_out(&stdout);
        if matches!(written, Err(Stopped::Closed)) && answer.failure.is_none() {
            // The whole answer is known, and a script may rely on the exit code alone: `verify`
            // whose reader went away says nothing more, but a verdict is no success.
            return exit;
        }
        if shape != Shape::Json && stays_empty {
            tell(&answer.text);
        }
        if let Some(failure) = &answer.failure {
            tell(&failure.text(self.err));
        }
        if arguments.is_none_or(|arguments| !arguments.quiet) {
            for (at, next) in answer.next.iter().enumerate() {
                tell(&format!("{} {next}\n", if at == 0 { "next:" } else { "     " }));
            }
        }
        if arguments.is_some_and(|arguments| arguments.verbose) {
            tell(&format!("took {}\n", words::duration(self.elapsed_ms())));
        }
        self.end(written, exit)
    }

    fn envelope<R: Serialize>(&self, answer: &Answer<R>, error: Option<ErrorNote>) -> String {
        let mut findings = answer.findings.clone();
        if let Some(failure) = &answer.failure {
            findings.merge(failure.findings.clone());
            findings.extend(failure.told.clone());
        }
        document(&Envelope::new(
            answer.command,
            answer.sources.clone(),
            answer.result.as_ref(),
            findings,
            error,
            answer.exit,
            self.elapsed_ms(),
        ))
    }

    /// How the program ends when it would end with `exit` and stdout went as `written` says.
    pub fn end(&self, written: Result<(), Stopped>, exit: Exit) -> Exit {
        match written {
            Ok(()) => exit,
            // Whoever went away does not turn a failure into a success: a backup to a stream
            // that closed is no backup.
            Err(Stopped::Closed)
                if exit.is_operational()
                    || matches!(exit, Exit::Interrupted | Exit::Terminated) =>
            {
                exit
            }
            Err(Stopped::Closed) => Exit::Ok,
            Err(Stopped::Failed(error)) => {
                let mut failure = Failure::new(Kind::Io, "cannot write to standard output");
                failure.causes.push(error.to_string());
                let failure = failure
                    .hint("look where it is redirected to, and whether there is room: df -h .")
                    .docs(Exit::Io.name());
                tell(&failure.text(self.err));
                Exit::Io
            }
        }
    }
}

/// Writes a whole result to stdout.
pub fn write_out(text: &str) -> Result<(), Stopped> {
    let mut output = Output::stdout();
    // Told by `finish`.
    let _flow = output.write(text);
    output.finish()
}

/// Shows progress, and stops a job when a signal came.
pub struct Watch<'s> {
    progress: Progress<'s>,
    interruption: Interruption,
}

impl Watch<'_> {
    /// Removes a bar, so that something else can be printed.
    pub fn end(&mut self) {
        self.progress.end();
    }
}

impl Observer for Watch<'_> {
    fn on(&mut self, event: &Event) -> ControlFlow<()> {
        self.progress.on(event);
        match self.interruption.exit() {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    }
}

/// How a command ends that found `findings`.
pub fn exit_of(findings: &Findings, strict: bool) -> Exit {
    exit_of_severity(findings.worst(), strict)
}

/// How a command ends whose gravest finding is `worst`.
pub fn exit_of_severity(worst: Option<Severity>, strict: bool) -> Exit {
    match worst {
        Some(Severity::Error) => Exit::Findings,
        Some(Severity::Warning) if strict => Exit::Findings,
        Some(Severity::Warning) => Exit::Warnings,
        Some(Severity::Info) | None => Exit::Ok,
    }
}

/// What a store is, as it is printed.
pub fn source_of(description: &Description) -> Source {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    Source {
        path: text(&description.path),
        format: Some(description.format.as_str().to_owned()),
        evidence: description.evidence.clone(),
        layout: description.layout.as_ref().map(|layout| SourceLayout {
            product: layout.product.as_str().to_owned(),
            node: layout.node.clone(),
            opened: layout.opened(&description.store, description.format).map(str::to_owned),
        }),
        files: description
            .files
            .iter()
            .map(|file| SourceFile { path: text(&file.path), size_bytes: file.size_bytes })
            .collect(),
    }
}

/// A source of which only the path is known.
pub fn unknown_source(path: &Path) -> Source {
    Source::unknown(path.to_string_lossy().into_owned())
}

/// Whether the store room was refused for a lock.
pub fn is_locked(error: &StoreError) -> bool {
    matches!(error, StoreError::Locked { .. })
}

impl OutputArgs {
    /// Text or one JSON object.
    ///
    /// # Errors
    /// When a stream was asked for, which `command` does not print.
    pub fn single(self, command: &str) -> Result<Shape, Box<Failure>> {
        match (self.json, self.format) {
            (true, _) | (_, Some(Shape::Json)) => Ok(Shape::Json),
            (_, None | Some(Shape::Text)) => Ok(Shape::Text),
            (_, Some(Shape::Jsonl)) => {
                let message = format!("{command} prints one object, not a stream");
                Err(Box::new(Failure::new(Kind::Usage, message).hint("--format json")))
            }
            (_, Some(Shape::Csv)) => {
                let message = format!("{command} prints no rows that csv could hold");
                let failure = Failure::new(Kind::Usage, message);
                Err(Box::new(
                    failure.hint("--format json; csv is for inspect --entries and --records"),
                ))
            }
        }
    }
}

/// Prints a failure of the command line: nothing on stdout, no JSON.
pub fn usage(failure: &Failure, paint: Paint) -> Exit {
    tell(&failure.text(paint));
    Exit::Usage
}
