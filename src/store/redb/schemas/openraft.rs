//! What the schemas of openraft's users, and of others beside hashicorp's, have in common.

use std::borrow::Cow;

use crate::model::EntryKind;
use crate::store::codec::ValueCodec;
use crate::store::redb::layout::{ConfTables, KeyForm, Layout, LogTables, Names, ValueForm};
use crate::store::redb::schemas::Schema;
use crate::store::{Format, Holds, Profile, RedbFormat, VoteForm};

/// Profile of a schema in which only logs are written that were read in it: nothing of them is
/// lost. openraft's logs begin at 0.
pub(super) const fn profile(schema: &'static str, many_groups: bool) -> Profile {
    Profile {
        format: Format::Redb,
        schema,
        holds: Holds {
            many_groups,
            holes: true,
            terms: true,
            appended_at: false,
            time_form_matters: false,
            extensions: false,
            notes: false,
            nil_payload: true,
            commit: true,
            vote: VoteForm::Both,
            stable_keys: true,
            snapshot_marker: true,
        },
        kinds: &EntryKind::ALL,
        index_min: 0,
        index_usual_min: 0,
        entry_bytes_max: 3 << 30,
        memberships: &[],
    }
}

/// A table of text keys and bytes.
pub(super) const fn meta(name: &'static str) -> ConfTables {
    conf(name, KeyForm::Text, "")
}

/// A table of bytes by a key of `key`.
pub(super) const fn conf(name: &'static str, key: KeyForm, label: &'static str) -> ConfTables {
    ConfTables {
        names: Names::one(name),
        key,
        value: ValueForm::Bytes,
        label: Cow::Borrowed(label),
    }
}

/// Schema with one log in the table `logs`, by number, and tables beside it.
pub(super) const fn one_log(
    (name, project, redb_format): (&'static str, &'static str, RedbFormat),
    logs: &'static str,
    confs: &'static [ConfTables],
    codec: ValueCodec,
) -> Schema {
    Schema {
        profile: profile(name, false),
        project,
        layout: Layout {
            logs: LogTables { names: Names::one(logs), key: KeyForm::U64, value: ValueForm::Bytes },
            confs: Cow::Borrowed(confs),
        },
        codec,
        redb_format,
        known: true,
        file_a_group: false,
        terms_may_fall: false,
        takes_any: false,
    }
}
