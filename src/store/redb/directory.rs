//! A directory with a redb file for each group, as one store.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, GroupId, IndexRange, LogState, Place, Severity};
use crate::store::redb::layout::Names;
use crate::store::redb::noted::Noted;
use crate::store::redb::schemas;
use crate::store::redb::source::{Like, RedbStore, group_words, tables_without_log};
use crate::store::{
    Checked, Choice, Entries, Format, HeadRuns, Heads, Level, LogSource, Profile, Record,
    RecordScan, RedbSchema, Space, Store, StoreError, StoreFile,
};
use crate::vfs::{FileKind, Fs, Held};

/// Names of files that differ in a number alone: what stands before and behind it.
pub fn family_of(path: &Path) -> Option<Names> {
    let name = path.file_name()?.to_str()?;
    let (stem, ending) = name.rsplit_once('.')?;
    let before = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = before.len() < stem.len() && !before.contains("{}");
    numbered.then(|| Names::of_pattern(&format!("{before}{{}}.{ending}")))
}

/// The group that a file of one of these names holds.
pub fn group_of(names: &Names, path: &Path) -> Option<GroupId> {
    names.group(path.file_name()?.to_str()?).filter(|group| group.name() != Some(""))
}

/// Names of files that are groups of one store: as told, or alike but for a number.
pub fn names_of(told: &RedbSchema, paths: &[&Path]) -> Option<Names> {
    if let Some(pattern) = &told.file_pattern {
        return Some(Names::of_pattern(pattern));
    }
    let (first, rest) = paths.split_first()?;
    let names = family_of(first)?;
    rest.iter().all(|path| family_of(path).as_ref() == Some(&names)).then_some(names)
}

/// The files of a directory, each of which holds one group.
pub struct RedbDirectory {
    /// Ascending by group.
    members: Vec<Member>,
    profile: &'static Profile,
    files: Vec<StoreFile>,
    faults: Vec<Fault>,
    beside: Beside,
    /// Keep writers out of all files while this store is read.
    _locks: Vec<Option<Box<dyn Held>>>,
}

/// What lies beside the files of the groups in their directory.
#[derive(Default)]
pub struct Beside {
    /// Each of it (R117).
    pub faults: Vec<Fault>,
    /// The tables of other programs' databases among it, and their rows.
    pub tables: Vec<(String, u64)>,
}

impl Beside {
    /// Looks into the files that were named.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn new(fs: &dyn Fs, faults: Vec<Fault>, told: &RedbSchema) -> Result<Beside, StoreError> {
        let mut tables = Vec::new();
        for path in faults.iter().filter_map(|fault| Some(&*fault.place.as_ref()?.file)) {
            let is_file = fs.metadata(path).is_ok_and(|found| found.kind == FileKind::File);
            if is_file {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                let named = |(table, rows)| (format!("{file}/{table}"), rows);
                tables.extend(tables_without_log(fs, path, told)?.into_iter().map(named));
            }
        }
        Ok(Beside { faults, tables })
    }
}

/// The file of one group.
struct Member {
    group: GroupId,
    file: Inside,
}

/// What is in it.
enum Inside {
    Store(Box<RedbStore>),
    /// No byte: a group that has nothing yet.
    Nothing(LogState),
    /// Damage that leaves nothing to read.
    Damaged(Fault),
}

impl RedbDirectory {
    /// Opens the `files` of the directory `dir`, whose names name their groups; each comes
    /// with its lock. A file that was never written is a group without entries.
    ///
    /// # Errors
    /// As [`RedbStore::open`] when not one can be read; `Ambiguous` where they are of different
    /// schemas, `NotFound` where one of them holds no log.
    pub fn open(
        fs: &dyn Fs,
        dir: &Path,
        files: Vec<(StoreFile, Option<Box<dyn Held>>)>,
        told: &RedbSchema,
    ) -> Result<RedbDirectory, StoreError> {
        let (files, locks): (Vec<StoreFile>, Vec<_>) = files.into_iter().unzip();
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let names = names_of(told, &paths).unwrap_or_else(|| Names::of_pattern("{}"));
        let opening = Opening { fs, told, names };
        let mut members = opening.members(&files)?;
        members.sort_by(|a, b| a.group.cmp(&b.group));
        let mut schemas: Vec<&'static Profile> = members.iter().filter_map(profile_of).collect();
        schemas.dedup_by_key(|profile| profile.schema);
        let [profile] = schemas.as_slice() else {
            let stores = members.iter().filter_map(Member::store);
            let line = |store: &RedbStore| {
                let paths = store.files().iter().map(|file| file.path.display().to_string());
                let path = paths.collect::<String>();
                format!("{path} (schema {})", store.profile().schema)
            };
            return Err(StoreError::Ambiguous {
                path: dir.to_owned(),
                what: "redb files of different schemas; name the one that is meant".to_owned(),
                candidates: stores.map(line).collect(),
                by: Choice::Path,
            });
        };
        let schema = schemas::named(profile.schema).unwrap_or_else(schemas::default);
        let profile = schemas::profile_of_files(schema);
        let faults = members.iter().flat_map(faults_of).collect();
        let beside = Beside::default();
        Ok(RedbDirectory { members, profile, files, faults, beside, _locks: locks })
    }

    /// Says what else lies in the directory.
    pub fn set_beside(&mut self, beside: Beside) {
        self.faults.extend(beside.faults.iter().cloned());
        self.beside = beside;
    }

    /// Why this is a Raft log, one line each.
    pub fn evidence(&self) -> Vec<String> {
        let stores = || self.members.iter().filter_map(Member::store);
        let first = stores().next().map_or(&[][..], RedbStore::evidence);
        let count = format!("{} files, each a group", self.members.len());
        let lines = std::iter::once(count).chain(first.iter().cloned());
        let empty = self.members.len() - stores().count();
        let empty = (empty > 0).then(|| format!("{empty} of them empty or unreadable"));
        lines.chain(empty).collect()
    }

    fn member(&self, group: &GroupId) -> Result<&Inside, StoreError> {
        let found = self.members.iter().find(|member| member.group == *group);
        found.map(|member| &member.file).ok_or_else(|| StoreError::NotFound {
            path: self.files.first().map(|file| file.path.clone()).unwrap_or_default(),
            reason: "no file of such a group".to_owned(),
            seen: self.members.iter().map(|one| group_words(&one.group)).collect(),
        })
    }
}

impl Member {
    fn store(&self) -> Option<&RedbStore> {
        match &self.file {
            Inside::Store(store) => Some(store),
            Inside::Nothing(_) | Inside::Damaged(_) => None,
        }
    }
}

fn profile_of(member: &Member) -> Option<&'static Profile> {
    member.store().map(LogSource::profile)
}

fn faults_of(member: &Member) -> Vec<Fault> {
    match &member.file {
        Inside::Store(store) => store.opening_faults().to_vec(),
        Inside::Nothing(_) => Vec::new(),
        Inside::Damaged(fault) => vec![fault.clone().in_group(&member.group)],
    }
}

/// The files while they are opened.
struct Opening<'o> {
    fs: &'o dyn Fs,
    told: &'o RedbSchema,
    names: Names,
}

impl Opening<'_> {
    /// Opens every file; those whose tables prove nothing by themselves as the others are.
    fn members(&self, files: &[StoreFile]) -> Result<Vec<Member>, StoreError> {
        let (mut members, mut unproven) = (Vec::new(), Vec::new());
        let mut first_error = None;
        for file in files {
            let group = group_of(&self.names, &file.path).unwrap_or(GroupId::Unnamed);
            let opened = match file.size_bytes {
                0 => Err(None),
                _ => self.store(file, &group, None).map_err(Some),
            };
            match opened {
                Ok(store) if store.holds_something() => {
                    members.push(Member { group, file: Inside::Store(Box::new(store)) });
                }
                Ok(_) | Err(None) => unproven.push((file, group, None)),
                Err(Some(StoreError::Fault(fault))) => {
                    first_error.get_or_insert_with(|| StoreError::Fault(fault.clone()));
                    members.push(Member { group, file: Inside::Damaged(*fault) });
                }
                Err(Some(error @ StoreError::NotFound { .. })) => {
                    unproven.push((file, group, Some(error)));
                }
                Err(Some(error)) => return Err(error),
            }
        }
        let mut pattern = members.iter().filter_map(Member::store);
        let like = pattern.next().map(RedbStore::like);
        for (file, group, error) in unproven {
            let member = self.like(file, group, (like.as_ref(), error))?;
            members.push(member);
        }
        match (members.iter().any(|member| member.store().is_some()), first_error) {
            (false, Some(error)) => Err(error),
            _ => Ok(members),
        }
    }

    fn store(
        &self,
        file: &StoreFile,
        group: &GroupId,
        like: Option<&Like>,
    ) -> Result<RedbStore, StoreError> {
        let store =
            RedbStore::open_as_group(self.fs, &file.path, self.told, (group, &self.names), like)?;
        match store.groups()?.as_slice() {
            [] => Ok(store),
            [one] if one == group => Ok(store),
            groups => Err(StoreError::Ambiguous {
                path: file.path.clone(),
                what: "this file holds other groups than its name says; name it alone".to_owned(),
                candidates: groups.iter().map(group_words).collect(),
                by: Choice::Path,
            }),
        }
    }

    /// A file in which nothing proves what it is: as the others are, where there are others.
    fn like(
        &self,
        file: &StoreFile,
        group: GroupId,
        (like, error): (Option<&Like>, Option<StoreError>),
    ) -> Result<Member, StoreError> {
        let inside = match (like, file.size_bytes) {
            (Some(like), 0) => Inside::Nothing(self.nothing(like)),
            (Some(like), _) => {
                let store = self.store(file, &group, Some(like))?;
                match error {
                    Some(error) if store.holds_others() => return Err(error),
                    _ => Inside::Store(Box::new(store)),
                }
            }
            (None, 0) => Inside::Nothing(LogState::default()),
            (None, _) => match error {
                Some(error) => return Err(error),
                None => Inside::Store(Box::new(self.store(file, &group, None)?)),
            },
        };
        Ok(Member { group, file: inside })
    }

    /// The state of a group whose file has no byte.
    fn nothing(&self, like: &Like) -> LogState {
        let noted = Noted::new(like.schema, &like.layout, like.format);
        LogState {
            schema: Some(like.schema.name().to_owned()),
            note: noted.in_files(Some(self.names.clone())).write(),
            ..LogState::default()
        }
    }
}

impl LogSource for RedbDirectory {
    fn profile(&self) -> &'static Profile {
        self.profile
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.members.iter().map(|member| member.group.clone()).collect())
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        match self.member(group)? {
            Inside::Store(store) => store.state(group),
            Inside::Nothing(state) => Ok(state.clone()),
            Inside::Damaged(fault) => Err(fault.clone().in_group(group).into()),
        }
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        match self.member(group)? {
            Inside::Store(store) => store.entries(group, range),
            Inside::Nothing(_) => Ok(Box::new(std::iter::empty())),
            Inside::Damaged(fault) => Ok(nothing_but(fault, group)),
        }
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        match self.member(group)? {
            Inside::Store(store) => store.heads(group, range),
            Inside::Nothing(_) => Ok(Box::new(std::iter::empty())),
            Inside::Damaged(fault) => Ok(nothing_but(fault, group)),
        }
    }

    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        match self.member(group)? {
            Inside::Store(store) => store.head_runs(group, range),
            Inside::Nothing(_) => Ok(Box::new(std::iter::empty())),
            Inside::Damaged(fault) => Ok(nothing_but(fault, group)),
        }
    }
}

/// What stands for everything that a file should hold of which nothing can be read.
fn nothing_but<'s, T: 's>(
    fault: &Fault,
    group: &GroupId,
) -> Box<dyn Iterator<Item = Result<T, StoreError>> + Send + 's> {
    let fault = fault.clone().in_group(group);
    Box::new(std::iter::once_with(move || Err(fault.into())))
}

impl RecordScan for RedbDirectory {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut stopped = false;
        for store in self.members.iter().filter_map(Member::store) {
            if stopped {
                break;
            }
            store.scan(&mut |record| {
                let going = visit(record);
                stopped = going.is_break();
                going
            })?;
        }
        Ok(())
    }
}

impl Store for RedbDirectory {
    fn format(&self) -> Format {
        Format::Redb
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.faults
    }

    fn forgo_heads(&self) {
        self.members.iter().filter_map(Member::store).for_each(RedbStore::forgo_heads);
    }

    fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let mut all = Checked::default();
        for member in &self.members {
            let Inside::Store(store) = &member.file else {
                all.faults.extend(faults_of(member));
                continue;
            };
            let before = all.checked_bytes;
            let mut stopped = false;
            let one = store.check(level, &mut |bytes| {
                let going = progress(before.saturating_add(bytes));
                stopped = going.is_break();
                going
            })?;
            all.add(one);
            if stopped {
                break;
            }
        }
        all.faults.extend(self.files.iter().filter(|file| file.size_bytes == 0).map(no_byte));
        all.faults.extend(self.beside.faults.iter().cloned());
        Ok(all)
    }

    fn space(&self) -> Result<Space, StoreError> {
        let mut all = Space::default();
        for store in self.members.iter().filter_map(Member::store) {
            all.add(store.space()?);
        }
        Ok(all)
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        let named = |member: &Member| {
            let group = member.group.name().unwrap_or_default().to_owned();
            let others = member.store().map(Store::other_contents).unwrap_or_default().into_iter();
            others.map(move |(table, rows)| (format!("{group}/{table}"), rows)).collect::<Vec<_>>()
        };
        let inside = self.members.iter().flat_map(named);
        inside.chain(self.beside.tables.iter().cloned()).collect()
    }
}

/// That a file has no byte, which redb makes a new database of.
fn no_byte(file: &StoreFile) -> Fault {
    let found = "an empty file: a group that has no entries yet".to_owned();
    let place = Place { file: Arc::from(file.path.as_path()), offset_bytes: 0, len_bytes: 0 };
    let fault = Fault::new(Code::R117, FaultKind::Note { found }).at(place);
    fault.as_severity(Severity::Info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_groups_only_where_their_names_differ_in_a_number_alone() {
        let groups = |names: &[&'static str]| {
            let paths: Vec<&Path> = names.iter().map(Path::new).collect();
            let names = names_of(&RedbSchema::default(), &paths)?;
            let found = paths.iter().map(|path| group_of(&names, path));
            found.map(|one| Some(one?.name()?.to_owned())).collect::<Option<Vec<_>>>()
        };
        let wanted = Some(vec!["1".to_owned(), "12".to_owned()]);
        assert_eq!(groups(&["d/group-1.redb", "d/group-12.redb"]), wanted);
        assert_eq!(groups(&["d/group-1.redb", "d/other-2.redb"]), None);
        assert_eq!(groups(&["d/group-1.redb", "d/group-1.bak"]), None);
        assert_eq!(groups(&["a.redb", "b.redb"]), None);
        assert_eq!(groups(&["{}1.redb", "{}2.redb"]), None);
    }

    #[test]
    fn a_pattern_that_was_told_names_the_groups() {
        let file_pattern = Some("shard_{}.db".to_owned());
        let told = RedbSchema { file_pattern, ..RedbSchema::default() };
        let names = names_of(&told, &[]).unwrap();
        assert_eq!(group_of(&names, Path::new("d/shard_eu.db")), Some(GroupId::named("eu")));
        assert_eq!(group_of(&names, Path::new("d/shard_.db")), None);
        assert_eq!(group_of(&names, Path::new("d/shard_eu.db.bak")), None);
    }
}
