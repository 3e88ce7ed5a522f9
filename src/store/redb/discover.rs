//! Finding the Raft log among the tables of a file, by proof: the table whose values decode as
//! entries with the index of their key.
//!
//! A sample of rows proves it; verifying reads all of them. A name alone proves nothing, and
//! encodings that describe nothing (postcard, bincode) are only believed of several rows in
//! sequence, or of the tables of a known project.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{GroupId, LogIndex, StableMap, Term};
use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::pages::Pages;
use crate::store::redb::schema::{Assigned, Logs, no_log};
use crate::store::redb::schemas::{self, Schema};
use crate::store::redb::stable::{self, Record};
use crate::store::redb::tables::Table;
use crate::store::redb::tree::{Visit, Walk};
use crate::store::{RedbSchema, StoreError};

/// Rows of a table that are tried.
const SAMPLE_ROWS: usize = 64;
/// Rows in sequence that prove an encoding that describes nothing.
const ENOUGH_ROWS: usize = 4;
/// Groups that the keys of one table may name.
const GROUPS_MAX: usize = 1 << 20;

/// What decoding some rows of a table showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Proof {
    /// Rows that were tried.
    tried: usize,
    /// Rows that are the entry of their key.
    proven: usize,
    /// Rows that are, one index behind the other and without a lower term.
    in_sequence: usize,
}

impl Proof {
    fn most(self) -> bool {
        self.proven > 0 && self.proven * 8 >= self.tried * 7
    }

    /// Whether the rows are entries, of a table that is named and typed as in a known schema.
    fn of_known(self, codec: ValueCodec) -> bool {
        match codec {
            ValueCodec::Raw => true,
            // Its dumps may be full of faults, each of which has its finding.
            ValueCodec::RaftLog => self.proven > 0,
            _ => self.most(),
        }
    }

    /// Whether the rows are entries, of any table.
    fn of_any(self, codec: ValueCodec) -> bool {
        let several = self.in_sequence.saturating_add(1) >= ENOUGH_ROWS.max(self.tried / 2);
        codec != ValueCodec::Raw && self.most() && (codec.describes_itself() || several)
    }
}

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
    if assigned.layout.logs.key == KeyForm::Pair {
        split(pages, &mut assigned)?;
    }
    Ok(assigned)
}

fn as_told(
    pages: &Pages,
    tables: &[Table],
    told: &RedbSchema,
) -> Result<Option<Assigned>, StoreError> {
    if *told == RedbSchema::default() {
        return Ok(None);
    }
    let named =
        |names: &Names| tables.iter().find(|table| names.group(&table.name).is_some()).cloned();
    let logs_told = told.group_pattern.as_ref().or(told.logs_table.as_ref());
    let logs_told = logs_told.map(|logs| Names::of_pattern(logs));
    let base = told.schema.as_deref().and_then(schemas::named);
    let codec = match (told.codec, base, logs_told.as_ref().and_then(named)) {
        (None, None, Some(logs)) => codec_of(pages, &logs)?,
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
        let label = if key == KeyForm::Unit { "ballot" } else { "" };
        layout.confs = vec![ConfTables { names, key, value, label: label.into() }].into();
    } else if base.is_none() && schema.codec != ValueCodec::RaftLog {
        layout.confs = confs_beside(pages, tables, schema.codec, &layout.logs.names)?.into();
    }
    let assigned = Assigned::new(schema, layout, tables);
    if base.is_some() && told.codec.is_none() && is_another(pages, &assigned)? {
        return Err(missing(&format!("log of the schema {}", schema.name())));
    }
    Ok(Some(assigned))
}

/// Whether there are rows, and not one of them is an entry in the encoding that was told: that is
/// no damage.
fn is_another(pages: &Pages, assigned: &Assigned) -> Result<bool, StoreError> {
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

/// The form of a table's keys, when they can name indexes.
fn index_key(table: &Table) -> Option<KeyForm> {
    let able = |key: &KeyForm| !matches!(key, KeyForm::Text | KeyForm::Unit);
    KeyForm::of(table).filter(able).filter(|_| !table.definition.multimap)
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
    let mut candidates: BTreeMap<String, (ValueCodec, Vec<Table>)> = BTreeMap::new();
    for table in tables.iter().filter(|table| !claimed(table, &found)) {
        if let Some(codec) = codec_of(pages, table)? {
            let alike = format!("{} {} {}", codec.as_str(), table.types(), family(&table.name));
            candidates.entry(alike).or_insert((codec, Vec::new())).1.push(table.clone());
        }
    }
    // A conf table of a usual name proves no project without its log, where another table is one.
    if !candidates.is_empty() {
        found = found.filter(|found| sure || found.logs().next().is_some());
    }
    match (found, candidates.pop_first(), candidates.is_empty()) {
        (Some(found), None, _) => Ok(found),
        (None, Some((_, (codec, logs))), true) => any(pages, tables, codec, &logs),
        (None, None, _) => match if empty.is_empty() { bare } else { empty }.split_first() {
            // Who else uses these tables does not matter as long as nothing is in them.
            Some((first, rest)) if rest.iter().all(|other| names(other) == names(first)) => {
                Ok(first.clone())
            }
            _ => Err(no_log(pages.path(), tables, tried())),
        },
        (found, first, _) => {
            let mut lines: Vec<String> = found
                .iter()
                .flat_map(Assigned::logs)
                .map(|(_, l)| line(&l.table, l.codec))
                .collect();
            let others = first.into_iter().chain(candidates);
            lines.extend(others.flat_map(|(_, (codec, tables))| {
                tables.into_iter().map(move |table| line(&table, codec))
            }));
            Err(StoreError::Ambiguous {
                path: pages.path().to_path_buf(),
                what: "more than one table is a Raft log; name the one that is meant with \
                       --redb-logs-table and --redb-codec"
                    .to_owned(),
                candidates: lines,
            })
        }
    }
}

fn names(assigned: &Assigned) -> BTreeSet<&str> {
    assigned.tables().map(|table| &*table.name).collect()
}

fn line(table: &Table, codec: ValueCodec) -> String {
    format!("{}, decodes as {}", table.words(), codec.as_str())
}

fn tried() -> Vec<String> {
    let codecs = ValueCodec::ALL.iter().filter(|codec| **codec != ValueCodec::Raw);
    let names: Vec<&str> = codecs.map(|codec| codec.as_str()).collect();
    vec![
        format!("tried of every table with a number or 8 bytes as key: {}", names.join(", ")),
        "told by hand: --redb-schema, or --redb-logs-table, --redb-conf-table, --redb-codec, \
         --redb-group-pattern"
            .to_owned(),
    ]
}

/// Tables whose names differ in a number at the end, or behind a separator, are of one family.
fn family(name: &str) -> &str {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match digits.strip_suffix(['-', '.', '/', '_', ':']) {
        Some(_) => digits,
        None => match name.rfind('/') {
            Some(slash) => name.get(..=slash).unwrap_or(name),
            None => name,
        },
    }
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
    for (_, logs) in assigned.logs() {
        let proof = sample(pages, logs)?;
        if proof.of_known(logs.codec) {
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

/// Whether one of the stable keys is a record that every node has.
fn has_record(stable: &StableMap, codec: ValueCodec, confs: &[ConfTables]) -> bool {
    stable.iter().any(|(key, value)| match Record::of(key, confs) {
        _ if codec == ValueCodec::RaftLog => value.as_u64().is_some(),
        Some(record) => record.reads(codec, &value.bytes),
        None => false,
    })
}

/// The encoding in which the rows of any table are entries.
fn codec_of(pages: &Pages, table: &Table) -> Result<Option<ValueCodec>, StoreError> {
    let (Some(key), Some(value)) = (index_key(table), ValueForm::of(table)) else {
        return Ok(None);
    };
    for codec in ValueCodec::ALL {
        let logs = Logs {
            table: table.clone(),
            key,
            value,
            within: None,
            codec,
            index_usual_min: LogIndex(0),
        };
        if sample(pages, &logs)?.of_any(codec) {
            return Ok(Some(codec));
        }
    }
    Ok(None)
}

/// Tries some rows of a table.
fn sample(pages: &Pages, logs: &Logs) -> Result<Proof, StoreError> {
    let mut proof = Proof::default();
    let mut before: Option<(Option<u64>, LogIndex, Term)> = None;
    let table = &logs.table;
    let mut walk = Walk::new(pages, table.shape("a page of a log table"), table.root());
    while let Some(visit) = walk.step() {
        let Visit::Leaf(leaf) = visit? else { continue };
        for row in 0..leaf.rows() {
            if proof.tried >= SAMPLE_ROWS {
                return Ok(proof);
            }
            proof.tried += 1;
            let key = leaf.key(row);
            let Some(index) = logs.key.index(key) else { continue };
            let value = logs.value(&leaf, row);
            let Some(term) = value.and_then(|value| logs.codec.proves(value, index)) else {
                continue;
            };
            proof.proven += 1;
            let group = logs.key.group(key);
            let follows = before.is_some_and(|(of, last, before)| {
                of == group && last.next() == Some(index) && before <= term
            });
            proof.in_sequence += usize::from(follows);
            before = Some((group, index, term));
        }
    }
    Ok(proof)
}

/// A log in tables of any name.
fn any(
    pages: &Pages,
    tables: &[Table],
    codec: ValueCodec,
    logs: &[Table],
) -> Result<Assigned, StoreError> {
    let [first, ..] = logs else { return Err(no_log(pages.path(), tables, tried())) };
    let names = match logs {
        [one] => Names { bare: Some(one.name.clone().into()), around: None },
        _ => {
            let before = family(&first.name).to_owned();
            Names { bare: None, around: Some((before.into(), "".into())) }
        }
    };
    let (Some(key), Some(value)) = (index_key(first), ValueForm::of(first)) else {
        return Err(no_log(pages.path(), tables, tried()));
    };
    let schema: &'static Schema = schemas::of_codec(codec);
    let confs = confs_beside(pages, tables, codec, &names)?;
    let layout = Layout { logs: LogTables { names, key, value }, confs: confs.into() };
    Ok(Assigned::new(schema, layout, tables))
}

/// The tables beside logs of these names that hold records: one a group where the logs are so.
fn confs_beside(
    pages: &Pages,
    tables: &[Table],
    codec: ValueCodec,
    logs: &Names,
) -> Result<Vec<ConfTables>, StoreError> {
    let mut confs: Vec<ConfTables> = Vec::new();
    for table in tables.iter().filter(|table| logs.group(&table.name).is_none()) {
        if confs.iter().any(|conf| conf.names.group(&table.name).is_some()) {
            continue;
        }
        let Some(conf) = conf_of(pages, table, codec)? else { continue };
        let names = match (&logs.around, family(&table.name)) {
            (Some(_), before) if before != table.name => {
                let around = Some((before.to_owned().into(), "".into()));
                Names { bare: None, around }
            }
            _ => conf.names,
        };
        let label = match confs.is_empty() {
            true => String::new(),
            false => family(&table.name).trim_end_matches(['-', '.', '/', '_', ':']).to_owned(),
        };
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
    let (Some(key), Some(value)) = (KeyForm::of(table), ValueForm::of(table)) else {
        return Ok(None);
    };
    if !matches!(key, KeyForm::Text | KeyForm::Bytes) || table.definition.multimap {
        return Ok(None);
    }
    let names = Names { bare: Some(table.name.clone().into()), around: None };
    let conf = ConfTables { names, key, value, label: "".into() };
    let rows = [(conf.clone(), table.clone())];
    let (stable, _) = stable::read(pages, &rows, &GroupId::Unnamed, codec)?;
    let own = table.name == "conf" || has_record(&stable, codec, std::slice::from_ref(&conf));
    Ok(own.then_some(conf))
}

/// Finds the groups that the keys of a table name, in one pass over its keys.
fn split(pages: &Pages, assigned: &mut Assigned) -> Result<(), StoreError> {
    let mut numbers = BTreeSet::new();
    if let Some((_, logs)) = assigned.logs().next() {
        let table = &logs.table;
        let mut walk = Walk::new(pages, table.shape("a page of a log table"), table.root());
        while let Some(visit) = walk.step() {
            let Visit::Leaf(leaf) = visit? else { continue };
            for row in 0..leaf.rows() {
                if numbers.len() < GROUPS_MAX {
                    numbers.extend(logs.key.group(leaf.key(row)));
                }
            }
        }
    }
    assigned.split(&numbers);
    Ok(())
}
