//! Whose data directory a store lies in, and which of several stores its server would open.

use std::path::{Path, PathBuf};

use crate::store::Format;
use crate::store::detect::content::{Content, content};
use crate::store::detect::{Layout, Product};
use crate::vfs::{Fs, OpenMode, read_exact_at};

/// Longest node id that is believed.
const NODE_ID_BYTES_MAX: usize = 128;
/// Whether a known server opens a store of this format by this name: hashicorp's `raft.db` and
/// `wal`, etcd's `wal`. No such server opens a redb, whatever its name.
pub(super) fn is_served(store: &Path, format: Format) -> bool {
    match format {
        Format::BoltDb | Format::RaftFastlog => store.ends_with("raft.db"),
        Format::RaftWal | Format::EtcdWal => store.ends_with("wal"),
        Format::Redb | Format::FastLog => false,
    }
}

/// When the server of `product` opens a store of `format` that lies where it keeps its log.
pub(super) fn opened(product: Product, format: Format) -> Option<&'static str> {
    match (product, format) {
        (_, Format::Redb | Format::FastLog) | (Product::Raftlog, _) => None,
        (Product::Etcd, _) => Some("by etcd"),
        (Product::Dkron, Format::RaftFastlog) => Some("by Dkron with its option for FastLog only"),
        (_, Format::RaftFastlog) => Some("by servers on raft-fastlog"),
        (Product::Dkron, _) => Some("by Dkron, unless its option for FastLog is given"),
        (Product::Nomad, Format::BoltDb) => {
            Some("by Nomad; with raft_logstore wal it refuses to start beside this file")
        }
        (Product::Nomad, _) => Some("by Nomad with raft_logstore wal, as there is no raft.db"),
        (Product::Consul, Format::BoltDb) => Some("by Consul, whatever raft_logstore says"),
        (Product::Consul, _) => Some("by Consul with raft_logstore wal, as there is no raft.db"),
        (Product::Vault, Format::BoltDb) => Some("by Vault, whatever raft_wal says"),
        (Product::Vault, _) => Some("by Vault with raft_wal, as there is no raft.db"),
        (Product::OpenBao, _) => Some("by OpenBao"),
        (Product::Hashicorp, Format::BoltDb) => Some("by servers on raft-boltdb"),
        (Product::Hashicorp, _) => Some("by servers on raft-wal, as there is no raft.db"),
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
    let raft = store.parent()?;
    if data_dir_of(store).as_deref() != Some(root) {
        let product = match format {
            Format::FastLog => Product::Raftlog,
            // Just the Raft part of some program's directory.
            _ if is_served(store, format) && there(raft.join("snapshots")) => Product::Hashicorp,
            _ => return None,
        };
        return Some(Layout { product, node: None });
    }
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
}
