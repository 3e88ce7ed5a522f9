use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Code, GroupId, LogIndex, Severity, Term};

/// Bytes in a file: where something lies, or should lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// First byte.
    pub offset_bytes: u64,
    /// Number of bytes.
    pub len_bytes: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @ {} + {}", self.file.display(), self.offset_bytes, self.len_bytes)
    }
}

/// What about the data is not as it must be. Facts as fields; [`fmt::Display`] gives one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A stored checksum does not fit the bytes. Both as hexadecimal digits.
    Checksum {
        /// What the checksum covers.
        what: &'static str,
        /// The stored checksum.
        expected: String,
        /// The checksum over the bytes.
        found: String,
    },
    /// A field holds a value that is not allowed there.
    Field {
        /// The field.
        what: &'static str,
        /// What would be allowed.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A number, offset or length reaches beyond its limit.
    Bounds {
        /// The field.
        what: &'static str,
        /// The value found.
        value: u64,
        /// The largest allowed.
        limit: u64,
    },
    /// Something ends before it is complete.
    Short {
        /// What ends.
        what: &'static str,
        /// Bytes needed.
        needed_bytes: u64,
        /// Bytes there.
        found_bytes: u64,
    },
    /// Pages refer to each other in a circle, or one page is used twice.
    Cycle {
        /// Which pages.
        what: &'static str,
        /// The page met again, as the format numbers it.
        page: u64,
    },
    /// Two counts that must agree do not.
    Count {
        /// What is counted.
        what: &'static str,
        /// The recorded count.
        expected: u64,
        /// The count found.
        found: u64,
    },
    /// A file or part that must be there is not.
    Missing {
        /// What is missing.
        what: &'static str,
        /// Its name, or the number that leads to it.
        name: String,
    },
    /// A rule does not hold; `found` says how, in one line, and nothing beside it is to be said.
    Rule {
        /// What the rule demands.
        expected: String,
        /// What the log holds.
        found: String,
    },
    /// A rule does not hold, with the values that show it.
    Broken {
        /// How it is broken, one line.
        message: String,
        /// The value that the rule demands.
        expected: String,
        /// The value that is there, unless nothing is.
        found: Option<String>,
    },
    /// Something that is no damage but must be known.
    Note {
        /// The fact, one line.
        found: String,
    },
}

impl FaultKind {
    /// What should have been there, where that can be said.
    pub fn expected(&self) -> Option<String> {
        match self {
            FaultKind::Checksum { expected, .. }
            | FaultKind::Field { expected, .. }
            | FaultKind::Rule { expected, .. }
            | FaultKind::Broken { expected, .. } => Some(expected.clone()),
            FaultKind::Bounds { limit, .. } => Some(format!("at most {limit}")),
            FaultKind::Short { needed_bytes, .. } => Some(format!("{needed_bytes} bytes")),
            FaultKind::Count { expected, .. } => Some(expected.to_string()),
            FaultKind::Missing { name, .. } => Some(name.clone()),
            FaultKind::Cycle { .. } | FaultKind::Note { .. } => None,
        }
    }

    /// What was found, where that can be said apart from the line itself.
    pub fn found(&self) -> Option<String> {
        match self {
            FaultKind::Checksum { found, .. } | FaultKind::Field { found, .. } => {
                Some(found.clone())
            }
            FaultKind::Broken { found, .. } => found.clone(),
            FaultKind::Bounds { value, .. } => Some(value.to_string()),
            FaultKind::Short { found_bytes, .. } => Some(format!("{found_bytes} bytes")),
            FaultKind::Count { found, .. } => Some(found.to_string()),
            FaultKind::Cycle { page, .. } => Some(format!("page {page} again")),
            FaultKind::Missing { .. } => Some("nothing".to_owned()),
            FaultKind::Rule { .. } | FaultKind::Note { .. } => None,
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::Checksum { what, .. } => write!(f, "checksum mismatch in {what}"),
            FaultKind::Field { what, found, .. } => write!(f, "{what} is {found}"),
            FaultKind::Bounds { what, value, limit } => {
                write!(f, "{what} is {value}, beyond {limit}")
            }
            FaultKind::Short { what, needed_bytes, found_bytes } => {
                write!(f, "{what} needs {needed_bytes} bytes, {found_bytes} are there")
            }
            FaultKind::Cycle { what, page } => write!(f, "{what} meet page {page} twice"),
            FaultKind::Count { what, expected, found } => {
                write!(f, "{what}: {expected} recorded, {found} found")
            }
            FaultKind::Missing { what, name } => write!(f, "{what} {name} is missing"),
            FaultKind::Rule { found, .. } | FaultKind::Note { found } => f.write_str(found),
            FaultKind::Broken { message, .. } => f.write_str(message),
        }
    }
}

/// A finding about data: which rule, where, and what was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule.
    pub code: Code,
    /// How grave it is here; [`Code::severity`] unless circumstances soften it.
    pub severity: Severity,
    /// Group concerned, where one is known. `Some(Unnamed)` is a known group.
    pub group: Option<GroupId>,
    /// Index concerned, where one is known.
    pub index: Option<LogIndex>,
    /// Term concerned, where one is known.
    pub term: Option<Term>,
    /// Where in which file.
    pub place: Option<Place>,
    /// What is wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault of rule `code` with its usual severity and nothing else known.
    pub fn new(code: Code, kind: FaultKind) -> Fault {
        Fault {
            code,
            severity: code.severity(),
            group: None,
            index: None,
            term: None,
            place: None,
            kind,
        }
    }

    /// The same with its place.
    pub fn at(mut self, place: Place) -> Fault {
        self.place = Some(place);
        self
    }

    /// The same with its group.
    pub fn in_group(mut self, group: &GroupId) -> Fault {
        self.group = Some(group.clone());
        self
    }

    /// The same with its index.
    pub fn at_index(mut self, index: LogIndex) -> Fault {
        self.index = Some(index);
        self
    }

    /// The same with its term.
    pub fn at_term(mut self, term: Term) -> Fault {
        self.term = Some(term);
        self
    }

    /// The same with another severity.
    pub fn as_severity(mut self, severity: Severity) -> Fault {
        self.severity = severity;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.kind)
    }
}

/// Why an operation on a file did not work.
#[derive(Debug)]
pub struct IoError {
    /// What was attempted, a verb: "open", "read", "sync", "rename".
    pub action: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// At which byte, where it matters.
    pub offset_bytes: Option<u64>,
    /// What the system said.
    pub source: io::Error,
}

impl IoError {
    /// Wraps the system's error with what was attempted on which path.
    pub fn new(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> IoError {
        IoError { action, path: path.into(), offset_bytes: None, source }
    }

    /// The same, at a byte of the file.
    pub fn at(mut self, offset_bytes: u64) -> IoError {
        self.offset_bytes = Some(offset_bytes);
        self
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.action, self.path.display())?;
        match self.offset_bytes {
            Some(offset) => write!(f, " at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for IoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
