//! What some rows of a table prove.
//!
//! Raft's own words in a value (`log_id`, `Blank`, an envelope) prove an encoding by themselves.
//! Encodings of few bytes and common names do not: a number of a version, an id and a kind look
//! like term, index and variant. Of these rows in sequence are asked, terms that never fall, and a
//! second witness: a vote or hard state beside the log that fits it in the same encoding, or a name
//! that only a Raft log has, with an entry in it that a leader begins with, and several rows where
//! more than one encoding would fit. One row in eight, and one in any case, may be damaged in its
//! bytes or its term: damage makes no other program's table of a log.

use std::collections::BTreeSet;

use crate::model::{EntryKind, GroupId, LogIndex, LogState, Term};
use crate::store::StoreError;
use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{ConfTables, KeyForm, Names, ValueForm};
use crate::store::redb::pages::Pages;
use crate::store::redb::schema::Logs;
use crate::store::redb::stable;
use crate::store::redb::tables::Table;
use crate::store::redb::tree::{Visit, Walk};

/// Rows of a table that are tried.
const SAMPLE_ROWS: usize = 64;
/// Rows in sequence that prove an encoding that says little about itself.
const ENOUGH_ROWS: usize = 4;
/// Terms stay far below this.
const PLAUSIBLE_TERM_END: u64 = 1 << 40;

/// What decoding some rows of a table showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// Rows that were tried.
    pub(super) tried: usize,
    /// Rows that are the entry of their key.
    pub(super) proven: usize,
    /// Rows whose index is the one behind that of the row before.
    in_sequence: usize,
    /// Rows that would have to go for terms never to fall, and to be such as a cluster reaches.
    odd_terms: usize,
    /// Rows that a leader writes first of all: blank ones and memberships, where the log or a term
    /// begins.
    beginnings: usize,
    /// The highest term of the others.
    term: Term,
}

/// Terms in the order of their indexes.
#[derive(Default)]
struct Terms {
    /// The lowest term with which a run of so many that never fall can end.
    ends: Vec<Term>,
    seen: usize,
}

impl Terms {
    fn push(&mut self, term: Term) {
        self.seen += 1;
        if term.0 >= PLAUSIBLE_TERM_END {
            return;
        }
        let at = self.ends.partition_point(|end| *end <= term);
        match self.ends.get_mut(at) {
            Some(end) => *end = term,
            None => self.ends.push(term),
        }
    }

    /// Ends the log of a group.
    fn end(&mut self, proof: &mut Proof) {
        proof.odd_terms += self.seen - self.ends.len();
        proof.term = proof.term.max(self.ends.last().copied().unwrap_or_default());
        *self = Terms::default();
    }
}

impl Proof {
    /// Whether so many rows may be odd: one in eight, of which one may always be.
    fn may_be(self, odd: usize) -> bool {
        self.proven > 0 && odd <= (self.tried / 8).max(1)
    }

    /// Whether most rows are entries: a damaged one makes no other table.
    fn most(self) -> bool {
        self.may_be(self.tried - self.proven)
    }

    /// Whether the rows are entries, of a table that is named and typed as in a known schema. A
    /// `witness` beside it leaves damage as the reason of what does not decode; a weak encoding
    /// asks for one, unless the table is `named` as nothing but a Raft log is.
    pub(super) fn of_known(self, codec: ValueCodec, (witness, named): (bool, bool)) -> bool {
        match codec {
            ValueCodec::Raw => true,
            // Its dumps may be full of faults, each of which has its finding.
            ValueCodec::RaftLog => self.proven > 0,
            _ if witness => self.proven > 0 || self.tried == 1,
            _ => self.most() && (named || !codec.is_weak()),
        }
    }

    /// Whether the rows are entries, of any table. A weak encoding is only believed with a witness.
    fn of_any(self, codec: ValueCodec) -> bool {
        if codec == ValueCodec::Raw || !self.most() {
            return false;
        }
        let odd = self.tried - self.proven + self.odd_terms;
        // An odd row parts two pairs of neighbours; holes may part others of a long log.
        let in_sequence = self.in_sequence + 1 + 2 * odd;
        let wanted = self.tried.min(ENOUGH_ROWS.max(self.tried / 2));
        !codec.is_weak() || in_sequence >= wanted && self.may_be(odd)
    }

    /// Whether there are too few rows to tell similar encodings apart.
    fn is_short(self) -> bool {
        self.proven < ENOUGH_ROWS
    }
}

/// How sure it is that a table is a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is, in this encoding.
    Log(ValueCodec),
    /// Its rows could be entries in this encoding, and just as well something else.
    Perhaps(ValueCodec, Lack),
}

/// What is lacking for a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// A vote or hard state.
    Witness,
    /// One that agrees with the rows.
    Agreement,
}

/// Whether what stands beside a log speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Witness {
    /// There is no vote or hard state.
    None,
    /// There is one of a lower term, or one that does not decode.
    Contradicts,
    /// There is one that fits.
    Agrees,
}

/// The log that a table is, if it is one, in an encoding.
pub(super) fn logs_of(table: &Table, codec: ValueCodec) -> Option<Logs> {
    let (key, value) = (index_key(table)?, ValueForm::of(table)?);
    let (table, index_usual_min) = (table.clone(), LogIndex(0));
    Some(Logs { table, key, value, within: None, codec, index_usual_min })
}

/// The form of a table's keys, when they can name indexes.
pub(super) fn index_key(table: &Table) -> Option<KeyForm> {
    KeyForm::of(table).filter(|key| key.names_indexes()).filter(|_| !table.definition.multimap)
}

/// The encoding in which the rows of `table` are entries. What stands beside it among `tables`
/// may be the witness that a weak one needs.
pub(super) fn found(
    pages: &Pages,
    table: &Table,
    tables: &[Table],
) -> Result<Option<Found>, StoreError> {
    let mut weak: Vec<(ValueCodec, Proof, Witness)> = Vec::new();
    for codec in ValueCodec::ALL {
        let Some(logs) = logs_of(table, codec) else { return Ok(None) };
        let proof = sample(pages, &logs)?;
        if !proof.of_any(codec) {
            continue;
        }
        if !codec.is_weak() {
            return Ok(Some(Found::Log(codec)));
        }
        weak.push((codec, proof, witness(pages, table, tables, (codec, proof))?));
    }
    let agrees = weak.iter().find(|(_, _, witness)| *witness == Witness::Agrees);
    let alone = weak.len() == 1;
    let is_named = |(_, proof, _): &&(ValueCodec, Proof, Witness)| {
        is_named_as_a_log(&table.name) && proof.beginnings > 0 && (alone || !proof.is_short())
    };
    if let Some((codec, ..)) = agrees.or_else(|| weak.iter().find(is_named)) {
        return Ok(Some(Found::Log(*codec)));
    }
    let lack = |witness| match witness {
        Witness::Contradicts => Lack::Agreement,
        Witness::None | Witness::Agrees => Lack::Witness,
    };
    Ok(weak.first().map(|(codec, _, witness)| Found::Perhaps(*codec, lack(*witness))))
}

/// Whether the rows of a table are entries in `codec`.
pub(super) fn proves(pages: &Pages, table: &Table, codec: ValueCodec) -> Result<bool, StoreError> {
    let Some(logs) = logs_of(table, codec) else { return Ok(false) };
    Ok(sample(pages, &logs)?.of_any(codec))
}

fn witness(
    pages: &Pages,
    table: &Table,
    tables: &[Table],
    (codec, proof): (ValueCodec, Proof),
) -> Result<Witness, StoreError> {
    let mut best = Witness::None;
    for other in tables.iter().filter(|other| other.name != table.name) {
        let Some(conf) = conf_tables(other) else { continue };
        best = best.max(vouches(pages, (&conf, other), (codec, proof.term))?);
    }
    Ok(best)
}

/// Whether a name is one that nothing but a Raft log has.
pub(super) fn is_named_as_a_log(name: &str) -> bool {
    let words = words(name);
    let of_a_log = ["log", "logs", "entries", "entry", "wal"];
    words.contains("raft") && of_a_log.iter().any(|word| words.contains(*word))
}

/// Whether a name is one that nothing but what stands beside a Raft log has.
pub(super) fn is_named_as_of_raft(name: &str) -> bool {
    let words = words(name);
    words.contains("raft") || words.contains("ballot")
}

fn words(name: &str) -> BTreeSet<String> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect()
}

/// How a table beside a log would hold its records.
pub(super) fn conf_tables(table: &Table) -> Option<ConfTables> {
    let (key, value) = (KeyForm::of(table)?, ValueForm::of(table)?);
    let is_text = key.is_text() || key == KeyForm::GroupText;
    let is_text = is_text && !table.definition.multimap;
    let names = Names { bare: Some(table.name.clone().into()), around: None };
    is_text.then(|| ConfTables { names, key, value, label: "".into() })
}

/// Whether a table holds a hard state or the id of an entry, in the encoding of a log that reaches
/// `term`, and in agreement with it.
pub(super) fn vouches(
    pages: &Pages,
    (conf, table): (&ConfTables, &Table),
    (codec, term): (ValueCodec, Term),
) -> Result<Witness, StoreError> {
    let rows = [(conf.clone(), table.clone())];
    let (stable, faults) = stable::read(pages, &rows, &GroupId::Unnamed, codec)?;
    let mut state = LogState { stable, ..LogState::default() };
    stable::interpret(&mut state, codec, std::slice::from_ref(conf));
    let reaches = |known: Term| known >= term && known.0 < PLAUSIBLE_TERM_END;
    let voted = state.hard.term.is_some_and(reaches);
    let purged = state.compacted.is_some_and(|id| id.term <= term && id.term.0 > 0);
    let is_record = |key: &Vec<u8>| stable::Record::of(key, std::slice::from_ref(conf)).is_some();
    Ok(match faults.is_empty() && (voted || purged) {
        true => Witness::Agrees,
        false if state.stable.keys().any(is_record) => Witness::Contradicts,
        false => Witness::None,
    })
}

/// Tries some rows of a table.
pub(super) fn sample(pages: &Pages, logs: &Logs) -> Result<Proof, StoreError> {
    let (mut proof, mut terms) = (Proof::default(), Terms::default());
    let mut before: Option<(Option<u64>, LogIndex, Term)> = None;
    let table = &logs.table;
    let mut walk = Walk::new(pages, table.shape("a page of a log table"), table.root());
    while let Some(visit) = walk.step() {
        let Visit::Leaf(leaf) = visit? else { continue };
        for row in 0..leaf.rows() {
            if proof.tried >= SAMPLE_ROWS {
                terms.end(&mut proof);
                return Ok(proof);
            }
            proof.tried += 1;
            let key = leaf.key(row);
            let Some(index) = logs.key.index(key) else { continue };
            let value = logs.value(&leaf, row);
            let Some((term, kind)) = value.and_then(|value| logs.codec.proves_kind(value, index))
            else {
                continue;
            };
            proof.proven += 1;
            let group = logs.key.group(key);
            let last = before.filter(|(of, ..)| *of == group);
            if last.is_none() {
                terms.end(&mut proof);
            }
            terms.push(term);
            let next = last.is_some_and(|(_, last, _)| last.next() == Some(index));
            proof.in_sequence += usize::from(next);
            let begins = last.map_or(index.0 <= 1, |(_, _, before)| before < term);
            proof.beginnings += usize::from(begins && is_first_of_a_leader(kind));
            before = Some((group, index, term));
        }
    }
    terms.end(&mut proof);
    Ok(proof)
}

fn is_first_of_a_leader(kind: EntryKind) -> bool {
    !matches!(kind, EntryKind::Command | EntryKind::Unknown)
}
