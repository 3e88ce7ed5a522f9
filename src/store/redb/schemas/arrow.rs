//! an Arrow store over raft-rs: eraftpb in protobuf

use crate::store::RedbFormat;
use crate::store::codec::{Flavor, ValueCodec};
use crate::store::redb::layout::{ConfTables, KeyForm};
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{conf, one_log};

static CONFS: [ConfTables; 3] = [
    conf("raft_hard_state", KeyForm::Text, "raft_hard_state"),
    conf("raft_conf_state", KeyForm::Text, "raft_conf_state"),
    conf("raft_snapshot", KeyForm::Text, ""),
];

pub(super) static SCHEMA: Schema = one_log(
    ("arrow", "an Arrow store over raft-rs: eraftpb in protobuf", RedbFormat::V3),
    "raft_entries",
    &CONFS,
    ValueCodec::Protobuf(Flavor::Eraftpb),
);
