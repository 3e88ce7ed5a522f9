//! Finding the Raft log among the tables of a file, by proof: the table whose values decode as
//! entries with the index of their key.
//!
//! A sample of rows proves it; verifying reads all of them. A name alone proves nothing, and
//! encodings that describe nothing (postcard, bincode) are only believed of several rows in
//! sequence, or of the tables of a known project.

mod names;
mod proof;

use std::collections::BTreeSet;

use crate::model::{GroupId, StableMap, Term};
use crate::store::codec::ValueCodec;
use crate::store::redb::discover::names::{around_a_group, common};
use crate::store::redb::discover::proof::{
    Found, Lack, Witness, conf_tables, found, index_key, is_named_as_a_log, is_named_as_of_raft,
    logs_of, proves, sample, vouches,
};
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::pages::Pages;
use crate::store::redb::schema::{Assigned, Logs, no_log};
use crate::store::redb::schemas::{self, Schema};
use crate::store::redb::stable::{self, Record};
use crate::store::redb::tables::Table;
use crate::store::redb::tree::{Visit, Walk};
use crate::store::{Choice, RedbSchema, StoreError};

/// Groups that the keys of one table may name.
const GROUPS_MAX: usize = 1 << 20;

/// Finds the log among `tables`: as told, or by proof.
///
/// # Errors
/// `NotFound` without any, `Ambiguous` with more than one.
pub fn discover(
    pages: &Pages,
    tables: &[Table],
    told: &RedbSchema,
) -> Result<Assigned, StoreError> {
    let mut assigned = match as_told(pages, tables, told)? {
        Some(assigned) => assigned,
        None => proven(pages, tables)?,
    };
    if assigned.keys_name_groups() {
        split(pages, &mut assigned)?;
    }
    Ok(assigned)
}

fn as_told(
    pages: &Pages,
    tables: &[Table],
    told: &RedbSchema,
) -> Result<Option<Assigned>, StoreError> {
    if (RedbSchema { file_pattern: None, ..told.clone() }) == RedbSchema::default() {
        return Ok(None);
    }
    let named =
        |names: &Names| tables.iter().find(|table| names.group(&table.name).is_some()).cloned();
    let logs_told = told.group_pattern.as_ref().or(told.logs_table.as_ref());
    let logs_told = logs_told.map(|logs| Names::of_pattern(logs));
    let base = told.schema.as_deref().and_then(schemas::named);
    let codec = match (told.codec, base, logs_told.as_ref().and_then(named)) {
        (None, None, Some(logs)) => match found(pages, &logs, tables)? {
            Some(Found::Log(codec) | Found::Perhaps(codec, _)) => Some(codec),
            None => None,
        },
        (told, ..) => told,
    };
    let codec = codec.map(schemas::of_codec);
    let schema = codec.or(base).unwrap_or_else(schemas::default);
    let mut layout = base.unwrap_or(schema).layout.clone();
    if let Some(names) = logs_told {
        layout.logs.names = names;
    }
    let missing = |what: &str| StoreError::NotFound {
        path: pages.path().to_path_buf(),
        reason: format!("no {what} with such a name and types that can be one"),
        seen: tables.iter().map(Table::words).collect(),
    };
    let Some(logs) = named(&layout.logs.names) else { return Err(missing("log table")) };
    let (Some(key), Some(value)) = (index_key(&logs), ValueForm::of(&logs)) else {
        return Err(missing("log table"));
    };
    (layout.logs.key, layout.logs.value) = (key, value);
    if let Some(conf) = &told.conf_table {
        let names = Names::of_pattern(conf);
        let Some(table) = named(&names) else { return Err(missing("conf table")) };
        let (Some(key), Some(value)) = (KeyForm::of(&table), ValueForm::of(&table)) else {
            return Err(missing("conf table"));
        };
        let one_row = matches!(key, KeyForm::Unit | KeyForm::Group);
        let label = if one_row { "ballot" } else { "" };
        layout.confs = vec![ConfTables { names, key, value, label: label.into() }].into();
    } else if base.is_none() && !std::ptr::eq(schema, schemas::default()) {
        let names = &layout.logs.names;
        let groups: Vec<GroupId> =
            tables.iter().filter_map(|table| names.group(&table.name)).collect();
        layout.confs = confs_beside(pages, tables, schema.codec, (names, &groups))?.into();
    }
    let assigned = Assigned::new(schema, layout, tables);
    if base.is_some() && told.codec.is_none() && all_are_others(pages, &assigned)? {
        return Err(missing(&format!("log of the schema {}", schema.name())));
    }
    Ok(Some(assigned))
}

/// Whether there are rows, and not one of them is an entry in the encoding that was told: that is
/// no damage.
fn all_are_others(pages: &Pages, assigned: &Assigned) -> Result<bool, StoreError> {
    let mut tried = 0;
    for (_, logs) in assigned.logs() {
        let proof = sample(pages, logs)?;
        if proof.proven > 0 {
            return Ok(false);
        }
        tried += proof.tried;
    }
    Ok(tried > 0)
}

/// Whether a table has rows, and not one is an entry.
fn is_another(pages: &Pages, logs: &Logs) -> Result<bool, StoreError> {
    let proof = sample(pages, logs)?;
    Ok(proof.tried > 0 && proof.proven == 0)
}

fn proven(pages: &Pages, tables: &[Table]) -> Result<Assigned, StoreError> {
    // Known schemas of which every table is empty, and those of which even the log's is not there.
    let (mut empty, mut bare) = (Vec::new(), Vec::new());
    let (mut found, mut sure) = (None, false);
    for schema in schemas::KNOWN {
        let assigned = Assigned::new(schema, schema.layout.clone(), tables);
        match known(pages, &assigned)? {
            Claim::Proven if !sure => (found, sure) = (Some(assigned), true),
            Claim::Beside if found.is_none() => found = Some(assigned),
            Claim::Empty if assigned.logs().next().is_some() => empty.push(assigned),
            Claim::Empty => bare.push(assigned),
            Claim::Proven | Claim::Beside | Claim::None => {}
        }
    }
    let claimed = |table: &Table, by: &Option<Assigned>| {
        by.as_ref().is_some_and(|by| by.tables().any(|known| known.name == table.name))
    };
    let unclaimed: Vec<&Table> = tables.iter().filter(|table| !claimed(table, &found)).collect();
    let Candidates { logs, perhaps } = candidates(pages, &unclaimed, tables)?;
    // A conf table of a usual name proves no project without its log, where another table is one.
    if !logs.is_empty() {
        found = found.filter(|found| sure || found.logs().next().is_some());
    }
    match (found, logs.as_slice()) {
        // Records beside a log that no table is, while one could be: that is no empty log.
        (Some(_), []) if !sure && !perhaps.is_empty() => {
            Err(no_log(pages.path(), tables, tried(&perhaps)))
        }
        (Some(found), []) => Ok(found),
        (None, [_, ..]) => match groups(pages, &logs)? {
            Some((codec, names)) => any(pages, tables, (codec, names), &logs),
            None => Err(two_logs(pages, None, &logs)),
        },
        (None, []) => match if empty.is_empty() { bare } else { empty }.split_first() {
            // Who else uses these tables does not matter as long as nothing is in them, nor in any
            // other that could be a log: such a file is no empty one.
            Some((first, rest))
                if perhaps.is_empty() && rest.iter().all(|other| names(other) == names(first)) =>
            {
                Ok(first.clone())
            }
            _ => Err(no_log(pages.path(), tables, tried(&perhaps))),
        },
        (Some(found), _) => Err(two_logs(pages, Some(&found), &logs)),
    }
}

/// Tables that are logs by what is in them, and those that could be.
#[derive(Default)]
struct Candidates {
    logs: Vec<(Table, ValueCodec)>,
    perhaps: Vec<(Table, ValueCodec, Lack)>,
}

fn candidates(
    pages: &Pages,
    unclaimed: &[&Table],
    tables: &[Table],
) -> Result<Candidates, StoreError> {
    let mut candidates = Candidates::default();
    for table in unclaimed {
        match found(pages, table, tables)? {
            Some(Found::Log(codec)) => candidates.logs.push(((*table).clone(), codec)),
            Some(Found::Perhaps(codec, lack)) => {
                candidates.perhaps.push(((*table).clone(), codec, lack));
            }
            None => {}
        }
    }
    Ok(candidates)
}

/// The encoding and the pattern of several logs that are groups of one: all of the same types, in
/// one encoding, with names that differ in one part alone.
fn groups(
    pages: &Pages,
    logs: &[(Table, ValueCodec)],
) -> Result<Option<(ValueCodec, Names)>, StoreError> {
    let Some(((first, codec), rest)) = logs.split_first() else { return Ok(None) };
    if rest.is_empty() {
        let names = Names { bare: Some(first.name.clone().into()), around: None };
        return Ok(Some((*codec, names)));
    }
    let alike = rest.iter().all(|(table, _)| table.types() == first.types());
    let named: Vec<&str> = logs.iter().map(|(table, _)| table.name.as_str()).collect();
    let in_keys = KeyForm::of(first) == Some(KeyForm::Pair);
    let Some(names) = common(&named).filter(|_| alike && !in_keys) else { return Ok(None) };
    // What few rows leave open, the others may decide.
    for (_, codec) in logs {
        let mut all = true;
        for (table, own) in logs {
            all = all && (own == codec || proves(pages, table, *codec)?);
        }
        if all {
            return Ok(Some((*codec, names)));
        }
    }
    Ok(None)
}

fn two_logs(pages: &Pages, found: Option<&Assigned>, logs: &[(Table, ValueCodec)]) -> StoreError {
    let found = found.into_iter().flat_map(Assigned::logs);
    let known = found.map(|(_, logs)| line(&logs.table, logs.codec));
    let others = logs.iter().map(|(table, codec)| line(table, *codec));
    StoreError::Ambiguous {
        path: pages.path().to_path_buf(),
        what: "more than one table is a Raft log; name the one that is meant with \
               --redb-logs-table and --redb-codec, or the groups that they are with \
               --redb-group-pattern"
            .to_owned(),
        candidates: known.chain(others).collect(),
        by: Choice::Table,
    }
}

fn names(assigned: &Assigned) -> BTreeSet<&str> {
    assigned.tables().map(|table| &*table.name).collect()
}

fn line(table: &Table, codec: ValueCodec) -> String {
    format!("{}, decodes as {}", table.words(), codec.as_str())
}

fn tried(perhaps: &[(Table, ValueCodec, Lack)]) -> Vec<String> {
    let codecs = ValueCodec::ALL.iter().filter(|codec| **codec != ValueCodec::Raw);
    let names: Vec<&str> = codecs.map(|codec| codec.as_str()).collect();
    let weak = perhaps.iter().map(|(table, codec, lack)| {
        let why = match lack {
            Lack::Witness => "that proves too little without a vote or hard state beside it",
            Lack::Agreement => {
                "what is called like its vote or hard state says a lower term, or nothing"
            }
        };
        format!(
            "{}; {why}; if it is the log: --redb-logs-table {} --redb-codec {}",
            line(table, *codec),
            table.name.escape_debug(),
            codec.as_str()
        )
    });
    let all = [
        format!("tried of every table with a number or 8 bytes as key: {}", names.join(", ")),
        "told by hand: --redb-schema, or --redb-logs-table, --redb-conf-table, --redb-codec, \
         --redb-group-pattern"
            .to_owned(),
    ];
    weak.chain(all).collect()
}

/// How the tables that a known schema names are its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Rows are the entries of their keys.
    Proven,
    /// There are no entries, and a record beside the log is one.
    Beside,
    /// All of them are empty, and believed by their types.
    Empty,
    /// They are not.
    None,
}

fn known(pages: &Pages, assigned: &Assigned) -> Result<Claim, StoreError> {
    if assigned.groups.is_empty() || !assigned.misfits.is_empty() {
        return Ok(Claim::None);
    }
    // A node of a project that keeps its vote in a table has that table.
    let beside = assigned.groups.values().any(|group| !group.confs.is_empty());
    if !beside && !assigned.schema.takes_any {
        return Ok(Claim::None);
    }
    let codec = assigned.schema.codec;
    let mut rows_seen = false;
    for (group, logs) in assigned.logs() {
        let proof = sample(pages, logs)?;
        let named = is_named_as_a_log(&logs.table.name)
            || records_beside(assigned, group).any(|(_, table)| is_named_as_of_raft(&table.name));
        if proof.of_known(logs.codec, (has_vote(pages, assigned, group)?, named)) {
            return Ok(Claim::Proven);
        }
        rows_seen |= proof.tried > 0;
    }
    for (group, tables) in &assigned.groups {
        let (stable, _) = stable::read(pages, &tables.confs, group, codec)?;
        // Entries that are none are not made a log by what stands beside them.
        if (!rows_seen || codec == ValueCodec::RaftLog)
            && has_record(&stable, codec, &assigned.layout.confs)
        {
            return Ok(Claim::Beside);
        }
        rows_seen |= !stable.is_empty();
    }
    Ok(if rows_seen { Claim::None } else { Claim::Empty })
}

/// The tables of records beside the log of a group, those that hold the records of all among them.
fn records_beside<'a>(
    assigned: &'a Assigned,
    group: &GroupId,
) -> impl Iterator<Item = &'a (ConfTables, Table)> {
    let of = |group| assigned.groups.get(group).into_iter().flat_map(|tables| &tables.confs);
    let is_named = *group != GroupId::Unnamed;
    let shared = of(&GroupId::Unnamed).filter(move |(conf, _)| is_named && conf.key.names_groups());
    of(group).chain(shared)
}

/// Whether a vote or hard state stands beside the log of a group, in the encoding of its entries.
fn has_vote(pages: &Pages, assigned: &Assigned, group: &GroupId) -> Result<bool, StoreError> {
    let codec = assigned.schema.codec;
    for (conf, table) in records_beside(assigned, group) {
        if vouches(pages, (conf, table), (codec, Term(0)))? == Witness::Agrees {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of the stable keys is a record that every node has.
fn has_record(stable: &StableMap, codec: ValueCodec, confs: &[ConfTables]) -> bool {
    stable.iter().any(|(key, value)| match Record::of(key, confs) {
        _ if codec == ValueCodec::RaftLog => value.as_u64().is_some(),
        Some(record) => record.reads(codec, &value.bytes),
        None => false,
    })
}

/// A log in tables of any name.
fn any(
    pages: &Pages,
    tables: &[Table],
    (codec, names): (ValueCodec, Names),
    logs: &[(Table, ValueCodec)],
) -> Result<Assigned, StoreError> {
    let first = logs.first().and_then(|(first, _)| logs_of(first, codec));
    let Some(Logs { key, value, .. }) = first else {
        return Err(no_log(pages.path(), tables, tried(&[])));
    };
    let schema: &'static Schema = schemas::of_codec(codec);
    let groups: Vec<GroupId> =
        logs.iter().filter_map(|(table, _)| names.group(&table.name)).collect();
    let confs = confs_beside(pages, tables, codec, (&names, &groups))?;
    let is_log = |table: &Table| logs.iter().any(|(log, _)| log.name == table.name);
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for table in tables {
        // What is called like a group's log and holds something else is none.
        let strange = names.group(&table.name).is_some()
            && !is_log(table)
            && matches!(logs_of(table, codec), Some(logs) if is_another(pages, &logs)?);
        if strange { &mut others } else { &mut own }.push(table.clone());
    }
    let layout = Layout { logs: LogTables { names, key, value }, confs: confs.into() };
    let mut assigned = Assigned::new(schema, layout, &own);
    assigned.others.extend(others);
    Ok(assigned)
}

/// The tables beside logs of these names that hold records: one a group where the logs are so.
fn confs_beside(
    pages: &Pages,
    tables: &[Table],
    codec: ValueCodec,
    (logs, groups): (&Names, &[GroupId]),
) -> Result<Vec<ConfTables>, StoreError> {
    let mut confs: Vec<ConfTables> = Vec::new();
    let groups: Vec<&str> = groups.iter().filter_map(GroupId::name).collect();
    let is_log = |table: &Table| match logs.group(&table.name) {
        Some(GroupId::Named(_)) => index_key(table).is_some() && conf_tables(table).is_none(),
        other => other.is_some(),
    };
    for table in tables.iter().filter(|table| !is_log(table)) {
        if confs.iter().any(|conf| conf.names.group(&table.name).is_some()) {
            continue;
        }
        let Some(conf) = conf_of(pages, table, codec)? else { continue };
        let names = around_a_group(&table.name, &groups);
        let label = match (confs.is_empty(), &names) {
            (true, _) => String::new(),
            (false, Some(Names { around: Some((before, behind)), .. })) => {
                let bare = format!("{before}{behind}");
                bare.trim_matches(['-', '.', '/', '_', ':']).to_owned()
            }
            (false, _) => table.name.clone(),
        };
        let names = names.unwrap_or(conf.names);
        confs.push(ConfTables { names, label: label.into(), ..conf });
    }
    // The one that takes every key stands last.
    confs.reverse();
    Ok(confs)
}

/// Whether a table holds records beside a log: one of those every node has, and it decodes; or it
/// is called as in the default schema.
fn conf_of(
    pages: &Pages,
    table: &Table,
    codec: ValueCodec,
) -> Result<Option<ConfTables>, StoreError> {
    let Some(conf) = conf_tables(table) else { return Ok(None) };
    let rows = [(conf.clone(), table.clone())];
    let (stable, _) = stable::read(pages, &rows, &GroupId::Unnamed, codec)?;
    let own = table.name == "conf" || has_record(&stable, codec, std::slice::from_ref(&conf));
    Ok(own.then_some(conf))
}

/// Finds the groups that keys of tables name, in one pass over the keys of each.
fn split(pages: &Pages, assigned: &mut Assigned) -> Result<(), StoreError> {
    let mut numbers = BTreeSet::new();
    if let Some((_, logs)) = assigned.logs().next().filter(|(_, logs)| logs.key == KeyForm::Pair) {
        let number = |key: &[u8]| logs.key.group(key);
        numbers_in(pages, (&logs.table, "a page of a log table"), number, &mut numbers)?;
    }
    let unnamed = assigned.groups.get(&GroupId::Unnamed);
    for (conf, table) in unnamed.iter().flat_map(|tables| &tables.confs) {
        let by_redb_2 = table.is_of_redb_2();
        let number = |key: &[u8]| conf.key.parts(key, by_redb_2).map(|(number, _)| number);
        numbers_in(pages, (table, "a page of a conf table"), number, &mut numbers)?;
    }
    // A group may have a log and no record yet.
    let named = assigned.groups.keys().filter_map(|group| group.name()?.parse::<u64>().ok());
    numbers.extend(named.filter(|_| assigned.layout.logs.key != KeyForm::Pair));
    assigned.split(&numbers);
    Ok(())
}

fn numbers_in(
    pages: &Pages,
    (table, what): (&Table, &'static str),
    number: impl Fn(&[u8]) -> Option<u64>,
    numbers: &mut BTreeSet<u64>,
) -> Result<(), StoreError> {
    let mut walk = Walk::new(pages, table.shape(what), table.root());
    while let Some(visit) = walk.step() {
        let Visit::Leaf(leaf) = visit? else { continue };
        for row in 0..leaf.rows() {
            if numbers.len() < GROUPS_MAX {
                numbers.extend(number(leaf.key(row)));
            }
        }
    }
    Ok(())
}
