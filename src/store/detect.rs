//! Recognising a store by its content, never by a name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::Fault;
use crate::store::{Format, OpenOptions, StoreError, StoreFile, io_error, redb};
use crate::vfs::{Fs, OpenMode};

/// The program whose data directory a store lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Dkron.
    Dkron,
    /// A Nomad server.
    Nomad,
    /// A Consul server.
    Consul,
    /// Vault, or OpenBao where the two cannot be told apart.
    Vault,
    /// OpenBao.
    OpenBao,
    /// etcd.
    Etcd,
    /// Our own engine.
    Raftlog,
    /// Some program around hashicorp/raft.
    Hashicorp,
}

impl Product {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Product::Dkron => "dkron",
            Product::Nomad => "nomad",
            Product::Consul => "consul",
            Product::Vault => "vault",
            Product::OpenBao => "openbao",
            Product::Etcd => "etcd",
            Product::Raftlog => "raftlog",
            Product::Hashicorp => "hashicorp",
        }
    }
}

/// A recognised data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Whose.
    pub product: Product,
    /// Which node's, where the directory says so.
    pub node: Option<String>,
}

/// What stands at a path, and how it was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The path as the operator named it.
    pub path: PathBuf,
    /// The store itself: `path`, or what was found below it.
    pub store: PathBuf,
    /// Its format.
    pub format: Format,
    /// Why it is that format, one line each.
    pub evidence: Vec<String>,
    /// Whose data directory it lies in, where one is recognised.
    pub layout: Option<Layout>,
    /// The data directory, where `path` is one or lies in one.
    pub data_dir: Option<PathBuf>,
    /// The files that belong to the store, sorted by name.
    pub files: Vec<StoreFile>,
    /// What looking around showed: leftovers (R117). Empty with [`OpenOptions::alone`].
    pub faults: Vec<Fault>,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// A store, of a format that is read or only recognised.
    Store(Box<Description>),
    /// An archive that `backup` wrote; it is verified and restored, not opened.
    Archive {
        /// Why it is one, one line each.
        evidence: Vec<String>,
    },
}

/// Recognises what stands at `path`, a file or a directory, without reading all of it.
///
/// # Errors
/// `NotFound` when nothing known is there (with what is there instead), `Ambiguous` when more than
/// one store is, `Io` when the system refused.
pub fn detect(
    fs: &Arc<dyn Fs>,
    path: &Path,
    options: &OpenOptions,
) -> Result<Detected, StoreError> {
    let _ = options;
    let file = fs.open(path, OpenMode::Read).map_err(io_error("open", path))?;
    let mut head = [0; 512];
    let read = file.read_at(0, &mut head).map_err(io_error("read", path))?;
    let size_bytes = file.size().map_err(io_error("look at", path))?;
    match redb::recognise(head.get(..read).unwrap_or_default()) {
        Some(evidence) => Ok(Detected::Store(Box::new(Description {
            path: path.to_owned(),
            store: path.to_owned(),
            format: Format::Redb,
            evidence: vec![evidence],
            layout: None,
            data_dir: None,
            files: vec![StoreFile { path: path.to_owned(), size_bytes }],
            faults: Vec::new(),
        }))),
        None => Err(StoreError::NotFound {
            path: path.to_owned(),
            reason: if size_bytes == 0 { "an empty file" } else { "no known format" }.to_owned(),
            seen: Vec::new(),
        }),
    }
}
