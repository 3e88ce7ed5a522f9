//! What is read and what is written, by the command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::cli::arguments::Migrate;
use crate::cli::failure::{Failure, Kind};
use crate::model::GroupId;

/// Sources and target.
pub(super) enum Ends {
    /// A store is copied.
    One {
        /// From where.
        source: PathBuf,
        /// To where.
        target: PathBuf,
    },
    /// Many stores become groups.
    Many {
        /// From where, with the names they get.
        members: Vec<(GroupId, PathBuf)>,
        /// To where.
        target: PathBuf,
    },
}

impl Ends {
    /// Sorts out the paths of a command line. A list behind `--group-of` takes everything that
    /// follows, so that the last of it is the target where none stands elsewhere.
    ///
    /// # Errors
    /// What is missing, too much, or no name with a path.
    pub(super) fn of(arguments: &Migrate) -> Result<Ends, Box<Failure>> {
        let mut list: Vec<&OsString> = arguments.group_of.iter().collect();
        let target = match (&arguments.source, &arguments.target) {
            (Some(source), Some(target)) if list.is_empty() => {
                let (source, target) = (source.clone(), target.clone());
                return Ok(Ends::One { source, target });
            }
            (Some(_), Some(_)) => {
                return Err(wrong("with --group-of there is no SRC, only DST".to_owned()));
            }
            (Some(target), None) => target.clone(),
            _ => list.pop().map(PathBuf::from).unwrap_or_default(),
        };
        if list.is_empty() {
            return Err(wrong("--group-of needs at least one NAME=PATH, and DST".to_owned()));
        }
        let members = list.into_iter().map(|text| member(text)).collect::<Result<Vec<_>, _>>()?;
        let mut names: Vec<&GroupId> = members.iter().map(|(group, _)| group).collect();
        names.sort();
        let twice = names.iter().zip(names.iter().skip(1)).find(|(one, other)| one == other);
        if let Some((twice, _)) = twice {
            let name = twice.name().unwrap_or_default().escape_debug();
            return Err(wrong(format!("two stores are to be group {name}")));
        }
        Ok(Ends::Many { members, target })
    }
}

fn member(text: &OsStr) -> Result<(GroupId, PathBuf), Box<Failure>> {
    let bytes = text.as_bytes();
    let mut parts = bytes.splitn(2, |byte| *byte == b'=');
    let (name, path) = (parts.next().unwrap_or_default(), parts.next());
    match (std::str::from_utf8(name), path) {
        (Ok(name), Some(path)) if !name.is_empty() && !path.is_empty() => {
            Ok((GroupId::named(name), PathBuf::from(OsStr::from_bytes(path))))
        }
        _ => Err(wrong(format!("{} is no NAME=PATH", text.display()))),
    }
}

fn wrong(message: String) -> Box<Failure> {
    let failure = Failure::new(Kind::Usage, message);
    Box::new(failure.hint("raftlog migrate --to fastlog --group-of a=PATH b=PATH DST"))
}
