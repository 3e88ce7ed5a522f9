//! In which redb files logs were read, wherever they lie now.

use crate::model::{GroupId, LogState, SharedBytes};
use crate::store::redb::layout::{Layout, Names};
use crate::store::redb::noted::Noted;
use crate::store::redb::schemas::{self, Schema};
use crate::store::{Format, RedbFormat, RedbSchema, SinkOptions, Store, StoreError};

/// The redb files in which logs were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedbOrigin {
    /// Name of their schema.
    pub schema: String,
    /// Their file format, where all have the same.
    pub format: Option<RedbFormat>,
    /// Names of the files, where each group had one of its own in one directory.
    pub files: Option<Names>,
    /// Where the log lay, where its schema does not say it: to read it again without a proof.
    pub tables: RedbSchema,
}

/// Finds the origin of the groups of a store, or of the one that is `chosen`; `None` where they
/// are not all of one schema.
///
/// # Errors
/// When the state of a group cannot be read for another reason than damage.
pub fn origin(
    store: &dyn Store,
    chosen: Option<&GroupId>,
) -> Result<Option<RedbOrigin>, StoreError> {
    let mut common: Option<(&'static Schema, Option<RedbFormat>, Option<Names>)> = None;
    let mut layouts: Vec<Layout> = Vec::new();
    for group in store.groups()?.into_iter().filter(|group| chosen.is_none_or(|one| one == group)) {
        let state = match store.state(&group) {
            Ok(state) => state,
            Err(StoreError::Fault(_)) => continue,
            Err(error) => return Err(error),
        };
        let Some(schema) = state.schema.as_deref().and_then(schemas::named) else {
            return Ok(None);
        };
        let noted = Noted::read(&state.note);
        let own = (Some(noted.format(schema)), noted.files().cloned());
        layouts.extend(noted.layout().filter(|_| !schema.known));
        common = Some(match common {
            None => (schema, own.0, own.1),
            Some((other, ..)) if other.name() != schema.name() => return Ok(None),
            Some((_, format, files)) => {
                let files = files.filter(|files| Some(files) == own.1.as_ref());
                (schema, format.filter(|format| Some(*format) == own.0), files)
            }
        });
    }
    layouts.dedup();
    Ok(common.map(|(schema, format, files)| {
        let tables = match layouts.as_slice() {
            [layout] => tables(schema, layout),
            _ => RedbSchema::default(),
        };
        RedbOrigin { schema: schema.name().to_owned(), format, files, tables }
    }))
}

/// Where a log of any tables lies, as an operator would tell it.
fn tables(schema: &Schema, layout: &Layout) -> RedbSchema {
    let logs = Some(layout.logs.names.pattern());
    let (logs_table, group_pattern) = match layout.logs.names.around {
        Some(_) => (None, logs),
        None => (logs, None),
    };
    let conf_table = match &*layout.confs {
        [one] if one.label.is_empty() => Some(one.names.pattern()),
        _ => None,
    };
    RedbSchema {
        logs_table,
        group_pattern,
        conf_table,
        codec: Some(schema.codec),
        ..RedbSchema::default()
    }
}

/// What a target of `format` will say of the redb file that a log of `state` was read in.
pub fn note_in_target(format: Format, options: &SinkOptions, state: &LogState) -> SharedBytes {
    let noted = Noted::read(&state.note);
    let schema = schemas::of_target(options);
    match format {
        Format::Redb if state.schema.as_deref() == Some(schema.name()) => {
            let own = options.redb_format.unwrap_or_else(|| noted.format(schema));
            let format = match options.redb_files {
                Some(_) => own,
                None => options.redb_format.unwrap_or_default(),
            };
            noted.in_format(schema, format).in_files(options.redb_files.clone()).write()
        }
        Format::FastLog => state.note.clone(),
        _ if noted.is_about_files_only() && noted != Noted::default() => SharedBytes::default(),
        _ => state.note.clone(),
    }
}
