//! The BoltDB container: pages, metas, buckets. It knows nothing of Raft.
//!
//! `format` knows the bytes, `metas` chooses which commit counts, `page` checks one page, `pages`
//! reads it, `tree` walks many, `bucket` lists what a tree holds, `check` proves the whole page
//! graph, `write` makes compact files. Over plain positioned reads: memory is one branch a level
//! and one window of leaves, whatever the size of the file.

mod bucket;
mod check;
mod format;
mod freelist;
mod metas;
mod page;
mod pages;
mod set;
mod tree;
mod write;

pub use bucket::{Bucket, buckets};
pub use check::{Survey, survey};
pub use format::PageId;
pub use freelist::read_freelist;
pub use metas::{Metas, SlotState, begins_like_bolt, likely_page_bytes, read_metas};
pub use page::{Element, Leaf};
pub use pages::Pages;
pub use set::PageSet;
pub use tree::{Damaged, Root, Visit, Walk};
pub use write::{BucketValue, PAGE_BYTES_USUAL, Writer, unfit_key};

#[cfg(test)]
mod tests;
