//! What Vault and OpenBao have applied: bucket `config` of `vault.db`, key `latest_indexes`
//! (protobuf: 1 term, 2 index) and `latest_config` (protobuf: 1 index, 2 servers of 1 suffrage,
//! 2 id, 3 address). Their snapshots for other servers are made from it, so for the log it is the
//! newest snapshot.

use std::path::Path;
use std::sync::Arc;

use crate::bytes::{Field, fields};
use crate::model::{Code, Fault, FaultKind, LogIndex, Place, Server, Suffrage, Term};
use crate::store::bolt::{Pages, Root, Visit, Walk, buckets, read_metas};
use crate::store::snapshots::{Snapshot, is_absent};
use crate::store::{StoreError, io_error};
use crate::vfs::{Fs, OpenMode};

/// The state of Vault and OpenBao, in the data directory.
const STATE: &str = "vault.db";
/// Its bucket with what Raft needs to know.
const CONFIG: &[u8] = b"config";
/// Index and term applied last.
const INDEXES: &[u8] = b"latest_indexes";
/// The membership applied last.
const MEMBERSHIP: &[u8] = b"latest_config";
/// Largest value that is read as one of these.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// The snapshot that the state in `data_dir` stands for; `None` where there is no state, or nothing
/// applied to it. The inner error says what is wrong with it.
///
/// # Errors
/// When the system refuses to read it.
pub(super) fn snapshot(
    fs: &dyn Fs,
    data_dir: &Path,
) -> Result<Option<Result<Snapshot, Box<Fault>>>, StoreError> {
    let path = data_dir.join(STATE);
    let file = match fs.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(io_error("open", &path)(error)),
    };
    let size_bytes = file.size().map_err(io_error("look at", &path))?;
    let name: Arc<Path> = Arc::from(path.as_path());
    let place = Place { file: Arc::clone(&name), offset_bytes: 0, len_bytes: size_bytes };
    let read = read_metas(file.as_ref(), &name, size_bytes).and_then(|metas| {
        let pages = Pages::new(file, name, size_bytes, &metas.used);
        applied(&pages, Root::Page(metas.used.root))
    });
    match read {
        Ok(None) => Ok(None),
        Ok(Some(mut snapshot)) => {
            snapshot.size_bytes = size_bytes;
            Ok(Some(Ok(snapshot)))
        }
        Err(StoreError::Fault(fault)) => {
            let found = format!("what the server applied cannot be read: {fault}");
            let fault = Fault::new(Code::R109, FaultKind::Note { found }).at(place);
            Ok(Some(Err(Box::new(fault))))
        }
        Err(error) => Err(error),
    }
}

fn applied(pages: &Pages, root: Root) -> Result<Option<Snapshot>, StoreError> {
    let (list, faults) = buckets(pages, root)?;
    let Some(config) = list.into_iter().find(|bucket| bucket.name == CONFIG) else {
        return faults.into_iter().next().map_or(Ok(None), |fault| Err(fault.into()));
    };
    let Some(indexes) = value(pages, &config.root, INDEXES)? else { return Ok(None) };
    let odd = |what: &'static str| {
        let kind = FaultKind::Field {
            what,
            expected: "a protobuf message".to_owned(),
            found: "other bytes".to_owned(),
        };
        StoreError::from(Fault::new(Code::R109, kind).at(pages.place(0, pages.size_bytes())))
    };
    let (index, term) = index_and_term(&indexes).ok_or_else(|| odd("latest_indexes"))?;
    let membership = value(pages, &config.root, MEMBERSHIP)?.unwrap_or_default();
    let (membership_index, servers) = servers(&membership).ok_or_else(|| odd("latest_config"))?;
    Ok((index > LogIndex(0)).then(|| Snapshot {
        id: STATE.to_owned(),
        index,
        term,
        servers,
        membership_index,
        size_bytes: 0,
        proof: None,
    }))
}

/// The value of `key` in the bucket at `root`.
fn value(pages: &Pages, root: &Root, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut walk = Walk::new(pages, root.clone()).starting_at(key);
    while let Some(visit) = walk.step() {
        let leaf = match visit? {
            Visit::Branch(_) => continue,
            Visit::Leaf(leaf) => leaf,
            Visit::Damaged(damaged) => return Err(StoreError::Fault(damaged.fault)),
        };
        for element in (0..leaf.elements()).filter_map(|n| leaf.element(n)) {
            let found = leaf.slice(&element.key);
            if found == key && !element.is_bucket && element.value.len() <= VALUE_BYTES_MAX {
                return Ok(Some(leaf.slice(&element.value).to_vec()));
            }
            if found > key {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

fn index_and_term(message: &[u8]) -> Option<(LogIndex, Term)> {
    let (mut index, mut term) = (0, 0);
    for field in fields(message) {
        match field.ok()? {
            (1, Field::Number(value)) => term = value,
            (2, Field::Number(value)) => index = value,
            _ => {}
        }
    }
    Some((LogIndex(index), Term(term)))
}

fn servers(message: &[u8]) -> Option<(LogIndex, Vec<Server>)> {
    let (mut index, mut servers) = (0, Vec::new());
    for field in fields(message) {
        match field.ok()? {
            (1, Field::Number(value)) => index = value,
            (2, Field::Bytes(bytes)) => servers.push(server(bytes)?),
            _ => {}
        }
    }
    Some((LogIndex(index), servers))
}

fn server(message: &[u8]) -> Option<Server> {
    let mut server =
        Server { id: String::new(), address: String::new(), suffrage: Suffrage::Voter };
    for field in fields(message) {
        match field.ok()? {
            (1, Field::Number(code)) => server.suffrage = Suffrage::of_code(code)?,
            (2, Field::Bytes(text)) => server.id = String::from_utf8(text.to_vec()).ok()?,
            (3, Field::Bytes(text)) => server.address = String::from_utf8(text.to_vec()).ok()?,
            _ => {}
        }
    }
    Some(server)
}
