//! Several redb files in one directory: groups of one store, copies of these, or something else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::store::detect::walk::{Candidate, Plain};
use crate::store::redb::{Names, RedbDirectory, family_of, group_of, holds_log, is_file_a_group};
use crate::store::{Format, RedbSchema, StoreError, StoreFile};
use crate::vfs::Fs;

/// Endings of copies that people make.
const ENDINGS_OF_COPIES: [&str; 7] = ["bak", "backup", "copy", "old", "orig", "save", "tmp"];

/// What a directory can be read as.
pub(super) struct Readings {
    /// Each a store; more than one are one too many.
    pub(super) stores: Vec<Candidate>,
    /// What else lies there, and what it is.
    pub(super) others: Vec<(Candidate, &'static str)>,
}

/// Takes together what are files of one store, and sorts out what holds no log.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn readings(
    fs: &dyn Fs,
    candidates: Vec<Candidate>,
    (plain, told): (&[Plain], &RedbSchema),
) -> Result<Readings, StoreError> {
    let mut readings = match &told.file_pattern {
        Some(pattern) => return Ok(as_told(candidates, plain, &Names::of_pattern(pattern))),
        None => by_number(fs, candidates, (plain, told))?,
    };
    if readings.stores.len() > 1 {
        let stores = std::mem::take(&mut readings.stores);
        for store in stores {
            match store.format != Format::Redb || may_hold_log(fs, &store, told)? {
                true => readings.stores.push(store),
                false => readings.others.push((store, "a redb database without a Raft log")),
            }
        }
    }
    Ok(readings)
}

/// Whether any file of a store holds a log, or is damaged so that nobody can say.
fn may_hold_log(fs: &dyn Fs, store: &Candidate, told: &RedbSchema) -> Result<bool, StoreError> {
    for file in store.files.iter().filter(|file| file.size_bytes > 0) {
        if holds_log(fs, &file.path, told)? {
            return Ok(true);
        }
    }
    Ok(false)
}

type Families = BTreeMap<(PathBuf, String), (Names, Vec<Candidate>)>;

fn by_number(
    fs: &dyn Fs,
    candidates: Vec<Candidate>,
    (plain, told): (&[Plain], &RedbSchema),
) -> Result<Readings, StoreError> {
    let mut readings = Readings { stores: Vec::new(), others: Vec::new() };
    let mut families: Families = BTreeMap::new();
    for candidate in candidates {
        let is_redb = candidate.format == Format::Redb && candidate.unreadable.is_none();
        match family_of(&candidate.path).filter(|_| is_redb) {
            Some(names) => {
                let parent = candidate.path.parent().unwrap_or(Path::new("")).to_owned();
                let family = families.entry((parent, names.pattern()));
                family.or_insert_with(|| (names, Vec::new())).1.push(candidate);
            }
            None => readings.stores.push(candidate),
        }
    }
    // Copies lie beside what they are copies of, under its name with another ending.
    let all: Vec<String> = families.keys().map(|(_, pattern)| pattern.clone()).collect();
    families.retain(|(_, pattern), (_, files)| {
        let is_copy = is_pattern_of_copies(pattern, &all);
        if is_copy {
            let copies = files.drain(..).map(|copy| (copy, "a copy of one of the log's files"));
            readings.others.extend(copies);
        }
        !is_copy
    });
    let members: Vec<PathBuf> =
        families.values().flat_map(|(_, files)| files.iter().map(|one| one.path.clone())).collect();
    let (copies, stores) = readings
        .stores
        .into_iter()
        .partition(|one| members.iter().any(|member| is_copy_of(member, &one.path)));
    readings.stores = stores;
    let copies: Vec<Candidate> = copies;
    readings.others.extend(copies.into_iter().map(|one| (one, "a copy of one of the log's files")));
    for ((parent, _), (names, files)) in families {
        match files.len() == 1 || may_be_groups(fs, &files, told)? {
            true => readings.stores.push(one_store(&parent, &names, files, plain)),
            false => readings.stores.extend(files),
        }
    }
    Ok(readings)
}

/// Whether files hold what a node keeps in several files: by the first that can be read.
fn may_be_groups(fs: &dyn Fs, files: &[Candidate], told: &RedbSchema) -> Result<bool, StoreError> {
    for file in files {
        if let Some(may_be) = is_file_a_group(fs, &file.path, told)? {
            return Ok(may_be);
        }
    }
    Ok(true)
}

/// The pattern of files that can be read as one store, where there is one: of all candidates with
/// the same ending, else of those that differ in a number.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn pattern_of_one(
    fs: &dyn Fs,
    candidates: &[Candidate],
    (plain, told): (&[Plain], &RedbSchema),
) -> Result<Option<String>, StoreError> {
    if told.file_pattern.is_some() {
        return Ok(None);
    }
    let ending = candidates.iter().find_map(|one| one.files.first()?.path.extension()?.to_str());
    let all = ending.map(|ending| format!("{{}}.{ending}"));
    let families = candidates.iter().filter(|one| one.format == Format::Redb);
    let families = families.filter(|one| one.files.len() > 1);
    let families = families.filter_map(|one| Some(family_of(&one.files.first()?.path)?.pattern()));
    for pattern in all.into_iter().chain(families) {
        let told = RedbSchema { file_pattern: Some(pattern.clone()), ..told.clone() };
        let redb = candidates.iter().filter(|one| one.format == Format::Redb);
        let files = redb.flat_map(|one| one.files.iter().map(as_redb)).collect();
        let mut stores = as_told(files, plain, &Names::of_pattern(&pattern)).stores;
        let (Some(store), true) = (stores.pop(), stores.is_empty()) else { continue };
        let mut may_be = true;
        for file in store.files.iter().filter(|file| file.size_bytes > 0) {
            may_be = may_be && is_file_a_group(fs, &file.path, &told)?.unwrap_or(true);
        }
        let files = store.files.into_iter().map(|file| (file, None)).collect();
        if may_be && RedbDirectory::open(fs, &store.path, files, &told).is_ok() {
            return Ok(Some(pattern));
        }
    }
    Ok(None)
}

fn as_redb(file: &StoreFile) -> Candidate {
    Candidate {
        path: file.path.clone(),
        format: Format::Redb,
        evidence: Vec::new(),
        files: vec![file.clone()],
        unreadable: None,
    }
}

fn is_pattern_of_copies(pattern: &str, all: &[String]) -> bool {
    let Some((before, ending)) = pattern.rsplit_once('.') else { return false };
    let original =
        |other: &String| other != pattern && other.rsplit_once('.').map(|o| o.0) == Some(before);
    ENDINGS_OF_COPIES.contains(&ending) && all.iter().any(original)
}

fn is_copy_of(member: &Path, other: &Path) -> bool {
    let names = [member, other].map(|path| path.file_name().unwrap_or_default().to_string_lossy());
    let [name, longer] = names;
    let ending = longer.strip_prefix(&*name).filter(|ending| ending.len() > 1);
    member.parent() == other.parent()
        && ending.is_some_and(|ending| ending.starts_with(['.', '~', '-', '_']))
}

/// The store of a family of files. Among those that are no redb file by their content are groups
/// that were never written, and what damage made of one.
fn one_store(dir: &Path, names: &Names, mut files: Vec<Candidate>, plain: &[Plain]) -> Candidate {
    let own = |other: &&Plain| {
        other.path.parent() == Some(dir)
            && group_of(names, &other.path).is_some()
            && family_of(&other.path).as_ref() == Some(names)
    };
    let others: Vec<&Plain> = plain.iter().filter(own).collect();
    if files.len() == 1
        && others.is_empty()
        && let Some(alone) = files.pop()
    {
        return alone;
    }
    together(dir, files, &others, "redb files whose names differ in a number")
}

fn together(dir: &Path, files: Vec<Candidate>, others: &[&Plain], words: &str) -> Candidate {
    let plain = others
        .iter()
        .map(|other| StoreFile { path: other.path.clone(), size_bytes: other.size_bytes });
    let redb = files.iter().flat_map(|one| one.files.iter().cloned());
    let mut all: Vec<StoreFile> = redb.chain(plain).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    let unproven = match others.len() {
        0 => String::new(),
        count => format!(", {count} of them empty or no redb file by its content"),
    };
    Candidate {
        path: dir.to_owned(),
        format: Format::Redb,
        evidence: vec![format!("{} {words}{unproven}", all.len())],
        files: all,
        unreadable: None,
    }
}

/// The files of a pattern that the operator told, which lie in one directory.
fn as_told(candidates: Vec<Candidate>, plain: &[Plain], names: &Names) -> Readings {
    let mut dirs: BTreeMap<PathBuf, Vec<Candidate>> = BTreeMap::new();
    let mut others = Vec::new();
    for candidate in candidates {
        let own = candidate.format == Format::Redb && group_of(names, &candidate.path).is_some();
        match candidate.path.parent().filter(|_| own) {
            Some(dir) => dirs.entry(dir.to_owned()).or_default().push(candidate),
            None => others.push((candidate, "no file of the pattern that was told")),
        }
    }
    let stores = dirs.into_iter().map(|(dir, files)| {
        let own = |other: &&Plain| {
            other.path.parent() == Some(&dir) && group_of(names, &other.path).is_some()
        };
        let plain: Vec<&Plain> = plain.iter().filter(own).collect();
        together(&dir, files, &plain, "redb files of the pattern that was told")
    });
    Readings { stores: stores.collect(), others }
}
