//! Recognising a store by its content, never by a name.
//!
//! Names only decide which of several stores a server would open, and whose directory it is.

mod bolt;
mod content;
mod layout;
mod product;
mod redb_files;
mod streams;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, LogState, Place, TimeForm};
use crate::store::detect::content::{Content, content};
use crate::store::detect::layout::{data_dir_of, layout, who_opens};
use crate::store::detect::redb_files::{Readings, pattern_of_one, readings};
use crate::store::detect::walk::{
    Candidate, Found, Plain, directory_store, file_candidate, is_leftover,
};
use crate::store::etcd_wal::CLUSTER_ID_KEY;
use crate::store::{Choice, Format, OpenOptions, RedbSchema, StoreError, StoreFile, io_error};
use crate::vfs::{FileKind, Fs, parent_of};

pub(crate) use product::product_by_content;

/// Why a path that does not exist is not found.
pub(crate) const NO_SUCH_PATH: &str = "no such file or directory";

/// The program whose data directory a store lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Dkron.
    Dkron,
    /// A Nomad server.
    Nomad,
    /// A Consul server.
    Consul,
    /// Vault, or OpenBao where the two cannot be told apart.
    Vault,
    /// OpenBao.
    OpenBao,
    /// etcd.
    Etcd,
    /// Our own engine.
    Raftlog,
    /// Some program around hashicorp/raft.
    Hashicorp,
}

impl Product {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Product::Dkron => "dkron",
            Product::Nomad => "nomad",
            Product::Consul => "consul",
            Product::Vault => "vault",
            Product::OpenBao => "openbao",
            Product::Etcd => "etcd",
            Product::Raftlog => "raftlog",
            Product::Hashicorp => "hashicorp",
        }
    }

    /// Whether the program reads append times of this form; `None` where that is not known, or it
    /// has none.
    pub fn reads_times(self, form: TimeForm) -> Option<bool> {
        match self {
            Product::Dkron => Some(form == TimeForm::Old),
            Product::OpenBao | Product::Vault => Some(form == TimeForm::New),
            Product::Nomad => Some(true),
            Product::Consul | Product::Etcd | Product::Raftlog | Product::Hashicorp => None,
        }
    }
}

/// A recognised data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Whose.
    pub product: Product,
    /// Which node's, where the directory says so.
    pub node: Option<String>,
}

impl Layout {
    /// When the server of this directory opens the store in it, one line; `None` where no known
    /// server does.
    pub fn opened(&self, store: &Path, format: Format) -> Option<&'static str> {
        layout::opened(self.product, format).filter(|_| layout::is_served(store, format))
    }
}

/// What stands at a path, and how it was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The path as the operator named it.
    pub path: PathBuf,
    /// The store itself: `path`, or what was found below it.
    pub store: PathBuf,
    /// Its format.
    pub format: Format,
    /// Why it is that format, one line each.
    pub evidence: Vec<String>,
    /// Whose data directory it lies in, where one is recognised.
    pub layout: Option<Layout>,
    /// The data directory, where `path` is one or lies in one.
    pub data_dir: Option<PathBuf>,
    /// The files that belong to the store, sorted by name.
    pub files: Vec<StoreFile>,
    /// What looking around showed: leftovers (R117). Empty with [`OpenOptions::alone`].
    pub faults: Vec<Fault>,
}

impl Description {
    /// The program whose log it is, where that is known: by its data directory, or because no
    /// other program has this format.
    pub fn product(&self) -> Option<Product> {
        let by_directory = self.layout.as_ref().map(|layout| layout.product);
        by_directory.or((self.format == Format::EtcdWal).then_some(Product::Etcd))
    }
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// A store, of a format that is read or only recognised.
    Store(Box<Description>),
    /// An archive that `backup` wrote; it is verified and restored, not opened.
    Archive {
        /// Why it is one, one line each.
        evidence: Vec<String>,
    },
}

/// Recognises what stands at `path`, a file or a directory, without reading all of it.
///
/// # Errors
/// `NotFound` when nothing known is there (with what is there instead), `Ambiguous` when more than
/// one store is, `Unsupported` for a store of a kind that cannot be read, `Io` when the system
/// refused.
pub fn detect(
    fs: &Arc<dyn Fs>,
    path: &Path,
    options: &OpenOptions,
) -> Result<Detected, StoreError> {
    let fs = fs.as_ref();
    let metadata = match fs.metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(not_found(path, NO_SUCH_PATH, Vec::new()));
        }
        Err(error) => return Err(io_error("look at", path)(error)),
    };
    match metadata.kind {
        FileKind::File => detect_file(fs, path, metadata.size_bytes, options),
        FileKind::Dir => detect_directory(fs, path, options),
        FileKind::Link | FileKind::Other => {
            Err(not_found(path, "neither a file nor a directory", Vec::new()))
        }
    }
}

fn not_found(path: &Path, reason: &str, seen: Vec<String>) -> StoreError {
    StoreError::NotFound { path: path.to_owned(), reason: reason.to_owned(), seen }
}

fn detect_file(
    fs: &dyn Fs,
    path: &Path,
    size_bytes: u64,
    options: &OpenOptions,
) -> Result<Detected, StoreError> {
    let found = content(fs, path)?;
    if size_bytes == 0 {
        return Err(not_found(path, &found.words(), Vec::new()));
    }
    let recognised = file_candidate(path, size_bytes, &found);
    let candidate = match (recognised, options.format) {
        (Some(candidate), None) => candidate,
        (Some(candidate), Some(format)) if candidate.format == format => candidate,
        (Some(candidate), Some(format)) => return Err(another_format(path, &candidate, format)),
        (None, Some(format)) if is_directory(format) => {
            let reason = format!("{format} is a directory, and this is a file: {}", found.words());
            return Err(not_found(path, &reason, Vec::new()));
        }
        (None, Some(_)) if matches!(found, Content::Archive(_) | Content::Part(..)) => {
            return other_file(path, found);
        }
        (None, Some(format)) => Candidate {
            path: path.to_owned(),
            format,
            evidence: vec![format!("taken for {format} as told; by itself: {}", found.words())],
            files: vec![StoreFile { path: path.to_owned(), size_bytes }],
            unreadable: None,
        },
        (None, None) => return other_file(path, found),
    };
    let faults = if options.alone { Vec::new() } else { own_leftovers(fs, path)? };
    describe(fs, path, candidate, faults, options)
}

/// What the operator said is not what the content says.
fn another_format(path: &Path, candidate: &Candidate, told: Format) -> StoreError {
    let reason = format!("by its content this is {}, not {told} as told", candidate.format);
    not_found(path, &reason, candidate.evidence.clone())
}

/// Whether stores of `format` are directories.
fn is_directory(format: Format) -> bool {
    matches!(format, Format::FastLog | Format::RaftWal | Format::EtcdWal)
}

fn other_file(path: &Path, found: Content) -> Result<Detected, StoreError> {
    match found {
        Content::Archive(evidence) => Ok(Detected::Archive { evidence: vec![evidence] }),
        Content::Part(format, _) => {
            let dir = path.parent().unwrap_or(path);
            let reason = format!("a file of the {format} directory it lies in; name that instead");
            Err(not_found(path, &reason, vec![dir.display().to_string()]))
        }
        other => {
            let reason = format!("no Raft log of a known format: {}", other.words());
            Err(not_found(path, &reason, Vec::new()))
        }
    }
}

fn detect_directory(
    fs: &dyn Fs,
    path: &Path,
    options: &OpenOptions,
) -> Result<Detected, StoreError> {
    let wanted = |candidate: &Candidate| options.format.is_none_or(|f| f == candidate.format);
    let itself = directory_store(fs, path)?;
    if let (Some(candidate), Some(told)) = (&itself, options.format)
        && !wanted(candidate)
    {
        return Err(another_format(path, candidate, told));
    }
    if let Some(candidate) = itself {
        let faults = if options.alone { Vec::new() } else { own_leftovers(fs, path)? };
        return describe(fs, path, candidate, faults, options);
    }
    let Found { candidates, plain, leftovers, seen, broken, hidden, .. } = Found::below(fs, path)?;
    if let (Some(other), Some(told), false) =
        (candidates.first(), options.format, candidates.iter().any(wanted))
    {
        return Err(another_format(path, other, told));
    }
    let candidates: Vec<Candidate> = candidates.into_iter().filter(wanted).collect();
    // What could not be looked at may be the one that is meant.
    if let Some(error) = hidden {
        return Err(error);
    }
    let served = candidates.iter().any(Candidate::is_served);
    let (mut chosen, mut others): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| !served || candidate.is_served());
    if let Some(log) = with_copies(&chosen) {
        let log = chosen.swap_remove(log);
        others.extend(std::mem::replace(&mut chosen, vec![log]));
    }
    let Readings { stores: mut chosen, others: beside } =
        readings(fs, chosen, (&plain, &options.redb))?;
    let mut candidate = match (chosen.pop(), chosen.is_empty()) {
        (Some(candidate), true) => candidate,
        (Some(last), false) => {
            chosen.push(last);
            return Err(ambiguous(fs, path, (&chosen, &plain), &options.redb)?);
        }
        (None, _) => {
            let beside =
                beside.iter().map(|(one, words)| format!("{}: {words}", one.path.display()));
            return Err(not_found(
                path,
                "no Raft log in this directory",
                seen.into_iter().chain(beside).collect(),
            ));
        }
    };
    let mut faults = Vec::new();
    candidate.evidence.extend(left_out(&beside));
    if !options.alone {
        for (other, words) in beside {
            faults.push(leftover_fault(&other.path, total_bytes(&other.files), words));
        }
        faults.extend(broken.iter().map(|(link, words)| leftover_fault(link, 0, words)));
        for (leftover, size_bytes) in leftovers {
            faults.push(leftover_fault(&leftover, size_bytes, leftover_words(&leftover)));
        }
        for other in others {
            let words = format!("a {} that no server opens", other.format);
            faults.push(leftover_fault(&other.path, total_bytes(&other.files), &words));
        }
    }
    describe(fs, path, candidate, faults, options)
}

/// What lies beside the store in its directory and is no part of it, in a line.
fn left_out(beside: &[(Candidate, &str)]) -> Option<String> {
    const SHOWN: usize = 4;
    let name = |(one, words): &(Candidate, &str)| {
        let name = one.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!("{} ({words})", name.escape_debug())
    };
    let mut names: Vec<String> = beside.iter().take(SHOWN).map(name).collect();
    names.extend((beside.len() > SHOWN).then(|| "and others".to_owned()));
    let count = match beside.len() {
        0 => return None,
        1 => "1 file is no part of it".to_owned(),
        count => format!("{count} files are no part of it"),
    };
    Some(format!("{count}: {}", names.join(", ")))
}

/// The log of which all others are named copies, by position: `LOG.fastlog` beside `LOG` is what a
/// conversion wrote and was not put in its place yet, or the old log that was kept.
fn with_copies(candidates: &[Candidate]) -> Option<usize> {
    let is_copy = |of: &Path, other: &Path| {
        let names = [of, other].map(|path| path.file_name().unwrap_or_default().to_string_lossy());
        let [name, longer] = names;
        let ending = longer.strip_prefix(&*name).filter(|ending| ending.len() > 1);
        of.parent() == other.parent() && ending.is_some_and(|ending| ending.starts_with('.'))
    };
    let is_log = |(at, log): &(usize, &Candidate)| {
        let mut others = candidates.iter().enumerate().filter(|(other, _)| other != at);
        others.all(|(_, other)| is_copy(&log.path, &other.path))
    };
    let log = candidates.iter().enumerate().find(is_log)?.0;
    (candidates.len() > 1).then_some(log)
}

fn total_bytes(files: &[StoreFile]) -> u64 {
    files.iter().map(|file| file.size_bytes).sum()
}

/// That there is more than one store, and what would choose one of them.
///
/// # Errors
/// When a file cannot be read.
fn ambiguous(
    fs: &dyn Fs,
    path: &Path,
    (candidates, plain): (&[Candidate], &[Plain]),
    told: &RedbSchema,
) -> Result<StoreError, StoreError> {
    let parent = candidates.first().and_then(|candidate| candidate.path.parent());
    let one_node = candidates
        .iter()
        .all(|candidate| candidate.is_served() && candidate.path.parent() == parent);
    let pattern = match one_node {
        true => None,
        false => pattern_of_one(fs, candidates, (plain, told))?,
    };
    let by = pattern.map_or(Choice::Path, Choice::Files);
    let what = match &by {
        _ if one_node => "two backends in one data directory; name the one that is meant",
        Choice::Files(_) => {
            "more than one Raft log; name the one that is meant, or with --redb-file-pattern the \
             files that are a group each"
        }
        Choice::Path | Choice::Table => "more than one Raft log; name the one that is meant",
    };
    let line = |candidate: &Candidate| {
        let place = candidate.path.display();
        match one_node {
            true => format!("{place} ({}): {}", candidate.format, who_opens(&candidate.path)),
            false => format!("{place} ({})", candidate.format),
        }
    };
    Ok(StoreError::Ambiguous {
        path: path.to_owned(),
        what: what.to_owned(),
        candidates: candidates.iter().map(line).collect(),
        by,
    })
}

fn leftover_fault(path: &Path, len_bytes: u64, words: &str) -> Fault {
    let name = path.display();
    Fault::new(Code::R117, FaultKind::Note { found: format!("{name}: {words}") }).at(Place {
        file: Arc::from(path),
        offset_bytes: 0,
        len_bytes,
    })
}

fn leftover_words(path: &Path) -> &'static str {
    match path.extension().is_some_and(|suffix| suffix == "shrink") {
        true => "left by an interrupted rewrite of raft-fastlog, whose loader ignores it",
        false => "left by an interrupted run",
    }
}

/// What runs of raftlog that had this very store as their target left beside it.
fn own_leftovers(fs: &dyn Fs, store: &Path) -> Result<Vec<Fault>, StoreError> {
    let parent = parent_of(store);
    let Some(name) = store.file_name().map(|name| name.to_string_lossy()) else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    // A directory that can be passed through need not be one that can be listed.
    let Ok(names) = fs.list(parent) else { return Ok(faults) };
    for path in names.into_iter().filter(|path| is_leftover(path)) {
        let other = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let rest = other.strip_prefix(&*name).filter(|rest| rest.starts_with('.'));
        if rest.is_some() {
            let found = fs.symlink_metadata(&path).map_err(io_error("look at", &path))?;
            faults.push(leftover_fault(&path, found.size_bytes, leftover_words(&path)));
        }
    }
    Ok(faults)
}

/// A second backend beside a store that was named itself.
fn second_backend(fs: &dyn Fs, store: &Path) -> Result<Vec<Fault>, StoreError> {
    let Some(parent) = store.parent().filter(|_| data_dir_of(store).is_some()) else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    for path in fs.list(parent).map_err(io_error("list", parent))? {
        let metadata = fs.symlink_metadata(&path).map_err(io_error("look at", &path))?;
        if path.file_name() == store.file_name() || is_leftover(&path) {
            continue;
        }
        let found = match metadata.kind {
            FileKind::File => file_candidate(&path, metadata.size_bytes, &content(fs, &path)?),
            FileKind::Dir => directory_store(fs, &path)?,
            FileKind::Link | FileKind::Other => None,
        };
        let Some(other) = found else { continue };
        let words = match other.is_served() {
            true => format!("a second backend, {}: {}", other.format, who_opens(&path)),
            false => format!("a {} that no server opens", other.format),
        };
        faults.push(leftover_fault(&path, total_bytes(&other.files), &words));
    }
    Ok(faults)
}

fn describe(
    fs: &dyn Fs,
    path: &Path,
    candidate: Candidate,
    mut faults: Vec<Fault>,
    options: &OpenOptions,
) -> Result<Detected, StoreError> {
    let Candidate { path: store, format, evidence, files, unreadable } = candidate;
    if let Some(what) = unreadable {
        let way_out = "convert it on a machine of its own byte order first".to_owned();
        return Err(StoreError::Unsupported { path: store, what, way_out });
    }
    let place = place_of(fs, &store);
    let around = match (store == path, options.alone) {
        (true, true) => None,
        (true, false) => data_dir_of(&place),
        (false, _) => data_dir_of(&place).or_else(|| Some(path.to_owned())),
    };
    if store == path && !options.alone {
        faults.extend(second_backend(fs, &place)?);
    }
    let layout = around.as_deref().and_then(|root| layout(fs, root, &place, format));
    Ok(Detected::Store(Box::new(Description {
        path: path.to_owned(),
        store,
        format,
        evidence,
        layout,
        data_dir: around,
        files,
        faults,
    })))
}

/// The store's path by which to look around. Only the names as the operator gave them are followed
/// upward, links are not; where these begin inside of a data directory, so that names are missing,
/// by the directory that the operator stands in.
fn place_of(fs: &dyn Fs, store: &Path) -> PathBuf {
    let whole = data_dir_of(store).is_some_and(|root| !root.as_os_str().is_empty());
    let directory = (!whole && store.is_relative()).then(|| fs.canonicalize(parent_of(store)));
    match (directory, store.file_name()) {
        (Some(Ok(directory)), Some(name)) => directory.join(name),
        _ => store.to_owned(),
    }
}

/// Whose log it was, wherever it lies now, where its stable keys tell.
pub fn product_of(state: &LogState) -> Option<Product> {
    state.stable.contains_key(CLUSTER_ID_KEY).then_some(Product::Etcd)
}

#[cfg(test)]
mod tests;
