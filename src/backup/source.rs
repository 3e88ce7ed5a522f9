//! The source of a backup: recognised, opened, locked, and watched so that nobody changes it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backup::manifest::{GroupNote, Verdict};
use crate::backup::survey::Survey;
use crate::backup::{Error, Judge};
use crate::event::Observer;
use crate::model::{Code, Fault, FaultKind, Findings, GroupId, IndexRange, IoError, Place, Term};
use crate::store::detect::detect;
use crate::store::open::{lock_shared, open};
use crate::store::{Description, Detected, Level, OpenOptions, Opened, Store, StoreError};
use crate::vfs::{Clock, FileKind, Fs, Held, Holder, LockState};

/// A source that nobody changes as long as this lives, as far as locks can tell.
pub(super) struct Quiet {
    /// How the store was recognised.
    pub description: Description,
    /// Everything that is packed.
    pub survey: Survey,
    /// What the operator should know: what is not packed.
    pub findings: Findings,
    root: PathBuf,
    /// The opened store, which holds its own locks; or the verdict that there is none to judge.
    opened: Result<Opened, Verdict>,
    _locks: Vec<Box<dyn Held>>,
}

/// Recognises the store at `path`.
pub(super) fn describe(
    fs: &Arc<dyn Fs>,
    path: &Path,
    options: &OpenOptions,
) -> Result<Description, Error> {
    match detect(fs, path, options)? {
        Detected::Store(description) => Ok(*description),
        Detected::Archive { .. } => Err(Error::Store(StoreError::Refused {
            path: path.to_owned(),
            what: "this is a backup already".to_owned(),
            way_out: "copy it; or verify it with: raftlog verify".to_owned(),
        })),
    }
}

/// Opens and locks what `description` describes, and surveys it.
pub(super) fn quiet(
    fs: &Arc<dyn Fs>,
    clock: &dyn Clock,
    path: &Path,
    description: Description,
    options: &OpenOptions,
) -> Result<Quiet, Error> {
    let mut findings = Findings::default();
    let mut locks = Vec::new();
    let mut description = description;
    let opened = match open(fs, clock, path, options) {
        Ok(opened) => {
            // Opening adds to the evidence.
            description = opened.description.clone();
            Ok(opened)
        }
        Err(error) => {
            let verdict = unopened(error)?;
            for file in &description.files {
                locks.extend(lock_shared(fs.as_ref(), clock, &file.path, options.lock_timeout)?);
            }
            Err(verdict)
        }
    };
    let root = root_of(fs.as_ref(), path)?;
    let survey = Survey::of(fs.as_ref(), &root)?;
    check_complete(fs.as_ref(), &survey, &description)?;
    refuse_other_users(fs.as_ref(), &survey)?;
    for (path, kind) in &survey.others {
        findings.add(left_out(path, *kind));
    }
    Ok(Quiet { description, survey, findings, root, opened, _locks: locks })
}

impl Quiet {
    /// What is packed: the source, or what a link that names it leads to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the rules say of the store, its places relative to what is packed.
    pub fn verdict(
        &self,
        fs: &dyn Fs,
        judge: &mut Judge<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Verdict, Error> {
        let mut verdict = match &self.opened {
            Ok(opened) => judge(opened, observer).continue_value().ok_or(Error::Cancelled)?,
            Err(verdict) => verdict.clone(),
        };
        let resolved = fs.canonicalize(&self.root).ok();
        for place in verdict.findings.iter_mut().filter_map(|line| line.place.as_mut()) {
            place.file = self.below(resolved.as_deref(), Path::new(&place.file));
        }
        Ok(verdict)
    }

    /// Why there is no store to judge.
    pub fn not_judged(&self) -> Option<&str> {
        self.opened.as_ref().err().and_then(|verdict| verdict.not_judged.as_deref())
    }

    /// The name of `file` below the root, however its path was come by; of a single file, and of
    /// one that lies elsewhere, the last part.
    fn below(&self, resolved: Option<&Path>, file: &Path) -> String {
        let roots = [Some(self.root.as_path()), resolved];
        let below = roots.into_iter().flatten().find_map(|root| file.strip_prefix(root).ok());
        let below = below.filter(|below| !below.as_os_str().is_empty());
        let last = || file.file_name().map(Path::new).unwrap_or(file);
        below.unwrap_or_else(last).to_string_lossy().into_owned()
    }

    /// The groups in short; damaged ones are left out, the verdict says why.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn groups(&self) -> Result<Vec<GroupNote>, Error> {
        let Ok(opened) = &self.opened else { return Ok(Vec::new()) };
        let store = opened.store.as_ref();
        let mut notes = Vec::new();
        for group in unless_damaged(store.groups())?.unwrap_or_default() {
            let Some(state) = unless_damaged(store.state(&group))? else { continue };
            let last = state.bounds.map(IndexRange::last);
            let last = last.and_then(|last| IndexRange::new(last, last));
            let term = match last {
                Some(range) => last_term(store, &group, range)?,
                None => None,
            };
            notes.push(GroupNote::new(&group, &state, term));
        }
        Ok(notes)
    }

    /// The source's own name, without the directories above it.
    pub fn name(&self, fs: &dyn Fs, path: &Path) -> Result<String, Error> {
        let resolved =
            fs.canonicalize(path).map_err(|source| IoError::new("resolve", path, source))?;
        Ok(resolved.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// Looks whether anything was created, removed or changed since the survey.
    pub fn check_unchanged(&self, fs: &dyn Fs) -> Result<(), Error> {
        match self.survey.difference(&Survey::of(fs, &self.root)?) {
            None => Ok(()),
            Some((path, what)) => Err(Error::Changed { path, what }),
        }
    }
}

fn last_term(store: &dyn Store, group: &GroupId, last: IndexRange) -> Result<Option<Term>, Error> {
    let Some(mut heads) = unless_damaged(store.heads(group, last))? else { return Ok(None) };
    let head = heads.next().transpose();
    Ok(unless_damaged(head)?.flatten().map(|located| located.head.term))
}

/// What was read; `None` of what is damaged.
fn unless_damaged<T>(read: Result<T, StoreError>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(StoreError::Fault(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A store that is damaged, or whose format is not read, is packed all the same: that is when a
/// backup matters most. Every other reason stands.
fn unopened(error: StoreError) -> Result<Verdict, Error> {
    match error {
        StoreError::Fault(fault) => {
            let mut findings = Findings::default();
            let reason = fault.to_string();
            findings.add(*fault);
            Ok(Verdict { not_judged: Some(reason), ..Verdict::of(Level::Full, &findings) })
        }
        StoreError::Unsupported { .. } | StoreError::Ambiguous { .. } => {
            Ok(Verdict::not_judged(&error.to_string()))
        }
        error => Err(Error::Store(error)),
    }
}

/// What stands at `path`; where a link stands, what it leads to, for that is what is meant.
fn root_of(fs: &dyn Fs, path: &Path) -> Result<PathBuf, Error> {
    let look = |source| IoError::new("look at", path, source);
    if fs.symlink_metadata(path).map_err(look)?.kind == FileKind::Link {
        return Ok(fs.canonicalize(path).map_err(look)?);
    }
    Ok(path.to_owned())
}

/// Every file of the store must be among those that are packed: a link could lead out of the
/// source.
fn check_complete(fs: &dyn Fs, survey: &Survey, description: &Description) -> Result<(), Error> {
    let packed: HashSet<(u64, u64)> =
        survey.files.iter().map(|file| file.metadata.identity).collect();
    for file in &description.files {
        let look = |source| IoError::new("look at", &file.path, source);
        let metadata = fs.metadata(&file.path).map_err(look)?;
        if metadata.kind == FileKind::File && !packed.contains(&metadata.identity) {
            return Err(Error::Store(StoreError::Refused {
                path: file.path.clone(),
                what: "this file belongs to the store but lies behind a symbolic link, \
                       and links are not followed"
                    .to_owned(),
                way_out: "back up the directory that the link leads to".to_owned(),
            }));
        }
    }
    Ok(())
}

/// A data directory holds more than the store; a live server locks some of it.
fn refuse_other_users(fs: &dyn Fs, survey: &Survey) -> Result<(), Error> {
    for file in &survey.files {
        let probe = |source| IoError::new("probe the locks of", &file.path, source);
        if let LockState::Held(holder) = fs.probe_lock(&file.path).map_err(probe)?
            && holder.pid != Some(std::process::id())
        {
            return Err(locked(&file.path, holder));
        }
    }
    Ok(())
}

fn locked(path: &Path, holder: Holder) -> Error {
    Error::Store(StoreError::Locked { path: path.to_owned(), holder })
}

fn left_out(path: &Path, kind: FileKind) -> Fault {
    let what = match kind {
        FileKind::Link => "a symbolic link",
        _ => "a socket, pipe or device",
    };
    let found = format!("{what} is not in the archive");
    let place = Place { file: path.into(), offset_bytes: 0, len_bytes: 0 };
    Fault::new(Code::R117, FaultKind::Note { found }).at(place)
}
