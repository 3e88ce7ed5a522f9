//! The two generations of the redb package behind one trait.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use crate::store::RedbFormat;
use crate::store::redb::sink::Piece;
use crate::store::redb::sink::backend::{Backend, Shared};

/// Memory that a database may keep pages in; the default would be 1 GiB.
const CACHE_BYTES: usize = 16 << 20;

/// A database that takes rows. Dropping it closes it.
pub trait Writer {
    /// Writes a piece in one transaction.
    ///
    /// # Errors
    /// What the database or its file said.
    fn write(&mut self, piece: &Piece) -> io::Result<()>;
}

/// Creates an empty database of the given file format.
///
/// # Errors
/// What the database or its file said.
pub fn writer(format: RedbFormat, file: Arc<Shared>) -> io::Result<Box<dyn Writer>> {
    let backend = Backend(file);
    Ok(match format {
        RedbFormat::V3 => {
            let mut builder = redb::Database::builder();
            let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend);
            Box::new(Version3(database.map_err(newer)?))
        }
        RedbFormat::V2 => {
            let mut builder = redb2::Database::builder();
            let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend);
            Box::new(Version2(database.map_err(older)?))
        }
    })
}

fn newer(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

fn older(error: impl Into<redb2::Error>) -> io::Error {
    match error.into() {
        redb2::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

struct Version3(redb::Database);

struct Version2(redb2::Database);

/// Index and value of every row, value by value out of the piece's bytes.
struct Rows<'p> {
    bytes: &'p [u8],
    start: usize,
}

impl<'p> Rows<'p> {
    fn next_value(&mut self, end: usize) -> &'p [u8] {
        let value = self.bytes.get(self.start..end).unwrap_or_default();
        self.start = end;
        value
    }
}

impl Writer for Version3 {
    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        let transaction = self.0.begin_write().map_err(newer)?;
        let mut rows = Rows { bytes: &piece.bytes, start: 0 };
        for group in &piece.groups {
            if let Some(rows) = &group.stable {
                let name = &group.conf;
                // Keys are text but for what another program put there.
                let mut text = rows.iter().map(|(key, _)| std::str::from_utf8(key));
                if let Ok(keys) = text.by_ref().collect::<Result<Vec<&str>, _>>() {
                    let definition = redb::TableDefinition::<&str, &[u8]>::new(name);
                    let mut conf = transaction.open_table(definition).map_err(newer)?;
                    for (key, (_, value)) in keys.into_iter().zip(rows) {
                        conf.insert(key, &**value).map_err(newer)?;
                    }
                } else {
                    let definition = redb::TableDefinition::<&[u8], &[u8]>::new(name);
                    let mut conf = transaction.open_table(definition).map_err(newer)?;
                    for (key, value) in rows {
                        conf.insert(key.as_slice(), &**value).map_err(newer)?;
                    }
                }
            }
            let definition = redb::TableDefinition::<u64, &[u8]>::new(&group.logs);
            let mut logs = transaction.open_table(definition).map_err(newer)?;
            // Appending at the end fills the pages; insertion by key would leave them half empty.
            let mut end = logs.upper_bound_mut(Bound::<u64>::Unbounded).map_err(newer)?;
            for (index, value_end) in &group.rows {
                end.insert_before(index, rows.next_value(*value_end)).map_err(newer)?;
            }
            end.close().map_err(newer)?;
        }
        transaction.commit().map_err(newer)
    }
}

impl Writer for Version2 {
    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        let transaction = self.0.begin_write().map_err(older)?;
        let mut rows = Rows { bytes: &piece.bytes, start: 0 };
        for group in &piece.groups {
            if let Some(rows) = &group.stable {
                let name = &group.conf;
                // Keys are text but for what another program put there.
                let mut text = rows.iter().map(|(key, _)| std::str::from_utf8(key));
                if let Ok(keys) = text.by_ref().collect::<Result<Vec<&str>, _>>() {
                    let definition = redb2::TableDefinition::<&str, &[u8]>::new(name);
                    let mut conf = transaction.open_table(definition).map_err(older)?;
                    for (key, (_, value)) in keys.into_iter().zip(rows) {
                        conf.insert(key, &**value).map_err(older)?;
                    }
                } else {
                    let definition = redb2::TableDefinition::<&[u8], &[u8]>::new(name);
                    let mut conf = transaction.open_table(definition).map_err(older)?;
                    for (key, value) in rows {
                        conf.insert(key.as_slice(), &**value).map_err(older)?;
                    }
                }
            }
            let definition = redb2::TableDefinition::<u64, &[u8]>::new(&group.logs);
            let mut logs = transaction.open_table(definition).map_err(older)?;
            for (index, value_end) in &group.rows {
                logs.insert(index, rows.next_value(*value_end)).map_err(older)?;
            }
        }
        transaction.commit().map_err(older)
    }
}
