//! aspen: openraft 0.10 in bincode 1

use crate::store::RedbFormat;
use crate::store::codec::{Encoding, Leader, ValueCodec};
use crate::store::redb::layout::ConfTables;
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{meta, one_log};

static CONFS: [ConfTables; 1] = [meta("raft_meta")];

pub(super) static SCHEMA: Schema = one_log(
    ("aspen", "aspen: openraft 0.10 in bincode 1", RedbFormat::V2),
    "raft_log",
    &CONFS,
    ValueCodec::Openraft(Encoding::Bincode, Leader::TermAndNode),
);
