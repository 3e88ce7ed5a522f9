//! sorock 0.12: two tables a shard. It rebuilds the term of an entry from the one before, so that
//! terms really go down in its logs.

use std::borrow::Cow;

use crate::store::RedbFormat;
use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::profile;

static CONFS: [ConfTables; 1] = [ConfTables {
    names: Names::each("ballot-"),
    key: KeyForm::Unit,
    value: ValueForm::Vec,
    label: Cow::Borrowed("ballot"),
}];

pub(super) static SCHEMA: Schema =
    schema("sorock", "sorock 0.12: two tables a shard, bincode", "log-", &CONFS);

/// What a version of sorock keeps: a table a shard, whose names begin alike, and ballots.
pub(super) const fn schema(
    name: &'static str,
    project: &'static str,
    log_prefix: &'static str,
    confs: &'static [ConfTables],
) -> Schema {
    Schema {
        profile: profile(name, true),
        project,
        layout: Layout {
            logs: LogTables {
                names: Names::each(log_prefix),
                key: KeyForm::U64,
                value: ValueForm::Vec,
            },
            confs: Cow::Borrowed(confs),
        },
        codec: ValueCodec::Sorock,
        redb_format: RedbFormat::V3,
        known: true,
        file_a_group: false,
        terms_may_fall: true,
        takes_any: false,
    }
}
