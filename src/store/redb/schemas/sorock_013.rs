//! sorock 0.13: a table a shard, and one for the ballots of all.

use std::borrow::Cow;

use crate::store::redb::layout::{ConfTables, KeyForm, Names, ValueForm};
use crate::store::redb::schemas::{Schema, sorock};

static CONFS: [ConfTables; 1] = [ConfTables {
    names: Names::one("ballot"),
    key: KeyForm::Group,
    value: ValueForm::Vec,
    label: Cow::Borrowed("ballot"),
}];

pub(super) static SCHEMA: Schema = sorock::schema(
    "sorock-0.13",
    "sorock 0.13: a table a shard, one for all ballots, bincode",
    "log.",
    &CONFS,
);
