//! redb: a transaction a call, its durability as close to the level as redb has it.

use std::path::Path;

use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::{Ground, Syncs, place_of};
use crate::model::{Durability, Entry, IndexRange, LogIndex};

/// The table that the stable keys are in, and the one that a log is in which was made before.
const CONF: TableDefinition<'_, &'static [u8], &'static [u8]> = TableDefinition::new("conf");
const LOGS: TableDefinition<'_, u64, &'static [u8]> = TableDefinition::new("logs");

/// A database with a table a group.
pub(super) struct Log {
    database: Database,
    tables: Vec<String>,
    syncs: Syncs,
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::failed(Engine::Redb)(&error)
}

fn table(name: &str) -> TableDefinition<'_, u64, &'static [u8]> {
    TableDefinition::new(name)
}

impl Log {
    /// Creates a database for the cell.
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let path = ground.dir.join("log.redb");
        Log::create(ground, &path, ground.cell.durability)
    }

    pub(super) fn create(
        ground: &Ground<'_>,
        path: &Path,
        durability: Durability,
    ) -> Result<Log, Error> {
        let database = Database::create(path).map_err(failed)?;
        let tables: Vec<String> =
            (0..ground.groups()).map(|number| format!("logs/{number}")).collect();
        let transaction = database.begin_write().map_err(failed)?;
        for name in &tables {
            transaction.open_table(table(name)).map_err(failed)?;
        }
        transaction.open_table(CONF).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(Log { database, tables, syncs: Syncs::new(ground, durability) })
    }

    fn name(&self, group: u32) -> Result<&str, Error> {
        let name = usize::try_from(group).ok().and_then(|at| self.tables.get(at));
        name.map(String::as_str).ok_or_else(|| failed("no such group"))
    }

    /// One transaction.
    pub(super) fn write(
        &self,
        syncs: bool,
        change: impl FnOnce(&WriteTransaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut transaction = self.database.begin_write().map_err(failed)?;
        if !syncs {
            transaction.set_durability(redb::Durability::None).map_err(failed)?;
        }
        change(&transaction)?;
        transaction.commit().map_err(failed)
    }

    /// Puts a value under a number, in the table of a group.
    pub(super) fn put(&self, syncs: bool, group: u32, key: u64, value: &[u8]) -> Result<(), Error> {
        let name = self.name(group)?;
        self.write(syncs, |transaction| {
            let mut table = transaction.open_table(table(name)).map_err(failed)?;
            table.insert(key, value).map_err(failed)?;
            Ok(())
        })
    }

    fn drop_range(&self, group: u32, first: u64, last: u64) -> Result<(), Error> {
        let name = self.name(group)?;
        self.write(self.syncs.now(), |transaction| {
            let mut table = transaction.open_table(table(name)).map_err(failed)?;
            table.retain_in(first..=last, |_, _| false).map_err(failed)
        })
    }
}

impl super::Log for Log {
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error> {
        let name = self.name(group)?;
        self.write(self.syncs.now(), |transaction| {
            let mut table = transaction.open_table(table(name)).map_err(failed)?;
            for entry in entries {
                table.insert(entry.index.0, entry.payload_bytes()).map_err(failed)?;
            }
            Ok(())
        })
    }

    fn truncate(&self, first_removed: LogIndex) -> Result<(), Error> {
        self.drop_range(0, first_removed.0, u64::MAX)
    }

    fn snapshot_taken(&self, group: u32, through: LogIndex) -> Result<(), Error> {
        self.drop_range(group, 0, through.0)
    }

    fn compact(&self, through: LogIndex) -> Result<(), Error> {
        self.drop_range(0, 0, through.0)
    }

    fn read(&self, range: IndexRange) -> Result<u64, Error> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = transaction.open_table(table(self.name(0)?)).map_err(failed)?;
        if range.count() == 1 {
            let found = table.get(range.first().0).map_err(failed)?;
            return Ok(found.map_or(0, |found| found.value().len() as u64));
        }
        let mut bytes = 0;
        for found in table.range(range.first().0..=range.last().0).map_err(failed)? {
            bytes += found.map_err(failed)?.1.value().len() as u64;
        }
        Ok(bytes)
    }

    fn bounds(&self) -> Result<Option<IndexRange>, Error> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = transaction.open_table(table(self.name(0)?)).map_err(failed)?;
        let first = table.first().map_err(failed)?.map(|(key, _)| LogIndex(key.value()));
        let last = table.last().map_err(failed)?.map(|(key, _)| LogIndex(key.value()));
        Ok(first.zip(last).and_then(|(first, last)| IndexRange::new(first, last)))
    }

    fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.write(self.syncs.now(), |transaction| {
            let mut table = transaction.open_table(CONF).map_err(failed)?;
            table.insert(key, value).map_err(failed)?;
            Ok(())
        })
    }

    fn get(&self, key: &[u8]) -> Result<u64, Error> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = transaction.open_table(CONF).map_err(failed)?;
        Ok(table.get(key).map_err(failed)?.map_or(0, |value| value.value().len() as u64))
    }
}

/// A database that stood there. redb opens one that was closed without looking at its pages, so
/// every checksum is checked by the call that redb has for it.
pub(super) struct Reopened {
    _database: Database,
    entries: u64,
    _resident: Vec<Vec<u8>>,
}

impl Reopened {
    pub(super) fn open(ground: &Ground<'_>, entries: bool) -> Result<Reopened, Error> {
        let mut database = Database::open(place_of(Engine::Redb, ground.dir)).map_err(failed)?;
        database.check_integrity().map_err(failed)?;
        let transaction = database.begin_read().map_err(failed)?;
        let table = transaction.open_table(LOGS).map_err(failed)?;
        let found = table.len().map_err(failed)?;
        let mut resident = Vec::new();
        if entries {
            for row in table.iter().map_err(failed)? {
                resident.push(row.map_err(failed)?.1.value().to_vec());
            }
        }
        drop(table);
        drop(transaction);
        Ok(Reopened { _database: database, entries: found, _resident: resident })
    }
}

impl super::Reopened for Reopened {
    fn entries(&self) -> u64 {
        self.entries
    }
}
