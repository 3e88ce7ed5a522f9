use std::io::Write;
use std::path::{Path, PathBuf};

use crate::archive::gzip::ParallelGzip;
use crate::archive::header::header_of;
use crate::archive::{Error, Member};
use crate::model::IoError;

const TAR_BLOCK_BYTES: u64 = 512;

/// Two blocks of zeros end a tar stream.
pub(super) const TAR_END: [u8; 1024] = [0; 1024];

/// The member that is being written.
struct Open {
    name: String,
    promised_bytes: u64,
    found_bytes: u64,
}

/// Writes an archive member by member: [`Packer::begin`], then [`Packer::content`] as often as it
/// takes, for each; at last [`Packer::finish`].
pub struct Packer<W: Write> {
    gzip: ParallelGzip<W>,
    path: PathBuf,
    open: Option<Open>,
}

impl<W: Write> Packer<W> {
    /// Packs into `sink`, compressing at `level` (0 to 9) on all cores. Errors name `path`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(sink: W, path: &Path, level: u8) -> Result<Packer<W>, Error> {
        let gzip = ParallelGzip::new(sink, level)
            .map_err(|source| IoError::new("start a thread for", path, source))?;
        Ok(Packer { gzip, path: path.to_owned(), open: None })
    }

    /// Ends the member before and begins the next; its size must be kept.
    ///
    /// # Errors
    /// [`Error::Name`] for a name that an archive must not hold, [`Error::Length`] when the member
    /// before got too little, [`Error::Io`].
    pub fn begin(&mut self, member: &Member) -> Result<(), Error> {
        self.end()?;
        let header = header_of(member)?;
        self.open = Some(Open {
            name: member.name.clone(),
            promised_bytes: member.size_bytes,
            found_bytes: 0,
        });
        self.write(header.as_bytes())
    }

    /// Adds content to the member begun last.
    ///
    /// # Errors
    /// [`Error::Length`] when that is more than was promised, [`Error::Io`].
    pub fn content(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(open) = &mut self.open {
            open.found_bytes += bytes.len() as u64;
            if open.found_bytes > open.promised_bytes {
                return Err(open.length());
            }
        }
        self.write(bytes)
    }

    /// Ends the archive and returns the sink.
    ///
    /// # Errors
    /// [`Error::Length`] when the last member got too little, [`Error::Io`].
    pub fn finish(mut self) -> Result<W, Error> {
        self.end()?;
        self.write(&TAR_END)?;
        let path = self.path;
        self.gzip.finish().map_err(|source| IoError::new("write", path, source).into())
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if open.found_bytes != open.promised_bytes {
            return Err(open.length());
        }
        let over = open.found_bytes % TAR_BLOCK_BYTES;
        let padding = if over == 0 { 0 } else { TAR_BLOCK_BYTES - over };
        let zeros = usize::try_from(padding).ok().and_then(|padding| TAR_END.get(..padding));
        self.write(zeros.unwrap_or_default())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.gzip
            .write_all(bytes)
            .map_err(|source| IoError::new("write", self.path.clone(), source).into())
    }
}

impl Open {
    fn length(&self) -> Error {
        Error::Length {
            name: self.name.clone(),
            promised_bytes: self.promised_bytes,
            found_bytes: self.found_bytes,
        }
    }
}
