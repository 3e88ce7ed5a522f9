//! What can still be proven of a directory with a redb file for each group: each file by itself.

use std::path::Path;

use crate::model::{Code, Fault, FaultKind, GroupId, LogState};
use crate::store::redb::directory::{Beside, group_of, names_of};
use crate::store::redb::layout::Names;
use crate::store::redb::noted::Noted;
use crate::store::redb::origin::RedbOrigin;
use crate::store::redb::salvage::RedbSalvage;
use crate::store::redb::schemas::Schema;
use crate::store::redb::source::{Like, RedbStore, group_words};
use crate::store::salvage::{Salvage, Salvaged, StateTaken};
use crate::store::{Choice, Entries, Format, LogSource, RedbSchema, StoreError, StoreFile};
use crate::vfs::{Fs, Held};

/// A directory with a redb file for each group, some of them damaged.
pub struct RedbDirectorySalvage {
    /// Ascending by group.
    members: Vec<Member>,
    like: Like,
    names: Names,
    files: Vec<StoreFile>,
    beside: Beside,
    /// Keep writers out while these are read.
    _locks: Vec<Option<Box<dyn Held>>>,
}

/// The file of one group.
struct Member {
    group: GroupId,
    file: Inside,
}

/// What is left of it.
enum Inside {
    /// A log, under the name that it has in its file.
    Log(Box<RedbSalvage>, GroupId),
    /// No entry, be it that there never was one.
    NoEntry(Box<(LogState, Salvaged)>),
}

impl RedbDirectorySalvage {
    /// Opens the `files`, each with its lock, and looks for everything in them. They lie `beside`
    /// others.
    ///
    /// # Errors
    /// As [`RedbSalvage::open`] when nothing is left of any of them; `Ambiguous` where they are of
    /// different schemas.
    pub fn open(
        fs: &dyn Fs,
        files: Vec<(StoreFile, Option<Box<dyn Held>>)>,
        told: &RedbSchema,
        beside: Beside,
    ) -> Result<RedbDirectorySalvage, StoreError> {
        let (files, locks): (Vec<StoreFile>, Vec<_>) = files.into_iter().unzip();
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let names = names_of(told, &paths).unwrap_or_else(|| Names::of_pattern("{}"));
        let (mut logs, mut others) = (Vec::new(), Vec::new());
        for file in &files {
            match salvaged(fs, file, told)? {
                Ok(salvage) => logs.push((file, salvage)),
                Err(error) => others.push((file, error)),
            }
        }
        let Some(like) = logs.iter().map(|(_, salvage)| salvage.like()).next() else {
            let first = others.into_iter().find_map(|(_, error)| error);
            return Err(first.unwrap_or_else(|| nothing(&files)));
        };
        let group = |file: &StoreFile| group_of(&names, &file.path).unwrap_or(GroupId::Unnamed);
        let mut members = Vec::new();
        for (file, salvage) in logs {
            members.push(Member { group: group(file), file: log(file, salvage, like.schema)? });
        }
        for (file, error) in others {
            let group = group(file);
            let left = left(fs, file, (told, &group, &names), (&like, error))?;
            members.push(Member { group, file: Inside::NoEntry(Box::new(left)) });
        }
        members.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(RedbDirectorySalvage { members, like, names, files, beside, _locks: locks })
    }

    fn member(&self, group: &GroupId) -> Option<&Inside> {
        self.members.iter().find(|member| member.group == *group).map(|member| &member.file)
    }
}

fn nothing(files: &[StoreFile]) -> StoreError {
    StoreError::NotFound {
        path: files.first().map(|file| file.path.clone()).unwrap_or_default(),
        reason: "not one of the files holds a byte".to_owned(),
        seen: files.iter().map(|file| file.path.display().to_string()).collect(),
    }
}

/// What is left of a file by itself; in the inner error why nothing is, if there is any.
fn salvaged(
    fs: &dyn Fs,
    file: &StoreFile,
    told: &RedbSchema,
) -> Result<Result<RedbSalvage, Option<StoreError>>, StoreError> {
    if file.size_bytes == 0 {
        return Ok(Err(None));
    }
    match RedbSalvage::open(fs, &file.path, told, None) {
        Ok(salvage) if salvage.holds_something() => Ok(Ok(salvage)),
        Ok(_) => Ok(Err(None)),
        Err(error @ (StoreError::Fault(_) | StoreError::NotFound { .. })) => Ok(Err(Some(error))),
        Err(error) => Err(error),
    }
}

fn log(
    file: &StoreFile,
    salvage: RedbSalvage,
    schema: &'static Schema,
) -> Result<Inside, StoreError> {
    let (groups, own) = (salvage.groups(), salvage.like().schema);
    let ([inside], true) = (groups.as_slice(), own.name() == schema.name()) else {
        let path = file.path.clone();
        let (what, candidates) = match own.name() == schema.name() {
            true => {
                let what = "this file holds other groups than its name says; name it alone";
                (what.to_owned(), groups.iter().map(group_words).collect())
            }
            false => {
                let (own, other) = (own.name(), schema.name());
                let what = format!("of schema {own}, and others are of {other}; name it alone");
                (what, Vec::new())
            }
        };
        return Err(StoreError::Ambiguous { path, what, candidates, by: Choice::Path });
    };
    let inside = inside.clone();
    Ok(Inside::Log(Box::new(salvage), inside))
}

/// State and damage of a file without an entry that can be read.
fn left(
    fs: &dyn Fs,
    file: &StoreFile,
    (told, group, names): (&RedbSchema, &GroupId, &Names),
    (like, error): (&Like, Option<StoreError>),
) -> Result<(LogState, Salvaged), StoreError> {
    let noted = Noted::new(like.schema, &like.layout, like.format);
    let state = LogState {
        schema: Some(like.schema.name().to_owned()),
        note: noted.in_files(Some(names.clone())).write(),
        ..LogState::default()
    };
    let error = match error {
        _ if file.size_bytes == 0 => return Ok((state, Salvaged::default())),
        Some(StoreError::Fault(fault)) => fault,
        // Sound as far as that can be said; its tables prove nothing by themselves.
        error => match RedbStore::open_as_group(fs, &file.path, told, (group, names), Some(like)) {
            Ok(store) => {
                return match error {
                    Some(error) if store.holds_others() => Err(error),
                    _ => Ok((store.state(group)?, Salvaged::default())),
                };
            }
            Err(StoreError::Fault(fault)) => fault,
            Err(error) => return Err(error),
        },
    };
    let mut salvaged = Salvaged {
        state: StateTaken::Lost,
        open_begin: true,
        open_end: Some(None),
        ..Salvaged::default()
    };
    salvaged.drop_piece(error.in_group(group));
    let found = format!("nothing can be read of {}", file.path.display());
    let note = Fault::new(Code::R119, FaultKind::Note { found }).in_group(group);
    salvaged.drop_piece(note);
    Ok((state, salvaged))
}

impl Salvage for RedbDirectorySalvage {
    fn format(&self) -> Format {
        Format::Redb
    }

    fn files(&self) -> &[StoreFile] {
        &self.files
    }

    fn redb(&self) -> Option<RedbOrigin> {
        let schema = self.like.schema.name().to_owned();
        let (files, tables) = (Some(self.names.clone()), RedbSchema::default());
        Some(RedbOrigin { schema, format: None, files, tables })
    }

    fn other_contents(&self) -> Vec<(String, u64)> {
        let named = |member: &Member| {
            let Inside::Log(salvage, _) = &member.file else { return Vec::new() };
            let group = member.group.name().unwrap_or_default().to_owned();
            let others = salvage.other_contents().into_iter();
            others.map(move |(table, rows)| (format!("{group}/{table}"), rows)).collect()
        };
        let inside = self.members.iter().flat_map(named);
        inside.chain(self.beside.tables.iter().cloned()).collect()
    }

    fn left_out(&self) -> &[Fault] {
        &self.beside.faults
    }

    fn groups(&self) -> Vec<GroupId> {
        self.members.iter().map(|member| member.group.clone()).collect()
    }

    fn state(&self, group: &GroupId) -> LogState {
        match self.member(group) {
            Some(Inside::Log(salvage, inside)) => {
                let state = salvage.state(inside);
                let noted = Noted::read(&state.note).in_files(Some(self.names.clone()));
                LogState { note: noted.write(), ..state }
            }
            Some(Inside::NoEntry(left)) => left.0.clone(),
            None => LogState::default(),
        }
    }

    fn salvaged(&self, group: &GroupId) -> &Salvaged {
        static NOTHING: std::sync::LazyLock<Salvaged> = std::sync::LazyLock::new(Salvaged::default);
        match self.member(group) {
            Some(Inside::Log(salvage, inside)) => salvage.salvaged(inside),
            Some(Inside::NoEntry(left)) => &left.1,
            None => &NOTHING,
        }
    }

    fn entries(&self, group: &GroupId) -> Result<Entries<'_>, StoreError> {
        match self.member(group) {
            Some(Inside::Log(salvage, inside)) => salvage.entries(inside),
            _ => Ok(Box::new(std::iter::empty())),
        }
    }
}
