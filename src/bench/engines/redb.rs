//! redb: a transaction a call, its durability as close to the level as redb has it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redb::{Database, TableDefinition};

use crate::bench::Error;
use crate::bench::cell::Engine;
use crate::bench::engines::Ground;
use crate::model::{Durability, Entry};
use crate::vfs::Clock;

/// Level 0 syncs about this often.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// A database with a table a group.
pub(super) struct Log {
    database: Database,
    tables: Vec<String>,
    durability: Durability,
    clock: Arc<dyn Clock>,
    synced: Mutex<Duration>,
}

fn failed(error: impl std::fmt::Display) -> Error {
    super::failed(Engine::Redb)(&error)
}

fn table(name: &str) -> TableDefinition<'_, u64, &'static [u8]> {
    TableDefinition::new(name)
}

impl Log {
    /// Creates a database.
    pub(super) fn open(ground: &Ground<'_>) -> Result<Log, Error> {
        let path = ground.dir.join("log.redb");
        let database = Database::create(path).map_err(failed)?;
        let tables: Vec<String> =
            (0..ground.cell.writers).map(|number| format!("logs/{number}")).collect();
        let transaction = database.begin_write().map_err(failed)?;
        for name in &tables {
            transaction.open_table(table(name)).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(Log {
            database,
            tables,
            durability: ground.cell.durability,
            clock: Arc::clone(ground.clock),
            synced: Mutex::new(ground.clock.monotonic()),
        })
    }

    /// Whether the next commit is to be durable.
    fn syncs_now(&self) -> bool {
        match self.durability {
            Durability::High => true,
            Durability::Low => false,
            Durability::Mid => {
                let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.clock.monotonic();
                let due = now.saturating_sub(*synced) >= SYNC_INTERVAL;
                if due {
                    *synced = now;
                }
                due
            }
        }
    }
}

impl super::Log for Log {
    fn append(&self, group: u32, entries: &[Entry]) -> Result<(), Error> {
        let name = usize::try_from(group).ok().and_then(|at| self.tables.get(at));
        let name = name.ok_or_else(|| failed("no such group"))?;
        let mut transaction = self.database.begin_write().map_err(failed)?;
        if !self.syncs_now() {
            transaction.set_durability(redb::Durability::None).map_err(failed)?;
        }
        {
            let mut table = transaction.open_table(table(name)).map_err(failed)?;
            for entry in entries {
                table.insert(entry.index.0, entry.payload_bytes()).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }
}
