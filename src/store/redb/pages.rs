//! Reading verified pages out of a file: where a page lies, one read for several neighbours, the
//! check against its parent's checksum.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, IoError, Place, SharedBytes};
use crate::store::StoreError;
use crate::store::redb::format::{Child, Geometry, ORDER_MAX, PageNumber};
use crate::store::redb::page::{Node, Shape, covered_bytes};
use crate::vfs::VfsFile;

/// First read of a page; a larger one is read on only as far as it is in use.
const FIRST_READ_BYTES: u64 = 64 * 1024;

/// A file of pages.
pub struct Pages {
    file: Box<dyn VfsFile>,
    path: Arc<Path>,
    size_bytes: u64,
    geometry: Geometry,
}

/// Bytes read ahead, because the pages that are wanted next follow each other in the file.
#[derive(Default)]
pub struct Window {
    bytes: Arc<Vec<u8>>,
    offset_bytes: u64,
}

impl Window {
    fn slice(&self, offset_bytes: u64, len_bytes: u64) -> Option<SharedBytes> {
        let start = usize::try_from(offset_bytes.checked_sub(self.offset_bytes)?).ok()?;
        let end = start.checked_add(usize::try_from(len_bytes).ok()?)?;
        if end > self.bytes.len() {
            return None;
        }
        SharedBytes::from(Arc::clone(&self.bytes)).slice(start..end)
    }
}

impl Pages {
    /// The pages of `file`, which is `size_bytes` long and divided as `geometry` says.
    pub fn new(
        file: Box<dyn VfsFile>,
        path: Arc<Path>,
        size_bytes: u64,
        geometry: Geometry,
    ) -> Pages {
        Pages { file, path, size_bytes, geometry }
    }

    /// The file.
    pub fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// Size of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes of this file as a place.
    pub fn place(&self, offset_bytes: u64, len_bytes: u64) -> Place {
        Place { file: Arc::clone(&self.path), offset_bytes, len_bytes }
    }

    /// Where a page lies, or should lie.
    pub fn page_place(&self, page: PageNumber) -> Place {
        self.place(self.geometry.offset_bytes(page), page.size_bytes())
    }

    /// Offset of a page that lies inside the file and its region.
    ///
    /// # Errors
    /// Which limit the page number breaks.
    pub fn locate(&self, page: PageNumber) -> Result<u64, FaultKind> {
        if page.order() > ORDER_MAX {
            return Err(FaultKind::Bounds {
                what: "order of a page",
                value: page.order().into(),
                limit: ORDER_MAX.into(),
            });
        }
        let offset = self.geometry.offset_bytes(page);
        let end = offset.saturating_add(page.size_bytes());
        if end > self.size_bytes {
            return Err(FaultKind::Bounds {
                what: "end of a page in the file",
                value: end,
                limit: self.size_bytes,
            });
        }
        if !self.geometry.holds(page) {
            return Err(FaultKind::Bounds {
                what: "index of a page in its region",
                value: page.index(),
                limit: u64::from(self.geometry.region_max_pages),
            });
        }
        Ok(offset)
    }

    /// Reads and verifies a page.
    ///
    /// # Errors
    /// `Fault` (R119, with the page's place) when it does not verify, `Io` when it cannot be read.
    pub fn node(&self, child: Child, shape: &Shape) -> Result<Node, StoreError> {
        let fault = |kind| self.damaged(child.page, kind);
        let offset = self.locate(child.page).map_err(fault)?;
        let bytes = self.read_used(offset, child.page.size_bytes(), shape)?;
        Node::check(bytes, offset, child, shape).map_err(fault)
    }

    /// As [`Pages::node`], out of `window`, which is filled with as many bytes as `ahead` says from
    /// the page on when it does not hold the page yet.
    ///
    /// # Errors
    /// As [`Pages::node`].
    pub fn node_ahead(
        &self,
        child: Child,
        shape: &Shape,
        window: &mut Window,
        ahead: impl FnOnce() -> u64,
    ) -> Result<Node, StoreError> {
        let fault = |kind| self.damaged(child.page, kind);
        let size = child.page.size_bytes();
        let offset = self.locate(child.page).map_err(fault)?;
        let bytes = match window.slice(offset, size) {
            Some(bytes) => bytes,
            None => {
                let ahead = ahead().min(self.size_bytes - offset);
                if ahead <= size {
                    self.read_used(offset, size, shape)?
                } else {
                    self.read_into(window, offset, ahead)?;
                    window.slice(offset, size).unwrap_or_default()
                }
            }
        };
        Node::check(bytes, offset, child, shape).map_err(fault)
    }

    /// The finding that a page is damaged.
    pub fn page_fault(&self, page: PageNumber, kind: FaultKind) -> Fault {
        Fault::new(Code::R119, kind).at(self.page_place(page))
    }

    /// The same as what stops reading the page.
    pub fn damaged(&self, page: PageNumber, kind: FaultKind) -> StoreError {
        self.page_fault(page, kind).into()
    }

    /// Reads as much of a page as is in use by its own account, or all of it.
    fn read_used(&self, offset: u64, size: u64, shape: &Shape) -> Result<SharedBytes, StoreError> {
        let mut bytes = self.read(offset, size.min(FIRST_READ_BYTES))?;
        while (bytes.len() as u64) < size {
            let have = bytes.len() as u64;
            let wanted = match covered_bytes(&bytes, shape) {
                Some(end) if end as u64 <= have => break,
                Some(end) => (end as u64).min(size),
                None => have.saturating_mul(2).min(size),
            };
            bytes.extend_from_slice(&self.read(offset + have, wanted - have)?);
        }
        Ok(SharedBytes::from(bytes))
    }

    /// Fills a window with bytes that are known to lie inside the file; its memory is used again
    /// unless a page of it is still kept.
    fn read_into(&self, window: &mut Window, offset: u64, len: u64) -> Result<(), StoreError> {
        let mut bytes = Arc::try_unwrap(std::mem::take(&mut window.bytes)).unwrap_or_default();
        self.fill(&mut bytes, offset, len)?;
        (window.bytes, window.offset_bytes) = (Arc::new(bytes), offset);
        Ok(())
    }

    /// Reads bytes that are known to lie inside the file.
    ///
    /// # Errors
    /// `Io` when they cannot be read.
    pub fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.fill(&mut bytes, offset, len)?;
        Ok(bytes)
    }

    fn fill(&self, bytes: &mut Vec<u8>, offset: u64, len: u64) -> Result<(), StoreError> {
        let failed = |source| StoreError::Io(IoError::new("read", &*self.path, source).at(offset));
        let len =
            usize::try_from(len).map_err(|_| failed(std::io::ErrorKind::OutOfMemory.into()))?;
        bytes.resize(len, 0);
        crate::vfs::read_exact_at(self.file.as_ref(), offset, bytes).map_err(failed)
    }
}
