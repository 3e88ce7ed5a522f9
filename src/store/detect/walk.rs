//! Looking for stores below a directory: by content, not too deep, not too long.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::detect::content::{Content, content};
use crate::store::detect::layout::is_served;
use crate::store::{Format, StoreError, StoreFile, etcd_wal, fastlog, io_error, raft_wal};
use crate::vfs::{FileKind, Fs, Metadata};

/// Levels of directories below the one given.
const DEPTH_MAX: usize = 5;
/// Names that are looked at.
const NAMES_MAX: usize = 20_000;
/// Segments of an etcd WAL that are looked at.
const SEGMENTS_LOOKED_AT: usize = 8;
/// Things that are remembered for a list of what is there.
const SEEN_MAX: usize = 20;
/// What Linux says of links that lead in a circle.
const ELOOP: i32 = 40;
/// What a link to a name that does not exist is.
const NOWHERE: &str = "a link that leads nowhere";

/// A store that was found.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) evidence: Vec<String>,
    pub(super) files: Vec<StoreFile>,
    /// What keeps it from being read, where that is known already.
    pub(super) unreadable: Option<String>,
}

impl Candidate {
    /// Whether a known server opens it where it lies.
    pub(super) fn is_served(&self) -> bool {
        is_served(&self.path, self.format)
    }
}

/// A file that is no store by its content.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) path: PathBuf,
    pub(super) size_bytes: u64,
}

/// What lies below a directory.
#[derive(Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    /// Files of no known content, and empty ones.
    pub(super) plain: Vec<Plain>,
    /// What raftlog itself left behind, and what servers leave behind.
    pub(super) leftovers: Vec<(PathBuf, u64)>,
    /// What else is there, one line each.
    pub(super) seen: Vec<String>,
    /// Links that lead nowhere, and why.
    pub(super) broken: Vec<(PathBuf, &'static str)>,
    /// The first thing that could not be looked at.
    pub(super) hidden: Option<StoreError>,
    links: Vec<PathBuf>,
    names: usize,
}

/// Whether a name says that its bearer was left behind by an interrupted or failed run.
pub(super) fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let failed = name.rsplit_once(".failed").is_some_and(|(_, number)| {
        let number = number.strip_prefix('.').unwrap_or(number);
        number.bytes().all(|byte| byte.is_ascii_digit())
    });
    failed
        || [".partial", ".shrink", ".broken"].iter().any(|suffix| name.ends_with(suffix))
        || name.contains(".db.migrated.")
}

impl Found {
    /// Looks at everything below `dir`.
    ///
    /// # Errors
    /// When `dir` itself cannot be listed.
    pub(super) fn below(fs: &dyn Fs, dir: &Path) -> Result<Found, StoreError> {
        let mut found = Found::default();
        let mut level = vec![dir.to_owned()];
        for depth in 0..=DEPTH_MAX {
            let mut next = Vec::new();
            for dir in level {
                let looked = found.directory(fs, &dir, &mut next);
                match looked {
                    Err(error) if depth == 0 => return Err(error),
                    Err(error) => found.hide(error),
                    Ok(()) => {}
                }
            }
            level = next;
        }
        found.follow_links(fs);
        found.candidates.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn hide(&mut self, error: StoreError) {
        self.note(error.to_string());
        self.hidden.get_or_insert(error);
    }

    fn note(&mut self, words: String) {
        if self.seen.len() < SEEN_MAX {
            self.seen.push(words);
        } else if self.seen.len() == SEEN_MAX {
            self.seen.push("and more".to_owned());
        }
    }

    fn directory(
        &mut self,
        fs: &dyn Fs,
        dir: &Path,
        next: &mut Vec<PathBuf>,
    ) -> Result<(), StoreError> {
        if let Some(candidate) = directory_store(fs, dir)? {
            self.candidates.push(candidate);
            return Ok(());
        }
        for path in fs.list(dir).map_err(io_error("list", dir))? {
            self.names += 1;
            if self.names > NAMES_MAX {
                self.note(format!("more than {NAMES_MAX} names; the rest was not looked at"));
                return Ok(());
            }
            match fs.symlink_metadata(&path) {
                Ok(metadata) => self.name(fs, path, &metadata, next),
                Err(error) => self.hide(io_error("look at", &path)(error)),
            }
        }
        Ok(())
    }

    fn name(&mut self, fs: &dyn Fs, path: PathBuf, metadata: &Metadata, next: &mut Vec<PathBuf>) {
        if is_leftover(&path) {
            self.leftovers.push((path, metadata.size_bytes));
            return;
        }
        match metadata.kind {
            FileKind::Dir => next.push(path),
            FileKind::File => match content(fs, &path) {
                Ok(found) => self.file(path, metadata.size_bytes, found),
                Err(error) => self.hide(error),
            },
            FileKind::Link => self.links.push(path),
            FileKind::Other => self.note(format!("{}: no regular file", path.display())),
        }
    }

    /// Follows links to files, unless what they lead to is found by its own name or by another
    /// link: a server follows them too.
    fn follow_links(&mut self, fs: &dyn Fs) {
        let links = std::mem::take(&mut self.links);
        let mut known: BTreeSet<PathBuf> = match links.is_empty() {
            true => BTreeSet::new(),
            false => self.candidates.iter().filter_map(|c| fs.canonicalize(&c.path).ok()).collect(),
        };
        for path in links {
            let leads_to = fs.metadata(&path).and_then(|to| Ok((to, fs.canonicalize(&path)?)));
            match leads_to {
                Ok((to, place)) if to.kind == FileKind::File => {
                    if !known.insert(place.clone()) {
                        self.note(format!("{}: a link to {}", path.display(), place.display()));
                        continue;
                    }
                    match content(fs, &path) {
                        Ok(found) => self.file(path, to.size_bytes, found),
                        Err(error) => self.hide(error),
                    }
                }
                Ok(_) => self.note(format!("{}: a link to no file, not followed", path.display())),
                Err(error) if leads_nowhere(&error) => {
                    self.note(format!("{}: {NOWHERE}", path.display()));
                    self.broken.push((path, NOWHERE));
                }
                Err(error) => self.hide(io_error("follow", &path)(error)),
            }
        }
    }

    fn file(&mut self, path: PathBuf, size_bytes: u64, found: Content) {
        match file_candidate(&path, size_bytes, &found) {
            Some(candidate) => self.candidates.push(candidate),
            None => {
                self.note(format!("{}: {}", path.display(), found.words()));
                if matches!(found, Content::Other(_)) {
                    self.plain.push(Plain { path, size_bytes });
                }
            }
        }
    }
}

fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(ELOOP)
}

/// The candidate that a single file is, if it is one.
pub(super) fn file_candidate(path: &Path, size_bytes: u64, content: &Content) -> Option<Candidate> {
    let (format, evidence, unreadable) = match content {
        Content::Store(format, evidence) => (*format, evidence.clone(), None),
        Content::Unreadable(format, words) => (*format, words.clone(), Some(words.clone())),
        _ => return None,
    };
    Some(Candidate {
        path: path.to_owned(),
        format,
        evidence: vec![evidence],
        files: vec![StoreFile { path: path.to_owned(), size_bytes }],
        unreadable,
    })
}

/// The store that `dir` itself is: FastLog's, raft-wal's or etcd's.
///
/// # Errors
/// When it cannot be listed, or one of its files not be read.
pub(super) fn directory_store(fs: &dyn Fs, dir: &Path) -> Result<Option<Candidate>, StoreError> {
    if let Some(evidence) = fastlog::recognise(fs, dir)? {
        return candidate_of(fs, dir, Format::FastLog, evidence).map(Some);
    }
    let names = fs.list(dir).map_err(io_error("list", dir))?;
    let segment = |path: &&PathBuf| path.extension().is_some_and(|suffix| suffix == "wal");
    // The first may be damaged.
    for (_, path) in etcd_wal::segment_paths(fs, dir)?.into_iter().take(SEGMENTS_LOOKED_AT) {
        if let Content::Part(Format::EtcdWal, evidence) = content(fs, &path)? {
            return candidate_of(fs, dir, Format::EtcdWal, vec![evidence]).map(Some);
        }
    }
    let segment = match names.iter().find(segment) {
        Some(segment) => Some(content(fs, segment)?),
        None => None,
    };
    match names.iter().find(|path| path.ends_with(raft_wal::META_FILE)) {
        Some(metadata) => raft_wal_candidate(fs, dir, metadata, segment),
        None => Ok(None),
    }
}

/// The directory of raft-wal around its metadata and its first segment. Of a damaged one either is
/// enough: opening it says what is wrong with the other.
fn raft_wal_candidate(
    fs: &dyn Fs,
    dir: &Path,
    metadata: &Path,
    segment: Option<Content>,
) -> Result<Option<Candidate>, StoreError> {
    let found = content(fs, metadata)?;
    let proven = |content: &Content| matches!(content, Content::Part(Format::RaftWal, _));
    if !proven(&found) && !segment.as_ref().is_some_and(proven) {
        return Ok(None);
    }
    let evidence = match found {
        Content::Part(_, evidence) => evidence,
        other => format!("damaged metadata ({})", other.words()),
    };
    // A segment that was never written is all zeros.
    let segments = match segment {
        Some(segment) => format!("a segment beside it: {}", segment.words()),
        None => "no segment beside it".to_owned(),
    };
    candidate_of(fs, dir, Format::RaftWal, vec![evidence, segments]).map(Some)
}

fn candidate_of(
    fs: &dyn Fs,
    dir: &Path,
    format: Format,
    evidence: Vec<String>,
) -> Result<Candidate, StoreError> {
    let mut files = Vec::new();
    for path in fs.list(dir).map_err(io_error("list", dir))? {
        let metadata = fs.symlink_metadata(&path).map_err(io_error("look at", &path))?;
        if metadata.kind == FileKind::File {
            files.push(StoreFile { path, size_bytes: metadata.size_bytes });
        }
    }
    Ok(Candidate { path: dir.to_owned(), format, evidence, files, unreadable: None })
}
