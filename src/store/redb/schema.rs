//! Which tables of a redb file are a Raft log, by the names and types of a schema.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use crate::model::{GroupId, LogIndex};
use crate::store::StoreError;
use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, ValueForm};
use crate::store::redb::page::Leaf;
use crate::store::redb::schemas::{self, Schema};
use crate::store::redb::tables::Table;

/// What a table is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Entries of a group.
    Logs(GroupId),
    /// Entries of groups that its keys name.
    LogsOfMany,
    /// Stable keys of a group.
    Conf(GroupId),
    /// Stable keys of groups that its keys name.
    ConfOfMany,
}

impl Role {
    /// The group, where there is one.
    pub fn group(&self) -> Option<&GroupId> {
        match self {
            Role::Logs(group) | Role::Conf(group) => Some(group),
            Role::LogsOfMany | Role::ConfOfMany => None,
        }
    }

    /// What a page of the table is called in a finding.
    pub fn page_words(&self) -> &'static str {
        match self {
            Role::Logs(_) | Role::LogsOfMany => "a page of a log table",
            Role::Conf(_) | Role::ConfOfMany => "a page of a conf table",
        }
    }
}

/// What the tables of a file are for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    known: Option<BTreeMap<String, (Role, Option<KeyForm>)>>,
}

impl Roles {
    /// The role of the table `name`. Where nothing is known of the file yet, the role that the name
    /// would have in the default schema.
    pub fn of(&self, name: &str) -> Option<Role> {
        match &self.known {
            Some(known) => known.get(name).map(|(role, _)| role.clone()),
            None => {
                let layout = &schemas::default().layout;
                let logs = layout.logs.names.group(name).map(Role::Logs);
                let conf = || layout.confs.first()?.names.group(name).map(Role::Conf);
                logs.or_else(conf)
            }
        }
    }

    /// How the keys of the log table `name` name indexes, where each of them is of one group.
    pub fn key(&self, name: &str) -> Option<KeyForm> {
        self.known.as_ref()?.get(name)?.1
    }
}

/// Entries of one group.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Their table.
    pub table: Table,
    /// Its keys.
    pub key: KeyForm,
    /// Its values.
    pub value: ValueForm,
    /// Which rows of the table, where it holds those of many groups.
    pub within: Option<u64>,
    /// How they are encoded.
    pub codec: ValueCodec,
    /// Lowest index that is usual.
    pub index_usual_min: LogIndex,
}

impl Logs {
    /// Where in a leaf the encoded entry of a row lies; `None` where its value is none of its type.
    pub fn value_range(&self, leaf: &Leaf, row: usize) -> Option<Range<usize>> {
        let stored = leaf.value_range(row)?;
        let meant = self.value.meant(leaf.buffer().get(stored.clone())?)?;
        Some(stored.start + meant.start..stored.start + meant.end)
    }

    /// The encoded entry of a row.
    pub fn value<'l>(&self, leaf: &'l Leaf, row: usize) -> Option<&'l [u8]> {
        leaf.buffer().get(self.value_range(leaf, row)?)
    }
}

/// The tables of one group.
#[derive(Clone, Debug, Default)]
pub struct GroupTables {
    /// Entries.
    pub logs: Option<Logs>,
    /// Stable keys.
    pub confs: Vec<(ConfTables, Table)>,
}

/// The tables of a file by their use.
#[derive(Clone)]
pub struct Assigned {
    /// The schema.
    pub schema: &'static Schema,
    /// Where everything lies.
    pub layout: Layout,
    /// Groups, ascending.
    pub groups: BTreeMap<GroupId, GroupTables>,
    /// What is no part of a Raft log.
    pub others: Vec<Table>,
    /// Tables that are called like a log's and have other types: another schema.
    pub misfits: Vec<Table>,
}

impl Assigned {
    /// Assigns each table its use in `layout`. A name alone is no proof: the types have to fit.
    pub fn new(schema: &'static Schema, layout: Layout, tables: &[Table]) -> Assigned {
        let (groups, others, misfits) = Default::default();
        let mut assigned = Assigned { schema, layout, groups, others, misfits };
        for table in tables {
            assigned.take(table);
        }
        assigned
    }

    fn take(&mut self, table: &Table) {
        let logs = &self.layout.logs;
        let of_logs = logs.names.group(&table.name);
        if let Some(group) = of_logs.clone().filter(|_| fits(table, logs.key, logs.value)) {
            let logs = Logs {
                table: table.clone(),
                key: logs.key,
                value: logs.value,
                within: None,
                codec: self.schema.codec,
                index_usual_min: LogIndex(self.schema.profile.index_usual_min),
            };
            self.groups.entry(group).or_default().logs = Some(logs);
            return;
        }
        let confs = self.layout.confs.iter();
        let mut named = confs.filter_map(|conf| Some((conf, conf.names.group(&table.name)?)));
        match named.next() {
            Some((conf, group)) if fits_conf(table, conf) => {
                let own = KeyForm::of(table).unwrap_or(conf.key);
                let conf = ConfTables { key: own, ..conf.clone() };
                // redb takes text and bytes for two types: what is written has the one that was.
                let mut confs = self.layout.confs.iter();
                if let Some(at) =
                    confs.position(|known| known.names == conf.names && known.key != own)
                    && let Some(known) = self.layout.confs.to_mut().get_mut(at)
                {
                    known.key = own;
                }
                self.groups.entry(group).or_default().confs.push((conf, table.clone()));
            }
            Some(_) => self.misfits.push(table.clone()),
            None if of_logs.is_some() => self.misfits.push(table.clone()),
            None => self.others.push(table.clone()),
        }
    }

    /// Gives the unnamed group a name.
    pub fn rename(&mut self, group: GroupId) {
        if let Some(tables) = self.groups.remove(&GroupId::Unnamed) {
            self.groups.insert(group, tables);
        }
    }

    /// Makes a group of each of `numbers`, which keys of the log table or of tables beside it name.
    /// A table of records that says of no row which group it is of belongs to none.
    pub fn split(&mut self, numbers: &BTreeSet<u64>) {
        let Some(GroupTables { logs, confs }) = self.groups.remove(&GroupId::Unnamed) else {
            return;
        };
        let (own, others): (Vec<_>, Vec<_>) =
            confs.into_iter().partition(|(conf, _)| conf.key.names_groups());
        if self.layout.logs.key == KeyForm::Pair {
            self.others.extend(others.into_iter().map(|(_, table)| table));
            self.layout.confs.to_mut().retain(|conf| conf.key.names_groups());
        } else if logs.is_some() || !others.is_empty() {
            let unnamed = GroupTables { logs: logs.clone(), confs: others };
            self.groups.insert(GroupId::Unnamed, unnamed);
        }
        for number in numbers {
            let tables = self.groups.entry(GroupId::named(&number.to_string())).or_default();
            if self.layout.logs.key == KeyForm::Pair {
                let within = |logs: Logs| Logs { within: Some(*number), ..logs };
                tables.logs = logs.clone().map(within);
            }
            tables.confs.extend(own.iter().cloned());
        }
    }

    /// Whether keys of the log table, or of tables beside it, name groups.
    pub fn keys_name_groups(&self) -> bool {
        let unnamed = self.groups.get(&GroupId::Unnamed);
        let confs = unnamed.iter().flat_map(|tables| &tables.confs);
        self.layout.logs.key == KeyForm::Pair
            || confs.into_iter().any(|(conf, _)| conf.key.names_groups())
    }

    /// Names and rows of the tables that are no part of a log, whatever they are called.
    pub fn other_contents(&self) -> Vec<(String, u64)> {
        let others = self.others.iter().chain(&self.misfits);
        others.map(|table| (table.name.clone(), table.definition.rows)).collect()
    }

    /// Every log.
    pub fn logs(&self) -> impl Iterator<Item = (&GroupId, &Logs)> {
        self.groups.iter().filter_map(|(group, tables)| Some((group, tables.logs.as_ref()?)))
    }

    /// What the tables are for.
    pub fn roles(&self) -> Roles {
        let mut known = BTreeMap::new();
        for (group, tables) in &self.groups {
            for (conf, table) in &tables.confs {
                let role = match conf.key.names_groups() {
                    true => Role::ConfOfMany,
                    false => Role::Conf(group.clone()),
                };
                known.insert(table.name.clone(), (role, None));
            }
            if let Some(logs) = &tables.logs {
                let role = match logs.within {
                    Some(_) => (Role::LogsOfMany, None),
                    None => (Role::Logs(group.clone()), Some(logs.key)),
                };
                known.insert(logs.table.name.clone(), role);
            }
        }
        Roles { known: Some(known) }
    }

    /// Every table that is part of the log, a few words each.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.groups.values().flat_map(|group| {
            let logs = group.logs.iter().map(|logs| &logs.table);
            logs.chain(group.confs.iter().map(|(_, table)| table))
        })
    }
}

fn fits(table: &Table, key: KeyForm, value: ValueForm) -> bool {
    !table.definition.multimap
        && KeyForm::of(table) == Some(key)
        && ValueForm::of(table) == Some(value)
}

fn fits_conf(table: &Table, conf: &ConfTables) -> bool {
    // Text and bytes are types for the same keys.
    let key = KeyForm::of(table);
    let same = key == Some(conf.key) || key.is_some_and(KeyForm::is_text) && conf.key.is_text();
    !table.definition.multimap && same && ValueForm::of(table) == Some(conf.value)
}

/// That no table of the file is a Raft log, with the tables that are there.
pub fn no_log(path: &Path, tables: &[Table], tried: Vec<String>) -> StoreError {
    let reason = match tables {
        [] => "a redb database without any table",
        _ => {
            "a redb database without a Raft log: in no table do the values decode as entries \
             with the index of their key"
        }
    };
    let mut seen: Vec<String> = tables.iter().map(Table::words).collect();
    seen.extend(tried);
    StoreError::NotFound { path: path.to_owned(), reason: reason.to_owned(), seen }
}
