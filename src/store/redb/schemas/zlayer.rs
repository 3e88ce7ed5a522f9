//! zlayer-consensus 0.14: openraft 0.9 in postcard

use crate::store::RedbFormat;
use crate::store::codec::{Encoding, Leader, ValueCodec};
use crate::store::redb::layout::ConfTables;
use crate::store::redb::schemas::Schema;
use crate::store::redb::schemas::openraft::{meta, one_log};

static CONFS: [ConfTables; 1] = [meta("meta")];

pub(super) static SCHEMA: Schema = one_log(
    ("zlayer", "zlayer-consensus 0.14: openraft 0.9 in postcard", RedbFormat::V2),
    "log_entries",
    &CONFS,
    ValueCodec::Openraft(Encoding::Postcard, Leader::TermAndNode),
);
