use std::io::{self, Read, Write};

use sha2::Digest as _;

use crate::archive::Sha;
use crate::vfs::VfsFile;

/// A file of the VFS as a stream, from its first byte.
pub struct FileReader {
    file: Box<dyn VfsFile>,
    offset: u64,
}

impl FileReader {
    /// Reads `file` from its beginning.
    pub fn new(file: Box<dyn VfsFile>) -> FileReader {
        FileReader { file, offset: 0 }
    }
}

impl Read for FileReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.offset, buf)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// A stream of which length and SHA-256 are known at the end.
pub struct HashingWriter<W> {
    sink: W,
    bytes: u64,
    sha256: sha2::Sha256,
}

impl<W> HashingWriter<W> {
    /// Writes to `sink`.
    pub fn new(sink: W) -> HashingWriter<W> {
        HashingWriter { sink, bytes: 0, sha256: sha2::Sha256::new() }
    }

    /// The sink, how many bytes it took, and their SHA-256.
    pub fn finish(self) -> (W, u64, Sha) {
        (self.sink, self.bytes, Sha(self.sha256.finalize().into()))
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        if let Some(taken) = bytes.get(..written) {
            self.sha256.update(taken);
        }
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// A file of the VFS to which a stream is written, from its first byte.
pub struct FileSink<'f> {
    file: &'f dyn VfsFile,
    offset: u64,
}

impl<'f> FileSink<'f> {
    /// Writes `file` from its beginning.
    pub fn new(file: &'f dyn VfsFile) -> FileSink<'f> {
        FileSink { file, offset: 0 }
    }
}

impl Write for FileSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
