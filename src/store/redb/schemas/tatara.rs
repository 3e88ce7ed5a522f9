//! tatara-engine 0.2: openraft 0.9 in JSON

use crate::store::RedbFormat;
use crate::store::codec::{Encoding, Leader, ValueCodec};
use crate::store::redb::layout::ConfTables;
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{meta, one_log};

static CONFS: [ConfTables; 1] = [meta("raft_meta")];

pub(super) static SCHEMA: Schema = one_log(
    ("tatara", "tatara-engine 0.2: openraft 0.9 in JSON", RedbFormat::V3),
    "raft_log",
    &CONFS,
    ValueCodec::Openraft(Encoding::Json, Leader::TermAndNode),
);
