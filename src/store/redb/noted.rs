//! What a log remembers of the redb file that it was read in, as the note of its state, wherever it
//! is copied: so that the way back leads to the same tables, file format and files.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::SharedBytes;
use crate::store::RedbFormat;
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names};
use crate::store::redb::schema::GroupTables;
use crate::store::redb::schemas::Schema;

/// What the schema's name does not say already. In JSON; empty where it says everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Where entries lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    logs: Option<LogTables>,
    /// Where everything else lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confs: Option<Cow<'static, [ConfTables]>>,
    /// The file format, 2 or 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redb_format: Option<u8>,
    /// Names of the files, where each group has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files: Option<Names>,
    /// Patterns of those tables of the layout that the group has not; empty too where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    absent: Vec<String>,
}

impl Noted {
    /// What is to be remembered of a log in `schema`.
    pub fn new(schema: &Schema, layout: &Layout, format: RedbFormat) -> Noted {
        let own = schema.known && *layout == schema.layout;
        let layout = (!own).then(|| layout.clone());
        let (logs, confs) = layout.map(|layout| (layout.logs, layout.confs)).unzip();
        Noted { logs, confs, ..Noted::default() }.in_format(schema, format)
    }

    /// The same in another file format.
    pub fn in_format(self, schema: &Schema, format: RedbFormat) -> Noted {
        let redb_format = (format != schema.redb_format).then(|| format.number());
        Noted { redb_format, ..self }
    }

    /// The same as one of the files of a directory, or of none.
    pub fn in_files(self, files: Option<Names>) -> Noted {
        Noted { files, ..self }
    }

    /// The same of a group with these tables.
    pub fn of_group(self, tables: &GroupTables, layout: &Layout) -> Noted {
        let logs = Some(&layout.logs.names).filter(|_| tables.logs.is_none());
        let is_there = |conf: &ConfTables| {
            // What has a row a group, or only one at all, is there with its row.
            conf.key == KeyForm::Unit
                || conf.key.names_groups()
                || tables.confs.iter().any(|(own, _)| own.names == conf.names)
        };
        let confs = layout.confs.iter().filter(|conf| !is_there(conf)).map(|conf| &conf.names);
        let absent = match tables.logs.is_none() && tables.confs.is_empty() {
            true => Vec::new(),
            false => logs.into_iter().chain(confs).map(Names::pattern).collect(),
        };
        Noted { absent, ..self }
    }

    /// Whether the group has no table of these names.
    pub fn lacks(&self, names: &Names) -> bool {
        !self.absent.is_empty() && self.absent.contains(&names.pattern())
    }

    /// Reads a note; one of another format says nothing.
    pub fn read(note: &[u8]) -> Noted {
        serde_json::from_slice(note).unwrap_or_default()
    }

    /// The note; empty where there is nothing to say.
    pub fn write(&self) -> SharedBytes {
        let bytes = match *self == Noted::default() {
            true => Vec::new(),
            false => serde_json::to_vec(self).unwrap_or_default(),
        };
        SharedBytes::from(bytes)
    }

    /// Where everything lies, where that is not as in the schema.
    pub fn layout(&self) -> Option<Layout> {
        Some(Layout { logs: self.logs.clone()?, confs: self.confs.clone()? })
    }

    /// The file format of a file in `schema`.
    pub fn format(&self, schema: &Schema) -> RedbFormat {
        self.redb_format.and_then(RedbFormat::of_number).unwrap_or(schema.redb_format)
    }

    /// Names of the files, where each group has one of its own.
    pub fn files(&self) -> Option<&Names> {
        self.files.as_ref()
    }

    /// Whether a log in another format loses nothing without this: it is all about the file, and
    /// nothing about what is in it.
    pub fn is_about_files_only(&self) -> bool {
        self.logs.is_none() && self.confs.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redb::schemas;

    #[test]
    fn what_the_schema_says_already_is_not_noted_and_the_rest_comes_back() {
        let mocra = schemas::named("mocra").unwrap();
        let usual = Noted::new(mocra, &mocra.layout, mocra.redb_format);
        assert!(usual.write().is_empty());
        let newer = Noted::new(mocra, &mocra.layout, RedbFormat::V3);
        assert_eq!(&*newer.write(), br#"{"redb_format":3}"#);
        let read = Noted::read(&newer.write());
        assert_eq!((read.format(mocra), read.layout()), (RedbFormat::V3, None));
        assert!(read.is_about_files_only());
        let any = schemas::named("openraft-json").unwrap();
        let noted = Noted::new(any, &any.layout, RedbFormat::V2);
        let noted = noted.in_files(Some(Names::of_pattern("group-{}.redb")));
        let read = Noted::read(&noted.write());
        assert_eq!(read, noted);
        assert_eq!((read.format(any), read.layout()), (RedbFormat::V2, Some(any.layout.clone())));
        assert!(!read.is_about_files_only());
    }

    #[test]
    fn notes_of_other_formats_and_of_older_versions_are_read() {
        let any = schemas::named("openraft-json").unwrap();
        for other in [&b""[..], b"rLg1", b"[1]", b"{\"logs\":3}"] {
            assert_eq!(Noted::read(other), Noted::default());
        }
        let old = serde_json::to_vec(&any.layout).unwrap();
        let read = Noted::read(&old);
        assert_eq!((read.layout(), read.format(any)), (Some(any.layout.clone()), RedbFormat::V3));
        assert_eq!(&*read.write(), old);
    }
}
