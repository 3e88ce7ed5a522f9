use std::cell::Cell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::archive::header::{HeaderFault, member_of};
use crate::archive::inflate::{Inflated, Reached, cut_off, place};
use crate::archive::{Error, Member};
use crate::model::{Code, Fault, FaultKind, IoError, Place};

pub use crate::archive::inflate::End;

/// After the block of zeros at which the tar reader stops, one more must follow.
const SECOND_END_BLOCK: [u8; 512] = [0; 512];

const SMALL_BUFFER_BYTES: usize = 64 << 10;

/// Reads an archive member by member, in constant memory.
pub struct Unpacker {
    tar: tar::Archive<Inflated>,
    at: At,
}

/// Where reading stands: which archive, and how far.
struct At {
    path: PathBuf,
    reached: Rc<Cell<Reached>>,
}

/// The content of one member, as a stream that knows how long it must be.
pub struct Content<'c> {
    entry: &'c mut dyn Read,
    at: &'c At,
    member: &'c Member,
    read_bytes: u64,
}

impl Unpacker {
    /// Reads the archive in `source`; faults and errors name `path`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(source: Box<dyn Read + Send>, path: &Path) -> Result<Unpacker, Error> {
        let inflated = Inflated::new(source, path)
            .map_err(|source| IoError::new("start a thread for", path, source))?;
        let at = At { path: path.to_owned(), reached: inflated.reached() };
        Ok(Unpacker { tar: tar::Archive::new(inflated), at })
    }

    /// Hands every member to `visit`, in order, and returns the end after the last byte of the
    /// archive was looked at. Content that `visit` leaves is read and thrown away.
    ///
    /// # Errors
    /// What `visit` said; a fault for any member that is not as this room writes it, for an archive
    /// that ends too early (R114 as an error) or goes on behind its end; [`Error::Io`].
    pub fn read<E: From<Error>>(
        mut self,
        visit: &mut dyn FnMut(&Member, &mut Content<'_>) -> Result<(), E>,
    ) -> Result<End, E> {
        let at = self.at;
        let entries = self.tar.entries().map_err(|error| at.told(error))?;
        for entry in entries.raw(true) {
            let mut entry = entry.map_err(|error| at.tar_error(error))?;
            let member = member_of(entry.header()).map_err(|fault| at.header_fault(fault))?;
            let mut content =
                Content { entry: &mut entry, at: &at, member: &member, read_bytes: 0 };
            visit(&member, &mut content)?;
            content.skip_rest()?;
        }
        Ok(at.read_end(self.tar.into_inner())?)
    }
}

impl Content<'_> {
    /// Reads the next bytes; 0 at the end, which is never early.
    ///
    /// # Errors
    /// A fault where the archive is damaged or cut off, [`Error::Io`].
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let count = self.entry.read(buf).map_err(|error| self.at.told(error))?;
        self.read_bytes += count as u64;
        if count == 0 && !buf.is_empty() && self.read_bytes != self.member.size_bytes {
            return Err(self.at.ended_early(FaultKind::Short {
                what: "the last member's content",
                needed_bytes: self.member.size_bytes,
                found_bytes: self.read_bytes,
            }));
        }
        Ok(count)
    }

    /// Reads everything into memory; the caller has looked at the size before.
    ///
    /// # Errors
    /// As [`Content::read`].
    pub fn read_all(&mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        let mut buffer = vec![0; SMALL_BUFFER_BYTES];
        loop {
            match self.read(&mut buffer)? {
                0 => return Ok(all),
                count => all.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    fn skip_rest(&mut self) -> Result<(), Error> {
        if self.read_bytes == self.member.size_bytes {
            return Ok(());
        }
        let mut buffer = vec![0; SMALL_BUFFER_BYTES];
        while self.read(&mut buffer)? > 0 {}
        Ok(())
    }
}

/// The place of a whole member: the archive's path with the member's name behind it.
pub fn member_place(archive: &Path, name: &str, size_bytes: u64) -> Place {
    let mut file = archive.as_os_str().to_owned();
    file.push("/");
    file.push(name);
    Place { file: PathBuf::from(file).into(), offset_bytes: 0, len_bytes: size_bytes }
}

impl At {
    /// Looks at what stands behind the last member: one more block of zeros, and then nothing.
    fn read_end(&self, mut inflated: Inflated) -> Result<End, Error> {
        let mut rest = Vec::new();
        let limit = SECOND_END_BLOCK.len() as u64 + 1;
        (&mut inflated).take(limit).read_to_end(&mut rest).map_err(|error| self.told(error))?;
        let zeros = SECOND_END_BLOCK.get(..rest.len()).is_some_and(|zeros| zeros == rest);
        match self.reached.get().end {
            Some(end) if zeros && rest.len() == SECOND_END_BLOCK.len() => Ok(end),
            Some(_) if zeros => Err(self.ended_early(FaultKind::Missing {
                what: "the end mark",
                name: "of two blocks of zeros".to_owned(),
            })),
            _ => Err(self.fault(FaultKind::Field {
                what: "what follows the end of the archive",
                expected: "nothing".to_owned(),
                found: "more bytes".to_owned(),
            })),
        }
    }

    /// The archive ended where it must not. Its last gzip member tells which: one that holds a
    /// whole block is never the last that is written, so the file was cut off between two of them;
    /// any other ends an archive, so that what it holds is wrong.
    fn ended_early(&self, kind: FaultKind) -> Error {
        let reached = self.reached.get();
        if reached.last { self.fault(kind) } else { cut_off(&self.path, reached.span).into() }
    }

    /// Gives back what the inflating thread said through an error of the system's kind.
    fn told(&self, error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => IoError::new("read", &self.path, error).into(),
        }
    }

    /// An error of the tar reader: ours passed through, or its own about a header.
    fn tar_error(&self, error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => {
                let kind = header_kind(HeaderFault {
                    what: "member header",
                    expected: "a whole header whose checksum fits",
                    found: error.to_string(),
                });
                if self.reached.get().end.is_some() {
                    return self.ended_early(kind);
                }
                self.fault(kind)
            }
        }
    }

    fn header_fault(&self, fault: HeaderFault) -> Error {
        self.fault(header_kind(fault))
    }

    fn fault(&self, kind: FaultKind) -> Error {
        Fault::new(Code::R115, kind).at(place(&self.path, self.reached.get().span)).into()
    }
}

fn header_kind(fault: HeaderFault) -> FaultKind {
    let HeaderFault { what, expected, found } = fault;
    FaultKind::Field { what, expected: expected.to_owned(), found }
}
