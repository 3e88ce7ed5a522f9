//! The classes of the types that a finished file records.
//!
//! redb writes a class before the name of a key's or value's type. Since 4.2 it gives `Vec<u8>`,
//! arrays and tuples a class of their own, at which older ones give up; it goes on to open tables
//! with the class that they had before. So that the program whose log this is opens it whichever
//! redb it is built on, the file gets the older classes once it is closed: in the leaves of the
//! table tree, and with them the checksums of these pages, of those above them and of the commit.

use std::io;

use crate::model::SharedBytes;
use crate::store::redb::format::{
    BRANCH_SUMS_AT, Child, DEPTH_MAX, HEADER_BYTES, Header, ORDER_MAX, Root, SLOT_BYTES, SLOTS_AT,
    SUM_BYTES, Slot, TableDefinition, checksum,
};
use crate::store::redb::page::Node;
use crate::store::redb::tables::TABLE_TREE;
use crate::vfs::{VfsFile, read_exact_at};

/// Gives the types of all tables the classes that redb 3 knows. The file is closed.
///
/// # Errors
/// What the file said, and `InvalidData` for a page that is not as it was written.
pub fn to_older(file: &dyn VfsFile) -> io::Result<()> {
    let mut header = [0; HEADER_BYTES];
    read_exact_at(file, 0, &mut header)?;
    let read = Header::read(&header).ok_or(io::ErrorKind::InvalidData)?;
    let [first, second] = read.slots;
    let primary = if read.primary_is_second() { second } else { first };
    let Some(Root { child, .. }) = primary.user else { return Ok(()) };
    let classes = Classes { file, header: read };
    let checksum = classes.below(child, 0)?;
    if checksum == child.checksum {
        return Ok(());
    }
    // A file that was closed has the same tables in both of its commits.
    let same = |slot: &Slot| slot.fits() && slot.user == primary.user;
    for (at, _) in SLOTS_AT.into_iter().zip(&read.slots).filter(|(_, slot)| same(slot)) {
        let slot = header.get_mut(at..at + SLOT_BYTES).ok_or(io::ErrorKind::InvalidData)?;
        Slot::set_user_checksum(slot, checksum).ok_or(io::ErrorKind::InvalidData)?;
        file.write_at(at as u64, slot)?;
    }
    Ok(())
}

struct Classes<'f> {
    file: &'f dyn VfsFile,
    header: Header,
}

impl Classes<'_> {
    /// Sets the classes below a page of the table tree, whose checksum it returns then.
    fn below(&self, child: Child, depth: usize) -> io::Result<u128> {
        let Child { page, checksum: before } = child;
        if depth >= DEPTH_MAX || page.order() > ORDER_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let offset = self.header.geometry.offset_bytes(page);
        let size = usize::try_from(page.size_bytes()).map_err(io::Error::other)?;
        let mut bytes = vec![0; size];
        read_exact_at(self.file, offset, &mut bytes)?;
        let node = Node::check(SharedBytes::from(bytes.clone()), offset, child, &TABLE_TREE);
        let used = match node.map_err(|kind| io::Error::other(kind.to_string()))? {
            Node::Leaf(leaf) => {
                for row in 0..leaf.rows() {
                    let range = leaf.value_range(row).unwrap_or_default();
                    let definition = bytes.get_mut(range).unwrap_or_default();
                    TableDefinition::set_older_classes(definition).map_err(io::Error::other)?;
                }
                leaf.used_bytes()
            }
            Node::Branch(branch) => {
                for n in 0..branch.children() {
                    let child = branch.child(n).ok_or(io::ErrorKind::InvalidData)?;
                    let sum = self.below(child, depth + 1)?;
                    let at = BRANCH_SUMS_AT + SUM_BYTES * n;
                    let place = bytes.get_mut(at..at + SUM_BYTES);
                    place.ok_or(io::ErrorKind::InvalidData)?.copy_from_slice(&sum.to_le_bytes());
                }
                branch.used_bytes()
            }
        };
        let used = usize::try_from(used).map_err(io::Error::other)?;
        let after = checksum(bytes.get(..used).unwrap_or_default());
        if after != before {
            self.file.write_at(offset, &bytes)?;
        }
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::store::Level;
    use crate::store::redb::commit::choose;
    use crate::store::redb::pages::Pages;
    use crate::store::redb::schema::Roles;
    use crate::store::redb::sink::backend::{Backend, Shared};
    use crate::store::redb::survey::survey;
    use crate::store::redb::tables::{Table, read_tables};
    use crate::vfs::sim::{Profile, SimFs};
    use crate::vfs::{OpenMode, Vfs};

    const PATH: &str = "/types.redb";

    /// Writes enough tables of each type for a table tree of several pages.
    fn write(file: Arc<Shared>) {
        let database = redb::Database::builder().create_with_backend(Backend(file)).unwrap();
        let transaction = database.begin_write().unwrap();
        macro_rules! row {
            ($name:expr, $key_type:ty => $value_type:ty, $key:expr, $value:expr) => {{
                let name: String = $name;
                let definition = redb::TableDefinition::<$key_type, $value_type>::new(&name);
                transaction.open_table(definition).unwrap().insert($key, $value).unwrap();
            }};
        }
        for n in 0..200 {
            row!(format!("vec-{n}"), u64 => Vec<u8>, 1, vec![7; 9]);
            row!(format!("array-{n}"), &[u8; 8] => &[u8], &[1; 8], &[7; 9][..]);
            row!(format!("pair-{n}"), (u64, u64) => &str, (1, 2), "value");
            row!(format!("text-{n}"), (u64, &str) => (u64, u64), (1, "key"), (3, 4));
        }
        transaction.commit().unwrap();
    }

    fn tables(fs: &SimFs) -> (Header, Vec<Table>) {
        let file = fs.open(Path::new(PATH), OpenMode::Read).unwrap();
        let mut bytes = [0; HEADER_BYTES];
        read_exact_at(file.as_ref(), 0, &mut bytes).unwrap();
        let (header, size) = (Header::read(&bytes).unwrap(), file.size().unwrap());
        let pages = Pages::new(file, Arc::from(Path::new(PATH)), size, header.geometry);
        let chosen = choose(&header, &pages).unwrap();
        assert_eq!(chosen.faults, []);
        let mut going = |_| ControlFlow::Continue(());
        let commit = (&chosen.commit, &Roles::default());
        let found = survey(&pages, commit, (Level::Full, None), &mut going).unwrap().unwrap();
        assert_eq!((found.faults, found.damaged), (Vec::new(), false));
        (header, read_tables(&pages, chosen.commit.user).unwrap().0)
    }

    fn shared(fs: &SimFs, mode: OpenMode) -> Arc<Shared> {
        Arc::new(Shared::new(fs.open(Path::new(PATH), mode).unwrap()))
    }

    #[test]
    fn types_get_the_classes_that_older_redbs_know_and_both_commits_verify() {
        let fs = SimFs::new(Profile::StrictPosix);
        write(shared(&fs, OpenMode::CreateNew));
        let (_, before) = tables(&fs);
        assert!(before.iter().any(|table| table.definition.key_type.class == 4));
        let file = shared(&fs, OpenMode::ReadWrite);
        to_older(file.file()).unwrap();
        let (header, after) = tables(&fs);
        assert_eq!(after.len(), 800);
        for (before, after) in before.iter().zip(&after) {
            let classes = |table: &Table| {
                let definition = &table.definition;
                (definition.key_type.class, definition.value_type.class)
            };
            let key = if after.name.starts_with("text") { 3 } else { 1 };
            assert_eq!(classes(after), (key, 1), "{}", after.words());
            assert_eq!((&after.name, after.words()), (&before.name, before.words()));
            assert_eq!(after.root(), before.root());
        }
        assert!(header.slots.iter().all(Slot::fits));
        assert_eq!(header.slots[0].user, header.slots[1].user);
        let mut database =
            redb::Database::builder().create_with_backend(Backend(Arc::clone(&file))).unwrap();
        assert!(database.check_integrity().unwrap());
        drop(database);
        // A file without such a type is left as it is.
        let bytes = || {
            let mut bytes = vec![0; usize::try_from(file.file().size().unwrap()).unwrap()];
            read_exact_at(file.file(), 0, &mut bytes).unwrap();
            bytes
        };
        let before = bytes();
        to_older(file.file()).unwrap();
        assert!(bytes() == before);
    }
}
