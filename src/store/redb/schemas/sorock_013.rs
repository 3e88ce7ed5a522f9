//! sorock 0.13: a table a shard, and one for the ballots of all.

use std::borrow::Cow;

use crate::store::RedbFormat;
use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::profile;

static CONFS: [ConfTables; 1] = [ConfTables {
    names: Names::one("ballot"),
    key: KeyForm::Group,
    value: ValueForm::Vec,
    label: Cow::Borrowed("ballot"),
}];

pub(super) static SCHEMA: Schema = Schema {
    profile: profile("sorock-0.13", true),
    project: "sorock 0.13: a table a shard, one for all ballots, bincode",
    layout: Layout {
        logs: LogTables { names: Names::each("log."), key: KeyForm::U64, value: ValueForm::Vec },
        confs: Cow::Borrowed(&CONFS),
    },
    codec: ValueCodec::Sorock,
    redb_format: RedbFormat::V3,
    known: true,
    terms_may_fall: true,
    takes_any: false,
};
