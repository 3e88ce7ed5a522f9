//! Where the parts of a group go in a schema, and why one cannot be written in it: both are known
//! before anything is.

use std::path::Path;

use crate::model::{ByteOrder, GroupId, LogState};
use crate::store::StoreError;
use crate::store::codec::{ValueCodec, stable_to_store};
use crate::store::redb::layout::{KeyForm, Layout, Names};
use crate::store::redb::noted::Noted;
use crate::store::redb::schemas::Schema;
use crate::store::redb::sink::ConfPiece;
use crate::store::redb::sink::directory::{inside, name_of};

/// The places of a target.
#[derive(Clone, Copy)]
pub struct Places<'p> {
    /// Its schema.
    pub schema: &'static Schema,
    /// What it is called.
    pub path: &'p Path,
}

/// Refuses a group that a target cannot be given; with `files` it has one for each group.
///
/// # Errors
/// `Refused`, as writing it would be.
pub fn refuse_group(
    (schema, files): (&'static Schema, Option<&Names>),
    target: &Path,
    (group, state): (&GroupId, &LogState),
) -> Result<(), StoreError> {
    let places = Places { schema, path: target };
    let group = match files {
        None => group,
        Some(names) => {
            name_of(names, &places, group)?;
            inside(schema, &Noted::read(&state.note), group)
        }
    };
    let layout = places.layout(group, state)?;
    places.confs(group, &layout, state)?;
    places.logs(group, &layout).map(|_| ())
}

impl Places<'_> {
    /// Where the parts of a group lie: as its note says, when it was read in this schema.
    ///
    /// # Errors
    /// `Refused` where the schema only takes its own logs.
    pub fn layout(self, group: &GroupId, state: &LogState) -> Result<Layout, StoreError> {
        let own = state.schema.as_deref() == Some(self.schema.name());
        if !own && !self.schema.takes_any {
            return Err(self.foreign(group, state.schema.as_deref()));
        }
        let noted = if own { Noted::read(&state.note).layout() } else { None };
        Ok(noted.unwrap_or_else(|| self.schema.layout.clone()))
    }

    /// The table of a group's entries, and the group's number where its keys say that.
    ///
    /// # Errors
    /// `Refused` where no table can be the group's.
    pub fn logs(self, group: &GroupId, layout: &Layout) -> Result<(String, u64), StoreError> {
        let names = &layout.logs.names;
        let (name, within) = match layout.logs.key {
            KeyForm::Pair => {
                let number = group.name().and_then(|name| name.parse().ok());
                (names.table(&GroupId::Unnamed), number)
            }
            _ => (names.table(group), Some(0)),
        };
        name.zip(within).ok_or_else(|| self.unfit(group))
    }

    /// The rows of the conf tables of a group.
    ///
    /// # Errors
    /// As [`Places::logs`].
    pub fn confs(
        self,
        group: &GroupId,
        layout: &Layout,
        state: &LogState,
    ) -> Result<Vec<ConfPiece>, StoreError> {
        let mut stable = match self.schema.codec {
            ValueCodec::RaftLog => stable_to_store(&state.stable, &state.hard, ByteOrder::Big),
            _ => {
                let rows = state.stable.iter();
                rows.map(|(key, value)| (key.clone(), value.bytes.clone())).collect()
            }
        };
        let mut pieces = Vec::new();
        for conf in layout.confs.iter() {
            let (of, within) = match conf.key.names_groups() {
                false => (group, 0),
                true => match group.name().and_then(|name| name.parse().ok()) {
                    Some(number) => (&GroupId::Unnamed, number),
                    None => return Err(self.unfit(group)),
                },
            };
            let Some(name) = conf.names.table(of) else { continue };
            let (mut rows, mut rest) = (Vec::new(), Vec::new());
            for (key, value) in stable {
                match conf.row_key(&key) {
                    Some(row) => rows.push((row.to_vec(), value)),
                    None => rest.push((key, value)),
                }
            }
            stable = rest;
            let is_there = conf.key != KeyForm::Unit && !self.lacks(&conf.names, state);
            if is_there || !rows.is_empty() {
                pieces.push(ConfPiece { name, key: conf.key, value: conf.value, within, rows });
            }
        }
        Ok(pieces)
    }

    /// Whether a group had no table of these names where it was read in this schema.
    pub fn lacks(self, names: &Names, state: &LogState) -> bool {
        let own = state.schema.as_deref() == Some(self.schema.name());
        own && Noted::read(&state.note).lacks(names)
    }

    fn unfit(self, group: &GroupId) -> StoreError {
        let what = match group.name() {
            Some(name) => format!("no table of this schema is of group {}", name.escape_debug()),
            None => "no table of this schema is of an unnamed group".to_owned(),
        };
        self.not_so(what, "choose one group, or another schema")
    }

    fn foreign(self, group: &GroupId, from: Option<&str>) -> StoreError {
        let whose = group.name().map_or("the log".to_owned(), |n| n.escape_debug().to_string());
        let from = from.map_or("none".to_owned(), |from| from.escape_debug().to_string());
        let what = format!(
            "{whose} is of schema {from}, and {} only takes logs that were read in it",
            self.schema.name()
        );
        self.not_so(what, "write it in the default schema: --to-redb-schema raft-boltdb")
    }

    /// That something is refused, and what to do.
    pub fn not_so(self, what: String, way_out: &str) -> StoreError {
        let path = self.path.to_owned();
        StoreError::Refused { path, what, way_out: way_out.to_owned() }
    }
}
