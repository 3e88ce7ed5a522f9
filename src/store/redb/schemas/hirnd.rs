//! hirnd 0.1: openraft in bincode 1

use crate::store::RedbFormat;
use crate::store::codec::{Encoding, Leader, ValueCodec};
use crate::store::redb::layout::{ConfTables, KeyForm};
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{conf, one_log};

static CONFS: [ConfTables; 2] =
    [conf("vote", KeyForm::Bytes, "vote"), conf("meta", KeyForm::Bytes, "")];

pub(super) static SCHEMA: Schema = one_log(
    ("hirnd", "hirnd 0.1: openraft in bincode 1", RedbFormat::V2),
    "log",
    &CONFS,
    ValueCodec::Openraft(Encoding::Bincode, Leader::TermAndNode),
);
