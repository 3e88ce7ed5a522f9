//! The two generations of the redb package behind one trait.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use crate::store::RedbFormat;
use crate::store::redb::layout::{KeyForm, ValueForm};
use crate::store::redb::sink::backend::{Backend, Shared};
use crate::store::redb::sink::{ConfPiece, GroupPiece, Piece};

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

/// Index and value of every row of a piece, value by value out of its bytes.
struct Values<'p> {
    bytes: &'p [u8],
    start: usize,
}

impl<'p> Values<'p> {
    fn next(&mut self, end: usize) -> &'p [u8] {
        let value = self.bytes.get(self.start..end).unwrap_or_default();
        self.start = end;
        value
    }
}

fn text(bytes: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(bytes).map_err(io::Error::other)
}

/// Inserts rows into a table of one pair of types. Names that the expressions use are given by the
/// caller.
macro_rules! put {
    ($redb:ident $fail:ident $transaction:ident $name:expr,
     $key_type:ty => $value_type:ty, $rows:expr,
     |$row:ident, $value:ident| $key:expr, $stored:expr) => {{
        let definition = $redb::TableDefinition::<$key_type, $value_type>::new($name);
        let mut table = $transaction.open_table(definition).map_err($fail)?;
        for ($row, $value) in $rows {
            table.insert($key, $stored).map_err($fail)?;
        }
    }};
}

/// The same with values of the type that the schema has.
macro_rules! put_values {
    ($redb:ident $fail:ident $transaction:ident $name:expr,
     $form:expr, $key_type:ty, $rows:expr, |$row:ident| $key:expr) => {
        match $form {
            ValueForm::Bytes => put!($redb $fail $transaction $name,
                $key_type => &[u8], $rows, |$row, value| $key, value),
            ValueForm::Vec => put!($redb $fail $transaction $name,
                $key_type => Vec<u8>, $rows, |$row, value| $key, value.to_vec()),
            ValueForm::Text => put!($redb $fail $transaction $name,
                $key_type => &str, $rows, |$row, value| $key, text(value)?),
            ValueForm::String => put!($redb $fail $transaction $name,
                $key_type => String, $rows, |$row, value| $key, text(value)?.to_owned()),
        }
    };
}

/// What both generations do alike.
macro_rules! tables {
    ($redb:ident $fail:ident) => {
        /// Writes the rows of a conf table. Keys of text are text but for what another program put
        /// there.
        pub(super) fn conf(
            transaction: &$redb::WriteTransaction,
            conf: &ConfPiece,
        ) -> io::Result<()> {
            let name = conf.name.as_str();
            let rows = || conf.rows.iter().map(|(key, value)| (key.as_slice(), &**value));
            let is_text = conf.rows.iter().all(|(key, _)| std::str::from_utf8(key).is_ok());
            match conf.key {
                KeyForm::Unit => put_values!($redb $fail transaction name,
                    conf.value, (), rows(), |_key| ()),
                KeyForm::Text if is_text => put_values!($redb $fail transaction name,
                    conf.value, &str, rows(), |key| text(key)?),
                KeyForm::String if is_text => put_values!($redb $fail transaction name,
                    conf.value, String, rows(), |key| text(key)?.to_owned()),
                KeyForm::Group => {
                    let group = u32::try_from(conf.within).map_err(io::Error::other)?;
                    put_values!($redb $fail transaction name,
                        conf.value, u32, rows(), |_key| group);
                }
                KeyForm::GroupText if is_text => {
                    let group = conf.within;
                    put_values!($redb $fail transaction name,
                        conf.value, (u64, &str), rows(), |key| (group, text(key)?));
                }
                _ => put_values!($redb $fail transaction name,
                    conf.value, &[u8], rows(), |key| key),
            }
            Ok(())
        }

        /// Writes the rows of a log table.
        pub(super) fn log<'p>(
            transaction: &$redb::WriteTransaction,
            group: &GroupPiece,
            rows: impl Iterator<Item = (u64, &'p [u8])>,
        ) -> io::Result<()> {
            let name = group.logs.as_str();
            let within = group.within;
            match group.key {
                KeyForm::Pair => put_values!($redb $fail transaction name,
                    group.value, (u64, u64), rows, |index| (within, index)),
                KeyForm::Bytes => put_values!($redb $fail transaction name,
                    group.value, &[u8], rows, |index| &index.to_be_bytes()[..]),
                KeyForm::Array => put_values!($redb $fail transaction name,
                    group.value, &[u8; 8], rows, |index| &index.to_be_bytes()),
                _ => put_values!($redb $fail transaction name,
                    group.value, u64, rows, |index| index),
            }
            Ok(())
        }
    };
}

mod of_version_3 {
    use super::*;
    tables!(redb newer);
}

mod of_version_2 {
    use super::*;
    tables!(redb2 older);
}

impl Writer for Version3 {
    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        let transaction = self.0.begin_write().map_err(newer)?;
        let mut values = Values { bytes: &piece.bytes, start: 0 };
        for group in &piece.groups {
            for conf in &group.confs {
                of_version_3::conf(&transaction, conf)?;
            }
            if !group.is_there && group.rows.is_empty() {
                continue;
            }
            let mut rows = group.rows.iter().map(|(index, end)| (*index, values.next(*end)));
            if (group.key, group.value) != (KeyForm::U64, ValueForm::Bytes) {
                of_version_3::log(&transaction, group, rows)?;
                continue;
            }
            let definition = redb::TableDefinition::<u64, &[u8]>::new(&group.logs);
            let mut logs = transaction.open_table(definition).map_err(newer)?;
            // Appending at the end fills the pages; insertion by key would leave them half empty.
            let mut end = logs.upper_bound_mut(Bound::<u64>::Unbounded).map_err(newer)?;
            rows.try_for_each(|(index, value)| end.insert_before(index, value).map_err(newer))?;
            end.close().map_err(newer)?;
        }
        transaction.commit().map_err(newer)
    }
}

impl Writer for Version2 {
    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        let transaction = self.0.begin_write().map_err(older)?;
        let mut values = Values { bytes: &piece.bytes, start: 0 };
        for group in &piece.groups {
            for conf in &group.confs {
                of_version_2::conf(&transaction, conf)?;
            }
            if !group.is_there && group.rows.is_empty() {
                continue;
            }
            let rows = group.rows.iter().map(|(index, end)| (*index, values.next(*end)));
            of_version_2::log(&transaction, group, rows)?;
        }
        transaction.commit().map_err(older)
    }
}
