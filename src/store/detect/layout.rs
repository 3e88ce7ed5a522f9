//! Whose data directory a store lies in, and which of several stores its server would open.

use std::path::{Path, PathBuf};

use crate::model::{EntryKind, GroupId, IndexRange};
use crate::store::detect::content::{Content, content};
use crate::store::detect::{Layout, Product};
use crate::store::{Format, LogSource};
use crate::vfs::{Fs, OpenMode, read_exact_at};

/// Longest node id that is believed.
const NODE_ID_BYTES_MAX: usize = 128;
/// Commands that are looked at to tell Dkron from another program.
const COMMANDS_MAX: usize = 64;
/// Entries among which they are looked for.
const ENTRIES_MAX: usize = 1024;
/// Dkron's types of commands are 0 to this.
const DKRON_COMMAND_MAX: u8 = 4;

/// Whether a known server opens a store of this format by this name: hashicorp's `raft.db` and
/// `wal`, etcd's `wal`. No such server opens a redb, whatever its name.
pub(super) fn is_served(store: &Path, format: Format) -> bool {
    match format {
        Format::BoltDb | Format::RaftFastlog => store.ends_with("raft.db"),
        Format::RaftWal | Format::EtcdWal => store.ends_with("wal"),
        Format::Redb | Format::FastLog => false,
    }
}

/// What each server does with both backends in one directory.
pub(super) fn who_opens(store: &Path) -> &'static str {
    if store.ends_with("raft.db") {
        "Consul, Vault and Dkron open this one; Nomad refuses to start while both are there"
    } else {
        "only opened when raft.db is gone; Nomad's tools look here first"
    }
}

/// The data directory that a store belongs to, by where it lies: `ROOT/raft/raft.db`,
/// `ROOT/raft/wal`, `ROOT/server/raft/...`, `ROOT/member/wal`.
pub(super) fn data_dir_of(store: &Path) -> Option<PathBuf> {
    if !store.ends_with("raft.db") && !store.ends_with("wal") {
        return None;
    }
    let inside = store.parent()?;
    let root = inside.parent()?;
    match inside.file_name()?.to_str()? {
        "member" => Some(root.to_owned()),
        "raft" if root.ends_with("server") => root.parent().map(Path::to_owned),
        "raft" => Some(root.to_owned()),
        _ => None,
    }
}

/// Names the layout of the data directory `root` around `store`.
pub(super) fn layout(fs: &dyn Fs, root: &Path, store: &Path, format: Format) -> Option<Layout> {
    let there = |path: PathBuf| fs.symlink_metadata(&path).is_ok();
    let named = |product, node_dir: &Path| {
        Some(Layout { product, node: node_id(fs, &node_dir.join("node-id")) })
    };
    if format == Format::EtcdWal {
        return Some(Layout { product: Product::Etcd, node: None });
    }
    if data_dir_of(store).as_deref() != Some(root) {
        let ours = format == Format::FastLog;
        return ours.then_some(Layout { product: Product::Raftlog, node: None });
    }
    let raft = store.parent()?;
    let server = raft.parent()?;
    if server.ends_with("server") || there(raft.join("version")) {
        return named(Product::Nomad, server);
    }
    if matches!(content(fs, &server.join("vault.db")), Ok(Content::VaultState)) {
        return named(Product::Vault, server);
    }
    if there(raft.join("peers.info")) && there(server.join("serf").join("local.snapshot")) {
        return named(Product::Consul, server);
    }
    Some(Layout { product: Product::Hashicorp, node: None })
}

fn node_id(fs: &dyn Fs, path: &Path) -> Option<String> {
    let file = fs.open(path, OpenMode::Read).ok()?;
    let size = usize::try_from(file.size().ok()?).ok()?;
    let mut bytes = vec![0; (1..=NODE_ID_BYTES_MAX).contains(&size).then_some(size)?];
    read_exact_at(file.as_ref(), 0, &mut bytes).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?.trim();
    let printable = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_graphic());
    printable.then(|| text.to_owned())
}

/// Whether an opened store in an unnamed layout is Dkron's: its directory has the shape, and every
/// command looked at is a type byte of Dkron's and a protobuf message.
pub(crate) fn is_dkron(fs: &dyn Fs, store: &Path, source: &dyn LogSource) -> bool {
    let Some(raft) = store.parent() else { return false };
    let there = |name: &str| fs.symlink_metadata(&raft.join(name)).is_ok();
    if !store.ends_with("raft.db") || !there("snapshots") || there("peers.info") {
        return false;
    }
    let Ok(entries) = source.entries(&GroupId::Unnamed, IndexRange::ALL) else { return false };
    let mut commands = 0;
    for located in entries.take(ENTRIES_MAX) {
        let Ok(located) = located else { continue };
        if located.entry.kind != EntryKind::Command {
            continue;
        }
        if !is_dkron_command(located.entry.payload_bytes()) {
            return false;
        }
        commands += 1;
        if commands == COMMANDS_MAX {
            break;
        }
    }
    commands > 0
}

fn is_dkron_command(payload: &[u8]) -> bool {
    match payload.split_first() {
        Some((0..=DKRON_COMMAND_MAX, message)) => is_protobuf(message),
        _ => false,
    }
}

/// Whether the bytes are whole protobuf fields one behind the other.
fn is_protobuf(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some((tag, after)) = varint(rest) else { return false };
        let skipped = match (tag >> 3, tag & 7) {
            (0, _) => None,
            (_, 0) => varint(after).map(|(_, after)| after),
            (_, 1) => after.get(8..),
            (_, 5) => after.get(4..),
            (_, 2) => {
                varint(after).and_then(|(len, after)| after.get(usize::try_from(len).ok()?..))
            }
            _ => None,
        };
        let Some(after) = skipped else { return false };
        rest = after;
    }
    true
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(at).ok()?)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_dir_is_found_by_where_its_store_lies() {
        for (store, root) in [
            ("/var/dkron/raft/raft.db", Some("/var/dkron")),
            ("/var/consul/raft/wal", Some("/var/consul")),
            ("/var/nomad/server/raft/raft.db", Some("/var/nomad")),
            ("/var/etcd/member/wal", Some("/var/etcd")),
            ("/var/dkron/raft/raft.db.fastlog", None),
            ("/backups/raft.db", None),
        ] {
            assert_eq!(data_dir_of(Path::new(store)).as_deref(), root.map(Path::new), "{store}");
        }
    }

    #[test]
    fn dkrons_commands_are_told_from_other_bytes() {
        assert!(is_dkron_command(&[0, 0x0a, 3, b'a', b'b', b'c', 0x10, 0x96, 1]));
        assert!(is_dkron_command(&[4]));
        assert!(!is_dkron_command(&[]));
        assert!(!is_dkron_command(&[5, 0x0a, 1, b'a']));
        assert!(!is_dkron_command(&[0, 0x0a, 9, b'a']));
        assert!(!is_dkron_command(b"\x01hello"));
    }
}
