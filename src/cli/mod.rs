//! The command line: words to a job's options, a job's outcome to a report and an exit code.

mod advice;
mod archives;
mod arguments;
mod bench;
mod compare;
mod diff;
mod examples;
mod failure;
mod generated;
mod inspect;
mod interruption;
mod migrate;
mod quote;
mod reference;
mod repair;
mod runbook;
mod session;
mod simulate;
mod values;
mod verify;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory, FromArgMatches};

use crate::cli::arguments::{Arguments, Command};
use crate::cli::failure::{Failure, Kind};
use crate::cli::interruption::Interruption;
use crate::cli::session::{Session, write_out};
use crate::report::output::tell;
use crate::report::{Color, Exit, Paint, Stream};

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), |place| format!(" ({place})"));
        let failure = Failure::new(
            Kind::Internal,
            format!("this is a defect of raftlog{place}: {}", panic_words(panic.payload())),
        )
        .hint("please report it, with the command and this message")
        .docs(Exit::Internal.name());
        tell(&failure.text(Paint::PLAIN));
    }));
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    ExitCode::from(guarded(|| run_with(arguments)).code())
}

/// What a panic says.
fn panic_words(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// A panic ends with its own exit code, after everything half done was dropped.
fn guarded(run: impl FnOnce() -> Exit) -> Exit {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Exit::Internal)
}

fn run_with(arguments: Vec<OsString>) -> Exit {
    let color = color_before_parsing(&arguments);
    let out = Paint::of(Stream::Stdout, color);
    let err = Paint::of(Stream::Stderr, color);
    let program = std::iter::once(OsString::from("raftlog"));
    let parsed = command()
        .color(ColorChoice::Never)
        .try_get_matches_from(program.chain(arguments.iter().cloned()))
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let paint = if error.use_stderr() { err } else { out };
            let text = error.render();
            let text = if paint.is_colored() { text.ansi().to_string() } else { text.to_string() };
            if error.use_stderr() {
                tell(&text);
                return Exit::Usage;
            }
            let session = Session::new(Interruption::default(), arguments, color);
            return session.end(write_out(&text), Exit::Ok);
        }
    };
    match Interruption::install() {
        Ok(interruption) => dispatch(&Session::new(interruption, arguments, color), parsed.command),
        Err(error) => {
            let mut failure = Failure::new(Kind::Io, "cannot listen for signals");
            failure.causes.push(error.to_string());
            tell(&failure.text(err));
            Exit::Io
        }
    }
}

fn dispatch(session: &Session, command: Command) -> Exit {
    match command {
        Command::Inspect(arguments) => inspect::run(session, &arguments),
        Command::Verify(arguments) => verify::run(session, &arguments),
        Command::Migrate(arguments) => migrate::run(session, &arguments),
        Command::Backup(arguments) => archives::backup(session, &arguments),
        Command::Restore(arguments) => archives::restore(session, &arguments),
        Command::Diff(arguments) => diff::run(session, &arguments),
        Command::Simulate(arguments) => simulate::run(session, &arguments),
        Command::Compare(arguments) => compare::run(session, &arguments),
        Command::Repair(arguments) => repair::run(session, &arguments),
        Command::Runbook(arguments) => runbook::run(session, &arguments),
        Command::Bench(arguments) => bench::run(session, &arguments),
        Command::Formats(arguments) => reference::formats(session, &arguments),
        Command::Explain(arguments) => reference::explain(session, &arguments),
        Command::Schema(arguments) => reference::schema(session, &arguments),
        Command::Completions(arguments) => generated::completions(session, &arguments),
        Command::Man(arguments) => generated::man(session, &arguments),
    }
}

/// The command tree, from which help, completions and manual pages are made.
pub fn command() -> clap::Command {
    // About, examples, usage, flags: `{before-help}` is where the examples are.
    const TEMPLATE: &str =
        "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";
    let command = Arguments::command().before_long_help(examples::RAFTLOG);
    let names: Vec<String> =
        command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command.help_template(TEMPLATE), |command, name| {
        command.mut_subcommand(name, |command| command.help_template(TEMPLATE))
    })
}

/// What `--color` says, for the errors of the parser itself.
fn color_before_parsing(arguments: &[OsString]) -> Color {
    let mut color = Color::Auto;
    let mut words = arguments.iter().filter_map(|argument| argument.to_str());
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color=") {
            Some(value) => Some(value),
            None if word == "--color" => words.next(),
            None => None,
        };
        color = match value {
            Some("always") => Color::Always,
            Some("never") => Color::Never,
            Some("auto") => Color::Auto,
            _ => color,
        };
    }
    color
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn a_panic_ends_with_70_after_what_was_half_done_is_dropped() {
        struct Partial<'a>(&'a std::cell::Cell<bool>);
        impl Drop for Partial<'_> {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let removed = std::cell::Cell::new(false);
        let exit = guarded(|| {
            let _partial = Partial(&removed);
            panic!("on purpose");
        });
        assert_eq!(exit.code(), 70);
        assert!(removed.get());
        assert_eq!(guarded(|| Exit::Ok), Exit::Ok);
    }

    #[test]
    fn every_command_begins_its_long_help_with_examples() {
        for sub in command().get_subcommands() {
            let name = sub.get_name();
            let help = sub.clone().render_long_help().to_string();
            let examples = help.find("Examples:\n  ").expect("examples");
            let usage = help.find("Usage:").expect("usage");
            assert!(examples < usage, "{name}: {help}");
            assert!(help.contains(&format!("raftlog {name} ")) || name == "formats", "{name}");
            let short = sub.clone().render_help().to_string();
            assert!(!short.contains("Examples:"), "{name}: -h is short");
        }
    }
}
