//! The stable keys of a group, out of its conf table.

use crate::model::{ByteOrder, Fault, GroupId, StableMap};
use crate::store::StoreError;
use crate::store::codec::{odd_integer, stable_value};
use crate::store::redb::pages::Pages;
use crate::store::redb::tables::Table;
use crate::store::redb::tree::{Visit, Walk};

/// Reads the stable keys of `group` out of its conf table, and what is wrong with them.
///
/// # Errors
/// Only when the file cannot be read.
pub fn read(
    pages: &Pages,
    conf: Option<&Table>,
    group: &GroupId,
) -> Result<(StableMap, Vec<Fault>), StoreError> {
    let (mut stable, mut faults) = (StableMap::new(), Vec::new());
    let Some(conf) = conf else { return Ok((stable, faults)) };
    let shape = conf.shape("a page of a conf table");
    let mut walk = Walk::new(pages, shape, conf.root());
    while let Some(visit) = walk.step() {
        let leaf = match visit? {
            Visit::Leaf(leaf) => leaf,
            Visit::Branch(_) | Visit::Unread(..) => continue,
            Visit::Damaged(damaged) => {
                faults.push(damaged.fault.in_group(group));
                continue;
            }
        };
        for row in 0..leaf.rows() {
            let (key, value) = (leaf.key(row), leaf.value(row));
            let start = leaf.value_range(row).map_or(0, |range| range.start as u64);
            let place = pages.place(leaf.offset_bytes.saturating_add(start), value.len() as u64);
            let odd = odd_integer(key, &value, ByteOrder::Big, place);
            faults.extend(odd.map(|fault| fault.in_group(group)));
            stable.insert(key.to_vec(), stable_value(key, value.detached(), ByteOrder::Big));
        }
    }
    Ok((stable, faults))
}
