//! Which tables of a redb file are a Raft log: the default schema; others will stand beside it.
//!
//! Tables `logs` (key `u64`, value the msgpack of raft.Log) and `conf` (key `&str` or `&[u8]`,
//! value bytes) are the unnamed group, `logs/NAME` and `conf/NAME` the group NAME: everything
//! behind the first slash. A group may lack either.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::{EntryKind, GroupId};
use crate::store::codec::INDEX_USUAL_MIN;
use crate::store::redb::tables::Table;
use crate::store::{Format, Holds, Profile, StoreError, VoteForm};

/// What redb in the default schema can hold.
pub static PROFILE: Profile = Profile {
    format: Format::Redb,
    schema: "raft-boltdb",
    holds: Holds {
        many_groups: true,
        holes: true,
        terms: true,
        appended_at: true,
        time_form_matters: false,
        extensions: true,
        notes: false,
        nil_payload: true,
        commit: false,
        vote: VoteForm::Bytes,
        stable_keys: true,
        snapshot_marker: false,
    },
    kinds: &[
        EntryKind::Command,
        EntryKind::Noop,
        EntryKind::Barrier,
        EntryKind::Configuration,
        EntryKind::AddPeer,
        EntryKind::RemovePeer,
        EntryKind::Unknown,
    ],
    index_min: 0,
    index_usual_min: INDEX_USUAL_MIN,
    // The largest value that redb takes.
    entry_bytes_max: 3 << 30,
};

const LOGS: &str = "logs";
const CONF: &str = "conf";

/// What a table is for, by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Entries of a group.
    Logs(GroupId),
    /// Stable keys of a group.
    Conf(GroupId),
}

impl Role {
    /// The group.
    pub fn group(&self) -> &GroupId {
        match self {
            Role::Logs(group) | Role::Conf(group) => group,
        }
    }

    /// What a page of the table is called in a finding.
    pub fn page_words(&self) -> &'static str {
        match self {
            Role::Logs(_) => "a page of a log table",
            Role::Conf(_) => "a page of a conf table",
        }
    }
}

/// The role that a table's name claims.
pub fn role(name: &str) -> Option<Role> {
    let (kind, group) = match name.split_once('/') {
        Some((kind, group)) => (kind, GroupId::named(group)),
        None => (name, GroupId::Unnamed),
    };
    match kind {
        LOGS => Some(Role::Logs(group)),
        CONF => Some(Role::Conf(group)),
        _ => None,
    }
}

/// Name of the table that holds the entries of `group`.
pub fn logs_table(group: &GroupId) -> String {
    table_name(LOGS, group)
}

/// Name of the table that holds the stable keys of `group`.
pub fn conf_table(group: &GroupId) -> String {
    table_name(CONF, group)
}

fn table_name(kind: &str, group: &GroupId) -> String {
    match group.name() {
        Some(name) => format!("{kind}/{name}"),
        None => kind.to_owned(),
    }
}

/// The tables of one group.
#[derive(Clone, Debug, Default)]
pub struct GroupTables {
    /// Entries.
    pub logs: Option<Table>,
    /// Stable keys.
    pub conf: Option<Table>,
}

/// The tables of a file by their use.
#[derive(Clone, Debug, Default)]
pub struct Assigned {
    /// Groups, ascending.
    pub groups: BTreeMap<GroupId, GroupTables>,
    /// What is no part of a Raft log.
    pub others: Vec<Table>,
    /// Tables that are called like a log's and have other types: another schema.
    pub misfits: Vec<Table>,
}

/// Assigns each table its use. A name alone is no proof: the types have to fit as well.
pub fn assign(tables: Vec<Table>) -> Assigned {
    let mut assigned = Assigned::default();
    for table in tables {
        match role(&table.name) {
            Some(Role::Logs(group)) if is_logs(&table) => {
                assigned.groups.entry(group).or_default().logs = Some(table);
            }
            Some(Role::Conf(group)) if is_conf(&table) => {
                assigned.groups.entry(group).or_default().conf = Some(table);
            }
            Some(_) => assigned.misfits.push(table),
            None => assigned.others.push(table),
        }
    }
    assigned
}

fn is_logs(table: &Table) -> bool {
    let definition = &table.definition;
    !definition.multimap
        && definition.key_type.is("u64")
        && definition.key_width == Some(8)
        && definition.value_type.is("&[u8]")
        && definition.value_width.is_none()
}

fn is_conf(table: &Table) -> bool {
    let definition = &table.definition;
    !definition.multimap
        && (definition.key_type.is("&str") || definition.key_type.is("&[u8]"))
        && definition.key_width.is_none()
        && definition.value_type.is("&[u8]")
        && definition.value_width.is_none()
}

/// That no table of the file is a Raft log in this schema, with the tables that are there.
pub fn no_log(path: &Path, assigned: &Assigned) -> StoreError {
    let claimed = assigned.groups.values().flat_map(|group| [&group.logs, &group.conf]).flatten();
    let tables: Vec<&Table> = claimed.chain(&assigned.misfits).chain(&assigned.others).collect();
    let reason = if tables.is_empty() {
        "a redb database without any table"
    } else if assigned.groups.is_empty() || !assigned.misfits.is_empty() {
        "a redb database without a Raft log in the default schema \
         (logs: u64 -> &[u8], conf: &str -> &[u8])"
    } else {
        "a redb database with the tables of a Raft log, but no value in them decodes as one"
    };
    StoreError::NotFound {
        path: path.to_owned(),
        reason: reason.to_owned(),
        seen: tables.into_iter().map(Table::words).collect(),
    }
}
