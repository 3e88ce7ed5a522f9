//! redb files made by the redb packages, in either file format.

use std::path::Path;

/// Keys and values.
pub type Rows = Vec<(u64, Vec<u8>)>;

macro_rules! made {
    ($redb:ident, $path:expr, $tables:expr, $texts:expr) => {{
        let database = $redb::Database::create($path).expect("create");
        let transaction = database.begin_write().expect("begin");
        for (name, rows) in $tables {
            let definition = $redb::TableDefinition::<u64, &[u8]>::new(name);
            let mut table = transaction.open_table(definition).expect("table");
            for (key, value) in rows.iter() {
                table.insert(key, value.as_slice()).expect("row");
            }
        }
        for (name, rows) in $texts {
            let definition = $redb::TableDefinition::<&str, &[u8]>::new(name);
            let mut table = transaction.open_table(definition).expect("table");
            for (key, value) in rows.iter() {
                table.insert(*key, value.as_slice()).expect("row");
            }
        }
        transaction.commit().expect("commit");
    }};
}

/// Rows of a table with text as keys.
pub type Texts = Vec<(&'static str, Vec<u8>)>;

/// Makes a file of file format 3 with tables of numbers and of text as keys.
pub fn made(path: &Path, tables: &[(&str, Rows)], texts: &[(&str, Texts)]) {
    made!(redb, path, tables, texts);
}

/// The same in file format 2.
pub fn made_in_format_2(path: &Path, tables: &[(&str, Rows)], texts: &[(&str, Texts)]) {
    made!(redb2, path, tables, texts);
}

/// openraft's entries in JSON, from 1 through `last`, the first a blank one.
pub fn openraft_json(last: u64) -> Rows {
    let entry = |index: u64| {
        let payload = match index {
            1 => "\"Blank\"".to_owned(),
            _ => format!("{{\"Normal\":{{\"set\":{index}}}}}"),
        };
        let id = format!("{{\"leader_id\":{{\"term\":3,\"node_id\":1}},\"index\":{index}}}");
        (index, format!("{{\"log_id\":{id},\"payload\":{payload}}}").into_bytes())
    };
    (1..=last).map(entry).collect()
}

/// The number of a file's format, by the slot that its header names.
pub fn file_format(path: &Path) -> u8 {
    let bytes = std::fs::read(path).expect("file");
    bytes[if bytes[9] & 1 == 0 { 64 } else { 192 }]
}
