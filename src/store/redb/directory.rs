//! A directory with a redb file for each group, as one store.

use std::ops::ControlFlow;
use std::path::Path;

use crate::model::{Fault, GroupId, IndexRange, LogState};
use crate::store::redb::source::RedbStore;
use crate::store::{
    Checked, Entries, Format, Heads, Level, LogSource, Profile, Record, RecordScan, RedbSchema,
    Space, Store, StoreError, StoreFile,
};
use crate::vfs::{Fs, Held};

/// Names of files that differ in a number alone: what stands before and behind it, and the number.
fn parts(path: &Path) -> Option<(&str, &str, &str)> {
    let name = path.file_name()?.to_str()?;
    let (stem, ending) = name.rsplit_once('.')?;
    let before = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = stem.get(before.len()..)?;
    (!number.is_empty()).then_some((before, ending, number))
}

/// The group of each of some files, where their names differ in a number alone.
pub fn groups_of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Option<Vec<GroupId>> {
    let mut alike = None;
    let mut groups = Vec::new();
    for path in paths {
        let (before, ending, number) = parts(path)?;
        let own = (path.parent(), before, ending);
        if *alike.get_or_insert(own) != own {
            return None;
        }
        groups.push(GroupId::named(number));
    }
    (groups.len() > 1).then_some(groups)
}

/// The files of a directory, each of which holds one group.
pub struct RedbDirectory {
    /// Ascending by group.
    stores: Vec<(GroupId, RedbStore)>,
    profile: &'static Profile,
    files: Vec<StoreFile>,
    faults: Vec<Fault>,
}

impl RedbDirectory {
    /// Opens the `files` of the directory `dir`, whose names [`groups_of`] understands; each comes
    /// with its lock.
    ///
    /// # Errors
    /// As [`RedbStore::open`] for any of them; `Ambiguous` where they are of different schemas.
    pub fn open(
        fs: &dyn Fs,
        dir: &Path,
        files: Vec<(StoreFile, Option<Box<dyn Held>>)>,
        told: &RedbSchema,
    ) -> Result<RedbDirectory, StoreError> {
        let names = files.iter().map(|(file, _)| file.path.as_path());
        let groups = groups_of(names).unwrap_or_default();
        let mut stores = Vec::new();
        let mut opened = Vec::new();
        for (group, (file, lock)) in groups.into_iter().zip(files) {
            let store = RedbStore::open(fs, &file.path, (told, Some(group.clone())), lock)?;
            stores.push((group, store));
            opened.push(file);
        }
        stores.sort_by(|(a, _), (b, _)| a.cmp(b));
        let profiles = stores.iter().map(|(_, store)| store.profile());
        let mut schemas: Vec<&'static Profile> = profiles.collect();
        schemas.dedup_by_key(|profile| profile.schema);
        let [profile] = schemas.as_slice() else {
            return Err(StoreError::Ambiguous {
                path: dir.to_owned(),
                what: "redb files of different schemas; name the one that is meant".to_owned(),
                candidates: opened.iter().map(|file| file.path.display().to_string()).collect(),
            });
        };
        let faults = stores.iter().flat_map(|(_, store)| store.opening_faults().to_vec());
        let (profile, faults) = (*profile, faults.collect());
        Ok(RedbDirectory { stores, profile, files: opened, faults })
    }

    /// Why this is a Raft log, one line each.
    pub fn evidence(&self) -> Vec<String> {
        let first = self.stores.first().map_or(&[][..], |(_, store)| store.evidence());
        let count = format!("{} files, each a group", self.stores.len());
        std::iter::once(count).chain(first.iter().cloned()).collect()
    }

    fn store(&self, group: &GroupId) -> Result<&RedbStore, StoreError> {
        let found = self.stores.iter().find(|(own, _)| own == group).map(|(_, store)| store);
        found.ok_or_else(|| StoreError::NotFound {
            path: self.files.first().map(|file| file.path.clone()).unwrap_or_default(),
            reason: "no file of such a group".to_owned(),
            seen: self.stores.iter().map(|(own, _)| format!("group {:?}", own.name())).collect(),
        })
    }
}

impl LogSource for RedbDirectory {
    fn profile(&self) -> &'static Profile {
        self.profile
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.stores.iter().map(|(group, _)| group.clone()).collect())
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        self.store(group)?.state(group)
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        self.store(group)?.entries(group, range)
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        self.store(group)?.heads(group, range)
    }
}

impl RecordScan for RedbDirectory {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut stopped = false;
        for (_, store) in self.stores.iter() {
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

    fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let mut all = Checked::default();
        for (_, store) in &self.stores {
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
        Ok(all)
    }

    fn space(&self) -> Result<Space, StoreError> {
        let mut all = Space::default();
        for (_, store) in &self.stores {
            all.add(store.space()?);
        }
        Ok(all)
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        let named = |(group, store): &(GroupId, RedbStore)| {
            let group = group.name().unwrap_or_default().to_owned();
            let others = store.other_contents().into_iter();
            others.map(move |(table, rows)| (format!("{group}/{table}"), rows)).collect::<Vec<_>>()
        };
        self.stores.iter().flat_map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_groups_only_where_their_names_differ_in_a_number_alone() {
        let groups = |names: &[&'static str]| {
            let found = groups_of(names.iter().map(Path::new))?;
            Some(found.iter().map(|one| one.name().unwrap_or("-").to_owned()).collect::<Vec<_>>())
        };
        let wanted = Some(vec!["1".to_owned(), "12".to_owned()]);
        assert_eq!(groups(&["d/group-1.redb", "d/group-12.redb"]), wanted);
        assert_eq!(groups(&["d/group-1.redb"]), None, "one file is one store");
        assert_eq!(groups(&["d/group-1.redb", "d/other-2.redb"]), None);
        assert_eq!(groups(&["d/group-1.redb", "e/group-2.redb"]), None);
        assert_eq!(groups(&["d/group-1.redb", "d/group-1.bak"]), None);
        assert_eq!(groups(&["a.redb", "b.redb"]), None);
    }
}
