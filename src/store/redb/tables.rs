//! The tables of a commit, as its table tree describes them.

use crate::model::{Code, Fault, FaultKind};
use crate::store::StoreError;
use crate::store::redb::format::{Child, Root, TableDefinition, TypeName};
use crate::store::redb::page::{KeyOrder, Leaf, Shape};
use crate::store::redb::pages::Pages;
use crate::store::redb::tree::{Visit, Walk};

/// Pages of the tree that lists the tables.
pub const TABLE_TREE: Shape = Shape {
    what: "a page of the table tree",
    key_width: None,
    value_width: None,
    order: KeyOrder::Bytes,
};

/// Pages of the list of pages to be freed, in file format 2: key two numbers, value a list.
pub const FREED_TREE: Shape = Shape {
    what: "a page of the freed-pages tree",
    key_width: Some(16),
    value_width: None,
    order: KeyOrder::Unknown,
};

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What the table tree says about it.
    pub definition: TableDefinition,
}

impl Table {
    /// Its root page, unless it is empty.
    pub fn root(&self) -> Option<Child> {
        self.definition.root.map(|root| root.child)
    }

    /// How its pages are read; `what` is what they are called in a finding.
    pub fn shape(&self, what: &'static str) -> Shape {
        let TableDefinition { key_width, value_width, key_type, .. } = &self.definition;
        let order = key_order(key_type, *key_width);
        Shape { what, key_width: *key_width, value_width: *value_width, order }
    }

    /// Whether redb 2 wrote it, or an older one, where that makes a difference in a tuple's bytes.
    pub fn is_of_redb_2(&self) -> bool {
        self.definition.key_type.class == 1
    }

    /// Its types.
    pub fn types(&self) -> String {
        format!("{} -> {}", self.definition.key_type, self.definition.value_type)
    }

    /// The table in one line: name, types, rows.
    pub fn words(&self) -> String {
        let TableDefinition { multimap, rows, .. } = &self.definition;
        let kind = if *multimap { "multimap " } else { "" };
        format!("{kind}table {}: {}, {rows} rows", self.name.escape_debug(), self.types())
    }
}

fn key_order(key_type: &TypeName, width: Option<usize>) -> KeyOrder {
    match key_type.name.as_str() {
        "u64" if key_type.is("u64") && width == Some(8) => KeyOrder::U64,
        "(u64,u64)" if key_type.is("(u64,u64)") && width == Some(16) => KeyOrder::Pair,
        "[u8;8]" if key_type.is("[u8;8]") && width == Some(8) => KeyOrder::Bytes,
        "&str" | "String" | "&[u8]" | "Vec<u8>" if key_type.class != 2 => KeyOrder::Bytes,
        _ => KeyOrder::Unknown,
    }
}

/// What a leaf of the table tree says.
pub fn tables_in(leaf: &Leaf, pages: &Pages) -> (Vec<Table>, Vec<Fault>) {
    let (mut tables, mut faults) = (Vec::new(), Vec::new());
    for row in 0..leaf.rows() {
        let value = leaf.value(row);
        let range = leaf.value_range(row).unwrap_or_default();
        let place =
            pages.place(leaf.offset_bytes.saturating_add(range.start as u64), value.len() as u64);
        let fault = |kind| Fault::new(Code::R119, kind).at(place.clone());
        let Ok(name) = std::str::from_utf8(leaf.key(row)) else {
            faults.push(fault(FaultKind::Field {
                what: "name of a table",
                expected: "UTF-8".to_owned(),
                found: leaf.key(row).escape_ascii().to_string(),
            }));
            continue;
        };
        match TableDefinition::read(&value) {
            Ok(definition) => tables.push(Table { name: name.to_owned(), definition }),
            Err(field) => faults.push(fault(FaultKind::Field {
                what: "definition of a table",
                expected: format!("a readable {field} for table {}", name.escape_debug()),
                found: format!("{} bytes without one", value.len()),
            })),
        }
    }
    (tables, faults)
}

/// Every table that can be read below `root`, by name, and what could not be read.
///
/// # Errors
/// Only when the file cannot be read.
pub fn read_tables(
    pages: &Pages,
    root: Option<Root>,
) -> Result<(Vec<Table>, Vec<Fault>), StoreError> {
    let (mut tables, mut faults) = (Vec::new(), Vec::new());
    let mut walk = Walk::new(pages, TABLE_TREE, root.map(|root| root.child));
    while let Some(visit) = walk.step() {
        match visit? {
            Visit::Branch(_) | Visit::Unread(..) => {}
            Visit::Leaf(leaf) => {
                let (more, odd) = tables_in(&leaf, pages);
                tables.extend(more);
                faults.extend(odd);
            }
            Visit::Damaged(damaged) => faults.push(*damaged.fault),
        }
    }
    Ok((tables, faults))
}
