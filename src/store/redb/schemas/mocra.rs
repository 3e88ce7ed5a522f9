//! mocra-cluster 0.5: openraft 0.9 in msgpack

use crate::store::RedbFormat;
use crate::store::codec::{Encoding, Leader, ValueCodec};
use crate::store::redb::layout::ConfTables;
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{meta, one_log};

static CONFS: [ConfTables; 1] = [meta("raft_meta")];

pub(super) static SCHEMA: Schema = one_log(
    ("mocra", "mocra-cluster 0.5: openraft 0.9 in msgpack", RedbFormat::V2),
    "raft_logs",
    &CONFS,
    ValueCodec::Openraft(Encoding::Msgpack, Leader::TermAndNode),
);
