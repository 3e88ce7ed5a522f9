use std::path::Path;
use std::sync::Arc;

use crate::migrate::{Ends, Options};
use crate::model::{GroupId, LogState};
use crate::store::open::{
    create_sink, open, refuse_group, target_notes, target_profile, target_room,
};
use crate::store::target::Target;
use crate::store::{LogSink, OpenOptions, Profile, RedbSchema, Room, Store, StoreError};
use crate::vfs::{Clock, Fs};

/// The doors of the store room: formats as they are read and written everywhere else.
pub struct Doors<'d> {
    /// Where target and source lie.
    pub fs: &'d Arc<dyn Fs>,
    /// For waiting on locks.
    pub clock: &'d dyn Clock,
}

impl Ends for Doors<'_> {
    fn profile(&self, options: &Options, target: &Path) -> Result<&'static Profile, StoreError> {
        target_profile(options.to, &options.sink, target)
    }

    fn refuse_group(
        &self,
        options: &Options,
        target: &Path,
        group: (&GroupId, &LogState),
    ) -> Result<(), StoreError> {
        refuse_group(options.to, &options.sink, target, group)
    }

    fn room(&self, options: &Options) -> Room {
        target_room(options.to, &options.sink)
    }

    fn notes(&self, options: &Options) -> Vec<String> {
        target_notes(options.to, &options.sink)
    }

    fn create(&self, options: &Options, target: Target) -> Result<Box<dyn LogSink>, StoreError> {
        create_sink(options.to, target, &options.sink)
    }

    fn reopen(&self, options: &Options, partial: &Path) -> Result<Box<dyn Store>, StoreError> {
        // The format is not named: what was written must be recognised by its content.
        let files = options.sink.redb_files.as_ref();
        let file_pattern = files.map(|files| files.pattern());
        let redb = RedbSchema { file_pattern, ..options.sink.redb.clone() };
        let alone = OpenOptions { alone: true, redb, ..OpenOptions::default() };
        Ok(open(self.fs, self.clock, partial, &alone)?.store)
    }
}
