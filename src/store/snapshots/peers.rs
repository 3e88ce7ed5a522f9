//! `peers.json`: the membership that an operator wants a server to take at its next start.
//!
//! An array of addresses (`["10.0.0.1:8300"]`, Raft protocol below 3) or of servers
//! (`[{"id", "address", "non_voter"}]`). Dkron, Vault and OpenBao act on it at every start; Consul
//! and Nomad only when `peers.info` is there already, else they delete it unused.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::model::{Code, Fault, FaultKind, Place, Server, Severity, Suffrage};
use crate::store::snapshots::meta::Members;
use crate::store::snapshots::{is_absent, small_file};
use crate::store::{Product, StoreError, io_error};
use crate::vfs::Fs;

/// The file with the membership.
const PEERS: &str = "peers.json";
/// The file without which some servers do not look at it.
const INFO: &str = "peers.info";

/// What the next start will do about a `peers.json` in `raft`, if there is one.
///
/// # Errors
/// When the system refuses to read it.
pub(super) fn beside(
    fs: &dyn Fs,
    raft: &Path,
    product: Option<Product>,
) -> Result<Option<Fault>, StoreError> {
    let path = raft.join(PEERS);
    let Some(bytes) = small_file(fs, &path)? else { return Ok(None) };
    let place = Place { file: Arc::from(path), offset_bytes: 0, len_bytes: bytes.len() as u64 };
    let info = raft.join(INFO);
    let informed = match fs.symlink_metadata(&info) {
        Ok(_) => true,
        Err(error) if is_absent(&error) => false,
        Err(error) => return Err(io_error("look at", &info)(error)),
    };
    let asks_for_info = matches!(product, Some(Product::Consul | Product::Nomad));
    let (found, severity) = match read(&bytes) {
        Err(why) => (format!("peers.json holds no membership that a server takes: {why}"), None),
        Ok(_) if asks_for_info && !informed => (
            "the next start deletes peers.json unused, because peers.info is not there".to_owned(),
            Some(Severity::Info),
        ),
        Ok(servers) => {
            let voters = servers.iter().filter(|one| one.suffrage == Suffrage::Voter).count();
            let count = servers.len();
            (
                format!(
                    "the next start takes its membership from peers.json ({count} servers, \
                     {voters} of them voters), applies the whole log and replaces it by a snapshot"
                ),
                Some(Severity::Info),
            )
        }
    };
    let fault = Fault::new(Code::R110, FaultKind::Note { found }).at(place);
    Ok(Some(match severity {
        Some(severity) => fault.as_severity(severity),
        None => fault,
    }))
}

/// The servers of a `peers.json`, which must be such that a server takes them.
fn read(bytes: &[u8]) -> Result<Vec<Server>, String> {
    let list: Vec<Value> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let servers = list.into_iter().map(server).collect::<Result<Vec<_>, _>>()?;
    let (mut ids, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for server in &servers {
        if server.id.is_empty() || server.address.is_empty() {
            return Err("a server without id or address".to_owned());
        }
        if !ids.insert(&server.id) || !addresses.insert(&server.address) {
            return Err(format!("{} or {} is there twice", server.id, server.address));
        }
    }
    if !servers.iter().any(|server| server.suffrage == Suffrage::Voter) {
        return Err("no voter".to_owned());
    }
    Ok(servers)
}

fn server(value: Value) -> Result<Server, String> {
    match value {
        Value::String(address) => {
            Ok(Server { id: address.clone(), address, suffrage: Suffrage::Voter })
        }
        Value::Object(object) => {
            let members = Members::of(object);
            let suffrage =
                if members.flag("non_voter")? { Suffrage::Nonvoter } else { Suffrage::Voter };
            let (id, address) = (members.text("id")?.into(), members.text("address")?.into());
            Ok(Server { id, address, suffrage })
        }
        _ => Err("a server is neither a text nor an object".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nonsense_is_refused() {
        let old = read(br#"["10.0.0.1:8300", "10.0.0.2:8300"]"#).expect("old form");
        assert_eq!(old.len(), 2);
        assert_eq!(old[0].id, old[0].address);
        let new = br#"[{"id":"a","address":"x:1"},{"id":"b","address":"x:2","non_voter":true}]"#;
        let new = read(new).expect("new form");
        assert_eq!(new[1].suffrage, Suffrage::Nonvoter);
        for (text, words) in [
            ("{}", "expected a sequence"),
            ("[]", "no voter"),
            (r#"[{"id":"a","address":""}]"#, "without id"),
            (r#"["x:1", "x:1"]"#, "twice"),
            (r#"[{"id":"a","address":"x:1","non_voter":true}]"#, "no voter"),
            ("[1]", "neither"),
        ] {
            let why = read(text.as_bytes()).expect_err(text);
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
