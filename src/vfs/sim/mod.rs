//! The simulated disk: a file system in memory that knows what a crash may leave of it.
//!
//! Writes reach pages of 4096 bytes and are pending until a sync makes them durable; so are sizes
//! and names. At any moment [`SimFs::disk`] gives a copy (pages are shared, so it is cheap), and
//! [`Disk::images`] lists or samples what a crash at that moment may leave, as the [`Profile`]
//! allows. An image is again a disk, on which [`SimFs::on`] starts a file system for recovery.
//!
//! ```
//! use std::path::Path;
//! use raftlog::vfs::sim::{Profile, SimFs, Tries};
//! use raftlog::vfs::{OpenMode, Vfs};
//!
//! let fs = SimFs::new(Profile::StrictPosix);
//! fs.open(Path::new("/a"), OpenMode::CreateNew)?.write_at(0, b"hello")?;
//! let images = fs.disk().images(Tries::default());
//! assert!(images.is_exhaustive());
//! let survivors = images.distinct().filter(|image| {
//!     SimFs::on(image.disk.clone()).open(Path::new("/a"), OpenMode::Read).is_ok()
//! });
//! // With the name: nothing in it, five zeros, or the bytes.
//! assert_eq!(survivors.count(), 3);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The rules, where the crash model leaves a choice
//!
//! - strict-posix: a size is one of those that calls led to, in their order: a size that a call
//!   led to after a shrink says that the shrink survived. Growth that a write call brought is one
//!   size, not one a page.
//! - A shrink that cuts a page and does not survive keeps the bytes behind its cut as they were
//!   just before it, whatever is written to the page later; before its cut any version is legal.
//! - ext4-ordered: a page has to be seen written if it lay behind the end of the file when it was
//!   first written and no allocation in the surviving journal covers it. Sizes that calls led to
//!   are legal as page ends are, so that each image of a moment stays legal later.
//! - A failed `sync_dir` leaves its names pending.
//! - After a failed sync of a file its sizes stay pending.

mod clock;
mod dice;
mod disk;
mod fault;
mod file;
mod fs;
mod image;
mod legal;
mod names;
mod page;
mod profile;
mod sample;
mod trace;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod laws;

pub use clock::SimClock;
pub use dice::{Dice, Seed};
pub use disk::{CallNo, Disk};
pub use fault::{Damage, Fault, FaultPlan, ReadNo, Refusal};
pub use fs::SimFs;
pub use image::{Choice, Decision, Image, ImageNo, Images, Tries};
pub use profile::{Profile, Torn};
pub use trace::{Moment, Operation, TracedCall};
