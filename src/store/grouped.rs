//! Many stores as one: each is a group, under the name that it is given.

use std::ops::ControlFlow;

use crate::model::{Fault, GroupId, IndexRange, LogState};
use crate::store::{
    Checked, Entries, Format, HeadRuns, Heads, Level, LogSource, Profile, Record, RecordScan,
    Space, Store, StoreError, StoreFile,
};

/// A store that becomes a group.
struct Member {
    /// Its name here.
    group: GroupId,
    /// The only group in it.
    inner: GroupId,
    store: Box<dyn Store>,
}

/// Stores that are read together, each a group.
pub struct GroupedStore {
    /// Ascending by name.
    members: Vec<Member>,
    files: Vec<StoreFile>,
    faults: Vec<Fault>,
}

impl GroupedStore {
    /// Takes stores with the names that they get.
    ///
    /// # Errors
    /// `Refused` when two have one name, or one does not hold one group.
    pub fn new(stores: Vec<(GroupId, Box<dyn Store>)>) -> Result<GroupedStore, StoreError> {
        let mut members = Vec::new();
        for (group, store) in stores {
            let mut groups = store.groups()?.into_iter();
            let (Some(inner), None) = (groups.next(), groups.next()) else {
                let what = "it does not hold one group, and becomes one of many".to_owned();
                return Err(refused(store.as_ref(), what));
            };
            members.push(Member { group, inner, store });
        }
        members.sort_by(|a, b| a.group.cmp(&b.group));
        for (before, after) in members.iter().zip(members.iter().skip(1)) {
            if before.group == after.group {
                let name = after.group.name().unwrap_or_default().escape_debug().to_string();
                return Err(refused(after.store.as_ref(), format!("two groups are named {name}")));
            }
        }
        let files = members.iter().flat_map(|member| member.store.files().iter().cloned());
        let files = files.collect();
        let told = |member: &Member| {
            let faults = member.store.opening_faults().iter().cloned();
            faults.map(|fault| member.named(fault)).collect::<Vec<_>>()
        };
        let faults = members.iter().flat_map(told).collect();
        Ok(GroupedStore { members, files, faults })
    }

    /// Every format among them, each once.
    pub fn formats(&self) -> Vec<Format> {
        let mut formats: Vec<Format> =
            self.members.iter().map(|member| member.store.format()).collect();
        formats.sort_unstable();
        formats.dedup();
        formats
    }

    fn member(&self, group: &GroupId) -> Result<&Member, StoreError> {
        let found = self.members.iter().find(|member| member.group == *group);
        found.ok_or_else(|| StoreError::NotFound {
            path: self.files.first().map_or_else(Default::default, |file| file.path.clone()),
            reason: "no such group".to_owned(),
            seen: self.members.iter().map(|member| format!("{:?}", member.group.name())).collect(),
        })
    }
}

fn refused(store: &dyn Store, what: String) -> StoreError {
    StoreError::Refused {
        path: store.files().first().map_or_else(Default::default, |file| file.path.clone()),
        what,
        way_out: "give each store with one group a name of its own".to_owned(),
    }
}

impl Member {
    /// A fault of the store, in its group here.
    fn named(&self, fault: Fault) -> Fault {
        match fault.group {
            Some(_) => fault.in_group(&self.group),
            None => fault,
        }
    }

    fn renamed(&self) -> impl Fn(StoreError) -> StoreError + Send + '_ {
        let group = self.group.clone();
        move |error| match error {
            StoreError::Fault(fault) => StoreError::from(fault.in_group(&group)),
            other => other,
        }
    }
}

impl LogSource for GroupedStore {
    /// The profile of the store that is the least strict about its indexes.
    fn profile(&self) -> &'static Profile {
        let profiles = self.members.iter().map(|member| member.store.profile());
        let least = profiles.min_by_key(|profile| profile.index_usual_min);
        least.unwrap_or(&crate::store::fastlog::PROFILE)
    }

    fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        Ok(self.members.iter().map(|member| member.group.clone()).collect())
    }

    fn state(&self, group: &GroupId) -> Result<LogState, StoreError> {
        let member = self.member(group)?;
        member.store.state(&member.inner).map_err(member.renamed())
    }

    fn entries(&self, group: &GroupId, range: IndexRange) -> Result<Entries<'_>, StoreError> {
        let member = self.member(group)?;
        let entries = member.store.entries(&member.inner, range).map_err(member.renamed())?;
        let renamed = member.renamed();
        Ok(Box::new(entries.map(move |entry| entry.map_err(&renamed))))
    }

    fn heads(&self, group: &GroupId, range: IndexRange) -> Result<Heads<'_>, StoreError> {
        let member = self.member(group)?;
        let heads = member.store.heads(&member.inner, range).map_err(member.renamed())?;
        let renamed = member.renamed();
        Ok(Box::new(heads.map(move |head| head.map_err(&renamed))))
    }

    fn head_runs(&self, group: &GroupId, range: IndexRange) -> Result<HeadRuns<'_>, StoreError> {
        let member = self.member(group)?;
        let runs = member.store.head_runs(&member.inner, range).map_err(member.renamed())?;
        let renamed = member.renamed();
        Ok(Box::new(runs.map(move |run| run.map_err(&renamed))))
    }
}

impl RecordScan for GroupedStore {
    fn scan(&self, visit: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
        for member in &self.members {
            let mut flow = ControlFlow::Continue(());
            member.store.scan(&mut |mut record| {
                record.group = record.group.map(|_| member.group.clone());
                flow = visit(record);
                flow
            })?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Store for GroupedStore {
    fn format(&self) -> Format {
        let format = self.members.first().map(|member| member.store.format());
        format.unwrap_or(Format::FastLog)
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn opening_faults(&self) -> &[Fault] {
        &self.faults
    }

    fn forgo_heads(&self) {
        self.members.iter().for_each(|member| member.store.forgo_heads());
    }

    fn check(
        &self,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Checked, StoreError> {
        let mut all = Checked::default();
        for member in &self.members {
            let before = all.checked_bytes;
            let mut stopped = false;
            let checked = member.store.check(level, &mut |bytes| {
                let flow = progress(before.saturating_add(bytes));
                stopped |= flow.is_break();
                flow
            });
            let mut checked = match checked {
                Ok(checked) => checked,
                Err(StoreError::Fault(fault)) => {
                    Checked { faults: vec![*fault], ..Checked::default() }
                }
                Err(error) => return Err(error),
            };
            checked.faults = checked.faults.into_iter().map(|fault| member.named(fault)).collect();
            all.add(checked);
            if stopped {
                break;
            }
        }
        Ok(all)
    }

    fn space(&self) -> Result<Space, StoreError> {
        let mut all = Space::default();
        for member in &self.members {
            all.add(member.store.space()?);
        }
        Ok(all)
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        self.members.iter().flat_map(|member| member.store.other_contents()).collect()
    }
}
