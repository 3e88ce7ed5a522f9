//! Proving the state of a snapshot by its CRC-64, in pieces.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bytes::Crc64;
use crate::model::{Code, Fault, FaultKind, Place};
use crate::store::snapshots::is_absent;
use crate::store::{Level, StoreError, io_error};
use crate::vfs::{Fs, OpenMode};

/// Bytes of a state that are in memory at once.
const PIECE_BYTES: usize = 1 << 20;

/// What `meta.json` says of a state.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    /// Name of the snapshot.
    pub(super) id: String,
    /// The state.
    pub(super) path: PathBuf,
    /// Its size, as described.
    pub(super) size_bytes: u64,
    /// Its checksum, unless it is missing.
    pub(super) crc: Option<u64>,
    /// Where the description lies.
    pub(super) meta: Place,
    /// What is wrong although the description could be read: the library looks elsewhere.
    pub(super) wrong_name: Option<Fault>,
}

/// What reading a state showed.
#[derive(Debug, Default)]
pub(super) struct Proven {
    /// Bytes that were read.
    pub(super) read_bytes: u64,
    /// What is wrong (R109).
    pub(super) fault: Option<Fault>,
    /// Whether the reader wanted to stop.
    pub(super) stopped: bool,
}

impl Proof {
    /// Compares the state with its description; `progress` gets the bytes of it read so far.
    ///
    /// # Errors
    /// When the state is there and cannot be read.
    pub(super) fn check(
        &self,
        fs: &dyn Fs,
        level: Level,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Proven, StoreError> {
        let fault = |kind| Proven { fault: Some(self.fault(kind)), ..Proven::default() };
        if let Some(wrong) = &self.wrong_name {
            return Ok(Proven { fault: Some(wrong.clone()), ..Proven::default() });
        }
        let path = &self.path;
        let file = match fs.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => {
                let name = path.display().to_string();
                return Ok(fault(FaultKind::Missing { what: "state of a snapshot", name }));
            }
            Err(error) => return Err(io_error("open", path)(error)),
        };
        let size_bytes = file.size().map_err(io_error("look at", path))?;
        let Some(expected) = self.crc else {
            let found = format!("snapshot {} has no checksum in its meta.json", self.id);
            return Ok(Proven {
                fault: Some(
                    Fault::new(Code::R109, FaultKind::Note { found }).at(self.meta.clone()),
                ),
                ..Proven::default()
            });
        };
        if size_bytes != self.size_bytes {
            return Ok(fault(FaultKind::Count {
                what: "bytes of a snapshot's state",
                expected: self.size_bytes,
                found: size_bytes,
            }));
        }
        if level == Level::Quick {
            return Ok(Proven::default());
        }
        let mut crc = Crc64::new();
        let mut piece = vec![0; PIECE_BYTES];
        let mut at = 0u64;
        loop {
            let read = file.read_at(at, &mut piece).map_err(io_error("read", path))?;
            let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            crc.update(bytes);
            at = at.saturating_add(read as u64);
            if progress(at).is_break() {
                return Ok(Proven { read_bytes: at, stopped: true, ..Proven::default() });
            }
        }
        let found = crc.value();
        let fault = (found != expected).then(|| {
            self.fault(FaultKind::Checksum {
                what: "the state of a snapshot",
                expected: format!("crc64 {expected:016x}"),
                found: format!("crc64 {found:016x}"),
            })
        });
        Ok(Proven { read_bytes: at, fault, stopped: false })
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        let file = Arc::from(self.path.as_path());
        Fault::new(Code::R109, kind).at(Place { file, offset_bytes: 0, len_bytes: self.size_bytes })
    }
}
