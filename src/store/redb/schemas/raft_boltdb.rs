//! The default: tables `logs` and `conf` of the unnamed group, `logs/NAME` and `conf/NAME` of the
//! group NAME (everything behind the first slash), with the bytes that raft-boltdb would store.

use std::borrow::Cow;

use crate::store::codec::{HASHICORP_KINDS, INDEX_USUAL_MIN, ValueCodec};
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::schemas::Schema;
use crate::store::{Format, HASHICORP_MEMBERSHIPS, Holds, Profile, RedbFormat, VoteForm};

pub(super) const PROFILE: Profile = Profile {
    format: Format::Redb,
    schema: "raft-boltdb",
    holds: Holds {
        many_groups: true,
        holes: true,
        terms: true,
        appended_at: true,
        time_form_matters: false,
        extensions: true,
        notes: false,
        nil_payload: true,
        commit: false,
        vote: VoteForm::Bytes,
        stable_keys: true,
        snapshot_marker: false,
    },
    kinds: &HASHICORP_KINDS,
    index_min: 0,
    index_usual_min: INDEX_USUAL_MIN,
    // The largest value that redb takes.
    entry_bytes_max: 3 << 30,
    memberships: &HASHICORP_MEMBERSHIPS,
};

const fn names(bare: &'static str, before: &'static str) -> Names {
    Names {
        bare: Some(Cow::Borrowed(bare)),
        around: Some((Cow::Borrowed(before), Cow::Borrowed(""))),
    }
}

const CONFS: [ConfTables; 1] = [ConfTables {
    names: names("conf", "conf/"),
    key: KeyForm::Text,
    value: ValueForm::Bytes,
    label: Cow::Borrowed(""),
}];

pub(super) static SCHEMA: Schema = Schema {
    profile: PROFILE,
    project: "the bytes of hashicorp/raft-boltdb, one pair of tables a group",
    layout: Layout {
        logs: LogTables {
            names: names("logs", "logs/"),
            key: KeyForm::U64,
            value: ValueForm::Bytes,
        },
        confs: Cow::Borrowed(&CONFS),
    },
    codec: ValueCodec::RaftLog,
    redb_format: RedbFormat::V3,
    known: true,
    file_a_group: false,
    terms_may_fall: false,
    takes_any: true,
};
