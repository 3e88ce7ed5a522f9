//! A directory with a redb file for each group, written one file after the other.

use std::path::{Component, Path, PathBuf};

use crate::model::{Entry, GroupId, LogState};
use crate::store::redb::layout::Names;
use crate::store::redb::noted::Noted;
use crate::store::redb::schemas::{self, Schema};
use crate::store::redb::sink::RedbSink;
use crate::store::redb::sink::places::Places;
use crate::store::target::{Sealed, Target, remove_tree};
use crate::store::{LogSink, Profile, RedbFormat, StoreError, io_error};
use crate::vfs::parent_of;

/// What whoever writes must do.
const IN_ORDER: &str = "hand over groups and entries in ascending order";

/// A directory of redb files that is being written.
pub struct RedbDirectorySink {
    target: Target,
    partial: PathBuf,
    schema: &'static Schema,
    /// Names of the files.
    names: Names,
    /// The file format of all of them; without, each has that in which its log was read.
    format: Option<RedbFormat>,
    /// The file of the group begun last.
    current: Option<(GroupId, RedbSink)>,
    files: u64,
    bytes: u64,
    sealed: bool,
}

impl RedbDirectorySink {
    /// Creates an empty directory under the target's partial name, for logs in `schema`.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn create(
        target: Target,
        schema: &'static Schema,
        (names, format): (Names, Option<RedbFormat>),
    ) -> Result<RedbDirectorySink, StoreError> {
        let partial = target.begin()?;
        let made = target.fs().create_dir(&partial);
        made.map_err(io_error("create", &partial))?;
        Ok(RedbDirectorySink {
            target,
            partial,
            schema,
            names,
            format,
            current: None,
            files: 0,
            bytes: 0,
            sealed: false,
        })
    }

    /// Completes the file of the group begun last.
    fn finish(&mut self) -> Result<(), StoreError> {
        let Some((_, mut file)) = self.current.take() else { return Ok(()) };
        let bytes = file.close()?;
        file.sealed = true;
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    fn places(&self) -> Places<'_> {
        Places { schema: self.schema, path: self.target.path() }
    }
}

/// The name of a group's file: one in the directory, and nothing that leads out of it.
///
/// # Errors
/// `Refused` where the group's name makes none.
pub fn name_of(names: &Names, places: &Places<'_>, group: &GroupId) -> Result<PathBuf, StoreError> {
    let name = names.table(group).unwrap_or_default();
    let mut parts = Path::new(&name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name.as_str() => Ok(PathBuf::from(name)),
        _ => {
            let what = format!("{} is no name for the file of a group", name.escape_debug());
            Err(places.not_so(what, "choose one group, which is written as one file"))
        }
    }
}

/// The name under which a group's file holds its log.
pub fn inside<'g>(schema: &Schema, noted: &Noted, group: &'g GroupId) -> &'g GroupId {
    let layout = noted.layout();
    let tables = &layout.as_ref().unwrap_or(&schema.layout).logs.names;
    match tables.table(&GroupId::Unnamed) {
        Some(_) => &GroupId::Unnamed,
        None => group,
    }
}

impl LogSink for RedbDirectorySink {
    fn profile(&self) -> &'static Profile {
        schemas::profile_of_files(self.schema)
    }

    fn begin_group(&mut self, group: &GroupId, state: &LogState) -> Result<(), StoreError> {
        if self.current.as_ref().is_some_and(|(before, _)| before >= group) {
            return Err(self.places().not_so("groups do not ascend".to_owned(), IN_ORDER));
        }
        self.finish()?;
        let noted = Noted::read(&state.note);
        let format = self.format.unwrap_or_else(|| noted.format(self.schema));
        let inside = inside(self.schema, &noted, group);
        let path = self.partial.join(name_of(&self.names, &self.places(), group)?);
        let mut file = RedbSink::within(self.target.clone(), path, (self.schema, format))?;
        file.begin_group(inside, state)?;
        self.current = Some((group.clone(), file));
        Ok(())
    }

    fn append(&mut self, batch: &[Entry]) -> Result<(), StoreError> {
        match &mut self.current {
            Some((_, file)) => file.append(batch),
            None => {
                let what = "entries before any group".to_owned();
                Err(self.places().not_so(what, IN_ORDER))
            }
        }
    }

    fn seal(mut self: Box<Self>) -> Result<Sealed, StoreError> {
        self.finish()?;
        let fs = self.target.fs();
        for dir in [self.partial.as_path(), parent_of(&self.partial)] {
            fs.sync_dir(dir).map_err(io_error("sync", dir))?;
        }
        self.sealed = true;
        Ok(self.target.clone().sealed(self.files, self.bytes))
    }
}

impl Drop for RedbDirectorySink {
    fn drop(&mut self) {
        drop(self.current.take());
        if !self.sealed {
            // Nothing more can be done about a directory that cannot be removed.
            let _removed = remove_tree(self.target.fs().as_ref(), &self.partial);
        }
    }
}
