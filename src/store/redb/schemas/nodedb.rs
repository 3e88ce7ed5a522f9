//! nodedb-cluster 0.4: a file a group, entries in an envelope of its own.

use std::borrow::Cow;

use crate::store::RedbFormat;
use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{meta, profile};

static CONFS: [ConfTables; 1] = [meta("raft.meta")];

pub(super) static SCHEMA: Schema = Schema {
    profile: profile("nodedb", false),
    project: "nodedb-cluster 0.4: a file a group, an envelope around msgpack",
    layout: Layout {
        logs: LogTables {
            names: Names::one("raft.entries"),
            key: KeyForm::Bytes,
            value: ValueForm::Bytes,
        },
        confs: Cow::Borrowed(&CONFS),
    },
    codec: ValueCodec::Nodedb,
    redb_format: RedbFormat::V2,
    known: true,
    file_a_group: true,
    terms_may_fall: false,
    takes_any: false,
};
