//! `completions` and `man`: the committed files, which a test makes from the command tree.

use std::io;
use std::path::Path;

use crate::cli::advice;
use crate::cli::arguments::{Completions, Man, Shell};
use crate::cli::failure::{Failure, Kind};
use crate::cli::quote::quoted_path;
use crate::cli::session::{Session, write_out};
use crate::model::IoError;
use crate::report::output::tell;
use crate::report::{Exit, words};
use crate::vfs::{OpenMode, read_exact_at};

/// The manual pages, by file name.
const PAGES: &[(&str, &str)] = &[
    ("raftlog.1", include_str!("../../man/raftlog.1")),
    ("raftlog-inspect.1", include_str!("../../man/raftlog-inspect.1")),
    ("raftlog-verify.1", include_str!("../../man/raftlog-verify.1")),
    ("raftlog-migrate.1", include_str!("../../man/raftlog-migrate.1")),
    ("raftlog-backup.1", include_str!("../../man/raftlog-backup.1")),
    ("raftlog-restore.1", include_str!("../../man/raftlog-restore.1")),
    ("raftlog-repair.1", include_str!("../../man/raftlog-repair.1")),
    ("raftlog-diff.1", include_str!("../../man/raftlog-diff.1")),
    ("raftlog-compare.1", include_str!("../../man/raftlog-compare.1")),
    ("raftlog-runbook.1", include_str!("../../man/raftlog-runbook.1")),
    ("raftlog-bench.1", include_str!("../../man/raftlog-bench.1")),
    ("raftlog-formats.1", include_str!("../../man/raftlog-formats.1")),
    ("raftlog-explain.1", include_str!("../../man/raftlog-explain.1")),
    ("raftlog-schema.1", include_str!("../../man/raftlog-schema.1")),
    ("raftlog-simulate.1", include_str!("../../man/raftlog-simulate.1")),
    ("raftlog-completions.1", include_str!("../../man/raftlog-completions.1")),
    ("raftlog-man.1", include_str!("../../man/raftlog-man.1")),
];

/// Runs `completions`.
pub fn completions(session: &Session, arguments: &Completions) -> Exit {
    let script = match arguments.shell {
        Shell::Bash => include_str!("../../completions/raftlog.bash"),
        Shell::Elvish => include_str!("../../completions/raftlog.elv"),
        Shell::Fish => include_str!("../../completions/raftlog.fish"),
        Shell::Pwsh => include_str!("../../completions/_raftlog.ps1"),
        Shell::Zsh => include_str!("../../completions/_raftlog"),
    };
    session.end(write_out(script), Exit::Ok)
}

/// Runs `man`.
pub fn man(session: &Session, arguments: &Man) -> Exit {
    let dir = &arguments.dir;
    let mut text = String::new();
    let written = create(session, dir).and_then(|()| {
        for (name, page) in PAGES.iter().copied() {
            write_page(session, &dir.join(name), page)?;
            text.push_str(&format!("{}\n", words::path(&dir.join(name))));
        }
        session.fs.sync_dir(dir).map_err(|error| io_failure(session, "sync", dir, error))
    });
    match written {
        Ok(()) => session.end(write_out(&text), Exit::Ok),
        Err(failure) => {
            tell(&failure.text(session.err));
            failure.kind.exit()
        }
    }
}

fn create(session: &Session, dir: &Path) -> Result<(), Box<Failure>> {
    match session.fs.create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created
            .and_then(|()| for_everyone(session, dir, 0o755))
            .map_err(|error| io_failure(session, "create", dir, error)),
    }
}

/// What is created is private, and a manual is not.
fn for_everyone(session: &Session, path: &Path, mode: u32) -> io::Result<()> {
    let modified_unix_ns = session.fs.metadata(path)?.modified_unix_ns;
    session.fs.set_attributes(path, mode, modified_unix_ns)
}

/// Writes a page, unless it is there already; another file of its name is left alone.
fn write_page(session: &Session, path: &Path, page: &str) -> Result<(), Box<Failure>> {
    match session.fs.open(path, OpenMode::CreateNew) {
        Ok(file) => file
            .write_at(0, page.as_bytes())
            .and_then(|()| for_everyone(session, path, 0o644))
            .and_then(|()| file.sync())
            .map_err(|error| io_failure(session, "write", path, error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if holds(session, path, page)
                .map_err(|error| io_failure(session, "read", path, error))?
            {
                return Ok(());
            }
            let message = format!("{}: another version of this page is there", path.display());
            Err(Box::new(
                Failure::new(Kind::Refused, message)
                    .hint(format!("rm {}", quoted_path(path)))
                    .docs(Exit::Refused.name()),
            ))
        }
        Err(error) => Err(io_failure(session, "create", path, error)),
    }
}

fn holds(session: &Session, path: &Path, page: &str) -> io::Result<bool> {
    let file = session.fs.open(path, OpenMode::Read)?;
    if file.size()? != page.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; page.len()];
    read_exact_at(file.as_ref(), 0, &mut found)?;
    Ok(found == page.as_bytes())
}

fn io_failure(
    session: &Session,
    action: &'static str,
    path: &Path,
    error: io::Error,
) -> Box<Failure> {
    Box::new(advice::of_io(&IoError::new(action, path, error), &session.context(path)))
}
