//! Reading checked pages out of a file: bounds first, one read for neighbours, no more bytes than
//! are in use.

use std::path::Path;
use std::sync::Arc;

use crate::model::{Code, Fault, FaultKind, IoError, Place, SharedBytes};
use crate::store::StoreError;
use crate::store::bolt::format::{FIRST_PAGE, FREELIST, HEADER_BYTES, Meta, PageHeader, PageId};
use crate::store::bolt::page::{Extent, Leaf, Node, array_bytes, check_header, used_bytes};
use crate::vfs::VfsFile;

/// A file of pages.
pub struct Pages {
    file: Box<dyn VfsFile>,
    path: Arc<Path>,
    size_bytes: u64,
    page_bytes: u64,
    end: PageId,
}

/// Bytes read ahead, because the pages that are wanted next follow each other in the file.
#[derive(Default)]
pub struct Window {
    bytes: SharedBytes,
    offset_bytes: u64,
}

impl Window {
    /// The bytes from `offset_bytes` on, `len_bytes` of them.
    fn slice(&self, offset_bytes: u64, len_bytes: u64) -> Option<SharedBytes> {
        let start = usize::try_from(offset_bytes.checked_sub(self.offset_bytes)?).ok()?;
        self.bytes.slice(start..start.checked_add(usize::try_from(len_bytes).ok()?)?)
    }
}

impl Pages {
    /// The pages of `file`, which is `size_bytes` long, as `meta` divides it.
    pub fn new(file: Box<dyn VfsFile>, path: Arc<Path>, size_bytes: u64, meta: &Meta) -> Pages {
        Pages { file, path, size_bytes, page_bytes: meta.page_bytes, end: meta.end }
    }

    /// All pages of a file, whatever its metas say.
    pub fn whole(
        file: Box<dyn VfsFile>,
        path: Arc<Path>,
        size_bytes: u64,
        page_bytes: u64,
    ) -> Pages {
        let page_bytes = page_bytes.max(1);
        Pages { file, path, size_bytes, page_bytes, end: PageId(size_bytes / page_bytes) }
    }

    /// First page that can belong to a tree.
    pub fn first(&self) -> PageId {
        FIRST_PAGE
    }

    /// What a page is by itself, whoever leads to it, and how many pages it takes with its
    /// overflow.
    ///
    /// # Errors
    /// As [`Pages::node`]; also for a page that is nothing.
    pub fn alone(&self, page: PageId) -> Result<(Option<Leaf>, u64), StoreError> {
        let header = self.header(page)?;
        if header.flags == FREELIST && header.id == page {
            return Ok((None, u64::from(header.overflow) + 1));
        }
        let own_pages = |extent_bytes: u64| (extent_bytes / self.page_bytes).max(1);
        Ok(match self.node(page, &mut Window::default(), || self.page_bytes)? {
            Node::Branch(branch) => (None, own_pages(branch.extent_bytes)),
            Node::Leaf(leaf) => {
                let own_pages = own_pages(leaf.extent_bytes);
                (Some(leaf), own_pages)
            }
        })
    }

    /// The file.
    pub fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// Size of the file.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// First page that is not in use or does not lie in the file as a whole.
    pub fn end(&self) -> PageId {
        PageId(self.end.0.min(self.size_bytes / self.page_bytes))
    }

    /// Bytes of this file as a place.
    pub fn place(&self, offset_bytes: u64, len_bytes: u64) -> Place {
        Place { file: Arc::clone(&self.path), offset_bytes, len_bytes }
    }

    /// Where a page lies, or should lie.
    pub fn page_place(&self, page: PageId) -> Place {
        self.place(page.0.saturating_mul(self.page_bytes), self.page_bytes)
    }

    /// The finding (R119) that something is wrong with a page.
    pub fn page_fault(&self, page: PageId, kind: FaultKind) -> Fault {
        Fault::new(Code::R119, kind).at(self.page_place(page))
    }

    /// Where a page with so many further ones lies, all of it inside file and used range.
    ///
    /// # Errors
    /// Which limit it breaks.
    pub fn locate(&self, page: PageId, overflow: u32) -> Result<Extent, FaultKind> {
        let last = page.0.saturating_add(overflow.into());
        if page < FIRST_PAGE || last >= self.end.0 {
            return Err(FaultKind::Field {
                what: "page that another one names",
                expected: format!("{FIRST_PAGE} or more, below {}", self.end),
                found: format!("{page} with {overflow} more"),
            });
        }
        let end = last.saturating_add(1).saturating_mul(self.page_bytes);
        if end > self.size_bytes {
            return Err(FaultKind::Bounds {
                what: "end of a page in the file",
                value: end,
                limit: self.size_bytes,
            });
        }
        let len_bytes = u64::from(overflow).saturating_add(1).saturating_mul(self.page_bytes);
        Ok(Extent { offset_bytes: page.0.saturating_mul(self.page_bytes), len_bytes })
    }

    /// Reads bytes; fewer only where the file ends.
    ///
    /// # Errors
    /// When the system refused.
    pub fn read(&self, offset_bytes: u64, len_bytes: u64) -> Result<SharedBytes, StoreError> {
        // Never more than the file has, so no length from a page reaches the allocator.
        let len = len_bytes.min(self.size_bytes.saturating_sub(offset_bytes));
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = self.file.read_at(offset_bytes, &mut bytes).map_err(|source| {
            StoreError::Io(IoError::new("read", &*self.path, source).at(offset_bytes))
        })?;
        bytes.truncate(read);
        Ok(SharedBytes::from(bytes))
    }

    /// Reads and checks a page, out of `window` where it lies there. Otherwise the window is filled
    /// from this page on, with as many bytes as `ahead` says.
    ///
    /// # Errors
    /// `Fault` (R119, with the page's place) when it is not as it must be, `Io` when it cannot be
    /// read.
    pub fn node(
        &self,
        page: PageId,
        window: &mut Window,
        ahead: impl FnOnce() -> u64,
    ) -> Result<Node, StoreError> {
        let fault = |kind| StoreError::from(self.page_fault(page, kind));
        let first = self.locate(page, 0).map_err(fault)?;
        let offset = first.offset_bytes;
        let mut bytes = match window.slice(offset, first.len_bytes) {
            Some(bytes) => bytes,
            None => {
                let wanted = ahead().max(first.len_bytes);
                *window = Window { bytes: self.read(offset, wanted)?, offset_bytes: offset };
                window.slice(offset, first.len_bytes).ok_or_else(|| self.shrunk(page))?
            }
        };
        let header = PageHeader::read(&bytes).ok_or_else(|| self.shrunk(page))?;
        check_header(&header, page).map_err(fault)?;
        let extent = self.locate(page, header.overflow).map_err(fault)?;
        if header.overflow > 0 {
            bytes = match window.slice(offset, extent.len_bytes) {
                Some(bytes) => bytes,
                None => self.used(extent, &header)?,
            };
        }
        Node::check(bytes, &header, extent).map_err(fault)
    }

    /// Bytes of a page with overflow, as far as its elements reach.
    fn used(&self, extent: Extent, header: &PageHeader) -> Result<SharedBytes, StoreError> {
        let array = (array_bytes(header) as u64).min(extent.len_bytes);
        let head = self.read(extent.offset_bytes, array)?;
        let used = used_bytes(header, &head).min(extent.len_bytes);
        self.read(extent.offset_bytes, used)
    }

    /// Reads the header of a page, whatever it is.
    ///
    /// # Errors
    /// As [`Pages::node`].
    pub fn header(&self, page: PageId) -> Result<PageHeader, StoreError> {
        let fault = |kind| StoreError::from(self.page_fault(page, kind));
        let extent = self.locate(page, 0).map_err(fault)?;
        let bytes = self.read(extent.offset_bytes, HEADER_BYTES as u64)?;
        PageHeader::read(&bytes).ok_or_else(|| self.shrunk(page))
    }

    /// That the file became shorter while it was read.
    fn shrunk(&self, page: PageId) -> StoreError {
        let kind = FaultKind::Short {
            what: "page of the file",
            needed_bytes: self.page_bytes,
            found_bytes: 0,
        };
        self.page_fault(page, kind).into()
    }
}
