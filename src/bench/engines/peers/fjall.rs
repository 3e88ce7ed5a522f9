//! fjall: a keyspace a group, a batch a call, the journal synced as the level says.

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::{Ground, Syncs, peers::of_group};
use crate::model::{Entry, IndexRange};

/// A database with a keyspace a group.
pub(super) struct Log {
    database: Database,
    groups: Vec<Keyspace>,
    syncs: Syncs,
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::super::failed(Engine::Fjall)(&error)
}

impl Log {
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let database = Database::builder(ground.dir).open().map_err(failed)?;
        let groups: Result<Vec<Keyspace>, Error> = (0..ground.groups())
            .map(|number| {
                let name = format!("logs-{number}");
                database.keyspace(&name, KeyspaceCreateOptions::default).map_err(failed)
            })
            .collect();
        Ok(Log { groups: groups?, database, syncs: Syncs::new(ground, ground.cell.durability) })
    }
}

impl super::super::Log for Log {
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error> {
        let keyspace = of_group(&self.groups, group, Engine::Fjall)?;
        let mode = if self.syncs.now() { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for entry in entries {
            batch.insert(keyspace, entry.index.0.to_be_bytes(), entry.payload_bytes());
        }
        batch.commit().map_err(failed)
    }

    fn read(&self, range: IndexRange) -> Result<u64, Error> {
        let keyspace = of_group(&self.groups, 0, Engine::Fjall)?;
        let (first, last) = (range.first().0.to_be_bytes(), range.last().0.to_be_bytes());
        if range.count() == 1 {
            let found = keyspace.get(first).map_err(failed)?;
            return Ok(found.map_or(0, |value| value.len() as u64));
        }
        let mut bytes = 0;
        for found in keyspace.range(first..=last) {
            bytes += found.value().map_err(failed)?.len() as u64;
        }
        Ok(bytes)
    }
}
