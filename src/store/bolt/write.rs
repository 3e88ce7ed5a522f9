//! Writing a compact file from sorted pairs: leaves full, branches built while leaves stream by,
//! an empty freelist, both metas with a checksum, so that every version of both libraries opens it.
//!
//! Memory is the pages that are not complete yet, one a level, and what waits to be written.

use std::io;

use crate::store::bolt::format::{
    BRANCH, BUCKET_FLAG, COUNT_FOLLOWS, ELEMENT_BYTES, FREELIST, HEADER_BYTES, KEY_BYTES_MAX, LEAF,
    META, Meta, PageHeader, PageId,
};
use crate::vfs::VfsFile;

/// Page size of a target whose source suggests none.
pub const PAGE_BYTES_USUAL: u64 = 4096;
/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 1 << 20;
/// Elements of a page are fewer than the count that means something else.
const ELEMENTS_MAX: usize = COUNT_FOLLOWS as usize - 1;
/// Libraries read so many bytes before they know the page size.
const FILE_BYTES_MIN: u64 = 4096;

/// Why no bucket holds a row under `key`, where none does.
pub fn unfit_key(key: &[u8]) -> Option<String> {
    let bytes = key.len() as u64;
    let fits = (1..=KEY_BYTES_MAX).contains(&bytes);
    (!fits).then(|| format!("a stable key of {bytes} bytes; BoltDB takes 1 to {KEY_BYTES_MAX}"))
}

/// Pages on their way into a file, one behind the other.
struct Out {
    file: Box<dyn VfsFile>,
    page_bytes: u64,
    /// The next page.
    next: PageId,
    bytes: Vec<u8>,
    /// Where in the file `bytes` belong.
    at: u64,
}

impl Out {
    /// Pages that so many bytes take.
    fn pages(&self, bytes: usize) -> u64 {
        (bytes as u64).div_ceil(self.page_bytes).max(1)
    }

    /// Appends a page, which `write` fills with so many bytes.
    fn page(
        &mut self,
        (flags, count): (u16, usize),
        bytes: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<PageId> {
        let id = self.next;
        let pages = self.pages(bytes);
        let odd = |_| io::Error::other("a page with more elements or bytes than a page can have");
        let count = u16::try_from(count).map_err(odd)?;
        let overflow = u32::try_from(pages - 1).map_err(odd)?;
        let start = self.bytes.len();
        PageHeader { id, flags, count, overflow }.write(&mut self.bytes);
        write(&mut self.bytes);
        debug_assert_eq!(self.bytes.len() - start, bytes, "a page is as long as it was announced");
        let len = usize::try_from(pages.saturating_mul(self.page_bytes)).map_err(odd)?;
        self.bytes.resize(start + len, 0);
        self.next = PageId(id.0 + pages);
        if self.bytes.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(id)
    }

    fn flush(&mut self) -> io::Result<()> {
        let len = self.bytes.len() as u64;
        self.file.write_at(self.at, &self.bytes)?;
        self.file.write_out(self.at, len);
        self.at += len;
        self.bytes.clear();
        Ok(())
    }
}

/// The leaf of a bucket that still grows.
#[derive(Default)]
struct GrowingLeaf {
    /// Sizes of key and value of each element.
    sizes: Vec<(u32, u32)>,
    /// Keys and values, one behind the other.
    data: Vec<u8>,
}

impl GrowingLeaf {
    fn bytes_of(elements: usize, data: usize) -> usize {
        HEADER_BYTES + ELEMENT_BYTES * elements + data
    }

    fn bytes(&self) -> usize {
        GrowingLeaf::bytes_of(self.sizes.len(), self.data.len())
    }

    fn first_key(&self) -> Vec<u8> {
        let len = self.sizes.first().map_or(0, |(key, _)| *key);
        let len = usize::try_from(len).unwrap_or_default();
        self.data.get(..len).unwrap_or_default().to_vec()
    }

    /// Appends elements and contents, as they follow a page's header.
    fn write(sizes: &[(u32, u32)], data: &[u8], flags: u32, out: &mut Vec<u8>) {
        let mut before = 0u32;
        let mut left = ELEMENT_BYTES * sizes.len();
        for (key, value) in sizes {
            let distance = u32::try_from(left).unwrap_or(u32::MAX).saturating_add(before);
            for number in [flags, distance, *key, *value] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            before = before.saturating_add(*key).saturating_add(*value);
            left -= ELEMENT_BYTES;
        }
        out.extend_from_slice(data);
    }
}

/// The branch of one level that still grows.
#[derive(Default)]
struct GrowingBranch {
    children: Vec<(Vec<u8>, PageId)>,
    bytes: usize,
    /// Whether this level has a complete branch already.
    began: bool,
}

impl GrowingBranch {
    fn push(&mut self, key: Vec<u8>, child: PageId) {
        self.bytes += ELEMENT_BYTES + key.len();
        self.children.push((key, child));
    }
}

/// A bucket that still grows.
#[derive(Default)]
struct GrowingBucket {
    leaf: GrowingLeaf,
    /// Flags of its elements.
    flags: u32,
    /// Branches over the leaves, lowest first.
    levels: Vec<GrowingBranch>,
}

/// A bucket's value, to be put into its parent.
pub struct BucketValue(Vec<u8>);

/// A file that is being written.
pub struct Writer {
    out: Out,
    bucket: GrowingBucket,
}

impl Writer {
    /// Begins to write an empty file with pages of so many bytes.
    pub fn new(file: Box<dyn VfsFile>, page_bytes: u64) -> Writer {
        let at = page_bytes.saturating_mul(2);
        let out = Out { file, page_bytes, next: PageId(2), bytes: Vec::new(), at };
        Writer { out, bucket: GrowingBucket::default() }
    }

    /// Appends a pair to the bucket that grows; keys ascend. `encode` appends the value.
    ///
    /// # Errors
    /// What `encode` said, or the file.
    pub fn put<E: From<io::Error>>(
        &mut self,
        key: &[u8],
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let leaf = &mut self.bucket.leaf;
        let start = leaf.data.len();
        leaf.data.extend_from_slice(key);
        if let Err(error) = encode(&mut leaf.data) {
            leaf.data.truncate(start);
            return Err(error);
        }
        let value = leaf.data.len() - start - key.len();
        let odd = |_| io::Error::other("a key or value that is too long for this format");
        let size = |len| u32::try_from(len).map_err(odd);
        let sizes = (size(key.len())?, size(value)?);
        let elements = leaf.sizes.len();
        let bytes = GrowingLeaf::bytes_of(elements + 1, leaf.data.len());
        if elements > 0 && (bytes as u64 > self.out.page_bytes || elements >= ELEMENTS_MAX) {
            let rest = leaf.data.split_off(start);
            self.leaf_done()?;
            self.bucket.leaf.data = rest;
        }
        self.bucket.leaf.sizes.push(sizes);
        Ok(())
    }

    /// Ends the bucket that grows. A small one lies inline in its value.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end_bucket(&mut self) -> io::Result<BucketValue> {
        let leaf = &self.bucket.leaf;
        let mut value = Vec::new();
        if self.bucket.levels.is_empty() && leaf.bytes() as u64 <= self.out.page_bytes / 4 {
            value.extend_from_slice(&[0; 16]);
            let count = u16::try_from(leaf.sizes.len()).unwrap_or(u16::MAX);
            PageHeader { id: PageId(0), flags: LEAF, count, overflow: 0 }.write(&mut value);
            GrowingLeaf::write(&leaf.sizes, &leaf.data, 0, &mut value);
            self.bucket = GrowingBucket::default();
        } else {
            let root = self.end_tree()?;
            value.extend_from_slice(&root.0.to_le_bytes());
            value.extend_from_slice(&[0; 8]);
        }
        Ok(BucketValue(value))
    }

    /// Writes the root bucket, the freelist and both metas, each behind what it names, and syncs.
    /// `buckets` ascend by name. Returns the size of the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(&mut self, buckets: Vec<(&[u8], BucketValue)>) -> io::Result<u64> {
        self.bucket.flags = BUCKET_FLAG;
        for (name, BucketValue(value)) in buckets {
            self.put(name, |out| {
                out.extend_from_slice(&value);
                Ok::<(), io::Error>(())
            })?;
        }
        let root = self.end_tree()?;
        let freelist = self.out.page((FREELIST, 0), HEADER_BYTES, |_| ())?;
        self.out.flush()?;
        let page_bytes = self.out.page_bytes;
        let size = self.out.next.0.saturating_mul(page_bytes).max(FILE_BYTES_MIN);
        self.out.file.set_size(size)?;
        let end = self.out.next;
        // Transaction T lies in page T mod 2.
        for (page, transaction) in [(0, 2), (1, 1)] {
            let mut bytes = Vec::new();
            let id = PageId(page);
            PageHeader { id, flags: META, count: 0, overflow: 0 }.write(&mut bytes);
            let freelist = Some(freelist);
            let has_checksum = true;
            Meta { page_bytes, root, freelist, end, transaction, has_checksum }.write(&mut bytes);
            self.out.file.write_at(page * page_bytes, &bytes)?;
        }
        self.out.file.sync()?;
        Ok(size)
    }

    /// Writes the leaf that grows, and names it to the branches above.
    fn leaf_done(&mut self) -> io::Result<()> {
        let leaf = std::mem::take(&mut self.bucket.leaf);
        let flags = self.bucket.flags;
        let write = |out: &mut Vec<u8>| GrowingLeaf::write(&leaf.sizes, &leaf.data, flags, out);
        let id = self.out.page((LEAF, leaf.sizes.len()), leaf.bytes(), write)?;
        self.child(0, leaf.first_key(), id)?;
        // The buffers serve the next leaf.
        let GrowingLeaf { mut sizes, mut data } = leaf;
        sizes.clear();
        data.clear();
        self.bucket.leaf = GrowingLeaf { sizes, data };
        Ok(())
    }

    /// Names a complete page to the branch of a level, and complete branches to those above.
    fn child(&mut self, level: usize, key: Vec<u8>, page: PageId) -> io::Result<()> {
        let mut next = Some((key, page));
        for level in level.. {
            let Some((key, page)) = next.take() else { return Ok(()) };
            if self.bucket.levels.len() <= level {
                self.bucket.levels.push(GrowingBranch::default());
            }
            let Some(branch) = self.bucket.levels.get_mut(level) else { return Ok(()) };
            let bytes = HEADER_BYTES + branch.bytes + ELEMENT_BYTES + key.len();
            let full = bytes as u64 > self.out.page_bytes || branch.children.len() >= ELEMENTS_MAX;
            // The library dislikes branches with one child. So a complete one keeps two at least,
            // and its last child begins the next one, which gets a second one at once.
            let last = if full && branch.children.len() > 2 { branch.children.pop() } else { None };
            if let Some((last_key, last_page)) = last {
                let done = std::mem::take(branch);
                branch.began = true;
                branch.push(last_key, last_page);
                branch.push(key, page);
                next = Some(write_branch(&mut self.out, done)?);
            } else {
                branch.push(key, page);
            }
        }
        Ok(())
    }

    /// Writes what still grows of the bucket's tree; returns its root.
    fn end_tree(&mut self) -> io::Result<PageId> {
        self.leaf_done()?;
        let mut level = 0;
        loop {
            let Some(branch) = self.bucket.levels.get_mut(level) else {
                return Err(io::Error::other("a tree without a root"));
            };
            let branch = std::mem::take(branch);
            if !branch.began && branch.children.len() == 1 {
                self.bucket = GrowingBucket::default();
                let root = branch.children.first().map(|(_, page)| *page);
                return root.ok_or_else(|| io::Error::other("a tree without a root"));
            }
            let (key, page) = write_branch(&mut self.out, branch)?;
            level += 1;
            self.child(level, key, page)?;
        }
    }
}

/// Writes a complete branch; returns how its parent names it.
fn write_branch(out: &mut Out, branch: GrowingBranch) -> io::Result<(Vec<u8>, PageId)> {
    let bytes =
        HEADER_BYTES + branch.children.iter().map(|(k, _)| ELEMENT_BYTES + k.len()).sum::<usize>();
    let id = out.page((BRANCH, branch.children.len()), bytes, |out| {
        let mut before = 0;
        let mut left = ELEMENT_BYTES * branch.children.len();
        for (key, page) in &branch.children {
            let distance = u32::try_from(left + before).unwrap_or(u32::MAX);
            let size = u32::try_from(key.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&distance.to_le_bytes());
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(&page.0.to_le_bytes());
            before += key.len();
            left -= ELEMENT_BYTES;
        }
        for (key, _) in &branch.children {
            out.extend_from_slice(key);
        }
    })?;
    let key = branch.children.into_iter().next().map(|(key, _)| key).unwrap_or_default();
    Ok((key, id))
}
