//! rivven-cluster 0.0.22: openraft 0.9 in postcard

use crate::store::RedbFormat;
use crate::store::codec::{Encoding, Leader, ValueCodec};
use crate::store::redb::layout::ConfTables;
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{meta, one_log};

static CONFS: [ConfTables; 1] = [meta("raft_state")];

pub(super) static SCHEMA: Schema = one_log(
    ("rivven", "rivven-cluster 0.0.22: openraft 0.9 in postcard", RedbFormat::V2),
    "raft_logs",
    &CONFS,
    ValueCodec::Openraft(Encoding::Postcard, Leader::TermAndNode),
);
