//! Whose log it is, by the commands in it, where the directory alone does not tell.

use std::path::Path;

use crate::bytes::{Field, fields};
use crate::model::{EntryKind, GroupId, IndexRange};
use crate::store::LogSource;
use crate::store::detect::Product;
use crate::vfs::Fs;

/// Commands that are looked at.
const COMMANDS_MAX: usize = 64;
/// Entries among which they are looked for.
const ENTRIES_MAX: usize = 1024;
/// Dkron's types of commands are 0 to this.
const DKRON_COMMAND_MAX: u8 = 4;
/// Operations of OpenBao's that Vault does not have: verified list, begin and commit of a
/// transaction.
const OPENBAO_OPERATIONS: [u64; 3] = [32, 64, 128];

/// The product of an opened store that lies where `by_name` keeps its log: Dkron where an unnamed
/// layout holds its commands, OpenBao where Vault's holds such as only OpenBao writes.
pub(crate) fn product_by_content(
    fs: &dyn Fs,
    store: &Path,
    source: &dyn LogSource,
    by_name: Product,
) -> Product {
    match by_name {
        Product::Hashicorp if has_shape_of_dkron(fs, store) => {
            let mut commands = 0;
            let all = every_command(source, |payload| {
                commands += 1;
                is_dkron_command(payload)
            });
            if all && commands > 0 { Product::Dkron } else { by_name }
        }
        Product::Vault if !every_command(source, |payload| !is_openbao_command(payload)) => {
            Product::OpenBao
        }
        other => other,
    }
}

/// Whether the directory looks like Dkron's: `raft.db` beside `snapshots`, without `peers.info`.
fn has_shape_of_dkron(fs: &dyn Fs, store: &Path) -> bool {
    let Some(raft) = store.parent() else { return false };
    let there = |name: &str| fs.symlink_metadata(&raft.join(name)).is_ok();
    store.ends_with("raft.db") && there("snapshots") && !there("peers.info")
}

/// Whether each of the first commands in the log is as `is` says.
fn every_command(source: &dyn LogSource, mut is: impl FnMut(&[u8]) -> bool) -> bool {
    let Ok(entries) = source.entries(&GroupId::Unnamed, IndexRange::ALL) else { return true };
    let readable = entries.take(ENTRIES_MAX).filter_map(Result::ok);
    let commands = readable.filter(|located| located.entry.kind == EntryKind::Command);
    commands.take(COMMANDS_MAX).all(|located| is(located.entry.payload_bytes()))
}

fn is_dkron_command(payload: &[u8]) -> bool {
    match payload.split_first() {
        Some((0..=DKRON_COMMAND_MAX, message)) => fields(message).all(|field| field.is_ok()),
        _ => false,
    }
}

/// Whether a command of Vault's layout can only be OpenBao's: it has a field that Vault's message
/// has not, or an operation.
fn is_openbao_command(payload: &[u8]) -> bool {
    if !fields(payload).all(|field| field.is_ok()) {
        return false;
    }
    fields(payload).flatten().any(|field| match field {
        (1, Field::Bytes(operation)) => fields(operation).flatten().any(
            |field| matches!(field, (1, Field::Number(kind)) if OPENBAO_OPERATIONS.contains(&kind)),
        ),
        (2, Field::Number(_)) => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dkrons_commands_are_told_from_other_bytes() {
        assert!(is_dkron_command(&[0, 0x0a, 3, b'a', b'b', b'c', 0x10, 0x96, 1]));
        assert!(is_dkron_command(&[4]));
        assert!(!is_dkron_command(&[]));
        assert!(!is_dkron_command(&[5, 0x0a, 1, b'a']));
        assert!(!is_dkron_command(&[0, 0x0a, 9, b'a']));
        assert!(!is_dkron_command(b"\x01hello"));
    }

    #[test]
    fn openbaos_commands_are_told_from_vaults() {
        let put = [0x0a, 5, 0x08, 2, 0x1a, 1, b'k'];
        let begin = [0x0a, 2, 0x08, 64];
        let lowest_active = [0x10, 9];
        assert!(!is_openbao_command(&put));
        assert!(is_openbao_command(&[&put[..], &begin].concat()));
        assert!(is_openbao_command(&[&put[..], &lowest_active].concat()));
        assert!(!is_openbao_command(&[&begin[..], &[0x0a, 9]].concat()), "no message");
        assert!(!is_openbao_command(&[0x10]), "the checkpoint of Vault's verifier");
    }
}
